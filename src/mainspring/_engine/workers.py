"""A thread of its own for a component whose handlers have a deadline, so that it can be given up on."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any


class Overdue(Exception):
    """A call did not end in time. Holds the stack on which it hangs."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        super().__init__(stack)


class BrokenOff(Exception):
    """The waiting for a call was interrupted; the call goes on. Holds the interruption."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(error)


class Worker:
    """Runs calls one after the other in one thread, from a component's start to its stop."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._given_up: Callable[[], Any] | None = None
        self._running = False
        context = contextvars.copy_context()
        # A daemon, because a thread that was given up on must not keep the process from ending.
        self._thread = threading.Thread(target=context.run, args=(self._serve,), name=name, daemon=True)
        self._thread.start()

    def run(self, call: Callable[[], Any], seconds: float) -> Any:
        """What `call` returns or raises.

        Raises:
            Overdue: it did neither in so many seconds; it goes on in its thread.
            BrokenOff: the waiting thread was interrupted; the call goes on in its own.
        """
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._calls.put((call, answers))
        try:
            ok, value = self.wait(answers, seconds)
        except queue.Empty:
            raise Overdue(self._stack()) from None
        except BaseException as error:
            raise BrokenOff(error) from None
        if ok:
            return value
        raise value

    @staticmethod
    def wait(answers: queue.SimpleQueue[Any], seconds: float) -> Any:
        """The answer; apart from `run`, so that an interruption can break off the waiting, and that alone."""
        return answers.get(timeout=seconds)

    def give_up(self, afterwards: Callable[[], Any] | None) -> None:
        """Let go of the call that hangs; should it end after all, `afterwards` is called in its thread."""
        with self._lock:
            self._given_up = afterwards
        self._calls.put(None)

    @property
    def ident(self) -> int | None:
        """The thread."""
        return self._thread.ident

    def close(self) -> None:
        """End the thread; it has nothing to do any more."""
        self._calls.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (item := self._calls.get()) is not None:
            call, answers = item
            try:
                outcome = (True, call())
            except BaseException as error:
                outcome = (False, error)
            answers.put(outcome)
            del item, call, answers, outcome
        with self._lock:
            afterwards = self._given_up
        if afterwards is not None:
            try:
                afterwards()
            except BaseException:
                import logging

                logging.getLogger("mainspring").exception("An abandoned component ended late, and its clean-up failed.")

    def _stack(self) -> str:
        import os
        import sys
        import traceback

        frame = sys._current_frames().get(self._thread.ident or 0)
        if frame is None:
            return ""
        ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
        frames = traceback.extract_stack(frame)
        here = max((i for i, entry in enumerate(frames) if entry.filename.startswith(ours)), default=-1)
        return "".join(traceback.format_list(frames[here + 1 :]))
