"""Mistakes that would otherwise do nothing, or something else, without a word."""

from __future__ import annotations

import functools
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainspring import (
    BadArguments,
    BadComponent,
    BadOverride,
    Component,
    Secret,
    Signal,
    StartError,
    StateError,
    System,
    build,
    component,
    ref,
)

PATIENCE = 30.0


def test_many_problems_are_found_in_time() -> None:
    """A thousand wrong references are all found; only the first ones come with guesses at what was meant."""
    system = System({
        "c": {f"n{i}": Component(dict, config={"x": ref("c", f"m{i}")}) for i in range(1000)},
    })  # fmt: skip
    problems = system.check()
    assert len(problems) == 1000
    assert problems[0].hint
    assert problems[-1].details["target"] == "c.m999"
    assert problems[-1].hint == ""


def test_restart_of_what_needs_something_suspended_is_refused_before_anything_stops() -> None:
    """A restart that could not start again what it stops says so, and stops nothing."""
    pause = component(dict, suspend=lambda instance: None)
    system = System({"g": {"a": pause(), "b": component(dict)(a=ref("g.a"))}})
    with system.started() as live:
        live.suspend("g.a")
        with pytest.raises(StateError, match=r"g\.a is suspended"):
            live.restart("g.b")
        assert live.state("g.b") == "running"


def test_a_selection_may_be_any_iterable() -> None:
    """A selection that can be gone through only once is gone through only once."""
    live = System({"g": {"a": Component(dict)}}).start([])
    live.restart(id for id in ["g.a"])
    assert live.state("g.a") == "running"


@pytest.mark.parametrize("after", ["defined", "stopped", "failed", "starting"])
def test_a_signal_cannot_make_the_system_forget_what_runs(after: str) -> None:
    """A row whose state afterwards would hide that there is something to stop is an error."""
    with pytest.raises(ValueError, match="after must be"):
        Signal("go", after=after)


def test_deadlines_for_signals_that_there_are_not_are_problems() -> None:
    """A misspelt signal in deadlines is a problem of the definition, of a component as of a system."""
    system = System({"a": {"b": Component(dict, deadlines={"strat": 1})}}, deadlines={"stpo": 2})
    whats = [problem.what for problem in system.check()]
    assert len(whats) == 2
    assert any("'strat'" in what for what in whats)
    assert any("'stpo'" in what for what in whats)


def hidden(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that hides what kind of function it decorates."""

    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def test_a_generator_that_nobody_runs_is_no_instance() -> None:
    """A generator function behind a decorator, or a coroutine out of a lambda, is an error and not an instance."""

    @hidden
    def pool() -> Iterator[int]:
        yield 1

    async def connect() -> int:
        return 1

    for start in (pool, lambda: connect()):
        with pytest.raises(StartError) as caught:
            System({"a": {"b": Component(start)}}).start()
        assert isinstance(caught.value.exceptions[0], BadComponent)
    with System({"a": {"b": Component(lambda: (i for i in range(3)))}}).started() as live:
        assert list(live["a.b"]) == [0, 1, 2]


@pytest.mark.parametrize("slot", ["schemas", "spot"])
def test_a_slot_that_does_nothing_is_refused(slot: str) -> None:
    """What is not there cannot be given, neither to `component` nor to `Component`."""
    slots: dict[str, Any] = {slot: 3}
    with pytest.raises(BadComponent, match=slot):
        component(dict, **slots)
    with pytest.raises(BadComponent, match=slot):
        Component(dict, **slots)


def test_a_reference_cannot_be_a_key() -> None:
    """A reference as a key of a dict would never be replaced, and is an error at once."""
    with pytest.raises(BadArguments, match="key"):
        Component(dict, config={"x": {ref("a.b"): 1}})


@pytest.mark.parametrize("method", ["on", "pre", "post"])
def test_a_handler_is_not_attached_without_naming_a_signal(method: str) -> None:
    """Forgetting the signal's name in a decorator is an error, and not a handler that is lost."""
    function = component(dict)

    def handler(instance: object) -> None:
        """A handler."""

    with pytest.raises(BadComponent, match="name of a signal"):
        getattr(function, method)(handler)


def test_a_parameter_may_be_called_self() -> None:
    """No name of a parameter is taken by the component function."""

    @component
    def start(self: int, config: int) -> int:
        return self + config

    with System({"a": {"b": start(self=1, config=2)}}).started() as live:  # type: ignore[misc, call-arg]
        assert live["a.b"] == 3


def test_a_failed_start_can_be_pickled() -> None:
    """An error goes from one process to another, without the live system."""
    with pytest.raises(StartError) as caught:
        System({"a": {"b": Component(int, config={"x": "no"})}}).override({"a.b.start": failing}).start()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.failures[0].id, copy.live) == (str(caught.value), ("a", "b"), None)


def failing(x: str) -> int:
    """Fail."""
    raise ValueError(x)


def test_what_is_known_to_be_secret_is_not_shown_in_an_instance_either() -> None:
    """The text of a description masks the values of secrets, also where an instance shows them."""
    keep = component(lambda password: {"password": password, "url": f"x://{password}@y"})
    system = System({
        "env": {"p": Secret("hunter2"), "dsn": build("postgres://{}".format, Secret("hunter2"))},
        "a": {"b": keep(password=ref("env.p")), "c": keep(password=ref("env.dsn"))},
    })  # fmt: skip
    with system.started() as live:
        assert live["a.b"]["password"] == "hunter2"
        assert "hunter2" not in f"{live.describe()} {live.describe().as_dict()}"


def test_a_stop_during_the_stop_half_of_a_restart_keeps_it_from_starting_again() -> None:
    """Who asks for a stop while a restart is stopping does not see it start once more."""
    stopping, go_on = threading.Event(), threading.Event()
    starts: list[int] = []

    def stop(instance: object) -> None:
        stopping.set()
        assert go_on.wait(PATIENCE)

    live = System({"a": {"b": Component(lambda: starts.append(1), stop)}}).start()
    failures: list[Exception] = []

    def restart() -> None:
        try:
            live.restart()
        except StartError as error:
            failures.append(error)

    first = threading.Thread(target=restart)
    first.start()
    assert stopping.wait(PATIENCE)
    second = threading.Thread(target=live.stop)
    second.start()
    while not (live._guard is not None and live._guard.stop_asked):
        second.join(0.001)
    go_on.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert starts == [1]
    assert len(failures) == 1
    assert live.state("a.b") == "stopped"


def test_exits_of_a_component_are_no_instances_of_success() -> None:
    """A component that raises SystemExit has failed to start: what was started before is stopped, and it comes out."""
    log: list[str] = []

    def leave(first: object) -> None:
        sys.exit(0)

    system = System({"a": {"x": Component(list, log.append), "y": Component(leave, config={"first": ref("a.x")})}})
    with pytest.raises(SystemExit):
        system.start()
    assert log == [[]]


def test_a_reference_cannot_become_part_of_a_text() -> None:
    """A reference in an f-string is an error that says what to write instead."""
    with pytest.raises(TypeError, match="build"):
        f"http://{ref('env.host')}"


def test_an_override_that_forgot_config_says_so() -> None:
    """A path that names a parameter where a slot stands is answered with the path that was meant."""
    system = System({"a": {"b": Component(int, config={"x": 1})}, "c": {"d": Component(open, config={"file": "x"})}})
    with pytest.raises(BadOverride, match=r"Did you mean c\.d\.config\.file\?"):
        system.override({"c.d.file": "y"})


def test_one_part_for_a_neighbour_is_answered_with_its_id() -> None:
    """A reference with one part names a group; where a component has that name, its id is offered."""
    system = System({"a": {"b": Component(int), "c": Component(list, config={"x": ref("b")})}})
    assert "Did you mean a.b?" in system.check()[0].hint
