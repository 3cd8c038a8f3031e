"""Plugins: what others bring along for a system, as a value, and how it is worked in. Pure functions on definitions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from .. import _text
from ..errors import BadArguments, BadPlugin, DefinitionError, Problem
from . import model, refs
from .base import Base, merged_slots
from .base import _is_given as is_given
from .callables import Id
from .compose import override
from .diff import Diff, diff, shown
from .groups import node_of
from .model import (
    ABSENT,
    KEYWORDS,
    OF_SUBSYSTEMS,
    SHORTHANDS,
    Component,
    Constant,
    Definition,
    Node,
    Signal,
    Spec,
    Subsystem,
    imports_in,
    parse_path,
)
from .refs import Path, Required, Unfit

if TYPE_CHECKING:
    from ..system import System
    from .model import BaseSlots

_OWN: Final = ("start", "stop", "scope")  # which a base cannot give
_COMPARED: Final = 500_000  # names after which no more near misses are looked for: it takes seconds by then


class Added(model.Unfinished):
    """Items for the end or the beginning of a list. Made by `append` and `prepend`."""

    __slots__ = ("at_end", "items")

    misplaced: ClassVar[tuple[str, str] | None] = (
        "append(...) or prepend(...) stands where nothing is put together",
        "Write it in the defaults or merges of a plugin, in the place of the list itself.",
    )

    def __init__(self, items: list[Any], at_end: bool) -> None:
        self.items, self.at_end = items, at_end

    def __repr__(self) -> str:
        return f"{'append' if self.at_end else 'prepend'}({self.items!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Added) and self.at_end == other.at_end and refs.same(self.items, other.items)

    __hash__ = None  # type: ignore[assignment]


def append(items: Iterable[Any]) -> Any:
    """Stands in what a plugin brings in the place of a list: these items are put after those that are there.

    Parameters:
        items: one or several; may hold references. Where there is no list, they are the list.

    Raises:
        BadArguments: this is not several items, or one of them cannot be part of a definition.

    Example:
        >>> from mainspring import Plugin, System
        >>> gzip = Plugin("gzip", merges={"web": {"middleware": append(["gzip"])}})
        >>> System({"web": {"middleware": ["auth"]}}, plugins=[gzip])["web.middleware"]
        ['auth', 'gzip']
    """
    return _added(items, at_end=True)


def prepend(items: Iterable[Any]) -> Any:
    """As `append`: these items are put before those that are there.

    Example:
        >>> from mainspring import Plugin, System
        >>> tracing = Plugin("tracing", merges={"web": {"middleware": prepend(["trace"])}})
        >>> System({"web": {"middleware": ["auth"]}}, plugins=[tracing])["web.middleware"]
        ['trace', 'auth']
    """
    return _added(items, at_end=False)


def _added(items: Iterable[Any], *, at_end: bool) -> Added:
    verb = "append" if at_end else "prepend"
    if isinstance(items, str | bytes | Mapping | refs.Mark) or not isinstance(items, Iterable):
        what = f"{verb}({shown(items)}) is not given several items."
        raise BadArguments([Problem(BadArguments, what, hint=f"Write {verb}([{shown(items)}]).")])
    try:
        return Added(refs.freeze(list(items), _refuse), at_end)
    except Unfit as unfit:
        what = f"In {verb}(...): {unfit.what}."
        raise BadArguments([Problem(BadArguments, what, path=unfit.path, hint=unfit.hint)]) from None


def _refuse(leaf: Any) -> tuple[str, str] | None:
    return leaf.misplaced if isinstance(leaf, Added) else model.refuse(leaf)


class Plugin:
    """What a library, or a part of the application, brings along for a system. A value; it does nothing until it is applied.

    It is worked in, in this order: its signals, its defaults, its merges, its base, and last its update.

    Parameters:
        name: what it is called. A system takes each name once.
        doc: a description.
        defaults: groups of names, as for `System`, that yield to what the system has, at any depth. What the system marks as
            `required` is not there yet.
        merges: the same, and these win.
        base: slots for all components, put over the base that there is.
        signals: rows for the signal table.
        update: gets the system and returns another.

    In `defaults` and `merges`, a mapping under the name of a component that exists is one of its slots, for example
    `{"config": {"size": 3}, "post": {"start": {"announce": print}}}`. Dicts are merged by key, handlers by name, tags are
    united. A list is taken as a whole, unless it stands in `append` or `prepend`.

    Raises:
        BadPlugin: with everything that a plugin cannot be made of.

    Example:
        >>> from mainspring import System
        >>> pooling = Plugin(
        ...     "pooling",
        ...     doc="Sizes for pools.",
        ...     defaults={"env": {"pool": {"size": 10, "timeout": 5}}},
        ... )
        >>> system = System({"env": {"pool": {"size": 3}}}, plugins=[pooling])
        >>> system["env.pool"]
        {'size': 3, 'timeout': 5}
    """

    __slots__ = ("_base", "_defaults", "_merges", "doc", "name", "signals", "update")

    name: str
    doc: str | None
    signals: tuple[Signal, ...]
    update: Callable[[System], System] | None
    _defaults: dict[str, dict[str, Any]]
    _merges: dict[str, dict[str, Any]]
    _base: Base | None

    def __init__(
        self,
        name: str,
        *,
        doc: str | None = None,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
        merges: Mapping[str, Mapping[str, Any]] | None = None,
        base: BaseSlots | Mapping[str, Any] | None = None,
        signals: Iterable[Signal] = (),
        update: Callable[[System], System] | None = None,
    ) -> None:
        problems: list[Problem] = []
        if not isinstance(name, str) or not name:
            what = f"{name!r} cannot name a plugin."
            raise BadPlugin([Problem(BadPlugin, what, hint="Use text that is not empty.")])
        rows: tuple[Any, ...] = tuple(signals) if isinstance(signals, Iterable) else (signals,)
        if not all(isinstance(row, Signal) for row in rows):
            what = f"{_of(name)} has signals that are no rows of the signal table."
            problems.append(_problem(name, what, (), hint='Write signals=[Signal("reload")].'))
        if update is not None and not callable(update):
            what = f"{_of(name)} has an update that is {update!r}, which cannot be called."
            problems.append(_problem(name, what, (), hint="Give a function that takes a System and returns one."))
        parts = {
            "name": name,
            "doc": doc,
            "signals": rows,
            "update": update,
            "_defaults": _tree(name, "defaults", defaults, problems),
            "_merges": _tree(name, "merges", merges, problems),
            "_base": _base(name, base, problems),
        }
        if problems:
            raise BadPlugin(problems)
        for part, value in parts.items():
            object.__setattr__(self, part, value)

    @property
    def defaults(self) -> dict[str, dict[str, Any]]:
        """What yields to the system."""
        return _copy(self._defaults)

    @property
    def merges(self) -> dict[str, dict[str, Any]]:
        """What wins over the system."""
        return _copy(self._merges)

    @property
    def base(self) -> dict[str, Any]:
        """Slots for all components."""
        return {} if self._base is None else self._base.slots

    def __setattr__(self, part: str, value: object) -> None:
        raise AttributeError(f"a Plugin cannot be changed; make a new one with another {part}")

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for part, value in state[1].items():
            object.__setattr__(self, part, value)

    def __copy__(self) -> Plugin:
        return self

    def __deepcopy__(self, memo: object) -> Plugin:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plugin):
            return NotImplemented
        mine, theirs = ((p.name, p.doc, p.signals, p.update, p._base) for p in (self, other))
        return mine == theirs and _same(self._defaults, other._defaults) and _same(self._merges, other._merges)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Plugin {self.name}>"


def _copy(tree: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {group: {name: refs.copied(value) for name, value in members.items()} for group, members in tree.items()}


def _same(one: Any, other: Any) -> bool:
    if type(one) is dict and type(other) is dict:
        return list(one) == list(other) and all(_same(value, other[key]) for key, value in one.items())
    return refs.same(one, other) or (isinstance(one, Component | Added) and one == other)


# --- Making a plugin --------------------------------------------------------------------------------------------------


def _of(name: object) -> str:
    return f"The plugin {name}"


def _problem(plugin: object, what: str, path: Path, id: Id | None = None, hint: str = "", inner: Path = ()) -> Problem:
    details = {"plugin": plugin, "path": _text.dotted(path)}
    return Problem(BadPlugin, what, id, inner, hint=hint, details=details)


def _tree(plugin: str, part: str, given: Any, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    if given is None:
        return found
    hint = f'Write {part}={{"group": {{"name": ...}}}}.'
    if not isinstance(given, Mapping):
        what = f"{_of(plugin)} has {part} that are {shown(given)}, not a mapping of groups."
        problems.append(_problem(plugin, what, (), hint=hint))
        return found
    for group, members in given.items():
        if not isinstance(group, str) or not group:
            problems.append(_problem(plugin, f"{_of(plugin)} has {part} for a group named {group!r}.", (), hint=hint))
            continue
        if not isinstance(members, Mapping):
            begin = f"{_of(plugin)} has {part} for the group {_text.quote(group)}"
            what = f"{begin} that are {shown(members)}, not a mapping of names."
            problems.append(_problem(plugin, what, (group,), hint=hint))
            continue
        nodes = found[group] = {}
        for name, value in members.items():
            if not isinstance(name, str) or not name:
                what = f"{_of(plugin)} has {part} for {name!r} in the group {_text.quote(group)}, which is no name."
                problems.append(_problem(plugin, what, (group,), hint="Use text that is not empty."))
                continue
            try:
                # What may stand in it depends on what the system has there; here it only gets containers of its own.
                plain_dict = dict(value) if isinstance(value, Mapping) else value
                nodes[name] = refs.freeze(plain_dict, lambda leaf: None)
            except Unfit as unfit:
                what = f"{_of(plugin)} has {part} that cannot stand there: {unfit.what}."
                problems.append(_problem(plugin, what, (group, name), Id(group, name), unfit.hint, unfit.path))
    return found


def _base(plugin: str, given: Any, problems: list[Problem]) -> Base | None:
    if given is None or isinstance(given, Base):
        return given
    try:
        return Base(given)
    except DefinitionError as error:
        for p in error.problems:
            what = f"{_of(plugin)} has a base that does not fit together: {p.what}"
            problems.append(_problem(plugin, what, ("base",), hint=p.hint))
    except (TypeError, ValueError) as error:
        what = f"{_of(plugin)} has a base that is no mapping of slots: {error}."
        problems.append(_problem(plugin, what, ("base",), hint='Write base={"post": {"start": {"name": handler}}}.'))
    return None


# --- Applying one -----------------------------------------------------------------------------------------------------


class Applied(NamedTuple):
    """A plugin that was applied: the system before it, and after it."""

    plugin: Plugin
    before: Definition
    after: Definition


def apply(
    definition: Definition, plugin: Plugin, update: Callable[[Callable[[System], System], Definition], Definition]
) -> Definition:
    """A system with a plugin worked in.

    Parameters:
        definition: the system.
        plugin: the plugin.
        update: calls the function of a plugin with a system that is given as a definition.

    Raises:
        BadPlugin: with everything in it that does not fit the system.
    """
    if any(applied.plugin.name == plugin.name for applied in definition.applied):
        what = f"{_of(plugin.name)} was applied to this system before."
        raise BadPlugin([_problem(plugin.name, what, (), hint="Leave one of the two away.")])
    made = definition
    if plugin.signals:
        made = made.replace(signals=_with_signals(definition.signals, plugin))
    problems: list[Problem] = []
    for tree, wins in ((plugin._defaults, False), (plugin._merges, True)):
        if tree:
            made = _Merging(plugin.name, wins, problems).groups(made, tree)
    if problems:
        raise BadPlugin(problems)
    if plugin._base is not None:
        try:
            made = made.replace(base=plugin._base.over(made.base))
        except DefinitionError as error:
            what = f"{_of(plugin.name)} has a base that does not go with the one there is"
            raise BadPlugin(
                [_problem(plugin.name, f"{what}: {p.what}", ("base",), hint=p.hint) for p in error.problems]
            ) from None
    if plugin.update is not None:
        made = update(plugin.update, made)
    own = [applied for applied in made.applied if not any(applied is known for known in definition.applied)]
    return made.replace(applied=(*definition.applied, *own, Applied(plugin, definition, made)))


def _with_signals(signals: Mapping[str, Signal], plugin: Plugin) -> dict[str, Signal]:
    table = dict(signals)
    for row in plugin.signals:
        if table.setdefault(row.name, row) != row:
            what = f"{_of(plugin.name)} has a signal {row.name!r}, and the system has another row of that name."
            hint = "Use the same row for both, or give one of them another name."
            raise BadPlugin([_problem(plugin.name, what, ("signals", row.name), hint=hint)])
    return table


_SLOTS: Final = frozenset({*KEYWORDS, *_OWN, "config"})
_ANY_SLOT: Final = _SLOTS | {"imports"}


class _Bad(Exception):
    """Something does not fit. Holds what, from which place on, and what to do."""

    def __init__(self, what: str, at: Path, hint: str) -> None:
        self.what, self.at, self.hint = what, at, hint
        super().__init__(what)


class _Merging:
    """What a plugin brings, put together with what is there. What does not fit becomes a problem, and the rest goes on."""

    def __init__(self, plugin: str, wins: bool, problems: list[Problem]) -> None:
        self.plugin, self.wins, self.problems = plugin, wins, problems
        self.part = "merges" if wins else "defaults"
        self.hidden = False  # whether what is there must not be shown
        self.place: tuple[Id, Path]
        self.there: Mapping[str, Mapping[str, Node]] = {}  # the groups that are worked on, as they were
        self.above: Path = ()  # the subsystem that they are in
        self.compared = 0  # names with which others were compared

    @contextmanager
    def _noting(self) -> Generator[None]:
        try:
            yield
        except _Bad as bad:
            self._note(bad.what, bad.hint, bad.at)
        except Unfit as unfit:
            self._note(f"that cannot stand there: {unfit.what}", unfit.hint, unfit.path)
        except DefinitionError as error:
            for p in error.problems:
                self._note(f"that do not fit: {p.what.rstrip('.')}", p.hint, p.path)

    def _note(self, what: str, hint: str, at: Path) -> None:
        id, path = self.place
        self.problems.append(
            _problem(self.plugin, f"{_of(self.plugin)} has {self.part} {what}.", (*path, *at), id, hint, at)
        )

    def groups(self, definition: Definition, tree: Mapping[str, Any], above: Path = ()) -> Definition:
        """A definition with a tree worked in."""
        groups = dict(definition.groups)
        for group, members in tree.items():
            nodes = groups[group] = dict(groups.get(group, {}))
            inside = _within(above, group)
            for name, value in members.items():
                if group not in definition.groups and "." in group and group.split(".")[0] in definition.groups:
                    self.place = Id(inside, name), (*above, group)
                    nested = (
                        "".join(f'{{"{part}": ' for part in group.split(".")) + "..." + "}" * (group.count(".") + 1)
                    )
                    hint = f"A plugin takes groups, names and slots one in the other: {nested}."
                    self._note(f"under {_text.quote(group)}, which is a path and no group", hint, ())
                    del groups[group]
                    break
                self.there, self.above = definition.groups, above
                self.place = Id(inside, name), (*above, group, name)
                with self._noting():
                    nodes[name] = self._node(nodes.get(name), value)
        return definition.with_groups(groups)

    def _node(self, old: Node | None, new: Any) -> Node:
        if isinstance(old, Constant) and type(old._value) is Required:
            old = None
        if old is None:
            return self._new(new)
        if isinstance(old, Constant):
            if isinstance(new, Component):
                return new if self.wins else old
            if self.wins and type(old._value) is not dict and isinstance(new, Mapping) and new and new.keys() <= _SLOTS:
                there = (
                    repr(old._value) if isinstance(old._value, refs.Mark) else refs.article(refs.unwrapped(old._value))
                )
                hint = "Leave it out, or give a whole component; a dict that looks like slots is opaque({...})."
                raise _Bad(f"that are slots of {self.place[0]}, and there is no component, but {there}", (), hint)
            value = self._data(old._value, new, ())
            return old if value is old._value else Constant(value)
        if not isinstance(new, Mapping):
            return self._new(new) if self.wins else old
        if isinstance(old, Subsystem):
            return self._subsystem(old, new)
        return self._component(old, new)

    def _new(self, value: Any) -> Node:
        if isinstance(value, Component):
            return value
        if isinstance(value, Mapping) and value and value.keys() <= _SLOTS:
            # As data it may be meant as well, unless there is a component that it can be meant for, or a handler in it.
            near = self._near()
            if near or _has_callable(value):
                close = f"Did you mean {_text.either(near)}? " if near else ""
                hint = f"{close}What is new is a whole component or a constant; a dict that looks like slots is opaque({{...}})."
                raise _Bad(f"that are slots of {self.place[0]}, and there is no such component", (), hint)
        return node_of(self._resolved(value, ()), self.place[0])

    def _near(self) -> list[str]:
        """The components that are named almost like what is not there."""
        if self.compared > _COMPARED:
            return []
        id, path = self.place
        group = str(path[-2])
        if group in self.there:
            names = [name for name, node in self.there[group].items() if _is_component(node)]
            self.compared += len(names)
            return [str(Id(id.group, name)) for name in _text.near(id.name, names)]
        groups = [other for other, nodes in self.there.items() if _is_component(nodes.get(id.name))]
        self.compared += len(groups)
        return [str(Id(_within(self.above, other), id.name)) for other in _text.near(group, groups)]

    # --- components ---

    def _component(self, old: Component[Any], new: Mapping[str, Any]) -> Component[Any]:
        slots = dict(new)
        config = slots.pop("config", {})
        for slot in list(slots):
            if slot not in KEYWORDS and slot not in _OWN:
                self._note(*self._unknown_slot(old, slot))
                del slots[slot]
        changes: dict[str, Any] = {}
        with self._noting():
            changes = self._slots(old, slots)
        made = self._config(old, config)
        if made is not old._config:
            changes["config"] = made
        return old.replace(**changes) if changes else old

    def _unknown_slot(self, old: Component[Any], slot: Any) -> tuple[str, str, Path]:
        known = [*_OWN, *sorted(KEYWORDS), "config"]
        if slot in old._config or slot in old._spec.parameters.accepts:
            hint = f'It is a parameter: write {{"config": {{"{slot}": ...}}}}.'
        else:
            hint = _text.hint_near(str(slot), known, what="slot")
            if not _text.near(str(slot), known):
                hint += " To put a dict in the place of the component, write opaque({...})."
        return f"for the slot {slot!r}, and a component has none of that name", hint, (slot,)

    def _slots(self, old: Component[Any], given: Mapping[str, Any]) -> dict[str, Any]:
        spec = old._spec
        own = {name: given[name] for name in _OWN if name in given}
        rest = {
            name: value.items if type(value) is Added else value for name, value in given.items() if name not in own
        }
        try:
            made = Spec({**rest, "start": _nothing})
        except (TypeError, ValueError) as error:
            if isinstance(error, DefinitionError):
                raise
            raise _Bad(f"with slots that cannot be read: {error}", (), "Write them as for a Component.") from None
        read = {name: getattr(made, name) for name in rest if name not in SHORTHANDS}
        if made.handlers:
            read["handlers"] = made.handlers
        mine = {name: value for name, value in spec.slots().items() if is_given(name, value)}
        if not self.wins:
            has_scope = spec.scope is not None
            own = {n: value for n, value in own.items() if n == "stop" and not has_scope and n not in mine}
            merged = merged_slots(mine, {**read, **own})
        else:
            merged = merged_slots({**read, **own}, mine)
        return {
            name: value
            for name, value in merged.items()
            if (name in read or name in own) and not _same_slot(value, getattr(spec, name))
        }

    def _config(self, old: Component[Any], given: Any) -> dict[str, Any]:
        config, parameters = old._config, old._spec.parameters
        if not isinstance(given, Mapping):
            self._note(f"that give {shown(given)} as a config, which is no mapping", "", ("config",))
            return config
        taken = {}
        for name, value in given.items():
            if name in config or name in parameters.accepts or parameters.open:
                taken[name] = value
                continue
            hint = _text.hint_near(str(name), [*config, *parameters.names], what="parameter")
            self._note(f"for the parameter {name!r}, and the component takes none of that name", hint, ("config", name))
        return self._keyed(config, taken, ("config",))

    def _subsystem(self, old: Subsystem, new: Mapping[str, Any]) -> Subsystem:
        inner, place = dict(new), self.place
        groups = old._definition.groups
        own = {name: inner.pop(name) for name in list(inner) if name in _ANY_SLOT and name not in groups}
        imports = own.pop("imports", {})
        slots = {name: value for name, value in own.items() if name in OF_SUBSYSTEMS}
        for slot in [name for name in own if name not in slots]:
            hint = f"It has: {', '.join(['imports', *sorted(OF_SUBSYSTEMS)])}; and its groups."
            self._note(f"for the slot {slot!r}, and a subsystem has none of that name", hint, (slot,))
        for group, members in list(inner.items()):
            if not isinstance(members, Mapping):
                what = f"for the group {group!r} of the subsystem that are {shown(members)}, not a mapping of names"
                self._note(what, 'Write {"group": {"name": ...}}.', (group,))
                del inner[group]
        made = old
        if inner:
            # What wins stands in the place of what was imported there; what yields, yields to it.
            paths = [(group, *at) for group, members in inner.items() for at in _places(members)] if self.wins else []
            made = made.with_definition(self.groups(old._definition, inner, place[1]), *paths)
            self.place = place
        changes: dict[str, Any] = {}
        with self._noting():
            changes = self._slots(old, slots)
        config = self._imports(made, imports)
        if config is not made._config:
            changes["config"] = config
        return made.replace(**changes) if changes else made  # type: ignore[return-value]

    def _imports(self, old: Subsystem, given: Any) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            hint = 'Write {"imports": {"group.name": ...}}.'
            self._note(f"that give {shown(given)} as imports, which is no mapping", hint, ("imports",))
            return old._config
        taken: dict[str, Any] = {}
        for key, value in given.items():
            with self._noting():
                path = parse_path((key,), "An import")
                # As `subsystem` takes them: a mapping under the name of a group says several places.
                flat = imports_in(old._definition, path, value) if len(path) == 1 else [(path, value)]
                taken |= {_text.dotted(place): one for place, one in flat}
        made = self._keyed(old._config, taken, ("imports",))
        if made is not old._config:
            try:
                # So that an import of nothing is told with the name of the plugin.
                override(old._definition, made, what="import")
            except DefinitionError as error:
                for p in error.problems:
                    self._note(f"that do not fit: {p.what.rstrip('.')}", p.hint, ("imports",))
        return made

    # --- data ---

    def _data(self, old: Any, new: Any, at: Path) -> Any:
        if old is ABSENT or type(old) is Required:
            return self._resolved(new, at)
        if type(new) is Added:
            return self._extended(old, new, at)
        if type(new) is dict:
            if type(old) is dict:
                return self._keyed(old, new, at)
            if type(old) is refs.Secret and type(old.reveal()) is dict:
                inner = old.reveal()
                with self._hiding():
                    made = self._keyed(inner, new, at)
                return old if made is inner else refs.Secret(made)
            if type(old) is refs.Build:
                kwargs = self._keyed(old.kwargs, new, at)
                return old if kwargs is old.kwargs else refs.Build(old.target, old.args, kwargs)
        if not self.wins:
            return old
        made = self._resolved(new, at)
        return old if refs.same(old, made) else made

    @contextmanager
    def _hiding(self) -> Generator[None]:
        before, self.hidden = self.hidden, True
        try:
            yield
        finally:
            self.hidden = before

    def _keyed(self, old: dict[Any, Any], new: dict[Any, Any], at: Path) -> dict[Any, Any]:
        made = old
        for key, value in new.items():
            before = old.get(key, ABSENT)
            with self._noting():
                after = self._data(before, value, (*at, key))
                if after is not before:
                    if made is old:
                        made = dict(old)
                    made[key] = after
        return made

    def _extended(self, old: Any, new: Added, at: Path) -> Any:
        if type(old) is refs.Secret:
            with self._hiding():
                return refs.Secret(self._extended(old.reveal(), new, at))
        if type(old) is not list and type(old) is not tuple:
            verb = "append" if new.at_end else "prepend"
            what = f"with {shown(new.items)} to {verb}, and what is there is no list: {'a secret' if self.hidden else shown(old)}"
            raise _Bad(what, at, "Leave the mark away to put a list in its place.")
        return type(old)([*old, *new.items] if new.at_end else [*new.items, *old])

    def _resolved(self, value: Any, at: Path) -> Any:
        """What is put where nothing is: marked lists as lists, and nothing that cannot be part of a definition."""
        if type(value) is Added:
            return list(value.items)
        if type(value) is dict:
            return {key: self._resolved(part, (*at, key)) for key, part in value.items()}
        return refs.freeze(value, _refuse, at)


def _nothing() -> None:
    return None


def _within(above: Path, group: str) -> str:
    return refs.Within(tuple(map(str, (*above, group)))) if above else group


def _is_component(node: Node | None) -> bool:
    """Whether slots may have been meant for it: an alias is told by itself that it has none."""
    return isinstance(node, Component) or (isinstance(node, Constant) and isinstance(node._value, refs.Ref))


def _has_callable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_callable, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_has_callable, value))
    return callable(value) and not isinstance(value, refs.Mark | Component)


def _same_slot(one: Any, other: Any) -> bool:
    return refs.same(model._comparable(one), model._comparable(other))


def _places(given: Mapping[Any, Any]) -> Iterator[Path]:
    for key, value in given.items():
        if isinstance(value, Mapping) and value:
            yield from ((key, *rest) for rest in _places(value))
        else:
            yield (key,)


def bad_update(plugin: str, what: str, hint: str = "") -> BadPlugin:
    """The error for an update that gave no system."""
    return BadPlugin([_problem(plugin, f"The update of the plugin {plugin} {what}", (), hint=hint)])


# --- Looking back -----------------------------------------------------------------------------------------------------


class PluginEffect(NamedTuple):
    """What one plugin changed.

    Parameters:
        name: the plugin.
        doc: its description.
        diff: every difference between the system before it and after it.
    """

    name: str
    doc: str | None
    diff: Diff

    def __str__(self) -> str:
        lines = str(self.diff).splitlines() if self.diff else ["changed nothing"]
        head = f"{self.name}: {self.doc.splitlines()[0]}" if self.doc else self.name
        return "\n".join([head, *(f"  {line}" for line in lines)])

    def __repr__(self) -> str:
        return f"<PluginEffect {self.name}: {_text.count(len(self.diff), 'change')}>"


class PluginReport(Sequence[PluginEffect]):
    """What each plugin of a system changed, in the order in which they were applied.

    Example:
        >>> from mainspring import Plugin, System
        >>> sizes = Plugin("sizes", doc="Sizes for pools.", defaults={"env": {"size": 10, "wait": 5}})
        >>> print(System({"env": {"size": 3}}, plugins=[sizes]).explain_plugins())
        sizes: Sizes for pools.
          + env.wait: 5
    """

    __slots__ = ("_effects",)

    def __init__(self, effects: Iterable[PluginEffect]) -> None:
        self._effects = tuple(effects)

    def __len__(self) -> int:
        return len(self._effects)

    def __getitem__(self, at: Any) -> Any:
        return self._effects[at]

    def __iter__(self) -> Iterator[PluginEffect]:
        return iter(self._effects)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON; what is not plain becomes text, and secrets are masked."""
        return {"plugins": [{"name": e.name, "doc": e.doc, **e.diff.as_dict()} for e in self]}

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "no plugins"

    def __repr__(self) -> str:
        return f"<PluginReport: {', '.join(effect.name for effect in self) or 'no plugins'}>"


def explain(definition: Definition) -> PluginReport:
    """What each plugin of a system changed."""
    return PluginReport(
        PluginEffect(applied.plugin.name, applied.plugin.doc, diff(applied.before, applied.after))
        for applied in definition.applied
    )


__all__ = ["Applied", "Plugin", "PluginEffect", "PluginReport", "append", "apply", "explain", "prepend"]
