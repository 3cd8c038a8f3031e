"""Where what is read comes from: files, texts, streams, data and settings objects of Python; and what they include."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, Final, NamedTuple, cast

from mainspring import BadFile, CycleError, DefinitionError, Site

from . import _words as words
from ._evaluate import Document, Leaf, Node, Origin, Session, walk
from ._form import (
    Entries,
    Form,
    Items,
    Limits,
    Scalar,
    Tag,
    bad_file,
    form_of,
    hashable,
    is_omega,
    model_form,
    omega_form,
    too_large,
)

# The reader of each format is loaded when a file of it is read.
FORMATS: Final = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml", ".edn": "edn"}
READERS: Final = {"yaml": "._yaml", "json": "._json", "toml": "._toml", "edn": "._edn"}

Resolver = Callable[[str, str], Any]
"""Finds a file that is included: gets what `include` says and the folder of the including file; returns a source, or `None`."""

MISSING: Final = "missing-include"


class _Stream:
    """What a stream holds, read when it is known how much of it is wanted, and once.

    Parameters:
        stream: open for reading.
        name: what it is called in errors.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self._stream, self._name = stream, name
        self._parts: list[Any] = []
        self._size, self._is_at_end = 0, False

    def read(self, limits: Limits) -> str:
        """All of it.

        Raises:
            BadFile: it cannot be read, is not UTF-8, or too large.
        """
        most = limits.size * 4  # a character has up to four bytes
        while not self._is_at_end and self._size <= most:
            try:
                part = self._stream.read(most + 1 - self._size)
            except UnicodeDecodeError as error:
                what = f"It is not text in {error.encoding.upper()}."
                raise bad_file(what, Site(self._name, 0), "Save it as UTF-8, and open it as that.") from None
            except (OSError, ValueError) as error:
                raise bad_file(f"It cannot be read: {error}.", Site(self._name, 0)) from None
            self._is_at_end = not part
            self._parts += [part] if part else []
            self._size += len(part or "")
        if self._size > most:
            raise too_large(limits, self._name)
        return _decoded(type(self._parts[0])().join(self._parts) if self._parts else "", self._name)


class Text(NamedTuple):
    """Text of a format, to be read as a file is. Made by `text`."""

    content: str | _Stream
    format: str
    name: str
    folder: str


def text(content: str | bytes | IO[str] | IO[bytes], format: str, *, name: str = "<text>", folder: Any = ".") -> Text:
    """Text that is no file, as something to read.

    Parameters:
        content: the text; or a stream that is open for reading. Bytes are UTF-8.
        format: "yaml", "json", "toml" or "edn".
        name: what it is called in errors.
        folder: where the files are looked for that it includes.

    Returns:
        A source, for `read`, `load` and `Settings`.

    Raises:
        BadFile: there is no such format, or the bytes are not UTF-8.

    Example:
        >>> from mainspring import config
        >>> config.read(config.text("{:port #or [#env NO_PORT 8080]}", "edn"))
        {'port': 8080}
    """
    known = format.lower().lstrip(".")
    known = FORMATS.get(f".{known}", known)
    if known not in READERS:
        hint = words.hint_near(format, READERS, what="format")
        raise bad_file(f"There is no format {words.quoted(format)}.", Site(name, 0), hint)
    held = _decoded(content, name) if isinstance(content, str | bytes) else _Stream(content, name)
    return Text(held, known, name, os.fspath(folder))


def _decoded(content: str | bytes, name: str) -> str:
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise bad_file("It is not text in UTF-8.", Site(name, line), "Save it as UTF-8.") from None


_paused_lock: Final = threading.Lock()
_pauses: list[bool] = []


@contextmanager
def collector_paused() -> Generator[None, None, None]:
    """Keep the garbage collector from looking again and again at all that is read, of which nothing is garbage.

    Half of the time went there, and more than that with more to read.
    """
    with _paused_lock:
        _pauses.append(gc.isenabled())
        gc.disable()
    try:
        yield
    finally:
        with _paused_lock:
            was_enabled = _pauses.pop()
            if _pauses:  # another thread reads still; whoever is last puts it back as the first found it
                _pauses[0] = _pauses[0] or was_enabled
            elif was_enabled:
                gc.enable()


class Found(NamedTuple):
    """What a source says, not worked out yet.

    Parameters:
        form: what is written.
        name: the file, or what else it is called.
        format: of the text.
        folder: where the files are looked for that it includes.
        identity: what makes it the same as another one; `None` for what cannot be included.
    """

    form: Form
    name: str
    format: str
    folder: str
    identity: object


def found(source: Any, limits: Limits) -> Found:
    """Read a source.

    Parameters:
        source: a path; what `text` gives; an open file; a mapping; a settings object.
        limits: how much is read.

    Raises:
        BadFile: it cannot be read.
        TypeError: it is none of these.
    """
    made = _found(source, limits)
    form = made.form
    if isinstance(form, Entries) and any(_is_schema(key) for key, _ in form.pairs):
        kept = [(key, value) for key, value in form.pairs if not _is_schema(key)]
        made = made._replace(form=Entries(kept, form.site))
    return made


def _is_schema(key: Form) -> bool:
    # What editors look for, and nothing that the file says.
    return isinstance(key, Scalar) and isinstance(key.value, str) and key.value == "$schema"


def _found(source: Any, limits: Limits) -> Found:
    if isinstance(source, Text):
        return Found(read_text(source, limits), source.name, source.format, source.folder, None)
    if isinstance(source, str | os.PathLike):
        return _of_file(os.fspath(cast("str", source)), limits)
    if isinstance(source, Form):
        return Found(source, "python", "yaml", ".", None)
    if isinstance(source, Mapping) and not is_omega(source):
        return Found(_of_data(source, "a mapping"), "python", "yaml", ".", None)
    made = _of_settings(source)
    if made is not None:
        return made
    return _of_stream(source, limits)


def _of_stream(source: Any, limits: Limits) -> Found:
    """Read an open file, or a resource of a package."""
    if hasattr(source, "read_text") and hasattr(source, "name"):  # a resource of a package
        name = str(source)
        return _found(Text(_decoded(source.read_bytes(), name), format_of(source.name), name, "."), limits)
    if hasattr(source, "read"):
        called = getattr(source, "name", None)
        if not isinstance(called, str):
            what = "A stream does not say what it holds."
            raise bad_file(what, None, 'Write config.text(stream, "yaml").')
        held = _Stream(source, called)
        return _found(Text(held, format_of(called), called, os.path.dirname(called) or "."), limits)
    raise TypeError(
        f"{source!r} cannot be read. Give a path, config.text(...), an open file, a mapping, or a settings object"
    )


def format_of(name: str) -> str:
    """The format of a file, by the end of its name.

    Raises:
        BadFile: it is of none that there is.
    """
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in FORMATS:
        what = f"Its name ends in {suffix}, which" if suffix else "Its name has no ending, which"
        hint = f"The endings are: {', '.join(FORMATS)}. Or write config.text(open(...), format)."
        raise bad_file(f"{what} says no format.", Site(name, 0), hint)
    return FORMATS[suffix]


def is_file_name(name: str) -> bool:
    """Whether a name looks like that of a file which can be read here."""
    return os.path.splitext(name)[1].lower() in FORMATS


def read_text(source: Text, limits: Limits) -> Form:
    """The form that a text has.

    Raises:
        BadFile: it is not of its format, or too large.
    """
    content = source.content.read(limits) if isinstance(source.content, _Stream) else source.content
    if len(content) > limits.size:
        raise too_large(limits, source.name)
    reader = import_module(READERS[source.format], __package__)
    form: Form = reader.read(content, source.name, limits)
    return form


def _of_file(name: str, limits: Limits) -> Found:
    kind = format_of(name)
    shown = shown_path(name)
    try:
        with open(name, "rb") as file:
            content = file.read(limits.size * 4 + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(name, shown, error) from None
    source = Text(_decoded(content, shown), kind, shown, os.path.dirname(name) or ".")
    return Found(read_text(source, limits), shown, kind, source.folder, ("file", os.path.realpath(name)))


def shown_path(name: str) -> str:
    """A path as short as it can be: from the current folder on where it is in it."""
    try:
        inside = os.path.relpath(name)
    except (ValueError, OSError):
        return name
    return name if inside.startswith(os.pardir) else inside


def _unreadable(name: str, shown: str, error: Exception) -> BadFile:
    if isinstance(error, FileNotFoundError):
        folder = os.path.dirname(name) or "."
        try:
            there = sorted(one for one in os.listdir(folder) if is_file_name(one))
        except OSError:
            return bad_file(f"There is no folder {shown_path(folder)}.", Site(shown, 0))
        hint = words.hint_near(os.path.basename(name), there, what="file that could be read")
        return bad_file("There is no such file.", Site(shown, 0), hint)
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return bad_file(f"It cannot be read: {reason}.", Site(shown, 0))


def _of_data(data: Any, what: str) -> Form:
    try:
        return form_of(data)
    except RecursionError:
        raise bad_file(f"It is {what} that is nested too deeply, or contains itself.", None) from None


# --- Settings objects of other libraries --------------------------------------------------------------------------------


def _of_settings(source: Any) -> Found | None:
    """A form of a container of OmegaConf, or of a model of pydantic, which settings are as well."""
    name = type(source).__name__
    form = omega_form(source, name) or model_form(source, name)
    return None if form is None else Found(form, name, "yaml", ".", None)


# --- Files that are included --------------------------------------------------------------------------------------------


def relative(name: str, folder: str) -> Any:
    """Find included files beside the file that includes them: the resolver "relative".

    Parameters:
        name: what `include` says; an absolute path is taken as it is.
        folder: that of the including file.

    Returns:
        The path; `None` where there is no such file.
    """
    if not _can_be_path(name):
        return None
    path = os.path.join(folder, os.path.expanduser(name))
    return path if os.path.isfile(path) else None


def _can_be_path(name: str) -> bool:
    """Whether any file can have a name: the operating system is not asked about those with a NUL or half a character."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def root(folder: Any, /) -> Resolver:
    """A resolver that finds included files below one folder, and nowhere else.

    Parameters:
        folder: the folder.

    Returns:
        A resolver: `config.read(..., resolver=config.root("conf"))`.
    """
    top = os.path.realpath(os.fspath(folder))

    def resolve(name: str, folder: str) -> Any:
        if not _can_be_path(name):
            return None
        path = os.path.realpath(os.path.join(top, name))
        if os.path.commonpath([top, path]) != top:
            raise bad_file(f"{name} is not below {top}, where included files have to be.", None)
        return path if os.path.isfile(path) else None

    return resolve


def package(name: str, /) -> Resolver:
    """A resolver that finds included files among those of a package. The package is not imported.

    Parameters:
        name: the package, dotted.

    Returns:
        A resolver: `config.read(..., resolver=config.package("app.conf"))`.
    """

    def resolve(file: str, folder: str) -> Any:
        return in_package(name, file)

    return resolve


def in_package(package: str, name: str) -> Any:
    """A file of a package, which is not imported: its path, or the text of one in a zip file; `None` where there is none.

    Raises:
        BadFile: no package can have that name, or the file is not in it.
    """
    from importlib.machinery import PathFinder

    first, *inner = package.split(".")
    _refuse_package(package)
    if not _can_be_path(name):
        return None
    # Not find_spec of importlib.util, which imports the packages around: reading runs nothing.
    spec = PathFinder.find_spec(first)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    for place in places:
        top = os.path.join(place, *inner)
        path = os.path.normpath(os.path.join(top, name))
        if not path.startswith(os.path.normpath(top) + os.sep):
            raise bad_file(f"{name} is not in the package {package}.", None)
        if os.path.isfile(path):
            return path
        read = getattr(spec.loader if spec is not None else None, "get_data", None)
        if read is not None:  # of a zip file
            try:
                return text(read(path), format_of(name), name=path)
            except OSError:
                pass
    return None


def adaptive(name: str, folder: str) -> Any:
    """Find included files wherever they are, the resolver that is used if none is given.

    `package.name:path` is a file of a package. Anything else is looked for beside the including file, and then in the current
    folder.

    Parameters:
        name: what `include` says.
        folder: that of the including file.

    Returns:
        The path; `None` where there is no such file.
    """
    first, colon, rest = name.partition(":")
    if colon and rest and all(part.isidentifier() for part in first.split(".")):
        return in_package(first, rest)
    return relative(name, folder) or relative(name, ".")


NAMED_RESOLVERS: Final[dict[str, Resolver]] = {"relative": relative, "adaptive": adaptive}


def resolver_of(given: Any) -> Resolver:
    """A resolver as it may be given: itself, its name, or a mapping of names to sources.

    What a function raises becomes a `BadFile`.

    Raises:
        TypeError: it is none.
    """
    if isinstance(given, Mapping):
        return lambda name, folder: given.get(name)
    if isinstance(given, str):
        if given not in NAMED_RESOLVERS:
            hint = words.hint_near(given, NAMED_RESOLVERS, what="resolver")
            raise TypeError(f"there is no resolver {given!r}. {hint}")
        return NAMED_RESOLVERS[given]
    if not callable(given):
        hint = 'Give "relative", "adaptive", config.root(...), config.package(...), a mapping or a function'
        raise TypeError(f"{given!r} is no resolver. {hint}")
    find = cast("Resolver", given)

    def resolve(name: str, folder: str) -> Any:
        try:
            return find(name, folder)
        except DefinitionError:
            raise
        except Exception as error:
            what = f"Looking for the file {name} raised {words.raised(error)}"
            raise bad_file(f"{what}.", None, "A resolver returns None for what is not there.") from error

    return resolve


def looked_for(resolver: Resolver, name: str, package: str | None, folder: str) -> Any:
    """What a resolver finds; of a file of a package under `package:name`, so that nothing goes around it.

    Raises:
        BadFile: no package can have that name, or the resolver refuses.
    """
    if not package:
        return resolver(name, folder)
    _refuse_package(package)
    return resolver(f"{package}:{name}", folder)


def _refuse_package(name: str) -> None:
    if not all(part.isidentifier() for part in name.split(".")):
        raise bad_file(f"{name!r} cannot be the name of a package.", None)


_MOST_INCLUDES: Final = 20_000  # looking for a file takes longer than a value, so one counts as many


def included(node: Node, name: str, from_package: str | None, is_optional: bool) -> Any:
    """What an included file says.

    Raises:
        BadFile: it cannot be read, or is not there.
        CycleError: it includes itself.
    """
    options, document = node.document.session.options, node.document
    node.document.session.count(node, max(1, options.limits.items * 2 // _MOST_INCLUDES))
    try:
        source = looked_for(options.resolver, name, from_package, document.folder)
        if source is None:
            return _missing(node, name, from_package, is_optional)
        one = found_once(source, node.document.session.files, options.limits)
        if one.identity is None:
            one = one._replace(identity=("included", name, document.folder))
    except DefinitionError as error:
        raise error.at(node.site) from (None if node.document.session.secrets else error.__cause__)
    refuse_loop(node, one)
    inner = Document(node.document.session, one.name, one.format, one.folder, one.identity, document)
    inner.root = Node.of(inner, one.form, node.path)
    return inner.root


def found_once(source: Any, files: dict[Any, Any], limits: Limits) -> Found:
    """What a source says; a file that is included at several places is read once.

    Parameters:
        source: as for `found`.
        files: those that were read already, by name.
        limits: how much is read.
    """
    if not isinstance(source, str | os.PathLike):
        return found(source, limits)
    name = os.fspath(source)
    if name not in files:
        files[name] = found(source, limits)
    one: Found = files[name]
    return one


def _missing(node: Node, name: str, from_package: str | None, is_optional: bool) -> Any:
    if is_optional:
        return Leaf(None, Origin("include", f"{name}, which is not there", node.site))
    if node.document.session.options.missing_includes == "marker":
        return Node(node.document, Entries([(Scalar(MISSING), Scalar(name, node.site))], node.site), node, None)
    folder = shown_path(node.document.folder)
    where = f" in the package {from_package}" if from_package else f" in {folder}" if folder not in (".", "") else ""
    what = f"The file {name} is included, and there is none{where}."
    hint = "Where it need not be there: !include {file: " + name + ", optional: true}."
    raise BadFile([node.problem(BadFile, what, hint)])


def refuse_loop(node: Node, one: Found) -> None:
    """Refuse a file that includes itself, however far round.

    Raises:
        CycleError: it does.
    """
    chain: list[Document] = []
    document: Document | None = node.document
    while document is not None:
        chain.append(document)
        if one.identity is not None and document.identity == one.identity:
            names = [inner.name for inner in reversed(chain)]
            links = "\n".join(f"   {a} includes {b}" for a, b in zip(names, [*names[1:], names[0]], strict=True))
            what = f"The file includes itself:\n{links}"
            raise CycleError([node.problem(CycleError, what, "", {"cycle": tuple(names), "reasons": ()})])
        document = document.outer


# --- Text within text ---------------------------------------------------------------------------------------------------


def parsed(content: str, kind: str, node: Node, session: Session) -> Any:
    """The data that a text says, in which tags are refused.

    Raises:
        BadTag: it is not of its format.
    """
    is_secret = bool(session.tainted and session.tainted[-1])
    try:
        form = read_text(text(content, kind, name="the text"), session.options.limits)
    except DefinitionError as error:
        said = "" if is_secret else f": {error.problems[0].what} ({error.problems[0].site})"
        raise node.wrong(f"the text cannot be read as {kind}{said}") from None
    for inner in walk(form):
        if isinstance(inner, Tag):
            raise node.wrong(
                f"the text has the tag !{inner.name} in it, and a text that is parsed is data only",
                "Include a file where tags are meant.",
            )
    return plain(form)


def as_written(node: Node) -> Any:
    """The data of what is written, tags refused.

    Raises:
        BadTag: there is a tag in it.
    """
    if node.form is None:
        return node.value()
    for inner in walk(node.form):
        if isinstance(inner, Tag):
            raise node.wrong(f"it has the tag !{inner.name} in it, and stands for what is written")
    return plain(node.form)


def plain(form: Form) -> Any:
    """The data that a form without tags stands for."""
    if isinstance(form, Entries):
        return {hashable(plain(key)): plain(value) for key, value in form.pairs}
    if isinstance(form, Items):
        items = [plain(item) for item in form.items]
        return set(map(hashable, items)) if form.kind == "set" else tuple(items) if form.kind == "tuple" else items
    assert isinstance(form, Scalar)
    return form.value
