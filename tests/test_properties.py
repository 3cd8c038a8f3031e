"""Properties of whole systems, through the public face: random graphs, faults, selections and sequences of requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from mainspring import (
    Component,
    CycleError,
    DefinitionError,
    Id,
    Live,
    RunError,
    Secret,
    SignalError,
    StartError,
    StateError,
    StopError,
    System,
    build,
    component,
    opaque,
    ref,
)
from mainspring._text import dotted, split_dotted

FORMS = ["generator", "function", "class", "manager"]


class Fault(Exception):
    """What a handler raises when it is told to."""


class World:
    """What is running in truth, kept by the handlers themselves."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.faults: set[tuple[str, str]] = set()
        self.needs: dict[str, set[str]] = {}

    def start(self, name: str) -> None:
        """Note a start, or fail as told."""
        assert name not in self.running, "nothing is started twice"
        assert self.needs[name] <= set(self.running), "nothing starts before what it needs"
        if (name, "start") in self.faults:
            raise Fault(name)
        self.running.append(name)
        self.started.append(name)

    def stop(self, name: str) -> None:
        """Note a stop, or fail as told; either way it was tried."""
        assert name in self.running, "only what runs is stopped"
        assert not [other for other in self.running if name in self.needs[other]], "nothing stops while it is needed"
        self.running.remove(name)
        self.stopped.append(name)
        if (name, "stop") in self.faults:
            raise Fault(name)

    def component(self, name: str, form: str, needs: set[str]) -> Component[Any]:
        """A component of one of the forms that does nothing but take note."""
        self.needs[name] = needs
        world = self
        config = {f"needs_{other}": ref(f"g.{other}") for other in sorted(needs)}

        def post_start(instance: object) -> None:
            if (name, "post") in world.faults:
                raise Fault(name)

        def pre_stop(instance: object) -> None:
            if (name, "pre") in world.faults:
                raise Fault(name)

        def status(instance: object) -> str:
            if (name, "status") in world.faults:
                raise Fault(name)
            return f"{name} is well"

        further: dict[str, Any] = {"post": {"start": post_start}, "pre": {"stop": pre_stop}, "status": status}

        if form == "generator":

            def scope(**config: object) -> Iterator[str]:
                world.start(name)
                yield name
                world.stop(name)

            return component(scope, **further)(**config)
        if form == "function":

            def start(**config: object) -> str:
                world.start(name)
                return name

            return component(start, stop=lambda instance: world.stop(name), **further)(**config)
        if form == "class":

            class Part:
                def __init__(self, **config: object) -> None:
                    pass

                def start(self) -> None:
                    world.start(name)

                def stop(self) -> None:
                    world.stop(name)

            return component(Part, **further)(**config)

        class Manager:
            def __init__(self, **config: object) -> None:
                pass

            def __enter__(self) -> str:
                world.start(name)
                return name

            def __exit__(self, *error: object) -> None:
                world.stop(name)

        return component(Manager, enter=True, **further)(**config)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, System]:
    """A system of components of all forms that need earlier ones, written in any order."""
    world = World()
    group: dict[str, Component[Any]] = {}
    for i in range(draw(st.integers(1, 7))):
        earlier = sorted(group)
        needs = draw(st.sets(st.sampled_from(earlier), max_size=3)) if earlier else set()
        group[f"c{i}"] = world.component(f"c{i}", draw(st.sampled_from(FORMS)), needs)
    order = draw(st.permutations(sorted(group)))
    return world, System({"g": {name: group[name] for name in order}})


def closure(world: World, names: set[str], up: bool) -> set[str]:
    """The names, and all that they need (up: all that needs them)."""
    found = set(names)
    while True:
        more = {
            other
            for other in world.needs
            if other not in found
            and any((other in world.needs[n]) if not up else (n in world.needs[other]) for n in found)
        }
        if not more:
            return found
        found |= more


faults = st.sets(
    st.tuples(st.sampled_from([f"c{i}" for i in range(7)]), st.sampled_from(["start", "post", "pre", "stop", "status"]))
)


def request(live: Live, world: World, data: st.DataObject) -> None:
    """Make one random request and hold what came of it against what the handlers know."""
    world.faults = data.draw(faults)
    verb = data.draw(st.sampled_from(["start", "stop", "restart", "status", "suspend", "resume"]))
    chosen = data.draw(st.none() | st.sets(st.sampled_from(sorted(world.needs))))
    select = None if chosen is None else [f"g.{name}" for name in sorted(chosen)]
    names = set(world.needs) if chosen is None else chosen
    before = set(world.running)
    world.started.clear()
    world.stopped.clear()
    error: RunError | None = None
    try:
        getattr(live, verb)(select)
    except RunError as failed:
        error = failed
    event(f"{verb}: {'failed' if error else 'succeeded'}")
    now = set(world.running)
    if error is not None:
        assert all(isinstance(leaf, Fault) for leaf in error.exceptions)
        assert {f.id.name for f in error.failures} <= {name for name, _ in world.faults}
        assert all(getattr(leaf, "__notes__", None) for leaf in error.exceptions)
        assert error.live is live
    if verb == "start":
        if error is None:
            assert now == before | closure(world, names, up=False)
        else:
            assert isinstance(error, StartError)
            assert now == before, "a failed start leaves nothing of its own behind"
            assert sorted(world.stopped) == sorted(world.started)
    elif verb == "stop":
        assert now == before - closure(world, names, up=True), "no failing handler keeps another from being stopped"
        assert world.stopped == list(dict.fromkeys(world.stopped))
        assert error is None or isinstance(error, StopError)
    elif verb == "restart":
        down = closure(world, names, up=True) & before
        again = down if down else set()
        if error is None or isinstance(error, StopError):
            wanted = again | (names if chosen is not None or not before else set())
            assert now == (before - down) | closure(world, wanted, up=False)
        else:
            assert now == before - down
    else:
        assert now == before
        assert error is None or isinstance(error, SignalError)
    for name in world.needs:
        assert (live.state(f"g.{name}") == "running") == (name in now)
        if name in now:
            assert live.report.request  # a report of the last request is there


@given(worlds(), st.data())
def test_any_sequence_of_requests_with_failing_handlers(made: tuple[World, System], data: st.DataObject) -> None:
    """Whatever handlers fail in whatever requests, what runs is what must run, and in the end nothing does."""
    world, system = made
    live = system.start([])
    assert world.running == [], "an empty selection is nothing"
    for _ in range(data.draw(st.integers(1, 6))):
        request(live, world, data)
    world.faults = set()
    live.stop()
    assert world.running == []
    live.stop()


@given(worlds())
def test_the_order_is_the_same_every_time_and_a_stop_is_its_reverse(made: tuple[World, System]) -> None:
    """Starting is as planned, stopping is exactly the other way round, and a second time is as the first."""
    world, system = made
    planned = [step.id.name for step in system.plan("start")]
    for _ in range(2):
        world.started.clear()
        world.stopped.clear()
        with system.started():
            pass
        assert world.started == planned
        assert world.stopped == planned[::-1]


@given(worlds())
def test_among_equals_the_order_is_as_written(made: tuple[World, System]) -> None:
    """At each step of a plan, of all that could be next the one that was written first is."""
    world, system = made
    written = [id.name for id in system]
    left = list(written)
    for step in system.plan("start"):
        free = [name for name in left if not world.needs[name] & set(left)]
        assert step.id.name == free[0]
        left.remove(step.id.name)


@given(worlds(), st.data())
def test_keep_leaves_running_all_that_can_run(made: tuple[World, System], data: st.DataObject) -> None:
    """With on_failure="keep" a start goes as far as it can, and a stop clears everything away afterwards."""
    world, system = made
    world.faults = {
        (name, kind) for name, kind in data.draw(faults) if kind in ("start", "post") and name in world.needs
    }
    failed: StartError | None = None
    live: Live | None = None
    try:
        live = system.start(on_failure="keep")
    except StartError as error:
        failed, live = error, error.live
    assert live is not None
    assert (failed is not None) == bool(world.faults)
    broken = {name for name, _ in world.faults}
    posts = {name for name, kind in world.faults if kind == "post"} - {n for n, k in world.faults if k == "start"}
    reached = set(world.needs) - closure(world, broken, up=True)
    also = {name for name in posts if not closure(world, {name}, up=False) & (broken - {name})}
    assert set(world.running) == reached | also
    if also:
        with pytest.raises(StateError):
            live.start()
    live.stop()
    assert world.running == []


@given(worlds(), st.data())
def test_selecting_a_part_gives_a_system_that_is_sound_by_itself(
    made: tuple[World, System], data: st.DataObject
) -> None:
    """What `select` gives needs nothing more, and selecting once more changes nothing."""
    world, system = made
    chosen = data.draw(st.sets(st.sampled_from(sorted(world.needs))))
    part = system.select([f"g.{name}" for name in chosen])
    assert part.check() == []
    assert {id.name for id in part} == closure(world, chosen, up=False)
    assert part.select([f"g.{name}" for name in chosen]) == part


@given(st.integers(1, 8), st.data())
def test_a_cycle_is_found_wherever_it_is(count: int, data: st.DataObject) -> None:
    """Any circle of references is an error that names its members in order, and nothing was started."""
    links = {i: data.draw(st.sets(st.integers(0, count - 1), max_size=3)) for i in range(count)}
    ran: list[int] = []
    group = {
        f"c{i}": Component(lambda i=i, **config: ran.append(i), config={f"n{j}": ref(f"g.c{j}") for j in targets})
        for i, targets in links.items()
    }
    system = System({"g": group})

    def on_a_cycle(i: int) -> bool:
        seen, stack = set(), list(links[i])
        while stack:
            j = stack.pop()
            if j == i:
                return True
            if j not in seen:
                seen.add(j)
                stack += links[j]
        return False

    looped = {i for i in links if on_a_cycle(i)}
    problems = system.check()
    assert bool(problems) == bool(looped)
    for problem in problems:
        assert problem.error is CycleError
        cycle = [int(name.removeprefix("g.c")) for name in problem.details["cycle"]]
        assert all(b in links[a] for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True))
    if problems:
        with pytest.raises(DefinitionError):
            system.start()
        assert ran == []
    else:
        system.start()
        assert sorted(ran) == list(range(count))


names = st.text(min_size=1, max_size=6)


@given(st.lists(names, min_size=1, max_size=4))
def test_a_path_survives_being_written_and_read(parts: list[str]) -> None:
    """Whatever its parts are called, a path is read as it was written."""
    assert split_dotted(dotted(parts)) == tuple(parts)
    if len(parts) == 2:
        assert str(Id(*parts)) == dotted(parts)
        assert System({parts[0]: {parts[1]: 1}})[dotted(parts)] == 1


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3) | st.tuples(inner)
    ),
    max_leaves=8,
)


@given(plain)
def test_constants_come_out_as_they_went_in_and_are_nobody_elses(value: Any) -> None:
    """A constant is handed out equal, with its types, in containers of its own at each start."""
    system = System({"env": {"value": value}})
    with system.started() as first, system.started() as second:
        for got in (first["env.value"], second["env.value"]):
            assert got == value
            assert repr(got) == repr(value)
        if isinstance(value, list | dict) and value:
            assert first["env.value"] is not second["env.value"]
    assert system == System({"env": {"value": value}})


@given(plain, plain)
def test_systems_are_equal_when_their_data_is(one: Any, other: Any) -> None:
    """Equality is by content and strict about types, as `repr` shows them, whatever kinds of marks stand around."""
    for mark in (lambda v: v, lambda v: [v], Secret, lambda v: build(dict, a=v)):
        left, right = System({"env": {"value": mark(one)}}), System({"env": {"value": mark(other)}})
        assert (left == right) == (_typed(one) == _typed(other))
        assert left == System({"env": {"value": mark(one)}})
    shared = object()
    assert System({"a": {"b": opaque(shared)}}) == System({"a": {"b": opaque(shared)}})
    assert System({"a": {"b": opaque(object())}}) != System({"a": {"b": opaque(object())}})


def _typed(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return (type(value), [_typed(v) for v in value])
    if isinstance(value, dict):
        return (dict, sorted((k, repr(_typed(v))) for k, v in value.items()))
    return (type(value), value)


@given(plain, st.data())
def test_override_changes_what_it_names_and_nothing_else(value: Any, data: st.DataObject) -> None:
    """After an override the named place holds the new value, the original is as it was, and the same again is the same."""
    system = System({"env": {"value": {"a": value, "b": [1, {"c": 2}]}, "other": 1}})
    path = data.draw(st.sampled_from(["env.value", "env.value.a", "env.value.b", "env.value.b.0", "env.value.b.1.c"]))
    new = data.draw(plain)
    changed = system.override({path: new})
    assert repr(changed[path]) == repr(new)
    assert changed["env.other"] == 1
    assert repr(system["env.value"]) == repr({"a": value, "b": [1, {"c": 2}]})
    assert changed.override({path: new}) == changed
    assert changed.override({path: system[path]}) == system


@given(st.dictionaries(names, st.dictionaries(names, st.integers(), max_size=3), max_size=3), st.data())
def test_merge_obeys_its_laws(groups: dict[str, dict[str, int]], data: st.DataObject) -> None:
    """An empty system changes nothing, a system merged with itself is itself, and the stated winner wins."""
    system = System(groups)
    assert system.merge(System({})) == system
    assert system.merge(system) == system
    other = System({g: {n: v + 1 for n, v in members.items()} for g, members in groups.items()})
    assert system.merge(other, winner="left") == system
    assert system.merge(other, winner="right") == other
