"""The errors page shows every error that can be raised, by raising it."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType
from typing import Any

import pytest
from docs_runner import ROOT


def load() -> ModuleType:
    """docs/errors.py, which is part of no package."""
    spec = importlib.util.spec_from_file_location("docs_errors", ROOT / "docs" / "errors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_errors"] = module
    spec.loader.exec_module(module)
    return module


errors = load()


PROGRAMS = [program for first in errors.EXAMPLES.values() for program in (first, *first.others)]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_example(program: Any) -> None:
    """Each program on the errors page raises the error that it is about."""
    assert type(errors.run(program).shown).__name__ == program.name


def test_every_error_is_covered() -> None:
    """Every public error has a program, but for the bases and those that nothing raises yet."""
    without = errors.NEVER_RAISED_THEMSELVES | errors.NOT_YET_RAISED
    assert errors.public_errors() == errors.EXAMPLES.keys() | without
    assert not errors.EXAMPLES.keys() & without


@pytest.mark.parametrize("name", sorted(errors.NOT_YET_RAISED))
def test_not_yet_raised(name: str) -> None:
    """An error that the page says is never raised is used nowhere in the package."""
    package = ROOT / "src" / "mainspring"
    users = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(rf"\b{name}\b", path.read_text())
    ]
    assert sorted(users) == ["__init__.py", "errors.py"]


def test_an_example_that_raises_something_else_is_an_error() -> None:
    """A program that raises another error than it is about does not get onto the page."""
    wrong = errors.EXAMPLES["BadId"]._replace(name="CycleError")
    with pytest.raises(LookupError, match="gave BadId"):
        errors.run(wrong)


def test_the_page_is_the_same_everywhere() -> None:
    """The page names no file, address or time of the machine on which it was made."""
    page = errors.page()
    assert str(ROOT) not in page
    assert not re.search(r"0x[0-9a-f]{6}|site-packages|/home/|/tmp/|, line \d", page)
    assert page.count("\n### ") == len(errors.EXAMPLES)
    assert page == errors.page()
