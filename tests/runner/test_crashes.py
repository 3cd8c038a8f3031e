"""Components that break by themselves, that need several attempts, or that are slow, as a process says it."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from command_line import Process, Start

APP = """\
import asyncio, pathlib, threading
from mainspring import Component, Context, Retry, System, background, component, ref

@component
async def part(*needs, stop=None):
    yield object()
    if stop is not None:
        raise stop

def appears(name):
    while not pathlib.Path(name).exists():
        threading.Event().wait(0.01)

async def breaks(*needs):
    while not pathlib.Path("break").exists():
        await asyncio.sleep(0.01)
    raise ConnectionError("the peer is gone")

def breaks_in_a_thread(*needs, ctx=Context.here):
    appears("break")
    raise ConnectionError("the peer is gone")

def make(on_crash, function=breaks, **more):
    return System({
        "db": {"pool": part()},
        "work": {"loop": background(function, on_crash=on_crash)(ref("db.pool"))},
        "web": {"server": part(ref("work.loop"), **more), "other": part()},
    })

stop = make("stop")
stop_thread = make("stop", breaks_in_a_thread)
dependents = make("dependents")
keep = make("keep")
refusing = make("stop", stop=OSError("cannot let go"))
refusing_dependents = make("dependents", stop=OSError("cannot let go"))
alone = System({"work": {"loop": background(breaks, on_crash="dependents")()}})
alone_kept = System({"work": {"loop": background(breaks, on_crash="keep")()}})

def hangs(instance):
    print("hangs")
    threading.Event().wait()

hanging = System({
    "db": {"pool": Component(object, stop=hangs)}, "work": {"loop": background(breaks)(ref("db.pool"))},
})

tries = []

def refused():
    tries.append(1)
    if len(tries) < 3:
        raise ConnectionRefusedError("nobody listens")

retrying = System({"db": {"pool": Component(refused, retry=Retry(5, wait=0))}})

async def lingers():
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.01)

waiting = System({"db": {"pool": part(), "slow": Component(lingers), "slower": Component(lingers)}})
slow = System({"db": {"pool": Component(lingers, deadlines=2), "quick": part()}})
"""
RUN = ("-m", "mainspring", "run")


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> None:
    """The module of systems."""
    (tmp_path / "app.py").write_text(APP)


def broken(start: Start, name: str, *arguments: str) -> Process:
    """A process in which a component crashes when everything is up."""
    process = start(*RUN, f"app:{name}", *arguments)
    process.see("All up")
    (process.folder / "break").touch()
    process.see("work.loop crashed, defined at app.py:")
    return process


def without_times(text: str) -> list[str]:
    """The lines of a text, with every time as T."""
    return [re.sub(r"\d[\d.]* (µs|ms|s)\b", "T", line.rstrip()) for line in text.splitlines()]


@pytest.mark.parametrize("name", ["stop", "stop_thread"])
def test_a_crash_stops_everything_and_ends_with_4(start: Start, name: str) -> None:
    """Which component it was and why is said at once, with the user's own lines only; then everything is stopped in order."""
    process = broken(start, name)
    assert process.end() == 4
    at = process.text.index("  Traceback")
    said = without_times(process.text[at:])
    assert said[0] == "  Traceback (most recent call last):"
    assert 'raise ConnectionError("the peer is gone")' in said[2]
    assert said[3] == "  ConnectionError: the peer is gone"
    assert "Stopping after the crash of work.loop, within T" in said
    assert said[-1] == "All stopped in T."
    order = [said.index(next(line for line in said if line.startswith(f"  {id}"))) for id in ("web.server", "db.pool")]
    assert order == sorted(order)


def test_a_crash_that_stops_dependents_lets_the_rest_run(start: Start) -> None:
    """What needs the component is stopped; the process ends when it is asked to, with 0."""
    process = broken(start, "dependents")
    seen = process.see("web.server  stopped")
    assert "What needs it is stopped. Everything else runs on." in seen
    assert "web.other" not in seen
    assert process.end(signal.SIGTERM) == 0
    assert "web.other   stopped" in process.text


def test_a_crash_that_is_kept_stops_nothing(start: Start) -> None:
    """It is said, and everything else runs on until the process is asked to end."""
    process = broken(start, "keep")
    assert "stopped" not in process.see("Everything else runs on.")
    assert process.end(signal.SIGTERM) == 0


def test_a_crash_after_which_nothing_runs_ends_with_4(start: Start) -> None:
    """There is no use in a process in which nothing runs."""
    assert broken(start, "alone").end() == 4


def test_a_crash_that_is_kept_keeps_the_process(start: Start) -> None:
    """Even where nothing else runs: it was to be kept."""
    process = broken(start, "alone_kept")
    process.see("Everything else runs on.")
    assert process.end(signal.SIGTERM) == 0


def test_a_crash_whose_stop_fails_too_ends_with_4(start: Start) -> None:
    """What failed in stopping is shown; the crash came first."""
    process = broken(start, "refusing")
    assert process.end() == 4
    assert "Stopped in" in process.text
    assert "web.server failed in stop" in process.text
    assert "OSError: cannot let go" in process.text


def test_a_stop_of_dependents_that_failed_is_shown_at_the_end(start: Start) -> None:
    """Nobody had asked for that stop, so there was nobody else to tell."""
    process = broken(start, "refusing_dependents")
    process.see("web.server  failed to stop")
    assert process.end(signal.SIGTERM) == 3
    assert "OSError: cannot let go" in process.text


def test_the_grace_period_counts_for_the_stop_after_a_crash(start: Start) -> None:
    """A stop that hangs then does not hang for ever."""
    process = broken(start, "hanging", "--grace", "0.2")
    assert process.end() == 3
    assert "The grace period of 0.2 s is over." in process.text


def test_a_signal_during_the_stop_after_a_crash_is_the_first(start: Start) -> None:
    """It waits for the stop that goes on, within the same grace period; a second one ends the process."""
    process = broken(start, "hanging")
    process.see("hangs")
    process.send(signal.SIGTERM)
    assert process.end(signal.SIGINT) in (128 + signal.SIGTERM, 128 + signal.SIGINT)  # either may be heard first


def test_a_restart_after_a_crash_starts_everything_again(start: Start) -> None:
    """SIGHUP also brings back what crashed and was kept."""
    process = broken(start, "keep")
    (process.folder / "break").unlink()
    process.send(signal.SIGHUP)
    assert "work.loop   up" in process.see("All up")
    assert process.end(signal.SIGTERM) == 0


def test_attempts_that_failed_are_said(start: Start) -> None:
    """Each with its number and its error; what comes up in the end says at which attempt."""
    process = start(*RUN, "app:retrying")
    seen = process.see("All up")
    for number in (1, 2):
        assert f"  db.pool  attempt {number} failed (ConnectionRefusedError: nobody listens), trying again\n" in seen
    assert re.search(r"db\.pool  up in .*, at attempt 3\n", seen)
    assert process.end(signal.SIGTERM) == 0


def test_a_slow_handler_in_a_task_is_said_with_its_stack(start: Start) -> None:
    """The stack of its task shows where it is, with the user's lines only, and it is spoken of once."""
    process = start(*RUN, "app:slow")
    process.see("db.pool has been starting for")
    seen = process.see("sleep")
    assert "in lingers" in seen
    (process.folder / "go").touch()
    process.see("All up")
    assert process.end(signal.SIGTERM) == 0
    assert process.text.count("It is here:") == 1


def test_async_starts_are_given_up_together(start: Start) -> None:
    """A signal during a start cancels all that is under way, and says that it was given up; what was up is stopped."""
    process = start(*RUN, "app:waiting")
    process.see("db.pool    up")
    assert process.end(signal.SIGTERM) == 0
    for name in ("slow  ", "slower"):
        assert f"  db.{name}  given up after" in process.text
    assert "db.pool    stopped in" in process.text
    assert "The start was given up" in process.text
