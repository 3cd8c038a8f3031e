"""Running a system as a process: signals, a grace period, an exit status.

_run.py    what happens when: start, wait, restart, stop
_watch.py  the thread that hears the signals and ends the process when it has to
_show.py   errors as text for people: their own frames, never ours
"""

from __future__ import annotations

from ._run import run

__all__ = ["run"]
