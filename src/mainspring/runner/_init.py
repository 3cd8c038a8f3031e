"""Being process 1, as in a container.

Two things are special about it: a signal that it has no handler for is dropped instead of ending it, and all processes whose
parents have ended become its children, and stay in the table as zombies until it asks what came of them. An application must
not do the latter: whoever asks for any child takes the exit status away from `subprocess` or asyncio, who ask for theirs.

So the process splits in two before the application starts anything. The one that stays process 1 does nothing but pass
signals on and ask for those who ended; the other one runs the application.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Final

_NOT_PASSED_ON: Final = {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU}


def leave_process_1() -> bool:
    """In process 1, let a new process go on and stay behind as its init; elsewhere do nothing.

    Returns:
        Whether the caller may go on as an ordinary process: not where it is process 1 and has several threads already, since
        only one of them would get into the new process.
    """
    if os.getpid() != 1:
        return True
    if _threads() > 1:
        return False
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()  # or what is in it would be written twice
        except (AttributeError, OSError, ValueError):
            pass
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    child = os.fork()
    if child:
        os._exit(_serve(child))
    if os.environ.get("WATCHDOG_PID") == "1":
        os.environ["WATCHDOG_PID"] = str(os.getpid())
    _take_terminal()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return True


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # those that Python does not know of, too
    except OSError:
        return threading.active_count()


def _take_terminal() -> None:
    # Ctrl-C in a terminal goes to a whole group of processes; with init in the same one it would come twice.
    os.setpgid(0, 0)
    for fd in (0, 1, 2):
        try:
            os.tcsetpgrp(fd, os.getpid())
            return
        except OSError:
            pass


def _serve(child: int) -> int:
    """Be the init until the child has ended; the exit status."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))  # whoever waits for the other end of it to be closed would wait for us
            except OSError:
                pass
    while True:
        number = signal.sigwait(signal.valid_signals())
        if number not in _NOT_PASSED_ON:
            os.kill(child, number)
        ended = -1
        while ended:  # one SIGCHLD may stand for several
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
