"""The command line: `mainspring run|check|plan|graph|describe|config|schema|plugins TARGET`, and `mainspring list`.

_load.py   where modules are looked for, and what cannot be had
_list.py   the systems that have names
_set.py    what `--set` and `--select` say
_files.py  systems from files: profiles, settings
_leave.py  leaving a process whose threads do not end
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from mainspring import DefinitionError, MainspringError, System, named_systems
from mainspring.runner import run, show

from ._files import Target, profiles_of, provenance, schema, unused
from ._leave import leave_within
from ._list import as_data, as_text
from ._load import Trouble, on_path
from ._set import split_select

if TYPE_CHECKING:
    from mainspring import Description

BAD_USAGE: Final = 2
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

_TARGET = """\
TARGET is the name of a system, as `mainspring list` prints them, or says where
it is: package.module:attribute, for example app.system:system. The attribute
is a System, or a function without required arguments that returns one; it may
be dotted. Modules are looked for in the current directory first. Or it is a
file that says a system: system.yaml, .json, .toml or .edn.
"""
_FILES = """\
--settings FILE lays a file with settings over the system; of several the later
ones are on top, and --set on top of all. --profile NAME chooses what files say
for one environment, as the variable MAINSPRING_PROFILE does; of several, with
commas, each choice takes the first that it knows.
"""
_SET = """\
--set PATH=VALUE exchanges a part of the system, by the paths of
System.override: env.port=8080, web.server.config.port=0,
web.server.enabled=false. VALUE is read as JSON, and taken as text where it is
not JSON. Where the value now is text, VALUE is taken as text, as it stands;
where it is a path of pathlib, VALUE becomes one; where it is a number, true or
false, a list or a mapping, VALUE has to be JSON. A secret stays a secret.
"""
_NAMES = """\
A system is given a name by the decorator mainspring.named_system, or in the
table [tool.mainspring] of a pyproject.toml, in this directory or above it:

  [tool.mainspring]
  modules = ["app.system"]      # imported, to find what is registered there

  [tool.mainspring.systems]
  dev = "app.system:system"
  test = { target = "app.fakes:system", doc = "With fakes." }

Exit status: 0 if all of them can be had, 2 if not. All are listed anyway.
"""
_STATUSES = """\
Ctrl-C and SIGTERM stop everything in order, within the grace period; a second
one ends the process at once. SIGHUP restarts: TARGET is called again if it is
a function, and where that fails everything runs on as it was.

Exit status: 0 stopped when asked to; 1 the start failed; 2 bad usage or
definition; 3 something failed in stopping, or the grace period was over; 4 a
component crashed, and everything was stopped for it; 128+n ended at once by a
second signal n.
"""
_PROGRESS = """\
--progress tree draws a live tree while components start and stop; it needs the
extra rich, and a terminal as standard error. lines says it in lines, and json
in lines of JSON. auto takes the tree where it can be drawn.
"""


def main(argv: Sequence[str] | None = None, *, prog: str = "mainspring") -> int:
    """The command line.

    Parameters:
        argv: the arguments, without the program; those of the process if not given.
        prog: what the program is called in its messages.

    Returns:
        The exit status: 0 all well; 1 the start failed; 2 bad usage or definition; 3 something failed in stopping; 4 a component
        crashed; 128 + n ended by a signal n.

    Example:
        >>> main(["check", "no.such:system"])
        2
    """
    try:
        options = _parser(prog).parse_args(argv)
    except SystemExit as done:  # usage, help or version: said already
        return done.code if isinstance(done.code, int) else BAD_USAGE
    try:
        if options.directory is not None:
            _change_to(options.directory)
        command: Callable[[argparse.Namespace], int] = options.command
        with on_path(os.getcwd()):
            status = command(options)
        sys.stdout.flush()
        return status
    except MainspringError as error:
        show.say(show.explained(error))
        return BAD_USAGE
    except BrokenPipeError:
        # Nobody reads on, as with `| head`. What is still in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED


def _change_to(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise Trouble(f"-C {directory}: {error.strerror}.") from None


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description="Run a system of components, or look at it.")
    parser.add_argument("--version", action="version", version=f"mainspring {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def bare(
        name: str, command: Callable[[argparse.Namespace], int], help: str, epilog: str
    ) -> argparse.ArgumentParser:
        one = commands.add_parser(
            name,
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.add_argument("-C", "--directory", metavar="DIR", help="change to this directory first")
        one.set_defaults(command=command)
        return one

    def with_target(
        name: str, command: Callable[[argparse.Namespace], int], help: str, epilog: str
    ) -> argparse.ArgumentParser:
        one = bare(name, command, help, epilog)
        one.add_argument("target", metavar="TARGET", help="a name, package.module:attribute, or a file")
        one.add_argument("--profile", metavar="NAME", help="the profile of what is read from files")
        one.add_argument(
            "--settings", metavar="FILE", action="append", default=[], help="a file with settings for the system"
        )
        return one

    def add(name: str, command: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        one = with_target(name, command, help, f"{_TARGET}\n{_FILES}\n{_SET}")
        one.add_argument(
            "--select",
            metavar="ID,...",
            action="append",
            help="only these components, groups, patterns (db.*) or tags (tag:http), and what they need; "
            "with - in front: not these",
        )
        with_set(one)
        return one

    def with_set(one: argparse.ArgumentParser) -> None:
        one.add_argument(
            "--set", metavar="PATH=VALUE", action="append", default=[], help="exchange something in it; see below"
        )

    running = add("run", _run, "start the system, wait for Ctrl-C or SIGTERM, stop it in order; SIGHUP restarts it")
    running.epilog = f"{_STATUSES}\n{_PROGRESS}\n{running.epilog}"
    running.add_argument(
        "--grace", metavar="SECONDS", type=_seconds, default=30.0, help="how long stopping may take (default: 30)"
    )
    running.add_argument(
        "--progress",
        choices=("auto", "tree", "lines", "json"),
        default="auto",
        help="how to say what goes on (default: auto)",
    )
    add("check", _check, "say what is wrong with the system, all at once; start nothing")
    plan = add("plan", _plan, "print the steps that a signal means, each with the reason for its place; run nothing")
    plan.add_argument("--signal", metavar="NAME", default="start", help="the signal (default: start)")
    graph = add("graph", _graph, "print which component needs which")
    graph.add_argument("--format", choices=sorted(_FORMATS), default="text", help="how (default: text)")
    describe = add("describe", _describe, "print what the system is made of; secrets are masked")
    describe.add_argument(
        "ids", metavar="ID", nargs="*", help="a component, a group, a pattern or a tag; everything if not given"
    )
    describe.add_argument("--json", action="store_true", help="as JSON")
    config = with_target(
        "config",
        _config,
        "print every value of the system with where it is from; secrets are masked",
        f"{_TARGET}\n{_FILES}\n{_SET}",
    )
    with_set(config)
    config.add_argument(
        "--expanded",
        metavar="ID,...",
        nargs="?",
        const="",
        help="what modules become, instead of their settings; of these modules only, if any are named",
    )
    config.add_argument("--diff", metavar="PROFILE", nargs=2, help="what differs between two profiles")
    config.add_argument("--json", action="store_true", help="as JSON")
    schemas = with_target(
        "schema", _schema, "write a JSON Schema for files with settings, for editors", f"{_TARGET}\n{_FILES}"
    )
    schemas.set_defaults(set=[])
    schemas.add_argument(
        "--plain",
        action="store_true",
        help="for JSON and TOML, where a tag is a mapping, {$env: PORT}; so by itself where TARGET is such a file",
    )
    plugins = with_target(
        "plugins",
        _plugins,
        "print the plugins of the system, and what each of them changed",
        f"{_TARGET}\n{_FILES}",
    )
    plugins.set_defaults(set=[])
    plugins.add_argument("--json", action="store_true", help="as JSON")
    names = bare("list", _list, "print the systems that have names, where they are, and what they are for", _NAMES)
    names.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return seconds


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("mainspring")
    except metadata.PackageNotFoundError:
        return "(not installed)"


# --- commands ---------------------------------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    status = run(
        lambda: _loaded(options),
        select=_select(options),
        grace=options.grace,
        progress=options.progress,
        exits=True,
    )
    leave_within(options.grace, status)
    return status


def _check(options: argparse.Namespace) -> int:
    try:
        system = _selected(options)
        problems = system.check()
    except DefinitionError as error:  # of those that are found where they are written
        problems = list(error.problems)
    else:
        if not problems:
            kinds = [node["kind"] for node in system.graph().as_dict()["nodes"]]
            constants, off = kinds.count("constant") + kinds.count("alias"), kinds.count("off")
            text = f"{show.count(len(kinds) - constants, 'component')} and {show.count(constants, 'constant')} are fine"
            text += f"; {off} of the components switched off" if off else ""
            profiles = profiles_of(system)
            _print(f"{text}, in the profile {', '.join(profiles)}." if profiles else f"{text}.")
            for id, site in unused(system):
                _print(f"Nothing refers to {id}, {show.short(f'at {site}')}.")
            return 0
    _print(f"{options.target} has {show.count(len(problems), 'problem')}:")
    for number, problem in enumerate(problems, 1):
        head = f"{number}. "
        _print(
            "\n" + head + show.short(show.indented(f"[{problem.error.__name__}] {problem}", " " * len(head)).lstrip())
        )
    return BAD_USAGE


def _plan(options: argparse.Namespace) -> int:
    plan = _loaded(options).plan(options.signal, _select(options))
    together = plan.waves
    text = str(plan)
    if any(len(wave) > 1 for wave in together):
        text += "\n\nWhat may run together, as far as threads and limits allow:"
        width = len(str(len(together)))
        for number, wave in enumerate(together, 1):
            text += f"\n  {number:>{width}}. {', '.join(map(str, wave))}"
    _print(text)
    return 0


_FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    "text": str,
    "mermaid": lambda graph: str(graph.mermaid()),
    "dot": lambda graph: str(graph.dot()),
    "json": lambda graph: _json(graph.as_dict()),
}


def _graph(options: argparse.Namespace) -> int:
    _print(_FORMATS[options.format](_selected(options).graph()))
    return 0


def _describe(options: argparse.Namespace) -> int:
    system = _selected(options)
    described = system.describe()
    if not options.ids:
        _print(_json(described.as_dict()) if options.json else str(described))
        return 0
    ids = list(dict.fromkeys(id for given in options.ids for id in _ids(system, described, given)))
    if options.json:
        _print(_json(described.as_dict(ids)))
    else:
        _print("\n\n".join(str(described[id]) for id in ids))
    return 0


def _config(options: argparse.Namespace) -> int:
    expand: bool | list[str] = options.expanded is not None
    if options.expanded:
        expand = split_select([options.expanded])
    target = _target(options)
    if options.diff:
        if options.profile is not None:
            raise Trouble("--diff names two profiles, and --profile a third. Leave one of them away.")
        old, new = (provenance(target._replace(profile=profile), expand) for profile in options.diff)
        if options.json:
            _print(_json({profile: one.as_dict() for profile, one in zip(options.diff, (old, new), strict=True)}))
        else:
            _print(old.diff(new) or f"The profiles {options.diff[0]} and {options.diff[1]} do not differ.")
        return 0
    found = provenance(target, expand)
    _print(_json(found.as_dict()) if options.json else str(found))
    return 0


def _schema(options: argparse.Namespace) -> int:
    _print(_json(schema(_target(options), options.plain)))
    return 0


def _plugins(options: argparse.Namespace) -> int:
    report = _loaded(options).explain_plugins()
    _print(_json(report.as_dict()) if options.json else str(report))
    return 0


def _list(options: argparse.Namespace) -> int:
    found = named_systems()
    _print(_json(as_data(found)) if options.json else as_text(found))
    for entry in found:
        if entry.error is not None:
            show.say(f"\n{entry.name or '?'}: {show.explained(entry.error)}")
    return BAD_USAGE if any(entry.error for entry in found) else 0


def _ids(system: System, described: Description, given: str) -> list[str]:
    if given in system.groups:
        return [str(id) for id in described if id.group == given]
    if given in system:
        try:
            return [str(described[given].id)]
        except KeyError:
            pass  # inside of a subsystem that is switched off
    try:
        return [str(id) for id in system.graph().select(given)]
    except DefinitionError:
        raise
    except MainspringError:
        system[given]  # raises, with what is near; or gives a part of a constant
        if given in system:
            raise
    raise MainspringError(
        f"{given} is part of a constant. A component or a constant is known by two names, group.name."
    )


def _json(data: Any) -> str:
    import json

    return json.dumps(data, indent=2, ensure_ascii=False)


# --- what they share --------------------------------------------------------------------------------------------------


def _target(options: argparse.Namespace) -> Target:
    return Target(options.target, options.profile, options.settings, options.set)


def _loaded(options: argparse.Namespace) -> System:
    return _target(options).system()


def _selected(options: argparse.Namespace) -> System:
    select = _select(options)
    system = _loaded(options)
    return system if select is None else system.select(select)


def _select(options: argparse.Namespace) -> list[str] | None:
    return None if options.select is None else split_select(options.select)


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    # Not every terminal knows the lines with which a cycle is drawn.
    sys.stdout.write(text.rstrip("\n").encode(encoding, "backslashreplace").decode(encoding) + "\n")
