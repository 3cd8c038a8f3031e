"""What runs together, where, and how much of it; shown by handlers that wait for each other, never by how long they took."""

from __future__ import annotations

import contextvars
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
import trio.testing
from aio_helpers import PATIENCE, Backend, Log, Meeting, patiently

from mainspring import Component, DefinitionError, Event, Id, Signal, StartError, System, component, ref

# --- Together -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["generator", "function"])
def test_independent_starts_run_together(run: Backend, form: str) -> None:
    """Async starts that do not need each other run at the same time, and their stops too."""

    async def main() -> None:
        starts, stops = Meeting(10), Meeting(10)

        async def scope() -> AsyncIterator[None]:
            await starts()
            yield
            await stops()

        part = component(scope) if form == "generator" else component(starts.__call__, stop=stops)
        async with System({"a": {f"c{n}": part() for n in range(10)}}).started():
            pass

    run(main)


@pytest.mark.parametrize("verb", ["asuspend", "aresume", "astatus", "arestart", "own"])
def test_every_signal_reaches_independent_components_together(run: Backend, verb: str) -> None:
    """Handlers of any signal run at the same time, where the components do not need each other."""

    async def main() -> None:
        meetings = {name: Meeting(3) for name in ("suspend", "resume", "status", "own", "stop")}
        if verb == "arestart":
            meetings["stop"] = Meeting(3)

        def part(n: int) -> Any:
            return Component(
                lambda: n,
                meetings["stop"] if verb == "arestart" else None,
                suspend=meetings["suspend"],
                resume=meetings["resume"],
                status=meetings["status"],
                handlers={"own": meetings["own"]},
            )

        system = System({"a": {f"c{n}": part(n) for n in range(3)}}, signals=[Signal("own")])
        live = await system.astart()
        if verb == "aresume":
            await live.asuspend()
        if verb == "own":
            await live.asignal("own")
        else:
            await getattr(live, verb)()
        meetings["stop"].all_here.set()
        await live.astop()

    run(main)


def test_independent_branches_do_not_wait_for_each_other(run: Backend) -> None:
    """Each component begins as soon as what it needs has started, however long others take: there are no levels."""

    async def main() -> None:
        deep = anyio.Event()

        async def slow() -> None:
            with patiently():
                await deep.wait()

        async def step(needs: Any = None) -> None:
            await anyio.lowlevel.checkpoint()

        async def last(needs: Any) -> None:
            deep.set()

        parts = {
            "slow": Component(slow),
            "one": Component(step),
            "two": Component(step, config={"needs": ref("a.one")}),
            "three": Component(last, config={"needs": ref("a.two")}),
        }
        async with System({"a": parts}).started():
            pass

    run(main)


def test_needs_are_met_first(run: Backend) -> None:
    """What a component needs has started, wholly, before its own start begins; and stops after it."""
    log: list[str] = []

    async def main() -> None:
        async def scope(name: str, needs: Any = None) -> AsyncIterator[str]:
            log.append(f"start {name}")
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            log.append(f"started {name}")
            yield name
            log.append(f"stop {name}")
            await anyio.lowlevel.checkpoint()
            log.append(f"stopped {name}")

        part = component(scope)
        parts = {"top": part("top", [ref("a.left"), ref("a.right")]), "left": part("left"), "right": part("right")}
        async with System({"a": parts}).started():
            pass

    run(main)
    at = log.index
    for below in ("left", "right"):
        assert at(f"started {below}") < at("start top")
        assert at("stopped top") < at(f"stop {below}")
    assert at("start right") < at("started left")


@pytest.mark.parametrize("limits", [None, 1])
def test_order_among_equals(run: Backend, limits: int | None) -> None:
    """Those that may begin together begin in the order as written, and stop in the reverse order."""
    log = Log()
    names = [f"c{n}" for n in range(20)]
    told: list[str] = []

    def observer(event: Event) -> None:
        if event.new in ("starting", "stopping"):
            told.append(f"{event.signal!s} {event.id.name}")

    async def main() -> None:
        async with System({"a": {name: log.part(name) for name in names}}, limits=limits).started(observers=[observer]):
            pass

    run(main)
    assert told == [f"start {name}" for name in names] + [f"stop {name}" for name in reversed(names)]
    if run.name == "asyncio" or limits:  # trio itself shuffles those tasks that can go on at the same time
        assert log == told


def test_from_sync_code_async_handlers_run_together() -> None:
    """From sync code async handlers run together too; and beside them a sync one, in the caller's thread."""
    both = threading.Barrier(2)
    here = threading.get_ident()

    def sync_start() -> int:
        both.wait(PATIENCE)
        return threading.get_ident()

    async def start() -> None:
        await anyio.to_thread.run_sync(both.wait, PATIENCE)

    with System({"a": {"x": Component(start), "y": Component(sync_start)}}).started() as live:
        assert live["a.y"] == here


# --- Limits -------------------------------------------------------------------------------------------------------------


class Count:
    """How many handlers were in flight at the same time, at most."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.done: list[str] = []

    def scope(self) -> Callable[..., Any]:
        """An async generator function that is counted at start and at stop."""

        async def counted(name: str, needs: Any = None) -> AsyncIterator[None]:
            await self.once()
            self.done.append(name)
            yield
            await self.once()

        return counted

    async def once(self) -> None:
        """Be in flight for some time."""
        self.begin()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        self.now -= 1

    def begin(self) -> None:
        """Count one."""
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)


@pytest.mark.parametrize("limits", [1, 3, {"*": 3}], ids=str)
def test_limit_of_the_system(run: Backend, limits: Any) -> None:
    """No more handlers are in flight than the limit of the system allows, and as many as it allows."""
    count = Count()
    part = component(count.scope())

    async def main() -> None:
        async with System({"a": {f"c{n}": part(f"c{n}") for n in range(10)}}, limits=limits).started():
            assert count.most == (limits if isinstance(limits, int) else limits["*"])
        assert count.most == (limits if isinstance(limits, int) else limits["*"])

    run(main)
    assert sorted(count.done) == sorted(f"c{n}" for n in range(10))


def test_limits_by_group(run: Backend) -> None:
    """A group has its own limit; groups without one have none, and do not wait behind one that is full."""
    few, many = Count(), Count()
    one, two = component(few.scope()), component(many.scope())
    groups = {
        "few": {f"c{n}": one(f"c{n}") for n in range(6)},
        "many": {f"c{n}": two(f"c{n}") for n in range(6)},
    }

    async def main() -> None:
        async with System(groups, limits={"few": 2}).started():
            pass

    run(main)
    assert few.most == 2
    assert many.most == 6


def test_limit_of_the_system_and_of_a_group(run: Backend) -> None:
    """The limit of the system counts beside that of a group."""
    few, all_of_them = Count(), Count()

    def part(of_few: bool) -> Any:
        async def start(n: int) -> None:
            all_of_them.begin()
            if of_few:
                await few.once()
            else:
                await anyio.lowlevel.checkpoint()
            all_of_them.now -= 1

        return component(start)

    groups = {"few": {f"c{n}": part(True)(n) for n in range(6)}, "many": {f"c{n}": part(False)(n) for n in range(6)}}

    async def main() -> None:
        async with System(groups, limits={"*": 3, "few": 1}).started():
            pass

    run(main)
    assert few.most == 1
    assert all_of_them.most == 3


def test_limit_on_the_roll_back(run: Backend) -> None:
    """A roll-back keeps to the limits as well."""
    count = Count()

    async def stop(it: Any) -> None:
        await count.once()

    async def fails(needs: Any) -> None:
        raise ValueError("no")

    parts: dict[str, Any] = {f"c{n}": Component(dict, stop) for n in range(6)}
    parts["z"] = Component(fails, config={"needs": [ref(f"a.c{n}") for n in range(6)]})

    async def main() -> None:
        with pytest.raises(StartError):
            await System({"a": parts}, limits=2).astart()

    run(main)
    assert count.most == 2


def test_limit_from_sync_code() -> None:
    """The limits hold from sync code too."""
    count = Count()
    part = component(count.scope())
    with System({"a": {f"c{n}": part(f"c{n}") for n in range(6)}}, limits=2).started():
        pass
    assert count.most == 2


@pytest.mark.parametrize("limits", [0, -1, True, 1.5, {"a": 0}, {"nowhere": 1}, "3"], ids=str)
def test_limits_that_make_no_sense(limits: Any) -> None:
    """A limit that is no number of handlers, or for a group that there is not, is an error of the definition."""
    with pytest.raises((DefinitionError, TypeError, ValueError)):
        System({"a": {"x": Component(dict)}}, limits=limits).start([])


# --- Workers ------------------------------------------------------------------------------------------------------------


def barrier_part(barrier: threading.Barrier, threads: set[int], **slots: Any) -> Any:
    """A component whose sync start and stop each wait for others."""

    def scope(n: int) -> Iterator[int]:
        threads.add(threading.get_ident())
        barrier.wait(PATIENCE)
        yield n
        barrier.wait(PATIENCE)

    return component(scope, **slots)


def test_workers_from_async_code(run: Backend) -> None:
    """With workers, so many sync handlers run at the same time, in threads that are not the loop's."""
    threads: set[int] = set()
    part = barrier_part(threading.Barrier(3), threads)

    async def main() -> None:
        async with System({"a": {f"c{n}": part(n) for n in range(6)}}, workers=3).started():
            assert threading.get_ident() not in threads
            assert len(threads) == 3

    run(main)


def test_workers_from_sync_code() -> None:
    """The same from sync code; the threads end with each request."""
    threads: set[int] = set()
    part = barrier_part(threading.Barrier(3), threads)
    before = set(threading.enumerate())
    with System({"a": {f"c{n}": part(n) for n in range(6)}}, workers=3).started():
        assert threading.get_ident() not in threads
        assert len(threads) == 3
        assert set(threading.enumerate()) == before
    assert set(threading.enumerate()) == before


def test_no_more_than_there_are_workers(run: Backend) -> None:
    """No more sync handlers run at the same time than there are workers; async ones are not among them."""
    count = Count()
    gate = threading.Event()

    async def main() -> None:
        everyone = Meeting(5)

        def start(n: int) -> None:
            count.begin()
            gate.wait(PATIENCE)
            with count.lock:
                count.now -= 1

        async def beside() -> None:
            await everyone()
            gate.set()

        groups = {
            "sync": {f"c{n}": component(start)(n) for n in range(6)},
            "async": {f"c{n}": Component(beside) for n in range(5)},
        }
        async with System(groups, workers=2).started():
            pass

    run(main)
    assert count.most <= 2


def test_worker_for_a_single_component(run: Backend) -> None:
    """`thread="worker"` puts one component's handlers on a worker, in a system that has none for the others."""
    threads: dict[str, int] = {}

    def part(name: str, **slots: Any) -> Any:
        def start() -> None:
            threads[name] = threading.get_ident()

        return Component(start, **slots)

    async def main() -> None:
        parts = {"w": part("w", thread="worker"), "plain": part("plain")}
        async with System({"a": parts}).started():
            assert threads["w"] != threading.get_ident() == threads["plain"]

    run(main)


def test_caller_in_a_system_with_workers(run: Backend) -> None:
    """`thread="caller"` keeps one component's handlers in the caller's thread, in a system with workers."""
    threads: dict[str, int] = {}

    def part(name: str, **slots: Any) -> Any:
        def start() -> None:
            threads[name] = threading.get_ident()

        return Component(start, **slots)

    parts = {"w": part("w"), "mine": part("mine", thread="caller")}

    async def main() -> None:
        async with System({"a": parts}, workers=2).started():
            assert threads["w"] != threading.get_ident() == threads["mine"]

    run(main)
    with System({"a": parts}, workers=2).started():
        assert threads["w"] != threading.get_ident() == threads["mine"]


def test_sync_handlers_in_the_callers_thread_run_one_at_a_time(run: Backend) -> None:
    """Without workers, sync handlers are called one after the other, in the order as written, beside async ones."""
    log = Log()

    async def main() -> None:
        meeting = Meeting(3)
        parts: dict[str, Any] = {f"s{n}": log.part(f"s{n}", sync=True) for n in range(5)}
        parts |= {f"a{n}": Component(meeting) for n in range(3)}
        async with System({"a": parts}).started():
            assert log.take() == [f"start s{n}" for n in range(5)]
        assert log == [f"stop s{n}" for n in reversed(range(5))]

    run(main)


def test_failure_on_a_worker(run: Backend, log: Log) -> None:
    """What a handler raises on a worker comes out as it is, and what had started is stopped again."""
    error = ValueError("no")

    def fails(needs: Any) -> None:
        raise error

    system = System(
        {"a": {"x": log.part("x", sync=True), "y": Component(fails, config={"needs": ref("a.x")})}}, workers=2
    )

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await system.astart()
        assert caught.value.exceptions == (error,)

    run(main)
    assert log == ["start x", "stop x"]
    with pytest.raises(StartError):
        system.start()


def test_context_variables_on_a_worker(run: Backend) -> None:
    """Handlers on workers see the context variables of the request that started the component."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    stopped: list[str] = []

    async def main() -> None:
        variable.set("set")
        definition: Any = Component(variable.get, lambda it: stopped.append(variable.get()))
        async with System({"a": {"x": definition}}, workers=1).started() as live:
            assert live["a.x"] == "set"
            variable.set("changed")

    run(main)
    assert stopped == ["set"]


@pytest.mark.parametrize("workers", [-1, True, 1.5, "2"], ids=str)
def test_workers_that_make_no_sense(workers: Any) -> None:
    """A number of workers that is none is an error."""
    with pytest.raises((DefinitionError, TypeError, ValueError)):
        System({"a": {"x": Component(dict)}}, workers=workers)


def test_thread_that_there_is_not() -> None:
    """A thread of another name is an error where it is written."""
    with pytest.raises(DefinitionError, match="thread"):
        Component(dict, thread="main")  # type: ignore[call-overload]


# --- One and the same thread --------------------------------------------------------------------------------------------


def own_part(seen: list[int]) -> Any:
    """A component that is to be handled in one and the same thread, and notes in which it was."""

    def note(*_: Any) -> None:
        seen.append(threading.get_ident())

    def scope() -> Iterator[None]:
        note()
        yield
        note()

    return component(
        scope,
        thread="own",
        status=note,
        suspend=note,
        resume=note,
        pre={"start": note, "stop": note},
        post={"start": note, "stop": note},
        resolve=note,
    )()


def test_thread_of_ones_own_from_async_code(run: Backend) -> None:
    """`thread="own"`: every handler of the component is called in one and the same thread, which is nobody else's."""
    seen: list[int] = []

    async def main() -> None:
        async with System({"a": {"x": own_part(seen), "y": Component(dict)}}).started() as live:
            await live.astatus()
            await live.asuspend()
            await live.aresume()

    run(main)
    assert len(seen) == 10
    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen


@pytest.mark.parametrize("workers", [0, 2])
def test_thread_of_ones_own_from_sync_code(workers: int) -> None:
    """The same from sync code, and beside workers; the thread ends with the component."""
    seen: list[int] = []
    before = set(threading.enumerate())
    with System({"a": {"x": own_part(seen), "y": Component(dict)}}, workers=workers).started() as live:
        live.status()
        live.suspend()
        live.resume()
    assert len(seen) == 10
    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen
    assert set(threading.enumerate()) == before


def test_sqlite_in_a_thread_of_its_own(run: Backend, tmp_path: Any) -> None:
    """A connection of sqlite3, which may be used only in the thread that opened it, can be a component anywhere."""

    def database(path: str) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(path)
        connection.execute("create table if not exists visits (n int)")
        yield connection
        connection.execute("insert into visits values (1)")
        connection.commit()
        connection.close()

    make = component(database, thread="own", status=lambda it: it.execute("select count(*) from visits").fetchone()[0])
    system = System({"db": {"main": make(str(tmp_path / "db"))}, "a": {"x": Log().part("x")}})

    async def main() -> None:
        async with system.started() as live:
            assert await live.astatus() == {("db", "main"): 0}
            with pytest.raises(sqlite3.ProgrammingError):
                live["db.main"].execute("select 1")
            assert await anyio.to_thread.run_sync(live.status) == {("db", "main"): 0}
        assert live.state("db.main") == "stopped"

    run(main)
    with system.started() as live:
        assert live.status() == {("db", "main"): 1}


def test_threads_of_their_own_run_together(run: Backend) -> None:
    """Components with threads of their own start at the same time, without any workers."""
    part = barrier_part(threading.Barrier(4), set(), thread="own")

    async def main() -> None:
        async with System({"a": {f"c{n}": part(n) for n in range(4)}}).started():
            pass

    run(main)
    with System({"a": {f"c{n}": part(n) for n in range(4)}}).started():
        pass


def test_async_component_with_a_sync_status_in_its_own_thread(run: Backend) -> None:
    """Of a component with async and sync handlers, `thread` says where the sync ones are called."""
    where: list[int] = []

    async def scope() -> AsyncIterator[int]:
        yield threading.get_ident()

    make = component(scope, status=lambda it: where.append(threading.get_ident()), thread="worker")

    async def main() -> None:
        async with System({"a": {"x": make()}}).started() as live:
            await live.astatus()
            assert live["a.x"] == threading.get_ident()
            assert where != [threading.get_ident()]

    run(main)


# --- Requests -----------------------------------------------------------------------------------------------------------


def test_second_request_waits(run: Backend, log: Log) -> None:
    """A second request to a live system waits until the first is done, without holding up the loop."""

    async def main() -> None:
        reached, opened = anyio.Event(), anyio.Event()

        async def status(it: Any) -> None:
            log.append("status begins")
            reached.set()
            await opened.wait()
            log.append("status ends")

        async with (
            System({"a": {"x": log.part("x", status=status)}}).started() as live,
            anyio.create_task_group() as tg,
        ):
            log.clear()
            tg.start_soon(live.astatus)
            await reached.wait()
            tg.start_soon(live.arestart)
            await anyio.wait_all_tasks_blocked()
            assert log == ["status begins"]
            opened.set()
        assert log[:4] == ["status begins", "status ends", "stop x", "start x"]

    run(main)


def test_waiting_request_can_be_cancelled(run: Backend, log: Log) -> None:
    """A request that waits for its turn can be cancelled, and then does nothing."""

    async def main() -> None:
        reached, opened = anyio.Event(), anyio.Event()

        async def status(it: Any) -> None:
            reached.set()
            await opened.wait()

        async with (
            System({"a": {"x": log.part("x", status=status)}}).started() as live,
            anyio.create_task_group() as tg,
        ):
            tg.start_soon(live.astatus)
            await reached.wait()
            with anyio.move_on_after(0):
                await live.arestart()
            opened.set()
            await live.astart()
        assert log == ["start x", "stop x"]

    run(main)


def test_requests_of_many_tasks_are_run_one_at_a_time(run: Backend) -> None:
    """Requests from many tasks at once are run one at a time, and each comes to its end."""
    now: list[int] = []

    async def status(it: Any) -> int:
        now.append(1)
        assert len(now) == 1
        await anyio.lowlevel.checkpoint()
        now.pop()
        return 1

    async def in_thread(request: Callable[[], object]) -> None:
        await anyio.to_thread.run_sync(request)

    async def main() -> None:
        async with (
            System({"a": {"x": Component(dict, status=status)}}).started() as live,
            anyio.create_task_group() as tg,
        ):
            for _ in range(20):
                tg.start_soon(live.astatus)
                tg.start_soon(in_thread, live.status)

    run(main)


def test_two_systems_at_once(run: Backend) -> None:
    """Two systems in one loop start and stop at the same time, independently."""

    async def main() -> None:
        both = Meeting(2)
        systems = [System({"a": {"x": Component(both)}}) for _ in range(2)]
        async with anyio.create_task_group() as tg:
            for system in systems:
                tg.start_soon(self_contained, system)

    async def self_contained(system: System) -> None:
        async with system.started():
            await anyio.lowlevel.checkpoint()

    run(main)


# --- Plan and report ----------------------------------------------------------------------------------------------------


def test_waves_of_a_plan() -> None:
    """A plan shows what may run together: the ids by the earliest moment at which each can begin."""
    log = Log()
    parts = {
        "top": log.part("top", ref("a.left"), ref("a.right")),
        "left": log.part("left", ref("a.base")),
        "right": log.part("right", ref("a.low")),
        "low": log.part("low", ref("a.base")),
        "base": log.part("base"),
        "alone": log.part("alone"),
    }
    system = System({"env": {"constant": 1}, "a": parts})

    def names(signal: str) -> list[set[str]]:
        return [{str(id) for id in wave} for wave in system.plan(signal).waves]

    assert names("start") == [{"a.base", "a.alone"}, {"a.left", "a.low"}, {"a.right"}, {"a.top"}]
    assert names("stop") == [{"a.top", "a.alone"}, {"a.left", "a.right"}, {"a.low"}, {"a.base"}]
    assert [str(id) for id in system.plan("start", "a.left").waves[1]] == ["a.left"]


def test_report_shows_what_ran_together(run: Backend) -> None:
    """The report says when each start began and how long it took, so that one sees what ran together."""

    async def main() -> None:
        both = Meeting(2)

        async def after(needs: Any) -> None: ...

        parts = {
            "x": Component(both),
            "y": Component(both),
            "z": Component(after, config={"needs": [ref("a.x"), ref("a.y")]}),
        }
        async with System({"a": parts}).started() as live:
            x, y, z = (live.report[f"a.{name}"] for name in "xyz")
            for one, other in ((x, y), (y, x)):
                assert one.started_at < other.started_at + other.took
            for one in (x, y):
                assert one.started_at + one.took <= z.started_at <= live.report.total
            assert [str(id) for id in live.report] == ["a.x", "a.y", "a.z"]
            assert all(f"a.{name}" in str(live.report) for name in "xyz")

    run(main)


def test_events_of_a_roll_back_say_how_long_each_step_took() -> None:
    """What ends while a roll-back begins took as long as it did itself, and so no longer than the request as a whole."""

    @component
    def scope() -> Iterator[int]:
        yield 1

    @component
    async def later() -> AsyncIterator[int]:
        yield 1

    def fails(_: Any) -> None:
        raise ValueError

    system = System(
        {"a": {"bad": scope(), "q": Component(dict), "r": Component(dict), "t": later()}},
        base={"deadlines": {"stop": PATIENCE}, "pre": {"start": {"x": lambda _: None}}},
    ).add({"a.bad.pre.start.fails": fails})
    for _ in range(30):
        events: list[Event] = []
        begun = time.monotonic()
        with pytest.raises(StartError):
            system.start(observers=[events.append])
        whole = time.monotonic() - begun
        assert all(event.took is None or 0 <= event.took <= whole for event in events)
        assert {event.id.name for event in events if event.took is not None} >= {"bad"}


def test_critical_path() -> None:
    """The critical path is the chain that took longest, whatever was written first; here in virtual time."""

    def part(seconds: float) -> Any:
        async def start(needs: Any = None) -> None:
            await anyio.sleep(seconds)

        return component(start)

    parts = {
        "fast": part(1)(),
        "slow": part(3)(),
        "after fast": part(1)(ref("a.fast")),
        "after slow": part(0.5)(ref("a.slow")),
        "top": part(1)([ref('a."after fast"'), ref('a."after slow"')]),
    }

    async def main() -> None:
        async with System({"a": parts}).started() as live:
            assert [id.name for id in live.report.critical_path] == ["slow", "after slow", "top"]
            assert live.report.total == pytest.approx(4.5)
            assert live.report["a.top"].started_at == pytest.approx(3.5)
            assert live.report["a.top"].took == pytest.approx(1)

    Backend("trio")(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_handler_that_blocks_nobody(run: Backend) -> None:
    """While async handlers run, the program's own tasks go on; while sync ones run on workers, too."""

    async def main() -> None:
        opened = threading.Event()
        going = anyio.Event()

        def start() -> None:
            assert opened.wait(PATIENCE)

        async def other() -> None:
            await going.wait()
            opened.set()

        async with anyio.create_task_group() as tg:
            tg.start_soon(other)
            tg.start_soon(lambda: anyio.lowlevel.checkpoint())
            going.set()
            async with System({"a": {"x": Component(start)}}, workers=1).started():
                pass

    run(main)


def test_thousands_at_once(run: Backend) -> None:
    """A thousand components in flight at once, and a chain of a thousand, come to their end."""

    async def main() -> None:
        everyone = Meeting(1000)
        wide: dict[str, Any] = {f"c{n}": Component(everyone) for n in range(1000)}

        async def start(needs: Any = None) -> int:
            return 1

        step = component(start)
        deep = {f"c{n}": step(ref(f"deep.c{n - 1}")) if n else step() for n in range(1000)}
        async with System({"wide": wide, "deep": deep}).started() as live:
            assert live["deep.c999"] == 1

    run(main)


def test_ids_of_the_critical_path_are_ids() -> None:
    """The critical path holds ids, of components only; it is empty where nothing ran."""
    live = System({"env": {"c": 1}, "a": {"x": Component(dict, config={"c": ref("env.c")})}}).start()
    assert live.report.critical_path == (Id("a", "x"),)
    live.stop()
    assert System({}).start().report.critical_path == ()
