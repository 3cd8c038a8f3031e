"""The vocabulary: ids, states, signals, components and constants, all of them frozen values."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Iterable, Iterator, Mapping
from enum import StrEnum
from types import CodeType, FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, NamedTuple, TypeVar, cast, overload

from .. import _text
from ..errors import BadArguments, BadComponent, BadId, DefinitionError, Problem, Site
from . import refs
from .callables import (
    HIDDEN,
    Context,
    Handler,
    Id,
    Parameters,
    context_parameter,
    doc_of,
    is_async,
    is_generator,
    with_hidden_context,
)
from .refs import ATOMS, FLAT, NESTED, LocalRef, Path, Ref, Unfit, Within, article, name_of

if TYPE_CHECKING:
    from typing import Protocol, TypedDict, Unpack

    T_enter = TypeVar("T_enter", covariant=True)

    class Entered(Protocol[T_enter]):
        """A context manager, whatever else it takes and gives."""

        def __enter__(self) -> T_enter: ...
        def __exit__(self, kind: Any, error: Any, trace: Any, /) -> Any: ...

    class AsyncEntered(Protocol[T_enter]):
        """An async context manager, whatever else it takes and gives."""

        async def __aenter__(self) -> T_enter: ...
        async def __aexit__(self, kind: Any, error: Any, trace: Any, /) -> Any: ...

    class Slots(TypedDict, total=False):
        """The slots that both `Component` and `component` take beside start, stop and scope."""

        handlers: Mapping[str, Handler]
        status: Handler
        suspend: Handler
        resume: Handler
        pre: Mapping[str, NamedHandlers]
        post: Mapping[str, NamedHandlers]
        resolve: Handler
        doc: str
        tags: Iterable[str]
        enabled: Any
        deadlines: float | Mapping[str, float]
        retry: Retry | int
        thread: Thread
        on_crash: OnCrash
        schema: Any
        instance_schema: Any
        cached: bool | str

    class SubsystemSlots(TypedDict, total=False):
        """The slots of the component that a subsystem is to the system around it."""

        handlers: Mapping[str, Handler]
        status: Handler
        pre: Mapping[str, NamedHandlers]
        post: Mapping[str, NamedHandlers]
        doc: str
        tags: Iterable[str]
        enabled: Any

    class BaseSlots(Slots, total=False):
        """What a base may have."""

        config: Mapping[str, Any]

    from .base import Base
    from .inline import Wraps


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
NamedHandlers = Mapping[str, Handler] | Iterable[Handler] | Handler
Thread = Literal["caller", "worker", "own"]
OnCrash = Literal["stop", "dependents", "keep"]


class State(StrEnum):
    """What a component of a live system is doing. Compares equal to its plain text."""

    DEFINED = "defined"
    STARTING = "starting"
    RUNNING = "running"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    ABANDONED = "abandoned"


# The run machine keeps one byte a component, because enum members hash slowly and a bytearray is small.
STATES: Final = tuple(State)
CODE: Final = {state: code for code, state in enumerate(STATES)}


class Signal:
    """A row of the signal table: how one signal goes through a system.

    Parameters:
        name: the signal's name, as in `live.signal(name)` and `@component_function.on(name)`.
        direction: "dependencies first" (as start) or "dependents first" (as stop).
        draws_in: what a selection takes along: "needs" (what the selected components need), "needed by" (what needs
            them) or `None` (nothing more).
        states: the states in which the signal applies to a component; in any other it is passed over.
        during: the component's state while its handler runs, or `None` to leave it.
        after: its state when the handler has succeeded, or `None` to leave it.
        becomes_instance: whether what the handler returns becomes the instance.
        without_handler: whether a component without a handler takes part too, changing its state only.

    Example:
        >>> Signal("reload", "dependencies first").states
        (<State.RUNNING: 'running'>,)
    """

    __slots__ = (
        "after", "applies", "becomes_instance", "closes", "direction", "draws_in", "during", "name", "opens", "states",
        "without_handler",
    )  # fmt: skip

    name: str
    direction: Literal["dependencies first", "dependents first"]
    draws_in: Literal["needs", "needed by"] | None
    states: tuple[State, ...]
    during: State | None
    after: State | None
    becomes_instance: bool
    without_handler: bool
    applies: bytes
    opens: bool
    closes: bool

    def __init__(
        self,
        name: str,
        direction: Literal["dependencies first", "dependents first"] = "dependencies first",
        *,
        draws_in: Literal["needs", "needed by"] | None = None,
        states: Iterable[State | str] = (State.RUNNING,),
        during: State | str | None = None,
        after: State | str | None = None,
        becomes_instance: bool = False,
        without_handler: bool = False,
    ) -> None:
        if direction not in ("dependencies first", "dependents first"):
            raise ValueError(f"direction must be 'dependencies first' or 'dependents first', not {direction!r}")
        if draws_in not in (None, "needs", "needed by"):
            raise ValueError(f"draws_in must be 'needs', 'needed by' or None, not {draws_in!r}")
        if name not in ("start", "stop") and after not in (None, "running", "suspended"):
            # Of any other state start and stop would conclude that there is nothing to stop, or that all is to be made anew.
            raise ValueError(f"after must be 'running', 'suspended' or None, not {str(after)!r}")
        given = tuple(State(state) for state in ((states,) if isinstance(states, str) else states))
        columns = {
            "name": name,
            "direction": direction,
            "draws_in": draws_in,
            "states": given,
            "during": None if during is None else State(during),
            "after": None if after is None else State(after),
            "becomes_instance": becomes_instance,
            "without_handler": without_handler,
            "applies": bytes(state in given for state in STATES),
            # These two are the only roles the run machine knows: making something that has to be stopped, and stopping it.
            "opens": name == "start",
            "closes": name == "stop",
        }
        for column, value in columns.items():
            object.__setattr__(self, column, value)

    def __setattr__(self, column: str, value: object) -> None:
        raise AttributeError(f"a Signal cannot be changed; make a new one with another {column}")

    def __copy__(self) -> Signal:
        return self

    def __deepcopy__(self, memo: object) -> Signal:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        columns = ("draws_in", "states", "during", "after", "becomes_instance", "without_handler")
        return _signal, (self.name, self.direction, {column: getattr(self, column) for column in columns})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Signal):
            return NotImplemented
        return all(getattr(self, column) == getattr(other, column) for column in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.name, self.direction, self.states))

    @property
    def dependencies_first(self) -> bool:
        """Whether a component gets the signal after what it needs."""
        return self.direction == "dependencies first"

    @property
    def needs_running(self) -> bool:
        """Whether a component can only follow when everything it needs has: so for start and resume."""
        return self.dependencies_first and self.after is not None

    def __repr__(self) -> str:
        return f"<Signal {self.name}: {self.direction}>"


def _signal(name: str, direction: Any, columns: dict[str, Any]) -> Signal:
    return Signal(name, direction, **columns)


START: Final = Signal(
    "start",
    "dependencies first",
    draws_in="needs",
    states=(State.DEFINED, State.STOPPED, State.FAILED),
    during=State.STARTING,
    after=State.RUNNING,
    becomes_instance=True,
    without_handler=True,
)
STOP: Final = Signal(
    "stop",
    "dependents first",
    draws_in="needed by",
    states=(State.RUNNING, State.SUSPENDED, State.FAILED),
    during=State.STOPPING,
    after=State.STOPPED,
    without_handler=True,
)
SUSPEND: Final = Signal(
    "suspend",
    "dependents first",
    draws_in="needed by",
    during=State.SUSPENDING,
    after=State.SUSPENDED,
)
RESUME: Final = Signal(
    "resume",
    "dependencies first",
    draws_in="needs",
    states=(State.SUSPENDED,),
    during=State.RESUMING,
    after=State.RUNNING,
    without_handler=True,
)
STATUS: Final = Signal("status", "dependencies first", states=(State.RUNNING, State.SUSPENDED))
SIGNALS: Final = {row.name: row for row in (START, STOP, SUSPEND, RESUME, STATUS)}


# --- Components -------------------------------------------------------------------------------------------------------


class Absent:
    """Stands for a slot that was not given, where `None` is a value."""

    def __repr__(self) -> str:
        return "<absent>"


ABSENT: Final[Any] = Absent()

SLOTS: Final = (
    "start", "stop", "scope", "handlers", "pre", "post", "resolve", "doc", "tags", "enabled", "deadlines", "retry", "thread",
    "on_crash", "schema", "instance_schema", "cached",
)  # fmt: skip
SHORTHANDS: Final = ("status", "suspend", "resume")  # slots that are entries of `handlers`
KEYWORDS: Final = frozenset({*SLOTS, *SHORTHANDS}) - {"start", "stop", "scope"}  # what `component` takes
OF_SUBSYSTEMS: Final = frozenset({"handlers", "status", "pre", "post", "doc", "tags", "enabled"})


PRE: Final = 0
OWN: Final = 1
POST: Final = 2


class Retry:
    """How often a start is tried, and how long is waited between two attempts.

    Parameters:
        times: how many attempts there are in all.
        on: the errors after which there is another one; any `Exception` if not given.
        wait: seconds before the second attempt.
        factor: by how much longer is waited each time.
        most: seconds that are waited at most.
        jitter: by what part of it a wait may be shorter or longer, by chance, so that many processes do not try all at once.

    Raises:
        BadComponent: a value is of the wrong kind.

    Example:
        >>> Retry(5, on=(ConnectionError,), wait=0.5)
        Retry(5, on=(ConnectionError,), wait=0.5, factor=2.0, most=30.0, jitter=0.5)
    """

    __slots__ = ("factor", "jitter", "most", "on", "times", "wait")

    def __init__(
        self,
        times: int = 3,
        on: type[BaseException] | tuple[type[BaseException], ...] = (Exception,),
        *,
        wait: float = 0.1,
        factor: float = 2.0,
        most: float = 30.0,
        jitter: float = 0.5,
    ) -> None:
        on = on if isinstance(on, tuple) else (on,)
        what = None
        if type(times) is not int or times < 1:
            what = f"times is {times!r}, not a number of attempts"
        elif not on or not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in on):
            what = f"on is {on!r}, not a class of errors or several"
        for name, value, least in (("wait", wait, 0), ("factor", factor, 1), ("most", most, 0), ("jitter", jitter, 0)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
                what = f"{name} is {value!r}, not a number from {least} on"
        if jitter is not True and isinstance(jitter, int | float) and jitter > 1:
            what = f"jitter is {jitter!r}, more than the whole wait"
        if what is not None:
            hint = "Write retry=Retry(5, on=(ConnectionError,), wait=0.5), or only a number of attempts."
            raise BadComponent([Problem(BadComponent, f"A retry does not fit together: {what}.", hint=hint)])
        self.times, self.on, self.wait, self.factor, self.most, self.jitter = times, on, wait, factor, most, jitter

    def covers(self, error: BaseException) -> bool:
        """Whether there is another attempt after such an error; of a group, each leaf counts."""
        if isinstance(error, BaseExceptionGroup) and not isinstance(error, self.on):
            return all(map(self.covers, error.exceptions))
        return isinstance(error, self.on)

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after an attempt.

        Parameters:
            attempt: its number, from 1.
            chance: from 0 to 1.
        """
        # The exponent is bounded because a float is: long before it the longest wait is reached.
        wait = min(self.most, self.wait * self.factor ** min(attempt - 1, 64))
        return wait * (1 + self.jitter * (2 * chance - 1))

    def _key(self) -> tuple[Any, ...]:
        return (self.times, self.on, self.wait, self.factor, self.most, self.jitter)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Retry) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        kinds = "".join(f"{kind.__name__}, " for kind in self.on).rstrip(" " if len(self.on) == 1 else ", ")
        waits = f"wait={self.wait}, factor={self.factor}, most={self.most}, jitter={self.jitter}"
        return f"Retry({self.times}, on=({kinds}), {waits})"


class Phase(NamedTuple):
    """One call of a handler, as part of what a signal means for one component."""

    name: str
    kind: int
    handler: Any


class Spec:
    """Everything of a component but its config: shared by all definitions that one component function gives."""

    __slots__ = (*SLOTS, "_parameters", "cache", "said", "shape", "special")

    def __init__(self, slots: Mapping[str, Any], *, of: str = "A component") -> None:
        self.start = slots.get("start", ABSENT)
        self.stop = slots.get("stop")
        self.scope = slots.get("scope")
        self.handlers: dict[str, Handler] = dict(slots.get("handlers") or {})
        self.pre = {signal: named(given) for signal, given in dict(slots.get("pre") or {}).items()}
        self.post = {signal: named(given) for signal, given in dict(slots.get("post") or {}).items()}
        self.resolve = slots.get("resolve")
        self.doc = slots.get("doc")
        tags = slots.get("tags") or ()
        is_fit = isinstance(tags, Iterable) and not isinstance(tags, str) and all(isinstance(tag, str) for tag in tags)
        self.tags: frozenset[str] = frozenset(tags if is_fit else ())
        self.enabled = slots.get("enabled", True)
        self.deadlines = copied_deadlines(slots.get("deadlines"))
        self.retry: Retry | None = _retry_of(slots.get("retry"))
        self.thread: Thread | None = slots.get("thread")
        self.on_crash: OnCrash | None = slots.get("on_crash")
        self.schema = slots.get("schema")
        self.instance_schema = slots.get("instance_schema")
        self.cached: bool | str = slots.get("cached") or False
        # Of these two the default says something, and so it makes a difference whether a component says it or nothing.
        self.said = tuple(name for name in ("enabled", "cached") if name in slots)
        self._parameters: Parameters | None = None
        # What other rooms derive from a spec and want to keep: the engine's calls, the checks that passed.
        self.cache: dict[Any, Any] = {}
        self.shape: Any = None
        for name in SHORTHANDS:
            if slots.get(name) is not None:
                self.handlers[name] = slots[name]
        if self.scope is None and self.stop is None and is_generator(self.start):
            self.scope, self.start = self.start, ABSENT
        # Most components have nothing that takes a second look at each request; those that do are marked once, here.
        self.special = bool(
            self.pre or self.post or self.resolve is not None or self.deadlines is not None or self.retry is not None
        )
        self._complain(tags, of)

    def _complain(self, tags: Any, of: str) -> None:
        what, hint = None, _FORMS
        if self.scope is not None and (self.start is not ABSENT or self.stop is not None):
            what = "it has a scope, which is start and stop in one, and a start or stop beside it"
        elif self.scope is None and self.start is ABSENT:
            what = "it has neither a start nor a scope"
        elif is_generator(self.start):
            what = "its start is a generator function, which is start and stop in one, and there is a stop beside it"
        elif self.scope is not None and not callable(self.scope):
            what = f"its scope is {self.scope!r}, which cannot be called"
        elif self.doc is not None and not isinstance(self.doc, str):
            what = f"its doc is {article(self.doc)}, not text"
            hint = "Give a sentence that says what it is, or leave doc away."
        elif not isinstance(self.enabled, bool | Ref | LocalRef):
            what = f"enabled is {self.enabled!r}, neither a bool nor a reference to a constant"
            hint = "Give True, False, or a reference to a constant that is one of them."
        elif self.thread not in (None, "caller", "worker", "own"):
            what = f"thread is {self.thread!r}"
            hint = 'Give "caller", "worker" (any of the system\'s workers) or "own" (always one and the same), or leave it away.'
        elif self.thread == "caller" and self.deadlines is not None and not self.is_async:
            what = 'it has a deadline and thread="caller", in which nothing could be given up on'
            hint = (
                "Leave one of them away: with a deadline, sync handlers are called in a thread of the component's own."
            )
        elif self.on_crash not in (None, "stop", "dependents", "keep"):
            what = f"on_crash is {self.on_crash!r}"
            hint = 'Give "stop" (the whole system is stopped), "dependents" (what needs the component is), or "keep".'
        elif not isinstance(self.cached, bool | str):
            what = f"cached is {self.cached!r}, neither a bool nor the key under which a cache keeps the instance"
            hint = 'Write cached=True, or cached="a key".'
        elif not isinstance(tags, Iterable) or isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
            what = f"its tags are {tags!r}, not several texts"
            hint = 'Write tags=["slow"].'
        if what is None:
            for place, handler in self.all_handlers():
                if not callable(handler):
                    what = f"its {place} handler is {handler!r}, which cannot be called"
                    hint = "A handler is a function, or anything else that can be called with the instance."
        if what is not None:
            raise BadComponent([Problem(BadComponent, f"{of} does not fit together: {what}.", hint=hint)])

    def all_handlers(self) -> Iterable[tuple[str, Any]]:
        """Every handler but start and scope, with the path of its slot."""
        if self.stop is not None:
            yield "stop", self.stop
        for name, handler in self.handlers.items():
            yield name, handler
        if self.resolve is not None:
            yield "resolve", self.resolve
        for slot, table in (("pre", self.pre), ("post", self.post)):
            for signal, by_name in table.items():
                for name, handler in by_name.items():
                    yield f"{slot}.{signal}.{name}", handler

    @property
    def is_async(self) -> bool:
        """Whether what starts the component looks async."""
        return (self.scope is not None or callable(self.start)) and is_async(self.target)

    @property
    def is_value(self) -> bool:
        """Whether start is no handler but the instance itself."""
        return self.scope is None and not callable(self.start)

    @property
    def parameters(self) -> Parameters:
        """What start takes."""
        if self._parameters is None:
            self._parameters = Parameters(_nothing if self.is_value else self.target)
        return self._parameters

    @property
    def target(self) -> Handler:
        """The callable that gets the config."""
        return cast(Handler, self.scope if self.scope is not None else self.start)

    def takes(self, signal: str) -> bool:
        """Whether there is a handler of any kind for a signal."""
        if signal == "start":
            return True
        if signal == "stop":
            return self.stop is not None or self.scope is not None or signal in self.pre or signal in self.post
        return signal in self.handlers or signal in self.pre or signal in self.post

    def phases(self, row: Signal) -> tuple[Phase, ...]:
        """The calls that a signal means for this component, in order: pre handlers, its own, resolve, post handlers."""
        signal = row.name
        pre = [Phase(f"pre {signal}: {name}", PRE, handler) for name, handler in self.pre.get(signal, {}).items()]
        post = [Phase(f"post {signal}: {name}", POST, handler) for name, handler in self.post.get(signal, {}).items()]
        own = {"start": self.start, "stop": self.stop}.get(signal, self.handlers.get(signal))
        resolve = [Phase("resolve", POST, self.resolve)] if row.becomes_instance and self.resolve is not None else []
        return (*pre, Phase(signal, OWN, own), *resolve, *post)

    def slots(self) -> dict[str, Any]:
        """All slots by name, as `Spec` takes them, but those that were left at a default that says something."""
        return {name: getattr(self, name) for name in SLOTS if name not in ("enabled", "cached") or name in self.said}

    def same(self, other: Spec) -> bool:
        """Whether all slots are equal."""
        if self is other:
            return True
        return all(refs.same(_comparable(getattr(self, n)), _comparable(getattr(other, n))) for n in SLOTS)


_FORMS: Final = (
    "Give it start (and stop where there is something to stop), or scope: a generator function or a context manager."
)


def _retry_of(given: Any) -> Retry | None:
    return given if given is None or isinstance(given, Retry) else Retry(given)


def copied_deadlines(given: float | Mapping[str, float] | None) -> float | Mapping[str, float] | None:
    """Deadlines that nobody else can change.

    Raises:
        BadComponent: one is no positive number of seconds.
    """
    for seconds in given.values() if isinstance(given, Mapping) else (given,):
        if seconds is not None and (
            isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0
        ):
            what = f"{seconds!r} is given as a deadline."
            hint = "A deadline is a positive number of seconds, for all signals or by signal."
            raise BadComponent([Problem(BadComponent, what, hint=hint)])
    return MappingProxyType(dict(given)) if isinstance(given, Mapping) else given


def _nothing() -> None:
    return None


def _comparable(value: Any) -> Any:
    if isinstance(value, Constructed):
        return ("constructed", _comparable(value.__wrapped__))
    if isinstance(value, FunctionType) and type(made := getattr(value, "_made_of", None)) is tuple:
        return tuple(map(_comparable, made))
    if isinstance(value, Retry):
        return value._key()
    if isinstance(value, Mapping):
        return {k: _comparable(v) for k, v in value.items()}
    return value


def named(given: NamedHandlers) -> dict[str, Handler]:
    """One or several pre or post handlers by name; those without a name of their own are numbered."""
    if isinstance(given, Mapping):
        return {str(name): handler for name, handler in given.items()}
    # What is no handler is complained of where all of them are.
    handlers: list[Handler] = [given] if callable(given) or not isinstance(given, Iterable) else list(given)
    found: dict[str, Handler] = {}
    for handler in handlers:
        add_named(found, handler, None)
    return found


def add_named(found: dict[str, Handler], handler: Handler, name: str | None) -> None:
    """Add one handler under `name`, or a name made from the function's own."""
    own = getattr(handler, "__name__", "_")
    base = name or ("handler" if own in ("_", "<lambda>") else own)
    unique, number = base, 2
    while name is None and unique in found:
        unique, number = f"{base}-{number}", number + 1
    found[unique] = handler


class Constructed:
    """The start of a component that is a class: make the object, call its `start`, give the object."""

    __slots__ = ("__dict__", "__wrapped__")

    def __init__(self, cls: type[Any]) -> None:
        self.__wrapped__ = cls
        self.__name__ = cls.__name__
        self.__qualname__ = cls.__qualname__
        self.__module__ = cls.__module__
        # Where `start` asks for its context, and the constructor does not, a parameter more brings it here.
        self._told = context_parameter(getattr(cls, "start", _nothing))
        self._brought = context_parameter(cls)
        if self._told is not None and self._brought is None:
            self.__signature__ = with_hidden_context(cls)

    def _made(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The object, and what its `start` gets."""
        if self._told is None:
            return self.__wrapped__(*args, **kwargs), {}
        context = kwargs.pop(HIDDEN) if self._brought is None else kwargs[self._brought]
        return self.__wrapped__(*args, **kwargs), {self._told: context}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        instance, told = self._made(args, kwargs)
        instance.start(**told)
        return instance


class ConstructedAsync(Constructed):
    """The same for a class whose `start` is a coroutine function."""

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        instance, told = self._made(args, kwargs)
        await instance.start(**told)
        return instance


def check_slots(
    given: Iterable[str], site: Site | None, known: Collection[str] = KEYWORDS, of: str = "A component"
) -> None:
    """Refuse slots that there are not.

    Raises:
        BadComponent: with the nearest slot that there is.
    """
    for name in given:
        if name not in known:
            hint = _text.hint_near(name, sorted(known), what="slot")
            raise BadComponent([Problem(BadComponent, f"{of} has no slot {name!r}.", site=site, hint=hint)])


class Component(Generic[T_co]):
    """The definition of one component: data, with no effects of its own.

    Parameters:
        start: a callable that gets the config as its arguments and returns the instance; or any other value, which is then
            the instance itself.
        stop: gets the instance.
        scope: start and stop in one: a generator function, or a callable that gives a context manager.
        config: the arguments of start (or scope), by name. May hold references at any depth.
        handlers: handlers of further signals, by the signal's name. `status`, `suspend` and `resume` can be given directly.
        pre: handlers to be called before a signal's own, by signal: a callable, several, or several by name.
        post: the same for after.
        resolve: makes of the instance what others see of it.
        doc: a description.
        tags: any strings.
        enabled: a bool, or a reference to a constant that is one.
        deadlines: seconds that a handler may take: for all signals, or by signal.
        retry: how often start is tried: a `Retry`, or a number of attempts.
        thread: where sync handlers are called: "caller" (in the thread that asks), "worker" (in any of the system's workers) or
            "own" (in one thread, always the same); by default in a worker where the system has some.
        on_crash: what is stopped when the component breaks by itself while it runs: "stop" everything (the default),
            "dependents" what needs it, "keep" nothing.
        schema: what checks the config, where the system has the plugin `schemas`: a callable, a mapping of such by parameter,
            a pydantic model or a type.
        instance_schema: the same for the instance; a class means that the instance is one of it.
        cached: whether an `InstanceCache` keeps the component, where the system is started with one: a bool, or a key.

    Raises:
        BadComponent: the slots do not fit together.
        BadArguments: the config is not a mapping, or holds what cannot be part of a definition.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> pool = Component(start=ThreadPoolExecutor, stop=ThreadPoolExecutor.shutdown, config={"max_workers": 4})
        >>> pool.config
        {'max_workers': 4}
    """

    __slots__ = ("_bound", "_code", "_config", "_instruction", "_shape", "_spec")

    _spec: Spec
    _config: dict[str, Any]
    _shape: int
    _bound: bool  # whether the config was checked against the parameters when it was given
    _code: CodeType | Site | None
    _instruction: int

    @overload
    def __init__(
        self,
        start: Callable[..., Generator[T_co, Any, Any] | Awaitable[T_co]],
        stop: Callable[[T_co], Any] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        **slots: Unpack[Slots],
    ) -> None: ...
    @overload
    def __init__(
        self,
        start: Callable[..., T_co],
        stop: Callable[..., Any] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        **slots: Unpack[Slots],
    ) -> None: ...
    @overload
    def __init__(
        self,
        start: T_co,
        stop: Callable[..., Any] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        **slots: Unpack[Slots],
    ) -> None: ...
    @overload
    def __init__(
        self,
        *,
        scope: Callable[..., Entered[T_co]],
        config: Mapping[str, Any] | None = None,
        **slots: Unpack[Slots],
    ) -> None: ...
    @overload
    def __init__(
        self,
        *,
        scope: Callable[..., Iterator[T_co] | AsyncIterator[T_co] | AsyncEntered[T_co]],
        config: Mapping[str, Any] | None = None,
        **slots: Unpack[Slots],
    ) -> None: ...
    def __init__(
        self,
        start: Any = ABSENT,
        stop: Handler | None = None,
        *,
        scope: Handler | None = None,
        config: Mapping[str, Any] | None = None,
        **slots: Any,
    ) -> None:
        frame = sys._getframe(1)
        self._code, self._instruction = frame.f_code, frame.f_lasti
        check_slots(slots, self.site)
        slots |= {"start": start, "stop": stop, "scope": scope}
        if not callable(start) and start is not ABSENT:
            slots["start"] = freeze_value(start)
        elif slots.get("doc") is None:
            slots["doc"] = doc_of(scope if scope is not None else start)
        try:
            self._spec = Spec(slots)
        except BadComponent as error:
            raise error.at(self.site) from None
        if config is not None and not isinstance(config, Mapping):
            raise BadArguments([Problem(BadArguments, f"config is {config!r}, not a mapping.", site=self.site)])
        self._config, self._shape = freeze_config(dict(config or {}), self)
        self._bound = False

    @property
    def start(self) -> Any:
        """The start slot; `None` where the component has a scope."""
        return None if self._spec.start is ABSENT else refs.copied(self._spec.start)

    @property
    def stop(self) -> Handler | None:
        """The stop slot."""
        return cast("Handler | None", self._spec.stop)

    @property
    def scope(self) -> Handler | None:
        """The scope slot: start and stop in one."""
        return cast("Handler | None", self._spec.scope)

    @property
    def config(self) -> dict[str, Any]:
        """A copy of the config, references and all."""
        return cast("dict[str, Any]", refs.copied(self._config))

    @property
    def handlers(self) -> dict[str, Handler]:
        """Handlers of the signals other than start and stop."""
        return dict(self._spec.handlers)

    @property
    def pre(self) -> dict[str, dict[str, Handler]]:
        """Pre handlers by signal and name."""
        return {signal: dict(by_name) for signal, by_name in self._spec.pre.items()}

    @property
    def post(self) -> dict[str, dict[str, Handler]]:
        """Post handlers by signal and name."""
        return {signal: dict(by_name) for signal, by_name in self._spec.post.items()}

    @property
    def resolve(self) -> Handler | None:
        """Makes of the instance what others see of it."""
        return cast("Handler | None", self._spec.resolve)

    @property
    def doc(self) -> str | None:
        """The description: given, or the docstring of what starts the component."""
        return cast("str | None", self._spec.doc)

    @property
    def tags(self) -> frozenset[str]:
        """The component's tags."""
        return self._spec.tags

    @property
    def enabled(self) -> Any:
        """A bool, or a reference to a constant."""
        return self._spec.enabled

    @property
    def deadlines(self) -> float | Mapping[str, float] | None:
        """Seconds that a handler may take."""
        return self._spec.deadlines

    @property
    def retry(self) -> Retry | None:
        """How often start is tried."""
        return self._spec.retry

    @property
    def thread(self) -> Thread | None:
        """Where sync handlers are called; `None` where the system says it."""
        return self._spec.thread

    @property
    def on_crash(self) -> OnCrash:
        """What is stopped when the component breaks by itself."""
        return self._spec.on_crash or "stop"

    @property
    def schema(self) -> Any:
        """What checks the config, where the system has the plugin `schemas`."""
        return self._spec.schema

    @property
    def instance_schema(self) -> Any:
        """What checks the instance, where the system has the plugin `schemas`."""
        return self._spec.instance_schema

    @property
    def cached(self) -> bool | str:
        """Whether an instance cache keeps the component, or under which key."""
        return self._spec.cached

    @property
    def site(self) -> Site | None:
        """Where the definition was written, as far as it is known. Never counts in a comparison."""
        code = self._code
        return site_of(code, self._instruction) if isinstance(code, CodeType) else code

    def replace(self, *, site: Site | None = None, **slots: Any) -> Component[T_co]:
        """The same definition with some slots given anew.

        Parameters:
            site: where the new definition is said to be written; where the old one was, if not given.
            slots: as for `Component`; `config` replaces the whole config.

        Returns:
            A new definition.

        Raises:
            TypeError: there is no such slot.
            BadComponent: the slots do not fit together.
            BadArguments: the config is not a mapping, or holds what cannot be part of a definition.

        Example:
            >>> Component(dict, config={"a": 1}).replace(config={"b": 2}).config
            {'b': 2}
        """
        known = (*SLOTS, *SHORTHANDS, "config")
        for name in slots:
            if name not in known:
                raise TypeError(f"a component has no slot {name!r}. {_text.hint_near(name, known, what='slot')}")
        config = slots.pop("config", ABSENT)
        if config is not ABSENT and not isinstance(config, Mapping):
            raise BadArguments([Problem(BadArguments, f"config is {config!r}, not a mapping.", site=self.site)])
        changed = self._same_kind()
        changed._code, changed._instruction = site or self._code, self._instruction
        if "start" in slots and not callable(slots["start"]):
            slots["start"] = freeze_value(slots["start"])
        changed._spec = Spec({**self._spec.slots(), **slots}) if slots else self._spec
        if config is ABSENT:
            changed._config, changed._shape = self._config, self._shape
            changed._bound = self._bound and changed._spec.target is self._spec.target
        else:
            changed._config, changed._shape = freeze_config(dict(config), changed)
            changed._bound = False
        return changed

    def _same_kind(self) -> Component[T_co]:
        made: Component[T_co] = object.__new__(type(self))
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Component):
            return NotImplemented
        return self is other or (refs.same(self._config, other._config) and self._spec.same(other._spec))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        spec = self._spec
        what = repr(spec.start) if spec.is_value else name_of(spec.target)
        shown = refs.masked(self._config, lambda reference: reference)
        return f"<Component {what}({', '.join(f'{k}={v!r}' for k, v in shown.items())})>"


class Constant:
    """Anything in a group that is not a component."""

    __slots__ = ("_shape", "_value")

    def __init__(self, value: Any) -> None:
        self._value = value
        self._shape = refs.shape_of(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return NotImplemented
        return refs.same(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Constant {refs.masked(self._value, lambda reference: reference)!r}>"


Node = Component[Any] | Constant


class Subsystem(Component[Any]):
    """A whole system as one component of another. Made by `subsystem`."""

    __slots__ = ("_definition",)

    _definition: Definition

    @classmethod
    def of(cls, definition: Definition, imports: dict[str, Any], slots: dict[str, Any], site: Site | None) -> Subsystem:
        """A subsystem.

        Parameters:
            definition: the system.
            imports: by path in it, what stands there; may hold references.
            slots: of the component that it is to the outer system.
            site: where it was written.
        """
        made = object.__new__(cls)
        made._code, made._instruction = site, 0
        made._spec = Spec({**slots, "start": definition.options.name or "subsystem"})
        made._config, made._shape = freeze_config(dict(imports), made)
        made._bound, made._definition = True, definition
        return made

    @property
    def imports(self) -> dict[str, Any]:
        """What the inner system is given, by path in it."""
        return self.config

    def with_definition(self, definition: Definition, *paths: Path) -> Subsystem:
        """The same subsystem with another definition.

        Parameters:
            definition: the new one.
            paths: the places in it that are not imported any more, because something else was put there.
        """
        made = self._same_kind()
        made._code, made._instruction, made._spec, made._bound = self._code, self._instruction, self._spec, True
        kept = {
            name: value
            for name, value in self._config.items()
            if not any(_overlap(parse_path((name,), "An import"), path) for path in paths)
        }
        made._config, made._shape = frozen_config(kept)
        made._definition = definition
        return made

    def replace(self, *, site: Site | None = None, **slots: Any) -> Component[Any]:
        """The same subsystem with some slots given anew; `config` are the imports.

        Raises:
            BadComponent: there is no such slot.
        """
        check_slots(slots.keys() - {"config"}, self.site, OF_SUBSYSTEMS, "A subsystem")
        return super().replace(site=site, **slots)

    def _same_kind(self) -> Subsystem:
        made = object.__new__(Subsystem)
        made._definition = self._definition
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subsystem):
            # A component would find its own slots in this one, and know nothing of what is inside.
            return False if isinstance(other, Component) else NotImplemented
        return self is other or (super().__eq__(other) is True and self._definition.same(other._definition))

    __hash__ = None

    def __repr__(self) -> str:
        name = f" {self._definition.name}" if self._definition.name else ""
        return f"<Subsystem{name}: {', '.join(self._definition.groups) or 'empty'}>"


def imports_in(definition: Definition, path: Path, value: Any) -> list[tuple[Path, Any]]:
    """The places that a nested import names: mappings reach in as long as there is something to reach into, as in an override."""
    if not isinstance(value, Mapping):
        return [(path, value)]
    if len(path) == 1:
        inside: Any = definition.groups.get(str(path[0]), {})
    else:
        inside = definition.groups.get(str(path[0]), {}).get(str(path[1]))
        if isinstance(inside, Subsystem):
            found = [
                one for group, members in value.items() for one in imports_in(inside._definition, (group,), members)
            ]
            return [((*path, *place), one) for place, one in found]
        if isinstance(inside, Component):
            inside = {"config": inside._config, **inside._spec.slots()}
        inside = _at(inside._value if isinstance(inside, Constant) else inside, path[2:])
    if not isinstance(inside, Mapping):
        return [(path, value)]
    return [one for name, member in value.items() for one in imports_in(definition, (*path, name), member)]


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _overlap(one: Path, other: Path) -> bool:
    # A text may spell a number that the other has as a number.
    return all(str(a) == str(b) for a, b in zip(one, other, strict=False))


def flag(target: Ref, groups: Mapping[str, Mapping[str, Node]]) -> tuple[Any, Ref]:
    """What a component is switched by: the value of a constant, through as many aliases as there are.

    A component that stands there is given as it is; where there is nothing, `NOWHERE`. With it comes where it was found.
    """
    seen: set[Path] = set()  # the places of the aliases on the way
    while True:
        node = groups.get(str(target.path[0]), {}).get(str(target.path[1])) if len(target.path) > 1 else None
        if not isinstance(node, Constant):
            return (refs.NOWHERE if node is None else node), target
        value = node._value
        rest = target.rest
        for n, part in enumerate((*rest, None)):
            value = refs.unwrapped(value)
            if isinstance(value, Ref | LocalRef):
                aim, place = value.at(str(target.id[0])), (*target.id, *rest[:n])
                if place in seen:
                    return refs.NOWHERE, target
                seen.add(place)
                target = Ref((*aim.path, *rest[n:]))
                break
            if part is None:
                return value, target
            try:
                value = refs.reach(value, (part,))
            except refs.Unreachable:
                return refs.NOWHERE, target


class Options(NamedTuple):
    """What holds for a system as a whole.

    Parameters:
        name: what it is called.
        deadlines: seconds that a handler may take: for all signals, or by signal.
        limits: how many handlers may be called at once: in all, or by group, with "*" for all.
        workers: how many threads there are for sync handlers.
    """

    name: str | None = None
    deadlines: float | Mapping[str, float] | None = None
    limits: int | Mapping[str, int] | None = None
    workers: int = 0

    @classmethod
    def checked(
        cls,
        name: str | None,
        deadlines: float | Mapping[str, float] | None,
        limits: int | Mapping[str, int] | None,
        workers: int,
    ) -> Options:
        """Options that nobody else can change.

        Raises:
            BadComponent: a deadline is no positive number of seconds.
            ValueError: a limit or the number of workers is none.
        """
        for limit in limits.values() if isinstance(limits, Mapping) else (limits,):
            if limit is not None and (type(limit) is not int or limit < 1):
                raise ValueError(
                    f"limits must be a number of handlers from 1 on, or such numbers by group, not {limits!r}"
                )
        if type(workers) is not int or workers < 0:
            raise ValueError(f"workers must be a number of threads, not {workers!r}")
        limits = MappingProxyType(dict(limits)) if isinstance(limits, Mapping) else limits
        return cls(name, copied_deadlines(deadlines), limits, workers)


_NO_IDS: Final[frozenset[Id]] = frozenset()


class Origins:
    """Knows where what is in a system was written: what reads systems from files gives one to `System.with_origins`."""

    __slots__ = ()

    def placed(self, problem: Problem, node: Any) -> Problem:
        """A problem with what is known of the place: file and line, and what to do there.

        Parameters:
            problem: what is wrong, with the id of the component or constant.
            node: the component, or the value of the constant, as it is now: not what was written, where it was exchanged since.

        Returns:
            The problem; as it was, where nothing more is known.
        """
        return problem


class Definition:
    """A whole system as data.

    Parameters:
        groups: nodes by group and name, in the order as written. Never changed in place.
        signals: the signal table, by name.
        options: what holds for the system as a whole.
        base: what is merged under every component.
        wraps: the wrappers around handlers, the innermost first.
        applied: the plugins that made it what it is, in order. Never counts in a comparison.
        origins: knows where what is in it was written, for definitions made from files. Never counts in a comparison.
    """

    __slots__ = ("applied", "base", "cache", "groups", "options", "origins", "signals", "subsystems", "wraps")

    def __init__(
        self,
        groups: dict[str, dict[str, Node]],
        signals: Mapping[str, Signal],
        options: Options,
        *,
        base: Base | None = None,
        wraps: tuple[Wraps, ...] = (),
        applied: tuple[Any, ...] = (),
        origins: Origins | None = None,
    ) -> None:
        self.groups, self.signals, self.options = groups, signals, options
        self.base, self.wraps, self.applied, self.origins = base, wraps, applied, origins
        self.subsystems: frozenset[Id] = _NO_IDS  # that were inlined
        self.cache: dict[str, Any] = {}  # what is derived from it: the graph, the problems

    def with_groups(self, groups: dict[str, dict[str, Node]]) -> Definition:
        """The same system with other groups."""
        return Definition(
            groups,
            self.signals,
            self.options,
            base=self.base,
            wraps=self.wraps,
            applied=self.applied,
            origins=self.origins,
        )

    def replace(self, **parts: Any) -> Definition:
        """The same system with some of its parts exchanged.

        Parameters:
            parts: as for `Definition`, by name.
        """
        names = ("groups", "signals", "options", "base", "wraps", "applied", "origins")
        kept = {name: getattr(self, name) for name in names}
        return Definition(**(kept | parts))

    def same(self, other: Definition) -> bool:
        """Whether two systems are equal as data."""
        mine, theirs = self.groups, other.groups
        return self is other or (
            list(mine) == list(theirs)
            and all(list(nodes) == list(theirs[group]) for group, nodes in mine.items())
            and all(nodes == theirs[group] for group, nodes in mine.items())
            and self.signals == other.signals
            and self.options == other.options
            and self.base == other.base
            and self.wraps == other.wraps
        )

    @property
    def name(self) -> str | None:
        """The system's name."""
        return self.options.name

    @property
    def deadlines(self) -> float | Mapping[str, float] | None:
        """Seconds that a handler may take."""
        return self.options.deadlines


# --- Freezing, with problems that know their place --------------------------------------------------------------------


def refuse(value: Any) -> tuple[str, str] | None:
    """Why a leaf cannot be part of a config or constant, and what to do; `None` for most."""
    if isinstance(value, Component):
        return (
            "the definition of a component stands inside an argument, where nothing would start it",
            "Give it a name in a group of the system, and refer to it here with ref(...) or local_ref(...).",
        )
    if isinstance(value, Unfinished):
        return value.misplaced or (
            f"{value!r} stands inside an argument and was not called",
            "Call it in a group of the system and refer to it; or write opaque(...) to hand on the function itself.",
        )
    if isinstance(value, Context):
        return ("Context.here is the default of a parameter, not an argument", "Leave the argument out.")
    return None


class Unfinished:
    """What looks like a component and is none yet: a component function that was not called, a system that is no subsystem."""

    __slots__ = ()

    misplaced: ClassVar[tuple[str, str] | None] = None
    """Why it cannot stand in a config, and what to do, where that is something else."""


def freeze_config(config: dict[str, Any], component: Component[Any]) -> tuple[dict[str, Any], int]:
    """A private copy of a config, and its shape.

    Raises:
        BadArguments: something in it cannot be part of a definition.
    """
    try:
        return frozen_config(config)
    except Unfit as unfit:
        raise unfit_problem(unfit, component.site) from None


def frozen_config(config: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Freeze a config that is already a private dict, in place.

    Raises:
        Unfit: something in it cannot be part of a definition.
    """
    shape = ATOMS
    for name, value in config.items():
        kind = type(value)
        if type(name) is not str:
            raise Unfit((), f"the config has the key {name!r}, and parameters have names", "Use strings as keys.")
        if kind in refs.PLAIN_ATOMS:
            continue
        if kind is Ref:
            shape = shape or FLAT
        else:
            config[name] = value = refs.freeze(value, refuse, (name,))
            if not refs.is_atomic(value):
                shape = NESTED
    return config, shape


def freeze_value(value: Any) -> Any:
    """A private copy of a value that is to be an instance."""
    try:
        frozen = refs.freeze(value, refuse)
    except Unfit as unfit:
        raise unfit_problem(unfit, None) from None
    if any(type(leaf) in refs.REFERENCES for _, leaf in refs.walk(frozen)):
        what = "A start that is just a value cannot hold references."
        raise BadComponent([Problem(BadComponent, what, hint="Put the value into the group as a constant.")])
    return frozen


def unfit_problem(unfit: Unfit, site: Site | None) -> DefinitionError:
    """The error for something that cannot be part of a definition."""
    where = f"In the argument {_text.dotted(unfit.path)}: " if unfit.path else ""
    return BadArguments([Problem(BadArguments, f"{where}{unfit.what}.", site=site, hint=unfit.hint)])


def site_of(code: CodeType, instruction: int) -> Site:
    """File and line of an instruction: worked out only when somebody asks, because it is slow."""
    line = code.co_firstlineno
    for begin, end, number in code.co_lines():
        if begin <= instruction < end and number is not None:
            line = number
    return Site(code.co_filename, line)


# --- Ids and paths ----------------------------------------------------------------------------------------------------


def parse_path(path: tuple[Any, ...], what: str, numbers_from: int = 2) -> Path:
    """The parts of a path that is given as one dotted text, or spelled out.

    Raises:
        BadId: it is neither.
    """
    if len(path) == 1 and type(path[0]) is str:
        text = path[0]
        if '"' not in text:
            parts = tuple(text.split("."))
            if "" not in parts:
                return parts
        try:
            return _text.split_dotted(text)
        except ValueError as error:
            raise bad_id(f"{what} {text!r} cannot be read: {error}.") from None
    if len(path) == 1 and isinstance(path[0], tuple):
        path = path[0]
    for i, part in enumerate(path):
        if not (isinstance(part, str) and part) and not (type(part) is int and i >= numbers_from):
            raise bad_id(f"{what} with the part {part!r}: names come first, then names and numbers.")
    if not path:
        raise bad_id(f"{what} without a path.")
    return path


def bad_id(what: str) -> BadId:
    """The error for a path or an id of the wrong form."""
    hint = 'Write "group.name", "group.name.inside.0", or the parts one by one: "group", "name", "inside", 0.'
    return BadId([Problem(BadId, what, hint=hint)])


class ById(dict[Id, Any]):
    """A dict by id, in which the text of an id is looked up as well."""

    __slots__ = ()

    def __missing__(self, id: object) -> Any:
        if isinstance(id, str):
            try:
                *group, name = _text.split_dotted(id)
            except ValueError:
                raise KeyError(id) from None
            known = Id(group[0] if len(group) == 1 else Within(tuple(group)), name)
            if known in self:
                return self[known]
        raise KeyError(id)
