"""Generator, function, class, context manager, plain value: every way to write a component, as one shape to call.

`start` gives the instance and, where start and stop are one, the scope that is open; `stop` closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, time
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

from .. import _text
from .._core import refs
from .._core.callables import Context, context_parameter, is_async, is_generator
from .._core.graph import Graph
from .._core.model import ABSENT, OWN, Component, Constant, Phase, Spec
from .._core.refs import ATOMS, FLAT, LocalRef, Ref, Secret, Unreachable
from ..errors import BadComponent, BrokenReference, Problem, StateError
from .interrupt import Guard

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

    __slots__ = ("epoch", "graph", "held", "states", "times", "workers")

    def __init__(self, graph: Graph) -> None:
        count = len(graph.ids)
        # `seen` is what others see, where that is not the instance; `configs` is kept for those whose handlers may ask.
        super().__init__([ABSENT] * count, [None] * count, {}, {})
        self.graph = graph
        self.states = bytearray(count)
        self.epoch = time() - perf_counter()
        self.times: Times = Times()
        self.held = bytearray(count)
        self.workers: dict[int, Any] = {}  # threads of components that may be given up on

    def visible(self, node: int) -> Any:
        """What others see of a component."""
        return self.seen[node] if node in self.seen else self.instances[node]

    def clear(self, node: int) -> None:
        """Forget what a component held."""
        self.instances[node] = ABSENT
        self.scopes[node] = None
        if self.seen:
            self.seen.pop(node, None)
        if self.configs:
            self.configs.pop(node, None)


class Shape:
    """How the start of a spec is called: worked out once for each component function."""

    __slots__ = ("context", "keeps_config", "kind", "simple", "target")

    def __init__(self, spec: Spec) -> None:
        self.target = spec.start if spec.scope is None else spec.scope
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
        slots = [(name, getattr(spec, name)) for name in ("start", "scope") if callable(getattr(spec, name))]
        found = [name for name, handler in [*slots, *spec.all_handlers()] if is_async(handler)]
        target = spec.scope
        if isinstance(target, type):
            only_async = hasattr(target, "__aenter__") and not hasattr(target, "__enter__")
        else:
            only_async = target is not None and is_async(getattr(target, "__wrapped__", None))
        if only_async and "scope" not in found:
            found.append("scope")
        spec.cache["async"] = found
    return found


class Resolver:
    """Turns references into what they refer to, for one node."""

    __slots__ = ("group", "store")

    def __init__(self, store: Store, group: str) -> None:
        self.store, self.group = store, group

    def __call__(self, reference: Ref | LocalRef) -> Any:
        target = reference.at(self.group)
        graph = self.store.graph
        if len(target.path) == 1:
            group = str(target.path[0])
            return {graph.ids[i].name: self.store.visible(i) for i in graph.members(group)}
        node = graph.index.get(target.id)  # type: ignore[call-overload]
        if node is None:
            return None  # optional, and switched off: everything else was found out before
        try:
            value = refs.reach(self.store.visible(node), target.rest)
            return value.reveal() if type(value) is Secret else value
        except Unreachable as error:
            error.reached = target.path[: 2 + len(error.reached)]
            raise BrokenReference(f"{_text.dotted(target.path)} leads nowhere: {error}") from None


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
        if type(made) in _UNRUN:
            _refuse_unrun(spec, made)
        into.instances[node] = made
    else:
        if not hasattr(type(made), "__enter__"):
            raise BadScope(_text_of(spec), made)
        value = made.__enter__()
        guard.calling = False
        into.scopes[node] = made
        into.instances[node] = value


def _refuse_unrun(spec: Spec, made: Any) -> None:
    if isinstance(made, GeneratorType) and made.gi_code.co_name == "<genexpr>":
        return
    made.close() if not isinstance(made, AsyncGeneratorType) else None
    what = f"{_text_of(spec)} gave {_text.a(type(made).__name__)}, of which nothing has been run."
    hint = (
        "Mainspring looks at a function to see whether it is a generator or a coroutine function. A decorator or a lambda "
        "around it hides that: give scope=... for a generator function wrapped in contextlib.contextmanager, or leave it away."
    )
    raise BadComponent([Problem(BadComponent, what, hint=hint)])


def _arguments(
    store: Store, node: int, component: Component[Any], shape: Shape, system: str | None, into: Place
) -> tuple[list[Any], dict[str, Any]]:
    config = into.configs.get(node)  # a pre handler may have been told already
    if config is None:
        config = resolved_config(store, node, component)
        if shape.keeps_config:
            into.configs[node] = dict(config)
    args, named = component._spec.parameters.arguments(config)
    if shape.context is not None:
        named[shape.context] = Context(store.graph.ids[node], "start", "start", dict(config), None, system)
    return args, named


def BadScope(name: str, made: Any) -> BadComponent:
    """The error for a scope that gives something that cannot be entered."""
    what = f"{name} is to be entered, and gave {made!r}, which is no context manager."
    return BadComponent([Problem(BadComponent, what, hint="Leave enter=True away, or give a context manager.")])


def _text_of(spec: Spec) -> str:
    return refs.name_of(spec.target)


def _no_reference(reference: Ref | LocalRef) -> Any:
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
        if signal == "start" and node not in place.configs:
            component = store.graph.nodes[node]
            assert isinstance(component, Component)
            place.configs[node] = resolved_config(store, node, component)
        config: Mapping[str, Any] = place.configs.get(node, {})
        named[wants] = Context(store.graph.ids[node], signal, phase.name, config, instance, system)
    guard.calling = True
    result = phase.handler(instance, **named)
    guard.calling = False
    return result
