"""Subsystems with async parts: one machine and one order for all, on both backends, and from sync code."""

# ruff: noqa: PT012 - it is the end of the block around a system that raises
from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from aio_helpers import Backend, Gate, Log, Meeting, ThreadGate, forever, until

from mainspring import (
    Component,
    Context,
    CrashError,
    Id,
    Part,
    Signal,
    StartError,
    State,
    StateError,
    System,
    UnknownComponent,
    component,
    ref,
    subsystem,
)


def child(log: Log) -> System:
    """A system of an async part, a sync one, and one that holds a task group open."""

    async def scope() -> AsyncIterator[str]:
        async with anyio.create_task_group() as group:
            group.start_soon(forever)
            log.append("start group")
            yield "group"
            log.append("stop group")
            group.cancel_scope.cancel()

    status = {"status": log.anote("status"), "handlers": {"ping": log.anote("ping")}}
    slots = {"suspend": log.anote("suspend"), "resume": log.anote("resume"), **status}
    return System(
        {
            "db": {"pool": log.part("pool", **slots)},
            "web": {"sync": log.part("sync", ref("db.pool"), sync=True), "group": Component(scope=scope)},
            "late": {"last": log.part("last", ref("web"))},
        },
        signals=[Signal("ping")],
    )


def whole(log: Log) -> System:
    """That system two levels down, between something that it comes after and something that needs it."""
    mid = System(
        {
            "sub": {"it": subsystem(child(log), {"db.pool.config.needs": [ref("up.d")]})},
            "up": {"d": log.part("d", sync=True)},
        }
    )
    return System({"app": {"mid": subsystem(mid)}, "z": {"z": log.part("z", ref("app.mid"), sync=True)}})


STARTED = ["start d", "start pool", "start sync", "start last", "start z"]
STOPPED = ["stop z", "stop last", "stop sync", "stop pool", "stop d"]


def but_the_group(lines: list[str]) -> list[str]:
    """The lines of what has a place in a row: the part with the task group has none."""
    return [line for line in lines if not line.endswith(" group")]


def test_async_parts_at_every_level(run: Backend, log: Log) -> None:
    """Sync and async ones, in one order across the borders; scopes and task groups as anywhere."""

    async def main() -> None:
        async with whole(log).started() as live:
            assert but_the_group(log.take()) == STARTED
            assert live["app.mid.sub.it.web.group"] == "group"
            assert live["app.mid"]["sub.it"]["late.last"] == "last"
        lines = log.take()
        assert but_the_group(lines) == STOPPED
        assert "stop group" in lines

    run(main)


def test_async_parts_from_sync_code(log: Log) -> None:
    """A sync outer system with an async child runs in an event loop of its own, verbs of the part and all."""
    with whole(log).started() as live:
        assert but_the_group(log.take()) == STARTED
        part: Part = live["app.mid.sub.it"]
        part.suspend("db")
        part.resume("db")
        assert log.take() == ["suspend", "resume"]
        assert list(part.status()) == [Id("db", "pool")]
        part.restart("late")
        assert [line for line in log.take() if line != "status"] == ["stop z", "stop last", "start last", "start z"]
    assert but_the_group(log.take()) == STOPPED


def test_every_verb_of_a_part_has_a_twin(run: Backend, log: Log) -> None:
    """They do what those of the live system do, for the subsystem and what has to go along."""

    async def main() -> None:
        async with whole(log).started() as live:
            part: Part = live["app.mid.sub.it"]
            log.clear()
            assert list(await part.astatus()) == [Id("db", "pool")]
            await part.asignal("ping", "db")
            await part.asuspend("db")
            assert part.state("db.pool") is State.SUSPENDED
            await part.aresume("db")
            assert log.take() == ["status", "ping", "suspend", "resume"]
            await part.arestart("late.last")
            assert log.take() == ["stop z", "stop last", "start last", "start z"]
            await part.astop()
            assert but_the_group(log.take()) == STOPPED[:-1]
            assert (part.state("web.group"), live.state("app.mid.up.d")) == (State.STOPPED, State.RUNNING)
            await part.astart("web.sync")
            assert log.take() == ["start pool", "start sync"]
            await part.asignal("start")
            assert but_the_group(log.take()) == ["start last"]
            await part.asignal("stop", "late")
            assert log.take() == ["stop last"]
            with pytest.raises(UnknownComponent, match=r"There is no late\.lst\..*late\.last"):
                await part.astop("late.lst")
            with pytest.raises(StateError, match="await"):
                part.stop()

    run(main)


def test_parts_start_together_whatever_level_they_are_on(run: Backend) -> None:
    """Nothing waits for the whole of a subsystem but what needs the whole."""
    meeting = Meeting(3)
    meets = {"a": {"x": Component(meeting)}}
    mid = System({**meets, "sub": {"it": subsystem(System(meets))}})

    async def main() -> None:
        async with System({"app": {"mid": subsystem(mid)}, **meets}).started() as live:
            assert live["app.mid.sub.it.a.x"] == live["a.x"] == "met"

    run(main)


def test_a_failure_inside_takes_back_what_was_under_way(run: Backend, log: Log) -> None:
    """Starts elsewhere are cancelled, what had started is stopped in order, and the failure has the whole path."""
    gate = Gate()

    async def fails(needs: Any) -> None:
        await gate.reached.wait()
        raise ConnectionError("no peer")

    inner = System({"a": {"x": log.part("x"), "y": Component(fails, config={"needs": ref("a.x")})}})
    system = System({
        "o": {"hangs": Component(gate), "d": log.part("d")},
        "app": {"mid": subsystem(System({"sub": {"it": subsystem(inner, {"a.x.config.needs": []})}}))},
    })  # fmt: skip

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await system.astart()
        (failure,) = caught.value.failures
        assert str(failure.id) == "app.mid.sub.it.a.y"
        assert caught.value.exceptions[0].__notes__ == ["In the component app.mid.sub.it.a.y, handler start."]
        assert gate.cancelled == 1

    run(main)
    assert sorted(log) == ["start d", "start x", "stop d", "stop x"]


class Counter:
    """Counts how many are in it at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def __call__(self, *_: Any) -> None:
        """Stay a few turns of the loop."""
        self.now += 1
        self.most = max(self.most, self.now)
        for _turn in range(10):
            await anyio.lowlevel.checkpoint()
        self.now -= 1


@pytest.mark.parametrize(
    ("child_limits", "outer_limits", "inside", "outside"),
    [
        (None, None, 4, 4),
        (2, None, 2, 4),
        ({"a": 1}, None, 1, 4),
        (2, {"app.it": 3}, 3, 4),
        (None, {"app.it.a": 2}, 2, 4),
        (3, {"*": 1}, 1, 1),
    ],
    ids=repr,
)
def test_limits_of_a_child_hold_inside(
    run: Backend, child_limits: Any, outer_limits: Any, inside: int, outside: int
) -> None:
    """A child's limit for all is one for all that is in it; what the outer system says of a path counts more."""
    within, without = Counter(), Counter()
    four = {f"x{i}": Component(within) for i in range(4)}
    system = System(
        {
            "app": {"it": subsystem(System({"a": four}, limits=child_limits))},
            "o": {f"x{i}": Component(without) for i in range(4)},
        },
        limits=outer_limits,
    )

    async def main() -> None:
        async with system.started():
            pass

    run(main)
    assert (within.most, without.most) == (inside, outside)


def test_a_limit_holds_for_what_is_further_in(run: Backend) -> None:
    """What is in a subsystem of a subsystem takes up room in both."""
    counter = Counter()
    two = {"x": Component(counter), "y": Component(counter)}
    mid = System(
        {"sub": {"a": subsystem(System({"g": two})), "b": subsystem(System({"g": two}))}, "own": two}, limits=3
    )

    async def main() -> None:
        async with System({"app": {"mid": subsystem(mid)}}).started():
            pass

    run(main)
    assert counter.most == 3


def test_a_deadline_of_a_child_cancels_an_async_start(run: Backend) -> None:
    """It is the default for what is inside, and for nothing else."""
    gate = Gate()
    inner = System({"a": {"hangs": Component(forever)}}, deadlines={"start": 0.02})

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"app": {"it": subsystem(inner)}, "o": {"waits": Component(gate)}}).astart()
        assert [str(failure.id) for failure in caught.value.failures] == ["app.it.a.hangs"]
        assert gate.cancelled == 1

    run(main)


def crashing(log: Log, on_crash: Any) -> System:
    """A child with a part that breaks, one that needs it, and one that does not."""

    async def scope(ctx: Context = Context.here) -> AsyncIterator[Any]:
        yield ctx.crash
        log.append("stop it")

    it = component(scope, on_crash=on_crash)()
    groups = {
        "a": {"it": it, "above": log.part("above", ref("a.it"), sync=True), "beside": log.part("beside", sync=True)}
    }
    return System({
        "app": {"it": subsystem(System(groups))},
        "z": {"whole": log.part("whole", ref("app.it"), sync=True), "other": log.part("other", sync=True)},
    })  # fmt: skip


def test_a_crash_inside_stops_the_whole(run: Backend, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """By default; the error has the whole id."""

    async def main() -> None:
        with pytest.raises(CrashError) as caught:
            async with crashing(log, "stop").started() as live:
                live["app.it.a.it"](ValueError("broke"))
                await anyio.sleep_forever()
        assert [str(failure.id) for failure in caught.value.failures] == ["app.it.a.it"]
        assert caught.value.failures[0].error.__notes__ == ["In the component app.it.a.it, while it was running."]

    with caplog.at_level(logging.CRITICAL, "mainspring"):
        run(main)
    assert "stop other" in log


@pytest.mark.parametrize(
    ("on_crash", "stopped"),
    [("dependents", ["a.above", "app.it", "z.whole"]), ("keep", [])],
)
def test_a_crash_inside_stops_what_needs_it(
    run: Backend, log: Log, on_crash: str, stopped: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The subsystem as a whole is among that, and what needs the whole; other parts of it go on."""
    ids = {
        "a.above": "app.it.a.above",
        "app.it": "app.it",
        "z.whole": "z.whole",
        "a.beside": "app.it.a.beside",
        "z.other": "z.other",
    }

    async def main() -> None:
        live = await crashing(log, on_crash).astart()
        live["app.it.a.it"](ValueError("broke"))
        await until(lambda: live.state("app.it.a.it") is State.FAILED)
        await until(lambda: all(live.state(ids[one]) is State.STOPPED for one in stopped))
        await live.astatus()  # comes after whatever the crash has brought about
        for one, id in ids.items():
            assert live.state(id) is (State.STOPPED if one in stopped else State.RUNNING), id
        await live.astop()
        assert log.count("stop it") == 1

    with caplog.at_level(logging.CRITICAL, "mainspring"):
        run(main)


def test_a_crash_inside_from_sync_code(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """`join` raises it, with the whole id."""
    with caplog.at_level(logging.CRITICAL, "mainspring"):
        live = crashing(log, "stop").start()
        live["app.it.a.it"](ValueError("broke"))
        with pytest.raises(CrashError) as caught:
            live.join()
    assert [str(failure.id) for failure in caught.value.failures] == ["app.it.a.it"]
    assert "stop other" in log


def test_a_stop_of_a_part_cancels_nothing_else(run: Backend, log: Log) -> None:
    """While something else waits in the body, the part is stopped and started again as often as one likes."""

    async def main() -> None:
        async with whole(log).started() as live:
            part: Part = live["app.mid.sub.it"]
            for _ in range(3):
                await part.astop()
                await part.astart()
            assert part["late.last"] == "last"

    run(main)
    assert log.count("start pool") == log.count("stop pool") == 4
    assert log.count("start d") == log.count("stop d") == 1


def test_a_part_may_be_asked_from_another_thread(run: Backend, log: Log) -> None:
    """Sync verbs from a worker thread are carried out in the event loop."""

    async def main() -> None:
        async with whole(log).started() as live:
            part: Part = live["app.mid.sub.it"]
            log.clear()
            await anyio.to_thread.run_sync(part.restart, "late.last")
            assert log.take() == ["stop z", "stop last", "start last", "start z"]

    run(main)


def test_workers_of_a_child_in_an_async_system(run: Backend, log: Log) -> None:
    """Its sync handlers leave the event loop alone, those of the outer system do not."""
    gate = ThreadGate()

    async def main() -> None:
        inner = System({"a": {"hangs": Component(gate)}}, workers=1)
        system = System({"app": {"it": subsystem(inner)}, "o": {"free": log.part("free", sync=True)}})
        async with anyio.create_task_group() as group:

            async def release() -> None:
                await until(gate.reached.is_set)
                gate.opened.set()

            group.start_soon(release)
            async with system.started() as live:
                assert live["app.it.a.hangs"] == "at last"

    run(main)
