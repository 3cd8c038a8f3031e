"""The face: `System`, a definition that can be started."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import _text
from ._core import refs
from ._core.callables import Id
from ._core.check import check
from ._core.expand import expanded
from ._core.graph import Graph, graph_of, listed, selected
from ._core.groups import groups_of, signals_of
from ._core.model import (
    Component,
    Definition,
    Options,
    Origins,
    Signal,
    Subsystem,
    Unfinished,
    parse_path,
)
from ._core.plan import Plan
from ._core.refs import Path, Unreachable, Within, parts_of
from ._core.run import OnFailure
from ._engine.events import Observer
from .errors import (
    BadOverride,
    DefinitionError,
    Problem,
    StateError,
    StopError,
    UnknownComponent,
)
from .live import Live, row_of

if TYPE_CHECKING:
    # What only looks back is loaded when somebody looks: importing the package is to cost next to nothing.
    from ._cache import InstanceCache
    from ._core.diff import Diff
    from ._core.model import BaseSlots
    from ._core.plugins import Plugin, PluginReport
    from ._core.select import Selection
    from ._describe import Description
    from ._engine.aio import Body
    from ._engine.wrap import Wrapper

T = TypeVar("T")


def _as_written(path: Path) -> Path:
    # An id of the whole system has the way through subsystems in its group.
    return (*parts_of(path[0]), *path[1:]) if isinstance(path[0], Within) else path


def _written_at(value: Any, path: Path, at: int) -> Any:
    """What is written at a place, of which a value stands where the first parts of the path lead."""
    try:
        return refs.copied(refs.written_at(value, path[at:]))
    except Unreachable as error:
        raise UnknownComponent(f"There is no {_text.dotted(path)}: {error}") from None


def _system_of(name: str) -> System:
    from importlib import import_module

    # It has to know what a system is, and so stands further out.
    found: System = import_module("._named", __package__).named(name)
    return found


class System(Unfinished):
    """An application as data: groups of components and constants. Immutable; every change gives a new system.

    Parameters:
        groups: names of groups to mappings of names to components and constants.
        signals: rows for the signal table, beside start, stop, suspend, resume and status.
        deadlines: seconds that a handler may take, for all components that do not say so themselves: a number, or numbers
            by signal.
        limits: how many handlers may be called at once: a number for the whole system, or numbers by group, with "*" for the
            whole system; no limit if not given. One with nothing but sync handlers and no workers calls one at a time.
        workers: how many threads there are for sync handlers; with 0 they are called one after the other in the thread that asks.
        name: what the system is called.
        base: what is merged under every component: slots by name, `config` among them. See `with_base`.
        plugins: one or several, applied in the order given. See `with_plugins`.

    Raises:
        DefinitionError: something in the groups cannot stand there. References are looked at later, by `check` and `start`.

    Example:
        >>> from mainspring import Component, System, ref
        >>> system = System({
        ...     "env": {"greeting": "Hello"},
        ...     "app": {"message": Component("{} {}".format, config={})},
        ... })
        >>> system
        <System: env.greeting, app.message>
    """

    __slots__ = ("_definition",)

    misplaced = (
        "a whole system stands where only one of its components could",
        "Write subsystem(system), which is one component, in a group; or opaque(system) to hand on the system itself.",
    )

    def __init__(
        self,
        groups: Mapping[str, Mapping[str, Any]],
        *,
        signals: Iterable[Signal] = (),
        deadlines: float | Mapping[str, float] | None = None,
        limits: int | Mapping[str, int] | None = None,
        workers: int = 0,
        name: str | None = None,
        base: BaseSlots | Mapping[str, Any] | None = None,
        plugins: Plugin | str | Iterable[Plugin | Callable[[System], System] | str] = (),
    ) -> None:
        table = signals_of(signals)
        options = Options.checked(name, deadlines, limits, workers)
        self._definition = Definition(groups_of(groups), table, options)
        if base is not None:
            self._definition = self.with_base(base)._definition
        if plugins != ():
            from ._plugins import with_plugins

            self._definition = with_plugins(self, plugins)._definition

    @classmethod
    def _of(cls, definition: Definition) -> System:
        self = object.__new__(cls)
        self._definition = definition
        return self

    @property
    def name(self) -> str | None:
        """What the system is called."""
        return self._definition.name

    @property
    def groups(self) -> Mapping[str, Mapping[str, Any]]:
        """Components and constants by group and name, as `System` takes them."""
        return {
            group: {
                name: node if isinstance(node, Component) else refs.copied(node._value) for name, node in nodes.items()
            }
            for group, nodes in self._definition.groups.items()
        }

    @property
    def signals(self) -> Mapping[str, Signal]:
        """The signal table."""
        return MappingProxyType(dict(self._definition.signals))

    def __getitem__(self, id: str | Id) -> Any:
        """The definition or constant under an id; with a longer path, a part of a constant, or what is inside of a subsystem.

        Raises:
            UnknownComponent: there is none.
        """
        path = _as_written(parse_path((id,), "An id"))
        groups = self._definition.groups
        if len(path) < 2 or path[0] not in groups or path[1] not in groups[str(path[0])]:
            raise graph_of(self._definition).unknown(path)
        node = groups[str(path[0])][str(path[1])]
        if isinstance(node, Component):
            if isinstance(node, Subsystem) and len(path) > 3:
                return self._inside(node, path)
            if len(path) > 2:
                raise graph_of(self._definition).unknown(path)
            return node
        return _written_at(node._value, path, 2)

    def _inside(self, node: Subsystem, path: Path) -> Any:
        """What is written inside of a subsystem, with what it imports."""
        place = tuple(map(str, path[2:]))
        below: dict[Path, Any] = {}
        nearest: tuple[int, Any] = (0, None)
        for name, value in node._config.items():
            to = parse_path((name,), "An import")
            n = min(len(to), len(place))
            if tuple(map(str, to[:n])) != place[:n]:
                continue
            if len(to) > n:
                below[to] = value
            elif n > nearest[0]:
                nearest = n, value
        n, value = nearest
        if n:
            return _written_at(value, path, 2 + n)
        definition = node._definition
        if below:
            from ._core import compose

            try:
                definition = compose.override(definition, below)
            except DefinitionError:
                pass  # told by the checks; what was written is there all the same
        try:
            return System._of(definition)[place]  # type: ignore[index]
        except UnknownComponent:
            raise graph_of(self._definition).unknown(path) from None

    def inner(self, id: str | Id) -> System:
        """The system inside of a subsystem, as it is written: what it imports is not put in.

        Parameters:
            id: the subsystem.

        Raises:
            UnknownComponent: there is no subsystem of that id.

        Example:
            >>> from mainspring import subsystem
            >>> System({"app": {"shop": subsystem(System({"env": {"port": 80}}))}}).inner("app.shop")
            <System: env.port>
        """
        node = self[id]
        if not isinstance(node, Subsystem):
            raise UnknownComponent(f"{id} is no subsystem.")
        return System._of(node._definition)

    def __iter__(self) -> Iterator[Id]:
        """Every id, in the order as written."""
        return (Id(group, name) for group, nodes in self._definition.groups.items() for name in nodes)

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, str | tuple):
            return False
        path = _as_written(parse_path((id,), "An id"))
        groups = self._definition.groups
        if len(path) < 2 or path[0] not in groups or path[1] not in groups[str(path[0])]:
            return False
        node = groups[str(path[0])][str(path[1])]
        if isinstance(node, Subsystem) and len(path) > 3:
            return path[2:] in System._of(node._definition)
        return len(path) == 2

    def __len__(self) -> int:
        return sum(map(len, self._definition.groups.values()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, System):
            return NotImplemented
        return self._definition.same(other._definition)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        ids = [str(id) for id in self]
        shown = ", ".join(ids if len(ids) <= 8 else [*ids[:6], f"... {len(ids)} in all"])
        return f"<System{' ' + self.name if self.name else ''}: {shown or 'empty'}>"

    # --- composing ---

    @classmethod
    def named(cls, name: str) -> System:
        """The system of a name: registered with `named_system`, or listed in `[tool.mainspring]` of pyproject.toml.

        Parameters:
            name: the name; or where a system is, as `package.module:attribute`.

        Raises:
            UnknownSystem: there is none, or it cannot be had.
        """
        return _system_of(name)

    def override(self, changes: Mapping[Any, Any] | Callable[[System], System]) -> System:
        """The same system with parts exchanged.

        Parameters:
            changes: new values by path. `"db.pool"` names a component or constant as a whole, `"db.pool.stop"` one handler,
                `"db.pool.config.max_size"` one argument, `"env.http.port"` a place inside a constant. What a path names must
                exist. Under the name of a group, mappings reach in: `{"db": {"pool": {"config": {"max_size": 3}}}}`.
                `adjust(function)` stands for what the function makes of the old value. Or a function from the whole system
                to another.

        Returns:
            A new system.

        Raises:
            BadOverride: with every path that names nothing, and the nearest that would; or the function gave no System.

        Example:
            >>> system = System({"env": {"http": {"port": 80, "host": "a"}}})
            >>> system.override({"env.http.port": 8080})["env.http"]
            {'port': 8080, 'host': 'a'}
        """
        if callable(changes) and not isinstance(changes, Mapping):
            changed = changes(self)
            if not isinstance(changed, System):
                what = f"{refs.name_of(changes)} was to make a system of this one, and gave {refs.article(changed)}."
                raise BadOverride([Problem(BadOverride, what, hint="Let it return a System.")])
            return changed
        from ._core import compose

        return System._of(compose.override(self._definition, changes))

    def add(self, additions: Mapping[Any, Any]) -> System:
        """The same system with more in it.

        Parameters:
            additions: by path, as for `override`: components and constants, keys of constants, arguments, handlers. What a path
                names must not exist; what it is added to must.

        Returns:
            A new system.

        Raises:
            BadOverride: with every path that exists already, or leads nowhere.

        Example:
            >>> System({"env": {"port": 80}}).add({"env.host": "a"})["env.host"]
            'a'
        """
        from ._core import compose

        return System._of(compose.add(self._definition, additions))

    def with_base(self, base: BaseSlots | Mapping[str, Any]) -> System:
        """The same system with something merged under every component.

        What a component says itself counts. Handlers by name (pre, post, those of signals) are added to its own, and its tags
        to its tags. A value in the base's config goes to the components that have a parameter of that name and give no value to
        it, or say `required`. Constants are left alone, and so are the parts of subsystems, which may have a base of their own.

        Parameters:
            base: slots by name, as for `Component`, and `config`. It is put over the base that there is.

        Returns:
            A new system.

        Raises:
            BadComponent: there is no such slot, or the slots do not fit together.
            BadArguments: the config is not a mapping, or holds what cannot be part of a definition.

        Example:
            >>> from mainspring import Component
            >>> system = System({"a": {"b": Component(list)}}).with_base({"post": {"start": {"say": print}}})
            >>> with system.started():
            ...     pass
            []
        """
        from ._core.base import Base

        over = Base(base).over(self._definition.base)
        return System._of(self._definition.replace(base=over if over.slots else self._definition.base))

    def scrubbed(self, text: str) -> str:
        """A text with the secrets of the system masked: for what others say, such as the exceptions of components.

        Parameters:
            text: any text.

        Returns:
            The text, with `***` in the place of each value that is a `Secret` in the system, or a secret of pydantic, also where
            it is quoted; and of the password of a URL that is one. Those of fewer than four characters are left alone.

        Example:
            >>> from mainspring import Secret
            >>> System({"env": {"key": Secret("hunter2")}}).scrubbed("bad key: 'hunter2'")
            "bad key: '***'"
        """
        return self.describe().scrubbed(text)

    def with_origins(self, origins: Origins | None) -> System:
        """The same system, knowing where what is in it was written: so that problems are told with their places in files.

        Parameters:
            origins: says it; `None` for nothing.

        Returns:
            A new system, equal to this one.
        """
        return System._of(self._definition.replace(origins=origins))

    @property
    def origins(self) -> Origins | None:
        """What knows where the system was written, where it was made from files."""
        return self._definition.origins

    def with_plugins(self, *plugins: Plugin | Callable[[System], System] | str) -> System:
        """The same system with plugins applied, in the order given.

        Parameters:
            plugins: a `Plugin`, a function from system to system, or the name of an installed plugin: of an entry point of the
                group `mainspring.plugins`.

        Returns:
            A new system.

        Raises:
            BadPlugin: one does not fit, or was applied before.
            UnknownPlugin: no plugin of that name is installed.

        Example:
            >>> from mainspring import Plugin
            >>> defaults = Plugin("defaults", defaults={"env": {"port": 80, "host": "a"}})
            >>> System({"env": {"port": 8080}}).with_plugins(defaults)["env.host"]
            'a'
        """
        from ._plugins import with_plugins

        return with_plugins(self, plugins)

    def explain_plugins(self) -> PluginReport:
        """What each plugin changed, in the order in which they were applied.

        Returns:
            What each of them did, as data; as text, a line for each change.

        Example:
            >>> from mainspring import Plugin
            >>> defaults = Plugin("defaults", defaults={"env": {"port": 80, "host": "a"}})
            >>> print(System({"env": {"port": 8080}}, plugins=[defaults]).explain_plugins())
            defaults
              + env.host: 'a'
        """
        from ._core.plugins import explain

        return explain(self._definition)

    def wrap(self, wrapper: Wrapper, select: Selection = None, *, signals: Iterable[str] | None = None) -> System:
        """The same system with a function around every call of a handler.

        Parameters:
            wrapper: a generator function, which runs the handler where it yields; a function, which calls it; or a coroutine
                function, which awaits it. It gets a `HandlerCall`.
            select: around the handlers of what: an id, a group, a pattern, a tag, or several of them; everything if not given.
                What is switched off counts, and is wrapped once it is on.
            signals: around the handlers of which signals; all if not given.

        Returns:
            A new system. A wrapper that is added later is outside of those that were there.

        Raises:
            UnknownComponent: a part of the selection names nothing.
            UnknownSignal: there is none of that name.

        Example:
            >>> from mainspring import Component
            >>> def loud(call):
            ...     print(call.signal, call.id)
            ...     return (yield)
            >>> with System({"a": {"b": Component(list)}}).wrap(loud).started():
            ...     pass
            start a.b
        """
        from ._engine.wrap import Wrapping, check_names

        definition = self._definition
        # Which components and signals there are, wrappers do not change: what is worked out for the first one serves for all.
        bare = definition if not definition.wraps else definition.cache.get("bare") or definition.replace(wraps=())
        select = None if select is None else listed(select)
        if select is not None:
            check_names(graph_of(bare), select)
        signals = None if signals is None else (signals,) if isinstance(signals, str) else tuple(signals)
        for signal in signals or ():
            row_of(expanded(bare), signal)
        made = definition.replace(wraps=(*definition.wraps, Wrapping(wrapper, select, signals)))
        made.cache["bare"] = bare
        return System._of(made)

    def diff(self, new: System | str) -> Diff:
        """What is different in another system, as both are written.

        Parameters:
            new: the other system, or its name.

        Returns:
            Each change, as data; as text, a line for each.

        Raises:
            BadOverride: `new` is neither a System nor a name.
            UnknownSystem: there is no system of that name.

        Example:
            >>> print(System({"env": {"port": 80}}).diff(System({"env": {"port": 8080}})))
            ~ env.port: 80 -> 8080
        """
        from ._core.diff import diff

        new = _system_of(new) if isinstance(new, str) else new
        if not isinstance(new, System):
            what = f"A system is compared with a System, not with {refs.article(new)}."
            raise BadOverride(
                [Problem(BadOverride, what, hint="Write diff(System({...})), or give the name of a system.")]
            )
        return diff(self._definition, new._definition)

    def merge(self, other: System | str, *, winner: Literal["left", "right"] | None = None) -> System:
        """Two systems as one.

        Parameters:
            other: the second system, or its name.
            winner: whose definition counts where both have an id, a signal, an option or a slot of the base: "left" (this
                one's) or "right" (the other's).

        Returns:
            A new system.

        Raises:
            MergeConflict: both define one of these, differently, and no winner is stated; or the bases of both do not go
                together.
            BadOverride: `other` is neither a System nor a name.
            UnknownSystem: there is no system of that name.

        Example:
            >>> System({"a": {"x": 1}}).merge(System({"a": {"y": 2}}))
            <System: a.x, a.y>
        """
        other = _system_of(other) if isinstance(other, str) else other
        if not isinstance(other, System):
            what = f"A system is merged with a System, not with {refs.article(other)}."
            raise BadOverride(
                [Problem(BadOverride, what, hint="Write merge(System({...})), or give the name of a system.")]
            )
        from ._core import compose

        return System._of(compose.merge(self._definition, other._definition, winner))

    def select(self, select: Selection) -> System:
        """The part of the system that consists of some components and everything they need.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them. Nothing selected gives an empty system.

        Returns:
            A new system.

        Raises:
            UnknownComponent: a part of the selection names nothing.

        Example:
            >>> from mainspring import Component, ref
            >>> web = Component(dict, config={"port": ref("env.port")})
            >>> System({"env": {"port": 80, "dsn": "..."}, "app": {"web": web}}).select("app.web")
            <System: env.port, app.web>
        """
        from ._core.cut import part_of

        graph = graph_of(self._definition)
        return System._of(part_of(self._definition, graph, selected(graph, select)))

    # --- looking ---

    def check(self) -> list[Problem]:
        """Look for problems. Starts nothing.

        Returns:
            Every problem of the definition at once, in the order as written; empty where there is none.

        Example:
            >>> from mainspring import Component, ref
            >>> print(System({"app": {"web": Component(dict, config={"db": ref("db.pool")})}}).check()[0].what)
            refers to db.pool, and there is no group db.
        """
        return check(self._definition)

    def graph(self) -> Graph:
        """Which component refers to which.

        Returns:
            What is needed and by what, to be asked or drawn.

        Raises:
            DefinitionError: the definition has problems.
        """
        self._sound()
        return graph_of(self._definition)

    def plan(self, signal: str = "start", select: Selection = None) -> Plan:
        """The steps that a signal means, in order, each with the reason for its place. Runs nothing.

        Parameters:
            signal: a name in the signal table.
            select: an id, a group, a pattern, a tag, or several of them; everything if not given.

        Returns:
            The steps, as data; as text, a line for each.

        Raises:
            DefinitionError: the definition has problems.
            UnknownSignal, UnknownComponent: there is none of that name.
        """
        self._sound()
        graph = graph_of(self._definition)
        row = row_of(expanded(self._definition), signal)
        return Plan(graph, row, selected(graph, select), deadlines=self._definition.deadlines)

    def describe(self) -> Description:
        """What the system is made of, with secrets masked. Starts nothing.

        Returns:
            An entry for each component and constant, by id; as text, all of them.
        """
        from ._describe import Description

        return Description(self._definition, None)

    def _sound(self) -> None:
        problems = check(self._definition)
        if problems:
            raise DefinitionError.of(problems)

    # --- running ---

    def start(
        self,
        select: Selection = None,
        *,
        on_failure: OnFailure = "rollback",
        observers: Iterable[Observer] = (),
        cache: InstanceCache | None = None,
    ) -> Live:
        """Start the system, or a selection and what it needs, in dependency order.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them; everything if not given. An empty one starts nothing.
            on_failure: "rollback" stops again what was started; "keep" leaves it running, for the REPL.
            observers: are told every change of state, from the first on.
            cache: keeps the components that are marked as cached, beyond the stop of this system.

        Returns:
            The live system.

        Raises:
            DefinitionError: with every problem of the definition; nothing was started.
            StartError: a handler failed; its `live` is the system as it is.

        Example:
            >>> live = System({"env": {"port": 80}}).start()
            >>> live["env.port"]
            80
            >>> _ = live.stop()
        """
        select = select if cache is None or select is None else listed(select)  # it is looked at twice
        live = self._live(observers, cache, None if cache is None else cache.fill(self._definition, select))
        try:
            live.start(select, on_failure=on_failure)
        except Exception:
            raise
        except BaseException:
            live.stop()  # a Ctrl-C right after the start was done: nobody will ever have this live system
            raise
        return live

    async def astart(
        self,
        select: Selection = None,
        *,
        on_failure: OnFailure = "rollback",
        observers: Iterable[Observer] = (),
        cache: InstanceCache | None = None,
    ) -> Live:
        """As `start`, awaited, on asyncio or trio; independent async handlers run concurrently.

        Example:
            >>> import asyncio
            >>> async def main():
            ...     live = await System({"env": {"port": 80}}).astart()
            ...     print(live["env.port"])
            ...     await live.astop()
            >>> asyncio.run(main())
            80
        """
        select = select if cache is None or select is None else listed(select)
        live = self._live(observers, cache, None if cache is None else await cache.afill(self._definition, select))
        try:
            await live.astart(select, on_failure=on_failure)
        except Exception:
            raise
        except BaseException:
            await live._astop_at_last()
            raise
        return live

    def started(
        self,
        select: Selection = None,
        *,
        on_failure: OnFailure = "rollback",
        observers: Iterable[Observer] = (),
        cache: InstanceCache | None = None,
    ) -> Started:
        """The system for the time of a `with` or `async with` block: started before it, stopped after it, whatever happens.

        Parameters:
            select, on_failure, observers, cache: as for `start`.

        Returns:
            A context manager, sync and async, that gives the live system. At its end it raises a `CrashError` if a component
            broke that was not to be kept; an `async with` block is cancelled when that is to stop the system.

        Example:
            >>> with System({"env": {"port": 80}}).started() as live:
            ...     live["env.port"]
            80
        """
        return Started(self, select, on_failure, observers, cache)

    def _live(self, observers: Iterable[Observer], cache: InstanceCache | None, filled: Definition | None) -> Live:
        return Live(self if filled is None else System._of(filled), observers, cache=cache, written=self)


class Started:
    """What `System.started` gives."""

    __slots__ = ("_body", "_cache", "_live", "_observers", "_on_failure", "_select", "_system")

    def __init__(
        self,
        system: System,
        select: Selection,
        on_failure: OnFailure,
        observers: Iterable[Observer],
        cache: InstanceCache | None = None,
    ) -> None:
        self._system, self._select, self._observers, self._cache = system, select, observers, cache
        self._on_failure: OnFailure = on_failure
        self._live: Live | None = None
        self._body: Body

    def __enter__(self) -> Live:
        if self._live is not None:
            raise StateError("This context manager was entered before. Call started() for each with statement.")
        system, cache = self._system, self._cache
        if cache is not None and self._select is not None:
            self._select = listed(self._select)
        filled = None if cache is None else cache.fill(system._definition, self._select)
        live = self._live = system._live(self._observers, cache, filled)
        try:
            live.start(self._select, on_failure=self._on_failure)
        except Exception:
            raise
        except BaseException:
            live.stop()
            raise
        return live

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._live is not None
        try:
            self._live.stop()
        except StopError as failed:
            if error is None or isinstance(error, Exception):
                raise
            error.add_note(f"Afterwards: {failed}")
        except BaseException:
            self._live.stop()  # a Ctrl-C right before the stop began; a second stop does nothing
            raise
        if error is None or isinstance(error, Exception):
            self._live._raise_crashes()

    async def __aenter__(self) -> Live:
        from ._engine.aio import Body

        if self._live is not None:
            raise StateError("This context manager was entered before. Call started() for each async with statement.")
        system, cache = self._system, self._cache
        if cache is not None and self._select is not None:
            self._select = listed(self._select)
        filled = None if cache is None else await cache.afill(system._definition, self._select)
        live = self._live = system._live(self._observers, cache, filled)
        try:
            await live.astart(self._select, on_failure=self._on_failure)
            self._body = Body()
            live._on_crash = self._body.cancel
        except Exception:
            raise
        except BaseException:
            await live._astop_at_last()
            raise
        return live

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        is_ours = False
        try:
            is_ours = self._body.leave(error)
            if self._live is not None:
                await self._live.astop()
        except StopError as failed:
            if error is None or is_ours or isinstance(error, Exception):
                raise
            error.add_note(f"Afterwards: {failed}")
        except BaseException:
            if self._live is not None:
                await self._live._astop_at_last()
            raise
        if self._live is not None and (error is None or is_ours or isinstance(error, Exception)):
            self._live._raise_crashes()
        return is_ours
