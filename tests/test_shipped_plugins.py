"""The plugins that come with Mainspring: schemas for configs and instances, and timing."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, NotRequired, Protocol, Required, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, TypeAdapter, field_validator

from mainspring import (
    BadPlugin,
    Component,
    Context,
    MissingExtra,
    Secret,
    StartError,
    System,
    background,
    build,
    component,
    opaque,
    ref,
    subsystem,
)
from mainspring.plugins import SchemaError, SchemaProblem, schemas, timing


def make(**config: Any) -> Any:
    """Give the config as the instance."""
    return config


def pool(config: dict[str, Any], **slots: Any) -> System:
    """A system of one component, with the plugin."""
    return System({"db": {"pool": Component(make, config=config, **slots)}}, plugins=[schemas()])


def refused(system: System) -> SchemaError:
    """The error with which a start of the system ends."""
    with pytest.raises(StartError) as caught:
        system.start()
    (error,) = caught.value.exceptions
    assert isinstance(error, SchemaError)
    return error


def problems(system: System) -> list[tuple[str, str, str]]:
    """What a start of the system is refused for: nothing where it is not."""
    try:
        system.start().stop()
    except StartError as error:
        (leaf,) = error.exceptions
        assert isinstance(leaf, SchemaError), leaf
        return [(problem.path, problem.found, problem.expected) for problem in leaf.problems]
    return []


# --- Callables --------------------------------------------------------------------------------------------------------


def small(config: dict[str, Any]) -> None:
    """Refuse a pool that is too big."""
    if config["size"] > 10:
        raise ValueError(f"{config['size']} is too many")


def is_small(config: dict[str, Any]) -> bool:
    """Refuse it without saying why."""
    return bool(config["size"] <= 10)


def test_a_schema_is_any_callable() -> None:
    """A callable that gets the resolved config refuses it by raising, or by returning `False`."""
    for check in (small, is_small):
        assert problems(pool({"size": ref("env.size")}, schema=check).override({"db.pool.config.size": 3})) == []
    assert problems(pool({"size": 30}, schema=small)) == [
        ("config", "{'size': 30}", "what small accepts; it raised ValueError: 30 is too many")
    ]
    assert problems(pool({"size": 30}, schema=is_small)) == [("config", "{'size': 30}", "what is_small accepts")]


@pytest.mark.parametrize("result", [None, True, 0, "", [], "no"])
def test_only_false_refuses(result: Any) -> None:
    """Whatever a check returns that is not `False` is fine: a check that returns nothing, or a list of what it looked at."""
    assert problems(pool({"size": 30}, schema=lambda config: result)) == []


def test_a_check_gets_a_dict_of_its_own() -> None:
    """What a check does to the config it is given does not come to the component."""

    def check(config: dict[str, Any]) -> None:
        config.clear()

    live = pool({"size": 3}, schema=check).start()
    assert live["db.pool"] == {"size": 3}


def test_the_error_of_a_check_is_the_cause() -> None:
    """What the check raised can be seen, with its traceback."""
    cause = refused(pool({"size": 30}, schema=small)).__cause__
    assert isinstance(cause, ValueError)
    assert "too many" in str(cause)


def test_an_error_without_words() -> None:
    """A bare assertion is named by its class."""

    def check(config: dict[str, Any]) -> None:
        assert config["size"] < 10

    name = "test_an_error_without_words.<locals>.check"
    (problem,) = problems(pool({"size": 30}, schema=check))
    assert problem[2].startswith(f"what {name} accepts; it raised AssertionError")


def test_a_schema_sees_what_references_refer_to() -> None:
    """The config that is checked is the resolved one."""
    system = System(
        {"env": {"size": 30}, "db": {"pool": Component(make, config={"size": ref("env.size")}, schema=small)}},
        plugins=[schemas()],
    )
    assert problems(system)[0][1] == "{'size': 30}"


def test_a_coroutine_function_is_no_schema() -> None:
    """A schema that would have to be awaited is an error, not a check that is never made."""

    async def check(config: dict[str, Any]) -> None: ...

    with pytest.raises(StartError) as caught:
        pool({}, schema=check).start()
    (error,) = caught.value.exceptions
    assert "check is a coroutine function, and a schema is not awaited" in str(error)


@pytest.mark.parametrize("schema", [3, {"size": 3}])
def test_what_is_no_schema(schema: Any) -> None:
    """What checks nothing is an error where the plugin is applied, and names the component; later on, when it is started."""
    with pytest.raises(BadPlugin) as caught:
        pool({"size": 3}, schema=schema)
    assert "db.pool, schema: has 3 as a schema, which checks nothing." in str(caught.value)
    with pytest.raises(StartError) as failed:
        pool({"size": 3}).override({"db.pool.schema": schema}).start()
    (error,) = failed.value.exceptions
    assert isinstance(error, TypeError)
    assert "the schema of db.pool has 3, which checks nothing" in str(error)


@pytest.mark.parametrize("schema", ["x", [1], {"size": "x"}, {"size": {"deep": 3}}])
def test_what_checks_nothing_is_told_before_anything_starts(schema: Any) -> None:
    """For configs and instances, everything at once, with the place of each; a start is not needed to find it."""
    part = Component(make, config={"size": 1}, schema=schema, instance_schema=schema)
    with pytest.raises(BadPlugin) as caught:
        System({"db": {"pool": part, "fine": Component(make, schema=dict)}}, plugins=["schemas"])
    assert str(caught.value).count("which checks nothing") == 2
    assert all(f"db.pool, {slot}: has " in str(caught.value) for slot in ("schema", "instance_schema"))
    assert f"at: {__file__}:" in str(caught.value)


# --- By parameter, and by class ---------------------------------------------------------------------------------------


def test_a_schema_by_parameter() -> None:
    """A mapping has a schema for each parameter, each of which gets the argument; nested, it reaches into dicts."""
    schema = {"size": int, "name": str, "http": {"port": lambda port: port > 0}, "more": list}
    assert problems(pool({"size": 3, "name": "x", "http": {"port": 80}}, schema=schema)) == []
    found = problems(pool({"size": "3", "name": None, "http": {"port": -1}, "more": []}, schema=schema))
    assert found[:2] == [("config.size", "'3'", "an int"), ("config.name", "None", "a str")]
    assert found[2][:2] == ("config.http.port", "-1")
    assert problems(pool({"http": 3}, schema=schema)) == [("config.http", "3", "a mapping")]


@pytest.mark.parametrize(("schema", "value"), [(int, True), (float, True), (float, 1), (int, 1.0)])
def test_classes_are_taken_strictly(schema: type, value: Any) -> None:
    """A class means an instance of it; as everywhere, `True` is not a number."""
    assert len(problems(pool({"size": value}, schema={"size": schema}))) == 1


def test_a_parameter_that_there_is_not() -> None:
    """A schema for a parameter that the component does not have is an error: it would never be checked."""

    @component(schema={"siez": int, "size": int})
    def connect(size: int = 3, ctx: Context = Context.here) -> int:
        return size

    with pytest.raises(BadPlugin, match=r"has a schema for siez, and its start takes: size\."):
        System({"db": {"pool": connect()}}, plugins=[schemas()])
    system = System({"db": {"pool": 1}}, plugins=[schemas()]).override({"db.pool": connect()})
    assert problems(system) == [("config.siez", "missing", "a schema for parameters that there are: size")]


def test_a_parameter_with_a_default() -> None:
    """An argument that is not given is not checked: its default is the component's own."""

    @component(schema={"size": str})
    def connect(size: int = 3) -> int:
        return size

    assert problems(System({"db": {"pool": connect()}}, plugins=[schemas()])) == []


# --- Instances --------------------------------------------------------------------------------------------------------


def test_a_class_for_the_instance() -> None:
    """A plain class as the schema of an instance means that it has to be one of it."""
    assert problems(pool({}, instance_schema=dict)) == []
    assert problems(pool({}, instance_schema=list)) == [("instance", "a dict", "a list")]


def test_a_callable_for_the_instance() -> None:
    """A callable gets the instance; what it refuses is stopped again."""
    stopped: list[Any] = []

    def check(instance: Any) -> None:
        if instance == {"size": 30}:
            raise ValueError("too big")

    system = System(
        {"db": {"pool": Component(make, stopped.append, config={"size": 30}, instance_schema=check)}},
        plugins=[schemas()],
    )
    (problem,) = problems(system)
    assert problem[:2] == ("instance", "a dict")
    assert "too big" in problem[2]
    assert stopped == [{"size": 30}]


def test_an_instance_of_none() -> None:
    """`None` is an instance like any other, and checked like any other."""
    system = System({"a": {"b": Component(lambda: None, instance_schema=dict)}}, plugins=[schemas()])
    assert problems(system) == [("instance", "None", "a dict")]


def test_what_starts_later_is_not_started() -> None:
    """Where an instance does not fit, nothing that needs it is started."""
    started: list[str] = []
    system = System(
        {
            "db": {"pool": Component(dict, instance_schema=list)},
            "web": {"app": Component(lambda db: started.append("app"), config={"db": ref("db.pool")})},
        },
        plugins=[schemas()],
    )
    refused(system)
    assert started == []


@pytest.mark.parametrize("by", ["argument", "with_plugins"])
def test_the_checks_come_after_the_base_and_before_the_components_own(by: str) -> None:
    """The handlers of the system's base come first, then the checks, then those of the component, as the documentation says."""
    seen: list[str] = []

    def note(what: str) -> Callable[..., None]:
        return lambda *_: seen.append(what)

    def checks(value: Any) -> None:
        seen.append("check")

    part = Component(
        make, schema=checks, instance_schema=checks, pre={"start": {"own": note("own pre")}},
        post={"start": {"own": note("own post")}},
    )  # fmt: skip
    base = {"pre": {"start": {"base": note("base pre")}}, "post": {"start": {"base": note("base post")}}}
    groups = {"db": {"pool": part}}
    if by == "argument":
        system = System(groups, base=base, plugins=[schemas()])
    else:
        system = System(groups, base=base).with_plugins("schemas")
    system.start()
    assert seen == ["base pre", "check", "own pre", "base post", "check", "own post"]


# --- Pydantic ---------------------------------------------------------------------------------------------------------


class Model(BaseModel):
    """What a config looks like."""

    size: int
    hosts: list[str] = []

    @field_validator("size")
    @classmethod
    def is_even(cls, size: int) -> int:
        """Refuse odd sizes."""
        if size % 2:
            raise ValueError("must be even")
        return size


@dataclass
class Data:
    """The same without pydantic."""

    size: int
    name: str = "x"
    hosts: list[str] = field(default_factory=list)


class Typed(TypedDict):
    """The same as a typed dict."""

    size: int
    name: NotRequired[str]


def test_a_model_for_the_config() -> None:
    """A pydantic model checks the config as it is, without converting anything, its validators included."""
    assert problems(pool({"size": 2, "hosts": ["a"]}, schema=Model)) == []
    assert problems(pool({"size": "2", "hosts": ["a", 3]}, schema=Model)) == [
        ("config.size", "'2'", "a valid integer"),
        ("config.hosts.1", "3", "a valid string"),
    ]
    assert problems(pool({}, schema=Model)) == [("config.size", "missing", "a value")]
    assert problems(pool({"size": 3}, schema=Model)) == [
        ("config.size", "3", "what Model accepts; it says: Value error, must be even")
    ]


def test_a_model_sees_the_defaults_of_parameters() -> None:
    """A schema for the whole config is about what the start will get: an argument that was not given is there by its default."""

    @component(schema=Model)
    def connect(size: int, hosts: Any = ("a",), ctx: Context = Context.here) -> int:
        return size

    def system(**config: Any) -> System:
        return System({"db": {"pool": connect(**config)}}, plugins=[schemas()])

    assert problems(system(size=2)) == []
    assert problems(system(size=2, hosts=3)) == [("config.hosts", "3", "a valid list")]
    assert problems(system(size=3)) == [("config.size", "3", "what Model accepts; it says: Value error, must be even")]


def test_a_callable_sees_the_defaults_of_parameters() -> None:
    """So does a check of the whole config that is any callable."""
    seen: list[dict[str, Any]] = []

    @component(schema=seen.append)
    def connect(dsn: str, *, size: int = 4, ctx: Context = Context.here) -> int:
        return size

    System({"db": {"pool": connect(dsn="x")}}, plugins=[schemas()]).start().stop()
    assert seen == [{"dsn": "x", "size": 4}]


def test_a_model_with_a_field_that_no_parameter_gives() -> None:
    """What the start would not get is missing still, as it is where the parameter has no default."""

    @component(schema=Model)
    def connect(hosts: Any = ()) -> None: ...

    assert problems(System({"db": {"pool": connect()}}, plugins=[schemas()])) == [("config.size", "missing", "a value")]


class Partly(TypedDict, total=False):
    """The same, the other way round."""

    size: Required[int]
    name: str


@pytest.mark.parametrize("schema", [Data, Typed, Partly])
def test_classes_of_data_for_the_config(schema: Any) -> None:
    """A dataclass or `TypedDict` checks the config by its fields."""
    assert problems(pool({"size": 2}, schema=schema)) == []
    assert problems(pool({"size": 2, "name": "n"}, schema=schema)) == []
    assert problems(pool({"name": 3}, schema=schema)) == [
        ("config.size", "missing", "a value"),
        ("config.name", "3", "a valid string"),
    ]


@pytest.mark.parametrize("schema", [list[int], Sequence[int], TypeAdapter(list[int]), list[int] | None])
def test_any_type_for_an_argument(schema: Any) -> None:
    """Any type that pydantic knows can stand for an argument."""
    assert problems(pool({"sizes": [1, 2]}, schema={"sizes": schema})) == []
    (found,) = problems(pool({"sizes": [1, "2"]}, schema={"sizes": schema}))
    assert found[1:] == ("'2'", "a valid integer")


def test_a_model_for_the_instance() -> None:
    """An instance of the model fits, and a mapping that the model accepts; anything else is told by its type."""
    assert problems(pool({"size": 2}, instance_schema=Model)) == []
    assert (
        problems(System({"a": {"b": Component(lambda: Model(size=2), instance_schema=Model)}}, plugins=[schemas()]))
        == []
    )
    assert problems(pool({"size": "2"}, instance_schema=Model)) == [("instance.size", "a str", "a valid integer")]
    assert problems(pool({"size": 2}, instance_schema=Typed)) == []
    assert problems(pool({"size": 2}, instance_schema=Data)) == [("instance", "a dict", "a Data")]


def test_without_pydantic() -> None:
    """Callables and classes need the standard library only; what needs pydantic says how to get it."""
    program = """
import sys
sys.modules["pydantic"] = None
from typing import TypedDict
from mainspring import Component, MissingExtra, StartError, System
from mainspring.plugins import schemas
class Typed(TypedDict):
    size: int
def system(schema):
    return System({"db": {"pool": Component(dict, config={"size": 3}, schema=schema)}}, plugins=[schemas()])
system({"size": int}).start().stop()
try:
    system(Typed).start()
except* MissingExtra as group:
    print(group.exceptions[0])
try:
    schemas(annotations=True)
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    install = "needs the extra 'pydantic'. Install it with: pip install 'mainspring[pydantic]'"
    assert done.stdout.splitlines() == [
        f"The schema of db.pool {install}",
        f"The plugin schemas(annotations=True) {install}",
    ]
    assert issubclass(MissingExtra, ImportError)


# --- Annotations ------------------------------------------------------------------------------------------------------


class Speaks(Protocol):
    """What pydantic cannot check."""

    def speak(self) -> str:
        """Speak."""
        ...


def annotated(definition: Any) -> list[tuple[str, str, str]]:
    """What a component is refused for when its annotations count."""
    return problems(System({"a": {"b": definition}}, plugins=[schemas(annotations=True)]))


@component
def connect(  # type: ignore[no-untyped-def]
    dsn: str,
    size: int | None = None,
    ratio: float = 1,
    model: Model | None = None,
    plain: Data | None = None,
    *,
    hosts: Sequence[str] = (),
    speaker: Speaks | None = None,
    unknown: Nowhere = None,  # type: ignore[name-defined]  # noqa: F821
    even: Annotated[int, AfterValidator(lambda n: n)] = 0,
    callback: Callable[[int], str] = str,
    untyped=None,
    ctx: Context = Context.here,
) -> Iterator[Any]:
    """A component with annotations of many kinds."""
    yield dsn


def test_annotations_on_request() -> None:
    """Each argument is checked against its annotation; without the request nothing is."""
    wrong = connect(dsn=1, size="3", hosts=["a", 2])  # type: ignore[arg-type, list-item]
    assert annotated(wrong) == [
        ("config.dsn", "1", "a valid string"),
        ("config.size", "'3'", "a valid integer"),
        ("config.hosts.1", "2", "a valid string"),
    ]
    assert problems(System({"a": {"b": wrong}}, plugins=[schemas()])) == []


def test_arguments_that_fit_their_annotations() -> None:
    """What fits is accepted: numbers for floats, sequences of any kind, instances of classes."""
    definition = connect(
        dsn="d",
        size=3,
        ratio=2,
        model=opaque(Model(size=2)),
        plain=opaque(Data(1)),
        hosts=("a",),
        callback=repr,
        even=3,
    )
    assert annotated(definition) == []
    assert annotated(connect(dsn="d")) == []


def test_annotations_that_cannot_be_made_sense_of() -> None:
    """Names that are not there at run time, protocols and parameters without annotation are passed over."""
    anything: Any = 3
    assert annotated(connect(dsn="d", speaker=anything, unknown=anything, untyped=anything)) == []


@component
class Server:
    """A component that is a class."""

    def __init__(self, port: int, *hosts: str, model: Model | None = None, models: Sequence[Model] = ()) -> None:
        self.port = port


def test_annotations_of_a_class() -> None:
    """Of a class the annotations of its constructor count; `*args` are checked one by one; a dict is no model."""
    assert annotated(Server(1, "a", "b")) == []
    wrong: Any = ["1", "a", 3]
    assert annotated(Server(*wrong, model={"size": 2}, models=[{"size": 2}])) == [  # type: ignore[arg-type, list-item]
        ("config.port", "'1'", "a valid integer"),
        ("config.hosts.1", "3", "a valid string"),
        ("config.model", "{'size': 2}", "an instance of Model"),
        ("config.models.0", "{'size': 2}", "an instance of Model"),
    ]


Seconds = float  # a name that only this module has


@background
def ticker(seconds: Seconds, ctx: Context = Context.here) -> None:
    """A component that runs in the background."""
    ctx.stopping.wait()


class Called:
    """An object that can be called."""

    def __call__(self, port: int) -> int:
        """Give a port."""
        return port


def fetch(port: int, host: str) -> int:
    """A function for a partial."""
    return port


@pytest.mark.parametrize(
    "definition",
    [
        ticker(seconds="1"),  # type: ignore[arg-type]
        Component(Called(), config={"port": "1"}),
        Component(partial(fetch, host="a"), config={"port": "1"}),
        component(Data)(size="1"),  # type: ignore[arg-type]
    ],
)
def test_annotations_of_other_callables(definition: Any) -> None:
    """Background functions, objects that can be called, partial functions and dataclasses are looked at too."""
    (found,) = annotated(definition)
    assert found[1] == "'1'"


def test_callables_without_annotations() -> None:
    """A function of C, a plain value and a lambda have no annotations, and nothing is wrong with that."""
    assert annotated(Component(dict, config={"a": 1})) == []
    assert annotated(Component(42)) == []
    assert annotated(Component(lambda a: a, config={"a": 1})) == []


def test_annotations_through_a_wrapper() -> None:
    """A component whose handlers are wrapped is checked by the annotations of its own function."""
    system = System({"a": {"b": connect(dsn=1)}}, plugins=[timing, schemas(annotations=True)])  # type: ignore[arg-type]
    assert problems(system) == [("config.dsn", "1", "a valid string")]


def test_a_schema_and_annotations() -> None:
    """A place of which the schema spoke is not told again for its annotation."""

    @component(schema={"size": int})
    def connect(size: int, name: str) -> int:
        return size

    wrong: Any = connect
    assert annotated(wrong(size="1", name=2)) == [
        ("config.size", "'1'", "an int"),
        ("config.name", "2", "a valid string"),
    ]


# --- The error --------------------------------------------------------------------------------------------------------


def test_all_problems_at_once() -> None:
    """One error for a component holds everything that is wrong with it, as data, and reads as a list."""
    error = refused(pool({"size": "3", "name": 1}, schema={"size": int, "name": str}))
    assert isinstance(error, ValueError)
    assert str(error.id) == "db.pool"
    assert error.problems == (SchemaProblem("config.size", "'3'", "an int"), SchemaProblem("config.name", "1", "a str"))
    assert str(error) == (
        "db.pool does not fit its schema.\n"
        "   config.size is '3'. Expected: an int\n"
        "   config.name is 1. Expected: a str"
    )


def test_the_handlers_are_named() -> None:
    """The failure says which check it was."""
    with pytest.raises(StartError) as caught:
        pool({"size": "3"}, schema={"size": int}).start()
    assert caught.value.failures[0].handler == "pre start: check config"
    with pytest.raises(StartError) as caught:
        pool({}, instance_schema=int).start()
    assert caught.value.failures[0].handler == "post start: check instance"


def test_what_is_found_is_short() -> None:
    """Plain data is shown as it is, as far as it is short; objects by their type."""
    assert problems(pool({"x": ["long"] * 100}, schema={"x": str}))[0][1].endswith("...")
    shown = [("x", object()), ("x", [object(), (1, {"k": None})]), ("x", {1, 2})]
    assert [problems(pool(dict([pair]), schema={"x": bytes}))[0][1] for pair in shown] == [
        "an object", "[an object, (1, {'k': None})]", "a set",
    ]  # fmt: skip


def test_a_component_without_a_schema() -> None:
    """Components without a schema, constants and values are left alone."""
    system = System({"env": {"x": 1}, "a": {"b": Component(dict), "c": Component(42)}}, plugins=[schemas()])
    assert problems(system) == []


def test_async_components_are_checked_too() -> None:
    """The checks are the same for components whose start is async."""

    async def start(size: int) -> int:
        return size

    @component(schema={"size": int}, instance_schema=str)
    async def scope(size: Any) -> AsyncIterator[Any]:
        yield size

    system = System({"db": {"pool": Component(start, config={"size": "3"}, schema={"size": int})}}, plugins=[schemas()])
    assert problems(system) == [("config.size", "'3'", "an int")]
    system = System({"db": {"pool": scope(size=3)}}, plugins=[schemas()])
    assert problems(system) == [("instance", "an int", "a str")]


def test_the_plugins_and_subsystems() -> None:
    """Timing reaches into a subsystem, as wrappers do; schemas are checked in the systems that have the plugin."""

    def outer(*plugins: Any) -> System:
        inner = System({"db": {"pool": Component(make, config={"size": "3"}, schema={"size": int})}}, plugins=plugins)
        return System({"app": {"billing": subsystem(inner)}}, plugins=[schemas(), timing])

    live = outer().start()
    assert "start" in live.meta("app.billing.db.pool")["timing"]
    error = refused(outer(schemas()))
    assert str(error.id) == "app.billing.db.pool"


def test_the_base_may_hold_a_schema() -> None:
    """A schema in the base is one for every component that has none of its own."""
    system = System(
        {"a": {"b": Component(make, config={"size": "3"})}}, base={"schema": {"size": int}}, plugins=[schemas()]
    )
    assert problems(system) == [("config.size", "'3'", "an int")]


# --- Secrets ----------------------------------------------------------------------------------------------------------


def shouting(value: Any) -> None:
    """A check that tells everything it sees."""
    raise ValueError(f"{value!r} {value}")


class Shouting(BaseModel):
    """A model whose validator tells what it sees."""

    dsn: str

    @field_validator("dsn")
    @classmethod
    def shout(cls, dsn: str) -> str:
        """Refuse everything."""
        raise ValueError(f"never {dsn}")


@component
def typed(dsn: int) -> Any:
    """A component that wants a number."""
    return dsn


SECRET_PLACES: dict[str, Callable[[str], Any]] = {
    "itself": Secret,
    "by reference": lambda text: ref("env.secret"),
    "within": lambda text: {"user": "me", "password": Secret(text)},
    "in a list": lambda text: ["me", Secret(text)],
    "whole": lambda text: Secret({"user": "me", "password": [text]}),
    "built": lambda text: build("{}@host".format, Secret(text)),
    "built by reference": lambda text: build(dict, password=ref("env.secret")),
}
SCHEMAS: list[dict[str, Any]] = [
    {"schema": shouting},
    {"schema": {"dsn": shouting}},
    {"schema": {"dsn": int}},
    {"schema": {"dsn": int | None}},
    {"schema": Shouting},
    {"instance_schema": shouting},
    {"instance_schema": Shouting},
    {"instance_schema": int},
]


@pytest.mark.parametrize("place", SECRET_PLACES)
@pytest.mark.parametrize("slots", SCHEMAS, ids=str)
def test_a_secret_is_never_shown(place: str, slots: dict[str, Any]) -> None:
    """No secret stands in an error, its cause, or the traceback, wherever it is and whatever the check says of it."""
    never_shown("hunter2-and-more", place, slots)


def never_shown(secret: str, place: str, slots: dict[str, Any], part: str | None = None) -> None:
    """Start a component that has a secret and does not fit; look for the secret."""
    definition = Component(make, config={"dsn": SECRET_PLACES[place](secret)}, **slots)
    system = System({"env": {"secret": Secret(secret)}, "db": {"pool": definition}}, plugins=[schemas()])
    with pytest.raises(StartError) as caught:
        system.start()
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value.failures)
    assert "does not fit its schema" in text
    assert (part or secret) not in text


@given(
    st.text("abc'\"\\\n é1", max_size=6).map(lambda text: f"{text}XYZZY{text}"), st.sampled_from(list(SECRET_PLACES))
)
def test_no_secret_of_whatever_letters_is_shown(secret: str, place: str) -> None:
    """Also a secret with quotes, escapes and letters of any kind is not shown."""
    for slots in SCHEMAS:
        never_shown(secret, place, slots, "XYZZY")  # which stands in every spelling of it


def test_annotations_and_secrets() -> None:
    """An argument that is secret and does not fit its annotation is said to be a secret."""
    secret: Any = Secret("hunter2")
    assert annotated(typed(dsn=secret)) == [("config.dsn", "a secret", "a valid integer")]


def test_a_check_may_speak_of_what_is_not_secret() -> None:
    """The words of a check are kept where they hold no secret, with the secret cut out where they do."""
    config = {"size": 30, "dsn": Secret("hunter2")}

    def check(config: dict[str, Any]) -> None:
        raise ValueError(f"{config['size']} is too many for {config['dsn']}")

    (found,) = problems(pool(config, schema=check))
    assert found[1] == "{'size': 30, 'dsn': a secret}"
    assert found[2].endswith("it raised ValueError: 30 is too many for ***")


def test_words_that_may_hold_a_short_secret() -> None:
    """Where a secret is so short that it may stand anywhere, the words of a check are left away."""

    def check(config: dict[str, Any]) -> None:
        raise ValueError("120 is too many")

    (found,) = problems(pool({"size": 120, "pin": Secret("12")}, schema=check))
    assert found[2].endswith("accepts, whose words are not shown, because there is a secret in the config")


def test_a_part_of_a_secret_is_a_secret() -> None:
    """What stands inside a secret is said to be one, whatever it is."""
    login = Secret({"user": "me", "password": "hunter2"})
    assert problems(pool({"login": login}, schema={"login": {"password": int}})) == [
        ("config.login.password", "a secret", "an int")
    ]


# --- Timing -----------------------------------------------------------------------------------------------------------


def test_timing_by_name() -> None:
    """The plugin `timing`, by name or as a value, keeps in `meta` what each handler took."""
    for plugin in ("timing", timing):
        live = System(
            {"db": {"pool": Component(make, status=repr, post={"start": {"log": repr}})}}, plugins=[plugin]
        ).start()
        live.status()
        live.status()
        measured = live.meta("db.pool")["timing"]
        assert {handler: entry["calls"] for handler, entry in measured.items()} == {
            "start": 1, "post start: log": 1, "status": 2,
        }  # fmt: skip
        assert all(entry["took"] >= 0 for entry in measured.values())
        live.stop()


def test_the_shipped_plugins_explain_themselves() -> None:
    """Both say what they are and what they change."""
    system = System({"db": {"pool": Component(make)}}, plugins=["schemas", "timing"])
    report = system.explain_plugins()
    assert [effect.name for effect in report] == ["schemas", "timing"]
    assert all(effect.doc for effect in report)
    lines = str(report).splitlines()
    assert lines[1].startswith('  + base.pre.start."check config": ')
    assert lines[2].startswith('  + base.post.start."check instance": ')
    assert lines[4].startswith("  + wraps.0: ")
