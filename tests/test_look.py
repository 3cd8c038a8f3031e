"""Looking at what runs: instances, states, descriptions, and the report of the last request."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mainspring import (
    BadArguments,
    Component,
    Context,
    Id,
    NotStarted,
    Secret,
    Site,
    StartError,
    State,
    System,
    UnknownComponent,
    WrongType,
    build,
    component,
    local_ref,
    opaque,
    ref,
    subsystem,
    tagged,
)
from mainspring.wrappers import retried


class Settings:
    """An object with attributes."""

    def __init__(self, port: Any = 80) -> None:
        self.port = port


@component(tags=["database"])
def pool(dsn: Any, *, max_size: Any = 10) -> Iterator[Any]:
    """PostgreSQL connection pool.

    With more to say on a second line.
    """
    yield {"dsn": dsn, "max_size": max_size}


@pool.status
def _(it: Any) -> str:
    return "good"


def some_system() -> System:
    """A system with something of everything."""
    return System(
        {
            "env": {"dsn": "d", "http": {"port": 80, "hosts": ["a", "b"]}, "password": Secret("hunter2")},
            "db": {"pool": pool(dsn=ref("env.dsn"))},
            "web": {
                "app": Component(Settings, config={"port": ref("env.http.port")}, resolve=lambda it: [it]),
                "user": Component(
                    dict, config={"pool": ref("db.pool"), "local": local_ref("app"), "password": ref("env.password")}
                ),
                "off": Component(dict, enabled=False, config={"x": 1}),
            },
        },
        name="demo",
    )


# --- Instances ----------------------------------------------------------------------------------------------------------


def test_instance_by_id() -> None:
    """`live["db.pool"]` is what others see of a component; an `Id` does as well."""
    with some_system().started() as live:
        assert live["db.pool"] == {"dsn": "d", "max_size": 10}
        assert live[Id("db", "pool")] is live["db.pool"]
        assert type(live["web.app"][0]) is Settings


def test_part_of_an_instance_by_a_longer_path() -> None:
    """A longer path reaches into what others see, as a reference does."""
    with some_system().started() as live:
        assert live["db.pool.max_size"] == 10
        assert live["env.http.hosts.1"] == "b"
        assert live["web.app.0.port"] == 80
        assert live["web.user.pool.dsn"] == "d"


def test_group_as_a_mapping() -> None:
    """`live["db"]` is a mapping of what runs in the group, in the order as written, that cannot be changed."""
    with some_system().started() as live:
        group = live["web"]
        assert list(group) == ["app", "user"]
        assert group["app"] is live["web.app"]
        with pytest.raises(TypeError):
            group["app"] = 1
    assert dict(live["web"]) == {}


def test_group_as_a_mapping_has_what_runs_only() -> None:
    """A group as a mapping leaves out what has no instance."""
    with some_system().started("web.app") as live:
        assert list(live["web"]) == ["app"]
        assert isinstance(live["web"], Mapping)


@pytest.mark.parametrize("id", ["db.pol", "bd.pool", "nothing", "web.nothing", Id("db", "nothing")])
def test_id_that_is_not_there(id: Any) -> None:
    """An id that names nothing is an error, with near misses where there are any."""
    with some_system().started() as live:
        for request in (live.__getitem__, live.state, lambda it: live.get(it, dict)):
            with pytest.raises(UnknownComponent) as caught:
                request(id)
            if id in ("db.pol", "bd.pool"):
                assert "db.pool" in str(caught.value)


def test_part_that_is_not_there() -> None:
    """A path that leads nowhere in an instance is an error that says how far it led."""
    with some_system().started() as live, pytest.raises(UnknownComponent) as caught:
        live["db.pool.max_siez"]
    assert "max_size" in str(caught.value)
    assert "db.pool" in str(caught.value)


def test_what_is_off_has_no_instance() -> None:
    """A component that is off is an unknown component that says that it is off."""
    with some_system().started() as live, pytest.raises(UnknownComponent, match="switched off"):
        live["web.off"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_does_not_run_has_no_instance(when: str) -> None:
    """A component that was not started, or was stopped, has no instance, and the error says its state."""
    live = some_system().start("env" if when == "before" else None)
    live.stop()
    with pytest.raises(NotStarted, match="defined" if when == "before" else "stopped"):
        live["db.pool"]


def test_constants_are_there_without_a_start() -> None:
    """A constant without references can be looked at whether anything was started or not."""
    live = some_system().start([])
    assert live["env.dsn"] == "d"
    assert live["env.http.port"] == 80


def test_errors_of_looking_are_lookup_errors() -> None:
    """The errors of looking something up are `LookupError`s."""
    live = some_system().start([])
    with pytest.raises(LookupError):
        live["db.pol"]
    with pytest.raises(LookupError):
        live["db.pool"]


def test_get_checks_the_type() -> None:
    """`live.get(id, type)` gives the instance where it is of the type, and an error that names both where it is not."""
    with some_system().started() as live:
        assert live.get("db.pool", dict) is live["db.pool"]
        assert live.get("db.pool", Mapping) is live["db.pool"]  # type: ignore[type-abstract]
        assert live.get(Id("env", "http"), dict) is live["env.http"]
        with pytest.raises(WrongType) as caught:
            live.get("db.pool", list)
        for part in ("db.pool", "dict", "list"):
            assert part in str(caught.value)
        assert isinstance(caught.value, TypeError)


def test_instances_may_be_looked_at_from_any_thread() -> None:
    """Looking needs no turn: it works from another thread while a request runs."""
    inside, go_on = threading.Event(), threading.Event()

    def status(it: Any) -> None:
        inside.set()
        assert go_on.wait(20)

    live = System({"a": {"x": 1, "b": Component(dict, status=status)}}).start()
    thread = threading.Thread(target=live.status)
    thread.start()
    assert inside.wait(20)
    assert (live["a.x"], live["a.b"], live.state("a.b")) == (1, {}, "running")
    assert live.describe()["a.b"].state == "running"
    go_on.set()
    thread.join(20)
    live.stop()


# --- States -------------------------------------------------------------------------------------------------------------


def test_state_of_each_component() -> None:
    """`live.state` says what a component is doing; it compares equal to its plain text."""
    live = some_system().start("db.pool")
    assert live.state("db.pool") is State.RUNNING
    assert live.state("db.pool") == "running"
    assert live.state("web.user") == "defined"
    assert live.state("web.off") == "defined"
    live.stop()
    assert live.state(Id("db", "pool")) == "stopped"


def test_states_while_handlers_run() -> None:
    """While a handler runs, the state says so."""
    seen: list[str] = []

    def look(*_: Any) -> None:
        seen.append(str(live.state("a.b")))

    definition: Any = Component(look, look, suspend=look, resume=look, status=look)
    live = System({"a": {"b": definition}}).start([])
    for request in (live.start, live.status, live.suspend, live.resume, live.stop):
        request()
    assert seen == ["starting", "running", "suspending", "resuming", "stopping"]


def test_repr_of_a_live_system_counts_states() -> None:
    """The repr of a live system has its name and how many components are in which state."""
    with some_system().started("db.pool") as live:
        assert repr(live) == "<Live demo: 1 running, 2 defined>"
    with System({"env": {"x": 1}}).started() as live:
        assert repr(live) == "<Live: no components>"


def test_definition_of_a_live_system() -> None:
    """`live.definition` is the system that it was started from."""
    system = some_system()
    with system.started() as live:
        assert live.definition is system


# --- Descriptions -------------------------------------------------------------------------------------------------------


def test_description_of_a_definition() -> None:
    """A description says of each part what there is to know before anything starts."""
    line = sys._getframe().f_lineno + 1
    system = System({"db": {"pool": pool(dsn=ref("env.dsn"))}, "env": {"dsn": Secret("hunter2"), "x": {"k": 1}}})
    entry = system.describe()["db.pool"]
    assert entry.kind == "component"
    assert entry.doc is not None
    assert entry.doc.startswith("PostgreSQL connection pool.")
    assert entry.config == {"dsn": ref("env.dsn")}
    assert (entry.needs, entry.needed_by) == ((Id("env", "dsn"),), ())
    assert entry.tags == {"database"}
    assert entry.handlers == ("scope", "status")
    assert entry.site == Site(__file__, line)
    assert (entry.state, entry.resolved, entry.instance, entry.started_at, entry.took) == (None,) * 5
    constant = system.describe()["env.x"]
    assert (constant.kind, constant.config) == ("constant", {"k": 1})
    assert system.describe()["env.dsn"].needed_by == (Id("db", "pool"),)


def test_description_lists_every_part_as_written() -> None:
    """A description is a mapping of every part, in the order as written, off ones too."""
    description = some_system().describe()
    assert [str(id) for id in description] == [
        "env.dsn", "env.http", "env.password", "db.pool", "web.app", "web.user", "web.off",
    ]  # fmt: skip
    assert len(description) == 7
    assert description["web.off"].kind == "off"
    assert description[Id("db", "pool")] == description["db.pool"]
    with pytest.raises(KeyError):
        description["db.pol"]
    unknown: Any = "db.pol"
    assert unknown not in description


def test_description_of_what_runs() -> None:
    """Of what runs, a description has the state, the resolved config, the instance and the times too."""
    with some_system().started("db") as live:
        entry = live.describe()["db.pool"]
        assert entry.state == "running"
        assert entry.config == {"dsn": ref("env.dsn")}
        assert entry.resolved == {"dsn": "d"}
        assert entry.instance is live["db.pool"]
        assert entry.started_at is not None
        assert entry.took is not None
        assert live.report.began <= entry.started_at <= live.report.began + live.report.total
        assert 0 <= entry.took <= live.report.total
        other = live.describe()["web.user"]
        assert (other.state, other.resolved, other.instance, other.took) == ("defined", None, None, None)
    stopped = live.describe()["db.pool"]
    assert (stopped.state, stopped.resolved, stopped.instance) == ("stopped", None, None)


def test_description_masks_secrets_in_config_and_resolved_config() -> None:
    """Secrets are masked in the config, and in the resolved config also where they come through a reference."""
    system = System({
        "env": {"password": Secret("p"), "login": {"user": "u", "password": Secret("p")}},
        "hidden": {"login": Secret({"user": "u", "password": "p"})},
        "a": {
            "b": Component(
                Settings,
                config={"port": {
                    "own": Secret("p"), "referred": ref("env.password"), "all": ref("env"), "deep": ref("env.login.password"),
                    "user": ref("env.login.user"), "inside": ref("hidden.login.user"),
                }},
            )
        },
    })  # fmt: skip
    with system.started() as live:
        entry = live.describe()["a.b"]
    masked = Secret("***")
    assert entry.config["port"]["own"] == masked
    assert entry.resolved["port"] == {
        "own": masked,
        "referred": masked,
        "all": {"password": masked, "login": {"user": "u", "password": masked}},
        "deep": masked,
        "user": "u",
        "inside": masked,
    }


def test_description_masks_secrets_in_constants() -> None:
    """Of a constant the masked value is shown, also where it runs."""
    system = System({"env": {"login": {"user": "u", "password": Secret("p")}}})
    with system.started() as live:
        for description in (system.describe(), live.describe()):
            assert description["env.login"].config == {"user": "u", "password": Secret("***")}
        assert live.describe()["env.login"].instance == {"user": "u", "password": Secret("***")}


def test_description_of_one_component_masks_secrets_as_the_whole_does() -> None:
    """What a handler kept in `meta`, and what the instance shows, has no secret in the text of the one component either."""

    @component
    def login(password: str, *, ctx: Context = Context.here) -> str:
        ctx.meta["pw"] = {"it is": password}
        return f"logged in with {password}"

    system = System({"env": {"pw": Secret("hunter2")}, "a": {"b": login(ref("env.pw"))}})
    with system.started() as live:
        description = live.describe()
        assert "hunter2" not in str(description) + json.dumps(description.as_dict())
        for id in ("a.b", Id("a", "b")):
            assert "hunter2" not in str(description[id])
        assert str(description["a.b"]) in str(description)
        assert "pw={'it is': '***'}" in str(description["a.b"])
        assert live.meta("a.b") == {"pw": {"it is": "hunter2"}}


@pytest.mark.parametrize(
    ("env", "path", "value"),
    [
        ({"it": build(Settings, port=3)}, "env.it.port", 3),
        ({"it": opaque(Settings(port=3))}, "env.it.port", 3),
        ({"it": Settings(port=3)}, "env.it.port", 3),
        ({"it": {"k": ref("env.other")}, "other": {"deep": 3}}, "env.it.k.deep", 3),
        ({"it": {"k": build(Settings, port=ref("env.other"))}, "other": {"deep": 3}}, "env.it.k.port.deep", 3),
        ({"it": {"k": [1, 3]}}, "env.it.k.1", 3),
    ],
    ids=["build", "opaque", "object", "reference", "reference in a build", "containers"],
)
def test_description_resolves_deep_references(env: dict[str, Any], path: str, value: Any) -> None:
    """The resolved config shows what a deep reference gave, however it led there."""
    system = System({"env": env, "a": {"b": Component(dict, config={"it": ref(path), "nested": [ref(path)]})}})
    with system.started() as live:
        assert live["a.b"] == {"it": value, "nested": [value]}
        assert live.describe()["a.b"].resolved == {"it": value, "nested": [value]}
        assert str(value) in str(live.describe()["a.b"])


def test_description_of_deep_references_never_shows_what_a_build_was_given_secretly() -> None:
    """A deep reference into what `build` made of a secret is masked."""
    system = System({
        "env": {"settings": build(Settings, port=Secret("hunter2"))},
        "a": {"b": Component(lambda it: None, config={"it": ref("env.settings.port")})},
    })  # fmt: skip
    with system.started() as live:
        description = live.describe()
        assert "hunter2" not in f"{description} {description.as_dict()} {dict(description)}"


def test_description_shows_optional_and_local_references() -> None:
    """The resolved config shows `None` for what is off, and local references as what they gave."""
    config = {"off": local_ref("off", optional=True), "x": local_ref("x")}
    system = System({"a": {"x": 1, "off": Component(dict, enabled=False), "b": Component(dict, config=config)}})
    with system.started() as live:
        assert live.describe()["a.b"].resolved == {"off": None, "x": 1}


def around(call: Any) -> Any:
    """A wrapper that changes nothing."""
    return (yield)


def further(call: Any) -> Any:
    """Another one."""
    return (yield)


@component
def scope() -> Iterator[int]:
    """A generator."""
    yield 1


@component
def function() -> int:
    """A function."""
    return 1


@component
async def later() -> int:
    """An async function."""
    return 1


@pytest.mark.parametrize("definition", [scope(), function(), later(), Component(Settings), Component(Settings, repr)])
def test_description_shows_wrappers(definition: Component[Any]) -> None:
    """A component lists the wrappers around its handlers by name, the outermost first, each once."""
    system = System({"a": {"b": definition, "c": 1}})
    assert system.describe()["a.b"].wrapped_by == ()
    assert "wrapped by" not in str(system.describe())
    assert system.wrap(around).describe()["a.b"].wrapped_by == ("around",)
    wrapped = system.wrap(around).wrap(further).wrap(retried(times=2))
    entry = wrapped.describe()["a.b"]
    assert entry.wrapped_by == ("retried", "further", "around")
    assert "wrapped by  retried, further, around" in str(entry)
    assert wrapped.describe()["a.c"].wrapped_by == ()


def test_description_shows_wrappers_of_single_signals() -> None:
    """A wrapper around one signal only is shown where the component has a handler for it."""
    system = System({"a": {"b": Component(Settings, status=repr), "c": Component(Settings)}})
    entries = system.wrap(around, signals=["status"]).wrap(further, "a.c").describe()
    assert (entries["a.b"].wrapped_by, entries["a.c"].wrapped_by) == (("around",), ("further",))


def test_description_as_plain_data() -> None:
    """A description as plain data can be written as JSON."""
    with some_system().started() as live:
        data = json.loads(json.dumps(live.describe().as_dict()))
    assert data["db.pool"]["state"] == "running"
    assert data["db.pool"]["needs"] == ["env.dsn"]
    assert data["env.password"]["config"] == "Secret('***')"


def test_description_as_text() -> None:
    """A description reads as text: what each part is, needs, and how it is doing."""
    with some_system().started() as live:
        text = str(live.describe())
    parts = (
        "db.pool  (component, running)",
        "PostgreSQL connection pool.",
        "env.dsn",
        "web.off  (off: enabled is False)",
    )
    for part in (*parts, __file__):
        assert part in text
    assert "second line" not in text


def test_description_survives_a_broken_repr() -> None:
    """An instance whose repr fails does not keep the rest from being described."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    with System({"a": {"b": Component(Broken)}}).started() as live:
        assert "Broken" in str(live.describe())
        json.dumps(live.describe().as_dict())


def test_long_values_are_cut_in_text() -> None:
    """A long value is cut in the text of a description, and whole in its data."""
    system = System({"env": {"x": "v" * 1000}})
    assert "v" * 200 not in str(system.describe())
    assert system.describe()["env.x"].config == "v" * 1000


# --- Reports ------------------------------------------------------------------------------------------------------------


def test_report_of_a_start() -> None:
    """The report of a start has of each component its state, its instance and its times."""
    with some_system().started() as live:
        report = live.report
        assert report.request == "start"
        assert [str(id) for id in report] == ["db.pool", "web.app", "web.user"]
        outcome = report["db.pool"]
        assert outcome.id == ("db", "pool")
        assert (outcome.state, outcome.called, outcome.skipped) == ("running", True, None)
        assert outcome.result is live["db.pool"]
        assert report[Id("db", "pool")] == outcome
        assert 0 <= outcome.started_at <= report["web.app"].started_at <= report.total
        assert outcome.took >= 0
        assert report.began > 0


def test_report_leaves_out_constants_and_what_is_off() -> None:
    """Constants and components that are off are not in a report."""
    with some_system().started() as live:
        ids: list[Any] = ["env.dsn", "web.off", "no.thing"]
        for id in ids:
            assert id not in live.report
            with pytest.raises(KeyError):
                live.report[id]


def test_every_request_returns_its_report() -> None:
    """Every request but status returns its report, which is also the report of the last request."""
    live = some_system().start()
    for request in (live.start, live.suspend, live.resume, live.restart, live.stop):
        report = request()
        assert report is live.report
        assert report.request == request.__name__
    live.start()
    live.status()
    assert live.report.request == "status"
    assert live.report["db.pool"].result == "good"
    live.stop()


def test_status_by_text() -> None:
    """What `status` gives is looked up by the text of an id as by the id; another text is a plain `KeyError`."""
    with System(
        {"db": {"pool": pool(dsn="d")}, "a.b": {"c": Component(Settings, status=lambda it: it.port)}}
    ).started() as live:
        status: Any = live.status()
        assert status["db.pool"] == status[Id("db", "pool")] == "good"
        assert status['"a.b".c'] == status[Id("a.b", "c")] == 80
        assert set(status) == {Id("db", "pool"), Id("a.b", "c")}
        assert status.get("db.pol") is None
        for wrong in ("db.pol", 3):
            with pytest.raises(KeyError):
                status[wrong]


# --- The graph ----------------------------------------------------------------------------------------------------------


def test_graph_selects_as_a_request_does() -> None:
    """`select` of a graph gives what a selection names and what is on, in the order of starting, without what that needs."""
    graph = some_system().override({"db.pool.config.dsn": ref("web.app")}).graph()
    assert graph.select(None) == tuple(graph.ids)
    assert graph.select("tag:database") == graph.select("db.pool") == (Id("db", "pool"),)
    assert graph.select(["db", "web.app"]) == (Id("web", "app"), Id("db", "pool"))
    assert graph.select([]) == ()
    off = System({"a": {"x": Component(dict, enabled=False), "y": Component(dict)}}).graph()
    assert off.select("a") == off.select("a.*") == (Id("a", "y"),)
    with pytest.raises(UnknownComponent, match=r"Did you mean db\.pool\?"):
        graph.select("db.pol")


def test_report_before_any_request() -> None:
    """Before there was a request that did anything, the report is empty."""
    live = System({"a": {"b": Component(dict)}}).start([])
    assert len(live.report) == 0
    assert live.report.critical_path == ()


def test_report_says_why_nothing_was_done() -> None:
    """The report says of what was passed over why."""
    live = some_system().start("db.pool")
    report = live.start()
    assert (report["db.pool"].called, report["db.pool"].skipped) == (False, "it was running already")
    assert report["web.app"].skipped is None
    live.stop()


def test_report_of_a_restart() -> None:
    """The report of a restart has what was started again, with its new instances."""
    system = some_system()
    with system.started() as live:
        report = live.restart("web.app")
        assert report.request == "restart"
        assert report["web.app"].state == "running"
        assert report["web.app"].called
        assert type(report["web.app"].result) is Settings


def test_report_stays_what_it_was() -> None:
    """A report does not change with what happens after its request."""
    live = System({"a": {"b": Component(lambda: "instance")}}).start()
    report = live.report
    before = (report["a.b"], str(report))
    live.stop()
    assert (report["a.b"], str(report)) == before


def test_report_as_text() -> None:
    """A report reads as text: what was asked for, and of each component when and how long."""
    with some_system().started() as live:
        lines = str(live.report).splitlines()
    assert lines[0].startswith("start: ")
    assert [line.split()[0:2] for line in lines[1:]] == [
        ["db.pool", "running"], ["web.app", "running"], ["web.user", "running"],
    ]  # fmt: skip
    assert all("took" in line for line in lines[1:])


def test_times_are_those_of_the_handlers() -> None:
    """The time that a component took is that of its handlers, and it began when those before it had ended."""
    moments: list[float] = []
    import time

    def slow(x: Any = None) -> None:
        moments.append(time.perf_counter())
        while time.perf_counter() - moments[-1] < 0.002:
            pass

    system = System({"a": {"x": Component(slow), "y": Component(slow, config={"x": ref("a.x")})}})
    with system.started() as live:
        x, y = live.report["a.x"], live.report["a.y"]
    assert x.took >= 0.002
    assert y.took >= 0.002
    assert y.started_at >= x.started_at + x.took


def test_critical_path() -> None:
    """The critical path is the chain of components, each needing the one before, that took longest in all."""

    def part(*needs: Any) -> Any:
        return Component(lambda needs: sum(range(2000)), config={"needs": list(needs)})

    names = [f"c{i}" for i in range(8)]
    parts = {
        name: part(ref("env.x"), *(ref("a", names[j]) for j in range(i) if (i + j) % 3)) for i, name in enumerate(names)
    }
    system = System({"env": {"x": 1}, "a": parts})
    graph = system.graph()
    with system.started() as live:
        report = live.report

    def chains(end: Id) -> Iterator[tuple[Id, ...]]:
        yield (end,)
        for before in graph.dependencies(end):
            if before.group == "a":
                yield from ((*chain, end) for chain in chains(before))

    longest = max((chain for id in report for chain in chains(id)), key=lambda it: sum(report[id].took for id in it))
    assert report.critical_path == longest
    assert len(longest) > 1


def test_failed_start_has_its_times_too() -> None:
    """What failed has its place in the report, with the time it took."""

    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(StartError) as caught:
        System({"a": {"b": Component(fails)}}).start()
    live = caught.value.live
    assert live is not None
    outcome = live.report["a.b"]
    assert (outcome.state, outcome.called, outcome.result) == ("failed", True, None)
    assert outcome.took >= 0


def test_status_by_text_of_very_many() -> None:
    """The text of an id is read, and not looked for; ids inside of subsystems and names in quotation marks are read as well."""
    part = Component(lambda number: number, status=lambda number: number, config={"number": 1})
    few = {"w": {f"x{i}": part.replace(config={"number": i}) for i in range(20_000)}, "a.b": {"c d": part}}
    system = System({**few, "app": {"inner": subsystem(System({"d": {"p": part}}))}})
    with system.started() as live:
        said: Any = live.status()
        inner: Any = live["app.inner"].status()
        assert all(said[f"w.x{i}"] == i for i in range(20_000))
        assert said['"a.b"."c d"'] == said["app.inner.d.p"] == inner["d.p"] == 1
        for unknown in ("w", "", "w..x", 'w."x', "w.x20000", "app.inner.d.q"):
            with pytest.raises(KeyError):
                said[unknown]


def test_entries_share_nothing() -> None:
    """What somebody notes in one entry is in no other."""
    described = System({"a": {"b": Component(dict), "c": 1}}).describe()
    with pytest.raises(TypeError):
        described["a.b"].meta["x"] = 1  # type: ignore[index]
    assert described["a.c"].meta == {}


def test_description_of_some_as_plain_data() -> None:
    """Only what is asked for, by the ids as they are written."""
    described = System({"env": {"password": Secret("hunter2"), "port": 80}, "a.b": {"c": 1}}).describe()
    assert list(described.as_dict(["env.password", Id("a.b", "c")])) == ["env.password", '"a.b".c']
    assert "hunter2" not in str(described.as_dict(["env.password"]))
    with pytest.raises(KeyError):
        described.as_dict(["env.host"])


@pytest.fixture
def importing() -> System:
    """A system with a subsystem that imports values, in part and as a whole, and a reference."""
    inner = System({"e": {"v": {"x": 1, "y": [1, 2]}, "w": {"k": 1, "l": 2}, "r": {"port": 0}, "own": {"n": 7}}})
    imports = {"e.v": {"x": 2, "y": [3, 4]}, "e.w.k": 3, "e.r": ref("o.http")}
    return System({"o": {"http": {"port": 80}}, "app": {"b": subsystem(inner, imports)}})


@pytest.mark.parametrize(
    ("id", "value"),
    [
        ("app.b.e.v", {"x": 2, "y": [3, 4]}),
        ("app.b.e.v.x", 2),
        ('app.b."e"."v".y.1', 4),
        ("app.b.e.w", {"k": 3, "l": 2}),
        ("app.b.e.w.k", 3),
        ("app.b.e.w.l", 2),
        ("app.b.e.own.n", 7),
    ],
)
def test_system_gives_what_a_subsystem_imports(importing: System, id: str, value: Any) -> None:
    """A system that is asked for a place inside of a subsystem gives what is there when it runs."""
    assert importing[id] == value
    with importing.started() as live:
        assert live[id] == value


def test_system_gives_imported_references_as_references(importing: System) -> None:
    """Where a reference is imported, what is in it is a longer reference."""
    assert importing["app.b.e.r"] == ref("o.http")
    assert importing["app.b.e.r.port"] == ref("o.http.port")
    with importing.started() as live:
        assert live["app.b.e.r.port"] == 80


@pytest.mark.parametrize("id", ["app.b.e.v.z", "app.b.e.w.z", "app.b.e.x", "app.b.x.y"])
def test_system_says_what_a_subsystem_has_not(importing: System, id: str) -> None:
    """An import adds nothing that is not there."""
    with pytest.raises(UnknownComponent):
        importing[id]


def test_system_reaches_into_secrets() -> None:
    """A part of a secret is a secret; and of the names in one only those are said that were nearly known."""
    system = System({"f": {"x": Secret({"hunter2": {"n": 1}}), "list": [Secret("a")]}})
    assert system["f.x.hunter2"] == Secret({"n": 1})
    assert system["f.x.hunter2.n"] == Secret(1)
    assert system["f.list.0"] == Secret("a")
    with pytest.raises(UnknownComponent, match=r"there is a secret, which has no zzz") as caught:
        system["f.x.zzz"]
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UnknownComponent, match="Did you mean hunter2"):
        system["f.x.hunter"]


def test_systems_compare_types_at_every_depth() -> None:
    """A key inside of a key is compared with its type, as a value is."""
    assert System({"a": {"b": {(1, "x"): 2}}}) == System({"a": {"b": {(1, "x"): 2}}})
    assert System({"a": {"b": {(1,): 2}}}) != System({"a": {"b": {(True,): 2}}})
    assert System({"a": {"b": {((1,),)}}}) != System({"a": {"b": {((1.0,),)}}})
    assert System({"a": {"b": {frozenset({0})}}}) != System({"a": {"b": {frozenset({False})}}})
    assert System({"a": {"b": {frozenset({0, 1})}}}) == System({"a": {"b": {frozenset({1, 0})}}})


class Equal:
    """Says that it is equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_definitions_leave_comparison_with_others_to_these() -> None:
    """A component, a subsystem and a component that looks like one: only what is of one kind can be equal."""
    inner = subsystem(System({}))
    looks_like_it = Component("subsystem", config={})
    assert inner != looks_like_it
    assert looks_like_it != inner
    assert inner == Equal()
    assert Component(dict) == Equal()
    assert inner == subsystem(System({}))


@pytest.mark.parametrize("config", [3, "text", [("a", 1)]])
def test_replacing_a_config_by_what_is_none(config: Any) -> None:
    """As where it is given first, the error says what was given."""
    with pytest.raises(BadArguments, match="not a mapping"):
        Component(dict).replace(config=config)


def test_part_knows_its_components_by_every_spelling() -> None:
    """By text, by id, and by the ids that it gives itself, at any depth."""
    deepest = System({"d": {"p": Component(dict, status=lambda it: "fine", tags=["t"])}})
    system = System(
        {
            "app": {
                "b": subsystem(System({"g": {"inner": subsystem(deepest)}, "c": {"all": tagged("t", optional=True)}}))
            }
        }
    )
    with system.started() as live:
        part = live["app.b"]
        (id,) = part.status()
        assert part[id] == part["g.inner.d.p"] == part["g.inner"][Id("d", "p")] == {}
        assert part.state(id) == State.RUNNING
        assert part.meta(id) == part.meta("g.inner.d.p") == {}
