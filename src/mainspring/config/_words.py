"""How paths and values of files are spelled in messages, and taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mainspring import Secret

from .. import _text

PLAIN: Final = frozenset({str, int, float, bool, type(None), bytes})
NOTHING: Final[Any] = object()

hint_near = _text.hint_near
quoted = _text.quote
indent = _text.indent
cycle = _text.cycle
a = _text.a
either = _text.either


def plain(path: Sequence[Any]) -> tuple[str | int, ...]:
    """A path with parts as a problem has them: keys that are neither text nor numbers are spelled."""
    return tuple(part if type(part) in (str, int) else spelled(part) for part in path)


def spelled(key: Any) -> str:
    """A key as text."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key)


def dotted(path: Sequence[Any]) -> str:
    """A path as it is written everywhere."""
    return _text.dotted(plain(path))


def is_part(key: Any, part: Any) -> bool:
    """Whether a part of a path means a key that is no text, such as a number."""
    return not isinstance(key, str) and not isinstance(part, bool) and spelled(key) == str(part)


def split_id(text: str) -> tuple[str, ...]:
    """The parts of a path that is written as one text: with dots, or as a keyword `group/name`.

    Raises:
        ValueError: with what is wrong with it.
    """
    group, slash, name = text.partition("/")
    if slash and group and name and '"' not in text:
        return group, name
    return _text.split_dotted(text)


def part_of(value: Any, part: Any) -> Any:
    """What stands under a part of a path in an object that is no form: an item, or an attribute; `NOTHING` if there is none."""
    if isinstance(value, Secret):
        value = value.reveal()
    if isinstance(value, str | bytes) or value is None:
        return NOTHING
    try:
        if isinstance(value, Mapping):
            return value[part]
        if isinstance(value, Sequence):
            return value[int(part)]
    except (LookupError, ValueError, TypeError):
        return NOTHING
    if str(part).startswith("_") or type(value).__module__ == "builtins":
        return NOTHING
    return getattr(value, str(part), NOTHING)


def a_type(value: Any) -> str:
    """What kind of value it is: `a dict`, `None`."""
    return "nothing" if value is None else a(type(value).__name__)


def short(text: str, most: int = 100) -> str:
    """A text, cut off where it is long."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def argument(name: str) -> str:
    """The parameter that a key of a config means: names of files may have hyphens and end in a question mark."""
    return name if name.isidentifier() else name.rstrip("?!").replace("-", "_")


def raised(error: BaseException) -> str:
    """The class of an error, and what it says, if it says something."""
    return type(error).__name__ + (f": {error}" if str(error) else "")
