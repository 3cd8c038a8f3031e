"""The whole service: what its parts are, and how they hold together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mainspring import System, adjust, local_ref, ref, required

from . import database, events, geo, store, web
from .settings import read_settings
from .worker import worker


def make_system(environ: Mapping[str, str] = os.environ) -> System:
    """Define the service.

    Parameters:
        environ: the environment variables; see `settings.read_settings`.

    Returns:
        the definition. Nothing is started.

    Raises:
        ValueError: a variable has no sensible value.

    Example:
        >>> system = make_system({"VISITS_PORT": "0"}).override({"env.host": "127.0.0.1"})
    """
    has_worker = ref("env.worker")
    return System(
        {
            "env": read_settings(environ),
            "events": {
                "log": events.publisher(out=ref("env.events")),
            },
            "db": {
                "server": database.server(data=ref("env.data"), log=ref("events.log"), url=ref("env.database_url")),
                "pool": database.pool(database=local_ref("server")),
                "visits": store.visits(pool=local_ref("pool")),
            },
            "geo": {
                "countries": geo.countries().replace(enabled=has_worker),
                "worker": worker(
                    visits=ref("db.visits"), find_country=local_ref("countries"), log=ref("events.log")
                ).replace(enabled=has_worker),
            },
            "web": {
                "app": web.make_app(
                    db=ref("db.pool"),
                    visits=ref("db.visits"),
                    worker=ref("geo.worker", optional=True),
                    log=ref("events.log"),
                ),
                "server": web.server(
                    app=local_ref("app"), log=ref("events.log"), host=ref("env.host"), port=ref("env.port")
                ),
            },
        },
        base={"status": ask},
        name="visits",
    )


def ask(part: Any) -> Any:
    """Ask a part how it is: the status handler of all components that have no other."""
    return part.status()


system = make_system()


def prod() -> System:
    """The service on the database at DATABASE_URL, and never on one of its own."""
    return system.override({"env.database_url": adjust(lambda url: required if url is None else url)})
