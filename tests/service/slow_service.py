"""The service with a look-up so slow that the worker is always behind: a kill finds it at work."""

from __future__ import annotations

import threading

from mainspring import component
from visits.geo import Country, FindCountry
from visits.system import make_system


@component
def slow_countries() -> FindCountry:
    """Take a while for each address."""

    def find(ip: str) -> Country:
        threading.Event().wait(0.005)
        return Country("XX", "Nowhere")

    return find


system = make_system(profile="test").override({"geo.countries": slow_countries()})
