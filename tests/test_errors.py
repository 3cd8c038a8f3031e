"""What the errors say: what is wrong, where, and what to do; and what they are as data and as classes."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest

import mainspring
from mainspring import (
    BadArguments,
    BadComponent,
    BadFile,
    BadId,
    BadOverride,
    BadTag,
    BadValue,
    Component,
    CycleError,
    DeadlineExceeded,
    DefinitionError,
    Id,
    Interrupted,
    MainspringError,
    MergeConflict,
    MissingExtra,
    NotStarted,
    Problem,
    ReferenceToOff,
    RequiredMissing,
    RunError,
    SignalError,
    Site,
    StartError,
    StateError,
    StopError,
    System,
    UnknownComponent,
    UnknownProfile,
    UnknownReference,
    UnknownSignal,
    UpdateError,
    WrongType,
    build,
    component,
    config,
    local_ref,
    ref,
    required,
)


@component
def pool(dsn: Any, *, max_size: Any = 10) -> Any:
    """A pool."""
    return dsn


untyped_component: Any = Component
untyped: Any = pool  # for calls that a type checker refuses, as it should


def in_system(definition: Callable[[], Any]) -> Callable[[], Any]:
    """Start a system with one definition among others."""

    def start() -> None:
        System({
            "env": {"dsn": "d", "flag": "yes"},
            "db": {"pool": definition(), "off": Component(dict, enabled=False)},
        }).start()  # fmt: skip

    return start


LINE = sys._getframe().f_lineno
ERRORS: dict[str, tuple[Callable[[], Any], type[DefinitionError], list[str]]] = {
    "unknown name": (
        in_system(lambda: pool(dsn=ref("env.dns"))),
        UnknownReference,
        ["db.pool, config.dsn", "env.dns", "Did you mean env.dsn?"],
    ),
    "unknown group": (
        in_system(lambda: pool(dsn=[ref("evn.dsn")])),
        UnknownReference,
        ["db.pool, config.dsn.0", "no group evn", "Did you mean env.dsn?"],
    ),
    "unknown group as a whole": (
        in_system(lambda: pool(dsn=ref("evn"))),
        UnknownReference,
        ["db.pool, config.dsn", "the group evn", "Did you mean env?"],
    ),
    "nowhere in a constant": (
        in_system(lambda: pool(dsn=ref("env.dsn.x"))),
        UnknownReference,
        ["db.pool, config.dsn", "env.dsn.x", "a str"],
    ),
    "cycle": (
        in_system(lambda: pool(dsn={"k": local_ref("pool")})),
        CycleError,
        ["db.pool, config.dsn.k", "needs itself", "┌─> db.pool", "└── db.pool", "has to go"],
    ),
    "reference to off": (
        in_system(lambda: pool(dsn=local_ref("off"))),
        ReferenceToOff,
        ["db.pool, config.dsn", "db.off", "switched off", "optional=True"],
    ),
    "required": (
        in_system(lambda: pool(dsn=required)),
        RequiredMissing,
        ["db.pool, config.dsn", "override", "db.pool.config.dsn"],
    ),
    "missing argument": (in_system(lambda: untyped()), BadArguments, ["pool(...)", "dsn", "pool(dsn, max_size=...)"]),
    "unknown argument": (
        in_system(lambda: untyped(dsn=1, maxsize=2)),
        BadArguments,
        ["pool(...)", "maxsize", "did you mean max_size?"],
    ),
    "missing in a config": (
        in_system(lambda: Component(pool.function)),
        BadArguments,
        ["db.pool, config.dsn", "pool needs dsn", "It takes: dsn, max_size"],
    ),
    "unknown in a config": (
        in_system(lambda: Component(pool.function, config={"dsn": 1, "maxsize": 2})),
        BadArguments,
        ["db.pool, config.maxsize", "does not take maxsize", "Did you mean max_size?"],
    ),
    "definition inside": (
        in_system(lambda: pool(dsn=[Component(dict)])),
        BadArguments,
        ["dsn.0", "Give it a name", "ref(...)"],
    ),
    "not called": (in_system(lambda: pool), BadComponent, ["db.pool", "pool", "Call it"]),
    "build": (
        in_system(lambda: pool(dsn=build(pool.function, "d", dns=1))),
        BadArguments,
        ["build(pool", "dns", "dsn"],
    ),
    "switch": (
        in_system(lambda: Component(dict, enabled=ref("env.flag"))),
        BadComponent,
        ["db.pool, enabled", "env.flag", "True or False", "bool"],
    ),
    "handler for an unknown signal": (
        in_system(lambda: Component(dict, handlers={"relaod": print})),
        BadComponent,
        ["db.pool, handlers.relaod", "'relaod'", "signals=[Signal(...)]"],
    ),
    "slots": (
        in_system(lambda: untyped_component(stop=print)),
        BadComponent,
        ["neither a start nor a scope", "Give it start"],
    ),
    "bad id": (in_system(lambda: pool(dsn=ref("env..dsn"))), BadId, ["'env..dsn'", "group.name"]),
    "override": (
        lambda: System({"db": {"pool": pool(dsn=1)}}).override({"db.pool.config.dns": 1}),
        BadOverride,
        ["db.pool.config.dns", "Did you mean db.pool.config.dsn?"],
    ),
    "merge": (
        lambda: System({"db": {"pool": pool(dsn=1)}}).merge(System({"db": {"pool": pool(dsn=2)}})),
        MergeConflict,
        ["db.pool", "dsn=1", "dsn=2", 'winner="left"'],
    ),
}
LINES = range(LINE, sys._getframe().f_lineno)
WITH_A_SITE = [name for name in ERRORS if name not in ("bad id", "not called", "override")]


@pytest.mark.parametrize("name", ERRORS)
def test_text_says_what_where_and_what_to_do(name: str) -> None:
    """Each error of a definition says what is wrong, where, and what to do."""
    broken, kind, parts = ERRORS[name]
    with pytest.raises(kind) as caught:
        broken()
    assert type(caught.value) is kind
    for part in parts:
        assert part in str(caught.value), part


@pytest.mark.parametrize(
    "name", [name for name in ERRORS if name not in ("bad id", "override", "nowhere in a constant")]
)
def test_text_has_a_line_that_says_what_to_do(name: str) -> None:
    """What to do stands in a line of its own."""
    with pytest.raises(DefinitionError) as caught:
        ERRORS[name][0]()
    assert "\n   do: " in str(caught.value)


@pytest.mark.parametrize("name", WITH_A_SITE)
def test_text_has_file_and_line(name: str) -> None:
    """Where the place in a file is known, it is in the text."""
    with pytest.raises(DefinitionError) as caught:
        ERRORS[name][0]()
    text = str(caught.value)
    assert any(f"{__file__}:{line}" in text for line in LINES)


def test_problem_is_data() -> None:
    """A problem has all of it as data: kind, sentence, component, path, file and line, hint, details."""
    line = sys._getframe().f_lineno + 1
    [problem] = System({"db": {"pool": pool(dsn=[ref("db.pol")])}}).check()
    assert problem.error is UnknownReference
    assert problem.id == Id("db", "pool")
    assert problem.path == ("config", "dsn", 0)
    assert problem.site == Site(__file__, line)
    assert problem.hint == "Did you mean db.pool?"
    assert problem.details["target"] == "db.pol"
    assert "db.pool" in problem.details["candidates"]
    assert str(problem) == (
        f"db.pool, config.dsn.0: {problem.what}\n   at: {__file__}:{line}\n   do: Did you mean db.pool?"
    )


def test_text_of_several_problems_is_a_numbered_list() -> None:
    """The text of several problems counts them, numbers them, and names the class of each where they differ."""
    system = System({"a": {"x": pool(dsn=ref("a.nothing")), "y": pool(dsn=required)}})
    with pytest.raises(DefinitionError) as caught:
        system.start()
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 problems in the definition:"
    assert lines[1].startswith("1. ")
    assert "UnknownReference" in lines[1]
    assert any(line.startswith("2. ") and "RequiredMissing" in line for line in lines)


def test_error_of_one_kind_has_all_problems() -> None:
    """`DefinitionError.of` gives the class that all problems have, or `DefinitionError` where they differ."""
    one = Problem(BadId, "one")
    other = Problem(BadArguments, "other")
    assert type(DefinitionError.of([one, one])) is BadId
    assert type(DefinitionError.of([one, other])) is DefinitionError
    assert DefinitionError.of([one, other]).problems == (one, other)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_can_be_copied_and_pickled(name: str) -> None:
    """An error of a definition can be copied and, where its data can, pickled, and says the same afterwards."""
    with pytest.raises(DefinitionError) as caught:
        ERRORS[name][0]()
    error = caught.value
    assert str(copy.copy(error)) == str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# --- Classes ------------------------------------------------------------------------------------------------------------


def test_every_error_is_a_mainspring_error() -> None:
    """Every error class of the library can be caught as `MainspringError`."""
    classes = [
        thing
        for name in mainspring.__all__
        if isinstance(thing := getattr(mainspring, name), type) and issubclass(thing, BaseException)
    ]
    assert len(classes) > 20
    assert [cls for cls in classes if not issubclass(cls, MainspringError)] == []


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (UnknownReference, [DefinitionError]),
        (CycleError, [DefinitionError]),
        (BadOverride, [DefinitionError]),
        (BadArguments, [DefinitionError, TypeError]),
        (BadComponent, [DefinitionError, TypeError]),
        (BadId, [DefinitionError]),
        (MergeConflict, [DefinitionError]),
        (RequiredMissing, [DefinitionError]),
        (ReferenceToOff, [DefinitionError]),
        (StartError, [RunError, ExceptionGroup]),
        (StopError, [RunError, ExceptionGroup]),
        (SignalError, [RunError, ExceptionGroup]),
        (UpdateError, [RunError, ExceptionGroup]),
        (DeadlineExceeded, [TimeoutError]),
        (Interrupted, []),
        (StateError, []),
        (UnknownSignal, [LookupError]),
        (UnknownComponent, [LookupError]),
        (NotStarted, [LookupError]),
        (WrongType, [TypeError]),
        (MissingExtra, [ImportError]),
    ],
)
def test_error_classes(kind: type[BaseException], bases: list[type[BaseException]]) -> None:
    """Errors can be caught by the class of Python's that they are a case of."""
    for base in bases:
        assert issubclass(kind, base)


def test_run_errors_are_no_definition_errors() -> None:
    """Errors of a definition, of a run and of use are apart."""
    for kind in (StartError, StateError, UnknownComponent):
        assert not issubclass(kind, DefinitionError)
    assert not issubclass(StateError, RunError)


def test_missing_extra_names_its_install_line() -> None:
    """The error about a missing extra names the extra and the line that installs it."""
    error = MissingExtra("files", "Reading YAML")
    assert error.extra == "files"
    assert error.install == "pip install 'mainspring[files]'"
    for part in ("Reading YAML", "files", error.install):
        assert part in str(error)


def test_deadline_exceeded_says_what_and_how_long() -> None:
    """The error about a deadline says which handler, how long it may take, and whether it still runs."""
    error = DeadlineExceeded("start of a.b", 1.5, abandoned=True)
    assert (error.what, error.seconds, error.abandoned) == ("start of a.b", 1.5, True)
    for part in ("start of a.b", "1.50 s", "abandoned"):
        assert part in str(error)
    assert "has ended" in str(DeadlineExceeded("start of a.b", 1.5, abandoned=False))


def test_lookup_errors_read_as_sentences() -> None:
    """The text of errors that are `LookupError`s is a sentence, without the quotation marks of a `KeyError`."""
    live = System({"a": {"b": Component(dict)}}).start([])
    with pytest.raises(UnknownComponent) as unknown:
        live["a.c"]
    assert str(unknown.value).startswith("There is no a.c.")
    with pytest.raises(NotStarted) as not_started:
        live["a.b"]
    assert str(not_started.value) == "a.b has no instance: it is defined."


def test_error_of_several_handlers_is_short() -> None:
    """The message of a run with many failures names the first few and counts the others."""

    def fails(it: Any) -> None:
        raise ValueError("line one\nline two")

    live = System({"a": {f"x{i}": Component(dict, fails) for i in range(10)}}).start()
    with pytest.raises(StopError) as caught:
        live.stop()
    message = caught.value.message
    assert "\n" not in message
    assert "a.x9" in message
    assert "7 more" in message
    assert len(caught.value.exceptions) == 10


def test_no_frames_of_ours_between_the_call_and_the_handler() -> None:
    """The traceback of a user's exception ends in the user's code."""

    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(StartError) as caught:
        System({"a": {"b": Component(fails)}}).start()
    trace = caught.value.exceptions[0].__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    assert trace.tb_frame.f_code.co_name == "fails"


# --- Errors of files --------------------------------------------------------------------------------------------------


def test_a_place_has_as_much_as_is_known() -> None:
    """A place is written with line and column, as far as they are known; two places without a column are equal as before."""
    assert str(Site("app.yaml", 3, 7)) == "app.yaml:3:7"
    assert str(Site("app.yaml", 3)) == "app.yaml:3"
    assert str(Site("app.yaml", 0)) == "app.yaml"
    assert Site("app.yaml", 3) == Site("app.yaml", 3, 0)


@pytest.mark.parametrize("kind", [BadFile, BadTag, BadValue, UnknownProfile])
def test_errors_of_files_are_errors_of_a_definition(kind: type[DefinitionError]) -> None:
    """What files can give is raised as its own class when it is alone, and with others as a plain `DefinitionError`."""
    one, other = Problem(kind, "one"), Problem(UnknownReference, "other")
    assert issubclass(kind, DefinitionError)
    assert type(DefinitionError.of([one, one])) is kind
    assert type(DefinitionError.of([one, other])) is DefinitionError


def test_a_place_is_given_to_those_that_have_none() -> None:
    """`at` gives a place to the problems that have none, and the class stays."""
    here, there = Site("a.yaml", 1, 1), Site("b.yaml", 2, 2)
    error = BadTag([Problem(BadTag, "one"), Problem(BadTag, "two", site=there)]).at(here)
    assert type(error) is BadTag
    assert [problem.site for problem in error.problems] == [here, there]


def test_all_that_is_wrong_in_a_file_is_data() -> None:
    """Problems of a file, of several kinds, come out together, with id, path, line and column, and the same as data."""
    text = "env: {port: !int many}\nweb:\n  server: {component: builtins:dict, config: {port: !ref env.prot}}\n"
    with pytest.raises(DefinitionError) as caught:
        config.load(config.text(text, "yaml", name="a.yaml"))
    found = [(one.error, one.id, one.path, one.site) for one in caught.value.problems]
    assert found == [
        (BadTag, Id("env", "port"), (), Site("a.yaml", 1, 13)),
        (UnknownReference, Id("web", "server"), ("config", "port"), Site("a.yaml", 3, 53)),
    ]
    assert caught.value.problems[0].details["tag"] == "int"
    assert "env.port" in caught.value.problems[1].details["candidates"]
