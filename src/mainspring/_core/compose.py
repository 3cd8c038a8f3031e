"""Putting definitions together: pure functions from definitions to definitions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from .. import _text
from ..errors import BadArguments, BadId, BadOverride, DefinitionError, MergeConflict, Problem, Site
from . import refs
from .callables import Context, Id, signature_of
from .groups import node_of
from .model import (
    ABSENT,
    SHORTHANDS,
    SLOTS,
    Component,
    Constant,
    Definition,
    Node,
    Options,
    Retry,
    Subsystem,
    Unfinished,
    parse_path,
    refuse,
    site_of,
)
from .refs import Path, PathPart, Unfit

if TYPE_CHECKING:
    from .base import Base

T = TypeVar("T")


class Adjust(Unfinished):
    """A change by a function of the old value. Made by `adjust`."""

    __slots__ = ("function",)

    misplaced = (
        "adjust(...) stands where it has no old value to work on",
        'It is the value of one path of an override: override({"group.name.config.size": adjust(function)}).',
    )

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __repr__(self) -> str:
        return f"adjust({refs.name_of(self.function)})"


def adjust(function: Callable[[Any], Any]) -> Any:
    """In an override, the new value as a function of the old one.

    Parameters:
        function: gets what stands at the path of the override: a `Component`, a handler, or a copy of the data, references and
            all; for an argument that was left to its default, that. Returns what is to stand there.

    Returns:
        A mark, for the value of a change in `System.override`.

    Raises:
        BadArguments: what is given cannot be called.

    Example:
        >>> from mainspring import System
        >>> system = System({"env": {"port": 8080, "hosts": ["a"]}})
        >>> changed = system.override({
        ...     "env.port": adjust(lambda port: port + 1),
        ...     "env.hosts": adjust(lambda hosts: [*hosts, "b"]),
        ... })
        >>> changed["env.port"], changed["env.hosts"]
        (8081, ['a', 'b'])
    """
    if not callable(function) or isinstance(function, Unfinished):
        what = f"adjust is given {function!r}, which is no function of the old value."
        hint = "Write adjust(lambda old: ...). A value alone needs no adjust."
        raise BadArguments([Problem(BadArguments, what, site=_caller(), hint=hint)])
    return Adjust(function)


def _caller() -> Site:
    frame = sys._getframe(2)
    return site_of(frame.f_code, frame.f_lasti)


# --- override and add -------------------------------------------------------------------------------------------------


def override(definition: Definition, changes: Mapping[Any, Any], what: str = "override") -> Definition:
    """The same system with parts exchanged.

    Parameters:
        definition: the system.
        changes: what is to stand there, by path.
        what: what the changes are called where they do not fit.

    Raises:
        BadOverride: with every path that names nothing.
    """
    if type(changes) is dict and len(changes) == 1:
        # One component in the place of another is by far the commonest change, and often one in a large system.
        ((key, value),) = changes.items()
        group, _, name = key.partition(".") if type(key) is str and type(value) is Component else ("", "", "")
        members = definition.groups.get(group)
        if members is not None and name in members and '"' not in key and "." not in name:
            return definition.with_groups({**definition.groups, group: {**members, name: value}})
    return _Work(definition, what, adding=False).done(changes)


def add(definition: Definition, changes: Mapping[Any, Any]) -> Definition:
    """The same system with parts that it did not have.

    Raises:
        BadOverride: with every path that names what is there already, or has no place to be in.
    """
    return _Work(definition, "addition", adding=True).done(changes)


_TABLES: Final = ("handlers", "pre", "post", "deadlines")  # slots that a path leads into, beside config
_COMPONENT: Final = ("config", *SLOTS, *SHORTHANDS)
_SUBSYSTEM: Final = ("imports", "handlers", "pre", "post", "doc", "tags", "enabled", *SHORTHANDS)
_GUESSES: Final = 20  # problems for which near misses are looked for: in a large system each takes its time
_KNOWN: Final = 5000  # names among which they are looked for
_SHOWN: Final = 8  # names that are listed where there are no near misses


class _Change(NamedTuple):
    path: Path
    value: Any
    shown: Path  # the path as it was written
    order: tuple[int, ...]  # its place in what was written
    is_nested: bool  # whether it comes from a nested mapping, so that a mapping reaches in


class _Spot(NamedTuple):
    """What a path leads to."""

    old: Any  # ABSENT where there is nothing yet
    place: Path  # the path in the one spelling that all its spellings have in common
    put: Callable[[Any], Node]  # the whole node with another value there
    reaches_in: bool  # whether a mapping may go further in
    default: Callable[[], Any] | None = None  # what counts as long as there is nothing
    is_given: bool = True  # whether something stands there that an addition would replace


def _slot(name: str, value: Any) -> dict[str, Any]:
    return {name: value}


class _Bad(Exception):
    def __init__(self, what: str, hint: str = "", path: Path | None = None, names: Iterable[str] = ()) -> None:
        self.what, self.hint, self.path, self.names = what, hint, path, names
        super().__init__(what)


class _Imports:
    """The imports of a subsystem by the paths that their names are."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config, self.known = config, 0
        self.names: dict[tuple[str, ...], str] = {}
        self.within: dict[tuple[str, ...], str] = {}  # by what a path begins with

    def read(self) -> None:
        """Take in the names that came since."""
        for name in islice(self.config, self.known, None):
            path = _read(name)
            self.names.setdefault(path, name)
            for end in range(1, len(path)):
                self.within.setdefault(path[:end], name)
        self.known = len(self.config)

    def around(self, path: Path) -> str | None:
        """The name of an import that a place is part of, or that is part of it."""
        texts = tuple(map(str, path))
        for end in range(1, len(texts) + 1):
            if texts[:end] in self.names:
                return self.names[texts[:end]]
        return self.within.get(texts)


class _Owned:
    """The containers that were made for the changes of one call, and so may be changed in place.

    Without them each of many changes in one container would make a copy of all of it.
    """

    def __init__(self) -> None:
        self._by_place: dict[int, Any] = {}  # keeps them, so that no other comes to lie where one was

    def own(self, data: Any) -> Any:
        """A dict or list as one that may be changed."""
        if id(data) in self._by_place:
            return data
        made = {**data} if isinstance(data, dict) else data[:]
        self._by_place[id(made)] = made
        return made


class _Edit:
    """A definition that is being changed, and those of the subsystems in it that are."""

    __slots__ = ("configured", "definition", "groups", "imported", "inner", "owned", "touched")

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.groups = dict(definition.groups)
        self.owned: set[str] = set()
        self.inner: dict[Id, _Edit] = {}
        self.touched: list[Path] = []
        self.configured: set[Id] = set()  # those with a config that was changed in place
        self.imported: dict[Id, _Imports] = {}

    def put(self, id: Id, node: Node) -> None:
        if id.group not in self.owned:
            self.owned.add(id.group)
            self.groups[id.group] = dict(self.groups.get(id.group, {}))
        self.groups[id.group][id.name] = node

    def seen(self, node: Component[Any]) -> Component[Any]:
        """A component with what the base gives it."""
        base = self.definition.base
        if base is None or isinstance(node, Subsystem):
            return node
        try:
            return base.under(node)
        except DefinitionError:
            return node  # the two do not go together, which a change may be about to mend

    def imports(self, id: Id, node: Component[Any]) -> _Imports:
        """The imports of a subsystem as they are by now."""
        known = self.imported.get(id)
        if known is None or known.config is not node._config:
            known = self.imported[id] = _Imports(node._config)
        known.read()
        return known

    def inside(self, id: Id, node: Subsystem) -> _Edit:
        if id not in self.inner:
            self.inner[id] = _Edit(node._definition)
        return self.inner[id]

    def done(self) -> Definition:
        for id in self.configured:
            node = self.groups[id.group][id.name]
            if isinstance(node, Component):
                node._shape = _shape_of(node._config)
        for id, edit in self.inner.items():
            node = self.groups[id.group][id.name]
            if edit.touched and isinstance(node, Subsystem):
                changed = node.with_definition(edit.done())
                changed._config = _still_imported(node._config, edit.touched)
                changed._shape = _shape_of(changed._config)
                self.put(id, changed)
        return self.definition.with_groups(self.groups)


class _Work:
    """The changes of one call.

    They are applied by how exact their paths are, so that what one brings can be changed by a more exact one.
    """

    def __init__(self, definition: Definition, what: str, *, adding: bool) -> None:
        self.root = _Edit(definition)
        self.outermost = [(self.root, 0)]
        self.what, self.adding = what, adding
        self.has_nested = False
        self.waiting: dict[int, list[_Change]] = {}
        self.owned = _Owned()
        self.places: dict[Path, Path] = {}
        self.problems: list[tuple[tuple[int, ...], Problem]] = []
        self.causes: list[Exception] = []

    def done(self, changes: Mapping[Any, Any]) -> Definition:
        what = _text.a(self.what)
        if not isinstance(changes, Mapping):
            hint = 'Write {"group.name": ...}.'
            raise BadOverride(
                [Problem(BadOverride, f"The changes of {what} are {changes!r}, not a mapping.", hint=hint)]
            )
        for number, (key, value) in enumerate(changes.items()):
            try:
                path = parse_path((key,), f"The path of {what}")
                if isinstance(path[0], refs.Within):  # an id of the whole system
                    path = (*path[0].parts, *path[1:])
            except DefinitionError as error:
                self.problems += [((number,), problem) for problem in error.problems]
            else:
                self.push(_Change(path, value, path, (number,), is_nested=False))
        while self.waiting:
            # What exchanges a place comes before what reaches into it.
            level = self.waiting.pop(min(self.waiting))
            if self.has_nested:
                level.sort(key=lambda change: change.is_nested and isinstance(change.value, Mapping))
            for change in level:
                self.attempt(change)
        if self.problems:
            self.problems.sort(key=lambda found: found[0])
            raise DefinitionError.of([problem for _, problem in self.problems]) from self.cause()
        return self.root.done()

    def cause(self) -> Exception | None:
        if len(self.causes) > 1:
            return ExceptionGroup("functions given with adjust", self.causes)
        return self.causes[0] if self.causes else None

    def push(self, change: _Change) -> None:
        self.waiting.setdefault(len(change.path), []).append(change)

    def attempt(self, change: _Change) -> None:
        try:
            self.apply(change)
        except _Bad as bad:
            self.complain(change, bad)
        except DefinitionError as error:
            id, rest = Id(str(change.path[0]), str(change.path[1])), change.path[2:]
            for p in error.problems:
                found = p._replace(id=p.id or id, path=p.path or rest)
                self.problems.append((change.order, found))

    # --- one change ---

    def apply(self, change: _Change) -> None:
        path = change.path
        way = self.way(path) if len(path) > 2 else self.outermost
        edit, at = way[-1]
        if len(path) - at == 1:
            return self.group(way, change)
        id = Id(str(path[at]), str(path[at + 1]))
        node = edit.groups.get(id.group, {}).get(id.name)
        if node is None:
            if not self.adding or len(path) - at > 2:
                raise self.nothing(change, at)
            spot = _Spot(ABSENT, path[: at + 2], lambda value: node_of(value, id), reaches_in=False)
            _check_name(path[: at + 2])
        elif len(path) - at == 2:
            spot = self.node(node, id, path)
        elif isinstance(node, Constant):
            spot = self.constant(node, path, at + 2)
        elif isinstance(node, Subsystem) and str(path[at + 2]) not in _SUBSYSTEM:
            groups = next(iter(node._definition.groups), "group")
            hint = f"It has: {', '.join(_SUBSYSTEM)}; and its parts, {_text.dotted((*path[: at + 2], groups))}..."
            raise _Bad(f"names the slot {_text.quote(path[at + 2])}, and a subsystem has none.", hint)
        else:
            if path[at + 2] in SHORTHANDS:
                # In its long form, so that both forms of the same path are one place.
                return self.push(change._replace(path=(*path[: at + 2], "handlers", *path[at + 2 :])))
            spot = self.slot(edit, node, path, at + 2)
        if change.is_nested and isinstance(change.value, Mapping) and self.goes_in(spot, node, change, at):
            for number, (name, value) in enumerate(change.value.items()):
                self.push(_Change((*path, name), value, (*change.shown, name), (*change.order, number), is_nested=True))
            return None
        self.once(spot, change)
        value = change.value
        if self.adding:
            if spot.old is not ABSENT and spot.is_given:
                raise _Bad("is there already.", f'To exchange it, write override({{"{_text.dotted(path)}": ...}}).')
            if isinstance(value, Adjust):
                raise _Bad("is given adjust(...), and there is no old value to adjust.", "Give the value itself.")
        elif isinstance(value, Adjust):
            self.refuse_imported(way, path)
            value = self.adjusted(value, spot, path)
        edit.put(id, _fitting(spot.put, value))
        if at:
            self.touch(way, path)
        return None

    def way(self, path: Path) -> list[tuple[_Edit, int]]:
        """The definitions that a path leads through, from the outermost on, each with the number of parts that lead there."""
        edit, at = self.root, 0
        found = self.outermost
        while len(path) - at > 2:
            id = Id(str(path[at]), str(path[at + 1]))
            node = edit.groups.get(id.group, {}).get(id.name)
            if type(node) is not Subsystem:
                break
            group = str(path[at + 2])
            if group not in edit.inside(id, node).groups and (group in _SUBSYSTEM or group in _COMPONENT):
                break
            edit, at = edit.inside(id, node), at + 2
            found = [*found, (edit, at)]
        return found

    def refuse_imported(self, way: list[tuple[_Edit, int]], path: Path) -> None:
        for (outer, begin), (_, at) in pairwise(way):
            id = Id(str(path[begin]), str(path[begin + 1]))
            node = outer.groups[id.group][id.name]
            name = outer.imports(id, node).around(path[at:]) if isinstance(node, Subsystem) else None
            if name is not None:
                place = _text.dotted((*path[:at], "imports", *parse_path((name,), "An import")))
                raise _Bad("is given adjust(...), and what stands there is imported.", f"Adjust the import, {place}.")

    def touch(self, way: list[tuple[_Edit, int]], path: Path) -> None:
        for edit, at in way:
            edit.touched.append(path[at:])

    def group(self, way: list[tuple[_Edit, int]], change: _Change) -> None:
        edit, at = way[-1]
        path, value = change.path, change.value
        group = str(path[at])
        if not isinstance(value, Mapping):
            what = f"names a whole group, and is given {value!r}, which is no mapping."
            hint = "Give a mapping of names in the group."
            if isinstance(value, Adjust):
                hint += " To change the system by a function of it, write override(function)."
            raise _Bad(what, hint)
        if group not in edit.groups:
            if self.adding:
                _check_name(path[: at + 1])
                edit.groups[group] = {}
                edit.owned.add(group)
                self.touch(way, path)
            elif not value:
                raise self.nothing(change, at)
        self.has_nested = True
        for number, (name, inner) in enumerate(value.items()):
            self.push(_Change((*path, name), inner, (*change.shown, name), (*change.order, number), is_nested=True))

    def node(self, node: Node, id: Id, path: Path) -> _Spot:
        old = node._value if isinstance(node, Constant) else node
        opens = isinstance(node, Component) or _is_open(_revealed(node._value))

        def put(value: Any) -> Node:
            if (
                isinstance(node, Subsystem)
                and isinstance(value, Mapping)
                and value
                and value.keys() <= node._definition.groups.keys()
            ):
                first = next(iter(value))
                hint = f"To reach in, write the path, {_text.dotted((*path, first))}...; to put a dict there, opaque({{...}})."
                raise _Bad("exchanges a whole subsystem for a dict of its groups.", hint)
            return node_of(value, id)

        return _Spot(old, path, put, reaches_in=opens)

    def constant(self, node: Constant, path: Path, at: int) -> _Spot:
        old, keys = self.inside(node._value, path, at)
        opens = old is not ABSENT and _is_open(_revealed(old))

        def put(value: Any) -> Node:
            return Constant(_with(node._value, keys, _frozen(value, path, at), self.owned))

        return _Spot(old, (*path[:at], *keys), put, opens)

    def inside(self, data: Any, path: Path, at: int) -> tuple[Any, list[Any]]:
        """What a path leads to in frozen data, and the keys on the way."""
        keys: list[Any] = []
        is_secret = False
        for i in range(at, len(path)):
            is_secret = is_secret or type(data) is refs.Secret
            data = _revealed(data)
            try:
                key = _key(data, path[i])
            except (LookupError, ValueError, TypeError):
                if self.adding and i == len(path) - 1 and _takes(data, path[i]):
                    return ABSENT, [*keys, path[i]]
                raise self.nowhere(path, i, data, is_secret) from None
            keys.append(key)
            data = _get(data, key)
        return data, keys

    def nowhere(self, path: Path, i: int, data: Any, is_secret: bool) -> _Bad:
        is_mark = isinstance(data, refs.Mark | refs.Required) and not is_secret
        there = "a secret" if is_secret else repr(data) if is_mark else refs.article(data)
        what = f"leads nowhere: at {_text.dotted(path[:i])} there is {there}, which has no {_text.quote(path[i])}."
        if self.adding and isinstance(data, list | tuple):
            place = _text.dotted(path[:i])
            hint = f'A list is changed as a whole: override({{"{place}": adjust(lambda items: [*items, ...])}}).'
            return _Bad(what, hint)
        if not _is_open(data):
            return _Bad(what, f"Override {_text.dotted(path[:i])} as a whole.")
        if is_secret:
            # Of what is in it, only that is shown which somebody nearly knew.
            near = _text.near(str(path[i]), [str(part) for part, _ in refs.children(data)])
            return _Bad(what, path=path, names=near) if near else _Bad(what, "What is in a secret is not shown.")
        return _Bad(what, path=path, names=[str(part) for part, _ in refs.children(data)])

    # --- the slots of a component ---

    def slot(self, edit: _Edit, node: Component[Any], path: Path, at: int) -> _Spot:
        slot, rest = str(path[at]), path[at + 1 :]
        seen = edit.seen(node)
        if slot == "config" or (slot == "imports" and isinstance(node, Subsystem)):
            return self.config(edit, node, seen, path, at)
        if slot in _TABLES:
            return self.table(node, seen, path, at)
        if slot not in SLOTS:
            raise _Bad(f"names the slot {_text.quote(slot)}, and a component has none.", path=path, names=_COMPONENT)
        if rest:
            whole = _text.dotted(path[: at + 1])
            raise _Bad(f"reaches into the slot {slot}, which has no parts.", f"Override {whole} as a whole.")
        spec, id = node._spec, _text.dotted(path[:at])
        if slot in ("start", "stop") and spec.scope is not None:
            what = f"names the {slot} of a component that has start and stop in one, its scope."
            raise _Bad(what, f"Override {id}.scope, or the component as a whole.")
        if slot == "scope" and spec.scope is None:
            what = "names the scope of a component that has a start."
            raise _Bad(what, f"Override {id}.start, or the component as a whole.")
        old = getattr(node, slot)
        given = getattr(spec, slot)
        is_given = slot in ("enabled", "start", "scope") or (given is not None and given is not False)
        if not is_given or (slot == "tags" and not given):
            is_given, old = False, getattr(seen, slot)
        return _Spot(old, path, lambda value: node.replace(**{slot: value}), reaches_in=False, is_given=is_given)

    def table(self, node: Component[Any], seen: Component[Any], path: Path, at: int) -> _Spot:
        """A slot by signal, or something in it."""
        slot, rest = str(path[at]), path[at + 1 :]
        mine: Any = _plain(getattr(node, slot))
        all_: Any = _plain(getattr(seen, slot))
        if not rest:
            opens = isinstance(all_, Mapping)
            return _Spot(
                mine or all_,
                path,
                lambda value: node.replace(**{slot: value}),
                reaches_in=opens,
                is_given=bool(mine) or (not opens and all_ is not None),
            )
        signal = str(rest[0])
        if all_ is not None and not isinstance(all_, Mapping):
            raise _Bad(
                f"names the deadline for {signal}, and the component has one for all signals.",
                f"Override {_text.dotted(path[: at + 1])} as a whole.",
            )
        by_signal: Mapping[str, Any] = all_ or {}
        own: Mapping[str, Any] = mine if isinstance(mine, Mapping) else by_signal
        is_last = len(rest) == 1
        named = slot in ("pre", "post")
        if signal not in by_signal and not (self.adding and (is_last or named)):
            what = {
                "handlers": f"names a handler for {signal}, and the component has none.",
                "deadlines": f"names the deadline for {signal}, and the component has none.",
            }.get(slot, f"leads nowhere: {_text.dotted(path[: at + 1])} has no handlers for {signal}.")
            raise _Bad(what, path=path, names=by_signal)
        old = by_signal.get(signal, ABSENT)
        if is_last:
            return _Spot(
                own.get(signal, old) if named else old,
                path,
                lambda value: node.replace(**_slot(slot, {**own, signal: value})),
                reaches_in=named and old is not ABSENT,
            )
        name = str(rest[1])
        if not named or len(rest) > 2:
            place = _text.dotted(path[: at + (3 if named else 2)])
            raise _Bad(f"reaches into {place}, which has no parts.", f"Override {place} as a whole.")
        handlers: dict[str, Any] = {} if old is ABSENT else old
        if name not in handlers and not self.adding:
            place = _text.dotted(path[: at + 2])
            raise _Bad(f"leads nowhere: {place} has no handler {_text.quote(name)}.", path=path, names=handlers)
        return _Spot(
            handlers.get(name, ABSENT),
            path,
            lambda value: node.replace(**_slot(slot, {**own, signal: {**own.get(signal, {}), name: value}})),
            reaches_in=False,
        )

    def config(self, edit: _Edit, node: Component[Any], seen: Component[Any], path: Path, at: int) -> _Spot:
        """The config of a component, or something in it."""
        if len(path) == at + 1:
            return _Spot(node._config, path, lambda value: _with_config(node, value, path, at), reaches_in=True)
        config, id = seen._config, Id(str(path[at - 2]), str(path[at - 1]))
        if isinstance(node, Subsystem):
            path = _joined(path, at + 1, edit.imports(id, node))
        name = str(path[at + 1])
        if name not in config:
            parameters = node._spec.parameters
            if isinstance(node, Subsystem):
                if not self.adding:
                    raise _Bad(f"names {name}, which is not imported.", path=path, names=config)
            elif not parameters.open and name not in parameters.accepts:
                what = f"names the parameter {_text.quote(name)}, and the component takes none of that name."
                raise _Bad(what, path=path, names=dict.fromkeys([*config, *parameters.names]))
            if len(path) > at + 2:
                whole = _text.dotted(path[: at + 2])
                raise _Bad(f"leads nowhere: {whole} is not given so far.", f"Give {whole} as a whole.")
            old, keys = ABSENT, [name]
        else:
            old, keys = self.inside(config, path, at + 1)

        def put(value: Any) -> Node:
            frozen = _frozen(value, path, at + 1)
            top = keys[0]
            new = _with(config[top], keys[1:], frozen, self.owned) if len(keys) > 1 else frozen
            own = self.owned.own(node._config)
            own[top] = new
            edit.configured.add(id)
            return node if own is node._config else _configured(node, own)

        opens = old is not ABSENT and _is_open(_revealed(old))
        return _Spot(old, (*path[: at + 1], *keys), put, opens, lambda: _default(node, name))

    # --- mappings, functions, and what is changed twice ---

    def goes_in(self, spot: _Spot, node: Node | None, change: _Change, at: int) -> bool:
        """Whether the parts of a nested mapping are changes of their own; if not, it is the new value."""
        if spot.old is ABSENT or spot.old is None or type(spot.old) is refs.Required:
            return False
        if self.adding and not spot.is_given and not spot.reaches_in:
            return False
        path, value = change.path, change.value
        place = _text.dotted(path)
        if self.adding:
            whole = f'To exchange it as a whole, write override({{"{place}": ...}}).'
        else:
            whole = f'To exchange it as a whole by a mapping, write its path, {{"{place}": ...}}, or opaque({{...}}).'
        if len(path) - at == 2 and isinstance(node, Component):
            groups = node._definition.groups if isinstance(node, Subsystem) else {}
            known = [*_SUBSYSTEM, *groups] if isinstance(node, Subsystem) else _COMPONENT
            if not any(name in known for name in value) and not (self.adding and isinstance(node, Subsystem)):
                kind = "subsystem" if isinstance(node, Subsystem) else "component"
                near = [_text.dotted((*path, c)) for name in value for c in _text.near(str(name), known)]
                hint = f"Did you mean {_text.either(list(dict.fromkeys(near))[:3])}? {whole}" if near else whole
                raise _Bad(f"is a {kind}, and is given a mapping that names no part of it.", hint)
        elif not spot.reaches_in:
            if (
                len(path) - at > 2
                and isinstance(node, Component)
                and path[at + 2] not in ("config", "imports", *_TABLES)
            ):
                return False
            there = repr(spot.old) if isinstance(spot.old, refs.Mark) else refs.article(_revealed(spot.old))
            raise _Bad(f"is given a mapping, and there is {there}, into which none reaches.", whole)
        return True

    def adjusted(self, adjust: Adjust, spot: _Spot, path: Path) -> Any:
        old = spot.default() if spot.old is ABSENT and spot.default is not None else spot.old
        if old is ABSENT:
            raise _Bad("is given adjust(...), and there is no old value to adjust.", "Give the value itself.")
        try:
            return adjust.function(refs.copied(old))
        except Exception as error:
            # What the function says of a secret is not to be read here, nor anywhere that a traceback leads to.
            is_secret = self.is_secret(spot, path)
            text = "" if is_secret else f": {error}"
            if not is_secret:
                self.causes.append(error)
            what = f"is {adjust!r}, and that raised {type(error).__name__}{text}"
            bad = _Bad(what if what.endswith(".") else f"{what}.", "It gets the old value, and returns the new one.")
            if is_secret:
                raise bad from None
            bad.__cause__ = error
            raise bad from error

    def is_secret(self, spot: _Spot, path: Path) -> bool:
        """Whether a place is, holds, or is part of a secret."""
        return any(type(leaf) is refs.Secret for leaf in _on_the_way(self.root, path)) or any(
            type(leaf) is refs.Secret for _, leaf in refs.leaves(_data_of(spot.old))
        )

    def once(self, spot: _Spot, change: _Change) -> None:
        first = self.places.setdefault(spot.place, change.shown)
        if first is not change.shown:
            same = _text.dotted(first) == _text.dotted(change.shown)
            what = (
                "changes the same place twice, once in a nested mapping."
                if same
                else f"changes the same place as {_text.dotted(first)}."
            )
            raise _Bad(what, "Leave one of them out.")

    # --- problems ---

    def nothing(self, change: _Change, at: int) -> _Bad:
        """The error for a group or a name that is not there."""
        path = change.path
        edit, _ = self.way(path)[-1]
        group = str(path[at])
        if group not in edit.groups:
            shown = _text.dotted(path[: at + 1])
            return _Bad(f"names the group {shown}, which does not exist.", path=path, names=edit.groups)
        shown = _text.dotted(path[: at + 2])
        return _Bad(f"names {shown}, which does not exist.", path=path, names=edit.groups[group])

    def complain(self, change: _Change, bad: _Bad) -> None:
        text = _text.dotted(change.shown)
        near: list[Path] = []
        hint = bad.hint
        if bad.path is not None and len(self.problems) < _GUESSES:
            near = _nearest(self.root, bad.path)
            hint = f"Did you mean {_text.either(list(map(_text.dotted, near)))}?" if near else _listed(list(bad.names))
        details: dict[str, Any] = {"path": text, "candidates": [_text.dotted(path) for path in near]}
        if bad.__cause__ is not None:
            details["cause"] = bad.__cause__
        problem = Problem(BadOverride, f"The {self.what} {text} {bad.what}", hint=hint, details=details)
        self.problems.append((change.order, problem))


def _check_name(path: Path) -> None:
    if not isinstance(path[-1], str) or not path[-1]:
        what = f"has the name {path[-1]!r}, and a group or component cannot be called that."
        raise _Bad(what, "Use text that is not empty.")


def _fitting(put: Callable[[Any], Node], value: Any) -> Node:
    try:
        return put(value)
    except DefinitionError:
        raise
    except (TypeError, ValueError) as error:
        raise _Bad(f"is given {value!r}, which cannot stand there: {error}.") from None


def _listed(names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(map(_text.quote, names[:_SHOWN]))
    return f"There is: {shown}{f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''}."


def _plain(table: Any) -> Any:
    """A slot by signal in dicts of its own; a deadline for all signals as it is."""
    return {signal: _plain(entry) for signal, entry in table.items()} if isinstance(table, Mapping) else table


def _read(name: str) -> tuple[str, ...]:
    return tuple(map(str, parse_path((name,), "An import")))


def _joined(path: Path, at: int, imports: _Imports) -> Path:
    """A path into the imports of a subsystem, whose names are paths themselves, with that name as one part."""
    if path[at] in imports.config:
        return path
    texts = tuple(map(str, path))
    for end in range(len(path), at, -1):
        name = imports.names.get(texts[at:end])
        if name is not None:
            return (*path[:at], name, *path[end:])
    return path if len(path) == at + 1 else (*path[:at], _text.dotted(path[at:]))


def _still_imported(config: Mapping[str, Any], touched: Iterable[Path]) -> dict[str, Any]:
    """The imports but those of places where something else was put, or where something was put in."""
    exact = {tuple(map(str, path)) for path in touched}
    around = {path[:end] for path in exact for end in range(len(path) + 1)}
    kept = {}
    for name, value in config.items():
        path = _read(name)
        if path not in around and not any(path[:end] in exact for end in range(len(path))):
            kept[name] = value
    return kept


def _default(node: Component[Any], name: str) -> Any:
    """The default of a parameter that is left out."""
    spec = node._spec
    signature = None if spec.is_value else signature_of(spec.target)
    parameter = signature.parameters.get(name) if signature is not None else None
    if parameter is None or parameter.default is parameter.empty or parameter.default is Context.here:
        return ABSENT
    return parameter.default


def _frozen(value: Any, path: Path, at: int) -> Any:
    try:
        return refs.freeze(value, refuse, path[at:])
    except Unfit as unfit:
        raise _Bad(f"is given a value that cannot stand there: {unfit.what}.", unfit.hint) from None


def _with_config(node: Component[Any], value: Any, path: Path, at: int) -> Node:
    if not isinstance(value, Mapping):
        raise _Bad(f"names a whole config, and is given {value!r}, which is no mapping.", "Give a mapping.")
    changed = node.replace(config={name: _frozen(inner, (*path, name), at + 1) for name, inner in value.items()})
    changed._bound = isinstance(node, Subsystem)
    return changed


def _configured(node: Component[Any], config: dict[str, Any]) -> Component[Any]:
    changed = node._same_kind()
    changed._spec, changed._code, changed._instruction = node._spec, node._code, node._instruction
    changed._bound = node._bound
    changed._config, changed._shape = config, _shape_of(config)
    return changed


def _shape_of(config: Mapping[str, Any]) -> int:
    """The shape of a config that is frozen."""
    shape = refs.ATOMS
    for value in config.values():
        if type(value) is refs.Ref:
            shape = shape or refs.FLAT
        elif not refs.is_atomic(value):
            return refs.NESTED
    return shape


# --- Frozen data, step by step ----------------------------------------------------------------------------------------


def _revealed(data: Any) -> Any:
    while type(data) is refs.Secret:
        data = data.reveal()
    return data


def _is_open(data: Any) -> bool:
    """Whether a path leads into data."""
    return isinstance(data, dict | list | tuple) or type(data) is refs.Build


def _key(data: Any, part: PathPart) -> Any:
    """Under what key a part of a path is found in data that is no secret.

    Raises:
        LookupError, ValueError, TypeError: there is none.
    """
    if type(data) is refs.Build:
        if part in data.kwargs:
            return part
        if not str(part).isdigit():
            raise LookupError(part)
        return range(len(data.args))[int(part)]
    if isinstance(data, dict):
        if part in data:
            return part
        number = int(part)  # a path that was written as text has only strings; a key may be a number
        if number not in data:
            raise LookupError(part)
        return number
    if not isinstance(data, list | tuple):
        raise TypeError(data)
    if part in getattr(data, "_fields", ()):
        return data._fields.index(part)  # type: ignore[union-attr]
    return range(len(data))[int(part)]


def _takes(data: Any, part: PathPart) -> bool:
    """Whether something can be added to data under a name that it does not have."""
    return isinstance(data, dict) or (type(data) is refs.Build and isinstance(part, str) and part.isidentifier())


def _get(data: Any, key: Any) -> Any:
    if type(data) is refs.Build:
        return data.kwargs[key] if key in data.kwargs else data.args[key]
    return data[key]


def _with(data: Any, keys: list[Any], value: Any, owned: _Owned) -> Any:
    """Frozen data with another value at some place; in place as far as it is owned."""
    if not keys:
        return value
    kind = type(data)
    if kind is refs.Secret:
        return refs.Secret(_with(data.reveal(), keys, value, owned))
    key, rest = keys[0], keys[1:]
    new = _with(_get(data, key), rest, value, owned) if rest else value
    if kind is refs.Build:
        if isinstance(key, int) and key not in data.kwargs:
            return refs.Build(data.target, (*data.args[:key], new, *data.args[key + 1 :]), data.kwargs)
        return refs.Build(data.target, data.args, {**data.kwargs, str(key): new})
    if isinstance(data, dict) or kind is list:
        data = owned.own(data)
        data[key] = new
        return data
    parts = [*data[:key], new, *data[key + 1 :]]
    return data._make(parts) if refs.is_named_tuple(data) else kind(parts)


# --- The nearest path -------------------------------------------------------------------------------------------------


def _nearest(edit: _Edit, path: Path) -> list[Path]:
    """Paths that exist and look most like one that does not."""
    found = list(dict.fromkeys(_repaired(edit, edit, path, ())))
    return found[:3]


def _repaired(edit: _Edit, thing: Any, path: Path, before: Path) -> Iterable[Path]:
    if not path:
        yield before
        return
    part, rest = str(path[0]), path[1:]
    parts = _parts(edit, thing)
    if isinstance(thing, Subsystem):
        edit = _Edit(thing._definition)
    if part in parts:
        yield from _repaired(edit, parts[part], rest, (*before, part))
        return
    if isinstance(thing, Component) and not isinstance(thing, Subsystem):
        # Whoever leaves a step out means an argument, or a handler.
        steps = [slot for slot in ("config", "handlers") if part in parts[slot]]
        for slot in steps:
            yield from _repaired(edit, parts[slot][part], rest, (*before, slot, part))
        if steps:
            return
    close = _text.near(part, parts) if len(parts) <= _KNOWN else []
    for name in close:
        whole = list(_repaired(edit, parts[name], rest, (*before, name)))
        yield from whole or [_as_far(edit, parts[name], rest, (*before, name))]
    if close:
        return
    if isinstance(thing, Component) and not isinstance(thing, Subsystem):
        for slot in ("config", "handlers"):
            for name in _text.near(part, parts[slot]):
                yield from _repaired(edit, parts[slot][name], rest, (*before, slot, name))
    elif len(before) % 2 == 1 and edit.groups.get(str(before[-1])) is thing:
        # The name may be right, and the group not.
        for group, members in edit.groups.items():
            if part in members:
                yield from _repaired(edit, members[part], rest, (*before[:-1], group, part))


def _as_far(edit: _Edit, thing: Any, path: Path, before: Path) -> Path:
    """The longest part of a path that exists."""
    for part in path:
        parts = _parts(edit, thing)
        if isinstance(thing, Subsystem):
            edit = _Edit(thing._definition)
        if str(part) not in parts:
            break
        thing, before = parts[str(part)], (*before, str(part))
    return before


def _parts(edit: _Edit, thing: Any) -> Mapping[str, Any]:
    """What a path may go on with, by name."""
    if isinstance(thing, _Edit):
        return thing.groups
    if isinstance(thing, Component):
        seen = edit.seen(thing)
        config = {**dict.fromkeys(seen._spec.parameters.names), **seen._config}
        tables = {slot: _plain(getattr(seen, slot)) for slot in _TABLES}
        short = {name: handler for name, handler in seen.handlers.items() if name in SHORTHANDS}
        if isinstance(thing, Subsystem):
            own = dict.fromkeys(name for name in _SUBSYSTEM if name not in SHORTHANDS)
            del tables["deadlines"]
            return {**own, **tables, **short, "imports": config, **thing._definition.groups}
        own = dict.fromkeys(name for name in SLOTS if name not in ("start", "stop", "scope"))
        kind = ("scope",) if seen._spec.scope is not None else ("start", "stop")
        return {"config": config, **dict.fromkeys(kind), **own, **tables, **short}
    if isinstance(thing, Constant):
        thing = thing._value
    if type(thing) is dict and all(type(name) is str for name in thing):
        return thing
    return {str(part): child for part, child in refs.children(thing)}


def _on_the_way(edit: _Edit, path: Path) -> Iterable[Any]:
    """What a path leads through, from the component on."""
    thing: Any = edit
    for part in path:
        parts = _parts(edit, thing)
        if isinstance(thing, Subsystem):
            edit = _Edit(thing._definition)
        if str(part) not in parts:
            return
        thing = parts[str(part)]
        yield thing._value if isinstance(thing, Constant) else thing


def _data_of(value: Any) -> Any:
    return value._config if isinstance(value, Component) else None if value is ABSENT else value


# --- merge ------------------------------------------------------------------------------------------------------------


def merge(left: Definition, right: Definition, winner: Literal["left", "right"] | None) -> Definition:
    """Two systems as one.

    Raises:
        MergeConflict: both say something of the same id, signal, option or part of the base, differently, and no winner is
            stated; or the bases of both do not go together.
    """
    if winner not in (None, "left", "right"):
        raise ValueError(f"winner must be 'left', 'right' or None, not {winner!r}")
    problems: list[Problem] = []
    groups = dict(left.groups)
    for group, members in right.groups.items():
        if group not in groups:
            groups[group] = members
            continue
        merged = dict(groups[group])
        for name, node in members.items():
            if name not in merged or winner == "right" or _is_required(merged[name]):
                merged[name] = node if name not in merged or not _is_required(node) else merged[name]
            elif _is_required(node):
                continue
            elif winner is None and merged[name] != node:
                problems.append(_conflict(Id(group, name), merged[name], node))
        groups[group] = merged
    signals = dict(left.signals)
    for name, row in right.signals.items():
        if name in signals and signals[name] != row and winner is None:
            what = f"Both systems have a signal {name!r}, and they are not the same row."
            problems.append(Problem(MergeConflict, what, hint=_WINNER))
        if name not in signals or winner == "right":
            signals[name] = row
    base = left.base or right.base
    if left.base is not None and right.base is not None:
        if winner is None:
            problems += _base_conflicts(left.base, right.base)
        try:
            # The left's handlers come first, whoever wins.
            base = right.base.over(left.base)
            base = left.base.over(base) if winner == "left" else base
        except DefinitionError as error:
            problems += [_unfit_bases(left.base, right.base, problem) for problem in error.problems]
    options = _merged_options(left.options, right.options, winner, problems)
    plugins = {done.plugin.name: done.plugin for done in left.applied}
    for done in right.applied:
        if winner is None and plugins.get(done.plugin.name, done.plugin) != done.plugin:
            what = f"Both systems have a plugin {done.plugin.name!r} applied, and they are not the same."
            problems.append(Problem(MergeConflict, what, hint=_WINNER))
    if problems:
        raise DefinitionError.of(problems)
    wraps = (*left.wraps, *(wrap for wrap in right.wraps if wrap not in left.wraps))
    known = {done.plugin.name: done.plugin for done in left.applied}
    applied = (*left.applied, *(done for done in right.applied if done.plugin.name not in known))
    origins = left.origins if left.origins is not None else right.origins
    return Definition(groups, signals, options, base=base, wraps=wraps, applied=applied, origins=origins)


_WINNER: Final = 'State who wins, merge(other, winner="left") or winner="right", or rename one of them.'
_OR_ALIKE: Final = 'State who wins, merge(other, winner="left") or winner="right", or let both say the same.'


def _is_required(node: Node) -> bool:
    # It stands for what is to be given later, and the other system gives it.
    return isinstance(node, Constant) and isinstance(node._value, refs.Required)


def _conflict(id: Id, left: Node, right: Node) -> Problem:
    shown = []
    for node in (left, right):
        site = node.site if isinstance(node, Component) else None
        shown.append(f"{node!r}" + (f", at {site}" if site else ""))
    what = f"Both systems define it, and differently.{_sides(*shown)}"
    return Problem(MergeConflict, what, id, hint=_WINNER, details={"id": str(id)})


def _sides(left: str, right: str) -> str:
    return f"\n   left: {left}\n   right: {right}"


def _base_conflicts(left: Base, right: Base) -> Iterable[Problem]:
    for path, mine, theirs in _both(left.slots, right.slots):
        if not (mine == theirs if isinstance(mine, Retry) else refs.same(mine, theirs)):
            place = _text.dotted(path)
            what = f"Both systems have a base with {place}, and differently.{_sides(_shown(mine), _shown(theirs))}"
            yield Problem(MergeConflict, what, hint=_OR_ALIKE, details={"base": place})


def _unfit_bases(left: Base, right: Base, problem: Problem) -> Problem:
    told = f"{problem.what} {problem.hint}".rstrip()
    sides = _sides(*(_shown(base.slots) for base in (left, right)))
    what = f"Both systems have a base, and the two do not go together. {told}{sides}"
    return Problem(MergeConflict, what, hint="A merge has one base, with what both say. Change one of the two before.")


def _both(left: Mapping[str, Any], right: Mapping[str, Any], before: Path = ()) -> Iterable[tuple[Path, Any, Any]]:
    """What both of two bases have, as far down as one of them can win. Tags are united, so that none of them does."""
    for name, mine in left.items():
        path = (*before, name)
        if name not in right or path == ("tags",):
            continue
        theirs = right[name]
        goes_on = path[0] in (("pre", "post") if before else ("config", *_TABLES)) and len(path) < 3
        if goes_on and isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            yield from _both(mine, theirs, path)
        else:
            yield path, mine, theirs


def _shown(value: Any) -> str:
    return refs.name_of(value) if callable(value) else repr(refs.masked(value, lambda reference: reference))


def _merged_options(left: Options, right: Options, winner: str | None, problems: list[Problem]) -> Options:
    first, second = (right, left) if winner == "right" else (left, right)
    chosen: dict[str, Any] = {}
    for option, unsaid in Options()._asdict().items():
        ours, theirs = getattr(first, option), getattr(second, option)
        chosen[option] = theirs if ours == unsaid else ours
        # A name is what one calls a system, nothing that it does: two of them are no conflict.
        if winner is None and option != "name" and unsaid not in (ours, theirs) and _typed(ours) != _typed(theirs):
            what = f"Both systems have {option}, and differently.{_sides(_option(ours), _option(theirs))}"
            problems.append(Problem(MergeConflict, what, hint=_OR_ALIKE, details={"option": option}))
    return Options(**chosen)


def _typed(option: Any) -> Any:
    return dict(option) if isinstance(option, Mapping) else option


def _option(option: Any) -> str:
    return repr(_typed(option))


# --- Several of one kind ----------------------------------------------------------------------------------------------


def replicas(
    count: int, template: Component[T] | Callable[[int], Component[T]], name: str = "{}"
) -> dict[str, Component[T]]:
    """Several components of one kind, for a group or a part of one.

    Parameters:
        count: how many; 0 gives none.
        template: the definition of all of them; or a function from the number of one, counted from 1, to its definition.
        name: how they are called, with `{}` for the number.

    Returns:
        A dict of names to definitions.

    Raises:
        BadArguments: the count is no such number, or the template is none.
        BadId: the names are not names, or not different.

    Example:
        >>> from mainspring import System, component, ref
        >>> @component
        ... def worker(queue: list[str], number: int = 0):
        ...     return f"worker {number}"
        >>> System({"app": {"queue": ["job"], **replicas(3, worker(queue=ref("app.queue")), name="worker-{}")}})
        <System: app.queue, app.worker-1, app.worker-2, app.worker-3>
        >>> numbered = replicas(2, lambda number: worker(queue=ref("app.queue"), number=number))
        >>> [(name, one.config["number"]) for name, one in numbered.items()]
        [('1', 1), ('2', 2)]
    """
    if type(count) is not int or count < 0:
        raise _no_replicas(BadArguments, f"There cannot be {count!r} replicas.", "Give a number from 0 on.", _caller())
    if isinstance(template, Unfinished):
        what = f"{template!r} stands in replicas as it is, without having been called."
        hint = "Call it with its arguments, replicas(3, worker(...)); or replicas(3, lambda number: worker(number=number))."
        raise _no_replicas(BadArguments, what, hint, _caller())
    if not isinstance(template, Component) and not callable(template):
        hint = "Give the definition of a component, or a function from a number to one."
        raise _no_replicas(BadArguments, f"Replicas cannot be made of {template!r}.", hint, _caller())
    names = _names(count, name)
    if names is None:
        hint = 'Give a text with {} for the number, as "worker-{}".'
        raise _no_replicas(BadId, f"{name!r} does not give {count} replicas names of their own.", hint, _caller())
    if isinstance(template, Component):
        return dict.fromkeys(names, template)
    return {known: template(number) for number, known in enumerate(names, 1)}


def _no_replicas(kind: type[DefinitionError], what: str, hint: str, site: Site) -> DefinitionError:
    return kind([Problem(kind, what, site=site, hint=hint)])


def _names(count: int, name: str) -> list[str] | None:
    if not isinstance(name, str) or not name:
        return None
    try:
        names = [name.format(number) for number in range(1, count + 1)]
    except (LookupError, ValueError, AttributeError):
        return None
    return names if len(set(names)) == len(names) and all(names) else None


__all__ = ["Adjust", "add", "adjust", "merge", "override", "replicas"]
