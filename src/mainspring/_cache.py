"""`InstanceCache`: components that outlive the systems that use them.

A cache owns live systems of its own, in which the cached components run. In a system that uses one, each cached component is
exchanged for another that is only lent the instance. So the engine knows nothing of caches.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import _text
from ._core.cached import Making, Makings, cached_nodes, lent, twin
from ._core.callables import Context, Id
from ._core.check import check
from ._core.cut import part_of
from ._core.expand import expanded
from ._core.graph import closure, graph_of, selected
from ._core.model import Component, Definition, Node, OnCrash, Options, State
from ._core.refs import name_of
from ._core.select import Selection
from ._engine.events import Event
from ._engine.handlers import async_handlers
from .errors import DefinitionError, Failure, RunError, StateError, StopError, UnknownComponent
from .live import Live
from .system import System

if TYPE_CHECKING:
    from typing import Self

    from ._engine.worlds import World


class InstanceCache:
    """Keeps components running while the systems that use them start and stop.

    A component that is marked `cached=True`, or with a key, `cached="key"`, lives in the cache with which its system is started:
    `system.start(cache=cache)`. It is started when it is first used, kept when the system is stopped, lent to every other system
    that is started with the cache, and stopped when the cache is closed. Without a cache the mark does nothing.

    The key is the component's id unless it says another. Systems that use one key have to mean the same by it: the same handlers,
    and a config with the same values. What a cached component needs must be cached too, or constant.

    May be used from any thread. Components that are async belong to the event loop in which they were started.

    Example:
        >>> from collections.abc import Iterator
        >>> from mainspring import System, component, ref
        >>> @component(cached=True)
        ... def server() -> Iterator[str]:
        ...     print("server up")
        ...     yield "server"
        ...     print("server down")
        >>> @component
        ... def pool(server: str) -> Iterator[str]:
        ...     yield f"pool at the {server}"
        >>> system = System({"db": {"server": server(), "pool": pool(server=ref("db.server"))}})
        >>> with InstanceCache() as cache:
        ...     for _ in range(3):
        ...         with system.started(cache=cache) as live:
        ...             print(live["db.pool"])
        server up
        pool at the server
        pool at the server
        pool at the server
        server down
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}  # in the order in which they were started
        self._lives: dict[Live, dict[str, _Entry]] = {}  # each with what is kept of it
        self._lock = allocate_lock()
        self._owner: int | None = None  # the thread that has the lock
        self._world: World | None = None  # or the event loop of the task that has it
        self._waiting: list[Callable[[], object]] = []  # wake those who wait for the lock in a task
        self._busy: Live | None = None  # in which something is being started or stopped
        self._closed = False

    # --- looking ---

    def keys(self) -> tuple[str, ...]:
        """The keys of what is running in the cache, in the order in which it was started."""
        return tuple(key for key, entry in list(self._entries.items()) if entry.is_running)

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        entry = self._entries.get(key) if isinstance(key, str) else None
        return entry is not None and entry.is_running

    def __bool__(self) -> bool:
        # An empty cache is one all the same: `cache or ...` would be a mistake that only shows in the first start.
        return True

    def __repr__(self) -> str:
        return f"<InstanceCache: {'closed' if self._closed else ', '.join(self.keys()) or 'empty'}>"

    # --- filling ---

    def fill(self, definition: Definition, select: Selection = None) -> Definition:
        """Start what a system needs of the cached components and is not running yet. `System.start` calls this.

        Parameters:
            definition: the system's.
            select: what of the system is to be started.

        Returns:
            The expanded definition, with each cached component exchanged for one that is lent the instance.

        Raises:
            DefinitionError: the definition has problems; nothing was started.
            StartError: a cached component failed to start. What was started with it was stopped again.
            StateError: the cache is closed, a key stands for something else, or an instance belongs to an event loop.
        """
        definition = _sound(definition)
        wanted = _wanted(definition, select)

        def work() -> None:
            found, stale = self._compare(wanted)
            for key in found:
                self._entries[key].refuse(None)
            _refuse_to_block([entry.live for entry in stale], "start", "system.astart(cache=cache)")
            for entry in stale:
                self._stop_now(entry)
            self._start_all(self._beginnings(definition, wanted, found))

        if wanted or self._closed:
            self._alone(work)
        return self._filled(definition)

    async def afill(self, definition: Definition, select: Selection = None) -> Definition:
        """As `fill`, awaited. `System.astart` calls this."""
        from ._engine.worlds import world_here

        definition, world = _sound(definition), world_here()
        wanted = _wanted(definition, select)
        if not wanted and not self._closed:
            return self._filled(definition)
        await self._aenter(world)
        try:
            found, stale = self._compare(wanted)
            for key in found:
                self._entries[key].refuse(world)
            for entry in stale:
                await self._astop_now(entry, world)
            await self._astart_all(self._beginnings(definition, wanted, found))
        finally:
            self._leave()
        return self._filled(definition)

    def _compare(self, wanted: dict[str, Making]) -> tuple[list[str], list[_Entry]]:
        """The keys of what is there already; and what is there and broken, with all that needs it, the last first."""
        if self._closed:
            raise StateError("The instance cache is closed. Make a new one: InstanceCache().")
        conflicts = []
        for key, made in wanted.items():
            entry = self._entries.get(key)
            differ = entry.making.differences(made) if entry is not None and entry.is_usable else []
            if entry is not None and differ:
                conflicts.append(_conflict(key, entry.making, made, differ))
        if conflicts:
            raise StateError("\n".join(conflicts))
        broken = {key for key in wanted if key in self._entries and not self._entries[key].is_usable}
        for key, entry in self._entries.items() if broken else ():  # what needs it was started after it
            if entry.making.needs & broken:
                broken.add(key)
        stale = [entry for key, entry in self._entries.items() if key in broken] if broken else []
        return [key for key in wanted if key in self._entries and key not in broken], stale[::-1]

    def _beginnings(self, definition: Definition, wanted: dict[str, Making], found: list[str]) -> Iterator[_Beginning]:
        """The live systems in which what is missing is to be started, one after the other."""
        known = set(found)
        missing = {key: made for key, made in wanted.items() if key not in known}
        # Apart, because a live system with async components belongs to one event loop, and all in it do.
        in_loop = {key for key in found if self._entries[key].is_in_loop}
        for key, made in missing.items():
            if async_handlers(made.component._spec) or made.needs & in_loop:
                in_loop.add(key)
        for names in ([key for key in missing if key not in in_loop], [key for key in missing if key in in_loop]):
            if names:
                yield self._beginning(definition, {name: missing[name] for name in names})

    def _beginning(self, definition: Definition, makings: dict[str, Making]) -> _Beginning:
        graph = graph_of(definition)
        part = part_of(definition, graph, [graph.index[made.id] for made in makings.values()])
        parts = graph_of(part)
        groups = {group: dict(members) for group, members in part.groups.items()}
        for i in cached_nodes(parts):
            id, made = parts.ids[i], _making(definition, graph.index[parts.ids[i]])
            if made.key not in makings:
                groups[id.group][id.name] = self._lent(part, id, made, "keep")
            elif makings[made.key].id == id:
                groups[id.group][id.name] = made.component
            else:
                groups[id.group][id.name] = twin(made.component, makings[made.key].id)
        limits = definition.options.limits
        if isinstance(limits, Mapping):
            limits = {group: limit for group, limit in limits.items() if group == "*" or group in groups}
        options = definition.options._replace(limits=limits or None)
        made_of = _exchanged(definition, groups, options)
        live = Live(System._of(made_of))
        entries = [_Entry(made, live) for made in makings.values()]
        live.observe(partial(_tell, {entry.making.id: entry for entry in entries}))
        return _Beginning(live, entries)

    def _start_all(self, beginnings: Iterator[_Beginning]) -> None:
        begun: list[Live] = []
        try:
            for beginning in beginnings:
                begun.append(self._add(beginning))
                beginning.live.start()
        except BaseException as error:
            for live in reversed(begun):
                try:
                    live.stop()
                except StopError as failed:
                    error.add_note(f"Afterwards: {failed}")
                self._forget(live)
            raise

    async def _astart_all(self, beginnings: Iterator[_Beginning]) -> None:
        begun: list[Live] = []
        try:
            for beginning in beginnings:
                begun.append(self._add(beginning))
                await beginning.live.astart()
                for entry in beginning.entries:
                    entry.home = None if beginning.live._host is None else beginning.live._host.foreign
        except BaseException as error:
            for live in reversed(begun):
                try:
                    await live._astop_at_last()
                except StopError as failed:
                    error.add_note(f"Afterwards: {failed}")
                self._forget(live)
            raise

    def _add(self, beginning: _Beginning) -> Live:
        # Before it is started, so that a Ctrl-C right after the start leaves nothing that nobody knows of.
        live = self._busy = beginning.live
        kept = self._lives[live] = {}
        for entry in beginning.entries:
            kept[entry.making.key] = self._entries[entry.making.key] = entry
        return live

    def _forget(self, live: Live) -> None:
        for key, entry in self._lives.pop(live, {}).items():
            if self._entries.get(key) is entry:
                del self._entries[key]

    def _filled(self, definition: Definition) -> Definition:
        graph = graph_of(definition)
        groups = dict(definition.groups)
        for i in cached_nodes(graph):
            id = graph.ids[i]
            if groups[id.group] is definition.groups[id.group]:
                groups[id.group] = dict(groups[id.group])
            node = definition.groups[id.group][id.name]
            assert isinstance(node, Component)
            groups[id.group][id.name] = self._lent(definition, id, _making(definition, i), node._spec.on_crash)
        return _exchanged(definition, groups, definition.options)

    def _lent(self, definition: Definition, id: Id, made: Making, on_crash: OnCrash | None) -> Component[Any]:
        node = definition.groups[id.group][id.name]
        assert isinstance(node, Component)

        def scope(_lent_to: Context = Context.here, **_: Any) -> Iterator[Any]:
            entry = self._lend(id, made)
            entry.users.append(crash := _lent_to.crash)
            try:
                self._lend(id, made)  # if it has broken in the meantime, nobody was there to be told
                _lent_to.meta.update(entry.live.meta(entry.making.id))
                yield entry.instance
            finally:
                entry.users.remove(crash)

        if not node._spec.is_value:
            scope.__name__ = scope.__qualname__ = name_of(node._spec.target)
        return lent(node, scope, definition.signals, on_crash)

    def _lend(self, id: Id, made: Making) -> _Entry:
        entry = self._entries.get(made.key)
        if self._closed:
            raise StateError(f"{id} lives in an instance cache, which is closed. Start the system with another one.")
        if entry is None or not entry.is_running:
            raise StateError(
                f"{id} lives in an instance cache, under the key {made.key!r}, and is not running there. "
                "Start the system with the cache again: system.start(cache=cache)."
            )
        differ = () if entry.making is made else entry.making.differences(made)
        if differ:
            raise StateError(_conflict(made.key, entry.making, made, list(differ)))
        return entry

    # --- stopping ---

    def stop(self, key: str) -> None:
        """Stop one component and forget it. The next system that uses it starts it again.

        Parameters:
            key: its key in the cache.

        Raises:
            UnknownComponent: nothing is kept under that key.
            StateError: something else in the cache needs it, or it can only be stopped in its event loop.
            StopError: its stop failed.
        """

        def work() -> None:
            entry = self._to_stop(key)
            _refuse_to_block([entry.live], "stop", "cache.astop(key)")
            self._stop_now(entry)

        self._alone(work)

    async def astop(self, key: str) -> None:
        """As `stop`, awaited."""
        from ._engine.worlds import world_here

        world = world_here()
        await self._aenter(world)
        try:
            await self._astop_now(self._to_stop(key), world)
        finally:
            self._leave()

    def _to_stop(self, key: str) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            hint = _text.hint_near(str(key), self._entries, what="key in it")
            raise UnknownComponent(f"There is no {key!r} in the instance cache. {hint}")
        users = [other for other, found in self._entries.items() if key in found.making.needs and found.is_running]
        if users:
            raise StateError(f"{_text.either(users, 'and')} in the instance cache needs {key!r}. Stop that first.")
        return entry

    def _stop_now(self, entry: _Entry) -> None:
        self._busy = entry.live
        try:
            entry.live.stop(self._share_of(entry))
        finally:
            self._drop(entry)

    async def _astop_now(self, entry: _Entry, world: World) -> None:
        self._busy = entry.live
        try:
            await _astop(entry.live, world, self._share_of(entry))
        finally:
            self._drop(entry)

    def _share_of(self, entry: _Entry) -> Selection:
        # With the last one goes everything else that its live system has: what it was lent, and an event loop.
        return [entry.making.id] if len(self._lives.get(entry.live, ())) > 1 else None

    def _drop(self, entry: _Entry) -> None:
        key = entry.making.key
        self._entries.pop(key, None)
        kept = self._lives.get(entry.live, {})
        kept.pop(key, None)
        if not kept:
            self._forget(entry.live)

    def close(self) -> None:
        """Stop everything that is kept, the last started first. Systems that still use it keep what they hold: stop them first.

        Every stop is tried. Closing a cache again does nothing.

        Raises:
            StopError: handlers failed.
            StateError: something can only be stopped in the event loop of whoever asks. Nothing was stopped.
        """
        failures: list[RunError | StateError] = []
        interruptions: list[BaseException] = []

        def work() -> None:
            _refuse_to_block(self._lives, "close", "cache.aclose()")
            self._closed = True
            while self._lives:
                live = self._busy = next(reversed(self._lives))
                try:
                    live.stop()
                except (StopError, StateError) as error:
                    failures.append(error)
                except BaseException as error:
                    interruptions.append(error)
                    if 1 in live._store.held and len(interruptions) < _PATIENCE:
                        continue  # it came before the stop had begun
                self._forget(live)

        self._alone(work)
        _raise(failures, interruptions)

    async def aclose(self) -> None:
        """As `close`, awaited. A cancellation comes out of it when everything is stopped, not before."""
        from ._engine.worlds import world_here

        world = world_here()
        failures: list[RunError | StateError] = []
        interruptions = await self._aenter(world, insists=True)
        try:
            self._closed = True
            while self._lives:
                live = self._busy = next(reversed(self._lives))
                try:
                    await _astop(live, world)
                except (StopError, StateError) as error:
                    failures.append(error)
                except BaseException as error:
                    interruptions.append(error)
                    if 1 in live._store.held and len(interruptions) < _PATIENCE:
                        continue
                self._forget(live)
        finally:
            self._leave()
        _raise(failures, interruptions)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except StopError as failed:
            if error is None or isinstance(error, Exception):
                raise
            error.add_note(f"Afterwards: {failed}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except StopError as failed:
            if error is None or isinstance(error, Exception):
                raise
            error.add_note(f"Afterwards: {failed}")

    # --- one at a time ---

    def _refuse_inside(self) -> None:
        busy = self._busy
        if self._lock.locked() and ((busy is not None and busy._is_inside()) or self._owner == get_ident()):
            raise StateError(_INSIDE)

    def _alone(self, work: Callable[[], None]) -> None:
        """Do something when nobody else does."""
        world = self._world
        if world is not None and world.is_running_here():
            raise StateError(
                "The instance cache is starting or stopping something for a task of this event loop, and would be waited for "
                "in vain. Write: await system.astart(cache=cache), await cache.astop(key) or await cache.aclose()."
            )
        self._refuse_inside()
        try:
            with self._lock:
                self._owner = get_ident()
                try:
                    work()
                finally:
                    self._owner = self._busy = None
        finally:
            self._wake()

    async def _aenter(self, world: World, *, insists: bool = False) -> list[BaseException]:
        """Wait for one's turn without holding up the event loop; who insists gets it, and what was to keep it from that."""
        from ._engine.worlds import shielded

        self._refuse_inside()
        interruptions: list[BaseException] = []
        while not self._lock.acquire(blocking=False):
            parker = world.parker()
            wake = partial(world.call_soon, parker.wake)
            self._waiting.append(wake)
            try:
                if self._lock.acquire(blocking=False):
                    break
                await (shielded(parker) if interruptions else parker.wait())
            except BaseException as error:
                if not insists:
                    raise
                interruptions.append(error)
            finally:
                if wake in self._waiting:
                    self._waiting.remove(wake)
        self._world = world
        return interruptions

    def _leave(self) -> None:
        self._world = self._busy = None
        self._lock.release()
        self._wake()

    def _wake(self) -> None:
        # All of them: one alone may have been cancelled in the meantime, and would not pass it on.
        for wake in list(self._waiting):
            wake()


_PATIENCE: Final = 10  # interruptions of one closing, after which a live system that cannot be stopped is given up on

_INSIDE: Final = (
    "The instance cache was asked for something from within the start or stop of a component that it keeps, and would wait "
    "for itself. A cached component refers to what it needs with ref(...), and does not start systems with the same cache."
)


class _Entry:
    """One component that is kept.

    Parameters:
        making: what it is made from.
        live: the cache's own live system in which it runs.
    """

    __slots__ = ("home", "live", "making", "users")

    def __init__(self, making: Making, live: Live) -> None:
        self.making, self.live = making, live
        self.home: World | None = None  # the event loop of the caller's to which it is bound
        self.users: list[Callable[[BaseException], None]] = []  # each tells one system that it broke

    @property
    def instance(self) -> Any:
        """The instance itself, not what others see of it."""
        store = self.live._store
        return store.instances[store.graph.index[self.making.id]]

    @property
    def is_running(self) -> bool:
        """Whether it can be lent."""
        return self.live.state(self.making.id) is State.RUNNING

    @property
    def is_usable(self) -> bool:
        """Whether it is not to be started again; nor is one whose event loop has ended, or nobody would hear of it."""
        return self.is_running or self.is_lost

    @property
    def is_lost(self) -> bool:
        """Whether the event loop in which it ran has ended before it was stopped."""
        return self.home is not None and not self.home.call_soon(_nothing)

    @property
    def is_in_loop(self) -> bool:
        """Whether it runs in an event loop, whosesoever."""
        return self.home is not None or self.is_in_own_loop

    @property
    def is_in_own_loop(self) -> bool:
        """Whether it runs in an event loop of the cache's own, in a thread."""
        host = self.live._host
        return host is not None and host._loop is not None

    def refuse(self, world: World | None) -> None:
        """Refuse to lend an instance that belongs to another event loop.

        Parameters:
            world: the loop of whoever asks; `None` outside of any.

        Raises:
            StateError: it does.
        """
        name = f"{self.making.id}, in the instance cache under the key {self.making.key!r},"
        if self.is_lost:
            raise StateError(
                f"{name} was started in an event loop that has ended since. Close a cache that has async components in the "
                f"loop in which it was filled, as `async with InstanceCache() as cache` does. Or forget the component, with "
                f"cache.stop({self.making.key!r}), and start it anew."
            )
        if world is None and self.home is not None:
            raise StateError(
                f"{name} was started in an event loop ({self.home.name}), and belongs to it. Start the system there, with "
                "astart or async with; or fill the cache with start, which gives async components a loop of their own."
            )
        if world is not None and self.is_in_own_loop:
            raise StateError(
                f"{name} was started with start, and runs in an event loop of its own. Start the system with start, in a "
                "thread; or fill the cache with astart."
            )
        if world is not None and self.home is not None and not _is_here(self.home, world):
            raise StateError(
                f"{name} was started in another event loop ({self.home.name}), and belongs to that one. Start the system there, "
                "or with a cache of this loop's own."
            )


class _Beginning(NamedTuple):
    """A live system that is to be started, and what will be kept of it."""

    live: Live
    entries: list[_Entry]


def _nothing() -> None:
    return None


def _sound(definition: Definition) -> Definition:
    problems = check(definition)
    if problems:
        raise DefinitionError.of(problems)
    return expanded(definition)


def _wanted(definition: Definition, select: Selection) -> dict[str, Making]:
    """What of a definition a cache has to keep running, by key, in the order of starting."""
    graph = graph_of(definition)
    roots = selected(graph, select)
    members = None if roots is None else closure(roots, graph.needs.__getitem__)
    found: dict[str, Making] = {}
    for i in cached_nodes(graph):
        if members is None or i in members:
            made = _making(definition, i)
            found.setdefault(made.key, made)
    return found


def _making(definition: Definition, i: int) -> Making:
    cache = definition.cache
    makings: Makings = cache.get("makings") or cache.setdefault("makings", Makings(graph_of(definition)))
    return makings.of(i)


def _exchanged(definition: Definition, groups: dict[str, dict[str, Node]], options: Options) -> Definition:
    made = definition.replace(groups=groups, options=options)
    made.subsystems = definition.subsystems
    return made


def _conflict(key: str, kept: Making, given: Making, differ: list[str]) -> str:
    sides = [f"{what}: {made.id}" + (f", at {made.site}" if made.site else "") for what, made in _sides(kept, given)]
    anew = (
        " A function that is made anew for each system, a closure or a lambda, is another one each time, in a base and as a "
        "wrapper, too."
    )
    return (
        f"The instance cache has something else under the key {key!r}: {_text.either(differ, 'and')} "
        f"{'is' if len(differ) == 1 else 'are'} different.\n   {sides[0]}\n   {sides[1]}\n"
        '   do: Give one of them a key of its own, cached="another-key"; or use another cache.'
        f"{'' if all(what.startswith('config') for what in differ) else anew}"
    )


def _sides(kept: Making, given: Making) -> tuple[tuple[str, Making], ...]:
    return ("kept", kept), ("asked for", given)


def _tell(entries: dict[Id, _Entry], event: Event) -> None:
    """Pass on to the systems that use it that a component broke."""
    if event.signal != "crash" or event.id not in entries or event.error is None:
        return
    users = list(entries[event.id].users)
    for crash in users:
        crash(event.error)
    if not users:
        import logging

        logging.getLogger("mainspring").error("%s broke in an instance cache.", event.id, exc_info=event.error)


def _is_here(home: World, world: World) -> bool:
    return home.is_running_here() and home.name == world.name


def _refuse_to_block(lives: Iterable[Live], verb: str, instead: str) -> None:
    for live in lives:
        world = None if live._host is None else live._host.foreign
        if world is not None and world.is_running_here():
            raise StateError(
                f"{verb} was called in the event loop in which cached components have to be stopped, and would wait for itself. "
                f"Write: await {instead}"
            )


async def _astop(live: Live, world: World, select: Selection = None) -> None:
    host = live._host
    home = None if host is None else host.foreign
    if host is None or (host._loop is None and (home is None or _is_here(home, world))):
        await live.astop(select)
    else:
        await _in_thread(world, partial(live.stop, select))


async def _in_thread(world: World, call: Callable[[], object]) -> None:
    """Wait for a call in a thread, to its end whatever is cancelled."""
    import threading

    from ._engine.worlds import shielded

    errors: list[BaseException] = []
    done = False
    parker = world.parker()
    interruption: BaseException | None = None

    def ended() -> None:
        nonlocal done
        done = True
        parker.wake()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)
        world.call_soon(ended)

    threading.Thread(target=run, name="mainspring-cache", daemon=True).start()
    while not done:
        try:
            await shielded(parker)
        except BaseException as error:
            interruption = error
            parker = world.parker()
    if interruption is not None:
        for failed in errors:
            interruption.add_note(f"Also: {failed!r}")
        raise interruption
    if errors:
        raise errors[0]


def _raise(failed: list[RunError | StateError], interruptions: list[BaseException]) -> None:
    """Raise what kept a cache from stopping everything: as one error, or as notes on an interruption."""
    leaves: list[Exception] = []
    failures: list[Failure] = []
    for error in failed:
        leaves += error.exceptions if isinstance(error, RunError) else [error]
        failures += error.failures if isinstance(error, RunError) else []
    if interruptions:
        for leaf in leaves:
            interruptions[0].add_note(f"Also: {leaf!r}")
        raise interruptions[0]
    if leaves:
        what = "; ".join(str(error).split("\n")[0] for error in failed)
        raise StopError(f"the instance cache could not stop everything: {what}", leaves, failures)
