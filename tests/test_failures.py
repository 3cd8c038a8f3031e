"""What happens when handlers fail: roll-back, keep, failing stops, and the groups that come out."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainspring import (
    Component,
    Failure,
    Id,
    Live,
    MainspringError,
    RunError,
    SignalError,
    StartError,
    StateError,
    StopError,
    System,
    component,
    ref,
)


class Log(list[str]):
    """What was called, in order, with handlers that can be told to fail."""

    def handler(self, signal: str, name: str, broken: str) -> Callable[..., Any]:
        """A handler that writes itself down, and fails where it is told to."""

        def handle(*_: Any, **__: Any) -> str:
            self.append(f"{signal} {name}")
            if signal in broken.split(", "):
                raise ValueError(f"{signal} {name}")
            return f"instance of {name}"

        return handle

    def part(self, name: str, *needs: Any, broken: str = "") -> Any:
        """A component that writes down its calls, of which some fail."""

        def of(signal: str) -> Callable[..., Any]:
            return self.handler(signal, name, broken)

        slots: dict[str, Any] = {"resolve": of("resolve")} if "resolve" in broken else {}
        return Component(
            of("start"),
            of("stop"),
            config={"needs": list(needs)},
            status=of("status"),
            suspend=of("suspend"),
            resume=of("resume"),
            **slots,
            pre={signal: of(f"pre {signal}") for signal in ("start", "stop", "status") if f"pre {signal}" in broken},
            post={signal: of(f"post {signal}") for signal in ("start", "stop", "status") if f"post {signal}" in broken},
        )

    def chain(self, **broken: str) -> System:
        """Three components, each needing the one before, and one that stands alone and comes last."""
        return System({
            "a": {
                "x": self.part("x", broken=broken.get("x", "")),
                "y": self.part("y", ref("a.x"), broken=broken.get("y", "")),
                "z": self.part("z", ref("a.y"), broken=broken.get("z", "")),
                "alone": self.part("alone", broken=broken.get("alone", "")),
            }
        })  # fmt: skip

    def taken(self) -> list[str]:
        """What was written since the last time."""
        found = list(self)
        self.clear()
        return found


NAMES = ("x", "y", "z", "alone")


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


def states(live: Live | None) -> list[str]:
    """The states of the four components."""
    assert live is not None
    return [str(live.state(f"a.{name}")) for name in NAMES]


def failed(error: RunError) -> list[str]:
    """Failures as short texts."""
    return [f"{f.id} {f.signal} [{f.handler}] {f.error}" for f in error.failures]


# --- Roll-back ----------------------------------------------------------------------------------------------------------


def test_failed_start_stops_what_was_started(log: Log) -> None:
    """If a start fails, nothing more is started, and what was started is stopped again in order."""
    with pytest.raises(StartError) as caught:
        log.chain(z="start").start()
    assert log == ["start x", "start y", "start z", "stop y", "stop x"]
    assert states(caught.value.live) == ["stopped", "stopped", "failed", "defined"]


def test_failed_start_in_a_with_block(log: Log) -> None:
    """If a start fails, the with block is never entered."""
    with pytest.raises(StartError), log.chain(y="start").started():
        log.append("block")
    assert log == ["start x", "start y", "stop x"]


def test_failed_first_start(log: Log) -> None:
    """If the first start fails there is nothing to stop."""
    with pytest.raises(StartError):
        log.chain(x="start").start()
    assert log == ["start x"]


def test_roll_back_touches_only_what_this_request_started(log: Log) -> None:
    """A failed start on a live system leaves running what was running before."""
    live = log.chain(z="start").start(["a.x", "a.alone"])
    log.clear()
    with pytest.raises(StartError):
        live.start()
    assert log.taken() == ["start y", "start z", "stop y"]
    assert states(live) == ["running", "stopped", "failed", "running"]
    live.stop()
    assert log == ["stop alone", "stop x"]


def test_failed_component_can_be_started_again(log: Log) -> None:
    """What failed and was rolled back can be started again."""
    attempts: list[int] = []

    def start() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("not yet")
        return "at last"

    live = System({"a": {"b": Component(start)}}).start([])
    with pytest.raises(StartError):
        live.start()
    live.start()
    assert live["a.b"] == "at last"
    live.stop()


def test_failing_stop_in_a_roll_back(log: Log) -> None:
    """A stop that fails in a roll-back keeps no other from being stopped, and all failures come out together."""
    with pytest.raises(StartError) as caught:
        log.chain(z="start", y="stop").start()
    assert log == ["start x", "start y", "start z", "stop y", "stop x"]
    assert failed(caught.value) == ["a.z start [start] start z", "a.y stop [stop] stop y"]
    assert [str(error) for error in caught.value.exceptions] == ["start z", "stop y"]
    assert states(caught.value.live) == ["stopped", "failed", "failed", "defined"]


@pytest.mark.parametrize("phase", ["post start", "resolve"])
def test_failing_post_start_is_a_failed_start(log: Log, phase: str) -> None:
    """A post-start handler or a resolve that fails is a failed start, and the component is stopped like the others."""
    with pytest.raises(StartError) as caught:
        log.chain(y=phase).start()
    assert log == ["start x", "start y", f"{phase} y", "stop y", "stop x"]
    assert [(str(f.id), f.signal) for f in caught.value.failures] == [("a.y", "start")]
    assert phase in caught.value.failures[0].handler


def test_failing_pre_start_is_a_failed_start(log: Log) -> None:
    """A pre-start handler that fails is a failed start; the component itself was never started, and is not stopped."""
    with pytest.raises(StartError):
        log.chain(y="pre start").start()
    assert log == ["start x", "pre start y", "stop x"]


def test_later_post_start_handlers_are_not_called() -> None:
    """After a post-start handler has failed, the ones after it are not called."""
    log: list[str] = []

    def fails(it: Any) -> None:
        raise ValueError("no")

    definition: Any = Component(dict, post={"start": {"one": fails, "two": lambda it: log.append("two")}})
    with pytest.raises(StartError):
        System({"a": {"b": definition}}).start()
    assert log == []


def test_generator_that_fails_before_its_yield_is_not_stopped() -> None:
    """A generator that fails before its yield cleans up by itself, with its own finally, and is not run again."""
    log: list[str] = []

    @component
    def broken() -> Iterator[None]:
        try:
            log.append("start")
            raise ValueError("no")
            yield
        finally:
            log.append("finally")

    with pytest.raises(StartError):
        System({"a": {"b": broken()}}).start()
    assert log == ["start", "finally"]


def test_generator_whose_post_start_fails_is_left() -> None:
    """A generator whose post-start handler fails is run to its end."""
    log: list[str] = []

    @component
    def part() -> Iterator[None]:
        yield
        log.append("stop")

    @part.post("start")
    def _(it: None) -> None:
        raise ValueError("no")

    with pytest.raises(StartError):
        System({"a": {"b": part()}}).start()
    assert log == ["stop"]


def test_what_is_resolved_wrongly_is_a_failed_start(log: Log) -> None:
    """A reference that leads nowhere in an instance is a failed start of the component that has it."""
    system = log.chain().override({"a.z.config.needs": [ref("a.y.nothing")]})
    with pytest.raises(StartError) as caught:
        system.start()
    assert log == ["start x", "start y", "stop y", "stop x"]
    assert caught.value.failures[0].id == ("a", "z")


# --- Keep ---------------------------------------------------------------------------------------------------------------


def test_keep_leaves_what_was_started(log: Log) -> None:
    """With "keep" what was started stays, and what does not need the failed component is started too."""
    with pytest.raises(StartError) as caught:
        log.chain(y="start").start(on_failure="keep")
    live = caught.value.live
    assert live is not None
    assert log.taken() == ["start x", "start y", "start alone"]
    assert states(live) == ["running", "failed", "defined", "running"]
    assert live["a.x"] == "instance of x"
    assert "a.y" in str(live.report["a.z"].skipped)
    live.stop()
    assert log == ["stop alone", "stop x"]


def test_keep_and_start_again(log: Log) -> None:
    """After "keep" the next start tries what failed and what was not reached, and leaves the rest alone."""
    attempts: list[int] = []

    def start(needs: Any) -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("not yet")
        return "at last"

    live = log.chain().override({"a.y.start": start}).start([])
    with pytest.raises(StartError):
        live.start(on_failure="keep")
    log.clear()
    live.start()
    assert log.taken() == ["start z"]
    assert states(live) == ["running"] * 4
    live.stop()


def test_keep_with_a_failed_post_start(log: Log) -> None:
    """A component that was kept though its post-start failed has to be stopped or restarted before it can be started."""
    live = log.chain(y="post start").start([])
    with pytest.raises(StartError):
        live.start(on_failure="keep")
    assert states(live) == ["running", "failed", "defined", "running"]
    with pytest.raises(StateError, match=r"a\.y"):
        live.start()
    log.clear()
    live.stop()
    assert log == ["stop alone", "stop y", "stop x"]


def test_keep_in_a_with_block(log: Log) -> None:
    """With "keep" in a with block, a failed start comes out and what was kept is in the error's live system."""
    with pytest.raises(StartError) as caught, log.chain(y="start").started(on_failure="keep"):
        log.append("block")
    assert caught.value.live is not None
    assert "block" not in log
    caught.value.live.stop()
    assert log.count("stop x") == 1


# --- Failing stops ------------------------------------------------------------------------------------------------------


def test_failing_stop_keeps_no_other_from_being_stopped(log: Log) -> None:
    """A stop that fails never keeps another component from being stopped."""
    live = log.chain(y="stop", alone="stop").start()
    log.clear()
    with pytest.raises(StopError) as caught:
        live.stop()
    assert log == ["stop alone", "stop z", "stop y", "stop x"]
    assert failed(caught.value) == ["a.alone stop [stop] stop alone", "a.y stop [stop] stop y"]
    assert states(live) == ["stopped", "failed", "stopped", "failed"]


def test_failed_stop_is_not_tried_again(log: Log) -> None:
    """A component whose stop failed is not stopped a second time, and can be started again."""
    live = log.chain(y="stop").start()
    with pytest.raises(StopError):
        live.stop()
    log.clear()
    live.stop()
    assert log.taken() == []
    live.start("a.y")
    assert log.taken() == ["start x", "start y"]
    with pytest.raises(StopError):
        live.stop()


def test_failing_pre_stop_does_not_keep_stop_from_running(log: Log) -> None:
    """A pre-stop handler that fails is reported, and stop is run all the same."""
    live = log.chain(y="pre stop").start()
    log.clear()
    with pytest.raises(StopError) as caught:
        live.stop()
    assert log == ["stop alone", "stop z", "pre stop y", "stop y", "stop x"]
    [failure] = caught.value.failures
    assert (str(failure.id), failure.signal) == ("a.y", "stop")
    assert failure.handler.startswith("pre stop")


def test_every_pre_stop_is_called(log: Log) -> None:
    """Of several pre-stop handlers each is called, though those before it failed."""
    calls: list[str] = []

    def fails(name: str) -> Callable[[Any], None]:
        def handler(it: Any) -> None:
            calls.append(name)
            raise ValueError(name)

        return handler

    pre: Any = {"stop": {"one": fails("one"), "two": fails("two")}}
    live = System({"a": {"b": Component(dict, lambda it: calls.append("stop"), pre=pre)}}).start()
    with pytest.raises(StopError) as caught:
        live.stop()
    assert calls == ["one", "two", "stop"]
    assert [failure.handler for failure in caught.value.failures] == ["pre stop: one", "pre stop: two"]


def test_failing_pre_stop_of_a_generator() -> None:
    """A generator whose pre-stop handler fails is run to its end all the same."""
    log: list[str] = []

    @component
    def part() -> Iterator[None]:
        yield
        log.append("stop")

    @part.pre("stop")
    def _(it: None) -> None:
        raise ValueError("no")

    live = System({"a": {"b": part()}}).start()
    with pytest.raises(StopError):
        live.stop()
    assert log == ["stop"]


def test_failing_post_stop_is_reported(log: Log) -> None:
    """A post-stop handler that fails is reported, and the component is not stopped again."""
    live = log.chain(y="post stop").start()
    log.clear()
    with pytest.raises(StopError):
        live.stop()
    assert log.taken() == ["stop alone", "stop z", "stop y", "post stop y", "stop x"]
    live.stop()
    assert log.taken() == []


def test_failed_stop_lets_go_of_the_instance(log: Log) -> None:
    """A component whose stop failed has no instance any more."""
    live = log.chain(y="stop").start()
    with pytest.raises(StopError):
        live.stop()
    with pytest.raises(MainspringError):
        live["a.y"]


# --- Restart ------------------------------------------------------------------------------------------------------------


def test_restart_whose_stop_fails_starts_again_all_the_same(log: Log) -> None:
    """Where a stop fails in a restart, what could be started again is, and the error is a `StopError`."""
    live = log.chain(y="stop").start()
    log.clear()
    with pytest.raises(StopError):
        live.restart("a.y")
    assert log == ["stop z", "stop y", "start y", "start z"]
    assert states(live) == ["running"] * 4


def test_restart_whose_start_fails_rolls_back(log: Log) -> None:
    """Where a start fails in a restart, what this request had started is stopped again, and the error is a `StartError`."""
    broken = [False]

    def start(needs: Any) -> None:
        log.append("start z")
        if broken[0]:
            raise ValueError("no")

    live = log.chain().override({"a.z.start": start}).start()
    broken[0] = True
    log.clear()
    with pytest.raises(StartError):
        live.restart("a.y")
    assert log == ["stop z", "stop y", "start y", "start z", "stop y"]
    assert states(live) == ["running", "stopped", "failed", "running"]


# --- Other signals ------------------------------------------------------------------------------------------------------


def test_failing_status_keeps_no_other_from_being_asked(log: Log) -> None:
    """A status that fails keeps no other from being asked, changes no state, and what the others said is in the report."""
    live = log.chain(x="status").start()
    log.clear()
    with pytest.raises(SignalError) as caught:
        live.status()
    assert log.taken() == ["status x", "status y", "status z", "status alone"]
    assert states(live) == ["running"] * 4
    assert live.report["a.y"].result == "instance of y"
    assert failed(caught.value) == ["a.x status [status] status x"]
    live.stop()


@pytest.mark.parametrize("phase", ["pre status", "post status"])
def test_failing_pre_or_post_status(log: Log, phase: str) -> None:
    """A failing pre or post handler of a signal is a failure of that signal, and changes no state."""
    live = log.chain(x=phase).start()
    with pytest.raises(SignalError):
        live.status()
    assert states(live) == ["running"] * 4
    live.stop()


def test_failing_suspend(log: Log) -> None:
    """A suspend that fails fails its component and keeps no other from being suspended; it is stopped like any other."""
    live = log.chain(y="suspend").start()
    log.clear()
    with pytest.raises(SignalError):
        live.suspend()
    assert log.taken() == ["suspend alone", "suspend z", "suspend y", "suspend x"]
    assert states(live) == ["suspended", "failed", "suspended", "suspended"]
    live.stop()
    assert log == ["stop alone", "stop z", "stop y", "stop x"]


def test_failing_resume(log: Log) -> None:
    """Where a resume fails, what needs that component stays suspended, and the rest is resumed."""
    live = log.chain(y="resume").start()
    live.suspend()
    log.clear()
    with pytest.raises(SignalError):
        live.resume()
    assert log.taken() == ["resume x", "resume y", "resume alone"]
    assert states(live) == ["running", "failed", "suspended", "running"]
    live.stop()
    assert log == ["stop alone", "stop z", "stop y", "stop x"]


# --- The groups that come out -------------------------------------------------------------------------------------------


def test_errors_of_a_run_are_exception_groups(log: Log) -> None:
    """The error of a run is one exception, always a group, whose leaves are the user's own exceptions."""
    with pytest.raises(StartError) as caught:
        log.chain(x="start").start()
    error = caught.value
    assert isinstance(error, ExceptionGroup)
    assert isinstance(error, RunError)
    assert isinstance(error, MainspringError)
    [leaf] = error.exceptions
    assert type(leaf) is ValueError
    assert leaf.args == ("start x",)


@pytest.mark.parametrize(
    ("broken", "request_", "kind"),
    [
        ("start", "start", StartError),
        ("stop", "stop", StopError),
        ("status", "status", SignalError),
        ("suspend", "suspend", SignalError),
    ],
)
def test_each_request_has_its_error(log: Log, broken: str, request_: str, kind: type[RunError]) -> None:
    """A start raises `StartError`, a stop `StopError`, any other signal `SignalError`."""
    live = log.chain(x=broken).start([])
    if broken != "start":
        live.start()
    with pytest.raises(kind) as caught:
        getattr(live, request_)()
    assert type(caught.value) is kind


def test_leaves_have_a_note_that_says_where(log: Log) -> None:
    """Each leaf has a note that names the component, the handler and the signal."""
    with pytest.raises(StartError) as caught:
        log.chain(z="start", y="pre stop").start()
    notes = ["".join(error.__notes__) for error in caught.value.exceptions]
    for part in ("a.z", "start"):
        assert part in notes[0]
    for part in ("a.y", "pre stop"):
        assert part in notes[1]


def test_note_is_in_the_traceback(log: Log) -> None:
    """The traceback that Python prints has the notes, and the frames of the user's handler."""
    with pytest.raises(StartError) as caught:
        log.chain(z="start").start()
    text = "".join(traceback.format_exception(caught.value))
    assert "In the component a.z" in text
    assert "in handle" in text
    assert "mainspring.StartError" in text


def test_failures_are_the_same_as_data(log: Log) -> None:
    """`.failures` has component, signal, handler and exception of each failure, in the order in which they came."""
    with pytest.raises(StartError) as caught:
        log.chain(z="start", x="stop").start()
    error = caught.value
    assert error.failures == (
        Failure(Id("a", "z"), "start", "start", error.exceptions[0]),
        Failure(Id("a", "x"), "stop", "stop", error.exceptions[1]),
    )


def test_live_is_the_system_as_it_is(log: Log) -> None:
    """`.live` is the live system, which can go on being used."""
    with pytest.raises(StartError) as caught:
        log.chain(z="start").start()
    live = caught.value.live
    assert live is not None
    live.start("a.y")
    assert live["a.y"] == "instance of y"
    live.stop()


def test_message_names_the_failures_and_the_roll_back(log: Log) -> None:
    """The message says which handlers failed, and that what was started before was stopped again."""
    with pytest.raises(StartError) as caught:
        log.chain(z="start").start()
    for part in ("a.z", "start", "ValueError: start z", "2 components", "stopped again"):
        assert part in str(caught.value)


def test_except_star_takes_leaves_by_type(log: Log) -> None:
    """`except*` takes the leaves by type; what it takes and what is left keep class, failures and live system."""

    def key_error(*_: Any) -> None:
        raise KeyError("stop")

    system = log.chain(z="start").override({"a.y.stop": key_error})
    taken: list[Any] = []
    left: list[Any] = []
    try:
        try:
            system.start()
        except* KeyError as group:
            taken.append(group)
    except StartError as error:
        left.append(error)
    [[by_key], [rest]] = taken, left
    assert type(by_key) is StartError
    assert [str(failure.id) for failure in by_key.failures] == ["a.y"]
    assert [str(failure.id) for failure in rest.failures] == ["a.z"]
    assert by_key.live is rest.live is not None


def test_except_star_reaches_into_a_group_that_a_handler_raised() -> None:
    """A handler may raise a group; what `except*` takes from inside it still belongs to the same failure."""

    def fails() -> None:
        raise ExceptionGroup("several", [ValueError("v"), KeyError("k")])

    taken: list[Any] = []
    try:
        System({"a": {"b": Component(fails)}}).start()
    except* ValueError as group:
        taken.append(group)
    except* KeyError:
        pass
    [by_value] = taken
    assert type(by_value) is StartError
    assert [str(failure.id) for failure in by_value.failures] == ["a.b"]


def test_same_exception_raised_twice(log: Log) -> None:
    """One exception object that two handlers raise is in the group for each of them, with a note for each."""
    error = ValueError("the same")

    def fails(*_: Any) -> None:
        raise error

    live = System({"a": {"x": Component(dict, fails), "y": Component(dict, fails)}}).start()
    with pytest.raises(StopError) as caught:
        live.stop()
    assert [str(failure.id) for failure in caught.value.failures] == ["a.y", "a.x"]
    assert len(error.__notes__) == 2


def test_cause_of_a_leaf_is_kept() -> None:
    """The cause of a user's exception stays as it was."""

    def fails() -> None:
        try:
            raise KeyError("cause")
        except KeyError as error:
            raise ValueError("effect") from error

    with pytest.raises(StartError) as caught:
        System({"a": {"b": Component(fails)}}).start()
    assert isinstance(caught.value.exceptions[0].__cause__, KeyError)


def test_stop_iteration_from_a_handler() -> None:
    """A `StopIteration` that a handler raises is a failure like any other, not the end of anything."""

    def fails(*_: Any) -> None:
        raise StopIteration("no")

    system = System({"a": {"x": Component(dict), "y": Component(fails)}})
    with pytest.raises(StartError) as caught:
        system.start()
    assert isinstance(caught.value.exceptions[0], StopIteration)
    live = System({"a": {"y": Component(dict, fails)}}).start()
    with pytest.raises(StopError):
        live.stop()


def test_context_manager_that_swallows_is_left_without_an_exception() -> None:
    """Each context manager is left as if nothing had happened, also in a roll-back."""
    seen: list[tuple[Any, ...]] = []

    class Manager:
        def __enter__(self) -> int:
            return 1

        def __exit__(self, *args: Any) -> bool:
            seen.append(args)
            return True

    def fails(x: Any) -> None:
        raise ValueError("no")

    system = System({"a": {"x": Component(scope=Manager), "y": Component(fails, config={"x": ref("a.x")})}})
    with pytest.raises(StartError):
        system.start()
    assert seen == [(None, None, None)]


def test_report_of_a_failed_start_tells_of_all_that_took_part(log: Log) -> None:
    """The report of a failed start has what failed, what was stopped again, and what was not reached, with the reason."""
    with pytest.raises(StartError) as caught:
        log.chain(y="start").start()
    assert caught.value.live is not None
    report = caught.value.live.report
    assert [str(id) for id in report] == ["a.x", "a.y", "a.z", "a.alone"]
    assert [str(report[f"a.{name}"].state) for name in NAMES] == ["stopped", "failed", "defined", "defined"]
    assert report["a.z"].called is False
    assert report["a.z"].skipped
    assert "a.y" in str(report)


@pytest.mark.parametrize("is_concurrent", [False, True])
def test_report_says_of_all_that_was_not_reached_that_the_request_was_given_up(is_concurrent: bool) -> None:
    """What was not begun because another failed says so, also where it only needs something that was not begun."""

    def fails() -> None:
        raise ValueError

    async def fine() -> None: ...

    parts: dict[str, Any] = {
        "bad": Component(fails),
        "x": Component(dict, config={"it": 1}),
        "y": Component(dict, config={"it": ref("a.x")}),
        "z": Component(dict, config={"it": ref("a.y")}),
    }
    if is_concurrent:
        parts["fine"] = Component(fine)
    with pytest.raises(StartError) as caught:
        System({"a": parts}).start()
    assert caught.value.live is not None
    report = caught.value.live.report
    assert {report[f"a.{name}"].skipped for name in "xyz"} == {"the request was given up before"}
    assert "it is defined" not in str(report)
