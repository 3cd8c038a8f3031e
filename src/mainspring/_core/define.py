"""The functions with which a definition is written."""

from __future__ import annotations

import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from types import FrameType, FunctionType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from .. import _text
from ..errors import BadArguments, BadComponent, BadId, DefinitionError, Problem, Site
from . import refs
from .callables import Handler, Parameters, doc_of, is_async, is_generator, signature_of
from .model import (
    ABSENT,
    OF_SUBSYSTEMS,
    Component,
    Constructed,
    ConstructedAsync,
    Definition,
    Spec,
    Subsystem,
    Unfinished,
    add_named,
    check_slots,
    frozen_config,
    imports_in,
    named,
    parse_path,
    site_of,
    unfit_problem,
)
from .refs import ATOMS, FLAT, NESTED, Build, LocalRef, Opaque, Ref, Tagged, Unfit, name_of

if TYPE_CHECKING:
    from typing import Unpack

    from .._part import Part
    from ..system import System
    from .model import AsyncEntered, Entered, Slots, SubsystemSlots

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
R = TypeVar("R")

_PLAIN: Final = refs.PLAIN_ATOMS
_new = object.__new__


def ref(*path: str | int, optional: bool = False) -> Any:
    """A reference to a component, to something inside its instance, or to a whole group.

    Parameters:
        path: one dotted text, or the parts spelled out. The first two name the component; the rest reach in, by item into
            mappings and sequences, by attribute into anything else. One part alone is a whole group.
        optional: give `None` where the component is switched off.

    Returns:
        A reference, typed `Any` so that it fits any argument.

    Raises:
        BadId: the path is not of that form.

    Example:
        >>> ref("env.http.port")
        ref('env.http.port')
        >>> ref("env", "http.port", 0)
        ref('env."http.port".0')
    """
    if len(path) == 1:
        text = path[0]
        if type(text) is str and '"' not in text:
            parts = tuple(text.split("."))
            if "" not in parts:
                return Ref(parts, optional)
    return Ref(parse_path(path, "A reference"), optional)


def local_ref(*path: str | int, optional: bool = False) -> Any:
    """A reference within the component's own group, so that a group can be used under any name.

    Parameters:
        path: as for `ref`, without the group.
        optional: give `None` where the component is switched off.

    Returns:
        A reference, typed `Any`.

    Raises:
        BadId: the path is not of that form.

    Example:
        >>> local_ref("handler")
        local_ref('handler')
    """
    return LocalRef(parse_path(path, "A local reference", 1), optional)


def tagged(tag: str, /, *, optional: bool = False) -> Any:
    """A reference to all components that carry a tag: a mapping of ids to what others see of them, in the order as written.

    What is switched off is left out. In a subsystem the components of that subsystem are meant.

    Parameters:
        tag: the tag.
        optional: give an empty mapping where no component carries the tag, instead of an error.

    Returns:
        A reference, typed `Any`.

    Raises:
        BadId: the tag is no text.

    Example:
        >>> from mainspring import Component, System
        >>> page = Component("{}".format, tags=["page"], config={})
        >>> menu = Component(list, config={})
        >>> system = System({"web": {"a": page, "b": page, "site": Component(dict, config={"pages": tagged("page")})}})
        >>> [str(id) for id in system.graph().dependencies("web.site")]
        ['web.a', 'web.b']
    """
    return Tagged(_tag(tag), False, (), optional)


def one_tagged(tag: str, /, *path: str | int, optional: bool = False) -> Any:
    """A reference to the one component that carries a tag, or to something inside its instance.

    Parameters:
        tag: the tag. That several components carry it is an error of the definition; those that are switched off do not count.
        path: what is to be reached in the instance, as for `ref`.
        optional: give `None` where no component carries the tag, instead of an error.

    Returns:
        A reference, typed `Any`.

    Raises:
        BadId: the tag is no text, or the path is not of that form.

    Example:
        >>> from mainspring import Component, System
        >>> clock = Component({"now": 12}, tags=["clock"])
        >>> watch = Component(dict, config={"time": one_tagged("clock", "now")})
        >>> with System({"a": {"clock": clock, "watch": watch}}).started() as live:
        ...     live["a.watch"]
        {'time': 12}
    """
    return Tagged(_tag(tag), True, parse_path(path, "A path", 0) if path else (), optional)


def _tag(tag: object) -> str:
    if not isinstance(tag, str) or not tag:
        raise BadId([Problem(BadId, f"{tag!r} cannot be a tag.", hint="Use text that is not empty.")])
    return tag


def subsystem(
    system: System, imports: Mapping[str, Any] | None = None, /, **slots: Unpack[SubsystemSlots]
) -> Component[Part]:
    """A whole system as one component of another.

    Its parts are started, stopped and drawn with those of the outer system, under longer ids: with a subsystem at `app.billing`,
    what is `db.pool` in it is `app.billing.db.pool` in the whole, and `ref("app.billing.db.pool")` refers to it. The component
    itself, `app.billing`, is up when all of its parts are; its instance is a handle on them, a `Part`.

    Parameters:
        system: the inner system.
        imports: what it is given from outside: by path in it, as for `System.override`, values or references of the outer system.
        slots: doc, tags, enabled, pre, post, status and other handlers of the component that it is to the outer system.

    Returns:
        A definition.

    Raises:
        BadOverride: an import names something that the inner system does not have.
        BadComponent: the slots do not fit together.

    Example:
        >>> from mainspring import Component, System, required
        >>> shop = System({
        ...     "env": {"currency": required},
        ...     "prices": {"list": Component("{currency} 3".format, config={"currency": ref("env.currency")})},
        ... })
        >>> whole = System({
        ...     "env": {"euro": "EUR", "dollar": "USD"},
        ...     "shops": {
        ...         "berlin": subsystem(shop, {"env.currency": ref("env.euro")}),
        ...         "boston": subsystem(shop, {"env.currency": ref("env.dollar")}),
        ...     },
        ... })
        >>> with whole.started() as live:
        ...     live["shops.berlin.prices.list"], live["shops.boston.prices.list"]
        ('EUR 3', 'USD 3')
    """
    site = _site(sys._getframe(1))
    definition: Any = getattr(system, "_definition", None)
    if not isinstance(definition, Definition):
        what = f"A subsystem is made of a System, not of {refs.article(system)}."
        hint = "Write subsystem(System({...}), {...})"
        hint += f", or subsystem(System.named({system!r}), ...)." if isinstance(system, str) else "."
        raise BadComponent([Problem(BadComponent, what, site=site, hint=hint)])
    check_slots(slots, site, OF_SUBSYSTEMS, "A subsystem")
    imports = {} if imports is None else imports
    if not isinstance(imports, Mapping) or not all(isinstance(path, str | tuple) and path for path in imports):
        what = f"The imports of a subsystem are {imports!r}, not a mapping of paths in it to what stands there."
        raise BadArguments([Problem(BadArguments, what, site=site, hint='Write {"env.dsn": ref("env.dsn")}.')])
    try:
        given: dict[str, Any] = {}
        for key, value in imports.items():
            path = parse_path((key,), "An import")
            # A mapping under the name of a group says several places, each of which can be imported or not.
            flat = imports_in(definition, path, value) if len(path) == 1 else [(path, value)]
            given |= {_text.dotted(place): one for place, one in flat}
        made = Subsystem.of(definition, given, dict(slots), site)
        if made._config:
            from .compose import override

            override(definition, made._config, what="import")  # so that an import of nothing is an error here
    except DefinitionError as error:
        raise error.at(site) from None
    return made


def is_ref(x: object) -> bool:
    """Whether `x` is a reference of any kind.

    Example:
        >>> is_ref(ref("a.b")), is_ref("a.b")
        (True, False)
    """
    return isinstance(x, Ref | LocalRef | Tagged)


def build(target: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """An object to be made of resolved parts at each start, where an argument needs more than plain containers.

    Parameters:
        target: any callable.
        args, kwargs: its arguments; may hold references.

    Returns:
        A mark for use in a config, typed `Any`.

    Raises:
        BadArguments: `target` does not take these arguments.

    Example:
        >>> from mainspring import Component, System
        >>> from fractions import Fraction
        >>> half = Component(dict, config={"share": build(Fraction, 1, ref("env.parts"))})
        >>> with System({"env": {"parts": 2}, "a": {"half": half}}).started() as live:
        ...     live["a.half"]
        {'share': Fraction(1, 2)}
    """
    signature = signature_of(target)
    if signature is not None:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            what = f"build({name_of(target)}, ...): {error}."
            hint = f"It takes {name_of(target)}{signature}."
            raise BadArguments([Problem(BadArguments, what, site=_site(sys._getframe(1)), hint=hint)]) from None
    return Build(target, args, kwargs)


def opaque(x: Any) -> Any:
    """A value that is handed on as it is: never copied, never searched for references.

    Parameters:
        x: anything.

    Returns:
        A mark for use in a config or as a constant, typed `Any`.

    Example:
        >>> from mainspring import System
        >>> shared = []
        >>> with System({"env": {"log": opaque(shared)}}).started() as live:
        ...     live["env.log"] is shared
        True
    """
    return Opaque(x)


class Attach(Protocol):
    """A decorator that attaches a handler and gives it back."""

    def __call__(self, handler: Callable[Q, R], /) -> Callable[Q, R]:
        """Attach `handler`."""
        ...


class ComponentFunction(Unfinished, Generic[P, T]):
    """What `component` gives: called like the function it was made from, it gives a definition instead of an instance.

    Further handlers are attached with its methods, as decorators, before the first call.
    """

    __wrapped__: Callable[..., Any]
    __name__: str
    _parameters: Parameters

    def __init__(self, function: Callable[..., Any], slots: dict[str, Any]) -> None:
        self.__wrapped__ = function
        self.__name__ = name_of(function)
        self.__qualname__ = getattr(function, "__qualname__", self.__name__)
        self.__module__ = getattr(function, "__module__", __name__)
        self.__doc__ = slots["doc"]
        self._slots = slots
        self._spec: Spec | None = None
        self._slots["handlers"] = dict(slots.get("handlers") or {})
        for slot in ("pre", "post"):
            self._slots[slot] = {signal: named(given) for signal, given in dict(slots.get(slot) or {}).items()}
        Spec(self._slots)  # so that slots that do not fit together are an error here

    @property
    def function(self) -> Callable[P, Any]:
        """The undecorated function, class or callable."""
        return cast("Callable[P, Any]", self.__wrapped__)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Component[T]:
        """A definition with these arguments, any of which may be or hold a reference.

        Raises:
            BadArguments: an argument is missing or unknown, or cannot be part of a definition.
        """
        spec = self._spec
        if spec is None:
            spec = self._freeze()
        parameters = self._parameters
        frame = sys._getframe(1)
        config: dict[str, Any] = kwargs  # a dict of our own: the call made it
        if args or parameters.awkward:
            config = self._bind(parameters, args, kwargs, frame)
        else:
            for name in parameters.required:
                if name not in config:
                    raise self._wrong(parameters, config, frame)
        accepts = parameters.accepts
        shape = ATOMS
        for name, value in config.items():
            if name not in accepts and not parameters.open:
                raise self._wrong(parameters, config, frame)
            kind = type(value)
            if kind is Ref:
                shape = shape or FLAT
            elif kind not in _PLAIN:
                shape = NESTED
        if shape == NESTED:
            try:
                config, shape = frozen_config(config)
            except Unfit as unfit:
                raise unfit_problem(unfit, _site(frame)) from None
        new: Component[T] = _new(Component)
        new._spec, new._config, new._shape, new._bound = spec, config, shape, True
        new._code, new._instruction = frame.f_code, frame.f_lasti
        return new

    def define(self, config: Mapping[str, Any], *, site: Site | None = None) -> Component[T]:
        """A definition with a config that is data, such as one that was read from a file.

        Unlike a call it does not refuse arguments that are missing or unknown: these are found with all other problems of the
        system, by `System.check` and before a start.

        Parameters:
            config: arguments by name; may hold references.
            site: where it was written; where this is called, if not given.

        Returns:
            A definition.

        Raises:
            BadArguments: something in the config cannot be part of a definition.

        Example:
            >>> component(dict).define({"a": 1}).config
            {'a': 1}
        """
        spec = self._freeze() if self._spec is None else self._spec
        frame = sys._getframe(1)
        try:
            own, shape = frozen_config(dict(config))
        except Unfit as unfit:
            raise unfit_problem(unfit, site or _site(frame)) from None
        new: Component[T] = _new(Component)
        new._spec, new._config, new._shape, new._bound = spec, own, shape, False
        new._code, new._instruction = site or frame.f_code, frame.f_lasti
        return new

    def _freeze(self) -> Spec:
        self._spec = spec = Spec(self._slots)
        self._parameters = spec.parameters
        return spec

    def _bind(
        self, parameters: Parameters, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
    ) -> dict[str, Any]:
        if parameters.context in kwargs:
            raise self._wrong(parameters, kwargs, frame)
        signature = signature_of(self.__wrapped__)
        if signature is None:
            if not args:
                return kwargs
            what = f"{self.__name__} does not say what its parameters are called."
            hint = "Give its arguments by name."
            raise BadArguments([Problem(BadArguments, what, site=_site(frame), hint=hint)]) from None
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            raise self._wrong(parameters, kwargs, frame, args) from None
        if parameters.context in given:
            raise self._wrong(parameters, kwargs, frame, args)
        config: dict[str, Any] = {}
        for name, value in given.items():
            if signature.parameters[name].kind is signature.parameters[name].VAR_KEYWORD:
                config.update(value)
            else:
                config[name] = value
        return config

    def _wrong(
        self, parameters: Parameters, given: Mapping[str, Any], frame: FrameType, args: tuple[Any, ...] = ()
    ) -> BadArguments:
        by_position = [name for name in parameters.names if name not in given][: len(args)]
        missing, unknown = parameters.complaints([*by_position, *given])
        parts = []
        if missing:
            parts.append(
                f"without {_text.either(missing, 'and')}, which {'it needs' if len(missing) == 1 else 'are needed'}"
            )
        if unknown:
            parts.append(f"with {_text.either(unknown, 'and')}, which it does not take")
        if not parts:
            parts.append(f"with {len(args)} positional argument{'s' * (len(args) != 1)}, and it does not take them so")
        hint = f"It takes {self.__name__}({', '.join(_parameters(parameters))})."
        close = [f"{word}: {hint_}" for word in unknown if (hint_ := _near(word, parameters.names))]
        problem = Problem(
            BadArguments,
            f"{self.__name__}(...) is called {', and '.join(parts)}.",
            site=_site(frame),
            hint=" ".join([*close, hint]),
            details={"missing": missing, "unknown": unknown, "accepts": list(parameters.names)},
        )
        return BadArguments([problem])

    def _attach(self, slot: str, name: str | None, handler: Handler, signal: str = "") -> None:
        where = f"{slot} handler" if slot != "handlers" else f"{name} handler"
        what = None
        if self._spec is not None:
            what = f"A {where} is attached to {self.__name__} after it was called, and would miss what was made before."
        elif slot in ("pre", "post"):
            add_named(self._slots[slot].setdefault(signal, {}), handler, name)
        elif slot == "handlers":
            if name in ("start", "stop"):
                what = f"The {name} of {self.__name__} is what it was made from, and cannot be attached."
            elif name in self._slots["handlers"]:
                what = f"{self.__name__} has a {where} already."
            self._slots["handlers"][name] = handler
        else:
            if self._slots.get(slot) is not None:
                what = f"{self.__name__} has a {where} already."
            self._slots[slot] = handler
        if what is not None:
            code = getattr(handler, "__code__", None)
            site = Site(code.co_filename, code.co_firstlineno) if code else None
            hint = "Attach handlers right after the function, each once, before its first call."
            raise BadComponent([Problem(BadComponent, what, site=site, hint=hint)])

    def status(self, handler: Callable[Concatenate[T, Q], R], /) -> Callable[Concatenate[T, Q], R]:
        """Attach a handler that reports how the component is doing. It gets the instance."""
        self._attach("handlers", "status", handler)
        return handler

    def suspend(self, handler: Callable[Concatenate[T, Q], R], /) -> Callable[Concatenate[T, Q], R]:
        """Attach a handler that pauses the component. It gets the instance."""
        self._attach("handlers", "suspend", handler)
        return handler

    def resume(self, handler: Callable[Concatenate[T, Q], R], /) -> Callable[Concatenate[T, Q], R]:
        """Attach a handler that lets a suspended component go on. It gets the instance."""
        self._attach("handlers", "resume", handler)
        return handler

    def resolve(self, handler: Callable[Concatenate[T, Q], R], /) -> Callable[Concatenate[T, Q], R]:
        """Attach what makes of the instance that which others see of it. The component's own handlers get the instance."""
        self._attach("resolve", "resolve", handler)
        return handler

    def on(self, signal: str, /) -> Callable[[Callable[Concatenate[T, Q], R]], Callable[Concatenate[T, Q], R]]:
        """Attach a handler of any signal in the system's table. It gets the instance."""
        _refuse_bare(self, "on", signal)

        def attach(handler: Callable[Concatenate[T, Q], R]) -> Callable[Concatenate[T, Q], R]:
            self._attach("handlers", signal, handler)
            return handler

        return attach

    def pre(self, signal: str, /, *, name: str | None = None) -> Attach:
        """Attach a handler that is called before a signal's own.

        It gets the instance, or `None` before a start.

        Parameters:
            signal: the signal.
            name: what the handler is known by; the function's own name if not given. Of two with one name the later counts.
        """

        _refuse_bare(self, "pre", signal)

        def attach(handler: Callable[Q, R]) -> Callable[Q, R]:
            self._attach("pre", name, handler, signal)
            return handler

        return attach

    def post(self, signal: str, /, *, name: str | None = None) -> Attach:
        """Attach a handler that is called after a signal's own has succeeded.

        It gets the instance: after a stop, the one that was stopped.

        Parameters:
            signal: the signal.
            name: what the handler is known by; the function's own name if not given. Of two with one name the later counts.
        """

        _refuse_bare(self, "post", signal)

        def attach(handler: Callable[Q, R]) -> Callable[Q, R]:
            self._attach("post", name, handler, signal)
            return handler

        return attach

    def __repr__(self) -> str:
        return f"<component function {self.__name__}>"


def _refuse_bare(function: ComponentFunction[..., Any], method: str, signal: object) -> None:
    if not isinstance(signal, str):
        what = f"{function.__name__}.{method} is given {signal!r}, not the name of a signal."
        hint = f'Write @{function.__name__}.{method}("signal").'
        raise BadComponent([Problem(BadComponent, what, site=_site(sys._getframe(2)), hint=hint)])


def _parameters(parameters: Parameters) -> list[str]:
    shown = [name if name in parameters.required else f"{name}=..." for name in parameters.names]
    if parameters.rest:
        shown.append(f"*{parameters.rest}")
    return [*shown, "**..."] if parameters.open else shown


def _near(word: str, names: Iterable[str]) -> str:
    close = _text.near(word, names)
    return f"did you mean {_text.either(close)}?" if close else ""


def _site(frame: FrameType) -> Site:
    return site_of(frame.f_code, frame.f_lasti)


class _Decorator(Protocol):
    @overload
    def __call__(self, target: Callable[P, Generator[T, Any, Any]], /) -> ComponentFunction[P, T]: ...
    @overload
    def __call__(self, target: Callable[P, AsyncGenerator[T, Any]], /) -> ComponentFunction[P, T]: ...
    @overload
    def __call__(self, target: Callable[P, Iterator[T]], /) -> ComponentFunction[P, T]: ...
    @overload
    def __call__(self, target: Callable[P, AsyncIterator[T]], /) -> ComponentFunction[P, T]: ...
    @overload
    def __call__(self, target: Callable[P, Awaitable[T]], /) -> ComponentFunction[P, T]: ...
    @overload
    def __call__(self, target: Callable[P, T], /) -> ComponentFunction[P, T]: ...


class _EnterDecorator(Protocol):
    @overload
    def __call__(self, target: Callable[P, Entered[T]], /) -> ComponentFunction[P, T]: ...
    @overload
    def __call__(self, target: Callable[P, AsyncEntered[T]], /) -> ComponentFunction[P, T]: ...


@overload
def component(
    target: Callable[P, Entered[T]], /, *, enter: Literal[True], **slots: Unpack[Slots]
) -> ComponentFunction[P, T]: ...
@overload
def component(
    target: Callable[P, AsyncEntered[T]], /, *, enter: Literal[True], **slots: Unpack[Slots]
) -> ComponentFunction[P, T]: ...
@overload
def component(  # type: ignore[overload-cannot-match]
    target: Callable[..., Entered[T]], /, *, enter: Literal[True], **slots: Unpack[Slots]
) -> ComponentFunction[..., T]: ...  # for a class whose overloaded constructor a checker cannot take apart
@overload
def component(
    target: Callable[P, Generator[T, Any, Any]],
    /,
    *,
    stop: None = None,
    enter: Literal[False] = False,
    **slots: Unpack[Slots],
) -> ComponentFunction[P, T]: ...
@overload
def component(
    target: Callable[P, AsyncGenerator[T, Any]],
    /,
    *,
    stop: None = None,
    enter: Literal[False] = False,
    **slots: Unpack[Slots],
) -> ComponentFunction[P, T]: ...
@overload
def component(
    target: Callable[P, Iterator[T]], /, *, stop: None = None, enter: Literal[False] = False, **slots: Unpack[Slots]
) -> ComponentFunction[P, T]: ...
@overload
def component(
    target: Callable[P, AsyncIterator[T]],
    /,
    *,
    stop: None = None,
    enter: Literal[False] = False,
    **slots: Unpack[Slots],
) -> ComponentFunction[P, T]: ...
@overload
def component(
    target: Callable[P, Awaitable[T]],
    /,
    *,
    stop: Callable[[T], Any] | None = None,
    enter: Literal[False] = False,
    **slots: Unpack[Slots],
) -> ComponentFunction[P, T]: ...
@overload
def component(
    target: Callable[P, T],
    /,
    *,
    stop: Callable[[T], Any] | None = None,
    enter: Literal[False] = False,
    **slots: Unpack[Slots],
) -> ComponentFunction[P, T]: ...
@overload
def component(*, enter: Literal[True], **slots: Unpack[Slots]) -> _EnterDecorator: ...
@overload
def component(
    *, stop: Callable[..., Any] | None = None, enter: Literal[False] = False, **slots: Unpack[Slots]
) -> _Decorator: ...
def component(target: Any = ABSENT, /, *, stop: Handler | None = None, enter: bool = False, **slots: Any) -> Any:
    """Make a component function: called with arguments, it gives a definition instead of an instance.

    Parameters:
        target: a generator function, sync or async (what stands before the `yield` starts, what stands after it stops); a
            function, sync or async; a class (its `start` and `stop` methods, where it has them, are the handlers); or any
            callable. Left out, a decorator is returned.
        stop: gets the instance.
        enter: `target` gives a context manager that is to be entered at start and left at stop.
        slots: handlers, status, suspend, resume, pre, post, resolve, doc, tags, enabled, deadlines and the others, as for
            `Component`.

    Returns:
        A component function, or a decorator that makes one.

    Raises:
        BadComponent: the slots do not fit together.

    Example:
        >>> from mainspring import System
        >>> @component
        ... def greeting(name: str):
        ...     print("start")
        ...     yield f"Hello, {name}"
        ...     print("stop")
        >>> with System({"a": {"hello": greeting(name="you")}}).started() as live:
        ...     print(live["a.hello"])
        start
        Hello, you
        stop
    """
    site = _site(sys._getframe(1))
    check_slots(slots, site)

    def make(target: Any) -> ComponentFunction[..., Any]:
        try:
            return _component(target, stop, enter, dict(slots))
        except BadComponent as error:
            raise error.at(site) from None

    return make if target is ABSENT else make(target)


def _component(target: Any, stop: Handler | None, enter: bool, slots: dict[str, Any]) -> ComponentFunction[..., Any]:
    what = hint = None
    if isinstance(target, ComponentFunction):
        what, hint = f"{target!r} is made a component a second time.", "Leave one of the two away."
    elif not callable(target):
        what, hint = f"{target!r} cannot be called.", "Put a value into a group as it is; it is a constant then."
    elif enter and stop is not None:
        what, hint = (
            "A context manager is start and stop in one, and there is a stop beside it.",
            "Leave one of them away.",
        )
    if what is not None:
        raise BadComponent([Problem(BadComponent, what, hint=hint or "")])
    slots["doc"] = doc_of(target) if slots.get("doc") is None else slots["doc"]
    if enter or (stop is None and is_generator(target)):
        slots["scope"] = target
    else:
        slots["start"], slots["stop"] = target, stop
        if isinstance(target, type):
            _class_slots(target, slots)
    return ComponentFunction(target, slots)


def _class_slots(cls: type[Any], slots: dict[str, Any]) -> None:
    start, stop = getattr(cls, "start", None), getattr(cls, "stop", None)
    if callable(start):
        slots["start"] = (ConstructedAsync if is_async(start) else Constructed)(cls)
    if callable(stop) and slots["stop"] is None:
        # A static or a class method takes no instance; through the instance each kind is called as it wants to be.
        plain = isinstance(next((vars(c)["stop"] for c in cls.__mro__ if "stop" in vars(c)), None), FunctionType)
        slots["stop"] = stop if plain else lambda instance: instance.stop()


__all__ = [
    "ComponentFunction", "build", "component", "is_ref", "local_ref", "one_tagged", "opaque", "ref", "subsystem", "tagged",
]  # fmt: skip
