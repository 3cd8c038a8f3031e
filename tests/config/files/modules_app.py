"""Modules: functions that give groups, from a few settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mainspring import Secret, component, ref

calls: list[dict[str, Any]] = []


@component
def pool(dsn: str, *, size: int = 10) -> Iterator[str]:
    """Connections."""
    yield f"{dsn}, {size}"


@component
def migrations(pool: str, folder: str = "migrations") -> Iterator[str]:
    """Brings the database up to date."""
    yield f"{folder} in {pool}"


def database(dsn: str = "sqlite:", size: int = 5, with_migrations: bool = True) -> dict[str, Any]:
    """A pool, and what it needs."""
    calls.append({"dsn": dsn, "size": size, "with_migrations": with_migrations})
    groups: dict[str, Any] = {
        "db": {"pool": {"component": "modules_app:pool", "config": {"dsn": dsn, "size": size}}},
        "env": {"database": {"kind": dsn.partition(":")[0], "size": size}},
    }
    if with_migrations:
        groups["db"]["migrations"] = migrations(pool=ref("db.pool"))
    return groups


def pinned(port: int = 80) -> dict[str, Any]:
    """One constant."""
    return {"env": {"port": port, "hosts": ["a", "b"], "deep": {"n": 1}}}


def other(port: int = 80, n: int = 1) -> dict[str, Any]:
    """The same constant, and another one."""
    return {"env": {"port": port, "other": True, "deep": {"n": n, "m": 2}}}


def nested() -> dict[str, Any]:
    """A module that brings modules."""
    return {"modules": {"inner": {"module": "modules_app:pinned", "config": {"port": 81}}}, "env": {"nested": True}}


def endless(n: int = 0) -> dict[str, Any]:
    """A module that brings one more of itself, each time."""
    return {"modules": {f"more-{n}": {"module": "modules_app:endless", "config": {"n": n + 1}}}}


def itself() -> dict[str, Any]:
    """A module that brings itself, under the same name."""
    return {"modules": {"self": {"module": "modules_app:itself"}}, "env": {"a": 1}}


def raises(key: Any = None, **given: Any) -> dict[str, Any]:
    """A module that tells what it was given."""
    raise RuntimeError(f"cannot do anything with {key.reveal() if isinstance(key, Secret) else key}")


def gives_nothing() -> None:
    """A module without a return."""


def gives_list() -> list[int]:
    """A module that gives no groups."""
    return [1]


def gives_bad_groups() -> dict[str, Any]:
    """A module whose group is no mapping."""
    return {"db": 3}


def gives_unknown(target: str = "modules_app:pol") -> dict[str, Any]:
    """A module with a component that there is not."""
    return {
        "db": {
            "pool": {"component": target},
            "more": {"component": "modules_app:pool", "confg": {}, "config": {"dsn": "a"}},
        }
    }


def gives_tags() -> Any:
    """A module with tags."""
    from mainspring.config import tags

    return {"env": {"port": tags.int_(tags.or_(tags.env("PORT"), 80)), "again": tags.ref("env.port")}}


def with_kwargs(**given: Any) -> dict[str, Any]:
    """Takes whatever it is given."""
    return {"env": {"given": given}}


not_callable = 3
