"""Ctrl-C without losses: an interruption reaches a user's handler at once, and our own bookkeeping never.

A signal handler of Python runs between any two instructions. Were KeyboardInterrupt raised between the return of a handler and
the line that records its instance, that instance would be lost with nobody to stop it. So while a request runs in the main
thread, an interruption is raised only where the innermost frame is not one of the engine's; otherwise it is kept until the
driver asks.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType, TracebackType
from typing import Any, Final

_OURS: Final = tuple(f"{__name__.split('.')[0]}.{room}" for room in ("_core", "_engine", "system"))


class Guard:
    """Around one request. Use as a context manager in the thread that runs the request."""

    __slots__ = ("_before", "_mine", "_previous", "attention", "calling", "pending", "stop_asked", "times", "waiting")

    current: Guard | None = None  # of the main thread: there is only one that gets signals

    def __init__(self) -> None:
        self.calling = False  # whether a user's handler is being called
        self.attention = False  # whether the driver has to look at the next two
        self.pending: BaseException | None = None
        self.stop_asked = False
        self.times = 0
        self.waiting: CodeType | None = None  # code of ours that only waits for a handler, and can be broken off
        self._previous: Any = None
        self._mine = False

    def __enter__(self) -> Guard:
        import signal  # here, as threading: a program that only imports the package need not wait for them
        import threading

        self._mine = threading.current_thread() is threading.main_thread()
        if self._mine:
            self._before = Guard.current
            Guard.current = self
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._previous = signal.signal(signal.SIGINT, _on_sigint)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mine:
            import signal

            if self._previous is not None and signal.getsignal(signal.SIGINT) is _on_sigint:
                signal.signal(signal.SIGINT, self._previous)
            Guard.current = self._before

    def keep(self, error: BaseException) -> None:
        """Keep an interruption until the driver asks for it."""
        self.pending = self.pending or error
        self.attention = True

    def ask_to_stop(self) -> None:
        """Say, from another thread, that a stop is waiting."""
        self.stop_asked = True
        self.attention = True

    def take(self) -> BaseException | None:
        """The interruption that was kept back, once."""
        pending, self.pending = self.pending, None
        self.times = 0
        return pending


def interrupt(error: BaseException, frame: FrameType | None = None) -> bool:
    """Interrupt the request that runs in the main thread, if one does; for use in a signal handler.

    Raises `error` inside the component's handler that is being called, where there is one; otherwise keeps it until the request
    can be given up without a loss. Either way the request cleans up, and `error` comes out of it at the end.

    Parameters:
        error: what to raise; a `KeyboardInterrupt` or another `BaseException` that no handler takes for its own.
        frame: the frame that Python gave to the signal handler.

    Returns:
        `False` where no request runs in the main thread: nothing was done.

    Example:
        >>> interrupt(KeyboardInterrupt())
        False
    """
    guard = Guard.current
    if guard is None:
        return False
    frame = frame or sys._getframe(1)
    guard.times += 1
    ours = str(frame.f_globals.get("__name__", "")).startswith(_OURS) and frame.f_code is not guard.waiting
    # A handler that is a function of C has no frame of its own: there the second interruption is raised all the same.
    if guard.calling and (not ours or guard.times > 1):
        guard.times = 0
        raise error
    guard.keep(error)
    return True


def _on_sigint(number: int, frame: FrameType | None) -> None:
    interrupt(KeyboardInterrupt(), frame)
