"""What an instance cache has to know of a definition: what it keeps, under which keys, and what that is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from ..errors import BadComponent, Problem, Site
from . import refs
from .callables import Handler, Id
from .graph import Graph, closure
from .model import ABSENT, Component, Constant, Node, OnCrash, Spec
from .model import _comparable as comparable
from .plan import deadline_of
from .refs import Build, Path, Ref, Reference, Required, Secret

# What makes an instance what it is, and what unmakes it. All other slots are each system's own.
_MAKING: Final = ("start", "stop", "scope", "pre", "post", "resolve", "deadlines", "retry", "thread")
_SIGNALS: Final = ("start", "stop")  # that a cache sends
_CLOSED: Final = ("start", "stop", "suspend", "resume")  # that do not reach the instance from the systems that use it


class Kept(NamedTuple):
    """Stands for something of a component that is kept, too.

    Parameters:
        key: its key.
        rest: what is reached inside it.
    """

    key: str
    rest: Path


class Unknown(NamedTuple):
    """Stands for something inside an object that is yet to be made.

    Parameters:
        made: what it is made from.
        rest: what is reached inside it.
    """

    made: Build | Required
    rest: Path


class Making:
    """What a cached component is made from. Equal ones give the same instance.

    Parameters:
        id: the component.
        key: the key under which a cache keeps it.
        component: the component as a cache starts it: without the handlers of signals that a cache does not send.
        config: its config, with everything in it that is referred to.
        needs: the keys of what it needs directly.
        site: where it was written.
    """

    __slots__ = ("component", "config", "id", "key", "needs", "site")

    def __init__(
        self,
        id: Id,
        key: str,
        component: Component[Any],
        config: dict[str, Any],
        needs: frozenset[str],
        site: Site | None,
    ) -> None:
        self.id, self.key, self.component, self.config = id, key, component, config
        self.needs, self.site = needs, site

    def differences(self, other: Making) -> list[str]:
        """The slots and arguments in which two differ; empty where they give the same instance."""
        mine, theirs = self.component._spec, other.component._spec
        found = []
        if mine is not theirs:
            pairs = ((name, getattr(mine, name), getattr(theirs, name)) for name in _MAKING)
            found += [name for name, a, b in pairs if not refs.same(comparable(a), comparable(b))]
        both = self.config.keys() & other.config.keys()
        names = dict.fromkeys((*self.config, *other.config))
        return found + [
            f"config.{name}" for name in names if name not in both or not _alike(self.config[name], other.config[name])
        ]


def _alike(a: Any, b: Any) -> bool:
    """As `refs.same`, for data whose parts may stand at many places: no two parts are compared twice."""
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[Any, Any]] = [(a, b)]
    while waiting:
        a, b = waiting.pop()
        if a is b or (pair := (id(a), id(b))) in seen:
            continue
        kind = type(a)
        if kind is not type(b):
            return False
        if kind is dict:
            if not refs.same(set(a), set(b)):
                return False
            waiting += [(value, b[key]) for key, value in a.items()]
        elif kind is list or kind is tuple or refs.is_named_tuple(a):
            if len(a) != len(b):
                return False
            waiting += zip(a, b, strict=True)
        elif kind is Secret:
            waiting.append((a.reveal(), b.reveal()))
        elif kind is Build:
            waiting += ((a.target, b.target), (a.args, b.args), (a.kwargs, b.kwargs))
        elif not refs.same(a, b):
            return False
        else:
            continue
        seen.add(pair)
    return True


def is_cached(node: Node) -> bool:
    """Whether a node is marked to be kept by a cache."""
    return type(node) is Component and node._spec.cached is not False


def key_of(id: Id, component: Component[Any]) -> str:
    """The key under which a cache keeps a component: its id, unless it says another."""
    cached = component._spec.cached
    return cached if isinstance(cached, str) else str(id)


def cached_nodes(graph: Graph) -> list[int]:
    """The nodes that are marked to be kept, in the order of starting."""
    return [i for i, node in enumerate(graph.nodes) if type(node) is Component and node._spec.cached is not False]


def cached_problems(graph: Graph) -> list[Problem]:
    """What keeps the cached components of a definition from being kept.

    Whatever one of them needs, however far away, has to be kept too or to be a constant; and two with one key have to be
    made from the same.
    """
    nodes = cached_nodes(graph)
    problems = [problem for i in nodes for problem in _holds(graph, i)]
    if problems or graph.problems:
        return problems
    makings = Makings(graph)
    first: dict[str, int] = {}
    for i in nodes:
        id, node = graph.ids[i], graph.nodes[i]
        assert isinstance(node, Component)
        at = first.setdefault(key := key_of(id, node), i)
        if at == i:
            continue
        differ = makings.of(at).differences(makings.of(i))
        if differ:
            other = graph.ids[at]
            what = f"has the key {key!r} in the cache, as {other} has, and the two differ: {', '.join(differ)}."
            details = {"key": key, "other": str(other), "differ": differ}
            problems.append(Problem(BadComponent, what, id, ("cached",), node.site, _OTHER_KEY, details))
    return problems


_OTHER_KEY: Final = 'Give one of them a key of its own: cached="another-key".'


def _holds(graph: Graph, i: int) -> list[Problem]:
    """The problems of one component: each thing that it would hold on to after it was stopped with its system."""
    id, node = graph.ids[i], graph.nodes[i]
    assert isinstance(node, Component)
    came_from = {i: i}
    waiting = [i]
    problems = []
    paths: dict[Id, Path] = {}  # to what it needs directly; filled with the first problem
    for at in waiting:
        for j in graph.needs[at]:
            if j in came_from:
                continue
            came_from[j] = at
            needed = graph.nodes[j]
            if isinstance(needed, Constant):
                waiting.append(j)
            elif not is_cached(needed):
                chain = [j]
                while chain[-1] != i:
                    chain.append(came_from[chain[-1]])
                names = [str(graph.ids[k]) for k in reversed(chain)]
                for edge in () if paths else graph.edges_of(i):
                    paths.setdefault(edge.needs, edge.path)
                path = paths.get(graph.ids[chain[-2]], ())
                through = f": {' -> '.join(names)}" if len(names) > 2 else ""
                what = f"is cached, and needs {names[-1]}, which is not{through}."
                hint = (
                    f"What is kept must not hold on to something that is stopped with its system. Mark {names[-1]} as cached "
                    "too, or hand on a constant instead."
                )
                problems.append(Problem(BadComponent, what, id, path, node.site, hint, {"chain": names}))
    return problems


# --- What a component is made from ------------------------------------------------------------------------------------


class Makings:
    """What the cached components of one definition are made from.

    Parameters:
        graph: the definition's; one without problems.
    """

    __slots__ = ("_graph", "_known", "_values")

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[int, Making] = {}
        self._values: dict[int, Any] = {}  # constants, with everything in them that is referred to

    def of(self, i: int) -> Making:
        """What one of them is made from.

        Parameters:
            i: its position.
        """
        made = self._known.get(i)
        return self._known.setdefault(i, self._made(i)) if made is None else made

    def _made(self, i: int) -> Making:
        graph = self._graph
        id, node = graph.ids[i], graph.nodes[i]
        assert isinstance(node, Component)
        config = refs.redirected(node._config, self._lookup(id.group))
        needs: set[str] = set()
        seen: set[int] = set()
        waiting = [i]
        for at in waiting:
            for j in graph.needs[at]:
                needed = graph.nodes[j]
                if isinstance(needed, Component):
                    needs.add(key_of(graph.ids[j], needed))
                elif j not in seen:
                    seen.add(j)
                    waiting.append(j)
        return Making(id, key_of(id, node), _as_kept(node), config, frozenset(needs), node.site)

    # References are replaced by what they refer to, as far as that is known before anything is started.

    def _lookup(self, group: str) -> Callable[[Reference], Any]:
        return lambda reference: self._behind(reference, group)

    def _behind(self, reference: Reference, group: str) -> Any:
        aim = self._graph.aim(reference, group)
        if aim is None:
            return None
        if aim.keys is not None:
            return {key: self._at(j) for key, j in zip(aim.keys, aim.nodes, strict=True)}
        try:
            return self._at(aim.nodes[0], aim.rest)
        except (LookupError, AttributeError, ValueError, TypeError):
            if reference.optional:
                return None  # on the way there is an alias of something that is off
            raise

    def _at(self, j: int, path: Path = ()) -> Any:
        """What stands under an id, or inside it."""
        id, node = self._graph.ids[j], self._graph.nodes[j]
        if isinstance(node, Component):
            return Kept(key_of(id, node), path)
        value = self._value(j)
        for n, part in enumerate(path):
            inner = refs.unwrapped(value)
            if type(inner) is Kept or type(inner) is Unknown:
                return inner._replace(rest=(*inner.rest, *path[n:]))
            if isinstance(inner, Build | Required):
                return Unknown(inner, path[n:])
            found = refs.step_into(inner, part)
            value = Secret(found) if type(value) is Secret else found
        return value

    def _value(self, j: int) -> Any:
        values, graph = self._values, self._graph
        if j not in values:
            # What a node needs comes before it, so this does not go as deep as constants refer to each other.
            for k in sorted(closure([j], self._not_known)):
                node = graph.nodes[k]
                assert isinstance(node, Constant)
                values[k] = refs.redirected(node._value, self._lookup(graph.ids[k].group))
        return values[j]

    def _not_known(self, j: int) -> list[int]:
        graph, values = self._graph, self._values
        return [k for k in graph.needs[j] if k not in values and isinstance(graph.nodes[k], Constant)]


def _as_kept(component: Component[Any]) -> Component[Any]:
    """A component as a cache starts it."""
    spec = component._spec
    kept: Spec | None = spec.cache.get("kept")
    if kept is None:
        slots = spec.slots()
        slots |= {
            "handlers": {},
            "deadlines": _only(spec.deadlines, (*_SIGNALS, "*")),
            "pre": _only(spec.pre, _SIGNALS),
            "post": _only(spec.post, _SIGNALS),
            "on_crash": "keep",  # those who use it are told, and stop it and what needs it in their own order
            "cached": False,
        }
        kept = spec.cache["kept"] = Spec(slots)
    made = component._same_kind()
    made._code, made._instruction, made._bound = component._code, component._instruction, component._bound
    made._config, made._shape, made._spec = component._config, component._shape, kept
    return made


def _only(given: Any, signals: Iterable[str]) -> Any:
    return {name: given[name] for name in signals if name in given} or None if isinstance(given, Mapping) else given


def lent(component: Component[Any], scope: Handler, signals: Iterable[str], on_crash: OnCrash | None) -> Component[Any]:
    """A cached component as it is in a system that uses it.

    Parameters:
        component: as it is written.
        scope: gives the instance. It gets the config too, so that the references and the context of handlers stay what they were.
        signals: the names of the system's signals.
        on_crash: what is stopped when it breaks.
    """
    spec = component._spec
    names = [name for name in signals if name not in _CLOSED]
    handlers, pre, post = (_only(table, names) or {} for table in (spec.handlers, spec.pre, spec.post))
    given = {name: deadline_of(spec.deadlines, name) for name in names if {name} & {*handlers, *pre, *post}}
    deadlines = {name: seconds for name, seconds in given.items() if seconds is not None}
    # In the caller's thread only what is async can be given up on, and what gives the instance here is not.
    thread = None if not given or (spec.thread == "caller" and deadlines) else spec.thread
    made = component._same_kind()
    made._code, made._instruction, made._bound = component._code, component._instruction, True
    made._config, made._shape = component._config, component._shape
    made._spec = Spec(
        spec.slots()
        | {
            "start": ABSENT,
            "stop": None,
            "scope": scope,
            "handlers": handlers,
            "pre": pre,
            "post": post,
            "deadlines": deadlines or None,
            "retry": None,
            "thread": thread,
            "on_crash": on_crash,
            "cached": False,
        }
    )
    return made


def twin(component: Component[Any], id: Id) -> Component[Any]:
    """A component that has the key of another one of the same system, and is the same.

    Parameters:
        component: as a cache starts it.
        id: the other one.
    """
    slots = dict.fromkeys(("stop", "scope", "resolve", "deadlines", "retry", "thread"))
    return component.replace(**slots, start=_itself, pre={}, post={}, config={"instance": Ref((id.group, id.name))})


def _itself(instance: Any) -> Any:
    return instance


__all__ = ["Kept", "Making", "Makings", "cached_nodes", "cached_problems", "is_cached", "key_of", "lent", "twin"]
