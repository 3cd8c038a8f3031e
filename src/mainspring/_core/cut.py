"""Cutting a part out of a system, subsystems included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .callables import Id
from .graph import Graph, closure
from .model import ABSENT, Definition, Node, Subsystem, parse_path
from .refs import Path, Within, parts_of, scope_of


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
    for scope in {scope_of(id.group)[:n] for id in kept for n in range(2, len(scope_of(id.group)) + 1, 2)}:
        # The subsystem around it stays, and what that is switched by.
        at = graph.find(scope)
        kept |= set() if at is None else graph.switches_of(graph.ids[at])
    named = set().union(*(graph.groups_that(id) for id in kept))
    return _cut(definition, kept, named, ())


def _cut(definition: Definition, kept: set[Id], named: set[str], path: tuple[str, ...]) -> Definition:
    groups: dict[str, dict[str, Node]] = {}
    for group, members in definition.groups.items():
        whole = Within((*path, group)) if path else group
        if whole in named:
            groups[group] = {}  # it may be empty, or all of it off
        for name, node in members.items():
            if isinstance(node, Subsystem):
                inside = (*path, group, name)
                if not any(parts_of(id.group)[: len(inside)] == inside for id in kept):
                    if Id(whole, name) not in kept:
                        continue
                else:
                    inner = _cut(node._definition, kept, named, inside)
                    left = {
                        path: _left(inner, parse_path((path,), "An import"), value)
                        for path, value in node.config.items()
                    }
                    imports = {path: value for path, value in left.items() if value is not ABSENT}
                    node = node.with_definition(inner).replace(config=imports)
            elif Id(whole, name) not in kept:
                continue
            groups.setdefault(group, {})[name] = node
    options = definition.options
    if isinstance(options.limits, Mapping):
        first = {group: group if group == "*" else str(parse_path((group,), "A limit")[0]) for group in options.limits}
        limits = {group: limit for group, limit in options.limits.items() if group == "*" or first[group] in groups}
        options = options._replace(limits=limits or None)
    return definition.replace(groups=groups, options=options)


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
