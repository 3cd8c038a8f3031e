"""The table of visits, and all the SQL there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import class_row

from mainspring import component

from .database import Pool
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
        self._pool = pool

    def migrate(self) -> int:
        """Bring the tables up to date, whatever they were.

        Returns:
            the number of steps that were taken now.
        """
        with self._pool.connection() as connection:
            # Two services may start on one database at the same moment.
            connection.execute("select pg_advisory_xact_lock(%s)", [_ONE_MIGRATION_AT_A_TIME])
            connection.execute("create table if not exists migrations (step integer primary key)")
            done = {step for (step,) in connection.execute("select step from migrations")}
            missing = [step for step in range(len(MIGRATIONS)) if step not in done]
            for step in missing:
                connection.execute(MIGRATIONS[step])
                connection.execute("insert into migrations values (%s)", [step])
            return len(missing)

    def add(self, path: str, ip: str) -> int:
        """Store a visit.

        Returns:
            its number. The visit is on disk by then.
        """
        with self._pool.connection() as connection:
            row = connection.execute(
                "insert into visits (path, ip) values (%s, %s) returning id", [path, ip]
            ).fetchone()
        assert row is not None
        return int(row[0])

    def process_next(self, find_country: Callable[[str], Country]) -> int | None:
        """Fill in the country of the oldest visit that nobody is working on.

        Everything happens in one transaction: either the visit has its country and has been counted as processed, or
        it is as it was and waits for its turn again.

        Returns:
            the number of the visit, or `None` if there is none to process.
        """
        with self._pool.connection() as connection:
            row = connection.execute(
                "select id, host(ip) from visits where processed_at is null order by id limit 1 for update skip locked"
            ).fetchone()
            if row is None:
                return None
            visit, ip = row
            country = find_country(ip)
            connection.execute(
                "update visits set country_code = %s, country = %s, processed_at = clock_timestamp(),"
                " times_processed = times_processed + 1 where id = %s",
                [country.code, country.name, visit],
            )
        return int(visit)

    def latest(self, limit: int = 20) -> list[Visit]:
        """List the newest visits, newest first."""
        with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Visit)) as cursor:
            return cursor.execute(
                "select id, path, host(ip) as ip, seen_at, country_code, country, times_processed"
                " from visits order by id desc limit %s",
                [limit],
            ).fetchall()

    def by_country(self) -> list[CountryCount]:
        """Count the processed visits of each country, most first."""
        with self._pool.connection() as connection, connection.cursor(row_factory=class_row(CountryCount)) as cursor:
            return cursor.execute(
                "select country_code, country, count(*) as visits from visits where processed_at is not null"
                " group by country_code, country order by visits desc, country"
            ).fetchall()

    def summary(self, only: Sequence[int] | None = None) -> Summary:
        """Count the visits: all of them, or those with the given numbers."""
        with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Summary)) as cursor:
            found = cursor.execute(
                "select count(*) as stored,"
                " count(*) filter (where processed_at is null) as waiting,"
                " count(*) filter (where processed_at is not null and times_processed = 1) as processed_once,"
                " count(*) filter (where times_processed > 1) as processed_more_than_once,"
                " count(distinct country_code) as countries"
                " from visits where %(only)s::bigint[] is null or id = any(%(only)s::bigint[])",
                {"only": None if only is None else list(only)},
            ).fetchone()
        assert found is not None
        return found

    def status(self) -> dict[str, Any]:
        """Give the summary as plain data."""
        return asdict(self.summary())


@component
def visits(pool: Pool) -> Visits:
    """Table of visits, brought up to date.

    Parameters:
        pool: open connections to the database.

    Returns:
        the stored visits.

    Raises:
        psycopg.Error: the database refused a step.
    """
    store = Visits(pool)
    store.migrate()
    return store


@visits.status
def _(store: Visits) -> dict[str, Any]:
    return store.status()
