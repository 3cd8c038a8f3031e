"""Where modules are looked for, and what cannot be had."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from mainspring import MainspringError


class Trouble(MainspringError):
    """What the user asked for cannot be had; the message says why, in whole sentences."""


@contextmanager
def on_path(directory: str) -> Generator[None, None, None]:
    """Look for modules in a directory first, as `python -m` does; at the end they are looked for where they were before."""
    before = list(sys.path)
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.path[:] = before
