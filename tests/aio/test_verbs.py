"""Async components in every form, and every verb, in every place where somebody may use them."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
from aio_helpers import PATIENCE, Backend, Log, patiently, python, tasks_here

from mainspring import (
    BadComponent,
    Component,
    Context,
    Id,
    Live,
    MissingExtra,
    Signal,
    SignalError,
    StartError,
    StateError,
    StopError,
    System,
    component,
    opaque,
    ref,
)

# --- Every form ---------------------------------------------------------------------------------------------------------


@component
async def generator(log: Log) -> AsyncIterator[str]:
    """An async generator."""
    await anyio.lowlevel.checkpoint()
    log.append("start")
    yield "instance"
    await anyio.lowlevel.checkpoint()
    log.append("stop")


async def function(log: Log) -> str:
    """A coroutine function that starts."""
    await anyio.lowlevel.checkpoint()
    log.append("start")
    return "instance"


class Server:
    """A class with async start and stop."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def start(self) -> str:
        """Start it."""
        await anyio.lowlevel.checkpoint()
        self.log.append("start")
        return "ignored"

    async def stop(self) -> None:
        """Stop it."""
        await anyio.lowlevel.checkpoint()
        self.log.append("stop")

    def __eq__(self, other: object) -> bool:
        return other == "instance"

    __hash__ = None  # type: ignore[assignment]


class HalfServer(Server):
    """A class whose start is sync, and whose stop is async."""

    def start(self) -> str:  # type: ignore[override]
        """Start it."""
        self.log.append("start")
        return "ignored"


class Manager:
    """An async context manager."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def __aenter__(self) -> str:
        await anyio.lowlevel.checkpoint()
        self.log.append("start")
        return "instance"

    async def __aexit__(self, *_: object) -> None:
        await anyio.lowlevel.checkpoint()
        self.log.append("stop")


@asynccontextmanager
async def manager(log: Log) -> AsyncIterator[str]:
    """A function that gives an async context manager."""
    async with Manager(log) as it:
        yield it


def sync_function(log: Log) -> str:
    """A sync function that starts."""
    log.append("start")
    return "instance"


class AsyncCall:
    """An object whose call is a coroutine function."""

    async def __call__(self, log: Log) -> str:
        """Start."""
        return await function(log)


FORMS: dict[str, Callable[[Log], Any]] = {
    "async generator": lambda log: generator(opaque(log)),
    "coroutine function, sync stop": lambda log: component(function, stop=log.note("stop"))(opaque(log)),
    "coroutine function, async stop": lambda log: component(function, stop=log.anote("stop"))(opaque(log)),
    "sync function, async stop": lambda log: component(sync_function, stop=log.anote("stop"))(opaque(log)),
    "class": lambda log: component(Server)(opaque(log)),
    "class with a sync start": lambda log: component(HalfServer)(opaque(log)),
    "async context manager": lambda log: component(Manager, enter=True)(opaque(log)),
    "asynccontextmanager": lambda log: component(manager, enter=True)(opaque(log)),
    "scope": lambda log: Component(scope=manager, config={"log": opaque(log)}),
    "partial": lambda log: Component(functools.partial(function, log), log.anote("stop")),
    "object with an async call": lambda log: component(AsyncCall(), stop=log.anote("stop"))(opaque(log)),
}
# What one cannot see to be async before it is called.
HIDDEN: dict[str, Callable[[Log], Any]] = {
    "lambda for start": lambda log: Component(lambda: function(log), log.note("stop")),
    "lambda for stop": lambda log: component(sync_function, stop=lambda it: log.anote("stop")())(opaque(log)),
    "lambda for both": lambda log: Component(lambda: function(log), lambda it: log.anote("stop")(it)),
    "lambda for scope": lambda log: Component(scope=lambda: manager(log)),
}


def system_of(form: str, log: Log) -> System:
    """A component of one form, and one that needs it."""
    return System({"a": {"it": {**FORMS, **HIDDEN}[form](log), "user": Component(dict, config={"it": ref("a.it")})}})


@pytest.mark.parametrize("form", [*FORMS, *HIDDEN])
def test_every_form_in_an_async_with(run: Backend, log: Log, form: str) -> None:
    """In `async with`, each form of async component is started, seen by what needs it, and stopped."""

    async def main() -> None:
        async with system_of(form, log).started() as live:
            assert log.take() == ["start"]
            assert live["a.user"]["it"] == live["a.it"] == "instance"
            assert live.state("a.it") == "running"
        assert log == ["stop"]
        assert live.state("a.it") == "stopped"

    run(main)


@pytest.mark.parametrize("form", [*FORMS, *HIDDEN])
def test_every_form_with_awaited_verbs(run: Backend, log: Log, form: str) -> None:
    """With `astart`, `arestart` and `astop`, each form is started, started anew, and stopped."""

    async def main() -> None:
        live = await system_of(form, log).astart()
        assert log.take() == ["start"]
        await live.arestart()
        assert log.take() == ["stop", "start"]
        assert live["a.it"] == "instance"
        await live.astop()
        assert log.take() == ["stop"]
        await live.astop()
        assert log == []

    run(main)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_from_sync_code(log: Log, form: str) -> None:
    """The sync verbs and `with` do the same, on an event loop of their own, whose thread ends with the system."""
    before = set(threading.enumerate())
    with system_of(form, log).started() as live:
        assert live["a.user"]["it"] == live["a.it"] == "instance"
        live.restart()
    assert log.take() == ["start", "stop", "start", "stop"]
    live.start()
    live.stop()
    assert log == ["start", "stop"]
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("form", HIDDEN)
def test_form_that_hides_from_sync_code_beside_one_that_does_not(log: Log, form: str) -> None:
    """Where another component is seen to be async, there is a loop for what a lambda hides, too."""
    with system_of(form, log).merge(System({"b": {"seen": generator(opaque(Log()))}})).started() as live:
        assert live["a.it"] == "instance"
    assert log == ["start", "stop"]


@pytest.mark.parametrize("form", ["lambda for start", "lambda for scope"])
def test_form_that_hides_from_sync_code_alone(log: Log, form: str) -> None:
    """With sync verbs and nothing that is seen to be async, the start of what a lambda hides fails and says what to write."""
    with pytest.raises(StartError) as caught:
        system_of(form, log).start()
    [error] = caught.value.exceptions
    assert isinstance(error, BadComponent)
    assert "async def" in str(error)
    assert log == []


def test_async_generator_without_a_yield(run: Backend) -> None:
    """An async generator that ends before its yield is a failed start, and one that yields twice a failed stop."""

    async def never() -> AsyncIterator[int]:
        if log:
            yield 1

    async def twice() -> AsyncIterator[int]:
        yield 1
        try:
            yield 2
        finally:
            log.append("closed")

    log: list[str] = []

    async def main() -> None:
        with pytest.raises(StartError, match="without a yield"):
            await System({"a": {"b": component(never)()}}).astart()
        live = await System({"a": {"b": component(twice)()}}).astart()
        with pytest.raises(StopError, match="second time"):
            await live.astop()
        assert log == ["closed"]

    run(main)


def test_entering_what_cannot_be_entered(run: Backend) -> None:
    """A coroutine function given as a scope that gives no async context manager is a failed start that says so."""

    async def wrong() -> int:
        return 3

    async def main() -> None:
        with pytest.raises(StartError, match="no context manager"):
            await System({"a": {"b": Component(scope=wrong)}}).astart()  # type: ignore[arg-type]

    run(main)


# --- Every verb ---------------------------------------------------------------------------------------------------------


def with_every_handler(log: Log, name: str, kind: str, needs: Any = None) -> Any:
    """A component with handlers of all signals, sync or async."""
    handler = log.anote if kind == "async" else log.note
    signals = ("start", "stop", "suspend", "resume", "status", "reload")

    async def start(needs: Any) -> str:
        log.append(f"start {name}")
        return name

    async def status(it: str) -> str:
        return f"{it} is well"

    def sync_start(needs: Any) -> str:
        log.append(f"start {name}")
        return name

    return Component(
        start if kind == "async" else sync_start,
        handler(f"stop {name}"),
        config={"needs": needs},
        suspend=handler(f"suspend {name}"),
        resume=handler(f"resume {name}"),
        status=status if kind == "async" else (lambda it: f"{it} is well"),
        handlers={"reload": handler(f"reload {name}")},
        pre={signal: handler(f"pre {signal} {name}") for signal in signals},
        post={signal: handler(f"post {signal} {name}") for signal in signals},
    )


def around(signal: str, *names: str, own: bool = True) -> list[str]:
    """What a signal's handlers write, one component after the other."""
    return [
        line
        for name in names
        for line in (f"pre {signal} {name}", *([f"{signal} {name}"] if own else []), f"post {signal} {name}")
    ]


@pytest.mark.parametrize("kinds", [("async", "async"), ("async", "sync"), ("sync", "async")], ids=str)
def test_every_awaited_verb(run: Backend, log: Log, kinds: tuple[str, str]) -> None:
    """Each awaited verb calls the handlers, pre and post too, in dependency order, sync and async ones alike."""
    first, second = (
        with_every_handler(log, "x", kinds[0]),
        with_every_handler(log, "y", kinds[1], ref("a.x")),
    )
    system = System({"a": {"y": second, "x": first}}, signals=[Signal("reload", "dependents first")])

    async def main() -> None:
        live = await system.astart()
        assert log.take() == around("start", "x", "y")
        assert await live.astatus() == {Id("a", "x"): "x is well", Id("a", "y"): "y is well"}
        assert log.take() == around("status", "x", "y", own=False)
        report = await live.asignal("reload")
        assert report.request == "reload"
        assert log.take() == around("reload", "y", "x")
        report = await live.asuspend("a.x")
        assert live.state("a.x") == live.state("a.y") == report["a.y"].state == "suspended"
        assert log.take() == around("suspend", "y", "x")
        await live.aresume()
        assert log.take() == around("resume", "x", "y")
        report = await live.arestart("a.y")
        assert report["a.y"].state == "running"
        assert log.take() == around("stop", "y") + around("start", "y")
        report = await live.astop("a.x")
        assert report.request == "stop"
        assert log.take() == around("stop", "y", "x")
        report = await live.astart("a.x")
        assert report["a.x"].result == "x"
        assert log.take() == around("start", "x")
        await live.asignal("stop")
        await live.asignal("start", "a.x")
        await live.asignal("stop")
        assert log == around("stop", "x") + around("start", "x") + around("stop", "x")

    run(main)


def test_every_sync_verb_on_async_components(log: Log) -> None:
    """Each sync verb does the same with async handlers, on a loop of its own."""
    y = with_every_handler(log, "y", "sync", ref("a.x"))
    x = with_every_handler(log, "x", "async")
    system = System({"a": {"y": y, "x": x}}, signals=[Signal("reload", "dependents first")])
    live = system.start()
    assert log.take() == around("start", "x", "y")
    assert live.status() == {Id("a", "x"): "x is well", Id("a", "y"): "y is well"}
    assert log.take() == around("status", "x", "y", own=False)
    live.signal("reload")
    assert log.take() == around("reload", "y", "x")
    live.suspend()
    assert log.take() == around("suspend", "y", "x")
    live.resume()
    assert log.take() == around("resume", "x", "y")
    live.restart("a.y")
    assert log.take() == around("stop", "y") + around("start", "y")
    live.stop()
    assert log.take() == around("stop", "y", "x")


def test_awaited_verbs_on_sync_components(run: Backend, log: Log) -> None:
    """Awaited verbs take a system of sync components too, whose handlers are called in order in the caller's thread."""
    threads: set[int] = set()
    system = System(
        {
            "a": {
                "z": log.part("z", ref("a.y"), sync=True),
                "y": log.part(
                    "y", ref("a.x"), sync=True, post={"start": lambda it: threads.add(threading.get_ident())}
                ),
                "x": log.part("x", sync=True),
            }
        }
    )

    async def main() -> None:
        async with system.started():
            assert log.take() == ["start x", "start y", "start z"]
        assert log == ["stop z", "stop y", "stop x"]
        assert threads == {threading.get_ident()}

    run(main)


def test_sync_and_async_in_one_chain(run: Backend, log: Log) -> None:
    """A chain in which sync and async components take turns is started in order and stopped in the reverse order."""
    names = [f"c{n}" for n in range(6)]
    parts = {
        name: log.part(name, *([ref("a", names[n - 1])] if n else []), sync=bool(n % 2))
        for n, name in reversed(list(enumerate(names)))
    }

    async def main() -> None:
        async with System({"a": parts}).started():
            assert log.take() == [f"start {name}" for name in names]
        assert log == [f"stop {name}" for name in reversed(names)]

    run(main)


def test_selections(run: Backend, log: Log) -> None:
    """A selection draws in what it needs at start, and what needs it at stop."""
    system = System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x")), "z": log.part("z")}})

    async def main() -> None:
        live = await system.astart("a.y")
        assert log.take() == ["start x", "start y"]
        await live.astart()
        assert log.take() == ["start z"]
        await live.astop("a.x")
        assert log.take() == ["stop y", "stop x"]
        await live.astop()
        async with system.started("a.x"):
            pass
        assert log == ["stop z", "start x", "stop x"]

    run(main)


def test_observers_are_told(run: Backend, log: Log) -> None:
    """Observers are told every change of an async system, in order, in the loop's own thread."""
    told: list[tuple[str, str, str, bool]] = []

    async def main() -> None:
        me = threading.get_ident()

        def observer(event: Any) -> None:
            told.append((str(event.id), str(event.old), str(event.new), threading.get_ident() == me))

        async with System({"a": {"x": log.part("x")}}).started(observers=[observer]):
            pass

    run(main)
    assert told == [
        ("a.x", "defined", "starting", True),
        ("a.x", "starting", "running", True),
        ("a.x", "running", "stopping", True),
        ("a.x", "stopping", "stopped", True),
    ]


# --- Pre, post, resolve, context ----------------------------------------------------------------------------------------


def test_async_resolve(run: Backend) -> None:
    """What an async resolve gives is what others see, and the component's own handlers get the instance."""
    got: list[Any] = []

    async def resolve(it: str) -> str:
        return it.upper()

    definition: Any = Component(lambda: "it", got.append, resolve=resolve, status=lambda it: it)
    user: Any = Component(dict, config={"it": ref("a.b")})

    async def main() -> None:
        async with System({"a": {"b": definition, "user": user}}).started() as live:
            assert live["a.b"] == live["a.user"]["it"] == "IT"
            assert await live.astatus() == {("a", "b"): "it"}

    run(main)
    assert got == ["it"]


def test_async_handler_of_ones_own_signal_gives_the_instance(run: Backend) -> None:
    """What the async handler of a signal with `becomes_instance` returns becomes the instance."""
    stopped: list[int] = []

    async def grow(it: int, ctx: Context = Context.here) -> int:
        return it + int(ctx.signal == "grow")

    definition: Any = Component(lambda: 1, stopped.append, handlers={"grow": grow})
    system = System({"a": {"b": definition}}, signals=[Signal("grow", becomes_instance=True)])

    async def main() -> None:
        async with system.started() as live:
            await live.asignal("grow")
            assert live["a.b"] == 2

    run(main)
    assert stopped == [2]


@pytest.mark.parametrize("phase", ["pre", "post"])
def test_failing_async_handler_around_a_start(run: Backend, log: Log, phase: str) -> None:
    """A failing async pre-start or post-start is a failed start, which leaves nothing behind."""

    async def fails(it: Any) -> None:
        raise ValueError("no")

    fails_there: dict[str, Any] = {phase: {"start": fails}}
    system = System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"), **fails_there)}})

    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await system.astart()
        [failure] = caught.value.failures
        assert (failure.id, failure.handler) == (Id("a", "y"), f"{phase} start: fails")
        assert "a.y" in "".join(failure.error.__notes__)

    run(main)
    assert log == ["start x", *(["start y", "stop y"] if phase == "post" else []), "stop x"]


def test_failing_async_pre_stop(run: Backend, log: Log) -> None:
    """A failing async pre-stop does not keep the stop from running."""

    async def fails(it: Any) -> None:
        raise ValueError("no")

    system = System({"a": {"x": log.part("x"), "y": log.part("y", ref("a.x"), pre={"stop": fails})}})

    async def main() -> None:
        live = await system.astart()
        log.clear()
        with pytest.raises(StopError):
            await live.astop()

    run(main)
    assert log == ["stop y", "stop x"]


def test_failing_async_status(run: Backend) -> None:
    """A failing async status keeps nobody else from being asked, and what the others said is in the report."""

    async def fails(it: Any) -> None:
        raise ValueError("no")

    async def well(it: Any) -> str:
        return "well"

    system = System({"a": {"x": Component(dict, status=fails), "y": Component(dict, status=well)}})

    async def main() -> None:
        async with system.started() as live:
            with pytest.raises(SignalError) as caught:
                await live.astatus()
            assert [str(error) for error in caught.value.exceptions] == ["no"]
            assert live.report["a.y"].result == "well"
            assert live.state("a.x") == "running"

    run(main)


def test_what_an_async_stop_returns_is_reported(run: Backend) -> None:
    """What the stop of a component with a task of its own returns is in the report, as it is for any other."""

    class Guest:
        async def start(self) -> None: ...

        async def stop(self) -> str:
            return "bye"

    system = System({"a": {"guest": component(Guest)()}})

    async def main() -> None:
        live = await system.astart()
        assert (await live.astop())["a.guest"].result == "bye"

    run(main)
    assert system.start().stop()["a.guest"].result == "bye"


def test_failing_async_stop(run: Backend, log: Log) -> None:
    """A failing async stop keeps nothing else from being stopped, and its error comes out as it is."""
    error = ValueError("no")

    async def fails(name: str, needs: Any) -> AsyncIterator[None]:
        yield
        raise error

    system = System({"a": {"x": log.part("x"), "y": component(fails)("y", ref("a.x"))}})

    async def main() -> None:
        with pytest.raises(StopError) as caught:
            async with system.started() as live:
                pass
        assert caught.value.exceptions == (error,)
        assert live.state("a.y") == "failed"
        await live.astop()

    run(main)
    assert log == ["start x", "stop x"]


@pytest.mark.parametrize("form", ["generator", "function"])
def test_context_in_async_handlers(run: Backend, form: str) -> None:
    """Async handlers that ask for it get their context, with config, instance, signal and the system's name."""
    seen: list[tuple[Any, ...]] = []

    async def as_generator(size: int, ctx: Context = Context.here) -> AsyncIterator[str]:
        seen.append((ctx.id, ctx.signal, ctx.handler, ctx.config, ctx.instance, ctx.system))
        yield "it"

    async def as_function(size: int, ctx: Context = Context.here) -> str:
        seen.append((ctx.id, ctx.signal, ctx.handler, ctx.config, ctx.instance, ctx.system))
        return "it"

    async def handler(it: str, ctx: Context = Context.here) -> None:
        seen.append((ctx.id, ctx.signal, ctx.handler, ctx.config, ctx.instance, ctx.system))

    make: Any = component(
        as_generator if form == "generator" else as_function,
        status=handler,
        pre={"start": {"early": handler}},
        post={"stop": {"late": handler}},
    )

    async def main() -> None:
        async with System({"a": {"b": make(3)}}, name="test").started() as live:
            await live.astatus()

    run(main)
    id = Id("a", "b")
    assert seen == [
        (id, "start", "pre start: early", {"size": 3}, None, "test"),
        (id, "start", "start", {"size": 3}, None, "test"),
        (id, "status", "status", {"size": 3}, "it", "test"),
        (id, "stop", "post stop: late", {"size": 3}, "it", "test"),
    ]


# --- Every place --------------------------------------------------------------------------------------------------------

APP = """
from mainspring import System, component, ref

@component
async def number():
    yield 42
    print("stopped")

@component
def text(number):
    return str(number)

system = System({"a": {"number": number(), "text": text(ref("a.number"))}})
"""
PYTHON_USE = APP + 'live = system.start()\nprint("is", live["a.text"])\nlive.stop()\nprint("end")\n'


def test_in_a_script(tmp_path: Any) -> None:
    """A script starts and stops a system with async components, with the verbs of a sync one."""
    (tmp_path / "script.py").write_text(PYTHON_USE)
    assert python(str(tmp_path / "script.py")).split() == ["is", "42", "stopped", "end"]


def test_on_the_command_line() -> None:
    """So does `python -c`."""
    assert python("-c", PYTHON_USE).split() == ["is", "42", "stopped", "end"]


def test_at_the_prompt() -> None:
    """At Python's prompt, the sync verbs start a system with async components, which stays while one types."""
    said = python("-i", "-q", "-c", APP, stdin='live = system.start()\n"is " + live["a.text"]\nlive.stop()\n')
    assert "'is 42'" in said
    assert "stopped" in said


def test_at_the_prompt_of_asyncio() -> None:
    """At the prompt of `python -m asyncio` the awaited verbs do the same in the prompt's loop; a sync one says what to write."""
    typed = f"exec({APP!r})\nlive = await system.astart()\n'is ' + live['a.text']\nlive.stop()\nawait live.astop()\n"
    said = python("-m", "asyncio", stdin=typed)
    assert "'is 42'" in said
    assert "stopped" in said
    assert "Write: await live.astop()" in said


def test_sync_verbs_at_the_prompt_of_asyncio() -> None:
    """There the sync verbs do it too, on a loop of their own: the prompt's code is run in a thread that has a loop."""
    typed = f"exec({APP!r})\nlive = system.start()\n'is ' + live['a.text']\nlive.stop()\n"
    said = python("-m", "asyncio", stdin=typed)
    assert "'is 42'" in said
    assert "stopped" in said
    assert "Traceback" not in said


def test_sync_verbs_in_a_program_with_a_running_loop(run: Backend, log: Log) -> None:
    """As in a notebook, the sync verbs work inside a running loop: the system gets another one, in a thread."""
    where: list[tuple[str, int]] = []

    async def start() -> None:
        where.append(("async", threading.get_ident()))

    def sync_start(needs: Any) -> None:
        where.append(("sync", threading.get_ident()))

    system = System({"a": {"x": Component(start), "y": Component(sync_start, config={"needs": ref("a.x")})}})

    async def main() -> None:
        with system.started() as live:
            assert live.state("a.x") == "running"
            live.restart()
        [(_, here), (_, there)] = [where[1], where[0]]
        assert here == threading.get_ident() != there

    run(main)


def test_from_sync_code_async_handlers_share_a_loop_and_sync_ones_stay(log: Log) -> None:
    """From sync code, sync handlers are called in the caller's thread, and all async ones in one other loop."""
    loops: list[tuple[object, int]] = []
    threads: list[int] = []

    async def scope() -> AsyncIterator[None]:
        loops.append((asyncio.get_running_loop(), threading.get_ident()))
        yield
        loops.append((asyncio.get_running_loop(), threading.get_ident()))

    def sync_scope(needs: Any) -> Iterator[None]:
        threads.append(threading.get_ident())
        yield
        threads.append(threading.get_ident())

    async def status(it: Any) -> None:
        loops.append((asyncio.get_running_loop(), threading.get_ident()))

    x = component(scope, status=status)
    system = System({"a": {"x": x(), "y": x(), "z": component(sync_scope)(ref("a.x"))}})
    with system.started() as live:
        live.status()
    assert len(loops) == 6
    assert len(set(loops)) == 1
    assert set(threads) == {threading.get_ident()}
    assert not {thread for _, thread in loops} & set(threads)


def test_requests_from_a_thread_go_to_the_loop(run: Backend, log: Log) -> None:
    """A system that was started with `astart` can be asked from another thread with the sync verbs: its loop does the work."""
    where: list[int] = []

    async def status(it: Any) -> str:
        where.append(threading.get_ident())
        return "well"

    async def main() -> None:
        live = await System({"a": {"x": log.part("x", status=status)}}).astart()
        assert await anyio.to_thread.run_sync(live.status) == {("a", "x"): "well"}
        assert where == [threading.get_ident()]
        await anyio.to_thread.run_sync(live.restart)
        await anyio.to_thread.run_sync(live.stop)
        assert log == ["start x", "stop x", "start x", "stop x"]

    run(main)


def test_one_system_in_both_worlds(run: Backend, log: Log) -> None:
    """One and the same system is started by turns from sync code and from async code."""
    system = System({"a": {"x": log.part("x")}})

    async def main() -> None:
        async with system.started():
            with system.started():
                pass

    for _ in range(2):
        run(main)
        with system.started():
            pass
    assert log == ["start x", "start x", "stop x", "stop x", "start x", "stop x"] * 2


def test_one_live_system_in_both_worlds_by_turns(run: Backend, log: Log) -> None:
    """A live system that is stopped belongs to no loop: it can be started again in another, or without one."""
    live: Live = System({"a": {"x": log.part("x")}}).start()
    live.stop()

    async def main() -> None:
        await live.astart()
        await live.astop()

    run(main)
    live.start()
    live.stop()
    run(main)
    assert log == ["start x", "stop x"] * 4


# --- The wrong place ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "suspend", "resume", "status"])
def test_sync_verb_in_the_loop_that_would_have_to_run_it(run: Backend, log: Log, verb: str) -> None:
    """A sync verb in the loop of a system that was started with `astart` says which verb to await instead."""

    async def main() -> None:
        live = await System({"a": {"x": log.part("x")}}).astart()
        with pytest.raises(StateError, match=rf"await live\.a{verb}\(\)"):
            getattr(live, verb)()
        assert live.state("a.x") == "running"
        await live.astop()

    run(main)


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "suspend", "resume", "status"])
def test_awaited_verb_on_a_system_with_a_loop_of_its_own(run: Backend, log: Log, verb: str) -> None:
    """An awaited verb on a system that was started with `start` says which verb to call, and how not to block."""
    live = System({"a": {"x": log.part("x")}}).start()

    async def main() -> None:
        with pytest.raises(StateError) as caught:
            await getattr(live, f"a{verb}")()
        assert f"live.{verb}" in str(caught.value)
        assert "to_thread" in str(caught.value)

    run(main)
    assert live.state("a.x") == "running"
    live.stop()


def test_awaited_verb_in_another_loop(run: Backend, log: Log) -> None:
    """An awaited verb in another loop than the system's own says so, and what to do; that very thing works."""

    async def other(live: Live) -> None:
        with pytest.raises(StateError) as caught:
            await live.astatus()
        assert "another event loop" in str(caught.value)
        assert "live.status()" in str(caught.value)

    async def main() -> None:
        async with System({"a": {"x": log.part("x")}}).started() as live:
            await anyio.to_thread.run_sync(asyncio.run, other(live))
            await anyio.to_thread.run_sync(trio.run, other, live)
            assert await anyio.to_thread.run_sync(live.status) == {}

    run(main)


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("verb", ["start", "stop", "restart", "status"])
def test_request_from_a_handler_of_the_same_system(run: Backend, kind: str, verb: str) -> None:
    """A handler that asks its own system for something gets an error that says to ask later, whichever verb it takes."""
    lives: list[Live] = []
    caught: list[str] = []

    async def ask(it: Any) -> None:
        for request in (getattr(lives[0], f"a{verb}"), getattr(lives[0], verb)):
            try:
                result = request()
                if asyncio.iscoroutine(result):
                    await result
            except StateError as error:
                caught.append(str(error))

    def sync_ask(it: Any) -> None:
        try:
            getattr(lives[0], verb)()
        except StateError as error:
            caught.append(str(error))

    definition: Any = Component(dict, status=ask if kind == "async" else sync_ask)
    beside = component(generator.function)

    async def main() -> None:
        async with System({"a": {"x": definition, "y": beside(opaque(Log()))}}).started() as live:
            lives.append(live)
            with patiently():
                await live.astatus()

    run(main)
    assert len(caught) == (2 if kind == "async" else 1)
    assert "within a request of the same system" in caught[0]


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "status"])
def test_request_from_an_async_handler_in_the_own_loop(verb: str) -> None:
    """The same holds for async handlers of a system that sync code has started."""
    lives: list[Live] = []
    caught: list[str] = []

    async def ask(it: Any) -> None:
        for request in (getattr(lives[0], f"a{verb}"), getattr(lives[0], verb)):
            try:
                result = request()
                if asyncio.iscoroutine(result):
                    await result
            except StateError as error:
                caught.append(str(error))

    with System({"a": {"x": Component(dict, status=ask)}}).started() as live:
        lives.append(live)
        live.status()
    assert len(caught) == 2


def test_request_from_a_handler_on_a_worker(run: Backend) -> None:
    """The same holds for handlers that are called in a worker."""
    lives: list[Live] = []
    caught: list[str] = []

    def ask(it: Any) -> None:
        try:
            lives[0].stop()
        except StateError as error:
            caught.append(str(error))

    async def main() -> None:
        async with System({"a": {"x": Component(dict, status=ask)}}, workers=2).started() as live:
            lives.append(live)
            with patiently():
                await live.astatus()

    run(main)
    assert len(caught) == 1


def test_awaited_verb_without_a_loop(log: Log) -> None:
    """An awaited verb where no event loop runs says so, and that there are verbs without the a."""
    coroutine = System({"a": {"x": log.part("x")}}).astart()
    with pytest.raises(StateError, match="no event loop"):
        coroutine.send(None)
    assert log == []


def test_entering_twice(run: Backend, log: Log) -> None:
    """What `started` gives is entered once; the error says to call it again."""

    async def main() -> None:
        started = System({"a": {"x": log.part("x")}}).started()
        async with started:
            with pytest.raises(StateError, match=r"started\(\)"):
                async with started:
                    pass

    run(main)
    assert log == ["start x", "stop x"]


def test_loop_that_has_ended(run: Backend) -> None:
    """A system whose loop has ended before it was stopped: a verb says so instead of waiting for ever."""

    async def start(needs: Any = None) -> str:
        return "it"

    async def main() -> Live:
        return await System({"a": {"x": Component(start)}}).astart()

    live = run(main, leaves=True)
    done: list[BaseException] = []

    def stop() -> None:
        try:
            live.stop()
        except StateError as error:
            done.append(error)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert "over" in str(done[0]) or "closed" in str(done[0])


def test_loop_that_ends_before_the_stop(run: Backend, log: Log) -> None:
    """A loop comes to its end though a system in it was not stopped: its scopes are left, and later verbs do not wait."""

    async def scope() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log.append("left")

    async def main() -> Live:
        return await System({"a": {"x": component(scope)()}}).astart()

    live = run(main, leaves=True)
    assert log == ["left"]
    live.stop()
    assert live.state("a.x") == "stopped"


@pytest.mark.parametrize("where", ["loop", "thread"])
def test_sync_verb_on_what_a_lambda_hides(run: Backend, log: Log, where: str) -> None:
    """A system whose only async component is hidden by a lambda belongs to the loop in which it was started all the same."""

    async def main() -> None:
        live = await system_of("lambda for scope", log).astart()
        if where == "loop":
            with pytest.raises(StateError, match=r"await live\.astop\(\)"):
                live.stop()
            await live.astop()
        else:
            await anyio.to_thread.run_sync(live.stop)
        assert log == ["start", "stop"]

    run(main)


def test_without_anyio() -> None:
    """Without AnyIO, sync systems work as ever, and async ones are an error that names the extra."""
    said = python(
        "-c",
        APP
        + """
import sys
sys.modules["anyio"] = None
from mainspring import MissingExtra
with system.override({"a.number": 3}).started() as live:
    print(live["a.text"])
async def main():
    await system.astart()
for attempt in (system.start, lambda: main().send(None)):
    try:
        attempt()
    except MissingExtra as error:
        print(error.install)
""",
    )
    assert said.split("\n") == ["3", "pip install 'mainspring[async]'", "pip install 'mainspring[async]'", ""]
    assert issubclass(MissingExtra, ImportError)


def test_tasks_of_a_system_have_names(run: Backend, log: Log) -> None:
    """The task of a component has its id as its name, for debuggers."""

    async def main() -> None:
        async with System({"a": {"x": log.part("x")}}).started():
            names = [task.get_name() if run.name == "asyncio" else task.name for task in tasks_here()]  # type: ignore[attr-defined]
            assert "a.x" in names

    run(main)
