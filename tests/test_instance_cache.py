"""The instance cache: components that outlive the systems that use them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from mainspring import (
    BadComponent,
    Component,
    Context,
    CrashError,
    Id,
    InstanceCache,
    Retry,
    Secret,
    Signal,
    StartError,
    StateError,
    StopError,
    System,
    UnknownComponent,
    background,
    build,
    component,
    local_ref,
    one_tagged,
    ref,
    required,
    subsystem,
    tagged,
)
from mainspring.wrappers import retried
from visits.database import server

PATIENCE = 20.0  # seconds that a test waits for what should come at once


class Log(list[str]):
    """What was called, in order."""

    def part(self, name: str, *, broken: str = "", **slots: Any) -> Callable[..., Component[Any]]:
        """A component function that writes down its start and stop, of which one may fail."""

        def start(**needs: Any) -> Iterator[Any]:
            self.append(f"start {name}")
            if broken == "start":
                raise ValueError(f"start {name}")
            yield Instance(name, needs)
            self.append(f"stop {name}")
            if broken == "stop":
                raise ValueError(f"stop {name}")

        return component(start, **slots)

    def take(self) -> list[str]:
        """What was written since the last time."""
        taken = list(self)
        self.clear()
        return taken


class Instance:
    """An instance that knows what it was made from."""

    def __init__(self, name: str, needs: dict[str, Any]) -> None:
        self.name, self.needs = name, needs


class Address(NamedTuple):
    """What a constant may be built to."""

    port: int
    zone: int


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


@pytest.fixture
def cache() -> Iterator[InstanceCache]:
    """A cache that is closed at the end."""
    with InstanceCache() as cache:
        yield cache


def of_two(log: Log) -> System:
    """A server that is cached, and a pool that is not."""
    server, pool = log.part("server", cached=True), log.part("pool")
    return System({"db": {"server": server(), "pool": pool(server=ref("db.server"))}})


# --- Kept ---------------------------------------------------------------------------------------------------------------


def test_started_at_first_use_and_kept(log: Log) -> None:
    """A cached component is started with the first system that uses it, and stopped when the cache is closed."""
    system = of_two(log)
    with InstanceCache() as cache:
        assert log.take() == []
        for _ in range(3):
            with system.started(cache=cache):
                pass
        assert log.take() == ["start server", *["start pool", "stop pool"] * 3]
    assert log == ["stop server"]


def test_the_instance_is_the_same(log: Log, cache: InstanceCache) -> None:
    """Every start, and every other system, gets the same instance; so do those that need it."""
    server = log.part("server", cached=True)
    one = System({"db": {"server": server(), "pool": log.part("pool")(server=ref("db.server"))}})
    other = System({"db": {"server": server(), "copy": log.part("copy")(server=local_ref("server"))}})
    with one.started(cache=cache) as first, other.started(cache=cache) as second:
        instance = first["db.server"]
        assert second["db.server"] is instance
        assert first["db.pool"].needs == second["db.copy"].needs == {"server": instance}
    with one.started(cache=cache) as again:
        assert again["db.server"] is instance


def test_a_live_system_is_restarted_with_it(log: Log, cache: InstanceCache) -> None:
    """Stopping, starting and restarting one and the same live system leaves the cached component alone."""
    live = of_two(log).start(cache=cache)
    instance = live["db.server"]
    live.stop()
    assert live.state("db.server") == "stopped"
    live.start()
    live.restart("db.server")
    assert live["db.server"] is instance
    live.stop()
    assert log == ["start server", *["start pool", "stop pool"] * 3]


def test_without_a_cache_the_mark_does_nothing(log: Log) -> None:
    """A system that is started without a cache starts and stops its cached components itself."""
    for _ in range(2):
        with of_two(log).started():
            pass
    assert log == ["start server", "start pool", "stop pool", "stop server"] * 2


def test_a_system_remains_what_it_was(log: Log, cache: InstanceCache) -> None:
    """A live system's definition is the one that was written, whatever is lent to it."""
    system = of_two(log)
    with system.started(cache=cache) as live:
        assert live.definition == system
        assert live.report["db.server"].state == "running"
        assert "needed by   db.pool" in str(live.describe()["db.server"])


def test_closed_in_reverse_order(log: Log) -> None:
    """What was started last is stopped first, across all systems that made the cache start something."""
    parts = {name: log.part(name, cached=True) for name in "abc"}
    cache = InstanceCache()
    one = System({"x": {"a": parts["a"](), "b": parts["b"](needs=ref("x.a"))}})
    other = System({"x": {"a": parts["a"](), "c": parts["c"](needs=ref("x.a"))}})
    for system in (one, other, one):
        system.start(cache=cache).stop()
    assert log.take() == ["start a", "start b", "start c"]
    assert cache.keys() == ("x.a", "x.b", "x.c")
    cache.close()
    assert log == ["stop c", "stop b", "stop a"]


def test_needs_of_what_is_kept_are_lent(log: Log, cache: InstanceCache) -> None:
    """A cached component that is started later gets the very instances that are kept already."""
    server = log.part("server", cached=True)
    with System({"db": {"server": server()}}).started(cache=cache) as live:
        instance = live["db.server"]
    template = log.part("template", cached=True)(server=ref("db.server"))
    with System({"db": {"server": server(), "template": template}}).started(cache=cache) as live:
        assert live["db.template"].needs == {"server": instance}
    assert log == ["start server", "start template"]


def test_closing_twice_does_nothing(log: Log) -> None:
    """A cache can be closed again, and lends nothing any more."""
    cache = InstanceCache()
    system = of_two(log)
    live = system.start(cache=cache)
    live.stop()
    cache.close()
    cache.close()
    assert log.take() == ["start server", "start pool", "stop pool", "stop server"]
    assert repr(cache) == "<InstanceCache: closed>"
    with pytest.raises(StateError, match=r"is closed\. Make a new one: InstanceCache\(\)"):
        system.start(cache=cache)
    with pytest.raises(StateError, match=r"closed"):
        live.start()
    assert log == []


# --- Keys ---------------------------------------------------------------------------------------------------------------


def test_the_key_is_the_id_or_given(log: Log, cache: InstanceCache) -> None:
    """A component is kept under its id, or under the key that it says."""
    one, other = log.part("one", cached=True), log.part("other", cached="postgres")
    assert (len(cache), cache.keys(), repr(cache), bool(cache)) == (0, (), "<InstanceCache: empty>", True)
    System({"db": {"one": one(), "other": other()}}).start(cache=cache).stop()
    assert cache.keys() == ("db.one", "postgres")
    assert len(cache) == 2
    assert "postgres" in cache
    assert "db.other" not in cache
    assert 3 not in cache
    assert repr(cache) == "<InstanceCache: db.one, postgres>"


def test_one_key_under_several_ids(log: Log, cache: InstanceCache) -> None:
    """Components of one key that are made from the same are one instance, in one system as in several."""
    server = log.part("server", cached="server")
    system = System(
        {"env": {"port": 1}, "a": {"server": server(port=1)}, "b": {"server": server(port=ref("env.port"))}}
    )
    assert system.check() == []
    with system.started(cache=cache) as live:
        assert live["a.server"] is live["b.server"]
    assert log == ["start server"]


def test_what_needs_the_second_of_one_key(log: Log, cache: InstanceCache) -> None:
    """What refers to either of two components of one key gets the one instance, also within the cache."""
    server, user = (
        log.part("server", cached="server", resolve=lambda instance: [instance]),
        log.part("user", cached=True),
    )
    system = System({"a": {"server": server(), "user": user(it=ref("b.server"))}, "b": {"server": server()}})
    with system.started(cache=cache) as live:
        assert live["a.user"].needs["it"] == live["a.server"] == live["b.server"]
    assert log == ["start server", "start user"]


def test_one_key_for_two_things_in_one_system(log: Log) -> None:
    """Two components of one key that are not made from the same are a problem of the definition."""
    server = log.part("server", cached="server")
    system = System({"a": {"server": server(port=1)}, "b": {"server": server(port=2)}})
    (problem,) = system.check()
    assert problem.error is BadComponent
    assert problem.id == Id("b", "server")
    assert problem.what == "has the key 'server' in the cache, as a.server has, and the two differ: config.port."
    assert problem.details == {"key": "server", "other": "a.server", "differ": ["config.port"]}


def test_another_config_under_the_same_key(log: Log, cache: InstanceCache) -> None:
    """A key that stands for something else is an error that names both, says what differs, and starts nothing."""
    server = log.part("server", cached=True)
    system = System({"env": {"port": 1, "word": Secret("hush-1")}, "db": {}}).add(
        {"db.server": server(port=ref("env.port"), word=ref("env.word"))}
    )
    system.start(cache=cache).stop()
    log.clear()
    with pytest.raises(StateError) as caught:
        system.override({"env": {"port": 2, "word": Secret("hush-2")}}).start(cache=cache)
    text = str(caught.value)
    assert text.startswith(
        "The instance cache has something else under the key 'db.server': config.port and config.word are different.\n"
    )
    assert text.count(f"db.server, at {__file__}:") == 2
    assert 'cached="another-key"' in text
    assert "hush" not in text
    assert log == []
    with system.started(cache=cache):
        assert log == []


def test_other_handlers_under_the_same_key(log: Log, cache: InstanceCache) -> None:
    """What starts and stops a component, and how, is a part of what a key stands for."""
    server = log.part("server", cached=True)()
    System({"db": {"server": server}}).start(cache=cache).stop()
    others: list[tuple[Any, str]] = [
        (log.part("server", cached=True)(), "scope is"),
        (server.replace(resolve=repr), "resolve is"),
        (server.replace(pre={"start": print}, retry=3), "pre and retry are"),
        (server.replace(deadlines={"stop": 3}), "deadlines is"),
    ]
    for other, what in others:
        with pytest.raises(StateError, match=f"under the key 'db.server': {what} different"):
            System({"db": {"server": other}}).start(cache=cache)
    assert log == ["start server"]


def test_what_does_not_make_another(log: Log, cache: InstanceCache) -> None:
    """Tags, a description, a switch, a site and handlers of other signals may differ from system to system."""
    server = log.part("server", cached=True)
    one = System({"db": {"server": server()}})
    other = System(
        {
            "env": {"on": True},
            "db": {
                "server": server().replace(
                    tags={"t"}, doc="...", enabled=ref("env.on"), status=repr, deadlines={"status": 5}
                )
            },
        }
    )
    with one.started(cache=cache) as first, other.started(cache=cache) as second:
        assert first["db.server"] is second["db.server"]
        assert second.status() == {Id("db", "server"): repr(second["db.server"])}


def test_only_what_is_referred_to_counts(log: Log, cache: InstanceCache) -> None:
    """Configs are compared by the values in them, at the path that is referred to, from wherever they come."""
    server = log.part("server", cached=True)
    systems = [
        System({"env": {"http": {"port": 1, "host": "a"}}, "db": {"server": server(port=ref("env.http.port"))}}),
        System({"env": {"http": {"port": 1, "host": "b"}}, "db": {"server": server(port=ref("env.http.port"))}}),
        System({"env": {"base": 1}, "x": {"y": ref("env.base")}, "db": {"server": server(port=ref("x.y"))}}),
        System({"db": {"server": server(port=1)}}),
    ]
    for system in systems:
        system.start(cache=cache).stop()
    assert log == ["start server"]
    with pytest.raises(StateError, match=r"config\.port is different"):
        System({"db": {"server": server(port=True)}}).start(cache=cache)


def test_what_is_built_counts_as_a_whole(log: Log, cache: InstanceCache) -> None:
    """What is inside an object that is yet to be built is not known, so all that it is built from is compared."""

    def system(**parts: int) -> System:
        at = log.part("server", cached=True) if not servers else servers[0]
        servers.append(at)
        return System({"env": {"at": build(Address, **parts)}, "db": {"server": at(port=ref("env.at.port"))}})

    servers: list[Any] = []
    for _ in range(2):
        with system(port=1, zone=2).started(cache=cache) as live:
            assert live["db.server"].needs == {"port": 1}
    with pytest.raises(StateError, match=r"config\.port is different"):
        system(port=1, zone=3).start(cache=cache)
    assert log == ["start server"]


def test_what_is_missing_is_found_first(log: Log) -> None:
    """What is required and not given is a problem of its own, also where two components have one key."""
    server = log.part("server", cached="server")(port=ref("env.http.port"))
    system = System({"env": {"http": required}, "a": {"server": server}, "b": {"server": server}})
    assert [problem.id for problem in system.check()] == [Id("env", "http")]


def test_what_is_built_counts_through_aliases(log: Log, cache: InstanceCache) -> None:
    """What is inside an object that is yet to be built may be reached by one reference after the other."""
    server = log.part("server", cached=True)

    def system(zone: int) -> System:
        env = {"at": build(Address, port=1, zone=zone), "port": ref("env.at.port"), "real": ref("env.port.real")}
        return System({"env": env, "db": {"server": server(port=ref("env.real"))}})

    for _ in range(2):
        with system(2).started(cache=cache) as live:
            assert live["db.server"].needs == {"port": 1}
    with pytest.raises(StateError, match=r"config\.port is different"):
        system(3).start(cache=cache)
    assert log == ["start server"]


@pytest.mark.parametrize(
    "step",
    [
        lambda last: last,
        lambda last: [last],
        lambda last: [last, last],
        lambda last: {"a": last, "b": (last, Secret([last]))},
        lambda last: build(list, [last, last]),
    ],
    ids=["alias", "list", "twice", "nested", "built"],
)
def test_constants_of_constants(log: Log, cache: InstanceCache, step: Callable[[Any], Any]) -> None:
    """Constants may be made of others, many in a row and each several times; what stands in the first one counts."""
    server = log.part("server", cached=True)

    def system(first: int) -> System:
        chain = {"x0": {"port": first}} | {f"x{i}": step(local_ref(f"x{i - 1}")) for i in range(1, 1500)}
        return System({"env": chain, "db": {"server": server(port=ref("env.x1499"))}})

    for _ in range(2):
        system(1).start(cache=cache).stop()
    with pytest.raises(StateError, match=r"config\.port is different"):
        system(2).start(cache=cache)
    assert log == ["start server"]


def test_a_large_group_of_constants(log: Log, cache: InstanceCache) -> None:
    """A cached component may need a group of many constants."""
    members: dict[str, Any] = {f"x{i}": i for i in range(20_000)}
    system = System({"env": members, "db": {"server": log.part("server", cached=True)(all=ref("env"))}})
    with system.started(cache=cache) as live:
        assert live["db.server"].needs == {"all": members}


def test_what_is_needed_counts(log: Log, cache: InstanceCache) -> None:
    """A cached component that needs another one is made from something else when it needs something else."""
    disk, server = log.part("disk", cached=True), log.part("server", cached="server")
    groups: dict[str, Any] = {"a": {"disk": disk()}, "b": {"disk": disk()}}
    System({**groups, "db": {"server": server(disk=ref("a.disk"))}}).start(cache=cache).stop()
    with pytest.raises(StateError, match=r"config\.disk is different"):
        System({**groups, "db": {"server": server(disk=ref("b.disk"))}}).start(cache=cache)


# --- What it may need ---------------------------------------------------------------------------------------------------


def test_a_cached_component_needs_only_what_is_kept(log: Log) -> None:
    """What a cached component needs must be cached or constant, however far away; the error names the chain."""
    server, clock = log.part("server", cached=True), log.part("clock")
    system = System(
        {
            "env": {"all": {"clock": ref("sys.clock")}, "port": 80},
            "sys": {"clock": clock()},
            "db": {
                "server": server(port=ref("env.port"), clock=ref("env.all.clock")),
                "near": server(clock=ref("sys.clock")),
            },
        }
    )
    far, near = system.check()
    assert (far.error, far.id, far.path) == (BadComponent, Id("db", "server"), ("config", "clock"))
    assert far.what == "is cached, and needs sys.clock, which is not: db.server -> env.all -> sys.clock."
    assert far.details == {"chain": ["db.server", "env.all", "sys.clock"]}
    assert far.hint.startswith("What is kept must not hold on to something that is stopped with its system.")
    assert near.what == "is cached, and needs sys.clock, which is not."
    with InstanceCache() as cache, pytest.raises(BadComponent):
        system.start(cache=cache)
    assert log == []


def test_what_is_not_kept_is_told_with_its_place(log: Log) -> None:
    """Each thing that is not kept is told with the first place that leads to it, also where a whole group is referred to."""
    server = log.part("server", cached=True)(last=ref("sys.x2999"), all=[ref("sys")], more=ref("env.it"))
    members: dict[str, Any] = {f"x{i}": Component(dict) for i in range(3000)}
    problems = System({"sys": members, "env": {"it": ref("sys.x7")}, "db": {"server": server}}).check()
    paths = {problem.details["chain"][-1]: problem.path for problem in problems}
    assert len(paths) == len(problems) == len(members)
    assert paths.pop("sys.x2999") == ("config", "last")
    assert set(paths.values()) == {("config", "all", 0)}


def test_what_it_needs_may_come_by_any_reference(log: Log, cache: InstanceCache) -> None:
    """Constants, groups, tags, aliases and what is reached inside another cached component may be referred to."""
    disk, server = log.part("disk", cached=True, tags={"disk"}), log.part("server", cached=True)
    system = System(
        {
            "env": {"port": 80, "alias": ref("a.disk")},
            "a": {"disk": disk(), "off": disk().replace(enabled=False)},
            "db": {
                "server": server(
                    group=ref("a"),
                    tagged=tagged("disk"),
                    alias=ref("env.alias"),
                    name=ref("env.alias.name"),
                    off=ref("a.off", optional=True),
                    nested=[{"port": ref("env.port")}],
                )
            },
        }
    )
    for _ in range(2):
        with system.started(cache=cache) as live:
            instance = live["a.disk"]
            assert live["db.server"].needs == {
                "group": {"disk": instance},
                "tagged": {Id("a", "disk"): instance},
                "alias": instance,
                "name": "disk",
                "off": None,
                "nested": [{"port": 80}],
            }
    assert log == ["start disk", "start server"]


def test_only_what_is_selected_is_started(log: Log, cache: InstanceCache) -> None:
    """A cached component is started when a selection draws it in; the rest when it is started later."""
    one, other, user = log.part("one", cached=True), log.part("other", cached=True), log.part("user")
    system = System({"db": {"one": one(), "other": other()}, "app": {"user": user(needs=ref("db.other"))}})
    with system.started("db.one", cache=cache) as live:
        assert log.take() == ["start one"]
        live.start()
        assert log.take() == ["start other", "start user"]
    assert log == ["stop user"]
    assert cache.keys() == ("db.one", "db.other")


def test_what_is_off_is_not_started(log: Log, cache: InstanceCache) -> None:
    """A cached component that is switched off is not there."""
    system = System(
        {
            "env": {"on": False},
            "db": {"server": log.part("server", cached=True, enabled=ref("env.on"))()},
            "app": {"user": log.part("user")(server=ref("db.server", optional=True))},
        }
    )
    with system.started(cache=cache) as live:
        assert live["app.user"].needs == {"server": None}
    assert len(cache) == 0


def test_within_subsystems(log: Log, cache: InstanceCache) -> None:
    """In a subsystem the key is the id in the whole system; with a key of its own, several are one."""
    own, shared = log.part("own", cached=True), log.part("shared", cached="shared")
    inner = System({"env": {"port": 0}, "db": {"own": own(port=ref("env.port")), "shared": shared()}})
    system = System(
        {
            "env": {"port": 80},
            "app": {
                "one": subsystem(inner, {"env.port": ref("env.port")}),
                "two": subsystem(inner, {"env.port": 81}),
            },
        }
    )
    for _ in range(2):
        with system.started(cache=cache) as live:
            assert live["app.one.db.own"].needs == {"port": 80}
            assert live["app.two.db.own"].needs == {"port": 81}
            assert live["app.one.db.shared"] is live["app.two.db.shared"]
    assert set(cache.keys()) == {"app.one.db.own", "shared", "app.two.db.own"}


def test_with_a_base(log: Log, cache: InstanceCache) -> None:
    """Systems with equal bases mean the same by a key; the base's handlers are called when the cache starts it."""
    server = log.part("server", cached=True)()

    def told(_: Any) -> None:
        log.append("told")

    for _ in range(2):
        System({"db": {"server": server}}, base={"post": {"start": {"tell": told}}}).start(cache=cache).stop()
    assert log == ["start server", "told"]


def test_with_wrappers(log: Log, cache: InstanceCache) -> None:
    """A wrapper is called around the start and stop in the cache, and around what else each system sends."""

    def told(call: Any) -> Any:
        log.append(f"{call.id} {call.handler}")
        return call()

    part = log.part("server", cached=True)().replace(status=repr)
    systems = [System({"db": {"server": part}}).wrap(told) for _ in range(2)]
    with cache:
        for system in systems:
            with system.started(cache=cache) as live:
                live.status()
    assert log == [
        "db.server start",
        "start server",
        "db.server status",
        "db.server status",
        "db.server stop",
        "stop server",
    ]


def around(call: Any) -> Any:
    """A wrapper that changes nothing."""
    return (yield)


@pytest.mark.parametrize(
    "made",
    [
        lambda system: system.wrap(around),
        lambda system: system.wrap(around).wrap(around, signals=["start"]),
        lambda system: system.wrap(retried(times=2)).wrap(around, "db"),
        lambda system: system.with_plugins("timing"),
        lambda system: system.with_plugins("schemas"),
        lambda system: system.with_plugins("schemas", "timing").with_base({"tags": ["b"]}).wrap(around),
    ],
)
def test_systems_wrapped_alike(log: Log, cache: InstanceCache, made: Callable[[System], System]) -> None:
    """Components that are equal mean the same by a key where equal wrappers are around them, however often that was made."""
    server = log.part("server")
    for _ in range(3):
        system = made(System({"db": {"server": server().replace(cached=True)}}))
        system.start(cache=cache).stop()
        system.override({"db.server.cached": True}).start(cache=cache).stop()
    assert log == ["start server"]


def test_systems_wrapped_differently(log: Log, cache: InstanceCache) -> None:
    """A wrapper that one does not have, or that is made anew each time, makes another thing under the key, as the error says."""

    def spied() -> System:
        def spy(call: Any) -> Any:
            return (yield)

        return bare.wrap(spy)

    bare = System({"db": {"server": log.part("server", cached=True)()}})
    spied().start(cache=cache).stop()
    for other in (bare, bare.wrap(around), spied()):
        with pytest.raises(
            StateError, match=r"has something else under the key 'db\.server': scope is different"
        ) as caught:
            other.start(cache=cache)
        assert "a closure or a lambda, is another one each time, in a base and as a wrapper, too." in str(caught.value)
    assert log == ["start server"]


@pytest.mark.parametrize("alias", [ref("off.it", optional=True), one_tagged("none", optional=True)])
def test_a_reference_into_an_optional_alias_of_nothing(cache: InstanceCache, alias: Any) -> None:
    """With a cache as without one, an optional reference that goes further into an alias of what is off gives `None`."""
    system = System(
        {
            "off": {"it": Component(dict, enabled=False)},
            "env": {"alias": alias},
            "a": {"x": Component(dict, config={"k": ref("env.alias.k", optional=True)}, cached=True)},
        }
    )
    assert system.start()["a.x"] == system.start(cache=cache)["a.x"] == {"k": None}


def test_marked_by_an_override(log: Log, cache: InstanceCache) -> None:
    """Tests can mark a component as cached in a system that knows nothing of it."""
    system = System({"db": {"server": log.part("server")(), "pool": log.part("pool")(server=ref("db.server"))}})
    for _ in range(2):
        system.override({"db.server.cached": True}).start("db.server", cache=cache).stop()
    assert log == ["start server"]


def test_a_selection_is_looked_at_once(log: Log, cache: InstanceCache) -> None:
    """A selection may be given as an iterator."""
    with of_two(log).started((id for id in ["db.pool"]), cache=cache) as live:
        assert live.state("db.pool") == "running"


def test_background_components(log: Log, cache: InstanceCache) -> None:
    """A background component that is cached goes on while no system is running."""
    asked, answered = threading.Semaphore(0), threading.Semaphore(0)

    @background(cached=True)
    def worker(ctx: Context = Context.here) -> None:
        while not ctx.stopping:
            if asked.acquire(timeout=0.01):
                answered.release()

    system = System({"a": {"worker": worker()}})
    handles = []
    with cache:
        for _ in range(2):
            with system.started(cache=cache) as live:
                handles.append(live["a.worker"])
            asked.release()
            assert answered.acquire(timeout=PATIENCE)
    assert handles[0] is handles[1]
    assert not handles[0].is_running


# --- Failures -----------------------------------------------------------------------------------------------------------


def test_a_start_that_fails_keeps_nothing(log: Log, cache: InstanceCache) -> None:
    """When a cached component fails to start, those that were started with it are stopped again; the next start tries again."""
    one, other = log.part("one", cached=True), log.part("other", cached=True, broken="start")
    system = System({"db": {"one": one(), "other": other(needs=ref("db.one")), "user": log.part("user")()}})
    for _ in range(2):
        with pytest.raises(StartError) as caught:
            system.start(cache=cache)
        (leaf,) = caught.value.exceptions
        assert str(leaf) == "start other"
        assert [failure.id for failure in caught.value.failures] == [Id("db", "other")]
        assert log.take() == ["start one", "start other", "stop one"]
        assert cache.keys() == ()


def test_what_was_kept_before_stays(log: Log, cache: InstanceCache) -> None:
    """A failed start leaves alone what the cache had before."""
    one, other = log.part("one", cached=True), log.part("other", cached=True, broken="start")
    System({"db": {"one": one()}}).start(cache=cache).stop()
    with pytest.raises(StartError):
        System({"db": {"one": one(), "other": other(needs=ref("db.one"))}}).start(cache=cache)
    assert cache.keys() == ("db.one",)
    assert log == ["start one", "start other"]


def test_a_system_that_fails_keeps_the_cached(log: Log, cache: InstanceCache) -> None:
    """When something of the system itself fails, the cached components stay for the next attempt."""
    system = of_two(log).override({"db.pool": log.part("pool", broken="start")(server=ref("db.server"))})
    for _ in range(2):
        with pytest.raises(StartError):
            system.start(cache=cache)
    assert log == ["start server", "start pool", "start pool"]
    assert "db.server" in cache


def test_every_stop_is_tried(log: Log) -> None:
    """Closing stops everything, whatever fails, and raises it all as one error."""
    parts = {name: log.part(name, cached=True, broken="stop" if name in "ac" else "") for name in "abc"}
    cache = InstanceCache()
    for name in "abc":
        System({"x": {name: parts[name]()}}).start(cache=cache).stop()
    log.clear()
    with pytest.raises(StopError, match="the instance cache could not stop everything") as caught:
        cache.close()
    assert log == ["stop c", "stop b", "stop a"]
    assert [str(leaf) for leaf in caught.value.exceptions] == ["stop c", "stop a"]
    assert [failure.id for failure in caught.value.failures] == [Id("x", "c"), Id("x", "a")]
    cache.close()


def test_an_error_in_the_block_comes_out(log: Log) -> None:
    """An error in the block closes the cache; with a stop that fails, it is the context of that error."""
    system = System({"x": {"a": log.part("a", cached=True)(), "b": log.part("b", cached=True, broken="stop")()}})

    def use(error: BaseException) -> None:
        with InstanceCache() as cache:
            system.start(cache=cache).stop()
            raise error

    with pytest.raises(StopError) as caught:
        use(LookupError("in the block"))
    assert isinstance(caught.value.__context__, LookupError)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        use(KeyboardInterrupt())
    assert "stop b" in interrupted.value.__notes__[0]
    assert log.count("stop a") == 2


def test_retries_and_deadlines_are_the_cached_component_s_own(log: Log, cache: InstanceCache) -> None:
    """A cached component is started with its own retries and deadlines, not with those of whoever is lent it."""
    attempts: list[int] = []

    def start(ctx: Context = Context.here) -> int:
        attempts.append(threading.get_ident())
        if len(attempts) < 3:
            raise OSError
        return len(attempts)

    server = component(start, cached=True, retry=Retry(3, wait=0, on=(OSError,)), deadlines={"start": PATIENCE})
    system = System({"db": {"server": server()}})
    for _ in range(2):
        with system.started(cache=cache) as live:
            assert live["db.server"] == 3
    assert threading.get_ident() not in attempts


def test_ctrl_c_in_a_start_keeps_nothing(log: Log, cache: InstanceCache) -> None:
    """A Ctrl-C while a cached component starts comes out, and nothing is left; the next start is as the first."""
    moments = iter([KeyboardInterrupt])

    def other() -> Iterator[str]:
        for moment in moments:
            raise moment
        yield "other"
        log.append("stop other")

    system = System({"db": {"one": log.part("one", cached=True)(), "other": component(other, cached=True)()}})
    with pytest.raises(KeyboardInterrupt):
        system.start(cache=cache)
    assert log.take() == ["start one", "stop one"]
    assert cache.keys() == ()
    with system.started(cache=cache) as live:
        assert live["db.other"] == "other"


def test_ctrl_c_in_a_stop_stops_the_rest(log: Log) -> None:
    """A Ctrl-C while the cache is closed comes out when everything has been stopped."""

    def other() -> Iterator[str]:
        yield "other"
        log.append("stop other")
        raise KeyboardInterrupt

    cache = InstanceCache()
    System({"db": {"one": log.part("one", cached=True, broken="stop")()}}).start(cache=cache).stop()
    System({"db": {"other": component(other, cached=True)()}}).start(cache=cache).stop()
    with pytest.raises(KeyboardInterrupt) as caught:
        cache.close()
    assert "Also: ValueError('stop one')" in caught.value.__notes__
    assert log == ["start one", "stop other", "stop one"]
    cache.close()


# --- What reaches it ----------------------------------------------------------------------------------------------------


def test_status_and_own_signals_reach_it(log: Log, cache: InstanceCache) -> None:
    """Handlers of status and of a user's signals are called with the instance, and with the context that they had."""

    def start(size: int, ctx: Context = Context.here) -> dict[str, int]:
        ctx.meta["made"] = size
        return {"size": size}

    def status(instance: Any, ctx: Context = Context.here) -> Any:
        return [instance["size"], dict(ctx.config), ctx.meta["made"], str(ctx.id)]

    system = System(
        {
            "env": {"size": 3},
            "db": {
                "server": Component(
                    start,
                    config={"size": ref("env.size")},
                    cached=True,
                    status=status,
                    handlers={"reload": lambda _: log.append("reload")},
                    pre={"reload": lambda _: log.append("pre reload"), "start": lambda _: log.append("pre start")},
                )
            },
        },
        signals=[Signal("reload")],
    )
    with system.started(cache=cache), system.started(cache=cache) as live:
        assert live.status() == {Id("db", "server"): [3, {"size": 3}, 3, "db.server"]}
        live.signal("reload")
    assert log == ["pre start", "pre reload", "reload"]


def test_suspend_and_resume_do_not(log: Log, cache: InstanceCache) -> None:
    """No system suspends what others use."""

    def told(_: Any) -> None:
        log.append("told")

    server = Component(object, suspend=told, resume=told, pre={"suspend": told}, cached=True)
    with System({"db": {"server": server}}).started(cache=cache) as live:
        live.suspend()
        assert live.state("db.server") == "running"
        live.resume()
    assert log == []


def test_what_others_see(cache: InstanceCache) -> None:
    """With a resolve, others see what it gives, in the system as in the cache; its own handlers get the instance."""
    secret = Component(lambda: {"inner": 1}, resolve=lambda instance: instance["inner"], status=repr, cached=True)
    user = Component(lambda seen: [seen], config={"seen": ref("db.server")}, cached=True)
    with System({"db": {"server": secret, "user": user}}).started(cache=cache) as live:
        assert live["db.server"] == 1
        assert live["db.user"] == [1]
        assert live.status() == {Id("db", "server"): "{'inner': 1}"}


def test_any_value_may_be_kept(cache: InstanceCache) -> None:
    """`None`, a generator, a coroutine function: what is kept may be anything."""
    values: list[Any] = [None, False, (n for n in range(3)), print, StateError]
    parts = {f"p{i}": component(_giving(value), cached=True)() for i, value in enumerate(values)}
    system = System({"x": parts})
    for _ in range(2):
        with system.started(cache=cache) as live:
            assert list(live["x"].values()) == values


def _giving(value: Any) -> Callable[[], Iterator[Any]]:
    def start() -> Iterator[Any]:
        yield value

    return start


def test_what_broke_elsewhere_is_left_alone(log: Log, cache: InstanceCache) -> None:
    """A system that does not use what broke is started without a look at it."""
    breakable = Breakable()
    System({"db": {"server": Component(breakable.start, log.append, cached=True)}}).start(cache=cache).stop()
    live = System({"db": {"server": Component(breakable.start, log.append, cached=True)}}).start(cache=cache)
    breakable.breaks[0](OSError("the disk is full"))
    with pytest.raises(CrashError):
        live.join(PATIENCE)
    System({"x": {"a": log.part("a", cached=True)()}}).start(cache=cache).stop()
    assert log == ["start a"]
    assert cache.keys() == ("x.a",)


# --- Stopping one -------------------------------------------------------------------------------------------------------


def test_one_can_be_stopped(log: Log, cache: InstanceCache) -> None:
    """A component that is stopped in the cache is started again by the next system that uses it."""
    system = of_two(log)
    live = system.start(cache=cache)
    live.stop()
    cache.stop("db.server")
    assert log.take() == ["start server", "start pool", "stop pool", "stop server"]
    assert "db.server" not in cache
    live.start()
    assert log.take() == ["start server", "start pool"]
    live.stop()


def test_not_while_something_kept_needs_it(log: Log, cache: InstanceCache) -> None:
    """What other kept components need is not stopped under their feet, whichever system made the cache start them."""
    disk, server = log.part("disk", cached=True), log.part("server", cached=True)
    System({"db": {"disk": disk()}}).start(cache=cache).stop()
    system = System({"db": {"disk": disk(), "server": server(disk=ref("x.alias"))}, "x": {"alias": ref("db.disk")}})
    system.start(cache=cache).stop()
    with pytest.raises(StateError, match=r"db\.server in the instance cache needs 'db\.disk'\. Stop that first\."):
        cache.stop("db.disk")
    cache.stop("db.server")
    cache.stop("db.disk")
    assert log == ["start disk", "start server", "stop server", "stop disk"]


def test_nothing_under_that_key(log: Log, cache: InstanceCache) -> None:
    """To stop what is not there is an error with the nearest keys."""
    of_two(log).start(cache=cache).stop()
    with pytest.raises(UnknownComponent, match=r"no 'db\.servr' in the instance cache\. Did you mean db\.server\?"):
        cache.stop("db.servr")


def test_a_stop_that_fails_forgets_it(log: Log, cache: InstanceCache) -> None:
    """A component whose stop failed is not lent any more."""
    system = System({"x": {"a": log.part("a", cached=True, broken="stop")()}})
    system.start(cache=cache).stop()
    with pytest.raises(StopError):
        cache.stop("x.a")
    assert cache.keys() == ()
    system.start(cache=cache).stop()
    assert log.take() == ["start a", "stop a", "start a"]
    with suppress(StopError):
        cache.close()


def test_restarting_what_was_stopped_in_the_cache(log: Log, cache: InstanceCache) -> None:
    """A live system that restarts a part that the cache has stopped in the meantime is told what to do."""
    live = of_two(log).start(cache=cache)
    cache.stop("db.server")
    with pytest.raises(StartError) as caught:
        live.restart()
    (error,) = caught.value.exceptions
    assert isinstance(error, StateError)
    assert "db.server lives in an instance cache, under the key 'db.server', and is not running there." in str(error)


def test_restarting_with_a_cache_that_is_closed(log: Log) -> None:
    """A live system cannot restart what it was lent by a cache that has been closed."""
    cache = InstanceCache()
    attempts: list[int] = []
    live = of_two(log).override({"db.server.retry": Retry(3, wait=0)}).start(cache=cache)
    live.observe(lambda event: attempts.append(event.attempt))
    cache.close()
    with pytest.raises(StartError, match=r"db\.server lives in an instance cache, which is closed"):
        live.restart()
    assert set(attempts) == {1}
    assert log == ["start server", "start pool", "stop server", "stop pool"]


def test_restarting_with_something_else_under_the_key(log: Log, cache: InstanceCache) -> None:
    """A live system is not lent what another one has put under the key in the meantime."""
    live = of_two(log).start(cache=cache)
    cache.stop("db.server")
    System({"db": {"server": log.part("other", cached=True)()}}).start(cache=cache).stop()
    with pytest.raises(StartError, match=r"has something else under the key 'db\.server': scope is different"):
        live.restart()


# --- Crashes ------------------------------------------------------------------------------------------------------------


class Breakable:
    """A component that breaks when it is told to."""

    def __init__(self) -> None:
        self.breaks: list[Callable[[BaseException], None]] = []

    def start(self, ctx: Context = Context.here) -> int:
        """Start."""
        self.breaks.append(ctx.crash)
        return len(self.breaks)


def test_a_crash_reaches_those_who_use_it(cache: InstanceCache) -> None:
    """When a cached component breaks, it breaks in every system that uses it now; the next start starts it anew."""
    breakable = Breakable()
    system = System({"db": {"server": Component(breakable.start, cached=True)}})
    idle = system.start(cache=cache)
    idle.stop()
    live = system.start(cache=cache)
    breakable.breaks[0](OSError("the disk is full"))
    with pytest.raises(CrashError, match="the disk is full"):
        live.join(PATIENCE)
    assert idle.join(0)
    assert "db.server" not in cache
    with system.started(cache=cache) as live:
        assert live["db.server"] == 2


@pytest.mark.parametrize("at_once", [True, False])
def test_what_needs_what_broke_is_started_anew(log: Log, cache: InstanceCache, at_once: bool) -> None:
    """Kept components that need one that broke stay while they are used, and are started anew with it before the next use."""
    breakable = Breakable()
    server = Component(breakable.start, lambda _: log.append("stop server"), cached=True, on_crash="keep")
    template = log.part("template", cached=True)(server=ref("db.server"))
    if not at_once:
        System({"db": {"server": server}}).start(cache=cache).stop()
    system = System({"db": {"server": server, "template": template}})
    with system.started(cache=cache) as live:
        assert live["db.template"].needs == {"server": 1}
        seen = threading.Event()
        live.observe(lambda _: seen.set())
        breakable.breaks[0](OSError("the disk is full"))
        assert seen.wait(PATIENCE)
        assert live.state("db.server") == "failed"
        assert cache.keys() == ("db.template",)
    assert log.take() == ["start template"]
    with system.started(cache=cache) as live:
        assert live["db.template"].needs == {"server": 2}
    assert log == ["stop template", "stop server", "start template"]


def test_a_crash_that_nobody_hears_is_logged(cache: InstanceCache) -> None:
    """When a cached component breaks that nobody uses at the time, this is logged."""
    breakable = Breakable()
    System({"db": {"server": Component(breakable.start, cached=True)}}).start(cache=cache).stop()
    records: list[logging.LogRecord] = []
    logged = threading.Event()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)
            logged.set()

    handler = Heard()
    logging.getLogger("mainspring").addHandler(handler)
    try:
        error = OSError("the disk is full")
        breakable.breaks[0](error)
        assert logged.wait(PATIENCE)
    finally:
        logging.getLogger("mainspring").removeHandler(handler)
    (record,) = records
    assert record.getMessage() == "db.server broke in an instance cache."
    assert record.exc_info is not None
    assert record.exc_info[1] is error


# --- Threads ------------------------------------------------------------------------------------------------------------


def test_threads_share_one_start(log: Log, cache: InstanceCache) -> None:
    """Several threads that start systems at once get one instance, started once."""
    count = 8
    barrier = threading.Barrier(count)
    server = log.part("server", cached=True)
    seen: list[Any] = []

    def use() -> None:
        barrier.wait(PATIENCE)
        with System({"db": {"server": server()}}).started(cache=cache) as live:
            seen.append(live["db.server"])

    threads = [threading.Thread(target=use) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(seen) == count
    assert len(set(map(id, seen))) == 1
    assert log == ["start server"]


@pytest.mark.parametrize("slots", [{}, {"thread": "own"}, {"deadlines": PATIENCE}], ids=str)
def test_not_from_within(cache: InstanceCache, slots: Any) -> None:
    """A cached component that asks its own cache for something, in whatever thread, is told so instead of waiting for itself."""

    def start() -> str:
        System({"a": {"b": Component(object, cached=True)}}).start(cache=cache)
        return "never"

    with pytest.raises(StartError) as caught:
        System({"db": {"server": Component(start, cached=True, **slots)}}).start(cache=cache)
    assert "from within the start or stop of a component that it keeps" in str(caught.value.exceptions[0])
    assert cache.keys() == ()


def test_uncached_components_may_start_systems(cache: InstanceCache, log: Log) -> None:
    """A component that is not cached may start a system with the same cache."""
    inner = of_two(log)

    @component
    def outer() -> Iterator[Any]:
        with inner.started(cache=cache) as live:
            yield live

    system = System({"a": {"outer": outer(), "server": log.part("own", cached=True)()}})
    with system.started(cache=cache) as live:
        assert live["a.outer"]["db.pool"].name == "pool"
    assert cache.keys() == ("a.server", "db.server")


def test_limits_and_workers(log: Log, cache: InstanceCache) -> None:
    """A system's workers, limits and deadlines hold for what the cache starts for it, as far as they concern it."""
    threads: list[str] = []

    def start() -> str:
        threads.append(threading.current_thread().name)
        return "up"

    system = System(
        {"db": {"server": Component(start, cached=True)}, "web": {"app": log.part("app")()}},
        workers=2,
        limits={"web": 1, "*": 5},
        deadlines={"stop": PATIENCE},
        name="shop",
    )
    with system.started(cache=cache) as live:
        assert live["db.server"] == "up"
    assert threads != [threading.current_thread().name]


# --- Any use ------------------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c", "d")


@given(
    needs=st.tuples(*(st.sets(st.sampled_from(NAMES[:i]) if i else st.nothing()) for i in range(len(NAMES)))),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("use"), st.sets(st.sampled_from(NAMES), min_size=1)),
            st.tuples(st.just("stop"), st.sampled_from(NAMES)),
        ),
        max_size=8,
    ),
)
def test_any_use(needs: tuple[set[str], ...], steps: list[tuple[str, Any]]) -> None:
    """However systems come and go, each part runs at most once, is there when it is used, and outlives what needs it."""
    log = Log()
    functions = {name: log.part(name, cached=True) for name in NAMES}
    parts = {name: functions[name](**{n: local_ref(n) for n in sorted(needs[i])}) for i, name in enumerate(NAMES)}
    system = System({"x": {**parts, "user": log.part("user")(all=ref("x.a"))}})
    with InstanceCache() as cache:
        for what, chosen in steps:
            before = set(cache.keys())
            if what == "use":
                with system.started([f"x.{name}" for name in sorted(chosen)], cache=cache) as live:
                    for name in chosen:
                        assert live[f"x.{name}"].needs == {n: live[f"x.{n}"] for n in needs[NAMES.index(name)]}
                assert set(cache.keys()) >= before | {f"x.{name}" for name in chosen}
            elif f"x.{chosen}" in cache:
                users = [n for i, n in enumerate(NAMES) if chosen in needs[i] and f"x.{n}" in cache]
                if users:
                    with pytest.raises(StateError):
                        cache.stop(f"x.{chosen}")
                else:
                    cache.stop(f"x.{chosen}")
                assert set(cache.keys()) == before - (set() if users else {f"x.{chosen}"})
    running: set[str] = set()
    for what, name in (line.split() for line in log):
        of = needs[NAMES.index(name)]
        if what == "start":
            assert name not in running
            assert of <= running
            running.add(name)
        else:
            running.remove(name)
            assert not any(name in needs[NAMES.index(other)] for other in running)
    assert running == set()


# --- A real one ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_postgresql_for_200_systems() -> None:
    """One PostgreSQL is started once, serves 200 systems that start and stop a connection each, and is stopped at the end."""
    starts: list[Any] = []

    @component
    def connection(database: Any) -> Iterator[Any]:
        with psycopg.connect(make_conninfo(database.dsn), autocommit=True) as connection:
            yield connection

    class Events:
        """Takes the place of the service's log."""

        def info(self, what: str, **_: Any) -> None:
            """Write down what happened."""
            starts.append(what)

    events = Events()
    with TemporaryDirectory(prefix="cache-test-") as folder:
        data = Path(folder)

        def system(number: int) -> System:
            postgres = server(data=ref("env.data"), log=ref("env.log")).replace(cached=True)
            return System(
                {
                    "env": {"data": data, "log": events, "number": number},
                    "db": {"server": postgres, "connection": connection(database=ref("db.server"))},
                }
            )

        pids: set[int] = set()
        servers: set[int] = set()
        backends: set[int] = set()
        with InstanceCache() as cache:
            for number in range(200):
                with system(number).started(cache=cache) as live:
                    used = live["db.connection"]
                    assert used.execute(f"select {number}").fetchone() == (number,)
                    backends.add(used.info.backend_pid)
                    servers.add(id(live["db.server"]))
                    pids.add(live["db.server"].status()["pid"])
            assert cache.keys() == ("db.server",)
        assert len(pids) == len(servers) == 1
        assert len(backends) == 200
        assert starts == ["database started", "database stopped"]
        (pid,) = pids
        # In a container nobody may be there to take notice of its end.
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
