"""Where each value of a system is from, for messages and for people: `explain`, `Provenance`."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mainspring import (
    BadArguments,
    Component,
    Context,
    Id,
    MainspringError,
    Origins,
    Problem,
    RequiredMissing,
    Secret,
    Site,
    System,
    is_ref,
)

from .. import _text
from ..schemas import hints_of
from ..schemas import target_of as target_of_component
from . import _words as words
from ._checkers import Converter
from ._evaluate import ABSENT, Imported, Leaf, Made, Map, Node, Origin, Reference, Seq, Wanted
from ._form import too_many
from ._hints import fields_in, holds_secrets
from ._modules import argument_of, is_same, module_of, place_of, refuse_unknown
from ._sources import shown_path

if TYPE_CHECKING:
    from ._settings import Settings

MASK: Final = "***"
_SLOTS: Final = ("doc", "tags", "enabled", "deadlines", "retry", "thread", "on_crash", "cached")
_OURS: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Value(NamedTuple):
    """One value, and where it is from.

    Parameters:
        path: its place: group, name, and where in it.
        shown: the value as text; a secret is masked.
        origin: where it is from.
        mark: tells secrets apart that are not shown; of two processes they say nothing.
    """

    path: tuple[str | int, ...]
    shown: str
    origin: Origin
    mark: int = 0


class FileOrigins(Origins):
    """Knows the places in files of what a system was made of.

    Parameters:
        root: the tree that was read.
        nodes: what is written of each component and constant.
        made: what was made of them.
        settings: what was read.
        values: what was done with the arguments of components.
    """

    __slots__ = ("made", "nodes", "root", "settings", "values")

    def __init__(
        self,
        root: Node,
        nodes: Mapping[Id, Node],
        made: Mapping[str, Mapping[str, Any]],
        settings: Settings | None = None,
        values: Any = None,
    ) -> None:
        self.root, self.nodes, self.made = root, nodes, made
        self.settings, self.values = settings, values

    def __reduce__(self) -> Any:
        # A copy in another process has the definition; the files, and what was read of them, stay here.
        return Origins, ()

    def __deepcopy__(self, memo: Any) -> FileOrigins:
        return self

    def is_as_written(self, id: Id, node: Any) -> bool:
        """Whether a component or constant is still what was made of the file."""
        known = self.made.get(id.group, {}).get(id.name, ABSENT)
        if known is node:
            return True
        if isinstance(known, Component) or isinstance(node, Component):
            return False
        return known is not ABSENT and is_same(known, node)

    def placed(self, problem: Problem, node: Any) -> Problem:
        """A problem with its place in a file; as it was, where what is wrong was exchanged since."""
        id = problem.id
        entry = self.nodes.get(id) if id is not None else None
        if entry is None or id is None or not self.is_as_written(id, node):
            return problem
        found, is_exact = found_at(entry, problem.path)
        origin = origin_of(found)
        site = origin.site if found.document.below is not None else place_of(found)
        problem = problem if site is None else problem._replace(site=site)
        if problem.error is RequiredMissing and is_exact:
            place = words.dotted((*id, *problem.path))
            hint = f"Write it in a file that is laid on top, or give it on the command line: --set {place}=..."
            if origin.kind == "environment variable":
                hint = f"The {origin.kind} {origin.what} is not set: set it."
            elif origin.kind not in ("file", "python", "module"):
                hint = f"There is nothing in the {origin.kind} {origin.what}."
            problem = problem._replace(hint=hint)
        if problem.error is BadArguments and (more := _of_another_component(entry)):
            problem = problem._replace(hint=f"{problem.hint} {more}".strip())
        return problem

    def locate(self, path: Sequence[Any]) -> tuple[Site | None, str]:
        """The place of a value, and what it is from where that is more than a file.

        Parameters:
            path: group, name, and where in it.
        """
        entry = self.nodes.get(Id(str(path[0]), str(path[1])))
        if entry is None:
            return None, ""
        node, is_exact = found_at(entry, path[2:])
        origin = origin_of(node) if is_exact else None
        is_place = origin is None or origin.kind in ("file", "python", "command line")
        text = " ".join(filter(None, origin[:2])) if origin is not None and not is_place else ""
        return (origin.site if node.document.below is not None and origin is not None else node.site), text


def _of_another_component(entry: Node) -> str:
    """What to do where a layer says another component, over the config that was written for the one below."""
    head = entry.head()
    said = head.nodes.get("component") if isinstance(head, Map) else None
    config = head.nodes.get("config") if isinstance(head, Map) else None
    if said is None or config is None or len(said.layers) < 2 or config.document is said.layers[-1].document:
        return ""
    place = f" at {said.layers[-1].site}" if said.layers[-1].site is not None else ""
    return f"Another component is said{place}, over this config: where its own is meant, put !replace in front of the entry."


def found_at(entry: Node, path: Sequence[Any]) -> tuple[Node, bool]:
    """The node at a path of what is written, or the nearest around it; and whether it is the one."""
    node, is_exact = entry, True
    if len(path) > 1 and path[0] == "handlers" and _child(entry, "handlers") is None:
        path = path[1:]
    for n, part in enumerate(path):
        found = _child(node, part)
        if n == 1 and path[0] == "config":
            found = argument_of(node, part) or found
        if found is None:
            return node, False
        node = found
    return node, is_exact


def _child(node: Node, part: Any) -> Node | None:
    try:
        head = node.head()
    except MainspringError:
        return None
    if isinstance(head, Map):
        try:
            found = head.nodes.get(part)
        except TypeError:
            return None
        return found or next((one for key, one in head.nodes.items() if words.is_part(key, part)), None)
    if isinstance(head, Seq) and str(part).isdigit() and int(part) < len(head.nodes):
        return head.nodes[int(part)]
    return None


def origin_of(node: Node) -> Origin:
    """Where the value of a node is from."""
    below = _below(node)
    if below is not None:
        return below
    try:
        head = node.head()
    except MainspringError:
        return Origin("file", "", node.site)
    if isinstance(head, Leaf):
        return head.origin
    return _of_list(head, node) if isinstance(head, Seq) else _own(node, head.site)


def _own(node: Node, site: Site | None) -> Origin:
    """Where a mapping or a list is from, whatever is in it."""
    document, site = node.document, site or node.site
    return (
        Origin("file", "", site)
        if site is not None or document.kind == "file"
        else Origin(document.kind, document.name)
    )


def _below(node: Node) -> Origin | None:
    """Where a value is from that settings left as it was in the system below."""
    system, path = node.document.below, node.path
    if system is None or len(path) < 2:
        return None
    id = Id(str(path[0]), str(path[1]))
    made = system.groups.get(id.group, {}).get(id.name)
    origins = system.origins
    if isinstance(origins, FileOrigins) and id in origins.nodes and origins.is_as_written(id, made):
        return origin_of(found_at(origins.nodes[id], path[2:])[0])
    return Origin("python", "", _near(made.site) if isinstance(made, Component) else None)


class Provenance(Sequence[Value]):
    """Every value with where it is from, in order. As text a tree.

    Parameters:
        values: the values.
        profiles: the profiles in use.
    """

    def __init__(self, values: Sequence[Value], profiles: Sequence[str] = ()) -> None:
        self._values, self.profiles = tuple(values), tuple(profiles)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, at: Any) -> Any:
        """The value at a position, or at a path such as "env.port".

        Raises:
            LookupError: there is none.
        """
        if isinstance(at, str):
            path = tuple(words.split_id(at))
            for value in self._values:
                if tuple(map(str, value.path)) == path:
                    return value
            raise LookupError(at)
        return self._values[at]

    def __iter__(self) -> Iterator[Value]:
        return iter(self._values)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, by path."""
        return {
            words.dotted(value.path): {
                "value": value.shown,
                "origin": value.origin.kind,
                "what": value.origin.what,
                "place": str(value.origin.site) if value.origin.site else None,
            }
            for value in self._values
        }

    def __str__(self) -> str:
        rows: list[tuple[str, str, str]] = []
        before: tuple[Any, ...] = ()
        for value in self._values:
            path = value.path
            same = 0
            while same < len(path) - 1 and same < len(before) and path[same] == before[same]:
                same += 1
            for depth in range(same, len(path) - 1):
                rows.append(("  " * depth + _text.quote(path[depth]), "", ""))
            rows.append(("  " * (len(path) - 1) + _text.quote(path[-1]), value.shown, str(value.origin)))
            before = path
        return _text.table(_capped(rows))

    def diff(self, other: Provenance) -> str:
        """What differs, as text: a line for each value that is only here (-), only there (+), or another one (~).

        Parameters:
            other: what it is compared with.
        """
        mine = {value.path: value for value in self}
        theirs = {value.path: value for value in other}
        rows: list[tuple[str, ...]] = []
        for path in dict.fromkeys([*mine, *theirs]):
            old, new = mine.get(path), theirs.get(path)
            if old is None and new is not None:
                rows.append(("+", words.dotted(path), new.shown, f"({new.origin})"))
            elif new is None and old is not None:
                rows.append(("-", words.dotted(path), old.shown, f"({old.origin})"))
            elif old is not None and new is not None and old.shown != new.shown:
                rows.append(("~", words.dotted(path), f"{old.shown} -> {new.shown}", f"({old.origin} -> {new.origin})"))
            elif old is not None and new is not None and old.mark != new.mark:
                rows.append(("~", words.dotted(path), f"{MASK} -> another {MASK}", f"({old.origin} -> {new.origin})"))
        return _text.table(rows)


def _capped(rows: list[tuple[str, str, str]], most: int = 48) -> list[tuple[str, str, str]]:
    return [(name, words.short(shown, most), origin) for name, shown, origin in rows]


# --- Of what is written -------------------------------------------------------------------------------------------------


def provenance_of(root: Node, settings: Settings) -> Provenance:
    """Where each value of a tree is from."""
    values: list[Value] = []
    _walk(root, (), values)
    kept = [value for value in values if value.path[:1] not in (("mainspring",), ("$schema",))]
    return Provenance(kept, settings.profiles)


def _walk(node: Node, path: tuple[Any, ...], values: list[Value]) -> None:
    limits = node.document.session.options.limits
    if len(values) > limits.items:
        raise too_many(limits, node.site)
    head = node.head()
    if isinstance(head, Map):
        if not head.nodes and path:
            values.append(Value(words.plain(path), "{}", _own(node, head.site)))
        for key, one in head.nodes.items():
            _walk(one, (*path, key), values)
    elif isinstance(head, Seq):
        plain = [_short_list(one) for one in head.nodes]
        if any(one is None for one in plain) or _has_several_origins(head):
            for i, one in enumerate(head.nodes):
                _walk(one, (*path, i), values)
        else:
            text = ", ".join(filter(None, plain))
            values.append(Value(words.plain(path), f"[{text}]", _of_list(head, node)))
    elif head.value is not ABSENT and path:
        values.append(Value(words.plain(path), shown(head.value), head.origin, _mark(head.value)))


def _origins_of_items(head: Seq) -> list[Origin]:
    """Where the items of a list are from, each kind once, in their order."""
    found: dict[tuple[str, str], Origin] = {}
    for one in head.nodes:
        inner = one.head()
        origin = inner.origin if isinstance(inner, Leaf) else _own(one, inner.site)
        found.setdefault(origin[:2], origin)
    return list(found.values())


def _has_several_origins(head: Seq) -> bool:
    return len(head.nodes) > 1 and head.kind != "set" and len(_origins_of_items(head)) > 1


def _of_list(head: Seq, node: Node) -> Origin:
    odd = next((origin for origin in _origins_of_items(head) if origin.kind != "file"), None)
    return odd or _own(node, head.site)


def _short_list(node: Node) -> str | None:
    head = node.head()
    return shown(head.value) if isinstance(head, Leaf) else None


def _mark(value: Any) -> int:
    if not isinstance(value, Secret):
        return 0
    value = value.reveal()
    reveal = getattr(value, "get_secret_value", None)
    return hash(repr(reveal() if callable(reveal) else value))  # with the salt of this process


def shown(value: Any) -> str:
    """A value as text; secrets masked, in containers too."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Reference):
        return f"{value.kind} {words.dotted(value.path)}{' optional' if value.optional else ''}"
    if is_ref(value):
        kind, _, rest = repr(value).rstrip(")").partition("(")
        path, _, more = rest.partition(", ")
        return " ".join(filter(None, (kind, path.strip("'"), more.replace("optional=True", "optional").strip("'"))))
    if isinstance(value, Imported):
        return value.target
    if isinstance(getattr(value, "target", None), Converter):
        return shown(value.args[0])  # as it is written; what it becomes is the parameter's business
    if isinstance(value, Made):
        return f"build {value.target.target}"
    if isinstance(value, Wanted):
        return "required"
    if isinstance(value, Component):
        return target_of(value)
    if isinstance(value, type) or inspect.isroutine(value):
        return _name_of(value)
    if type(value) is dict:
        return "{" + ", ".join(f"{words.spelled(key)}: {shown(one)}" for key, one in value.items()) + "}"
    if type(value) in (list, tuple):
        return f"[{', '.join(map(shown, value))}]"
    if value is None or isinstance(value, bool):
        return words.spelled(value)
    return (
        repr(value) if isinstance(value, str) and (not value or value != value.strip() or "\n" in value) else str(value)
    )


def target_of(made: Component[Any]) -> str:
    """`package.module:name` of what starts a component."""
    target = made.scope if made.scope is not None else made.start
    if not callable(target):
        return shown(target)
    return _name_of(target)


def _name_of(target: Any) -> str:
    module = getattr(target, "__module__", None)
    name = getattr(target, "__qualname__", None) or getattr(target, "__name__", None) or repr(target)
    return f"{module}:{name}" if module else str(name)


# --- Of a system --------------------------------------------------------------------------------------------------------


def explain(system: System, *, expand: bool | Iterable[str] = False) -> Provenance:
    """Where each value of a system is from: a place in a file, an environment variable, the command line, a default, a plugin.

    Parameters:
        system: any system, made from files or not.
        expand: whether what modules made is shown, or the ids of those of which it is; of the others their settings are.

    Returns:
        The values, in order.

    Example:
        >>> from mainspring import config
        >>> system = config.load(config.text("env: {port: !or [!env PORT, 80]}", "yaml", name="a.yaml"), environ={})
        >>> print(config.explain(system))
        env
          port  80  a.yaml:1:29
    """
    origins = system.origins if isinstance(system.origins, FileOrigins) else None
    by_plugin = _by_plugin(system)
    values: list[Value] = []
    closed = _closed(origins, expand) if origins is not None else {}
    for id, node in closed.items():
        _walk(node, tuple(id), values)
    from_base = _from_base(system, origins)
    for group, nodes in system.groups.items():
        for name, node in nodes.items():
            id = Id(group, name)
            entry = origins.nodes.get(id) if origins is not None else None
            old = node
            if origins is not None and entry is not None and not origins.is_as_written(id, node):
                old = origins.made.get(group, {}).get(name)
                if _is_another(node, old):
                    entry = None
            if entry is not None and _is_made_by(entry, closed):
                continue
            plugin = by_plugin.get(str(id))
            later = Origin("plugin", plugin) if plugin else Origin("python")
            if not isinstance(node, Component):
                _constant(tuple(id), node, entry, old, later, values)
                continue
            if entry is None and not plugin:
                later = Origin("python", "", _near(node.site))
            _component(id, node, entry, old, later, from_base, values)
            if hasattr(node, "imports"):
                values += _inside(system.inner(id), id, node, expand is True)
    order = {id: n for n, id in enumerate(dict.fromkeys(value.path[0] for value in values))}
    values.sort(key=lambda value: order[value.path[0]])
    profiles = origins.root.profiles if origins is not None else ()
    secrets = set().union(*map(_text.secret_texts, secrets_in(system.groups)))
    if origins is not None:
        secrets |= origins.root.document.session.secrets
    return Provenance([_scrubbed(value, secrets) for value in values] if secrets else values, profiles)


def _inside(inner: System, id: Id, node: Any, expand: bool) -> list[Value]:
    """The values of a subsystem under the paths of the whole, without those that are given from outside."""
    given = [tuple(map(str, words.split_id(path))) for path in node.imports]
    found = []
    for value in explain(inner, expand=expand):
        path = tuple(map(str, value.path))
        if not any(path[: len(place)] == place for place in given):
            found.append(value._replace(path=(*id, *value.path)))
    return found


def _scrubbed(value: Value, secrets: set[str]) -> Value:
    """A value in which no secret is to be seen that stands elsewhere as one."""
    text = _text.scrubbed(value.shown, secrets)
    return value if text == value.shown else value._replace(shown=text, mark=hash(value.shown))


def secrets_in(*given: Any) -> list[Secret[Any]]:
    """The secrets in groups, and in other data of a system."""
    found: list[Secret[Any]] = []
    seen: dict[int, Any] = {}  # the objects as well, so that no other one gets the identity of one that is gone
    rest = list(given)
    while rest:
        one = rest.pop()
        if isinstance(one, Secret):
            found.append(one)
        elif isinstance(one, Mapping | list | tuple | Component) and id(one) not in seen:
            seen[id(one)] = one
            rest += (one.config,) if isinstance(one, Component) else one.values() if isinstance(one, Mapping) else one
    return found


def caller_of() -> Site | None:
    """The line that asked this package for something."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_OURS):
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return Site(frame.f_code.co_filename, frame.f_lineno)


def _closed(origins: FileOrigins, expand: bool | Iterable[str]) -> dict[Id, Node]:
    """The modules of which the settings are shown, instead of what they made.

    Raises:
        BadComponent: there is no such module.
    """
    modules = dict(origins.root.document.session.modules)
    if isinstance(expand, bool):
        return {} if expand else modules
    opened = {words.split_id(one) for one in ([expand] if isinstance(expand, str) else expand)}
    refuse_unknown(opened, {tuple(id) for id in modules})
    return {id: node for id, node in modules.items() if tuple(id) not in opened}


def _is_made_by(entry: Node, closed: Mapping[Id, Node]) -> bool:
    """Whether all that is said of a component is said by modules that are not to be shown expanded."""
    return bool(closed) and all(module_of(node) in closed for node in entry.layers or (entry,))


def _by_plugin(system: System) -> dict[str, str]:
    """The plugins that changed a component or constant, by its id."""
    found: dict[str, str] = {}
    try:
        for effect in system.explain_plugins():
            for change in effect.diff:
                found[".".join(map(_text.quote, _text.split_dotted(change.path)[:2]))] = effect.name
    except (MainspringError, ValueError):
        pass
    return found


def _is_another(made: Any, old: Any) -> bool:
    """Whether nothing is left of what was made of a file."""
    if isinstance(made, Component) and isinstance(old, Component):
        return target_of(made) != target_of(old)
    return isinstance(made, Component) or isinstance(old, Component)


def _component(
    id: Id,
    made: Component[Any],
    entry: Node | None,
    old: Any,
    later: Origin,
    from_base: Callable[[Id], Iterable[tuple[str, Any, Origin]]],
    values: list[Value],
) -> None:
    head = entry.head() if entry is not None else None
    slots = head.nodes if isinstance(head, Map) else {}
    target = slots.get("component") or slots.get("subsystem")
    values.append(Value(words.plain(id), target_of(made), origin_of(target) if target is not None else later))
    config, given, secret = made.config, set(made.config), _secret_parameters(made)
    base = {name: (value, origin) for name, value, origin in from_base(id)}
    place = "imports" if hasattr(made, "imports") else "config"
    as_read: Mapping[str, Any] = old.config if isinstance(old, Component) else {}
    table = slots.get(place)
    for name, value in config.items():
        node = None
        if table is not None and entry is not None:
            found, is_exact = found_at(entry, (place, name))
            node = found if is_exact else table if place == "imports" else None
        if node is None and old is made and name in base and base[name][1].site is not None:
            # What the base gives, converted to what this component asks for.
            values.append(Value(words.plain((*id, place, name)), shown(value), base[name][1], _mark(value)))
            continue
        before = as_read.get(name, ABSENT)
        _constant((*id, place, name), value, node, value if old is made else before, later, values)
    for name, (value, origin) in base.items():
        if name not in given:
            given.add(name)
            hidden = _hidden(value, name, secret)
            values.append(Value(words.plain((*id, "config", name)), shown(hidden), origin, _mark(hidden)))
    for name, default, site in _defaults(made):
        if name not in given:
            text = shown(_hidden(default, name, secret))
            values.append(Value(words.plain((*id, "config", name)), text, Origin("default", "", site)))
    for key, one in slots.items():
        if key in ("component", "subsystem", "config", "imports"):
            continue
        if old is made or _is_equal(_slot(made, key), _slot(old, key)):
            _walk(one, (*id, key), values)
        else:
            values.append(Value(words.plain((*id, key)), shown(_slot(made, key)), later))
    for key in () if old is made else _SLOTS:
        if key not in slots and not _is_equal(_slot(made, key), _slot(old, key)):
            values.append(Value(words.plain((*id, key)), shown(_slot(made, key)), later))


def _slot(made: Any, key: Any) -> Any:
    known = getattr(made, "handlers", {}).get(key)
    found = getattr(made, str(key), None) if known is None else known
    return list(found) if isinstance(found, frozenset) else found


def _constant(
    path: tuple[Any, ...], value: Any, node: Node | None, old: Any, later: Origin, values: list[Value]
) -> None:
    """The values in a constant or an argument, each with where it is from; those that are not as they were are from later on."""
    inside: Iterable[tuple[Any, Any]] = ()
    if type(value) is dict:
        inside = value.items()
    elif type(value) in (list, tuple) and any(type(one) in (dict, list, tuple) and one for one in value):
        inside = enumerate(value)
    elif type(value) in (list, tuple) and node is not None:
        head = node.head()
        is_list = isinstance(head, Seq) and len(head.nodes) == len(value)
        inside = enumerate(value) if is_list and _has_several_origins(head) else ()  # type: ignore[arg-type]
    if inside:
        for key, one in inside:
            child = _child(node, key) if node is not None else None
            _constant((*path, key), one, child, _part(old, key), later, values)
        return
    is_as_read = node is not None and (value is old or _is_equal(value, old))
    values.append(
        Value(words.plain(path), shown(value), origin_of(node) if node and is_as_read else later, _mark(value))
    )


def _part(value: Any, key: Any) -> Any:
    try:
        return value[key] if type(value) in (dict, list, tuple) else ABSENT
    except (KeyError, IndexError):
        return ABSENT


def _is_equal(one: Any, other: Any) -> bool:
    return other is not ABSENT and is_same(one, other)


def _near(site: Site | None) -> Site | None:
    """A place in a file of Python, spelled as those in other files are; `None` for one of ours."""
    if site is None or site.file.startswith(_OURS):
        return None
    return site._replace(file=shown_path(site.file))


def _from_base(system: System, origins: FileOrigins | None) -> Callable[[Id], Iterable[tuple[str, Any, Origin]]]:
    """A function that gives the arguments of a component which it has from the base."""
    try:
        described: Mapping[Any, Any] = system.describe()
    except MainspringError:
        described = {}

    def given(id: Id) -> Iterable[tuple[str, Any, Origin]]:
        try:
            effective = dict(described[id].config or {})
        except LookupError:
            return
        for name, value in effective.items():
            origin = Origin("base")
            if origins is not None:
                node, is_exact = found_at(origins.root, ("mainspring", "base", "config", name))
                origin = Origin("base", "", node.site) if is_exact else origin
            yield name, value, origin

    return given


def _defaults(made: Component[Any]) -> list[tuple[str, Any, Site | None]]:
    target = made.scope if made.scope is not None else made.start
    if not callable(target):
        return []
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return []
    function = inspect.unwrap(target)
    code = getattr(function, "__code__", None)
    site = _near(Site(code.co_filename, code.co_firstlineno)) if code is not None else None
    return [
        (parameter.name, parameter.default, site)
        for parameter in parameters
        if parameter.default is not parameter.empty and parameter.default is not Context.here
    ]


def _secret_parameters(made: Component[Any]) -> set[str]:
    """The parameters of which an annotation, or the schema of the component, says that they are secret."""
    target = target_of_component(made)
    hints = dict(hints_of(target).named) if target is not None else {}
    fields = made.schema if isinstance(made.schema, Mapping) else fields_in(made.schema)
    known = {name for name, hint in hints.items() if holds_secrets(hint)}
    return known | {str(name) for name, hint in fields.items() if holds_secrets(hint)}


def _hidden(value: Any, name: str, secret: set[str]) -> Any:
    return Secret(value) if name in secret and value is not None and not isinstance(value, Secret) else value


def unused(system: System) -> list[tuple[Id, Site]]:
    """The constants of files that nothing refers to: what is left over, or misspelt.

    Parameters:
        system: any system.

    Returns:
        Their ids and places, in the order as written; nothing for a system that was not made of files.

    Raises:
        DefinitionError: the system has problems.

    Example:
        >>> from mainspring import config
        >>> source = config.text("env: {port: 80, prot: 8080}\\nweb: {port: !ref env.port}", "yaml", name="a.yaml")
        >>> [str(id) for id, site in config.unused(config.load(source))]
        ['env.prot', 'web.port']
    """
    origins = system.origins
    if not isinstance(origins, FileOrigins):
        return []
    graph, referred = system.graph(), origins.root.document.session.referred
    found = []
    for id, entry in origins.nodes.items():
        if id in system and not isinstance(system[id], Component) and tuple(id) not in referred:
            site = origin_of(entry).site if entry.document.below is not None else entry.site
            if site is not None and not graph.dependents(id):
                found.append((id, site))
    return found
