"""The errors that a newcomer makes: a plain sentence each, the user's own lines where they matter, none of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import mainspring

APP = """\
from mainspring import Component, System, component

@component
def pool(dsn):
    yield dsn

system = System({"db": {"pool": pool(dsn="x")}})
live = System({}).start()
definition = pool(dsn="x")
groups = {"db": {"pool": definition}}
number = 3
nothing = None

def needs(environ, *, debug): return system
async def later(): return system
def forgets(): System({})
def gives_groups(): return groups
def breaks(): raise ValueError("no DSN in the environment")
def misdefines(): return System({"db": {"pool": pool()}})
def leaves(): raise SystemExit("bye")

class Settings:
    @property
    def system(self): raise RuntimeError("no settings")
settings = Settings()
"""


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> None:
    """A module that has everything but what is asked for."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "parts.py").write_text("from app import system\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "inner.py").write_text("")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        # the form
        (
            "app",
            "app does not say which attribute of the module is the system. Write module:attribute, for example app:system",
        ),
        (
            "app:",
            "app: does not say which attribute of the module is the system. Write module:attribute, for example app:system",
        ),
        ("app.py", "app.py names a file. Name the module, as for an import: app:system"),
        (
            "./shop/parts.py:system",
            "./shop/parts.py:system names a file. Name the module, as for an import: shop.parts:system",
        ),
        ("app:sys-tem", "app:sys-tem is not of the form package.module:attribute, for example app.main:system"),
        # the module
        ("ap:system", "There is no module ap. Did you mean app?"),
        ("App:system", "There is no module App. Did you mean app?"),
        ("shop.part:system", "There is no module shop.part. Did you mean shop.parts?"),
        ("shop.other:system", "There is no module shop.other. There is in shop: parts."),
        ("shp.parts:system", "There is no module shp, so no shp.parts. Did you mean shop?"),
        ("inner:system", "There is no module inner here, but there is one in src. Did you mean -C src?"),
        ("app.main:system", "There is no module app.main: app is a module, not a package (app.py)."),
        # the attribute
        ("app:sytem", "The module app (app.py) has no attribute sytem. Did you mean system?"),
        ("app:shop", "The module app (app.py) has no attribute shop. It has 1 system: system."),
        ("shop:system", "The module shop (shop/__init__.py) has no attribute system. Nothing in it is a system."),
        ("shop:parts", "The module shop (shop/__init__.py) is a package. Did you mean shop.parts:system?"),
        ("app:settings.sytem", "app:settings has no attribute sytem. Did you mean system?"),
        # what it is instead
        (
            "app:pool",
            "app:pool is not a system. It is a component function. Called, it gives a definition, which has its place in a "
            'system: System({"group": {"pool": pool(...)}}).',
        ),
        (
            "app:definition",
            "app:definition is not a system. It is the definition of one component. Give it a name in a system: "
            'System({"group": {"name": ...}}).',
        ),
        (
            "app:live",
            "app:live is not a system. It is a live system, which was started already. "
            "Name the system that it was started from.",
        ),
        (
            "app:System",
            "app:System is not a system. It is a class. A system is an object of it: system = System({...}).",
        ),
        ("app:Settings", "app:Settings is not a system. It is a class."),
        ("app:groups", "app:groups is not a system. It is a dict. Make a system of it: System(...)."),
        ("app:number", "app:number is not a system. It is an int."),
        ("app:nothing", "app:nothing is not a system. It is None."),
        ("app:settings", "app:settings is not a system. It is a Settings."),
        # a function
        (
            "app:needs",
            "app:needs needs arguments: environ, debug. "
            "A function that returns a system is called without any: give them defaults.",
        ),
        (
            "app:later",
            "app:later is not a system. It is an async function. "
            "A function that returns a system must be a plain one: defining starts nothing.",
        ),
        ("app:forgets", "app:forgets was called and returned None. Is there a return missing at the end of forgets?"),
        (
            "app:gives_groups",
            "app:gives_groups was called and returned no system. It is a dict. Make a system of it: System(...).",
        ),
        ("app:leaves", "app:leaves ended the interpreter: sys.exit('bye')."),
    ],
)
@pytest.mark.parametrize("command", ["run"])
def test_a_sentence_says_what_is_wrong(tmp_path: Path, command: str, target: str, sentence: str) -> None:
    """It is all that is said, on standard error; the status is 2."""
    done = mainspring(tmp_path, command, target)
    assert (done.status, done.out, done.err) == (2, "", sentence + "\n")


def test_a_module_that_is_nowhere(tmp_path: Path) -> None:
    """Where nothing is near, it is said where was looked."""
    done = mainspring(tmp_path, "check", "elsewhere:system")
    assert done.status == 2
    assert done.err == (
        "There is no module elsewhere in the current directory or on Python's path. "
        f"The current directory is {tmp_path}.\n"
    )


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        (
            "import app\n\ndef connect():\n    return app.missing\n\nconnect()\n",
            [
                '    File "own.py", line 6, in <module>',
                "      connect()",
                '    File "own.py", line 4, in connect',
                "      return app.missing",
                "  AttributeError: module 'app' has no attribute 'missing'",
            ],
        ),
        (
            "import psycopg_that_is_not_installed\n",
            [
                '    File "own.py", line 1, in <module>',
                "      import psycopg_that_is_not_installed",
                "  ModuleNotFoundError: No module named 'psycopg_that_is_not_installed'",
            ],
        ),
        (
            "import shop.nothing\n",
            [
                '    File "own.py", line 1, in <module>',
                "      import shop.nothing",
                "  ModuleNotFoundError: No module named 'shop.nothing'",
            ],
        ),
    ],
)
def test_an_error_inside_the_module_shows_the_users_lines(tmp_path: Path, module: str, shown: list[str]) -> None:
    """A traceback of the user's frames, without importlib's and ours."""
    (tmp_path / "own.py").write_text(module)
    done = mainspring(tmp_path, "check", "own:system")
    assert done.status == 2
    assert [line for line in done.err.splitlines() if line.strip("~^ ") or not line] == [
        "The module own cannot be imported.",
        "",
        "  Traceback (most recent call last):",
        *shown,
    ]


def test_a_syntax_error_shows_its_line(tmp_path: Path) -> None:
    """The line and the place in it, and no frame at all."""
    (tmp_path / "own.py").write_text("system = System({\n")
    done = mainspring(tmp_path, "check", "own:system")
    assert done.status == 2
    assert done.err.splitlines()[:5] == [
        "The module own cannot be imported.",
        "",
        '    File "own.py", line 1',
        "      system = System({",
        "                      ^",
    ]
    assert "Traceback" not in done.err


def test_a_module_that_ends_the_interpreter(tmp_path: Path) -> None:
    """A script that calls sys.exit when it is imported is told apart from a module."""
    (tmp_path / "own.py").write_text("import sys\nsys.exit(3)\n")
    done = mainspring(tmp_path, "check", "own:system")
    assert (done.status, done.err) == (
        2,
        "The module own ends the interpreter while it is imported: sys.exit(3).\n",
    )


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_function_that_raises_shows_the_users_lines(tmp_path: Path, command: str) -> None:
    """And so does an attribute that does when it is looked up."""
    line = next(n for n, text in enumerate(APP.splitlines(), 1) if "def breaks" in text)
    done = mainspring(tmp_path, command, "app:breaks")
    assert done.status == 2
    assert done.err.startswith("app:breaks was called and raised.\n\n  Traceback (most recent call last):\n")
    assert f'    File "app.py", line {line}, in breaks' in done.err
    assert done.err.count("File ") == 1
    assert done.err.endswith("  ValueError: no DSN in the environment\n")
    done = mainspring(tmp_path, command, "app:settings.system")
    assert done.status == 2
    assert done.err.startswith("app:settings.system cannot be looked up.\n\n")
    assert done.err.endswith("  RuntimeError: no settings\n")


def test_a_wrong_definition_is_shown_with_its_place(tmp_path: Path) -> None:
    """Arguments that a component does not take need no traceback: the error knows where it is."""
    line = next(n for n, text in enumerate(APP.splitlines(), 1) if "def misdefines" in text)
    done = mainspring(tmp_path, "run", "app:misdefines")
    assert done.status == 2
    assert done.err == (
        f"pool(...) is called without dsn, which it needs.\n   at: app.py:{line}\n   do: It takes pool(dsn).\n"
    )
