"""What came of a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from . import _text
from ._core.callables import Id
from ._core.graph import Graph
from ._core.model import ABSENT, STATES, Component, Constant, State, parse_path
from ._core.run import Machine
from ._engine.handlers import Store


class Outcome(NamedTuple):
    """What came of a request for one component.

    Parameters:
        id: the component.
        state: its state when the request had ended.
        called: whether a handler of it was called.
        result: what its handler returned; for a start, the instance.
        started_at: seconds from the beginning of the request to its own.
        took: seconds, including the time to resolve its config.
        skipped: why nothing was done, or `None`.
    """

    id: Id
    state: State
    called: bool
    result: Any
    started_at: float
    took: float
    skipped: str | None


class Report(Mapping[Id, Outcome]):
    """What came of a request, by component. Constants are left out.

    Attributes:
        request: what was asked for.
        began: when, in seconds since the epoch.
        total: how long it took, in seconds.
    """

    __slots__ = ("_graph", "_machine", "_results", "_states", "_store", "began", "request", "total")

    def __init__(
        self,
        graph: Graph,
        machine: Machine | None,
        results: dict[str, dict[int, Any]],
        began: float,
        total: float,
        request: str,
        store: Store | None,
    ) -> None:
        self._graph, self._machine, self._results, self._store = graph, machine, results, store
        self.began, self.total, self.request = began, total, request
        self._states = b"" if machine is None else bytes(machine.states)

    def _shown(self) -> list[int]:
        graph, machine = self._graph, self._machine
        if machine is None:
            return []
        return [
            i for i in machine.plan.members if isinstance(graph.nodes[i], Component) and self._took_part(i, machine)
        ]

    def _took_part(self, i: int, machine: Machine) -> bool:
        return bool(machine.began[i]) or i in machine.skipped or machine.plan.takes_part(i)

    def _outcome(self, i: int) -> Outcome:
        machine, graph = self._machine, self._graph
        assert machine is not None
        state = STATES[self._states[i]]
        began, ended = machine.began[i], machine.ended[i]
        skipped = machine.skipped.get(i)
        if not began and skipped is None:
            skipped = f"it is {state}"
        result = None
        if self.request in ("start", "restart") and self._store is not None:
            instance = self._store.instances[i]
            result = None if instance is ABSENT else instance
        else:
            for by_node in self._results.values():
                result = by_node.get(i, result)
        at = began - machine.origin if began else 0.0
        return Outcome(graph.ids[i], state, bool(began), result, at, max(0.0, ended - began), skipped)

    def __getitem__(self, id: str | Id) -> Outcome:
        path = parse_path((id,), "An id")
        node = self._graph.index.get(path)  # type: ignore[call-overload]
        if node is None or self._machine is None or isinstance(self._graph.nodes[node], Constant):
            raise KeyError(id)
        return self._outcome(node)

    def __iter__(self) -> Iterator[Id]:
        return (self._graph.ids[i] for i in self._shown())

    def __len__(self) -> int:
        return len(self._shown())

    @property
    def critical_path(self) -> tuple[Id, ...]:
        """The chain of components, each needing the one before, that took longest in all: what to speed up first."""
        machine, graph = self._machine, self._graph
        if machine is None:
            return ()
        members = [i for i in machine.plan.members if machine.began[i]]
        length: dict[int, float] = {}
        before: dict[int, int] = {}
        for i in members:
            last = max((j for j in graph.needs[i] if j in length), key=length.__getitem__, default=-1)
            length[i] = machine.ended[i] - machine.began[i] + length.get(last, 0.0)
            before[i] = last
        at = max(length, key=length.__getitem__, default=-1)
        path: list[Id] = []
        while at >= 0:
            if isinstance(graph.nodes[at], Component):
                path.append(graph.ids[at])
            at = before[at]
        return tuple(reversed(path))

    def __str__(self) -> str:
        rows = []
        for id in self:
            outcome = self[id]
            times = (
                f"at {_text.duration(outcome.started_at)}, took {_text.duration(outcome.took)}"
                if outcome.called
                else ""
            )
            rows.append([f"  {id}", str(outcome.state), times or outcome.skipped or ""])
        return "\n".join([f"{self.request}: {_text.duration(self.total)}", *_text.table(rows).splitlines()])

    def __repr__(self) -> str:
        return f"<Report: {self.request}, {len(self)} components, {_text.duration(self.total)}>"
