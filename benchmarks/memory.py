"""Memory held for each component of a live system, beyond the user's own objects; counted with tracemalloc.

Three measurements, each in a process of its own, each after a full garbage collection:

* own: the user's objects alone - a suspended generator and the instance it yielded for each component, and one slot
  of a list for each of the two. No ExitStack, no context manager.
* stack: the hand-written program - the same generators and instances, and what `contextlib.ExitStack` and
  `contextlib.contextmanager` hold for them.
* live: the definitions, the System and the live system, all started; with the same generators and instances in it.

Beyond the user's own objects is live - own. The texts of names and ids are written by the user; they are made before
counting begins and are in none of the three.
"""

from __future__ import annotations

import argparse
import gc
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import harness
from harness import Shape, make_shape


def held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def own(shape: Shape) -> dict[str, int]:
    generators: list[Iterator[Any]] = []
    values: list[Any] = []
    before = held()
    for needs in shape.needs:
        given = dict(zip("abc", (values[need] for need in needs), strict=False))
        generators.append(harness.part(**given))
        values.append(next(generators[-1]))
    return {"own": held() - before}


def stack(shape: Shape) -> dict[str, int]:
    manager = contextmanager(harness.part)
    before = held()
    with ExitStack() as entered:
        values = harness.exit_stack(shape, manager, entered)
        total = held() - before
        del values
    return {"stack": total}


def live(shape: Shape) -> dict[str, int]:
    from core import Names, build, function

    size = len(shape.needs)
    names, made = Names(size), function(harness.part)
    small = build(make_shape(shape.name, 10), Names(10), made).start()  # what is loaded or cached once is not counted
    small.stop()
    del small
    before = held()
    system = build(shape, names, made)
    defined = held() - before
    running = system.start()
    total = held() - before
    running.stop()
    stopped = held() - before
    return {"defined": defined, "live": total, "stopped": stopped}


def run(shape: str, size: int) -> dict[str, Any]:
    """All three in processes of their own, in bytes for each component."""
    found: dict[str, Any] = {"shape": shape, "size": size}
    for what in ("own", "stack", "live"):
        for name, total in harness.run_script("memory.py", what, "--shape", shape, "--size", str(size)).items():
            found[name] = total / size
    found["beyond"] = found["live"] - found["own"]
    found["beyond_stack"] = found["stack"] - found["own"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("own", "stack", "live", "all"))
    parser.add_argument("--shape", choices=harness.SHAPES, default="chain")
    parser.add_argument("--size", type=int, default=10_000)
    given = parser.parse_args()
    if given.what == "all":
        print(json.dumps(run(given.shape, given.size)))
        return
    shape = make_shape(given.shape, given.size)
    tracemalloc.start()
    print(json.dumps({"own": own, "stack": stack, "live": live}[given.what](shape)))


if __name__ == "__main__":
    main()
