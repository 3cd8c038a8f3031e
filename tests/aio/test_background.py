"""Background components: a loop or a coroutine that runs from start to stop, in a thread or a task."""

# ruff: noqa: PT012 - it is the end of the block around a system that raises
from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from contextlib import suppress
from typing import Any

import anyio
import pytest
from aio_helpers import PATIENCE, SHORT, Backend, Gate, Log, ThreadGate, forever, patiently, until, wait_for

from mainspring import (
    BadComponent,
    Component,
    Context,
    CrashError,
    DeadlineExceeded,
    StartError,
    StateError,
    StopError,
    System,
    background,
    component,
    ref,
)

KINDS = ("task", "thread")


def listener(kind: str, log: list[str], **slots: Any) -> Any:
    """A background component that runs until it hears that it is to stop."""

    async def task(name: str, needs: Any = None, ctx: Context = Context.here) -> None:
        log.append(f"begin {name}")
        await ctx.stopping
        log.append(f"end {name}")

    def thread(name: str, needs: Any = None, ctx: Context = Context.here) -> None:
        log.append(f"begin {name}")
        assert ctx.stopping.wait(PATIENCE)
        log.append(f"end {name}")

    return background(**slots)(task if kind == "task" else thread)


# --- Life ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_runs_from_start_to_stop(run: Backend, log: Log, kind: str) -> None:
    """A background component runs while the system does, hears that it is to stop, and is awaited."""
    make = listener(kind, log)

    async def main() -> None:
        async with System({"a": {"it": make("it")}}).started() as live:
            await until(lambda: log == ["begin it"])
            assert live.state("a.it") == "running"
        assert log == ["begin it", "end it"]

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_runs_from_sync_code(log: Log, kind: str) -> None:
    """The same from sync code."""
    make = listener(kind, log)
    with System({"a": {"it": make("it")}}).started():
        wait_for(lambda: log == ["begin it"])
    assert log == ["begin it", "end it"]


def test_coroutine_that_does_not_listen_is_cancelled(run: Backend) -> None:
    """A coroutine function that asks for no context is cancelled at stop, and can clean up."""
    log: list[str] = []

    async def main() -> None:
        begun = anyio.Event()

        @background
        async def loop() -> None:
            begun.set()
            try:
                await forever()
            finally:
                log.append("clean-up")

        async with System({"a": {"it": loop()}}).started():
            await begun.wait()
        assert log == ["clean-up"]

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_in_order(run: Backend, log: Log, kind: str) -> None:
    """It starts after what it needs and stops before it; what needs it, the other way round."""
    make = listener(kind, log, ready=False)
    parts = {"below": log.part("below"), "it": make("it", ref("a.below")), "above": log.part("above", ref("a.it"))}

    async def main() -> None:
        async with System({"a": parts}).started():
            await until(lambda: "begin it" in log)
        assert log[0] == "start below"
        assert log[-3:] == ["stop above", "end it", "stop below"]

    run(main)


def test_consumer_of_a_queue(run: Backend) -> None:
    """As one writes it: a worker in a thread takes from a queue, and has emptied it before the stop is done."""
    done: list[int] = []

    @background
    def worker(jobs: queue.Queue[int], ctx: Context = Context.here) -> None:
        while not (ctx.stopping and jobs.empty()):
            with suppress(queue.Empty):
                done.append(jobs.get(timeout=0.001))

    async def main() -> None:
        system = System({"a": {"jobs": Component(queue.Queue), "worker": worker(ref("a.jobs"))}})
        async with system.started() as live:
            for n in range(100):
                live["a.jobs"].put(n)
        assert done == list(range(100))

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_function_that_ends_by_itself(run: Backend, kind: str) -> None:
    """A function that returns has come to its end, and nothing happens; what others see has its result."""

    async def task() -> int:
        return 42

    def thread(ctx: Context = Context.here) -> int:
        return 42

    make = background(task if kind == "task" else thread)

    async def main() -> None:
        async with System({"a": {"it": make()}}).started() as live:
            await until(lambda: not live["a.it"].is_running)
            assert live["a.it"].result == 42
            assert live.state("a.it") == "running"

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_restart_runs_it_anew(run: Backend, log: Log, kind: str) -> None:
    """A restart ends the run and begins another one."""
    make = listener(kind, log)

    async def main() -> None:
        async with System({"a": {"it": make("it")}}).started() as live:
            await until(lambda: log == ["begin it"])
            await live.arestart()
            await until(lambda: len(log) == 3)
        assert log == ["begin it", "end it"] * 2

    run(main)


def test_context_variables(run: Backend) -> None:
    """It sees the context variables with which it was started."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    @background
    async def task() -> None:
        seen.append(variable.get())

    @background
    def thread(ctx: Context = Context.here) -> None:
        seen.append(variable.get())

    async def main() -> None:
        variable.set("set")
        async with System({"a": {"task": task(), "thread": thread()}}).started():
            await until(lambda: len(seen) == 2)

    run(main)
    assert seen == ["set", "set"]


# --- Ready --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_start_waits_until_it_is_ready(run: Backend, kind: str) -> None:
    """With `ready=True` the start is done when the function says so, and others see what it gives."""

    async def main() -> None:
        gate, thread_gate = Gate(), ThreadGate()

        async def task(ctx: Context = Context.here) -> None:
            await gate()
            ctx.ready("instance")
            await ctx.stopping

        def thread(ctx: Context = Context.here) -> None:
            thread_gate()
            ctx.ready("instance")
            ctx.stopping.wait(PATIENCE)

        make: Any = background(ready=True)(task if kind == "task" else thread)
        user: Any = Component(dict, config={"it": ref("a.it")})
        system = System({"a": {"it": make(), "user": user}}, workers=2)
        live = await system.astart([])
        async with anyio.create_task_group() as group:
            group.start_soon(live.astart)
            await (
                gate.reached.wait() if kind == "task" else anyio.to_thread.run_sync(thread_gate.reached.wait, PATIENCE)
            )
            await anyio.wait_all_tasks_blocked()
            assert live.state("a.it") == "starting"
            assert live.state("a.user") == "defined"
            gate.opened.set()
            thread_gate.opened.set()
        assert live["a.user"]["it"] == live["a.it"] == "instance"
        await live.astop()

    run(main)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["raises", "returns"])
def test_end_before_it_is_ready(run: Backend, log: Log, kind: str, how: str) -> None:
    """A function that ends before it is ready is a failed start: with its error, or with one that says so."""

    def thread(needs: Any, ctx: Context = Context.here) -> None:
        if how == "raises":
            raise ValueError("no")

    async def task(needs: Any, ctx: Context = Context.here) -> None:
        thread(needs)

    make: Any = background(ready=True)(task if kind == "task" else thread)

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"a": {"below": log.part("below"), "it": make(ref("a.below"))}}).astart()
        [error] = caught.value.exceptions
        leaf = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        assert type(leaf) is (ValueError if how == "raises" else StateError)
        assert how == "raises" or "ready" in str(leaf)

    run(main)
    assert log == ["start below", "stop below"]


@pytest.mark.parametrize("kind", KINDS)
def test_start_that_is_cancelled_before_it_is_ready(run: Backend, log: Log, kind: str) -> None:
    """A start that is given up before the function is ready ends the function."""
    make = listener(kind, log, ready=True)

    async def main() -> None:
        live = await System({"a": {"it": make("it")}}, workers=1).astart([])
        async with anyio.create_task_group() as group:
            group.start_soon(live.astart)
            await until(lambda: log == ["begin it"])
            group.cancel_scope.cancel()
        assert live.state("a.it") == "stopped"

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_never_ready(run: Backend, log: Log, kind: str) -> None:
    """A function that is never ready fails the start at its deadline, and hears that it is to stop."""
    make = listener(kind, log, ready=True, deadlines={"start": SHORT})

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"a": {"it": make("it")}}).astart()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert "ctx.stopping" in "".join(error.__notes__)

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_ready_where_nobody_waits(run: Backend, kind: str) -> None:
    """To say that it is ready where nobody waits for that is an error that says what to write."""
    caught: list[str] = []

    def thread(ctx: Context = Context.here) -> None:
        try:
            ctx.ready()
        except StateError as error:
            caught.append(str(error))

    async def task(ctx: Context = Context.here) -> None:
        thread(ctx)

    async def main() -> None:
        make = background(task if kind == "task" else thread)
        async with System({"a": {"it": make()}}).started():
            await until(lambda: caught)

    run(main)
    assert "ready=True" in caught[0]


# --- Crashes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("on_crash", ["stop", "dependents", "keep"])
def test_function_that_raises_has_crashed(run: Backend, log: Log, kind: str, on_crash: Any) -> None:
    """A function that raises is a crash, with what follows from it by choice."""

    async def main() -> None:
        gate, thread_gate = Gate(), ThreadGate()

        @background(on_crash=on_crash)
        async def task() -> None:
            await gate()
            raise ValueError("boom")

        @background(on_crash=on_crash)
        def thread(ctx: Context = Context.here) -> None:
            thread_gate()
            raise ValueError("boom")

        make: Any = task if kind == "task" else thread
        parts = {"below": log.part("below"), "it": make(), "above": log.part("above", ref("a.it"))}
        live = await System({"a": parts}).astart()
        gate.opened.set()
        thread_gate.opened.set()
        expected = {
            "stop": ["stopped", "stopped", "stopped"],
            "dependents": ["running", "failed", "stopped"],
            "keep": ["running", "failed", "running"],
        }[on_crash]
        await until(lambda: [str(live.state(f"a.{name}")) for name in parts] == expected)
        await live.astop()
        if on_crash == "keep":
            await live.ajoin()
        else:
            with pytest.raises(CrashError) as caught:
                await live.ajoin()
            assert "boom" in "".join(map(str, caught.value.exceptions)) or isinstance(
                caught.value.exceptions[0], ExceptionGroup
            )

    run(main)


def test_crash_from_sync_code() -> None:
    """From sync code the block ends with the error."""
    go = threading.Event()

    @background
    def thread(ctx: Context = Context.here) -> None:
        assert go.wait(PATIENCE)
        raise ValueError("boom")

    with pytest.raises(CrashError), System({"a": {"it": thread()}}).started() as live:
        go.set()
        wait_for(lambda: live.state("a.it") == "stopped")


@pytest.mark.parametrize("kind", KINDS)
def test_error_while_it_stops(run: Backend, kind: str) -> None:
    """A function that raises when it is to stop is a failed stop."""

    async def main() -> None:
        @background
        async def task(ctx: Context = Context.here) -> None:
            await ctx.stopping
            raise ValueError("at the end")

        @background
        def thread(ctx: Context = Context.here) -> None:
            ctx.stopping.wait(PATIENCE)
            raise ValueError("at the end")

        live = await System({"a": {"it": (task if kind == "task" else thread)()}}).astart()
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(StopError) as caught:
            await live.astop()
        [error] = caught.value.exceptions
        leaf = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        assert str(leaf) == "at the end"

    run(main)


# --- Stop past its deadline ---------------------------------------------------------------------------------------------


def test_task_that_does_not_end_is_cancelled_at_the_deadline(run: Backend, log: Log) -> None:
    """A coroutine that hears that it is to stop and goes on is cancelled at the deadline of its stop."""

    async def main() -> None:
        gate = Gate()

        @background(deadlines={"stop": SHORT})
        async def task(ctx: Context = Context.here) -> None:
            await gate()

        live = await System({"a": {"below": log.part("below"), "it": task()}}).astart()
        await gate.reached.wait()
        with pytest.raises(StopError) as caught:
            await live.astop()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert not error.abandoned
        assert "await gate()" in "".join(error.__notes__)
        assert gate.cancelled == 1
        assert log == ["start below", "stop below"]

    run(main)


def test_thread_that_does_not_end_is_abandoned(run: Backend, log: Log) -> None:
    """A thread that does not end is abandoned at the deadline of its stop; the error says where it hangs."""

    async def main() -> None:
        gate = ThreadGate()

        @background(deadlines={"stop": SHORT})
        def thread(ctx: Context = Context.here) -> None:
            gate()

        live = await System({"a": {"below": log.part("below"), "it": thread()}}).astart()
        with pytest.raises(StopError) as caught:
            await live.astop()
        [error] = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        assert error.abandoned
        assert "gate()" in "".join(error.__notes__)
        assert live.state("a.it") == "abandoned"
        assert log == ["start below", "stop below"]
        gate.opened.set()

    run(main)


# --- Stopping -----------------------------------------------------------------------------------------------------------


def test_stopping_in_a_task(run: Backend) -> None:
    """In a task `stopping` can be looked at and awaited; to wait for it as in a thread is an error that says so."""
    seen: list[Any] = []

    async def main() -> None:
        @background
        async def task(ctx: Context = Context.here) -> None:
            seen.extend([bool(ctx.stopping), ctx.stopping.is_set()])
            with pytest.raises(StateError, match=r"await ctx\.stopping"):
                ctx.stopping.wait(1)
            await ctx.stopping
            seen.extend([bool(ctx.stopping), ctx.stopping.is_set()])
            await ctx.stopping

        async with System({"a": {"it": task()}}).started():
            await until(lambda: seen)

    run(main)
    assert seen == [False, False, True, True]


def test_stopping_in_a_thread() -> None:
    """In a thread `stopping` can be looked at and waited for; to await it is an error that says so."""
    seen: list[Any] = []

    @background
    def thread(ctx: Context = Context.here) -> None:
        seen.extend([bool(ctx.stopping), ctx.stopping.is_set(), ctx.stopping.wait(0)])
        with pytest.raises(StateError, match=r"ctx\.stopping\.wait"):
            ctx.stopping.__await__()
        seen.append(ctx.stopping.wait(PATIENCE))
        seen.extend([bool(ctx.stopping), ctx.stopping.is_set(), ctx.stopping.wait(0)])

    with System({"a": {"it": thread()}}).started():
        wait_for(lambda: len(seen) >= 3)
    assert seen == [False, False, False, True, True, True, True]


def test_no_stopping_elsewhere() -> None:
    """The context of an ordinary component has nothing to wait for, and cannot say that it is ready."""
    seen: list[Any] = []

    def start(ctx: Context = Context.here) -> None:
        seen.append(ctx.stopping)
        with pytest.raises(StateError, match="background"):
            ctx.ready()

    with System({"a": {"x": Component(start)}}).started():
        pass
    assert seen == [None]


# --- As definitions -----------------------------------------------------------------------------------------------------


def test_called_like_the_function() -> None:
    """It takes the function's parameters, without the context; wrong ones are an error where they are written."""

    @background
    async def task(size: int, *, name: str = "n") -> None:
        """Doc."""

    definition = task(3, name="m")
    assert definition.config == {"size": 3, "name": "m"}
    assert task.__doc__ == "Doc."
    anything: Any = task
    for args, named in (((), {}), ((3,), {"nam": "m"}), ((1, 2), {})):
        with pytest.raises(TypeError):
            anything(*args, **named)


def test_more_handlers(run: Backend, log: Log) -> None:
    """Further handlers are attached as to any component; they get what others see."""

    @background
    async def task() -> None:
        await forever()

    @task.status
    def status(it: Any) -> bool:
        return bool(it.is_running)

    async def main() -> None:
        async with System({"a": {"it": task()}}).started() as live:
            with patiently():
                assert await live.astatus() == {("a", "it"): True}

    run(main)


def thread_without_context() -> None:
    """A function that could not hear that it is to stop."""


async def task_without_context() -> None:
    """A function that could not say that it is ready."""


def a_generator() -> Any:
    """A generator function."""
    yield 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: background(thread_without_context),
        lambda: background(ready=True)(task_without_context),
        lambda: background(a_generator),
        lambda: background(3),  # type: ignore[call-overload]
        lambda: background(component(thread_without_context)),
        lambda: background(stopp=3),  # type: ignore[call-overload]
    ],
    ids=["thread without context", "ready without context", "generator", "number", "component", "slot"],
)
def test_what_cannot_run_in_the_background(wrong: Any) -> None:
    """What could not hear that it is to stop, or say that it is ready, or is no function, is an error where it is written."""
    with pytest.raises((BadComponent, TypeError)):
        wrong()


def test_task_of_the_event_loop_has_a_name() -> None:
    """The task of a background component has its id as its name."""
    names: list[str] = []

    @background
    async def task() -> None:
        current = asyncio.current_task()
        assert current is not None
        names.append(current.get_name())

    with System({"a": {"it": task()}}).started():
        wait_for(lambda: names)
    assert names == ["a.it"]
