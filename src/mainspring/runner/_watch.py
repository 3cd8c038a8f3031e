"""The thread that hears the signals, and ends the process when it has to.

Python runs the handlers of signals in the main thread, and only between two of its own instructions. A component that hangs in
a library of C would make the process deaf. So the bytes that Python writes for each signal are read here, in a thread that
nothing but the interpreter itself can hold up.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from . import show
from ._progress import Progress
from .show import Say

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NUDGE: Final = signal.SIGURG  # does nothing where nobody has a handler for it
GRACE_IS_OVER: Final = 3
# timeout(1) signals its child and then the child's process group, and those who pass a signal on do it after the terminal has.
# What comes before anybody can have seen that the stop began is the same request.
_ECHO: Final = 0.02
_LONG: Final = 3600.0  # what poll can take; a grace period may be infinite


def new_line() -> None:
    """Leave the line in which a terminal shows ^C. Safe in the handler of a signal."""
    try:
        if os.isatty(2):
            os.write(2, b"\n")
    except OSError:
        pass


class Terminal:
    """The terminal that the process was started from, if it was."""

    def __init__(self) -> None:
        self._files = [fd for fd in (0, 1, 2) if os.isatty(fd)]

    @property
    def is_gone(self) -> bool:
        """Whether there was one, and it was closed."""
        return bool(self._files) and not any(os.isatty(fd) for fd in self._files)


class Watch:
    """Reads the signals that arrive from a pipe.

    Parameters:
        progress: what is known.
        say: gets the last words.
        grace: seconds that stopping may take.
        leave: called before the process is ended, to give back the terminal.
    """

    def __init__(self, progress: Progress, say: Say, grace: float, leave: Callable[[], object] = lambda: None) -> None:
        self._progress, self._say, self._grace, self._leave = progress, say, grace, leave
        self._terminal = Terminal()
        self._lock = threading.Lock()
        self._expiry: float | None = None
        self._echoes_until = 0.0
        self._next_nudge = 0.0
        self._answered = False  # whether the main thread knows of the first signal
        self._closed = False
        self.first: int | None = None  # the signal that asked the process to stop
        self.settled = threading.Event()  # whether a further signal to stop would be a second request
        self._reactions: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.news: queue.SimpleQueue[int] = queue.SimpleQueue()  # wakes whoever waits for a signal
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._thread = threading.Thread(target=self._serve, name="mainspring-signals", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        self._poke()
        self._thread.join()
        os.close(self._read)
        os.close(self._write)

    def asks_to_stop(self, number: int) -> bool:
        """Whether a signal asks for a stop: a hang-up does only when the terminal has gone."""
        return number != signal.SIGHUP or self._terminal.is_gone

    def limit(self, is_limited: bool) -> None:
        """Let the grace period begin, or end. Where the process was asked to stop it goes on whatever is said here."""
        with self._lock:
            if not is_limited:
                self._expiry = self._expiry if self.first is not None else None
            elif self._expiry is None:
                self._expiry = time.monotonic() + self._grace
        self._poke()

    def left(self) -> float | None:
        """Seconds of the grace period that are left; `None` while there is none."""
        expiry = self._expiry
        return None if expiry is None else max(0.0, expiry - time.monotonic())

    def reacted(self) -> None:
        """Take notice that the main thread has heard a nudge; in the handler of that signal."""
        self._reactions.put(None)

    def is_main_thread_well(self, seconds: float) -> bool:
        """Whether the main thread reacts to a nudge within so many seconds: whether it runs Python, whatever it runs."""
        while not self._reactions.empty():
            self._reactions.get()
        self._nudge()
        try:
            self._reactions.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        except queue.Empty:
            return False
        return True

    def listen(self) -> None:
        """Have every signal written to the pipe; in the main thread."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def pass_on(self, number: int) -> None:
        """Take notice that the main thread has heard a signal, and hear of it if it was not written to the pipe."""
        self._answered = self._answered or self.asks_to_stop(number)
        fd = signal.set_wakeup_fd(-1)  # there is no other way to see what it is
        signal.set_wakeup_fd(fd)
        if fd != self._write:  # asyncio took it for itself
            self._poke(number)

    def _poke(self, number: int = 0) -> None:
        try:
            os.write(self._write, bytes([number]))
        except BlockingIOError:  # it is full, so there is something to read
            pass

    def _serve(self) -> None:
        # A signal that the kernel hands to this thread would not wake the main thread from what it waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while not self._closed:
            heard = os.read(self._read, 4096) if poll.poll(self._patience()) else b""
            now = time.monotonic()
            for number in heard:
                if number in SIGNALS:  # a poke is none, nor is a signal that a component has a handler for
                    self._heard(number, now)
            if self.first is not None and now >= self._echoes_until:
                self.settled.set()
            if self.first is not None and not self._answered and now >= self._next_nudge:
                self._nudge()
                self._next_nudge = now + 2 * (now - self._echoes_until + _ECHO)
            if self._expiry is not None and now >= self._expiry and not self._closed:
                self._end(GRACE_IS_OVER, self._out_of_patience(now))

    def _patience(self) -> float | None:
        """Milliseconds until there is something to do, even if nothing is heard."""
        moments = [] if self._expiry is None else [self._expiry]
        if self.first is not None and not self.settled.is_set():
            moments.append(self._echoes_until)
        if self.first is not None and not self._answered:
            moments.append(self._next_nudge)
        now = time.monotonic()
        return min(max(0.0, min(moments) - now), _LONG) * 1000 + 1 if moments else None

    def _heard(self, number: int, now: float) -> None:
        if self.asks_to_stop(number):
            if self.first is None:
                with self._lock:
                    self._echoes_until = now + _ECHO
                    self._next_nudge = now + _ECHO
                    self._expiry = now + self._grace if self._expiry is None else self._expiry
                    self.first = number
            elif number != signal.SIGHUP and (number != self.first or now >= self._echoes_until):
                if number == signal.SIGINT:
                    new_line()
                again = " again" if number == self.first else ""
                self._end(128 + number, [f"{name_of(number)}{again}: ending at once.{self._left()}"])
        self.news.put(number)

    def _nudge(self) -> None:
        # A signal that arrives just before the main thread begins to wait for a lock does not wake it, nor does one that the
        # kernel handed to another thread. Its handler would run when the lock is free, which may be never.
        if signal.getsignal(NUDGE) is not signal.SIG_DFL:
            signal.pthread_kill(threading.main_thread().ident or 0, NUDGE)

    def _out_of_patience(self, now: float) -> list[str]:
        over = f"The grace period of {self._grace:g} s is over."
        where = self._progress.where(now)
        return [over, *([where] if where else []), f"Ending at once.{self._left()}"]

    def _left(self) -> str:
        left = [str(id) for id in self._progress.left]
        shown = ", ".join(left if len(left) <= 10 else [*left[:9], f"{len(left) - 9} more"])
        return f" Not stopped: {shown}." if left else ""

    def _end(self, status: int, words: Sequence[str]) -> None:
        show.end_at_once(status, self._say, words, self._leave)


def name_of(number: int) -> str:
    """What people call a signal."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
