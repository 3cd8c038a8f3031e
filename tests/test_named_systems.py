"""Named systems: registered by a decorator or listed in pyproject.toml, in Python and on the command line."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "cli"))

from command_line import PATIENCE, Process, mainspring

from mainspring import (
    BadArguments,
    BadComponent,
    BadId,
    Component,
    DefinitionError,
    MainspringError,
    Site,
    System,
    UnknownSystem,
    component,
    named_system,
    named_systems,
    run,
    subsystem,
)
from mainspring._named import isolated

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """A function that writes a file into an empty current directory; nothing is registered, and no trace is left."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
        importlib.invalidate_caches()
        return file

    with isolated():
        yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


SHOP = """\
    from mainspring import Component, System, named_system

    system = System({"env": {"port": 8080}}, name="shop")

    @named_system
    def dev():
        '''The shop, on one machine.

        With everything that it needs.
        '''
        return system
"""
TABLE = """\
    [project]
    name = "shop"

    [tool.mainspring]
    modules = ["shop"]

    [tool.mainspring.systems]
    prod = "shop:system"
    test = { target = "shop:system", doc = "With a database of its own." }
"""


def message(name: str) -> str:
    """What is said where a name cannot be had."""
    with pytest.raises(MainspringError) as caught:
        System.named(name)
    return str(caught.value)


# --- Registered by the decorator --------------------------------------------------------------------------------------


def test_a_function_gives_its_own_name_to_its_system(write: Write) -> None:
    """Or the name that is given to the decorator."""

    @named_system
    def dev() -> System:
        return System({"env": {"port": 1}})

    @named_system("load-test.2")
    def made() -> System:
        return System({"env": {"port": 2}})

    assert System.named("dev")["env.port"] == 1
    assert System.named("load-test.2")["env.port"] == 2
    with pytest.raises(UnknownSystem):
        System.named("made")


def test_the_function_stays_as_it_is(write: Write) -> None:
    """It can be called, and named by its place."""

    def plain() -> System:
        return System({})

    assert named_system(plain) is plain
    assert named_system("other")(plain) is plain


def test_the_function_is_called_each_time(write: Write) -> None:
    """A system that depends on the environment is as the environment is now."""
    calls: list[int] = []

    @named_system
    def dev(first: int = 1, *more: int, **others: int) -> System:
        calls.append(first)
        return System({"env": {"call": len(calls)}})

    assert calls == []
    assert [System.named("dev")["env.call"], System.named("dev")["env.call"]] == [1, 2]


def test_one_system_is_made_of_another_by_its_name(write: Write) -> None:
    """A function may ask for a system by its name."""

    @named_system
    def base() -> System:
        return System({"env": {"port": 8080, "debug": False}})

    @named_system
    def dev() -> System:
        return System.named("base").override({"env.debug": True})

    assert System.named("dev")["env.debug"] is True


def test_a_function_that_asks_for_an_unknown_name(write: Write) -> None:
    """The error is about that name, and says nothing of the one that was asked for."""
    write("pyproject.toml", "[tool.mainspring]\nsystems.prod = 'shop:prod'\n")
    write("shop.py", "from mainspring import System\ndef prod(): return System.named('bsae')\n")
    named_system("base")(lambda: System({}))
    named_system("dev")(lambda: System.named("bsae"))
    for name in ("prod", "dev"):
        assert message(name).startswith("There is no system named bsae. Did you mean base?")


def test_functions_that_ask_for_each_other(write: Write) -> None:
    """There is no end to it, and Python's own error of that is the cause."""
    write("pyproject.toml", "[tool.mainspring]\nsystems.prod = 'shop:prod'\n")
    write("shop.py", "from mainspring import System\ndef prod(): return System.named('dev')\n")
    named_system("dev")(lambda: System.named("prod"))
    with pytest.raises(UnknownSystem, match="was called and raised") as caught:
        System.named("dev")
    assert isinstance(caught.value.__cause__, RecursionError)
    assert len(str(caught.value)) < 200


def test_a_name_that_two_functions_have_is_an_error_with_both_places(write: Write) -> None:
    """It is raised where the second one stands."""
    write("shop.py", SHOP)
    write("depot.py", "from shop import named_system, system\n\n@named_system\ndef dev():\n    return system\n")
    sys.path.insert(0, os.getcwd())
    importlib.import_module("shop")
    with pytest.raises(DefinitionError) as caught:
        importlib.import_module("depot")
    assert str(caught.value) == (
        "There are two systems named dev: shop:dev (shop.py:5) and depot:dev.\n"
        f"   at: {Path.cwd()}/depot.py:3\n"
        "   do: Give one of them another name."
    )


def test_a_module_that_is_loaded_again_is_no_second_one(write: Write) -> None:
    """The newer function counts."""
    file = write("shop.py", SHOP)
    sys.path.insert(0, os.getcwd())
    module = importlib.import_module("shop")
    file.write_text(dedent(SHOP).replace("return system", "return System({'env': {'port': 'changed'}})"))
    importlib.reload(module)
    assert System.named("dev")["env.port"] == "changed"


def test_a_module_that_is_run_and_imported_is_no_second_one(write: Write) -> None:
    """With `python -m` it is there twice, once as `__main__`."""
    write("shop.py", SHOP)
    sys.path.insert(0, os.getcwd())
    runpy.run_module("shop", run_name="__main__")
    importlib.import_module("shop")
    assert [(entry.name, entry.target) for entry in named_systems()] == [("dev", "shop:dev")]


@component
def pool() -> Iterator[int]:
    """A component function."""
    yield 1


async def later() -> System:
    """An async function."""
    return System({})


def picky(environ: str, *, debug: bool) -> System:
    """A function that has to be given something."""
    return System({})


@pytest.mark.parametrize(
    ("thing", "what", "why"),
    [
        (picky, "picky", "It needs arguments: environ, debug. A function that returns a system is called without any"),
        (later, "later", "It is an async function."),
        (pool, "pool", "It is a component function."),
        (System, "System", "It is a class. A system is an object of it"),
        (System({}), "<System: empty>", "It is a system itself, which may be listed in pyproject.toml as it is."),
        (3, "3", "It is an int."),
        (lambda: System({}), "<lambda>", "It has no name of its own that could be used: named_system("),
    ],
)
def test_what_cannot_return_a_system_is_refused(write: Write, thing: Any, what: str, why: str) -> None:
    """Where the decorator stands, not when the name is used."""
    with pytest.raises(BadArguments) as caught:
        named_system(thing)
    (problem,) = caught.value.problems
    begin = f"named_system is for functions that return a system: {what} cannot be registered. {why}"
    assert problem.what.startswith(begin)
    assert problem.hint == "Write a function without required arguments that returns the system."
    assert problem.site is not None
    assert problem.site.file == __file__
    assert named_systems() == []


@pytest.mark.parametrize("name", ["", "my system", "app:dev", "-x", ".", "a/b"])
def test_a_name_that_could_be_something_else_is_refused(write: Write, name: str) -> None:
    """A name can be told from a target, from an option and from a file."""
    with pytest.raises(BadId, match="cannot be the name of a system"):
        named_system(name)


# --- Listed in pyproject.toml -----------------------------------------------------------------------------------------


def test_a_name_is_listed_with_a_target(write: Write) -> None:
    """Or with a table that has a target, and says what the system is for."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    assert System.named("prod")["env.port"] == 8080
    assert System.named("test")["env.port"] == 8080


def test_modules_are_imported_to_find_what_they_register(write: Write) -> None:
    """So a name that is registered somewhere is found without an import of one's own."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    assert System.named("dev")["env.port"] == 8080


def test_the_nearest_table_counts(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the current directory upwards; a pyproject.toml without the table is passed over, whatever is in it."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    write("a/pyproject.toml", "[project]\ndependencies = ['mainspring']\n")
    write("a/b/pyproject.toml", "nothing { that could be read\n")
    inner = write("a/b/c/empty", "").parent
    monkeypatch.chdir(inner)
    assert System.named("prod")["env.port"] == 8080

    write("a/b/c/pyproject.toml", "[tool.mainspring]\nsystems.other = 'shop:system'")
    assert System.named("other")["env.port"] == 8080
    with pytest.raises(UnknownSystem):
        System.named("prod")


def test_the_directory_of_the_table_counts_like_the_current_one(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules are found from below, also those that are imported as late as in a start."""
    write("pyproject.toml", TABLE)
    write("late.py", "answer = 42\n")
    write(
        "shop.py",
        """\
        from mainspring import Component, System
        def start():
            from late import answer
            return answer
        system = System({"app": {"lazy": Component(start)}})
        """,
    )
    monkeypatch.chdir(write("a/b/empty", "").parent)
    with System.named("prod").started() as live:
        assert live["app.lazy"] == 42


def test_a_module_is_looked_for_where_the_table_is(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what is said where it is not there, with what is near in that directory."""
    write("pyproject.toml", "[tool.mainspring]\nsystems = { dev = 'elsewhere:system', test = 'shp:system' }\n")
    write("shop.py", SHOP)
    above = Path.cwd()
    monkeypatch.chdir(write("a/shape.py", "").parent)
    assert message("dev") == (
        f"dev stands for elsewhere:system ({above}/pyproject.toml). "
        f"There is no module elsewhere in {above} or on Python's path."
    )
    assert message("test").endswith("There is no module shp. Did you mean shop?")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("shp:system", "There is no module shp. Did you mean shop?"),
        ("shop:sytem", "The module shop (shop.py) has no attribute sytem. Did you mean system?"),
        ("shop:number", "shop:number is not a system. It is an int."),
        ("shop:nothing", "shop:nothing was called and returned None. Is there a return missing at the end of nothing?"),
        ("shop", "shop does not say which attribute of the module is the system. Write module:attribute, for example"),
        ("src/shop.py:system", "src/shop.py:system names a file. Name the module, as for an import: src.shop:system"),
        (
            "inside:system",
            "There is no module inside in the current directory or on Python's path. "
            "There is one in src, which is not on Python's path.",
        ),
        ("elsewhere:system", "There is no module elsewhere in the current directory or on Python's path."),
    ],
)
def test_what_is_wrong_with_a_target_is_said_with_the_name(write: Write, target: str, sentence: str) -> None:
    """And with the file in which it is listed."""
    write("pyproject.toml", f"[tool.mainspring]\nsystems.dev = '{target}'\n")
    write("shop.py", SHOP.replace("def dev", "def other") + "\n    number = 3\n    def nothing(): pass\n")
    write("src/inside.py", "")
    assert message("dev").startswith(f"dev stands for {target} (pyproject.toml). {sentence}")


def test_what_a_module_or_a_function_raises_is_the_cause(write: Write) -> None:
    """So that the whole traceback is there for those who ask for it."""
    write("pyproject.toml", "[tool.mainspring]\nsystems = { dev = 'broken:system', test = 'shop:fails' }\n")
    write("broken.py", "1 / 0\n")
    write("shop.py", "def fails(): raise KeyError('DSN')\n")
    for name, sentence, cause in (
        ("dev", "The module broken cannot be imported.", ZeroDivisionError),
        ("test", "shop:fails was called and raised.", KeyError),
    ):
        with pytest.raises(UnknownSystem) as caught:
            System.named(name)
        assert str(caught.value).endswith(f"(pyproject.toml). {sentence}")
        assert type(caught.value.__cause__) is cause


def test_a_wrong_definition_is_an_error_of_the_definition(write: Write) -> None:
    """It comes out as it is, from a module and from a function."""
    write("shop.py", "from mainspring import System\ndef wrong(): return System({'a b.': 3})\nwrong()\n")
    write("pyproject.toml", "[tool.mainspring]\nsystems.dev = 'shop:wrong'\n")
    with pytest.raises(DefinitionError):
        System.named("dev")


# --- What can be wrong with the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "line", "sentence", "hint"),
    [
        ("[tool]\nmainspring = 3", 2, "[tool.mainspring] is 3, not a table", ""),
        ("[tool.mainspring]\nmodlues = []", 2, "[tool.mainspring] has a key modlues, which means nothing", "modules?"),
        ("[tool.mainspring]\nmodules = 'a'", 2, "modules is 'a', not a list of names of modules", ""),
        ("[tool.mainspring]\nmodules = [1]", 2, "modules is [1], not a list of names of modules", ""),
        ("[tool.mainspring]\n\nmodules = ['a.py:x']", 3, "'a.py:x' in modules cannot be the name of a module", ""),
        ("[tool.mainspring]\nsystems = ['a:b']", 2, "systems is ['a:b'], not a table", ""),
        ("[tool.mainspring.systems]\n\ndev = 3", 3, "the system dev is 3, not a target", 'dev = "app.main:system"'),
        ("[tool.mainspring.systems]\ndev = { }", 2, "the system dev has no target", 'dev = "app.main:system"'),
        ("[tool.mainspring.systems]\ndev.target = 1", 2, "the target of dev is 1, not a text", "app.main:system"),
        (
            "[tool.mainspring.systems.dev]\ntarget = 'a:b'\ndocs = ''",
            3,
            "the system dev has a key docs, which means nothing",
            "doc?",
        ),
        ("[tool.mainspring.systems]\ndev = { target = 'a:b', doc = 1 }", 2, "the doc of dev is 1, not a text", ""),
        ("[tool.mainspring.systems]\n'a:b' = 'c:d'", 2, "'a:b' cannot be the name of a system", "A name is made of"),
    ],
)
def test_a_wrong_table_is_an_error_with_its_place(
    write: Write, table: str, line: int, sentence: str, hint: str
) -> None:
    """It says the file, the line, what is wrong, and what may have been meant."""
    file = write("pyproject.toml", table + "\n")
    with pytest.raises(DefinitionError) as caught:
        System.named("dev")
    (problem,) = caught.value.problems
    assert problem.what == f"pyproject.toml: {sentence}."
    assert problem.site == Site(str(file), line)
    assert hint in problem.hint
    with pytest.raises(DefinitionError):
        named_systems()


def test_all_that_is_wrong_with_a_table_is_said_at_once(write: Write) -> None:
    """As with every definition."""
    write("pyproject.toml", "[tool.mainspring]\nmodlues = []\nsystems = { dev = 3, test = 4 }\n")
    assert message("dev").startswith("3 problems in the definition:\n")


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        (b"[tool.mainspring]\n\nmodules = [\n'a'\n[b]\n", 5, "unclosed array"),
        (b"[tool.mainspring]\nmodules = ['a\n", 2, ""),
        (b"[tool.mainspring]\n\nmodules = ['\xff']\n", 3, "it is not UTF-8"),
        (b"[tool.mainspring]\nmodules = [\n", 2, ""),
    ],
)
def test_a_file_that_is_no_toml_is_an_error_with_its_line(write: Write, text: bytes, line: int, sentence: str) -> None:
    """It is never passed over in silence, for what is asked for may stand in it."""
    file = write("pyproject.toml", "")
    file.write_bytes(text)
    with pytest.raises(DefinitionError) as caught:
        System.named("dev")
    (problem,) = caught.value.problems
    assert problem.what.startswith(f"pyproject.toml cannot be read: {sentence}")
    assert problem.site == Site(str(file), line)


# --- Registered and listed --------------------------------------------------------------------------------------------


def test_what_is_registered_may_be_listed_too(write: Write) -> None:
    """If it is the same function, under whatever name it was imported."""
    write("pyproject.toml", "[tool.mainspring]\nmodules = ['shop']\nsystems.dev = 'again:dev'\n")
    write("shop.py", SHOP)
    write("again.py", "from shop import dev\n")
    assert System.named("dev")["env.port"] == 8080
    assert [entry.target for entry in named_systems()] == ["again:dev"]


def test_registered_as_one_and_listed_as_another_is_an_error(write: Write) -> None:
    """It names both, and is an error even of the name that is listed."""
    file = write("pyproject.toml", "[tool.mainspring]\nmodules = ['shop']\nsystems.dev = 'shop:system'\n")
    write("shop.py", SHOP)
    with pytest.raises(DefinitionError) as caught:
        System.named("dev")
    assert str(caught.value) == (
        "There are two systems named dev: shop:dev and shop:system, which is listed in [tool.mainspring].\n"
        f"   at: {Path.cwd()}/shop.py:5\n"
        f"   do: Take it out of {file.name}, or give one of them another name."
    )
    (entry,) = named_systems()
    assert str(entry.error) == str(caught.value)


def test_a_name_that_two_listed_modules_register_is_an_error_of_that_name(write: Write) -> None:
    """The first one does not win; other names are not concerned."""
    write("pyproject.toml", "[tool.mainspring]\nmodules = ['shop', 'depot']\nsystems.prod = 'shop:system'\n")
    write("shop.py", SHOP)
    write("depot.py", SHOP)
    assert message("dev").startswith("There are two systems named dev: shop:dev (shop.py:5) and depot:dev.")
    assert System.named("prod")["env.port"] == 8080


def test_a_module_that_cannot_be_imported_does_not_keep_others_from_being_found(write: Write) -> None:
    """In production the libraries of the tests may be missing. What is not found may be in it, though, and that is said."""
    write("pyproject.toml", "[tool.mainspring]\nmodules = ['testing', 'shop']\nsystems.prod = 'shop:system'\n")
    write("shop.py", SHOP)
    write("testing.py", "import a_library_that_is_not_there\n")
    assert System.named("dev") == System.named("prod")
    with pytest.raises(UnknownSystem) as caught:
        System.named("test")
    assert str(caught.value).endswith(" It may be in testing, which cannot be imported.")
    assert str(caught.value.__cause__) == "The module testing cannot be imported."
    assert isinstance(caught.value.__cause__, UnknownSystem)
    assert isinstance(caught.value.__cause__.__cause__, ModuleNotFoundError)


# --- Unknown names ----------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_an_error_that_lists_what_there_is(write: Write) -> None:
    """With what is near, and where was looked."""
    file = write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    assert message("prd") == (
        "There is no system named prd. Did you mean prod? There is: dev, prod, test. "
        f"It is not in [tool.mainspring] of {file}, and no module that is imported registers it."
    )


def test_an_unknown_name_without_a_table(write: Write) -> None:
    """It is said that none was found, and from where on it was looked for."""
    where = f"no pyproject.toml in {Path.cwd()} or above it has a table [tool.mainspring]."
    target = "A system without a name is given as package.module:attribute."
    assert message("dev") == f"There is no system named dev. None is registered: {where} {target}"
    named_system("production")(lambda: System({}))
    assert message("dev") == f"There is no system named dev. There is: production. None is listed: {where}"


def test_a_module_in_the_place_of_a_name(write: Write) -> None:
    """Its attribute was forgotten."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    assert "There is a module of that name; name an attribute of it: shop:system" in message("shop")
    assert message("shop.py") == "shop.py names a file. Name the module, as for an import: shop:system"


# --- Where a name works -----------------------------------------------------------------------------------------------


def test_a_target_works_where_a_name_does(write: Write) -> None:
    """So there is one way to say in a text which system is meant."""
    write("shop.py", SHOP)
    sys.path.insert(0, os.getcwd())
    assert System.named("shop:system") == System.named("shop:dev")


def test_merge_takes_a_name(write: Write) -> None:
    """Of the system that is merged in."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    assert System({"app": {"x": 1}}).merge("prod")["env.port"] == 8080


def test_diff_takes_a_name(write: Write) -> None:
    """Of the system that this one is compared with."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    system = System({"app": {"x": 1}})
    assert list(system.diff("prod")) == list(system.diff(System.named("prod")))
    assert "+ env.port: 8080" in str(system.diff("prod"))


def test_merge_and_diff_know_no_other_name(write: Write) -> None:
    """A name that there is not is an error with what is near."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    for verb in (System({}).merge, System({}).diff):
        with pytest.raises(UnknownSystem, match=r"Did you mean prod\?"):
            verb("prd")


def test_a_subsystem_is_given_the_system_itself(write: Write) -> None:
    """A name in its place is an error that shows how to have the system of that name."""
    with pytest.raises(
        BadComponent,
        match=r"Write subsystem\(System\(\{...\}\), \{...\}\), or subsystem\(System\.named\('prod'\), ...\)",
    ):
        subsystem("prod")  # type: ignore[arg-type]


def test_run_takes_a_name(write: Write) -> None:
    """The function is called in time for the start; a name that cannot be had is a wrong definition, with status 2."""
    said: list[str] = []

    @named_system
    def short() -> System:
        """Ends by itself."""
        return System({"app": {"ends": Component(lambda: signal.raise_signal(signal.SIGTERM))}})

    assert run("short", report=said.append, progress="lines") == 0
    said.clear()
    assert run("shrt", report=said.append, progress="lines") == 2
    assert "\n".join(said).startswith("There is no system named shrt. Did you mean short?")


def test_run_shows_what_kept_a_named_system_from_being_loaded(write: Write) -> None:
    """The user's own lines, as on the command line."""
    said: list[str] = []
    write("pyproject.toml", "[tool.mainspring]\nsystems.dev = 'broken:system'\n")
    write("broken.py", "1 / 0\n")
    assert run("dev", report=said.append, progress="lines") == 2
    text = "\n".join(said)
    assert text.startswith("dev stands for broken:system (pyproject.toml). The module broken cannot be imported.\n\n")
    assert 'File "broken.py", line 1, in <module>' in text
    assert text.endswith("ZeroDivisionError: division by zero")


def test_what_is_registered_in_a_test_leaves_no_trace(write: Write) -> None:
    """In `isolated` nothing is registered at first, and what was there before comes back."""
    named_system("before")(lambda: System({}))
    with isolated():
        assert named_systems() == []
        named_system("inside")(lambda: System({}))
    assert [entry.name for entry in named_systems()] == ["before"]


# --- On the command line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "plan", "graph", "describe"])
@pytest.mark.parametrize("name", ["dev", "prod", "test"])
def test_a_name_works_wherever_a_target_does(write: Write, command: str, name: str) -> None:
    """With all the options, and says the same as with the target."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    by_name = mainspring(Path.cwd(), command, name, "--set", "env.port=1")
    by_target = mainspring(Path.cwd(), command, "shop:system", "--set", "env.port=1")
    assert by_name.status == 0
    assert (by_name.status, by_name.out, by_name.err) == (by_target.status, by_target.out, by_target.err)


def test_a_restart_looks_the_name_up_again(write: Write) -> None:
    """SIGHUP calls the function that the name stands for now."""
    write("pyproject.toml", TABLE.replace('prod = "shop:system"', 'prod = "shop:first"'))
    write(
        "shop.py",
        """\
        from mainspring import System
        def first(): return System({"app": {}}, name="first")
        def second(): return System({"app": {}}, name="second")
        system = first()
        """,
    )
    process = Process(["-m", "mainspring", "run", "prod"], Path.cwd())
    try:
        process.see("Starting first")
        process.see("Ctrl-C stops")
        write("pyproject.toml", TABLE.replace('prod = "shop:system"', 'prod = "shop:second"'))
        process.send(signal.SIGHUP)
        process.see("Starting second")
        process.see("Ctrl-C stops")
        assert process.end(signal.SIGTERM) == 0
    finally:
        process.close()


def test_a_name_is_found_from_below_and_with_a_directory(write: Write) -> None:
    """The directory of the table counts like the current one, wherever the command is run."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    inner = write("a/b/empty", "").parent
    for arguments, folder in ((["check", "dev"], inner), (["check", "dev", "-C", "a/b"], Path.cwd())):
        done = mainspring(folder, *arguments)
        assert (done.status, done.out, done.err) == (0, "0 components and 1 constant are fine.\n", "")


def test_an_unknown_name_on_the_command_line(write: Write) -> None:
    """One paragraph on standard error, and the status 2."""
    file = write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    done = mainspring(Path.cwd(), "run", "tset")
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        "There is no system named tset. Did you mean test? There is: dev, prod, test. "
        f"It is not in [tool.mainspring] of {file}, and no module that is imported registers it.\n"
    )


def test_a_wrong_table_on_the_command_line(write: Write) -> None:
    """The place is there, and no traceback. A target works all the same, because it needs no table."""
    write("pyproject.toml", "[tool.mainspring]\nmodlues = []\n")
    write("shop.py", SHOP)
    for command in (["run", "dev"], ["list"]):
        done = mainspring(Path.cwd(), *command)
        assert (done.status, done.out) == (2, "")
        assert done.err == (
            "pyproject.toml: [tool.mainspring] has a key modlues, which means nothing.\n"
            "   at: pyproject.toml:2\n"
            "   do: Did you mean modules?\n"
        )
    assert mainspring(Path.cwd(), "check", "shop:system").status == 0


def test_list_shows_every_system_that_has_a_name(write: Write) -> None:
    """Where it is, and the first line of what is said of it: in pyproject.toml, or else by the function."""
    write("pyproject.toml", TABLE)
    write("shop.py", SHOP)
    for folder, arguments in ((Path.cwd(), []), (Path.cwd().parent, ["-C", Path.cwd().name])):
        done = mainspring(folder, "list", *arguments)
        assert (done.status, done.err) == (0, "")
        assert done.out == (
            "prod  shop:system\n"
            "test  shop:system  With a database of its own.\n"
            "dev   shop:dev     The shop, on one machine.\n"
        )


def test_list_prints_json(write: Write) -> None:
    """All that is known of each, with the whole of its doc."""
    write("pyproject.toml", TABLE)
    file = write("shop.py", SHOP)
    entries = json.loads(mainspring(Path.cwd(), "list", "--json").out)
    doc = "The shop, on one machine.\n\nWith everything that it needs."
    nothing = {"doc": None, "file": None, "line": None, "error": None}
    assert entries == [
        nothing | {"name": "prod", "target": "shop:system"},
        nothing | {"name": "test", "target": "shop:system", "doc": "With a database of its own."},
        nothing | {"name": "dev", "target": "shop:dev", "doc": doc, "file": str(file), "line": 5},
    ]


def test_list_calls_no_function(write: Write) -> None:
    """What a system needs of its environment is not needed to list it."""
    write("pyproject.toml", "[tool.mainspring]\nsystems.dev = 'shop:dev'\n")
    write("shop.py", "def dev():\n    '''Needs a password.'''\n    raise KeyError('PASSWORD')\n")
    done = mainspring(Path.cwd(), "list")
    assert (done.status, done.out) == (0, "dev  shop:dev  Needs a password.\n")


def test_list_shows_what_cannot_be_had_among_the_others(write: Write) -> None:
    """Why is said on standard error, with the user's own lines, and the status is 2."""
    write(
        "pyproject.toml",
        """\
        [tool.mainspring]
        modules = ["jobs", "shop"]
        [tool.mainspring.systems]
        prod = "shop:system"
        test = { target = "testing:system", doc = "With fakes." }
        old = "shop:groups"
        """,
    )
    write("shop.py", SHOP + "    groups = {}\n")
    write("testing.py", "import a_library_that_is_not_there\n")
    write("jobs.py", "from mainspring import Component\nComponent(dict, config=3)\n")
    done = mainspring(Path.cwd(), "list")
    assert done.status == 2
    assert done.out == (
        "prod  shop:system\n"
        "test  testing:system  cannot be had, see below\n"
        "old   shop:groups     cannot be had, see below\n"
        "dev   shop:dev        The shop, on one machine.\n"
        "?     jobs            cannot be had, see below\n"
    )
    assert [line for line in done.err.splitlines() if line.strip("~^ ") or not line] == [
        "",
        "test: The module testing cannot be imported.",
        "",
        "  Traceback (most recent call last):",
        '    File "testing.py", line 1, in <module>',
        "      import a_library_that_is_not_there",
        "  ModuleNotFoundError: No module named 'a_library_that_is_not_there'",
        "",
        "old: shop:groups is not a system. It is a dict. Make a system of it: System(...).",
        "",
        "?: config is 3, not a mapping.",
        "   at: jobs.py:2",
    ]
    errors = [entry["error"] for entry in json.loads(mainspring(Path.cwd(), "list", "--json").out)]
    assert [error is not None for error in errors] == [False, True, True, False, True]


def test_list_of_nothing_says_how_to_name_a_system(write: Write) -> None:
    """It is no error."""
    done = mainspring(Path.cwd(), "list")
    assert (done.status, done.err) == (0, "")
    assert done.out == "No system has a name. `mainspring list --help` says how to give it one.\n"
    assert "[tool.mainspring.systems]" in mainspring(Path.cwd(), "list", "--help").out
    assert mainspring(Path.cwd(), "list", "--json").out == "[]\n"


def test_naming_systems_costs_nothing_where_nobody_does() -> None:
    """Importing the package loads nothing of it."""
    program = "import sys, mainspring; print('mainspring._named' in sys.modules, 'tomllib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "False False\n"


# --- Files ------------------------------------------------------------------------------------------------------------

FILE = "env: {port: !profile {dev: 1, prod: 2}, host: a}\n"


@pytest.fixture
def with_files(write: Write, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A system in a file, one in a module, and settings; no profile is chosen."""
    monkeypatch.delenv("MAINSPRING_PROFILE", raising=False)
    write("conf/system.yaml", FILE)
    write("conf/local.yaml", "env: {host: b}\n")
    write("shop.py", SHOP)
    return write


def listed(write: Write, entry: str) -> None:
    """List one system, by the name `one`."""
    write("pyproject.toml", f"[tool.mainspring.systems]\none = {entry}\n")


def test_a_file_may_be_listed(with_files: Write) -> None:
    """With a profile, and with settings on top; paths are those from pyproject.toml on."""
    listed(with_files, '{ target = "conf/system.yaml", profile = "dev", settings = ["conf/local.yaml"] }')
    assert System.named("one").groups == {"env": {"port": 1, "host": "b"}}
    os.chdir("conf")
    assert System.named("one").groups == {"env": {"port": 1, "host": "b"}}


def test_settings_may_be_listed_for_a_system_in_python(with_files: Write) -> None:
    """As one file, or as several; the later ones are on top."""
    with_files("a.toml", "[env]\nport = 1\n")
    with_files("b.json", '{"env": {"port": 2}}')
    for settings, port in (('"a.toml"', 1), ('["a.toml", "b.json"]', 2), ('["b.json", "a.toml"]', 1)):
        listed(with_files, f'{{ target = "shop:dev", settings = {settings} }}')
        assert System.named("one")["env.port"] == port
        assert System.named("one").name == "shop"


def test_the_variable_counts_for_more_than_the_profile_that_is_listed(
    with_files: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what --profile sets."""
    listed(with_files, '{ target = "conf/system.yaml", profile = "dev" }')
    monkeypatch.setenv("MAINSPRING_PROFILE", "prod")
    assert System.named("one")["env.port"] == 2


def test_a_file_is_read_each_time(with_files: Write) -> None:
    """What has changed in it counts."""
    listed(with_files, '{ target = "conf/system.yaml", profile = "dev" }')
    assert System.named("one")["env.host"] == "a"
    with_files("conf/system.yaml", FILE.replace("host: a", "host: c"))
    assert System.named("one")["env.host"] == "c"


def test_a_file_is_not_read_to_be_listed(with_files: Write) -> None:
    """A broken one is told where it is used."""
    with_files("conf/system.yaml", "env: [\n")
    listed(with_files, '{ target = "conf/system.yaml", doc = "From a file." }')
    (entry,) = named_systems()
    assert (entry.name, entry.target, entry.doc, entry.error) == ("one", "conf/system.yaml", "From a file.", None)
    with pytest.raises(DefinitionError, match=r"system\.yaml:"):
        System.named("one")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('{ target = "conf/sytsem.yaml" }', "Did you mean system.yaml"),
        ('{ target = "conf/system.yaml", profile = "prdo" }', "Did you mean prod?"),
        ('{ target = "conf/system.yaml", settings = "conf/locl.yaml" }', "Did you mean local.yaml"),
        ('{ target = "shop:system", profile = "dev" }', "profile"),
        ('{ target = "shop:system", settings = [1] }', "settings of one"),
        ('{ target = "shop:system", settings = 3 }', "settings of one"),
        ('{ target = "conf/system.yaml", profile = 3 }', "the profile of one is 3, not a text"),
        ('{ target = "conf/system.yaml", porfile = "dev" }', "Did you mean profile?"),
        ('{ target = "shop:nothing", settings = "conf/local.yaml" }', "has no attribute nothing"),
        ('{ target = "shop", settings = "conf/local.yaml" }', "attribute"),
    ],
)
def test_what_is_wrong_with_a_listed_file_is_told(with_files: Write, entry: str, said: str) -> None:
    """Where it is listed, or where it is read."""
    listed(with_files, entry)
    assert said in message("one")


def test_a_file_is_a_name_by_itself(with_files: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a name is asked for."""
    monkeypatch.setenv("MAINSPRING_PROFILE", "prod")
    assert System.named("conf/system.yaml").groups == {"env": {"port": 2, "host": "a"}}
    assert "Did you mean system.yaml" in message("conf/sytsem.yaml")
