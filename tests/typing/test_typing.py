"""The types of the public face, as mypy and pyright see them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mainspring

HERE = Path(__file__).parent
SOURCE = Path(mainspring.__file__).parents[1]


def run(*command: str, cwd: Path) -> str:
    """What a checker says, and nothing if all is well."""
    environment = {**os.environ, "NO_COLOR": "1", "MYPYPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=300,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is to be checked: the files beside this one, and one that imports every public name."""
    folder = tmp_path_factory.mktemp("typing")
    for path in HERE.glob("*.py"):
        if not path.name.startswith("test_"):
            shutil.copy(path, folder)
    names = [*mainspring.__all__]
    text = "".join(f"from mainspring import {name}\n" for name in names)
    text += "".join(f"print({name})\n" for name in names)
    (folder / "names.py").write_text(text, encoding="utf-8")
    return sorted(map(str, folder.glob("*.py")))


def test_mypy_sees_the_types(files: list[str], tmp_path: Path) -> None:
    """Strict mypy agrees with every type and every error that the files beside this one say."""
    options = ["--strict", "--warn-unused-ignores", "--python-version", "3.11", "--cache-dir", str(tmp_path / "cache")]
    assert run("mypy", *options, *files, cwd=tmp_path) == ""


def test_pyright_sees_the_types(files: list[str]) -> None:
    """Strict pyright agrees with every type and every error that the files beside this one say."""
    folder = Path(files[0]).parent
    settings = {
        "include": ["."],
        "extraPaths": [str(SOURCE)],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
        "enableTypeIgnoreComments": False,  # those are for mypy
        "reportUnnecessaryTypeIgnoreComment": "error",
        "reportUnusedExpression": "none",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    assert run("pyright", "--pythonpath", sys.executable, "--project", str(folder), cwd=folder) == ""
