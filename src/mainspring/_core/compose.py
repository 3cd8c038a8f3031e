"""Putting definitions together: pure functions from definitions to definitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from .. import _text
from ..errors import BadArguments, BadComponent, BadId, BadOverride, DefinitionError, MergeConflict, Problem
from . import refs
from .callables import Id
from .graph import Graph, closure, references, switches
from .model import (
    ABSENT,
    SHORTHANDS,
    SIGNALS,
    SLOTS,
    Component,
    Constant,
    Definition,
    Node,
    Options,
    Signal,
    Unfinished,
    freeze_value,
    frozen_config,
    parse_path,
    refuse,
)
from .refs import LocalRef, Path, Ref, Unfit, Unreachable

Groups = dict[str, dict[str, Node]]


def node_of(value: Any, id: Id) -> Node:
    """What stands under a name, as a node.

    Raises:
        DefinitionError: it cannot stand there.
    """
    if type(value) is Component:
        return value
    if isinstance(value, Constant):
        return value
    if isinstance(value, Unfinished):
        what = f"{value!r} stands in the system as it is, without having been called."
        raise BadComponent([Problem(BadComponent, what, id, hint="Call it with its arguments to get a definition.")])
    try:
        return Constant(refs.freeze(value, refuse))
    except Unfit as unfit:
        what = f"As a constant: {unfit.what}."
        raise BadArguments([Problem(BadArguments, what, id, unfit.path, hint=unfit.hint)]) from None


def groups_of(given: Mapping[str, Mapping[str, Any]]) -> Groups:
    """Groups as a user writes them, as nodes.

    Raises:
        DefinitionError: with everything that cannot stand where it does.
    """
    problems: list[Problem] = []
    groups: Groups = {}
    if not isinstance(given, Mapping):
        raise BadId([Problem(BadId, f"A system is made of groups, a mapping, not of {given!r}.")])
    for group, members in given.items():
        if not isinstance(group, str) or not group:
            problems.append(Problem(BadId, f"{group!r} cannot name a group.", hint="Use text that is not empty."))
        elif not isinstance(members, Mapping):
            kind = "a component" if isinstance(members, Component) else f"{members!r}"
            what = f"The group {_text.quote(group)} is {kind}, not a mapping of names to components and constants."
            problems.append(Problem(BadId, what, hint=f'Write {{"{group}": {{"name": ...}}}}.'))
        else:
            nodes: dict[str, Node] = {}
            groups[group] = nodes
            for name, value in members.items():
                if type(name) is not str or not name:
                    what = f"{name!r} cannot name a component in the group {_text.quote(group)}."
                    problems.append(Problem(BadId, what, hint="Use text that is not empty."))
                elif type(value) is Component:
                    nodes[name] = value
                else:
                    try:
                        nodes[name] = node_of(value, Id(group, name))
                    except DefinitionError as error:
                        problems += error.problems
    if problems:
        raise DefinitionError.of(problems)
    return groups


def signals_of(given: Iterable[Signal]) -> dict[str, Signal]:
    """The signal table: ours and the user's rows.

    Raises:
        BadComponent: a name is taken.
    """
    table = dict(SIGNALS)
    for row in given:
        if row.name in table:
            what = f"The signal {row.name!r} is in the table already."
            raise BadComponent([Problem(BadComponent, what, hint="Give your signal a name of its own.")])
        table[row.name] = row
    return table


# --- override ---------------------------------------------------------------------------------------------------------


def override(definition: Definition, changes: Mapping[Any, Any]) -> Definition:
    """The same system with parts exchanged.

    Raises:
        BadOverride: with every path that names nothing.
    """
    groups = dict(definition.groups)
    owned: set[str] = set()
    problems: list[Problem] = []
    for path, value in _changes(changes, groups, problems):
        group, name = str(path[0]), str(path[1])
        id = Id(group, name)
        if group not in groups or name not in groups[group]:
            problems.append(_nothing(path, groups, guess=len(problems) < 20))
            continue
        try:
            node = _changed(groups[group][name], id, path, value)
        except _Bad as bad:
            problems.append(_problem(bad.what, path, id, bad.hint, bad.candidates))
            continue
        except DefinitionError as error:
            problems += [p._replace(id=p.id or id, path=p.path or tuple(path[2:])) for p in error.problems]
            continue
        if group not in owned:
            owned.add(group)
            groups[group] = dict(groups[group])
        groups[group][name] = node
    if problems:
        raise DefinitionError.of(problems)
    return definition.with_groups(groups)


def _changes(changes: Mapping[Any, Any], groups: Groups, problems: list[Problem]) -> Iterable[tuple[Path, Any]]:
    for key, value in changes.items():
        try:
            path = parse_path((key,), "The path of an override")
        except DefinitionError as error:
            problems += error.problems
            continue
        if len(path) >= 2:
            yield path, value
        elif str(key) not in groups and not value:
            problems.append(_nothing((*path, ""), groups))
        elif isinstance(value, Mapping):
            yield from (((*path, name), inner) for name, inner in value.items())
        else:
            what = f"names a whole group, and is given {value!r}, which is no mapping."
            problems.append(_problem(what, path, None, "Give a mapping of names in the group.", []))


class _Bad(Exception):
    def __init__(self, what: str, hint: str, candidates: Iterable[str] = ()) -> None:
        self.what, self.hint, self.candidates = what, hint, list(candidates)
        super().__init__(what)


def _problem(what: str, path: Path, id: Id | None, hint: str, candidates: list[str]) -> Problem:
    text = _text.dotted(path)
    details = {"path": text, "candidates": candidates}
    return Problem(BadOverride, f"The override {text} {what}", hint=hint, details=details)


def _nothing(path: Path, groups: Groups, guess: bool = True) -> Problem:
    group, name = str(path[0]), str(path[1])
    if not guess:
        return _problem("names nothing that exists.", path, None, "", [])
    if group not in groups:
        what, candidates = f"names the group {_text.quote(group)}, which does not exist.", list(groups)
        hint = _text.hint_near(group, candidates, what="group in this system")
    else:
        what, candidates = f"names {Id(group, name)}, which does not exist.", list(groups[group])
        close = [str(Id(group, other)) for other in _text.near(name, candidates)]
        listed = _text.hint_near(name, candidates, what="component in the group")
        hint = f"Did you mean {_text.either(close)}?" if close else f"The group {_text.quote(group)}: {listed}"
    path = tuple(part for part in path if part != "")
    return _problem(what, path, None, hint, _text.near(str(path[-1]), candidates))


def _changed(node: Node, id: Id, path: Path, value: Any) -> Node:
    if len(path) == 2:
        return node_of(value, id)
    if isinstance(node, Constant):
        return Constant(_set_in(node._value, path, 2, _frozen(value, path)))
    slot, rest = str(path[2]), path[3:]
    if slot == "config":
        return _changed_config(node, path, value)
    spec = node._spec
    if slot in ("start", "stop") and spec.scope is not None:
        hint = f"Override {id}.scope, or the component as a whole."
        raise _Bad(f"names the {slot} of a component that has start and stop in one, its scope.", hint)
    if slot == "scope" and spec.scope is None:
        raise _Bad(
            "names the scope of a component that has a start.", f"Override {id}.start, or the component as a whole."
        )
    if slot in SHORTHANDS or (slot == "handlers" and len(rest) == 1):
        signal = slot if slot in SHORTHANDS else str(rest[0])
        if signal not in spec.handlers:
            what = f"names a handler for {signal}, and the component has none."
            raise _Bad(
                what, _text.hint_near(signal, spec.handlers, what="handler besides start and stop"), spec.handlers
            )
        return node.replace(handlers={**spec.handlers, signal: value})
    if slot not in SLOTS:
        if slot in node._config or slot in spec.parameters.accepts:
            raise _Bad(
                f"names the slot {_text.quote(slot)}, and a component has none.",
                f"Did you mean {_text.dotted((*id, 'config', *path[2:]))}?",
            )
        known = [*SLOTS, *SHORTHANDS, "config"]
        raise _Bad(
            f"names the slot {_text.quote(slot)}, and a component has none.", _text.hint_near(slot, known, what="slot")
        )
    if not rest:
        return node.replace(**{slot: value})
    if slot not in ("pre", "post", "deadlines"):
        raise _Bad(f"reaches into the slot {slot}, which has no parts.", f"Override {id}.{slot} as a whole.")
    old = getattr(spec, slot)
    return node.replace(**{slot: _set_in(dict(old) if isinstance(old, Mapping) else old, path, 3, value)})


def _frozen(value: Any, path: Path) -> Any:
    try:
        return refs.freeze(value, refuse, tuple(path[2:]))
    except Unfit as unfit:
        raise _Bad(f"is given a value that cannot stand there: {unfit.what}.", unfit.hint) from None


def _changed_config(node: Component[Any], path: Path, value: Any) -> Node:
    if len(path) == 3:
        if not isinstance(value, Mapping):
            raise _Bad(f"names a whole config, and is given {value!r}, which is no mapping.", "Give a mapping.")
        return node.replace(config=value)
    config, name = node._config, str(path[3])
    if len(path) == 4 and name not in config:
        parameters = node._spec.parameters
        if not parameters.open and name not in parameters.accepts:
            candidates = list(dict.fromkeys([*config, *parameters.names]))
            what = f"names the parameter {_text.quote(name)}, and the component takes none of that name."
            raise _Bad(what, _text.hint_near(name, candidates, what="parameter"), _text.near(name, candidates))
        config = {**config, name: None}
    changed: Component[Any] = object.__new__(type(node))
    changed._spec, changed._code, changed._instruction = node._spec, node._code, node._instruction
    changed._bound = node._bound
    changed._config, changed._shape = frozen_config(_set_in(config, path, 3, _frozen(value, path)))
    return changed


def _set_in(data: Any, path: Path, at: int, value: Any) -> Any:
    if at == len(path):
        return value
    kind, part = type(data), path[at]
    if kind is refs.Secret:
        return refs.Secret(_set_in(data.reveal(), path, at, value))
    if kind is refs.Build:
        if part in data.kwargs:
            return refs.Build(data.target, data.args, _set_in(data.kwargs, path, at, value))
        if str(part).isdigit() and int(part) < len(data.args):
            return refs.Build(data.target, _set_in(data.args, path, at, value), data.kwargs)
        names = [*data.kwargs, *map(str, range(len(data.args)))]
        raise _into(path, at, data, _text.hint_near(str(part), names, what="argument"))
    if kind in (set, frozenset) or isinstance(data, Ref | LocalRef):
        raise _into(path, at, data, "Override it as a whole.")
    if not isinstance(data, dict | list | tuple):
        raise _into(path, at, data, "Override it as a whole.")
    try:
        old = refs.step_into(data, part)
    except (LookupError, ValueError, AttributeError, TypeError):
        error = Unreachable(path[:at], part, data, refs.names_in(data))
        raise _Bad(f"leads nowhere: {error}", "", error.candidates) from None
    new = _set_in(old, path, at + 1, value)
    if isinstance(data, dict):
        return {**data, (part if part in data else int(part)): new}
    fields: list[Any] = list(getattr(data, "_fields", ()))
    place = fields.index(part) if part in fields else int(part) % len(data)
    parts = [*data[:place], new, *data[place + 1 :]]
    return data._make(parts) if fields else kind(parts)  # type: ignore[union-attr]


def _into(path: Path, at: int, data: Any, hint: str) -> _Bad:
    what = (
        "a secret"
        if isinstance(data, refs.Secret)
        else repr(data)
        if isinstance(data, Ref | LocalRef | refs.Build)
        else ""
    )
    what = what or f"a value of type {type(data).__name__}"
    return _Bad(f"leads nowhere: {_text.dotted(path[:at])} is {what}, without a part {_text.quote(path[at])}.", hint)


# --- merge and select -------------------------------------------------------------------------------------------------


def merge(left: Definition, right: Definition, winner: Literal["left", "right"] | None) -> Definition:
    """Two systems as one.

    Raises:
        MergeConflict: both define an id or a signal, differently, and no winner is stated.
    """
    if winner not in (None, "left", "right"):
        raise ValueError(f"winner must be 'left', 'right' or None, not {winner!r}")
    groups = dict(left.groups)
    problems: list[Problem] = []
    for group, members in right.groups.items():
        if group not in groups:
            groups[group] = members
            continue
        merged = dict(groups[group])
        for name, node in members.items():
            if name not in merged or winner == "right":
                merged[name] = node
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
    if problems:
        raise DefinitionError.of(problems)
    first, second = (right, left) if winner == "right" else (left, right)
    pairs = zip(first.options, second.options, Options(), strict=True)
    chosen: list[Any] = [b if a == default else a for a, b, default in pairs]
    return Definition(groups, signals, Options(*chosen))


_WINNER = 'State who wins, merge(other, winner="left") or winner="right", or rename one of them.'


def _conflict(id: Id, left: Node, right: Node) -> Problem:
    sides = []
    for side, node in (("left", left), ("right", right)):
        site = node.site if isinstance(node, Component) else None
        sides.append(f"{side}: {node!r}" + (f", at {site}" if site else ""))
    what = f"Both systems define it, and differently.\n   {sides[0]}\n   {sides[1]}"
    return Problem(MergeConflict, what, id, hint=_WINNER, details={"id": str(id)})


def select(definition: Definition, graph: Graph, roots: list[int] | None) -> Definition:
    """The part of a system that consists of `roots` and what they need."""
    if roots is None:
        return definition
    kept = {graph.ids[i] for i in closure(roots, graph.needs.__getitem__)}
    for id in list(kept):
        # A reference to what is off stays right only where there still is something that is off.
        node = definition.groups[id.group][id.name]
        targets = [reference.at(id.group).path for _, reference in references(node)]
        kept |= graph.off.keys() & {Id(str(path[0]), str(path[1])) for path in targets if len(path) > 1}
    for id in list(kept):
        node = definition.groups[id.group][id.name]
        kept |= {Id(str(target.path[0]), str(target.path[1])) for target in switches(node, id.group)}
    groups = {
        group: chosen
        for group, members in definition.groups.items()
        if (chosen := {name: node for name, node in members.items() if Id(group, name) in kept})
    }
    return definition.with_groups(groups)


__all__ = ["ABSENT", "freeze_value", "groups_of", "merge", "override", "select", "signals_of"]
