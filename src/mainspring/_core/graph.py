"""From the references in a definition to edges, cycles with their path, selections, and one stable order.

Inside, a node is known by its position in the order of starting: a number, so that requests on large systems need only lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import _text
from ..errors import (
    AmbiguousReference,
    BadComponent,
    CycleError,
    MainspringError,
    Problem,
    ReferenceToOff,
    Site,
    UnknownComponent,
    UnknownReference,
)
from . import refs
from .callables import Id
from .expand import expanded, expansion_problems
from .model import Component, Constant, Definition, Node, flag, parse_path
from .refs import (
    FLAT,
    REFERENCES,
    LocalRef,
    Path,
    Ref,
    Reference,
    Tagged,
    Unreachable,
    Within,
    canonical,
    parts_of,
    scope_of,
)

if TYPE_CHECKING:
    from .select import Selection

NOTHING: Final[tuple[int, ...]] = ()
_SHOWN: Final = 5  # names in a text, where there may be very many


class Edge(NamedTuple):
    """One reference: what needs, what is needed, where the reference stands, and whether it is optional."""

    id: Id
    needs: Id
    path: Path
    optional: bool


class Aim(NamedTuple):
    """What a reference is aimed at: nodes, what is to be reached in one, or the keys under which there are several."""

    nodes: list[int]
    rest: Path
    keys: list[Any] | None


class Graph:
    """Which component refers to which. Plain data; nothing in it can start anything.

    Example:
        >>> from mainspring import Component, System, ref
        >>> system = System({"env": {"port": 80}, "web": {"server": Component(dict, config={"port": ref("env.port")})}})
        >>> print(system.graph().mermaid())
        flowchart TD
          subgraph g0["env"]
            n0(["port"])
          end
          subgraph g1["web"]
            n1["server"]
          end
          n1 --> n0
          classDef off stroke-dasharray: 5 5,opacity:0.5
        <BLANKLINE>
    """

    __slots__ = (
        "_inside", "_needed_by", "direct", "groups", "ids", "index", "needs", "nodes", "off", "problems", "special",
        "subsystems", "tagged",
    )  # fmt: skip

    groups: dict[str, dict[str, Node]]
    ids: list[Id]  # in the order of starting; all lists below go by the same positions
    index: dict[Id, int]
    nodes: list[Node]
    needs: list[tuple[int, ...]]
    direct: bytearray  # whether the references at the top of a config are just `needs`, one by one
    off: dict[Id, str]  # components that are switched off, with the reason
    special: list[int]  # nodes that take a second look at each request: pre, post, resolve, deadlines
    problems: list[Problem]
    subsystems: frozenset[Id]  # those that were inlined
    tagged: dict[tuple[tuple[str, ...], str], list[int]] | None  # by scope and tag; `None` until somebody asks
    _needed_by: list[list[int]] | None
    _inside: dict[tuple[str, ...], list[int]] | None  # what is below a group or subsystem; `None` until somebody asks

    @property
    def needed_by(self) -> list[list[int]]:
        """The other direction of `needs`."""
        if self._needed_by is None:
            self._needed_by = turned(self.needs)
        return self._needed_by

    def members(self, group: str) -> list[int]:
        """The nodes of a group that are switched on, in the order as written."""
        index = self.index
        return [index[id] for name in self.groups.get(group, ()) if (id := Id(group, name)) in index]

    def canonical(self, path: Path) -> Path:
        """A path of the whole system as group, name and the rest."""
        return canonical(path, self.subsystems) if self.subsystems and len(path) > 2 else path

    def find(self, path: Path) -> int | None:
        """The position of the component that a path of the whole system names; `None` where it names none that is on."""
        found: int | None = self.index.get(path)  # type: ignore[call-overload]
        return self.index.get(self.canonical(path)) if found is None and len(path) > 2 else found  # type: ignore[call-overload]

    def members_of(self, path: Path) -> list[int] | None:
        """The nodes of the group or subsystem that a path names, with all that is inside; `None` where there is none."""
        if not self.subsystems:
            return self.members(str(path[0])) if len(path) == 1 and path[0] in self.groups else None
        path = self.canonical(path)
        if len(path) == 1 and path[0] in self.groups:
            return self._below(parts_of(str(path[0])), self.members(str(path[0])))
        if len(path) != 2 or path not in self.subsystems:
            return None
        id = Id(str(path[0]), str(path[1]))
        return self._below((*parts_of(id.group), id.name), [self.index[id]])

    def _below(self, path: tuple[str, ...], more: list[int]) -> list[int]:
        if self._inside is None:
            inside: dict[tuple[str, ...], list[int]] = {}
            for i, id in enumerate(self.ids):
                parts = parts_of(id.group)
                for n in range(1, len(parts) + 1):
                    inside.setdefault(parts[:n], []).append(i)
            self._inside = inside
        within = self._inside.get(path, [])
        return sorted({*within, *more}) if more else within

    def tag_table(self) -> dict[tuple[tuple[str, ...], str], list[int]]:
        """The nodes that carry a tag, by the scope that they are in and the tag, in the order as written."""
        if self.tagged is None:
            found: dict[tuple[tuple[str, ...], str], list[int]] = {}
            for i in self._as_written():
                node = self.nodes[i]
                for tag in node._spec.tags if type(node) is Component else ():
                    found.setdefault((scope_of(self.ids[i].group), tag), []).append(i)
            self.tagged = found  # only now, because other threads may look
        return self.tagged

    def aim(self, reference: Reference, group: str) -> Aim | None:
        """What a reference is aimed at, as seen from a group; `None` for one that is optional, at something that is off."""
        if isinstance(reference, Tagged):
            scope = scope_of(group) if reference.scope is None else reference.scope
            found = self.tag_table().get((scope, reference.tag), [])
            if reference.one:
                return Aim(found[:1], reference.rest, None) if found else None
            return Aim(found, (), [self.ids[i] for i in found])
        target = reference.at(group)
        if len(target.path) == 1:
            found = self.members(str(target.path[0]))
            return Aim(found, (), [self.ids[i].name for i in found])
        at = self.index.get(target.id)  # type: ignore[call-overload]
        return None if at is None else Aim([at], target.rest, None)

    def off_that(self, id: Id) -> set[Id]:
        """What a node refers to, and is switched off."""
        found: set[Id] = set()
        for _, reference in references(self.groups[id.group][id.name]):
            if isinstance(reference, Tagged):
                scope = scope_of(id.group) if reference.scope is None else reference.scope
                for off in self.off:
                    node = self.groups[off.group][off.name]
                    if (
                        isinstance(node, Component)
                        and reference.tag in node._spec.tags
                        and scope_of(off.group) == scope
                    ):
                        found.add(off)
                continue
            target = reference.at(id.group)
            if len(target.path) == 1:
                group = str(target.path[0])
                found |= {Id(group, name) for name in self.groups.get(group, {}) if Id(group, name) in self.off}
            elif (off := Id(str(target.path[0]), str(target.path[1]))) in self.off:
                found.add(off)
        return found

    def groups_that(self, id: Id) -> set[str]:
        """The groups that a node refers to as a whole."""
        aims = (
            reference.at(id.group)
            for _, reference in references(self.groups[id.group][id.name])
            if not isinstance(reference, Tagged)
        )
        return {str(aim.path[0]) for aim in aims if len(aim.path) == 1}

    def switches_of(self, id: Id) -> set[Id]:
        """The constants that a node is switched by, with those on the way to them."""
        found: set[Id] = set()
        for switch in switches(self.groups[id.group][id.name], id.group):
            at = self.index.get(switch.id)  # type: ignore[call-overload]
            found |= set() if at is None else {self.ids[i] for i in closure([at], self.needs.__getitem__)}
        return found

    def part(self, path: tuple[str, ...]) -> Graph:
        """What is inside of a subsystem, by its own names: enough of a graph to read selections in."""
        n = len(path)

        def own(id: Id) -> Id:
            parts = parts_of(id.group)[n:]
            return Id(parts[0] if len(parts) == 1 else Within(parts), id.name)

        def is_inside(id: Id) -> bool:
            parts = parts_of(id.group)
            return parts[:n] == path and len(parts) > n

        part = object.__new__(Graph)
        inside = [i for i, id in enumerate(self.ids) if is_inside(id)]
        part.ids, part.nodes = [own(self.ids[i]) for i in inside], [self.nodes[i] for i in inside]
        part.index = {id: i for i, id in enumerate(part.ids)}
        part.groups = {own(Id(g, "")).group: nodes for g, nodes in self.groups.items() if is_inside(Id(g, ""))}
        part.off = {own(id): why for id, why in self.off.items() if is_inside(id)}
        part.subsystems = frozenset(own(id) for id in self.subsystems if is_inside(id))
        part.tagged = part._inside = None
        return part

    # --- the public face ---

    def select(self, select: Selection) -> tuple[Id, ...]:
        """The ids that a selection names and that are switched on, in the order of starting.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them; everything if `None`.

        Raises:
            UnknownComponent: a part of it names nothing.
        """
        found = selected(self, select)
        return tuple(self.ids if found is None else [self.ids[i] for i in found])

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every reference between what is switched on, in the order as written."""
        return tuple(edge for position in self._as_written() for edge in self.edges_of(position))

    def _as_written(self) -> list[int]:
        index = self.index
        return [index[id] for group, names in self.groups.items() for name in names if (id := Id(group, name)) in index]

    def edges_of(self, position: int) -> Iterator[Edge]:
        """The references of one node, each with its place; a group reference gives one edge to each member."""
        id = self.ids[position]
        node = self.nodes[position]
        for path, reference in (*((("enabled",), switch) for switch in switches(node, id.group)), *references(node)):
            aim = self.aim(reference, id.group)
            for needed in () if aim is None else aim.nodes:
                yield Edge(id, self.ids[needed], path, reference.optional)

    def dependencies(self, id: str | Id) -> tuple[Id, ...]:
        """What a component needs directly.

        Raises:
            UnknownComponent: there is none of that id.
        """
        return tuple(self.ids[i] for i in self.needs[self.position(id)])

    def dependents(self, id: str | Id) -> tuple[Id, ...]:
        """What needs a component directly.

        Raises:
            UnknownComponent: there is none of that id.
        """
        return tuple(self.ids[i] for i in self.needed_by[self.position(id)])

    def position(self, id: str | Id) -> int:
        """Where a component stands in the order of starting.

        Raises:
            UnknownComponent: there is none of that id, or it is switched off.
        """
        parts = parse_path((id,), "An id")
        found = self.find(parts)
        if found is None:
            raise self.unknown(parts)
        return found

    def unknown(self, parts: Path) -> MainspringError:
        """The error for an id that is not there."""
        text = _text.dotted(parts)
        groups = self.groups
        parts = self.canonical(parts)
        known = Id(str(parts[0]), str(parts[1]) if len(parts) > 1 else "")
        if known in self.off:
            what = f"{text} is" if len(parts) == 2 else f"There is no {text} now: {known} is"
            return UnknownComponent(f"{what} switched off: {self.off[known]}.")
        if len(parts) > 2 and known in self.index:
            what = "a constant" if isinstance(self.nodes[self.index[known]], Constant) else "a component"
            return UnknownComponent(f"{text} goes further than an id: {known} is {what}, and no subsystem.")
        if len(parts) == 1 and parts[0] in groups:
            near = _text.either([str(Id(str(parts[0]), name)) for name in list(groups[str(parts[0])])[:3]])
            return UnknownComponent(
                f"{text} is a group, not a component. Did you mean {near}?" if near else f"{text} is an empty group."
            )
        return UnknownComponent(f"There is no {text}. {_near_id(parts, groups)}")

    def as_dict(self) -> dict[str, Any]:
        """The graph as nested dicts and lists of text, for JSON."""
        return {
            "nodes": [
                {"id": str(id), "kind": self._kind(id), "needs": [str(n) for n in needs]}
                | ({"off": self.off[id]} if id in self.off else {})
                for id, needs in self._nodes_as_written()
            ],
            "edges": [
                {"id": str(e.id), "needs": str(e.needs), "path": _text.dotted(e.path), "optional": e.optional}
                for e in self.edges
            ],
        }

    def _nodes_as_written(self) -> Iterator[tuple[Id, tuple[Id, ...]]]:
        for group, names in self.groups.items():
            for name in names:
                id = Id(group, name)
                yield id, () if id in self.off else self.dependencies(id)

    def _kind(self, id: Id) -> str:
        if id in self.off:
            return "off"
        node = self.groups[id.group][id.name]
        if not isinstance(node, Constant):
            return "subsystem" if id in self.subsystems else "component"
        return "alias" if isinstance(node._value, Ref | LocalRef | Tagged) else "constant"

    def mermaid(self) -> str:
        """The graph as a Mermaid flow chart; an arrow points at what is needed."""
        groups, edges, keys = self._drawing()
        return _text.mermaid(groups, edges, keys=keys)

    def dot(self) -> str:
        """The graph in Graphviz' DOT language; an arrow points at what is needed."""
        groups, edges, keys = self._drawing()
        return _text.dot(groups, edges, keys=keys)

    def _drawing(self) -> tuple[dict[str, list[tuple[str, str, str]]], list[tuple[str, str, str]], dict[str, str]]:
        keys: dict[str, str] = {}
        groups: dict[str, list[tuple[str, str, str]]] = {}
        for id, _ in self._nodes_as_written():
            keys[str(id)] = f"n{len(keys)}"
            groups.setdefault(id.group, []).append((str(id), id.name, self._kind(id)))
        edges: dict[tuple[str, str], str] = {}
        for edge in self.edges:
            pair = str(edge.id), str(edge.needs)
            if not edge.optional:
                edges[pair] = ""
            else:
                edges.setdefault(pair, "optional")
        return groups, [(a, b, style) for (a, b), style in edges.items()], keys

    def __repr__(self) -> str:
        return f"<Graph: {_text.count(len(self.ids), 'node')}, {_text.count(len(self.edges), 'edge')}>"

    def __str__(self) -> str:
        rows = []
        for id, needs in self._nodes_as_written():
            kind = self._kind(id)
            rest = f"off: {self.off[id]}" if kind == "off" else ", ".join(map(str, needs))
            rows.append([str(id), kind if kind != "component" else "", "<- " + rest if needs else rest])
        return _text.table(rows)


def references(node: Node) -> Iterator[tuple[Path, Reference]]:
    """Every reference in a node, with its path, in the order as written."""
    if isinstance(node, Constant):
        for path, leaf in refs.walk(node._value):
            if type(leaf) in REFERENCES:
                yield path, leaf
        return
    for path, leaf in refs.walk(node._config):
        if type(leaf) in REFERENCES:
            yield ("config", *path), leaf


def switches(node: Node, group: str) -> Iterator[Ref]:
    """What a node is switched by, where that is a reference."""
    if isinstance(node, Component) and isinstance(node._spec.enabled, Ref | LocalRef):
        yield node._spec.enabled.at(group)


def turned(forward: list[tuple[int, ...]]) -> list[list[int]]:
    """The reverse of an adjacency list."""
    backward: list[list[int]] = [[] for _ in forward]
    for i, targets in enumerate(forward):
        for j in targets:
            backward[j].append(i)
    return backward


def graph_of(definition: Definition) -> Graph:
    """The graph of a definition, with every problem that its references have. Made once for each definition."""
    graph: Graph | None = definition.cache.get("graph")
    if graph is None:
        whole = expanded(definition)
        graph = whole.cache.get("graph")
        if graph is None:
            made: Graph = whole.cache.setdefault("graph", _Builder(whole).build())
            graph = made
        definition.cache["graph"] = graph
    return graph


class _Builder:
    """One pass over a definition. Positions are those of the text until the order is known."""

    def __init__(self, definition: Definition) -> None:
        self.groups = definition.groups
        self.subsystems = definition.subsystems
        self.problems: list[Problem] = list(expansion_problems(definition))
        self.tags: dict[tuple[tuple[str, ...], str], list[int]] | None = None
        self.off_by_tag: dict[tuple[tuple[str, ...], str], list[Id]] | None = None
        self.circles: set[frozenset[int]] = set()
        self.guesses = 20
        self.off: dict[Id, str] = {}
        self.ids: list[Id] = []
        self.nodes: list[Node] = []
        self.special: list[int] = []
        self.needs: list[tuple[int, ...]] = []

    def build(self) -> Graph:
        ids, nodes, special = self.ids, self.nodes, self.special
        new = tuple.__new__  # half of what Id(...) costs, and there may be very many
        switched: list[tuple[Id, Component[Any]]] = []
        for group, members in self.groups.items():
            for name, node in members.items():
                if type(node) is Component:
                    spec = node._spec
                    if spec.special:
                        special.append(len(ids))
                    if spec.enabled is not True:
                        switched.append((Id(group, name), node))
                ids.append(new(Id, (group, name)))
                nodes.append(node)
        if switched:
            self._switch(switched)
            special = self.special
        self.index = index = {id: i for i, id in enumerate(self.ids)}
        needs = self.needs
        direct = self.direct = bytearray(len(self.nodes))
        in_order = True
        for i, node in enumerate(self.nodes):
            shape = node._shape
            if not shape:
                needs.append(NOTHING)
                continue
            straight: list[int] = []
            if shape == FLAT and type(node) is Component:
                direct[i] = True
                for value in node._config.values():
                    if type(value) is Ref:
                        j = index.get(value.path)  # type: ignore[call-overload]
                        if j is None or j in straight:
                            direct[i] = False
                            break
                        straight.append(j)
            if not direct[i]:
                found: dict[int, None] = {}  # in order, each once
                for path, reference in references(node):
                    self._resolve(i, path, reference, found)
                straight = list(found)
            for j in straight:
                if j >= i:
                    in_order = False
                    break
            needs.append(tuple(straight))
        for id, node in switched:
            at = index.get(id, -1)
            for switch in switches(node, id.group) if at >= 0 else ():
                found = dict.fromkeys(needs[at])
                self._resolve(at, ("enabled",), switch, found)
                needs[at] = tuple(found)
                in_order = in_order and all(j < at for j in found)
        if not in_order:
            special = self._put_in_order(special)
        graph = object.__new__(Graph)
        graph.groups = self.groups
        graph.ids, graph.index, graph.nodes, graph.needs = self.ids, self.index, self.nodes, self.needs
        graph.off, graph.special, graph.problems = self.off, special, self.problems
        graph.direct = self.direct
        graph.subsystems, graph.tagged = self.subsystems, None
        graph._needed_by = graph._inside = None
        return graph

    # --- parts that are switched off ---

    def _switch(self, switched: list[tuple[Id, Component[Any]]]) -> None:
        for id, node in switched:
            enabled = node._spec.enabled
            if isinstance(enabled, bool):
                if not enabled:
                    self.off[id] = "enabled is False"
                continue
            target = enabled.at(id.group)
            value, found = self._constant(id, node, target)
            if value is False:
                more = "" if found.path == target.path else f" (it is {_text.dotted(found.path)})"
                self.off[id] = f"{_text.dotted(target.path)} is False{more}"
        if self.off:
            kept = [(id, node) for id, node in zip(self.ids, self.nodes, strict=True) if id not in self.off]
            self.ids, self.nodes = [id for id, _ in kept], [node for _, node in kept]
            self.special = [i for i, n in enumerate(self.nodes) if type(n) is Component and n._spec.special]

    def _constant(self, id: Id, node: Component[Any], target: Ref) -> tuple[Any, Ref]:
        value, found = flag(target, self.groups)
        if len(target.path) > 1 and (value is refs.NOWHERE or isinstance(value, refs.Required)):
            return None, found  # other checks say what is wrong
        if not isinstance(value, bool):
            there = (
                f", but {refs.article(value)}" if value is not refs.NOWHERE and not isinstance(value, Component) else ""
            )
            what = f"it is switched by {_text.dotted(target.path)}, which is no constant True or False{there}."
            hint = (
                "Refer to a constant that is a bool: whether a component is on has to be known before anything starts."
            )
            self.problems.append(Problem(BadComponent, what, id, ("enabled",), node.site, hint))
        return value, found

    # --- one reference ---

    def _resolve(self, i: int, path: Path, reference: Reference, found: dict[int, None]) -> None:
        id = self.ids[i]
        if isinstance(reference, Tagged):
            self._resolve_tag(i, path, reference, found)
            return
        target = reference.at(id.group)
        if len(target.path) == 1:
            group = target.path[0]
            if group not in self.groups:
                self._unknown(
                    i, path, reference, f"refers to the group {_text.quote(group)}, and there is none of that name."
                )
                return
            for name in self.groups[str(group)]:
                j = self.index.get(Id(str(group), name))
                if j is not None:
                    found[j] = None
            return
        target_id = Id(str(target.path[0]), str(target.path[1]))
        j = self.index.get(target_id)
        if j is None:
            self._missing(i, path, reference, target, target_id)
            return
        if target.rest and type(self.nodes[j]) is Constant:
            self._reach(i, path, reference, target)
        found[j] = None

    def _resolve_tag(self, i: int, path: Path, reference: Tagged, found: dict[int, None]) -> None:
        tags = self._tag_table()
        scope = scope_of(self.ids[i].group) if reference.scope is None else reference.scope
        carriers = tags.get((scope, reference.tag), [])
        tag = _text.quote(reference.tag)
        shown = [str(self.ids[j]) for j in carriers[:_SHOWN]] if reference.one or not carriers else []
        details = {"tag": reference.tag, "candidates": shown}
        if reference.one and len(carriers) > 1:
            more = f" and {len(carriers) - len(shown)} more" if len(carriers) > len(shown) else ""
            what = f"refers to the one component with the tag {tag}, and {len(carriers)} carry it: {', '.join(shown)}{more}."
            hint = "Take the tag from all but one, switch the others off, or refer to one of them by its id."
            self._problem(AmbiguousReference, i, path, what, hint, details)
        elif reference.one and reference.rest and carriers and self.ids[carriers[0]] in self.subsystems:
            id = self.ids[carriers[0]]
            what = f"refers into the subsystem {id} by its tag {tag}, and its inside is not reached that way."
            hint = f"Refer to {_text.dotted((*parts_of(id.group), id.name, *reference.rest))}."
            self._problem(UnknownReference, i, path, what, hint, details)
        elif not carriers and not reference.optional:
            off = self._off_tags().get((scope, reference.tag), [])
            if off and not reference.one:
                return
            if off:
                shown = [f"{id} ({self.off[id]})" for id in off[:_SHOWN]]
                what = f"refers to the one component with the tag {tag}, and it is switched off: {', '.join(shown)}."
                hint = "Switch it on, or make the reference optional=True to get None."
                self._problem(ReferenceToOff, i, path, what, hint, {"target": str(off[0])})
                return
            what = f"refers to the tag {tag}, and no component carries it."
            self.guesses -= 1
            if self.guesses < 0:  # as in _unknown
                self._problem(UnknownReference, i, path, what, "", details)
                return
            known = sorted({tag for where, tag in tags if where == scope})
            near = _text.hint_near(reference.tag, known, what="tag in this system")
            inside = [str(self.ids[j]) for (_, tag), js in tags.items() if tag == reference.tag for j in js]
            if inside:
                verb = "carry" if len(inside) > 1 else "carries"
                near = f"{_text.either(inside[:3], 'and')} {verb} it, in another system: refer to it by its id."
            details["candidates"] = _text.near(reference.tag, known)
            hint = f"{near} Or make the reference optional=True, to get {'None' if reference.one else 'nothing'}."
            self._problem(UnknownReference, i, path, what, hint, details)
        found |= dict.fromkeys(carriers[:1] if reference.one else carriers)

    def _tag_table(self) -> dict[tuple[tuple[str, ...], str], list[int]]:
        if self.tags is None:
            self.tags = {}
            for j, node in enumerate(self.nodes):
                for tag in node._spec.tags if type(node) is Component else ():
                    self.tags.setdefault((scope_of(self.ids[j].group), tag), []).append(j)
        return self.tags

    def _off_tags(self) -> dict[tuple[tuple[str, ...], str], list[Id]]:
        if self.off_by_tag is None:
            self.off_by_tag = {}
            for id in self.off:
                for tag in self._tags_of(id):
                    self.off_by_tag.setdefault((scope_of(id.group), tag), []).append(id)
        return self.off_by_tag

    def _tags_of(self, id: Id) -> frozenset[str]:
        node = self.groups[id.group][id.name]
        return node._spec.tags if isinstance(node, Component) else frozenset()

    def _missing(self, i: int, path: Path, reference: Ref | LocalRef, target: Ref, target_id: Id) -> None:
        if target_id in self.off:
            if not target.optional:
                what = f"refers to {target_id}, which is switched off: {self.off[target_id]}."
                both = ", switch this component off with it" if isinstance(self.nodes[i], Component) else ""
                hint = f"Switch it on{both}, or make the reference optional=True to get None."
                self._problem(ReferenceToOff, i, path, what, hint, {"target": str(target_id)})
            return
        text = _text.dotted(target.path)
        group = target_id.group
        if group not in self.groups:
            what = f"refers to {text}, and there is no group {_text.quote(group)}."
        else:
            what = f"refers to {text}, and the group {_text.quote(group)} has no {_text.quote(target_id.name)}."
        self._unknown(i, path, reference, what)

    def _reach(self, i: int, path: Path, reference: Ref | LocalRef, target: Ref) -> None:
        """Follow a path into a constant, through as many aliases as there are, and tell where it leads nowhere."""
        text, seen = _text.dotted(target.path), set[Path]()

        def tell(what: str, hint: str = "", kind: type[Any] = UnknownReference, off: str = text) -> None:
            self._problem(kind, i, path, f"refers to {text}, {what}", hint, {"target": off})

        while True:
            found = self._step(target, tell, reference.optional)
            if found is None:
                return
            further, place = found
            if place in seen:
                return  # a circle, which is told elsewhere
            seen.add(place)
            j = self.index.get(further.id) if len(further.path) > 1 else None  # type: ignore[call-overload]
            if j is None:
                if len(further.path) > 1:
                    self._tell_missing(further, reference.optional, tell)
                return
            if self.ids[j] in self.subsystems and len(further.path) > 2:
                hint = f"Refer to {_text.dotted(further.path)}."
                tell(f"through an alias of the subsystem {self.ids[j]}, whose inside is not reached that way.", hint)
            if not isinstance(self.nodes[j], Constant):
                return
            target = further

    def _step(self, target: Ref, tell: Callable[..., None], optional: bool) -> tuple[Ref, Path] | None:
        """Where the first alias on a path leads, and where it stands; `None` where there is none, or no way."""
        node = self.nodes[self.index[Id(str(target.path[0]), str(target.path[1]))]]
        assert isinstance(node, Constant)
        value, is_secret = node._value, False
        for n, part in enumerate(target.rest):
            is_secret = is_secret or isinstance(value, refs.Secret)
            value, place = refs.unwrapped(value), target.path[: 2 + n]
            if isinstance(value, Ref | LocalRef):
                aim = value.at(str(target.path[0]))
                # A group leaves out what is off, and so does a reference that is optional.
                return Ref((*aim.path, *target.rest[n:]), aim.optional or len(aim.path) == 1), place
            if isinstance(value, Tagged):
                there = f"and at {_text.dotted(place)} there is {value!r},"
                scope = scope_of(str(target.path[0])) if value.scope is None else value.scope
                if not value.one:
                    tell(f"{there} a mapping whose keys are ids.", "Refer to one of the components by its id.")
                elif value.optional and not optional and not self._tag_table().get((scope, value.tag)):
                    hint = "Make this reference optional=True, too, to get None."
                    tell(f"{there} which no component carries that is on.", hint, ReferenceToOff)
                return None
            if isinstance(value, refs.Build | refs.Required):
                return None  # what is there is known only when it is started
            try:
                value = refs.reach(value, (part,))
            except Unreachable as error:
                error.reached, error.is_secret = place, is_secret
                tell(f"and {error}")
                return None
        return None

    def _tell_missing(self, further: Ref, optional: bool, tell: Callable[..., None]) -> None:
        id = Id(str(further.path[0]), str(further.path[1]))
        if id in self.off:
            if further.optional and not optional:
                what = f"through an alias of {id}, which is switched off: {self.off[id]}."
                hint = "Switch it on, or make this reference optional=True, too, to get None."
                tell(what, hint, ReferenceToOff, str(id))
        elif id.group in self.groups:
            self.guesses -= 1
            hint = _near_id(further.path, self.groups) if self.guesses >= 0 else ""
            what = f"through an alias of the group {_text.quote(id.group)}, which has no {_text.quote(id.name)}."
            tell(what, hint)

    def _unknown(self, i: int, path: Path, reference: Ref | LocalRef, what: str) -> None:
        target = reference.at(self.ids[i].group).path
        # Looking for near misses takes as long as the system is large; whoever has many problems reads the first ones.
        self.guesses -= 1
        if self.guesses < 0:
            details = {"target": _text.dotted(target), "candidates": []}
            self._problem(UnknownReference, i, path, what, "", details)
            return
        hint = _near_id(target, self.groups)
        candidates = [str(Id(g, n)) for g, members in self.groups.items() for n in members]
        details = {"target": _text.dotted(target), "candidates": _text.near(_text.dotted(target[:2]), candidates)}
        self._problem(UnknownReference, i, path, what, hint, details)

    def _problem(self, kind: type[Any], i: int, path: Path, what: str, hint: str, details: dict[str, Any]) -> None:
        self.problems.append(Problem(kind, what, self.ids[i], path, site_of(self.nodes[i]), hint, details))

    # --- the order ---

    def _put_in_order(self, special: list[int]) -> list[int]:
        needs, count = self.needs, len(self.ids)
        needed_by = turned(needs)
        waits = [len(n) for n in needs]
        ready = [i for i, n in enumerate(waits) if not n]
        heapify(ready)
        order: list[int] = []
        while ready:
            i = heappop(ready)
            order.append(i)
            for j in needed_by[i]:
                waits[j] -= 1
                if not waits[j]:
                    heappush(ready, j)
        if len(order) < count:
            left = [i for i, n in enumerate(waits) if n]
            self._report_cycles(left)
            order += left
        position = [0] * count
        for p, i in enumerate(order):
            position[i] = p
        self.ids = [self.ids[i] for i in order]
        self.nodes = [self.nodes[i] for i in order]
        self.direct = bytearray([self.direct[i] for i in order])
        self.needs = [tuple([position[j] for j in needs[i]]) for i in order]
        self.index = {id: p for p, id in enumerate(self.ids)}
        return sorted(position[i] for i in special)

    def _report_cycles(self, left: list[int]) -> None:
        inside = set(left)
        done: set[int] = set()
        for root in left:
            if root in done:
                continue
            trail: list[int] = [root]
            place = {root: 0}
            branches = [iter(self.needs[root])]
            while branches:
                j = next(branches[-1], None)
                if j is None:
                    branches.pop()
                    i = trail.pop()
                    del place[i]
                    done.add(i)
                elif j in place:
                    self._report_cycle(trail[place[j] :])
                elif j in inside and j not in done:
                    place[j] = len(trail)
                    trail.append(j)
                    branches.append(iter(self.needs[j]))

    def _report_cycle(self, cycle: list[int]) -> None:
        if frozenset(cycle) in self.circles:
            return
        self.circles.add(frozenset(cycle))
        first = cycle.index(min(cycle))
        cycle = cycle[first:] + cycle[:first]
        reasons: list[Path] = []
        for n, i in enumerate(cycle):
            following = self.ids[cycle[(n + 1) % len(cycle)]]
            id = self.ids[i]
            for path, reference in (*self._switch_of(i), *references(self.nodes[i])):
                if self._names(reference, id.group, following):
                    reasons.append(path)
                    break
        names = [str(self.ids[i]) for i in cycle]
        drawing = _text.cycle(names, [f"needs, in {_text.dotted(path)}," if path else "needs" for path in reasons])
        what = f"{'it needs itself' if len(names) == 1 else 'components need each other in a circle'}:\n{drawing}"
        hint = (
            "One of these references has to go: split a component in two, or hand the one over after both have started."
        )
        details = {"cycle": names, "reasons": [_text.dotted(path) for path in reasons]}
        first_node = self.nodes[cycle[0]]
        self.problems.append(
            Problem(CycleError, what, self.ids[cycle[0]], reasons[0], site_of(first_node), hint, details)
        )

    def _switch_of(self, i: int) -> Iterator[tuple[Path, Reference]]:
        return ((("enabled",), switch) for switch in switches(self.nodes[i], self.ids[i].group))

    def _names(self, reference: Reference, group: str, id: Id) -> bool:
        if isinstance(reference, Tagged):
            return reference.tag in self._tags_of(id)
        target = reference.at(group)
        return target.id == id or (len(target.path) == 1 and target.path[0] == id.group)


def site_of(node: Node) -> Site | None:
    """Where a node was written, as far as it is known."""
    return node.site if isinstance(node, Component) else None


def _near_id(path: Path, groups: dict[str, dict[str, Node]]) -> str:
    group = str(path[0])
    if len(path) < 2:
        members = [str(Id(g, group)) for g, nodes in groups.items() if group in nodes]
        if members:
            return f"One part names a whole group. Did you mean {_text.either(members[:3])}?"
        return _text.hint_near(group, groups, what="group in this system")
    name = str(path[1])
    if group in groups:
        elsewhere = [str(Id(g, name)) for g, members in groups.items() if name in members]
        if elsewhere and not _text.near(name, groups[group]):
            return f"Did you mean {_text.either(elsewhere[:3])}?"
        close = _text.near(name, groups[group])
        if close:
            return f"Did you mean {_text.either([str(Id(group, c)) for c in close])}?"
        return f"The group {_text.quote(group)}: {_text.hint_near(name, groups[group], what='component in it')}"
    known = [str(Id(g, n)) for g, members in groups.items() for n in members]
    wanted = str(Id(group, name))
    if len(known) <= 2000 and _text.near(wanted, known):
        return f"Did you mean {_text.either(_text.near(wanted, known))}?"
    return _text.hint_near(group, groups, what="group in this system")


# --- What belongs together --------------------------------------------------------------------------------------------


def closure(roots: Iterable[int], neighbours: Callable[[int], Iterable[int]]) -> set[int]:
    """Everything that can be reached from `roots`, and they themselves."""
    found = set(roots)
    stack = list(found)
    while stack:
        for j in neighbours(stack.pop()):
            if j not in found:
                found.add(j)
                stack.append(j)
    return found


def selected(graph: Graph, select: Selection) -> list[int] | None:
    """The nodes that a selection names, in order; `None` where everything is meant.

    Raises:
        UnknownComponent: a part of it names nothing.
    """
    if select is None:
        return None
    from .select import chosen

    return chosen(graph, select)


def listed(select: Selection) -> list[Any]:
    """The parts of a selection, which can be looked at more than once.

    Raises:
        UnknownComponent: it is none.
    """
    from .select import listed

    return listed(select)
