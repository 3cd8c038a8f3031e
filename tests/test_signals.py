"""Signals of the user's own: what each column of their row in the table means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mainspring import BadComponent, Component, Signal, SignalError, State, System, component, ref


def chain(log: list[str], *rows: Signal, handler: str = "go", **slots: Any) -> System:
    """Three components, each needing the one before, that write down one signal."""

    def part(name: str, *needs: Any) -> Any:
        def handle(it: Any) -> str:
            log.append(name)
            return f"{name} went"

        return Component(
            lambda needs: f"instance of {name}", config={"needs": needs}, handlers={handler: handle}, **slots
        )

    parts = {"x": part("x"), "y": part("y", ref("a.x")), "z": part("z", ref("a.y"))}
    return System({"a": parts}, signals=rows)


@pytest.mark.parametrize(
    ("direction", "order"), [("dependencies first", ["x", "y", "z"]), ("dependents first", ["z", "y", "x"])]
)
def test_direction(direction: Any, order: list[str]) -> None:
    """A signal goes dependencies first or dependents first, as its row says."""
    log: list[str] = []
    with chain(log, Signal("go", direction)).started() as live:
        report = live.signal("go")
    assert log == order
    assert [report[f"a.{name}"].result for name in "xyz"] == ["x went", "y went", "z went"]


@pytest.mark.parametrize(("draws_in", "order"), [(None, ["y"]), ("needs", ["x", "y"]), ("needed by", ["y", "z"])])
def test_draws_in(draws_in: Any, order: list[str]) -> None:
    """A selection draws in what the selected need, what needs them, or nothing more."""
    log: list[str] = []
    with chain(log, Signal("go", draws_in=draws_in)).started() as live:
        live.signal("go", "a.y")
    assert log == order


def test_states() -> None:
    """A signal passes over components in states to which it does not apply; by default it applies to what runs."""
    log: list[str] = []
    with chain(log, Signal("go")).started("a.y") as live:
        report = live.signal("go")
    assert log == ["x", "y"]
    assert report["a.z"].called is False
    assert "defined" in str(report["a.z"].skipped)


def test_states_of_what_was_never_started() -> None:
    """A signal may apply to what was not started; its handler then gets `None`."""
    seen: list[Any] = []
    system = System(
        {"a": {"b": Component(dict, handlers={"prepare": seen.append})}},
        signals=[Signal("prepare", states=["defined", State.STOPPED])],
    )
    live = system.start([])
    live.signal("prepare")
    live.start()
    live.signal("prepare")
    live.stop()
    live.signal("prepare")
    assert seen == [None, None]


def test_during_and_after() -> None:
    """A signal may have a state during and a state after its handler."""
    seen: list[str] = []
    row = Signal("drain", "dependents first", during="suspending", after="suspended")

    def drain(it: Any) -> None:
        seen.append(str(live.state("a.b")))

    live = System({"a": {"b": Component(dict, handlers={"drain": drain}), "c": Component(dict)}}, signals=[row]).start()
    live.signal("drain")
    assert seen == ["suspending"]
    assert [live.state("a.b"), live.state("a.c")] == ["suspended", "running"]
    live.stop()


def test_state_is_left_alone() -> None:
    """Without states during and after, a signal leaves the state alone."""
    seen: list[str] = []

    def go(it: Any) -> None:
        seen.append(str(live.state("a.b")))

    live = System({"a": {"b": Component(dict, handlers={"go": go})}}, signals=[Signal("go")]).start()
    live.signal("go")
    assert [*seen, live.state("a.b")] == ["running", "running"]
    live.stop()


def test_component_without_a_handler_takes_no_part() -> None:
    """A component without a handler is passed over, and keeps its state."""
    row = Signal("drain", during="suspending", after="suspended")
    with System({"a": {"b": Component(dict)}}, signals=[row]).started() as live:
        report = live.signal("drain")
        assert len(report) == 0
        assert live.state("a.b") == "running"


def test_component_without_a_handler_takes_part_where_the_row_says_so() -> None:
    """Where its row says so, a signal changes the state of components without a handler too."""
    row = Signal("drain", during="suspending", after="suspended", without_handler=True)
    with System({"a": {"b": Component(dict)}}, signals=[row]).started() as live:
        live.signal("drain")
        assert live.state("a.b") == "suspended"


def becoming(**slots: Any) -> System:
    """A component with a signal whose result becomes the instance."""
    definition: Any = Component(
        lambda: 1, slots.pop("stop", None), handlers={"reload": lambda it: it + 1, "look": lambda it: it}, **slots
    )
    user: Any = Component(lambda it: it, config={"it": ref("a.b")})
    return System(
        {"a": {"b": definition, "user": user}}, signals=[Signal("reload", becomes_instance=True), Signal("look")]
    )


def test_becomes_instance() -> None:
    """Where its row says so, what a signal's handler returns becomes the instance, also for the handlers that follow."""
    stopped: list[int] = []
    with becoming(stop=stopped.append).started() as live:
        live.signal("reload")
        assert live["a.b"] == 2
        live.signal("reload")
        assert live.signal("look")["a.b"].result == 3
        live.restart("a.user")
        assert live["a.user"] == 3
    assert stopped == [3]


@pytest.mark.parametrize(
    "slots",
    [
        {"pre": {"reload": lambda it: None}},
        {"post": {"reload": lambda it: None}},
        {"deadlines": 10},
        {"deadlines": {"reload": 10}},
    ],
    ids=["pre", "post", "deadline", "deadline of the signal"],
)
def test_becomes_instance_whatever_else_the_component_has(slots: dict[str, Any]) -> None:
    """The result becomes the instance also where there are pre and post handlers, or a deadline."""
    with becoming(**slots).started() as live:
        live.signal("reload")
        assert live["a.b"] == 2
        live.signal("reload")
        assert live["a.b"] == 3


def test_post_handler_gets_what_became_the_instance() -> None:
    """A post handler of a signal whose result becomes the instance gets that."""
    seen: list[int] = []
    with becoming(post={"reload": seen.append}).started() as live:
        live.signal("reload")
    assert seen == [2]


def test_others_see_what_resolve_makes_of_the_new_instance() -> None:
    """Where a signal's result becomes the instance, others see what resolve makes of that."""
    with becoming(resolve=lambda it: it * 100).started() as live:
        assert live["a.b"] == 100
        live.signal("reload")
        assert live["a.b"] == 200


def test_none_may_become_the_instance() -> None:
    """`None` may become the instance like any other value."""
    system = System(
        {"a": {"b": Component(dict, handlers={"reload": lambda it: None})}},
        signals=[Signal("reload", becomes_instance=True)],
    )
    with system.started() as live:
        live.signal("reload")
        assert live["a.b"] is None


def test_signal_to_a_generator_component() -> None:
    """A component that is a generator takes signals like any other, and is stopped as it was started."""
    log: list[str] = []

    @component
    def part() -> Iterator[str]:
        yield "instance"
        log.append("stop")

    @part.on("go")
    def _(it: str) -> None:
        log.append(f"go {it}")

    with System({"a": {"b": part()}}, signals=[Signal("go")]).started() as live:
        live.signal("go")
    assert log == ["go instance", "stop"]


def test_failing_handler_keeps_no_other_from_being_called() -> None:
    """Where a handler of a signal fails, the others are called all the same, and the state stays."""
    log: list[str] = []
    system = chain(log, Signal("go"))

    def fails(it: Any) -> None:
        raise ValueError("no")

    with system.override({"a.y.handlers.go": fails}).started() as live:
        with pytest.raises(SignalError) as caught:
            live.signal("go")
        assert live.state("a.y") == "running"
    assert log == ["x", "z"]
    assert [(str(f.id), f.signal, f.handler) for f in caught.value.failures] == [("a.y", "go", "go")]


def test_failing_handler_of_a_signal_with_states_fails_the_component() -> None:
    """Where a handler of a signal that changes states fails, the component has failed, and is stopped like any other."""
    stopped: list[Any] = []

    def fails(it: Any) -> None:
        raise ValueError("no")

    row = Signal("drain", "dependents first", during="suspending", after="suspended")
    live = System({"a": {"b": Component(dict, stopped.append, handlers={"drain": fails})}}, signals=[row]).start()
    with pytest.raises(SignalError):
        live.signal("drain")
    assert live.state("a.b") == "failed"
    live.stop()
    assert stopped == [{}]


def test_signal_runs_pre_and_post_handlers() -> None:
    """Signals of the user's own have pre and post handlers, which get the instance."""
    log: list[str] = []
    definition: Any = Component(
        lambda: 7,
        handlers={"go": lambda it: log.append(f"go {it}")},
        pre={"go": lambda it: log.append(f"pre {it}")},
        post={"go": lambda it: log.append(f"post {it}")},
    )
    with System({"a": {"b": definition}}, signals=[Signal("go")]).started() as live:
        live.signal("go")
    assert log == ["pre 7", "go 7", "post 7"]


def test_verbs_can_be_sent_by_name() -> None:
    """Start, stop and the other verbs can be sent as signals by their names."""
    live = System({"a": {"b": Component(dict, status=lambda it: "good", suspend=lambda it: None)}}).start([])
    states = []
    for name in ("start", "suspend", "resume", "stop"):
        live.signal(name)
        states.append(str(live.state("a.b")))
    assert states == ["running", "suspended", "running", "stopped"]


def test_name_that_is_taken() -> None:
    """A row with the name of one of the built-in signals, or of another row, is an error."""
    with pytest.raises(BadComponent, match="start"):
        System({}, signals=[Signal("start")])
    with pytest.raises(BadComponent, match="go"):
        System({}, signals=[Signal("go"), Signal("go")])


@pytest.mark.parametrize(
    "row",
    [
        {"direction": "sideways"},
        {"draws_in": "everything"},
        {"states": ["sleeping"]},
        {"during": "sleeping"},
        {"after": "sleeping"},
    ],
    ids=lambda row: next(iter(row)),
)
def test_row_that_makes_no_sense(row: dict[str, Any]) -> None:
    """A column of a row with a value that it cannot have is an error at once."""
    with pytest.raises(ValueError):
        Signal("go", **row)


def test_table_is_there_to_be_read() -> None:
    """The signal table of a system has the built-in rows and the user's own."""
    table = System({}, signals=[Signal("go")]).signals
    assert list(table) == ["start", "stop", "suspend", "resume", "status", "go"]
    assert {name: row.direction for name, row in table.items() if row.direction == "dependents first"}.keys() == {
        "stop", "suspend",
    }  # fmt: skip
    assert [table["start"].draws_in, table["stop"].draws_in, table["status"].draws_in] == ["needs", "needed by", None]
    assert table["start"].becomes_instance
    assert (table["suspend"].during, table["suspend"].after) == ("suspending", "suspended")
