"""Who may import whom, read from the source; and what `import mainspring` loads."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import mainspring

PACKAGE = Path(mainspring.__file__).parent

# From the inside out: each may import what stands before it.
LAYERS = (
    "_text", "errors", "_core", "_engine", ("_report", "_describe", "_plugins", "_part"), "live", "system",
    ("_named", "_cache"), "",
)  # fmt: skip

# Rooms and front doors use the public names only, and of other rooms just these.
OUTER: dict[str, tuple[str, ...]] = {
    "wrappers": (),
    "schemas": (),
    "plugins": ("wrappers", "schemas"),
    "runner": (),
    "config": ("schemas",),
    "cli": ("runner", "config"),
    "__main__": ("cli",),
}

# What the pure rooms may use of the standard library: nothing with effects, no clock, no threads, no logging.
PURE = {
    "__future__", "array", "collections", "difflib", "enum", "functools", "heapq", "inspect", "itertools", "math", "sys",
    "types", "typing", "contextlib", "dataclasses", "operator", "re", "fnmatch",
}  # fmt: skip


class Import(NamedTuple):
    """One import that is executed: by which module, of which, and which name of it."""

    by: str
    of: str
    name: str | None
    line: int


def modules() -> dict[str, Path]:
    """The modules of the package by their name below it; the package itself is ""."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def executed(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports below some statements, in functions too, but not those for type checkers only."""
    for statement in body:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from executed(statement.orelse)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        else:
            for field in ("body", "orelse", "finalbody"):
                yield from executed(getattr(statement, field, []))
            for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                yield from executed(part.body)


def imports_of(module: str) -> Iterator[Import]:
    """The imports of one module; what is imported from within the package is named below it."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" and module else module.split(".")[:-1]
    for statement in executed(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield Import(module, alias.name, None, statement.lineno)
            continue
        if statement.level:
            base = package[: len(package) - statement.level + 1]
            of = ".".join(["mainspring", *base, *(statement.module or "").split(".")]).rstrip(".")
        else:
            of = statement.module or ""
        for alias in statement.names:
            below = f"{of}.{alias.name}".removeprefix("mainspring").lstrip(".")
            if of.split(".")[0] == "mainspring" and below in MODULES:
                yield Import(module, f"{of}.{alias.name}", None, statement.lineno)
            else:
                yield Import(module, of, alias.name, statement.lineno)


IMPORTS = [found for module in MODULES for found in imports_of(module)]
OURS = [
    found._replace(of=found.of[len("mainspring") :].lstrip("."))
    for found in IMPORTS
    if found.of.split(".")[0] == "mainspring"
]
OTHERS = [found for found in IMPORTS if found.of.split(".")[0] != "mainspring"]


def top(module: str) -> str:
    """The room or module directly below the package."""
    return module.split(".")[0]


def layer(module: str) -> int | None:
    """Where a module stands in the layers, counted from the inside; `None` for rooms and front doors."""
    for n, rooms in enumerate(LAYERS):
        if top(module) in ((rooms,) if isinstance(rooms, str) else rooms):
            return n
    return None


def test_every_module_has_its_place() -> None:
    """Every module belongs to a layer, or is a room or front door on the list."""
    assert [module for module in MODULES if layer(module) is None and top(module) not in OUTER] == []
    assert len(OURS) > 50


def test_imports_point_inwards() -> None:
    """A module of the inner layers imports its own layer and what stands further in, and nothing else of the package."""
    wrong = []
    for found in OURS:
        mine, theirs = layer(found.by), layer(found.of)
        if mine is not None and (theirs is None or theirs > mine):
            wrong.append(f"{found.by or '__init__'}:{found.line} imports {found.of or 'mainspring'}")
    assert wrong == []


def test_rooms_use_public_names_only() -> None:
    """A room imports from the package only names in its `__all__`, `_text`, and other rooms only as the list allows."""
    wrong = []
    for found in OURS:
        room = top(found.by)
        if room not in OUTER or top(found.of) == room:
            continue
        parts = found.of.split(".") if found.of else []
        if not parts:
            allowed = found.name in mainspring.__all__
        else:
            if parts[0] == "_text":  # strings in, strings out: nothing of the inside is in it
                continue
            private = any(part.startswith("_") for part in [*parts, found.name or ""])
            allowed = parts[0] in OUTER[room] and not private
        if not allowed:
            wrong.append(f"{found.by}:{found.line} imports {found.of or 'mainspring'}: {found.name}")
    assert wrong == []


def test_no_module_is_imported_in_a_circle() -> None:
    """No two modules import each other, however far round."""
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in OURS:
        # `from . import x` in a package imports the package first, which is always there by then.
        if found.of in MODULES and found.by != found.of and not found.by.startswith(f"{found.of}." if found.of else ""):
            graph[found.by].add(found.of)
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_pure_rooms_have_no_effects() -> None:
    """The pure rooms import nothing that has effects: no I/O, no clock, no threads, no logging."""
    wrong = [
        f"{found.by}:{found.line} imports {found.of}"
        for found in OTHERS
        if top(found.by) in ("_core", "_text", "errors") and found.of.split(".")[0] not in PURE
    ]
    assert wrong == []


# Who may use what of other packages; all of it is imported when it is used, and an extra.
FOREIGN = {
    "_engine.worlds": {"anyio", "trio"},
    "_engine.background": {"anyio"},
    "runner._tree": {"rich"},
    "plugins": {"pydantic"},
    "schemas": {"pydantic"},
    "config._yaml": {"ruamel"},
    "config._schema": {"pydantic", "pydantic_core"},
    "config._checkers": {"pydantic", "pydantic_core"},
    "config._hints": {"pydantic", "pydantic_core", "typing_extensions"},
    "config._json_schema": {"pydantic", "pydantic_core"},
    "config._tags": {"keyring"},
    "config._sources": {"pydantic", "pydantic_settings", "omegaconf"},
}


def test_nothing_but_the_standard_library() -> None:
    """The whole package imports the standard library only, but for the driver on AnyIO and what draws on a terminal."""
    wrong = [
        f"{found.by}:{found.line} imports {found.of}"
        for found in OTHERS
        if found.of.split(".")[0] not in {*sys.stdlib_module_names, *FOREIGN.get(found.by, ())}
    ]
    assert wrong == []


def test_threads_and_signals_are_for_the_engine() -> None:
    """Threads, signals and logging are known to the engine and the face, not to the layers further in."""
    users = {top(found.by) for found in OTHERS if found.of.split(".")[0] in ("threading", "signal", "queue", "logging")}
    assert users <= {"_engine", "live", "system", "_cache", *OUTER}


# --- What is loaded -----------------------------------------------------------------------------------------------------


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads into a bare interpreter."""
    program = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); before = set(sys.modules); {statement}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What `import mainspring` loads."""
    return loaded_by("import mainspring")


def test_import_loads_the_standard_library_only(loaded: set[str]) -> None:
    """`import mainspring` loads itself and the standard library."""
    foreign = {name for name in loaded if name.split(".")[0] not in {*sys.stdlib_module_names, "mainspring"}}
    assert foreign == set()


@pytest.mark.parametrize(
    "name",
    [
        "asyncio", "ssl", "socket", "logging", "threading", "queue", "signal", "subprocess", "concurrent", "traceback",
        "difflib", "inspect", "dataclasses", "ast", "dis", "tokenize", "json", "argparse", "multiprocessing", "unittest",
        "email", "http", "urllib", "random", "decimal", "datetime", "pathlib", "tempfile",
    ],
)  # fmt: skip
def test_import_loads_nothing_heavy(loaded: set[str], name: str) -> None:
    """`import mainspring` loads nothing that takes long and is needed later, if at all."""
    assert name not in {module.split(".")[0] for module in loaded}


def test_import_loads_no_room_and_no_front_door(loaded: set[str]) -> None:
    """`import mainspring` loads neither rooms nor front doors."""
    assert {name for name in loaded if name.startswith("mainspring.") and name.split(".")[1] in OUTER} == set()


def test_workers_and_background_threads_load_no_asyncio() -> None:
    """What runs on threads only needs neither asyncio nor AnyIO."""
    statement = (
        "from mainspring import Component, Context, System, background; "
        "f = background(lambda ctx=Context.here: ctx.stopping.wait()); "
        "System({'a': {'b': Component(int), 'c': f()}}, workers=2).start().stop()"
    )
    loaded = loaded_by(statement)
    assert "mainspring._engine.conduct" in loaded
    assert {"asyncio", "anyio"}.isdisjoint(loaded)


def test_starting_a_system_loads_no_asyncio() -> None:
    """A system of sync components is started and stopped without asyncio, also with deadlines and observers."""
    statement = (
        "from mainspring import Component, System; "
        "System({'a': {'b': Component(int, status=str, deadlines=60)}}).start(observers=[lambda event: None]).stop()"
    )
    assert "asyncio" not in loaded_by(statement)


@pytest.mark.parametrize("left_out", [("cli", "__main__.py"), ("cli", "__main__.py", "runner")], ids=" and ".join)
def test_rooms_can_be_deleted(tmp_path: Path, left_out: tuple[str, ...]) -> None:
    """Without a front door, or a room, all the rest can be imported and works."""
    shutil.copytree(PACKAGE, tmp_path / "mainspring", ignore=shutil.ignore_patterns("__pycache__", *left_out))
    names = [
        f"mainspring.{module}".rstrip(".")
        for module in MODULES
        if not {top(module), f"{top(module)}.py"} & set(left_out)
    ]
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    program += "".join(f"import {name}\n" for name in names)
    program += "from mainspring import Component, System\n"
    program += "with System({'a': {'b': Component(dict)}}).started() as live: print(live['a.b'])\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("{}\n", "")
