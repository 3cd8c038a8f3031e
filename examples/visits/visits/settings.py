"""What the environment says, as constants of the system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainspring import Secret


def read_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """Turn environment variables into the constants of the group `env`.

    Parameters:
        environ: usually `os.environ`. `DATABASE_URL` is the address of a PostgreSQL server to use; without it the
            service runs one of its own in the folder `VISITS_DATA` (default: `visits-data` in the current folder).
            `VISITS_HOST` and `VISITS_PORT` say where to listen (default: 127.0.0.1, 8080; port 0 takes any free
            one). `VISITS_WORKER` says whether this process looks up countries (default: yes). `VISITS_EVENTS` is the file
            to write events to (default: `-`, the standard error stream).

    Returns:
        `data`, `database_url`, `host`, `port`, `worker` and `events`.

    Raises:
        ValueError: `VISITS_PORT` is not a port number, or `VISITS_WORKER` neither yes nor no.

    Example:
        >>> read_settings({"VISITS_PORT": "0"})["port"]
        0
    """
    url = environ.get("DATABASE_URL")
    return {
        "data": Path(environ.get("VISITS_DATA", "visits-data")),
        "database_url": Secret(url) if url else None,
        "host": environ.get("VISITS_HOST", "127.0.0.1"),
        "port": _port(environ.get("VISITS_PORT", "8080")),
        "worker": _yes_or_no(environ.get("VISITS_WORKER", "yes")),
        "events": environ.get("VISITS_EVENTS", "-"),
    }


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise ValueError(f"VISITS_PORT is {text!r}; it should be a number from 0 to 65535")
    return int(text)


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"VISITS_WORKER is {text!r}; it should be yes or no")
    return text == "yes"
