"""How it is said what goes on: in lines and in JSON."""

from __future__ import annotations

import json
import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import Start
from command_line import mainspring as command

import mainspring
from mainspring import Component, System, ref
from mainspring.runner import run

APP = """\
import pathlib, threading
from mainspring import Component, System

def waits_for(name):
    print("begins", name)
    while not pathlib.Path(name).exists():
        threading.Event().wait(0.01)

def hangs(instance):
    threading.Event().wait()

slow_stop = System({
    "db": {"pool": Component(object, stop=lambda _: waits_for("gone"))}, "web": {"server": Component(object)},
})
hanging = System({"db": {"pool": Component(object, stop=hangs)}})
"""
RUN = ("-m", "mainspring", "run")
SIZE = (80, 24)


@pytest.fixture(autouse=True)
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module of systems, and a terminal that can draw."""
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.setenv("TERM", "xterm-256color")


def ends() -> Component[None]:
    """A component that asks for a stop while it starts."""
    return Component(lambda: signal.raise_signal(signal.SIGTERM))


# --- lines ------------------------------------------------------------------------------------------------------------


def test_what_is_still_under_way_is_said_from_time_to_time() -> None:
    """What has not come up is named with its time, also where it has been spoken of already, and what is to come is counted."""
    said: list[str] = []
    enough = threading.Event()

    def report(text: str) -> None:
        said.append(text)
        if sum(one.startswith("Still starting") for one in said) == 2:
            enough.set()

    def waits() -> None:
        assert enough.wait(10)

    system = System(
        {
            "a": {
                "x": Component(dict),
                "y": Component(waits),
                "z": Component(dict, config={"y": ref("a.y")}),
                "end": ends(),
            }
        }
    )
    assert run(system, slow=0.02, report=report) == 0
    still = next(text for text in said if text.startswith("Still starting"))
    assert still.startswith("Still starting: a.y for ")
    assert still.endswith("; 2 to come")
    assert sum("It is here:" in text for text in said) == 1


def test_what_is_still_stopping_is_said_with_the_time_that_is_left() -> None:
    """The grace period counts down."""
    said: list[str] = []
    enough = threading.Event()

    def report(text: str) -> None:
        said.append(text)
        if text.startswith("Still stopping"):
            enough.set()

    def waits(instance: object) -> None:
        assert enough.wait(10)

    system = System({"a": {"x": Component(dict, stop=waits), "end": ends()}})
    assert run(system, slow=0.02, report=report, grace=60) == 0
    still = next(text for text in said if text.startswith("Still stopping"))
    assert "s left: a.x for " in still


def test_lines_can_be_asked_for_in_a_terminal(start: Start) -> None:
    """There is no tree then, and nothing that moves the cursor."""
    process = start(*RUN, "app:slow_stop", "--progress", "lines", terminal=True, size=SIZE)
    process.see("db.pool     up in")
    process.see("Ctrl-C stops.")
    assert "\x1b" not in process.text


# --- JSON -------------------------------------------------------------------------------------------------------------


def objects(text: str) -> list[dict[str, Any]]:
    """The objects of a text, one in each line."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_json_says_everything_as_objects(start: Start) -> None:
    """Each line is an object with its time and what it is about; changes of state are complete."""
    process = start(*RUN, "app:slow_stop", "--progress", "json", "--grace", "9")
    process.see('"what": "up"')
    process.send(signal.SIGTERM)
    process.see("begins gone")
    (process.folder / "gone").touch()
    assert process.end() == 0
    found = objects(process.text)
    assert [one["what"] for one in found] == [
        "starting", "change", "change", "change", "change", "up",
        "stopping", "change", "change", "change", "change", "stopped",
    ]  # fmt: skip
    assert all(datetime.fromisoformat(one["time"]).tzinfo for one in found)
    assert found[0]["components"] == 2
    change = found[2]
    assert (change["id"], change["signal"], change["old"], change["new"]) == ("db.pool", "start", "starting", "running")
    assert change["took"] >= 0
    assert (found[6]["why"], found[6]["grace"]) == ("SIGTERM", 9)
    assert found[-1]["well"] is True
    assert all(line.startswith("{") or line == "begins gone" for line in process.text.splitlines())


def test_json_says_errors_and_last_words(start: Start) -> None:
    """What failed has its error, and the last words are an object, too."""
    process = start(*RUN, "app:hanging", "--progress", "json", "--grace", "0.2")
    process.see('"what": "up"')
    assert process.end(signal.SIGTERM) == 3
    last = objects(process.text)[-1]
    assert last["what"] == "ending at once"
    assert last["text"].startswith("The grace period of 0.2 s is over.")


def test_json_goes_to_a_report_line_by_line() -> None:
    """A report gets one object at a time, among them what is slow, with the place where it is."""
    said: list[str] = []
    enough = threading.Event()

    def report(text: str) -> None:
        said.append(text)
        if '"slow"' in text:
            enough.set()

    def waits_to_be_noticed() -> None:
        assert enough.wait(10)

    def raises() -> None:
        raise OSError("no disk")

    system = System({"a": {"x": Component(waits_to_be_noticed), "y": Component(raises)}})
    assert run(system, slow=0.02, report=report, progress="json") == 1
    found = [json.loads(text) for text in said]
    (slow,) = (one for one in found if one["what"] == "slow")
    assert (slow["id"], slow["doing"]) == ("a.x", "starting")
    assert "in waits_to_be_noticed" in slow["stack"]
    assert [one["error"] for one in found if one.get("new") == "failed"] == ["OSError: no disk"]
    assert any(one["what"] == "failed" and "Traceback" in one["text"] for one in found)


# --- where there is no tree -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_draw_gets_lines(start: Start, monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    """Without a way to move the cursor there is no tree."""
    monkeypatch.setenv("TERM", term)
    process = start(*RUN, "app:slow_stop", "--progress", "tree", terminal=True, size=SIZE)
    process.see("Ctrl-C stops.")
    assert "db.pool     up in" in process.text
    assert "\x1b" not in process.text


# Without the folder of installed packages there is no rich, either.
BARE = (
    "-I", "-S", "-c",
    f"import sys; sys.path[:0] = [{str(Path(mainspring.__file__).parents[1])!r}, '.']; "
    "from mainspring.cli import main; sys.exit(main())",
)  # fmt: skip


def test_a_tree_without_rich_is_an_error_that_says_what_to_install(start: Start) -> None:
    """Asked for by name, it cannot be had without the extra."""
    process = start(*BARE, "run", "app:slow_stop", "--progress", "tree")
    assert process.end() == 2
    assert process.text == ("The live tree needs the extra 'rich'. Install it with: pip install 'mainspring[rich]'\n")


def test_without_rich_there_are_lines(start: Start) -> None:
    """They are what there is, in a terminal too, where nothing else was asked for."""
    process = start(*BARE, "run", "app:slow_stop", terminal=True, size=SIZE)
    process.see("db.pool     up in")
    process.see("Ctrl-C stops.")


def test_a_kind_of_progress_that_is_none() -> None:
    """It is an error that names those that there are."""
    with pytest.raises(ValueError, match='"auto", "tree", "lines" or "json", not \'dots\''):
        run(System({}), progress="dots")  # type: ignore[arg-type]


def test_the_command_line_knows_them(tmp_path: Path) -> None:
    """So does the command line."""
    assert command(tmp_path, "run", "app:hanging", "--progress", "dots").status == 2
