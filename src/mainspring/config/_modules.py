"""Modules: one entry that becomes several components, from a few settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from mainspring import (
    BadComponent,
    BadFile,
    Component,
    CycleError,
    DefinitionError,
    Id,
    MergeConflict,
    Problem,
    Site,
    System,
)

from . import _words as words
from ._evaluate import ABSENT, Document, Imported, Leaf, Map, Node, Realizer, Reference, Session, is_absent, shown
from ._form import Form, Scalar, form_of
from ._groups import ABOUT, Grouped
from ._sources import found as found_source
from ._sources import is_file_name, refuse_loop

if TYPE_CHECKING:
    from ._build import Builder

# So that modules that bring modules without an end are told apart from those that bring a few.
ROUNDS: Final = 20
KEYS: Final = ("module", "config")


def expanded(root: Node, expand: bool | Iterable[str], builder: Builder) -> Node:
    """The tree with its modules expanded: what they say is below what is written.

    Parameters:
        root: the tree.
        expand: whether modules are expanded, or the ids of those that are.
        builder: imports the functions.

    Raises:
        DefinitionError: a module cannot be had, or does not give what it should.
    """
    if expand is False:
        return root
    wanted = (
        None if expand is True else {words.split_id(one) for one in ([expand] if isinstance(expand, str) else expand)}
    )
    known: dict[Id, Node] = {}
    if wanted is not None:
        refuse_unknown(wanted, {tuple(id) for id, _ in _modules(root)})
    layers: list[tuple[Id, Node]] = []
    for _ in range(ROUNDS):
        fresh = [(id, node) for id, node in _modules(root) if id not in known]
        fresh = [(id, node) for id, node in fresh if wanted is None or tuple(id) in wanted or id in known]
        if not fresh:
            break
        for id, node in fresh:
            known[id] = node
            builder.session.modules[id] = node
            try:
                layers.append((id, _expansion(id, node, builder)))
            except DefinitionError as error:
                raise error.at(place_of(node)) from error.__cause__
        if wanted is not None:
            wanted |= {tuple(id) for _, layer in layers for id, _ in _modules(layer)}
        root = _whole(root, layers, known)
    else:
        if any(id not in known for id, _ in _modules(root)):
            last = list(known)[-1]
            what = f"Modules bring modules, more than {ROUNDS} times: {', '.join(map(str, list(known)[-5:]))}."
            endless = CycleError([known[last].problem(CycleError, what, "Let one of them end.")])
            raise endless.at(place_of(known[last]))
    return root


def module_of(node: Node) -> Id | None:
    """The module that says what stands at a node; `None` where it is written."""
    document: Document | None = node.document
    while document is not None:
        if document.module is not None:
            return document.module
        document = document.outer
    return None


def is_of_module(node: Node) -> bool:
    """Whether a module says something of what stands at a node."""
    return any(module_of(one) is not None for one in node.layers or (node,))


def place_of(node: Node) -> Site | None:
    """Where something is written; of what a function gave, where the module is."""
    entries = node.document.session.modules
    seen = set()
    while node.site is None:
        if node.document.kind == "command line":
            return Site(node.document.name, 0)
        module = module_of(node)
        if module is None or module in seen or module not in entries:
            return None
        seen.add(module)
        node = entries[module]
    return node.site


class Argument(NamedTuple):
    """What a config says of one parameter.

    Parameters:
        node: what stands for it.
        again: where one and the same file says it a second time.
    """

    node: Node
    again: Node | None


_arguments: WeakKeyDictionary[Session, dict[Node, dict[str, Argument]]] = WeakKeyDictionary()


def arguments_of(config: Node) -> dict[str, Argument]:
    """The arguments that a config says, by parameter.

    Hyphens and question marks are for files only, so that two spellings in two layers are one argument.
    """
    session = config.document.session
    known = _arguments.get(session)
    if known is None:
        known = _arguments.setdefault(session, {})
    if config in known:
        return known[config]
    head = config.head()
    nodes: dict[Any, Node] = head.nodes if isinstance(head, Map) else {}
    spelled: dict[str, list[Any]] = {}
    for key in nodes:
        spelled.setdefault(words.argument(key) if isinstance(key, str) else str(key), []).append(key)
    made: dict[str, Argument] = {}
    layers: list[Map] | None = None
    for name, keys in spelled.items():
        if len(keys) == 1:
            made[name] = Argument(nodes[keys[0]], None)
            continue
        layers = _layers_of(config) if layers is None else layers
        found, again = [], None
        for layer in layers:
            here = [layer.nodes[key] for key in keys if key in layer.nodes]
            again = here[1] if len(here) > 1 else again
            found += here[-1:]
        made[name] = Argument(Node.layered(found, (*config.path, name)), again)
    known[config] = made
    return made


def argument_of(config: Node, name: Any) -> Node | None:
    """What a config says of one parameter."""
    try:
        found = arguments_of(config).get(str(name))
    except DefinitionError:
        return None
    return found.node if found is not None else None


def _layers_of(node: Node) -> list[Map]:
    """The mappings that a node is merged of, the lowest first."""
    found: list[Map] = []
    rest = [node]
    while rest:
        one = rest.pop()
        if one.layers:
            rest += one.layers
            continue
        head = one.head()
        if not isinstance(head, Map):
            if isinstance(head, Leaf) and head.value is None:
                continue  # says nothing about what is below it
            break
        found.append(head)
        if head.how == "replace":
            break
    return found[::-1]


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same, as definitions compare."""
    if one is other:
        return True
    try:
        return bool(System({"a": {"b": one}}) == System({"a": {"b": other}}))
    except DefinitionError:
        return False  # what cannot be in a definition is the same as itself only


def refuse_unknown(wanted: Iterable[tuple[str, ...]], there: set[tuple[str, ...]]) -> None:
    """Refuse ids that are of no module.

    Raises:
        BadComponent: with the nearest that there is.
    """
    for one in wanted:
        if one not in there:
            known = [words.dotted(id) for id in there]
            hint = words.hint_near(words.dotted(one), known, what="module")
            what = f"There is no module {words.dotted(one)} to be expanded."
            raise BadComponent([Problem(BadComponent, what, hint=hint)])


def _modules(root: Node) -> list[tuple[Id, Node]]:
    """The entries of a tree that are modules."""
    found = []
    head = root.head()
    for group, node in (head.nodes if isinstance(head, Map) else {}).items():
        try:
            inside = node.head()
        except DefinitionError:
            continue  # told where it is built
        for name, entry in (inside.nodes if isinstance(inside, Map) and group != ABOUT else {}).items():
            try:
                one = entry.head()
            except DefinitionError:
                continue
            if isinstance(one, Map) and "module" in one.kinds and isinstance(name, str):
                found.append((Id(group, name), entry))
    return found


def _expansion(id: Id, node: Node, builder: Builder) -> Node:
    """What one module says, as a tree of groups."""
    head = node.head()
    assert isinstance(head, Map)
    for key, one in head.nodes.items():
        if key in head.kinds - {"module"}:
            what = f"It is {key} and module at once."
            raise BadComponent([node.problem(BadComponent, what, "Keep one of them.")])
        if key not in KEYS:
            hint = f"{words.hint_near(str(key), KEYS, what='key')} Its settings are under config."
            raise BadComponent([one.problem(BadComponent, f"A module has no key {key!r}.", hint)])
    said = head.nodes["module"]
    target = said.head()
    config = _config(head.nodes.get("config"))
    document = Document(builder.session, str(id), kind="module", outer=node.document)
    document.module = id
    if isinstance(target, Leaf) and isinstance(target.value, str) and is_file_name(target.value):
        options = builder.session.options
        try:
            source = options.resolver(target.value, node.document.folder)
            if source is None:
                raise BadFile([said.problem(BadFile, f"There is no file {target.value} for the module.")])
            read = found_source(source, options.limits)
        except DefinitionError as error:
            raise error.at(said.site) from None
        refuse_loop(said, read)
        document = Document(builder.session, read.name, read.format, read.folder, read.identity, node.document)
        document.bound, document.module = config, id
        return _groups_of(document, read.form, said)
    function = builder._object_of(said)
    if not callable(function):
        what = f"A module is a function or a file, and this is {words.a_type(function)}."
        raise BadComponent([said.problem(BadComponent, what)])
    arguments = builder._config(head.nodes.get("config"))
    if builder._realizer.problems:
        raise DefinitionError.of(builder._realizer.problems)
    _refuse_arguments(function, arguments, node, config)
    try:
        result = function(**arguments)
    except DefinitionError as error:
        raise error.at(node.site) from None
    except Exception as error:
        what = f"The module raised {type(error).__name__}" + (f": {error}" if str(error) else "")
        raise BadComponent([node.problem(BadComponent, f"{what}.")]) from (None if builder.session.secrets else error)
    if not isinstance(result, Mapping):
        what = f"The module gave {words.a_type(result)}, and a mapping of groups is needed."
        raise BadComponent([node.problem(BadComponent, what)])
    return _groups_of(document, form_of(result), said)


def _groups_of(document: Document, form: Form, said: Node) -> Node:
    """What a module says, as a tree of groups."""
    made = Grouped(document, form, None, ())
    document.root = made
    head = made.head()
    about = head.nodes.get(ABOUT) if isinstance(head, Map) else None
    if about is not None and not (isinstance(about.head(), Leaf) and about.head().value in (None, ABSENT)):  # type: ignore[union-attr]
        what = f"The module has a section {ABOUT}, which speaks of a system as a whole."
        raise BadComponent([said.problem(BadComponent, what, "Write it in the file that names the module.")])
    return made


def _refuse_arguments(
    function: Callable[..., Any], arguments: Mapping[str, Any], node: Node, config: Mapping[Any, Node]
) -> None:
    """Refuse settings that a module does not take, and tell of those that it needs.

    Raises:
        BadComponent: with all of them.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return
    named = {name: one for name, one in parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    problems = []
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        for key, one in config.items():
            if words.argument(str(key)) not in named and not is_absent(one):
                hint = words.hint_near(str(key), named, what="setting")
                problems.append(one.problem(BadComponent, f"The module takes no {key}.", hint))
    missing = [name for name, one in named.items() if one.default is one.empty and name not in arguments]
    if missing:
        what = f"The module needs {words.either(missing, 'and')}."
        problems.append(node.problem(BadComponent, what, "Write it under config."))
    if problems:
        raise BadComponent(problems)


def _config(node: Node | None) -> dict[Any, Node]:
    if node is None:
        return {}
    head = node.head()
    if isinstance(head, Leaf) and (head.value is None or head.value is ABSENT):
        return {}
    if not isinstance(head, Map):
        what = f"The config of a module is {shown(head)}, not a mapping."
        raise BadComponent([node.problem(BadComponent, what)])
    return dict(head.nodes)


def _whole(root: Node, layers: list[tuple[Id, Node]], known: Mapping[Id, Node]) -> Node:
    """What is written, without the modules, over what the modules say."""
    by_group: dict[str, set[str]] = {}
    for id in known:
        by_group.setdefault(id.group, set()).add(id.name)
    own = _without(root, by_group)
    layers = [(id, _without(layer, by_group)) for id, layer in layers]
    _refuse_conflicts(own, layers, known)
    made = Node.layered([*(layer for _, layer in layers), own], ())
    head, written = made.head(), root.head()
    if not (isinstance(head, Map) and isinstance(written, Map)):
        return made
    # The groups stay in the order in which they are written, and those that only modules bring come after them.
    names = dict.fromkeys([*(name for name in written.nodes if name in head.nodes), *head.nodes])
    return _with_head(made, Map({name: head.nodes[name] for name in names}, head.site))


def _without(root: Node, known: Mapping[str, Set[str]]) -> Node:
    head = root.head()
    if not isinstance(head, Map):
        return root
    groups: dict[Any, Node] = {}
    for group, node in head.nodes.items():
        gone = known.get(group, ())
        inside = node.head() if gone else None
        if isinstance(inside, Map) and any(name in gone for name in inside.nodes):
            left = {name: one for name, one in inside.nodes.items() if name not in gone}
            if not left:
                continue
            node = _with_head(node, Map(left, inside.site, inside.how))
        groups[group] = node
    return _with_head(root, Map(groups, head.site, head.how))


def _with_head(node: Node, head: Map) -> Node:
    made = Node.of(node.document, form_of(None), node.path)
    made.form, made._head, made._site = None, head, node.site
    return made


def _refuse_conflicts(own: Node, layers: list[tuple[Id, Node]], known: Mapping[Id, Node]) -> None:
    """Refuse what two modules say differently, and nothing written decides."""
    said: dict[tuple[Any, ...], tuple[Id, Node]] = {}
    problems: list[Problem] = []

    def look(id: Id, node: Node, path: tuple[Any, ...], above: Node | None) -> None:
        head = node.head()
        over = above.head() if above is not None else None
        if isinstance(head, Map) and above is not None and isinstance(above.form, Scalar) and above.form.value is None:
            over = None  # an empty entry says nothing about a mapping
        if over is not None and (not isinstance(over, Map) or over.how == "replace"):
            return  # the user's own value wins
        before = said.get(path)
        if before is not None:
            theirs = before[1].head()
            if not (isinstance(head, Map) and isinstance(theirs, Map)):
                if not _is_equal(node, before[1]):
                    problems.append(_conflict(path, before, (id, node), known))
                return
        else:
            said[path] = id, node
        if isinstance(head, Map):
            for key, one in head.nodes.items():
                look(id, one, (*path, key), over.nodes.get(key) if isinstance(over, Map) else None)

    for id, layer in layers:
        look(id, layer, (), own)
    if problems:
        raise MergeConflict(problems)


def _is_equal(one: Node, other: Node) -> bool:
    if one is other:
        return True
    return is_same(_compared(one), _compared(other))


def _compared(node: Node) -> Any:
    """What a node stands for, as data to compare: references as their paths."""

    def keep(mark: Any, at: Node) -> Any:
        if isinstance(mark, Reference):
            return "reference", mark.kind, mark.path, mark.optional
        return ("import", mark.target) if isinstance(mark, Imported) else str(type(mark))

    realizer = Realizer(keep)
    value = realizer.data(node)
    return None if value is ABSENT else _by_identity(value)


def _by_identity(value: Any) -> Any:
    """Data with those objects told apart by which they are that cannot be in a definition by themselves."""
    if type(value) is dict:
        return {key: _by_identity(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_by_identity, value))
    return ("object", id(value)) if callable(value) and not isinstance(value, Component) else value


def _conflict(
    path: tuple[Any, ...], first: tuple[Id, Node], second: tuple[Id, Node], known: Mapping[Id, Node]
) -> Problem:
    places = [f"{id} says {_said(node)}" for id, node in (first, second)]
    what = f"{words.dotted(path)} is said by two modules, and differently: {'; '.join(places)}."
    hint = f"Write {words.dotted(path)} yourself: what is written wins."
    site = known[second[0]].site
    group, name = (path[0], path[1]) if len(path) > 1 else (None, None)
    id = Id(group, name) if isinstance(group, str) and isinstance(name, str) else None
    return Problem(MergeConflict, what, id, words.plain(path[2:]) if id is not None else (), site, hint)


def _said(node: Node) -> str:
    return shown(node.head())
