"""From `package.module:attribute` to a system, with a sentence for everything that can be wrong with it."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from mainspring import Component, ComponentFunction, DefinitionError, Live, MainspringError, System
from mainspring.runner import show


class Trouble(MainspringError):
    """What the user asked for cannot be had; the message says why, in whole sentences."""


@contextmanager
def on_path(directory: str) -> Generator[None, None, None]:
    """Look for modules in a directory first, as `python -m` does."""
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        if directory in sys.path:
            sys.path.remove(directory)


def load(target: str) -> System:
    """The system that a target names. Called a second time, a function is called again; modules are imported once.

    Raises:
        Trouble: there is none.
        DefinitionError: the module or the function defines something that cannot be.
    """
    module_name, _, attributes = target.partition(":")
    _refuse_form(target, module_name, attributes)
    module = _imported(module_name)
    found: Any = module
    path = [module_name]
    for name in attributes.split("."):
        found = _attribute(found, name, path, module)
        path.append(name)
    return _system(found, target)


def _refuse_form(target: str, module: str, attributes: str) -> None:
    file, colon, rest = target.partition(".py")
    if colon and rest[:1] in ("", ":"):
        name = ".".join(part for part in Path(file).parts if part not in (".", os.sep))
        meant = f"{name}:{rest[1:] or 'system'}"
        raise Trouble(f"{target} names a file. Name the module, as for an import: {meant}")
    if not attributes:
        raise Trouble(
            f"{target} does not say which attribute of the module is the system. "
            f"Write module:attribute, for example {module or 'app'}:system"
        )
    if not all(part.isidentifier() for part in [*module.split("."), *attributes.split(".")]):
        raise Trouble(f"{target} is not of the form package.module:attribute, for example app.main:system")


# --- the module -------------------------------------------------------------------------------------------------------


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if (name == missing or name.startswith(missing + ".")) and not show.is_from_user(error):
            raise Trouble(_no_module(name, missing)) from None
        raise Trouble(_broken(name, error)) from None
    except DefinitionError:
        raise
    except SystemExit as error:
        raise Trouble(
            f"The module {name} ends the interpreter while it is imported: sys.exit({error.code!r})."
        ) from None
    except Exception as error:
        raise Trouble(_broken(name, error)) from None


def _broken(name: str, error: BaseException) -> str:
    return f"The module {name} cannot be imported.\n\n{show.indented(show.explained(error))}"


def _no_module(name: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    where = f"in {parent}" if parent else "in the current directory or on Python's path"
    head = f"There is no module {missing}" + (f", so no {name}" if missing != name else "")
    if parent:
        package = sys.modules[parent]
        folders = list(getattr(package, "__path__", []))
        if not folders:
            return f"{head}: {parent} is a module, not a package ({_relative(package.__file__ or '')})."
        known = [module.name for module in pkgutil.iter_modules(folders)]
        return f"{head}.{_near(last, known, f'{parent}.') or f' There is {where}: {_list(known)}.'}"
    here = Path.cwd()
    close = _near(last, _modules_in(here), "")
    if close:
        return f"{head}.{close}"
    below = [folder.name for folder in _folders(here) if last in _modules_in(folder)]
    if below:
        return f"{head} here, but there is one in {below[0]}. Did you mean -C {below[0]}?"
    return f"{head} {where}. The current directory is {here}."


def _modules_in(folder: Path) -> list[str]:
    try:
        return [
            entry.name.removesuffix(".py")
            for entry in sorted(folder.iterdir())
            if entry.name.removesuffix(".py").isidentifier()
            and (entry.suffix == ".py" or (entry.is_dir() and any(entry.glob("*.py"))))
        ]
    except OSError:  # it may not be read
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        return [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []


# --- the attribute ----------------------------------------------------------------------------------------------------


def _attribute(owner: Any, name: str, path: list[str], module: ModuleType) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        pass
    except Exception as error:
        whole = f"{path[0]}:{'.'.join([*path[1:], name])}"
        raise Trouble(f"{whole} cannot be looked up.\n\n{show.indented(show.explained(error))}") from None
    names = [known for known in dir(owner) if not known.startswith("__")]
    where = f"{path[0]}:{'.'.join(path[1:])}" if len(path) > 1 else path[0]
    if owner is module:
        file = getattr(module, "__file__", None)
        where = f"The module {where}" + (f" ({_relative(file)})" if file else ", a folder without __init__.py,")
    systems = [known for known in names if isinstance(inspect.getattr_static(owner, known, None), System)]
    if name in (module.name for module in pkgutil.iter_modules(getattr(owner, "__path__", []))):
        raise Trouble(f"{where} is a package. Did you mean {path[0]}.{name}:system?")
    hint = _near(name, names, "")
    if not hint and systems:
        hint = f" It has {show.count(len(systems), 'system')}: {_list(systems)}."
    raise Trouble(f"{where} has no attribute {name}.{hint or ' Nothing in it is a system.'}")


def _relative(file: str) -> str:
    here = os.path.join(os.getcwd(), "")
    return file.removeprefix(here)


# --- the system -------------------------------------------------------------------------------------------------------


def _system(found: Any, target: str) -> System:
    if isinstance(found, System):
        return found
    what = _what_else(found)
    if what:
        raise Trouble(f"{target} is not a system. {what}")
    function = getattr(found, "__name__", type(found).__name__)
    needed = _needed(found)
    if needed:
        raise Trouble(
            f"{target} needs {'an argument' if len(needed) == 1 else 'arguments'}: {_list(needed)}. "
            "A function that returns a system is called without any: give them defaults."
        )
    try:
        made = found()
    except DefinitionError:
        raise
    except SystemExit as error:
        raise Trouble(f"{target} ended the interpreter: sys.exit({error.code!r}).") from None
    except Exception as error:
        raise Trouble(f"{target} was called and raised.\n\n{show.indented(show.explained(error))}") from None
    if isinstance(made, System):
        return made
    if made is None:
        raise Trouble(f"{target} was called and returned None. Is there a return missing at the end of {function}?")
    raise Trouble(f"{target} was called and returned no system. {_what_else(made) or _instance(made)}")


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
    name = "None" if found is None else type(found).__name__
    return "It is None." if found is None else f"It is {'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}."


def _needed(function: Any) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


# --- near misses ------------------------------------------------------------------------------------------------------


def _near(word: str, known: Iterable[str], prefix: str) -> str:
    names = list(dict.fromkeys(known))
    folded = {name.casefold(): name for name in names}
    close = [folded[match] for match in difflib.get_close_matches(word.casefold(), folded, n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(prefix + name for name in close)}?" if close else ""


def _list(names: list[str], most: int = 8) -> str:
    return ", ".join(names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]) or "nothing"
