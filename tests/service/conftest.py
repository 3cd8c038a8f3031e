"""One PostgreSQL and one list of countries for all tests, one database for each, and the service in this process or its own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mainspring import InstanceCache

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "examples" / "visits")]

from visits_helpers import EXAMPLE, ROOT, Client, Process, Service, StartProcess, StartService, postgres_of  # noqa: E402

from visits.events import Publisher  # noqa: E402
from visits.system import make_system  # noqa: E402

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cache() -> Iterator[InstanceCache]:
    """Keeps what takes long to start and is the same in every test, from the first that needs it on."""
    with InstanceCache() as cache:
        yield cache


@pytest.fixture(scope="session")
def postgres(cache: InstanceCache) -> Iterator[str]:
    """A PostgreSQL server for all tests: the service's own, without the rest of the service."""
    with TemporaryDirectory(prefix="visits-test-") as folder:
        part = {"events.log": Publisher(StringIO()).log, "db.server.cached": True}
        with (
            make_system(profile="test", environ={"VISITS_DATA": folder})
            .override(part)
            .started("db.server", cache=cache) as live
        ):
            dsn: str = live["db.server"].dsn
        yield dsn
        cache.stop("db.server")
        assert not postgres_of(Path(folder))


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that is not below pytest's own.

    For root, PostgreSQL runs as another user, from whom every pytest that begins takes away the way into that folder.
    """
    with TemporaryDirectory(prefix="visits-test-") as name:
        yield Path(name)


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """An empty database of one test."""
    name = f"test_{next(NUMBERS)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
        yield make_conninfo(postgres, dbname=name)
        connection.execute(f'drop database "{name}" with (force)'.encode())


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment variables of a service in this process."""
    return {"DATABASE_URL": database_url, "VISITS_EVENTS": str(tmp_path / "events.jsonl")}


@pytest.fixture
def start_service(environ: Mapping[str, str], cache: InstanceCache) -> Iterator[StartService]:
    """A function that starts the service in this process, with overrides; all are stopped at the end of the test."""
    system = make_system(profile="test", environ=environ).override({"geo.countries.cached": True})
    with ExitStack() as stack:

        def start(overrides: Mapping[str, Any] | None = None) -> Service:
            live = stack.enter_context(system.override(dict(overrides or {})).started(cache=cache))
            return Service(live, Client(live["web.server"].url))

        yield start


@pytest.fixture
def service(start_service: StartService) -> Service:
    """The service as it is, running in this process."""
    return start_service()


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """A function that starts a process, by default with a PostgreSQL of its own; at the end of the test nothing is left."""
    folder = tmp_path / "data"
    started: list[Process] = []

    def start(command: Sequence[str], more: Mapping[str, str] | None = None) -> Process:
        environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        environ |= {
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", EXAMPLE, Path(__file__).parent))),
            "VISITS_DATA": str(folder),
            "VISITS_PORT": "0",
            "TMPDIR": str(tmp_path),
            **(more or {}),
        }
        popen = subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        process = Process(popen, folder)
        started.append(process)
        process.read()
        return process

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.end(signal.SIGKILL)
        assert process.popen.stdout is not None
        process.popen.stdout.close()
    left = postgres_of(tmp_path)
    for server_process in left:
        server_process.kill()
    # pytest keeps temporary folders for a while, and a database is 40 MB.
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, "a PostgreSQL server was left running"
