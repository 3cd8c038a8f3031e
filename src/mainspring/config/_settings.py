"""What files say, as one: `Settings`; and the two short ways to it, `read` and `load`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypedDict

from mainspring import BadFile, DefinitionError, Problem, Site, System, UnknownProfile

from . import _words as words
from ._build import Values, built, explained, standing_at
from ._evaluate import (
    ABSENT,
    Deferred,
    Document,
    Later,
    Map,
    Node,
    Options,
    Realizer,
    Session,
    TagFunction,
    data_of,
    kept_as_data,
    settled,
    walk,
)
from ._form import Entries, Form, Items, Limits, Places, Scalar, Tag, bad_file, data_form, form_of, key_form
from ._groups import ABOUT, Grouped
from ._origins import FileOrigins
from ._sources import Found, Resolver, collector_paused, found, found_once, is_file_name, looked_for, resolver_of
from ._tags import host_name, known_tags, names_of, user_name

if TYPE_CHECKING:
    from typing import Unpack

    from ._origins import Provenance

PROFILE_VARIABLE: Final = "MAINSPRING_PROFILE"


class Reading(TypedDict, total=False):
    """What `read`, `load` and `Settings` may be told."""

    profile: str | Sequence[str] | None
    environ: Mapping[str, str]
    hostname: str
    user: str
    props: Mapping[str, Any]
    bind: Mapping[str, Any]
    resolver: Resolver | Mapping[str, Any] | str
    missing_includes: Literal["error", "marker"]
    missing_refs: Literal["error", "warn"]
    tags: Iterable[str]
    limits: Limits


class Settings:
    """What several sources say together, the later ones on top. Nothing in them is worked out before somebody asks.

    Parameters:
        sources: what is read: paths, texts (`text`), open files, mappings, settings objects of pydantic, containers of OmegaConf.
        profile: the profile, or several, which are tried in this order; by default the environment variable
            MAINSPRING_PROFILE (several with commas), and failing that, what the files say under `mainspring.profile`.
        environ: the environment variables for `env`; those of the process if not given.
        hostname, user: the name of the machine and of the user; asked of the operating system if not given.
        props: what the tag `prop` finds.
        bind: what the tag `var` finds.
        resolver: finds the files that are included: "adaptive" (beside the including file, in the current folder, or
            `package:path`), "relative", `root(folder)`, `package(name)`, a mapping of names to sources, or a function.
        missing_includes: what a file is that is included and not there: an "error", or a "marker", `{"missing-include": name}`.
        missing_refs: what a reference to nothing in the file is: an "error"; or "warn", a warning and `None`.
        tags: the names of the tags that may be used; all if not given.
        limits: how much is read.

    Raises:
        BadFile: a source cannot be read.
        UnknownProfile: no source speaks of the profile.

    Example:
        >>> from mainspring import config
        >>> base = config.text("env: {port: 8080, host: localhost}", "yaml")
        >>> config.Settings(base, {"env": {"port": 9090}}).data()
        {'env': {'port': 9090, 'host': 'localhost'}}
    """

    def __init__(self, *sources: Any, **options: Unpack[Reading]) -> None:
        self._read(sources, options)
        self._profiles: tuple[str, ...] = self._chosen(options.get("profile"))

    def _read(self, sources: Sequence[Any], options: Reading) -> None:
        known = Reading.__annotations__
        for name in options:
            if name not in known:
                raise TypeError(f"there is no option {name!r}. {words.hint_near(name, known, what='option')}")
        if "tags" in options:
            options["tags"] = tuple(options["tags"])  # an iterator ends, and it is asked more than once
        self._given = options
        self._layers: list[Found | tuple[str, str, Form]] = []
        limits = options.get("limits") or Limits()
        with collector_paused():
            for source in sources:
                self._layers.append(found(source, limits))
        self._limits = limits
        self._files: dict[Any, Any] = {}  # those that were included
        self._sessions: dict[bool, tuple[Session, Node]] = {}
        self._lock = threading.RLock()
        self._uses = 0  # how many of one thread are within one another
        self._base: System | None = None
        environ = options.get("environ")
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._declared: tuple[str, ...] | None = None  # the profiles that are listed
        self._said = self._about()
        self._declared = _named_in(self._said["profiles"]) if "profiles" in self._said else None

    # --- profiles ---

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles in use, in the order in which they are tried."""
        return self._profiles

    @property
    def known_profiles(self) -> tuple[str, ...]:
        """The profiles that there are: those listed under `mainspring.profiles`; or all that a tag `profile` names."""
        if self._declared is not None:
            return self._declared
        names: dict[str, None] = {}
        for form in self._forms():
            for inner in walk(form):
                for key in _keys_of_profile(inner):
                    names |= dict.fromkeys(sorted(names_of(key)))
        names.pop("default", None)
        return tuple(names)

    def _forms(self) -> list[Form]:
        """All that is written, with what can be seen to be included."""
        forms = [layer.form if isinstance(layer, Found) else layer[2] for layer in self._layers]
        seen: set[Any] = set()
        rest = [(layer.form, layer.folder) for layer in self._layers if isinstance(layer, Found)]
        resolver = resolver_of(self._given.get("resolver", "adaptive"))
        while rest:
            form, folder = rest.pop()
            for inner in walk(form):
                included = _included_name(inner)
                if included is None:
                    continue
                name, from_package = included
                try:
                    source = looked_for(resolver, name, from_package, folder)
                    one = found_once(source, self._files, self._limits)
                except (DefinitionError, TypeError):
                    continue  # said where it is needed
                if one.identity not in seen:
                    seen.add(one.identity)
                    forms.append(one.form)
                    rest.append((one.form, one.folder))
        return forms

    def _chosen(self, given: str | Sequence[str] | None) -> tuple[str, ...]:
        about = self._said
        by, site = "", self._site()
        profiles = _texts(given) if given is not None else ()
        if profiles is None:
            raise BadFile([Problem(BadFile, f"profile is {given!r}, and names of profiles are needed.")])
        if not profiles and self._environ.get(PROFILE_VARIABLE):
            profiles = _texts(self._environ[PROFILE_VARIABLE]) or ()
            by, site = f", which --profile or the variable {PROFILE_VARIABLE} says", self._site()
        if not profiles and "profile" in about:
            by, site = ", which mainspring.profile says", about["profile"].site or site
            profiles = _named_in(about["profile"])
        known = self.known_profiles if profiles else ()  # all that is written has to be looked through for them
        for profile in profiles:
            if profile not in known and profile != "default":
                there = f"There is: {', '.join(known)}." if known else "The files speak of no profile."
                near = words.hint_near(profile, known, what="profile") if known else ""
                more = "ist it under profiles in the section mainspring."
                hint = f"{near} Or l{more}" if near.startswith("Did") else f"L{more}"
                what = f"There is no profile {words.quoted(profile)}{by}. {there}"
                details = {"profile": profile, "candidates": known}
                raise UnknownProfile([Problem(UnknownProfile, what, None, (), site, hint, details)])
        return profiles

    def _site(self) -> Site | None:
        names = [layer.name for layer in self._layers if isinstance(layer, Found) and layer.name != "python"]
        return Site(names[0], 0) if names else None

    def _about(self) -> dict[str, Node]:
        """Where the files say something about profiles, as far as that can be known without one."""
        options = self._options(())
        unknown = TagFunction("profile", _not_yet, True)
        names = ("profile", "ig/profile")
        session = Session(options._replace(tags={**options.tags, **dict.fromkeys(names, unknown)}), False, self._files)
        said: dict[str, Node] = {}
        _, nodes = self._tree(session, Node.of)
        for node in nodes:
            for key in ("profile", "profiles"):
                found: Node | None = node
                try:
                    for part in (ABOUT, key):
                        head = found.known() if found is not None else None
                        found = head.nodes.get(part) if isinstance(head, Map) else None
                except DefinitionError:
                    continue  # said where all is worked out
                if found is not None:
                    said[key] = found
        return {key: node for key, node in said.items() if data_of(node) is not None}

    # --- working out ---

    def _options(self, profiles: tuple[str, ...]) -> Options:
        given = self._given
        hostname, user = given.get("hostname"), given.get("user")
        tags = given.get("tags")
        for name, known in (("missing_includes", ("error", "marker")), ("missing_refs", ("error", "warn"))):
            if given.get(name, "error") not in known:
                raise ValueError(f"{name} must be {words.either(known)}, not {given.get(name)!r}")
        return Options(
            profiles,
            self._environ,
            host_name if hostname is None else lambda: hostname,
            user_name if user is None else lambda: user,
            given.get("props") or {},
            given.get("bind") or {},
            resolver_of(given.get("resolver", "adaptive")),
            given.get("missing_includes", "error"),
            given.get("missing_refs", "error"),
            known_tags(None if tags is None else list(tags)),
            self._limits,
            self._declared,
        )

    def _documents(self, session: Session) -> list[tuple[Document, Form]]:
        made: list[tuple[Document, Form]] = []
        for layer in self._layers:
            if isinstance(layer, Found):
                kind = "python" if layer.name == "python" else "file"
                name = "" if kind == "python" else layer.name
                document = Document(session, name, layer.format, layer.folder, layer.identity, None, kind)
                made.append((document, layer.form))
            else:
                made.append((Document(session, layer[1], kind=layer[0]), layer[2]))
        return made

    def _root(self, is_system: bool) -> tuple[Session, Node]:
        """The top of the tree; worked out once for data, and once for a system."""
        known = self._sessions.get(is_system)
        if known is not None:
            return known
        session = Session(self._options(self._profiles), is_system, self._files)
        root, _ = self._tree(session, Grouped.of if is_system else Node.of)
        self._sessions[is_system] = session, root
        return session, root

    def _tree(self, session: Session, node_of: Callable[[Document, Form], Node]) -> tuple[Node, list[Node]]:
        """All layers as one, and each of them."""
        documents = self._documents(session)
        nodes = []
        for document, form in documents:
            if len(documents) > 1 and isinstance(form, Scalar) and form.value is None:
                continue  # an empty file says nothing about what is below it
            nodes.append(node_of(document, form))
        root = Node.layered(nodes, ()) if nodes else node_of(Document(session, "nothing"), form_of({}))
        for document, _ in documents:
            document.root = root
        return root, nodes

    def data(self) -> Any:
        """What the sources say, as plain data: every tag worked out, references followed, secrets as `Secret`.

        Raises:
            DefinitionError: with everything that cannot be worked out.
        """
        realizer = Realizer(lambda mark, node: mark)
        pending: list[Deferred] = []
        value: Any = ABSENT

        def keep(mark: Any, node: Node) -> Any:
            if isinstance(mark, Deferred):
                pending.append(mark)
                return Later(mark, node)
            return kept_as_data(mark, node, realizer)

        realizer.keep = keep
        with self._told(False) as root, collector_paused():
            try:
                value = realizer.data(root)
            except DefinitionError as error:
                realizer.note(error)
            if not realizer.problems and isinstance(value, dict):
                value = {key: one for key, one in value.items() if key != ABOUT}
            if not realizer.problems and pending:
                value = settled(value, realizer)
            if realizer.problems:
                raise DefinitionError.of(realizer.problems) from realizer.cause
        return None if value is ABSENT else value

    @contextmanager
    def _told(self, is_system: bool) -> Generator[Node, None, None]:
        """One use of the tree: one thread at a time, with all the room that the limits give.

        What is wrong within is told without secrets, and as an error of ours where it is nested too deeply for Python.
        """
        with self._lock:
            session, root = self._root(is_system)
            if not self._uses:
                session.begin()
            self._uses += 1
            try:
                yield root
            except DefinitionError as error:
                cleaned = session.cleaned(error)
                if cleaned is error:
                    raise
                raise cleaned from None
            except RecursionError:
                raise bad_file("It is nested too deeply, or contains itself.", self._site()) from None
            finally:
                self._uses -= 1

    def bind(self, bound: Mapping[str, Any]) -> Settings:
        """The same settings with more variables bound, for the tag `var`.

        Parameters:
            bound: values by name.
        """
        return self._again(bind={**self._given.get("bind", {}), **bound})

    def with_profile(self, *profiles: str) -> Settings:
        """The same settings with other profiles.

        Parameters:
            profiles: tried in this order.

        Raises:
            UnknownProfile: no source speaks of one.
        """
        return self._again(profile=profiles)

    def over(self, system: System) -> Settings:
        """The same settings as settings for a system written in Python, which they are laid over.

        Parameters:
            system: what they are for.
        """
        made = self._again()
        made._base = system
        return made

    NOWHERE: ClassVar[Any] = ABSENT
    """What `at` gives where nothing is written."""

    def at(self, path: str) -> Any:
        """What stands at a place of a system, worked out.

        Parameters:
            path: for example "env.port".

        Returns:
            The value; `None` where it is not known before the system is built; `NOWHERE` where nothing is, and no file could say
            something.

        Raises:
            DefinitionError: it cannot be worked out.
        """
        with self._told(True):
            return standing_at(self, path)

    def with_values(self, values: Mapping[str, Any], origin: str = "command line") -> Settings:
        """The same settings with single values on top, each in the place of all that stands there.

        Parameters:
            values: by path, for example "env.port"; a part of a path may be a position in a list. They are data, in which a key
                that begins with a dollar is no tag; those that functions of `config.tags` made are tags.
            origin: where these are from, for `explain`.
        """
        made = self._again()
        for path, value in values.items():
            form = data_form(value)
            for part in reversed(words.split_id(path)):
                form = Places([(key_form(part), form)])
            made._layers.append((origin, f"--set {path}" if origin == "command line" else path, form))
        return made

    def another(self, source: Any) -> Settings:
        """The settings of another source, read as these are, in those of the profiles in use that it speaks of.

        Parameters:
            source: as for `Settings`.

        Raises:
            BadFile: it cannot be read.
        """
        made = object.__new__(Settings)
        made._read([source], self._given)
        known = {*made.known_profiles, "default"} if self._profiles else ()
        made._profiles = tuple(one for one in self._profiles if one in known)
        if not made._profiles and "profile" in made._said:
            made._profiles = _named_in(made._said["profile"])  # its own choice, where nobody chose one that it knows
        return made

    def _again(self, **options: Any) -> Settings:
        made = object.__new__(Settings)
        made.__dict__.update(self.__dict__)
        made._layers = list(self._layers)
        made._sessions = {}
        made._lock, made._uses = threading.RLock(), 0
        made._given = {**self._given, **options}  # type: ignore[typeddict-item]
        if "profile" in options:
            made._profiles = made._chosen(options["profile"])
        return made

    # --- a system ---

    def system(self, *, values: Values | None = None, expand: bool | Iterable[str] = True) -> System:
        """The system that the sources say. Imports the components that they name; starts nothing.

        Parameters:
            values: what is done with the arguments of components: "convert" them to what the parameters ask for, "check" only,
                or leave them "as written"; by default what the files say under `mainspring.values`, or else "convert".
            expand: whether modules are expanded, or the ids of those that are.

        Raises:
            DefinitionError: with everything that is wrong.
        """
        with self._told(True), collector_paused():
            return built(self, values, expand)

    def explain(self, *, expand: bool | Iterable[str] = True) -> Provenance:
        """Where each value is from.

        Parameters:
            expand: whether modules are expanded, or the ids of those that are.

        Raises:
            DefinitionError: with everything that cannot be worked out.
        """
        with self._told(True):
            return explained(self, expand)

    def __repr__(self) -> str:
        names = [layer.name if isinstance(layer, Found) else layer[1] for layer in self._layers]
        with_profile = f", profile {', '.join(self._profiles)}" if self._profiles else ""
        return f"<Settings: {' < '.join(names) or 'nothing'}{with_profile}>"


def _keys_of_profile(form: Form) -> list[Any]:
    """The keys of a tag `profile`, as far as they are plainly written."""
    inside: Form | None = None
    if isinstance(form, Tag) and form.name in ("profile", "ig/profile"):
        inside = form.form
    elif isinstance(form, Entries) and len(form.pairs) == 1:
        key = form.pairs[0][0]
        inside = form.pairs[0][1] if isinstance(key, Scalar) and key.value in ("$profile", "$ig/profile") else None
    if not isinstance(inside, Entries):
        return []
    return [_plain_key(key) for key, _ in inside.pairs if isinstance(key, Scalar | Items)]


def _plain_key(key: Form) -> Any:
    if isinstance(key, Items):
        return tuple(_plain_key(item) for item in key.items)
    return key.value if isinstance(key, Scalar) else ""


def _included_name(form: Form) -> tuple[str, str] | None:
    """The file and the package of a tag `include`, or of a subsystem or a module, as far as they are plainly written."""
    for key, value in form.pairs if isinstance(form, Entries) else ():
        if isinstance(key, Scalar) and key.value in ("subsystem", "module") and isinstance(value, Scalar):
            return (value.value, "") if isinstance(value.value, str) and is_file_name(value.value) else None
    inside: Form | None = None
    if isinstance(form, Tag) and form.name == "include":
        inside = form.form
    elif isinstance(form, Entries) and len(form.pairs) == 1:
        key = form.pairs[0][0]
        inside = form.pairs[0][1] if isinstance(key, Scalar) and key.value == "$include" else None
    parts = {"file": inside}
    if isinstance(inside, Entries):
        parts = {
            key.value: value for key, value in inside.pairs if isinstance(key, Scalar) and isinstance(key.value, str)
        }
    elif isinstance(inside, Items) and len(inside.items) == 1:
        parts = {"file": inside.items[0]}
    texts = {
        key: value.value for key, value in parts.items() if isinstance(value, Scalar) and isinstance(value.value, str)
    }
    return (texts["file"], texts.get("package", "")) if "file" in texts else None


def _texts(given: Any) -> tuple[str, ...] | None:
    """One text with commas, or several; `None` where it is neither."""
    if isinstance(given, str):
        given = given.split(",")
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        return None
    return tuple(one.strip() for one in given if one.strip())


def _named_in(node: Node) -> tuple[str, ...]:
    """The profiles that stand in the section about the system.

    Raises:
        BadFile: something else does.
    """
    said = data_of(node)
    names = _texts(said)
    if names is None:
        what = f"{said!r} stands here, and names of profiles are needed."
        raise BadFile([node.problem(BadFile, what, "Write one name, or several in brackets: [dev, prod].")])
    return names


def _not_yet(node: Node) -> Any:
    raise node.wrong("which profile to take cannot depend on the profile", "Write its name here.")


def settings_of(system: System) -> Settings | None:
    """What a system was made of; `None` where it was not made of files, or was changed since.

    Parameters:
        system: any system.

    Example:
        >>> from mainspring import config
        >>> config.settings_of(config.load({"env": {"port": 80}})).data()
        {'env': {'port': 80}}
    """
    origins = system.origins
    if not isinstance(origins, FileOrigins) or origins.settings is None:
        return None
    return origins.settings if origins.settings.system(values=origins.values) == system else None


def read(*sources: Any, **options: Unpack[Reading]) -> Any:
    """What files say, as plain data.

    Parameters:
        sources: as for `Settings`; several are layers, the later ones on top.
        options: as for `Settings`.

    Returns:
        The data: every tag worked out, secrets as `Secret`.

    Raises:
        DefinitionError: with everything that is wrong, each with its place.

    Example:
        >>> from mainspring import config
        >>> config.read(config.text('{"port": {"$int": {"$env": "PORT"}}}', "json"), environ={"PORT": "80"})
        {'port': 80}
    """
    return Settings(*sources, **options).data()


def load(
    *sources: Any, system: System | str | None = None, values: Values | None = None, **options: Unpack[Reading]
) -> System:
    """The system that files say. Imports the components that they name; starts nothing.

    Parameters:
        sources: as for `Settings`; several are layers, the later ones on top.
        system: a system written in Python, or its name, which the files are settings for.
        values: what is done with the arguments of components, as for `Settings.system`.
        options: as for `Settings`.

    Returns:
        The system.

    Raises:
        DefinitionError: with everything that is wrong, each with its place.

    Example:
        >>> from mainspring import config
        >>> said = config.text('''
        ... env: {size: 3}
        ... db:
        ...   pool: {component: "builtins:dict", config: {size: !ref env.size}}
        ... ''', "yaml")
        >>> with config.load(said).started() as live:
        ...     live["db.pool"]
        {'size': 3}
    """
    settings = Settings(*sources, **options)
    if system is not None:
        settings = settings.over(System.named(system) if isinstance(system, str) else system)
    return settings.system(values=values)


__all__ = ["Reading", "Settings", "load", "read", "settings_of"]
