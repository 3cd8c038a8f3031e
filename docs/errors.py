"""The errors page: every error that Mainspring raises, by a short program that gives it, and the text that it gives.

`python docs/errors.py` writes docs/reference/errors.md; so does every build of the documentation.
"""

from __future__ import annotations

import inspect
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import NamedTuple

import mainspring

PAGE = Path(__file__).parent / "reference" / "errors.md"


class Example(NamedTuple):
    """A program that raises one error, and what there is to say about it.

    Parameters:
        name: the class of the error.
        about: when it happens, and what to do.
        program: what raises it.
        leaf: whether the error is inside the group that is raised, rather than raised itself.
        without: a library that is taken for not installed, and the modules of Mainspring that use it.
    """

    name: str
    about: str
    program: str
    leaf: bool = False
    without: tuple[str, ...] = ()


def _example(name: str, about: str, program: str, *, leaf: bool = False, without: tuple[str, ...] = ()) -> Example:
    return Example(name, " ".join(about.split()), dedent(program).strip() + "\n", leaf, without)


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
        """A component id is a group and a name: `db.pool`. A part with a dot or a space in it is put in quotation
        marks, `ref('db."my.pool"')`, or the parts are given one by one, `ref("db", "my.pool")`.""",
        """
        from mainspring import ref

        ref("db..pool")
        """,
    ),
    _example(
        "UnknownReference",
        "A reference to a group, a component or a part of a constant that does not exist.",
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
    ),
    _example(
        "CycleError",
        "Components that need each other in a circle: there is no order in which they could be started.",
        """
        from mainspring import System, component, ref

        @component
        def part(needs):
            yield object()

        System({
            "app": {"orders": part(needs=ref("app.mails")), "mails": part(needs=[ref("web.pages")])},
            "web": {"pages": part(needs=ref("app.orders"))},
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
    ),
    _example(
        "BadOverride",
        """An override replaces what is there, so its path must exist: a typing error in a test would otherwise leave
        the real thing running.""",
        """
        from mainspring import System

        System({"env": {"port": 8080}}).override({"env.prt": 0})
        """,
    ),
    _example(
        "MergeConflict",
        "Both of two systems that are merged define the same id, and differently.",
        """
        from mainspring import System

        System({"env": {"port": 8080}}).merge(System({"env": {"port": 8081}}))
        """,
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
        """A part of Mainspring is used that needs a library that is not installed: async components without AnyIO, for
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
    kind = getattr(mainspring, example.name)
    module = ModuleType("example")
    code = compile(example.program, "app.py", "exec")
    before = set(threading.enumerate())
    raised: BaseException | None = None
    hidden = _hidden(*example.without) if example.without else nullcontext()
    log = logging.getLogger("mainspring")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what hangs on purpose is spoken of there
    try:
        with hidden:
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
def _hidden(library: str, *users: str) -> Iterator[None]:
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
        lines.append(f"  {text_of(leaf)}")
        lines += [f"    {line}" for note in getattr(leaf, "__notes__", ()) for line in note.splitlines() if _ours(note)]
    return "\n".join(lines)


def _ours(note: str) -> bool:
    # The stack of a handler that hangs names files of the machine on which the page was made.
    return not re.search(r'File "/', note)


def _section(example: Example) -> str:
    outcome = run(example)
    return (
        f"(error-{example.name})=\n### {example.name}\n\n{example.about}\n\n"
        f"```python\n{example.program}```\n\n```text\n{text_of(outcome.raised)}\n```\n"
    )


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

        {_listed(NOT_YET_RAISED)} are public names for what later versions will do. This version never raises them.
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
