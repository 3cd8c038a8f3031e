"""Leaving a process whose threads do not end."""

from __future__ import annotations

import threading
import time

from mainspring.runner import show

STOP_FAILED = 3


def leave_within(seconds: float, status: int) -> None:
    """End the process if it is still there so many seconds after the main thread came to its end.

    Python waits for every thread that is no daemon, and a component may have left one behind that does not end.

    Parameters:
        seconds: the grace period.
        status: the exit status if nothing had gone wrong yet.
    """

    def wait() -> None:
        # The interpreter declares the main thread to be over before it waits for the others.
        main = threading.main_thread()
        main.join()
        end = time.monotonic() + min(seconds, threading.TIMEOUT_MAX / 2)
        for thread in _others(main):
            thread.join(max(0.0, end - time.monotonic()))
        left = _others(main)
        if left:
            words = [f"The grace period of {seconds:g} s is over, and {show.count(len(left), 'thread')} did not end."]
            for thread in left:
                words += [f"The thread {thread.name} is here:", show.thread_stack(thread)]
            show.end_at_once(status or STOP_FAILED, show.say, [*words, "Ending at once."])

    threading.Thread(target=wait, name="mainspring-leave", daemon=True).start()


def _others(main: threading.Thread) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread is not main and not thread.daemon]
