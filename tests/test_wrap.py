"""Wrappers: a function around the calls of handlers. What they see and may do, and that a bare one changes nothing."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_interrupts import LIVES, At, Wrong, system_of, visited
from test_interrupts import Log as Calls

from mainspring import (
    BadArguments,
    BadComponent,
    Component,
    Context,
    DeadlineExceeded,
    DefinitionError,
    HandlerCall,
    Id,
    Interrupted,
    Retry,
    RunError,
    Signal,
    SignalError,
    StartError,
    StateError,
    StopError,
    System,
    UnknownComponent,
    UnknownSignal,
    background,
    component,
    ref,
    subsystem,
)
from mainspring.wrappers import logged, retried, timed

PATIENCE = 20.0  # seconds that a test waits for what should come at once

Wrap = Callable[[HandlerCall], Any]


# --- Wrappers that change nothing, one of each form ----------------------------------------------------------------------


def through_steps(call: HandlerCall) -> Generator[None, Any, Any]:
    """A generator function."""
    return (yield)


def through_function(call: HandlerCall) -> Any:
    """A function."""
    return call()


class Through:
    """An object that is called."""

    def __call__(self, call: HandlerCall) -> Generator[None, Any, Any]:
        """A generator."""
        try:
            return (yield)
        except BaseException:
            raise


BARE = {"steps": through_steps, "function": through_function, "object": Through()}
each_form = pytest.mark.parametrize("bare", BARE.values(), ids=BARE)


class Seen(list[str]):
    """A wrapper that writes down what it sees."""

    def __call__(self, call: HandlerCall) -> Generator[None, Any, Any]:
        """Goes around everything."""
        self.append(f"{call.id} {call.handler}")
        try:
            outcome = yield
        except BaseException as error:
            self.append(f"{call.id} {call.handler} ! {error!r}")
            raise
        self.append(f"{call.id} {call.handler} = {outcome!r}")
        return outcome


class Log(list[str]):
    """What was called, in order."""

    def scope(self, name: str = "it", *needs: Any) -> Iterator[str]:
        """A component in one."""
        self.append(f"start {name}")
        yield name
        self.append(f"stop {name}")

    def part(self, name: str = "it", *needs: Any, **slots: Any) -> Component[Any]:
        """A component made from it."""
        return component(self.scope, **slots)(name, *needs)

    def note(self, text: str, result: Any = None) -> Callable[..., Any]:
        """A handler that writes a line."""

        def handler(*_: Any, **__: Any) -> Any:
            self.append(text)
            return result

        return handler

    def take(self) -> list[str]:
        """What was written since the last time."""
        taken = list(self)
        self.clear()
        return taken


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


def one(part: Any, **options: Any) -> System:
    """A system of one component."""
    return System({"a": {"it": part}}, **options)


# --- What a wrapper sees ------------------------------------------------------------------------------------------------


def test_every_handler_call_goes_through_it(log: Log) -> None:
    """Start, stop, signals, pre, post and resolve: each is one call, in the order of the handlers themselves."""
    part = log.part(
        status=log.note("status", "fine"),
        suspend=log.note("suspend"),
        resume=log.note("resume"),
        handlers={"reload": log.note("reload", 3)},
        pre={"start": {"warn": log.note("pre")}, "stop": {"drain": log.note("drain")}},
        post={"start": {"tell": log.note("post")}},
        resolve=log.note("resolve", "shown"),
    )
    seen = Seen()
    system = one(part, signals=[Signal("reload")]).wrap(seen)
    with system.started() as live:
        assert live["a.it"] == "shown"
        assert live.status() == {("a", "it"): "fine"}
        assert live.signal("reload")["a.it"].result == 3
        live.suspend()
        live.resume()
    assert seen == [
        "a.it pre start: warn", "a.it pre start: warn = None",
        "a.it start", "a.it start = 'it'",
        "a.it resolve", "a.it resolve = 'shown'",
        "a.it post start: tell", "a.it post start: tell = None",
        "a.it status", "a.it status = 'fine'",
        "a.it reload", "a.it reload = 3",
        "a.it suspend", "a.it suspend = None",
        "a.it resume", "a.it resume = None",
        "a.it pre stop: drain", "a.it pre stop: drain = None",
        "a.it stop", "a.it stop = None",
    ]  # fmt: skip
    order = ["pre", "start it", "resolve", "post", "status", "reload", "suspend", "resume", "drain", "stop it"]
    assert log == order


def test_what_a_call_says(log: Log) -> None:
    """A call says of which component it is, what is being sent, and with what the component was started."""
    calls: list[dict[str, Any]] = []

    def note(call: HandlerCall) -> Generator[None, Any, Any]:
        names = ("id", "signal", "handler", "instance", "config", "tags", "is_async", "is_repeatable", "attempts")
        calls.append({name: getattr(call, name) for name in names})
        call.meta["calls"] = call.meta.get("calls", 0) + 1
        result = yield
        calls[-1]["attempts after"] = call.attempts
        return result

    part = component(tags=["x"], pre={"stop": {"drain": log.note("drain")}})(lambda size: size + 1)(size=2)
    with one(part).wrap(note).started() as live:
        pass
    assert live.meta("a.it") == {"calls": 2}
    same = {"id": Id("a", "it"), "config": {"size": 2}, "tags": {"x"}, "is_async": False, "is_repeatable": True}
    counts = {"attempts": 0, "attempts after": 1}
    assert calls == [
        {**same, **counts, "signal": "start", "handler": "start", "instance": None},
        {**same, **counts, "signal": "stop", "handler": "pre stop: drain", "instance": 3},
    ]


def test_stop_of_a_scope_knows_the_instance(log: Log) -> None:
    """The second half of a scope is a call of its own, with the instance and the config of the start; it runs once."""
    calls: list[HandlerCall] = []

    def note(call: HandlerCall) -> Any:
        calls.append(call)
        return call()

    with one(log.part("it")).wrap(note).started():
        pass
    start, stop = calls
    assert (start.instance, stop.instance) == (None, "it")
    assert (stop.signal, stop.handler, stop.config, stop.is_repeatable) == ("stop", "stop", {"name": "it"}, False)
    assert stop.meta is start.meta
    assert repr(stop) == "<HandlerCall a.it, stop>"


def test_later_wrapper_is_outside(log: Log) -> None:
    """Of two wrappers the one that was added later is around the other."""

    def named(name: str) -> Wrap:
        def wrapper(call: HandlerCall) -> Generator[None, Any, Any]:
            log.append(f"{name} before {call.handler}")
            outcome = yield
            log.append(f"{name} after {call.handler}")
            return f"{outcome} {name}" if outcome else outcome

        return wrapper

    with one(log.part()).wrap(named("in")).wrap(named("out")).started() as live:
        assert live["a.it"] == "it in out"
    starts = ["out before start", "in before start", "start it", "in after start", "out after start"]
    stops = ["out before stop", "in before stop", "stop it", "in after stop", "out after stop"]
    assert log == starts + stops


def test_errors_are_seen_and_come_out_as_they_were(log: Log) -> None:
    """What a handler raises is thrown in at the yield, and is the component's error if it goes on from there."""
    error = OSError("no")
    error.add_note("a note")

    def fails() -> None:
        raise error

    seen = Seen()
    with pytest.raises(StartError) as caught:
        one(Component(fails)).wrap(seen).start()
    assert caught.value.exceptions == (error,)
    (failure,) = caught.value.failures
    assert (failure.id, failure.signal, failure.handler, failure.error) == (Id("a", "it"), "start", "start", error)
    assert error.__notes__[0] == "a note"
    assert seen == ["a.it start", "a.it start ! OSError('no')"]


# --- Around what ------------------------------------------------------------------------------------------------------------


def test_selection(log: Log) -> None:
    """Only what is selected is wrapped: a component, a group, a pattern, a tag, or several of them."""
    groups = {"a": {"x": log.part("x"), "y": log.part("y", tags=["t"])}, "b": {"z": log.part("z")}}
    for select, expected in {
        "a.x": "x", "a": "xy", "tag:t": "y", "*.z": "z",
    }.items():  # fmt: skip
        seen = Seen()
        with System(groups).wrap(seen, select).started():
            pass
        assert {line.split()[0].split(".")[1] for line in seen} == set(expected)
    seen = Seen()
    with System(groups).wrap(seen, ["a.x", "b"]).started():
        pass
    assert {line.split()[0] for line in seen} == {"a.x", "b.z"}
    with System(groups).wrap(seen, []).started():
        pass
    assert len(seen) == 8


def test_unknown_selection_is_an_error_at_once(log: Log) -> None:
    """A selection or a signal that names nothing is an error where it is written."""
    with pytest.raises(UnknownComponent, match=r"a\.it"):
        one(log.part()).wrap(through_steps, "a.its")
    with pytest.raises(UnknownSignal, match="start"):
        one(log.part()).wrap(through_steps, signals=["strat"])


def test_signals(log: Log) -> None:
    """With signals given, only the calls for these go through it: of a scope one half, or a resolve with its start."""
    part = log.part(status=log.note("status"), resolve=log.note("resolve", "it"), pre={"stop": log.note("drain")})
    for signals, expected in {
        ("start",): ["start", "resolve"],
        ("stop",): ["pre stop: handler", "stop"],
        ("status",): ["status"],
        ("status", "stop"): ["status", "pre stop: handler", "stop"],
        (): [],
    }.items():
        seen = Seen()
        with one(part).wrap(seen, signals=signals).started() as live:
            live.status()
        assert [line.removeprefix("a.it ") for line in seen if "=" not in line] == expected


def test_values_and_constants_have_no_call() -> None:
    """What is not called is not wrapped: constants, and components whose start is a value."""
    seen = Seen()
    system = System({"a": {"x": 1, "y": Component(start=[2], status=len)}}).wrap(seen)
    with system.started() as live:
        assert (live["a.x"], live["a.y"]) == (1, [2])
        live.status()
    assert seen == ["a.y status", "a.y status = 1"]


def test_wrapping_is_lazy(log: Log) -> None:
    """What is put into the system after the wrapper is wrapped too, and the definition stays as it was written."""
    seen = Seen()
    part = log.part()
    system = one(part).wrap(seen)
    assert system["a.it"] is part
    with system.override({"a.it": log.part("other")}).started():
        pass
    assert seen == ["a.it start", "a.it start = 'other'", "a.it stop", "a.it stop = None"]


def test_equal_wrappings_are_equal(log: Log) -> None:
    """Two systems are equal when they are wrapped alike, and not when only one is, or by another, or around less."""
    system = one(log.part())
    assert system.wrap(through_steps) == system.wrap(through_steps) != system
    assert system.wrap(through_steps) != system.wrap(through_function)
    assert system.wrap(through_steps, "a") != system.wrap(through_steps)
    assert system.wrap(through_steps, signals=["start"]) != system.wrap(through_steps, signals=["stop"])
    assert system.wrap(retried(3)).wrap(logged()) == system.wrap(retried(3)).wrap(logged())
    assert system.wrap(retried(3)) != system.wrap(retried(4))


def test_wrapping_says_what_it_is() -> None:
    """A wrapping shows the wrapper's name and what it is around, and is equal to no other thing."""
    from mainspring._engine.wrap import Wrapping

    assert repr(Wrapping(timed)) == "<Wrapping timed>"
    assert repr(Wrapping(retried(2), "a.x", ["stop", "start"])) == (
        "<Wrapping retried, select=['a.x'], signals=['start', 'stop']>"
    )
    assert Wrapping(timed) != timed


def test_equal_wrapping_gives_the_same_wrapped_component() -> None:
    """However many components come from one function, and however often it is wrapped alike, it is wrapped once."""
    from mainspring._engine.wrap import Wrapping

    make = component(lambda n: n)
    spec = make(1)._spec
    wrapped = Wrapping(through_steps).around(spec)
    assert Wrapping(through_steps).around(make(2)._spec) is wrapped is not spec
    assert Wrapping(through_steps, signals="start").around(spec) is not wrapped
    unhashable = Seen()
    assert Wrapping(unhashable).around(spec) is Wrapping(unhashable).around(spec)
    for _ in range(100):
        Wrapping(partial(through_function)).around(spec)
    assert len(spec.cache["wrapped"]) < 50


def test_parts_of_a_subsystem_are_wrapped(log: Log) -> None:
    """A wrapper of the outer system is around the handlers of the parts of its subsystems, outside of their own."""
    inner_seen, outer_seen = Seen(), Seen()
    inner = System({"db": {"pool": log.part("pool")}}).wrap(inner_seen)
    middle = System({"x": {"inner": subsystem(inner)}}).wrap(through_steps)
    outer = System({"app": {"sub": subsystem(middle)}, "web": {"server": log.part("server")}}).wrap(outer_seen)
    with outer.started() as live:
        assert live["app.sub.x.inner.db.pool"] == "pool"
    pool = "app.sub.x.inner.db.pool"
    assert [line for line in inner_seen if "=" not in line] == [f"{pool} start", f"{pool} stop"]
    assert set(inner_seen) < set(outer_seen)
    assert "web.server start" in outer_seen


# --- What a wrapper may do --------------------------------------------------------------------------------------------------


def doubled_steps(call: HandlerCall) -> Generator[None, Any, Any]:
    """Changes the outcome, in a generator."""
    result = yield
    return result * 2 if result else result


def doubled(call: HandlerCall) -> Any:
    """Changes the outcome, in a function."""
    result = call()
    return result * 2 if result else result


@pytest.mark.parametrize("wrapper", [doubled_steps, doubled])
def test_change_of_the_outcome(log: Log, wrapper: Wrap) -> None:
    """What the wrapper returns is the outcome: the instance, or what a status says."""
    plain = Component(lambda: 4, status=lambda instance: instance + 1)
    system = System({"a": {"it": log.part("x"), "plain": plain}})
    with system.wrap(wrapper).started() as live:
        assert (live["a.it"], live["a.plain"]) == ("xx", 8)
        assert live.status() == {("a", "plain"): 18}
    assert log == ["start x", "stop x"]


def instead_steps(call: HandlerCall) -> Generator[None, Any, Any]:
    """Puts something else in the place of a call, in a generator."""
    return f"instead of {call.handler}"
    yield


def instead(call: HandlerCall) -> Any:
    """Puts something else in the place of a call, in a function."""
    return f"instead of {call.handler}"


@pytest.mark.parametrize("wrapper", [instead_steps, instead])
def test_replaced_call(log: Log, wrapper: Wrap) -> None:
    """A wrapper that does not run the handler replaces it; what was never started has nothing to be stopped."""
    functions = Component(log.note("made"), stop=log.note("stopped"))
    system = System({"a": {"it": log.part(), "functions": functions}})
    with system.wrap(wrapper).started() as live:
        assert live["a.it"] == live["a.functions"] == "instead of start"
    assert live.report["a.functions"].result == "instead of stop"
    with system.wrap(wrapper, signals=["start"]).started():
        pass
    assert log == ["stopped"]


def test_delay(log: Log) -> None:
    """A wrapper that yields seconds waits so long, before the handler and after it."""

    def slowly(call: HandlerCall) -> Generator[float | None, Any, Any]:
        assert (yield 0.001) is None
        result = yield None
        yield 0
        return result

    with one(log.part()).wrap(slowly).started() as live:
        assert live["a.it"] == "it"
        assert live.report["a.it"].took >= 0.001
    assert log == ["start it", "stop it"]


def test_repeated_scope_begins_anew(log: Log) -> None:
    """A second yield runs the start of a scope again: a new generator, with the same arguments."""
    tries = [OSError("one"), OSError("two")]

    def scope(items: list[int]) -> Iterator[tuple[int, ...]]:
        log.append("begin")
        if tries:
            raise tries.pop(0)
        yield tuple(items)
        log.append("end")

    def stubborn(call: HandlerCall) -> Generator[None, Any, Any]:
        for _ in range(2):
            try:
                return (yield)
            except OSError:
                log.append(f"attempt {call.attempts} failed")
        return (yield)

    with one(component(scope)([1, 2])).wrap(stubborn).started() as live:
        assert live["a.it"] == (1, 2)
    assert log == ["begin", "attempt 1 failed", "begin", "attempt 2 failed", "begin", "end"]


def test_repeated_function(log: Log) -> None:
    """A function runs a handler as often as it calls it."""
    counts = iter(range(10))

    def thrice(call: HandlerCall) -> Any:
        return [call(), call(), call()] if call.signal == "status" else call()

    part = log.part(status=lambda instance: next(counts))
    with one(part).wrap(thrice).started() as live:
        assert live.status() == {("a", "it"): [0, 1, 2]}


def test_error_of_a_wrapper_is_the_handlers(log: Log) -> None:
    """What a wrapper raises is the error of the handler that it is around, and the start is rolled back."""

    def strict(call: HandlerCall) -> Generator[None, Any, Any]:
        if call.id.name == "y":
            raise PermissionError("not today")
        return (yield)

    system = System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"))}})
    with pytest.raises(StartError) as caught:
        system.wrap(strict).start()
    (failure,) = caught.value.failures
    assert (failure.id, failure.handler, repr(failure.error)) == (Id("a", "y"), "start", "PermissionError('not today')")
    assert log == ["start x", "stop x"]


def test_swallowed_error(log: Log) -> None:
    """A wrapper may give an outcome where the handler failed."""

    def forgiving(call: HandlerCall) -> Generator[None, Any, Any]:
        try:
            return (yield)
        except OSError as error:
            return f"without: {error}"

    def fails() -> None:
        raise OSError("no")

    with one(Component(fails)).wrap(forgiving).started() as live:
        assert live["a.it"] == "without: no"


# --- Nothing half-done ------------------------------------------------------------------------------------------------------


def fails_after(*handlers: str) -> Wrap:
    """A wrapper that fails when the handler has succeeded."""

    def wrapper(call: HandlerCall) -> Generator[None, Any, Any]:
        result = yield
        if call.handler in handlers:
            raise ValueError(f"after {call.handler}")
        return result

    return wrapper


def fails_before(*handlers: str) -> Wrap:
    """A wrapper that fails before it has run the handler."""

    def wrapper(call: HandlerCall) -> Any:
        if call.handler in handlers:
            raise ValueError(f"before {call.handler}")
        return call()

    return wrapper


def parts(log: Log) -> dict[str, Component[Any]]:
    """Components that have to be stopped: a generator, a pair of functions, a class, a context manager."""

    class Thing:
        def start(self) -> None:
            log.append("start it")

        def stop(self, ctx: Context = Context.here) -> None:
            log.append(f"{ctx.handler} it")

    return {
        "scope": log.part(),
        "functions": Component(log.note("start it", "it"), stop=log.note("stop it")),
        "class": component(Thing)(),
        "manager": component(contextlib.contextmanager(log.scope), enter=True)(),
    }


each_part = pytest.mark.parametrize("kind", ["scope", "functions", "class", "manager"])


@each_part
def test_what_a_failing_wrapper_leaves_is_stopped(log: Log, kind: str) -> None:
    """A wrapper that fails when the start has succeeded does not leave behind what was started."""
    with pytest.raises(StartError, match="ValueError: after start"):
        one(parts(log)[kind]).wrap(fails_after("start")).start()
    assert log == ["start it", "stop it"]


@each_part
def test_what_a_repeated_start_made_before_is_stopped(log: Log, kind: str) -> None:
    """A start that is run again when it has succeeded does not leave behind what it made the first time."""

    def twice(call: HandlerCall) -> Generator[None, Any, Any]:
        if call.handler == "start":
            yield
        return (yield)

    with one(parts(log)[kind]).wrap(twice).started():
        assert log.take() == ["start it", "stop it", "start it"]
    assert log == ["stop it"]


@each_part
def test_failing_wrapper_keeps_nothing_from_being_stopped(log: Log, kind: str) -> None:
    """A wrapper that fails before it has run the stop fails, and the component is stopped all the same."""
    live = one(parts(log)[kind]).wrap(fails_before("stop")).start()
    with pytest.raises(StopError, match="ValueError: before stop"):
        live.stop()
    assert log == ["start it", "stop it"]


def test_both_errors_come_out() -> None:
    """Where a wrapper fails and the stop of what it leaves fails too, both are in the error."""

    def scope() -> Iterator[None]:
        yield
        raise OSError("stuck")

    for wrapper, error in ((fails_after("start"), StartError), (fails_before("stop"), StopError)):
        with pytest.raises(error) as caught, one(component(scope)()).wrap(wrapper).started():
            pass
        (failure,) = caught.value.failures
        assert isinstance(failure.error, ExceptionGroup)
        assert [type(leaf) for leaf in failure.error.exceptions] == [ValueError, OSError]
        with contextlib.suppress(*[ValueError, OSError]):
            try:
                raise caught.value
            except* (ValueError, OSError):
                pass


def test_interruption_counts_more_than_an_error() -> None:
    """Where one of the two ends the program, that one comes out."""

    def scope() -> Iterator[None]:
        yield
        raise KeyboardInterrupt

    for wrapper in (fails_after("start"), fails_before("stop")):
        with pytest.raises(KeyboardInterrupt), one(component(scope)()).wrap(wrapper).started():
            pass


def test_failed_take_back_is_the_wrappers_to_see(log: Log) -> None:
    """What is raised when a start is taken back, so that it can be run again, is thrown in at the yield."""

    def stop(instance: str) -> None:
        raise OSError("stuck")

    def twice(call: HandlerCall) -> Generator[None, Any, Any]:
        result = yield
        try:
            return (yield)
        except OSError:
            return f"{result} once"

    part = Component(log.note("start", "it"), stop=stop)
    live = one(part).wrap(twice, signals=["start"]).start()
    assert live["a.it"] == "it once"
    assert log == ["start"]


def test_second_half_of_a_scope_runs_once(log: Log) -> None:
    """The stop of a scope cannot be run twice; a wrapper that tries is told so."""

    def twice(call: HandlerCall) -> Generator[None, Any, Any]:
        if call.handler == "stop":
            yield
        return (yield)

    live = one(log.part()).wrap(twice).start()
    with pytest.raises(StopError) as caught:
        live.stop()
    (error,) = caught.value.exceptions
    assert isinstance(error, StateError)
    assert "The stop of a.it is the second half of a scope" in str(error)
    assert log == ["start it", "stop it"]


def test_call_that_is_over(log: Log) -> None:
    """A call that was kept runs nothing when its wrapper has returned."""
    kept: list[HandlerCall] = []

    def keep(call: HandlerCall) -> Any:
        kept.append(call)
        return call()

    with one(log.part()).wrap(keep).started(), pytest.raises(StateError, match=r"start of a\.it is over"):
        kept[0]()
    assert log == ["start it", "stop it"]


def test_strange_yield(log: Log) -> None:
    """What a wrapper may not yield is an error that says what it may."""

    def strange(call: HandlerCall) -> Generator[Any, Any, Any]:
        return (yield True)

    with pytest.raises(StartError, match=r"strange yielded True around start of a\.it\. A bare yield"):
        one(log.part()).wrap(strange).start()


# --- Every form of component ------------------------------------------------------------------------------------------------


class Worker:
    """A component that is a class."""

    log: Log

    def __init__(self, size: int) -> None:
        self.size = size

    def start(self) -> None:
        """Start."""
        self.log.append(f"start {self.size}")

    def stop(self) -> None:
        """Stop."""
        self.log.append(f"stop {self.size}")


class Manager:
    """A context manager, whose end says something."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def __enter__(self) -> str:
        self.log.append("enter")
        return "inside"

    def __exit__(self, *error: Any) -> bool:
        self.log.append(f"exit {error}")
        return True


def second_yield() -> Iterator[int]:
    """A scope that yields twice."""
    yield 1
    yield 2


def no_yield() -> Iterator[int]:
    """A scope that never yields."""
    yield from ()


def with_context(size: int, ctx: Context = Context.here, *more: int, last: int = 0, **rest: Any) -> Any:
    """A start that takes all kinds of arguments."""
    return (size, str(ctx.id), ctx.handler, more, last, rest)


def by_position(a: int, /, b: int = 2, *rest: int) -> Any:
    """A start that takes arguments by position."""
    return (a, b, rest)


def raises_stop_iteration(*_: Any) -> None:
    """A start that raises what generators end with."""
    raise StopIteration("odd")


class Refusing:
    """A callable object with a signature of its own."""

    def __call__(self, size: int = 1) -> int:
        """Fails."""
        raise LookupError(size)

    @staticmethod
    def no_manager() -> Any:
        """Gives what cannot be entered."""
        return 3


def forms(log: Log) -> dict[str, Component[Any]]:
    """Sync components of every form."""
    Worker.log = log
    manager = contextlib.contextmanager(log.scope)
    ctx_scope = component(lambda ctx=Context.here: log.scope(str(ctx)))
    return {
        "generator": log.part(),
        "functions": Component(log.note("start", "it"), stop=log.note("stop", "bye"), config={"x": 1}),
        "value": Component(start="value", stop=log.note("stop")),
        "class": component(Worker)(3),
        "class of C": Component(start=dict, stop=dict.clear, config={"a": 1, "b": 2}),
        "pool": Component(start=ThreadPoolExecutor, stop=ThreadPoolExecutor.shutdown, config={"max_workers": 4}),
        "contextmanager": component(manager, enter=True)("cm"),
        "manager": component(Manager, enter=True)(log),
        "scope slot": Component(scope=Manager, config={"log": log}),
        "no manager": Component(scope=Refusing.no_manager),
        "partial": Component(partial(with_context, 1)),
        "context": Component(with_context, config={"size": 1, "last": 2, "other": 3}),
        "positions": Component(by_position, config={"a": 1, "rest": (3, 4)}),
        "lambda of a generator": ctx_scope(),
        "expression": Component(lambda: (n for n in range(3))),
        "second yield": component(second_yield)(),
        "no yield": component(no_yield)(),
        "StopIteration": Component(raises_stop_iteration),
        "object": Component(Refusing(), config={"size": 3}),
        "missing": Component(by_position),
        "unknown": Component(by_position, config={"a": 1, "c": 1}),
        "handlers": log.part(
            status=log.note("status", [1]),
            pre={"start": log.note("pre"), "stop": {"x": raises_stop_iteration}},
            post={"start": log.note("post"), "status": log.note("told")},
            resolve=lambda instance, ctx=Context.here: (instance, ctx.handler, ctx.config),
        ),
        "own thread": log.part(thread="own"),
        "deadline": log.part(deadlines=PATIENCE, status=log.note("status")),
        "retry": Component(Refusing(), retry=Retry(3, wait=0)),
    }


def told_of(run: Callable[[], Any]) -> Any:
    """What can be seen of an error, or what was returned."""
    try:
        return run()
    except RunError as error:
        return (
            str(error),
            [(str(f.id), f.signal, f.handler, type(f.error), _without_address(f)) for f in error.failures],
        )
    except Exception as error:
        return (type(error), str(error))


def _without_address(failure: Any) -> list[str]:
    return [*getattr(failure.error, "__notes__", ()), str(failure.error)]


def life(system: System, log: Log) -> list[Any]:
    """Everything that can be seen of a system: from its start to its end, and what it wrote meanwhile."""
    seen: list[Any] = []
    live: Any = None

    def start() -> Any:
        nonlocal live
        live = system.start()
        return {str(id): _comparable(live[id]) for id in system}

    seen.append(told_of(start))
    if live is not None:
        seen.append(told_of(lambda: dict(live.status())))
        seen.append({str(id): live.state(id) for id in system})
        seen.append(told_of(lambda: None if live.stop() else "nothing"))
        outcomes = live.report.items()
        seen.append({str(id): (o.state, _comparable(o.result), o.attempts, o.called) for id, o in outcomes})
        seen.append({str(id): live.state(id) for id in system})
    seen.append(log.take())
    return seen


def _comparable(value: Any) -> Any:
    return (
        value
        if isinstance(value, str | int | tuple | list | dict | type(None))
        else (type(value), getattr(value, "size", 0))
    )


@each_form
@pytest.mark.parametrize("kind", forms(Log()))
def test_bare_wrapper_changes_nothing(log: Log, kind: str, bare: Wrap) -> None:
    """Around a component of any form, a wrapper that does nothing changes nothing that can be seen, nor do two."""
    part = forms(log)[kind]
    alone = life(one(part), log)
    assert life(one(part).wrap(bare), log) == alone
    assert life(one(part).wrap(bare).wrap(through_steps), log) == alone
    assert life(one(part).wrap(bare, signals=["start"]), log) == alone
    assert life(one(part).wrap(bare, signals=["stop", "status"]), log) == alone


def test_problems_of_a_definition_are_the_same() -> None:
    """What is wrong with the arguments of a component, or with a handler, is found before the start, in the same words."""
    part = Component(by_position, config={"b": 1, "d": 1}, status=lambda: None)
    system = one(part)
    with pytest.raises(DefinitionError) as alone:
        system.start()
    with pytest.raises(DefinitionError) as wrapped:
        system.wrap(through_steps).start()
    assert str(wrapped.value) == str(alone.value)
    assert [problem.error for problem in wrapped.value.problems] == [BadComponent, BadArguments, BadArguments]


def test_plan_and_description_are_the_same(log: Log) -> None:
    """A plan says the same of a wrapped system, and a description does, too, but for the wrappers."""
    for part in forms(log).values():
        system = one(part)
        wrapped = system.wrap(through_steps)
        assert told_of(lambda: str(wrapped.plan("stop"))) == told_of(lambda: str(system.plan("stop")))  # noqa: B023
        for id, entry in wrapped.describe().items():
            bare = system.describe()[id]
            assert entry.wrapped_by == (("through_steps",) if entry.kind == "component" else ())
            assert told_of(lambda: str(entry._replace(wrapped_by=()))) == told_of(lambda: str(bare))  # noqa: B023


def test_background(log: Log) -> None:
    """A background component is a scope like any other: its start ends when it is ready, its stop when it has ended."""

    @background(ready=True)
    def loop(ctx: Context = Context.here) -> None:
        ctx.ready("up")
        assert ctx.stopping.wait(PATIENCE)
        log.append("ended")

    seen = Seen()
    with one(loop()).wrap(seen).wrap(through_function).started() as live:
        assert live["a.it"] == "up"
    assert seen == ["a.it start", "a.it start = 'up'", "a.it stop", "a.it stop = None"]
    assert log == ["ended"]


def test_background_is_retried(log: Log) -> None:
    """A background component that fails before it is ready can be started again."""
    tries = [OSError("one")]

    @background(ready=True)
    def loop(ctx: Context = Context.here) -> None:
        if tries:
            raise tries.pop()
        ctx.ready("up")
        ctx.stopping.wait(PATIENCE)

    with one(loop()).wrap(retried(2, wait=0)).started() as live:
        assert live["a.it"] == "up"


# --- Threads, deadlines, interruptions --------------------------------------------------------------------------------------


def test_wrapper_is_called_where_the_handler_is() -> None:
    """A wrapper runs in the handler's own thread, around start and stop."""
    threads: dict[str, set[int]] = {"wrapper": set(), "handler": set()}

    def scope() -> Iterator[None]:
        threads["handler"].add(threading.get_ident())
        yield
        threads["handler"].add(threading.get_ident())

    def note(call: HandlerCall) -> Any:
        threads["wrapper"].add(threading.get_ident())
        return call()

    with one(component(scope, thread="own")()).wrap(note).started():
        pass
    assert threads["wrapper"] == threads["handler"] != {threading.get_ident()}


def test_deadline_holds_for_wrapper_and_handler_together() -> None:
    """A wrapper that waits too long is past the handler's deadline; what it starts late is stopped."""
    log = Log()
    opened = threading.Event()

    def slow(call: HandlerCall) -> Any:
        if call.handler == "start":
            opened.wait(PATIENCE)
        return call()

    before = set(threading.enumerate())
    with pytest.raises(StartError) as caught:
        one(log.part(deadlines=0.05)).wrap(slow).start()
    (error,) = caught.value.exceptions
    assert isinstance(error, DeadlineExceeded)
    assert "opened.wait" in error.__notes__[0]
    assert log == []
    opened.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
    assert log == ["start it", "stop it"]


def test_each_attempt_of_retry_goes_through(log: Log) -> None:
    """The slot `retry` tries the wrapped start: each attempt is a call of its own."""
    seen = Seen()
    tries = [OSError("one"), OSError("two")]

    def start() -> str:
        if tries:
            raise tries.pop(0)
        return "up"

    with one(Component(start, retry=Retry(3, wait=0))).wrap(seen).started() as live:
        assert live.report["a.it"].attempts == 3
    assert seen == [
        "a.it start", "a.it start ! OSError('one')", "a.it start", "a.it start ! OSError('two')",
        "a.it start", "a.it start = 'up'",
    ]  # fmt: skip


def test_wait_of_a_start_that_is_given_up() -> None:
    """A start that waits in a wrapper, in a thread of its own, does not wait to the end when the whole start is given up."""
    waiting = threading.Event()

    def waits(call: HandlerCall) -> Generator[float | None, Any, Any]:
        waiting.set()
        yield PATIENCE * 10
        return (yield None)

    def fails() -> None:
        assert waiting.wait(PATIENCE)
        raise OSError("no")

    slow = Component(lambda: None, thread="own")
    system = System({"a": {"slow": slow, "fails": Component(fails, thread="own")}}).wrap(waits, "a.slow")
    with pytest.raises(StartError) as caught:
        system.start()
    assert [str(f.id) for f in caught.value.failures] == ["a.fails"]


def test_ctrl_c_ends_the_wait_of_a_wrapper(log: Log) -> None:
    """Ctrl-C breaks off a wait of a wrapper at once, and what was started is stopped."""

    def waits(call: HandlerCall) -> Generator[float | None, Any, Any]:
        if call.id.name == "y" and call.handler == "start":
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            yield PATIENCE * 10
        return (yield None)

    def interrupt(number: int, frame: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        system = System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"))}})
        with pytest.raises(KeyboardInterrupt):
            system.wrap(waits).start()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert log == ["start x", "stop x"]


def test_ctrl_c_in_a_wrapper_loses_nothing(log: Log) -> None:
    """Ctrl-C in a wrapper, when the start has succeeded, does not leave behind what was started."""

    def interrupted(call: HandlerCall) -> Generator[None, Any, Any]:
        result = yield
        if call.handler == "start":
            signal.raise_signal(signal.SIGINT)
        return result

    with pytest.raises(KeyboardInterrupt):
        one(log.part()).wrap(interrupted).start()
    assert log == ["start it", "stop it"]


@pytest.mark.parametrize("form", ["generator", "function", "context manager"])
@each_form
def test_wherever_ctrl_c_comes_nothing_is_lost(form: str, bare: Wrap) -> None:
    """Wherever Ctrl-C comes in the life of a wrapped system, in the wrapper too, what was started is stopped exactly once."""

    def run(at: At, calls: Calls) -> None:
        system = system_of(form, calls).wrap(bare, "a.it")
        LIVES[:] = [system.start([])]
        with at:
            LIVES[0].start()
            LIVES[0].stop()

    wrong = Wrong()
    for at, calls, error in visited(run):
        LIVES[0].stop()
        wrong.unless(not calls.lost(), f"lost {calls.lost()}", at)
        wrong.unless(type(error) is KeyboardInterrupt, f"{error!r} came out", at)
    assert not wrong, str(wrong)


def test_stop_from_elsewhere_gives_up_a_wait() -> None:
    """A stop that another thread asks for ends a start that waits in a wrapper."""
    waiting = threading.Event()

    def waits(call: HandlerCall) -> Generator[float | None, Any, Any]:
        if call.handler == "start":
            waiting.set()
            yield PATIENCE * 10
        return (yield None)

    live = one(Component(lambda: None, thread="own")).wrap(waits).start([])
    helper = threading.Thread(target=lambda: waiting.wait(PATIENCE) and live.stop())
    helper.start()
    with pytest.raises(StartError) as caught:
        live.start()
    assert [type(error) for error in caught.value.exceptions] == [Interrupted]
    helper.join(PATIENCE)


# --- What cannot be a wrapper -----------------------------------------------------------------------------------------------


async def steps_of_its_own(call: HandlerCall) -> Any:
    """An async generator function."""
    yield


WRONG = {
    "no function": ("loud", r"'loud' cannot be called"),
    "no parameter": (lambda: None, r"<lambda>\(\) cannot be called with a HandlerCall alone"),
    "two parameters": (lambda call, more: None, r"<lambda>\(call, more\) cannot be called"),
    "async generator": (steps_of_its_own, r"steps_of_its_own is an async generator function"),
}


def test_generator_function_in_disguise(log: Log) -> None:
    """A function that gives a generator is told that nothing of it has been run."""
    with pytest.raises(StartError, match=r"The wrapper .*<lambda> gave a generator, of which nothing has been run"):
        one(log.part()).wrap(lambda call: through_steps(call)).start()


@pytest.mark.parametrize(("wrapper", "text"), WRONG.values(), ids=WRONG)
def test_wrong_wrappers(wrapper: Any, text: str) -> None:
    """What cannot be a wrapper is refused where it is given, with the reason."""
    with pytest.raises(BadComponent, match=text):
        one(Component(list)).wrap(wrapper)


# --- Ready-made -------------------------------------------------------------------------------------------------------------


def test_logged(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """`logged` writes what begins, what took how long, and what failed."""

    def status(instance: str) -> None:
        raise OSError("gone")

    system = one(log.part(status=status)).wrap(logged(logging.DEBUG))
    with caplog.at_level(logging.DEBUG, "mainspring"), system.started() as live, contextlib.suppress(SignalError):
        live.status()
    assert [(r.levelname, r.getMessage().split(" took")[0].split(" after")[0]) for r in caplog.records] == [
        ("DEBUG", "a.it: start"), ("DEBUG", "a.it: start"), ("DEBUG", "a.it: status"), ("ERROR", "a.it: status failed"),
        ("DEBUG", "a.it: stop"), ("DEBUG", "a.it: stop"),
    ]  # fmt: skip
    assert caplog.records[3].getMessage().endswith(" s: OSError: gone")


def test_logged_at_the_level_that_is_given(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """`logged` writes at INFO where no level is given, also of what is interrupted."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with caplog.at_level(logging.INFO, "mainspring"), pytest.raises(KeyboardInterrupt):
        one(Component(interrupted)).wrap(logged()).start()
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]


def test_logged_without_its_call(log: Log) -> None:
    """`logged` given instead of `logged()` is told at once, and so is `retried`."""
    for maker in (logged, retried):
        with pytest.raises(BadComponent, match=rf"do: Call it: {maker.__name__}\(...\)\."):
            one(log.part()).wrap(maker)  # type: ignore[arg-type]


def test_a_maker_of_wrappers_that_was_not_called_is_told_at_once_everywhere(log: Log) -> None:
    """Around a selection, around some signals, and where nothing has been put into the system yet."""
    for maker in (logged, retried):
        for system in (System({}), one(log.part())):
            with pytest.raises(BadComponent, match=f"{maker.__name__} is no wrapper, but makes one"):
                system.wrap(maker, [], signals=["start"])  # type: ignore[arg-type]


def test_timed(log: Log) -> None:
    """`timed` keeps in `meta` for each handler how long its last call took, when it began, and how many there were."""

    def status(instance: str) -> None:
        raise OSError("gone")

    with one(log.part(status=status)).wrap(timed).started() as live:
        for _ in range(2):
            with contextlib.suppress(SignalError):
                live.status()
        timing = live.meta("a.it")["timing"]
    assert {handler: entry["calls"] for handler, entry in timing.items()} == {"start": 1, "status": 2, "stop": 1}
    assert timing["start"]["took"] >= 0
    assert timing["start"]["at"] <= timing["status"]["at"]


def test_retried(log: Log) -> None:
    """`retried` runs any handler again: so often, and only after the errors that it is for."""
    tries: list[Exception] = []

    def status(instance: str) -> str:
        log.append("status")
        if tries:
            raise tries.pop(0)
        return "fine"

    with one(log.part(status=status)).wrap(retried(3, (OSError,), wait=0.001)).started() as live:
        tries[:] = [OSError("one"), ExceptionGroup("two", [OSError("two")])]
        assert live.status() == {("a", "it"): "fine"}
        tries[:] = [OSError(str(n)) for n in range(3)]
        with pytest.raises(SignalError, match="OSError: 2"):
            live.status()
        tries[:] = [ValueError("other")]
        with pytest.raises(SignalError, match="ValueError: other"):
            live.status()
    assert log.count("status") == 7


def test_retried_leaves_the_stop_of_a_scope_alone() -> None:
    """`retried` does not try the second half of a scope again: its own error comes out."""

    def scope() -> Iterator[None]:
        yield
        raise OSError("stuck")

    live = one(component(scope)()).wrap(retried(3, wait=0)).start()
    with pytest.raises(StopError) as caught:
        live.stop()
    assert [repr(error) for error in caught.value.exceptions] == ["OSError('stuck')"]


def test_wrong_retried() -> None:
    """`retried` refuses what makes no sense."""
    with pytest.raises(BadComponent, match="times is 0"):
        retried(0)


# --- Whole systems ------------------------------------------------------------------------------------------------------------


class Fault(Exception):
    """What a handler raises that is told to."""


@st.composite
def systems(draw: st.DrawFn) -> tuple[Log, System]:
    """A small system of components of all forms, some of which fail."""
    log = Log()

    def acts(name: str, result: Any = None) -> Callable[..., Any]:
        fails = draw(st.integers(0, 9)) == 0

        def handler(*_: Any, **__: Any) -> Any:
            log.append(name)
            if fails:
                raise Fault(name)
            return result

        return handler

    def scope_of(start: Callable[..., Any], stop: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
        def scope(**config: Any) -> Iterator[Any]:
            made = start()
            yield (made, *config.values())
            stop()

        return scope

    groups: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
    made: list[str] = []
    for n in range(draw(st.integers(1, 6))):
        group = draw(st.sampled_from(["a", "b"]))
        needs = draw(st.lists(st.sampled_from(made), max_size=2, unique=True)) if made else []
        name = f"p{n}"
        start, stop = acts(f"start {name}", name), acts(f"stop {name}", draw(st.sampled_from([None, "bye"])))
        slots: dict[str, Any] = {}
        if draw(st.booleans()):
            slots["status"] = acts(f"status {name}", n)
        if draw(st.booleans()):
            slots["pre"] = {"start": acts(f"pre {name}"), "stop": acts(f"pre stop {name}")}
            slots["post"] = {"start": acts(f"post {name}"), "stop": acts(f"post stop {name}")}
        if draw(st.booleans()):
            slots["resolve"] = acts(f"resolve {name}", f"{name}!")
        if draw(st.integers(0, 4)) == 0:
            slots["retry"] = Retry(2, wait=0)
        form = draw(st.sampled_from(["scope", "functions", "manager"]))
        config = {f"need{i}": ref(need) for i, need in enumerate(needs)}
        if form == "functions":
            part = Component(start, stop, config=config, **slots)
        else:
            scope = scope_of(start, stop)
            part = Component(
                scope=contextlib.contextmanager(scope) if form == "manager" else scope, config=config, **slots
            )
        groups[group][name] = part
        made.append(f"{group}.{name}")
    return log, System(groups)


@given(systems(), st.lists(st.sampled_from(list(BARE.values())), min_size=1, max_size=3))
def test_bare_wrappers_around_whole_systems(case: tuple[Log, System], wrappers: list[Wrap]) -> None:
    """Whatever a system is made of and whatever fails in it, bare wrappers change nothing that can be seen."""
    log, system = case
    alone = life(system, log)
    for wrapper in wrappers:
        system = system.wrap(wrapper)
    assert life(system, log) == alone


@pytest.mark.parametrize("select", ["a.b", Id("a", "b"), ["a.b", "e.f"], "a", "tag:t", "a.*"])
def test_wrapper_around_what_is_switched_off(select: Any) -> None:
    """What is off when a wrapper is put around it is wrapped once it is on."""
    log: list[str] = []

    def logged_calls(call: HandlerCall) -> Generator[None, Any, Any]:
        log.append(f"{call.handler} {call.id}")
        return (yield)

    switched: Component[Any] = Component(dict, enabled=ref("env.on"), tags=["t"])
    system = System({"env": {"on": False}, "a": {"b": switched}, "e": {"f": Component(dict)}})
    wrapped = system.wrap(logged_calls, select)
    with wrapped.started():
        assert "start a.b" not in log
    with wrapped.override({"env.on": True}).started():
        assert "start a.b" in log


def test_wrapper_around_what_an_import_switches_on() -> None:
    """The same for a component that is off in a system as it is written, and on where it is a subsystem."""
    log: list[str] = []

    def logged_calls(call: HandlerCall) -> Generator[None, Any, Any]:
        log.append(str(call.id))
        return (yield)

    inner = System({"e": {"on": False}, "d": {"p": Component(dict, enabled=ref("e.on")), "q": Component(dict)}})
    inner = inner.wrap(logged_calls, "d.p")
    with System({"app": {"b": subsystem(inner, {"e.on": True})}}).started():
        assert log == ["app.b.d.p"]


def test_wrapper_around_what_there_is_not_at_all() -> None:
    """That something is switched off is no excuse for a name that nothing has."""
    system = System({"a": {"b": Component(dict, enabled=False)}, "e": {"f": Component(dict)}})
    for select in ("a.x", ["a.b", "a.x"], "x", ["a.b", "-e.x"], 3):
        with pytest.raises(UnknownComponent):
            system.wrap(through_steps, select)  # type: ignore[arg-type]


def test_one_wrapper_after_the_other_names_what_there_is() -> None:
    """Each of many wrappers is checked against the same components, subsystems and signals included."""
    inner = System({"d": {"p": Component(dict)}}, signals=[Signal("reload", "dependencies first")])
    system = System({"app": {"b": subsystem(inner)}, "a": {"c": Component(dict)}})
    for _ in range(3):
        system = system.wrap(through_steps, "app.b.d.p", signals=["reload"]).wrap(through_function, "a.c")
        with pytest.raises(UnknownComponent):
            system.wrap(through_steps, "app.b.d.x")
        with pytest.raises(UnknownSignal):
            system.wrap(through_steps, signals=["relaod"])
    with system.override({"a.c.enabled": False}).started() as live:
        assert live["app.b.d.p"] == {}
