"""Ctrl-C without losses: an interruption reaches a user's handler at once, and our own bookkeeping never.

A signal handler of Python runs between any two instructions. Were KeyboardInterrupt raised between the return of a handler and
the line that records its instance, that instance would be lost with nobody to stop it. So while a request runs in the main
thread, an interruption is raised only where the innermost frame is not one of the engine's; otherwise it is kept until the
driver asks.
"""

from __future__ import annotations

import sys

# Built in, and what the module `signal` wraps: there each call makes members of an enum, and the four calls of one start
# and one stop take longer than starting and stopping ten components. Its wrappers are also frames that can be interrupted.
from _signal import SIGINT, default_int_handler, getsignal, signal  # type: ignore[import-not-found]
from collections.abc import Callable
from time import monotonic
from types import CodeType, FrameType, TracebackType
from typing import Any, ClassVar, Final

_OURS: Final = tuple(f"{__name__.split('.')[0]}.{room}" for room in ("_core", "_engine", "live", "system"))


class Guard:
    """Around one request. Use as a context manager in the thread that runs the request."""

    __slots__ = (
        "_before", "_mine", "attention", "calling", "crashes", "kept_at", "pending", "stop_asked", "waiting", "wake",
    )  # fmt: skip

    current: Guard | None = None  # of the main thread: there is only one that gets signals

    def __init__(self) -> None:
        self.calling = False  # whether a user's handler is being called: set right before, cleared right after
        self.attention = False  # whether the driver has to look at the next three
        self.pending: BaseException | None = None
        self.stop_asked = False
        self.crashes: list[tuple[int, BaseException, bool]] = []  # components that broke, and whether the start goes on
        self.wake: Callable[[], object] | None = None  # ends the driver's waiting; may be called anywhere
        self.kept_at = 0.0
        self.waiting: CodeType | None = None  # code of ours that only waits for a handler, and can be broken off
        self._mine = False

    def __enter__(self) -> Guard:
        import threading  # here: a program that only imports the package need not wait for it

        self._mine = threading.current_thread() is threading.main_thread()
        if self._mine:
            self._before = Guard.current
            if getsignal(SIGINT) in (default_int_handler, _on_sigint):
                # First the handler, then the guard it looks for: with none there it does what Python's own would do.
                signal(SIGINT, _on_sigint)
            Guard.current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mine:
            Guard.current = self._before
            if self._before is None and getsignal(SIGINT) is _on_sigint:
                signal(SIGINT, default_int_handler)

    def is_insisted_on(self) -> bool:
        """Whether an interruption was kept back in this call before, by now long enough to be no accident.

        A handler that is a function of C has no frame of its own, and looks as if it had returned: there the second counts.
        """
        now = monotonic()
        first, self.kept_at = self.kept_at, self.kept_at or now
        return bool(first) and now - first > 0.1

    def keep(self, error: BaseException) -> None:
        """Keep an interruption until the driver asks for it."""
        self.pending = self.pending or error
        self._call()

    def ask_to_stop(self) -> None:
        """Say, from another thread or task, that a stop is waiting."""
        self.stop_asked = True
        self._call()

    def tell_of_crash(self, node: int, error: BaseException, keep: bool) -> None:
        """Say, from anywhere, that a component broke."""
        self.crashes.append((node, error, keep))
        self._call()

    def _call(self) -> None:
        self.attention = True
        wake = self.wake
        if wake is not None:
            wake()

    def take(self) -> BaseException | None:
        """The interruption that was kept back, once."""
        pending, self.pending = self.pending, None
        self.kept_at = 0.0
        return pending


class LoopGuard(Guard):
    """Around one request that is carried out in an event loop, whose thread does other things meanwhile."""

    __slots__ = ()

    active: ClassVar[list[LoopGuard]] = []
    instead: ClassVar[Any] = None  # the handler of SIGINT that there was

    def __enter__(self) -> LoopGuard:
        import threading

        if threading.current_thread() is threading.main_thread():
            self._mine = True
            LoopGuard.active.append(self)
            before = getsignal(SIGINT)
            if callable(before) and before is not _on_sigint_in_loop:
                # First remember it, then take its place: asyncio's own cancels the main task, trio's raises where it may.
                LoopGuard.instead = before
                signal(SIGINT, _on_sigint_in_loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mine:
            LoopGuard.active.remove(self)
            if not LoopGuard.active and getsignal(SIGINT) is _on_sigint_in_loop:
                # asyncio's runner takes its handler away at its end, but only where it finds it: ours may have stood there.
                main_task = getattr(LoopGuard.instead, "keywords", {}).get("main_task")
                is_over = main_task is not None and main_task.done()
                signal(SIGINT, default_int_handler if is_over else LoopGuard.instead)


def _is_ours(frame: FrameType | None) -> bool:
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_OURS)


def _on_sigint_in_loop(number: int, frame: FrameType | None) -> None:
    try:
        LoopGuard.instead(number, frame)
    except KeyboardInterrupt as error:
        guard = LoopGuard.active[-1] if LoopGuard.active else None
        if guard is None or (not _is_ours(frame) and (guard.calling or guard.kept_at)):
            raise  # into a component's handler; or it is insisted on
        guard.kept_at = monotonic()
        guard.keep(error)


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
    guard = Guard.current or (LoopGuard.active[-1] if LoopGuard.active else None)
    if guard is None:
        return False
    frame = frame or sys._getframe(1)
    ours = _is_ours(frame) and frame.f_code is not guard.waiting
    if guard.calling and (not ours or guard.is_insisted_on()):
        raise error
    guard.keep(error)
    return True


def _on_sigint(number: int, frame: FrameType | None) -> None:
    error = KeyboardInterrupt()
    if not interrupt(error, frame):
        raise error
