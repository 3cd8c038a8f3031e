"""One task, one component: entered and left in its own task, out of reach of what is cancelled around the caller."""

# ruff: noqa: PT012 - it is the end of the block around a system that raises
from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.abc
import pytest
import trio
from aio_helpers import PATIENCE, Backend, Gate, Log, Meeting, forever, patiently, until

from mainspring import CrashError, Live, StartError, System, component, ref


def current_task() -> object:
    """The task that is running, on either backend."""
    return trio.lowlevel.current_task() if trio.lowlevel.in_trio_run() else asyncio.current_task()


class Tasks(list[tuple[str, object]]):
    """In which task each part of a component was called."""

    def part(self, name: str, *needs: Any, **slots: Any) -> Any:
        """An async generator that notes its tasks."""

        async def scope(needs: Any) -> AsyncIterator[str]:
            self.append((f"start {name}", current_task()))
            await anyio.lowlevel.checkpoint()
            yield name
            await anyio.lowlevel.checkpoint()
            self.append((f"stop {name}", current_task()))

        return component(scope, **slots)(list(needs))

    def of(self, name: str) -> set[object]:
        """The tasks of one component."""
        return {task for line, task in self if line.endswith(name)}


# --- Which task ---------------------------------------------------------------------------------------------------------


def test_start_and_stop_in_one_task(run: Backend) -> None:
    """A scope is entered and left in one and the same task, which is nobody else's."""
    tasks = Tasks()
    system = System({"a": {"x": tasks.part("x"), "y": tasks.part("y", ref("a.x"))}})

    async def main() -> None:
        async with system.started():
            pass
        assert len(tasks) == 4
        assert len(tasks.of("x")) == len(tasks.of("y")) == 1
        assert tasks.of("x") != tasks.of("y")
        assert current_task() not in tasks.of("x") | tasks.of("y")

    run(main)


def test_every_handler_of_a_scope_in_its_task(run: Backend) -> None:
    """The other async handlers of a scope are called in its task too."""
    tasks: list[object] = []

    async def note(*_: Any) -> None:
        tasks.append(current_task())

    async def scope() -> AsyncIterator[None]:
        await note()
        yield
        await note()

    make = component(
        scope, status=note, suspend=note, resume=note, resolve=note, post={"start": note}, pre={"stop": note}
    )

    async def main() -> None:
        async with System({"a": {"x": make()}}).started() as live:
            await live.astatus()
            await live.asuspend()
            await live.aresume()

    run(main)
    assert len(tasks) == 8
    assert len(set(tasks)) == 1


def test_class_in_one_task(run: Backend) -> None:
    """A class with async start and stop is handled in one task too, because it may hold something open."""
    tasks: list[object] = []

    class Server:
        async def start(self) -> None:
            self.scope = anyio.CancelScope()
            self.scope.__enter__()
            tasks.append(current_task())

        async def stop(self) -> None:
            tasks.append(current_task())
            self.scope.__exit__(None, None, None)

    async def main() -> None:
        async with System({"a": {"x": component(Server)(), "y": component(Server)()}}).started():
            pass

    run(main)
    assert len(set(tasks)) == 2


def test_a_new_task_after_a_restart(run: Backend) -> None:
    """After a restart a component has another task, and that one from start to stop."""
    tasks = Tasks()

    async def main() -> None:
        live = await System({"a": {"x": tasks.part("x")}}).astart()
        await live.arestart()
        await live.astop()

    run(main)
    first, second, third, fourth = (task for _, task in tasks)
    assert first == second != third == fourth


def test_from_any_task(run: Backend) -> None:
    """Started in one task, asked in a second and stopped in a third: the component sees only its own."""
    tasks = Tasks()
    lives: list[Live] = []
    system = System({"a": {"x": tasks.part("x"), "y": tasks.part("y")}})

    async def start() -> None:
        lives.append(await system.astart())

    async def main() -> None:
        for step in (start, lambda: lives[0].arestart("a.y"), lambda: lives[0].astop()):
            async with anyio.create_task_group() as tg:
                tg.start_soon(step)

    run(main)
    assert len(tasks.of("x")) == 1
    assert len(tasks.of("y")) == 2


def test_a_generator_that_is_stopped_by_a_thread(run: Backend) -> None:
    """A stop from another thread leaves the scope in its own task too."""
    tasks = Tasks()

    async def main() -> None:
        live = await System({"a": {"x": tasks.part("x")}}).astart()
        await anyio.to_thread.run_sync(live.stop)

    run(main)
    assert len(tasks) == 2
    assert len(tasks.of("x")) == 1


def test_in_the_own_loop_in_one_task() -> None:
    """From sync code it is the same: each scope has one task, whatever thread asks."""
    tasks = Tasks()
    live = System({"a": {"x": tasks.part("x")}}).start()
    thread = threading.Thread(target=live.stop)
    thread.start()
    thread.join(PATIENCE)
    assert len(tasks) == 2
    assert len(tasks.of("x")) == 1


# --- Held open across the yield -----------------------------------------------------------------------------------------


async def with_anyio_group(run_in_it: Callable[..., Any], needs: Any = None) -> AsyncIterator[anyio.abc.TaskGroup]:
    """A component that holds a task group of AnyIO open."""
    async with anyio.create_task_group() as group:
        group.start_soon(run_in_it)
        yield group
        group.cancel_scope.cancel()


async def with_asyncio_group(run_in_it: Callable[..., Any], needs: Any = None) -> AsyncIterator[asyncio.TaskGroup]:
    """A component that holds a task group of asyncio open."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_in_it())
        yield group
        task.cancel()


async def with_nursery(run_in_it: Callable[..., Any], needs: Any = None) -> AsyncIterator[trio.Nursery]:
    """A component that holds a nursery of trio open."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_in_it)
        yield nursery
        nursery.cancel_scope.cancel()


async def with_cancel_scope(run_in_it: Callable[..., Any], needs: Any = None) -> AsyncIterator[anyio.CancelScope]:
    """A component that holds a cancel scope open."""
    with anyio.CancelScope() as scope:
        yield scope


async def with_deadline(run_in_it: Callable[..., Any], needs: Any = None) -> AsyncIterator[Any]:
    """A component that holds a scope with a deadline open."""
    with anyio.fail_after(PATIENCE) as scope:
        yield scope


async def with_asyncio_timeout(run_in_it: Callable[..., Any], needs: Any = None) -> AsyncIterator[Any]:
    """A component that holds a timeout of asyncio open."""
    async with asyncio.timeout(PATIENCE) as timeout:
        yield timeout


HELD = [
    ("asyncio", with_anyio_group),
    ("trio", with_anyio_group),
    ("asyncio", with_asyncio_group),
    ("trio", with_nursery),
    ("asyncio", with_cancel_scope),
    ("trio", with_cancel_scope),
    ("asyncio", with_deadline),
    ("trio", with_deadline),
    ("asyncio", with_asyncio_timeout),
]


def held(function: Any) -> Any:
    """As a parameter."""
    return pytest.mark.parametrize(
        ("backend", "holds"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1].__name__}") for pair in HELD]
    )(function)


@held
def test_held_open_with_concurrent_start_and_stop(backend: str, holds: Any) -> None:
    """What is held open across the `yield` is left properly, though many start and stop at the same time."""
    make = component(holds)
    parts = {f"c{n}": make(forever, ref(f"a.c{n - 2}") if n > 1 else None) for n in range(10)}

    async def main() -> None:
        async with System({"a": parts}).started() as live:
            assert live["a.c3"] is not live["a.c4"]
            await live.arestart("a.c4")

    Backend(backend)(main)


@held
def test_held_open_from_any_task(backend: str, holds: Any) -> None:
    """So it is when start and stop are asked for in different tasks, each inside of scopes of its own."""
    make = component(holds)
    system = System({"a": {"x": make(forever), "y": make(forever, ref("a.x"))}})
    lives: list[Live] = []

    async def start() -> None:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group():
                lives.append(await system.astart())

    async def stop() -> None:
        with anyio.CancelScope():
            await lives[0].astop()

    async def main() -> None:
        for step in (start, stop):
            async with anyio.create_task_group() as group:
                group.start_soon(step)

    Backend(backend)(main)


@held
def test_held_open_in_several_systems_at_once(backend: str, holds: Any) -> None:
    """So it is when several systems in one loop start and stop at the same time, in no order that nests."""
    make = component(holds)

    async def main() -> None:
        everyone = Meeting(6)

        async def one(n: int) -> None:
            live = await System({"a": {"x": make(forever), "y": make(forever)}}).astart()
            await everyone()
            for _ in range((n * 5) % 7):
                await anyio.lowlevel.checkpoint()
            await live.astop()

        async with anyio.create_task_group() as group:
            for n in range(6):
                group.start_soon(one, n)

    Backend(backend)(main)


def test_held_open_in_the_own_loop() -> None:
    """So it is from sync code."""
    for holds in (with_anyio_group, with_asyncio_group, with_cancel_scope, with_asyncio_timeout):
        make: Any = component(holds)
        with System({"a": {"x": make(forever), "y": make(forever, ref("a.x"))}}).started() as live:
            live.restart("a.y")
        assert live.state("a.x") == "stopped"


@held
def test_start_that_fails_while_others_hold_something_open(backend: str, holds: Any) -> None:
    """A failing start leaves what the others hold open, in their own tasks."""

    async def fails(needs: Any) -> None:
        raise ValueError("no")

    parts = {
        "x": component(holds)(forever),
        "y": component(holds)(forever, ref("a.x")),
        "z": component(fails)(ref("a.y")),
    }

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"a": parts}).astart()
        assert [str(error) for error in caught.value.exceptions] == ["no"]

    Backend(backend)(main)


def test_tasks_of_a_group_run_while_the_system_does(run: Backend) -> None:
    """The tasks in a group that a component holds open go on between requests."""

    async def main() -> None:
        count = 0
        hundred = anyio.Event()

        async def loop() -> None:
            nonlocal count
            while True:
                count += 1
                if count == 100:
                    hundred.set()
                await anyio.lowlevel.checkpoint()

        async with System({"a": {"x": component(with_anyio_group)(loop)}}).started():
            await hundred.wait()

    run(main)


# --- Context variables --------------------------------------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.parametrize("form", ["generator", "function"])
def test_context_variables_of_the_start(run: Backend, form: str) -> None:
    """Every handler of a component sees the context variables with which it was started, whoever asks later."""
    seen: list[str] = []

    async def note(*_: Any) -> str:
        await anyio.lowlevel.checkpoint()
        seen.append(variable.get())
        return "it"

    async def scope() -> AsyncIterator[str]:
        yield await note()
        await note()

    make: Any = component(scope, status=note) if form == "generator" else component(note, stop=note, status=note)

    async def main() -> None:
        variable.set("before")
        live = await System({"a": {"x": make(), "before": make()}}).astart("a.before")
        assert seen.pop() == "before"
        variable.set("start")
        await live.astart("a.x")
        variable.set("later")
        await live.astatus("a.x")
        await live.astop("a.x")
        assert seen == ["start", "start", "start"]
        await live.astop()

    run(main)


@pytest.mark.parametrize("form", ["generator", "function"])
def test_context_variables_are_a_components_own(run: Backend, form: str) -> None:
    """What a component sets is seen by its own later handlers, and by nobody else."""
    seen: list[str] = []

    async def scope(name: str, needs: Any = None) -> AsyncIterator[None]:
        seen.append(variable.get())
        variable.set(name)
        yield
        seen.append(variable.get())

    async def start(name: str, needs: Any = None) -> None:
        seen.append(variable.get())
        variable.set(name)

    async def stop(it: None) -> None:
        seen.append(variable.get())

    make: Any = component(scope) if form == "generator" else component(start, stop=stop)

    async def main() -> None:
        async with System({"a": {"x": make("x"), "y": make("y", ref("a.x"))}}).started():
            assert variable.get() == "unset"

    run(main)
    assert seen == ["unset", "unset", "y", "x"]


def test_context_variables_from_sync_code() -> None:
    """In an own loop a component sees the context variables of whoever started it."""
    seen: list[str] = []

    async def scope() -> AsyncIterator[None]:
        seen.append(variable.get())
        yield
        seen.append(variable.get())

    def sync() -> None:
        variable.set("start")
        live = System({"a": {"x": component(scope)()}}).start()
        variable.set("later")
        live.stop()

    contextvars.copy_context().run(sync)
    assert seen == ["start", "start"]


# --- Shielded -----------------------------------------------------------------------------------------------------------


def test_scopes_around_the_caller_do_not_reach_components(run: Backend) -> None:
    """A cancelled scope around the block cancels the block, and not what components are doing in their tasks."""
    log: list[str] = []

    async def main() -> None:
        async def task() -> None:
            try:
                await forever()
            except BaseException:
                log.append("task cancelled")
                raise

        async def scope() -> AsyncIterator[None]:
            async with anyio.create_task_group() as group:
                group.start_soon(task)
                yield
                await anyio.sleep(0.001)
                log.append("stopping")
                group.cancel_scope.cancel()

        with anyio.CancelScope() as around:
            async with System({"a": {"x": component(scope)()}}).started():
                around.cancel()
                await anyio.sleep(PATIENCE)
        assert around.cancelled_caught

    run(main)
    assert log == ["stopping", "task cancelled"]


def test_stop_awaits_in_a_cancelled_scope(run: Backend, log: Log) -> None:
    """Handlers of a stop can await, though the scope around the caller was cancelled long before."""

    async def main() -> None:
        live = await System({"a": {"x": log.part("x", pre={"stop": log.anote("pre")})}}).astart()
        with anyio.CancelScope() as around:
            around.cancel()
            await live.astop()
        assert live.state("a.x") == "stopped"

    run(main)
    assert log == ["start x", "pre", "stop x"]


def test_deadline_around_the_start_ends_with_the_start(run: Backend) -> None:
    """A time-out around `astart` has nothing to do with what runs after it."""

    async def main() -> None:
        with anyio.CancelScope() as around:
            live = await System({"a": {"x": component(with_anyio_group)(forever)}}).astart()
        around.cancel()
        await anyio.wait_all_tasks_blocked()
        assert live.state("a.x") == "running"
        await live.astop()

    run(main)


# --- As fixtures use it -------------------------------------------------------------------------------------------------


def test_entered_in_one_task_and_left_in_another(run: Backend, log: Log) -> None:
    """On asyncio a block may be entered in one task and left in another, as fixtures of tests are; on trio, `astart` may."""

    async def main() -> None:
        system = System({"a": {"x": log.part("x"), "y": component(with_anyio_group)(forever, ref("a.x"))}})
        started = system.started()
        lives: list[Live] = []

        async def enter() -> None:
            lives.append(await (started.__aenter__() if run.name == "asyncio" else system.astart()))

        async def leave() -> None:
            if run.name == "asyncio":
                await started.__aexit__(None, None, None)
            else:
                await lives[0].astop()

        async with anyio.create_task_group() as group:
            group.start_soon(enter)
        assert lives[0]["a.x"] == "x"
        async with anyio.create_task_group() as group:
            group.start_soon(leave)
        assert log == ["start x", "stop x"]

    run(main)


def test_in_an_async_fixture(run: Backend, log: Log) -> None:
    """As an async generator fixture: closed by whoever runs the tests, from another task if need be, with a system inside."""

    async def fixture() -> AsyncIterator[Live]:
        live = await System({"a": {"x": log.part("x")}}).astart()
        yield live
        await live.astop()

    async def main() -> None:
        it = fixture()

        async def advance() -> None:
            with pytest.raises(StopAsyncIteration):
                await anext(it)

        live = await anext(it)
        assert live["a.x"] == "x"
        async with anyio.create_task_group() as group:
            group.start_soon(advance)

    run(main)
    assert log == ["start x", "stop x"]


def test_blocks_that_overlap(run: Backend, log: Log) -> None:
    """Systems can be stopped in another order than the reverse of their starts."""

    async def main() -> None:
        lives = [await System({"a": {"x": component(with_anyio_group)(forever)}}).astart() for _ in range(3)]
        for live in lives:
            await live.astop()

    run(main)


# --- What reaches a component's own task --------------------------------------------------------------------------------


def test_scope_that_a_component_cancels_itself(run: Backend) -> None:
    """A component whose own cancel scope is cancelled while it runs has broken by itself."""

    async def main() -> None:
        left = anyio.Event()

        async def scope() -> AsyncIterator[anyio.CancelScope]:
            with anyio.CancelScope() as it:
                try:
                    yield it
                finally:
                    left.set()

        with pytest.raises(CrashError):
            async with System({"a": {"x": component(scope)()}}).started() as live:
                live["a.x"].cancel()
                with patiently():
                    await left.wait()
                    await live.ajoin()

    run(main)


def test_task_of_a_component_that_is_cancelled_from_outside() -> None:
    """On asyncio, whoever cancels a component's task has broken the component: its scope is left, and it is failed."""
    log: list[str] = []

    async def scope() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log.append("left")

    async def main() -> None:
        live = await System({"a": {"x": component(scope, on_crash="keep")()}}).astart()
        [task] = [task for task in asyncio.all_tasks() if task.get_name() == "a.x"]
        task.cancel()
        await until(lambda: live.state("a.x") == "failed")
        assert log == ["left"]
        await live.astop()
        assert log == ["left"]
        assert live.state("a.x") == "stopped"

    Backend("asyncio")(main)


def test_other_handlers_while_one_hangs(run: Backend) -> None:
    """A component's task runs one handler after the other: a request waits until the one before has its answer."""

    async def main() -> None:
        gate = Gate()
        order: list[str] = []

        async def status(it: Any) -> None:
            order.append("begins")
            await gate()
            order.append("ends")

        make = component(with_anyio_group, status=status)
        async with System({"a": {"x": make(forever)}}).started() as live, anyio.create_task_group() as group:
            group.start_soon(live.astatus)
            await gate.reached.wait()
            group.start_soon(live.astatus)
            await anyio.wait_all_tasks_blocked()
            assert order == ["begins"]
            gate.opened.set()
        assert order == ["begins", "ends", "begins", "ends"]

    run(main)
