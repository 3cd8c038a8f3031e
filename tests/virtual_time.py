"""Event loops whose time jumps: nothing is slept through, and what takes an hour is over at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

PATIENCE = 30.0  # real seconds after which a loop with nothing to do and nothing to wait for is taken to hang


class Hanging(AssertionError):
    """An event loop has nothing to do, no timer is set, and nobody from outside has come in time."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting until the next timer, puts the clock there.

    Parameters:
        grace: real seconds in which something may still come from a thread before the clock is put forward.
    """

    def __init__(self, grace: float) -> None:
        super().__init__()
        self.grace = grace
        self.ahead = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """What is ready; if nothing is, the time has come for the next timer."""
        if timeout is None:
            found = super().select(PATIENCE)
            if not found:
                raise Hanging("the event loop has nothing to do any more")
            return found
        found = super().select(self.grace if timeout > 0 else 0)
        if not found and timeout > 0:
            self.ahead += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop of asyncio with virtual time.

    Parameters:
        grace: real seconds in which something may still come from a thread before the clock is put forward.
    """

    def __init__(self, grace: float = 0.0) -> None:
        self._jumping = _JumpingSelector(grace)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.ahead


def run_asyncio(main: Callable[[], Coroutine[Any, Any, None]], grace: float = 0.0) -> None:
    """Run `main` on asyncio in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(grace)) as runner:
        runner.run(main())


def run_trio(main: Callable[[], Coroutine[Any, Any, None]], grace: float = 0.0) -> None:
    """Run `main` on trio in virtual time."""
    import trio
    import trio.testing

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=grace))
