"""What a system is made of, for people. Secrets are masked wherever a definition says that they are."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from . import _text
from ._core import refs
from ._core.callables import Id
from ._core.expand import expanded
from ._core.graph import graph_of
from ._core.model import ABSENT, STATES, Component, Constant, Definition, Node, Spec, State, parse_path
from ._core.refs import LocalRef, Path, Ref, Reference, Tagged
from ._engine.handlers import Resolver, Store
from .errors import Site

Kind = Literal["component", "subsystem", "constant", "alias", "off"]
_CONFIGS: Final = {"constant": "value", "alias": "of", "subsystem": "imports"}


class Entry(NamedTuple):
    """What there is to know of one component or constant, with secrets masked.

    Parameters:
        id: its id.
        kind: "component", "subsystem", "constant", "alias" (a constant that is a reference) or "off".
        doc: a component's description.
        config: a component's config, references and all; for a subsystem its imports, for a constant its value.
        needs: what it needs directly.
        needed_by: what needs it directly.
        tags: its tags.
        handlers: its handlers, by name.
        site: file and line of its definition, where they are known.
        on_crash: what is stopped when it breaks by itself.
        off: why it is switched off; `None` where it is not.
        wrapped_by: the wrappers around its handlers, by name, the outermost first.
        state: what it is doing; `None` for a system that is not live, as all that follows.
        resolved: its config with what the references refer to now; `None` before its start.
        instance: what others see of it.
        started_at: when its last start began, in seconds since the epoch.
        took: seconds that its last start took.
        meta: what its handlers keep of their own.
    """

    id: Id
    kind: Kind
    doc: str | None
    config: Any
    needs: tuple[Id, ...]
    needed_by: tuple[Id, ...]
    tags: frozenset[str]
    handlers: tuple[str, ...]
    site: Site | None
    on_crash: Literal["stop", "dependents", "keep"] = "stop"
    off: str | None = None
    wrapped_by: tuple[str, ...] = ()
    state: State | None = None
    resolved: Any = None
    instance: Any = None
    started_at: float | None = None
    took: float | None = None
    meta: Mapping[str, Any] = MappingProxyType({})

    def __str__(self) -> str:
        is_made = self.kind in ("component", "subsystem")
        more = f", {self.state}" if self.state and is_made else f": {self.off}" if self.off else ""
        head = f"{self.id}  ({self.kind}{more})"
        rows = [
            ["doc", (self.doc or "").split("\n")[0]],
            [_CONFIGS.get(self.kind, "config"), _shown_config(self.config)],
            ["resolved", _shown_config(self.resolved) if self.resolved is not None and self.needs else ""],
            ["instance", _short(self.instance) if self.kind == "component" and self.instance is not None else ""],
            ["needs", ", ".join(map(str, self.needs))],
            ["needed by", ", ".join(map(str, self.needed_by))],
            ["handlers", ", ".join(self.handlers)],
            ["wrapped by", ", ".join(self.wrapped_by)],
            ["tags", ", ".join(sorted(self.tags))],
            ["on crash", self.on_crash if self.on_crash != "stop" else ""],
            [
                "started",
                f"at {_clock(self.started_at or 0)}, took {_text.duration(self.took)}" if self.took else "",
            ],
            ["meta", _shown_config(dict(self.meta))],
            ["defined at", str(self.site) if self.site else ""],
        ]
        lines = _text.table([[f"  {name}", value] for name, value in rows if value]).splitlines()
        return "\n".join([head, *lines])


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _shown_config(config: Any) -> str:
    if isinstance(config, dict):
        return ", ".join(f"{name}={_short(value)}" for name, value in config.items())
    return _short(config)


def _short(value: Any, most: int = 100) -> str:
    try:
        text = repr(value)
    except Exception as error:  # an instance of the user's may be in any condition
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."


def _wrappers(spec: Spec) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for handler in (spec.scope, spec.start, *(handler for _, handler in spec.all_handlers())):
        # The wrapped start of a class with an async one keeps it one step further in.
        made = getattr(handler, "_made_of", None) or getattr(getattr(handler, "__wrapped__", None), "_made_of", None)
        while type(made) is tuple:
            found[refs.name_of(made[1])] = None
            made = getattr(made[3], "_made_of", None)
    return tuple(found)


class _Told(Entry):
    """An entry that keeps the secrets of the whole system out of its text, also where an instance would show them."""

    secrets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return _text.scrubbed(super().__str__(), self.secrets)


# To everybody else it is one.
_Told.__name__, _Told.__qualname__, _Told.__module__ = Entry.__name__, Entry.__qualname__, "mainspring"


class Description(Mapping[Id, Entry]):
    """What a system is made of, by id, with secrets masked.

    Example:
        >>> from mainspring import Secret
        >>> print(System({"env": {"password": Secret("hunter2"), "port": 80}}).describe())
        env.password  (constant)
          value  Secret('***')
        <BLANKLINE>
        env.port  (constant)
          value  80
    """

    __slots__ = ("_definition", "_graph", "_hidden", "_store")

    def __init__(self, definition: Definition, store: Store | None) -> None:
        self._definition, self._store = expanded(definition), store
        self._graph = graph_of(definition)
        self._hidden: tuple[str, ...] | None = None

    def __iter__(self) -> Iterator[Id]:
        return (Id(group, name) for group, nodes in self._definition.groups.items() for name in nodes)

    def __len__(self) -> int:
        return sum(map(len, self._definition.groups.values()))

    def __getitem__(self, id: str | Id) -> Entry:
        told = _Told(*self._found(id))
        told.secrets = self._secrets()
        return told

    def _found(self, id: str | Id) -> Entry:
        path = self._graph.canonical(parse_path((id,), "An id"))
        groups = self._definition.groups
        if len(path) != 2 or path[0] not in groups or path[1] not in groups[str(path[0])]:
            raise KeyError(id)
        known = Id(path[0], str(path[1]))
        node = groups[known.group][known.name]
        if known in self._graph.off:
            return self._entry(known, node, "off", (), ())._replace(off=self._graph.off[known])
        at = self._graph.index[known]
        ids = self._graph.ids
        needs = tuple(ids[i] for i in self._graph.needs[at])
        needed_by = tuple(ids[i] for i in self._graph.needed_by[at])
        kind: Kind = "component" if isinstance(node, Component) else "constant"
        if isinstance(node, Constant) and isinstance(node._value, Ref | LocalRef | Tagged):
            kind = "alias"
        elif known in self._graph.subsystems:
            kind = "subsystem"
        entry = self._entry(known, node, kind, needs, needed_by)
        return entry if self._store is None else self._with_live(entry, at, node, self._store)

    def _entry(
        self,
        id: Id,
        node: Node,
        kind: Kind,
        needs: tuple[Id, ...],
        needed_by: tuple[Id, ...],
    ) -> Entry:
        if isinstance(node, Constant):
            value = refs.masked(node._value, _as_written)
            return Entry(id, kind, None, value, needs, needed_by, frozenset(), (), None)
        spec = node._spec
        own = "scope" if spec.scope is not None else "start"
        names = [own, *(name for name, _ in spec.all_handlers())]
        imports = getattr(spec.start, "imports", None) if kind == "subsystem" else None
        config = refs.masked(node._config if imports is None else imports, _as_written)
        return Entry(
            id, kind, node.doc, config, needs, needed_by, spec.tags, tuple(names), node.site, spec.on_crash or "stop"
        )._replace(wrapped_by=_wrappers(spec))

    def _with_live(self, entry: Entry, at: int, node: Node, store: Store) -> Entry:
        state = STATES[store.states[at]]
        value = store.visible(at)
        entry = entry._replace(meta=dict(store.meta.get(at, {})))
        if value is ABSENT:
            return entry._replace(state=state)
        data = node._value if isinstance(node, Constant) else node._config
        if entry.kind == "subsystem":
            data = entry.config
        lookup = _MaskedResolver(store, entry.id.group)
        resolved = refs.masked(data, lookup)
        instance = lookup.shown(at, ())
        entry = entry._replace(state=state, resolved=resolved, instance=instance)
        if at in store.times:
            began, took = store.times[at]
            entry = entry._replace(started_at=began + store.epoch, took=took)
        return entry

    def as_dict(self, ids: Iterable[str | Id] | None = None) -> dict[str, Any]:
        """The description as nested dicts and lists of plain values, for JSON; what is not plain becomes text.

        Parameters:
            ids: of which components and constants; all if not given.

        Returns:
            By the text of the id, all that an entry says.

        Raises:
            KeyError: there is none of that id.
        """
        secrets = self._secrets()
        entries = map(self._found, self if ids is None else ids)
        return {str(entry.id): _plain(entry._asdict(), secrets) for entry in entries}

    def __str__(self) -> str:
        return _text.scrubbed("\n\n".join(str(self[id]) for id in self), self._secrets())

    def scrubbed(self, text: str) -> str:
        """A text without the secrets that the definition knows.

        Parameters:
            text: any text, for example of an exception that a component raised.
        """
        return _text.scrubbed(text, self._secrets())

    def _secrets(self) -> tuple[str, ...]:
        if self._hidden is None:
            self._hidden = self._found_secrets()
        return self._hidden

    def _found_secrets(self) -> tuple[str, ...]:
        known: tuple[str, ...] | None = self._definition.cache.get("secrets")
        if known is not None:
            return known
        # What an instance shows of itself is its own; but the values that are known to be secret are not shown there either.
        found: set[str] = set()
        for nodes in self._definition.groups.values():
            for node in nodes.values():
                data = node._value if isinstance(node, Constant) else (node._config, node._spec.start)
                for _, leaf in refs.leaves(data):
                    if isinstance(leaf, refs.Secret) or hasattr(leaf, "get_secret_value"):
                        found |= _text.secret_texts(leaf)
        known = self._definition.cache["secrets"] = tuple(found)
        return known


def _as_written(reference: Reference) -> Any:
    return reference


class _MaskedResolver(Resolver):
    """Resolves for showing: of a constant, only what may be shown."""

    __slots__ = ()

    def __call__(self, reference: Reference) -> Any:
        aim = self.store.graph.aim(reference, self.group)
        if aim is None:
            return None
        if aim.keys is not None:
            return {key: self.shown(i, ()) for key, i in zip(aim.keys, aim.nodes, strict=True)}
        try:
            return self.shown(aim.nodes[0], aim.rest)
        except refs.Unreachable:
            if reference.optional:
                return None
            raise

    def shown(self, at: int, rest: Path) -> Any:
        """What may be shown of a node, or of a part of it."""
        node = self.store.graph.nodes[at]
        own = _MaskedResolver(self.store, self.store.graph.ids[at].group)
        if isinstance(node, Constant):
            value = node._value
        elif node._spec.is_value and at not in self.store.seen:
            value = node._spec.start
        else:
            return refs.reach(self.store.visible(at), rest)
        for n, part in enumerate(rest):
            if isinstance(value, refs.Secret):
                return refs.MASKED
            if isinstance(value, Ref | LocalRef):
                target = value.at(own.group)
                return own(Ref((*target.path, *rest[n:])))
            if isinstance(value, Tagged):
                found = own(value)
                return refs.masked(refs.reach(found, rest[n:]), own)
            if isinstance(value, refs.Build):
                # What an object was built with may be anywhere in it.
                hidden = any(leaf == refs.MASKED for _, leaf in refs.leaves(refs.masked(value, own)))
                return refs.MASKED if hidden else refs.reach(self.store.visible(at), rest)
            value = refs.step_into(refs.unwrapped(value), part)
        return refs.masked(value, own)


def is_secret_at(store: Store, node: int, rest: Path) -> bool:
    """Whether a secret stands at a place in what others see of a node, or that place is inside of one."""
    try:
        return isinstance(_MaskedResolver(store, store.graph.ids[node].group).shown(node, rest), refs.Secret)
    except refs.Unreachable:
        return False


def shown_config(store: Store, node: int) -> dict[str, Any]:
    """A component's config as it may be shown, with what its references refer to now."""
    component = store.graph.nodes[node]
    assert isinstance(component, Component)
    shown: dict[str, Any] = refs.masked(component._config, _MaskedResolver(store, store.graph.ids[node].group))
    return shown


def _plain(value: Any, secrets: Sequence[str]) -> Any:
    if value is None or (isinstance(value, bool | int | float) and str(value) not in secrets):
        return value
    if isinstance(value, str):
        return _text.scrubbed(str(value), secrets)
    if isinstance(value, Id | Site):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v, secrets) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, secrets) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(_text.scrubbed(v if isinstance(v, str) else _short(v), secrets) for v in value)
    return _text.scrubbed(_short(value), secrets)
