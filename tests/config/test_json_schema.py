"""The JSON Schema of a system: what an editor accepts, refuses and shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from mainspring import Component, Context, Secret, System, component, ref, subsystem
from mainspring.config._json_schema import json_schema


class Limits(BaseModel):
    """How much."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(gt=0, description="How large.")
    names: list[str] = []


@dataclass
class Circle:
    """A round thing."""

    radius: float


@dataclass
class Square:
    """A thing with corners."""

    side: float
    inner: Square | None = None


TOKEN = SecretStr("hunter2")


class Pool:
    """What no file can spell out."""


class Speaks(Protocol):
    """What an object can do."""

    def speak(self) -> str:
        """Speak."""
        ...


@component
def server(  # type: ignore[no-untyped-def]
    port: int,
    mode: Literal["fast", "slow"] = "fast",
    *,
    limits: Limits | None = None,
    shape: Circle | Square | None = None,
    folder: Path = Path(),
    sizes: dict[str, int] | None = None,
    pool: Pool | None = None,
    speaker: Speaks | None = None,
    password: Annotated[str, Secret] = "hunter2",
    token: SecretStr = TOKEN,
    anything: Any = None,
    untyped=None,
    ctx: Context = Context.here,
) -> Any:
    """Answers requests.

    Parameters:
        port: where it listens;
            0 for any.
        mode, folder: how.
        unknown: not there.

    Returns:
        A server.
    """
    yield port


def open_start(**options: int) -> None:
    """Takes anything."""


PASSWORD: Any = Secret("hunter2")
SYSTEM = System(
    {
        "env": {
            "port": 80, "ratio": 0.5, "name": "x", "flag": True, "nothing": None, "list": [1], "password": Secret("hunter2"),
            "deep": {"dsn": "hunter2", "size": 3}, "alias": ref("env.port"),
        },
        "web": {"server": server(port=ref("env.port"), password=PASSWORD), "open": Component(open_start)},
        "app": {"inner": subsystem(System({"a": {"b": 1}})), "value": Component(42)},
    },
    name="shop",
)  # fmt: skip
SCHEMA = json_schema(SYSTEM, profiles=["dev", "prod"])


def accepts(data: Any, schema: dict[str, Any] = SCHEMA) -> bool:
    """Whether a file that says this fits."""
    return bool(Draft202012Validator(schema).is_valid(data))


def config(**arguments: Any) -> dict[str, Any]:
    """A file with a config for the server."""
    return {"web": {"server": {"config": arguments}}}


def test_it_is_a_valid_schema() -> None:
    """Of draft 2020-12, and can be written as JSON; all that it refers to is there."""
    Draft202012Validator.check_schema(SCHEMA)
    text = json.dumps(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    referred = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert referred <= SCHEMA["$defs"].keys()


@pytest.mark.parametrize(
    "data",
    [
        {},
        config(port=80),
        config(port={"$env": "PORT"}),
        config(port={"$int": {"$env": "PORT"}}, mode="slow"),
        {"web": {"server": {"config": {"$include": "server.yaml"}}}},
        {"web": {"$include": "web.yaml"}},
        {"$include": "all.yaml"},
        config(limits={"size": 3, "names": ["a", {"$env": "NAME"}]}),
        config(limits={"size": {"$env": "SIZE"}}),
        config(limits={"names": []}),
        config(limits={"$profile": {"dev": None, "default": {"size": 3}}}),
        config(shape={"radius": 3}),
        config(shape={"side": 3, "inner": {"side": {"$env": "SIDE"}}}),
        config(sizes={"a": 1, "b": {"$env": "B"}}),
        config(pool={"$ref": "db.pool"}, speaker={"$ref": "db.pool"}, anything=[1, {}], untyped="x"),
        config(folder="x", password={"$secret": {"$env": "X"}}, token="y"),
        {"web": {"open": {"config": {"a": 1, "b": {"$env": "B"}}}}},
        {"web": {"server": {"tags": ["slow"], "enabled": {"$ref": "env.flag"}, "deadlines": {"start": 3}, "retry": 3}}},
        {"web": {"server": {"component": "other.module:server", "config": {"different": "x"}}}},
        {"web": {"server": {"component": f"{__name__}:server", "config": {"port": 3}}}},
        {"env": {"port": 8080, "ratio": 1, "name": "y", "flag": {"$env": "X"}, "list": [], "nothing": 3, "alias": "x"}},
        {"env": {"deep": {"size": {"$env": "S"}, "more": 1}, "new": {"a": 1}, "password": "x"}},
        {"env": {"port": {"component": "app:port"}}},
        {"more": {"x": 3, "y": {"component": "a:b", "config": {"any": 1}}}},
        {"app": {"inner": {"config": {"a.b": 2}}}},
        {"mainspring": {"profile": "dev", "workers": 2, "plugins": ["timing"], "limits": {"*": 3}, "deadlines": 3.5}},
        {"mainspring": {"profile": ["dev", "prod"], "base": {"tags": ["x"], "config": {"a": 1}}, "signals": []}},
    ],
    ids=str,
)
def test_what_is_accepted(data: Any) -> None:
    """Parts of the system, additions, and tags in every place."""
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)) == []


@pytest.mark.parametrize(
    "data",
    [
        [],
        config(port="abc"),
        config(prot=80),
        config(mode="fats"),
        config(port={"$env": "A", "$int": "B"}),
        config(port={"env": "A"}),
        config(limits={"size": 0}),
        config(limits={"sice": 1}),
        config(limits={"$env": "A", "size": 1}),
        config(shape={"radius": "x"}),
        config(shape={"radios": 3}),
        config(sizes={"a": "x"}),
        {"web": {"open": {"config": {"a": "x"}}}},
        {"web": {"server": {"confg": {}}}},
        {"web": {"server": {"config": []}}},
        {"web": {"server": 3}},
        {"web": {"server": {"component": f"{__name__}:server", "config": {"port": "x"}}}},
        {"web": {"server": {"thread": "main"}}},
        {"web": {"server": {"tags": "slow"}}},
        {"web": {"server": {"deadlines": -1}}},
        {"env": {"port": "x"}},
        {"env": {"deep": {"size": "x"}}},
        {"env": {"port": {"confg": "app:port"}}},
        {"more": {"y": {"component": "a:b", "thread": "main"}}},
        {"more": 3},
        {"mainspring": {"profile": "test"}},
        {"mainspring": {"worker": 3}},
        {"mainspring": {"workers": -1}},
    ],
    ids=str,
)
def test_what_is_refused(data: Any) -> None:
    """Wrong types, names that there are not, and tags that do not stand alone."""
    assert not accepts(data)


def test_what_an_editor_shows() -> None:
    """Titles, what the docstrings say, and defaults; a choice by its values."""
    node = SCHEMA["properties"]["web"]["properties"]["server"]
    assert (SCHEMA["title"], node["title"], node["description"]) == (
        "shop",
        "web.server",
        "Answers requests.",
    )
    arguments = node["else"]["properties"]["config"]["properties"]
    tag = {"$ref": "#/$defs/mainspring.tag"}
    assert arguments["port"] == {"description": "where it listens; 0 for any.", "anyOf": [{"type": "integer"}, tag]}
    choice = {"enum": ["fast", "slow"], "type": "string"}
    assert arguments["mode"] == {"description": "how.", "default": "fast", "anyOf": [choice, tag]}
    assert arguments["folder"]["description"] == "how."
    # A mapping takes tags by itself: there is no further nesting.
    assert arguments["limits"] == {"default": None, "anyOf": [{"$ref": "#/$defs/Limits"}, {"type": "null"}]}
    assert SCHEMA["$defs"]["Limits"]["properties"]["size"]["description"] == "How large."
    assert arguments["pool"] == {"default": None}
    assert arguments["anything"] == {"default": None}
    assert "ctx" not in arguments
    assert "unknown" not in arguments


def test_an_argument_that_takes_an_object() -> None:
    """A file cannot spell it out, and is told what to write."""

    def start(pool: Pool) -> None: ...

    schema = json_schema(System({"a": {"b": Component(start)}}))
    found = schema["properties"]["a"]["properties"]["b"]["else"]["properties"]["config"]["properties"]
    assert found == {"pool": {"description": "A Pool: refer to a component."}}


def test_no_secret_is_in_it() -> None:
    """Neither a constant, nor an argument, nor a default of a parameter or of a field."""

    class Login(BaseModel):
        password: Annotated[str, Secret] = "hunter2"
        token: SecretStr = SecretStr("hunter2")

    plain = Login()

    def start(login: Login = plain, pin: Annotated[str, Secret] = "hunter2") -> None: ...

    start.__annotations__["login"] = Login
    assert "hunter2" not in json.dumps(json_schema(System({"a": {"b": Component(start)}})))
    assert "hunter2" not in json.dumps(SCHEMA)


def test_classes_of_one_name() -> None:
    """Two classes of one name do not take each other's place; nor that of what is ours."""

    def one() -> Any:
        class Settings(BaseModel):
            size: int

        return Settings

    def other() -> Any:
        class Settings(BaseModel):
            name: str

        return Settings

    def of(annotation: Any) -> Any:
        def start(it: Any) -> None: ...

        start.__annotations__["it"] = annotation
        return Component(start)

    tag = type("tag", (BaseModel,), {"__annotations__": {"x": int}})
    schema = json_schema(System({"a": {"b": of(one()), "c": of(other()), "d": of(tag)}}))
    assert accepts({"a": {"b": {"config": {"it": {"size": 3}}}, "c": {"config": {"it": {"name": "x"}}}}}, schema)
    assert not accepts({"a": {"b": {"config": {"it": {"size": "x"}}}}}, schema)
    assert not accepts({"a": {"c": {"config": {"it": {"name": 3}}}}}, schema)
    assert not accepts({"a": {"d": {"config": {"it": {"x": "x"}}}}}, schema)


def test_for_an_editor_of_yaml() -> None:
    """It sees only what stands behind a tag: text, lists and mappings fit everywhere; names are still checked."""
    schema = json_schema(SYSTEM, yaml=True)
    Draft202012Validator.check_schema(schema)
    assert accepts(config(port="PORT", limits="limits.yaml", mode=["or", "this"]), schema)
    assert accepts({"web": "web.yaml", "mainspring": {"workers": "WORKERS"}}, schema)
    assert not accepts(config(prot=80), schema)
    assert not accepts(config(port=None), schema)
    assert not accepts({"web": {"server": {"confg": {}}}}, schema)


def test_any_profile_where_none_are_known() -> None:
    """Without names of profiles every text is one."""
    schema = json_schema(SYSTEM)
    assert accepts({"mainspring": {"profile": "whatever"}}, schema)
    assert not accepts({"mainspring": {"profile": 3}}, schema)
