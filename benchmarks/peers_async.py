"""Other libraries that can start things concurrently: a layered graph of components that wait in start and in stop.

What is measured is how much of the concurrency that the graph allows comes about: seconds over those of the longest chain.
Each library has a process of its own with a time limit, and starts each component in the way its own documentation shows.
What goes out of order is counted, and is part of the result.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import json
import logging
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from harness import Shape, clock, figure, make_shape, table
from peers import version

SIZE = 100
WAIT = 0.01  # seconds, in each start and in each stop
LAYERS = 10


def load(module: str) -> Any:
    """A library's module, as `import` gives it; `Any`, so that this file checks the same with or without it."""
    return importlib.import_module(module)


class Watch:
    """What every component does: wait, and notice when it is started or stopped out of order."""

    def __init__(self, shape: Shape) -> None:
        self.needs = shape.needs
        size = len(shape.needs)
        self.needed_by: list[list[int]] = [[] for _ in range(size)]
        for i, needs in enumerate(shape.needs):
            for j in needs:
                self.needed_by[j].append(i)
        self.started, self.stopped = [False] * size, [False] * size
        self.early_starts = self.early_stops = 0

    async def start(self, i: int) -> None:
        self.early_starts += not all(self.started[j] for j in self.needs[i])
        await asyncio.sleep(WAIT)
        self.started[i] = True

    async def stop(self, i: int) -> None:
        self.early_stops += not all(self.stopped[j] for j in self.needed_by[i])
        await asyncio.sleep(WAIT)
        self.stopped[i] = True

    async def hold(self, i: int) -> AsyncIterator[int]:
        await self.start(i)
        yield i
        await self.stop(i)


class Times(NamedTuple):
    start: float
    stop: float


# --- The libraries: each starts and stops everything, and says how long that took ---------------------------------------


async def mainspring(watch: Watch) -> Times:
    from mainspring import System, component, ref

    async def body(i: int, a: object = None, b: object = None, c: object = None) -> AsyncIterator[int]:
        async for it in watch.hold(i):
            yield it

    made: Any = component(body)
    group = {}
    for i, needs in enumerate(watch.needs):
        group[f"c{i}"] = made(i=i, **{name: ref(f"g.c{j}") for name, j in zip("abc", needs, strict=False)})
    system = System({"g": group})
    t0 = clock()
    live = await system.astart()
    t1 = clock()
    await live.astop()
    return Times(t1 - t0, clock() - t1)


async def facet(watch: Watch) -> Times:
    library = load("facet")

    class Link(library.ServiceMixin):  # type: ignore[misc, name-defined]
        def __init__(self, i: int) -> None:
            self.i = i

        @property
        def dependencies(self) -> list[Any]:
            return [[links[j] for j in watch.needs[self.i]]]  # a list in the list: concurrently

        async def start(self) -> None:
            await watch.start(self.i)

        async def stop(self) -> None:
            await watch.stop(self.i)

    class Application(library.ServiceMixin):  # type: ignore[misc, name-defined]
        @property
        def dependencies(self) -> list[Any]:
            return [links]

    links = [Link(i) for i in range(len(watch.needs))]
    t0 = clock()
    async with Application():
        t1 = clock()
    return Times(t1 - t0, clock() - t1)


async def asynchronously(watch: Watch) -> Times:
    library = load("asynchronously")

    class Link(library.AsyncInitable, library.AsyncDeinitable):  # type: ignore[misc, name-defined]
        def __init__(self, i: int) -> None:
            library.AsyncInitable.__init__(self)
            library.AsyncDeinitable.__init__(self)
            self.i = i

        async def _async_init(self) -> None:
            await watch.start(self.i)

        async def _async_deinit(self) -> None:
            await watch.stop(self.i)

    class Application(library.AsyncInitable, library.AsyncDeinitable):  # type: ignore[misc, name-defined]
        def __init__(self, links: list[Link]) -> None:
            library.AsyncInitable.__init__(self)
            library.AsyncDeinitable.__init__(self)
            self.links = links

    links = [Link(i) for i in range(len(watch.needs))]
    wait = asyncio.create_task
    for i, needs in enumerate(watch.needs):  # both directions are written by hand
        for j in needs:
            links[i].wait_before_async_init_for(wait(links[j].async_init_finished__event.wait()))
            links[j].wait_before_async_deinit_for(wait(links[i].async_deinit_finished__event.wait()))
    application = Application(links)
    t0 = clock()
    await application.async_init()
    t1 = clock()
    await application.async_deinit()
    return Times(t1 - t0, clock() - t1)


def one_that_holds(watch: Watch, i: int) -> Any:
    """A function of its own for each component, because di looks up by function."""

    async def link(**needs: object) -> AsyncIterator[int]:
        async for it in watch.hold(i):
            yield it

    return link


async def di(watch: Watch) -> Times:
    library, dependents, executors = load("di"), load("di.dependent"), load("di.executors")
    functions: list[Any] = []
    for i, needs in enumerate(watch.needs):
        link = one_that_holds(watch, i)
        names = dict(zip("abc", needs, strict=False))
        link.__annotations__ = {
            name: Annotated[object, dependents.Marker(functions[j], scope="app")] for name, j in names.items()
        }
        link.__signature__ = inspect.Signature(
            [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=link.__annotations__[name])
                for name in names
            ]
        )
        functions.append(link)
    made = [dependents.Dependent(link, scope="app") for link in functions]
    whole = dependents.JoinedDependent(dependents.Dependent(lambda: None, scope="app"), siblings=made)
    container = library.Container()
    solved = container.solve(whole, scopes=["app"])
    t0 = clock()
    async with container.enter_scope("app") as state:
        await solved.execute_async(executor=executors.ConcurrentAsyncExecutor(), state=state)
        t1 = clock()
    return Times(t1 - t0, clock() - t1)


async def aiomisc(watch: Watch) -> Times:
    library = load("aiomisc")

    class Link(library.Service):  # type: ignore[misc, name-defined]
        i: int

        async def start(self) -> None:
            for j in watch.needs[self.i]:
                await self.context[j]
            await watch.start(self.i)
            self.context[self.i] = True

        async def stop(self, exception: Exception | None = None) -> None:
            await watch.stop(self.i)

    links = [Link(i=i) for i in range(len(watch.needs))]
    t0 = clock()
    async with library.entrypoint(*links, log_config=False, catch_signals=()):
        t1 = clock()
    return Times(t1 - t0, clock() - t1)


async def dependency_injector(watch: Watch) -> Times:
    containers, providers = load("dependency_injector.containers"), load("dependency_injector.providers")

    async def link(i: int, **needs: object) -> AsyncIterator[int]:
        async for it in watch.hold(i):
            yield it

    container = containers.DynamicContainer()
    made: list[Any] = []
    for i, needs in enumerate(watch.needs):
        named = {name: made[j] for name, j in zip("abc", needs, strict=False)}
        made.append(providers.Resource(link, i, **named))
        setattr(container, f"c{i}", made[i])
    t0 = clock()
    await container.init_resources()
    t1 = clock()
    await container.shutdown_resources()
    return Times(t1 - t0, clock() - t1)


async def asphalt(watch: Watch) -> Times:
    library = load("asphalt.core")

    class Link(library.Component):  # type: ignore[misc, name-defined]
        def __init__(self, i: int) -> None:
            self.i = i

        @library.context_teardown  # type: ignore[untyped-decorator, unused-ignore]
        async def start(self, ctx: Any) -> AsyncIterator[None]:
            for j in watch.needs[self.i]:
                await ctx.request_resource(Link, f"c{j}")
            await watch.start(self.i)
            ctx.add_resource(self, f"c{self.i}")
            yield
            await watch.stop(self.i)

    application = library.ContainerComponent()
    for i in range(len(watch.needs)):
        application.add_component(f"c{i}", Link, i=i)
    t0 = clock()
    async with library.Context() as context:
        await application.start(context)
        t1 = clock()
    return Times(t1 - t0, clock() - t1)


class Peer(NamedTuple):
    """How a library is shown in the table."""

    package: str
    cycle: Callable[[Watch], Any]
    note: str


PEERS = {
    "mainspring": Peer("mainspring", mainspring, "found from the references"),
    "facet": Peer("facet", facet, "found from `dependencies`"),
    "asynchronously": Peer("asynchronously", asynchronously, "events, by hand, for start and for stop"),
    "di": Peer("di", di, "found from the annotations"),
    "aiomisc": Peer("aiomisc", aiomisc, "each start waits for others by itself"),
    "dependency-injector": Peer("dependency-injector", dependency_injector, "found from the providers"),
    "asphalt": Peer("asphalt", asphalt, "each start waits for others by itself"),
}


# --- Measuring --------------------------------------------------------------------------------------------------------


def measure(name: str, repetitions: int) -> dict[str, Any]:
    """One library, in this process."""
    logging.disable(logging.WARNING)
    shape = make_shape("layers", SIZE)
    starts, stops, early_starts, early_stops = [], [], 0, 0
    found: dict[str, Any] = {"peer": name, "version": version(PEERS[name].package)}
    for repetition in range(repetitions + 1):
        watch = Watch(shape)
        try:
            times: Times = asyncio.run(PEERS[name].cycle(watch))
        except ImportError as error:
            return {**found, "failed": f"not installed ({error.name})"}
        except Exception as error:  # whatever it is, it is the result
            return {**found, "failed": f"{type(error).__name__}: {error}"[:80]}
        if not (all(watch.started) and all(watch.stopped)):
            counts = f"started {sum(watch.started)} of {SIZE}, stopped {sum(watch.stopped)}"
            return {**found, "failed": counts}
        if repetition:
            starts.append(times.start)
            stops.append(times.stop)
        early_starts, early_stops = max(early_starts, watch.early_starts), max(early_stops, watch.early_stops)
    least = LAYERS * WAIT
    return {
        **found,
        "start_ratio": statistics.median(starts) / least,
        "stop_ratio": statistics.median(stops) / least,
        "early_starts": early_starts,
        "early_stops": early_stops,
    }


def run(*, limit: float = 60.0, repetitions: int = 5) -> list[dict[str, Any]]:
    """Every library, in a process of its own that is ended after `limit` seconds."""
    results = []
    for name, peer in PEERS.items():
        print(f"  {name}, concurrently ...", file=sys.stderr, flush=True)
        command = [sys.executable, str(Path(__file__).resolve()), "--one", name, "--repetitions", str(repetitions)]
        base = {"peer": name, "version": version(peer.package)}
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
        except subprocess.TimeoutExpired:
            results.append({**base, "failed": f"not done in {limit:.0f} s"})
            continue
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            results.append({**base, "failed": last[:60]})
        else:
            results.append(json.loads(done.stdout.splitlines()[-1]))
    return results


def render(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    rows = []
    for result in results:
        cells = [result["peer"], result["version"] or "-", PEERS[result["peer"]].note]
        if "failed" in result:
            cells += [result["failed"], "", ""]
        else:
            wrong = [
                f"{result[key]} {text}"
                for key, text in (("early_starts", "started too early"), ("early_stops", "stopped too early"))
                if result[key]
            ]
            cells += [figure(result["start_ratio"]), figure(result["stop_ratio"]), ", ".join(wrong) or "kept"]
        rows.append(cells)
    return "\n".join(
        [
            table(["library", "version", "the order is", "start", "stop", "the order was"], rows),
            "",
            f"{SIZE} components in {LAYERS} layers, each waits {WAIT * 1e3:.0f} ms in start and in stop: times over the longest "
            f"chain of waits. 1 is as concurrent as the graph allows, {SIZE // LAYERS} is one after the other.",
            "python-components, that-depends, svcs and dishka start one component after the other and are left out.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", choices=tuple(PEERS), help="measure one library in this process and print JSON")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each library")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.repetitions)))
        return
    print(render(run(limit=given.limit, repetitions=given.repetitions)))


if __name__ == "__main__":
    main()
