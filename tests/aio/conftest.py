"""What the tests of async systems share."""

from __future__ import annotations

import pytest
from aio_helpers import Backend, Log


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Backend:
    """Runs a coroutine function, on each backend in turn."""
    return Backend(request.param)


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()
