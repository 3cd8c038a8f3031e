"""Wrappers around async handlers, and coroutine functions as wrappers."""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
from aio_helpers import PATIENCE, SHORT, Backend, Gate, Log, Meeting, forever, patiently
from hypothesis import given
from hypothesis import strategies as st

from mainspring import (
    Component,
    Context,
    CrashError,
    DeadlineExceeded,
    HandlerCall,
    Id,
    Retry,
    RunError,
    StartError,
    StateError,
    StopError,
    System,
    background,
    component,
    ref,
)
from mainspring._engine.wrap import Wrapping
from mainspring.wrappers import logged, retried, timed

Wrap = Callable[[HandlerCall], Any]


def through_steps(call: HandlerCall) -> Generator[None, Any, Any]:
    """A generator function that changes nothing."""
    return (yield)


def through_function(call: HandlerCall) -> Any:
    """A function that changes nothing."""
    return call()


async def through_coroutine(call: HandlerCall) -> Any:
    """A coroutine function that changes nothing."""
    return await call()


class Through:
    """An object that changes nothing, with a coroutine for its call."""

    async def __call__(self, call: HandlerCall) -> Any:
        """Awaits the handler."""
        return await call()


BARE: dict[str, Wrap] = {
    "steps": through_steps, "function": through_function, "coroutine": through_coroutine, "object": Through(),
}  # fmt: skip
each_form = pytest.mark.parametrize("bare", BARE.values(), ids=BARE)


def one(part: Any, **options: Any) -> System:
    """A system of one component."""
    return System({"a": {"it": part}}, **options)


def task_here() -> object:
    """The task that is running."""
    return trio.lowlevel.current_task() if trio.lowlevel.in_trio_run() else asyncio.current_task()


# --- What a wrapper sees and does -----------------------------------------------------------------------------------------


@each_form
def test_every_handler_call_goes_through_it(run: Backend, log: Log, bare: Wrap) -> None:
    """A wrapper of any form goes around sync and async handlers alike, and sees the outcome that was awaited."""
    seen: list[str] = []

    def note(call: HandlerCall) -> Generator[None, Any, Any]:
        outcome = yield
        seen.append(f"{call.id.name} {call.handler} = {outcome!r}, {'async' if call.is_async else 'sync'}")
        return outcome

    async def status(instance: str) -> str:
        await anyio.lowlevel.checkpoint()
        return "fine"

    async def start() -> str:
        await anyio.lowlevel.checkpoint()
        return "made"

    system = System(
        {
            "a": {
                "x": log.part("x", status=status, resolve=lambda instance: "shown", pre={"start": log.anote("pre")}),
                "y": Component(start, stop=log.note("stop y")),
            }
        }
    )

    async def main() -> None:
        async with system.wrap(note).wrap(bare).started() as live:
            assert (live["a.x"], live["a.y"]) == ("shown", "made")
            assert await live.astatus() == {("a", "x"): "fine"}

    run(main)
    assert sorted(seen) == [
        "x pre start: handler = None, async", "x resolve = 'shown', sync", "x start = 'x', async",
        "x status = 'fine', async", "x stop = None, async", "y start = 'made', async", "y stop = None, sync",
    ]  # fmt: skip


def test_coroutine_function_makes_handlers_async(run: Backend, log: Log) -> None:
    """Around sync handlers too a coroutine function awaits the call, and may await anything else."""
    calls: list[bool] = []

    async def slowly(call: HandlerCall) -> Any:
        await anyio.lowlevel.checkpoint()
        calls.append(call.is_async)
        result = await call()
        await anyio.lowlevel.checkpoint()
        return result

    system = System({"a": {"x": log.part("x", sync=True), "y": Component(dict, stop=dict.clear, status=len)}}).wrap(
        slowly
    )

    async def main() -> None:
        async with system.started() as live:
            assert await live.astatus() == {("a", "y"): 0}

    run(main)
    assert calls == [True] * 5
    with system.started() as live:
        assert live["a.x"] == "x"
    assert log == ["start x", "stop x"] * 2


@pytest.mark.parametrize("form", ["steps", "coroutine"])
def test_waits_hold_up_nobody(run: Backend, log: Log, form: str) -> None:
    """While a wrapper waits, other components are started: the one for which it waits, too."""
    opened: list[bool] = []

    def steps(call: HandlerCall) -> Generator[float | None, Any, Any]:
        while not opened:
            yield 0.001
        return (yield None)

    async def coroutine(call: HandlerCall) -> Any:
        while not opened:
            await anyio.sleep(0.001)
        return await call()

    async def opens() -> None:
        await anyio.sleep(0.005)
        opened.append(True)

    system = System({"a": {"waits": log.part("waits"), "opens": Component(opens)}})

    async def main() -> None:
        async with system.wrap(steps if form == "steps" else coroutine, "a.waits").started():
            assert opened

    run(main)


def test_wrapped_handlers_run_together(run: Backend) -> None:
    """Wrapped handlers that do not need each other still run at the same time."""

    async def main() -> None:
        meeting = Meeting(3)
        parts = {name: Component(meeting) for name in "xyz"}
        async with System({"a": parts}).wrap(through_steps).wrap(through_coroutine).started() as live:
            assert live["a.x"] == "met"

    run(main)


def test_function_may_await(run: Backend, log: Log) -> None:
    """A function around an async handler may give something of its own that is awaited."""

    def function(call: HandlerCall) -> Any:
        async def twice() -> Any:
            return await call() * 2

        return twice() if call.handler == "start" else call()

    async def main() -> None:
        async with one(log.part("x")).wrap(function).started() as live:
            assert live["a.it"] == "xx"

    run(main)
    assert log == ["start x", "stop x"]


def test_function_may_give_any_awaitable(log: Log) -> None:
    """What a function gives around an async handler is awaited, whatever it is: a task too."""

    def function(call: HandlerCall) -> Any:
        return asyncio.ensure_future(call())

    async def start() -> str:
        return "made"

    async def main() -> None:
        async with one(Component(start)).wrap(function).started() as live:
            assert live["a.it"] == "made"

    asyncio.run(main())


def test_instead(run: Backend, log: Log) -> None:
    """A wrapper that does not run the handler replaces it; what was never entered is not left."""

    async def instead(call: HandlerCall) -> str:
        return f"instead of {call.handler}"

    async def main() -> None:
        for wrapper in (instead, lambda call: f"instead of {call.handler}"):
            async with one(log.part("x")).wrap(wrapper).started() as live:
                assert live["a.it"] == "instead of start"
            async with one(log.part("x")).wrap(wrapper, signals=["start"]).started():
                pass
            async with one(Component(list, stop=log.anote("stop"))).wrap(wrapper).started() as live:
                pass
            assert live.report["a.it"].result == "instead of stop"

    run(main)
    assert log == []


@each_form
def test_repeated_scope_begins_anew(run: Backend, log: Log, bare: Wrap) -> None:
    """A start that failed is run again, in the same task: a new generator."""
    tries = [OSError("one"), OSError("two")]
    tasks: list[object] = []

    async def scope() -> AsyncIterator[str]:
        tasks.append(task_here())
        log.append("begin")
        if tries:
            raise tries.pop(0)
        async with anyio.create_task_group() as group:
            group.start_soon(forever)
            yield "up"
            group.cancel_scope.cancel()
        tasks.append(task_here())
        log.append("end")

    system = one(component(scope)()).wrap(bare).wrap(retried(3, OSError, wait=0.001)).wrap(bare)

    async def main() -> None:
        async with system.started() as live:
            assert live["a.it"] == "up"

    run(main)
    assert log == ["begin", "begin", "begin", "end"]
    assert len(set(tasks)) == 1


def test_second_half_of_a_scope_runs_once(run: Backend, log: Log) -> None:
    """The stop of an async scope cannot be run twice either."""

    async def twice(call: HandlerCall) -> Any:
        if call.handler == "stop":
            await call()
        return await call()

    async def main() -> None:
        live = await one(log.part("x")).wrap(twice).astart()
        with pytest.raises(StopError) as caught:
            await live.astop()
        assert [type(error) for error in caught.value.exceptions] == [StateError]

    run(main)
    assert log == ["start x", "stop x"]


# --- One task, one component ----------------------------------------------------------------------------------------------


class Holder:
    """A class that holds a task group open from its start to its stop."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def start(self) -> None:
        """Open it."""
        self.task = task_here()
        self.group = await anyio.create_task_group().__aenter__()
        self.group.start_soon(forever)
        self.log.append("start it")

    async def stop(self) -> None:
        """Close it."""
        assert self.task is task_here()
        self.group.cancel_scope.cancel()
        try:
            await self.group.__aexit__(None, None, None)
        finally:
            self.log.append("stop it")


def holders(log: Log) -> dict[str, Component[Any]]:
    """Components that have to be left in the task in which they were entered."""

    async def scope() -> AsyncIterator[str]:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(forever)
                log.append("start it")
                yield "it"
                group.cancel_scope.cancel()
        finally:
            log.append("stop it")

    manager = contextlib.asynccontextmanager(scope)
    return {
        "scope": component(scope)(),
        "class": component(Holder)(log),
        "manager": component(manager, enter=True)(),
        "manager in disguise": Component(scope=lambda: manager()),
    }


each_holder = pytest.mark.parametrize("kind", holders(Log()))


@each_form
@each_holder
def test_entered_and_left_in_one_task(run: Backend, log: Log, kind: str, bare: Wrap) -> None:
    """A wrapped component is entered and left in one task, its own, with a task group open in between."""
    system = one(holders(log)[kind]).wrap(bare).wrap(through_steps)

    async def main() -> None:
        async with system.started():
            await anyio.sleep(0)

    run(main)
    assert log.take() == ["start it", "stop it"]
    if kind != "manager in disguise":
        with system.started():
            pass
        assert log == ["start it", "stop it"]


@each_form
@each_holder
def test_crash_is_thrown_into_the_scope(run: Backend, log: Log, kind: str, bare: Wrap) -> None:
    """A component that breaks by itself is left with its error, as without a wrapper; its stop is not called."""

    async def main(system: System) -> list[str]:
        with pytest.raises(CrashError) as caught, patiently():
            async with system.started():
                await anyio.sleep(PATIENCE)
        return [type(error).__name__ for error in caught.value.exceptions]

    async def scope() -> AsyncIterator[str]:
        async def breaks() -> None:
            raise OSError("broke")

        async with anyio.create_task_group() as group:
            try:
                group.start_soon(breaks)
                yield "it"
            finally:
                log.append("left")

    part = component(scope)() if kind == "scope" else component(contextlib.asynccontextmanager(scope), enter=True)()
    alone = run(main, one(part))
    assert run(main, one(part).wrap(bare).wrap(through_steps)) == alone
    assert log == ["left", "left"]


@each_form
def test_crash_that_is_swallowed(run: Backend, log: Log, bare: Wrap) -> None:
    """A scope that ends well though its task group broke is told of as without a wrapper."""

    async def breaks() -> None:
        raise OSError("broke")

    async def scope() -> AsyncIterator[str]:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(breaks)
                yield "it"
        except* OSError:
            log.append("swallowed")

    async def main(system: System) -> list[str]:
        with pytest.raises(CrashError) as caught, patiently():
            async with system.started():
                await anyio.sleep(PATIENCE)
        return [repr(error) for error in caught.value.exceptions]

    part = component(scope)()
    assert run(main, one(part).wrap(bare)) == run(main, one(part))
    assert log == ["swallowed", "swallowed"]


def test_scopes_are_left_when_the_loop_ends(run: Backend, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """What still runs when its event loop ends is left all the same: a sync scope that was made async as well."""

    def fails() -> Iterator[None]:
        yield
        log.append("fails")
        raise ValueError("left badly")

    async def instead(call: HandlerCall) -> str:
        return "instead"

    parts = {"x": log.part("x", sync=True), "y": log.part("y", tags=["not"]), "fails": component(fails)()}

    async def main() -> None:
        await System({"a": parts}).wrap(through_coroutine).wrap(instead, "tag:not").astart()

    run(main, leaves=True)
    assert sorted(log) == ["fails", "start x", "stop x"]
    assert len(caplog.records) == 3


@pytest.mark.parametrize("ready", [True, False])
@each_form
def test_background(run: Backend, log: Log, bare: Wrap, ready: bool) -> None:
    """A background coroutine is started, told to stop and awaited as without a wrapper."""

    @background(ready=ready)
    async def loop(ctx: Context = Context.here) -> None:
        if ready:
            ctx.ready("up")
        await ctx.stopping
        log.append("ended")

    async def main() -> None:
        async with one(loop()).wrap(bare).started() as live:
            assert live.state("a.it") == "running"
            assert ready is (live["a.it"] == "up")
            await anyio.sleep(0.001)

    run(main)
    assert log == ["ended"]


# --- Cancellation and deadlines -------------------------------------------------------------------------------------------


@each_form
def test_cancelled_start(run: Backend, log: Log, bare: Wrap) -> None:
    """A wrapped start that hangs is cancelled when another fails."""

    async def main() -> None:
        gate = Gate()

        async def fails() -> None:
            await gate.reached.wait()
            raise OSError("no")

        with pytest.raises(StartError) as caught, patiently():
            await System({"a": {"hangs": Component(gate), "fails": Component(fails)}}).wrap(bare).astart()
        assert [str(failure.id) for failure in caught.value.failures] == ["a.fails"]
        assert gate.cancelled == 1

    run(main)


def test_cancelled_wait(run: Backend, log: Log) -> None:
    """A wrapper that waits is cancelled, and the handler it is around is not run."""

    async def main() -> None:
        waiting = anyio.Event()

        def waits(call: HandlerCall) -> Generator[float | None, Any, Any]:
            waiting.set()
            yield PATIENCE * 10
            return (yield None)

        async with anyio.create_task_group() as group:
            group.start_soon(one(log.part("x")).wrap(waits).astart)
            await waiting.wait()
            group.cancel_scope.cancel()

    run(main)
    assert log == []


async def hang_here() -> None:
    """Hangs, in a frame that can be looked for."""
    await forever()


@pytest.mark.parametrize("kind", ["scope", "function", "manager"])
@each_form
def test_deadline_shows_where_the_handler_hung(run: Backend, bare: Wrap, kind: str) -> None:
    """A wrapped handler past its deadline is cancelled, and the error shows where it hung."""

    async def scope() -> AsyncIterator[None]:
        await hang_here()
        yield

    async def main() -> None:
        part: Component[Any]
        if kind == "manager":
            part = Component(scope=contextlib.asynccontextmanager(scope), deadlines=SHORT)
        else:
            part = Component(scope if kind == "scope" else hang_here, deadlines=SHORT)
        with pytest.raises(StartError) as caught, patiently():
            await one(part).wrap(bare).wrap(through_steps).astart()
        (error,) = caught.value.exceptions
        assert isinstance(error, DeadlineExceeded)
        shown = "\n".join(error.__notes__)
        assert "It hung here" in shown
        assert kind == "manager" or "await forever()" in shown

    run(main)


def test_deadline_shows_where_the_stop_hung(run: Backend) -> None:
    """So is the second half of a scope."""

    async def scope() -> AsyncIterator[None]:
        yield
        await hang_here()

    async def main() -> None:
        live = await one(Component(scope, deadlines={"stop": SHORT})).wrap(through_steps).astart()
        with pytest.raises(StopError) as caught, patiently():
            await live.astop()
        assert "await forever()" in "\n".join(caught.value.exceptions[0].__notes__)

    run(main)


# --- Nothing half-done ----------------------------------------------------------------------------------------------------


def parts(log: Log) -> dict[str, Component[Any]]:
    """Components that have to be stopped."""

    async def start() -> str:
        log.append("start it")
        return "it"

    async def stop(instance: str, ctx: Context = Context.here) -> None:
        await anyio.lowlevel.checkpoint()
        log.append(f"{ctx.handler} {ctx.instance}")

    return {
        **holders(log),
        "functions": Component(start, stop=stop),
        "async start": Component(start, stop=log.note("stop it")),
        "async stop": Component(lambda: log.append("start it") or "it", stop=stop),
        "coroutine in disguise": Component(lambda: start(), stop=lambda instance: log.anote("stop it")(instance)),
        "sync scope": component(_sync_scope)(log),
    }


def _sync_scope(log: Log) -> Iterator[str]:
    log.append("start it")
    yield "it"
    log.append("stop it")


each_part = pytest.mark.parametrize("kind", parts(Log()))


def fails_after_steps(call: HandlerCall) -> Generator[None, Any, Any]:
    """Fails when the handler has succeeded."""
    result = yield
    if call.handler == "start":
        raise ValueError("after")
    return result


async def fails_after(call: HandlerCall) -> Any:
    """The same as a coroutine function."""
    result = await call()
    if call.handler == "start":
        raise ValueError("after")
    return result


@each_part
@pytest.mark.parametrize("wrapper", [fails_after_steps, fails_after])
def test_what_a_failing_wrapper_leaves_is_stopped(run: Backend, log: Log, kind: str, wrapper: Wrap) -> None:
    """A wrapper that fails when the start has succeeded does not leave behind what was started."""

    async def main() -> None:
        with pytest.raises(StartError, match="ValueError: after"), patiently():
            await one(parts(log)[kind]).wrap(wrapper).astart()

    run(main)
    assert log == ["start it", "stop it"]


@each_part
@each_form
def test_what_a_repeated_start_made_before_is_stopped(run: Backend, log: Log, kind: str, bare: Wrap) -> None:
    """A start that is run again when it has succeeded does not leave behind what it made the first time."""

    def twice(call: HandlerCall) -> Generator[None, Any, Any]:
        if call.handler == "start":
            yield
        return (yield)

    async def main() -> None:
        async with one(parts(log)[kind]).wrap(bare).wrap(twice).started():
            assert log.take() == ["start it", "stop it", "start it"]

    run(main)
    assert log == ["stop it"]


@each_part
def test_failing_wrapper_keeps_nothing_from_being_stopped(run: Backend, log: Log, kind: str) -> None:
    """A wrapper that fails before it has run the stop fails, and the component is stopped all the same."""

    async def fails_before(call: HandlerCall) -> Any:
        if call.handler == "stop":
            raise ValueError("before")
        return await call()

    def fails_before_steps(call: HandlerCall) -> Generator[None, Any, Any]:
        if call.handler == "stop":
            raise ValueError("before")
        return (yield)

    async def main() -> None:
        for wrapper in (fails_before, fails_before_steps):
            live = await one(parts(log)[kind]).wrap(wrapper).astart()
            with pytest.raises(StopError, match="ValueError: before"), patiently():
                await live.astop()
            assert log.take() == ["start it", "stop it"]

    run(main)


@each_part
def test_wrapper_cancelled_after_the_start(run: Backend, log: Log, kind: str) -> None:
    """A wrapper that is cancelled when the start has succeeded does not leave behind what was started."""

    async def main() -> None:
        waiting = anyio.Event()

        async def waits(call: HandlerCall) -> Any:
            result = await call()
            if call.handler == "start":
                waiting.set()
                await forever()
            return result

        async with anyio.create_task_group() as group:
            group.start_soon(one(parts(log)[kind]).wrap(waits).astart)
            await waiting.wait()
            group.cancel_scope.cancel()

    run(main)
    assert log == ["start it", "stop it"]


def test_taken_back_under_a_shield(run: Backend, log: Log) -> None:
    """What a cancelled wrapper leaves is stopped by an async stop to its end, though all around is cancelled."""

    async def start() -> str:
        return "it"

    async def stop(instance: str) -> None:
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        log.append("stopped")

    async def main() -> None:
        waiting = anyio.Event()

        def waits(call: HandlerCall) -> Generator[float | None, Any, Any]:
            yield None
            waiting.set()
            yield PATIENCE * 10

        async with anyio.create_task_group() as group:
            group.start_soon(one(Component(start, stop=stop)).wrap(waits, signals=["start"]).astart)
            await waiting.wait()
            group.cancel_scope.cancel()

    run(main)
    assert log == ["stopped"]


# --- What only turns out to be async --------------------------------------------------------------------------------------


def test_what_is_no_scope(run: Backend) -> None:
    """A scope that gives nothing to be entered, sync or async, is told of as without a wrapper."""

    async def nothing() -> int:
        return 3

    async def main() -> None:
        scopes: list[Any] = [nothing, lambda: 3]
        for scope in scopes:
            told = []
            for system in (one(Component(scope=scope)), one(Component(scope=scope)).wrap(through_coroutine)):
                with pytest.raises(StartError) as caught:
                    await system.astart()
                told.append(str(caught.value))
            assert told[0] == told[1]

    run(main)


def test_call_that_is_closed() -> None:
    """A call that nobody awaits any more, because its event loop is gone, ends where it is, and so does the wrapper."""
    log: list[str] = []

    @types.coroutine
    def suspend() -> Generator[None, Any, None]:
        yield

    async def start() -> str:
        try:
            await suspend()
        finally:
            log.append("start closed")
        return "made"

    def note(call: HandlerCall) -> Generator[None, Any, Any]:
        try:
            return (yield)
        finally:
            log.append("wrapper closed")

    context = Context(Id("a", "it"), "start", "start", {}, None, None)
    spec = Component(start, stop=log.append)._spec
    for wrapper in (note, logged()):
        spec = Wrapping(wrapper).around(spec)
    coroutine = spec.start(_mainspring_context=context)
    coroutine.send(None)
    coroutine.close()
    assert log == ["start closed", "wrapper closed"]


@pytest.mark.filterwarnings("error")
def test_refused_where_there_is_no_event_loop(log: Log) -> None:
    """What turns out to be async where nothing can be awaited is refused as without a wrapper, and never begun."""

    async def start() -> str:
        raise AssertionError("never begun")

    for part in (Component(lambda: start()), Component(scope=lambda: contextlib.asynccontextmanager(log._async)("x"))):
        for wrapper in (through_steps, through_function):
            with pytest.raises(StartError, match="of which nothing has been run"):
                one(part).wrap(wrapper).start()
    assert log == []


def test_stop_in_disguise(run: Backend, log: Log) -> None:
    """A sync scope whose wrapper gives something to be awaited is left in a task."""

    def function(call: HandlerCall) -> Any:
        async def later() -> None:
            await anyio.lowlevel.checkpoint()
            call()

        return later() if call.handler == "stop" else call()

    async def main() -> None:
        system = System({"a": {"x": log.part("x", sync=True), "y": log.part("y")}}).wrap(function, "a.x")
        for wrapped in (system, system.wrap(through_steps)):
            async with wrapped.started():
                pass
            assert sorted(log.take()) == ["start x", "start y", "stop x", "stop y"]

    run(main)


# --- Ready-made -------------------------------------------------------------------------------------------------------------


def test_ready_made_around_async_handlers(run: Backend, log: Log) -> None:
    """`logged`, `timed` and `retried` go around async handlers."""
    tries = [OSError("one")]

    async def start() -> str:
        await anyio.lowlevel.checkpoint()
        if tries:
            raise tries.pop()
        return "up"

    async def main() -> None:
        async with one(Component(start)).wrap(retried(2, wait=0)).wrap(timed).wrap(logged()).started() as live:
            assert live["a.it"] == "up"
            assert live.meta("a.it")["timing"]["start"]["calls"] == 1

    run(main)


# --- Every form of component, and whole systems -----------------------------------------------------------------------------


class Fault(Exception):
    """What a handler raises that is told to."""


class Manager:
    """An async context manager, whose end says something."""

    def __init__(self, start: Callable[[], Awaitable[Any]], stop: Callable[[], Awaitable[Any]]) -> None:
        self.start, self.stop = start, stop

    async def __aenter__(self) -> Any:
        return await self.start()

    async def __aexit__(self, *error: Any) -> bool:
        await self.stop()
        return error == (None, None, None)


FORMS = (
    "scope",
    "functions",
    "start",
    "stop",
    "class",
    "manager",
    "asynccontextmanager",
    "disguise",
    "sync",
    "sync manager",
)


def part_of(form: str, start: Any, stop: Any, config: dict[str, Any], slots: dict[str, Any]) -> Component[Any]:
    """A component of some form, of two functions that write down that they were called; the first is told its config."""

    async def astart(**config: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return (start(), *config.values())

    async def astop(*_: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return stop()

    async def scope(**config: Any) -> AsyncIterator[Any]:
        async with anyio.create_task_group() as group:
            group.start_soon(forever)
            try:
                yield await astart(**config)
                await astop()
            finally:
                group.cancel_scope.cancel()

    def sync_scope(**config: Any) -> Iterator[Any]:
        yield (start(), *config.values())
        stop()

    class Thing:
        def __init__(self, **config: Any) -> None:
            self.config = config

        async def start(self) -> None:
            await astart()

        async def stop(self, ctx: Context = Context.here) -> Any:
            return await astop()

    slots = {**slots, "config": config}
    if form == "functions":
        return Component(astart, stop=astop, **slots)
    if form == "start":
        return Component(astart, stop=stop, **slots)
    if form == "stop":
        return Component(lambda **config: (start(), *config.values()), stop=astop, **slots)
    if form == "class":
        return component(Thing)().replace(**slots)
    if form == "manager":
        return Component(scope=lambda **config: Manager(lambda: astart(**config), astop), **slots)
    if form == "asynccontextmanager":
        return Component(scope=contextlib.asynccontextmanager(scope), **slots)
    if form == "disguise":
        return Component(lambda **config: astart(**config), stop=lambda instance: astop(), **slots)
    if form == "sync manager":
        return Component(scope=contextlib.contextmanager(sync_scope), **slots)
    return Component(scope=scope if form == "scope" else sync_scope, **slots)


async def life(system: System, log: Log) -> list[Any]:
    """Everything that can be seen of a system: from its start to its end, and what it wrote meanwhile."""
    seen: list[Any] = []
    live = None
    try:
        live = await system.astart()
        seen.append({str(id): _comparable(live[id]) for id in system})
    except RunError as error:
        seen.append(_told(error))
    if live is not None:
        for verb in (live.astatus, live.astop):
            try:
                await verb()
                seen.append("well")
            except RunError as error:
                seen.append(_told(error))
            outcomes = live.report.items()
            seen.append({str(id): (o.state, o.result, o.attempts, o.called) for id, o in outcomes})
    seen.append(log.take())
    return seen


def _comparable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    return value if isinstance(value, str | int | None) else type(value).__qualname__


def _told(error: RunError) -> Any:
    leaves = [repr(failure.error) for failure in error.failures]
    return (str(error), [(str(f.id), f.signal, f.handler) for f in error.failures], leaves)


@each_form
@pytest.mark.parametrize("fails", ["nothing", "start", "stop"])
@pytest.mark.parametrize("form", FORMS)
def test_bare_wrapper_changes_nothing(run: Backend, log: Log, form: str, fails: str, bare: Wrap) -> None:
    """Around a component of any form, a wrapper that does nothing changes nothing that can be seen, nor do two."""

    def act(name: str) -> Callable[..., Any]:
        def handler(*_: Any) -> str:
            log.append(name)
            if name == fails:
                raise Fault(name)
            return name

        return handler

    part = part_of(form, act("start"), act("stop"), {}, {"status": act("status")})

    async def main() -> None:
        system = one(part)
        alone = await life(system, log)
        assert await life(system.wrap(bare), log) == alone
        assert await life(system.wrap(bare).wrap(through_coroutine), log) == alone
        assert await life(system.wrap(bare, signals=["stop"]), log) == alone

    run(main)


@st.composite
def systems(draw: st.DrawFn) -> tuple[Log, System]:
    """A small system of components of all forms, some of which fail; one handler is called at a time."""
    log = Log()

    def acts(name: str, result: Any = None) -> Callable[..., Any]:
        fails = draw(st.integers(0, 9)) == 0

        def handler(*_: Any) -> Any:
            log.append(name)
            if fails:
                raise Fault(name)
            return result

        return handler

    def either(handler: Callable[..., Any]) -> Callable[..., Any]:
        async def awaited(*_: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            return handler()

        return awaited if draw(st.booleans()) else handler

    groups: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
    made: list[str] = []
    for n in range(draw(st.integers(1, 5))):
        group, form = draw(st.sampled_from(["a", "b"])), draw(st.sampled_from(FORMS))
        needs = draw(st.lists(st.sampled_from(made), max_size=2, unique=True)) if made else []
        name = f"p{n}"
        slots: dict[str, Any] = {}
        if draw(st.booleans()):
            slots["status"] = either(acts(f"status {name}", n))
        if draw(st.booleans()):
            slots["pre"] = {"start": either(acts(f"pre {name}")), "stop": either(acts(f"pre stop {name}"))}
            slots["post"] = {"start": either(acts(f"post {name}")), "stop": either(acts(f"post stop {name}"))}
        if draw(st.booleans()):
            slots["resolve"] = either(acts(f"resolve {name}", f"{name}!"))
        if draw(st.integers(0, 4)) == 0:
            slots["retry"] = Retry(2, wait=0)
        config = {f"need{i}": ref(need) for i, need in enumerate(needs)}
        start, stop = acts(f"start {name}", name), acts(f"stop {name}", draw(st.sampled_from([None, "bye"])))
        groups[group][name] = part_of(form, start, stop, config, slots)
        made.append(f"{group}.{name}")
    return log, System(groups, limits=1)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(systems(), st.lists(st.sampled_from(list(BARE.values())), min_size=1, max_size=3))
def test_bare_wrappers_around_whole_systems(backend: str, case: tuple[Log, System], wrappers: list[Wrap]) -> None:
    """Whatever a system is made of and whatever fails in it, bare wrappers change nothing that can be seen."""
    log, system = case
    wrapped = system
    for wrapper in wrappers:
        wrapped = wrapped.wrap(wrapper)

    async def main() -> None:
        with patiently():
            alone = await life(system, log)
            assert await life(wrapped, log) == alone

    anyio.run(main, backend=backend)
