"""`Live`, the handle on a system that runs."""

from __future__ import annotations

import time
from _thread import allocate_lock, get_ident
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from . import _text
from ._core import refs
from ._core.callables import Id
from ._core.expand import expanded
from ._core.graph import graph_of, listed, selected
from ._core.model import (
    ABSENT,
    CODE,
    START,
    STATES,
    STOP,
    ById,
    Component,
    Constant,
    Definition,
    Signal,
    State,
    parse_path,
)
from ._core.plan import Plan
from ._core.refs import Unreachable
from ._core.run import ABANDONED, FAILED, Machine, OnFailure
from ._engine.events import Event, Observer, Observers
from ._engine.handlers import Store, async_handlers
from ._engine.interrupt import Guard, LoopGuard
from ._engine.sync import drive
from .errors import (
    CrashError,
    Failure,
    Interrupted,
    NotStarted,
    RunError,
    SignalError,
    StartError,
    StateError,
    StopError,
    UnknownComponent,
    UnknownSignal,
    WrongType,
)

if TYPE_CHECKING:
    # What only looks back is loaded when somebody looks: importing the package is to cost next to nothing.
    from ._cache import InstanceCache
    from ._core.select import Selection
    from ._describe import Description
    from ._engine.hosts import Host
    from ._engine.worlds import World
    from ._part import Part
    from ._report import Report
    from .system import System

T = TypeVar("T")

_SUSPENDED: Final = CODE[State.SUSPENDED]


def row_of(definition: Definition, signal: str) -> Signal:
    """A row of the signal table.

    Raises:
        UnknownSignal: there is none of that name.
    """
    row = definition.signals.get(signal)
    if row is None:
        hint = _text.hint_near(signal, definition.signals, what="signal")
        raise UnknownSignal(f"There is no signal {signal!r}. {hint}")
    return row


class Live:
    """A handle on a system that runs: its instances, the state of each component, and the next request.

    Made by `System.start` and `System.started`. Requests are run one at a time; a second one waits, except that a stop makes a
    start that is under way give up. May be used from any thread.
    """

    __slots__ = (
        "__weakref__",
        "_at",
        "_cache",
        "_crashes",
        "_definition",
        "_guard",
        "_host",
        "_is_awaited",
        "_is_concurrent",
        "_joiners",
        "_lock",
        "_observers",
        "_on_crash",
        "_owner",
        "_pending",
        "_report",
        "_requests",
        "_store",
        "_system",
        "_waiting",
        "_written",
    )  # fmt: skip

    def __init__(
        self,
        system: System,
        observers: Iterable[Observer] = (),
        *,
        cache: InstanceCache | None = None,
        written: System | None = None,
    ) -> None:
        system._sound()
        graph = graph_of(system._definition)
        self._system = system
        self._cache, self._written = cache, written or system
        # As the graph has it: with base, subsystems and wrappers worked in.
        self._definition = definition = expanded(system._definition)
        self._store = Store(graph)
        self._store.crash = self._crashed
        self._store.part = self._part
        self._store.shown = self._shown
        self._observers = Observers(tuple(observers))
        self._lock = allocate_lock()
        self._waiting: list[Callable[[], object]] = []  # wake those who wait for their turn in a task
        self._owner: int | None = None
        self._is_awaited = False  # whether the request under way is carried out in an event loop of the caller's
        self._guard: Guard | None = None
        self._at: dict[str, int] = {}
        self._is_concurrent = _needs_host(definition)
        self._host: Host | None = None
        self._crashes: list[Failure] = []  # since the last start
        self._requests = 0  # how many there have been
        self._pending: list[_Pending] = []  # crashes that were not yet dealt with
        self._on_crash: Callable[[], object] | None = None
        self._joiners: list[Callable[[], object]] = []
        from ._report import Report

        self._report = Report(graph, None, {}, 0.0, 0.0, "none", None)

    # --- looking ---

    @property
    def definition(self) -> System:
        """What the system was started from."""
        return self._written

    @property
    def report(self) -> Report:
        """What came of the last request."""
        return self._report

    def __getitem__(self, id: str | Id) -> Any:
        """What others see of a component: `live["db.pool"]`; of a whole group, as a mapping: `live["db"]`.

        Raises:
            UnknownComponent: there is none of that id.
            NotStarted: it has no instance now.
        """
        node = self._at.get(id) if type(id) is str else None
        if node is None:
            return self._find(id)
        value = self._store.instances[node]
        if value is ABSENT or self._store.seen:
            return self._visible(node)
        return value

    def _find(self, id: str | Id) -> Any:
        graph, store = self._store.graph, self._store
        path = graph.canonical(parse_path((id,), "An id"))
        if len(path) == 1 and path[0] in graph.groups:
            members = graph.members(str(path[0]))
            return MappingProxyType(
                {graph.ids[i].name: store.visible(i) for i in members if store.instances[i] is not ABSENT}
            )
        node = graph.position(Id(path[0], str(path[1])) if len(path) > 1 else id)  # type: ignore[arg-type]
        if len(path) == 2 and type(id) is str:
            self._at[id] = node
        value = self._visible(node)
        try:
            return refs.reach(value, path[2:])
        except Unreachable as error:
            from ._describe import is_secret_at

            error.is_secret = error.is_secret or is_secret_at(store, node, error.reached)
            error.reached = path[: 2 + len(error.reached)]
            raise UnknownComponent(f"There is no {_text.dotted(path)}: {error}") from None

    def _visible(self, node: int) -> Any:
        store = self._store
        value = store.visible(node)
        if value is ABSENT:
            constant = store.graph.nodes[node]
            if isinstance(constant, Constant) and not store.graph.needs[node]:
                return refs.thaw(constant._value, lambda reference: reference)
            state = STATES[store.states[node]]
            raise NotStarted(f"{store.graph.ids[node]} has no instance: it is {state}.")
        return value

    def get(self, id: str | Id, type: type[T]) -> T:
        """What others see of a component, checked to be of a type, and known to type checkers as that.

        Parameters:
            id: the component.
            type: a class, as for `isinstance`.

        Raises:
            UnknownComponent, NotStarted: as for `live[id]`.
            WrongType: it is something else.

        Example:
            >>> with System({"env": {"port": 80}}).started() as live:
            ...     live.get("env.port", int)
            80
        """
        value = self[id]
        if not isinstance(value, type):
            shown = _text.dotted(parse_path((id,), "An id"))
            raise WrongType(f"{shown} is {refs.article(value)}, not {_text.a(type.__name__)}.")
        return value

    def state(self, id: str | Id) -> State:
        """What a component is doing.

        Raises:
            UnknownComponent: there is none of that id.
        """
        graph = self._store.graph
        path = graph.canonical(parse_path((id,), "An id"))
        if len(path) == 2 and Id(str(path[0]), str(path[1])) in graph.off:
            return State.DEFINED
        return STATES[self._store.states[graph.position(id)]]

    def meta(self, id: str | Id) -> dict[str, Any]:
        """What the handlers of a component keep of their own, in `ctx.meta`: a dict that lives as long as this handle.

        Raises:
            UnknownComponent: there is none of that id.
        """
        return self._store.meta.setdefault(self._store.graph.position(id), {})

    def _part(self, definition: Definition, path: tuple[str, ...]) -> Part:
        from ._part import Part

        return Part(self, definition, path)

    def _shown(self, node: int) -> dict[str, Any]:
        from ._describe import shown_config

        return shown_config(self._store, node)

    def describe(self) -> Description:
        """What the system is made of and how each part is doing, with secrets masked."""
        from ._describe import Description

        return Description(self._definition, self._store)

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Have `observer` told every change of state from now on.

        Parameters:
            observer: called with an `Event`. One that raises is logged and not told anything more.

        Returns:
            A function that ends this.
        """
        self._observers.all.append(observer)

        def forget() -> None:
            if observer in self._observers.all:
                self._observers.all.remove(observer)

        return forget

    def __repr__(self) -> str:
        count: dict[State, int] = {}
        graph = self._store.graph
        for node, code in zip(graph.nodes, self._store.states, strict=True):
            if isinstance(node, Component):
                count[STATES[code]] = count.get(STATES[code], 0) + 1
        name = f" {self._system.name}" if self._system.name else ""
        return f"<Live{name}: {', '.join(f'{n} {state}' for state, n in count.items()) or 'no components'}>"

    # --- requests ---

    def start(self, select: Selection = None, *, on_failure: OnFailure = "rollback") -> Report:
        """Start what is not running yet: everything, or a selection and what it needs.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them.
            on_failure: "rollback" stops again what this request started; "keep" leaves it running.

        Raises:
            StartError: a handler failed.
            StateError: something that takes part is suspended, abandoned or half broken, and has to be resumed or stopped.
        """
        if self._cache is not None:
            select = None if select is None else listed(select)
            self._cache.fill(self._written._definition, select)
        return self._request(self._to_start(select, on_failure))

    async def astart(self, select: Selection = None, *, on_failure: OnFailure = "rollback") -> Report:
        """As `start`, awaited."""
        if self._cache is not None:
            select = None if select is None else listed(select)
            await self._cache.afill(self._written._definition, select)
        return await self._arequest(self._to_start(select, on_failure))

    def _to_start(self, select: Selection, on_failure: OnFailure) -> _Ask:
        if on_failure not in ("rollback", "keep"):
            raise ValueError(f"on_failure must be 'rollback' or 'keep', not {on_failure!r}")

        def stages() -> list[Plan]:
            plan = self._plan(START, select)
            self._refuse_to_start(plan)
            return [plan]

        return _Ask("start", stages, StartError, on_failure)

    def stop(self, select: Selection = None) -> Report:
        """Stop everything, or a selection and what needs it. What does not run is passed over; every handler is tried.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them.

        Raises:
            StopError: handlers failed. Everything else was stopped all the same.
        """
        guard = self._guard
        if guard is not None and not self._is_inside():
            guard.ask_to_stop()
        return self._request(self._to_stop(select))

    async def astop(self, select: Selection = None) -> Report:
        """As `stop`, awaited. A cancellation comes out of it when everything is stopped, not before."""
        return await self._arequest(self._to_stop(select))

    async def _astop_at_last(self) -> None:
        # After a Ctrl-C right before a stop began, or right after a start was done. Otherwise it finds nothing to do.
        if 1 in self._store.held:
            await self.astop()

    def _to_stop(self, select: Selection) -> _Ask:
        return _Ask("stop", lambda: [self._plan(STOP, select)], StopError)

    def _to_stop_nodes(self, nodes: list[int]) -> _Ask:
        graph, deadlines = self._store.graph, self._definition.deadlines
        return _Ask("stop", lambda: [Plan(graph, STOP, nodes, deadlines=deadlines)], StopError)

    def restart(self, select: Selection = None) -> Report:
        """Stop, and start again what was stopped: everything, or a selection and what needs it.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them.

        Raises:
            StopError: a stop failed; what could be started again was.
            StartError: a start failed; what this request had started was stopped again.
            StateError: something that would have to be running is suspended or abandoned. Nothing was stopped.
        """
        return self._request(self._to_restart(select))

    async def arestart(self, select: Selection = None) -> Report:
        """As `restart`, awaited."""
        return await self._arequest(self._to_restart(select))

    def _to_restart(self, select: Selection) -> _Ask:
        if select is not None:
            select = listed(select)  # it is looked at twice

        def stages() -> list[Plan]:
            down = self._plan(STOP, select)
            graph, held = self._store.graph, self._store.held
            again = [i for i in down.members if held[i]]
            chosen = selected(graph, select)
            roots = None if chosen is None and not again else {*again, *(chosen or ())}
            up = Plan(graph, START, roots, deadlines=self._definition.deadlines)
            self._refuse_to_start(up, but=frozenset(down.members))
            return [down, up]

        return _Ask("restart", stages, None)

    def suspend(self, select: Selection = None) -> Report:
        """Suspend those that have a handler for it: everything, or a selection and what needs it.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them.

        Raises:
            SignalError: handlers failed.
        """
        return self.signal("suspend", select)

    async def asuspend(self, select: Selection = None) -> Report:
        """As `suspend`, awaited."""
        return await self.asignal("suspend", select)

    def resume(self, select: Selection = None) -> Report:
        """Let what is suspended go on: everything, or a selection and what it needs.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them.

        Raises:
            SignalError: handlers failed; what needs those components was not resumed.
        """
        return self.signal("resume", select)

    async def aresume(self, select: Selection = None) -> Report:
        """As `resume`, awaited."""
        return await self.asignal("resume", select)

    def status(self, select: Selection = None) -> Mapping[Id, Any]:
        """What the status handlers say, by id, of the running and suspended components that have one.

        Parameters:
            select: an id, a group, a pattern, a tag, or several of them.

        Raises:
            SignalError: handlers failed; `report` has what the others said.
        """
        return _said(self.signal("status", select))

    async def astatus(self, select: Selection = None) -> Mapping[Id, Any]:
        """As `status`, awaited."""
        return _said(await self.asignal("status", select))

    def signal(self, name: str, select: Selection = None) -> Report:
        """Send any signal of the table.

        Parameters:
            name: the signal.
            select: an id, a group, a pattern, a tag, or several of them.

        Raises:
            UnknownSignal: the table has none of that name.
            SignalError: handlers failed. The others were called all the same.
        """
        row = row_of(self._definition, name)
        if row.opens:
            return self.start(select)
        if row.closes:
            return self.stop(select)
        return self._request(self._to_signal(row, select))

    async def asignal(self, name: str, select: Selection = None) -> Report:
        """As `signal`, awaited."""
        row = row_of(self._definition, name)
        if row.opens:
            return await self.astart(select)
        if row.closes:
            return await self.astop(select)
        return await self._arequest(self._to_signal(row, select))

    def _to_signal(self, row: Signal, select: Selection) -> _Ask:
        return _Ask(row.name, lambda: [self._plan(row, select)], SignalError)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until nothing runs any more: until somebody else has stopped the system, or a crash has.

        Parameters:
            timeout: seconds to wait at most.

        Returns:
            Whether nothing runs any more.

        Raises:
            CrashError: a component broke by itself since the last start, and was not to be kept.

        Example:
            >>> live = System({"env": {"port": 80}}).start()
            >>> live.join(timeout=0)
            False
            >>> _ = live.stop()
            >>> live.join()
            True
        """
        import threading

        end = None if timeout is None else time.monotonic() + timeout
        while 1 in self._store.held:
            gone = threading.Event()
            self._joiners.append(gone.set)
            try:
                if 1 in self._store.held and not gone.wait(None if end is None else max(0.0, end - time.monotonic())):
                    return False
            finally:
                if gone.set in self._joiners:
                    self._joiners.remove(gone.set)
        self._raise_crashes()
        return True

    async def ajoin(self) -> None:
        """As `join`, awaited; a timeout is a matter for whoever awaits it."""
        from ._engine.worlds import world_here

        world = world_here()
        while 1 in self._store.held:
            parker = world.parker()
            wake = partial(world.call_soon, parker.wake)
            self._joiners.append(wake)
            try:
                if 1 in self._store.held:
                    await parker.wait()
            finally:
                if wake in self._joiners:
                    self._joiners.remove(wake)
        self._raise_crashes()

    def _plan(self, row: Signal, select: Selection) -> Plan:
        graph = self._store.graph
        return Plan(graph, row, selected(graph, select), deadlines=self._definition.deadlines)

    def _refuse_to_start(self, plan: Plan, but: frozenset[int] = frozenset()) -> None:
        store = self._store
        states = store.states
        if _SUSPENDED not in states and ABANDONED not in states and FAILED not in states:
            return
        wrong = []
        for i in plan.members:
            state, id = store.states[i], store.graph.ids[i]
            if i in but and state != ABANDONED:
                continue
            if state == _SUSPENDED:
                wrong.append(f"{id} is suspended: resume or stop it first.")
            elif state == ABANDONED:
                wrong.append(f"{id} was abandoned, and what hangs in it may still run: it cannot be started again.")
            elif state == FAILED and store.held[i]:
                wrong.append(f"{id} failed and still holds what it had: stop or restart it.")
        if wrong:
            raise StateError(" ".join(wrong))

    def _is_inside(self) -> bool:
        """Whether this is called by a handler of a request that is under way, or by an observer."""
        me, host = get_ident(), self._host
        if self._owner == me and self._lock.locked():
            # A Ctrl-C at the very end may leave the one behind, never the other. In an event loop other tasks share the thread.
            guard = self._guard
            if not self._is_awaited or (guard is not None and guard.calling):
                return True
        workers = self._store.workers
        if workers and any(worker.ident == me for worker in list(workers.values())):
            return True
        return host is not None and host.is_inside

    def _request(self, ask: _Ask) -> Report:
        name = ask.name
        host = self._host
        if self._is_inside():
            raise StateError(_INSIDE.format(name))
        if host is not None:
            why = host.why_not_here(name)
            if why is not None and (host.foreign is not None or self._lock.locked()):
                raise StateError(why)
            if host.foreign is not None:
                report: Report = host.foreign.run_from_outside(lambda: self._arequest(ask))
                return report
        try:
            with self._lock:
                self._owner = get_ident()
                try:
                    with Guard() as guard:
                        self._guard = guard
                        run = self._prepare(ask)
                        interruption = self._run(name, run, guard)
                    while (late := guard.take()) is not None:
                        # It came when all had been done, and before anybody could know: a start is taken back all the same.
                        interruption = interruption or late
                        with Guard() as guard:
                            run.machine.interrupt()
                            self._run(name, run, guard)
                finally:
                    self._owner = self._guard = None
        finally:
            self._settled()
        return self._came_of(ask, run, interruption)

    async def _arequest(self, ask: _Ask) -> Report:
        from ._engine.conduct import MEMBER_OF
        from ._engine.worlds import apart, world_here

        host, world = self._hosted(), world_here()
        if host.is_inside:
            raise StateError(_INSIDE.format(f"a{ask.name}"))
        if ask.name == "stop" and MEMBER_OF.get() is self._store:
            # A task that a component began, and that may be awaited by the very stop: it must be possible to cancel its waiting.
            return await apart(world, lambda: self._arequest(ask))
        guard = self._guard
        if guard is not None and ask.name == "stop":
            guard.ask_to_stop()
        # From here on a Ctrl-C is kept back until it can be acted on without a loss.
        with LoopGuard() as guard:
            interruption = await self._turn(world, guard, insists=ask.name == "stop")
            try:
                world = host.enter(ask.name)
                self._owner, self._guard, self._is_awaited = get_ident(), guard, True
                run = self._prepare(ask)
                interruption = await host.arun(world, run.machine, guard, run.results, interruption)
                self._keep_report(ask.name, run, world.clock)
            finally:
                self._owner = self._guard = None
                self._is_awaited = False
                self._lock.release()
                self._settled()
            return self._came_of(ask, run, interruption or guard.take())

    async def _turn(self, world: World, guard: Guard, *, insists: bool) -> BaseException | None:
        """Wait for one's turn without holding up the event loop; a stop is not kept from it by a cancellation."""
        from ._engine.worlds import shielded

        interruption: BaseException | None = None
        while not self._lock.acquire(blocking=False):
            parker = world.parker()
            wake = guard.wake = partial(world.call_soon, parker.wake)
            self._waiting.append(wake)
            try:
                if self._lock.acquire(blocking=False):
                    break
                await (shielded(parker) if interruption else parker.wait())
                kept = guard.take()
                if kept is not None:
                    raise kept
            except BaseException as error:
                if not insists:
                    if wake not in self._waiting:
                        self._wake_next()  # it was this one's turn, and is now somebody else's
                    raise
                interruption = error
            finally:
                guard.wake = None
                if wake in self._waiting:
                    self._waiting.remove(wake)
        return interruption

    def _settled(self) -> None:
        # Somebody else may go on now.
        self._wake_next()
        if self._joiners and 1 not in self._store.held:
            for wake in list(self._joiners):
                wake()
        if self._pending:
            self._deal_with_crashes()

    def _wake_next(self) -> None:
        if self._waiting:
            self._waiting.pop(0)()

    def _hosted(self) -> Host:
        if self._host is None:
            from ._engine.hosts import Host

            definition = self._definition
            has_async = any(async_handlers(spec) for spec in definition.cache["specs"])
            limits, workers = definition.options.limits, definition.options.workers
            name, deadlines = self._system.name, definition.deadlines
            self._host = Host(self._store, self._observers, name, limits, workers, deadlines, has_async)
        return self._host

    def _prepare(self, ask: _Ask) -> _Run:
        store = self._store
        self._requests += 1
        options: dict[str, Any] = {"on_failure": ask.on_failure, "watch": bool(self._observers.all)}
        stages = ask.stages()
        if ask.name in ("start", "restart"):
            self._crashes.clear()
        if self._is_concurrent or self._host is not None:
            options |= self._hosted().machine_options()
        return _Run(Machine(stages, store.states, store.held, **options), {})

    def _run(self, name: str, run: _Run, guard: Guard) -> BaseException | None:
        store, machine = self._store, run.machine
        if self._is_concurrent or self._host is not None:
            interruption = self._hosted().run(machine, guard, run.results)
        else:
            interruption = drive(machine, store, self._observers, guard, self._system.name, run.results)
        self._keep_report(name, run, time.perf_counter)
        return interruption

    def _keep_report(self, name: str, run: _Run, clock: Callable[[], float]) -> None:
        store, machine = self._store, run.machine
        instances = store.instances.copy() if name in ("start", "restart") else None
        began, total = machine.origin + store.epoch, clock() - machine.origin
        from ._report import Report

        self._report = Report(store.graph, machine, run.results, began, total, name, instances)
        for plan, starts, ends in machine.stages:
            if plan.row.opens:
                store.times.add(starts, ends, whole=plan.roots is None)
                if self._pending:
                    # What broke before this request, and was started anew in it, is not what runs now.
                    now = self._requests
                    self._pending = [p for p in self._pending if p.request == now or not starts[p.node]]

    def _came_of(self, ask: _Ask, run: _Run, interruption: BaseException | None) -> Report:
        machine, name = run.machine, ask.name
        if machine.failures and self._crashes and name in ("start", "stop", "restart"):
            told = {id(failure.error) for failure in machine.failures}
            self._crashes = [crash for crash in self._crashes if id(crash.error) not in told]
        if machine.failures or interruption is not None or (machine.interrupted and name in ("start", "restart")):
            self._raise(name, machine, interruption, ask.kind)
        return self._report

    # --- crashes ---

    def _crashed(self, node: int, error: BaseException) -> None:
        """Take notice, in whatever thread, that a component broke by itself."""
        component, id = self._store.graph.nodes[node], self._store.graph.ids[node]
        assert isinstance(component, Component)
        if self._store.held[node]:
            _note(error, f"In the component {id}, while it was running.")
            if component.on_crash != "keep":
                self._crashes.append(Failure(id, "crash", "crash", error))
        self._pending.append(_Pending(node, error, self._requests))
        guard = self._guard
        if guard is not None:
            guard.tell_of_crash(node, error, component.on_crash == "keep")
        else:
            self._deal_with_crashes()

    def _deal_with_crashes(self) -> None:
        world = None if self._host is None else self._host.callers_loop
        # In no context of a component's, or the stop would seem to be asked for by one of them.
        if world is None or not world.call_soon(partial(world.spawn, self._adeal, "mainspring crash", Context())):
            import threading

            threading.Thread(target=self._deal, name="mainspring-crash", daemon=True).start()

    def _deal(self) -> None:
        with self._lock:
            asks = self._take_crashes()
        self._settled()
        for ask in asks:
            try:
                self._request(ask)
            except BaseException as error:
                self._keep_from_crash(error)

    async def _adeal(self) -> None:
        assert self._host is not None
        from ._engine.worlds import world_here

        await self._turn(world_here(), Guard(), insists=True)
        try:
            asks = self._take_crashes()
        finally:
            self._lock.release()
            self._settled()
        for ask in asks:
            try:
                await self._arequest(ask)
            except BaseException as error:
                self._keep_from_crash(error)

    def _keep_from_crash(self, error: BaseException) -> None:
        # Nobody asked for this stop, so there is nobody whom its errors could reach but who asks for the crash.
        if isinstance(error, StopError):
            self._crashes += error.failures
        else:
            self._log("The stop after a crash was interrupted.", error)

    def _take_crashes(self) -> list[_Ask]:
        """Mark what broke, tell those who watch, and say what has to be stopped because of it."""
        store, graph = self._store, self._store.graph
        pending, self._pending = self._pending, []
        asks = []
        for node, error, _ in pending:
            component = graph.nodes[node]
            assert isinstance(component, Component)
            id, state = graph.ids[node], STATES[store.states[node]]
            if not store.held[node]:
                continue  # it has been stopped since
            if state is not State.FAILED:
                store.states[node] = FAILED
                self._observers.pass_on(Event(id, "crash", state, State.FAILED, None, error), Guard())
            if not self._observers.all:
                self._log(f"{id} broke while it was running.", error)
            if component.on_crash == "stop":
                asks.append(self._to_stop(None))
                if self._on_crash is not None:
                    self._on_crash()
            elif component.on_crash == "dependents":
                asks.append(self._to_stop_nodes(list(graph.needed_by[node])))
        return asks

    def _raise_crashes(self) -> None:
        if self._crashes:
            failures, self._crashes = self._crashes, []
            shown = "; ".join(
                self._scrubbed(f"{f.id}: {type(f.error).__name__}: {f.error}".split("\n")[0]) for f in failures[:3]
            )
            leaves = [_leaf(f.error) for f in failures]
            raise CrashError(
                f"{_text.count(len(failures), 'component')} broke while running: {shown}", leaves, failures, self
            )

    def _raise(
        self, name: str, machine: Machine, interruption: BaseException | None, kind: type[RunError] | None
    ) -> None:
        ids = self._store.graph.ids
        failures = []
        for node, signal, handler, error in machine.failures:
            failures.append(Failure(ids[node], signal, handler, error))
            what = f"handler {handler}" + (f", while sending {signal}." if signal not in handler else ".")
            _note(error, f"In the component {ids[node]}, {'while it was running.' if handler == 'crash' else what}")
        if interruption is not None:
            others = [failure for failure in failures if failure.error is not interruption]
            for failure in others:
                interruption.add_note(self._scrubbed(f"Also: {failure.id}, {failure.handler}: {failure.error!r}"))
            if name == "start":
                interruption.add_note("The start was given up, and what it had started was stopped again.")
            raise interruption
        leaves = [failure.error for failure in failures if isinstance(failure.error, Exception)]
        leaves = leaves or [_leaf(failure.error) for failure in failures]
        if machine.interrupted and not leaves:
            leaves = [Interrupted(f"The {name} was given up because a stop was asked for.")]
        if kind is None:
            kind = StartError if machine.interrupted or any(f.signal == "start" for f in failures) else StopError
        raise kind(self._scrubbed(_headline(name, failures, machine, self._store)), leaves, failures, self)

    def _log(self, what: str, error: BaseException) -> None:
        import logging
        import traceback

        said = self._scrubbed("".join(traceback.format_exception(error)).rstrip())
        logging.getLogger("mainspring").error("%s\n%s", what, said)

    def _scrubbed(self, text: str) -> str:
        """What others say, without the secrets of the system: for what is said in our own words."""
        from ._describe import Description

        return Description(self._definition, None).scrubbed(text)


class _Pending(NamedTuple):
    """A component that broke, with the number of the last request that had begun by then."""

    node: int
    error: BaseException
    request: int


class _Ask:
    """A request, before it is its turn."""

    __slots__ = ("kind", "name", "on_failure", "stages")

    def __init__(
        self,
        name: str,
        stages: Callable[[], list[Plan]],
        kind: type[RunError] | None,
        on_failure: OnFailure = "rollback",
    ) -> None:
        self.name, self.stages, self.kind = name, stages, kind
        self.on_failure: OnFailure = on_failure


class _Run:
    """A request that is carried out."""

    __slots__ = ("machine", "results")

    def __init__(self, machine: Machine, results: dict[str, dict[int, Any]]) -> None:
        self.machine, self.results = machine, results


_INSIDE: Final = (
    "{} was asked for from within a request of the same system, by a handler or an observer, and would wait for itself. "
    "Ask when the handler has returned. In a signal handler of Python's, use mainspring.interrupt(...)."
)


def _said(report: Report) -> Mapping[Id, Any]:
    return ById({id: outcome.result for id, outcome in report.items() if outcome.called})


def _note(error: BaseException, note: str) -> None:
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _leaf(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else StateError(repr(error))


def _headline(name: str, failures: list[Failure], machine: Machine, store: Store) -> str:
    first = [f"{f.id} ({f.handler}): {type(f.error).__name__}: {f.error}".split("\n")[0] for f in failures[:3]]
    if len(failures) > 3:
        first.append(f"and {len(failures) - 3} more")
    text = f"{name} failed: {'; '.join(first)}" if failures else f"{name} was given up"
    stopped = sum(isinstance(store.graph.nodes[i], Component) for i in machine.rolled_back)
    if stopped:
        text = (
            text.rstrip(".")
            + f". {_text.count(stopped, 'component')} started before {'was' if stopped == 1 else 'were'} stopped again"
        )
    return text


def _needs_host(definition: Definition) -> bool:
    """Whether handlers may have to be called elsewhere than in the caller's thread, beside those that have a deadline."""
    needs: bool | None = definition.cache.get("needs host")
    if needs is None:
        specs: dict[Any, int] = definition.cache["specs"]
        needs = definition.options.workers > 0 or any(
            spec.thread in ("worker", "own") or async_handlers(spec) for spec in specs
        )
        definition.cache["needs host"] = needs
    return needs
