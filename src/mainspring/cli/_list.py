"""The systems that have names, as text and as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mainspring import NamedSystem
from mainspring.runner import show

_NONE = "No system has a name. `mainspring list --help` says how to give it one."


def as_text(found: Sequence[NamedSystem]) -> str:
    """A line for each system: its name, where it is, and the first line of what is said of it."""
    if not found:
        return _NONE
    rows = [(entry.name or "?", _where(entry), _first_line(entry)) for entry in found]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {where:<{widths[1]}}  {doc}".rstrip() for name, where, doc in rows)


def as_data(found: Sequence[NamedSystem]) -> list[dict[str, Any]]:
    """The same as data, with all that is said of each."""
    return [
        {
            "name": entry.name,
            "target": entry.target,
            "doc": entry.doc,
            "file": entry.site.file if entry.site else None,
            "line": entry.site.line if entry.site else None,
            "error": str(entry.error) if entry.error else None,
        }
        for entry in found
    ]


def _where(entry: NamedSystem) -> str:
    # A function inside another one cannot be named by a target.
    return show.short(f"at {entry.site}")[3:] if "<locals>" in entry.target and entry.site else entry.target


def _first_line(entry: NamedSystem) -> str:
    if entry.error is not None:
        return "cannot be had, see below"
    return entry.doc.strip().partition("\n")[0] if entry.doc and entry.doc.strip() else ""
