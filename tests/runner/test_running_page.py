"""The page on running a system as a service: the files on it fit together, and fit what the runner does."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import PATIENCE, mainspring

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "running.md"


def block(language: str) -> str:
    """The one block of the page in a language."""
    (found,) = re.findall(rf"^```{{code-block}} {language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def grace(words: list[str]) -> float:
    """The grace period that a command gives."""
    return float(words[words.index("--grace") + 1])


@pytest.fixture
def unit() -> configparser.ConfigParser:
    """The unit file."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(block("ini"))
    return parser


def test_systemd_waits_longer_than_the_grace_period(unit: configparser.ConfigParser) -> None:
    """And it is told of the end of the start, because the type says so."""
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert float(service["TimeoutStopSec"]) > grace(shlex.split(service["ExecStart"]))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit_file(unit: configparser.ConfigParser, tmp_path: Path) -> None:
    """It has nothing to say about it, where the program and the user exist."""
    text = block("ini").replace("/srv/visits/.venv/bin/mainspring", sys.executable).replace("User=visits\n", "")
    file = tmp_path / "visits.service"
    file.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, "visits" in done.stdout + done.stderr) == (0, False)


def test_kubernetes_waits_longer_than_the_hook_and_the_grace_period() -> None:
    """Its time counts from the beginning of the hook."""
    text = block("yaml")
    (whole,) = re.findall(r"terminationGracePeriodSeconds: (\d+)", text)
    (hook,) = re.findall(r'\["sleep", "(\d+)"\]', text)
    (args,) = re.findall(r"args: \[(.*)\]", text)
    assert float(whole) > float(hook) + grace(args.replace('"', "").split(", "))


def test_the_image_runs_the_command_as_a_list(tmp_path: Path) -> None:
    """Its options are options of the command line, and others may come after them."""
    (entry,) = re.findall(r"^ENTRYPOINT \[(.*)\]$", block("docker"), re.MULTILINE)
    words = entry.replace('"', "").split(", ")
    assert words[:2] == ["mainspring", "run"]
    done = mainspring(tmp_path, *words[1:], "--grace", "7")
    said = json.loads(done.err)
    assert (done.status, said["what"]) == (2, "failed")
    assert said["text"].startswith("There is no module app ")
