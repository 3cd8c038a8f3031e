"""The service with a worker that breaks by itself at the first visit: the look-up fails, and so does telling of it."""

from __future__ import annotations

from typing import Any

from mainspring import component
from visits.geo import Country, FindCountry
from visits.system import make_system


class BrokenLog:
    """A log that cannot be told of trouble."""

    def info(self, event: str, **more: Any) -> None:
        """Take no notice."""

    def warning(self, event: str, **more: Any) -> None:
        """Fail."""
        raise RuntimeError("the log is broken")


@component
def broken_log() -> BrokenLog:
    """Give a log that fails."""
    return BrokenLog()


@component
def broken_countries() -> FindCountry:
    """Give a look-up that fails."""

    def find(ip: str) -> Country:
        raise RuntimeError("no map")

    return find


BROKEN_WORKER = {"geo.countries": broken_countries(), "events.log": broken_log()}

system = make_system(profile="test").override(BROKEN_WORKER)
