"""Laws of composition: what override, add, merge and with_base do for any system and any change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from mainspring import (
    BadOverride,
    Component,
    DefinitionError,
    HandlerCall,
    Id,
    MergeConflict,
    System,
    adjust,
    build,
    local_ref,
    one_tagged,
    ref,
    required,
    subsystem,
    tagged,
)
from mainspring._core.base import Base
from mainspring._core.expand import expanded
from mainspring._core.model import Subsystem

Path = tuple[str, ...]
Winner = Literal["left", "right"] | None
WINNERS: list[Winner] = [None, "left", "right"]


def make(**config: Any) -> Any:
    """Give the config as the instance."""
    return config


def take(k: Any = "k", *, l: Any = "l", **config: Any) -> Any:  # noqa: E741
    """The same with parameters that a base can give a value to."""
    return {"k": k, "l": l, **config}


def one(*args: Any) -> str:
    """A handler."""
    return "one"


def two(*args: Any) -> str:
    """Another handler."""
    return "two"


# --- Random systems -----------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["k", "l", "m"])
SCALARS = st.sampled_from([0, 1, True, None, "t", 2.5])
FLAT = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(KEYS, SCALARS, max_size=2)
DATA = FLAT | st.dictionaries(KEYS, FLAT, max_size=2) | FLAT.map(lambda value: build(dict, k=value, l=1))
HANDLERS = st.sampled_from([one, two])
BY_SIGNAL = st.dictionaries(
    st.sampled_from(["start", "stop"]),
    st.dictionaries(st.sampled_from(["p", "q"]), HANDLERS, min_size=1, max_size=2),
    max_size=2,
)
TAGS = st.sets(st.sampled_from(["s", "t"]))


@st.composite
def components(draw: st.DrawFn) -> Component[Any]:
    """A component with a bit of everything."""
    slots: dict[str, Any] = {"post": draw(BY_SIGNAL), "tags": draw(TAGS)}
    if draw(st.booleans()):
        slots["status"] = draw(HANDLERS)
    if draw(st.booleans()):
        slots["retry"] = draw(st.integers(2, 3))
    if draw(st.booleans()):
        slots["deadlines"] = draw(st.dictionaries(st.sampled_from(["start", "stop"]), st.integers(1, 3), min_size=1))
    config = draw(st.dictionaries(KEYS, DATA, max_size=3))
    return Component(draw(st.sampled_from([make, take])), config=config, **slots)


@st.composite
def bases(draw: st.DrawFn) -> dict[str, Any]:
    """What can be merged under all components."""
    base: dict[str, Any] = {}
    if draw(st.booleans()):
        base["config"] = draw(st.dictionaries(KEYS, DATA, max_size=2))
    if draw(st.booleans()):
        base["post"] = draw(BY_SIGNAL)
    if draw(st.booleans()):
        base["tags"] = draw(TAGS)
    if draw(st.booleans()):
        base["status"] = draw(HANDLERS)
    if draw(st.booleans()):
        base["retry"] = draw(st.integers(2, 3))
    if draw(st.booleans()):
        base["deadlines"] = draw(st.dictionaries(st.sampled_from(["start", "stop"]), st.integers(1, 3), min_size=1))
    return base


@st.composite
def systems(draw: st.DrawFn, depth: int = 1) -> System:
    """A small system: constants, components, subsystems, options and a base."""
    nodes = DATA | components()
    if depth:
        nodes |= subsystems(systems(depth=depth - 1))
    names = draw(st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=4))
    groups: dict[str, dict[str, Any]] = {}
    for group, name in sorted(names):
        groups.setdefault(group, {})[name] = draw(nodes)
    return System(
        groups,
        name=draw(st.none() | st.sampled_from(["n", "o"])),
        workers=draw(st.sampled_from([0, 0, 0, 1, 2])),
        deadlines=draw(st.sampled_from([None, None, None, 1, 2])),
        base=draw(st.none() | bases()),
    )


@st.composite
def subsystems(draw: st.DrawFn, inner: st.SearchStrategy[System]) -> Component[Any]:
    """A system as a part, with some of its places imported: by values, and by references to what may be there or not."""
    system = draw(inner)
    imports: dict[Path, Any] = {}
    for path in draw(st.lists(st.sampled_from([path for path, _ in places(system)]), max_size=2)):
        if not (is_handler(path) or path[-2:-1] == ("deadlines",) or any(overlap(path, other) for other in imports)):
            imports[path] = draw(SCALARS | st.sampled_from(["a.x", "b.y"]).map(ref))
    return subsystem(system, {".".join(path): value for path, value in imports.items()})


def imported(system: System, before: Path = ()) -> Iterator[Path]:
    """Every place that is given from outside, to a subsystem."""
    for group, members in system.groups.items():
        for name, value in members.items():
            if isinstance(value, Subsystem):
                path = (*before, group, name)
                yield from ((*path, *one.split(".")) for one in value.imports)
                yield from imported(System._of(value._definition), path)


def places(system: System, before: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place that an override of a system may name, with what stands there; of what is imported the import alone."""
    for group, members in system.groups.items():
        for name, value in members.items():
            path = (*before, group, name)
            yield path, value
            if isinstance(value, Subsystem):
                yield from (((*path, "imports", one), what) for one, what in value.imports.items())
                given_from_outside = [(*path, *one.split(".")) for one in value.imports]
                for place, inner in places(System._of(value._definition), path):
                    if not any(overlap(place, one) for one in given_from_outside):
                        yield place, inner
            elif isinstance(value, Component):
                yield from inside(value.config, (*path, "config"))
                for signal, handlers in value.post.items():
                    yield from (((*path, "post", signal, known), handler) for known, handler in handlers.items())
                yield from (((*path, "handlers", signal), handler) for signal, handler in value.handlers.items())
                if isinstance(value.deadlines, Mapping):
                    yield from (((*path, "deadlines", signal), time) for signal, time in value.deadlines.items())
            else:
                yield from inside(value, path)


def inside(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every place inside some data."""
    parts: dict[str, Any] = {}
    if isinstance(value, dict):
        parts = value
    elif isinstance(value, list):
        parts = {str(i): part for i, part in enumerate(value)}
    elif hasattr(value, "kwargs"):
        parts = value.kwargs
    for name, part in parts.items():
        yield (*path, name), part
        yield from inside(part, (*path, name))


def is_handler(path: Path) -> bool:
    """Whether a handler stands at a path, so that only one can be put there."""
    return path[-3:-2] == ("post",) or path[-2:-1] == ("handlers",)


def value_for(draw: Any, path: Path) -> Any:
    """A new value for a place."""
    if is_handler(path):
        return draw(HANDLERS)
    if path[-2:-1] == ("deadlines",):
        return draw(st.integers(1, 3))
    return draw(SCALARS | st.lists(SCALARS, max_size=2))


def overlap(a: Path, b: Path) -> bool:
    """Whether one of two places is inside the other."""
    return a[: len(b)] == b[: len(a)]


def nested(path: Path, value: Any) -> Any:
    """A change of one place as a nested mapping."""
    for part in reversed(path):
        value = {part: value}
    return value


def as_sets(system: System) -> Any:
    """A system without the order of its parts."""
    definition: Any = system._definition
    return {id: system[id] for id in system}, dict(system.signals), definition.options, definition.base


@st.composite
def changes(draw: st.DrawFn, count: int = 1) -> tuple[System, list[tuple[Path, Any]]]:
    """A system, and new values for some of its places."""
    system = draw(systems())
    known = [path for path, _ in places(system)]
    chosen = draw(st.lists(st.sampled_from(known), min_size=count, max_size=count))
    return system, [(path, value_for(draw, path)) for path in chosen]


# --- Override -----------------------------------------------------------------------------------------------------------


@given(systems())
def test_override_with_nothing_changes_nothing(system: System) -> None:
    """No changes change nothing."""
    assert system.override({}) == system


@given(systems())
def test_override_with_what_is_there_changes_nothing(system: System) -> None:
    """To put into a place what stands there changes nothing, one by one or all at once, by value or by function."""
    everything = dict(places(system))
    for path, value in everything.items():
        assert system.override({path: value}) == system, path
        assert system.override({path: adjust(lambda old: old)}) == system, path
    assert system.override(everything) == system


@given(changes())
def test_override_puts_its_value_there_and_touches_nothing_else(case: tuple[System, list[tuple[Path, Any]]]) -> None:
    """After an override the value stands in its place, and all places beside it are as they were."""
    system, [(path, value)] = case
    changed = system.override({path: value})
    before, after = dict(places(system)), dict(places(changed))
    assert after[path] == value
    assert type(after[path]) is type(value)
    assert list(changed) == list(system)
    beside = [place for place in before if not overlap(place, path)]
    assert beside == [place for place in after if not overlap(place, path)]
    for place in beside:
        # A part and what is in it are compared together, so that a component is the same as a whole.
        assert before[place] == after[place]
    assert (changed.name, changed.signals) == (system.name, system.signals)
    event(f"{len(path)} parts")


@given(changes(), st.data())
def test_last_override_of_a_place_counts(case: tuple[System, list[tuple[Path, Any]]], data: st.DataObject) -> None:
    """Of two overrides of one place, one after the other, the last counts as if it were alone."""
    system, [(path, first)] = case
    last = value_for(data.draw, path)
    assert system.override({path: first}).override({path: last}) == system.override({path: last})


@given(changes(count=2))
def test_overrides_of_different_places_commute(case: tuple[System, list[tuple[Path, Any]]]) -> None:
    """Overrides of places beside each other can be made in any order, or at once."""
    system, [(path, value), (other, second)] = case
    assume(not overlap(path, other))
    both = system.override({path: value, other: second})
    assert both == system.override({path: value}).override({other: second})
    assert both == system.override({other: second}).override({path: value})


@given(changes())
def test_override_inside_another_comes_last(case: tuple[System, list[tuple[Path, Any]]]) -> None:
    """A change inside a place that is exchanged in the same call, in whatever order, is a change of what is put there."""
    system, [(path, value)] = case
    around = {place: old for place, old in places(system) if len(place) < len(path) and overlap(place, path)}
    wanted = system.override({path: value})
    assert system.override({**around, path: value}) == wanted
    assert system.override({path: value, **around}) == wanted


@given(changes())
def test_nested_form_equals_the_path_form(case: tuple[System, list[tuple[Path, Any]]]) -> None:
    """A nested mapping means the same as its path, at any depth, and so does one that begins with a part of the path."""
    system, [(path, value)] = case
    wanted = system.override({path: value})
    assert system.override(nested(path, value)) == wanted
    assert system.override({path[:1]: nested(path[1:], value)}) == wanted


@given(changes(), st.data())
def test_functions_compose(case: tuple[System, list[tuple[Path, Any]]], data: st.DataObject) -> None:
    """A function of the old value gets it, what it gives stands there, and two of them one after the other are one."""
    system, [(path, value)] = case
    old = dict(places(system))[path]
    assert system.override({path: adjust(lambda found: value)}) == system.override({path: value})

    def first(found: Any) -> Any:
        assert found == old
        return value

    last = value_for(data.draw, path)
    whole = system.override({path: adjust(lambda found: last if first(found) == value else None)})
    assert system.override({path: adjust(first)}).override({path: adjust(lambda found: last)}) == whole


@given(systems(), st.data())
def test_place_exists_or_can_be_added(system: System, data: st.DataObject) -> None:
    """What exists can be overridden and not added, what does not can be added at most; add, then override, is to add the last."""
    known = dict(places(system))
    path = data.draw(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))) if not known or data.draw(st.booleans()) else (
        *data.draw(st.sampled_from(list(known)))[:-1], data.draw(st.sampled_from(["new", "k", "x", "p"]))
    )  # fmt: skip
    assume(len(path) > 1)
    assume(not any(overlap(path, place) for place in imported(system)))
    value = one if is_handler(path) else 3
    if path in known:
        system.override({path: value})
        with pytest.raises(DefinitionError):
            system.add({path: value})
        event("exists")
        return
    try:
        added = system.add({path: value})
    except BadOverride:
        event("cannot be added")
        return
    event("can be added")
    assert dict(places(added))[path] == value
    assert {place: part for place, part in places(added) if not overlap(place, path)} == {
        place: part for place, part in known.items() if not overlap(place, path)
    }
    last = two if is_handler(path) else 4
    assert added.override({path: last}) == system.add({path: last}) == system.add(nested(path, last))
    with pytest.raises(DefinitionError):
        added.add({path: value})


# --- Merge --------------------------------------------------------------------------------------------------------------


def merged(*parts: System, winner: Winner) -> System | None:
    """Systems merged from the left; `None` where they are in conflict."""
    whole = parts[0]
    try:
        for part in parts[1:]:
            whole = whole.merge(part, winner=winner)
    except MergeConflict:
        assert winner is None
        return None
    return whole


@given(systems(), st.sampled_from(WINNERS))
def test_merge_with_nothing_and_with_itself(system: System, winner: Winner) -> None:
    """An empty system on either side changes nothing, and neither does the system itself."""
    assert system.merge(System({}), winner=winner) == system
    assert System({}).merge(system, winner=winner) == system
    assert system.merge(system, winner=winner) == system


@given(systems(0), systems(0), systems(0), st.sampled_from(WINNERS))
def test_merge_is_associative(a: System, b: System, c: System, winner: Winner) -> None:
    """It does not matter which two of three are merged first: the result is the same, or there is a conflict either way."""
    left = merged(a, b, c, winner=winner)
    right_half = merged(b, c, winner=winner)
    right = None if right_half is None else merged(a, right_half, winner=winner)
    assert left == right
    event("conflict" if left is None else "merged")


@given(systems(0), systems(0))
def test_merge_is_commutative_but_for_order(a: System, b: System) -> None:
    """Without a conflict the sides may be exchanged: only order and name can differ."""
    one_way, other_way = merged(a, b, winner=None), merged(b, a, winner=None)
    assert (one_way is None) == (other_way is None)
    if one_way is not None and other_way is not None:
        (parts, signals, options, base), (parts_2, signals_2, options_2, base_2) = as_sets(one_way), as_sets(other_way)
        assert (parts, signals, base) == (parts_2, signals_2, base_2)
        assert options._replace(name=None) == options_2._replace(name=None)


@given(systems(0), systems(0))
def test_winner_on_the_left_mirrors_one_on_the_right(a: System, b: System) -> None:
    """The left winning is the same as the right winning with the sides exchanged; and the winner's parts are all there."""
    left, right = a.merge(b, winner="left"), b.merge(a, winner="right")
    assert as_sets(left) == as_sets(right)
    assert {id: left[id] for id in a} == {id: a[id] for id in a}


@given(systems(0), systems(0))
def test_conflicts_are_the_ids_that_differ(a: System, b: System) -> None:
    """Without a winner the conflicts are those ids that both have, and differently, beside options and the base."""
    differ = [id for id in a if id in b and System({"s": {"s": a[id]}}) != System({"s": {"s": b[id]}})]
    try:
        a.merge(b)
        found = []
    except MergeConflict as error:
        found = [problem.id for problem in error.problems if problem.id is not None]
    assert sorted(found) == sorted(differ)
    event(f"{len(differ)} conflicts")


# --- Base ---------------------------------------------------------------------------------------------------------------


@given(systems(), bases(), bases())
def test_bases_one_over_the_other(system: System, first: dict[str, Any], last: dict[str, Any]) -> None:
    """An empty base changes nothing; of two the later wins; and a base is the same put on in one step or in two."""
    assert system.with_base({}) == system
    changed = system.with_base(first).with_base(last)
    assert changed.with_base(last) == changed
    for slot, value in last.items():
        base: Any = changed._definition.base
        for name, inner in value.items() if isinstance(value, dict) else ():
            found = base.slots[slot][name]
            assert found == inner if not isinstance(inner, dict) or slot == "config" else inner.items() <= found.items()
    both: Any = System({}).with_base(first).with_base(last)._definition.base
    assert system.with_base({} if both is None else both.slots) == changed


def by_hand(node: Any, base: Any) -> Any:
    """A component that is given itself what it lacks and the base has; all else as it is."""
    if not isinstance(node, Component) or isinstance(node, Subsystem):
        return node
    post = {
        signal: {**base.get("post", {}).get(signal, {}), **node.post.get(signal, {})}
        for signal in (*base.get("post", {}), *node.post)
    }
    handlers = {**base.get("handlers", {}), **node.handlers}
    slots: dict[str, Any] = {"post": post, "handlers": handlers, "tags": {*base.get("tags", ()), *node.tags}}
    slots["retry"] = node.retry or base.get("retry")
    own: Any = node.deadlines or {}
    deadlines = {**(base.get("deadlines") or {}), **own}
    given = {name: value for name, value in base.get("config", {}).items() if node.start is take and name in "kl"}
    if deadlines:
        slots["deadlines"] = deadlines
    return Component(node.start, config={**given, **node.config}, **slots)


def as_started(system: System) -> dict[str, Any]:
    """What the graph and the engine see of a system, by the text of the id."""
    definition: Any = expanded(system._definition)
    groups = System._of(definition).groups
    return {f"{group}.{name}": node for group, nodes in groups.items() for name, node in nodes.items()}


def slots_of(node: Component[Any]) -> list[Any]:
    """What a base could have changed of a component that is not called with a config."""
    return [node.post, node.handlers, node.tags, node.deadlines, node.retry]


def bases_by_hand(system: System, before: str = "") -> dict[str, Any]:
    """What the parts of a system are when each was given by hand what the base of its own system has for it."""
    base: Any = system._definition.base
    slots = {} if base is None else base.slots
    found: dict[str, Any] = {}
    for id in system:
        node = system[id]
        path = f"{before}{id}"
        if isinstance(node, Subsystem):
            found |= bases_by_hand(System._of(node._definition).override(node.imports), f"{path}.")
        else:
            found[path] = by_hand(node, slots)
    return found


@given(systems(), bases())
def test_what_a_component_says_itself_wins_over_the_base(system: System, base: dict[str, Any]) -> None:
    """A base is what each component would be given by hand: own values, handlers of the same name and slots win, and
    constants, the subsystem itself and what is inside of it have nothing of it."""
    based = system.with_base(base)
    found, without = as_started(based), as_started(system)
    wanted = bases_by_hand(based)
    for path, node in wanted.items():
        if isinstance(node, Component) and path.count(".") > 1:
            # The deadlines and workers of a subsystem as a whole are its parts' own by now.
            node = node.replace(deadlines=found[path].deadlines, thread=found[path].thread)
        assert found[path] == node, path
    for path in found.keys() - wanted.keys():
        assert slots_of(found[path]) == slots_of(without[path])


@given(st.lists(components(), min_size=1, max_size=3), bases())
def test_a_base_is_called_and_given_as_if_by_hand(parts: list[Component[Any]], base: dict[str, Any]) -> None:
    """What runs under a base is what runs where each component was given by hand what it lacks."""
    based = System({"g": {f"c{i}": part for i, part in enumerate(parts)}}, base=base)
    plain = System({"g": {f"c{i}": by_hand(part, Base(base).slots) for i, part in enumerate(parts)}})
    told = []
    for system in (based, plain):
        seen: list[Any] = []
        with system.wrap(partial(noted, seen)).started() as live:
            instances = [live[id] for id in system]
            live.status()
        told.append((instances, seen, [entry.tags for _, entry in system.describe().items()]))
    assert told[0] == told[1]


def noted(seen: list[Any], call: HandlerCall) -> Any:
    """A wrapper that notes which handler is called, and what it gives."""
    result = call()
    seen.append((call.id, call.handler, result))
    return result


# --- What check finds, and what start meets -----------------------------------------------------------------------------

IDS = [f"{group}.{name}" for group in "ab" for name in "xy"]


@st.composite
def references(draw: st.DrawFn) -> Any:
    """A reference to something that may be there, or not, or be switched off, or be ambiguous."""
    optional = draw(st.sampled_from([True, True, False]))
    kind = draw(st.sampled_from(["id", "deep", "group", "tagged", "local", "one", "inside"]))
    if kind == "local":
        return local_ref(draw(st.sampled_from(["x", "y", "w"])), optional=optional)
    if kind == "group":
        return ref(draw(st.sampled_from(["a", "env", "env", "none"])))
    if kind == "tagged":
        return tagged(draw(st.sampled_from("st")), optional=optional)
    if kind == "one":
        return one_tagged(draw(st.sampled_from("st")), optional=optional)
    if kind == "deep":
        return ref(draw(st.sampled_from(["env.data.k", "env.data.k", "env.flag", "env.data.no"])), optional=optional)
    if kind == "inside":
        return ref(draw(st.sampled_from(["s.part.a.x", "s.part.env.data.k", "s.part.b.none"])), optional=optional)
    return ref(draw(st.sampled_from(IDS)), optional=optional)


VALUES = st.one_of(SCALARS, SCALARS, references(), references().map(lambda it: [it]), st.sampled_from([1, 1, required]))


@st.composite
def wired(draw: st.DrawFn, depth: int = 1) -> System:
    """A system of trivial components that refer to each other, rightly or wrongly."""

    def start(*, needed: Any, k: Any = None) -> Any:
        return (needed, k)

    groups: dict[str, dict[str, Any]] = {"env": {"flag": draw(st.booleans()), "data": {"k": draw(SCALARS)}}}
    for group, name in (id.split(".") for id in draw(st.sets(st.sampled_from(IDS), min_size=2))):
        config = draw(st.dictionaries(st.sampled_from(["needed", "needed", "k"]), VALUES, max_size=2))
        enabled = draw(
            st.sampled_from([True, True, True, True, False, ref("env.flag"), ref("env.flag"), ref("env.data.k")])
        )
        node: Any = Component(start if draw(st.booleans()) else make, config=config, tags=draw(TAGS), enabled=enabled)
        groups.setdefault(group, {})[name] = draw(st.sampled_from([node, node, node, node, config.get("k", 3)]))
    if depth and draw(st.booleans()):
        imports = draw(st.dictionaries(st.sampled_from(["env.flag", "env.data.k", "a.x"]), VALUES, max_size=2))
        try:
            groups["s"] = {"part": subsystem(draw(wired(depth=0)), imports)}
        except DefinitionError:
            event("an import of nothing")
    system = System(groups, base=draw(st.none() | st.just({"config": {"needed": 1}, "post": {"start": {"p": one}}})))
    if draw(st.booleans()):
        # What others reach into stays what it is: whether a path leads into an instance shows only when there is one.
        reached = {("env", "data"), ("env", "flag"), ("s", "part")}
        known = [path for path, _ in places(system) if not is_handler(path) and path not in reached]
        path = draw(st.sampled_from([path for path in known if path[2:] != ("env", "data")]))
        system = system.override({path: draw(VALUES)})
    return system


@given(wired(), st.none() | wired())
def test_check_finds_what_would_fail(system: System, other: System | None) -> None:
    """For any composition: where check finds nothing, the start succeeds; where it finds something, the start says the same."""
    if other is not None:
        system = system.merge(other, winner="left")
    problems = system.check()
    if problems:
        with pytest.raises(DefinitionError) as caught:
            system.start()
        assert list(caught.value.problems) == problems
        assert all(str(problem) for problem in problems)
        event("problems")
        return
    event("started")
    with system.started() as live:
        for step in system.plan():
            assert live.state(Id(*step.id)) == "running"
