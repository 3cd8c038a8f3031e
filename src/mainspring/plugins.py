"""Plugins that come with Mainspring: `schemas` checks configs and instances, `timing` measures handlers."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, get_origin
from weakref import WeakKeyDictionary

from . import (
    BadComponent,
    Component,
    Context,
    DefinitionError,
    Id,
    MainspringError,
    Plugin,
    Problem,
    Secret,
    System,
)
from .schemas import (
    adapter_of,
    as_given,
    defaults_of,
    fields_of,
    has_fields,
    hints_of,
    is_plain_kind,
    name_of,
    parameters_of,
    pydantic_for,
    target_of,
)
from .wrappers import timed

__all__ = ["SchemaError", "SchemaProblem", "schemas", "timing"]


class SchemaProblem(NamedTuple):
    """One place at which a config or an instance is not what its schema asks for.

    Parameters:
        path: the place, for example "config.http.port" or "instance".
        found: what is there, as text: plain data as it is, anything else by its type, and never a secret.
        expected: what the schema asks for.
    """

    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path} is {self.found}. Expected: {self.expected}"


class SchemaError(MainspringError, ValueError):
    """A component's config or instance does not fit its schema. Always a leaf of a `StartError`.

    Parameters:
        id: the component.
        problems: everything that does not fit.

    Example:
        >>> from mainspring import Component, StartError, System
        >>> pool = Component(dict, config={"size": "3"}, schema={"size": int})
        >>> try:
        ...     System({"db": {"pool": pool}}, plugins=[schemas()]).start()
        ... except* SchemaError as group:
        ...     print(group.exceptions[0].problems)
        (SchemaProblem(path='config.size', found="'3'", expected='an int'),)
    """

    id: Id
    problems: tuple[SchemaProblem, ...]

    def __init__(self, id: Id, problems: Sequence[SchemaProblem]) -> None:
        self.id, self.problems = id, tuple(problems)
        super().__init__(id, self.problems)

    def __str__(self) -> str:
        return "\n".join([f"{self.id} does not fit its schema.", *(f"   {problem}" for problem in self.problems)])


@cache  # so that systems made one like another are equal
def schemas(annotations: bool = False) -> Plugin:
    """A plugin that checks what components are started with, and what came of it, before anything else sees it.

    Before the start of a component, its resolved config is checked against its slot `schema`; after it, its instance against
    `instance_schema`. A schema is one of these:

    * a callable that gets the config as a dict, or the instance, and raises an error or returns `False` where it does not fit;
    * for a config, a mapping of parameters to schemas, each of which gets the argument;
    * a class: what is checked has to be one of it (but `True` is not an `int`);
    * with the extra `pydantic`: a pydantic model, and also a dataclass or `TypedDict`, by whose fields a config is checked; and
      any other type that pydantic knows, such as `list[int]`.

    Nothing is converted: the text "80" is not a number.

    Parameters:
        annotations: whether each argument is checked against the annotation of its parameter, too. Needs the extra `pydantic`.
            What it cannot make sense of is passed over.

    Returns:
        A plugin, for `System(..., plugins=[schemas()])`. As an installed plugin it is named "schemas".

    Raises:
        MissingExtra: `annotations` is asked for, and pydantic is not installed.

    Example:
        >>> from mainspring import Component, System
        >>> def positive(number):
        ...     return number > 0
        >>> pool = Component(dict, config={"size": 3}, schema={"size": positive}, instance_schema=dict)
        >>> with System({"db": {"pool": pool}}, plugins=[schemas()]).started() as live:
        ...     live["db.pool"]
        {'size': 3}
    """
    if annotations:
        pydantic_for("The plugin schemas(annotations=True)")
    known: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()

    def check_config(_: object, ctx: Context = Context.here) -> None:
        schema = ctx.definition.schema
        if schema is None and not annotations:
            return
        found: list[_Complaint] = []
        if schema is not None:
            found += _of_config(schema, ctx)
        if annotations:
            named = {complaint.at for complaint in found}
            found += [c for c in _of_annotations(ctx, known) if c.at not in named]
        _complain(ctx, "config", ctx.config, found)

    def check_instance(instance: object, ctx: Context = Context.here) -> None:
        schema = ctx.definition.instance_schema
        if schema is not None:
            _complain(
                ctx, "instance", instance, list(_complaints(schema, instance, f"the instance_schema of {ctx.id}"))
            )

    return Plugin(
        "schemas",
        doc="Checks configs and instances against schemas.",
        base={
            "pre": {"start": {"check config": check_config}},
            "post": {"start": {"check instance": check_instance}},
        },
        update=_with_fitting_schemas,
    )


setattr(schemas, "makes_plugin", True)  # noqa: B010 - so that the mistake of not calling it is told


timing: Final = Plugin(
    "timing",
    doc='Measures every call of a handler, into meta["timing"].',
    update=lambda system: system.wrap(timed),
)
"""A plugin that puts `mainspring.wrappers.timed` around every component."""


def _with_fitting_schemas(system: System) -> System:
    # What no config could pass is wrong with the definition, and is told before anything starts.
    problems = []
    for group, nodes in system.groups.items():
        for name, node in nodes.items():
            for slot in ("schema", "instance_schema") if isinstance(node, Component) else ():
                what = _unfit(getattr(node, slot), parameters_of(node) if slot == "schema" else None)
                if what:
                    problems.append(Problem(BadComponent, what, Id(group, name), (slot,), node.site, _FORMS))
    if problems:
        raise DefinitionError.of(problems)
    return system


_FORMS: Final = "A schema is a callable, a type, a pydantic model, or a mapping of parameters to such."


def _unfit(schema: Any, parameters: list[str] | None) -> str:
    """Why a schema checks nothing; empty for most."""
    if isinstance(schema, Mapping):
        unknown = [name for name in schema if parameters is not None and name not in parameters]
        if unknown:
            takes = ", ".join(parameters or ()) or "nothing"
            return f"has a schema for {', '.join(map(str, unknown))}, and its start takes: {takes}."
        return next(filter(None, (_unfit(inner, None) for inner in schema.values())), "")
    if schema is None or callable(schema) or get_origin(schema) is not None or hasattr(schema, "validate_python"):
        return ""
    return f"has {schema!r} as a schema, which checks nothing."


# --- Checking ---------------------------------------------------------------------------------------------------------


class _Complaint(NamedTuple):
    """What a check says, before it is known how much of that may be shown."""

    at: tuple[Any, ...]  # from the config, or the instance, on
    expected: str
    by: str  # what is said instead where the text could hold a secret
    is_ours: bool  # whether the text says nothing of the value
    is_missing: bool = False
    error: BaseException | None = None


def _of_config(schema: Any, ctx: Context) -> Iterator[_Complaint]:
    config = dict(ctx.config)
    where = f"the schema of {ctx.id}"
    if isinstance(schema, Mapping):
        parameters = parameters_of(ctx.definition)
        for name in schema:
            if name not in config and parameters is not None and name not in parameters:
                said = f"a schema for parameters that there are: {', '.join(parameters) or 'none'}"
                yield _Complaint((name,), said, said, True, is_missing=True)
    elif isinstance(schema, type) and has_fields(schema):
        yield from _of_fields(schema, config, where)
        return
    if not isinstance(schema, Mapping):
        # A check of the whole is for what the start will get; but the defaults of its parameters are the component's own.
        config = {**defaults_of(ctx.definition), **config}
    for complaint in _complaints(schema, config, where):
        if not complaint.at or complaint.at[0] in ctx.config or complaint.at[0] not in config:
            yield complaint


def _complaints(schema: Any, value: Any, where: str) -> Iterator[_Complaint]:
    if isinstance(schema, Mapping):
        if not isinstance(value, Mapping):
            yield _Complaint((), "a mapping", "a mapping", True)
            return
        for name, inner in schema.items():
            if name in value:
                for complaint in _complaints(inner, value[name], where):
                    yield complaint._replace(at=(name, *complaint.at))
    elif isinstance(schema, type) and hasattr(schema, "model_validate"):
        if not isinstance(value, schema):
            yield from _validated(adapter_of(schema, where), value, name_of(schema))
    elif isinstance(schema, type) and typing.is_typeddict(schema):
        if isinstance(value, Mapping):
            yield from _of_fields(schema, value, where)
        else:
            yield _Complaint((), "a mapping", "a mapping", True)
    elif isinstance(schema, type) and get_origin(schema) is None:
        if not isinstance(value, schema) or (schema in (int, float) and isinstance(value, bool)):
            expected = _a(schema.__name__)
            yield _Complaint((), expected, expected, True)
    elif get_origin(schema) is not None or type(schema).__module__ == "typing":
        yield from _validated(adapter_of(schema, where), value, name_of(schema))
    elif hasattr(schema, "validate_python"):
        yield from _validated(schema, value, "the schema")
    elif callable(schema):
        yield from _called(schema, value)
    else:
        raise TypeError(f"{where} has {schema!r}, which checks nothing. Give a callable, a type, or a mapping of them.")


def _called(check: Callable[[Any], Any], value: Any) -> Iterator[_Complaint]:
    by = f"what {name_of(check)} accepts"
    try:
        result = check(value)
    except Exception as error:
        said = f"{by}; it raised {type(error).__name__}" + (f": {error}" if str(error) else "")
        yield _Complaint((), said, by, False, error=error)
        return
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            f"{name_of(check)} is a coroutine function, and a schema is not awaited. Give a plain function."
        )
    if result is False:
        yield _Complaint((), by, by, True)


def _of_fields(schema: type, config: Mapping[str, Any], where: str) -> Iterator[_Complaint]:
    """Check a mapping by the fields of a class that holds data, without converting anything."""
    for name, field in fields_of(schema).items():
        if name in config:
            for complaint in _validated(adapter_of(field.hint, where), config[name], name_of(field.hint)):
                yield complaint._replace(at=(name, *complaint.at))
        elif field.is_required:
            yield _Complaint((name,), "a value", "a value", True, is_missing=True)


# --- Pydantic ---------------------------------------------------------------------------------------------------------


def _validated(adapter: Any, value: Any, name: str) -> Iterator[_Complaint]:
    from pydantic import ValidationError

    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            kind, text = one["type"], one["msg"]
            by = f"what {name} accepts"
            is_missing = kind == "missing"
            is_ours = is_plain_kind(kind)
            said = text.removeprefix("Input should be ") if is_ours else f"{by}; it says: {text}"
            said = "a value" if is_missing else said
            yield _Complaint(tuple(one["loc"]), said, by, is_ours, is_missing=is_missing)


def _of_annotations(ctx: Context, known: WeakKeyDictionary[Any, dict[str, Any]]) -> Iterator[_Complaint]:
    target = target_of(ctx.definition)
    if target is None:
        return
    try:
        adapters = known[target]
    except (KeyError, TypeError):
        adapters = _adapters(target)
        try:
            known[target] = adapters
        except TypeError:
            pass  # one that cannot be referred to weakly is looked at each time
    for name, adapter in adapters.items():
        if name in ctx.config:
            for complaint in _validated(adapter, ctx.config[name], f"the annotation of {name}"):
                yield complaint._replace(at=(name, *complaint.at))


def _adapters(target: Any) -> dict[str, Any]:
    """What checks the arguments of a callable: for each parameter whose annotation can be made sense of."""
    found: dict[str, Any] = {}
    for name, hint in hints_of(target).named.items():
        try:
            found[name] = adapter_of(as_given(hint))
        except Exception:
            pass  # a type that pydantic does not know: nothing can be said
    return found


# --- Telling ----------------------------------------------------------------------------------------------------------


def _complain(ctx: Context, what: str, value: Any, found: list[_Complaint]) -> None:
    if not found:
        return
    shown = ctx.shown
    secrets = _Secrets()
    secrets.look(ctx.config, shown)
    problems = []
    for complaint in found:
        path = ".".join([what, *map(str, complaint.at)])
        if complaint.is_missing:
            there = "missing"
        elif what == "config":
            there = _found(*_reached(value, shown, complaint.at))
        else:
            there = _a_type(_reached(value, value, complaint.at)[0])
        expected = complaint.expected if complaint.is_ours else secrets.scrubbed(complaint.expected, complaint.by)
        problems.append(SchemaProblem(path, there, expected))
    cause = next((complaint.error for complaint in found if complaint.error is not None), None)
    # What a check raised may say in its own words what was wrong with a secret.
    raise SchemaError(ctx.id, problems) from (None if secrets.are_there else cause)


class _Secrets:
    """The secrets in a config: what must not stand in a text."""

    def __init__(self) -> None:
        self.are_there = False
        self.texts: set[str] = set()
        self.is_sure = True  # whether each of them can be found in a text

    def look(self, value: Any, shown: Any) -> None:
        """Note every part of a value that is not to be shown."""
        if isinstance(shown, Secret):
            self.are_there = True
            self.note(value)
        elif isinstance(shown, Mapping) and isinstance(value, Mapping) and shown.keys() == value.keys():
            for name, part in value.items():
                self.look(part, shown[name])
        elif type(shown) is type(value) and isinstance(value, list | tuple) and len(shown) == len(value):
            for one, other in zip(value, shown, strict=True):
                self.look(one, other)
        elif type(shown) is not type(value) or (isinstance(shown, set | frozenset) and any(map(_is_secret, shown))):
            # What was made of parts, of which some may be secret.
            self.are_there, self.is_sure = True, False

    def note(self, value: Any) -> None:
        """Note a secret, whatever it is made of."""
        if isinstance(value, Mapping):
            for part in value.values():
                self.note(part)
        elif isinstance(value, list | tuple | set | frozenset):
            for part in value:
                self.note(part)
        elif value is not None and not isinstance(value, bool):
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            # A short one may be found anywhere, and one with odd characters is written in many ways.
            odd = len(text) < 4 or not text.isascii() or not text.isprintable() or any(c in "'\"\\" for c in text)
            self.is_sure = self.is_sure and not odd and isinstance(value, str | bytes | int)
            self.texts.add(text)

    def scrubbed(self, text: str, instead: str) -> str:
        """A text without the secrets, or another where that cannot be told."""
        if not self.are_there:
            return text
        if not self.is_sure:
            return f"{instead}, whose words are not shown, because there is a secret in the config"
        for secret in sorted(self.texts, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def _is_secret(value: Any) -> bool:
    return isinstance(value, Secret)


_NOT_THERE: Final = object()


def _reached(value: Any, shown: Any, at: tuple[Any, ...]) -> tuple[Any, Any]:
    """What stands at a place, and what may be shown of it; of the place around it, where it has parts of its own."""
    for part in at:
        inner = _step(value, part)
        if inner is _NOT_THERE:
            break
        if not isinstance(shown, Secret):
            shown = _step(shown, part)
        value = inner
    return value, shown


def _step(value: Any, part: Any) -> Any:
    try:
        if isinstance(value, Mapping | list | tuple):
            return value[part]
        return getattr(value, str(part), _NOT_THERE)
    except (LookupError, TypeError):
        return _NOT_THERE


_PLAIN: Final = frozenset({str, int, float, bool, bytes, complex, type(None)})


def _found(value: Any, shown: Any) -> str:
    text = _drawn(value, shown)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _drawn(value: Any, shown: Any) -> str:
    if isinstance(shown, Secret):
        return "a secret"
    if type(value) is not type(shown):
        return _a_type(value)
    if type(value) in _PLAIN:
        return repr(value)
    if type(value) is dict and value.keys() == shown.keys():
        return "{" + ", ".join(f"{key!r}: {_drawn(part, shown[key])}" for key, part in value.items()) + "}"
    if type(value) in (list, tuple) and len(value) == len(shown):
        parts = ", ".join(_drawn(one, other) for one, other in zip(value, shown, strict=True))
        return f"[{parts}]" if type(value) is list else f"({parts})"
    return _a_type(value)


def _a_type(value: Any) -> str:
    return "None" if value is None else _a(type(value).__name__)


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiouAEIOU' else 'a'} {noun}"
