"""TOML: text to forms, each with its line and column as far as they can be told.

The values are those of `tomllib`, which keeps no places. A scan of our own finds where things are written. It reads structure
only, and takes for granted what `tomllib` checks. It comes first, because it is what refuses depth: `tomllib` recurses, and takes
time that grows with the square of the parts of a key. Where scan and values do not fit together, a value gets the place of what
is around it.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from bisect import bisect_left
from typing import Any, Final, NamedTuple

from mainspring import BadFile, Site

from ._form import Entries, Form, Items, Limits, Scalar, bad_file, repeated, too_deep, too_many


def read(text: str, file: str, limits: Limits) -> Form:
    """What a text in TOML says.

    Dates and times are objects of `datetime`. The place of a table is that of its header, or where its name is first written.

    Parameters:
        text: all of it.
        file: the name that places get.
        limits: `depth` counts tables and arrays, those that a dotted key or a header implies too; `items` counts values and keys.

    Returns:
        The table that the whole text is.

    Raises:
        BadFile: it is not TOML, says something twice, or is more than the limits allow.

    Example:
        >>> form = read('[db]\\npool = {size = 10}', "a.toml", Limits())
        >>> form
        {'db': {'pool': {'size': 10}}}
        >>> [(key, str(value.site)) for key, value in form.pairs]
        [('db', 'a.toml:1:1')]
    """
    # As `tomllib` does; no line and no column before its end is changed by it.
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    places = _Places(text, file)
    if not text.isascii() and (found := _SURROGATE.search(text)):
        raise bad_file("It holds half of a surrogate pair, which is no character.", places.at(found.start()))
    scan = _Scan(text, places, limits)
    scan.run()
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(error, scan, places) from None
    except ValueError as error:
        # Python itself refuses to read whole numbers of so many digits, for the time that it takes.
        if scan.long >= 0:
            raise _too_long(places.at(scan.long)) from None
        raise bad_file(f"It is not TOML: {error}.", places.nowhere()) from None
    except RecursionError:
        raise bad_file("It is nested more deeply than Python's own reader of TOML follows.", places.nowhere()) from None
    return _forms(data, scan.root, places, limits)


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Places:
    """Lines and columns of offsets into one text."""

    def __init__(self, text: str, file: str) -> None:
        self._file, self.size = file, len(text)
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def at(self, offset: int) -> Site:
        line = bisect_left(self._ends, offset)
        return Site(self._file, line + 1, offset - (self._ends[line - 1] if line else -1))

    def offset(self, line: int, column: int) -> int:
        return (self._ends[line - 2] if line > 1 else -1) + column

    def nowhere(self) -> Site:
        return Site(self._file, 0)


# --- Where things are -------------------------------------------------------------------------------------------------


class _Spot:
    """Where a value is written, and where what is in it is.

    Parameters:
        at: the offset of the value; of a table, of the header or the name that makes it.
        key: the offset of its key, or of itself in an array.
        depth: how many tables and arrays there are from the outside to it, itself included if it is one.
    """

    __slots__ = ("at", "depth", "items", "key", "names", "of_headers")

    def __init__(self, at: int, key: int, depth: int) -> None:
        self.at, self.key, self.depth = at, key, depth
        self.names: dict[str, _Spot] | None = None
        self.items: list[_Spot] | None = None
        self.of_headers = False  # an array of tables: a header may go into its last one


class _Repeat(NamedTuple):
    key: str
    first: int
    again: int


_STRING: Final = r"""
      "{3}(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}
    | '{3}(?:[^']++|'{1,2}(?!'))*+'{3,5}
    | "(?:[^"\\\n]++|\\.)*+"
    | '[^'\n]*+'
"""
_SKIP: Final = re.compile(r"(?:[ \t\n]++|\#[^\n]*+)*+")
_BLANKS: Final = re.compile(r"[ \t]*+")
_COMMA: Final = re.compile(r"(?:[ \t\n]++|\#[^\n]*+)*+,?+(?:[ \t\n]++|\#[^\n]*+)*+")
_PART: Final = re.compile(
    r"""[ \t]*+([A-Za-z0-9_-]++|"(?:[^"\\\n]++|\\.)*+"|'[^'\n]*+')[ \t]*+(\.?)""",
    re.VERBOSE,
)
# A date and a time may have a space between them.
_VALUE: Final = re.compile(rf"(?s:{_STRING}|[^\s,\[\]{{}}\#\"'=]++(?:[ ][0-9][0-9:.+\-Zz]*+)?)", re.VERBOSE)
_SIMPLE: Final = re.compile(
    r"""([A-Za-z0-9_-]++)[ \t]*+=[ \t]*+((?:"(?!"")[^"\\\n]*+"|[A-Za-z0-9+._-]++))[ \t]*+(?=\n|\#|\Z)""", re.VERBOSE
)


class _Scan:
    """A walk through a text that notes where keys and values are. It ends where it cannot go on.

    Parameters:
        text: what is TOML, or is not.
        places: its places.
        limits: how deep it may be nested.
    """

    def __init__(self, text: str, places: _Places, limits: Limits) -> None:
        self._text, self._places, self._limits = text, places, limits
        self.root = _Spot(0, 0, 1)
        self.root.names = {}
        self.long = -1  # the offset of the first number that Python refuses for its length
        self.stopped: _Repeat | None = None  # a key that leads through a value that is no table
        self.repeats: dict[int, _Repeat] = {}  # by the offset where a repetition is complete

    def run(self) -> None:
        """Walk through all of it.

        Raises:
            BadFile: it is nested too deeply.
        """
        text, table, at = self._text, self.root, 0
        while True:
            at = _after(_SKIP, text, at)
            if at >= len(text):
                return
            if text[at] == "[":
                header = self._header(at)
                if header is None:
                    return
                table, at = header
            elif simple := _SIMPLE.match(text, at):
                value, end = simple.span(2)
                self._put(table, simple[1], _Spot(value, at, table.depth + 1), end)
                self._measure(value, end)
                at = end
            elif (ended := self._entry(table, at)) is not None:
                at = ended
            else:
                return

    def _header(self, start: int) -> tuple[_Spot, int] | None:
        """The table that a header begins, and where the header ends."""
        several = self._text.startswith("[[", start)
        found = self._key(start + 1 + several, self.root.depth)
        if found is None or not self._text.startswith("]" * (1 + several), found[1]):
            return None
        parts, end = found
        table = self._down(self.root, parts[:-1])
        if table is None:
            return None
        assert table.names is not None
        name, at = parts[-1]
        spot = _Spot(start, at, table.depth + 1)
        spot.names = {}
        known = table.names.get(name)
        if known is not None and not (several and known.of_headers):
            # It may only have been implied so far; if it has a header already `tomllib` says so, and where.
            self.repeats[end] = _Repeat(".".join(part for part, _ in parts), known.key, at)
            if several or known.names is None:
                return None
            known.at = start
            return known, end + 1
        if several:
            if known is None:
                known = table.names[name] = _Spot(start, at, spot.depth)
                known.items, known.of_headers = [], True
            assert known.items is not None
            spot.depth, spot.key = known.depth + 1, start
            known.items.append(spot)
        else:
            table.names[name] = spot
        self._deep(spot.depth, start)
        return spot, end + 1 + several

    def _entry(self, table: _Spot, at: int) -> int | None:
        """Note a key and its value, and all that is in the value; where they end."""
        text = self._text
        around = table  # the table or the array that what comes next belongs to
        # The arrays and inline tables that are open, each with what it is in and, if that is a table, its name there.
        open_: list[tuple[_Spot, _Spot, str]] = []
        while True:
            name, key, owner = "", at, around
            if around.items is None:
                found = self._key(at, around.depth)
                if found is None or not text.startswith("=", found[1]):
                    return None
                parts, end = found
                down = self._down(around, parts[:-1])
                if down is None:
                    return None
                owner, (name, key) = down, parts[-1]
                at = _after(_BLANKS, text, end + 1)
            spot = _Spot(at, key, owner.depth + 1)
            opener = text[at : at + 1]
            if opener == "[" or opener == "{":
                self._deep(spot.depth, at)
                if opener == "[":
                    spot.items = []
                else:
                    spot.names = {}
                open_.append((spot, owner, name))
                around = spot
                at = _after(_SKIP, text, at + 1)
            else:
                value = _VALUE.match(text, at)
                if value is None:
                    return None
                self._measure(at, value.end())
                at = value.end()
                self._put(owner, name, spot, at)
                if not open_:
                    return at
                at = _after(_COMMA, text, at)
            while text[at : at + 1] == ("]" if around.items is not None else "}"):
                at += 1
                spot, owner, name = open_.pop()
                self._put(owner, name, spot, at)
                if not open_:
                    return at
                around = open_[-1][0]
                at = _after(_COMMA, text, at)

    def _key(self, at: int, depth: int) -> tuple[list[tuple[str, int]], int] | None:
        """The parts of a key, each with its offset, and where the key ends."""
        text = self._text
        parts: list[tuple[str, int]] = []
        while True:
            match = _PART.match(text, at)
            if match is None:
                return None
            name = match[1]
            if name[0] == "'":
                name = name[1:-1]
            elif name[0] == '"':
                plain = _plain(name)
                if plain is None:
                    return None
                name = plain
            parts.append((name, match.start(1)))
            if not match[2]:
                return parts, match.end()
            # Each part but the last is a table.
            self._deep(depth + len(parts), parts[0][1])
            at = match.end()

    def _down(self, table: _Spot, parts: list[tuple[str, int]]) -> _Spot | None:
        """The table that the parts lead to; those that are not there yet are made."""
        for name, at in parts:
            assert table.names is not None
            spot = table.names.get(name)
            if spot is None:
                spot = table.names[name] = _Spot(at, at, table.depth + 1)
                spot.names = {}
            elif spot.of_headers and spot.items:
                spot = spot.items[-1]
            elif spot.names is None:
                self.stopped = _Repeat(name, spot.key, at)
                return None
            table = spot
            self._deep(table.depth, at)
        return table

    def _put(self, around: _Spot, name: str, spot: _Spot, end: int) -> None:
        """Note what has come to its end."""
        if around.items is not None:
            around.items.append(spot)
            return
        assert around.names is not None
        known = around.names.setdefault(name, spot)
        if known is not spot:
            self.repeats[end] = _Repeat(name, known.key, spot.key)

    def _measure(self, start: int, end: int) -> None:
        if end - start > _SHORT and self.long < 0 and (digits := _DIGITS.fullmatch(self._text, start, end)):
            most = sys.get_int_max_str_digits()
            if 0 < most < len(digits[1].replace("_", "")):
                self.long = start

    def _deep(self, depth: int, at: int) -> None:
        if depth > self._limits.depth:
            raise too_deep(self._limits, self._places.at(at))


_SHORT: Final = 600  # the least that Python's limit of digits can be set to is 640
_DIGITS: Final = re.compile("[+-]?([0-9_]++)")


def _after(what: re.Pattern[str], text: str, at: int) -> int:
    """The offset after an expression that may match nothing."""
    match = what.match(text, at)
    return match.end() if match is not None else at


def _plain(quoted: str) -> str | None:
    """The text that a quoted key stands for."""
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return next(iter(tomllib.loads(f"{quoted} = 0")))
    except tomllib.TOMLDecodeError:
        return None


# --- Errors -----------------------------------------------------------------------------------------------------------

_AT: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_PATH: Final = re.compile(r"\(.*\)", re.DOTALL)  # the parts of a key, as `tomllib` prints them
_HINTS: Final = {
    "Invalid value": "Text stands in quotation marks; true and false are written in small letters; there is no null.",
    "Invalid statement": "A line is a [table], or a key, = and a value. Names of more than A-Z a-z 0-9 - _ are quoted.",
    "Invalid initial character for a key part": "Names of more than A-Z a-z 0-9 - _ are quoted; a {...} stands in one line.",
    "Expected '=' after a key in a key/value pair": "A line is a [table], or a key, = and a value.",
    "Expected newline or end of document after a statement": "Each key begins a line of its own. Text stands in quotation marks.",
    "Unclosed array": "Between two items there is a comma, and after the last one a ].",
    "Unclosed inline table": "Between two entries there is a comma, after the last one a }, and no end of a line before it.",
    "Unescaped '\\' in a string": "A backslash is written twice; between single quotation marks it stands for itself.",
}  # fmt: skip


def _not_toml(error: tomllib.TOMLDecodeError, scan: _Scan, places: _Places) -> BadFile:
    """The error for what `tomllib` refuses, at the place that it names."""
    said = str(error)
    found = _AT.search(said)
    if found is None:
        return bad_file(f"It is not TOML: {said}.", places.nowhere())
    what = said[: found.start()]
    offset = places.offset(int(found[1]), int(found[2])) if found[1] else places.size
    if what.startswith(("Cannot ", "Duplicate ")):
        repeat = scan.repeats.get(offset)
        if repeat is None and scan.stopped is not None and scan.stopped.again <= offset:
            repeat = scan.stopped
        if repeat is not None:
            return repeated(repeat.key, places.at(repeat.first), places.at(repeat.again))
        if path := _PATH.search(what):
            name = ".".join(ast.literal_eval(path[0]))
            told = f"{name!r} cannot be given here: it, or what it is in, is complete where it is first written."
            return bad_file(told, places.at(offset), "Write all of it there.")
    return bad_file(f"It is not TOML: {what[:1].lower()}{what[1:]}.", places.at(offset), _HINTS.get(what, ""))


def _too_long(site: Site) -> BadFile:
    return bad_file("A whole number has too many digits.", site, "Write it as text.")


# --- Forms ------------------------------------------------------------------------------------------------------------


def _forms(data: dict[str, Any], root: _Spot, places: _Places, limits: Limits) -> Form:
    """The values as forms, with the places that were found for them."""
    # Tables and arrays whose forms are still empty: their values, where to put the forms, what is known of their places.
    todo: list[tuple[Any, list[Any], _Spot | None, Site, int]] = []
    count = 0

    def form_of(value: Any, spot: _Spot | None, around: Site, depth: int) -> Form:
        nonlocal count
        count += 1
        site = places.at(spot.at) if spot is not None else around
        if isinstance(value, dict | list):
            if depth > limits.depth:
                raise too_deep(limits, site)
            within: list[Any] = []
            todo.append((value, within, spot, site, depth))
            return Entries(within, site) if isinstance(value, dict) else Items(within, site)
        if type(value) is int and value.bit_length() > 4 * _SHORT:
            try:
                str(value)
            except ValueError:
                # Of hexadecimal digits Python reads as many as there are, but it cannot write them as a decimal number.
                raise _too_long(site) from None
        return Scalar(value, site)

    top = form_of(data, root, places.at(0), 1)
    while todo:
        value, within, spot, site, depth = todo.pop()
        if isinstance(value, dict):
            names = (spot.names if spot is not None else None) or {}
            for name, each in value.items():
                at = names.get(name)
                within.append(
                    (Scalar(name, places.at(at.key) if at is not None else site), form_of(each, at, site, depth + 1))
                )
            count += len(value)
        else:
            items = spot.items if spot is not None else None
            if items is None or len(items) != len(value):
                within.extend(form_of(each, None, site, depth + 1) for each in value)
            else:
                within.extend(form_of(each, at, site, depth + 1) for each, at in zip(value, items, strict=True))
        if count > limits.items:
            raise too_many(limits, site)
    return top
