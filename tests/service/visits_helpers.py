"""What the tests of the service speak with: a client, a service in this process, a service in one of its own."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

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


def half_a_request(client: Client) -> tuple[socket.socket, bytes]:
    """Begin to send a visit; give the connection, and what is still to be sent."""
    address = urlsplit(client.url)
    body = json.dumps({"path": "/slow", "ip": "9.9.9.9"}).encode()
    head = f"POST /visits HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE)
    connection.sendall(head + body[:5])
    until(lambda: client.get("/health").data, "the server to have read it")
    return connection, body[5:]


class Load:
    """Sends visits from several threads, to whatever listens on a port, and remembers which were accepted.

    Where nobody listens it tries again, until the block is left.
    """

    def __init__(self, port: int, senders: int = 3, pause: float = 0.005) -> None:
        self._client = Client(f"http://127.0.0.1:{port}/")
        self._pause = pause
        self._ending = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._send, args=[f"/{number}"]) for number in range(senders)]
        self.accepted: list[str] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _send(self, prefix: str) -> None:
        for number in itertools.count():
            path = f"{prefix}/{number}"
            try:
                answer = self._client.post({"path": path, "ip": "9.9.9.9"})
            except (OSError, http.client.HTTPException):
                answer = None
            if answer is not None and 200 <= answer.status < 300:
                with self._changed:
                    self.accepted.append(path)
                    self._changed.notify_all()
            if self._ending.wait(self._pause):
                return

    def wait(self, number: int) -> None:
        """Wait until so many more visits have been accepted."""
        with self._changed:
            goal = len(self.accepted) + number
            assert self._changed.wait_for(lambda: len(self.accepted) >= goal, PATIENCE), "no visits were accepted"


def quiet_port() -> int:
    """Find a port that stays free while nobody listens: below those that clients are given for their connections."""
    while True:
        port = random.randrange(10_000, 30_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


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

    def line(self, part: str, number: int = 1) -> str:
        """Wait for a line that contains a text, or for the second such line, and so on."""

        def found() -> str | None:
            ended = "" if self.lines and not self.lines[-1] else None
            lines = (line for line in self.lines if part in line)
            return next(itertools.islice(lines, number - 1, None), ended)

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
