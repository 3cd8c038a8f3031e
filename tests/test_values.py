"""Definitions are values: when two are equal, and that nothing changes them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mainspring import (
    Component,
    Id,
    Secret,
    Signal,
    System,
    UnknownComponent,
    build,
    component,
    local_ref,
    opaque,
    ref,
    required,
)


class Point(NamedTuple):
    """A named tuple."""

    x: Any
    y: Any


class Pixel(NamedTuple):
    """Another named tuple with the same fields."""

    x: Any
    y: Any


@dataclass(frozen=True)
class Settings:
    """An object of the user's, with an equality of its own."""

    port: int


def start(**config: Any) -> Any:
    """A start."""
    return config


def other(**config: Any) -> Any:
    """Another start."""
    return config


def given(value: Any) -> Any:
    """A component with a value in its config."""
    return Component(start, config={"value": value})


def both(a: Any, b: Any) -> list[bool]:
    """Whether two values are equal as config, as constant, and inside a list."""
    return [
        given(a) == given(b),
        System({"env": {"x": a}}) == System({"env": {"x": b}}),
        given({"k": [a]}) == given({"k": [b]}),
    ]


SETTINGS = Settings(1)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1),
        ("a", "a"),
        (None, None),
        (1.5, 1.5),
        (math.nan, float("nan")),
        (b"a", b"a"),
        ([1, [2]], [1, [2]]),
        ((1, 2), (1, 2)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2}, {2, 1}),
        (frozenset({1}), frozenset({1})),
        (Point(1, 2), Point(1, 2)),
        (start, start),
        (SETTINGS, SETTINGS),
        (Path("/a"), Path("/a")),
        (date(2020, 1, 2), date(2020, 1, 2)),
        (Decimal("1.0"), Decimal("1.0")),
        (ref("a.b"), ref("a", "b")),
        (local_ref("b"), local_ref("b")),
        (build(start, a=1), build(start, a=1)),
        (build(start, a=ref("a.b")), build(start, a=ref("a.b"))),
        (opaque(start), opaque(start)),
        (Secret("x"), Secret("x")),
        (required, required),
    ],
    ids=repr,
)
def test_equal_values(a: Any, b: Any) -> None:
    """Data is compared by content, functions and unknown objects by identity."""
    assert both(a, b) == [True, True, True]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, True),
        (0, False),
        (1, 1.0),
        (0.0, False),
        ("a", b"a"),
        (None, False),
        ([1], (1,)),
        ([1], [True]),
        ({1}, {True}),
        ({1: "a"}, {True: "a"}),
        ({"a": 1}, {"a": 1, "b": None}),
        ({1}, frozenset({1})),
        (Point(1, 2), (1, 2)),
        (Point(1, 2), Pixel(1, 2)),
        (start, other),
        (Settings(1), Settings(1)),
        (ref("a.b"), "a.b"),
        (ref("a.b"), ref("a.c")),
        (ref("a.b"), ref("a.b", optional=True)),
        (ref("a", "b", 1), ref("a", "b", "1")),
        (ref("a.b"), local_ref("b")),
        (build(start, a=1), build(start, a=True)),
        (build(start, a=1), build(other, a=1)),
        (opaque([1]), opaque([1])),
        (Secret("x"), Secret("y")),
        (Secret("x"), "x"),
        (Secret(1), Secret(True)),
        (required, None),
    ],
    ids=repr,
)
def test_different_values(a: Any, b: Any) -> None:
    """Comparison is strict about types, and two unknown objects are different however they compare themselves."""
    assert both(a, b) == [False, False, False]


def test_site_never_counts() -> None:
    """Where a definition was written does not count."""
    one: Any = Component(start, config={"x": 1})
    two: Any = Component(start, config={"x": 1})
    assert one.site != two.site
    assert one == two


def test_order_of_arguments_never_counts() -> None:
    """The order in which arguments were given does not count, nor whether they were given by name."""

    @component
    def point(x: int, y: int) -> tuple[int, int]:
        return x, y

    assert point(1, 2) == point(y=2, x=1) == point(1, y=2)
    assert point(1, 2) != point(2, 1)


def test_default_is_not_filled_in() -> None:
    """An argument that is left to its default is not the same as one that is given."""

    @component
    def size(x: int = 10) -> int:
        return x

    assert size() != size(10)


def test_component_functions_made_from_one_function_give_equal_definitions() -> None:
    """What counts is the slots, not which component function gave them."""
    assert component(start)(x=1) == component(start)(x=1) == Component(start, config={"x": 1}, doc="A start.")


@pytest.mark.parametrize(
    "slots",
    [
        {"stop": print},
        {"status": print},
        {"handlers": {"x": print}},
        {"pre": {"start": print}},
        {"post": {"start": print}},
        {"resolve": print},
        {"doc": "x"},
        {"tags": ["x"]},
        {"enabled": False},
        {"deadlines": 3},
        {"config": {"x": 1}},
    ],
    ids=lambda slots: next(iter(slots)),
)
def test_every_slot_counts(slots: dict[str, Any]) -> None:
    """Two definitions that differ in one slot are different, and equal where that slot is the same too."""
    assert Component(start, **slots) != Component(start)
    assert Component(start, **slots) == Component(start, **slots)


def test_names_of_pre_handlers_count() -> None:
    """The same pre handler under another name is another definition."""
    assert Component(start, pre={"start": {"a": print}}) != Component(start, pre={"start": {"b": print}})


def test_bound_methods_of_one_object_are_equal() -> None:
    """A bound method is the same whenever it is looked up, and not that of another object that is equal."""

    class Factory:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = object.__hash__

        def make(self) -> int:
            return 1

    one, two = Factory(), Factory()
    assert Component(one.make) == Component(one.make)
    assert Component(one.make) != Component(two.make)
    assert Component(start, one.make) == Component(start, one.make)


def test_bound_methods_in_a_config_are_equal() -> None:
    """A bound method in a config is the same whenever it is looked up."""
    log: list[int] = []
    assert given(log.append) == given(log.append)
    assert given(log.append) != given([].append)


def test_partials_are_compared_by_identity() -> None:
    """A `functools.partial` is an unknown object: the same one only is equal."""
    one = partial(start, x=1)
    assert Component(one) == Component(one)
    assert Component(one) != Component(partial(start, x=1))


def test_scopes_of_one_function_are_equal() -> None:
    """Two components of one generator function are equal when their configs are."""

    @component
    def scope(x: int) -> Iterator[int]:
        yield x

    assert scope(1) == scope(1)
    assert scope(1) != scope(2)


def test_component_functions_of_one_class_give_equal_definitions() -> None:
    """Two component functions of one class with start and stop give equal definitions."""

    class Server:
        def start(self) -> None: ...
        def stop(self) -> None: ...

    assert component(Server)() == component(Server)()


def test_order_of_components_counts() -> None:
    """The order as written is part of a system, because it decides among equals."""
    assert System({"a": {"x": 1, "y": 2}}) != System({"a": {"y": 2, "x": 1}})
    assert System({"a": {"x": 1}, "b": {}}) != System({"b": {}, "a": {"x": 1}})


def test_name_and_deadlines_of_a_system_count() -> None:
    """Name and deadlines are part of a system."""
    assert System({}, name="x") == System({}, name="x") != System({})
    assert System({}, deadlines=3) == System({}, deadlines=3) != System({})


def test_signals_of_a_system_count() -> None:
    """The rows of the signal table are part of a system, and equal rows are equal wherever they were made."""
    assert System({}, signals=[Signal("reload")]) == System({}, signals=[Signal("reload")])
    assert System({}, signals=[Signal("reload")]) != System({})
    assert System({}, signals=[Signal("reload")]) != System({}, signals=[Signal("reload", "dependents first")])


def test_comparison_with_anything_else() -> None:
    """A definition is not equal to what is none."""
    assert given(1) != 1
    assert System({}) != {}
    assert (given(1) == None) is False  # noqa: E711


def test_definitions_cannot_be_hashed() -> None:
    """Definitions are equal by content and may hold anything, so they have no hash."""
    with pytest.raises(TypeError):
        hash(given(1))
    with pytest.raises(TypeError):
        hash(System({}))


def test_references_can_be_hashed() -> None:
    """References can stand in sets and as keys, and hash by what they refer to."""
    assert {ref("a.b"), ref("a", "b"), local_ref("b")} == {ref("a.b"), local_ref("b")}


# --- Nothing changes them -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slot", ["start", "stop", "scope", "config", "handlers", "doc", "tags", "enabled", "x"])
def test_component_cannot_be_changed(slot: str) -> None:
    """No slot of a definition can be set."""
    with pytest.raises(AttributeError):
        setattr(given(1), slot, None)


@pytest.mark.parametrize("name", ["name", "groups", "signals", "x"])
def test_system_cannot_be_changed(name: str) -> None:
    """Nothing of a system can be set."""
    with pytest.raises(AttributeError):
        setattr(System({}), name, None)


def test_what_a_definition_shows_is_a_copy() -> None:
    """Changing what a definition shows of itself does not change it."""
    definition: Any = Component(
        start, config={"x": [1]}, handlers={"x": print}, pre={"start": print}, tags=["t"], deadlines={"start": 1}
    )
    definition.config["x"].append(2)
    definition.config["y"] = 1
    definition.handlers["y"] = print
    definition.pre["start"]["y"] = print
    definition.pre["stop"] = {}
    assert definition.config == {"x": [1]}
    assert list(definition.handlers) == ["x"]
    assert list(definition.pre) == ["start"]
    assert list(definition.pre["start"]) == ["print"]


def test_what_was_given_can_be_changed_afterwards() -> None:
    """Changing the mappings that slots were given as does not change the definition."""
    handlers = {"x": print}
    pre = {"start": {"a": print}}
    deadlines = {"start": 1.0}
    definition: Any = Component(start, handlers=handlers, pre=pre, deadlines=deadlines)
    handlers["y"] = pre["start"]["b"] = print
    deadlines["start"] = 99.0
    assert list(definition.handlers) == ["x"]
    assert list(definition.pre["start"]) == ["a"]
    assert definition.deadlines == {"start": 1.0}


def test_deadlines_that_a_definition_shows_cannot_change_it() -> None:
    """Deadlines that a definition shows cannot be used to change it."""
    definition: Any = Component(start, deadlines={"start": 1.0})
    try:
        definition.deadlines["start"] = 99.0
    except TypeError:
        pass
    assert definition.deadlines == {"start": 1.0}


def test_what_a_system_shows_is_a_copy() -> None:
    """Changing what a system shows of itself does not change it."""
    groups: Any = {"env": {"x": [1]}}
    system = System(groups)
    groups["env"]["y"] = 2
    groups["more"] = {}
    shown: Any = system.groups
    shown["env"]["x"].append(2)
    shown["env"]["z"] = 3
    system["env.x"].append(4)
    assert system == System({"env": {"x": [1]}})
    with pytest.raises(TypeError):
        system.signals["x"] = Signal("x")  # type: ignore[index]


def test_deadlines_of_a_system_are_copied() -> None:
    """Changing the mapping of deadlines that a system was given does not change the system."""
    deadlines = {"start": 1.0}
    system = System({}, deadlines=deadlines)
    deadlines["start"] = 99.0
    assert system == System({}, deadlines={"start": 1.0})


def test_signal_rows_cannot_be_changed() -> None:
    """A row of the signal table is a value: nothing of it can be set."""
    row = Signal("reload")
    with pytest.raises(AttributeError):
        row.name = "other"  # type: ignore[misc,unused-ignore]


def test_every_change_gives_a_new_system() -> None:
    """Override, merge and select leave the system as it was."""
    system = System({"env": {"x": 1}, "a": {"b": given(ref("env.x"))}})
    before = System({"env": {"x": 1}, "a": {"b": given(ref("env.x"))}})
    changed = system.override({"env.x": 2, "a.b.config.value": 3})
    system.merge(System({"c": {"d": 1}}))
    system.select([])
    assert system == before
    assert changed == System({"env": {"x": 2}, "a": {"b": given(3)}})


def test_what_was_not_touched_is_shared() -> None:
    """A changed system shares the definitions that it did not touch."""
    system = System({"a": {"x": given(1), "y": given(2)}})
    assert system.override({"a.x": 3})["a.y"] is system["a.y"]


def test_starting_does_not_change_a_definition() -> None:
    """A system that was started and stopped equals what it was before, and can be started again."""
    system = System({"env": {"x": [1]}, "a": {"b": given(ref("env.x"))}})
    for _ in range(2):
        with system.started() as live:
            assert live["a.b"] == {"value": [1]}
            live["a.b"]["value"].append(2)
    assert system == System({"env": {"x": [1]}, "a": {"b": given(ref("env.x"))}})


# --- Ids and looking ----------------------------------------------------------------------------------------------------


def test_id_is_a_pair_that_reads_as_text() -> None:
    """An id is a pair of names; its text is the dotted path, quoted where needed."""
    assert Id("db", "pool") == ("db", "pool")
    assert str(Id("db", "pool")) == "db.pool"
    assert str(Id("my.db", 'po"ol')) == '"my.db"."po\\"ol"'


@pytest.mark.parametrize("name", ["a.b", 'a"b', "a b", "a\\b", '"', "."])
def test_text_of_an_id_leads_back_to_it(name: str) -> None:
    """The text of an id, whatever is in its names, finds the component again."""
    system = System({name: {name: 7}})
    text = str(Id(name, name))
    assert system[text] == 7
    assert text in system
    with System({name: {name: 7}, "a": {"b": given(ref(text))}}).started() as live:
        assert live[text] == 7
        assert live["a.b"] == {"value": 7}


def test_system_is_looked_at_by_id() -> None:
    """A system gives definitions and constants by id, says whether it has one, and lists its ids as written."""
    definition = given(1)
    system = System({"b": {"x": definition, "y": {"k": [5]}}, "a": {"z": 3}})
    assert system["b.x"] == definition
    assert system[Id("a", "z")] == 3
    assert system["b.y.k.0"] == 5
    assert "b.x" in system
    assert Id("b", "y") in system
    assert "b.z" not in system
    assert 3 not in system
    assert [str(id) for id in system] == ["b.x", "b.y", "a.z"]
    assert len(system) == 3


@pytest.mark.parametrize("id", ["a.z", "c.x", "a", "a.x.config", "a.y.l", "a.y.k.1"])
def test_looking_up_what_is_not_there(id: str) -> None:
    """A system that is asked for what it does not have says so."""
    system = System({"a": {"x": given(1), "y": {"k": [5]}}})
    with pytest.raises(UnknownComponent):
        system[id]


def test_signal_rows_are_values() -> None:
    """Two rows are equal when all their columns are, and equal rows have equal hashes."""
    assert Signal("go", draws_in="needs") == Signal("go", draws_in="needs") != Signal("go")
    assert len({Signal("go"), Signal("go"), Signal("other")}) == 2
    assert Signal("go") != "go"


def test_repr_of_a_system_is_short() -> None:
    """The repr of a system has its name and its ids, and of many only some."""
    assert repr(System({"a": {"x": 1}}, name="demo")) == "<System demo: a.x>"
    assert repr(System({})) == "<System: empty>"
    assert "1000 in all" in repr(System({"a": {f"x{i}": i for i in range(1000)}}))


def test_repr_of_a_component_names_its_target() -> None:
    """The repr of a component has the name of what starts it and its config."""
    assert repr(Component(start, config={"x": ref("a.b")})) == "<Component start(x=ref('a.b'))>"
