"""The examples in docstrings run, and the reference shows every public name."""

from __future__ import annotations

import doctest
import importlib
import inspect
import io
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import pytest
from docs_runner import ROOT

import mainspring

PUBLIC = {name: getattr(mainspring, name) for name in mainspring.__all__}


def modules() -> Iterator[ModuleType]:
    """Every module of the package."""
    for found in pkgutil.walk_packages(mainspring.__path__, "mainspring."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def examples() -> dict[str, doctest.DocTest]:
    """Every docstring with an example, by where it stands."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found: list[doctest.DocTest] = []
    for name, thing in PUBLIC.items():
        if inspect.isclass(thing) or inspect.isroutine(thing):
            # With what a reader of the reference has: the public names.
            found += finder.find(thing, name, module=False, globs=dict(PUBLIC))
    for module in modules():
        found += finder.find(module, extraglobs=PUBLIC)
    by_place: dict[tuple[str | None, str | None], doctest.DocTest] = {}
    for test in found:
        if test.examples:
            by_place.setdefault((test.filename, test.docstring), test)
    return {test.name: test for test in by_place.values()}


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_docstring(name: str) -> None:
    """The example in a docstring gives what it says."""
    output = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(EXAMPLES[name], out=output.write).failed == 0, output.getvalue()


def test_examples_are_found() -> None:
    """Functions, classes, methods and other rooms are all looked through."""
    assert {"component", "Id", "System.override", "Live.get", "run", "background"} <= EXAMPLES.keys()


def test_reference() -> None:
    """The reference has every public name exactly once, and no other."""
    name = re.compile(r"^\.\. (?:auto\w+|py:data):: (\w+)", re.MULTILINE)
    page, *rooms = (ROOT / "docs" / "reference" / "api.md").read_text().split("currentmodule:: mainspring.")
    assert sorted(name.findall(page)) == sorted(mainspring.__all__)
    for text in rooms:
        room = importlib.import_module(f"mainspring.{text.split()[0]}")
        assert sorted(name.findall(text)) == sorted(room.__all__)
