"""The error tree. Every error holds what it knows as data; its text is drawn from that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from . import _text

if TYPE_CHECKING:
    from ._core.callables import Id
    from .live import Live


class MainspringError(Exception):
    """The root: every error that Mainspring raises in its own name."""


# --- Errors of a definition -------------------------------------------------------------------------------------------


class Site(NamedTuple):
    """A place in a file.

    Parameters:
        file: the file's path, as Python or the reader of the file knows it; or another name of what was read.
        line: counted from 1; 0 where it is not known.
        column: counted from 1; 0 where it is not known.
    """

    file: str
    line: int
    column: int = 0

    def __str__(self) -> str:
        return ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])


class Problem(NamedTuple):
    """One thing wrong with a definition.

    Parameters:
        error: the class of error that this problem is raised as when it is alone.
        what: a sentence that says what is wrong, and why.
        id: the component it is in, if it is in one.
        path: where in the component, for example `("config", "dsn")`.
        site: file and line, where they are known.
        hint: what to do.
        details: the same as data, by names that the class of error documents.
    """

    error: type[DefinitionError]
    what: str
    id: Id | None = None
    path: tuple[str | int, ...] = ()
    site: Site | None = None
    hint: str = ""
    details: Mapping[str, Any] = {}

    def __str__(self) -> str:
        place = ""
        if self.id is not None:
            place = str(self.id) + (f", {_text.dotted(self.path)}" if self.path else "") + ": "
        lines = [place + self.what]
        if self.site is not None:
            lines.append(f"   at: {self.site}")
        if self.hint:
            lines.append(f"   do: {_text.indent(self.hint, '       ')}")
        return "\n".join(lines)


class DefinitionError(MainspringError):
    """Something is wrong with a definition. Nothing was started.

    Parameters:
        problems: every problem that was found, in the order as written.

    Example:
        >>> from mainspring import System, ref
        >>> try:
        ...     System({"a": {"x": [ref("a.z")], "y": [ref("b.z")]}}).start()
        ... except DefinitionError as error:
        ...     [str(problem.id) for problem in error.problems]
        ['a.x', 'a.y']
    """

    problems: tuple[Problem, ...]

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        texts = [f"[{problem.error.__name__}] {problem}" for problem in self.problems]
        return f"{len(texts)} problems in the definition:\n{_text.numbered(texts)}"

    def at(self, site: Site | None) -> Self:
        """The same error, with a place for those problems that have none."""
        return type(self)([p if p.site is not None else p._replace(site=site) for p in self.problems])

    @staticmethod
    def of(problems: Sequence[Problem]) -> DefinitionError:
        """The error for these problems: of their own class where they are all of one, a `DefinitionError` otherwise.

        Parameters:
            problems: at least one.
        """
        kinds = {problem.error for problem in problems}
        kind = kinds.pop() if len(kinds) == 1 else DefinitionError
        return kind(problems)


class BadId(DefinitionError):
    """A component id, a path or a name is not of the form it must have."""


class UnknownReference(DefinitionError):
    """A reference to nothing. `details`: target, or tag; candidates."""


class AmbiguousReference(DefinitionError):
    """A reference to the one component with a tag, which several carry. `details`: tag, candidates."""


class ReferenceToOff(DefinitionError):
    """A reference to a component that is switched off, and the reference is not optional. `details`: target."""


class CycleError(DefinitionError):
    """Components that need each other in a circle. `details`: cycle, a list of ids; reasons, the path of each link."""


class BadArguments(DefinitionError, TypeError):
    """Arguments that the component does not take or lacks, or that cannot be part of a definition.

    `details` may have: missing, unknown, accepts.
    """


class RequiredMissing(DefinitionError):
    """A value marked `required` has not been given."""


class BadComponent(DefinitionError, TypeError):
    """A component's slots do not fit together, or it has a handler for a signal that the system does not have."""


class BadOverride(DefinitionError):
    """An override names something that does not exist, or an addition something that does.

    `details`: path, candidates; cause, where a function given with `adjust` raised.
    """


class BadPlugin(DefinitionError):
    """A plugin cannot be applied to the system. `details`: plugin, its name; path, where it does not fit."""


class MergeConflict(DefinitionError):
    """Two systems that are merged, or two modules of a file, define the same place differently."""


class BadFile(DefinitionError):
    """A file cannot be read: it is not there, not of its format, says something twice, or is too large."""


class BadTag(DefinitionError):
    """A tag that there is not, or that can make nothing of what it is given. `details`: tag; candidates."""


class BadValue(DefinitionError):
    """A value is not what the schema of its component asks for. `details`: found, expected; candidates."""


class UnknownProfile(DefinitionError, LookupError):
    """A profile that no file speaks of. `details`: profile; candidates."""


# --- Errors of a run --------------------------------------------------------------------------------------------------


class Failure(NamedTuple):
    """One handler that failed.

    Parameters:
        id: the component.
        signal: the signal that was being sent to it; "stop" for a component that was being rolled back, "crash" for one that
            broke by itself.
        handler: the handler: the signal's name, or for example "post start: announce".
        error: what it raised, or an error of ours (`DeadlineExceeded`, `Interrupted`) about it.
    """

    id: Id
    signal: str
    handler: str
    error: BaseException


class BrokenReference(MainspringError, LookupError):
    """A reference into an instance found nothing at its path, when it was to be resolved. Always a leaf of a `StartError`."""


class RunError(MainspringError, ExceptionGroup[Exception]):
    """A request did not succeed. The group's leaves are the handlers' own exceptions, each with a note on where it arose.

    Parameters:
        message: one line.
        exceptions: the leaves.
        failures: the same as data.
        live: the live system as it is now.
    """

    failures: tuple[Failure, ...]
    live: Live | None

    def __new__(
        cls,
        message: str,
        exceptions: Sequence[Exception],
        failures: Sequence[Failure] = (),
        live: Live | None = None,
    ) -> RunError:
        """A group of `exceptions`, with the rest as attributes."""
        self = super().__new__(cls, message, exceptions)
        self.failures = tuple(failures)
        self.live = live
        return self

    def __init__(
        self,
        message: str,
        exceptions: Sequence[Exception],
        failures: Sequence[Failure] = (),
        live: Live | None = None,
    ) -> None:
        super().__init__(message, exceptions)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # The live system stays where it runs.
        return type(self), (self.message, self.exceptions, self.failures)

    def derive(self, excs: Sequence[Exception], /) -> RunError:  # type: ignore[override]
        """Part of this group, as `except*` makes it; keeps the class, the failures that belong to it, and `live`."""
        inside = {id(leaf) for error in excs for leaf in _leaves(error)}
        kept = [failure for failure in self.failures if any(id(leaf) in inside for leaf in _leaves(failure.error))]
        return type(self)(self.message, excs, kept, self.live)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


class StartError(RunError):
    """A start, or the start half of a restart, failed."""


class StopError(RunError):
    """A stop failed. Everything that could be stopped was stopped all the same."""


class SignalError(RunError):
    """Handlers of some other signal failed."""


class CrashError(RunError):
    """A component broke by itself while the system was running. Comes out of the block around the system, and of `join`."""


class UpdateError(RunError):
    """A change of a live system failed."""


class DeadlineExceeded(MainspringError, TimeoutError):
    """A handler took longer than it may. Always a leaf of a `RunError`.

    Parameters:
        what: which handler of which component.
        seconds: its deadline.
        abandoned: whether it is still running, given up on.
    """

    def __init__(self, what: str, seconds: float, *, abandoned: bool) -> None:
        self.what, self.seconds, self.abandoned = what, seconds, abandoned
        super().__init__(what, seconds, abandoned)

    def __str__(self) -> str:
        rest = "it is still running and was abandoned" if self.abandoned else "it has ended since"
        return f"{self.what} did not end within its deadline of {_text.duration(self.seconds)}; {rest}"


class Interrupted(MainspringError):
    """A start was given up because a stop was asked for. Always a leaf of a `StartError`."""


# --- Errors of use ----------------------------------------------------------------------------------------------------


class StateError(MainspringError):
    """A request that does not make sense now: from a handler of the same system, or in a state that does not allow it."""


class UnknownSignal(MainspringError, LookupError):
    """A signal that the system's table does not have."""


class UnknownComponent(MainspringError, LookupError):
    """An id, a group or a selection that names nothing in the system."""


class UnknownSystem(MainspringError, LookupError):
    """A name that no system has."""


class UnknownPlugin(MainspringError, LookupError):
    """A name that no installed plugin has."""


class NotStarted(MainspringError, LookupError):
    """A component that has no instance now."""


class WrongType(MainspringError, TypeError):
    """An instance is not of the type that `live.get` was asked for."""


class MissingExtra(MainspringError, ImportError):
    """A part of Mainspring that needs a library that is not installed.

    Parameters:
        extra: the name of the extra that brings it.
        needed_for: what was asked for.
    """

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra = extra
        self.install = f"pip install 'mainspring[{extra}]'"
        super().__init__(f"{needed_for} needs the extra {extra!r}. Install it with: {self.install}")
