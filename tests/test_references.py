"""What a config may hold: references of every kind, `build`, `opaque`, `required`, secrets; and what a handler may ask for."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from mainspring import (
    BadArguments,
    BadId,
    Component,
    Context,
    DefinitionError,
    Event,
    Id,
    ReferenceToOff,
    RequiredMissing,
    Secret,
    Signal,
    Site,
    StartError,
    System,
    UnknownReference,
    build,
    component,
    is_ref,
    local_ref,
    opaque,
    ref,
    required,
)

untyped_component: Any = Component  # for calls that a type checker refuses, as it should


def given(**config: Any) -> Any:
    """A component whose instance is the config it was started with."""
    return Component(dict, config=config)


class Point(NamedTuple):
    """A named tuple."""

    x: Any
    y: Any


class Settings:
    """An object with attributes."""

    def __init__(self, port: Any = 80, hosts: Any = ()) -> None:
        self.port, self.hosts = port, hosts


# --- Kinds of references ------------------------------------------------------------------------------------------------


def test_reference_gives_the_instance() -> None:
    """A reference to a component is replaced by its instance."""
    system = System({"a": {"x": Component(Settings), "y": given(x=ref("a.x"))}})
    with system.started() as live:
        assert live["a.y"]["x"] is live["a.x"]


def test_reference_may_stand_before_what_it_refers_to() -> None:
    """The order as written does not limit what may be referred to."""
    system = System({"a": {"y": given(x=ref("b.x"))}, "b": {"x": Component(Settings)}})
    with system.started() as live:
        assert live["a.y"]["x"] is live["b.x"]


def test_reference_to_a_constant() -> None:
    """A reference to a constant gives its value."""
    with System({"env": {"port": 80}, "a": {"x": given(port=ref("env.port"))}}).started() as live:
        assert live["a.x"] == {"port": 80}


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (ref("env.http.port"), 8080),
        (ref("env.http.hosts.1"), "b"),
        (ref("env", "http", "hosts", 1), "b"),
        (ref("env", "http", "hosts", -1), "b"),
        (ref("env.point.x"), 1),
        (ref("env.point.0"), 1),
        (ref("env.numbers.404"), "not found"),
        (ref("env", "numbers", 404), "not found"),
        (ref("env", "dotted.name", "a.b"), 5),
        (ref('env."dotted.name"."a.b"'), 5),
        (ref("env.settings.port"), 90),
        (ref("env.path.name"), "sys"),
    ],
    ids=repr,
)
def test_deep_reference_into_a_constant(reference: Any, value: Any) -> None:
    """A deep reference reaches into a constant: by item into mappings and sequences, by attribute into anything else."""
    env = {
        "http": {"port": 8080, "hosts": ["a", "b"]},
        "point": Point(1, 2),
        "numbers": {404: "not found"},
        "dotted.name": {"a.b": 5},
        "settings": Settings(port=90),
        "path": sys.__spec__,
    }
    system = System({"env": env, "a": {"x": given(it=reference)}})
    assert system.check() == []
    with system.started() as live:
        assert live["a.x"] == {"it": value}


@pytest.mark.parametrize(
    ("path", "value"),
    [("settings.port", 80), ("settings.hosts.1", "b"), ("mapping.inside.deep", 7), ("point.y", 2)],
)
def test_deep_reference_into_an_instance(path: str, value: Any) -> None:
    """A deep reference reaches into what others see of a component."""
    system = System({
        "a": {
            "settings": Component(Settings, config={"hosts": ["a", "b"]}),
            "mapping": given(inside={"deep": 7}),
            "point": Component(Point, config={"x": 1, "y": 2}),
            "user": given(it=ref("a." + path)),
        }
    })  # fmt: skip
    with system.started() as live:
        assert live["a.user"] == {"it": value}


def test_deep_reference_reaches_into_what_resolve_gives() -> None:
    """A deep reference reaches into what others see, not into the raw instance."""
    system = System({
        "a": {
            "x": Component(lambda: 1, resolve=lambda it: {"raw": it}),
            "user": given(it=ref("a.x.raw")),
        }
    })  # fmt: skip
    with system.started() as live:
        assert live["a.user"] == {"it": 1}


def test_mapping_key_counts_before_an_attribute() -> None:
    """Into a mapping a reference goes by item, also where the mapping has an attribute of that name."""
    with System({"env": {"m": {"items": 3}}, "a": {"x": given(it=ref("env.m.items"))}}).started() as live:
        assert live["a.x"] == {"it": 3}


def test_deep_reference_that_leads_nowhere_in_an_instance() -> None:
    """Where a deep reference finds nothing in an instance, the component that has it fails to start, and the text says where."""
    system = System({"a": {"x": given(inside={"one": 1}), "y": given(it=ref("a.x.inside.two"))}})
    assert system.check() == []
    with pytest.raises(StartError) as caught:
        system.start()
    [failure] = caught.value.failures
    assert failure.id == ("a", "y")
    for part in ("a.x.inside.two", "a.x.inside", "one"):
        assert part in str(failure.error)


def test_local_reference() -> None:
    """A local reference stays within the component's own group, whatever the group is called."""
    group = {
        "x": 1,
        "y": given(x=local_ref("x"), deep=local_ref("data.0"), spelled=local_ref("data", 1)),
        "data": [5, 6],
    }
    for name in ("one", "two"):
        with System({name: group}).started() as live:
            assert live[name]["y"] == {"x": 1, "deep": 5, "spelled": 6}


def test_group_reference() -> None:
    """A reference to a group is the whole group as a mapping, in the order as written."""
    system = System({"all": {"x": given(parts=ref("parts"))}, "parts": {"b": 2, "a": given(), "c": 3}})
    with system.started() as live:
        assert live["all.x"] == {"parts": {"b": 2, "a": {}, "c": 3}}
        assert list(live["all.x"]["parts"]) == ["b", "a", "c"]


def test_group_reference_waits_for_all_in_the_group() -> None:
    """A component that refers to a group starts after everything in it."""
    system = System({"all": {"x": given(parts=ref("parts"))}, "parts": {"b": given(), "a": given()}})
    assert [str(step.id) for step in system.plan()] == ["parts.b", "parts.a", "all.x"]


def test_reference_to_an_empty_group() -> None:
    """A reference to an empty group is an empty mapping."""
    with System({"parts": {}, "all": {"x": given(parts=ref("parts"))}}).started() as live:
        assert live["all.x"] == {"parts": {}}


def test_group_reference_uses_what_others_see() -> None:
    """In a group reference each component is what others see of it."""
    parts: Any = {"a": Component(lambda: 1, resolve=lambda it: it + 10)}
    with System({"parts": parts, "all": {"x": given(parts=ref("parts"))}}).started() as live:
        assert live["all.x"] == {"parts": {"a": 11}}


def test_reference_is_recognised() -> None:
    """`is_ref` tells references of every kind from anything else."""
    assert [is_ref(x) for x in (ref("a.b"), local_ref("b"), ref("a"), ref("a.b", optional=True))] == [True] * 4
    assert [is_ref(x) for x in ("a.b", None, build(dict), required, opaque(ref("a.b")))] == [False] * 5


@pytest.mark.parametrize(
    "path", [("",), ("a..b",), (".a",), ("a.",), (3,), ("a", ""), (), (None,), ('"a',), ("a", 1.5)]
)
def test_path_of_the_wrong_form(path: tuple[Any, ...]) -> None:
    """A reference whose path is not of the form is an error at once."""
    with pytest.raises(BadId):
        ref(*path)


def test_local_reference_without_a_path() -> None:
    """A local reference needs a name."""
    with pytest.raises(BadId):
        local_ref()


# --- Containers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([ref("env.x"), 2], [1, 2]),
        ((ref("env.x"), 2), (1, 2)),
        ({"k": ref("env.x"), "l": 2}, {"k": 1, "l": 2}),
        ({ref("env.x"), 2}, {1, 2}),
        (frozenset({ref("env.x")}), frozenset({1})),
        (Point(ref("env.x"), 2), Point(1, 2)),
        ({"k": [(Point([ref("env.x")], {"l": ref("env.y")}),)]}, {"k": [(Point([1], {"l": 5}),)]}),
        ([ref("env.x"), ref("env.x")], [1, 1]),
    ],
    ids=["list", "tuple", "dict", "set", "frozenset", "named tuple", "nested", "twice"],
)
def test_references_in_containers(value: Any, expected: Any) -> None:
    """References are found in lists, tuples, dicts, sets and named tuples, at any depth, in configs and in constants."""
    system = System({"env": {"x": 1, "y": 5, "constant": value}, "a": {"b": given(it=value)}})
    with system.started() as live:
        for found in (live["a.b"]["it"], live["env.constant"]):
            assert found == expected
            assert type(found) is type(expected)
    assert [str(step.id) for step in system.plan()] == ["a.b"]
    assert ("a", "b") in system.graph().dependents("env.x")


def test_reference_in_a_container_that_cannot_be_rebuilt() -> None:
    """A reference in a container of another type is an error at once that says what to do, rather than being passed over."""
    with pytest.raises(BadArguments, match="build"):
        given(it=OrderedDict(x=ref("env.x")))


def test_unknown_objects_are_not_searched() -> None:
    """An object of the user's is handed on as it is."""
    settings = Settings(port=ref("env.x"))
    with System({"a": {"b": given(it=settings)}}).started() as live:
        assert live["a.b"]["it"] is settings


def test_containers_are_copied_in() -> None:
    """Changing a container after it was given does not change the definition."""
    inner = [1]
    config = {"it": {"k": inner}}
    system = System({"a": {"b": Component(dict, config=config)}, "env": {"c": inner}})
    inner.append(2)
    config["it"]["k"] = []
    with system.started() as live:
        assert live["a.b"] == {"it": {"k": [1]}}
        assert live["env.c"] == [1]


def test_containers_are_handed_out_fresh_to_each_start() -> None:
    """What a component does to its arguments is gone at its next start."""
    live = System({"env": {"c": [1]}, "a": {"b": given(it={"k": [1]}, point=Point([1], 2))}}).start()
    live["a.b"]["it"]["k"].append(2)
    live["a.b"]["it"]["new"] = 3
    live["a.b"]["point"].x.append(2)
    live["env.c"].append(2)
    live.restart()
    assert live["a.b"] == {"it": {"k": [1]}, "point": Point([1], 2)}
    assert live["env.c"] == [1]
    live.stop()


def test_two_systems_of_one_definition_share_no_containers() -> None:
    """Two live systems of one definition get containers of their own."""
    system = System({"a": {"b": given(it=[])}})
    with system.started() as one, system.started() as other:
        one["a.b"]["it"].append(1)
        assert other["a.b"]["it"] == []


def test_referents_are_handed_on_as_they_are() -> None:
    """What a reference gives is never copied: two that refer to one constant get the same object."""
    system = System({"env": {"c": []}, "a": {"x": given(it=ref("env.c")), "y": given(it=[ref("env.c")])}})
    with system.started() as live:
        assert live["a.x"]["it"] is live["a.y"]["it"][0] is live["env.c"]


# --- Constants ----------------------------------------------------------------------------------------------------------


def test_constant_with_references_inside() -> None:
    """A constant with references inside is resolved, is ordered, and may be referred to."""
    system = System(
        {
            "a": {"user": given(url=ref("env.http.url"))},
            "env": {"http": {"url": ref("a.made"), "port": 80}},
        }
    )
    system = system.merge(System({"a": {"made": Component(lambda: "http://made")}}))
    assert [str(step.id) for step in system.plan()] == ["a.made", "a.user"]
    with system.started() as live:
        assert live["a.user"] == {"url": "http://made"}
        assert live["env.http"] == {"url": "http://made", "port": 80}
        assert live["env.http.port"] == 80


def test_deep_reference_through_a_reference_in_a_constant() -> None:
    """A deep reference may lead through a reference that stands in a constant."""
    system = System(
        {
            "env": {"db": {"main": ref("env.hosts")}, "hosts": {"one": "h1"}},
            "a": {"x": given(host=ref("env.db.main.one"))},
        }
    )
    assert system.check() == []
    with system.started() as live:
        assert live["a.x"] == {"host": "h1"}


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}])
def test_falsy_constant(value: Any) -> None:
    """A false value is a constant like any other."""
    with System({"env": {"x": value}, "a": {"b": given(it=ref("env.x"))}}).started() as live:
        assert live["env.x"] == value
        assert live["a.b"] == {"it": value}


# --- Optional references ------------------------------------------------------------------------------------------------


def test_optional_reference_to_what_is_on() -> None:
    """An optional reference to a component that is switched on gives its instance."""
    with System({"a": {"x": given(), "y": given(x=ref("a.x", optional=True))}}).started() as live:
        assert live["a.y"]["x"] is live["a.x"]


@pytest.mark.parametrize(
    "reference",
    [ref("a.x", optional=True), ref("a.x.inside.deep", optional=True), local_ref("x", optional=True)],
    ids=repr,
)
def test_optional_reference_to_what_is_off(reference: Any) -> None:
    """An optional reference to a component that is switched off is `None`, however deep it goes."""
    system = System({"a": {"x": Component(dict, enabled=False), "y": given(it=reference, inside=[reference])}})
    with system.started() as live:
        assert live["a.y"] == {"it": None, "inside": [None]}


def test_reference_to_what_is_off() -> None:
    """A reference to a component that is switched off is a problem, unless it is optional."""
    [problem] = System({"a": {"x": Component(dict, enabled=False), "y": given(it=[ref("a.x")])}}).check()
    assert problem.error is ReferenceToOff
    assert (str(problem.id), problem.path) == ("a.y", ("config", "it", 0))
    assert "optional=True" in problem.hint
    assert problem.details["target"] == "a.x"


def test_optional_reference_to_nothing() -> None:
    """Optional means off, not unknown: an optional reference to nothing is a problem like any other."""
    [problem] = System({"a": {"y": given(it=ref("a.x", optional=True))}}).check()
    assert problem.error is UnknownReference


def test_optional_reference_still_orders() -> None:
    """An optional reference orders like any other where its target is on."""
    system = System({"a": {"y": given(x=ref("a.x", optional=True)), "x": given()}})
    assert [str(step.id) for step in system.plan()] == ["a.x", "a.y"]


# --- build --------------------------------------------------------------------------------------------------------------


def test_build_makes_an_object_of_resolved_parts() -> None:
    """`build` makes an object of resolved parts, positional and named."""
    system = System(
        {
            "env": {"port": 80, "x": "h"},
            "a": {"b": given(it=build(Settings, ref("env.port"), hosts=[ref("env.x")]))},
        }
    )
    with system.started() as live:
        made = live["a.b"]["it"]
    assert type(made) is Settings
    assert (made.port, made.hosts) == (80, ["h"])


def test_build_is_made_anew_at_each_start() -> None:
    """What `build` makes is made at each start, and only then."""
    made: list[int] = []

    def make(x: int) -> list[int]:
        made.append(x)
        return made[:]

    live = System({"a": {"b": given(it=build(make, 1))}}).start()
    assert made == [1]
    live.restart()
    assert live["a.b"] == {"it": [1, 1]}
    live.stop()


def test_builds_nest() -> None:
    """A `build` may stand in another, in containers, and as a constant."""
    system = System(
        {
            "env": {"settings": build(Settings, port=build(int, "12"), hosts=(build(str, 3),))},
            "a": {"b": given(port=ref("env.settings.port"), hosts=ref("env.settings.hosts.0"))},
        }
    )
    assert system.check() == []
    with system.started() as live:
        assert live["a.b"] == {"port": 12, "hosts": "3"}


def test_build_with_wrong_arguments() -> None:
    """`build` with arguments that its target does not take is an error at once, with file and line."""
    line = sys._getframe().f_lineno + 2
    with pytest.raises(BadArguments) as caught:
        build(Settings, prot=80)
    [problem] = caught.value.problems
    assert problem.site == Site(__file__, line)
    assert "prot" in problem.what
    assert "port" in problem.hint


def test_build_whose_target_fails() -> None:
    """Where the target of `build` fails, the component that has it fails to start."""
    system = System({"a": {"x": given(), "b": given(x=ref("a.x"), it=build(int, "no number"))}})
    with pytest.raises(StartError) as caught:
        system.start()
    [failure] = caught.value.failures
    assert failure.id == ("a", "b")
    assert isinstance(failure.error, ValueError)


# --- opaque -------------------------------------------------------------------------------------------------------------


def test_opaque_is_handed_on_as_it_is() -> None:
    """What `opaque` marks is neither copied nor searched."""
    shared = [ref("no.where")]
    system = System({"env": {"x": opaque(shared)}, "a": {"b": given(it=[opaque(shared)])}})
    assert system.check() == []
    with system.started() as live:
        assert live["env.x"] is shared
        assert live["a.b"]["it"][0] is shared


def test_opaque_may_be_reached_into() -> None:
    """A deep reference reaches into what `opaque` marks."""
    system = System({"env": {"x": opaque(Settings(port=3))}, "a": {"b": given(it=ref("env.x.port"))}})
    assert system.check() == []
    with system.started() as live:
        assert live["a.b"] == {"it": 3}


# --- required -----------------------------------------------------------------------------------------------------------


@component
def pool(dsn: Any, options: Any = None) -> Any:
    """A pool."""
    return dsn, options


def test_required_stands_for_a_value_to_be_given_later() -> None:
    """A system with `required` can be defined; starting it without the value is an error that names the path to override."""
    system = System({"db": {"pool": pool(dsn=required)}})
    with pytest.raises(RequiredMissing) as caught:
        system.start()
    [problem] = caught.value.problems
    assert (str(problem.id), problem.path) == ("db.pool", ("config", "dsn"))
    assert "db.pool.config.dsn" in problem.hint


def test_required_is_met_by_an_override() -> None:
    """An override in the place of `required` makes the system whole."""
    system = System({"db": {"pool": pool(dsn=required, options={"size": required})}, "env": {"x": required}})
    assert len(system.check()) == 3
    whole = system.override({"db.pool.config.dsn": "d", "db.pool.config.options.size": 3, "env.x": 1})
    with whole.started() as live:
        assert live["db.pool"] == ("d", {"size": 3})


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"dsn": [1, required]}, ("config", "dsn", 1)),
        ({"dsn": build(Settings, port=required)}, ("config", "dsn", "port")),
        ({"dsn": Secret(required)}, ("config", "dsn")),
        ({"dsn": 1, "options": {"a": {"b": (required,)}}}, ("config", "options", "a", "b", 0)),
    ],
    ids=["list", "build", "secret", "nested"],
)
def test_required_is_found_at_any_depth(config: dict[str, Any], path: tuple[Any, ...]) -> None:
    """`required` is found wherever a reference would be."""
    [problem] = System({"db": {"pool": pool(**config)}}).check()
    assert (problem.error, problem.path) == (RequiredMissing, path)


# --- Secret -------------------------------------------------------------------------------------------------------------

HIDDEN = "hunter2"


def test_secret_is_handed_over_unwrapped() -> None:
    """A handler gets the value of a secret itself, wherever the secret stands."""
    config: dict[str, Any] = {
        "plain": Secret(HIDDEN),
        "nested": {"deep": [Secret(HIDDEN)]},
        "whole": Secret({"password": HIDDEN}),
        "built": build(Settings, Secret(HIDDEN)),
        "referred": Secret(ref("env.user")),
        "constant": ref("env.password"),
        "inside": ref("env.login.password"),
    }
    env = {"user": "me", "password": Secret(HIDDEN), "login": Secret({"password": HIDDEN})}
    with System({"env": env, "a": {"b": given(**config)}}).started() as live:
        got = live["a.b"]
    assert got["plain"] == HIDDEN
    assert got["nested"] == {"deep": [HIDDEN]}
    assert got["whole"] == {"password": HIDDEN}
    assert got["built"].port == HIDDEN
    assert (got["referred"], got["constant"], got["inside"]) == ("me", HIDDEN, HIDDEN)


def secretive() -> System:
    """A system with the same secret in every place that can hold one, whose components do not show what they get."""

    def silent(**config: Any) -> object:
        return object()

    env = {
        "password": Secret(HIDDEN),
        "login": {"user": "me", "password": Secret(HIDDEN), "all": Secret({"password": HIDDEN})},
        "settings": build(dict, password=Secret(HIDDEN)),
    }
    config: dict[str, Any] = {
        "plain": Secret(HIDDEN),
        "nested": {"deep": [Secret(HIDDEN)]},
        "whole": Secret({"password": HIDDEN}),
        "built": build(Settings, Secret(HIDDEN)),
        "point": Point(Secret(HIDDEN), 1),
        "constant": ref("env.password"),
        "deep": ref("env.login.password"),
        "deeper": ref("env.login.all.password"),
        "login": ref("env.login"),
        "all": ref("env"),
        "local": local_ref("own"),
    }
    return System({"env": env, "a": {"own": Secret(HIDDEN), "b": Component(silent, config=config)}})


def test_secret_is_in_no_repr() -> None:
    """No repr of anything that belongs to a definition shows a secret."""
    system = secretive()
    shown = [
        system,
        system["a.b"],
        system["a.b"].config,
        system["env.login"],
        system.groups,
        system.plan(),
        system.graph(),
    ]
    assert HIDDEN not in "".join(f"{x!r} {x}" for x in shown)


def test_secret_is_in_no_description() -> None:
    """No description, of a definition or of what runs, shows a secret, as text or as data."""
    system = secretive()
    assert HIDDEN not in f"{system.describe()} {system.describe().as_dict()}"
    with system.started() as live:
        description = live.describe()
        assert HIDDEN not in f"{description} {description.as_dict()} {dict(description)}"
        assert HIDDEN not in f"{live!r} {live.report} {live.report!r}"


def test_secret_as_a_start_is_in_no_description() -> None:
    """A secret that is the start of a component is the instance, and is in no description."""
    with System({"a": {"b": Component(Secret(HIDDEN))}}).started() as live:
        assert live["a.b"] == HIDDEN
        assert HIDDEN not in f"{live.describe()} {live.describe().as_dict()}"


def test_secret_is_in_no_event() -> None:
    """What observers are told shows no secret."""
    events: list[Event] = []
    with secretive().started(observers=[events.append]):
        pass
    assert events
    assert HIDDEN not in repr(events)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: secretive().override({"env.password.x": 1}),
        lambda: secretive().override({"env.login.passwrod": 1}),
        lambda: secretive().override({"a.b.config.plain.x": 1}),
        lambda: secretive().override({"a.b.config": Secret(HIDDEN)}),
        lambda: secretive().override({"a": Secret(HIDDEN)}),
        lambda: secretive().merge(System({"env": {"password": 1}, "a": {"b": given(x=Secret(HIDDEN))}})),
        lambda: secretive().merge(System({"c": {"d": given(x=ref("env.password.x"))}})).start(),
        lambda: secretive().merge(System({"c": {"d": given(x=ref("env.login.all.x"))}})).start(),
        lambda: secretive().merge(System({"c": {"d": pool(dsn=required, options=Secret(HIDDEN))}})).start(),
        lambda: pool(dns=Secret(HIDDEN)),  # type: ignore[call-arg]
        lambda: pool(Secret(HIDDEN), 1, 2),  # type: ignore[call-arg]
        lambda: given(x=Secret(Component(dict, config={"x": Secret(HIDDEN)}))),
        lambda: build(Settings, x=Secret(HIDDEN)),
        lambda: untyped_component(dict, config=Secret(HIDDEN)),
    ],
)
def test_secret_is_in_no_error(broken: Any) -> None:
    """No error of a definition shows a secret, in its text or in its data."""
    with pytest.raises(DefinitionError) as caught:
        broken()
    error = caught.value
    assert HIDDEN not in f"{error} {error!r} {error.problems!r} {[p.details for p in error.problems]}"


def test_secret_is_in_no_error_of_a_run() -> None:
    """What Mainspring adds to an error of a run shows no secret."""

    def fails(**config: Any) -> None:
        raise ValueError("no")

    system = secretive().override({"a.b.start": fails})
    with pytest.raises(StartError) as caught:
        system.start()
    error = caught.value
    assert HIDDEN not in f"{error} {error!r} {error.failures} {error.exceptions[0].__notes__}"


def test_secret_shows_no_sign_of_its_value() -> None:
    """Every secret looks the same, and can be revealed on purpose."""
    assert repr(Secret(HIDDEN)) == str(Secret(HIDDEN)) == repr(Secret("other"))
    assert f"{Secret(HIDDEN)}" == str(Secret("other"))
    assert Secret(HIDDEN).reveal() == HIDDEN


def test_secrets_are_compared_by_what_they_hide() -> None:
    """Two secrets are equal when what they hide is."""
    assert Secret(HIDDEN) == Secret(HIDDEN)
    assert Secret(HIDDEN) != Secret("other")
    assert Secret(HIDDEN) != HIDDEN
    assert Secret(1) != Secret(True)


# --- Context ------------------------------------------------------------------------------------------------------------


def seen_by(*places: str) -> tuple[System, list[tuple[str, Any, Context]]]:
    """A system with a component that asks for its context in all its handlers, and what they were given."""
    calls: list[tuple[str, Any, Context]] = []

    def handler(place: str) -> Any:
        def handle(it: Any, ctx: Any = Context.here) -> str:
            calls.append((place, it, ctx))
            return f"from {place}"

        return handle

    def start(size: int, inside: Any, /, *, context: Any = Context.here) -> str:
        calls.append(("start", None, context))
        return f"{size} {inside}"

    definition: Any = Component(
        start,
        handler("stop"),
        config={"size": 3, "inside": [ref("env.x"), Secret("s")]},
        status=handler("status"),
        suspend=handler("suspend"),
        resume=handler("resume"),
        handlers={"reload": handler("reload")},
        pre={"start": {"announce": handler("pre start")}, "stop": handler("pre stop")},
        post={"start": handler("post start"), "stop": handler("post stop"), "status": handler("post status")},
        resolve=handler("resolve"),
    )
    system = System({"env": {"x": 1}, "a": {"b": definition}}, signals=[Signal("reload")], name="demo")
    return system, calls


def test_every_handler_can_ask_for_its_context() -> None:
    """Start and every other handler get a context where they have a parameter whose default is `Context.here`."""
    system, calls = seen_by()
    with system.started() as live:
        live.status()
        live.suspend()
        live.resume()
        live.signal("reload")
    assert [place for place, _, _ in calls] == [
        "pre start", "start", "resolve", "post start", "status", "post status", "suspend", "resume", "reload", "pre stop",
        "stop", "post stop",
    ]  # fmt: skip


def test_context_says_which_component_signal_and_handler() -> None:
    """A context says which component, signal, handler and system."""
    system, calls = seen_by()
    with system.started() as live:
        live.signal("reload")
    found = {place: (ctx.id, ctx.signal, ctx.handler, ctx.system) for place, _, ctx in calls}
    b = Id("a", "b")
    assert found["start"] == (b, "start", "start", "demo")
    assert found["pre start"] == (b, "start", "pre start: announce", "demo")
    assert found["reload"] == (b, "reload", "reload", "demo")
    assert found["stop"] == (b, "stop", "stop", "demo")


def test_context_has_the_resolved_config() -> None:
    """A context has the config as it was resolved for the start, in start and in every later handler."""
    system, calls = seen_by()
    with system.started():
        pass
    configs = {place: ctx.config for place, _, ctx in calls}
    for place in ("start", "post start", "pre stop", "stop", "post stop"):
        assert configs[place] == {"size": 3, "inside": [1, "s"]}, place


def test_context_has_the_resolved_config_before_the_start() -> None:
    """A pre-start handler sees the config with which the component is about to be started."""
    system, calls = seen_by()
    with system.started():
        pass
    assert calls[0][0] == "pre start"
    assert calls[0][2].config == {"size": 3, "inside": [1, "s"]}


def test_context_has_the_instance() -> None:
    """A context has the instance; there is none before the start."""
    system, calls = seen_by()
    with system.started():
        pass
    found = {place: (it, ctx.instance) for place, it, ctx in calls}
    assert found["pre start"] == (None, None)
    assert found["start"] == (None, None)
    for place in ("post start", "pre stop", "stop", "post stop"):
        assert found[place] == ("3 [1, 's']",) * 2, place


def test_context_is_found_by_the_default_not_the_annotation() -> None:
    """A parameter is filled because of its default, whatever its name and annotation; an annotation alone does nothing."""

    def start(anything: int = Context.here) -> Any:  # type: ignore[assignment]
        return anything

    def other(context: Context | None = None) -> Any:
        return context

    with System({"a": {"x": Component(start), "y": Component(other)}}).started() as live:
        assert isinstance(live["a.x"], Context)
        assert live["a.y"] is None


def test_generator_and_class_can_ask_for_their_context() -> None:
    """A generator and the constructor of a class get their context too."""

    @component
    def scope(ctx: Context = Context.here) -> Iterator[str]:
        yield str(ctx.id)

    class Thing:
        def __init__(self, ctx: Context = Context.here) -> None:
            self.id = str(ctx.id)

    with System({"a": {"x": scope(), "y": component(Thing)()}}).started() as live:
        assert (live["a.x"], live["a.y"].id) == ("a.x", "a.y")


def test_methods_can_ask_for_their_context() -> None:
    """The stop method of a class gets its context where it asks for it."""
    seen: list[str] = []

    class Thing:
        def stop(self, *, ctx: Context = Context.here) -> None:
            seen.append(f"{ctx.id} {ctx.handler}")

    with System({"a": {"x": component(Thing)()}}).started():
        pass
    assert seen == ["a.x stop"]


def test_config_in_a_context_cannot_be_changed_from_outside() -> None:
    """What start does to its own arguments does not change what later handlers see as the config."""
    seen: list[Mapping[str, Any]] = []

    def start(**config: Any) -> dict[str, Any]:
        config["added"] = 1
        return config

    def stop(it: Any, ctx: Context = Context.here) -> None:
        seen.append(ctx.config)

    with System({"a": {"x": Component(start, stop, config={"given": 1})}}).started():
        pass
    assert seen == [{"given": 1}]


# --- Order of checks ----------------------------------------------------------------------------------------------------


def test_reference_to_nothing_is_found_before_anything_starts() -> None:
    """A reference to nothing is found before anything starts, at any depth."""
    started: list[int] = []
    system = System({"a": {"x": Component(lambda: started.append(1)), "y": given(it={"k": [ref("a.z")]})}})
    with pytest.raises(UnknownReference) as caught:
        system.start()
    assert started == []
    [problem] = caught.value.problems
    assert problem.path == ("config", "it", "k", 0)


@pytest.mark.parametrize(
    "path", ["env.http.prot", "env.http.hosts.2", "env.http.hosts.x", "env.port.x", "env.nothing.x", "env.text.x"]
)
def test_deep_reference_to_nothing_in_a_constant(path: str) -> None:
    """A deep reference that finds nothing in a constant is a problem of the definition."""
    env = {"http": {"port": 80, "hosts": ["a", "b"]}, "port": 80, "nothing": None, "text": "abc"}
    [problem] = System({"env": env, "a": {"b": given(it=ref(path))}}).check()
    assert problem.error is UnknownReference
    assert path in problem.what
    assert problem.details["target"] == path


def test_secret_inside_an_instance_is_handed_over_unwrapped_and_shown_masked() -> None:
    """A component can give a secret to those that refer to it: they get the value, and nobody sees it."""
    given: list[object] = []
    system = System({
        "a": {
            "server": Component(lambda: {"dsn": Secret(HIDDEN)}),
            "token": Component(lambda: Secret(HIDDEN)),
            "user": Component(lambda **config: given.append(config), config={
                "deep": ref("a.server.dsn"), "whole": ref("a.token"), "nested": [ref("a.token")],
            }),
        },
    })  # fmt: skip
    with system.started() as live:
        assert given == [{"deep": HIDDEN, "whole": HIDDEN, "nested": [HIDDEN]}]
        assert HIDDEN not in f"{live.describe()} {live.describe().as_dict()}"
