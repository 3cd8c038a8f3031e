"""A plan: the ordered work that one request means. It can be printed before it is run."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast, overload

from .. import _text
from .callables import Id
from .graph import Graph, closure
from .model import Component, Constant, Phase, Retry, Signal

NEVER: Final = 1 << 40  # waits of a node that is not part of a plan: no number of releases brings it to nothing


class Step(NamedTuple):
    """One component's part in a plan.

    Parameters:
        id: the component.
        signal: what it is sent.
        after: the steps that come first because of references, by id.
        handlers: what is called, in order; none where only the state changes.
        reason: why it is part of the plan, and why at this place.
    """

    id: Id
    signal: str
    after: tuple[Id, ...]
    handlers: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.signal} {self.id}: {self.reason}"


class Plan(Sequence[Step]):
    """The steps that a signal means, in the order in which they are run one at a time. Constants are left out.

    Example:
        >>> from mainspring import Component, System, ref
        >>> system = System({"a": {"x": Component(dict), "y": Component(dict, config={"x": ref("a.x")})}})
        >>> print(system.plan("stop"))
        stop, 2 steps, dependents first
          1. stop a.y  nothing needs it
          2. stop a.x  after a.y, which needs it
    """

    __slots__ = (
        "_inside",
        "_members",
        "_steps",
        "deadlines",
        "given_deadlines",
        "graph",
        "phases",
        "retries",
        "roots",
        "row",
        "threaded",
        "through",
    )

    def __init__(
        self,
        graph: Graph,
        row: Signal,
        roots: Iterable[int] | None = None,
        *,
        exactly: Iterable[int] | None = None,
        deadlines: float | Mapping[str, float] | None = None,
    ) -> None:
        self.graph, self.row = graph, row
        self.given_deadlines = deadlines
        # Steps are known by their nodes' positions, and run by rising or falling position.
        self.roots = None if roots is None else frozenset(roots)
        self._members: list[int] | None = None
        self.through: frozenset[int] = frozenset()
        if exactly is not None:
            self._members = sorted(exactly)
            self._pass_through(self._members)
        elif self.roots is not None:
            if row.draws_in is None:
                self._pass_through(self.roots)
                self._members = sorted(self.roots | self.through)
            else:
                along = graph.needs if row.draws_in == "needs" else graph.needed_by
                self._members = sorted(closure(self.roots, along.__getitem__))
        self._steps: list[Step] | None = None
        self._inside: set[int] | None = None
        self.phases: dict[int, tuple[Phase, ...]] = {}
        self.deadlines: dict[int, float] = {}
        self.retries: dict[int, Retry] = {}
        self.threaded: set[int] = set()  # those that may have to be given up on, whatever the signal
        self._look_twice(deadlines)

    def _pass_through(self, roots: Iterable[int]) -> None:
        # Order holds between the selected even where what lies between them is not selected.
        roots = frozenset(roots)
        if len(roots) > 1:
            between = closure(roots, self.graph.needs.__getitem__) & closure(roots, self.graph.needed_by.__getitem__)
            self.through = frozenset(between - roots)
            if self._members is not None and self.through:
                self._members = sorted(roots | self.through)

    def _look_twice(self, deadlines: float | Mapping[str, float] | None) -> None:
        graph, signal = self.graph, self.row.name
        if deadlines is not None:
            general = deadline_of(deadlines, signal)
            for i, node in enumerate(graph.nodes):
                # What is to be called in the caller's thread, come what may, cannot be given up on.
                if type(node) is Component and (node._spec.thread != "caller" or node._spec.is_async):
                    self.threaded.add(i)
                    if general is not None:
                        self.deadlines[i] = general
        for i in graph.special:
            node = graph.nodes[i]
            assert isinstance(node, Component)
            phases = node._spec.phases(self.row)
            if len(phases) > 1:
                self.phases[i] = phases
            own = deadline_of(node._spec.deadlines, signal)
            if node._spec.deadlines is not None:
                self.threaded.add(i)
            if self.row.opens and node._spec.retry is not None:
                self.retries[i] = node._spec.retry
            if own is not None:
                self.deadlines[i] = own

    @property
    def members(self) -> Sequence[int]:
        """The positions of all nodes that take part, constants and nodes passed through included."""
        return range(len(self.graph.ids)) if self._members is None else self._members

    @property
    def after(self) -> list[Any]:
        """For each node, the nodes whose steps come before its own."""
        return cast("list[Any]", self.graph.needs if self.row.dependencies_first else self.graph.needed_by)

    @property
    def then(self) -> list[Any]:
        """For each node, the nodes whose steps come after its own."""
        return cast("list[Any]", self.graph.needed_by if self.row.dependencies_first else self.graph.needs)

    def waits(self) -> list[int] | array[int]:
        """For each node, how many steps come before its own; `NEVER` for those without one."""
        after, members = self.after, self._members
        if members is None:
            return list(map(len, after))
        inside = set(members)
        waits: array[int] = array("q", [NEVER]) * len(after)
        for i in members:
            waits[i] = sum(j in inside for j in after[i])
        return waits

    def takes_part(self, i: int) -> bool:
        """Whether a node's state is to change, or a handler of its is to be called."""
        if i in self.through:
            return False
        if self.row.without_handler:
            return True
        node = self.graph.nodes[i]
        return isinstance(node, Component) and node._spec.takes(self.row.name)

    # --- as a sequence of steps, for people ---

    @property
    def waves(self) -> tuple[tuple[Id, ...], ...]:
        """The ids of the steps by the earliest moment at which they can begin, if each takes equally long.

        Those of one wave do not need each other, and may run together as far as threads and limits allow.

        Example:
            >>> from mainspring import Component, System, ref
            >>> both = Component(dict, config={"x": ref("a.x"), "y": ref("a.y")})
            >>> system = System({"a": {"x": Component(dict), "y": Component(dict), "z": both}})
            >>> [[str(id) for id in wave] for wave in system.plan("start").waves]
            [['a.x', 'a.y'], ['a.z']]
        """
        depth: dict[int, int] = {}
        waves: list[list[Id]] = []
        for i in self.members if self.row.dependencies_first else reversed(self.members):
            below = max((depth[j] for j in self.after[i] if j in depth), default=0)
            depth[i] = below + self._is_shown(i)
            if self._is_shown(i):
                if len(waves) < depth[i]:
                    waves.append([])
                waves[depth[i] - 1].append(self.graph.ids[i])
        return tuple(map(tuple, waves))

    def _shown(self) -> list[Step]:
        if self._steps is None:
            self._inside = None if self._members is None else set(self._members)
            ordered = self.members if self.row.dependencies_first else reversed(self.members)
            self._steps = [self._step(i) for i in ordered if self._is_shown(i)]
        return self._steps

    def _is_shown(self, i: int) -> bool:
        return not isinstance(self.graph.nodes[i], Constant) and self.takes_part(i)

    def _step(self, i: int) -> Step:
        graph, row = self.graph, self.row
        node = graph.nodes[i]
        assert isinstance(node, Component)
        before = [j for j in self.after[i] if self._inside is None or j in self._inside]
        after = tuple(graph.ids[j] for j in before if self._is_shown(j))
        handlers = tuple(phase.name for phase in node._spec.phases(row) if self._is_called(node, phase))
        return Step(graph.ids[i], row.name, after, handlers, self._reason(i, before))

    def _is_called(self, node: Component[Any], phase: Phase) -> bool:
        return phase.handler is not None or (phase.name == "stop" and node._spec.scope is not None)

    def _reason(self, i: int, before: list[int]) -> str:
        names = [str(self.graph.ids[j]) for j in before]
        shown = _text.either(names if len(names) < 5 else [*names[:3], f"{len(names) - 3} more"], "and")
        if self.row.dependencies_first:
            reason = f"after {shown}, which it needs" if names else "needs nothing"
        else:
            reason = f"after {shown}, which need{'s' * (len(names) == 1)} it" if names else "nothing needs it"
        if self.roots is not None and i not in self.roots:
            along = self.graph.needed_by if self.row.draws_in == "needs" else self.graph.needs
            by = [str(self.graph.ids[j]) for j in along[i] if self._inside is None or j in self._inside]
            verb = "needed by" if self.row.draws_in == "needs" else "it needs"
            reason += f"; drawn in: {verb} {_text.either(by[:3], 'and')}"
        return reason

    def __len__(self) -> int:
        return len(self._shown())

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        return self._shown()[index]

    def __iter__(self) -> Iterator[Step]:
        return iter(self._shown())

    def __str__(self) -> str:
        steps = self._shown()
        count = f"{len(steps)} step{'s' * (len(steps) != 1)}"
        lines = [f"{self.row.name}, {count}, {self.row.direction}"]
        width = len(str(len(steps)))
        rows = []
        for n, step in enumerate(steps, 1):
            more = [name for name in step.handlers if name != step.signal]
            rows.append(
                [
                    f"  {n:>{width}}. {step.signal} {step.id}",
                    step.reason + (f"  [{', '.join(step.handlers)}]" if more else ""),
                ]
            )
        return "\n".join([*lines, *_text.table(rows).splitlines()])

    def __repr__(self) -> str:
        return f"<Plan: {self.row.name}, {len(self)} steps>"


def deadline_of(given: float | Mapping[str, float] | None, signal: str) -> float | None:
    """The deadline for one signal, in seconds, of deadlines for all signals or by signal, with "*" for all others."""
    return given.get(signal, given.get("*")) if isinstance(given, Mapping) else given
