"""What a service manager hears, over a real socket: systemd's protocol."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import PATIENCE, Start

from mainspring import Component, System
from mainspring.runner import run

APP = """\
import asyncio, ctypes, os, pathlib, signal, subprocess, threading
from mainspring import Component, System, background, component

def raises():
    raise ConnectionError("no route to host")

def make():
    if pathlib.Path("trouble").exists():
        raise ValueError("no configuration")
    return good

def stuck(number, frame):
    lock = ctypes.create_string_buffer(128)
    c = ctypes.CDLL(None)
    c.pthread_mutex_init(lock, None)
    c.pthread_mutex_lock(lock)
    print("is stuck")
    c.pthread_mutex_lock(lock)

def can_be_stuck():
    signal.signal(signal.SIGUSR1, stuck)

def shows():
    subprocess.run(["sh", "-c", 'echo "the child has ${NOTIFY_SOCKET:-nothing}, ${WATCHDOG_USEC:-nothing}"'])

async def blocks():
    while not pathlib.Path("block").exists():
        await asyncio.sleep(0.01)
    print("blocks its event loop")
    threading.Event().wait()

@component
async def waits():
    yield
    await asyncio.sleep(0)

async def breaks():
    while not pathlib.Path("break").exists():
        await asyncio.sleep(0.01)
    raise OSError("no disk")

good = System({"a": {"b": Component(dict), "c": Component(dict)}})
failing = System({"a": {"b": Component(dict), "c": Component(raises)}})
sticky = System({"a": {"b": Component(can_be_stuck)}})
blocking = System({"a": {"b": background(blocks)(), "c": waits()}})
keeping = System({"a": {"b": background(breaks, on_crash="keep")(), "c": waits()}})
showing = System({"a": {"b": Component(shows)}})
"""
RUN = ("-m", "mainspring", "run")


class Manager:
    """A service manager: the socket that it listens on, and what it heard."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self.heard: list[list[str]] = []

    def hears(self, line: str) -> list[str]:
        """Wait for a message with such a line; the message."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = self._next(PATIENCE)
            if any(one.startswith(line) for one in message):
                return message
        raise AssertionError(f"no {line} came: {self.heard}")

    def falls_silent(self, seconds: float) -> bool:
        """Whether there comes a time of so many seconds without a message, before patience is over."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                self._next(seconds)
            except TimeoutError:
                return True
        return False

    def rest(self) -> list[list[str]]:
        """All messages, with those that are there and were not waited for."""
        self.falls_silent(0.01)
        return self.heard

    def _next(self, seconds: float) -> list[str]:
        self._socket.settimeout(seconds)
        self.heard.append(self._socket.recv(65536).decode().split("\n"))
        return self.heard[-1]

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A manager whose socket is named in the environment, as a file or in the abstract name space."""
    name = f"@mainspring-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    manager = Manager(name.replace("@", "\0"))
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    yield manager
    manager.close()


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> None:
    """The module of systems."""
    (tmp_path / "app.py").write_text(APP)


def test_ready_comes_when_everything_is_up_and_stopping_when_it_is_to_end(start: Start, manager: Manager) -> None:
    """The manager hears of both, each with a line of status, and how long stopping may take."""
    process = start(*RUN, "app:good", "--grace", "7")
    assert manager.hears("READY=1") == ["READY=1", "STATUS=Running: 2 components up"]
    assert process.end(signal.SIGTERM) == 0
    assert ["STOPPING=1", "STATUS=SIGTERM: stopping", "EXTEND_TIMEOUT_USEC=7000000"] in manager.rest()
    assert not any("WATCHDOG=1" in message for message in manager.heard)


def test_a_failed_start_is_never_ready(start: Start, manager: Manager) -> None:
    """The manager is told why."""
    process = start(*RUN, "app:failing")
    assert process.end() == 1
    assert ["STATUS=The start failed: a.c: ConnectionError: no route to host"] in manager.rest()
    assert not any("READY=1" in message for message in manager.heard)


def test_a_restart_is_a_reload(start: Start, manager: Manager, tmp_path: Path) -> None:
    """It begins with the time of the monotonic clock and ends with another READY, also where it was given up."""
    process = start(*RUN, "app:make")
    manager.hears("READY=1")
    for trouble, status in ((False, "2 components up"), (True, "the restart was given up")):
        if trouble:
            (tmp_path / "trouble").touch()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        process.send(signal.SIGHUP)
        reloading = manager.hears("RELOADING=1")
        (usec,) = [line.partition("=")[2] for line in reloading if line.startswith("MONOTONIC_USEC=")]
        assert before <= int(usec) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert f"STATUS=Running: {status}" in manager.hears("READY=1")
    assert process.end(signal.SIGTERM) == 0


def test_the_watchdog_hears_signs_of_life(start: Start, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go on while nothing happens."""
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    process = start(*RUN, "app:good")
    manager.hears("READY=1")
    for _ in range(5):
        manager.hears("WATCHDOG=1")
    assert process.end(signal.SIGTERM) == 0


def test_a_watchdog_of_another_process_hears_nothing(
    start: Start, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WATCHDOG_PID says whose signs of life are wanted."""
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    process = start(*RUN, "app:good")
    manager.hears("READY=1")
    assert manager.falls_silent(0.2)
    assert process.end(signal.SIGTERM) == 0
    assert not any("WATCHDOG=1" in message for message in manager.heard)


def test_a_process_whose_main_thread_is_stuck_gives_no_sign_of_life(
    start: Start, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other threads still run, and would be glad to give one; the watchdog is to notice all the same."""
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    process = start(*RUN, "app:sticky")
    manager.hears("READY=1")
    manager.hears("WATCHDOG=1")
    process.send(signal.SIGUSR1)
    process.see("is stuck")
    assert manager.falls_silent(0.5)


def test_a_process_whose_event_loop_is_blocked_gives_no_sign_of_life(
    start: Start, manager: Manager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where there are async components, their event loop has to answer as well."""
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    process = start(*RUN, "app:blocking")
    manager.hears("READY=1")
    manager.hears("WATCHDOG=1")
    (tmp_path / "block").touch()
    process.see("blocks its event loop")
    assert manager.falls_silent(0.5)


def test_a_crash_that_was_to_be_kept_is_no_reason_to_fall_silent(
    start: Start, manager: Manager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The application chose to run on, so the watchdog lets it; the status says what happened."""
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    process = start(*RUN, "app:keeping")
    manager.hears("READY=1")
    (tmp_path / "break").touch()
    manager.hears("STATUS=Running; a.b crashed: OSError: no disk")
    for _ in range(5):
        manager.hears("WATCHDOG=1")
    assert process.end(signal.SIGTERM) == 0


def test_children_do_not_hear_of_the_manager(start: Start, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a component starts must not speak for the whole service."""
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    process = start(*RUN, "app:showing")
    process.see("the child has nothing, nothing")
    manager.hears("READY=1")
    assert process.end(signal.SIGTERM) == 0


def test_the_environment_is_put_back(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a run it is as before."""
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    before = dict(os.environ)
    during: list[set[str]] = []

    def ends() -> None:
        during.append(set(os.environ))
        signal.raise_signal(signal.SIGTERM)

    assert run(System({"a": {"b": Component(ends)}}), report=lambda text: None) == 0
    assert "NOTIFY_SOCKET" not in during[0]
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["/nobody/listens", "vsock:2:1234", ""])
def test_a_manager_that_cannot_be_told_changes_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A socket that is not there, or of a kind that we do not know, is passed over."""
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    process = start(*RUN, "app:good")
    process.see("All up")
    assert process.end(signal.SIGTERM) == 0
