"""The top of a file that says a system: groups, by name."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final

from mainspring import BadFile, Component, Problem, Secret, Site, System

from ._evaluate import ABSENT, Document, Leaf, Map, Node, Session, Standing, shown
from ._form import Form, Scalar, secret_of

ABOUT: Final = "mainspring"


class Grouped(Node):
    """The top of a file that says a system: mappings of groups. A key `group/name` is short for one in the other."""

    __slots__ = ()

    def _worked_out(self, form: Form | None) -> Any:
        head = super()._worked_out(form)
        if isinstance(head, Leaf) and (head.value is None or head.value is ABSENT):
            return Map({}, self.site)
        if not isinstance(head, Map):
            raise self._bad(f"Groups are needed here, by name, and this is {shown(head)}.", self.site)
        groups: dict[str, Any] = {}
        for key, node in head.nodes.items():
            if not isinstance(key, str) or not key:
                raise self._bad(f"{key!r} cannot be the name of a group.", node.site, "Write it in quotation marks.")
            group, slash, name = key.partition("/")
            if "." in key and not slash and head.how != "places":
                hint = f"Write {key.replace('.', '/', 1)}, or one mapping in the other."
                raise self._bad(f"{key!r} cannot be the name of a group, for it has a dot in it.", node.site, hint)
            if slash and group and name:
                self._put(groups, group, name, node, key)
            elif key == ABOUT:
                groups[key] = node
            elif head.how == "places" or not (isinstance(node.form, Scalar) and node.form.value is None):
                # An empty group of a file says nothing.
                self._put(groups, key, None, node, key)
        return Map(
            {name: node if isinstance(node, Node) else self._group(name, node) for name, node in groups.items()},
            head.site,
            head.how,
        )

    def _put(self, groups: dict[str, Any], group: str, name: str | None, node: Node, key: str) -> None:
        there = groups.get(group)
        if name is None and there is None:
            groups[group] = node
            return
        if name is None or isinstance(there, Node):
            hint = f"Write everything of the group {group} in one of the two ways."
            raise self._bad(f"The group {group} is written twice: as {group}, and as {group}/...", node.site, hint)
        groups.setdefault(group, {})[name] = node

    def _group(self, name: str, nodes: dict[str, Node]) -> Node:
        made = Node(self.document, None, self, name)
        # What was written under `group/name` is now at the place group, name.
        inside = {inner: _moved(node, self, made, inner) for inner, node in nodes.items()}
        made._head = Map(inside, next(iter(nodes.values())).site)
        made._site = next(iter(nodes.values())).site
        return made

    def _bad(self, what: str, site: Site | None, hint: str = "") -> BadFile:
        return BadFile([Problem(BadFile, what, None, (), site, hint)])


def _moved(node: Node, root: Node, group: Node, name: str) -> Node:
    """A node that stands at the top, as one in a group."""
    if node.parent is root:
        node.parent, node._path = group, name
        return node
    # What a tag took from elsewhere stays there as well.
    made = Node(node.document, None, group, name)
    made.layers = node.layers or (node,)
    return made


def below_of(system: System, session: Session) -> Node:
    """The tree of the system below settings. What nothing is laid over stays as it is.

    Parameters:
        system: the system.
        session: the reading of the settings.
    """
    document = Document(session, system.name or "the system", kind="python")
    document.below = system
    root = Node(document, None, None, ())
    groups: dict[Any, Node] = {}
    for name, inside in system.groups.items():
        if name == ABOUT:
            continue  # of a file it is the section about the system, so it can say nothing about such a group
        group = groups[name] = Node(document, None, root, name)
        group._head = Map({one: Standing(document, value, group, one) for one, value in inside.items()}, None)
        _note_secrets(inside, session)
    root._head = Map(groups, None)
    return root


def _note_secrets(data: Any, session: Session) -> None:
    """Note the secrets in data of Python, so that no message shows them."""
    seen: dict[int, Any] = {}
    rest = [data]
    while rest:
        one = secret_of(rest.pop())
        if isinstance(one, Secret):
            session.note(one)
        elif isinstance(one, Mapping | list | tuple | Set | Component) and id(one) not in seen:
            seen[id(one)] = one  # kept, so that no other gets its identity
            rest += (one.config,) if isinstance(one, Component) else one.values() if isinstance(one, Mapping) else one
