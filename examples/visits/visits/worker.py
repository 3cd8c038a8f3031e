"""The background worker: fills in the country of each visit, one transaction at a time."""

from __future__ import annotations

import threading
from typing import Any

from mainspring import component

from .events import Log
from .geo import FindCountry
from .store import Visits


class Worker:
    """Takes unprocessed visits one by one until it is told to stop.

    Parameters:
        visits: where the visits are.
        find_country: gives the country of an address.
        log: where to tell what happens.
        idle: seconds to wait before looking again when there was nothing to do.
        pause: seconds to wait before trying again after an error.
    """

    def __init__(
        self, visits: Visits, find_country: FindCountry, log: Log, *, idle: float = 0.2, pause: float = 1.0
    ) -> None:
        self._visits = visits
        self._find_country = find_country
        self._log = log
        self._idle = idle
        self._pause = pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="visits-worker", daemon=True)
        self.processed = 0
        self.errors = 0
        self.last_error: str | None = None

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the visit under way, then end."""
        self._stopping.set()
        self._thread.join()

    def status(self) -> dict[str, Any]:
        """Tell whether the thread is at work, and what it has done so far."""
        return {
            "working": self._thread.is_alive(),
            "processed": self.processed,
            "errors": self.errors,
            "last_error": self.last_error,
        }

    def _work(self) -> None:
        self._log.info("worker started")
        while not self._stopping.is_set():
            try:
                done = self._visits.process_next(self._find_country)
            except Exception as error:
                # Whatever it was, the visit is as it was. A worker that gave up would leave all later ones waiting.
                self.errors += 1
                self.last_error = f"{type(error).__name__}: {error}"
                self._log.warning("visit not processed", error=self.last_error, retry_in=self._pause)
                self._stopping.wait(self._pause)
                continue
            if done is None:
                self._stopping.wait(self._idle)
            else:
                self.processed += 1
        self._log.info("worker stopped", processed=self.processed, errors=self.errors)


worker = component(Worker, status=Worker.status)
