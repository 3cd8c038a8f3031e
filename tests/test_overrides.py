"""Overrides by nested mapping and by a function, additions, and what both say where they do not fit."""

from __future__ import annotations

import traceback
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
    Secret,
    Signal,
    System,
    adjust,
    build,
    component,
    opaque,
    ref,
    required,
    subsystem,
)


class Point(NamedTuple):
    """A named tuple."""

    x: Any
    y: Any


def make(**config: Any) -> Any:
    """Give the config as the instance."""
    return config


def log(*args: Any) -> None:
    """A handler."""


def other(*args: Any) -> None:
    """Another handler."""


@component
def pool(dsn: Any, *, max_size: int = 10, options: Any = None) -> Iterator[Any]:
    """A pool."""
    yield [dsn, max_size, options]


def some_system(**more: Any) -> System:
    """A system with something of everything."""
    return System(
        {
            "env": {
                "port": 80,
                "http": {"port": 8080, "hosts": ["a", "b"], "tls": {"on": False, "file": None}},
                "point": Point(1, 2),
                "login": Secret({"user": "me", "password": "p"}),
                "settings": build(dict, port=1),
            },
            "db": {"pool": pool(dsn="d", options={"a": {"b": 1}}), "spare": pool(dsn="s")},
            "web": {
                "server": Component(
                    make, log, config={"port": ref("env.port"), "stack": [1, 2]}, status=log,
                    handlers={"reload": log}, pre={"start": {"one": log, "two": log}}, deadlines={"start": 1}, tags=["t"],
                ),
                "slow": Component(make, deadlines=5, config={}),
            },
        },
        signals=[Signal("reload")],
        **more,
    )  # fmt: skip


def problem_of(change: Callable[[], object]) -> Any:
    """The one problem of a change that does not fit."""
    with pytest.raises(BadOverride) as caught:
        change()
    [problem] = caught.value.problems
    return problem


# --- By nested mapping --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nested", "paths"),
    [
        ({"env": {"port": 1}}, {"env.port": 1}),
        ({"env": {"http": {"port": 0}}}, {"env.http.port": 0}),
        ({"env": {"http": {"tls": {"on": True}, "port": 0}}}, {"env.http.tls.on": True, "env.http.port": 0}),
        ({"env": {"http": {"hosts": ["c"]}}}, {"env.http.hosts": ["c"]}),
        ({"env": {"http": {"hosts": {1: "c"}}}}, {"env.http.hosts.1": "c"}),
        ({"env": {"point": {"x": 3}}}, {"env.point.x": 3}),
        ({"env": {"login": {"password": "q"}}}, {"env.login.password": "q"}),
        ({"env": {"settings": {"port": 2}}}, {"env.settings.port": 2}),
        ({"db": {"pool": {"config": {"max_size": 3}}}}, {"db.pool.config.max_size": 3}),
        ({"db": {"pool": {"config": {"options": {"a": {"b": 2}}}}}}, {"db.pool.config.options.a.b": 2}),
        ({"db": {"spare": {"config": {"options": {"a": 2}}}}}, {"db.spare.config.options": {"a": 2}}),
        ({"db": {"pool": {"doc": "new", "enabled": False}}}, {"db.pool.doc": "new", "db.pool.enabled": False}),
        ({"web": {"server": {"pre": {"start": {"two": other}}}}}, {"web.server.pre.start.two": other}),
        ({"web": {"server": {"pre": {"start": other}}}}, {"web.server.pre.start": other}),
        ({"web": {"server": {"status": other}}}, {"web.server.handlers.status": other}),
        ({"web": {"server": {"handlers": {"status": other}}}}, {"web.server.status": other}),
        ({"web": {"server": {"deadlines": {"start": 2}}}}, {"web.server.deadlines.start": 2}),
        ({"db": {"pool": {"deadlines": {"start": 2}}}}, {"db.pool.deadlines": {"start": 2}}),
        ({"web": {"server": {"tags": ["x"], "stop": other}}}, {"web.server.tags": ["x"], "web.server.stop": other}),
        ({"web": {"server": {"schema": {"port": int}}}}, {"web.server.schema": {"port": int}}),
    ],
    ids=repr,
)
def test_nested_mapping_is_its_paths(nested: Any, paths: Any) -> None:
    """A nested mapping reaches in as far as there is something to reach into, and changes what its paths would."""
    assert some_system().override(nested) == some_system().override(paths)


def test_nested_mapping_exchanges_by_what_is_no_mapping() -> None:
    """In a nested mapping anything that is no mapping is the new value, a component too."""
    fake = Component(make, config={})
    assert some_system().override({"db": {"pool": fake}})["db.pool"] is fake
    assert some_system().override({"db": {"pool": None}})["db.pool"] is None


def test_path_takes_a_mapping_as_it_is() -> None:
    """A path exchanges the whole place, by a mapping too."""
    changed = some_system().override({"env.http": {"port": 0}, "db.pool": {"a": 1}})
    assert (changed["env.http"], changed["db.pool"]) == ({"port": 0}, {"a": 1})


def test_nested_mapping_with_an_opaque_dict() -> None:
    """A dict that is to stand in the place of a component can be marked as opaque in a nested mapping."""
    fake = {"key": "value"}
    with some_system().override({"db": {"pool": opaque(fake)}}).started("db.pool") as live:
        assert live["db.pool"] is fake


def test_empty_nested_mapping_changes_nothing() -> None:
    """A mapping without anything in it holds no change."""
    assert some_system().override({"env": {"http": {}}, "db": {"pool": {"config": {}}}}) == some_system()


@pytest.mark.parametrize("given", [{"key": "value"}, {}])
def test_nested_mapping_without_slots_over_a_component(given: Any) -> None:
    """A mapping without any slot over a component could be a fake or a mistake, and is an error that says how to write either."""
    problem = problem_of(lambda: some_system().override({"db": {"pool": given}}))
    assert "component" in problem.what
    assert '{"db.pool": ...}' in problem.hint
    assert "opaque" in problem.hint


def test_nested_mapping_with_a_slot_that_is_misspelled() -> None:
    """A mapping over a component whose keys are almost slots is an error that names the slot."""
    problem = problem_of(lambda: some_system().override({"db": {"pool": {"confg": {"max_size": 3}}}}))
    assert "Did you mean db.pool.config?" in problem.hint
    problem = problem_of(lambda: some_system().override({"db": {"pool": {"confg": 1, "doc": "x"}}}))
    assert "Did you mean db.pool.config?" in problem.hint


@pytest.mark.parametrize(
    ("given", "path", "there"),
    [
        ({"env": {"port": {"a": 1}}}, "env.port", "an int"),
        ({"env": {"http": {"port": {}}}}, "env.http.port", "an int"),
        ({"web": {"server": {"config": {"port": {"a": 1}}}}}, "web.server.config.port", "ref('env.port')"),
        ({"web": {"slow": {"deadlines": {"start": 1}}}}, "web.slow.deadlines", "an int"),
    ],
    ids=repr,
)
def test_nested_mapping_over_what_has_no_parts(given: Any, path: str, there: str) -> None:
    """A mapping over something without parts is an error that says to write its path for an exchange."""
    problem = problem_of(lambda: some_system().override(given))
    assert problem.details["path"] == path
    assert there in problem.what
    assert f'{{"{path}": ...}}' in problem.hint


def test_nested_mapping_over_nothing_yet() -> None:
    """Where there is `None`, a mapping is the new value."""
    assert some_system().override({"env": {"http": {"tls": {"file": {"name": "x"}}}}})["env.http.tls.file"] == {
        "name": "x"
    }


def test_nested_mapping_over_what_is_required() -> None:
    """Where a value is to be given later, a mapping is that value."""
    system = System({"env": {"http": required}, "a": {"b": Component(make, config={"http": required})}})
    changed = system.override({"env": {"http": {"port": 1}}, "a": {"b": {"config": {"http": {"port": 2}}}}})
    assert (changed["env.http"], changed["a.b"].config) == ({"port": 1}, {"http": {"port": 2}})


# --- Many at once -------------------------------------------------------------------------------------------------------


def test_more_exact_paths_come_last() -> None:
    """Of two changes, one inside the other, the more exact is applied last, however they are written."""
    fake = pool(dsn="fake")
    first = {
        "db.pool.config.max_size": 3,
        "db.pool": fake,
        "env": {"http": {"port": 1}},
        "env.http": {"port": 0, "x": 2},
    }
    changed = some_system().override(first)
    assert changed["db.pool"].config == {"dsn": "fake", "max_size": 3}
    assert changed["env.http"] == {"port": 1, "x": 2}
    assert changed == some_system().override(dict(reversed(first.items())))


@pytest.mark.parametrize("is_exact_first", [True, False])
@pytest.mark.parametrize("is_nested", [True, False])
def test_more_exact_comes_last_through_a_nested_mapping(is_exact_first: bool, is_nested: bool) -> None:
    """A slot in a nested mapping is a slot of the component that the same call puts there, whichever is written first."""
    part = Component(make, config={"k": 1, "l": 1})
    whole: tuple[Any, Any] = (("a",), {"x": part}) if is_nested else ("a.x", part)
    changes: list[tuple[Any, Any]] = [("a", {"x": {"config": {"k": 2}}}), whole]
    system = System({"a": {"x": 0}}).override(dict(changes if is_exact_first else reversed(changes)))
    with system.started() as live:
        assert live["a.x"] == {"k": 2, "l": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"env.port": 1, "env": {"port": 1}},
        {"env.http.hosts.1": "x", "env.http.hosts.-1": "y"} | {("env", "http", "hosts", 1): "z"},
        {"env.point.x": 1, "env.point.0": 2},
        {"web.server.status": log, "web.server.handlers.status": log},
        {"web.server.status": log, "web": {"server": {"status": log}}},
        {"db.pool.config": {"dsn": 1}, "db": {"pool": {"config": {"dsn": 1}}}, ("db", "pool", "config", "dsn"): 2},
    ],
    ids=repr,
)
def test_same_place_twice(changes: Any) -> None:
    """Two changes of the same place are an error, in whatever spelling."""
    with pytest.raises(BadOverride, match="same place"):
        some_system().override(changes)


def test_all_problems_in_the_order_as_written() -> None:
    """Everything wrong is said at once, in the order as written, however exact the paths are."""
    with pytest.raises(DefinitionError) as caught:
        some_system().override({
            "env.http.x.y": 1, "a.b": 1, "env": {"x": 1, "http": {"z": 1}}, "db.pool": component(make), "db.x": 1,
        })  # fmt: skip
    assert [problem.details.get("path") for problem in caught.value.problems] == [
        "env.http.x.y", "a.b", "env.x", "env.http.z", None, "db.x",
    ]  # fmt: skip


def test_changes_that_are_no_mapping() -> None:
    """What is no mapping is an error."""
    with pytest.raises(BadOverride, match="mapping"):
        some_system().override(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "value"),
    [("web.server.handlers", 3), ("web.server.pre", 3), ("web.server.tags", 3), ("web.server.deadlines", "x")],
)
def test_value_that_does_not_fit_a_slot(path: str, value: Any) -> None:
    """A value that a slot cannot hold is an error of the definition."""
    with pytest.raises(DefinitionError):
        some_system().override({path: value})


# --- By a function of the old value -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "function", "paths"),
    [
        ("env.port", lambda port: port + 1, {"env.port": 81}),
        ("env.http.hosts", lambda hosts: [*hosts, "c"], {"env.http.hosts": ["a", "b", "c"]}),
        ("env.http.hosts.0", str.upper, {"env.http.hosts": ["A", "b"]}),
        ("env.point", lambda point: point._replace(x=3), {"env.point.x": 3}),
        ("env.login.password", lambda password: password * 2, {"env.login.password": "pp"}),
        ("db.pool", lambda it: it.replace(doc="x"), {"db.pool.doc": "x"}),
        ("db.pool", lambda it: 3, {"db.pool": 3}),
        ("db.pool.config.max_size", lambda size: size * 2, {"db.pool.config.max_size": 20}),
        ("db.pool.config.options.a", lambda a: {**a, "c": 2}, {"db.pool.config.options.a": {"b": 1, "c": 2}}),
        ("db.pool.config", lambda config: {**config, "max_size": 1}, {"db.pool.config.max_size": 1}),
        ("web.server.config.stack", lambda stack: [0, *stack], {"web.server.config.stack": [0, 1, 2]}),
        ("web.server.config.port", lambda port: [port], {"web.server.config.port": [ref("env.port")]}),
        ("web.server.tags", lambda tags: tags | {"x"}, {"web.server.tags": ["t", "x"]}),
        ("web.server.deadlines.start", lambda seconds: seconds * 2, {"web.server.deadlines.start": 2}),
        ("web.slow.deadlines", lambda seconds: seconds * 2, {"web.slow.deadlines": 10}),
        ("web.server.pre.start.one", lambda handler: other if handler is log else 3, {"web.server.pre.start.one": other}),
        ("web.server.pre.start", lambda pre: {"three": other, **pre},
         {"web.server.pre.start": {"three": other, "one": log, "two": log}}),
        ("web.server.status", lambda handler: other if handler is log else 3, {"web.server.status": other}),
        ("web.server.stop", lambda handler: other if handler is log else 3, {"web.server.stop": other}),
        ("web.server.enabled", lambda enabled: not enabled, {"web.server.enabled": False}),
    ],
)  # fmt: skip
def test_adjust_is_a_function_of_the_old_value(path: str, function: Any, paths: Any) -> None:
    """A change can be given as a function of what stands at its path, by path and in a nested mapping alike."""
    assert some_system().override({path: adjust(function)}) == some_system().override(paths)
    nested: Any = adjust(function)
    for part in reversed(path.split(".")):
        nested = {part: nested}
    assert some_system().override(nested) == some_system().override(paths)


def test_adjust_gets_a_copy() -> None:
    """What the function does to the old value does not reach the old system."""

    def change(http: Any) -> Any:
        http["hosts"].append("c")
        return http

    system = some_system()
    assert system.override({"env.http": adjust(change)})["env.http.hosts"] == ["a", "b", "c"]
    assert system == some_system()


def test_adjust_of_what_another_change_brings() -> None:
    """A function gets what a less exact change of the same call has put there."""
    changed = some_system().override({"env.http.port": adjust(lambda port: port + 1), "env.http": {"port": 1}})
    assert changed["env.http"] == {"port": 2}


def test_adjust_whose_function_raises() -> None:
    """What the function raises comes out as an error of the override, with the path and the cause."""
    with pytest.raises(BadOverride, match=r"env\.http\.port.*ZeroDivisionError") as caught:
        some_system().override({"env.http.port": adjust(lambda port: port / 0)})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.problems[0].details["cause"] is caught.value.__cause__


def test_two_functions_that_raise() -> None:
    """Where several functions raise, all problems are said, and the cause is a group."""
    with pytest.raises(BadOverride) as caught:
        some_system().override({"env.port": adjust(lambda port: port / 0), "db.pool": adjust(lambda it: it.nothing)})
    assert [problem.details["path"] for problem in caught.value.problems] == ["env.port", "db.pool"]
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [type(error) for error in caught.value.__cause__.exceptions] == [ZeroDivisionError, AttributeError]


@pytest.mark.parametrize("path", ["env.login", "env.login.password"])
def test_adjust_of_a_secret_that_raises(path: str) -> None:
    """What a function says of a secret in its error is not repeated in ours."""

    def change(old: Any) -> Any:
        raise ValueError("the password is hunter2")

    problem = problem_of(lambda: some_system().override({path: adjust(change)}))
    assert "hunter2" not in str(problem)
    assert "ValueError" in str(problem)


def test_error_of_a_function_of_a_secret_leads_to_it_nowhere() -> None:
    """What a function raised of a secret is no cause and no detail, so that no traceback shows it."""
    secret = "".join(["hunt", "er2"])  # so that the line itself, which a traceback shows, does not have it
    system = System({"env": {"login": Secret({"user": secret})}})
    with pytest.raises(BadOverride) as caught:
        system.override({"env.login.user": adjust(int), "env.login": adjust(lambda login: login[login["user"]])})
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error) + str([p.details for p in error.problems])
    assert secret not in told
    assert error.__cause__ is None
    assert [type(it) for it in (error.__context__, error.__cause__)] == [type(None)] * 2


def test_function_of_a_secret_beside_another_that_raises() -> None:
    """The cause of the problem beside it is kept."""
    system = System({"env": {"login": Secret("hunter2"), "port": "x"}})
    with pytest.raises(BadOverride) as caught:
        system.override({"env.login": adjust(int), "env.port": adjust(int)})
    assert str(caught.value.__cause__) == "invalid literal for int() with base 10: 'x'"
    assert len(caught.value.problems) == 2


def test_adjust_keeps_a_secret_secret() -> None:
    """What is put into a secret stays in it."""
    changed = some_system().override({"env.login.password": adjust(lambda old: "q")})
    assert isinstance(changed["env.login"], Secret)
    assert changed["env.login"].reveal() == {"user": "me", "password": "q"}


def test_adjust_where_there_is_nothing() -> None:
    """A function has nothing to work on where an argument was not given and has no default."""

    def start(**config: Any) -> None: ...

    system = System({"a": {"b": Component(start, config={})}})
    assert "no old value" in problem_of(lambda: system.override({"a.b.config.x": adjust(lambda x: x)})).what


@pytest.mark.parametrize(
    "misplace",
    [
        lambda mark: System({"a": {"b": mark}}),
        lambda mark: System({"a": {"b": [mark]}}),
        lambda mark: pool(dsn=mark),
        lambda mark: Component(make, config={"x": mark}),
        lambda mark: some_system().override({"env.http": {"port": mark}}),
        lambda mark: some_system().override({"db.pool.config": {"dsn": mark}}),
        lambda mark: some_system().override({"env": mark}),
        lambda mark: some_system().override({"env.port": adjust(lambda port: mark)}),
        lambda mark: some_system().add({"env.new": mark}),
        lambda mark: f"{mark}" and adjust(mark),
    ],
)
def test_adjust_where_it_means_nothing(misplace: Callable[[Any], object]) -> None:
    """The mark is an error anywhere but as the new value of a place."""
    with pytest.raises(DefinitionError, match="adjust"):
        misplace(adjust(lambda old: old))


@pytest.mark.parametrize("given", [3, None, pool])
def test_adjust_without_a_function(given: Any) -> None:
    """What is no function is an error with its place."""
    with pytest.raises(BadArguments, match="adjust") as caught:
        adjust(given)
    assert caught.value.problems[0].site is not None
    assert caught.value.problems[0].site.file == __file__


# --- Errors show the nearest path ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("evn.port", "env.port"),
        ("env.prot", "env.port"),
        ("evn.prot", "env.port"),
        ("env.http.tsl.on", "env.http.tls.on"),
        ("env.htpp.tls.onn", "env.http.tls.on"),
        ("web.pool", "db.pool"),
        ("web.pool.config.dsn", "db.pool.config.dsn"),
        ("db.pool.max_size", "db.pool.config.max_size"),
        ("db.pool.max_siez", "db.pool.config.max_size"),
        ("web.server.reload", "web.server.handlers.reload"),
        ("db.pool.confg.max_size", "db.pool.config.max_size"),
        ("db.pool.config.option.a.b", "db.pool.config.options.a.b"),
        ("web.server.pre.strat.one", "web.server.pre.start.one"),
        ("web.server.pre.start.on", "web.server.pre.start.one"),
        ("web.server.statsu", "web.server.status"),
        ("web.server.handlers.statsu", "web.server.handlers.status"),
        ("web.server.deadlines.strat", "web.server.deadlines.start"),
        ("env.login.pasword", "env.login.password"),
        ("env.settings.prot", "env.settings.port"),
    ],
)
def test_error_shows_the_nearest_path_in_full(path: str, nearest: str) -> None:
    """A path that leads nowhere is an error that shows the nearest that exists, from the group on."""
    problem = problem_of(lambda: some_system().override({path: 1}))
    assert nearest in problem.hint
    assert nearest in problem.details["candidates"]


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("zzz.port", "There is: env, db, web."),
        ("db.zzz", "There is: pool, spare."),
        ("env.http.zzz", "There is: port, hosts, tls."),
        ("db.pool.config.zzz", "There is: dsn, options, max_size."),
        ("web.server.deadlines.zzz", "There is: start."),
        ("env.port.zzz", "Override env.port as a whole."),
        ("db.pool.config.dsn.zzz", "Override db.pool.config.dsn as a whole."),
        ("db.spare.config.options.zzz", "Give db.spare.config.options as a whole."),
        ("web.server.status.zzz", "Override web.server.handlers.status as a whole."),
        ("web.server.pre.start.one.zzz", "Override web.server.pre.start.one as a whole."),
        ("web.slow.deadlines.start", "Override web.slow.deadlines as a whole."),
    ],
)
def test_error_lists_what_there_is(path: str, there: str) -> None:
    """Where nothing is near, the error lists what there is, or says up to where the path makes sense."""
    assert problem_of(lambda: some_system().override({path: 1})).hint == there


def test_error_does_not_list_everything() -> None:
    """Of many names the first few are listed."""
    system = System({"a": dict.fromkeys("bcdefghijklm", 1)})
    assert problem_of(lambda: system.override({"a.zzz": 1})).hint == "There is: b, c, d, e, f, g, h, i and 4 more."


def test_error_says_nothing_of_a_secret() -> None:
    """What is built inside a secret is not shown in an error."""
    system = System({"a": {"b": Secret(build(dict, password="hunter2"))}})
    assert "hunter2" not in str(
        problem_of(
            lambda: system.override(
                {
                    "a.b.c.d": 1,
                }
            )
        )
    )
    assert "hunter2" not in str(problem_of(lambda: system.override({"a.b.password.d": 1})))


def test_error_lists_nothing_of_a_secret() -> None:
    """Of what is in a secret only that is shown which was nearly known; a list of the rest would give it away."""
    system = System({"a": {"b": Secret({"user": 1, "hunter2": {"zebra": 2}})}})
    for path in ("a.b.x", "a.b.hunter2.x", "a.b.user.x"):
        problem = problem_of(lambda: system.override({path: 1}))  # noqa: B023
        assert "hunter2" not in str(problem).replace("a.b.hunter2", "")
        assert "zebra" not in str(problem)
    problem = problem_of(lambda: system.override({"a.b.x": 1}))
    assert problem.what.endswith("at a.b there is a secret, which has no x.")
    assert problem.hint == "What is in a secret is not shown."
    assert problem_of(lambda: system.override({"a.b.usr": 1})).hint == "Did you mean a.b.user?"


# --- With a base --------------------------------------------------------------------------------------------------------

BASE: Any = {
    "config": {"max_size": 5, "options": {"a": {"b": 7}}},
    "post": {"start": {"log": log}},
    "handlers": {"reload": log},
    "deadlines": {"stop": 9},
    "tags": ["based"],
}


def seen(system: System, id: str) -> Any:
    """A component with what the base gives it."""
    definition: Any = system._definition
    return definition.base.under(system[id])


def test_override_of_what_the_base_gives() -> None:
    """A path may name what the base gives a component; what is put there is the component's own."""
    changed = some_system(base=BASE).override({
        "db.spare.post.start.log": other,
        "db.spare.handlers.reload": other,
        "db.spare.deadlines.stop": 1,
        "db.spare.config.options.a.b": 8,
        "db.spare.config.max_size": adjust(lambda size: size + 1),
    })  # fmt: skip
    spare = seen(changed, "db.spare")
    assert spare.post == {"start": {"log": other}}
    assert spare.handlers == {"reload": other}
    assert spare.deadlines == {"stop": 1}
    assert spare.config == {"dsn": "s", "options": {"a": {"b": 8}}, "max_size": 6}
    assert seen(changed, "db.pool").post == {"start": {"log": log}}


def test_override_takes_nothing_else_over_from_the_base() -> None:
    """What an override does not name still comes from the base, also from a later one."""
    changed = some_system(base=BASE).override({"db.spare.post.start.log": other, "db.spare.config.max_size": 3})
    later = changed.with_base({"config": {"options": 1}, "post": {"start": {"more": log}}})
    assert seen(later, "db.spare").config == {"dsn": "s", "max_size": 3, "options": 1}
    assert seen(later, "db.spare").post == {"start": {"log": other, "more": log}}


def test_nested_override_of_what_the_base_gives() -> None:
    """A nested mapping reaches into what the base gives, too."""
    nested = {"db": {"spare": {"config": {"options": {"a": {"b": 8}}}, "post": {"start": {"log": other}}}}}
    paths = {"db.spare.config.options.a.b": 8, "db.spare.post.start.log": other}
    system = some_system(base=BASE)
    assert system.override(nested) == system.override(paths)


def test_addition_beside_what_the_base_gives() -> None:
    """What the base gives a component is there already, so it cannot be added."""
    system = some_system(base=BASE)
    with pytest.raises(BadOverride, match="there already"):
        system.add({"db.spare.post.start.log": other})
    assert seen(system.add({"db.spare.post.start.more": other}), "db.spare").post["start"] == {
        "log": log,
        "more": other,
    }


def test_near_misses_know_the_base() -> None:
    """Near misses are looked for in what the base gives, too."""
    problem = problem_of(lambda: some_system(base=BASE).override({"db.spare.post.start.lgo": other}))
    assert problem.hint == "Did you mean db.spare.post.start.log?"


# --- Into a subsystem ---------------------------------------------------------------------------------------------------


def nested_system(levels: int = 1) -> System:
    """A system with a subsystem, or one in one in one."""
    system = System({"env": {"dsn": required, "size": 3, "more": {"x": 1}}, "db": {"pool": pool(dsn=ref("env.dsn"))}})
    for _ in range(levels):
        system = System({
            "env": {"dsn": "outer", "size": 4},
            "app": {"part": subsystem(system, {"env.dsn": ref("env.dsn")}), "x": 1},
        })  # fmt: skip
    return system


def test_override_reaches_into_a_subsystem() -> None:
    """A longer path leads into a subsystem, to a part, a slot, an argument, or a place inside a constant."""
    fake = pool(dsn="fake")
    changed = nested_system().override({"app.part.db.pool": fake})
    with changed.started() as live:
        assert live["app.part.db.pool"] == ["fake", 10, None]
    changed = nested_system().override({"app.part.db.pool.config.max_size": 1, "app.part.env.more.x": 2})
    with changed.started() as live:
        assert live["app.part.db.pool"] == ["outer", 1, None]
        assert live["app.part.env.more"] == {"x": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"app": {"part": {"db": {"pool": {"config": {"max_size": 1}}}, "env": {"size": 2}}}},
        {"app.part.db": {"pool": {"config": {"max_size": 1}}}, "app.part.env.size": 2},
    ],
)
def test_nested_override_reaches_into_a_subsystem(changes: Any) -> None:
    """A nested mapping leads into a subsystem as a path does."""
    paths = {"app.part.db.pool.config.max_size": 1, "app.part.env.size": 2}
    assert nested_system().override(changes) == nested_system().override(paths)


def test_override_reaches_three_levels_deep() -> None:
    """A path leads through any number of subsystems."""
    changed = nested_system(3).override({"app.part.app.part.app.part.db.pool.config.max_size": 1})
    with changed.started() as live:
        assert live["app.part.app.part.app.part.db.pool"] == ["outer", 1, None]


def test_override_of_an_import() -> None:
    """What a subsystem is given from outside can be exchanged, by the path that it is imported as."""
    changed = nested_system().override({"app.part.imports.env.dsn": ref("app.x")})
    with changed.started() as live:
        assert live["app.part.db.pool"] == [1, 10, None]
    assert nested_system().override({"app": {"part": {"imports": {"env.dsn": ref("app.x")}}}}) == changed


def test_override_inside_counts_more_than_an_import() -> None:
    """What is put into a subsystem at the place of an import stands there instead of it."""
    with nested_system().override({"app.part.env.dsn": "inner"}).started() as live:
        assert live["app.part.db.pool"] == ["inner", 10, None]


def test_override_in_the_group_of_an_import_leaves_it() -> None:
    """A nested mapping leaves the imports that it does not name."""
    with nested_system().override({"app": {"part": {"env": {"size": 5}}}}).started() as live:
        assert live["app.part.db.pool"] == ["outer", 10, None]


def test_override_of_a_slot_of_a_subsystem() -> None:
    """A subsystem can be switched off, and has the slots of the component that it is to the outer system."""
    changed = nested_system().override({"app.part.enabled": False, "app.part.tags": ["x"]})
    assert changed["app.part"].tags == {"x"}
    with changed.started() as live:
        assert live["app.x"] == 1


def test_override_of_a_subsystem_as_a_whole() -> None:
    """A subsystem can be exchanged as a whole, and what is put there changed further."""
    changed = nested_system().override({
        "app.part.db.pool.config.max_size": 1,
        "app.part": subsystem(System({"db": {"pool": pool(dsn="new")}})),
    })  # fmt: skip
    with changed.started() as live:
        assert live["app.part.db.pool"] == ["new", 1, None]


@pytest.mark.parametrize("given", [{"env": {"size": 2}}, {"env": {}, "db": {}}])
def test_override_of_a_subsystem_by_a_dict_of_its_groups(given: Any) -> None:
    """A dict of a subsystem's groups under its path is an error that shows how to reach in; `opaque` is for who means a dict."""
    problem = problem_of(lambda: nested_system().override({"app.part": given}))
    assert "exchanges a whole subsystem for a dict of its groups" in problem.what
    assert "write the path, app.part.env..." in problem.hint
    deep = problem_of(lambda: nested_system(2).override({"app.part.app.part": given}))
    assert "app.part.app.part.env..." in deep.hint
    assert nested_system().override({"app.part": opaque(given)})["app.part"].value == given
    assert nested_system().override({"app.part": {"other": 1}})["app.part"] == {"other": 1}


def test_adjust_inside_a_subsystem() -> None:
    """A function of the old value works inside a subsystem too."""
    with nested_system().override({"app.part.env.size": adjust(lambda size: size + 1)}).started() as live:
        assert live["app.part.env.size"] == 4


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("app.part.db.pol", ["app.part.db.pol", "Did you mean app.part.db.pool?"]),
        ("app.part.bd.pool", ["group app.part.bd", "Did you mean app.part.db.pool?"]),
        ("app.part.db.pool.config.max_siez", ["Did you mean app.part.db.pool.config.max_size?"]),
        ("app.part.imports.env.dns", ["not imported", "env.dsn"]),
        ("app.part.deadlines", ["deadlines", "imports"]),
        ("app.prat.db.pool", ["Did you mean app.part.db.pool?"]),
    ],
)
def test_error_inside_a_subsystem(path: str, parts: list[str]) -> None:
    """An error inside a subsystem shows the whole path."""
    problem = problem_of(lambda: nested_system().override({path: 1}))
    for part in parts:
        assert part in str(problem)


def test_addition_to_a_subsystem() -> None:
    """A part, a group and an import can be added to a subsystem."""
    changed = nested_system().add({
        "app.part.db.second": pool(dsn=ref("env.dsn"), max_size=1),
        "app.part.jobs.one": Component(make, config={"pool": ref("db.second")}),
        "app.part.imports.env.size": ref("env.size"),
    })  # fmt: skip
    with changed.started() as live:
        assert live["app.part.jobs.one"] == {"pool": ["outer", 1, None]}
        assert live["app.part.env.size"] == 4


# --- Additions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "looked_at"),
    [
        ("env.new", 3, lambda system: system["env.new"]),
        ("jobs.new", 3, lambda system: system["jobs.new"]),
        ("env.http.new", {"a": [1]}, lambda system: system["env.http"]["new"]),
        ("env.http.tls.new", 3, lambda system: system["env.http"]["tls"]["new"]),
        ("env.login.new", 3, lambda system: system["env.login"].reveal()["new"]),
        ("env.settings.new", 3, lambda system: system["env.settings"].kwargs["new"]),
        ("db.pool.config.max_size", 3, lambda system: system["db.pool"].config["max_size"]),
        ("db.pool.config.options.new", 3, lambda system: system["db.pool"].config["options"]["new"]),
        ("web.server.pre.start.three", log, lambda system: system["web.server"].pre["start"]["three"]),
        ("web.server.pre.stop.one", log, lambda system: system["web.server"].pre["stop"]["one"]),
        ("web.server.post.start", log, lambda system: system["web.server"].post["start"]["log"]),
        ("web.slow.handlers.reload", log, lambda system: system["web.slow"].handlers["reload"]),
        ("web.server.suspend", log, lambda system: system["web.server"].handlers["suspend"]),
        ("web.server.deadlines.stop", 3, lambda system: system["web.server"].deadlines["stop"]),
        ("db.pool.deadlines.stop", 3, lambda system: system["db.pool"].deadlines["stop"]),
        ("db.pool.deadlines", 3, lambda system: system["db.pool"].deadlines),
        ("db.pool.resolve", log, lambda system: system["db.pool"].resolve),
        ("web.slow.stop", log, lambda system: system["web.slow"].stop),
        ("db.pool.retry", 3, lambda system: system["db.pool"].retry.times),
    ],
)  # fmt: skip
def test_addition_of_what_is_not_there(path: str, value: Any, looked_at: Callable[[System], Any]) -> None:
    """An addition puts something where nothing was, by path or by nested mapping; everything else stays."""
    added = some_system().add({path: value})
    assert looked_at(added) == (log if value is log else value)
    nested = value
    for part in reversed(path.split(".")):
        nested = {part: nested}
    assert some_system().add(nested) == added
    id = ".".join(path.split(".")[:2])
    assert [str(i) for i in some_system() if some_system()[i] != added[i]] == [i for i in [id] if i in some_system()]


def test_addition_comes_last() -> None:
    """What is added stands behind what was there."""
    ids = [str(id) for id in some_system().add({"env.new": 1, "jobs.new": 2})]
    assert ids[4:7] == ["env.settings", "env.new", "db.pool"]
    assert ids[-1] == "jobs.new"


def test_addition_of_several_at_once() -> None:
    """Parts, a group and what is inside them can be added in one call, in any order."""
    added = some_system().add({
        "jobs.worker.pre.start.one": log,
        "jobs": {"worker": Component(make, config={}), "count": 3},
        "env": {"http": {"timeout": 5}, "new": {}},
    })  # fmt: skip
    assert added["jobs.worker"].pre == {"start": {"one": log}}
    assert (added["jobs.count"], added["env.http"]["timeout"], added["env.new"]) == (3, 5, {})


def test_addition_of_an_empty_group() -> None:
    """A group can be added without anything in it, and adding nothing to one changes nothing."""
    assert list(some_system().add({"jobs": {}}).groups) == ["env", "db", "web", "jobs"]
    assert some_system().add({"env": {}, "db": {}}) == some_system()
    assert some_system().add({}) == some_system()


@pytest.mark.parametrize(
    "path",
    [
        "env.port", "env.http", "env.http.port", "env.login.password", "env.settings.port", "db.pool", "db.pool.config",
        "db.pool.config.dsn", "db.pool.config.options.a", "db.pool.doc", "db.pool.enabled", "db.pool.scope",
        "web.server.status", "web.server.pre.start", "web.server.pre.start.one", "web.server.deadlines",
        "web.server.deadlines.start", "web.server.tags", "web.server.stop", "web.server.start",
    ],
)  # fmt: skip
def test_addition_of_what_is_there(path: str) -> None:
    """What is there already cannot be added; the error says to use override."""
    problem = problem_of(lambda: some_system().add({path: log}))
    assert f"The addition {path} is there already." in problem.what
    assert "override({" in problem.hint


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("evn.http.new", ["names the group evn", "Did you mean env.http"]),
        ("env.htpp.new", ["names env.htpp", "Did you mean env.http"]),
        ("env.http.tsl.new", ["env.http", "Did you mean env.http.tls"]),
        ("db.pol.config.x", ["names db.pol", "Did you mean db.pool"]),
        ("db.pool.config.zzz", ["takes none of that name"]),
        ("db.spare.config.options.new", ["not given so far"]),
        ("db.pool.nothing", ["a component has none"]),
        ("env.http.hosts.2", ["env.http.hosts", "a list", "adjust"]),
        ("env.point.z", ["env.point", "adjust"]),
        ("env.port.x", ["env.port", "an int"]),
        ("env.settings.0", ["env.settings", "has no 0"]),
        ("db.pool.stop", ["its scope"]),
        ("web.server.handlers.status.x", ["no parts"]),
    ],
)
def test_addition_without_a_place(path: str, parts: list[str]) -> None:
    """An addition needs a place to be in; the error says how far the path leads and what is near."""
    text = str(problem_of(lambda: some_system().add({path: log})))
    for part in ["The addition", *parts]:
        assert part in text


@pytest.mark.parametrize("changes", [{"env": {"": 1}}, {"env": {3: 1}}, {"new": {3: 1}}])
def test_addition_of_what_cannot_be_a_name(changes: Any) -> None:
    """What is added needs a name that can be one."""
    with pytest.raises(DefinitionError, match="text that is not empty"):
        some_system().add(changes)


def test_addition_of_a_group_that_is_no_mapping() -> None:
    """A group is added as a mapping of names."""
    assert "mapping" in problem_of(lambda: some_system().add({"jobs": 3})).what


def test_all_problems_of_additions_at_once() -> None:
    """One error names everything that cannot be added."""
    with pytest.raises(DefinitionError) as caught:
        some_system().add({"env.port": 1, "": 1, "db.new": component(make), "env": {"http": {"port": 2}}, "x.y": 1})
    assert [problem.error for problem in caught.value.problems] == [BadOverride, BadId, BadComponent, BadOverride]


def test_same_addition_twice() -> None:
    """Two additions in one place are an error."""
    with pytest.raises(BadOverride, match=r"same place|there already"):
        some_system().add({"env.new": 1, "env": {"new": 2}})


def test_add_then_override() -> None:
    """What was added can be overridden like anything else."""
    assert some_system().add({"env.new": {"a": 1}}).override({"env.new.a": 2})["env.new"] == {"a": 2}


# --- many changes in one container ---


def test_many_changes_in_one_constant() -> None:
    """As many keys of a dict, or items of a list, as there are can be changed at once, by path or nested."""
    count = 20_000
    keys = {f"x{i}": i for i in range(count)}
    system = System({"env": {"keys": keys, "items": list(range(count))}})
    zeros = dict.fromkeys(keys, 0)
    changed = system.override({f"env.keys.x{i}": 0 for i in range(count)} | {f"env.items.{i}": 0 for i in range(count)})
    assert changed["env.keys"] == zeros
    assert changed["env.items"] == [0] * count
    assert system.override({"env": {"keys": zeros}})["env.keys"] == zeros
    assert system.add({"env": {"keys": {f"y{i}": i for i in range(count)}}})["env.keys"].keys() > keys.keys()
    assert system["env.keys"] == keys


def test_many_imports_changed() -> None:
    """As many imports as there are can be changed at once, and so can the places that they are given to."""
    count = 5000
    inner = System({"env": {f"x{i}": 0 for i in range(count)}})
    system = System({"app": {"part": subsystem(inner, {f"env.x{i}": 1 for i in range(count)})}})
    imports = system.override({f"app.part.imports.env.x{i}": 2 for i in range(count)})
    places = system.override({f"app.part.env.x{i}": 3 for i in range(1, count)})
    with imports.started() as live:
        assert {live["app.part"][f"env.x{i}"] for i in range(count)} == {2}
    with places.started() as live:
        assert [live["app.part"][f"env.x{i}"] for i in range(3)] == [1, 3, 3]
    kept: Any = places["app.part"]
    assert kept.imports == {"env.x0": 1}


def test_many_adjustments_of_what_is_imported() -> None:
    """Each of them is told with the import that is to be adjusted in its place."""
    count = 3000
    inner = System({"env": {f"x{i}": {"size": 0} for i in range(count)}})
    system = System({"app": {"part": subsystem(inner, {f"env.x{i}": {"size": 1} for i in range(count)})}})
    with pytest.raises(BadOverride) as caught:
        system.override({f"app.part.env.x{i}.size": adjust(lambda size: size) for i in range(count)})
    assert len(caught.value.problems) == count
    assert caught.value.problems[7].hint == "Adjust the import, app.part.imports.env.x7."


def test_changes_in_one_container_touch_nothing_else() -> None:
    """Neither what was overridden, nor what was given, nor another place that was given the same, changes."""
    node = Component(make, config={"a": {"b": 1, "c": [1, 2]}, "d": 1})
    data = {"a": {"b": 1, "c": [1, 2]}}
    system = System({"w": {"x": node, "y": node}, "env": {"x": data, "y": data}})
    before = System({"w": {"x": node, "y": node}, "env": {"x": data, "y": data}})
    changed = system.override(
        {
            "w.x": node,
            "w.x.config.a.b": 2,
            "w.x.config.a.c.0": 2,
            "w.x.config.a.c.1": 3,
            "w.x.config.d": 2,
            "env.x": data,
            "env.x.a.b": 2,
            "env.x.a.c.0": 2,
            "env.x.a.c.1": 3,
        }
    )
    assert node.config == {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert data == {"a": {"b": 1, "c": [1, 2]}}
    assert system == before
    after = {"a": {"b": 2, "c": [2, 3]}}
    assert changed["env.x"] == after
    assert changed["env.y"] == data
    with changed.started() as live:
        assert (live["w.x"], live["w.y"]) == ({**after, "d": 2}, {**data, "d": 1})


def test_references_brought_by_one_of_many_changes_in_a_config() -> None:
    """A config is read anew after its last change: references that came are resolved, those that went are forgotten."""
    system = System({"env": {"n": 1}, "w": {"x": Component(make, config={"a": ref("env.gone"), "b": 1, "c": [1]})}})
    changed = system.override({"w.x.config.a": 1, "w.x.config.b": ref("env.n"), "w.x.config.c.0": ref("env.n")})
    with changed.started() as live:
        assert live["w.x"] == {"a": 1, "b": 1, "c": [1]}
    plain = changed.override({"w.x.config.b": 2, "w.x.config.c": 3})
    with plain.started() as live:
        assert live["w.x"] == {"a": 1, "b": 2, "c": 3}


def test_changes_in_what_a_base_gives() -> None:
    """Several changes inside of one argument that the base gives are the component's own, and the base's stays."""
    system = System(
        {"w": {"x": Component(given_by_base), "y": Component(given_by_base)}},
        base={"config": {"a": {"b": 1, "c": 1}}},
    )
    changed = system.override({"w.x.config.a.b": 2, "w.x.config.a.c": 3})
    with changed.started() as live:
        assert (live["w.x"], live["w.y"]) == ({"b": 2, "c": 3}, {"b": 1, "c": 1})


def given_by_base(a: Any) -> Any:
    """Give the argument as the instance."""
    return a


def test_changes_in_a_secret() -> None:
    """Several changes inside of one secret leave it one."""
    system = System({"env": {"s": Secret({"a": 1, "b": {"c": [1, 2]}})}})
    changed = system.override({"env.s.a": 2, "env.s.b.c.0": 3, "env.s.b.c.1": 4})
    assert "3" not in repr(changed["env.s"])
    assert changed["env.s"].reveal() == {"a": 2, "b": {"c": [3, 4]}}
    assert system["env.s"].reveal() == {"a": 1, "b": {"c": [1, 2]}}
