"""Start and stop of one shape and size, Mainspring against `contextlib.ExitStack`, in this process."""

from __future__ import annotations

import argparse
import gc
import json
import random
from collections.abc import Callable
from typing import Any

import harness
from harness import Body, Phases, Samples, Shape, Watched, clock, interleave, make_shape, spread

from mainspring import Component, System, component, ref


class Names:
    """The names and ids that a user would have written as text: made before the clock runs."""

    def __init__(self, size: int) -> None:
        self.names = [f"c{i}" for i in range(size)]
        self.ids = [f"g.c{i}" for i in range(size)]


def build(shape: Shape, names: Names, made: Callable[..., Component[Any]]) -> System:
    """The definition: one call of the component function and up to three references for each component."""
    group: dict[str, Component[Any]] = {}
    ids = names.ids
    for i in shape.written:
        needs = shape.needs[i]
        count = len(needs)
        if count == 1:
            new = made(a=ref(ids[needs[0]]))
        elif count == 2:
            new = made(a=ref(ids[needs[0]]), b=ref(ids[needs[1]]))
        elif count == 3:
            new = made(a=ref(ids[needs[0]]), b=ref(ids[needs[1]]), c=ref(ids[needs[2]]))
        else:
            new = made()
        group[names.names[i]] = new
    return System({"g": group})


def function(body: Body) -> Callable[..., Component[Any]]:
    """A component function over a body."""
    made: Callable[..., Component[Any]] = component(body)
    return made


def check(shape: Shape) -> None:
    """Through the public face, every component is started and stopped once and in order; so for the baseline."""
    live = build(shape, Names(len(shape.needs)), function(harness.watched)).start()
    live.stop()
    Watched.check(len(shape.needs))
    harness.check_exit_stack(shape)


def time_apart(shape: Shape, names: Names, rounds: int) -> Phases:
    """Seconds for build, plan, start and stop, where planning is asked for by itself before starting."""
    made = function(harness.part)
    spent = dict.fromkeys(("build", "plan", "start", "stop"), 0.0)
    for _ in range(rounds):
        t0 = clock()
        system = build(shape, names, made)
        t1 = clock()
        plan = system.plan("start")
        t2 = clock()
        del plan  # a request makes its own
        t3 = clock()
        live = system.start()
        t4 = clock()
        live.stop()
        t5 = clock()
        spent["build"] += t1 - t0
        spent["plan"] += t2 - t1
        spent["start"] += t4 - t3
        spent["stop"] += t5 - t4
        del system, live
        gc.collect()
    return spent


def time_whole(shape: Shape, names: Names, rounds: int) -> Phases:
    """Seconds for build, start and stop as a program does them: planning is a part of start."""
    made = function(harness.part)
    spent = 0.0
    for _ in range(rounds):
        t0 = clock()
        system = build(shape, names, made)
        live = system.start()
        live.stop()
        spent += clock() - t0
        del system, live
        gc.collect()
    return {"whole": spent}


def measure(shape_name: str, size: int, repetitions: int) -> dict[str, Any]:
    """All figures of one shape and size."""
    check(make_shape(shape_name, min(size, 1_000)))
    shape, names = make_shape(shape_name, size), Names(size)
    apart, whole, base = Samples(), Samples(), Samples()
    gc.collect()
    gc.freeze()  # what was there before is of no interest to the collections between rounds
    interleave(
        [
            (base, lambda count: harness.time_exit_stack(shape, count)),
            (apart, lambda count: time_apart(shape, names, count)),
            (whole, lambda count: time_whole(shape, names, count)),
        ],
        rounds=harness.rounds_for(size),
        repetitions=repetitions,
    )
    us = 1e6 / size
    baseline = base.best("start", "stop")
    totals = base.total("start", "stop"), apart.total("start", "stop"), whole.total("whole")
    return {
        "shape": shape_name,
        "size": size,
        "repetitions": repetitions,
        "gc": gc.isenabled(),
        "build_us": apart.best("build") * us,
        "plan_us": apart.best("plan") * us,
        "start_us": apart.best("start") * us,
        "stop_us": apart.best("stop") * us,
        "start_stop_us": apart.best("start", "stop") * us,
        "whole_us": whole.best("whole") * us,
        "exit_stack_us": baseline * us,
        "start_stop_ratio": apart.best("start", "stop") / baseline,
        "whole_ratio": whole.best("whole") / baseline,
        "noise": max(spread(total) for total in totals),
    }


# --- Look-up and override ---------------------------------------------------------------------------------------------


def measure_lookup(size: int, repetitions: int) -> dict[str, Any]:
    """`live["g.c17"]` against a look-up in a dict of the same ids, in a random order."""
    shape, names = make_shape("chain", size), Names(size)
    live = build(shape, names, function(harness.part)).start()
    plain = {id: live[id] for id in names.ids}
    wanted = list(names.ids)
    random.Random(1).shuffle(wanted)
    ours, theirs = Samples(), Samples()

    def in_live(rounds: int) -> Phases:
        t0 = clock()
        for _ in range(rounds):
            for id in wanted:
                live[id]
        return {"look-up": clock() - t0}

    def in_dict(rounds: int) -> Phases:
        t0 = clock()
        for _ in range(rounds):
            for id in wanted:
                plain[id]
        return {"look-up": clock() - t0}

    rounds = harness.rounds_for(size, 100_000)
    interleave([(theirs, in_dict), (ours, in_live)], rounds=rounds, repetitions=repetitions)
    live.stop()
    return {
        "size": size,
        "live_ns": ours.best("look-up") / size * 1e9,
        "dict_ns": theirs.best("look-up") / size * 1e9,
        "ratio": ours.best("look-up") / theirs.best("look-up"),
    }


def measure_override(size: int, repetitions: int) -> dict[str, Any]:
    """`override` of one component among `size`, against building them all."""
    shape, names = make_shape("chain", size), Names(size)
    made = function(harness.part)
    new = made()
    system = build(shape, names, made)
    middle = names.ids[size // 2]
    changing, building = Samples(), Samples()

    def change(rounds: int) -> Phases:
        t0 = clock()
        for _ in range(rounds):
            system.override({middle: new})
        return {"seconds": clock() - t0}

    def make(rounds: int) -> Phases:
        t0 = clock()
        for _ in range(rounds):
            build(shape, names, made)
        return {"seconds": clock() - t0}

    change(1)
    interleave([(changing, change)], rounds=10, repetitions=repetitions)
    interleave([(building, make)], rounds=1, repetitions=min(3, repetitions))
    return {
        "size": size,
        "override_us": changing.best("seconds") * 1e6,
        "build_us": building.best("seconds") * 1e6,
        "share": changing.best("seconds") / building.best("seconds"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("cycle", "look-up", "override"))
    parser.add_argument("--shape", choices=harness.SHAPES, default="chain")
    parser.add_argument("--size", type=int, default=1_000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--gc", choices=("on", "off"), default="on", help="the garbage collector while the clock runs")
    given = parser.parse_args()
    if given.gc == "off":
        gc.disable()
    if given.what == "cycle":
        print(json.dumps(measure(given.shape, given.size, given.repetitions)))
    elif given.what == "look-up":
        print(json.dumps(measure_lookup(given.size, given.repetitions)))
    else:
        print(json.dumps(measure_override(given.size, given.repetitions)))


if __name__ == "__main__":
    main()
