"""Systems from files: reading and building N components from YAML, EDN, JSON and TOML, beside parsing alone.

Every component has a reference, a number, a tag and a text; its start is one of ten component functions with annotations.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import statistics
import sys
import tomllib
import types
from collections.abc import Callable
from typing import Any

from harness import clock

from mainspring import System, component, config
from mainspring.config import Limits

FORMATS = ("yaml", "edn", "json", "toml")
MODULE = "bench_parts"
KINDS = 10
GROUP = 100


def make_parts() -> None:
    """The module that the files name: component functions, as a program has them."""
    module: Any = types.ModuleType(MODULE)

    def start(url: str, size: int = 1, name: str = "", needs: Any = None) -> str:
        return name

    for kind in range(KINDS):
        setattr(module, f"part{kind}", component(types.FunctionType(start.__code__, start.__globals__, f"part{kind}")))
        function = getattr(module, f"part{kind}").function
        function.__annotations__ = dict(start.__annotations__)
        function.__defaults__ = start.__defaults__
    sys.modules[MODULE] = module


def entries(size: int) -> dict[str, dict[str, tuple[int, str | None]]]:
    """Names by group: the number of the kind, and what is needed."""
    groups: dict[str, dict[str, tuple[int, str | None]]] = {}
    for i in range(size):
        before = f"g{(i - 1) // GROUP}.c{i - 1}" if i else None
        groups.setdefault(f"g{i // GROUP}", {})[f"c{i}"] = (i % KINDS, before)
    return groups


def text_of(kind: str, size: int) -> str:
    """A file of `size` components."""
    groups = entries(size)
    out: list[str] = []
    if kind == "yaml":
        out.append('env: {url: !or [!env BENCH_URL, "http://localhost"]}')
        for group, members in groups.items():
            out.append(f"{group}:")
            for name, (number, before) in members.items():
                needs = f", needs: !ref {before}" if before else ""
                out.append(f"  {name}:\n    component: {MODULE}:part{number}")
                out.append(f"    config: {{url: !ref env.url, size: {number}, name: {name}{needs}}}")
    elif kind == "edn":
        out.append('{:env {:url #or [#env BENCH_URL "http://localhost"]}')
        for group, members in groups.items():
            out.append(f" :{group} {{")
            for name, (number, before) in members.items():
                needs = f' :needs #ref "{before}"' if before else ""
                out.append(f'  :{name} {{:component "{MODULE}:part{number}"')
                out.append(f'   :config {{:url #ref "env.url" :size {number} :name "{name}"{needs}}}}}')
            out.append(" }")
        out.append("}")
    else:
        data: dict[str, Any] = {"env": {"url": {"$or": [{"$env": "BENCH_URL"}, "http://localhost"]}}}
        for group, members in groups.items():
            data[group] = {}
            for name, (number, before) in members.items():
                given = {"url": {"$ref": "env.url"}, "size": number, "name": name}
                given |= {"needs": {"$ref": before}} if before else {}
                data[group][name] = {"component": f"{MODULE}:part{number}", "config": given}
        if kind == "json":
            return json.dumps(data, indent=1)
        out.append('[env]\nurl = {"$or" = [{"$env" = "BENCH_URL"}, "http://localhost"]}')
        for group, members in groups.items():
            for name, (number, before) in members.items():
                needs = f', needs = {{"$ref" = "{before}"}}' if before else ""
                out.append(f'[{group}.{name}]\ncomponent = "{MODULE}:part{number}"')
                given = f'url = {{"$ref" = "env.url"}}, size = {number}, name = "{name}"{needs}'
                out.append(f"config = {{{given}}}")
    return "\n".join(out)


def bare(kind: str) -> Callable[[str], object] | None:
    """The parser alone: of YAML the events of ruamel, in C where it is there."""
    if kind == "json":
        return json.loads
    if kind == "toml":
        return tomllib.loads
    if kind == "yaml":
        from ruamel.yaml import YAML

        return lambda text: sum(1 for _ in YAML(typ="safe").parse(io.StringIO(text)))
    return None  # there is no other parser of EDN beside ours


def in_python(size: int) -> System:
    """The same system written in Python."""
    from mainspring import ref

    parts = sys.modules[MODULE]
    groups: dict[str, dict[str, Any]] = {"env": {"url": "http://localhost"}}
    for group, members in entries(size).items():
        groups[group] = {}
        for name, (number, before) in members.items():
            given = {"needs": ref(before)} if before else {}
            make = getattr(parts, f"part{number}")
            groups[group][name] = make(url=ref("env.url"), size=number, name=name, **given)
    return System(groups)


def measure(kind: str, size: int, repetitions: int) -> dict[str, Any]:
    """Microseconds for each component, medians."""
    make_parts()
    limits = Limits(size=1 << 30, items=100_000_000)
    text = text_of(kind, size)
    source = config.text(text, kind)
    environ: dict[str, str] = {}
    parse = bare(kind)
    steps: dict[str, Callable[[], object]] = {}
    if parse is not None:
        steps["parser"] = lambda: parse(text)
    steps["forms"] = lambda: config.Settings(source, limits=limits, environ=environ)
    steps["as_written"] = lambda: config.load(source, limits=limits, environ=environ, values="as written")
    steps["load"] = lambda: config.load(source, limits=limits, environ=environ)
    steps["python"] = lambda: in_python(size)
    assert steps["load"]() == steps["python"](), "the file does not say what Python says"
    found: dict[str, Any] = {"format": kind, "size": size, "bytes": len(text)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repetitions):
        for name, step in steps.items():
            gc.collect()
            began = clock()
            step()
            times[name].append((clock() - began) * 1e6 / size)
    for name in ("parser", "forms", "as_written", "load", "python"):
        found[f"{name}_us"] = statistics.median(times[name]) if name in times else None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", choices=FORMATS, default="yaml")
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(measure(options.format, options.size, options.repetitions)))


if __name__ == "__main__":
    main()
