"""Applications as systems of components.

Say what the parts are and how they hold together; Mainspring starts, stops and watches them in the right order.

A tour of the rooms, from the inside out; each may import what stands above it, never what stands below:

    _text.py    drawing: strings in, strings out
    errors.py   the error tree
    _core/      the pure centre: definitions, references, graph, checks, plans, and the run machine that decides
    _engine/    the only room that calls handlers: drivers without decisions of their own
    _report.py _describe.py  what a request did, and what a system is made of, for people
    _plugins.py _part.py     applying plugins, and the handle on what runs of a subsystem: Part
    live.py     the handle on what runs: Live
    system.py   the face: System
    _named.py _cache.py      systems by name, and instances that outlive a system: both know the face
    wrappers.py plugins.py   ready-made wrappers and plugins
    config/     systems and settings from files
    runner/     running a system as a process: signals, grace period, exit status
    cli/        the command line

Importing this package loads the standard library only.
"""

from typing import TYPE_CHECKING

from ._core.callables import Context, Id
from ._core.define import (
    ComponentFunction,
    build,
    component,
    is_ref,
    local_ref,
    one_tagged,
    opaque,
    ref,
    subsystem,
    tagged,
)
from ._core.graph import Edge, Graph
from ._core.model import Component, Origins, Retry, Signal, State
from ._core.plan import Plan, Step
from ._core.refs import Secret, required
from ._engine.events import Event, Observer
from ._engine.interrupt import interrupt
from .errors import (
    AmbiguousReference,
    BadArguments,
    BadComponent,
    BadFile,
    BadId,
    BadOverride,
    BadPlugin,
    BadTag,
    BadValue,
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
    UnknownPlugin,
    UnknownProfile,
    UnknownReference,
    UnknownSignal,
    UnknownSystem,
    UpdateError,
    WrongType,
)
from .live import Live
from .system import Started, System

if TYPE_CHECKING:
    from ._cache import InstanceCache
    from ._core.compose import adjust, replicas
    from ._core.diff import Change, Diff
    from ._core.plugins import Plugin, PluginEffect, PluginReport, append, prepend
    from ._describe import Description, Entry
    from ._engine.background import Background, background
    from ._engine.wrap import HandlerCall, Wrapper
    from ._named import NamedSystem, named_system, named_systems
    from ._part import Part
    from ._report import Outcome, Report
    from .runner import run

__all__ = [
    "AmbiguousReference",
    "Background",
    "BadArguments",
    "BadComponent",
    "BadFile",
    "BadId",
    "BadOverride",
    "BadPlugin",
    "BadTag",
    "BadValue",
    "BrokenReference",
    "Change",
    "Component",
    "ComponentFunction",
    "Context",
    "CrashError",
    "CycleError",
    "DeadlineExceeded",
    "DefinitionError",
    "Description",
    "Diff",
    "Edge",
    "Entry",
    "Event",
    "Failure",
    "Graph",
    "HandlerCall",
    "Id",
    "InstanceCache",
    "Interrupted",
    "Live",
    "MainspringError",
    "MergeConflict",
    "MissingExtra",
    "NamedSystem",
    "NotStarted",
    "Observer",
    "Origins",
    "Outcome",
    "Part",
    "Plan",
    "Plugin",
    "PluginEffect",
    "PluginReport",
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
    "UnknownPlugin",
    "UnknownProfile",
    "UnknownReference",
    "UnknownSignal",
    "UnknownSystem",
    "UpdateError",
    "Wrapper",
    "WrongType",
    "adjust",
    "append",
    "background",
    "build",
    "component",
    "interrupt",
    "is_ref",
    "local_ref",
    "named_system",
    "named_systems",
    "one_tagged",
    "opaque",
    "prepend",
    "ref",
    "replicas",
    "required",
    "run",
    "subsystem",
    "tagged",
]


_LATE = {
    "Background": "_engine.background",
    "Change": "_core.diff",
    "Description": "_describe",
    "Diff": "_core.diff",
    "Entry": "_describe",
    "HandlerCall": "_engine.wrap",
    "InstanceCache": "_cache",
    "NamedSystem": "_named",
    "Outcome": "_report",
    "Part": "_part",
    "Plugin": "_core.plugins",
    "PluginEffect": "_core.plugins",
    "PluginReport": "_core.plugins",
    "Report": "_report",
    "Wrapper": "_engine.wrap",
    "adjust": "_core.compose",
    "append": "_core.plugins",
    "background": "_engine.background",
    "named_system": "_named",
    "named_systems": "_named",
    "prepend": "_core.plugins",
    "replicas": "_core.compose",
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
