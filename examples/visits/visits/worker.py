"""The background worker: fills in the country of each visit, one transaction at a time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from anyio import move_on_after, to_thread

from mainspring import Context, background

from .events import Log
from .geo import FindCountry
from .store import Visits


@dataclass
class Worker:
    """What others see of the worker.

    Parameters:
        working: whether it is at work.
        processed: how many visits it has processed.
        errors: how often it could not process one.
        last_error: why it could not, the last time.
    """

    working: bool = True
    processed: int = 0
    errors: int = 0
    last_error: str | None = None

    def status(self) -> dict[str, Any]:
        """Tell whether it is at work, and what it has done so far."""
        return asdict(self)


async def process_next(visits: Visits, find_country: FindCountry) -> int | None:
    """Fill in the country of the oldest visit that nobody is working on.

    Everything happens in one transaction: either the visit has its country and has been counted as processed, or it is
    as it was and waits for its turn again.

    Parameters:
        visits: where the visits are.
        find_country: gives the country of an address.

    Returns:
        the number of the visit, or `None` if there is none to process.
    """
    async with visits.transaction() as tx:
        visit = await tx.take_next()
        if visit is None:
            return None
        # In a thread, because nobody else must wait for a look-up that takes long; one that hangs can be given up.
        country = await to_thread.run_sync(find_country, visit.ip, abandon_on_cancel=True)
        await tx.fill_in(visit.id, country)
    return visit.id


@background(ready=True, deadlines={"stop": 10})
async def worker(
    visits: Visits,
    find_country: FindCountry,
    log: Log,
    *,
    idle: float = 0.2,
    pause: float = 1.0,
    ctx: Context = Context.here,
) -> None:
    """Background worker: takes unprocessed visits one by one until it is told to stop, and finishes the one under way.

    Parameters:
        visits: where the visits are.
        find_country: gives the country of an address.
        log: where to tell what happens.
        idle: seconds to wait before looking again when there was nothing to do.
        pause: seconds to wait before trying again after an error.
    """

    async def rest(seconds: float) -> None:
        with move_on_after(seconds):
            await ctx.stopping

    state = Worker()
    ctx.ready(state)
    log.info("worker started")
    try:
        while not ctx.stopping:
            try:
                done = await process_next(visits, find_country)
            except Exception as error:
                # Whatever it was, the visit is as it was. A worker that gave up would leave all later ones waiting.
                state.errors += 1
                state.last_error = f"{type(error).__name__}: {error}"
                log.warning("visit not processed", error=state.last_error, retry_in=pause)
                await rest(pause)
                continue
            if done is None:
                await rest(idle)
            else:
                state.processed += 1
    finally:
        state.working = False
        log.info("worker stopped", processed=state.processed, errors=state.errors)
