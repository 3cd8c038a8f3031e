"""Wrappers: a function around the calls of handlers, whichever form the one and the other have.

What is done around one call is a script, a generator that asks for one act after the other; two short loops carry it out, one in
a thread and one in a task. So no rule is written twice. The engine sees ordinary handlers: of the same kind as the bare ones,
with a parameter for the context beside their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import suppress
from functools import partial, update_wrapper
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final, Protocol

from .. import _text
from .._core.callables import Context, Handler, Id, is_async, signature_of
from .._core.graph import Graph, graph_of, selected
from .._core.inline import Handle
from .._core.model import ABSENT, ConstructedAsync, Definition, Spec, parse_path
from .._core.refs import Secret, name_of
from .._core.select import Selection, listed
from ..errors import BadComponent, BadId, Problem, StateError, UnknownComponent
from .handlers import GENERATOR, Awaited, BadScope, GivenUp, Shape, Unrun, _end_async, context_of, shape_of, unwind

Outcome = tuple[BaseException | None, Any]  # what was raised, or else what was returned
Act = Callable[[], Any] | float  # something to be called, or seconds to be waited
Script = Generator[Act, Any, Outcome]

_HIDDEN: Final = "_mainspring_context"  # takes the context where the handler itself does not ask for it
_KEPT: Final = 32  # wrapped versions of one spec that are remembered

PLAIN: Final = "a function"
STEPS: Final = "a generator function"
COROUTINE: Final = "a coroutine function"


def _hidden(value: Any, shown: Any) -> set[str]:
    """The texts of what stands in a value and is masked in what may be shown of it."""
    if isinstance(shown, Secret) or hasattr(value, "get_secret_value"):
        return _text.secret_texts(value)
    if isinstance(value, Mapping) and isinstance(shown, Mapping):
        return set().union(*(_hidden(one, shown[key]) for key, one in value.items() if key in shown))
    if isinstance(value, list | tuple) and isinstance(shown, list | tuple) and len(value) == len(shown):
        return set().union(*map(_hidden, value, shown))
    return set()


class HandlerCall:
    """One call of a handler, as a wrapper sees it. To call it runs the handler.

    Where the handler is async, or the wrapper is a coroutine function, calling it gives something to be awaited.

    Parameters:
        attempts: how often the handler was run in this call so far.

    Example:
        >>> from mainspring import Component, System
        >>> def told(call):
        ...     print(call.handler, "of", call.id)
        ...     return call()
        >>> with System({"a": {"b": Component(dict)}}).wrap(told).started() as live:
        ...     live["a.b"]
        start of a.b
        {}
    """

    __slots__ = (
        "_act",
        "_closes",
        "_context",
        "_is_over",
        "_made",
        "_once",
        "_spec",
        "_undo",
        "_wrapping",
        "attempts",
        "is_async",
    )

    attempts: int
    is_async: bool
    """Whether the handler is awaited."""

    def __init__(
        self,
        wrapping: Wrapping,
        spec: Spec,
        context: Context,
        act: Callable[[], Any],
        *,
        is_async: bool,
        undo: Callable[[Any], Any] | None = None,
        closes: bool = False,
        once: bool = False,
    ) -> None:
        self._wrapping, self._spec, self._context, self._act = wrapping, spec, context, act
        self.is_async = is_async or wrapping.form == COROUTINE
        self._undo = undo  # takes back what a start made
        self._closes = closes  # whether it stops the component
        self._once = once
        self._made: Any = ABSENT  # what there is to take back
        self._is_over = False
        self.attempts = 0

    @property
    def id(self) -> Id:
        """The component."""
        return self._context.id

    @property
    def signal(self) -> str:
        """The signal that is being sent."""
        return self._context.signal

    @property
    def handler(self) -> str:
        """Which handler this is: the signal's name, or for example "pre start: announce"."""
        return self._context.handler

    @property
    def instance(self) -> Any:
        """The component's instance; `None` before it has one."""
        return self._context.instance

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved config with which the component was started, or is being started."""
        return self._context.config

    def scrubbed(self, text: str) -> str:
        """A text with the secrets in the component's config masked: for what a handler raised, before it is logged.

        Parameters:
            text: any text.
        """
        return _text.scrubbed(text, _hidden(self._context.config, self._context.shown))

    @property
    def meta(self) -> dict[str, Any]:
        """A dict of the component's own, in which a wrapper may keep what it likes; `live.meta` gives it to others."""
        return self._context.meta

    @property
    def tags(self) -> frozenset[str]:
        """The component's tags."""
        return self._spec.tags

    @property
    def is_repeatable(self) -> bool:
        """Whether the handler may be run more than once in this call: not where it is the second half of a scope."""
        return not self._once

    def __call__(self) -> Any:
        """Run the handler.

        Returns:
            What it returns; something to be awaited, where it is async.

        Raises:
            StateError: the call is over, or the handler cannot be run again.
        """
        if self.is_async:
            return carry_on(self._run())
        return _plain(carry_out(self._run(), self._context))

    def __repr__(self) -> str:
        return f"<HandlerCall {self.id}, {self.handler}>"

    # --- what is done around it ---

    def _run(self) -> Script:
        if self._is_over or (self._once and self.attempts):
            return self._refused(), None
        if self._made is not ABSENT:
            error, _ = yield self._take_back()
            if error is not None:
                return error, None
        self.attempts += 1
        error, value = yield self._act
        if error is None and self._undo is not None:
            self._made = value
        return error, value

    def _take_back(self) -> Callable[[], Any]:
        assert self._undo is not None
        made, self._made = self._made, ABSENT
        return partial(self._undo, made)

    def _refused(self) -> StateError:
        if self._is_over:
            return StateError(f"The call of {self.handler} of {self.id} is over; its wrapper has returned.")
        return StateError(
            f"The {self.handler} of {self.id} is the second half of a scope, which has been left, and cannot be run again. "
            "A wrapper sees that from call.is_repeatable."
        )

    def _through(self) -> Script:
        """The whole call: the handler, and the wrapper around it where it is for this signal."""
        wrapping = self._wrapping
        if not wrapping.applies(self.signal):
            return (yield from self._run())
        if wrapping.form == STEPS:
            error, value = yield from self._in_steps()
        else:
            error, value = yield self._in_function
        if error is not None:
            another: BaseException | None = None
            if self._made is not ABSENT:
                another, _ = yield self._take_back()
            elif self._closes and not self.attempts:
                another, _ = yield from self._run()  # what is broken in a wrapper keeps nothing from being stopped
            error = _both(error, another)
        self._is_over = True
        return error, value

    def _in_steps(self) -> Script:
        steps = self._wrapping.wrapper(self)
        error: BaseException | None = None
        value = None
        try:
            while True:
                try:
                    asked = steps.send(value) if error is None else steps.throw(error)
                except StopIteration as stop:
                    return None, stop.value
                except BaseException as raised:
                    # A StopIteration that passes through a generator comes out as the cause of another error.
                    is_same = isinstance(error, StopIteration) and raised.__cause__ is error
                    return error if is_same else raised, None
                if asked is None:
                    error, value = yield from self._run()
                elif isinstance(asked, int | float) and not isinstance(asked, bool):
                    error, value = yield float(asked)
                else:
                    what = f"The wrapper {name_of(self._wrapping.wrapper)} yielded {asked!r} around {self.handler} of {self.id}."
                    hint = "A bare yield runs the handler, and yield with a number waits so many seconds."
                    error = TypeError(f"{what} {hint}")
        finally:
            error = None  # the frame is in its traceback

    def _in_function(self) -> Any:
        made = self._wrapping.wrapper(self)
        if isinstance(made, GeneratorType | AsyncGeneratorType) and not self.attempts:
            name, kind = name_of(self._wrapping.wrapper), _text.a(type(made).__name__)
            what = f"The wrapper {name} gave {kind}, of which nothing has been run."
            hint = "A lambda or a decorator hides that it is a generator function: give the function itself."
            raise BadComponent([Problem(BadComponent, what, hint=hint)])
        return _awaited(made, self.is_async)


class Wrapper(Protocol):
    """A generator function, a function or a coroutine function that takes a `HandlerCall`."""

    def __call__(self, call: HandlerCall, /) -> Any: ...


# --- Carrying it out --------------------------------------------------------------------------------------------------


class Later:
    """What an act gives that has to be awaited: to be taken once."""

    __slots__ = ("_awaitable",)

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self._awaitable: Awaitable[Any] | None = awaitable

    def take(self) -> Awaitable[Any]:
        """What is to be awaited."""
        taken, self._awaitable = self._awaitable, None
        assert taken is not None
        return taken

    def __del__(self) -> None:
        # Where there is no event loop it is refused, and never begun: of that Python would warn.
        if isinstance(self._awaitable, CoroutineType):
            self._awaitable.close()


def carry_out(script: Script, context: Context) -> Any:
    """Carry out a script in this thread.

    Returns:
        Its outcome; or a `Later` for the rest of the script, where it came to something that has to be awaited.
    """
    given: Outcome | None = None
    try:
        while True:
            act = script.send(given)
            try:
                value = _wait(act, context) if isinstance(act, int | float) else act()
            except BaseException as raised:
                given = raised, None
            else:
                if type(value) is Later:
                    return Later(carry_on(script, value))
                given = None, value
    except StopIteration as stop:
        error, value = stop.value
    try:
        if error is not None:
            raise error
        return value
    finally:
        del error, given  # the frame is in the error's traceback


async def carry_on(script: Script, later: Later | None = None) -> Any:
    """Carry out a script in a task.

    Parameters:
        script: to be carried out.
        later: what it came to, if it has been begun.

    Returns:
        Its outcome.
    """
    given: Outcome | None = None
    try:
        act = script.send(None) if later is None else partial(_same, later)
        while True:
            try:
                value = _sleep(act) if isinstance(act, int | float) else act()
                if type(value) is Later:
                    value = await value.take()
            except GeneratorExit:
                script.close()  # nobody waits any more, and nothing can be awaited here
                raise
            except BaseException as raised:
                given = raised, None
            else:
                given = None, value
            act = script.send(given)
    except StopIteration as stop:
        error, value = stop.value
    try:
        if error is not None:
            raise error
        return value
    finally:
        del error, given


def _same(later: Later) -> Later:
    return later


def _awaited(made: Any, is_async: bool) -> Any:
    """What was made, as a `Later` where it has to be awaited."""
    return Later(made) if isinstance(made, CoroutineType) or (is_async and hasattr(type(made), "__await__")) else made


def _plain(made: Any) -> Any:
    return made.take() if type(made) is Later else made


def _wait(seconds: float, context: Context) -> object:
    import threading

    alarm = threading.Event()
    if context._on_give_up is not None:
        context._on_give_up(alarm.set)
    # Ctrl-C ends this, because it comes in a frame of `threading`: one that comes in a frame of ours is kept for later.
    if alarm.wait(min(seconds, threading.TIMEOUT_MAX)):
        raise GivenUp
    return None


def _sleep(seconds: float) -> Later:
    from .worlds import sleep

    return Later(sleep(seconds))


async def _shielded(awaitable: Awaitable[Any]) -> Any:
    from .worlds import CancelScope

    with CancelScope(shield=True):
        return await awaitable


def _both(error: BaseException, another: BaseException | None) -> BaseException:
    if another is None:
        return error
    if isinstance(error, Exception) and isinstance(another, Exception):
        return ExceptionGroup("a wrapper failed, and so did the stop of what it was around", [error, another])
    return another if isinstance(error, Exception) else error


# --- What the engine sees ---------------------------------------------------------------------------------------------


def _takes(part: Any) -> bool:
    return isinstance(part, str) and part.startswith("-")


def _named(graph: Graph, parts: Iterable[Any]) -> set[int]:
    # Each part named something when it was given; what was taken out of the system since then needs no wrapper.
    found: set[int] = set()
    for part in parts:
        with suppress(UnknownComponent):
            found.update(selected(graph, [part]) or ())
    return found


def check_names(graph: Graph, select: list[Any]) -> None:
    """Refuse a selection that names nothing. What is switched off is something: it may be on when the wrapper is worked in.

    Raises:
        UnknownComponent: a part of it names nothing.
    """
    selected(graph, [part for part in select if not _is_off(graph, part)])


def _is_off(graph: Graph, part: Any) -> bool:
    try:
        path = parse_path((part,), "A selection")
    except BadId:
        return False  # a tag, or what cannot be read: the selection says it
    return bool(graph.off) and graph.canonical(path)[:2] in graph.off


class Wrapping:
    """A wrapper, and what it is put around.

    Parameters:
        wrapper: a generator function, a function or a coroutine function that takes a `HandlerCall`.
        select: the components; all if `None`.
        signals: the names of the signals; all if `None`.

    Raises:
        BadComponent: `wrapper` cannot be one.
    """

    def __init__(
        self,
        wrapper: Wrapper,
        select: Selection = None,
        signals: str | Iterable[str] | None = None,
    ) -> None:
        self.form = _form_of(wrapper)
        self.wrapper = wrapper
        self.select = None if select is None else tuple(listed(select))
        self.signals = None if signals is None else frozenset([signals] if isinstance(signals, str) else signals)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Wrapping):
            return NotImplemented
        mine, theirs = (self.wrapper, self.select, self.signals), (other.wrapper, other.select, other.signals)
        return self is other or bool(mine == theirs)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = [name_of(self.wrapper)]
        parts += [] if self.select is None else [f"select={list(self.select)}"]
        parts += [] if self.signals is None else [f"signals={sorted(self.signals)}"]
        return f"<Wrapping {', '.join(parts)}>"

    def applies(self, signal: str) -> bool:
        """Whether the wrapper is for calls of a signal."""
        return self.signals is None or signal in self.signals

    def selects(self, definition: Definition) -> Callable[[Id], bool]:
        """Say of which components of an expanded definition the handlers are wrapped."""
        if self.select is None:
            return lambda id: True
        graph = graph_of(definition)
        named, away = [[part for part in self.select if _takes(part) is takes] for takes in (False, True)]
        chosen = _named(graph, named) if named or not away else set(range(len(graph.ids)))
        chosen -= _named(graph, [part[1:] for part in away])
        return {graph.ids[i] for i in chosen}.__contains__

    def around(self, spec: Spec) -> Spec:
        """The same component with its handlers wrapped; for equal wrappings of one spec always the same object."""
        known: dict[Any, Spec] = spec.cache.setdefault("wrapped", {})
        key = (self.wrapper if _is_hashable(self.wrapper) else id(self.wrapper), self.signals)
        made = known.get(key)
        if made is None:
            if len(known) >= _KEPT:
                known.clear()
            made = known.setdefault(key, self._wrapped(spec))
        return made

    def _wrapped(self, spec: Spec) -> Spec:
        slots = spec.slots()
        if spec.scope is not None:
            if self.applies("start") or self.applies("stop"):
                slots["scope"] = self._scope(spec)
        elif not spec.is_value and self.applies("start") and not isinstance(spec.start, Handle):
            slots["start"] = self._start(spec)
        if spec.stop is not None and self.applies("stop"):
            slots["stop"] = self._handler(spec, spec.stop, closes=True)
        slots["handlers"] = self._by_signal(spec.handlers, lambda handler: self._handler(spec, handler))
        for slot in ("pre", "post"):
            slots[slot] = self._by_signal(
                slots[slot], lambda named: {n: self._handler(spec, handler) for n, handler in named.items()}
            )
        if spec.resolve is not None:
            slots["resolve"] = self._handler(spec, spec.resolve)
        return Spec(slots)

    def _by_signal(self, table: Mapping[str, Any], wrapped: Callable[[Any], Any]) -> dict[str, Any]:
        return {signal: wrapped(given) if self.applies(signal) else given for signal, given in table.items()}

    def _start(self, spec: Spec) -> Handler:
        shape = shape_of(spec)
        taken_back = None if spec.stop is None else _TakenBack(spec.stop, shape, context_of(spec.stop, spec))

        def call(context: Context, bare: Callable[[], Any]) -> HandlerCall:
            undo = None if taken_back is None else partial(taken_back, context)
            return HandlerCall(self, spec, context, _act(bare, shape.is_async), is_async=shape.is_async, undo=undo)

        function = self._function(spec.start, shape.is_async, call, _OPEN)
        return _Constructed(function, spec.start) if shape.needs_home else function

    def _handler(self, spec: Spec, handler: Handler, *, closes: bool = False) -> Handler:
        is_awaited = is_async(handler)

        def call(context: Context, bare: Callable[[], Any]) -> HandlerCall:
            return HandlerCall(self, spec, context, _act(bare, is_awaited), is_async=is_awaited, closes=closes)

        return self._function(handler, is_awaited, call, _ONE)

    def _function(
        self,
        bare: Handler,
        is_awaited: bool,
        call: Callable[[Context, Callable[[], Any]], HandlerCall],
        unknown: inspect.Signature,
    ) -> Handler:
        signature = signature_of(bare)
        split = _Split(bare, _context_in(signature))
        function: Handler
        if is_awaited or self.form == COROUTINE:

            async def awaited(*args: Any, **given: Any) -> Any:
                return await carry_on(call(*split(args, given))._through())

            function = awaited
        else:

            def called(*args: Any, **given: Any) -> Any:
                context, todo = split(args, given)
                return _plain(carry_out(call(context, todo)._through(), context))

            function = called
        return self._made_of(_like(function, bare, signature or unknown, split.wants), bare)

    def _scope(self, spec: Spec) -> Handler:
        signature, shape = signature_of(spec.target), shape_of(spec)
        split = _Split(spec.target, _context_in(signature))
        function: Handler
        if shape.is_async or self.form == COROUTINE:

            async def entered_async(*args: Any, **given: Any) -> _AsyncScope:
                return _AsyncScope(_Halves(self, spec, shape, *split(args, given)))

            function = entered_async
        else:

            def entered(*args: Any, **given: Any) -> _Scope:
                return _Scope(_Halves(self, spec, shape, *split(args, given)))

            function = entered
        return self._made_of(_like(function, spec.target, signature or _OPEN, split.wants), spec.target)

    def _made_of(self, function: Handler, bare: Handler) -> Handler:
        # By which two of them are compared: what is wrapped alike is equal.
        function._made_of = ("wrapped", self.wrapper, self.signals, bare)  # type: ignore[attr-defined]
        return function


def _form_of(wrapper: Any) -> str:
    what = hint = None
    if not callable(wrapper):
        what, hint = f"{wrapper!r} cannot be called, and is to be a wrapper.", "Give a function that takes one call."
    else:
        looked_at = (wrapper, getattr(type(wrapper), "__call__", None))  # noqa: B004 - the class's own, for its flags
        signature = signature_of(wrapper)
        if getattr(wrapper, "makes_wrapper", False) is True:
            what = f"{name_of(wrapper)} is no wrapper, but makes one."
            hint = f"Call it: {name_of(wrapper)}(...)."
        elif any(map(inspect.isasyncgenfunction, looked_at)):
            what = f"The wrapper {name_of(wrapper)} is an async generator function."
            hint = "Write def and a bare yield: a generator function goes around async handlers too."
        elif signature is not None and not _takes_one(signature):
            what = f"The wrapper {name_of(wrapper)}{signature} cannot be called with a HandlerCall alone."
            hint = "Give a function that takes one call; bind all else before, as functools.partial does."
        elif any(map(inspect.iscoroutinefunction, looked_at)):
            return COROUTINE
        elif any(map(inspect.isgeneratorfunction, looked_at)):
            return STEPS
    if what is not None:
        raise BadComponent([Problem(BadComponent, what, hint=hint or "")])
    return PLAIN


def _takes_one(signature: inspect.Signature) -> bool:
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _context_in(signature: inspect.Signature | None) -> str | None:
    """The parameter in which a handler of that signature wants its context, if it does."""
    parameters = {} if signature is None else signature.parameters
    return next((name for name, parameter in parameters.items() if parameter.default is Context.here), None)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _act(bare: Callable[[], Any], is_awaited: bool) -> Callable[[], Any]:
    return lambda: _awaited(bare(), is_awaited)


class _Split:
    """Takes the context out of the arguments of a call, where the handler does not ask for it itself."""

    def __init__(self, bare: Handler, wants: str | None) -> None:
        self._bare = bare
        self.wants = wants  # the parameter in which it asks for it

    def __call__(self, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Context, Callable[[], Any]]:
        context = given.pop(_HIDDEN) if self.wants is None else given[self.wants]
        return context, partial(self._bare, *args, **given)


class _Signature(inspect.Signature):
    """The parameters of a wrapped handler; the one that is hidden is not shown in errors."""

    def __str__(self) -> str:
        shown = [parameter for name, parameter in self.parameters.items() if name != _HIDDEN]
        return str(inspect.Signature(shown, return_annotation=self.return_annotation))


# What is of C and does not say what it takes: a start takes a config, everything else the instance.
_OPEN: Final = inspect.Signature([inspect.Parameter("config", inspect.Parameter.VAR_KEYWORD)])
_ONE: Final = inspect.Signature([inspect.Parameter("instance", inspect.Parameter.POSITIONAL_ONLY)])


def _like(function: Handler, bare: Handler, signature: inspect.Signature, wants: str | None) -> Handler:
    """Give a wrapped handler the name of the bare one, and its parameters, with one for the context among them."""
    made: Any = update_wrapper(function, bare, updated=())
    made.__qualname__ = name_of(bare)
    parameters = list(signature.parameters.values())
    if wants is None:
        at = len(parameters) - any(p.kind is p.VAR_KEYWORD for p in parameters)
        parameters.insert(at, inspect.Parameter(_HIDDEN, inspect.Parameter.KEYWORD_ONLY, default=Context.here))
    made.__signature__ = _Signature(parameters, return_annotation=signature.return_annotation)
    return function


class _Constructed(ConstructedAsync):
    """The wrapped start of a class with an async one, which the engine knows by this type."""

    def __init__(self, function: Handler, bare: Any) -> None:
        self._function = function
        update_wrapper(self, function, updated=())
        self.__signature__ = function.__signature__  # type: ignore[attr-defined]  # that of the bare one, and the context
        self.__wrapped__ = function  # type: ignore[assignment]  # by which two of this kind are compared

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return await self._function(*args, **kwargs)


class _TakenBack:
    """Stops what a start has made and nobody will ever see.

    What it needs is worked out before: a Ctrl-C that came in a frame of `inspect` would keep the stop from being called.
    """

    def __init__(self, stop: Handler, shape: Shape, wants: str | None) -> None:
        self._stop, self._shape = stop, shape
        self._wants, self._is_async = wants, is_async(stop)

    def __call__(self, context: Context, instance: Any) -> Any:
        made = self._stop(instance, **({} if self._wants is None else {self._wants: _of_stop(context, instance)}))
        if not (self._is_async or isinstance(made, CoroutineType)):
            return made
        # A scope of ours around something that was left open in this task would not be left in order.
        return Later(made if self._shape.needs_home else _shielded(made))


def _of_stop(context: Context, instance: Any) -> Context:
    mine = object.__new__(Context)
    for name in Context.__slots__:
        setattr(mine, name, getattr(context, name, None))
    mine.signal = mine.handler = "stop"
    mine.instance = instance
    mine._on_give_up = None
    return mine


class _Halves:
    """A scope whose two halves are wrapped each on its own."""

    def __init__(self, wrapping: Wrapping, spec: Spec, shape: Shape, context: Context, make: Callable[[], Any]) -> None:
        self.context = context
        self._wrapping, self._spec, self._shape, self._make = wrapping, spec, shape, make
        self._scope: Any = None  # the bare one, while it is open
        self._instance: Any = None

    def enter(self) -> Script:
        """The first half."""
        undo, awaited = lambda instance: self._leave(), self._shape.is_async
        call = HandlerCall(self._wrapping, self._spec, self.context, self._enter, is_async=awaited, undo=undo)
        error, self._instance = yield from call._through()
        return error, self._instance

    def leave(self) -> Script:
        """The second half."""
        self.context = _of_stop(self.context, self._instance)
        call = HandlerCall(
            self._wrapping, self._spec, self.context, self._leave, is_async=self._shape.is_async, closes=True, once=True
        )
        return (yield from call._through())

    async def unwind(self, error: BaseException) -> BaseException | None:
        """Let what reached the component while it was running go through the bare scope; say with what that ended."""
        scope, self._scope = self._scope, None
        if scope is None:
            return error
        if self._is_left_async(scope):
            return await unwind(scope, error)
        try:
            self._left(scope)
        except BaseException as found:
            return found
        return error

    def _enter(self) -> Any:
        made = self._make()
        if self._shape.is_async:
            return Later(self._entered_async(made))
        if self._shape.kind == GENERATOR:
            value = self._yielded(next(made, ABSENT))
        elif hasattr(type(made), "__enter__"):
            try:
                value = made.__enter__()
            except Unrun as unrun:  # it is wrapped too
                return Later(self._entered_async(unrun.made))
        elif hasattr(type(made), "__aenter__"):
            return Later(self._entered_async(made))
        else:
            raise BadScope(self._name, made)
        self._scope = made
        return value

    async def _entered_async(self, made: Any) -> Any:
        if self._shape.kind == GENERATOR:
            _stack_elsewhere = partial(_stack, made)  # looked for by name, see ELSEWHERE
            value = self._yielded(await anext(made, ABSENT))
        else:
            if isinstance(made, CoroutineType):
                made = await made
            if not hasattr(type(made), "__aenter__"):
                raise BadScope(self._name, made)
            value = await made.__aenter__()
        self._scope = made
        return value

    def _leave(self) -> Any:
        scope, self._scope = self._scope, None
        if scope is None:
            return None  # a wrapper put something else in its place
        return Later(self._left_async(scope)) if self._is_left_async(scope) else self._left(scope)

    def _is_left_async(self, scope: Any) -> bool:
        return self._shape.is_async or (self._shape.kind != GENERATOR and not hasattr(type(scope), "__exit__"))

    def _left(self, scope: Any) -> Any:
        if self._shape.kind != GENERATOR:
            try:
                return scope.__exit__(None, None, None)
            except Unrun as unrun:
                return Later(unrun.made)
        if next(scope, ABSENT) is not ABSENT:
            scope.close()
            raise StateError(f"{self._name} yielded a second time; what stands after the yield stops it, once.")
        return None

    async def _left_async(self, scope: Any) -> Any:
        if isinstance(scope, AsyncGeneratorType):
            _stack_elsewhere = partial(_stack, scope)
        return await _end_async(self._spec, scope, Awaited())

    @property
    def _name(self) -> str:
        return name_of(self._spec.target)

    def _yielded(self, value: Any) -> Any:
        if value is ABSENT:
            raise StateError(f"{self._name} ended without a yield, so there is no instance.")
        return value


class _Scope:
    """A wrapped scope, for the engine to enter and leave in a thread."""

    def __init__(self, halves: _Halves) -> None:
        self._halves = halves

    def __enter__(self) -> Any:
        value = carry_out(self._halves.enter(), self._halves.context)
        if type(value) is Later:
            raise Unrun(_AsyncScope(self._halves, value))
        return value

    def __exit__(self, kind: object, error: object, trace: object) -> Any:
        result = carry_out(self._halves.leave(), self._halves.context)
        if type(result) is Later:
            raise Unrun(result.take())
        return result


class _AsyncScope:
    """The same for a task."""

    def __init__(self, halves: _Halves, begun: Later | None = None) -> None:
        self._halves, self._begun = halves, begun

    async def __aenter__(self) -> Any:
        begun, self._begun = self._begun, None
        return await (carry_on(self._halves.enter()) if begun is None else begun.take())

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> Any:
        if error is None:
            return await carry_on(self._halves.leave())
        found = await self._halves.unwind(error)
        if found is not None:
            raise found
        return None


def _stack(awaited: Any) -> str:
    from .tasks import stack_of

    return stack_of(awaited)
