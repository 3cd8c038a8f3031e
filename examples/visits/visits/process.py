"""What belongs to the whole process, and is touched with care, because components start at the same time."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def preserved_variables(*names: str) -> Generator[None]:
    """Put environment variables back as they were when the block is left, and touch no others.

    Parameters:
        names: the variables.
    """
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def quiet_import() -> Generator[None]:
    """Show no warnings in the block: some libraries are imported with a few that nobody here can do anything about."""
    # What is to be warned of is one list for all threads: two that change it and put it back must not overlap.
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
