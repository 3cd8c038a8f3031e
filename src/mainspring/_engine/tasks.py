"""The tasks in which async handlers are called, on asyncio and trio.

There are two kinds of tasks. What may hold something open from its start to its stop (an async generator, an async context
manager, a class) has a home: one task, its own, in which it is entered and left. Any other coroutine function is called by a
carrier, a task that takes one call after the other; so a chain of thousands costs no switch between tasks at all.

On both backends these tasks stand outside of the scopes and groups of whoever asked: no cancellation around the caller reaches
them. The driver alone sees it, and stops components in order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextvars import Context, copy_context
from functools import partial
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import TYPE_CHECKING, Any

from .._core.model import CODE, OWN, STOP, State
from .._core.plan import deadline_of
from ..errors import StateError
from .conduct import CANCELLED, Call, own_phase
from .handlers import Store, finish_async, unwind, work_async
from .workers import ELSEWHERE, forget_loop
from .worlds import CancelScope, Parker, World, current_time, shielded, sleep

if TYPE_CHECKING:
    from .aio import Drive


class LiveTasks:
    """The tasks of one live system, on one event loop. Everything here happens in the loop's thread.

    Parameters:
        world: the event loop.
        store: what the live system holds.
        system: its name.
        deadlines: its own, in seconds.
        crashed: takes the node of a component that broke by itself, and the error.
    """

    def __init__(
        self,
        world: World,
        store: Store,
        system: str | None,
        deadlines: float | Mapping[str, float] | None,
        crashed: Callable[[int, BaseException], None],
    ) -> None:
        self.world, self.crashed = world, crashed
        self._deadlines = deadlines
        self.store, self.system = store, system
        self.homes: dict[int, Home] = {}
        self.lost = 0  # tasks that were let go, and have not ended
        self.calling: set[object] = set()  # tasks that are in a handler now
        self._queue: deque[Call] = deque()
        self._idle: list[Parker] = []
        self._coming = 0  # carriers that were roused, and have not yet looked what there is
        self._carriers = 0
        self._is_carrying = False
        self._closing: Parker | None = None
        self._context = copy_context() if world.is_running_here() else forget_loop(copy_context())
        self.is_used = False  # whether anything was called in a task
        self.drive: Drive | None = None  # of the request that is being carried out in this very loop

    # --- for the conductor ---

    def has_home(self, node: int) -> bool:
        """Whether a component has a task of its own."""
        return node in self.homes

    def submit(self, call: Call) -> None:
        """Have a call made."""
        self.is_used = True
        if call.home:
            home = self.homes.get(call.node)
            if home is None:
                self.homes[call.node] = Home(self, call)
            else:
                home.post(call)
            return
        self._queue.append(call)
        if not self._is_carrying:
            self._rouse(1)

    def cancel(self, call: Call) -> None:
        """Cancel a call."""
        call.told = True
        if call.scope is not None:
            call.scope.cancel()

    def let_go(self, call: Call) -> None:
        """Wait for a call no longer."""
        call.gone = True
        if call.over:
            # It ended while this was on its way from another thread. What it made is stopped all the same.
            if call.is_start and call.went_well:
                self._stop_after_all(call)
            return
        self.lost += 1
        if call.home:
            self.homes.pop(call.node, None)
        else:
            self._carriers -= 1

    def _stop_after_all(self, start: Call) -> None:
        stop = Call(start.node, start.component, STOP, own_phase(start.component._spec, "stop"))
        stop.place, stop.context, stop.home = start.place, start.context, self.has_home(start.node)
        stop.done = _log_if_failed
        if stop.home or stop.phase.handler is not None:
            self.submit(stop)

    def stack(self, call: Call) -> str:
        """Where a call hangs."""
        return stack_of(call.awaited.now)

    # --- carriers ---

    def _rouse(self, most: int) -> None:
        todo = len(self._queue)
        if self.drive is not None and self.drive.conductor.machine.has_ready:
            todo += most
        for _ in range(min(most, todo) - self._coming):
            self._coming += 1
            if self._idle:
                self._idle.pop().wake()
            else:
                self._carriers += 1
                self.world.spawn(self._carry, "mainspring carrier", self._context.copy())

    async def _carry(self) -> None:
        call: Call | None = None
        failed: BaseException | str = CANCELLED
        me = self.world.current_task()
        self.calling.add(me)
        try:
            with CancelScope() as scope:
                self._coming -= 1
                while not scope.cancel_called:
                    rest = None
                    if self._queue:
                        call = self._queue.popleft()
                    elif self.drive is not None and (half := self._pump(self.drive)) is not None:
                        call, rest = half[0], _Rest(*half)
                    elif self._queue:
                        continue
                    elif self._closing is not None:
                        break
                    else:
                        await self._rest()
                        continue
                    self._rouse(2)  # twice as many each time, so that a thousand have begun after ten turns of the loop
                    await self._perform(call, scope, rest)
                    call = None
        except BaseException as error:
            failed = error
        self.calling.discard(me)
        gone = call is not None and call.gone
        if gone:
            self.lost -= 1
        else:
            self._carriers -= 1
        if call is not None and not gone:
            call.over = True
            call.done(call, failed, None)
        self._rouse(1)
        if self.drive is not None:
            self.drive.go_on()
        if self._closing is not None and not self._carriers:
            self._closing.wake()

    async def _rest(self) -> None:
        parker = self.world.parker()
        self._idle.append(parker)
        try:
            await parker.wait()
        finally:
            if parker in self._idle:  # not roused, but cancelled together with the loop
                self._idle.remove(parker)
            else:
                self._coming -= 1

    def _pump(self, drive: Drive) -> tuple[Call, Any, Any] | None:
        self._is_carrying = True
        try:
            return drive.pump_in_carrier()
        finally:
            self._is_carrying = False

    async def _perform(self, call: Call, scope: CancelScope, rest: _Rest | None) -> None:
        error: BaseException | str | None = None
        result = None
        if call.told and rest is None and not (call.row.closes and call.phase.kind == OWN):
            error = CANCELLED  # a stop is begun all the same: nobody else will
        else:
            call.scope = scope
            if call.told:
                scope.cancel()
            try:
                if rest is None:
                    result = await in_context(call.context, self._work(call))
                else:
                    result = rest.kept(await rest)
            except self.world.cancelled:
                raise
            except BaseException as found:
                error = found
            finally:
                call.scope = None
        if call.gone:
            # It ended after all, when nobody waited for it any more.
            await self.stop_late(call, error)
            raise _Ended
        self._is_carrying = True
        call.over, call.went_well = True, error is None
        try:
            call.done(call, error, result)
        finally:
            self._is_carrying = False

    def _work(self, call: Call) -> Coroutine[Any, Any, Any]:
        place = call.place
        assert place is not None
        if call.made is not None:
            made, call.made = call.made, None
            return finish_async(call.node, call.row, call.phase, place, made, call.awaited)
        return work_async(self.store, call.node, call.component, call.row, call.phase, self.system, place, call.awaited)

    async def stop_late(self, call: Call, error: BaseException | str | None) -> None:
        """Stop what a start made that had been given up on."""
        try:
            if error is None:
                with CancelScope(shield=True, deadline=current_time() + self.patience(call)):
                    await in_context(call.context, self.stop_now(call))
        except Exception:
            _log_late()

    def patience(self, call: Call) -> float:
        """Seconds that the stop of a component may take."""
        own = deadline_of(call.component._spec.deadlines, "stop")
        seconds = deadline_of(self._deadlines, "stop") if own is None else own
        return math.inf if seconds is None else seconds

    async def stop_now(self, call: Call) -> None:
        """Stop what a start made, in the present task and context."""
        if call.is_start and call.place is not None:
            stop = Call(call.node, call.component, STOP, own_phase(call.component._spec, "stop"))
            stop.place = call.place
            if stop.phase.handler is None and stop.place.scopes[call.node] is None:
                return
            stop.awaited = call.awaited
            await self._work(stop)

    def fell(self, node: int, *, alone: bool) -> None:
        """Take notice that a component's task ended together with the event loop.

        Parameters:
            alone: whether nobody is about to stop it.
        """
        import logging

        store = self.store
        if alone:
            store.states[node], store.held[node] = CODE[State.STOPPED], 0
            store.clear(node)
            self.homes.pop(node, None)
        logging.getLogger("mainspring").warning(
            "%s was still running when its event loop ended, and was left without an order.", store.graph.ids[node]
        )

    async def close(self) -> BaseException | None:
        """End all carriers, and wait until they have, whatever is cancelled around.

        Returns:
            What interrupted the waiting, if anything did.
        """
        interruption: BaseException | None = None
        while self._carriers:
            self._closing = closing = self.world.parker()
            for parker in self._idle:
                self._coming += 1
                parker.wake()
            self._idle.clear()
            try:
                await shielded(closing)
            except (self.world.cancelled, KeyboardInterrupt) as error:
                interruption = error
        self._closing = None
        return interruption


def _log_if_failed(call: Call, error: BaseException | str | None, result: Any) -> None:
    if isinstance(error, BaseException):
        import logging

        what = "An abandoned component ended late, and its clean-up failed."
        logging.getLogger("mainspring").error(what, exc_info=error)


def _log_late() -> None:
    import logging

    logging.getLogger("mainspring").exception("An abandoned component ended late, and its clean-up failed.")


class _Ended(Exception):
    """Ends a carrier."""


class Home:
    """The task of one component, from its start to its stop."""

    def __init__(self, tasks: LiveTasks, start: Call) -> None:
        self._tasks, self._world = tasks, tasks.world
        self._node, self._start = start.node, start
        self._calls: list[Call] = []  # nearly always empty or one
        self._parker: Parker | None = None
        self._call: Call | None = None  # that is being made
        self._is_dead = False
        self._said: Any = None  # what the stop returned
        self._unwinding: CancelScope | None = None
        self._shielding: CancelScope | None = None
        assert start.context is not None
        self._world.spawn(self._main, str(tasks.store.graph.ids[start.node]), start.context)

    def post(self, call: Call) -> None:
        """Have a call made."""
        if self._is_dead or (self._unwinding is not None and not call.row.closes):
            self._answer_for_the_dead(call)
            return
        if self._unwinding is not None and call.row.closes:
            call.scope = self._unwinding  # it waits for the scope to be left, and can be given up on
        self._calls.append(call)
        if self._parker is not None:
            self._parker.wake()

    def _answer_for_the_dead(self, call: Call) -> None:
        # Its scope was left when it broke; there is nothing to be stopped any more.
        error = None if call.row.closes else StateError("The component broke, and has no task any more.")
        if call.row.closes and call.phase.kind == OWN:
            self._tasks.homes.pop(self._node, None)
        self._world.call_soon(partial(call.done, call, error, None))

    def _take(self, call: Call | None) -> None:
        self._call = call

    async def _main(self) -> None:
        outcome: BaseException | str | None = CANCELLED
        self._take(self._start)
        me = self._world.current_task()
        self._tasks.calling.add(me)  # all that ever runs in this task is in a handler
        try:
            # What cancels the start is the outer scope; when the start has succeeded all the same, the inner one keeps that
            # away from everything that comes after, and can be cancelled itself.
            with self._world.scope() as outer, self._world.scope() as inner:
                outcome = await self._live(outer, inner)
        except BaseException as error:
            outcome = error
        self._tasks.calling.discard(me)
        if self._shielding is not None:
            self._shielding.cancel()
        call = self._call
        if call is None:
            return  # it broke, and has told so
        if call.gone:
            self._tasks.lost -= 1
            return
        self._tasks.homes.pop(self._node, None)
        call.over, call.went_well = True, outcome is None
        call.done(call, outcome, self._said)

    async def _live(self, outer: CancelScope, inner: CancelScope) -> BaseException | str | None:
        start = self._start
        start.scope = outer
        if start.told:
            return CANCELLED
        await self._tasks._work(start)
        start.scope = None  # what is asked of it now comes too late
        if outer.cancel_called:
            inner.shield = True
            self._shielding = CancelScope()
            self._world.spawn(partial(self._until_the_end, inner, self._shielding), "mainspring shield", copy_context())
        if start.gone:
            self._unwinding = inner
            deadline = self._begin_deadline()
            try:
                await self._tasks.stop_now(start)
            except Exception:
                _log_late()
            finally:
                deadline.cancel()
            return None
        self._finish(start, None, None)
        while True:
            while not self._calls:
                self._parker = self._world.parker()
                try:
                    await self._parker.wait()
                except BaseException as error:
                    self._unwinding = inner
                    await self._broke(error)
                    return None
            call = self._call = self._calls.pop(0)
            if call.row.closes and call.phase.kind == OWN:
                call.scope = inner
                if call.told:
                    inner.cancel()  # it is left all the same: nobody else will
                self._said = await self._tasks._work(call)
                return None
            if await self._other(call):
                return None

    async def _other(self, call: Call) -> bool:
        """Make a call that neither starts nor stops the component; say whether the component broke meanwhile."""
        error: BaseException | str | None = CANCELLED
        result = None
        try:
            with self._world.scope() as scope:
                call.scope = scope
                if not call.told:
                    result = await self._tasks._work(call)
                    error = None
        except self._world.cancelled as broken:
            self._finish(call, StateError("The component broke while its handler was running."), None)
            await self._broke(broken)
            return True
        except BaseException as found:
            error = found
        call.scope = None
        self._finish(call, error, result)
        return False

    def _finish(self, call: Call, error: BaseException | str | None, result: Any) -> None:
        self._call = None
        if call.gone:
            self._tasks.lost -= 1
        else:
            call.over, call.went_well = True, error is None
            call.done(call, error, result)

    async def _until_the_end(self, inner: CancelScope, waiting: CancelScope) -> None:
        # A shield also keeps away the cancellation with which a run of trio ends, and nothing else would end the task then.
        with waiting:
            try:
                await sleep(math.inf)
            finally:
                if not waiting.cancel_called:
                    inner.shield = False

    def _begin_deadline(self) -> CancelScope:
        # No request waits for the component to be left, and so none would give up on it.
        seconds, waiting = self._tasks.patience(self._start), CancelScope()

        async def wait() -> None:
            with waiting:
                await sleep(seconds)
                if self._unwinding is not None:
                    self._unwinding.cancel()

        if seconds < math.inf:
            self._world.spawn(wait, "mainspring deadline", copy_context())
        return waiting

    async def _broke(self, error: BaseException) -> None:
        # Cancelled, and not by us: what the component holds open in this task was, a task group with a crash in it.
        self._call = None
        assert self._start.place is not None
        scope = self._start.place.scopes[self._node]
        found: BaseException | None = None
        with_deadline = self._begin_deadline()
        if scope is not None:
            found = await unwind(scope, error)
        else:
            try:
                await self._tasks.stop_now(self._start)
            except BaseException as raised:
                found = raised
        with_deadline.cancel()
        self._is_dead = True
        is_over = self._world.is_ending()
        if is_over:
            self._tasks.fell(self._node, alone=not self._calls)
        while self._calls:  # they came while the scope was being left
            self._answer_for_the_dead(self._calls.pop(0))
        if is_over:
            return
        if found is None or isinstance(found, self._world.cancelled):
            found = StateError("The component's own task was cancelled, and not by Mainspring.")
        self._tasks.crashed(self._node, found)


def in_context(context: Context | None, coroutine: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
    """A coroutine that runs in a context of its own, within a task that has another."""
    return _InContext(context, coroutine)


class _Rest:
    """What is left of a coroutine that was begun outside of an `await`, in this very task, and asked for something."""

    __slots__ = ("_asked", "_call", "_coroutine")

    def __init__(self, call: Call, coroutine: Coroutine[Any, Any, Any], asked: Any) -> None:
        self._call, self._coroutine, self._asked = call, coroutine, asked

    def kept(self, result: Any) -> Any:
        """What is to be reported of what the coroutine returned."""
        if not self._call.row.opens:
            return result
        assert self._call.place is not None
        self._call.place.instances[self._call.node] = result
        return None

    def __await__(self) -> Generator[Any, Any, Any]:
        assert self._call.context is not None
        return _steps(self._call.context, self._coroutine, self._asked)


class _InContext:
    __slots__ = ("_context", "_coroutine")

    def __init__(self, context: Context | None, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._context, self._coroutine = context, coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        assert self._context is not None
        try:
            asked = self._context.run(self._coroutine.send, None)
        except StopIteration as stop:
            return stop.value
        return (yield from _steps(self._context, self._coroutine, asked))


def _steps(context: Context, coroutine: Coroutine[Any, Any, Any], asked: Any) -> Generator[Any, Any, Any]:
    run = context.run
    while True:
        try:
            given = yield asked
        except BaseException as error:
            step: Callable[[Any], Any] = coroutine.throw
            argument: Any = error
        else:
            step, argument = coroutine.send, given
        try:
            asked = run(step, argument)
        except StopIteration as stop:
            return stop.value


# --- Where something hangs --------------------------------------------------------------------------------------------


def stack_of(awaited: Any) -> str:
    """The frames of what is awaited, from the handler to where it hangs."""
    import traceback

    frames: list[tuple[FrameType, int]] = []
    while awaited is not None and len(frames) < 100:
        if isinstance(awaited, CoroutineType):
            frame, following = awaited.cr_frame, awaited.cr_await
        elif isinstance(awaited, AsyncGeneratorType):
            frame, following = awaited.ag_frame, awaited.ag_await
        elif isinstance(awaited, GeneratorType):
            frame, following = awaited.gi_frame, awaited.gi_yieldfrom
        else:
            break
        if frame is None:
            break
        if ELSEWHERE in frame.f_locals:
            return str(frame.f_locals[ELSEWHERE]())
        frames.append((frame, frame.f_lineno))
        awaited = following
    found = traceback.StackSummary.extract(iter(frames))
    return "".join(found.format())
