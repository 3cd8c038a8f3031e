"""How a base, subsystems and wrappers are worked into a definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .. import _text
from ..errors import BadComponent, BadId, DefinitionError, Problem
from . import refs
from .base import Base, merged_deadlines
from .callables import Context, Id
from .compose import override
from .model import (
    Component,
    Constant,
    Definition,
    Node,
    Options,
    Signal,
    Spec,
    Subsystem,
    flag,
    parse_path,
)
from .refs import ATOMS, NESTED, Ref, Reference, Tagged, Within, canonical, parts_of, scope_of

Groups = Mapping[str, Mapping[str, Node]]


class Wraps(Protocol):
    """A wrapper, and what it is put around."""

    def selects(self, definition: Definition) -> Callable[[Id], bool]:
        """Say of which components of an expanded definition the handlers are wrapped."""
        ...

    def around(self, spec: Spec) -> Spec:
        """The same component with its handlers wrapped."""
        ...


Expand = Callable[[Definition], Definition]


def worked_in(definition: Definition, nested: bool, expand: Expand) -> Definition:
    """The definition with its base, its subsystems and its wrappers worked in.

    Parameters:
        definition: as it is written.
        nested: whether there are subsystems in it.
        expand: does the same for those.
    """
    found = definition
    if definition.base is not None or nested:
        found = _Expansion(definition, nested, expand).made()
    if definition.wraps:
        if found is definition:
            found = definition.replace(wraps=())
        found.cache["expanded"] = found
        found = _wrapped(found, definition.wraps)
    return found


class _Expansion:
    def __init__(self, definition: Definition, nested: bool, expand: Expand) -> None:
        self.definition, self._expand = definition, expand
        self.nested = nested
        self.problems: list[Problem] = []
        self.subsystems: frozenset[Id] = frozenset()  # those of this system, and those within them
        self.signals = dict(definition.signals)
        self.limits: dict[str, int] = {}

    def made(self) -> Definition:
        definition, base = self.definition, self.definition.base
        groups = definition.groups
        if base is not None:
            groups = {group: self._based(group, nodes, base) for group, nodes in groups.items()}
        if self.nested:
            groups = self._inlined(groups)
        options = definition.options
        if self.limits:
            own = options.limits
            given = own if isinstance(own, Mapping) else {} if own is None else {"*": own}
            options = options._replace(limits={**self.limits, **given})
        made = Definition(groups, self.signals, options)
        made.subsystems = self.subsystems
        made.cache["expansion"] = self.problems
        return made

    def _based(self, group: str, nodes: dict[str, Node], base: Base) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for name, node in nodes.items():
            if type(node) is Component:
                try:
                    node = base.under(node)
                except DefinitionError as error:
                    hint = "The base of the system and the component do not go together."
                    self.problems += [
                        p._replace(id=Id(group, name), site=node.site, hint=f"{p.hint} {hint}") for p in error.problems
                    ]
            found[name] = node
        return found

    def _inlined(self, groups: dict[str, dict[str, Node]]) -> dict[str, dict[str, Node]]:
        inlined = {
            id: node
            for group, nodes in groups.items()
            for name, node in nodes.items()
            # One that is off is not inlined: what refers into it refers to what is off.
            if isinstance(node, Subsystem) and not _is_off(id := Id(group, name), node, groups)
        }
        self.subsystems = frozenset(inlined).union(
            *(
                {_moved_id(id, deeper) for deeper in self._expand(node._definition).subsystems}
                for id, node in inlined.items()
            )
        )
        found: dict[str, dict[str, Node]] = {}
        for group, nodes in groups.items():
            found[group] = {}
            for name, node in nodes.items():
                id = Id(group, name)
                if id in inlined:
                    assert isinstance(node, Subsystem)
                    inner = self._inside(id, node)
                    for deeper in inner.keys() & groups.keys():
                        what = (
                            f"has a group that is {_text.quote(deeper)} in the whole, as a group beside it is called."
                        )
                        hint = "Give one of them another name."
                        self.problems.append(Problem(BadId, what, id, (), node.site, hint))
                    found |= inner
                    found[group][name] = _handle(id, node, inner)
                elif isinstance(node, Subsystem):
                    found[group][name] = _plain(node, {}, node._spec)
                else:
                    found[group][name] = _redirected(node, self._aimed)
        return found

    def _inside(self, id: Id, node: Subsystem) -> dict[str, dict[str, Node]]:
        """The parts of a subsystem under the ids that they have in this system."""
        inner = self._expand(node._definition)
        for problem in inner.cache.get("expansion", ()):
            place = id if problem.id is None else _moved_id(id, problem.id)
            self.problems.append(problem._replace(id=place))
        self._take_signals(id, node, inner.signals)
        self._take_limits(id, inner)
        move = _Move((*parts_of(id.group), id.name), inner.options)
        groups: dict[str, dict[str, Node]] = {
            move.group(group): {name: move.node(member) for name, member in nodes.items()}
            for group, nodes in inner.groups.items()
        }
        if not node._config:
            return groups
        imports: dict[Any, Any] = {}
        for name, value in node._config.items():
            path = canonical(parse_path((name,), "An import"), inner.subsystems)
            imports[move.group(str(path[0])), *path[1:]] = refs.redirected(value, lambda r: self._imported(r, id))
        try:
            return override(Definition(groups, {}, Options()), imports).groups
        except DefinitionError as error:
            self.problems += [p._replace(id=p.id or id, site=p.site or node.site) for p in error.problems]
            return groups

    def _take_signals(self, id: Id, node: Subsystem, signals: Mapping[str, Signal]) -> None:
        for name, row in signals.items():
            if self.signals.setdefault(name, row) != row:
                what = f"has a signal {name!r}, and the system around it has another of that name."
                hint = "Give one of them another name, or use the same row for both."
                self.problems.append(Problem(BadComponent, what, id, (), node.site, hint))

    def _take_limits(self, id: Id, inner: Definition) -> None:
        path, limits = (*parts_of(id.group), id.name), inner.options.limits
        # A limit names a group by its text, which may be one inside of a subsystem, or that of a subsystem.
        names = {**{str(id): (*parts_of(id.group), id.name) for id in inner.subsystems}, "*": ()}
        names |= {str.__str__(group): parts_of(group) for group in inner.groups}
        for group, limit in (limits if isinstance(limits, Mapping) else {"*": limits}).items():
            if limit is not None:
                self.limits[Within((*path, *names.get(group, parts_of(group))))] = limit

    def _imported(self, reference: Reference, id: Id) -> Any:
        # It is written in the terms of this system, and put where those of the inner one hold.
        if type(reference) is Tagged:
            return reference.seen_from(scope_of(id.group))
        assert not isinstance(reference, Tagged)
        return self._aimed(reference.at(id.group))

    def _aimed(self, reference: Reference) -> Any:
        if type(reference) is not Ref:
            return reference
        path = canonical(reference.path, self.subsystems)
        return reference if path is reference.path else Ref(path, reference.optional)


def _is_off(id: Id, node: Subsystem, groups: Groups) -> bool:
    enabled = node._spec.enabled
    return not enabled if isinstance(enabled, bool) else flag(enabled.at(id.group), groups)[0] is False


class Handle:
    """The start of the component that a subsystem is to the system around it; it comes up when all of its parts have.

    Parameters:
        definition: the inner system.
        path: where it is in the whole.
    """

    def __init__(self, definition: Definition, path: tuple[str, ...]) -> None:
        self.definition, self.path = definition, path
        self.__name__ = definition.options.name or "subsystem"

    def __call__(self, parts: list[Any], context: Context = Context.here) -> Any:
        return context._part(self.definition, self.path)


def _handle(id: Id, node: Subsystem, inner: Groups) -> Component[Any]:
    slots = {**node._spec.slots(), "start": Handle(node._definition, (*parts_of(id.group), id.name))}
    if slots["doc"] is None:
        slots["doc"] = f"The subsystem {node._definition.name or id}."
    return _plain(node, {"parts": [Ref((group,)) for group in inner]}, Spec(slots))


def _plain(like: Component[Any], config: dict[str, Any], spec: Spec) -> Component[Any]:
    made: Component[Any] = object.__new__(Component)
    made._code, made._instruction, made._spec, made._bound = like._code, like._instruction, spec, True
    made._config, made._shape = config, NESTED if config else ATOMS
    return made


def _redirected(node: Node, aim: Callable[[Reference], Any], spec: Spec | None = None) -> Node:
    """A node with every reference aimed anew, and another spec where one is given; the same one where nothing changes."""
    if isinstance(node, Constant):
        return Constant(refs.redirected(node._value, aim)) if node._shape else node
    enabled = node._spec.enabled
    if not isinstance(enabled, bool) and (aimed := aim(enabled)) is not enabled:
        spec = Spec({**(spec or node._spec).slots(), "enabled": aimed})
    if not node._shape and (spec is None or spec is node._spec):
        return node
    made: Component[Any] = object.__new__(Component)
    made._code, made._instruction, made._bound, made._shape = node._code, node._instruction, node._bound, node._shape
    made._spec = spec or node._spec
    made._config = (
        {name: refs.redirected(value, aim) for name, value in node._config.items()} if node._shape else node._config
    )
    return made


class _Move:
    """Gives the parts of a subsystem the ids that they have in the system around it.

    Parameters:
        path: that of the subsystem.
        options: of the inner system; what they say of handlers goes with the components.
    """

    def __init__(self, path: tuple[str, ...], options: Options) -> None:
        self._path, self._options = path, options
        self._specs: dict[Spec, Spec] = {}

    def group(self, group: str) -> Within:
        """The name of a group."""
        return Within((*self._path, *parts_of(group)))

    def node(self, node: Node) -> Node:
        """A component or constant."""
        return _redirected(node, self._aimed, None if isinstance(node, Constant) else self._spec(node._spec))

    def _aimed(self, reference: Reference) -> Any:
        if type(reference) is Ref:
            return Ref((self.group(str(reference.path[0])), *reference.path[1:]), reference.optional)
        if type(reference) is Tagged and reference.scope is not None:
            return reference.seen_from((*self._path, *reference.scope))
        return reference

    def _spec(self, spec: Spec) -> Spec:
        made = self._specs.get(spec)
        if made is None:
            made = self._specs[spec] = self._made(spec)
        return made

    def _made(self, spec: Spec) -> Spec:
        changed: dict[str, Any] = {}
        if isinstance(spec.start, Handle):
            changed["start"] = Handle(spec.start.definition, (*self._path, *spec.start.path))
        if self._options.deadlines is not None and (spec.thread != "caller" or spec.is_async):
            changed["deadlines"] = merged_deadlines(spec.deadlines, self._options.deadlines)
        if self._options.workers and spec.thread is None:
            changed["thread"] = "worker"
        return Spec({**spec.slots(), **changed}) if changed else spec


def _moved_id(id: Id, deeper: Id) -> Id:
    return Id(Within((*parts_of(id.group), id.name, *parts_of(deeper.group))), deeper.name)


# --- Wrappers ---------------------------------------------------------------------------------------------------------


def _wrapped(definition: Definition, wraps: tuple[Wraps, ...]) -> Definition:
    """The definition with its handlers wrapped, the first wrapper innermost."""
    groups = {group: dict(nodes) for group, nodes in definition.groups.items()}
    for wrap in wraps:
        selects = wrap.selects(definition)
        for group, nodes in groups.items():
            for name, node in nodes.items():
                if isinstance(node, Component) and selects(Id(group, name)):
                    spec = wrap.around(node._spec)
                    if spec is not node._spec:
                        nodes[name] = _redirected(node, lambda reference: reference, spec)
    made = Definition(groups, definition.signals, definition.options)
    made.subsystems = definition.subsystems
    made.cache["expansion"] = definition.cache.get("expansion", [])
    return made


__all__ = ["Handle", "Wraps", "worked_in"]
