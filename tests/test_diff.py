"""The differences between two systems: what is told, where, and how it reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring import Component, Context, Secret, Signal, System, build, component, opaque, ref, required
from mainspring._core import refs
from mainspring._text import split_dotted


class Point(NamedTuple):
    """A named tuple."""

    x: Any
    y: Any


def start(a: Any = None, b: Any = None, **more: Any) -> Any:
    """Give an instance."""
    return (a, b, more)


def other_start(a: Any = None, b: Any = None) -> Any:
    """Give another instance."""
    return (a, b)


def announce(instance: Any) -> None:
    """Do nothing."""


def part(config: dict[str, Any] | None = None, **slots: Any) -> Component[Any]:
    """A component that differs from others in what is given only."""
    return Component(start, config=config or {}, **{"doc": "A part.", **slots})


def lines(old: System, new: System) -> list[str]:
    """The differences as text, one by one."""
    return [str(change) for change in old.diff(new)]


def constants(old: Any, new: Any) -> list[str]:
    """The differences between two systems of one constant."""
    return lines(System({"env": {"x": old}}), System({"env": {"x": new}}))


def components(old: Component[Any], new: Component[Any]) -> list[str]:
    """The differences between two systems of one component."""
    return lines(System({"db": {"pool": old}}), System({"db": {"pool": new}}))


# --- Nothing and something --------------------------------------------------------------------------------------------


def test_equal_systems_do_not_differ() -> None:
    """Between equal systems there is no difference, whatever objects they are made of."""
    one, other = (System({"env": {"x": [1, {"k": (2,)}]}, "db": {"pool": part({"a": ref("env.x")})}}) for _ in range(2))
    diff = one.diff(other)
    assert not diff
    assert list(diff) == []
    assert str(diff) == "no difference"
    assert repr(diff) == "<Diff: 0 changes>"


def test_a_diff_is_a_sequence_of_changes() -> None:
    """A diff can be iterated, counted and indexed, and each change holds its kind, its path, and both values."""
    diff = System({"env": {"port": 80}}).diff(System({"env": {"port": 8080, "host": "a"}}))
    assert diff
    assert len(diff) == 2
    assert tuple(diff[0]) == ("changed", "env.port", 80, 8080)
    assert tuple(diff[1]) == ("added", "env.host", None, "a")
    assert repr(diff) == "<Diff: 2 changes>"
    assert str(diff) == "~ env.port: 80 -> 8080\n+ env.host: 'a'"


def test_the_values_of_a_change_are_copies() -> None:
    """Changing what a diff gives out changes no system."""
    new = System({"env": {"hosts": ["a"]}})
    change = System({}).diff(new)[0]
    change.new.append("b")
    assert new["env.hosts"] == ["a"]


# --- Groups and names -------------------------------------------------------------------------------------------------


def test_parts_are_added_and_removed() -> None:
    """A component or constant that only one of the systems has is one difference."""
    old = System({"env": {"a": 1}, "db": {"pool": part({"a": 1})}})
    new = System({"env": {"b": [2]}})
    assert lines(old, new) == ["- env.a: 1", "+ env.b: [2]", "- db.pool: <Component start(a=1)>"]


def test_groups_without_members_count() -> None:
    """A group is there even where it has no members."""
    assert lines(System({}), System({"env": {}})) == ["+ env: {}"]
    assert lines(System({"env": {}}), System({})) == ["- env: {}"]


def test_a_component_in_the_place_of_a_constant() -> None:
    """Where a part is of another kind, it is told as a whole."""
    assert lines(System({"db": {"pool": part()}}), System({"db": {"pool": {"a": 1}}})) == [
        "~ db.pool: <Component start()> -> {'a': 1}"
    ]


def test_the_order_counts() -> None:
    """Order as written is a part of a system: another order is a difference, and only the names that moved are shown."""
    old = System({"a": {"v": 0, "w": 1, "x": 2, "y": 3, "z": 4}, "b": {}})
    new = System({"b": {}, "a": {"v": 0, "w": 1, "y": 3, "x": 2, "z": 4}})
    assert lines(old, new) == ["~ groups: order a, b -> b, a", "~ a: order x, y -> y, x"]
    assert old.diff(new)[1].old == ["v", "w", "x", "y", "z"]


def test_names_are_quoted_where_needed() -> None:
    """A path is written as an override takes it."""
    assert lines(System({"my.env": {"a b": 1}}), System({"my.env": {"a b": 2}})) == ['~ "my.env"."a b": 1 -> 2']


# --- Data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (1, 2, ["~ env.x: 1 -> 2"]),
        (1, True, ["~ env.x: 1 -> True"]),
        ({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "d": 4}, ["~ env.x.a.b: 1 -> 3", "- env.x.c: 2", "+ env.x.d: 4"]),
        ({1: "a"}, {True: "a"}, ["- env.x.1: 'a'", "+ env.x.True: 'a'"]),
        (["a"], ["a", "b", "c"], ["+ env.x.1: 'b'", "+ env.x.2: 'c'"]),
        (["a"], ["b", "a"], ["+ env.x.0: 'b'"]),
        (["a"], ["a", "a"], ["+ env.x.1: 'a'"]),
        (["a", "b", "a"], ["a"], ["- env.x.1: 'b'", "- env.x.2: 'a'"]),
        (["a", "c"], ["b", "c"], ["~ env.x.0: 'a' -> 'b'"]),
        (["a", "b", "c"], ["a", "c"], ["- env.x.1: 'b'"]),
        (["a", {"k": 1}], ["a", {"k": 2}], ["~ env.x.1.k: 1 -> 2"]),
        (["a"], ["b"], ["~ env.x.0: 'a' -> 'b'"]),
        (["a", "b"], ["b", "a"], ["~ env.x: ['a', 'b'] -> ['b', 'a']"]),
        (["a", "b", "c"], ["a", "d"], ["~ env.x: ['a', 'b', 'c'] -> ['a', 'd']"]),
        ((1, 2), (1, 3), ["~ env.x.1: 2 -> 3"]),
        ((1, 2), [1, 2], ["~ env.x: (1, 2) -> [1, 2]"]),
        ({"b", "a"}, {"c", "a"}, ["~ env.x: {'a', 'b'} -> {'a', 'c'}"]),
        (Point(1, [2]), Point(1, [3]), ["~ env.x.y.0: 2 -> 3"]),
        (build(Point, 1, y=2), build(Point, 1, y=3), ["~ env.x.y: 2 -> 3"]),
        (build(Point, 1, 2), build(Point, 3, 2), ["~ env.x.0: 1 -> 3"]),
        (build(dict, y=2), build(other_start, b=2), ["~ env.x: build(dict, y=2) -> build(other_start, b=2)"]),
        (ref("a.b"), ref("a.c"), ["~ env.x: ref('a.b') -> ref('a.c')"]),
        (required, 1, ["~ env.x: required -> 1"]),
        (opaque([1]), [1], ["~ env.x: opaque([1]) -> [1]"]),
    ],
)
def test_data_is_compared_at_the_leaves(old: Any, new: Any, expected: list[str]) -> None:
    """Of nested data only the places that differ are told; a list by its items where that is shorter than the whole."""
    assert constants(old, new) == expected


def test_a_function_is_shown_by_its_name() -> None:
    """Functions and classes stand in a line by their qualified names, within data too."""
    assert constants(print, [announce, Point]) == ["~ env.x: print -> [announce, Point]"]


def test_a_handler_that_is_a_partial_shows_no_arguments() -> None:
    """What a partial was given may be private, and is not shown in a list of handlers."""
    handler = partial(announce, "hunter2")
    (line,) = components(part(status=handler), part())
    assert (line.startswith("- db.pool."), "announce" in line, "hunter2" in line) == (True, True, False)


def test_two_values_that_look_the_same() -> None:
    """Where both values read the same, the line says that it is another one."""
    first: Callable[[], int] = lambda: 1  # noqa: E731
    second: Callable[[], int] = lambda: 1  # noqa: E731
    name = "test_two_values_that_look_the_same.<locals>.<lambda>"
    assert constants(first, second) == [f"~ env.x: {name} -> another {name}"]


def test_a_long_value_is_cut() -> None:
    """A change is one line of bearable length, whatever the value; the value itself is whole."""
    diff = System({}).diff(System({"env": {"x": ["line\n" * 100]}}))
    assert len(str(diff)) < 130
    assert "\n" not in str(diff)
    assert diff[0].new == ["line\n" * 100]


def test_a_value_that_cannot_be_shown() -> None:
    """An object whose repr fails is named by its class, and one that takes several lines gets one."""

    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no")

    class Long:
        def __repr__(self) -> str:
            return "in two\n  lines"

    assert constants(1, Long()) == ["~ env.x: 1 -> in two lines"]
    assert constants(1, Broken()) == ["~ env.x: 1 -> <Broken whose repr raised ValueError>"]


# --- Components -------------------------------------------------------------------------------------------------------


def test_config_is_compared_by_place() -> None:
    """A config is compared by parameter, and in each at the leaves."""
    old, new = part({"a": {"size": 1, "more": [1]}, "b": 2}), part({"a": {"size": 3, "more": [1]}, "c": ref("x.y")})
    assert components(old, new) == [
        "~ db.pool.config.a.size: 1 -> 3",
        "- db.pool.config.b: 2",
        "+ db.pool.config.c: ref('x.y')",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"status": announce}, "+ db.pool.status: announce"),
        ({"status": announce}, {"status": print}, "~ db.pool.status: announce -> print"),
        ({"handlers": {"reload": announce}}, {}, "- db.pool.handlers.reload: announce"),
        ({"pre": {"start": announce}}, {}, "- db.pool.pre.start.announce: announce"),
        ({"post": {"start": {"x": print}}}, {"post": {"start": {"x": repr}}}, "~ db.pool.post.start.x: print -> repr"),
        ({}, {"post": {"stop": {"my.log": print}}}, '+ db.pool.post.stop."my.log": print'),
        ({}, {"resolve": announce}, "+ db.pool.resolve: announce"),
        ({}, {"doc": "Another."}, "~ db.pool.doc: 'A part.' -> 'Another.'"),
        ({"tags": ["b", "a"]}, {"tags": ["c"]}, "~ db.pool.tags: {'a', 'b'} -> {'c'}"),
        ({"enabled": ref("env.on")}, {"enabled": False}, "~ db.pool.enabled: ref('env.on') -> False"),
        ({}, {"deadlines": 3}, "+ db.pool.deadlines: 3"),
        ({"deadlines": {"start": 3}}, {"deadlines": {"start": 4}}, "~ db.pool.deadlines.start: 3 -> 4"),
        ({"deadlines": {"start": 3}}, {"deadlines": 3}, "~ db.pool.deadlines: {'start': 3} -> 3"),
        ({}, {"thread": "own"}, "+ db.pool.thread: 'own'"),
        ({}, {"on_crash": "keep"}, "+ db.pool.on_crash: 'keep'"),
        ({}, {"schema": Point}, "+ db.pool.schema: Point"),
        ({}, {"instance_schema": tuple}, "+ db.pool.instance_schema: tuple"),
        ({}, {"cached": True}, "~ db.pool.cached: False -> True"),
    ],
)
def test_every_slot_has_its_place(old: dict[str, Any], new: dict[str, Any], expected: str) -> None:
    """A slot that differs is told by its path; handlers one by one, by their names."""
    assert components(part(**old), part(**new)) == [expected]


def test_retries_are_compared_as_values() -> None:
    """A retry that says the same is no difference."""
    assert components(part(retry=3), part(retry=3)) == []
    assert components(part(retry=3), part(retry=4))[0].startswith("~ db.pool.retry: Retry(3, ")


def test_what_starts_a_component_is_a_slot() -> None:
    """Start, stop and scope are told as slots beside the config."""
    old = Component(start, print, config={"a": 1}, doc="A part.")
    new = Component(other_start, config={"a": 1}, doc="A part.")
    assert components(old, new) == ["~ db.pool.start: start -> other_start", "- db.pool.stop: print"]
    scoped = component(doc="A part.")(scope_of_a)(a=1)
    assert components(new, scoped) == ["- db.pool.start: other_start", "+ db.pool.scope: scope_of_a"]


def scope_of_a(a: int) -> Any:
    """A scope."""
    yield a


def test_classes_are_compared_by_what_they_make() -> None:
    """Two component functions of one class give equal definitions."""

    class Server:
        def start(self) -> None: ...

    assert components(component(Server)(), component(Server)()) == []


# --- The system as a whole --------------------------------------------------------------------------------------------


def test_options_of_the_system() -> None:
    """Name, deadlines, limits and workers are told under their names."""
    old = System({}, name="one", deadlines={"start": 1.5}, limits=2)
    new = System({}, name="two", deadlines={"start": 2}, workers=4)
    assert lines(old, new) == [
        "~ name: 'one' -> 'two'",
        "~ deadlines.start: 1.5 -> 2",
        "- limits: 2",
        "~ workers: 0 -> 4",
    ]


def test_options_are_compared_as_numbers() -> None:
    """A second is a second, whether it is written as `1` or `1.0`, for a diff as for `==`."""
    assert System({}, deadlines=1) == System({}, deadlines=1.0)
    assert lines(System({}, deadlines=1), System({}, deadlines=1.0)) == []


def test_signals_are_compared_as_rows() -> None:
    """A row of the signal table is one value."""
    old = System({}, signals=[Signal("reload"), Signal("flush")])
    new = System({}, signals=[Signal("reload"), Signal("flush", "dependents first"), Signal("dump")])
    assert lines(old, new) == [
        "~ signals.flush: dependencies first -> dependents first",
        "+ signals.dump: dependencies first",
    ]


def test_the_base_is_compared_by_place() -> None:
    """A base is told as it was written, slot by slot, and not again for each component under it."""
    bare = System({"db": {"pool": part()}})
    old = bare.with_base({"post": {"start": {"log": print}}, "config": {"b": 1}})
    assert lines(bare, old) == ["+ base.config.b: 1", "+ base.post.start.log: print"]
    assert lines(old, old.with_base({"config": {"b": 2}})) == ["~ base.config.b: 1 -> 2"]
    assert lines(old, bare) == ["- base.config.b: 1", "- base.post.start.log: print"]


def test_wrappers_are_told() -> None:
    """A wrapper that is put around is one item more."""

    def wrapper(call: Any) -> Any:
        return call()

    bare = System({"db": {"pool": part()}})
    assert lines(bare, bare) == lines(bare.wrap(wrapper), bare.wrap(wrapper)) == []
    (change,) = bare.diff(bare.wrap(wrapper))
    assert (change.kind, change.path) == ("added", "wraps.0")
    assert "wrapper" in str(change)


def test_subsystems_are_looked_into() -> None:
    """A difference within a subsystem is told with the whole path, as are its imports."""
    from mainspring import subsystem

    def system(size: int, dsn: Any, name: str = "one", **options: Any) -> System:
        billing = System({"env": {"dsn": required}, "db": {"pool": part({"a": size})}}, name=name, **options)
        return System({"app": {"billing": subsystem(billing, {"env.dsn": dsn})}})

    assert lines(system(1, ref("env.a")), system(1, ref("env.a"))) == []
    assert lines(system(1, 2), system(1, 2, "two")) == ["~ app.billing.name: 'one' -> 'two'"]
    assert lines(system(1, ref("env.a")), system(2, ref("env.b"), deadlines=2)) == [
        "~ app.billing.imports.env.dsn: ref('env.a') -> ref('env.b')",
        "~ app.billing.db.pool.config.a: 1 -> 2",
        "+ app.billing.deadlines: 2",
    ]


# --- Secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_are_masked() -> None:
    """A secret that differs is told as a whole, and shown nowhere; whoever asks for the value has to reveal it."""
    old = System(
        {
            "env": {"login": Secret({"user": "me", "password": "hunter2"})},
            "db": {"pool": part({"a": Secret("hunter2")})},
        }
    )
    new = System(
        {
            "env": {"login": Secret({"user": "me", "password": "hunter3"})},
            "db": {"pool": part({"a": [Secret("hunter3")]})},
        }
    )
    for diff in (old.diff(new), new.diff(old), System({}).diff(old), old.diff(System({}))):
        assert "hunter" not in str(diff) + repr(list(diff)) + json.dumps(diff.as_dict())
    assert lines(old, new)[0] == "~ env.login: Secret('***') -> another Secret('***')"
    assert old.diff(new)[0].new.reveal()["password"] == "hunter3"


def test_what_takes_the_place_of_a_secret_is_masked() -> None:
    """A plain value in the place of a secret is mostly as secret, and so is one that a secret replaces; the line says which."""
    assert constants(Secret("hunter2"), "hunter3") == ["~ env.x: Secret('***') -> Secret('***'), no secret any more"]
    assert constants("hunter3", Secret("hunter2")) == ["~ env.x: Secret('***') -> Secret('***'), a secret now"]
    assert constants({"a": Secret("hunter2")}, {"a": "hunter3"}) == [
        "~ env.x.a: Secret('***') -> Secret('***'), no secret any more"
    ]
    assert components(part({"a": Secret("hunter2")}), part({"a": "hunter3"})) == [
        "~ db.pool.config.a: Secret('***') -> Secret('***'), no secret any more"
    ]
    (change,) = System({"env": {"x": Secret("hunter2")}}).diff(System({"env": {"x": "hunter3"}}))
    assert "hunter" not in repr(change)


# --- As data ----------------------------------------------------------------------------------------------------------


def test_a_diff_as_plain_values() -> None:
    """`as_dict` gives what JSON can hold: plain values stay, all else is text."""
    old = System({"env": {"x": [1, None, 2.5], "gone": {"a": (True, Secret("s"))}}})
    new = System({"env": {"x": float("inf"), "f": print, "tags": {"b", "a"}, "r": {"k": ref("env.x")}}})
    found = old.diff(new).as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["changes"] == [
        {"kind": "changed", "path": "env.x", "old": [1, None, 2.5], "new": "inf"},
        {"kind": "removed", "path": "env.gone", "old": {"a": [True, "***"]}, "new": None},
        {"kind": "added", "path": "env.f", "old": None, "new": "print"},
        {"kind": "added", "path": "env.tags", "old": None, "new": ["a", "b"]},
        {"kind": "added", "path": "env.r", "old": None, "new": {"k": "ref('env.x')"}},
    ]


# --- What is shared ---------------------------------------------------------------------------------------------------


def calls_of(function: Callable[[], object]) -> int:
    """How many Python functions are called within a call."""
    count = 0

    def note(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_what_is_shared_is_not_looked_into() -> None:
    """The work of a diff goes with what an override touched, not with the size of the system."""

    def work(size: int) -> int:
        old = System({f"g{i}": {f"c{j}": part({"a": [i, j]}) for j in range(size)} for i in range(size)})
        new = old.override({"g1.c1.config.a": 3})
        return calls_of(lambda: old.diff(new))

    assert work(40) == work(2)


# --- Laws -------------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "x.y"])
ATOMS: Any = st.one_of(
    st.integers(0, 2), st.booleans(), st.none(), st.sampled_from(["", "s", 1.5, float("nan")]), st.just(required)
) | NAMES.map(lambda name: ref("a", name)) | st.integers(0, 1).map(Secret)  # fmt: skip
DATA: Any = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: Point(*pair))
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["k", "l"]), inner, max_size=2).map(lambda kwargs: build(dict, **kwargs))
    ),
    max_leaves=6,
)
HANDLERS = st.dictionaries(NAMES, st.sampled_from([print, repr, announce]), max_size=2)
SLOTS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([print, repr]),
        "pre": st.fixed_dictionaries({}, optional={"start": HANDLERS, "stop": HANDLERS}),
        "tags": st.sets(NAMES, max_size=2),
        "deadlines": st.sampled_from([1, 2.5, {"start": 1}, {"start": 2, "stop": 1}]),
        "enabled": st.booleans(),
        "doc": st.sampled_from(["one", "two"]),
    },
)
CONFIGS = st.dictionaries(st.sampled_from(["a", "b", "c"]), DATA, max_size=3)
COMPONENTS = st.builds(lambda config, slots: part(config, **slots), CONFIGS, SLOTS)
SYSTEMS = st.builds(
    lambda groups, deadlines, base: System(groups, deadlines=deadlines, base=base),
    st.dictionaries(NAMES, st.dictionaries(NAMES, DATA | COMPONENTS, max_size=3), max_size=3),
    st.none() | st.just(2.5),
    st.none() | st.fixed_dictionaries({"pre": st.fixed_dictionaries({"start": HANDLERS})}),
)


def tree_of(system: System) -> dict[str, Any]:
    """A system as nested dicts and lists, by the parts of the paths of a diff."""
    tree: dict[str, Any] = {}
    for group, members in system.groups.items():
        for name, node in members.items():
            tree.setdefault(group, {})[name] = node_tree(node)
    base = system._definition.base
    if base is not None and (slots := slot_tree(base.slots)):
        tree["base"] = slots
    for name, value in system._definition.options._asdict().items():
        if value is not None:
            tree[name] = value
    return tree


def node_tree(node: Any) -> Any:
    """One component as its slots, one constant as its data."""
    if not isinstance(node, Component):
        return node
    names = ("start", "stop", "scope", "handlers", "pre", "post", "doc", "tags", "enabled", "deadlines", "cached")
    return slot_tree({name: getattr(node, name) for name in (*names, "config")})


def slot_tree(slots: dict[str, Any]) -> dict[str, Any]:
    """Slots without those that are empty; handlers that have a short name stand under that."""
    slots = dict(slots)
    slots |= slots.pop("handlers", None) or {}
    for name in ("pre", "post"):
        slots[name] = {signal: handlers for signal, handlers in (slots.get(name) or {}).items() if handlers}
    return {
        name: dict(value) if name == "deadlines" and not isinstance(value, int | float) else value
        for name, value in slots.items()
        if value is not None and value != {}
    }


def patched(tree: Any, changes: Any) -> Any:
    """A tree with the changes of a diff made in it, the last first where items of a list go."""
    changes = [change for change in changes if change.kind != "reordered"]
    for change in [c for c in changes if c.kind != "removed"] + [c for c in reversed(changes) if c.kind == "removed"]:
        tree = patch(tree, split_dotted(change.path), change)
    return tree


def patch(tree: Any, path: tuple[str, ...], change: Any) -> Any:
    """A tree with one change made in it."""
    if not path:
        return node_tree(change.new)
    part, rest = path[0], path[1:]
    if isinstance(tree, refs.Build):
        if part in tree.kwargs or not part.isdigit():
            return refs.Build(tree.target, tree.args, patch(tree.kwargs, path, change))
        return refs.Build(tree.target, patch(tree.args, path, change), tree.kwargs)
    if refs.is_named_tuple(tree):
        return type(tree)(**patch(tree._asdict(), path, change))
    if isinstance(tree, list | tuple):
        items, at = list(tree), int(part)
        if rest or change.kind == "changed":
            items[at] = patch(items[at], rest, change)
        elif change.kind == "added":
            items.insert(at, change.new)
        else:
            assert refs.same(items[at], change.old)
            del items[at]
        return type(tree)(items)
    made = dict(tree or {})
    if change.kind == "removed" and not rest:
        made.pop(part, None)  # a group that is empty is no part of the tree
    else:
        made[part] = patch(made.get(part, {} if rest else None), rest, change)
    return made


@given(SYSTEMS, SYSTEMS)
def test_a_diff_says_whether_systems_differ(old: System, new: System) -> None:
    """A diff is empty exactly where the systems are equal."""
    assert bool(old.diff(new)) == (old != new)
    assert not old.diff(old)


@given(SYSTEMS, SYSTEMS)
def test_a_diff_leads_from_one_system_to_the_other(old: System, new: System) -> None:
    """The changes, made in the old system one by one, give the new one."""
    found, wanted = (emptied(tree) for tree in (patched(tree_of(old), old.diff(new)), tree_of(new)))
    assert refs.same(found, wanted)


def emptied(tree: dict[str, Any]) -> dict[str, Any]:
    """A tree without groups, and tables of handlers, that are empty: no change has to say that one is left behind."""
    found = {}
    for group, members in tree.items():
        if isinstance(members, dict):
            members = {k: without_empty_tables(v) for k, v in members.items()}
            if group == "base":
                members = without_empty_tables(members)
        if members != {}:
            found[group] = members
    return found


def without_empty_tables(node: Any) -> Any:
    """Slots without those that hold nothing."""
    if not isinstance(node, dict) or not ({"start", "pre"} & node.keys()):
        return node
    node = dict(node)
    for slot in ("pre", "post"):
        if slot in node:
            node[slot] = {signal: handlers for signal, handlers in node[slot].items() if handlers}
    return {slot: value for slot, value in node.items() if value != {}}


@given(SYSTEMS, SYSTEMS)
def test_a_diff_has_its_mirror(old: System, new: System) -> None:
    """From the new system to the old one, what was added is removed, and every value goes back."""
    mirrored = {"added": "removed", "removed": "added"}
    there = {(mirrored.get(kind, kind), path, repr(b), repr(a)) for kind, path, a, b in old.diff(new)}
    assert there == {(kind, path, repr(a), repr(b)) for kind, path, a, b in new.diff(old)}


def test_a_context_default_is_no_difference() -> None:
    """Handlers are functions, compared by identity, whatever their parameters."""

    def handler(instance: Any, ctx: Context = Context.here) -> None: ...

    assert components(part(status=handler), part(status=handler)) == []
