"""The country of an IP address, from data that came with the installation. Nothing is asked over the network."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mainspring import component

from .process import preserved_variables, quiet_import


@dataclass(frozen=True)
class Country:
    """A country.

    Parameters:
        code: two letters as in ISO 3166, or `None` where an address belongs to no country.
        name: its name in English, or why there is none.
    """

    code: str | None
    name: str


NOT_PUBLIC = Country(None, "Not public")
UNKNOWN = Country(None, "Unknown")

FindCountry = Callable[[str], Country]


class Countries:
    """Offline look-up of countries, in memory.

    Parameters:
        data: a data file of geoip2fast.
    """

    def __init__(self, data: Path) -> None:
        from geoip2fast import GeoIP2Fast  # type: ignore[import-untyped]

        self._geo = GeoIP2Fast(geoip2fast_data_file=str(data))
        self.data = data
        self.asked = 0

    def __call__(self, ip: str) -> Country:
        """Find the country of an address, IPv4 or IPv6."""
        self.asked += 1
        if not ipaddress.ip_address(ip).is_global:
            return NOT_PUBLIC
        found = self._geo.lookup(ip)
        if found.is_private:
            return NOT_PUBLIC
        if not found.country_code.isalpha():
            return UNKNOWN
        return Country(found.country_code, found.country_name)

    def status(self) -> dict[str, object]:
        """Tell which data is in use and how often it was asked."""
        return {"data": self.data.name, "asked": self.asked}


@component(thread="worker")  # reading the data takes a while
def countries(data: Path | None = None) -> Countries:
    """Offline look-up of countries.

    Parameters:
        data: a data file of geoip2fast; by default the one with IPv4 and IPv6 that is installed with it.

    Returns:
        a function from an address to its country.

    Raises:
        geoip2fast.geoip2fast.GeoIPError: the data file cannot be read.
    """
    # Importing geoip2fast sets these for all processes started later, and Python warns of its escapes.
    with preserved_variables("PYTHONWARNINGS", "PYTHONIOENCODING"), quiet_import():
        import geoip2fast

    # A bare file name would be looked for in the current folder first, and what is found there is unpickled.
    return Countries(data or Path(geoip2fast.__file__).parent / "geoip2fast-ipv6.dat.gz")
