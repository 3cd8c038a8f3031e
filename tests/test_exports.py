"""The public names: complete, sorted, at home in `mainspring`, and seen by type checkers."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import types
from typing import Any

import pytest

import mainspring
from mainspring import (
    Component,
    Id,
    Outcome,
    Problem,
    Signal,
    Site,
    State,
    System,
    build,
    config,
    local_ref,
    opaque,
    ref,
    required,
)

OBJECTS = [name for name in mainspring.__all__ if isinstance(getattr(mainspring, name), type | types.FunctionType)]


def test_all_is_sorted_and_has_no_name_twice() -> None:
    """`__all__` is sorted and has each name once."""
    assert mainspring.__all__ == sorted(set(mainspring.__all__))


def test_all_is_complete() -> None:
    """Every name in the package that is neither private nor a module is in `__all__`, and the other way round."""
    public = {
        name
        for name, thing in vars(mainspring).items()
        if not name.startswith("_") and not isinstance(thing, types.ModuleType)
    }
    assert public == set(mainspring.__all__)


def test_star_import() -> None:
    """A star import brings exactly the public names."""
    names: dict[str, Any] = {}
    exec("from mainspring import *", names)
    del names["__builtins__"]
    assert names.keys() == set(mainspring.__all__)


@pytest.mark.parametrize("name", OBJECTS)
def test_public_objects_are_at_home_in_the_package(name: str) -> None:
    """Every public class and function says that it comes from `mainspring`, so that tracebacks name what users import."""
    thing = getattr(mainspring, name)
    assert thing.__module__ == "mainspring"
    assert thing.__qualname__ == name


def test_what_no_name_leads_to_is_not_public() -> None:
    """Of what public functions and properties return, each class is a public name too."""
    system = System({"a": {"b": Component(dict)}})
    live = system.start()
    live.stop()
    returned = [
        system, live, system.started(), system.graph(), system.plan(), system.plan()[0], system.describe(), live.report,
        live.report["a.b"], system.describe()["a.b"], system["a.b"], system.signals["start"], live.state("a.b"),
    ]  # fmt: skip
    assert [type(it).__qualname__ for it in returned if type(it).__name__ not in mainspring.__all__] == []
    assert {type(it).__module__ for it in returned} == {"mainspring"}


@pytest.mark.parametrize("name", OBJECTS)
def test_public_objects_have_docstrings(name: str) -> None:
    """Every public class and function has a docstring, and so has every public method and property."""
    thing = getattr(mainspring, name)
    assert thing.__doc__
    if not isinstance(thing, type):
        return
    for member, value in vars(thing).items():
        if member.startswith("_") or not isinstance(value, types.FunctionType | property | classmethod | staticmethod):
            continue
        assert inspect.getdoc(getattr(thing, member) if not isinstance(value, property) else value), member


@pytest.mark.parametrize(
    "value",
    [
        Id("a", "b"), Site("f", 1), State.RUNNING, ref("a.b"), local_ref("b", optional=True), required, build(dict, a=1),
        opaque(1), mainspring.Secret("x"), Signal("x"), Component(dict, config={"x": ref("a.b")}),
        System({"a": {"b": Component(dict)}, "env": {"x": [1]}}),
        Problem(mainspring.BadId, "x"), Outcome(Id("a", "b"), State.RUNNING, True, None, 0.0, 0.0, None),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_can_be_copied(value: Any) -> None:
    """Everything that is a value can be copied, deeply too, and the copy is equal."""
    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value


@pytest.mark.parametrize(
    "value",
    [Id("a", "b"), Site("f", 1), State.RUNNING, ref("a.b"), local_ref("b", optional=True), required],
    ids=lambda value: type(value).__name__,
)
def test_plain_values_can_be_pickled(value: Any) -> None:
    """Ids, states, places and references can be pickled; `required` stays the one that it is."""
    again = pickle.loads(pickle.dumps(value))
    assert again == value
    if value is required:
        assert again is required


@pytest.mark.parametrize(
    "name",
    ["Component", "Context", "Description", "Graph", "Live", "Plan", "Report", "Secret", "Signal", "Started", "System"],
)
def test_misspelt_attributes_cannot_be_set(name: str) -> None:
    """A misspelt attribute cannot be set by accident, because these classes have slots."""
    assert not any("__dict__" in vars(cls) for cls in getattr(mainspring, name).__mro__)


# --- mainspring.config ------------------------------------------------------------------------------------------------


def test_config_is_complete() -> None:
    """Every name in the room of files that is neither private nor a module is in its `__all__`, and the other way round."""
    public = {
        name
        for name, thing in vars(config).items()
        if not name.startswith("_") and name != "annotations" and not isinstance(thing, types.ModuleType)
    }
    assert public | {"tags"} == set(config.__all__)
    assert len(set(config.__all__)) == len(config.__all__)


@pytest.mark.parametrize("name", config.__all__)
def test_names_of_config(name: str) -> None:
    """Every class and function of the room of files has a docstring, with its methods, and says what users import."""
    thing = getattr(config, name)
    if not isinstance(thing, type | types.FunctionType):
        return
    assert thing.__module__ == "mainspring.config"
    assert thing.__doc__
    for member, value in vars(thing).items() if isinstance(thing, type) else ():
        if not member.startswith("_") and isinstance(value, types.FunctionType | property | classmethod):
            assert inspect.getdoc(getattr(thing, member)), member


def test_functions_of_tags() -> None:
    """For each tag that comes along there is a function in `tags`, with a docstring, and for each function a tag."""
    room = importlib.import_module("mainspring.config._tags")
    # Not those that examples in docstrings make, which say that they are from there.
    ours = {name for name, tag in room.REGISTRY.items() if tag.function.__code__.co_filename == room.__file__}
    made = {
        name.rstrip("_"): thing
        for name, thing in vars(config.tags).items()
        if isinstance(thing, types.FunctionType) and thing.__module__ == config.tags.__name__ and name[0] != "_"
    }
    assert made.keys() - {"make"} == ours
    assert all(thing.__doc__ for thing in made.values())


@pytest.mark.parametrize(
    "value",
    [config.Limits(), config.Origin("file"), config.text("a: 1", "yaml")],
    ids=lambda value: type(value).__name__,
)
def test_values_of_config_can_be_copied(value: Any) -> None:
    """Everything in the room of files that is a value can be copied and pickled, and the copy is equal."""
    assert copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value
