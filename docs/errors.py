"""The errors page: every error that Mainspring raises, by a short program that gives it, and the text that it gives.

`python docs/errors.py` writes docs/reference/errors.md; so does every build of the documentation.
"""

from __future__ import annotations

import inspect
import logging
import os
import re
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from types import ModuleType
from typing import NamedTuple

import mainspring
import mainspring.plugins
from mainspring._named import isolated

PAGE = Path(__file__).parent / "reference" / "errors.md"


class Example(NamedTuple):
    """A program that raises one error, and what there is to say about it.

    Parameters:
        name: the class of the error.
        about: when it happens, and what to do.
        program: what raises it.
        leaf: whether the error is inside the group that is raised, rather than raised itself.
        without: a library that is taken for not installed, and the modules of Mainspring that use it.
        others: other ways to get it.
    """

    name: str
    about: str
    program: str
    leaf: bool = False
    without: tuple[str, ...] = ()
    others: tuple[Example, ...] = ()


def _example(
    name: str,
    about: str,
    program: str,
    *others: tuple[str, str] | Example,
    leaf: bool = False,
    without: tuple[str, ...] = (),
) -> Example:
    made = (other if isinstance(other, Example) else _example(name, *other) for other in others)
    return Example(name, " ".join(about.split()), dedent(program).strip() + "\n", leaf, without, tuple(made))


DEFINITION = [
    _example(
        "DefinitionError",
        """All problems of a definition are found before anything starts, and come out together. Where they are of
        several kinds, the error is a plain `DefinitionError`; where they are of one kind, it is that kind, as in the
        sections below. `error.problems` holds them as data, and `system.check()` gives the same list without raising.""",
        """
        from mainspring import System, component, ref, required

        @component
        def pool(dsn: str):
            yield object()

        @component
        def server(db, port: int):
            yield object()

        System({
            "db": {"pool": pool(dsn=required)},
            "web": {"server": server(db=ref("db.pol"), port=8080)},
        }).start()
        """,
    ),
    _example(
        "BadId",
        """A component id is a group and a name: `db.pool`. A name with a dot or a space in it is put in quotation
        marks, `ref('db."my.pool"')`, or the names are given one by one, `ref("db", "my.pool")`.""",
        """
        from mainspring import ref

        ref("db..pool")
        """,
    ),
    _example(
        "UnknownReference",
        "A reference to a group, a component or a place in a constant that does not exist.",
        """
        from mainspring import System, component, ref

        @component
        def server(port: int):
            yield object()

        System({
            "env": {"http": {"port": 8080}},
            "web": {"server": server(port=ref("env.http.prot"))},
        }).start()
        """,
        (
            "So is a reference to a tag that no component carries:",
            """
            from mainspring import System, component, tagged

            @component(tags=["page"])
            def page(path: str):
                yield path

            @component
            def site(pages):
                yield list(pages.values())

            System({"web": {"home": page(path="/"), "site": site(pages=tagged("pages"))}}).start()
            """,
        ),
    ),
    _example(
        "AmbiguousReference",
        """A reference to the one component with a tag, and several carry it. Where all are meant, `tagged` gives all of them.""",
        """
        from mainspring import System, component, one_tagged

        @component(tags=["clock"])
        def clock(zone: str):
            yield zone

        @component
        def watch(clock):
            yield clock

        System({
            "app": {
                "here": clock(zone="Europe/Berlin"),
                "there": clock(zone="America/New_York"),
                "watch": watch(clock=one_tagged("clock")),
            },
        }).start()
        """,
    ),
    _example(
        "ReferenceToOff",
        """The component is there, but `enabled` switches it off, and the reference does not say that it can do
        without.""",
        """
        from mainspring import System, component, ref

        @component(enabled=False)
        def cache():
            yield {}

        @component
        def server(cache):
            yield object()

        System({
            "db": {"cache": cache()},
            "web": {"server": server(cache=ref("db.cache"))},
        }).start()
        """,
        (
            "Where a flag in the settings has switched it off, the error says which:",
            """
            from mainspring import System, component, ref

            @component(enabled=ref("env.features.cache"))
            def cache():
                yield {}

            @component
            def server(cache):
                yield object()

            System({
                "env": {"features": {"cache": False}},
                "web": {"cache": cache(), "server": server(cache=ref("web.cache"))},
            }).start()
            """,
        ),
    ),
    _example(
        "CycleError",
        "Components that need each other in a circle: there is no order in which they could be started.",
        """
        from mainspring import System, component, ref

        @component
        def page(needs):
            yield object()

        System({
            "app": {"orders": page(needs=ref("app.mails")), "mails": page(needs=[ref("web.pages")])},
            "web": {"pages": page(needs=ref("app.orders"))},
        }).start()
        """,
    ),
    _example(
        "BadArguments",
        """The arguments do not fit the function that the component was made from. The error comes where the component
        function is called, as it would for the function itself. It is a `TypeError` too.""",
        """
        from mainspring import component

        @component
        def pool(dsn: str, *, max_size: int = 10):
            yield object()

        pool(dsn="postgresql://localhost", maxsize=4)
        """,
    ),
    _example(
        "RequiredMissing",
        "`required` stands for a value that is to be given later, by an override. It was not.",
        """
        from mainspring import System, component, required

        @component
        def pool(dsn: str):
            yield object()

        System({"db": {"pool": pool(dsn=required)}}).start()
        """,
        (
            "It may stand for a constant or a component too. The error says who needs it:",
            """
            from mainspring import System, component, ref, required

            @component
            def server(db, port: int):
                yield object()

            System({
                "env": {"port": required},
                "db": {"pool": required},
                "web": {"server": server(db=ref("db.pool"), port=ref("env.port"))},
            }).start()
            """,
        ),
    ),
    _example(
        "BadComponent",
        """The slots of a component do not fit together, or it has a handler for a signal that is not in the system's
        table, or it stands in the system without having been called. It is a `TypeError` too.""",
        """
        from mainspring import System, component

        @component
        def pool():
            yield object()

        @pool.on("relaod")
        def _(pool): ...

        System({"db": {"pool": pool()}}).start()
        """,
        (
            """A component that is [kept in a cache](../how-to/caching.md) may only need what is kept there too, or is constant;
            anything else would be stopped while it goes on.""",
            """
            from mainspring import System, component, ref

            @component
            def tunnel(host: str):
                yield object()

            @component(cached=True)
            def database(tunnel):
                yield object()

            System({"db": {"tunnel": tunnel(host="db1"), "main": database(tunnel=ref("db.tunnel"))}}).start()
            """,
        ),
        (
            "And two that are kept under one key have to be the same:",
            """
            from mainspring import System, component

            @component(cached="database")
            def database(version: int):
                yield object()

            System({"db": {"main": database(version=17), "old": database(version=16)}}).start()
            """,
        ),
        (
            "A base has the slots of a component, less those that make it what it is:",
            """
            from mainspring import System

            System({}, base={"stop": print})
            """,
        ),
        (
            "A system in a system is a component, when `subsystem` has made one of it:",
            """
            from mainspring import System

            billing = System({"env": {"currency": "EUR"}})
            System({"app": {"billing": billing}})
            """,
        ),
    ),
    _example(
        "BadOverride",
        """An override replaces what is there, so its path must exist: a typing error in a test would otherwise leave
        the real thing running.""",
        """
        from mainspring import System

        System({"env": {"port": 8080}}).override({"env.prt": 0})
        """,
        (
            "What is added must not exist:",
            """
            from mainspring import System

            System({"env": {"port": 8080}}).add({"env.port": 0})
            """,
        ),
        (
            "A function that is to make the new value of the old one has to be able to:",
            """
            from mainspring import System, adjust

            System({"env": {"port": "8080"}}).override({"env.port": adjust(lambda port: port + 1)})
            """,
        ),
        (
            "The imports of a subsystem are overrides of the system inside:",
            """
            from mainspring import System, ref, required, subsystem

            billing = System({"env": {"currency": required}})
            subsystem(billing, {"env.curency": ref("env.currency")})
            """,
        ),
    ),
    _example(
        "BadPlugin",
        """A plugin does not fit the system: it names a parameter that a component does not have, or appends to what is no list;
        or its function raised, or gave no system. It says which plugin that is, and where.""",
        """
        from mainspring import Plugin, System, component

        @component
        def pool(dsn: str, size: int = 10):
            yield object()

        sizes = Plugin("sizes", defaults={"db": {"pool": {"config": {"max_size": 3}}}})
        System({"db": {"pool": pool(dsn="sqlite:")}}).with_plugins(sizes)
        """,
        (
            "Each plugin is applied once:",
            """
            from mainspring import Plugin, System

            tracing = Plugin("tracing", defaults={"env": {"trace": True}})
            System({"env": {}}, plugins=[tracing]).with_plugins(tracing)
            """,
        ),
    ),
    _example(
        "MergeConflict",
        "Both of two systems that are merged define the same id, and differently, and no winner is stated.",
        """
        from mainspring import System

        System({"env": {"port": 8080}}).merge(System({"env": {"port": 8081}}))
        """,
        (
            "The same goes for their options, their signals and their bases:",
            """
            from mainspring import System

            web = System({}, workers=4, base={"deadlines": {"stop": 5}})
            jobs = System({}, workers=8, base={"deadlines": {"stop": 60}})
            web.merge(jobs)
            """,
        ),
    ),
]

RUN = [
    _example(
        "StartError",
        """A start failed. What this request had started was stopped again, in order; see
        [at the REPL](../how-to/repl.md) for how to keep it. The leaves of the group are your own exceptions, so
        `except* OSError` works. `error.failures` holds the same as data, `error.live` the system as it is.""",
        """
        from mainspring import System, component, local_ref

        @component
        def database():
            yield object()

        @component
        def server(db):
            raise OSError("port 8080 is in use")
            yield

        System({"app": {"db": database(), "web": server(db=local_ref("db"))}}).start()
        """,
        _example(
            "SchemaError",
            """The plugin [`schemas`](../how-to/plugins.md) checks configs and instances. What does not fit is a leaf with all
            problems of the component, a {class}`mainspring.plugins.SchemaError`:""",
            """
            from mainspring import System, component
            from mainspring.plugins import schemas

            @component(schema={"port": int, "hosts": list})
            def server(port, hosts):
                yield object()

            System({"web": {"server": server(port="8080", hosts=None)}}, plugins=[schemas()]).start()
            """,
            leaf=True,
        ),
    ),
    _example(
        "StopError",
        "A stop failed. All other components were stopped all the same.",
        """
        from mainspring import System, component

        @component
        def file():
            yield object()
            raise OSError("no space left on device")

        live = System({"app": {"file": file()}}).start()
        live.stop()
        """,
    ),
    _example(
        "SignalError",
        "A handler of another signal failed: suspend, resume, status, or one of your own.",
        """
        from mainspring import System, component

        @component
        def pool():
            yield object()

        @pool.status
        def _(pool):
            raise TimeoutError("the database does not answer")

        with System({"db": {"pool": pool()}}).started() as live:
            live.status()
        """,
    ),
    _example(
        "BrokenReference",
        """A reference into an instance leads nowhere. What an instance has inside is known only when it is there, so this
        is found when the component that refers to it is to be started, and is a leaf of a `StartError`.""",
        """
        from mainspring import System, component, ref

        @component
        def settings():
            return {"port": 8080}

        @component
        def server(port):
            return port

        System({"app": {"settings": settings(), "server": server(port=ref("app.settings.prt"))}}).start()
        """,
        leaf=True,
    ),
    _example(
        "DeadlineExceeded",
        """A handler took longer than its deadline. It comes as a leaf of one of the errors above, and it is a
        `TimeoutError` too. A note shows where the handler hangs; see
        [deadlines](../how-to/deadlines.md).""",
        """
        import threading

        from mainspring import System, component

        answer = threading.Event()

        @component(deadlines={"start": 0.1})
        def server():
            answer.wait()  # for what does not come
            yield object()

        System({"web": {"server": server()}}).start()
        """,
        leaf=True,
    ),
    _example(
        "Interrupted",
        """Another thread asked for a stop during a start or a restart. That is given up, what it had started is stopped
        again, and it says so with this error, a leaf of a `StartError`.""",
        """
        import threading

        from mainspring import Component, System, local_ref

        def first():
            stopping = threading.Thread(target=live.stop)
            stopping.start()
            stopping.join(0.5)  # it cannot end before this start does

        def second(first): ...

        system = System({"app": {
            "first": Component(first),
            "second": Component(second, config={"first": local_ref("first")}),
        }})
        live = system.start([])  # nothing yet
        live.start()
        """,
        leaf=True,
    ),
    _example(
        "CrashError",
        """A component broke by itself while the system was running, and was not to be kept: a background function raised, a
        task in a task group that a component holds open did, or `ctx.crash(error)` was called. The system, or what needs the
        component, has been stopped. It comes out of the block around the system, and of `live.join()`.""",
        """
        from mainspring import Context, System, background

        @background
        def worker(ctx: Context = Context.here):
            ctx.stopping.wait(0.1)
            raise RuntimeError("the queue is gone")

        with System({"app": {"worker": worker()}}).started(observers=[lambda event: None]) as live:
            live.join()
        """,
    ),
]

USE = [
    _example(
        "StateError",
        """The request makes no sense now: it was made from a handler of the same system, or in a state that does not
        allow it.""",
        """
        from mainspring import System, component

        @component
        def worker():
            yield object()

        @worker.suspend
        def _(worker): ...

        with System({"app": {"worker": worker()}}).started() as live:
            live.suspend()
            live.start()
        """,
        (
            """Two systems that use one [instance cache](../how-to/caching.md) have to mean the same by a key. What is kept is not
            exchanged behind the back of those that use it.""",
            """
            from mainspring import InstanceCache, System, component

            @component(cached="database")
            def database(version: int):
                yield object()

            cache = InstanceCache()
            System({"db": {"main": database(version=17)}}).start(cache=cache)
            System({"db": {"main": database(version=16)}}).start(cache=cache)
            """,
        ),
    ),
    _example(
        "UnknownSignal",
        "The signal table has no such row. It is a `LookupError` too.",
        """
        from mainspring import System

        System({}).plan("strat")
        """,
    ),
    _example(
        "UnknownComponent",
        """An id, a group or a selection names nothing in the system, or a component that is switched off. It is a
        `LookupError` too.""",
        """
        from mainspring import System

        with System({"env": {"port": 8080}}).started() as live:
            live["env.prot"]
        """,
        (
            "A pattern or a tag that selects nothing is one, too:",
            """
            from mainspring import System, component

            @component(tags=["slow"])
            def worker():
                yield object()

            System({"jobs": {"worker": worker()}}).select(["job.*", "tag:slwo"])
            """,
        ),
    ),
    _example(
        "UnknownSystem",
        """No system has this name: it is not listed in pyproject.toml, and no module that is imported registers it; or what is
        named has no such attribute, or is no system. It is a `LookupError` too.""",
        """
        from mainspring import System, named_system

        @named_system
        def shop():
            return System({"env": {"port": 8080}})

        System.named("shpo")
        """,
    ),
    _example(
        "UnknownPlugin",
        "No plugin of this name is installed. It is a `LookupError` too.",
        """
        from mainspring import System

        System({}, plugins=["timng"])
        """,
    ),
    _example(
        "NotStarted",
        "The component exists, and has no instance now. It is a `LookupError` too.",
        """
        from mainspring import System, component

        @component
        def pool():
            yield object()

        live = System({"db": {"pool": pool()}}).start()
        live.stop()
        live["db.pool"]
        """,
    ),
    _example(
        "WrongType",
        "The instance is not of the type that `live.get` was asked for. It is a `TypeError` too.",
        """
        from mainspring import System

        with System({"env": {"port": 8080}}).started() as live:
            live.get("env.port", str)
        """,
    ),
    _example(
        "MissingExtra",
        """Something of Mainspring is used that needs a library that is not installed: async components without AnyIO, for
        example. It is an `ImportError` too.""",
        """
        from mainspring import System, component

        @component
        async def client():
            yield object()

        System({"app": {"client": client()}}).start()
        """,
        without=("anyio", "mainspring._engine.worlds", "mainspring._engine.tasks", "mainspring._engine.aio"),
    ),
]

EXAMPLES = {example.name: example for example in (*DEFINITION, *RUN, *USE)}

# Bases of the others, and what is part of the public names for features that are not there yet.
NEVER_RAISED_THEMSELVES = {"MainspringError", "RunError"}
NOT_YET_RAISED = {"UpdateError"}


class Outcome(NamedTuple):
    """What came of running an example.

    Parameters:
        raised: what came out of the program.
        shown: the error that the example is about: `raised`, or a leaf of it.
    """

    raised: BaseException
    shown: BaseException


def run(example: Example) -> Outcome:
    """Run an example to the error it is about.

    Raises:
        LookupError: no such error came.
    """
    kind = getattr(mainspring if hasattr(mainspring, example.name) else mainspring.plugins, example.name)
    module = ModuleType("example")
    code = compile(example.program, "app.py", "exec")
    before = set(threading.enumerate())
    raised: BaseException | None = None
    hidden = _hidden(*example.without) if example.without else nullcontext()
    log = logging.getLogger("mainspring")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what hangs on purpose is spoken of there
    try:
        with hidden, isolated(), _elsewhere():
            exec(code, vars(module))
    except Exception as error:
        raised = error
    finally:
        log.setLevel(level)
    for value in vars(module).values():
        if isinstance(value, threading.Event):
            value.set()  # so that what hangs on purpose does not hang for ever
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    if raised is not None:
        candidates = _leaves(raised) if example.leaf else [raised]
        for candidate in candidates:
            if type(candidate) is kind:
                return Outcome(raised, candidate)
    raise LookupError(f"the example of {example.name} gave {raised!r}")


@contextmanager
def _elsewhere() -> Generator[None, None, None]:
    """A directory in which there is nothing, nor above it."""
    before = Path.cwd()
    with TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            yield
        except mainspring.UnknownSystem as error:
            # It says where it has looked.
            raise type(error)(str(error).replace(os.path.realpath(directory), "/srv/shop")) from None
        finally:
            os.chdir(before)


@contextmanager
def _hidden(library: str, *users: str) -> Generator[None, None, None]:
    """A library as if it were not installed, for modules of ours that are imported anew."""
    kept = {name: sys.modules.pop(name, None) for name in (library, *users)}
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name, module in kept.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def text_of(error: BaseException) -> str:
    """What is shown of an error: its class and its text, and for a group its leaves with their notes."""
    shown = f"{type(error).__module__.removesuffix('builtins')}.{type(error).__qualname__}".lstrip(".")
    lines = [f"{shown}: {error}"]
    for leaf in _leaves(error) if isinstance(error, BaseExceptionGroup) else ():
        lines += [f"  {line}" for line in text_of(leaf).splitlines()]
        lines += [f"    {line}" for note in getattr(leaf, "__notes__", ()) for line in note.splitlines() if _ours(note)]
    return "\n".join(lines)


def _ours(note: str) -> bool:
    # The stack of a handler that hangs names files of the machine on which the page was made.
    return not re.search(r'File "/', note)


def _section(example: Example) -> str:
    shown = "\n".join(f"{one.about}\n\n{_program(one)}" for one in (example, *example.others))
    return f"(error-{example.name})=\n### {example.name}\n\n{shown}"


def _program(example: Example) -> str:
    return f"```python\n{example.program}```\n\n```text\n{text_of(run(example).raised)}\n```\n"


def page() -> str:
    """The whole page."""
    parts = [
        """\
        # Errors

        Every error that Mainspring raises in its own name, with a short program that gives it and the text that it
        gives. This page is made by running the programs. All of them are `MainspringError`s.
        """,
        """\
        ## Errors of a definition

        Nothing was started. Each problem says what is wrong, where it stands, and what to do. The same is there as data,
        in `error.problems`: see {class}`mainspring.Problem`.
        """,
        *map(_section, DEFINITION),
        """\
        ## Errors of a run

        A request was carried out, and handlers failed. These are exception groups; the base of all is
        {class}`mainspring.RunError`.
        """,
        *map(_section, RUN),
        """\
        ## Errors of use

        Something was asked for that is not there.
        """,
        *map(_section, USE),
        f"""\
        ## Names that are there already

        For what later versions will do, never raised by this one: {_listed(NOT_YET_RAISED)}.
        """,
    ]
    return "\n".join(dedent(part) if part.startswith("        ") else part for part in parts)


def _listed(names: set[str]) -> str:
    first, *others = sorted(names)
    return f"`{first}`" + "".join(f" and `{name}`" for name in others)


def public_errors() -> set[str]:
    """The names of all public error classes."""
    return {
        name
        for name in mainspring.__all__
        if inspect.isclass(kind := getattr(mainspring, name)) and issubclass(kind, mainspring.MainspringError)
    }


def write() -> None:
    """Write the page, if it is not there as it should be."""
    text = page()
    PAGE.parent.mkdir(exist_ok=True)
    if not PAGE.exists() or PAGE.read_text() != text:
        PAGE.write_text(text)


if __name__ == "__main__":
    write()
