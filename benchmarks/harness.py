"""What the benchmarks share: the shapes of a system, the ExitStack baseline, the clock, and tables."""

from __future__ import annotations

import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
SHAPES = ("chain", "wide", "layers")
SIZES = (10, 100, 1_000, 10_000, 100_000)


# --- Shapes -----------------------------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """Which component needs which: component number i needs the components `needs[i]`, all of smaller number.

    `written` is the order in which the definition names them.
    """

    name: str
    needs: tuple[tuple[int, ...], ...]
    written: tuple[int, ...]


def make_shape(name: str, size: int, *, seed: int = 1) -> Shape:
    """A chain (each needs the one before), wide (all need the first) or random layers.

    Layers: ten of them, each component needs one to three of the layer before, and the definition is written in a
    random order, so that the order of starting really has to be found.
    """
    in_order = tuple(range(size))
    if name == "chain":
        return Shape(name, tuple((i - 1,) if i else () for i in in_order), in_order)
    if name == "wide":
        return Shape(name, tuple((0,) if i else () for i in in_order), in_order)
    if name == "layers":
        chance = random.Random(seed)
        width = max(1, size // 10)
        needs: list[tuple[int, ...]] = []
        for i in in_order:
            before = range(i // width * width - width, i // width * width)
            needs.append(tuple(sorted(chance.sample(before, min(width, chance.randint(1, 3))))) if i >= width else ())
        written = list(in_order)
        chance.shuffle(written)
        return Shape(name, tuple(needs), tuple(written))
    raise ValueError(f"no such shape: {name}")


# --- Bodies -----------------------------------------------------------------------------------------------------------


class Part:
    """The instance of a component in a timed run: as little as an object can be."""

    __slots__ = ()


def part(a: object = None, b: object = None, c: object = None) -> Iterator[Part]:
    """The body of every component in a timed run. It does nothing, so that what is measured is all overhead."""
    yield Part()


class Watched:
    """The instance of a component in an untimed run: notices a start or a stop out of order."""

    opened = 0
    closed = 0

    def __init__(self, *needs: object) -> None:
        self.needs = [need for need in needs if need is not None]
        self.users = 0
        for need in self.needs:
            assert isinstance(need, Watched), f"{need!r} was passed instead of an instance"
            assert need.users >= 0, "started before what it needs"
            need.users += 1
        Watched.opened += 1

    def close(self) -> None:
        assert self.users == 0, "stopped before what needs it, or twice"
        self.users = -1
        for need in self.needs:
            assert isinstance(need, Watched)
            need.users -= 1
        Watched.closed += 1

    @classmethod
    def check(cls, expected: int) -> None:
        """Every component was started and stopped exactly once since the last check."""
        counted = cls.opened, cls.closed
        cls.opened = cls.closed = 0
        assert counted == (expected, expected), f"{counted} started and stopped, not {expected} each"


def watched(a: object = None, b: object = None, c: object = None) -> Iterator[Watched]:
    """The body of every component in an untimed run."""
    it = Watched(a, b, c)
    yield it
    it.close()


Body = Callable[..., Iterator[Any]]


# --- The baseline -----------------------------------------------------------------------------------------------------


def exit_stack(shape: Shape, manager: Callable[..., Any], stack: ExitStack) -> list[Any]:
    """Enter one context manager per component, in an order that is known beforehand, and keep the instances.

    Values are handed on as a program written by hand would: by name, from what was entered before.
    """
    enter = stack.enter_context
    values: list[Any] = []
    keep = values.append
    for needs in shape.needs:
        count = len(needs)
        if count == 1:
            keep(enter(manager(a=values[needs[0]])))
        elif count == 2:
            keep(enter(manager(a=values[needs[0]], b=values[needs[1]])))
        elif count == 3:
            keep(enter(manager(a=values[needs[0]], b=values[needs[1]], c=values[needs[2]])))
        else:
            keep(enter(manager()))
    return values


def check_exit_stack(shape: Shape) -> None:
    """The baseline starts and stops every component once, in order."""
    with ExitStack() as stack:
        exit_stack(shape, contextmanager(watched), stack)
    Watched.check(len(shape.needs))


# --- The clock --------------------------------------------------------------------------------------------------------


Phases = dict[str, float]
clock = time.perf_counter


def time_exit_stack(shape: Shape, rounds: int) -> Phases:
    """Seconds for start and for stop, the sum over `rounds`."""
    manager = contextmanager(part)
    start = stop = 0.0
    for _ in range(rounds):
        stack = ExitStack()
        t0 = clock()
        values = exit_stack(shape, manager, stack)
        t1 = clock()
        stack.close()
        t2 = clock()
        start += t1 - t0
        stop += t2 - t1
        del values, stack
        gc.collect()
    return {"start": start, "stop": stop}


class Samples:
    """Seconds per round, by what was measured, one entry for each repetition."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def add(self, phases: Phases, rounds: int) -> None:
        for name, seconds in phases.items():
            self.seconds.setdefault(name, []).append(seconds / rounds)

    def total(self, *names: str) -> list[float]:
        """The sum of some phases, for each repetition."""
        return [sum(parts) for parts in zip(*(self.seconds[name] for name in names), strict=True)]

    def best(self, *names: str) -> float:
        """The least total of some phases."""
        return min(self.total(*names))


def spread(samples: Sequence[float]) -> float:
    """How noisy a series is: its median over its least value, less one."""
    return statistics.median(samples) / min(samples) - 1


def interleave(
    sides: Sequence[tuple[Samples, Callable[[int], Phases]]],
    *,
    rounds: int,
    repetitions: int,
    budget: float | None = None,
) -> None:
    """Measure the sides in turn, A B A B, so that a slow moment of the machine hits both.

    The garbage collector runs before each repetition (and each side runs it after each round), outside the clock, and
    stays as it is (on, unless the caller switched it off) while the clock runs: for every side alike. After `budget`
    seconds no further repetition begins.
    """
    begun = clock()
    for _ in range(repetitions):
        for samples, measure in sides:
            gc.collect()
            samples.add(measure(rounds), rounds)
        if budget is not None and clock() - begun > budget:
            break


def rounds_for(size: int, work: int = 3_000) -> int:
    """How often to repeat a small system within one repetition, so that the clock has something to measure."""
    return max(1, work // size)


# --- Other processes --------------------------------------------------------------------------------------------------


def run_script(script: str, *args: str) -> Any:
    """Run another script of this folder in a fresh process and read the JSON that it prints."""
    command = [sys.executable, str(HERE / script), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout)


# --- Tables -----------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded to be read as it stands. The first column is flush left, the others flush right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *(line(row) for row in rows)])


def figure(value: float) -> str:
    """Three digits that mean something, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
