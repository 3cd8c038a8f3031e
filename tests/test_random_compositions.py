"""Laws of whole compositions: systems put together at random, out of everything there is to put them together with.

No handler here ever fails by itself. So whatever fails in a start does so for reasons of the definition, and `check` has to
have said it before.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import anyio
from anyio.lowlevel import checkpoint
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from mainspring import (
    Component,
    Context,
    DefinitionError,
    HandlerCall,
    Id,
    InstanceCache,
    Live,
    MainspringError,
    Part,
    Plugin,
    Secret,
    Signal,
    System,
    UnknownComponent,
    adjust,
    append,
    build,
    component,
    local_ref,
    one_tagged,
    opaque,
    prepend,
    ref,
    required,
    subsystem,
    tagged,
)
from mainspring._core.cached import cached_nodes, key_of
from mainspring._core.graph import Graph, closure, graph_of
from mainspring._core.model import Subsystem
from mainspring._core.refs import parts_of
from mainspring.wrappers import retried, timed

Forms = Literal["sync", "async", "mixed"]
Way = Literal["sync", "asyncio", "trio"]
WAYS: tuple[Way, ...] = ("sync", "asyncio", "trio")
PATIENCE = 20.0  # seconds that a test waits for what should come at once
KEPT = ("AnyIO worker thread", "Trio thread", "asyncio_")  # threads that the backends keep for the next time
PLANTED = "pssst-8471"  # what nobody may ever see

# A composition is many choices, so that a few of them say as much as many small values.
few = settings(max_examples=max(1, settings().max_examples // 4))


# --- Trivial handlers, which write down that they were called --------------------------------------------------------------


class Call:
    """The call of a start or a stop.

    Parameters:
        what: "start" or "stop".
        ctx: the context of the handler.
        stops: whether it has a stop.
    """

    def __init__(self, what: str, ctx: Context, stops: bool = True) -> None:
        self.what, self.id, self.stops = what, ctx.id, stops

    def __repr__(self) -> str:
        return f"{self.what} {self.id}"


calls: list[Call] = []


class Instance:
    """What a component is. A path may lead anywhere into it, since that one leads nowhere shows only when it is there."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __getattr__(self, name: str) -> Instance:
        if name.startswith("_"):
            raise AttributeError(name)
        return Instance(name, *self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instance) and self.values == other.values

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "an instance"


def function(*, needed: Any = None, k: Any = None, log: Any = None, ctx: Context = Context.here) -> Instance:
    """Starts what need not be stopped."""
    calls.append(Call("start", ctx, stops=False))
    return Instance(needed, k, log)


def pair(*, needed: Any = None, k: Any = None, log: Any = None, ctx: Context = Context.here) -> Instance:
    """Starts what is stopped by a function beside it."""
    calls.append(Call("start", ctx))
    return Instance(needed, k, log)


def pair_stop(instance: Instance, ctx: Context = Context.here) -> None:
    """The stop beside it."""
    calls.append(Call("stop", ctx))


def generator(*, needed: Any = None, k: Any = None, log: Any = None, ctx: Context = Context.here) -> Iterator[Instance]:
    """A scope."""
    calls.append(Call("start", ctx))
    yield Instance(needed, k, log)
    calls.append(Call("stop", ctx))


async def coroutine(*, needed: Any = None, k: Any = None, log: Any = None, ctx: Context = Context.here) -> Instance:
    """Starts what need not be stopped, and lets others have a turn."""
    await checkpoint()
    calls.append(Call("start", ctx, stops=False))
    return Instance(needed, k, log)


async def coroutines(*, needed: Any = None, k: Any = None, log: Any = None, ctx: Context = Context.here) -> Instance:
    """The same with a stop beside it."""
    await checkpoint()
    calls.append(Call("start", ctx))
    return Instance(needed, k, log)


async def coroutines_stop(instance: Instance, ctx: Context = Context.here) -> None:
    """The stop beside it."""
    calls.append(Call("stop", ctx))
    await checkpoint()


async def async_generator(
    *, needed: Any = None, k: Any = None, log: Any = None, ctx: Context = Context.here
) -> AsyncIterator[Instance]:
    """A scope with a task of its own."""
    await checkpoint()
    calls.append(Call("start", ctx))
    yield Instance(needed, k, log)
    calls.append(Call("stop", ctx))
    await checkpoint()


class Thing(Instance):
    """The instance of a class, with methods to start and stop it."""

    def __init__(self, *, needed: Any = None, k: Any = None, log: Any = None, ctx: Context = Context.here) -> None:
        super().__init__(needed, k, log)
        self.ctx = ctx

    def start(self) -> None:
        """Start."""
        calls.append(Call("start", self.ctx))

    def stop(self, ctx: Context = Context.here) -> None:
        """Stop."""
        calls.append(Call("stop", ctx))


class AsyncThing(Instance):
    """The same with methods that are awaited."""

    def __init__(self, *, needed: Any = None, k: Any = None, log: Any = None, ctx: Context = Context.here) -> None:
        super().__init__(needed, k, log)
        self.ctx = ctx

    async def start(self) -> None:
        """Start."""
        await checkpoint()
        calls.append(Call("start", self.ctx))

    async def stop(self, ctx: Context = Context.here) -> None:
        """Stop."""
        calls.append(Call("stop", ctx))
        await checkpoint()


thing, async_thing = component(Thing), component(AsyncThing)


def made(form: str, config: dict[str, Any], **slots: Any) -> Component[Any]:
    """A component of one of the forms."""
    match form:
        case "function":
            return Component(function, config=config, **slots)
        case "pair":
            return Component(pair, stop=pair_stop, config=config, **slots)
        case "generator":
            return Component(scope=generator, config=config, **slots)
        case "coroutine":
            return Component(coroutine, config=config, **slots)
        case "coroutines":
            return Component(coroutines, stop=coroutines_stop, config=config, **slots)
        case "async generator":
            return Component(scope=async_generator, config=config, **slots)
        case "class":
            return thing(**config).replace(**slots)
        case _:
            return async_thing(**config).replace(**slots)


SYNC_FORMS = ("function", "pair", "generator", "class")
ASYNC_FORMS = ("coroutine", "coroutines", "async generator", "async class")


def fine(*args: Any) -> str:
    """A handler of any signal."""
    return "fine"


def well(*args: Any) -> str:
    """Another one."""
    return "well"


async def fine_later(*args: Any) -> str:
    """One that is awaited."""
    await checkpoint()
    return "fine"


def with_context(instance: Any = None, ctx: Context = Context.here) -> str:
    """One that looks around."""
    ctx.meta["seen"] = ctx.signal
    assert ctx.definition is not None
    return "fine"


def itself(instance: Any) -> Any:
    """What others see of an instance: all of it."""
    return instance


def around(call: HandlerCall) -> Iterator[Any]:
    """A wrapper that is a generator function."""
    return (yield)


def through(call: HandlerCall) -> Any:
    """One that is a function."""
    return call()


async def later(call: HandlerCall) -> Any:
    """One that is a coroutine function."""
    await checkpoint()
    return await call()


def wrapped(system: System) -> System:
    """What a plugin makes of a system."""
    return system.wrap(around)


def with_more(system: System) -> System:
    """What another one makes of it."""
    return system if "more.x" in system else system.add({"more.x": ref("env.data")})


# --- Random compositions ------------------------------------------------------------------------------------------------

Path = tuple[Any, ...]
Known = list[tuple[str, ...]]


class Choices:
    """What was chosen, so that the very same can be put together a second time.

    Parameters:
        draw: draws from a strategy of Hypothesis.
        forms: of handlers: sync ones, async ones, or both.
        plain: no threads and no deadlines, so that the order of the calls is that of the plan.
    """

    def __init__(self, draw: st.DrawFn, forms: Forms, plain: bool, taken: tuple[int, ...] = ()) -> None:
        self.draw, self.plain = draw, plain
        self.forms: Forms = forms
        self.taken, self.at = list(taken), 0
        self.is_quiet = bool(taken)

    def __repr__(self) -> str:
        return f"<{self.forms}{', plain' if self.plain else ''}: {self.taken}>"

    def number(self, below: int) -> int:
        """A number, the first one being the simplest."""
        if self.at == len(self.taken):
            self.taken.append(self.draw(st.integers(0, below - 1)))
        self.at += 1
        return self.taken[self.at - 1]

    def of(self, *options: Any) -> Any:
        """One of these, the first one being the simplest."""
        return options[self.number(len(options))]

    def one_in(self, count: int) -> bool:
        """Yes, once in so many times."""
        return self.number(count) == count - 1

    def note(self, what: str) -> None:
        """Say what was put together, where an example fails."""
        if not self.is_quiet:
            note(what)

    def again(self) -> Choices:
        """The same choices from the start."""
        return Choices(self.draw, self.forms, self.plain, tuple(self.taken))


OPAQUE = opaque([1])
SCALARS = (0, 1, None, "t", True, 2.5)


def a_value(c: Choices, known: Known, group: str, depth: int = 1) -> Any:
    """A value, or a reference to something that is known, at any depth. Rarely one that is wrong."""
    kind = c.number(24)
    if kind < 6 or not known:
        return c.of(*SCALARS)
    path = known[c.number(len(known))]
    if kind < 11:
        return ref(*path, optional=c.of(True, False, True))
    if kind == 11:
        return ref("env.data.k")
    if kind == 12 and path[0] != "env":
        return ref(*path, c.of("k", "l"), optional=c.of(True, False))
    if kind in (13, 14):
        near = [one[1:] for one in known if one[0] == group]
        return local_ref(*near[c.number(len(near))], optional=True) if near else 1
    if kind == 15:
        return tagged(tag_of(group, c.one_in(6)), optional=True)
    if kind == 16:
        return one_tagged(tag_of(group, c.one_in(6)), *c.of((), (), ("k",)), optional=True)
    if kind == 17:
        return ref(c.of("env", "env", "env", "env", "env", "a"))
    if kind == 18:
        return Secret(c.of(PLANTED, [PLANTED]))
    if kind == 19:
        return c.of(1, OPAQUE, ref(c.of("a", "b"), c.of("x", "y", "z"), optional=True), required)
    if not depth:
        return c.of(*SCALARS)
    inner = a_value(c, known, group, depth - 1)
    if kind == 20:
        return [inner, 1]
    if kind == 21:
        return {"k": inner}
    if kind == 22:
        return build(Instance, inner)
    return Secret({"k": inner, "l": PLANTED})


def tag_of(group: str, own: bool) -> str:
    """The tag that the components of a group carry, or one of another group: most that refer to their own go in circles."""
    return "t" if (group == "a") is own else "s"


def a_flag(c: Choices) -> Any:
    """Whether something is switched on."""
    return c.of(True, True, True, True, True, False, ref("env.flag"), ref("env.flag"), ref("env.data.on"))


def some_handlers(c: Choices) -> dict[str, Any]:
    """Pre and post handlers and those of other signals: slots of a component or of a base."""
    handlers: list[Callable[..., Any]] = [fine, well, with_context]
    if c.forms != "sync":
        handlers.append(fine_later)
    slots: dict[str, Any] = {}
    if c.one_in(4):
        slots["post"] = {c.of("start", "stop", "status"): {c.of("p", "q"): c.of(*handlers)}}
    if c.one_in(4):
        slots["pre"] = {c.of("start", "stop", "ping"): {c.of("p", "q"): c.of(*handlers)}}
    if c.one_in(4):
        slots["status"] = c.of(*handlers)
    if c.one_in(6):
        slots["handlers"] = {"ping": c.of(*handlers)}
    if c.one_in(8):
        slots["handlers"] = slots.get("handlers", {}) | dict.fromkeys(("suspend", "resume"), c.of(*handlers))
    return slots


def more_slots(c: Choices) -> dict[str, Any]:
    """Slots that say how a component is handled."""
    slots: dict[str, Any] = {}
    if not c.plain and c.one_in(6):
        slots["deadlines"] = c.of(100, {"start": 100}, {"*": 100, "stop": 200})
    if not c.plain and c.one_in(8):
        slots["thread"] = c.of("worker", "own", *(() if "deadlines" in slots else ("caller",)))
    if c.one_in(10):
        slots["retry"] = 2
    if c.one_in(10):
        slots["on_crash"] = c.of("stop", "dependents", "keep")
    if c.one_in(10):
        slots["resolve"] = itself
    if c.one_in(10):
        slots["doc"] = "Something."
    return slots


def a_component(c: Choices, known: Known, group: str) -> Component[Any]:
    """A component with a bit of everything."""
    config = {name: a_value(c, known, group) for name in ("needed", "k") if not c.one_in(3)}
    if c.one_in(40):
        config["log"] = required
    slots = some_handlers(c) | more_slots(c)
    slots["tags"] = c.of((), (), (), (tag_of(group, c.one_in(8)),))
    enabled = a_flag(c)
    if enabled is not True or c.one_in(4):
        slots["enabled"] = enabled
    if c.one_in(8):
        slots["cached"] = c.of(True, "key", False)
    return made(c.of(*forms_of(c)), config, **slots)


def forms_of(c: Choices) -> tuple[str, ...]:
    """The forms of components that may be chosen."""
    return {"sync": SYNC_FORMS, "async": ASYNC_FORMS, "mixed": SYNC_FORMS + ASYNC_FORMS}[c.forms]


def a_base(c: Choices) -> dict[str, Any]:
    """What is said for all components."""
    base = some_handlers(c) | more_slots(c)
    if c.one_in(2):
        base["config"] = {
            c.of("log", "k"): c.of(1, ref("env.data.k"), ref("env.key"), [ref("env.data")], ref("env.data.l"))
        }
    if c.one_in(4):
        base["tags"] = c.of(["u"], ["u"], ["s"])
    if c.one_in(12):
        base["enabled"] = a_flag(c)
    return base


def a_system(c: Choices, depth: int) -> System:
    """A system, with subsystems up to some levels deep."""
    env: dict[str, Any] = {
        "flag": c.of(True, True, False),
        "data": {"k": c.of(1, "t", None, [1], {"k": 1}), "l": [1, 2], "on": True},
        "key": Secret(PLANTED),
    }
    groups: dict[str, dict[str, Any]] = {"env": env}
    known: Known = [("env", "data"), ("env", "key"), ("env", "flag")]
    children: list[System] = []
    for _ in range(2 + c.number(6)):
        group, name = c.of("a", "b", "s"), c.of("x", "y", "z")
        if name in groups.get(group, {}):
            continue
        kind = c.number(12)
        node: Any
        if kind > 8 and depth:
            if not children or c.one_in(2):
                children.append(a_system(c, depth - 1))
            node = a_subsystem(c, children[c.number(len(children))], known, group)
        elif kind > 6:
            node = a_value(c, known, group)
        else:
            node = a_component(c, known, group)
        groups.setdefault(group, {})[name] = node
        known.append((group, name))
        if isinstance(node, Subsystem):
            known += [(group, name, *id) for id in System._of(node._definition)]
    options: dict[str, Any] = {}
    if not c.plain and c.one_in(6):
        options["workers"] = 2
    if not c.plain and c.one_in(8):
        options["deadlines"] = c.of(100, {"stop": 100})
    if c.one_in(8):
        options["limits"] = c.of(1, {"*": 2}, {"env": 1})
    if c.one_in(8):
        options["signals"] = [Signal("pong", c.of("dependencies first", "dependents first"))]
    if c.one_in(3):
        options["base"] = a_base(c)
    signals = [Signal("ping"), *options.pop("signals", ())]
    c.note(f"System({groups}, signals={signals}, {options})")
    return System(groups, signals=signals, **options)


def a_subsystem(c: Choices, inner: System, known: Known, group: str) -> Component[Any]:
    """A system as a part, with some of its places imported."""
    imports: dict[Path, Any] = {}
    for _ in range(c.number(3)):
        path, _, kind = a_place(c, inner)
        if kind in ("value", "flag") and not any(overlap(path, other) for other in imports):
            imports[path] = c.of(True, False, ref("env.flag")) if kind == "flag" else a_value(c, known, group)
    slots: dict[str, Any] = {}
    if c.one_in(6):
        slots["enabled"] = a_flag(c)
    if c.one_in(6):
        slots["tags"] = c.of(["s"], ["t"])
    if c.one_in(6):
        slots |= some_handlers(c)
    c.note(f"   a subsystem of {inner!r}, {imports}, {slots}")
    return subsystem(inner, {dotted(path): value for path, value in imports.items()}, **slots)


def dotted(path: Path) -> str:
    """A path as text."""
    return ".".join(map(str, path))


def overlap(a: Path, b: Path) -> bool:
    """Whether one of two places is inside the other."""
    return a[: len(b)] == b[: len(a)]


def places(system: System, before: Path = ()) -> Iterator[tuple[Path, Known, str]]:
    """Every place that may be exchanged, with what is known there and what it takes."""
    known: Known = []
    for id in system:
        path, value = (*before, *id), system[id]
        if id == Id("env", "flag"):
            yield path, list(known), "flag"
        else:
            yield path, list(known), "value"
        if isinstance(value, Subsystem):
            for one, _ in value.imports.items():
                yield (*path, "imports", one), list(known), "import"
            yield from places(System._of(value._definition), path)
            known += [(*id, *inner) for inner in System._of(value._definition)]
        elif isinstance(value, Component):
            for name in value.config:
                yield (*path, "config", name), list(known), "value"
            for signal in value.handlers:
                yield (*path, "handlers", signal), list(known), "handler"
            yield (*path, "enabled"), list(known), "flag"
            yield (*path, "tags"), list(known), "tags"
        elif isinstance(value, dict):
            for key in value:
                yield (*path, key), list(known), "flag" if key == "on" else "value"
        known.append(id)


def a_place(c: Choices, system: System) -> tuple[Path, Known, str]:
    """One of them."""
    found = list(places(system))
    return found[c.number(len(found))]


def a_change(c: Choices, system: System) -> tuple[Path, Any]:
    """A place, and something else for it."""
    path, known, kind = a_place(c, system)
    match kind:
        case "flag":
            return path, c.of(True, False, ref("env.flag"))
        case "handler":
            return path, c.of(fine, well)
        case "tags":
            return path, c.of([], ["s"], ["t", "u"])
        case _ if len(path) % 2 == 0 and kind == "value" and c.one_in(2):
            return path, a_component(c, known, path[-2])
        case _:
            return path, a_value(c, known, path[-2])


def nested(path: Path, value: Any) -> Any:
    """A change of one place as a nested mapping."""
    for part in reversed(path):
        value = {part: value}
    return value


def a_selection(c: Choices, ids: list[Any]) -> Any:
    """Some of a system, in one of the ways to say it."""
    some = ids[c.number(len(ids))]
    other = ids[c.number(len(ids))]
    return c.of(
        some,
        str(some),
        [some, str(other)],
        some.group,
        "a",
        "a.*",
        "*.x",
        "**.x",
        "tag:s",
        tagged("t"),
        ["tag:*", "-**.z"],
        f"-{other}",
        ["*.*", f"-{some}"],
        [str(some), f"-{some.group}.z"],
        "s.*.env",
        ["**", "-tag:t"],
        [],
    )


def a_plugin(c: Choices, system: System, number: int) -> Plugin:
    """A plugin with some of what there is."""
    has: dict[str, Any] = {}
    for what in ("defaults", "merges"):
        if c.one_in(2):
            continue
        tree: dict[str, dict[str, Any]] = {}
        for _ in range(1 + c.number(2)):
            path, _, kind = a_place(c, system)
            value = system[Id(path[0], path[1])]
            if kind == "value" and len(path) == 2 and type(value) is Component:
                new: Any = {
                    "config": {c.of("k", "needed"): c.of(7, ref("env.data"), ref("env.key"))},
                    **c.of({}, {"tags": ["t"]}, {"post": {"start": {"more": fine}}}, {"enabled": True}),
                }
            elif c.one_in(3):
                new = made(c.of(*forms_of(c)), {"k": ref("env.data.k")})
                path = ("more", c.of("y", "z"))
            else:
                new = {"k": c.of(5, ref("env.data.l")), "l": c.of(append, prepend)([3]), "on": c.of(True, False)}
                path = c.of(("env", "data"), ("env", "data"), ("more", "w"))
            tree.setdefault(path[0], {})[path[1]] = new
        has[what] = tree
    if c.one_in(3):
        has["base"] = a_base(c)
    if c.one_in(3):
        has["update"] = c.of(wrapped, with_more)
    if c.one_in(4):
        has["signals"] = [Signal("pong")]
    return Plugin(f"plugin {number}", **has)


def a_step(c: Choices, system: System, number: int) -> System:
    """Something done to a system as a whole; it stays as it was where that cannot be done."""
    kind = c.of("wrap", "override", "base", "plugin", "add", "merge", "adjust", "several", "select", "shipped")
    try:
        match kind:
            case "wrap":
                wrapper = c.of(around, through, timed, retried(2, wait=0), *([] if c.forms == "sync" else [later]))
                select = a_selection(c, list(system)) if c.one_in(2) else None
                signals = c.of(None, None, ["start"], ["stop"], ["status", "ping"])
                c.note(f"wrap {wrapper!r} {select!r} {signals}")
                return system.wrap(wrapper, select, signals=signals)
            case "override" | "several":
                changes: dict[Path, Any] = {}
                for _ in range(1 if kind == "override" else 3):
                    path, value = a_change(c, system)
                    if not any(overlap(path, other) for other in changes):
                        changes[path] = value
                if len(changes) == 1 and c.one_in(2):
                    [(path, value)] = changes.items()
                    c.note(f"override {nested(path, value)}")
                    return system.override(nested(path, value))
                c.note(f"override {changes}")
                return system.override(changes)
            case "adjust":
                path, value = a_change(c, system)
                c.note(f"adjust {path} {value!r}")
                return system.override({path: adjust(c.of(itself, lambda old: value))})
            case "base":
                base = a_base(c)
                c.note(f"base {base}")
                return system.with_base(base)
            case "plugin":
                plugin = a_plugin(c, system, number)
                c.note(f"plugin {plugin._defaults} {plugin._merges} {plugin._base} {plugin.update} {plugin.signals}")
                return system.with_plugins(plugin)
            case "shipped":
                return system.with_plugins(c.of("timing", "schemas", wrapped))
            case "add":
                known = list(system)
                value = c.of(a_component, a_value)(c, known, "more")
                path, _, _ = a_place(c, system)
                path = c.of(("more", "x"), ("a", "w"), (*path[:-1], "w"))
                c.note(f"add {path} {value!r}")
                return system.add({path: value})
            case "merge":
                other = a_system(c, c.of(0, 0, 1))
                winner = c.of("left", "right", None)
                c.note(f"merge {winner}")
                return system.merge(other, winner=winner)
            case _:
                select = a_selection(c, list(system))
                c.note(f"select {select!r}")
                return system.select(select)
    except MainspringError as error:
        c.note(f"   which cannot be: {type(error).__name__}")
        keeps_secrets([str(error), repr(error)])
        return system


def composed(c: Choices) -> list[System]:
    """A system, and what became of it with every step."""
    systems = [a_system(c, c.of(0, 1, 2, 3))]
    for number in range(c.number(5)):
        if not len(systems[-1]):
            break
        systems.append(a_step(c, systems[-1], number))
    return systems


@st.composite
def choices(draw: st.DrawFn, *forms: Forms) -> Choices:
    """What chooses."""
    return Choices(draw, draw(st.sampled_from(forms or ("sync", "async", "mixed"))), draw(st.booleans()))


# --- What is seen of them -----------------------------------------------------------------------------------------------


def keeps_secrets(texts: Iterable[Any]) -> None:
    """The planted secret stands in none of these."""
    for text in texts:
        assert PLANTED not in str(text), str(text)
        assert "\x00" not in str(text), str(text)  # nor do names that are made inside


def shown(system: System) -> Iterator[Any]:
    """Everything that is shown of a system."""
    yield repr(system)
    description = system.describe()
    yield from (description, repr(description), description.as_dict(), *map(str, description.values()))
    report = system.explain_plugins()
    yield from (report, repr(report), report.as_dict(), *report)
    for problem in system.check():
        yield from (problem, repr(problem), problem.hint, problem.details)
    graph: Any = system.graph() if not system.check() else graph_of(system._definition)
    yield from (graph, repr(graph), graph.as_dict(), graph.mermaid(), graph.dot())
    if not system.check():
        for signal in system.signals:
            plan = system.plan(signal)
            yield from (plan, repr(plan), list(plan), plan.waves)


def as_data(value: Any) -> Any:
    """What an instance was made from, so that two of them can be compared."""
    if isinstance(value, Instance):
        return ("an instance of", *map(as_data, value.values))
    if isinstance(value, dict):
        return {flat_id(key) if isinstance(key, Id) else key: as_data(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_data(inner) for inner in value]
    return "a part" if isinstance(value, Part) else value


def needs_of(graph: Graph, id: Id) -> set[Id]:
    """Everything that something needs, however far away."""
    return {graph.ids[i] for i in closure([graph.index[id]], lambda i: graph.needs[i])} - {id}


def is_in_order(graph: Graph, seen: list[Call]) -> bool:
    """Whether everything was started after what it needs, and stopped before it."""
    starts = {call.id: at for at, call in enumerate(seen) if call.what == "start"}
    stops = {call.id: at for at, call in enumerate(seen) if call.what == "stop"}
    return all(
        starts[need] < starts[id] and stops.get(need, len(seen)) > stops.get(id, starts[id])
        for id in starts
        for need in needs_of(graph, id) & starts.keys()
    )


def run(
    way: Way, system: System, look: Callable[[Live], None], select: Any = None, *, times: int = 1, cached: bool = False
) -> Live:
    """Start a system and stop it, so many times, and see that nothing is left.

    Parameters:
        way: from sync code, or on one of the backends.
        look: is called while it is up.
        cached: whether it has an instance cache, which is closed at the end.

    Returns:
        The live system, stopped; the last one of several.
    """
    before = set(threading.enumerate())
    calls.clear()
    lives: list[Live] = []
    if way == "sync":
        with InstanceCache() if cached else nullcontext() as cache:
            for _ in range(times):
                with system.started(select, cache=cache) as live:
                    lives.append(live)
                    look(live)
                    live.status()
    else:

        async def main() -> None:
            with anyio.fail_after(PATIENCE):
                async with InstanceCache() if cached else nullcontext() as cache:
                    for _ in range(times):
                        async with system.started(select, cache=cache) as live:
                            lives.append(live)
                            look(live)
                            await live.astatus()

        anyio.run(main, backend=way)
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith(KEPT):
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"the thread {thread.name} is left"
    return lives[-1]


def some_selection(c: Choices, system: System) -> Any:
    """A selection that names something, or none."""
    ids = system.graph().ids
    if not ids or c.one_in(2):
        return None
    select = a_selection(c, ids)
    try:
        system.plan(select=select)
    except UnknownComponent:
        return None
    c.note(f"start {select!r}")
    return select


# --- The laws -----------------------------------------------------------------------------------------------------------


@few
@given(choices(), st.sampled_from(WAYS))
def test_what_check_finds_nothing_wrong_with_starts_and_stops(c: Choices, way: Way) -> None:
    """Where check finds nothing, a start of all or of a selection succeeds: each component is started once and stopped once, in
    the order of the plan, and nothing is left."""
    system = composed(c)[-1]
    if system.check():
        event("problems")
        return
    event("sound")
    select = some_selection(c, system)
    graph = system.graph()
    planned = [step.id for step in system.plan(select=select)]

    def look(live: Live) -> None:
        assert {live.state(id) for id in planned} <= {"running"}
        assert {str(live.state(id)) for id in graph.ids if id not in planned} <= {"defined", "running"}
        keeps_secrets([live.describe(), repr(live), live.report, repr(live.report)])

    live = run(way, system, look, select)
    assert {live.state(id) for id in planned} <= {"stopped"}
    started = [call.id for call in calls if call.what == "start"]
    stopped = [call.id for call in calls if call.what == "stop"]
    wanted = [id for id in planned if id not in graph.subsystems]
    assert sorted(started) == sorted(wanted)
    assert sorted(stopped) == sorted(call.id for call in calls if call.stops and call.what == "start")
    assert is_in_order(graph, calls)
    if c.plain and c.forms == "sync":
        assert started == wanted
        assert stopped == [step.id for step in system.plan("stop") if step.id in stopped]
    event(f"{len(wanted)} started")


@few
@given(choices(), st.sampled_from(WAYS))
def test_what_is_wrong_is_found_by_check(c: Choices, way: Way) -> None:
    """Where the start says that something is wrong with the definition, check says the very same, with a cache or without."""
    system = composed(c)[-1]
    if c.one_in(3):
        system = system.with_base({"cached": True})
    problems = system.check()
    for cached in (False, True):
        try:
            run(way, system, lambda live: None, cached=cached)
        except DefinitionError as error:
            assert list(error.problems) == problems  # noqa: PT017 - it need not be raised
            assert not calls
        else:
            assert problems == []
    event("problems" if problems else "sound")


@few
@given(choices(), st.sampled_from(WAYS))
def test_a_cache_changes_nothing_but_how_often_things_start(c: Choices, way: Way) -> None:
    """With a cache, a system is started several times with the same instances as without: what is cached is started once and
    stopped once, all else each time."""
    system = composed(c)[-1]
    if c.one_in(2):
        system = system.with_base({"cached": True})
    if system.check():
        event("problems")
        return
    select = some_selection(c, system)
    graph = system.graph()
    planned = [step.id for step in system.plan(select=select)]
    found: list[Any] = []
    for times, cached in ((1, False), (2, True)):
        run(
            way,
            system,
            lambda live: found.append([as_data(live[id]) for id in planned]),
            select,
            times=times,
            cached=cached,
        )
    assert found[0] == found[1] == found[2]
    keys = {graph.ids[i]: key_of(graph.ids[i], graph.nodes[i]) for i in cached_nodes(graph)}  # type: ignore[arg-type]
    wanted = Counter({str(id): 2 for id in planned if id not in graph.subsystems and id not in keys})
    wanted |= Counter(dict.fromkeys({keys[id] for id in planned if id in keys}, 1))
    assert Counter(keys.get(call.id, str(call.id)) for call in calls if call.what == "start") == wanted
    starts_with_stops = Counter(call.id for call in calls if call.what == "start" and call.stops)
    assert Counter(call.id for call in calls if call.what == "stop") == starts_with_stops
    event(f"{len(keys)} cached")


@few
@given(choices())
def test_a_part_of_what_is_sound_is_sound(c: Choices) -> None:
    """What is selected of a system without problems has none, and is what it was in the whole."""
    system = composed(c)[-1]
    if system.check():
        event("problems")
        return
    ids = system.graph().ids
    for select in [*ids, *([a_selection(c, ids)] if ids else [])]:
        try:
            part = system.select(select)
        except UnknownComponent:
            event("selects nothing")
            continue
        assert part.check() == [], select
    if c.forms == "sync" and ids:
        id = ids[c.number(len(ids))]
        seen: list[Any] = []
        for one in (system, system.select(id)):
            run("sync", one, lambda live: seen.append(as_data(live[id])), id)
        assert seen[0] == seen[1], id


@few
@given(choices())
def test_everything_can_be_shown_and_shows_no_secret(c: Choices) -> None:
    """Descriptions, graphs, plans, reports and differences can be had of any composition, and show nothing that is secret."""
    systems = composed(c)
    for system in systems:
        keeps_secrets(shown(system))
    for old, new in [*pairwise(systems), (systems[-1], System({})), (System({}), systems[-1])]:
        diff = old.diff(new)
        keeps_secrets([diff, repr(diff), diff.as_dict(), list(diff), *diff])
        assert bool(list(diff)) == (old != new) or old.explain_plugins() != new.explain_plugins()


@few
@given(choices())
def test_the_same_composed_twice_is_equal(c: Choices) -> None:
    """What is put together twice in the same way is equal, has no differences and the same problems."""
    for first, second in zip(composed(c), composed(c.again()), strict=True):
        assert first == second
        assert list(first.diff(second)) == []
        assert list(map(str, first.check())) == list(map(str, second.check()))


# --- The same as a subsystem and written flat ---------------------------------------------------------------------------


class Level(NamedTuple):
    """A system of which nothing is written yet: neither as a subsystem nor flat.

    Parameters:
        groups: in the group "s" there are subsystems, in all others constants and components.
        base: what is in its base's config.
    """

    groups: dict[str, dict[str, Any]]
    base: dict[str, Any]


class Inner(NamedTuple):
    """A subsystem in it, with its imports by path."""

    level: Level
    imports: dict[Path, Value]
    enabled: Value


class Plain(NamedTuple):
    """A component in it."""

    form: str
    config: dict[str, Value]
    tags: tuple[str, ...]
    enabled: Value


class Value(NamedTuple):
    """A value in it: data, or a reference.

    Parameters:
        kind: "data", "list", "ref", "local", "tagged", "one" or "group".
        what: the data, the path, the name or the tag.
    """

    kind: str
    what: Any
    optional: bool = False


ON = Value("data", True)
FLAG = Value("ref", ("env", "flag"))


def a_level(c: Choices, depth: int) -> Level:
    """A system in which things refer to each other, with subsystems up to some levels deep."""
    groups: dict[str, dict[str, Any]] = {
        "env": {"flag": Value("data", c.of(True, True, False)), "data": {"k": Value("data", c.of(1, "t", None))}}
    }
    known: list[Path] = [("env", "data", "k"), ("env", "data"), ("env", "flag")]
    children: list[Level] = []
    for group in c.of(("a", "s", "b"), ("s", "a", "b"), ("a", "b", "s")):
        for name in ("x", "y", "z")[: c.number(4)]:
            node: Any
            if group == "s":
                if not depth:
                    continue
                if not children or c.one_in(2):
                    children.append(a_level(c, depth - 1))
                level = children[c.number(len(children))]
                imports: dict[Path, Value] = {}
                for _ in range(c.number(4)):
                    path = c.of(*level_places(level))
                    if not any(overlap(path, other) for other in imports):
                        given = (
                            c.of(ON, Value("data", False), FLAG)
                            if path[-1] == "flag"
                            else a_level_value(c, known, group)
                        )
                        # A local reference would mean the group that the subsystem is in, which is none when it is flat.
                        imports[path] = ON if is_local(given) else given
                node = Inner(level, imports, c.of(ON, ON, ON, FLAG, Value("data", False)))
                known += [(group, name, *path) for path in level_places(level) if "config" not in path]
            elif c.one_in(4):
                node = a_level_value(c, known, group)
                known.append((group, name))
            else:
                config = {one: a_level_value(c, known, group) for one in ("needed", "k") if not c.one_in(3)}
                node = Plain(
                    c.of(*forms_of(c)), config, c.of((), (), (tag_of(group, c.one_in(8)),)), c.of(ON, ON, ON, FLAG)
                )
                known.append((group, name))
            groups.setdefault(group, {})[name] = node
    base = {name: a_level_value(c, known[:3], "") for name in c.of((), (), ("log",), ("log", "k"))}
    return Level(groups, base)


def a_level_value(c: Choices, known: list[Path], group: str) -> Value:
    """A value that refers to what is known, or, rarely, to something else."""
    kind = c.number(16)
    if kind < 4:
        return Value("data", c.of(*SCALARS))
    if kind < 10:
        return Value("ref", known[c.number(len(known))], c.of(True, False, True))
    if kind == 10:
        near = [path[1] for path in known if path[0] == group and len(path) == 2]
        return Value("local", near[c.number(len(near))], True) if near else ON
    if kind == 11:
        return Value("tagged", tag_of(group, c.one_in(6)), True)
    if kind == 12:
        return Value("one", tag_of(group, c.one_in(6)), True)
    if kind == 13:
        return Value("group", c.of("env", "env", "env", "a"))
    if kind == 14 and c.one_in(4):
        return Value("ref", (c.of("a", "b"), c.of("x", "y", "z")), True)
    return Value("list", a_level_value(c, known, group))


def is_local(value: Value) -> bool:
    """Whether it is read in the group in which it stands."""
    return value.kind == "local" or (value.kind == "list" and is_local(value.what))


def level_places(level: Level, before: Path = ()) -> list[Path]:
    """Every place in a system that can be given from outside."""
    found: list[Path] = []
    for group, members in level.groups.items():
        for name, node in members.items():
            path = (*before, group, name)
            if isinstance(node, Inner):
                found += level_places(node.level, path)
            else:
                found.append(path)
                found += [(*path, key) for key in node] if isinstance(node, dict) else []
                found += [(*path, "config", key) for key in node.config] if isinstance(node, Plain) else []
    return found


def with_subsystems(level: Level) -> System:
    """It with its subsystems as subsystems."""
    groups: dict[str, dict[str, Any]] = {}
    for group, members in level.groups.items():
        for name, node in members.items():
            written: Any
            if isinstance(node, Inner):
                imports = {dotted(path): as_written(value) for path, value in node.imports.items()}
                written = subsystem(with_subsystems(node.level), imports, enabled=as_written(node.enabled))
            elif isinstance(node, Plain):
                config = {key: as_written(value) for key, value in node.config.items()}
                written = made(node.form, config, tags=node.tags, enabled=as_written(node.enabled))
            elif isinstance(node, Value):
                written = as_written(node)
            else:
                written = {key: as_written(value) for key, value in node.items()}
            groups.setdefault(group, {})[name] = written
    return System(groups, base={"config": {name: as_written(value) for name, value in level.base.items()}})


def as_written(value: Value) -> Any:
    """A value where it stands."""
    match value.kind:
        case "data":
            return value.what
        case "list":
            return [as_written(value.what)]
        case "ref":
            return ref(*value.what, optional=value.optional)
        case "local":
            return local_ref(value.what, optional=value.optional)
        case "tagged":
            return tagged(value.what, optional=value.optional)
        case "one":
            return one_tagged(value.what, optional=value.optional)
        case _:
            return ref(value.what)


Scope = tuple[str, ...]
Given = dict[Path, tuple[Scope, Value]]  # what is given from outside, and from where


class Flat:
    """Writes a system with all its subsystems as one, under long names of groups."""

    def __init__(self, level: Level) -> None:
        self.flags: dict[Scope, bool] = {}
        self.levels: dict[Scope, Level] = {}
        # What is in a subsystem that is off is off, and stands here for all of it.
        self.groups: dict[str, dict[str, Any]] = {"off": {"off": Component(fine, enabled=False)}}
        self.look_at(level, (), {})
        self.write(level, (), {})
        self.system = System(self.groups)

    def look_at(self, level: Level, scope: Scope, given: Given) -> None:
        """Find out what is switched on."""
        self.levels[scope] = level
        where, flag = given.get(("env", "flag"), (scope, level.groups["env"]["flag"]))
        self.flags[scope] = self.flags[where] if flag.kind == "ref" else flag.what
        for name, node in level.groups.get("s", {}).items():
            if self.is_on(scope, node):
                self.look_at(node.level, (*scope, "s", name), self.given_to(node, scope, name, given))

    def is_on(self, scope: Scope, node: Inner) -> bool:
        """Whether a subsystem is switched on."""
        enabled: bool = self.flags[scope] if node.enabled.kind == "ref" else node.enabled.what
        return enabled

    def given_to(self, node: Inner, scope: Scope, name: str, given: Given) -> Given:
        """What is given to a subsystem: its imports, but for what an outer system gives to the same place."""
        outer = {path[2:]: value for path, value in given.items() if path[:2] == ("s", name)}
        own = {path: (scope, value) for path, value in node.imports.items()}
        return {**{path: value for path, value in own.items() if not any(overlap(path, o) for o in outer)}, **outer}

    def write(self, level: Level, scope: Scope, given: Given) -> None:
        """Write all that is in one system."""
        for group, members in level.groups.items():
            for name, node in members.items():
                if isinstance(node, Inner):
                    if self.is_on(scope, node):
                        self.write(node.level, (*scope, group, name), self.given_to(node, scope, name, given))
                else:
                    self.groups.setdefault("_".join((*scope, group)), {})[name] = self.written(
                        level, scope, given, (group, name), node
                    )

    def written(self, level: Level, scope: Scope, given: Given, path: Path, node: Any) -> Any:
        """What stands for a constant or a component."""
        if path in given:
            return self.value(*given[path])
        if isinstance(node, Plain):
            config = {name: (scope, value) for name, value in {**level.base, **node.config}.items()}
            config |= {one[3]: value for one, value in given.items() if one[:3] == (*path, "config")}
            tags = ["_".join((*scope, tag)) for tag in node.tags]
            written = {name: self.value(*value) for name, value in config.items()}
            return made(node.form, written, tags=tags, enabled=self.value(scope, node.enabled))
        if isinstance(node, Value):
            return self.value(scope, node)
        return {key: self.value(*given.get((*path, key), (scope, value))) for key, value in node.items()}

    def value(self, scope: Scope, value: Value) -> Any:
        """A value in terms of the whole."""
        match value.kind:
            case "list":
                return [self.value(scope, value.what)]
            case "ref":
                path = value.what
                while path[0] == "s":
                    scope, path = (*scope, *path[:2]), path[2:]
                if scope not in self.levels and value.optional:
                    return ref("off.off", optional=True)
                return ref("_".join((*scope, path[0])), *path[1:], optional=value.optional)
            case "tagged" | "one":
                return as_written(value._replace(what="_".join((*scope, value.what))))
            case "group":
                return ref("_".join((*scope, value.what)))
            case _:
                return as_written(value)


def flat_id(id: Id) -> Id:
    """What the id of something in a subsystem is where it is written flat."""
    return Id("_".join(parts_of(id.group)), id.name)


@few
@given(choices(), st.sampled_from(WAYS))
def test_subsystems_are_what_their_components_are_when_written_flat(c: Choices, way: Way) -> None:
    """Subsystems give the same instances in the same order and the same states as their components under long names of groups."""
    level = a_level(c, c.of(1, 2, 3))
    system, flat = with_subsystems(level), Flat(level).system
    c.note(f"flat: {flat.groups}")
    problems, flat_problems = system.check(), flat.check()
    assert (problems == []) == (flat_problems == []), (problems, flat_problems)
    if problems:
        event("problems")
        return
    inside = [id for id in system.graph().ids if id not in system.graph().subsystems]
    seen: list[Any] = []
    for one, ids in ((system, inside), (flat, list(map(flat_id, inside)))):
        plans = [
            [flat_id(step.id) for step in one.plan(signal) if step.id not in one.graph().subsystems]
            for signal in ("start", "stop")
        ]
        held: list[Any] = []

        def look(live: Live, held: list[Any] = held, ids: list[Id] = ids) -> None:
            held.extend((flat_id(id), live.state(id), as_data(live[id])) for id in ids)

        run(way, one, look)
        called = [(call.what, flat_id(call.id)) for call in calls] if way == "sync" and c.forms == "sync" else None
        seen.append((plans, held, called))
    assert seen[0] == seen[1]
    event(f"{len(inside)} inside")
