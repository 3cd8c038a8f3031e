"""From groups and signals as a user writes them to nodes and a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _text
from ..errors import BadArguments, BadComponent, BadId, DefinitionError, Problem
from . import refs
from .callables import Id
from .model import SIGNALS, Component, Constant, Node, Signal, Unfinished, refuse
from .refs import Unfit

Groups = dict[str, dict[str, Node]]


def node_of(value: Any, id: Id) -> Node:
    """What stands under a name, as a node.

    Raises:
        DefinitionError: it cannot stand there.
    """
    if isinstance(value, Component | Constant):
        return value
    if isinstance(value, Unfinished):
        what, hint = (f"{value!r} stands in the system as it is, without having been called", "")
        if value.misplaced is not None:
            what, hint = value.misplaced
        hint = hint or "Call it with its arguments to get a definition."
        raise BadComponent([Problem(BadComponent, f"{what[0].upper()}{what[1:]}.", id, hint=hint)])
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
                elif isinstance(value, Component):
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
