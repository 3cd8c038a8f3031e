"""A copy of a part for a moment: one object bound to a transaction, or a small system over what runs."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Self

import pytest

from mainspring import (
    Component,
    Live,
    Part,
    StartError,
    State,
    System,
    component,
    local_ref,
    opaque,
    ref,
    required,
    subsystem,
    tagged,
)

# --- What a user writes -------------------------------------------------------------------------------------------------


class Pool:
    """Gives out connections to a database, each for the time of a block."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def connection(self) -> Generator[sqlite3.Connection]:
        """A connection of its own."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            yield db

    @contextmanager
    def transaction(self, keep: bool = True) -> Generator[Pool]:
        """A pool that gives out one connection, in a transaction that ends with the block."""
        with self.connection() as db, in_transaction(db, keep):
            bound = OneConnection(db)
            try:
                yield bound
            finally:
                bound.is_over = True


class OneConnection(Pool):
    """A pool for a moment."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.is_over = False

    @contextmanager
    def connection(self) -> Generator[sqlite3.Connection]:
        """The one connection."""
        if self.is_over:
            raise RuntimeError("this transaction is over")
        yield self._db


@contextmanager
def in_transaction(db: sqlite3.Connection, keep: bool) -> Generator[None]:
    """A transaction, or a savepoint in the one that there is."""
    begin, commit, undo = "begin immediate", "commit", "rollback"
    if db.in_transaction:
        begin, commit, undo = "savepoint inner", "release inner", "rollback to inner"
    db.execute(begin)
    try:
        yield
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            db.execute(undo)
        if db.in_transaction:
            db.execute(commit)


class Notes:
    """A table of notes, of which none may be empty."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def add(self, text: str) -> None:
        """Write one."""
        with self._pool.connection() as db:
            db.execute("insert into notes values (?)", [text])

    def all(self) -> list[str]:
        """Read all."""
        with self._pool.connection() as db:
            return [text for (text,) in db.execute("select text from notes order by rowid")]

    @contextmanager
    def transaction(self) -> Generator[Self]:
        """A copy of which all methods work in one transaction."""
        with self._pool.transaction() as tx:
            bound = copy(self)
            bound._pool = tx
            yield bound


class Office:
    """Uses two parts that use the pool, and one that does not."""

    def __init__(self, notes: Notes, letters: Notes, rules: list[str]) -> None:
        self.notes, self.letters, self.rules = notes, letters, rules


@component
def pool(path: Path) -> Pool:
    """Connections to a database that has its table."""
    made = Pool(path)
    with made.connection() as db:
        db.execute("create table notes (text text check (text != ''))")
    return made


def for_a_moment(live: Live, exchanged: Mapping[str, Any]) -> System:
    """What runs, with some parts exchanged: what needs them is made anew, all else is shared."""
    system = live.definition
    anew = {step.id for step in system.plan("stop", list(exchanged))}
    running = {step.id: live[step.id] for step in system.plan() if live.state(step.id) == State.RUNNING}
    shared = {
        str(id): lent(system[id], instance)
        for id, instance in running.items()
        if id not in anew and not isinstance(instance, Part)
    }
    return system.override({**shared, **exchanged})


def lent(part: Component[Any], instance: Any) -> Any:
    """A part that runs, as one that is neither started nor stopped."""
    return Component(lambda: instance, tags=part.tags) if part.tags else opaque(instance)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A system with a database."""
    system = System(
        {
            "env": {"path": tmp_path / "notes.db"},
            "db": {"pool": pool(path=ref("env.path"))},
            "app": {
                "notes": Component(Notes, config={"pool": ref("db.pool")}),
                "letters": Component(Notes, config={"pool": ref("db.pool")}),
                "rules": Component(list, config={}),
                "office": Component(
                    Office,
                    config={"notes": ref("app.notes"), "letters": ref("app.letters"), "rules": ref("app.rules")},
                ),
            },
        }
    )
    with system.started() as live:
        yield live


@pytest.fixture
def notes(live: Live) -> Notes:
    """The notes that are there from start to stop."""
    return live.get("app.notes", Notes)


def failing(block: Callable[[], AbstractContextManager[Any]], work: Callable[[Any], object]) -> None:
    """Do something in a block, and leave the block with an error."""
    with block() as given:
        work(given)
        raise LookupError("changed my mind")


# --- One object ---------------------------------------------------------------------------------------------------------


def test_what_a_copy_did_is_seen_by_others_at_the_end_of_the_block(notes: Notes) -> None:
    """The copy sees it at once; the original, which is left as it was, when the transaction is done."""
    with notes.transaction() as tx:
        tx.add("one")
        tx.add("two")
        assert (tx.all(), notes.all()) == (["one", "two"], [])
    assert notes.all() == ["one", "two"]


def test_an_error_in_the_block_undoes_all_that_the_copy_did(notes: Notes) -> None:
    """The error comes out as it is."""
    notes.add("before")
    with pytest.raises(LookupError, match="changed my mind"):
        failing(notes.transaction, lambda tx: tx.add("one"))
    assert notes.all() == ["before"]


def test_a_copy_is_an_object_of_the_same_type_that_is_handed_on(notes: Notes) -> None:
    """Code that is given a copy does not know that it is one."""

    def add_both(notes: Notes) -> None:
        notes.add("one")
        notes.add("two")

    with notes.transaction() as tx:
        assert type(tx) is Notes
        add_both(tx)
    add_both(notes)
    assert notes.all() == ["one", "two"] * 2


def test_a_transaction_in_a_transaction_is_undone_by_itself(notes: Notes) -> None:
    """An error that is caught between the two leaves the outer one with what it did before and after."""
    with notes.transaction() as tx:
        tx.add("one")
        with pytest.raises(LookupError):
            failing(tx.transaction, lambda inner: inner.add("two"))
        with tx.transaction() as inner:
            inner.add("three")
    assert notes.all() == ["one", "three"]


def test_a_transaction_in_a_transaction_is_undone_with_it(notes: Notes) -> None:
    """What an inner block has kept is gone when the outer one fails."""

    def add_within(tx: Notes) -> None:
        with tx.transaction() as inner:
            inner.add("one")
        assert tx.all() == ["one"]

    with pytest.raises(LookupError):
        failing(notes.transaction, add_within)
    assert notes.all() == []


def test_a_copy_that_was_kept_refuses_to_work(notes: Notes) -> None:
    """After the block every use of the copy, and of copies of it, is an error."""
    with notes.transaction() as tx, tx.transaction() as inner:
        tx.add("one")
    for kept in (tx, inner):
        for use in (kept.all, lambda kept=kept: kept.add("late"), lambda kept=kept: kept.transaction().__enter__()):
            with pytest.raises(RuntimeError, match="this transaction is over"):
                use()
    assert notes.all() == ["one"]


# --- Several parts ------------------------------------------------------------------------------------------------------


def test_what_needs_the_exchanged_part_is_made_anew_and_all_else_is_shared(live: Live) -> None:
    """The small system has its own of what uses the pool, and the very same of what does not."""
    with live["db.pool"].transaction() as tx, for_a_moment(live, {"db.pool": tx}).started() as part:
        assert part["app.office"] is not live["app.office"]
        assert part["app.office"].notes is part["app.notes"]
        assert part["app.notes"] is not live["app.notes"]
        assert part["app.office"].rules is live["app.rules"]


def test_the_plan_says_what_is_made_anew(live: Live) -> None:
    """Neither the exchanged part nor what is shared is started: they are constants."""
    small = for_a_moment(live, {"db.pool": "anything"})
    assert [str(step.id) for step in small.plan()] == ["app.notes", "app.letters", "app.office"]


def test_all_parts_of_the_moment_work_in_one_transaction(live: Live, notes: Notes) -> None:
    """What one part did is seen by the others in the block, and by everybody after it."""
    with live["db.pool"].transaction() as tx, for_a_moment(live, {"db.pool": tx}).started() as part:
        part["app.notes"].add("one")
        assert part["app.letters"].all() == ["one"]
        assert notes.all() == []
    assert notes.all() == ["one"]


def test_an_error_undoes_what_all_parts_did(live: Live, notes: Notes) -> None:
    """An error leaves the small system, which is stopped, and then the transaction."""

    @contextmanager
    def moment() -> Generator[Office]:
        with live["db.pool"].transaction() as tx, for_a_moment(live, {"db.pool": tx}).started() as part:
            yield part["app.office"]

    def write(office: Office) -> None:
        office.notes.add("one")
        office.letters.add("two")

    with pytest.raises(LookupError):
        failing(moment, write)
    assert notes.all() == []


def test_a_failed_start_undoes_the_transaction(live: Live, notes: Notes) -> None:
    """A part of the moment that cannot be made is a failed start, and nothing is left of the transaction."""

    def start(tx: Pool) -> None:
        Notes(tx).add("one")
        for_a_moment(live, {"db.pool": tx}).override({"app.letters": Component(fail)}).start()

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(StartError):
        failing(live["db.pool"].transaction, start)
    assert notes.all() == []


def test_the_end_of_a_moment_stops_what_was_made_anew_and_nothing_else() -> None:
    """What is shared goes on running; scopes of the moment are left with it, also where the start failed half-way."""
    log: list[str] = []

    def scope(name: str) -> Any:
        def run(**needs: Any) -> Iterator[str]:
            log.append(f"+{name}")
            yield name
            log.append(f"-{name}")

        return run

    def fail(own: str) -> None:
        raise ValueError("no")

    broken = Component(fail, config={"own": ref("app.own")})
    system = System(
        {
            "app": {
                "base": 1,
                "shared": Component(scope=scope("shared"), config={}),
                "own": Component(scope=scope("own"), config={"base": ref("app.base"), "shared": ref("app.shared")}),
                "more": Component(scope=scope("more"), config={"own": ref("app.own")}),
            }
        }
    )
    with system.started() as live:
        log.clear()
        with for_a_moment(live, {"app.base": 2}).started():
            pass
        assert log == ["+own", "+more", "-more", "-own"]
        log.clear()
        with pytest.raises(StartError):
            for_a_moment(live, {"app.base": 2}).override({"app.more": broken}).start()
        assert log == ["+own", "-own"]
        assert live.state("app.own") == "running"


def test_the_moment_of_a_moment(live: Live, notes: Notes) -> None:
    """A small system may itself be the base of another one, for a savepoint."""
    with live["db.pool"].transaction() as tx, for_a_moment(live, {"db.pool": tx}).started() as part:
        part["app.notes"].add("one")
        with tx.transaction(keep=False) as inner, for_a_moment(part, {"db.pool": inner}).started() as inmost:
            inmost["app.notes"].add("two")
            assert part["app.notes"].all() == ["one", "two"]
            assert inmost["app.rules"] is live["app.rules"]
    assert notes.all() == ["one"]


def test_nothing_is_left_of_what_is_not_to_be_kept(live: Live, notes: Notes) -> None:
    """A transaction that is not to be kept is undone without an error, too; what began one of its own is in it."""
    with live["db.pool"].transaction(keep=False) as tx, for_a_moment(live, {"db.pool": tx}).started() as part:
        with part["app.notes"].transaction() as inner:
            inner.add("one")
        assert part["app.notes"].all() == ["one"]
    assert notes.all() == []


def test_moments_at_the_same_time(live: Live) -> None:
    """Several threads have each a small system of their own over what runs."""
    together = threading.Barrier(4, timeout=20)
    seen: list[tuple[int, int]] = []

    def run(number: int) -> None:
        with for_a_moment(live, {"db.pool": number}).override({"app.notes": ref("db.pool")}).started() as part:
            together.wait()
            seen.append((number, part["app.office"].notes))
            together.wait()

    threads = [threading.Thread(target=run, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [(number, number) for number in range(4)]
    assert live.state("app.office") == "running"


def test_a_moment_in_an_event_loop(live: Live, notes: Notes) -> None:
    """The small system may be used with `async with`, whatever the whole was started with."""

    async def main(tx: Pool) -> None:
        async with for_a_moment(live, {"db.pool": tx}).started() as part:
            part["app.notes"].add("one")
            assert part["app.letters"].all() == ["one"]

    with live["db.pool"].transaction(keep=False) as tx:
        asyncio.run(main(tx))
    assert notes.all() == []


# --- What is shared, whatever it is -------------------------------------------------------------------------------------


@component
def user(**needs: Any) -> dict[str, Any]:
    """Whatever it is given."""
    return needs


@component(tags=["tool"])
def tool() -> list[str]:
    """Something with a tag."""
    return []


def test_references_of_all_kinds_lead_to_what_is_shared() -> None:
    """By id, into an instance, to a group, by tag, through an alias, and to what is off."""
    system = System(
        {
            "app": {"base": 1, "tool": tool(), "off": tool().replace(enabled=False), "alias": local_ref("tool")},
            "all": {"one": Component(dict, config={"a": [5]}), "two": 2},
            "use": {
                "user": user(
                    base=ref("app.base"),
                    tool=ref("app.alias"),
                    tools=tagged("tool"),
                    deep=ref("all.one.a.0"),
                    group=ref("all"),
                    off=ref("app.off", optional=True),
                )
            },
        }
    )
    with system.started() as live, for_a_moment(live, {"app.base": 2}).started() as part:
        assert part["use.user"] == {**live["use.user"], "base": 2}
        assert part["use.user"]["tool"] is live["app.tool"]
        assert next(iter(part["use.user"]["tools"].values())) is live["app.tool"]
        assert part["use.user"]["group"]["one"] is live["all.one"]


def test_what_others_see_of_a_part_is_what_is_shared() -> None:
    """Where others see something else of a part than its own handlers do, the moment sees what others see."""
    log: Component[Any] = Component(dict, config={"handle": "shown"}, resolve=lambda instance: instance["handle"])
    system = System({"app": {"base": 1, "log": log, "user": user(log=ref("app.log"), base=ref("app.base"))}})
    with system.started() as live, for_a_moment(live, {"app.base": 2}).started() as part:
        assert part["app.user"] == {"log": "shown", "base": 2}


@pytest.mark.parametrize("instance", [None, 0, (), [], {"a": ref("x.y")}, tool(), required, iter(())])
def test_any_instance_can_be_shared(instance: Any) -> None:
    """Nothing, an empty container, a reference, a definition, an iterator: the very same, and never looked into."""
    system = System(
        {"app": {"base": 1, "it": Component(lambda: instance), "user": user(it=ref("app.it"), b=ref("app.base"))}}
    )
    with system.started() as live, for_a_moment(live, {"app.base": 2}).started() as part:
        assert part["app.it"] is live["app.it"]
        assert part["app.user"]["it"] is instance


def test_parts_of_subsystems_are_shared_or_made_anew() -> None:
    """Inside a subsystem the same holds: what needs the exchanged part is made anew, its neighbours are shared."""
    inner = System(
        {
            "env": {"name": required},
            "db": {
                "pool": tool(),
                "table": user(pool=ref("db.pool"), name=ref("env.name")),
                "log": Component(list, config={}),
            },
        }
    )
    system = System(
        {
            "env": {"name": "x"},
            "app": {
                "shop": subsystem(inner, {"env.name": ref("env.name")}),
                "user": user(table=ref("app.shop.db.table"), log=ref("app.shop.db.log")),
            },
        }
    )
    with system.started() as live:
        with for_a_moment(live, {"env.name": "y"}).started() as part:
            assert part["app.user"]["table"] == {"pool": [], "name": "y"}
            assert part["app.user"]["table"]["pool"] is live["app.shop.db.pool"]
            assert part["app.user"]["log"] is live["app.shop.db.log"]
        with for_a_moment(live, {"app.shop.db.pool": "tx"}).started() as part:
            assert part["app.user"]["table"] == {"pool": "tx", "name": "x"}


def test_what_does_not_run_is_started_for_the_moment(live: Live) -> None:
    """What was left out or stopped is not there to be shared: where it is needed, the moment has one of its own."""
    live.stop("app.rules")
    with for_a_moment(live, {"db.pool": "tx"}).started("app.office") as part:
        assert part["app.office"].rules == []
        assert live.state("app.rules") == "stopped"
