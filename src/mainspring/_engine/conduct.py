"""Carries out what a run machine decides where handlers are called in several places: here, in threads, in tasks.

It waits for nothing itself. Two drivers wait for it: `conduct` below in a thread, and the one in `aio.py` in a task.
"""

from __future__ import annotations

import queue
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Final, Protocol

from .._core.model import ABSENT, OWN, PRE, Component, Phase, Signal, Spec
from .._core.refs import Within, scope_of
from .._core.run import DONE, NO_LIMIT, Lanes, Machine
from .._text import dotted
from ..errors import DeadlineExceeded
from .events import Observers
from .handlers import (
    Awaited,
    GivenUp,
    Place,
    Shape,
    Store,
    Unrun,
    constant_value,
    end,
    is_async_phase,
    resolved_config,
    shape_of,
    work,
)
from .interrupt import Guard
from .sync import _LONGEST, attend, name_of_call, speak_of
from .workers import Worker, forget_loop

CANCELLED: Final = "cancelled"  # what became of a call that was cancelled, and left nothing behind
WORKERS: Final = 8  # for components that ask for a worker of a system that says nothing of workers

# In the contexts of components: the store of the live system that they belong to.
MEMBER_OF: Final[ContextVar[Store | None]] = ContextVar("mainspring", default=None)

# Lanes that there are in every system; those of groups come after them.
CALLER: Final = 0
WORKER: Final = 1


class Call:
    """One call of a handler that is on its way."""

    # Set on the class, because most calls end without a change to any of these; to set them each time would cost as much as
    # all the rest of a call.
    told = False  # whether it is to be cancelled
    gone = False  # whether it was let go: nobody waits for it any more
    over = False  # whether it has ended in its task, even if nobody has heard of it yet
    went_well = False
    place: Place | None = None
    context: Context | None = None
    made: Any = None  # what an earlier part of the call gave, and is to be awaited
    home = False  # whether it has to be made in the component's own task
    scope: Any = None  # with which it can be cancelled
    where: Any = None  # the worker, or None for a task

    def __init__(self, node: int, component: Component[Any], row: Signal, phase: Phase) -> None:
        self.node, self.component, self.row, self.phase = node, component, row, phase
        self.awaited = Awaited()
        self.done: Callable[[Call, BaseException | str | None, Any], object] = _nobody

    @property
    def is_start(self) -> bool:
        """Whether it makes the instance."""
        return self.row.opens and self.phase.kind == OWN


def _nobody(call: Call, error: BaseException | str | None, result: Any) -> None:
    raise AssertionError(f"{call} has nobody to tell")


class Tasks(Protocol):
    """Where async handlers are called."""

    def submit(self, call: Call) -> None:
        """Have a call made in a task; its `done` is called when it has ended."""
        ...

    def cancel(self, call: Call) -> None:
        """Cancel a call."""
        ...

    def let_go(self, call: Call) -> None:
        """Wait for a call no longer. What a start makes late is stopped."""
        ...

    def stack(self, call: Call) -> str:
        """Where a call hangs."""
        ...

    def has_home(self, node: int) -> bool:
        """Whether a component has a task of its own."""
        ...


class Pool:
    """Threads for sync handlers that may be called in any."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._count = 0

    @property
    def is_inside(self) -> bool:
        """Whether this is one of the threads, in a call."""
        me = threading.get_ident()
        return any(worker.ident == me for worker in list(self._busy))

    def take(self) -> Worker:
        """A thread that has nothing to do; the machine sees to it that there are not too many."""
        if self._idle:
            worker = self._idle.pop()
        else:
            self._count += 1
            worker = Worker(f"mainspring-worker-{self._count}", Context())
        self._busy.add(worker)
        return worker

    def give(self, worker: Worker) -> None:
        """Take a thread back."""
        self._busy.discard(worker)
        self._idle.append(worker)

    def close(self) -> None:
        """End all threads."""
        while self._idle:
            self._idle.pop().close()


class Places:
    """Where the handlers of one live system are called: worked out once, and kept."""

    def __init__(self, store: Store, limits: int | Mapping[str, int] | None, workers: int) -> None:
        self._store = store
        self._workers = workers
        by_group = dict(limits) if isinstance(limits, Mapping) else {}
        whole = by_group.pop("*", None) if isinstance(limits, Mapping) else limits
        self.limit = NO_LIMIT if whole is None else whole
        self._room = [1, workers or WORKERS, *by_group.values()]
        self._lane_of_group = {group: n for n, group in enumerate(by_group, 2)}
        self._lanes: dict[str, Lanes | None] = {}

    def lanes(self, row: Signal) -> Lanes | None:
        """What the calls of one signal take up, by node; `None` where there is room for all."""
        if row.name not in self._lanes:
            self._lanes[row.name] = self._find_lanes(row.name)
        return self._lanes[row.name]

    def _find_lanes(self, signal: str) -> Lanes | None:
        # Worked out for each component function: there are few of them, and many components.
        graph, nothing = self._store.graph, ()
        of_spec: dict[Spec, tuple[int, ...]] = {}
        of: list[tuple[int, ...]] = []
        for node in graph.nodes:
            mine: tuple[int, ...] = nothing
            if type(node) is Component:
                spec = node._spec
                found = of_spec.get(spec)
                mine = of_spec[spec] = self._lanes_of(spec, signal) if found is None else found
            of.append(mine)
        if self._lane_of_group:
            shared: dict[tuple[int, ...], tuple[int, ...]] = {}
            for i, id in enumerate(graph.ids):
                groups = self._lanes_of_group(id.group)
                if groups and type(graph.nodes[i]) is Component:
                    mine = (*of[i], *groups)
                    of[i] = shared.setdefault(mine, mine)
        elif not any(of_spec.values()):
            return None
        return Lanes(self._room, of)

    def _lanes_of_group(self, group: str) -> tuple[int, ...]:
        # What is in a subsystem takes up room in the lanes of that, too.
        names = [group]
        while scope := scope_of(group):
            names.append(dotted(scope))
            group = Within(scope[:-1])
        return tuple(self._lane_of_group[name] for name in names if name in self._lane_of_group)

    def _lanes_of(self, spec: Spec, signal: str) -> tuple[int, ...]:
        if is_async_phase(spec, own_phase(spec, signal), signal) or self.in_own_thread(spec):
            return ()
        return (WORKER if self.in_worker(spec) else CALLER,)

    def in_own_thread(self, spec: Spec) -> bool:
        """Whether the sync handlers of a component are called in a thread of its own, as far as the definition says so."""
        return spec.thread == "own" or (
            spec.deadlines is not None and spec.thread != "caller" and not shape_of(spec).is_async
        )

    def in_worker(self, spec: Spec) -> bool:
        """Whether they are called in any of the workers."""
        return spec.thread == "worker" or (spec.thread is None and self._workers > 0)


def own_phase(spec: Spec, signal: str) -> Phase:
    """The call of a signal's own handler; kept with the spec."""
    key = ("own", signal)
    phase: Phase | None = spec.cache.get(key)
    if phase is None:
        handler = spec.stop if signal == "stop" else spec.handlers.get(signal)
        if signal == "start":
            handler = None if spec.start is ABSENT else spec.start
        phase = spec.cache[key] = Phase(signal, OWN, handler)
    return phase


class Conductor:
    """One request, on its way.

    Parameters:
        machine: decides.
        places: where handlers are called.
        tasks: calls those that are async; `None` where there are none.
        post: takes what has to be done in the driver's own thread; may be called from any.
        clock: the driver's time, in seconds.
        isolated: whether what is called elsewhere is called in another thread than the driver's.
    """

    def __init__(
        self,
        machine: Machine,
        store: Store,
        observers: Observers,
        guard: Guard,
        system: str | None,
        results: dict[str, dict[int, Any]],
        places: Places,
        pool: Pool,
        tasks: Tasks | None,
        post: Callable[[Callable[[], object]], object],
        clock: Callable[[], float],
        *,
        isolated: bool,
    ) -> None:
        self.machine, self.store, self.observers, self.guard = machine, store, observers, guard
        self.inline: deque[Call] = deque()  # to be made by the driver itself
        self.calls: dict[int, Call] = {}
        self.interruption: BaseException | None = None
        self.clock = clock
        self.done: Callable[[Call, BaseException | str | None, Any], object] = self.ended
        self._system, self._results, self._places, self._pool, self._tasks = system, results, places, pool, tasks
        self._post = post
        self._context = forget_loop(copy_context()) if isolated else copy_context()
        self._context.run(MEMBER_OF.set, store)
        self.pumps_itself = False  # whether carriers pump, and call plain coroutine functions on the way
        self.suspended: tuple[Call, Any, Any] | None = None
        self._now = 0.0  # when the last thing ended, and so when the next may begin
        self._spare: Context | None = None  # a copy of the next, in which something was called that left it as it was
        self._spare_of = self._context
        machine.chance = random.random
        machine.origin = machine.origin or clock()

    # --- beginning ---

    def pump(self, *, in_carrier: bool = False) -> bool:
        """Begin all that may begin; say whether the request is done.

        Parameters:
            in_carrier: whether plain coroutine functions are called right here. One that waits for something is put into
                `suspended`, and the rest is left to the next who pumps. Elsewhere the first of them is given to a carrier, and
                the rest with it.
        """
        machine, store, nodes = self.machine, self.store, self.store.graph.nodes
        watch, begin = machine.watch, machine.begin
        self._now = self.clock()
        while True:
            node = begin(self._now)
            if machine.left_off:
                for left in machine.left_off:
                    self._forget(left)
                machine.left_off.clear()
            if watch:
                self.observers.tell(machine, self.guard)
            if node < 0:
                return node == DONE
            component = nodes[node]
            if type(component) is not Component:
                self._constant(node, component)
                self._now = self.clock()
                continue
            if self.pumps_itself and node not in machine.phases and node not in machine.deadlines:
                spec, row = component._spec, machine.row
                shape = spec.shape or shape_of(spec)
                if row.opens:
                    is_plain = shape.is_coroutine
                else:
                    is_plain = row.closes and shape.stop_is_coroutine and not (store.workers and node in store.workers)
                if is_plain:
                    if not in_carrier:
                        self._begin(node, component)
                        machine.keep_time(self._now)
                        return False
                    if self._call_plain(node, component, shape, row):
                        continue
                    return False
            self._begin(node, component)
            self._now = self.clock()

    def _call_plain(self, node: int, component: Component[Any], shape: Shape, row: Signal) -> bool:
        """Call a coroutine function, as far as it goes without waiting; say whether it has ended."""
        store, machine = self.store, self.machine
        # Most leave their context as it was: the next can be called in the same, and none needs one of its own at its stop.
        base, context = self._context, None
        if not row.opens:
            base, context = store.bases.get(node, base), store.contexts.get(node)
        if context is None:
            if self._spare is None or self._spare_of is not base:
                self._spare, self._spare_of = base.copy(), base
            context = self._spare
        coroutine = None
        try:
            if row.opens:
                coroutine = shape.target(**resolved_config(store, node, component))
            else:
                coroutine = component._spec.stop(store.instances[node])  # type: ignore[misc]
            asked = context.run(coroutine.send, None)
        except StopIteration as stop:
            if context is self._spare and context != base:
                self._spare = None
            self._now = now = self.clock()
            if coroutine is None:
                self._failed(node, RuntimeError("a handler raised StopIteration"))
            elif row.opens:
                store.instances[node] = stop.value
                if context is self._spare:
                    store.bases[node] = base
                else:
                    store.contexts[node] = context
                machine.succeeded(node, now)
            else:
                if stop.value is not None:
                    self._results.setdefault(row.name, {})[node] = stop.value
                machine.succeeded(node, now)
                store.clear(node)
        except BaseException as error:
            self._spare = None
            self._failed(node, error)
            self._now = self.clock()
        else:
            self._spare = None
            call = Call(node, component, row, own_phase(component._spec, row.name))
            call.done, call.context = self.done, context
            call.place = store
            store.contexts[node] = context
            self.calls[node] = call
            call.awaited.now = coroutine
            self.suspended = (call, coroutine, asked)
            machine.keep_time(self.clock())
            return False
        if self.guard.attention or machine.to_cancel:
            self._look_around()
        return True

    def _constant(self, node: int, constant: Any) -> None:
        try:
            if self.machine.row.opens:
                self.store.instances[node] = constant_value(self.store, node, constant)
        except BaseException as error:
            self._failed(node, error)
        else:
            self._succeeded(node)
        self._look_around()

    def _begin(self, node: int, component: Component[Any]) -> None:
        machine, store = self.machine, self.store
        row, spec = machine.row, component._spec
        phases = machine.phases.get(node)
        phase = own_phase(spec, row.name) if phases is None else phases[machine.phase.get(node, 0)]
        if phase.kind == OWN and row.closes and spec.stop is None and spec.scope is None:
            self._succeeded(node)  # nothing to call
            return
        call = Call(node, component, row, phase)
        call.done = self.done
        self.calls[node] = call
        if is_async_phase(spec, phase, row.name):
            self._in_task(call)
        elif node in store.workers or self._gets_own_thread(node, spec):
            self._in_own_thread(call)
        elif self._places.in_worker(spec):
            self._in_worker(call)
        else:
            self.inline.append(call)

    def _gets_own_thread(self, node: int, spec: Spec) -> bool:
        if not self.machine.row.opens or spec.thread == "caller" or shape_of(spec).is_async:
            return False
        return spec.thread == "own" or node in self.machine.plan.threaded

    def _prepare(self, call: Call, *, direct: bool = False) -> Place:
        node = call.node
        place: Place = self.store
        if not direct:
            # Should the call be given up on, it must find nothing of ours to write to when it ends after all.
            place = Place({}, {}, {}, {})
            place.copy(self.store, node)
        call.place = place
        call.context = self.store.contexts.get(node)
        if call.context is None:
            call.context = self.store.contexts[node] = self.store.bases.pop(node, self._context).copy()
        return place

    def _in_task(self, call: Call) -> None:
        assert self._tasks is not None
        machine, node = self.machine, call.node
        # Without a deadline nobody gives up on it, and in the driver's own thread nobody looks meanwhile.
        self._prepare(call, direct=self.pumps_itself and node not in machine.deadlines and node not in machine.phases)
        spec = call.component._spec
        call.home = self._tasks.has_home(call.node) or (call.is_start and shape_of(spec).needs_home)
        self._tasks.submit(call)

    def _in_own_thread(self, call: Call) -> None:
        place = self._prepare(call)
        worker = self.store.workers.get(call.node)
        if worker is None:
            assert call.context is not None
            # A copy, because a context can be entered only once at a time, and the thread never leaves it.
            worker = Worker(str(self.store.graph.ids[call.node]), call.context.copy())
            self.store.workers[call.node] = worker
        call.where = worker
        worker.submit(partial(self._work, call, place), partial(self._answer, call))

    def _in_worker(self, call: Call) -> None:
        place = self._prepare(call)
        context = call.context
        assert context is not None
        if self._tasks is not None and (call.row.closes or self._tasks.has_home(call.node)):
            context = (
                context.copy()
            )  # the component's own task may enter the other one at any time, or has not left it yet
        call.where = worker = self._pool.take()
        work_there: Callable[[], Any] = partial(forget_loop(context).run, partial(self._work, call, place))
        worker.submit(work_there, partial(self._answer_of_pool, call, worker))

    def _work(self, call: Call, place: Place) -> Any:
        return work(self.store, call.node, call.component, call.row, call.phase, self._system, place, Guard())

    def _answer(self, call: Call, ok: bool, value: Any) -> None:
        if not call.gone:  # who waits no longer may be gone too
            self._post(partial(self._answered, call, None, ok, value))

    def _answer_of_pool(self, call: Call, worker: Worker, ok: bool, value: Any) -> None:
        self._post(partial(self._answered, call, worker, ok, value))

    def _answered(self, call: Call, worker: Worker | None, ok: bool, value: Any) -> None:
        if worker is not None:
            self._pool.give(worker)
        if ok:
            self.ended(call, None, value)
        elif isinstance(value, Unrun):
            self.carry_on(call, value)
        else:
            self.ended(call, value, None)

    def here(self, call: Call) -> None:
        """Make a call in the driver's own thread."""
        if call.told:
            self.ended(call, CANCELLED, None)
            return
        store, guard = self.store, self.guard
        try:
            result = work(store, call.node, call.component, call.row, call.phase, self._system, store, guard)
        except Unrun as unrun:
            guard.calling = False
            self.carry_on(call, unrun)
        except BaseException as error:
            guard.calling = False
            self.ended(call, error, None)
        else:
            self.ended(call, None, result)

    def carry_on(self, call: Call, unrun: Unrun) -> None:
        """Go on with a call that gave something to be awaited."""
        if self._tasks is None or not unrun.can_be_awaited:
            self.ended(call, unrun.refused(name_of_call(self.machine, call.node)), None)
            return
        if call.place is None:
            self._prepare(call)
        call.where, call.made = None, unrun.made
        is_scope = call.is_start and hasattr(type(unrun.made), "__aenter__")
        call.home = is_scope or self._tasks.has_home(call.node)
        self._tasks.submit(call)

    # --- ending ---

    def ended(self, call: Call, error: BaseException | str | None, result: Any) -> None:
        """Take notice of what became of a call."""
        node, machine = call.node, self.machine
        if call.gone:
            return
        del self.calls[node]
        if error is None:
            if call.place is not None and call.place is not self.store:
                self.store.copy(call.place, node)
            if result is not None and not call.row.opens:
                self._results.setdefault(call.row.name, {})[node] = result
            self._succeeded(node)
        elif call.told and isinstance(error, GivenUp):
            machine.cancelled(node, self.clock())
            self._forget(node)
        elif machine.is_late(node):
            late = self._late(call, abandoned=False)
            if isinstance(error, BaseException):
                late.__cause__ = error
            self._failed(node, late)
        elif isinstance(error, BaseException):
            self._failed(node, error)
        else:
            machine.cancelled(node, self.clock())
            self._forget(node)
        self._look_around()

    def _succeeded(self, node: int) -> None:
        machine, closes = self.machine, self.machine.row.closes
        machine.succeeded(node, self.clock())
        if closes:
            self._forget(node)

    def _failed(self, node: int, error: BaseException) -> None:
        machine = self.machine
        machine.failed(node, error, self.clock())
        if machine.row.opens and node in machine.flight:
            self.store.contexts.pop(node, None)  # another attempt begins in a context of its own
        self._forget(node)
        if not isinstance(error, Exception):
            self.interruption = self.interruption or error
            machine.interrupt()

    def _forget(self, node: int) -> None:
        # What is in flight goes on, with another handler or another attempt; what is held has still to be stopped.
        if node in self.machine.flight or self.store.held[node]:
            return
        worker = self.store.workers.pop(node, None)
        if worker is not None:
            worker.close()
        self.store.clear(node)

    def _look_around(self) -> None:
        machine, guard = self.machine, self.guard
        if guard.attention:
            self.interruption = attend(machine, guard, self.interruption, self.clock())
        if machine.watch and machine.changes:
            self.observers.tell(machine, guard)
        if machine.to_cancel:
            self._cancel(machine.cancels())

    def _cancel(self, nodes: list[int]) -> None:
        for node in nodes:
            call = self.calls[node]
            call.told = True
            if call.where is None and self._tasks is not None and call not in self.inline:
                self._tasks.cancel(call)
            elif call.is_start:
                self.store.tell_given_up(node)

    def interrupt(self, error: BaseException) -> None:
        """Take notice that the driver's own waiting was interrupted."""
        self.interruption = self.interruption or error
        self.machine.interrupt()
        self._look_around()

    # --- time ---

    @property
    def patience(self) -> float:
        """Seconds until there is something to do, even if nothing happens."""
        return max(0.0, min(self.machine.next_moment - self.clock(), _LONGEST))

    def time_passed(self) -> bool:
        """Do what is due; say whether anything was, so that something else may begin."""
        machine = self.machine
        now = self.clock()
        if now < machine.next_moment:
            return False
        for node in machine.overdue(now):
            call = self.calls.get(node)
            if call is None:
                continue
            if call.where is None and self._tasks is not None and call not in self.inline:
                call.told = True
                call.awaited.stack = self._tasks.stack(call)
                self._tasks.cancel(call)
            elif call.where is not None:
                self._let_go(call)
        for node in machine.hopeless(now):
            if node in self.calls and self.calls[node] not in self.inline:
                self._let_go(self.calls[node])
        for node in machine.slow(now):
            if node in self.calls:
                self._speak_of(self.calls[node], now)
        self._look_around()
        return True

    def _late(self, call: Call, *, abandoned: bool) -> DeadlineExceeded:
        what = f"{call.phase.name} of {self.store.graph.ids[call.node]}"
        error = DeadlineExceeded(what, self.machine.deadlines[call.node], abandoned=abandoned)
        stack = call.awaited.stack or self._stack(call)
        if stack:
            error.add_note(f"It hangs here:\n{stack}" if abandoned else f"It hung here:\n{stack}")
        return error

    def _stack(self, call: Call) -> str:
        if call.where is not None:
            return str(call.where.stack())
        return "" if self._tasks is None else self._tasks.stack(call)

    def _let_go(self, call: Call) -> None:
        node, machine, row = call.node, self.machine, call.row
        error = self._late(call, abandoned=True)
        call.gone = True
        del self.calls[node]
        if not row.opens and not row.closes:
            # The component is as well as it was; its thread or task takes the next call when this one ends.
            machine.failed(node, error, self.clock())
            return
        machine.abandoned(node, error, self.clock())
        # What a start makes late, and what a stop had not come to, nobody will ever stop, unless its own thread or task does.
        unstopped = row.opens or call.phase.kind == PRE
        place = call.place
        if call.where is None:
            assert self._tasks is not None
            self._tasks.let_go(call)
            worker = self.store.workers.pop(node, None)
            if worker is not None:
                worker.give_up(None, is_start=False)
        elif place is not None:
            self.store.workers.pop(node, None)
            stop = partial(end, self.store, node, call.component, self._system, place, Guard())
            call.where.give_up(stop if unstopped else None, is_start=row.opens)
        if call.is_start:
            self.store.tell_given_up(node)
        self.store.clear(node)

    def _speak_of(self, call: Call, now: float) -> None:
        machine = self.machine
        stack = self._stack(call) if call not in self.inline else ""
        if stack:
            took = now - machine.began[call.node]
            speak_of(machine, self.observers, self.guard, call.node, call.phase.name, took, stack)


def conduct(conductor: Conductor, inbox: queue.SimpleQueue[Callable[[], object]]) -> BaseException | None:
    """Drive a request to its end from a thread that has no event loop, or none that could be waited on.

    Parameters:
        conductor: of the request.
        inbox: gets what other threads and tasks want to have done in this one.

    Returns:
        The interruption that has to come out of the request, if there was one.
    """
    guard = conductor.guard
    guard.wake = partial(inbox.put, _nothing)
    try:
        while True:
            is_done = conductor.pump()
            if guard.attention:
                conductor._look_around()
                continue
            if conductor.inline:
                conductor.here(conductor.inline.popleft())
                _take_in(inbox, 0)
            elif not is_done:
                _take_in(inbox, conductor.patience)
            else:
                late = guard.take()
                if late is None:
                    return conductor.interruption
                conductor.interrupt(late)
            conductor.time_passed()
    finally:
        guard.wake = None


def _take_in(inbox: queue.SimpleQueue[Callable[[], object]], seconds: float) -> None:
    try:
        todo = inbox.get(timeout=seconds) if seconds > 0 else inbox.get_nowait()
        while True:
            todo()
            todo = inbox.get_nowait()
    except queue.Empty:
        pass


def _nothing() -> None:
    pass
