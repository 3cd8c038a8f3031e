"""The live tree, as a terminal shows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Process, Start

pyte = pytest.importorskip("pyte", reason="pyte, which knows what a terminal shows, is not installed")

APP = """\
import logging, os, pathlib, subprocess, threading
from mainspring import Component, System, ref

logging.basicConfig(format="%(message)s")  # keeps the standard error of now

def waits_for(name, *needs):
    print("begins", name)
    while not pathlib.Path(name).exists():
        threading.Event().wait(0.01)

def loud(*needs):
    print("printed")
    logging.warning("logged")
    os.write(1, b"written\\n")
    subprocess.run(["echo", "from a child"])

def raises(*needs):
    raise ConnectionError("no route to host")

def quick(*needs):
    return object()

def hangs(instance):
    print("hangs")
    threading.Event().wait()

slow = System({
    "db": {"pool": Component(quick), "loader": Component(waits_for, config={"name": "go", "needs": [ref("db.pool")]})},
    "web": {"server": Component(loud, config={"needs": [ref("db.loader")]})},
})
failing = System({
    "db": {"pool": Component(quick), "loader": Component(waits_for, config={"name": "go", "needs": [ref("db.pool")]})},
    "web": {"server": Component(raises, config={"needs": [ref("db.loader")]})},
})
hanging = System({"db": {"pool": Component(quick, stop=hangs)}})
many = System({
    f"group{n}": {f"part{m}": Component(quick) for m in range(50)} for n in range(10)
} | {"last": {"one": Component(waits_for, config={"name": "go"})}})
"""
RUN = ("-m", "mainspring", "run")
COLUMNS, LINES = 80, 24


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> Path:
    """The module of systems; a test may add to it."""
    file = tmp_path / "app.py"
    file.write_text(APP)
    return file


class Screen:
    """What a user sees in the terminal of a process."""

    def __init__(self, process: Process, columns: int, lines: int) -> None:
        self.process = process
        self._screen = pyte.HistoryScreen(columns, lines, history=1000, ratio=1)
        self._stream = pyte.Stream(self._screen)
        self._fed = 0

    def shows(self, part: str) -> list[str]:
        """Wait until something is on the screen; its lines then."""
        return self.until(lambda lines: any(part in line for line in lines), part)

    def until(self, condition: Callable[[list[str]], bool], what: str) -> list[str]:
        """Wait until the screen fulfils a condition; its lines then."""
        while True:
            lines = self.lines()
            if condition(lines):
                return lines
            assert self.process.more(), f"it ended without {what!r}:\n" + "\n".join(lines)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        self.process.resize(columns, lines)
        self._screen.resize(lines, columns)

    def scrolls(self) -> bool:
        """Whether the whole of it scrolls."""
        return self._screen.margins is None

    def lines(self) -> list[str]:
        """The lines on the screen, from the first to the last that is not empty."""
        new = self.process.text[self._fed :].replace("\n", "\r\n")
        self._fed = len(self.process.text)
        self._stream.feed(new)
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip("\n").split("\n")

    def all(self) -> list[str]:
        """The same, with what was scrolled away."""
        lines = self.lines()
        above = ["".join(row[n].data for n in range(self._screen.columns)).rstrip() for row in self._screen.history.top]
        return [*above, *lines]


@pytest.fixture
def screen(start: Start, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Screen]:
    """A function that runs a system in a terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def begin(name: str, *arguments: str, columns: int = COLUMNS, lines: int = LINES) -> Screen:
        process = start(*RUN, f"app:{name}", *arguments, terminal=True, size=(columns, lines))
        return Screen(process, columns, lines)

    return begin


def without_times(lines: list[str]) -> list[str]:
    """The lines with every time as T."""
    return [re.sub(r"\d[\d.]* (µs|ms|s)\b", "T", line) for line in lines]


def test_a_tree_shows_what_goes_on(screen: Callable[..., Screen], tmp_path: Path) -> None:
    """While components start, the last lines show the groups, what is up, what is starting and what waits for what."""
    shown = screen("slow")
    lines = without_times(shown.shows("loader  starting for"))
    at = lines.index("db")
    assert lines[at - 1] == "Starting for T: 1 up, 1 starting, 1 waiting"
    assert lines[at:] == [
        "db",
        "├── pool    up in T",
        "└── loader  starting for T",
        "web",
        "└── server  waits for db.loader",
    ]
    assert len(lines) == LINES


def test_the_tree_stays_as_it_ended_and_loses_nothing_that_others_print(
    screen: Callable[..., Screen], tmp_path: Path
) -> None:
    """What components print, also past Python and from other processes, stands above it, each line once."""
    shown = screen("slow")
    shown.shows("loader  starting for")
    (tmp_path / "go").touch()
    lines = without_times(shown.shows("Ctrl-C stops."))
    assert lines == [
        "Starting 3 components",
        "begins go",
        "printed",
        "logged",
        "written",
        "from a child",
        "db",
        "├── pool    up in T",
        "└── loader  up in T",
        "web",
        "└── server  up in T",
        "All up in T. Ctrl-C stops.",
    ]
    shown.process.press(b"\x03")
    assert shown.process.end() == 0
    assert without_times(shown.lines())[len(lines) :] == [
        "^C",
        "Ctrl-C: stopping, within T",
        "db",
        "├── pool    stopped in T",
        "└── loader  stopped in T",
        "web",
        "└── server  stopped in T",
        "All stopped in T.",
    ]


def test_what_is_printed_while_the_tree_is_there_is_not_lost(screen: Callable[..., Screen], app: Path) -> None:
    """More lines than the screen has scroll away above the tree, all of them, in order."""
    app.write_text(
        app.read_text()
        + """
def chatters():
    threading.Event().wait(0.5)
    for n in range(100):
        os.write(1 + n % 2, b"line %d\\n" % n)
    waits_for("go")
chatty = System({"a": {"b": Component(chatters)}})
"""
    )
    shown = screen("chatty")
    shown.shows("b  starting for")
    shown.shows("line 99")
    (app.parent / "go").touch()
    shown.shows("Ctrl-C stops.")
    assert [line for line in shown.all() if line.startswith("line")] == [f"line {n}" for n in range(100)]
    assert sum("starting for" in line for line in shown.all()) == 0


def test_a_failed_start_leaves_a_tree_that_says_so(screen: Callable[..., Screen], tmp_path: Path) -> None:
    """What failed has its error in the tree, what was rolled back is stopped, and the whole error follows."""
    shown = screen("failing")
    shown.shows("loader  starting for")
    (tmp_path / "go").touch()
    assert shown.process.end() == 1
    lines = without_times(shown.lines())
    at = lines.index("db")
    assert lines[at : at + 5] == [
        "db",
        "├── pool    stopped in T",
        "└── loader  stopped in T",
        "web",
        "└── server  failed after T: ConnectionError: no route to host",
    ]
    assert lines[at + 5].startswith("The start failed after T.")
    assert "web.server failed in start, defined at app.py" in shown.lines()[at + 7]


@pytest.mark.parametrize("way", ["again", "grace"])
def test_the_terminal_is_given_back_where_the_process_ends_at_once(screen: Callable[..., Screen], way: str) -> None:
    """A second Ctrl-C and the end of the grace period leave no tree, and a terminal that scrolls as before."""
    shown = screen("hanging", "--grace", "30" if way == "again" else "1")
    shown.shows("Ctrl-C stops.")
    shown.process.press(b"\x03")
    shown.shows("stopping for")
    if way == "again":
        shown.process.press(b"\x03")
    assert shown.process.end() == (130 if way == "again" else 3)
    lines = shown.lines()
    assert lines[-1].endswith("Not stopped: db.pool.")
    assert not any("stopping for" in line and "──" in line for line in lines)
    assert shown.scrolls()


def test_of_many_components_only_what_matters_is_shown(screen: Callable[..., Screen], tmp_path: Path) -> None:
    """500 do not fit: those under way are shown and the others counted; at the end there is a line for each group."""
    shown = screen("many")
    lines = without_times(shown.shows("starting for"))
    assert lines[-2:] == ["Starting for T: 500 up, 1 starting", "  last.one  starting for T"]
    (tmp_path / "go").touch()
    lines = without_times(shown.shows("Ctrl-C stops."))
    assert sum(line.startswith("  group") and "50 up" in line for line in lines) == 10


@pytest.mark.parametrize(("columns", "lines"), [(30, 24), (80, 10)])
def test_a_small_terminal_shows_less(screen: Callable[..., Screen], tmp_path: Path, columns: int, lines: int) -> None:
    """Lines are cut, not broken; where there is no room for the tree, only what is under way is shown."""
    shown = screen("slow", columns=columns, lines=lines)
    seen = shown.shows("loader  starting for")
    assert len(seen) == lines
    (tmp_path / "go").touch()
    shown.shows("Ctrl-C")


@pytest.mark.parametrize(("columns", "lines"), [(60, 16), (100, 30)])
def test_a_tree_follows_the_size_of_the_terminal(screen: Callable[..., Screen], columns: int, lines: int) -> None:
    """When the terminal becomes smaller or larger, the tree stands in its last lines again, and nowhere else."""
    shown = screen("slow")
    shown.shows("loader  starting for")
    shown.resize(columns, lines)
    seen = shown.until(
        lambda seen: len(seen) == lines and seen[-1] == "└── server  waits for db.loader", "a tree in the last lines"
    )
    assert [number for number, line in enumerate(seen) if "Starting for" in line] == [lines - 6]
