"""Arguments from files, checked and converted by annotations and schemas, before anything is started."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NewType, NotRequired, Protocol, TypedDict, TypeVar, Unpack
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, SecretBytes, SecretStr, field_validator

from mainspring import (
    BadValue,
    Component,
    Context,
    Id,
    Problem,
    Secret,
    Site,
    StartError,
    System,
    background,
    build,
    component,
    local_ref,
    opaque,
    ref,
    required,
    subsystem,
    tagged,
)
from mainspring.config._schema import examined

Groups = dict[str, dict[str, Any]]


def nowhere(path: tuple[str | int, ...]) -> tuple[Site | None, str]:
    """Know no place."""
    return None, ""


def make(groups: Groups, convert: bool = True) -> tuple[Groups, list[Problem]]:
    """Look at the groups of a system whose places nobody knows."""
    return examined(groups, convert=convert, locate=nowhere)


def started(start: Any, convert: bool = True, env: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    """The config that a component gets; there are no problems."""
    groups = {"env": env or {}, "a": {"b": Component(start, config=config)}}
    made, problems = make(groups, convert)
    assert problems == []
    return dict(made["a"]["b"].config)


def said(start: Any, convert: bool = True, env: dict[str, Any] | None = None, **config: Any) -> list[str]:
    """What is said of the config of a component, without its id."""
    groups = {"env": env or {}, "a": {"b": Component(start, config=config)}}
    return [str(problem).removeprefix("a.b, config.") for problem in make(groups, convert)[1]]


def of(annotation: Any) -> Callable[..., Any]:
    """A function with one parameter that is annotated so."""

    def start(it: Any) -> Any:
        return it

    start.__annotations__["it"] = annotation
    return start


class Color(Enum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


class Model(BaseModel):
    """A class of pydantic."""

    model_config = ConfigDict(extra="forbid")

    port: int = Field(gt=0)
    host: str = "localhost"


@dataclass
class Data:
    """A dataclass."""

    size: int


class Typed(TypedDict):
    """A mapping with fields."""

    size: int
    name: NotRequired[str]


class Options(TypedDict, total=False):
    """Further arguments by name."""

    level: int


class Pool:
    """A class that pydantic does not know."""


class Speaks(Protocol):
    """What an object can do."""

    def speak(self) -> str:
        """Speak."""
        ...


# --- Converting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "written", "converted"),
    [
        (int, "8080", 8080),
        (float, "0.5", 0.5),
        (float, 1, 1.0),
        (bool, "yes", True),
        (Decimal, "1.50", Decimal("1.50")),
        (Path, "a/b", Path("a/b")),
        (Color, "blue", Color.BLUE),
        (date, "2026-11-21", date(2026, 11, 21)),
        (datetime, "2026-11-21T12:30:00", datetime(2026, 11, 21, 12, 30)),
        (time, "12:30", time(12, 30)),
        (timedelta, "PT90M", timedelta(minutes=90)),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (IPv4Address, "127.0.0.1", IPv4Address("127.0.0.1")),
        (set[str], ["a", "b"], {"a", "b"}),
        (tuple[int, ...], ["1", 2], (1, 2)),
        (list[int], ["1", 2], [1, 2]),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (Mapping[str, Path], {"a": "x"}, {"a": Path("x")}),
        (int | None, "3", 3),
        (Data, {"size": "3"}, Data(3)),
        (Typed, {"size": "3"}, {"size": 3}),
        (list[Data], [{"size": 1}], [Data(1)]),
        (Model, {"port": "1"}, Model(port=1)),
        (Iterable[int], ["1"], [1]),
        (NewType("Port", int), "1", 1),
        ("int", "1", 1),
        (Annotated[int, Field(gt=0)], "1", 1),
    ],
    ids=str,
)
def test_a_value_becomes_what_the_annotation_says(annotation: Any, written: Any, converted: Any) -> None:
    """Text becomes numbers, paths, dates and choices; mappings become objects; lists become sets."""
    made, problems = make({"a": {"b": Component(of(annotation), config={"it": written})}})
    assert problems == []
    with System(made).started() as live:
        found = live["a.b"]
    assert (type(found), found) == (type(converted), converted)


@pytest.mark.parametrize(
    ("annotation", "written", "shown"),
    [
        (Model, {"port": "1"}, "build(to[Model], {'port': '1'})"),
        (list[Data], [{"size": 1}], "build(to[list[test_schema.Data]], [{'size': 1}])"),
        (HttpUrl, "https://example.com", "build(to[HttpUrl], 'https://example.com')"),
        (SecretStr, "x", "Secret('***')"),
        (Path, "x", "PosixPath('x')"),
        (Color, "red", "<Color.RED: 'red'>"),
        (re.Pattern[str], "a+", "re.compile('a+')"),
    ],
    ids=str,
)
def test_two_readings_are_equal(annotation: Any, written: Any, shown: str) -> None:
    """What is compared by identity, as objects of most classes are, is made at each start, and not before."""
    start = of(annotation)
    one, other = (System(make({"a": {"b": Component(start, config={"it": written})}})[0]) for _ in range(2))
    assert one == other
    assert repr(one["a.b"].config["it"]) == shown


@pytest.mark.parametrize(
    ("annotation", "written"),
    [
        (int, 8080), (str, "8080"), (Any, {"a": [1]}), (object, "x"), (list[str], ["a"]), (Sequence[str], ["a"]),
        (Iterable[str], ["a"]), (Iterable[str], {"a"}), (int | str, "8080"), (dict[str, int], {"a": 1}), (Typed, {"size": 1}),
        (bool, True), (float, float("nan")), (Path, Path("x")), (Color, Color.RED), (Literal["a"], "a"), (Pool, Pool()),
        (Callable[[int], str], str), (type[int], bool), (Pool | None, None),
    ],
    ids=str,
)  # fmt: skip
def test_what_fits_is_left_alone(annotation: Any, written: Any) -> None:
    """A component that nothing is converted in is the same object as before."""
    groups = {"a": {"b": Component(of(annotation), config={"it": written})}}
    made, problems = make(groups)
    assert problems == []
    assert made["a"]["b"] is groups["a"]["b"]


def test_the_groups_that_were_given_stay_as_they_are() -> None:
    """What comes back is new; what was given is not touched."""
    groups: Groups = {"env": {"x": "1"}, "a": {"b": Component(of(SecretStr), config={"it": ref("env.x")})}}
    made, _ = make(groups)
    assert groups["env"] == {"x": "1"}
    assert groups["a"]["b"].config == {"it": ref("env.x")}
    assert made["env"] == {"x": Secret("1")}


def test_a_converted_component_keeps_its_slots_and_its_place() -> None:
    """Only the config differs."""
    node = Component(of(int), config={"it": "1"}, tags=["slow"], doc="What it is.")
    made, _ = make({"a": {"b": node}})
    assert made["a"]["b"] == node.replace(config={"it": 1})
    assert made["a"]["b"].site == node.site


def test_nothing_is_converted_on_request() -> None:
    """Without conversion a value has to be what its handler is to get: also an instance, where a class asks for one."""
    assert started(of(int), convert=False, it=3) == {"it": 3}
    for annotation, written, expected in [
        (int, "3", "a whole number"),
        (Path, "x", "a Path"),
        (Model, {"port": 1}, "a Model"),
        (list[Model], [{"port": 1}], "a Model"),
        (Data, {"size": 1}, "an instance of Data"),
        (SecretStr, "x", "a SecretStr"),
    ]:
        (problem,) = said(of(annotation), convert=False, it=written)
        assert f"{expected} is expected" in problem
    fitting: list[tuple[Any, Any]] = [(Model, Model(port=1)), (Typed, {"size": 1}), (SecretStr, SecretStr("x"))]
    for annotation, value in fitting:
        assert started(of(annotation), convert=False, it=value)


def test_callables_of_all_kinds_have_parameters() -> None:
    """Generators, classes, background functions, what takes any arguments by position or by name; not the context."""

    @component
    def scope(it: int) -> Any:
        yield it

    @background
    def ticker(it: int, ctx: Context = Context.here) -> None: ...

    @component
    class Server:
        def __init__(self, it: int, *hosts: Path, **more: float) -> None: ...

        def start(self) -> None: ...

    def unpacked(**options: Unpack[Options]) -> None: ...

    for definition in (scope(it="1"), ticker(it="1"), Server(it="1")):  # type: ignore[arg-type]
        made, problems = make({"a": {"b": definition}})
        assert (made["a"]["b"].config, problems) == ({"it": 1}, [])
    assert started(unpacked, level="3", more="x") == {"level": 3, "more": "x"}
    given: Any = {"it": 1, "hosts": ["a"], "x": "2.5"}
    function: Any = Server
    made, problems = make({"a": {"b": function.define(given)}})
    assert (made["a"]["b"].config, problems) == ({"it": 1, "hosts": [Path("a")], "x": 2.5}, [])


def test_annotations_that_say_nothing_are_passed_over() -> None:
    """None, `Any`, names that are not there, type variables, and parameters without annotation."""
    T = TypeVar("T")

    class Odd(Generic[T]): ...

    for annotation in (Any, "Nowhere", T, "list[Nowhere]"):
        assert started(of(annotation), it={"x": "1"}) == {"it": {"x": "1"}}
    assert started(lambda it: it, it="1") == {"it": "1"}
    assert started(dict, it="1") == {"it": "1"}
    assert make({"a": {"b": Component(42), "c": subsystem(System({"x": {"y": 1}}))}})[1] == []


def test_missing_and_unknown_arguments_are_not_told_here() -> None:
    """The check of the system tells them."""

    def start(it: int) -> None: ...

    assert said(start, other=3) == []


# --- What does not fit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "written", "text"),
    [
        (int, "abc", "it: is 'abc', and a whole number is expected."),
        (int, 1.5, "it: is 1.5, and a whole number is expected."),
        (int, [1], "it: is a list, and a whole number is expected."),
        (float, "x", "it: is 'x', and a number is expected."),
        (bool, "maybe", "it: is 'maybe', and true or false is expected."),
        (str, 3, "it: is 3, and text is expected."),
        (list[int], "x", "it: is 'x', and a list is expected."),
        (list[int], [1, "x"], "it.1: is 'x', and a whole number is expected."),
        (dict[str, int], [1], "it: is a list, and a mapping is expected."),
        (dict[str, int], {"a": {"b": 1}}, "it.a: is a dict, and a whole number is expected."),
        (dict[int, int], {"a": 1}, "it.a: is 1, and a whole number is expected."),
        (Path, 3, "it: is 3, and a path is expected."),
        (date, "x", "it: is 'x', and a date such as 2026-11-21 is expected."),
        (datetime, "x", "it: is 'x', and a date with a time such as 2026-11-21T12:30:00 is expected."),
        (timedelta, "5s", "it: is '5s', and a time span in seconds or such as PT90M is expected."),
        (UUID, "x", "it: is 'x', and a UUID is expected."),
        (IPv4Address, "x", "it: is 'x', and an IPv4 address is expected."),
        (HttpUrl, "x", "it: is 'x', and a URL such as https://example.com is expected."),
        (HttpUrl, "ftp://x", "it: is 'ftp://x', and a URL that begins with 'http' or 'https' is expected."),
        (Annotated[int, Field(gt=0)], -1, "it: is -1, and more than 0 is expected."),
        (Annotated[int, Field(le=9)], 10, "it: is 10, and 9 or less is expected."),
        (Annotated[str, Field(min_length=3)], "ab", "it: is 'ab', and text of 3 or more characters is expected."),
        (Annotated[str, Field(pattern="^a+$")], "b", "it: is 'b', and text that matches ^a+$ is expected."),
        (Annotated[list[int], Field(min_length=1)], [], "it: is a list, and 1 or more items is expected."),
        (int | list[int] | None, "x", "it: is 'x', and a whole number or a list is expected."),
        (int | list[int], ["x"], "it.0: is 'x', and a whole number is expected."),
        (Data, "x", "it: is 'x', and a mapping with the fields of Data is expected."),
        (Data, {"size": "x"}, "it.size: is 'x', and a whole number is expected."),
        (Model, {}, "it.port: is missing."),
        (Model, {"port": 0}, "it.port: is 0, and more than 0 is expected."),
        (Typed, {"name": "x"}, "it.size: is missing."),
        (Callable[[int], str], "x", "it: is 'x', and something that can be called is expected."),
        (Iterable[str], 3, "it: is 3, and a list, a set or a mapping is expected."),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_expected_is_said_in_plain_words(annotation: Any, written: Any, text: str) -> None:
    """The place inside the argument, what is there, and what would fit."""
    assert said(of(annotation), it=written) == [text]


@pytest.mark.parametrize(
    ("annotation", "written", "text"),
    [
        (
            Literal["fast", "slow"],
            "fsat",
            "it: is 'fsat', and 'fast' or 'slow' is expected.\n   do: Did you mean fast?",
        ),
        (Color, "bleu", "it: is 'bleu', and 'red' or 'blue' is expected.\n   do: Did you mean blue?"),
        (list[Literal["fast"]], ["fsat"], "it.0: is 'fsat', and 'fast' is expected.\n   do: Did you mean fast?"),
        (Color | None, "bleu", "it: is 'bleu', and 'red' or 'blue' is expected.\n   do: Did you mean blue?"),
        (
            Model,
            {"port": 1, "hots": "x"},
            "it.hots: is not one of the fields: port, host.\n   do: Did you mean host?",
        ),
        (
            dict[str, Model],
            {"x": {"port": 1, "hots": "x"}},
            "it.x.hots: is not one of the fields: port, host.\n   do: Did you mean host?",
        ),
        (Data, {"size": 1, "sise": 2}, "it.sise: is not one of the fields: size.\n   do: Did you mean size?"),
        (list[Data], [{"size": 1, "s": 2}], "it.0.s: is not one of the fields: size."),
        (
            Typed | None,
            {"size": 1, "nam": "x"},
            "it.nam: is not one of the fields: size, name.\n   do: Did you mean name?",
        ),
        (
            Pool,
            {"size": 3},
            "it: is a dict, and a Pool is expected.\n   do: Refer to a component, or to another object that is one.",
        ),
        (
            Speaks,
            {"size": 3},
            "it: is a dict, and a Speaks is expected.\n   do: Refer to a component, or to another object that is one.",
        ),
    ],
    ids=str,
)
def test_the_nearest_that_would_fit_is_named(annotation: Any, written: Any, text: str) -> None:
    """Of choices and fields the nearest one; for an object that no file can spell out, that it takes a reference."""
    assert said(of(annotation), it=written) == [text]


def test_the_problem_as_data() -> None:
    """Class, id, path, and details: what was found, what is expected, and what there is."""
    _, (problem,) = make({"a": {"b": Component(of(Color), config={"it": "bleu"})}})
    assert (problem.error, problem.id, problem.path) == (BadValue, Id("a", "b"), ("config", "it"))
    assert problem.details == {"found": "'bleu'", "expected": "'red' or 'blue'", "candidates": ["red", "blue"]}


def test_enormous_values_are_cut() -> None:
    """A text of megabytes does not fill the screen."""
    (problem,) = said(of(int), it="x" * 1_000_000)
    assert len(problem) < 300


def test_all_problems_at_once_in_the_order_as_written() -> None:
    """Of every component and constant, by where they stand in the system."""
    groups: Groups = {
        "a": {"x": Component(of(int), config={"it": "x"}), "y": Component(of(list[int]), config={"it": ["x", "y"]})},
        "env": {"port": "x"},
        "b": {"z": Component(of(int), config={"it": ref("env.port")}), "u": Component(of(int), config={"it": "x"})},
    }
    problems = make(groups)[1]
    assert [(str(p.id), p.path) for p in problems] == [
        ("a.x", ("config", "it")), ("a.y", ("config", "it", 0)), ("a.y", ("config", "it", 1)), ("env.port", ()),
        ("b.u", ("config", "it")),
    ]  # fmt: skip


def test_the_words_of_a_validator() -> None:
    """What a validator says is passed on; what it raises by mistake is a problem, too."""

    def refuse(value: int) -> int:
        raise ValueError(f"{value} is odd")

    def fail(value: int) -> int:
        raise KeyError("oops")

    (problem,) = said(of(Annotated[int, AfterValidator(refuse)]), it=3)
    assert problem == "it: is 3, and what int accepts (it says: 3 is odd) is expected."
    (problem,) = said(of(Annotated[int, AfterValidator(fail)]), it=3)
    assert problem == "it: is 3, and what int accepts (it raised KeyError: 'oops') is expected."


def test_the_place_and_the_origin() -> None:
    """The place in the file is that of the value; where it is from somewhere else, that is said."""
    asked: list[tuple[str | int, ...]] = []

    def locate(path: tuple[str | int, ...]) -> tuple[Site | None, str]:
        asked.append(path)
        return Site("app.yaml", 3, 5), "environment variable PORT"

    node = Component(of(dict[str, int]), config={"it": {"port": "x"}})
    _, (problem,) = examined({"a": {"b": node}}, convert=True, locate=locate)
    assert asked == [("a", "b", "config", "it", "port")]
    assert str(problem) == (
        "a.b, config.it.port: is 'x', and a whole number is expected.\n"
        "   at: app.yaml:3:5\n   do: It comes from the environment variable PORT."
    )
    _, (problem,) = examined({"a": {"b": Component(of(int), config={"it": None})}}, convert=True, locate=locate)
    assert problem.what == "is nothing, and a whole number is expected."
    assert problem.hint == "The environment variable PORT is not set."


# --- References -------------------------------------------------------------------------------------------------------


def test_a_reference_is_checked_by_the_value_that_is_there() -> None:
    """The problem is at the place of the constant, and says who needs it."""
    (problem,) = make({"env": {"port": "x"}, "web": {"a": Component(of(int), config={"it": ref("env.port")})}})[1]
    assert str(problem) == "env.port: is 'x', and a whole number is expected: web.a, config.it needs it."
    assert problem.id == Id("env", "port")


def test_several_that_need_a_constant() -> None:
    """One problem names all of them; and where they expect different things, there is one for each."""
    needs = {name: Component(of(int), config={"it": ref("env.x")}) for name in "abcdefg"}
    _, (problem,) = make({"env": {"x": "x"}, "web": needs})
    assert "web.a, config.it; web.b, config.it; " in problem.what
    assert problem.what.endswith("web.e, config.it; and more need it.")
    both = {
        "a": Component(of(int), config={"it": ref("env.x")}),
        "b": Component(of(Color), config={"it": ref("env.x")}),
    }
    assert len(make({"env": {"x": "x"}, "web": both})[1]) == 2


@pytest.mark.parametrize(
    ("reference", "env", "place"),
    [
        (ref("env.http.ports.1"), {"http": {"ports": [1, "x"]}}, "env.http, ports.1"),
        (ref("env.alias"), {"alias": ref("env.x"), "x": "x"}, "env.x"),
        (ref("env.alias.deep"), {"alias": ref("env.x"), "x": {"deep": "x"}}, "env.x, deep"),
        (ref("env.local.y"), {"local": local_ref("x"), "x": {"y": "x"}}, "env.x, y"),
        (ref("env.x.y"), {"x": {"y": ref("env.z")}, "z": "x"}, "env.z"),
        (ref("env.x.1"), {"x": {1: "x"}}, "env.x, 1"),
        (ref("env.x", optional=True), {"x": opaque("x")}, "env.x"),
    ],
    ids=str,
)
def test_references_lead_deep_and_through_aliases(reference: Any, env: dict[str, Any], place: str) -> None:
    """The place is the one at which the value is written."""
    (problem,) = said(of(int), env=env, it=reference)
    assert problem.startswith(f"{place}: is 'x', and a whole number is expected: a.b, config.it needs it.")


def test_references_inside_of_arguments() -> None:
    """What is inside is checked, too; the problem is where the value is written."""
    problems = said(of(dict[str, int]), env={"x": "x", "y": 1}, it={"a": ref("env.x"), "b": "z", "c": ref("env.y")})
    assert (
        problems
        == [
            "it.b: is 'z', and a whole number is expected.",
            "env.x: is 'x', and a whole number is expected: a.b, config.it.a needs it.",
        ]
        or problems[::-1]
    )


@pytest.mark.parametrize(
    "value",
    [
        ref("a.c"), ref("a.c.inside"), ref("env"), ref("no.where"), ref("env.nothing"), ref("env.x.deeper"), tagged("slow"),
        required, build(str, "x"), opaque("x"), [ref("a.c")], ref("env.loop"), ref("env.built"), ref("env.tagged"),
        {"x": build(str)}, local_ref("c"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_known_only_later_is_passed_over(value: Any) -> None:
    """References to components, groups, tags and nothing; what is to be built or given later; and what is not looked into."""
    env = {
        "x": "x",
        "loop": ref("env.pool"),
        "pool": ref("env.loop"),
        "built": build(str, "x"),
        "tagged": tagged("slow"),
    }
    node = Component(of(int), config={"it": value})
    made, problems = make({"env": env, "a": {"b": node, "c": Component(list)}})
    assert (made["a"]["b"] is node, problems) == (True, [])


def test_a_reference_that_fits_stays_a_reference() -> None:
    """Where nothing has to be converted, nothing is changed."""
    node = Component(of(int), config={"it": ref("env.port")})
    assert make({"env": {"port": 80}, "a": {"b": node}})[0]["a"]["b"] is node


def test_what_a_reference_gives_is_converted_at_each_start() -> None:
    """Also after the constant was overridden; the definitions of two readings are equal."""

    def groups() -> Groups:
        return {
            "env": {"port": "80", "dirs": ["a"]},
            "a": {"b": Component(start, config={"port": ref("env.port"), "dirs": [ref("env.dirs.0"), "b"]})},
        }

    def start(port: int, dirs: list[Path]) -> Any:
        return port, dirs

    system, again = System(make(groups())[0]), System(make(groups())[0])
    assert system == again
    assert repr(system["a.b"].config["port"]) == "build(to[int], ref('env.port'))"
    with system.started() as live:
        assert live["a.b"] == (80, [Path("a"), Path("b")])
    with system.override({"env.port": "90"}).started() as live:
        assert live["a.b"][0] == 90


def test_what_cannot_be_converted_at_a_start() -> None:
    """The error says what was expected, and not what was there, because that may be a secret."""
    groups: Groups = {"env": {"x": "1"}, "a": {"b": Component(of(dict[str, int]), config={"it": {"k": ref("env.x")}})}}
    system = System(make(groups)[0])
    with pytest.raises(StartError) as caught:
        system.override({"env.x": Secret("hunter2")}).start()
    (error,) = caught.value.exceptions
    assert isinstance(error, BadValue)
    assert "k in a value that is to be converted does not fit: a whole number is expected." in str(error)
    assert "hunter2" not in everything(caught.value)


def everything(error: BaseException | None) -> str:
    """All texts of an error, of what it is made of and of what it came from."""
    if error is None:
        return ""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    parts = [everything(part) for part in (error.__cause__, error.__context__, *inner)]
    return " ".join([str(error), repr(error), *getattr(error, "__notes__", ()), *parts])


# --- Schemas ----------------------------------------------------------------------------------------------------------


def with_schema(
    schema: Any, convert: bool = True, start: Any = None, **config: Any
) -> tuple[dict[str, Any], list[str]]:
    """The config of a component with a schema, and what is said of it."""

    def anything(size: Any = 1, name: Any = "", **more: Any) -> None: ...

    node = Component(start or anything, config=config, schema=schema)
    made, problems = make({"env": {"size": "3"}, "a": {"b": node, "c": Component(list)}}, convert)
    return dict(made["a"]["b"].config), [str(problem).removeprefix("a.b, config.") for problem in problems]


class Sized(BaseModel):
    """A schema of a config."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(gt=0)
    name: str = Field(default="none", alias="called", validation_alias="name")

    @field_validator("name")
    @classmethod
    def lower(cls, name: str) -> str:
        """Write it small."""
        return name.lower()


def test_a_model_as_a_schema() -> None:
    """Its fields' values take the place of the arguments; its defaults are not added."""
    assert with_schema(Sized, size="3", name="ABC") == ({"size": 3, "name": "abc"}, [])
    assert with_schema(Sized, size="3") == ({"size": 3}, [])
    config, problems = with_schema(Sized, size=-1, nmae="x")
    assert config == {"size": -1, "nmae": "x"}
    assert problems == [
        "size: is -1, and more than 0 is expected.",
        "nmae: is not one of the fields: size, name.\n   do: Did you mean name?",
    ]
    assert with_schema(Sized, convert=False, size="3")[1] == ["size: is '3', and a whole number is expected."]
    assert with_schema(Sized, convert=False, size=3, name="ABC") == ({"size": 3, "name": "ABC"}, [])


def test_a_model_and_references() -> None:
    """A reference to a constant is checked by its value; where one leads to a component, the fields are looked at one by one."""
    config, problems = with_schema(Sized, size=ref("env.size"), name="a")
    assert (str(config["size"]).startswith("build(to[int"), problems) == (True, [])
    assert with_schema(Sized, size="x", name=ref("a.c"))[1] == ["size: is 'x', and a whole number is expected."]


def test_a_model_and_what_the_start_misses() -> None:
    """What the start itself needs is told by the check of the system; a field beyond its parameters is told here."""

    def start(size: int) -> None: ...

    assert with_schema(Sized, start=start)[1] == []

    def open_start(**more: Any) -> None: ...

    assert with_schema(Sized, start=open_start)[1] == ["size: is missing."]
    assert with_schema(Data, start=open_start)[1] == ["size: is missing."]


def test_classes_with_fields_and_mappings_as_schemas() -> None:
    """A dataclass, a `TypedDict`, a mapping of parameters to schemas: each argument is converted by its own."""
    nested = {"size": int, "name": {"first": str, "age": int}}
    assert with_schema(Data, size="3") == ({"size": 3}, [])
    assert with_schema(Typed, size="3", name="x") == ({"size": 3, "name": "x"}, [])
    assert with_schema(nested, size="3", name={"first": "x", "age": "3", "more": 1}) == (
        {"size": 3, "name": {"first": "x", "age": 3, "more": 1}}, [],
    )  # fmt: skip
    assert with_schema(nested, size="x", name={"age": "y"})[1] == [
        "size: is 'x', and a whole number is expected.",
        "name.age: is 'y', and a whole number is expected.",
    ]
    assert with_schema(nested, name="x")[1] == ["name: is 'x', and a mapping is expected."]
    assert with_schema(pydantic.TypeAdapter(dict[str, int]), size="3") == ({"size": 3}, [])
    assert with_schema(dict[str, int], size="x")[1] == ["size: is 'x', and a whole number is expected."]


def small(config: dict[str, Any]) -> bool:
    """Refuse a pool that is too big, or has no name."""
    if not config["name"]:
        raise ValueError("it has no name")
    return bool(config["size"] < 10)


def test_a_callable_as_a_schema() -> None:
    """It gets the config as the start will get it, converted and with defaults; it raises or returns `False`."""

    def start(size: int = 1, name: str = "x") -> None: ...

    assert with_schema(small, start=start, size="3") == ({"size": 3}, [])
    assert with_schema(small, start=start, size="30")[1] == [
        "a.b, config: is a dict, and what small accepts is expected."
    ]
    assert with_schema(small, start=start, name="")[1] == [
        "a.b, config: is a dict, and what small accepts (it raised ValueError: it has no name) is expected."
    ]
    assert with_schema(small, start=start, size=ref("a.c"), name="")[1] == []  # known only later
    config, problems = with_schema(small, start=start, size=ref("env.size"))
    assert (problems, repr(config["size"])) == ([], "build(to[int], ref('env.size'))")


def test_a_coroutine_function_is_no_schema() -> None:
    """It would have to be awaited, and is an error, not a check that is never made."""

    async def check(config: dict[str, Any]) -> None: ...

    (problem,) = with_schema(check)[1]
    assert "a plain function as a schema, not a coroutine function, is expected" in problem


def test_a_place_is_told_once() -> None:
    """Of an argument that does not fit its schema, its annotation says nothing more."""

    def start(size: int) -> None: ...

    assert len(with_schema({"size": int}, start=start, size="x")[1]) == 1


# --- Secrets ----------------------------------------------------------------------------------------------------------

Password = NewType("Password", SecretStr)


class Login(BaseModel):
    """A class with a secret in it."""

    user: str = ""
    password: SecretStr
    pin: Annotated[str, Secret] = ""


SECRETIVE: list[Any] = [
    SecretStr, SecretBytes, pydantic.Secret[str], Annotated[str, Secret], SecretStr | None, Password, list[SecretStr],
    "Secret[str]", "Secret[int]", Login, dict[str, Login], Annotated[int, Secret], list[Annotated[int, Secret]],
]  # fmt: skip


@pytest.mark.parametrize("annotation", SECRETIVE, ids=str)
@pytest.mark.parametrize("convert", [True, False])
@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize(
    "written",
    [
        "hunter2",
        ["hunter2"],
        {"password": "hunter2"},
        {"a": {"password": "hunter2", "pin": ["hunter2"]}},
        [["hunter2"]],
    ],
    ids=str,
)
def test_what_is_secret_by_annotation_is_not_shown(
    annotation: Any, convert: bool, by_reference: bool, written: Any
) -> None:
    """Neither in a problem, nor in the definition, nor in the constant that it was taken from; whether it fits or not."""
    env = {"x": written} if by_reference else {}
    config = {"it": ref("env.x") if by_reference else written}
    groups: Groups = {"env": env, "a": {"b": Component(of(annotation), config=config)}}
    made, problems = make(groups, convert)
    assert "hunter2" not in " ".join(f"{problem} {problem!r}" for problem in problems)
    if not problems:
        system = System(made)
        assert "hunter2" not in f"{made!r} {system!r} {system.describe()} {system.describe()!r}"


def test_a_handler_gets_the_secret_type() -> None:
    """One annotated with a type of pydantic gets that; one that is only marked gets the plain value."""

    def start(a: SecretStr, b: Annotated[str, Secret], c: Secret[int], d: Login) -> Any:
        return a, b, c, d

    groups: Groups = {
        "env": {"c": "3"},
        "a": {"b": Component(start, config={"a": "x", "b": "y", "c": ref("env.c"), "d": {"password": "z"}})},
    }
    made, problems = make(groups)
    assert (problems, made["env"]) == ([], {"c": Secret("3")})
    with System(made).started() as live:
        assert live["a.b"] == (SecretStr("x"), "y", 3, Login(password=SecretStr("z")))


def test_only_the_secret_part_of_a_constant_becomes_one() -> None:
    """The rest of it can still be seen."""
    made, _ = make(
        {
            "env": {"db": {"login": {"user": "me", "password": "x"}}},
            "a": {"b": Component(of(Login), config={"it": ref("env.db.login")})},
        }
    )
    assert made["env"] == {"db": {"login": {"user": "me", "password": Secret("x")}}}


def test_a_constant_that_is_secret_for_one_is_secret_for_all() -> None:
    """Also for a component that is looked at earlier, and finds that it does not fit."""
    groups: Groups = {
        "env": {"x": "hunter2"},
        "a": {
            "first": Component(of(int), config={"it": ref("env.x")}),
            "second": Component(of(SecretStr), config={"it": ref("env.x")}),
            "third": Component(dict, config={"size": ref("env.x")}, schema={"size": Annotated[str, Secret]}),
        },
    }
    (problem,) = make(groups)[1]
    assert problem.what == "is a secret, and a whole number is expected: a.first, config.it needs it."


def shout(value: Any) -> Any:
    """Tell everything."""
    raise ValueError(f"never {value}")


class Loud(BaseModel):
    """A schema that does not know that there is a secret."""

    it: str

    @field_validator("it")
    @classmethod
    def shout(cls, it: str) -> str:
        """Refuse everything."""
        raise ValueError(f"never {it}")


@pytest.mark.parametrize(
    "schema", [shout, Loud, {"it": int}, {"it": shout}, Data, dict[str, int], {"it": Loud}], ids=str
)
@pytest.mark.parametrize(
    "annotation", [Annotated[str, Secret], SecretStr, list[Annotated[str, Secret]], Login], ids=str
)
@pytest.mark.parametrize("by_reference", [True, False])
def test_a_schema_that_knows_of_no_secret(schema: Any, annotation: Any, by_reference: bool) -> None:
    """What the annotation says is secret is so for the schema, too, and for what it says of it."""
    for written in ("hunter2", ["hunter2"], {"password": "hunter2"}, {"user": "me", "pasword": "hunter2"}):
        config = {"it": ref("env.x") if by_reference else written}
        node = Component(of(annotation), config=config, schema=schema)
        for convert in (True, False):
            _, problems = make({"env": {"x": written}, "a": {"b": node}}, convert)
            assert "hunter2" not in " ".join(f"{problem} {problem!r}" for problem in problems)


def test_a_secret_is_checked_and_stays_one() -> None:
    """What is converted is a secret again; what is inside of something is so where it was."""
    assert started(of(int), it=Secret("3")) == {"it": Secret(3)}
    assert started(of(list[int]), it=["1", Secret("2")]) == {"it": [1, Secret(2)]}
    assert started(of(dict[str, int]), it={"a": Secret("2"), "b": "1"}) == {"it": {"a": Secret(2), "b": 1}}
    assert started(of(set[int]), it=["1", Secret("2")]) == {"it": Secret({1, 2})}
    assert repr(started(of(Data), it={"size": Secret(2)})) == "{'it': build(to[Data], {'size': Secret('***')})}"
    assert repr(started(of(SecretStr), it="x")) == "{'it': Secret('***')}"
    node = Component(of(str), config={"it": Secret("x")})
    assert make({"a": {"b": node}})[0]["a"]["b"] is node


PATTERN: Any = Annotated[str, Field(pattern="^$")]
LOUD: list[Any] = [
    int, list[int], Annotated[str, AfterValidator(shout)], HttpUrl, Literal["fast"], Color, PATTERN,
    Model, Data, dict[str, int], int | list[int], dict[str, Model], pydantic.Json, pydantic.ImportString,
    Annotated[Any, AfterValidator(shout)], UUID, date, Pool,
]  # fmt: skip


@given(
    st.text("abc'\"\\\n é1", max_size=6).map(lambda text: f"{text}XYZZY{text}"),
    st.sampled_from(LOUD),
    st.sampled_from(["itself", "in a list", "in a dict", "as a key", "by reference", "in a constant"]),
)
def test_no_secret_is_shown_whatever_is_wrong_with_it(text: str, annotation: Any, place: str) -> None:
    """Not in the words of pydantic or of a validator either, nor as a key."""
    env = {"x": Secret(text), "y": {"port": Secret(text)}}
    written = {
        "itself": Secret(text),
        "in a list": [1, Secret(text)],
        "in a dict": {"port": Secret(text), "size": "x"},
        "as a key": Secret({"port": 1, text: text}),
        "by reference": ref("env.x"),
        "in a constant": ref("env.y"),
    }[place]
    for schema in (None, shout, {"it": annotation}):
        node = Component(of(annotation), config={"it": written}, schema=schema)
        for convert in (True, False):
            _, problems = make({"env": env, "a": {"b": node}}, convert)
            assert "XYZZY" not in " ".join(f"{problem} {problem!r}" for problem in problems)


# --- The rest ---------------------------------------------------------------------------------------------------------


def test_pydantic_is_needed() -> None:
    """Without it there is an error that names the extra."""
    program = """
import sys
sys.modules["pydantic"] = None
from mainspring.config._schema import examined
try:
    examined({}, convert=True, locate=lambda path: (None, ""))
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    install = "pip install 'mainspring[config]'"
    assert done.stdout == f"Checking values from files needs the extra 'config'. Install it with: {install}\n"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(ref("env.x")),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["port", "size", "x"]), inner),
        max_leaves=8,
    ),
    st.sampled_from([*LOUD, *SECRETIVE, Typed, Iterable[int], tuple[int, str], Any]),
    st.booleans(),
)
def test_whatever_is_written_is_checked_or_passed_over(written: Any, annotation: Any, convert: bool) -> None:
    """No value makes the check itself fail, and what it converts it leaves alone the second time."""
    groups: Groups = {"env": {"x": "3"}, "a": {"b": Component(of(annotation), config={"it": written})}}
    made, problems = make(groups, convert)
    if not problems:
        assert System(make(made, convert)[0]) == System(made)
