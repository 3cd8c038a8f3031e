"""From a definition as it is written to the one that the graph, the checks and the engine see.

Three things are written once and hold for many components: a base, a subsystem, a wrapper. Each becomes plain components, so
that nothing behind this module knows of them: the base is merged under every component, the parts of a subsystem get ids of
the whole system, and handlers are replaced by wrapped ones.
"""

from __future__ import annotations

from ..errors import Problem
from .model import Definition, Subsystem


def expanded(definition: Definition) -> Definition:
    """The definition with its base, its subsystems and its wrappers worked in. Made once for each definition.

    What is wrong with them is kept for the checks.
    """
    if "expanded" in definition.cache:
        known: Definition = definition.cache["expanded"]
        return known
    found, nested = definition, False
    for nodes in definition.groups.values():
        nested = nested or Subsystem in set(map(type, nodes.values()))
    if nested or definition.base is not None or definition.wraps:
        # Most systems have none of them, and need not wait for what is loaded here.
        from .inline import worked_in

        found = worked_in(definition, nested, expanded)
    found.cache["expanded"] = found
    # Of two threads that come at once one has made it for good, since positions and specs are those of this one.
    made: Definition = definition.cache.setdefault("expanded", found)
    return made


def expansion_problems(definition: Definition) -> list[Problem]:
    """What was found wrong while a definition was expanded."""
    problems: list[Problem] = definition.cache.get("expansion", [])
    return problems


__all__ = ["expanded", "expansion_problems"]
