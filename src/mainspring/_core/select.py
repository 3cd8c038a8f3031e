"""Selections: from what a request names to the nodes that are meant, and to what these draw in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from .. import _text
from ..errors import BadId, UnknownComponent
from .callables import Id
from .model import Component, Constant, parse_path
from .refs import Path, Tagged, Within, parts_of

if TYPE_CHECKING:
    from .graph import Graph

Selection = str | Id | Tagged | Iterable[str | Id | Tagged] | None
Test = Callable[[str], object]

_TAG: Final = "tag:"
_ANY_DEPTH: Final = "**"
_GUESSED: Final = 2000  # names among which near misses are looked for: with very many it takes long


def chosen(graph: Graph, select: str | Id | Tagged | Iterable[str | Id | Tagged]) -> list[int]:
    """The nodes that a selection names, less those that it takes away, in order.

    Raises:
        UnknownComponent: a part of it names nothing, or something that is switched off, or takes nothing away. All such
            parts are named at once.
    """
    parts = listed(select)
    chosen: set[int] = set()
    by_id: set[int] = set()
    away: list[tuple[str, Collection[int]]] = []
    wrong: list[str] = []
    for part in parts:
        try:
            takes, is_id, found = _read(graph, part)
        except UnknownComponent as error:
            wrong.append(str(error))
            continue
        if takes:
            away.append((part, found))
        else:
            chosen.update(found)
            if is_id:
                by_id.update(found)
    if away and not wrong:
        if len(away) == len(parts):
            chosen.update(range(len(graph.ids)))
        wrong += [_takes_nothing(part) for part, found in away if found and chosen.isdisjoint(found)]
    if wrong:
        raise UnknownComponent("\n".join(wrong))
    if away:
        chosen.difference_update(*(found for _, found in away))
        chosen.difference_update(_bystanders(graph, chosen - by_id, away))
    return sorted(chosen)


def _bystanders(graph: Graph, unnamed: set[int], away: list[tuple[str, Collection[int]]]) -> set[int]:
    """What would draw in again just what a selection takes away.

    Parameters:
        graph: that of the whole system.
        unnamed: what is selected, but not by its id.
        away: what is taken away.
    """
    # Stopping all but the server must not stop it because of a constant that both need.
    found = {i for i in unnamed if isinstance(graph.nodes[i], Constant)}
    if graph.subsystems:
        # What stands for a subsystem as a whole needs all its parts, and so it goes with the first of them.
        ids, index = graph.ids, graph.index
        around = {id for _, taken in away for i in taken for id in _subsystems_around(ids[i])}
        found.update(index[id] for id in around if id in index)
    return found


def _subsystems_around(id: Id) -> Iterator[Id]:
    """The subsystems that a component is in, from the inside out."""
    parts = parts_of(id.group)
    while len(parts) > 1:
        *_, name, _ = parts
        parts = parts[:-2]
        yield Id(parts[0] if len(parts) == 1 else Within(parts), name)


def listed(select: Selection) -> list[Any]:
    """The parts of a selection, which can be looked at more than once.

    Raises:
        UnknownComponent: it is none.
    """
    if isinstance(select, str | Id | Tagged):
        return [select]
    if isinstance(select, Iterable):
        return list(select)
    raise UnknownComponent(f"A selection is an id, a group, a pattern, a tag, or several of them, not {select!r}.")


def _takes_nothing(part: str) -> str:
    return (
        f"{part} takes nothing away: the rest of the selection does not name it. "
        "What a selection draws in, because of what needs what, cannot be taken away."
    )


# --- one part ---------------------------------------------------------------------------------------------------------


def _read(graph: Graph, part: Any) -> tuple[bool, bool, Collection[int]]:
    """Whether a part takes away, whether it is the id of one node, and which nodes it names."""
    if isinstance(part, Tagged):
        return False, False, _whole(graph, _tagged(graph, {part.tag}, part.tag))
    if isinstance(part, str) and type(part) is not str:
        part = str.__str__(part)
    # A text that is the name of something is never read in another way, so that the text of every id stands for what has it.
    named = _named(graph, part)
    takes = named is None and isinstance(part, str) and part.startswith("-")
    if takes:
        part = part[1:]
        if not part:
            raise UnknownComponent("A selection '-' takes away, and does not say what.")
        named = _named(graph, part)
    is_id, found = named or (False, None)
    if found is None and isinstance(part, str):
        found = _by_tag(graph, part) if part.startswith(_TAG) else _by_pattern(graph, part)
    if found is None:
        try:
            path = parse_path((part,), "A selection")
        except BadId as error:
            raise UnknownComponent(str(error)) from None
        if not (takes and _is_off(graph, path)):  # what is off need not be taken away
            raise UnknownComponent(_unknown(graph, path))
        found = ()
    if named and not is_id:
        return takes, False, found
    whole = _whole(graph, found)
    return takes, is_id and whole is found, whole


def _named(graph: Graph, part: Any) -> tuple[bool, Collection[int]] | None:
    """Whether it is an id rather than a group, and the nodes that have that name; `None` where there are none.

    Of a group these are all that is inside, at any depth.
    """
    try:
        path = parse_path((part,), "A selection")
    except BadId:
        return None
    at = graph.find(path)
    if at is not None:
        return True, (at,)
    members = graph.members_of(path)
    return None if members is None else (False, members)


def _whole(graph: Graph, found: Collection[int]) -> Collection[int]:
    """The same nodes, and of subsystems among them all that is inside."""
    if not graph.subsystems:
        return found
    subsystems = [id for i in found if (id := graph.ids[i]) in graph.subsystems]
    return {*found}.union(*(graph.members_of(id) or () for id in subsystems)) if subsystems else found


def _is_off(graph: Graph, path: Path) -> bool:
    """Whether that component is switched off, or the subsystem that it would be in."""
    return graph.canonical(path)[:2] in graph.off


def _unknown(graph: Graph, path: Path) -> str:
    if len(path) == 1:
        name = str(path[0])
        if name in _tags(graph):
            return f"There is no group {_text.quote(name)}. Did you mean the tag, {_TAG}{name}?"
        if "," in name:
            return f"There is no {_text.quote(name)}. Several are given as a list: {name.split(',')}."
    return str(graph.unknown(path))


# --- tags -------------------------------------------------------------------------------------------------------------


def _by_tag(graph: Graph, text: str) -> list[int]:
    tag = text.removeprefix(_TAG)
    if tag.startswith('"'):
        try:
            (tag,) = _text.split_dotted(tag)
        except ValueError:
            raise UnknownComponent(f"A selection {text!r} cannot be read: quotation marks go around the tag.") from None
    elif _is_wild(tag):
        known = _tags(graph)
        fits = _test(tag)
        return _tagged(graph, {tag} if tag in known else {one for one in known if fits(one)}, tag)
    if not tag:
        raise UnknownComponent(f"A selection {text!r} names no tag.")
    return _tagged(graph, {tag}, tag)


def _tagged(graph: Graph, tags: set[str], written: str) -> list[int]:
    table = graph.tag_table()
    if len(tags) * (len(graph.subsystems) + 1) < len(table):
        # Few tags of very many, as most selections have them.
        scopes = [(), *map(_spelled, graph.subsystems)]
        keys: Iterable[tuple[tuple[str, ...], str]] = ((scope, tag) for scope in scopes for tag in tags)
    else:
        keys = (key for key in table if key[1] in tags)
    found = [i for key in keys for i in table.get(key, ())]
    if not found:
        known = _tags(graph)
        if known.isdisjoint(tags):
            hint = _text.hint_near(_plain(written), sorted(known), what="tag in this system")
            raise UnknownComponent(f"No component has the tag {_text.quote(written)}. {hint}")
    return found


def _tags(graph: Graph) -> set[str]:
    """All tags, also of what is switched off."""
    found: set[str] = set()
    for members in graph.groups.values():
        for node in members.values():
            if isinstance(node, Component):
                found |= node._spec.tags
    return found


# --- patterns ---------------------------------------------------------------------------------------------------------


def _by_pattern(graph: Graph, text: str) -> list[int] | None:
    """What fits a pattern and is switched on; `None` where the text is no pattern."""
    if not _is_wild(text):
        return None
    parts = _pieces(text)
    if not any(wild for _, wild in parts):
        return None
    tests = _tests(parts)
    index = graph.index
    found: list[int] = []
    fits_any = False
    for group, members in graph.groups.items():
        above = parts_of(group)
        fits_all = _fits(tests, above)
        for name in members:
            if fits_all or _fits(tests, (*above, name)):
                fits_any = True
                at = index.get(Id(group, name))
                if at is not None:
                    found.append(at)
    # Nobody knows what would be inside a subsystem that is switched off.
    if not fits_any and not any(_fits(tests[: len(path)], path) for path in map(_spelled, graph.off)):
        raise UnknownComponent(f"The pattern {text} fits nothing. {_near_pattern(graph, parts)}".rstrip())
    return found


def _spelled(id: Id) -> tuple[str, ...]:
    return (*parts_of(id.group), id.name)


def _pieces(text: str) -> list[tuple[str, bool]]:
    """The parts of a pattern, each with whether it has wildcards; what is quoted has none."""
    import re

    try:
        parts = _text.split_dotted(text)
    except ValueError as error:
        raise UnknownComponent(f"A selection {text!r} cannot be read: {error}.") from None
    written = re.findall(r'"(?:\\.|[^"\\])*"|[^."]+', text, re.DOTALL)
    return [(part, _is_wild(part) and raw[0] != '"') for part, raw in zip(parts, written, strict=True)]


def _is_wild(text: str) -> bool:
    return "*" in text or "?" in text or "[" in text


def _plain(text: str) -> str:
    return "".join(c for c in text if c not in "*?[]!")


def _tests(parts: Iterable[tuple[str, bool]]) -> list[Test | None]:
    """What each part of a pattern says of one name; `None` for any number of names."""
    return [None if wild and text == _ANY_DEPTH else _test(text) if wild else text.__eq__ for text, wild in parts]


def _test(text: str) -> Test:
    import re
    from fnmatch import translate

    return re.compile(translate(text)).match


def _fits(tests: Sequence[Test | None], path: Sequence[str]) -> bool:
    """Whether a pattern fits a path, or a group or subsystem on the way along it."""
    at = name = 0
    again, upto = -1, 0  # where the pattern goes on behind the last "**", and the name up to which that stands for all
    while at < len(tests):
        test = tests[at]
        if test is None:
            at = again = at + 1
            upto = name
        elif name < len(path) and test(path[name]):
            at, name = at + 1, name + 1
        elif again >= 0 and upto < len(path):
            upto += 1  # one name more for that "**"; those before it need not be tried again
            at, name = again, upto
        else:
            return False
    return True


def _near_pattern(graph: Graph, parts: list[tuple[str, bool]]) -> str:
    """What looks like the first part of a pattern that fits nothing, or what there is in its place."""
    paths = [(*parts_of(group), name) for group, members in graph.groups.items() for name in members]
    if len(parts) == 1:
        paths = [path[:-1] for path in paths]
    tests = _tests(parts)
    shown = [text if wild else _text.quote(text) for text, wild in parts]
    n = next(n for n in range(len(parts)) if not any(_fits(tests[: n + 1], path) for path in paths))
    if None in tests[:n]:
        known = list(dict.fromkeys(name for path in paths for name in path))
    else:
        known = list(dict.fromkeys(path[n] for path in paths if len(path) > n and _fits(tests[:n], path)))
    near = _text.near(_plain(parts[n][0]), known) if len(known) <= _GUESSED else []
    if near:
        meant = [".".join([*shown[:n], _text.quote(name), *shown[n + 1 :]]) for name in near]
        return f"Did you mean {_text.either(meant)}?"
    where = f"In {'.'.join(shown[:n])} there" if n else "There"
    if not known:
        return f"{where} is nothing."
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f"{where} is: {', '.join(map(_text.quote, known[:8]))}{more}."
