"""Reference kinds, the other marks that a config may hold, and how both are found and replaced in nested data.

Data that went through `freeze` is called frozen: its containers are private copies that nobody changes. `thaw` hands out
fresh containers with every mark replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import BuiltinMethodType, MethodType
from typing import Any, Final, Generic, TypeVar

from .. import _text

T = TypeVar("T")
PathPart = str | int
Path = tuple[PathPart, ...]

DEEPEST: Final = 200

# How much work a frozen value is. The order matters: a container's shape is the greatest of its parts'.
ATOMS: Final = 0  # may be handed out as it is
FLAT: Final = 1  # a config whose references all stand at the top
NESTED: Final = 2  # has containers or marks that have to be replaced


class Within(_text.Dotted):
    """The name that a group of a subsystem has in the whole system: `app.billing.db`.

    Parameters:
        parts: the names on the way to it, one by one.
    """

    __slots__ = ("parts",)

    parts: tuple[str, ...]

    def __new__(cls, parts: tuple[str, ...]) -> Within:
        """The name made of these parts."""
        self = super().__new__(cls, _text.dotted(parts))
        self.parts = parts
        return self

    @property
    def scope(self) -> tuple[str, ...]:
        """The path of the subsystem that the group is in."""
        return self.parts[:-1]

    def __str__(self) -> str:
        return self  # so that what takes any part of a path as text does not lose the parts

    def __reduce__(self) -> tuple[Any, ...]:
        return Within, (self.parts,)


def parts_of(group: str) -> tuple[str, ...]:
    """The names on the way to a group; one, unless it is in a subsystem."""
    return group.parts if isinstance(group, Within) else (group,)


def scope_of(group: str) -> tuple[str, ...]:
    """The path of the subsystem that a group is in; empty where it is in none."""
    return group.parts[:-1] if isinstance(group, Within) else ()


def canonical(path: Path, subsystems: frozenset[tuple[str, str]]) -> Path:
    """A path of the whole system as group, name and the rest: names on the way through subsystems become part of the group."""
    at, group = 1, str(path[0])
    while at + 1 < len(path) and (group, str(path[at])) in subsystems:
        group = Within((*parts_of(group), str(path[at]), str(path[at + 1])))
        at += 2
    return path if at == 1 else (group, *path[at:])


class Mark:
    """What stands in a config for something else."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        # Whoever writes f"http://{ref(...)}" means the value, and would get the reference as text without a word.
        raise TypeError(f'{self!r} cannot be part of a text. Write build("...{{}}...".format, {self!r}).')


class Ref(Mark):
    """A reference to a component, to something inside one, or to a whole group. Made by `ref`."""

    __slots__ = ("id", "optional", "path")

    def __init__(self, path: Path, optional: bool = False) -> None:
        self.path = path
        self.id = path[:2]
        self.optional = optional

    def at(self, group: str) -> Ref:
        """The same reference as seen from outside the group: itself."""
        return self

    @property
    def rest(self) -> Path:
        """What is to be reached inside the instance."""
        return self.path[2:]

    def __repr__(self) -> str:
        return f"ref({_text.dotted(self.path)!r}{', optional=True' if self.optional else ''})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and same(self.path, other.path) and self.optional == other.optional

    def __hash__(self) -> int:
        return hash((self.path, self.optional))


class LocalRef(Mark):
    """A reference within the component's own group. Made by `local_ref`."""

    __slots__ = ("optional", "path")

    def __init__(self, path: Path, optional: bool = False) -> None:
        self.path = path
        self.optional = optional

    def at(self, group: str) -> Ref:
        """The same reference as seen from outside the group."""
        return Ref((group, *self.path), self.optional)

    def __repr__(self) -> str:
        return f"local_ref({_text.dotted(self.path)!r}{', optional=True' if self.optional else ''})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and same(self.path, other.path) and self.optional == other.optional

    def __hash__(self) -> int:
        return hash((self.path, self.optional))


class Tagged(Mark):
    """A reference to what carries a tag. Made by `tagged` and `one_tagged`."""

    __slots__ = ("one", "optional", "rest", "scope", "tag")

    def __init__(
        self, tag: str, one: bool = False, rest: Path = (), optional: bool = False, scope: tuple[str, ...] | None = None
    ) -> None:
        self.tag, self.one, self.rest, self.optional = tag, one, rest, optional
        self.scope = scope  # the path of the subsystem in which to look; that of whoever refers where it is not given

    def seen_from(self, scope: tuple[str, ...]) -> Tagged:
        """The same reference, looking in a scope that is given."""
        return Tagged(self.tag, self.one, self.rest, self.optional, scope)

    def __repr__(self) -> str:
        more = f", {_text.dotted(self.rest)!r}" if self.rest else ""
        name = "one_tagged" if self.one else "tagged"
        return f"{name}({self.tag!r}{more}{', optional=True' if self.optional else ''})"

    def _key(self) -> tuple[Any, ...]:
        return (self.tag, self.one, self.rest, self.optional, self.scope)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and same(self._key(), other._key())

    def __hash__(self) -> int:
        return hash(self._key())


Reference = Ref | LocalRef | Tagged
REFERENCES: Final = frozenset({Ref, LocalRef, Tagged})


class Build:
    """An object to be made of resolved parts. Made by `build`."""

    __slots__ = ("args", "kwargs", "target")

    def __init__(self, target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.target, self.args, self.kwargs = target, args, kwargs

    def __repr__(self) -> str:
        parts = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"build({', '.join([name_of(self.target), *parts])})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Build) and same(self, other)

    def __hash__(self) -> int:
        return hash(Build)


class Opaque:
    """A value that is handed on as it is and never searched. Made by `opaque`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"opaque({self.value!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Opaque):
            return False
        mine, theirs = self.value, other.value
        return mine is theirs or (type(mine) in PLAIN_ATOMS and same(mine, theirs))

    def __hash__(self) -> int:
        return hash(Opaque)


class Secret(Generic[T]):
    """A value that is never shown. A handler gets the value itself.

    Parameters:
        value: what is to be kept out of every text that Mainspring makes.

    Example:
        >>> Secret("hunter2")
        Secret('***')
        >>> Secret("hunter2").reveal()
        'hunter2'
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and same(self._value, other._value)

    def __hash__(self) -> int:
        return hash(Secret)


class Required:
    """The type of `required`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "required"

    def __reduce__(self) -> str:
        return "required"


required: Any = Required()
"""Stands in a config for a value that is to be given later, by an override. Starting without it is an error."""

MASKED: Final = Secret("***")


def name_of(target: Any) -> str:
    """The name by which a person knows a callable."""
    if isinstance(target, partial):
        return f"partial({name_of(target.func)}, ...)"
    return getattr(target, "__qualname__", None) or getattr(target, "__name__", None) or repr(target)


def is_named_tuple(value: Any) -> bool:
    """Whether a value is a tuple with named fields, which can be rebuilt from its parts."""
    return isinstance(value, tuple) and hasattr(value, "_make")


# --- Making frozen data -----------------------------------------------------------------------------------------------

_ATOMIC: Final = frozenset({str, int, float, bool, type(None), bytes, complex, Ref, LocalRef, Tagged, Required})
PLAIN_ATOMS: Final = frozenset({str, int, float, bool, type(None), bytes, complex})
_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})


class Unfit(Exception):
    """A value cannot be part of a definition. Holds where, and why; becomes a problem where the component is known."""

    def __init__(self, path: Path, what: str, hint: str) -> None:
        self.path, self.what, self.hint = path, what, hint
        super().__init__(what)


def freeze(value: Any, refuse: Callable[[Any], tuple[str, str] | None], path: Path = ()) -> Any:
    """A private copy of nested data: containers are copied, everything else stays the object it is.

    Parameters:
        value: any nested data.
        refuse: says of a leaf what is wrong with it and what to do, or `None`.
        path: where `value` stands; for errors.

    Raises:
        Unfit: where `refuse` says so, where data is nested too deep, or where a reference stands in a container that
            cannot be rebuilt.
    """
    kind = type(value)
    if kind in _ATOMIC or kind is Opaque:
        return value
    if len(path) > DEEPEST:
        raise Unfit(
            path[:3], f"data nested more than {DEEPEST} levels deep, or that contains itself", "Use opaque(...)."
        )
    if kind is dict:
        for key in value:
            if isinstance(key, Ref | LocalRef | Tagged | Required):
                raise Unfit(path, f"{key!r} is a key of a dict, where nothing is replaced", "Use references as values.")
        return {k: freeze(v, refuse, (*path, k)) for k, v in value.items()}
    if kind is list:
        return [freeze(v, refuse, (*path, i)) for i, v in enumerate(value)]
    if kind is tuple:
        return tuple(freeze(v, refuse, (*path, i)) for i, v in enumerate(value))
    if kind is set or kind is frozenset:
        if any(isinstance(v, Tagged) and not v.one for v in value):
            raise Unfit(
                path, "a tagged(...) in a set, and the mapping that it stands for cannot be in one", "Use a list."
            )
        return kind(freeze(v, refuse, (*path, "*")) for v in value)
    if kind is Build:
        args = tuple(freeze(v, refuse, (*path, i)) for i, v in enumerate(value.args))
        return Build(value.target, args, {k: freeze(v, refuse, (*path, k)) for k, v in value.kwargs.items()})
    if kind is Secret:
        return Secret(freeze(value.reveal(), refuse, path))
    complaint = refuse(value)
    if complaint is not None:
        raise Unfit(path, *complaint)
    if is_named_tuple(value):
        return value._make(freeze(v, refuse, (*path, k)) for k, v in zip(value._fields, value, strict=True))
    if isinstance(value, dict | list | tuple | set | frozenset) and _holds_marks(value):
        raise Unfit(
            path,
            f"a reference inside a {kind.__name__}, which Mainspring does not search",
            f"Use a plain dict, list, tuple or set, or build({kind.__name__}, ...).",
        )
    return value


def _holds_marks(value: Any, depth: int = 0) -> bool:
    if isinstance(value, Ref | LocalRef | Tagged | Required):
        return True
    if depth > DEEPEST:
        return False
    if isinstance(value, Mapping):
        return any(_holds_marks(v, depth + 1) for v in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(_holds_marks(v, depth + 1) for v in value)
    return False


def shape_of(value: Any) -> int:
    """`ATOMS` where frozen data may be handed out as it is, `NESTED` where it has to be thawed."""
    return ATOMS if is_atomic(value) else NESTED


def is_atomic(value: Any) -> bool:
    """Whether frozen data holds no container, no reference and no other mark."""
    kind = type(value)
    if kind in PLAIN_ATOMS:
        return True
    if kind in _ATOMIC or kind in _CONTAINERS or kind is Build or kind is Opaque or kind is Secret:
        return False
    return not is_named_tuple(value)


# --- Looking through frozen data --------------------------------------------------------------------------------------


def children(value: Any) -> Iterator[tuple[PathPart, Any]]:
    """The parts of one frozen value, each with the path part that leads to it."""
    kind = type(value)
    if kind is dict:
        yield from value.items()
    elif kind is list or kind is tuple:
        yield from enumerate(value)
    elif kind is set or kind is frozenset:
        yield from (("*", v) for v in value)
    elif kind is Build:
        yield from enumerate(value.args)
        yield from value.kwargs.items()
    elif is_named_tuple(value):
        yield from zip(value._fields, value, strict=True)
    elif kind is Secret:
        yield from children(unwrapped(value))


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of frozen data with its path, in the order as written; marks and unknown objects are leaves."""
    empty = True
    for part, child in children(value):
        empty = False
        yield from walk(child, (*path, part))
    if empty:
        yield path, value.reveal() if type(value) is Secret else value


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """As `walk`, with secrets as leaves."""
    parts = () if type(value) is Secret else tuple(children(value))
    for part, child in parts:
        yield from leaves(child, (*path, part))
    if not parts:
        yield path, value


def rebuilt(value: Any, each: Callable[[Any], Any]) -> Any:
    """A container made anew with `each` applied to its parts; anything else as it is."""
    kind = type(value)
    if kind is dict:
        return {k: each(v) for k, v in value.items()}
    if kind is list:
        return [each(v) for v in value]
    if kind is tuple:
        return tuple([each(v) for v in value])
    if kind is set or kind is frozenset:
        return kind([each(v) for v in value])
    if kind is Build:
        return Build(value.target, each(value.args), each(value.kwargs))
    if is_named_tuple(value):
        return value._make([each(v) for v in value])
    return value


def thaw(value: Any, lookup: Callable[[Reference], Any]) -> Any:
    """Fresh data: every container new, every reference replaced by what `lookup` gives, every other mark by its value."""
    kind = type(value)
    if kind in PLAIN_ATOMS:
        return value
    if kind in REFERENCES:
        return lookup(value)
    if kind is Opaque:
        return value.value
    if kind is Secret:
        return thaw(value.reveal(), lookup)
    made = rebuilt(value, lambda part: thaw(part, lookup))
    return made.target(*made.args, **made.kwargs) if kind is Build else made


def copied(value: Any) -> Any:
    """The same frozen data in containers of its own, marks and all: safe to give to a user."""
    return Secret(copied(value.reveal())) if type(value) is Secret else rebuilt(value, copied)


def masked(value: Any, lookup: Callable[[Reference], Any]) -> Any:
    """Like `thaw`, for showing: secrets stay hidden, and nothing is built."""
    kind = type(value)
    if kind is Secret:
        return MASKED
    if kind in REFERENCES:
        return lookup(value)
    if kind is Opaque:
        return value.value
    return rebuilt(value, lambda part: masked(part, lookup))


def redirected(value: Any, each: Callable[[Reference], Any]) -> Any:
    """The same frozen data with every reference replaced, and every other mark as it is."""
    kind = type(value)
    if kind in REFERENCES:
        return each(value)
    if kind is Secret:
        return Secret(redirected(value.reveal(), each))
    return rebuilt(value, lambda part: redirected(part, each))


# --- Reaching in ------------------------------------------------------------------------------------------------------


NOWHERE: Final = Opaque("nothing there")


class Unreachable(LookupError):
    """A path leads nowhere. Holds how far it led, what there is at that place, and whether that is (part of) a secret."""

    def __init__(
        self, reached: Path, part: PathPart, found: Any, candidates: list[str], *, is_secret: bool = False
    ) -> None:
        self.reached, self.part, self.found, self.candidates = reached, part, found, candidates
        self.is_secret = is_secret
        super().__init__(part)

    def __str__(self) -> str:
        where = f"at {_text.dotted(self.reached)} " if self.reached else ""
        if self.is_secret:
            # Of what is in it, only that is shown which somebody nearly knew.
            near = _text.near(str(self.part), self.candidates)
            hint = f"Did you mean {_text.either(near)}?" if near else "What is in a secret is not shown."
            return f"{where}there is a secret, which has no {_text.quote(self.part)}. {hint}"
        there = f"{where}there is {article(self.found)}, which has no {_text.quote(self.part)}"
        return f"{there}. {_text.hint_near(str(self.part), self.candidates, what='part of it that has a name')}"


def article(value: Any) -> str:
    """What kind of thing a value is: `a dict`, `an int`, `None`."""
    return "None" if value is None else _text.a(type(value).__name__)


def step_into(value: Any, part: PathPart) -> Any:
    """One step: by item into mappings and sequences, by attribute into anything else.

    Raises:
        LookupError, AttributeError: there is nothing of that name.
    """
    if isinstance(value, Mapping):
        if part in value:
            return value[part]
        return value[int(part)]  # a path that was written as text has only strings; a key may be a number
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        try:
            return value[int(part)]
        except ValueError:
            if is_named_tuple(value):
                return getattr(value, str(part))
            raise
    return getattr(value, str(part))


def names_in(value: Any) -> list[str]:
    """What `step_into` would find in a value."""
    if isinstance(value, Mapping):
        return [str(key) for key in value]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [str(i) for i in range(len(value))]
    return [name for name in dir(value) if not name.startswith("_")]


def reach(value: Any, path: Path) -> Any:
    """Follow `path` into `value`.

    Raises:
        Unreachable: a part of the path names nothing.
    """
    for i, part in enumerate(path):
        try:
            value = step_into(value, part)
        except (LookupError, AttributeError, ValueError, TypeError):
            raise Unreachable(path[:i], part, value, names_in(value)) from None
    return value


def written_at(value: Any, path: Path) -> Any:
    """What is written at a place in frozen data. Part of a secret is a secret; a reference on the way is made longer.

    Raises:
        Unreachable: a part of the path names nothing.
    """
    is_secret = False
    for i, part in enumerate(path):
        while isinstance(value, Secret | Opaque):
            is_secret = is_secret or isinstance(value, Secret)
            value = unwrapped(value)
        if isinstance(value, Ref | LocalRef):
            value = type(value)((*value.path, *path[i:]), value.optional)
            break
        try:
            value = reach(value, (part,))
        except Unreachable as error:
            error.reached, error.is_secret = path[:i], is_secret
            raise
    return Secret(value) if is_secret and not isinstance(value, Secret) else value


# --- Comparing --------------------------------------------------------------------------------------------------------

# Unknown objects are compared by identity, because nobody can know what their == means or costs. These are known:
# immutable values of the standard library, named by module so that none of them has to be imported.
_VALUE_MODULES: Final = frozenset(
    {"datetime", "decimal", "fractions", "pathlib", "pathlib._local", "uuid", "ipaddress", "zoneinfo", "re"}
)


def same(a: Any, b: Any) -> bool:
    """Whether two pieces of frozen data are equal: type-strict, containers by content, unknown objects by identity."""
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    if kind in PLAIN_ATOMS:
        return bool(a == b or (a != a and b != b))
    if kind is dict:
        return _typed(a) == _typed(b) and all(same(v, b[k]) for k, v in a.items())
    if kind is list or kind is tuple:
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if kind is set or kind is frozenset:
        return _typed(a) == _typed(b)
    if kind in REFERENCES or kind is Opaque or kind is Secret:
        return bool(a == b)
    if kind is MethodType:
        return a.__func__ is b.__func__ and a.__self__ is b.__self__  # a new object every time it is looked up
    if kind is BuiltinMethodType:
        return a.__self__ is b.__self__ and a.__name__ == b.__name__
    if kind is Build:
        return same(a.target, b.target) and same(a.args, b.args) and same(a.kwargs, b.kwargs)
    if is_named_tuple(a):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if kind.__module__ in _VALUE_MODULES:
        return bool(a == b)
    return False


def _typed(keys: Any) -> set[Any]:
    return {_with_type(key) for key in keys}


def _with_type(key: Any) -> Any:
    if isinstance(key, tuple):
        return type(key), tuple(map(_with_type, key))
    return type(key), frozenset(map(_with_type, key)) if isinstance(key, frozenset) else key


def unwrapped(value: Any) -> Any:
    """What stands behind a secret or an opaque mark."""
    while isinstance(value, Secret | Opaque):
        value = value.reveal() if isinstance(value, Secret) else value.value
    return value
