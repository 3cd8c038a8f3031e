"""What happens when: start, wait, restart, stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from types import FrameType
from typing import Any, Final

from mainspring import (
    Event,
    Failure,
    Id,
    Live,
    MainspringError,
    RunError,
    StartError,
    State,
    StateError,
    StopError,
    System,
    interrupt,
)

from . import show
from ._watch import NUDGE, SIGNALS, Asked, Progress, Watch, is_asked, name_of, new_line
from .show import Say, say

STOPPED: Final = 0
START_FAILED: Final = 1
BAD_DEFINITION: Final = 2
STOP_FAILED: Final = 3
_MOMENT: Final = 1.0  # seconds; the Watch takes far less


def run(
    system: System | Callable[[], System],
    *,
    select: str | Id | Iterable[str | Id] | None = None,
    grace: float = 30.0,
    slow: float = 10.0,
    observers: Iterable[Callable[[Event], object]] = (),
    report: Callable[[str], object] = say,
) -> int:
    """Run a system as a process: start it, wait until a signal asks for a stop, stop it in order.

    SIGINT (Ctrl-C) and SIGTERM ask for a stop, during a start too: what had been started is stopped again. Repeated, they end
    the process at once. SIGHUP restarts, except where the process was told to ignore it (`nohup`), and where it came because
    the terminal was closed: then it asks for a stop. A handler that hangs is given up on, with the whole process, when the
    grace period is over. The signals' handlers are put back at the end.

    Parameters:
        system: a system, or a function that gives one. A function is called again for each restart, before anything is
            stopped; if that fails, the system keeps running as it is.
        select: an id, a group's name, or several of them; everything if not given.
        grace: seconds that stopping may take.
        slow: seconds after which a handler that has not returned is reported, with the place where it is.
        observers: are told every change of state, as in `System.start`.
        report: gets what there is to say, in pieces of one or several lines; by default they go to standard error. It is called
            in the main thread and in another one.

    Returns:
        The exit status: 0 stopped when asked to; 1 the start failed; 2 the definition has problems; 3 something failed in
        stopping. The process ends without a return, with `os._exit`, with 3 when the grace period is over, and with 128 + n
        on a second signal n.

    Raises:
        StateError: it was not called in the main thread.

    Example:
        >>> import signal
        >>> from mainspring import Component, System
        >>> short = System({"app": {"ends": Component(lambda: signal.raise_signal(signal.SIGTERM))}})
        >>> run(short, report=lambda text: None)
        0
    """
    if threading.current_thread() is not threading.main_thread():
        raise StateError(
            "run() listens to the signals of the process, and Python allows that in the main thread only. "
            "Call it there; in other threads, use System.started()."
        )
    if not (grace >= 0 and slow > 0):
        raise ValueError(f"grace and slow are numbers of seconds, not {grace!r} and {slow!r}")
    load = system if callable(system) else lambda: system
    return _Runner(load, select, tuple(observers), report, grace, slow).run()


class _Phase(Enum):
    IDLE = "nothing that could be interrupted"
    LOADING = "the user's function is making a system"
    STARTING = "a start"


class _Runner:
    current: _Runner | None = None

    def __init__(
        self,
        load: Callable[[], System],
        select: str | Id | Iterable[str | Id] | None,
        observers: tuple[Callable[[Event], object], ...],
        say: Say,
        grace: float,
        slow: float,
    ) -> None:
        self._load, self._observers, self._report, self._grace = load, observers, show.careful(say), grace
        self._select = select if select is None or isinstance(select, str | Id) else list(select)
        self._phase = _Phase.IDLE
        self._asked: int | None = None
        self._again = False
        self._before: dict[int, Any] = {}
        self._wakeup = -1
        self._progress = Progress(self._say)
        self._progress.on_stopping = self._on_stopping
        self._watch = Watch(self._progress, self._report, grace, slow)

    def _say(self, text: str) -> None:
        if self._asked is not None:
            # Whoever sees what is said may answer with a second signal, which must not be taken for an echo of the first.
            self._watch.settled.wait(_MOMENT)
        self._report(text)

    def run(self) -> int:
        self._watch.start()
        try:
            self._install()
            return self._run()
        except Asked:  # it can only have been raised before anything was started
            return self._nothing_started()
        finally:
            if self._asked is not None:
                self._watch.settled.wait(_MOMENT)  # an echo is not to meet the handlers of others
            self._uninstall()
            self._watch.close()

    # --- signals ---

    def _install(self) -> None:
        _Runner.current = self
        for number in SIGNALS:
            before = signal.getsignal(number)
            # nohup means that the process is not to mind; SIGINT is ignored by what a shell script starts with &, but nobody
            # who presses Ctrl-C means it so.
            if number == signal.SIGHUP and before is signal.SIG_IGN:
                continue
            self._before[number] = before
            signal.signal(number, self._on_signal)
        if signal.getsignal(NUDGE) is signal.SIG_DFL:
            self._before[NUDGE] = signal.SIG_DFL
            signal.signal(NUDGE, self._on_nudge)
        self._wakeup = signal.set_wakeup_fd(-1)
        self._watch.listen()

    def _uninstall(self) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, before in self._before.items():
            if signal.getsignal(number) in (self._on_signal, self._on_nudge) and before is not None:
                signal.signal(number, before)
        _Runner.current = None

    def forget(self) -> None:
        """In a process that was forked off: its signals are its own, and must not be taken for ours."""
        try:
            self._uninstall()
        except ValueError:  # this interpreter does not think that it is in the main thread
            pass

    def _on_nudge(self, number: int, frame: FrameType | None) -> None:
        pass  # Python has run the handlers of all other signals that had arrived, which is what it is for

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # The Watch counts signals, wakes the main thread, and ends the process; this only keeps what it has to act on, and
        # interrupts what can be interrupted without a loss.
        self._watch.pass_on(number)
        if not self._watch.asks_to_stop(number):
            self._again = True
        elif self._asked is None:
            self._asked = number
            if number == signal.SIGINT:
                new_line()
            error = Asked(f"{name_of(number)} asked for a stop.")
            if self._phase is _Phase.LOADING:
                raise error
            progress = self._progress
            interruptible = self._phase is _Phase.STARTING and not progress.closing
            if interruptible and not interrupt(error, frame) and not progress.begun:
                raise error
        self._watch.news.put(number)

    # --- the life of a process ---

    def _run(self) -> int:
        loaded = self._loaded()
        if loaded is None:
            return BAD_DEFINITION if self._asked is None else self._nothing_started()
        live = self._start(*loaded)
        while isinstance(live, Live):
            self._wait()
            if self._asked is not None:
                return self._stop(live)
            self._again = False
            live = self._restart(live)
        return live

    def _loaded(self) -> tuple[System, list[Id]] | None:
        """What the function that was given gives now, and what a start would start; `None` where that cannot be."""
        try:
            try:
                self._phase = _Phase.LOADING
                system = self._load()
                return system, [step.id for step in system.plan("start", self._select)]
            finally:
                self._phase = _Phase.IDLE
        except Asked:
            return None
        except Exception as error:
            self._say(show.explained(error))
            return None

    def _start(self, system: System, ids: list[Id]) -> Live | int:
        """The live system, or the status with which the process ends."""
        self._progress.expect(ids)
        name = f"{system.name}, " if system.name else ""
        self._say(f"Starting {name}{show.count(len(ids), 'component')}")
        began = time.monotonic()
        self._watch.busy(True)
        try:
            try:
                self._phase = _Phase.STARTING
                if self._asked is not None:
                    raise Asked
                live = system.start(self._select, observers=(self._progress, *self._observers))
            finally:
                self._phase = _Phase.IDLE
                self._watch.busy(False)
        except BaseException as error:
            return self._did_not_start(system, error, began)
        self._watch.listen()  # asyncio, if a component used it, has left nothing to write to
        if self._asked is None:
            took = show.duration(time.monotonic() - began)
            self._say(f"{'All up in' if ids else 'Nothing to start; done in'} {took}. Ctrl-C stops.")
        return live

    def _did_not_start(self, system: System, error: BaseException, began: float) -> int:
        found = error.failures if isinstance(error, RunError) else self._progress.failures
        in_start = [f for f in found if f.signal != "stop" and not is_asked(f.error)]
        in_stop = [f for f in found if f.signal == "stop"]
        took = show.duration(time.monotonic() - began)
        again = " What had been started was stopped again." if self._progress.closing else ""
        if self._asked is not None and not in_start:
            self._say(f"The start was given up after {took}.{again}")
            if in_stop:
                self._say("\n" + show.failures(in_stop, system))
            return STOP_FAILED if in_stop else STOPPED
        if isinstance(error, StartError) or is_asked(error) or in_start:
            # A component that raised SystemExit has not ended the program; its start has failed.
            self._say(f"The start failed after {took}.{again}\n")
            self._say(show.failures(found, system) or str(error))
            return START_FAILED
        if isinstance(error, MainspringError):
            self._say(show.explained(error))
            return BAD_DEFINITION
        raise error

    def _nothing_started(self) -> int:
        self._say(f"{self._why()}: nothing was started.")
        return STOPPED

    def _wait(self) -> None:
        while self._asked is None and not self._again:
            self._watch.news.get()

    def _stop(self, live: Live) -> int:
        self._say(f"{self._why()}: stopping, within {self._grace:g} s")
        return STOPPED if self._stopped(live) else STOP_FAILED

    def _why(self) -> str:
        assert self._asked is not None
        return "The terminal was closed" if self._asked == signal.SIGHUP else name_of(self._asked)

    def _stopped(self, live: Live) -> bool:
        """Stop everything, and say whether all went well."""
        self._watch.limit(True)
        self._watch.busy(True)
        began = time.monotonic()
        error: BaseException | None = None
        found: Sequence[Failure] = ()
        try:
            live.stop()
        except StopError as failed:
            error, found = failed, failed.failures
        except (
            Exception,
            KeyboardInterrupt,
            SystemExit,
        ) as failed:  # such a thing comes out when everything was stopped
            error, found = failed, self._progress.failures
        self._watch.busy(False)
        took = show.duration(time.monotonic() - began)
        if error is None:
            self._say(f"All stopped in {took}.")
        else:
            self._say(f"Stopped in {took}, but not everything went well.\n")
            self._say(show.failures(found, live.definition) or show.explained(error))
        return error is None

    def _restart(self, live: Live) -> Live | int:
        self._say("SIGHUP: restarting")
        loaded = self._loaded()
        if loaded is None:
            if self._asked is None:
                self._say("The restart was given up. Everything runs on as it was.")
            return live
        well = self._stopped(live)
        if self._asked is not None:
            self._say(f"{self._why()}: not started again.")
            return STOPPED if well else STOP_FAILED
        abandoned = [str(id) for id, state in self._progress.states.items() if state is State.ABANDONED]
        if abandoned:
            # What hangs in it may still hold its port or its lock: only a new process is sure to be rid of it.
            self._say(f"Not started again, because of what was abandoned: {', '.join(abandoned)}.")
            return STOP_FAILED
        self._watch.limit(False)
        return self._start(*loaded)

    def _on_stopping(self) -> None:
        if self._phase is _Phase.STARTING:
            self._watch.listen()
            self._watch.limit(True)


def _in_a_forked_process() -> None:
    if _Runner.current is not None:
        _Runner.current.forget()


os.register_at_fork(after_in_child=_in_a_forked_process)
