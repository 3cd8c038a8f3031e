"""What a callable takes and what it gives; and the context in which a handler is called."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from .. import _text
from ..errors import StateError

if TYPE_CHECKING:
    from inspect import Signature
    from typing import Protocol

    from .model import Component

    class Stopping(Protocol):
        """Tells a background component that it is to stop: await it in a coroutine, call `wait` in a thread."""

        def is_set(self) -> bool:
            """Whether it is to stop."""
            ...

        def __bool__(self) -> bool: ...

        def wait(self, timeout: float | None = None) -> bool:
            """Wait, in a thread, for so many seconds at most; then say whether it is to stop."""
            ...

        def __await__(self) -> Generator[Any, Any, None]: ...

# `inspect` is imported where it is used: loading it takes as long as loading all of Mainspring, and a program that only
# imports the package, a linter or a command line asked for its help, has no use for it.

Handler = Callable[..., Any]


class Id(NamedTuple):
    """A component id.

    Parameters:
        group: the component group's name.
        name: the component's name in the group.

    Example:
        >>> str(Id("db", "pool"))
        'db.pool'
        >>> str(Id("db", "my.pool"))
        'db."my.pool"'
    """

    group: str
    name: str

    def __str__(self) -> str:
        return _text.dotted(self)


class Context:
    """What a handler can be told beyond its instance. A handler asks for it with a parameter whose default is `Context.here`.

    Parameters:
        id: the component.
        signal: the signal being sent.
        handler: which handler this is: the signal's name, or for example "pre start: announce".
        config: the resolved config with which the component was started, or is being started.
        instance: the component's own instance, `None` before it has one.
        system: the system's name, or `None`.
        stopping: in a background component, what tells it that it is to stop; elsewhere `None`.
        definition: the component's definition.
        meta: a dict of the component's own, in which handlers may keep what they like: from its first start until the live
            system is gone. `live.meta` gives it to others.

    Example:
        >>> from mainspring import Component, System
        >>> def start(size, ctx=Context.here):
        ...     return f"{ctx.id} with {size}"
        >>> with System({"a": {"b": Component(start, config={"size": 3})}}).started() as live:
        ...     live["a.b"]
        'a.b with 3'
    """

    __slots__ = (
        "_crash",
        "_on_give_up",
        "_part",
        "_ready",
        "_shown",
        "config",
        "definition",
        "handler",
        "id",
        "instance",
        "meta",
        "signal",
        "stopping",
        "system",
    )

    here: ClassVar[Context]

    def __init__(
        self,
        id: Id,
        signal: str,
        handler: str,
        config: Mapping[str, Any],
        instance: Any,
        system: str | None,
        crash: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.id, self.signal, self.handler = id, signal, handler
        self.config, self.instance, self.system = config, instance, system
        self.definition: Component[Any]
        self.meta: dict[str, Any]
        self._part: Callable[..., Any]  # gives the handle on a subsystem
        self._shown: Callable[[], dict[str, Any]]
        self._crash = crash
        self._ready: Callable[[Any], None] | None = None
        self._on_give_up: Callable[[Callable[[], object]], object] | None = None
        # Typed as what it is in a background component: elsewhere nobody asks for it.
        self.stopping: Stopping = None  # type: ignore[assignment]

    def crash(self, error: BaseException) -> None:
        """Say that the component broke by itself while it was running. May be called from any thread or task.

        Parameters:
            error: why. It comes out of the `with` block around the system, or of `live.join()`.
        """
        if self._crash is not None:
            self._crash(error)

    @property
    def shown(self) -> Mapping[str, Any]:
        """The config as it may be shown: references resolved, and secrets masked."""
        return self._shown()

    def ready(self, instance: Any = None) -> None:
        """Say, in a background component, that it is ready.

        Parameters:
            instance: what others see of it.

        Raises:
            StateError: this is no background component.
        """
        if self._ready is None:
            raise StateError(
                "Only a background component says that it is ready; what others return or yield is their instance."
            )
        self._ready(instance)

    def __repr__(self) -> str:
        if self is Context.here:
            return "Context.here"
        return f"<Context {self.id}, {self.handler}>"


Context.here = object.__new__(Context)


# --- Signatures -------------------------------------------------------------------------------------------------------


def signature_of(target: Handler) -> Signature | None:
    """The signature of a callable; `None` for one of C that does not say what it takes."""
    import inspect

    try:
        return inspect.signature(target)
    except (ValueError, TypeError):
        return None


def doc_of(target: Any) -> str | None:
    """A callable's own docstring, cleaned; not the one of its type."""
    import inspect

    doc = inspect.getdoc(target)
    return None if doc == inspect.getdoc(type(target)) else doc


class Parameters:
    """The parameters of a start handler, as far as they concern a config."""

    __slots__ = (
        "accepts",
        "awkward",
        "context",
        "defaults",
        "names",
        "open",
        "positional",
        "required",
        "rest",
        "simple",
    )

    def __init__(self, target: Handler) -> None:
        self.context: str | None = None
        self.positional: tuple[str, ...] = ()
        self.rest: str | None = None
        self.defaults: dict[str, Any] = {}  # needed only to give *args without what stands before it
        self.open = False
        names: list[str] = []
        required: list[str] = []
        signature = signature_of(target)
        if signature is None:
            self.open = True
        else:
            for name, parameter in signature.parameters.items():
                if parameter.default is Context.here:
                    self.context = name
                elif parameter.kind is parameter.VAR_KEYWORD:
                    self.open = True
                elif parameter.kind is parameter.VAR_POSITIONAL:
                    self.rest = name
                    self.positional = tuple(names)  # what stands before *args can then only be given by position
                    self.defaults = {
                        known: other.default
                        for known, other in signature.parameters.items()
                        if other.default is not other.empty
                    }
                else:
                    names.append(name)
                    if parameter.kind is parameter.POSITIONAL_ONLY:
                        self.positional = (*self.positional, name)
                    if parameter.default is parameter.empty:
                        required.append(name)
        self.names = tuple(names)
        self.required = tuple(required)
        self.accepts = frozenset(names) | ({self.rest} if self.rest else frozenset())
        self.awkward = self.open or self.context is not None
        self.simple = not self.positional and self.rest is None and self.context is None

    def complaints(self, given: Iterable[str]) -> tuple[list[str], list[str]]:
        """The required names that are missing in `given`, and those in it that are not taken."""
        given = list(given)
        missing = [name for name in self.required if name not in given]
        unknown = [] if self.open else [name for name in given if name not in self.accepts]
        return missing, unknown

    def arguments(self, config: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """A resolved config as the positional and the named arguments of a call."""
        named = dict(config)
        args: list[Any] = []
        extra = named.pop(self.rest, ()) if self.rest else ()
        if self.rest is None or extra:
            for name in self.positional:
                if name not in named and not (extra and name in self.defaults):
                    break
                args.append(named.pop(name) if name in named else self.defaults[name])
        args.extend(extra)
        return args, named


def context_parameter(handler: Handler) -> str | None:
    """The name of the parameter in which a handler wants its `Context`, if it does."""
    signature = signature_of(handler)
    if signature is None:
        return None
    return next((name for name, p in signature.parameters.items() if p.default is Context.here), None)


HIDDEN: Final = "_context"  # takes the context where a callable itself does not ask for it


def with_hidden_context(target: Handler) -> Signature:
    """The signature of a callable, with one more parameter in which it is handed its context."""
    import inspect

    hidden = inspect.Parameter(HIDDEN, inspect.Parameter.KEYWORD_ONLY, default=Context.here)
    signature = signature_of(target)
    if signature is None:  # of C, and taking whatever it takes
        return inspect.Signature([hidden, inspect.Parameter("rest", inspect.Parameter.VAR_KEYWORD)])
    known = list(signature.parameters.values())
    at = len(known) - any(p.kind is p.VAR_KEYWORD for p in known)
    return signature.replace(parameters=[*known[:at], hidden, *known[at:]])


# --- Kinds ------------------------------------------------------------------------------------------------------------


def is_generator(target: Any) -> bool:
    """Whether a callable is a generator function, sync or async."""
    import inspect

    return inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target)


def is_async(handler: Any) -> bool:
    """Whether calling a handler gives something to be awaited or iterated asynchronously."""
    import inspect

    if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
        return True
    call = getattr(type(handler), "__call__", None)  # noqa: B004 - the class's own, to look at its flags
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
