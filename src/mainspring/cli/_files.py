"""Systems from files on the command line: profiles, settings, and what `--set` says of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mainspring import DefinitionError, Id, MainspringError, NamedSystem, Site, System

from ._load import Trouble
from ._set import overridden, split_setting, value_of

if TYPE_CHECKING:
    from mainspring import config

PROFILE: Final = "MAINSPRING_PROFILE"
SUFFIXES: Final = (".yaml", ".yml", ".json", ".toml", ".edn")


class Target(NamedTuple):
    """What the command line says about the system.

    Parameters:
        name: a name, `package.module:attribute`, or a file.
        profile: the profile, or several with commas; `None` where none is given.
        files: files with settings, the later ones on top.
        settings: what `--set` says, each `path=value`.
    """

    name: str
    profile: str | None
    files: Sequence[str]
    settings: Sequence[str]

    @property
    def is_file(self) -> bool:
        """Whether the system itself is in a file."""
        return os.path.splitext(self.name)[1].lower() in SUFFIXES

    def system(self, values: config.Values | None = None) -> System:
        """The system.

        Parameters:
            values: what is done with the arguments of components, where it is made of files.

        Raises:
            MainspringError: it cannot be had.
        """
        before = os.environ.get(PROFILE)
        # So that all that reads files, in functions of the user as well, does so in the profile.
        _put_profile(before if self.profile is None else self.profile)
        try:
            if not self.is_file and not self.files:
                made = System.named(self.name)
                if self.settings:
                    made = self._set(made, values)
            else:
                made = self._from_files(values)
        finally:
            _put_profile(before)
        if self.profile is not None and made.origins is None:
            raise Trouble(f"--profile {self.profile}: {self.name} is made of no file, and has no profiles.")
        return made

    def _set(self, made: System, values: config.Values | None) -> System:
        if made.origins is not None:
            from mainspring import config

            settings = config.settings_of(made)
            if settings is not None:
                return _with_values(settings, self.settings, values)
        return overridden(made, self.settings)

    def _from_files(self, values: config.Values | None) -> System:
        from mainspring import named_systems

        # Imports the modules that pyproject.toml lists: they may define tags.
        broken = [one for one in named_systems() if one.name is None]
        try:
            return self._read(values)
        except DefinitionError as error:
            raise _with_broken(error, broken) from error.__cause__

    def _read(self, values: config.Values | None) -> System:
        from mainspring import config

        if self.is_file:
            folder = os.path.dirname(os.path.abspath(self.name))
            if folder not in sys.path:
                sys.path.insert(1, folder)  # what a file names is often beside it
            settings = config.Settings(self.name, *self.files)
        else:
            settings = config.Settings(*self.files).over(System.named(self.name))
        if not self.settings:
            return settings.system(values=values)
        return _with_values(settings, self.settings, values)


def _with_broken(error: DefinitionError, broken: Sequence[NamedSystem]) -> DefinitionError:
    """An error that says, of tags that there are not, which modules could not be imported that may define them."""
    if not broken:
        return error
    names = " and ".join(one.target for one in broken)
    more = (
        f"It may be defined in {names}, which pyproject.toml lists and which cannot be imported: see `mainspring list`."
    )
    return type(error)(
        [
            problem._replace(hint=f"{problem.hint} {more}") if problem.what.startswith("There is no tag ") else problem
            for problem in error.problems
        ]
    )


def _with_values(settings: config.Settings, given: Sequence[str], values: config.Values | None) -> System:
    """The system with single values on top: as the last layers, so that whatever depends on them sees them.

    It is made once, with all of them, so that they can put right what is wrong in a file.
    """
    later: list[str] = []
    for setting in given:
        path, text = split_setting(setting)
        try:
            old = settings.at(path)
        except ValueError:  # no path at all, as the override says
            old = settings.NOWHERE
        except MainspringError:
            old = None  # what is wrong there is told of the system, if it still is
        if old is settings.NOWHERE:
            later.append(setting)  # no file can speak of it: an override knows whether there is such a thing
        else:
            settings = settings.with_values({path: value_of(path, text, old)})
    return overridden(settings.system(values=values), later)


def _put_profile(profile: str | None) -> None:
    if profile is None:
        os.environ.pop(PROFILE, None)
    else:
        os.environ[PROFILE] = profile


def provenance(target: Target, expand: bool | Sequence[str]) -> config.Provenance:
    """Where each value of the system is from."""
    from mainspring import config

    return config.explain(target.system(), expand=expand)


def schema(target: Target, plain: bool) -> Mapping[str, Any]:
    """The JSON Schema of a file with settings for the system, or with the system itself.

    Parameters:
        target: what the command line says.
        plain: whether it is for JSON or TOML, where a tag is a mapping.
    """
    from mainspring import config

    system = target.system("as written")  # no value has to be there, or right
    settings = config.settings_of(system)
    profiles = settings.known_profiles if settings is not None else ()
    plain = plain or os.path.splitext(target.name)[1].lower() in (".json", ".toml")
    return config.json_schema(system, profiles=profiles, yaml=not plain)


def profiles_of(system: System) -> Sequence[str]:
    """The profiles in which the files of a system were read."""
    from mainspring import config

    return config.explain(system).profiles if system.origins is not None else ()


def unused(system: System) -> Sequence[tuple[Id, Site]]:
    """The constants of files that nothing refers to, with their places."""
    from mainspring import config

    return config.unused(system) if system.origins is not None else ()
