"""Plugins as a user names them: values, functions, and the names under which others have installed theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from . import _text
from ._core.callables import doc_of
from ._core.model import Definition
from ._core.plugins import Plugin, apply, bad_update
from ._core.refs import name_of
from .errors import BadPlugin, DefinitionError, Problem, UnknownPlugin

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .system import System

GROUP: Final = "mainspring.plugins"


def with_plugins(system: System, plugins: Plugin | str | Iterable[Plugin | Callable[[System], System] | str]) -> System:
    """A system with plugins worked in, one after the other.

    Raises:
        BadPlugin: one does not fit the system.
        UnknownPlugin: a name that no installed plugin has.
    """
    # A plain System, as every change of a system gives; its module stands further out than this one.
    kind: type[System] = next(base for base in reversed(type(system).__mro__) if hasattr(base, "_of"))
    definition = system._definition
    given: list[Any]
    if isinstance(plugins, str | Plugin) or callable(plugins) or not isinstance(plugins, Iterable):
        given = [plugins]
    else:
        given = list(plugins)
    for each in given:
        plugin = _plugin(each, definition)
        definition = apply(definition, plugin, partial(_updated, kind, plugin.name))
    return kind._of(definition)


def _updated(kind: type[System], name: str, function: Callable[[System], System], definition: Definition) -> Definition:
    try:
        made: Any = function(kind._of(definition))
    except Exception as error:
        raise _failed(name, error) from error
    if not isinstance(made, kind):
        hint = "It gets a System, and has to return one."
        if isinstance(made, Plugin):
            name = name_of(function)
            hint = f"{name} makes a plugin when it is called: write {name}()."
        raise bad_update(name, f"returned {made!r}, which is no System.", hint)
    return made._definition


def _failed(name: str, error: Exception) -> BadPlugin:
    if isinstance(error, DefinitionError):
        what = f"does not fit the system.\n   {_text.indent(str(error), '   ')}"
    else:
        what = f"raised {type(error).__name__}: {error}"
    return bad_update(name, what)


def _plugin(given: Any, definition: Definition) -> Plugin:
    if isinstance(given, Plugin):
        return given
    if isinstance(given, str):
        return _installed(given)
    if not callable(given) or isinstance(given, type):
        what = f"{given!r} is no plugin."
        hint = "Give a Plugin, a function that takes a System and returns one, or the name of an installed plugin."
        raise BadPlugin([Problem(BadPlugin, what, hint=hint)])
    base = name_of(given)
    if getattr(given, "makes_plugin", False) is True:
        what, hint = f"{base} is no plugin, but makes one.", f"Call it: {base}()."
        raise BadPlugin([Problem(BadPlugin, what, hint=hint)])
    taken = {applied.plugin.name: applied.plugin for applied in definition.applied}
    name, number = base, 2
    while name in taken and taken[name].update is not given:
        # Two functions may have one name; that is no reason to take them for the same.
        name, number = f"{base}-{number}", number + 1
    function: Any = given
    return Plugin(name, doc=doc_of(function), update=function)


def _installed(name: str) -> Plugin:
    from importlib.metadata import entry_points

    points = entry_points(group=GROUP)
    found = {point.value: point for point in points if point.name == name}  # one package may be found in two places
    if not found:
        names = sorted({point.name for point in points})
        near = _text.hint_near(name, names, what="plugin that is installed")
        listed = f" Installed: {', '.join(names)}." if near.startswith("Did you mean") else ""
        raise UnknownPlugin(f"No plugin named {name!r} is installed. {near}{listed}")
    if len(found) > 1:
        sides = _text.either([_origin(point) for point in found.values()], "and")
        what = f"Several installed plugins are named {name!r}: {sides}."
        raise BadPlugin([Problem(BadPlugin, what, hint="Import the one you mean, and give it instead of the name.")])
    return _loaded(*found.values())


def _origin(point: EntryPoint) -> str:
    return point.value + (f" of {point.dist.name}" if point.dist is not None else "")


def _loaded(point: EntryPoint) -> Plugin:
    try:
        made = point.load()
        if not isinstance(made, Plugin) and callable(made):
            made = made()
    except Exception as error:
        what = f"The plugin {point.name} ({_origin(point)}) could not be loaded: {type(error).__name__}: {error}"
        raise BadPlugin([Problem(BadPlugin, what, details={"plugin": point.name})]) from error
    if not isinstance(made, Plugin):
        what = (
            f"The plugin {point.name} ({_origin(point)}) is {made!r}, neither a Plugin nor a function that gives one."
        )
        hint = f"The entry point in the group {GROUP!r} has to name one of them."
        raise BadPlugin([Problem(BadPlugin, what, hint=hint, details={"plugin": point.name})])
    return made


__all__ = ["with_plugins"]
