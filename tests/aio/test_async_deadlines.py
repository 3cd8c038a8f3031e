"""Deadlines of async handlers: a start past it is cancelled, a stop cancelled or abandoned; nothing waits for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import pytest
import trio.testing
from aio_helpers import PATIENCE, SHORT, Backend, Gate, Log, ThreadGate, forever, until

from mainspring import (
    Component,
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


def on_a_virtual_clock(function: Any) -> None:
    """Run on trio, where time jumps to the next moment at which something happens; no threads, which it would not wait for."""
    Backend("trio")(function, clock=trio.testing.MockClock(rate=0, autojump_threshold=0))


async def hangs_here(*_: Any, **__: Any) -> None:
    """Hang until cancelled, in a function with a name that is found again."""
    await forever()


# --- Starts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["generator", "function", "class", "manager"])
def test_overdue_start_is_cancelled_and_fails(run: Backend, log: Log, form: str) -> None:
    """An async start past its deadline is cancelled and has failed; what had started is stopped again."""
    cleaned: list[str] = []

    async def start(needs: Any) -> None:
        try:
            await forever()
        finally:
            cleaned.append("up")

    async def scope(needs: Any) -> AsyncIterator[None]:
        await start(needs)
        yield

    class Server:
        def __init__(self, needs: Any) -> None: ...

        async def start(self) -> None:
            await start(None)

        async def __aenter__(self) -> None:
            await start(None)

        async def __aexit__(self, *_: object) -> None: ...

    made: dict[str, Any] = {
        "generator": component(scope, deadlines=SHORT),
        "function": component(start, deadlines=SHORT),
        "class": component(Server, deadlines=SHORT),
        "manager": component(Server, enter=True, deadlines=SHORT),
    }

    async def main() -> None:
        live = await System({"a": {"x": log.part("x"), "y": made[form](ref("a.x"))}}).astart([])
        with pytest.raises(StartError) as caught:
            await live.astart()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert isinstance(error, TimeoutError)
        assert (error.seconds, error.abandoned) == (SHORT, False)
        assert "a.y" in str(error)
        assert live.state("a.y") == "failed"
        assert live.state("a.x") == "stopped"
        assert log == ["start x", "stop x"]
        assert cleaned == ["up"]
        with pytest.raises(StartError):
            await live.astart()

    run(main)


def test_overdue_start_from_sync_code(log: Log) -> None:
    """The same from sync code."""
    y: Any = component(hangs_here, deadlines=SHORT)
    with pytest.raises(StartError) as caught:
        System({"a": {"x": log.part("x"), "y": y(ref("a.x"))}}).start()
    [error] = caught.value.exceptions
    assert isinstance(error, DeadlineExceeded)
    assert not error.abandoned
    assert "hangs_here" in "".join(error.__notes__)
    assert log == ["start x", "stop x"]


def test_error_says_where_it_hung(run: Backend) -> None:
    """The error about an overdue handler has a note with its task's stack, from the handler to where it hung."""

    async def outer() -> None:
        await hangs_here()

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"a": {"x": Component(outer, deadlines=SHORT)}}).astart()
        notes = "".join(caught.value.exceptions[0].__notes__)
        assert "in outer" in notes
        assert "in hangs_here" in notes
        assert __file__ in notes
        assert "mainspring/_engine" not in notes

    run(main)


def test_what_an_overdue_start_raised_is_the_cause(run: Backend) -> None:
    """What a handler raises when it is cancelled at its deadline is the cause of the error."""

    async def start() -> None:
        try:
            await forever()
        except run.cancelled:
            raise ValueError("unclean") from None

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"a": {"x": Component(start, deadlines=SHORT)}}).astart()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert str(error.__cause__) == "unclean"

    run(main)


@pytest.mark.parametrize("form", ["generator", "function"])
def test_start_that_succeeds_when_it_is_cancelled_at_its_deadline(run: Backend, form: str) -> None:
    """A start that takes the cancellation at its deadline and succeeds all the same was too late, but is not lost."""
    log: list[str] = []

    async def start() -> str:
        with suppress(run.cancelled):
            await forever()
        log.append("start")
        return "it"

    async def scope() -> AsyncIterator[str]:
        yield await start()
        await anyio.lowlevel.checkpoint()
        log.append("stop")

    async def stop(it: str) -> None:
        await anyio.lowlevel.checkpoint()
        log.append("stop")

    make: Any = (
        component(scope, deadlines={"start": SHORT})
        if form == "generator"
        else component(start, stop=stop, deadlines={"start": SHORT})
    )

    async def main() -> None:
        live = await System({"a": {"x": make()}}).astart([])
        with suppress(StartError):
            await live.astart()
        await live.astop()
        assert log == ["start", "stop"]
        assert live.state("a.x") in ("stopped", "failed")

    run(main)


def test_start_that_ignores_its_deadline_is_abandoned(run: Backend, log: Log) -> None:
    """A start that ignores its cancellation is abandoned after as long again; everything else is cleaned up."""

    async def main() -> None:
        gate = Gate()
        y: Any = Component(gate.deaf, deadlines=SHORT)
        live = await System({"a": {"x": log.part("x"), "y": y}}).astart([])
        with pytest.raises(StartError) as caught:
            await live.astart()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert error.abandoned
        assert "deaf" in "".join(error.__notes__)
        assert live.state("a.y") == "abandoned"
        assert log == ["start x", "stop x"]
        with pytest.raises(StateError, match=r"a\.y was abandoned"):
            await live.astart()
        gate.opened.set()

    run(main)


@pytest.mark.parametrize("form", ["generator", "function", "class", "manager"])
def test_late_start_is_stopped_after_all(run: Backend, form: str) -> None:
    """A start that ends after it was abandoned is stopped at once, in its own task, so that nothing stays behind."""
    log: list[str] = []

    async def main() -> None:
        gate = Gate()

        async def start() -> str:
            await gate.deaf()
            log.append("start")
            return "it"

        async def stop(it: Any) -> None:
            await anyio.lowlevel.checkpoint()
            log.append("stop")

        async def scope() -> AsyncIterator[str]:
            yield await start()
            await stop(None)

        class Server:
            async def start(self) -> None:
                await start()

            async def stop(self) -> None:
                await stop(None)

            async def __aenter__(self) -> None:
                await start()

            async def __aexit__(self, *_: object) -> None:
                await stop(None)

        slots: dict[str, Any] = {"deadlines": {"start": SHORT}}
        made: dict[str, Any] = {
            "generator": component(scope, **slots),
            "function": component(start, stop=stop, **slots),
            "class": component(Server, **slots),
            "manager": component(Server, enter=True, **slots),
        }
        live = await System({"a": {"x": made[form]()}}).astart([])
        with pytest.raises(StartError):
            await live.astart()
        assert log == []
        gate.opened.set()
        await until(lambda: len(log) == 2)
        assert log == ["start", "stop"]
        assert live.state("a.x") == "abandoned"

    run(main)


def test_late_stop_that_fails_is_logged(run: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Where the clean-up of a late start fails, that is logged, because there is nobody to raise it to."""

    async def main() -> None:
        gate = Gate()

        async def stop(it: Any) -> None:
            raise ValueError("late stop")

        with pytest.raises(StartError):
            await System({"a": {"x": Component(gate.deaf, stop, deadlines={"start": SHORT})}}).astart()
        gate.opened.set()
        await until(lambda: "late stop" in caplog.text)

    run(main)


def test_abandoned_in_the_own_loop(log: Log) -> None:
    """From sync code a start that ignores its deadline is abandoned too, and stopped when it ends after all."""
    opened, ended = threading.Event(), threading.Event()

    async def start() -> None:
        with anyio.CancelScope(shield=True):
            while not opened.is_set():
                await anyio.sleep(0.001)

    def stop(it: Any) -> None:
        ended.set()

    live = System({"a": {"x": log.part("x"), "y": Component(start, stop, deadlines={"start": SHORT})}}).start([])
    with pytest.raises(StartError) as caught:
        live.start()
    assert [type(error) for error in caught.value.exceptions] == [DeadlineExceeded]
    assert log == ["start x", "stop x"]
    opened.set()
    assert ended.wait(PATIENCE)


@pytest.mark.parametrize("phase", ["pre", "post", "resolve"])
def test_deadline_is_for_all_of_a_start(run: Backend, phase: str) -> None:
    """The deadline of a start counts for its pre and post handlers and resolve as well; what was made is stopped."""
    stopped: list[Any] = []
    slots: dict[str, Any] = {"resolve": hangs_here} if phase == "resolve" else {phase: {"start": hangs_here}}
    definition: Any = Component(lambda: "it", stopped.append, deadlines={"start": SHORT}, **slots)

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"a": {"x": definition}}).astart()
        assert isinstance(caught.value.exceptions[0], DeadlineExceeded)

    run(main)
    assert stopped == ([] if phase == "pre" else ["it"])


def test_overdue_start_with_keep(run: Backend, log: Log) -> None:
    """With "keep", an overdue start leaves running what has started, and what does not need it is started."""
    parts = {
        "x": log.part("x"),
        "y": component(hangs_here, deadlines=SHORT)(ref("a.x")),
        "z": log.part("z", ref("a.y")),
    }

    async def main() -> None:
        live = await System({"a": parts}).astart([])
        with pytest.raises(StartError):
            await live.astart(on_failure="keep")
        assert [str(live.state(f"a.{name}")) for name in parts] == ["running", "failed", "defined"]
        await live.astop()

    run(main)
    assert log == ["start x", "stop x"]


# --- Stops --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["generator", "function"])
def test_overdue_stop_is_cancelled_and_the_rest_goes_on(run: Backend, log: Log, form: str) -> None:
    """A stop past its deadline is cancelled, has failed, and keeps nothing else from being stopped."""
    cleaned: list[str] = []

    async def stop(it: Any) -> None:
        try:
            await hangs_here()
        finally:
            cleaned.append("up")

    async def start(needs: Any) -> None: ...

    async def scope(needs: Any) -> AsyncIterator[None]:
        yield
        await stop(None)

    make: Any = (
        component(scope, deadlines={"stop": SHORT})
        if form == "generator"
        else component(start, stop=stop, deadlines={"stop": SHORT})
    )

    async def main() -> None:
        live = await System({"a": {"x": log.part("x"), "y": make(ref("a.x"))}}).astart()
        with pytest.raises(StopError) as caught:
            await live.astop()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert not error.abandoned
        assert "hangs_here" in "".join(error.__notes__)
        assert live.state("a.y") == "failed"
        assert log == ["start x", "stop x"]
        assert cleaned == ["up"]
        await live.astop()
        await live.astart()
        with pytest.raises(StopError):
            await live.astop()

    run(main)


@pytest.mark.parametrize("form", ["generator", "function"])
def test_stop_that_ignores_its_deadline_is_abandoned(run: Backend, log: Log, form: str) -> None:
    """A stop that ignores its cancellation is abandoned after as long again, and the rest is stopped."""

    async def main() -> None:
        gate = Gate()

        async def start(needs: Any) -> None: ...

        async def scope(needs: Any) -> AsyncIterator[None]:
            yield
            await gate.deaf()

        make: Any = (
            component(scope, deadlines={"stop": SHORT})
            if form == "generator"
            else component(start, stop=gate.deaf, deadlines={"stop": SHORT})
        )
        live = await System({"a": {"x": log.part("x"), "y": make(ref("a.x"))}}).astart()
        with pytest.raises(StopError) as caught:
            await live.astop()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert error.abandoned
        assert live.state("a.y") == "abandoned"
        assert log == ["start x", "stop x"]
        gate.opened.set()

    run(main)


def test_overdue_stop_in_a_roll_back(run: Backend, log: Log) -> None:
    """A stop past its deadline in a roll-back keeps nothing else from being stopped; both errors come out."""

    async def fails(needs: Any) -> None:
        raise ValueError("no")

    y: Any = Component(lambda needs: None, hangs_here, config={"needs": ref("a.x")}, deadlines={"stop": SHORT})

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"a": {"x": log.part("x"), "y": y, "z": component(fails)(ref("a.y"))}}).astart()
        assert [type(error) for error in caught.value.exceptions] == [ValueError, DeadlineExceeded]

    run(main)
    assert log == ["start x", "stop x"]


def test_task_that_waits_for_its_own_stop_ends_at_the_deadline(run: Backend, log: Log) -> None:
    """A task of a component that awaits the stop of its own system waits for itself: the deadline of the stop ends that."""

    async def main() -> None:
        go, left = anyio.Event(), anyio.Event()
        lives: list[Any] = []

        async def task() -> None:
            await go.wait()
            with suppress(StopError):
                await lives[0].astop()

        async def scope(needs: Any) -> AsyncIterator[None]:
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(task)
                    yield
            finally:
                left.set()

        y = component(scope, deadlines={"stop": SHORT})
        live = await System({"a": {"x": log.part("x"), "y": y(ref("a.x"))}}).astart()
        lives.append(live)
        go.set()
        await live.ajoin()
        assert log == ["start x", "stop x"]
        await left.wait()

    run(main)


def test_thread_of_a_component_whose_async_stop_is_abandoned(run: Backend) -> None:
    """A sync start with a deadline and an async stop: when the stop is abandoned, the component's thread ends all the same."""

    async def main() -> None:
        gate = Gate()
        live = await System({"a": {"x": Component(dict, gate.deaf, deadlines={"stop": SHORT})}}).astart()
        with pytest.raises(StopError):
            await live.astop()
        await until(lambda: "a.x" not in [thread.name for thread in threading.enumerate()])
        gate.opened.set()

    run(main)


# --- Other signals ------------------------------------------------------------------------------------------------------


def test_overdue_status_leaves_the_component_running(run: Backend, log: Log) -> None:
    """A status past its deadline is cancelled and has failed; the component goes on running, and is stopped as ever."""

    async def main() -> None:
        part = log.part("x", status=hangs_here, deadlines={"status": SHORT})
        live = await System({"a": {"x": part, "y": Component(dict, status=lambda it: "well")}}).astart()
        with pytest.raises(SignalError) as caught:
            await live.astatus()
        assert isinstance(caught.value.exceptions[0], DeadlineExceeded)
        assert live.report["a.y"].result == "well"
        assert live.state("a.x") == "running"
        await live.astop()

    run(main)
    assert log == ["start x", "stop x"]


def test_deaf_status_is_let_go(run: Backend, log: Log) -> None:
    """A status that ignores its cancellation is let go; the component is stopped when it has ended after all."""

    async def main() -> None:
        gate = Gate()
        part = log.part("x", status=gate.deaf, deadlines={"status": SHORT})
        live = await System({"a": {"x": part}}).astart()
        with pytest.raises(SignalError) as caught:
            await live.astatus()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert error.abandoned
        gate.opened.set()
        await live.astop()

    run(main)
    assert log == ["start x", "stop x"]


# --- Which deadline -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_system", "of_component", "expected"),
    [
        (None, 3.0, {"start": 3, "stop": 3, "status": 3}),
        (None, {"stop": 3.0}, {"stop": 3}),
        (5.0, None, {"start": 5, "stop": 5, "status": 5}),
        ({"status": 5.0}, None, {"status": 5}),
        (5.0, {"stop": 3.0}, {"start": 5, "stop": 3, "status": 5}),
        ({"start": 5.0, "stop": 5.0}, 3.0, {"start": 3, "stop": 3, "status": 3}),
    ],
    ids=str,
)
@pytest.mark.parametrize("signal", ["start", "stop", "status"])
def test_which_deadline_counts(of_system: Any, of_component: Any, expected: dict[str, float], signal: str) -> None:
    """A component's own deadline for a signal counts before the system's; in virtual time, to the second."""
    seconds = 7.0 if signal not in expected else expected[signal] * 2

    async def takes_long(*_: Any) -> None:
        await anyio.sleep(seconds)

    async def at_once() -> None: ...

    slots: dict[str, Any] = {"start": at_once, signal: takes_long}
    system = System({"a": {"x": Component(**slots, deadlines=of_component)}}, deadlines=of_system)

    async def main() -> None:
        live = await system.astart([])
        requests = {"start": live.astart, "status": live.astatus, "stop": live.astop}
        for name, request in requests.items():
            began = anyio.current_time()
            if name == signal and signal in expected:
                with pytest.raises((StartError, StopError, SignalError)) as caught:
                    await request()
                [error] = caught.value.exceptions
                assert isinstance(error, DeadlineExceeded)
                assert error.seconds == expected[signal] == anyio.current_time() - began
                return
            await request()
            assert anyio.current_time() - began == (seconds if name == signal else 0)
        await live.astop()

    on_a_virtual_clock(main)


def test_deadline_that_is_kept(run: Backend, log: Log) -> None:
    """A deadline that is kept is not noticed at all."""

    async def main() -> None:
        async with System(
            {"a": {"x": log.part("x", deadlines=PATIENCE, status=log.anote("status"))}}
        ).started() as live:
            await live.astatus()

    run(main)
    assert log == ["start x", "status", "stop x"]


def test_async_component_with_a_deadline_stays_in_its_loop(run: Backend) -> None:
    """A deadline puts no async component into a thread: its sync handlers stay in the caller's."""
    threads: set[int] = set()

    async def scope() -> AsyncIterator[None]:
        threads.add(threading.get_ident())
        yield
        threads.add(threading.get_ident())

    part = component(scope, status=lambda it: threads.add(threading.get_ident()), deadlines=PATIENCE)

    async def main() -> None:
        async with System({"a": {"x": part()}}).started() as live:
            await live.astatus()
        assert threads == {threading.get_ident()}

    run(main)


def test_sync_component_with_a_deadline_from_async_code(run: Backend, log: Log) -> None:
    """A sync component with a deadline is called in a thread of its own from async code too, and abandoned there."""
    gate = ThreadGate()
    stopped: list[Any] = []

    async def main() -> None:
        y: Any = Component(gate, stopped.append, deadlines={"start": SHORT})
        live = await System({"a": {"x": log.part("x"), "y": y}}).astart([])
        with pytest.raises(StartError) as caught:
            await live.astart()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert error.abandoned
        assert "self.opened.wait" in "".join(error.__notes__)
        assert live.state("a.y") == "abandoned"
        assert log == ["start x", "stop x"]
        gate.opened.set()
        await until(lambda: stopped)

    run(main)
    assert stopped == ["at last"]


def test_several_deadlines_at_once() -> None:
    """Each of several handlers in flight has its own deadline; the first that is over gives the start up."""

    async def main() -> None:
        parts: dict[str, Any] = {f"c{n}": component(hangs_here, deadlines=float(n))() for n in (5, 3, 4)}
        began = anyio.current_time()
        with pytest.raises(StartError) as caught:
            await System({"a": parts}).astart()
        assert anyio.current_time() - began == 3
        assert [str(failure.id) for failure in caught.value.failures] == ["a.c3"]

    on_a_virtual_clock(main)


def test_waiting_for_a_turn_is_not_part_of_the_deadline() -> None:
    """A deadline begins with the handler's own beginning, not while it waits for what it needs or for room."""

    async def takes_two(needs: Any = None) -> None:
        await anyio.sleep(2)

    part = component(takes_two, deadlines=3.0)
    parts = {"x": part(), "y": part(ref("a.x")), "z": part(ref("a.y")), "alone": part()}

    async def main() -> None:
        began = anyio.current_time()
        async with System({"a": parts}, limits=1).started():
            assert anyio.current_time() - began == 8

    on_a_virtual_clock(main)


def test_stop_never_waits_longer_than_its_deadlines(log: Log) -> None:
    """A stop of deaf handlers takes at most twice their deadlines: once to cancel, once to let go."""

    async def main() -> None:
        gate = Gate()

        async def at_once() -> None: ...

        parts: dict[str, Any] = {f"c{n}": Component(at_once, gate.deaf, deadlines={"stop": 4}) for n in range(3)}
        live = await System({"a": parts}).astart()
        began = anyio.current_time()
        with pytest.raises(StopError):
            await live.astop()
        assert anyio.current_time() - began == 8
        gate.opened.set()

    on_a_virtual_clock(main)


# --- Slow ones ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deadline", "after"), [(None, 5), (4.0, 2), (100.0, 5)], ids=str)
def test_slow_handler_is_spoken_of(deadline: float | None, after: float) -> None:
    """A handler that takes longer than 5 s, or half its deadline, is an event with the stack on which it hangs, once."""
    events: list[tuple[float, Event]] = []
    slots: dict[str, Any] = {} if deadline is None else {"deadlines": deadline}

    async def slow() -> None:
        await hangs_for(after * 1.5)

    async def hangs_for(seconds: float) -> None:
        await anyio.sleep(seconds)

    async def main() -> None:
        began = anyio.current_time()

        def observer(event: Event) -> None:
            if event.old == event.new:
                events.append((anyio.current_time() - began, event))

        system = System({"a": {"x": Component(slow, **slots)}})
        async with system.started(observers=[observer]):
            pass

    on_a_virtual_clock(main)
    [(at, event)] = events
    assert at == after
    assert (str(event.id), event.signal, str(event.new)) == ("a.x", "start", "starting")
    assert event.stack is not None
    assert "in slow" in event.stack
    assert "in hangs_for" in event.stack
    assert event.took == after


def test_slow_stop_is_spoken_of() -> None:
    """A slow stop is spoken of as well, and each of several."""
    events: list[Event] = []

    async def stop(it: Any) -> None:
        await anyio.sleep(7)

    async def main() -> None:
        parts: dict[str, Any] = {"x": Component(dict, stop), "y": Component(dict, stop)}
        async with System({"a": parts}).started(observers=[events.append]):
            pass

    on_a_virtual_clock(main)
    told = [(str(event.id), str(event.new)) for event in events if event.stack]
    assert sorted(told) == [("a.x", "stopping"), ("a.y", "stopping")]


def test_slow_handler_without_observers_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody watches, a slow handler is a warning in the log, with its stack."""

    async def main() -> None:
        async def slow() -> None:
            await anyio.sleep(6)

        async with System({"a": {"x": Component(slow)}}).started():
            pass

    with caplog.at_level(logging.WARNING, "mainspring"):
        on_a_virtual_clock(main)
    assert "a.x" in caplog.text
    assert "in slow" in caplog.text


def test_slow_sync_handler_on_a_worker_is_spoken_of(run: Backend) -> None:
    """Of a sync handler in another thread, the stack is that thread's."""
    gate = ThreadGate()
    events: list[Event] = []

    def observer(event: Event) -> None:
        if event.stack:
            events.append(event)
            gate.opened.set()

    async def main() -> None:
        system = System({"a": {"x": Component(gate, deadlines=PATIENCE / 40, thread="own")}})
        async with system.started(observers=[observer]):
            pass

    run(main)
    [event] = events
    assert event.stack is not None
    assert "self.opened.wait" in event.stack


def test_slow_handlers_from_sync_code(log: Log) -> None:
    """From sync code slow async handlers are spoken of too."""
    opened = threading.Event()
    events: list[Event] = []

    async def slow() -> None:
        while not opened.is_set():
            await anyio.sleep(0.001)

    def observer(event: Event) -> None:
        if event.stack:
            events.append(event)
            opened.set()

    system = System({"a": {"x": Component(slow, deadlines=PATIENCE / 40)}})
    with system.started(observers=[observer]):
        pass
    [event] = events
    assert "in slow" in str(event.stack)


# --- Deadlines and cancellation -----------------------------------------------------------------------------------------


def test_cancellation_of_a_start_that_ignores_it_is_bounded_by_its_deadline(run: Backend, log: Log) -> None:
    """A cancelled start waits for a deaf handler no longer than its deadline allows."""

    async def main() -> None:
        gate = Gate()
        y: Any = Component(gate.deaf, deadlines={"start": SHORT})
        live = await System({"a": {"x": log.part("x"), "y": y}}).astart([])
        async with anyio.create_task_group() as group:
            group.start_soon(live.astart)
            await gate.reached.wait()
            group.cancel_scope.cancel()
        assert live.state("a.y") == "abandoned"
        assert log == ["start x", "stop x"]
        gate.opened.set()

    run(main)


@pytest.mark.parametrize("deadline", [0, -1, "3", True, {"stopp": 1.0}], ids=str)
def test_deadlines_that_make_no_sense(deadline: Any) -> None:
    """A deadline that is no number of seconds, or for a signal that there is not, is an error."""
    with pytest.raises((TypeError, ValueError)):
        System({"a": {"x": Component(hangs_here, deadlines=deadline)}}).start([])
