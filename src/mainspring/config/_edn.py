"""EDN: text to forms, each with its line and column.

The notation: https://github.com/edn-format/edn. Read as well, because Clojure reads it: ratios, `##Inf`, `##-Inf`, `##NaN`, maps
with a namespace in front, `\\b` and `\\f`, octal escapes in a text. The reader keeps a stack of its own, so depth is a matter of
the limits and not of Python's. Every unbounded repetition in its expressions is possessive, so none goes back over what it
has read.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from mainspring import BadFile, Site

from ._form import Entries, Form, Items, Keys, Limits, Scalar, Tag, _shown, bad_file, known_as, too_deep, too_many


def read(text: str, file: str, limits: Limits) -> Form:
    """What a text in EDN says.

    Keywords and symbols become text, `:a/b` is "a/b"; a character is a text of one character. Lists and vectors are lists. A
    number with an M is a `Decimal`, a ratio a `Fraction`, as Clojure writes them. Tags stay tags, `#inst` and `#uuid` too: what
    they mean is not for the reader.

    Parameters:
        text: all of it.
        file: the name that places get.
        limits: `depth` counts containers, tags and discards; `items` counts values, keys too, and those that are discarded.

    Returns:
        The one value in it; `Scalar(None)` for a text without any.

    Raises:
        BadFile: it is not EDN, says something twice, or is more than the limits allow.

    Example:
        >>> read('{:port #long #env PORT, :hosts #{"a" "b"}}', "a.edn", Limits())
        {'port': !long !env 'PORT', 'hosts': #['a', 'b']}
    """
    text = text.removeprefix("\ufeff")
    if not text.isascii() and (found := _SURROGATE.search(text)):
        raise bad_file("It holds half of a surrogate pair, which is no character.", _place(text, file, found.start()))

    depth, most, count = limits.depth, limits.items, 0
    line, begin, newline = 1, 0, _newline(text, 0)
    frame = root = _Frame("", None, "")
    stack: list[_Frame] = []
    items = root.items
    waiting = False  # for what a tag or a discard stands in front of
    form: Form

    for match in _TOKEN.finditer(text):
        kind = match.lastindex
        assert kind is not None
        start = match.start(kind)
        while start > newline:
            line, begin = line + 1, newline + 1
            newline = _newline(text, begin)
        site = Site(file, line, start - begin + 1)
        if frame is root and items and kind not in (_DISCARD, _END, _ELSE):
            raise bad_file(
                "There is something after the value.",
                site,
                "A file holds one value: put all of it into one map, {...}.",
            )

        if kind <= _LAST_SCALAR:
            token = match[kind]
            value: Any
            if kind == _PLAIN:
                value = token[1:-1]
            elif kind == _KEYWORD:
                value = token[1:]
            elif kind == _INT:
                value = int(token) if len(token) < _SHORT else _number(token, site)
            elif kind == _ODD_NAME:
                value = _WORDS[token] if token in _WORDS else _atom(token, site)
            else:
                value = _rare(kind, token, site, text, start)
            if frame.kind == "#:" and not len(items) % 2 and _is_name(kind, token):
                value = _qualified(value, frame.name)
            form = Scalar(value, site)
        elif kind == _OPEN:
            if len(stack) >= depth:
                raise too_deep(limits, site)
            count += 1
            if count > most:
                raise too_many(limits, site)
            stack.append(frame)
            frame = _Frame(match[kind], site, "")
            items, waiting = frame.items, False
            continue
        elif kind == _CLOSE:
            if waiting or frame is root or _CLOSER[frame.kind] != match[kind]:
                raise _unbalanced(match[kind], frame, site)
            form = _closed(frame)
            frame = stack.pop()
            items, waiting = frame.items, frame.kind in _PREFIXES
            count -= 1  # it was counted when it was opened
        elif kind in (_TAG, _DISCARD, _NAMESPACE):
            if len(stack) >= depth:
                raise too_deep(limits, site)
            stack.append(frame)
            frame = _prefixed(kind, match[kind], site)
            if kind == _NAMESPACE:
                count += 1
            items, waiting = frame.items, kind != _NAMESPACE
            continue
        elif kind == _END:
            break
        else:
            raise _odd(text, start, site)

        count += 1
        if count > most:
            raise too_many(limits, site)
        items.append(form)
        while waiting:
            done = frame
            frame = stack.pop()
            items, waiting = frame.items, frame.kind in _PREFIXES
            if done.kind == "#_":
                break
            form = Tag(done.name, form, done.site)
            items.append(form)

    if frame is not root:
        raise _unbalanced("", frame, frame.site)
    return root.items[0] if root.items else Scalar(None, Site(file, 1, 1))


class _Frame:
    """What has begun and has not ended: a container; a tag or a discard without what it stands in front of."""

    __slots__ = ("items", "kind", "name", "site")

    def __init__(self, kind: str, site: Site | None, name: str) -> None:
        self.kind, self.site, self.name = kind, site, name
        self.items: list[Form] = []


_ENDS: Final = r"\s,;\"()\[\]{}\\@~`^"  # a character that cannot be part of a name or a number
_FIRST: Final = r"\w.*+!?$%&=<>|\-"
_NAME: Final = rf"[{_FIRST}][{_FIRST}\#']*+"
_REST: Final = rf"[^{_ENDS}]*+"

# What is seen most often comes first. A keyword or number that does not end where it should is left to the fourth group.
_TOKEN: Final = re.compile(
    rf"""(?:[\s,]++|;[^\r\n]*+)*+(?:
      (:{_NAME}(?:/{_NAME})?+(?=[{_ENDS}]|\Z))
    | ("[^"\\]*+")
    | ([+-]?(?:0|[1-9][0-9]*+)(?=[{_ENDS}]|\Z))
    | ((?:[^{_ENDS}:\#']|:){_REST})
    | ("[^"\\]*+(?:\\.[^"\\]*+)*+")
    | (\\[^\s]{_REST})
    | (\#\#{_REST})
    | (\#\{{|[\[({{])
    | ([\])}}])
    | (\#[^\W\d_]{_REST})
    | (\#_)
    | (\#:{_REST}(?:[\s,]*+\{{)?+)
    | (\Z)
    | (.)
    )""",
    re.VERBOSE | re.DOTALL,
)
(
    _KEYWORD,
    _PLAIN,
    _INT,
    _ODD_NAME,
    _TEXT,
    _CHARACTER,
    _SYMBOLIC,
    _OPEN,
    _CLOSE,
    _TAG,
    _DISCARD,
    _NAMESPACE,
    _END,
    _ELSE,
) = range(1, 15)
_LAST_SCALAR: Final = _SYMBOLIC

_CLOSER: Final = {"[": "]", "(": ")", "{": "}", "#{": "}", "#:": "}"}
_PREFIXES: Final = {"#", "#_"}
_WORDS: Final = {"nil": None, "true": True, "false": False}
_SYMBOLICS: Final = {"##Inf": math.inf, "##-Inf": -math.inf, "##NaN": math.nan}
_CHARACTERS: Final = {
    "newline": "\n", "return": "\r", "space": " ", "tab": "\t", "backspace": "\b", "formfeed": "\f",
}  # fmt: skip
_ESCAPES: Final = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\", '"': '"', "b": "\b", "f": "\f"}

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([0-3][0-7]{2}|[0-7]{1,2})|(.))", re.DOTALL)
_SYMBOL: Final = re.compile(rf"{_NAME}(?:/{_NAME})?+|/")
_SHORT: Final = 19  # characters of a whole number that can be no trouble
_NUMERIC: Final = re.compile(r"[+-]?[0-9]")
_NUMBER: Final = re.compile(
    r"([+-]?(?:0|[1-9][0-9]*+))(?:(N)?|(/[0-9]++)|((?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)(M)?)(?!.)", re.DOTALL
)
_BASED: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]++|0[0-9]++|[0-9]{1,2}+[rR][0-9a-zA-Z]++)N?")
_LARGEST: Final = 4300  # as many digits as Python itself reads and writes of a whole number

_DISPATCH: Final = {
    "(": ("A function, #(...),", "Only a program has functions: write the name of one, as text."),
    '"': ("A regular expression, #\"...\",", "Write it as text, with each backslash doubled."),
    "'": ("A var, #'name,", "Write the name as text."),
    "?": ("A reader conditional, #?(...),", "Use a tag such as #profile to choose between values."),
    "=": ("Evaluation at read time, #=(...),", "A file of settings runs no code: use a tag."),
    "^": ("Metadata, #^...,", "Leave it out, or make it an entry of a map."),
    "!": ("A line that begins with #!", "A comment begins with a semicolon."),
    "<": ("An object that only its program can read, #<...>,", "Write the value that it stands for."),
}  # fmt: skip
_MARKS: Final = {
    "^": ("Metadata, ^...,", "Leave it out, or make it an entry of a map."),
    "@": ("A dereference, @...,", "Text with an @ in it stands in quotation marks. For a reference use a tag."),
    "'": ("A quote, '...,", "Leave it out: nothing is evaluated here. Text stands in double quotation marks."),
    "`": ("A syntax quote, `...,", "Leave it out: nothing is evaluated here. Text stands in double quotation marks."),
    "~": (
        "An unquote, ~...,",
        "Leave it out: nothing is evaluated here. Text with a ~ in it stands in quotation marks.",
    ),
}


def _newline(text: str, at: int) -> int:
    found = text.find("\n", at)
    return found if found >= 0 else len(text)


def _place(text: str, file: str, at: int) -> Site:
    return Site(file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def _short(token: str) -> str:
    return repr(token if len(token) <= 40 else f"{token[:37]}...")


# --- Scalars ----------------------------------------------------------------------------------------------------------


def _is_name(kind: int, token: str) -> bool:
    """Whether a token is a keyword or a symbol, which get the namespace of their map."""
    return kind == _KEYWORD or (kind == _ODD_NAME and token not in _WORDS and not _NUMERIC.match(token))


def _qualified(name: str, namespace: str) -> str:
    if name.startswith("_/"):
        return name[2:]
    return name if "/" in name else f"{namespace}/{name}"


def _rare(kind: int, token: str, site: Site, text: str, start: int) -> Any:
    """The value of a text with escapes, of a character, or of a number that is none."""
    if kind == _TEXT:
        return _unescaped(token, site, text, start)
    if kind == _CHARACTER:
        return _character(token, site)
    if token in _SYMBOLICS:
        return _SYMBOLICS[token]
    raise bad_file(f"There is no {_short(token)} in EDN.", site, "There is: ##Inf, ##-Inf and ##NaN.")


def _atom(token: str, site: Site) -> Any:
    """The value of a number, or the text of a symbol or of an unusual keyword."""
    if _NUMERIC.match(token):
        return _number(token, site)
    if token.startswith("::"):
        raise _auto(f"The keyword {_short(token)}", site)
    name = token.removeprefix(":")
    if name.endswith(":"):
        hint = f"A key is written as {_short(':' + name.strip(':'))[1:-1]}, without a colon after it."
        raise bad_file(f"{_short(token)} ends with a colon.", site, hint)
    if re.match(r"[+-]?\.[0-9]", token):
        raise bad_file(f"{_short(token)} is no number.", site, "A number begins with a digit: write 0.5, not .5.")
    if _SYMBOL.fullmatch(name.replace(":", "#")) and token != ":/":
        return name
    what = f"{_short(token)} is no name"
    hint = "Text stands in double quotation marks."
    if not name:
        raise bad_file(
            "A colon stands alone, where a keyword should be.", site, "A keyword is a colon and a name: :port."
        )
    if strange := re.search(rf"[^{_FIRST}\#'/:]", name):
        raise bad_file(f"{what}: {strange[0]!r} cannot be part of one.", site, hint)
    if "/" in name:
        raise bad_file(f"{what}: a slash stands once, between a namespace and a name.", site, hint)
    raise bad_file(f"{what}: one cannot begin with {name[0]!r}.", site, hint)


def _auto(what: str, site: Site) -> BadFile:
    return bad_file(
        f"{what} asks for the namespace of the program that reads it, and a file has none.",
        site,
        "Write the namespace out: :app/name.",
    )


def _number(token: str, site: Site) -> Any:
    match = _NUMBER.fullmatch(token)
    if match is None:
        if based := _BASED.fullmatch(token):
            hint = "EDN has decimal numbers only, without zeros in front: write it as such, or as text."
            raise bad_file(f"{_short(based[0])} is no number of EDN.", site, hint)
        hint = "Text stands in double quotation marks, and the name of something does not begin with a digit."
        raise bad_file(f"{_short(token)} is no number.", site, hint)
    whole, _, below, fraction, exact = match.groups()
    try:
        if below is not None:
            return Fraction(int(whole), int(below[1:]))
        if exact is not None:
            return _decimal(token, site)
        return float(token) if fraction else int(whole)
    except ZeroDivisionError:
        raise bad_file(f"{_short(token)} divides by zero.", site) from None
    except ValueError:
        # Python itself refuses to read whole numbers of so many digits, for the time that it takes.
        raise bad_file(f"A number of {len(token):,} digits is too long.", site, "Write it as text.") from None


def _decimal(token: str, site: Site) -> Decimal:
    try:
        value = Decimal(token[:-1])
        # 1E999999999M is short, and whoever makes a whole number of it never comes back.
        if abs(value.adjusted()) <= _LARGEST:
            return value
    except ArithmeticError:
        pass
    hint = f"There may be {_LARGEST:,} digits before and after the point."
    raise bad_file(f"{_short(token)} is too large or too small.", site, hint)


def _character(token: str, site: Site) -> str:
    name = token[1:]
    if len(name) == 1:
        return name
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    if re.fullmatch("u[0-9a-fA-F]{4}", name):
        value = chr(int(name[1:], 16))
        if not _SURROGATE.match(value):
            return value
        raise bad_file(f"{_short(token)[1:-1]} is half of a surrogate pair, which is no character.".replace("\\\\", "\\"), site,
                       "Write the character itself, or text.")  # fmt: skip
    known = ", ".join(f"\\{each}" for each in _CHARACTERS)
    raise bad_file(
        f"There is no character of the name {_short(name)}.",
        site,
        f"There is: {known}, \\uXXXX, and each by itself: \\a.",
    )


def _unescaped(token: str, site: Site, text: str, start: int) -> str:
    def said(match: re.Match[str]) -> str:
        code, octal, char = match.groups()
        if code is not None:
            return chr(int(code, 16))
        if octal is not None:
            return chr(int(octal, 8))
        if char in _ESCAPES:
            return _ESCAPES[char]
        what = "is not followed by four hexadecimal digits" if char == "u" else "is none of EDN"
        hint = 'There is: \\t \\r \\n \\\\ \\" \\b \\f and \\uXXXX. A backslash is written twice.'
        raise bad_file(
            f"The escape {_short(match[0])[1:-1]} {what}.".replace("\\\\", "\\", 1),
            _place(text, site.file, start + 1 + match.start()),
            hint,
        )

    value = _ESCAPE.sub(said, token[1:-1])
    if not value.isascii() and _SURROGATE.search(value):
        try:
            value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            what = "This text has half of a surrogate pair in it, which is no character."
            raise bad_file(what, site, "Write both halves, \\ud83d\\ude00, or the character itself.") from None
    return value


# --- Containers -------------------------------------------------------------------------------------------------------


def _closed(frame: _Frame) -> Form:
    items = frame.items
    if frame.kind == "[" or frame.kind == "(":
        return Items(items, frame.site)
    if frame.kind == "#{":
        known: dict[Any, Site | None] = {}
        for item in items:
            same = known_as(item)
            if same in known:
                first = known[same]
                there = f", first in line {first.line}" if first is not None else ""
                raise bad_file(
                    f"The item {_shown(item)!r} of a set is repeated{there}.", item.site, "Keep one of the two."
                )
            known[same] = item.site
        return Items(items, frame.site, "set")
    if len(items) % 2:
        where = f" that begins in line {frame.site.line}" if frame.site is not None else ""
        raise bad_file(
            f"This key has no value: the map{where} has an odd number of forms.", items[-1].site, "Give it one."
        )
    names = [key.value for key in items[::2] if type(key) is Scalar and type(key.value) is str]
    if len(set(names)) * 2 != len(items):
        keys = Keys()
        for key in items[::2]:
            keys.add(key)
    return Entries(list(zip(items[::2], items[1::2], strict=True)), frame.site)


def _prefixed(kind: int, token: str, site: Site) -> _Frame:
    if kind == _DISCARD:
        return _Frame("#_", site, "")
    if kind == _TAG:
        if not _SYMBOL.fullmatch(token[1:].replace(":", "#")) or token.endswith(":"):
            raise bad_file(
                f"{_short(token)} is no name of a tag.", site, "Put a space between the tag and its value: #env PORT."
            )
        return _Frame("#", site, token[1:])
    name = token[2:].rstrip("{").rstrip(", \t\r\n\f\v")
    if name.startswith(":"):
        raise _auto("A map that begins with #::", site)
    if not re.fullmatch(_NAME, name):
        raise bad_file(f"{_short(name)} is no namespace for a map.", site, "Write a name without a slash: #:app{...}.")
    if not token.endswith("{"):
        raise bad_file(
            f"No map follows #:{_short(name)[1:-1]}.", site, "Write #:app{...} for a map whose keys begin with app/."
        )
    return _Frame("#:", site, name)


def _unbalanced(closer: str, frame: _Frame, site: Site | None) -> BadFile:
    """The error for a bracket, or the end if `closer` is empty, that comes where it should not."""
    if frame.kind == "#":
        return bad_file(
            f"Nothing follows the tag #{_short(frame.name)[1:-1]}.",
            frame.site,
            "A tag stands before a value: #env PORT.",
        )
    if frame.kind == "#_":
        return bad_file("Nothing follows #_ that it could discard.", frame.site, "It stands before a value.")
    if not frame.kind:
        return bad_file(f"The bracket {closer} closes nothing: none is open.", site, "Remove it.")
    opener = "{" if frame.kind == "#:" else frame.kind
    if not closer:
        return bad_file(
            f"The bracket {opener} is never closed.", frame.site, f"Add {_CLOSER[frame.kind]} where it ends."
        )
    there = f"line {frame.site.line}, column {frame.site.column}" if frame.site is not None else "the start"
    what = f"The bracket {closer} does not close {opener}, which is open since {there}."
    return bad_file(what, site, f"Close that one first, with {_CLOSER[frame.kind]}.")


def _odd(text: str, at: int, site: Site) -> BadFile:
    """The error for a character that begins nothing."""
    char, following = text[at], text[at + 1 : at + 2]
    if char == '"':
        return bad_file(
            "The text that begins here is never closed.", site, 'Add " where it ends; within it a " is written \\".'
        )
    if char == "\\":
        return bad_file(
            "A backslash is followed by no character.",
            site,
            "The space is written \\space, the end of a line \\newline.",
        )
    what, hint = _MARKS.get(char, (f"{char!r}", "Text stands in double quotation marks."))
    if char == "#":
        known = (f"{(char + following).strip()!r}", "A tag is # and a name, at once after it: #env PORT.")
        what, hint = _DISPATCH.get(following, known)
    of_clojure = (char == "#" and following in _DISPATCH) or char in _MARKS
    return bad_file(
        f"{what} {'belongs to programs in Clojure: EDN has none' if of_clojure else 'begins nothing in EDN'}.",
        site,
        hint,
    )
