"""Selections: what a request is about, and what it draws in."""

from __future__ import annotations

import asyncio
import signal as signals
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring import Component, Id, Live, Signal, System, UnknownComponent, ref, run, subsystem, tagged
from mainspring._text import quote

# --- What is chosen: systems without references, so that nothing is drawn in ------------------------------------------


def part(*tags: str, **slots: Any) -> Component[Any]:
    """A component that carries tags."""
    return Component(dict, tags=tags, **slots)


SHOP = System({
    "db": {"pool": part("sql"), "replica": part("sql", "slow"), "cache": part("v1.2")},
    "web-a": {"server": part("http"), "cache": part("slow")},
    "web-b": {"server": part("http"), "my.pool": part("two words")},
    "env": {"port": 8080},
})  # fmt: skip


def chosen(select: Any, system: System = SHOP) -> list[str]:
    """The ids of what a selection names, in order."""
    return [str(id) for id in system.select(select)]


@pytest.mark.parametrize(
    ("select", "ids"),
    [
        ("db.pool", ["db.pool"]),
        (Id("db", "pool"), ["db.pool"]),
        ("env.port", ["env.port"]),
        ('web-b."my.pool"', ['web-b."my.pool"']),
        ("db", ["db.pool", "db.replica", "db.cache"]),
    ],
    ids=repr,
)
def test_an_id_is_one_component_and_a_group_is_all_that_is_in_it(select: Any, ids: list[str]) -> None:
    """An id, as text or as an `Id`, stands for a component or constant; a group's name for the whole group."""
    assert chosen(select) == ids


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("db.*", ["db.pool", "db.replica", "db.cache"]),
        ("*.cache", ["db.cache", "web-a.cache"]),
        ("web-*.server", ["web-a.server", "web-b.server"]),
        ("web-?.cache", ["web-a.cache"]),
        ("web-[bc].s*", ["web-b.server"]),
        ("web-[!b].s*", ["web-a.server"]),
        ("*.p??l", ["db.pool"]),
        ('*."my.pool"', ['web-b."my.pool"']),
        ("*.*.*pool", []),
        ("web-*", ["web-a.server", "web-a.cache", "web-b.server", 'web-b."my.pool"']),
        ("**.cache", ["db.cache", "web-a.cache"]),
        ("db.**", ["db.pool", "db.replica", "db.cache"]),
        ("*.CACHE", []),
    ],
)
def test_a_pattern_is_held_against_group_and_name_separately(pattern: str, ids: list[str]) -> None:
    """`*`, `?` and `[...]` stand for characters within one part of an id; a pattern of one part is for groups."""
    if ids:
        assert chosen(pattern) == ids
    else:
        with pytest.raises(UnknownComponent, match="fits nothing"):
            chosen(pattern)


def test_the_pattern_star_is_everything() -> None:
    """It fits every group."""
    assert chosen("*") == [str(id) for id in SHOP]


def test_what_is_quoted_in_a_pattern_is_literal() -> None:
    """A wildcard in quotation marks, in an `Id` or in a tuple stands for itself."""
    system = System(
        {"a": {"*": part(), "b": part(), "**": part()}, "x[1]": {"y": part(), "z*": part()}, "x1": {"z": part()}}
    )
    assert chosen('a."*"', system) == chosen(Id("a", "*"), system) == chosen([("a", "*")], system) == ["a.*"]
    assert chosen('"x[1]".*', system) == ["x[1].y", "x[1].z*"]
    assert chosen('*."z*"', system) == ["x[1].z*"]
    assert chosen("x[1].?", system) == ["x1.z"]


def test_a_name_comes_before_a_pattern() -> None:
    """A text that is the id or the group of something stands for that, whatever characters it has."""
    system = System(
        {"a": {"*": part(), "b": part()}, "-a": {"b": part()}, "tag:x": {"y": part("x")}, "x?": {"y": part()}}
    )
    for id in system:
        assert chosen(str(id), system) == chosen([str(id)], system) == [str(id)]
    assert chosen("tag:x", system) == ["tag:x.y"]
    assert chosen("x?", system) == ["x?.y"]
    assert chosen("-a", system) == ["-a.b"]


@pytest.mark.parametrize("select", ["tag:http", tagged("http"), ["tag:http"], {tagged("http")}], ids=repr)
def test_a_tag_is_every_component_that_carries_it(select: Any) -> None:
    """As text, or as the mark that `tagged` gives."""
    assert chosen(select) == ["web-a.server", "web-b.server"]


@pytest.mark.parametrize(
    ("select", "ids"),
    [
        ("tag:v1.2", ["db.cache"]),
        ("tag:two words", ['web-b."my.pool"']),
        ('tag:"v1.2"', ["db.cache"]),
        ("tag:s*", ["db.pool", "db.replica", "web-a.cache"]),
        ("tag:v[0-9].*", ["db.cache"]),
    ],
)
def test_a_tag_may_be_quoted_and_may_be_a_pattern(select: str, ids: list[str]) -> None:
    """All after `tag:` is the tag, dots and blanks too; wildcards in it work unless it is quoted."""
    assert chosen(select) == ids
    with pytest.raises(UnknownComponent, match=r"No component has the tag s\*"):
        chosen('tag:"s*"')


def test_several_parts_are_taken_together() -> None:
    """Of all kinds, in any iterable, in any order, overlapping or not; the result has the order of the system."""
    parts = ["web-b.server", "db.*", "tag:slow", "db.pool", Id("env", "port")]
    wanted = ["db.pool", "db.replica", "db.cache", "web-a.cache", "web-b.server", "env.port"]
    for select in (parts, parts[::-1], tuple(parts), set(parts), iter(parts), dict.fromkeys(parts)):
        assert chosen(select) == wanted


@pytest.mark.parametrize(
    ("select", "ids"),
    [
        (["db", "-db.replica"], ["db.pool", "db.cache"]),
        (["-db.replica", "db"], ["db.pool", "db.cache"]),
        (["db", "-tag:slow"], ["db.pool", "db.cache"]),
        (["db", "web-*", "-*.cache", "-web-b"], ["db.pool", "db.replica", "web-a.server"]),
        (["*", "-db", "-env", "-tag:http", "-*.cache"], ['web-b."my.pool"']),
        (["db.pool", "-db.pool"], []),
        (["-*.cache", "-web-*", "-env"], ["db.pool", "db.replica"]),
        ("-web-*", ["db.pool", "db.replica", "db.cache"]),
        ("-tag:s*", ["db.cache", "web-a.server", "web-b.server", 'web-b."my.pool"']),
        ("-*", []),
    ],
    ids=repr,
)
def test_a_part_with_a_minus_takes_away(select: Any, ids: list[str]) -> None:
    """In any place; and where all parts take away, from everything."""
    assert chosen(select) == ids


@pytest.mark.parametrize("select", [[], (), set(), iter(())], ids=repr)
def test_an_empty_selection_is_nothing(select: Any) -> None:
    """Never everything; everything is `None`."""
    assert chosen(select) == []
    assert chosen(None) == [str(id) for id in SHOP]


def test_enums_of_text_are_text() -> None:
    """Names may be kept in a StrEnum."""

    class Part(StrEnum):
        POOL = "db.pool"
        CACHES = "*.cache"

    assert chosen(list(Part)) == ["db.pool", "db.cache", "web-a.cache"]


names = st.text(st.sampled_from('ab*?[]!-.":\\ t'), min_size=1, max_size=4)


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Systems whose names have everything that has a meaning in selections, with tags of the same kind."""
    members = st.dictionaries(names, st.builds(lambda tags: part(*tags), st.sets(names, max_size=2)), max_size=4)
    return System(draw(st.dictionaries(names, members, max_size=4)))


@given(systems())
def test_the_text_of_every_id_selects_it(system: System) -> None:
    """Whatever characters names are made of: `str(id)` stands for that component and no other."""
    for id in system:
        assert list(system.select(str(id))) == list(system.select(id)) == [id]


def alone(system: System, part: Any) -> set[Id]:
    """What one part selects by itself; nothing where it is an error."""
    try:
        return set(system.select(part))
    except UnknownComponent:
        return set()


@given(systems(), st.data())
def test_selections_are_unions_and_differences(system: System, data: st.DataObject) -> None:
    """Several parts select what they select one by one, less what is taken away, in any order; or they are an error."""
    ids = list(system)
    patterns = ["*", "*.*", "**.*", "[!a]*", "?.*", "*.?"]
    named = data.draw(st.lists(st.sampled_from([*ids, *patterns]), max_size=4), "named")
    names_of_things = {*map(str, ids), *map(quote, system.groups)}
    texts = [one for one in [*map(str, ids), *patterns] if f"-{one}" not in names_of_things]
    away = data.draw(st.lists(st.sampled_from(texts), max_size=4), "away")
    parts: list[Any] = data.draw(st.permutations([*named, *(f"-{one}" for one in away)]), "parts")
    whole = set().union(*(alone(system, one) for one in named)) if named or not away else set(ids)
    lost = [alone(system, one) for one in away]
    if all(alone(system, one) for one in named) and all(one & whole for one in lost):
        assert list(system.select(parts)) == [id for id in ids if id in whole.difference(*lost)]
    else:
        with pytest.raises(UnknownComponent):
            system.select(parts)


# --- What is drawn in -------------------------------------------------------------------------------------------------


class Log(list[str]):
    """What was called, in order."""

    def part(self, name: str, *needs: Any, **slots: Any) -> Component[Any]:
        """A component that writes down what happens to it, and has a handler for everything."""

        def handler(signal: str) -> Any:
            return lambda *_, **__: self.append(f"{signal} {name}")

        handlers = {signal: handler(signal) for signal in ("status", "suspend", "resume", "ping", "drain")}
        return Component(handler("start"), handler("stop"), config={"needs": list(needs)}, handlers=handlers, **slots)

    def taken(self) -> list[str]:
        """What was written since the last time."""
        found = list(self)
        self.clear()
        return found


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


def chain(log: Log) -> System:
    """A database, a cache on it, a server on both, and a clock that stands alone; with two signals more."""
    return System(
        {
            "db": {"pool": log.part("pool", tags=["data"])},
            "web": {
                "cache": log.part("cache", ref("db.pool"), tags=["data", "slow"]),
                "server": log.part("server", ref("db.pool"), ref("web.cache")),
            },
            "more": {"clock": log.part("clock")},
        },
        signals=[Signal("ping", draws_in="needs"), Signal("drain", "dependents first", draws_in="needed by")],
    )


@pytest.mark.parametrize(
    ("signal", "select", "drawn"),
    [
        ("start", "*.cache", ["pool", "cache"]),
        ("start", ["-db", "-web.server"], ["pool", "cache", "clock"]),
        ("start", ["tag:data", "-db.*"], ["pool", "cache"]),
        ("stop", "*.cache", ["server", "cache"]),
        ("stop", ["tag:data", "-tag:slow"], ["server", "cache", "pool"]),
        ("stop", "-db", ["clock", "server", "cache"]),
        ("suspend", "tag:slow", ["server", "cache"]),
        ("suspend", ["*", "-db", "-more"], ["server", "cache"]),
        ("resume", "w*.cache", ["pool", "cache"]),
        ("resume", ["web", "-web.cache"], ["pool", "cache", "server"]),
        ("status", "tag:data", ["pool", "cache"]),
        ("status", ["-*.server"], ["pool", "cache", "clock"]),
        ("ping", "tag:slow", ["pool", "cache"]),
        ("drain", "tag:slow", ["server", "cache"]),
    ],
    ids=repr,
)
def test_what_is_left_draws_in_what_the_row_of_the_signal_says(
    log: Log, signal: str, select: Any, drawn: list[str]
) -> None:
    """Taking away comes first, drawing in after it: so what was taken away is there where it has to be, as the plan says."""
    system = chain(log)
    assert [step.id.name for step in system.plan(signal, select)] == drawn
    if signal == "start":
        system.start(select)
    else:
        live = system.start()
        if signal == "resume":
            live.suspend()
        log.clear()
        live.signal(signal, select)
    assert log.taken() == [f"{signal} {name}" for name in drawn]


def test_the_plan_says_what_is_drawn_in(log: Log) -> None:
    """Also of what the selection took away."""
    reasons = {step.id.name: step.reason for step in chain(log).plan("start", ["web", "-*.cache"])}
    assert reasons["pool"] == "needs nothing; drawn in: needed by web.cache and web.server"
    assert reasons["cache"] == "after db.pool, which it needs; drawn in: needed by web.server"
    assert "drawn in" not in reasons["server"]


def test_constants_draw_nothing_in_that_was_taken_away() -> None:
    """Where a selection takes away, constants are meant only by their id: what shares one with the selected is left alone."""
    system = System({
        "env": {"port": 80, "alias": ref("web.a")},
        "web": {"a": part(config={"port": ref("env.port")}), "b": part(config={"port": ref("env.port")})},
    })  # fmt: skip
    assert [step.id.name for step in system.plan("stop", "-web.a")] == ["b"]
    assert [step.id.name for step in system.plan("stop", ["*", "-web.a"])] == ["b"]
    assert [step.id.name for step in system.plan("start", "-web.a")] == ["b"]
    assert [step.id.name for step in system.plan("stop", ["web", "env.port", "-web.a"])] == ["b", "a"]
    assert [str(id) for id in system.select("-web.a")] == ["env.port", "web.b"]


@pytest.mark.parametrize("select", ["web.c*", "tag:slow", tagged("slow"), ["web", "-*.server"]], ids=repr)
def test_every_verb_takes_every_selection(log: Log, select: Any) -> None:
    """Sync verbs: of the system and of the live system."""
    system = chain(log)
    with system.started(select) as live:
        assert log.taken() == ["start pool", "start cache"]
        requests: list[tuple[Any, list[str]]] = [
            (live.status, ["status cache"]),
            (live.suspend, ["suspend cache"]),
            (live.resume, ["resume cache"]),
            (live.restart, ["stop cache", "start cache"]),
            (live.stop, ["stop cache"]),
            (live.start, ["start cache"]),
            (lambda it: live.signal("ping", it), ["ping pool", "ping cache"]),
            (lambda it: live.signal("stop", it), ["stop cache"]),
            (lambda it: live.signal("start", it), ["start cache"]),
        ]
        for request, wanted in requests:
            request(select)
            assert log.taken() == wanted
    log.clear()
    system.start(select).stop()
    assert log.taken() == ["start pool", "start cache", "stop cache", "stop pool"]
    assert [str(id) for id in system.select(select)] == ["db.pool", "web.cache"]


def test_every_async_verb_takes_every_selection(log: Log) -> None:
    """The same, awaited."""
    system = chain(log)

    async def main() -> None:
        async with system.started("tag:slow") as live:
            assert log.taken() == ["start pool", "start cache"]
            requests: list[tuple[Any, list[str]]] = [
                (live.astatus, ["status cache"]),
                (live.asuspend, ["suspend cache"]),
                (live.aresume, ["resume cache"]),
                (live.arestart, ["stop cache", "start cache"]),
                (live.astop, ["stop cache"]),
                (live.astart, ["start cache"]),
                (lambda it: live.asignal("ping", it), ["ping pool", "ping cache"]),
            ]
            for request, wanted in requests:
                await request(["web.*", "-*.server"])
                assert log.taken() == wanted
        log.clear()
        live = await system.astart(tagged("slow"))
        await live.astop("-more")
        assert log.taken() == ["start pool", "start cache", "stop cache", "stop pool"]

    asyncio.run(main())


def test_run_takes_every_selection() -> None:
    """The process does the same: what is selected, and what that needs."""
    end = Component(lambda: signals.raise_signal(signals.SIGTERM), tags=["last"])
    system = System({"a": {"x": Component(dict), "y": Component(dict), "end": end}})
    for select in (["*.x", "tag:last"], "-*.y"):
        said: list[str] = []
        assert run(system, select=select, report=said.append) == 0
        assert said[0] == "Starting 2 components"
    said.clear()
    assert run(system, select=tagged("last"), report=said.append) == 0
    assert said[0] == "Starting 1 component"


def test_stages(log: Log) -> None:
    """A system can be started bit by bit: what runs already is left alone, and all is stopped in order at the end."""
    system = chain(log)
    live = system.start("tag:data")
    assert log.taken() == ["start pool", "start cache"]
    live.start("-more")
    assert log.taken() == ["start server"]
    live.start()
    assert log.taken() == ["start clock"]
    live.stop()
    assert log.taken() == ["stop clock", "stop server", "stop cache", "stop pool"]


# --- What is switched off ---------------------------------------------------------------------------------------------

PARTLY_OFF = System({
    "flags": {"jobs": False},
    "db": {"pool": part("data"), "replica": part("data", "spare", enabled=False)},
    "jobs": {"worker": part("work", enabled=ref("flags.jobs"))},
})  # fmt: skip


@pytest.mark.parametrize(
    ("select", "ids"),
    [
        ("db", ["db.pool"]),
        ("db.*", ["db.pool"]),
        ("*.replica", []),
        ("tag:data", ["db.pool"]),
        ("tag:spare", []),
        (tagged("work"), []),
        ("jobs", []),
        (["db", "-db.replica"], ["db.pool"]),
        (["db", "-jobs"], ["db.pool"]),
        (["-tag:work", "-flags"], ["db.pool"]),
        (["-jobs.worker", "-flags"], ["db.pool"]),
    ],
    ids=repr,
)
def test_groups_patterns_and_tags_pass_over_what_is_off(select: Any, ids: list[str]) -> None:
    """So the same selection works with a part switched on and off; and what is off need not be taken away."""
    steps = [str(step.id) for step in PARTLY_OFF.plan("start", select)]
    assert steps == ids


def test_an_id_that_is_off_is_an_error_that_says_why() -> None:
    """Who names one component means it."""
    with pytest.raises(UnknownComponent, match=r"jobs\.worker is switched off: flags\.jobs is False\."):
        PARTLY_OFF.start(["db", "jobs.worker"])


# --- What is in subsystems --------------------------------------------------------------------------------------------


def nested() -> System:
    """A store, a shop with two of them, and a mall with the shop: three levels deep."""
    store = System({
        "env": {"size": 1},
        "db": {"pool": part(config={"size": ref("env.size")}), "replica": part("slow", config={"p": ref("db.pool")})},
        "jobs": {"worker": part(config={"pool": ref("db.pool")})},
    })  # fmt: skip
    shop = System({
        "stores": {"main": subsystem(store, tags=["stock"]), "spare": subsystem(store, enabled=False)},
        "web": {"server": part(config={"pool": ref("stores.main.db.pool")})},
    })  # fmt: skip
    return System({"shops": {"first": subsystem(shop), "pool": part()}, "guard": {"dog": part()}})


POOL, REPLICA, WORKER = (f"shops.first.stores.main.{name}" for name in ("db.pool", "db.replica", "jobs.worker"))
STORE = [POOL, REPLICA, WORKER, "shops.first.stores.main"]
SERVER = "shops.first.web.server"


@pytest.mark.parametrize(
    ("select", "ids"),
    [
        (POOL, [POOL]),
        (Id("shops", "pool"), ["shops.pool"]),
        ("shops.first.stores.main.db", [POOL, REPLICA]),
        ("shops.first.stores.main", STORE),
        ("shops.first.stores", STORE),
        ("shops.first", [*STORE, SERVER, "shops.first"]),
        ("shops", [*STORE, SERVER, "shops.first", "shops.pool"]),
        ("sho*", [*STORE, SERVER, "shops.first", "shops.pool"]),
        ("*.first", [*STORE, SERVER, "shops.first"]),
        ("shops.*.*.main", STORE),
        ("*.*.*.*.db.*", [POOL, REPLICA]),
        ("**.pool", [POOL, "shops.pool"]),
        ("**.db", [POOL, REPLICA]),
        ("shops.**.worker", [WORKER]),
        ("tag:slow", [REPLICA]),
        ("tag:stock", STORE),
        (tagged("stock"), STORE),
        (["shops.first.stores.main", f"-{REPLICA}"], [POOL, WORKER]),
        (["shops", "-**.worker", "-tag:slow"], [POOL, SERVER, "shops.pool"]),
        ("-shops.first", ["shops.pool", "guard.dog"]),
        ("-shops.first.stores.main", [SERVER, "shops.pool", "guard.dog"]),
        ("-shops.first.stores.spare.db.pool", [*STORE, SERVER, "shops.first", "shops.pool", "guard.dog"]),
        ("shops.first.stores.spare.*", []),
    ],
    ids=repr,
)
def test_a_selection_reaches_into_subsystems(select: Any, ids: list[str]) -> None:
    """By whole paths; a subsystem is all that is inside it, and no longer a whole where a part of it is taken away."""
    chosen = System(nested().groups, signals=[Signal("count", without_handler=True)]).plan("count", select)
    assert sorted(str(step.id) for step in chosen) == sorted(ids)


def test_what_is_taken_away_inside_a_subsystem_is_drawn_in_where_it_is_needed() -> None:
    """And the subsystem as a whole is not started where a part of it is left out."""
    system = nested()
    assert [str(step.id) for step in system.plan("start", ["shops.first", f"-{REPLICA}", f"-{POOL}"])] == [
        POOL,
        WORKER,
        SERVER,
    ]
    assert [str(step.id) for step in system.plan("stop", ["shops.first.stores.main", f"-{REPLICA}", f"-{POOL}"])] == [
        "shops.first",
        "shops.first.stores.main",
        WORKER,
    ]
    assert [str(step.id) for step in system.plan("stop", REPLICA)] == [
        "shops.first",
        "shops.first.stores.main",
        REPLICA,
    ]


# --- What is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("select", "says"),
    [
        ("db.pol", "There is no db.pol. Did you mean db.pool?"),
        ("dbb", "There is no dbb. Did you mean db?"),
        ("-db.pol", "There is no db.pol. Did you mean db.pool?"),
        ("bd.*", "The pattern bd.* fits nothing. Did you mean db.*?"),
        ("*.casche", "The pattern *.casche fits nothing. Did you mean *.cache?"),
        ("db.*k*", "The pattern db.*k* fits nothing. In db there is: pool, replica, cache."),
        ("db.pool.*", "The pattern db.pool.* fits nothing. In db.pool there is nothing."),
        ("x*", "The pattern x* fits nothing. There is: db, web-a, web-b, env."),
        ("**.polo", "The pattern **.polo fits nothing. Did you mean **.pool?"),
        ("tag:htpt", "No component has the tag htpt. Did you mean http?"),
        ("tag:x*", "No component has the tag x*. There is: http, slow, sql, two words, v1.2."),
        (tagged("htpt"), "No component has the tag htpt. Did you mean http?"),
        ("http", "There is no group http. Did you mean the tag, tag:http?"),
        ("db,env", "There is no db,env. Several are given as a list: ['db', 'env']."),
        ("tag:", "A selection 'tag:' names no tag."),
        ('tag:"a"b', "A selection 'tag:\"a\"b' cannot be read: quotation marks go around the tag."),
        ("-", "A selection '-' takes away, and does not say what."),
        ('*."a', "A selection '*.\"a' cannot be read: a quotation mark is not closed."),
        (3, "A selection is an id, a group, a pattern, a tag, or several of them, not 3."),
        (
            ["web-a", "-db"],
            "-db takes nothing away: the rest of the selection does not name it. "
            "What a selection draws in, because of what needs what, cannot be taken away.",
        ),
    ],
    ids=repr,
)
def test_what_names_nothing_is_an_error_with_near_misses(select: Any, says: str) -> None:
    """An id, a group, a pattern, a tag that nobody carries; and a part that takes nothing away."""
    with pytest.raises(UnknownComponent) as caught:
        SHOP.start(select)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("select", "near"),
    [
        ("shops.frist", "shops.first"),
        ("shops.first.stores.mian", "shops.first.stores.main"),
        ("shops.first.stores.main.db.pol", POOL),
        ("shops.first.sotres.*", "shops.first.stores.*"),
        ("shops.*.stores.main.db.pol*l", "shops.*.stores.main.db.pool"),
    ],
)
def test_near_misses_within_subsystems_are_whole_paths(select: str, near: str) -> None:
    """As they would have to be written."""
    with pytest.raises(UnknownComponent) as caught:
        nested().start(select)
    assert f"Did you mean {near}" in str(caught.value)


def test_a_cut_out_part_of_a_subsystem_runs_by_itself() -> None:
    """`System.select` cuts subsystems as it cuts groups."""
    cut = nested().select(["shops.first.stores", "-tag:slow"])
    with cut.started() as live:
        ids = {str(id) for id in live.describe()}
    assert POOL in ids
    assert REPLICA not in ids


@pytest.mark.parametrize(
    ("select", "limits"),
    [("a.x", {"*": 3, "a": 1}), ("b", {"*": 3, "b": 2}), ([], {"*": 3}), (None, {"*": 3, "a": 1, "b": 2})],
)
def test_a_cut_out_part_has_the_limits_of_its_groups(select: Any, limits: Any) -> None:
    """A limit of a group that is not in the part goes with the group, so that the check finds nothing wrong with it."""
    groups: dict[str, Any] = {"a": {"x": Component(dict)}, "b": {"y": Component(dict)}}
    cut = System(groups, limits={"*": 3, "a": 1, "b": 2}).select(select)
    assert cut.check() == []
    assert cut == System(cut.groups, limits=limits)
    cut.start().stop()


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Each in a line of its own."""
    with pytest.raises(UnknownComponent) as caught:
        SHOP.plan("stop", ["db.pol", "db.pool", "tag:htpt", "-*.casche"])
    assert str(caught.value).splitlines() == [
        "There is no db.pol. Did you mean db.pool?",
        "No component has the tag htpt. Did you mean http?",
        "The pattern *.casche fits nothing. Did you mean *.cache?",
    ]


@pytest.mark.parametrize("select", ["*.polo", "tag:no", "-web.polo", ["web", "-db"]], ids=repr)
def test_nothing_is_done_where_a_selection_is_wrong(log: Log, select: Any) -> None:
    """By no verb."""
    live: Live = chain(log).start()
    log.clear()
    for verb in (live.start, live.stop, live.suspend, live.resume, live.restart, live.status):
        with pytest.raises(UnknownComponent):
            verb(select)
    assert log.taken() == []
    live.stop()


# --- The command line -------------------------------------------------------------------------------------------------

APP = """\
from mainspring import System, component, ref

@component
def part(needs=None):
    yield

system = System({
    "db": {"pool": part(), "replica": part().replace(tags=["slow"])},
    "web": {"server": part(needs=ref("db.pool")), "a,b": part().replace(tags=["x,y"])},
})
"""


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        (["--select", "db.*"], ["db.pool", "db.replica"]),
        (["--select", "db,-*.replica"], ["db.pool"]),
        (["--select", "*.server, tag:slow"], ["db.pool", "db.replica", "web.server"]),
        (["--select=-tag:slow,-db.pool"], ["db.pool", "web.server", "web.a,b"]),
        (["--select=-web", "--select", "db"], None),
        (["--select", "web", "--select=-*.server"], ["web.a,b"]),
        (["--select", 'web."a,b",db.r*'], ["db.replica", "web.a,b"]),
        (["--select", 'tag:"x,y"'], ["web.a,b"]),
        (["--select", ""], []),
    ],
    ids=repr,
)
def test_select_on_the_command_line(tmp_path: Path, given: list[str], steps: list[str] | None) -> None:
    """Parts with commas between them, or the option again; in quotation marks a comma is one of a name."""
    (tmp_path / "app.py").write_text(APP)
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", "plan", "app:system", *given],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if steps is None:
        assert (done.returncode, done.stdout) == (2, "")
        assert "-web takes nothing away" in done.stderr
        return
    assert done.stderr == ""
    lines = done.stdout.split("\n\n")[0].splitlines()[1:]
    assert [line.split()[2] for line in lines] == steps


# --- Limits and switches of what is cut out, and very large selections ------------------------------------------------


@pytest.mark.parametrize(
    ("select", "kept"),
    [
        ("app.b.d", ["app", "app.b", "app.b.d"]),
        ("app.b.e", ["app", "app.b", "app.b.e"]),
        ("app.b.deep.s.x", ["app", "app.b", "app.b.deep", "app.b.deep.s", "app.b.deep.s.x"]),
        ("my.group", ["my.group"]),
    ],
)
def test_a_cut_out_part_has_the_limits_of_what_it_has_in_subsystems(select: str, kept: list[str]) -> None:
    """By the path of a group or subsystem; and a name with dots in it is one name."""
    child = System({
        "d": {"p": part()},
        "e": {"q": part()},
        "deep": {"s": subsystem(System({"x": {"y": part()}}))},
    }, limits={"d": 2, "deep.s": 3})  # fmt: skip
    paths = ["app", "app.b", "app.b.d", "app.b.e", "app.b.deep", "app.b.deep.s", "app.b.deep.s.x", "my.group"]
    limits = dict.fromkeys(paths, 1)
    system = System({"app": {"b": subsystem(child)}, "my.group": {"x": part()}}, limits=limits)
    assert system.check() == []
    cut = system.select('"my.group"' if select == "my.group" else select)
    assert cut.check() == []
    assert cut == System(cut.groups, limits=dict.fromkeys(kept, 1))
    cut.start().stop()


def test_a_cut_out_part_has_what_the_switches_of_its_subsystems_are_switched_by() -> None:
    """Where what switches one subsystem is in another, which is switched in turn."""
    flags = subsystem(System({"e": {"on": True}, "z": {"z": part()}}), enabled=ref("f.on"))
    jobs = subsystem(System({"x": {"x": part()}}), enabled=ref("flags.of.e.on"))
    cut = System({"f": {"on": True}, "flags": {"of": flags}, "jobs": {"all": jobs}}).select("jobs.all.x")
    assert cut.check() == []
    with cut.started() as live:
        assert live["jobs.all.x.x"] == {}


def test_a_cut_out_part_has_the_empty_groups_of_subsystems_that_it_refers_to() -> None:
    """As those of the whole system."""
    child = subsystem(System({"plugins": {}, "z": {"z": part()}}))
    cut = System({"o": {"c": child}, "a": {"x": Component(dict, config={"all": ref("o.c.plugins")})}}).select("a.x")
    assert cut.check() == []
    with cut.started() as live:
        assert live["a.x"] == {"all": {}}


@pytest.mark.parametrize(
    "select", ["app", "tag:t", "**.x", [f"app.b{i}" for i in range(3000)]], ids=["group", "tag", "pattern", "ids"]
)
def test_thousands_of_subsystems_are_selected(select: Any) -> None:
    """In about the time that thousands of components take."""
    child = System({"w": {"x": part()}})
    system = System({"app": {f"b{i}": subsystem(child, tags=["t"]) for i in range(3000)}})
    assert len(system.graph().select(select)) == (3000 if select == "**.x" else 6000)
    assert len(system.select(select)) == 3000


def test_a_tag_is_found_at_any_depth_among_very_many() -> None:
    """A selection by one tag of thousands: in the system itself, and in what is in subsystems."""
    many = {f"x{i}": part(f"t{i}") for i in range(100)}
    system = System(
        {"w": many, "app": {"b": subsystem(System({"w": many, "deep": {"s": subsystem(System({"w": many}))}}))}}
    )
    found = ["w.x7", "app.b.w.x7", "app.b.deep.s.w.x7"]
    assert {str(id) for id in system.graph().select("tag:t7")} == set(found)
    assert {str(id) for id in system.graph().select("tag:t?")} == {
        id.replace("7", str(n)) for id in found for n in range(10)
    }
    assert {str(id) for id in system.graph().select([f"tag:t{n}" for n in range(100)])} == {
        id.replace("7", str(n)) for id in found for n in range(100)
    }


@pytest.mark.parametrize(("last", "fits"), [("pool", True), ("pol", False)])
def test_a_pattern_may_have_many_parts_of_any_depth(last: str, fits: bool) -> None:
    """However deep what it is held against lies."""
    system = System({"db": {"pool": part()}})
    for _ in range(10):
        system = System({"a": {"s": subsystem(system)}})
    for pattern in ("**." * 20 + last, "**.a." * 9 + "**." + last):
        if fits:
            assert [str(id) for id in system.graph().select(pattern)] == ["a.s." * 10 + "db.pool"]
        else:
            with pytest.raises(UnknownComponent, match=r"fits nothing.*Did you mean"):
                system.graph().select(pattern)
