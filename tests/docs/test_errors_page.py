"""The errors page shows every error that can be raised, by raising it."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from docs_runner import ROOT

from mainspring.config import _edn as edn
from mainspring.config import _yaml as yaml


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


PROGRAMS = [program for first in errors.EXAMPLES.values() for program in errors.each(first)]


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


# --- Errors of files: every message is on the page --------------------------------------------------------------------

CONFIG = ROOT / "src" / "mainspring" / "config"

# What makes a message, and which argument it is.
MAKERS = {"bad_file": 0, "_bad": 0, "wrong": 0, "_wrong_about": 1, "bad": 1, "lost": 1, "problem": 1, "Problem": 1}

# Where a message is only passed on, or put together of parts that come from elsewhere.
PASSED_ON = {
    ("_build.py", "problem.what"),
    ("_build.py", "text if text.endswith('.') else f'{text}.'"),  # what `System` itself refuses
    ("_build.py", "f'{error}.'"),
    ("_evaluate.py", "f'{begin}{what}.'"),
    ("_evaluate.py", "what"),
    ("_evaluate.py", "f'{what}.'"),
    ("_form.py", "what"),
    ("_groups.py", "what"),
    ("_json.py", "what"),
    ("_json.py", "_too_long(match[2])"),
    ("_tags.py", "f'{there} is not {expected}'"),  # of each of the tags that convert
    ("_yaml.py", "what.format(*words)"),  # see `test_what_the_parser_of_yaml_says`
}

# Messages that are not on the page, and why.
NOT_SHOWN = {
    "the keyring cannot be asked": "it depends on the keyring of the machine",
    "which is open since the start": "the brackets of a file always have a place",
    "References lead to references": "what stands for what stands for something else is found before",
    ", and the file ends.": "it is always said which bracket is open",
    "It is nested too deeply, or contains itself": "the limits are met before, as long as they are not raised",
    "Python's own reader of TOML": "the limits are met before, as long as they are not raised",
    "A key is nested too deeply": "the limits are met before, as long as they are not raised",
    "somewhere behind this place": "for errors of the parser that are not known",
}


def parts_of(node: ast.expr, around: ast.AST, seen: tuple[str, ...] = ()) -> list[list[str | None]]:
    """The texts that an expression may give, each as its pieces: `None` for what is known when it is run."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [[piece or None for piece in re.split(r"(\{[^{}]*\})", node.value)]]
    if isinstance(node, ast.JoinedStr):
        found: list[list[str | None]] = [[]]
        for value in node.values:
            inner = parts_of(value.value if isinstance(value, ast.FormattedValue) else value, around, seen)
            found = [[*before, *after] for before in found for after in inner]
        return found
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [[*a, *b] for a in parts_of(node.left, around, seen) for b in parts_of(node.right, around, seen)]
    if isinstance(node, ast.IfExp):
        return [*parts_of(node.body, around, seen), *parts_of(node.orelse, around, seen)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("replace", "format"):
        return parts_of(node.func.value, around, seen)
    if isinstance(node, ast.Name) and node.id not in seen:
        seen = (*seen, node.id)
        return [
            text
            for one in ast.walk(around)
            if isinstance(one, ast.Assign) and any(isinstance(t, ast.Name) and t.id == node.id for t in one.targets)
            for text in parts_of(one.value, around, seen)
        ] or [[None]]
    return [[None]]


def messages() -> Iterator[tuple[str, str, list[str | None]]]:
    """Each message that reading a file may end with: the module, the expression, and its pieces."""
    for path in sorted(CONFIG.glob("*.py")):
        tree = ast.parse(path.read_text())
        inside = {
            id(one): around
            for around in ast.walk(tree)
            if isinstance(around, ast.FunctionDef)
            for one in ast.walk(around)
        }
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in MAKERS and len(call.args) > MAKERS[name]:
                given = call.args[MAKERS[name]]
                for pieces in parts_of(given, inside.get(id(call), tree)):
                    yield path.name, ast.unparse(given), pieces


def pattern_of(pieces: list[str | None]) -> str:
    """A regular expression for a message."""
    whole = "".join("\0" if piece is None or piece.startswith("{") else piece for piece in pieces).strip("\0.: ")
    return r"\s+".join(re.escape(word) for word in whole.split()).replace(re.escape("\0"), ".{1,300}?")


def literal(pieces: list[str | None]) -> str:
    """What of a message is always the same."""
    return "".join(piece for piece in pieces if piece and not piece.startswith("{"))


@pytest.fixture(scope="module")
def shown() -> str:
    """The page without its line breaks."""
    return " ".join(errors.page().split())


def test_every_message_of_files_is_on_the_page(shown: str) -> None:
    """Each message that reading a file may end with stands on the page, or is listed here with the reason why it does not."""
    missing, passed_on, hidden = set(), set(), set()
    for module, expression, pieces in messages():
        always = literal(pieces)
        excuses = {excuse for excuse in NOT_SHOWN if excuse in always}
        if sum(char.isalpha() for char in always) < 7:
            passed_on.add((module, expression))
        elif not re.search(pattern_of(pieces), shown):
            hidden |= excuses
            if not excuses:
                missing.add((module, always))
    assert not missing
    assert passed_on == PASSED_ON
    assert hidden == NOT_SHOWN.keys()


def test_messages_are_found() -> None:
    """The search for messages finds them in every module that has some."""
    modules = [module for module, _, _ in messages()]
    assert len(modules) > 200
    assert {
        "_build.py",
        "_edn.py",
        "_evaluate.py",
        "_json.py",
        "_modules.py",
        "_tags.py",
        "_toml.py",
        "_yaml.py",
    } <= set(modules)


def test_what_the_parser_of_yaml_says(shown: str) -> None:
    """Each thing that is said in place of what the parser of YAML says is on the page."""
    for _, what, _ in yaml._SAYINGS:
        assert re.search(pattern_of(list(re.split(r"(\{\d\})", what))), shown), what


def test_what_belongs_to_clojure(shown: str) -> None:
    """Each thing of Clojure that EDN has not is on the page."""
    for what, hint in (*edn._MARKS.values(), *edn._DISPATCH.values()):
        assert f"{what} belongs to programs in Clojure" in shown
        assert hint in shown


def test_what_tags_expect(shown: str) -> None:
    """Each of the tags that convert is on the page with something that it cannot convert."""
    source = (CONFIG / "_tags.py").read_text()
    names = set(re.findall(r'^_converted\("(\w+)"', source, re.MULTILINE)) - {"str"}  # which takes everything
    assert len(names) > 4
    for name in names:
        assert re.search(rf"\b{name}: !{name}: \S+ is not ", shown), name


@pytest.mark.parametrize("format", ["json", "yaml", "toml", "edn"])
def test_each_reader(format: str) -> None:
    """Of each format, a repeated key and too much depth are on the page, and more that is none of it."""
    inputs = [one for one in errors.each(errors.EXAMPLES["BadFile"]) if one.inputs and f'"{format}"' in one.program]
    said = [str(errors.run(one).shown) for one in inputs]
    assert len(said) > 10
    for what in ("is repeated", "levels deep"):
        assert any(what in text for text in said), what
