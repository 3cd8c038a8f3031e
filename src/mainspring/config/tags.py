"""The tags of files as functions of Python, for settings that are written in code.

Each gives what the tag of the same name is in a file; where the name is a word of Python, it ends in an underscore. They stand
in mappings that are read: `config.read({"port": tags.int_(tags.env("PORT"))})`.
"""

from __future__ import annotations

from typing import Any

from ._form import Tag, form_of


def make(name: str, given: Any = None, /) -> Any:
    """Any tag, one of your own too.

    Parameters:
        name: the tag's name.
        given: what it is put in front of; may hold tags.

    Example:
        >>> from mainspring import config
        >>> config.read({"port": make("int", make("env", "PORT"))}, environ={"PORT": "80"})
        {'port': 80}
    """
    return Tag(name, form_of(given))


def env(name: Any, /) -> Any:
    """The environment variable of a name; `None` where it is not set."""
    return make("env", name)


def template(text: Any, /, *values: Any) -> Any:
    """Text with `${NAME}` in it, for environment variables; or, with values, text with `{}` in it."""
    return make("template", [text, *values] if values else text)


def prop(name: Any, /) -> Any:
    """What stands under a name in the `props` of the reading."""
    return make("prop", name)


def var(name: Any, /, *, optional: bool = False) -> Any:
    """What is bound to a name, by `bind`, or by the settings of a module."""
    return make("var", {"name": name, "optional": optional} if optional else name)


def or_(*values: Any) -> Any:
    """The first of several values that is not `None`."""
    return make("or", list(values))


def profile(cases: Any, /) -> Any:
    """The value for the profile in use, or the one under `default`."""
    return make("profile", cases)


def hostname(cases: Any, /) -> Any:
    """The value for this machine, or the one under `default`."""
    return make("hostname", cases)


def user(cases: Any, /) -> Any:
    """The value for this user, or the one under `default`."""
    return make("user", cases)


def if_(condition: Any, then: Any, otherwise: Any = None, /) -> Any:
    """One of two values, by a condition."""
    return make("if", [condition, then, otherwise])


def when(condition: Any, then: Any, /) -> Any:
    """A value where a condition holds; where it does not, there is no entry at all."""
    return make("when", [condition, then])


def int_(value: Any, /) -> Any:
    """A value as a whole number."""
    return make("int", value)


def float_(value: Any, /) -> Any:
    """A value as a number."""
    return make("float", value)


def bool_(value: Any, /) -> Any:
    """A value as true or false."""
    return make("bool", value)


def str_(value: Any, /) -> Any:
    """A value as text."""
    return make("str", value)


def keyword(value: Any, /) -> Any:
    """A value as a keyword: text, without the colon in front."""
    return make("keyword", value)


def inst(value: Any, /) -> Any:
    """A value as a date and a time."""
    return make("inst", value)


def uuid(value: Any, /) -> Any:
    """A value as a UUID."""
    return make("uuid", value)


def path(*parts: Any) -> Any:
    """A path of the file system, of one part or several; `~` is the home of the user."""
    return make("path", list(parts))


def folder() -> Any:
    """The folder of the file."""
    return make("folder")


def join(*parts: Any) -> Any:
    """Several values as one text."""
    return make("join", list(parts))


def json(text: Any, /) -> Any:
    """What a text says in JSON."""
    return make("json", text)


def parse(text: Any, /, as_: str | None = None) -> Any:
    """What a text says, in a format."""
    return make("parse", text if as_ is None else {"text": text, "as": as_})


def literal(data: Any, /) -> Any:
    """Data as it is written, keys with a dollar and all."""
    return make("literal", data)


def merge(*mappings: Any) -> Any:
    """Several mappings as one, merged deeply, the later ones on top."""
    return make("merge", list(mappings))


def replace(value: Any, /) -> Any:
    """A value that is not merged with what a layer below says, but stands in its place."""
    return make("replace", value)


def append(items: Any, /) -> Any:
    """A list that is put behind the one of the layer below."""
    return make("append", items)


def prepend(items: Any, /) -> Any:
    """A list that is put before the one of the layer below."""
    return make("prepend", items)


def remove() -> Any:
    """Nothing: what a layer below says does not count."""
    return make("remove")


def include(file: Any, /, *, package: str | None = None, optional: bool = False) -> Any:
    """What another file says."""
    if package is None and not optional:
        return make("include", file)
    given: dict[str, Any] = {"file": file, "optional": optional}
    return make("include", given if package is None else {**given, "package": package})


def ref(*parts: Any, optional: bool = False) -> Any:
    """A reference to a component or constant of the system; in plain data, the value at a path."""
    return make("ref", {"path": _path(parts), "optional": optional} if optional else _path(parts))


def local_ref(*parts: Any, optional: bool = False) -> Any:
    """A reference within the same group."""
    return make("local_ref", {"path": _path(parts), "optional": optional} if optional else _path(parts))


def tagged(tag: Any, /, *, optional: bool = False) -> Any:
    """A reference to all components that carry a tag."""
    return make("tagged", {"tag": tag, "optional": optional} if optional else tag)


def one_tagged(tag: Any, /, *parts: Any, optional: bool = False) -> Any:
    """A reference to the one component that carries a tag."""
    given: dict[str, Any] = {"tag": tag, "optional": optional}
    return make("one_tagged", {**given, "path": _path(parts)} if parts else given)


def value(*parts: Any, optional: bool = False) -> Any:
    """The value that is written at a path, as it is now."""
    return make("value", {"path": _path(parts), "optional": optional} if optional else _path(parts))


def required(given: Any = None, /) -> Any:
    """A value that has to be there; alone, the mark that it is still missing."""
    return make("required", given)


def import_(target: Any, /) -> Any:
    """An object of a module, by `package.module:name`."""
    return make("import", target)


def build(target: Any, /, *args: Any, **kwargs: Any) -> Any:
    """An object to be made of resolved parts at each start."""
    return make("build", {"target": target, "args": list(args), "kwargs": kwargs})


def secret(given: Any, /) -> Any:
    """A value that is never shown."""
    return make("secret", given)


def file(name: Any, /) -> Any:
    """The text of a file, such as one that holds a secret; `None` where there is none."""
    return make("file", name)


def keyring(service: Any, user: Any, /) -> Any:
    """A secret out of the keyring of the machine; `None` where there is none."""
    return make("keyring", [service, user])


def _path(parts: tuple[Any, ...]) -> Any:
    return parts[0] if len(parts) == 1 else list(parts)
