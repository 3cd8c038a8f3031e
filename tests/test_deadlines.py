"""Deadlines of sync handlers: a thread of its own for each component that has one, and what is overdue."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainspring import (
    Component,
    Context,
    DeadlineExceeded,
    Event,
    SignalError,
    StartError,
    StateError,
    StopError,
    System,
    component,
    ref,
)

PATIENCE = 20.0  # seconds that a test waits for what should come at once, and that no handler here ever takes
SHORT = 0.05  # seconds after which a handler that hangs is given up on


class Gate:
    """Something that handlers hang at until the test is over, or opens it."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()

    def __call__(self, *_: Any, **__: Any) -> str:
        """Hang."""
        self.reached.set()
        self.opened.wait(PATIENCE)
        return "at last"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is opened when the test is over, so that no thread is left hanging."""
    it = Gate()
    before = set(threading.enumerate())
    yield it
    it.opened.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)


class Log(list[str]):
    """What was called, in order."""

    def part(self, name: str, *needs: Any, **slots: Any) -> Any:
        """A component that writes down its start and stop."""

        def start(needs: Any) -> str:
            self.append(f"start {name}")
            return name

        slots.setdefault("stop", lambda it: self.append(f"stop {name}"))
        return Component(slots.pop("start", start), config={"needs": list(needs)}, **slots)


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something has become true in another thread."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never came")


# --- Which thread -------------------------------------------------------------------------------------------------------


def threads_of(deadlines: Any, **system: Any) -> tuple[list[tuple[str, int]], System]:
    """A component with every handler, and the threads in which each of them was called."""
    seen: list[tuple[str, int]] = []

    def handler(name: str) -> Callable[..., Any]:
        return lambda *_: seen.append((name, threading.get_ident()))

    signals = ("start", "stop", "status", "suspend", "resume")
    definition: Any = Component(
        handler("start"),
        handler("stop"),
        status=handler("status"),
        suspend=handler("suspend"),
        resume=handler("resume"),
        resolve=handler("resolve"),
        pre={signal: handler(f"pre {signal}") for signal in signals},
        post={signal: handler(f"post {signal}") for signal in signals},
        deadlines=deadlines,
    )
    return seen, System({"a": {"b": definition}}, **system)


def run_all(system: System) -> None:
    """Make every request once."""
    live = system.start()
    for request in (live.status, live.suspend, live.resume, live.stop):
        request()


@pytest.mark.parametrize(
    "deadlines",
    [PATIENCE, {"start": PATIENCE}, {"stop": PATIENCE}, {"status": PATIENCE}],
    ids=["all", "start", "stop", "status"],
)
def test_component_with_a_deadline_lives_in_one_thread(deadlines: Any) -> None:
    """All handlers of a component with a deadline, for whatever signal, are called in one thread of its own."""
    seen, system = threads_of(deadlines)
    run_all(system)
    assert len(seen) == 16
    threads = {thread for _, thread in seen}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


@pytest.mark.parametrize("deadlines", [PATIENCE, {"stop": PATIENCE}], ids=["all", "stop"])
def test_deadline_of_the_system_counts_for_every_component(deadlines: Any) -> None:
    """A deadline of the system counts for components without one of their own, each in its own thread."""
    seen: list[tuple[str, int]] = []

    def part(name: str) -> Any:
        def note(*_: Any) -> None:
            seen.append((name, threading.get_ident()))

        return Component(note, note)

    with System({"a": {"x": part("x"), "y": part("y")}}, deadlines=deadlines).started():
        pass
    threads = {name: {thread for n, thread in seen if n == name} for name in "xy"}
    assert [len(threads[name]) for name in "xy"] == [1, 1]
    assert len(threads["x"] | threads["y"] | {threading.get_ident()}) == 3


def test_component_without_a_deadline_stays_in_the_callers_thread() -> None:
    """A component without a deadline is called in the caller's thread, beside one that has a deadline."""
    seen, system = threads_of(None)
    run_all(system.merge(System({"z": {"z": Component(dict, deadlines=PATIENCE)}})))
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_generator_with_a_deadline_lives_in_one_thread() -> None:
    """A generator with a deadline starts and stops in one thread."""
    seen: list[int] = []

    @component(deadlines={"stop": PATIENCE})
    def part() -> Iterator[int]:
        seen.append(threading.get_ident())
        yield 1
        seen.append(threading.get_ident())

    with System({"a": {"b": part()}}).started() as live:
        assert live["a.b"] == 1
    assert len(seen) == 2
    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen


def test_thread_is_gone_after_the_stop(log: Log) -> None:
    """The thread of a component with a deadline has the component's id as its name, and ends with its stop."""
    live = System({"a": {"thread": log.part("thread", deadlines=PATIENCE)}}).start()
    assert "a.thread" in [thread.name for thread in threading.enumerate()]
    live.stop()
    assert "a.thread" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("phase", ["start", "pre", "post"])
def test_thread_is_gone_after_a_failed_start(phase: str) -> None:
    """The thread of a component whose start failed ends."""

    def fails(*_: Any) -> None:
        raise ValueError("no")

    slots: dict[str, Any] = {"start": {}, "pre": {"pre": {"start": fails}}, "post": {"post": {"start": fails}}}[phase]
    definition: Any = Component(fails if phase == "start" else dict, deadlines=PATIENCE, **slots)
    with pytest.raises(StartError):
        System({"a": {"thread": definition}}).start()
    assert "a.thread" not in [thread.name for thread in threading.enumerate()]


def test_restart_gives_a_thread_of_its_own_again() -> None:
    """After a restart a component with a deadline is in one thread again."""
    seen, system = threads_of(PATIENCE)
    live = system.start()
    live.stop()
    seen.clear()
    live.start()
    live.stop()
    assert len({thread for _, thread in seen}) == 1


def test_handler_in_a_thread_sees_the_callers_context_variables() -> None:
    """A handler with a deadline sees the context variables of the request that started it."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("set")
    with System({"a": {"b": Component(lambda: variable.get("unset"), deadlines=PATIENCE)}}).started() as live:
        assert live["a.b"] == "set"


def test_component_with_a_deadline_behaves_like_any_other(log: Log) -> None:
    """With a deadline that is kept, everything is as without: instances, order, context, resolve, status, failures."""

    def start(needs: Any, ctx: Context = Context.here) -> str:
        log.append(f"start {ctx.id} {needs}")
        return "y"

    y: Any = Component(
        start,
        lambda it: log.append(f"stop {it}"),
        config={"needs": [ref("a.x")]},
        resolve=lambda it: it * 2,
        status=lambda it: f"status {it}",
        deadlines=PATIENCE,
    )
    with System({"a": {"z": log.part("z", ref("a.y")), "y": y, "x": log.part("x")}}).started() as live:
        assert live["a.y"] == "yy"
        assert live.status() == {("a", "y"): "status y"}
        assert live.describe()["a.y"].resolved == {"needs": ["x"]}
    assert log == ["start x", "start a.y ['x']", "start z", "stop z", "stop y", "stop x"]


@pytest.mark.parametrize("handler", ["start", "stop", "status"])
def test_failure_in_a_thread_is_a_failure_like_any_other(handler: str) -> None:
    """What a handler with a deadline raises comes out as it is, with its traceback and a note."""
    error = ValueError("no")

    def fails(*_: Any) -> None:
        raise error

    slots: dict[str, Any] = {"start": dict, handler: fails}
    live = System({"a": {"b": Component(**slots, deadlines=PATIENCE)}}).start([])

    def run() -> None:
        for request in (live.start, live.status, live.stop):
            request()

    with pytest.raises((StartError, StopError, SignalError)) as caught:
        run()
    assert caught.value.exceptions == (error,)
    assert "a.b" in "".join(error.__notes__)
    assert error.__traceback__ is not None
    live.stop()


def test_exit_in_a_thread_comes_out() -> None:
    """A SystemExit in a handler with a deadline comes out of the request, after the roll-back."""
    log = Log()

    def leaves(needs: Any) -> None:
        raise SystemExit(3)

    system = System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"), start=leaves, deadlines=PATIENCE)}})
    with pytest.raises(SystemExit):
        system.start()
    assert log == ["start x", "stop x"]


# --- Overdue starts -----------------------------------------------------------------------------------------------------


def test_overdue_start_fails_and_is_abandoned(gate: Gate, log: Log) -> None:
    """A start past its deadline fails: the component is abandoned, and what was started is stopped again."""
    system = System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"), start=gate, deadlines=SHORT)}})
    with pytest.raises(StartError) as caught:
        system.start()
    assert log == ["start x", "stop x"]
    [error] = caught.value.exceptions
    assert isinstance(error, DeadlineExceeded)
    assert isinstance(error, TimeoutError)
    assert (error.seconds, error.abandoned) == (SHORT, True)
    assert "a.y" in str(error)
    assert caught.value.live is not None
    assert caught.value.live.state("a.y") == "abandoned"
    assert caught.value.live.state("a.x") == "stopped"


def test_overdue_start_says_where_it_hangs(gate: Gate) -> None:
    """The error about an overdue handler has a note with the stack on which it hangs."""
    with pytest.raises(StartError) as caught:
        System({"a": {"b": Component(gate, deadlines=SHORT)}}).start()
    notes = "".join(caught.value.exceptions[0].__notes__)
    assert __file__ in notes
    assert "self.opened.wait" in notes


def test_late_start_is_stopped_by_its_own_thread(gate: Gate) -> None:
    """A start that ends after it was given up on is stopped by its own thread, so that nothing stays behind."""
    stopped: list[tuple[Any, str]] = []
    definition: Any = Component(
        gate, lambda it: stopped.append((it, threading.current_thread().name)), deadlines={"start": SHORT}
    )
    with pytest.raises(StartError):
        System({"a": {"b": definition}}).start()
    assert stopped == []
    gate.opened.set()
    wait_for(lambda: bool(stopped))
    assert stopped == [("at last", "a.b")]


def test_late_generator_is_stopped_by_its_own_thread(gate: Gate) -> None:
    """A generator that comes to its yield after it was given up on is run to its end in its own thread."""
    log: list[str] = []

    @component(deadlines={"start": SHORT})
    def part() -> Iterator[None]:
        gate()
        log.append(f"start {threading.get_ident()}")
        yield
        log.append(f"stop {threading.get_ident()}")

    with pytest.raises(StartError):
        System({"a": {"b": part()}}).start()
    gate.opened.set()
    wait_for(lambda: len(log) == 2)
    assert [line.split()[0] for line in log] == ["start", "stop"]
    assert len({line.split()[1] for line in log}) == 1


def test_late_start_that_fails_is_forgotten(gate: Gate) -> None:
    """A start that fails after it was given up on made nothing, and nothing is stopped."""
    log: list[str] = []

    def start() -> None:
        gate()
        log.append("fails")
        raise ValueError("late")

    with pytest.raises(StartError):
        System({"a": {"b": Component(start, lambda it: log.append("stop"), deadlines=SHORT)}}).start()
    gate.opened.set()
    wait_for(lambda: not any(thread.name == "a.b" for thread in threading.enumerate()))
    assert log == ["fails"]


def test_late_stop_of_a_late_start_that_fails_is_logged(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """Where the stop of a late start fails, that is logged, because there is nobody to raise it to."""

    def stop(it: Any) -> None:
        raise ValueError("late stop")

    with pytest.raises(StartError):
        System({"a": {"b": Component(gate, stop, deadlines={"start": SHORT})}}).start()
    gate.opened.set()
    wait_for(lambda: "late stop" in caplog.text)
    assert "late stop" in caplog.text


@pytest.mark.parametrize("phase", ["pre start", "post start", "resolve"])
def test_deadline_is_for_all_of_a_start(gate: Gate, phase: str) -> None:
    """The deadline of a start counts for its pre and post handlers and resolve too, and none is left behind started."""
    stopped: list[Any] = []
    every: dict[str, dict[str, Any]] = {
        "pre start": {"pre": {"start": gate}},
        "post start": {"post": {"start": gate}},
        "resolve": {"resolve": gate},
    }
    slots = every[phase]
    definition: Any = Component(lambda: "instance", stopped.append, deadlines={"start": SHORT}, **slots)
    with pytest.raises(StartError) as caught:
        System({"a": {"b": definition}}).start()
    assert isinstance(caught.value.exceptions[0], DeadlineExceeded)
    gate.opened.set()
    wait_for(lambda: not any(thread.name == "a.b" for thread in threading.enumerate()))
    assert stopped == ([] if phase == "pre start" else ["instance"])


def test_overdue_start_with_keep(gate: Gate, log: Log) -> None:
    """With "keep" an overdue start leaves running what was started, and what does not need it is started too."""
    parts = {
        "x": log.part("x"),
        "y": log.part("y", ref("a.x"), start=gate, deadlines=SHORT),
        "z": log.part("z", ref("a.y")),
        "alone": log.part("alone"),
    }
    live = System({"a": parts}).start([])
    with pytest.raises(StartError):
        live.start(on_failure="keep")
    assert [str(live.state(f"a.{name}")) for name in parts] == ["running", "abandoned", "defined", "running"]
    live.stop()
    assert log == ["start x", "start alone", "stop alone", "stop x"]


def test_abandoned_component_cannot_be_started_again(gate: Gate) -> None:
    """What was abandoned cannot be started again, because what hangs in it may still run; the error says so."""
    live = System({"a": {"b": Component(gate, deadlines=SHORT), "c": Component(dict)}}).start([])
    with pytest.raises(StartError):
        live.start("a.b")
    with pytest.raises(StateError, match=r"a\.b was abandoned"):
        live.start()
    live.start("a.c")
    live.stop()


# --- Overdue stops ------------------------------------------------------------------------------------------------------


def test_overdue_stop_is_abandoned_and_the_rest_goes_on(gate: Gate, log: Log) -> None:
    """A stop past its deadline is abandoned, and the rest is stopped."""
    parts = {
        "x": log.part("x"),
        "y": log.part("y", ref("a.x"), stop=gate, deadlines={"stop": SHORT}),
        "z": log.part("z", ref("a.y")),
    }
    live = System({"a": parts}).start()
    log.clear()
    with pytest.raises(StopError) as caught:
        live.stop()
    assert log == ["stop z", "stop x"]
    [error] = caught.value.exceptions
    assert isinstance(error, DeadlineExceeded)
    assert error.abandoned
    [failure] = caught.value.failures
    assert (str(failure.id), failure.signal, failure.handler, failure.error) == ("a.y", "stop", "stop", error)
    assert [str(live.state(f"a.{name}")) for name in parts] == ["stopped", "abandoned", "stopped"]
    live.stop()
    assert log == ["stop z", "stop x"]


def test_overdue_stop_of_a_generator(gate: Gate, log: Log) -> None:
    """A generator whose stop hangs is abandoned, and goes on in its thread should it ever end."""

    @component(deadlines={"stop": SHORT})
    def part() -> Iterator[None]:
        yield
        gate()
        log.append("ended after all")

    live = System({"a": {"b": part(), "c": log.part("c")}}).start()
    with pytest.raises(StopError):
        live.stop()
    assert live.state("a.b") == "abandoned"
    gate.opened.set()
    wait_for(lambda: "ended after all" in log)
    assert log.count("stop c") == 1


def test_overdue_stop_in_a_roll_back(gate: Gate, log: Log) -> None:
    """A stop that hangs in a roll-back is abandoned, and the rest is rolled back."""

    def fails(needs: Any) -> None:
        raise ValueError("no")

    parts = {
        "x": log.part("x"),
        "y": log.part("y", ref("a.x"), stop=gate, deadlines={"stop": SHORT}),
        "z": log.part("z", ref("a.y"), start=fails),
    }
    with pytest.raises(StartError) as caught:
        System({"a": parts}).start()
    assert log == ["start x", "start y", "stop x"]
    assert [type(error) for error in caught.value.exceptions] == [ValueError, DeadlineExceeded]


def test_overdue_pre_stop(gate: Gate, log: Log) -> None:
    """A pre-stop handler that hangs uses up the time of the stop: the component is abandoned, and the rest is stopped."""
    parts = {"x": log.part("x"), "y": log.part("y", ref("a.x"), pre={"stop": gate}, deadlines={"stop": SHORT})}
    live = System({"a": parts}).start()
    with pytest.raises(StopError):
        live.stop()
    assert live.state("a.y") == "abandoned"
    assert log == ["start x", "start y", "stop x"]


def test_stop_after_an_overdue_pre_stop(gate: Gate, log: Log) -> None:
    """Where a pre-stop handler that was given up on ends after all, the stop is run then, in the component's thread."""
    live = System({"a": {"x": log.part("x", pre={"stop": gate}, deadlines={"stop": SHORT})}}).start()
    with pytest.raises(StopError):
        live.stop()
    assert log == ["start x"]
    gate.opened.set()
    wait_for(lambda: "stop x" in log)
    assert log == ["start x", "stop x"]


def test_stop_in_a_with_block_that_is_overdue(gate: Gate, log: Log) -> None:
    """A stop that hangs does not keep a with block from ending."""
    parts = {"x": log.part("x"), "y": log.part("y", ref("a.x"), stop=gate, deadlines={"stop": SHORT})}
    with pytest.raises(StopError), System({"a": parts}).started():
        pass
    assert log == ["start x", "start y", "stop x"]


# --- Other signals, and which deadline counts ---------------------------------------------------------------------------


def test_overdue_status_keeps_no_other_from_being_asked(gate: Gate, log: Log) -> None:
    """A status past its deadline is a failure of that signal; the others are asked, and the component stays as it was."""
    parts: dict[str, Any] = {
        "x": log.part("x", status=gate, deadlines={"status": SHORT}),
        "y": log.part("y", status=lambda it: "good"),
    }
    live = System({"a": parts}).start()
    with pytest.raises(SignalError) as caught:
        live.status()
    assert isinstance(caught.value.exceptions[0], DeadlineExceeded)
    assert live.report["a.y"].result == "good"
    assert live.state("a.x") == "running"
    gate.opened.set()
    live.stop()
    assert log == ["start x", "start y", "stop y", "stop x"]


def test_overdue_suspend_fails_the_component(gate: Gate, log: Log) -> None:
    """A suspend past its deadline fails the component, which is stopped like any other."""
    live = System({"a": {"x": log.part("x", suspend=gate, deadlines={"suspend": SHORT})}}).start()
    with pytest.raises(SignalError):
        live.suspend()
    assert live.state("a.x") == "failed"
    gate.opened.set()
    live.stop()
    assert log == ["start x", "stop x"]


def test_stop_behind_a_handler_that_hangs(gate: Gate, log: Log) -> None:
    """A stop behind a handler that hangs is abandoned at its own deadline, and still runs, should that handler end."""
    x = log.part("x", status=gate, deadlines={"status": SHORT, "stop": SHORT})
    live = System({"a": {"x": x, "y": log.part("y")}}).start()
    with pytest.raises(SignalError):
        live.status()
    with pytest.raises(StopError):
        live.stop()
    assert live.state("a.x") == "abandoned"
    assert log == ["start x", "start y", "stop y"]
    gate.opened.set()
    wait_for(lambda: "stop x" in log)


@pytest.mark.parametrize(
    ("own", "general", "counts"),
    [
        ({"start": SHORT}, {"start": PATIENCE}, SHORT),
        (SHORT, PATIENCE, SHORT),
        (None, SHORT, SHORT),
        (None, {"start": SHORT}, SHORT),
        ({"stop": PATIENCE}, {"start": SHORT}, SHORT),
    ],
    ids=["by signal", "plain", "of the system", "of the system by signal", "own for another signal"],
)
def test_components_own_deadline_counts_before_the_systems(gate: Gate, own: Any, general: Any, counts: float) -> None:
    """A component's own deadline counts before that of the system."""
    with pytest.raises(StartError) as caught:
        System({"a": {"b": Component(gate, deadlines=own)}}, deadlines=general).start()
    [error] = caught.value.exceptions
    assert isinstance(error, DeadlineExceeded)
    assert error.seconds == counts


def test_deadline_can_be_overridden(gate: Gate) -> None:
    """A deadline is a slot like any other and can be overridden."""
    system = System(
        {"a": {"b": Component(gate, deadlines=PATIENCE), "c": Component(gate, deadlines={"start": PATIENCE})}}
    )
    changed = system.override({"a.b.deadlines": SHORT, "a.c.deadlines.start": SHORT})
    assert (changed["a.b"].deadlines, changed["a.c"].deadlines) == (SHORT, {"start": SHORT})
    with pytest.raises(StartError):
        changed.start("a.b")


@pytest.mark.parametrize("deadlines", [-1, "soon", {"start": "soon"}, float("nan")], ids=repr)
def test_deadline_that_makes_no_sense(deadlines: Any) -> None:
    """A deadline that is no positive number of seconds is an error before anything starts."""
    started: list[int] = []

    def make() -> None:
        System({"a": {"x": Component(lambda: started.append(1)), "b": Component(dict, deadlines=deadlines)}}).start()

    with pytest.raises((TypeError, ValueError)):
        make()
    assert started == []


def test_deadline_for_an_unknown_signal() -> None:
    """A deadline for a signal that the system does not have is a problem with near misses, of a component or the system."""
    problems = System({"a": {"b": Component(dict, deadlines={"stpo": 1})}}, deadlines={"strat": 1}).check()
    assert sorted(str(problem.id) for problem in problems) == ["None", "a.b"]
    text = " ".join(map(str, problems))
    assert "Did you mean stop" in text
    assert "Did you mean start" in text


def test_observers_are_told_of_an_abandoned_component(gate: Gate) -> None:
    """An observer is told that a component was abandoned, with the error."""
    events: list[Event] = []
    with pytest.raises(StartError):
        System({"a": {"b": Component(gate, deadlines=SHORT)}}).start(observers=[events.append])
    assert [str(event.new) for event in events] == ["starting", "starting", "abandoned"]
    assert isinstance(events[-1].error, DeadlineExceeded)


def test_a_slow_handler_is_spoken_of_before_its_deadline(gate: Gate) -> None:
    """After half of its deadline observers are told where a handler hangs, while it is still under way."""
    events: list[Event] = []
    with pytest.raises(StartError):
        System({"a": {"b": Component(gate, deadlines=SHORT)}}).start(observers=[events.append])
    slow = events[1]
    assert (slow.old, slow.new, slow.error) == ("starting", "starting", None)
    assert "self.opened.wait" in (slow.stack or "")


def test_process_ends_though_a_handler_hangs() -> None:
    """A handler that was given up on does not keep the process from ending."""
    import subprocess
    import sys
    import textwrap

    program = """
        import threading
        from mainspring import Component, StartError, System
        try:
            System({"a": {"b": Component(threading.Event().wait, deadlines=0.05)}}).start()
        except StartError:
            print("given up")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.stdout, done.returncode) == ("given up\n", 0), done.stderr
