"""The same group under several names, functions that give groups, and replicas."""

from __future__ import annotations

from typing import Any

import pytest

from mainspring import (
    BadArguments,
    BadId,
    Component,
    DefinitionError,
    Id,
    System,
    component,
    local_ref,
    ref,
    replicas,
    required,
    tagged,
)

Log = list[str]


@component
def queue(name: str) -> Any:
    """A queue."""
    return [name]


@component
def worker(queue: Any, number: int = 0) -> Any:
    """A worker."""
    return (queue, number)


# --- The same group several times ---------------------------------------------------------------------------------------


def test_one_group_under_several_names() -> None:
    """One and the same dict may stand under several names; local references lead to the neighbours in each."""
    shard = {"name": "q", "queue": queue(name=local_ref("name")), "worker": worker(queue=local_ref("queue"))}
    system = System({"north": shard, "south": shard}).override({"north.name": "n"})
    with system.started() as live:
        assert live["north.worker"] == (["n"], 0)
        assert live["south.worker"] == (["q"], 0)
        assert live["north.worker"][0] is live["north.queue"]
        assert live["north.queue"] is not live["south.queue"]


def test_same_group_in_dependency_order() -> None:
    """Each copy of a group is started in its own order and stopped in the opposite one."""
    log: Log = []

    @component(stop=lambda it: log.append(f"-{it}"))
    def part(name: str, **needs: Any) -> str:
        log.append(f"+{name}")
        return name

    def group(name: str) -> dict[str, Any]:
        return {"b": part(name=f"{name}.b", a=local_ref("a")), "a": part(name=f"{name}.a")}

    with System({"x": group("x"), "y": group("y")}).started():
        pass
    for name in ("x", "y"):
        assert [entry for entry in log if entry[1] == name] == [f"+{name}.a", f"+{name}.b", f"-{name}.b", f"-{name}.a"]


def test_change_of_one_copy_leaves_the_others() -> None:
    """An override of one copy of a group does not reach the others."""
    shard = {"queue": queue(name="q"), "worker": worker(queue=local_ref("queue"))}
    system = System({"north": shard, "south": shard}).override(
        {"north.worker.config.number": 1, "north.queue": ["fake"]}
    )
    with system.started() as live:
        assert live["north.worker"] == (["fake"], 1)
        assert live["south.worker"] == (["q"], 0)


def test_function_that_gives_a_group() -> None:
    """A function with parameters gives groups that differ where they have to."""

    def shard(name: str, workers: int) -> dict[str, Any]:
        return {"queue": queue(name=name), **replicas(workers, worker(queue=local_ref("queue")), name="worker-{}")}

    system = System({"north": shard("n", 2), "south": shard("s", 1)})
    assert [str(id) for id in system] == [
        "north.queue", "north.worker-1", "north.worker-2", "south.queue", "south.worker-1",
    ]  # fmt: skip
    with system.started() as live:
        assert live["north.worker-2"] == (["n"], 0)
        assert live["south.worker-1"] == (["s"], 0)


def test_group_with_something_to_be_given() -> None:
    """A group may leave something open, which each copy is given; what is forgotten is named with its own id."""
    shard = {"name": required, "queue": queue(name=local_ref("name"))}
    system = System({"north": shard, "south": shard}).override({"north.name": "n"})
    assert [str(problem.id) for problem in system.check()] == ["south.name"]


# --- Replicas -----------------------------------------------------------------------------------------------------------


def test_replicas_of_a_definition() -> None:
    """Several components of one definition are named by their numbers, and each has an instance of its own."""
    made: dict[str, Any] = replicas(3, Component(list))
    assert list(made) == ["1", "2", "3"]
    with System({"jobs": made}).started() as live:
        assert len({id(live[Id("jobs", name)]) for name in made}) == 3


def test_replicas_by_a_function_of_their_number() -> None:
    """A function gets the number of each, from 1."""
    made = replicas(3, lambda number: worker(queue=ref("jobs.queue"), number=number), name="worker-{}")
    system = System({"jobs": {**made, "queue": queue(name="q")}})
    with system.started() as live:
        assert [live[f"jobs.worker-{number}"] for number in (1, 2, 3)] == [(["q"], 1), (["q"], 2), (["q"], 3)]


def test_replicas_of_constants() -> None:
    """A function may give anything that can stand in a group."""
    port: Any = (8080).__add__
    assert replicas(2, port, name="port{}") == {"port1": 8081, "port2": 8082}


def test_replicas_with_numbers_of_one_width() -> None:
    """The name is a format, so that numbers can be padded."""
    assert list(replicas(2, Component(list), name="w{:03}")) == ["w001", "w002"]


def test_no_replicas() -> None:
    """None are none."""
    assert replicas(0, Component(list)) == {}
    assert list(System({"jobs": replicas(0, Component(list))})) == []


def test_one_replica_may_have_any_name() -> None:
    """With one of them there is nothing to be told apart."""
    assert list(replicas(1, Component(list), name="worker")) == ["worker"]


def test_all_replicas_by_a_reference() -> None:
    """What needs all of them refers to their group, or to a tag that they carry."""
    pool = Component(lambda all_: len(all_), config={"all_": ref("workers")})
    by_tag = Component(lambda all_: len(all_), config={"all_": tagged("worker")})
    made: dict[str, Any] = replicas(3, Component(list, tags=["worker"]))
    with System({"workers": made, "app": {"pool": pool, "by_tag": by_tag}}).started() as live:
        assert (live["app.pool"], live["app.by_tag"]) == (3, 3)


def test_replicas_can_be_overridden_one_by_one() -> None:
    """Each of them is a component like any other."""
    system = System({"jobs": replicas(2, worker(queue=1))}).override({"jobs.2.config.number": 5})
    with system.started() as live:
        assert (live["jobs.1"], live["jobs.2"]) == ((1, 0), (1, 5))


@pytest.mark.parametrize("count", [-1, 1.0, True, "3", None])
def test_replicas_of_a_bad_count(count: Any) -> None:
    """What is no number of components is an error with its place."""
    with pytest.raises(BadArguments, match="replicas") as caught:
        replicas(count, Component(list))
    assert caught.value.problems[0].site is not None
    assert caught.value.problems[0].site.file == __file__


@pytest.mark.parametrize("name", ["worker", "", "{", "{}{}", "{x}", "{0.x}", 3, None, "{:z}"])
def test_replicas_with_bad_names(name: Any) -> None:
    """Names that are none, or all the same, are an error that says how to write them."""
    with pytest.raises(BadId, match=r"worker-\{\}"):
        replicas(2, Component(list), name=name)


@pytest.mark.parametrize("template", [worker, 3, None])
def test_replicas_of_what_is_no_definition(template: Any) -> None:
    """A component function that was not called, or what is no definition at all, is an error that says what to write."""
    with pytest.raises(BadArguments, match=r"Call it|Give the definition"):
        replicas(2, template)


def test_replicas_whose_function_gives_what_cannot_stand_there() -> None:
    """What the function gives is looked at where it comes into a system."""

    def template(number: int) -> Any:
        return worker

    with pytest.raises(DefinitionError):
        System({"jobs": replicas(2, template)})
