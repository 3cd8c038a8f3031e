"""What differs between two definitions, place by place, as they were written."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from .. import _text
from . import refs
from .base import Base
from .model import ABSENT, SHORTHANDS, SLOTS, Component, Constant, Definition, Signal, Spec, Subsystem, parse_path
from .model import _comparable as comparable
from .refs import Path, name_of

Kind = Literal["added", "removed", "changed", "reordered"]

_MARKS: Final = {"added": "+", "removed": "-", "changed": "~", "reordered": "~"}
_LONGEST: Final = 100  # of a value in a line


class Change(NamedTuple):
    """One difference between two systems.

    Parameters:
        kind: "added", "removed", "changed", or "reordered" for a group, or the groups, whose order is another.
        path: where: the path that an override would take, or one that begins with "base", "signals", "wraps" or the name of an
            option.
        old: what stood there; `None` for what was added. For what was reordered, the names in their order.
        new: what stands there now; `None` for what was removed.
    """

    kind: Kind
    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        begin = f"{_MARKS[self.kind]} {self.path}: "
        if self.kind == "added":
            return begin + shown(self.new)
        if self.kind == "removed":
            return begin + shown(self.old)
        if self.kind == "reordered":
            return f"{begin}order {_order(self.old, self.new)} -> {_order(self.new, self.old)}"
        old, new = shown(self.old), shown(self.new)
        if self._was_secret:
            old, new = shown(self.shown_old), shown(self.shown_new)
            return f"{begin}{old} -> {new}, {'no secret any more' if isinstance(self.old, refs.Secret) else 'a secret now'}"
        return f"{begin}{old} -> {'another ' if old == new else ''}{new}"

    @property
    def _was_secret(self) -> bool:
        return self.kind == "changed" and isinstance(self.old, refs.Secret) != isinstance(self.new, refs.Secret)

    @property
    def shown_old(self) -> Any:
        """What stood there, as it may be shown: what a secret took the place of is mostly as secret."""
        return refs.MASKED if self._was_secret and _is_plain(self.old) else self.old

    @property
    def shown_new(self) -> Any:
        """What stands there now, as it may be shown: what takes the place of a secret is mostly as secret."""
        return refs.MASKED if self._was_secret and _is_plain(self.new) else self.new

    def __repr__(self) -> str:
        return f"<Change {self}>"


class Diff(Sequence[Change]):
    """Every difference between two systems. False where there is none. As text, one line for each.

    Example:
        >>> from mainspring import Secret, System
        >>> old = System({"env": {"http": {"port": 80, "hosts": ["a"]}, "key": Secret("one")}})
        >>> print(old.diff(old.override({"env.http.hosts": ["a", "b"], "env.http.port": 8080, "env.key": Secret("two")})))
        ~ env.http.port: 80 -> 8080
        + env.http.hosts.1: 'b'
        ~ env.key: Secret('***') -> another Secret('***')
    """

    __slots__ = ("_changes",)

    def __init__(self, changes: Iterable[Change]) -> None:
        self._changes = tuple(changes)

    def __len__(self) -> int:
        return len(self._changes)

    def __getitem__(self, at: Any) -> Any:
        return self._changes[at]

    def __iter__(self) -> Iterator[Change]:
        return iter(self._changes)

    def __str__(self) -> str:
        return "\n".join(map(str, self._changes)) or "no difference"

    def __repr__(self) -> str:
        return f"<Diff: {_text.count(len(self), 'change')}>"

    def as_dict(self) -> dict[str, Any]:
        """The differences as plain values, for JSON; what is not plain becomes text, and secrets are masked."""
        return {
            "changes": [
                {
                    "kind": change.kind,
                    "path": change.path,
                    "old": plain(change.shown_old),
                    "new": plain(change.shown_new),
                }
                for change in self
            ]
        }


def _is_plain(value: Any) -> bool:
    # A reference or a component says where a secret comes from, not what it is.
    return not isinstance(value, refs.Mark | refs.Required | Component)


def diff(old: Definition, new: Definition) -> Diff:
    """Every difference between two definitions, as they were written. What they share is not looked at."""
    found: list[Change] = []
    _definitions(found, (), old, new)
    return Diff(found)


# --- Showing ----------------------------------------------------------------------------------------------------------


class _Named:
    """Stands for a value in a text: by its name rather than its address."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _nameable(value: Any) -> Any:
    kind = type(value)
    if kind is Signal:
        return _Named(value.direction)
    if isinstance(value, Component):
        return value
    if kind is refs.Build or kind is refs.Opaque or kind is refs.Secret or kind in refs.REFERENCES:
        return value
    if isinstance(value, Mapping) and kind is not dict:
        return {name: _nameable(part) for name, part in value.items()}
    if (kind is set or kind is frozenset) and value:
        return _Named("{" + ", ".join(sorted(shown(part) for part in value)) + "}")
    if callable(value) and (hasattr(value, "__name__") or isinstance(value, partial)):
        return _Named(name_of(value))
    return refs.rebuilt(value, _nameable)


def shown(value: Any) -> str:
    """A value as part of a line: functions by their names, secrets masked."""
    try:
        text = repr(_nameable(value))
    except Exception as error:  # an object of the user's may be in any condition
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def plain(value: Any) -> Any:
    """A value for JSON, secrets masked."""
    kind = type(value)
    if kind is dict or isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if kind is list or kind is tuple:
        return [plain(part) for part in value]
    if kind is set or kind is frozenset:
        return sorted(part if isinstance(part, str) else shown(part) for part in value)
    if value is None or kind is bool or kind is int or kind is str:
        return value
    if kind is float and value - value == 0:  # JSON knows neither infinity nor "not a number"
        return value
    return "***" if kind is refs.Secret else shown(value)


def _order(names: list[str], others: list[str]) -> str:
    # Of a long list, from the first name to the last that stands elsewhere.
    at = [i for i, (name, other) in enumerate(zip(names, others, strict=True)) if name != other]
    return ", ".join(_text.quote(name) for name in names[at[0] : at[-1] + 1])


# --- Comparing --------------------------------------------------------------------------------------------------------


def _kind_of(old: object, new: object) -> Kind:
    return "added" if old is None else "removed" if new is None else "changed"


def _add(found: list[Change], kind: Kind, path: Path, old: Any, new: Any) -> None:
    found.append(Change(kind, _text.dotted(path), _given_out(old), _given_out(new)))


def _given_out(value: Any) -> Any:
    if isinstance(value, Constant):
        value = value._value
    return refs.copied(value)


def _definitions(found: list[Change], at: Path, old: Definition, new: Definition) -> None:
    if old is new:
        return
    if old.groups is not new.groups:
        _reordered(found, at or ("groups",), old.groups, new.groups)
        for group in _either(old.groups, new.groups):
            before, after = old.groups.get(group), new.groups.get(group)
            if before is not after:
                _groups(found, (*at, group), before, after)
    if old.signals != new.signals:
        for signal in _either(old.signals, new.signals):
            row, other = old.signals.get(signal), new.signals.get(signal)
            if row != other:
                _add(found, _kind_of(row, other), (*at, "signals", signal), row, other)
    if old.base is not new.base:
        _bases(found, (*at, "base"), old.base, new.base)
    if old.wraps is not new.wraps:
        _items(found, (*at, "wraps"), old.wraps, new.wraps, equal=operator.eq)
    for name, one, two in zip(old.options._fields, old.options, new.options, strict=True):
        if one != two:
            _slot(found, at, name, one, two)


def _groups(found: list[Change], at: Path, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
    # A group that has no members is one all the same, and is shown by itself.
    if not old and not new:
        if old is None or new is None:
            _add(found, _kind_of(old, new), at, old, new)
        return
    old, new = old or {}, new or {}
    _reordered(found, at, old, new)
    for name in _either(old, new):
        before, after = old.get(name), new.get(name)
        if before is not after:
            _nodes(found, (*at, name), before, after)


def _either(old: Iterable[Any], new: Iterable[Any]) -> dict[Any, None]:
    return dict.fromkeys([*old, *new])


def _reordered(found: list[Change], at: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = [name for name in old if name in new], [name for name in new if name in old]
    if before != after:
        _add(found, "reordered", at, before, after)


def _nodes(found: list[Change], at: Path, old: Any, new: Any) -> None:
    if old is None or new is None:
        _add(found, _kind_of(old, new), at, old, new)
    elif type(old) is not type(new):
        _add(found, "changed", at, old, new)
    elif isinstance(old, Constant):
        _data(found, at, old._value, new._value)
    else:
        is_subsystem = isinstance(old, Subsystem)
        before, after = old._config, new._config
        if is_subsystem:
            # Imports are known by paths, which are parts of the path in question.
            before, after = ({parse_path((p,), "An import"): v for p, v in c.items()} for c in (before, after))
            for path in _either(before, after):
                _keyed(found, (*at, "imports", *path[:-1]), _only(before, path), _only(after, path))
            _definitions(found, at, old._definition, new._definition)
        else:
            _keyed(found, (*at, "config"), before, after)
        _specs(found, at, old._spec, new._spec, is_subsystem)


def _only(imports: dict[Path, Any], path: Path) -> dict[Any, Any]:
    return {path[-1]: imports[path]} if path in imports else {}


def _specs(found: list[Change], at: Path, old: Spec, new: Spec, is_subsystem: bool) -> None:
    if old is new:
        return
    for name in SLOTS:
        if not (is_subsystem and name == "start"):  # which is made from the name of the system in it
            _slot(found, at, name, getattr(old, name), getattr(new, name))


def _bases(found: list[Change], at: Path, old: Base | None, new: Base | None) -> None:
    count = len(found)
    _keyed(found, (*at, "config"), old.config if old else {}, new.config if new else {})
    before, after = old._slots if old else {}, new._slots if new else {}
    for name in SLOTS:
        _slot(found, at, name, before.get(name), after.get(name))
    if len(found) == count and (old is None or new is None):
        # A base that says nothing is one all the same.
        _add(found, _kind_of(old, new), at, old and {}, new and {})


def _slot(found: list[Change], at: Path, name: str, old: Any, new: Any) -> None:
    if name == "handlers":
        old, new = old or {}, new or {}
        for signal in _either(old, new):
            path = (*at, signal) if signal in SHORTHANDS else (*at, name, signal)
            _whole(found, path, old.get(signal), new.get(signal))
    elif name in ("pre", "post"):
        old, new = old or {}, new or {}
        for signal in _either(old, new):
            before, after = old.get(signal, {}), new.get(signal, {})
            for known in _either(before, after):
                _whole(found, (*at, name, signal, known), before.get(known), after.get(known))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        _keyed(found, (*at, name), old, new)
    elif name == "start":
        _whole(found, (*at, name), old, new, absent=ABSENT)
    else:
        _whole(found, (*at, name), old, new)


def _whole(found: list[Change], at: Path, old: Any, new: Any, absent: Any = None) -> None:
    old, new = (dict(value) if type(value) is MappingProxyType else value for value in (old, new))
    if old is absent or new is absent:
        if old is not new:
            kind: Kind = "added" if old is absent else "removed"
            _add(found, kind, at, None if old is absent else old, None if new is absent else new)
    elif not refs.same(comparable(old), comparable(new)):
        _add(found, "changed", at, old, new)


def _keyed(found: list[Change], at: Path, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> None:
    if old is new:
        return
    # Keys are compared as strictly as values: 1 is not True.
    before = {(type(key), key): value for key, value in old.items()}
    after = {(type(key), key): value for key, value in new.items()}
    for known in _either(before, after):
        path = (*at, known[1])
        if known not in after:
            _add(found, "removed", path, before[known], None)
        elif known not in before:
            _add(found, "added", path, None, after[known])
        else:
            _data(found, path, before[known], after[known])


def _data(found: list[Change], at: Path, old: Any, new: Any) -> None:
    if old is new:
        return
    kind = type(old)
    if kind is not type(new):
        _add(found, "changed", at, old, new)
    elif kind is dict:
        _keyed(found, at, old, new)
    elif kind is list or kind is tuple:
        _items(found, at, old, new)
    elif kind is refs.Build and refs.same(old.target, new.target):
        _items(found, at, old.args, new.args)
        _keyed(found, at, old.kwargs, new.kwargs)
    elif refs.is_named_tuple(old):
        _keyed(found, at, old._asdict(), new._asdict())
    elif not refs.same(old, new):
        _add(found, "changed", at, old, new)


def _items(
    found: list[Change],
    at: Path,
    old: Sequence[Any],
    new: Sequence[Any],
    equal: Callable[[Any, Any], bool] = refs.same,
) -> None:
    most = min(len(old), len(new))
    begin = 0
    while begin < most and equal(old[begin], new[begin]):
        begin += 1
    end = 0
    while end < most - begin and equal(old[-1 - end], new[-1 - end]):
        end += 1
    before, after = old[begin : len(old) - end], new[begin : len(new) - end]
    if not before:
        for i, item in enumerate(after, begin):
            _add(found, "added", (*at, i), None, item)
    elif not after:
        for i, item in enumerate(before, begin):
            _add(found, "removed", (*at, i), item, None)
    elif len(before) == len(after) and (begin or end or len(before) == 1):
        for i, (one, other) in enumerate(zip(before, after, strict=True), begin):
            if not equal(one, other):
                _data(found, (*at, i), one, other)
    else:
        # Too little is the same for a comparison by item to be of use.
        _add(found, "changed", at, old, new)


__all__ = ["Change", "Diff", "diff", "plain", "shown"]
