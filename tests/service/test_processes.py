"""The service and its demonstration as processes, with a PostgreSQL of their own, and what a kill leaves behind."""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import threading
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from visits_helpers import (
    EXAMPLE,
    PATIENCE,
    Client,
    Load,
    Process,
    StartProcess,
    half_a_request,
    postgres_of,
    quiet_port,
    until,
)

SLOW = ["-m", "mainspring", "run", "slow_service:system"]
DEMO = str(EXAMPLE / "demo.py")


def nothing_open(url: str, name: str) -> None:
    """Wait until an application has nothing open in PostgreSQL."""
    with psycopg.connect(url, autocommit=True) as admin:
        ask = "select 1 from pg_stat_activity where application_name = %s"
        until(lambda: admin.execute(ask, [name]).fetchone() is None, f"PostgreSQL to let go of {name}")


def stored(url: str) -> dict[str, int]:
    """Read how often each visit was processed, past the service; each was stored once."""
    with psycopg.connect(url) as admin:
        visits = admin.execute("select path, times_processed from visits").fetchall()
    assert len(dict(visits)) == len(visits), "a visit was stored twice"
    return dict(visits)


@pytest.mark.parametrize("database_too", [False, True], ids=["service", "service-and-database"])
def test_no_visit_is_lost_or_processed_twice_when_the_process_is_killed(
    start_process: StartProcess, database_too: bool
) -> None:
    """Killed in the middle of load, twice, and started again on the same data: what was accepted is processed once."""
    port = quiet_port()
    with Load(port) as load:
        for _ in range(2):
            process = start_process(SLOW, {"VISITS_PORT": str(port)})
            load.wait(60)
            process.end(signal.SIGKILL)
            if database_too:
                for server in postgres_of(process.folder):
                    server.kill()
                    server.wait(PATIENCE)
    process = start_process(SLOW)
    visits = process.client().processed()
    processed = [visit["path"] for visit in visits]
    assert len(processed) == len(set(processed))
    assert set(load.accepted) <= set(processed)
    assert {visit["times_processed"] for visit in visits} == {1}
    assert process.end(signal.SIGTERM) == 0
    assert not postgres_of(process.folder)


MOMENTS = ("start", "run", "stop")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)


def test_no_visit_is_lost_or_processed_twice_whatever_the_signal_and_the_moment(
    start_process: StartProcess, database_url: str
) -> None:
    """Under load, sent signals at random moments, the service ends as it should, leaves nothing open and loses nothing.

    SERVICE_SIGNALS is how many signals are sent, SERVICE_SEED makes the same choices again.
    """
    seed = int(os.environ.get("SERVICE_SEED") or random.getrandbits(32))
    runs = int(os.environ.get("SERVICE_SIGNALS") or 20)
    print(f"SERVICE_SEED={seed} SERVICE_SIGNALS={runs}")
    chance = random.Random(seed)
    cases = [case for case, _ in zip(itertools.cycle(itertools.product(MOMENTS, SIGNALS)), range(runs), strict=False)]
    chance.shuffle(cases)
    port = quiet_port()
    ends: Counter[str] = Counter()

    def start(name: str) -> Process:
        url = make_conninfo(database_url, application_name=name)
        return start_process([*SLOW, "--grace", "20"], {"DATABASE_URL": url, "VISITS_PORT": str(port)})

    def a_while(longest: float) -> None:
        # The moment has to be one that nothing tells of.
        threading.Event().wait(chance.uniform(0, longest))

    with Load(port) as load:
        for run, (moment, number) in enumerate(cases):
            name = f"visits-{seed}-{run}"
            process = start(name)
            process.line("Starting ")
            if moment == "start":
                a_while(0.1)
            else:
                load.wait(chance.randint(1, 40))
            if moment == "stop":
                first = chance.choice([signal.SIGTERM, signal.SIGINT])
                process.popen.send_signal(first)
                process.line(": stopping")
                a_while(0.25)
            if number == signal.SIGHUP and moment != "stop":
                process.popen.send_signal(number)
                process.line("web server started", 2)
                load.wait(3)
                status = process.end(signal.SIGTERM)
            else:
                status = process.end(number)
            ends[f"{number.name} in {moment}: {status}"] += 1

            right = {-9} if number == signal.SIGKILL else {0}
            if moment == "stop":
                # It may have been over already.
                right |= {0} if number in (signal.SIGKILL, signal.SIGHUP) else {0, 128 + number}
            assert status in right, f"{number.name} in {moment} of run {run}: {status}\n{process.text}"
            assert status == -9 or "Traceback" not in process.text, process.text
            nothing_open(database_url, name)

    process = start("visits-last")
    process.client().processed()
    assert process.end(signal.SIGTERM) == 0
    times = stored(database_url)
    print(f"{len(load.accepted)} of {len(times)} stored visits were answered; {dict(sorted(ends.items()))}")
    assert set(load.accepted) <= times.keys()
    assert set(times.values()) == {1}


def test_a_request_under_way_is_answered_before_the_end(start_process: StartProcess, database_url: str) -> None:
    """A visit that is still coming in when the service is asked to stop is stored and answered, and the status is 0."""
    process = start_process(SLOW, {"DATABASE_URL": database_url})
    connection, rest = half_a_request(process.client())
    with connection:
        process.popen.send_signal(signal.SIGTERM)
        process.line(": stopping")
        connection.sendall(rest)
        assert connection.recv(4096).startswith(b"HTTP/1.1 201 ")
    assert process.end() == 0
    assert stored(database_url).keys() == {"/slow"}


def test_a_second_signal_ends_the_process_at_once(start_process: StartProcess, database_url: str) -> None:
    """While a request holds up the stop, another signal ends the process with 128 and its number."""
    process = start_process(SLOW, {"DATABASE_URL": database_url})
    connection, _ = half_a_request(process.client())
    with connection:
        process.popen.send_signal(signal.SIGTERM)
        process.line(": stopping")
        assert process.end(signal.SIGINT) == 128 + signal.SIGINT


def test_a_service_that_breaks_by_itself_ends_with_4(start_process: StartProcess, database_url: str) -> None:
    """When the worker breaks, everything is stopped in order, and the process says why and ends with 4."""
    process = start_process(
        ["-m", "mainspring", "run", "broken_service:system"],
        {"DATABASE_URL": database_url, "VISITS_PORT": str(port := quiet_port())},
    )
    process.line("All up")
    Client(f"http://127.0.0.1:{port}/").visit("/")
    assert process.end() == 4
    assert "the log is broken" in process.text
    assert "geo.worker" in process.text
    assert stored(database_url) == {"/": 0}


def test_the_names_of_the_service_are_those_of_its_folder(start_process: StartProcess, database_url: str) -> None:
    """In production the service runs on the database that it is given, and does not start without one."""
    prod = ["-m", "mainspring", "run", "prod", "-C", str(EXAMPLE)]
    without = start_process(prod)
    assert without.end() == 2
    assert "env.database_url: is required" in without.text
    assert not without.folder.exists()
    process = start_process(prod, {"DATABASE_URL": database_url})
    process.client().visit("/")
    assert process.end(signal.SIGTERM) == 0
    assert stored(database_url).keys() == {"/"}


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


def test_the_demonstration_shows_the_page_until_it_is_stopped(start_process: StartProcess, database_url: str) -> None:
    """`demo.py` gives the address of a page that shows the visits, and stops cleanly when it is asked to."""
    demo = start_process([DEMO, "--port", "0"], {"DATABASE_URL": database_url})
    url = demo.line("Look at ").split()[-1]
    assert "Germany" in Client(url).get("/").text
    assert demo.end(signal.SIGTERM) == 0
    assert "Traceback" not in demo.text


def test_a_demonstration_that_cannot_work_says_so(start_process: StartProcess, database_url: str) -> None:
    """Where the port is taken the demonstration ends with 1 and a sentence, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        demo = start_process([DEMO, "--once", "--port", str(other.getsockname()[1])], {"DATABASE_URL": database_url})
        assert demo.end() == 1
    assert "web.server" in demo.lines[-2]
    assert "Address already in use" in demo.lines[-2]
    assert "Traceback" not in demo.text
