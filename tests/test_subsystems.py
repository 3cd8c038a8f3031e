"""Subsystems: a whole system as one component of another."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given as given_data
from hypothesis import strategies as st

from mainspring import (
    AmbiguousReference,
    BadArguments,
    BadComponent,
    BadOverride,
    Component,
    Context,
    DefinitionError,
    HandlerCall,
    Id,
    InstanceCache,
    MergeConflict,
    NotStarted,
    Part,
    Plugin,
    Problem,
    Secret,
    Signal,
    Site,
    StartError,
    State,
    StateError,
    StopError,
    System,
    UnknownComponent,
    UnknownSignal,
    WrongType,
    adjust,
    build,
    component,
    local_ref,
    one_tagged,
    ref,
    required,
    subsystem,
    tagged,
)

RUNNING, STOPPED, DEFINED, SUSPENDED = State.RUNNING, State.STOPPED, State.DEFINED, State.SUSPENDED


class Log(list[str]):
    """What was called, in order."""

    def part(self, name: str, needs: Any = None, **slots: Any) -> Component[str]:
        """A component that writes down every signal it gets, and whose instance is its name."""

        def note(what: str) -> Any:
            return lambda _: self.append(f"{what} {name}")

        def scope(needs: Any) -> Iterator[str]:
            self.append(f"start {name}")
            yield name
            self.append(f"stop {name}")

        made: Component[str] = Component(
            scope=scope, config={"needs": needs}, status=lambda one: f"{one} is well",
            suspend=note("suspend"), resume=note("resume"), **slots,
        )  # fmt: skip
        return made

    def breaks(self, name: str, needs: Any = None, **slots: Any) -> Component[Any]:
        """A component whose start fails."""

        def start(needs: Any) -> None:
            self.append(f"start {name}")
            raise ConnectionError(f"no {name}")

        return Component(start, config={"needs": needs}, **slots)

    def take(self) -> list[str]:
        """What was written since the last time."""
        taken = list(self)
        self.clear()
        return taken


@component
def given(what: Any) -> Any:
    """A component that is what it is given."""
    return what


CHILD = System(
    {
        "env": {"dsn": required, "http": {"port": 80, "hosts": ["a", "b"]}},
        "db": {"pool": given(ref("env.dsn"))},
        "web": {"server": given([ref("db.pool"), ref("env.http.port")])},
    },
    name="child",
)


def whole(imports: dict[str, Any], more: dict[str, dict[str, Any]] | None = None, child: System = CHILD) -> System:
    """A system with a child at `app.it`, and something beside it."""
    return System(
        {"env": {"dsn": "postgres://", "port": 8080}, "app": {"it": subsystem(child, imports)}, **(more or {})}
    )


def values(system: System, *ids: str) -> list[Any]:
    """What some ids are while the system runs."""
    with system.started() as live:
        return [live[id] for id in ids]


def only_problem(system: System) -> Problem:
    """The one problem of a system."""
    (problem,) = system.check()
    return problem


def ids(several: Any) -> list[str]:
    """Ids as text."""
    return [str(one if isinstance(one, Id) else one.id) for one in several]


# --- Imports by name --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("imports", "dsn"),
    [
        ({"env.dsn": "sqlite://"}, "sqlite://"),
        ({"env.dsn": None}, None),
        ({"env.dsn": ref("env.dsn")}, "postgres://"),
        ({"env.dsn": ref("db.pool")}, "the pool"),
        ({"env.dsn": ref("db.pool", optional=True)}, "the pool"),
        ({"env.dsn": ref("db.settings.dsn.1")}, "y"),
        ({"env.dsn": ref("env")}, {"dsn": "postgres://", "port": 8080}),
        ({"env.dsn": local_ref("own")}, "of the group app"),
        ({"env.dsn": tagged("store")}, {Id("db", "pool"): "the pool"}),
        ({"env.dsn": one_tagged("store")}, "the pool"),
        ({"env.dsn": one_tagged("places", 1)}, "y"),
        ({"env.dsn": {"urls": [ref("env.dsn"), "x"], "port": ref("env.port")}}, {"urls": ["postgres://", "x"], "port": 8080}),
        ({"env.dsn": build("{}:{}".format, ref("env.dsn"), ref("env.port"))}, "postgres://:8080"),
        ({"env.dsn": Secret("hunter2")}, "hunter2"),
        ({"env": {"dsn": ref("env.dsn")}}, "postgres://"),
    ],
    ids=repr,
)  # fmt: skip
def test_an_import_is_a_value_or_a_reference_of_the_outer_system(imports: dict[str, Any], dsn: Any) -> None:
    """References of any kind, at any depth, are read where the subsystem stands, not where they arrive."""
    pool = given("the pool").replace(tags=["store"])
    system = System({
        "env": {"dsn": "postgres://", "port": 8080},
        "db": {"pool": pool, "settings": {"dsn": ["x", "y"]}, "places": given(["x", "y"]).replace(tags=["places"])},
        "app": {"own": "of the group app", "it": subsystem(CHILD, imports)},
    })  # fmt: skip
    assert values(system, "app.it.db.pool", "app.it.web.server") == [dsn, [dsn, 80]]


@pytest.mark.parametrize(
    ("imports", "id", "value"),
    [
        ({"env.http.port": 8081}, "app.it.web.server", ["x", 8081]),
        ({"env.http.hosts.1": ref("env.port")}, "app.it.env.http", {"port": 80, "hosts": ["a", 8080]}),
        ({"env.http": ref("settings.http")}, "app.it.web.server", ["x", 1]),
        ({"db.pool.config.what": ref("env.port")}, "app.it.db.pool", 8080),
        ({"db.pool": ref("other.pool")}, "app.it.web.server", ["other", 80]),
    ],
    ids=repr,
)
def test_an_import_names_any_path_that_an_override_could(imports: dict[str, Any], id: str, value: Any) -> None:
    """A place inside a constant, an argument of a component, or a component, which becomes an alias."""
    more: dict[str, dict[str, Any]] = {
        "settings": {"http": {"port": 1, "hosts": []}},
        "other": {"pool": given("other")},
    }
    assert values(whole({"env.dsn": "x", **imports}, more), id) == [value]


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("sub.in.e.v", ref("o.v"), "outer"),
        ("sub.in.e.v", local_ref("own"), "own"),
        ("sub.in.e.v", {"list": [ref("o.v")]}, {"list": ["outer"]}),
        ("sub.in.e.v", one_tagged("t"), "tagged"),
        ("sub.in.e.v", tagged("t"), {Id("o", "t"): "tagged"}),
        ("sub.in.a.x.config.what", ref("o.v"), "outer"),
        ("sub.in.a.x", ref("o.v"), "outer"),
        ("sub.in.imports", {"e.v": ref("o.v")}, "outer"),
        ("sub", {"in": {"e": {"v": ref("o.v")}}}, "outer"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_an_import_may_go_through_several_subsystems(levels: int, path: str, value: Any, found: Any) -> None:
    """Its references are read where it is written, and not where the systems on the way have the same names."""

    def groups(v: str) -> dict[str, dict[str, Any]]:
        return {"o": {"v": v, "t": given(v if v != "outer" else "tagged").replace(tags=["t"])}}

    inner = System({"e": {"v": "inner"}, "a": {"x": given(ref("e.v"))}})
    system, way = System({**groups("mid"), "sub": {"in": subsystem(inner, {"e.v": "before"})}}), ""
    for n in range(levels - 1):
        system, way = System({**groups(f"level {n}"), "sub": {"deeper": subsystem(system)}}), f"sub.deeper.{way}"
    whole = System({**groups("outer"), "app": {"own": "own", "it": subsystem(system, {f"{way}{path}": value})}})
    assert values(whole, f"app.it.{way}sub.in.a.x") == [found]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("env.dns", "env.dsn"),
        ("evn.dsn", "env.dsn"),
        ("db.poool", "db.pool"),
        ("db.pool.config.wat", "db.pool.config.what"),
        ("env.http.prt", "env.http.port"),
    ],
)
def test_an_import_of_nothing_is_an_error_where_it_is_written(path: str, near: str) -> None:
    """At once, with near misses and the line, before there is a system around it."""
    with pytest.raises(BadOverride) as caught:
        subsystem(CHILD, {"env.dsn": "x", path: 1})
    (problem,) = caught.value.problems
    assert path in problem.what
    assert near in problem.hint
    assert problem.site is not None
    assert problem.site.file == __file__


def test_all_imports_of_nothing_are_told_at_once() -> None:
    """One error with every path that names nothing."""
    with pytest.raises(DefinitionError) as caught:
        subsystem(CHILD, {"env.dns": 1, "db.poool": 2})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("arguments", "slots", "kind"),
    [
        (({"env": {}},), {}, BadComponent),
        ((CHILD, [3]), {}, DefinitionError),
        ((CHILD, {"db.pool": given(1)}), {}, BadArguments),
        ((CHILD, {3: 3}), {}, DefinitionError),
        ((CHILD,), {"start": 3}, BadComponent),
        ((CHILD,), {"deadlines": 3}, BadComponent),
        ((CHILD,), {"thread": "own"}, BadComponent),
        ((CHILD,), {"dok": "text"}, BadComponent),
        ((CHILD,), {"enabled": 3}, BadComponent),
    ],
    ids=repr,
)
def test_what_cannot_be_a_subsystem(arguments: Any, slots: Any, kind: Any) -> None:
    """Something else than a system, a component as an import, a slot that a subsystem does not have."""
    make: Any = subsystem
    with pytest.raises(kind) as caught:
        make(*arguments, **slots)
    assert all(problem.site is not None for problem in caught.value.problems)


@pytest.mark.parametrize("make", [lambda: System({"app": {"it": CHILD}}), lambda: given(CHILD)])
def test_a_system_that_was_not_made_a_subsystem(make: Any) -> None:
    """In a group or in an argument it is a mistake, and the error says what to write."""
    with pytest.raises(DefinitionError, match=r"subsystem\("):
        make()


def test_what_is_required_and_not_imported_is_told_with_who_needs_it() -> None:
    """The problem has the whole id and names the component that needs the value, not the subsystem."""
    problem = only_problem(whole({}))
    assert str(problem.id) == "app.it.env.dsn"
    assert "app.it.db.pool needs it, in config.what" in problem.what
    assert "parts" not in problem.what
    assert 'override({"app.it.env.dsn": ...})' in problem.hint


def test_required_at_the_outer_end_of_an_import() -> None:
    """What is handed on is asked for where it has to be given."""
    problem = only_problem(whole({"env.dsn": ref("need.dsn")}, {"need": {"dsn": required}}))
    assert str(problem.id) == "need.dsn"
    assert "app.it.env.dsn" in problem.what
    assert "app.it.db.pool needs it" in problem.what


def test_an_import_of_what_is_not_there() -> None:
    """A reference of an import is checked as any other, and its near misses are those of the outer system."""
    problem = only_problem(whole({"env.dsn": ref("env.dns")}))
    assert (str(problem.id), problem.error.__name__) == ("app.it.env.dsn", "UnknownReference")
    assert problem.hint == "Did you mean env.dsn?"


def test_a_wrong_import_has_the_place_of_the_subsystem() -> None:
    """What is wrong with an import is told with the file and line where the subsystem was written."""
    child = System({"env": {"dsn": required}, "db": {"pool": given(ref("env.dsn"))}})
    line = sys._getframe().f_lineno + 1
    part = subsystem(child, {"env.dsn": ref("beside.pol")})
    problem = only_problem(System({"app": {"it": part}, "beside": {"pool": given(1)}}))
    assert problem.site == Site(__file__, line)
    assert "Did you mean beside.pool?" in problem.hint


def test_a_reference_inside_that_is_not_optional_needs_what_is_on() -> None:
    """Inside a subsystem, too, only an optional reference may be to something that is off."""
    child = System({"a": {"off": given(1).replace(enabled=False), "user": given(ref("a.off"))}})
    problem = only_problem(System({"app": {"it": subsystem(child)}}))
    assert str(problem.id) == "app.it.a.user"
    optional = child.override({"a.user.config.what": ref("a.off", optional=True)})
    assert values(System({"app": {"it": subsystem(optional)}}), "app.it.a.user") == [None]


def test_an_import_of_what_is_off() -> None:
    """It is an error unless the reference is optional; then it is `None`."""
    off = {"db": {"pool": given(1).replace(enabled=False)}}
    assert only_problem(whole({"env.dsn": ref("db.pool")}, off)).error.__name__ == "ReferenceToOff"
    assert values(whole({"env.dsn": ref("db.pool", optional=True)}, off), "app.it.db.pool") == [None]


def test_an_import_that_several_could_be() -> None:
    """`one_tagged` looks among the components of the outer system, and names those that carry the tag."""
    two = {"db": {"a": given(1).replace(tags=["store"]), "b": given(2).replace(tags=["store"])}}
    problem = only_problem(whole({"env.dsn": one_tagged("store")}, two))
    assert problem.error is AmbiguousReference
    assert "db.a, db.b" in problem.what


def test_what_is_imported_replaces_what_stood_there() -> None:
    """The default of the inner system, and whatever that referred to."""
    child = System({"env": {"host": ref("env.name"), "name": "a"}, "web": {"server": given(ref("env.host"))}})
    imported = System({"env": {"host": "b"}, "app": {"it": subsystem(child, {"env.host": ref("env.host")})}})
    assert values(imported, "app.it.web.server") == ["b"]
    assert imported.graph().dependencies("app.it.env.host") == (Id("env", "host"),)


def test_a_secret_import_is_never_shown() -> None:
    """In a repr, a description, a graph, a diff, or the text of an error."""
    system = whole({"env.dsn": Secret("hunter2")})
    broken = whole({"env.dsn": Secret("hunter2"), "db.pool.config.what": ref("env.nothing")})
    with system.started() as live:
        shown = [system, system["app.it"], system.describe(), live.describe(), live, live["app.it"], system.graph()]
    shown += [whole({"env.dsn": "x"}).diff(system), broken.check(), system.describe().as_dict()]
    assert "hunter2" not in " ".join([*map(repr, shown), *map(str, shown)])


def nested_and_by_path() -> tuple[System, System]:
    """Two systems that say the same: imports as a nested mapping, and by path."""
    nested = whole({"env": {"dsn": ref("env.dsn"), "http": {"port": 8081}}})
    return nested, whole({"env.dsn": ref("env.dsn"), "env.http.port": 8081})


def test_nested_imports_are_their_paths() -> None:
    """Imports in a nested mapping are the same as by path: equal, started alike, without a difference."""
    nested, by_path = nested_and_by_path()
    assert nested == by_path
    assert str(nested.diff(by_path)) == "no difference"
    assert values(nested, "app.it.web.server", "app.it.env.http") == [
        ["postgres://", 8081],
        {"port": 8081, "hosts": ["a", "b"]},
    ]


def test_an_override_in_a_subsystem_leaves_the_other_imports() -> None:
    """An override at the place of one import exchanges that one only, however the imports were written."""
    for system in nested_and_by_path():
        changed = system.override({"app.it.env.dsn": "mine"})
        assert changed.check() == []
        assert values(changed, "app.it.web.server") == [["mine", 8081]]
        changed = changed.override({"app.it.imports.env.http.port": 1})
        assert values(changed, "app.it.web.server") == [["mine", 1]]


def test_an_import_of_a_dict_is_one_value_where_nothing_is_to_reach_into() -> None:
    """A mapping that is imported where no mapping stands is a value like any other."""
    child = System({"env": {"dsn": required}, "db": {"pool": given(ref("env.dsn"))}})
    system = System({"app": {"it": subsystem(child, {"env": {"dsn": {"host": "h"}}})}})
    assert values(system, "app.it.db.pool") == [{"host": "h"}]


def test_a_description_shows_what_was_imported() -> None:
    """A subsystem is called one in a description, with its imports as they were written and no word of how it is built."""
    entry = nested_and_by_path()[0].describe()["app.it"]
    assert entry.kind == "subsystem"
    assert entry.config == {"env.dsn": ref("env.dsn"), "env.http.port": 8081}
    text = str(entry)
    assert text.startswith("app.it  (subsystem)\n")
    assert "imports     env.dsn=ref('env.dsn'), env.http.port=8081" in text
    assert "parts=" not in text


def test_an_imported_secret_is_masked_in_a_description() -> None:
    """Imports are shown with secrets masked."""
    description = whole({"env.dsn": Secret("hunter2")}).describe()
    assert "hunter2" not in str(description) + str(description["app.it"]) + json.dumps(description.as_dict())


def test_what_stands_at_an_imported_place_is_the_import() -> None:
    """A system that is asked for a place that is imported gives what is imported, at any level, not what stood there before."""
    system = whole({"env.dsn": ref("env.dsn"), "env.http.port": 8081})
    assert (system["app.it.env.dsn"], system["app.it.env.http.port"]) == (ref("env.dsn"), 8081)
    assert system["app.it.env.http.hosts"] == ["a", "b"]
    outer = System({"top": {"two": subsystem(system)}})
    assert outer["top.two.app.it.env.dsn"] == ref("env.dsn")


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("path", ["env.dsn", "env.http.port", "env.http"])
def test_a_function_of_an_imported_place_is_refused(path: str, level: int) -> None:
    """A function of the old value cannot be given where an import stands, or around it, since it would drop the import."""
    system = whole({"env.dsn": ref("env.dsn"), "env.http.port": 8081})
    before = "app.it"
    if level == 2:
        system, before = System({"top": {"two": subsystem(system)}}), "top.two.app.it"
    with pytest.raises(BadOverride, match=r"what stands there is imported") as caught:
        system.override({f"{before}.{path}": adjust(lambda old: old)})
    assert f"Adjust the import, {before}.imports.env." in str(caught.value)


def test_a_function_of_an_import() -> None:
    """A function of the old value gets the import where it is written; one that gives it back changes nothing."""
    system = whole({"env.dsn": ref("env.dsn"), "env.http.port": 8081})
    assert system.override({"app.it.imports.env.dsn": adjust(lambda old: old)}) == system
    changed = system.override({("app", "it", "imports", "env.http.port"): adjust(lambda port: port + 1)})
    assert values(changed, "app.it.web.server") == [["postgres://", 8082]]


# --- References inside stay inside ------------------------------------------------------------------------------------


def test_a_reference_inside_means_what_is_inside() -> None:
    """Even where the outer system has the same names; of any kind and at any depth."""
    child = System({
        "env": {"on": True, "x": "inner", "parts": ["first"]},
        "db": {
            "pool": given(ref("env.x")).replace(tags=["store"], enabled=ref("env.on")),
            "again": given(local_ref("pool")),
        },
        "web": {
            "group": given(ref("env")), "nested": given({"a": [ref("db.pool")]}), "built": given(build(list, ref("env.x"))),
            "tagged": given(tagged("store")), "one": given(one_tagged("store")), "part": given(ref("env.parts.0")),
            "optional": given(ref("db.pool", optional=True)), "secret": given(Secret([ref("env.x")])),
        },
    })  # fmt: skip
    outer: dict[str, dict[str, Any]] = {
        "env": {"on": False, "x": "outer"},
        "db": {"pool": given("outer").replace(tags=["store"])},
    }
    with System({**outer, "app": {"it": subsystem(child)}}).started() as live:
        assert live["app.it.db"] == {"pool": "inner", "again": "inner"}
        assert live["app.it.web"] == {
            "group": {"on": True, "x": "inner", "parts": ["first"]}, "nested": {"a": ["inner"]}, "built": list("inner"),
            "tagged": {Id("app.it.db", "pool"): "inner"}, "one": "inner", "part": "first", "optional": "inner",
            "secret": ["inner"],
        }  # fmt: skip


def test_tags_do_not_cross_the_border() -> None:
    """`tagged` sees neither in nor out; the subsystem itself has tags of the outer system."""
    child = System({"a": {"x": given(1).replace(tags=["t"]), "all": given(tagged("t"))}})
    system = System({
        "o": {"y": given(2).replace(tags=["t"]), "it": subsystem(child, tags=["t"]), "all": given(tagged("t"))},
    })  # fmt: skip
    with system.started() as live:
        assert live["o.it.a.all"] == {Id("o.it.a", "x"): 1}
        assert list(live["o.all"]) == [Id("o", "y"), Id("o", "it")]
        assert isinstance(live["o.all"][Id("o", "it")], Part)


def test_a_tag_that_is_carried_on_the_other_side_is_told() -> None:
    """Where nothing carries a tag on this side of the border, the error names what carries it on the other."""
    child = System({"db": {"pool": given(1).replace(tags=["ledger"]), "other": given(2).replace(tags=["ledger"])}})
    system = System({"app": {"it": subsystem(child)}, "beside": {"user": given(one_tagged("ledger"))}})
    problem = only_problem(system)
    assert "refers to the tag ledger, and no component carries it" in problem.what
    assert "app.it.db.pool and app.it.db.other carry it, in another system: refer to it by its id." in problem.hint


# --- Deep references from outside -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (ref("app.it.db.pool"), "x"),
        (ref("app", "it", "db", "pool"), "x"),
        (local_ref("it.db.pool"), "x"),
        (local_ref("it.web.server.1"), 80),
        (local_ref("it.db"), {"pool": "x"}),
        (ref("app.it.web.server.1"), 80),
        (ref("app.it.env.http.hosts.0"), "a"),
        (ref("app.it.db"), {"pool": "x"}),
        (ref("app.it.db.pool", optional=True), "x"),
        ({"deep": [ref("app.it.db.pool")]}, {"deep": ["x"]}),
    ],
    ids=repr,
)
def test_a_reference_reaches_in(reference: Any, value: Any) -> None:
    """To a component, into its instance, into a constant, or to a whole inner group."""
    system = System({"app": {"it": subsystem(CHILD, {"env.dsn": "x"}), "user": given(reference)}})
    assert values(system, "app.user") == [value]


def test_a_reference_to_the_subsystem_is_its_live_system() -> None:
    """Whoever needs the whole comes after all of its parts, and gets a handle on them."""
    system = whole({"env.dsn": "x"}, {"z": {"all": given(ref("app.it")), "group": given(ref("app"))}})
    with system.started() as live:
        assert live["z.all"]["web.server"] == ["x", 80]
        assert list(live["z.group"]) == ["it"]
        assert live["z.group"]["it"] is live["z.all"] is live["app.it"]
    steps = ids(system.plan())
    assert steps.index("z.all") > steps.index("app.it") > steps.index("app.it.web.server")


def test_who_needs_a_part_waits_for_that_part_only() -> None:
    """A deep reference is no reference to the whole."""
    graph = whole({"env.dsn": "x"}, {"z": {"user": given(ref("app.it.db.pool"))}}).graph()
    assert ids(graph.dependencies("z.user")) == ["app.it.db.pool"]
    assert "z.user" in ids(graph.dependents("app.it.db.pool"))


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("app.it.db.pol", "app.it.db.pool"),
        ("app.it.bd.pool", "app.it.db.pool"),
        ("app.ti.db.pool", "app.it"),
        ("app.it.dbb", "app.it.db"),
        ("app.it.env.http.prt", "port"),
    ],
)
def test_a_reference_to_nothing_inside_is_found_by_the_check(path: str, near: str) -> None:
    """With the whole path, and near misses that can be written as they are shown."""
    system = whole({"env.dsn": "x"}, {"z": {"user": given(ref(path))}})
    problem = only_problem(system)
    assert f"refers to {path}" in problem.what or f"the group {path}" in problem.what
    assert near in f"{problem.what} {problem.hint}"
    assert '"' not in f"{problem.what} {problem.hint}"


@pytest.mark.parametrize("path", ["beside.alias.db.pool", "beside.alias.env.http.port", "beside.second.db.pool"])
def test_a_reference_through_an_alias_of_a_subsystem_is_found_by_the_check(path: str) -> None:
    """The inside of a subsystem is not reached through an alias, which the check says, with the path that does."""
    aliases = {"alias": ref("app.it"), "second": ref("beside.alias")}
    system = whole({"env.dsn": 1}, {"beside": {**aliases, "user": given(ref(path))}})
    problem = only_problem(system)
    assert (str(problem.id), problem.path) == ("beside.user", ("config", "what"))
    assert "through an alias of the subsystem app.it" in problem.what
    assert problem.hint == f"Refer to {path.replace('beside.alias', 'app.it').replace('beside.second', 'app.it')}."
    with pytest.raises(DefinitionError):
        system.start()


def test_an_alias_of_a_part_of_a_subsystem() -> None:
    """A part of a subsystem can have an alias, and so can the subsystem as a whole."""
    aliases = {"alias": ref("app.it.db.pool"), "part": ref("app.it")}
    system = whole({"env.dsn": 1}, {"beside": {**aliases, "user": given([ref("beside.alias"), ref("beside.part")])}})
    with system.started() as live:
        assert live["beside.user"][0] == 1
        assert live["beside.user"][1] is live["app.it"]


def test_a_live_system_is_asked_by_path() -> None:
    """Components, what is in their instances, groups and the subsystem; in text, as an id, or in parts."""
    with whole({"env.dsn": "x"}).started() as live:
        assert live["app.it.db.pool"] == live["app", "it", "db", "pool"] == live[Id("app.it.db", "pool")] == "x"  # type: ignore[index]
        assert live["app.it.web.server.1"] == live["app.it.env.http.port"] == 80
        assert live["app.it.db"] == {"pool": "x"}
        assert live.get("app.it.db.pool", str) == "x"
        assert live.state("app.it.db.pool") is live.state("app.it") is RUNNING
        for path, near in [("app.it.db.pol", "pool"), ("app.it.bd", "app.it.db"), ("app.it.web.server.x", "0, 1")]:
            with pytest.raises(UnknownComponent, match=f"There is no {path}.*{near}"):
                live[path]


# --- Several, and several levels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "imports", [{"env.dsn": "x"}, {"env": {"dsn": ref("env.dsn")}}, {"env.dsn": "x", "web": {"server": 1}}], ids=repr
)
def test_a_selected_part_keeps_the_imports_of_what_is_left(imports: dict[str, Any]) -> None:
    """What is gone is not imported any more, and what was only imported there is not needed any more."""
    part = whole(imports).select("app.it.db")
    assert part.check() == []
    assert [id for id in ids(part.graph().ids) if "web" in id] == []
    assert values(part, "app.it.db.pool") in (["x"], ["postgres://"])


def test_one_system_as_several_subsystems() -> None:
    """Each is its own: with its imports, its instances and its state."""
    system = System({
        "app": {"a": subsystem(CHILD, {"env.dsn": "a"}), "b": subsystem(CHILD, {"env.dsn": ref("app.a.web.server")})},
    })  # fmt: skip
    with system.started() as live:
        assert live["app.a.db.pool"] == "a"
        assert live["app.b.db.pool"] == ["a", 80]
        live["app.b"].stop()
        assert (live.state("app.a.db.pool"), live.state("app.b.db.pool")) == (RUNNING, STOPPED)
        assert live.state("app.a") is RUNNING


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


def three_levels(log: Log, **slots: Any) -> System:
    """A system within a system within a system; what the innermost imports comes from the outermost."""
    inner = System(
        {
            "env": {"up": required},
            "db": {"pool": log.part("pool", ref("env.up"))},
            "web": {"a": log.part("a", ref("db.pool"), tags=["t"]), "b": log.part("b", local_ref("a"))},
        },
        name="inner",
    )
    mid = System(
        {
            "in": {"up": required},
            "sub": {"in": subsystem(inner, {"env.up": ref("in.up")})},
            "top": {"m": log.part("m", ref("sub.in.web.a"))},
        },
        name="mid",
    )
    return System({
        "base": {"d": log.part("d")},
        "app": {"mid": subsystem(mid, {"in.up": ref("base.d")}, **slots)},
        "z": {"q": log.part("q", ref("app.mid.sub.in.db.pool"))},
    })  # fmt: skip


def test_three_levels_start_and_stop_as_one(log: Log) -> None:
    """Imports are handed through, deep references go all the way, and all is in one order."""
    with three_levels(log).started() as live:
        assert log.take() == ["start d", "start pool", "start a", "start b", "start m", "start q"]
        assert live["app.mid.sub.in.env.up"] == live["app.mid.in.up"] == "d"
        assert live["app.mid.sub.in.web"] == {"a": "a", "b": "b"}
    assert log.take() == ["stop q", "stop m", "stop b", "stop a", "stop pool", "stop d"]


def test_the_graph_shows_three_levels(log: Log) -> None:
    """Every part under its whole id, in every form."""
    system = three_levels(log)
    parts = [
        "base.d", "app.mid", "app.mid.in.up", "app.mid.sub.in", "app.mid.sub.in.env.up", "app.mid.sub.in.db.pool",
        "app.mid.sub.in.web.a", "app.mid.sub.in.web.b", "app.mid.top.m", "z.q",
    ]  # fmt: skip
    graph = system.graph()
    assert [node["id"] for node in json.loads(json.dumps(graph.as_dict()))["nodes"]] == parts
    assert list(system.describe().as_dict()) == parts
    assert [line.split()[0] for line in str(graph).splitlines()] == parts
    assert ids(graph.dependencies("app.mid.top.m")) == ["app.mid.sub.in.web.a"]
    assert set(ids(graph.dependents("app.mid.sub.in.db.pool"))) == {
        "app.mid.sub.in",
        "app.mid.sub.in.web.a",
        "z.q",
    }
    assert ids(graph.dependencies("app.mid")) == ["app.mid.in.up", "app.mid.sub.in", "app.mid.top.m"]
    for drawn in (graph.mermaid(), graph.dot()):
        assert "app.mid.sub.in.web" in drawn


def test_selections_reach_three_levels_down(log: Log) -> None:
    """By id, group, pattern and tag; and what has to go along does, across the borders."""
    system = three_levels(log)
    a_and_above = ["app.mid", "app.mid.top.m", "app.mid.sub.in", "app.mid.sub.in.web.b", "app.mid.sub.in.web.a"]
    for select in ("app.mid.sub.in.web.a", "app.mid.sub.in.web", "**.web.a", "app.mid.*.in.web.?", "tag:t"):
        assert sorted(ids(system.plan("stop", select))) == sorted(a_and_above)
    for select in ("app.mid.sub.in", "app.mid", "app", "app.*"):
        steps = ids(system.plan("stop", select))
        assert sorted(steps) == sorted([*a_and_above, "z.q", "app.mid.sub.in.db.pool"])
    assert ids(system.plan("start", "app.mid.sub.in.web.a")) == [
        "base.d",
        "app.mid.sub.in.db.pool",
        "app.mid.sub.in.web.a",
    ]
    with pytest.raises(UnknownComponent, match=r"There is no app\.mid\.sub\.in\.web\.c\. .*a, b"):
        system.plan("stop", "app.mid.sub.in.web.c")
    with pytest.raises(UnknownComponent, match=r"There is no app\.mid\.sub\.on.*\bin\b"):
        system.plan("stop", "app.mid.sub.on.web.a")


def test_a_part_is_started_stopped_and_restarted_by_path(log: Log) -> None:
    """A stop takes along what needs it, also outside; a restart starts that again."""
    live = three_levels(log).start("app.mid.sub.in.web.a")
    assert log.take() == ["start d", "start pool", "start a"]
    assert live.state("app.mid.sub.in") is live.state("app.mid") is DEFINED
    live.start()
    assert log.take() == ["start b", "start m", "start q"]
    live.restart("app.mid.sub.in.db.pool")
    down, up = (
        ["stop q", "stop m", "stop b", "stop a", "stop pool"],
        ["start pool", "start a", "start b", "start m", "start q"],
    )
    assert log.take() == [*down, *up]
    live.stop("app.mid.sub.in.web.b")
    assert log.take() == ["stop b"]
    assert live.state("app.mid.sub.in") is live.state("app.mid") is STOPPED
    live.stop()


def test_part_of_a_system_with_subsystems(log: Log) -> None:
    """`select` keeps of a subsystem what is selected and what that needs."""
    part = three_levels(log).select("app.mid.sub.in.web.a")
    assert {
        "base.d",
        "app.mid.in.up",
        "app.mid.sub.in.env.up",
        "app.mid.sub.in.db.pool",
        "app.mid.sub.in.web.a",
    } <= set(ids(part.graph().ids))
    assert "app.mid.sub.in.web.b" not in ids(part.graph().ids)
    with part.started() as live:
        assert live["app.mid.sub.in.web.a"] == "a"


# --- Signals ----------------------------------------------------------------------------------------------------------


def test_a_signal_goes_to_the_parts(log: Log) -> None:
    """Each gets it once, in the order of the whole; the status of all is by whole id."""
    with three_levels(log).started() as live:
        status = live.status()
        assert {str(id): said for id, said in status.items()} == {
            "base.d": "d is well", "app.mid.sub.in.db.pool": "pool is well", "app.mid.sub.in.web.a": "a is well",
            "app.mid.sub.in.web.b": "b is well", "app.mid.top.m": "m is well", "z.q": "q is well",
        }  # fmt: skip
        assert status[Id("app.mid.sub.in.web", "a")] == "a is well"
        log.clear()
        live.suspend("app.mid")
        assert log.take() == ["suspend q", "suspend m", "suspend b", "suspend a", "suspend pool"]
        assert live.state("app.mid.sub.in.web.a") is SUSPENDED
        live.resume()
        assert log.take() == ["resume pool", "resume a", "resume b", "resume m", "resume q"]


def flushing(log: list[str], **options: Any) -> System:
    """A system with a signal of its own."""
    flush = Component(lambda: "buffer", handlers={"flush": log.append})
    return System({"a": {"buffer": flush}}, signals=[Signal("flush", **options)])


def test_a_signal_of_the_childs_table_is_one_of_the_whole(log: Log) -> None:
    """Rows are taken over, and outer components may have handlers for them."""
    outer = System(
        {"app": {"it": subsystem(flushing(log))}, "z": {"z": Component(lambda: "z", handlers={"flush": log.append})}}
    )
    assert ids(outer.plan("flush")) == ["app.it.a.buffer", "z.z"]
    with outer.started() as live:
        live.signal("flush")
        assert log.take() == ["buffer", "z"]
        live["app.it"].signal("flush")
        assert log.take() == ["buffer"]
        with pytest.raises(UnknownSignal, match="Did you mean flush"):
            live["app.it"].signal("flus")


def test_rows_of_one_name_have_to_be_equal(log: Log) -> None:
    """The same row twice is one; two different ones are an error that says where, also between two subsystems."""
    child, other = flushing(log), flushing(log, direction="dependents first")
    assert System({"app": {"it": subsystem(child)}}, signals=[Signal("flush")]).check() == []
    assert System({"app": {"a": subsystem(child), "b": subsystem(child)}}).check() == []
    for system in (
        System({"app": {"it": subsystem(child)}}, signals=[Signal("flush", "dependents first")]),
        System({"app": {"first": subsystem(child), "it": subsystem(other)}}),
    ):
        problem = only_problem(system)
        assert str(problem.id) == "app.it"
        assert "flush" in problem.what
        assert problem.site is not None
        deeper = only_problem(System({"top": {"sub": subsystem(system)}}))
        assert str(deeper.id) == "top.sub.app.it"


# --- The handle -------------------------------------------------------------------------------------------------------


def test_the_instance_of_a_subsystem_is_a_part(log: Log) -> None:
    """It looks up, tells states and gives instances by the ids of the subsystem, down to the parts of parts."""
    with three_levels(log).started() as live:
        mid, inner = live["app.mid"], live["app.mid.sub.in"]
        assert isinstance(mid, Part)
        assert mid.whole is live
        assert (inner.definition.name, inner.definition["web.b"].tags) == ("inner", frozenset())
        assert mid["sub.in.web.a"] == inner["web.a"] == mid["sub.in"]["web.a"] == "a"
        assert inner["web"] == {"a": "a", "b": "b"}
        assert inner[Id("web", "a")] == "a"
        assert mid.state("sub.in") is mid.state("sub.in.web.a") is inner.state("web.a") is RUNNING
        assert inner.get("web.a", str) == "a"
        assert repr(inner).startswith("<Part app.mid.sub.in of <Live")
        with pytest.raises(WrongType, match=r"^app\.mid\.sub\.in\.web\.a is a str, not an int"):
            inner.get("web.a", int)
        for ask in (inner.__getitem__, inner.state):
            with pytest.raises(UnknownComponent, match=r"app\.mid\.sub\.in\.web\.c.*a, b"):
                ask("web.c")


def test_the_verbs_of_a_part_are_about_the_part(log: Log) -> None:
    """Its whole, or a selection in its own terms; with what elsewhere has to go along."""
    with three_levels(log).started() as live:
        inner: Part = live["app.mid.sub.in"]
        log.clear()
        assert inner.status() == {
            Id("db", "pool"): "pool is well",
            Id("web", "a"): "a is well",
            Id("web", "b"): "b is well",
        }
        assert list(inner.status(["web", "-web.b"])) == [Id("web", "a")]
        assert list(inner.status("tag:t")) == [Id("web", "a")]
        assert ids(live["app.mid"].status()) == ["sub.in.db.pool", "sub.in.web.a", "sub.in.web.b", "top.m"]
        inner.suspend("web.*")
        inner.resume("web")
        assert log.take() == ["suspend m", "suspend b", "suspend a", "resume a", "resume b"]
        live.resume()
        assert log.take() == ["resume m"]
        inner.restart("web.b")
        assert log.take() == ["stop b", "start b"]
        inner.restart()
        assert log.take() == [
            "stop q", "stop m", "stop b", "stop a", "stop pool", "start pool", "start a", "start b", "start m", "start q",
        ]  # fmt: skip
        inner.stop()
        assert log.take() == ["stop q", "stop m", "stop b", "stop a", "stop pool"]
        inner.start("web.a")
        assert log.take() == ["start pool", "start a"]
        assert (inner.state("web.b"), live.state("app.mid.sub.in"), live.state("base.d")) == (STOPPED, STOPPED, RUNNING)
        inner.start()
        assert log.take() == ["start b"]
        assert (live.state("app.mid.sub.in"), live.state("app.mid.top.m")) == (RUNNING, STOPPED)
        inner.stop([])
        assert log.take() == []


def test_the_status_of_a_part_has_the_ids_of_the_part() -> None:
    """What a part says of its components is by their ids in it, or the texts of these, and without itself."""
    leaf = given(1).replace(status=lambda _: "well")
    inner = System({"q": {"leaf": leaf}})
    child = System({"db": {"pool": leaf, "inner": subsystem(inner).replace(status=lambda _: "inner")}})
    with System({"app": {"it": subsystem(child).replace(status=lambda _: "whole")}}).started() as live:
        status: Any = live["app.it"].status()
        assert {str(id): text for id, text in status.items()} == {
            "db.pool": "well", "db.inner": "inner", "db.inner.q.leaf": "well",
        }  # fmt: skip
        assert status["db.inner.q.leaf"] == "well"
        assert live.status()[Id("app", "it")] == "whole"
        assert live["app.it.db.inner"].status() == {Id("q", "leaf"): "well"}


def test_a_wrong_selection_of_a_part_is_told_in_its_terms(log: Log) -> None:
    """As it was written, with near misses from inside; nothing is done."""
    with three_levels(log).started() as live:
        log.clear()
        with pytest.raises(UnknownComponent, match=r"There is no web\.c\.") as caught:
            live["app.mid.sub.in"].stop(["web.c", "tag:u", "bd.*"])
        assert len(str(caught.value).splitlines()) == 3
        with pytest.raises(UnknownComponent):
            live["app.mid.sub.in"].stop("z.q")
        assert log == []


def test_a_part_outlives_a_stop(log: Log) -> None:
    """Whoever holds it can start the subsystem again; the instance itself is gone as that of any component."""
    live = three_levels(log).start()
    inner: Part = live["app.mid.sub.in"]
    live.stop()
    assert inner.state("web.a") is STOPPED
    with pytest.raises(NotStarted, match=r"app\.mid\.sub\.in has no instance"):
        live["app.mid.sub.in"]
    with pytest.raises(NotStarted, match=r"app\.mid\.sub\.in\.web\.a has no instance"):
        inner["web.a"]
    inner.start()
    assert inner["web.a"] == "a"
    assert isinstance(live["app.mid.sub.in"], Part)
    assert live.state("z.q") is STOPPED
    live.stop()


def test_a_handler_that_calls_verbs_of_its_part_is_told_so() -> None:
    """It would wait for itself, as with the live system."""
    system = whole(
        {"env.dsn": "x"}, {"z": {"user": Component(lambda part: part.stop(), config={"part": ref("app.it")})}}
    )
    with pytest.raises(StartError) as caught:
        system.start()
    assert isinstance(caught.value.exceptions[0], StateError)


def test_the_subsystem_has_handlers_of_its_own(log: Log) -> None:
    """They get the part, and are called before or after those of all parts, as the order of the signal is."""
    system = three_levels(
        log,
        doc="A middle.",
        status=lambda part: sorted(part["sub.in.web"]),
        pre={"stop": lambda part: log.append(f"pre stop {part['top.m']}")},
        post={"start": lambda part: log.append(f"post start {part['top.m']}")},
    )
    assert system["app.mid"].doc == "A middle."
    with system.started() as live:
        assert log.take() == ["start d", "start pool", "start a", "start b", "start m", "post start m", "start q"]
        assert live.status()[Id("app", "mid")] == ["a", "b"]
    assert log.take()[:2] == ["stop q", "pre stop m"]


def test_a_handler_of_the_subsystem_that_fails(log: Log) -> None:
    """After the start of all parts it fails the start of the subsystem, and all is taken back."""

    def refuse(part: Part) -> None:
        raise ValueError(f"{part['a.x']} is not good enough")

    system = System({"app": {"it": subsystem(System({"a": {"x": log.part("x")}}), post={"start": {"judge": refuse}})}})
    with pytest.raises(StartError, match=r"app\.it \(post start: judge\): ValueError: x is not good enough"):
        system.start()
    assert log.take() == ["start x", "stop x"]


def test_a_cached_part(log: Log) -> None:
    """Each instance of a subsystem has its own place in the cache, under the whole id."""
    child = System({"e": {"name": required}, "a": {"x": log.part("x", cached=True), "y": log.part("y", ref("a.x"))}})
    system = System({"app": {"one": subsystem(child, {"e.name": 1}), "two": subsystem(child, {"e.name": 2})}})
    with InstanceCache() as cache:
        for _ in range(3):
            with system.started(cache=cache) as live:
                assert live["app.one.a.y"] == "y"
        assert log.count("start x") == 2
        assert log.count("start y") == log.count("stop y") == 6
        assert "stop x" not in log
    assert log.count("stop x") == 2


def test_a_live_system_in_a_component_is_something_else(log: Log) -> None:
    """Whoever wants a system that is started by itself, makes a scope of it; nothing of it is known outside."""
    system = System({"app": {"it": Component(scope=System({"a": {"x": log.part("x")}}).started)}})
    assert ids(system.graph().ids) == ["app.it"]
    with system.started() as live:
        assert live["app.it"]["a.x"] == "x"
    assert log.take() == ["start x", "stop x"]


def test_context_has_whole_ids() -> None:
    """A handler inside is told the id that it has in the whole; so it is with `meta`, and with what observers are told."""
    seen: list[str] = []

    def start(ctx: Context = Context.here) -> str:
        seen.append(str(ctx.id))
        ctx.meta["a"] = 1
        return "x"

    system = System({"app": {"it": subsystem(System({"a": {"x": Component(start)}}))}})
    events: list[str] = []
    with system.started(observers=[lambda event: events.append(str(event.id))]) as live:
        assert live.meta("app.it.a.x") == {"a": 1}
    assert seen == ["app.it.a.x"]
    assert set(events) == {"app.it.a.x", "app.it"}


# --- Failures ---------------------------------------------------------------------------------------------------------


def test_a_failure_inside_is_told_with_the_whole_path(log: Log) -> None:
    """In the message, the notes and the failures; what was started is stopped in order, across the border."""
    inner = System({"a": {"x": log.part("x"), "y": log.breaks("y", ref("a.x"))}})
    mid = System({"sub": {"in": subsystem(inner)}})
    system = System({
        "base": {"d": log.part("d")}, "app": {"mid": subsystem(mid)}, "z": {"z": log.part("z", ref("app.mid"))},
    })  # fmt: skip
    with pytest.raises(StartError, match=r"app\.mid\.sub\.in\.a\.y \(start\): ConnectionError: no y") as caught:
        system.start()
    (failure,) = caught.value.failures
    assert failure.id == Id("app.mid.sub.in.a", "y")
    assert caught.value.exceptions[0].__notes__ == ["In the component app.mid.sub.in.a.y, handler start."]
    assert log.take() == ["start d", "start x", "start y", "stop x", "stop d"]
    live = caught.value.live
    assert live is not None
    assert (live.state("app.mid.sub.in.a.y"), live.state("app.mid")) == (State.FAILED, DEFINED)


def test_what_was_started_may_be_kept(log: Log) -> None:
    """`on_failure="keep"` leaves running what runs, inside and outside."""
    inner = System({"a": {"x": log.part("x"), "y": log.breaks("y", ref("a.x"))}})
    with pytest.raises(StartError) as caught:
        System({"base": {"d": log.part("d")}, "app": {"it": subsystem(inner)}}).start(on_failure="keep")
    live = caught.value.live
    assert live is not None
    assert (live.state("base.d"), live.state("app.it.a.x"), live["app.it.a.x"]) == (RUNNING, RUNNING, "x")
    live.stop()


def test_a_start_of_a_part_that_fails_stops_what_it_started_only(log: Log) -> None:
    """What ran before goes on."""
    inner = System({"a": {"x": log.part("x"), "y": log.breaks("y", ref("a.x"))}})
    live = System({"base": {"d": log.part("d")}, "app": {"it": subsystem(inner)}}).start("base")
    with pytest.raises(StartError):
        live.start("app.it")
    assert log.take() == ["start d", "start x", "start y", "stop x"]
    assert live.state("base.d") is RUNNING
    live.stop()


def test_a_stop_that_fails_inside_keeps_nothing_else_from_being_stopped(log: Log) -> None:
    """The error has the whole id, also when the part was asked."""

    def refuse(_: Any) -> None:
        raise OSError("cannot let go")

    inner = System({"a": {"x": log.part("x"), "y": Component(lambda needs: 1, refuse, config={"needs": ref("a.x")})}})
    live = System({"base": {"d": log.part("d")}, "app": {"it": subsystem(inner)}}).start()
    with pytest.raises(StopError) as caught:
        live["app.it"].stop()
    assert ids(caught.value.failures) == ["app.it.a.y"]
    assert log.take() == ["start d", "start x", "stop x"]
    live.stop()
    assert log.take() == ["stop d"]


def test_check_finds_everything_inside_at_once() -> None:
    """With whole ids, with the lines, together with what is wrong outside."""
    child = System({
        "env": {"need": required},
        "a": {"x": given(ref("env.none")), "y": Component(lambda a: a), "z": given(ref("env.need"))},
    })  # fmt: skip
    problems = System({"app": {"it": subsystem(child), "user": given(ref("app.it.a.none"))}}).check()
    assert {str(problem.id) for problem in problems} == {"app.user", "app.it.env.need", "app.it.a.x", "app.it.a.y"}
    assert all(problem.site is not None for problem in problems if problem.id != Id("app.it.env", "need"))


def test_problems_of_each_instance_are_told() -> None:
    """Of two with the same mistake, both; what one is given does not count for the other."""
    system = System({"app": {"a": subsystem(CHILD), "b": subsystem(CHILD, {"env.dsn": "x"}), "c": subsystem(CHILD)}})
    assert [str(problem.id) for problem in system.check()] == ["app.a.env.dsn", "app.c.env.dsn"]


@pytest.mark.parametrize("target", ["app.it.db.pool", "app.it"])
def test_a_circle_through_the_border_is_drawn(target: str) -> None:
    """With whole ids and every step of the way, the import among them."""
    system = whole({"env.dsn": ref("o.p")}, {"o": {"p": given(ref(target))}})
    problem = only_problem(system)
    assert problem.error.__name__ == "CycleError"
    assert set(problem.details["cycle"]) >= {"o.p", target, "app.it.env.dsn"}
    assert "app.it.env.dsn" in problem.what
    assert ", in ," not in problem.what


# --- Switched on and off ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enabled", [False, ref("f.on"), local_ref("on")], ids=repr)
def test_a_subsystem_may_be_off(enabled: Any, log: Log) -> None:
    """Nothing in it starts; what refers into it is told which flag, unless the reference is optional."""
    child = System({"a": {"x": log.part("x")}})
    groups: dict[str, dict[str, Any]] = {
        "f": {"on": False},
        "app": {"on": False, "it": subsystem(child, enabled=enabled)},
    }
    paths = ["app.it", "app.it.a", "app.it.a.x", "app.it.a.x.deeper"]
    optional = {path: given(ref(path, optional=True)) for path in paths}
    system = System({**groups, "z": optional})
    with system.started() as live:
        assert set(live["z"].values()) == {None}
        assert live.state("app.it") is DEFINED
        assert str(system.graph()).count("off: ") == 1
        for ask in (live.__getitem__, live.start):
            with pytest.raises(UnknownComponent, match=r"app\.it.* is switched off"):
                ask("app.it.a.x")
        assert ids(live.start("app.*")) == []
    assert log == []
    problems = System({**groups, "z": {path: given(ref(path)) for path in paths}}).check()
    assert {problem.error.__name__ for problem in problems} == {"ReferenceToOff"}
    assert len(problems) == 4
    assert all("is switched off: " in problem.what for problem in problems)


@pytest.mark.parametrize("enabled", [True, ref("f.on"), local_ref("on")], ids=repr)
def test_a_subsystem_that_is_switched_on(enabled: Any) -> None:
    """It is as one that cannot be switched; whatever it is switched by."""
    system = System({
        "f": {"on": True}, "app": {"on": True, "it": subsystem(CHILD, {"env.dsn": "x"}, enabled=enabled)},
    })  # fmt: skip
    assert values(system, "app.it.db.pool") == ["x"]


@pytest.mark.parametrize("flag", [True, False])
def test_a_part_is_switched_by_an_imported_flag(flag: bool) -> None:
    """The reason names the flag inside."""
    child = System({"f": {"on": required}, "a": {"x": given(1).replace(enabled=ref("f.on"))}})
    system = System({"f": {"on": flag}, "app": {"it": subsystem(child, {"f.on": ref("f.on")})}})
    assert ("app.it.f.on is False" in str(system.graph())) is not flag
    with system.started() as live:
        assert dict(live["app.it.a"]) == ({"x": 1} if flag else {})


@pytest.mark.parametrize("enabled", [ref("app.it.f.on"), local_ref("it.f.on")], ids=repr)
@pytest.mark.parametrize("flag", [True, False])
def test_a_flag_inside_switches_what_is_outside(enabled: Any, flag: bool) -> None:
    """A constant of a subsystem is one of the whole, also where it is imported."""
    child = System({"f": {"on": required}})
    user = given(1).replace(enabled=enabled)
    system = System({"f": {"on": flag}, "app": {"it": subsystem(child, {"f.on": ref("f.on")}), "user": user}})
    assert ("app.user" in ids(system.graph().ids)) is flag


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("default", [True, False, required], ids=repr)
@pytest.mark.parametrize("by", ["value", "reference", "override"])
def test_a_subsystem_of_a_subsystem_is_switched_by_an_imported_flag(flag: bool, default: Any, by: str) -> None:
    """What is imported counts, whatever the default was."""
    mid = System({
        "f": {"on": default},
        "sub": {"in": subsystem(System({"a": {"x": given(1)}}), enabled=ref("f.on"))},
    })  # fmt: skip
    imports = {"value": {"f.on": flag}, "reference": {"f.on": ref("o.flag")}, "override": {}}[by]
    system = System({"o": {"flag": flag}, "app": {"mid": subsystem(mid, imports)}})
    if by == "override":
        system = system.override({"app.mid.f.on": flag})
    with system.started() as live:
        if flag:
            assert live["app.mid.sub.in"]["a.x"] == live["app.mid.sub.in.a.x"] == 1
        else:
            assert "app.mid.sub.in.a.x" not in ids(system.graph().ids)
            assert live["app.mid.sub"] == {}


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("flag", [True, False])
def test_a_flag_in_one_subsystem_switches_another(flag: bool, is_first: bool) -> None:
    """Whichever of them is written first."""
    flags = {"flags": subsystem(System({"f": {"on": required}}), {"f.on": flag})}
    other = {"other": subsystem(System({"a": {"x": given(1)}}), enabled=ref("app.flags.f.on"))}
    system = System({"app": {**flags, **other} if is_first else {**other, **flags}})
    assert ("app.other.a.x" in ids(system.graph().ids)) is flag


def test_a_subsystem_cannot_be_switched_by_what_is_in_it() -> None:
    """It is an error of the check."""
    child = System({"f": {"on": True}})
    problems = System({"app": {"it": subsystem(child, enabled=ref("app.it.f.on"))}}).check()
    assert problems
    assert {str(problem.id) for problem in problems} == {"app.it"}


@pytest.mark.parametrize(
    "slots", [{"enabled": False}, {"enabled": ref("o.flag")}, {"imports": {"e.v": ref("o.flag")}}], ids=repr
)
def test_an_import_names_a_slot_of_what_is_inside(slots: dict[str, Any]) -> None:
    """Of a component, and of a subsystem."""
    mid = System({"sub": {"in": subsystem(System({"e": {"v": 1}})), "x": given(1)}})
    imports = {f"sub.in.{name}": value for name, value in slots.items()}
    system = System({"o": {"flag": False}, "app": {"mid": subsystem(mid, imports)}})
    with system.started() as live:
        if "enabled" in slots:
            assert set(live["app.mid.sub"]) == {"x"}
        else:
            assert live["app.mid.sub.in.e.v"] is False
    if "enabled" in slots:
        other = System({"o": {"flag": False}, "app": {"mid": subsystem(mid, {"sub.x.enabled": slots["enabled"]})}})
        assert values(other, "app.mid.sub.in.e.v") == [1]
        assert "app.mid.sub.x" not in ids(other.graph().ids)


# --- What is said for all: base, wrappers, plugins, deadlines, limits, threads ----------------------------------------


def test_the_base_of_the_outer_system_ends_at_the_border(log: Log) -> None:
    """A subsystem has its own, or none; not even the component that it is gets anything of the outer one."""
    child = System({"a": {"x": given(required)}})
    base = {"config": {"what": "outer"}, "tags": ["outer"], "post": {"start": {"say": log.append}}}
    outer = System({"app": {"it": subsystem(child), "own": given(required)}}, base=base)
    assert [str(problem.id) for problem in outer.check()] == ["app.it.a.x"]
    system = System(
        {"app": {"it": subsystem(child.with_base({"config": {"what": "inner"}})), "own": given(required)}}, base=base
    )
    assert values(system, "app.it.a.x", "app.own") == ["inner", "outer"]
    assert log == ["outer"]
    assert [str(id) for id, one in system.describe().as_dict().items() if "outer" in one["tags"]] == ["app.own"]


def test_a_wrapper_of_the_outer_system_reaches_in(log: Log) -> None:
    """Around every handler inside, with whole ids, outside of the wrappers that the child has; a selection may narrow it."""

    def outer(call: HandlerCall) -> Any:
        log.append(f"outer {call.signal} {call.id}")
        return (yield)

    def inner(call: HandlerCall) -> Any:
        log.append(f"inner {call.signal} {call.id}")
        return (yield)

    child = System({"a": {"x": given(1)}, "b": {"y": given(2)}}).wrap(inner, "a")
    system = System({"app": {"it": subsystem(child)}})
    with system.wrap(outer).started():
        assert log.take() == ["outer start app.it.a.x", "inner start app.it.a.x", "outer start app.it.b.y"]
    for select in ("app.it.b", "**.y", "app.it.b.y"):
        log.clear()
        with system.wrap(outer, select).started():
            assert log.take() == ["inner start app.it.a.x", "outer start app.it.b.y"]
    with system.wrap(outer, "app.it").started():
        assert "outer start app.it.b.y" in log.take()


def test_a_wrapper_is_around_the_handlers_of_the_subsystem_itself(log: Log) -> None:
    """Around those that it was given, and not around what makes the part."""

    def loud(call: HandlerCall) -> Any:
        log.append(f"{call.signal} {call.id}")
        return (yield)

    handlers: Any = {"status": lambda part: "fine", "post": {"start": {"look": lambda part: None}}}
    system = System({"app": {"it": subsystem(System({"a": {"x": given(1)}}), **handlers)}}).wrap(loud)
    with system.started() as live:
        live.status()
    assert log == ["start app.it.a.x", "start app.it", "status app.it"]


def test_a_plugin_is_about_the_system_that_has_it() -> None:
    """What one adds to the outer system is not added to the child, and the other way round."""
    plugin = Plugin("more", defaults={"a": {"y": 1}})
    child = System({"a": {"x": 1}})
    outer = System({"app": {"it": subsystem(child)}}, plugins=[plugin])
    assert ids(outer.graph().ids) == ["app.it.a.x", "app.it", "a.y"]
    inside = System({"app": {"it": subsystem(child.with_plugins(plugin))}})
    assert ids(inside.graph().ids) == ["app.it.a.x", "app.it.a.y", "app.it"]


def test_deadlines_of_the_child_hold_inside() -> None:
    """A component's own come first, then those of the system that it is in, then those of the outer one."""
    hangs, go = threading.Event(), Component(lambda: 1, lambda _: hangs.wait())
    child = System({"a": {"x": go, "own": go.replace(deadlines=60)}}, deadlines={"stop": 0.02})
    live = System({"app": {"it": subsystem(child)}}, deadlines=60).start()
    with pytest.raises(StopError) as caught:
        live.stop("app.it.a.x")
    assert ids(caught.value.failures) == ["app.it.a.x"]
    assert live.state("app.it.a.x") is State.ABANDONED
    hangs.set()
    live.stop()
    assert live.state("app.it.a.own") is STOPPED


def test_a_deadline_for_a_signal_that_there_is_not() -> None:
    """It is found as in a system of its own."""
    child = System({"a": {"x": given(1)}}, deadlines={"strat": 1})
    assert "strat" in only_problem(System({"app": {"it": subsystem(child)}})).what


def test_limits_of_the_child_are_checked() -> None:
    """By group of the child; the outer system may give others, by whole path."""
    child = System({"g": {"x": given(1)}}, limits={"g": 1, "*": 2})
    assert System({"app": {"it": subsystem(child)}}, limits={"app.it": 1, "app.it.g": 1, "*": 5}).check() == []
    bad = System({"app": {"it": subsystem(System({"g": {"x": given(1)}}, limits={"h": 1}))}})
    assert "app.it.h" in only_problem(bad).what
    mid = System(
        {"sub": {"in": subsystem(System({"g": {"x": given(1)}}))}}, limits={"sub.in.g": 1, "sub.in": 2, "sub": 3}
    )
    assert mid.check() == System({"app": {"mid": subsystem(mid)}}).check() == []


@pytest.mark.parametrize("outer", [0, 2])
def test_workers_of_the_child(outer: int) -> None:
    """A child with workers has its handlers called in workers of the whole; one without stays in the caller's thread."""
    here = Component(threading.current_thread)
    two = {"a": {"x": here, "own": here.replace(thread="caller")}}
    system = System(
        {"app": {"with": subsystem(System(two, workers=2)), "without": subsystem(System(two))}}, workers=outer
    )
    mine = threading.current_thread()
    found = values(system, "app.with.a.x", "app.with.a.own", "app.without.a.x")
    assert [thread is mine for thread in found] == [False, True, outer == 0]


# --- Changing what is inside ------------------------------------------------------------------------------------------


PAIR = System({
    "app": {
        "a": subsystem(CHILD, {"env.dsn": ref("env.dsn")}),
        "b": subsystem(CHILD, {"env.dsn": "b"}),
    },
    "env": {"dsn": "outer"},
})  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "id", "value"),
    [
        ({"app.a.env.http.port": 1}, "app.a.web.server", ["outer", 1]),
        ({"app.a.db.pool": given("fake")}, "app.a.web.server", ["fake", 80]),
        ({"app.a.db.pool.config.what": "other"}, "app.a.db.pool", "other"),
        ({"app.a.env.dsn": "given"}, "app.a.db.pool", "given"),
        ({"app.a.imports": {"env.dsn": "given"}}, "app.a.db.pool", "given"),
        ({"app": {"a": {"env": {"http": {"port": 2}}}}}, "app.a.env.http.port", 2),
        ({"app.a.db.pool": given(ref("env.http.port"))}, "app.a.db.pool", 80),
    ],
    ids=repr,
)
def test_an_override_reaches_in_by_path(changes: Any, id: str, value: Any) -> None:
    """It counts more than an import, is read in the terms of the child, and leaves other instances alone."""
    changed = PAIR.override(changes)
    assert values(changed, id, "app.b.web.server") == [value, ["b", 80]]
    assert changed != PAIR
    assert values(PAIR, "app.a.web.server") == [["outer", 80]]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("app.a.db.pol", "app.a.db.pool"),
        ("app.a.bd.pool", "app.a.db"),
        ("app.a.env.http.prt", "app.a.env.http.port"),
        ("app.a.db.pool.config.wat", "app.a.db.pool.config.what"),
    ],
)
def test_an_override_of_nothing_inside(path: str, near: str) -> None:
    """The error has the whole path, and near misses as whole paths."""
    with pytest.raises(BadOverride) as caught:
        PAIR.override({path: 1})
    (problem,) = caught.value.problems
    assert path in problem.what
    assert near in problem.hint


def test_three_levels_are_overridden_by_path(log: Log) -> None:
    """All the way down, and merged and compared the same way."""
    system = three_levels(log)
    changed = system.override({"app.mid.sub.in.web.a": given("fake"), "app.mid.in.up": "given"})
    assert values(changed, "app.mid.sub.in.web.a", "app.mid.sub.in.env.up") == ["fake", "given"]
    assert "app.mid.sub.in.web.a" in str(system.diff(changed))
    added = system.add({"app.mid.sub.in.web.c": given(local_ref("a"))})
    assert values(added, "app.mid.sub.in.web.c") == ["a"]


def test_a_merge_takes_a_subsystem_as_one_component() -> None:
    """Two of the same id that differ are a conflict."""
    other = System({"app": {"a": subsystem(CHILD, {"env.dsn": "other"})}})
    with pytest.raises(MergeConflict, match=r"app\.a"):
        PAIR.merge(other)
    assert values(PAIR.merge(other, winner="right"), "app.a.db.pool") == ["other"]
    assert PAIR.merge(PAIR) == PAIR


def test_subsystems_are_compared_as_data() -> None:
    """By the inner system, the imports and the slots."""
    assert subsystem(CHILD, {"env.dsn": 1}) == subsystem(CHILD.override({}), {"env.dsn": 1})
    assert subsystem(CHILD, {"env.dsn": 1}) != subsystem(CHILD, {"env.dsn": True})
    assert subsystem(CHILD) != subsystem(CHILD, {"env.dsn": 1})
    assert subsystem(CHILD) != subsystem(CHILD.override({"env.http.port": 1}))
    assert subsystem(CHILD) != subsystem(CHILD, doc="another")
    assert subsystem(CHILD) != given(1)


def test_a_copy_with_other_slots() -> None:
    """`replace` gives one with other slots or imports, and the same system."""
    made: Any = subsystem(CHILD, {"env.dsn": 1}, tags=["t"])
    changed = made.replace(doc="text", config={"env.dsn": 2})
    assert (changed.doc, changed.tags, changed.imports, made.imports) == ("text", {"t"}, {"env.dsn": 2}, {"env.dsn": 1})
    assert values(System({"a": {"b": changed}}), "a.b.db.pool") == [2]
    wrong = System({"a": {"b": made.replace(config={"env.dns": 2})}})
    assert any("env.dns" in problem.what for problem in wrong.check())


def test_a_system_looks_into_its_subsystems() -> None:
    """By path, as they are written; iterating gives what the system itself has."""
    assert PAIR["app.a.db.pool"] == given(ref("env.dsn"))
    assert PAIR["app.a.env.http.port"] == 80
    assert "app.a.db.pool" in PAIR
    assert "app.a.db.pol" not in PAIR
    assert "app.a.db" not in PAIR
    assert ids(PAIR) == ["app.a", "app.b", "env.dsn"]
    assert len(PAIR) == 3
    assert repr(PAIR["app.a"]) == "<Subsystem child: env, db, web>"
    with pytest.raises(UnknownComponent, match=r"There is no app\.a\.db\.pol"):
        PAIR["app.a.db.pol"]


# --- Names ------------------------------------------------------------------------------------------------------------


def test_names_with_dots_and_blanks(log: Log) -> None:
    """They are quoted part by part, everywhere."""
    child = System({"d.b": {"the pool": log.part("pool"), "x": log.part("x", ref("d.b", "the pool"))}})
    system = System({"a.b": {"c d": subsystem(child)}, "o": {"user": given(ref('"a.b"."c d"."d.b"."the pool"'))}})
    pool = '"a.b"."c d"."d.b"."the pool"'
    assert ids(system.graph().ids) == [pool, '"a.b"."c d"."d.b".x', '"a.b"."c d"', "o.user"]
    with system.started() as live:
        assert live[pool] == live["o.user"] == "pool"
        part: Part = live['"a.b"."c d"']
        assert part['"d.b"."the pool"'] == "pool"
        assert part.status() == {Id("d.b", "the pool"): "pool is well", Id("d.b", "x"): "x is well"}
        log.clear()
        part.restart('"d.b".x')
        assert log.take() == ["stop x", "start x"]
        live.restart(pool)
        assert log.take() == ["stop x", "stop pool", "start pool", "start x"]
        part.stop()
        assert log.take() == ["stop x", "stop pool"]
    changed = system.override({f"{pool}.config.needs": 3})
    assert f"{pool}.config.needs" in str(system.diff(changed))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_group_with_the_name_of_an_inner_group_is_refused(is_first: bool) -> None:
    """A group that somebody calls "app.it.db" could not be told from the group db of app.it."""
    literal = {"app.it.db": {"pool": 1, "other": 2}}
    inside = {"app": {"it": subsystem(CHILD, {"env.dsn": "x"})}}
    system = System({**literal, **inside} if is_first else {**inside, **literal})
    problems = system.check()
    assert problems
    assert all("app.it.db" in problem.what for problem in problems)
    assert System({"app.it.other": {"pool": 1}, **inside}).check() == []


@pytest.mark.parametrize("child", [System({}), System({"g": {}})], ids=["no groups", "no members"])
def test_an_empty_subsystem(child: System) -> None:
    """It starts and stops as nothing."""
    with System({"app": {"it": subsystem(child)}}).started() as live:
        assert isinstance(live["app.it"], Part)
        assert live["app.it"].status() == {}


def test_names_of_slots_as_names_of_groups() -> None:
    """A group inside that is called as a slot is reached all the same."""
    child = System({"imports": {"x": 1}, "handlers": {"y": given(ref("imports.x"))}, "tags": {"z": 1}})
    system = System({"app": {"it": subsystem(child, {"imports.x": 2})}, "o": {"user": given(ref("app.it.handlers.y"))}})
    assert values(system, "o.user", "app.it.tags.z") == [2, 1]


# --- Many, and the command line ---------------------------------------------------------------------------------------


def test_a_hundred_subsystems_of_a_hundred_parts() -> None:
    """Every part is there once, and all start and stop."""
    hundred = System({"g": {f"c{i}": given(ref(f"g.c{i - 1}") if i else 0) for i in range(100)}})
    system = System({"s": {f"s{i}": subsystem(hundred) for i in range(100)}})
    live = system.start()
    assert len(live.report) == 100 * 101
    assert live["s.s99.g.c99"] == live["s.s99"]["g.c99"] == 0
    live.stop()
    assert live.state("s.s0.g.c0") is STOPPED


def test_many_threads_start_one_system_at_once() -> None:
    """What is derived from a definition, its base, subsystems and wrappers worked in, is the same for all who come at once."""

    def around(call: HandlerCall) -> Any:
        return (yield)

    child = System({"a": {f"c{n}": given(n) for n in range(200)}}, base={"tags": ["inner"]})
    wrong: list[BaseException] = []

    def use(system: System, together: threading.Barrier) -> None:
        try:
            together.wait(20)
            with system.started() as live:
                assert live["app.it.a.c199"] == 199
        except BaseException as error:
            wrong.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(25):
            system = System({"app": {"it": subsystem(child)}}, base={"post": {"start": {"p": lambda _: None}}}).wrap(
                around
            )
            together = threading.Barrier(8)
            threads = [threading.Thread(target=use, args=(system, together)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == []


def test_thirty_levels() -> None:
    """A value is handed from the outermost to the innermost."""
    system, path = System({"g": {"x": required, "end": given(ref("g.x"))}}), "g.end"
    for _ in range(30):
        system, path = System({"g": {"x": required, "s": subsystem(system, {"g.x": ref("g.x")})}}), f"g.s.{path}"
    assert values(system.override({"g.x": "deep"}), path) == ["deep"]


class Target(NamedTuple):
    """Something that can be referred to: where it is in a system, its whole id, whether it is on, and what it is if a flag."""

    path: tuple[str, ...]
    id: str
    is_on: bool
    flag: bool = True


class Model:
    """What a system of subsystems means, worked out without it: by whole id what each thing needs, and what it is."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.needs: dict[str, list[str]] = {}
        self.values: dict[str, Callable[[], Any]] = {}
        self.up: list[str] = []

    def system(
        self, at: str, given: list[Target], flags: dict[str, Target], depth: int, *, is_on: bool
    ) -> tuple[System, list[Target]]:
        """A system, and all that can be referred to in it.

        Parameters:
            at: begins every id in it.
            given: what is imported.
            flags: the flags that are imported.
            depth: how many levels of subsystems it may have.
            is_on: whether it, and all that it is in, is switched on.
        """
        groups: dict[str, dict[str, Any]] = {"f": {}, "env": {}, "a": {}, "b": {}}
        targets: list[Target] = []
        own: dict[str, Target] = {}
        for name, flag in flags.items():
            groups["f"][name] = self.draw(st.sampled_from([True, False, required]))
            own[name] = self.alias(("f", name), at, flag, is_on=is_on)._replace(flag=flag.flag)
        for n, one in enumerate(given):
            groups["env"][f"i{n}"] = required
            targets.append(self.alias(("env", f"i{n}"), at, one, is_on=is_on))
        targets += own.values()
        for n in range(self.draw(st.integers(1, 3))):
            group, name = self.draw(st.sampled_from("ab")), f"x{n}"
            id, switch = (
                f"{at}{group}.{name}",
                own[self.draw(st.sampled_from("pq"))] if self.draw(st.booleans()) else None,
            )
            here = is_on and (switch is None or switch.flag)
            enabled = True if switch is None else ref(*switch.path)
            switches = [] if switch is None else [switch.id]
            chosen = self.draw(st.lists(st.sampled_from(targets), max_size=3))
            marks = [self.mark(group, target) for target in chosen]
            needs = [target.id for target in chosen if target.is_on]
            if depth and self.draw(st.booleans()):
                handed = dict(zip("pq", self.draw(st.permutations(list(own.values()))), strict=True))
                child, inside = self.system(f"{id}.", chosen, handed, depth - 1, is_on=here)
                imports: dict[str, Any] = {f"f.{name}": ref(*flag.path) for name, flag in handed.items()}
                imports |= {f"env.i{i}": mark for i, mark in enumerate(marks)}
                imports |= self.deep_imports(group, [one for one in inside if one.is_on], targets)
                groups[group][name] = subsystem(child, imports, enabled=enabled)
                parts = [target.id for target in inside if target.is_on and len(target.path) == 2]
                made = self.know((group, name), at, parts + switches, partial(frozenset, [id]), is_on=here)
                targets += [target._replace(path=(group, name, *target.path)) for target in inside]
            else:
                groups[group][name] = Component(scope=self.scope, config={"name": id, "needs": marks}, enabled=enabled)
                made = self.know((group, name), at, needs + switches, partial(self.joined, id, needs), is_on=here)
            targets.append(made)
        return System(groups), targets

    def deep_imports(self, group: str, inside: list[Target], targets: list[Target]) -> dict[str, Any]:
        """Other imports for subsystems of a subsystem."""
        deeper = [one for one in inside if one.path[-2] == "env" and len(one.path) > 2]
        imports = {}
        for one in self.draw(st.lists(st.sampled_from(deeper), max_size=2, unique=True)) if deeper else ():
            target = self.draw(st.sampled_from(targets))
            self.alias(one.path, one.id.removesuffix(".".join(one.path)), target, is_on=True)
            imports[".".join(one.path)] = self.mark(group, target)
        return imports

    def alias(self, path: tuple[str, ...], at: str, target: Target, *, is_on: bool) -> Target:
        """Keep something that is something else."""
        if not target.is_on:
            return self.know(path, at, [], lambda: None, is_on=is_on)
        return self.know(path, at, [target.id], lambda: self.values[target.id](), is_on=is_on)

    def know(
        self, path: tuple[str, ...], at: str, needs: list[str], value: Callable[[], Any], *, is_on: bool
    ) -> Target:
        """Keep what something needs and is, if it is on."""
        id = f"{at}{'.'.join(path)}"
        if is_on:
            self.needs[id], self.values[id] = needs, value
        return Target(path, id, is_on)

    def joined(self, id: str, needs: list[str]) -> frozenset[str]:
        """What a component is."""
        return frozenset([id]).union(*(as_set(self.values[one]()) for one in needs))

    def mark(self, group: str, target: Target) -> Any:
        """A reference from within a group to something in the same system."""
        if target.path[0] == group and self.draw(st.booleans()):
            return local_ref(*target.path[1:], optional=True)
        return ref(*target.path, optional=True)

    def scope(self, name: str, needs: list[Any]) -> Iterator[frozenset[str]]:
        """What a component gives: its name, and what that of all it needs is. It is stopped as the last that is up."""
        self.up.append(name)
        yield frozenset([name]).union(*map(as_set, needs))
        assert self.up.pop() == name

    def that_need(self, id: str) -> set[str]:
        """What needs something, directly or not, and itself."""
        found, before = {id}, 0
        while len(found) > before:
            before = len(found)
            found |= {one for one, needs in self.needs.items() if not found.isdisjoint(needs)}
        return found


def any_system(data: st.DataObject) -> tuple[Model, System]:
    """A system of up to three levels, within one that has flags for it."""
    model = Model(data)
    on = model.know(("f", "on"), "", [], lambda: True, is_on=True)
    off = model.know(("f", "off"), "", [], lambda: False, is_on=True)._replace(flag=False)
    system, inside = model.system("app.it.", [], {"p": on, "q": off}, depth=2, is_on=True)
    own = [one.id for one in inside if one.is_on and len(one.path) == 2]
    model.know(("app", "it"), "", own, lambda: frozenset(["app.it"]), is_on=True)
    imports = {"f.p": ref("f.on"), "f.q": ref("f.off")}
    return model, System({"f": {"on": True, "off": False}, "app": {"it": subsystem(system, imports)}})


def as_set(value: Any) -> frozenset[str]:
    """The ids in the instance of something; of a subsystem its own, of a flag what it is, of what is off nothing."""
    if isinstance(value, Part):
        return frozenset([repr(value).split()[1]])
    return value if isinstance(value, frozenset) else frozenset([] if value is None else [str(value)])


@given_data(st.data())
def test_any_system_of_subsystems_is_what_its_model_says(data: st.DataObject) -> None:
    """Whatever refers to and switches whatever at whatever depth: the values, the order, and what a stop takes along."""
    model, system = any_system(data)
    graph = system.graph()
    order = ids(graph.ids)
    assert sorted(order) == sorted(model.needs)
    for at, id in enumerate(order):
        assert set(ids(graph.dependencies(id))) == set(model.needs[id]) <= set(order[:at])
    with system.started() as live:
        for id, value in model.values.items():
            assert as_set(live[id]) == as_set(value())
    one = data.draw(st.sampled_from(order))
    chosen = [id for id in order if id == one or id.startswith(f"{one}.")]
    components = {id for id in order if id.split(".")[-2] not in ("f", "env")}
    stopped = set().union(*(model.that_need(id) for id in chosen)) & components
    assert {str(step.id) for step in system.plan("stop", one)} == stopped


@given_data(st.data())
def test_any_part_of_such_a_system_is_as_in_the_whole(data: st.DataObject) -> None:
    """`select` keeps what a part needs, on both sides of every border."""
    model, system = any_system(data)
    one = data.draw(st.sampled_from(ids(system.graph().ids)))
    with system.select(one).started() as live:
        for id, value in model.values.items():
            if id == one or id.startswith(f"{one}."):
                assert as_set(live[id]) == as_set(value())


APP = """\
import asyncio
import pathlib

from mainspring import Component, System, background, ref, required, subsystem

billing = System({
    "env": {"dsn": required},
    "db": {"pool": Component(str, config={"object": ref("env.dsn")})},
    "web": {"server": Component(str, config={"object": ref("db.pool")})},
})
system = System({"env": {"dsn": "x"}, "app": {"billing": subsystem(billing, {"env.dsn": ref("env.dsn")})}})
broken = System({"app": {"billing": subsystem(billing)}})

async def breaks():
    while not pathlib.Path("break").exists():
        await asyncio.sleep(0.01)
    raise ConnectionError("the peer is gone")

crashing = System({"app": {"mid": subsystem(System({"sub": {"it": subsystem(System({"a": {"loop": background(breaks)()}}))}}))}})
failing = system.override({"app.billing.db.pool": Component(int, config={"x": "no number"})})
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with a module of systems."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def command(folder: Path, *arguments: str, status: int = 0) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_subsystems_on_the_command_line(app: Path) -> None:
    """Every command knows the parts by their whole ids."""
    plan = command(app, "plan", "app:system", "--select", "app.billing.db.pool")
    assert [line.split()[2] for line in plan.split("\n\n")[0].splitlines()[1:]] == ["app.billing.db.pool"]
    assert "app.billing.web.server" in command(app, "graph", "app:system")
    nodes = json.loads(command(app, "graph", "app:system", "--format", "json"))["nodes"]
    assert "app.billing.db.pool" in [node["id"] for node in nodes]
    assert "app.billing.db" in command(app, "graph", "app:system", "--format", "mermaid")
    assert "app.billing.db.pool" in json.loads(command(app, "describe", "app:system", "--json"))
    assert "app.billing.web.server" in command(app, "describe", "app:system")
    assert "app.billing.env.dsn" in command(app, "check", "app:broken", status=2)
    command(app, "check", "app:system")
    wrong = command(app, "plan", "app:system", "--select", "app.billing.db.pol", status=2)
    assert "app.billing.db" in wrong
    assert "pool" in wrong
    changed = command(app, "describe", "app:system", "--set", "app.billing.env.dsn=other")
    assert "other" in changed


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (["app.billing"], ["app.billing"]),
        (["app.billing.db"], ["app.billing.db.pool"]),
        (["app"], ["app.billing"]),
        (["app.billing.web", "app.billing.db.pool"], ["app.billing.web.server", "app.billing.db.pool"]),
        (["app.billing.*.server"], ["app.billing.web.server"]),
        (["app.billing.d*.pool"], ["app.billing.db.pool"]),
    ],
)
def test_what_is_asked_for_inside_is_described(app: Path, asked: list[str], shown: list[str]) -> None:
    """The command `describe` takes a part, a group and a pattern inside a subsystem as outside of one."""
    assert list(json.loads(command(app, "describe", "app:system", *asked, "--json"))) == shown


def test_a_group_inside_that_there_is_not(app: Path) -> None:
    """The error of the command `describe` has what is near."""
    assert "Did you mean app.billing.db" in command(app, "describe", "app:system", "app.billing.bd", status=2)


def test_a_runner_tells_of_a_failure_inside(app: Path) -> None:
    """A start that fails, with the whole id."""
    assert "app.billing.db.pool" in command(app, "run", "app:failing", status=1)
    assert "app.billing.db.pool" in command(app, "run", "app:failing", "--select", "app.billing.db.pool", status=1)


def test_a_runner_tells_of_a_crash_inside(app: Path) -> None:
    """With the whole id, and the status of any crash."""
    run = [sys.executable, "-u", "-m", "mainspring", "run", "app:crashing"]
    process = subprocess.Popen(run, cwd=app, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                if line.startswith("All up"):
                    break
            (app / "break").touch()
            said = process.stderr.read()
        assert process.wait() == 4
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
    assert "app.mid.sub.it.a.loop crashed" in said
    assert "Stopping after the crash of app.mid.sub.it.a.loop" in said
