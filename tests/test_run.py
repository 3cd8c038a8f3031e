"""Requests to a live system: start, stop, restart, suspend, resume, status; one at a time; and those who watch."""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainspring import (
    BadComponent,
    Component,
    Event,
    Id,
    Interrupted,
    NotStarted,
    StartError,
    State,
    StateError,
    StopError,
    System,
    component,
    ref,
)

PATIENCE = 20.0  # seconds that a test waits for what should come at once


class Log(list[str]):
    """What was called, in order."""

    def part(self, name: str, *needs: Any, **slots: Any) -> Any:
        """A component that writes down its start and stop."""

        def start(needs: Any) -> str:
            self.append(f"start {name}")
            return f"instance of {name}"

        return Component(start, lambda it: self.append(f"stop {name}"), config={"needs": list(needs)}, **slots)

    def writes(self, text: str) -> Callable[..., None]:
        """A handler that writes a text down."""
        return lambda *_: self.append(text)

    def taken(self) -> list[str]:
        """What was written since the last time."""
        found = list(self)
        self.clear()
        return found


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


class InThread:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.outcome: list[tuple[bool, Any]] = []
        self.call = call
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Note what came of the call."""
        try:
            self.outcome.append((True, self.call()))
        except BaseException as error:
            self.outcome.append((False, error))

    def result(self) -> Any:
        """Wait for the end, and return or raise what came of it."""
        self.thread.join(PATIENCE)
        assert self.outcome, "the call did not end"
        ok, value = self.outcome[0]
        if not ok:
            raise value
        return value

    def wait_until_it_waits(self) -> None:
        """Return when the thread stands still inside the library, waiting for its turn, or has ended."""
        before, same = None, 0
        while same < 50 and self.thread.is_alive():
            frame = sys._current_frames().get(self.thread.ident or 0)
            at = (frame, frame.f_lasti) if frame and "mainspring" in frame.f_globals["__name__"] else None
            same = same + 1 if at is not None and at == before else 0
            before = at
            threading.Event().wait(0.001)


# --- started() ----------------------------------------------------------------------------------------------------------


def test_started_runs_for_a_with_block(log: Log) -> None:
    """`with system.started()` starts before the block and stops after it."""
    with System({"a": {"b": log.part("b")}}).started() as live:
        assert live["a.b"] == "instance of b"
        assert log == ["start b"]
    assert log == ["start b", "stop b"]
    assert live.state("a.b") == "stopped"


def test_started_stops_when_the_block_raises(log: Log) -> None:
    """An exception in the block comes out as it is, after everything was stopped."""
    error = ValueError("in the block")
    with pytest.raises(ValueError) as caught, System({"a": {"b": log.part("b")}}).started():
        raise error
    assert caught.value is error
    assert log == ["start b", "stop b"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()], ids=lambda e: type(e).__name__)
def test_started_stops_when_the_block_is_interrupted(log: Log, error: BaseException) -> None:
    """An interruption in the block comes out as it is, after everything was stopped."""
    with pytest.raises(type(error)) as caught, System({"a": {"b": log.part("b")}}).started():
        raise error
    assert caught.value is error
    assert log == ["start b", "stop b"]


def fails(*_: Any, **__: Any) -> Any:
    """A handler that fails."""
    raise ValueError("no")


def test_failing_stop_after_a_block_that_raised() -> None:
    """Where the block raised and a stop fails too, the error of the stop has the block's exception as its context."""
    error = KeyError("in the block")
    with pytest.raises(StopError) as caught, System({"a": {"b": Component(dict, fails)}}).started():
        raise error
    assert caught.value.__context__ is error


def test_failing_stop_after_a_block_that_was_interrupted() -> None:
    """Where the block was interrupted and a stop fails, the interruption comes out, with a note about the stop."""
    with pytest.raises(KeyboardInterrupt) as caught, System({"a": {"b": Component(dict, fails)}}).started():
        raise KeyboardInterrupt
    assert "a.b" in "".join(caught.value.__notes__)


def test_started_of_a_block_that_stops_by_itself(log: Log) -> None:
    """A system that was stopped in the block is not stopped again after it."""
    with System({"a": {"b": log.part("b")}}).started() as live:
        live.stop()
    assert log == ["start b", "stop b"]


def test_started_is_entered_once(log: Log) -> None:
    """One `started()` serves one with block; a second one is an error that says so."""
    once = System({"a": {"b": log.part("b")}}).started()
    with once, pytest.raises(StateError), once:
        pass
    assert log == ["start b", "stop b"]


def test_started_takes_what_start_takes(log: Log) -> None:
    """`started` takes a selection, observers and what to do on failure, as `start` does."""
    events: list[Event] = []
    system = System({"a": {"x": log.part("x"), "y": log.part("y")}})
    with system.started("a.y", observers=[events.append], on_failure="keep"):
        pass
    assert log == ["start y", "stop y"]
    assert {str(event.id) for event in events} == {"a.y"}


# --- Repeated requests --------------------------------------------------------------------------------------------------


def test_start_on_a_live_system_starts_what_is_not_running(log: Log) -> None:
    """A second start starts what is not running yet, and leaves the rest alone."""
    live = System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"))}}).start("a.x")
    instance = live["a.x"]
    report = live.start()
    assert log.taken() == ["start x", "start y"]
    assert live["a.x"] is instance
    assert (report["a.x"].called, report["a.y"].called) == (False, True)
    live.start()
    assert log.taken() == []
    live.stop()


def test_stop_after_stop_does_nothing(log: Log) -> None:
    """A second stop does nothing."""
    live = System({"a": {"b": log.part("b")}}).start()
    live.stop()
    log.clear()
    report = live.stop()
    assert log == []
    assert report["a.b"].called is False


def test_stop_before_any_start_does_nothing(log: Log) -> None:
    """Stopping what was never started does nothing."""
    live = System({"a": {"b": log.part("b")}}).start([])
    live.stop()
    assert log == []
    assert live.state("a.b") == "defined"


def test_stopped_component_can_be_started_again(log: Log) -> None:
    """What was stopped can be started again, and gets a new instance."""
    live = System({"a": {"b": Component(object), "c": log.part("c")}}).start()
    first = live["a.b"]
    live.stop()
    with pytest.raises(NotStarted):
        live["a.b"]
    live.start()
    assert live["a.b"] is not first
    assert log.taken() == ["start c", "stop c", "start c"]
    live.stop()


def test_stop_of_a_part_leaves_the_rest_running(log: Log) -> None:
    """Stopping a selection stops what needs it, and leaves what it needs running."""
    parts = {"x": log.part("x"), "y": log.part("y", ref("a.x")), "z": log.part("z", ref("a.y"))}
    with System({"a": parts}).started() as live:
        log.clear()
        live.stop("a.y")
        assert log.taken() == ["stop z", "stop y"]
        assert [live.state(f"a.{name}") for name in "xyz"] == ["running", "stopped", "stopped"]
        live.start("a.z")
        assert log.taken() == ["start y", "start z"]


def test_restart_stops_and_starts_everything(log: Log) -> None:
    """Restart stops everything and starts it again."""
    with System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"))}}).started() as live:
        log.clear()
        live.restart()
        assert log.taken() == ["stop y", "stop x", "start x", "start y"]


def test_restart_starts_again_what_it_stopped_only(log: Log) -> None:
    """A restart of a selection starts again what it stopped, not what was not running before."""
    parts = {"x": log.part("x"), "y": log.part("y", ref("a.x")), "z": log.part("z", ref("a.x"))}
    with System({"a": parts}).started("a.y") as live:
        log.clear()
        live.restart("a.x")
        assert log.taken() == ["stop y", "stop x", "start x", "start y"]
        assert live.state("a.z") == "defined"


def test_restart_of_everything_starts_again_what_ran_only(log: Log) -> None:
    """A restart without a selection starts again what was running, not the rest."""
    with System({"a": {"x": log.part("x"), "y": log.part("y")}}).started("a.x") as live:
        log.clear()
        live.restart()
        assert log.taken() == ["stop x", "start x"]


def test_restart_of_what_does_not_run_starts_it(log: Log) -> None:
    """A restart of a selection that does not run starts it."""
    live = System({"a": {"b": log.part("b")}}).start([])
    live.restart("a.b")
    assert log.taken() == ["start b"]
    live.stop()


def test_restart_gives_the_new_instance_to_what_needs_it() -> None:
    """After a restart, what needs the restarted component has its new instance."""
    system = System({"a": {"x": Component(object), "y": Component(lambda x: x, config={"x": ref("a.x")})}})
    with system.started() as live:
        first = live["a.y"]
        live.restart("a.x")
        assert live["a.y"] is live["a.x"] is not first


# --- Suspend and resume -------------------------------------------------------------------------------------------------


def test_suspend_and_resume(log: Log) -> None:
    """A suspended component keeps its instance, and goes on with it when it is resumed."""
    definition = log.part(
        "b", suspend=lambda it: log.append(f"suspend {it}"), resume=lambda it: log.append(f"resume {it}")
    )
    with System({"a": {"b": definition}}).started() as live:
        instance = live["a.b"]
        live.suspend()
        assert live.state("a.b") == "suspended"
        assert live["a.b"] is instance
        live.resume()
        assert live.state("a.b") == "running"
        assert live["a.b"] is instance
    assert log == ["start b", "suspend instance of b", "resume instance of b", "stop b"]


def test_component_without_suspend_keeps_running(log: Log) -> None:
    """A component without a suspend handler keeps running through suspend and resume."""
    with System({"a": {"b": log.part("b"), "c": log.part("c", suspend=log.writes("suspend c"))}}).started() as live:
        live.suspend()
        assert [live.state("a.b"), live.state("a.c")] == ["running", "suspended"]
        live.resume()
        assert [live.state("a.b"), live.state("a.c")] == ["running", "running"]
    assert log == ["start b", "start c", "suspend c", "stop c", "stop b"]


def test_what_resume_returns_never_becomes_the_instance(log: Log) -> None:
    """What suspend and resume return is reported, and never becomes the instance."""
    definition = log.part("b", suspend=lambda it: "suspended", resume=lambda it: "resumed")
    with System({"a": {"b": definition}}).started() as live:
        assert live.suspend()["a.b"].result == "suspended"
        assert live.resume()["a.b"].result == "resumed"
        assert live["a.b"] == "instance of b"


def test_suspended_component_can_be_stopped(log: Log) -> None:
    """What is suspended can be stopped without being resumed."""
    live = System({"a": {"b": log.part("b", suspend=log.writes("suspend b"))}}).start()
    live.suspend()
    live.stop()
    assert log == ["start b", "suspend b", "stop b"]


def test_suspend_twice_does_nothing(log: Log) -> None:
    """What is suspended is not suspended again, and what runs is not resumed."""
    definition = log.part("b", suspend=log.writes("suspend b"), resume=log.writes("resume b"))
    with System({"a": {"b": definition}}).started() as live:
        live.resume()
        live.suspend()
        live.suspend()
        live.resume()
        live.resume()
    assert log == ["start b", "suspend b", "resume b", "stop b"]


def test_start_of_what_is_suspended(log: Log) -> None:
    """Starting what is suspended is an error that says to resume or stop it, and starts nothing."""
    system = System({"a": {"b": log.part("b", suspend=log.writes("suspend b")), "c": log.part("c")}})
    with system.started("a.b") as live:
        live.suspend()
        log.clear()
        with pytest.raises(StateError, match=r"a\.b is suspended"):
            live.start()
        assert log == []


def test_start_beside_what_is_suspended(log: Log) -> None:
    """What does not need a suspended component can be started beside it."""
    system = System({"a": {"b": log.part("b", suspend=log.writes("suspend b")), "c": log.part("c")}})
    with system.started("a.b") as live:
        live.suspend()
        live.start("a.c")
        assert [live.state("a.b"), live.state("a.c")] == ["suspended", "running"]


def test_resume_without_a_resume_handler(log: Log) -> None:
    """A suspended component without a resume handler is running again after resume."""
    with System({"a": {"b": log.part("b", suspend=log.writes("suspend b"))}}).started() as live:
        live.suspend()
        live.resume()
        assert live.state("a.b") == "running"


# --- Status -------------------------------------------------------------------------------------------------------------


def test_status_is_a_mapping_of_those_that_have_one() -> None:
    """Status gives what the handlers say, by id, of those components that have one."""
    system = System({"a": {"x": Component(int, status=lambda it: {"value": it}), "y": Component(int), "z": 3}})
    with system.started() as live:
        assert live.status() == {Id("a", "x"): {"value": 0}}


def test_status_of_what_does_not_run() -> None:
    """Status asks only what runs or is suspended."""
    system = System({"a": {"x": Component(int, status=str), "y": Component(int, status=str, suspend=str)}})
    live = system.start("a.y")
    live.suspend()
    assert live.status() == {Id("a", "y"): "0"}
    live.stop()
    assert live.status() == {}


def test_status_that_is_none() -> None:
    """A status of `None` is a status."""
    with System({"a": {"x": Component(int, status=lambda it: None)}}).started() as live:
        assert live.status() == {Id("a", "x"): None}


# --- Instances ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, float("nan")], ids=repr)
def test_falsy_instance(value: Any) -> None:
    """`None` or a false value is an instance like any other: handed on, looked at, and stopped."""
    seen: list[Any] = []
    source: Any = Component(lambda: value, seen.append, status=lambda it: [it])

    def user(x: Any) -> Any:
        seen.append(x)
        return x

    system = System({"a": {"x": source, "y": Component(user, config={"x": ref("a.x")})}})
    with system.started() as live:
        assert live["a.x"] is value
        assert live["a.y"] is value
        assert live.status()[Id("a", "x")][0] is value
        assert live.state("a.x") == "running"
    assert len(seen) == 2
    assert all(it is value for it in seen)


@pytest.mark.parametrize("how", ["generator", "function"])
def test_none_from_a_scope_or_function_is_stopped(how: str, log: Log) -> None:
    """A generator that yields nothing in particular, and a function that returns nothing, are stopped."""

    def scope() -> Iterator[None]:
        yield
        log.append("stop")

    definition: Any = Component(scope) if how == "generator" else Component(lambda: None, log.writes("stop"))
    with System({"a": {"b": definition}}).started() as live:
        assert live["a.b"] is None
    assert log == ["stop"]


def test_what_stop_returns_is_no_instance() -> None:
    """What stop returns is reported, and never becomes an instance."""
    live = System({"a": {"b": Component(int, lambda it: "stopped")}}).start()
    assert live.stop()["a.b"].result == "stopped"
    with pytest.raises(NotStarted):
        live["a.b"]


def test_instances_are_let_go_after_a_stop() -> None:
    """After a stop the live system holds on to no instance."""
    import gc
    import weakref

    class Thing:
        pass

    live = System({"a": {"b": Component(Thing), "c": Component(lambda b: b, config={"b": ref("a.b")})}}).start()
    gone = weakref.ref(live["a.b"])
    live.stop()
    gc.collect()
    assert gone() is None


# --- Pre and post -------------------------------------------------------------------------------------------------------


def test_pre_and_post_are_called_around_each_signal(log: Log) -> None:
    """Pre handlers come before a signal's own handler and post handlers after it, several in the order as written."""
    signals = ("start", "stop", "suspend", "resume", "status")
    definition: Any = Component(
        log.writes("start"),
        log.writes("stop"),
        status=log.writes("status"),
        suspend=log.writes("suspend"),
        resume=log.writes("resume"),
        pre={signal: [log.writes(f"pre {signal} 1"), log.writes(f"pre {signal} 2")] for signal in signals},
        post={signal: [log.writes(f"post {signal} 1"), log.writes(f"post {signal} 2")] for signal in signals},
    )
    live = System({"a": {"b": definition}}).start()
    for request in (live.status, live.suspend, live.resume, live.stop):
        request()
    assert log == [
        line
        for signal in ("start", "status", "suspend", "resume", "stop")
        for line in (f"pre {signal} 1", f"pre {signal} 2", signal, f"post {signal} 1", f"post {signal} 2")
    ]


def test_pre_and_post_get_the_instance() -> None:
    """Pre and post handlers get the instance; before a start there is none, after a stop it is the one that was stopped."""
    seen: list[tuple[str, Any]] = []

    def writes(text: str) -> Any:
        return lambda it: seen.append((text, it))

    definition: Any = Component(
        lambda: 7,
        pre={"start": writes("pre start"), "stop": writes("pre stop")},
        post={"start": writes("post start"), "stop": writes("post stop")},
    )
    with System({"a": {"b": definition}}).started():
        pass
    assert seen == [("pre start", None), ("post start", 7), ("pre stop", 7), ("post stop", 7)]


def test_pre_and_post_without_an_own_handler(log: Log) -> None:
    """A component may have a pre or post handler for a signal without one of its own."""
    definition: Any = Component(dict, pre={"stop": log.writes("pre stop")}, post={"status": log.writes("post status")})
    with System({"a": {"b": definition}}).started() as live:
        live.status()
    assert log == ["post status", "pre stop"]


def test_pre_and_post_run_at_the_components_place(log: Log) -> None:
    """All handlers of one component are called before those of the next."""
    pre_post = {"pre": {"start": log.writes("pre y")}, "post": {"start": log.writes("post y")}}
    system = System(
        {"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"), **pre_post), "z": log.part("z", ref("a.y"))}}
    )
    with system.started():
        assert log == ["start x", "pre y", "start y", "post y", "start z"]


def test_post_start_comes_after_resolve(log: Log) -> None:
    """Resolve comes right after the start, before the post-start handlers."""
    definition: Any = Component(log.writes("start"), resolve=log.writes("resolve"), post={"start": log.writes("post")})
    with System({"a": {"b": definition}}).started():
        assert log == ["start", "resolve", "post"]


# --- One request at a time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "suspend", "resume", "status"])
def test_second_request_waits(verb: str, log: Log) -> None:
    """A request from another thread waits until the one before has ended."""
    inside, go_on = threading.Event(), threading.Event()

    def slow(it: Any) -> None:
        log.append("status begins")
        inside.set()
        assert go_on.wait(PATIENCE)
        log.append("status ends")

    definition = log.part("b", status=slow, suspend=log.writes("suspend b"))
    live = System({"a": {"b": definition, "c": log.part("c")}}).start("a.b")
    first = InThread(live.status)
    assert inside.wait(PATIENCE)
    log.clear()
    second = InThread(getattr(live, verb))
    second.wait_until_it_waits()
    go_on.set()
    first.result()
    second.result()
    assert log.taken()[0] == "status ends"
    live.stop()


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "suspend", "resume", "status"])
@pytest.mark.parametrize("place", ["status", "stop", "pre", "post"])
def test_handler_that_asks_its_own_system(verb: str, place: str) -> None:
    """A handler that calls a verb of its own system gets an error, instead of waiting for itself."""
    seen: list[BaseException] = []

    def asks(it: Any) -> None:
        try:
            getattr(live, verb)()
        except StateError as error:
            seen.append(error)

    slots: dict[str, Any] = {"pre": {"pre": {"stop": asks}}, "post": {"post": {"stop": asks}}}.get(place, {place: asks})
    live = System({"a": {"b": Component(dict, **slots)}}).start()
    live.status()
    live.stop()
    assert len(seen) == 1
    assert verb in str(seen[0])


def test_handler_with_a_deadline_that_asks_its_own_system() -> None:
    """A handler that runs in a thread of its own because of a deadline gets the same error."""
    seen: list[str] = []

    def asks(it: Any) -> None:
        with pytest.raises(StateError):
            live.stop()
        seen.append("refused")

    live = System({"a": {"b": Component(dict, status=asks, deadlines=PATIENCE)}}).start()
    live.status()
    live.stop()
    assert seen == ["refused"]


def test_error_of_a_handler_that_asks_its_own_system_is_a_failure_like_any_other(log: Log) -> None:
    """A handler that lets that error out has failed with it, and what was started is stopped again."""
    lives: list[Any] = []

    def asks(needs: Any) -> None:
        lives[0].stop()

    live = System({"a": {"x": log.part("x"), "y": Component(asks, config={"needs": ref("a.x")})}}).start([])
    lives.append(live)
    with pytest.raises(StartError) as caught:
        live.start()
    assert isinstance(caught.value.exceptions[0], StateError)
    assert log == ["start x", "stop x"]


def test_handler_may_look_at_its_own_system() -> None:
    """A handler may look at its own system while a request runs."""
    seen: list[Any] = []

    def look(it: Any) -> None:
        seen.append((live["a.x"], live.state("a.b")))

    live = System({"a": {"x": 1, "b": Component(dict, status=look)}}).start()
    live.status()
    live.stop()
    assert seen == [(1, "running")]


def test_handler_may_use_another_system(log: Log) -> None:
    """A handler may start and stop another system."""
    inner = System({"a": {"b": log.part("inner")}})

    def scope() -> Iterator[Any]:
        with inner.started() as live:
            yield live

    with System({"a": {"b": Component(scope), "c": log.part("outer")}}).started() as live:
        assert live["a.b"]["a.b"] == "instance of inner"
    assert log == ["start inner", "start outer", "stop outer", "stop inner"]


def test_stop_gives_up_a_start_under_way(log: Log) -> None:
    """A stop from another thread makes a start under way give up: it begins nothing more, and rolls back."""
    inside, go_on = threading.Event(), threading.Event()

    def slow(needs: Any) -> str:
        log.append("start y")
        inside.set()
        assert go_on.wait(PATIENCE)
        return "y"

    system = System({
        "a": {
            "x": log.part("x"),
            "y": Component(slow, log.writes("stop y"), config={"needs": ref("a.x")}),
            "z": log.part("z", ref("a.y")),
        }
    })  # fmt: skip
    live = system.start([])
    start = InThread(live.start)
    assert inside.wait(PATIENCE)
    log.append("stop asked")
    stop = InThread(live.stop)
    stop.wait_until_it_waits()
    go_on.set()
    with pytest.raises(StartError) as caught:
        start.result()
    stop.result()
    assert [type(error) for error in caught.value.exceptions] == [Interrupted]
    assert log == ["start x", "start y", "stop asked", "stop y", "stop x"]
    assert [live.state(f"a.{name}") for name in "xyz"] == ["stopped", "stopped", "defined"]


def test_live_system_can_be_used_after_a_start_was_given_up(log: Log) -> None:
    """After a start was given up, the next start runs to its end."""
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        inside.set()
        assert go_on.wait(PATIENCE)

    live = System({"a": {"b": Component(slow), "c": log.part("c")}}).start([])
    start = InThread(live.start)
    assert inside.wait(PATIENCE)
    stop = InThread(live.stop)
    stop.wait_until_it_waits()
    go_on.set()
    with pytest.raises(StartError):
        start.result()
    stop.result()
    live.start()
    assert log == ["start c"]
    live.stop()


def test_many_threads_may_ask(log: Log) -> None:
    """Requests from many threads are run one at a time, and leave a state that makes sense."""
    calls: list[str] = []
    overlaps: list[str] = []
    busy = threading.Lock()

    def handler(text: str) -> Any:
        def handle(*_: Any) -> None:
            if not busy.acquire(blocking=False):
                overlaps.append(text)
                return
            calls.append(text)
            busy.release()

        return handle

    live = System({"a": {"b": Component(handler("start"), handler("stop"), status=handler("status"))}}).start()

    def hammer() -> None:
        for verb in ("stop", "start", "status", "restart") * 10:
            try:
                getattr(live, verb)()
            except StartError as error:
                assert isinstance(error.exceptions[0], Interrupted)  # noqa: PT017 - only a stop may have done it

    for thread in [InThread(hammer) for _ in range(6)]:
        thread.result()
    live.stop()
    assert overlaps == []
    assert calls.count("start") == calls.count("stop")
    changes = [call for call in calls if call != "status"]
    assert changes == ["start", "stop"] * (len(changes) // 2)


def test_handlers_run_in_the_callers_thread() -> None:
    """Handlers without a deadline run in the thread that makes the request, and see its context variables."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[tuple[int, str]] = []

    def handler(*_: Any) -> None:
        seen.append((threading.get_ident(), variable.get("unset")))

    variable.set("set")
    live = System({"a": {"b": Component(handler, handler)}}).start()
    thread = InThread(live.stop)
    thread.result()
    assert seen == [(threading.get_ident(), "set"), (thread.thread.ident, "unset")]


# --- Those who watch ----------------------------------------------------------------------------------------------------


def told(events: list[Event]) -> list[str]:
    """Events as short texts."""
    return [f"{event.id} {event.signal}: {event.old} -> {event.new}" for event in events]


def test_observers_are_told_every_change_of_state() -> None:
    """An observer is told every change of state, in order, with the signal that brought it."""
    events: list[Event] = []
    definition: Any = Component(dict, suspend=str, status=str)
    system = System({"env": {"x": 1}, "a": {"x": definition, "y": Component(dict, config={"x": ref("a.x")})}})
    with system.started(observers=[events.append]) as live:
        assert told(events) == [
            "a.x start: defined -> starting",
            "a.x start: starting -> running",
            "a.y start: defined -> starting",
            "a.y start: starting -> running",
        ]
        events.clear()
        live.status()
        assert events == []
        live.suspend()
        live.resume()
        assert told(events) == [
            "a.x suspend: running -> suspending",
            "a.x suspend: suspending -> suspended",
            "a.x resume: suspended -> resuming",
            "a.x resume: resuming -> running",
        ]
        events.clear()
    assert told(events) == [
        "a.y stop: running -> stopping",
        "a.y stop: stopping -> stopped",
        "a.x stop: running -> stopping",
        "a.x stop: stopping -> stopped",
    ]


def test_observers_are_told_as_it_happens(log: Log) -> None:
    """An observer is told before a handler is called that it begins, and right after it that it has ended."""
    system = System({"a": {"x": log.part("x"), "y": log.part("y")}})
    system.start(observers=[lambda event: log.append(f"{event.new} {event.id.name}")]).stop()
    assert log == [
        "starting x", "start x", "running x", "starting y", "start y", "running y",
        "stopping y", "stop y", "stopped y", "stopping x", "stop x", "stopped x",
    ]  # fmt: skip


def test_event_says_how_long_and_what_failed() -> None:
    """An event has the time that a handler took, and the error that it raised."""
    events: list[Event] = []
    with pytest.raises(StartError):
        System({"a": {"x": Component(dict), "y": Component(fails)}}).start(observers=[events.append])
    by_change = {(event.id.name, event.new): event for event in events}
    assert by_change["x", State.STARTING].took is None
    assert by_change["x", State.RUNNING].took >= 0  # type: ignore[operator]
    failed = by_change["y", State.FAILED]
    assert isinstance(failed.error, ValueError)
    assert failed.took is not None
    assert by_change["x", State.STOPPED].error is None


def test_observer_of_a_live_system() -> None:
    """An observer can be added to a live system, and taken away again."""
    events: list[Event] = []
    live = System({"a": {"x": Component(dict)}}).start()
    forget = live.observe(events.append)
    live.restart()
    assert len(events) == 4
    forget()
    forget()
    live.restart()
    assert len(events) == 4
    live.stop()


def test_broken_observer_is_dropped_and_logged(caplog: pytest.LogCaptureFixture, log: Log) -> None:
    """An observer that raises is logged and told nothing more; the run and the other observers go on."""
    calls: list[Event] = []
    events: list[Event] = []

    def broken(event: Event) -> None:
        calls.append(event)
        raise ValueError("broken observer")

    with System({"a": {"x": log.part("x")}}).started(observers=[broken, events.append]):
        pass
    assert len(calls) == 1
    assert len(events) == 4
    assert log == ["start x", "stop x"]
    [record] = caplog.records
    assert (record.name, record.levelno) == ("mainspring", logging.ERROR)
    assert "broken" in record.getMessage()
    assert record.exc_info is not None


def test_observer_that_leaves_by_itself_and_then_breaks(caplog: pytest.LogCaptureFixture, log: Log) -> None:
    """An observer that ends its own watch and then raises is logged like any other, and loses nothing."""

    def broken(event: Event) -> None:
        forget()
        raise ValueError("broken observer")

    live = System({"a": {"x": log.part("x")}}).start()
    forget = live.observe(broken)
    live.stop()
    assert log == ["start x", "stop x"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("when", range(4))
def test_observer_that_raises_an_interruption_loses_nothing(error: BaseException, when: int, log: Log) -> None:
    """Whatever an observer raises, what was started is stopped exactly once."""
    count = iter(range(100))

    def breaks(event: Event) -> None:
        if next(count) == when:
            raise error

    system = System({"a": {"x": log.part("x"), "y": log.part("y")}})
    try:
        with system.started(observers=[breaks]):
            pass
    except (SystemExit, KeyboardInterrupt):
        pass
    assert log.count("stop x") == log.count("start x")
    assert log.count("stop y") == log.count("start y")


def test_observer_that_asks_the_system_is_dropped(caplog: pytest.LogCaptureFixture, log: Log) -> None:
    """An observer that calls a verb of the system it watches gets the error that a handler gets."""
    live = System({"a": {"x": log.part("x")}}).start([])
    live.observe(lambda event: live.stop())
    live.start()
    assert "StateError" in caplog.text
    live.stop()
    assert log == ["start x", "stop x"]


def test_without_observers_nothing_is_recorded() -> None:
    """With no observers no event is made at all."""
    import mainspring

    made: list[Any] = []
    original: Any = mainspring.Event.__new__

    def counting(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return original(*args, **kwargs)

    try:
        mainspring.Event.__new__ = counting  # type: ignore[method-assign]
        with System({"a": {"x": Component(dict)}}).started():
            pass
        assert made == []
        with System({"a": {"x": Component(dict)}}).started(observers=[lambda event: None]):
            pass
        assert len(made) == 4
    finally:
        mainspring.Event.__new__ = original  # type: ignore[method-assign]


# --- Wrong use ----------------------------------------------------------------------------------------------------------


def test_on_failure_has_two_values() -> None:
    """`on_failure` is "rollback" or "keep"; anything else is an error."""
    with pytest.raises(ValueError):
        System({}).start(on_failure="ignore")  # type: ignore[arg-type]


def test_empty_system_runs() -> None:
    """A system of nothing starts and stops."""
    with System({}).started() as live:
        assert len(live.report) == 0
    with System({"a": {}}).started() as live:
        assert dict(live["a"]) == {}


def test_system_with_problems_does_not_start() -> None:
    """A system with problems starts nothing, also in a with block."""
    started: list[int] = []
    system = System({"a": {"x": Component(lambda: started.append(1)), "y": Component(dict, handlers={"zzz": str})}})
    with pytest.raises(BadComponent), system.started():
        pass
    assert started == []


@component
def shared(log: Any) -> Iterator[object]:
    """Something to be started by two systems."""
    log.append("start")
    yield object()
    log.append("stop")


def test_two_live_systems_of_one_definition_are_apart() -> None:
    """One definition can be started several times; each live system has instances of its own."""
    from mainspring import opaque

    log: list[str] = []
    system = System({"a": {"b": shared(log=opaque(log))}})
    with system.started() as one, system.started() as other:
        assert one["a.b"] is not other["a.b"]
        one.stop()
        assert other.state("a.b") == "running"
    assert log == ["start", "start", "stop", "stop"]
