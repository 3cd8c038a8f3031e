"""How it is said what goes on: as lines, or as JSON.

Whoever speaks may be held up, by a terminal that was stopped with Ctrl-S or a pipe that nobody reads. What has to be said
while others work is said in a thread of its own, so that nothing else waits for it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Literal

from mainspring import Event, Failure, Id, State, System

from . import show
from ._notify import Manager
from ._progress import Progress, Work, is_asked, places, told
from .show import Say

Doing = Literal["start", "stop"]

STILL: Final = 3.0  # seconds until it is said for the first time what takes so long
_LONGEST: Final = 60.0
_STATUS: Final = 1.0
_MOST: Final = 4  # that are named one by one


class Display:
    """Says what goes on in lines of text.

    Parameters:
        progress: what is known.
        report: gets what there is to say.
        slow: seconds after which a handler that has not returned is spoken of with its place.
        manager: is told in a line what goes on.
        left: seconds of the grace period that are left; `None` while there is none.
    """

    def __init__(
        self, progress: Progress, report: Say, slow: float, manager: Manager, left: Callable[[], float | None]
    ) -> None:
        self.progress, self.report, self.left = progress, report, left
        self._slow, self._manager = slow, manager
        self.system: System | None = None
        self.doing: Doing | None = None
        self.began = 0.0
        self._every = self._next_still = self._next_status = 0.0
        self._news = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="mainspring-progress", daemon=True)

    # --- what others call ---

    def scrubbed(self, text: str) -> str:
        """A text without the secrets of the system."""
        return text if self.system is None else self.system.scrubbed(text)

    def open(self) -> None:
        """Begin to speak of what takes long."""
        self._thread.start()

    def close(self) -> None:
        """Say nothing more."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join(1.0)

    def begin(self, doing: Doing, system: System) -> None:
        """From now on handlers are called."""
        with self._news:
            self.system = system
            if self.doing is None:
                self.began = time.monotonic()
            self.doing = doing
            self._every = min(STILL, self._slow)
            self._next_still = time.monotonic() + self._every
            self._next_status = 0.0
            self._news.notify()

    def end(self) -> None:
        """All handlers have returned."""
        with self._news:
            self.doing = None
            self._news.notify()

    def leave(self) -> None:
        """The process is about to end, whatever is going on."""

    def say(self, what: str, text: str, **data: Any) -> None:
        """Say something: what kind of thing it is, in words for people, and as data for programs."""
        self.report(text)

    def change(self, event: Event, said: str) -> None:
        """A component changed."""
        if event.old == event.new:
            self._goes_on(event)
        elif event.signal == "crash":
            pass  # there is more to say than a line
        elif said:
            took = "" if event.took is None else f" {show.preposition(said)} {show.duration(event.took)}"
            tried = f", at attempt {event.attempt}" if event.attempt > 1 and event.new is State.RUNNING else ""
            self.report(f"  {event.id!s:<{self.progress.width}}  {said}{took}{tried}")

    def _goes_on(self, event: Event) -> None:
        """The component is in the state that it was in, and there is something to say about that."""
        if event.stack:
            work = self.progress.work.get(event.id)
            if work is not None:
                self._slow_one(event.id, work, {str(event.id): work.stack})
        elif event.error is not None:
            why = show.short_error(event.error, self.scrubbed)
            text = f"  {event.id!s:<{self.progress.width}}  attempt {event.attempt} failed ({why}), trying again"
            self.say("retry", text, id=str(event.id), attempt=event.attempt, error=why)

    def crash(self, failure: Failure, choice: str) -> None:
        """A component broke by itself; and what its `on_crash` says."""
        assert self.system is not None
        after = {"dependents": "What needs it is stopped. Everything else runs on.", "keep": "Everything else runs on."}
        goes_on = [after[choice]] if choice in after and self.doing != "stop" else []
        text = "\n".join([show.failures([failure], self.system), *goes_on])
        self.say(
            "crash", text, id=str(failure.id), error=show.short_error(failure.error, self.scrubbed), on_crash=choice
        )

    def last_words(self, report: Say, text: str) -> None:
        """Say why the process ends at once."""
        report(text)

    # --- the thread ---

    def _serve(self) -> None:
        # A signal that the kernel hands to this thread would not wake the main thread from what it waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            with self._news:
                patience = self._patience(time.monotonic()) if self.doing else None
                if not self._closed:
                    self._news.wait(patience)
                if self._closed:
                    return
                doing = self.doing
            if doing:
                try:
                    self.tick(doing, time.monotonic())
                except Exception:
                    import logging

                    self.leave()
                    logging.getLogger("mainspring").exception("Nothing more is said of what takes long.")
                    return

    def _patience(self, now: float) -> float:
        moments = [self._next_still]
        if self._manager:
            moments.append(self._next_status)
        moments += [work.since + self._slow for _, work in self.progress.under_way() if not work.told]
        return max(0.01, min(moments) - now)

    def tick(self, doing: Doing, now: float) -> None:
        """Say what takes long, where it does."""
        slow = [
            (id, work) for id, work in self.progress.under_way() if not work.told and now - work.since >= self._slow
        ]
        if slow:
            stacks = places(slow)
            for id, work in slow:
                work.told = True
                mine = {str(id): stacks.pop(str(id), "")}
                # Those of nobody knows whom are shown once, with the last.
                self._slow_one(id, work, mine if (id, work) is not slow[-1] else {**mine, **stacks})
        if now >= self._next_still:
            self._every = min(2 * self._every, _LONGEST)
            self._next_still = now + self._every
            self.still(doing, now)
        if self._manager and now >= self._next_status:
            self._next_status = now + _STATUS
            with self._news:
                if self.doing is not None:  # else it is no longer true, and what is has been said
                    self._manager.status(self.status())

    def _slow_one(self, id: Id, work: Work, stacks: dict[str, str]) -> None:
        now = time.monotonic()
        self.say(
            "slow",
            "\n".join(told(stacks, [(id, work)], now)),
            id=str(id),
            doing=work.doing,
            seconds=round(now - work.since, 6),
            stack=stacks.get(str(id), ""),
        )

    def still(self, doing: Doing, now: float) -> None:
        """Say what is still under way."""
        under_way = self.progress.under_way()
        if not under_way:
            return
        stops = any(work.doing == "stopping" for _, work in under_way)
        words = [f"{id} for {show.duration(now - work.since)}" for id, work in under_way[:_MOST]]
        if len(under_way) > _MOST:
            words.append(f"{len(under_way) - _MOST} more")
        left, rest = self.left(), self._to_come(stops) - len(under_way)
        within = f", {show.duration(left)} left" if left is not None and stops and left < 1e9 else ""
        text = f"Still {'stopping' if stops else 'starting'}{within}: {', '.join(words)}"
        text += f"; {rest} to come" if rest > 0 else ""
        data = [{"id": str(id), "doing": work.doing, "seconds": round(now - work.since, 6)} for id, work in under_way]
        self.say("still", text, under_way=data, to_come=max(0, rest), left=None if left is None or left > 1e9 else left)

    def _to_come(self, stops: bool) -> int:
        return len(self.progress.left) if stops else self.progress.count(State.DEFINED, State.STARTING)

    def status(self) -> str:
        """What goes on, in a line."""
        progress = self.progress
        names = [str(id) for id, _ in progress.under_way()]
        shown = ", ".join([*names[:_MOST], *([f"{len(names) - _MOST} more"] if len(names) > _MOST else [])])
        if progress.closing:
            head = f"Stopping: {show.count(len(progress.left), 'component')} left"
        else:
            head = f"Starting: {progress.count(State.RUNNING)} of {len(progress.rows)} up"
        return f"{head}{'; ' if shown else ''}{shown}"


class Json(Display):
    """Says what goes on as lines of JSON, each an object with `time` (ISO 8601), `what` and what belongs to it."""

    def say(self, what: str, text: str, **data: Any) -> None:
        """Say something."""
        self._write(what, {**data, "text": text.strip("\n")})

    def change(self, event: Event, said: str) -> None:
        """A component changed."""
        if event.old == event.new:
            self._goes_on(event)
        elif event.signal != "crash":
            data: dict[str, Any] = {
                "id": str(event.id),
                "signal": event.signal,
                "old": str(event.old),
                "new": str(event.new),
            }
            data |= {} if event.took is None else {"took": round(event.took, 9)}
            if event.error is not None:
                data["error"] = "given up" if is_asked(event.error) else show.short_error(event.error, self.scrubbed)
            self._write("change", data)

    def _write(self, what: str, data: dict[str, Any]) -> None:
        self.report(_object(what, data))

    def last_words(self, report: Say, text: str) -> None:
        """Say why the process ends at once."""
        report(_object("ending at once", {"text": text}))


def _object(what: str, data: dict[str, Any]) -> str:
    import json
    from datetime import UTC, datetime

    return json.dumps({"time": datetime.now(UTC).isoformat(), "what": what, **data}, ensure_ascii=False)
