"""What the tests of the runner and the command line share: the real command in a process, on pipes or in a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 20.0

# Opening a terminal makes it the controlling one of a process that leads a session and has none.
_IN_TERMINAL = """\
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)
for fd in (0, 1, 2):
    os.dup2(terminal, fd)
os.close(terminal)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@contextmanager
def default_signals() -> Generator[None, None, None]:
    """Signals as in a fresh shell, even if the tests run under nohup or in the background of a script."""
    defaults: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in defaults.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Process:
    """A process whose output is read as it comes."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, *, terminal: bool = False, size: tuple[int, int] | None = None
    ) -> None:
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.text = ""
        self.folder = folder
        self._read_until = 0
        self._slave = -1
        if terminal:
            # Our own hold on the other end stays open, because without anybody there the terminal would seem closed.
            self._fd, self._slave = pty.openpty()
            if size is not None:
                self.resize(*size)
            words, output = ["-I", "-S", "-c", _IN_TERMINAL, os.ttyname(self._slave), *arguments], subprocess.DEVNULL
        else:
            self._fd, output = os.pipe()
            words = [*arguments]
        with default_signals():
            self.popen = subprocess.Popen(
                [sys.executable, *words],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if not terminal:
            os.close(output)

    def see(self, part: str) -> str:
        """Wait until the process has said something, after what was waited for before; return all it has said since."""
        end = time.monotonic() + PATIENCE
        while (at := self.text.find(part, self._read_until)) < 0:
            assert self._more(end), f"it ended without {part!r}:\n{self.text}"
        seen = self.text[self._read_until : at + len(part)]
        self._read_until = at + len(part)
        return seen

    def more(self) -> bool:
        """Read what comes next; whether there may still come something."""
        return self._more(time.monotonic() + PATIENCE)

    def _more(self, end: float) -> bool:
        left = end - time.monotonic()
        assert left > 0, f"nothing came for a long time:\n{self.text}"
        if not select.select([self._fd], [], [], min(left, 0.05))[0]:
            # A terminal does not end with the process in it, because we keep its other end open.
            return self._slave < 0 or self.popen.poll() is None or bool(select.select([self._fd], [], [], 0)[0])
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.text += data.decode().replace("\r\n", "\n")
        return bool(data)

    def send(self, number: int) -> None:
        """Send a signal to the process."""
        self.popen.send_signal(number)

    def press(self, keys: bytes) -> None:
        """Press keys in the terminal."""
        os.write(self._fd, keys)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self._slave)
        os.close(self._fd)
        self._fd = self._slave = -1

    def end(self, number: int | None = None) -> int:
        """Send a signal, if any, read all that the process still says, and return its exit status."""
        if number is not None:
            self.send(number)
        end = time.monotonic() + PATIENCE
        while self._fd >= 0 and self._more(end):
            pass
        return self.popen.wait(PATIENCE)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait(PATIENCE)
        for fd in (self._fd, self._slave):
            if fd >= 0:
                os.close(fd)


Start = Callable[..., Process]


class Result:
    """What came of a command that ended by itself."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr


def mainspring(folder: Path, *arguments: str, environ: dict[str, str] | None = None) -> Result:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", *arguments],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Result(done)
