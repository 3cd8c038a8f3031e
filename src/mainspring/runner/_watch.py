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

from mainspring import Event, Failure, Id, State

from . import show
from .show import Say

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NUDGE: Final = signal.SIGURG  # does nothing where nobody has a handler for it
GRACE_IS_OVER: Final = 3
# timeout(1) signals its child and then the child's process group, and those who pass a signal on do it after the terminal has.
# What comes before anybody can have seen that the stop began is the same request.
_ECHO: Final = 0.02
_LONG: Final = 3600.0  # what poll can take; a grace period may be infinite
_WORK: Final = {
    State.STARTING: "starting",
    State.STOPPING: "stopping",
    State.SUSPENDING: "suspending",
    State.RESUMING: "resuming",
}


def new_line() -> None:
    """Leave the line in which a terminal shows ^C. Safe in the handler of a signal."""
    try:
        if os.isatty(2):
            os.write(2, b"\n")
    except OSError:
        pass


class Progress:
    """Hears of every change of state: says what came of it, and remembers what is under way."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.on_stopping: Callable[[], None] = lambda: None
        self.width = 0
        self.expect(())

    def expect(self, ids: Sequence[Id]) -> None:
        """Begin with a new live system."""
        self.width = max((len(str(id)) for id in ids), default=self.width)
        self.begun = False  # whether anything was started
        self.closing = False  # whether anything was stopped
        self.states: dict[Id, State] = {}
        self.work: tuple[Id, str, float] | None = None  # what is under way, and since when
        self.failures: list[Failure] = []

    def __call__(self, event: Event) -> None:
        """Take notice of a change."""
        self.states[event.id] = event.new
        if event.new in _WORK:
            self.begun = True
            if event.new is State.STOPPING and not self.closing:
                self.closing = True
                self.on_stopping()
            self.work = (event.id, _WORK[event.new], time.monotonic())
            return
        if self.work is not None and self.work[0] == event.id:
            self.work = None
        if event.error is not None:
            self.failures.append(Failure(event.id, event.signal, event.signal, event.error))
        text = _came_to(event)
        if text:
            after = "" if event.took is None else f" after {show.duration(event.took)}"
            took = "" if event.took is None else f" in {show.duration(event.took)}"
            self.say(f"  {event.id!s:<{self.width}}  {text}{took if event.error is None else after}")

    @property
    def left(self) -> list[Id]:
        """What has to be stopped and is not yet, in the order in which it would be."""
        done = (State.DEFINED, State.STOPPED, State.FAILED)
        return [id for id, state in reversed(list(self.states.items())) if state not in done]


def _came_to(event: Event) -> str:
    if is_asked(event.error):
        return "given up"
    if event.new is State.ABANDONED:
        return "abandoned"
    if event.new is State.FAILED:
        return "failed" if event.signal == "start" else f"failed to {event.signal}"
    if event.new is State.RUNNING:
        return "up" if event.old is State.STARTING else "resumed"
    return str(event.new)


class Asked(KeyboardInterrupt):
    """The process was asked to stop. What knows how to be interrupted by Ctrl-C knows how to be interrupted by this."""


def is_asked(error: BaseException | None) -> bool:
    """Whether an error comes from our interruption, which what it interrupts may turn into another error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, Asked):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


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
        grace: seconds that stopping may take.
        slow: seconds after which a handler that is still running is spoken of.
    """

    def __init__(self, progress: Progress, say: Say, grace: float, slow: float) -> None:
        self._progress, self._say, self._grace, self._slow = progress, say, grace, slow
        self._terminal = Terminal()
        self._lock = threading.Lock()
        self._expiry: float | None = None
        self._echoes_until = 0.0
        self._next_nudge = 0.0
        self._answered = False  # whether the main thread knows of the first signal
        self._next_notice = 0.0
        self._busy = False
        self._closed = False
        self.first: int | None = None  # the signal that asked the process to stop
        self.settled = threading.Event()  # whether a further signal to stop would be a second request
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

    def busy(self, is_busy: bool) -> None:
        """Say whether handlers are being called: those that are slow will be spoken of."""
        self._busy = is_busy
        self._poke()

    def limit(self, is_limited: bool) -> None:
        """Let the grace period begin, or end. Where the process was asked to stop it goes on whatever is said here."""
        with self._lock:
            if self.first is None:
                self._expiry = time.monotonic() + self._grace if is_limited else None
        self._poke()

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
                self._nudge(now)
            if self._expiry is not None and now >= self._expiry and not self._closed:
                self._end(GRACE_IS_OVER, self._out_of_patience(now))
            self._notice(now)

    def _patience(self) -> float | None:
        """Milliseconds until there is something to do, even if nothing is heard."""
        moments = [] if self._expiry is None else [self._expiry]
        if self.first is not None and not self.settled.is_set():
            moments.append(self._echoes_until)
        if self.first is not None and not self._answered:
            moments.append(self._next_nudge)
        now = time.monotonic()
        if self._busy:
            moments.append(now + self._slow)
        return min(max(0.0, min(moments) - now), _LONG) * 1000 + 1 if moments else None

    def _heard(self, number: int, now: float) -> None:
        if self.asks_to_stop(number):
            if self.first is None:
                with self._lock:
                    self._echoes_until = now + _ECHO
                    self._next_nudge = now + _ECHO
                    self._expiry = now + self._grace
                    self.first = number
            elif number != signal.SIGHUP and (number != self.first or now >= self._echoes_until):
                if number == signal.SIGINT:
                    new_line()
                again = " again" if number == self.first else ""
                self._end(128 + number, [f"{name_of(number)}{again}: ending at once.{self._left()}"])
        self.news.put(number)

    def _nudge(self, now: float) -> None:
        # A signal that arrives just before the main thread begins to wait for a lock does not wake it, nor does one that the
        # kernel handed to another thread. Its handler would run when the lock is free, which may be never.
        if signal.getsignal(NUDGE) is not signal.SIG_DFL:
            signal.pthread_kill(threading.main_thread().ident or 0, NUDGE)
        self._next_nudge = now + 2 * (now - self._echoes_until + _ECHO)

    def _notice(self, now: float) -> None:
        work = self._progress.work
        if not self._busy or work is None or now - work[2] < self._slow:
            self._next_notice = 0.0
        elif now >= self._next_notice:
            self._next_notice = now + (now - work[2])  # after twice the time it took until now
            self._say("\n".join(self._where(now)))

    def _where(self, now: float) -> list[str]:
        work = self._progress.work
        if work is None:
            return []
        id, doing, since = work
        here = show.stack(str(id))
        head = f"{id} has been {doing} for {show.duration(now - since)}"
        return [f"{head}. It is here:", here] if here else [f"{head}."]

    def _out_of_patience(self, now: float) -> list[str]:
        over = f"The grace period of {self._grace:g} s is over."
        return [over, *self._where(now), f"Ending at once.{self._left()}"]

    def _left(self) -> str:
        left = [str(id) for id in self._progress.left]
        shown = ", ".join(left if len(left) <= 10 else [*left[:9], f"{len(left) - 9} more"])
        return f" Not stopped: {shown}." if left else ""

    def _end(self, status: int, words: Sequence[str]) -> None:
        show.end_at_once(status, self._say, words)


def name_of(number: int) -> str:
    """What people call a signal."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
