"""What the tests of the service speak with: a client, a service in this process, a service in one of its own."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from mainspring import Live

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "visits"
PATIENCE = 30.0


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until a condition gives something true, and return that."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {patience:.0f} s in vain for {what}"
        threading.Event().wait(0.02)
    return found


def postgres_of(folder: Path) -> list[psutil.Process]:
    """Find the PostgreSQL servers, initdb included, that work in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.name() in {"postgres", "initdb"}
                and process.status() != psutil.STATUS_ZOMBIE
                and any(str(folder) in word for word in process.cmdline())
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def data(self) -> Any:
        """The answer as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Client:
    """Speaks to the service over HTTP."""

    url: str

    def get(self, path: str) -> Answer:
        """Get a page."""
        return self._send(urllib.request.Request(self.url + path.lstrip("/")))

    def post(self, data: Any) -> Answer:
        """Send a visit, or what should not be taken for one."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        headers = {"Content-Type": "application/json"}
        return self._send(urllib.request.Request(self.url + "visits", body, headers))

    def visit(self, path: str, ip: str = "9.9.9.9") -> int:
        """Send a visit that must be accepted, and return its number."""
        answer = self.post({"path": path, "ip": ip})
        assert answer.status == 201, answer
        return int(answer.data["id"])

    def visits(self) -> list[dict[str, Any]]:
        """List all visits, oldest first."""
        found: list[dict[str, Any]] = self.get("/api/visits?limit=1000").data
        return found[::-1]

    def processed(self) -> list[dict[str, Any]]:
        """Wait until no visit is waiting, and list all, oldest first."""
        until(lambda: self.get("/api/summary").data["waiting"] == 0, "the worker")
        return self.visits()

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                try:
                    body = answer.read()
                except http.client.IncompleteRead as cut:
                    # Killed between the two parts of an answer: it has been answered all the same.
                    body = cut.partial
                return Answer(answer.status, dict(answer.headers), body.decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())


@dataclass(frozen=True)
class Service:
    """The service, running in this process."""

    live: Live
    client: Client


@dataclass
class Process:
    """The service, or its demonstration, running in a process of its own."""

    popen: subprocess.Popen[str]
    folder: Path
    lines: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None

    def read(self) -> None:
        """Keep reading what the process says."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self.lines.append("")
            self._changed.notify_all()

    def line(self, part: str) -> str:
        """Wait for a line that contains a text."""

        def found() -> str | None:
            ended = "" if self.lines and not self.lines[-1] else None
            return next((line for line in self.lines if part in line), ended)

        with self._changed:
            assert self._changed.wait_for(lambda: found() is not None, PATIENCE), f"no {part!r} in {self.text}"
            line = found()
        assert line, f"the process ended without {part!r}: {self.text}"
        return line

    @property
    def text(self) -> str:
        """All that the process has said so far."""
        return "".join(self.lines)

    def client(self) -> Client:
        """Wait until the service is up, and give a client for it."""
        line = self.line("web server started")
        return Client(json.loads(line[line.index("{") :])["url"])

    def end(self, number: int | None = None) -> int:
        """Send a signal, if any, and wait for the end; return the exit status."""
        if number is not None:
            self.popen.send_signal(number)
        status = self.popen.wait(PATIENCE)
        assert self._reader is not None
        self._reader.join(PATIENCE)
        return status


StartService = Callable[..., Service]
StartProcess = Callable[..., Process]
