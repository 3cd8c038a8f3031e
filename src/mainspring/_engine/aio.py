"""The driver for asyncio and trio, on AnyIO; and an event loop of our own for those who have none."""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .conduct import Call, Conductor
from .tasks import LiveTasks
from .worlds import AsyncioWorld, CancelScope, Parker, World, checkpoint, current_time, world_here


class Drive:
    """Drives a request from a task."""

    def __init__(self, world: World, tasks: LiveTasks) -> None:
        self._world, self._tasks = world, tasks
        self._parker: Parker | None = None
        self._is_done = False
        self.broken: BaseException | None = None  # a mistake of ours, out of a task in which nobody would hear of it
        self._until = 0.0
        self.conductor: Conductor

    def post(self, todo: Callable[[], object]) -> None:
        """Have something done in the driver's thread. May be called from any."""
        self._world.call_soon(partial(self._take_in, todo))

    def _take_in(self, todo: Callable[[], object]) -> None:
        todo()
        self.go_on()

    def ended(self, call: Call, error: BaseException | str | None, result: Any) -> None:
        """Take notice of what became of a call, and begin what may begin now, right here."""
        self.conductor.ended(call, error, result)
        if not self._tasks._is_carrying:  # a carrier goes on by itself
            self.go_on()

    def go_on(self) -> None:
        """Begin what may begin now."""
        try:
            self._is_done = self.conductor.pump()
        except BaseException as error:
            self.broken = self.broken or error
        self._look()

    def pump_in_carrier(self) -> tuple[Call, Any, Any] | None:
        """Begin what may begin, and call plain coroutine functions; one that waits for something is given back half-run."""
        conductor = self.conductor
        try:
            self._is_done = conductor.pump(in_carrier=True)
        except BaseException as error:
            self.broken = self.broken or error
        half, conductor.suspended = conductor.suspended, None
        self._look()
        return half

    def _look(self) -> None:
        conductor = self.conductor
        if (
            self._is_done
            or conductor.inline
            or conductor.machine.next_moment < self._until
            or conductor.guard.attention
        ):
            self.wake()

    def wake(self) -> None:
        """End the driver's waiting."""
        if self._parker is not None:
            self._parker.wake()

    async def run(self) -> BaseException | None:
        """Run the request to its end.

        Returns:
            The interruption that has to come out of it, if there was one.
        """
        conductor, guard = self.conductor, self.conductor.guard
        guard.wake = lambda: self._world.call_soon(self.wake)
        rested = conductor.clock()
        self._tasks.drive = self
        conductor.pumps_itself = True
        try:
            self._is_done = conductor.pump()
            while True:
                if self.broken is not None:
                    raise self.broken
                if guard.attention:
                    conductor._look_around()
                    self._is_done = conductor.pump()
                elif conductor.inline:
                    conductor.here(conductor.inline.popleft())
                    self._is_done = conductor.pump()
                    if conductor.calls and (conductor.clock() - rested > 0.01 or not conductor.inline):
                        await self._wait(0)
                        rested = conductor.clock()
                elif self._is_done:
                    return conductor.interruption
                else:
                    await self._wait(conductor.patience)
                    rested = conductor.clock()
                if conductor.time_passed():
                    self._is_done = conductor.pump()
        finally:
            guard.wake = None
            self._tasks.drive = None

    async def _wait(self, seconds: float) -> None:
        conductor = self.conductor
        self._parker = parker = self._world.parker()
        self._until = conductor.machine.next_moment if seconds else 0.0
        try:
            # After one cancellation we want to hear of no other: what was begun is being cleaned up.
            deadline = current_time() + seconds if seconds else math.inf
            with CancelScope(shield=conductor.interruption is not None, deadline=deadline):
                await (parker.wait() if seconds else checkpoint())
        except BaseException as error:
            conductor.interrupt(error)
            self._is_done = conductor.pump()
        finally:
            self._parker = None


class Body:
    """What is done in an `async with` block around a live system, so that it can be cancelled when a component breaks."""

    def __init__(self) -> None:
        self._scope: CancelScope | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_cancelled = False
        self._world = world_here()
        if isinstance(self._world, AsyncioWorld):
            # Not with a scope: fixtures of tests may be entered in one task and left in another.
            self._task = asyncio.current_task()
        else:
            self._scope = CancelScope()
            self._scope.__enter__()

    def cancel(self) -> None:
        """Cancel the block. May be called in any thread."""
        self._world.call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._is_cancelled:
            return
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()
        elif self._task is not None and not self._task.done():
            self._task.cancel("a component broke")

    def leave(self, error: BaseException | None) -> bool:
        """Take notice that the block has ended; say whether that with which it ended is our own cancellation."""
        cancelled, self._is_cancelled = self._is_cancelled, True
        if self._scope is not None:
            return bool(
                self._scope.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
            )
        if not cancelled or self._task is None or self._task is not asyncio.current_task():
            return False
        return self._task.uncancel() == 0 and isinstance(error, asyncio.CancelledError)


# --- A loop of its own ------------------------------------------------------------------------------------------------


class OwnLoop:
    """An event loop in a thread, for a live system whose verbs are called from where there is none."""

    def __init__(self, name: str) -> None:
        self._ready: queue.SimpleQueue[World] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()
        self.world = self._ready.get()

    def _serve(self) -> None:
        # As asyncio.run, but it does not wait for threads of the loop's executor: those could hang for ever.
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._main())
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=1.0)) if left else None
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    async def _main(self) -> None:
        world = AsyncioWorld()
        self._end = world.parker()
        self._ready.put(world)
        await self._end.wait()

    def close(self) -> None:
        """End the loop; it has nothing to do any more."""
        self.world.call_soon(self._end.wake)
        self._thread.join()


class Remote:
    """The tasks of a loop in another thread, for a conductor in this one."""

    def __init__(self, tasks: LiveTasks) -> None:
        self._tasks, self._soon = tasks, tasks.world.call_soon

    def submit(self, call: Call) -> None:
        """Have a call made."""
        self._soon(partial(self._tasks.submit, call))

    def cancel(self, call: Call) -> None:
        """Cancel a call."""
        self._soon(partial(self._tasks.cancel, call))

    def let_go(self, call: Call) -> None:
        """Wait for a call no longer."""
        call.gone = True
        self._soon(partial(self._tasks.let_go, call))

    def stack(self, call: Call) -> str:
        """Where a call hangs."""
        return self._tasks.stack(call)

    def has_home(self, node: int) -> bool:
        """Whether a component has a task of its own."""
        return self._tasks.has_home(node)
