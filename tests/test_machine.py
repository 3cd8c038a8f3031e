"""The run machine alone, with plain values: random graphs, faults, deadlines, retries, crashes, interruptions, in random order.

A driver that has no handlers plays against the machine. Time is a number that it counts up. What it sees is held against the
rules of a run, which are written down here a second time, as statements about what was called when. All choices come from one
`random.Random`, so that a seed is enough to see a case again; `soak.py` plays a million of them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring import Component, Retry, Signal, State, System, ref
from mainspring._core.graph import Graph, graph_of
from mainspring._core.model import CODE, RESUME, START, STATES, STATUS, STOP, SUSPEND
from mainspring._core.plan import Plan
from mainspring._core.run import DONE, SLOW, WAIT, Lanes, Machine, OnFailure

NEVER = float("inf")
UP = (CODE[State.RUNNING], CODE[State.SUSPENDED])


def nothing(*args: object, **config: object) -> None:
    """A handler."""


def random_system(chance: random.Random, most: int = 7) -> System:
    """Components with random references to earlier ones, in a random order, with random further handlers and deadlines."""
    count = chance.randint(1, most)
    density = chance.choice((0.1, 0.3, 0.6))
    plain = chance.random() < 0.2
    group: dict[str, Any] = {}
    for i in range(count):
        needs = {f"a{j}": ref(f"g.c{j}") for j in range(i) if chance.random() < density}
        if not plain and chance.random() < 0.1:
            group[f"c{i}"] = needs  # a constant, which may refer to others too
            continue
        slots: dict[str, Any] = {}
        if not plain:
            for slot in ("stop", "status", "suspend", "resume"):
                if chance.random() < 0.5:
                    slots[slot] = nothing
            for slot in ("pre", "post"):
                if chance.random() < 0.3:
                    signals = chance.choice((("start",), ("stop",), ("start", "stop"), ("status", "suspend")))
                    slots[slot] = {signal: [nothing] * chance.randint(1, 2) for signal in signals}
            if chance.random() < 0.5:
                slots["deadlines"] = chance.choice((1.0, 3.0, 20.0, {"start": 2.0, "stop": 8.0}, {"status": 1.0}))
            if chance.random() < 0.3:
                times, wait = chance.randint(1, 4), chance.choice((0.0, 0.5, 4.0))
                slots["retry"] = Retry(times, on=chance.choice((OSError, Exception)), wait=wait, most=6.0)
        group[f"c{i}"] = Component(start=nothing, config=needs, **slots)
    names = list(group)
    chance.shuffle(names)
    return System({"g": {name: group[name] for name in names}})


class Flight:
    """What the player knows of a node that is in flight."""

    def __init__(self, began: float, due: float) -> None:
        self.began, self.due = began, due
        self.phase = 0
        self.told = False  # to be cancelled, for whatever reason
        self.until = NEVER  # when it is let go; told at its deadline
        self.asleep = NEVER  # until when, between two attempts
        self.between = False  # one call of it has ended and the next has not begun
        self.attempts = 1
        self.slept = self.noticed = self.was_late = self.has_stumbled = False
        self.seen = NEVER  # when the driver first waited for it

    def goes_on(self) -> None:
        """One call has ended, and another is to follow. That the first was late is no business of the second."""
        self.between = True
        if self.until < NEVER:
            self.told, self.until, self.was_late = False, NEVER, True

    @property
    def is_under_way(self) -> bool:
        """Whether a call is being made."""
        return self.asleep == NEVER and not self.between


class Player:
    """Plays driver: decides by `chance` what becomes of each call, and holds the machine to the rules.

    Parameters:
        system: what is run.
        chance: where all choices come from.
        watch: whether the machine is to record changes of state.
    """

    def __init__(self, system: System, chance: random.Random, *, watch: bool = True) -> None:
        self.graph: Graph = graph_of(system._definition)
        self.chance, self.watch = chance, watch
        count = len(self.graph.ids)
        self.all = range(count)
        self.states, self.held = bytearray(count), bytearray(count)
        self.up: set[int] = set()  # what has to be stopped as the calls tell, whatever the machine thinks
        self.whole: set[int] = set()  # those of them that came to the end of their start, and have not broken since
        self.lost: set[int] = set()  # abandoned
        self.stops: list[int] = []  # every call of a stop
        self.record: list[tuple[str, str, int]] = []
        self.now = 0.0
        self.tally: Counter[str] = Counter()
        self.told_states = list(self.states)  # as the changes tell
        self.below: list[set[int]] = []  # all that a node needs, directly or not
        for needs in self.graph.needs:
            self.below.append(set(needs).union(*(self.below[j] for j in needs)))

    # --- one request ---

    def plan(self, row: Signal, roots: Iterable[int] | None = None) -> Plan:
        """A plan on the player's graph."""
        return Plan(self.graph, row, roots)

    def play(
        self,
        stages: list[Plan],
        *,
        on_failure: OnFailure = "rollback",
        limit: int = 1,
        lanes: Callable[[Signal], Lanes] | None = None,
        faults: bool = True,
    ) -> Machine:
        """Run one request to its end, with everything that can go wrong going wrong somewhere."""
        self.luck = self.chance.random()
        self.machine = machine = Machine(
            stages,
            self.states,
            self.held,
            on_failure=on_failure,
            limit=limit,
            lanes=lanes,
            watch=self.watch,
            chance=lambda: self.luck,
        )
        self.limit, self.lanes_of, self.faults = limit, lanes, faults
        self.before = set(self.up)
        self.wrong: list[tuple[int, str, BaseException]] = []  # what the machine has to report
        self.to_come = [plan.row for plan in stages]
        self.stage = 0
        self.is_broken_off = False
        self.given_up = False
        self.flight: dict[int, Flight] = {}
        self.made: dict[int, int] = {}  # attempts, of those that were started
        self._enter()
        for _ in range(20_000):
            self.now += self.chance.choice((0.0, 0.0, 0.25, 1.0)) if faults else 0.001
            node, asked = machine.begin(self.now), self.now
            if self.given_up:
                for waiting in [n for n, flight in self.flight.items() if not flight.is_under_way]:
                    self._note("given up between two calls")
                    del self.flight[waiting]
            if len(machine.stages) != self.stage:
                self._enter()
            self._changes()
            if node >= 0:
                self._begun(node)
                self._obey()
                if self.chance.random() < 0.6:
                    continue
            elif node == WAIT:
                assert self.flight, "the machine waits only for something"
                for flight in self.flight.values():
                    flight.seen = min(flight.seen, self.now)
                if not self.given_up and (able := self._able()):
                    raise AssertionError(f"what can begin is not kept waiting: {able}")
            else:
                self._over()
                return machine
            # Several things may happen before the machine is asked again.
            for _ in range(self.chance.choice((1, 1, 2, 3))):
                if self.flight:
                    self._something_happens()
                    self._obey()
            if self.now >= machine.next_moment:
                self._time_comes()
            moments = (
                m for f in self.flight.values() for m in (f.due, f.until, f.asleep if f.asleep > asked else NEVER)
            )
            soonest = min(moments, default=NEVER)
            assert machine.next_moment <= soonest, "the machine asks to be told of the time before anything is due"
            self._changes()
        raise AssertionError("the machine does not end")

    def _enter(self) -> None:
        machine = self.machine
        plan, row = machine.plan, machine.row
        assert not self.flight, "a stage begins when the one before it is over"
        assert len(machine.stages) == self.stage + 1
        if self.stage and self.given_up:
            due = {node for node in self.started if node in self.up}
            assert row is STOP, "what follows on a start that was given up is its roll-back"
            assert set(plan.members) - plan.through == due, "and that stops what this request had started, and no more"
            assert machine.rolled_back == due
            self.to_come.clear()
            self.tally["roll-back"] += 1
        else:
            assert not (self.stage and self.is_broken_off), "after an interruption no further stage begins"
            assert row is self.to_come.pop(0)
        self.stage += 1
        self.given_up = False
        self.members = set(plan.members)
        self.begun: set[int] = set()
        self.started: list[int] = []
        self.tried: set[int] = set()  # whose stop was called
        self.up_at_entry = set(self.up)
        self.after = {node: self.below[node] for node in self.members}
        if not row.dependencies_first:
            self.after = {node: {o for o in self.members if node in self.below[o]} for node in self.members}
        self.lanes = None if self.lanes_of is None or self.limit == 1 else self.lanes_of(row)

    def _begun(self, node: int) -> None:
        machine, row = self.machine, self.machine.row
        phase = machine.phase.get(node, 0)
        phases = machine.phases.get(node)
        flight = self.flight.get(node)
        assert not (self.given_up and not row.closes), "nothing begins when the request has been given up"
        if flight is None:
            assert node in self.members
            assert node not in self.begun, "a component gets a signal once"
            assert phase == 0
            assert len(self.flight) < self.limit, "no more calls in flight than allowed"
            assert self._has_room(node), "nothing begins without room"
            assert row.applies[self.states[node]] or STATES[self.states[node]] is row.during
            self._in_order(node)
            self.begun.add(node)
            if row is START:
                self.made[node] = 1
            flight = self.flight[node] = Flight(self.now, self.now + machine.plan.deadlines.get(node, NEVER))
        elif flight.asleep < NEVER:
            assert self.now >= flight.asleep, "between two attempts the wait is kept"
            assert phase == flight.phase
            flight.asleep = NEVER
            flight.attempts += 1
            self.made[node] = flight.attempts
            self.tally["retry"] += 1
        else:
            assert flight.between, "one call of a component at a time"
            assert phase == flight.phase + 1, "the calls of a component are made in order"
            flight.phase, flight.between = phase, False
            if flight.was_late:
                flight.due, flight.was_late = self.now + machine.plan.deadlines[node], False
        self.record.append((row.name, phases[phase].name if phases else row.name, node))
        if row is STOP and self._is_own(node):
            assert node in self.up, "only what runs is stopped"
            assert node not in self.tried, "nothing is stopped twice"
            self.tried.add(node)
            self.stops.append(node)

    def _in_order(self, node: int) -> None:
        row = self.machine.row
        for other in self.flight:
            assert other not in self.after[node], "what comes first has ended"
        for other in self.begun:
            assert node not in self.after.get(other, ()), "what comes later has not begun"
        if row is START:
            assert set(self.graph.needs[node]) <= self.whole, (
                "nothing starts before what it needs, or when that has broken"
            )
            assert node not in self.up, "nothing is started twice"
        elif row is STOP:
            assert not any(node in self.below[other] for other in self.up), (
                "nothing stops while something that needs it runs"
            )

    def _has_room(self, node: int) -> bool:
        if self.lanes is None:
            return True
        for lane in self.lanes.of[node]:
            taken = sum(lane in self.lanes.of[other] for other in self.flight)
            if taken >= self.lanes.room[lane]:
                return False
        return True

    def _able(self) -> list[int]:
        """What could begin now, and has not."""
        row = self.machine.row
        if len(self.flight) >= self.limit or row not in (START, STOP):
            return []
        waiting = (n for n in self.members - self.begun if row.applies[self.states[n]] and self._has_room(n))
        if row is START:
            return [
                n for n in waiting if n not in self.up and set(self.graph.needs[n]) <= self.whole - set(self.flight)
            ]
        return [n for n in waiting if n in self.up and not any(n in self.below[o] for o in self.up | set(self.flight))]

    def _is_own(self, node: int) -> bool:
        phases = self.machine.phases.get(node)
        return phases is None or phases[self.machine.phase.get(node, 0)].name == self.machine.row.name

    # --- what happens ---

    def _obey(self) -> None:
        """Take note of what the machine wants cancelled."""
        for node in self.machine.cancels():
            flight = self.flight.get(node)
            assert flight is not None, "only what is in flight is cancelled"
            assert flight.is_under_way, "there is a call to be cancelled"
            assert not flight.told, "it is told once"
            assert self.given_up
            flight.told = True
        if self.given_up:
            assert all(f.told for f in self.flight.values() if f.is_under_way), (
                "all that is under way is told to give up"
            )

    def _something_happens(self) -> None:
        chance, machine = self.chance, self.machine
        dice = chance.random() if self.faults else 1.0
        calls = sorted(node for node, flight in self.flight.items() if flight.is_under_way)
        if dice < 0.02:
            self._note("interruption")
            machine.interrupt()
            self._break_off()
        elif dice < 0.05:
            well = sorted(n for n in self.up - set(self.flight) if self.states[n] in UP)
            if well:
                self._crash(chance.choice(well))
        elif dice < 0.2 or not calls:
            if calls or any(f.asleep < NEVER for f in self.flight.values()):
                self.now = max(self.now, min(machine.next_moment, self.now + 50.0)) + chance.choice((0.0, 0.0, 0.5))
                self._time_comes()
        else:
            node = chance.choice(calls)
            flight = self.flight[node]
            dice = chance.random() if self.faults else 1.0
            if flight.told and dice < 0.6:
                self._cancelled(node)
            elif dice < 0.2:
                self._failed(node)
            elif dice < 0.22 and flight.until == NEVER:
                self._let_go(node)  # interrupted while it waited for a thread, as the sync driver can be
                machine.interrupt()
                self._break_off()
            else:
                self._succeeded(node)

    def _note(self, what: str) -> None:
        self.tally[what] += 1
        self.tally["went wrong"] += 1

    def _break_off(self) -> None:
        self.is_broken_off = True
        if not self.machine.row.closes:
            self.given_up = True

    def _wrong(self, node: int, error: BaseException) -> None:
        phases = self.machine.phases.get(node)
        name = phases[self.flight[node].phase].name if phases else self.machine.row.name
        self.wrong.append((node, name, error))

    def _crash(self, node: int) -> None:
        self._note("crash")
        error, keep = ValueError("crashed"), self.chance.random() < 0.5
        starts = self.machine.row is START
        # What needs it and is not up cannot be started any more: that is no success of the start.
        spoils = starts and any(j in self.members and j not in self.up for j in self.graph.needed_by[node])
        if not keep or spoils:
            self.wrong.append((node, "crash", error))
            self.given_up = self.given_up or (starts and self.machine.on_failure == "rollback")
        self.machine.crashed(node, error, self.now, keep=keep)
        self.whole.discard(node)

    def _succeeded(self, node: int) -> None:
        machine, row, flight = self.machine, self.machine.row, self.flight[node]
        own, phases = self._is_own(node), machine.phases.get(node)
        if own and row is START:
            self.up.add(node)
            self.started.append(node)
        if own and row is STOP:
            self._down(node)
        machine.succeeded(node, self.now)
        more = phases is not None and flight.phase + 1 < len(phases)
        if more and not (row is START and (self.given_up or flight.told)):
            flight.goes_on()
        else:
            del self.flight[node]
            if row is START and node in self.up and self.states[node] == CODE[State.RUNNING]:
                self.whole.add(node)
            if row is not START or node in self.up:
                wanted = State.FAILED if flight.has_stumbled else row.after
                assert wanted in (None, self.state(node)), "who comes to the end is in the state that follows"

    def _down(self, node: int) -> None:
        self.up.discard(node)
        self.whole.discard(node)

    def _failed(self, node: int, error: BaseException | None = None) -> None:
        machine, row, flight = self.machine, self.machine.row, self.flight[node]
        own, phases = self._is_own(node), machine.phases.get(node)
        if error is None:
            error = self.chance.choice((OSError, ValueError, ValueError, KeyboardInterrupt))()
        if machine.is_late(node):
            error = TimeoutError()
        retry = machine.plan.retries.get(node) if row is START and own else None
        self.luck = self.chance.random()
        if retry and flight.attempts < retry.times and retry.covers(error) and not (flight.told or self.given_up):
            again = self.now + retry.delay(flight.attempts, self.luck)
            if again < flight.due:
                self._note("failed attempt")
                machine.failed(node, error, self.now)
                assert node in machine.flight, "a start is tried as often as it is to be"
                flight.asleep = again
                return
        self._note(f"failed {row.name if row in (START, STOP) else 'signal'}")
        self._wrong(node, error)
        goes_on = row is STOP and phases is not None and not own and node in self.up and node not in self.tried
        machine.failed(node, error, self.now)
        if goes_on:
            assert node in machine.flight, "a failing pre-stop does not keep stop from running"
            flight.goes_on()
            flight.has_stumbled = True
        else:
            assert node not in machine.flight, "a start is tried as often as it is to be, and no longer than it may"
            self._left(node)
            if row is STOP:
                self._down(node)  # it had its chance
            if row is START and machine.on_failure == "rollback":
                self.given_up = True
        if not isinstance(error, Exception):
            machine.interrupt()
            self._break_off()

    def _cancelled(self, node: int) -> None:
        if self.machine.is_late(node) and (self.machine.row is not STOP or not self._is_own(node) or self.now % 1):
            self._failed(node, TimeoutError())
            return
        self._note("cancellation")
        self.machine.cancelled(node, self.now)
        self._left(node)
        if self.machine.row is STOP:
            self._down(node)  # it had its chance
        elif self.machine.row is START:
            assert self.state(node) in (State.STOPPED, State.FAILED)

    def _left(self, node: int) -> None:
        # A component that was half suspended or half resumed is no longer well; one that was only asked is.
        del self.flight[node]
        if self.machine.row.during is not None:
            self.whole.discard(node)

    def _let_go(self, node: int) -> None:
        machine, row = self.machine, self.machine.row
        error = TimeoutError()
        if row not in (START, STOP):
            self._note("late signal")
            self._wrong(node, error)
            machine.failed(node, error, self.now)
            self._left(node)
            return
        self._note("abandoned")
        self._wrong(node, error)
        machine.abandoned(node, error, self.now)
        assert node not in machine.flight
        del self.flight[node]
        self._down(node)
        self.lost.add(node)
        if row is START and machine.on_failure == "rollback":
            self.given_up = True

    def _time_comes(self) -> None:
        machine, now = self.machine, self.now
        for node in machine.overdue(now):
            flight = self.flight[node]
            assert flight.is_under_way, "only a call can be late"
            assert flight.due <= now, "nobody is late before the deadline"
            assert flight.until == NEVER, "who is late is told once"
            self._note("deadline")
            flight.due, flight.told = NEVER, True
            flight.until = now + machine.plan.deadlines[node]
            assert machine.is_late(node)
            if self.chance.random() < 0.3:
                self._let_go(node)  # it is in a thread, which cannot be cancelled
        assert not [n for n, f in self.flight.items() if f.is_under_way and f.due <= now], "whoever is late is told"
        for node in machine.hopeless(now):
            flight = self.flight[node]
            assert flight.is_under_way, "only a call is let go"
            assert flight.until <= now, "who was cancelled at the deadline has as long again to end"
            self._let_go(node)
        assert not [n for n, f in self.flight.items() if f.is_under_way and f.until <= now], (
            "nobody is waited for for ever"
        )
        self._obey()
        patience = {n: min(SLOW, machine.plan.deadlines.get(n, NEVER) / 2) for n in self.flight}
        for node in machine.slow(now):
            flight = self.flight[node]
            assert flight.is_under_way, "only a call is slow"
            assert flight.began + patience[node] <= now, "only what is slow is spoken of"
            assert not flight.noticed, "and only once"
            flight.noticed = True
            self.tally["slow"] += 1
        for node, flight in self.flight.items():
            if flight.is_under_way and flight.seen + patience[node] <= now and not flight.noticed:
                assert flight.slept, "what is slow is spoken of"
            flight.slept = flight.slept or not flight.is_under_way
        if not any(f.asleep <= now or (f.between and f.due <= now) for f in self.flight.values()):
            assert machine.next_moment > now or not self.flight, "having been told of the time, the machine can wait"

    def _changes(self) -> None:
        machine = self.machine
        changes, machine.changes = machine.changes, []
        for change in changes:
            assert change.old == self.told_states[change.node], "each change begins where the one before it ended"
            self.told_states[change.node] = change.new
        if self.watch:
            assert self.told_states == list(self.states), "every change of state is told"

    # --- what must be true at the end ---

    def _over(self) -> None:
        machine, row = self.machine, self.machine.row
        assert not self.flight, "the machine ends only when nothing is in flight"
        assert not machine.flight
        assert machine.begin(self.now) == DONE
        assert [(f.node, f.handler, f.error) for f in machine.failures] == self.wrong, (
            "every failure is told, and no other"
        )
        if row is START:
            if self.given_up:
                assert not (set(self.started) & self.up), "what a start that was given up had started is stopped"
            else:
                assert not self.to_come
                for node in self.members - self.up:
                    if self.state(node) is State.ABANDONED:
                        continue  # in the stop before; what hangs in it may still run
                    blocked = set(self.graph.needs[node]) - self.whole
                    assert node in self.begun or blocked, "a start reaches everything that it can"
                    assert node in self.begun or node in machine.skipped, "and says why it did not reach the rest"
        elif row is STOP:
            assert not (self.up & self.members), "a stop reaches everything"
            assert self.tried <= self.up_at_entry <= self.tried | self.lost | (self.up - self.members)
            assert self.to_come == [] or self.is_broken_off
        for node, attempts in self.made.items():
            assert machine.attempts.get(node, 1) == attempts, "attempts are counted as they were made"
        for stage in machine.stages:
            for node in self.all:
                assert not stage.began[node] or stage.began[node] <= stage.ended[node] <= self.now
        self._consistent()

    def _consistent(self) -> None:
        for node in self.all:
            state = STATES[self.states[node]]
            assert bool(self.held[node]) == (node in self.up), "what is up is known to have to be stopped"
            if node in self.up:
                assert state in (State.RUNNING, State.SUSPENDED, State.FAILED)
            else:
                assert state in (State.DEFINED, State.STOPPED, State.FAILED, State.ABANDONED)
            if node in self.whole:
                assert state in (State.RUNNING, State.SUSPENDED)
            if state is State.ABANDONED:
                assert node in self.lost

    def state(self, node: int) -> State:
        """A node's state, by its name."""
        return STATES[self.states[node]]

    # --- random requests ---

    def random_lanes(self) -> Callable[[Signal], Lanes]:
        """Rooms of random sizes, and what each node takes up, another for each signal."""
        chance = self.chance
        room = [chance.randint(1, 3) for _ in range(chance.randint(1, 3))]
        by_signal: dict[str, Lanes] = {}

        def lanes(row: Signal) -> Lanes:
            if row.name not in by_signal:
                of = [tuple(lane for lane in range(len(room)) if chance.random() < 0.5) for _ in self.all]
                by_signal[row.name] = Lanes(room, of)
            return by_signal[row.name]

        return lanes

    def random_request(self) -> Machine | None:
        """Any request of which the face would make a machine."""
        chance = self.chance
        verb = chance.choice(("start", "start", "start", "stop", "restart", "suspend", "resume", "status"))
        roots = None if chance.random() < 0.6 else {n for n in self.all if chance.random() < 0.4}
        if verb == "restart":
            down = self.plan(STOP, roots)
            again = {n for n in down.members if self.held[n]}
            up = self.plan(START, None if roots is None and not again else again | (roots or set()))
            stages, but = [down, up], set(down.members)
        else:
            row = {"start": START, "stop": STOP, "suspend": SUSPEND, "resume": RESUME, "status": STATUS}[verb]
            stages, but = [self.plan(row, roots)], set()
        if stages[-1].row is START and any(self._keeps_from_starting(n, n in but) for n in stages[-1].members):
            return None  # the face refuses these before a machine is made
        self.tally[verb] += 1
        limit = chance.choice((1, 1, 2, 3, 1 << 40))
        lanes = self.random_lanes() if chance.random() < 0.5 else None
        on_failure: OnFailure = "keep" if chance.random() < 0.2 else "rollback"
        before = set(self.up)
        machine = self.play(stages, on_failure=on_failure, limit=limit, lanes=lanes)
        if verb == "start" and (machine.interrupted or machine.failures) and on_failure == "rollback":
            kept_crash = {n for n, name, _ in self.wrong if name == "crash"}
            if machine.rolled_back or not kept_crash:
                assert self.up == before, "a start that failed leaves what ran before, and nothing else"
        return machine

    def _keeps_from_starting(self, node: int, is_stopped_first: bool) -> bool:
        state = self.state(node)
        if state is State.ABANDONED:
            return True
        return not is_stopped_first and (state is State.SUSPENDED or (state is State.FAILED and bool(self.held[node])))


def play_for_a_while(chance: random.Random, most: int = 7) -> Counter[str]:
    """A random system, random requests to it, and a stop.

    Returns:
        What happened, counted; under "runs" the requests, and under "faulted" those in which something went wrong.
    """
    player = Player(random_system(chance, most), chance, watch=chance.random() < 0.5)
    tally = player.tally
    for _ in range(chance.randint(1, 6)):
        wrong = tally["went wrong"]
        if player.random_request() is not None:
            tally["runs"] += 1
            tally["faulted"] += tally["went wrong"] > wrong
    for _ in range(2):
        wrong = tally["went wrong"]
        player.stops.clear()
        player.play([player.plan(STOP)], limit=chance.choice((1, 3)))
        tally["runs"] += 1
        tally["faulted"] += tally["went wrong"] > wrong
        assert not player.up, "after a stop nothing runs, whatever failed in it"
    assert player.stops == [], "stop after stop does nothing"
    return tally


seeds = st.integers(0, 2**64 - 1)


@given(st.integers(1, 7), seeds)
def test_any_sequence_of_requests_with_faults_keeps_the_rules(most: int, seed: int) -> None:
    """Whatever fails, hangs, breaks or is interrupted: order holds, nothing is started or stopped twice, and the machine ends."""
    play_for_a_while(random.Random(seed), most)


@pytest.mark.parametrize("block", range(10))
def test_the_same_in_many_more_cases(block: int) -> None:
    """The rules hold in a few thousand seeded cases too, each of which the soak can repeat by its seed."""
    tally: Counter[str] = Counter()
    for seed in range(block * 500, block * 500 + 500):
        try:
            tally += play_for_a_while(random.Random(seed))
        except BaseException as error:
            error.add_note(f"To see it again: play_for_a_while(random.Random({seed}))")
            raise
    kinds = (
        "interruption",
        "crash",
        "deadline",
        "abandoned",
        "cancellation",
        "retry",
        "roll-back",
        "slow",
        "late signal",
    )
    assert not [kind for kind in kinds if not tally[kind]], "a case of each kind was among them"


@given(seeds)
def test_a_start_without_faults_starts_everything_and_a_stop_stops_it(seed: int) -> None:
    """Where nothing goes wrong, everything is started once and stopped once."""
    chance = random.Random(seed)
    player = Player(random_system(chance), chance)
    limit, lanes = chance.choice((1, 2, 5)), player.random_lanes()
    player.play([player.plan(START)], limit=limit, lanes=lanes, faults=False)
    assert player.up == player.whole == set(player.all)
    player.play([player.plan(STOP)], limit=limit, lanes=lanes, faults=False)
    assert sorted(player.stops) == list(player.all)
    assert not player.up


@given(seeds)
def test_one_at_a_time_the_order_is_that_of_the_plan(seed: int) -> None:
    """With one call in flight, components follow in the order that the plan prints, the same every time."""
    chance = random.Random(seed)
    system = random_system(chance)
    for row in (START, STOP):
        runs = []
        for _ in range(2):
            player = Player(system, chance)
            player.play([player.plan(START)], faults=False)
            if row is STOP:
                player.record.clear()
                player.play([player.plan(STOP)], faults=False)
            runs.append(list(dict.fromkeys(node for _, _, node in player.record)))
        assert runs[0] == runs[1]
        shown = [player.graph.ids[i] for i in runs[0] if isinstance(player.graph.nodes[i], Component)]
        assert shown == [step.id for step in player.plan(row)]


def test_a_start_that_succeeds_in_the_moment_it_is_cancelled_is_rolled_back() -> None:
    """A success that crosses with a cancellation counts, and what it made is stopped."""
    graph = graph_of(System({"g": {"a": Component(dict), "b": Component(dict)}})._definition)
    states, held = bytearray(2), bytearray(2)
    machine = Machine([Plan(graph, START)], states, held, limit=2)
    assert (machine.begin(1.0), machine.begin(1.0), machine.begin(1.0)) == (0, 1, WAIT)
    machine.failed(0, ValueError(), 2.0)
    assert machine.cancels() == [1]
    machine.succeeded(1, 3.0)
    assert machine.begin(4.0) == 1
    assert machine.row is STOP
    machine.succeeded(1, 5.0)
    assert machine.begin(6.0) == DONE
    assert not any(held)


def test_a_pre_start_that_ends_after_the_request_was_given_up_does_not_go_on_to_start() -> None:
    """Between two calls of one component the request may be given up; the next call is then not made."""
    component = Component(dict, pre={"start": nothing})
    graph = graph_of(System({"g": {"a": component}})._definition)
    states, held = bytearray(1), bytearray(1)
    machine = Machine([Plan(graph, START)], states, held)
    assert machine.begin(1.0) == 0
    machine.interrupt()
    assert machine.cancels() == [0]
    machine.succeeded(0, 2.0)
    assert machine.begin(3.0) == DONE
    assert STATES[states[0]] is State.STOPPED
    assert not held[0]


def test_independent_steps_are_offered_together_up_to_the_limit() -> None:
    """With room for several calls, whatever waits for nothing begins at once, in the order as written."""
    group = {name: Component(dict) for name in "abcd"}
    graph = graph_of(System({"g": group})._definition)
    machine = Machine([Plan(graph, START)], bytearray(4), bytearray(4), limit=3)
    assert [machine.begin(1.0) for _ in range(4)] == [0, 1, 2, WAIT]
    machine.succeeded(1, 2.0)
    assert machine.begin(2.0) == 3


def test_deadlines_are_told_once_and_earliest_first() -> None:
    """The machine knows the next moment at which something is late, and names a late call once."""
    group = {"a": Component(dict, deadlines=5.0), "b": Component(dict, deadlines=2.0)}
    graph = graph_of(System({"g": group})._definition)
    machine = Machine([Plan(graph, START)], bytearray(2), bytearray(2), limit=2)
    machine.begin(1.0)
    machine.begin(1.0)
    assert machine.next_moment <= 3.0
    assert machine.overdue(2.9) == []
    assert machine.overdue(3.0) == [1]
    assert machine.overdue(3.1) == []
    machine.cancelled(1, 3.2)
    machine.slow(3.2)
    assert 3.2 < machine.next_moment <= 6.0
    assert machine.overdue(6.0) == [0]
    assert machine.hopeless(10.9) == []
    assert machine.hopeless(11.0) == [0]


def test_a_crash_marks_the_component_and_leaves_it_to_be_stopped() -> None:
    """A component that breaks by itself while a request runs is failed, and a stop still reaches it."""
    graph = graph_of(System({"g": {"a": Component(dict), "b": Component(dict)}})._definition)
    states, held = bytearray(2), bytearray(2)
    machine = Machine([Plan(graph, START)], states, held)
    machine.begin(1.0)
    machine.succeeded(0, 1.5)
    machine.crashed(0, ValueError(), 1.6, keep=True)
    assert STATES[states[0]] is State.FAILED
    while (node := machine.begin(2.0)) >= 0:
        machine.succeeded(node, 2.0)
    stop = Machine([Plan(graph, STOP)], states, held)
    reached = []
    while (node := stop.begin(3.0)) >= 0:
        reached.append(node)
        stop.succeeded(node, 3.0)
    assert reached == [1, 0]


def test_a_crash_gives_up_the_start_that_is_under_way() -> None:
    """A component that breaks while others are still starting takes what the request had started along."""
    graph = graph_of(System({"g": {"a": Component(dict), "b": Component(dict)}})._definition)
    states, held = bytearray(2), bytearray(2)
    machine = Machine([Plan(graph, START)], states, held)
    machine.begin(1.0)
    machine.succeeded(0, 1.5)
    machine.crashed(0, ValueError(), 1.6)
    assert machine.begin(2.0) == 0
    assert machine.row is STOP
    machine.succeeded(0, 2.5)
    assert machine.begin(3.0) == DONE
    assert STATES[states[1]] is State.DEFINED


def test_a_start_is_tried_again_after_a_wait_and_not_beyond_its_deadline() -> None:
    """Each attempt waits longer than the one before, and where the next would come too late there is none."""
    retry = Retry(10, wait=1.0, jitter=0.0)
    graph = graph_of(System({"g": {"a": Component(dict, retry=retry, deadlines=5.0)}})._definition)
    machine = Machine([Plan(graph, START)], bytearray(1), bytearray(1), watch=True)
    assert machine.begin(0.0) == 0
    machine.failed(0, OSError("first"), 0.5)
    assert machine.begin(1.4) == WAIT
    assert machine.next_moment <= 1.5
    assert machine.begin(1.5) == 0
    machine.failed(0, OSError("second"), 2.0)
    assert machine.begin(3.9) == WAIT
    assert machine.overdue(3.9) == []
    assert machine.begin(4.0) == 0
    machine.failed(0, OSError("third"), 4.5)
    assert machine.begin(4.5) == DONE
    assert [(str(c.error), c.attempt) for c in machine.changes if c.error] == [("first", 1), ("second", 2)]
    assert [str(f.error) for f in machine.failures] == ["third"]


def test_a_start_that_waits_for_its_next_attempt_ends_at_once_when_the_request_is_given_up() -> None:
    """Between two attempts there is no call to be cancelled; the component is just not tried again."""
    graph = graph_of(System({"g": {"a": Component(dict, retry=Retry(3, wait=60.0))}})._definition)
    states = bytearray(1)
    machine = Machine([Plan(graph, START)], states, bytearray(1))
    machine.begin(0.0)
    machine.failed(0, OSError(), 1.0)
    assert machine.begin(1.0) == WAIT
    machine.interrupt()
    assert machine.cancels() == []
    assert machine.begin(1.0) == DONE
    assert STATES[states[0]] is State.STOPPED


def test_what_waits_for_room_begins_when_others_turn_out_not_to_need_it() -> None:
    """A component that is passed over takes no room from those that wait for it behind it."""
    graph = graph_of(System({"g": {name: Component(dict) for name in "abc"}})._definition)
    running, stopped = CODE[State.RUNNING], CODE[State.STOPPED]
    states, held = bytearray([running, stopped, running]), bytearray([1, 0, 1])
    lanes = Lanes([1], [(0,)] * 3)
    machine = Machine([Plan(graph, STOP)], states, held, limit=3, lanes=lambda row: lanes)
    assert (machine.begin(1.0), machine.begin(1.0)) == (2, WAIT)
    machine.succeeded(2, 2.0)
    assert machine.begin(2.0) == 0


def test_a_slow_call_is_spoken_of_after_a_while_whatever_the_deadlines_of_others() -> None:
    """A call without a deadline beside one with a long one is spoken of after five seconds, once."""
    graph = graph_of(System({"g": {"a": Component(dict, deadlines=600.0), "b": Component(dict)}})._definition)
    machine = Machine([Plan(graph, START)], bytearray(2), bytearray(2), limit=2)
    assert [machine.begin(1.0) for _ in range(3)] == [0, 1, WAIT]
    assert machine.next_moment <= 1.0 + SLOW
    assert machine.slow(1.0 + SLOW) == [0, 1]
    assert machine.slow(2.0 + 2 * SLOW) == []


def test_a_signal_that_was_cancelled_leaves_the_component_as_it_was() -> None:
    """A component that was only asked how it is, and not heard to the end, is running all the same."""
    graph = graph_of(System({"g": {"a": Component(dict, status=nothing)}})._definition)
    states = bytearray([CODE[State.RUNNING]])
    machine = Machine([Plan(graph, STATUS)], states, bytearray([1]))
    machine.begin(1.0)
    machine.interrupt()
    assert machine.cancels() == [0]
    machine.cancelled(0, 2.0)
    assert machine.begin(2.0) == DONE
    assert STATES[states[0]] is State.RUNNING


def test_what_broke_and_still_holds_something_is_not_started_again() -> None:
    """A component that breaks and is kept while a start has not come to it is left as it is."""
    graph = graph_of(System({"g": {"a": Component(dict), "b": Component(dict)}})._definition)
    states, held = bytearray([0, CODE[State.RUNNING]]), bytearray([0, 1])
    machine = Machine([Plan(graph, START)], states, held)
    assert machine.begin(1.0) == 0
    machine.crashed(1, ValueError(), 1.5, keep=True)
    machine.succeeded(0, 2.0)
    assert machine.begin(2.0) == DONE
    assert set(machine.skipped) == {1}


def test_a_crash_that_is_kept_spoils_the_start_of_what_needs_it() -> None:
    """A start cannot succeed when what it still has to start needs a component that broke, kept or not."""
    group = {"a": Component(dict), "b": Component(dict), "c": Component(dict, config={"b": ref("g.b")})}
    graph = graph_of(System({"g": group})._definition)
    states, held = bytearray([0, CODE[State.RUNNING], 0]), bytearray([0, 1, 0])
    machine = Machine([Plan(graph, START)], states, held)
    assert machine.begin(1.0) == 0
    machine.crashed(1, ValueError(), 1.5, keep=True)
    assert machine.cancels() == [0]
    machine.cancelled(0, 2.0)
    assert machine.begin(2.0) == DONE
    assert [failure.node for failure in machine.failures] == [1]


def test_a_change_says_how_long_its_step_took_whenever_it_is_told() -> None:
    """What a change says of its time is that of its own stage, also when it is asked for after the roll-back began."""
    graph = graph_of(System({"g": {name: Component(dict, nothing) for name in "abc"}})._definition)
    machine = Machine([Plan(graph, START)], bytearray(3), bytearray(3), limit=2, watch=True)
    assert (machine.begin(10.0), machine.begin(11.0)) == (0, 1)
    machine.succeeded(0, 12.5)
    machine.failed(1, ValueError(), 13.0)
    assert machine.begin(20.0) == 0
    assert machine.row is STOP
    told = [(change.node, STATES[change.new], change.took) for change in machine.changes]
    assert told == [
        (0, State.STARTING, 0.0),
        (1, State.STARTING, 0.0),
        (0, State.RUNNING, 2.5),
        (1, State.FAILED, 2.0),
        (0, State.STOPPING, 0.0),
    ]
    machine.succeeded(0, 24.0)
    assert machine.begin(25.0) == DONE
    assert (STATES[machine.changes[-1].new], machine.changes[-1].took) == (State.STOPPED, 4.0)


def test_a_signal_of_ones_own_passes_over_what_needs_one_that_failed() -> None:
    """Where a row of the table goes dependencies first and leads to a state, who needs one that did not follow is not asked."""
    reload = Signal("reload", "dependencies first", after="running")
    group = {"a": Component(dict, handlers={"reload": nothing})}
    group["b"] = Component(dict, config={"a": ref("g.a")}, handlers={"reload": nothing})
    group["c"] = Component(dict, config={"b": ref("g.b")}, handlers={"reload": nothing})
    graph = graph_of(System({"g": group}, signals=[reload])._definition)
    states = bytearray([CODE[State.RUNNING]] * 3)
    machine = Machine([Plan(graph, reload)], states, bytearray([1] * 3), limit=2)
    assert machine.begin(1.0) == 0
    machine.failed(0, ValueError(), 2.0)
    assert machine.begin(3.0) == DONE
    assert set(machine.skipped) == {1, 2}


def test_no_stage_follows_on_a_start_that_was_given_up() -> None:
    """Whatever was still to come of a request is not done when its start has failed; only the roll-back is."""
    graph = graph_of(System({"g": {"a": Component(dict), "b": Component(dict)}})._definition)
    machine = Machine([Plan(graph, START), Plan(graph, START)], bytearray(2), bytearray(2))
    assert machine.begin(1.0) == 0
    machine.succeeded(0, 2.0)
    assert machine.begin(2.0) == 1
    machine.failed(1, ValueError(), 3.0)
    assert machine.begin(3.0) == 0
    assert machine.row is STOP
    machine.succeeded(0, 4.0)
    assert machine.begin(4.0) == DONE


def test_a_component_that_has_room_in_one_lane_and_not_in_another_keeps_no_one_from_the_first() -> None:
    """Room that came free goes to the next who can use it, if the first in the queue has to wait elsewhere."""
    graph = graph_of(System({"g": {name: Component(dict) for name in "abcd"}})._definition)
    lanes = Lanes([1, 1], [(0,), (1,), (0, 1), (0,)])
    machine = Machine([Plan(graph, START)], bytearray(4), bytearray(4), limit=4, lanes=lambda row: lanes)
    assert [machine.begin(1.0) for _ in range(3)] == [0, 1, WAIT]
    machine.succeeded(0, 2.0)
    assert machine.begin(2.0) == 3


def test_selected_components_keep_their_order_across_what_lies_between_them() -> None:
    """A signal that draws in nothing still reaches what is needed first, even through components that are not selected."""
    group = {
        "c": Component(dict, config={"b": ref("g.b")}, status=nothing),
        "b": Component(dict, config={"a": ref("g.a")}, status=nothing),
        "a": Component(dict, status=nothing),
    }
    graph = graph_of(System({"g": group})._definition)
    states = bytearray(STATES.index(State.RUNNING) for _ in graph.ids)
    machine = Machine([Plan(graph, STATUS, [0, 2])], states, bytearray(3), limit=3)
    first = machine.begin(1.0)
    assert str(graph.ids[first]) == "g.a"
    assert machine.begin(1.0) == WAIT
    machine.succeeded(first, 2.0)
    assert str(graph.ids[machine.begin(2.0)]) == "g.c"
