"""A system made of what is written: the components that it names are imported, and get their configs and slots."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from mainspring import (
    BadComponent,
    BadFile,
    BadOverride,
    Component,
    ComponentFunction,
    CycleError,
    DefinitionError,
    Id,
    MainspringError,
    Problem,
    Retry,
    Secret,
    Signal,
    Site,
    System,
    build,
    component,
    local_ref,
    one_tagged,
    ref,
    required,
    subsystem,
    tagged,
)

from ..schemas import hints_of
from . import _words as words
from ._evaluate import (
    ABSENT,
    Deferred,
    Head,
    Imported,
    Later,
    Leaf,
    Made,
    Map,
    Node,
    Realizer,
    Reference,
    Seq,
    Standing,
    Wanted,
    data_of,
    is_absent,
    settled,
    shown,
)
from ._form import Entries, Form, Items, Scalar, Tag, is_subsystem, key_form
from ._groups import ABOUT, below_of
from ._hints import is_secret
from ._modules import arguments_of, expanded, is_of_module, is_same, place_of
from ._origins import FileOrigins, Provenance, caller_of, found_at, provenance_of, secrets_in
from ._sources import Found, is_file_name

if TYPE_CHECKING:
    from ._settings import Settings

# The systems that are being made now, each for the one before it: files of subsystems, and what settings are for.
_around: ContextVar[tuple[object, ...]] = ContextVar("mainspring_subsystems", default=())
DEEPEST_SUBSYSTEMS: Final = 30

Values = Literal["convert", "check", "as written"]

# How each slot is written; what is not here is data, and taken as it is.
OBJECTS: Final = frozenset({"stop", "resolve", "status", "suspend", "resume", "schema", "instance_schema"})
SLOTS: Final = (
    "config", "stop", "status", "suspend", "resume", "handlers", "pre", "post", "resolve", "doc", "tags", "enabled",
    "deadlines", "retry", "thread", "on_crash", "schema", "instance_schema", "cached", "enter",
)  # fmt: skip
OF_SUBSYSTEMS: Final = ("imports", "handlers", "status", "pre", "post", "doc", "tags", "enabled")
_MARKS: Final = (Reference, Imported, Made, Wanted, Deferred, Component)
OPTIONS: Final = ("name", "deadlines", "limits", "workers")
IMPORTING: Final = ("base", "plugins", "signals")  # keys under which objects of modules may be named
SYSTEM_KEYS: Final = (
    "system", "profiles", "profile", "name", "base", "plugins", "deadlines", "limits", "workers", "signals", "values",
)  # fmt: skip


def built(settings: Settings, values: Values | None, expand: bool | Iterable[str]) -> System:
    """The system that settings say.

    Raises:
        DefinitionError: with everything that is wrong.
    """
    return Builder(settings, expand).system(values)


def explained(settings: Settings, expand: bool | Iterable[str]) -> Provenance:
    """Where each value of settings is from."""
    builder = Builder(settings, expand)
    return provenance_of(builder.root, settings)


def standing_at(settings: Settings, path: str) -> Any:
    """What stands at a place of the system that settings say, or could stand there.

    Returns:
        The value; `None` where it is not known before the system is built; `ABSENT` where nothing is, and no file could say
        something. What is no argument yet, but could be one, is known by its default, or by its annotation.

    Raises:
        DefinitionError: it cannot be worked out.
    """
    parts = words.split_id(path)
    builder = Builder(settings, False)
    found = builder.standing(builder.root, parts)
    if found is ABSENT:
        found = builder.standing(expanded(builder.root, True, builder), parts)
    return found


class Builder:
    """Makes a system of settings, and collects what is wrong with them.

    Parameters:
        settings: what is written.
        expand: whether modules are expanded, or the ids of those that are.
    """

    def __init__(self, settings: Settings, expand: bool | Iterable[str]) -> None:
        self.settings = settings
        self.session, root = settings._root(True)
        head = root.head()
        if not (isinstance(head, Map) or _is_nothing(root)):
            raise BadFile([root.problem(BadFile, f"Groups are needed here, by name, and this is {shown(head)}.")])
        self.problems: list[Problem] = []
        self.failed: set[Id] = set()
        self._hints = 0  # how many near names were looked for
        self._harmless = 0  # problems that do not keep a component from being looked at further
        self._imports: dict[str, Any] = {}
        self._functions: dict[Any, ComponentFunction[..., Any]] = {}
        self._realizer = Realizer(self._kept, keeps_below=True)
        self._inner: dict[Id, System] = {}  # what the subsystems are made of
        self._late = False
        self.about = self._about(root)
        self.base = settings._base
        if self.base is None and "system" in self.about:
            self.base = self._base_system(root)
        self._there: Mapping[str, Mapping[str, Any]] = {} if self.base is None else self.base.groups
        if self.base is not None:
            root = self._over_base(root, self.base)
        self.root = expanded(root, expand, self)

    # --- the system as a whole ---

    def system(self, values: Values | None) -> System:
        """The system.

        Raises:
            DefinitionError: with everything that is wrong.
        """
        groups: dict[str, dict[str, Any]] = {}
        head = self.root.head()
        nodes: dict[Id, Node] = {}
        for group, node in (head.nodes if isinstance(head, Map) else {}).items():
            if group == ABOUT:
                continue
            made = groups.setdefault(group, {})
            for name, entry in self._entries(group, node):
                value = self._entry(Id(group, name), entry)
                if value is not ABSENT:
                    made[name] = value
                    nodes[Id(group, name)] = entry
            if not made and self._is_full(node):
                del groups[group]  # everything that was in it was left out
        values = values or self.about.get("values") or "convert"
        if values not in ("convert", "check", "as written"):
            self._wrong_about("values", f'is {values!r}. Write "convert", "check" or "as written".')
        if not isinstance(self.about.get("name", ""), str):
            self._wrong_about("name", f"is {words.a_type(self.about['name'])}, and text is needed.")
        self._prepare()
        self.problems += self._realizer.problems
        origins = FileOrigins(self.root, nodes, groups, self.settings, values)
        if values != "as written":
            groups = self._examined(groups, nodes, convert=values == "convert")
            for secret in secrets_in(groups, self._slots_of_base):
                self.session.note(secret)  # what annotations say is one, is not to be shown in what is wrong elsewhere
            origins = FileOrigins(self.root, nodes, groups, self.settings, values)
        if self.problems:
            self._raise(groups, origins)
        return self._whole(groups).with_origins(origins)

    def _examined(
        self, groups: dict[str, dict[str, Any]], nodes: Mapping[Id, Node], *, convert: bool
    ) -> dict[str, dict[str, Any]]:
        """The groups with what is in them checked and converted; the config of the base as well."""
        from ._schema import BASE, BaseConfig, examined

        base = BaseConfig((self._slots_of_base or {}).get("config") or {})
        all_groups = base.under(groups)
        origins = FileOrigins(self.root, {**nodes, BASE: self._section("base")}, all_groups)
        try:
            # What is written in Python is as it should be: only what the settings speak of is looked at.
            touched = (
                None
                if self.base is None
                else {BASE, *(id for id, node in nodes.items() if not isinstance(node, Standing))}
            )
            made, found = examined(
                all_groups, convert=convert, locate=origins.locate, inner=self._inner, touched=touched
            )
        except MainspringError as error:
            if self.problems:
                raise DefinitionError.of(self.problems) from None
            raise error
        self.problems += [p for p in found if p.id not in self.failed]
        made = base.taken_out(made)
        if self._slots_of_base is not None and base.config:
            self._slots_of_base["config"] = base.config
        return made

    @staticmethod
    def _is_full(node: Node) -> bool:
        """Whether a group had something in it, or was itself left out."""
        try:
            head = node.head()
        except DefinitionError:
            return True
        return bool(head.nodes) if isinstance(head, Map) else isinstance(head, Leaf) and head.value is ABSENT

    def _prepare(self) -> None:
        """Import what the section about the system names."""
        self._signals = self._each("signals", self._signal)
        self._plugins = self._each("plugins", self._plugin)
        self._slots_of_base: dict[str, Any] | None = None
        if "base" in self.about:
            try:
                self._slots_of_base = self._slots(self._section("base"), "The base")
            except DefinitionError as error:
                self.problems += error.problems

    def _each(self, key: str, make: Callable[[Any, Node], Any]) -> list[Any]:
        """What the section says in a list under a key; one alone may stand without a list."""
        if key not in self.about:
            return []
        section = self._section(key)
        head = section.head()
        made = []
        for node in head.nodes if isinstance(head, Seq) else [section]:
            said = self._data(node)
            if said is ABSENT or said is None:
                continue
            try:
                made.append(make(said, node))
            except DefinitionError as error:
                self.problems += error.problems
            except (TypeError, ValueError) as error:
                self.problems.append(node.problem(BadFile, f"{error}."))
        return made

    def _whole(self, groups: Mapping[str, Mapping[str, Any]]) -> System:
        options = self._options()
        try:
            whole = System(groups if self.base is None else {}, signals=self._signals, **options)
        except (DefinitionError, TypeError, ValueError) as error:
            raise DefinitionError.of(self._misfits(options) or self._in_file(error, None).problems) from None
        if self.base is None:
            made = whole
        else:
            made = self._changed(self.base, groups)
            if options or self._signals:
                made = made.merge(whole, winner="right")
        if self._slots_of_base is not None:
            try:
                made = made.with_base(self._slots_of_base)
            except DefinitionError as error:
                raise self._in_file(error, "base") from None
        if self._plugins:
            try:
                made = made.with_plugins(*self._plugins)
            except MainspringError as error:
                raise self._in_file(error, "plugins") from None
        return made

    def _options(self) -> dict[Any, Any]:
        return {key: self.about[key] for key in OPTIONS if key in self.about}

    def _misfits(self, options: Mapping[str, Any]) -> list[Problem]:
        """What is wrong with the options, of each that is."""
        found: list[Problem] = []
        for key, value in options.items():
            try:
                System({}, **{key: value})
            except (DefinitionError, TypeError, ValueError) as error:
                found += self._in_file(error, key).problems
        return found

    def _in_file(self, error: Exception, key: str | None) -> DefinitionError:
        """An error with its place in the section about the system."""
        section = self._section(key)
        if isinstance(error, DefinitionError):
            return error.at(section.site)
        text = str(error)
        return BadFile([section.problem(BadFile, text if text.endswith(".") else f"{text}.")])

    def _raise(self, groups: dict[str, dict[str, Any]], origins: FileOrigins) -> None:
        """Raise all problems: those found here, and what else can be said of the rest."""
        problems = list(self.problems)
        try:
            found = self._whole(groups).with_origins(origins).check()
            problems += [p for p in found if p.id not in self.failed and p not in problems]
        except MainspringError:
            # What was found here is said; the rest is said when that is mended.
            problems += [p for p in self._misfits(self._options()) if p not in problems]
        problems = [self._placed(problem) for problem in problems]
        files = {file: n for n, file in enumerate(dict.fromkeys(p.site.file for p in problems if p.site is not None))}
        problems.sort(key=lambda p: (files[p.site.file], *p.site[1:]) if p.site is not None else (len(files), 0, 0))
        raise DefinitionError.of(problems)

    def _placed(self, problem: Problem) -> Problem:
        """A problem of what a module gave, with the place of the module."""
        if problem.site is not None:
            return problem
        return problem._replace(site=place_of(found_at(self.root, (*(problem.id or ()), *problem.path))[0]))

    def _about(self, root: Node) -> dict[str, Any]:
        node = self._find(root, ABOUT)
        if node is None:
            return {}
        head = node.head()
        if isinstance(head, Leaf) and (head.value is None or head.value is ABSENT):
            return {}
        if not isinstance(head, Map):
            raise BadFile([node.problem(BadFile, f"a mapping is needed here, and this is {shown(head)}.")])
        found: dict[str, Any] = {}
        for key, one in head.nodes.items():
            if key not in SYSTEM_KEYS:
                hint = words.hint_near(str(key), SYSTEM_KEYS, what="key")
                self.problems.append(one.problem(BadFile, f"There is no key {key!r} here.", hint))
            elif key in IMPORTING:
                if not _is_nothing(one):
                    found[key] = True
            else:
                value = data_of(one)
                if value is not None:
                    found[key] = value
        return found

    def _section(self, key: str | None) -> Node:
        node = self._find(self.root, ABOUT)
        inner = self._find(node, key) if node is not None and key is not None else node
        return inner if inner is not None else self.root

    @staticmethod
    def _find(node: Node, key: str) -> Node | None:
        head = node.head()
        return head.nodes.get(key) if isinstance(head, Map) else None

    def _wrong_about(self, key: str, what: str) -> None:
        self.problems.append(self._section(key).problem(BadFile, f"mainspring.{key} {what}"))

    def _base_system(self, root: Node) -> System:
        node = self._find(self._find(root, ABOUT) or root, "system") or root
        target = self.about["system"]
        if isinstance(target, System):
            return target
        around = _around.get()
        if ("system", target) in around:
            what = f"The settings are for {target}, which is made of them."
            raise CycleError([node.problem(CycleError, what, "Name the system that they are for.")])
        token = _around.set((*around, ("system", target)))
        try:
            return System.named(str(target))
        except CycleError:
            raise
        except MainspringError as error:
            raise BadFile([node.problem(BadFile, f"The system {target} cannot be had: {error}")]) from error
        finally:
            _around.reset(token)

    def _signal(self, said: Any, node: Node) -> Signal:
        if isinstance(said, str):
            said = self._object(said, node) if ":" in said else Signal(said)
        if isinstance(said, Signal):
            return said
        if not isinstance(said, Mapping):
            raise TypeError(f"a signal is its name or a mapping, and this is {words.a_type(said)}")
        columns = inspect.signature(Signal).parameters
        for key in said:
            if key not in columns:
                hint = words.hint_near(str(key), columns, what="column")
                raise BadFile([node.problem(BadFile, f"A signal has no column {key!r}.", hint)])
        return Signal(**said)

    def _plugin(self, said: Any, node: Node) -> Any:
        return self._object(said, node) if isinstance(said, str) and ":" in said else said

    # --- over a system written in Python ---

    def _over_base(self, root: Node, base: System) -> Node:
        """The tree, with the system below it as one more layer."""
        below = below_of(base, self.session)
        made = Node.layered([below, root], ())
        # What is written refers to what is below it as well.
        for one in (below, *(root.layers or (root,))):
            one.document.root = made
        return made

    def _changed(self, base: System, groups: Mapping[str, Mapping[str, Any]]) -> System:
        """The base with everything exchanged that is not what it was."""
        changes: dict[Any, Any] = {}
        additions: dict[Any, Any] = {}
        there = self._there
        for group, nodes in groups.items():
            for name, value in nodes.items():
                if group not in there or name not in there[group]:
                    additions[(group, name)] = value
                elif value is not there[group][name]:
                    old = there[group][name]
                    if isinstance(old, Component) or isinstance(value, Component) or not is_same(old, value):
                        changes[(group, name)] = value
        changed = base.override(changes) if changes else base
        return changed.add(additions) if additions else changed

    def _is_new(self, id: Id, entry: Node) -> None:
        """Refuse a constant that the system below does not have: a setting of nothing."""
        if self.base is None or id.name in self._there.get(id.group, {}) or is_of_module(entry):
            return
        known = self._near([str(one) for one in self.base] if self._hints < 100 else [])
        hint = words.hint_near(str(id), known, what="component or constant") if known else ""
        what = "sets something that the system does not have."
        more = "A component is added with component: package.module:name."
        details = {"path": str(id), "candidates": tuple(known)}
        problem = entry.problem(BadOverride, what, f"{hint} {more}".strip(), details)
        self.problems.append(problem._replace(id=id, path=()))

    def _near(self, known: list[str]) -> list[str]:
        """The names that are near, but for the first hundred mistakes only: each costs a look at all of them."""
        self._hints += 1
        return known if self._hints <= 100 else []

    def _refuse_new_keys(self, id: Id, old: Any, value: Any, path: tuple[Any, ...], entry: Node) -> None:
        """Refuse keys of a constant that the system below does not have."""
        if not (isinstance(old, dict) and isinstance(value, dict)) or not old:
            return
        for key, one in value.items():
            at = (*path, key)
            if key in old:
                self._refuse_new_keys(id, old[key], one, at, entry)
                continue
            node: Node | None = entry
            replaced = False
            for part in at:
                if node is None:
                    break
                head = node.head()
                replaced = replaced or getattr(head, "how", None) == "replace"
                node = head.nodes.get(part) if isinstance(head, Map) else None
            if replaced or is_of_module(node or entry):
                continue
            near = self._near([*map(str, old)] if self._hints < 100 else [])
            hint = words.hint_near(str(key), near, what="key") if near else ""
            more = "Where the whole mapping is meant, put !replace in front of it."
            what = "sets a key that the constant does not have."
            problem = (node or entry).problem(
                BadOverride, what, f"{hint} {more}".strip(), {"path": words.dotted((*id, *at))}
            )
            self.problems.append(problem._replace(id=id, path=words.plain(at)))

    # --- components and constants ---

    def _entries(self, group: str, node: Node) -> list[tuple[str, Node]]:
        try:
            head = node.head()
        except DefinitionError as error:
            self._realizer.note(error)
            return []
        if isinstance(head, Leaf) and (head.value is ABSENT or head.value is None):
            for name in self._there.get(group, {}) if self._is_removed(head) else ():
                self._refuse_removal(Id(group, name), node)
            return []
        if not isinstance(head, Map):
            what = f"The group {group} is {shown(head)}, not a mapping of names to components and constants."
            hint = "A file says groups; under each of them are names."
            self.problems.append(node.problem(BadFile, what, hint)._replace(path=(group,)))
            return []
        found = []
        for name, one in head.nodes.items():
            if isinstance(name, str) and name:
                found.append((name, one))
            else:
                what = f"{name!r} cannot be the name of a component or a constant."
                self.problems.append(one.problem(BadFile, what, "Write it in quotation marks."))
        return found

    def _entry(self, id: Id, node: Node) -> Any:
        try:
            head = node.head()
        except DefinitionError as error:
            self._realizer.note(error)
            return self._failed(id)
        if isinstance(node, Standing):
            return node.original  # of the system below, and nothing is said about it
        before = self._count()
        value: Any
        if isinstance(head, Map) and (kinds := head.kinds):
            if len(kinds) > 1:
                what = f"It is {words.either(sorted(kinds), 'and')} at once."
                self.problems.append(node.problem(BadComponent, what, "Keep one of them."))
                return self._failed(id)
            make = {"component": self._component, "subsystem": self._subsystem}.get(next(iter(kinds)))
            try:
                value = make(id, node, head) if make is not None else self._data(node)
            except DefinitionError as error:
                self.problems += [_placed(problem, id, node) for problem in error.problems]
                return self._failed(id)
        else:
            value = self._data(node)
            if not isinstance(value, Component):
                self._refuse_slots_alone(id, node, head)
                self._is_new(id, node)
                if id.name in self._there.get(id.group, {}):
                    old = self._there[id.group][id.name]
                    if isinstance(old, Component) and not isinstance(head, Leaf) and head.how != "replace":
                        self._refuse_constant(id, node, head)
                    self._refuse_new_keys(id, old, value, (), node)
        if self._is_removed(head) and id.name in self._there.get(id.group, {}):
            self._refuse_removal(id, node)
        return value if self._count() == before else self._failed(id)

    @staticmethod
    def _is_removed(head: Head) -> bool:
        return isinstance(head, Leaf) and head.value is ABSENT and head.origin.what == "!remove"

    def _refuse_removal(self, id: Id, node: Node) -> None:
        what = "is part of the system that the settings are for, and settings take nothing of that away."
        hint = "Set another value."
        if isinstance(self._there[id.group][id.name], Component):
            hint = "Switch it off, with enabled: false; or say with component: what is to be in its place."
        self.problems.append(Problem(BadOverride, what, id, (), node.site, hint))

    def _count(self) -> int:
        return len(self.problems) + len(self._realizer.problems) - self._harmless

    def _refuse_slots_alone(self, id: Id, node: Node, head: Any) -> None:
        """Refuse what has nothing but slots and no component: mostly settings of one whose name is misspelt."""
        if self.base is not None or node.tag or not isinstance(head, Map) or "config" not in head.nodes:
            return
        if all(key in SLOTS for key in head.nodes):
            what = "has slots of a component, and no component."
            beside = self._near(self._names_beside(id) if self._hints < 100 else [])
            near = words.hint_near(id.name, beside, what="component") if beside else ""
            near = near if near.startswith("Did") else ""
            hint = f"{near} Add component: package.module:name; or put !literal in front of a constant.".strip()
            self.problems.append(node.problem(BadComponent, what, hint)._replace(id=id, path=()))

    def _names_beside(self, id: Id) -> list[str]:
        head = self.root.head()
        group = head.nodes[id.group].head() if isinstance(head, Map) and id.group in head.nodes else None
        return [str(name) for name in group.nodes if name != id.name] if isinstance(group, Map) else []

    def _refuse_constant(self, id: Id, node: Node, head: Any) -> None:
        what = "is a component, and the settings put a constant in its place."
        keys = ", ".join(map(str, head.nodes)) if isinstance(head, Map) else ""
        hint = f"Write what is meant for its arguments under config: {keys}." if keys else ""
        self.problems.append(node.problem(BadOverride, what, hint)._replace(id=id, path=()))

    def _failed(self, id: Id) -> Any:
        """What stands where something is wrong, so that references to it are not wrong as well."""
        self.failed.add(id)
        return Component(None)

    def _component(self, id: Id, node: Node, head: Map) -> Component[Any]:
        known: tuple[str, ...] = ("component", *SLOTS)
        given = {key: one for key, one in head.nodes.items() if key != "component"}
        target: Any = None
        try:
            target = self._object_of(head.nodes["component"])
            if isinstance(target, Component) and is_subsystem(target):
                known = ("component", "imports", *OF_SUBSYSTEMS)
        finally:
            for key, one in given.items():
                if key not in known:
                    self._unknown_slot(key, one, target, known)
        config_node = given.get("config")
        if isinstance(target, Component):
            return self._of_component(target, node, config_node, given)
        config = self._config(config_node)
        slots = self._slots_of(given)
        site = _site_of(node, head)
        slots.pop("config", None)
        function = self._function(target, slots, node)
        made = function.define(config, site=site)
        return _with_slots(made, _merged_handlers(made, slots), given, site) if slots else made

    def _of_component(
        self, target: Component[Any], node: Node, config_node: Node | None, given: Mapping[str, Node]
    ) -> Component[Any]:
        """A component that exists already, with what is said here in place of what it says itself."""
        changed: dict[str, Any] = {}
        is_own = not node.layers and node.document.kind == "python" and set(given) <= {"config"}
        if is_own:
            return target  # of the system below, and nothing is said about it
        others = {key: one for key, one in given.items() if key != "config"}
        if is_subsystem(target):
            return self._of_subsystem(target, node, others)
        changed |= self._slots_of(others)
        changed.pop("enter", None)
        if config_node is not None:
            config = self._config(config_node)
            changed["config"] = config if config_node.layers or node.layers else {**target.config, **config}
        site = _site_of(node, node.head())
        return _with_slots(target, _merged_handlers(target, changed), given, site) if changed else target

    def _of_subsystem(self, target: Component[Any], node: Node, given: Mapping[str, Node]) -> Component[Any]:
        """A subsystem that exists already, with other imports and slots."""
        slots = self._slots_of({key: one for key, one in given.items() if key != "imports"}, OF_SUBSYSTEMS)
        said = self._data(given["imports"]) if "imports" in given else {}
        if isinstance(said, Mapping) and said:
            imports = dict(target.config)
            for key, value in said.items():
                parts = words.split_id(str(key))
                # As in Python, a mapping under the name of a group says several places.
                flat = value.items() if isinstance(value, dict) and len(parts) == 1 else [(None, value)]
                imports |= {words.dotted(parts if name is None else (*parts, name)): one for name, one in flat}
            target = target.replace(config=imports, site=node.site)
            problems = [p for p in System({"a": {"b": target}}).check() if p.error is BadOverride]
            if problems:
                raise BadOverride([_replaced(p, _import_at(given["imports"], p)) for p in problems])
        return _with_slots(target, _merged_handlers(target, slots), given, node.site) if slots else target

    def _unknown_slot(self, key: Any, node: Node, target: Any, known: Sequence[str]) -> None:
        hint = words.hint_near(str(key), known, what="slot")
        target = _called(target)
        try:
            takes = inspect.signature(target).parameters if callable(target) else {}
        except (TypeError, ValueError):
            takes = {}
        if isinstance(key, str) and words.argument(key) in takes:
            hint = f"It is an argument: write it under config, as config: {{{key}: ...}}."
        what = f"A component has no slot {str(key)!r}."
        self.problems.append(node.problem(BadComponent, what, hint))
        self._harmless += 1

    def _function(self, target: Any, slots: dict[str, Any], node: Node) -> ComponentFunction[..., Any]:
        if isinstance(target, ComponentFunction):
            if slots.pop("enter", None):
                what = f"{words.spelled(target)} is a component function, and says itself whether it is entered."
                raise BadComponent([node.problem(BadComponent, what, "Leave enter away.")])
            return target
        if not callable(target):
            what = f"The component is {words.a_type(target)}, which cannot be called."
            raise BadComponent([node.problem(BadComponent, what, "Name a component function, a class or a function.")])
        enter, stop = bool(slots.pop("enter", False)), slots.pop("stop", None)
        key = (target, enter, stop)
        try:
            known = self._functions.get(key)
        except TypeError:
            known = None
        if known is None:
            make: Any = component  # which of its forms it is, only the file says
            known = make(target, stop=stop, enter=enter)
            try:
                self._functions[key] = known
            except TypeError:
                pass
        return known

    def _config(self, node: Node | None) -> dict[str, Any]:
        if node is None:
            return {}
        head = node.head()
        if isinstance(head, Leaf) and (head.value is None or head.value is ABSENT):
            return {}
        if not isinstance(head, Map):
            what = f"The config is {shown(head)}, not a mapping of arguments."
            raise BadComponent([node.problem(BadComponent, what, "Write config: {argument: value}.")])
        made: dict[str, Any] = {}
        for name, (one, again) in arguments_of(node).items():
            value = self._data(one)
            if value is not ABSENT:
                made[name] = value
            if again is not None:
                what = f"The argument {name} is given twice, the second time as {again.path[-1]}."
                self.problems.append(again.problem(BadFile, what, "Keep one of the two."))
        return made

    def _subsystem(self, id: Id, node: Node, head: Map) -> Component[Any]:
        inner = self._inner[id] = self._inner_system(id, head.nodes["subsystem"])
        given = {key: one for key, one in head.nodes.items() if key != "subsystem"}
        for key, one in given.items():
            if key not in OF_SUBSYSTEMS:
                hint = words.hint_near(str(key), ("subsystem", *OF_SUBSYSTEMS), what="slot")
                self.problems.append(one.problem(BadComponent, f"A subsystem has no slot {str(key)!r}.", hint))
        imports = self._data(given["imports"]) if "imports" in given else {}
        slots = self._slots_of({k: v for k, v in given.items() if k != "imports"}, OF_SUBSYSTEMS)
        try:
            made = subsystem(inner, {} if imports is ABSENT else imports)
        except DefinitionError as error:
            table = given.get("imports", node)
            raise type(error)([_replaced(one, _import_at(table, one)) for one in error.problems]) from None
        return _with_slots(made, slots, given, node.site or place_of(node) or caller_of())

    def _inner_system(self, id: Id, node: Node) -> System:
        head = node.head()
        if isinstance(head, Map):
            return self._of_another(id, node, self._form(node))
        said = self._data(node)
        if isinstance(said, System):
            return said
        if not isinstance(said, str) or not said:
            what = f"A subsystem is a file, package.module:name, or groups; this is {shown(head)}."
            raise BadComponent([node.problem(BadComponent, what)])
        if is_file_name(said):
            source = self.session.options.resolver(said, node.document.folder)
            if source is None:
                raise BadFile([node.problem(BadFile, f"There is no file {said} for the subsystem.")])
            return self._of_another(id, node, source)
        try:
            return System.named(said)
        except MainspringError as error:
            raise BadComponent([node.problem(BadComponent, f"The system {said} cannot be had: {error}")]) from error

    def _of_another(self, id: Id, node: Node, source: Any) -> System:
        """The system that another source says, read as this one is.

        Raises:
            CycleError: it is a subsystem of itself.
        """
        inner = self.settings.another(source)
        layer, around = inner._layers[0], _around.get()
        identity = layer.identity if isinstance(layer, Found) else None
        if (identity is not None and identity in around) or len(around) > DEEPEST_SUBSYSTEMS:
            what = "The system is a subsystem of itself, however far down."
            raise CycleError([node.problem(CycleError, what, "Name another file, or a subsystem that ends.")])
        token = _around.set((*around, identity))
        try:
            return inner.system()
        except DefinitionError as error:
            # What is inside is known by the component that it is to this system, and the place in it.
            raise type(error)(
                [p._replace(id=id, path=(*(p.id or ()), *p.path)) for p in error.problems]
            ) from error.__cause__
        finally:
            _around.reset(token)

    def _form(self, node: Node) -> Form:
        """What stands at a node, worked out, with its places; what means something in a system only is left as it is."""
        head = node.head()
        if isinstance(head, Map):
            pairs = [
                (key_form(key, one.site), self._form(one)) for key, one in head.nodes.items() if not is_absent(one)
            ]
            return Entries(pairs, head.site)
        if isinstance(head, Seq):
            return Items([self._form(one) for one in head.nodes if not is_absent(one)], head.site, head.kind)
        value, site = head.value, head.origin.site or node.site
        if isinstance(value, Reference):
            return Scalar(self._reference(value), site)
        if isinstance(value, Imported):
            return Tag("import", Scalar(value.target, value.node.site), site)
        if isinstance(value, Made):
            target = Scalar(value.target.target, value.target.node.site)
            args = Items([self._form(one) for one in value.args])
            kwargs = Entries([(Scalar(name), self._form(one)) for name, one in value.kwargs.items()])
            given: list[tuple[Form, Form]] = [
                (Scalar("target"), target), (Scalar("args"), args), (Scalar("kwargs"), kwargs)
            ]  # fmt: skip
            return Tag("build", Entries(given), site)
        if isinstance(value, Wanted):
            return Tag("required", Scalar(None, site), site)
        return Scalar(value, site)

    # --- what stands somewhere ---

    def standing(self, root: Node, parts: Sequence[str]) -> Any:
        """What stands at a path of a tree, as `standing_at` says it."""
        node, entry = root, None
        for n, part in enumerate(parts):
            head = node.known()
            found: Node | None = None
            if isinstance(head, Map):
                found = head.at(part)
                if head.kinds and head is not node.head():
                    return ABSENT  # inside of a component that is referred to
            elif isinstance(head, Seq):
                at = head.at(part)
                found = head.nodes[at] if at is not None else None
            if found is None or is_absent(found):
                return self._possible(entry, head, parts, n)
            node = found
            entry = node if n == 1 else entry
        head = node.known()
        if isinstance(head, Map) and head.kinds and (len(parts) == 2 or head is not node.head()):
            return None
        if isinstance(head, Leaf):
            value = None if isinstance(head.value, _MARKS) else head.value
            if value is None and head.origin.kind == "environment variable":
                value = ""  # what it would be is text
        else:
            value = data_of(node)
        return self._as_argument(entry, parts, value)

    def _possible(self, entry: Node | None, head: Head, parts: Sequence[str], n: int) -> Any:
        """What could stand at a path of which the first parts lead to something."""
        inside = entry.head() if entry is not None else None
        kinds = inside.kinds if isinstance(inside, Map) else ()
        if "module" in kinds:
            return None
        if "component" not in kinds or not isinstance(inside, Map) or not isinstance(head, Map | Leaf):
            return ABSENT
        said = inside.nodes["component"].head()
        if isinstance(said, Leaf) and isinstance(said.value, Component) and is_subsystem(said.value):
            return ABSENT
        if parts[2] != "config":
            return None
        is_entry_of_mapping = n == len(parts) - 1 and isinstance(head, Map)
        if len(parts) == 3 or len(parts) == 4 or (n > 3 and is_entry_of_mapping):
            return self._as_argument(entry, parts, None)
        return ABSENT

    def _as_argument(self, entry: Node | None, parts: Sequence[str], value: Any) -> Any:
        """A value at a path; where that is of an argument, also by what its parameter says."""
        if entry is None or len(parts) != 4 or parts[2] != "config" or isinstance(value, Secret):
            return value
        head = entry.head()
        if not isinstance(head, Map) or "component" not in head.kinds:
            return value
        try:
            target = _called(self._object_of(head.nodes["component"]))
            default = inspect.signature(target).parameters[words.argument(parts[3])].default
        except (MainspringError, LookupError, TypeError, ValueError):
            return value
        hint = hints_of(target).named.get(words.argument(parts[3]))
        if value is None and default is not inspect.Parameter.empty:
            value = default
        if value is None and (hint is str or str in get_args(hint) or is_secret(hint)):
            value = ""
        return Secret(value) if is_secret(hint) else value

    # --- slots ---

    def _slots(self, node: Node, of: str) -> dict[str, Any]:
        head = node.head()
        if not isinstance(head, Map):
            what = f"{of} is {shown(head)}, and a mapping of slots is needed."
            raise BadComponent([node.problem(BadComponent, what)])
        for key, one in head.nodes.items():
            if key not in SLOTS:
                hint = words.hint_near(str(key), SLOTS, what="slot")
                raise BadComponent([one.problem(BadComponent, f"{of} has no slot {key!r}.", hint)])
        made = self._slots_of(head.nodes)
        if "config" in head.nodes:
            made["config"] = self._config(head.nodes["config"])
        return made

    def _slots_of(self, given: Mapping[Any, Node], known: Sequence[str] = SLOTS) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, node in given.items():
            if key not in known or key == "config":
                continue
            try:
                value = self._slot(key, node)
            except DefinitionError as error:
                self.problems += error.problems
                continue
            if value is not ABSENT:
                made[key] = value
        return made

    def _slot(self, key: str, node: Node) -> Any:
        if key in OBJECTS:
            return self._handler(node)
        if key == "handlers":
            return {signal: self._handler(one) for signal, one in self._table(node)}
        if key in ("pre", "post"):
            return {signal: self._named_handlers(one) for signal, one in self._table(node)}
        value = self._data(node)
        if key == "enabled" and isinstance(value, str):
            what = f"enabled is {value!r}, which is text, and true or false is needed."
            raise BadComponent([node.problem(BadComponent, what, "Write true or false, or !bool in front of it.")])
        if key == "retry" and isinstance(value, dict):
            return self._retry(value, node)
        return value

    def _table(self, node: Node) -> list[tuple[str, Node]]:
        head = node.head()
        if not isinstance(head, Map):
            what = f"A mapping of signals to handlers is needed, and this is {shown(head)}."
            raise BadComponent([node.problem(BadComponent, what)])
        return [(str(key), one) for key, one in head.nodes.items() if not _is_nothing(one)]

    def _named_handlers(self, node: Node) -> Any:
        head = node.head()
        if isinstance(head, Map):
            return {str(name): self._handler(one) for name, one in head.nodes.items() if not _is_nothing(one)}
        if not isinstance(head, Leaf):
            return [self._handler(one) for one in head.nodes]
        return self._handler(node)

    def _handler(self, node: Node) -> Any:
        value = self._data(node)
        if isinstance(value, str):
            return self._object(value, node)
        return value

    def _retry(self, said: dict[str, Any], node: Node) -> Retry:
        head, known = node.known(), inspect.signature(Retry).parameters
        for key in said:
            if key not in known:
                one = head.nodes.get(key, node) if isinstance(head, Map) else node
                hint = words.hint_near(str(key), known, what="part of a retry")
                raise BadComponent([one.problem(BadComponent, f"A retry has no {words.quoted(str(key))}.", hint)])
        said = dict(said)
        on = said.pop("on", None)
        if on is not None:
            names = on if isinstance(on, list | tuple) else [on]
            said["on"] = tuple(self._error_class(one, node) for one in names)
        try:
            return Retry(**said)
        except DefinitionError as error:
            raise type(error)([_replaced(problem, node) for problem in error.problems]) from None

    def _error_class(self, said: Any, node: Node) -> Any:
        if not isinstance(said, str) or ":" in said:
            return self._object(said, node) if isinstance(said, str) else said
        found = getattr(builtins, said, None)
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            known = [
                name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, Exception)
            ]
            near = words.hint_near(said, known, what="error")
            more = "Another one is written package.module:name."
            hint = f"{near} {more}" if near.startswith("Did") else more
            raise BadComponent([node.problem(BadComponent, f"Python has no error {words.quoted(said)}.", hint)])
        return found

    # --- values ---

    def _data(self, node: Node) -> Any:
        """What a node stands for in a system: references of it, imported objects."""
        value = self._realizer.data(node)
        if self._late:
            value, self._late = settled(value), False
        return value

    def _kept(self, mark: Any, node: Node) -> Any:
        if isinstance(mark, Reference):
            return self._reference(mark)
        if isinstance(mark, Imported):
            return self._object(mark.target, mark.node)
        if isinstance(mark, Made):
            args = [self._realizer.data(one) for one in mark.args]
            kwargs = {words.argument(name): self._realizer.data(one) for name, one in mark.kwargs.items()}
            target = self._object(mark.target.target, mark.target.node)
            try:
                return build(target, *args, **kwargs)
            except DefinitionError as error:
                raise type(error)([_replaced(problem, node) for problem in error.problems]) from None
        if isinstance(mark, Deferred):
            self._late = True
            return Later(mark, node)
        assert isinstance(mark, Wanted)
        return required

    def _reference(self, mark: Reference) -> Any:
        path, optional = mark.path, mark.optional
        try:
            if mark.kind == "ref" and optional and self._is_left_out(path):
                return None
            if mark.kind == "ref":
                return ref(path, optional=optional)  # type: ignore[arg-type]
            if mark.kind == "local_ref":
                return local_ref(path, optional=optional)  # type: ignore[arg-type]
            if mark.kind == "tagged":
                return tagged(path[0], optional=optional)
            return one_tagged(*path, optional=optional)
        except DefinitionError as error:
            raise type(error)([_replaced(problem, mark.node) for problem in error.problems]) from None

    def _is_left_out(self, path: Sequence[Any]) -> bool:
        """Whether a component or constant is written, and left out by a tag such as `when`."""
        node: Node | None = self.root
        for part in path[:2]:
            head = node.head() if node is not None else None
            node = head.at(part) if isinstance(head, Map) else None
            if node is not None and is_absent(node):
                return True
        return False

    # --- objects ---

    def _object_of(self, node: Node) -> Any:
        """What a component, a module or a handler is said to be: an object of Python, or where one is."""
        value = self._data(node)
        if value is ABSENT:  # told already
            raise DefinitionError(self._realizer.problems[-1:])
        if isinstance(value, str):
            return self._object(value, node)
        if callable(value) or isinstance(value, Component):
            return value
        what = f"{words.a_type(value)} stands where package.module:name is needed."
        raise BadComponent([node.problem(BadComponent, what, "Write, for example, app.db:pool.")])

    def _object(self, target: str, node: Node) -> Any:
        """The object at `package.module:name`, imported once.

        Raises:
            BadComponent: it cannot be had.
        """
        if target not in self._imports:
            try:
                self._imports[target] = _imported(target, node)
            except BadComponent as error:
                self._imports[target] = error
        found = self._imports[target]
        if isinstance(found, BadComponent):
            problem = found.problems[0]
            raise BadComponent([node.problem(BadComponent, problem.what, problem.hint, problem.details)]) from (
                found.__cause__
            )
        return found


def _imported(target: str, node: Node) -> Any:
    module_name, colon, attributes = target.partition(":")
    parts = attributes.split(".")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), *parts)):
        what = f"{words.quoted(target)} does not say where something is."
        hint = "Write package.module:name, for example app.db:pool."
        raise BadComponent([node.problem(BadComponent, what, hint)])
    details = {"target": target}
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            what = f"There is no module {error.name}, which {target} names."
            hint = "Modules are looked for where Python looks; the command line looks in the current folder, too."
            if module_name.endswith(".py"):
                hint = f"Write {module_name.removesuffix('.py')}:{attributes}: a module, not its file."
            raise BadComponent([node.problem(BadComponent, what, hint, details)]) from None
        raise _broken(target, node, error, details) from error
    except (Exception, SystemExit) as error:
        raise _broken(target, node, error, details) from error
    way = module_name
    for part in parts:
        try:
            found = getattr(found, part)
        except Exception as error:
            if not isinstance(error, AttributeError):
                raise _broken(target, node, error, details) from error
            names = [name for name in dir(found) if not name.startswith("_")]
            what = f"{way} has no {part}, which {target} names."
            hint = words.hint_near(part, names, what="name")
            if not hint.startswith("Did"):
                # Of a module what it defines itself, and not all that it imports.
                own = [name for name in names if getattr(getattr(found, name, None), "__module__", None) == way]
                hint = words.hint_near(part, own or names, what="name")
            raise BadComponent(
                [node.problem(BadComponent, what, hint, {**details, "candidates": tuple(names)})]
            ) from None
        way = f"{way}.{part}"
    return found


def _called(target: Any) -> Any:
    """What gets the arguments of a component."""
    if isinstance(target, ComponentFunction):
        target = target.function
    if isinstance(target, Component):
        target = target.scope if target.scope is not None else target.start
    return target


def _broken(target: str, node: Node, error: BaseException, details: Mapping[str, Any]) -> BadComponent:
    what = f"Importing the module of {target} raised {type(error).__name__}" + (f": {error}" if str(error) else "")
    return BadComponent([node.problem(BadComponent, f"{what}.", details=details)])


def _import_at(node: Node, problem: Problem) -> Node:
    """Where the import of a subsystem is written that a problem is about, as near as that is known."""
    rest = tuple(map(str, words.split_id(str(problem.details.get("path", ""))))) if problem.details.get("path") else ()
    while rest:
        head = node.head()
        for key, one in head.nodes.items() if isinstance(head, Map) else ():
            parts = words.split_id(key) if isinstance(key, str) else (str(key),)
            if rest[: len(parts)] == parts:
                node, rest = one, rest[len(parts) :]
                break
        else:
            break
    return node


def _with_slots(
    made: Component[Any], slots: Mapping[str, Any], given: Mapping[str, Node], site: Site | None
) -> Component[Any]:
    """A component with other slots.

    Raises:
        DefinitionError: they do not fit; with the places of those that do not.
    """
    try:
        return made.replace(site=site, **slots)
    except DefinitionError as error:
        problems: list[Problem] = []
        for key, value in slots.items():
            try:
                made.replace(**{key: value})
            except DefinitionError as one:
                problems += [_replaced(problem, given[key]) for problem in one.problems if key in given]
        if problems:
            raise DefinitionError.of(problems) from None
        raise error


def _merged_handlers(target: Component[Any], changed: dict[str, Any]) -> dict[str, Any]:
    """Slots in which handlers by name are added to those that there are."""
    made = dict(changed)
    if "handlers" in made:
        made["handlers"] = {**target.handlers, **made["handlers"]}
    for slot in ("pre", "post"):
        if slot not in made:
            continue
        old = dict(getattr(target, slot))
        for signal, handlers in made[slot].items():
            named = handlers if isinstance(handlers, Mapping) else None
            old[signal] = {**old.get(signal, {}), **named} if named is not None else handlers
        made[slot] = old
    return made


def _site_of(node: Node, head: Head) -> Site | None:
    """Where a component is written: of several layers, in the one that says which component it is."""
    said = head.nodes["component"] if isinstance(head, Map) else node
    said = said.layers[-1] if said.layers else said
    return (said.parent.site if said.parent is not None else None) or said.site or place_of(node) or caller_of()


def _is_nothing(node: Node) -> bool:
    head = node.head()
    return isinstance(head, Leaf) and (head.value is None or head.value is ABSENT)


def _placed(problem: Problem, id: Id, node: Node) -> Problem:
    """A problem with the component that it is of, and its place in the file."""
    is_elsewhere = problem.id is None or problem.site is None
    site: Site | None = node.site if is_elsewhere or problem.id is None else problem.site
    if problem.id is None:
        return problem._replace(id=id, site=problem.site if _is_in_file(problem.site, node) else site)
    return problem._replace(site=site)


def _is_in_file(site: Site | None, node: Node) -> bool:
    return site is not None and node.site is not None and site.file == node.site.file


def _replaced(problem: Problem, node: Node) -> Problem:
    return node.problem(problem.error, problem.what, problem.hint, problem.details)
