"""The order of starting and stopping, and what a selection draws in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from mainspring import Component, Id, System, UnknownComponent, UnknownSignal, build, local_ref, ref


class Log(list[str]):
    """What was called, in order."""

    def part(self, name: str, *needs: Any, **slots: Any) -> Any:
        """A component that writes down what happens to it."""

        def handler(signal: str) -> Any:
            return lambda *_, **__: self.append(f"{signal} {name}")

        slots.setdefault("status", handler("status"))
        slots.setdefault("suspend", handler("suspend"))
        slots.setdefault("resume", handler("resume"))
        return Component(handler("start"), handler("stop"), config={"needs": list(needs)}, **slots)

    def taken(self) -> list[str]:
        """What was written since the last time."""
        found = list(self)
        self.clear()
        return found


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


def diamond(log: Log) -> System:
    """One component that two need, and one that needs both; and one that stands alone."""
    return System({
        "a": {
            "top": log.part("top", ref("a.left"), ref("a.right")),
            "left": log.part("left", ref("a.base")),
            "right": log.part("right", ref("a.base")),
            "base": log.part("base"),
            "alone": log.part("alone"),
        }
    })  # fmt: skip


def test_dependencies_start_first(log: Log) -> None:
    """A component starts after everything it needs, and among equals the order is as written."""
    with diamond(log).started():
        assert log == ["start base", "start left", "start right", "start top", "start alone"]


def test_dependents_stop_first(log: Log) -> None:
    """Components stop in the reverse of the order in which they start."""
    live = diamond(log).start()
    log.clear()
    live.stop()
    assert log == ["stop alone", "stop top", "stop right", "stop left", "stop base"]


def test_ties_are_started_as_written(log: Log) -> None:
    """Components that do not need each other start as written, across groups."""
    system = System({"b": {"y": log.part("y"), "x": log.part("x")}, "a": {"z": log.part("z")}})
    with system.started():
        assert log == ["start y", "start x", "start z"]


def test_tie_goes_to_what_is_written_first_among_the_ready(log: Log) -> None:
    """Of all that could start next, the one that is written first does."""
    system = System({
        "a": {
            "first": log.part("first", ref("a.last")),
            "second": log.part("second"),
            "third": log.part("third"),
            "last": log.part("last"),
        }
    })  # fmt: skip
    with system.started():
        assert log == ["start second", "start third", "start last", "start first"]


def test_order_is_the_same_every_time(log: Log) -> None:
    """The same definition is started in the same order each time, also when built anew."""
    orders = set()
    for _ in range(5):
        with diamond(log).started():
            pass
        orders.add(tuple(log.taken()))
    assert len(orders) == 1


@pytest.mark.parametrize(
    "reference",
    [
        ref("b.x"), ref("b.x.inside"), ref("b"), {"k": [(ref("b.x"),)]}, {ref("b.x")}, build(dict, x=ref("b.x")),
        ref("b.x", optional=True), ref("b.constant"), ref("b.constant.0"),
    ],
    ids=repr,
)  # fmt: skip
def test_every_kind_of_reference_orders(reference: Any) -> None:
    """References of every kind, at any depth, and through constants, put what they refer to first."""
    system = System({
        "a": {"y": Component(dict, config={"it": reference})},
        "b": {"x": Component(dict), "constant": [local_ref("x")]},
    })  # fmt: skip
    assert [str(step.id) for step in system.plan()] == ["b.x", "a.y"]


def test_status_goes_dependencies_first(log: Log) -> None:
    """Status goes in the order of starting."""
    with diamond(log).started() as live:
        log.clear()
        live.status()
        assert log == ["status base", "status left", "status right", "status top", "status alone"]


def test_suspend_goes_dependents_first_and_resume_dependencies_first(log: Log) -> None:
    """Suspend goes in the order of stopping, resume in the order of starting."""
    with diamond(log).started() as live:
        log.clear()
        live.suspend()
        assert log.taken() == ["suspend alone", "suspend top", "suspend right", "suspend left", "suspend base"]
        live.resume()
        assert log.taken() == ["resume base", "resume left", "resume right", "resume top", "resume alone"]


@pytest.mark.parametrize("signal", ["start", "stop", "suspend", "resume", "status"])
@pytest.mark.parametrize("select", [None, "a.left", "a.base", ["a.right", "a.alone"], []], ids=repr)
def test_plan_says_what_is_run(log: Log, signal: str, select: Any) -> None:
    """A plan has the steps that the request then runs, in that order."""
    system = diamond(log)
    live = system.start(None if signal != "start" else [])
    if signal == "resume":
        live.suspend()
    log.clear()
    live.signal(signal, select)
    assert log.taken() == [f"{signal} {step.id.name}" for step in system.plan(signal, select)]
    live.stop()


# --- Selections ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ("a.base", ["base"]),
        ("a.left", ["base", "left"]),
        ("a.top", ["base", "left", "right", "top"]),
        (["a.alone", "a.left"], ["base", "left", "alone"]),
        (Id("a", "right"), ["base", "right"]),
        (("a.right",), ["base", "right"]),
        ({"a.right"}, ["base", "right"]),
        ("a", ["base", "left", "right", "top", "alone"]),
    ],
    ids=repr,
)
def test_start_of_a_selection_starts_what_it_needs(log: Log, select: Any, names: list[str]) -> None:
    """Starting a selection starts what it needs, and nothing else."""
    with diamond(log).started(select) as live:
        assert log.taken() == [f"start {name}" for name in names]
        running = {name for name in ("base", "left", "right", "top", "alone") if live.state(f"a.{name}") == "running"}
        assert running == set(names)
    assert log == [f"stop {name}" for name in reversed(names)]


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ("a.base", ["top", "right", "left", "base"]),
        ("a.left", ["top", "left"]),
        ("a.top", ["top"]),
        (["a.right", "a.alone"], ["alone", "top", "right"]),
        ([], []),
    ],
    ids=repr,
)
@pytest.mark.parametrize("signal", ["stop", "suspend"])
def test_stop_and_suspend_of_a_selection_take_what_needs_it(
    log: Log, signal: str, select: Any, names: list[str]
) -> None:
    """Stopping or suspending a selection takes what needs it, and nothing else."""
    live = diamond(log).start()
    log.clear()
    live.signal(signal, select)
    assert log.taken() == [f"{signal} {name}" for name in names]
    live.stop()


@pytest.mark.parametrize(
    ("select", "names"),
    [("a.base", ["base"]), ("a.left", ["base", "left"]), ("a.top", ["base", "left", "right", "top"]), ([], [])],
    ids=repr,
)
def test_resume_of_a_selection_takes_what_it_needs(log: Log, select: Any, names: list[str]) -> None:
    """Resuming a selection resumes what it needs, and nothing else."""
    with diamond(log).started() as live:
        live.suspend()
        log.clear()
        live.resume(select)
        assert log.taken() == [f"resume {name}" for name in names]


def test_status_of_a_selection_takes_nothing_more(log: Log) -> None:
    """Status of a selection asks the selected alone, in order."""
    with diamond(log).started() as live:
        log.clear()
        assert list(live.status(["a.top", "a.base"])) == [Id("a", "base"), Id("a", "top")]
        assert log.taken() == ["status base", "status top"]


def test_restart_of_a_selection_takes_what_needs_it(log: Log) -> None:
    """Restarting a selection stops what needs it too, and starts all of that again."""
    with diamond(log).started() as live:
        log.clear()
        live.restart("a.left")
        assert log.taken() == ["stop top", "stop left", "start left", "start top"]


@pytest.mark.parametrize("select", [[], (), set(), iter(())], ids=repr)
def test_empty_selection_is_nothing(log: Log, select: Any) -> None:
    """An empty selection is nothing, never everything."""
    chosen = list(select)
    live = diamond(log).start(iter(chosen))
    assert log.taken() == []
    live.start()
    log.clear()
    for verb in (live.stop, live.suspend, live.resume, live.restart, live.status):
        verb(chosen)
    assert log.taken() == []
    live.stop()


@pytest.mark.parametrize(
    ("select", "parts"),
    [
        ("a.lfet", ["a.lfet", "a.left"]),
        ("b", ["b"]),
        ("b.left", ["b.left", "a.left"]),
        (["a.left", "a.rihgt", "a.tpo"], ["a.right", "a.top"]),
        ("a.left.inside", ["a.left.inside"]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("verb", ["start", "stop", "suspend", "resume", "restart", "status", "plan", "select"])
def test_unknown_name_in_a_selection(log: Log, verb: str, select: Any, parts: list[str]) -> None:
    """An unknown name in a selection is an error with near misses, for every request, and nothing is done."""
    system = diamond(log)
    live = system.start("a.base")
    log.clear()
    request = {"plan": lambda it: system.plan("start", it), "select": system.select}.get(verb) or getattr(live, verb)
    with pytest.raises(UnknownComponent) as caught:
        request(select)
    for part in parts:
        assert part in str(caught.value)
    assert log.taken() == []
    live.stop()


@pytest.mark.parametrize("select", [[3], ["a..b"], [""], [None], ""], ids=repr)
def test_selection_of_the_wrong_form(log: Log, select: Any) -> None:
    """A part of a selection that cannot be read as an id or a group is an unknown component."""
    with pytest.raises(UnknownComponent):
        diamond(log).start(select)
    assert log == []


def test_unknown_signal(log: Log) -> None:
    """A signal that is not in the table is an error with near misses."""
    with diamond(log).started() as live:
        for request in (live.signal, live.definition.plan):
            with pytest.raises(UnknownSignal, match="suspend"):
                request("suspedn")


def test_order_holds_between_selected_components_that_are_apart(log: Log) -> None:
    """Two selected components keep their order also where what lies between them is not selected."""
    system = System({
        "a": {
            "z": log.part("z", ref("a.y")),
            "y": log.part("y", ref("a.x")),
            "x": log.part("x"),
        }
    })  # fmt: skip
    with system.started() as live:
        log.clear()
        live.status(["a.z", "a.x"])
        assert log.taken() == ["status x", "status z"]


def test_selection_may_name_constants(log: Log) -> None:
    """A constant may be selected, and is there after the start of nothing else."""
    system = System({"env": {"x": [1]}, "a": {"b": log.part("b")}})
    with system.started("env.x") as live:
        assert live["env.x"] == [1]
    assert log == []


def test_long_chain_needs_no_recursion() -> None:
    """A chain of ten thousand components is started and stopped in order."""
    names = [f"c{i}" for i in range(10_000)]
    stopped: list[int] = []
    parts: dict[str, Any] = {"c0": Component(int, stopped.append)}
    for before, name in pairwise(names):
        parts[name] = Component(lambda x: x + 1, stopped.append, config={"x": ref("a", before)})
    with System({"a": dict(reversed(parts.items()))}).started() as live:
        assert live["a.c9999"] == 9_999
    assert stopped == list(range(9_999, -1, -1))
