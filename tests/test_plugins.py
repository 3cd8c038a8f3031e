"""Plugins: what they bring to a system, what yields and what wins, and what is said of them afterwards."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

# By its module, because this directory is no package.
from test_diff import CONFIGS, DATA, NAMES, SYSTEMS, emptied, part, patched, tree_of

from mainspring import (
    BadArguments,
    BadPlugin,
    Component,
    DefinitionError,
    Id,
    Plugin,
    Secret,
    Signal,
    System,
    UnknownPlugin,
    append,
    build,
    component,
    opaque,
    prepend,
    ref,
    required,
    subsystem,
)
from mainspring._core import refs


@component
def pool(dsn: Any, *, size: Any = 10, hosts: Any = ()) -> Iterator[Any]:
    """A pool."""
    yield [dsn, size, hosts]


FAKE = opaque({"zzz": 3})


def announce(instance: Any) -> None:
    """Do nothing."""


def other(instance: Any) -> None:
    """Do nothing, in another way."""


def with_defaults(system: System, defaults: Any) -> System:
    """A system with a plugin that brings defaults only."""
    return system.with_plugins(Plugin("p", defaults=defaults))


def with_merges(system: System, merges: Any) -> System:
    """A system with a plugin that brings merges only."""
    return system.with_plugins(Plugin("p", merges=merges))


def env(value: Any) -> System:
    """A system of one constant."""
    return System({"env": {"x": value}})


# --- Defaults: what is there wins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "default", "result"),
    [
        (1, 2, 1),
        (None, 2, None),
        ({}, {"a": 1}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": {"b": 2, "c": 3}, "d": 4}, {"a": {"b": 1, "c": 3}, "d": 4}),
        ([1], [2], [1]),
        ([], [2], []),
        ({"a": 1}, 2, {"a": 1}),
        (1, {"a": 2}, 1),
        (ref("env.y"), 2, ref("env.y")),
        (required, 2, 2),
        (required, {"a": [1]}, {"a": [1]}),
        ({"a": required}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        (Secret({"user": "me"}), {"user": "you", "host": "a"}, Secret({"user": "me", "host": "a"})),
        (build(dict, a=1), {"a": 2, "b": 3}, build(dict, a=1, b=3)),
    ],
)
def test_defaults_yield_to_constants(there: Any, default: Any, result: Any) -> None:
    """A default fills what is missing in a constant, at any depth; what is there stays, and `required` is not there."""
    assert with_defaults(env(there), {"env": {"x": default}}) == env(result)


def test_defaults_bring_what_is_missing() -> None:
    """A default for what does not exist is put there: a constant, a component, a whole group."""
    system = with_defaults(
        System({"env": {"a": 1}}), {"env": {"b": ref("env.a")}, "db": {"pool": pool(dsn=ref("env.a"))}}
    )
    assert list(map(str, system)) == ["env.a", "env.b", "db.pool"]
    assert system.start()["db.pool"] == [1, 10, ()]


def test_a_default_component_yields_to_what_is_there() -> None:
    """A default that is a component does not touch one that exists, nor a constant, but stands in for what is required."""
    given = {"db": {"pool": pool(dsn="default")}}
    assert with_defaults(System({"db": {"pool": "fake"}}), given)["db.pool"] == "fake"
    assert with_defaults(System({"db": {"pool": pool(dsn="own")}}), given)["db.pool"] == pool(dsn="own")
    assert with_defaults(System({"db": {"pool": required}}), given)["db.pool"] == pool(dsn="default")


def test_defaults_for_a_config() -> None:
    """A default gives an argument where the component has none, or says that it is required."""
    system = System({"db": {"pool": pool(dsn=required, hosts={"a": 1})}})
    filled = with_defaults(system, {"db": {"pool": {"config": {"dsn": "d", "size": 3, "hosts": {"a": 2, "b": 3}}}}})
    assert filled["db.pool"].config == {"dsn": "d", "size": 3, "hosts": {"a": 1, "b": 3}}


@pytest.mark.parametrize(
    ("own", "default", "result"),
    [
        ({}, {"status": announce}, {"status": announce}),
        ({"status": other}, {"status": announce}, {"status": other}),
        ({"handlers": {"reload": other}}, {"handlers": {"dump": other}}, {"handlers": {"reload": other, "dump": other}}),
        ({"post": {"start": {"a": other}}}, {"post": {"start": {"a": announce, "b": announce}}},
         {"post": {"start": {"b": announce, "a": other}}}),
        ({"pre": {"stop": other}}, {"pre": {"start": [announce]}}, {"pre": {"stop": other, "start": announce}}),
        ({"tags": ["a"]}, {"tags": ["b"]}, {"tags": ["a", "b"]}),
        ({"tags": ["a"]}, {"tags": append(["b"])}, {"tags": ["a", "b"]}),
        ({"deadlines": {"start": 1}}, {"deadlines": {"start": 2, "stop": 3}}, {"deadlines": {"start": 1, "stop": 3}}),
        ({"deadlines": 1}, {"deadlines": {"stop": 3}}, {"deadlines": 1}),
        ({"doc": "Own."}, {"doc": "Default."}, {"doc": "Own."}),
        ({}, {"retry": 3, "thread": "own"}, {"retry": 3, "thread": "own"}),
        ({"retry": 2}, {"retry": 3}, {"retry": 2}),
        ({}, {"enabled": ref("env.on")}, {"enabled": ref("env.on")}),
        ({"enabled": False}, {"enabled": ref("env.on")}, {"enabled": False}),
        ({}, {"on_crash": "keep"}, {"on_crash": "keep"}),
        ({"on_crash": "stop"}, {"on_crash": "keep"}, {"on_crash": "stop"}),
        ({}, {"schema": {"a": int}, "cached": True}, {"schema": {"a": int}, "cached": True}),
        ({}, {}, {}),
    ],
)  # fmt: skip
def test_defaults_for_slots(own: dict[str, Any], default: dict[str, Any], result: dict[str, Any]) -> None:
    """A default gives a slot that the component has not given: handlers by name, tags united, deadlines by signal."""
    assert with_defaults(System({"a": {"b": part(**own)}}), {"a": {"b": default}}) == System(
        {"a": {"b": part(**result)}}
    )


def test_a_default_stop_is_for_what_has_none() -> None:
    """A start that stands alone gets a stop by default; a scope has its own, and nothing gets another start."""
    default = {"db": {"pool": {"stop": announce, "start": print, "scope": pool.__wrapped__}}}
    bare = with_defaults(System({"db": {"pool": Component(dict)}}), default)["db.pool"]
    assert (bare.start, bare.stop) == (dict, announce)
    own = Component(dict, other)
    assert with_defaults(System({"db": {"pool": own}}), default)["db.pool"].stop is other
    assert with_defaults(System({"db": {"pool": pool(dsn=1)}}), default)["db.pool"] == pool(dsn=1)


# --- Merges: the plugin wins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "merge", "result"),
    [
        (1, 2, 2),
        ({"a": {"b": 1}, "x": 0}, {"a": {"b": 2, "c": 3}, "d": 4}, {"a": {"b": 2, "c": 3}, "x": 0, "d": 4}),
        ([1, 2], [3], [3]),
        ({"a": 1}, 2, 2),
        (1, {"a": 2}, {"a": 2}),
        (ref("env.y"), {"a": 1}, {"a": 1}),
        (1, ref("env.y"), ref("env.y")),
        (1, True, True),
        (Secret({"user": "me", "host": "a"}), {"user": "you"}, Secret({"user": "you", "host": "a"})),
        (build(dict, a=1, b=2), {"a": 3}, build(dict, a=3, b=2)),
        ({"a": 1}, FAKE, FAKE),
    ],
)
def test_merges_win_over_constants(there: Any, merge: Any, result: Any) -> None:
    """A merge replaces what is there, dicts key by key, anything else as a whole."""
    assert with_merges(env(there), {"env": {"x": merge}}) == env(result)


def test_merges_for_a_component() -> None:
    """A merge replaces arguments and slots of a component, and adds what it has not; the rest stays."""
    own: Any = pool(dsn="own", hosts={"a": 1, "b": 2}).replace(post={"start": {"one": other, "two": other}}, tags=["x"])
    merges = {
        "db": {
            "pool": {
                "config": {"dsn": "merged", "size": 3, "hosts": {"a": 5}},
                "post": {"start": {"two": announce, "three": announce}},
                "tags": ["y"],
                "suspend": announce,
            }
        }
    }
    merged = with_merges(System({"db": {"pool": own}}), merges)["db.pool"]
    assert merged.config == {"dsn": "merged", "size": 3, "hosts": {"a": 5, "b": 2}}
    assert merged.post == {"start": {"one": other, "two": announce, "three": announce}}
    assert merged.tags == {"x", "y"}
    assert merged.handlers == {"suspend": announce}
    assert (merged.scope, merged.doc) == (own.scope, "A pool.")


def test_a_component_is_replaced_by_another_component_or_value() -> None:
    """A merge that is a component, or no mapping, stands in the place of the component as a whole."""
    system = System({"db": {"pool": pool(dsn=1)}, "env": {"x": 1}})
    merged = with_merges(system, {"db": {"pool": "fake"}, "env": {"x": pool(dsn=2)}})
    assert merged == System({"db": {"pool": "fake"}, "env": {"x": pool(dsn=2)}})


def test_what_a_merge_does_not_touch_is_shared() -> None:
    """Parts that a plugin does not speak of are the same objects as before."""
    system = System({"db": {"pool": pool(dsn=1), "spare": pool(dsn=2)}})
    assert with_merges(system, {"db": {"pool": {"config": {"size": 3}}}})["db.spare"] is system["db.spare"]


# --- Lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bring", [with_defaults, with_merges])
@pytest.mark.parametrize(
    ("there", "mark", "result"),
    [
        ([1], append([2, 3]), [1, 2, 3]),
        ([1], prepend([2, 3]), [2, 3, 1]),
        ((1,), append([2]), (1, 2)),
        (required, append([1]), [1]),
        ({}, {"a": prepend([1])}, {"a": [1]}),
        (
            {"a": {"b": [ref("env.y")]}},
            {"a": {"b": append([ref("env.z")])}},
            {"a": {"b": [ref("env.y"), ref("env.z")]}},
        ),
        (Secret([1]), append([2]), Secret([1, 2])),
    ],
)
def test_marked_lists_are_put_together(bring: Any, there: Any, mark: Any, result: Any) -> None:
    """`append` and `prepend` add to the list that is there, in defaults as in merges; a list that is missing is empty."""
    assert bring(env(there), {"env": {"x": mark}}) == env(result)


@pytest.mark.parametrize("bring", [with_defaults, with_merges])
def test_marked_lists_in_a_config(bring: Any) -> None:
    """An argument that is a list is added to; one that is not given is made."""
    system = System({"db": {"pool": pool(dsn=["a"])}})
    made = bring(
        system, {"db": {"pool": {"config": {"dsn": append(["b"]), "hosts": prepend(["h"])}}}, "env": {"l": append([1])}}
    )
    assert made["db.pool"].config == {"dsn": ["a", "b"], "hosts": ["h"]}
    assert made["env.l"] == [1]


def test_lists_of_several_plugins() -> None:
    """Each plugin adds to what those before it have left."""
    plugins = [Plugin(name, merges={"env": {"x": mark}}) for name, mark in
               [("a", append([2])), ("b", prepend([0])), ("c", append([3]))]]  # fmt: skip
    assert env([1]).with_plugins(*plugins) == env([0, 1, 2, 3])


@pytest.mark.parametrize(
    ("there", "shown"),
    [
        (80, "80"),
        ({"a": 1}, "{'a': 1}"),
        (ref("env.y"), "ref('env.y')"),
        (None, "None"),
        (Secret("hunter2"), "a secret"),
    ],
)
def test_a_mark_onto_something_else(there: Any, shown: str) -> None:
    """Adding to what is no list is an error that names the plugin, the place, and both sides; a secret is not shown."""
    with pytest.raises(BadPlugin) as caught:
        with_merges(env({"k": there}), {"env": {"x": {"k": append(["new"])}}})
    assert str(caught.value).startswith(
        f"env.x, k: The plugin p has merges with ['new'] to append, and what is there is no list: {shown}."
    )
    assert caught.value.problems[0].details == {"plugin": "p", "path": "env.x.k"}


def test_a_mark_within_a_secret_shows_nothing() -> None:
    """What stands inside a secret is a secret too, in an error."""
    with pytest.raises(BadPlugin) as caught:
        with_merges(env(Secret({"k": "hunter2"})), {"env": {"x": {"k": append([1])}}})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("items", ["ab", b"ab", 3, {"a": 1}, ref("env.x")])
@pytest.mark.parametrize("mark", [append, prepend])
def test_a_mark_takes_several_items(mark: Any, items: Any) -> None:
    """`append` and `prepend` take a list; a text would be taken apart, and is refused with a hint."""
    with pytest.raises(BadArguments, match="is not given several items"):
        mark(items)


@pytest.mark.parametrize("place", [lambda mark: env(mark), lambda mark: pool(dsn=[mark])])
def test_a_mark_outside_of_a_plugin(place: Any) -> None:
    """A mark in a system or an argument is an error, where it would mean nothing."""
    with pytest.raises(DefinitionError, match=r"ppend\(...\) or prepend\(...\)"):
        place(append([1]))


def test_a_mark_inside_a_list() -> None:
    """A mark that stands in a list, and not in its place, is an error."""
    with pytest.raises(BadPlugin, match=r"env.new, 0: The plugin p has merges that cannot stand there: append"):
        with_merges(env(1), {"env": {"new": [append([1])]}})


# --- Base, signals, update --------------------------------------------------------------------------------------------


def test_the_base_of_a_plugin() -> None:
    """A plugin's base is put over the one there is: named handlers are added, those of one name replaced."""
    calls: list[str] = []

    def say(text: str) -> Any:
        return lambda instance: calls.append(text)

    system = System(
        {"db": {"pool": Component(dict, post={"start": {"own": say("own")}})}},
        base={"post": {"start": {"log": say("base"), "count": say("count")}}},
    )
    system.with_plugins(Plugin("p", base={"post": {"start": {"log": say("plugin"), "trace": say("trace")}}})).start()
    assert calls == ["plugin", "count", "trace", "own"]


def test_the_signals_of_a_plugin() -> None:
    """A plugin can bring rows of the signal table along, and handlers for them."""
    reload = Signal("reload")
    plugin = Plugin("p", signals=[reload], base={"handlers": {"reload": lambda instance: "reloaded"}})
    live = System({"a": {"b": Component(dict)}}, plugins=[plugin]).start()
    assert live.signal("reload")["a.b"].result == "reloaded"


def test_one_row_from_two_plugins() -> None:
    """The same row brought twice is one row; another row of the name is an error."""
    one, two = Plugin("one", signals=[Signal("reload")]), Plugin("two", signals=[Signal("reload")])
    assert "reload" in System({}, plugins=[one, two]).signals
    three = Plugin("three", signals=[Signal("reload", "dependents first")])
    with pytest.raises(BadPlugin, match="The plugin three has a signal 'reload', and the system has another row"):
        System({}, plugins=[one, three])
    with pytest.raises(BadPlugin, match="has a signal 'start'"):
        System({}, plugins=[Plugin("p", signals=[Signal("start")])])


def test_an_update_comes_last() -> None:
    """The update of a plugin sees its defaults, merges, base and signals, and what it returns is the system."""
    seen: list[System] = []

    def update(system: System) -> System:
        seen.append(system)
        return system.override({"env.x": system["env.x"] + 1})

    plugin = Plugin(
        "p", defaults={"env": {"y": 5}}, merges={"env": {"x": 2}}, signals=[Signal("reload")], update=update
    )
    assert env(1).with_plugins(plugin) == System({"env": {"x": 3, "y": 5}}, signals=[Signal("reload")])
    assert seen == [System({"env": {"x": 2, "y": 5}}, signals=[Signal("reload")])]


def test_a_function_is_a_plugin() -> None:
    """A function from system to system can be given as it is; it is known by its name and its docstring."""

    def double(system: System) -> System:
        """Twice as much."""
        return system.override({"env.x": system["env.x"] * 2})

    system = env(2).with_plugins(double)
    assert system["env.x"] == 4
    (effect,) = system.explain_plugins()
    assert (effect.name.rpartition(".")[2], effect.doc) == ("double", "Twice as much.")


def test_functions_may_share_a_name() -> None:
    """Two functions of one name are two plugins; the same function twice is an error."""
    plugins: list[Any] = [lambda system: system, lambda system: system]
    names = [effect.name.rpartition(".")[2] for effect in env(1).with_plugins(*plugins).explain_plugins()]
    assert names == ["<lambda>", "<lambda>-2"]
    with pytest.raises(BadPlugin, match="was applied to this system before"):
        env(1).with_plugins(plugins[0], plugins[0])


@pytest.mark.parametrize(
    ("update", "said"),
    [
        (lambda system: None, "returned None, which is no System"),
        (lambda system: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda system: system.override({"env.z": 1}), r"does not fit the system.\n +The override env.z names env.z"),
    ],
)
def test_an_update_that_fails(update: Any, said: str) -> None:
    """An update that returns no system, or raises, is an error that names the plugin and has the cause."""
    with pytest.raises(BadPlugin, match=f"The update of the plugin p {said}") as caught:
        env(1).with_plugins(Plugin("p", update=update))
    assert (caught.value.__cause__ is None) == (said.startswith("returned"))


def test_a_factory_that_was_not_called() -> None:
    """A function that makes a plugin, given in its place, is an error that says to call it."""

    def caching(size: int = 3) -> Plugin:
        return Plugin("caching")

    with pytest.raises(BadPlugin, match=r"write .*caching\(\)"):
        env(1).with_plugins(caching)  # type: ignore[arg-type]


def test_an_update_that_applies_plugins() -> None:
    """An update may apply further plugins; they are recorded before it."""
    inner = Plugin("inner", defaults={"env": {"y": 1}})
    outer = Plugin("outer", update=lambda system: system.with_plugins(inner))
    assert [effect.name for effect in env(1).with_plugins(outer).explain_plugins()] == ["inner", "outer"]


def test_an_update_that_begins_anew() -> None:
    """A system that an update made from nothing has the plugins before it on record."""
    first = Plugin("first", defaults={"env": {"y": 1}})
    second = Plugin("second", update=lambda system: System({"new": {"z": 1}}))
    system = env(1).with_plugins(first, second)
    assert system == System({"new": {"z": 1}})
    assert [effect.name for effect in system.explain_plugins()] == ["first", "second"]


# --- Subsystems -------------------------------------------------------------------------------------------------------


def nested() -> System:
    """A system with another in it."""
    billing = System({"env": {"dsn": required, "more": 1}, "db": {"pool": pool(dsn=ref("env.dsn"))}})
    return System({"env": {"dsn": "outer"}, "app": {"billing": subsystem(billing, {"env.dsn": ref("env.dsn")})}})


def test_a_plugin_reaches_into_a_subsystem() -> None:
    """Under the name of a subsystem stand its groups; defaults yield in there, merges win, also over its imports."""
    inner = {"env": {"more": 2, "dsn": "inner"}, "db": {"pool": {"config": {"size": 3}}}}
    live = with_defaults(nested(), {"app": {"billing": inner}}).start()
    assert (live["app.billing.db.pool"], live["app.billing.env.more"]) == (["outer", 3, ()], 1)
    live = with_merges(nested(), {"app": {"billing": {**inner, "tags": ["x"]}}}).start()
    assert (live["app.billing.db.pool"], live["app.billing.env.more"]) == (["inner", 3, ()], 2)


def test_a_plugin_gives_imports_to_a_subsystem() -> None:
    """`imports` under the name of a subsystem are what the outer system gives it."""
    merges = {"app": {"billing": {"imports": {"env.dsn": "merged"}}}}
    assert with_merges(nested(), merges).start()["app.billing.db.pool"][0] == "merged"
    assert with_defaults(nested(), merges) == nested()


def test_what_does_not_fit_a_subsystem() -> None:
    """An error inside a subsystem has the whole path."""
    with pytest.raises(BadPlugin) as caught:
        with_merges(nested(), {"app": {"billing": {"db": {"pool": {"config": {"siz": 3}}}, "env": 3}}})
    shallow, deeper = caught.value.problems
    assert str(shallow).startswith("app.billing, env: The plugin p has merges for the group 'env' of the subsystem")
    assert str(deeper).startswith("app.billing.db.pool, config.siz: The plugin p has merges for the parameter 'siz'")
    assert deeper.details["path"] == "app.billing.db.pool.config.siz"


def test_slots_of_what_is_not_there_in_a_subsystem() -> None:
    """Slots under a name that a subsystem does not have are an error, with the whole path and what is near."""
    with pytest.raises(BadPlugin) as caught:
        with_merges(nested(), {"app": {"billing": {"db": {"pol": {"config": {"size": 3}}}}}})
    (problem,) = caught.value.problems
    assert str(problem).startswith(
        "app.billing.db.pol: The plugin p has merges that are slots of app.billing.db.pol, and there is no"
    )
    assert "Did you mean app.billing.db.pool?" in problem.hint


# --- What does not fit ------------------------------------------------------------------------------------------------


def test_everything_that_does_not_fit_is_told_at_once() -> None:
    """All problems of a plugin are in one error, each with the plugin, the place, and what to do."""
    plugin = Plugin(
        "metrics",
        defaults={"db": {"pool": {"confg": {"size": 1}}}, "env": {"x": append([1])}},
        merges={"db": {"pool": {"config": {"siz": 1}, "retry": "often"}}, "web": {"app": pool}},
    )
    with pytest.raises(BadPlugin) as caught:
        System({"db": {"pool": pool(dsn=1)}, "env": {"x": 1}}).with_plugins(plugin)
    whats = [problem.what for problem in caught.value.problems]
    assert all(what.startswith("The plugin metrics has ") for what in whats)
    problems = {problem.details["path"]: problem for problem in caught.value.problems}
    assert list(problems) == ["db.pool.confg", "env.x", "db.pool", "db.pool.config.siz", "web.app"]
    assert problems["db.pool.confg"].hint == "Did you mean config?"
    assert problems["db.pool.config.siz"].hint == "Did you mean size?"


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ({"retry": "often"}, "A retry does not fit together"),
        ({"enabled": "yes"}, "enabled is 'yes'"),
        ({"start": print}, "it has a scope"),
        ({"status": 3}, "cannot be called"),
        ({"config": 3}, "that give 3 as a config"),
        ({"tags": 3}, "its tags are 3"),
        ({"pre": 3}, "slots that cannot be read"),
        ({"dsn": 3}, "for the slot 'dsn'"),
        ({"y": 4}, "for the slot 'y'"),
    ],
)
def test_slots_that_do_not_fit(slots: dict[str, Any], said: str) -> None:
    """A slot that a component cannot have is an error that names the plugin and the component."""
    with pytest.raises(BadPlugin) as caught:
        with_merges(System({"db": {"pool": pool(dsn=1)}}), {"db": {"pool": slots}})
    assert said in str(caught.value)
    assert str(caught.value).startswith("db.pool")
    assert "The plugin p has merges" in str(caught.value)


def test_a_parameter_in_the_place_of_a_slot() -> None:
    """Whoever forgets `config` is told so, and whoever wants a dict in the place of a component, too."""
    system = System({"db": {"pool": pool(dsn=1)}})
    with pytest.raises(BadPlugin, match=r'It is a parameter: write {"config": {"dsn": ...}}'):
        with_merges(system, {"db": {"pool": {"dsn": 3}}})
    with pytest.raises(BadPlugin, match=r"write opaque\({...}\)"):
        with_merges(system, {"db": {"pool": {"zzz": 3}}})
    assert with_merges(system, {"db": {"pool": FAKE}})["db.pool"] is FAKE


@pytest.mark.parametrize("apply", [with_defaults, with_merges])
@pytest.mark.parametrize("slots", [{"config": {"size": 1}}, {"tags": ["x"], "post": {"start": announce}}])
@pytest.mark.parametrize(("group", "name", "near"), [("db", "pol", "Did you mean db.pool?"), ("dbb", "pool", "")])
def test_slots_of_a_component_that_there_is_not(apply: Any, slots: Any, group: str, name: str, near: str) -> None:
    """A new name with nothing but slots is a component that was named wrongly: an error, not a constant."""
    system = System({"db": {"pool": pool(dsn=1)}})
    with pytest.raises(BadPlugin) as caught:
        apply(system, {group: {name: slots}})
    (problem,) = caught.value.problems
    assert f"that are slots of {group}.{name}, and there is no such component" in problem.what
    assert near in problem.hint
    assert apply(system, {group: {name: opaque(slots)}})[f"{group}.{name}"].value == slots
    assert apply(system, {group: {name: {**slots, "more": 1}}})[f"{group}.{name}"] == {**slots, "more": 1}


@pytest.mark.parametrize(
    ("there", "shown"), [(None, "None"), (3, "an int"), (ref("db.other"), "ref('db.other')"), (FAKE, "a dict")]
)
def test_slots_over_what_is_no_component(there: Any, shown: str) -> None:
    """Merging slots into an alias, a fake or any constant but a dict is an error: it would be lost. A default yields."""
    system = System({"db": {"pool": there, "other": pool(dsn=1)}})
    with pytest.raises(BadPlugin) as caught:
        with_merges(system, {"db": {"pool": {"tags": ["x"]}}})
    (problem,) = caught.value.problems
    assert f"that are slots of db.pool, and there is no component, but {shown}" in problem.what
    assert with_defaults(system, {"db": {"pool": {"tags": ["x"]}}}) == system


def test_a_dict_that_looks_like_slots_over_a_dict() -> None:
    """Where a dict stands, one that looks like slots is data."""
    assert with_merges(env({"tags": ["y"], "a": 1}), {"env": {"x": {"tags": ["x"]}}}) == env({"tags": ["x"], "a": 1})


@pytest.mark.parametrize("apply", [with_defaults, with_merges])
@pytest.mark.parametrize(
    ("brings", "nested"),
    [
        ({"db.pool": {"config": {"size": 3}}}, '{"db": {"pool": ...}}'),
        ({"db.pool.config": {"size": 3}}, '{"db": {"pool": {"config": ...}}}'),
    ],
)
def test_a_path_in_the_place_of_a_group(apply: Any, brings: Any, nested: str) -> None:
    """What a plugin brings is nested; a path as an override takes it is an error that shows how to write it."""
    with pytest.raises(BadPlugin) as caught:
        apply(System({"db": {"pool": pool(dsn=1)}}), brings)
    (problem,) = caught.value.problems
    assert "which is a path and no group" in problem.what
    assert nested in problem.hint


def test_a_group_whose_name_has_a_dot() -> None:
    """A group with a dot in its name is one like any other where it is there, or where no group begins like it."""
    system = System({"db": {"x": 1}, "db.old": {"x": 1}})
    assert with_merges(system, {"db.old": {"x": 2}})[Id("db.old", "x")] == 2
    assert with_merges(system, {"web.new": {"x": 2}})[Id("web.new", "x")] == 2


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"name": ""}, "'' cannot name a plugin"),
        ({"name": 3}, "3 cannot name a plugin"),
        ({"defaults": 3}, "has defaults that are 3, not a mapping of groups"),
        ({"merges": {"env": 3}}, "has merges for the group env that are 3"),
        ({"merges": {3: {}}}, "has merges for a group named 3"),
        ({"merges": {"env": {3: 4}}}, "has merges for 3 in the group env"),
        ({"base": {"start": print}}, "has a base that does not fit together: A base has the slot 'start'"),
        ({"base": 3}, "has a base that does not fit together: A base is a mapping of slots"),
        ({"signals": ["reload"]}, "has signals that are no rows"),
        ({"update": 3}, "has an update that is 3, which cannot be called"),
    ],
)
def test_a_bad_plugin(parts: dict[str, Any], said: str) -> None:
    """What can be seen without a system is an error where the plugin is made."""
    with pytest.raises(BadPlugin) as caught:
        Plugin(**{"name": "p", **parts})
    assert said in str(caught.value)


def test_a_plugin_is_applied_once() -> None:
    """The same plugin, by name, a second time is an error, in one list as later on."""
    with pytest.raises(BadPlugin, match="The plugin p was applied to this system before"):
        System({}, plugins=[Plugin("p"), Plugin("p", doc="another")])
    with pytest.raises(BadPlugin, match="The plugin p was applied to this system before"):
        System({}, plugins=[Plugin("p")]).override({}).with_plugins(Plugin("p"))


@pytest.mark.parametrize("given", [3, None, int, ["p"]])
def test_what_is_no_plugin(given: Any) -> None:
    """Anything else in the place of a plugin is an error that says what can be given."""
    with pytest.raises(BadPlugin, match="is no plugin"):
        env(1).with_plugins(given)


# --- A plugin is a value ----------------------------------------------------------------------------------------------


def test_a_plugin_cannot_be_changed() -> None:
    """A plugin has containers of its own, and gives out copies."""
    hosts = ["a"]
    plugin = Plugin("p", defaults={"env": {"hosts": hosts}})
    hosts.append("b")
    plugin.defaults["env"]["hosts"].append("c")
    assert plugin.defaults == {"env": {"hosts": ["a"]}}
    with pytest.raises(AttributeError, match="a Plugin cannot be changed"):
        plugin.doc = "other"
    assert repr(plugin) == "<Plugin p>"
    assert Plugin("p", base={"tags": ["x"], "config": {"a": 1}}).base == {"tags": {"x"}, "config": {"a": 1}}
    assert (plugin.merges, plugin.base, plugin.signals, plugin.update, plugin.doc) == ({}, {}, (), None, None)


def test_plugins_are_compared_as_values() -> None:
    """Two plugins that bring the same are equal."""

    def make(size: int = 3, hosts: Any = ("a",), log: Any = print) -> Plugin:
        merges = {"db": {"pool": pool(dsn=size)}, "env": {"hosts": append(hosts)}}
        return Plugin("p", merges=merges, base={"post": {"start": {"log": log}}}, signals=[Signal("reload")])

    assert make() == make()
    assert hash(make()) == hash(make())
    assert make() != make(4)
    assert make() != make(hosts=["b"])
    assert make() != make(log=repr)
    assert make() != Plugin("p")


# --- Installed plugins ------------------------------------------------------------------------------------------------


def install(site: Path, package: str, points: dict[str, str], module: str) -> None:
    """Install a package, as far as finding its plugins goes."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[mainspring.plugins]", *lines, ""]))
    (site / f"{package}.py").write_text(module)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which packages are installed."""
    module = (
        "from mainspring import Plugin\n"
        "value = Plugin('value', defaults={'env': {'y': 1}})\n"
        "def factory(size=2):\n    return Plugin('factory', defaults={'env': {'z': size}})\n"
        "broken = 3\n"
        "def failing():\n    raise ValueError('no')\n"
    )
    names = ["value", "factory", "broken", "failing", "gone"]
    install(tmp_path, "plugs_one", {**{n: f"plugs_one:{n}" for n in names}, "shared": "plugs_one:value"}, module)
    install(tmp_path, "plugs_two", {"shared": "plugs_two:other", "away": "plugs_nowhere:x"}, module)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_plugin_is_found_by_name(site: Path) -> None:
    """A name is an entry point of the group `mainspring.plugins`: a plugin, or a function that gives one."""
    system = System({"env": {"x": 1}}, plugins=["value", "factory"])
    assert system == System({"env": {"x": 1, "y": 1, "z": 2}})


@pytest.mark.parametrize("one", ["value", Plugin("value", defaults={"env": {"y": 1}})], ids=str)
def test_one_plugin_needs_no_list(site: Path, one: Any) -> None:
    """A single plugin may be given as it is: a text is a name, and not its letters."""
    assert System({"env": {"x": 1}}, plugins=one) == System({"env": {"x": 1, "y": 1}})


def test_an_unknown_name(site: Path) -> None:
    """A name that is not installed is an error with near misses, and with what there is."""
    with pytest.raises(UnknownPlugin) as caught:
        env(1).with_plugins("factry")
    text = str(caught.value)
    assert text.startswith("No plugin named 'factry' is installed. Did you mean factory? Installed: away, broken, ")
    assert "schemas" in text
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", r"The plugin broken \(plugs_one:broken of plugs_one\) is 3, neither a Plugin nor"),
        ("failing", r"The plugin failing \(plugs_one:failing of plugs_one\) could not be loaded: ValueError: no"),
        ("gone", r"The plugin gone \(plugs_one:gone of plugs_one\) could not be loaded: AttributeError"),
        ("away", r"The plugin away \(plugs_nowhere:x of plugs_two\) could not be loaded: ModuleNotFoundError"),
        ("shared", "Several installed plugins are named 'shared': plugs_.*:.* of plugs_.* and plugs_"),
    ],
)
def test_an_installed_plugin_that_is_broken(site: Path, name: str, said: str) -> None:
    """An entry point that gives no plugin is an error that says which, and of which package."""
    with pytest.raises(BadPlugin, match=said):
        env(1).with_plugins(name)


def test_installed_plugins_are_not_looked_for_unless_named(site: Path) -> None:
    """A plugin is loaded only when it is named: making a system with a plugin at hand reads no entry points."""
    program = (
        "import sys; from mainspring import Plugin, System;"
        "System({'env': {'x': 1}}, plugins=[Plugin('p', defaults={'env': {'y': 1}})]).explain_plugins();"
        "print(sorted({'importlib.metadata', 'plugs_one', 'mainspring.plugins'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


# --- Looking back -----------------------------------------------------------------------------------------------------


def test_each_plugin_is_explained() -> None:
    """`explain_plugins` says of each plugin, in order, what it is and what it changed."""
    system = System(
        {"env": {"pool": {"size": 3}, "key": Secret("one")}, "db": {"pool": pool(dsn=required)}},
        plugins=[
            Plugin("sizes", doc="Sizes.\n\nOf pools.", defaults={"env": {"pool": {"size": 10, "wait": 5}}}),
            Plugin("idle", defaults={"env": {"pool": {"size": 7}}}),
            Plugin("local", merges={"env": {"key": Secret("two")}, "db": {"pool": {"config": {"dsn": "sqlite:"}}}}),
        ],
    )
    report = system.explain_plugins()
    assert str(report) == (
        "sizes: Sizes.\n"
        "  + env.pool.wait: 5\n"
        "idle\n"
        "  changed nothing\n"
        "local\n"
        "  ~ env.key: Secret('***') -> another Secret('***')\n"
        "  ~ db.pool.config.dsn: required -> 'sqlite:'"
    )
    assert [(effect.name, effect.doc, len(effect.diff)) for effect in report] == [
        ("sizes", "Sizes.\n\nOf pools.", 1), ("idle", None, 0), ("local", None, 2),
    ]  # fmt: skip
    assert report[-1].name == "local"
    assert repr(report) == "<PluginReport: sizes, idle, local>"
    assert repr(report[0]) == "<PluginEffect sizes: 1 change>"


def test_a_secret_that_a_plugin_replaces_is_not_told() -> None:
    """A plain value that takes the place of a secret is mostly as secret, and is masked where a plugin is explained."""
    system = System({"env": {"x": Secret("hunter2")}}).with_plugins(Plugin("p", merges={"env": {"x": "hunter3"}}))
    assert str(system.explain_plugins()) == "p\n  ~ env.x: Secret('***') -> Secret('***'), no secret any more"


def test_a_system_without_plugins() -> None:
    """Where no plugin was applied, the report is empty and says so."""
    report = env(1).explain_plugins()
    assert (len(report), str(report), repr(report)) == (0, "no plugins", "<PluginReport: no plugins>")


def test_a_report_as_plain_values() -> None:
    """`as_dict` gives what JSON can hold, with secrets masked."""
    system = env(1).with_plugins(Plugin("p", doc="Doc.", merges={"env": {"x": Secret("s"), "f": print}}))
    found = system.explain_plugins().as_dict()
    assert json.loads(json.dumps(found)) == found == {
        "plugins": [
            {
                "name": "p",
                "doc": "Doc.",
                "changes": [
                    {"kind": "changed", "path": "env.x", "old": "***", "new": "***"},
                    {"kind": "added", "path": "env.f", "old": None, "new": "print"},
                ],
            }
        ]
    }  # fmt: skip


def test_what_a_plugin_did_is_remembered() -> None:
    """Overriding what a plugin brought does not change what it is said to have changed; nor does it count in a comparison."""
    system = env(1).with_plugins(Plugin("p", merges={"env": {"x": 2}}))
    changed = system.override({"env.x": 3})
    assert str(changed.explain_plugins()) == "p\n  ~ env.x: 1 -> 2"
    assert changed == env(3)


def test_plugins_come_first() -> None:
    """Plugins are eager: what is overridden after them is not merged again."""
    system = System({"env": {"x": {"a": 1}}}, plugins=[Plugin("p", merges={"env": {"x": {"b": 2}}})])
    assert system.override({"env.x": {}}) == env({})


# --- Laws -------------------------------------------------------------------------------------------------------------


fewer = settings(max_examples=settings().max_examples // 2)  # than the profile says: these systems take longer
PLAIN = st.dictionaries(NAMES, st.dictionaries(NAMES, DATA, max_size=3), max_size=3)


def for_components(system: System, draw: Any) -> dict[str, Any]:
    """A tree that fits a system: slots where it has components, data elsewhere."""
    slots = st.fixed_dictionaries(
        {},
        optional={
            "config": CONFIGS,
            "tags": st.sets(NAMES, max_size=2),
            "doc": st.just("from a plugin"),
            "post": st.fixed_dictionaries(
                {"start": st.dictionaries(NAMES, st.sampled_from([print, repr]), max_size=2)}
            ),
            "deadlines": st.sampled_from([3, {"stop": 3}]),
            "status": st.sampled_from([print, repr]),
        },
    )
    tree: dict[str, Any] = draw(PLAIN)
    for group, members in system.groups.items():
        for name, node in members.items():
            if draw(st.booleans()):
                tree.setdefault(group, {})[name] = draw(slots) if isinstance(node, Component) else draw(DATA)
            elif isinstance(node, Component) and name in tree.get(group, {}):
                del tree[group][name]
    return tree


@st.composite
def systems_and_plugins(draw: Any) -> tuple[System, list[Plugin]]:
    """A system, and plugins that can be applied to it one after the other."""
    system: System = draw(SYSTEMS)
    plugins = []
    made = system
    for name in "pqr"[: draw(st.integers(1, 3))]:
        defaults = for_components(made, draw)
        between = made.with_plugins(Plugin(f"{name} before", defaults=defaults))
        plugin = Plugin(
            name,
            defaults=defaults,
            merges=for_components(between, draw),
            base=draw(st.none() | st.just({"post": {"start": {"log": print}}})),
            update=draw(
                st.sampled_from([None, lambda system: system.merge(System({"up": {"date": 1}}), winner="right")])
            ),
        )
        plugins.append(plugin)
        made = made.with_plugins(plugin)
    return system, plugins


@given(SYSTEMS)
def test_an_empty_plugin_changes_nothing(system: System) -> None:
    """A plugin that brings nothing is the identity."""
    applied = system.with_plugins(Plugin("p"))
    assert applied == system
    assert str(applied.explain_plugins()) == "p\n  changed nothing"


def yields(old: Any, new: Any) -> bool:
    """Whether everything that is in old data is in new data as it was, but for what is required."""
    if old is required:
        return True
    if isinstance(old, refs.Build) and isinstance(new, refs.Build):
        return refs.same(old.args, new.args) and yields(old.kwargs, new.kwargs)
    if type(old) is dict and type(new) is dict:
        return all(key in new and yields(value, new[key]) for key, value in old.items())
    return refs.same(old, new)


@fewer
@given(systems_and_plugins())
def test_defaults_never_change_what_is_there(given: tuple[System, list[Plugin]]) -> None:
    """Whatever a system has, it has after a plugin's defaults, but for what is required, and tags that are more."""
    system, (plugin, *_) = given
    made = system.with_plugins(Plugin("p", defaults=plugin.defaults))
    for group, members in system.groups.items():
        for name, node in members.items():
            after = made.groups[group][name]
            if isinstance(node, Component):
                assert yields(node.config, after.config)
                assert node.tags <= after.tags
                assert node.handlers.items() <= after.handlers.items()
                for signal, handlers in node.post.items():
                    assert handlers.items() <= after.post[signal].items()
                assert (node.start, node.doc) == (after.start, after.doc)
            else:
                assert yields(node, after)


def holds(wanted: Any, found: Any) -> bool:
    """Whether what was wanted is in the data that was found."""
    if isinstance(found, refs.Build) and type(wanted) is dict:
        return holds(wanted, found.kwargs)
    if type(wanted) is dict and type(found) is dict:
        return all(key in found and holds(value, found[key]) for key, value in wanted.items())
    return refs.same(wanted, found)


@fewer
@given(systems_and_plugins())
def test_merges_always_hold(given: tuple[System, list[Plugin]]) -> None:
    """Whatever a plugin merges is in the system afterwards; and again applied it changes nothing."""
    system, plugins = given
    plugin = Plugin("merging", merges=plugins[0].merges)
    before = system.with_plugins(Plugin("p", defaults=plugins[0].defaults))
    made = before.with_plugins(plugin)
    for group, members in plugin.merges.items():
        for name, wanted in members.items():
            node = made.groups[group][name]
            if isinstance(node, Component):
                assert holds(wanted.get("config", {}), node.config)
                assert wanted.get("tags", set()) <= node.tags
                assert wanted.get("post", {}).get("start", {}).items() <= node.post.get("start", {}).items()
                assert wanted.get("doc", node.doc) == node.doc
            else:
                assert holds(wanted, node)
    assert made.with_plugins(Plugin("again", merges=plugin.merges)) == made


@given(SYSTEMS, NAMES, DATA, DATA)
def test_the_order_of_plugins(system: System, name: str, one: Any, two: Any) -> None:
    """Of two plugins, the merges of the later win, and the defaults of the earlier."""
    merged = system.with_plugins(Plugin("1", merges={"g": {name: [one]}}), Plugin("2", merges={"g": {name: [two]}}))
    assert refs.same(merged.groups["g"][name], [two])
    filled = system.with_plugins(Plugin("1", defaults={"g": {name: [one]}}), Plugin("2", defaults={"g": {name: [two]}}))
    assert refs.same(filled.groups["g"][name], [one])


@fewer
@given(systems_and_plugins())
def test_applying_is_deterministic(given: tuple[System, list[Plugin]]) -> None:
    """The same plugins give the same system, one by one or all at once; and the system they are applied to stays."""
    system, plugins = given
    before = tree_of(system)
    made = system.with_plugins(*plugins)
    again = system
    for plugin in plugins:
        again = again.with_plugins(plugin)
    assert made == again == system.with_plugins(*plugins)
    assert str(made.explain_plugins()) == str(again.explain_plugins())
    assert refs.same(tree_of(system), before)


@fewer
@given(systems_and_plugins())
def test_the_diffs_lead_from_the_bare_system_to_the_last(given: tuple[System, list[Plugin]]) -> None:
    """The diffs that explain the plugins, made one after the other in the bare system, give the system with all of them."""
    system, plugins = given
    made = system.with_plugins(*plugins)
    tree = tree_of(system)
    for effect in made.explain_plugins():
        tree = patched(tree, effect.diff)
    assert refs.same(emptied(tree), emptied(tree_of(made)))


# --- What a review found ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apply", [with_defaults, with_merges])
@pytest.mark.parametrize(
    ("slots", "path"),
    [
        ({"post": {"start": {"say": announce}}}, "app.billing.post.start.say"),
        ({"pre": {"stop": {"say": announce}}}, "app.billing.pre.stop.say"),
        ({"handlers": {"status": announce}}, "app.billing.status"),
        ({"status": announce}, "app.billing.status"),
        ({"tags": ["x"]}, "app.billing.tags"),
        ({"doc": "Bills."}, "app.billing.doc"),
    ],
)
def test_the_slots_of_a_subsystem(apply: Any, slots: dict[str, Any], path: str) -> None:
    """Each slot that a subsystem has can come from a plugin, and none becomes a group in it."""
    system = apply(nested(), {"app": {"billing": slots}})
    assert [change.path.removesuffix(".0") for change in nested().diff(system)] == [path]
    assert (list(system.describe()), system.check()) == (list(nested().describe()), [])


@pytest.mark.parametrize("slots", [{"deadlines": {"start": 3}}, {"config": {"env.dsn": 3}}, {"retry": {"times": 3}}])
def test_a_slot_that_a_subsystem_has_not(slots: dict[str, Any]) -> None:
    """What only other components have is an error, and no group, unless the subsystem has a group of that name."""
    with pytest.raises(BadPlugin, match=r"for the slot '\w+', and a subsystem has none of that name"):
        with_merges(nested(), {"app": {"billing": slots}})
    (group,) = slots
    inner = System({group: {"start": 1}})
    merged = with_merges(System({"app": {"b": subsystem(inner)}}), {"app": {"b": {group: {"start": 2}}}})
    assert merged.start()[f"app.b.{group}.start"] == 2


def test_a_slot_of_a_subsystem_that_cannot_be_read() -> None:
    """It is told together with everything else that does not fit."""
    with pytest.raises(BadPlugin) as caught:
        with_merges(nested(), {"app": {"billing": {"tags": 3, "imports": 4}}, "env": {"dsn": append([1])}})
    assert [problem.details["path"] for problem in caught.value.problems] == [
        "app.billing",
        "app.billing.imports",
        "env.dsn",
    ]


@pytest.mark.parametrize("imports", [{"env": {"dsn": 3}}, {"env.dsn": 3}, {'"env".dsn': 3}, {("env", "dsn"): 3}])
def test_imports_are_written_as_for_a_subsystem(imports: Any) -> None:
    """A path, its parts, or one in the other: it is the same place, also where something is imported already."""
    merged = with_merges(nested(), {"app": {"billing": {"imports": imports}}})
    assert merged["app.billing"].imports == {"env.dsn": 3}
    assert merged.start()["app.billing.db.pool"][0] == 3


@pytest.mark.parametrize("apply", [with_defaults, with_merges])
@pytest.mark.parametrize(
    ("imports", "said"),
    [
        ({"env.dns": 3}, "The import env.dns names env.dns, which does not exist"),
        ({"emv": {"dsn": 3}}, "The import emv.dsn names the group emv"),
        ({3: 3}, "An import with the part 3"),
        (3, "that give 3 as imports"),
    ],
)
def test_imports_of_what_is_not_there(apply: Any, imports: Any, said: str) -> None:
    """An import that leads nowhere is told with the plugin and the subsystem."""
    with pytest.raises(BadPlugin) as caught:
        apply(nested(), {"app": {"billing": {"imports": imports}}})
    (problem,) = caught.value.problems
    assert str(problem).startswith("app.billing")
    assert problem.what.startswith(f"The plugin p has {'defaults' if apply is with_defaults else 'merges'} that ")
    assert said in problem.what


@pytest.mark.parametrize("apply", [with_defaults, with_merges])
@pytest.mark.parametrize("value", [{"enabled": True}, {"schema": "public"}, {"doc": "x", "tags": [ref("db.dsn")]}])
def test_a_new_dict_may_have_keys_like_slots(apply: Any, value: Any) -> None:
    """Where no component is named almost like it, and no handler is in it, a dict is data."""
    system = System({"db": {"dsn": "x", "pool": pool(dsn=1)}, "env": {"pol": 1}})
    for group, name in (("db", "search"), ("features", "search"), ("env", "poll")):
        assert apply(system, {group: {name: value}})[f"{group}.{name}"] == value
    with pytest.raises(BadPlugin, match=r"Did you mean db\.pool\?"):
        apply(system, {"db": {"pol": value}})


@pytest.mark.parametrize("slots", [{"status": announce}, {"pre": {"start": {"a": [announce]}}}, {"schema": {"x": int}}])
def test_new_slots_with_a_handler_are_no_data(slots: Any) -> None:
    """What can be called was meant for a component, whatever its name."""
    with pytest.raises(BadPlugin, match=r"that are slots of features\.search, and there is no such component"):
        with_merges(env(1), {"features": {"search": slots}})


def test_slots_for_an_alias_that_is_named_wrongly() -> None:
    """An alias is named like a component."""
    system = System({"db": {"pool": pool(dsn=1)}, "web": {"store": ref("db.pool")}})
    with pytest.raises(BadPlugin, match=r"Did you mean web\.store\?"):
        with_merges(system, {"web": {"stoer": {"tags": ["x"]}}})


class OwnSystem(System):
    """A system of another class."""


def test_a_system_of_another_class() -> None:
    """A function given as a plugin gets a plain system, and may give one, as every change of a system does."""
    seen: list[type] = []

    def more(system: System) -> System:
        seen.append(type(system))
        return system.override({"env.x": 2})

    own = OwnSystem({"env": {"x": 1}}, plugins=[more])
    assert (type(own), own["env.x"], seen) == (OwnSystem, 2, [System])
    assert type(own.with_plugins(Plugin("p"))) is type(own.override({})) is System
    assert type(own.with_plugins(Plugin("q", update=lambda _: OwnSystem({})))) is System


@pytest.mark.parametrize("given", [3, None])
def test_what_are_no_plugins(given: Any) -> None:
    """Anything but plugins is the same error in the list's place as in the list."""
    with pytest.raises(BadPlugin, match="is no plugin"):
        System({}, plugins=given)


@pytest.mark.parametrize("given", [3, None, "reload"])
def test_what_are_no_signals(given: Any) -> None:
    """What is no row, and not several, is told where the plugin is made."""
    with pytest.raises(BadPlugin, match="has signals that are no rows"):
        Plugin("p", signals=given)


def unchanged(system: System) -> System:
    """The system as it is."""
    return system


def test_a_plugin_can_be_pickled() -> None:
    """A plugin of plain parts goes to another process and is the same there."""
    plugin = Plugin(
        "p",
        doc="Plain.",
        defaults={"env": {"x": [1], "y": append([ref("env.x")])}},
        merges={"env": {"z": Secret("s")}},
        base={"tags": ["x"]},
        signals=[Signal("reload")],
        update=unchanged,
    )
    copy = pickle.loads(pickle.dumps(plugin))
    assert (copy, repr(copy)) == (plugin, "<Plugin p>")
    with pytest.raises(AttributeError, match="cannot be changed"):
        copy.name = "q"


def test_a_plugin_for_very_many() -> None:
    """Large groups and dicts are put together in one go."""
    names = [f"x{i}" for i in range(30_000)]
    system = System({"env": {"all": dict.fromkeys(names, 1)}, "many": dict.fromkeys(names, 1)})
    merged = with_merges(system, {"env": {"all": dict.fromkeys(names, 2)}, "many": dict.fromkeys(names, 2)})
    assert (merged["env.all"], dict(merged.groups["many"])) == (dict.fromkeys(names, 2), dict.fromkeys(names, 2))
