"""Process 1, as in a container: a real one, in a name space of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from command_line import PATIENCE, Process, Start

APP = """\
import os, subprocess, sys, threading, time
from mainspring import Component, System
from mainspring.runner import run

def state(pid):
    return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]

def others():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()} - {1, os.getpid()}

def leaves_orphans():
    for number in range(5):
        subprocess.run(["sh", "-c", "(sleep 0.02; exit 3) & exit 0"], check=True)
    codes = [subprocess.run(["sh", "-c", f"exit {number}"]).returncode for number in range(5)]
    print("the children ended with", codes)
    end = time.monotonic() + 10
    while (left := others()) and time.monotonic() < end:
        pass
    print("left are", sorted(left))

def hangs(_):
    print("hangs")
    threading.Event().wait()

def looks():
    print("has the terminal", os.tcgetpgrp(0) == os.getpgrp() == os.getpid())

def crashes():
    os._exit(9)

def kills():
    os.kill(os.getpid(), 9)

orphans = System({"a": {"b": Component(leaves_orphans)}})
hanging = System({"a": {"b": Component(dict, stop=hangs)}})
looking = System({"a": {"b": Component(looks, stop=hangs)}})
crashing = System({"a": {"b": Component(crashes)}})
killed = System({"a": {"b": Component(kills)}})

if __name__ == "__main__":
    read, write = os.pipe()
    if "threads" in sys.argv:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("begins as", os.getpid())
    status = run(System({"a": {"b": Component(lambda: print("runs as", os.getpid()))}}))
    os.close(write)
    print("read", os.read(read, 1))
    sys.exit(status)
"""
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc")


def refused() -> str:
    """Why there can be no name space of our own here; empty if there can."""
    try:
        done = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        return "there is no unshare here"
    return f"unshare is not permitted here: {done.stderr.strip()}" if done.returncode else ""


REFUSED = refused()
pytestmark = pytest.mark.skipif(bool(REFUSED), reason=REFUSED or "it can be had")
StartAs1 = Callable[..., "First"]


class First:
    """A process that is number 1 where it lives."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def send(self, number: int) -> None:
        """Send a signal to process 1."""
        end = time.monotonic() + PATIENCE
        children: list[psutil.Process] = []
        while not children and time.monotonic() < end:
            children = psutil.Process(self.process.popen.pid).children()
        os.kill(children[0].pid, number)

    def end(self, number: int | None = None) -> int:
        """Send a signal, if any, and wait for the exit status."""
        if number is not None:
            self.send(number)
        return self.process.end()


@pytest.fixture
def start_as_1(start: Start, tmp_path: Path) -> StartAs1:
    """A function that runs a Python program as process 1."""
    (tmp_path / "app.py").write_text(APP)
    wrapper = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"

    def begin(*arguments: str, terminal: bool = False) -> First:
        return First(start("-c", wrapper, *UNSHARE, sys.executable, *arguments, terminal=terminal))

    return begin


RUN = ("-m", "mainspring", "run")


def test_orphans_leave_no_zombies_and_children_keep_their_status(start_as_1: StartAs1) -> None:
    """Processes that lost their parents vanish when they end; those who wait for their own children get their statuses."""
    first = start_as_1(*RUN, "app:orphans")
    first.process.see("the children ended with [0, 1, 2, 3, 4]")
    first.process.see("left are []")
    first.process.see("All up")
    assert first.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_application(start_as_1: StartAs1, number: int) -> None:
    """A signal to process 1 stops everything in order; a second one ends it at once, with its status."""
    first = start_as_1(*RUN, "app:hanging")
    first.process.see("All up")
    first.send(number)
    first.process.see("hangs")
    assert first.end(number) == 128 + number


def test_ctrl_c_comes_once(start_as_1: StartAs1) -> None:
    """In a terminal Ctrl-C goes to the application alone, so that it is not taken for two; the second one is the second."""
    first = start_as_1(*RUN, "app:looking", terminal=True)
    first.process.see("has the terminal True")
    first.process.see("Ctrl-C stops.")
    first.process.press(b"\x03")
    first.process.see("hangs")
    first.process.press(b"\x03")
    assert first.end() == 130
    assert "Ctrl-C again: ending at once." in first.process.text


def test_sighup_restarts_as_process_1(start_as_1: StartAs1) -> None:
    """It is passed on like all others."""
    first = start_as_1(*RUN, "app:orphans")
    first.process.see("All up")
    first.send(signal.SIGHUP)
    first.process.see("All up")
    assert first.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(("name", "status"), [("crashing", 9), ("killed", 128 + 9)])
def test_an_application_that_is_gone_ends_process_1(start_as_1: StartAs1, name: str, status: int) -> None:
    """The container ends with the status of the application, or with 128 and the number of the signal that killed it."""
    assert start_as_1(*RUN, f"app:{name}").end() == status


def test_a_program_of_ones_own_can_be_process_1(start_as_1: StartAs1) -> None:
    """It is split in two by run(); what was open before is open in the application only."""
    first = start_as_1("app.py")
    assert "begins as 1" in first.process.see("All up")
    assert "runs as 1" not in first.process.text
    assert first.end(signal.SIGTERM) == 0
    assert "read b''" in first.process.text


def test_a_program_with_threads_stays_process_1_and_is_told_so(start_as_1: StartAs1) -> None:
    """It cannot be split in two any more; it works, and is told what will not."""
    first = start_as_1("app.py", "threads")
    assert "runs as 1" in first.process.see("All up")
    assert "This is process 1, and it has several threads already" in first.process.text
    assert first.end(signal.SIGTERM) == 0
