"""What came of a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from . import _text
from ._core.callables import Id
from ._core.graph import Graph
from ._core.model import ABSENT, STATES, Component, Constant, State, parse_path
from ._core.run import Machine, Stage


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
        attempts: how often its start was tried.
    """

    id: Id
    state: State
    called: bool
    result: Any
    started_at: float
    took: float
    skipped: str | None
    attempts: int = 1


class Report(Mapping[Id, Outcome]):
    """What came of a request, by component. Constants are left out.

    Attributes:
        request: what was asked for.
        began: when, in seconds since the epoch.
        total: how long it took, in seconds.
        interrupted: whether it was given up on the way, for a Ctrl-C or a stop.
    """

    __slots__ = (
        "_graph", "_instances", "_machine", "_main", "_results", "_states", "began", "interrupted", "request", "total",
    )  # fmt: skip

    def __init__(
        self,
        graph: Graph,
        machine: Machine | None,
        results: dict[str, dict[int, Any]],
        began: float,
        total: float,
        request: str,
        instances: list[Any] | None,
    ) -> None:
        self._graph, self._machine, self._results, self._instances = graph, machine, results, instances
        self.began, self.total, self.request = began, total, request
        self.interrupted = machine is not None and machine.interrupted
        self._states = b"" if machine is None else bytes(machine.states)
        # Of a restart the start is what one wants to know of; of a start that was rolled back, too.
        stages = [] if machine is None else machine.stages
        opening = [stage for stage in stages if stage.plan.row.opens]
        self._main: Stage | None = next(iter(opening or stages), None)

    def _shown(self) -> list[int]:
        main = self._main
        if main is None:
            return []
        members = main.plan.members
        ordered = list(members if main.plan.row.dependencies_first else reversed(members))
        return [i for i in ordered if isinstance(self._graph.nodes[i], Component) and self._took_part(i, main)]

    def _took_part(self, i: int, main: Stage) -> bool:
        assert self._machine is not None
        return bool(main.began[i]) or i in self._machine.skipped or main.plan.takes_part(i)

    def _outcome(self, i: int) -> Outcome:
        machine, main, graph = self._machine, self._main, self._graph
        assert machine is not None
        assert main is not None
        state = STATES[self._states[i]]
        began, ended = main.began[i], main.ended[i]
        skipped = machine.skipped.get(i)
        if not began and skipped is None:
            skipped = (
                "the request was given up before"
                if machine.interrupted or (machine.failures and state is State.DEFINED)
                else f"it is {state}"
                if state is not State.RUNNING
                else "it was running already"
            )
        result = None
        if self._instances is not None:
            result = None if self._instances[i] is ABSENT else self._instances[i]
        else:
            for by_node in self._results.values():
                result = by_node.get(i, result)
        at = began - machine.origin if began else 0.0
        attempts = machine.attempts.get(i, 1)
        return Outcome(graph.ids[i], state, bool(began), result, at, max(0.0, ended - began), skipped, attempts)

    def __getitem__(self, id: str | Id) -> Outcome:
        path = self._graph.canonical(parse_path((id,), "An id"))
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
        main, graph = self._main, self._graph
        if main is None:
            return ()
        members = main.plan.members
        after = main.plan.after
        length: dict[int, float] = {}
        before: dict[int, int] = {}
        for i in members if main.plan.row.dependencies_first else reversed(members):
            if main.began[i]:
                last = max((j for j in after[i] if j in length), key=length.__getitem__, default=-1)
                length[i] = main.ended[i] - main.began[i] + length.get(last, 0.0)
                before[i] = last
        at = max(length, key=length.__getitem__, default=-1)
        path: list[Id] = []
        while at >= 0:
            if isinstance(graph.nodes[at], Component):
                path.append(graph.ids[at])
            at = before[at]
        return tuple(reversed(path))

    @property
    def together(self) -> int:
        """How many components had a handler under way at once, at most.

        Example:
            >>> from mainspring import Component, System
            >>> System({"a": {"x": Component(dict), "y": Component(dict)}}).start().report.together
            1
        """
        marks: list[tuple[float, int]] = []
        for outcome in self.values():
            if outcome.called:
                marks += [(outcome.started_at, 1), (outcome.started_at + outcome.took, -1)]
        most = now = 0
        for _, change in sorted(marks):  # at the same moment ends come first
            now += change
            most = max(most, now)
        return most

    def __str__(self) -> str:
        rows = []
        bars = self.together > 1
        path = self.critical_path
        critical = frozenset(path)
        for id in self:
            outcome = self[id]
            times = (
                f"at {_text.duration(outcome.started_at)}, took {_text.duration(outcome.took)}"
                if outcome.called
                else ""
            )
            if outcome.attempts > 1:
                times += f", {outcome.attempts} attempts"
            row = [f"  {id}", str(outcome.state), times or outcome.skipped or ""]
            if bars:
                row.append(_bar(outcome, self.total, "█" if id in critical else "▒") if outcome.called else "")
            rows.append(row)
        lines = [f"{self.request}: {_text.duration(self.total)}", *_text.table(rows).splitlines()]
        if bars:
            lines.append(f"  up to {self.together} at once; critical path (█): {' → '.join(map(str, path))}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report: {self.request}, {_text.count(len(self), 'component')}, {_text.duration(self.total)}>"


_WIDTH = 24


def _bar(outcome: Outcome, total: float, mark: str) -> str:
    scale = _WIDTH / (total or 1.0)
    first = min(_WIDTH - 1, int(outcome.started_at * scale))
    last = min(_WIDTH, max(first + 1, round((outcome.started_at + outcome.took) * scale)))
    return "·" * first + mark * (last - first) + "·" * (_WIDTH - last)
