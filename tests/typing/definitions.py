"""What type checkers know of definitions. Checked by mypy and pyright; never run.

Every line that has to be an error says so, and a line that says so without being one is an error too.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, assert_type

from mainspring import (
    Component,
    ComponentFunction,
    Context,
    Retry,
    Secret,
    System,
    background,
    build,
    component,
    local_ref,
    opaque,
    ref,
    required,
)


class Pool:
    """A pool."""

    def stats(self) -> dict[str, int]:
        """Numbers."""
        return {}


# --- Each form gives a definition of what it makes ----------------------------------------------------------------------


@component
def generator(dsn: str, *, max_size: int = 10) -> Iterator[Pool]:
    """A generator, annotated as an iterator."""
    yield Pool()


@component
def true_generator(dsn: str) -> Generator[Pool, None, None]:
    """A generator, annotated as one."""
    yield Pool()


@component
async def async_generator(dsn: str) -> AsyncIterator[Pool]:
    """An async generator."""
    yield Pool()


@component
def function(dsn: str) -> Pool:
    """A function."""
    return Pool()


@component
async def async_function(dsn: str) -> Pool:
    """A coroutine function."""
    return Pool()


def make_pool(dsn: str) -> Pool:
    """A function to be made a component with a stop."""
    return Pool()


def stop_pool(pool: Pool) -> None:
    """Its stop."""


@component(stop=stop_pool)
def with_stop(dsn: str) -> Pool:
    """A function with a stop beside it."""
    return Pool()


@component()
def with_parentheses(dsn: str) -> Iterator[Pool]:
    """A decorator with nothing in its parentheses."""
    yield Pool()


@component(doc="Other.", tags=["x"], deadlines={"start": 3}, retry=Retry(3, on=OSError), thread="own", on_crash="keep")
def with_slots(dsn: str) -> Iterator[Pool]:
    """A generator with other slots."""
    yield Pool()


@component(enter=True)
@contextmanager
def entered_function(dsn: str) -> Generator[Pool, None, None]:
    """A function that gives a context manager."""
    yield Pool()


@component(enter=True)
@asynccontextmanager
async def entered_async_function(dsn: str) -> AsyncGenerator[Pool, None]:
    """A function that gives an async context manager."""
    yield Pool()


class Server:
    """A class with start and stop."""

    def __init__(self, port: int, host: str = "") -> None: ...
    def start(self) -> None:
        """Start."""

    def stop(self) -> None:
        """Stop."""


class Manager:
    """A context manager that gives something else than itself."""

    def __init__(self, dsn: str) -> None: ...
    def __enter__(self) -> Pool:
        return Pool()

    def __exit__(self, *_: object) -> None: ...


class AsyncServer:
    """A class with async start and stop."""

    def __init__(self, port: int) -> None: ...
    async def start(self) -> None:
        """Start."""

    async def stop(self) -> None:
        """Stop."""


class AsyncManager:
    """An async context manager that gives something else than itself."""

    def __init__(self, dsn: str) -> None: ...
    async def __aenter__(self) -> Pool:
        return Pool()

    async def __aexit__(self, *_: object) -> None: ...


async def astop_pool(pool: Pool) -> None:
    """An async stop."""


async_server = component(AsyncServer)
async_entered = component(AsyncManager, enter=True)
async_beside = component(make_pool, stop=astop_pool, retry=3)
server = component(Server)
entered = component(Manager, enter=True)
executor = component(ThreadPoolExecutor, enter=True)
beside = component(make_pool, stop=stop_pool)
partial = component(functools.partial(make_pool, "dsn"))

assert_type(generator("d"), Component[Pool])
assert_type(true_generator("d"), Component[Pool])
assert_type(async_generator("d"), Component[Pool])
assert_type(function("d"), Component[Pool])
assert_type(async_function("d"), Component[Pool])
assert_type(with_stop("d"), Component[Pool])
assert_type(with_parentheses("d"), Component[Pool])
assert_type(with_slots("d"), Component[Pool])
assert_type(entered_function("d"), Component[Pool])
assert_type(entered_async_function("d"), Component[Pool])
assert_type(server(80), Component[Server])
assert_type(async_server(80), Component[AsyncServer])
assert_type(async_entered("d"), Component[Pool])
assert_type(async_beside("d"), Component[Pool])
assert_type(entered("d"), Component[Pool])
executor(max_workers=3)  # a constructor with overloads: what it gives is known to mypy only
assert_type(beside("d"), Component[Pool])
assert_type(partial(), Component[Pool])

# --- A component function keeps the parameters --------------------------------------------------------------------------

generator("d", max_size=3)
generator(dsn="d")
server(80, "h")
server(port=80, host="h")

generator()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
generator("d", maxsize=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
generator("d", 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
generator(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
generator("d", max_size="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async_function(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
entered_function(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
server()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
server("80")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
server(80, prot=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# --- References and marks fit anywhere ----------------------------------------------------------------------------------

generator(ref("env.dsn"), max_size=ref("env.size"))
generator(local_ref("dsn", optional=True), max_size=required)
generator(build(str, 3), max_size=opaque(3))
server(port=ref("env", "ports", 0), host=ref('env."my.host"'))
ref(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# A secret is typed as what it hides is not: where an argument wants a str, the secret comes through a reference or Any.
assert_type(Secret("x"), Secret[str])
assert_type(Secret("x").reveal(), str)

# --- The function stays reachable ---------------------------------------------------------------------------------------

function.function("d")
function.function(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# --- Handlers get the instance ------------------------------------------------------------------------------------------


@generator.status
def status(pool: Pool) -> dict[str, int]:
    """A status handler."""
    return pool.stats()


@generator.suspend
async def suspend(pool: Pool) -> None:
    """A suspend handler, async."""


@generator.resume
def resume(pool: Pool, ctx: Context = Context.here) -> None:
    """A handler that asks for its context."""


@generator.on("reload")
def reload(pool: Pool) -> Pool:
    """A handler of another signal."""
    return pool


@generator.resolve
def resolve(pool: Pool) -> int:
    """What others see."""
    return 1


@generator.pre("start")
def announce(pool: Pool | None) -> None:
    """Before the start."""


@generator.post("stop", name="tidy")
def tidy(pool: Pool) -> None:
    """After the stop."""


assert_type(status(Pool()), dict[str, int])
assert_type(reload(Pool()), Pool)


@generator.status  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def wrong_status(server: Server) -> None:
    """A status handler of something else."""


@generator.on("reload")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def wrong_reload(server: Server) -> None:
    """A handler of something else."""


@generator.suspend  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def without_instance() -> None:
    """A handler that takes nothing."""


component(make_pool, stop=Server.stop)  # type: ignore[type-var,arg-type,call-overload,unused-ignore]  # pyright: ignore[reportCallIssue, reportArgumentType]
component(make_pool, spot=stop_pool)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
component(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

# --- Background components ----------------------------------------------------------------------------------------------


@background
async def consumer(queue: str, *, size: int = 1) -> None:
    """A task."""


@background(ready=True, deadlines={"stop": 5}, on_crash="keep")
def poller(seconds: float, ctx: Context = Context.here) -> None:
    """A thread."""
    ctx.ready(Pool())
    assert_type(ctx.stopping.wait(seconds), bool)
    assert_type(ctx.stopping.is_set(), bool)
    ctx.crash(ValueError())


@background
async def listener(ctx: Context = Context.here) -> None:
    """A task that hears that it is to stop."""
    await ctx.stopping


assert_type(consumer("q", size=3), Component[Any])
assert_type(poller(0.5), Component[Any])
assert_type(listener(), Component[Any])
consumer(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
consumer("q", sise=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
background(ready=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
component(make_pool, thread="main")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
component(make_pool, on_crash="restart")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
component(make_pool, retry="3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

# --- Component(...) -----------------------------------------------------------------------------------------------------

by_slots = Component(start=ThreadPoolExecutor, stop=ThreadPoolExecutor.shutdown, config={"max_workers": 4})
assert_type(by_slots, Component[ThreadPoolExecutor])
by_function = Component(make_pool, stop_pool, config={"dsn": ref("env.dsn")})
assert_type(by_function, Component[Pool])
by_value = Component(42)
assert_type(by_value, Component[int])
by_scope = Component(scope=Manager, config={"dsn": "d"})
assert_type(by_scope, Component[Pool])
fake: Component[Any] = Component(make_pool)
wider: Component[object] = generator("d")
narrower: Component[Server] = generator("d")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
assert_type(by_function.replace(config={}), Component[Pool])

# --- Systems ------------------------------------------------------------------------------------------------------------

system = System({"env": {"dsn": "d", "port": 80}, "db": {"pool": generator(ref("env.dsn")), "other": by_slots}})
assert_type(system.override({"db.pool": Pool()}), System)
assert_type(system.merge(system, winner="left").select(["db.pool"]), System)
System([])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
system.merge(system, winner="both")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def takes_any(make: ComponentFunction[..., Pool]) -> Component[Pool]:
    """A function that takes any component function of a pool."""
    return make("d")


takes_any(generator)
takes_any(function)
takes_any(server)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
