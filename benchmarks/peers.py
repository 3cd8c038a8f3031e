"""Other libraries side by side: build + start + stop of a chain, each in the way its own documentation shows.

Each library and size runs in a process of its own with a time limit. What cannot be done is part of the result:
a RecursionError, a time-out or a crash is a line in the table, with the phase in which it happened.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import importlib.metadata
import json
import logging
import subprocess
import sys
import types
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import harness
from harness import Part, Phases, Samples, Shape, Watched, clock, figure, interleave, make_shape, spread, table

SIZES = (100, 1_000, 10_000)
BUDGET = 20.0  # seconds of repetitions for one library and size; at least one is always made


class Cycle(NamedTuple):
    """One life of a system, in three calls. What one returns is handed to the next."""

    build: Callable[[], Any]
    start: Callable[[Any], Any]
    stop: Callable[[Any], Any]


def load(module: str) -> Any:
    """A library's module, as `import` gives it; `Any`, so that this file checks the same with or without it."""
    return importlib.import_module(module)


def make(watch: bool, need: object = None) -> Any:
    """The instance of a component whose library wants a class instead of a generator function."""
    return Watched(need) if watch else Part()


# --- The libraries ----------------------------------------------------------------------------------------------------


def mainspring(size: int, watch: bool) -> Cycle:
    from mainspring import System, component, ref

    names = [f"c{i}" for i in range(size)]
    paths = [f"g.c{i}" for i in range(size)]
    link: Any = component(harness.watched if watch else harness.part)

    def build() -> Any:
        group = {names[0]: link()}
        for i in range(1, size):
            group[names[i]] = link(a=ref(paths[i - 1]))
        return System({"g": group})

    return Cycle(build, lambda system: system.start(), lambda live: live.stop())


def python_components(size: int, watch: bool) -> Cycle:
    library = load("python_components")

    class Link(library.Component):  # type: ignore[misc, name-defined]
        part: Any
        need: Link

        def start(self) -> None:
            self.part = make(watch, self.need.part if self.dependencies else None)

        def shutdown(self) -> None:
            if watch:
                self.part.close()

    names = [f"c{i}" for i in range(size)]

    def build() -> Any:
        parts = {names[0]: Link()}
        for i in range(1, size):
            parts[names[i]] = Link().using({"need": names[i - 1]})
        return library.System(parts)

    def start(system: Any) -> Any:
        system.start()
        return system

    return Cycle(build, start, lambda system: system.shutdown())


def facet_services(size: int, watch: bool, *, listed: bool) -> Cycle:
    library = load("facet")

    class Link(library.BlockingServiceMixin):  # type: ignore[misc, name-defined]
        part: Any

        def __init__(self, need: Link | None) -> None:
            self.need = need

        @property
        def dependencies(self) -> list[Any]:
            return [self.need] if self.need else []

        def start(self) -> None:
            self.part = make(watch, self.need.part if self.need else None)

        def stop(self) -> None:
            if watch:
                self.part.close()

    class Application(library.BlockingServiceMixin):  # type: ignore[misc, name-defined]
        def __init__(self, links: list[Link]) -> None:
            self.links = links

        @property
        def dependencies(self) -> list[Any]:
            return self.links if listed else self.links[-1:]

    def build() -> Any:
        links = [Link(None)]
        for i in range(1, size):
            links.append(Link(links[i - 1]))
        return Application(links)

    return Cycle(build, lambda application: application.__enter__(), lambda live: live.__exit__(None, None, None))


def facet(size: int, watch: bool) -> Cycle:
    return facet_services(size, watch, listed=False)


def facet_listed(size: int, watch: bool) -> Cycle:
    return facet_services(size, watch, listed=True)


def that_depends(size: int, watch: bool) -> Cycle:
    library = load("that_depends")
    resource = load("that_depends.providers").Resource
    warnings.filterwarnings("ignore", "Overwriting container")
    body: Any = harness.watched if watch else harness.part
    names = [f"c{i}" for i in range(size)]
    loop = asyncio.new_event_loop()

    def fill(namespace: dict[str, Any]) -> None:
        namespace[names[0]] = provider = resource(body)
        for i in range(1, size):
            namespace[names[i]] = provider = resource(body, a=provider)

    def start(container: Any) -> Any:
        loop.run_until_complete(container.init_resources())
        return container

    def stop(container: Any) -> None:
        loop.run_until_complete(container.tear_down())

    return Cycle(lambda: types.new_class("Chain", (library.BaseContainer,), exec_body=fill), start, stop)


def svcs_registry(size: int, watch: bool, *, listed: bool) -> Cycle:
    library = load("svcs")
    kinds: list[type] = [type(f"C{i}", (Watched,) if watch else (), {"__slots__": ()}) for i in range(size)]

    def factory(kind: type, need: type | None) -> Callable[..., Iterator[Any]]:
        def link(svcs_container: Any) -> Iterator[Any]:
            value = svcs_container.get(need) if need else None
            it = kind(value) if watch else kind()
            yield it
            if watch:
                it.close()

        return link

    factories = [factory(kinds[i], kinds[i - 1] if i else None) for i in range(size)]

    def build() -> Any:
        registry = library.Registry()
        for kind, link in zip(kinds, factories, strict=True):
            registry.register_factory(kind, link)
        return registry

    def start(registry: Any) -> Any:
        container = library.Container(registry)
        for kind in kinds if listed else kinds[-1:]:
            container.get(kind)
        return container

    def stop(container: Any) -> None:
        container.close()
        container.registry.close()

    return Cycle(build, start, stop)


def svcs(size: int, watch: bool) -> Cycle:
    return svcs_registry(size, watch, listed=False)


def svcs_listed(size: int, watch: bool) -> Cycle:
    return svcs_registry(size, watch, listed=True)


def dishka_container(size: int, watch: bool, *, listed: bool) -> Cycle:
    library = load("dishka")
    kinds: list[type] = [type(f"C{i}", (Watched,) if watch else (), {"__slots__": ()}) for i in range(size)]

    def factory(kind: type, need: type | None) -> Callable[..., Iterator[Any]]:
        def first() -> Iterator[Any]:
            it = kind()
            yield it
            if watch:
                it.close()

        def link(a: Any) -> Iterator[Any]:
            it = kind(a) if watch else kind()
            yield it
            if watch:
                it.close()

        made: Any = link if need else first
        made.__annotations__ = {"return": Iterator[kind], **({"a": need} if need else {})}  # type: ignore[valid-type]
        return made  # type: ignore[no-any-return]

    factories = [factory(kinds[i], kinds[i - 1] if i else None) for i in range(size)]

    def build() -> Any:
        provider = library.Provider(scope=library.Scope.APP)
        for link in factories:
            provider.provide(link)
        return library.make_container(provider)

    def start(container: Any) -> Any:
        for kind in kinds if listed else kinds[-1:]:
            container.get(kind)
        return container

    return Cycle(build, start, lambda container: container.close())


def dishka(size: int, watch: bool) -> Cycle:
    return dishka_container(size, watch, listed=False)


def dishka_listed(size: int, watch: bool) -> Cycle:
    return dishka_container(size, watch, listed=True)


def dependency_injector(size: int, watch: bool) -> Cycle:
    containers, providers = load("dependency_injector.containers"), load("dependency_injector.providers")
    body = harness.watched if watch else harness.part
    names = [f"c{i}" for i in range(size)]

    def build() -> Any:
        container = containers.DynamicContainer()
        provider = providers.Resource(body)
        setattr(container, names[0], provider)
        for i in range(1, size):
            provider = providers.Resource(body, a=provider)
            setattr(container, names[i], provider)
        return container

    def start(container: Any) -> Any:
        container.init_resources()
        return container

    return Cycle(build, start, lambda container: container.shutdown_resources())


def asphalt(size: int, watch: bool) -> Cycle:
    library = load("asphalt.core")

    class Link(library.Component):  # type: ignore[misc, name-defined]
        def __init__(self, name: str, need: str | None = None) -> None:
            self.name, self.need = name, need

        @library.context_teardown  # type: ignore[untyped-decorator, unused-ignore]
        async def start(self, ctx: Any) -> AsyncIterator[None]:
            kind: Any = Watched if watch else Part
            value = await ctx.request_resource(kind, self.need) if self.need else None
            it = make(watch, value)
            ctx.add_resource(it, self.name)
            yield
            if watch:
                it.close()

    names = [f"c{i}" for i in range(size)]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def build() -> Any:
        application = library.ContainerComponent()
        application.add_component(names[0], Link, name=names[0])
        for i in range(1, size):
            application.add_component(names[i], Link, name=names[i], need=names[i - 1])
        return application

    async def enter(application: Any) -> Any:
        context = library.Context()
        await context.__aenter__()
        await application.start(context)
        return context

    def start(application: Any) -> Any:
        return loop.run_until_complete(enter(application))

    return Cycle(build, start, lambda context: loop.run_until_complete(context.close()))


class Peer(NamedTuple):
    """How a library is shown in the table."""

    label: str
    package: str
    prepare: Callable[[int, bool], Cycle]
    baseline: str = "ExitStack"


IN_ORDER = " (order written by hand)"
PEERS = {
    "mainspring": Peer("Mainspring", "mainspring", mainspring),
    "python-components": Peer("python-components", "python-components", python_components),
    "that-depends": Peer("that-depends", "that-depends", that_depends),
    "facet": Peer("facet", "facet", facet),
    "facet-listed": Peer("facet" + IN_ORDER, "facet", facet_listed),
    "svcs": Peer("svcs", "svcs", svcs),
    "svcs-listed": Peer("svcs" + IN_ORDER, "svcs", svcs_listed),
    "dishka": Peer("dishka", "dishka", dishka),
    "dishka-listed": Peer("dishka" + IN_ORDER, "dishka", dishka_listed),
    "dependency-injector": Peer("dependency-injector", "dependency-injector", dependency_injector),
    "asphalt": Peer("asphalt", "asphalt", asphalt, "AsyncExitStack"),
}


# --- In the process of one library ------------------------------------------------------------------------------------


@asynccontextmanager
async def apart(a: object = None) -> AsyncIterator[Part]:
    yield Part()


def time_async_exit_stack(size: int, rounds: int) -> Phases:
    """The baseline for a library that is async only: the same chain, on an event loop that runs already."""
    loop = asyncio.get_event_loop()
    start = stop = 0.0

    async def once() -> None:
        nonlocal start, stop
        stack = AsyncExitStack()
        enter = stack.enter_async_context
        t0 = clock()
        values = [await enter(apart())]
        for i in range(1, size):
            values.append(await enter(apart(a=values[i - 1])))
        t1 = clock()
        await stack.aclose()
        t2 = clock()
        start += t1 - t0
        stop += t2 - t1

    for _ in range(rounds):
        loop.run_until_complete(once())
        gc.collect()
    return {"start": start, "stop": stop}


class Stumbled(Exception):
    """A library could not do one phase."""


def step(phase: str, call: Callable[..., Any], *args: Any) -> Any:
    try:
        return call(*args)
    except Exception as error:  # whatever it is, it is the result
        root: BaseException = error
        while isinstance(root, BaseExceptionGroup):
            root = root.exceptions[0]
        while root.__cause__ is not None and not isinstance(root, RecursionError):
            root = root.__cause__
        raise Stumbled(f"{type(root).__name__} in {phase}") from None


def time_cycle(cycle: Cycle, rounds: int) -> Phases:
    build = start = stop = 0.0
    for _ in range(rounds):
        t0 = clock()
        definition = step("build", cycle.build)
        t1 = clock()
        live = step("start", cycle.start, definition)
        t2 = clock()
        step("stop", cycle.stop, live)
        t3 = clock()
        build += t1 - t0
        start += t2 - t1
        stop += t3 - t2
        del definition, live
        gc.collect()
    return {"build": build, "start": start, "stop": stop}


def check(cycle: Cycle, size: int) -> str | None:
    """Go through one life with instances that watch the order; say what was wrong with it, if anything."""
    live = step("start", cycle.start, step("build", cycle.build))
    if Watched.opened != size:
        return f"starts {Watched.opened} of {size}"
    try:
        step("stop", cycle.stop, live)
        Watched.check(size)
    except (Stumbled, AssertionError):
        return "stops what is still needed"
    return None


def measure(name: str, size: int) -> dict[str, Any]:
    """One library and size, in this process."""
    logging.disable(logging.WARNING)
    peer = PEERS[name]
    found: dict[str, Any] = {"peer": name, "size": size, "baseline": peer.baseline}
    found["version"] = version(peer.package)
    try:
        try:
            cycle = peer.prepare(min(size, 100), True)
        except ImportError as error:
            return {**found, "failed": f"not installed ({error.name})"}
        flaw = check(cycle, min(size, 100))
        if flaw:
            found["flaw"] = flaw
        rounds = 1 if size > 1_000 else harness.rounds_for(size, 2_000)
        cycle = peer.prepare(size, False)
        ours, theirs = Samples(), Samples()
        gc.collect()
        gc.freeze()
        shape: Shape = make_shape("chain", size)
        if peer.baseline == "ExitStack":
            harness.check_exit_stack(make_shape("chain", 100))
            baseline: Callable[[int], Phases] = lambda count: harness.time_exit_stack(shape, count)  # noqa: E731
        else:
            baseline = lambda count: time_async_exit_stack(size, count)  # noqa: E731
        interleave(
            [(theirs, baseline), (ours, lambda count: time_cycle(cycle, count))],
            rounds=rounds,
            repetitions=7,
            budget=BUDGET,
        )
    except Stumbled as stumbled:
        gc.collect()
        return {**found, "failed": str(stumbled)}
    base = theirs.best("start", "stop")
    whole = ours.best("build", "start", "stop")
    noises = [spread(ours.total("build", "start", "stop")), spread(theirs.total("start", "stop"))]
    return {
        **found,
        "repetitions": len(ours.seconds["build"]),
        "build_us": ours.best("build") / size * 1e6,
        "start_us": ours.best("start") / size * 1e6,
        "stop_us": ours.best("stop") / size * 1e6,
        "whole_us": whole / size * 1e6,
        "baseline_us": base / size * 1e6,
        "ratio": whole / base,
        "live_ratio": ours.best("start", "stop") / base,
        "noise": max(noises),
    }


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


# --- All of them ------------------------------------------------------------------------------------------------------


def run_one(name: str, size: int, limit: float) -> dict[str, Any]:
    """One library and size in a process of its own, ended after `limit` seconds."""
    command = [sys.executable, str(Path(__file__).resolve()), "--one", name, "--size", str(size)]
    base: dict[str, Any] = {"peer": name, "size": size, "baseline": PEERS[name].baseline}
    base["version"] = version(PEERS[name].package)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {**base, "failed": f"not done in {limit:.0f} s"}
    if done.returncode < 0:
        return {**base, "failed": f"the process died of signal {-done.returncode}"}
    if done.returncode > 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {**base, "failed": last[:60]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(
    *, sizes: tuple[int, ...] = SIZES, limit: float = 60.0, names: tuple[str, ...] = tuple(PEERS)
) -> dict[str, Any]:
    """Every library at every size. A size is left out when a smaller one was not done in time."""
    results: list[dict[str, Any]] = []
    for name in names:
        late = False
        for size in sizes:
            print(f"  {PEERS[name].label}, {size:,} ...", file=sys.stderr, flush=True)
            if late:
                peer = PEERS[name]
                left_out = {"peer": name, "size": size, "baseline": peer.baseline, "version": version(peer.package)}
                results.append({**left_out, "failed": "left out, a smaller N took too long"})
                continue
            results.append(run_one(name, size, limit))
            late = str(results[-1].get("failed", "")).startswith("not done")
    return {"sizes": sizes, "limit_s": limit, "results": results}


def render(found: dict[str, Any]) -> str:
    """The results as a Markdown table: ratios, and what went wrong in words."""
    sizes = [int(size) for size in found["sizes"]]
    by_peer: dict[str, dict[int, dict[str, Any]]] = {}
    for result in found["results"]:
        by_peer.setdefault(result["peer"], {})[result["size"]] = result
    rows = []
    for name, results in by_peer.items():
        peer = PEERS[name]
        cells = [peer.label, next((r["version"] for r in results.values() if r["version"]), None) or "-", peer.baseline]
        for size in sizes:
            result = results[size]
            if "failed" in result:
                cells.append(result["failed"])
            else:
                mark = "*" * ("flaw" in result)
                cells.append(f"{figure(result['ratio'])}{mark} / {figure(result['live_ratio'])}{mark}")
        rows.append(cells)
    head = ["with / without build", "version", "against", *(f"N = {size:,}" for size in sizes)]
    noise = max((r["noise"] for r in found["results"] if "noise" in r), default=0.0)
    flaws = {
        f"\\* {PEERS[result['peer']].label}: {result['flaw']}."
        for result in found["results"]
        if "flaw" in result and "failed" not in result
    }
    return "\n".join(
        [
            table(head, rows),
            "",
            *(f"{flaw}\n" for flaw in sorted(flaws)),
            "Build + start + stop, and start + stop alone, of a chain of N: ratios to the baseline in the process.",
            f"Noise: median over best up to +{noise:.0%}. Time limit: {found['limit_s']:.0f} s each.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", choices=tuple(PEERS), help="measure one library in this process and print JSON")
    parser.add_argument("--size", type=int, help="N for --one")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="N, separated by commas")
    parser.add_argument("--names", default=",".join(PEERS), help="libraries, separated by commas")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each library and size")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.size)))
        return
    sizes = tuple(int(size) for size in given.sizes.split(","))
    found = run(sizes=sizes, limit=given.limit, names=tuple(given.names.split(",")))
    print(json.dumps(found) if given.json else render(found))


if __name__ == "__main__":
    main()
