"""Generator, function, class, context manager, plain value: every way to write a component, as one shape to call.

`start` gives the instance and, where start and stop are one, the scope that is open; `stop` closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter, time
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

from .. import _text
from .._core import refs
from .._core.callables import Context, context_parameter, is_async, is_generator
from .._core.graph import Graph
from .._core.model import ABSENT, OWN, Component, Constant, ConstructedAsync, Phase, Signal, Spec
from .._core.refs import ATOMS, FLAT, Ref, Reference, Secret, Unreachable
from ..errors import BadComponent, BrokenReference, Problem, StateError
from .interrupt import Guard

if TYPE_CHECKING:
    from contextvars import Context as ContextVars

# What a call gives when it has run nothing yet: a generator or coroutine function that did not look like one.
_UNRUN: Final = frozenset({GeneratorType, CoroutineType, AsyncGeneratorType})

VALUE: Final = 0
FUNCTION: Final = 1
GENERATOR: Final = 2
MANAGER: Final = 3


class Place:
    """Where calls put what they made, by node: the store itself, or dicts that nobody else sees."""

    __slots__ = ("configs", "instances", "scopes", "seen")

    def __init__(self, instances: Any, scopes: Any, seen: dict[int, Any], configs: dict[int, dict[str, Any]]) -> None:
        self.instances, self.scopes, self.seen, self.configs = instances, scopes, seen, configs

    def copy(self, other: Place, node: int) -> None:
        """Take over what another place has of one node."""
        self.instances[node], self.scopes[node] = other.instances[node], other.scopes[node]
        if node in other.seen:
            self.seen[node] = other.seen[node]
        if node in other.configs:
            self.configs[node] = other.configs[node]


class Times:
    """When each node's last start began, and how long it took, from the machines' own records."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: list[tuple[Any, Any]] = []

    def add(self, began: Any, ended: Any, *, whole: bool) -> None:
        """Remember a start; one of the whole system replaces all before."""
        if whole:
            self._spans.clear()
        self._spans.append((began, ended))
        if len(self._spans) > 8:  # many starts of parts: put them together, or they would pile up
            first = (began.__copy__(), ended.__copy__())
            for i in range(len(began)):
                if i in self:
                    at, took = self[i]
                    first[0][i], first[1][i] = at, at + took
            self._spans = [first]

    def __contains__(self, node: int) -> bool:
        return any(began[node] for began, _ in self._spans)

    def __getitem__(self, node: int) -> tuple[float, float]:
        began, ended = next(span for span in reversed(self._spans) if span[0][node])
        return began[node], ended[node] - began[node]


class Store(Place):
    """What a live system holds, by the positions of its graph."""

    __slots__ = (
        "bases", "contexts", "crash", "epoch", "given_up", "graph", "held", "meta", "part", "shown", "states", "times", "workers",
    )  # fmt: skip

    def __init__(self, graph: Graph) -> None:
        count = len(graph.ids)
        # `seen` is what others see, where that is not the instance; `configs` is kept for those whose handlers may ask.
        super().__init__([ABSENT] * count, [None] * count, {}, {})
        self.graph = graph
        self.states = bytearray(count)
        self.epoch = time() - perf_counter()
        self.times: Times = Times()
        self.held = bytearray(count)
        self.workers: dict[int, Any] = {}  # threads of components that may be given up on, or that asked for one
        self.contexts: dict[int, ContextVars] = {}  # in which the handlers are called that are not called here
        self.bases: dict[int, ContextVars] = {}  # the same for those that left theirs as it was: shared, to be copied
        # Ends the waiting of starts that cannot be cancelled, and can be told.
        self.given_up: dict[int, Callable[[], object]] = {}
        # Takes the node of a component that broke by itself, and the error.
        self.crash: Callable[[int, BaseException], None] = _unheard
        self.meta: dict[int, dict[str, Any]] = {}  # what handlers keep of their own
        # Gives the handle on a subsystem, and a node's config as it may be shown: both are made outside of the engine.
        self.part: Callable[..., Any] = _unheard
        self.shown: Callable[[int], dict[str, Any]] = _nothing_shown

    def visible(self, node: int) -> Any:
        """What others see of a component."""
        return self.seen[node] if node in self.seen else self.instances[node]

    def tell_given_up(self, node: int) -> None:
        """Tell a start that nobody waits for it any more, where it wants to know."""
        tell = self.given_up.pop(node, None)
        if tell is not None:
            tell()

    def clear(self, node: int) -> None:
        """Forget what a component held."""
        self.instances[node] = ABSENT
        self.scopes[node] = None
        if self.seen:
            self.seen.pop(node, None)
        if self.configs:
            self.configs.pop(node, None)
        if self.contexts:
            self.contexts.pop(node, None)
        if self.bases:
            self.bases.pop(node, None)


def _unheard(node: int, error: BaseException) -> None:
    raise error


def _nothing_shown(node: int) -> dict[str, Any]:
    return {}


def context_for(
    store: Store,
    node: int,
    component: Component[Any],
    signal: str,
    handler: str,
    config: Mapping[str, Any],
    instance: Any,
    system: str | None,
) -> Context:
    """What a handler is told that asks for it."""
    context = Context(store.graph.ids[node], signal, handler, config, instance, system, partial(store.crash, node))
    context.definition = component
    context.meta = store.meta.setdefault(node, {})
    context._part, context._shown = store.part, partial(store.shown, node)
    return context


class Shape:
    """How the start of a spec is called: worked out once for each component function."""

    __slots__ = (
        "context", "is_async", "is_coroutine", "keeps_config", "kind", "needs_home", "simple", "stop_is_coroutine", "target",
    )  # fmt: skip

    def __init__(self, spec: Spec) -> None:
        self.target = spec.start if spec.scope is None else spec.scope
        self.is_async = not spec.is_value and _starts_async(spec)
        # What may hold something open from its start to its stop, as a scope does, has both in one task, its own.
        self.needs_home = self.is_async and (spec.scope is not None or isinstance(spec.start, ConstructedAsync))
        if spec.is_value:
            self.kind = VALUE
        elif spec.scope is None:
            self.kind = FUNCTION
        elif is_generator(spec.scope):
            self.kind = GENERATOR
        else:
            self.kind = MANAGER
        parameters = spec.parameters
        self.context = parameters.context
        self.keeps_config = any(context_parameter(handler) is not None for _, handler in spec.all_handlers())
        self.simple = parameters.simple and not self.keeps_config
        # Plain coroutine functions, of which most end without ever waiting, can be called without further ado.
        self.is_coroutine = self.simple and self.kind == FUNCTION and self.is_async and not self.needs_home
        self.stop_is_coroutine = (
            not self.keeps_config
            and not self.needs_home
            and spec.scope is None
            and spec.stop is not None
            and is_async(spec.stop)
        )


def shape_of(spec: Spec) -> Shape:
    """The shape of a spec, kept with it."""
    if spec.shape is None:
        spec.shape = Shape(spec)
    shape: Shape = spec.shape
    return shape


def context_of(handler: Callable[..., Any], spec: Spec) -> str | None:
    """The parameter in which a handler wants its `Context`; kept with the spec."""
    key = ("context", id(handler))
    if key not in spec.cache:
        spec.cache[key] = context_parameter(handler)
    found: str | None = spec.cache[key]
    return found


def async_handlers(spec: Spec) -> list[str]:
    """The slots of a spec whose handlers are async; kept with it."""
    found: list[str] | None = spec.cache.get("async")
    if found is None:
        found = [name for name, handler in spec.all_handlers() if is_async(handler)]
        if not spec.is_value and _starts_async(spec):
            found.insert(0, "start" if spec.scope is None else "scope")
        spec.cache["async"] = found
    return found


def _starts_async(spec: Spec) -> bool:
    target = spec.target
    if is_async(target) or (spec.scope is not None and is_async(getattr(target, "__wrapped__", None))):
        return True
    if spec.scope is None or not isinstance(target, type):
        return False
    return hasattr(target, "__aenter__") and not hasattr(target, "__enter__")


def is_async_phase(spec: Spec, phase: Phase, signal: str) -> bool:
    """Whether a call has to be awaited; kept with the spec."""
    key = ("phase", phase.name)
    found: bool | None = spec.cache.get(key)
    if found is None:
        if phase.kind == OWN and (signal == "start" or (signal == "stop" and spec.scope is not None)):
            found = shape_of(spec).is_async
        else:
            found = phase.handler is not None and is_async(
                spec.stop if signal == "stop" and phase.kind == OWN else phase.handler
            )
        spec.cache[key] = found
    return found


class Resolver:
    """Turns references into what they refer to, for one node."""

    __slots__ = ("group", "store")

    def __init__(self, store: Store, group: str) -> None:
        self.store, self.group = store, group

    def __call__(self, reference: Reference) -> Any:
        aim = self.store.graph.aim(reference, self.group)
        if aim is None:
            return None  # optional, and switched off: everything else was found out before
        if aim.keys is not None:
            return {key: self.store.visible(i) for key, i in zip(aim.keys, aim.nodes, strict=True)}
        (node,) = aim.nodes
        try:
            value = refs.reach(self.store.visible(node), aim.rest)
            return value.reveal() if type(value) is Secret else value
        except Unreachable as error:
            if reference.optional and (error.found is None or isinstance(self.store.graph.nodes[node], Constant)):
                return None  # through an alias of something that is off: that there is such a path was checked
            path = (*self.store.graph.ids[node], *aim.rest)
            error.reached = path[: 2 + len(error.reached)]
            raise BrokenReference(f"{_text.dotted(path)} leads nowhere: {error}") from None


def resolved_config(store: Store, node: int, component: Component[Any]) -> dict[str, Any]:
    """The arguments of a start: fresh containers, every reference replaced."""
    config = component._config
    if component._shape == ATOMS:
        return config.copy()
    if component._shape == FLAT:
        graph, instances, seen = store.graph, store.instances, store.seen
        if graph.direct[node] and not seen:
            found, k, needs = config.copy(), 0, graph.needs[node]
            for name, value in config.items():
                if type(value) is Ref:
                    value = instances[needs[k]]
                    found[name] = value.reveal() if type(value) is Secret else value
                    k += 1
            return found
        index = graph.index
        found = {}
        for name, value in config.items():
            if type(value) is Ref:
                at = index.get(value.path)  # type: ignore[call-overload]
                if at is None:
                    value = Resolver(store, store.graph.ids[node].group)(value)
                else:
                    value = seen[at] if seen and at in seen else instances[at]
                    if type(value) is Secret:
                        value = value.reveal()
            found[name] = value
        return found
    thawed: dict[str, Any] = refs.thaw(config, Resolver(store, store.graph.ids[node].group))
    return thawed


def constant_value(store: Store, node: int, constant: Constant) -> Any:
    """A constant's instance: fresh containers, every reference replaced."""
    return refs.thaw(constant._value, Resolver(store, store.graph.ids[node].group))


def begin(store: Store, node: int, component: Component[Any], system: str | None, into: Place, guard: Guard) -> None:
    """Call the start of a component and record what came of it in `into`."""
    spec = component._spec
    shape: Shape = spec.shape or shape_of(spec)
    kind = shape.kind
    if kind == VALUE:
        into.instances[node] = refs.thaw(spec.start, _no_reference)
        return
    if shape.simple:
        config = resolved_config(store, node, component)
        guard.calling = True
        made = shape.target(**config)
    else:
        args, named = _arguments(store, node, component, shape, system, into)
        guard.calling = True
        made = shape.target(*args, **named)
    if kind == GENERATOR:
        value = next(made, ABSENT)
        guard.calling = False
        if value is ABSENT:
            raise StateError(f"{_text_of(spec)} ended without a yield, so there is no instance.")
        into.scopes[node] = made
        into.instances[node] = value
    elif kind == FUNCTION:
        guard.calling = False
        if type(made) in _UNRUN and not _is_expression(made):
            raise Unrun(made)
        into.instances[node] = made
    else:
        if not hasattr(type(made), "__enter__"):
            raise Unrun(made) if hasattr(type(made), "__aenter__") else BadScope(_text_of(spec), made)
        value = made.__enter__()
        guard.calling = False
        into.scopes[node] = made
        into.instances[node] = value


class Unrun(Exception):
    """A call gave something of which nothing has been run yet: a handler that is async, and did not look like it."""

    def __init__(self, made: Any) -> None:
        self.made = made
        super().__init__(made)

    @property
    def can_be_awaited(self) -> bool:
        """Whether it can be carried on in a task."""
        return type(self.made) is CoroutineType or hasattr(type(self.made), "__aenter__")

    def refused(self, name: str) -> Exception:
        """The error where it cannot be carried on."""
        made = self.made
        if isinstance(made, CoroutineType | GeneratorType):
            made.close()
        what = f"{name} gave {_text.a(type(made).__name__)}, of which nothing has been run."
        hint = (
            "Mainspring looks at a function to see whether it is a generator or a coroutine function. A decorator or a lambda "
            "around it hides that: give scope=... for a generator function wrapped in contextlib.contextmanager, write "
            "async def instead of a lambda, or leave it away."
        )
        return BadComponent([Problem(BadComponent, what, hint=hint)])


def _is_expression(made: Any) -> bool:
    return isinstance(made, GeneratorType) and made.gi_code.co_name == "<genexpr>"


def _arguments(
    store: Store, node: int, component: Component[Any], shape: Shape, system: str | None, into: Place
) -> tuple[list[Any], dict[str, Any]]:
    # A pre handler may have been told already. With retries each attempt gets containers of its own.
    config = into.configs.get(node) if component._spec.retry is None else None
    if config is None:
        config = resolved_config(store, node, component)
        if shape.keeps_config:
            into.configs[node] = dict(config)
    args, named = component._spec.parameters.arguments(config)
    if shape.context is not None:
        context = context_for(store, node, component, "start", "start", dict(config), None, system)
        context._on_give_up = partial(store.given_up.__setitem__, node)
        named[shape.context] = context
    return args, named


class GivenUp(Exception):
    """A start ended because it was told that nobody waits for it any more."""


def BadScope(name: str, made: Any) -> BadComponent:
    """The error for a scope that gives something that cannot be entered."""
    what = f"{name} is to be entered, and gave {made!r}, which is no context manager."
    return BadComponent([Problem(BadComponent, what, hint="Leave enter=True away, or give a context manager.")])


def _text_of(spec: Spec) -> str:
    return refs.name_of(spec.target)


def _no_reference(reference: Reference) -> Any:
    raise AssertionError(f"{reference!r} in a value that was checked to have none")


def end(store: Store, node: int, component: Component[Any], system: str | None, place: Place, guard: Guard) -> Any:
    """Call the stop of a component, with what `place` has of it; nothing where it has nothing."""
    spec = component._spec
    instance = place.instances[node]
    if instance is ABSENT:
        return None
    scope = place.scopes[node]
    if scope is None:
        if spec.stop is None:
            return None
        return call(store, node, spec, "stop", Phase("stop", OWN, spec.stop), system, place, guard)
    shape: Shape = spec.shape or shape_of(spec)
    guard.calling = True
    if shape.kind == GENERATOR:
        extra = next(scope, ABSENT)
        guard.calling = False
        if extra is not ABSENT:
            scope.close()
            raise StateError(f"{_text_of(spec)} yielded a second time; what stands after the yield stops it, once.")
        return None
    if not hasattr(type(scope), "__exit__"):
        guard.calling = False
        raise Unrun(scope.__aexit__(None, None, None))
    result = scope.__exit__(None, None, None)
    guard.calling = False
    return result


def call(
    store: Store,
    node: int,
    spec: Spec,
    signal: str,
    phase: Phase,
    system: str | None,
    place: Place,
    guard: Guard,
) -> Any:
    """Call any handler but start: it gets the instance, `None` before there is one, and its context where it asks."""
    instance = place.instances[node]
    if instance is ABSENT:
        instance = None
    named: dict[str, Any] = {}
    wants = context_of(phase.handler, spec)
    if wants is not None:
        component = store.graph.nodes[node]
        assert isinstance(component, Component)
        if signal == "start" and node not in place.configs:
            place.configs[node] = resolved_config(store, node, component)
        config: Mapping[str, Any] = place.configs.get(node, {})
        named[wants] = context_for(store, node, component, signal, phase.name, config, instance, system)
    guard.calling = True
    result = phase.handler(instance, **named)
    guard.calling = False
    if type(result) is CoroutineType:
        raise Unrun(result)
    return result


def work(
    store: Store,
    node: int,
    component: Component[Any],
    row: Signal,
    phase: Phase,
    system: str | None,
    into: Place,
    guard: Guard,
) -> Any:
    """One call of a handler, whichever it is. What it made is put into `into`; what it has to say is returned."""
    spec, signal = component._spec, row.name
    if phase.kind == OWN and signal == "start":
        begin(store, node, component, system, into, guard)
        return None
    if phase.kind == OWN and signal == "stop":
        return end(store, node, component, system, into, guard)
    if phase.handler is None:
        return None
    return _kept(node, row, phase, into, call(store, node, spec, signal, phase, system, into, guard))


def _kept(node: int, row: Signal, phase: Phase, into: Place, result: Any) -> Any:
    if phase.name == "resolve":
        into.seen[node] = result
    elif phase.kind == OWN and row.becomes_instance:
        into.instances[node] = result
    return result if phase.kind == OWN else None


# --- The same, awaited ------------------------------------------------------------------------------------------------


class Awaited:
    """What is awaited now, so that one can see where it hangs."""

    __slots__ = ("now", "stack")

    def __init__(self) -> None:
        self.now: Any = None
        self.stack = ""  # where it hung when it was cancelled


async def work_async(
    store: Store,
    node: int,
    component: Component[Any],
    row: Signal,
    phase: Phase,
    system: str | None,
    into: Place,
    awaited: Awaited,
) -> Any:
    """As `work`, for a handler that is async."""
    spec, signal = component._spec, row.name
    if phase.kind == OWN and signal == "start":
        await _begin_async(store, node, component, system, into, awaited)
        return None
    if phase.kind == OWN and signal == "stop" and into.scopes[node] is not None:
        return await _end_async(spec, into.scopes[node], awaited)
    try:
        call(store, node, spec, signal, phase, system, into, _NOBODY)
    except Unrun as unrun:
        return await finish_async(node, row, phase, into, unrun.made, awaited)
    return None


async def finish_async(node: int, row: Signal, phase: Phase, into: Place, made: Any, awaited: Awaited) -> Any:
    """Carry on a call that gave something to be awaited or entered."""
    if not isinstance(made, CoroutineType):
        awaited.now = entering = made.__aenter__()
        into.instances[node] = await entering
        into.scopes[node] = made
        return None
    awaited.now = made
    result = await made
    if phase.kind == OWN and row.opens:
        into.instances[node] = result
        return None
    return _kept(node, row, phase, into, result)


async def _begin_async(
    store: Store, node: int, component: Component[Any], system: str | None, into: Place, awaited: Awaited
) -> None:
    spec = component._spec
    shape = shape_of(spec)
    if shape.simple:
        made = shape.target(**resolved_config(store, node, component))
    else:
        args, named = _arguments(store, node, component, shape, system, into)
        made = shape.target(*args, **named)
    awaited.now = made
    if shape.kind == FUNCTION:
        into.instances[node] = await made
    elif shape.kind == GENERATOR:
        value = await anext(made, ABSENT)
        if value is ABSENT:
            raise StateError(f"{_text_of(spec)} ended without a yield, so there is no instance.")
        into.scopes[node], into.instances[node] = made, value
    else:
        if isinstance(made, CoroutineType):
            made = await made
        if not hasattr(type(made), "__aenter__"):
            raise BadScope(_text_of(spec), made)
        awaited.now = entering = made.__aenter__()
        value = await entering
        into.scopes[node], into.instances[node] = made, value


async def _end_async(spec: Spec, scope: Any, awaited: Awaited) -> Any:
    if isinstance(scope, AsyncGeneratorType):
        awaited.now = scope
        extra = await anext(scope, ABSENT)
        if extra is not ABSENT:
            await scope.aclose()
            raise StateError(f"{_text_of(spec)} yielded a second time; what stands after the yield stops it, once.")
        return None
    awaited.now = leaving = scope.__aexit__(None, None, None)
    return await leaving


async def unwind(scope: Any, error: BaseException) -> BaseException | None:
    """Throw what reached a component while it was running into its scope, and say with what it ended."""
    try:
        if isinstance(scope, AsyncGeneratorType):
            await scope.athrow(error)
            await scope.aclose()  # it went on as if nothing had happened
        else:
            await scope.__aexit__(type(error), error, error.__traceback__)
    except StopAsyncIteration:
        return None
    except BaseException as found:
        return found
    return None


_NOBODY: Final = Guard()  # of calls in threads and tasks that get no signals
