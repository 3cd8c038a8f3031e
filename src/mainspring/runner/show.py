"""What is said to people: errors and stacks with their own frames, never ours."""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any, Final, TextIO

from mainspring import (
    Component,
    DeadlineExceeded,
    DefinitionError,
    Failure,
    MainspringError,
    RunError,
    System,
    UnknownSystem,
)

_OURS: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_IMPORTING: Final = ("<frozen importlib", "<frozen runpy", os.path.dirname(importlib.__file__) + os.sep)
_FRAME: Final = re.compile(r'^\s*File "([^"]*)", line \d+')
_NOTE_OF_OURS: Final = re.compile(r"In the component .*, (handler .*|while it was running)\.")


_SHARED: Final = ("mainspring-worker", "mainspring-loop")
_LIBRARY: Final = os.path.dirname(os.__file__) + os.sep
_INSTALLED: Final = f"{os.sep}site-packages{os.sep}"
_LOOPS: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("anyio", "trio", "uvloop"))
_LAST_WORDS: Final = 1.0  # seconds; a full pipe or a lock that hangs must not keep the process alive

Say = Callable[[str], object]
Scrub = Callable[[str], str]


def say(text: str) -> None:
    """Write a line to standard error; what cannot be written is left out, because the terminal may be gone."""
    stream: TextIO | None = sys.stderr
    if stream is not None:
        try:
            stream.write(f"{text}\n")  # in one piece: there are two threads that speak
            stream.flush()
        except (OSError, ValueError):
            pass


def careful(report: Say) -> Say:
    """The same, but it never raises: those who speak have more important things to do."""

    def speak(text: str) -> None:
        try:
            report(text)
        except Exception:
            import logging

            logging.getLogger("mainspring").exception("The report %r failed on %r.", report, text)

    return speak


def end_at_once(status: int, say: Say, words: Sequence[str], before: Callable[[], object] = lambda: None) -> None:
    """Say something and end the process, whatever else is going on in it.

    Parameters:
        status: the exit status.
        say: says it.
        words: the lines.
        before: called first, to give back what must not be left as it is.
    """

    def speak() -> None:
        before()
        say("\n".join(words))
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                pass

    speaker = threading.Thread(target=speak, daemon=True)
    try:
        speaker.start()
    except RuntimeError:  # from Python 3.12 on there are no new threads once the main thread has ended
        speak()
    else:
        speaker.join(_LAST_WORDS)
    os._exit(status)


def duration(seconds: float) -> str:
    """A measured time in the unit that fits: `850 µs`, `12.3 ms`, `2.41 s`."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s"


def count(number: int, word: str) -> str:
    """`1 component`, `2 components`."""
    return f"{number} {word}{'s' * (number != 1)}"


def preposition(said: str) -> str:
    """`up in 3 s`, but `failed after 3 s`."""
    return "in" if said in ("up", "stopped", "suspended", "resumed") else "after"


def indented(text: str, by: str = "  ") -> str:
    """Every line of a text that is not empty, moved to the right."""
    return "\n".join(by + line if line else line for line in text.split("\n"))


def short(text: str) -> str:
    """The same text with the paths of files below the current directory shortened, where a place in a file is named."""
    here = os.path.join(_current_directory(), "")
    return re.sub(rf'(File "|\bat:? ){re.escape(here)}', r"\1", text)


def _current_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return os.sep


# --- Errors -----------------------------------------------------------------------------------------------------------


def explained(error: BaseException, scrub: Scrub = str) -> str:
    """An error as text: an error of ours by its own sentence, any other as a traceback of the user's frames.

    Parameters:
        error: the error.
        scrub: takes secrets out of a text.
    """
    shown = traceback.TracebackException.from_exception(error)
    todo: list[Any] = [shown]
    while todo:
        part = todo.pop()
        if part is None:
            continue
        todo += [part.__cause__, part.__context__, *(part.exceptions or ())]
        part.stack[:] = [frame for frame in part.stack if not _is_hidden(frame.filename)]
        notes = [_without_hidden(note) for note in part.__notes__ or () if not _NOTE_OF_OURS.fullmatch(note)]
        part.__notes__ = notes or None
        if not part.stack:
            part.stack = None
    has_place = isinstance(error, DefinitionError) and all(problem.site for problem in error.problems)
    if has_place or (isinstance(error, MainspringError) and not isinstance(error, RunError) and not shown.stack):
        text = "\n".join([str(error), *(shown.__notes__ or ())])
        if isinstance(error, UnknownSystem) and error.__cause__ is not None:
            text += f"\n\n{indented(explained(error.__cause__))}"
    else:
        text = "".join(shown.format())
    return short(scrub(text.rstrip("\n")))


def short_error(error: BaseException, scrub: Scrub = str, most: int = 120) -> str:
    """An error in part of a line: its class and its message.

    Parameters:
        error: the error.
        scrub: takes secrets out of a text.
        most: how many characters.
    """
    text = " ".join(scrub(f"{type(error).__name__}: {error}").split()).rstrip(":")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def failures(found: Iterable[Failure], system: System) -> str:
    """Handlers that failed: which, where they were defined, and why."""
    return "\n\n".join(_failure(failure, system) for failure in found)


def _failure(failure: Failure, system: System) -> str:
    abandoned = isinstance(failure.error, DeadlineExceeded) and failure.error.abandoned
    crashed = failure.signal == "crash"
    head = f"{failure.id} {'crashed' if crashed else 'was abandoned' if abandoned else 'failed'}"
    head += "" if crashed else f" in {failure.handler}"
    node = system[failure.id]
    site = node.site if isinstance(node, Component) else None
    where = short(f", defined at {site}") if site else ""
    return f"{head}{where}:\n{indented(explained(failure.error, system.scrubbed))}"


def is_from_user(error: BaseException) -> bool:
    """Whether the user's code was running when an error arose."""
    return not all(_is_hidden(frame.filename) for frame in traceback.extract_tb(error.__traceback__))


def _is_standard(filename: str) -> bool:
    """Whether a frame of a thread that only waits may be in such a file."""
    ours = filename.startswith(_LIBRARY) and _INSTALLED not in filename
    return ours or filename.startswith("<frozen") or any(name in filename for name in _LOOPS)


def _is_hidden(filename: str) -> bool:
    return filename.startswith((_OURS, *_IMPORTING))


def _without_hidden(text: str) -> str:
    """A text that holds a printed stack, without the frames that are hidden."""
    kept: list[str] = []
    hidden = False
    for line in text.split("\n"):
        frame = _FRAME.match(line)
        if frame:
            hidden = _is_hidden(frame[1])
        elif not line.startswith("    "):
            hidden = False
        if not hidden:
            kept.append(line)
    return "\n".join(kept)


# --- Stacks -----------------------------------------------------------------------------------------------------------


def stack(name: str) -> str:
    """Where the thread of the component `name` is now, if it has one, as far as it is the user's code: the newest call last."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread.name == name:
            here = _user_part(frames.get(thread.ident or 0))
            if here:
                return _drawn(here)
    return ""


def shared_stacks() -> dict[str, str]:
    """Where those threads are now in which handlers of several components are called, if it is in the user's code, by name."""
    frames = sys._current_frames()
    found: dict[str, str] = {}
    for thread in threading.enumerate():
        if thread is threading.main_thread() or thread.name.startswith(_SHARED):
            here = _user_part(frames.get(thread.ident or 0))
            if any(not _is_standard(frame.filename) for frame in here):
                found[thread.name] = _drawn(here)
    return found


def stack_text(text: str) -> str:
    """A stack that was drawn elsewhere, with the paths of files as here."""
    return short(_without_hidden(text).rstrip("\n"))


def thread_stack(thread: threading.Thread) -> str:
    """Where a thread of the user's is now."""
    frame = sys._current_frames().get(thread.ident or 0)
    return short("".join(traceback.format_stack(frame)).rstrip("\n")) if frame else ""


def _drawn(frames: list[traceback.FrameSummary]) -> str:
    return short("".join(traceback.StackSummary.from_list(frames).format()).rstrip("\n"))


def _user_part(frame: FrameType | None) -> list[traceback.FrameSummary]:
    if frame is None:
        return []
    frames = traceback.extract_stack(frame)
    ours = max((i for i, one in enumerate(frames) if one.filename.startswith(_OURS)), default=-1)
    return frames[ours + 1 :]
