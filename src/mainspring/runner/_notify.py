"""Telling a service manager how the process is doing, by the protocol of systemd's sd_notify(3)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_PATIENCE: Final = 1.0  # seconds; a manager that does not read must not hold us up


class Manager:
    """The service manager that started the process, where one did and wants to hear of it.

    Its variables are taken out of the environment until `close`: what our components start must not speak for the whole
    service, as PostgreSQL, for one, would do.

    Parameters:
        environ: the environment of the process.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._environ = environ
        self._taken = {name: environ.pop(name) for name in _VARIABLES if name in environ}
        self._address = _address(self._taken.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        self._status = ""
        if self._address is not None:
            import socket

            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(_PATIENCE)

    def __bool__(self) -> bool:
        return self._socket is not None

    @property
    def watchdog(self) -> float | None:
        """Seconds after which the manager misses a sign of life; `None` where it does not wait for any from us."""
        usec, pid = self._taken.get("WATCHDOG_USEC", ""), self._taken.get("WATCHDOG_PID", "")
        meant = self._socket is not None and pid in ("", str(os.getpid()))
        return int(usec) / 1e6 if meant and usec.isdecimal() and int(usec) > 0 else None

    def tell(self, *lines: str) -> None:
        """Send something, in one message; that nobody hears it changes nothing."""
        if self._socket is not None and self._address is not None:
            try:
                self._socket.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                pass

    def status(self, text: str) -> None:
        """Say in a line what goes on, if it is not what was said last."""
        if text != self._status:
            self._status = text
            self.tell(_status(text))

    def ready(self, text: str) -> None:
        """Everything is up, for the first time or again."""
        self._status = text
        self.tell("READY=1", _status(text))

    def reloading(self, text: str, microseconds: int) -> None:
        """Everything is going to be restarted; `microseconds` is the monotonic clock."""
        self._status = text
        self.tell("RELOADING=1", f"MONOTONIC_USEC={microseconds}", _status(text))

    def stopping(self, text: str, seconds: float) -> None:
        """Everything is going to be stopped, within so many seconds."""
        self._status = text
        more = [f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}"] if seconds < 1e9 else []
        self.tell("STOPPING=1", _status(text), *more)

    def alive(self) -> None:
        """Give a sign of life."""
        self.tell("WATCHDOG=1")

    def close(self) -> None:
        """Put the environment back."""
        self._environ.update(self._taken)
        if self._socket is not None:
            self._socket.close()


def _address(name: str) -> str | None:
    if name.startswith("@"):
        return "\0" + name[1:]  # not a file: Linux has a name space of its own for these
    return name if name.startswith("/") else None


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"


class Pulse:
    """A thread that gives the manager signs of life, as long as the process is well.

    Parameters:
        manager: gets them.
        every: seconds between two.
        is_well: asked before each; it may take as long as it likes, since what hangs is not well.
    """

    def __init__(self, manager: Manager, every: float, is_well: Callable[[float], bool]) -> None:
        self._manager, self._every, self._is_well = manager, every, is_well
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="mainspring-watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give no more."""
        self._closed.set()
        self._thread.join(_PATIENCE)

    def _serve(self) -> None:
        # A signal that the kernel hands to this thread would not wake the main thread from what it waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while not self._closed.is_set():
            next = time.monotonic() + self._every
            if self._is_well(self._every):
                self._manager.alive()
            self._closed.wait(max(0.0, next - time.monotonic()))
