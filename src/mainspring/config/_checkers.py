"""Checking and converting one value by an annotation or a schema, and saying in plain words what does not fit."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Final, NamedTuple, get_origin
from weakref import WeakKeyDictionary, WeakValueDictionary

from mainspring import BadValue, Problem

from .. import _text
from ..schemas import adapter_of, as_given, fields_of, hints_of, is_plain_kind, mapped, name_of
from ._hints import choices_at, fields_at, holds_closed, holds_secrets, instances_of_secrets, sensible, unknown_keys
from ._words import a, a_type, short

Path = tuple[str | int, ...]
CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})


class Misfit(NamedTuple):
    """One thing that does not fit.

    Parameters:
        at: the place, from what was checked on.
        expected: what would fit, in words.
        by: what is said instead where the words could hold a secret.
        is_ours: whether the words say nothing of the value.
        kind: "value", "missing", "extra" or "instance".
        candidates: the values or names that there are.
    """

    at: Path
    expected: str
    by: str
    is_ours: bool = True
    kind: str = "value"
    candidates: tuple[str, ...] = ()

    def guarded(self) -> Misfit:
        """The same without words that could hold a secret."""
        return self if self.is_ours else self._replace(expected=self.by, is_ours=True)


def missing(at: Path) -> Misfit:
    return Misfit(at, "a value", "a value", kind="missing")


def part_of_path(part: Any) -> str | int:
    return part if type(part) in (str, int) else str(part)


# --- Words ------------------------------------------------------------------------------------------------------------

_INT, _NUMBER, _BOOL = "a whole number", "a number", "true or false"
_LIST, _MAPPING, _FIELDS = "a list", "a mapping", "a mapping with the fields of {class_name}"

# What would fit, by pydantic's name of the error.
_EXPECTED: Final = {
    "int_type": _INT, "int_parsing": _INT, "int_from_float": _INT, "int_parsing_size": "a whole number of fewer digits",
    "float_type": _NUMBER, "float_parsing": _NUMBER, "finite_number": "a finite number", "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER, "decimal_max_digits": "a number of at most {max_digits} digits",
    "decimal_max_places": "a number of at most {decimal_places} decimal places",
    "decimal_whole_digits": "a number of at most {whole_digits} digits before the point",
    "complex_type": "a complex number", "complex_str_parsing": "a complex number",
    "bool_type": _BOOL, "bool_parsing": _BOOL, "string_type": "text", "string_unicode": "text", "string_sub_type": "text",
    "string_too_short": "text of {min_length} or more characters",
    "string_too_long": "text of {max_length} or fewer characters",
    "string_pattern_mismatch": "text that matches {pattern}", "string_not_ascii": "text in ASCII",
    "bytes_type": "bytes", "bytes_invalid_encoding": "bytes in {encoding}",
    "bytes_too_short": "{min_length} or more bytes", "bytes_too_long": "{max_length} or fewer bytes",
    "none_required": "nothing", "missing": "a value",
    "greater_than": "more than {gt}", "greater_than_equal": "{ge} or more", "less_than": "less than {lt}",
    "less_than_equal": "{le} or less", "multiple_of": "a multiple of {multiple_of}",
    "too_short": "{min_length} or more items", "too_long": "{max_length} or fewer items",
    "list_type": _LIST, "tuple_type": _LIST, "set_type": "a set", "frozen_set_type": "a set", "iterable_type": _LIST,
    "sequence_str": _LIST, "dict_type": _MAPPING, "mapping_type": _MAPPING, "model_type": _FIELDS,
    "model_attributes_type": _FIELDS, "dataclass_type": _FIELDS, "dataclass_exact_type": "an instance of {class_name}",
    "is_subclass_of": "a class derived from {class}", "callable_type": "something that can be called",
    "literal_error": "{expected}", "enum": "{expected}",
    "datetime_past": "a time in the past", "datetime_future": "a time in the future",
    "date_past": "a date in the past", "date_future": "a date in the future",
    "url_scheme": "a URL that begins with {expected_schemes}", "url_too_long": "a URL of {max_length} or fewer characters",
    "path_not_file": "the path of a file that exists", "path_not_directory": "the path of a folder that exists",
    "path_exists": "a path at which there is nothing yet", "path_type": "a path", "pattern_type": "a regular expression",
    "pattern_regex": "a regular expression", "union_tag_not_found": "a mapping with the key {discriminator}",
    "union_tag_invalid": "a mapping with the key {discriminator}, which is {expected_tags}",
}  # fmt: skip
_EXPECTED_BY_PREFIX: Final = {
    "datetime_": "a date with a time such as 2026-11-21T12:30:00",
    "date_": "a date such as 2026-11-21",
    "time_delta_": "a time span in seconds or such as PT90M",
    "timezone_": "a time zone as this one asks for it",
    "time_": "a time such as 12:30:00",
    "url_": "a URL such as https://example.com",
    "uuid_": "a UUID",
    "json_": "text in JSON",
    "ip_v4_": "an IPv4 {what}",
    "ip_v6_": "an IPv6 {what}",
    "ip_any_": "an IP {what}",
}
_EXTRA: Final = ("extra_forbidden", "unexpected_keyword_argument", "no_such_attribute")
_MISSING: Final = ("missing", "missing_argument", "missing_keyword_only_argument")


def _expected(kind: str, message: str, context: Mapping[str, Any], name: str) -> tuple[str, bool]:
    """What would fit, in words, and whether these say nothing of the value."""
    if kind == "is_instance_of":
        wanted = str(context["class"])
        return {"Sequence": _LIST, "Mapping": _MAPPING}.get(wanted) or a(wanted), True
    words = _EXPECTED.get(kind) or next((w for p, w in _EXPECTED_BY_PREFIX.items() if kind.startswith(p)), None)
    if words is not None:
        known = {key: value for key, value in context.items() if key not in ("error", "tag")}
        return words.format_map({**known, "what": kind.rpartition("_")[2]}), True
    for begin in ("Value error, ", "Assertion failed, ", "Input should be "):
        if message.startswith(begin):
            message = message.removeprefix(begin)
            break
    if kind in ("value_error", "assertion_error"):
        return f"what {name} accepts (it says: {short(message, 200)})", False
    return short(message, 200), is_plain_kind(kind)


class _Label(str):
    """The part of a place by which pydantic names one choice of several."""

    __slots__ = ()


def _steps(value: Any, at: Sequence[Any], is_missing: bool) -> Path:
    """A place as pydantic tells it, with labels marked as such."""
    steps: list[str | int] = []
    for n, part in enumerate(at):
        is_item = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if is_item or (isinstance(value, Mapping) and part in value):
            value = value[part]
        elif not (is_missing and n == len(at) - 1):
            steps += [_Label(part)] if isinstance(part, str) else []
            continue
        steps.append(part_of_path(part))
    return tuple(steps)


def _collapsed(errors: Sequence[Misfit]) -> list[Misfit]:
    """What does not fit, where none of several choices does: as one, or by the only choice that comes near."""
    found: list[Misfit] = []
    choices: dict[Path, dict[str, list[Misfit]]] = {}
    for error in errors:
        n = next((n for n, part in enumerate(error.at) if isinstance(part, _Label)), None)
        if n is None:
            found.append(error)
            continue
        inner = error._replace(at=(*error.at[:n], *error.at[n + 1 :]))
        choices.setdefault(error.at[:n], {}).setdefault(str(error.at[n]), []).append(inner)
    for at, by_label in choices.items():
        branches = {label: _collapsed(inner) for label, inner in by_label.items()}
        deep = [branch for branch in branches.values() if any(len(error.at) > len(at) for error in branch)]
        if len(branches) == 1 or len(deep) == 1:
            found += (deep or list(branches.values()))[0]
            continue
        words = [
            error.expected if len(error.at) == len(at) else a(label)
            for label, branch in branches.items()
            for error in branch[:1]
        ]
        parts = [error for branch in branches.values() for error in branch]
        by = _text.either(list(dict.fromkeys(words)))
        is_ours = all(error.is_ours for error in parts)
        candidates = tuple(dict.fromkeys(c for error in parts for c in error.candidates if error.kind == "value"))
        found.append(Misfit(at, by, parts[0].by, is_ours, "value", candidates))
    return found


# --- Checkers ---------------------------------------------------------------------------------------------------------


class Checker:
    """Checks and converts a value by an annotation or a schema.

    Parameters:
        schema: which.
        hints: for finding what is secret, and the nearest names; none where it says nothing of that.
    """

    is_called = False

    def __init__(self, schema: Any, hints: tuple[Any, ...] = ()) -> None:
        self.schema, self.hints = schema, hints
        self.name = _named(schema)
        self.has_secrets = any(map(holds_secrets, hints))
        self.converter = Converter(self)

    def check(self, value: Any, convert: bool, as_model: bool = False) -> tuple[Any, Sequence[Misfit]]:
        """What a value is converted to, or what does not fit."""
        raise NotImplementedError


class _TypeChecker(Checker):
    """By a type, with pydantic.

    Raises:
        Exception: whatever pydantic raises of what it cannot make sense of.
    """

    def __init__(self, schema: Any) -> None:
        super().__init__(schema, (schema,))
        self._lax: Any = adapter_of(mapped(schema, sensible)).validator.validate_python
        self._strict: Any = None
        self._model: Any = None
        self._is_closed = holds_closed(schema)

    def check(self, value: Any, convert: bool, as_model: bool = False) -> tuple[Any, Sequence[Misfit]]:
        made, errors = self._checked(value, convert, as_model)
        if not self._is_closed:
            return made, errors
        extra = [at for at in unknown_keys(self.hints, value) if not any(error.at == at for error in errors)]
        return made, [*errors, *map(self._extra, extra)]

    def _extra(self, at: Path) -> Misfit:
        names = fields_at(self.hints, at[:-1])
        expected = short(", ".join(names), 200) if names else "there are none"
        return Misfit(at, expected, "", True, "extra", names)

    def _checked(self, value: Any, convert: bool, as_model: bool) -> tuple[Any, Sequence[Misfit]]:
        try:
            if convert:
                return self._lax(value), ()
            if as_model:
                return self._as_model()(value, strict=True), ()
            if self._strict is None:
                self._strict = adapter_of(
                    mapped(as_given(mapped(self.schema, sensible)), instances_of_secrets)
                ).validator
            return self._strict.validate_python(value, strict=True), ()
        except Exception as error:
            # What settings objects of pydantic hold as secret is plain text to a handler that asks for that.
            reveal = getattr(value, "get_secret_value", None)
            if convert and callable(reveal) and not isinstance(value, type):
                made, errors = self._checked(reveal(), convert, as_model)
                return (value, errors) if errors else (made, ())
            return value, self._told(value, error)

    def _as_model(self) -> Any:
        if self._model is None:
            self._model = adapter_of(self.schema).validator.validate_python
        return self._model

    def _told(self, value: Any, error: Exception) -> list[Misfit]:
        from pydantic import PydanticUserError, ValidationError

        by = f"what {self.name} accepts"
        if isinstance(error, PydanticUserError):
            return []  # a class that is not complete: nothing can be said
        if not isinstance(error, ValidationError):
            return [Misfit((), f"{by} (it raised {type(error).__name__}: {short(str(error), 200)})", by, False)]
        found = []
        for one in error.errors(include_url=False, include_input=False):
            kind = one["type"]
            at = _steps(value, one["loc"], kind in _MISSING)
            expected, is_ours = _expected(kind, one["msg"], one.get("ctx", {}), self.name)
            candidates: tuple[str, ...] = ()
            sort = "value"
            if kind in _EXTRA:
                found.append(self._extra(at))
                continue
            if kind in _MISSING:
                sort = "missing"
            elif kind == "is_instance_of":
                sort = "instance"
            elif kind in ("literal_error", "enum"):
                candidates = choices_at(self.hints, at)
            found.append(Misfit(at, expected, by, is_ours, sort, candidates))
        return _collapsed(found)


class _MappingChecker(Checker):
    """By a mapping of names to schemas."""

    def __init__(self, schema: Mapping[Any, Any]) -> None:
        super().__init__(schema)
        self._by_name = {name: checker_of(inner) for name, inner in schema.items()}
        self.has_secrets = any(checker is not None and checker.has_secrets for checker in self._by_name.values())

    def check(self, value: Any, convert: bool, as_model: bool = False) -> tuple[Any, Sequence[Misfit]]:
        if not isinstance(value, Mapping):
            return value, [Misfit((), _MAPPING, _MAPPING)]
        made, errors = dict(value), []
        for name, checker in self._by_name.items():
            if name in value and checker is not None:
                made[name], found = checker.check(value[name], convert)
                errors += [error._replace(at=(part_of_path(name), *error.at)) for error in found]
        return made, errors


class _CallableChecker(Checker):
    """By a callable that raises an error or returns `False`."""

    is_called = True

    def check(self, value: Any, convert: bool, as_model: bool = False) -> tuple[Any, Sequence[Misfit]]:
        by = f"what {self.name} accepts"
        try:
            result = self.schema(dict(value) if isinstance(value, Mapping) else value)
        except Exception as error:
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return value, [Misfit((), f"{by} (it raised {short(said, 200)})", by, False)]
        if inspect.iscoroutine(result):
            result.close()
            what = "a plain function as a schema, not a coroutine function,"
            return value, [Misfit((), what, what)]
        return value, [Misfit((), by, by)] if result is False else ()


class _AdapterChecker(_TypeChecker):
    """By an adapter of pydantic that is given."""

    def __init__(self, schema: Any) -> None:
        Checker.__init__(self, schema)
        self._is_closed = False
        self._lax = schema.validate_python
        self._strict = schema


class Converter:
    """Converts what a reference gives at a start. There is one for each annotation, so that definitions stay equal."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.__name__ = self.__qualname__ = f"to[{checker.name}]"

    def __call__(self, value: Any, /) -> Any:
        made, errors = self.checker.check(value, True)
        if not errors:
            return made
        # Nobody can tell here whether the value is a secret, and so it is not shown.
        found = []
        for error in errors:
            error = error.guarded()
            where = f"{_text.dotted(error.at)} in a" if error.at else "A"
            hint = "The value comes from a reference of an argument, which is converted at the start."
            said = f"{where} value that is to be converted does not fit: {error.expected} is expected"
            said += "" if error.at else f", and it is {a_type(value)}"
            found.append(Problem(BadValue, f"{said}.", hint=hint, details={"expected": error.expected}))
        raise BadValue(found)

    def __repr__(self) -> str:
        return f"<converter {self.__name__}>"


class Checkers:
    """What checks the arguments of one callable."""

    __slots__ = ("_named", "_parameters", "_rest", "has_secrets")

    def __init__(self, target: Any) -> None:
        hints = hints_of(target)
        self._named: dict[str, Checker | None] = {name: checker_of(hint) for name, hint in hints.named.items()}
        self._rest: Checker | None = None
        self._parameters: frozenset[str] = frozenset()
        for hint in hints.rest:
            if get_origin(hint) is typing.Unpack:
                (fields,) = typing.get_args(hint)
                self._named |= {name: checker_of(field.hint) for name, field in fields_of(fields).items()}
            else:
                self._rest = checker_of(hint)
                self._parameters = frozenset(inspect.signature(target).parameters)
        known = (*self._named.values(), self._rest)
        self.has_secrets = any(checker is not None and checker.has_secrets for checker in known)

    def __bool__(self) -> bool:
        return bool(self._named) or self._rest is not None

    def of(self, name: str) -> Checker | None:
        """What checks an argument; `None` if nothing does."""
        if self._rest is not None and name not in self._parameters:
            return self._rest
        return self._named.get(name)


_by_target: WeakKeyDictionary[Any, Checkers] = WeakKeyDictionary()
_by_schema: WeakValueDictionary[Any, Checker] = WeakValueDictionary()


def checkers_of(target: Any) -> Checkers:
    try:
        return _by_target[target]
    except (KeyError, TypeError):
        made = Checkers(target)
    try:
        _by_target[target] = made
    except TypeError:
        pass  # one that cannot be referred to weakly is looked at each time
    return made


def checker_of(schema: Any) -> Checker | None:
    """What checks by a schema or an annotation; `None` where nothing can be made of it."""
    try:
        key = _key(schema)
        known = _by_schema.get(key)
    except Exception:  # it cannot be hashed, or what it is made of cannot be told
        key = known = None
    if known is None:
        try:
            known = _made(schema)
        except Exception:
            return None  # what pydantic cannot make sense of says nothing
        if key is not None and known is not None:
            _by_schema[key] = known
    return known


def _key(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return "mapping", tuple((name, _key(inner)) for name, inner in schema.items())
    hash(schema)
    # Of two unions in another order each has its own: which choice is taken first may count.
    return repr(schema), schema


def _made(schema: Any) -> Checker | None:
    if schema is None or schema is Any:
        return None
    if isinstance(schema, Mapping):
        return _MappingChecker(schema)
    if _is_type(schema):
        return _TypeChecker(schema)
    if hasattr(schema, "validate_python"):
        return _AdapterChecker(schema)
    return _CallableChecker(schema) if callable(schema) else None


def _is_type(schema: Any) -> bool:
    is_known = isinstance(schema, type | typing.NewType | typing.TypeVar | UnionType)
    return is_known or get_origin(schema) is not None or type(schema).__module__ in ("typing", "typing_extensions")


def _named(schema: Any) -> str:
    if get_origin(schema) is typing.Annotated:
        return _named(typing.get_args(schema)[0])
    return short(name_of(schema).replace("typing.", ""), 60)
