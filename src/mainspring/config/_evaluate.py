"""Working out what is written: lazily, each value when somebody asks for it, and once.

A node is something written, at a place of the tree. Its head is what it turns out to be at the top: a mapping of nodes, a list of
nodes, or a leaf. Tags are functions from nodes to nodes or values, so that a branch that is not taken is never looked at.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mainspring import (
    BadFile,
    BadOverride,
    BadTag,
    Component,
    CycleError,
    DefinitionError,
    Id,
    MainspringError,
    Problem,
    Secret,
    Site,
    UnknownReference,
    build,
    is_ref,
)

from .._text import scrubbed, secret_texts
from . import _words as words
from ._form import (
    Entries,
    Form,
    Items,
    Kind,
    Limits,
    Places,
    Scalar,
    Tag,
    bad_file,
    hashable,
    is_subsystem,
    kind_of,
    secret_of,
    too_deep,
    too_large,
    too_many,
)

if TYPE_CHECKING:
    from ._sources import Resolver

Path = tuple[Any, ...]

# The keys that make an entry of a group more than a constant.
ENTRY: Final = frozenset({"component", "subsystem", "module"})

# So that what is asked for within what is asked for ends in an error of ours, before it is one of the interpreter.
DEEPEST: Final = 120


class Origin(NamedTuple):
    """Where a value comes from.

    Parameters:
        kind: "file", "environment variable", "command line", "default", "base", "plugin", "python", or the name of a tag.
        what: the rest, for people: the name of the variable, for example; empty for a file.
        site: the place in a file, where there is one.
    """

    kind: str
    what: str = ""
    site: Site | None = None

    def __str__(self) -> str:
        said = " ".join(filter(None, (self.kind if self.kind != "file" else "", self.what)))
        if self.site is None:
            return said
        return f"{said}, {self.site}" if said else str(self.site)


class Absent:
    """The type of `ABSENT`."""

    def __repr__(self) -> str:
        return "<absent>"


ABSENT: Final[Any] = Absent()
"""What a `when` gives whose condition does not hold, and a `remove`: nothing, not even `None`."""


class Leaf:
    """A head that is a value."""

    __slots__ = ("how", "origin", "value")

    def __init__(self, value: Any, origin: Origin, how: str | None = None) -> None:
        self.value, self.origin, self.how = value, origin, how


class Map:
    """A head that is a mapping of keys to nodes.

    Parameters:
        nodes: what stands under each key.
        site: where it is written.
        how: how it is laid over what is below, where that is not by merging.
        literal: those of its keys that are data, whatever they mean elsewhere.
    """

    __slots__ = ("_spelled", "how", "literal", "nodes", "site")

    def __init__(
        self, nodes: dict[Any, Node], site: Site | None, how: str | None = None, literal: Set[Any] = frozenset()
    ) -> None:
        self.nodes, self.site, self.how, self.literal = nodes, site, how, literal
        self._spelled: dict[str, Node] | None = None

    @property
    def kinds(self) -> Set[Any]:
        """Which of `component`, `subsystem` and `module` it says that it is, as an entry of a group."""
        return (ENTRY & self.nodes.keys()) - self.literal

    def at(self, part: Any) -> Node | None:
        """The node under a part of a path; of keys that are no text, such as numbers, also as they are spelled."""
        found = self.nodes.get(part) if _is_hashable(part) else None
        if found is not None or isinstance(part, bool):
            return found
        if self._spelled is None:
            self._spelled = {words.spelled(key): node for key, node in self.nodes.items() if not isinstance(key, str)}
        return self._spelled.get(str(part))


class Seq:
    """A head that is a list, a tuple or a set of nodes."""

    __slots__ = ("how", "kind", "nodes", "site")

    def __init__(self, nodes: list[Node], site: Site | None, kind: Kind = "list", how: str | None = None) -> None:
        self.nodes, self.site, self.how = nodes, site, how
        self.kind: Kind = kind

    def at(self, part: Any) -> int | None:
        """The position that a part of a path means; `None` where there is none."""
        text = str(part)
        if isinstance(part, bool) or not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10):
            return None
        return int(text) if -len(self.nodes) <= int(text) < len(self.nodes) else None


Head = Leaf | Map | Seq


class Deferred:
    """A value that is made when everything else has been read. Made by `deferred`."""

    __slots__ = ("_made", "make")

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self._made: list[Any] = []

    def value(self) -> Any:
        """The value, made the first time."""
        if not self._made:
            self._made.append(self.make())
        return self._made[0]


def written(node: Node, what: str = "") -> Origin:
    """The origin of what is written at a node.

    Parameters:
        node: the node.
        what: the tag that makes it, where it says more than the place.
    """
    document = node.document
    if node.site is not None or document.kind == "file":
        return Origin("file", what, node.site)
    return Origin(document.kind, document.name)


def deferred(make: Callable[[], Any], /) -> Any:
    """A value that is made once everything else has been read, and only where it has not been left out by then.

    Parameters:
        make: makes the value, without arguments; called once.

    Returns:
        A mark, for a tag of your own to return, or to stand in data of Python.

    Example:
        >>> from mainspring import config
        >>> config.read({"now": config.deferred(lambda: 1 + 1)})
        {'now': 2}
    """
    return Deferred(make)


class Reference:
    """A reference of a file: to a component, or to a value in the file, as it turns out.

    Parameters:
        kind: "ref", "local_ref", "tagged" or "one_tagged".
        path: the parts of its path; for the last two the tag and the path inside.
        optional: whether it may come to nothing.
        node: where it is written.
    """

    __slots__ = ("_end", "_error", "kind", "node", "optional", "path")

    def __init__(self, kind: str, path: Path, optional: bool, node: Node) -> None:
        self.kind, self.path, self.optional, self.node = kind, path, optional, node
        self._end: tuple[Node | None] | None = None
        self._error: DefinitionError | None = None

    def end(self) -> Node | None:
        """The node that it leads to in the file, through other references.

        Returns:
            The node; `None` where there is none and that was asked for.

        Raises:
            DefinitionError: as `followed`; or they lead to themselves.
        """
        followed_now = self.node.document.session.followed_now
        way: list[Reference] = []
        one = self
        try:
            while one._end is None:
                if one._error is not None:
                    raise one._error
                if one.node in followed_now:
                    raise _loop(one.node, list(followed_now))
                way.append(one)
                followed_now[one.node] = None
                to = followed(one)
                head = to.head() if to is not None else None
                if not (isinstance(head, Leaf) and isinstance(head.value, Reference)):
                    one._end = (to,)
                    break
                one = head.value
        except DefinitionError as error:
            for link in way:
                link._error = error
            raise
        finally:
            for link in way:
                del followed_now[link.node]
        for link in way:
            link._end = one._end
        assert one._end is not None
        return one._end[0]


class Imported:
    """An object of a module, to be imported when a system is built.

    Parameters:
        target: `package.module:name`.
        node: where it is written.
    """

    __slots__ = ("node", "target")

    def __init__(self, target: str, node: Node) -> None:
        self.target, self.node = target, node


class Made:
    """An object to be built of parts at each start: what `mainspring.build` is in Python.

    Parameters:
        target: what is called.
        args, kwargs: its arguments.
    """

    __slots__ = ("args", "kwargs", "target")

    def __init__(self, target: Imported, args: Sequence[Node], kwargs: Mapping[str, Node]) -> None:
        self.target, self.args, self.kwargs = target, args, kwargs


class Wanted:
    """The type of `WANTED`: the mark `required` of a file."""


WANTED: Final = Wanted()


class TagFunction(NamedTuple):
    """What a tag does.

    Parameters:
        name: the tag's name; empty for one that may not be used.
        function: gets the node, or the value of it, that the tag is put in front of.
        lazy: whether it gets the node.
    """

    name: str
    function: Callable[[Any], Any]
    lazy: bool


class Options(NamedTuple):
    """What a reading depends on beside what is written.

    Parameters:
        profiles: the profiles to try, in order.
        environ: the environment variables.
        hostname, user: called for the names of the machine and the user.
        props: what `prop` finds.
        bound: what `var` finds.
        resolver: finds the files that are included.
        missing_includes: "error", or "marker": what stands for a file that is not there.
        missing_refs: "error", or "warn" for a warning and `None`.
        tags: what each tag does, by name.
        limits: how much is read.
        declared: the profiles that are listed; `None` where none are.
    """

    profiles: tuple[str, ...]
    environ: Mapping[str, str]
    hostname: Callable[[], str]
    user: Callable[[], str]
    props: Mapping[str, Any]
    bound: Mapping[str, Any]
    resolver: Resolver
    missing_includes: str
    missing_refs: str
    tags: Mapping[str, TagFunction]
    limits: Limits
    declared: tuple[str, ...] | None = None


class Session:
    """One reading: what is being worked out now, and what must not be shown.

    Parameters:
        options: what it depends on.
        is_system: whether the top of the tree are groups, and references stand for components.
        files: what was included before.
    """

    def __init__(self, options: Options, is_system: bool, files: dict[Any, Any] | None = None) -> None:
        self.options, self.is_system = options, is_system
        self.stack: list[Node] = []
        self.tainted: list[bool] = []
        self.secrets: set[str] = set()
        self.followed_now: dict[Node, None] = {}  # where the references are written that are being followed
        self.files: dict[Any, Any] = {} if files is None else files  # those that were included
        self.referred: set[Path] = set()  # the components and constants of which a value was looked up while reading
        self.modules: dict[Id, Node] = {}  # that were expanded
        self.begin()

    def begin(self) -> None:
        """Begin to count anew: each use of what is read may be as large as the limits say."""
        self.unknown = 0  # how many names led to nothing
        self.text = 0  # how many characters tags have made
        self.made = 0  # how many values were worked out, so that references to references cannot make more than anybody can hold
        self.spent: DefinitionError | None = None  # why there is no going on

    def count(self, node: Node, values: int = 1) -> None:
        """Count a value, or several.

        Raises:
            BadFile: there were too many.
        """
        self.made += values
        if self.made > self.options.limits.items * 2:
            raise self.enough(too_many(self.options.limits, node.site))

    def count_text(self, made: str, form: Form) -> None:
        """Count the characters that a tag made.

        Raises:
            BadFile: there were too many.
        """
        self.text += len(made)
        limits = self.options.limits
        if self.text > limits.size * 2:
            what = f"Its tags make more than {limits.size * 2:,} characters of text."
            raise self.enough(bad_file(what, form.site, "Where that is meant, allow more: limits=Limits(...)."))

    def enough(self, error: BadFile) -> BadFile:
        """Note an error after which nothing more is worked out, so that it is told once."""
        self.spent = error
        return error

    def note(self, secret: Any) -> None:
        """Note a secret, of whatever parts it is made, so that it is not shown in any text."""
        self.secrets |= secret_texts(secret)

    def hint_near(self, word: str, names: Sequence[str], what: str) -> str:
        """A hint with the nearest of several names, as `_text.hint_near`; none after the first hundred.

        Each costs a look at all names, and a file can have as many mistakes as it likes.
        """
        self.unknown += 1
        return words.hint_near(word, names, what=what) if names and self.unknown <= 100 else ""

    def scrubbed(self, text: str) -> str:
        """A text without the secrets that are known."""
        return scrubbed(text, self.secrets)

    def cleaned(self, error: DefinitionError) -> DefinitionError:
        """An error without the secrets that are known."""
        if not self.secrets:
            return error
        problems = []
        for problem in error.problems:
            path = tuple(self.scrubbed(part) if isinstance(part, str) else part for part in problem.path)
            site = problem.site and problem.site._replace(file=self.scrubbed(problem.site.file))
            problems.append(
                problem._replace(
                    what=self.scrubbed(problem.what),
                    path=path,
                    site=site,
                    hint=self.scrubbed(problem.hint),
                    details=self._cleaned(problem.details),
                )
            )
        return type(error)(problems)

    def _cleaned(self, data: Any) -> Any:
        if isinstance(data, str):
            return self.scrubbed(data)
        if isinstance(data, Mapping):
            return {key: self._cleaned(value) for key, value in data.items()}
        if type(data) in (list, tuple):
            return type(data)(map(self._cleaned, data))
        return data


class Document:
    """One file, or whatever else is read as one: the scope in which its references look.

    Parameters:
        session: the reading.
        kind: "file", or what else it is: "python", "command line", "module".
        name: the file's path, or another name.
        format: "yaml", "json", "toml" or "edn".
        folder: where the files are looked for that it includes.
        identity: what makes it the same as another one, for loops; `None` for what cannot be included.
        outer: the document that includes it.
    """

    __slots__ = ("below", "bound", "folder", "format", "identity", "kind", "module", "name", "outer", "root", "session")

    def __init__(
        self,
        session: Session,
        name: str,
        format: str = "yaml",
        folder: str = ".",
        identity: object = None,
        outer: Document | None = None,
        kind: str = "file",
    ) -> None:
        self.session, self.name, self.identity, self.outer, self.kind = session, name, identity, outer, kind
        self.module: Id | None = None  # the module that it says what it becomes
        self.below: Any = None  # the system that it stands for, where it is the one below settings
        self.format, self.folder = format, folder
        self.root: Node | None = None
        self.bound: Mapping[str, Any] | None = outer.bound if outer is not None else None


class Node:
    """Something that is written, not worked out yet: what a lazy tag gets.

    A tag that branches looks at `entries` or `items`, and returns the node that it chose, so that no other is worked out.
    """

    __slots__ = (
        "_busy", "_error", "_has_arguments", "_head", "_path", "_site", "_tag", "document", "form", "layers", "parent"
    )  # fmt: skip

    document: Document
    form: Form | None
    layers: tuple[Node, ...]

    def __init__(self, document: Document, form: Form | None, parent: Node | None, path: Any) -> None:
        self.document, self.form, self.parent, self._path = document, form, parent, path
        self.layers = ()
        self._head: Head | None = None
        self._error: BaseException | None = None
        self._busy = False
        self._site: Site | None = None
        self._tag = ""
        self._has_arguments = False  # whether it is the config of a component, in several layers

    @classmethod
    def of(cls, document: Document, form: Form, path: Path = ()) -> Node:
        """A node at the top of a tree, or somewhere in one.

        Parameters:
            document: where it is written.
            form: what is written.
            path: its place in the whole tree.
        """
        return cls(document, form, None, path)

    @classmethod
    def layered(cls, layers: Sequence[Node], path: Path | None = None) -> Node:
        """Several layers as one, the last of them on top: mappings are merged deeply, anything else is replaced."""
        if len(layers) == 1:
            return layers[0]
        node = cls(layers[-1].document, None, None, layers[-1].path if path is None else path)
        node.layers = tuple(layers)
        return node

    # --- what a tag may ask ---

    @property
    def path(self) -> Path:
        """Its place in the tree: keys and positions from the top."""
        if self.parent is None:
            return self._path  # type: ignore[no-any-return]
        parts: list[Any] = []
        node: Node = self
        while node.parent is not None:
            if node._path is not None:
                parts.append(node._path)
            node = node.parent
        return (*node._path, *reversed(parts))

    @property
    def site(self) -> Site | None:
        """File, line and column, as far as they are known."""
        if self._site is not None:
            return self._site
        return self.layers[-1].site if self.layers else self.form.site if self.form is not None else None

    @property
    def tag(self) -> str:
        """The name of the tag that is written here; empty where there is none, or nothing has been worked out."""
        return self._tag

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles in use, in the order in which they are tried."""
        return self.document.session.options.profiles

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables of this reading."""
        return self.document.session.options.environ

    def value(self) -> Any:
        """What it stands for, worked out in full, references and all. Of secrets the values themselves.

        What a tag makes of a secret is a secret.

        Raises:
            DefinitionError: something in it cannot be worked out.
        """
        session = self.document.session
        plain, is_secret = revealed(data_of(self))
        if is_secret and session.tainted:
            session.tainted[-1] = True
        return plain

    def entries(self) -> list[tuple[Any, Node]]:
        """The keys of a mapping, and the nodes under them; nothing of these is worked out yet.

        Raises:
            BadTag: it is no mapping.
        """
        head = self.known()
        if not isinstance(head, Map):
            raise self.wrong(f"a mapping is needed here, and this is {shown(head)}")
        return list(head.nodes.items())

    def items(self) -> list[Node]:
        """The nodes of a list; nothing of these is worked out yet.

        Raises:
            BadTag: it is no list.
        """
        head = self.known()
        if not isinstance(head, Seq):
            raise self.wrong(f"a list is needed here, and this is {shown(head)}", "Write one in brackets: [...].")
        return list(head.nodes)

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.known(), Map)

    @property
    def is_list(self) -> bool:
        """Whether it is a list, a tuple or a set."""
        return isinstance(self.known(), Seq)

    def wrong(self, what: str, hint: str = "", **details: Any) -> BadTag:
        """The error for a tag that can make nothing of this.

        Parameters:
            what: what is wrong, as part of a sentence.
            hint: what to do.
            details: the same as data.

        Returns:
            The error, to be raised.
        """
        stack = self.document.session.stack
        name = next((node._tag for node in reversed(stack) if node._tag), "")
        begin = f"!{name}: " if name else ""
        problem = self.problem(BadTag, f"{begin}{what}.", hint, {"tag": name, **details})
        return BadTag([problem])

    # --- working out ---

    def problem(
        self, error: type[DefinitionError], what: str, hint: str = "", details: Mapping[str, Any] | None = None
    ) -> Problem:
        """What is wrong here.

        Parameters:
            error: the class of error.
            what: a sentence.
            hint: what to do.
            details: the same as data.
        """
        path, session = self.path, self.document.session
        what, hint = session.scrubbed(what), session.scrubbed(hint)
        if session.is_system and len(path) > 1 and all(isinstance(part, str) for part in path[:2]):
            return Problem(error, what, Id(path[0], path[1]), words.plain(path[2:]), self.site, hint, details or {})
        what = f"{words.dotted(path)}: {what}" if path else what
        return Problem(error, what, None, words.plain(path), self.site, hint, details or {})

    def head(self) -> Head:
        """What it is at the top, worked out the first time.

        Raises:
            DefinitionError: it cannot be worked out.
        """
        if self._head is not None:
            return self._head
        form = self.form
        head: Head
        if type(form) is Scalar:
            self._head = head = self._of_scalar(form)
            return head
        if self._error is not None:
            raise self._error
        session = self.document.session
        if self._busy:
            raise _loop(self, session.stack)
        if session.spent is not None:
            raise session.spent
        if len(session.stack) >= DEEPEST:
            what = f"stands for what stands for something else, more than {DEEPEST} times."
            hint = "Refer to what is meant directly."
            raise session.enough(bad_file(f"{words.dotted(self.path) or 'It'} {what}", self.site, hint))
        self._busy = True
        session.stack.append(self)
        try:
            self._head = head = self._worked_out(form)
        except DefinitionError as error:
            self._error = error
            raise
        finally:
            session.stack.pop()
            self._busy = False
        return head

    def known(self) -> Head:
        """The head, where references are followed in the file: for what has to know the value now."""
        head: Head = self.head()
        if isinstance(head, Leaf) and isinstance(head.value, Reference):
            found = head.value.end()
            return Leaf(None, head.origin) if found is None else found.head()
        return head

    def meant(self) -> Node:
        """The node itself; of a reference, the one that it leads to in the file."""
        head = self.head()
        found = head.value.end() if isinstance(head, Leaf) and isinstance(head.value, Reference) else None
        return self if found is None else found

    def _of_scalar(self, form: Scalar) -> Leaf:
        value, document = form.value, self.document
        if type(value) not in words.PLAIN:
            value = _known_value(value, self)
        if form.site is not None:
            return Leaf(value, Origin("file", "", form.site))
        return Leaf(value, Origin("python" if document.kind == "file" else document.kind, document.name))

    def _worked_out(self, form: Form | None) -> Head:
        if form is None:
            return self._of_layers()
        if isinstance(form, Entries):
            plain = _plain_tag(form, self)
            return self._of_entries(form) if plain is None else self._of_tag(plain)
        if isinstance(form, Items):
            nodes = [Node(self.document, item, self, i) for i, item in enumerate(form.items)]
            return Seq(nodes, form.site, form.kind)
        assert isinstance(form, Tag)
        return self._of_tag(form)

    def _of_entries(self, form: Entries) -> Map:
        nodes: dict[Any, Node] = {}
        document = self.document
        for key_form, value in form.pairs:
            if type(key_form) is Scalar and type(key_form.value) in words.PLAIN:
                key = key_form.value
            else:
                key = _key(Node(document, key_form, self, None))
            if isinstance(key, str) and key.startswith("$$"):
                key = key[1:]
            if key in nodes:
                site = key_form.site or form.site
                raise bad_file(f"The key {key!r} is repeated.", site, "Keep one of the two.")
            node = Node(document, value, self, key)
            nodes[key] = node
        return Map(nodes, form.site, "places" if isinstance(form, Places) else None)

    def _of_tag(self, form: Tag) -> Head:
        session = self.document.session
        self._tag = form.name
        tag = session.options.tags.get(form.name) or session.options.tags.get(form.name.replace("-", "_"))
        if tag is None:
            known = sorted(name for name, one in session.options.tags.items() if one.name)
            hint = words.hint_near(form.name, known, what="tag")
            more = "A tag of your own is a function with the decorator config.tag."
            what = f"There is no tag {words.quoted(form.name)}."
            raise BadTag(
                [self.problem(BadTag, what, f"{hint} {more}".strip(), {"tag": form.name, "candidates": tuple(known)})]
            )
        argument = Node(self.document, form.form, self, None)
        session.tainted.append(False)
        try:
            made = tag.function(argument if tag.lazy else argument.value())
            is_secret = session.tainted[-1]
        except (MainspringError, RecursionError):
            raise
        except Exception as error:
            what = f"!{form.name} raised {type(error).__name__}" + (f": {error}" if str(error) else "")
            is_secret = session.tainted[-1]
            raise BadTag([self.problem(BadTag, f"{what}.", details={"tag": form.name})]) from (
                None if is_secret or session.secrets else error
            )
        finally:
            session.tainted.pop()
        return self._taken(made, form, is_secret)

    def _taken(self, made: Any, form: Tag, is_secret: bool) -> Head:
        """What a tag made, as a head of this node."""
        session = self.document.session
        if isinstance(made, Node):
            head = made.head()
            self._site = self._site or made.site
            return head
        origin = written(self, f"!{form.name}")
        if isinstance(made, Leaf | Map | Seq):
            if not isinstance(made, Leaf):
                return made
            made, origin, how = made.value, made.origin, made.how
        else:
            how = None
        if isinstance(made, Form):
            node = Node(self.document, made, self, None)
            if not is_secret:
                return node.head()
            made = revealed(data_of(node))[0]
        if is_secret:
            made = _as_secret(made)
            origin = origin._replace(what=session.scrubbed(origin.what))
        if isinstance(made, str):
            if len(made) > session.options.limits.size:
                raise session.enough(too_large(session.options.limits, self.document.name))
            session.count_text(made, form)
        return self._of_made(made, origin, how, 0)

    def _of_made(self, made: Any, origin: Origin, how: str | None, depth: int) -> Head:
        """A value that a tag made, as a head: containers as if they were written, so that they are merged and referred into."""
        session = self.document.session
        if depth > session.options.limits.depth:
            raise session.enough(too_deep(session.options.limits, self.site))
        if type(made) is dict:
            nodes = {}
            for key, value in made.items():
                nodes[key] = self._inner(key, value, origin, depth)
            return Map(nodes, origin.site, how, ENTRY & nodes.keys() if how == "literal" else frozenset())
        if type(made) is list or type(made) is tuple:
            inner = [self._inner(i, value, origin, depth) for i, value in enumerate(made)]
            return Seq(inner, origin.site, kind_of(made) or "list", how)
        return Leaf(made if type(made) in words.PLAIN else _known_value(made, self), origin, how)

    def _inner(self, key: Any, value: Any, origin: Origin, depth: int) -> Node:
        if isinstance(value, Node):
            return value
        if isinstance(value, Form):
            return Node(self.document, value, self, key)
        node = Node(self.document, None, self, key)
        node._head, node._site = node._of_made(value, origin, None, depth + 1), origin.site
        self.document.session.count(node)
        return node

    def _of_layers(self) -> Head:
        *below, top = self.layers
        head = top.head()
        if head.how == "replace" or not below:
            return head
        if isinstance(head, Map):
            return self._merged(head, below) if head.how != "places" else self._set_at(head, Node.layered(below))
        if type(top.form) is Scalar and top.form.value is None:
            # What is left of a mapping when all that was in it is commented out says nothing.
            under = Node.layered(below).head()
            if isinstance(under, Map):
                return under
        if isinstance(head, Seq) and head.how in ("append", "prepend"):
            under = Node.layered(below).head()
            if isinstance(under, Leaf) and (under.value is None or under.value is ABSENT):
                return head
            if not isinstance(under, Seq):
                problem = top.problem(BadTag, f"There is no list below to {head.how} to, but {shown(under)}.")
                raise BadTag([problem])
            both = (under.nodes, head.nodes) if head.how == "append" else (head.nodes, under.nodes)
            return Seq([*both[0], *both[1]], head.site, under.kind)
        if any(map(_is_secret, below)):
            return self._kept_secret(head, top)
        return head

    def _kept_secret(self, head: Head, top: Node) -> Head:
        """What stands over a secret, and so is one as well."""
        if isinstance(head, Leaf) and (head.value is None or not _is_plain_value(head.value)):
            return head
        secret = Secret(revealed(data_of(top))[0])
        self.document.session.note(secret)
        return Leaf(secret, head.origin if isinstance(head, Leaf) else Origin("file", "", head.site))

    def _set_at(self, head: Map, below: Node) -> Head:
        """What is below, with other values at the keys or positions that a part of a path means."""
        under: Head = below.head()
        if isinstance(under, Leaf) and isinstance(under.value, Reference):
            try:
                under = below.known()
            except DefinitionError:
                pass  # of a component, which is not there yet
        if isinstance(under, Leaf) and isinstance(under.value, Component):
            under = Standing(below.document, under.value, below, None).head()
        if isinstance(under, Leaf):
            return self._kept_secret(head, self.layers[-1]) if isinstance(under.value, Secret) else head
        path = self.path
        if isinstance(under, Seq):
            items = list(under.nodes)
            for part, node in head.nodes.items():
                at = under.at(part)
                if at is None:
                    what = f"sets the item {words.quoted(str(part))} of a list that has {len(items)}."
                    problem = node.problem(BadOverride, what, "The first item is 0, and the last one -1.")
                    raise BadOverride([problem])
                items[at] = _laid_over(items[at], node, (*path, at % len(items)))
            return Seq(items, under.site, under.kind)
        nodes = dict(under.nodes)
        for part, node in head.nodes.items():
            old = under.at(part)
            key = part if old is None else next(key for key, one in under.nodes.items() if one is old)
            nodes[key] = node if old is None else _laid_over(old, node, (*path, key))
        return Map(nodes, head.site, None, under.literal)

    def _merged(self, head: Map, below: Sequence[Node]) -> Head:
        maps = [head]
        for node in reversed(below):
            if type(node.form) is Scalar and node.form.value is None:
                continue  # says nothing about the mapping below, as in `_of_layers`
            under = node.head()
            if isinstance(under, Leaf) and isinstance(under.value, Component):
                under = Standing(node.document, under.value, node, None).head()
            if not isinstance(under, Map):
                if len(maps) == 1 and isinstance(under, Leaf) and isinstance(under.value, Secret):
                    return self._kept_secret(head, self.layers[-1])
                break
            maps.append(under)
            if under.how == "replace":
                break
        if len(maps) == 1:
            return head
        nodes: dict[Any, list[Node]] = {}
        spelled: dict[str, Any] = {}
        for one in reversed(maps):
            for key, node in one.nodes.items():
                if self._has_arguments and isinstance(key, str):
                    first = spelled.setdefault(words.argument(key), key)
                    key = first if first not in one.nodes else key  # two spellings in one layer are a mistake
                nodes.setdefault(key, []).append(node)
        path = self.path
        made = Map(
            {key: found[0] if len(found) == 1 else Node.layered(found, (*path, key)) for key, found in nodes.items()},
            head.site,
            None,
            frozenset().union(*(one.literal for one in maps)),
        )
        if self.document.session.is_system and len(path) == 2 and made.kinds and len(nodes.get("config", ())) > 1:
            made.nodes["config"]._has_arguments = True
        return made


class Standing(Node):
    """Something in the system below settings: no tag is in it, and where nothing is laid over it, it stays the same object.

    Parameters:
        original: the object.
    """

    __slots__ = ("original",)

    def __init__(self, document: Document, original: Any, parent: Node | None, path: Any) -> None:
        super().__init__(document, None, parent, path)
        self.original = original

    def _worked_out(self, form: Form | None) -> Head:
        value: Any = self.original
        document = self.document
        if isinstance(value, Component) and (self.parent is None or self._path != "component"):
            parts: dict[str, Any] = {"component": value}
            if not is_subsystem(value):
                parts["config"] = value.config
            return Map({key: Standing(document, one, self, key) for key, one in parts.items()}, None)
        if isinstance(value, Mapping):
            nodes: dict[Any, Node] = {key: Standing(document, one, self, key) for key, one in value.items()}
            return Map(nodes, None, None, ENTRY & nodes.keys())
        kind = kind_of(value)
        if kind is not None:
            items: list[Any] = [*self.original]
            return Seq([Standing(document, one, self, i) for i, one in enumerate(items)], None, kind)
        kept = value if type(value) in words.PLAIN else _known_value(value, self)
        return Leaf(kept, Origin("python" if document.kind == "file" else document.kind, document.name))


def _laid_over(old: Node, node: Node, path: Path) -> Node:
    """A value that is set at a path, over what is there; a container, or nothing, stands in the place of all of it."""
    form = node.form
    is_whole = (type(form) is Scalar and form.value is None) or type(form) is Entries or type(form) is Items
    return node if is_whole and not _is_secret(old) else Node.layered([old, node], path)


def _is_secret(node: Node) -> bool:
    """Whether a secret is written there, as far as that can be seen without working it out."""
    seen: set[Node] = set()
    rest = [node]
    while rest:  # a mapping that is merged with itself, again and again, has more ways to a layer than anybody can go
        one = rest.pop()
        if one in seen:
            continue
        seen.add(one)
        rest += one.layers
        form = one.form
        value = form.value if type(form) is Scalar else one.original if isinstance(one, Standing) else None
        if isinstance(secret_of(value), Secret):
            return True
        name = _tag_name(form)
        if name and form is not None and any(_tag_name(inner) in ("secret", "keyring") for inner in walk(form)):
            return True
        if name in ("ref", "ig/ref", "local_ref") or is_ref(value):
            try:
                reference = one.head()
                if isinstance(reference, Leaf) and isinstance(reference.value, Reference):
                    mark = reference.value
                    found = followed(Reference(mark.kind, mark.path, True, mark.node))
                    rest += () if found is None else (found,)
            except DefinitionError:
                pass  # said where it is worked out, if it ever is
    return False


def _tag_name(form: Form | None) -> str:
    """The name of the tag that a form is, in any way of writing it; empty for one that is none."""
    if isinstance(form, Tag):
        return form.name
    if isinstance(form, Entries) and len(form.pairs) == 1:
        key = form.pairs[0][0]
        if type(key) is Scalar and type(key.value) is str and key.value[:1] == "$" and key.value[:2] != "$$":
            return key.value[1:]
    return ""


def _is_plain_value(value: Any) -> bool:
    return not isinstance(value, Secret | Reference | Imported | Made | Wanted | Deferred) and value is not ABSENT


def _as_secret(made: Any) -> Any:
    """What a tag made of a secret, which is one itself."""
    if isinstance(made, Deferred):
        return Deferred(lambda: _as_secret(made.value()))
    if made is None or made is ABSENT or isinstance(made, Secret | Reference | Imported | Made | Wanted):
        return made
    return Secret(made)


def _known_value(value: Any, node: Node) -> Any:
    """An object of Python as the files know it: a secret, a reference."""
    value = secret_of(value)
    if isinstance(value, Secret):
        node.document.session.note(value)
        return value
    if is_ref(value):
        if hasattr(value, "tag"):
            kind, path = ("one_tagged" if value.one else "tagged"), (value.tag, *value.rest)
        else:
            kind, path = ("local_ref" if hasattr(value, "at") and not hasattr(value, "id") else "ref"), value.path
        return Reference(kind, path, value.optional, node)
    return value


def _plain_tag(form: Entries, node: Node) -> Tag | None:
    """The tag that a mapping is the plain form of: one key, which begins with a dollar."""
    pairs = form.pairs
    if len(pairs) == 1:
        name, (key, value) = _tag_name(form), pairs[0]
        return Tag(name, value, key.site or form.site) if name else None
    for key, _ in pairs:
        if type(key) is Scalar and type(key.value) is str and key.value[:1] == "$" and key.value[:2] != "$$":
            what = f"{key.value} stands among other keys, and a tag stands alone."
            hint = f"Leave the other keys away; or write ${key.value} where the key itself is meant."
            problem = node.problem(BadTag, what, hint, {"tag": key.value[1:]})
            raise BadTag([problem._replace(site=key.site or problem.site)])
    return None


def _key(node: Node) -> Any:
    """What a key that is more than a word stands for."""
    value, is_secret = revealed(data_of(node))
    if is_secret:
        raise node.wrong("a secret cannot be a key, for keys are shown")
    try:
        return hashable(value)
    except TypeError:
        raise node.wrong(f"{shown(node.head())} cannot be a key") from None


def _loop(node: Node, stack: Sequence[Node]) -> DefinitionError:
    """The error for something that stands for itself, with the loop drawn."""
    inside = stack[stack.index(node) :]
    names: list[str] = []
    reasons: list[str] = []
    for node in inside:
        one = node.parent if node._path is None and node.parent is not None else node  # what a tag is put in front of
        name = words.dotted(one.path) or one.document.name
        if not names or names[-1] != name:
            names.append(name)
            reasons.append("")
        tagged = one if one._tag else node  # a key has a tag of its own
        if tagged._tag:
            reasons[-1] = f"!{tagged._tag}" + (f", {tagged.site}" if tagged.site else "")
    what = f"What is written refers to itself:\n   {words.indent(words.cycle(names, reasons), '   ')}"
    details = {"cycle": tuple(names), "reasons": tuple(reasons)}
    return CycleError([inside[0].problem(CycleError, what, "Let one of them say the value itself.", details)])


def shown(head: Head) -> str:
    """What a head is, for a message; secrets are not shown."""
    if isinstance(head, Map):
        return "a mapping"
    if not isinstance(head, Leaf):
        return {"list": "a list", "tuple": "a tuple"}.get(head.kind, "a set")
    value = head.value
    if isinstance(value, Secret):
        return "a secret"
    if isinstance(value, Reference):
        return f"a reference to {words.dotted(value.path)}"
    if isinstance(value, Imported):
        return f"the object {value.target}"
    if isinstance(value, Made):
        return f"an object made by {value.target.target}"
    return words.short(repr(value)) if type(value) in words.PLAIN and value is not None else words.a_type(value)


# --- References within a file -----------------------------------------------------------------------------------------


def followed(reference: Reference) -> Node | None:
    """The node that a reference leads to in the file.

    Returns:
        The node; `None` where there is none and that was asked for.

    Raises:
        UnknownReference: it leads to nothing.
        BadTag: it is of a kind that means something in a system only.
    """
    node, path = reference.node, reference.path
    session = node.document.session
    if reference.kind == "local_ref":
        path = (*node.path[:1], *path)
    elif reference.kind != "ref":
        what = "components with a tag are known when the system is built, not while the file is read"
        raise node.wrong(what, "Refer to a value of the file here.")
    document: Document | None = node.document
    nearest: tuple[Path, list[str]] | None = None
    while document is not None:
        root = document.root
        if root is not None:
            found, reached, names = _at(root, path)
            if found is not None:
                session.referred.add(found.path[:2])
                return found
            if nearest is None or len(reached) > len(nearest[0]):
                nearest = reached, names
        document = document.outer
    if reference.optional:
        return None
    reached, names = nearest or ((), [])
    part = str(path[len(reached)]) if len(reached) < len(path) else ""
    where = f"{words.dotted(reached)} has no {words.quoted(part)}" if reached else f"there is no {words.quoted(part)}"
    what = session.scrubbed(f"refers to {words.dotted(path)}, and {where}.")
    if session.options.missing_refs == "warn":
        place = f", {node.site}" if node.site else ""
        warnings.warn(f"{words.dotted(node.path)} {what} It is None{place}.", UserWarning, stacklevel=2)
        return None
    hint = session.hint_near(part, names, "entry")
    details = {"target": words.dotted(path), "candidates": tuple(names) if hint else ()}
    raise UnknownReference([node.problem(UnknownReference, what, hint, details)])


def _at(root: Node, path: Path) -> tuple[Node | None, Path, list[str]]:
    """The node at a path; where there is none, how far the path leads, and what is there."""
    node, i = root, 0
    while i < len(path):
        part = path[i]
        head = node.known()
        found: Node | None = None
        names: list[str] = []
        if isinstance(head, Map):
            found = head.at(part)
            if (
                found is None and i == 0 and len(path) > 1
            ):  # a keyword `group/name` is one key where there are no groups
                found = head.nodes.get(f"{part}/{path[1]}")
                i += found is not None
        elif isinstance(head, Seq):
            at = head.at(part)
            found = head.nodes[at] if at is not None else None
        else:
            inner = words.part_of(head.value, part)
            if inner is not words.NOTHING:
                is_secret = isinstance(head.value, Secret)
                found = Node(node.document, Scalar(Secret(inner) if is_secret else inner, node.site), node, part)
        if found is None or is_absent(found):
            if isinstance(head, Map):
                names = [str(key) for key, one in head.nodes.items() if one is not found]
            elif isinstance(head, Seq):
                names = [str(n) for n in range(len(head.nodes))]
            return None, path[:i], names
        node, i = found, i + 1
    return node, path, []


def is_absent(node: Node) -> bool:
    """Whether nothing is there: a `when` that does not hold, or a `remove`."""
    form = node.form
    if type(form) is Scalar or type(form) is Items:
        return False
    if node._busy:
        return False
    head = node.head()
    return isinstance(head, Leaf) and head.value is ABSENT


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


# --- Data -------------------------------------------------------------------------------------------------------------


class Realizer:
    """Makes data of nodes. What cannot be worked out is collected, so that all of it is told at once.

    Parameters:
        keep: what to put for a reference, an import, an object to be built, a `required`, a deferred value; gets the mark and
            its node.
        keeps_below: whether what is in the system below stays the same object, references of Python and all.
    """

    def __init__(self, keep: Callable[[Any, Node], Any], keeps_below: bool = False) -> None:
        self.keep, self.keeps_below = keep, keeps_below
        self.problems: list[Problem] = []
        self._cycles: set[frozenset[str]] = set()
        self.cause: BaseException | None = None  # the first exception of others that was behind a problem
        self._noted: set[Any] = set()
        self.way: dict[Node, None] = {}

    def data(self, node: Node) -> Any:
        """What a node stands for, in full; `ABSENT` where nothing is there, or it cannot be worked out."""
        form = node.form
        if type(form) is Scalar and type(form.value) in words.PLAIN:
            return form.value
        if self.keeps_below and isinstance(node, Standing):
            return node.original
        session = node.document.session
        session.count(node)
        try:
            head = node.head()
            if not isinstance(head, Leaf):
                if node in self.way:
                    raise _loop(node, list(self.way))
                if len(self.way) > session.options.limits.depth * 2:
                    raise session.enough(too_deep(session.options.limits, node.site))
        except DefinitionError as error:
            self.note(error)
            if session.spent is not None:
                raise
            return ABSENT
        if not isinstance(head, Leaf):
            self.way[node] = None
            try:
                return self._container(head, node)
            finally:
                del self.way[node]
        value = head.value
        if type(value) in words.PLAIN:
            return value
        if isinstance(value, Reference | Imported | Made | Wanted | Deferred):
            try:
                return self.keep(value, node)
            except DefinitionError as error:
                self.note(error)
                if session.spent is not None:
                    raise
                return ABSENT
        return value

    def _container(self, head: Map | Seq, node: Node) -> Any:
        if isinstance(head, Map):
            made = {}
            for key, one in head.nodes.items():
                value = self.data(one)
                if value is not ABSENT:
                    made[key] = value
            return made
        found = [value for value in map(self.data, head.nodes) if value is not ABSENT]
        if head.kind == "list":
            return found
        return tuple(found) if head.kind == "tuple" else self._set(found, node)

    def _set(self, found: list[Any], node: Node) -> Any:
        made: set[Any] = set()
        for value in found:
            try:
                made.add(hashable(value))
            except TypeError:
                what = f"{words.a_type(value)} cannot be part of a set."
                self.problems.append(node.problem(BadTag, what, "Use a list."))
        return made

    def note(self, error: DefinitionError) -> None:
        """Note what is wrong, once."""
        self.cause = self.cause or error.__cause__
        for problem in error.problems:
            known = (problem.error, problem.what, problem.id, problem.path, problem.site)
            if known in self._noted:
                continue
            cycle = frozenset(problem.details.get("cycle", ()))
            if cycle and cycle in self._cycles:
                continue  # a loop is found at each of its links
            self._noted.add(known)
            self._cycles.add(cycle)
            self.problems.append(problem)


def data_of(node: Node) -> Any:
    """What a node stands for, references followed in the file.

    Raises:
        DefinitionError: with everything that cannot be worked out.
    """
    realizer = Realizer(lambda mark, at: kept_as_data(mark, at, realizer))
    value = realizer.data(node)
    if realizer.problems:
        raise DefinitionError.of(realizer.problems) from realizer.cause
    return None if value is ABSENT else value


def _once(node: Node, mark: Reference, realizer: Realizer) -> Any:
    # A reference to what is around it: its data would hold itself.
    session = node.document.session
    for around in (list(realizer.way), session.stack):
        if node in around:
            raise _loop(node, [*around, mark.node])
    if len(session.stack) >= DEEPEST:
        raise session.enough(bad_file(f"References lead to references more than {DEEPEST} times.", node.site))
    session.stack.append(node)
    try:
        return realizer.data(node)
    finally:
        session.stack.pop()


def kept_as_data(mark: Any, node: Node, realizer: Realizer) -> Any:
    """What stands in data for a mark that means something in a system.

    Raises:
        DefinitionError: nothing can.
    """
    if isinstance(mark, Reference):
        to = mark.end()
        return None if to is None else _once(to, mark, realizer)
    if isinstance(mark, Deferred):
        return made_of(mark, node)
    if isinstance(mark, Wanted):
        raise node.wrong("a value is required here, and there is none")
    what = "objects of modules are imported when a system is built, and this is read as data"
    raise node.wrong(what, "Use config.load for a system.")


def made_of(mark: Deferred, node: Node) -> Any:
    """A deferred value, made now.

    Raises:
        BadTag: it could not be made.
    """
    session = node.document.session
    try:
        made = mark.value()
    except DefinitionError:
        raise
    except Exception as error:
        what = f"A deferred value raised {type(error).__name__}" + (f": {error}" if str(error) else "")
        cause = None if session.secrets else error
        raise BadTag([node.problem(BadTag, f"{what}.")]) from cause
    if isinstance(made, Secret):
        session.note(made)
    return made


class Later:
    """Stands for a deferred value until everything else has been read."""

    __slots__ = ("mark", "node")

    def __init__(self, mark: Deferred, node: Node) -> None:
        self.mark, self.node = mark, node


def settled(value: Any, realizer: Realizer | None = None) -> Any:
    """Data with its deferred values made.

    Parameters:
        value: the data.
        realizer: notes what cannot be made.

    Raises:
        BadTag: one could not be made, and there is no realizer to note it.
    """
    if isinstance(value, Later):
        try:
            return settled(made_of(value.mark, value.node), realizer)
        except DefinitionError as error:
            if realizer is None:
                raise
            realizer.note(error)
            return None
    if type(value) is dict:
        return {key: settled(one, realizer) for key, one in value.items()}
    if type(value) is list or type(value) is tuple:
        made = [settled(one, realizer) for one in value]
        return made if type(value) is list else tuple(made)
    if type(value) is set:
        return {hashable(settled(one, realizer)) for one in value}
    if type(value) is _BUILD:
        return build(value.target, *settled(value.args, realizer), **settled(value.kwargs, realizer))
    return value


_BUILD: Final = type(build(dict))


def revealed(data: Any) -> tuple[Any, bool]:
    """Data with the values of its secrets in their places, and whether there were any."""
    if isinstance(data, Secret):
        return revealed(data.reveal())[0], True
    if hasattr(data, "get_secret_value") and not isinstance(data, type):
        return data.get_secret_value(), True
    if type(data) is dict:
        found = {key: revealed(value) for key, value in data.items()}
        return {key: value for key, (value, _) in found.items()}, any(flag for _, flag in found.values())
    if type(data) is list or type(data) is tuple:
        parts = [revealed(value) for value in data]
        values = [value for value, _ in parts]
        return tuple(values) if type(data) is tuple else values, any(flag for _, flag in parts)
    return data, False


def walk(form: Form) -> Iterator[Form]:
    """A form and everything in it, as written. A form that stands at several places is met once."""
    seen: set[int] = set()
    rest = [form]
    while rest:
        one = rest.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, Items):
            rest += one.items
        elif isinstance(one, Entries):
            for pair in one.pairs:
                rest += pair
        elif isinstance(one, Tag):
            rest.append(one.form)
