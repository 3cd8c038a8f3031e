"""What is merged under every component of a system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .. import _text
from ..errors import BadComponent, Problem
from . import refs
from .model import (
    ABSENT,
    KEYWORDS,
    SHORTHANDS,
    Component,
    Spec,
    copied_deadlines,
    frozen_config,
    named,
    unfit_problem,
)
from .refs import Required, Unfit

# A merged slot is one of these: all others are taken as a whole.
_BY_SIGNAL: Final = ("pre", "post")
_KEPT: Final = 16


class Base:
    """What is merged under every component: slots and config, as a component has them.

    Parameters:
        slots: by name; `config` is one of them.

    Raises:
        BadComponent: there is no such slot, or a base cannot have it.
        BadArguments: the config holds what cannot be part of a definition.
    """

    __slots__ = ("_key", "_slots", "config", "shape")

    def __init__(self, slots: Mapping[str, Any]) -> None:
        if not isinstance(slots, Mapping):
            what = f"A base is a mapping of slots, not {refs.article(slots)}."
            raise BadComponent([Problem(BadComponent, what, hint='Write base={"post": {"start": ...}}.')])
        given = dict(slots)
        known = [*sorted(KEYWORDS), "config"]
        for name in given:
            if name not in known:
                own = name in ("start", "stop", "scope")
                what = f"A base has the slot {name!r}, {'which each component has of its own' if own else 'which there is not'}."
                hint = _text.hint_near(str(name), known, what="slot of a base")
                if own:
                    signal = "start" if name == "scope" else name
                    hint = f'Give the base a handler before or after it, {{"pre": {{"{signal}": ...}}}}, or put a function '
                    hint += f'around it, with system.wrap(wrapper, signals=["{signal}"]).'
                raise BadComponent([Problem(BadComponent, what, hint=hint)])
        config = given.pop("config", None) or {}
        if not isinstance(config, Mapping):
            what = f"The config of a base is {config!r}, not a mapping."
            raise BadComponent([Problem(BadComponent, what, hint='Write {"config": {"name": ...}}.')])
        try:
            self.config, self.shape = frozen_config(dict(config))
        except Unfit as unfit:
            raise unfit_problem(unfit, None) from None
        # A spec knows how to read slots; what it makes of those that were not given is left out again.
        spec = Spec({**given, "start": _nothing}, of="A base")
        self._slots: dict[str, Any] = {name: getattr(spec, name) for name in given if name not in SHORTHANDS}
        if spec.handlers:
            self._slots["handlers"] = spec.handlers
        # Stands for this base where a spec keeps what was made of it, so that the spec does not keep the base.
        self._key = object()

    @property
    def slots(self) -> dict[str, Any]:
        """The slots by name, as `Base` takes them."""
        found = {name: _copied(value) for name, value in self._slots.items()}
        return found | ({"config": refs.copied(self.config)} if self.config else {})

    def over(self, other: Base | None) -> Base:
        """This base put over another: its values count, named handlers are added, tags united.

        Raises:
            BadComponent: the slots of the two do not fit together.
        """
        if other is None:
            return self
        slots = merged_slots(self._slots, other._slots)
        return Base({**slots, "config": {**other.config, **self.config}})

    def under(self, component: Component[Any]) -> Component[Any]:
        """A component with this base merged under it.

        Raises:
            BadComponent: the slots of the two do not fit together.
        """
        spec = component._spec
        merged = self._over(spec) if self._slots else spec
        config = component._config
        more = {}
        if self.config:
            accepts = spec.parameters.accepts
            for name, value in self.config.items():
                if name in accepts and (name not in config or type(config[name]) is Required):
                    more[name] = value
        if merged is spec and not more:
            return component
        changed = component._same_kind()
        changed._code, changed._instruction = component._code, component._instruction
        changed._spec, changed._bound = merged, component._bound
        changed._config, changed._shape = component._config, component._shape
        if more:
            changed._config, changed._shape = {**config, **more}, max(component._shape, self.shape)
        return changed

    def _over(self, spec: Spec) -> Spec:
        """A spec with these slots under it; for one spec the same object each time, as long as it knows few bases."""
        known: dict[object, Spec] = spec.cache.setdefault("based", {})
        merged = known.get(self._key)
        if merged is None:
            if len(known) >= _KEPT:
                known.clear()  # of bases that came and went, over a component function that stays
            merged = known.setdefault(self._key, self._merged(spec))
        return merged

    def _merged(self, spec: Spec) -> Spec:
        own = {name: value for name, value in spec.slots().items() if _is_given(name, value)}
        under = self._slots
        if own.get("thread") == "caller" and not spec.is_async:
            # What is to be called in the caller's thread, come what may, cannot be given up on.
            under = {name: value for name, value in under.items() if name != "deadlines"}
        return Spec({"start": ABSENT, **merged_slots(own, under)})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Base):
            return NotImplemented
        if not refs.same(self.config, other.config):
            return False
        mine, theirs = (Spec({**base._slots, "start": _nothing}) for base in (self, other))
        return mine.same(theirs) and self._slots.keys() == other._slots.keys()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Base: {', '.join([*self._slots, *(('config',) if self.config else ())]) or 'empty'}>"


def _nothing() -> None:
    return None


def _copied(value: Any) -> Any:
    return {k: _copied(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _is_given(name: str, value: Any) -> bool:
    if name in ("start", "stop", "scope"):
        return value is not None and value is not ABSENT
    if name in ("enabled", "cached"):
        return True
    # What is none of ours is not compared: nobody knows what its == does.
    return value is not None and value is not False and not (isinstance(value, Mapping | frozenset) and not value)


def merged_slots(over: Mapping[str, Any], under: Mapping[str, Any]) -> dict[str, Any]:
    """The slots of a component put over others: handlers and deadlines by name, tags united, all others as a whole.

    Parameters:
        over: the slots that count where both have one.
        under: the others.
    """
    found = {**under, **over}
    for name in found:
        if name not in over or name not in under:
            continue
        if name == "handlers":
            found[name] = {**under[name], **over[name]}
        elif name == "tags":
            found[name] = frozenset(under[name]) | frozenset(over[name])
        elif name == "deadlines":
            found[name] = merged_deadlines(over[name], under[name])
        elif name in _BY_SIGNAL:
            mine, theirs = ({s: named(given) for s, given in slots[name].items()} for slots in (over, under))
            signals = dict.fromkeys((*theirs, *mine))
            found[name] = {signal: {**theirs.get(signal, {}), **mine.get(signal, {})} for signal in signals}
    return found


def merged_deadlines(over: Any, under: Any) -> Any:
    """Deadlines put over others, each for all signals or by signal."""
    if over is None or under is None:
        return under if over is None else over
    if not isinstance(over, Mapping):
        return over
    return copied_deadlines({**(under if isinstance(under, Mapping) else {"*": under}), **over})
