"""A folder with a module of systems, and real processes in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from command_line import Process, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a process in the test's folder; none is left at the end of the test."""
    started: list[Process] = []

    def begin(*arguments: str, terminal: bool = False, size: tuple[int, int] | None = None) -> Process:
        process = Process(arguments, tmp_path, terminal=terminal, size=size)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.close()
