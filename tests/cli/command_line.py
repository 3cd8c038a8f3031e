"""What the tests of the runner and the command line share: the real command in a process, on pipes or in a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

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


class Process:
    """A process whose output is read as it comes."""

    def __init__(self, arguments: Sequence[str], folder: Path, *, terminal: bool = False) -> None:
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.text = ""
        self._read_until = 0
        if terminal:
            self._fd, slave = pty.openpty()
            words = ["-I", "-S", "-c", _IN_TERMINAL, os.ttyname(slave), *arguments]
            nowhere = subprocess.DEVNULL
            self.popen = subprocess.Popen(
                [sys.executable, *words],
                cwd=folder,
                env=environ,
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
                start_new_session=True,
            )
            self._slave = slave  # kept open, because without anybody at the other end the terminal would seem closed
        else:
            self._fd, slave = os.pipe()
            self.popen = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
            )
            os.close(slave)
            self._slave = -1

    def see(self, part: str) -> str:
        """Wait until the process has said something, after what was waited for before; return all it has said since."""
        end = time.monotonic() + PATIENCE
        while (at := self.text.find(part, self._read_until)) < 0:
            assert self._more(end), f"it ended without {part!r}:\n{self.text}"
        seen = self.text[self._read_until : at + len(part)]
        self._read_until = at + len(part)
        return seen

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
