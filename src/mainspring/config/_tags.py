"""What each tag means, and the table that they are found in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar, overload

from mainspring import BadTag, MissingExtra, Secret

from . import _sources
from . import _words as words
from ._evaluate import (
    ABSENT,
    WANTED,
    Imported,
    Leaf,
    Made,
    Map,
    Node,
    Origin,
    Reference,
    Seq,
    TagFunction,
    data_of,
    followed,
    revealed,
    shown,
    written,
)

F = TypeVar("F", bound=Callable[..., Any])

REGISTRY: Final[dict[str, TagFunction]] = {}

# What Aero, Integrant and Clojure call the same.
ALIASES: Final = {
    "long": "int",
    "double": "float",
    "boolean": "bool",
    "string": "str",
    "envf": "template",
    "format": "template",
    "read-edn": "parse",
    "ig/ref": "ref",
    "ig/refset": "tagged",
    "ig/var": "var",
    "ig/profile": "profile",
}


@overload
def tag(name: str | None = None, /, *, lazy: bool = False) -> Callable[[F], F]: ...
@overload
def tag(function: F, /) -> F: ...
def tag(name: Any = None, /, *, lazy: bool = False) -> Any:
    """Make a function a tag, for every file that is read from then on.

    Parameters:
        name: the tag's name; that of the function if not given.
        lazy: whether the function gets what is written, as a `Node`, instead of its value. Such a tag may branch: it returns the
            node that it chose, and no other is worked out.

    Returns:
        The function, as it was. It gets one argument, and returns the value; or `deferred(...)`; or, if lazy, a node. What it
        raises becomes a `BadTag` with the place.

    Raises:
        ValueError: there is a tag of that name already, or the name cannot be one.

    Example:
        >>> from mainspring import config
        >>> @config.tag("shout")
        ... def _(text: str) -> str:
        ...     return text.upper()
        >>> config.read(config.text("greeting: !shout hello", "yaml"))
        {'greeting': 'HELLO'}
    """

    def register(function: Any) -> Any:
        known = name if isinstance(name, str) else function.__name__
        if not re.fullmatch(r"[^\W\d_][\w.+*/-]*", known):
            raise ValueError(f"{known!r} cannot be the name of a tag: it begins with a letter, and has no spaces in it")
        old = REGISTRY.get(known)
        again = old is not None and _is_again(old.function, function)
        if (old is not None and not again) or known in ALIASES:
            raise ValueError(f"there is a tag {known} already. Choose another name")
        REGISTRY[known] = TagFunction(known, function, lazy)
        return function

    return register if name is None or isinstance(name, str) else register(name)


def _is_again(old: Any, new: Any) -> bool:
    # A module that is reloaded defines its tags anew.
    return (getattr(old, "__module__", 1), getattr(old, "__qualname__", 1)) == (
        getattr(new, "__module__", 2),
        getattr(new, "__qualname__", 2),
    ) and not getattr(new, "__module__", "").startswith("mainspring.config")


def known_tags(only: Sequence[str] | None = None) -> dict[str, TagFunction]:
    """The tags that there are, by each of their names.

    Parameters:
        only: those that may be used; all if not given.
    """
    found = dict(REGISTRY)
    for alias, name in ALIASES.items():
        found[alias] = REGISTRY[name]
    if only is None:
        return found
    for name in only:
        if name not in found:
            raise ValueError(
                f"there is no tag {name!r} that could be allowed. {words.hint_near(name, found, what='tag')}"
            )
    wanted = set(only)

    def refuse(node: Node) -> Any:
        may = f"These may: {', '.join(only)}." if only else "None may."
        raise node.wrong("this tag may not be used here", may)

    refused = TagFunction("", refuse, True)
    return {name: one if name in wanted or one.name in wanted else refused for name, one in found.items()}


def _given(node: Node, what: str, *names: str) -> dict[str, Node] | None:
    """The parts of a tag that is given a mapping of named parts; `None` where it is given something else.

    Raises:
        BadTag: it has parts that there are not.
    """
    head = node.known()
    if not isinstance(head, Map):
        return None
    for key in head.nodes:
        if key not in names:
            hint = words.hint_near(str(key), names, what="part")
            raise node.wrong(f"it has the part {key!r}, which {what} does not know", hint)
    return dict(head.nodes)


def _parts(
    node: Node, tag: str, names: tuple[str, ...], takes: str, example: str, least: int | None = None
) -> dict[str, Node]:
    """The parts of a tag that takes several: by their names, or in a list in this order.

    Parameters:
        node: what the tag is put in front of.
        tag: the tag.
        names: of the parts.
        takes: the same for people.
        example: what may be written.
        least: how many of them have to be there; all if not given.

    Raises:
        BadTag: it has others, or too few.
    """
    parts = _given(node, f"!{tag}", *names)
    needed = names[:least]
    if parts is None:
        items = node.items()
        if not len(needed) <= len(items) <= len(names):
            raise node.wrong(f"it takes {takes}; here are {len(items)}")
        parts = dict(zip(names, items, strict=False))
    for part in needed:
        if part not in parts:
            raise node.wrong(f"it has no {part}", f"Write !{tag} {example}.")
    return parts


def _one(node: Node) -> Node:
    """What a tag is put in front of; of a list of one, which YAML needs for two tags, what is in it."""
    head = node.known()
    return head.nodes[0] if isinstance(head, Seq) and len(head.nodes) == 1 else node


def _text_of(node: Node, what: str, is_public: bool = False) -> str:
    """A text that a tag needs.

    Parameters:
        node: where it is written.
        what: what it is, for a message.
        is_public: whether it is shown later on, and so cannot be a secret.
    """
    node = _one(node)
    value = _shown_value(node, what) if is_public else node.value()
    if not isinstance(value, str) or not value:
        raise node.wrong(f"{what} is needed, as text, and this is {shown(node.known())}")
    return value


def _shown_value(node: Node, what: str) -> Any:
    """A value that is shown later on, as it is.

    Raises:
        BadTag: it is secret.
    """
    value, is_secret = revealed(data_of(node))
    if is_secret:
        raise node.wrong(f"{what} is needed, which is shown, and so a secret cannot be part of it")
    return value


# --- The environment --------------------------------------------------------------------------------------------------


@tag("env", lazy=True)
def _env(node: Node) -> Any:
    name = _text_of(node, "the name of an environment variable")
    return Leaf(node.environ.get(name), Origin("environment variable", name, node.site))


_VARIABLE: Final = re.compile(r"\$(?:\$|\{([^{}:]*)(?::-([^{}]*))?\}|(?=\{))")


@tag("template", lazy=True)
def _template(node: Node) -> Any:
    """Text with environment variables in it, `${NAME}` or `${NAME:-default}`; or text with {} in it, and what stands there."""
    if node.is_list:
        first, *rest = node.items() or [node]
        text = _text_of(first, "text with {} in it")
        for sign in ("%s", "{}"):
            pieces = text.split(sign)
            if len(pieces) > 1:
                break
        if len(pieces) - 1 != len(rest):
            raise node.wrong(f"the text has {len(pieces) - 1} times {{}}, and there are {len(rest)} values for it")
        by_name = node.document.session.stack[-1].tag == "envf"
        values = [_as_text(one, by_name) for one in rest]
        return "".join(part for pair in zip(pieces, [*values, ""], strict=True) for part in pair)
    text = _text_of(node, "text with ${NAME} in it")
    missing: list[str] = []
    used: dict[str, None] = {}

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name, default = found[1], found[2]
        if not name:
            raise node.wrong("a ${ in the text is not closed, or names nothing", "Write ${NAME}; or $${ for ${ itself.")
        value = node.environ.get(name)
        if value is None and default is None:
            missing.append(name)
        elif value is not None:
            used[name] = None
        return (default or "") if value is None else value

    made = _VARIABLE.sub(put, text)
    if missing:
        names = ", ".join(missing)
        hint = f"Set it, or write a default: ${{{missing[0]}:-...}}."
        raise node.wrong(f"the environment variable {names} is not set", hint)
    if not used:
        return Leaf(made, written(node))
    return Leaf(made, Origin(f"environment variable{'s' * (len(used) > 1)}", ", ".join(used), node.site))


def _as_text(node: Node, by_name: bool) -> str:
    if by_name:  # Aero's older form: the names of variables, each perhaps with a default
        parts = node.items() if node.is_list else [node]
        value = node.environ.get(_text_of(parts[0], "the name of an environment variable"))
        return value if value is not None else _spelled(parts[1]) if len(parts) > 1 else ""
    return _spelled(node)


def _spelled(node: Node) -> str:
    value = node.value()
    if value is None:
        raise node.wrong("there is nothing here to put into a text", "Give a default: !or [..., text].")
    if isinstance(value, dict | list | tuple | set | frozenset):
        raise node.wrong(f"{shown(node.known())} cannot be put into a text")
    return words.spelled(value)


@tag("prop", lazy=True)
def _prop(node: Node) -> Any:
    name = _one(node).value()
    props = node.document.session.options.props
    try:
        found = props.get(name)
    except TypeError:
        raise node.wrong(f"the name of a property is needed, and this is {shown(node.known())}") from None
    return Leaf(found, Origin("property", str(name), node.site))


@tag("var", lazy=True)
def _var(node: Node) -> Any:
    parts = _given(node, "!var", "name", "optional")
    if parts is not None and "name" not in parts:
        raise node.wrong("it has no name", "Write !var {name: ..., optional: true}.")
    name = _text_of(node if parts is None else parts["name"], "the name of a variable")
    document = node.document
    for bound in (document.bound, document.session.options.bound):
        if bound is not None and name in bound:
            found = bound[name]
            if isinstance(found, Node):
                return found
            return Leaf(found, Origin("bound", name, node.site))
    if parts is not None and "optional" in parts and _holds(parts["optional"]):
        return Leaf(None, Origin("bound", f"{name}, which is not bound", node.site))
    known = sorted({*(document.bound or ()), *document.session.options.bound})
    hint = document.session.hint_near(name, known, "variable that is bound")
    entry = document.module
    while entry is None and document.outer is not None:
        document = document.outer
        entry = document.module
    more = f"Write it under config of {entry}." if entry is not None else f'Bind it: bind={{"{name}": ...}}.'
    raise node.wrong(f"the variable {name} is not bound", f"{hint} {more}".strip())


# --- Choosing ---------------------------------------------------------------------------------------------------------


@tag("or", lazy=True)
def _or(node: Node) -> Any:
    """The first of several that is not nothing."""
    last: Node | None = None
    for one in node.items():
        last = one
        head = one.known()
        if not (isinstance(head, Leaf) and (head.value is None or head.value is ABSENT)):
            return one
    return Leaf(None, last.head().origin) if last is not None and isinstance(last.head(), Leaf) else None  # type: ignore[union-attr]


def names_of(key: Any) -> set[str]:
    """The names that a key of a `profile` stands for: one; several in a list or set; or several with commas in one text."""
    if isinstance(key, str):
        return {part.strip() for part in key.split(",")} if "," in key else {key}
    if isinstance(key, tuple | frozenset):
        return {str(part) for part in key}
    return {words.spelled(key)}


def _case(node: Node, names: Sequence[str], what: str, hint: str, declared: Sequence[str] | None = None) -> Any:
    entries = node.entries()
    for key, one in entries if declared is not None else ():
        for name in sorted(names_of(key) - {*declared, "default"}):  # type: ignore[misc]
            near = words.hint_near(name, [*declared, "default"], what=what)  # type: ignore[misc]
            raise one.wrong(f"there is no {what} {words.quoted(name)} among those that mainspring.profiles lists", near)
    for name in names:
        for key, one in entries:
            if name in names_of(key):
                return one
    for key, one in entries:
        if "default" in names_of(key):
            return one
    there = sorted({one for key, _ in entries for one in names_of(key)})
    have = " or ".join(names)
    said = f"there is nothing for the {what} {have}" if have else f"no {what} was chosen"
    raise node.wrong(
        f"{said}, and no default. There is: {', '.join(there) or 'nothing'}", hint, candidates=tuple(there)
    )


@tag("profile", lazy=True)
def _profile(node: Node) -> Any:
    hint = "Add an entry default, or choose a profile: --profile, MAINSPRING_PROFILE, or profile= in code."
    return _case(node, node.profiles, "profile", hint, node.document.session.options.declared)


@tag("hostname", lazy=True)
def _hostname(node: Node) -> Any:
    return _case(node, [node.document.session.options.hostname()], "machine", "Add an entry default.")


@tag("user", lazy=True)
def _user(node: Node) -> Any:
    return _case(node, [node.document.session.options.user()], "user", "Add an entry default.")


def _holds(node: Node) -> bool:
    value = node.value()
    if value is None:
        return False
    made = _as_bool(value)
    if made is None:
        raise node.wrong(f"a condition is true or false, and this is {shown(node.known())}")
    return made


@tag("if", lazy=True)
def _if(node: Node) -> Any:
    takes = "a condition, a value, and perhaps another value"
    parts = _parts(node, "if", ("if", "then", "else"), takes, "{if: condition, then: value, else: value}", least=2)
    return parts["then"] if _holds(parts["if"]) else parts.get("else")


@tag("when", lazy=True)
def _when(node: Node) -> Any:
    """The value where a condition holds; nothing at all, not even an entry, where it does not."""
    parts = _parts(node, "when", ("when", "then"), "a condition and a value", "{when: condition, then: value}")
    return parts["then"] if _holds(parts["when"]) else Leaf(ABSENT, written(node))


# --- Kinds of values --------------------------------------------------------------------------------------------------


def _single(node: Node) -> tuple[Any, Origin | None]:
    """The value that a tag is put in front of, also as a list of one, which YAML needs for two tags; and where it comes from."""
    outer, head = node, node.known()
    if isinstance(head, Seq) and len(head.nodes) == 1:
        node, head = head.nodes[0], head.nodes[0].known()
    value = node.value()
    if isinstance(value, dict | list | tuple | set | frozenset):
        raise outer.wrong(f"one value is needed, and this is {shown(head)}")
    return value, head.origin if isinstance(head, Leaf) else None


def _converted(name: str, convert: Callable[[Any], Any], expected: str) -> None:
    def function(node: Node) -> Any:
        value, origin = _single(node)
        if value is None:
            return Leaf(None, origin or written(node, f"!{name}"))
        try:
            made = convert(value)
        except (ValueError, OverflowError):
            made = None
        if made is None:
            head = node.known()
            there = shown(head.nodes[0].known() if isinstance(head, Seq) else head)
            raise node.wrong(f"{there} is not {expected}", _where_from(origin))
        return Leaf(made, origin or written(node, f"!{name}"))

    REGISTRY[name] = TagFunction(name, function, True)


def _where_from(origin: Origin | None) -> str:
    return f"It comes from the {origin.kind} {origin.what}." if origin is not None and origin.kind != "file" else ""


def _as_int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return int(value) if isinstance(value, str | int) else None


def _as_float(value: Any) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, str | int | float) else float(value)


_BOOLS: Final = {
    "true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip


def _as_bool(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _BOOLS.get(value.strip().lower())
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


_converted("int", _as_int, "a whole number")
_converted("float", _as_float, "a number")
_converted("bool", _as_bool, "true or false (nor yes, no, on, off, 1, 0)")
_converted("str", words.spelled, "text")
_converted("keyword", lambda value: words.spelled(value).removeprefix(":") or None, "a keyword")


def _as_date(value: Any) -> Any:
    from datetime import date, datetime

    return value if isinstance(value, date) else datetime.fromisoformat(value) if isinstance(value, str) else None


def _as_uuid(value: Any) -> Any:
    from uuid import UUID

    return value if isinstance(value, UUID) else UUID(value) if isinstance(value, str) else None


_converted("inst", _as_date, "a date and a time, such as 2026-11-21T12:00:00Z")
_converted("uuid", _as_uuid, "a UUID")


@tag("path", lazy=True)
def _path(node: Node) -> Any:
    """A path of the file system; of several parts, joined. `~` is the home of the user."""
    items = node.items() if node.is_list else [node]
    if not items:
        raise node.wrong("text is needed for a path, and this is an empty list")
    parts = []
    for one in items:
        value = one.value()
        if value is None and len(items) == 1:
            head = one.known()
            return Leaf(None, head.origin if isinstance(head, Leaf) else written(one, "!path"))
        place = node if len(items) == 1 else one
        if not isinstance(value, str | FilePath) or not str(value):
            head = one.known()
            hint = _where_from(head.origin if isinstance(head, Leaf) else None)
            raise place.wrong(f"text is needed for a path, and this is {shown(head)}", hint)
        if "\0" in str(value):
            raise place.wrong("a path has no NUL in it")
        parts.append(value)
    try:
        made = FilePath(*parts).expanduser()
    except RuntimeError:
        raise node.wrong("its ~ means the home of a user whom this machine does not know") from None
    head = items[0].known()
    return Leaf(made, head.origin if isinstance(head, Leaf) else written(node, "!path"))


@tag("folder", lazy=True)
def _folder(node: Node) -> Any:
    """The folder that the file is in."""
    return FilePath(node.document.folder)


@tag("join", lazy=True)
def _join(node: Node) -> Any:
    return "".join(_spelled(one) for one in node.items())


@tag("json", lazy=True)
def _json(node: Node) -> Any:
    return _parsed(node, "json")


@tag("parse", lazy=True)
def _parse(node: Node) -> Any:
    """What a text says, read as a file of the same format, or of another; tags in it are refused."""
    parts = _given(node, "!parse", "text", "as") if node.is_mapping else None
    if parts is None:
        return _parsed(node, node.document.format)
    if "text" not in parts:
        raise node.wrong("it has no text", "Write !parse {text: ..., as: json}.")
    return _parsed(parts["text"], _text_of(parts["as"], "a format") if "as" in parts else node.document.format)


def _parsed(node: Node, kind: str) -> Any:
    value, origin = _single(node)
    if value is None:
        return Leaf(None, origin or written(node))
    if not isinstance(value, str):
        raise node.wrong(f"text is needed, and this is {shown(node.known())}")
    session = node.document.session
    origin = origin or written(node, "!parse")
    return Leaf(_sources.parsed(value, kind, node, session), origin)


@tag("literal", lazy=True)
def _literal(node: Node) -> Any:
    """What is written, as it is: a key that begins with a dollar is just a key."""
    return Leaf(_sources.as_written(node), written(node), "literal")


# --- Putting together -------------------------------------------------------------------------------------------------


@tag("merge", lazy=True)
def _merge(node: Node) -> Any:
    """Several mappings as one, merged deeply, the later ones on top."""
    layers = []
    for one in node.items():
        head = one.known()
        if isinstance(head, Leaf) and (head.value is None or head.value is ABSENT):
            continue
        if not isinstance(head, Map):
            raise one.wrong(f"mappings can be merged, and this is {shown(head)}")
        layers.append(one.meant())
    return Node.layered(layers, node.path) if layers else Map({}, node.site)


def _how(name: str, needs: str) -> None:
    def function(node: Node) -> Any:
        head = node.known()
        if isinstance(head, Map) and needs == "":
            return Map(head.nodes, head.site, name, head.literal)
        if isinstance(head, Seq):
            return Seq(head.nodes, head.site, head.kind, name)
        if needs:
            raise node.wrong(f"a list is needed, and this is {shown(head)}")
        assert isinstance(head, Leaf)
        return Leaf(head.value, head.origin, name)

    REGISTRY[name] = TagFunction(name, function, True)


_how("replace", "")
_how("append", "a list")
_how("prepend", "a list")


@tag("remove", lazy=True)
def _remove(node: Node) -> Any:
    """Nothing: what a layer below says here does not count."""
    return Leaf(ABSENT, written(node, "!remove"))


@tag("include", lazy=True)
def _include(node: Node) -> Any:
    parts = _given(node, "!include", "file", "package", "optional") if node.is_mapping else None
    if parts is None:
        return _sources.included(node, _text_of(node, "the path of a file", True), None, False)
    if "file" not in parts:
        raise node.wrong("it has no file", "Write !include {file: other.yaml, optional: true}.")
    package = _text_of(parts["package"], "the name of a package", True) if "package" in parts else None
    is_optional = _holds(parts["optional"]) if "optional" in parts else False
    return _sources.included(node, _text_of(parts["file"], "the path of a file", True), package, is_optional)


# --- References -------------------------------------------------------------------------------------------------------


def _path_of(node: Node, what: str, first: int = 0) -> tuple[Any, ...]:
    """The parts of a path, which is one text or a list of parts."""
    head = node.known()
    if isinstance(head, Seq):
        parts: list[Any] = []
        for one in head.nodes:
            part = _shown_value(one, "a path")
            if isinstance(part, bool) or not isinstance(part, str | int) or part == "":
                raise one.wrong(f"a part of a path is text or a number, and this is {shown(one.known())}")
            is_keyword = not parts and isinstance(part, str) and "/" in part and node.document.session.is_system
            parts += words.split_id(str(part)) if is_keyword else [part]
        if not parts:
            raise node.wrong("it has no path")
        return tuple(parts)
    text = _shown_value(node, "a path")
    if not isinstance(text, str):
        raise node.wrong(f"a path is needed, and this is {shown(head)}", "Write group.name, or [group, name].")
    try:
        return words.split_id(text)
    except ValueError as error:
        raise node.wrong(f"the path {text!r} cannot be read: {error}") from None


def _referring(name: str) -> None:
    is_tagged = name.endswith("tagged")
    key = "tag" if is_tagged else "path"

    def function(node: Node) -> Any:
        parts = _given(node, f"!{name}", key, "optional", *(("path",) if name == "one_tagged" else ()))
        is_optional = _holds(parts["optional"]) if parts is not None and "optional" in parts else False
        if parts is not None and key not in parts:
            raise node.wrong(f"it has no {key}", f"Write !{name} {{{key}: ..., optional: true}}.")
        path: tuple[Any, ...]
        if is_tagged:
            path = (_text_of(node if parts is None else parts["tag"], "a tag", True),)
            if parts is not None and "path" in parts:
                path += _path_of(parts["path"], f"!{name}")
        else:
            path = _path_of(node if parts is None else parts["path"], f"!{name}")
        return Leaf(Reference(name, path, is_optional, node), written(node))

    REGISTRY[name] = TagFunction(name, function, True)


for _name in ("ref", "local_ref", "tagged", "one_tagged"):
    _referring(_name)


@tag("value", lazy=True)
def _value(node: Node) -> Any:
    """The value that is written at a path of the same file, as it is now: where `ref` would be a reference of the system."""
    parts = _given(node, "!value", "path", "optional")
    is_optional = _holds(parts["optional"]) if parts is not None and "optional" in parts else False
    if parts is not None and "path" not in parts:
        raise node.wrong("it has no path", "Write !value {path: ..., optional: true}.")
    path = _path_of(node if parts is None else parts["path"], "!value")
    found = followed(Reference("ref", path, is_optional, node))
    return found if found is not None else Leaf(None, written(node, "!value"))


@tag("required", lazy=True)
def _required(node: Node) -> Any:
    """A value that has to be given; alone, the mark that says that it is missing.

    TOML, which has no null, puts it in front of an empty mapping.
    """
    head = node.known()
    if (isinstance(head, Leaf) and head.value is None) or (isinstance(head, Map) and not head.nodes):
        is_written = isinstance(head, Leaf) and node.form is not None
        return Leaf(WANTED, head.origin if is_written else written(node))  # type: ignore[union-attr]
    return node


@tag("import", lazy=True)
def _import(node: Node) -> Any:
    target = _text_of(node, "package.module:name", True)
    return Leaf(Imported(target, node), written(node))


@tag("build", lazy=True)
def _build(node: Node) -> Any:
    parts = _given(node, "!build", "target", "args", "kwargs")
    if parts is None or "target" not in parts:
        raise node.wrong("it has no target", "Write !build {target: package.module:name, args: [...], kwargs: {...}}.")
    target = Imported(_text_of(parts["target"], "package.module:name", True), parts["target"])
    args = parts["args"].items() if "args" in parts else []
    kwargs = dict(parts["kwargs"].entries()) if "kwargs" in parts else {}
    return Leaf(Made(target, args, kwargs), written(node))


# --- Secrets ----------------------------------------------------------------------------------------------------------


@tag("secret", lazy=True)
def _secret(node: Node) -> Any:
    head = node.known()
    if isinstance(head, Seq) and len(head.nodes) == 1:
        node, head = head.nodes[0], head.nodes[0].known()
    value, _ = revealed(data_of(node))
    origin = head.origin if isinstance(head, Leaf) else written(node)
    if value is None:
        return Leaf(None, origin)
    secret = Secret(value)
    node.document.session.note(secret)
    return Leaf(secret, origin)


@tag("file", lazy=True)
def _file(node: Node) -> Any:
    """The text of a file without the end of its last line; nothing where there is no such file."""
    value, _ = _single(node)
    if value is None:
        return Leaf(None, written(node))
    if not isinstance(value, str | FilePath) or not str(value) or "\0" in str(value):
        raise node.wrong(f"the path of a file is needed, and this is {shown(node.known())}")
    limit = node.document.session.options.limits.size
    path = FilePath(node.document.folder, FilePath(value).expanduser())
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(limit + 1)
    except FileNotFoundError:
        return Leaf(None, Origin("text of", str(path), node.site))
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise node.wrong(f"the file {path} cannot be read: {reason}") from None
    if len(text) > limit:
        raise node.wrong(f"the file {path} is larger than {limit:,} characters")
    return Leaf(text.removesuffix("\n").removesuffix("\r"), Origin("text of", str(path), node.site))


@tag("keyring", lazy=True)
def _keyring(node: Node) -> Any:
    """A secret out of the keyring of the machine, by service and user."""
    parts = _parts(node, "keyring", ("service", "user"), "a service and a user", "[service, user]")
    service, user = (_text_of(parts[part], f"a {part}") for part in ("service", "user"))
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise MissingExtra("keyring", "The tag !keyring") from None
    try:
        found = keyring.get_password(service, user)
    except KeyringError as error:
        problem = node.problem(BadTag, f"!keyring: the keyring cannot be asked: {error}.", details={"tag": "keyring"})
        raise BadTag([problem]) from None
    origin = Origin("keyring", f"{service}, {user}", node.site)
    return Leaf(None if found is None else Secret(found), origin)


def user_name() -> str:
    """The name of the user; empty where nobody knows it."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def host_name() -> str:
    """The name of the machine."""
    import socket

    return socket.gethostname()
