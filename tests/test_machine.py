"""The run machine alone, with plain values: random graphs, faults, deadlines, cancellations, in random order.

A driver that has no handlers plays against the machine. Time is a number that it counts up. What it sees is held against the
rules of a run, which are written down here a second time, as statements about what was called when.
"""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import event, given
from hypothesis import strategies as st

from mainspring import Component, Signal, State, System, ref
from mainspring._core.graph import Graph, graph_of
from mainspring._core.model import RESUME, START, STATES, STATUS, STOP, SUSPEND
from mainspring._core.plan import Plan
from mainspring._core.run import DONE, WAIT, Machine, OnFailure


def nothing(*args: object) -> None:
    """A handler."""


@st.composite
def systems(draw: st.DrawFn, most: int = 8) -> System:
    """Systems of components with random references to earlier ones, written in a random order, with random further handlers."""
    count = draw(st.integers(1, most))
    group: dict[str, Component[object]] = {}
    for i in range(count):
        needs = draw(st.sets(st.integers(0, i - 1))) if i else set()
        group[f"c{i}"] = Component(
            start=lambda **config: None,
            stop=draw(st.sampled_from([nothing, None])),
            config={f"a{j}": ref(f"g.c{j}") for j in sorted(needs)},
            status=draw(st.sampled_from([nothing, None])),
            suspend=draw(st.sampled_from([nothing, None])),
            pre={s: [nothing] * draw(st.integers(0, 2)) for s in draw(st.sets(st.sampled_from(["start", "stop"])))},
            post={s: [nothing] * draw(st.integers(0, 2)) for s in draw(st.sets(st.sampled_from(["start", "stop"])))},
            deadlines=draw(st.sampled_from([None, 3.0])),
        )
    names = draw(st.permutations(list(group)))
    return System({"g": {name: group[name] for name in names}})


class Player:
    """Plays driver: decides by `draw` what becomes of each call, and keeps a record of all that happened."""

    def __init__(self, system: System, draw: st.DrawFn) -> None:
        self.graph: Graph = graph_of(system._definition)
        self.draw = draw
        count = len(self.graph.ids)
        self.states, self.held = bytearray(count), bytearray(count)
        self.up: set[int] = set()  # what is running as the calls tell, whatever the machine thinks
        self.lost: set[int] = set()  # abandoned
        self.stops: list[int] = []
        self.record: list[tuple[str, str, int]] = []
        self.now = 0.0
        self.calls = 0

    def plan(self, row: Signal, roots: Iterable[int] | None = None) -> Plan:
        """A plan on the player's graph."""
        return Plan(self.graph, row, roots)

    def play(self, stages: list[Plan], *, on_failure: OnFailure, limit: int, faults: bool) -> Machine:
        """Run one request to its end, with everything that can go wrong going wrong somewhere."""
        machine = Machine(stages, self.states, self.held, on_failure=on_failure, limit=limit, watch=True)
        flight: dict[int, bool] = {}
        for _ in range(10_000):
            self.now += 1.0
            node = machine.begin(self.now)
            if node >= 0:
                assert node not in flight, "one call of a component at a time"
                assert len(flight) < limit, "no more calls in flight than allowed"
                self.begun(machine, node)
                flight[node] = False
                if len(flight) < limit and self.draw(st.booleans()):
                    continue
            elif node == DONE:
                assert not flight, "the machine ends only when nothing is in flight"
                assert machine.begin(self.now) == DONE
                return machine
            assert flight, "the machine waits only for something"
            for told in machine.cancels():
                assert told in flight
                flight[told] = True
            self.answer(machine, flight, faults)
        raise AssertionError("the machine does not end")

    def begun(self, machine: Machine, node: int) -> None:
        """Check that this call may begin now, and note it."""
        self.calls += 1
        row, graph = machine.row, self.graph
        phases = machine.phases.get(node)
        first = machine.phase.get(node, 0) == 0
        own = phases is None or phases[machine.phase.get(node, 0)].name == row.name
        self.record.append((row.name, phases[machine.phase.get(node, 0)].name if phases else row.name, node))
        if row is START and first:
            assert set(graph.needs[node]) <= self.up, "nothing starts before what it needs"
            assert node not in self.up, "nothing is started twice"
        if row is STOP and own:
            assert not (set(graph.needed_by[node]) & self.up), "nothing stops while something that needs it runs"
            assert node in self.up, "only what runs is stopped"
            self.stops.append(node)

    def answer(self, machine: Machine, flight: dict[int, bool], faults: bool) -> None:
        """Let something happen to one of the calls in flight."""
        node = self.draw(st.sampled_from(sorted(flight)))
        kinds = ["succeed"]
        if faults:
            kinds += ["fail", "late", "interrupt"]
        if flight[node]:
            kinds.append("cancel")
        kind = self.draw(st.sampled_from(kinds))
        event(f"{machine.row.name}: {kind}")
        row = machine.row
        phases = machine.phases.get(node)
        at = machine.phase.get(node, 0)
        own = phases is None or phases[at].name == row.name
        if kind == "interrupt":
            machine.interrupt()
            return
        if kind == "late":
            self.now += 2.0
            for late in machine.overdue(self.now):
                assert late in flight
                del flight[late]
                machine.abandoned(late, TimeoutError(), self.now)
                self.up.discard(late)
                self.lost.add(late)
            return
        flight.pop(node)
        if kind == "succeed":
            if own and row is START:
                self.up.add(node)
            if own and row is STOP:
                self.up.discard(node)
            machine.succeeded(node, self.now)
        elif kind == "fail":
            if own and row is STOP:
                self.up.discard(node)  # it had its chance
            machine.failed(node, ValueError(), self.now)
        else:
            if row is STOP:
                self.up.discard(node)
            machine.cancelled(node, self.now)

    def state(self, node: int) -> State:
        """A node's state, by its name."""
        return STATES[self.states[node]]

    def check(self) -> None:
        """What must be true between requests."""
        for node in range(len(self.graph.ids)):
            if node in self.up:
                assert self.held[node], "what runs is known to have to be stopped"
                assert self.state(node) in (State.RUNNING, State.SUSPENDED, State.FAILED)
            else:
                assert not self.held[node]
                assert self.state(node) in (State.DEFINED, State.STOPPED, State.FAILED, State.ABANDONED)
            if self.state(node) is State.RUNNING:
                assert all(
                    self.state(j) is State.RUNNING or j in self.up or j in self.lost for j in self.graph.needs[node]
                )


@given(systems(), st.data(), st.sampled_from([1, 2, 5]), st.sampled_from(["rollback", "keep"]))
def test_any_sequence_of_requests_with_faults_keeps_the_rules(
    system: System, data: st.DataObject, limit: int, on_failure: OnFailure
) -> None:
    """Whatever fails, hangs or is interrupted: order holds, nothing is started twice, and the machine ends."""
    player = Player(system, data.draw)
    for _ in range(data.draw(st.integers(1, 4))):
        row = data.draw(st.sampled_from([START, STOP, SUSPEND, RESUME, STATUS]))
        roots = data.draw(st.none() | st.sets(st.integers(0, len(player.graph.ids) - 1)))
        stuck = any(player.state(i) is State.SUSPENDED for i in range(len(player.graph.ids)))
        broken = any(
            player.states[i] and player.held[i] and player.state(i) is State.FAILED for i in range(len(player.held))
        )
        if row is START and (stuck or broken):
            continue  # the face refuses these before a machine is made
        machine = player.play([player.plan(row, roots)], on_failure=on_failure, limit=limit, faults=True)
        if row is START and on_failure == "rollback" and (machine.failures or machine.interrupted):
            begun = {node for signal, _, node in player.record if signal == "start"}
            assert not (set(machine._started or ()) & player.up)
            assert begun  # a start that failed had begun
        player.check()
    machine = player.play([player.plan(STOP)], on_failure="rollback", limit=limit, faults=True)
    player.check()
    assert not player.up, "after a stop nothing runs, whatever failed in it"


@given(systems(), st.data(), st.sampled_from([1, 3]))
def test_a_failed_start_leaves_nothing_of_its_own_running(system: System, data: st.DataObject, limit: int) -> None:
    """What ran before goes on running; what this request started is stopped again."""
    player = Player(system, data.draw)
    first = data.draw(st.sets(st.integers(0, len(player.graph.ids) - 1)))
    player.play([player.plan(START, first)], on_failure="rollback", limit=limit, faults=False)
    before = set(player.up)
    machine = player.play([player.plan(START)], on_failure="rollback", limit=limit, faults=True)
    if machine.failures or machine.interrupted:
        failed_stop = {f.node for f in machine.failures if f.signal == "stop"}
        assert player.up == before
        assert not failed_stop & player.up
    else:
        assert player.up == set(range(len(player.graph.ids)))


@given(systems(), st.data(), st.sampled_from([1, 2, 5]))
def test_every_stop_is_tried_exactly_once(system: System, data: st.DataObject, limit: int) -> None:
    """No failing, hanging or interrupted stop keeps another component from being stopped, or is tried again."""
    player = Player(system, data.draw)
    player.play([player.plan(START)], on_failure="rollback", limit=limit, faults=False)
    player.play([player.plan(STOP)], on_failure="rollback", limit=limit, faults=True)
    hung_before = player.lost - set(player.stops)
    assert sorted({*player.stops} | hung_before) == list(range(len(player.graph.ids)))
    assert len(player.stops) == len(set(player.stops))
    player.stops.clear()
    player.play([player.plan(STOP)], on_failure="rollback", limit=limit, faults=True)
    assert player.stops == [], "stop after stop does nothing"


@given(systems(), st.data())
def test_one_at_a_time_the_order_is_that_of_the_plan(system: System, data: st.DataObject) -> None:
    """With one call in flight, components follow in the order that the plan prints, the same every time."""
    for row in (START, STOP):
        runs = []
        for _ in range(2):
            player = Player(system, data.draw)
            player.play([player.plan(START)], on_failure="rollback", limit=1, faults=False)
            if row is STOP:
                player.record.clear()
                player.play([player.plan(STOP)], on_failure="rollback", limit=1, faults=False)
            runs.append(list(dict.fromkeys(node for _, _, node in player.record)))
        assert runs[0] == runs[1]
        assert [player.graph.ids[i] for i in runs[0]] == [step.id for step in player.plan(row)]


@given(systems(), st.data(), st.sampled_from([1, 4]))
def test_changes_tell_the_whole_story(system: System, data: st.DataObject, limit: int) -> None:
    """Every change of state is recorded, each beginning where the one before it ended."""
    player = Player(system, data.draw)
    last = dict.fromkeys(range(len(player.graph.ids)), 0)
    for row in (START, SUSPEND, RESUME, STOP):
        if row is START or player.up:
            machine = player.play([player.plan(row)], on_failure="rollback", limit=limit, faults=True)
            for change in machine.changes:
                assert change.old == last[change.node]
                last[change.node] = change.new
            assert [last[i] for i in range(len(player.states))] == list(player.states)


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
    assert machine.next_deadline == 3.0
    assert machine.overdue(2.9) == []
    assert machine.overdue(3.0) == [1]
    assert machine.overdue(3.1) == []
    assert machine.next_deadline == 6.0


def test_a_crash_marks_the_component_and_leaves_it_to_be_stopped() -> None:
    """A component that breaks by itself while a request runs is failed, and a stop still reaches it."""
    graph = graph_of(System({"g": {"a": Component(dict), "b": Component(dict)}})._definition)
    states, held = bytearray(2), bytearray(2)
    machine = Machine([Plan(graph, START)], states, held)
    machine.begin(1.0)
    machine.succeeded(0, 1.5)
    machine.crashed(0, ValueError(), 1.6)
    assert STATES[states[0]] is State.FAILED
    while (node := machine.begin(2.0)) >= 0:
        machine.succeeded(node, 2.0)
    stop = Machine([Plan(graph, STOP)], states, held)
    reached = []
    while (node := stop.begin(3.0)) >= 0:
        reached.append(node)
        stop.succeeded(node, 3.0)
    assert reached == [1, 0]


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
