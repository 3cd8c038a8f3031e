"""Merging systems, complete: bases, options, wrappers, plugins and subsystems; and conflicts that name both sides."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from mainspring import (
    BadOverride,
    Component,
    MergeConflict,
    Plugin,
    Retry,
    Secret,
    System,
    ref,
    required,
    subsystem,
)

Parts = list[Any]


def make(**config: Any) -> Any:
    """Give the config as the instance."""
    return config


def log(*args: Any) -> None:
    """A handler."""


def other(*args: Any) -> None:
    """Another handler."""


def conflict_of(left: System, right: System) -> Any:
    """The one problem of a merge, which neither side is told to win."""
    with pytest.raises(MergeConflict) as caught:
        left.merge(right)
    [problem] = caught.value.problems
    return problem


# --- Components and constants -------------------------------------------------------------------------------------------


def test_dict_constants_are_compared_as_wholes() -> None:
    """Two dicts that are not equal are a conflict, also where no key is in both; nobody asked for them to be mixed."""
    problem = conflict_of(System({"env": {"http": {"port": 1}}}), System({"env": {"http": {"host": "a"}}}))
    assert str(problem.id) == "env.http"
    assert "left: <Constant {'port': 1}>" in problem.what
    assert "right: <Constant {'host': 'a'}>" in problem.what


@pytest.mark.parametrize("winner", [None, "left", "right"])
def test_what_one_side_requires_the_other_gives(winner: Any) -> None:
    """A place that is to be filled later is filled by the other system, whoever wins."""
    left, right = System({"env": {"x": required}}), System({"env": {"x": 1}})
    assert left.merge(right, winner=winner)["env.x"] == 1
    assert right.merge(left, winner=winner)["env.x"] == 1


@pytest.mark.parametrize("winner", [None, "left", "right"])
@pytest.mark.parametrize("given", [Component(list), subsystem(System({"a": {"b": 1}})), ref("a.y"), None])
def test_what_is_required_may_be_of_any_kind(given: Any, winner: Any) -> None:
    """The place is filled by a component, a subsystem, a reference or a value alike, and keeps its place in the group."""
    left, right = System({"a": {"x": required, "y": 2}}), System({"a": {"x": given}})
    assert left.merge(right, winner=winner) == System({"a": {"x": given, "y": 2}})
    assert right.merge(left, winner=winner) == System({"a": {"x": given, "y": 2}})
    assert left.merge(left, winner=winner) == left


def test_an_argument_that_is_required_is_not_filled_by_a_merge() -> None:
    """Components are compared as wholes: two that differ in an argument are a conflict, also where one requires it."""
    left, right = (System({"a": {"x": Component(make, config={"k": value})}}) for value in (required, 1))
    assert str(conflict_of(left, right).id) == "a.x"


def test_conflict_shows_no_secret() -> None:
    """A conflict of secrets does not show them."""
    problem = conflict_of(System({"env": {"x": Secret("hunter2")}}), System({"env": {"x": Secret("hunter3")}}))
    assert "hunter" not in str(problem)


def test_merged_group_keeps_the_order_of_the_left() -> None:
    """What the right adds to a group comes behind what the left has, whoever wins."""
    left, right = System({"a": {"x": 1, "y": 1}}), System({"a": {"z": 2, "y": 2}, "b": {"x": 2}})
    for winner, y in (("left", 1), ("right", 2)):
        merged = left.merge(right, winner=winner)  # type: ignore[arg-type]
        assert merged == System({"a": {"x": 1, "y": y, "z": 2}, "b": {"x": 2}})


# --- Options ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "left", "right"),
    [
        ("deadlines", 5, 6),
        ("deadlines", {"start": 5}, {"stop": 5}),
        ("limits", 5, {"db": 5}),
        ("workers", 1, 2),
    ],
)
def test_options_that_differ(option: str, left: Any, right: Any) -> None:
    """An option that both systems have, and differently, is a conflict that names both sides, unless a winner is stated."""
    systems = System({}, **{option: left}), System({}, **{option: right})
    problem = conflict_of(*systems)
    assert option in problem.what
    assert f"left: {left!r}" in problem.what
    assert f"right: {right!r}" in problem.what
    assert problem.details == {"option": option}
    assert "winner" in problem.hint
    assert systems[0].merge(systems[1], winner="left") == systems[0]
    assert systems[0].merge(systems[1], winner="right") == systems[1]


@pytest.mark.parametrize(("option", "value"), [("deadlines", {"start": 5}), ("limits", {"db": 5}), ("workers", 2)])
def test_option_of_one_side(option: str, value: Any) -> None:
    """An option that one system has, or both alike, is the merged system's."""
    with_it, without = System({}, **{option: value}), System({})
    assert with_it.merge(without) == with_it
    assert without.merge(with_it) == with_it
    assert with_it.merge(System({}, **{option: value})) == with_it
    assert without.merge(with_it, winner="left") == with_it


def test_two_names_are_no_conflict() -> None:
    """Of two names the left's counts, unless the right wins."""
    left, right = System({}, name="l"), System({}, name="r")
    assert left.merge(right).name == "l"
    assert left.merge(right, winner="right").name == "r"
    assert System({}).merge(right).name == "r"


# --- Bases --------------------------------------------------------------------------------------------------------------


def test_bases_are_merged() -> None:
    """What the bases of both systems give holds for all components of the merged one."""
    left = System(
        {"a": {"x": Component(lambda one, two: (one, two), config={})}},
        base={"config": {"one": 1}, "pre": {"stop": {"left": log}}, "tags": ["l"]},
    )
    right = System({}, base={"config": {"two": 2}, "pre": {"stop": {"right": log}}, "tags": ["r"], "deadlines": 5})
    merged = left.merge(right)
    assert merged.check() == []
    with merged.started() as live:
        assert live["a.x"] == (1, 2)
    whole = {
        "config": {"one": 1, "two": 2},
        "pre": {"stop": {"left": log, "right": log}},
        "tags": ["l", "r"],
        "deadlines": 5,
    }
    assert merged == System(left.groups, base=whole)


def test_base_of_one_side() -> None:
    """A base that one system has is the merged system's."""
    left, right = System({"a": {"x": 1}}, base={"tags": ["t"]}), System({"b": {"y": 2}})
    assert left.merge(right) == System({"a": {"x": 1}, "b": {"y": 2}}, base={"tags": ["t"]})
    assert right.merge(left) == System({"b": {"y": 2}, "a": {"x": 1}}, base={"tags": ["t"]})


@pytest.mark.parametrize(
    ("path", "left", "right", "sides"),
    [
        ("config.size", {"config": {"size": 1}}, {"config": {"size": 2}}, ("1", "2")),
        ("config.size", {"config": {"size": [1]}}, {"config": {"size": [True]}}, ("[1]", "[True]")),
        ("handlers.status", {"status": log}, {"handlers": {"status": other}}, ("log", "other")),
        ("pre.start.hi", {"pre": {"start": {"hi": log}}}, {"pre": {"start": {"hi": other}}}, ("log", "other")),
        ("deadlines.start", {"deadlines": {"start": 1}}, {"deadlines": {"start": 2}}, ("1", "2")),
        ("deadlines", {"deadlines": 1}, {"deadlines": 2}, ("1", "2")),
        ("deadlines", {"deadlines": 1}, {"deadlines": {"start": 2}}, ("1", "{'start': 2}")),
        ("retry", {"retry": 2}, {"retry": 3}, ("Retry(2", "Retry(3")),
        ("thread", {"thread": "own"}, {"thread": "worker"}, ("'own'", "'worker'")),
    ],
)
def test_bases_that_differ(path: str, left: Any, right: Any, sides: tuple[str, str]) -> None:
    """A part that both bases have, and differently, is a conflict that names both sides, unless a winner is stated."""
    systems = System({}, base=left), System({}, base=right)
    problem = conflict_of(*systems)
    assert f"a base with {path}," in problem.what
    assert all(f"{side}: {text}" in problem.what for side, text in zip(("left", "right"), sides, strict=True))
    assert problem.details == {"base": path}
    assert systems[0].merge(systems[1], winner="left") == systems[0]
    if path != "deadlines":
        assert systems[0].merge(systems[1], winner="right") == systems[1]


@pytest.mark.parametrize(
    "base",
    [
        {"config": {"size": [1]}},
        {"retry": Retry(2)},
        {"status": log},
        {"deadlines": {"start": 2}},
        {"pre": {"start": log}},
    ],
    ids=repr,
)
def test_bases_that_are_alike(base: Any) -> None:
    """Two bases that say the same are no conflict."""
    assert System({}, base=base).merge(System({}, base=base)) == System({}, base=base)


def test_conflict_of_bases_shows_no_secret() -> None:
    """A conflict of bases does not show a secret."""
    left, right = (System({}, base={"config": {"key": Secret(text)}}) for text in ("hunter2", "hunter3"))
    assert "hunter" not in str(conflict_of(left, right))


# --- Wrappers and plugins -----------------------------------------------------------------------------------------------


def loud(call: Any) -> Iterator[Any]:
    """Say what is called."""
    print("loud", call.id)
    return (yield)


def louder(call: Any) -> Iterator[Any]:
    """Say what is called."""
    print("louder", call.id)
    return (yield)


def test_wrappers_of_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    """The wrappers of both systems are around all handlers, the left's inside; one that both have is there once."""
    left = System({"a": {"x": Component(list)}}).wrap(loud)
    right = System({"a": {"x": Component(list)}}).wrap(loud).wrap(louder)
    with left.merge(right).started():
        pass
    assert capsys.readouterr().out.split("\n")[:2] == ["louder a.x", "loud a.x"]
    assert left.merge(left) == left


def test_plugins_of_both_sides() -> None:
    """The merged system knows the plugins of both, the left's first; one and the same application is there once."""
    one, two = (Plugin(name, merges={"env": {name: 1}}) for name in ("one", "two"))
    start = System({"env": {"x": 1}}).with_plugins(one)
    left, right = start.override({"env.x": 1}), start.with_plugins(two)
    merged = left.merge(right)
    assert [effect.name for effect in merged.explain_plugins()] == ["one", "two"]


@pytest.mark.parametrize("plugin", ["timing", "schemas", Plugin("p", defaults={"env": {"y": 2}})])
def test_one_plugin_of_both_sides(plugin: Any) -> None:
    """A plugin that was applied to both systems is there once, whichever system it changed."""
    left, right = System({"a": {"x": Component(list)}}), System({"b": {"x": Component(list)}})
    merged = left.with_plugins(plugin).merge(right.with_plugins(plugin))
    assert len(merged.explain_plugins()) == 1
    both = left.merge(right).with_plugins(plugin)
    assert {id: merged[id] for id in merged} == {id: both[id] for id in both}
    assert len(merged.merge(merged).explain_plugins()) == 1


def test_two_plugins_of_one_name() -> None:
    """Two different plugins of one name are a conflict, as in one system; a winner decides which of them is told."""
    one, two = Plugin("p", merges={"env": {"x": 1}}), Plugin("p", merges={"env": {"y": 2}})
    left, right = System({}, plugins=[one]), System({}, plugins=[two])
    assert "plugin 'p' applied, and they are not the same" in conflict_of(left, right).what
    merged = left.merge(right, winner="left")
    assert merged == System({"env": {"x": 1, "y": 2}})
    assert str(merged.explain_plugins()) == "p\n  + env.x: 1"
    assert len(left.merge(right, winner="right").explain_plugins()) == 1


# --- What it may be merged or compared with -----------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "shown"), [({}, "a dict"), (None, "None"), (3, "an int"), (System, "a type")])
def test_what_is_no_system(given: Any, shown: str) -> None:
    """What is merged or compared with a system and is none is told, with what to write."""
    for verb, done in (("merge", "merged"), ("diff", "compared")):
        with pytest.raises(BadOverride, match=f"A system is {done} with a System, not with {shown}") as caught:
            getattr(System({}), verb)(given)
        assert f"Write {verb}(System(" in str(caught.value)


# --- Subsystems ---------------------------------------------------------------------------------------------------------


def test_equal_subsystems() -> None:
    """Two subsystems that are equal are no conflict."""

    def system() -> System:
        inner = System({"env": {"x": required}, "a": {"b": Component(make, config={"x": ref("env.x")})}})
        return System({"app": {"part": subsystem(inner, {"env.x": 1})}})

    assert system().merge(system()) == system()


@pytest.mark.parametrize(("value", "imported"), [(2, 1), (1, 2)])
def test_subsystems_that_differ(value: int, imported: int) -> None:
    """Two subsystems that differ, inside or in what they import, are a conflict with both places."""

    def system(value: int, imported: int) -> System:
        inner = System({"env": {"x": required, "y": value}})
        return System({"app": {"part": subsystem(inner, {"env.x": imported})}})

    line = sys._getframe().f_lineno - 2
    problem = conflict_of(system(1, 1), system(value, imported))
    assert str(problem.id) == "app.part"
    assert problem.what.count(f"{__file__}:{line}") == 2


def test_everything_that_differs_at_once() -> None:
    """One error names every conflict, of whatever kind."""
    left = System({"a": {"x": 1, "y": 1}}, workers=1, base={"retry": 1})
    right = System({"a": {"x": 2, "y": 2}}, workers=2, base={"retry": 2})
    with pytest.raises(MergeConflict) as caught:
        left.merge(right)
    shown: Parts = [problem.details for problem in caught.value.problems]
    assert shown == [{"id": "a.x"}, {"id": "a.y"}, {"base": "retry"}, {"option": "workers"}]


@pytest.mark.parametrize("winner", [None, "left", "right"])
def test_bases_that_do_not_go_together(winner: Any) -> None:
    """Two bases of which no base can be made are a conflict that says why and shows both, whoever wins."""
    left, right = System({}, base={"thread": "caller"}), System({}, base={"deadlines": 3})
    with pytest.raises(MergeConflict) as caught:
        left.merge(right, winner=winner)
    (problem,) = caught.value.problems
    assert "the two do not go together" in problem.what
    assert "deadline" in problem.what
    assert "left: {'thread': 'caller'}" in problem.what
    assert "right: {'deadlines': 3}" in problem.what


def test_bases_that_do_not_go_together_among_other_conflicts() -> None:
    """They are told beside everything else that differs."""
    left = System({"a": {"x": 1}}, base={"thread": "caller"}, workers=1)
    right = System({"a": {"x": 2}}, base={"deadlines": 3}, workers=2)
    with pytest.raises(MergeConflict) as caught:
        left.merge(right)
    assert len(caught.value.problems) == 3


def test_bases_that_do_not_go_together_and_hold_a_secret() -> None:
    """What is secret in one of them is not shown."""
    left = System({}, base={"thread": "caller", "config": {"password": Secret("hunter2")}})
    with pytest.raises(MergeConflict) as caught:
        left.merge(System({}, base={"deadlines": 3}))
    assert "hunter2" not in str(caught.value)
