"""What checking by schemas has in common, whoever checks: what a callable is annotated with, the fields of classes, adapters.

Pydantic is loaded when it is asked for.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections import abc
from collections.abc import Callable, Sequence
from types import GenericAlias, UnionType
from typing import Any, Final, NamedTuple, get_origin

from . import Component, Context, MissingExtra

__all__ = [
    "Field", "Hints", "adapter_of", "as_given", "defaults_of", "fields_of", "has_fields", "hints_of", "is_plain_kind",
    "is_typed_dict", "mapped", "name_of", "parameters_of", "pydantic_for", "target_of",
]  # fmt: skip


def pydantic_for(needed_for: str, extra: str = "pydantic") -> Any:
    """The module pydantic.

    Parameters:
        needed_for: what was asked for, as the error says it.
        extra: the extra that brings it.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import pydantic
    except ImportError:
        raise MissingExtra(extra, needed_for[:1].upper() + needed_for[1:]) from None
    return pydantic


def adapter_of(schema: Any, needed_for: str = "an annotation") -> Any:
    """What of pydantic checks a type; classes that it does not know are checked by `isinstance`.

    Raises:
        MissingExtra: pydantic is not installed.
        Exception: whatever pydantic raises of what it cannot make sense of.
    """
    pydantic = pydantic_for(needed_for)
    try:
        return pydantic.TypeAdapter(schema, config={"arbitrary_types_allowed": True})
    except pydantic.PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
    return pydantic.TypeAdapter(schema)


# Of these kinds pydantic's text speaks of the schema only; others may hold parts of the value.
_PLAIN_KINDS: Final = ("missing", "is_instance_of", "literal_error", "enum", "extra_forbidden")


def is_plain_kind(kind: str) -> bool:
    """Whether pydantic's text for this kind of error says nothing of the value that it found."""
    return kind.endswith("_type") or kind in _PLAIN_KINDS


# --- Callables --------------------------------------------------------------------------------------------------------


class Hints(NamedTuple):
    """What the parameters of a callable are annotated with, as far as that can be made sense of.

    Parameters:
        named: by parameter; what takes any number of arguments by position is annotated as a sequence.
        rest: the annotation of what takes any other argument by name, as a tuple of one; empty if there is none.
    """

    named: dict[str, Any]
    rest: tuple[Any, ...] = ()


def target_of(definition: Component[Any]) -> Any:
    """The callable that gets the config of a component; `None` where its start is just a value."""
    target = definition.scope or definition.start
    return target if callable(target) else None


def defaults_of(definition: Component[Any]) -> dict[str, Any]:
    """The defaults of the parameters that get a component's config."""
    try:
        found = inspect.signature(target_of(definition) or dict).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in found if p.default is not p.empty and p.default is not Context.here}


def parameters_of(definition: Component[Any]) -> list[str] | None:
    """The parameters that get a component's config; `None` where it takes any."""
    target = target_of(definition)
    try:
        found = inspect.signature(target).parameters.values() if target is not None else ()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in found):
        return None
    return [parameter.name for parameter in found if parameter.default is not Context.here]


def hints_of(target: Any) -> Hints:
    """What the parameters of a callable are annotated with.

    A parameter that is not annotated, that gets the `Context`, or whose annotation names what is not there at run time is left
    out.

    Example:
        >>> def connect(dsn: str, *hosts: "int", ctx: Context = Context.here, **more: float): ...
        >>> hints_of(connect)
        Hints(named={'dsn': <class 'str'>, 'hosts': collections.abc.Sequence[int]}, rest=(<class 'float'>,))
    """
    named: dict[str, Any] = {}
    rest: tuple[Any, ...] = ()
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError, NameError):
        return Hints(named)
    function = target.__init__ if isinstance(target, type) else getattr(target, "func", target)  # type: ignore[misc]
    if not hasattr(function, "__globals__"):
        function = getattr(type(function), "__call__", function)  # noqa: B004 - the class's own, for its module
    # What only stands in for a function, as that of a background component does, has at least its module.
    module = sys.modules.get(getattr(target, "__module__", None) or "")
    names = {**getattr(function, "__globals__", {}), **(vars(module) if module is not None else {})}
    for parameter in parameters:
        if parameter.annotation is parameter.empty or parameter.default is Context.here:
            continue
        try:
            hint = _resolved(parameter.annotation, names)
            if parameter.kind is parameter.VAR_KEYWORD:
                rest = (hint,)
            else:
                named[parameter.name] = _sequence[hint] if parameter.kind is parameter.VAR_POSITIONAL else hint
        except Exception:
            pass  # a name that is not there at run time: nothing can be said
    return Hints(named, rest)


_sequence: Any = Sequence  # to be given items that are known at run time only


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    return typing.get_type_hints(holder, globalns=names, include_extras=True)["it"]


def as_given(hint: Any) -> Any:
    """An annotation for checking an argument that will not be converted.

    Pydantic would take a dict for a model; a handler that is given one would not.
    """
    pydantic = pydantic_for("an annotation")

    def instance(part: Any) -> Any:
        return pydantic.InstanceOf[part] if isinstance(part, type) and hasattr(part, "model_validate") else part

    return mapped(hint, instance)


def mapped(hint: Any, each: Callable[[Any], Any]) -> Any:
    """An annotation made anew, with `each` applied to its innermost parts first, then to what is made of them.

    Where nothing is changed, it is the same object.

    Example:
        >>> mapped(list[int | None], lambda part: str if part is int else part)
        list[typing.Optional[str]]
    """
    origin: Any = get_origin(hint)
    args = typing.get_args(hint)
    if origin is None or origin is abc.Callable or origin is typing.Literal or not args:
        return each(hint)
    if origin is typing.Annotated:
        inner = mapped(args[0], each)
        return each(hint if inner is args[0] else typing.Annotated[(inner, *args[1:])])
    made = tuple(mapped(arg, each) if arg is not Ellipsis else arg for arg in args)
    if all(new is old for new, old in zip(made, args, strict=True)):
        return each(hint)
    if origin in (typing.Union, UnionType):
        union: Any = typing.Union
        return each(union[made])
    if isinstance(hint, GenericAlias):
        return each(GenericAlias(origin, made))
    return each(hint.copy_with(made) if hasattr(hint, "copy_with") else hint)


# --- Classes that hold data -------------------------------------------------------------------------------------------


class Field(NamedTuple):
    """One field of a dataclass or a `TypedDict`.

    Parameters:
        hint: its annotation, without the marks of a `TypedDict`.
        is_required: whether it has to be given.
    """

    hint: Any
    is_required: bool


def has_fields(schema: Any) -> bool:
    """Whether a class holds data, and a config can be checked by its fields: a dataclass or a `TypedDict`."""
    return isinstance(schema, type) and (dataclasses.is_dataclass(schema) or is_typed_dict(schema))


def is_typed_dict(schema: Any) -> bool:
    """Whether a class is a `TypedDict`, of typing or of typing_extensions."""
    return isinstance(schema, type) and issubclass(schema, dict) and hasattr(schema, "__required_keys__")


def fields_of(schema: Any) -> dict[str, Field]:
    """The fields of a dataclass that can be given to it, or of a `TypedDict`.

    Raises:
        NameError: an annotation names what is not there at run time.
    """
    hints = typing.get_type_hints(schema, include_extras=True)
    if dataclasses.is_dataclass(schema):
        return {
            field.name: Field(
                hints[field.name],
                field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            )
            for field in dataclasses.fields(schema)
            if field.init
        }
    known = getattr(schema, "__required_keys__", frozenset(hints))
    # Python cannot tell where annotations are texts; the resolved ones say it themselves.
    return {
        name: Field(
            _bare(hint),
            get_origin(hint) is typing.Required or (get_origin(hint) is not typing.NotRequired and name in known),
        )
        for name, hint in hints.items()
    }


def _bare(hint: Any) -> Any:
    while get_origin(hint) in (typing.Required, typing.NotRequired):
        (hint,) = typing.get_args(hint)
    return hint


def name_of(schema: Any) -> str:
    """The name by which a person knows a schema.

    Example:
        >>> name_of(int), name_of(list[int])
        ('int', 'list[int]')
    """
    if get_origin(schema) is not None:
        return str(schema)
    return getattr(schema, "__qualname__", None) or repr(schema)
