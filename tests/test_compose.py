"""Putting systems together: override, merge, select, and components that are switched off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from mainspring import (
    BadArguments,
    BadComponent,
    BadId,
    BadOverride,
    Component,
    DefinitionError,
    Id,
    MergeConflict,
    ReferenceToOff,
    Secret,
    Signal,
    System,
    UnknownComponent,
    UnknownReference,
    build,
    component,
    local_ref,
    ref,
    required,
)


class Point(NamedTuple):
    """A named tuple."""

    x: Any
    y: Any


def make(**config: Any) -> Any:
    """Give the config as the instance."""
    return config


def given(**config: Any) -> Any:
    """A component whose instance is the config it was started with."""
    return Component(make, config=config)


@component
def pool(dsn: Any, *, max_size: Any = 10) -> Iterator[Any]:
    """A pool."""
    yield [dsn, max_size]


def some_system() -> System:
    """A system with something of everything."""
    handlers: Any = {"reload": repr}
    pre: Any = {"start": {"one": print, "two": repr}}
    return System(
        {
            "env": {
                "port": 80,
                "dsn": "d",
                "http": {"port": 8080, "hosts": ["a", "b"], "point": Point(1, [2]), 404: "number"},
                "login": Secret({"user": "me", "password": "p"}),
                "settings": build(dict, port=1, hosts=["a"]),
            },
            "db": {"pool": pool(dsn=ref("env.dsn")), "spare": pool(dsn="s", max_size=3)},
            "web": {
                "server": Component(
                    make, print, config={"port": ref("env.port"), "more": {"deep": [1, {"k": (2, 3)}]}},
                    doc="old", status=str, handlers=handlers, pre=pre,
                ),
                "app": given(
                    pool=ref("db.pool"), built=build(dict, a=1, b=build(list, (1,))), point=Point(1, 2), one=Secret({"k": 1})
                ),
            },
        },
        signals=[Signal("reload")],
        name="some",
    )  # fmt: skip


# --- override -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["web.server", "db.pool"])
@pytest.mark.parametrize("value", ["new", None])
def test_override_of_a_description(id: str, value: str | None) -> None:
    """The description of a component is exchanged by its slot, and is text."""
    assert some_system().override({f"{id}.doc": value})[id].doc == value
    with pytest.raises(DefinitionError, match="its doc is an int, not text"):
        some_system().override({f"{id}.doc": 0})


@pytest.mark.parametrize(
    ("path", "looked_at"),
    [
        ("env.port", lambda system: system["env.port"]),
        ("env.http", lambda system: system["env.http"]),
        ("env.http.port", lambda system: system["env.http"]["port"]),
        ("env.http.hosts", lambda system: system["env.http"]["hosts"]),
        ("env.http.hosts.1", lambda system: system["env.http"]["hosts"][1]),
        ("env.http.point.x", lambda system: system["env.http"]["point"].x),
        ("env.http.point.1", lambda system: system["env.http"]["point"].y),
        ("env.http.point.y.0", lambda system: system["env.http"]["point"].y[0]),
        ("env.http.404", lambda system: system["env.http"][404]),
        ("env.login.password", lambda system: system["env.login"].reveal()["password"]),
        ("env.settings.port", lambda system: system["env.settings"].kwargs["port"]),
        ("env.settings.hosts.0", lambda system: system["env.settings"].kwargs["hosts"][0]),
        ("db.pool.config.dsn", lambda system: system["db.pool"].config["dsn"]),
        ("db.pool.config.max_size", lambda system: system["db.pool"].config["max_size"]),
        ("db.spare.config.max_size", lambda system: system["db.spare"].config["max_size"]),
        ("web.server.config.more", lambda system: system["web.server"].config["more"]),
        ("web.server.config.more.deep.0", lambda system: system["web.server"].config["more"]["deep"][0]),
        ("web.server.config.more.deep.1.k.1", lambda system: system["web.server"].config["more"]["deep"][1]["k"][1]),
        ("web.app.config.built.a", lambda system: system["web.app"].config["built"].kwargs["a"]),
        ("web.app.config.built.b.0", lambda system: system["web.app"].config["built"].kwargs["b"].args[0]),
        ("web.app.config.built.b.0.0", lambda system: system["web.app"].config["built"].kwargs["b"].args[0][0]),
        ("web.app.config.point.y", lambda system: system["web.app"].config["point"].y),
        ("web.app.config.one.k", lambda system: system["web.app"].config["one"].reveal()["k"]),
        ("web.app.config.added", lambda system: system["web.app"].config["added"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["new", None, 0])
def test_override_at_any_depth(path: str, looked_at: Callable[[System], Any], value: Any) -> None:
    """An override exchanges what its path names, at any depth, and nothing else."""
    system = some_system()
    changed = system.override({path: value})
    assert looked_at(changed) == value
    assert type(looked_at(changed)) is type(value)
    group, name, *_ = path.split(".")
    assert [id for id in system if changed[id] != system[id]] == [Id(group, name)]


@pytest.mark.parametrize(
    ("path", "looked_at"),
    [
        ("web.server.start", lambda system: system["web.server"].start),
        ("web.server.stop", lambda system: system["web.server"].stop),
        ("web.app.stop", lambda system: system["web.app"].stop),
        ("web.server.status", lambda system: system["web.server"].handlers["status"]),
        ("web.server.handlers.status", lambda system: system["web.server"].handlers["status"]),
        ("web.server.handlers.reload", lambda system: system["web.server"].handlers["reload"]),
        ("web.server.pre.start.two", lambda system: system["web.server"].pre["start"]["two"]),
        ("web.server.resolve", lambda system: system["web.server"].resolve),
        ("db.pool.scope", lambda system: system["db.pool"].scope),
    ],
)
def test_override_of_a_handler(path: str, looked_at: Callable[[System], Any]) -> None:
    """An override exchanges one handler and leaves the rest of the component as it was."""

    def handler(*args: Any, **kwargs: Any) -> Any: ...

    system = some_system()
    changed = system.override({path: handler})
    assert looked_at(changed) is handler
    id = path.rsplit(".", 1)[0] if path.count(".") == 2 else ".".join(path.split(".")[:2])
    assert changed[id].config == system[id].config
    assert changed[id].doc == system[id].doc


def test_override_of_all_pre_handlers_of_a_signal() -> None:
    """An override may exchange all pre handlers of one signal at once."""
    changed = some_system().override({"web.server.pre.start": {"only": repr}})
    assert changed["web.server"].pre == {"start": {"only": repr}}


def test_override_of_a_component_by_a_component() -> None:
    """An override exchanges a whole component."""
    fake = given(fake=True)
    system = some_system().override({"db.pool": fake})
    assert system["db.pool"] is fake
    with system.started("web.app") as live:
        assert live["web.app"]["pool"] == {"fake": True}


def test_override_of_a_component_by_a_value() -> None:
    """An override may put a plain value in the place of a component."""
    fake = object()
    with some_system().override({"db.pool": fake}).started("web.app") as live:
        assert live["web.app"]["pool"] is fake


def test_override_of_a_constant_by_a_component() -> None:
    """An override may put a component in the place of a constant."""
    system = some_system().override({"env.dsn": Component(lambda: "made")})
    with system.started("db.pool") as live:
        assert live["db.pool"] == ["made", 10]


def test_override_of_a_group_names_parts_of_it() -> None:
    """A group's name with a mapping exchanges several parts of the group, and leaves the others."""
    changed = some_system().override({"env": {"port": 1, "dsn": "e"}})
    assert (changed["env.port"], changed["env.dsn"]) == (1, "e")
    assert changed["env.http"] == some_system()["env.http"]


def test_override_of_a_whole_config() -> None:
    """`component.config` exchanges the whole config."""
    assert some_system().override({"db.pool.config": {"dsn": "x"}})["db.pool"].config == {"dsn": "x"}


def test_override_of_an_argument_that_has_a_default() -> None:
    """An argument that was left to its default can be overridden."""
    with some_system().override({"db.pool.config.max_size": 99}).started("db.pool") as live:
        assert live["db.pool"] == ["d", 99]


def test_override_of_enabled() -> None:
    """An override may switch a component off."""
    changed = some_system().override({"web.app.enabled": False})
    assert [str(step.id) for step in changed.plan()] == ["db.pool", "db.spare", "web.server"]


def test_override_with_a_reference() -> None:
    """An override may bring a reference, which counts like any other."""
    changed = some_system().override({"db.spare.config.dsn": [ref("db.pool")], "env.port": local_ref("http.port")})
    assert changed.graph().dependencies("db.spare") == (Id("db", "pool"),)
    with changed.started(["db.spare", "env"]) as live:
        assert live["db.spare"] == [[["d", 10]], 3]
        assert live["env.port"] == 8080


def test_override_by_the_parts_of_a_path() -> None:
    """The path of an override may be an `Id`, or spelled out."""
    system = some_system()
    assert system.override({Id("env", "port"): 1})["env.port"] == 1
    assert system.override({("env", "http", "hosts", 0): 1})["env.http"]["hosts"] == [1, "b"]


def test_overrides_of_one_call_see_each_other() -> None:
    """Of overrides of one call the more exact see what the less exact did."""
    changed = some_system().override({"env.http.a.b": 2, "env.http": {"a": {"b": 1}}})
    assert changed["env.http"] == {"a": {"b": 2}}


def test_override_keeps_name_and_signals() -> None:
    """A changed system has the name and the signals of the first."""
    changed = some_system().override({"env.port": 1})
    assert changed.name == "some"
    assert "reload" in changed.signals


def test_override_keeps_the_place() -> None:
    """What is exchanged keeps its place among its equals."""
    assert list(some_system().override({"db.pool": 1})) == list(some_system())


def test_override_with_nothing() -> None:
    """No overrides change nothing."""
    system = some_system()
    assert system.override({}) == system


def test_override_value_is_copied_in() -> None:
    """A container in an override is copied in."""
    hosts = ["x"]
    changed = some_system().override({"env.http.hosts": hosts, "web.app.config.pool": hosts})
    hosts.append("y")
    assert changed["env.http.hosts"] == ["x"]
    assert changed["web.app"].config["pool"] == ["x"]


def test_override_whose_value_cannot_stand_there() -> None:
    """A definition inside a config is an error in an override too."""
    with pytest.raises(DefinitionError) as caught:
        some_system().override({"web.app.config.pool": given(), "env.http.port": pool})
    assert len(caught.value.problems) == 2


def test_override_by_a_handler_that_cannot_be_called() -> None:
    """A handler that cannot be called is an error in an override too."""
    with pytest.raises(BadComponent):
        some_system().override({"web.server.stop": 3})


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("evn.port", ["evn", "Did you mean env.port?"]),
        ("zzz.port", ["zzz", "env", "db", "web"]),
        ("env.prot", ["env.prot", "Did you mean env.port?"]),
        ("db.pol", ["db.pol", "Did you mean db.pool?"]),
        ("env.http.prot", ["env.http", "prot", "Did you mean env.http.port"]),
        ("env.http.hosts.2", ["env.http.hosts", "2"]),
        ("env.http.hosts.x", ["env.http.hosts", "x"]),
        ("env.port.x", ["env.port", "int"]),
        ("env.http.point.z", ["env.http.point", "z"]),
        ("env.login.pasword", ["env.login", "password"]),
        ("env.settings.prot", ["env.settings", "prot", "port"]),
        ("db.pool.config.max_siez", ["max_siez", "Did you mean db.pool.config.max_size?"]),
        ("db.pool.config.dsn.x", ["db.pool.config.dsn", "ref('env.dsn')"]),
        ("db.pool.confg", ["confg", "Did you mean db.pool.config?"]),
        ("db.pool.start", ["scope", "Override db.pool.scope"]),
        ("db.pool.stop", ["scope", "Override db.pool.scope"]),
        ("web.server.scope", ["scope", "Override web.server.start"]),
        ("web.server.suspend", ["suspend"]),
        ("web.server.handlers.relaod", ["relaod", "Did you mean web.server.handlers.reload?"]),
        ("db.pool.status", ["status"]),
        ("web.server.pre.start.tow", ["web.server.pre.start", "tow", "two"]),
        ("web.server.pre.stop.one", ["web.server.pre", "stop"]),
        ("web.server.start.x", ["start", "no parts"]),
        ("web.server.config.more.deeep", ["web.server.config.more", "Did you mean web.server.config.more.deep?"]),
        ("web.app.config.built.c", ["web.app.config.built", "c"]),
        ("web.app.config.added.deep", ["web.app.config", "added"]),
    ],
)
def test_override_of_nothing(path: str, parts: list[str]) -> None:
    """A path that names nothing is an error that says how far it leads and what is near."""
    with pytest.raises(BadOverride) as caught:
        some_system().override({path: print})
    [problem] = caught.value.problems
    assert path in str(problem)
    for part in parts:
        assert part in str(problem)
    assert problem.details["path"] == path


@pytest.mark.parametrize("path", ["", "a..b", ".", 3, None, (), ("env", "")])
def test_override_path_of_the_wrong_form(path: Any) -> None:
    """A path that cannot be read is an error."""
    with pytest.raises(BadId):
        some_system().override({path: 1})


@pytest.mark.parametrize("path", ["env", "db.pool.config"])
def test_override_that_has_to_be_a_mapping(path: str) -> None:
    """Several parts of a group, and a whole config, are given as a mapping."""
    with pytest.raises(BadOverride, match="mapping"):
        some_system().override({path: 3})


def test_override_of_a_group_that_does_not_exist() -> None:
    """A group that does not exist is an error for each of its parts, whatever they are."""
    with pytest.raises(BadOverride) as caught:
        some_system().override({"evn": {"port": 1, "dsn": 2}})
    assert [problem.details["path"] for problem in caught.value.problems] == ["evn.port", "evn.dsn"]


def test_empty_override_of_a_group_that_does_not_exist() -> None:
    """A group that does not exist is an error also where nothing in it is named."""
    with pytest.raises(BadOverride):
        some_system().override({"evn": {}})


def test_name_in_a_group_override_is_not_a_path() -> None:
    """Names in the mapping of a group stand for themselves and are not read as paths."""
    with pytest.raises(DefinitionError):
        some_system().override({"env": {"http.port": 1}})
    with pytest.raises(DefinitionError):
        some_system().override({"env": {3: 1}})


def test_all_bad_overrides_are_said_at_once() -> None:
    """One error names every bad path, in the order given."""
    with pytest.raises(BadOverride) as caught:
        some_system().override({"a.b": 1, "env.port": 2, "env.x": 3, "db.pool.x": 4, "env.http.x": 5})
    assert [problem.details["path"] for problem in caught.value.problems] == ["a.b", "env.x", "db.pool.x", "env.http.x"]
    assert "4 problems" in str(caught.value)


def test_bad_override_says_its_candidates_as_data() -> None:
    """The near misses are there as data too."""
    with pytest.raises(BadOverride) as caught:
        some_system().override({"db.pol": 1})
    assert caught.value.problems[0].details["candidates"] == ["db.pool"]


def test_stop_override_counts_at_the_next_start_only() -> None:
    """Stop always uses the definition with which the component was started."""
    log: list[str] = []
    system = System({"a": {"b": Component(dict, lambda it: log.append("old"))}})
    live = system.start()
    system.override({"a.b.stop": lambda it: log.append("new")})
    live.stop()
    assert log == ["old"]


# --- merge --------------------------------------------------------------------------------------------------------------


def test_merge_of_different_parts() -> None:
    """Two systems become one: groups side by side, and one group's parts together, the left's first."""
    left = System({"a": {"x": 1}, "b": {"y": 2}})
    right = System({"c": {"z": 3}, "a": {"w": 4}})
    assert left.merge(right) == System({"a": {"x": 1, "w": 4}, "b": {"y": 2}, "c": {"z": 3}})


def test_merge_of_equal_parts() -> None:
    """Where both define an id alike there is no conflict."""
    assert System({"a": {"x": [1]}}).merge(System({"a": {"x": [1], "y": 2}})) == System({"a": {"x": [1], "y": 2}})


def test_merge_conflict_names_every_id_and_both_sides() -> None:
    """Where both define an id differently and no winner is stated, the error shows both sides with file and line, for all."""
    line = sys._getframe().f_lineno + 1
    left = System({"a": {"x": Component(make, config={"left": 1}), "same": 1}, "env": {"y": 1}})
    right = System({"a": {"x": Component(make, config={"right": 1}), "same": 1}, "env": {"y": True}})
    with pytest.raises(MergeConflict) as caught:
        left.merge(right)
    assert [str(problem.id) for problem in caught.value.problems] == ["a.x", "env.y"]
    text = str(caught.value)
    for part in ("left=1", f"{__file__}:{line}", "right=1", f"{__file__}:{line + 1}", "winner"):
        assert part in text


@pytest.mark.parametrize(("winner", "x", "name"), [("left", 1, "l"), ("right", 2, "r")])
def test_merge_with_a_winner(winner: Any, x: int, name: str) -> None:
    """With a winner stated, that side's definitions count, its name and its deadlines too."""
    left = System({"a": {"x": 1, "l": 1}}, name="l", deadlines=1)
    right = System({"a": {"x": 2, "r": 2}}, name="r", deadlines=2)
    merged = left.merge(right, winner=winner)
    assert merged == System({"a": {"x": x, "l": 1, "r": 2}}, name=name, deadlines=x)


def test_merge_with_a_winner_that_is_none() -> None:
    """A winner that is neither side is an error."""
    with pytest.raises(ValueError):
        System({}).merge(System({}), winner="both")  # type: ignore[arg-type]


def test_merge_brings_signals_together() -> None:
    """The rows of both signal tables are in the merged table."""
    merged = System({}, signals=[Signal("one")]).merge(System({}, signals=[Signal("two")]))
    assert {"start", "one", "two"} <= merged.signals.keys()


def test_merge_conflict_of_signals() -> None:
    """Two rows of one name that are not equal are a conflict, unless a winner is stated."""
    left = System({}, signals=[Signal("one")])
    right = System({}, signals=[Signal("one", "dependents first")])
    with pytest.raises(MergeConflict, match="one"):
        left.merge(right)
    assert left.merge(right, winner="right").signals["one"].direction == "dependents first"
    assert left.merge(right, winner="left").signals["one"].direction == "dependencies first"


def test_merge_of_equal_signals() -> None:
    """Two rows that are equal are no conflict."""
    System({}, signals=[Signal("one")]).merge(System({}, signals=[Signal("one")]))


def test_merged_systems_refer_to_each_other() -> None:
    """References lead across after a merge."""
    system = System({"a": {"x": given(y=ref("b.y"))}}).merge(System({"b": {"y": 2}}))
    with system.started() as live:
        assert live["a.x"] == {"y": 2}


# --- select -------------------------------------------------------------------------------------------------------------


def test_select_keeps_what_is_needed() -> None:
    """A selection is the components named and everything they need, as a system of its own."""
    chosen = some_system().select("web.app")
    assert [str(id) for id in chosen] == ["env.dsn", "db.pool", "web.app"]
    assert chosen.check() == []


@pytest.mark.parametrize(
    ("select", "ids"),
    [
        ("db", ["env.dsn", "db.pool", "db.spare"]),
        (["db.spare", "env.port"], ["env.port", "db.spare"]),
        (Id("db", "spare"), ["db.spare"]),
        ([Id("db", "spare")], ["db.spare"]),
        ([], []),
        ((), []),
    ],
)
def test_select_takes_ids_and_groups(select: Any, ids: list[str]) -> None:
    """A selection is an id, a group, several of them, or nothing."""
    assert [str(id) for id in some_system().select(select)] == ids


def test_select_everything() -> None:
    """No selection is the whole system."""
    system = some_system()
    assert system.select(None) == system


def test_select_of_an_unknown_name() -> None:
    """Names that are not there are an error with near misses, all at once."""
    with pytest.raises(UnknownComponent) as caught:
        some_system().select(["db.pol", "web.app", "wbe"])
    assert "db.pool" in str(caught.value)
    assert "wbe" in str(caught.value)


def test_select_keeps_what_switches_a_component() -> None:
    """The constant that switches a selected component is part of the selection."""
    system = System({"env": {"on": True, "x": 1}, "a": {"b": Component(make, enabled=ref("env.on"))}})
    chosen = system.select("a.b")
    assert [str(id) for id in chosen] == ["env.on", "a.b"]
    assert chosen.check() == []


def test_select_does_not_switch_anything_on() -> None:
    """What is off stays off in a selection, or is not part of it."""
    system = System({
        "env": {"on": False, "port": 80},
        "a": {"off": Component(make, enabled=ref("env.on")), "b": given(port=ref("env.port"))},
    })  # fmt: skip
    chosen = system.select("a.b")
    assert chosen.check() == []
    assert [str(step.id) for step in chosen.plan()] == ["a.b"]


def test_select_with_an_optional_reference_to_what_is_off() -> None:
    """An optional reference from a selected component to one that is off stays right."""
    system = System({
        "env": {"on": False},
        "a": {"off": Component(make, enabled=ref("env.on")), "b": given(off=ref("a.off", optional=True))},
    })  # fmt: skip
    with system.select("a.b").started() as live:
        assert live["a.b"] == {"off": None}


# --- enabled ------------------------------------------------------------------------------------------------------------


def test_component_that_is_off_does_not_start() -> None:
    """A component with `enabled=False` is not started, and is no part of any plan."""
    started: list[str] = []
    system = System({
        "a": {"on": Component(lambda: started.append("on")), "off": Component(lambda: started.append("off"), enabled=False)}
    })  # fmt: skip
    with system.started() as live:
        assert live.state("a.off") == "defined"
        assert dict(live["a"]) == {"on": None}
    assert started == ["on"]


@pytest.mark.parametrize("flag", [True, False])
def test_component_is_switched_by_a_constant(flag: bool) -> None:
    """A component can be switched by a reference to a constant, also a local one and one deep inside."""
    system = System({
        "env": {"flags": {"x": flag}, "y": flag},
        "a": {
            "flag": flag,
            "x": Component(make, enabled=ref("env.flags.x")),
            "y": Component(make, enabled=ref("env.y")),
            "z": Component(make, enabled=local_ref("flag")),
        },
    })  # fmt: skip
    assert system.check() == []
    assert [step.id.name for step in system.plan()] == (["x", "y", "z"] if flag else [])


def test_decorator_takes_enabled() -> None:
    """A component function can be made switchable."""

    @component(enabled=ref("env.on"))
    def number(x: int) -> int:
        return x

    system = System({"env": {"on": False}, "a": {"b": number(x=1)}})
    assert len(system.plan()) == 0
    assert len(system.override({"env.on": True}).plan()) == 1


@pytest.mark.parametrize("value", ["yes", 1, None, 0])
def test_switch_that_is_no_bool(value: Any) -> None:
    """A constant that switches a component has to be `True` or `False`."""
    [problem] = System({"env": {"on": value}, "a": {"b": Component(make, enabled=ref("env.on"))}}).check()
    assert problem.error is BadComponent
    assert (str(problem.id), problem.path) == ("a.b", ("enabled",))


def test_switch_that_is_a_component() -> None:
    """A component cannot switch another, because what is on has to be known before anything starts."""
    system = System({"env": {"on": Component(lambda: True)}, "a": {"b": Component(make, enabled=ref("env.on"))}})
    assert [problem.error for problem in system.check()] == [BadComponent]


@pytest.mark.parametrize("config", [{}, {"x": ref("env.port")}, {"x": [1]}], ids=["empty", "reference", "nested"])
@pytest.mark.parametrize("path", ["env.no", "no.thing", "env.port.x"])
def test_switch_that_does_not_exist(path: str, config: dict[str, Any]) -> None:
    """A switch that refers to nothing is a problem, whatever the config of the component is."""
    system = System({"env": {"port": 80}, "a": {"b": Component(make, config=config, enabled=ref(path))}})
    assert [(problem.error, problem.path) for problem in system.check()] == [(UnknownReference, ("enabled",))]


def test_group_reference_leaves_out_what_is_off() -> None:
    """A reference to a group leaves out what is switched off."""
    system = System({
        "parts": {"x": given(), "y": Component(make, enabled=False), "z": 3},
        "a": {"b": given(parts=ref("parts"))},
    })  # fmt: skip
    with system.started() as live:
        assert live["a.b"] == {"parts": {"x": {}, "z": 3}}


def test_constant_that_refers_to_what_is_off() -> None:
    """A constant with a reference to what is off has the same problem as a component."""
    system = System({"env": {"x": [ref("a.b")]}, "a": {"b": Component(make, enabled=False)}})
    [problem] = system.check()
    assert (problem.error, str(problem.id)) == (ReferenceToOff, "env.x")


def test_what_is_off_may_be_incomplete() -> None:
    """A component that is off is not checked for what only its start needs."""
    system = System({"a": {"b": Component(make, config={"x": required, "y": ref("no.thing")}, enabled=False)}})
    assert system.check() == []
    with system.started():
        pass


def test_off_says_why() -> None:
    """The error about a reference to what is off says what switched it off."""
    system = System({
        "env": {"on": False},
        "a": {"b": Component(make, enabled=ref("env.on")), "c": given(b=ref("a.b"))},
    })  # fmt: skip
    [problem] = system.check()
    assert "env.on is False" in problem.what


@pytest.mark.parametrize("request_", ["start", "stop", "suspend", "resume", "restart", "status"])
def test_selection_of_what_is_off(request_: str) -> None:
    """Selecting a component that is off is an error that says so."""
    system = System({"a": {"b": Component(make, enabled=False), "c": 1}})
    with system.started() as live, pytest.raises(UnknownComponent, match="switched off"):
        getattr(live, request_)("a.b")


# --- What a system is made of -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "error"),
    [
        ([], BadId),
        ({"": {}}, BadId),
        ({3: {}}, BadId),
        ({"a": 1}, BadId),
        ({"a": given()}, BadId),
        ({"a": {"": 1}}, BadId),
        ({"a": {3: 1}}, BadId),
        ({"a": {"b": pool}}, BadComponent),
        ({"a": {"b": {"c": given()}}}, BadArguments),
    ],
    ids=repr,
)
def test_groups_that_are_none(groups: Any, error: type[DefinitionError]) -> None:
    """What cannot be a group, a name or a part is an error at once."""
    with pytest.raises(error):
        System(groups)


def test_everything_wrong_with_groups_is_said_at_once() -> None:
    """One error names everything that cannot stand where it does."""
    groups: Any = {"a": {"b": pool, "": 1, "c": 1}, "d": 3, "e": {"f": [given()]}}
    with pytest.raises(DefinitionError) as caught:
        System(groups)
    assert [problem.error for problem in caught.value.problems] == [BadComponent, BadId, BadId, BadArguments]
