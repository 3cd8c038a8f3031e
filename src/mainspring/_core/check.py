"""All problems of a definition at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from .. import _text
from ..errors import BadArguments, BadComponent, Problem, RequiredMissing, Site
from . import refs
from .callables import Id, context_parameter, signature_of
from .expand import expanded
from .graph import Graph, graph_of, references, site_of, switches
from .model import Component, Constant, Definition, Node, Spec, _overlap
from .refs import ATOMS, FLAT, NESTED, Path, parts_of, scope_of


def check(definition: Definition) -> list[Problem]:
    """Every problem of a definition, in the order as written. Found once for each definition."""
    written, definition = definition, expanded(definition)
    problems = definition.cache.get("problems")
    if problems is None:
        problems = _found(definition)
        if written.base is not None:
            problems = [_from_base(problem, written) for problem in problems]
        if written.origins is not None:
            problems = [_placed(problem, written) for problem in problems]
        definition.cache["problems"] = problems
    return list(problems)


def _at_subsystem(problem: Problem, graph: Graph) -> Problem:
    """A problem, with the place of the subsystem where what is wrong has none of its own, as an import has."""
    scope = () if problem.id is None or problem.site is not None else scope_of(problem.id.group)
    at = graph.find(scope) if scope else None
    return problem if at is None else problem._replace(site=site_of(graph.nodes[at]))


def _placed(problem: Problem, written: Definition) -> Problem:
    """A problem with its place in a file, where what is wrong is still what was written there."""
    id, origins = problem.id, written.origins
    node = written.groups.get(id.group, {}).get(id.name) if id is not None else None
    if id is None or origins is None or node is None:
        return problem
    return origins.placed(problem, node._value if isinstance(node, Constant) else node)


def _from_base(problem: Problem, written: Definition) -> Problem:
    """A problem, with a word where what is wrong was not written in the component, but in the base."""
    id, base = problem.id, written.base
    if id is None or base is None or problem.path[:1] != ("config",) or len(problem.path) < 2:
        return problem
    name = problem.path[1]
    node = written.groups.get(id.group, {}).get(id.name)
    if (
        name not in base.config
        or not isinstance(node, Component)
        or not isinstance(node._config.get(str(name), refs.required), refs.Required)
    ):
        return problem
    return problem._replace(hint=f"{problem.hint} The base of the system gives config.{name}.".strip())


def _found(definition: Definition) -> list[Problem]:
    graph = graph_of(definition)
    problems = list(graph.problems)
    signals = definition.signals
    specs: dict[Spec, int] = {}  # each with the first node that has it
    fitting: dict[int, str] = {}
    has_cached = False
    for i, node in enumerate(graph.nodes):
        if node._shape == NESTED:
            problems += _required(graph, i, node)
        if type(node) is Component:
            spec = node._spec
            if spec not in specs:
                specs[spec] = i
                has_cached = has_cached or spec.cached is not False
                problems += _handlers(graph, i, spec, signals)
                if "fits" not in spec.cache:
                    problems += _callable(graph, i, spec, fitting)
            if not node._bound:
                problems += _arguments(graph.ids[i], node)
    definition.cache["specs"] = specs
    problems += _deadlines(definition.deadlines, signals, None, None)
    problems += _limits(definition, graph)
    if has_cached:
        from .cached import cached_problems

        problems += cached_problems(graph)
    if definition.subsystems:
        problems = [_at_subsystem(problem, graph) for problem in problems]
    if len(problems) > 1:
        place = {Id(g, n): k for k, (g, n) in enumerate((g, n) for g, m in definition.groups.items() for n in m)}
        problems.sort(key=lambda problem: place.get(problem.id, -1) if problem.id is not None else -1)
    return problems


def _required(graph: Graph, i: int, node: Node) -> list[Problem]:
    id = graph.ids[i]
    data, prefix = (node._value, Path()) if isinstance(node, Constant) else (node._config, ("config",))
    found = []
    for path, leaf in refs.walk(data):
        if isinstance(leaf, refs.Required):
            where = (*prefix, *path)
            hint = f'Give it with override({{"{_text.dotted((*id, *where))}": ...}}).'
            site, scope = site_of(node), scope_of(id.group)
            if scope:
                inner = _text.dotted((*parts_of(id.group)[len(scope) :], id.name, *where))
                hint = f'Import it, with subsystem(..., {{"{inner}": ...}}), or g{hint[1:]}'
                handle = graph.find(scope)
                site = site or (None if handle is None else site_of(graph.nodes[handle]))
            what = f"is required, and was not given{_who_needs(graph, i, where) if isinstance(node, Constant) else ''}."
            found.append(Problem(RequiredMissing, what, id, where, site, hint))
    return found


def _who_needs(graph: Graph, i: int, where: Path) -> str:
    needs = list(islice(_needs_of(graph, i, where), 6))  # whoever has very many reads the first ones
    if not needs:
        return ", though nothing refers to it"
    return ": " + "; ".join(needs if len(needs) <= 5 else [*needs[:5], "and more"])


def _needs_of(graph: Graph, i: int, where: Path) -> Iterator[str]:
    """Who needs a place in a constant, also through aliases."""
    seen, trail = {i}, [_direct_needs_of(graph, i, where)]
    while trail:
        text, alias, rest = next(trail[-1], ("", -1, ()))
        if not text:
            trail.pop()
            continue
        yield text
        if alias >= 0 and alias not in seen:
            seen.add(alias)
            trail.append(_direct_needs_of(graph, alias, rest))


def _direct_needs_of(graph: Graph, i: int, where: Path) -> Iterator[tuple[str, int, Path]]:
    for j in graph.needed_by[i]:
        id = graph.ids[j]
        switching = ((("enabled",), switch) for switch in switches(graph.nodes[j], id.group))
        # A subsystem needs all that is inside, and nothing in particular.
        others = () if id in graph.subsystems else references(graph.nodes[j])
        for path, reference in chain(switching, others):
            aim = graph.aim(reference, id.group)
            if aim is None or i not in aim.nodes or not _overlap(aim.rest, where):
                continue
            if path:
                verb = "is switched by" if path == ("enabled",) else "needs"
                yield f"{id} {verb} it, in {_text.dotted(path)}", -1, ()
                break
            yield f"{id} is an alias of it", j, where[len(aim.rest) :]


def _callable(graph: Graph, i: int, spec: Spec, fitting: dict[int, str]) -> list[Problem]:
    """The handlers that could not be called with the instance."""
    found: list[Problem] = []
    for slot, handler in spec.all_handlers():
        wrong = fitting.get(id(handler))
        if wrong is None:
            wrong = fitting[id(handler)] = _misfit(handler)
        if wrong:
            what = f"its handler {refs.name_of(handler)}{wrong}, and a handler is called with the instance alone."
            hint = "Let it take one positional argument, and what else it needs from ctx: Context = Context.here."
            path = tuple(slot.split(".", 2))
            path = path if path[0] in ("stop", "resolve", "pre", "post") else ("handlers", slot)
            found.append(Problem(BadComponent, what, graph.ids[i], path, site_of(graph.nodes[i]), hint))
    if not found:
        spec.cache["fits"] = True  # looking at signatures takes long, and a component function is used in many systems
    return found


def _misfit(handler: Any) -> str:
    signature = signature_of(handler)
    try:
        if signature is not None:
            told = context_parameter(handler)
            signature.bind(None, **({told: None} if told is not None else {}))
    except TypeError as error:
        return f"{signature}: {error}"
    return ""


def _deadlines(given: Any, signals: Mapping[str, Any], id: Id | None, site: Site | None) -> list[Problem]:
    found = []
    for signal in given if isinstance(given, Mapping) else ():
        if signal not in signals and signal != "*":
            what = f"has a deadline for the signal {signal!r}, which the system does not have."
            what = what if id is not None else f"The system {what}"
            hint = _text.hint_near(signal, signals, what="signal")
            found.append(Problem(BadComponent, what, id, ("deadlines", signal) if id is not None else (), site, hint))
    return found


def _limits(definition: Definition, graph: Graph) -> list[Problem]:
    limits = definition.options.limits
    found = []
    groups, subsystems = definition.groups, {str(id) for id in definition.subsystems}
    for group in limits if isinstance(limits, Mapping) else ():
        if any(group == str(id) or group.startswith(f"{id}.") for id in graph.off):
            continue  # of a subsystem that is switched off, and not looked into
        if group != "*" and group not in groups and group not in subsystems:
            hint = _text.hint_near(group, groups, what="group") + ' "*" is the whole system.'
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
