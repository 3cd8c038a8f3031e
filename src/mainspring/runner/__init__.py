"""Running a system as a process: signals, a grace period, an exit status.

_run.py       what happens when: start, wait, restart, stop
_watch.py     the thread that hears the signals and ends the process when it has to
_progress.py  what is known of the components, gathered from events
_display.py   how it is said what goes on: lines, JSON
_tree.py      ... and the live tree, which needs rich
_notify.py    what a service manager is told
_init.py      being process 1
show.py       errors and stacks as text for people: their own frames, never ours
"""

from __future__ import annotations

from ._run import run

__all__ = ["run"]
