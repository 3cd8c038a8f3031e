"""The components of a small service, each of which keeps what it was given, and says when it is started and stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from mainspring import component

said: list[str] = []


class Part(NamedTuple):
    """What a component of the service is: its name, and what it was given."""

    name: str
    given: dict[str, Any]


def _running(name: str, **given: Any) -> Iterator[Part]:
    said.append(f"start {name}")
    yield Part(name, given)
    said.append(f"stop {name}")


@component
def publish(*, publisher: dict[str, Any]) -> Iterator[Part]:
    """Publishes events."""
    yield from _running("log", publisher=publisher)


@component
def http_server(*, handler: Any, port: int, join: bool) -> Iterator[Part]:
    """Serves requests."""
    yield from _running("server", handler=handler, port=port, join=join)


@component
def relational_store(*, host: str, port: Any, username: str, password: str) -> Iterator[Part]:
    """A connection to the database."""
    yield from _running("store", host=host, port=port, username=username, password=password)


@component
def data_provider(*, tides_base_url: str, weather_api_uri: str, **reports: str) -> Iterator[Part]:
    """Connections to other services."""
    yield from _running("provider", tides_base_url=tides_base_url, weather_api_uri=weather_api_uri, **reports)


@component
def router(*, persistence: Any, data_provider: Any) -> Iterator[Part]:
    """Answers requests, with the help of the rest."""
    yield from _running("router", persistence=persistence, data_provider=data_provider)
