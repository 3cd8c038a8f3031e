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
        self.items, self.site, self.kind = items, site, kind

    def __repr__(self) -> str:
        return f"{'#' if self.kind == 'set' else ''}[{', '.join(map(repr, self.items))}]"


class Entries(Form):
    """A mapping: keys and values in the order as written."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Sequence[tuple[Form, Form]], site: Site | None = None) -> None:
        self.pairs, self.site = pairs, site

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{key!r}: {value!r}' for key, value in self.pairs)}}}"


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
        known = _known(key)
        if known in self._known:
            raise repeated(_shown(key), self._known[known], key.site)
        self._known[known] = key.site


def _known(form: Form) -> Any:
    """What makes a key the same as another one, whatever it is made of."""
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
    if isinstance(data, Mapping):
        return Entries([(form_of(key, site), form_of(value, site)) for key, value in data.items()], site)
    if type(data) in (list, tuple):
        return Items([form_of(item, site) for item in data], site, "list" if type(data) is list else "tuple")
    if isinstance(data, Set):
        return Items([form_of(item, site) for item in data], site, "set")
    return Scalar(data, site)


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


def component_form(value: Any) -> Form:
    """What is in the system below as a form, so that settings can be laid over it: of a component itself and its config."""
    if not isinstance(value, Component):
        return _as_it_is(value)
    pairs: list[tuple[Form, Form]] = [(Scalar("component"), Scalar(value))]
    if not is_subsystem(value):
        try:
            pairs.append((Scalar("config"), _as_it_is(value.config)))
        except RecursionError:
            pass
    return Entries(pairs)


def is_subsystem(value: Component[Any]) -> bool:
    """Whether a component is a subsystem."""
    return hasattr(value, "imports")


def _as_it_is(value: Any) -> Form:
    """Data of Python as a form, in which a key with a dollar is no tag."""
    if type(value) is dict:
        return Entries([(key_form(key), _as_it_is(one)) for key, one in value.items()])
    if type(value) in (list, tuple):
        return Items([_as_it_is(one) for one in value], None, "list" if type(value) is list else "tuple")
    return form_of(value)


def key_form(key: Any, site: Site | None = None) -> Form:
    """A key of Python as a form: one that begins with a dollar is no tag."""
    return form_of(f"${key}" if isinstance(key, str) and key.startswith("$") else key, site)
