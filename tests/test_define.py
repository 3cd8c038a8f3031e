"""Every way to write a component, and what is an error at once."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any

import pytest

from mainspring import (
    BadArguments,
    BadComponent,
    Component,
    Context,
    DefinitionError,
    Site,
    StartError,
    StopError,
    System,
    component,
    opaque,
    ref,
)

untyped_component: Any = Component
untyped: Any = component  # for calls that a type checker refuses, as it should


def line_here() -> int:
    """The line of the caller."""
    return sys._getframe(1).f_lineno


def instance_of(definition: Any) -> Any:
    """What a definition gives when it is started alone."""
    with System({"a": {"b": definition}}).started() as live:
        return live["a.b"]


# --- Generators ---------------------------------------------------------------------------------------------------------


def test_generator_yields_the_instance() -> None:
    """What a generator yields is the instance."""

    @component
    def greeting(name: str) -> Iterator[str]:
        yield f"Hello, {name}"

    assert instance_of(greeting(name="you")) == "Hello, you"


def test_generator_stops_after_its_yield() -> None:
    """What stands before the yield starts a component, what stands after it stops it."""
    log: list[str] = []

    @component
    def noisy() -> Iterator[None]:
        log.append("start")
        yield
        log.append("stop")

    with System({"a": {"b": noisy()}}).started():
        assert log == ["start"]
    assert log == ["start", "stop"]


def test_generator_leaves_its_with_block_at_stop() -> None:
    """A with block around the yield is open as long as the component runs."""
    log: list[str] = []

    @contextmanager
    def resource() -> Iterator[str]:
        log.append("enter")
        yield "resource"
        log.append("exit")

    @component
    def user() -> Iterator[str]:
        with resource() as it:
            yield it

    with System({"a": {"b": user()}}).started() as live:
        assert live["a.b"] == "resource"
        assert log == ["enter"]
    assert log == ["enter", "exit"]


def test_generator_is_run_anew_at_each_start() -> None:
    """A component that is a generator can be stopped and started again."""
    count: list[int] = []

    @component
    def counted() -> Iterator[int]:
        count.append(1)
        yield len(count)

    live = System({"a": {"b": counted()}}).start()
    live.stop()
    live.start()
    assert live["a.b"] == 2
    live.stop()


def test_generator_without_a_yield_fails_at_start() -> None:
    """A generator that ends without a yield has no instance, and that is a failed start."""

    @component
    def empty(skip: bool) -> Iterator[int]:
        if not skip:
            yield 1

    with pytest.raises(StartError) as caught:
        System({"a": {"b": empty(skip=True)}}).start()
    assert "without a yield" in str(caught.value.exceptions[0])
    assert "empty" in str(caught.value.exceptions[0])


def test_generator_with_two_yields_fails_at_stop() -> None:
    """A generator that yields a second time fails at stop, and is closed all the same."""
    log: list[str] = []

    @component
    def twice() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            log.append("closed")

    live = System({"a": {"b": twice()}}).start()
    with pytest.raises(StopError) as caught:
        live.stop()
    assert "second time" in str(caught.value.exceptions[0])
    assert log == ["closed"]


def test_scope_slot_takes_a_generator_function() -> None:
    """`Component(scope=...)` takes a generator function."""

    def scope(x: int) -> Iterator[int]:
        yield x + 1

    assert instance_of(Component(scope=scope, config={"x": 1})) == 2


def test_generator_function_as_start_is_a_scope() -> None:
    """A generator function given as start is the scope of the component."""

    def scope() -> Iterator[int]:
        yield 1

    definition: Any = Component(scope)
    assert definition.scope is scope
    assert definition.start is None
    assert instance_of(definition) == 1


def test_partial_of_a_generator_function_is_a_scope() -> None:
    """A generator function under `functools.partial` is still start and stop in one."""

    def scope(x: int, y: int) -> Iterator[int]:
        yield x + y

    assert instance_of(component(functools.partial(scope, 1))(y=2)) == 3


def test_bound_generator_method_is_a_scope() -> None:
    """A generator method of an object is start and stop in one."""

    class Factory:
        def scope(self, x: int) -> Iterator[int]:
            yield x * 2

    assert instance_of(component(Factory().scope)(x=4)) == 8


# --- Functions ----------------------------------------------------------------------------------------------------------


def test_function_with_a_stop_beside_it() -> None:
    """A function gives the instance, and the stop beside it gets the instance."""
    stopped: list[Any] = []

    def open_it(name: str) -> list[str]:
        return [name]

    opened = component(open_it, stop=stopped.append)
    with System({"a": {"b": opened(name="x")}}).started() as live:
        instance = live["a.b"]
    assert instance == ["x"]
    assert stopped == [instance]
    assert stopped[0] is instance


def test_function_without_a_stop() -> None:
    """A function alone makes a component that has nothing to stop."""

    @component
    def number() -> int:
        return 7

    live = System({"a": {"b": number()}}).start()
    assert live["a.b"] == 7
    live.stop()
    assert live.state("a.b") == "stopped"


def test_decorator_with_a_stop() -> None:
    """`@component(stop=...)` decorates a function."""
    stopped: list[int] = []

    @component(stop=stopped.append)
    def number(x: int) -> int:
        return x

    with System({"a": {"b": number(x=3)}}).started():
        assert stopped == []
    assert stopped == [3]


def test_decorator_with_other_slots() -> None:
    """`@component(...)` takes the other slots of a component too."""

    def status(_: int) -> str:
        return "good"

    @component(status=status, doc="A number.", tags=["numeric"], deadlines={"start": 5})
    def number() -> int:
        return 1

    definition = number()
    assert definition.doc == "A number."
    assert definition.tags == {"numeric"}
    assert definition.handlers == {"status": status}
    assert definition.deadlines == {"start": 5}


def test_partial_as_a_function() -> None:
    """A `functools.partial` is a function like another; what it fixed is not asked for."""

    def add(x: int, y: int) -> int:
        return x + y

    assert instance_of(component(functools.partial(add, 1))(y=2)) == 3
    assert instance_of(Component(functools.partial(add, y=5), config={"x": 1})) == 6


def test_bound_method_as_a_function() -> None:
    """A bound method is a function like another."""

    class Factory:
        def make(self, x: int) -> int:
            return x + 1

    assert instance_of(component(Factory().make)(x=1)) == 2


def test_callable_object_as_a_function() -> None:
    """An object that can be called is a function like another."""

    class Adder:
        def __call__(self, x: int, y: int = 1) -> int:
            return x + y

    assert instance_of(component(Adder())(x=1)) == 2


def test_lambda_as_a_function() -> None:
    """A lambda is a function like another."""
    assert instance_of(Component(lambda x: x * 2, config={"x": 4})) == 8


def test_callable_that_does_not_say_what_it_takes() -> None:
    """A callable of C without a signature takes any arguments by name."""
    with pytest.raises(ValueError):
        inspect.signature(dict)
    assert instance_of(untyped(dict)(a=1, b=2)) == {"a": 1, "b": 2}


def test_callable_that_does_not_say_what_it_takes_by_position() -> None:
    """Arguments by position cannot be named for a callable without a signature, and that is an error that says so."""
    with pytest.raises(BadArguments, match="by name"):
        untyped(dict)([("a", 1)])


def test_function_of_c_with_a_signature() -> None:
    """A function of C that says what it takes is checked like any other."""
    assert instance_of(untyped(divmod)(7, 2)) == (3, 1)
    with pytest.raises(BadArguments):
        untyped(divmod)(7)


# --- Parameters ---------------------------------------------------------------------------------------------------------


def test_positional_only_parameters() -> None:
    """Parameters that can be given by position only may be given by position, or by name in a config."""

    def pair(x: int, /, y: int) -> tuple[int, int]:
        return x, y

    assert instance_of(component(pair)(1, y=2)) == (1, 2)
    assert instance_of(Component(pair, config={"x": 1, "y": 2})) == (1, 2)


def test_star_args() -> None:
    """Further positional arguments reach a function with `*args`."""

    def collect(first: int, *rest: int, last: int = 0) -> tuple[int, tuple[int, ...], int]:
        return first, rest, last

    assert instance_of(component(collect)(1, 2, 3, last=4)) == (1, (2, 3), 4)
    assert instance_of(component(collect)(1)) == (1, (), 0)


def test_call_with_what_is_missing_and_what_is_unknown() -> None:
    """One sentence says both, with what was nearly meant."""

    def connect(size: int, dsn: str) -> None: ...

    with pytest.raises(BadArguments) as caught:
        component(connect)(siez=3, dsn="x")  # type: ignore[call-arg]
    (problem,) = caught.value.problems
    assert problem.what.endswith(
        "connect(...) is called without size, which it needs, and with siez, which it does not take."
    )
    assert "siez: did you mean size?" in problem.hint


def test_star_args_do_not_slip_into_other_parameters() -> None:
    """What a config gives for `*args` never becomes another parameter's value."""

    def collect(first: int = 1, *rest: int) -> tuple[int, tuple[int, ...]]:
        return first, rest

    assert instance_of(Component(collect, config={"rest": [2, 3]})) == (1, (2, 3))


def test_star_star_kwargs() -> None:
    """A function with `**kwargs` takes any name."""

    def collect(x: int, **more: int) -> tuple[int, dict[str, int]]:
        return x, more

    assert instance_of(component(collect)(1, y=2, z=3)) == (1, {"y": 2, "z": 3})


def test_star_star_kwargs_may_hold_references() -> None:
    """References among further named arguments are resolved."""

    def collect(**more: Any) -> dict[str, Any]:
        return more

    with System({"env": {"x": 1}, "a": {"b": component(collect)(y=ref("env.x"))}}).started() as live:
        assert live["a.b"] == {"y": 1}


def test_defaults_are_left_to_the_function() -> None:
    """An argument that is not given is not part of the config; the function's own default counts."""

    @component
    def size(x: int = 10) -> int:
        return x

    assert size().config == {}
    assert instance_of(size()) == 10


def test_context_is_no_argument() -> None:
    """A parameter whose default is `Context.here` cannot be given."""

    def start(x: int, ctx: Context = Context.here) -> int:
        return x

    function = component(start)
    with pytest.raises(BadArguments):
        function(x=1, ctx=3)  # type: ignore[arg-type]
    with pytest.raises(BadArguments):
        function(1, 2)  # type: ignore[arg-type]


def test_context_is_no_argument_of_a_function_with_kwargs_either() -> None:
    """A parameter whose default is `Context.here` cannot be given by position where any name is taken."""

    def start(x: int, ctx: Context = Context.here, **more: Any) -> int:
        return x

    with pytest.raises(BadArguments):
        component(start)(1, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slots", "place"),
    [
        ({"stop": lambda ctx=Context.here: None}, "stop"),
        ({"status": lambda ctx=Context.here: None}, "handlers.status"),
        ({"suspend": lambda *, ctx=Context.here: None}, "handlers.suspend"),
        ({"resolve": lambda ctx=Context.here: None}, "resolve"),
        ({"pre": {"start": lambda ctx=Context.here: None}}, "pre.start.handler"),
        ({"post": {"stop": {"x": lambda ctx=Context.here: None}}}, "post.stop.x"),
    ],
)
def test_handler_that_takes_the_context_alone(slots: dict[str, Any], place: str) -> None:
    """A handler gets the instance first: one that has a place for the context only is found before the start."""
    for system in (
        System({"a": {"x": Component(dict, **slots)}}),
        System({"a": {"x": Component(dict, **slots)}}).wrap(bare),
    ):
        (problem,) = system.check()
        assert ".".join(map(str, problem.path)) == place
        assert problem.what.endswith("and a handler is called with the instance alone.")
        assert "ctx: Context = Context.here" in problem.hint


def test_handler_that_takes_the_instance_and_the_context() -> None:
    """The context comes by its name, wherever it stands among the parameters."""
    several: dict[str, Any] = {
        "stop": lambda it, ctx=Context.here: None,
        "status": lambda *its, ctx=Context.here: str(ctx.id),
        "resolve": lambda it, *, ctx=Context.here: it,
        "pre": {"start": lambda it=0, ctx=Context.here: None},
    }
    with System({"a": {"x": Component(dict, **several)}}).wrap(bare).started() as live:
        assert live.status() == {("a", "x"): "a.x"}


def bare(call: Any) -> Any:
    """A wrapper that changes nothing."""
    return (yield)


# --- Classes ------------------------------------------------------------------------------------------------------------


class Server:
    """A class with start, stop and status of its own."""

    def __init__(self, port: int, log: list[str]) -> None:
        self.port, self.log = port, log

    def start(self) -> str:
        """Start listening."""
        self.log.append("start")
        return "what start returns"

    def stop(self) -> str:
        """Stop listening."""
        self.log.append("stop")
        return "what stop returns"

    def status(self) -> str:
        """How it is doing."""
        return f"listening on {self.port}"


def test_class_with_start_and_stop() -> None:
    """Of a class the instance is the object, and its start and stop methods are the handlers."""
    log: list[str] = []
    server = component(Server)
    with System({"a": {"b": server(port=80, log=opaque(log))}}).started() as live:
        assert isinstance(live["a.b"], Server)
        assert live["a.b"].port == 80
        assert log == ["start"]
    assert log == ["start", "stop"]


def test_class_inherits_start_and_stop() -> None:
    """Start and stop methods of a base class are handlers too."""
    log: list[str] = []

    class Special(Server):
        pass

    with System({"a": {"b": component(Special)(80, opaque(log))}}).started() as live:
        assert type(live["a.b"]) is Special
    assert log == ["start", "stop"]


def test_class_without_start_and_stop() -> None:
    """A class without start and stop methods makes a component all the same."""

    class Plain:
        def __init__(self, x: int) -> None:
            self.x = x

    assert instance_of(component(Plain)(x=1)).x == 1


def test_class_with_stop_only() -> None:
    """A class may have a stop without a start."""
    log: list[str] = []

    class Plain:
        def stop(self) -> None:
            log.append("stop")

    with System({"a": {"b": component(Plain)()}}).started():
        assert log == []
    assert log == ["stop"]


def test_class_with_static_and_class_methods() -> None:
    """Start and stop may be static methods or class methods: they are called as the object's own."""
    log: list[str] = []

    class Static:
        @staticmethod
        def start() -> None:
            log.append("start static")

        @staticmethod
        def stop() -> None:
            log.append("stop static")

    class OfClass:
        @classmethod
        def start(cls) -> None:
            log.append("start class")

        @classmethod
        def stop(cls) -> None:
            log.append("stop class")

    with System({"a": {"x": component(Static)(), "y": component(OfClass)()}}).started():
        pass
    assert log == ["start static", "start class", "stop class", "stop static"]


def test_class_with_a_stop_beside_it() -> None:
    """A stop given beside a class counts instead of its own."""
    log: list[str] = []
    server = component(Server, stop=lambda it: log.append(f"other stop of {it.port}"))
    with System({"a": {"b": server(80, opaque(log))}}).started():
        pass
    assert log == ["start", "other stop of 80"]


def test_class_whose_start_fails_is_not_stopped() -> None:
    """An object whose start method fails never became an instance, and its stop is not called."""
    log: list[str] = []

    class Broken:
        def start(self) -> None:
            raise ValueError("no")

        def stop(self) -> None:
            log.append("stop")

    with pytest.raises(StartError):
        System({"a": {"b": component(Broken)()}}).start()
    assert log == []


def test_handlers_can_be_attached_to_a_class_that_has_methods_of_their_names() -> None:
    """`@server.status` attaches a handler, whatever methods the class has."""
    server = component(Server)

    @server.status
    def _(it: Server) -> str:
        return it.status()

    with System({"a": {"b": server(port=80, log=[])}}).started() as live:
        assert live.status() == {("a", "b"): "listening on 80"}


# --- Context managers ---------------------------------------------------------------------------------------------------


class Manager:
    """A context manager that notes how it is left."""

    def __init__(self, x: int) -> None:
        self.x = x
        self.left: tuple[Any, ...] | None = None

    def __enter__(self) -> list[Manager]:
        return [self]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.left = (kind, error, trace)


def test_context_manager_on_request() -> None:
    """With `enter=True` the instance is what entering gives, and stop leaves the context manager without an exception."""
    with System({"a": {"b": component(Manager, enter=True)(x=1)}}).started() as live:
        [manager] = live["a.b"]
        assert manager.x == 1
        assert manager.left is None
    assert manager.left == (None, None, None)


def test_context_manager_is_never_guessed() -> None:
    """A class that is a context manager is not entered unless that is asked for."""
    live = System({"a": {"b": component(Manager)(x=1)}}).start()
    manager = live["a.b"]
    assert isinstance(manager, Manager)
    live.stop()
    assert manager.left is None


def test_function_that_gives_a_context_manager() -> None:
    """With `enter=True` a function may give the context manager."""
    log: list[str] = []

    @component(enter=True)
    @contextmanager
    def resource(x: int) -> Iterator[int]:
        log.append("enter")
        yield x
        log.append("exit")

    with System({"a": {"b": resource(x=3)}}).started() as live:
        assert live["a.b"] == 3
        assert log == ["enter"]
    assert log == ["enter", "exit"]


def test_context_manager_in_the_scope_slot() -> None:
    """`Component(scope=...)` takes a callable that gives a context manager."""
    with System({"a": {"b": Component(scope=Manager, config={"x": 1})}}).started() as live:
        [manager] = live["a.b"]
    assert manager.left == (None, None, None)


def test_context_manager_whose_enter_fails_is_not_left() -> None:
    """Where entering fails there is nothing to leave."""
    log: list[str] = []

    class Broken(Manager):
        def __enter__(self) -> list[Manager]:
            raise ValueError("no")

        def __exit__(self, *args: object) -> None:
            log.append("exit")

    with pytest.raises(StartError):
        System({"a": {"b": component(Broken, enter=True)(1)}}).start()
    assert log == []


def test_entering_what_is_no_context_manager() -> None:
    """`enter=True` on what gives no context manager is a failed start that says what to do."""
    with pytest.raises(StartError) as caught:
        System({"a": {"b": untyped(dict, enter=True)()}}).start()
    text = str(caught.value.exceptions[0])
    assert "no context manager" in text
    assert "enter=True" in text


def test_thread_pool_both_ways() -> None:
    """A thread pool is a component by its constructor and shutdown, and as a context manager."""
    by_slots: Any = Component(start=ThreadPoolExecutor, stop=ThreadPoolExecutor.shutdown, config={"max_workers": 1})
    entered = component(ThreadPoolExecutor, enter=True)(max_workers=1)
    with System({"a": {"slots": by_slots, "entered": entered}}).started() as live:
        pools = [live.get("a.slots", ThreadPoolExecutor), live.get("a.entered", ThreadPoolExecutor)]
        assert [pool.submit(pow, 2, 3).result(10) for pool in pools] == [8, 8]
    for pool in pools:
        with pytest.raises(RuntimeError):
            pool.submit(pow, 2, 3)


# --- A value as start ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [42, "text", None, False, (1, 2)])
def test_value_as_start(value: Any) -> None:
    """A start that cannot be called is the instance itself."""
    assert instance_of(Component(value)) == value


def test_value_as_start_has_handlers() -> None:
    """A component whose start is a value can have any other handler."""
    stopped: list[int] = []
    definition: Any = Component(42, stop=stopped.append, status=lambda it: it + 1)
    with System({"a": {"b": definition}}).started() as live:
        assert live.status() == {("a", "b"): 43}
    assert stopped == [42]


def test_value_as_start_is_fresh_each_time() -> None:
    """A container as start is copied in, and handed out fresh at each start."""
    value = [1]
    live = System({"a": {"b": Component(value)}}).start()
    value.append(2)
    live["a.b"].append(3)
    assert live["a.b"] == [1, 3]
    live.restart()
    assert live["a.b"] == [1]
    live.stop()


def test_value_as_start_holds_no_references() -> None:
    """References in a start that is a value are an error that says to use a constant."""
    with pytest.raises(BadComponent, match="constant"):
        Component([ref("env.x")])


def test_value_as_start_takes_no_config() -> None:
    """A config beside a start that is a value is a problem."""
    problems = System({"a": {"b": Component(42, config={"x": 1})}}).check()
    assert [problem.error for problem in problems] == [BadArguments]


# --- Further handlers ---------------------------------------------------------------------------------------------------


def test_attached_handlers_get_the_instance() -> None:
    """Handlers attached to a component function get the instance."""

    @component
    def number() -> int:
        return 7

    calls: list[str] = []

    @number.status
    def status(it: int) -> str:
        return f"status {it}"

    @number.suspend
    def suspend(it: int) -> None:
        calls.append(f"suspend {it}")

    @number.resume
    def resume(it: int) -> None:
        calls.append(f"resume {it}")

    with System({"a": {"b": number()}}).started() as live:
        live.suspend()
        live.resume()
        assert live.status() == {("a", "b"): "status 7"}
    assert calls == ["suspend 7", "resume 7"]


def test_attaching_gives_the_handler_back() -> None:
    """Each decorator that attaches a handler gives the function back unchanged."""

    @component
    def number() -> int:
        return 7

    def handler(it: Any) -> None: ...

    decorators: list[Callable[[Any], Any]] = [
        number.status, number.suspend, number.resume, number.resolve, number.on("x"), number.pre("start"),
        number.post("stop", name="y"),
    ]  # fmt: skip
    assert [decorator(handler) is handler for decorator in decorators] == [True] * 7


def test_resolve_is_what_others_see() -> None:
    """Others see what resolve makes of the instance; the component's own handlers get the instance."""
    seen: list[Any] = []

    @component(stop=seen.append)
    def number() -> int:
        return 7

    @number.resolve
    def _(it: int) -> str:
        return f"seven ({it})"

    @number.status
    def _(it: int) -> int:
        return it

    user: Any = Component(lambda x: x, config={"x": ref("a.b")})
    with System({"a": {"b": number(), "user": user}}).started() as live:
        assert live["a.b"] == "seven (7)"
        assert live["a.user"] == "seven (7)"
        assert live["a"] == {"b": "seven (7)", "user": "seven (7)"}
        assert live.status() == {("a", "b"): 7}
    assert seen == [7]


def test_pre_and_post_handlers_are_attached_by_name() -> None:
    """Pre and post handlers are known by the name given, or else by the function's own."""

    @component
    def number() -> int:
        return 7

    @number.pre("start")
    def announce(_: None) -> None: ...

    @number.pre("start", name="second")
    def _(_: None) -> None: ...

    @number.post("stop")
    def tidy(_: int) -> None: ...

    definition = number()
    assert list(definition.pre["start"]) == ["announce", "second"]
    assert definition.post == {"stop": {"tidy": tidy}}


def test_later_pre_handler_of_one_name_counts() -> None:
    """Of two pre handlers with one given name the later counts, in the place of the earlier."""
    log: list[str] = []

    @component
    def number() -> int:
        return 7

    number.pre("start", name="one")(lambda _: log.append("first"))
    number.pre("start", name="two")(lambda _: log.append("second"))
    number.pre("start", name="one")(lambda _: log.append("third"))
    instance_of(number())
    assert log == ["third", "second"]


def test_pre_handlers_without_a_name_are_kept_apart() -> None:
    """Several pre handlers that are all called `_` are all called."""
    log: list[str] = []

    @component
    def number() -> int:
        return 7

    @number.pre("start")
    def _(_: None) -> None:
        log.append("first")

    @number.pre("start")
    def _(_: None) -> None:
        log.append("second")

    instance_of(number())
    assert log == ["first", "second"]


def test_pre_and_post_slots_take_one_several_or_named() -> None:
    """The pre and post slots take a handler, several handlers, or handlers by name."""
    log: list[str] = []

    def first(_: Any) -> None:
        log.append("first")

    def second(_: Any) -> None:
        log.append("second")

    one: Any = Component(dict, pre={"start": first})
    several: Any = Component(dict, pre={"start": [first, second]})
    by_name: Any = Component(dict, post={"start": {"x": second, "y": first}})
    assert [list(one.pre["start"]), list(several.pre["start"]), list(by_name.post["start"])] == [
        ["first"],
        ["first", "second"],
        ["x", "y"],
    ]
    for definition in (one, several, by_name):
        instance_of(definition)
    assert log == ["first", "first", "second", "second", "first"]


def test_first_call_freezes_a_component_function() -> None:
    """A handler attached after the first call is an error that names its file and line."""

    @component
    def number() -> int:
        return 7

    number()
    line = line_here() + 2

    def status(it: int) -> int:
        return it

    with pytest.raises(BadComponent) as caught:
        number.status(status)
    [problem] = caught.value.problems
    assert "after it was called" in problem.what
    assert problem.site == Site(__file__, line)


@pytest.mark.parametrize("attach", ["suspend", "resume", "resolve", "on", "pre", "post"])
def test_first_call_freezes_every_slot(attach: str) -> None:
    """No handler of any kind can be attached after the first call."""

    @component
    def number() -> int:
        return 7

    number()
    method = getattr(number, attach)
    with pytest.raises(BadComponent):
        (method("start") if attach in ("on", "pre", "post") else method)(lambda it: it)


def test_second_handler_for_one_signal() -> None:
    """A second handler for the same signal is an error."""

    @component
    def number() -> int:
        return 7

    number.status(lambda it: it)
    with pytest.raises(BadComponent, match="already"):
        number.status(lambda it: it)


@pytest.mark.parametrize("signal", ["start", "stop"])
def test_start_and_stop_cannot_be_attached(signal: str) -> None:
    """Start and stop are what a component function was made from, and cannot be attached."""

    @component
    def number() -> int:
        return 7

    with pytest.raises(BadComponent):
        number.on(signal)(lambda it: it)


def test_component_functions_of_one_function_are_apart() -> None:
    """Handlers attached to one component function are not those of another that was made from the same function."""

    def number() -> int:
        return 7

    one, other = component(number), component(number)
    one.status(lambda it: it)
    assert one().handlers.keys() == {"status"}
    assert other().handlers == {}


# --- Wrong arguments ----------------------------------------------------------------------------------------------------


@component
def pool(dsn: str, *, max_size: int = 10) -> Iterator[str]:
    """A pool of connections."""
    yield f"{dsn} {max_size}"


def test_missing_argument_is_an_error_at_the_call() -> None:
    """A missing argument is an error at the call, with file and line of the caller."""
    line = line_here() + 2
    with pytest.raises(BadArguments) as caught:
        pool(max_size=3)  # type: ignore[call-arg]
    [problem] = caught.value.problems
    assert problem.site == Site(__file__, line)
    assert problem.details["missing"] == ["dsn"]
    assert "dsn" in problem.what
    assert "pool(dsn, max_size=...)" in problem.hint


def test_unknown_argument_is_an_error_with_near_misses() -> None:
    """An unknown argument is an error at the call that names the nearest parameter."""
    line = line_here() + 2
    with pytest.raises(BadArguments) as caught:
        pool(dsn="x", maxsize=3)  # type: ignore[call-arg]
    [problem] = caught.value.problems
    assert problem.site == Site(__file__, line)
    assert problem.details["unknown"] == ["maxsize"]
    assert "did you mean max_size?" in str(caught.value)


def test_missing_and_unknown_are_said_at_once() -> None:
    """One error says what is missing and what is unknown."""
    with pytest.raises(BadArguments) as caught:
        pool(dns="x")  # type: ignore[call-arg]
    [problem] = caught.value.problems
    assert (problem.details["missing"], problem.details["unknown"]) == (["dsn"], ["dns"])
    assert "did you mean dsn?" in problem.hint


def test_too_many_positional_arguments() -> None:
    """Too many arguments by position are an error at the call."""
    with pytest.raises(BadArguments) as caught:
        pool("x", 3)  # type: ignore[call-arg]
    assert "positional" in str(caught.value)


def test_argument_given_twice() -> None:
    """An argument given by position and by name is an error at the call."""
    with pytest.raises(BadArguments):
        pool("x", dsn="y")  # type: ignore[misc]


def test_wrong_arguments_are_a_type_error_too() -> None:
    """`BadArguments` is a `DefinitionError` and a `TypeError`."""
    with pytest.raises(TypeError):
        pool()  # type: ignore[call-arg]
    with pytest.raises(DefinitionError):
        pool()  # type: ignore[call-arg]


def test_wrong_arguments_of_a_class() -> None:
    """A class is asked for the arguments of its constructor."""
    with pytest.raises(BadArguments, match="log"):
        component(Server)(port=80)  # type: ignore[call-arg]


def test_config_of_a_component_is_checked() -> None:
    """What a config lacks or has too much is found before anything starts, with near misses and the line of the component."""

    def start(dsn: str, max_size: int = 10) -> str:
        return dsn

    line = line_here() + 1
    system = System({"db": {"pool": Component(start, config={"maxsize": 3})}})
    problems = system.check()
    assert [(p.error, str(p.id), p.path, p.site) for p in problems] == [
        (BadArguments, "db.pool", ("config", "dsn"), Site(__file__, line)),
        (BadArguments, "db.pool", ("config", "maxsize"), Site(__file__, line)),
    ]
    assert "Did you mean max_size?" in problems[1].hint


def test_config_is_a_mapping() -> None:
    """A config that is no mapping is an error at once."""
    with pytest.raises(BadArguments):
        untyped_component(dict, config=[1])


def test_names_in_a_config_are_text() -> None:
    """A config with a key that is not text is an error at once."""
    with pytest.raises(BadArguments):
        untyped_component(dict, config={1: ref("a.b")})


# --- The function stays reachable ---------------------------------------------------------------------------------------


def test_undecorated_function_stays_reachable() -> None:
    """`.function` is the very function that was decorated, so that the code can be kept without Mainspring."""

    def number(x: int) -> int:
        return x

    assert component(number).function is number
    assert component(number, stop=print).function(3) == 3
    assert component(Server).function is Server


def test_component_function_looks_like_its_function() -> None:
    """A component function has the name, docstring, module and signature of what it was made from."""
    assert pool.__name__ == "pool"
    assert pool.__doc__ == "A pool of connections."
    assert pool.__module__ == __name__
    assert list(inspect.signature(pool).parameters) == ["dsn", "max_size"]


def test_doc_of_a_component_is_the_docstring() -> None:
    """A definition's doc is the docstring of what starts it, unless one is given."""
    assert pool(dsn="x").doc == "A pool of connections."
    assert component(pool.function, doc="Other.")(dsn="x").doc == "Other."
    assert component(Server)(port=1, log=[]).doc == "A class with start, stop and status of its own."
    assert Component(Server, config={"port": 1, "log": []}).doc == "A class with start, stop and status of its own."


def test_target_without_a_docstring_has_no_doc() -> None:
    """A target without a docstring of its own gives definitions without a doc, not with that of its type."""
    assert component(lambda: 1)().doc is None
    assert component(functools.partial(lambda x: x, 1))().doc is None


# --- What a definition cannot hold --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [lambda x: x, lambda x: [1, x], lambda x: {"k": (x,)}],
    ids=["itself", "in a list", "in a tuple in a dict"],
)
def test_definition_inside_an_argument(wrap: Callable[[Any], Any]) -> None:
    """A definition inside an argument, at any depth, is an error that says to give it a name."""
    with pytest.raises(BadArguments) as caught:
        pool(dsn=wrap(Component(dict)))
    assert "Give it a name" in str(caught.value)
    assert "dsn" in str(caught.value)


def test_definition_inside_a_config() -> None:
    """A definition inside the config of a `Component` is an error that says to give it a name."""
    with pytest.raises(BadArguments, match="Give it a name"):
        Component(dict, config={"x": {"y": Component(dict)}})


def test_definition_inside_a_constant() -> None:
    """A definition inside a constant is an error that says to give it a name."""
    with pytest.raises(BadArguments) as caught:
        System({"env": {"parts": {"pool": Component(dict)}}})
    assert "Give it a name" in str(caught.value)
    assert "env.parts" in str(caught.value)


def test_component_function_that_was_not_called_in_a_group() -> None:
    """A component function in a group that was not called is an error that says to call it."""
    with pytest.raises(BadComponent) as caught:
        System({"db": {"pool": pool}})
    assert "db.pool" in str(caught.value)
    assert "Call it" in str(caught.value)


def test_component_function_that_was_not_called_in_an_argument() -> None:
    """A component function as an argument that was not called is an error that says what to do."""
    with pytest.raises(BadArguments, match="not called"):
        Component(dict, config={"x": [pool]})


def test_component_function_may_be_handed_on() -> None:
    """`opaque` hands on a component function itself."""
    assert instance_of(Component(dict, config={"x": opaque(pool)})) == {"x": pool}


def test_context_here_as_an_argument() -> None:
    """`Context.here` given as an argument is an error."""
    with pytest.raises(BadArguments):
        Component(dict, config={"x": Context.here})


def test_data_that_contains_itself() -> None:
    """Data that contains itself is an error, not an endless loop."""
    data: list[Any] = []
    data.append(data)
    with pytest.raises(BadArguments, match="contains itself"):
        Component(dict, config={"x": data})


# --- Slots that do not fit together -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "slots",
    [
        {"scope": pool.function, "start": dict},
        {"scope": pool.function, "stop": print},
        {"start": pool.function, "stop": print},
        {},
        {"scope": 3},
        {"start": dict, "stop": 3},
        {"start": dict, "status": "x"},
        {"start": dict, "pre": {"start": {"x": 3}}},
        {"start": dict, "resolve": 3},
        {"start": dict, "enabled": "yes"},
    ],
    ids=lambda slots: " and ".join(slots) or "nothing",
)
def test_slots_that_do_not_fit_together(slots: dict[str, Any]) -> None:
    """Slots that do not fit together are an error at once."""
    with pytest.raises(BadComponent):
        Component(**slots)


def test_generator_with_a_stop_beside_it() -> None:
    """A generator function with a stop beside it is an error at once."""
    with pytest.raises(BadComponent):
        untyped(pool.function, stop=print)


def test_context_manager_with_a_stop_beside_it() -> None:
    """A context manager that is to be entered with a stop beside it is an error at once."""
    with pytest.raises(BadComponent):
        untyped(Manager, enter=True, stop=print)


def test_component_of_a_component_function() -> None:
    """Making a component function a component again is an error."""
    with pytest.raises(BadComponent):
        component(pool)


def test_component_of_a_value() -> None:
    """What cannot be called makes no component function, and the error says that it can be a constant."""
    with pytest.raises(BadComponent, match="constant"):
        untyped(42)


def test_handler_for_a_signal_that_is_not_in_the_table() -> None:
    """A handler for a signal that the system does not have is a problem with near misses."""
    [problem] = System({"a": {"b": Component(dict, handlers={"statsu": print})}}).check()
    assert problem.error is BadComponent
    assert str(problem.id) == "a.b"
    assert "status" in problem.hint


@pytest.mark.parametrize("slot", ["start", "stop"])
def test_start_and_stop_are_no_further_handlers(slot: str) -> None:
    """Start and stop have slots of their own, and cannot stand among the further handlers."""
    [problem] = System({"a": {"b": Component(dict, handlers={slot: print})}}).check()
    assert (problem.error, problem.path) == (BadComponent, ("handlers", slot))


def test_slot_that_there_is_not() -> None:
    """A slot that a component does not have is an error with near misses, for `component` as for `replace`."""
    with pytest.raises((BadComponent, TypeError), match="status"):
        untyped(dict, statsu=print)
    with pytest.raises((BadComponent, TypeError), match="status"):
        untyped(statsu=print)


@pytest.mark.parametrize("method", ["on", "pre", "post"])
def test_decorator_for_a_signal_without_its_name(method: str) -> None:
    """`@number.on` without the name of a signal is an error at once, instead of losing the handler."""

    @component
    def number() -> int:
        return 7

    with pytest.raises(BadComponent, match=method):
        getattr(number, method)(lambda it: it)


def test_generator_that_is_hidden_is_not_taken_for_an_instance() -> None:
    """A function that gives a generator of which nothing has been run is a failed start that says what to do."""

    def scope() -> Iterator[int]:
        yield 1

    with pytest.raises(StartError) as caught:
        System({"a": {"b": Component(lambda: scope())}}).start()
    assert "scope=" in str(caught.value.exceptions[0])


def test_generator_expression_may_be_an_instance() -> None:
    """A generator expression is an instance like any other."""
    assert list(instance_of(Component(lambda: (x for x in "ab")))) == ["a", "b"]


def test_replace_gives_another_definition() -> None:
    """`replace` gives a definition with some slots anew and leaves the first as it was."""
    first: Any = Component(dict, config={"x": 1})
    second = first.replace(config={"y": 2}, stop=print)
    assert (first.config, first.stop) == ({"x": 1}, None)
    assert (second.config, second.stop) == ({"y": 2}, print)
    with pytest.raises(TypeError, match="stop"):
        first.replace(stpo=print)


# --- Async components ---------------------------------------------------------------------------------------------------


async def a_function() -> int:
    """A coroutine function."""
    return 1


async def a_generator() -> AsyncIterator[int]:
    """An async generator function."""
    yield 1


async def a_handler(it: Any) -> None:
    """A handler that is a coroutine function."""


class AsyncServer:
    """A class whose start and stop are coroutine functions."""

    async def start(self) -> None:
        """Start."""

    async def stop(self) -> None:
        """Stop."""


class AsyncStop:
    """A class whose stop alone is a coroutine function."""

    async def stop(self) -> None:
        """Stop."""


class AsyncManager:
    """An async context manager."""

    async def __aenter__(self) -> int:
        return 1

    async def __aexit__(self, *args: object) -> None:
        pass


class AsyncCall:
    """An object whose call is a coroutine function."""

    async def __call__(self) -> int:
        """Give the instance."""
        return 1


@asynccontextmanager
async def a_manager() -> AsyncIterator[int]:
    """A function that gives an async context manager."""
    yield 1


@pytest.mark.parametrize(
    "definition",
    [
        component(a_function)(),
        component(a_generator)(),
        component(AsyncServer)(),
        component(AsyncStop)(),
        component(AsyncManager, enter=True)(),
        component(a_manager, enter=True)(),
        component(AsyncCall())(),
        component(functools.partial(a_function))(),
        Component(dict, stop=a_handler),
        Component(dict, status=a_handler),
        Component(dict, post={"start": a_handler}),
    ],
    ids=[
        "function", "generator", "class", "class with stop", "manager", "manager function", "callable", "partial", "stop",
        "status", "post",
    ],
)  # fmt: skip
def test_async_component_is_defined_like_any_other(definition: Any) -> None:
    """An async component is defined, checked, planned and drawn like any other, and starts and stops in its place."""
    started = threading.Event()
    system = System({"a": {"first": Component(started.set), "async": definition}})
    assert system.check() == []
    assert [str(step.id) for step in system.plan("start")] == ["a.first", "a.async"]
    assert "async" in system.graph().mermaid()
    with system.started() as live:
        assert started.is_set()
        assert live.state("a.async") == "running"
    assert live.state("a.async") == "stopped"


def test_async_component_that_is_off_is_not_started() -> None:
    """An async component that is switched off is not started, and the rest is."""
    system = System({"a": {"x": 1, "b": component(a_function, enabled=False)()}})
    with system.started() as live:
        assert live["a.x"] == 1
        assert live.state("a.b") == "defined"
