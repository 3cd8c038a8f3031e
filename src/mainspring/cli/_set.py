"""What `--set` and `--select` say."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final

from mainspring import MainspringError, Secret, System, adjust

from ._load import Trouble

_UNKNOWN: Final[Any] = object()
# A quotation mark that is never closed stays in its part, for the selection to say so.
_PARTS: Final = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"|")+', re.DOTALL)
_PATH: Final = re.compile(r'((?:[^="]|"(?:\\.|[^"\\])*")+)=(.*)', re.DOTALL)


def split_select(given: Sequence[str]) -> list[str]:
    """The parts of selections that are written with commas; what is in quotation marks may have commas of its own."""
    parts = [part.strip() for one in given for part in _PARTS.findall(one)]
    return [part for part in parts if part]


def overridden(system: System, settings: Sequence[str]) -> System:
    """The system with everything exchanged that `settings` say, each of them `path=value`.

    Raises:
        Trouble: a setting is not of that form, or its value not of the kind that stands there now.
        BadOverride: a path names nothing.
    """
    changes = changes_of(system, settings)
    return system.override(changes) if changes else system


def changes_of(system: System, settings: Sequence[str]) -> dict[str, Any]:
    """The values that `settings` say, by path, each of the kind that stands there now.

    Parameters:
        system: the system.
        settings: each `path=value`.

    Raises:
        Trouble: a setting is not of that form, or its value not of the kind that stands there now.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        path, text = split_setting(setting)
        old = _old(system, path)
        changes[path] = value_of(path, text, old)
    return changes


def split_setting(setting: str) -> tuple[str, str]:
    """Path and text of a setting.

    Raises:
        Trouble: it is not of the form `path=value`.
    """
    form = _PATH.fullmatch(setting)
    if form is None:
        raise Trouble(f"--set {setting} has no value. Write --set path=value, for example --set env.port=8080")
    return form[1].strip(), form[2]


def _old(system: System, path: str) -> Any:
    """What stands at a path now, as far as that can be known."""
    found: list[Any] = []

    def look(old: Any) -> Any:
        found.append(old)
        return old

    try:
        # An override knows every place that there is: in subsystems, in what the base gives, the defaults of parameters.
        system.override({path: adjust(look)})
        return found[0]
    except (MainspringError, IndexError):
        pass
    try:
        return found[0] if found else system[path]
    except MainspringError:
        return _UNKNOWN  # a whole group, or nothing: the override that follows says so


def value_of(path: str, text: str, old: Any) -> Any:
    """A value as it is given on the command line: of the kind that stands there now; else JSON, or failing that, text.

    Parameters:
        path: where it is to stand.
        text: what is given.
        old: what stands there now; anything else where that is not known.

    Raises:
        Trouble: it is of another kind.
    """
    return _value(f"{path}={text}", text, old)


def _value(shown: str, text: str, old: Any) -> Any:
    if isinstance(old, Secret):
        return Secret(_value(f"{shown[: len(shown) - len(text)]}***", text, old.reveal()))
    if isinstance(old, str):
        return text
    if isinstance(old, PurePath):
        return type(old)(text)
    try:
        return json.loads(text, parse_constant=_no_json)
    except ValueError:
        pass
    for kinds, name, example in _KINDS:
        if isinstance(old, kinds):
            raise Trouble(f"--set {shown}: what stands there is {name}, so give it as JSON, for example {example}")
    return text


def _no_json(constant: str) -> Any:
    raise ValueError(constant)


_KINDS: Final[list[tuple[type | tuple[type, ...], str, str]]] = [
    (bool, "true or false", "true"),
    ((int, float), "a number", "8080"),
    ((list, tuple, set, frozenset), "a list", '["a", "b"]'),
    (dict, "a mapping", '{"a": 1}'),
]
