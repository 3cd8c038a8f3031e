"""Cutting a part out of a system, subsystems included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _text
from .callables import Id
from .graph import Graph, closure
from .model import ABSENT, Definition, Node, Subsystem, parse_path
from .refs import Path, Within, scope_of


def part_of(definition: Definition, graph: Graph, roots: list[int] | None) -> Definition:
    """The part of a system that consists of some nodes and what they need.

    Parameters:
        definition: as it is written.
        graph: its graph.
        roots: the nodes; `None` for all.
    """
    if roots is None:
        return definition
    kept = {graph.ids[i] for i in closure(roots, graph.needs.__getitem__)}
    for id in list(kept):
        # A reference to what is off stays right only where there still is something that is off.
        kept |= graph.off_that(id)
    for id in list(kept):
        kept |= graph.switches_of(id)
    around: set[tuple[str, ...]] = set()
    while True:
        named = set().union(*(graph.groups_that(id) for id in kept))
        more = _scopes([*(id.group for id in kept), *named]) - around
        if not more:
            return _cut(definition, kept, named, around, ())
        # The subsystems around it stay, and what they are switched by, which may be in other subsystems.
        around |= more
        for scope in more:
            at = graph.find(scope)
            kept |= set() if at is None else graph.switches_of(graph.ids[at])


def _scopes(groups: Iterable[str]) -> set[tuple[str, ...]]:
    """The paths of all subsystems that some groups are in, at any depth."""
    scopes = {scope_of(group) for group in groups}
    return {scope[:n] for scope in scopes for n in range(2, len(scope) + 1, 2)}


def _cut(
    definition: Definition, kept: set[Id], named: set[str], around: set[tuple[str, ...]], path: tuple[str, ...]
) -> Definition:
    groups: dict[str, dict[str, Node]] = {}
    for group, members in definition.groups.items():
        whole = Within((*path, group)) if path else group
        if whole in named:
            groups[group] = {}  # it may be empty, or all of it off
        for name, node in members.items():
            inside = (*path, group, name)
            if isinstance(node, Subsystem) and inside in around:
                inner = _cut(node._definition, kept, named, around, inside)
                left = {to: _left(inner, parse_path((to,), "An import"), value) for to, value in node.config.items()}
                imports = {to: value for to, value in left.items() if value is not ABSENT}
                node = node.with_definition(inner).replace(config=imports)
            elif Id(whole, name) not in kept:
                continue
            groups.setdefault(group, {})[name] = node
    options, made = definition.options, definition.replace(groups=groups)
    if not isinstance(options.limits, Mapping):
        return made
    limits = {group: limit for group, limit in options.limits.items() if group == "*" or _has(made, group)}
    return made.replace(options=options._replace(limits=limits or None))


def _has(definition: Definition, group: str) -> bool:
    """Whether a limit can name that: a group, a subsystem, or a group in one."""
    if group in definition.groups:
        return True
    try:
        path = _text.split_dotted(group)
    except ValueError:
        return False
    while len(path) > 1:
        node = definition.groups.get(path[0], {}).get(path[1])
        if not isinstance(node, Subsystem):
            return False
        definition, path = node._definition, path[2:]
    return not path or path[0] in definition.groups


def _left(definition: Definition, path: Path, value: Any) -> Any:
    """What is left of an import into a system that was cut down; `ABSENT` for nothing."""
    members = definition.groups.get(str(path[0]))
    if members is None:
        return ABSENT
    if len(path) == 1:
        return {name: one for name, one in value.items() if name in members} or ABSENT
    node = members.get(str(path[1]))
    if isinstance(node, Subsystem) and len(path) > 2:
        return _left(node._definition, path[2:], value)
    return ABSENT if node is None else value
