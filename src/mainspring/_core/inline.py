"""How a base, subsystems and wrappers are worked into a definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
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
)
from .refs import ATOMS, NESTED, Path, Ref, Reference, Tagged, Within, canonical, parts_of, scope_of

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
Outer = Callable[[Ref], Any]  # gives what a flag is that lies in the system around a subsystem


class Outside(_text.Dotted):
    """The group of a reference that an import brought into a subsystem, from a system around it.

    It stays what it is until the subsystem is inlined in that system, however many there are in between.

    Parameters:
        group: its name there.
        level: stands for that system.
    """

    __slots__ = ("group", "level")

    group: str
    level: object

    def __new__(cls, group: str, level: object) -> Outside:
        """The name, as no group within has it."""
        self = super().__new__(cls, f"\0{id(level)}.{group}")
        self.group, self.level = group, level
        return self

    def __str__(self) -> str:
        return self


def worked_in(definition: Definition, nested: bool, expand: Expand, outer: Outer | None = None) -> Definition:
    """The definition with its base, its subsystems and its wrappers worked in.

    Parameters:
        definition: as it is written.
        nested: whether there are subsystems in it.
        expand: does the same for those that are given nothing from outside.
        outer: for one that is, gives the flags that are there.
    """
    found = definition
    if definition.base is not None or nested:
        found = _Expansion(definition, nested, expand, outer).made()
    if definition.wraps:
        if found is definition:
            found = definition.replace(wraps=())
        found.cache["expanded"] = found
        found = _wrapped(found, definition.wraps)
    return found


class _Expansion:
    def __init__(self, definition: Definition, nested: bool, expand: Expand, outer: Outer | None) -> None:
        self.definition, self._expand = definition, expand
        self._flags = _Flags(definition.groups, outer)
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
        inlined: dict[Id, Definition] = {}
        for group, nodes in groups.items():
            for name, node in nodes.items():
                # One that is off is not inlined: what refers into it refers to what is off.
                if not isinstance(node, Subsystem):
                    continue
                id = Id(group, name)
                self._refuse_own_flag(id, node)
                if not self._flags.is_off(id, node):
                    inlined[id] = self._expanded(id, node)
        self.subsystems = frozenset(inlined).union(
            *({_moved_id(id, deeper) for deeper in inner.subsystems} for id, inner in inlined.items())
        )
        found: dict[str, dict[str, Node]] = {}
        for group, nodes in groups.items():
            found[group] = {}
            for name, node in nodes.items():
                id = Id(group, name)
                if id in inlined:
                    assert isinstance(node, Subsystem)
                    inner = self._inside(id, node, inlined[id])
                    for deeper in inner.keys() & groups.keys():
                        what = (
                            f"has a group that is {_text.quote(deeper)} in the whole, as a group beside it is called."
                        )
                        hint = "Give one of them another name."
                        self.problems.append(Problem(BadId, what, id, (), node.site, hint))
                    found |= inner
                    node = _handle(id, node, inner, partial(self._aimed, group))
                elif isinstance(node, Subsystem):
                    node = _plain(node, {}, node._spec)
                found[group][name] = _redirected(node, partial(self._aimed, group))
        return found

    def _refuse_own_flag(self, id: Id, node: Subsystem) -> None:
        enabled = node._spec.enabled
        path = () if isinstance(enabled, bool) else enabled.at(id.group).path
        if path[:2] == id:
            what = f"it is switched by {_text.dotted(path)}, which is inside of it."
            hint = "Put the flag outside; the subsystem may import it."
            self.problems.append(Problem(BadComponent, what, id, ("enabled",), node.site, hint))

    def _expanded(self, id: Id, node: Subsystem) -> Definition:
        """A subsystem by itself, with what it imports put in."""
        child, problems = self._flags.child(id, node)
        self.problems += problems
        if child is node._definition and not self._flags.is_inner:
            return self._expand(child)
        nested = any(isinstance(member, Subsystem) for nodes in child.groups.values() for member in nodes.values())
        return worked_in(child, nested, self._expand, self._flags.at)

    def _inside(self, id: Id, node: Subsystem, inner: Definition) -> dict[str, dict[str, Node]]:
        """The parts of a subsystem under the ids that they have in this system."""
        for problem in inner.cache.get("expansion", ()):
            place = id if problem.id is None else _moved_id(id, problem.id)
            self.problems.append(problem._replace(id=place))
        self._take_signals(id, node, inner.signals)
        self._take_limits(id, inner)
        move = _Move((*parts_of(id.group), id.name), inner.options, partial(self._aimed, id.group), self._flags)
        return {
            move.group(group): {name: move.node(member) for name, member in nodes.items()}
            for group, nodes in inner.groups.items()
        }

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

    def _aimed(self, group: str, reference: Reference) -> Any:
        if isinstance(reference, Tagged):
            return reference
        target = reference.at(group)
        path = canonical(target.path, self.subsystems)
        return reference if path is target.path else Ref(path, reference.optional)


class _Flags:
    """Finds what the subsystems of a system are switched by, before anything is inlined.

    Parameters:
        groups: as they are written.
        outer: gives the flags of the system around this one.
    """

    def __init__(self, groups: Groups, outer: Outer | None) -> None:
        self._groups, self._outer = groups, outer
        self._children: dict[Id, tuple[Definition, list[Problem]]] = {}
        self._looking: set[Path] = set()

    @property
    def is_inner(self) -> bool:
        """Whether there is a system around this one, which may have put something into it."""
        return self._outer is not None

    def is_off(self, id: Id, node: Subsystem) -> bool:
        """Whether a subsystem is switched off."""
        enabled = node._spec.enabled
        return not enabled if isinstance(enabled, bool) else self.at(enabled.at(id.group)) is False

    def at(self, target: Ref) -> Any:
        """The value of a constant, through as many aliases and subsystems as there are; `NOWHERE` for none."""
        if target.path in self._looking or len(self._looking) > refs.DEEPEST:
            return refs.NOWHERE
        self._looking.add(target.path)
        try:
            return self._at(target)
        finally:
            self._looking.discard(target.path)

    def _at(self, target: Ref) -> Any:
        value, at = flag(target, self._groups)
        group = at.path[0]
        if isinstance(group, Outside):
            if group.level is self:
                return self.at(Ref((group.group, *at.path[1:])))
            return refs.NOWHERE if self._outer is None else self._outer(at)
        if isinstance(value, Subsystem) and len(at.path) > 3:
            child, _ = self.child(Id(str(group), str(at.path[1])), value)
            return _Flags(child.groups, self.at).at(Ref(at.path[2:]))
        return value

    def child(self, id: Id, node: Subsystem) -> tuple[Definition, list[Problem]]:
        """The definition of a subsystem with what it imports put in, and what is wrong with that."""
        if not node._config:
            return node._definition, []
        if id not in self._children:
            imports = {
                name: refs.redirected(value, lambda reference: self._protected(reference, id.group))
                for name, value in node._config.items()
            }
            try:
                self._children[id] = override(node._definition, imports, what="import"), []
            except DefinitionError as error:
                problems = self._as_written(node, error).problems
                told = [p._replace(id=id, path=("config",), site=p.site or node.site) for p in problems]
                self._children[id] = node._definition, told
        return self._children[id]

    def _as_written(self, node: Subsystem, error: DefinitionError) -> DefinitionError:
        # The same problems, with references as they were written, without what marks them here.
        try:
            override(node._definition, node._config, what="import")
        except DefinitionError as same:
            return same
        return error

    def _protected(self, reference: Reference, group: str) -> Any:
        # It is written in the terms of this system, and put where those of another hold.
        if isinstance(reference, Tagged):
            if reference.scope is not None:
                return reference
            return reference.seen_from((Outside("", self), *scope_of(group)))
        target = reference.at(group)
        if isinstance(target.path[0], Outside):
            return reference
        return Ref((Outside(str(target.path[0]), self), *target.path[1:]), reference.optional)


class Handle:
    """The start of the component that a subsystem is to the system around it; it comes up when all of its parts have.

    Parameters:
        definition: the inner system.
        path: where it is in the whole.
        imports: what it is given, for showing.
    """

    def __init__(self, definition: Definition, path: tuple[str, ...], imports: dict[str, Any]) -> None:
        self.definition, self.path, self.imports = definition, path, imports
        self.__name__ = definition.options.name or "subsystem"

    def __call__(self, parts: list[Any], context: Context = Context.here) -> Any:
        return context._part(self.definition, self.path)


def _handle(id: Id, node: Subsystem, inner: Groups, aim: Callable[[Reference], Any]) -> Component[Any]:
    imports = {path: refs.redirected(value, aim) for path, value in node._config.items()}
    slots = {**node._spec.slots(), "start": Handle(node._definition, (*parts_of(id.group), id.name), imports)}
    if slots["doc"] is None:
        slots["doc"] = f"The subsystem {node._definition.name or id}."
    # What is deeper is below a handle among its own groups' members.
    own = [Ref((group,)) for group in inner if len(parts_of(group)) == len(parts_of(id.group)) + 2]
    return _plain(node, {"parts": own}, Spec(slots))


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
        aim: aims a reference that was imported.
        level: stands for the system around it.
    """

    def __init__(self, path: tuple[str, ...], options: Options, aim: Callable[[Reference], Any], level: object) -> None:
        self._path, self._options, self._aim, self._level = path, options, aim, level
        self._specs: dict[Spec, Spec] = {}

    def group(self, group: str) -> Within:
        """The name of a group."""
        return Within((*self._path, *parts_of(group)))

    def node(self, node: Node) -> Node:
        """A component or constant."""
        return _redirected(node, self._aimed, None if isinstance(node, Constant) else self._spec(node._spec))

    def _aimed(self, reference: Reference) -> Any:
        if type(reference) is Ref:
            group = reference.path[0]
            if isinstance(group, Outside):
                if group.level is not self._level:
                    return reference
                return self._aim(Ref((group.group, *reference.path[1:]), reference.optional))
            return Ref((self.group(str(group)), *reference.path[1:]), reference.optional)
        if type(reference) is Tagged and reference.scope is not None:
            if reference.scope and isinstance(reference.scope[0], Outside):
                is_here = reference.scope[0].level is self._level
                return reference.seen_from(reference.scope[1:]) if is_here else reference
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
            imports = {path: refs.redirected(value, self._aimed) for path, value in spec.start.imports.items()}
            changed["start"] = Handle(spec.start.definition, (*self._path, *spec.start.path), imports)
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
