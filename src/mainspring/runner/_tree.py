"""How it is said what goes on: as a tree that is drawn again and again at the bottom of a terminal.

What components print must not be lost in it, nor push it apart: not what comes from a library of C or from another process,
either. So it is not drawn over what was printed last. The terminal is told to scroll its upper part only, and the tree stands
in the lines below, as the progress bar of apt does; all that others print goes where it always goes. Each picture is one write,
between whose bytes the terminal puts nothing of others.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mainspring import Event, Id, State

from . import show
from ._display import Display, Doing
from ._progress import Row, Work

if TYPE_CHECKING:
    from rich.text import Text

PATIENCE: Final = 0.2  # seconds; what takes less is shown only when it is done
_EVERY: Final = 0.1
_LEAST: Final = 8  # lines of a terminal in which there is room for a tree
_SLOWEST: Final = 5
_STYLES: Final = {
    "up": "green", "resumed": "green", "starting": "yellow", "stopping": "yellow", "failed": "bold red", "crashed": "bold red",
    "abandoned": "bold red", "given up": "red",
}  # fmt: skip


def fits() -> bool:
    """Whether standard error is a terminal in which a tree can be drawn."""
    if os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return False
    try:
        size = os.get_terminal_size(2)
    except OSError:
        return False
    return size.lines >= _LEAST and size.columns >= 20


class Region:
    """The lines at the bottom of the terminal that do not scroll.

    Parameters:
        fd: the terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._height = 0
        self._size = os.terminal_size((0, 0))

    def room(self) -> os.terminal_size:
        """The columns and lines that there are for it: the upper half is left to others."""
        size = os.get_terminal_size(self._fd)
        return os.terminal_size((size.columns - 1, max(2, size.lines // 2)))

    def draw(self, lines: Sequence[str]) -> None:
        """Show some lines, in place of those that are there now."""
        size = os.get_terminal_size(self._fd)
        lines = lines[: max(1, size.lines - 2)]
        picture = ""
        if self._height and size != self._size:
            picture += self._cleared(size)
        self._size = size
        more = len(lines) - self._height
        if more > 0:
            # Move what is there up, and the cursor with it; then bound the scrolling, which moves the cursor away.
            picture += "\x1bD" * more + f"\x1b[{more}A"
            self._height = len(lines)
            picture += f"\x1b7\x1b[1;{size.lines - self._height}r\x1b8"
        picture += "\x1b7"
        for n in range(self._height):
            line = lines[n] if n < len(lines) else ""
            picture += f"\x1b[{size.lines - self._height + 1 + n};1H\x1b[0m{line}\x1b[0m\x1b[K"
        self._write(picture + "\x1b8")

    def clear(self) -> None:
        """Give the lines back."""
        if self._height:
            self._write(self._cleared(self._size))

    def _cleared(self, size: os.terminal_size) -> str:
        first = min(self._size.lines, size.lines) - self._height + 1
        self._height = 0
        return f"\x1b7\x1b[r\x1b[{max(1, first)};1H\x1b[0m\x1b[J\x1b8"

    def _write(self, text: str) -> None:
        data = text.encode(sys.stderr.encoding or "utf-8", "replace")
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            pass  # the terminal is gone


class Tree(Display):
    """Says what goes on as a live tree of the groups and their components, and leaves a picture of how it ended."""

    region: Region | None = None
    _next_frame = 0.0
    _from = 0.0

    def begin(self, doing: Doing, system: Any) -> None:
        """From now on handlers are called."""
        if self.doing is None:
            self._next_frame = time.monotonic() + PATIENCE
        super().begin(doing, system)

    def end(self) -> None:
        """All handlers have returned: show what came of it."""
        if self.doing is None:
            return
        super().end()
        self.leave()
        if self.progress.rows:
            self.report("\n".join(self._picture(None, time.monotonic())))

    def leave(self) -> None:
        """Give the terminal back."""
        with self._news:
            region, self.region = self.region, None
            if region is not None:
                region.clear()

    def close(self) -> None:
        """Say nothing more."""
        self.leave()
        super().close()

    def change(self, event: Event, said: str) -> None:
        """A component changed."""
        if self.doing is None or (event.old == event.new and event.stack):
            super().change(event, said)  # otherwise it is in the tree

    def still(self, doing: Doing, now: float) -> None:
        """What is still under way is in the tree."""

    def _patience(self, now: float) -> float:
        return max(0.01, min(super()._patience(now), self._next_frame - now))

    def tick(self, doing: Doing, now: float) -> None:
        """Draw."""
        super().tick(doing, now)
        if now >= self._next_frame:
            self._next_frame = now + _EVERY
            lines = self._picture(doing, now)
            with self._news:
                if self.doing is not None and not self._closed:
                    self.region = self.region or Region(2)
                    try:
                        self.region.draw(lines)
                    except OSError:
                        self.region = None  # the terminal is gone

    # --- the picture ---

    def _picture(self, doing: Doing | None, now: float) -> list[str]:
        columns, room = self._room()
        rows = self.progress.rows.copy()
        work = self.progress.work.copy()
        groups = len({id.group for id in rows})
        if doing is not None:
            head = [self._head(now)]
            if len(rows) + groups + 1 <= room:
                return self._drawn([*head, self._tree(rows, work, now)], columns)
            return self._drawn([*head, *self._only_some(rows, work, now, room - 1)], columns)
        room = max(room, 20)
        if len(rows) + groups <= room:
            return self._drawn([self._tree(rows, work, now)], columns)
        return self._drawn([self._summary(rows, room)], columns)

    def _room(self) -> tuple[int, int]:
        try:
            size = (self.region or Region(2)).room()
        except OSError:
            return 79, 20
        return size.columns, size.lines

    def _head(self, now: float) -> Text:
        from rich.text import Text

        progress = self.progress
        under_way, left = len(progress.work), self.left()
        counted: list[tuple[int, str]] = []
        if progress.closing:
            gone = progress.count(State.STOPPED)
            counted = [(gone, "stopped"), (under_way, "stopping"), (len(progress.left) - under_way, "to stop")]
            doing = "Stopping"
        else:
            counted = [
                (progress.count(State.RUNNING), "up"),
                (under_way, "starting"),
                (progress.count(State.DEFINED), "waiting"),
            ]
            doing = "Starting"
        counted.append((progress.count(State.FAILED, State.ABANDONED), "failed"))
        words = ", ".join(f"{number} {word}" for number, word in counted if number > 0)
        rest = f", {left:.0f} s left" if left is not None and left < 1e9 else ""
        return Text.assemble((doing, "bold"), f" for {_seconds(now - self.began)}{rest}: {words}")

    def _tree(self, rows: dict[Id, Row], work: dict[Id, Work], now: float) -> Any:
        from rich.text import Text
        from rich.tree import Tree as RichTree

        tree = RichTree("", hide_root=True, guide_style="dim")
        width = max((len(id.name) for id in rows), default=0)
        branches: dict[str, Any] = {}
        for id in rows:
            branch = branches.get(id.group)
            if branch is None:
                branch = branches[id.group] = tree.add(Text(id.group, style="bold"))
            branch.add(self._line(id.name, width, rows[id], work.get(id), rows, now))
        return tree

    def _line(self, name: str, width: int, row: Row, work: Work | None, rows: dict[Id, Row], now: float | None) -> Text:
        from rich.text import Text

        said, more = self._words(row, work, rows, now)
        return Text.assemble(f"{name:<{width}}  ", (said, _style(said)), (more, "" if work else "dim"))

    def _words(self, row: Row, work: Work | None, rows: dict[Id, Row], now: float | None) -> tuple[str, str]:
        if work is not None and now is not None:
            again = (
                f", attempt {work.attempt} after {show.short_error(work.error, self.scrubbed)}"
                if work.error is not None
                else ""
            )
            return work.doing, f" for {_seconds(now - work.since)}{again}"
        if row.state is State.DEFINED:
            waits = [str(id) for id in row.after if id in rows and rows[id].state is not State.RUNNING]
            if self.doing is None or self.progress.closing:
                return "not started", ""
            return "waits", f" for {', '.join(waits)}" if waits else ""
        said = row.said or str(row.state)
        took = "" if row.took is None else f" {show.preposition(said)} {show.duration(row.took)}"
        why = "" if row.error is None or said == "given up" else f": {show.short_error(row.error, self.scrubbed)}"
        tried = f", at attempt {row.attempt}" if row.attempt > 1 and row.state is State.RUNNING else ""
        return said, took + tried + why

    def _only_some(self, rows: dict[Id, Row], work: dict[Id, Work], now: float, room: int) -> list[Any]:
        failed = [id for id, row in rows.items() if row.state in (State.FAILED, State.ABANDONED)]
        busy = sorted(work, key=lambda id: work[id].since)
        ids = [*failed[: room // 2], *busy]
        shown = ids if len(ids) <= room else ids[: room - 1]
        width = max((len(str(id)) for id in shown), default=0)
        lines: list[Any] = [self._line(f"  {id}", width + 2, rows[id], work.get(id), rows, now) for id in shown]
        if len(shown) < len(ids):
            lines.append(f"  and {len(ids) - len(shown)} more")
        return lines

    def _summary(self, rows: dict[Id, Row], room: int) -> Any:
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        groups: dict[str, list[tuple[Id, Row]]] = {}
        for id, row in rows.items():
            groups.setdefault(id.group, []).append((id, row))
        if len(groups) <= room:
            for group, members in groups.items():
                table.add_row(f"  {group}", _counted(members), f"the slowest: {_slowest(members, 1)}")
        else:
            members = list(rows.items())
            table.add_row("  all", _counted(members), f"the slowest: {_slowest(members, _SLOWEST)}")
        return table

    def _drawn(self, parts: Iterable[Any], columns: int) -> list[str]:
        from rich.console import Console

        stream = _Drawing(encoding=sys.stderr.encoding or "utf-8")
        console = Console(
            file=stream,
            force_terminal=True,
            width=columns,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        for part in parts:
            console.print(part, no_wrap=True, overflow="ellipsis", crop=True)
        return stream.getvalue().splitlines()


class _Drawing(io.StringIO):
    """Where rich draws to; from the encoding it sees which characters there are."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the terminal."""
        return self._encoding


class _One(NamedTuple):
    took: float
    id: Id


def _counted(members: Sequence[tuple[Id, Row]]) -> str:
    counts: dict[str, int] = {}
    for _, row in members:
        said = row.said or ("not started" if row.state is State.DEFINED else str(row.state))
        counts[said] = counts.get(said, 0) + 1
    return ", ".join(f"{number} {said}" for said, number in counts.items())


def _slowest(members: Sequence[tuple[Id, Row]], number: int) -> str:
    ordered = sorted((_One(row.took, id) for id, row in members if row.took is not None), reverse=True)
    return ", ".join(f"{one.id} in {show.duration(one.took)}" for one in ordered[:number]) or "none"


def _style(said: str) -> str:
    return next((style for word, style in _STYLES.items() if said.startswith(word)), "dim")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s"
