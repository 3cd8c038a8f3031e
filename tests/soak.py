"""The random tests for as long as one likes: `python tests/soak.py --machine 1000000 --drivers 100000 --seed 1 --jobs 2`.

The cases and the rules are those of `test_machine.py` and `test_random_drivers.py`. It prints what happened, counted, and for a
case that went wrong how to see it again. Its exit status is 0 if none did.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.pool import AsyncResult
from pathlib import Path

from test_machine import play_for_a_while
from test_random_drivers import BACKENDS, play

HANGS = 120.0  # seconds after which a case is taken to hang for ever
AT_ONCE = 50  # cases between two reports of a process


def machine_case(seed: int) -> Counter[str]:
    """One case of the machine."""
    return play_for_a_while(random.Random(seed))


def driver_case(seed: int) -> Counter[str]:
    """One case of one of the drivers, each in turn."""
    backend = BACKENDS[seed % len(BACKENDS)]
    tally = play(backend, seed)
    return tally + Counter({f"runs, {backend}": tally["runs"], f"faulted, {backend}": tally["faulted"]})


CASES: dict[str, tuple[Callable[[int], Counter[str]], str]] = {
    "machine": (machine_case, "play_for_a_while(random.Random({0}))"),
    "drivers": (driver_case, "driver_case({0})"),
}


def some(task: tuple[str, int]) -> tuple[Counter[str], list[str]]:
    """A few cases from a seed on: what happened, and what went wrong."""
    kind, first = task
    case, again = CASES[kind]
    tally: Counter[str] = Counter()
    wrong = []
    for seed in range(first, first + AT_ONCE):
        # Should it hang, the stacks say where, and the process ends: that is noticed.
        print(f"{kind} {seed}", file=_diary, flush=True)
        faulthandler.dump_traceback_later(HANGS, exit=True)
        try:
            tally += case(seed)
        except Exception:
            wrong.append(f"{again.format(seed)}\n{traceback.format_exc()}")
        finally:
            faulthandler.cancel_dump_traceback_later()
    return tally, wrong


_diary = sys.stdout


def prepare(folder: str) -> None:
    """Make a process of the pool ready."""
    global _diary
    _diary = open(os.path.join(folder, f"soak-{os.getpid()}"), "w")  # noqa: SIM115 - for as long as the process lives
    logging.getLogger("mainspring").setLevel(logging.CRITICAL + 1)  # crashes are logged, thousands of them


def soak(kind: str, wanted: int, first: int, jobs: int, folder: str) -> int:
    """Run cases until something was to go wrong in so many requests.

    Returns:
        How many cases went wrong themselves.
    """
    tally: Counter[str] = Counter()
    wrong: list[str] = []
    began = told = time.monotonic()

    def tasks() -> Iterator[tuple[str, int]]:
        seed = first
        while tally["faulted"] < wanted and len(wrong) < 20:
            yield kind, seed
            seed += AT_ONCE

    def take(result: AsyncResult[tuple[Counter[str], list[str]]]) -> None:
        try:
            counted, found = result.get(timeout=2 * HANGS)
        except multiprocessing.TimeoutError:
            at = {name: Path(folder, name).read_text().splitlines()[-1:] for name in os.listdir(folder)}
            counted, found = Counter(), [f"A case hangs; its stacks are in the output. The processes were at: {at}"]
        tally.update(counted)
        wrong.extend(found)
        for text in found:
            print(f"WRONG: {text}", flush=True)

    # Each process has a bounded share of the work ahead of it, so that the counting can end it.
    with multiprocessing.get_context("spawn").Pool(jobs, prepare, (folder,)) as pool:
        waiting: list[AsyncResult[tuple[Counter[str], list[str]]]] = []
        for task in tasks():
            waiting.append(pool.apply_async(some, (task,)))
            while len(waiting) >= 4 * jobs:
                take(waiting.pop(0))
            if time.monotonic() - told > 60:
                told = time.monotonic()
                print(f"{kind}: {tally['faulted']} of {wanted} after {told - began:.0f} s", flush=True)
        for result in waiting:
            take(result)
    took = time.monotonic() - began
    print(f"{kind}: {tally['runs']} runs, {tally['faulted']} of them faulted or cancelled, in {took:.0f} s", end="")
    print(
        f" ({tally['runs'] / took:.0f} runs a second on {jobs} processes), seeds from {first} on; {len(wrong)} went wrong"
    )
    for what, count in sorted(tally.items()):
        print(f"  {count:9} {what}")
    return len(wrong)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--machine", type=int, default=0, help="how many faulted or cancelled runs of the machine")
    parser.add_argument("--drivers", type=int, default=0, help="how many faulted or cancelled runs of the drivers")
    parser.add_argument("--seed", type=int, default=None, help="the first seed; any if not given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
    with tempfile.TemporaryDirectory() as folder:
        wrong = sum(
            soak(kind, wanted, seed, given.jobs, folder)
            for kind, wanted in (("machine", given.machine), ("drivers", given.drivers))
            if wanted
        )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
