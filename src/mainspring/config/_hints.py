"""Annotations: what in them is secret, what stands where, and a form of them that pydantic understands as it is meant."""

from __future__ import annotations

import inspect
import sys
import typing
from collections import abc
from collections.abc import Iterator, Sequence
from enum import Enum
from types import UnionType
from typing import Any, Final, get_origin

from mainspring import Secret

from ..schemas import fields_of, has_fields, is_typed_dict, mapped, pydantic_for

Path = tuple[str | int, ...]
_PLAIN: Final = frozenset({str, int, float, bool, type(None), bytes, complex, dict, list, tuple, set, frozenset})


def sensible(hint: Any) -> Any:
    """A part of an annotation, in a way that pydantic checks what is meant and hands on what was given."""
    origin = get_origin(hint)
    if origin is typing.Annotated:
        inner, *more = typing.get_args(hint)
        kept = [one for one in more if not _is_marker(one)]
        return hint if len(kept) == len(more) else typing.Annotated[(inner, *kept)] if kept else inner
    if hint is Secret:
        return Any
    if origin is Secret:
        return typing.get_args(hint)[0]
    if is_typed_dict(hint):
        return _typed_dict(hint)
    kind: Any = origin or hint
    if kind in (abc.Iterable, abc.Collection, abc.Container):
        # Of these pydantic makes something that can be looked through once.
        item: Any = (typing.get_args(hint) or (Any,))[0]
        union: Any = typing.Union
        return union[_sequence[item], set[item], frozenset[item], dict[item, Any]]
    if kind in (abc.Iterator, abc.Generator):
        return pydantic_for("an annotation").InstanceOf[kind]
    if getattr(kind, "_is_protocol", False) and not getattr(kind, "_is_runtime_protocol", False):
        from pydantic import PlainValidator

        return typing.Annotated[Any, PlainValidator(_Structural(kind))]
    return hint


_sequence: Any = Sequence


def _typed_dict(hint: Any) -> Any:
    """A `TypedDict` as pydantic wants it: before Python 3.12 it takes those of typing_extensions only."""
    if sys.version_info >= (3, 12) or not typing.is_typeddict(hint):
        return hint
    from typing_extensions import TypedDict

    make: Any = TypedDict
    mark = {True: typing.Required, False: typing.NotRequired}
    fields = {
        name: _subscripted(mark[field.is_required], mapped(field.hint, sensible))
        for name, field in fields_of(hint).items()
    }
    return make(hint.__name__, fields)


def _subscripted(form: Any, inner: Any) -> Any:
    return form[inner]


class _Structural:
    """Refuses plain data where an object with certain attributes is asked for."""

    def __init__(self, protocol: Any) -> None:
        self._name = protocol.__name__
        own = [
            base for base in protocol.__mro__ if getattr(base, "_is_protocol", False) and base is not typing.Protocol
        ]
        names = {name for base in own for name in (*vars(base), *inspect.get_annotations(base))}
        self._names = {
            name for name in names if not name.startswith("_") or name in ("__call__", "__iter__", "__len__")
        }

    def __call__(self, value: Any) -> Any:
        if type(value) in _PLAIN and not all(hasattr(value, n) for n in self._names):
            from pydantic_core import PydanticCustomError

            raise PydanticCustomError("is_instance_of", "Input should be {class}", {"class": self._name})
        return value


def instances_of_secrets(hint: Any) -> Any:
    """For what is not converted: a handler that asks for a secret type is to get one."""
    if isinstance(hint, type) and is_secret(hint):
        return pydantic_for("an annotation").InstanceOf[hint]
    return hint


def _is_marker(one: Any) -> bool:
    return one is Secret or isinstance(one, Secret) or get_origin(one) is Secret


def is_secret(hint: Any) -> bool:
    """Whether an annotation says by itself that a value is secret."""
    origin = get_origin(hint)
    if origin is typing.Annotated:
        inner, *more = typing.get_args(hint)
        return any(map(_is_marker, more)) or is_secret(inner)
    if origin in (typing.Union, UnionType, typing.Required, typing.NotRequired):
        return any(map(is_secret, typing.get_args(hint)))
    if isinstance(hint, typing.NewType):
        return is_secret(hint.__supertype__)
    if (aliased := getattr(hint, "__value__", None)) is not None:  # of an alias that is written with `type`
        return is_secret(aliased)
    kind = origin or hint
    if kind is Secret:
        return True
    if not isinstance(kind, type):
        return False
    types = sys.modules.get("pydantic.types")  # where it was never loaded, nothing is annotated with its classes
    return types is not None and issubclass(kind, types.SecretStr | types.SecretBytes | types.Secret)


def holds_secrets(hint: Any) -> bool:
    """Whether an annotation, or anything inside of it, says that a value is secret."""
    return any(map(is_secret, _all_inside(hint, [])))


def _all_inside(hint: Any, seen: list[Any]) -> list[Any]:
    if any(hint is known for known in seen) or len(seen) > 1000:
        return seen
    seen.append(hint)
    for inner in typing.get_args(hint):
        if inner is not Ellipsis and get_origin(hint) is not typing.Literal and not isinstance(inner, list):
            _all_inside(inner, seen)
    if isinstance(hint, typing.NewType):
        _all_inside(hint.__supertype__, seen)
    if (aliased := getattr(hint, "__value__", None)) is not None:
        _all_inside(aliased, seen)
    for inner in fields_in(hint).values():
        _all_inside(inner, seen)
    return seen


def names_of(field: str, info: Any) -> list[str]:
    """The names under which a field of a model is given, as far as it is given under a name."""
    alias = info.validation_alias or info.alias
    if alias is None:
        return [field]
    return [name for name in getattr(alias, "choices", [alias]) if isinstance(name, str)]


def fields_in(hint: Any) -> dict[str, Any]:
    """The fields of a class that holds data, each under the name that it is given by, with its annotation."""
    kind: Any = get_origin(hint) or hint
    if isinstance(kind, type) and hasattr(kind, "model_fields"):
        settings: Any = getattr(kind, "model_config", {})
        both = settings.get("populate_by_name") or settings.get("validate_by_name")
        found: dict[str, Any] = {}
        for field, info in kind.model_fields.items():
            annotation: Any = info.annotation
            for name in (*names_of(field, info), *([field] if both else [])):
                found[name] = typing.Annotated[(annotation, *info.metadata)] if info.metadata else annotation
        return found
    if has_fields(kind):
        try:
            return {name: field.hint for name, field in fields_of(kind).items()}
        except Exception:
            return {}  # an annotation that names what is not there at run time, or makes no sense
    return {}


def _alternatives(hints: Sequence[Any]) -> Iterator[Any]:
    """What a value may be by some annotations, one by one."""
    for hint in hints:
        origin = get_origin(hint)
        if origin is typing.Annotated:
            yield from _alternatives(typing.get_args(hint)[:1])
        elif origin in (typing.Union, UnionType, typing.Required, typing.NotRequired, Secret):
            yield from _alternatives(typing.get_args(hint))
        elif isinstance(hint, typing.NewType):
            yield from _alternatives([hint.__supertype__])
        elif (aliased := getattr(hint, "__value__", None)) is not None:
            yield from _alternatives([aliased])
        else:
            yield hint


def inside(hints: Sequence[Any], part: Any) -> list[Any]:
    """The annotations of what stands under a part of a place."""
    found: list[Any] = []
    for hint in _alternatives(hints):
        fields = fields_in(hint)
        args = typing.get_args(hint)
        origin = get_origin(hint)
        if fields:
            found += [fields[part]] if part in fields else []
        elif not args or origin is typing.Literal:
            continue
        elif origin is tuple and args[-1] is not Ellipsis:
            found += [args[part]] if isinstance(part, int) and part < len(args) else []
        elif isinstance(origin, type) and issubclass(origin, abc.Mapping):
            found += args[1:]
        else:
            found += args[:1]
    return found


def hints_at(hints: Sequence[Any], at: Path) -> list[Any]:
    for part in at:
        hints = inside(hints, part)
    return list(hints)


def is_secret_at(hints: Sequence[Any], at: Path) -> bool:
    """Whether what stands at a place, or anything in it, is secret by its annotation."""
    for n in range(len(at) + 1):
        reached = hints_at(hints, at[:n])
        if any(map(is_secret, reached)) or (n == len(at) and any(map(holds_secrets, reached))):
            return True
    return False


def fields_at(hints: Sequence[Any], at: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for hint in _alternatives(hints_at(hints, at)) for name in fields_in(hint)))


def choices_at(hints: Sequence[Any], at: Path) -> tuple[str, ...]:
    """The values of the literals and enumerations at a place, as text."""
    found: list[str] = []
    for hint in _alternatives(hints_at(hints, at)):
        if get_origin(hint) is typing.Literal:
            found += map(str, typing.get_args(hint))
        elif isinstance(hint, type) and issubclass(hint, Enum):
            found += [str(member.value) for member in hint]
    return tuple(found)


def is_closed(hint: Any) -> bool:
    """Whether a class takes its own fields only, and pydantic would drop any other without a word."""
    return has_fields(hint) and not getattr(hint, "__pydantic_config__", {}).get("extra")


def holds_closed(hint: Any) -> bool:
    """Whether an annotation is one of such a class, or anything inside of it."""
    return any(map(is_closed, _all_inside(hint, [])))


def unknown_keys(hints: Sequence[Any], value: Any, at: Path = ()) -> Iterator[Path]:
    """The places of keys in plain data that are no fields of the class that is made of it."""
    if isinstance(value, dict):
        takers = [hint for hint in _alternatives(hints) if _takes_mappings(hint)]
        fields = fields_in(takers[0]) if len(takers) == 1 and is_closed(takers[0]) else None
        for key, part in value.items():
            place = (*at, key if isinstance(key, str | int) else str(key))
            if fields is not None and key not in fields:
                yield place
            elif len(takers) == 1:
                yield from unknown_keys(inside(takers, key), part, place)
    elif isinstance(value, list | tuple):
        for n, part in enumerate(value):
            yield from unknown_keys(inside(hints, n), part, (*at, n))


def _takes_mappings(hint: Any) -> bool:
    kind: Any = get_origin(hint) or hint
    if not isinstance(kind, type):
        return True
    return bool(fields_in(kind)) or has_fields(kind) or issubclass(dict, kind) or issubclass(kind, abc.Mapping)
