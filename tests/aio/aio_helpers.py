"""What the tests of async systems share: a run of either backend that leaves nothing behind, and parts that write a log."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import trio

from mainspring import Component, component

T = TypeVar("T")

PATIENCE = 20.0  # seconds that a test waits for what should come at once, and that no handler here ever takes
SHORT = 0.05  # seconds after which what hangs is given up on
CACHED = ("AnyIO worker thread", "Trio thread", "asyncio_")  # threads that the backends keep for the next time


class Backend:
    """Runs a test on asyncio or trio, and sees to it that no task and no thread outlives it.

    Parameters:
        name: "asyncio" or "trio".
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, function: Callable[..., Awaitable[T]], *args: Any, leaves: bool = False, **options: Any) -> T:
        """Run a coroutine function to its end.

        Parameters:
            function: gets `args`.
            leaves: whether tasks may be left when it ends.
            options: for the backend, as a clock for trio.
        """
        before = set(threading.enumerate())
        result = anyio.run(self._checked, partial(function, *args), leaves, backend=self.name, backend_options=options)
        for thread in set(threading.enumerate()) - before:
            if not thread.name.startswith(CACHED):
                thread.join(PATIENCE)
                assert not thread.is_alive(), f"the thread {thread.name} is left"
        return result

    async def _checked(self, function: Callable[[], Awaitable[T]], leaves: bool) -> T:
        before = tasks_here()
        with anyio.fail_after(PATIENCE):
            result = await function()
        if not leaves:
            await nothing_left(before)
        return result

    def __repr__(self) -> str:
        return self.name

    @property
    def cancelled(self) -> type[BaseException]:
        """What is raised in a task that is cancelled."""
        return asyncio.CancelledError if self.name == "asyncio" else trio.Cancelled


def tasks_here() -> set[object]:
    """Every task of the loop that is running, but those that trio itself needs."""
    if not trio.lowlevel.in_trio_run():
        return set(asyncio.all_tasks())
    root = trio.lowlevel.current_root_task()
    assert root is not None
    found: set[object] = set()
    rest = [root]
    while rest:
        task = rest.pop()
        found.add(task)
        rest += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


async def nothing_left(before: set[object]) -> None:
    """Wait for the tasks that have come to their end, and see that there are no others than before."""
    await until(lambda: not names_of(tasks_here() - before), lambda: f"left: {names_of(tasks_here() - before)}")


def names_of(tasks: set[object]) -> list[str]:
    """The names of tasks."""
    names = [task.get_name() if isinstance(task, asyncio.Task) else getattr(task, "name", "?") for task in tasks]
    return sorted(name for name in names if "trio." not in name)


async def until(condition: Callable[[], object], what: Callable[[], str] = lambda: "it never came") -> None:
    """Wait until something has become true, whichever task or thread it comes from."""
    for count in range(5000):
        if condition():
            return
        await anyio.sleep(0 if count < 100 else 0.002)
    raise AssertionError(what())


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something has become true in another thread."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never came")


def patiently() -> AbstractContextManager[Any]:
    """Bounds the waiting for what should come at once."""
    return anyio.fail_after(PATIENCE)


async def forever(*_: Any, **__: Any) -> None:
    """Hang until cancelled."""
    await anyio.sleep(PATIENCE * 100)


class Log(list[str]):
    """What was called, in order."""

    def part(self, name: str, *needs: Any, **slots: Any) -> Component[Any]:
        """A component that writes down its start and stop: an async generator; `sync=True` makes it a sync one."""
        if slots.pop("sync", False):
            return component(self._sync, **slots)(name, list(needs))
        return component(self._async, **slots)(name, list(needs))

    async def _async(self, name: str, needs: Any = ()) -> AsyncIterator[str]:
        self.append(f"start {name}")
        yield name
        self.append(f"stop {name}")

    def _sync(self, name: str, needs: Any = ()) -> Iterator[str]:
        self.append(f"start {name}")
        yield name
        self.append(f"stop {name}")

    def note(self, text: str) -> Callable[..., None]:
        """A sync handler that writes a line."""
        return lambda *_, **__: self.append(text)

    def anote(self, text: str) -> Callable[..., Awaitable[None]]:
        """An async handler that writes a line."""

        async def handler(*_: Any) -> None:
            await anyio.lowlevel.checkpoint()
            self.append(text)

        return handler

    def take(self) -> list[str]:
        """What was written since the last time."""
        taken = list(self)
        self.clear()
        return taken


class Meeting:
    """A place where so many wait for each other: nobody gets past it alone."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.all_here = anyio.Event()

    async def __call__(self, *_: Any, **__: Any) -> str:
        """Wait for the others."""
        self.count -= 1
        if not self.count:
            self.all_here.set()
        with patiently():
            await self.all_here.wait()
        return "met"


class Gate:
    """Something that an async handler hangs at until it is opened, or the handler cancelled."""

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self.opened = anyio.Event()
        self.cancelled = 0

    async def __call__(self, *_: Any, **__: Any) -> str:
        """Hang."""
        self.reached.set()
        try:
            await self.opened.wait()
        except BaseException:
            self.cancelled += 1
            raise
        return "at last"

    async def deaf(self, *_: Any, **__: Any) -> str:
        """Hang, whatever cancels it."""
        self.reached.set()
        with anyio.CancelScope(shield=True):
            await self.opened.wait()
        return "at last"


class ThreadGate:
    """The same for sync handlers and threads."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, *_: Any, **__: Any) -> str:
        """Hang."""
        self.reached.set()
        assert self.opened.wait(PATIENCE)
        return "at last"


def python(*command: str, stdin: str | None = None, status: int | None = 0) -> str:
    """What a Python process prints, on either of its streams.

    Parameters:
        command: its arguments.
        stdin: what is typed.
        status: the exit status that is expected; `None` for any.
    """
    done = subprocess.run(
        [sys.executable, *command],
        input=None if stdin is None else textwrap.dedent(stdin),
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE * 3,
        env={**os.environ, "PYTHONWARNINGS": "error", "PYTHON_COLORS": "0", "TERM": "dumb"},
    )
    assert status is None or done.returncode == status, done.stdout
    return done.stdout
