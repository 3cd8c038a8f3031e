"""A base: what is merged under every component of a system, and what a component says itself."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainspring import (
    BadArguments,
    BadComponent,
    Component,
    Context,
    CycleError,
    DefinitionError,
    Id,
    MergeConflict,
    RequiredMissing,
    Secret,
    Signal,
    StartError,
    System,
    UnknownReference,
    component,
    local_ref,
    ref,
    required,
    subsystem,
)


def given(**config: Any) -> Any:
    """A component whose instance is the config it was started with."""
    return Component(dict, config=config)


def plain(**slots: Any) -> Any:
    """A component without config that has these slots."""
    return Component(dict, **slots)


@component
def pool(dsn: Any = "default", size: int = 1) -> tuple[Any, int]:
    """A component that gives back its two arguments."""
    return dsn, size


@component
def strict_pool(dsn: Any) -> Any:
    """A component with an argument that it cannot do without."""
    return dsn


def noting(log: list[str], note: str) -> Callable[..., Any]:
    """A handler that writes a note."""

    def handler(instance: Any) -> str:
        log.append(note)
        return note

    return handler


def instances(system: System, group: str) -> dict[str, Any]:
    """What a group of a system is when it runs."""
    with system.started() as live:
        return dict(live[group])


def only_problem(system: System) -> Any:
    """The one problem that a system has."""
    (problem,) = system.check()
    return problem


# --- Config -------------------------------------------------------------------------------------------------------------


def test_config_goes_to_parameters_of_that_name() -> None:
    """A value in the base's config is the argument of every component that has such a parameter and does not give it."""
    system = System({"a": {"x": pool(), "y": pool(size=3), "z": pool(dsn="own")}}, base={"config": {"dsn": "base"}})
    assert instances(system, "a") == {"x": ("base", 1), "y": ("base", 3), "z": ("own", 1)}


def test_config_passes_over_components_without_such_a_parameter() -> None:
    """A component that has no parameter of that name is left as it is, also one that takes anything."""
    system = System({"a": {"none": Component(list), "any": given(x=1)}}, base={"config": {"dsn": "base"}})
    assert system.check() == []
    assert instances(system, "a") == {"none": [], "any": {"x": 1}}


def test_config_does_not_touch_constants() -> None:
    """Constants have no config, and get nothing from the base."""
    system = System({"env": {"x": {"dsn": 1}}, "a": {"x": pool()}}, base={"config": {"dsn": "base"}})
    assert instances(system, "env") == {"x": {"dsn": 1}}


def test_required_counts_as_not_given() -> None:
    """An argument that the component says is required is given by the base."""
    system = System({"a": {"x": strict_pool(dsn=required)}}, base={"config": {"dsn": "base"}})
    assert system.check() == []
    assert instances(system, "a") == {"x": "base"}


def test_none_counts_as_given() -> None:
    """Any value of the component's own counts, also None and false ones."""
    system = System({"a": {"x": pool(dsn=None), "y": pool(dsn=0)}}, base={"config": {"dsn": "base"}})
    assert instances(system, "a") == {"x": (None, 1), "y": (0, 1)}


def test_missing_argument_is_given_by_the_base() -> None:
    """A component that was put together from its slots may leave out an argument that the base gives."""
    by_slots = Component(strict_pool.function, config={})
    assert [problem.error for problem in System({"a": {"x": by_slots}}).check()] == [BadArguments]
    assert System({"a": {"x": by_slots}}, base={"config": {"dsn": 1}}).check() == []


def test_values_are_taken_as_wholes() -> None:
    """A mapping that the component gives takes the place of the base's; the two are not mixed."""
    system = System({"a": {"x": pool(dsn={"host": "own"})}}, base={"config": {"dsn": {"host": "base", "port": 1}}})
    assert instances(system, "a") == {"x": ({"host": "own"}, 1)}


def test_every_component_has_containers_of_its_own() -> None:
    """What the base gives is a copy: of what was written, and for each component."""
    hosts = ["one"]
    system = System({"a": {"x": pool(), "y": pool()}}, base={"config": {"dsn": hosts}})
    hosts.append("two")
    found = instances(system, "a")
    assert found["x"][0] == ["one"]
    assert found["x"][0] is not found["y"][0]


def test_reference_in_a_base_makes_an_edge() -> None:
    """A reference in the base's config is one of every component that takes it, and orders them."""
    system = System(
        {"a": {"x": pool(), "own": pool(dsn=1), "without": given()}, "env": {"dsn": given(real=True)}},
        base={"config": {"dsn": ref("env.dsn")}},
    )
    assert system.graph().dependents("env.dsn") == (Id("a", "x"),)
    assert [str(step.id) for step in system.plan()] == ["a.own", "a.without", "env.dsn", "a.x"]
    assert instances(system, "a")["x"] == ({"real": True}, 1)


def test_local_reference_in_a_base_is_seen_from_each_group() -> None:
    """A local reference in the base is one into the group of the component that gets it."""
    groups = {"north": {"dsn": "N", "x": pool()}, "south": {"dsn": "S", "x": pool()}}
    with System(groups, base={"config": {"dsn": local_ref("dsn")}}).started() as live:
        assert (live["north.x"], live["south.x"]) == (("N", 1), ("S", 1))


def test_component_that_the_base_refers_to_may_need_nothing_of_it() -> None:
    """A base that refers to a component which takes that argument itself is a cycle, and is shown as one."""
    groups = {"a": {"log": pool(), "x": pool()}}
    problem = only_problem(System(groups, base={"config": {"dsn": ref("a.log")}}))
    assert (problem.error, problem.id, problem.details["cycle"]) == (CycleError, Id("a", "log"), ["a.log"])
    groups["a"]["log"] = pool(dsn="own")
    assert System(groups, base={"config": {"dsn": ref("a.log")}}).check() == []


def test_wrong_reference_in_a_base_is_a_problem_of_each_component_that_gets_it() -> None:
    """A reference in the base that leads nowhere is a problem of the components that take it, with near misses."""
    system = System({"env": {"dsn": 1}, "a": {"x": pool(), "y": given()}}, base={"config": {"dsn": ref("env.dsm")}})
    problem = only_problem(system)
    assert (problem.error, problem.id, problem.path) == (UnknownReference, Id("a", "x"), ("config", "dsn"))
    assert "env.dsn" in problem.hint


def test_required_in_a_base_is_required_of_each_component() -> None:
    """What the base says is required has to be given by every component that takes it."""
    system = System({"a": {"x": pool(), "y": pool(dsn=1), "z": given()}}, base={"config": {"dsn": required}})
    problem = only_problem(system)
    assert (problem.error, problem.id) == (RequiredMissing, Id("a", "x"))


def test_secret_in_a_base_stays_masked() -> None:
    """A secret that the base gives is handed over, and is masked wherever it is shown."""
    system = System({"a": {"x": pool()}}, base={"config": {"dsn": Secret("hunter2")}})
    with system.started() as live:
        assert live["a.x"] == ("hunter2", 1)
        assert "hunter2" not in f"{system.describe()}{live.describe()}{live.describe()['a.x'].resolved}"


# --- Handlers -----------------------------------------------------------------------------------------------------------


def test_pre_and_post_handlers_are_added() -> None:
    """The base's pre and post handlers are called before the component's own."""
    log: list[str] = []
    own = plain(pre={"stop": {"own": noting(log, "own")}}, post={"start": {"own": noting(log, "started")}})
    base = {
        "pre": {"stop": {"all": noting(log, "base")}},
        "post": {"start": {"all": noting(log, "base started")}},
    }
    with System({"a": {"x": own}}, base=base).started():
        assert log == ["base started", "started"]
    assert log == ["base started", "started", "base", "own"]


def test_handler_of_the_same_name_is_replaced() -> None:
    """A pre or post handler of the component takes the place of the base's of the same name, in the base's order."""
    log: list[str] = []
    own = plain(post={"start": {"last": noting(log, "own last"), "two": noting(log, "own two")}})
    base = {"post": {"start": {name: noting(log, name) for name in ("one", "two", "three")}}}
    with System({"a": {"x": own, "y": plain()}}, base=base).started():
        assert log == ["one", "own two", "three", "own last", "one", "two", "three"]


def test_handlers_without_a_name_have_that_of_their_function() -> None:
    """Two functions of the same name are one handler: the component's."""
    log: list[str] = []

    def announce(instance: Any) -> None:
        log.append("base")

    base = {"post": {"start": announce}}

    def other() -> Callable[[Any], None]:
        def announce(instance: Any) -> None:
            log.append("own")

        return announce

    with System({"a": {"x": plain(post={"start": other()})}}, base=base).started():
        assert log == ["own"]


def test_handlers_of_signals_are_those_of_the_component_or_the_base() -> None:
    """A component without a handler for a signal gets the base's, whichever way the two are written."""
    own = plain(handlers={"reload": lambda _: "own reload"})
    system = System(
        {"a": {"x": own, "y": plain(status=lambda _: "own status")}},
        base={"status": lambda _: "base status", "handlers": {"reload": lambda _: "base reload"}},
        signals=[Signal("reload")],
    )
    with system.started() as live:
        assert dict(live.status()) == {Id("a", "x"): "base status", Id("a", "y"): "own status"}
        reloaded = live.signal("reload")
        assert [reloaded[id].result for id in (Id("a", "x"), Id("a", "y"))] == ["own reload", "base reload"]


def test_handler_of_a_base_knows_its_component() -> None:
    """One handler serves all components: the context says which one it is called for."""
    seen: list[str] = []

    def note(instance: Any, ctx: Context = Context.here) -> None:
        seen.append(f"{ctx.signal} {ctx.id}")

    with System({"a": {"x": given(), "y": given()}}, base={"pre": {"stop": note}, "post": {"start": note}}).started():
        assert seen == ["start a.x", "start a.y"]
    assert seen[2:] == ["stop a.y", "stop a.x"]


def test_base_works_with_every_kind_of_component() -> None:
    """Generators, classes, functions and values get the base's handlers alike."""
    log: list[str] = []

    @component
    def scoped() -> Iterator[str]:
        yield "scoped"

    @component
    class Worker:
        def start(self) -> None: ...
        def stop(self) -> None: ...

    def note(instance: Any, ctx: Context = Context.here) -> None:
        log.append(f"{ctx.signal} {ctx.id.name}")

    parts = {"scoped": scoped(), "worker": Worker(), "function": pool(), "value": Component({"a": "value"})}
    with System({"a": parts}, base={"pre": {"stop": note}, "post": {"start": note}}).started():
        pass
    assert log == [f"start {name}" for name in parts] + [f"stop {name}" for name in reversed(parts)]


def test_async_handlers_in_a_base() -> None:
    """A base may have async handlers, for sync and async components, from sync and from async code."""
    log: list[str] = []

    async def note(instance: Any, ctx: Context = Context.here) -> None:
        await asyncio.sleep(0)
        log.append(f"{ctx.signal} {ctx.id.name}")

    @component
    async def waiting() -> str:
        return "waiting"

    system = System({"a": {"sync": given(), "async": waiting()}}, base={"post": {"start": note}, "pre": {"stop": note}})
    with system.started():
        assert sorted(log) == ["start async", "start sync"]
    assert sorted(log) == ["start async", "start sync", "stop async", "stop sync"]
    log.clear()

    async def main() -> None:
        async with system.started():
            assert sorted(log) == ["start async", "start sync"]

    asyncio.run(main())
    assert sorted(log) == ["start async", "start sync", "stop async", "stop sync"]


def test_resolve_of_a_base() -> None:
    """The base may say what others see of an instance, for components that do not say it."""
    groups = {"a": {"x": given(k=1), "y": plain(resolve=lambda _: "own")}}
    assert instances(System(groups, base={"resolve": lambda _: "base"}), "a") == {"x": "base", "y": "own"}


# --- Other slots --------------------------------------------------------------------------------------------------------


def test_tags_are_united() -> None:
    """A component carries its own tags and the base's."""
    system = System({"a": {"x": plain(tags=["own"]), "y": plain()}}, base={"tags": ["base"]})
    assert system.describe()["a.x"].tags == {"own", "base"}
    assert system.describe()["a.y"].tags == {"base"}
    assert [str(step.id) for step in system.plan("start", "tag:base")] == ["a.x", "a.y"]


@pytest.mark.parametrize(
    ("own", "base", "expected"),
    [
        (None, 30, {"start": 30, "stop": 30}),
        (7, 30, {"start": 7, "stop": 7}),
        (7, {"*": 30, "stop": 5}, {"start": 7, "stop": 7}),
        (None, {"*": 30, "stop": 5}, {"start": 30, "stop": 5}),
        ({"stop": 1}, {"*": 30, "stop": 5}, {"start": 30, "stop": 1}),
        ({"stop": 1}, {"start": 2, "stop": 5}, {"start": 2, "stop": 1}),
        ({"stop": 1}, 30, {"start": 30, "stop": 1}),
        ({"*": 1}, {"stop": 5}, {"start": 1, "stop": 5}),
    ],
)
def test_deadlines_are_merged_by_signal(own: Any, base: Any, expected: dict[str, float]) -> None:
    """Deadlines of the component count, signal by signal; "*" is for all signals that are not named."""
    slots = {} if own is None else {"deadlines": own}
    system = System({"a": {"x": plain(**slots)}}, base={"deadlines": base})
    for signal, seconds in expected.items():
        assert system.plan(signal).deadlines == {0: seconds}


def test_deadlines_of_the_base_count_before_those_of_the_system() -> None:
    """A system's own deadlines are for what neither the component nor the base has a deadline for."""
    system = System({"a": {"x": plain()}}, base={"deadlines": {"stop": 5}}, deadlines=60)
    assert (system.plan("start").deadlines, system.plan("stop").deadlines) == ({0: 60}, {0: 5})


def test_what_is_called_in_the_callers_thread_gets_no_deadline() -> None:
    """A component that asks for the caller's thread cannot be given up on, and is passed over by the base's deadlines."""
    system = System({"a": {"x": plain(thread="caller"), "y": plain()}}, base={"deadlines": 30})
    assert system.check() == []
    assert [system.plan().deadlines.get(at) for at in (0, 1)] == [None, 30]


def test_retry_thread_and_on_crash_are_taken_as_wholes() -> None:
    """Each of these is the component's where it has one, and else the base's."""
    own = plain(retry=5, thread="own", on_crash="keep")
    system = System({"a": {"x": own, "y": plain()}}, base={"retry": 2, "thread": "worker", "on_crash": "dependents"})
    assert [system.plan().retries[at].times for at in (0, 1)] == [5, 2]
    assert [system.describe()[id].on_crash for id in ("a.x", "a.y")] == ["keep", "dependents"]


def test_retry_of_a_base_is_tried() -> None:
    """A start that fails is tried again as the base says."""
    attempts: list[int] = []

    def start() -> str:
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError
        return "up"

    assert instances(System({"a": {"x": Component(start)}}, base={"retry": 3}), "a") == {"x": "up"}


def test_switch_in_a_base_is_for_all() -> None:
    """A base with a switch switches every component that has none of its own."""
    groups = {"env": {"on": False, "own": True}, "a": {"x": given(), "y": plain(enabled=ref("env.own"))}}
    system = System(groups, base={"enabled": ref("env.on")})
    assert [str(step.id) for step in system.plan()] == ["a.y"]
    assert [str(step.id) for step in system.override({"env.on": True}).plan()] == ["a.x", "a.y"]


def test_component_says_no_to_a_switch_in_the_base() -> None:
    """What a component says counts, also where it says what would hold without a base."""
    groups = {"a": {"x": plain(enabled=True), "y": plain()}}
    system = System(groups, base={"enabled": False})
    assert [str(step.id) for step in system.plan()] == ["a.x"]
    assert [str(step.id) for step in system.override({"a.y.enabled": True}).plan()] == ["a.x", "a.y"]
    assert [str(step.id) for step in system.with_base({"enabled": True}).plan()] == ["a.x", "a.y"]


def test_doc_of_a_base_is_for_components_without() -> None:
    """A description in the base is that of the components that have none."""
    undocumented = Component(lambda: None)
    system = System({"a": {"x": undocumented, "y": pool()}}, base={"doc": "No description."})
    assert system.describe()["a.x"].doc == "No description."
    assert system.describe()["a.y"].doc == "A component that gives back its two arguments."


def test_description_shows_what_is_in_effect() -> None:
    """What describe, graph and plan show is the component with the base; the definition stays as it was written."""
    base = {"config": {"size": 9, "dsn": ref("env.dsn")}, "tags": ["t"], "post": {"start": {"say": print}}}
    system = System({"env": {"dsn": "D"}, "a": {"x": pool(size=2)}}, base=base)
    entry = system.describe()["a.x"]
    assert entry.config == {"size": 2, "dsn": ref("env.dsn")}
    assert (entry.needs, entry.handlers) == ((Id("env", "dsn"),), ("start", "post.start.say"))
    assert "[start, post start: say]" in str(system.plan())
    assert system["a.x"] == pool(size=2)


# --- Bases over bases, and changes after --------------------------------------------------------------------------------


def test_base_over_a_base() -> None:
    """`with_base` puts a base over the one there is: it counts, where both say something."""
    log: list[str] = []
    first = {
        "config": {"dsn": "first", "size": 1},
        "tags": ["first"],
        "deadlines": 30,
        "post": {"start": {"a": noting(log, "first a"), "b": noting(log, "first b")}},
    }
    second = {
        "config": {"dsn": "second"},
        "tags": ["second"],
        "deadlines": {"stop": 5},
        "post": {"start": {"b": noting(log, "second b"), "c": noting(log, "second c")}},
    }
    system = System({"a": {"x": pool()}}, base=first).with_base(second)
    assert system.plan("start").deadlines == {0: 30}
    assert system.plan("stop").deadlines == {0: 5}
    assert system.describe()["a.x"].tags == {"first", "second"}
    assert instances(system, "a") == {"x": ("second", 1)}
    assert log == ["first a", "second b", "second c"]


def test_with_base_leaves_the_system_as_it_was() -> None:
    """A system is immutable: `with_base` gives another one."""
    system = System({"a": {"x": pool()}})
    assert instances(system.with_base({"config": {"size": 9}}), "a") == {"x": ("default", 9)}
    assert instances(system, "a") == {"x": ("default", 1)}


def test_base_is_under_what_comes_later() -> None:
    """What is overridden, added or merged in later gets the base as well."""
    system = System({"a": {"x": pool()}}, base={"config": {"dsn": "base"}})
    changed = system.override({"a.x": pool(size=3)}).add({"a.y": pool(size=4)}).merge(System({"b": {"z": pool()}}))
    with changed.started() as live:
        assert (live["a.x"], live["a.y"], live["b.z"]) == (("base", 3), ("base", 4), ("base", 1))


def test_override_counts_over_the_base() -> None:
    """What an override puts into a component is the component's own."""
    log: list[str] = []
    base = {"config": {"dsn": "base"}, "post": {"start": {"say": noting(log, "base")}}}
    system = System({"a": {"x": pool()}}, base=base)
    changed = system.override({"a.x.config.dsn": "own", "a.x.post.start.say": noting(log, "own")})
    assert instances(changed, "a") == {"x": ("own", 1)}
    assert log == ["own"]


def test_base_lets_go_of_components_that_were_overridden() -> None:
    """A system that is overridden again and again does not keep what its base was merged under each time."""

    class Handler:
        """A handler that can be watched."""

        def __call__(self, instance: Any) -> None:
            """Do nothing."""

    system = System({"a": {"x": plain()}}, base={"tags": ["t"]})
    kept: list[weakref.ref[Handler]] = []
    for _ in range(3000):
        handler = Handler()
        kept.append(weakref.ref(handler))
        assert system.override({"a.x": plain(post={"start": handler})}).check() == []
    gc.collect()
    assert sum(handler() is not None for handler in kept) <= 1


def test_merge_of_two_bases() -> None:
    """Of two systems with bases, both count; where they say different things, a winner has to be stated."""
    left = System({"a": {"x": pool()}}, base={"config": {"dsn": "left"}, "tags": ["left"]})
    right = System({"b": {"y": pool()}}, base={"config": {"dsn": "right"}})
    with pytest.raises(MergeConflict, match=r"(?s)config\.dsn.*left: 'left'.*right: 'right'"):
        left.merge(right)
    with left.merge(right, winner="right").started() as live:
        assert (live["a.x"], live["b.y"]) == (("right", 1), ("right", 1))


def test_selection_keeps_what_the_base_needs() -> None:
    """What is cut out of a system has the base, and what the base refers to for its components."""
    groups = {"env": {"dsn": "D", "on": True, "more": 1}, "a": {"x": pool(), "y": Component(list), "z": given()}}
    system = System(groups, base={"config": {"dsn": ref("env.dsn")}, "enabled": ref("env.on")})
    assert str(system.select("a.x")) == "<System: env.dsn, env.on, a.x>"
    assert str(system.select("a.y")) == "<System: env.on, a.y>"
    assert instances(system.select("a.x"), "a") == {"x": ("D", 1)}


def test_selections_know_the_tags_and_needs_of_the_base() -> None:
    """What a base gives counts in every selection: its tags name components, and what it refers to is started, too."""
    system = System(
        {"env": {"dsn": "d"}, "a": {"x": pool(), "y": plain()}, "b": {"z": plain(tags=["own"])}},
        base={"tags": ["base"], "config": {"dsn": ref("log.main")}},
    ).add({"log.main": Component(list)})
    assert system.graph().select("tag:base") == system.graph().select(["a", "b", "log"])
    assert system.graph().select("tag:own") == (Id("b", "z"),)
    live = system.start("a.x")
    assert [str(id) for id in (Id("a", "x"), Id("a", "y"), Id("log", "main")) if live.state(id) == "running"] == [
        "a.x",
        "log.main",
    ]
    assert {str(id) for id in system.select("a.x")} == {"a.x", "log.main"}


def test_base_of_what_is_selected_stays() -> None:
    """A part of a system has the whole base, for what is added to it later."""
    part = System({"a": {"x": pool(), "y": plain()}}, base={"config": {"size": 5}}).select("a.y")
    assert instances(part.add({"a.new": pool()}), "a")["new"] == ("default", 5)


def test_subsystem_has_a_base_of_its_own() -> None:
    """The base of a system is not merged under the parts of a subsystem; that of the subsystem is."""
    inner = System({"m": {"x": pool()}}, base={"config": {"dsn": "inner"}})
    system = System(
        {"a": {"sub": subsystem(inner), "bare": subsystem(System({"m": {"x": pool()}})), "x": pool()}},
        base={"config": {"dsn": "outer"}},
    )
    with system.started() as live:
        found = [live[id][0] for id in ("a.sub.m.x", "a.bare.m.x", "a.x")]
    assert found == ["inner", "default", "outer"]


def test_systems_with_equal_bases_are_equal() -> None:
    """Bases are compared as data: type-strict, whichever way their handlers are written."""
    groups = {"a": {"x": pool()}}

    def status(instance: Any) -> None: ...

    assert System(groups, base={"config": {"size": 2}}) == System(groups).with_base({"config": {"size": 2}})
    assert System(groups, base={"status": status}) == System(groups, base={"handlers": {"status": status}})
    assert System(groups, base={"config": {"size": 1}}) != System(groups, base={"config": {"size": True}})
    assert System(groups, base={"tags": ["a"]}) != System(groups, base={"tags": ["b"]})
    assert System(groups, base={"tags": ["a"]}) != System(groups)


@pytest.mark.parametrize("base", [{}, {"config": {}}, None])
def test_empty_base_is_none(base: Any) -> None:
    """A base that says nothing makes no difference."""
    groups = {"a": {"x": pool()}}
    assert System(groups, base=base) == System(groups)
    if base is not None:
        assert System(groups).with_base(base) == System(groups)


def test_base_and_component_under_an_equal_one_start_alike() -> None:
    """A base is merged anew for each component: none sees what another one has."""
    x, y = plain(tags=["x"]), plain(tags=["y"])
    system = System({"a": {"x": x, "y": y, "x2": x}}, base={"tags": ["base"]})
    assert [system.describe()[f"a.{name}"].tags - {"base"} for name in ("x", "y", "x2")] == [{"x"}, {"y"}, {"x"}]
    assert x.tags == {"x"}


# --- Errors -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slot", ["start", "stop", "scope"])
def test_base_has_no_start_stop_or_scope(slot: str) -> None:
    """Each component has a start of its own; a base cannot have one."""
    with pytest.raises(BadComponent, match=f"A base has the slot '{slot}', which each component has of its own"):
        System({}, base={slot: dict})


def test_unknown_slot_is_an_error_with_near_misses() -> None:
    """A slot that there is not is refused, and the nearest one named."""
    with pytest.raises(BadComponent, match=r"(?s)'enabeld', which there is not.*Did you mean enabled\?"):
        System({}).with_base({"enabeld": False})


@pytest.mark.parametrize(
    ("base", "error", "text"),
    [
        (3, BadComponent, "A base is a mapping of slots, not an int"),
        ({"config": 3}, BadComponent, "The config of a base is 3, not a mapping"),
        ({"config": {"x": plain()}}, BadArguments, "In the argument x: the definition of a component"),
        ({"enabled": 3}, BadComponent, "A base does not fit together: enabled is 3"),
        ({"tags": "slow"}, BadComponent, "A base does not fit together: its tags are 'slow'"),
        ({"deadlines": {"stop": -1}}, BadComponent, "-1 is given as a deadline"),
        ({"pre": {"stop": {"x": 3}}}, BadComponent, r"its pre\.stop\.x handler is 3, which cannot be called"),
    ],
)
def test_base_that_does_not_fit_together_is_an_error_at_once(base: Any, error: type[Exception], text: str) -> None:
    """What is wrong with a base in itself is said where it is given, and not laid to some component."""
    with pytest.raises(error, match=text):
        System({}, base=base)


def test_component_that_does_not_go_with_the_base_is_a_problem() -> None:
    """Where base and component do not go together, the check says which component, and that it is the base."""
    system = System({"a": {"x": plain(deadlines=3), "y": plain()}}, base={"thread": "caller"})
    problem = only_problem(system)
    assert (problem.error, problem.id) == (BadComponent, Id("a", "x"))
    assert problem.site is not None
    assert "base" in problem.hint
    with pytest.raises(DefinitionError):
        system.start()
    assert system.override({"a.x.deadlines": None}).check() == []


def test_all_components_that_do_not_go_with_the_base_are_reported() -> None:
    """All problems are found at once, in the order as written."""
    groups = {"a": {name: plain(deadlines=3) for name in "xyz"}}
    problems = System(groups, base={"thread": "caller"}).check()
    assert [problem.id for problem in problems] == [Id("a", "x"), Id("a", "y"), Id("a", "z")]


def test_signal_that_the_system_does_not_have_is_a_problem() -> None:
    """A base with a handler or a deadline for an unknown signal is found by the check."""
    base = {"handlers": {"relaod": print}, "deadlines": {"stp": 1}}
    problems = System({"a": {"x": given()}}, base=base, signals=[Signal("reload")]).check()
    assert [problem.path for problem in problems] == [("deadlines", "stp"), ("handlers", "relaod")]
    assert ["Did you mean stop?" in problems[0].hint, "Did you mean reload?" in problems[1].hint] == [True, True]


@pytest.mark.parametrize(
    "slots",
    [
        {"pre": {"start": lambda ctx=Context.here: None}},
        {"post": {"start": {"told": lambda ctx=Context.here: None}}},
        {"status": lambda ctx=Context.here: None},
        {"resolve": lambda ctx=Context.here: None},
    ],
)
def test_handler_of_a_base_that_takes_the_context_alone_is_a_problem(slots: dict[str, Any]) -> None:
    """A handler gets the instance first, so that one with a parameter for the context only is told by the check."""
    problems = System({"a": {"x": plain(), "y": plain()}}, base=slots).check()
    assert [str(problem.id) for problem in problems] == ["a.x", "a.y"]
    assert "multiple values for argument 'ctx'" in problems[0].what


def test_failing_handler_of_a_base_is_a_failure_of_its_component() -> None:
    """A post-start handler of the base that raises fails the start of the component, and what was started is stopped."""
    stopped: list[str] = []

    @component
    def scoped() -> Iterator[str]:
        yield "scoped"
        stopped.append("scoped")

    def refuse(instance: Any, ctx: Context = Context.here) -> None:
        if ctx.id.name == "y":
            raise ValueError("not this one")

    system = System({"a": {"x": scoped(), "y": given(x=ref("a.x"))}}, base={"post": {"start": {"judge": refuse}}})
    with pytest.raises(StartError) as caught:
        system.start()
    (failure,) = caught.value.failures
    assert (failure.id, failure.handler) == (Id("a", "y"), "post start: judge")
    assert stopped == ["scoped"]


def test_component_lets_go_of_bases_that_came_and_went() -> None:
    """A component that is used in system after system does not keep what was merged under it each time."""

    class Handler:
        """A handler that can be watched."""

        def __call__(self, instance: Any) -> None:
            """Do nothing."""

    node = plain()
    kept: list[weakref.ref[Handler]] = []
    for _ in range(300):
        handler = Handler()
        kept.append(weakref.ref(handler))
        assert System({"a": {"x": node}}, base={"post": {"start": handler}}).check() == []
    gc.collect()
    assert sum(handler() is not None for handler in kept) <= 16


def test_base_beside_what_cannot_be_compared() -> None:
    """What a component is given is not compared with anything, so that its own == is never called."""

    class Schema:
        """A schema with an == that raises."""

        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not to be compared")

    schema = Schema()
    node: Component[Any] = Component(dict, schema=schema)
    system = System({"a": {"x": node}}, base={"tags": ["t"], "instance_schema": schema})
    assert system.check() == []
    assert system.select("tag:t").check() == []
