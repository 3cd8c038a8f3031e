"""Background components: a loop or a coroutine that runs from start to stop, as a thread or a task of its own.

Each is an ordinary scope, a generator around the function; the engine knows nothing of them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, overload

from .._core.callables import HIDDEN, Context, context_parameter, doc_of, is_async, is_generator, with_hidden_context
from .._core.define import ComponentFunction
from .._core.model import ABSENT, check_slots, site_of
from .._core.refs import name_of
from ..errors import BadComponent, Problem, StateError
from .handlers import GivenUp

if TYPE_CHECKING:
    import threading
    from typing import Unpack

    from .._core.model import Slots

P = ParamSpec("P")


class Background:
    """What others see of a background component that says nothing else when it is ready.

    Attributes:
        is_running: whether its function has not ended yet.
        result: what the function returned, if it has.
    """

    __slots__ = ("is_running", "result")

    def __init__(self) -> None:
        self.is_running = True
        self.result: Any = None

    def __repr__(self) -> str:
        return f"<Background, {'running' if self.is_running else 'ended'}>"


class _Decorator(Protocol):
    def __call__(self, function: Callable[P, Any], /) -> ComponentFunction[P, Any]: ...


@overload
def background(function: Callable[P, Any], /) -> ComponentFunction[P, Any]: ...
@overload
def background(*, ready: bool = False, **slots: Unpack[Slots]) -> _Decorator: ...
def background(function: Any = ABSENT, /, *, ready: bool = False, **slots: Any) -> Any:
    """Make a component function of a function that is to run in the background: called at start, ended at stop.

    A coroutine function runs in a task, any other in a thread. It hears that it is to stop from `stopping` of its context,
    which it asks for with a parameter whose default is `Context.here`: a coroutine writes `await ctx.stopping`, a thread
    `ctx.stopping.wait(seconds)`. A coroutine that does not ask is cancelled at stop; one that asks is awaited, and cancelled
    past its deadline. If the function raises, the component has crashed. If it returns, nothing happens.

    Parameters:
        function: a function, sync or async. Left out, a decorator is returned.
        ready: whether start is done only when the function says so with `ctx.ready(instance)`, and gives what others see.
        slots: as for `component`.

    Returns:
        A component function, or a decorator that makes one.

    Raises:
        BadComponent: the function could not hear that it is to stop, or the slots do not fit together.

    Example:
        >>> from mainspring import Context, System
        >>> @background(ready=True)
        ... def ticker(seconds: float, ctx: Context = Context.here):
        ...     ctx.ready("ticking")
        ...     while not ctx.stopping.wait(seconds):
        ...         ...  # tick
        >>> with System({"clock": {"ticker": ticker(seconds=0.1)}}).started() as live:
        ...     live["clock.ticker"]
        'ticking'
    """
    frame = sys._getframe(1)
    site = site_of(frame.f_code, frame.f_lasti)
    check_slots(slots, site)

    def make(function: Any) -> ComponentFunction[..., Any]:
        try:
            return _background(function, ready, dict(slots))
        except BadComponent as error:
            raise error.at(site) from None

    return make if function is ABSENT else make(function)


def _background(function: Any, ready: bool, slots: dict[str, Any]) -> ComponentFunction[..., Any]:
    what = hint = None
    wants = context_parameter(function) if callable(function) else None
    if isinstance(function, ComponentFunction) or not callable(function):
        what, hint = f"{function!r} cannot run in the background.", "Give a function, sync or async."
    elif is_generator(function):
        what, hint = f"{name_of(function)} is a generator function.", "What has a yield is a scope: use @component."
    elif wants is None and not is_async(function):
        what = f"{name_of(function)} is to run in a thread, and could not hear that it is to stop."
        hint = "Give it a parameter ctx: Context = Context.here, and let it look at ctx.stopping."
    elif wants is None and ready:
        what = f"{name_of(function)} is to say when it is ready, and has nothing to say it with."
        hint = "Give it a parameter ctx: Context = Context.here, and let it call ctx.ready(...)."
    if what is not None:
        raise BadComponent([Problem(BadComponent, what, hint=hint or "")])
    scope: Any = (_task if is_async(function) else _thread)(function, wants, ready)
    scope.__name__, scope.__module__ = name_of(function), getattr(function, "__module__", __name__)
    scope.__qualname__ = getattr(function, "__qualname__", scope.__name__)
    scope.__signature__ = with_hidden_context(function) if wants is None else inspect.signature(function)
    slots["doc"] = doc_of(function) if slots.get("doc") is None else slots["doc"]
    if ready and not is_async(function) and slots.get("thread") is None:
        slots["thread"] = "own"  # it waits for the function, which must hold up nobody who could give up on it
    return ComponentFunction(function, slots | {"scope": scope})


class _Stopping:
    """In a task: awaited, or looked at."""

    __slots__ = ("_event",)

    def __init__(self, event: Any) -> None:
        self._event = event

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return bool(self._event.is_set())

    def __bool__(self) -> bool:
        return self.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        raise StateError("To wait would hold up the event loop. Write: await ctx.stopping")

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._event.wait().__await__()


class _ThreadStopping:
    """In a thread: waited for, or looked at."""

    __slots__ = ("_event",)

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        return self._event.wait(timeout)

    def __await__(self) -> Generator[Any, Any, None]:
        raise StateError("This function runs in a thread, where nothing is awaited. Write: ctx.stopping.wait(seconds)")


class _Run:
    """One run of a function, as far as threads and tasks have it in common."""

    def __init__(self, context: Context, waits: bool, stopping: Any, set_ready: Callable[[], object]) -> None:
        self.handle = Background()
        self.instance: Any = self.handle
        self.context, self.stopping, self.is_ready = context, stopping, not waits
        self.error: BaseException | None = None
        self.is_given_up = False
        self._waits, self._set_ready = waits, set_ready
        context.stopping, context._ready = stopping, self._ready

    def _ready(self, instance: Any) -> None:
        if not self._waits:
            raise StateError(
                f"{self.context.id} said that it is ready, and nobody waits for that. Write @background(ready=True)."
            )
        if not self.is_ready:
            self.instance, self.is_ready = instance, True
            self._set_ready()

    def check(self) -> None:
        """Raise what kept the function from getting ready."""
        if self.error is not None:
            raise self.error
        if self.is_given_up:
            raise GivenUp
        if not self.is_ready:
            raise StateError(f"{self.context.id} ended before it said that it is ready.")


def _split(given: dict[str, Any], wants: str | None) -> Context:
    context = given[wants] if wants is not None else given.pop(HIDDEN)
    assert isinstance(context, Context)
    return context


def _task(function: Callable[..., Any], wants: str | None, ready: bool) -> Callable[..., AsyncIterator[Any]]:
    async def scope(*args: Any, **given: Any) -> AsyncIterator[Any]:
        import anyio

        from .tasks import stack_of

        waiting = anyio.Event()
        run = _Run(_split(given, wants), ready, _Stopping(anyio.Event()), waiting.set)

        coroutine: Any = None

        async def main() -> None:
            nonlocal coroutine
            try:
                coroutine = function(*args, **given)
                run.handle.result = await coroutine
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:
                run.error = error
                group.cancel_scope.cancel()  # the engine notices, and lets this scope be left
            finally:
                run.handle.is_running = False
                waiting.set()

        _stack_elsewhere = lambda: stack_of(coroutine)  # noqa: E731 - looked for by name, see ELSEWHERE
        async with anyio.create_task_group() as group:
            group.start_soon(main, name=str(run.context.id))
            if ready:
                await waiting.wait()
            if run.is_ready:
                yield run.instance
                run.stopping.set()
            if wants is None:
                group.cancel_scope.cancel()
        run.check()

    return scope


def _thread(function: Callable[..., Any], wants: str | None, ready: bool) -> Callable[..., Iterator[Any]]:
    def scope(*args: Any, **given: Any) -> Iterator[Any]:
        import contextvars
        import threading

        from .workers import stack_of_thread

        waiting = threading.Event()
        run = _Run(_split(given, wants), ready, _ThreadStopping(threading.Event()), waiting.set)
        is_up = False

        def main() -> None:
            try:
                run.handle.result = function(*args, **given)
            except BaseException as error:
                run.error = error
                if is_up and not run.stopping:
                    crashed.append(True)
                    run.context.crash(error)
            finally:
                run.handle.is_running = False
                waiting.set()

        def give_up() -> None:
            run.is_given_up = True
            run.stopping.set()
            waiting.set()

        if run.context._on_give_up is not None:
            run.context._on_give_up(give_up)
        crashed: list[bool] = []
        # A daemon, because a thread that does not listen must not keep the process from ending.
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(main,), name=str(run.context.id), daemon=True
        )
        thread.start()
        _stack_elsewhere = lambda: stack_of_thread(thread.ident)  # noqa: E731 - looked for by name, see ELSEWHERE
        try:
            if ready:
                waiting.wait()
                run.check()
            is_up = True
            if run.error is not None:
                raise run.error
            yield run.instance
        finally:
            run.stopping.set()
            thread.join()
        if run.error is not None and not crashed:
            raise run.error

    return scope
