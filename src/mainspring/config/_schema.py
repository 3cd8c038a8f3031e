"""What is in a system, checked and converted by the annotations and schemas of its components. Nothing is started."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from enum import Enum
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from mainspring import BadValue, Component, Id, Problem, Secret, Site, System, build, is_ref, opaque, ref, required

from .. import _text
from ..schemas import defaults_of, fields_of, has_fields, hints_of, parameters_of, pydantic_for, target_of
from ._checkers import CONTAINERS, Checker, Checkers, Converter, Misfit, checker_of, checkers_of, missing, part_of_path
from ._hints import fields_at, fields_in, holds_secrets, inside, is_secret, is_secret_at, names_of
from ._modules import is_same
from ._words import PLAIN, a_type, short, split_id

Path = tuple[str | int, ...]
Locate = Callable[[Path], tuple[Site | None, str]]
"""Gives the place of a value, and where it is from: "environment variable PORT", or nothing for a file."""

_BUILD: Final = type(build(dict))
_OPAQUE: Final = type(opaque(None))
_ABSENT: Final[Any] = object()


def examined(
    groups: Mapping[str, Mapping[str, Any]],
    *,
    convert: bool,
    locate: Locate,
    inner: Mapping[Id, System] | None = None,
    touched: Set[Id] | None = None,
) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """The groups of a system with every argument checked by its annotation and its schema, and converted to what they ask for.

    An argument whose references all lead to constants is checked by the values that are there. Where one that holds
    references has to be converted, that is done again at each start, by a `build(...)` around it. So it is where an object of
    a class comes of it, such as a model: two of these are not equal, and two readings of one file are. What is known only when
    the system runs, and what is marked `required`, `build(...)` or `opaque(...)`, is passed over. What an annotation says is
    secret becomes a `Secret`, also in the constants that it is taken from.

    Parameters:
        groups: components and constants, as `System` takes them. A component that nothing is changed in stays the same object.
        convert: whether values are converted as pydantic does it by default: the text "8080" becomes a number where one is
            asked for. Otherwise nothing is: a value has to be already what its handler is to get, a model an instance of it.
        locate: says where a value is written, and where it is from.
        inner: the systems that subsystems are made of, as far as they are known: what is secret in one is secret where it is
            imported from.
        touched: the components and constants that are looked at, and the arguments that come from such a constant; all if not
            given.

    Returns:
        The groups anew, and everything that does not fit, in the order as written.

    Raises:
        MissingExtra: pydantic is not installed.

    Example:
        >>> from mainspring import Component
        >>> def server(port: int): ...
        >>> groups = {"web": {"server": Component(server, config={"port": "8080"})}}
        >>> made, problems = examined(groups, convert=True, locate=lambda path: (None, ""))
        >>> made["web"]["server"].config
        {'port': 8080}
        >>> print(examined(groups, convert=False, locate=lambda path: (None, ""))[1][0])
        web.server, config.port: is '8080', and a whole number is expected.
    """
    pydantic_for("Checking values from files", "config")
    return _Examination(groups, convert, locate, inner or {}, touched).made()


class BaseConfig:
    """The config of a base while it is examined: a constant, which each component refers to that takes something of it.

    So it is checked, converted and hidden by what each of them asks for, and told once where it does not fit.

    Parameters:
        config: the arguments by name.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self._takers: dict[Id, Component[Any]] = {}

    def under(self, groups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """The groups, with the constant, and references to it in the components that take something of it."""
        made = {group: dict(nodes) for group, nodes in groups.items()}
        if not self.config:
            return made
        for group, nodes in made.items():
            for name, node in nodes.items():
                taken = self._taken(node) if type(node) is Component else {}
                if taken:
                    self._takers[Id(group, name)] = node
                    nodes[name] = node.replace(config={**node.config, **taken})
        made.setdefault(BASE.group, {})[BASE.name] = {"config": self.config}
        return made

    def _taken(self, node: Component[Any]) -> dict[str, Any]:
        accepted = parameters_of(node)
        if accepted is None:
            accepted = list(hints_of(target_of(node)).named)
        own = node.config
        return {
            name: ref(*BASE, "config", name)
            for name in self.config
            if name in accepted and (name not in own or own[name] is required)
        }

    def taken_out(self, groups: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The groups without the constant. What each component got of it is in the base, where they all got the same."""
        if not self.config:
            return groups
        self.config = groups[BASE.group].pop(BASE.name)["config"]
        if not groups[BASE.group]:
            del groups[BASE.group]
        got: dict[Id, dict[str, Any]] = {}
        for id, old in self._takers.items():
            config = groups[id.group][id.name].config
            got[id] = {name: self._got(name, config[name]) for name in self._taken(old)}
        for name, written in self.config.items():
            values = [values[name] for values in got.values() if name in values]
            if values and all(is_same(value, values[0]) for value in values):
                self.config[name] = values[0]
            elif not values:
                self.config[name] = written
        for id, old in self._takers.items():
            node = groups[id.group][id.name]
            kept = {name: value for name, value in node.config.items() if name not in got[id] or name in old.config}
            for name, value in got[id].items():
                if not is_same(value, self.config[name]):
                    kept[name] = value
                elif name in old.config:
                    kept[name] = old.config[name]
            groups[id.group][id.name] = old if _same(kept, old.config) else node.replace(config=kept)
        return groups

    def _got(self, name: str, made: Any) -> Any:
        """What a component got, of what became of its reference to the constant."""
        written = self.config[name]
        if type(made) is Secret:
            made = made.reveal()
        if type(made) is not _BUILD or not isinstance(made.target, Converter):
            return written
        checker = made.target.checker
        plain = written.reveal() if type(written) is Secret else written
        if _has_refs(plain):
            return _built(checker, written)
        value, _ = checker.check(plain, True)
        return _rewrapped(written, value) if _is_comparable(value) else _built(checker, written)


BASE: Final = Id("mainspring", "base")


def _has_refs(value: Any) -> bool:
    if type(value) in CONTAINERS:
        return any(map(_has_refs, value.values() if type(value) is dict else value))
    return is_ref(value) or type(value) is _BUILD or (type(value) is Secret and _has_refs(value.reveal()))


# --- What stands in a config ------------------------------------------------------------------------------------------


class _Unknown(Exception):
    """A value that is known only when the system runs."""


class _Found(NamedTuple):
    """What a reference leads to."""

    place: Path
    value: Any
    is_secret: bool


class _Resolved(NamedTuple):
    """A value as a handler would get it."""

    value: Any
    has_refs: bool
    has_secrets: bool


class _Examination:
    def __init__(
        self,
        groups: Mapping[str, Mapping[str, Any]],
        convert: bool,
        locate: Locate,
        inner: Mapping[Id, System],
        touched: Set[Id] | None = None,
    ) -> None:
        self.given, self.inner, self.touched = groups, inner, touched
        self.groups = {group: dict(nodes) for group, nodes in groups.items()}
        self.convert, self.locate = convert, locate
        self.told: dict[Any, _Told] = {}

    def made(self) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
        self.mark_all()  # first, so that no value is told of before it is known to be secret
        for group, name, node in self.components():
            self.component(group, name, node)
        if not self.told:
            return self.groups, []
        order = {(group, name): n for n, (group, name) in enumerate((g, n) for g in self.given for n in self.given[g])}
        told = sorted(self.told.values(), key=lambda one: order[str(one.place[0]), str(one.place[1])])
        return self.groups, [one.problem(self.locate) for one in told]

    # --- Components ---

    def components(self) -> Iterator[tuple[str, str, Component[Any]]]:
        """Those that say what their arguments are."""
        for group, nodes in self.given.items():
            for name, node in nodes.items():
                if type(node) is Component:
                    yield group, name, node

    def mark_all(self) -> None:
        """Make a `Secret` of all that an annotation takes for one."""
        for group, name, node in self.components():
            self.mark_secrets(group, name, node)
        for id, system in self.inner.items():
            self.mark_imports(id, system)

    def mark_secrets(self, group: str, name: str, node: Component[Any]) -> None:
        """Make those constants a `Secret` which a component takes for one."""
        target = target_of(node)
        if target is None or not self.is_touched(Id(group, name), node.config if self.touched is not None else None):
            return
        checkers = checkers_of(target)
        if checkers.has_secrets or node.schema is not None:
            _One(self, group, name, node).hide(checkers)

    def mark_imports(self, id: Id, system: System) -> None:
        """Make those values a `Secret` which a subsystem imports for a component that takes them for one."""
        node = self.groups.get(id.group, {}).get(id.name)
        if not isinstance(node, Component):
            return
        one = _One(self, id.group, id.name, node)
        paths = {path: split_id(path) for path in one.config}
        secret = _secret_in(system, paths.values())
        for path, written in list(one.config.items()):
            if paths[path] in secret:
                new = one.secreted(written, ())
                one.config[path], one.is_changed = new, one.is_changed or new is not written
        if one.is_changed:
            self.groups[id.group][id.name] = node.replace(config=one.config)

    def component(self, group: str, name: str, node: Component[Any]) -> None:
        target = target_of(node)
        if target is None or not self.is_touched(Id(group, name), node.config if self.touched is not None else None):
            return
        checkers = checkers_of(target)
        schema = node.schema
        if schema is None and not checkers:
            return
        one = _One(self, group, name, node)
        if checkers.has_secrets or schema is not None:
            one.hide(checkers)
        if schema is not None and not _is_of_whole(schema):
            one.by_fields(schema, node)
        for parameter in one.config:
            checker = checkers.of(parameter)
            if checker is not None and parameter not in one.wrong:
                one.argument(parameter, checker)
        if schema is not None and not one.wrong and _is_of_whole(schema):
            one.whole(schema, node)
        if one.is_changed:
            self.groups[group][name] = node.replace(config=one.config)

    def is_touched(self, id: Id, written: Any) -> bool:
        """Whether a value is looked at: it stands in something that is, or refers to a constant that is."""
        if self.touched is None or id in self.touched:
            return True
        seen: set[Any] = set()
        rest = [(written, id.group)]
        while rest:
            value, group = rest.pop()
            kind = type(value)
            if kind in CONTAINERS:
                rest += [(part, group) for part in (value.values() if kind is dict else value)]
            elif kind is Secret or kind is _OPAQUE:
                rest.append((value.reveal() if kind is Secret else value.value, group))
            elif is_ref(value) and (path := _path_of(value, group)) is not None and path[:2] not in seen:
                seen.add(path[:2])
                if path[:2] in self.touched:
                    return True
                constant = self.groups.get(path[0], {}).get(path[1]) if len(path) > 1 else None
                if not isinstance(constant, Component):
                    rest.append((constant, path[0]))
        return False

    # --- References ---

    def resolved(self, value: Any, group: str) -> _Resolved:
        """A value with every reference replaced, as far as they lead to constants.

        Raises:
            _Unknown: there is something in it that is known only when the system runs.
        """
        kind = type(value)
        if kind in PLAIN:
            return _Resolved(value, False, False)
        if kind in CONTAINERS:
            if not value:
                return _Resolved(value, False, False)
            parts = [self.resolved(part, group) for part in (value.values() if kind is dict else value)]
            values = [part.value for part in parts]
            try:
                made = dict(zip(value, values, strict=True)) if kind is dict else kind(values)
            except TypeError:  # a set, of what cannot be in one
                raise _Unknown from None
            return _Resolved(made, any(part.has_refs for part in parts), any(part.has_secrets for part in parts))
        if kind is Secret:
            return self.resolved(value.reveal(), group)._replace(has_secrets=True)
        if kind is _BUILD or kind is _OPAQUE or value is required:
            raise _Unknown
        if is_ref(value):
            found = self.led_to(value, group)
            inner = self.resolved(found.value, found.place[0])  # type: ignore[arg-type]
            return _Resolved(inner.value, True, inner.has_secrets or found.is_secret)
        return _Resolved(value, False, False)

    def led_to(self, reference: Any, group: str) -> _Found:
        """The place in a constant that a reference leads to, through as many aliases as there are.

        Raises:
            _Unknown: it leads to none.
        """
        path = _path_of(reference, group)
        seen: set[Path] = set()
        is_secret = False
        while True:
            if path is None or path in seen or len(path) < 2:
                raise _Unknown
            seen.add(path)
            value = self.groups.get(path[0], {}).get(path[1], _ABSENT)
            if value is _ABSENT or isinstance(value, Component):
                raise _Unknown
            place: Path = path[:2]
            for n, part in enumerate((*path[2:], _ABSENT)):
                while isinstance(value, Secret) or type(value) is _OPAQUE:
                    is_secret = is_secret or isinstance(value, Secret)
                    value = value.reveal() if isinstance(value, Secret) else value.value
                if is_ref(value):
                    further = _path_of(value, str(place[0]))
                    path = None if further is None else (*further, *path[2 + n :])
                    break
                if part is _ABSENT:
                    return _Found(place, value, is_secret)
                actual, value = _step(value, part)
                place = (*place, actual)

    # --- Telling ---

    def tell(self, place: Path, error: Misfit, found: str, value: Any, needs: str) -> None:
        key = (place, error.kind, error.expected)
        if key not in self.told:
            self.told[key] = _Told(place, error, found, value, [])
        if needs and needs not in self.told[key].needs:
            self.told[key].needs.append(needs)


def _path_of(reference: Any, group: str) -> Any:
    """The path that a reference names; `None` for one that goes by tags."""
    path = getattr(reference, "path", None)
    return None if path is None else reference.at(group).path


def _step(value: Any, part: Any) -> tuple[Any, Any]:
    """One step into the value of a constant: the part as it is there, and what stands under it."""
    try:
        if isinstance(value, Mapping):
            key = part if part in value else int(part)
            return key, value[key]
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            if hasattr(value, "_fields") and not str(part).isdigit():
                return part, getattr(value, str(part))
            return int(part), value[int(part)]
        return part, getattr(value, str(part))
    except (LookupError, ValueError, TypeError, AttributeError):
        raise _Unknown from None


class _One:
    """One component, and what becomes of its config."""

    def __init__(self, all: _Examination, group: str, name: str, node: Component[Any]) -> None:
        self.all, self.group, self.name, self.node = all, group, name, node
        self.is_changed = False
        self.wrong: set[str] = set()  # arguments of which something was told
        self.known: dict[str, _Resolved] = {}  # those that fit, as the handler will get them

    @cached_property
    def config(self) -> dict[str, Any]:
        """What is written, and what becomes of it."""
        return self.node.config

    def hide(self, checkers: Checkers) -> None:
        """Make a `Secret` of what an annotation or the schema says is one, before anything is said of it."""
        schema = self.node.schema
        fields = {} if schema is None or _is_of_whole(schema) else _by_field(schema)
        if not checkers.has_secrets and not any(field.has_secrets for field in fields.values()):
            return
        accepted = parameters_of(self.node)
        for name, written in list(self.config.items()):
            if not self.all.is_touched(Id(self.group, self.name), written):
                continue
            if accepted is not None and name not in accepted and name not in fields:
                # It may be a secret under a misspelt name.
                new = self.secreted(self.config[name], ())
                self.config[name], self.is_changed = new, self.is_changed or new is not written
                continue
            for checker in (checkers.of(name), fields.get(name)):
                if checker is not None and checker.has_secrets:
                    new = self.secreted(self.config[name], checker.hints)
                    self.config[name], self.is_changed = new, self.is_changed or new is not written

    def argument(self, name: str, checker: Checker) -> None:
        """Check one argument, and put what it is converted to in its place."""
        written = self.config[name]
        if not self.all.is_touched(Id(self.group, self.name), written):
            return
        kind = type(written)
        if kind in PLAIN:
            plain = _Resolved(written, False, False)
        else:
            try:
                plain = self.all.resolved(written, self.group)
            except _Unknown:
                return
        value, errors = checker.check(plain.value, self.all.convert)
        if errors:
            self.refuse((name,), errors, checker, plain)
        else:
            self.put(name, plain, value, checker)

    def put(self, name: str, plain: _Resolved, value: Any, checker: Checker) -> None:
        """Take a value that fits for what was written."""
        written = self.config[name]
        self.known[name] = plain._replace(value=value) if self.all.convert else plain
        if self.all.convert and not _same(value, plain.value):
            is_built = plain.has_refs or not _is_comparable(value)
            new = _built(checker, written) if is_built else _rewrapped(written, value)
            self.config[name], self.is_changed = new, True

    def secreted(self, written: Any, hints: Sequence[Any], group: str | None = None) -> Any:
        """What is written, with that made a `Secret` which an annotation says is one; also in the constants referred to."""
        kind = type(written)
        if written is None or written is required or kind is Secret:
            return written
        if (hints and not any(map(holds_secrets, hints))) or (kind is _BUILD and isinstance(written.target, Converter)):
            return written
        if is_ref(written):
            try:
                found = self.all.led_to(written, self.group if group is None else group)
            except _Unknown:
                return written
            if not found.is_secret:
                new = self.secreted(found.value, hints, str(found.place[0]))
                if new is not found.value:
                    top, name, *rest = found.place
                    nodes = self.all.groups[str(top)]
                    nodes[str(name)] = _replaced(nodes[str(name)], rest, new)
            return written
        if not hints or any(map(is_secret, hints)):  # without any, it may be one that has the wrong name
            return Secret(written)
        if kind is dict:
            made = {key: self.secreted(part, inside(hints, key), group) for key, part in written.items()}
            return made if any(made[key] is not written[key] for key in made) else written
        if kind is list or kind is tuple:
            parts = [self.secreted(part, inside(hints, n), group) for n, part in enumerate(written)]
            return kind(parts) if any(x is not y for x, y in zip(parts, written, strict=True)) else written
        return Secret(written)  # no container where one with secrets is asked for: it may be a secret that is misplaced

    # --- By schema ---

    def by_fields(self, schema: Any, node: Component[Any]) -> None:
        """Check by a schema that speaks of each argument by itself: a class with fields, a model, a mapping."""
        if isinstance(schema, type) and hasattr(schema, "model_validate"):
            self.by_model(schema, node)
            return
        if has_fields(schema):
            self.complain_of_missing(schema, node)
        for name, checker in _by_field(schema).items():
            if name in self.config:
                self.argument(name, checker)

    def complain_of_missing(self, schema: Any, node: Component[Any]) -> None:
        """Note the fields that are not there; what the start itself needs, or has a default for, is not for a schema to miss."""
        accepted, defaults = parameters_of(node) or (), defaults_of(node)
        try:
            fields = fields_of(schema)
        except Exception:  # an annotation that names what is not there at run time
            return
        for name, field in fields.items():
            if field.is_required and name not in self.config and name not in accepted and name not in defaults:
                self.refuse((), [missing((name,))], None, _Resolved(self.config, False, False))

    def by_model(self, schema: Any, node: Component[Any]) -> None:
        known: dict[str, _Resolved] = {}
        for name, written in self.config.items():
            try:
                known[name] = self.all.resolved(written, self.group)
            except _Unknown:
                continue
        checkers = _by_field(schema)
        if len(known) < len(self.config):
            # Without all of its fields nothing can be said of a model as a whole.
            for name, checker in checkers.items():
                if name in known:
                    self.argument(name, checker)
            return
        whole = checker_of(schema)
        if whole is None:
            return
        accepted = parameters_of(node)
        defaults = {name: value for name, value in defaults_of(node).items() if name in checkers}
        values = {**defaults, **{name: plain.value for name, plain in known.items()}}
        made, errors = whole.check(values, self.all.convert, as_model=True)
        kept = []
        for error in errors:
            is_missing = error.kind == "missing" and len(error.at) == 1
            is_extra = error.kind == "extra" and len(error.at) == 1
            if error.at and error.at[0] in defaults and error.at[0] not in self.config:
                continue
            if (is_missing or is_extra) and accepted is not None and (is_missing == (error.at[0] in accepted)):
                continue  # told by the check of the system
            kept.append(error)
        if kept:
            has_secrets = any(plain.has_secrets for plain in known.values())
            self.refuse((), kept, whole, _Resolved(values, False, has_secrets))
            return
        if errors:
            return
        for field, info in schema.model_fields.items():
            for name in dict.fromkeys((field, *names_of(field, info))):
                if name in known and name in checkers:
                    self.put_field(name, known[name], getattr(made, field), checkers[name])

    def put_field(self, name: str, plain: _Resolved, value: Any, checker: Checker) -> None:
        """Take a field's value, also where a validator of its class made it something that its annotation would not."""
        by_annotation, errors = checker.check(plain.value, True)
        if self.all.convert and not plain.has_refs and (errors or not _same(value, by_annotation)):
            self.config[name], self.is_changed = _rewrapped(self.config[name], value), True
            self.known[name] = plain._replace(value=value)
        else:
            self.put(name, plain, value, checker)

    def whole(self, schema: Any, node: Component[Any]) -> None:
        """Check the config as a whole, by a callable or a type."""
        checker = checker_of(schema)
        if checker is None:
            return
        try:
            for name, written in self.config.items():
                if name not in self.known:
                    self.known[name] = self.all.resolved(written, self.group)
        except _Unknown:
            return
        values = {name: self.known[name].value for name in self.config}
        # A check of the whole is for what the start will get; but the defaults of its parameters are the component's own.
        given = {**defaults_of(node), **values} if checker.is_called else values
        made, errors = checker.check(given, self.all.convert)
        if errors:
            self.refuse((), errors, checker, _Resolved(given, False, any(k.has_secrets for k in self.known.values())))
        elif not checker.is_called and isinstance(made, Mapping) and made.keys() == values.keys():
            for name, known in self.known.items():
                if self.all.convert and not _same(made[name], known.value) and not known.has_refs:
                    self.config[name], self.is_changed = _rewrapped(self.config[name], made[name]), True

    # --- Telling ---

    def refuse(self, at: Path, errors: Sequence[Misfit], checker: Checker | None, plain: _Resolved) -> None:
        """Note what does not fit, at the place where it was written."""
        may_quote = not plain.has_secrets and not (checker is not None and checker.has_secrets)
        for error in errors:
            self.wrong.update([str(part) for part in (*at, *error.at)[:1]])
            place, value, is_secret, is_elsewhere = self.placed((*at, *error.at), error, checker)
            if checker is not None and not is_secret:
                is_secret = is_secret_at(checker.hints, error.at)
            if not may_quote:
                error = error.guarded()
            needs = ""
            if is_elsewhere:
                needs = f"{Id(self.group, self.name)}, {_text.dotted(('config', *map(part_of_path, (*at, *error.at))))}"
            # What is in a container is never shown.
            hides = is_secret and value is not None and type(value) not in CONTAINERS
            found = "a secret" if hides else _shown(value)
            self.all.tell(
                place, error if not is_secret else error.guarded(), found, None if is_secret else value, needs
            )

    def placed(self, at: Path, error: Misfit, checker: Checker | None) -> tuple[Path, Any, bool, bool]:
        """Where something in the config was written, what is there, whether that is secret, and whether it is in a constant."""
        place: Path = (self.group, self.name, "config")
        value: Any = self.config
        is_secret = is_elsewhere = False
        for n in range(len(at) + 1):
            while True:
                if type(value) is Secret:
                    value, is_secret = value.reveal(), True
                elif is_ref(value):
                    try:
                        found = self.all.led_to(value, str(place[0]))
                    except _Unknown:
                        break
                    place, value, is_elsewhere = found.place, found.value, True
                    is_secret = is_secret or found.is_secret
                else:
                    break
            if n == len(at):
                break
            part = part_of_path(at[n])
            is_known = type(value) in (list, tuple)
            try:
                _, value = _step(value, at[n]) if type(value) in CONTAINERS else (part, _ABSENT)
            except _Unknown:
                value = _ABSENT
            # The keys of what is secret may be, too, unless a class has fields of these names.
            inner = at[len(at) - len(error.at) : n]
            is_known = is_known or (checker is not None and part in fields_at(checker.hints, inner))
            place = (*place, part if is_known or not is_secret else "*")
        return place, value, is_secret, is_elsewhere


def _by_field(schema: Any) -> dict[str, Checker]:
    """What checks each argument, by a schema that speaks of each by itself; nothing where its annotations cannot be resolved."""
    hints = {str(name): inner for name, inner in schema.items()} if isinstance(schema, Mapping) else fields_in(schema)
    found = {name: checker_of(hint) for name, hint in hints.items()}
    return {name: checker for name, checker in found.items() if checker is not None}


def _is_of_whole(schema: Any) -> bool:
    """Whether a schema is for the config as a whole, and not for its arguments one by one."""
    if isinstance(schema, Mapping) or has_fields(schema):
        return False
    return not (isinstance(schema, type) and hasattr(schema, "model_validate"))


def _replaced(value: Any, path: Sequence[Any], new: Any) -> Any:
    """A value with another one at a place in it."""
    if not path:
        return new
    if type(value) is Secret or type(value) is _OPAQUE:
        return value
    part, *rest = path
    if isinstance(value, dict):
        return {**value, part: _replaced(value[part], rest, new)}
    if type(value) in (list, tuple):
        return type(value)(_replaced(old, rest, new) if n == part else old for n, old in enumerate(value))
    return value


def _built(checker: Checker, written: Any) -> Any:
    """What is converted at each start; a secret as a whole, where it is one."""
    if type(written) is Secret:
        return Secret(_built(checker, written.reveal()))
    return _BUILD(checker.converter, (written,), {})  # what `build` makes, without another look at the signature


_VALUE_MODULES: Final = frozenset(
    {"datetime", "decimal", "fractions", "pathlib", "pathlib._local", "uuid", "ipaddress", "zoneinfo", "re"}
)


def _is_comparable(value: Any) -> bool:
    """Whether a value that is made anew is equal to the old one, as definitions compare; objects are not, of most classes."""
    kind = type(value)
    if kind in PLAIN:
        return True
    if kind is dict:
        return all(map(_is_comparable, value)) and all(map(_is_comparable, value.values()))
    if kind in CONTAINERS or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return all(map(_is_comparable, value))
    return (
        isinstance(value, type | FunctionType | BuiltinFunctionType | ModuleType | Enum | complex)
        or kind.__module__ in _VALUE_MODULES
    )


def _rewrapped(written: Any, value: Any) -> Any:
    """A converted value, with that made a `Secret` again which was one."""
    if type(written) is Secret:
        return value if type(value) is Secret else Secret(value)
    if type(written) is dict and type(value) is dict and written.keys() == value.keys():
        return {key: _rewrapped(written[key], part) for key, part in value.items()}
    if type(written) in (list, tuple) and type(value) in (list, tuple) and len(written) == len(value):
        return type(value)(_rewrapped(old, new) for old, new in zip(written, value, strict=True))
    return Secret(value) if _has_secret(written) else value


def _has_secret(value: Any) -> bool:
    if type(value) in CONTAINERS:
        return any(map(_has_secret, value.values() if type(value) is dict else value))
    return type(value) is Secret


def _same(new: Any, old: Any) -> bool:
    """Whether a conversion left a value what it was."""
    if new is old:
        return True
    kind = type(new)
    if kind is not type(old):
        return False
    if kind is dict:
        return list(new) == list(old) and all(_same(key, other) for key, other in zip(new, old, strict=True)) and all(
            _same(part, old[key]) for key, part in new.items()
        )  # fmt: skip
    if kind is list or kind is tuple:
        return len(new) == len(old) and all(map(_same, new, old))
    if kind is set or kind is frozenset:
        return {(type(part), part) for part in new} == {(type(part), part) for part in old}
    try:
        return bool(new == old or (new != new and old != old))
    except Exception:
        return False


def _secret_in(system: System, paths: Iterable[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Those places of a system where something is secret, whatever stands there."""
    groups = {group: dict(nodes) for group, nodes in system.groups.items()}
    constants = [
        path for path in paths if len(path) > 1 and not isinstance(groups.get(path[0], {}).get(path[1]), Component)
    ]
    for path in constants:
        probe: Any = groups.setdefault(path[0], {})
        for part in path[1:-1]:
            inner = probe.get(part)
            probe[part] = probe = dict(inner) if isinstance(inner, dict) else {}
        probe[path[-1]] = "any"
    look = _Examination(groups, False, lambda place: (None, ""), {})
    look.mark_all()
    # What was examined before has its secrets marked, and its references converted.
    known = (look.groups, system.groups)
    return {
        path
        for path in constants
        if any(_is_secret_inside(one.get(path[0], {}).get(path[1]), path[2:]) for one in known)
    }


def _is_secret_inside(value: Any, path: Sequence[str]) -> bool:
    for part in path:
        if type(value) is Secret:
            return True
        try:
            _, value = _step(value, part)
        except _Unknown:
            return False
    return type(value) is Secret


# --- Telling ----------------------------------------------------------------------------------------------------------


class _Told:
    """One problem: the same of several who need a constant is one."""

    def __init__(self, place: Path, error: Misfit, found: str, value: Any, needs: list[str]) -> None:
        self.place, self.error, self.found, self.value, self.needs = place, error, found, value, needs

    def problem(self, locate: Locate) -> Problem:
        group, name, *path = self.place
        error = self.error
        last = str(self.place[-1])
        if error.kind == "missing":
            what = "is missing"
        elif error.kind == "extra":
            what = f"is not one of the fields: {error.expected}"
        else:
            what = f"is {self.found}, and {error.expected} is expected"
        if self.needs:
            shown = self.needs[:5] + (["and more"] if len(self.needs) > 5 else [])
            what += f": {'; '.join(shown)} {'needs' if len(self.needs) == 1 else 'need'} it"
        site, origin = locate(self.place)
        details = {
            "found": "missing" if error.kind == "missing" else self.found,
            "expected": error.expected,
            "candidates": list(error.candidates),
        }
        hint = " ".join(filter(None, self._hints(last, origin)))
        return Problem(
            BadValue, f"{what}.", Id(str(group), str(name)), tuple(map(part_of_path, path)), site, hint, details
        )

    def _hints(self, last: str, origin: str) -> Iterator[str]:
        error, value = self.error, self.value
        given = last if error.kind == "extra" else value
        if error.candidates and isinstance(given, str | int):
            close = _text.near(str(given), error.candidates)
            yield f"Did you mean {_text.either(close)}?" if close else ""
        if error.kind == "instance" and (type(value) in PLAIN or type(value) in CONTAINERS) and value is not None:
            yield "Refer to a component, or to another object that is one."
        if origin and error.kind not in ("extra", "missing"):
            is_unset = self.found == "nothing" and origin.startswith("environment variable")
            yield f"The {origin} is not set." if is_unset else f"It comes from the {origin}."


def _shown(value: Any) -> str:
    """What a value is; the contents of containers and objects are not shown."""
    if value is None or type(value) not in PLAIN:
        return a_type(value)
    if isinstance(value, str | bytes):
        value = value[:200]
    return short(repr(value))
