"""The run machine: what may begin now, and what follows from a success, a failure, a deadline, a cancellation.

It has no effects: no clock, no threads, no handlers. A driver asks `begin` what to do next, does it, and says what came of
it; the time goes in as a number. Every rule of a run is here, and only here, so that all drivers behave alike.

    driver                              machine
      begin(now)            ──────────>   a node to call, WAIT or DONE
      succeeded / failed    ──────────>
      cancelled / abandoned ──────────>
      overdue(now)          ──────────>   nodes whose deadline has passed: to be cancelled
      hopeless(now)         ──────────>   nodes that did not end even so: to be let go
      slow(now)             ──────────>   nodes to be spoken of
      interrupt()           ──────────>
      cancels()             ──────────>   nodes in flight that are to be cancelled
      next_moment           ──────────>   when to ask these three again, if nothing happens before

A request is a list of stages, each of which sends one signal. A start that fails inserts a stage of its own: the roll-back.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain
from typing import Final, Literal, NamedTuple

from .model import CODE, OWN, POST, PRE, STOP, Signal, State
from .plan import Plan

WAIT: Final = -1
DONE: Final = -2

RUNNING: Final = CODE[State.RUNNING]
STOPPED: Final = CODE[State.STOPPED]
FAILED: Final = CODE[State.FAILED]
ABANDONED: Final = CODE[State.ABANDONED]

NO_LIMIT: Final = 1 << 40
SLOW: Final = 5.0  # seconds after which a call is spoken of

OnFailure = Literal["rollback", "keep"]


class Lanes:
    """What calls take up while they are in flight. A call begins when there is room in all lanes of its node.

    Parameters:
        room: how many calls each lane has room for.
        of: the lanes of each node.
    """

    __slots__ = ("of", "room")

    def __init__(self, room: Sequence[int], of: Sequence[tuple[int, ...]]) -> None:
        self.room, self.of = room, of


class Failed(NamedTuple):
    """A call that failed: which node, sending which signal, in which call, with what."""

    node: int
    signal: str
    handler: str
    error: BaseException


class Change(NamedTuple):
    """A change of state: which node, from which state to which, when, and the signal that brought it.

    A call that failed and will be tried again is one too, from a state to the same state, with its error and its number.
    """

    node: int
    old: int
    new: int
    at: float
    signal: str
    error: BaseException | None = None
    attempt: int = 1
    took: float = 0.0  # since the node's step began


class Stage(NamedTuple):
    """A plan that was entered, with the times at which each of its steps began and ended."""

    plan: Plan
    began: array[float]
    ended: array[float]


class Machine:
    """One request, from its first step to its last.

    Parameters:
        stages: the plans, to be run one after the other.
        states: a code for each node's state; changed in place.
        held: for each node whether it holds something that has to be stopped; changed in place.
        on_failure: whether a failed start stops what this request had started, or keeps it.
        limit: how many calls may be in flight.
        lanes: what calls take up, by signal.
        watch: whether to record changes of state for observers.
        chance: gives a number from 0 to 1, for the jitter of retries.
    """

    __slots__ = (
        "_after", "_applies", "_asleep", "_before", "_blocked", "_closes", "_continuing", "_due", "_during",
        "_halting", "_lanes", "_lanes_of", "_last", "_noticed", "_opens", "_order", "_parked", "_picky", "_plain", "_ready",
        "_sign", "_started", "_stumbled", "_taken", "_then", "_tick", "_to_come", "_waits", "_woken", "attempts", "began",
        "chance", "changes", "deadlines", "ended", "failures", "flight", "held", "interrupted", "left_off", "limit",
        "next_moment", "on_failure", "origin", "phase", "phases", "plan", "rolled_back", "row", "skipped", "stages",
        "states", "to_cancel", "watch",
    )  # fmt: skip

    def __init__(
        self,
        stages: Sequence[Plan],
        states: bytearray,
        held: bytearray,
        *,
        on_failure: OnFailure = "rollback",
        limit: int = 1,
        lanes: Callable[[Signal], Lanes | None] | None = None,
        watch: bool = False,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._to_come = list(stages)
        self.states = states
        self.held = held
        self.on_failure = on_failure
        self.limit = limit
        self.watch = watch
        self.chance = chance or _midway
        self._lanes_of = lanes
        self.attempts: dict[int, int] = {}  # of those that were tried more than once
        self.changes: list[Change] = []
        self.failures: list[Failed] = []
        self.interrupted = False
        self.rolled_back: set[int] = set()
        self.skipped: dict[int, str] = {}
        self.left_off: list[int] = []  # those whose part ended between two calls; the driver may have to clean up
        self.stages: list[Stage] = []  # those that were entered
        self.origin = 0.0  # when the request began, on the same clock
        self._started: list[int] | None = None
        self._enter(self._to_come.pop(0))

    def _enter(self, plan: Plan) -> None:
        row = plan.row
        self.plan, self.row = plan, row
        self.phases, self.deadlines = plan.phases, plan.deadlines
        self.phase: dict[int, int] = {}
        self.flight: dict[int, bool] = {}  # in flight, and whether it has been told to give up
        self.to_cancel: list[int] = []
        self._due: dict[int, float] = {}
        self._last: dict[int, float] = {}  # when those who were cancelled past their deadline are let go
        self._asleep: dict[int, float] = {}  # in flight, but between two attempts; and until when
        self._woken: set[int] = set()  # those of them whose time has come
        self._noticed: set[int] = set()
        self._tick: float = NO_LIMIT  # before then no call can become slow
        self.next_moment: float = NO_LIMIT  # before then nothing becomes due by time alone
        self._continuing: list[int] = []
        self._before: dict[int, int] = {}  # the states of those that have several calls
        self._halting = False
        self._applies, self._opens, self._closes = row.applies, row.opens, row.closes
        # Whether a node in a fitting state may have to be passed over all the same. Mostly none has to, and asking costs.
        self._picky = bool(
            plan.through or not row.without_handler or ((row.opens or row.closes) and FAILED in self.states)
        )
        self._blocked: set[int] = set()
        self._stumbled: set[int] = set()  # whose pre-stop failed, and who are being stopped all the same
        zeros = bytes(8 * len(self.states))
        self.began = array("d", zeros)  # seconds on the driver's clock; 0.0 for what did not begin
        self.ended = array("d", zeros)
        self.stages.append(Stage(plan, self.began, self.ended))
        self._during = -1 if row.during is None else CODE[row.during]
        self._after = -1 if row.after is None else CODE[row.after]
        self._sign = sign = 1 if row.dependencies_first else -1
        self._order: Iterator[int] | None = None
        self._ready: list[int] = []
        self._lanes = None if self._lanes_of is None else self._lanes_of(row)
        self._parked: list[list[int]] = []
        if self._lanes is not None:
            self._taken = [0] * len(self._lanes.room)
            self._parked = [[] for _ in self._lanes.room]
        # Most requests have none of what takes a second look at each step, and to ask for each of them costs.
        self._plain = not (self.phases or self.deadlines or plan.retries or self._parked or self.watch)
        if self.limit == 1:
            # Positions are an order that fits, and the one that the heap would give when there is one call at a time.
            self._order = iter(plan.members if sign > 0 else reversed(plan.members))
        else:
            self._then, self._waits = plan.then, plan.waits()
            self._ready = [sign * i for i, count in enumerate(self._waits) if not count]
            if sign < 0:
                self._ready.reverse()  # sorted, and so a heap
        if row.opens:
            self._started = []

    # --- what to do next ---

    def begin(self, now: float) -> int:
        """The next node to call, in its call number `phase.get(node, 0)`; `WAIT` for news; or `DONE`."""
        states, flight = self.states, self.flight
        while True:
            if not self._plain:
                if self._asleep:
                    self._wake(now)
                if self._continuing:
                    node = self._continuing.pop()
                    if self._halting:
                        self._leave_off(node, now)
                        continue
                    self._woken.discard(node)
                    self._arm(node, now)
                    return node
            node = -1
            if not self._halting and len(flight) < self.limit:
                if self._order is not None:
                    node = next(self._order, -1)
                elif self._ready:
                    node = heappop(self._ready) * self._sign if self._lanes is None else self._with_room(self._lanes)
            if node >= 0:
                if not self._applies[states[node]] or (self._picky and self._is_passed_over(node)):
                    self._release(node)
                    if self._parked:
                        self._call_up(node)
                    continue
                flight[node] = False
                self.began[node] = now
                during = self._during
                if self._plain:
                    if during >= 0:
                        states[node] = during
                    return node
                if self._parked:
                    self._take_room(node)
                if self.phases and node in self.phases:
                    self._before[node] = states[node]
                if during >= 0:
                    if self.watch:
                        self._record(node, during, now)
                    states[node] = during
                if self.deadlines:
                    self._arm(node, now)
                return node
            if flight:
                self.keep_time(now)
                return WAIT
            if not self._next_stage():
                return DONE
            flight = self.flight

    def _with_room(self, lanes: Lanes) -> int:
        # The first node that is ready and has room; those without wait in the lane that is full.
        ready, taken, parked, sign = self._ready, self._taken, self._parked, self._sign
        while ready:
            node = heappop(ready) * sign
            mine = lanes.of[node]
            passes = not self._applies[self.states[node]] or (self._closes and not self.held[node])
            if passes or (self._picky and not self.plan.takes_part(node)):
                return node  # to be passed over, which needs no room
            full = next((lane for lane in mine if taken[lane] >= lanes.room[lane]), -1)
            if full < 0:
                return node
            heappush(parked[full], node * sign)
            self._call_up(node)
        return -1

    def _call_up(self, node: int) -> None:
        # A node was thought to take room, and did not: the next in each of its lanes may.
        assert self._lanes is not None
        for lane in self._lanes.of[node]:
            if self._parked[lane] and self._taken[lane] < self._lanes.room[lane]:
                heappush(self._ready, heappop(self._parked[lane]))

    def _take_room(self, node: int) -> None:
        assert self._lanes is not None
        for lane in self._lanes.of[node]:
            self._taken[lane] += 1

    def _give_room(self, node: int) -> None:
        assert self._lanes is not None
        for lane in self._lanes.of[node]:
            self._taken[lane] -= 1
            if self._parked[lane]:
                heappush(self._ready, heappop(self._parked[lane]))

    def _leave_off(self, node: int, now: float) -> None:
        # Between two of its calls when the request was given up: the next one is not made.
        phases = self.phases.get(node)
        own_is_done = phases is not None and phases[self.phase.get(node, 0)].kind == POST
        self.left_off.append(node)
        if node in self._woken:
            self.attempts[node] -= 1
        if self.row.opens and self.held[node]:
            self._finish(node, self._after, now)
            return
        self.skipped[node] = "the request was given up before"
        if self.row.opens:
            self._finish(node, STOPPED, now)
        else:
            self._finish(node, self._after if own_is_done else self._before[node] if self._during >= 0 else -1, now)

    def _wake(self, now: float) -> None:
        if self._halting:
            for node in list(self._asleep):
                del self._asleep[node]
                self.attempts[node] -= 1  # the next one is not made
                self.left_off.append(node)
                self.cancelled(node, now)
            return
        for node in [node for node, until in self._asleep.items() if until <= now]:
            del self._asleep[node]
            self._woken.add(node)
            self._continuing.append(node)

    def _is_passed_over(self, node: int) -> bool:
        row, plan = self.row, self.plan
        if not plan.takes_part(node):
            return True
        if row.opens and self.held[node]:
            # It broke, and has still to be stopped: to start it anew would lose what it holds.
            self.skipped[node] = "it failed, and still holds what it had"
            self._blocked.add(node)
            return True
        if row.needs_running:
            cause = self._cause(node)
            if cause is not None:
                self.skipped[node] = cause
                self._blocked.add(node)
            return cause is not None
        return bool(row.closes) and not self.held[node]

    def _cause(self, node: int) -> str | None:
        for j in self.plan.graph.needs[node]:
            if j in self._blocked or (self.row.without_handler and self.states[j] != self._after):
                ids = self.plan.graph.ids
                return f"it needs {ids[j]}, which {'failed' if self.states[j] == FAILED else 'was not reached'}"
        return None

    def _release(self, node: int) -> None:
        if self.states[node] != self._after:
            self._picky = True
        if self._order is None:
            self._free(node)

    def _free(self, node: int) -> None:
        waits, ready, sign = self._waits, self._ready, self._sign
        for other in self._then[node]:
            waits[other] = left = waits[other] - 1
            if not left:
                heappush(ready, sign * other)

    def _next_stage(self) -> bool:
        waiting = (left * self._sign for left in chain(self._ready, *self._parked))
        for node in waiting if self._order is None else self._order:
            if self._applies[self.states[node]]:
                self.skipped.setdefault(node, "the request was given up before")
        if self.row.opens and self._halting and self._started is not None:
            # Only what this request started, in the order of a stop; the stages that were to come are not run.
            self._to_come.clear()
            started = [node for node in self._started if self.held[node]]
            self._started = None
            if not started:
                return False
            self.rolled_back.update(started)
            self._enter(Plan(self.plan.graph, STOP, exactly=started, deadlines=self.plan.given_deadlines))
            return True
        if self._halting or not self._to_come:
            return False
        self._enter(self._to_come.pop(0))
        return True

    def _arm(self, node: int, now: float) -> None:
        seconds = self.deadlines.get(node)
        if seconds is not None and node not in self._due:
            self._due[node] = now + seconds
            self._tick_at(now + min(SLOW, seconds / 2))

    def _tick_at(self, moment: float) -> None:
        self._tick = min(self._tick, moment)
        self.next_moment = min(self.next_moment, moment)

    # --- what happened ---

    def succeeded(self, node: int, now: float) -> None:
        """A call came to its end as it should."""
        if self._plain:
            if self._opens:
                self.held[node] = 1
                if self._started is not None:
                    self._started.append(node)
            elif self._closes:
                self.held[node] = 0
            self.ended[node] = now
            del self.flight[node]
            if self._after >= 0:
                self.states[node] = self._after
            if self._order is None:
                self._free(node)
            return
        if self.phases and node in self.phases:
            if self._goes_on(node, now):
                return
        elif self._opens:
            self.held[node] = 1
            if self._started is not None:
                self._started.append(node)
        elif self._closes:
            self.held[node] = 0
        self.ended[node] = now
        del self.flight[node]
        if self._due or self._last:
            self._forget_deadline(node)
        if self._parked:
            self._give_room(node)
        after = self._after
        if after >= 0:
            if self.watch:
                self._record(node, after, now)
            self.states[node] = after
        if self._order is None:
            self._free(node)

    def _goes_on(self, node: int, now: float) -> bool:
        # Whether a component with several calls for this signal has more of them, or was finished another way.
        phases = self.phases[node]
        at = self.phase.get(node, 0)
        if phases[at].kind == OWN:
            self._settle(node)
        if at + 1 < len(phases) and not (self.row.opens and (self._halting or self.flight[node])):
            self._go_on(node, at)
        elif self.row.opens and not self.held[node]:
            self.skipped[node] = "the request was given up before"
            self._finish(node, STOPPED, now)
        elif node in self._stumbled:
            self._finish(node, FAILED, now)
        else:
            return False
        return True

    def _go_on(self, node: int, at: int) -> None:
        self.phase[node] = at + 1
        self._continuing.append(node)
        if self._last.pop(node, None) is not None:
            self.flight[node] = False  # it was late with this call, and may take as long for the next

    def failed(self, node: int, error: BaseException, now: float, *, handler: str | None = None) -> None:
        """A call raised. What counts as interrupting the whole request has to be said with `interrupt` too."""
        row = self.row
        phases = self.phases.get(node)
        at = self.phase.get(node, 0)
        retried = row.opens and node in self.plan.retries and (phases is None or phases[at].kind == OWN)
        if retried and self._tries_again(node, error, now):
            return
        name = handler or (phases[at].name if phases else row.name)
        self.failures.append(Failed(node, row.name, name, error))
        if row.closes and phases is not None and phases[at].kind == PRE:
            # A failing pre-stop does not keep stop from running.
            self._stumbled.add(node)
            self._go_on(node, at)
            return
        if row.closes:
            self.held[node] = 0  # it had its one chance
        self._finish(node, self._state_of_failure, now)
        if row.opens and self.on_failure == "rollback":
            self._halt()

    def _tries_again(self, node: int, error: BaseException, now: float) -> bool:
        retry, attempt = self.plan.retries[node], self.attempts.get(node, 1)
        if self._halting or self.flight[node] or attempt >= retry.times or not retry.covers(error):
            return False
        again = now + retry.delay(attempt, self.chance())
        if again >= self._due.get(node, again + 1):
            return False
        self._asleep[node] = again
        self.next_moment = min(self.next_moment, again)
        self.attempts[node] = attempt + 1
        if self.watch:
            state = self.states[node]
            took = now - self.began[node]
            self.changes.append(Change(node, state, state, now, self.row.name, error, attempt, took))
        return True

    def cancelled(self, node: int, now: float) -> None:
        """A call in flight ended because it was cancelled; a start left nothing behind."""
        self.skipped[node] = "it was cancelled"
        if self.row.closes:
            self.held[node] = 0
        self._finish(node, STOPPED if self.row.opens and not self.held[node] else self._state_of_failure, now)

    @property
    def _state_of_failure(self) -> int:
        return FAILED if self._during >= 0 or self._after >= 0 else -1

    def abandoned(self, node: int, error: BaseException, now: float) -> None:
        """A call did not end and was given up on: nobody will wait for it any more."""
        row = self.row
        phases = self.phases.get(node)
        name = phases[self.phase.get(node, 0)].name if phases else row.name
        self.failures.append(Failed(node, row.name, name, error))
        self.held[node] = 0
        self._finish(node, ABANDONED, now)
        if row.opens and self.on_failure == "rollback":
            self._halt()

    def crashed(self, node: int, error: BaseException, now: float, *, keep: bool = False) -> None:
        """A component that was running broke by itself. It still has to be stopped.

        A start that is under way is given up, unless it is to `keep` what it has.
        """
        if keep and self.row.opens:
            # What needs it and is not up cannot be started any more, which is no success of the start.
            members = set(self.plan.members)
            keep = not any(j in members and not self.held[j] for j in self.plan.graph.needed_by[node])
        if not keep:
            self.failures.append(Failed(node, "crash", "crash", error))
        if self.watch:
            self.changes.append(Change(node, self.states[node], FAILED, now, "crash", error))
        self.states[node] = FAILED
        self._picky = True
        if self.row.opens and not keep and self.on_failure == "rollback":
            self._halt()

    def interrupt(self) -> None:
        """Give the request up: begin nothing more, cancel what is in flight, roll back a start. A stop goes on."""
        self.interrupted = True
        if not self.row.closes:
            self._halt()
        elif self._to_come:
            self._to_come.clear()  # the start half of a restart

    def overdue(self, now: float) -> list[int]:
        """The calls whose deadline has passed and who have not been told yet.

        The driver cancels each if it can, and says what came of it; if it cannot, it lets go of the call and says `abandoned`.
        """
        late = [
            node
            for node, due in self._due.items()
            if due <= now and node not in self._asleep and node not in self._continuing
        ]
        for node in late:
            del self._due[node]
            self._last[node] = now + self.deadlines[node]
            self.flight[node] = True
        return late

    def hopeless(self, now: float) -> list[int]:
        """The calls that were cancelled at their deadline and have taken as long again. The driver lets go of each."""
        late = [node for node, until in self._last.items() if until <= now]
        for node in late:
            del self._last[node]
        return late

    def slow(self, now: float) -> list[int]:
        """The calls that have taken long, each once: longer than `SLOW`, or than half their deadline.

        Asked for after the other two, whenever `next_moment` has come; it looks when that will be the next time.
        """
        late: list[int] = []
        if now >= self._tick:
            self._tick = now + SLOW
            for node in self.flight:
                if node not in self._noticed and node not in self._asleep and node not in self._continuing:
                    until = self.began[node] + min(SLOW, self.deadlines.get(node, NO_LIMIT) / 2)
                    if until <= now:
                        self._noticed.add(node)
                        late.append(node)
                    else:
                        self._tick = min(self._tick, until)
        self.next_moment = min(chain((self._tick,), self._due.values(), self._last.values(), self._asleep.values()))
        return late

    def is_late(self, node: int) -> bool:
        """Whether a call in flight was named by `overdue`."""
        return node in self._last

    def due(self, node: int) -> float | None:
        """The moment at which a call in flight is overdue."""
        return self._due.get(node)

    def keep_time(self, now: float) -> None:
        """Look to the time although `begin` has not said `WAIT`: calls are in flight, and something else is begun elsewhere."""
        if self._tick == NO_LIMIT:
            self._tick_at(now + SLOW)

    @property
    def has_ready(self) -> bool:
        """Whether there is something that waits for nothing but its turn."""
        return bool(self._continuing or (self._ready and not self._halting))

    @property
    def has_more(self) -> bool:
        """Whether stages are still to come, as the start half of a restart."""
        return bool(self._to_come)

    def cancels(self) -> list[int]:
        """The calls in flight that are to be cancelled and have not been named before."""
        named, self.to_cancel = self.to_cancel, []
        return named

    # --- inside ---

    def _settle(self, node: int) -> None:
        if self.row.opens:
            self.held[node] = 1
            if self._started is not None:
                self._started.append(node)
        elif self.row.closes:
            self.held[node] = 0

    def _finish(self, node: int, state: int, now: float) -> None:
        self.ended[node] = now
        del self.flight[node]
        self._forget_deadline(node)
        if self._parked:
            self._give_room(node)
        if state >= 0:
            if self.watch:
                self._record(node, state, now)
            self.states[node] = state
        if state != self._after:
            self._blocked.add(node)
        self._release(node)

    def _forget_deadline(self, node: int) -> None:
        self._due.pop(node, None)
        self._last.pop(node, None)

    def _halt(self) -> None:
        if not self._halting:
            self._halting = True
            for node, told in self.flight.items():
                if not told and node not in self._asleep and node not in self._continuing:
                    self.flight[node] = True
                    self.to_cancel.append(node)

    def _record(self, node: int, new: int, now: float) -> None:
        took = now - self.began[node]
        self.changes.append(Change(node, self.states[node], new, now, self.row.name, took=took))


def _midway() -> float:
    return 0.5


__all__ = ["DONE", "POST", "WAIT", "Change", "Failed", "Iterable", "Lanes", "Machine", "Signal"]
