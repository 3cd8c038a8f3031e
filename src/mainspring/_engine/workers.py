"""A thread of its own for a component whose handlers have a deadline, so that it can be given up on."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any, Final


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


# A local variable in the frame of a scope that does its work in another thread or task: gives the stack of that one.
ELSEWHERE: Final = "_stack_elsewhere"


def forget_loop(context: contextvars.Context) -> contextvars.Context:
    """The same context, without the word that whoever made it was in an event loop: it will not run in that one."""
    import sys

    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        context.run(sniffio.current_async_library_cvar.set, None)
    return context


Answer = Callable[[bool, Any], object]


class Worker:
    """Runs calls one after the other in one thread.

    Parameters:
        name: of the thread.
        context: in which everything runs; a copy of the present one if not given.
    """

    def __init__(self, name: str, context: contextvars.Context | None = None) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Answer] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._given_up: Callable[[], Any] | None = None
        self._is_over = False
        context = forget_loop(contextvars.copy_context() if context is None else context)
        # A daemon, because a thread that was given up on must not keep the process from ending.
        self._thread = threading.Thread(target=context.run, args=(self._serve,), name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[[], Any], answer: Answer) -> None:
        """Have a call made, and `answer` called in the same thread with whether it returned, and what it returned or raised."""
        self._calls.put((call, answer))

    def run(self, call: Callable[[], Any], seconds: float, slow: float, notice: Callable[[], object]) -> Any:
        """What `call` returns or raises.

        Parameters:
            call: to be made in the thread.
            seconds: how long to wait.
            slow: after how many seconds `notice` is called, if it has not ended by then.
            notice: called in the waiting thread.

        Raises:
            Overdue: it did neither in so many seconds; it goes on in its thread.
            BrokenOff: the waiting thread was interrupted; the call goes on in its own.
        """
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.submit(call, lambda ok, value: answers.put((ok, value)))
        try:
            try:
                ok, value = self.wait(answers, min(slow, seconds))
            except queue.Empty:
                notice()
                ok, value = self.wait(answers, max(0.0, seconds - slow))
        except queue.Empty:
            raise Overdue(self.stack()) from None
        except BaseException as error:
            raise BrokenOff(error) from None
        if ok:
            return value
        raise value

    @staticmethod
    def wait(answers: queue.SimpleQueue[Any], seconds: float) -> Any:
        """The answer; apart from `run`, so that an interruption can break off the waiting, and that alone."""
        return answers.get(timeout=seconds)

    def give_up(self, afterwards: Callable[[], Any] | None, *, is_start: bool) -> None:
        """Let go of the call that hangs; should it end after all, `afterwards` is called in its thread.

        A start that has not even begun is not made any more; a stop is.
        """
        with self._lock:
            self._given_up, self._is_over = afterwards, is_start
        self._calls.put(None)

    @property
    def ident(self) -> int | None:
        """The thread."""
        return self._thread.ident

    def close(self) -> None:
        """End the thread; it has nothing to do any more."""
        self._calls.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _serve(self) -> None:
        while (item := self._calls.get()) is not None:
            call, answer = item
            with self._lock:
                if self._is_over:
                    break  # it was given up on before it had begun
            ok, value = True, None
            try:
                value = call()
            except BaseException as error:
                ok, value = False, error
            answer(ok, value)
            del item, call, answer, value
        with self._lock:
            afterwards = self._given_up
        if afterwards is not None:
            try:
                afterwards()
            except BaseException:
                import logging

                logging.getLogger("mainspring").exception("An abandoned component ended late, and its clean-up failed.")

    def stack(self) -> str:
        """Where the thread is now, as far as that is the user's code."""
        return stack_of_thread(self._thread.ident)


def stack_of_thread(ident: int | None) -> str:
    """Where a thread is now, from where our frames call those of the user."""
    import os
    import sys
    import traceback

    frame = found = sys._current_frames().get(ident or 0)
    if frame is None:
        return ""
    while found is not None:
        if ELSEWHERE in found.f_locals:
            return str(found.f_locals[ELSEWHERE]())
        found = found.f_back
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    frames = traceback.extract_stack(frame)
    called = [i for i, entry in enumerate(frames) if not entry.filename.startswith(ours)]
    first = next((i for i, entry in enumerate(frames) if entry.filename.startswith(ours)), -1)
    begin = next((i for i in called if i > first), len(frames))
    return "".join(traceback.format_list(frames[begin:]))
