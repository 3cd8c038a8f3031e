"""Async components on asyncio and trio, and sync components on workers, in this process.

- waits: components that wait for a random time, against the same graph written by hand on AnyIO.
- cycle: components whose handlers do nothing, against `contextlib.AsyncExitStack` or one AnyIO task for each.
- workers: sync components that sleep, in threads, against the least time that this can take.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import harness
from anyio.abc import TaskGroup
from harness import Part, Phases, Shape, Watched, clock, make_shape

from mainspring import Component, System, component, ref

BACKENDS = ("asyncio", "trio")
STYLES = ("coroutines", "generators")
MEAN_WAIT = 0.02  # seconds
WORKERS = 8

Body = Callable[..., Any]


# --- Bodies -----------------------------------------------------------------------------------------------------------


async def start_part(a: object = None, b: object = None, c: object = None) -> Part:
    """The start of every component in a timed run. It does nothing, so that what is measured is all overhead."""
    return Part()


async def stop_part(instance: object) -> None:
    """The stop of every component in a timed run."""


async def hold_part(a: object = None, b: object = None, c: object = None) -> AsyncIterator[Part]:
    """Both, as an async generator function."""
    yield Part()


async def start_watched(a: object = None, b: object = None, c: object = None) -> Watched:
    """The start of every component in an untimed run, with a turn of the loop before and after."""
    await anyio.lowlevel.checkpoint()
    it = Watched(a, b, c)
    await anyio.lowlevel.checkpoint()
    return it


async def stop_watched(instance: Watched) -> None:
    """The stop of every component in an untimed run."""
    await anyio.lowlevel.checkpoint()
    instance.close()
    await anyio.lowlevel.checkpoint()


async def hold_watched(a: object = None, b: object = None, c: object = None) -> AsyncIterator[Watched]:
    """Both, as an async generator function."""
    it = await start_watched(a, b, c)
    yield it
    await stop_watched(it)


async def start_waiting(wait: float, a: object = None, b: object = None, c: object = None) -> Part:
    """A start that waits, as one that connects to something does."""
    await anyio.sleep(wait)
    return Part()


async def hold_waiting(wait: float, a: object = None, b: object = None, c: object = None) -> AsyncIterator[Part]:
    """The same as an async generator function; its stop does nothing."""
    await anyio.sleep(wait)
    yield Part()


# --- Definitions ------------------------------------------------------------------------------------------------------


def coroutines(start: Body, stop: Body) -> Callable[..., Component[Any]]:
    """A component function over a start and a stop that are coroutine functions."""
    made: Any = component(start, stop=stop)
    return made  # type: ignore[no-any-return]


def generators(body: Body) -> Callable[..., Component[Any]]:
    """A component function over an async generator function."""
    made: Any = component(body)
    return made  # type: ignore[no-any-return]


def build(shape: Shape, made: Callable[..., Component[Any]], waits: Sequence[float] = ()) -> System:
    """The definition: up to three references for each component, and how long it waits, if it does."""
    group: dict[str, Component[Any]] = {}
    for i in shape.written:
        config: dict[str, Any] = {name: ref(f"g.c{j}") for name, j in zip("abc", shape.needs[i], strict=False)}
        if waits:
            config["wait"] = waits[i]
        group[f"c{i}"] = made(**config)
    return System({"g": group})


# --- Written by hand --------------------------------------------------------------------------------------------------


def arguments(shape: Shape, values: Sequence[Any], i: int) -> dict[str, Any]:
    """What a component needs, by name."""
    needs = shape.needs[i]
    count = len(needs)
    if count == 1:
        return {"a": values[needs[0]]}
    if count == 2:
        return {"a": values[needs[0]], "b": values[needs[1]]}
    if count == 3:
        return {"a": values[needs[0]], "b": values[needs[1]], "c": values[needs[2]]}
    return {}


async def bare_waits(shape: Shape, waits: Sequence[float]) -> list[Any]:
    """Each component is a task in one group: it waits for the events of what it needs, starts, and sets its own."""
    size = len(shape.needs)
    values: list[Any] = [None] * size
    begun = [anyio.Event() for _ in range(size)]

    async def one(i: int) -> None:
        for j in shape.needs[i]:
            await begun[j].wait()
        values[i] = await start_waiting(waits[i], **arguments(shape, values, i))
        begun[i].set()

    async with anyio.create_task_group() as group:
        for i in shape.written:
            group.start_soon(one, i)
    return values


async def bare_stack(shape: Shape, start: Body, stop: Body, stack: AsyncExitStack) -> list[Any]:
    """Start one after the other, in an order that is known beforehand, and have the stops called in reverse."""
    later = stack.push_async_callback
    values: list[Any] = []
    keep = values.append
    for needs in shape.needs:
        count = len(needs)
        if count == 1:
            value = await start(a=values[needs[0]])
        elif count == 2:
            value = await start(a=values[needs[0]], b=values[needs[1]])
        elif count == 3:
            value = await start(a=values[needs[0]], b=values[needs[1]], c=values[needs[2]])
        else:
            value = await start()
        later(stop, value)
        keep(value)
    return values


class BareTasks:
    """One AnyIO task for each component, in which its generator is entered and left; an event holds it open between.

    It finds no order: the tasks are begun in one that is known beforehand, each told to end when its turn has come. A
    component is begun when the one before has begun, and ends when the one after has ended, with one event for each.
    """

    def __init__(self, shape: Shape, body: Body, group: TaskGroup) -> None:
        self._shape, self._body, self._group = shape, body, group
        size = len(shape.needs)
        self.values: list[Any] = [None] * size
        self._leave = [anyio.Event() for _ in range(size)]
        self._left = size
        self._step: anyio.Event

    async def _one(self, i: int) -> None:
        scope = self._body(**arguments(self._shape, self.values, i))
        self.values[i] = await anext(scope)
        # Whoever is the last to begin says so; the others hand over to the next.
        if i + 1 < len(self._leave):
            self._group.start_soon(self._one, i + 1)
        else:
            self._step.set()
        await self._leave[i].wait()
        await anext(scope, None)
        if i:
            self._leave[i - 1].set()
        else:
            self._step.set()

    async def start(self) -> None:
        self._step = anyio.Event()
        self._group.start_soon(self._one, 0)
        await self._step.wait()

    async def stop(self) -> None:
        self._step = anyio.Event()
        self._leave[-1].set()
        await self._step.wait()


class BareGraph:
    """As `BareTasks`, but what does not depend on each other begins and ends concurrently, as it does with us.

    Each task waits for the events of what it needs, and at the end for those of what needs it.
    """

    def __init__(self, shape: Shape, body: Body, group: TaskGroup) -> None:
        self._shape, self._body, self._group = shape, body, group
        size = len(shape.needs)
        self.values: list[Any] = [None] * size
        self._begun = [anyio.Event() for _ in range(size)]
        self._ended = [anyio.Event() for _ in range(size)]
        self._leave = anyio.Event()
        self._needed_by: list[list[int]] = [[] for _ in range(size)]
        for i, needs in enumerate(shape.needs):
            for j in needs:
                self._needed_by[j].append(i)

    async def _one(self, i: int) -> None:
        for j in self._shape.needs[i]:
            await self._begun[j].wait()
        scope = self._body(**arguments(self._shape, self.values, i))
        self.values[i] = await anext(scope)
        self._begun[i].set()
        await self._leave.wait()
        for j in self._needed_by[i]:
            await self._ended[j].wait()
        await anext(scope, None)
        self._ended[i].set()

    async def start(self) -> None:
        for i in self._shape.written:
            self._group.start_soon(self._one, i)
        for event in self._begun:
            if not event.is_set():
                await event.wait()

    async def stop(self) -> None:
        self._leave.set()
        for event in self._ended:
            if not event.is_set():
                await event.wait()


# --- Rounds -----------------------------------------------------------------------------------------------------------


Side = Callable[[], Awaitable[Phases]]


class Medians:
    """Seconds by side and phase, one entry for each repetition."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, list[float]]] = {}

    def add(self, side: str, phases: Phases) -> None:
        for phase, seconds in phases.items():
            self.seconds.setdefault(side, {}).setdefault(phase, []).append(seconds)

    def totals(self, side: str, *phases: str) -> list[float]:
        """The sum of some phases, or of all, for each repetition."""
        found = self.seconds[side]
        return [sum(parts) for parts in zip(*(found[phase] for phase in phases or found), strict=True)]

    def median(self, side: str, *phases: str) -> float:
        return statistics.median(self.totals(side, *phases))

    def ratio(self, side: str, base: str) -> float:
        """The median of the ratios within each repetition: both sides are measured shortly after each other there."""
        pairs = zip(self.totals(side), self.totals(base), strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def spread(self) -> float:
        """How far apart the middle half of the repetitions of a side are, over its median; the worst side's."""
        found = []
        for side in self.seconds:
            totals = sorted(self.totals(side))
            quarter = len(totals) // 4
            found.append((totals[-1 - quarter] - totals[quarter]) / statistics.median(totals))
        return max(found)


async def interleave(sides: dict[str, Side], *, rounds: int, repetitions: int) -> Medians:
    """Measure the sides in turn, A B A B, each a few times in a row where it is small; one repetition more to warm up."""
    medians = Medians()
    for repetition in range(repetitions + 1):
        for name, side in sides.items():
            total: Phases = {}
            for _ in range(rounds):
                gc.collect()
                for phase, seconds in (await side()).items():
                    total[phase] = total.get(phase, 0.0) + seconds
            if repetition:
                medians.add(name, {phase: seconds / rounds for phase, seconds in total.items()})
    return medians


# --- Waits ------------------------------------------------------------------------------------------------------------


def make_waits(size: int, seed: int) -> list[float]:
    """Seconds that each component waits: exponential, so that a few take long, with a mean of 20 ms."""
    chance = random.Random(seed)
    drawn = [chance.expovariate(1.0) for _ in range(size)]
    scale = MEAN_WAIT * size / sum(drawn)
    return [wait * scale for wait in drawn]


def longest_chain(shape: Shape, waits: Sequence[float]) -> float:
    """The least time that any start can take: the most seconds of waits that have to come one after the other."""
    ends: list[float] = []
    for i, needs in enumerate(shape.needs):
        ends.append(waits[i] + max((ends[j] for j in needs), default=0.0))
    return max(ends)


async def measure_waits(size: int, seed: int, repetitions: int) -> dict[str, Any]:
    """A start of one random layered graph, by each side."""
    shape, waits = make_shape("layers", size, seed=seed), make_waits(size, seed)
    plain, held = coroutines(start_waiting, stop_part), generators(hold_waiting)
    longest = longest_chain(shape, waits)

    async def by_hand() -> Phases:
        t0 = clock()
        await bare_waits(shape, waits)
        return {"start": clock() - t0}

    async def ours(made: Callable[..., Component[Any]], *, planned: bool) -> Phases:
        system = build(shape, made, waits)
        if planned:
            system.plan("start")
        t0 = clock()
        live = await system.astart()
        seconds = clock() - t0
        await live.astop()
        return {"start": seconds}

    sides: dict[str, Side] = {
        "bare": by_hand,
        "coroutines": lambda: ours(plain, planned=True),
        "generators": lambda: ours(held, planned=True),
        "with plan": lambda: ours(plain, planned=False),
    }
    medians = await interleave(sides, rounds=1, repetitions=repetitions)
    found: dict[str, Any] = {"size": size, "seed": seed, "longest_ms": longest * 1e3, "noise": medians.spread()}
    found["repetitions"] = repetitions
    for side in sides:
        key, seconds = side.replace(" ", "_"), medians.median(side)
        found[f"{key}_ms"] = seconds * 1e3
        found[f"{key}_over_longest"] = seconds / longest
        found[f"{key}_ratio"] = medians.ratio(side, "bare")
    return found


# --- Components that do nothing ---------------------------------------------------------------------------------------


async def check(shape: Shape, style: str) -> None:
    """Each side starts and stops every component once, and in order."""
    size = len(shape.needs)
    made = generators(hold_watched) if style == "generators" else coroutines(start_watched, stop_watched)
    live = await build(shape, made).astart()
    await live.astop()
    Watched.check(size)
    if style == "coroutines":
        async with AsyncExitStack() as stack:
            await bare_stack(shape, start_watched, stop_watched, stack)
        Watched.check(size)
        return
    for bare in (BareTasks, BareGraph):
        async with anyio.create_task_group() as group:
            tasks = bare(shape, hold_watched, group)
            await tasks.start()
            await tasks.stop()
        Watched.check(size)


async def time_stack(shape: Shape) -> Phases:
    """`AsyncExitStack` over the same coroutine functions."""
    stack = AsyncExitStack()
    t0 = clock()
    values = await bare_stack(shape, start_part, stop_part, stack)
    t1 = clock()
    await stack.aclose()
    t2 = clock()
    del values
    return {"start": t1 - t0, "stop": t2 - t1}


async def time_tasks(shape: Shape, bare: type[BareTasks] | type[BareGraph]) -> Phases:
    """One AnyIO task for each component."""
    t0 = clock()
    async with anyio.create_task_group() as group:
        tasks = bare(shape, hold_part, group)
        await tasks.start()
        t1 = clock()
        await tasks.stop()
    t2 = clock()
    return {"start": t1 - t0, "stop": t2 - t1}


async def time_ours(shape: Shape, made: Callable[..., Component[Any]]) -> Phases:
    """Mainspring; the plan was asked for before."""
    system = build(shape, made)
    system.plan("start")
    t0 = clock()
    live = await system.astart()
    t1 = clock()
    await live.astop()
    t2 = clock()
    return {"start": t1 - t0, "stop": t2 - t1}


async def time_whole(shape: Shape, made: Callable[..., Component[Any]]) -> Phases:
    """Mainspring as a program uses it: definition, plan, start and stop."""
    t0 = clock()
    live = await build(shape, made).astart()
    await live.astop()
    return {"whole": clock() - t0}


async def measure_cycle(style: str, shape_name: str, size: int, repetitions: int) -> dict[str, Any]:
    """All figures of one style, shape and size."""
    await check(make_shape(shape_name, min(size, 1_000)), style)
    shape = make_shape(shape_name, size)
    made = generators(hold_part) if style == "generators" else coroutines(start_part, stop_part)
    sides: dict[str, Side] = {}
    if style == "generators":
        sides["bare"] = lambda: time_tasks(shape, BareTasks)
        sides["graph"] = lambda: time_tasks(shape, BareGraph)
    else:
        sides["bare"] = lambda: time_stack(shape)
    sides["ours"] = lambda: time_ours(shape, made)
    sides["whole"] = lambda: time_whole(shape, made)
    gc.collect()
    gc.freeze()  # what was there before is of no interest to the collections between rounds
    medians = await interleave(sides, rounds=harness.rounds_for(size, 1_000), repetitions=repetitions)
    us = 1e6 / size
    found: dict[str, Any] = {
        "style": style,
        "shape": shape_name,
        "size": size,
        "repetitions": repetitions,
        "bare_us": medians.median("bare") * us,
        "start_us": medians.median("ours", "start") * us,
        "stop_us": medians.median("ours", "stop") * us,
        "start_stop_us": medians.median("ours") * us,
        "start_stop_ratio": medians.ratio("ours", "bare"),
        "whole_us": medians.median("whole") * us,
        "whole_ratio": medians.ratio("whole", "bare"),
        "noise": medians.spread(),
    }
    if style == "generators":
        found["graph_us"] = medians.median("graph") * us
        found["graph_ratio"] = medians.ratio("ours", "graph")
    return found


# --- Workers ----------------------------------------------------------------------------------------------------------


def start_sleeping(a: object = None) -> Part:
    time.sleep(MEAN_WAIT)
    return Part()


async def measure_workers(size: int, repetitions: int) -> dict[str, Any]:
    """Independent sync components that sleep for 20 ms, on 8 workers, from sync and from async code."""
    made: Any = component(start_sleeping)
    ideal: float = math.ceil(size / WORKERS) * MEAN_WAIT
    system = System({"g": {f"c{i}": made() for i in range(size)}}, workers=WORKERS)

    def in_sync() -> float:
        t0 = clock()
        live = system.start()
        seconds = clock() - t0
        live.stop()
        return seconds

    async def from_sync() -> Phases:
        return {"start": await anyio.to_thread.run_sync(in_sync)}

    async def from_async() -> Phases:
        t0 = clock()
        live = await system.astart()
        seconds = clock() - t0
        await live.astop()
        return {"start": seconds}

    medians = await interleave({"start": from_sync, "astart": from_async}, rounds=1, repetitions=repetitions)
    found: dict[str, Any] = {"size": size, "workers": WORKERS, "ideal_ms": ideal * 1e3, "noise": medians.spread()}
    for side in ("start", "astart"):
        found[f"{side}_ms"] = medians.median(side) * 1e3
        found[f"{side}_ratio"] = medians.median(side) / ideal
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("waits", "cycle", "workers"))
    parser.add_argument("--backend", choices=BACKENDS, default="asyncio")
    parser.add_argument("--style", choices=STYLES, default="coroutines")
    parser.add_argument("--shape", choices=harness.SHAPES, default="chain")
    parser.add_argument("--size", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--gc", choices=("on", "off"), default="on", help="the garbage collector while the clock runs")
    given = parser.parse_args()
    if given.gc == "off":
        gc.disable()

    async def run() -> dict[str, Any]:
        if given.what == "waits":
            return await measure_waits(given.size, given.seed, given.repetitions)
        if given.what == "workers":
            return await measure_workers(given.size, given.repetitions)
        return await measure_cycle(given.style, given.shape, given.size, given.repetitions)

    found: dict[str, Any] = anyio.run(run, backend=given.backend)
    print(json.dumps({"backend": given.backend, "gc": gc.isenabled(), **found}))


if __name__ == "__main__":
    main()
