"""What type checkers know of composing. Checked by mypy and pyright; never run.

Every line that has to be an error says so, and a line that says so without being one is an error too.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from typing import Any, assert_type

from mainspring import (
    Change,
    Component,
    Context,
    Diff,
    HandlerCall,
    InstanceCache,
    Live,
    NamedSystem,
    Part,
    Plugin,
    PluginEffect,
    PluginReport,
    Signal,
    Started,
    System,
    Wrapper,
    adjust,
    append,
    component,
    local_ref,
    named_system,
    named_systems,
    one_tagged,
    prepend,
    ref,
    replicas,
    required,
    run,
    subsystem,
    tagged,
)
from mainspring.plugins import SchemaError, SchemaProblem, schemas, timing
from mainspring.wrappers import logged, retried, timed


class Pool:
    """A pool."""


@component
def pool(dsn: str, *, size: int = 10) -> Iterator[Pool]:
    """A component to put together."""
    yield Pool()


@component
def site(pages: dict[str, str], clock: float) -> str:
    """One that refers to tags."""
    return ""


system = System({"env": {"dsn": "postgresql://"}, "db": {"pool": pool(dsn=ref("env.dsn"))}})

# --- Every change gives a system ----------------------------------------------------------------------------------------


def double(whole: System) -> System:
    """From system to system."""
    return whole


assert_type(system.override({"db.pool.config.size": 3}), System)
assert_type(system.override({"db": {"pool": {"config": {"size": 3}}}}), System)
assert_type(system.override({("db", "pool"): Pool(), "env.dsn": adjust(str.upper)}), System)
assert_type(system.override(lambda whole: whole.select("db")), System)
assert_type(system.override(double), System)
assert_type(system.add({"env.port": 80, "db.pool.post.start.tell": print}), System)
assert_type(system.merge(system), System)
assert_type(system.merge("other", winner="right"), System)
assert_type(system.select(["db.*", "-tag:slow"]), System)
assert_type(system.diff(system), Diff)

system.override(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
system.override(len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
system.override(lambda whole: 3)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
system.add(double)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
system.merge(system, winner="both")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

for change in system.diff(system):
    assert_type(change, Change)
    assert_type(change.path, str)
    if change.kind == "added":
        pass
assert_type(bool(system.diff(system)), bool)
assert_type(system.diff(system).as_dict(), dict[str, Any])

# --- A base -------------------------------------------------------------------------------------------------------------


def announce(instance: object, ctx: Context = Context.here) -> None:
    """A handler for a base."""
    assert_type(ctx.definition, Component[Any])
    assert_type(ctx.meta, dict[str, Any])


assert_type(system.with_base({"post": {"start": {"announce": announce}}, "tags": ["all"]}), System)
assert_type(system.with_base({"config": {"size": 3}, "deadlines": {"*": 30, "stop": 5}}), System)
System({}, base={"retry": 3, "status": announce})

# --- Plugins ------------------------------------------------------------------------------------------------------------

tracing = Plugin(
    "tracing",
    doc="Traces.",
    defaults={"env": {"trace": True}},
    merges={"web": {"middleware": append(["gzip"]), "paths": prepend(["/"])}},
    base={"post": {"start": {"announce": announce}}},
    signals=[Signal("flush", "dependents first")],
    update=double,
)
assert_type(tracing, Plugin)
assert_type(append([1]), Any)
assert_type(prepend([1]), Any)
assert_type(system.with_plugins(tracing, double, "schemas"), System)
System({}, plugins=[tracing, double, "schemas", timing, schemas(annotations=True)])
system.with_plugins(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Plugin("wrong", update=len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

report = system.explain_plugins()
assert_type(report, PluginReport)
assert_type(report.as_dict(), dict[str, Any])
for effect in report:
    assert_type(effect, PluginEffect)
    assert_type(effect.name, str)
    assert_type(effect.doc, str | None)
    assert_type(effect.diff, Diff)

assert_type(schemas(), Plugin)
assert_type(timing, Plugin)


def look(error: SchemaError) -> tuple[SchemaProblem, ...]:
    """An error of the plugin for schemas has everything that does not fit."""
    assert_type(error.problems[0].path, str)
    return error.problems


# --- Wrappers -----------------------------------------------------------------------------------------------------------


def in_steps(call: HandlerCall) -> Generator[float | None, Any, Any]:
    """A wrapper that is a generator function."""
    assert_type(call.signal, str)
    assert_type(call.handler, str)
    assert_type(call.attempts, int)
    assert_type(call.is_async, bool)
    assert_type(call.meta, dict[str, Any])
    assert_type(call.tags, frozenset[str])
    yield 0.5
    return (yield None)


def plain(call: HandlerCall) -> Any:
    """One that is a function."""
    return call()


async def awaited(call: HandlerCall) -> Any:
    """One that is a coroutine function."""
    return await call()


def two(call: HandlerCall, more: int) -> Any:
    """None: it wants more than a call."""


assert_type(system.wrap(in_steps), System)
assert_type(system.wrap(plain, "db"), System)
assert_type(system.wrap(awaited, select=["db", "-tag:slow"], signals=["start"]), System)
assert_type(system.wrap(timed), System)
assert_type(system.wrap(logged(logging.DEBUG)), System)
assert_type(system.wrap(retried(3, (OSError,), wait=0)), System)
assert_type(logged(), Wrapper)
assert_type(retried(), Wrapper)
system.wrap(two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
system.wrap(logged)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# --- References by tag, and what is to be given -------------------------------------------------------------------------

assert_type(tagged("page"), Any)
assert_type(one_tagged("clock", "now", optional=True), Any)
assert_type(required, Any)
assert_type(site(pages=tagged("page"), clock=one_tagged("clock")), Component[str])
assert_type(pool(dsn=required, size=local_ref("size")), Component[Pool])
tagged(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# --- Several of one kind ------------------------------------------------------------------------------------------------

assert_type(replicas(3, pool(dsn="d")), dict[str, Component[Pool]])
assert_type(replicas(3, lambda number: pool(dsn="d", size=number), name="pool-{}"), dict[str, Component[Pool]])
System({"db": {"main": pool(dsn="d"), **replicas(3, pool(dsn="d"))}})
replicas("3", pool(dsn="d"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# --- Subsystems ---------------------------------------------------------------------------------------------------------

inner = subsystem(system, {"env.dsn": ref("env.dsn")}, doc="A database.", tags=["db"], enabled=ref("env.flag"))
assert_type(inner, Component[Part])
subsystem(system, deadlines=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
subsystem({"db": {}})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def use(part: Part) -> None:
    """The handle on a subsystem."""
    assert_type(part["db.pool"], Any)
    assert_type(part.get("db.pool", Pool), Pool)
    assert_type(part.whole, Live)
    assert_type(part.definition, System)
    assert_type(part.meta("db.pool"), dict[str, Any])


# --- The instance cache -------------------------------------------------------------------------------------------------


@component(cached=True)
def database(version: int = 17) -> Iterator[str]:
    """A component that is kept."""
    yield ""


assert_type(database(), Component[str])
assert_type(Component(Pool, cached="a-pool"), Component[Pool])
assert_type(system.started(cache=InstanceCache()), Started)
assert_type(system.start(cache=None), Live)


async def keep() -> None:
    """In a task."""
    async with InstanceCache() as cache:
        assert_type(cache, InstanceCache)
        live = await system.astart(cache=cache)
        assert_type(live, Live)
        await cache.astop("db.server")


with InstanceCache() as kept:
    assert_type(kept, InstanceCache)
    assert_type("db.server" in kept, bool)
    assert_type(kept.keys(), tuple[str, ...])
    kept.stop("db.server")
    kept.close()

# --- Names --------------------------------------------------------------------------------------------------------------


@named_system
def plain_name() -> System:
    """Known by the name of the function."""
    return system


@named_system("another-name")
def other_name(port: int = 80) -> System:
    """Known by another name; what it takes beside is kept."""
    return system


class OwnSystem(System):
    """A system of another class."""


@named_system
def own() -> OwnSystem:
    """What it gives is kept, too."""
    return OwnSystem({})


assert_type(plain_name(), System)
assert_type(other_name(port=8080), System)
assert_type(own(), OwnSystem)
other_name(prt=8080)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def no_system() -> int:
    """Gives no system."""
    return 3


def wants(port: int) -> System:
    """Cannot be called without arguments."""
    return system


named_system(no_system)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue]
named_system("wants")(wants)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]

assert_type(System.named("another-name"), System)
assert_type(named_systems(), list[NamedSystem])
for entry in named_systems():
    assert_type(entry.name, str | None)
    assert_type(entry.doc, str | None)


def main() -> int:
    """A name is a system for the runner, too."""
    return run("another-name")


def ids(one: Live) -> Sequence[str]:
    """What the handlers of a component keep."""
    assert_type(one.meta("db.pool"), dict[str, Any])
    return ()
