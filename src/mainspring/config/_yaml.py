"""Reads YAML: the core schema of YAML 1.2, tags as forms, the place of everything, and nothing that runs code.

The parser is that of ruamel.yaml, as far as its events; what they mean is worked out here, in a loop over them.
"""

from __future__ import annotations

import base64
import math
import re
from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple

from mainspring import BadFile, MissingExtra, Site

from .. import _text
from ._form import Entries, Form, Items, Keys, Limits, Scalar, Tag, bad_file, too_deep, too_many


def read(text: str, file: str, limits: Limits, *, pure: bool = False) -> Form:
    """What a text in YAML says.

    Of `<<`, own keys win over merged ones, and earlier mappings over later ones. A place is that of the tag or anchor, if a
    value has one; that of the key for a value that is not written at all.

    Parameters:
        text: the text; its size has been looked at.
        file: its name, for places.
        limits: how deep it may be nested, and how many keys, values and tags it may have.
        pure: use the parser written in Python even where the one in C is installed. What is read is the same. It takes about
            ten times as long, and refuses a few odd texts that are YAML: tabs around plain text, a second `...`, a block of text
            that begins with a line of fewer blanks than the others.

    Raises:
        BadFile: it is no YAML, has a key twice, a tag that is not for data, or is beyond the limits.
        MissingExtra: ruamel.yaml is not installed.

    Example:
        >>> form = read("port: !int:env PORT", "app.yaml", Limits())
        >>> form
        {'port': !int !env 'PORT'}
        >>> print(form.pairs[0][1].site)
        app.yaml:1:7
    """
    if odd := _ODD.search(text, 1 if text.startswith("\ufeff") else 0):
        raise _odd_character(text, odd.start(), file)
    text = text.removeprefix("\ufeff")
    try:
        if not pure and (step := _quick(text)):
            try:
                return _Reader(text, file, limits, step, True).read()
            except _Refused:
                pass
        return _Reader(text, file, limits, _pure(text, file), False).read()
    except ModuleNotFoundError:
        raise MissingExtra("config", "Reading YAML") from None


# --- Which values plain text stands for -------------------------------------------------------------------------------

_NULL: Final = ("", "~", "null", "Null", "NULL")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(_NULL),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_TEXT: Final = frozenset(["", *"-+.0123456789~nNtTfF<"])  # what text begins with that may be more than text


def _int(text: str) -> int:
    """A whole number.

    Raises:
        ValueError: Python reads it, but cannot write it.
    """
    made = int(text[2:], {"0o": 8, "0x": 16}[text[:2]]) if text[:2] in ("0o", "0x") else int(text)
    str(made)
    return made


# --- The parser -------------------------------------------------------------------------------------------------------

# What YAML 1.2 does not print; and three characters that are line breaks to one parser and none to the other.
_ODD: Final = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_HALVES: Final = re.compile("[\ud800-\udfff]")
_BREAK: Final = re.compile(r"\r\n?|\n")

_GAP: Final = r"(?:[ \t\r\n]++(?:#[^\r\n]*+)?+)++"
_ANCHOR: Final = re.compile(rf"&[^\s]+{_GAP}(?=!)")
_ANCHOR_NAME: Final = re.compile(r"[0-9A-Za-z_-]+")
_AFTER_ANCHOR: Final = ("", *" \t\r\n,]}")
_BLOCK: Final = re.compile(rf"(?:[!&][^\s]*{_GAP})*[|>][-+0-9]*(?:[ \t]+#[^\r\n]*)?[ \t]*(?=[\r\n]|\Z)")
_UNINDENTED: Final = re.compile(r"(?:[ \t]*[\r\n])*[^ \t\r\n]")
_DOUBTFUL: Final = re.compile(rf"(?:{_GAP})?:[^ \t\r\n]")
_OMITTED: Final = re.compile(r":[,\]}]")
_ASKING: Final = re.compile(r"\?[^\s,\[\]{}]")
_TAG_BEFORE: Final = re.compile(rf"![^\s]*{_GAP}")


class _Refused(Exception):
    """What the parser in C says is not to be relied on: it knows YAML 1.1. The other one decides, and says what is wrong."""


def _quick(text: str) -> Callable[[], Any] | None:
    """The parser in C: a function that gives the next event, or None after the last. None where it is not installed."""
    try:
        from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined] # it comes from the extension
    except ImportError:
        return None
    get = CParser(text).get_event

    def step() -> Any:
        try:
            return get()
        except Exception:
            raise _Refused from None

    return step


def _pure(text: str, file: str) -> Callable[[], Any]:
    """The parser in Python, likewise."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    events = YAML(typ="safe", pure=True).parse(text)
    last: Any = None

    def step() -> Any:
        nonlocal last
        try:
            last = next(events, None)
        except MarkedYAMLError as error:
            raise _no_yaml(error, file) from None
        except Exception as error:  # it raises OverflowError and the like on some texts
            what = f"It is no YAML that can be read, somewhere behind this place: {error}."
            raise bad_file(what, _site(file, last.end_mark) if last else Site(file, 1, 1)) from None
        return last

    return step


def _site(file: str, mark: Any) -> Site:
    return Site(file, mark.line + 1, mark.column + 1)


# --- From events to forms ---------------------------------------------------------------------------------------------


class _Anchored(NamedTuple):
    form: Form
    weight: int  # how many values it is
    height: int  # how deep containers and tags stand in one another in it


class _Frame(NamedTuple):
    """What to go on with after a container, and what to know at its end."""

    around: list[Form]
    in_mapping: bool
    merges: list[int]
    site: Site
    tag: _Spelled
    anchor: str | None
    depth: int
    deepest: int
    total: int


class _Spelled(NamedTuple):
    """A tag: names of ours, or the name of a standard one."""

    own: tuple[str, ...] = ()
    standard: str = ""


_UNTAGGED: Final = _Spelled()
_STANDARD: Final = ("str", "int", "float", "bool", "null", "seq", "map", "set", "binary")
_PREFIX: Final = "tag:yaml.org,2002:"
_CODE: Final = "Reading a file runs no code and makes nothing but data. A tag is written !name, with one !."
_value: Final = attrgetter("value")


class _Reader:
    def __init__(self, text: str, file: str, limits: Limits, step: Callable[[], Any], quick: bool) -> None:
        self.text, self.file, self.limits, self.step, self.quick = text, file, limits, step, quick
        self.anchors: dict[str, _Anchored | _Frame] = {}
        self.spelled: dict[str, _Spelled] = {}
        self.begun: list[int] = []
        self.may_omit = (
            _OMITTED.search(text) is not None
        )  # whether there may be a key without a value, as in {a:, b: 1}
        self.may_ask = _ASKING.search(text) is not None  # whether there may be text that begins with ?, as in [?a]
        self.compared = 0  # the values in keys that are containers: each is looked at again for each mapping around it

    def read(self) -> Form:
        from ruamel.yaml import events

        # One loop over locals, since it is measured beside the parser in C. What is rare has methods.
        file, limits, step = self.file, self.limits, self.step
        scalar_event, alias_event = events.ScalarEvent, events.AliasEvent
        mapping_start, sequence_start = events.MappingStartEvent, events.SequenceStartEvent
        mapping_end, sequence_end = events.MappingEndEvent, events.SequenceEndEvent
        make: Any = tuple.__new__  # a Site without the cost of its constructor
        most, not_text, may_omit, may_ask = limits.items, _NOT_TEXT, self.may_omit, self.may_ask
        stack: list[_Frame] = []
        into: list[Form] = []  # of a mapping: key, value, key, value
        merges: list[int] = []  # where in it a merge key is
        in_mapping = False
        depth = deepest = total = 0
        documents = 0
        while (event := step()) is not None:
            kind = type(event)
            if kind is scalar_event:
                mark = event.start_mark
                site = make(Site, (file, mark.line + 1, mark.column + 1))
                value: Any = event.value
                total += 1
                form: Form
                if may_ask and mark.column and self.text[self.lines()[mark.line] + mark.column - 1] == "?":
                    raise bad_file("Text begins with a ? here, which begins a key.", site, _QUOTE)
                if may_omit and not event.style and value[-1:] == ":":
                    value = event.value = self.omitted(value, in_mapping and not len(into) % 2, site)
                if event.ctag is None:
                    if not event.style and value[:1] in not_text:
                        if not value:
                            self.decide(event)
                            if event.anchor is None:
                                site = self.empty(into, in_mapping, stack, site)
                        elif value == "<<" and in_mapping and not len(into) % 2:
                            merges.append(len(into))
                        value = self.plain(value, site)
                    elif event.style == '"' and not value.isascii():
                        self.whole(value, site)
                    form = Scalar(value, site)
                    weight = 1
                else:
                    if event.anchor is not None:
                        site = self.tag_site(mark, site)
                    tag = self.tag(event.tag, site)
                    form = self.scalar(event, tag, site)
                    weight = 1 + len(tag.own)
                    total += len(tag.own)
                    if depth + len(tag.own) > limits.depth:
                        raise too_deep(limits, site)
                if total > most:
                    raise too_many(limits, site)
                if event.anchor is not None:
                    self.name(event.anchor, "&", mark, site)
                    self.anchors[event.anchor] = _Anchored(form, weight, weight - 1)
                if event.style == "|" or event.style == ">":
                    self.block(mark, site, stack)
                into.append(form)
            elif kind is mapping_start or kind is sequence_start:
                mark = event.start_mark
                site = make(Site, (file, mark.line + 1, mark.column + 1))
                tag = _UNTAGGED
                if event.ctag is not None:
                    if event.anchor is not None:
                        site = self.tag_site(mark, site)
                    tag = self.tag(event.tag, site)
                frame = _Frame(into, in_mapping, merges, site, tag, event.anchor, depth, deepest, total)
                stack.append(frame)
                depth += 1 + len(tag.own)
                total += 1 + len(tag.own)
                if depth > limits.depth:
                    raise too_deep(limits, site)
                if total > most:
                    raise too_many(limits, site)
                if frame.anchor is not None:
                    self.name(frame.anchor, "&", mark, site)
                    self.anchors[frame.anchor] = frame
                    deepest = depth
                elif depth > deepest:
                    deepest = depth
                into, merges, in_mapping = [], [], kind is mapping_start
            elif kind is mapping_end or kind is sequence_end:
                frame = stack.pop()
                if kind is mapping_end:
                    pairs = self.pairs(into, merges)
                    form = Entries(pairs, frame.site)
                else:
                    form = Items(into, frame.site)
                if frame.tag is not _UNTAGGED:
                    form = self.container(form, frame.tag, frame.site)
                into, in_mapping, merges, depth = frame.around, frame.in_mapping, frame.merges, frame.depth
                if frame.anchor is not None:
                    # If not, something in it has the same anchor, and is the later one.
                    if self.anchors[frame.anchor] is frame:
                        self.anchors[frame.anchor] = _Anchored(form, total - frame.total, deepest - depth)
                    deepest = max(deepest, frame.deepest)
                if in_mapping and not len(into) % 2:
                    self.compare(total - frame.total, frame.site)
                into.append(form)
            elif kind is alias_event:
                mark = event.start_mark
                site = make(Site, (file, mark.line + 1, mark.column + 1))
                self.name(event.anchor, "*", mark, site)
                known = self.known(event.anchor, site)
                total += known.weight
                if total > most:
                    raise too_many(limits, site)
                if depth + known.height > limits.depth:
                    raise too_deep(limits, site)
                deepest = max(deepest, depth + known.height)
                if in_mapping and not len(into) % 2:
                    self.compare(known.weight, site)
                into.append(known.form)
            elif kind is events.DocumentStartEvent:
                documents += 1
                self.document(event, documents)
        return into[0] if into else Scalar(None, Site(file, 1, 1))

    def pairs(self, flat: list[Form], merges: list[int]) -> list[tuple[Form, Form]]:
        keys, values = flat[::2], flat[1::2]
        if len(keys) > 1:
            try:
                distinct = len(set(map(_value, keys))) == len(keys)
            except AttributeError:  # not every key is a Scalar
                distinct = False
            if not distinct:
                self.check(keys)
        pairs = list(zip(keys, values, strict=True))
        return self.merged(pairs, merges) if merges else pairs

    # --- What is rare ---------------------------------------------------------------------------------------------------

    def empty(self, into: list[Form], in_mapping: bool, stack: list[_Frame], site: Site) -> Site:
        """The place of what is not written at all: the parsers do not agree on it, so it is that of its key, or around it."""
        if in_mapping and len(into) % 2 and into[-1].site is not None:
            return into[-1].site
        return stack[-1].site if stack and in_mapping else Site(self.file, 1, 1) if not stack else site

    def omitted(self, text: str, is_key: bool, site: Site) -> str:
        """The key with nothing behind its colon but a comma or a bracket: to the parsers the colon is a part of it."""
        if is_key:
            return text[:-1].rstrip()
        what = f"Something is missing after the colon: {_short(text)}."
        raise bad_file(what, site, "Write a mapping as {key: value}; or put text in quotation marks.")

    def decide(self, event: Any) -> None:
        """Let the parser in Python decide on `[!ref :db/pool]`, where the one in C takes the colon for that of a key."""
        end = event.end_mark
        if (
            self.quick
            and end.line < len(self.lines())
            and _DOUBTFUL.match(self.text, self.lines()[end.line] + end.column)
        ):
            raise _Refused

    def plain(self, text: str, site: Site) -> Any:
        """What text without quotation marks and tags stands for, by the core schema of YAML 1.2."""
        if text in _WORDS:
            return _WORDS[text]
        try:
            if _INT.fullmatch(text):
                return _int(text)
            if _FLOAT.fullmatch(text):
                return float(text)
        except ValueError:
            what = f"An integer of {len(text):,} digits is longer than Python converts."
            raise bad_file(what, site, "Write it in quotation marks, and convert it where it is needed.") from None
        return text

    def whole(self, text: str, site: Site) -> None:
        if half := _HALVES.search(text):
            what = f"The text that begins here has \\u{ord(half[0]):04x}, which is one half of a character."
            raise bad_file(what, site, r"Write the character itself, or \U and its eight hexadecimal digits.")

    def tag_site(self, mark: Any, site: Site) -> Site:
        """The place of a tag that stands beside an anchor: an event begins with either of the two."""
        lines = self.lines()
        at = lines[mark.line] + mark.column
        if behind := _ANCHOR.match(self.text, at):
            at = behind.end()
        elif self.text[at : at + 1] == "&":
            start = at
            for _ in range(20):  # one parser counts from the tag, the other one from the anchor behind it
                start = self.text.rfind("!", 0, max(start, 0))
                if start >= 0 and _TAG_BEFORE.fullmatch(self.text, start, at):
                    at = start - 2 if self.text.endswith("!<", 0, start) else start - self.text.endswith("!", 0, start)
                    break
        line = bisect_right(lines, at)
        return Site(self.file, line, at - lines[line - 1] + 1)

    def block(self, mark: Any, site: Site, stack: list[_Frame]) -> None:
        """An error for what one parser takes for the text of a block and the other one for something else."""
        at = self.lines()[mark.line] + mark.column
        head = _BLOCK.match(self.text, at)
        if head is None and self.quick:
            raise _Refused
        if head and not stack and _UNINDENTED.match(self.text, head.end()):
            raise bad_file("A block of text is not indented.", site, "Indent it.")

    def name(self, anchor: str, sign: str, mark: Any, site: Site) -> None:
        """An error for `&a:` and `*a:`, where one parser ends the name before the colon, and the other one after it."""
        at = self.text.find(sign + anchor, self.lines()[mark.line] + mark.column) + 1 + len(anchor)
        if not _ANCHOR_NAME.fullmatch(anchor) or self.text[at : at + 1] not in _AFTER_ANCHOR:
            what = f"The name after {sign} has something else than letters, digits, - and _ in it: {_short(anchor)}."
            hint = f"{_QUOTE} Or leave a blank between the name and what follows it."
            raise bad_file(what, site, hint)

    def lines(self) -> list[int]:
        """Where lines begin."""
        if not self.begun:
            self.begun = [0, *(match.end() for match in _BREAK.finditer(self.text))]
        return self.begun

    def tag(self, written: str, site: Site) -> _Spelled:
        if written.startswith(_PREFIX) and self.text.startswith("!!!", self.lines()[site.line - 1] + site.column - 1):
            raise bad_file("A tag has three ! in it.", site, _CODE)  # one parser reads !!!str as !!str
        spelled = self.spelled.get(written)
        if spelled is None:
            spelled = self.spelled[written] = self.spell(written, site)
        return spelled

    def spell(self, written: str, site: Site) -> _Spelled:
        if written == "!":
            return _Spelled((), "!")
        if written.startswith(_PREFIX) and (name := written.removeprefix(_PREFIX)) in _STANDARD:
            return _Spelled((), name)
        if not written.startswith("!") or "!" in written[1:]:
            shown = f"!!{written.removeprefix(_PREFIX)}" if written.startswith(_PREFIX) else f"!<{written}>"
            hint = f"{_CODE} Standard tags are: {', '.join('!!' + name for name in _STANDARD)}."
            raise bad_file(f"The tag {_short(shown)} is not allowed.", site, hint)
        self.whole(written, site)
        names = tuple(written[1:].split(":"))
        if "" in names:
            raise bad_file(
                f"The tag {_short(written)} has an empty part.", site, "Write !name, or several as !int:env."
            )
        if odd := re.search(r"[,\[\]{}]", written):
            hint = f"Leave a blank between the tag and the {odd[0]}."
            raise bad_file(f"The tag {_short(written)} has a {odd[0]} in it.", site, hint)
        return _Spelled(names)

    def scalar(self, event: Any, tag: _Spelled, site: Site) -> Form:
        """A value behind a tag."""
        text: str = event.value
        if not text and not event.style:
            self.decide(event)
        self.whole(text, site)
        if not tag.standard:
            form: Form = Scalar(text if event.style else self.plain(text, site), site)
            for name in reversed(tag.own):
                form = Tag(name, form, site)
            return form
        if tag.standard in ("!", "str"):
            return Scalar(text, site)
        value: Any = None if tag.standard == "binary" else self.plain(text, site)
        fits = {"null": value is None, "bool": isinstance(value, bool), "int": type(value) is int}
        if tag.standard == "float":
            if type(value) in (int, float):
                try:
                    return Scalar(float(value), site)
                except OverflowError:
                    pass
        elif tag.standard == "binary":
            try:
                return Scalar(base64.b64decode("".join(text.split()), validate=True), site)
            except ValueError:
                pass
        elif fits.get(tag.standard):
            return Scalar(value, site)
        raise self.unfit(tag, site, repr(_short(text)))

    def container(self, form: Items | Entries, tag: _Spelled, site: Site) -> Form:
        """A list or a mapping behind a tag."""
        tagged: Form = form
        for name in reversed(tag.own):
            tagged = Tag(name, tagged, site)
        if tag.standard == "set" and isinstance(form, Entries):
            for key, value in form.pairs:
                if not (isinstance(value, Scalar) and value.value is None):
                    raise bad_file(f"In a !!set the key {key!r} has a value.", value.site, "Write {a, b} or: ? a")
            return Items([key for key, _ in form.pairs], site, "set")
        if tag.standard not in ("", "!", "map" if isinstance(form, Entries) else "seq"):
            raise self.unfit(tag, site, "a mapping" if isinstance(form, Entries) else "a list")
        return tagged

    def unfit(self, tag: _Spelled, site: Site, found: str) -> BadFile:
        return bad_file(
            f"The tag !!{tag.standard} can make nothing of {found}.", site, "Mend the value, or take the tag out."
        )

    def known(self, anchor: str, site: Site) -> _Anchored:
        known = self.anchors.get(anchor)
        if known is None:
            hint = _text.hint_near(anchor, list(self.anchors)[-1000:], what="anchor before it")
            raise bad_file(f"The alias *{anchor} refers to nothing: no &{anchor} stands before it.", site, hint)
        if isinstance(known, _Frame):
            what = f"The alias *{anchor} stands inside of what it refers to, which begins in line {known.site.line}."
            raise bad_file(what, site, "Nothing can contain itself: take the alias out.")
        return known

    def compare(self, weight: int, site: Site) -> None:
        self.compared += weight
        if self.compared > self.limits.items:
            raise too_many(self.limits, site)

    def check(self, keys: list[Form]) -> None:
        known = Keys()
        for key in keys:
            known.add(key)

    def merged(self, pairs: list[tuple[Form, Form]], merges: list[int]) -> list[tuple[Form, Form]]:
        """The entries with those of `<<` where it stands: own keys win over them, and earlier mappings over later ones."""
        places = {at // 2 for at in merges}
        taken = Keys()
        for at, (key, _) in enumerate(pairs):
            if at not in places:
                taken.add(key)
        found: list[tuple[Form, Form]] = []
        for at, (key, value) in enumerate(pairs):
            if at not in places:
                found.append((key, value))
                continue
            several = isinstance(value, Items) and value.kind == "list"
            for form in value.items if several and isinstance(value, Items) else [value]:
                if not isinstance(form, Entries):
                    hint = "Give it one mapping or a list of them: <<: *base. For what is behind tags there is !merge."
                    raise bad_file("The merge key << is given what is no mapping.", form.site or key.site, hint)
                for pair in form.pairs:
                    try:
                        taken.add(pair[0])
                    except BadFile:
                        continue
                    found.append(pair)
        return found

    def document(self, event: Any, number: int) -> None:
        if number > 1:
            site = _site(self.file, event.start_mark)
            raise bad_file("A second document begins here, and a file has one.", site, "Put it into a file of its own.")
        if not event.explicit:
            return
        for line, text in enumerate(_BREAK.split(self.text)[: event.end_mark.line]):
            if text.startswith("%") and text.split()[0] != "%YAML":
                what = f"The directive {_short(text.split()[0])} is not allowed: only %YAML is."
                raise bad_file(what, Site(self.file, line + 1, 1), f"Take the line out. {_CODE}")
            if text.startswith("%") and tuple(event.version or (1, 2)) != (1, 2):
                what = "The file is said to be YAML {}.{}, and is read as YAML 1.2.".format(*event.version)
                raise bad_file(
                    what, Site(self.file, line + 1, 1), "Take the line out. Only true and false are booleans."
                )


# --- Errors -----------------------------------------------------------------------------------------------------------


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _odd_character(text: str, at: int, file: str) -> BadFile:
    before = _BREAK.split(text[:at])
    column = len(before[-1]) + (0 if len(before) == 1 and text.startswith("\ufeff") else 1)
    code = ord(text[at])
    hint = f'Inside double quotation marks it can be written "\\u{code:04x}".'
    if 0xD800 <= code <= 0xDFFF:
        hint = "It is one half of a character: the text was decoded wrongly."
    elif code == 0xFEFF:
        hint = "It is a byte order mark, which may only begin a file. Take it out."
    elif code > 0xFFFF:  # pragma: no cover - YAML takes every one of them
        hint = ""
    return bad_file(f"The character U+{code:04X} may not stand in YAML.", Site(file, len(before), column), hint)


_QUOTE: Final = "Put the text in quotation marks."
_INDENT: Final = "Look at the indentation: the entries of one mapping or list all begin in the same column."

# What the parser says; what we say, with {0} the place of what is around and groups of the match after it; what to do.
_SAYINGS: Final = [
    (
        r"mapping values are not allowed",
        "A colon with a blank behind it stands inside of a value.",
        f"{_QUOTE} Or: {_INDENT}",
    ),
    (
        r"sequence entries are not allowed",
        "A list item begins inside of a value.",
        "Begin the list on a line of its own.",
    ),
    (r"found character '(?:\\t|\t)' that", "A tab stands where a line is indented.", "Indent with blanks."),
    (r"found character '(.)' that", "No text may begin with {1}.", _QUOTE),
    (
        r"could not find expected ':'",
        "A key begins here that has no colon.",
        "Write key: value, with a blank behind the colon.",
    ),
    (
        r"expected <block end>, but found '<tag>'",
        "A tag stands behind a value, or behind another tag.",
        "Write several tags of one value with colons: !int:env PORT.",
    ),
    (
        r"expected ' ', but found '(.)'",
        "The tag stands directly before {1}.",
        "Leave a blank between the tag and the {1}.",
    ),
    (
        r"expected <block end>, but found '<scalar>'",
        "What stands here is no part of the mapping or list that begins in {0}.",
        f"{_INDENT} In text between single quotation marks, one of them is written twice.",
    ),
    (r"expected <block end>", "What stands here is no part of the mapping or list that begins in {0}.", _INDENT),
    (
        r"expected ',' or '(.)', but got '<stream end>'",
        "The file ends, and what is opened in {0} is not closed.",
        "Write {1}.",
    ),
    (
        r"expected ',' or '(.)', but got '<tag>'",
        "A tag stands behind a value, or behind another tag.",
        "Write several tags of one value with colons: !int:env PORT.",
    ),
    (r"expected ',' or '(.)'", "A comma or {1} is expected here, in what is opened in {0}.", ""),
    (
        r"found unexpected end of stream",
        "The text in quotation marks that begins here has no end.",
        "Write the second mark.",
    ),
    (
        r"found unexpected document separator",
        "The text in quotation marks that begins here has no end.",
        "Write the second mark.",
    ),
    (
        r"found unknown escape character '(.)'",
        "There is no escape \\{1}.",
        "Write two backslashes for one, or take single quotation marks, in which a backslash is nothing special.",
    ),
    (r"found undefined tag handle", "A tag has a second ! in it.", _CODE),
    (
        r"expected '<document start>'",
        "The value of the file has ended, and more text follows.",
        f"{_INDENT} Or: {_QUOTE}",
    ),
    (r"expected the node content", "A value is expected here.", _QUOTE),
]


def _no_yaml(error: Any, file: str) -> BadFile:
    """An error of the parser, in our words where there are some."""
    mark, context = error.problem_mark or error.context_mark, error.context_mark or error.problem_mark
    site = Site(file, 0) if mark is None else _site(file, mark)
    problem = str(error.problem or "it is malformed").replace("'\\x00'", "the end")
    for pattern, what, hint in _SAYINGS:
        if match := re.search(pattern, problem):
            around = site if context is None else _site(file, context)
            words = (f"line {around.line}, column {around.column}", *match.groups())
            return bad_file(what.format(*words), around if "begins here" in what else site, hint.format(*words))
    doing = f"{error.context}, " if error.context else ""
    return bad_file(f"It is no YAML: {doing}{problem}.", site)
