"""What happens when: start, wait, restart, stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum
from types import FrameType
from typing import Any, Final, Literal

from mainspring import (
    Event,
    Failure,
    Id,
    Live,
    MainspringError,
    MissingExtra,
    RunError,
    StartError,
    State,
    StateError,
    StopError,
    System,
    interrupt,
)

from . import show
from ._display import Display, Json
from ._init import leave_process_1
from ._notify import Manager, Pulse
from ._progress import Asked, Progress, is_asked
from ._watch import NUDGE, SIGNALS, Watch, name_of, new_line
from .show import Say, say

How = Literal["auto", "tree", "lines", "json"]

STOPPED: Final = 0
START_FAILED: Final = 1
BAD_DEFINITION: Final = 2
STOP_FAILED: Final = 3
CRASHED: Final = 4
_MOMENT: Final = 1.0  # seconds; the Watch takes far less


def run(
    system: System | Callable[[], System] | str,
    *,
    select: str | Id | Iterable[str | Id] | None = None,
    grace: float = 30.0,
    slow: float = 10.0,
    observers: Iterable[Callable[[Event], object]] = (),
    report: Callable[[str], object] = say,
    progress: How = "auto",
    exits: bool = False,
) -> int:
    """Run a system as a process: start it, wait until a signal asks for a stop, stop it in order.

    SIGINT (Ctrl-C) and SIGTERM ask for a stop, during a start too: what had been started is stopped again. Repeated, they end
    the process at once. SIGHUP restarts, except where the process was told to ignore it (`nohup`), and where it came because
    the terminal was closed: then it asks for a stop. A handler that hangs is given up on, with the whole process, when the
    grace period is over. A component that crashes has the system, or a part of it, stopped as its `on_crash` says; where that
    is everything, the process ends. The signals' handlers are put back at the end.

    A service manager that speaks systemd's protocol (`NOTIFY_SOCKET`, `WATCHDOG_USEC`) is told what goes on. In process 1, as
    in a container, the process is split in two first: one that passes signals on and clears up after orphaned processes, and
    one that goes on. So call it early, before there are threads.

    Parameters:
        system: a system, or a function that gives one, or the name of a system, as `System.named` takes it. A function is
            called again for each restart, and a name looked up again, before anything is stopped; if that fails, the system
            keeps running as it is.
        select: an id, a group, a pattern, a tag, or several of them; everything if not given.
        grace: seconds that stopping may take.
        slow: seconds after which a handler that has not returned is reported, with the place where it is.
        observers: are told every change of state, as in `System.start`.
        report: gets what there is to say, in pieces of one or several lines; by default they go to standard error. It is called
            in several threads.
        progress: how it is said what goes on: "lines" says it in lines of text, "json" in lines of JSON. "tree" draws a live tree
            while components start and stop; it needs the extra `rich`, and is lines where standard error is no terminal or a
            `report` is given. "auto" is the tree where there is rich, and lines where not.
        exits: whether the process ends when this returns. The signals' handlers are not put back then, and a signal that comes
            when everything is stopped does not change the exit status any more.

    Returns:
        The exit status: 0 stopped when asked to; 1 the start failed; 2 the definition has problems; 3 something failed in
        stopping; 4 a component crashed, and everything was stopped for it. The process ends without a return, with `os._exit`,
        with 3 when the grace period is over, and with 128 + n on a second signal n.

    Raises:
        StateError: it was not called in the main thread.
        MissingExtra: the tree was asked for, and rich is not there.

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
    kind = _display(progress, report)
    alone = leave_process_1()
    runner = _Runner(_loader(system), select, tuple(observers), report, grace, slow, kind, exits)
    if not alone:
        runner.warn(
            "This is process 1, and it has several threads already: processes that lose their parents will stay as zombies. "
            "Call run() before there are threads, or give the container an init (docker run --init)."
        )
    return runner.run()


def _loader(system: System | Callable[[], System] | str) -> Callable[[], System]:
    if isinstance(system, str):
        return lambda: System.named(system)
    return system if callable(system) else lambda: system


def _display(progress: str, report: Say) -> type[Display]:
    if progress == "lines":
        return Display
    if progress == "json":
        return Json
    if progress not in ("auto", "tree"):
        raise ValueError(f'progress must be "auto", "tree", "lines" or "json", not {progress!r}')
    from importlib.util import find_spec

    if find_spec("rich") is None:
        if progress == "tree":
            raise MissingExtra("rich", "The live tree")
        return Display
    from ._tree import Tree, fits

    return Tree if report is say and sys.stderr is sys.__stderr__ and fits() else Display


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
        report: Say,
        grace: float,
        slow: float,
        display: type[Display],
        exits: bool,
    ) -> None:
        self._exits = exits
        self._load, self._observers, self._report, self._grace = load, observers, show.careful(report), grace
        self._select = list(select) if isinstance(select, Iterable) and not isinstance(select, str | Id) else select
        self._phase = _Phase.IDLE
        self._asked: int | None = None
        self._again = False
        self._gone = False  # whether nothing runs any more, after a crash
        self._live: Live | None = None
        self._before: dict[int, Any] = {}
        self._wakeup = -1
        self._manager = Manager(os.environ)
        self._progress = Progress()
        self._watch = Watch(self._progress, self._last_words, grace, lambda: self._display.leave())
        self._display = display(self._progress, self._in_turn, slow, self._manager, self._watch.left)
        calls = self._progress.calls
        calls.change = self._display.change
        calls.stopping = self._on_stopping
        calls.crash = self._on_crash
        calls.gone = self._on_gone

    def _in_turn(self, text: str) -> None:
        if self._asked is not None:
            # Whoever sees what is said may answer with a second signal, which must not be taken for an echo of the first.
            self._watch.settled.wait(_MOMENT)
        self._report(text)

    def _say(self, text: str, what: str = "message", **data: Any) -> None:
        self._display.say(what, text, **data)

    def _last_words(self, text: str) -> None:
        self._display.last_words(self._report, text)

    def warn(self, text: str) -> None:
        """Say something before it begins."""
        self._say(text)

    def run(self) -> int:
        pulse: Pulse | None = None
        self._watch.start()
        self._display.open()
        try:
            every = self._manager.watchdog
            if every is not None:
                pulse = Pulse(self._manager, every / 2, self._is_well)
            self._install()
            return self._run()
        except Asked:  # it can only have been raised before anything was started
            return self._nothing_started()
        finally:
            if self._asked is not None:
                self._watch.settled.wait(_MOMENT)  # an echo is not to meet the handlers of others
            if pulse is not None:
                pulse.close()
            self._display.close()
            self._uninstall(exits=self._exits)
            self._watch.close()
            self._manager.close()

    def _is_well(self, seconds: float) -> bool:
        live = self._live
        if live is None:
            return (
                True  # handlers are being called, which may take their time: the grace period and deadlines bound that
            )
        if signal.getsignal(NUDGE) == self._on_nudge and not self._watch.is_main_thread_well(seconds):
            return False
        try:
            # A request for nothing. Where there are async components it goes through their event loop.
            live.status(())
        except Exception:
            pass  # it was given up for another request, so somebody is awake
        return True

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

    def _uninstall(self, *, exits: bool = False) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, before in self._before.items():
            if signal.getsignal(number) in (self._on_signal, self._on_nudge) and before is not None:
                # The interpreter still has to end, which may take a while, and everything is stopped already.
                signal.signal(number, signal.SIG_IGN if exits and number in SIGNALS else before)
        _Runner.current = None

    def forget(self) -> None:
        """In a process that was forked off: its signals are its own, and must not be taken for ours."""
        try:
            self._uninstall()
        except ValueError:  # this interpreter does not think that it is in the main thread
            pass

    def _on_nudge(self, number: int, frame: FrameType | None) -> None:
        self._watch.reacted()  # Python has run the handlers of all other signals that had arrived, too

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
            self._live = live
            self._wait()
            self._live = None
            if self._asked is not None or self._is_over():
                return self._stop(live)
            self._again = False
            live = self._restart(live)
        return live

    def _is_over(self) -> bool:
        """Whether a crash is the end of everything, because it is to be or because nothing else runs any more."""
        return self._gone or any(self._on_crash_of(failure.id) == "stop" for failure in self._progress.crashes)

    def _on_crash_of(self, id: Id) -> str:
        assert self._display.system is not None
        return self._display.system.describe()[id].on_crash

    def _loaded(self) -> tuple[System, dict[Id, tuple[Id, ...]]] | None:
        """What the function that was given gives now, and what a start would start; `None` where that cannot be."""
        try:
            try:
                self._phase = _Phase.LOADING
                system = self._load()
                return system, {step.id: step.after for step in system.plan("start", self._select)}
            finally:
                self._phase = _Phase.IDLE
        except Asked:
            return None
        except Exception as error:
            self._say(show.explained(error), "failed")
            return None

    def _start(self, system: System, needs: dict[Id, tuple[Id, ...]]) -> Live | int:
        """The live system, or the status with which the process ends."""
        self._progress.expect(needs)
        self._gone = False
        name = f"{system.name}, " if system.name else ""
        number = show.count(len(needs), "component")
        self._say(f"Starting {name}{number}", "starting", components=len(needs))
        began = time.monotonic()
        self._display.begin("start", system)
        try:
            try:
                self._phase = _Phase.STARTING
                if self._asked is not None:
                    raise Asked
                live = system.start(self._select, observers=(self._progress, *self._observers))
            finally:
                self._phase = _Phase.IDLE
                self._display.end()
        except BaseException as error:
            return self._did_not_start(system, error, began)
        self._watch.listen()  # asyncio, if a component used it, has left nothing to write to
        if self._asked is None:
            took = time.monotonic() - began
            done = "All up in" if needs else "Nothing to start; done in"
            self._manager.ready(f"Running: {number} up")
            self._say(f"{done} {show.duration(took)}. Ctrl-C stops.", "up", took=round(took, 9))
        return live

    def _did_not_start(self, system: System, error: BaseException, began: float) -> int:
        found = error.failures if isinstance(error, RunError) else self._progress.failures
        in_start = [f for f in found if f.signal != "stop" and not is_asked(f.error)]
        in_stop = [f for f in found if f.signal == "stop"]
        took = show.duration(time.monotonic() - began)
        again = " What had been started was stopped again." if self._progress.closing else ""
        if self._asked is not None and not in_start:
            self._say(f"The start was given up after {took}.{again}", "given up")
            if in_stop:
                self._say("\n" + show.failures(in_stop, system), "failed")
            return STOP_FAILED if in_stop else STOPPED
        if isinstance(error, StartError) or is_asked(error) or in_start:
            # A component that raised SystemExit has not ended the program; its start has failed.
            self._say(f"The start failed after {took}.{again}\n", "start failed")
            scrub = system.scrubbed
            self._say(show.failures(found, system) or scrub(str(error)), "failed")
            why = "; ".join(f"{f.id}: {show.short_error(f.error, scrub)}" for f in in_start)
            why = why or show.short_error(error, scrub)
            self._manager.status(f"The start failed: {why}")
            return START_FAILED
        if isinstance(error, MainspringError):
            self._say(show.explained(error, system.scrubbed), "failed")
            return BAD_DEFINITION
        raise error

    def _nothing_started(self) -> int:
        self._say(f"{self._why()}: nothing was started.")
        return STOPPED

    def _wait(self) -> None:
        while self._asked is None and not self._again and not self._is_over():
            self._watch.news.get()

    def _stop(self, live: Live) -> int:
        crashed = self._is_over()
        grace = None if self._grace == float("inf") else self._grace  # JSON knows no infinity
        if self._asked is not None:
            why = self._why()
            text = f"{why}: stopping"
        else:
            why = "crash"
            text = f"Stopping after the crash of {', '.join(str(failure.id) for failure in self._progress.crashes)}"
        self._say(f"{text}, within {self._grace:g} s", "stopping", why=why, grace=grace)
        self._manager.stopping(text, self._grace)
        well = self._stopped(live)
        return CRASHED if crashed else STOPPED if well else STOP_FAILED

    def _why(self) -> str:
        assert self._asked is not None
        return "The terminal was closed" if self._asked == signal.SIGHUP else name_of(self._asked)

    def _stopped(self, live: Live) -> bool:
        """Stop everything, and say whether all went well."""
        self._watch.limit(True)
        began = time.monotonic()
        self._display.begin("stop", live.definition)
        error: BaseException | None = None
        found: list[Failure] = []
        try:
            live.stop()
        except StopError as failed:
            error, found = failed, list(failed.failures)
        except (
            Exception,
            KeyboardInterrupt,
            SystemExit,
        ) as failed:  # such a thing comes out when everything was stopped
            error = failed
        self._display.end()
        # What was stopped for a crash, by the live system itself, has nobody else to tell of its failures.
        known = {id(failure.error) for failure in found}
        found += [f for f in self._progress.failures if f.signal == "stop" and id(f.error) not in known]
        seconds = time.monotonic() - began
        took = show.duration(seconds)
        if error is None and not found:
            self._say(f"All stopped in {took}.", "stopped", took=round(seconds, 9), well=True)
        else:
            text = f"Stopped in {took}, but not everything went well.\n"
            self._say(text, "stopped", took=round(seconds, 9), well=False)
            said = show.failures(found, live.definition) or (
                show.explained(error, live.definition.scrubbed) if error is not None else ""
            )
            self._say(said, "failed")
        return error is None and not found

    def _restart(self, live: Live) -> Live | int:
        self._say("SIGHUP: restarting", "restarting")
        self._manager.reloading("SIGHUP: restarting", time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        loaded = self._loaded()
        if loaded is None:
            if self._asked is None:
                self._say("The restart was given up. Everything runs on as it was.")
                self._manager.ready("Running: the restart was given up")
            return live
        well = self._stopped(live)
        if self._asked is not None:
            self._say(f"{self._why()}: not started again.")
            return STOPPED if well else STOP_FAILED
        abandoned = [str(id) for id in self._progress.in_state(State.ABANDONED)]
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

    def _on_crash(self, failure: Failure) -> None:
        choice = self._on_crash_of(failure.id)
        self._display.crash(failure, choice)
        if choice == "stop":
            self._watch.limit(True)
        else:
            self._manager.status(
                f"Running; {failure.id} crashed: {show.short_error(failure.error, self._display.scrubbed)}"
            )
        self._watch.news.put(0)

    def _on_gone(self) -> None:
        crashed = any(self._on_crash_of(failure.id) != "keep" for failure in self._progress.crashes)
        if crashed and self._phase is _Phase.IDLE:
            self._gone = True
            self._watch.news.put(0)


def _in_a_forked_process() -> None:
    if _Runner.current is not None:
        _Runner.current.forget()


os.register_at_fork(after_in_child=_in_a_forked_process)
