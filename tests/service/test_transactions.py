"""A copy of the visits for the time of one transaction, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from psycopg import DataError

from visits.geo import Country
from visits.store import Visits, Waiting
from visits.system import make_system
from visits.worker import process_next

pytestmark = pytest.mark.anyio

NOWHERE = Country("XX", "Nowhere")


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of the service."""
    return "asyncio"


@pytest.fixture
async def visits(anyio_backend: str, environ: dict[str, str]) -> AsyncIterator[Visits]:
    """The visits, started with what they need and nothing else."""
    async with make_system(profile="test", environ=environ).started("db.visits") as live:
        yield live["db.visits"]


async def paths(visits: Visits) -> list[str]:
    """The paths that are stored, the first first."""
    return [visit.path for visit in await visits.latest()][::-1]


async def test_what_a_copy_did_is_kept_and_seen_by_others_at_the_end(visits: Visits) -> None:
    """Inside the block the copy sees what it did and nobody else does; afterwards everybody does."""
    async with visits.transaction() as tx:
        await tx.add("/one", "9.9.9.9")
        await tx.add("/two", "9.9.9.9")
        assert await paths(tx) == ["/one", "/two"]
        assert await paths(visits) == []
    assert await paths(visits) == ["/one", "/two"]


async def test_an_error_undoes_all_that_a_copy_did(visits: Visits) -> None:
    """An error leaves the block as it is, and nothing of what was done is left."""

    async def add_and_fail() -> None:
        async with visits.transaction() as tx:
            await tx.add("/one", "9.9.9.9")
            raise LookupError("changed my mind")

    await visits.add("/before", "9.9.9.9")
    with pytest.raises(LookupError, match="changed my mind"):
        await add_and_fail()
    assert await paths(visits) == ["/before"]


async def test_a_copy_cannot_be_used_after_its_block(visits: Visits) -> None:
    """A copy that was kept says that its transaction is over, whether that was kept or undone."""
    kept: list[Visits] = []

    async def keep_and_fail() -> None:
        async with visits.transaction() as tx:
            kept.append(tx)
            raise LookupError

    async with visits.transaction() as tx, tx.transaction() as inner:
        kept += [tx, inner]
    with pytest.raises(LookupError):
        await keep_and_fail()
    for copy in kept:
        with pytest.raises(RuntimeError, match="the transaction of these visits is over"):
            await copy.add("/late", "9.9.9.9")
        with pytest.raises(RuntimeError, match="the transaction of these visits is over"):
            await copy.transaction().__aenter__()
    assert await paths(visits) == []


async def test_a_transaction_in_a_transaction_is_undone_by_itself(visits: Visits) -> None:
    """After an error in the inner block, also one of the database, the outer one goes on with what it had done."""

    async def add_two(tx: Visits) -> None:
        async with tx.transaction() as inner:
            await inner.add("/two", "9.9.9.9")
            await inner.add("/three", "no address")

    async with visits.transaction() as tx:
        await tx.add("/one", "9.9.9.9")
        with pytest.raises(DataError, match="invalid input syntax"):
            await add_two(tx)
        await tx.add("/four", "9.9.9.9")
    assert await paths(visits) == ["/one", "/four"]


async def test_a_copy_takes_one_connection_whatever_is_done_with_it(
    anyio_backend: str, environ: dict[str, str]
) -> None:
    """A copy, and copies of it, work with the one connection that was taken at the beginning of the block."""
    small = make_system(profile="test", environ=environ).override(
        {"db.pool.config.max_size": 2, "db.pool.config.timeout": 0.5}
    )
    async with small.started("db.visits") as live:
        visits = live.get("db.visits", Visits)
        async with visits.transaction() as one, visits.transaction() as other:
            async with one.transaction() as inner:
                await inner.add("/one", "9.9.9.9")
            await other.add("/two", "9.9.9.9")
        assert sorted(await paths(visits)) == ["/one", "/two"]


async def test_a_visit_that_was_taken_is_left_alone_until_the_end_of_the_transaction(visits: Visits) -> None:
    """Two transactions take two visits; one that is undone gives its visit back as it was."""

    async def take_and_fail() -> None:
        async with visits.transaction() as one, visits.transaction() as other:
            assert await one.take_next() == Waiting(first, "9.9.9.9")
            assert await other.take_next() == Waiting(second, "9.9.9.9")
            assert await one.take_next() == Waiting(first, "9.9.9.9")  # its own
            await one.fill_in(first, NOWHERE)
            raise LookupError

    first, second = [await visits.add(path, "9.9.9.9") for path in ("/one", "/two")]
    with pytest.raises(LookupError):
        await take_and_fail()
    assert [(visit.id, visit.times_processed) for visit in await visits.latest()] == [(second, 0), (first, 0)]


async def test_a_visit_is_processed_in_one_transaction(visits: Visits) -> None:
    """Where the look-up fails the visit waits for its turn again; where it does not, the visit is processed once."""
    number = await visits.add("/", "9.9.9.9")

    def fail(ip: str) -> Country:
        raise LookupError(ip)

    with pytest.raises(LookupError, match=r"9\.9\.9\.9"):
        await process_next(visits, fail)
    assert (await visits.summary()).waiting == 1
    assert await process_next(visits, lambda ip: NOWHERE) == number
    assert await process_next(visits, fail) is None
    assert (await visits.summary()).processed_once == 1
