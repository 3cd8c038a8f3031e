"""The table of visits, and all the SQL there is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import class_row

from mainspring import component

from .database import Connection, Pool
from .geo import Country

# Never change a step that has been released: add one.
MIGRATIONS: tuple[LiteralString, ...] = (
    """
    create table visits (
        id              bigint generated always as identity primary key,
        path            text not null,
        ip              inet not null,
        seen_at         timestamptz not null default now(),
        country_code    text,
        country         text,
        processed_at    timestamptz,
        times_processed integer not null default 0
    )
    """,
    "create index visits_waiting on visits (id) where processed_at is null",
)

_ONE_MIGRATION_AT_A_TIME = 7_146_001


@dataclass(frozen=True)
class Visit:
    """One visit as it is stored; `country` and `country_code` are empty until it is processed."""

    id: int
    path: str
    ip: str
    seen_at: datetime
    country_code: str | None
    country: str | None
    times_processed: int


@dataclass(frozen=True)
class Waiting:
    """A visit that waits for its country."""

    id: int
    ip: str


@dataclass(frozen=True)
class CountryCount:
    """How many processed visits came from a country."""

    country_code: str | None
    country: str
    visits: int


@dataclass(frozen=True)
class Summary:
    """The state of the whole table in four numbers, and the number of countries."""

    stored: int
    waiting: int
    processed_once: int
    processed_more_than_once: int
    countries: int


class Visits:
    """The stored visits.

    Parameters:
        pool: open connections to the database.
    """

    def __init__(self, pool: Pool) -> None:
        self._connection: Callable[[], AbstractAsyncContextManager[Connection]] = pool.connection

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Visits]:
        """Give, for the time of a block, a copy of these visits of which all methods work in one transaction.

        What was done with the copy is kept when the block is left, and undone when it is left with an error. A transaction
        of the copy is a savepoint in this one.

        Returns:
            the copy, for one task at a time. It cannot be used after the block.
        """
        is_over = False

        @asynccontextmanager
        async def the_same() -> AsyncGenerator[Connection]:
            if is_over:
                raise RuntimeError("the transaction of these visits is over")
            yield connection

        async with self._connection() as connection, connection.transaction():
            bound = copy(self)
            bound._connection = the_same
            try:
                yield bound
            finally:
                is_over = True

    async def migrate(self) -> int:
        """Bring the tables up to date, whatever they were.

        Returns:
            the number of steps that were taken now.
        """
        async with self._connection() as connection:
            # Two services may start on one database at the same moment.
            await connection.execute("select pg_advisory_xact_lock(%s)", [_ONE_MIGRATION_AT_A_TIME])
            await connection.execute("create table if not exists migrations (step integer primary key)")
            cursor = await connection.execute("select step from migrations")
            done = {step for (step,) in await cursor.fetchall()}
            missing = [step for step in range(len(MIGRATIONS)) if step not in done]
            for step in missing:
                await connection.execute(MIGRATIONS[step])
                await connection.execute("insert into migrations values (%s)", [step])
            return len(missing)

    async def add(self, path: str, ip: str) -> int:
        """Store a visit.

        Returns:
            its number. The visit is on disk by then; in a transaction, at the end of that.
        """
        async with self._connection() as connection:
            cursor = await connection.execute("insert into visits (path, ip) values (%s, %s) returning id", [path, ip])
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def take_next(self) -> Waiting | None:
        """Take the oldest visit that nobody is working on: until the end of the transaction nobody else can.

        Of use on a copy for one transaction only: without it the transaction ends here.

        Returns:
            the visit, or `None` if none is waiting.
        """
        async with self._connection() as connection, connection.cursor(row_factory=class_row(Waiting)) as cursor:
            await cursor.execute(
                "select id, host(ip) as ip from visits where processed_at is null"
                " order by id limit 1 for update skip locked"
            )
            return await cursor.fetchone()

    async def fill_in(self, visit: int, country: Country) -> None:
        """Fill in the country of a visit, and count it as processed once more."""
        async with self._connection() as connection:
            await connection.execute(
                "update visits set country_code = %s, country = %s, processed_at = clock_timestamp(),"
                " times_processed = times_processed + 1 where id = %s",
                [country.code, country.name, visit],
            )

    async def latest(self, limit: int = 20) -> list[Visit]:
        """List the newest visits, newest first."""
        async with self._connection() as connection, connection.cursor(row_factory=class_row(Visit)) as cursor:
            await cursor.execute(
                "select id, path, host(ip) as ip, seen_at, country_code, country, times_processed"
                " from visits order by id desc limit %s",
                [limit],
            )
            return await cursor.fetchall()

    async def by_country(self) -> list[CountryCount]:
        """Count the processed visits of each country, most first."""
        async with self._connection() as connection, connection.cursor(row_factory=class_row(CountryCount)) as cursor:
            await cursor.execute(
                "select country_code, country, count(*) as visits from visits where processed_at is not null"
                " group by country_code, country order by visits desc, country"
            )
            return await cursor.fetchall()

    async def summary(self, only: Sequence[int] | None = None) -> Summary:
        """Count the visits: all of them, or those with the given numbers."""
        async with self._connection() as connection, connection.cursor(row_factory=class_row(Summary)) as cursor:
            await cursor.execute(
                "select count(*) as stored,"
                " count(*) filter (where processed_at is null) as waiting,"
                " count(*) filter (where processed_at is not null and times_processed = 1) as processed_once,"
                " count(*) filter (where times_processed > 1) as processed_more_than_once,"
                " count(distinct country_code) as countries"
                " from visits where %(only)s::bigint[] is null or id = any(%(only)s::bigint[])",
                {"only": None if only is None else list(only)},
            )
            found = await cursor.fetchone()
        assert found is not None
        return found

    async def status(self) -> dict[str, Any]:
        """Give the summary as plain data."""
        return asdict(await self.summary())


@component
async def visits(pool: Pool) -> Visits:
    """Table of visits, brought up to date.

    Parameters:
        pool: open connections to the database.

    Returns:
        the stored visits.

    Raises:
        psycopg.Error: the database refused a step.
    """
    store = Visits(pool)
    await store.migrate()
    return store


@visits.status
async def _(store: Visits) -> dict[str, Any]:
    return await store.status()
