"""Reads JSON as RFC 8259 has it, with the place of every key and value, and no more recursion than a loop has."""

from __future__ import annotations

import re
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import Any, Final, NoReturn

from mainspring import BadFile, Site

from ._form import Entries, Form, Items, Keys, Limits, Scalar, bad_file, too_deep, too_many

_BLANK: Final = r"[ \t\n\r]*"
_PLAIN: Final = r'"([^"\\\x00-\x1f]*)"'
_INT: Final = r"-?(?:0|[1-9][0-9]*)"
_VALUE: Final = re.compile(
    rf"{_BLANK}(?:{_PLAIN}|({_INT})(?![0-9.eE])|({_INT}(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)|(true|false|null)|([\[{{]))"
)
_KEY: Final = re.compile(rf"{_BLANK}{_PLAIN}{_BLANK}:")
_AFTER: Final = re.compile(rf"{_BLANK}([,\]}}]?)")
_BLANKS: Final = re.compile(_BLANK)
_LONE_RETURN: Final = re.compile(r"\r(?!\n)")
_WORDS: Final = {"true": True, "false": False, "null": None}

# What mistakes look like.
_WORD: Final = re.compile(r"[^\W\d][\w.-]*")
_NUMBER: Final = re.compile(r"[+-]?\.?[0-9][\w.+-]*")
_INFINITE: Final = re.compile(r"[+-]?(?:NaN|Infinity|inf|nan)\b")
_HALVES: Final = re.compile("[\ud800-\udfff]")
_NUMBERS: Final = "Write it as 8080, -1, 0.5 or 1e9: no + before it, no 0 in front, digits on both sides of the point."
_AS_TEXT: Final = "Write it in quotation marks, and convert it where it is needed."
_ESCAPES: Final = (
    'There are \\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits. For a backslash itself write two.'
)
_HALF: Final = "Write both halves, or the character itself."
_NO_COMMA: Final = "Take the comma out."


def read(text: str, file: str, limits: Limits) -> Form:
    """What a text in JSON says.

    It takes what the module `json` takes, apart from this: no `NaN` and `Infinity`, no key twice in one object, no `\\ud800`
    without its other half, no integer of more digits than Python converts; a byte order mark at the beginning is passed over.

    Parameters:
        text: the text; its size has been looked at.
        file: its name, for places.
        limits: how deep it may be nested, and how many keys and values it may have.

    Raises:
        BadFile: it is no JSON, has a key twice, or is beyond the limits.

    Example:
        >>> form = read('{"port": 8080}', "app.json", Limits())
        >>> form
        {'port': 8080}
        >>> print(form.pairs[0][1].site)
        app.json:1:10
    """
    return _Reader(text, file, limits).read()


class _Reader:
    def __init__(self, text: str, file: str, limits: Limits) -> None:
        # Every position stays what it was, and a line ends at "\n" only.
        self.text = _LONE_RETURN.sub("\n", text) if "\r" in text else text
        self.file, self.limits = file, limits
        self.open: list[tuple[str, Site, bool, list[Form]]] = []  # bracket and place; then what to go on with after it

    def read(self) -> Form:
        if not self.text.isascii() and (half := _HALVES.search(self.text)):
            raise self.bad(half.start(), f"{_named(half[0])} stands here, which is one half of a character.", _HALF)
        # One loop over locals, and no call of ours for each value, since it is measured beside the C parser of `json`.
        text, file, most, deepest = self.text, self.file, self.limits.items, self.limits.depth
        value_at, key_at, after_at, find = _VALUE.match, _KEY.match, _AFTER.match, text.find
        make: Any = tuple.__new__  # a Site without the cost of its constructor
        at = 1 if text.startswith("\ufeff") else 0
        line, begun, ended = 1, at, find("\n")  # the line that was come to: its number, its first and its last position
        total = 0
        stack = self.open
        into: list[Form] = []  # of an object: key, value, key, value
        is_object = False
        site: Site
        while True:
            if is_object:
                if match := key_at(text, at):
                    key, start, at = match[1], match.start(1) - 1, match.end()
                else:
                    start, key, at = self.odd_key(at)
                while -1 < ended < start:
                    line, begun, ended = line + 1, ended + 1, find("\n", ended + 1)
                into.append(Scalar(key, make(Site, (file, line, start - begun + 1))))
                total += 1
            value: Any = None
            if match := value_at(text, at):
                kind = match.lastindex
                assert kind
                start = match.start(kind)
                if kind == 1:
                    start -= 1
                    value = match[1]
                elif kind == 4:
                    value = _WORDS[match[4]]
                elif kind == 2:
                    try:
                        value = int(match[2])
                    except ValueError:
                        raise self.bad(start, _too_long(match[2]), _AS_TEXT) from None
                elif kind == 3:
                    value = float(match[3])
                at = match.end()
            else:
                kind = 1
                start, value, at = self.odd_value(at)
            while -1 < ended < start:
                line, begun, ended = line + 1, ended + 1, find("\n", ended + 1)
            site = make(Site, (file, line, start - begun + 1))
            total += 1
            if total > most:
                raise too_many(self.limits, site)
            if kind == 5:
                if len(stack) >= deepest:
                    raise too_deep(self.limits, site)
                stack.append((text[start], site, is_object, into))
                into = []
                is_object = text[start] == "{"
                match = after_at(text, at)
                assert match
                if match[1] != ("}" if is_object else "]"):
                    continue
            else:
                into.append(Scalar(value, site))
                if not stack:
                    break
                match = after_at(text, at)
                assert match
            while (mark := match[1]) != ",":
                if mark != ("}" if is_object else "]"):
                    self.odd_after(match.end() - len(mark), is_object)
                at = match.end()
                form = self.entries(into, stack[-1][1]) if is_object else Items(into, stack[-1][1])
                _, _, is_object, into = stack.pop()
                into.append(form)
                if not stack:
                    break
                match = after_at(text, at)
                assert match
            else:
                at = match.end()
                continue
            break
        if (end := self.skip(at)) < len(text):
            self.odd_end(end)
        return into[0]

    def entries(self, flat: list[Form], site: Site) -> Entries:
        keys = flat[::2]
        if len({key.value for key in keys}) < len(keys):  # type: ignore[attr-defined] # each is a Scalar
            known = Keys()
            for key in keys:
                known.add(key)
        return Entries(list(zip(keys, flat[1::2], strict=True)), site)

    # --- What is rare: escapes, and mistakes ------------------------------------------------------------------------------

    def skip(self, at: int) -> int:
        match = _BLANKS.match(self.text, at)
        assert match
        return match.end()

    def string(self, at: int) -> tuple[str, int]:
        """The text whose quotation mark is at `at`, and where it ends."""
        try:
            value, end = scanstring(self.text, at + 1, True)
        except JSONDecodeError as error:
            raise self.bad_string(at, error.pos, error.msg) from None
        if half := _HALVES.search(value):
            what = f"The text that begins here has \\u{ord(half[0]):04x}, which is one half of a character, without the other."
            raise self.bad(at, what, _HALF)
        return value, end

    def bad_string(self, at: int, where: int, why: str) -> BadFile:
        if why.startswith("Unterminated"):
            return self.bad(at, "The text that begins here has no closing quotation mark.", 'Write a " where it ends.')
        if "control" in why:
            char = self.text[where]
            escape = {"\n": "\\n", "\t": "\\t"}.get(char, f"\\u{ord(char):04x}")
            return self.bad(where, f"{_named(char)} stands in a text in quotation marks.", f"Write it as {escape}.")
        where = self.text.rfind("\\", at, where + 1)
        return self.bad(where, "A backslash stands before what is no escape.", _ESCAPES)

    def odd_key(self, at: int) -> tuple[int, str, int]:
        """A key with escapes: where it begins, what it says, and where its value may begin. Else there is none: an error."""
        start = self.skip(at)
        found = self.text[start : start + 1]
        if found == '"':
            key, end = self.string(start)
            end = self.skip(end)
            if self.text[end : end + 1] != ":":
                raise self.lost(end, "A colon is expected between a key and its value")
            return start, key, end + 1
        if found == "}":
            raise self.bad(at - 1, "A comma stands before a closing }.", _NO_COMMA)
        if found == "'":
            raise self.bad(start, "A key stands in single quotation marks.", 'JSON takes double ones only: "key".')
        if word := _WORD.match(self.text, start):
            raise self.bad(start, f"The key {_short(word[0])} has no quotation marks.", f'Write "{_short(word[0])}".')
        raise self.lost(start, "A key in quotation marks is expected")

    def odd_value(self, at: int) -> tuple[int, str, int]:
        """A text with escapes: where it begins, what it says, and where it ends. Else there is no value: an error."""
        start = self.skip(at)
        found = self.text[start : start + 1]
        if found == '"':
            return start, *self.string(start)
        if not found and not self.open:
            raise self.bad(
                start, "The file is empty, and JSON wants a value.", "Write {} for a mapping without entries."
            )
        if found == "]" and at and self.text[at - 1] == ",":
            raise self.bad(at - 1, "A comma stands before a closing ].", _NO_COMMA)
        if found == "'":
            raise self.bad(start, "A text stands in single quotation marks.", 'JSON takes double ones only: "text".')
        if word := _INFINITE.match(self.text, start):
            raise self.bad(
                start, f"{word[0]} is no value of JSON, which has finite numbers only.", "Write null, or a text."
            )
        if word := _NUMBER.match(self.text, start):
            raise self.bad(start, f"{_short(word[0])} is no number of JSON.", _NUMBERS)
        if word := _WORD.match(self.text, start):
            known = {"none": "null", "nil": "null", "undefined": "null"} | {name: name for name in _WORDS}
            instead = known.get(word[0].lower(), f'"{_short(word[0])}"')
            raise self.bad(start, f"{_short(word[0])} is no value of JSON.", f"Write {instead}.")
        raise self.lost(start, "A value is expected")

    def odd_after(self, at: int, is_object: bool) -> NoReturn:
        """Neither a comma nor the right bracket follows a value."""
        found = self.text[at : at + 1]
        if found and found in "]}":
            opened, site = self.open[-1][:2]
            closing = "}" if is_object else "]"
            what = f"A {found} stands where {closing} is expected, for the {opened} of line {site.line}, column {site.column}."
            raise self.bad(at, what, f"Write {closing} here, or take one of the two brackets out.")
        self.more_of_a_number(at)
        if found == ":" and not is_object:
            raise self.bad(at, "A colon stands in a list.", "Write a mapping in braces: {...}.")
        raise self.lost(at, f"A comma or {'}' if is_object else ']'} is expected after a value")

    def odd_end(self, at: int) -> NoReturn:
        """More text follows the value that is all of the file."""
        found = self.text[at]
        if found in "]}":
            raise self.bad(at, f"A {found} stands here, and nothing is open.", "Take it out.")
        self.more_of_a_number(at)
        raise self.lost(at, "The end of the file is expected after its one value")

    def more_of_a_number(self, at: int) -> None:
        """An error where a number ends in what no number has: `01`, `1.`, `0x1`."""
        before = re.search(r"-?[0-9.eE+-]*[0-9]\Z", self.text[max(at - 40, 0) : at])
        if before and (rest := re.compile(r"[\w.]+").match(self.text, at)):
            raise self.bad(at - len(before[0]), f"{_short(before[0] + rest[0])} is no number of JSON.", _NUMBERS)

    def lost(self, at: int, expected: str) -> BadFile:
        """The error for anything else that is not what is expected."""
        found = self.text[at : at + 1]
        if not found:
            what = f"{expected}, and the file ends."
            if self.open:
                bracket, site = self.open[-1][:2]
                what = f"The file ends, and the {bracket} of line {site.line}, column {site.column} is not closed."
            return self.bad(at, what, "Is a part of the file missing?")
        if found == "#" or self.text.startswith(("//", "/*"), at):
            return self.bad(
                at, "A comment stands here, and JSON has none.", "Take it out, or write the file in YAML, TOML or EDN."
            )
        shown = (
            repr(found)
            if found.isprintable()
            else _named(found).lower()
            if found in "\n\t"
            else f"the character U+{ord(found):04X}"
        )
        return self.bad(at, f"{expected}, and there is {shown}.")

    def bad(self, at: int, what: str, hint: str = "") -> BadFile:
        before = self.text.count("\n", 0, at)
        begun = self.text.rfind("\n", 0, at) + 1 or int(self.text.startswith("\ufeff"))
        return bad_file(what, Site(self.file, before + 1, at - begun + 1), hint)


def _named(char: str) -> str:
    return {"\n": "A line break", "\t": "A tab"}.get(char, f"The character U+{ord(char):04X}")


def _too_long(digits: str) -> str:
    return f"An integer of {len(digits):,} digits is longer than Python converts."


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
