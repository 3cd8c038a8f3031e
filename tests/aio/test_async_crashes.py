"""Components that break by themselves while they run: what follows, who is told, and what comes out where."""

# ruff: noqa: PT012 - it is the end of the block around a system that raises
from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest
import trio
from aio_helpers import PATIENCE, Backend, Gate, Log, ThreadGate, forever, until, wait_for

from mainspring import (
    Component,
    Context,
    CrashError,
    Event,
    Id,
    Live,
    RunError,
    SignalError,
    StartError,
    StateError,
    StopError,
    System,
    component,
    opaque,
    ref,
)


class Bomb(Exception):
    """What a component breaks with."""


def crashing(log: Log, **slots: Any) -> Any:
    """A component that can be broken from anywhere: its instance takes the error."""

    async def scope(needs: Any = None, ctx: Context = Context.here) -> AsyncIterator[Callable[[BaseException], None]]:
        log.append("start it")
        yield ctx.crash
        log.append("stop it")

    return component(scope, **slots)


def with_neighbours(log: Log, make: Any, **options: Any) -> System:
    """A component between one that it needs and one that needs it, and one that has nothing to do with it."""
    parts = {
        "below": log.part("below"),
        "it": make(ref("a.below")),
        "above": log.part("above", ref("a.it")),
        "beside": log.part("beside"),
    }
    return System({"a": parts}, **options)


NAMES = ("below", "it", "above", "beside")


def states(live: Live) -> dict[str, str]:
    """The states of all components, by name."""
    return {name: str(live.state(f"a.{name}")) for name in NAMES}


def failures_of(error: RunError) -> list[tuple[str, str, str]]:
    """Who failed with which signal and which error."""
    return [(str(failure.id), failure.signal, type(failure.error).__name__) for failure in error.failures]


# --- In a group that is held open ---------------------------------------------------------------------------------------


def test_leaving_what_broke_has_the_deadline_of_a_stop(run: Backend) -> None:
    """A clean-up after a crash that hangs is cancelled at the deadline of a stop; then the crash is told."""
    cancelled: list[bool] = []

    @component(deadlines={"stop": 0.05})
    async def it() -> AsyncIterator[None]:
        async def breaks() -> None:
            raise Bomb("boom")

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(breaks)
                yield
        finally:
            try:
                await forever()
            finally:
                cancelled.append(True)

    async def main() -> None:
        with pytest.raises(CrashError):
            async with System({"a": {"it": it()}}).started():
                await forever()
        assert cancelled == [True]

    run(main)


def test_a_status_of_what_broke_is_answered_while_it_is_left(run: Backend) -> None:
    """While a broken component cleans up, other handlers are not waited for: they fail at once."""
    gate = Gate()

    @component
    async def it(go: Any) -> AsyncIterator[None]:
        async def breaks() -> None:
            await go.wait()
            raise Bomb("boom")

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(breaks)
                yield
        finally:
            with anyio.CancelScope(shield=True):
                await gate()

    @it.status
    async def _(instance: None) -> str:
        return "well"

    async def main() -> None:
        go = anyio.Event()
        live = await System({"a": {"it": it(go=opaque(go))}}).astart()
        go.set()
        await gate.reached.wait()
        with pytest.raises(SignalError, match="broke"):
            await live.astatus()
        gate.opened.set()
        with pytest.raises(CrashError):
            await live.ajoin()

    run(main)


async def in_anyio_group(task: Callable[[], Any], needs: Any = None) -> AsyncIterator[str]:
    """A task group of AnyIO, held open."""
    async with anyio.create_task_group() as group:
        group.start_soon(task)
        yield "it"
        group.cancel_scope.cancel()


async def in_asyncio_group(task: Callable[[], Any], needs: Any = None) -> AsyncIterator[str]:
    """A task group of asyncio, held open."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(task())
        yield "it"
        running.cancel()


async def in_nursery(task: Callable[[], Any], needs: Any = None) -> AsyncIterator[str]:
    """A nursery of trio, held open."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task)
        yield "it"
        nursery.cancel_scope.cancel()


class InAClass:
    """A class that holds a task group open from its start to its stop."""

    def __init__(self, task: Callable[[], Any], needs: Any = None) -> None:
        self.task = task

    async def start(self) -> None:
        """Start it."""
        self.group = anyio.create_task_group()
        await self.group.__aenter__()
        self.group.start_soon(self.task)

    async def stop(self) -> None:
        """Stop it."""
        self.group.cancel_scope.cancel()
        await self.group.__aexit__(None, None, None)


class AManager:
    """An async context manager that holds a task group open."""

    def __init__(self, task: Callable[[], Any], needs: Any = None) -> None:
        self.task = task

    async def __aenter__(self) -> str:
        self.group = anyio.create_task_group()
        await self.group.__aenter__()
        self.group.start_soon(self.task)
        return "it"

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> Any:
        self.group.cancel_scope.cancel()
        return await self.group.__aexit__(kind, error, trace)


GROUPS: list[Any] = [
    pytest.param(backend, component(holds, enter=holds is AManager) if holds is AManager else component(holds), id=name)  # type: ignore[call-overload]
    for backend, holds, name in [
        ("asyncio", in_anyio_group, "asyncio-anyio"),
        ("trio", in_anyio_group, "trio-anyio"),
        ("asyncio", in_asyncio_group, "asyncio-TaskGroup"),
        ("trio", in_nursery, "trio-nursery"),
        ("asyncio", InAClass, "asyncio-class"),
        ("trio", InAClass, "trio-class"),
        ("asyncio", AManager, "asyncio-manager"),
        ("trio", AManager, "trio-manager"),
    ]
]


@pytest.mark.parametrize(("backend", "make"), GROUPS)
def test_crash_in_a_group_held_open(backend: str, make: Any, log: Log) -> None:
    """A task that fails in a group that a component holds open is a crash: all is stopped, and the block ends with it."""
    events: list[Event] = []

    async def main() -> None:
        go = anyio.Event()

        async def task() -> None:
            await go.wait()
            raise Bomb("boom")

        with pytest.raises(CrashError) as caught:
            async with with_neighbours(log, lambda needs: make(task, needs)).started(observers=[events.append]) as live:
                events.clear()
                go.set()
                await forever()
        assert set(states(live).values()) == {"stopped"}
        [(id, signal, _)] = failures_of(caught.value)
        assert (id, signal) == ("a.it", "crash")
        assert [type(leaf).__name__ for leaf in leaves(caught.value)] == ["Bomb"]
        assert caught.value.live is live

    Backend(backend)(main)
    assert (events[0].id, events[0].signal) == (Id("a", "it"), "crash")
    assert (events[0].old, events[0].new) == ("running", "failed")
    assert events[0].error is not None
    assert sorted(log.take()[-3:]) == ["stop above", "stop below", "stop beside"]


def leaves(error: BaseException) -> Iterator[BaseException]:
    """What is at the bottom of groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


@pytest.mark.parametrize(("backend", "make"), GROUPS)
@pytest.mark.parametrize("on_crash", ["stop", "dependents", "keep"])
def test_crash_in_a_group_by_choice(backend: str, make: Any, log: Log, on_crash: Any) -> None:
    """By choice the crash stops everything, only what depends on it, or nothing; the scope is left in its own task."""

    async def main() -> None:
        go = anyio.Event()

        async def task() -> None:
            await go.wait()
            raise Bomb("boom")

        system = with_neighbours(log, lambda needs: make(task, needs)).override({"a.it.on_crash": on_crash})
        live = await system.astart()
        log.clear()
        go.set()
        expected = {
            "stop": {"below": "stopped", "it": "stopped", "above": "stopped", "beside": "stopped"},
            "dependents": {"below": "running", "it": "failed", "above": "stopped", "beside": "running"},
            "keep": {"below": "running", "it": "failed", "above": "running", "beside": "running"},
        }[on_crash]
        await until(lambda: states(live) == expected, lambda: str(states(live)))
        if on_crash != "stop":
            await live.arestart("a.it")
            await live.astart()
            assert set(states(live).values()) == {"running"}
            go.set()
        with suppress(StopError):
            await live.astop()
        await until(lambda: set(states(live).values()) == {"stopped"})

    Backend(backend)(main)


def test_crash_in_the_own_loop(log: Log) -> None:
    """From sync code the same: the system is stopped meanwhile, and the block ends with the error."""
    go = threading.Event()

    async def task() -> None:
        await anyio.to_thread.run_sync(go.wait, PATIENCE)
        raise Bomb("boom")

    make = component(in_anyio_group)
    with pytest.raises(CrashError) as caught, with_neighbours(log, lambda needs: make(task, needs)).started() as live:
        go.set()
        wait_for(lambda: set(states(live).values()) == {"stopped"})
    assert failures_of(caught.value)[0][:2] == ("a.it", "crash")


def test_scope_sees_the_crash(run: Backend) -> None:
    """What a component holds open is left with the error, so that its own clean-up is run, in its own task."""
    log: list[str] = []

    async def main() -> None:
        async def task() -> None:
            await go.wait()
            raise Bomb("boom")

        async def scope() -> AsyncIterator[None]:
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(task)
                    try:
                        yield
                    finally:
                        log.append("inner")
            except* Bomb:
                log.append("saw it")
                raise
            finally:
                log.append("outer")

        go = anyio.Event()
        with pytest.raises(CrashError):
            async with System({"a": {"it": component(scope)()}}).started():
                go.set()
                await forever()

    run(main)
    assert log == ["inner", "saw it", "outer"]


def test_scope_that_ends_by_itself(run: Backend) -> None:
    """A component whose scope swallows the crash has broken all the same: it does not run any more."""

    async def main() -> None:
        go = anyio.Event()

        async def task() -> None:
            await go.wait()
            raise Bomb("boom")

        async def scope() -> AsyncIterator[None]:
            with suppress(ExceptionGroup):
                async with anyio.create_task_group() as group:
                    group.start_soon(task)
                    yield

        with pytest.raises(CrashError):
            async with System({"a": {"it": component(scope)()}}).started():
                go.set()
                await forever()

    run(main)


# --- ctx.crash ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_crash", ["stop", "dependents", "keep"])
@pytest.mark.parametrize("where", ["task", "thread"])
def test_a_component_says_that_it_broke(run: Backend, log: Log, on_crash: Any, where: str) -> None:
    """`ctx.crash` may be called from any task or thread; what is stopped then is stopped as ever, the component included."""
    events: list[Event] = []

    async def main() -> None:
        live = await with_neighbours(log, crashing(log, on_crash=on_crash)).astart(observers=[events.append])
        log.clear()
        events.clear()
        crash = live["a.it"]
        if where == "task":
            crash(Bomb("boom"))
        else:
            await anyio.to_thread.run_sync(crash, Bomb("boom"))
        if on_crash == "stop":
            with pytest.raises(CrashError):
                await live.ajoin()
            assert set(states(live).values()) == {"stopped"}
            assert [line for line in log if line != "stop beside"] == ["stop above", "stop it", "stop below"]
        else:
            gone = "running" if on_crash == "keep" else "stopped"
            expected = {"below": "running", "it": "failed", "above": gone, "beside": "running"}
            await until(lambda: states(live) == expected)
            with suppress(CrashError):
                await live.astop()
            assert sorted(log) == ["stop above", "stop below", "stop beside", "stop it"]

    run(main)
    event = events[0]
    assert (str(event.id), event.signal, type(event.error)) == ("a.it", "crash", Bomb)
    assert (str(event.old), str(event.new)) == ("running", "failed")


def test_crash_without_a_loop(log: Log) -> None:
    """Sync components can break too, from threads of theirs: the system is stopped, and `join` says why."""

    def scope(needs: Any, ctx: Context = Context.here) -> Iterator[Callable[[BaseException], None]]:
        log.append("start it")
        yield ctx.crash
        log.append("stop it")

    system = System({"a": {"below": log.part("below", sync=True), "it": component(scope)(ref("a.below"))}})
    live = system.start()
    threading.Thread(target=live["a.it"], args=[Bomb("boom")]).start()
    with pytest.raises(CrashError) as caught:
        live.join(PATIENCE)
    assert failures_of(caught.value) == [("a.it", "crash", "Bomb")]
    assert log == ["start below", "start it", "stop it", "stop below"]


def test_error_that_a_component_broke_with_has_a_note(run: Backend, log: Log) -> None:
    """The error comes out as it is, with a note on the component."""
    error = Bomb("boom")

    async def main() -> None:
        with pytest.raises(CrashError) as caught:
            async with System({"a": {"it": crashing(log)()}}).started() as live:
                live["a.it"](error)
                await forever()
        assert caught.value.exceptions == (error,)
        assert "a.it" in "".join(error.__notes__)
        assert "a.it" in str(caught.value)
        assert "boom" in str(caught.value)
        assert isinstance(caught.value, RunError)

    run(main)


def test_crash_is_logged_where_nobody_watches(run: Backend, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """Without observers, a crash is an error in the log, with its traceback."""

    async def main() -> None:
        live = await System({"a": {"it": crashing(log, on_crash="keep")()}}).astart()
        live["a.it"](Bomb("boom"))
        await until(lambda: live.state("a.it") == "failed")
        await live.astop()

    with caplog.at_level(logging.ERROR, "mainspring"):
        run(main)
    assert "a.it" in caplog.text
    assert "boom" in caplog.text


def test_crash_of_what_is_stopped_already(run: Backend, log: Log) -> None:
    """A component that says that it broke when it has been stopped is not heard any more."""

    async def main() -> None:
        live = await System({"a": {"it": crashing(log)()}}).astart()
        crash = live["a.it"]
        await live.astop()
        crash(Bomb("late"))
        await anyio.wait_all_tasks_blocked()
        await live.ajoin()
        assert live.state("a.it") == "stopped"

    run(main)


def test_crash_twice(run: Backend, log: Log) -> None:
    """A component that says twice that it broke is stopped once; observers are told once that it failed."""
    events: list[Event] = []

    async def main() -> None:
        with pytest.raises(CrashError):
            async with System({"a": {"it": crashing(log)()}}).started(observers=[events.append]) as live:
                live["a.it"](Bomb("one"))
                live["a.it"](Bomb("two"))
                await forever()

    run(main)
    assert log == ["start it", "stop it"]
    assert [event.signal for event in events].count("crash") == 1


def test_two_crashes_at_once(run: Backend, log: Log) -> None:
    """When two components break at the same time, both errors come out, and all is stopped once."""

    async def main() -> None:
        go = anyio.Event()

        async def task() -> None:
            await go.wait()
            raise Bomb("boom")

        make = component(in_anyio_group)
        parts = {"x": make(task), "y": make(task), "z": log.part("z", ref("a.x"))}
        with pytest.raises(CrashError) as caught:
            async with System({"a": parts}).started():
                go.set()
                await forever()
        assert sorted(str(failure.id) for failure in caught.value.failures) == ["a.x", "a.y"]

    run(main)
    assert log == ["start z", "stop z"]


def test_crash_with_an_error_that_is_no_exception(run: Backend, log: Log) -> None:
    """A component can break with what is no `Exception`; what comes out is a `CrashError` all the same."""

    async def main() -> None:
        with pytest.raises(CrashError):
            async with System({"a": {"it": crashing(log)()}}).started() as live:
                live["a.it"](SystemExit(3))
                await forever()

    run(main)
    assert log == ["start it", "stop it"]


# --- During a request ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_crash", ["stop", "dependents"])
def test_crash_during_start(run: Backend, log: Log, on_crash: Any) -> None:
    """A component that breaks while others are still being started gives the start up: a `StartError` with the crash in it."""

    async def main() -> None:
        gate = Gate()
        parts = {"below": log.part("below"), "it": crashing(log, on_crash=on_crash)(ref("a.below"))}
        slow = component(gate.__call__)
        live = await System({"a": {**parts, "slow": slow(ref("a.it"))}}).astart([])
        caught: list[StartError] = []

        async def start() -> None:
            try:
                await live.astart()
            except StartError as error:
                caught.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(start)
            await gate.reached.wait()
            live["a.it"](Bomb("boom"))
        assert failures_of(caught[0]) == [("a.it", "crash", "Bomb")]
        assert gate.cancelled == 1
        assert log == ["start below", "start it", "stop it", "stop below"]
        assert live.state("a.it") == "stopped"
        await live.ajoin()

    run(main)


@pytest.mark.parametrize("is_needed", [False, True], ids=["alone", "needed"])
def test_crash_during_start_that_is_to_be_kept(run: Backend, log: Log, is_needed: bool) -> None:
    """A kept component that breaks does not give the start up, unless something that needs it has still to be started."""

    async def main() -> None:
        gate = Gate()
        needs = [ref("a.slow"), *([ref("a.it")] if is_needed else [])]
        parts: dict[str, Any] = {
            "it": crashing(log, on_crash="keep")(),
            "slow": component(gate.__call__)(),
            "above": Component(lambda needs: log.append("above"), config={"needs": needs}),
        }
        live = await System({"a": parts}).astart([])
        caught: list[StartError] = []

        async def start() -> None:
            try:
                await live.astart()
            except StartError as error:
                caught.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(start)
            await gate.reached.wait()
            live["a.it"](Bomb("boom"))
            gate.opened.set()
        if is_needed:
            assert failures_of(caught[0]) == [("a.it", "crash", "Bomb")]
            assert log == ["start it", "stop it"]
        else:
            assert caught == []
            assert [str(live.state(f"a.{name}")) for name in parts] == ["failed", "running", "running"]
            await live.astop()
            assert log == ["start it", "above", "stop it"]

    run(main)


def test_crash_in_a_group_during_start(run: Backend, log: Log) -> None:
    """A crash in a group held open, while others are still being started, gives the start up as well."""

    async def main() -> None:
        gate = Gate()

        async def task() -> None:
            await gate.reached.wait()
            raise Bomb("boom")

        parts = {"it": component(in_anyio_group)(task), "slow": component(gate.__call__)(ref("a.it"))}
        with pytest.raises(StartError) as caught:
            await System({"a": parts}).astart()
        assert [failure.signal for failure in caught.value.failures] == ["crash"]
        assert [type(leaf) for leaf in leaves(caught.value)] == [Bomb]
        assert gate.cancelled == 1

    run(main)


def test_crash_during_stop(run: Backend, log: Log) -> None:
    """A component that breaks while others are being stopped is stopped as ever, and its error comes out."""

    async def main() -> None:
        gate = Gate()
        parts = {
            "below": log.part("below"),
            "it": crashing(log)(ref("a.below")),
            "above": Component(lambda needs: None, gate, config={"needs": ref("a.it")}),
        }
        live = await System({"a": parts}).astart()
        log.clear()
        caught: list[BaseException] = []

        async def stop() -> None:
            try:
                await live.astop()
            except RunError as error:
                caught.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            await gate.reached.wait()
            live["a.it"](Bomb("boom"))
            await anyio.wait_all_tasks_blocked()
            gate.opened.set()
        assert log == ["stop it", "stop below"]
        assert live.state("a.it") == "stopped"
        with suppress(CrashError):
            await live.ajoin()

    run(main)


def test_crash_during_status(run: Backend, log: Log) -> None:
    """A component that breaks while another request runs: the request comes to its end, and then all is stopped."""

    async def main() -> None:
        gate = Gate()
        parts = {"it": crashing(log)(), "other": log.part("other", status=gate)}
        with pytest.raises(CrashError) as caught:
            async with System({"a": parts}).started() as live, anyio.create_task_group() as group:

                async def ask() -> None:
                    with suppress(RunError):
                        await live.astatus()

                group.start_soon(ask)
                await gate.reached.wait()
                live["a.it"](Bomb("boom"))
                await anyio.wait_all_tasks_blocked()
                gate.opened.set()
                await forever()
        assert failures_of(caught.value) == [("a.it", "crash", "Bomb")]
        assert live.state("a.it") == live.state("a.other") == "stopped"

    run(main)
    assert sorted(log) == ["start it", "start other", "stop it", "stop other"]


def test_crash_while_its_own_handler_runs(run: Backend) -> None:
    """A component whose group breaks while a handler of its own runs in the same task: the handler has failed, nobody waits."""

    async def main() -> None:
        gate = Gate()

        async def task() -> None:
            await gate.reached.wait()
            raise Bomb("boom")

        make = component(in_anyio_group, status=gate, on_crash="keep")
        live = await System({"a": {"it": make(task)}}).astart()
        with pytest.raises(RunError):
            await live.astatus()
        await until(lambda: live.state("a.it") == "failed")
        with suppress(RunError):
            await live.astop()
        assert live.state("a.it") == "stopped"

    run(main)


def test_crash_of_a_component_that_was_about_to_be_stopped(run: Backend) -> None:
    """A task that fails in the very moment in which its component is stopped makes the stop fail, and nobody waits."""

    async def main() -> None:
        async def task() -> None:
            try:
                await forever()
            finally:
                raise Bomb("at the end")

        live = await System({"a": {"it": component(in_anyio_group)(task)}}).astart()
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(StopError) as caught:
            await live.astop()
        assert [type(leaf) for leaf in leaves(caught.value)] == [Bomb]

    run(main)


def test_restart_of_what_is_kept(run: Backend, log: Log) -> None:
    """What broke and was kept can be restarted, and runs again."""

    async def main() -> None:
        async with with_neighbours(log, crashing(log, on_crash="keep")).started() as live:
            live["a.it"](Bomb("boom"))
            await until(lambda: live.state("a.it") == "failed")
            with pytest.raises(StateError, match=r"a\.it failed"):
                await live.astart()
            log.clear()
            await live.arestart("a.it")
            assert log == ["stop above", "stop it", "start it", "start above"]
            assert set(states(live).values()) == {"running"}

    run(main)


# --- What comes out of the block ----------------------------------------------------------------------------------------


def test_body_is_cancelled(run: Backend, log: Log) -> None:
    """An `async with` block is cancelled where it is; it can clean up, and what is around it goes on."""
    after: list[str] = []

    async def main() -> None:
        with pytest.raises(CrashError):
            async with System({"a": {"it": crashing(log)()}}).started() as live:
                live["a.it"](Bomb("boom"))
                try:
                    await forever()
                finally:
                    after.append("clean-up")
        await anyio.sleep(0)
        if run.name == "asyncio":
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()
        with anyio.move_on_after(PATIENCE) as scope:
            await anyio.sleep(0.001)
        assert not scope.cancelled_caught
        after.append("goes on")

    run(main)
    assert after == ["clean-up", "goes on"]


@pytest.mark.parametrize("on_crash", ["dependents", "keep"])
def test_body_is_not_cancelled_where_the_system_goes_on(run: Backend, log: Log, on_crash: Any) -> None:
    """Where the rest of the system goes on, so does the block; at its end there is an error, unless the crash was to be kept."""
    after: list[str] = []

    async def main() -> None:
        async with with_neighbours(log, crashing(log, on_crash=on_crash)).started() as live:
            live["a.it"](Bomb("boom"))
            await until(lambda: live.state("a.it") == "failed")
            await anyio.sleep(0.001)
            after.append("goes on")

    if on_crash == "keep":
        run(main)
    else:
        with pytest.raises(CrashError):
            run(main)
    assert after == ["goes on"]


def test_body_that_ends_at_the_same_time(run: Backend, log: Log) -> None:
    """A block that ends in the moment of the crash raises it too."""

    async def main() -> None:
        with pytest.raises(CrashError):
            async with System({"a": {"it": crashing(log)()}}).started() as live:
                live["a.it"](Bomb("boom"))

    run(main)
    assert log == ["start it", "stop it"]


def test_error_in_a_body_that_is_cancelled(run: Backend, log: Log) -> None:
    """A block that raises something else when it is cancelled ends with both: nothing is lost."""

    async def main() -> None:
        with pytest.raises((CrashError, ValueError)) as caught:
            async with System({"a": {"it": crashing(log)()}}).started() as live:
                live["a.it"](Bomb("boom"))
                try:
                    await forever()
                except run.cancelled:
                    raise ValueError("body") from None
        chain: list[BaseException | None] = [caught.value]
        while chain[-1] is not None:
            chain.append(chain[-1].__context__ or chain[-1].__cause__)
        shown = " ".join([str(error) for error in chain] + [n for e in chain for n in getattr(e, "__notes__", ())])
        assert "boom" in shown
        assert "body" in shown

    run(main)


def test_outer_cancellation_and_crash(run: Backend, log: Log) -> None:
    """A block that is cancelled from outside as well ends with that cancellation: it is not swallowed."""

    async def main() -> None:
        with anyio.CancelScope() as scope:
            with suppress(CrashError):
                async with System({"a": {"it": crashing(log)()}}).started() as live:
                    live["a.it"](Bomb("boom"))
                    scope.cancel()
                    await forever()
            await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught

    run(main)
    assert log == ["start it", "stop it"]


def test_native_cancellation_and_crash() -> None:
    """On asyncio, a `task.cancel` beside the crash comes out of the task."""
    log = Log()

    async def body() -> None:
        async with System({"a": {"it": crashing(log)()}}).started() as live:
            live["a.it"](Bomb("boom"))
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await forever()

    async def main() -> None:
        task = asyncio.ensure_future(body())
        with pytest.raises((asyncio.CancelledError, CrashError)):
            await task

    Backend("asyncio")(main)
    assert log == ["start it", "stop it"]


def test_crash_in_a_with_block(log: Log) -> None:
    """A `with` block is not broken off; it ends with the error, and the system is stopped meanwhile."""
    with pytest.raises(CrashError) as caught, with_neighbours(log, crashing(log)).started() as live:
        live["a.it"](Bomb("boom"))
        wait_for(lambda: set(states(live).values()) == {"stopped"})
    assert failures_of(caught.value) == [("a.it", "crash", "Bomb")]
    assert sorted(log[-4:]) == ["stop above", "stop below", "stop beside", "stop it"]


def test_error_in_the_body_of_a_with_block(log: Log) -> None:
    """Where the block itself fails, nothing of the two errors is lost."""
    with (
        pytest.raises((CrashError, ValueError)) as caught,
        System({"a": {"it": crashing(log)()}}).started() as live,
    ):
        live["a.it"](Bomb("boom"))
        wait_for(lambda: live.state("a.it") == "stopped")
        raise ValueError("body")
    assert {type(caught.value), type(caught.value.__context__)} == {CrashError, ValueError}


# --- join ---------------------------------------------------------------------------------------------------------------


def test_ajoin_waits_until_somebody_stops(run: Backend, log: Log) -> None:
    """`ajoin` waits until nothing runs any more, whoever stops it, and however many wait."""

    async def main() -> None:
        live = await System({"a": {"x": log.part("x")}}).astart()
        joined: list[int] = []

        async def wait(n: int) -> None:
            await live.ajoin()
            joined.append(n)

        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(wait, n)
            await anyio.wait_all_tasks_blocked()
            assert joined == []
            await live.astop()
        assert sorted(joined) == [0, 1, 2]
        await live.ajoin()

    run(main)


def test_ajoin_can_be_cancelled(run: Backend, log: Log) -> None:
    """Who waits in `ajoin` can be cancelled, and the system runs on."""

    async def main() -> None:
        async with System({"a": {"x": log.part("x")}}).started() as live:
            with anyio.move_on_after(0.01) as scope:
                await live.ajoin()
            assert scope.cancelled_caught
            assert live.state("a.x") == "running"

    run(main)


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_join_waits_until_somebody_stops(log: Log, kind: str) -> None:
    """`join` does the same for a thread, for as long as it is told."""
    live = System({"a": {"x": log.part("x", sync=kind == "sync")}}).start()
    assert live.join(0) is False
    assert live.join(0.001) is False
    joined: list[bool] = []
    thread = threading.Thread(target=lambda: joined.append(live.join(PATIENCE)))
    thread.start()
    live.stop()
    thread.join(PATIENCE)
    assert joined == [True]
    assert live.join() is True


def test_join_from_a_thread_while_a_loop_runs_the_system(run: Backend, log: Log) -> None:
    """`join` in a thread waits for a system that a loop runs, and raises what it broke with."""

    async def main() -> None:
        live = await System({"a": {"it": crashing(log)()}}).astart()
        caught: list[CrashError] = []

        def join() -> None:
            try:
                live.join(PATIENCE)
            except CrashError as error:
                caught.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, join)
            await anyio.wait_all_tasks_blocked()
            live["a.it"](Bomb("boom"))
        assert failures_of(caught[0]) == [("a.it", "crash", "Bomb")]

    run(main)


def test_join_of_what_was_never_started() -> None:
    """`join` on a system in which nothing runs returns at once."""
    assert System({"a": {"x": Component(dict)}}).start([]).join() is True


def test_crash_of_an_earlier_start_is_forgotten(run: Backend, log: Log) -> None:
    """A crash is told of once: after a new start it has nothing to do with what runs then."""

    async def main() -> None:
        live = await System({"a": {"it": crashing(log)()}}).astart()
        live["a.it"](Bomb("boom"))
        await until(lambda: live.state("a.it") == "stopped")
        await live.astart()
        await live.astop()
        await live.ajoin()

    run(main)


def test_stop_that_fails_after_a_crash(run: Backend, log: Log) -> None:
    """Where the stop after a crash fails as well, both errors come out."""

    async def main() -> None:
        async def stop(it: Any) -> None:
            raise ValueError("stop failed")

        above: Any = Component(lambda needs: None, stop, config={"needs": ref("a.it")})
        live = await System({"a": {"it": crashing(log)(), "above": above}}).astart()
        live["a.it"](Bomb("boom"))
        with pytest.raises(CrashError) as caught:
            await live.ajoin()
        assert sorted(failures_of(caught.value)) == [("a.above", "stop", "ValueError"), ("a.it", "crash", "Bomb")]
        assert log == ["start it", "stop it"]

    run(main)


def test_broken_observer_keeps_nothing_from_being_stopped(run: Backend, log: Log) -> None:
    """An observer that fails when it is told of a crash is dropped, and the crash is dealt with."""

    def observer(event: Event) -> None:
        if event.signal == "crash":
            raise ValueError("observer")

    async def main() -> None:
        with pytest.raises(CrashError):
            async with System({"a": {"it": crashing(log)()}}).started(observers=[observer]) as live:
                live["a.it"](Bomb("boom"))
                await forever()

    run(main)
    assert log == ["start it", "stop it"]


def test_crash_on_a_worker_thread(run: Backend, log: Log) -> None:
    """A sync component with a thread of its own breaks from inside that thread."""
    gate = ThreadGate()

    def scope(ctx: Context = Context.here) -> Iterator[None]:
        def loop() -> None:
            gate()
            ctx.crash(Bomb("boom"))

        thread = threading.Thread(target=loop)
        thread.start()
        yield
        thread.join(PATIENCE)
        log.append("stop it")

    async def main() -> None:
        with pytest.raises(CrashError):
            async with System({"a": {"it": component(scope, thread="own")()}}).started():
                gate.opened.set()
                await forever()

    run(main)
    assert log == ["stop it"]


@pytest.mark.parametrize("choice", ["restart", 3], ids=str)
def test_choices_that_there_are_not(choice: Any) -> None:
    """Another choice for `on_crash` is an error where it is written."""
    with pytest.raises(Exception, match="on_crash"):
        Component(dict, on_crash=choice)
