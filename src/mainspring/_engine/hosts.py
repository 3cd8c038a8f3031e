"""Where the handlers of one live system are called, when that is more than the caller's thread: workers, tasks, event loops.

A live system with async handlers belongs to one event loop while anything of it is held: the caller's, where it was started
with a verb that is awaited, or one of its own, in a thread.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .._core.run import Machine
from ..errors import StateError
from .conduct import Conductor, Places, Pool, conduct
from .events import Observers
from .handlers import Store
from .interrupt import Guard

if TYPE_CHECKING:
    from .aio import OwnLoop
    from .tasks import LiveTasks
    from .worlds import World


class Host:
    """Carries out the requests to one live system.

    Parameters:
        store: what the live system holds.
        observers: those who watch it.
        system: its name.
        limits, workers: how many calls there may be at once.
        deadlines: the system's own, in seconds.
        has_async: whether it has async handlers, as far as one can see.
    """

    def __init__(
        self,
        store: Store,
        observers: Observers,
        system: str | None,
        limits: int | Mapping[str, int] | None,
        workers: int,
        deadlines: float | Mapping[str, float] | None,
        has_async: bool,
    ) -> None:
        self._deadlines = deadlines
        self._store, self._observers, self._system, self._has_async = store, observers, system, has_async
        self._places = Places(store, limits, workers)
        self._pool = Pool()
        self._tasks: LiveTasks | None = None
        self._loop: OwnLoop | None = None  # ours, in a thread

    # --- which loop ---

    @property
    def foreign(self) -> World | None:
        """The caller's event loop to which the live system belongs, where it does."""
        return self._tasks.world if self._tasks is not None and self._loop is None and self._is_bound else None

    @property
    def callers_loop(self) -> World | None:
        """The caller's event loop in which the last request was carried out, if it was awaited."""
        return self._tasks.world if self._tasks is not None and self._loop is None else None

    @property
    def _is_bound(self) -> bool:
        tasks = self._tasks
        return (self._has_async or (tasks is not None and tasks.is_used)) and 1 in self._store.held

    def enter(self, name: str) -> World:
        """The event loop of whoever asks, to which the live system belongs from now on. Only for whose turn it is.

        Raises:
            StateError: there is none, or the live system belongs to another one.
        """
        from .worlds import world_here

        here = world_here()
        tasks = self._tasks
        if self._loop is not None:
            raise StateError(
                f"The system was started with start(), and runs on an event loop of its own: "
                f"a{name}() cannot be awaited in another. "
                f"Call live.{name}(), in a thread so that it does not block this loop: "
                f"await anyio.to_thread.run_sync(live.{name}). Or start it with astart()."
            )
        if tasks is not None and tasks.world.is_running_here() and tasks.world.name == here.name:
            return tasks.world
        if tasks is not None and self._is_bound:
            raise StateError(
                f"The system was started on another event loop ({tasks.world.name}), "
                "and its async components belong to that one. "
                f"Await a{name}() there, or call live.{name}() from a thread that has no event loop."
            )
        self._tasks = None
        return here

    @property
    def is_inside(self) -> bool:
        """Whether whoever asks is a handler of this live system that runs in a task or in a worker."""
        tasks = self._tasks
        if tasks is None or not tasks.world.is_running_here():
            return self._pool.is_inside
        return tasks.world.current_task() in tasks.calling

    def why_not_here(self, name: str) -> str | None:
        """Why a verb that is not awaited cannot be called where it is: it would wait for its own thread."""
        tasks = self._tasks
        if tasks is None or not tasks.world.is_running_here():
            return None
        what = f"{name} was called in the event loop that would have to carry it out, and would wait for itself."
        if self._loop is None:
            return f"{what} Write: await live.a{name}()"
        return f"{what} It is the system's own. Write: await anyio.to_thread.run_sync(live.{name})"

    # --- running ---

    def run(self, machine: Machine, guard: Guard, results: dict[str, dict[int, Any]]) -> BaseException | None:
        """Run a machine to its end, from a thread."""
        inbox: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        tasks = None
        if self._has_async:
            from .aio import OwnLoop, Remote

            if self._loop is None:
                self._loop = OwnLoop(f"mainspring-loop {self._system or ''}".rstrip())
                self._tasks = self._new_tasks(self._loop.world)
            assert self._tasks is not None
            tasks = Remote(self._tasks)
        conductor = self._conductor(machine, guard, results, tasks, inbox.put, time.perf_counter)
        conductor.done = lambda call, error, result: inbox.put(partial(conductor.ended, call, error, result))
        try:
            return conduct(conductor, inbox)
        finally:
            self._rest()

    async def arun(
        self,
        world: World,
        machine: Machine,
        guard: Guard,
        results: dict[str, dict[int, Any]],
        interruption: BaseException | None,
    ) -> BaseException | None:
        """Run a machine to its end, from a task."""
        from .aio import Drive

        if self._tasks is None:
            self._tasks = self._new_tasks(world)
            self._store.epoch = time.time() - world.clock()
        tasks = self._tasks
        drive = Drive(world, tasks)
        conductor = self._conductor(machine, guard, results, tasks, drive.post, world.clock)
        conductor.interruption = interruption
        conductor.done = drive.ended
        drive.conductor = conductor
        while True:
            try:
                interruption = await drive.run()
            finally:
                late = await tasks.close()
                self._pool.close()
            late = late or guard.take()
            if late is None or machine.interrupted:
                return interruption or late
            # It came when all had been done, and before anybody could know: a start is taken back all the same.
            conductor.interrupt(late)

    def _conductor(
        self,
        machine: Machine,
        guard: Guard,
        results: dict[str, dict[int, Any]],
        tasks: Any,
        post: Callable[[Callable[[], object]], object],
        clock: Callable[[], float],
    ) -> Conductor:
        store, places = self._store, self._places
        return Conductor(
            machine,
            store,
            self._observers,
            guard,
            self._system,
            results,
            places,
            self._pool,
            tasks,
            post,
            clock,
            isolated=clock is time.perf_counter,
        )

    def machine_options(self) -> dict[str, Any]:
        """What makes a machine that has room for several calls."""
        return {"limit": self._places.limit, "lanes": self._places.lanes}

    def _new_tasks(self, world: World) -> LiveTasks:
        from .tasks import LiveTasks

        return LiveTasks(world, self._store, self._system, self._deadlines, self._store.crash)

    def _rest(self) -> None:
        self._pool.close()
        loop, tasks = self._loop, self._tasks
        if loop is None or tasks is None:
            return
        loop.world.run_from_outside(tasks.close)
        if not self._is_bound and not tasks.homes:
            self._loop = self._tasks = None
            if not tasks.lost:  # what was given up on may still run in the loop: it is left alone
                loop.close()
