"""Applications as systems of components.

Say what the parts are and how they hold together; Mainspring starts, stops and watches them in the right order.

A tour of the rooms, from the inside out; each may import what stands above it, never what stands below:

    _text.py    drawing: strings in, strings out
    errors.py   the error tree
    _core/      the pure centre: definitions, references, graph, checks, plans, and the run machine that decides
    _engine/    the only room that calls handlers: drivers without decisions of their own
    live.py     the handle on what runs: Live
    system.py   the face: System
    runner/     running a system as a process: signals, grace period, exit status
    cli/        the command line

Importing this package loads the standard library only.
"""

from typing import TYPE_CHECKING

from ._core.callables import Context, Id
from ._core.define import ComponentFunction, build, component, is_ref, local_ref, opaque, ref
from ._core.graph import Edge, Graph
from ._core.model import Component, Retry, Signal, State
from ._core.plan import Plan, Step
from ._core.refs import Secret, required
from ._engine.events import Event, Observer
from ._engine.interrupt import interrupt
from .errors import (
    BadArguments,
    BadComponent,
    BadId,
    BadOverride,
    BrokenReference,
    CrashError,
    CycleError,
    DeadlineExceeded,
    DefinitionError,
    Failure,
    Interrupted,
    MainspringError,
    MergeConflict,
    MissingExtra,
    NotStarted,
    Problem,
    ReferenceToOff,
    RequiredMissing,
    RunError,
    SignalError,
    Site,
    StartError,
    StateError,
    StopError,
    UnknownComponent,
    UnknownReference,
    UnknownSignal,
    UpdateError,
    WrongType,
)
from .live import Live
from .system import Started, System

if TYPE_CHECKING:
    from ._describe import Description, Entry
    from ._engine.background import Background, background
    from ._report import Outcome, Report
    from .runner import run

__all__ = [
    "Background",
    "BadArguments",
    "BadComponent",
    "BadId",
    "BadOverride",
    "BrokenReference",
    "Component",
    "ComponentFunction",
    "Context",
    "CrashError",
    "CycleError",
    "DeadlineExceeded",
    "DefinitionError",
    "Description",
    "Edge",
    "Entry",
    "Event",
    "Failure",
    "Graph",
    "Id",
    "Interrupted",
    "Live",
    "MainspringError",
    "MergeConflict",
    "MissingExtra",
    "NotStarted",
    "Observer",
    "Outcome",
    "Plan",
    "Problem",
    "ReferenceToOff",
    "Report",
    "RequiredMissing",
    "Retry",
    "RunError",
    "Secret",
    "Signal",
    "SignalError",
    "Site",
    "StartError",
    "Started",
    "State",
    "StateError",
    "Step",
    "StopError",
    "System",
    "UnknownComponent",
    "UnknownReference",
    "UnknownSignal",
    "UpdateError",
    "WrongType",
    "background",
    "build",
    "component",
    "interrupt",
    "is_ref",
    "local_ref",
    "opaque",
    "ref",
    "required",
    "run",
]


_LATE = {
    "Background": "_engine.background",
    "Description": "_describe",
    "Entry": "_describe",
    "Outcome": "_report",
    "Report": "_report",
    "background": "_engine.background",
    "run": "runner",
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f".{_LATE[name]}", __name__), name)
    found.__module__ = __name__
    globals()[name] = found
    return found


def _publish() -> None:
    # So that tracebacks and reprs name what users import, not where it happens to be written.
    for name in __all__:
        try:
            globals()[name].__module__ = __name__
        except (AttributeError, KeyError, TypeError):
            pass  # an instance, an alias of typing, or one that is loaded later


_publish()
del TYPE_CHECKING, _publish
