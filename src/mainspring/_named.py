"""Named systems: registered by a decorator, listed in pyproject.toml, or named by where they are."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, NamedTuple, NoReturn, TypeVar, overload

from . import _text
from ._core.callables import doc_of, signature_of
from ._core.define import ComponentFunction
from ._core.model import Component, site_of
from .errors import BadArguments, BadId, DefinitionError, MainspringError, Problem, Site, UnknownSystem
from .live import Live
from .system import System

F = TypeVar("F", bound=Callable[[], System])

_NAME: Final = re.compile(r"\w[\w.-]*")
_FORM: Final = "A name is made of letters, digits, _, - and dots, and begins with a letter, a digit or _."
_KEYS: Final = ("modules", "systems")
_SYSTEM_KEYS: Final = ("target", "doc", "profile", "settings")
_FILES: Final = (".yaml", ".yml", ".json", ".toml", ".edn")
_TABLE: Final = "[tool.mainspring]"


class NamedSystem(NamedTuple):
    """A system that has a name, or a module of which it is not known which systems it registers.

    Parameters:
        name: the name; `None` for a module that is listed in pyproject.toml and cannot be imported.
        target: where it is, `package.module:attribute`; the module's name for a module.
        doc: what is said of it in pyproject.toml, or the docstring of the function that makes it.
        site: file and line of that function, where it is one.
        error: why it cannot be had, as far as that is known without calling the function.
    """

    name: str | None
    target: str
    doc: str | None = None
    site: Site | None = None
    error: MainspringError | None = None


# --- Registered by the decorator --------------------------------------------------------------------------------------


class _Registered(NamedTuple):
    function: Callable[[], Any]
    target: str
    site: Site | None

    @classmethod
    def of(cls, function: Callable[[], Any]) -> _Registered:
        code = getattr(inspect.unwrap(function), "__code__", None)
        site = Site(code.co_filename, code.co_firstlineno) if code is not None else None
        kind = type(function)
        module = getattr(function, "__module__", kind.__module__)
        return cls(function, f"{module}:{getattr(function, '__qualname__', kind.__qualname__)}", site)

    def is_again(self, other: _Registered) -> bool:
        """Whether it is the same function, made again by another run of the same lines."""
        if self.target == other.target:
            return True
        # A module that is run with `python -m` and imported has two names.
        same_name = self.target.partition(":")[2] == other.target.partition(":")[2]
        return same_name and self.site is not None and other.site is not None and self.site.file == other.site.file


_registry: dict[str, _Registered] = {}


@overload
def named_system(name: str, /) -> Callable[[F], F]: ...
@overload
def named_system(function: F, /) -> F: ...
def named_system(name: Any, /) -> Any:
    """A decorator that gives the system which a function returns a name.

    The name works wherever a system is asked for: in `System.named`, in `run`, and on the command line. The function stays as it
    is, and is called each time when the name is used.

    Parameters:
        name: the name; the function's own if not given. The docstring of the function says what the system is for.

    Returns:
        The function.

    Raises:
        BadArguments: what it stands before is no function, or one that cannot be called without arguments.
        BadId: the name is not of the form it must have.
        DefinitionError: another function has this name.

    Example:
        >>> from mainspring import System
        >>> @named_system("hello-world")
        ... def hello() -> System:
        ...     '''Says hello.'''
        ...     return System({"env": {"greeting": "Hello"}})
        >>> System.named("hello-world")
        <System: env.greeting>
    """
    frame = sys._getframe(1)
    site = site_of(frame.f_code, frame.f_lasti)
    if not isinstance(name, str):
        return _register(getattr(name, "__name__", ""), name, site)
    if _NAME.fullmatch(name) is None:
        raise BadId([Problem(BadId, f"{name!r} cannot be the name of a system.", site=site, hint=_FORM)])
    return lambda function: _register(name, function, site)


def _register(name: str, function: Any, site: Site) -> Any:
    unfit = _unfit(name, function)
    if unfit:
        what = f"named_system is for functions that return a system: {name or repr(function)} cannot be registered. {unfit}"
        hint = "Write a function without required arguments that returns the system."
        raise BadArguments([Problem(BadArguments, what, site=site, hint=hint)])
    new = _Registered.of(function)
    old = _registry.get(name)
    if old is not None and not new.is_again(old):
        raise _two(name, old, new)
    _registry[name] = new
    return function


def _unfit(name: str, function: Any) -> str:
    """Why a function cannot be registered; empty where it can."""
    if isinstance(function, System):
        return "It is a system itself, which may be listed in pyproject.toml as it is."
    what, wants = _what_else(function), _wants(function)
    if what or wants:
        return what or f"It {wants}"
    return "" if _NAME.fullmatch(name) else 'It has no name of its own that could be used: named_system("name").'


def _two(name: str, old: _Registered, new: _Registered) -> DefinitionError:
    what = f"There are two systems named {name}: {old.target} ({_place(old.site)}) and {new.target}."
    hint = "Give one of them another name."
    return DefinitionError([Problem(DefinitionError, what, site=new.site, hint=hint, details={"name": name})])


@contextmanager
def isolated() -> Generator[None, None, None]:
    """In the block nothing is registered at first; at its end everything is as it was before. For tests."""
    before, path = dict(_registry), list(sys.path)
    _registry.clear()
    try:
        yield
    finally:
        _registry.clear()
        _registry.update(before)
        sys.path[:] = path


# --- Listed in pyproject.toml -----------------------------------------------------------------------------------------


class _Listed(NamedTuple):
    target: str
    doc: str | None = None
    profile: str | None = None
    settings: tuple[str, ...] = ()


class _Project(NamedTuple):
    file: str
    modules: tuple[str, ...]
    systems: Mapping[str, _Listed]

    @property
    def directory(self) -> str:
        return os.path.dirname(self.file)

    def import_modules(self, name: str | None = None) -> list[tuple[str, MainspringError]]:
        """Import what may register systems. Gives those modules that cannot be imported, and why.

        Raises:
            DefinitionError: two functions register `name`.
        """
        broken: list[tuple[str, MainspringError]] = []
        for module in self.modules:
            try:
                self._imported(module)
            except DefinitionError as error:
                if name is not None and any(problem.details.get("name") == name for problem in error.problems):
                    raise
                broken.append((module, error))
            except UnknownSystem as error:
                broken.append((module, error))
        return broken

    def _imported(self, module: str) -> ModuleType:
        self._count_directory()
        return _imported(module, self.directory)

    def found(self, name: str) -> Any:
        """What a name that is listed stands for: a system, or a function that may make one.

        Raises:
            UnknownSystem: there is no such thing.
            DefinitionError: it is registered, too, and as something else.
        """
        entry = self.systems[name]
        target = entry.target
        self._count_directory()
        thing = (
            _of_files(entry, self.directory) if entry.settings or _is_file(target) else _found(target, self.directory)
        )
        registered = _registry.get(name)
        if registered is not None and thing is not registered.function and registered.target != target:
            what = f"There are two systems named {name}: {registered.target} and {target}, which is listed in {_TABLE}."
            hint = f"Take it out of {_relative(self.file)}, or give one of them another name."
            problem = Problem(DefinitionError, what, site=registered.site, hint=hint, details={"name": name})
            raise DefinitionError([problem])
        return thing

    def _count_directory(self) -> None:
        # It stays there: components may import something as late as in their start.
        if os.path.realpath(self.directory) not in map(os.path.realpath, sys.path):
            sys.path.insert(0, self.directory)


def _project() -> _Project | None:
    """The nearest pyproject.toml that has a table of ours, from the current directory upwards.

    Raises:
        DefinitionError: it cannot be read, or the table is not as it must be.
    """
    try:
        directory = os.getcwd()
    except OSError:  # it was removed
        return None
    while True:
        file = os.path.join(directory, "pyproject.toml")
        if os.path.isfile(file):
            project = _read(file)
            if project is not None:
                return project
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def _read(file: str) -> _Project | None:
    try:
        with open(file, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error), 1) from None
    if b"mainspring" not in data:
        return None  # whatever else is in it, wrong or right, is none of our business
    import tomllib

    try:
        text = data.decode()
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise _unreadable(file, "it is not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", place)
        raise _unreadable(file, what or str(error), int(line[1]) if line else len(data.splitlines())) from None
    tool = table.get("tool", {})
    if not isinstance(tool, dict) or "mainspring" not in tool:
        return None
    return _Reader(file, text).project(tool["mainspring"])


def _unreadable(file: str, why: str, line: int) -> DefinitionError:
    what = f"{_relative(file)} cannot be read: {why[:1].lower()}{why[1:]}."
    return DefinitionError([Problem(DefinitionError, what, site=Site(file, line))])


class _Reader:
    """Reads the table, and finds all that is wrong with it."""

    def __init__(self, file: str, text: str) -> None:
        self._file, self._lines = file, text.splitlines()
        self._problems: list[Problem] = []

    def project(self, table: Any) -> _Project:
        modules: list[str] = []
        systems: dict[str, _Listed] = {}
        if self._is_table(table, "mainspring", _TABLE):
            self._keys(table, _KEYS, _TABLE)
            given = table.get("modules", [])
            if isinstance(given, list) and all(isinstance(module, str) for module in given):
                modules = given
                for module in given:
                    if not all(part.isidentifier() for part in module.split(".")):
                        self._wrong(f"{module!r} in modules cannot be the name of a module", "modules")
            else:
                self._wrong(f"modules is {given!r}, not a list of names of modules", "modules")
            listed = table.get("systems", {})
            if self._is_table(listed, "systems", "systems"):
                systems = {name: self._system(name, entry) for name, entry in listed.items()}
        if self._problems:
            raise DefinitionError.of(self._problems)
        return _Project(self._file, tuple(modules), systems)

    def _system(self, name: str, entry: Any) -> _Listed:
        if _NAME.fullmatch(name) is None:
            self._wrong(f"{name!r} cannot be the name of a system", name, _FORM)
        if isinstance(entry, str):
            return _Listed(entry)
        example = f'For example: {name} = "app.main:system", or {{ target = "app.main:system", doc = "..." }}'
        if not isinstance(entry, dict):
            self._wrong(f"the system {name} is {entry!r}, not a target", name, example)
            return _Listed("")
        self._keys(entry, _SYSTEM_KEYS, f"the system {name}")
        target, doc = entry.get("target"), entry.get("doc")
        if target is None:
            self._wrong(f"the system {name} has no target", name, example)
        elif not isinstance(target, str):
            self._wrong(f"the target of {name} is {target!r}, not a text", "target", example)
        if not isinstance(doc, str | None):
            self._wrong(f"the doc of {name} is {doc!r}, not a text", "doc")
        profile, settings = entry.get("profile"), entry.get("settings", [])
        settings = [settings] if isinstance(settings, str) else settings
        if not isinstance(profile, str | None):
            self._wrong(f"the profile of {name} is {profile!r}, not a text", "profile")
        elif profile is not None and not settings and not _is_file(str(target)):
            self._wrong(
                f"the system {name} has a profile, and neither settings nor a file that has profiles", "profile"
            )
        if not isinstance(settings, list) or not all(isinstance(file, str) for file in settings):
            self._wrong(f"the settings of {name} are {settings!r}, not files", "settings")
            settings = []
        return _Listed(str(target), doc if isinstance(doc, str) else None, profile, tuple(settings))

    def _is_table(self, table: Any, key: str, what: str) -> bool:
        if not isinstance(table, dict):
            self._wrong(f"{what} is {table!r}, not a table", key)
        return isinstance(table, dict)

    def _keys(self, table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in known:
                hint = _text.hint_near(key, known, what="key")
                self._wrong(f"{where} has a key {key}, which means nothing", key, hint)

    def _wrong(self, what: str, key: str, hint: str = "") -> None:
        text = f"{_relative(self._file)}: {what}."
        self._problems.append(Problem(DefinitionError, text, site=Site(self._file, self._line(key)), hint=hint))

    def _line(self, key: str) -> int:
        # The parser does not say where a key stands: so where it seems to stand, and failing that, where our table begins.
        ours = [n for n, line in enumerate(self._lines, 1) if re.match(r"\s*\[?\s*tool\b.*\bmainspring\b", line)]
        first = ours[0] if ours else 1
        pattern = re.compile(rf"""(?:^|.*[\s{{,.\[])["']?{re.escape(key)}["']?\s*[=.\]]""")
        return next((n for n, line in enumerate(self._lines, 1) if n >= first and pattern.match(line)), first)


# --- From a name to a system ------------------------------------------------------------------------------------------


def named(name: str) -> System:
    """The system of a name, or that of a target, `package.module:attribute`. What `System.named` does.

    A function is called each time; modules are imported once.

    Raises:
        UnknownSystem: there is none. Where that is because something raised, that is the cause.
        DefinitionError: the module or the function defines something that cannot be, or there are two of that name.
    """
    if _is_file(name):
        project = _project()
        if project is not None:
            project.import_modules()  # they may define tags
        return _of_files(_Listed(name), None)()
    if ":" in name:
        return _made(_found(name, None), name)
    project = _project()
    broken = project.import_modules(name) if project is not None else []
    if project is not None and name in project.systems:
        target = project.systems[name].target
        try:
            return _made(project.found(name), target)
        except UnknownSystem as error:
            if _is_from_user(error):
                raise  # the function has asked for another name
            what = f"{name} stands for {target} ({_relative(project.file)}). {error}"
            raise UnknownSystem(what) from error.__cause__
    registered = _registry.get(name)
    if registered is None:
        _refuse_name(name, project, broken)
    return _made(registered.function, registered.target)


def named_systems() -> list[NamedSystem]:
    """Every system that has a name: those in the nearest pyproject.toml as they are listed there, then those registered.

    What is listed is imported. What cannot be had has its `error`, and does not keep the others from being found.

    Raises:
        DefinitionError: pyproject.toml cannot be read, or its table is not as it must be.

    Example:
        >>> from mainspring import System
        >>> @named_system
        ... def demo() -> System:
        ...     '''Shows how it works.'''
        ...     return System({"env": {"greeting": "Hello"}})
        >>> {entry.name: entry.doc for entry in named_systems()}["demo"]
        'Shows how it works.'
    """
    project = _project()
    found: list[NamedSystem] = []
    broken: list[tuple[str, MainspringError]] = []
    listed: Mapping[str, _Listed] = {}
    if project is not None:
        broken, listed = project.import_modules(), project.systems
        found = [_listed(project, name) for name in listed]
    for name, entry in _registry.items():
        if name not in listed:
            found.append(NamedSystem(name, entry.target, doc_of(entry.function), entry.site))
    return found + [NamedSystem(None, module, error=error) for module, error in broken]


def _listed(project: _Project, name: str) -> NamedSystem:
    target, doc, *_ = project.systems[name]
    try:
        thing = project.found(name)
        if isinstance(thing, System):
            return NamedSystem(name, target, doc)
        _refuse_else(thing, target)
    except (UnknownSystem, DefinitionError) as error:
        return NamedSystem(name, target, doc, error=error)
    return NamedSystem(name, target, doc or doc_of(thing), _Registered.of(thing).site)


def _refuse_name(name: str, project: _Project | None, broken: list[tuple[str, MainspringError]]) -> NoReturn:
    known = sorted({*_registry, *(project.systems if project is not None else ())})
    _refuse_file(name, name)
    top, places = name.partition(".")[0], {_current_directory(), *([project.directory] if project is not None else [])}
    is_module = any(top in _modules_in(place) for place in places)
    if is_module and project is None and not known:
        # Who uses no names has forgotten the attribute.
        raise UnknownSystem(
            f"{name} does not say which attribute of the module is the system. "
            f"Write module:attribute, for example {name}:system"
        )
    text = [f"There is no system named {name}."]
    close = _text.near(name, known)
    if close:
        text.append(f"Did you mean {_text.either(close)}?")
    if is_module:
        text.append(f"There is a module of that name; name an attribute of it: {name}:system")
    if known and close != known:
        text.append(f"There is: {_list(known, 20)}.")
    if project is None:
        text.append(
            f"None is {'listed' if known else 'registered'}: "
            f"no pyproject.toml in {_current_directory()} or above it has a table {_TABLE}."
        )
        if not known:
            text.append("A system without a name is given as package.module:attribute.")
    else:
        text.append(f"It is not in {_TABLE} of {project.file}, and no module that is imported registers it.")
    if broken:
        modules = [module for module, _ in broken]
        text.append(f"It may be in {_text.either(modules)}, which cannot be imported.")
    raise UnknownSystem(" ".join(text)) from (broken[0][1] if broken else None)


def _current_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return os.curdir


# --- From a target to what it names -----------------------------------------------------------------------------------


def _found(target: str, directory: str | None) -> Any:
    """What a target names.

    Parameters:
        target: `package.module:attribute`.
        directory: where it is said to be looked for; the current directory if not given.

    Raises:
        UnknownSystem: there is no such thing. Where that is because something raised, that is the cause.
        DefinitionError: the module defines something that cannot be.
    """
    module_name, _, attributes = target.partition(":")
    _refuse_form(target, module_name, attributes)
    module = _imported(module_name, directory)
    found: Any = module
    path = [module_name]
    for name in attributes.split("."):
        found = _attribute(found, name, path, module)
        path.append(name)
    return found


def _is_file(target: str) -> bool:
    """Whether a target is a file that says a system."""
    return os.path.splitext(target)[1].lower() in _FILES and ":" not in target


def _of_files(entry: _Listed, directory: str | None) -> Callable[[], System]:
    """A function that reads a system from files, or settings for one written in Python.

    The environment variable MAINSPRING_PROFILE counts for more than what is listed.
    """

    def read() -> System:
        # The room is known by name only, so that all the rest works without it.
        config: Any = importlib.import_module(".config", __package__)
        files = [os.path.join(directory or "", file) for file in entry.settings]
        profile = None if os.environ.get("MAINSPRING_PROFILE") else entry.profile
        if _is_file(entry.target):
            found: System = config.load(os.path.join(directory or "", entry.target), *files, profile=profile)
        else:
            found = config.load(*files, system=_made(_found(entry.target, directory), entry.target), profile=profile)
        return found

    return read


def _refuse_form(target: str, module: str, attributes: str) -> None:
    _refuse_file(target, target)
    if not attributes:
        raise UnknownSystem(
            f"{target} does not say which attribute of the module is the system. "
            f"Write module:attribute, for example {module or 'app'}:system"
        )
    if not all(part.isidentifier() for part in [*module.split("."), *attributes.split(".")]):
        raise UnknownSystem(f"{target} is not of the form package.module:attribute, for example app.main:system")


def _refuse_file(target: str, path: str) -> None:
    file, colon, rest = path.partition(".py")
    if colon and rest[:1] in ("", ":"):
        name = ".".join(part for part in file.split(os.sep) if part not in ("", "."))
        meant = f"{name}:{rest[1:] or 'system'}"
        raise UnknownSystem(f"{target} names a file. Name the module, as for an import: {meant}")


def _imported(name: str, directory: str | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if (name == missing or name.startswith(missing + ".")) and not _is_from_user(error):
            raise UnknownSystem(_no_module(name, missing, directory)) from None
        raise _broken(name) from error
    except DefinitionError:
        raise
    except SystemExit as error:
        raise UnknownSystem(
            f"The module {name} ends the interpreter while it is imported: sys.exit({error.code!r})."
        ) from None
    except Exception as error:
        raise _broken(name) from error


def _broken(name: str) -> UnknownSystem:
    return UnknownSystem(f"The module {name} cannot be imported.")


def _is_from_user(error: BaseException) -> bool:
    """Whether the user's code was running when an error arose."""
    ours = ("<frozen importlib", os.path.dirname(importlib.__file__) + os.sep, __file__)
    trace = error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(ours):
            return True
        trace = trace.tb_next
    return False


def _no_module(name: str, missing: str, directory: str | None) -> str:
    import pkgutil

    parent, _, last = missing.rpartition(".")
    head = f"There is no module {missing}" + (f", so no {name}" if missing != name else "")
    if parent:
        package = sys.modules[parent]
        folders = list(getattr(package, "__path__", []))
        if not folders:
            return f"{head}: {parent} is a module, not a package ({_relative(package.__file__ or '')})."
        known = [module.name for module in pkgutil.iter_modules(folders)]
        return f"{head}.{_near(last, known, f'{parent}.') or f' There is in {parent}: {_list(known)}.'}"
    here = directory or _current_directory()
    close = _near(last, _modules_in(here), "")
    if close:
        return f"{head}.{close}"
    below = [folder for folder in _folders(here) if last in _modules_in(os.path.join(here, folder))]
    if directory is not None:
        hint = f" There is one in {below[0]}, which is not on Python's path." if below else ""
        where = "the current directory" if directory == _current_directory() else directory
        return f"{head} in {where} or on Python's path.{hint}"
    if below:
        return f"{head} here, but there is one in {below[0]}. Did you mean -C {below[0]}?"
    return f"{head} in the current directory or on Python's path. The current directory is {here}."


def _modules_in(folder: str) -> list[str]:
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = entry.name.removesuffix(".py")
                if name.isidentifier() and (name != entry.name or _has_modules(entry)):
                    found.append(name)
    except OSError:  # it may not be read
        pass
    return found


def _has_modules(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and any(name.endswith(".py") for name in os.listdir(entry.path))
    except OSError:
        return False


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def _attribute(owner: Any, name: str, path: list[str], module: ModuleType) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        pass
    except Exception as error:
        raise UnknownSystem(f"{path[0]}:{'.'.join([*path[1:], name])} cannot be looked up.") from error
    import pkgutil

    names = [known for known in dir(owner) if not known.startswith("__")]
    where = f"{path[0]}:{'.'.join(path[1:])}" if len(path) > 1 else path[0]
    if owner is module:
        file = getattr(module, "__file__", None)
        where = f"The module {where}" + (f" ({_relative(file)})" if file else ", a folder without __init__.py,")
    systems = [known for known in names if isinstance(inspect.getattr_static(owner, known, None), System)]
    if name in (module.name for module in pkgutil.iter_modules(getattr(owner, "__path__", []))):
        raise UnknownSystem(f"{where} is a package. Did you mean {path[0]}.{name}:system?")
    hint = _near(name, names, "")
    if not hint and systems:
        hint = f" It has {_text.count(len(systems), 'system')}: {_list(systems)}."
    raise UnknownSystem(f"{where} has no attribute {name}.{hint or ' Nothing in it is a system.'}")


def _relative(file: str) -> str:
    return file.removeprefix(os.path.join(_current_directory(), ""))


def _place(site: Site | None) -> str:
    return f"{_relative(site.file)}:{site.line}" if site is not None else "nobody knows where"


# --- From what was found to a system ----------------------------------------------------------------------------------


def _made(found: Any, target: str) -> System:
    if isinstance(found, System):
        return found
    _refuse_else(found, target)
    try:
        made = found()
    except (DefinitionError, UnknownSystem):
        raise
    except SystemExit as error:
        raise UnknownSystem(f"{target} ended the interpreter: sys.exit({error.code!r}).") from None
    except Exception as error:
        raise UnknownSystem(f"{target} was called and raised.") from error
    if isinstance(made, System):
        return made
    if made is None:
        function = getattr(found, "__name__", type(found).__name__)
        raise UnknownSystem(
            f"{target} was called and returned None. Is there a return missing at the end of {function}?"
        )
    raise UnknownSystem(f"{target} was called and returned no system. {_what_else(made) or _instance(made)}")


def _refuse_else(found: Any, target: str) -> None:
    what = _what_else(found)
    if what:
        raise UnknownSystem(f"{target} is not a system. {what}")
    wants = _wants(found)
    if wants:
        raise UnknownSystem(f"{target} {wants}")


def _what_else(found: Any) -> str:
    """What something is instead of a system; empty where it may be a function that returns one."""
    if isinstance(found, ComponentFunction):
        return (
            f"It is a component function. Called, it gives a definition, which has its place in a system: "
            f'System({{"group": {{"{found.__name__}": {found.__name__}(...)}}}}).'
        )
    if isinstance(found, Component):
        return 'It is the definition of one component. Give it a name in a system: System({"group": {"name": ...}}).'
    if isinstance(found, Live):
        return "It is a live system, which was started already. Name the system that it was started from."
    if isinstance(found, ModuleType):
        return f"It is a module. Name an attribute of it: {found.__name__}:system"
    if inspect.isclass(found):
        return "It is a class." + (" A system is an object of it: system = System({...})." if found is System else "")
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        return "It is an async function. A function that returns a system must be a plain one: defining starts nothing."
    if isinstance(found, Mapping):
        return f"It is a {type(found).__name__}. Make a system of it: System(...)."
    return "" if callable(found) else _instance(found)


def _instance(found: Any) -> str:
    return "It is None." if found is None else f"It is {_text.a(type(found).__name__)}."


def _wants(function: Any) -> str:
    """What a function needs to be called, as a sentence without its subject; empty where it needs nothing."""
    signature = signature_of(function)
    needed = [
        p.name
        for p in (signature.parameters.values() if signature is not None else ())
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if not needed:
        return ""
    return (
        f"needs {'an argument' if len(needed) == 1 else 'arguments'}: {_list(needed)}. "
        "A function that returns a system is called without any: give them defaults."
    )


def _near(word: str, known: Iterable[str], prefix: str) -> str:
    # Of names that differ in case only one is enough: `system` beside the class `System`.
    folded = {name.casefold(): name for name in known}
    close = [folded[name] for name in _text.near(word.casefold(), folded)]
    return f" Did you mean {_text.either([prefix + name for name in close])}?" if close else ""


def _list(names: list[str], most: int = 8) -> str:
    return ", ".join(names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]) or "nothing"
