"""Event loops, of asyncio and of trio, as far as they are needed here. Everything of AnyIO comes through this module."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeVar

from ..errors import MissingExtra, StateError
from .conduct import MEMBER_OF
from .workers import forget_loop

try:
    from anyio import CancelScope as CancelScope
    from anyio import current_time as current_time
    from anyio import sleep as sleep
    from anyio.lowlevel import checkpoint as checkpoint
except ImportError as error:
    raise MissingExtra("async", "A system with async components, and every verb that is awaited,") from error


T = TypeVar("T")


class Parker(Protocol):
    """Lets one task wait until somebody wakes it, once."""

    def wake(self) -> None:
        """End the waiting, or keep it from beginning. In the loop's own thread."""
        ...

    def wait(self) -> Awaitable[object]:
        """Wait."""
        ...


class World(Protocol):
    """One running event loop, of either backend, as far as it is needed here."""

    name: str
    cancelled: type[BaseException]
    scope: Callable[[], CancelScope]  # a new one, without AnyIO having to find out first which loop is running

    def spawn(self, target: Callable[[], Coroutine[Any, Any, None]], name: str, context: Context) -> None:
        """Begin a task that nobody's cancellation reaches."""
        ...

    def parker(self) -> Parker:
        """Something to wait for."""
        ...

    def call_soon(self, call: Callable[[], object]) -> bool:
        """Have something done in the loop's thread, if it is not over. May be called from any."""
        ...

    def clock(self) -> float:
        """The loop's time, in seconds."""
        ...

    def current_task(self) -> object:
        """The task that is running."""
        ...

    def is_ending(self) -> bool:
        """Whether the loop is over, and ends whatever task there still is, this one too."""
        ...

    def is_running_here(self) -> bool:
        """Whether this thread is inside the loop."""
        ...

    def run_from_outside(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Have a coroutine run in the loop and wait for it, in a thread that has no loop."""
        ...


class _Future:
    __slots__ = ("_future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future = loop.create_future()

    def wake(self) -> None:
        try:
            if not self._future.done():
                self._future.set_result(None)
        except asyncio.InvalidStateError:
            pass  # between the two a signal's handler cancelled the task that waits

    def wait(self) -> Awaitable[object]:
        return self._future


def _from_one(clock: Callable[[], float]) -> Callable[[], float]:
    # To the run machine 0.0 is no moment at which anything can begin; the clocks of tests begin there.
    return clock if clock() > 0 else lambda: clock() + 1.0


class AsyncioWorld:
    """An event loop of asyncio."""

    name = "asyncio"
    cancelled: type[BaseException] = asyncio.CancelledError

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        # The usual loops' clock is this very one, behind a call of its own.
        is_usual = getattr(type(self.loop), "time", None) is asyncio.BaseEventLoop.time
        self.clock = time.monotonic if is_usual else _from_one(self.loop.time)
        self.scope: Callable[[], CancelScope] = type(CancelScope())
        self._thread = threading.get_ident()
        self._tasks: set[object] = set()  # asyncio itself holds tasks only weakly
        self._is_ending = False

    def spawn(self, target: Callable[[], Coroutine[Any, Any, None]], name: str, context: Context) -> None:
        """Begin a task that nobody's cancellation reaches."""
        mine: list[object] = []
        mine.append(self.loop.create_task(self._held(target, mine), name=name, context=context))
        self._tasks.update(mine)

    async def _held(self, target: Callable[[], Coroutine[Any, Any, None]], mine: list[object]) -> None:
        # Lets go of the task itself: a callback for when it is done would cost one more turn of the loop for each.
        try:
            await target()
        finally:
            self._tasks.difference_update(mine)

    def parker(self) -> Parker:
        """Something to wait for."""
        return _Future(self.loop)

    def call_soon(self, call: Callable[[], object]) -> bool:
        """Have something done in the loop's thread, if it is not over. May be called from any."""
        try:
            self.loop.call_soon_threadsafe(call)
        except RuntimeError:  # it is closed, and everything in it has ended
            if not self.loop.is_closed():
                raise
            return False
        return True

    def current_task(self) -> object:
        """The task that is running."""
        return asyncio.current_task()

    def is_ending(self) -> bool:
        """Whether the loop is over, and ends whatever task there still is, this one too."""
        self._is_ending = self._is_ending or all(task.cancelling() for task in asyncio.all_tasks())
        return self._is_ending

    def is_running_here(self) -> bool:
        """Whether this thread is inside the loop."""
        return threading.get_ident() == self._thread and self.loop.is_running()

    def run_from_outside(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Have a coroutine run in the loop and wait for it, in a thread that has no loop."""
        if self.loop.is_closed():
            raise StateError(
                "The event loop in which the system was started is closed, and its tasks have ended with it."
            )
        here = forget_loop(copy_context())
        return here.run(asyncio.run_coroutine_threadsafe, call(), self.loop).result()


class TrioWorld:
    """A run of trio."""

    name = "trio"

    def __init__(self) -> None:
        import trio

        self._trio = trio
        self.cancelled: type[BaseException] = trio.Cancelled
        self.scope: Callable[[], Any] = trio.CancelScope
        self._token = trio.lowlevel.current_trio_token()
        self.clock = _from_one(trio.lowlevel.current_clock().current_time)
        self._thread = threading.get_ident()

    def spawn(self, target: Callable[[], Coroutine[Any, Any, None]], name: str, context: Context) -> None:
        """Begin a task that nobody's cancellation reaches."""
        try:
            self._trio.lowlevel.spawn_system_task(target, name=name, context=context)
        except RuntimeError as error:
            if "closed" not in str(error):
                raise  # else the run has come to its end, and with it everything that could be done in a task

    def parker(self) -> Parker:
        """Something to wait for."""
        return _Event(self._trio.Event())

    def call_soon(self, call: Callable[[], object]) -> bool:
        """Have something done in the loop's thread, if it is not over. May be called from any."""
        try:
            self._token.run_sync_soon(call)
        except self._trio.RunFinishedError:  # everything in it has ended
            return False
        return True

    def current_task(self) -> object:
        """The task that is running."""
        return self._trio.lowlevel.current_task()

    def is_ending(self) -> bool:
        """Whether the loop is over, and ends whatever task there still is, this one too."""
        nursery = self._trio.lowlevel.current_task().parent_nursery
        return bool(nursery is not None and nursery.cancel_scope.cancel_called)

    def is_running_here(self) -> bool:
        """Whether this thread is inside the run."""
        return threading.get_ident() == self._thread and self._trio.lowlevel.in_trio_run()

    def run_from_outside(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Have a coroutine run in the loop and wait for it, in a thread that has no loop."""
        try:
            return self._trio.from_thread.run(call, trio_token=self._token)
        except self._trio.RunFinishedError:
            raise StateError(
                "The run of trio in which the system was started is over, and its tasks with it."
            ) from None


class _Event:
    __slots__ = ("_event",)

    def __init__(self, event: Any) -> None:
        self._event = event

    def wake(self) -> None:
        self._event.set()

    def wait(self) -> Awaitable[object]:
        awaited: Awaitable[object] = self._event.wait()
        return awaited


def world_here() -> World:
    """The event loop that runs in this thread.

    Raises:
        StateError: there is none.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run() and trio.lowlevel.in_trio_task():
        return TrioWorld()
    try:
        return AsyncioWorld()
    except RuntimeError:
        what = "There is no event loop in this thread. Verbs with an a- are awaited in a coroutine; elsewhere use those without."
        raise StateError(what) from None


async def shielded(parker: Parker) -> None:
    """Wait, whatever is cancelled around."""
    with CancelScope(shield=True):
        await parker.wait()


async def apart(world: World, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a task of its own, which goes on if the one that waits for it is cancelled."""
    parker = world.parker()
    results: list[T] = []
    errors: list[BaseException] = []

    async def run() -> None:
        try:
            results.append(await call())
        except BaseException as error:
            errors.append(error)
        parker.wake()

    context = copy_context()
    context.run(MEMBER_OF.set, None)
    world.spawn(run, "mainspring stop", context)
    await parker.wait()
    if errors:
        raise errors[0]
    return results[0]
