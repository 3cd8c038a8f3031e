"""Aliases of other parts, parts that have to be given, and parts that are found by a tag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from mainspring import (
    AmbiguousReference,
    BadArguments,
    BadId,
    BadOverride,
    BrokenReference,
    Component,
    CycleError,
    Id,
    ReferenceToOff,
    RequiredMissing,
    Secret,
    StartError,
    System,
    UnknownReference,
    build,
    component,
    is_ref,
    local_ref,
    one_tagged,
    ref,
    required,
    subsystem,
    tagged,
)


def given(**config: Any) -> Any:
    """A component whose instance is the config it was started with."""
    return Component(dict, config=config)


def carrying(*tags: str, **config: Any) -> Any:
    """The same with tags."""
    return Component(dict, config=config, tags=tags)


def off(*tags: str) -> Any:
    """A component that is switched off."""
    return Component(dict, tags=tags, enabled=False)


def only_problem(system: System) -> Any:
    """The one problem that a system has."""
    (problem,) = system.check()
    return problem


# --- Alias --------------------------------------------------------------------------------------------------------------


def test_alias_is_the_other_component() -> None:
    """A name that stands for a reference gives the instance that is referred to: the same one, not a copy."""
    system = System({"db": {"pool": given(size=3)}, "web": {"db": ref("db.pool"), "app": given(db=local_ref("db"))}})
    with system.started() as live:
        assert live["web.db"] is live["db.pool"]
        assert live["web.app"]["db"] is live["db.pool"]


@pytest.mark.parametrize(
    ("alias", "value"),
    [
        (ref("db.pool"), {"size": 3}),
        (ref("db.pool.size"), 3),
        (ref("db"), {"pool": {"size": 3}}),
        (ref("env.http.port"), 8080),
        (ref("web.other"), {"size": 3}),
        (local_ref("other.size"), 3),
        (tagged("db"), {Id("db", "pool"): {"size": 3}}),
        (one_tagged("db"), {"size": 3}),
        (one_tagged("db", "size"), 3),
    ],
    ids=repr,
)
def test_alias_of_anything_that_may_be_referred_to(alias: Any, value: Any) -> None:
    """An alias may be of a part inside, of a group, of a constant, of another alias, or of what carries a tag."""
    groups = {
        "web": {"alias": alias, "app": given(it=ref("web.alias")), "other": ref("db.pool")},
        "env": {"http": {"port": 8080}},
        "db": {"pool": carrying("db", size=3)},
    }
    system = System(groups)
    assert system.check() == []
    with system.started() as live:
        assert live["web.app"] == {"it": value}
        assert live["web.alias"] == value


def test_reference_through_an_alias_goes_on_behind_it() -> None:
    """What follows the alias in a path reaches into what it stands for."""
    env = {"http": {"hosts": ["a", "b"]}, "hosts": ref("env.http.hosts")}
    system = System({"env": env, "web": {"app": given(first=ref("env.hosts.0"))}})
    with system.started() as live:
        assert live["web.app"] == {"first": "a"}


def test_alias_takes_part_in_the_order() -> None:
    """Who refers to an alias is started after what it stands for, and a selection takes it along."""
    system = System(
        {"web": {"app": given(db=ref("web.db")), "db": ref("db.pool")}, "db": {"pool": given(), "more": given()}}
    )
    assert [str(step.id) for step in system.plan("start", "web.app")] == ["db.pool", "web.app"]
    assert [str(step.id) for step in system.plan("stop", "db.pool")] == ["web.app", "db.pool"]
    assert str(system.select("web.db")) == "<System: web.db, db.pool>"


def test_override_exchanges_what_an_alias_stands_for() -> None:
    """An alias follows what it stands for, and may itself be exchanged by anything."""
    system = System({"db": {"pool": given(size=3)}, "web": {"db": ref("db.pool"), "app": given(db=ref("web.db"))}})
    with system.override({"db.pool": "a fake"}).started() as live:
        assert live["web.app"] == {"db": "a fake"}
    with system.override({"web.db": "only here"}).started() as live:
        assert (live["web.app"], live["db.pool"]) == ({"db": "only here"}, {"size": 3})


def test_alias_is_shown_as_one() -> None:
    """Graph and description say that it is an alias, and of what."""
    system = System({"db": {"pool": given()}, "web": {"db": ref("db.pool"), "list": [ref("db.pool")]}})
    graph = system.graph()
    assert "web.db    alias     <- db.pool" in str(graph)
    assert {node["id"]: node["kind"] for node in graph.as_dict()["nodes"]} == {
        "db.pool": "component",
        "web.db": "alias",
        "web.list": "constant",
    }
    entry = system.describe()["web.db"]
    assert (entry.kind, entry.needs) == ("alias", (Id("db", "pool"),))
    assert "web.db  (alias)\n  of     ref('db.pool')" in str(entry)
    assert "db" in graph.mermaid()
    assert "db" in graph.dot()


@pytest.mark.parametrize(
    ("groups", "cycle"),
    [
        ({"a": {"x": ref("a.x")}}, ["a.x"]),
        ({"a": {"x": local_ref("y"), "y": ref("a.x")}}, ["a.x", "a.y"]),
        ({"a": {"x": ref("a")}}, ["a.x"]),
        ({"a": {"x": ref("a.y"), "y": given(x=ref("a.x"))}}, ["a.x", "a.y"]),
        ({"a": {"x": tagged("t"), "y": carrying("t", x=ref("a.x"))}}, ["a.x", "a.y"]),
    ],
)
def test_alias_in_a_circle(groups: Any, cycle: list[str]) -> None:
    """An alias that leads back to itself is a cycle, and is drawn."""
    problem = only_problem(System(groups))
    assert (problem.error, problem.details["cycle"]) == (CycleError, cycle)
    assert "needs, in ," not in problem.what


def test_alias_of_nothing() -> None:
    """An alias of what does not exist is an unknown reference, with near misses."""
    problem = only_problem(System({"db": {"pool": given()}, "web": {"db": ref("db.pol")}}))
    assert (problem.error, problem.id, problem.path) == (UnknownReference, Id("web", "db"), ())
    assert "db.pool" in problem.hint


def test_path_through_an_alias_is_checked() -> None:
    """Where an alias stands for a constant, a path that leads nowhere in it is found before anything starts."""
    groups = {
        "env": {"http": {"port": 80}, "alias": ref("env.http")},
        "web": {"app": given(port=ref("env.alias.prot"))},
    }
    problem = only_problem(System(groups))
    assert (problem.error, problem.id, problem.path) == (UnknownReference, Id("web", "app"), ("config", "port"))
    assert "prot" in problem.what
    assert "port" in problem.what


def test_path_through_an_alias_of_a_group_is_checked() -> None:
    """The same holds for an alias of a group, and a part that is off in it is None where the reference is optional."""
    groups = {"db": {"pool": given(size=3), "off": off()}, "env": {"db": ref("db")}}
    system = System({**groups, "web": {"app": given(db=ref("env.db.pol.size"))}})
    problem = only_problem(system)
    assert (problem.error, problem.id) == (UnknownReference, Id("web", "app"))
    assert "pool" in problem.hint
    with system.override({"web.app.config.db": ref("env.db.pool.size")}).started() as live:
        assert live["web.app"] == {"db": 3}
    with system.override({"web.app.config.db": ref("env.db.off", optional=True)}).started() as live:
        assert live["web.app"] == {"db": None}
    assert only_problem(system.override({"web.app.config.db": ref("env.db.off")})).error is ReferenceToOff


@pytest.mark.parametrize("path", ["env.x", "env.x.k", "env.x.l"])
def test_alias_that_leads_into_itself(path: str) -> None:
    """A path through an alias that leads ever deeper into itself is a cycle, and looking at it ends."""
    app = {"it": given(it=ref(path)), "switched": Component(dict, enabled=ref(path))}
    system = System({"env": {"x": ref("env.x.k")}, "app": app})
    assert CycleError in {problem.error for problem in system.check()}


def test_alias_of_what_is_off() -> None:
    """An alias of a part that is off is an error; where it is optional, it is None."""
    groups = {"db": {"pool": off()}, "web": {"db": ref("db.pool"), "app": given(db=ref("web.db", optional=True))}}
    problem = only_problem(System(groups))
    assert (problem.error, problem.id) == (ReferenceToOff, Id("web", "db"))
    groups["web"]["db"] = ref("db.pool", optional=True)
    with System(groups).started() as live:
        assert live["web.app"] == {"db": None}


def test_optional_reference_reaches_through_an_alias() -> None:
    """A path through an optional alias of what is off gives None where it is optional itself, and is an error where not."""
    groups = {"db": {"pool": off()}, "web": {"db": ref("db.pool", optional=True)}}
    system = System({**groups, "app": {"it": given(size=ref("web.db.size", optional=True))}})
    with system.started() as live:
        assert live["app.it"] == {"size": None}
    assert only_problem(System({**groups, "app": {"it": given(size=ref("web.db.size"))}})).error is ReferenceToOff


def test_optional_path_is_shown_as_it_was_resolved() -> None:
    """A description of a live system shows None where an optional path ended at something that is off."""
    groups = {"db": {"pool": off()}, "web": {"db": ref("db.pool", optional=True)}}
    system = System({**groups, "app": {"it": given(size=ref("web.db.size", optional=True), on=True)}})
    with system.started() as live:
        assert live.describe()["app.it"].resolved == {"size": None, "on": True}


@pytest.mark.parametrize(
    "alias",
    [tagged("t"), tagged("t", optional=True), one_tagged("t", optional=True)],
    ids=["tagged", "none tagged", "one tagged"],
)
def test_path_behind_an_alias_of_a_tag_that_leads_nowhere(alias: Any) -> None:
    """There are no names in a mapping by id, and nothing in None: that is found before anything starts."""
    parts = {"x": carrying("t")} if alias == tagged("t") else {"x": off("t")}
    system = System({"parts": parts, "env": {"alias": alias}, "app": {"it": given(it=ref("env.alias.x"))}})
    assert only_problem(system).id == Id("app", "it")


def test_secret_behind_an_alias_stays_masked() -> None:
    """A secret is masked under every name that it has, and handed over under each."""
    env = {"password": Secret("hunter2"), "all": {"user": "me", "key": Secret("opensesame")}}
    alias = {
        "password": ref("env.password"),
        "again": local_ref("password"),
        "all": ref("env.all"),
        "key": ref("env.all.key"),
        "group": ref("env"),
    }
    seen = []

    def start(**config: Any) -> str:
        seen.append(config)
        return "started"

    reader = Component(start, config={name: ref("alias", name) for name in alias} | {"deep": ref("alias.all.key")})
    system = System({"env": env, "alias": alias, "app": {"reader": reader}})
    with system.started() as live:
        shown = live.describe()
        texts = [str(system.describe()), str(shown), repr(shown.as_dict()), str(live.report), str(system.plan())]
        texts += [repr(entry) for entry in shown.values()]
    assert [text for text in texts if "hunter2" in text or "opensesame" in text] == []
    assert seen[0]["password"] == seen[0]["again"] == "hunter2"
    assert seen[0]["key"] == seen[0]["deep"] == "opensesame"
    assert seen[0]["all"] == {"user": "me", "key": "opensesame"}


def test_secret_in_an_instance_behind_an_alias_stays_masked() -> None:
    """Where an alias ends at a secret inside an instance, it is the same."""

    @component(tags=["vault"])
    def vault() -> dict[str, Any]:
        return {"key": Secret("opensesame")}

    for alias in (ref("a.vault.key"), one_tagged("vault", "key")):
        system = System(
            {"a": {"vault": vault(), "key": alias, "reader": Component("{key}".format, config={"key": ref("a.key")})}}
        )
        with system.started() as live:
            assert live["a.reader"] == "opensesame"
            assert repr(live.describe()["a.key"].resolved) == "Secret('***')"
            assert repr(live.describe()["a.reader"].resolved) == "{'key': Secret('***')}"
            assert "opensesame" not in repr(live.describe()["a.key"])


# --- Required -----------------------------------------------------------------------------------------------------------


def test_required_value_says_who_needs_it() -> None:
    """A value that was not given is an error before anything starts: who needs it, where, and how to give it."""
    system = System({
        "env": {"dsn": required},
        "db": {"pool": given(dsn=ref("env.dsn")), "backup": given(to=[{"dsn": ref("env.dsn")}])},
    })  # fmt: skip
    problem = only_problem(system)
    assert (problem.error, problem.id, problem.path) == (RequiredMissing, Id("env", "dsn"), ())
    assert "db.pool needs it, in config.dsn" in problem.what
    assert "db.backup needs it, in config.to.0.dsn" in problem.what
    assert 'override({"env.dsn": ...})' in problem.hint
    with pytest.raises(RequiredMissing, match=r"db\.pool needs it"):
        system.start()
    with system.override({"env.dsn": "sqlite:"}).started() as live:
        assert live["db.pool"] == {"dsn": "sqlite:"}


def test_required_component_says_who_needs_it() -> None:
    """A whole component may be left to be given: by an override, with any value or component."""
    system = System(
        {"db": {"pool": required}, "web": {"app": given(db=ref("db.pool")), "sizes": [ref("db.pool.size")]}}
    )
    problem = only_problem(system)
    assert (problem.error, problem.id) == (RequiredMissing, Id("db", "pool"))
    assert "web.app needs it, in config.db" in problem.what
    assert "web.sizes needs it, in 0" in problem.what
    with system.override({"db.pool": given(size=3)}).started() as live:
        assert (live["web.app"], live["web.sizes"]) == ({"db": {"size": 3}}, [3])
    with system.override({"db.pool": {"size": 4}}).started() as live:
        assert live["web.sizes"] == [4]


def test_required_part_of_a_constant_is_asked_of_those_who_reach_it() -> None:
    """Only who refers to the missing part, or to what it is in, is named as one who needs it."""
    web = {
        "port": given(it=ref("env.http.port")),
        "all": given(it=ref("env.http")),
        "host": given(it=ref("env.http.host")),
    }
    problem = only_problem(System({"env": {"http": {"port": required, "host": "h"}}, "web": web}))
    assert (problem.id, problem.path) == (Id("env", "http"), ("port",))
    assert ["web.port" in problem.what, "web.all" in problem.what, "web.host" in problem.what] == [True, True, False]
    assert 'override({"env.http.port": ...})' in problem.hint


def test_required_behind_an_alias() -> None:
    """An alias of what is missing is named as one, and so is who needs it through the alias."""
    groups = {"db": {"pool": required}, "web": {"db": ref("db.pool"), "app": given(db=local_ref("db"))}}
    problem = only_problem(System(groups))
    assert "web.db is an alias of it" in problem.what
    assert "web.app needs it" in problem.what
    assert "in :" not in problem.what
    assert "in ." not in problem.what


def test_required_beside_a_reference_to_nothing() -> None:
    """Whoever needs what is missing may have other problems: all are reported."""
    system = System({"env": {"dsn": required, "all": {"x": ref("nothing"), "dsn": ref("env.dsn")}}})
    assert {problem.error for problem in system.check()} == {RequiredMissing, UnknownReference}


def test_required_argument() -> None:
    """An argument may be left to be given, at any depth."""
    system = System({"db": {"pool": given(dsn=required, options=[{"size": required}])}})
    assert [problem.path for problem in system.check()] == [("config", "dsn"), ("config", "options", 0, "size")]
    complete = system.override({"db.pool.config.dsn": "sqlite:", "db.pool.config.options.0.size": 3})
    with complete.started() as live:
        assert live["db.pool"] == {"dsn": "sqlite:", "options": [{"size": 3}]}


def test_required_is_given_by_a_base() -> None:
    """What a component says is required, the base of the system may give."""
    system = System({"db": {"pool": Component(lambda dsn: dsn, config={"dsn": required})}})
    assert only_problem(system).error is RequiredMissing
    assert system.with_base({"config": {"dsn": "sqlite:"}}).check() == []


def test_required_is_given_by_an_import() -> None:
    """What a system requires, the system around it gives as an import: values and components, in one place or several."""
    inner = System(
        {
            "env": {"dsn": required},
            "db": {"pool": required},
            "app": {"it": given(dsn=ref("env.dsn"), pool=ref("db.pool"))},
        }
    )
    whole = subsystem(inner, {"env.dsn": ref("env.dsn"), "db.pool": ref("db.pool")})
    system = System({"env": {"dsn": "sqlite:"}, "db": {"pool": given(size=3)}, "apps": {"one": whole}})
    with system.started() as live:
        assert live["apps.one.app.it"] == {"dsn": "sqlite:", "pool": {"size": 3}}
        assert live["apps.one.app.it"]["pool"] is live["db.pool"]


def test_required_that_no_import_gives() -> None:
    """A subsystem that lacks something says so with whole paths, and names the import."""
    inner = System({"db": {"pool": required}, "app": {"it": given(pool=ref("db.pool"))}})
    problem = only_problem(System({"apps": {"one": subsystem(inner)}}))
    assert (problem.error, str(problem.id)) == (RequiredMissing, "apps.one.db.pool")
    assert "apps.one.app.it needs it, in config.pool" in problem.what
    assert "parts" not in problem.what
    assert 'subsystem(..., {"db.pool": ...})' in problem.hint


def test_required_that_nobody_refers_to() -> None:
    """What is required has to be given even where nothing refers to it, and the error says that nothing does."""
    problem = only_problem(System({"env": {"dsn": required}}))
    assert "nothing refers to it" in problem.what


def test_required_of_what_is_off_is_not_asked_for() -> None:
    """A component that is off needs none of its arguments."""
    system = System({"db": {"pool": Component(dict, config={"dsn": required}, enabled=False)}})
    assert system.check() == []


def test_required_component_has_no_slots_to_override() -> None:
    """As long as a component is only required there is nothing in it to be changed."""
    with pytest.raises(BadOverride, match=r"(?s)db\.pool.*as a whole"):
        System({"db": {"pool": required}}).override({"db.pool.config.size": 3})


def test_all_that_is_required_is_reported_at_once() -> None:
    """Whoever has to give three things is told of three, in the order as written."""
    system = System({"env": {"a": required, "b": required}, "db": {"pool": given(c=required)}})
    assert [str(problem.id) for problem in system.check()] == ["env.a", "env.b", "db.pool"]


# --- Tags ---------------------------------------------------------------------------------------------------------------


def test_tagged_is_a_mapping_of_all_that_carry_the_tag() -> None:
    """What is handed over is a dict from ids to instances, in the order as written, whatever the order of starting."""
    web = {"b": carrying("page", "x", after=ref("web.c")), "a": carrying("page"), "c": carrying("x"), "d": given()}
    system = System({"app": {"menu": given(pages=tagged("page"))}, "web": web})
    with system.started() as live:
        pages = live["app.menu"]["pages"]
        assert list(pages) == [Id("web", "b"), Id("web", "a")]
        assert pages[Id("web", "b")] is live["web.b"]


def test_tagged_makes_edges() -> None:
    """Who refers to a tag is started after all that carry it, and a selection takes them along."""
    system = System(
        {
            "app": {"menu": given(pages=tagged("page"))},
            "web": {"a": carrying("page"), "b": carrying("page"), "c": given()},
        }
    )
    assert system.graph().dependencies("app.menu") == (Id("web", "a"), Id("web", "b"))
    assert [str(step.id) for step in system.plan("start", "app.menu")] == ["web.a", "web.b", "app.menu"]
    assert [str(step.id) for step in system.plan("stop", "web.b")] == ["app.menu", "web.b"]
    assert str(system.select("app")) == "<System: app.menu, web.a, web.b>"
    assert [edge.path for edge in system.graph().edges] == [("config", "pages")] * 2


def test_what_carries_a_tag_is_stopped_after_who_refers_to_it() -> None:
    """The edges of a tag order the stop as well."""
    stopped: list[str] = []

    def scoped(name: str, *tags: str, **config: Any) -> Any:
        def scope(**given: Any) -> Iterator[str]:
            yield name
            stopped.append(name)

        return Component(scope=scope, tags=tags, config=config)

    with System(
        {"a": {"menu": scoped("menu", pages=tagged("page")), "x": scoped("x", "page"), "y": scoped("y", "page")}}
    ).started():
        pass
    assert stopped == ["menu", "y", "x"]


def test_one_tagged_is_the_one_that_carries_the_tag() -> None:
    """What is handed over is the instance itself, or what is reached in it."""
    clock = carrying("clock", now={"hour": 12})
    it = given(clock=one_tagged("clock"), now=one_tagged("clock", "now"), hour=one_tagged("clock", "now.hour"))
    system = System({"a": {"it": it, "clock": clock}})
    assert system.graph().dependencies("a.it") == (Id("a", "clock"),)
    with system.started() as live:
        assert live["a.it"] == {"clock": live["a.clock"], "now": {"hour": 12}, "hour": 12}


def test_others_see_what_resolve_makes() -> None:
    """A tag gives what any reference gives: what others see of the instance."""
    shy: Any = Component(dict, tags=["shy"], resolve=lambda _: "seen")
    system = System({"a": {"shy": shy, "it": given(one=one_tagged("shy"), all=tagged("shy"))}})
    with system.started() as live:
        assert live["a.it"] == {"one": "seen", "all": {Id("a", "shy"): "seen"}}


def test_tags_in_nested_data_and_constants() -> None:
    """A tag may be referred to wherever a component may."""
    a = {
        "page": carrying("page"),
        "constant": {"pages": [tagged("page")]},
        "it": given(
            deep=[{"x": (tagged("page"),)}], built=build(list, tagged("page")), through=ref("a.constant.pages.0")
        ),
    }
    pages: dict[Id, Any] = {Id("a", "page"): {}}
    with System({"a": a}).started() as live:
        assert live["a.it"] == {"deep": [{"x": (pages,)}], "built": [Id("a", "page")], "through": pages}
        assert live["a.constant"] == {"pages": [pages]}


def test_what_is_off_carries_no_tag() -> None:
    """`tagged` passes over what is off, and one that is on is the only one for `one_tagged`."""
    a = {
        "on": carrying("page"),
        "off": off("page"),
        "it": given(all=tagged("page"), one=one_tagged("page", optional=True)),
    }
    system = System({"a": a})
    with system.started() as live:
        assert live["a.it"] == {"all": {Id("a", "on"): {}}, "one": {}}
    with system.override({"a.on.enabled": False}).started() as live:
        assert live["a.it"] == {"all": {}, "one": None}


def test_tag_that_is_ambiguous() -> None:
    """Where one is meant and several carry the tag, the error lists them all."""
    a = {"x": carrying("db"), "it": given(db=one_tagged("db")), "y": carrying("db"), "z": off("db")}
    problem = only_problem(System({"a": a}))
    assert (problem.error, problem.id, problem.path) == (AmbiguousReference, Id("a", "it"), ("config", "db"))
    assert problem.details == {"tag": "db", "candidates": ["a.x", "a.y"]}
    assert "a.x, a.y" in problem.what


def test_ambiguous_tag_is_an_error_even_where_it_is_optional() -> None:
    """Optional is for none, not for several."""
    a = {"x": carrying("db"), "y": carrying("db"), "it": given(db=one_tagged("db", optional=True))}
    assert only_problem(System({"a": a})).error is AmbiguousReference


def test_ambiguity_ends_when_one_is_switched_off_or_loses_the_tag() -> None:
    """The remedies that the error names are remedies."""
    system = System({"a": {"x": carrying("db"), "y": carrying("db"), "it": given(db=one_tagged("db"))}})
    changes: list[dict[str, Any]] = [{"a.y.enabled": False}, {"a.y.tags": []}, {"a.it.config.db": ref("a.x")}]
    for change in changes:
        assert system.override(change).check() == []


@pytest.mark.parametrize("make", [tagged, one_tagged])
def test_tag_that_nothing_carries(make: Any) -> None:
    """A tag that nothing carries is an error with near misses; optional, it is nothing."""
    a = {"x": carrying("page"), "it": given(it=make("pgae"))}
    problem = only_problem(System({"a": a}))
    assert (problem.error, problem.id, problem.path) == (UnknownReference, Id("a", "it"), ("config", "it"))
    assert problem.details["candidates"] == ["page"]
    assert "Did you mean page?" in problem.hint
    assert "optional=True" in problem.hint
    with System({"a": {**a, "it": given(it=make("pgae", optional=True))}}).started() as live:
        assert live["a.it"] == {"it": {} if make is tagged else None}


def test_one_tagged_that_is_off() -> None:
    """Where the only one that carries the tag is off, that is the error, with the reason."""
    system = System({
        "env": {"mail": False},
        "a": {"x": Component(dict, tags=["mail"], enabled=ref("env.mail")), "it": given(it=one_tagged("mail"))},
    })  # fmt: skip
    problem = only_problem(system)
    assert problem.error is ReferenceToOff
    assert "a.x" in problem.what
    assert "env.mail is False" in problem.what


def test_path_behind_a_tag_that_leads_nowhere() -> None:
    """What is to be reached in an instance is known only when it runs: the start of who refers to it fails."""
    system = System({"a": {"clock": carrying("clock", now=12), "it": given(it=one_tagged("clock", "nwo"))}})
    assert system.check() == []
    with pytest.raises(StartError, match=r"(?s)a\.clock\.nwo leads nowhere.*now"):
        system.start()


def test_component_cannot_refer_to_a_tag_of_its_own() -> None:
    """A component is not handed itself: its own tag is a cycle."""
    problem = only_problem(System({"a": {"x": carrying("page", all=tagged("page")), "y": carrying("page")}}))
    assert (problem.error, problem.details["cycle"], problem.path) == (CycleError, ["a.x"], ("config", "all"))


def test_cycle_through_tags() -> None:
    """A circle of tags is a cycle, drawn with the places of the references."""
    a = {"x": carrying("one", to=tagged("two")), "y": carrying("two", to=[one_tagged("one")])}
    problem = only_problem(System({"a": a}))
    assert problem.details == {"cycle": ["a.x", "a.y"], "reasons": ["config.to", "config.to.0"]}


def test_tags_that_come_later() -> None:
    """Tags may be given by an override, by `replace` and by a base; references to them follow."""
    system = System({"a": {"x": carrying("page"), "y": given()}, "b": {"it": given(all=tagged("page"))}})

    def found(system: System) -> list[str]:
        return [str(id) for id in system.graph().dependencies("b.it")]

    assert found(system) == ["a.x"]
    assert found(system.override({"a.y.tags": ["page"]})) == ["a.x", "a.y"]
    assert found(system.override({"a.x": given().replace(tags=["page", "more"])})) == ["a.x"]
    assert found(system.add({"a.z": carrying("page")})) == ["a.x", "a.z"]
    assert found(system.merge(System({"c": {"x": carrying("page")}}))) == ["a.x", "c.x"]
    by_base = System({"a": {"x": given(), "y": given()}, "env": {"all": tagged("page")}}, base={"tags": ["page"]})
    assert by_base.graph().dependencies("env.all") == (Id("a", "x"), Id("a", "y"))


def test_base_that_gives_a_tag_to_who_refers_to_it() -> None:
    """A base gives its tags to every component: also to the one that refers to them, which is a cycle."""
    system = System({"a": {"x": given(), "it": given(all=tagged("page"))}}, base={"tags": ["page"]})
    assert only_problem(system).error is CycleError


def test_tags_hold_within_one_system() -> None:
    """In a subsystem a tag means what carries it there; as an import, it means what carries it in the system around."""
    inner = System(
        {"env": {"all": required}, "a": {"x": carrying("page"), "it": given(own=tagged("page"), given=ref("env.all"))}}
    )
    system = System(
        {
            "apps": {"one": subsystem(inner, {"env.all": tagged("page")}), "two": subsystem(inner, {"env.all": {}})},
            "a": {"y": carrying("page"), "it": given(all=tagged("page"))},
        }
    )
    with system.started() as live:
        assert list(live["a.it"]["all"]) == [Id("a", "y")]
        assert [str(id) for id in live["apps.one.a.it"]["own"]] == ["apps.one.a.x"]
        assert [str(id) for id in live["apps.one.a.it"]["given"]] == ["a.y"]
        assert [str(id) for id in live["apps.two.a.it"]["own"]] == ["apps.two.a.x"]


def test_tag_is_shown_as_it_was_written() -> None:
    """A description has the reference, and of a live system what it refers to now."""
    system = System(
        {"a": {"x": carrying("page", n=1), "it": given(all=tagged("page")), "one": one_tagged("page", "n")}}
    )
    assert system.describe()["a.it"].config == {"all": tagged("page")}
    assert "all=tagged('page')" in str(system.describe()["a.it"])
    assert system.describe()["a.x"].tags == {"page"}
    assert system.describe()["a.one"].kind == "alias"
    with system.started() as live:
        assert live.describe()["a.it"].resolved == {"all": {Id("a", "x"): {"n": 1}}}
        assert live.describe()["a.one"].resolved == 1


def test_tags_are_references() -> None:
    """They are data, compared by what they say, and refused where no reference may stand."""
    assert (is_ref(tagged("a")), is_ref(one_tagged("a", "b"))) == (True, True)
    assert tagged("a") == tagged("a")
    assert hash(one_tagged("a", "b")) == hash(one_tagged("a", "b"))
    assert len({tagged("a"), one_tagged("a"), tagged("b"), one_tagged("a", "b"), tagged("a", optional=True)}) == 5
    assert [repr(tagged("a")), repr(one_tagged("a", "b.c", optional=True))] == [
        "tagged('a')",
        "one_tagged('a', 'b.c', optional=True)",
    ]
    with pytest.raises(TypeError, match="cannot be part of a text"):
        f"{tagged('a')}"
    with pytest.raises(BadArguments, match="a key of a dict"):
        given(x={tagged("a"): 1})


@pytest.mark.parametrize("tag", ["", None, 3, ["a"]])
def test_tag_is_text(tag: Any) -> None:
    """Anything but text that is not empty is refused at once."""
    for make in (tagged, one_tagged):
        with pytest.raises(BadId, match="cannot be a tag"):
            make(tag)


def test_path_behind_a_tag_is_a_path() -> None:
    """What is to be reached is written as for `ref`."""
    assert one_tagged("a", "b.c") == one_tagged("a", "b", "c")
    assert one_tagged("a", 'b."c.d"') == one_tagged("a", "b", "c.d")
    with pytest.raises(BadId):
        one_tagged("a", "")


def test_references_by_tag_fit_any_argument() -> None:
    """They are typed Any: a checked call takes them for a parameter of any type."""

    @component
    def site(port: int, pages: dict[Id, str]) -> tuple[int, list[str]]:
        return port, list(pages.values())

    web = {"env": carrying("env", port=80), "site": site(port=one_tagged("env", "port"), pages=tagged("page"))}
    system = System({"web": web, "pages": {"a": Component(lambda: "A", tags=["page"])}})
    with system.started() as live:
        assert live["web.site"] == (80, ["A"])


# --- Any composition ----------------------------------------------------------------------------------------------------

GROUPS, NAMES, TAGS, KEYS = ("env", "a", "b"), ("x", "y", "z"), ("t", "u"), ("k", "l")


@st.composite
def references(draw: st.DrawFn) -> Any:
    """A reference of any kind; most of them lead to something."""
    optional = draw(st.booleans())
    kind = draw(st.sampled_from(["ref", "ref", "ref", "group", "local", "tagged", "one"]))
    deeper = draw(st.lists(st.sampled_from(KEYS), max_size=2)) if draw(st.booleans()) else []
    if kind == "group":
        return ref(draw(st.sampled_from(GROUPS)), optional=optional)
    if kind == "local":
        return local_ref(draw(st.sampled_from(NAMES)), *deeper, optional=optional)
    if kind == "tagged":
        return tagged(draw(st.sampled_from(TAGS)), optional=optional)
    if kind == "one":
        return one_tagged(draw(st.sampled_from(TAGS)), *deeper, optional=optional)
    return ref(draw(st.sampled_from(GROUPS)), draw(st.sampled_from(NAMES)), *deeper, optional=optional)


VALUES = st.recursive(
    st.sampled_from([True, False, 1, Secret("open sesame"), required]) | references(),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def components(draw: st.DrawFn) -> Any:
    """A component with references, tags and a switch."""
    config = draw(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2))
    flags = st.builds(ref, st.just("env"), st.sampled_from(NAMES))
    enabled = draw(st.sampled_from([True, True, False]) | flags)
    return Component(dict, config=config, tags=draw(st.sets(st.sampled_from(TAGS), max_size=1)), enabled=enabled)


def members(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A group."""
    return st.dictionaries(st.sampled_from(NAMES), nodes, min_size=1)


SYSTEMS = st.builds(
    lambda env, a, b: System({"env": env, "a": a, "b": b}),
    members(st.booleans() | VALUES),
    members(components() | references()),
    members(components()),
)


def mended(system: System) -> System:
    """The system with all that has a problem exchanged, so that there is something to start."""
    problems = system.check()
    while problems:
        system = system.override(
            {problem.id: True if problem.id.group == "env" else given() for problem in problems if problem.id}
        )
        problems = system.check()
    return system


@examples(SYSTEMS)
def test_what_passes_the_check_starts(system: System) -> None:
    """Whatever aliases, tags, flags and paths are put together: what fails for reasons of the definition is found before.

    Only a path into an instance is left, because nobody knows what is there before it runs.
    """
    assert "open sesame" not in f"{system.describe()}{system.check()}"
    system = mended(system)
    graph = system.graph()
    assert [part for part in map(str, system) if part not in str(graph)] == []
    assert "" not in (graph.mermaid(), graph.dot())
    failed: set[type[Exception]] = set()
    try:
        with system.started() as live:
            assert "open sesame" not in str(live.describe())
            assert {id for id in system if id not in graph.off} == set(graph.ids)
    except StartError as error:
        failed = {type(leaf) for leaf in error.exceptions}
    assert failed <= {BrokenReference}
    for id in graph.ids:
        assert system.select(id).check() == []
