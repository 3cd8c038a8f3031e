"""What a file says, before anything of it is worked out: forms, each with the place where it is written."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from numbers import Number
from typing import Any, Final, Literal, NamedTuple

from mainspring import BadFile, Component, Problem, Secret, Site

Kind = Literal["list", "tuple", "set"]


class Limits(NamedTuple):
    """How much a reader takes before it refuses to go on.

    Parameters:
        size: characters of one file.
        depth: how deep containers and tags may stand in one another.
        items: how many values there may be in all, those that an alias repeats counted each time.
    """

    size: int = 16 * 1024 * 1024
    depth: int = 100
    items: int = 1_000_000


class Form:
    """Something that is written somewhere.

    Parameters:
        site: where.
    """

    __slots__ = ("site",)

    site: Site | None


class Scalar(Form):
    """A single value: text, a number, true, false, nothing, a date; from Python any object at all."""

    __slots__ = ("value",)

    def __init__(self, value: Any, site: Site | None = None) -> None:
        self.value, self.site = value, site

    def __repr__(self) -> str:
        return repr(self.value)


class Items(Form):
    """A list, a tuple or a set."""

    __slots__ = ("items", "kind")

    def __init__(self, items: Sequence[Form], site: Site | None = None, kind: Kind = "list") -> None:
        self.items, self.site = items, site
        self.kind: Kind = kind

    def __repr__(self) -> str:
        return f"{'#' if self.kind == 'set' else ''}[{', '.join(map(repr, self.items))}]"


class Entries(Form):
    """A mapping: keys and values in the order as written."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Sequence[tuple[Form, Form]], site: Site | None = None) -> None:
        self.pairs, self.site = pairs, site

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{key!r}: {value!r}' for key, value in self.pairs)}}}"


class Places(Entries):
    """What is to stand at a path: the keys are parts of it, and so perhaps positions in a list."""

    __slots__ = ()


class Tag(Form):
    """A tag and what it is put in front of."""

    __slots__ = ("form", "name")

    def __init__(self, name: str, form: Form, site: Site | None = None) -> None:
        self.name, self.form, self.site = name, form, site

    def __repr__(self) -> str:
        return f"!{self.name} {self.form!r}"


def bad_file(what: str, site: Site | None, hint: str = "") -> BadFile:
    """The error for a file that cannot be read.

    Parameters:
        what: a sentence that says what is wrong, and why.
        site: where.
        hint: what to do.
    """
    return BadFile([Problem(BadFile, what, site=site, hint=hint)])


def too_deep(limits: Limits, site: Site | None) -> BadFile:
    """The error for what is nested more deeply than is allowed."""
    return bad_file(f"It is nested more than {limits.depth} levels deep.", site, _RAISE)


def too_many(limits: Limits, site: Site | None) -> BadFile:
    """The error for more values than are allowed."""
    return bad_file(f"It has more than {limits.items:,} values.", site, _RAISE)


def too_large(limits: Limits, file: str) -> BadFile:
    """The error for a file of more characters than are allowed."""
    return bad_file(f"It is larger than {limits.size:,} characters.", Site(file, 0), _RAISE)


def repeated(key: Any, first: Site | None, site: Site | None) -> BadFile:
    """The error for a key that a mapping has twice.

    Parameters:
        key: the key.
        first: where it stands first.
        site: where it stands again.
    """
    there = f", first in line {first.line}" if first is not None and first.line else ""
    return bad_file(f"The key {key!r} is repeated{there}.", site, "Keep one of the two.")


_RAISE: Final = "Where that is meant, allow more: config.read(..., limits=Limits(...))."


# Above it there are numbers that share their hash with any number of others, so that a mapping of them takes for ever.
_LARGEST_KEY: Final = 10**15


def is_large_number(value: Any) -> bool:
    """Whether a value is a number that should not be a key or in a set."""
    if not isinstance(value, Number):
        return False
    return not isinstance(value, int | float) or abs(value) >= _LARGEST_KEY


class Keys:
    """The keys of one mapping, as they are read: says where one is repeated."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Any, Site | None] = {}

    def add(self, key: Form) -> None:
        """Note a key.

        Raises:
            BadFile: the mapping has it already; or it is a number that no mapping of Python should have as a key.
        """
        if isinstance(key, Scalar) and is_large_number(key.value):
            raise bad_file("A key is a number of more than 15 digits.", key.site, "Write it in quotation marks.")
        known = known_as(key)
        if known in self._known:
            raise repeated(_shown(key), self._known[known], key.site)
        self._known[known] = key.site


def known_as(form: Form) -> Any:
    """What makes a key, or a part of a set, the same as another one, whatever it is made of.

    Raises:
        BadFile: it is nested too deeply for that.
    """
    try:
        return _known(form)
    except RecursionError:
        raise bad_file("A key is nested too deeply to be compared with others.", form.site) from None


def _known(form: Form) -> Any:
    if isinstance(form, Scalar):
        # Numbers can be chosen so that they all have one hash; no text can.
        return type(form.value), form.value if type(form.value) is str else repr(form.value)
    if isinstance(form, Items):
        parts = [_known(item) for item in form.items]
        return form.kind, frozenset(parts) if form.kind == "set" else tuple(parts)
    if isinstance(form, Tag):
        return "!", form.name, _known(form.form)
    assert isinstance(form, Entries)
    return frozenset((_known(key), _known(value)) for key, value in form.pairs)


def _shown(form: Form) -> Any:
    return form.value if isinstance(form, Scalar) else form


def form_of(data: Any, site: Site | None = None) -> Form:
    """Data of Python as a form. Tags made by functions stay tags; any object that is no container stands for itself.

    Parameters:
        data: anything; what contains itself ends in a `RecursionError`.
        site: the place that all of it gets.
    """
    if isinstance(data, Form):
        return data
    if is_omega(data):
        return omega_form(data, type(data).__name__, site) or Scalar(data, site)
    if isinstance(data, Mapping):
        return Entries([(form_of(key, site), form_of(value, site)) for key, value in data.items()], site)
    kind = kind_of(data)
    return Scalar(data, site) if kind is None else Items([form_of(item, site) for item in data], site, kind)


def kind_of(data: Any) -> Kind | None:
    """Which kind of items data of Python is; `None` of anything else."""
    if type(data) is list:
        return "list"
    return "tuple" if type(data) is tuple else "set" if isinstance(data, Set) else None


def hashable(value: Any) -> Any:
    """A value as a key: lists become tuples, sets frozen.

    Raises:
        TypeError: it cannot be one.
    """
    if isinstance(value, list | tuple):
        return tuple(map(hashable, value))
    if isinstance(value, set | frozenset):
        return frozenset(map(hashable, value))
    if is_large_number(value):
        raise TypeError("a number of more than 15 digits")
    hash(value)
    return value


def secret_of(value: Any) -> Any:
    """A value that pydantic knows as secret, as one that Mainspring does; any other as it is."""
    types = sys.modules.get("pydantic.types")
    if types is not None and isinstance(value, types.SecretStr | types.SecretBytes | types.Secret):
        return Secret(value)
    return value


def is_subsystem(value: Component[Any]) -> bool:
    """Whether a component is a subsystem."""
    return hasattr(value, "imports")


def data_form(value: Any) -> Form:
    """Data of Python as a form, in which a key with a dollar is no tag. Tags made by functions stay tags.

    Parameters:
        value: anything; what contains itself ends in a `RecursionError`.
    """
    if isinstance(value, Mapping):
        return Entries([(key_form(key), data_form(one)) for key, one in value.items()])
    if type(value) in (list, tuple):
        return Items([data_form(one) for one in value], None, "list" if type(value) is list else "tuple")
    return form_of(value)


def is_omega(data: Any) -> bool:
    """Whether something is a container of OmegaConf."""
    module = sys.modules.get("omegaconf")  # what is not loaded has made nothing
    return module is not None and isinstance(data, module.Container)


def omega_form(container: Any, name: str, site: Site | None = None) -> Form | None:
    """A container of OmegaConf as a form, in which each value knows the object that it is from; `None` of anything else.

    Parameters:
        container: perhaps one.
        name: what the object is called.
        site: the place of all of it, where that is another one.

    Raises:
        BadFile: its interpolations cannot be worked out.
    """
    if not is_omega(container):
        return None
    omega: Any = sys.modules["omegaconf"]
    try:
        data = omega.OmegaConf.to_container(container, resolve=True, throw_on_missing=False)
    except omega.errors.OmegaConfBaseException as error:
        raise bad_file(f"{name} of OmegaConf cannot be worked out: {error}.", site) from None
    return _named(data, name, site, "???")


def model_form(model: Any, name: str) -> Form | None:
    """A model of pydantic as a form, in which each value knows the field that it is from; `None` of anything else.

    Parameters:
        model: perhaps one.
        name: what the object is called.
    """
    pydantic = sys.modules.get("pydantic")
    return _named(model, name) if pydantic is not None and isinstance(model, pydantic.BaseModel) else None


def _named(value: Any, name: str, place: Site | None = None, missing: str | None = None) -> Form:
    """Data as a form, in which a key with a dollar is no tag, and each value has a name as its place."""
    site = place or Site(name, 0)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        value = {field: getattr(value, field) for field in type(value).model_fields} | (value.model_extra or {})
    if isinstance(value, Mapping):
        pairs = [(key_form(key, site), _named(one, f"{name}.{key}", place, missing)) for key, one in value.items()]
        return Entries(pairs, site)
    if type(value) is list or type(value) is tuple:
        items = [_named(one, f"{name}.{i}", place, missing) for i, one in enumerate(value)]
        return Items(items, site, "list" if type(value) is list else "tuple")
    if missing is not None and type(value) is str and value == missing:
        return Tag("required", Scalar(None, site), site)
    return Scalar(secret_of(value), site)


def key_form(key: Any, site: Site | None = None) -> Form:
    """A key of Python as a form: one that begins with a dollar is no tag."""
    return form_of(f"${key}" if isinstance(key, str) and key.startswith("$") else key, site)
