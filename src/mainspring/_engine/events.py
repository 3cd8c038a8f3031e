"""What observers are told. An observer that breaks is dropped and logged; with none, an event costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .._core.callables import Id
from .._core.model import STATES, Constant, State
from .._core.run import Machine
from .interrupt import Guard


class Event(NamedTuple):
    """A component went from one state to another; or something is to be said about it in the state that it is in.

    Where `old` and `new` are the same, an attempt to start failed and there will be another one, and `error` says why; or a
    handler is slow, and `stack` says where it hangs.

    Parameters:
        id: the component.
        signal: the signal that was being sent, or "crash" where the component broke by itself.
        old: the state before.
        new: the state now.
        took: seconds in the state before, where that was the time a handler ran; otherwise `None`.
        error: what the handler raised, if the new state is "failed" or "abandoned", or if it is tried again.
        attempt: which attempt this was, from 1.
        stack: where a slow handler hangs, as text.
    """

    id: Id
    signal: str
    old: State
    new: State
    took: float | None
    error: BaseException | None
    attempt: int = 1
    stack: str | None = None


Observer = Callable[[Event], object]
_WORKING = frozenset({State.STARTING, State.STOPPING, State.SUSPENDING, State.RESUMING})


class Observers:
    """Those who watch one live system."""

    __slots__ = ("all",)

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self.all: list[Observer] = list(observers)

    def tell(self, machine: Machine, guard: Guard) -> None:
        """Pass on what the machine recorded since the last time."""
        changes, machine.changes = machine.changes, []
        graph = machine.plan.graph
        for change in changes:
            if isinstance(graph.nodes[change.node], Constant):
                continue
            old, new = STATES[change.old], STATES[change.new]
            took = change.took if old in _WORKING else None
            error, attempt = change.error, change.attempt
            if error is None and new in (State.FAILED, State.ABANDONED):
                error = next((f.error for f in reversed(machine.failures) if f.node == change.node), None)
            if old is not new:
                attempt = machine.attempts.get(change.node, 1)
            self.pass_on(Event(graph.ids[change.node], change.signal, old, new, took, error, attempt), guard)

    def pass_on(self, event: Event, guard: Guard) -> None:
        """Tell everybody of one event."""
        for observer in list(self.all):
            self._tell(observer, event, guard)

    def _tell(self, observer: Observer, event: Event, guard: Guard) -> None:
        try:
            observer(event)
        except BaseException as error:
            if observer in self.all:
                self.all.remove(observer)
            if not isinstance(error, Exception):
                guard.keep(error)  # it is the request's to give up in good order, not the observer's to break off
                return
            import logging

            logging.getLogger("mainspring").exception(
                "The observer %r failed on %s and is not told anything more.", observer, event
            )
