"""The top of a file that says a system: groups, by name."""

from __future__ import annotations

from typing import Any, Final

from mainspring import BadFile, Problem, Site

from ._evaluate import ABSENT, Leaf, Map, Node, shown
from ._form import Form, Scalar

ABOUT: Final = "mainspring"
SCHEMA_KEY: Final = "$schema"


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
            if key == SCHEMA_KEY:
                continue
            if not isinstance(key, str) or not key:
                raise self._bad(f"{key!r} cannot be the name of a group.", node.site, "Write it in quotation marks.")
            group, slash, name = key.partition("/")
            if slash and group and name:
                self._put(groups, group, name, node, key)
            elif key == ABOUT:
                groups[key] = node
            elif not (isinstance(node.form, Scalar) and node.form.value is None):  # empty says nothing
                self._put(groups, key, None, node, key)
        return Map(
            {name: node if isinstance(node, Node) else self._group(name, node) for name, node in groups.items()},
            head.site,
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
        inside = {inner: _moved(node, made, inner) for inner, node in nodes.items()}
        made._head = Map(inside, next(iter(nodes.values())).site)
        made._site = next(iter(nodes.values())).site
        return made

    def _bad(self, what: str, site: Site | None, hint: str = "") -> BadFile:
        return BadFile([Problem(BadFile, what, None, (), site, hint)])


def _moved(node: Node, parent: Node, name: str) -> Node:
    return Node(node.document, node.form, parent, name)
