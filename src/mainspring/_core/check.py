"""All problems of a definition at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _text
from ..errors import BadArguments, BadComponent, Problem, RequiredMissing, Site
from . import refs
from .callables import Id
from .graph import Graph, graph_of, site_of
from .model import Component, Constant, Definition, Node, Spec
from .refs import ATOMS, FLAT, NESTED, Path


def check(definition: Definition) -> list[Problem]:
    """Every problem of a definition, in the order as written. Found once for each definition."""
    problems = definition.cache.get("problems")
    if problems is None:
        problems = definition.cache["problems"] = _found(definition)
    return list(problems)


def _found(definition: Definition) -> list[Problem]:
    graph = graph_of(definition)
    problems = list(graph.problems)
    signals = definition.signals
    specs: dict[Spec, int] = {}  # each with the first node that has it
    for i, node in enumerate(graph.nodes):
        if node._shape == NESTED:
            problems += _required(graph.ids[i], node)
        if type(node) is Component:
            spec = node._spec
            if spec not in specs:
                specs[spec] = i
                problems += _handlers(graph, i, spec, signals)
            if not node._bound:
                problems += _arguments(graph.ids[i], node)
    definition.cache["specs"] = specs
    problems += _deadlines(definition.deadlines, signals, None, None)
    problems += _limits(definition)
    if len(problems) > 1:
        place = {Id(g, n): k for k, (g, n) in enumerate((g, n) for g, m in definition.groups.items() for n in m)}
        problems.sort(key=lambda problem: place.get(problem.id, -1) if problem.id is not None else -1)
    return problems


def _required(id: Id, node: Node) -> list[Problem]:
    data, prefix = (node._value, Path()) if isinstance(node, Constant) else (node._config, ("config",))
    found = []
    for path, leaf in refs.walk(data):
        if isinstance(leaf, refs.Required):
            where = (*prefix, *path)
            hint = f'Give it with override({{"{_text.dotted((*id, *where))}": ...}}).'
            found.append(Problem(RequiredMissing, "is required, and was not given.", id, where, site_of(node), hint))
    return found


def _deadlines(given: Any, signals: Mapping[str, Any], id: Id | None, site: Site | None) -> list[Problem]:
    found = []
    for signal in given if isinstance(given, Mapping) else ():
        if signal not in signals:
            what = f"has a deadline for the signal {signal!r}, which the system does not have."
            what = what if id is not None else f"The system {what}"
            hint = _text.hint_near(signal, signals, what="signal")
            found.append(Problem(BadComponent, what, id, ("deadlines", signal) if id is not None else (), site, hint))
    return found


def _limits(definition: Definition) -> list[Problem]:
    limits = definition.options.limits
    found = []
    for group in limits if isinstance(limits, Mapping) else ():
        if group != "*" and group not in definition.groups:
            hint = _text.hint_near(group, definition.groups, what="group") + ' "*" is the whole system.'
            what = f"The system has a limit for the group {_text.quote(group)}, and there is no such group."
            found.append(Problem(BadComponent, what, hint=hint))
    return found


def _handlers(graph: Graph, i: int, spec: Spec, signals: Mapping[str, Any]) -> list[Problem]:
    found = _deadlines(spec.deadlines, signals, graph.ids[i], site_of(graph.nodes[i]))
    for slot, table in (("handlers", spec.handlers), ("pre", spec.pre), ("post", spec.post)):
        for signal in table:
            if signal not in signals:
                what = f"has a handler for the signal {signal!r}, which the system does not have."
                near = _text.hint_near(signal, signals, what="signal")
                hint = f"{near} A signal of your own is a row: System(..., signals=[Signal(...)])."
                problem = Problem(BadComponent, what, graph.ids[i], (slot, signal), site_of(graph.nodes[i]), hint)
                found.append(problem)
            elif slot == "handlers" and signal in ("start", "stop"):
                what = f"has a {signal} among its further handlers."
                hint = f"Give it as the slot {signal}."
                found.append(Problem(BadComponent, what, graph.ids[i], (slot, signal), site_of(graph.nodes[i]), hint))
    return found


def _arguments(id: Id, node: Component[Any]) -> list[Problem]:
    parameters = node._spec.parameters
    missing, unknown = parameters.complaints(node._config)
    if node._spec.is_value:
        unknown = list(node._config)
    elif parameters.context in node._config:
        unknown.append(str(parameters.context))
    found = []
    target = "The component's start" if node._spec.is_value else refs.name_of(node._spec.target)
    takes = f"It takes: {', '.join(parameters.names) or 'nothing'}."
    for name in missing:
        what = f"{target} needs {_text.quote(name)}, and it is not in the config."
        found.append(Problem(BadArguments, what, id, ("config", name), node.site, takes, {"missing": [name]}))
    for name in unknown:
        what = f"{target} does not take {_text.quote(name)}."
        close = _text.near(name, parameters.names)
        hint = f"Did you mean {_text.either(close)}? {takes}" if close else takes
        found.append(Problem(BadArguments, what, id, ("config", name), node.site, hint, {"unknown": [name]}))
    return found


__all__ = ["ATOMS", "FLAT", "check"]
