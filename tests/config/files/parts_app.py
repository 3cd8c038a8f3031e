"""Components of every kind, handlers, and whatever else a file may name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from mainspring import Component, Plugin, Signal, System, component, ref
from mainspring.plugins import timing

said: list[str] = []


def say(*what: Any) -> None:
    """Note that something happened."""
    said.append(" ".join(map(str, what)))


@component
def pool(dsn: str, *, max_size: int = 10, hosts: Any = ()) -> Iterator[dict[str, Any]]:
    """Connections."""
    yield {"dsn": dsn, "max_size": max_size, "hosts": hosts}


@pool.status
def _(pool: dict[str, Any]) -> str:
    return "fine"


@component
async def feed(host: str) -> AsyncIterator[str]:
    """News."""
    yield host


def generator(size: int = 1) -> Iterator[int]:
    """A bare generator function."""
    yield size


def function(size: int = 1) -> list[int]:
    """A bare function."""
    return [size]


def anything(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """Takes whatever it is given."""
    return kwargs


class Server:
    """A class with start and stop."""

    def __init__(self, port: int = 0, is_open: bool = False, handler: Any = None) -> None:
        self.port, self.is_open, self.handler = port, is_open, handler

    def start(self) -> None:
        """Begin."""
        say("server up", self.port)

    def stop(self) -> None:
        """End."""
        say("server down", self.port)


@contextmanager
def entered(name: str) -> Iterator[str]:
    """A context manager."""
    say("enter", name)
    yield name
    say("leave", name)


ready = Component(dict, config={"a": 1, "b": {"c": 2}}, doc="Made already.", tags=["made"])


class Point(NamedTuple):
    """Something to be built."""

    x: Any
    y: Any = 0


def close(instance: Any) -> None:
    """A stop."""
    say("close", instance)


def look(instance: Any) -> str:
    """A status."""
    return "seen"


def reload(instance: Any) -> None:
    """A handler for a signal of one's own."""
    say("reload", instance)


def before(*_: Any) -> None:
    """Comes before."""
    say("before")


def after(*_: Any) -> None:
    """Comes after."""
    say("after")


def doubled(instance: Any) -> Any:
    """What others see."""
    return [instance, instance]


def fits(config: Any) -> None:
    """A schema."""


class Handlers:
    """A place for handlers."""

    look = staticmethod(look)


not_callable = 3

inner = System(
    {"env": {"currency": "EUR"}, "prices": {"list": Component(anything, config={"in": ref("env.currency")})}},
    name="shop",
)


def make_inner() -> System:
    """A function that returns a system."""
    return inner


timed = timing
signal = Signal("reload")


doc = Plugin("doc", doc="Adds a constant.", defaults={"plugged": {"in": True}})
