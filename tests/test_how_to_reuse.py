"""What the how-to pages on idempotence, sharing, stages and fakes rely on: parts that are used again and by many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from mainspring import (
    BadOverride,
    Component,
    Context,
    HandlerCall,
    InstanceCache,
    Retry,
    StartError,
    StopError,
    System,
    component,
    local_ref,
    ref,
)

Log = list[str]


def part(log: Log, name: str, **needs: Any) -> Component[Any]:
    """A component that notes its start and its stop."""

    def scope(**needs: Any) -> Iterator[object]:
        log.append(f"+{name}")
        yield object()
        log.append(f"-{name}")

    return Component(scope=scope, config=needs)


@pytest.fixture
def log() -> Log:
    """What happened."""
    return []


@pytest.fixture
def system(log: Log) -> System:
    """A chain of three: `app.c` needs `app.b`, which needs `app.a`."""
    return System(
        {
            "app": {
                "a": part(log, "a"),
                "b": part(log, "b", needs=local_ref("a")),
                "c": part(log, "c", needs=local_ref("b")),
            },
        }
    )


# --- Idempotence --------------------------------------------------------------------------------------------------------


def test_a_start_starts_what_is_not_running(system: System, log: Log) -> None:
    """A start of a live system calls nothing of what runs, and leaves it its instance."""
    live = system.start("app.b")
    first = live["app.b"]
    report = live.start()
    assert log == ["+a", "+b", "+c"]
    assert live["app.b"] is first
    assert [str(id) for id, outcome in report.items() if outcome.called] == ["app.c"]
    live.start()
    assert log == ["+a", "+b", "+c"]
    live.stop()


def test_a_second_stop_does_nothing(system: System, log: Log) -> None:
    """A stop after a stop calls nothing, and so does the end of the block around it."""
    with system.started() as live:
        live.stop()
        stopped = list(log)
        live.stop()
    assert log == stopped == ["+a", "+b", "+c", "-c", "-b", "-a"]


def test_a_system_can_be_started_many_times(system: System, log: Log) -> None:
    """One definition gives any number of live systems, one after the other and side by side; none knows of another."""
    with system.started() as one, system.started() as other:
        assert one["app.a"] is not other["app.a"]
    assert log.count("+a") == log.count("-a") == 2


def test_each_start_gets_its_config_fresh() -> None:
    """What a start does to its arguments is not there in the next one."""

    def start(names: list[str]) -> int:
        names.append("another")
        return len(names)

    with System({"a": {"b": Component(start, config={"names": ["one"]})}}).started() as live:
        assert live["a.b"] == 2
        live.restart()
        assert live["a.b"] == 2


def test_a_start_that_failed_can_come_again(system: System, log: Log) -> None:
    """After a failed start another one starts what failed, and what was rolled back with it."""
    broken = [OSError("no")]

    def start(needs: object) -> str:
        if broken:
            raise broken.pop()
        return "up"

    system = system.override({"app.c": Component(start, config={"needs": local_ref("b")})})
    live = system.start([])
    with pytest.raises(StartError):
        live.start()
    assert log == ["+a", "+b", "-b", "-a"]
    live.start()
    assert live["app.c"] == "up"
    assert log == ["+a", "+b", "-b", "-a", "+a", "+b"]
    live.stop()


def test_a_stop_has_one_chance() -> None:
    """A stop that failed is not called again, and the component can be started anew."""
    stops: Log = []

    def stop(instance: object) -> None:
        stops.append("stop")
        raise OSError("gone already")

    live = System({"a": {"b": Component(object, stop=stop)}}).start()
    with pytest.raises(StopError):
        live.stop()
    live.stop()
    assert stops == ["stop"]
    live.start()
    assert live.state("a.b") == "running"
    with pytest.raises(StopError):
        live.stop()


def test_an_attempt_that_cleans_up_can_be_repeated(log: Log) -> None:
    """With an `ExitStack`, an attempt that fails half way leaves nothing to the next one."""
    refused = [ConnectionError("refused")]

    def scope(names: list[str]) -> Iterator[None]:
        with ExitStack() as stack:
            for name in names:
                if name == "b" and refused:
                    raise refused.pop()
                log.append(f"+{name}")
                stack.callback(log.append, f"-{name}")
            yield

    links = Component(scope=scope, config={"names": ["a", "b"]}, retry=Retry(2, on=ConnectionError, wait=0))
    with System({"app": {"links": links}}).started():
        assert log == ["+a", "-a", "+a", "+b"]
    assert log == ["+a", "-a", "+a", "+b", "-b", "-a"]


def test_meta_is_kept_over_restarts() -> None:
    """What a handler puts into `meta` is there in the next start of the live system, and not in another live system."""

    def start(ctx: Context = Context.here) -> int:
        ctx.meta["starts"] = ctx.meta.get("starts", 0) + 1
        return int(ctx.meta["starts"])

    system = System({"a": {"b": Component(start)}})
    with system.started() as live:
        live.restart()
        live.stop()
        assert live.meta("a.b") == {"starts": 2}
        live.start()
        assert live["a.b"] == 3
    with system.started() as another:
        assert another["a.b"] == 1


def test_every_component_can_be_restarted_by_itself(system: System, log: Log) -> None:
    """A restart of any one takes what needs it along, and afterwards everything runs."""
    with system.started() as live:
        for id in list(live.report):
            live.restart(id)
            assert {live.state(each) for each in system} == {"running"}
    assert [log.count(f"+{name}") for name in "abc"] == [2, 3, 4]


# --- Sharing with request handlers --------------------------------------------------------------------------------------

Answer = Callable[[str], str]


class Store:
    """Something that many use at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seen: list[str] = []
        self.is_open = True

    def add(self, text: str) -> int:
        """Keep a text; give the number of those that are kept."""
        assert self.is_open
        with self._lock:
            self.seen.append(text)
            return len(self.seen)


@component
def store() -> Iterator[Store]:
    """The store, closed at its stop."""
    made = Store()
    yield made
    made.is_open = False


def in_a_closure(store: Store) -> Answer:
    """An application whose handlers see what they need."""
    return lambda text: f"number {store.add(text)}"


def answer(text: str, *, store: Store) -> str:
    """A handler in another module."""
    return f"number {store.add(text)}"


def by_partial(store: Store) -> Answer:
    """An application whose handlers got it as an argument."""
    return partial(answer, store=store)


@pytest.mark.parametrize("make", [in_a_closure, by_partial])
def test_requests_share_one_instance(make: Callable[[Store], Answer]) -> None:
    """All requests, in whatever threads, get the parts that the application was made with."""
    app = Component(make, config={"store": ref("db.store")})
    with System({"db": {"store": store()}, "web": {"app": app}}).started() as live:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(live["web.app"], map(str, range(100))))
        assert sorted(answers) == sorted(f"number {n}" for n in range(1, 101))
        assert sorted(live["db.store"].seen) == sorted(map(str, range(100)))


def test_a_request_under_way_ends_before_its_parts() -> None:
    """A server that waits for its last answers at its stop gives them with everything that they need still open."""
    may_answer, asked = threading.Event(), threading.Event()
    answers: Log = []

    def app(store: Store) -> Answer:
        def slow(text: str) -> str:
            asked.set()
            may_answer.wait(10)
            return f"number {store.add(text)}"

        return slow

    def server(app: Answer) -> Iterator[threading.Thread]:
        request = threading.Thread(target=lambda: answers.append(app("last")))
        request.start()
        yield request
        may_answer.set()
        request.join()

    web = {
        "app": Component(app, config={"store": ref("db.store")}),
        "server": Component(scope=server, config={"app": local_ref("app")}),
    }
    with System({"web": web, "db": {"store": store()}}).started():
        assert asked.wait(10)
    assert answers == ["number 1"]


def test_requests_in_tasks_share_what_belongs_to_the_loop() -> None:
    """An async part is made in the event loop in which the requests are handled."""

    @component
    async def queue() -> AsyncIterator[asyncio.Queue[str]]:
        yield asyncio.Queue()

    @component
    def app(queue: asyncio.Queue[str]) -> Any:
        async def put(text: str) -> int:
            await queue.put(text)
            return queue.qsize()

        return put

    system = System({"web": {"queue": queue(), "app": app(queue=local_ref("queue"))}})

    async def main() -> None:
        async with system.started() as live:
            sizes = await asyncio.gather(*(live["web.app"](text) for text in "abc"))
            assert sorted(sizes) == [1, 2, 3]

    asyncio.run(main())


def test_looking_at_the_system_never_waits() -> None:
    """A request handler that is called in the middle of a stop may look at states and parts."""
    seen: list[Any] = []

    def stop(instance: object) -> None:
        looking = threading.Thread(target=lambda: seen.append((live.state("a.b"), live["a.b"], str(live.report)[:5])))
        looking.start()
        looking.join(10)

    live = System({"a": {"b": Component(lambda: "it", stop=stop)}}).start()
    live.stop()
    assert seen == [("stopping", "it", "start")]


# --- Stages -------------------------------------------------------------------------------------------------------------


def test_a_stage_that_fails_leaves_the_one_before(system: System, log: Log) -> None:
    """Each stage is a request of its own: what it started is rolled back, and nothing else."""

    def start(needs: object) -> None:
        raise OSError("no")

    system = system.override({"app.c": Component(start, config={"needs": local_ref("b")})})
    with system.started("app.a") as live:
        with pytest.raises(StartError):
            live.start()
        assert (live.state("app.a"), live.state("app.b")) == ("running", "stopped")
    assert log == ["+a", "+b", "-b", "-a"]


def test_what_a_stop_took_along_can_be_started_again(system: System, log: Log) -> None:
    """The report of a stop is a selection: what was stopped, and nothing that was left out before."""
    with system.started() as live:
        down = live.stop("app.b")
        log.clear()
        live.start(down)
        assert log == ["+b", "+c"]


# --- Fakes --------------------------------------------------------------------------------------------------------------


def test_a_fake_takes_the_place_of_a_component(system: System, log: Log) -> None:
    """What needed the component gets the fake, nothing of the component is called, and the system itself is as before."""
    fake = object()
    with system.override({"app.a": fake}).started() as live:
        assert live["app.a"] is fake
    assert "+a" not in log
    with system.started():
        assert "+a" in log


def test_a_fake_for_what_is_not_there(system: System) -> None:
    """A fake has to take the place of something: who renames a part hears of it from every test."""
    with pytest.raises(BadOverride, match=r"Did you mean app\.a"):
        system.override({"app.aa": object()})


def test_a_fake_with_a_start_and_a_stop(system: System, log: Log) -> None:
    """A fake may be a component, which stands in the order where the real one stood."""
    with system.override({"app.b": part(log, "fake", needs=local_ref("a"))}).started():
        pass
    assert log == ["+a", "+fake", "+c", "-c", "-fake", "-a"]


def test_a_wrapper_as_a_spy(system: System) -> None:
    """A wrapper sees each call of a handler, and can make one fail, without any part being exchanged."""
    calls: Log = []

    def spy(call: HandlerCall) -> Any:
        calls.append(f"{call.handler} {call.id}")
        if call.signal == "start" and str(call.id) == "app.c":
            raise ConnectionError("as if")
        return call()

    with pytest.raises(StartError) as caught:
        system.wrap(spy).start()
    assert isinstance(caught.value.exceptions[0], ConnectionError)
    assert calls == ["start app.a", "start app.b", "start app.c", "stop app.b", "stop app.a"]


def test_one_expensive_part_for_many_tests(system: System, log: Log) -> None:
    """With a cache, what is marked is started once for all systems; everything else is each system's own."""
    system = system.override({"app.a.cached": True})

    with InstanceCache() as cache:
        used: set[object] = set()
        for _ in range(3):
            with system.started(cache=cache) as live:
                used.add(live["app.a"])
        assert len(used) == 1
    assert (log.count("+a"), log.count("-a"), log.count("+b"), log.count("-b")) == (1, 1, 3, 3)
