"""All benchmarks: prints tables in Markdown, with the aims beside the figures. Progress goes to stderr."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import harness
import imports
import memory
from harness import SHAPES, figure, run_script, table

AIMS = {
    "start_stop_ratio": 2.0,  # times ExitStack
    "whole_ratio": 4.0,  # times ExitStack, with building and planning
    "growth_ratio": 1.25,  # growth for each component from 1,000 to the largest size, over ExitStack's own growth
    "memory_bytes": 1024.0,  # for each component, beyond the user's own objects
    "import_ms": 20.0,  # over a bare interpreter
    "waits": 1.03,  # start of components that wait, times the same written by hand on AnyIO
    "coroutines": 3.0,  # start and stop of coroutine functions, times AsyncExitStack
    "generators": 1.5,  # start and stop of async generators, times one AnyIO task each
}
MIDDLE = 1_000
ASYNC_SIZES = (10, 1_000, 10_000)
FILE_SIZES = (1_000, 10_000, 40_000)


def say(text: str) -> None:
    print(f"  {text} ...", file=sys.stderr, flush=True)


def measure(*, quick: bool, peers: bool, gc: str, limit: float) -> dict[str, Any]:
    sizes = (10, 1_000, 10_000) if quick else harness.SIZES
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "gc": gc,
        "cycles": [],
        "cycles_gc_off": [],
    }
    for shape in SHAPES:
        for size in sizes:
            say(f"{shape}, {size:,}")
            repetitions = 5 if quick else 6 if size >= 100_000 else 15 if size >= 10_000 else 40
            options = ("--shape", shape, "--size", str(size), "--repetitions", str(repetitions), "--gc", gc)
            found["cycles"].append(run_script("core.py", "cycle", *options))
    if gc == "on":
        # Collections cost the more the more there is already: they are taken out, to see how the work itself grows.
        for shape in SHAPES:
            for size in (MIDDLE, sizes[-1]):
                say(f"{shape}, {size:,}, garbage collector off")
                options = ("--shape", shape, "--size", str(size), "--repetitions", "5", "--gc", "off")
                found["cycles_gc_off"].append(run_script("core.py", "cycle", *options))
    found["async"] = measure_async(quick=quick)
    found["files"] = measure_files(quick=quick)
    say("look-up and override")
    found["look-up"] = run_script("core.py", "look-up", "--size", "1000")
    found["overrides"] = [run_script("core.py", "override", "--size", str(size)) for size in (MIDDLE, sizes[-1])]
    say("memory")
    found["memory"] = [memory.run(shape, 10_000) for shape in SHAPES]
    say("import")
    found["import"] = imports.run(10 if quick else 20)
    if peers:
        import peers as others
        import peers_async

        found["peers_async"] = peers_async.run(limit=limit, repetitions=3 if quick else 9)
        found["peers"] = others.run(sizes=others.SIZES[:2] if quick else others.SIZES, limit=limit)
    found["aims"] = judge(found)
    return found


def measure_files(*, quick: bool) -> list[dict[str, Any]]:
    """The figures of `files.py`: reading and building systems from files."""
    entries = []
    for size in FILE_SIZES[:2] if quick else FILE_SIZES:
        for kind in ("yaml", "edn", "json", "toml"):
            say(f"{kind}, {size:,} components")
            options = ("--format", kind, "--size", str(size), "--repetitions", "3")
            entries.append(run_script("files.py", *options))
    return entries


def measure_async(*, quick: bool) -> dict[str, Any]:
    """The figures of `aio.py`: components that wait, components that do nothing, sync components on workers."""
    waits, cycles = [], []
    seeds = (1,) if quick else (1, 2, 3)
    few, many = ("3", "5") if quick else ("9", "15")
    for backend in ("asyncio", "trio"):
        for seed in seeds:
            say(f"{backend}, components that wait, graph {seed}")
            graph = ("--backend", backend, "--seed", str(seed))
            waits.append(run_script("aio.py", "waits", *graph, "--repetitions", few))
        for style in ("coroutines", "generators"):
            for shape in ("chain", "layers"):
                for size in ASYNC_SIZES:
                    say(f"{backend}, {style}, {shape}, {size:,}")
                    repetitions = few if size > MIDDLE else many
                    options = ("--backend", backend, "--style", style, "--shape", shape, "--size", str(size))
                    cycles.append(run_script("aio.py", "cycle", *options, "--repetitions", repetitions))
    say("sync components on workers")
    workers = run_script("aio.py", "workers", "--size", "100", "--repetitions", many)
    return {"waits": waits, "cycles": cycles, "workers": workers}


def judge_async(found: dict[str, Any]) -> list[tuple[str, float, float, str, str]]:
    """Each aim for async components with the worst figure: text, limit, value, unit, where it was."""
    rows = []
    for backend in ("asyncio", "trio"):
        worst = max((w for w in found["waits"] if w["backend"] == backend), key=lambda w: float(w["with_plan_ratio"]))
        text, place = "1,000 that wait, start with planning", f"{backend}, graph {worst['seed']}"
        rows.append((text, AIMS["waits"], worst["with_plan_ratio"], "x bare AnyIO", place))
    for style, unit in (("coroutines", "x AsyncExitStack"), ("generators", "x one task each")):
        key = "start_stop_ratio" if style == "coroutines" else "graph_ratio"
        for backend in ("asyncio", "trio"):
            for size in ASYNC_SIZES:
                of_size: list[dict[str, Any]] = [
                    c for c in found["cycles"] if c["backend"] == backend and c["style"] == style and c["size"] == size
                ]
                worst = max(of_size, key=lambda c: float(c[key]))
                place = f"{backend}, {worst['shape']}, N = {size:,}"
                rows.append((f"async {style}, start + stop", AIMS[style], worst[key], unit, place))
        growths = []
        for backend in ("asyncio", "trio"):
            for shape in ("chain", "layers"):
                by_size = {
                    c["size"]: c
                    for c in found["cycles"]
                    if (c["backend"], c["style"], c["shape"]) == (backend, style, shape)
                }
                large, middle = by_size[ASYNC_SIZES[-1]], by_size[MIDDLE]
                bare = "bare_us" if style == "coroutines" else "graph_us"
                ours, theirs = large["start_stop_us"] / middle["start_stop_us"], large[bare] / middle[bare]
                place = f"{backend}, {shape}, {MIDDLE:,} to {large['size']:,}: {ours:.2f}; by hand: {theirs:.2f}"
                growths.append(
                    (f"async {style}, growth for each", AIMS["growth_ratio"], ours / theirs, "x that by hand", place)
                )
        rows.append(max(growths, key=lambda growth: growth[2]))
    return rows


def judge(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Each aim with the worst figure that there is for it."""
    cycles = found["cycles"]

    def where(cycle: dict[str, Any]) -> str:
        return f"{cycle['shape']}, N = {cycle['size']:,}"

    def row(aim: str, limit: float, value: float, unit: str, place: str) -> dict[str, Any]:
        return {"aim": aim, "limit": limit, "value": value, "unit": unit, "where": place, "met": value <= limit}

    rows = []
    for name, text in (("start_stop_ratio", "start + stop"), ("whole_ratio", "build + plan + start + stop")):
        for size in sorted({int(cycle["size"]) for cycle in cycles}):
            worst = max((cycle for cycle in cycles if cycle["size"] == size), key=lambda cycle: float(cycle[name]))
            rows.append(row(text, AIMS[name], worst[name], "x ExitStack", where(worst)))
    for measured, text in ((cycles, "growth for each component"), (found["cycles_gc_off"], "the same, without gc")):
        growth = []
        for shape in SHAPES:
            by_size = {cycle["size"]: cycle for cycle in measured if cycle["shape"] == shape}
            if not by_size:
                continue
            large, middle = by_size[max(by_size)], by_size[MIDDLE]
            ours = large["start_stop_us"] / middle["start_stop_us"]
            theirs = large["exit_stack_us"] / middle["exit_stack_us"]
            place = f"{shape}, {MIDDLE:,} to {large['size']:,}: {ours:.2f}; ExitStack: {theirs:.2f}"
            growth.append(row(text, AIMS["growth_ratio"], ours / theirs, "x that of ExitStack", place))
        if growth:
            rows.append(max(growth, key=lambda entry: float(entry["value"])))
    worst = max(found["memory"], key=lambda entry: float(entry["beyond"]))
    aim = "memory held beyond the user's objects"
    rows.append(row(aim, AIMS["memory_bytes"], worst["beyond"], "bytes each", where(worst)))
    taken = found["import"]
    for name, text in (("bare", "import, over python -I -S"), ("usual", "import, over python -I")):
        rows.append(row(text, AIMS["import_ms"], taken[name]["over_ms"], "ms", f"best of {taken['repetitions']}"))
    rows += [row(*entry) for entry in judge_async(found["async"])]
    return rows


def render_async(found: dict[str, Any]) -> list[str]:
    parts = ["## Async components", ""]
    rows = [
        [
            f"{entry['backend']}, graph {entry['seed']}",
            figure(entry["longest_ms"]),
            figure(entry["bare_ms"]),
            *(f"{entry[f'{side}_ratio']:.3f}" for side in ("coroutines", "generators", "with_plan")),
            *(f"{entry[f'{side}_over_longest']:.3f}" for side in ("bare", "coroutines", "with_plan")),
            f"{entry['noise']:.1%}",
        ]
        for entry in found["waits"]
    ]
    head = [
        "1,000 that wait, 20 ms mean",
        "longest chain, ms",
        "bare AnyIO, ms",
        "coroutines",
        "generators",
        "with plan",
    ]
    head += ["bare / longest", "coroutines / longest", "with plan / longest", "noise"]
    parts += [table(head, rows), ""]
    parts += [
        "Start alone. Coroutines, generators: ratios to bare AnyIO, planned before; with plan: coroutines, planned inside.",
        "",
    ]
    for style, bare in (("coroutines", "AsyncExitStack"), ("generators", "one after the other")):
        rows = []
        for entry in found["cycles"]:
            if entry["style"] != style:
                continue
            cells = [entry["backend"], entry["shape"], f"{entry['size']:,}", figure(entry["bare_us"])]
            keys = ["start_us", "stop_us", "start_stop_us", "start_stop_ratio", "whole_us", "whole_ratio"]
            if style == "generators":
                cells.append(figure(entry["graph_us"]))
                keys.insert(3, "graph_ratio")
            rows.append([*cells, *(figure(entry[key]) for key in keys), f"{entry['noise']:.0%}"])
        head = [style, "shape", "N", bare]
        if style == "generators":
            head += ["a task each", "start", "stop", "start + stop", "/ a task each", "/ one after the other"]
        else:
            head += ["start", "stop", "start + stop", "ratio"]
        parts += [table([*head, "all in one", "ratio", "noise"], rows), ""]
    parts += ["Microseconds for each component, medians. Noise: how far apart the middle half is, over the median.", ""]
    workers = found["workers"]
    rows = [
        [
            f"{workers['size']} that sleep 20 ms, {workers['workers']} workers",
            f"{workers['ideal_ms']:.0f} ms",
            *(f"{workers[f'{verb}_ms']:.0f} ms" for verb in ("start", "astart")),
            *(f"{workers[f'{verb}_ratio']:.3f}" for verb in ("start", "astart")),
        ]
    ]
    head = ["sync components on workers", "ideal", "start", "astart", "start / ideal", "astart / ideal"]
    return [*parts, table(head, rows), ""]


def render_files(entries: list[dict[str, Any]]) -> list[str]:
    keys = ("parser_us", "forms_us", "as_written_us", "load_us", "python_us")
    rows = [
        [
            entry["format"],
            f"{entry['size']:,}",
            *("" if entry[key] is None else figure(entry[key]) for key in keys),
            figure(entry["load_us"] / entry["forms_us"]),
        ]
        for entry in entries
    ]
    head = ["format", "N", "bare parser", "read", "built, as written", "built and checked", "in Python", "built / read"]
    return [
        "## Systems from files",
        "",
        "Microseconds for each component, medians. Read: to forms with places. Bare parser: events of ruamel, json, tomllib.",
        "",
        table(head, rows),
        "",
    ]


def render(found: dict[str, Any]) -> str:
    cycles = found["cycles"]
    where = f"{found['implementation']} {found['python']}, {found['machine']}, {found['cores']} cores"
    parts = [
        f"# Benchmarks: {where}, garbage collector {found['gc']}",
        "",
        "## Start and stop",
        "",
        "Microseconds for each component; ratios to `contextlib.ExitStack` over the same bodies in the same process.",
        "",
    ]
    head = ["shape", "N", "ExitStack", "build", "plan", "start", "stop", "start + stop", "ratio"]
    head += ["all in one", "ratio", "noise"]
    rows = [
        [
            cycle["shape"],
            f"{cycle['size']:,}",
            figure(cycle["exit_stack_us"]),
            *(figure(cycle[f"{phase}_us"]) for phase in ("build", "plan", "start", "stop")),
            figure(cycle["start_stop_us"]),
            figure(cycle["start_stop_ratio"]),
            figure(cycle["whole_us"]),
            figure(cycle["whole_ratio"]),
            f"+{cycle['noise']:.0%}",
        ]
        for cycle in cycles
    ]
    parts += [table(head, rows), ""]
    fixed = [
        (cycle["start_stop_us"] - middle["start_stop_us"]) * cycle["size"]
        for cycle in cycles
        for middle in cycles
        if cycle["size"] == 10 and middle["size"] == MIDDLE and middle["shape"] == cycle["shape"]
    ]
    parts += [
        "All in one: build, start and stop as a program does them; planning is inside start.",
        "Noise: median over best, the largest of the three.",
        f"Beside what each component costs, one start and one stop cost about {sum(fixed) / len(fixed):.0f} µs together.",
        "",
    ]
    if found["cycles_gc_off"]:
        rows = [
            [
                cycle["shape"],
                f"{cycle['size']:,}",
                *(figure(cycle[key]) for key in ("exit_stack_us", "start_stop_us", "start_stop_ratio")),
                *(figure(cycle[key]) for key in ("whole_us", "whole_ratio")),
            ]
            for cycle in found["cycles_gc_off"]
        ]
        head = ["garbage collector off", "N", "ExitStack", "start + stop", "ratio", "all in one", "ratio"]
        parts += [table(head, rows), ""]
    parts += render_async(found["async"])
    parts += render_files(found["files"])
    parts += [
        "## Look-up and override",
        "",
    ]
    looked = found["look-up"]
    rows = [
        [
            f'`live["g.c17"]`, among {looked["size"]:,}',
            f"{looked['live_ns']:.0f} ns",
            f"{looked['dict_ns']:.0f} ns for a dict",
            figure(looked["ratio"]),
        ]
    ]
    for change in found["overrides"]:
        rows.append(
            [
                f"`override` of one among {change['size']:,}",
                f"{figure(change['override_us'])} µs",
                f"{figure(change['build_us'])} µs to build all",
                f"{change['share']:.5f}",
            ]
        )
    parts += [table(["what", "takes", "against", "ratio"], rows), "", "## Memory held", ""]
    parts += ["Bytes for each component. Beyond: less the user's own generators and instances.", ""]
    columns = ("own", "stack", "defined", "live", "stopped", "beyond_stack", "beyond")
    rows = [
        [
            entry["shape"],
            f"{entry['size']:,}",
            *(f"{entry[name]:,.0f}" for name in columns),
        ]
        for entry in found["memory"]
    ]
    head = ["shape", "N", "user's own", "ExitStack", "defined", "live", "stopped", "ExitStack beyond", "live beyond"]
    parts += [table(head, rows), "", "## Import", ""]
    taken = found["import"]
    rows = [
        [
            f"`python {' '.join(imports.STARTS[name])}`",
            *(f"{taken[name][key]:.1f}" for key in ("bare_ms", "import_ms", "over_ms", "over_median_ms")),
        ]
        for name in imports.STARTS
    ]
    head = ["milliseconds", "alone", "with `import mainspring`", "over, best", "over, median"]
    parts += [
        table(head, rows),
        "",
        f"{taken['modules']} modules more than `-I -S`, {taken['own_modules']} of them its own.",
        "",
    ]
    if "peers" in found:
        import peers as others
        import peers_async

        parts += ["## Side by side", "", others.render(found["peers"]), ""]
        parts += ["## Side by side, concurrently", "", peers_async.render(found["peers_async"]), ""]
    rows = [
        [
            aim["aim"],
            f"at most {aim['limit']:g} {aim['unit']}",
            figure(aim["value"]),
            "met" if aim["met"] else "NOT MET",
            aim["where"],
        ]
        for aim in found["aims"]
    ]
    parts += ["## Aims", "", table(["aim", "limit", "figure", "", "where"], rows), ""]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions; about a minute")
    parser.add_argument("--peers", action="store_true", help="other libraries too (needs requirements-peers.txt)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each library and size")
    parser.add_argument("--gc", choices=("on", "off"), default="on", help="the garbage collector while the clock runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to a file as well")
    given = parser.parse_args()
    found = measure(quick=given.quick, peers=given.peers, gc=given.gc, limit=given.limit)
    print(render(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
