"""`Part`, the handle on the parts of a subsystem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import _text
from ._core.callables import Id
from ._core.graph import Graph
from ._core.model import ById, Definition, State, parse_path
from ._core.refs import Within, parts_of

if TYPE_CHECKING:
    from ._core.select import Selection
    from ._report import Report
    from .live import Live
    from .system import System

T = TypeVar("T")


class Part:
    """The live system of a subsystem: what `live["app.billing"]` gives where `app.billing` is one.

    Ids are those of the subsystem. Its verbs are those of `Live`, for the parts of the subsystem and whatever elsewhere has to go
    along with them; reports and errors have the ids of the whole.

    Example:
        >>> from mainspring import System, subsystem
        >>> billing = System({"env": {"currency": "EUR"}})
        >>> with System({"app": {"billing": subsystem(billing)}}).started() as live:
        ...     live["app.billing"]["env.currency"], live["app.billing.env.currency"]
        ('EUR', 'EUR')
    """

    __slots__ = ("_definition", "_graph", "_live", "_path")

    def __init__(self, live: Live, definition: Definition, path: tuple[str, ...]) -> None:
        self._live, self._definition, self._path = live, definition, path
        self._graph: Graph | None = None

    @property
    def whole(self) -> Live:
        """The live system that this is a part of."""
        return self._live

    @property
    def definition(self) -> System:
        """The inner system, as it was given to `subsystem`."""
        return self._live._system._of(self._definition)

    def meta(self, id: str | Id) -> dict[str, Any]:
        """What the handlers of a component keep of their own.

        Raises:
            UnknownComponent: there is none of that id.
        """
        return self._live.meta(self._whole(id))

    def __getitem__(self, id: str | Id) -> Any:
        """What others see of a component of the subsystem, as `Live` has it.

        Raises:
            UnknownComponent: there is none of that id.
            NotStarted: it has no instance now.
        """
        return self._live[self._whole(id)]

    def get(self, id: str | Id, type: type[T]) -> T:
        """What others see of a component, checked to be of a type.

        Raises:
            UnknownComponent, NotStarted, WrongType: as for `Live.get`.
        """
        return self._live.get(self._whole(id), type)

    def state(self, id: str | Id) -> State:
        """What a component is doing.

        Raises:
            UnknownComponent: there is none of that id.
        """
        return self._live.state(self._whole(id))

    def start(self, select: Selection = None) -> Report:
        """As `Live.start`, for the subsystem."""
        return self._live.start(self._inside(select))

    async def astart(self, select: Selection = None) -> Report:
        """As `start`, awaited."""
        return await self._live.astart(self._inside(select))

    def stop(self, select: Selection = None) -> Report:
        """As `Live.stop`, for the subsystem; what needs it is stopped, too."""
        return self._live.stop(self._inside(select))

    async def astop(self, select: Selection = None) -> Report:
        """As `stop`, awaited."""
        return await self._live.astop(self._inside(select))

    def restart(self, select: Selection = None) -> Report:
        """As `Live.restart`, for the subsystem; what needs it is restarted, too."""
        return self._live.restart(self._inside(select))

    async def arestart(self, select: Selection = None) -> Report:
        """As `restart`, awaited."""
        return await self._live.arestart(self._inside(select))

    def suspend(self, select: Selection = None) -> Report:
        """As `Live.suspend`, for the subsystem."""
        return self._live.suspend(self._inside(select))

    async def asuspend(self, select: Selection = None) -> Report:
        """As `suspend`, awaited."""
        return await self._live.asuspend(self._inside(select))

    def resume(self, select: Selection = None) -> Report:
        """As `Live.resume`, for the subsystem."""
        return self._live.resume(self._inside(select))

    async def aresume(self, select: Selection = None) -> Report:
        """As `resume`, awaited."""
        return await self._live.aresume(self._inside(select))

    def status(self, select: Selection = None) -> Mapping[Id, Any]:
        """What the status handlers say, by id in the subsystem."""
        return self._own(self._live.status(self._inside(select)))

    async def astatus(self, select: Selection = None) -> Mapping[Id, Any]:
        """As `status`, awaited."""
        return self._own(await self._live.astatus(self._inside(select)))

    def signal(self, name: str, select: Selection = None) -> Report:
        """As `Live.signal`, for the subsystem."""
        return self._live.signal(name, self._inside(select))

    async def asignal(self, name: str, select: Selection = None) -> Report:
        """As `signal`, awaited."""
        return await self._live.asignal(name, self._inside(select))

    def _whole(self, id: str | Id) -> Id:
        path = parse_path((id,), "An id")
        whole: Any = (*self._path, *parts_of(cast(str, path[0])), *path[1:])
        return cast(Id, whole)  # a path of the whole system goes wherever an id does

    def _inside(self, select: Selection) -> list[Any]:
        if select is None:
            above = self._path[:-1]
            return [
                Id(above[0] if len(above) == 1 else Within(above), self._path[-1])
            ]  # and with it all that is inside
        if self._graph is None:
            self._graph = self._live._store.graph.part(self._path)
        # It is read in the terms of the subsystem, and of what runs of it.
        found = self._graph.select(select)
        return [Id(Within((*self._path, *parts_of(id.group))), id.name) for id in found]

    def _own(self, by_id: Mapping[Id, Any]) -> Mapping[Id, Any]:
        found = {}
        for id, value in by_id.items():
            deeper = parts_of(id.group)[len(self._path) :]
            if deeper:
                found[Id(deeper[0] if len(deeper) == 1 else Within(deeper), id.name)] = value
        return ById(found)

    def __repr__(self) -> str:
        return f"<Part {_text.dotted(self._path)} of {self._live!r}>"
