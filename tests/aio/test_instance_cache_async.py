"""The instance cache with async components: in a loop of the caller's, in one of its own, and between them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from aio_helpers import PATIENCE, Backend, Gate, Log, Meeting, ThreadGate, patiently, until, wait_for

from mainspring import (
    Component,
    Context,
    CrashError,
    InstanceCache,
    StartError,
    StateError,
    StopError,
    System,
    component,
    ref,
)


def of_two(log: Log, **slots: Any) -> System:
    """An async server that is cached, and an async pool that is not."""
    return System(
        {
            "db": {"server": log.part("server", cached=True, **slots), "pool": log.part("pool", ref("db.server"))},
        }
    )


# --- In one loop --------------------------------------------------------------------------------------------------------


def test_kept_while_systems_come_and_go(run: Backend, log: Log) -> None:
    """An async component is started at its first use, lent to every system of the loop, and stopped with the cache."""

    async def main() -> None:
        async with InstanceCache() as cache:
            for _ in range(2):
                async with of_two(log).started(cache=cache) as live:
                    assert live["db.server"] == "server"
            live = await of_two(log).astart(cache=cache)
            await live.astop()
            await live.astart()
            await live.astop()
            assert cache.keys() == ("db.server",)
        assert log == ["start server", *["start pool", "stop pool"] * 4, "stop server"]

    run(main)


def test_without_anything_cached(run: Backend, log: Log) -> None:
    """A system that has nothing cached is started as ever, and fills no cache."""

    async def main() -> None:
        cache = InstanceCache()
        async with System({"x": {"a": log.part("a")}}).started(cache=cache):
            assert len(cache) == 0
        await cache.aclose()
        with pytest.raises(StateError, match="closed"):
            await System({"x": {"a": log.part("a")}}).astart(cache=cache)

    run(main)


def test_a_task_group_is_held_open(run: Backend) -> None:
    """A cached component may hold a task group open, which lives on while no system is running."""
    done: list[str] = []

    @component(cached=True)
    async def worker() -> AsyncIterator[Any]:
        async with anyio.create_task_group() as group:
            yield group
            done.append("leaving")

    async def work(name: str) -> None:
        await anyio.sleep(0)
        done.append(name)

    async def main() -> None:
        system = System({"a": {"worker": worker()}})
        async with InstanceCache() as cache:
            for name in ("one", "two"):
                async with system.started(cache=cache) as live:
                    live["a.worker"].start_soon(work, name)
                await until(lambda name=name: name in done)

    run(main)
    assert done == ["one", "two", "leaving"]


def test_closed_in_reverse_order(run: Backend, log: Log) -> None:
    """What was started last is stopped first, sync or async; sync components that need async ones are started with them."""

    async def main() -> None:
        slots: dict[str, Any] = {"cached": True}
        groups = {
            "x": {
                "a": log.part("a", **slots),
                "b": log.part("b", ref("x.a"), sync=True, **slots),
                "c": log.part("c", sync=True, **slots),
                "d": log.part("d", ref("x.b"), ref("x.c"), **slots),
            }
        }
        async with InstanceCache() as cache:
            async with System(groups).started(cache=cache):
                pass
            assert log.take() == ["start c", "start a", "start b", "start d"]
        assert log == ["stop d", "stop b", "stop a", "stop c"]

    run(main)


def test_independent_ones_start_together(run: Backend) -> None:
    """Async components that do not need each other are started concurrently in the cache, too."""

    async def main() -> None:
        meeting = Meeting(3)
        parts = {name: Component(meeting, cached=True) for name in "abc"}
        async with InstanceCache() as cache, System({"x": parts}).started(cache=cache) as live:
            assert list(live["x"].values()) == ["met"] * 3

    run(main)


def test_one_key_under_several_ids(run: Backend) -> None:
    """What needs a component of a key waits for the one that is started, by whichever of its ids it refers to it."""

    async def main() -> None:
        async def start() -> list[int]:
            await anyio.sleep(0.01)
            return []

        part = Component(start, cached="part")
        users = {f"u{n}": Component(lambda it: it, config={"it": ref(f"x.p{n}")}, cached=True) for n in range(3)}
        async with InstanceCache() as cache:
            async with System({"x": dict.fromkeys(("p0", "p1", "p2"), part), "u": users}).started(cache=cache) as live:
                assert len({id(it) for it in (*live["x"].values(), *live["u"].values())}) == 1
            assert len(cache) == 4

    run(main)


def test_tasks_share_one_start(run: Backend, log: Log) -> None:
    """Several tasks that start systems at once get one instance, started once; the loop is not held up meanwhile."""

    async def main() -> None:
        gate = Gate()
        server = Component(gate, cached=True)
        seen: list[Any] = []

        async def use() -> None:
            async with System({"db": {"server": server}}).started(cache=cache) as live:
                seen.append(live["db.server"])

        async with InstanceCache() as cache:
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(use)
                await gate.reached.wait()
                assert seen == []
                gate.opened.set()
            assert seen == ["at last"] * 5
            assert cache.keys() == ("db.server",)

    run(main)


def test_a_thread_holds_up_no_loop(run: Backend) -> None:
    """While a thread starts something in a cache, a task that wants it waits without holding up its loop."""
    gate = ThreadGate()
    system = System({"db": {"server": Component(gate, cached=True)}})
    cache = InstanceCache()
    thread = threading.Thread(target=lambda: system.start(cache=cache).stop())

    async def main() -> None:
        thread.start()
        await until(gate.reached.is_set)
        async with anyio.create_task_group() as group:
            group.start_soon(use)
            await anyio.sleep(0.01)  # the loop goes on
            gate.opened.set()

    async def use() -> None:
        async with system.started(cache=cache) as live:
            assert live["db.server"] == "at last"

    run(main)
    thread.join(PATIENCE)
    cache.close()


# --- Failures and cancellations -----------------------------------------------------------------------------------------


def test_a_start_that_fails_keeps_nothing(run: Backend, log: Log) -> None:
    """When an async component fails to start, the sync ones that were started for it are stopped again too."""

    async def broken(*_: Any) -> None:
        await anyio.lowlevel.checkpoint()
        raise ValueError("broken")

    async def main() -> None:
        one = log.part("one", sync=True, cached=True)
        other = Component(lambda needs: broken(), config={"needs": ref("x.one")}, cached=True)
        third = Component(broken, cached=True)
        async with InstanceCache() as cache:
            for bad in (other, third):
                with pytest.raises(StartError) as caught:
                    await System({"x": {"one": one, "bad": bad}}).astart(cache=cache)
                assert [str(leaf) for leaf in caught.value.exceptions] == ["broken"]
                assert log.take() == ["start one", "stop one"]
                assert cache.keys() == ()

    run(main)


@pytest.mark.parametrize("is_awaited", [True, False])
def test_a_roll_back_that_fails_is_noted(run: Backend, log: Log, is_awaited: bool) -> None:
    """When the roll-back in the cache fails, too, a note on the error of the start says so."""

    def stop(_: Any) -> None:
        raise ValueError("stop one")

    async def broken() -> None:
        raise ValueError("broken")

    system = System({"x": {"one": Component(object, stop, cached=True), "bad": Component(broken, cached=True)}})

    async def start(cache: InstanceCache) -> object:
        if is_awaited:
            return await system.astart(cache=cache)
        return await anyio.to_thread.run_sync(lambda: system.start(cache=cache))

    async def main() -> None:
        async with InstanceCache() as cache:
            with pytest.raises(StartError, match="broken") as caught:
                await start(cache)
            assert any("stop one" in note for note in caught.value.__notes__)
            assert cache.keys() == ()

    run(main)


def test_a_start_that_is_cancelled_keeps_nothing(run: Backend, log: Log) -> None:
    """When the task that starts something is cancelled, nothing is left, and the next one in the queue starts it itself."""

    async def main() -> None:
        gates: list[Gate] = []

        async def start() -> str:
            gates.append(Gate())
            return await gates[-1]()

        disk = log.part("disk", sync=True, cached=True)
        system = System({"db": {"disk": disk, "server": Component(start, cached=True)}})
        seen: list[str] = []

        async def first(scope: anyio.CancelScope) -> None:
            with scope:
                await system.astart(cache=cache)

        async def second() -> None:
            async with system.started(cache=cache) as live:
                seen.append(live["db.server"])

        async with InstanceCache() as cache:
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()
                group.start_soon(first, scope)
                await until(lambda: gates)
                await gates[0].reached.wait()
                group.start_soon(second)
                await anyio.sleep(0)
                scope.cancel()
                await until(lambda: len(gates) == 2)
                gates[1].opened.set()
            assert gates[0].cancelled == 1
            assert seen == ["at last"]
            assert log == ["start disk", "stop disk", "start disk"]

    run(main)


def test_whoever_waits_can_be_cancelled(run: Backend) -> None:
    """A task that waits for another one's start can be cancelled, and those behind it still get their turn."""

    async def main() -> None:
        gate = Gate()
        system = System({"db": {"server": Component(gate, cached=True)}})
        seen: list[str] = []

        async def use(scope: anyio.CancelScope) -> None:
            with scope:
                async with system.started(cache=cache) as live:
                    seen.append(live["db.server"])

        async with InstanceCache() as cache:
            async with anyio.create_task_group() as group:
                scopes = [anyio.CancelScope() for _ in range(4)]
                for scope in scopes:
                    group.start_soon(use, scope)
                await gate.reached.wait()
                scopes[1].cancel()
                await anyio.sleep(0)
                gate.opened.set()
                scopes[2].cancel()
            assert "at last" in seen
            assert len(seen) == 2

    run(main)


def test_a_turn_that_is_not_taken_is_passed_on(run: Backend) -> None:
    """When the one whose turn it is now is cancelled in the same moment, the next one gets it."""

    async def main() -> None:
        gate = Gate()
        definition = System({"db": {"server": Component(gate, cached=True)}})._definition
        cache = InstanceCache()
        scope, done = anyio.CancelScope(), anyio.Event()

        async def first() -> None:
            await cache.afill(definition)
            scope.cancel()

        async def second() -> None:
            with scope:
                await cache.afill(definition)

        async def third() -> None:
            await cache.afill(definition)
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await gate.reached.wait()
            for count, task in enumerate((second, third), 1):
                group.start_soon(task)
                await until(lambda count=count: len(cache._waiting) == count)
            gate.opened.set()
            with patiently():
                await done.wait()
        await cache.aclose()

    run(main)


def test_a_cancellation_does_not_keep_from_closing(run: Backend, log: Log) -> None:
    """A cancelled block stops everything that is kept, and the cancellation comes out of it."""

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with InstanceCache() as cache:
                for name in "abc":
                    await System({"x": {name: log.part(name, cached=True, sync=name == "b")}}).astart(cache=cache)
                log.clear()
                scope.cancel()
                await anyio.sleep(PATIENCE)
        assert scope.cancelled_caught
        assert log == ["stop c", "stop b", "stop a"]

    run(main)


def test_every_stop_is_tried(run: Backend, log: Log) -> None:
    """Closing stops everything, whatever fails, and raises it all as one error."""

    async def main() -> None:
        async def fail(_: Any) -> None:
            log.append("stop bad")
            raise ValueError("bad")

        cache = InstanceCache()
        for name, part in {
            "a": log.part("a", cached=True),
            "bad": Component(log.anote("start bad"), fail, cached=True),
            "c": log.part("c", cached=True),
        }.items():
            live = await System({"x": {name: part}}).astart(cache=cache)
            await live.astop()
        log.clear()
        with pytest.raises(StopError) as caught:
            await cache.aclose()
        assert [str(leaf) for leaf in caught.value.exceptions] == ["bad"]
        assert log == ["stop c", "stop bad", "stop a"]
        await cache.aclose()

    run(main)


def test_an_error_in_the_block_comes_out(run: Backend) -> None:
    """A stop that fails is raised from the block, with the block's own error as context; on a cancellation it is a note."""

    async def fail(_: Any) -> None:
        raise ValueError("bad")

    async def start() -> str:
        return "up"

    async def use(error: BaseException) -> None:
        async with InstanceCache() as cache:
            await (await System({"x": {"a": Component(start, fail, cached=True)}}).astart(cache=cache)).astop()
            raise error

    async def main() -> None:
        with pytest.raises(StopError, match="bad") as caught:
            await use(LookupError("in the block"))
        assert isinstance(caught.value.__context__, LookupError)
        with pytest.raises(GeneratorExit) as interrupted:
            await use(GeneratorExit())
        assert "bad" in interrupted.value.__notes__[0]

    run(main)


def test_closing_waits_for_its_turn(run: Backend, log: Log) -> None:
    """Whoever closes the cache gets the turn, even if cancelled while waiting for a start that is under way."""

    async def main() -> None:
        gate = Gate()
        system = System({"x": {"a": Component(gate, log.anote("stop a"), cached=True)}})
        cache = InstanceCache()
        scope = anyio.CancelScope()

        async def close() -> None:
            with scope:
                await cache.aclose()

        async with anyio.create_task_group() as group:
            group.start_soon(lambda: system.astart(cache=cache))
            await gate.reached.wait()
            group.start_soon(close)
            await until(lambda: cache._waiting)
            scope.cancel()
            await anyio.sleep(0)
            assert log == []
            gate.opened.set()
        assert scope.cancelled_caught
        assert log == ["stop a"]

    run(main)


@pytest.mark.parametrize("is_broken", [True, False])
def test_closing_a_loop_of_its_own_is_not_broken_off(log: Log, is_broken: bool) -> None:
    """A task of asyncio that is cancelled while it waits for another loop waits to the end."""
    gate = ThreadGate()

    async def stop(_: Any) -> None:
        await anyio.to_thread.run_sync(gate)
        log.append("stop")
        if is_broken:
            raise ValueError("bad")

    cache = InstanceCache()
    System({"x": {"a": Component(log.anote("start"), stop, cached=True)}}).start(cache=cache).stop()

    async def main() -> None:
        task = asyncio.create_task(cache.aclose())
        await until(gate.reached.is_set)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert [note[:16] for note in getattr(caught.value, "__notes__", ())] == ["Also: StopError("] * is_broken

    asyncio.run(main())
    assert log == ["start", "stop"]


def test_a_crash_reaches_those_who_use_it(run: Backend) -> None:
    """When a cached component's task group breaks, the block around a system that uses it is cancelled."""
    starts: list[int] = []

    @component(cached=True)
    async def worker(ctx: Context = Context.here) -> AsyncIterator[Any]:
        starts.append(1)
        async with anyio.create_task_group() as group:
            yield group

    async def fail() -> None:
        raise ValueError("broken")

    async def use(cache: InstanceCache) -> None:
        async with System({"a": {"worker": worker()}}).started(cache=cache) as live:
            live["a.worker"].start_soon(fail)
            await anyio.sleep(PATIENCE)

    async def main() -> None:
        async with InstanceCache() as cache:
            with pytest.raises(CrashError, match=r"a\.worker"):
                await use(cache)
            async with System({"a": {"worker": worker()}}).started(cache=cache):
                pass
        assert len(starts) == 2

    run(main)


# --- Stopping one -------------------------------------------------------------------------------------------------------


def test_one_can_be_stopped(run: Backend, log: Log) -> None:
    """One component can be stopped, awaited or not as it needs; the next system starts it again."""

    async def main() -> None:
        async with InstanceCache() as cache:
            await (await of_two(log).astart(cache=cache)).astop()
            with pytest.raises(StateError, match=r"Write: await cache\.astop\(key\)"):
                cache.stop("db.server")
            assert cache.keys() == ("db.server",)
            log.clear()
            await cache.astop("db.server")
            assert log.take() == ["stop server"]
            await (await of_two(log).astart(cache=cache)).astop()
            assert log == ["start server", "start pool", "stop pool"]

    run(main)


def test_with_the_last_one_goes_its_loop(log: Log) -> None:
    """When the last component of a loop of the cache's own is stopped, the loop ends, and what it was lent is free again."""
    groups = {"x": {"a": log.part("a", sync=True, cached=True), "b": log.part("b", ref("x.a"), cached=True)}}
    before = set(threading.enumerate())
    with InstanceCache() as cache:
        System(groups).start(cache=cache).stop()
        assert len(set(threading.enumerate()) - before) == 1
        cache.stop("x.b")
        assert set(threading.enumerate()) <= before
        cache.stop("x.a")
    assert log == ["start a", "start b", "stop b", "stop a"]


# --- Which loop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [{}, {"deadlines": PATIENCE}, {"thread": "own"}], ids=str)
def test_sync_components_belong_to_no_loop(run: Backend, log: Log, slots: Any) -> None:
    """A sync component is lent to every loop and every thread, wherever it was started, and stopped from anywhere."""

    async def main() -> None:
        pool = log.part("pool", ref("db.server"))
        system = System({"db": {"server": log.part("server", sync=True, cached=True, **slots), "pool": pool}})
        async with system.started(cache=cache):
            pass

    with InstanceCache() as cache:
        for _ in range(3):
            anyio.run(main, backend=run.name)  # the component's own thread, where it has one, stays
        of_two(log, sync=True, **slots).start("db.server", cache=cache).stop()
        asyncio.run(main())
    assert log == ["start server", *["start pool", "stop pool"] * 4, "stop server"]


def test_not_in_another_loop(run: Backend, log: Log) -> None:
    """An async component is not lent to another event loop, nor to where there is none."""

    async def main() -> None:
        async with InstanceCache() as cache:
            await (await of_two(log).astart(cache=cache)).astop()

            async def elsewhere() -> None:
                with pytest.raises(
                    StateError, match=r"started in another event loop \((asyncio|trio)\), and belongs to"
                ):
                    await of_two(log).astart(cache=cache)

            def nowhere() -> None:
                with pytest.raises(StateError, match=r"started in an event loop \((asyncio|trio)\), and belongs to it"):
                    of_two(log).start(cache=cache)

            await anyio.to_thread.run_sync(anyio.run, elsewhere)
            await anyio.to_thread.run_sync(nowhere)
            assert log.take() == ["start server", "start pool", "stop pool"]
        assert log == ["stop server"]

    run(main)


def test_another_thread_may_close_it(run: Backend, log: Log) -> None:
    """What runs in a loop is stopped in it, also when a thread closes the cache."""

    async def main() -> None:
        cache = InstanceCache()
        await (await of_two(log).astart(cache=cache)).astop()
        log.clear()
        with pytest.raises(StateError, match=r"would wait for itself\. Write: await cache\.aclose\(\)"):
            cache.close()
        await anyio.to_thread.run_sync(cache.close)
        assert log == ["stop server"]

    run(main)


def test_another_loop_may_close_it(run: Backend, log: Log) -> None:
    """What runs in a loop is stopped in it, also when another loop closes the cache."""

    async def main() -> None:
        cache = InstanceCache()
        await (await of_two(log).astart(cache=cache)).astop()
        log.clear()
        await anyio.to_thread.run_sync(anyio.run, cache.aclose)
        assert log == ["stop server"]

    run(main)


@pytest.mark.filterwarnings("ignore")
def test_after_its_loop_is_gone(run: Backend, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """What was left behind by a loop that has ended is not started again without a word, and can be forgotten."""

    async def fill() -> None:
        await (await of_two(log).astart(cache=cache)).astop()

    async def use() -> None:
        with pytest.raises(StateError, match=r"was started in an event loop that has ended since"):
            await of_two(log).astart(cache=cache)
        await cache.astop("db.server")
        await (await of_two(log).astart(cache=cache)).astop()
        await cache.aclose()

    cache = InstanceCache()
    run(fill, leaves=True)
    assert log.take() == ["start server", "start pool", "stop pool"]
    with pytest.raises(StateError, match=r"ended since"):
        of_two(log).start(cache=cache)
    run(use)
    assert log == ["start server", "start pool", "stop pool", "stop server"]


def test_what_can_not_be_stopped_any_more(run: Backend, log: Log) -> None:
    """Closing a cache says so when the loop that would have to stop something is gone."""

    async def fill() -> None:
        part = Component(log.anote("start"), log.anote("stop"), cached=True)
        await (await System({"x": {"a": part, "b": log.part("b", sync=True, cached=True)}}).astart(cache=cache)).astop()

    cache = InstanceCache()
    run(fill, leaves=True)
    with pytest.raises(StopError, match=r"the instance cache could not stop everything: The (event loop|run)"):
        cache.close()
    assert log == ["start b", "start", "stop b"]


def test_in_a_loop_of_its_own(run: Backend, log: Log) -> None:
    """An async component that a sync start started runs in a loop of the cache's own, and can be used from every thread."""
    systems = of_two(log)
    with InstanceCache() as cache:
        systems.start(cache=cache).stop()
        thread = threading.Thread(target=lambda: systems.start(cache=cache).stop())
        thread.start()
        thread.join(PATIENCE)

        async def main() -> None:
            with pytest.raises(
                StateError, match=r"runs in an event loop of its own\. Start the system with start, in a"
            ):
                await systems.astart(cache=cache)
            await anyio.to_thread.run_sync(lambda: systems.start(cache=cache).stop())

        run(main)
        assert log.take() == ["start server", *["start pool", "stop pool"] * 3]
    assert log == ["stop server"]


def test_aclose_of_a_loop_of_its_own(run: Backend, log: Log) -> None:
    """What runs in a loop of the cache's own can be closed from any other, to the end whatever is cancelled."""
    cache = InstanceCache()
    of_two(log).start(cache=cache).stop()
    log.clear()

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await cache.aclose()
        assert log == ["stop server"]

    run(main)


# --- From the wrong place -----------------------------------------------------------------------------------------------


def test_sync_verbs_do_not_wait_for_their_own_loop(run: Backend) -> None:
    """While a task starts something in the cache, the sync verbs in its loop are errors instead of waiting for ever."""

    async def main() -> None:
        gate = Gate()
        other = System({"a": {"b": Component(object, cached=True)}})
        system = System({"db": {"server": Component(gate, cached=True)}})
        async with InstanceCache() as cache:
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: system.astart(cache=cache))
                await gate.reached.wait()
                for verb in (lambda: other.start(cache=cache), cache.close, lambda: cache.stop("db.server")):
                    with pytest.raises(StateError, match=r"for a task of this event loop"):
                        verb()
                gate.opened.set()
            async with other.started(cache=cache):
                assert cache.keys() == ("db.server", "a.b")

    run(main)


def test_not_from_within(run: Backend) -> None:
    """A cached component that asks its own cache for something is told so instead of waiting for itself."""

    async def main() -> None:
        async def start() -> str:
            with patiently():
                await System({"a": {"b": Component(object, cached=True)}}).astart(cache=cache)
            return "never"

        async with InstanceCache() as cache:
            with pytest.raises(StartError) as caught:
                await System({"db": {"server": Component(start, cached=True)}}).astart(cache=cache)
            assert "from within the start or stop of a component that it keeps" in str(caught.value.exceptions[0])

    run(main)


def test_a_thread_waits_for_a_task(run: Backend) -> None:
    """A thread that wants what a task is starting waits for it."""

    async def main() -> None:
        gate = Gate()
        cached = Component(gate, cached=True)
        sync = System({"a": {"b": Component(object, cached=True)}})
        started: list[Any] = []
        cache = InstanceCache()

        def use() -> None:
            started.append(sync.start(cache=cache).stop())

        thread = threading.Thread(target=use)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: System({"db": {"server": cached}}).astart(cache=cache))
            await gate.reached.wait()
            thread.start()
            gate.opened.set()
        await anyio.to_thread.run_sync(wait_for, lambda: started)
        thread.join(PATIENCE)
        assert cache.keys() == ("db.server", "a.b")
        await cache.aclose()

    run(main)
