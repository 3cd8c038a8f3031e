"""What type checkers know of live systems, their reports and errors. Checked by mypy and pyright; never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from mainspring import (
    CrashError,
    DefinitionError,
    Description,
    Edge,
    Entry,
    Event,
    Failure,
    Graph,
    Id,
    Live,
    Outcome,
    Plan,
    Problem,
    Report,
    Signal,
    StartError,
    State,
    Step,
    System,
)


class Pool:
    """A pool."""


def of_a_system(system: System) -> None:
    """What a system gives."""
    assert_type(system.check(), list[Problem])
    assert_type(system.graph(), Graph)
    assert_type(system.graph().edges, tuple[Edge, ...])
    assert_type(system.plan("stop", ["a.b"]), Plan)
    assert_type(system.plan()[0], Step)
    assert_type([step.reason for step in system.plan()], list[str])
    assert_type(system.describe(), Description)
    assert_type(system.describe()["a.b"], Entry)
    assert_type(system["a.b"], Any)
    assert_type(list(system), list[Id])
    assert_type(system.signals, Mapping[str, Signal])
    with system.started("a", on_failure="keep") as live:
        assert_type(live, Live)
    with system.started(on_failure="ignore"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pass


def of_a_live_system(live: Live) -> None:
    """What a live system gives."""
    assert_type(live["db.pool"], Any)
    assert_type(live[Id("db", "pool")], Any)
    assert_type(live.get("db.pool", Pool), Pool)
    assert_type(live.get(Id("db", "pool"), int), int)
    wrong: int = live.get("db.pool", Pool)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    live.get("db.pool", "Pool")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    live[3]  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    assert_type(live.state("db.pool"), State)
    assert_type(live.start(["a.b", Id("a", "c")]), Report)
    assert_type(live.stop("a"), Report)
    assert_type(live.status(), Mapping[Id, Any])
    assert_type(live.report["a.b"], Outcome)
    assert_type(live.report["a.b"].attempts, int)
    assert_type(live.report.critical_path, tuple[Id, ...])
    assert_type(live.definition, System)
    print(wrong)


async def of_awaited_verbs(system: System) -> None:
    """What the awaited verbs give: what their sync twins do."""
    assert_type(await system.astart("a", on_failure="keep", observers=[print]), Live)
    async with system.started(["a.b"]) as live:
        assert_type(live, Live)
    assert_type(await live.astart(["a.b", Id("a", "c")]), Report)
    assert_type(await live.astop("a"), Report)
    assert_type(await live.arestart(), Report)
    assert_type(await live.asuspend(), Report)
    assert_type(await live.aresume(), Report)
    assert_type(await live.asignal("reload", "a"), Report)
    assert_type(await live.astatus(), Mapping[Id, Any])
    assert_type(live.join(1.5), bool)
    await live.ajoin()
    await system.astart(on_failure="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with system.started(on_failure="ignore"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pass


def of_concurrency(groups: Mapping[str, Mapping[str, Any]]) -> None:
    """What a system takes that says how much runs together."""
    system = System(groups, limits={"db": 2, "*": 8}, workers=4, deadlines={"stop": 5})
    assert_type(System(groups, limits=3), System)
    assert_type(system.plan().waves, tuple[tuple[Id, ...], ...])
    System(groups, limits="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    System(groups, workers="4")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def of_an_observer(live: Live) -> None:
    """What an observer is told."""

    def observer(event: Event) -> None:
        assert_type(event.id, Id)
        assert_type(event.new, State)
        assert_type(event.took, float | None)
        assert_type(event.error, BaseException | None)
        assert_type(event.attempt, int)
        assert_type(event.stack, str | None)

    def wrong(event: str) -> None: ...

    forget = live.observe(observer)
    forget()
    live.observe(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def of_errors(system: System) -> None:
    """What errors have as data."""
    try:
        system.start()
    except DefinitionError as error:
        assert_type(error.problems, tuple[Problem, ...])
    except StartError as group:
        assert_type(group.failures, tuple[Failure, ...])
        assert_type(group.live, Live | None)
        assert_type(group.exceptions[0], Exception | ExceptionGroup[Exception])
    try:
        live = system.start()
        live.join()
    except CrashError as crash:
        assert_type(crash.failures[0].id, Id)
    try:
        system.start()
    except* ValueError as values:
        assert_type(values, ExceptionGroup[ValueError])


def of_signals() -> None:
    """What a row of the signal table takes."""
    Signal("x", "dependents first", draws_in="needs", states=["running"], during=State.STOPPING)
    Signal("x", "sideways")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Signal("x", draws_in="everything")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
