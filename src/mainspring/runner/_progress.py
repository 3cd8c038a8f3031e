"""What is known of a system that starts, runs and stops: gathered from events, read by whoever speaks of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mainspring import Event, Failure, Id, State

from . import show

WORK: Final = {
    State.STARTING: "starting",
    State.STOPPING: "stopping",
    State.SUSPENDING: "suspending",
    State.RESUMING: "resuming",
}
_DONE: Final = (State.DEFINED, State.STOPPED, State.FAILED)


class Asked(KeyboardInterrupt):
    """The process was asked to stop. What knows how to be interrupted by Ctrl-C knows how to be interrupted by this."""


def is_asked(error: BaseException | None) -> bool:
    """Whether an error comes from our interruption, which what it interrupts may turn into another error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, Asked):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


@dataclass
class Work:
    """A handler that has not returned yet.

    Parameters:
        doing: "starting", "stopping", ...
        since: when it began, by the monotonic clock, in seconds.
        attempt: which attempt it is, from 1.
        error: why the attempt before it failed.
        stack: where it was when the engine found it slow.
        told: whether it was spoken of, with its place.
    """

    doing: str
    since: float
    attempt: int = 1
    error: BaseException | None = None
    stack: str = ""
    told: bool = False


@dataclass
class Row:
    """What there is to know of one component.

    Parameters:
        after: those that have to be up before.
        state: its state.
        took: seconds that its last handler took, as far as one has returned.
        error: why it failed.
        said: in a word or two what came of it last.
        attempt: at which attempt it came up, from 1.
    """

    after: tuple[Id, ...] = ()
    state: State = State.DEFINED
    took: float | None = None
    error: BaseException | None = None
    said: str = ""
    attempt: int = 1


@dataclass
class _Calls:
    stopping: Callable[[], None] = field(default=lambda: None)
    crash: Callable[[Failure], None] = field(default=lambda failure: None)
    change: Callable[[Event, str], None] = field(default=lambda event, said: None)
    gone: Callable[[], None] = field(default=lambda: None)


class Progress:
    """Hears of every change of state, and remembers. Events may come from several threads.

    Those who read need no lock: each attribute is complete whenever it is looked at, and what is iterated is a copy.

    Attributes:
        calls: who is told what: that something is being stopped, that a component crashed, that one changed, that after a
            crash nothing is left that runs.
        rows: the components that take part, by id, in the order of a start.
        work: what is under way, by id.
        begun: whether anything was started.
        closing: whether anything was stopped.
        failures: what failed.
        crashes: what crashed.
    """

    def __init__(self) -> None:
        self.calls = _Calls()
        self._lock = threading.Lock()
        self.expect({})

    def expect(self, needs: Mapping[Id, tuple[Id, ...]]) -> None:
        """Begin with a new live system: its components, and what each of them needs."""
        self.rows: dict[Id, Row] = {id: Row(after) for id, after in needs.items()}
        self.width = max((len(str(id)) for id in needs), default=0)
        self.begun = False
        self.closing = False
        self.work: dict[Id, Work] = {}
        self.failures: list[Failure] = []
        self.crashes: list[Failure] = []

    def __call__(self, event: Event) -> None:
        """Take notice of a change."""
        if event.old == event.new:
            self._goes_on(event)
            return
        first = gone = False
        with self._lock:
            rows = self.rows
            if event.id not in rows:
                self.rows = rows = {**rows, event.id: Row()}
            row = rows[event.id]
            row.state, row.error, row.said = event.new, event.error, _came_to(event)
            if event.new in WORK:
                self.begun = True
                first = event.new is State.STOPPING and not self.closing
                self.closing = self.closing or first
                self.work[event.id] = Work(WORK[event.new], time.monotonic())
            else:
                row.took, row.attempt = event.took, event.attempt
                self.work.pop(event.id, None)
                if event.signal == "crash" and event.error is not None:
                    self.crashes.append(Failure(event.id, "crash", "crash", event.error))
                elif event.error is not None:
                    self.failures.append(Failure(event.id, event.signal, event.signal, event.error))
                gone = bool(self.crashes) and not self.left
        if first:
            self.calls.stopping()
        self.calls.change(event, row.said)
        if event.signal == "crash":
            self.calls.crash(self.crashes[-1])
        if gone:
            self.calls.gone()

    def _goes_on(self, event: Event) -> None:
        """An attempt failed and there is another, or a handler is slow."""
        with self._lock:
            work = self.work.get(event.id)
            if work is None:
                return
            if event.stack:
                work.stack, work.told = show.stack_text(event.stack), True
            elif event.error is not None:
                work.attempt, work.error = event.attempt + 1, event.error
        self.calls.change(event, "")

    @property
    def left(self) -> list[Id]:
        """What has to be stopped and is not yet, in the order in which it would be."""
        return [id for id, row in reversed(list(self.rows.items())) if row.state not in _DONE]

    def under_way(self) -> list[tuple[Id, Work]]:
        """What is under way, the longest first."""
        return sorted(self.work.copy().items(), key=lambda one: one[1].since)

    def count(self, *states: State) -> int:
        """How many components are in one of some states."""
        return sum(row.state in states for row in list(self.rows.values()))

    def in_state(self, state: State) -> list[Id]:
        """The components in a state."""
        return [id for id, row in list(self.rows.items()) if row.state is state]

    def where(self, now: float) -> str:
        """What is under way, for how long and where it is, for people; empty if nothing is."""
        under_way = self.under_way()
        return "\n".join(told(places(under_way), under_way, now))


def told(stacks: Mapping[str, str], under_way: Sequence[tuple[Id, Work]], now: float) -> list[str]:
    """Lines that say for each handler how long it has been under way, and where it is."""
    lines: list[str] = []
    stacks = dict(stacks)
    for id, work in under_way:
        head = f"{id} has been {work.doing} for {show.duration(now - work.since)}"
        stack = stacks.pop(str(id), "")
        lines += [f"{head}. It is here:", stack] if stack else [f"{head}."]
    for name, stack in stacks.items():
        lines += [f"The thread {name} is here:", stack]
    return lines


def places(under_way: Sequence[tuple[Id, Work]]) -> dict[str, str]:
    """Where handlers are, by the ids of their components; by their names, threads of which nobody can say whose they are."""
    stacks = {str(id): show.stack(str(id)) or work.stack for id, work in under_way}
    unknown = [name for name, stack in stacks.items() if not stack]
    if unknown:
        shared = show.shared_stacks()
        if len(unknown) == 1 and len(shared) == 1:
            shared = {unknown[0]: next(iter(shared.values()))}
        stacks |= shared
    return {name: stack for name, stack in stacks.items() if stack}


def _came_to(event: Event) -> str:
    if event.new in WORK:
        return ""
    if event.signal == "crash":
        return "crashed"
    if is_asked(event.error) or (event.old is State.STARTING and event.new is State.STOPPED):
        return "given up"
    if event.new is State.ABANDONED:
        return "abandoned"
    if event.new is State.FAILED:
        return "failed" if event.signal == "start" else f"failed to {event.signal}"
    if event.new is State.RUNNING:
        return "up" if event.old is State.STARTING else "resumed"
    return str(event.new)
