"""The sync driver: calls one handler after the other in the caller's thread, and reports to the run machine.

It decides nothing. A component with a deadline is called in a thread of its own, because that can be given up on.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import Any, Final

from .._core.model import ABSENT, CODE, OWN, PRE, STATES, Component, Phase, Signal, State
from .._core.run import SLOW, WAIT, Machine
from .._text import duration
from ..errors import DeadlineExceeded
from .events import Event, Observers
from .handlers import Place, Store, Unrun, begin, constant_value, end, work
from .interrupt import Guard

_UP: Final = (CODE[State.RUNNING], CODE[State.SUSPENDED])
_LONGEST: Final = 1e6  # seconds that a wait may be told to take; more do not fit


def drive(
    machine: Machine,
    store: Store,
    observers: Observers,
    guard: Guard,
    system: str | None,
    results: dict[str, dict[int, Any]],
) -> BaseException | None:
    """Run a machine to its end.

    Returns:
        The interruption that has to come out of the request, if there was one.
    """
    clock = perf_counter
    nodes = store.graph.nodes
    instances, scopes = store.instances, store.scopes
    watch = machine.watch
    interruption: BaseException | None = None
    row = machine.row
    opens, closes = row.opens, row.closes
    special = bool(machine.phases or machine.plan.threaded or store.workers)
    now = clock()
    machine.origin = machine.origin or now
    following, succeeded = machine.begin, machine.succeeded
    while True:
        node = following(now)
        if machine.left_off:
            for left in machine.left_off:
                if not store.held[left]:
                    _dismiss(store, left)
                    store.clear(left)
            machine.left_off.clear()
        if watch:
            observers.tell(machine, guard)
        if node == WAIT:
            _rest(guard, machine.next_moment - clock())
            now = clock()
            machine.slow(now)  # nothing is in flight that could be; it looks when to ask again
            interruption = attend(machine, guard, interruption, now)
            continue
        if node < 0:
            interruption = guard.take() or interruption
            if interruption is not None and not machine.interrupted:
                machine.interrupt()
                continue
            return interruption
        if machine.row is not row:
            row = machine.row
            opens, closes = row.opens, row.closes
            special = bool(machine.phases or machine.plan.threaded or store.workers)
        component = nodes[node]
        result = None
        try:
            if type(component) is not Component:
                if opens:
                    store.instances[node] = constant_value(store, node, component)  # type: ignore[arg-type]
            else:
                if special and _is_special(machine, store, node):
                    result = _call_special(machine, store, node, component, system, guard, observers)
                elif opens:
                    begin(store, node, component, system, store, guard)
                elif closes:
                    result = end(store, node, component, system, store, guard)
                else:
                    result = _call_handler(store, node, component, row, system, guard)
                if result is not None and not opens:
                    results.setdefault(row.name, {})[node] = result
        except BaseException as error:
            guard.calling = False
            now = clock()
            if isinstance(error, Unrun):
                error = error.refused(name_of_call(machine, node))
            if isinstance(error, _Abandoned):
                error = error.cause
                machine.abandoned(node, error, now)
                store.clear(node)
            else:
                machine.failed(node, error, now)
                if node not in machine.flight and not store.held[node]:
                    _dismiss(store, node)
                    store.clear(node)
            if not isinstance(error, Exception):
                interruption = interruption or error
                machine.interrupt()
        else:
            now = clock()
            succeeded(node, now)
            if closes:
                if special or store.seen or store.configs:
                    if node not in machine.flight:
                        if store.workers:
                            _dismiss(store, node)
                        store.clear(node)
                else:
                    instances[node] = ABSENT
                    scopes[node] = None
        if watch:
            observers.tell(machine, guard)
        if guard.attention:
            interruption = attend(machine, guard, interruption, now)
            if watch:
                observers.tell(machine, guard)


def attend(machine: Machine, guard: Guard, interruption: BaseException | None, now: float) -> BaseException | None:
    """Look at what came from outside while a request ran: an interruption, a stop that waits, components that broke.

    Returns:
        The interruption that has to come out of the request, if there is one.
    """
    guard.attention = False
    interruption = interruption or guard.take()
    if interruption is not None or (guard.stop_asked and (machine.row.opens or machine.has_more)):
        machine.interrupt()
    while guard.crashes:
        node, error, keep = guard.crashes.pop(0)
        if machine.states[node] in _UP and node not in machine.flight:
            machine.crashed(node, error, now, keep=keep)
    return interruption


def name_of_call(machine: Machine, node: int) -> str:
    """The call that is being made, for an error."""
    phases = machine.phases.get(node)
    name = phases[machine.phase.get(node, 0)].name if phases else machine.row.name
    return f"The {name} of {machine.plan.graph.ids[node]}"


def speak_of(
    machine: Machine, observers: Observers, guard: Guard, node: int, handler: str, took: float, stack: str
) -> None:
    """Say of a call that is slow where it hangs: to those who watch, or to the log where nobody does."""
    id, state = machine.plan.graph.ids[node], STATES[machine.states[node]]
    if observers.all:
        attempt = machine.attempts.get(node, 1)
        observers.pass_on(Event(id, machine.row.name, state, state, took, None, attempt, stack), guard)
        return
    import logging

    logging.getLogger("mainspring").warning(
        "%s has been in its %s handler for %s. It hangs here:\n%s", id, handler, duration(took), stack
    )


def _rest(guard: Guard, seconds: float) -> None:
    # Between two attempts of a start. What has to be attended to ends it.
    import queue

    alarm: queue.SimpleQueue[None] = queue.SimpleQueue()
    guard.wake = partial(alarm.put, None)
    try:
        if not guard.attention and seconds > 0:
            alarm.get(timeout=min(seconds, _LONGEST))
    except queue.Empty:
        pass
    finally:
        guard.wake = None


def _call_handler(
    store: Store, node: int, component: Component[Any], row: Signal, system: str | None, guard: Guard
) -> Any:
    phase = Phase(row.name, OWN, component._spec.handlers.get(row.name))
    return work(store, node, component, row, phase, system, store, guard)


class _Abandoned(Exception):
    def __init__(self, cause: BaseException) -> None:
        self.cause = cause
        super().__init__(cause)


def _is_special(machine: Machine, store: Store, node: int) -> bool:
    return node in machine.phases or node in store.workers or (machine.row.opens and node in machine.plan.threaded)


def _call_special(
    machine: Machine,
    store: Store,
    node: int,
    component: Component[Any],
    system: str | None,
    guard: Guard,
    observers: Observers,
) -> Any:
    """One call of a component that has several for this signal, or a deadline, or a thread of its own."""
    signal = machine.row.name
    phases = machine.phases.get(node)
    alone = Phase(signal, OWN, component._spec.handlers.get(signal))
    phase = alone if phases is None else phases[machine.phase.get(node, 0)]
    # A component that may have to be given up on lives in one thread of its own, from its start to its stop.
    if node in store.workers or (machine.row.opens and node in machine.plan.threaded):
        return _in_thread(machine, store, node, component, phase, system, guard, observers)
    return work(store, node, component, machine.row, phase, system, store, guard)


def _in_thread(
    machine: Machine,
    store: Store,
    node: int,
    component: Component[Any],
    phase: Phase,
    system: str | None,
    guard: Guard,
    observers: Observers,
) -> Any:
    import threading

    from .workers import BrokenOff, Overdue, Worker

    row = machine.row
    worker = store.workers.get(node)
    if worker is None:
        worker = store.workers[node] = Worker(str(store.graph.ids[node]))
    # Should the call be given up on, it must find nothing of ours to write to when it ends after all.
    place = Place({}, {}, {}, {})
    place.copy(store, node)
    due = machine.due(node)
    seconds = threading.TIMEOUT_MAX if due is None else max(0.0, due - perf_counter())
    own = Guard()  # of the component's thread, which gets no signals
    call = partial(work, store, node, component, row, phase, system, place, own)
    given_up: BaseException
    began = perf_counter()

    def notice() -> None:
        guard.calling = False
        speak_of(machine, observers, guard, node, phase.name, perf_counter() - began, worker.stack())
        guard.calling = True

    guard.waiting = Worker.wait.__code__
    guard.calling = True
    try:
        result = worker.run(call, seconds, min(SLOW, seconds / 2), notice)
    except Overdue as late:
        what = f"{phase.name} of {store.graph.ids[node]}"
        given_up = DeadlineExceeded(what, machine.deadlines[node], abandoned=True)
        if late.stack:
            given_up.add_note(f"It hangs here:\n{late.stack}")
    except BrokenOff as broken:
        given_up = broken.error
    else:
        store.copy(place, node)
        return result
    finally:
        guard.calling = False
        guard.waiting = None
    if not row.opens and not row.closes:
        raise given_up  # the component is as well as it was; its thread takes the next call when this one ends
    del store.workers[node]
    # What a start makes late, and what a stop had not come to, nobody will ever stop, unless the component's own thread does.
    unstopped = row.opens or phase.kind == PRE
    stop = partial(end, store, node, component, system, place, own)
    worker.give_up(stop if unstopped else None, is_start=row.opens)
    if row.opens:
        store.tell_given_up(node)
    raise _Abandoned(given_up)


def _dismiss(store: Store, node: int) -> None:
    worker = store.workers.pop(node, None)
    if worker is not None:
        worker.close()
