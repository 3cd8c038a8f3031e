"""Ready-made wrappers, for `System.wrap`: one writes a log, one measures, one tries again."""

from __future__ import annotations

import logging
import random
from collections.abc import Generator
from functools import cache
from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Final

from . import Retry

if TYPE_CHECKING:
    from . import HandlerCall, Wrapper

__all__ = ["logged", "retried", "timed"]

_logger: Final = logging.getLogger("mainspring")


def logged(level: int = logging.INFO) -> Wrapper:
    """A wrapper that logs every call of a handler: that it begins, how long it took, and that it failed.

    The logger is `mainspring`. What fails is logged as an error, whatever the level.

    Parameters:
        level: of all other entries, as in the module `logging`.

    Returns:
        A wrapper; for equal levels the same.

    Raises:
        TypeError: `level` is no number.

    Example:
        >>> from mainspring import Component, System
        >>> with System({"a": {"b": Component(list)}}).wrap(logged(logging.DEBUG)).started() as live:
        ...     live["a.b"]
        []
    """
    if not isinstance(level, int):
        raise TypeError(
            f"logged makes a wrapper, and takes a level such as logging.INFO, not {level!r}: write logged()."
        )
    return _logged(level)


@cache
def _logged(level: int) -> Wrapper:
    def logged(call: HandlerCall) -> Generator[None, Any, Any]:
        _logger.log(level, "%s: %s", call.id, call.handler)
        began = perf_counter()
        try:
            result = yield
        except GeneratorExit:
            raise  # nobody waits for it any more
        except BaseException as error:
            took, kind = perf_counter() - began, type(error).__name__
            failed = logging.ERROR if isinstance(error, Exception) else level
            said = call.scrubbed(str(error))
            _logger.log(failed, "%s: %s failed after %.3f s: %s: %s", call.id, call.handler, took, kind, said)
            raise
        _logger.log(level, "%s: %s took %.3f s", call.id, call.handler, perf_counter() - began)
        return result

    logged.__qualname__ = logged.__name__  # it is known by how it was made
    return logged


def timed(call: HandlerCall) -> Generator[None, Any, Any]:
    """A wrapper that measures every call of a handler, also one that fails, and keeps that in the component's `meta`.

    `live.meta(id)["timing"]` has a dict for each handler ("start", "status", "pre start: announce"): `took`, the seconds of the
    last call; `at`, when it began, in seconds since the epoch; `calls`, how many there were.

    Parameters:
        call: the call.

    Example:
        >>> from mainspring import Component, System
        >>> with System({"a": {"b": Component(list)}}).wrap(timed).started() as live:
        ...     sorted(live.meta("a.b")["timing"]["start"])
        ['at', 'calls', 'took']
    """
    at, began = time(), perf_counter()
    try:
        return (yield)
    finally:
        took = perf_counter() - began
        by_handler = call.meta.setdefault("timing", {})
        calls = by_handler[call.handler]["calls"] if call.handler in by_handler else 0
        by_handler[call.handler] = {"took": took, "at": at, "calls": calls + 1}


def retried(
    times: int = 3,
    on: type[BaseException] | tuple[type[BaseException], ...] = (Exception,),
    *,
    wait: float = 0.1,
    factor: float = 2.0,
    most: float = 30.0,
    jitter: float = 0.5,
) -> Wrapper:
    """A wrapper that runs a handler again when it has failed.

    It is for any handler; for a start alone, the slot `retry` does more. What comes after the `yield` of a scope cannot be run
    twice, and is not.

    Parameters:
        times: how many attempts there are in all.
        on: the errors after which there is another one; any `Exception` if not given.
        wait: seconds before the second attempt.
        factor: by how much longer is waited each time.
        most: seconds that are waited at most.
        jitter: by what part of it a wait may be shorter or longer, by chance.

    Returns:
        A wrapper; for equal arguments the same.

    Raises:
        BadComponent: a value is of the wrong kind.

    Example:
        >>> from mainspring import Component, System
        >>> tries = iter([ConnectionError("refused")])
        >>> def status(instance):
        ...     for error in tries:
        ...         raise error
        ...     return "fine"
        >>> system = System({"a": {"b": Component(list, status=status)}})
        >>> with system.wrap(retried(2, wait=0), signals=["status"]).started() as live:
        ...     live.status()["a", "b"]
        'fine'
    """
    return _retried(Retry(times, on, wait=wait, factor=factor, most=most, jitter=jitter))


@cache
def _retried(retry: Retry) -> Wrapper:
    def retried(call: HandlerCall) -> Generator[float | None, Any, Any]:
        while True:
            try:
                return (yield None)
            except BaseException as error:
                if call.attempts >= retry.times or not call.is_repeatable or not retry.covers(error):
                    raise
            yield retry.delay(call.attempts, random.random())

    retried.__qualname__ = retried.__name__
    return retried


for _maker in (logged, retried):
    setattr(_maker, "makes_wrapper", True)  # noqa: B010 - so that the mistake of not calling it is told
