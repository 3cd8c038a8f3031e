"""Ctrl-C, and everything else that ends a program: nothing that was started is lost, at whatever moment it comes.

Python runs signal handlers in the main thread at certain instructions: at the beginning of a function, after a call, and when
a loop goes round. Most of these tests visit every such instruction of the library in turn, and let the interruption come there.
"""

from __future__ import annotations

import contextlib
import dis
import inspect
import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

import pytest

from mainspring import (
    Component,
    Context,
    Live,
    Signal,
    StartError,
    System,
    build,
    component,
    interrupt,
    local_ref,
    opaque,
    ref,
)

PATIENCE = 30.0

# --- Coming at a chosen instruction -------------------------------------------------------------------------------------

TOOL = 4  # one of those that nobody has reserved
INTERRUPTIBLE = ("RESUME", "JUMP_BACKWARD", "POP_JUMP_BACKWARD", "CALL")  # and all that begins like them


class At:
    """Delivers SIGINT at the n-th instruction, outside the user's handlers, at which Python would run a signal handler.

    Each further number is counted from the delivery before.
    """

    current: At | None = None

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.left = self.numbers.pop(0)
        self.delivered: list[str] = []
        self.last: dict[FrameType, str] = {}
        self.thread = threading.get_ident()

    def __enter__(self) -> At:
        if sys.version_info < (3, 12):
            self.previous = sys.gettrace()
            sys.settrace(self.trace_call)
        At.current = self
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        if sys.version_info < (3, 12):
            sys.settrace(self.previous)

    def end(self) -> None:
        """Look no more."""
        At.current = None
        if sys.version_info < (3, 12):
            sys.settrace(None)

    def trace_call(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Decide, for a call, whether its instructions are to be looked at."""
        self.called(frame)
        if is_of_the_user(frame):
            return None
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self.trace_instruction

    def trace_instruction(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Look at one instruction."""
        if event == "opcode":
            self.reached(frame, frame.f_lasti)
        elif event == "exception":
            self.last[frame] = ""
        elif event == "return":
            self.last.pop(frame, None)
        return self.trace_instruction

    def called(self, frame: FrameType) -> None:
        """A function is called."""
        caller = frame.f_back
        if caller is not None and self.last.get(caller) == "CALL" and is_entered_directly(frame.f_code):
            self.last[caller] = ""

    def reached(self, frame: FrameType, offset: int) -> None:
        """An instruction is about to be executed."""
        before, self.last[frame] = self.last.get(frame, ""), OPERATIONS[frame.f_code][offset]
        if before.startswith(INTERRUPTIBLE) and "INTRINSIC" not in before:
            self.left -= 1
            if self.left == 0:
                self.deliver(frame)

    def deliver(self, frame: FrameType) -> None:
        """Do what Python does at this instruction when a SIGINT has come."""
        code = frame.f_code
        self.delivered.append(f"{code.co_qualname}, {os.path.basename(code.co_filename)}:{frame.f_lineno}")
        if self.numbers:
            self.left = self.numbers.pop(0)
        else:
            self.end()
        handler: Any = signal.getsignal(signal.SIGINT)
        handler(signal.SIGINT, frame)


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Have Python 3.12 and later tell of every instruction: around many `At`, because switching it on takes long."""
    if sys.version_info < (3, 12):
        yield
        return
    events = sys.monitoring.events
    sys.monitoring.use_tool_id(TOOL, __name__)
    sys.monitoring.register_callback(TOOL, events.PY_START, watch_call)
    sys.monitoring.register_callback(TOOL, events.INSTRUCTION, watch_instruction)
    sys.monitoring.register_callback(TOOL, events.EXCEPTION_HANDLED, watch_exception)
    sys.monitoring.set_events(TOOL, events.PY_START | events.INSTRUCTION | events.EXCEPTION_HANDLED)
    try:
        yield
    finally:
        sys.monitoring.set_events(TOOL, 0)
        sys.monitoring.free_tool_id(TOOL)


def watch_call(code: CodeType, offset: int) -> None:
    """Look at one call, in Python 3.12 and later."""
    at = At.current
    if at is not None and at.thread == threading.get_ident():
        at.called(sys._getframe(1))


def watch_instruction(code: CodeType, offset: int) -> Any:
    """Look at one instruction, in Python 3.12 and later."""
    at = At.current
    if at is None:
        return None
    frame = sys._getframe(1)
    if sys.version_info >= (3, 12) and is_of_the_user(frame):
        return sys.monitoring.DISABLE
    if at.thread == threading.get_ident():
        at.reached(frame, offset)
    return None


def watch_exception(code: CodeType, offset: int, error: BaseException) -> None:
    """Look at one exception that is handled, in Python 3.12 and later."""
    at = At.current
    if at is not None and at.thread == threading.get_ident():
        at.last[sys._getframe(1)] = ""


def is_of_the_user(frame: FrameType) -> bool:
    """Whether a frame belongs to a handler, or to these tests."""
    # What a handler does, and what it calls, is the user's; contextlib is part of the handlers written with it. What is done
    # when garbage is collected can raise nothing: there Python itself loses an interruption; Hypothesis measures it.
    names = (__name__, "contextlib", "_weakrefset", "hypothesis.internal.conjecture.junkdrawer")
    return frame.f_globals.get("__name__") in names


def is_entered_directly(code: CodeType) -> bool:
    """Whether a call of some code goes from Python to Python, so that Python looks for no signals after it."""
    return not code.co_flags & inspect.CO_GENERATOR and not code.co_name.startswith("__")


class Operations(dict[CodeType, list[str]]):
    """The names of the instructions of each code object, by position."""

    def __missing__(self, code: CodeType) -> list[str]:
        self[code] = [dis.opname[operation] for operation in code.co_code]
        return self[code]


OPERATIONS = Operations()


class Log(list[str]):
    """What was started and stopped: written at the end of a start and at the beginning of a stop."""

    def started(self, name: str) -> None:
        """Note that a start has done its work."""
        self.append(f"start {name}")

    def stopped(self, name: str) -> None:
        """Note that a stop was called."""
        self.append(f"stop {name}")

    def lost(self) -> list[str]:
        """What was started and not stopped, and what was stopped more than once."""
        names = {entry.split()[1] for entry in self}
        return sorted(name for name in names if self.count(f"start {name}") != self.count(f"stop {name}"))


def start_function(name: str, log: Log, needs: Any = None, ctx: Context = Context.here) -> tuple[str, Log]:
    """Start something."""
    log.started(name)
    return name, log


def stop_function(it: Any, *, ctx: Context = Context.here) -> None:
    """Stop it."""
    name, log = it
    log.stopped(name)


@component
def generator(name: str, log: Log, needs: Any = None) -> Iterator[str]:
    """Start and stop something."""
    log.started(name)
    yield name
    log.stopped(name)


class Thing:
    """Something with start and stop methods."""

    def __init__(self, name: str, log: Log, needs: Any = None) -> None:
        self.name, self.log = name, log

    def start(self) -> None:
        """Start it."""
        self.log.started(self.name)

    def stop(self) -> None:
        """Stop it."""
        self.log.stopped(self.name)


class Manager:
    """A context manager."""

    def __init__(self, name: str, log: Log, needs: Any = None) -> None:
        self.name, self.log = name, log

    def __enter__(self) -> Manager:
        self.log.started(self.name)
        return self

    def __exit__(self, *_: object) -> None:
        self.log.stopped(self.name)


def nothing(*_: Any) -> None:
    """A handler that does nothing."""


FULL: dict[str, Any] = {
    "status": nothing,
    "suspend": nothing,
    "resume": nothing,
    "pre": {"start": nothing, "stop": [nothing, nothing], "status": nothing},
    "post": {"start": [nothing, nothing], "stop": nothing},
    "handlers": {"reload": lambda it: it},
}

FORMS: dict[str, Callable[[Log], Any]] = {
    "function": lambda log: component(start_function, stop=stop_function)("it", opaque(log), ref("a.before")),
    "generator": lambda log: generator("it", opaque(log), {"k": [ref("a.before")]}),
    "class": lambda log: component(Thing)("it", opaque(log), ref("a.before")),
    "context manager": lambda log: component(Manager, enter=True)("it", opaque(log), ref("a.before")),
    "function of C": lambda log: Component(log.append, lambda _: log.stopped("it"), config={"object": "start it"}),
    "full": lambda log: component(start_function, stop=stop_function, **FULL)("it", opaque(log), ref("env")),
    "resolve": lambda log: component(start_function, stop=stop_function, resolve=lambda it: [it])("it", opaque(log)),
    "build": lambda log: generator("it", opaque(log), build(list, (ref("env.constant"),))),
    "deadline": lambda log: component(start_function, stop=stop_function, deadlines=PATIENCE)("it", opaque(log)),
    "deadline, full": lambda log: component(generator.function, deadlines=PATIENCE, **FULL)("it", opaque(log)),
}


def system_of(form: str, log: Log) -> System:
    """A component of one form, between two simple ones."""
    return System(
        {
            "env": {"constant": {"k": 1}},
            "a": {
                "before": generator("before", opaque(log)),
                "it": FORMS[form](log),
                "after": generator("after", opaque(log), [ref("a.it"), local_ref("before")]),
            },
        },
        signals=[Signal("reload", becomes_instance=True)],
    )


LIVES: list[Live] = []  # the one that is being run
LEFT: set[threading.Thread] = set()


def threads_left() -> list[str]:
    """Wait until every thread that was given up on has come to its end; the names of those that do not."""
    new = [thread for thread in threading.enumerate() if thread.name == "a.it" and thread not in LEFT]
    for thread in new:
        thread.join(1)
    LEFT.update(left := [thread for thread in new if thread.is_alive()])
    return [thread.name for thread in left]


STEP = 1 if sys.version_info < (3, 12) else 3  # later Pythons tell of instructions too slowly to visit each of them


def stop_what_runs() -> None:
    """Leave nothing running."""
    while LIVES:
        LIVES.pop().stop()


def visited(run: Callable[[At, Log], None]) -> Iterator[tuple[At, Log, BaseException | None]]:
    """Run something again and again, with the interruption at the first instruction, the second, and so on to the last."""
    run(At(0), Log())  # so that nothing is done for the first time later on
    stop_what_runs()
    number = 1
    with watching():
        while True:
            at, log = At(number), Log()
            error: BaseException | None = None
            try:
                run(at, log)
            except BaseException as it:
                error = it
            if not at.delivered:
                stop_what_runs()
                assert number > 50, "hardly anything was visited"
                return
            yield at, log, error
            number += STEP


class Wrong(list[str]):
    """What went wrong, and at which moment."""

    def unless(self, right: bool, what: str, at: At) -> None:
        """Note what went wrong, unless all is right."""
        if not right:
            self.append(f"{what} at {' and '.join(at.delivered)}")

    def __bool__(self) -> bool:
        return bool(len(self))

    def __str__(self) -> str:
        return f"{len(self)} moments:\n" + "\n".join(self[:30])


@pytest.mark.parametrize("form", FORMS)
def test_start_loses_nothing_wherever_it_is_interrupted(form: str) -> None:
    """Wherever Ctrl-C comes in a start, KeyboardInterrupt comes out, and what was started is stopped exactly once.

    Either everything was rolled back, or the start had come to its end and the next stop stops everything.
    """

    def run(at: At, log: Log) -> None:
        LIVES[:] = [system_of(form, log).start([])]
        with at:
            LIVES[0].start()

    wrong = Wrong()
    for at, log, error in visited(run):
        running = [name for name in ("before", "it", "after") if LIVES[0].state(f"a.{name}") == "running"]
        wrong.unless(len(running) in (0, 3), f"half started ({running})", at)
        LIVES[0].stop()
        wrong.unless(not threads_left(), "left a thread behind", at)
        wrong.unless(not log.lost(), f"lost {log.lost()}", at)
        wrong.unless(type(error) is KeyboardInterrupt, f"{error!r} came out", at)
    assert not wrong, str(wrong)


@pytest.mark.parametrize("form", FORMS)
def test_stop_loses_nothing_wherever_it_is_interrupted(form: str) -> None:
    """Wherever Ctrl-C comes in a stop, KeyboardInterrupt comes out, and everything is stopped exactly once: all, or none yet."""

    def run(at: At, log: Log) -> None:
        LIVES[:] = [system_of(form, log).start()]
        with at:
            LIVES[0].stop()

    wrong = Wrong()
    for at, log, error in visited(run):
        running = {name for name in ("before", "it", "after") if LIVES[0].state(f"a.{name}") == "running"}
        wrong.unless(len(running) in (0, 3), f"half stopped ({running} left)", at)
        LIVES[0].stop()
        wrong.unless(not threads_left(), "left a thread behind", at)
        wrong.unless(not log.lost(), f"lost {log.lost()}", at)
        wrong.unless(type(error) is KeyboardInterrupt, f"{error!r} came out", at)
    assert not wrong, str(wrong)


@pytest.mark.parametrize("verb", ["restart", "suspend", "resume", "status", "reload"])
@pytest.mark.parametrize("form", ["full", "deadline, full"])
def test_other_requests_lose_nothing_wherever_they_are_interrupted(form: str, verb: str) -> None:
    """Wherever Ctrl-C comes in another request, KeyboardInterrupt comes out, and the next stop finds everything."""

    def run(at: At, log: Log) -> None:
        live = system_of(form, log).start()
        LIVES[:] = [live]
        if verb == "resume":
            live.suspend()
        with at:
            live.signal("reload") if verb == "reload" else getattr(live, verb)()

    wrong = Wrong()
    for at, log, error in visited(run):
        LIVES[0].stop()
        wrong.unless(not threads_left(), "left a thread behind", at)
        wrong.unless(not log.lost(), f"lost {log.lost()}", at)
        wrong.unless(type(error) is KeyboardInterrupt, f"{error!r} came out", at)
    assert not wrong, str(wrong)


@pytest.mark.parametrize("form", ["full", "deadline"])
def test_failing_start_loses_nothing_wherever_it_is_interrupted(form: str) -> None:
    """Wherever Ctrl-C comes in a start that fails anyway and is rolled back, what was started is stopped exactly once."""

    def fails(needs: Any) -> None:
        raise ValueError("no")

    def run(at: At, log: Log) -> None:
        system = system_of(form, log).merge(System({"z": {"fails": Component(fails, config={"needs": ref("a.it")})}}))
        LIVES[:] = [system.start([])]
        with at, contextlib.suppress(StartError):
            LIVES[0].start()

    wrong = Wrong()
    for at, log, error in visited(run):
        LIVES[0].stop()
        wrong.unless(not threads_left(), "left a thread behind", at)
        wrong.unless(not log.lost(), f"lost {log.lost()}", at)
        wrong.unless(error is None or type(error) is KeyboardInterrupt, f"{error!r} came out", at)
    assert not wrong, str(wrong)


@pytest.mark.parametrize(("form", "observed"), [("full", False), ("generator", True)], ids=["full", "observed"])
def test_with_block_loses_nothing_wherever_it_is_interrupted(form: str, observed: bool) -> None:
    """Wherever Ctrl-C comes before, in or after the with block of `started()`, everything is stopped exactly once."""
    events: list[Any] = []

    def run(at: At, log: Log) -> None:
        system = system_of(form, log)
        system.check()  # what is found out about a definition is kept with it, and none of it can lose anything
        started = system.started(observers=[events.append] if observed else [])
        with at, started:
            pass

    wrong = Wrong()
    for at, log, error in visited(run):
        wrong.unless(not log.lost(), f"lost {log.lost()}", at)
        wrong.unless(type(error) is KeyboardInterrupt, f"{error!r} came out", at)
    assert not wrong, str(wrong)


@pytest.mark.parametrize("form", ["full", "class", "deadline"])
def test_second_interruption_loses_nothing(form: str) -> None:
    """Wherever a first and a second Ctrl-C come in a start, the next stop works, and everything is stopped exactly once."""
    choice = random.Random(form)
    wrong = Wrong()
    with watching():
        for _ in range(300):
            log = Log()
            live = system_of(form, log).start([])
            at = At(choice.randrange(1, 250), choice.choice([1, 2, 3, choice.randrange(1, 80)]))
            with contextlib.suppress(KeyboardInterrupt), at:
                live.start()
            try:
                live.stop()
            except BaseException as error:
                wrong.unless(False, f"{error!r} came out of the stop", at)
            wrong.unless(not threads_left(), "left a thread behind", at)
            wrong.unless(not log.lost(), f"lost {log.lost()}", at)
    assert not wrong, str(wrong)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # it may come while Python collects garbage
def test_real_signals_at_random_moments_lose_nothing() -> None:
    """With a real timer that interrupts at random moments, everything is stopped exactly once."""
    choice = random.Random(2)
    started = itertools.count()
    stopped: list[int] = []
    # Start and stop are single functions of C, so that each of them has either happened or not.
    part: Any = Component(started.__next__, stopped.append)
    system = System({"a": {f"x{i}": part for i in range(10)}})
    interrupted = 0

    def on_alarm(number: int, frame: FrameType | None) -> None:
        handler: Any = signal.getsignal(signal.SIGINT)
        handler(signal.SIGINT, frame)

    before = signal.signal(signal.SIGALRM, on_alarm)
    try:
        for _ in range(400):
            live = system.start([])
            for request in (live.start, live.restart, live.stop):
                try:
                    signal.setitimer(signal.ITIMER_REAL, choice.uniform(1e-6, 2e-4))
                    request()
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    interrupted += 1
            live.stop()
            assert sorted(stopped) == list(range(next(started)))
            stopped.append(len(stopped))  # the number that was just taken
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 20


# --- In handlers --------------------------------------------------------------------------------------------------------


def chain(log: list[str], **handlers: Any) -> System:
    """Three components, each needing the one before; of y some handlers can be given."""

    def part(name: str, *needs: Any) -> Any:
        def start(needs: Any) -> str:
            log.append(f"start {name}")
            return name

        return Component(start, lambda it: log.append(f"stop {name}"), config={"needs": list(needs)})

    y: Any = part("y", ref("a.x"))
    return System({"a": {"x": part("x"), "y": y.replace(**handlers), "z": part("z", ref("a.y"))}})


def hit(*_: Any, **__: Any) -> None:
    """A handler in which Ctrl-C is pressed."""
    signal.raise_signal(signal.SIGINT)
    raise AssertionError("the interruption did not come")


def leaves(*_: Any, **__: Any) -> None:
    """A handler that ends the program."""
    sys.exit(3)


@pytest.mark.parametrize(("handler", "error"), [(hit, KeyboardInterrupt), (leaves, SystemExit)], ids=["Ctrl-C", "exit"])
@pytest.mark.parametrize("slots", ["start", "pre start", "post start", "resolve"])
def test_interruption_in_a_start_rolls_back(handler: Any, error: type[BaseException], slots: str) -> None:
    """An interruption inside a start comes out as itself, after what was started has been stopped again."""
    log: list[str] = []
    given: dict[str, Any] = {
        "start": {"start": handler},
        "pre start": {"pre": {"start": handler}},
        "post start": {"post": {"start": handler}},
        "resolve": {"resolve": handler},
    }[slots]
    live = chain(log, **given).start([])
    with pytest.raises(error):
        live.start()
    inside = ["start y", "stop y"] if slots in ("post start", "resolve") else []
    assert log == ["start x", *inside, "stop x"]
    assert [str(live.state(f"a.{name}")) for name in "xz"] == ["stopped", "defined"]
    assert live.state("a.y") in ("failed", "stopped")


@pytest.mark.parametrize(("handler", "error"), [(hit, KeyboardInterrupt), (leaves, SystemExit)], ids=["Ctrl-C", "exit"])
@pytest.mark.parametrize("slots", ["stop", "pre stop", "post stop"])
def test_interruption_in_a_stop_stops_the_rest(handler: Any, error: type[BaseException], slots: str) -> None:
    """An interruption inside a stop comes out as itself, after the rest has been stopped."""
    log: list[str] = []
    given: dict[str, Any] = {
        "stop": {"stop": handler},
        "pre stop": {"pre": {"stop": handler}},
        "post stop": {"post": {"stop": handler}},
    }[slots]
    live = chain(log, **given).start()
    log.clear()
    with pytest.raises(error):
        live.stop()
    assert log == ["stop z", *(["stop y"] if slots != "stop" else []), "stop x"]


@pytest.mark.parametrize(("handler", "error"), [(hit, KeyboardInterrupt), (leaves, SystemExit)], ids=["Ctrl-C", "exit"])
def test_interruption_in_a_roll_back_stops_the_rest(handler: Any, error: type[BaseException]) -> None:
    """An interruption in a stop of a roll-back comes out, after the rest has been stopped."""

    def fails(needs: Any) -> None:
        raise ValueError("no")

    log: list[str] = []
    system = chain(log, stop=handler).override({"a.z.start": fails})
    with pytest.raises(error) as caught:
        system.start()
    assert log == ["start x", "start y", "stop x"]
    assert "a.z" in "".join(caught.value.__notes__)
    assert "ValueError" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("verb", ["status", "suspend", "resume"])
def test_interruption_in_another_request(verb: str) -> None:
    """An interruption in another request comes out as itself, and leaves a system that can be stopped."""
    log: list[str] = []
    system = chain(log, suspend=lambda it: None).override({"a.y.handlers": {"suspend": lambda it: None, verb: hit}})
    live = system.start()
    if verb == "resume":
        live.suspend()
    log.clear()
    with pytest.raises(KeyboardInterrupt):
        getattr(live, verb)()
    live.stop()
    assert log == ["stop z", "stop y", "stop x"]


def test_interruption_in_a_restart() -> None:
    """An interruption in the stop of a restart stops the rest, and starts nothing again."""
    log: list[str] = []
    live = chain(log, stop=hit).start()
    log.clear()
    with pytest.raises(KeyboardInterrupt):
        live.restart("a.x")
    assert log == ["stop z", "stop x"]


def test_interruption_in_a_generator() -> None:
    """A generator that is interrupted before its yield cleans up by itself; one interrupted after it has been stopped."""
    log: list[str] = []

    @component
    def part(when: str) -> Iterator[None]:
        try:
            if when == "start":
                hit()
            yield
            if when == "stop":
                hit()
        finally:
            log.append(f"finally {when}")

    for when in ("start", "stop"):
        with pytest.raises(KeyboardInterrupt), System({"a": {"b": part(when)}}).started():
            pass
    assert log == ["finally start", "finally stop"]


def test_interruption_of_the_block() -> None:
    """Ctrl-C in the with block comes out as itself, after everything has been stopped."""
    log: list[str] = []
    with pytest.raises(KeyboardInterrupt), chain(log).started():
        signal.raise_signal(signal.SIGINT)
    assert log == ["start x", "start y", "start z", "stop z", "stop y", "stop x"]


def test_interruption_that_a_handler_swallows() -> None:
    """A handler that takes the interruption for its own goes on, and so does the request."""

    def takes(needs: Any) -> str:
        with contextlib.suppress(KeyboardInterrupt):
            hit()
        return "went on"

    log: list[str] = []
    with chain(log, start=takes).started() as live:
        assert live["a.y"] == "went on"
    assert log == ["start x", "start z", "stop z", "stop y", "stop x"]


def test_interruption_has_a_note() -> None:
    """The interruption that comes out of a start has a note that says in which handler it came."""
    with pytest.raises(KeyboardInterrupt) as caught:
        chain([], start=hit).start()
    assert "a.y" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("error", [GeneratorExit, BaseException], ids=lambda error: error.__name__)
def test_any_base_exception_rolls_back(error: type[BaseException]) -> None:
    """Whatever is no `Exception` comes out of a start as itself, after the roll-back."""

    def fails(needs: Any) -> None:
        raise error("no")

    log: list[str] = []
    with pytest.raises(error):
        chain(log, start=fails).start()
    assert log == ["start x", "stop x"]


# --- Whose signal handler it is -----------------------------------------------------------------------------------------


def test_users_own_handler_is_left_alone() -> None:
    """A SIGINT handler of the user's own is neither replaced nor kept from being called, in any request."""
    calls: list[int] = []
    seen: list[Any] = []

    def own(number: int, frame: FrameType | None) -> None:
        calls.append(number)

    def look(*_: Any) -> None:
        seen.append(signal.getsignal(signal.SIGINT))
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, own)
    try:
        with System({"a": {"b": Component(look, look, status=look)}}).started() as live:
            live.status()
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [own] * 3
    assert calls == [signal.SIGINT] * 3


def test_ignored_signal_stays_ignored() -> None:
    """Where SIGINT is ignored, it stays so."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with System({"a": {"b": Component(lambda: signal.raise_signal(signal.SIGINT))}}).started():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("fails", [False, True])
def test_default_handler_is_there_again_after_each_request(fails: bool) -> None:
    """After a request, whether it failed or not, Python's own handler is there again, and in the with block too."""

    def start() -> None:
        if fails:
            raise ValueError("no")

    with contextlib.suppress(StartError), System({"a": {"b": Component(start)}}).started():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handler_that_a_component_sets_is_left_alone() -> None:
    """A component may set a SIGINT handler of its own at its start; it stays, and is the component's to take away."""

    def own(number: int, frame: FrameType | None) -> None: ...

    def scope() -> Iterator[None]:
        before = signal.signal(signal.SIGINT, own)
        yield
        signal.signal(signal.SIGINT, before)

    try:
        with System({"a": {"b": Component(scope), "c": Component(dict)}}).started():
            assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_requests_in_other_threads_touch_no_signals() -> None:
    """A request in another thread neither sets a signal handler nor fails for want of one."""
    seen: list[Any] = []
    system = System({"a": {"b": Component(lambda: seen.append(signal.getsignal(signal.SIGINT)))}})
    thread = threading.Thread(target=lambda: system.start().stop())
    thread.start()
    thread.join(PATIENCE)
    assert seen == [signal.default_int_handler]


def test_system_inside_a_system() -> None:
    """Ctrl-C in a system that a handler of another runs comes out of both, and both are stopped."""
    log: list[str] = []
    inner = chain(log, start=hit)

    def scope() -> Iterator[Any]:
        try:
            with inner.started() as live:
                yield live
        finally:
            log.append("inner is left")

    with pytest.raises(KeyboardInterrupt), chain(log).override({"a.y": Component(scope)}).started():
        pass
    assert log == ["start x", "start x", "stop x", "inner is left", "stop x"]


# --- interrupt() --------------------------------------------------------------------------------------------------------


def test_interrupt_without_a_request_does_nothing() -> None:
    """`interrupt` says that it did nothing where no request runs in the main thread."""
    assert interrupt(KeyboardInterrupt()) is False


def test_interrupt_raises_in_the_handler_that_is_called() -> None:
    """`interrupt`, called by a signal handler of the user's, raises its error in the component's handler."""

    class Leave(BaseException):
        pass

    def on_signal(number: int, frame: FrameType | None) -> None:
        interrupt(Leave(), frame)

    before = signal.signal(signal.SIGUSR1, on_signal)
    log: list[str] = []
    try:
        with pytest.raises(Leave):
            chain(log, start=lambda needs: signal.raise_signal(signal.SIGUSR1)).start()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert log == ["start x", "stop x"]


# --- In a process of its own --------------------------------------------------------------------------------------------


def process(program: str, *numbers: signal.Signals) -> tuple[int, list[str], str]:
    """Run a program, send it signals each time it says "ready", and give its exit status, what it printed, and its errors."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        timer = threading.Timer(PATIENCE, running.kill)
        timer.start()
        lines, left = [], list(numbers)
        assert running.stdout is not None
        assert running.stderr is not None
        for line in running.stdout:
            lines.append(line.strip())
            if line.strip() == "ready" and left:
                running.send_signal(left.pop(0))
        errors = running.stderr.read()
        running.wait()
        timer.cancel()
    return running.returncode, lines, errors


PROGRAM = """
    import threading
    from mainspring import Component, System, ref

    def part(name, *needs, start=None, stop=None):
        def do_start(needs):
            if start: start()
            print("start", name)
        def do_stop(it):
            if stop: stop()
            print("stop", name)
        return Component(do_start, do_stop, config={{"needs": list(needs)}})

    def wait():
        print("ready")
        threading.Event().wait({patience})

    with System({{"a": {{
        "x": part("x"),
        "y": part("y", ref("a.x"), {slots}),
        "z": part("z", ref("a.y")),
    }}}}).started():
        {block}
    print("after")
"""


@pytest.mark.parametrize(
    ("slots", "block", "expected"),
    [
        ("start=wait", "pass", ["start x", "ready", "stop x"]),
        ("", "wait()", ["start x", "start y", "start z", "ready", "stop z", "stop y", "stop x"]),
        ("stop=wait", "pass", ["start x", "start y", "start z", "stop z", "ready", "stop x"]),
    ],
    ids=["in a start", "in the block", "in a stop"],
)
def test_ctrl_c_in_a_process(slots: str, block: str, expected: list[str]) -> None:
    """A real SIGINT ends a process with everything stopped, and Python's usual exit status."""
    program = PROGRAM.format(patience=PATIENCE, slots=slots, block=block)
    status, lines, errors = process(program, signal.SIGINT)
    assert lines == expected
    assert "KeyboardInterrupt" in errors
    assert status == -signal.SIGINT


def test_second_ctrl_c_in_a_process() -> None:
    """A second SIGINT that comes in the roll-back ends that stop, and the rest is stopped all the same."""
    program = PROGRAM.format(patience=PATIENCE, slots="stop=wait", block="wait()")
    status, lines, errors = process(program, signal.SIGINT, signal.SIGINT)
    assert lines == ["start x", "start y", "start z", "ready", "stop z", "ready", "stop x"]
    assert "KeyboardInterrupt" in errors
    assert status == -signal.SIGINT


def test_ctrl_c_while_a_start_with_a_deadline_runs() -> None:
    """What a start with a deadline made, though Ctrl-C was pressed twice meanwhile, is stopped and not lost."""
    program = """
        import os, signal, threading
        from mainspring import Component, System

        inside, go_on = threading.Event(), threading.Event()
        def start():
            inside.set()
            go_on.wait(30)
            print("start late")
            return "late"
        def press():
            inside.wait(30)
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(0.1)
            go_on.set()
        threading.Thread(target=press, daemon=True).start()
        live = System({"a": {"b": Component(start, lambda it: print("stop", it), deadlines=60)}}).start([])
        try:
            live.start()
        except KeyboardInterrupt:
            print("interrupted")
        live.stop()
        inside.wait(30)
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and not thread.name.startswith("Thread"):
                thread.join(30)
    """
    _, lines, errors = process(program)
    assert "interrupted" in lines
    assert lines.count("start late") == lines.count("stop late"), (lines, errors)


def test_function_of_c_is_interrupted_by_the_second_ctrl_c() -> None:
    """A start that is a function of C and never ends is interrupted at last by a second SIGINT, and the rest is stopped."""
    program = """
        import os, signal, threading
        from mainspring import Component, System, ref

        lock = threading.Lock()
        lock.acquire()
        def press():
            while True:
                threading.Event().wait(0.2)
                os.kill(os.getpid(), signal.SIGINT)
        x = Component(lambda: None, lambda it: print("stop x"))
        hangs = Component(lock.acquire, config={"timeout": 30})
        threading.Thread(target=press, daemon=True).start()
        try:
            System({"a": {"x": x, "y": hangs}}).start()
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            print("interrupted")
    """
    _, lines, errors = process(program)
    assert lines == ["stop x", "interrupted"], errors


def test_opaque_log_is_shared() -> None:
    """The log that these tests rely on is handed on as it is, and a loss would be seen in it."""
    log = Log()
    with System({"a": {"b": Component(lambda log: log.started("b"), config={"log": opaque(log)})}}).started():
        assert log == ["start b"]
    assert log.lost() == ["b"]
