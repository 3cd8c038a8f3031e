"""The service and its demonstration as processes, with a PostgreSQL of their own, and what a kill leaves behind."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from visits_helpers import EXAMPLE, PATIENCE, Client, StartProcess, postgres_of, until

SLOW = ["-m", "mainspring", "run", "slow_service:system"]
DEMO = str(EXAMPLE / "demo.py")


class Load:
    """Sends visits from several threads until the service is gone, and remembers which were accepted."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._enough = threading.Semaphore(0)
        self.accepted: list[str] = []
        self._threads = [threading.Thread(target=self._send, args=[f"/{name}/{number}"]) for number in range(3)]
        for thread in self._threads:
            thread.start()

    def _send(self, prefix: str) -> None:
        for number in range(10_000):
            path = f"{prefix}/{number}"
            try:
                answer = self._client.post({"path": path, "ip": "9.9.9.9"})
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 201:
                self.accepted.append(path)
                self._enough.release()

    def wait(self, number: int) -> None:
        """Wait until so many visits have been accepted."""
        for _ in range(number):
            assert self._enough.acquire(timeout=PATIENCE)

    def join(self) -> None:
        """Wait until the senders have noticed the end."""
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.parametrize("database_too", [False, True], ids=["service", "service-and-database"])
def test_no_visit_is_lost_or_processed_twice_when_the_process_is_killed(
    start_process: StartProcess, database_too: bool
) -> None:
    """Killed in the middle of load, twice, and started again on the same data: what was accepted is processed once."""
    accepted: list[str] = []
    for round in ("first", "second"):
        process = start_process(SLOW)
        load = Load(process.client(), round)
        load.wait(60)
        process.end(signal.SIGKILL)
        if database_too:
            for server in postgres_of(process.folder):
                server.kill()
                server.wait(PATIENCE)
        load.join()
        accepted += load.accepted
    process = start_process(SLOW)
    visits = process.client().processed()
    processed = [visit["path"] for visit in visits]
    assert len(processed) == len(set(processed))
    assert set(accepted) <= set(processed)
    assert {visit["times_processed"] for visit in visits} == {1}
    assert process.end(signal.SIGTERM) == 0
    assert not postgres_of(process.folder)


def test_a_kill_during_the_first_start_does_not_spoil_the_data(start_process: StartProcess) -> None:
    """A process killed while its database is being made can be started again on the same folder."""
    process = start_process(SLOW)
    until(lambda: list(process.folder.glob("pgdata*/PG_VERSION")), "initdb to be half way")
    os.killpg(process.popen.pid, signal.SIGKILL)
    process.end()
    process = start_process(SLOW)
    process.client().visit("/")
    assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("moment", ["pgdata-unfinished/base", "pgdata"])
def test_ctrl_c_during_the_start_leaves_nothing_running(start_process: StartProcess, moment: str) -> None:
    """Ctrl-C while the database is being made or started ends the process and its PostgreSQL."""
    process = start_process(SLOW)
    until((process.folder / moment).exists, moment)
    os.killpg(process.popen.pid, signal.SIGINT)
    process.end()
    assert "web server started" not in process.text
    assert not postgres_of(process.folder)


def test_two_services_do_not_share_a_folder(start_process: StartProcess) -> None:
    """A second service on the same folder does not start, says why, and leaves the first one alone."""
    first = start_process(SLOW)
    client = first.client()
    second = start_process(SLOW)
    assert second.end() == 1
    assert f"another process is using the data folder {first.folder}" in second.text
    client.visit("/")
    assert len(client.processed()) == 1
    assert first.end(signal.SIGTERM) == 0


def test_the_demonstration_ends_by_itself_when_all_is_processed(start_process: StartProcess, tmp_path: Path) -> None:
    """`demo.py --once` shows the graph and the start, checks, ends with 0 and leaves neither process nor file."""
    demo = start_process([DEMO, "--once"])
    assert demo.end() == 0, demo.text
    assert "All 432 were processed exactly once" in demo.text
    for part in ("db.pool", "geo.worker", "web.server"):
        assert part in demo.text
    assert not postgres_of(tmp_path)
    assert list(tmp_path.glob("visits-*")) == []


def test_the_demonstration_shows_the_page_until_it_is_stopped(start_process: StartProcess, tmp_path: Path) -> None:
    """`demo.py` gives the address of a page that shows the visits, and stops cleanly when it is asked to."""
    demo = start_process([DEMO, "--port", "0"])
    url = demo.line("Look at ").split()[-1]
    assert "Germany" in Client(url).get("/").text
    assert demo.end(signal.SIGTERM) == 0
    assert "Traceback" not in demo.text
    assert not postgres_of(tmp_path)


def test_a_demonstration_that_cannot_work_says_so(start_process: StartProcess, tmp_path: Path) -> None:
    """Where the port is taken the demonstration ends with 1 and a sentence, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        demo = start_process([DEMO, "--once", "--port", str(other.getsockname()[1])])
        assert demo.end() == 1
    assert "web.server" in demo.lines[-2]
    assert "Address already in use" in demo.lines[-2]
    assert "Traceback" not in demo.text
    assert not postgres_of(tmp_path)
