"""Retries of a start: how often, after which errors, how long between, and what ends them; in virtual time where time counts."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
import trio.testing
from aio_helpers import PATIENCE, SHORT, Backend, Log

from mainspring import (
    BadComponent,
    Component,
    Context,
    DeadlineExceeded,
    Event,
    Interrupted,
    Retry,
    StartError,
    StopError,
    System,
    component,
    ref,
)

AT_ONCE: dict[str, Any] = {"wait": 0, "jitter": 0}


class Flaky:
    """Starts that fail so many times before they succeed."""

    def __init__(self, failures: int, error: type[BaseException] | BaseException = OSError) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0
        self.at: list[float] = []

    def sync(self, needs: Any = None) -> str:
        """A sync start."""
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return f"attempt {self.calls}"

    async def function(self, needs: Any = None) -> str:
        """A coroutine function."""
        self.at.append(anyio.current_time())
        await anyio.lowlevel.checkpoint()
        return self.sync()

    async def generator(self, needs: Any = None) -> AsyncIterator[str]:
        """An async generator."""
        yield await self.function()

    def sync_generator(self, needs: Any = None) -> Iterator[str]:
        """A generator."""
        yield self.sync()


FORMS = ("sync", "sync_generator", "function", "generator")


@pytest.mark.parametrize("form", FORMS)
def test_start_that_fails_is_tried_again(run: Backend, log: Log, form: str) -> None:
    """A start that fails and then succeeds has succeeded; what needs it gets the instance, and nothing else is noticed."""
    flaky = Flaky(2)
    make: Any = component(getattr(flaky, form), retry=Retry(3, **AT_ONCE))
    user: Any = Component(dict, config={"it": ref("a.y")})
    parts = {"x": log.part("x"), "y": make(ref("a.x")), "user": user}

    async def main() -> None:
        async with System({"a": parts}).started() as live:
            assert live["a.user"]["it"] == "attempt 3"
            assert live.report["a.y"].attempts == 3
            assert live.report["a.x"].attempts == 1
            assert live.report["a.y"].state == "running"

    run(main)
    assert flaky.calls == 3
    assert log == ["start x", "stop x"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("slots", [{}, {"thread": "own"}, {"deadlines": PATIENCE}, {"thread": "worker"}], ids=str)
def test_retry_from_sync_code(form: str, slots: dict[str, Any]) -> None:
    """The same from sync code, in whatever thread the component is handled."""
    flaky = Flaky(2)
    make: Any = component(getattr(flaky, form), retry=Retry(3, **AT_ONCE), **slots)
    with System({"a": {"y": make()}}).started() as live:
        assert live["a.y"] == "attempt 3"
        assert live.report["a.y"].attempts == 3


@pytest.mark.parametrize("form", FORMS)
def test_start_that_fails_too_often(run: Backend, log: Log, form: str) -> None:
    """After the last attempt the start has failed, with the last error, and is rolled back."""
    flaky = Flaky(5)
    make: Any = component(getattr(flaky, form), retry=Retry(3, **AT_ONCE))

    async def main() -> None:
        live = await System({"a": {"x": log.part("x"), "y": make(ref("a.x"))}}).astart([])
        with pytest.raises(StartError) as caught:
            await live.astart()
        assert [type(error) for error in caught.value.exceptions] == [OSError]
        assert live.report["a.y"].attempts == 3
        assert live.state("a.y") == "failed"

    run(main)
    assert flaky.calls == 3
    assert log == ["start x", "stop x"]


def test_number_of_attempts_alone(run: Backend) -> None:
    """`retry=2` is a number of attempts, with the waits of a `Retry` that is given nothing else."""
    flaky = Flaky(1)

    async def main() -> None:
        async with System({"a": {"y": component(flaky.function, retry=2)()}}).started() as live:
            assert live["a.y"] == "attempt 2"

    run(main)


# --- After which errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "error", "calls"),
    [
        ((OSError,), ConnectionError("no"), 3),
        (OSError, ConnectionError("no"), 3),
        ((ValueError, OSError), OSError("no"), 3),
        ((OSError,), ValueError("no"), 1),
        ((Exception,), ValueError("no"), 3),
        ((OSError,), ExceptionGroup("group", [OSError("no"), ConnectionError("no")]), 3),
        ((OSError,), ExceptionGroup("group", [OSError("no"), ExceptionGroup("inner", [OSError("no")])]), 3),
        ((OSError,), ExceptionGroup("group", [OSError("no"), ValueError("no")]), 1),
        ((ExceptionGroup,), ExceptionGroup("group", [ValueError("no")]), 3),
    ],
    ids=repr,
)
def test_which_errors_are_tried_again(on: Any, error: Exception, calls: int) -> None:
    """Only after the errors that were named there is another attempt; of a group each leaf has to be one of them."""
    for form in ("function", "sync"):
        flaky = Flaky(5, error)
        make: Any = component(getattr(flaky, form), retry=Retry(3, on=on, **AT_ONCE))
        with pytest.raises(StartError):
            System({"a": {"y": make()}}).start()
        assert flaky.calls == calls


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"])
def test_what_ends_a_program_is_not_tried_again(error: BaseException) -> None:
    """After SystemExit and KeyboardInterrupt there is no other attempt, though every `Exception` has one."""
    flaky = Flaky(1, error)
    with pytest.raises(type(error)):
        System({"a": {"y": component(flaky.sync, retry=Retry(3, **AT_ONCE))()}}).start()
    assert flaky.calls == 1


def test_group_of_a_task_group_is_tried_again(run: Backend) -> None:
    """A start that fails in a task group, and so with a group, is tried again by what the tasks raised."""
    calls: list[int] = []

    async def fails() -> None:
        raise ConnectionError("no")

    async def start() -> int:
        calls.append(1)
        if len(calls) < 3:
            async with anyio.create_task_group() as group:
                group.start_soon(fails)
        return len(calls)

    async def main() -> None:
        part = component(start, retry=Retry(3, on=(ConnectionError,), **AT_ONCE))
        async with System({"a": {"y": part()}}).started() as live:
            assert live["a.y"] == 3

    run(main)


@pytest.mark.parametrize("phase", ["pre", "post", "stop", "status"])
def test_only_the_start_itself_is_tried_again(run: Backend, phase: str) -> None:
    """A pre or post handler, a stop or a status that fails is not tried again."""
    calls: list[str] = []

    async def start() -> None:
        calls.append("start")

    async def fails(it: Any) -> None:
        calls.append(phase)
        raise OSError("no")

    slots: dict[str, Any] = {phase: {"start": fails}} if phase in ("pre", "post") else {phase: fails}

    async def main() -> None:
        live = await System({"a": {"y": Component(start, **slots, retry=Retry(3, **AT_ONCE))}}).astart([])
        if phase in ("pre", "post"):
            with pytest.raises(StartError):
                await live.astart()
        else:
            await live.astart()
            with pytest.raises(ExceptionGroup):
                await (live.astatus() if phase == "status" else live.astop())
        await live.astop()

    run(main)
    assert calls.count(phase) == 1
    assert calls.count("start") == (0 if phase == "pre" else 1)


# --- How long between ---------------------------------------------------------------------------------------------------


def test_delays() -> None:
    """Each wait is so many times longer than the one before, up to the longest; jitter moves it by a part, by chance."""
    retry = Retry(10, wait=0.5, factor=3, most=10, jitter=0.2)
    assert [retry.delay(n, 0.5) for n in range(1, 6)] == pytest.approx([0.5, 1.5, 4.5, 10, 10])
    assert retry.delay(1, 0) == pytest.approx(0.4)
    assert retry.delay(1, 1) == pytest.approx(0.6)
    assert Retry(10, wait=0.5, jitter=0).delay(1, 0) == Retry(10, wait=0.5, jitter=0).delay(1, 1) == 0.5
    assert Retry(10, wait=0, jitter=1).delay(3, 1) == 0
    assert Retry(10**9, wait=1, factor=2, most=30, jitter=0).delay(10**6, 0.5) == 30


def test_waits_between_attempts() -> None:
    """So long the engine waits; in virtual time, to the moment."""
    flaky = Flaky(4)
    retry = Retry(5, wait=1, factor=2, most=5, jitter=0)

    async def main() -> None:
        async with System({"a": {"y": component(flaky.function, retry=retry)()}}).started():
            pass

    on_a_virtual_clock(main)
    first = flaky.at[0]
    assert [at - first for at in flaky.at] == [0, 1, 3, 7, 12]


def test_jitter_keeps_within_its_bounds() -> None:
    """With jitter the waits differ, within their bounds."""
    flaky = Flaky(20)
    retry = Retry(21, wait=0.5, factor=1, jitter=0.5)

    async def main() -> None:
        async with System({"a": {"y": component(flaky.function, retry=retry)()}}).started():
            pass

    on_a_virtual_clock(main)
    waits = [later - earlier for earlier, later in zip(flaky.at, flaky.at[1:], strict=False)]
    assert all(0.24 <= wait <= 0.76 for wait in waits)
    assert len({round(wait, 3) for wait in waits}) > 10


def on_a_virtual_clock(function: Any) -> None:
    """Run on trio, where time jumps to the next moment at which something happens."""
    Backend("trio")(function, clock=trio.testing.MockClock(rate=0, autojump_threshold=0))


def test_others_go_on_while_one_waits() -> None:
    """While one component waits for its next attempt, others are started, also with a limit and in order."""
    flaky = Flaky(1)
    at: list[float] = []

    async def other(needs: Any = None) -> None:
        at.append(anyio.current_time())

    parts = {
        "y": component(flaky.function, retry=Retry(2, wait=10, jitter=0))(),
        "other": component(other)(),
        "another": component(other)(ref("a.other")),
    }

    async def main() -> None:
        began = anyio.current_time()
        async with System({"a": parts}).started():
            assert at == [began, began]
            assert anyio.current_time() - began == 10

    on_a_virtual_clock(main)


# --- Events -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_events_of_retries(run: Backend, form: str) -> None:
    """Each attempt that failed is an event from "starting" to "starting", with its error and number; the end says how many."""
    flaky = Flaky(2)
    events: list[Event] = []
    make: Any = component(getattr(flaky, form), retry=Retry(3, **AT_ONCE))

    async def main() -> None:
        async with System({"a": {"y": make()}}).started(observers=[events.append]):
            pass

    run(main)
    told = [(str(e.old), str(e.new), e.attempt, type(e.error)) for e in events if e.signal == "start"]
    assert told == [
        ("defined", "starting", 1, type(None)),
        ("starting", "starting", 1, OSError),
        ("starting", "starting", 2, OSError),
        ("starting", "running", 3, type(None)),
    ]


def test_events_of_retries_from_sync_code() -> None:
    """The same from sync code, without a loop."""
    flaky = Flaky(1)
    events: list[Event] = []
    make: Any = component(flaky.sync, retry=Retry(2, **AT_ONCE))
    with System({"a": {"y": make()}}).started(observers=[events.append]):
        pass
    assert [e.attempt for e in events if e.error is not None] == [1]
    assert [e.attempt for e in events if e.new == "running"] == [2]


# --- What ends them -----------------------------------------------------------------------------------------------------


def test_deadline_is_for_all_attempts() -> None:
    """The deadline of a start counts for all its attempts and the waits between: none begins that would come too late."""
    flaky = Flaky(100)
    part = component(flaky.function, retry=Retry(100, wait=4, factor=1, jitter=0), deadlines=10.0)

    async def main() -> None:
        began = anyio.current_time()
        with pytest.raises(StartError) as caught:
            await System({"a": {"y": part()}}).astart()
        assert anyio.current_time() - began == 8
        assert [type(error) for error in caught.value.exceptions] == [OSError]

    on_a_virtual_clock(main)
    assert flaky.calls == 3


def test_attempt_that_hangs_ends_at_the_deadline(run: Backend) -> None:
    """An attempt that hangs ends at the deadline of the start, and is not tried again."""
    calls: list[int] = []

    async def start() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("no")
        await anyio.sleep(PATIENCE)

    part = component(start, retry=Retry(100, **AT_ONCE), deadlines=SHORT)

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await System({"a": {"y": part()}}).astart()
        assert isinstance(caught.value.exceptions[0], DeadlineExceeded)

    run(main)
    assert len(calls) == 3


def waits_long(flaky: Flaky, form: str) -> Any:
    """A component that fails, and then waits for a long time before it is tried again."""
    return component(getattr(flaky, form), retry=Retry(2, wait=PATIENCE * 100, most=PATIENCE * 100, jitter=0))


@pytest.mark.parametrize("form", FORMS)
def test_cancelled_while_waiting(run: Backend, log: Log, form: str) -> None:
    """A start that is cancelled while it waits for the next attempt ends at once; nothing was made that had to be stopped."""
    flaky = Flaky(1)

    async def main() -> None:
        failed = anyio.Event()

        def observer(event: Event) -> None:
            if event.error is not None:
                failed.set()

        live = await System({"a": {"x": log.part("x"), "y": waits_long(flaky, form)(ref("a.x"))}}).astart([])
        live.observe(observer)
        async with anyio.create_task_group() as group:
            group.start_soon(live.astart)
            await failed.wait()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert live.state("a.y") == "stopped"
        assert log == ["start x", "stop x"]

    run(main)
    assert flaky.calls == 1


@pytest.mark.parametrize("form", FORMS)
def test_stopped_while_waiting(log: Log, form: str) -> None:
    """A stop from another thread ends the waiting too, from sync code."""
    flaky = Flaky(1)
    failed = threading.Event()

    def observer(event: Event) -> None:
        if event.error is not None:
            failed.set()

    live = System({"a": {"x": log.part("x", sync=True), "y": waits_long(flaky, form)(ref("a.x"))}}).start([])
    live.observe(observer)

    def stop() -> None:
        assert failed.wait(PATIENCE)
        live.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(StartError) as caught:
        live.start()
    thread.join(PATIENCE)
    assert [type(error) for error in caught.value.exceptions] == [Interrupted]
    assert log == ["start x", "stop x"]
    assert flaky.calls == 1


def test_failure_of_another_while_waiting(run: Backend) -> None:
    """When something else fails, the start is given up, and with it what waits for its next attempt."""
    flaky = Flaky(1)

    async def main() -> None:
        failed = anyio.Event()

        def observer(event: Event) -> None:
            if event.error is not None:
                failed.set()

        async def fails() -> None:
            await failed.wait()
            raise ValueError("other")

        live = await System({"a": {"y": waits_long(flaky, "function")(), "z": Component(fails)}}).astart([])
        live.observe(observer)
        with pytest.raises(StartError) as caught:
            await live.astart()
        assert [str(error) for error in caught.value.exceptions] == ["other"]
        assert live.state("a.y") == "stopped"

    run(main)
    assert flaky.calls == 1


# --- Nothing else -------------------------------------------------------------------------------------------------------


def test_every_attempt_gets_fresh_arguments(run: Backend) -> None:
    """Each attempt gets its own copies of the containers in the config."""
    seen: list[list[int]] = []

    async def start(numbers: list[int]) -> None:
        seen.append(list(numbers))
        numbers.append(0)
        if len(seen) < 3:
            raise OSError("no")

    async def main() -> None:
        async with System({"a": {"y": component(start, retry=Retry(3, **AT_ONCE))([1])}}).started():
            pass

    run(main)
    assert seen == [[1], [1], [1]]


def test_generator_of_a_failed_attempt_is_not_left(run: Backend) -> None:
    """What an attempt that failed had opened before is closed by the scope itself, and only the last one is stopped."""
    log: list[str] = []

    async def scope() -> AsyncIterator[None]:
        number = sum("open" in line for line in log) + 1
        log.append(f"open {number}")
        try:
            await anyio.lowlevel.checkpoint()
            if number < 3:
                raise OSError("no")
            yield
        finally:
            log.append(f"close {number}")

    async def main() -> None:
        async with System({"a": {"y": component(scope, retry=Retry(3, **AT_ONCE))()}}).started():
            assert log == ["open 1", "close 1", "open 2", "close 2", "open 3"]

    run(main)
    assert log[-1] == "close 3"


def test_restart_counts_anew(run: Backend) -> None:
    """A restart has all its attempts again, and a failing stop of it is not tried again."""
    calls: list[str] = []

    async def start() -> None:
        calls.append("start")
        if len(calls) % 2:
            raise OSError("no")

    async def main() -> None:
        live = await System({"a": {"y": Component(start, retry=Retry(2, **AT_ONCE))}}).astart()
        await live.arestart()
        await live.astop()

    run(main)
    assert len(calls) == 4
    assert issubclass(StopError, ExceptionGroup)


@pytest.mark.parametrize(
    "arguments",
    [{"times": 0}, {"times": True}, {"times": 1.5}, {"on": ()}, {"on": "OSError"}, {"wait": -1}, {"wait": "1"},
     {"factor": 0.5}, {"most": -1}, {"jitter": 2}, {"jitter": -0.1}, {"on": (3,)}],
    ids=str,
)  # fmt: skip
def test_retries_that_make_no_sense(arguments: dict[str, Any]) -> None:
    """A retry whose values are of the wrong kind is an error where it is written."""
    with pytest.raises(BadComponent):
        Retry(**arguments)


@pytest.mark.parametrize("retry", [0, "3", 1.5, True, object()], ids=repr)
def test_slots_that_are_no_retry(retry: Any) -> None:
    """So is a slot that holds no retry and no number of attempts."""
    with pytest.raises(BadComponent):
        Component(dict, retry=retry)


def test_retries_are_values() -> None:
    """Two retries with the same values are equal, and so are components that have them."""
    assert Retry(3, on=OSError) == Retry(3, on=(OSError,)) != Retry(4, on=OSError)
    assert hash(Retry(3)) == hash(Retry(3))
    assert Component(dict, retry=Retry(3)) == Component(dict, retry=Retry(3)) != Component(dict, retry=Retry(4))
    assert repr(Retry(3, on=OSError)).startswith("Retry(3, on=(OSError,)")


@pytest.mark.parametrize("asks", [False, True])
def test_each_attempt_gets_containers_of_its_own(asks: bool) -> None:
    """What an attempt did to its arguments is not seen by the next, whether or not the start asks for its context."""
    seen: list[list[int]] = []

    def start(items: list[int]) -> list[int]:
        seen.append(list(items))
        items.append(1)
        if len(seen) < 3:
            raise OSError
        return items

    def start_with_context(items: list[int], ctx: Context = Context.here) -> list[int]:
        assert ctx.id == ("a", "it")
        return start(items)

    chosen = start_with_context if asks else start
    live = System({"a": {"it": Component(chosen, config={"items": []}, retry=Retry(3, wait=0))}}).start()
    assert seen == [[], [], []]
    assert live["a.it"] == [1]
    live.stop()
