"""What each tag makes of what it is put in front of, and that it is the same however it is written."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import InitError

from mainspring import BadFile, BadTag, DefinitionError, Secret, System, config, required
from mainspring.config import tags
from mainspring.config._tags import ALIASES, REGISTRY, known_tags

ENVIRON = {"PORT": "8080", "HOST": "localhost", "PASSWORD": "hunter2", "ON": "yes", "EMPTY": "", "LIST": "[1, 2]"}
ONLY_IN_A_SYSTEM = object()


class Ring(KeyringBackend):
    """A keyring with one password in it, and one service that cannot be asked."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        """The password; or an error."""
        if service == "broken":
            raise InitError("the keyring is locked")
        return {("db", "app"): "hunter2"}.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Not for tests."""
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        """Not for tests."""
        raise NotImplementedError


@pytest.fixture(autouse=True)
def ring() -> Any:
    """The keyring of these tests, in the place of that of the machine."""
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


class Example(NamedTuple):
    """One tag in its five spellings; JSON and TOML are written from the plain form."""

    yaml: str
    edn: str
    plain: Any
    python: Any
    expected: Any
    toml: str | None = None


EXAMPLES: dict[str, Example] = {
    "env": Example("!env PORT", '#env "PORT"', {"$env": "PORT"}, tags.env("PORT"), "8080"),
    "template": Example(
        "!template 'http://${HOST}:${NO:-80}'",
        '#template "http://${HOST}:${NO:-80}"',
        {"$template": "http://${HOST}:${NO:-80}"},
        tags.template("http://${HOST}:${NO:-80}"),
        "http://localhost:80",
    ),
    "prop": Example("!prop size", '#prop "size"', {"$prop": "size"}, tags.prop("size"), 7),
    "var": Example("!var name", '#var "name"', {"$var": "name"}, tags.var("name"), "bound"),
    "or": Example(
        "!or [!env NO, !env PORT]",
        "#or [#env NO #env PORT]",
        {"$or": [{"$env": "NO"}, {"$env": "PORT"}]},
        tags.or_(tags.env("NO"), tags.env("PORT")),
        "8080",
    ),
    "profile": Example(
        "!profile {dev: 1, default: 2}",
        "#profile {:dev 1 :default 2}",
        {"$profile": {"dev": 1, "default": 2}},
        tags.profile({"dev": 1, "default": 2}),
        1,
    ),
    "hostname": Example(
        "!hostname {alpha: 1, default: 2}",
        '#hostname {"alpha" 1 :default 2}',
        {"$hostname": {"alpha": 1, "default": 2}},
        tags.hostname({"alpha": 1, "default": 2}),
        1,
    ),
    "user": Example(
        "!user {ada: 1, default: 2}",
        '#user {"ada" 1 :default 2}',
        {"$user": {"ada": 1, "default": 2}},
        tags.user({"ada": 1, "default": 2}),
        1,
    ),
    "if": Example(
        "!if [!env ON, 1, 2]", '#if [#env "ON" 1 2]', {"$if": [{"$env": "ON"}, 1, 2]}, tags.if_(tags.env("ON"), 1, 2), 1
    ),
    "when": Example("!when [true, 1]", "#when [true 1]", {"$when": [True, 1]}, tags.when(True, 1), 1),
    "int": Example("!int '8'", '#int "8"', {"$int": "8"}, tags.int_("8"), 8),
    "float": Example("!float '8.5'", '#float "8.5"', {"$float": "8.5"}, tags.float_("8.5"), 8.5),
    "bool": Example("!bool 'no'", '#bool "no"', {"$bool": "no"}, tags.bool_("no"), False),
    "str": Example("!str 8", "#str 8", {"$str": 8}, tags.str_(8), "8"),
    "keyword": Example("!keyword ':a/b'", '#keyword ":a/b"', {"$keyword": ":a/b"}, tags.keyword(":a/b"), "a/b"),
    "inst": Example(
        "!inst '2026-11-21T12:00:00Z'",
        '#inst "2026-11-21T12:00:00Z"',
        {"$inst": "2026-11-21T12:00:00Z"},
        tags.inst("2026-11-21T12:00:00Z"),
        datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC),
    ),
    "uuid": Example(
        "!uuid 12345678-1234-5678-1234-567812345678",
        '#uuid "12345678-1234-5678-1234-567812345678"',
        {"$uuid": "12345678-1234-5678-1234-567812345678"},
        tags.uuid("12345678-1234-5678-1234-567812345678"),
        uuid.UUID("12345678-1234-5678-1234-567812345678"),
    ),
    "path": Example("!path [a, b]", '#path ["a" "b"]', {"$path": ["a", "b"]}, tags.path("a", "b"), Path("a/b")),
    "folder": Example("!folder", "#folder nil", {"$folder": None}, tags.folder(), Path("."), 'x = {"$folder" = {}}'),
    "join": Example(
        "!join [a, 1, !env HOST]",
        '#join ["a" 1 #env "HOST"]',
        {"$join": ["a", 1, {"$env": "HOST"}]},
        tags.join("a", 1, tags.env("HOST")),
        "a1localhost",
    ),
    "json": Example("!json '[1, {}]'", '#json "[1, {}]"', {"$json": "[1, {}]"}, tags.json("[1, {}]"), [1, {}]),
    "parse": Example(
        "!parse {text: '[1, 2]', as: json}",
        '#parse {:text "[1, 2]" :as "json"}',
        {"$parse": {"text": "[1, 2]", "as": "json"}},
        tags.parse("[1, 2]", "json"),
        [1, 2],
    ),
    "literal": Example(
        "!literal {$env: PORT}",
        '#literal {"$env" "PORT"}',
        {"$literal": {"$env": "PORT"}},
        tags.literal({"$env": "PORT"}),
        {"$env": "PORT"},
    ),
    "merge": Example(
        "!merge [{a: {b: 1}}, {a: {c: 2}}]",
        "#merge [{:a {:b 1}} {:a {:c 2}}]",
        {"$merge": [{"a": {"b": 1}}, {"a": {"c": 2}}]},
        tags.merge({"a": {"b": 1}}, {"a": {"c": 2}}),
        {"a": {"b": 1, "c": 2}},
    ),
    "replace": Example("!replace {a: 1}", "#replace {:a 1}", {"$replace": {"a": 1}}, tags.replace({"a": 1}), {"a": 1}),
    "append": Example("!append [1]", "#append [1]", {"$append": [1]}, tags.append([1]), [1]),
    "prepend": Example("!prepend [1]", "#prepend [1]", {"$prepend": [1]}, tags.prepend([1]), [1]),
    "remove": Example(
        "!if [false, 1, [!remove , 1]]",
        "#if [false 1 [#remove nil 1]]",
        {"$if": [False, 1, [{"$remove": None}, 1]]},
        tags.if_(False, 1, [tags.remove(), 1]),
        [1],
        'x = {"$if" = [false, 1, [{"$remove" = {}}, 1]]}',
    ),
    "include": Example("!include it.json", '#include "it.json"', {"$include": "it.json"}, tags.include("it.json"), [1]),
    "ref": Example("!ref other.y.1", "#ref other.y.1", {"$ref": "other.y.1"}, tags.ref("other.y.1"), 2),
    "local_ref": Example("!local_ref z", "#local_ref z", {"$local_ref": "z"}, tags.local_ref("z"), 3),
    "tagged": Example("!tagged slow", "#tagged slow", {"$tagged": "slow"}, tags.tagged("slow"), ONLY_IN_A_SYSTEM),
    "one_tagged": Example(
        "!one_tagged {tag: slow, path: size}",
        "#one_tagged {:tag slow :path size}",
        {"$one_tagged": {"tag": "slow", "path": "size"}},
        tags.one_tagged("slow", "size"),
        ONLY_IN_A_SYSTEM,
    ),
    "value": Example("!value other.y", "#value other.y", {"$value": "other.y"}, tags.value("other", "y"), [1, 2]),
    "required": Example(
        "!required", "#required nil", {"$required": None}, tags.required(), ONLY_IN_A_SYSTEM, 'x = {"$required" = {}}'
    ),
    "import": Example("!import math:pi", '#import "math:pi"', {"$import": "math:pi"}, tags.import_("math:pi"), ONLY_IN_A_SYSTEM),
    "build": Example(
        "!build {target: 'builtins:complex', args: [1], kwargs: {imag: 2}}",
        '#build {:target "builtins:complex" :args [1] :kwargs {:imag 2}}',
        {"$build": {"target": "builtins:complex", "args": [1], "kwargs": {"imag": 2}}},
        tags.build("builtins:complex", 1, imag=2),
        ONLY_IN_A_SYSTEM,
    ),
    "secret": Example(
        "!secret:env PASSWORD",
        "#secret #env PASSWORD",
        {"$secret": {"$env": "PASSWORD"}},
        tags.secret(tags.env("PASSWORD")),
        Secret("hunter2"),
    ),
    "file": Example("!file note.txt", '#file "note.txt"', {"$file": "note.txt"}, tags.file("note.txt"), "text"),
    "keyring": Example(
        "!keyring [db, app]",
        '#keyring ["db" "app"]',
        {"$keyring": ["db", "app"]},
        tags.keyring("db", "app"),
        Secret("hunter2"),
    ),
}  # fmt: skip


def toml(data: Any) -> str:
    """Data as an inline value of TOML."""
    if isinstance(data, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(value)}" for key, value in data.items()) + "}"
    return "[" + ", ".join(map(toml, data)) + "]" if isinstance(data, list) else json.dumps(data)


WAYS = ("yaml", "edn", "json", "toml", "python")


def source(name: str, way: str) -> Any:
    """Settings in which `group.x` is an example; around it is what it refers to."""
    one = EXAMPLES[name]
    other: dict[str, Any] = {"y": [1, 2]}
    if way == "yaml":
        return config.text(f"group:\n  x: {one.yaml}\n  z: 3\nother: {{y: [1, 2]}}\n", "yaml")
    if way == "edn":
        return config.text(f"{{:group {{:x {one.edn} :z 3}} :other {{:y [1 2]}}}}", "edn")
    if way == "json":
        return config.text(json.dumps({"group": {"x": one.plain, "z": 3}, "other": other}), "json")
    if way == "toml":
        x = one.toml or f"x = {toml(one.plain)}"
        return config.text(f"[group]\n{x}\nz = 3\n[other]\ny = [1, 2]\n", "toml")
    return {"group": {"x": one.python, "z": 3}, "other": other}


def settings(given: Any) -> config.Settings:
    """Settings with everything that the examples need."""
    return config.Settings(
        given,
        environ=ENVIRON,
        profile="dev" if "profile" in repr(given) else None,
        hostname="alpha",
        user="ada",
        props={"size": 7},
        bind={"name": "bound"},
    )


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that the examples speak of."""
    (tmp_path / "it.json").write_text("[1]")
    (tmp_path / "note.txt").write_text("text\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_tag_is_the_same_in_four_formats_and_in_python(name: str) -> None:
    """YAML, EDN, the plain form in JSON and TOML, and the function of Python give equal data and equal systems."""
    all_settings = [settings(source(name, way)) for way in WAYS]
    expected = EXAMPLES[name].expected
    for way, one in zip(WAYS, all_settings, strict=True):
        if expected is ONLY_IN_A_SYSTEM:
            with pytest.raises(BadTag):
                one.data()
        else:
            found = one.data()["group"]["x"]
            assert found == expected, way
            assert type(found) is type(expected), way
    systems = [one.system() for one in all_settings]
    assert all(system == systems[0] for system in systems)


def test_every_tag_has_an_example_and_a_function() -> None:
    """No tag is left out of the test above, and none of the functions of `config.tags`."""
    own = {name for name, tag in REGISTRY.items() if tag.function.__module__.startswith("mainspring.config")}
    functions = {
        name.rstrip("_") for name, one in vars(tags).items() if callable(one) and one.__module__ == tags.__name__
    }
    assert set(EXAMPLES) == own
    assert {name for name in functions if not name.startswith("_")} - {"make"} == own


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_the_tag_itself(alias: str) -> None:
    """What Aero and Integrant call a tag is the same function as ours."""
    assert known_tags()[alias] is REGISTRY[ALIASES[alias]]


# --- Helpers ----------------------------------------------------------------------------------------------------------


def read(text: str, **options: Any) -> Any:
    """What `a` is in a text of YAML."""
    options.setdefault("environ", ENVIRON)
    return config.read(config.text(text, "yaml"), **options)["a"]


def wrong(text: str, **options: Any) -> str:
    """What is said about a text of YAML."""
    with pytest.raises(DefinitionError) as caught:
        read(text, **options)
    return str(caught.value)


# --- Kinds of values --------------------------------------------------------------------------------------------------


CONVERSIONS = ("int", "float", "bool", "str", "keyword", "inst", "uuid", "json", "parse", "path", "file", "secret")


@pytest.mark.parametrize("tag", CONVERSIONS)
def test_nothing_stays_nothing(tag: str) -> None:
    """A variable that is not set is `None`, and so is what a conversion makes of it."""
    assert read(f"a: !{tag}:env NO") is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("!int ' 12 '", 12),
        ("!int '-3'", -3),
        ("!int 3.0", 3),
        ("!float 3", 3.0),
        ("!float '1e3'", 1000.0),
        ("!float inf", float("inf")),
        ("!bool 'TRUE'", True),
        ("!bool Yes", True),
        ("!bool on", True),
        ("!bool 1", True),
        ("!bool 'false'", False),
        ("!bool off", False),
        ("!bool ' 0 '", False),
        ("!bool 0", False),
        ("!str 1.50", "1.5"),
        ("!str true", "true"),
        ("!str text", "text"),
        ("!keyword a", "a"),
        ("!inst 2026-11-21", datetime.datetime(2026, 11, 21)),
        ("!path a", Path("a")),
        ("!int:env PORT", 8080),
        ("!int [!env PORT]", 8080),
        ("!int [!or [!env NO, 80]]", 80),
        ("!int:ref b", 5),
        ("!str:int:str:int '07'", "7"),
        ("!env [!ref c]", "8080"),
        ("!uuid [!uuid 12345678-1234-5678-1234-567812345678]", uuid.UUID("12345678-1234-5678-1234-567812345678")),
        ("!inst [!inst 2026-11-21]", datetime.datetime(2026, 11, 21)),
    ],
)
def test_a_value_is_converted(written: str, expected: Any) -> None:
    """Text, numbers and truth values become what the tag says; tags stand in front of tags."""
    found = read(f"a: {written}\nb: '5'\nc: PORT\n")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("!int '3.5'", "a: !int: '3.5' is not a whole number."),
        ("!int 3.5", "a: !int: 3.5 is not a whole number."),
        ("!int true", "a: !int: True is not a whole number."),
        ("!int:env HOST", "a: !int: 'localhost' is not a whole number."),
        ("!int:env EMPTY", "a: !int: '' is not a whole number."),
        (f"!int '{'9' * 5000}'", "is not a whole number."),
        ("!int .inf", "a: !int: inf is not a whole number."),
        ("!float true", "a: !float: True is not a number."),
        ("!float x", "a: !float: 'x' is not a number."),
        ("!bool maybe", "a: !bool: 'maybe' is not true or false (nor yes, no, on, off, 1, 0)."),
        ("!bool 2", "a: !bool: 2 is not true or false"),
        ("!bool:env EMPTY", "a: !bool: '' is not true or false"),
        ("!int {x: 1}", "a: !int: one value is needed, and this is a mapping."),
        ("!str [1, 2]", "a: !str: one value is needed, and this is a list."),
        ("!keyword ':'", "a: !keyword: ':' is not a keyword."),
        ("!inst yesterday", "a: !inst: 'yesterday' is not a date and a time, such as 2026-11-21T12:00:00Z."),
        ("!inst 5", "a: !inst: 5 is not a date and a time"),
        ("!uuid 1234", "a: !uuid: 1234 is not a UUID."),
        ("!uuid x", "a: !uuid: 'x' is not a UUID."),
        ("!path ''", "a: !path: text is needed for a path, and this is ''."),
        ("!path [x, !env NO]", "a.1: !path: text is needed for a path, and this is nothing."),
        ("!env 5", "a: !env: the name of an environment variable is needed, as text, and this is 5."),
        ("!env ''", "a: !env: the name of an environment variable is needed, as text, and this is ''."),
        ("!env {x: 1}", "a: !env: the name of an environment variable is needed, as text, and this is a mapping."),
        ("!join text", "a: !join: a list is needed here, and this is 'text'."),
        ("!join [x, !env NO]", "a.1: !join: there is nothing here to put into a text."),
        ("!join [x, [1]]", "a.1: !join: a list cannot be put into a text."),
        ("!merge [{x: 1}, 5]", "a.1: !merge: mappings can be merged, and this is 5."),
        ("!prop {x: 1}", "a: !prop: the name of a property is needed, and this is a mapping."),
        ("!append 5", "a: !append: a list is needed, and this is 5."),
        ("!value {pth: b}", "a: !value: it has the part 'pth', which !value does not know."),
        ("!build {args: [1]}", "a: !build: it has no target."),
        ("!keyring [db]", "a: !keyring: it takes a service and a user; here are 1."),
        ("!keyring {service: db}", "a: !keyring: it has no user."),
        ("!file [x, y]", "a: !file: one value is needed, and this is a list."),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_an_error_with_its_place(written: str, said: str) -> None:
    """The message says the path, the tag, what is there, and where it is written."""
    told = wrong(f"a: {written}\n")
    assert said in told
    assert "at: <text>:1:" in told


def test_the_tag_is_named_in_the_plain_form_too() -> None:
    """A message for JSON speaks of the tag as one for YAML does."""
    with pytest.raises(BadTag) as caught:
        config.read(config.text('{"a": {"$int": {"$env": "HOST"}}}', "json"), environ=ENVIRON)
    assert "a: !int: 'localhost' is not a whole number." in str(caught.value)
    assert "It comes from the environment variable HOST." in str(caught.value)
    assert caught.value.problems[0].details["tag"] == "int"


def test_numbers_of_edn_are_as_they_are() -> None:
    """A decimal number of EDN stays one, and is no whole number for `int` of text."""
    assert config.read(config.text("{:a 1.50M}", "edn")) == {"a": Decimal("1.50")}


# --- Text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("'${HOST}:${PORT}'", "localhost:8080"),
        ("'${NO:-x}'", "x"),
        ("'${NO:-}'", ""),
        ("'${NO:-http://a:1/b}'", "http://a:1/b"),
        ("'${EMPTY:-x}'", ""),
        ("'a$b $ c'", "a$b $ c"),
        ("'$$'", "$"),
        ("'$${HOST}'", "${HOST}"),
        ("'$$$${HOST}'", "$${HOST}"),
        ("'$$${HOST}'", "$localhost"),
        ("'}{'", "}{"),
        ("[plain]", "plain"),
        ("['{}-{}', 1, !env HOST]", "1-localhost"),
        ("['%s-%s', 1, true]", "1-true"),
        ("['{} %s', 1]", "{} 1"),
        ("!ref b", "x localhost"),
    ],
)
def test_a_template_puts_variables_and_values_into_a_text(written: str, expected: str) -> None:
    """`${NAME}` and `${NAME:-default}` are variables, `$$` is a dollar; in a list `{}` or `%s` stand for values."""
    tag = "!template" if not written.startswith("!") else "!template:ref"
    assert read(f"a: {tag} {written.removeprefix('!ref ')}\nb: 'x ${{HOST}}'\n") == expected


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("'${NO} ${NEITHER} ${HOST}'", "the environment variable NO, NEITHER is not set"),
        ("'${HOST'", "a ${ in the text is not closed, or names nothing"),
        ("'${}'", "a ${ in the text is not closed, or names nothing"),
        ("'${HOST:x}'", "a ${ in the text is not closed, or names nothing"),
        ("['{} {}', 1]", "the text has 2 times {}, and there are 1 values for it"),
        ("['{}', 1, 2]", "the text has 1 times {}, and there are 2 values for it"),
        ("['{}', !env NO]", "there is nothing here to put into a text"),
        ("[]", "text with {} in it is needed"),
        ("5", "text with ${NAME} in it is needed, as text, and this is 5"),
    ],
)
def test_a_template_that_cannot_be_filled_is_an_error(written: str, said: str) -> None:
    """What is missing is said, and what to do."""
    assert said in wrong(f"a: !template {written}")


@pytest.mark.parametrize("given", ['{:a #envf ["%s:%s" HOST [NO "80"]]}', '{:a #format ["%s:%s" #env HOST 80]}'])
def test_the_forms_of_aero_are_read(given: str) -> None:
    """`#envf` takes names of variables, with defaults; `#format` takes values."""
    assert config.read(config.text(given, "edn"), environ=ENVIRON) == {"a": "localhost:80"}


def test_the_older_form_of_aero_has_a_plain_form() -> None:
    """`$envf` in JSON takes names of variables as `#envf` does."""
    given = config.text('{"a": {"$envf": ["%s:%s", "HOST", "PORT"]}}', "json")
    assert config.read(given, environ=ENVIRON) == {"a": "localhost:8080"}


def test_join_spells_values_as_files_do() -> None:
    """Numbers and truth values are put together as they are written in a file."""
    assert read("a: !join [x, 1, 1.5, true, !env HOST, '']") == "x11.5truelocalhost"
    assert read("a: !join []") == ""


# --- Text within text -------------------------------------------------------------------------------------------------


def test_a_text_that_is_parsed_is_merged_and_referred_into() -> None:
    """What `json` makes is as good as what is written: it is merged, and references lead into it."""
    text = 'a: !merge [!json \'{"x": {"y": [1, 2]}}\', {x: {z: 3}}]\nb: !ref a.x.y.1\n'
    assert config.read(config.text(text, "yaml")) == {"a": {"x": {"y": [1, 2], "z": 3}}, "b": 2}


def test_parse_reads_the_format_of_the_file() -> None:
    """Without `as`, a text in an EDN file is EDN; with it, what it says."""
    assert config.read(config.text('{:a #read-edn "{:x [1 #{2}]}"}', "edn")) == {"a": {"x": [1, {2}]}}
    assert read("a: !parse 'x: [1]'") == {"x": [1]}
    assert read("a: !parse {text: 'x = 1', as: toml}") == {"x": 1}
    assert read("a: !json:env LIST") == [1, 2]


@pytest.mark.parametrize(
    "text", ["a: !parse 'x: !env PASSWORD'", "a: !parse {text: '{:x #env PASSWORD}', as: edn}", "a: !parse '!!x'"]
)
def test_tags_in_a_text_that_is_parsed_are_refused(text: str) -> None:
    """A text that comes from elsewhere asks for nothing."""
    told = wrong(text)
    assert "!parse" in told
    assert "hunter2" not in told


def test_the_plain_form_of_a_tag_in_a_text_is_data() -> None:
    """A key with a dollar in a parsed text is a key, and stays one where it is merged or referred to."""
    text = 'a: !merge [!json \'{"x": {"$env": "PASSWORD"}}\', {y: 1}]\nb: !ref a.x\n'
    assert config.read(config.text(text, "yaml"), environ=ENVIRON) == {
        "a": {"x": {"$env": "PASSWORD"}, "y": 1},
        "b": {"$env": "PASSWORD"},
    }


def test_a_text_that_is_no_data_is_an_error() -> None:
    """What is wrong in the text is said, and where in it."""
    assert "a: !json: the text cannot be read as json" in wrong("a: !json '{'")
    assert "text is needed, and this is 5" in wrong("a: !json 5")
    assert "There is no format" in wrong("a: !parse {text: x, as: xml}")
    assert "it has no text" in wrong("a: !parse {as: json}")
    assert "it has the part 'fmt', which !parse does not know" in wrong("a: !parse {text: x, fmt: json}")


# --- Keys with a dollar -----------------------------------------------------------------------------------------------


def test_two_dollars_are_a_key_with_one() -> None:
    """`$$env` is the key `$env`, at any number of keys."""
    given = config.text('{"a": {"$$env": "PORT"}, "b": {"$$x": 1, "y": 2}, "c": {"$$$x": 1}}', "json")
    assert config.read(given) == {"a": {"$env": "PORT"}, "b": {"$x": 1, "y": 2}, "c": {"$$x": 1}}


def test_a_tag_among_other_keys_is_an_error() -> None:
    """The plain form of a tag stands alone, or it is not clear what is meant."""
    with pytest.raises(BadTag) as caught:
        config.read(config.text('{"a": {"x": 1,\n "$env": "PORT"}}', "json"))
    assert "$env stands among other keys" in str(caught.value)
    assert "write $$env" in str(caught.value)
    assert "<text>:2:2" in str(caught.value)


def test_the_schema_of_an_editor_is_no_tag() -> None:
    """`$schema` at the top is for editors; further in, it is a tag that there is not."""
    assert config.read(config.text('{"$schema": "x.json", "a": 1}', "json")) == {"a": 1}
    assert config.read(config.text('{"$schema": "x.json"}', "json")) == {}
    with pytest.raises(BadTag, match="There is no tag"):
        config.read(config.text('{"a": {"$schema": "x.json"}}', "json"))


def test_literal_is_as_it_is_written() -> None:
    """Nothing in a literal is a tag in its plain form; a tag of the format itself is refused."""
    given = config.text('{"a": {"$literal": {"$env": "X", "$$y": [{"$int": "1"}]}}}', "json")
    assert config.read(given) == {"a": {"$env": "X", "$$y": [{"$int": "1"}]}}
    assert "has the tag !env in it" in wrong("a: !literal [!env PORT]")


# --- Unknown tags -----------------------------------------------------------------------------------------------------


def test_an_unknown_tag_is_an_error_with_near_names() -> None:
    """All of them are told at once, each with its place."""
    with pytest.raises(BadTag) as caught:
        config.read(config.text("a: !envv X\nb:\n  - !profil {x: 1}\n", "yaml"))
    first, second = caught.value.problems
    assert "There is no tag envv." in first.what
    assert "Did you mean env" in first.hint
    assert str(first.site) == "<text>:1:4"
    assert "b.0: There is no tag profil." in second.what
    assert "profile" in second.hint
    assert "env" in first.details["candidates"]


def test_only_some_tags_may_be_used() -> None:
    """With `tags=`, the others are refused by name, and nothing of them is worked out."""
    given = config.text("a: !int '1'\nb: !env PASSWORD\nc: !long '2'\n", "yaml")
    with pytest.raises(BadTag) as caught:
        config.read(given, tags=(name for name in ["int"]), environ=ENVIRON)
    assert len(caught.value.problems) == 1
    assert "b: !env: this tag may not be used here." in str(caught.value)
    assert "These may: int." in str(caught.value)
    with pytest.raises(BadTag, match="None may"):
        config.read(config.text("a: !int '1'", "yaml"), tags=[])


def test_an_unknown_tag_cannot_be_allowed() -> None:
    """A name that is misspelled in `tags=` is an error at once."""
    with pytest.raises(ValueError, match=r"there is no tag 'profil' .* Did you mean profile"):
        config.read({}, tags=["profil"])


# --- Props, variables -------------------------------------------------------------------------------------------------


def test_a_prop_is_looked_up() -> None:
    """A prop is any value; one that is not there is nothing."""
    assert read("a: !prop x", props={"x": {"y": [1]}}) == {"y": [1]}
    assert read("a: !prop x") is None
    assert read("a: !prop [!ref b]\nb: x", props={"x": 1}) == 1
    assert read("a: !merge [!prop x, {z: 1}]", props={"x": {"y": 2}}) == {"y": 2, "z": 1}


def test_a_variable_is_bound_later() -> None:
    """`bind` gives the same settings with more bound; what is unbound is an error that says what is."""
    unbound = config.Settings(config.text("a: !var size\nb: !var name\n", "yaml"), bind={"name": "n"})
    with pytest.raises(BadTag) as caught:
        unbound.data()
    assert "a: !var: the variable size is not bound." in str(caught.value)
    assert 'There is: name. Bind it: bind={"size": ...}.' in str(caught.value)
    assert unbound.bind({"size": 3}).data() == {"a": 3, "b": "n"}
    assert unbound.bind({"size": None, "name": {"x": 1}}).data() == {"a": None, "b": {"x": 1}}


# --- Secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "!secret:env PASSWORD",
        "!secret hunter2",
        "!secret [!env PASSWORD]",
        "!secret:file password.txt",
        "!keyring [db, app]",
        "!secret:secret hunter2",
        "!or [!env NO, !secret:env PASSWORD]",
        "!str:secret hunter2",
        "!ref b",
        "!value b",
        "!if [true, !ref b]",
        "!template ['{}', !ref b]",
        "!join [!ref b]",
        "!join [hunter, !int:secret '2']",
        "!parse {text: !ref c, as: json}",
        "!env [!secret PASSWORD]",
        "!ref d.x",
        "!prop x",
    ],
)
def test_what_is_made_of_a_secret_is_one(written: str, tmp_path: Path) -> None:
    """A secret from the environment, a file or a keyring, and whatever a tag makes of it, is never shown."""
    (tmp_path / "password.txt").write_text("hunter2\n")
    text = f"a: {written}\nb: !secret hunter2\nc: !secret '\"hunter2\"'\nd: !secret [{{x: hunter2}}]\n"
    source = config.text(text, "yaml", folder=tmp_path)
    found = config.read(source, environ=ENVIRON, props={"x": Secret("hunter2")})
    assert found["a"] == Secret("hunter2")
    assert "hunter2" not in repr(found)


def test_a_secret_of_several_parts_is_one_secret() -> None:
    """A mapping becomes a secret as a whole, and what is referred to in it is a secret."""
    found = config.read(
        config.text("a: !secret {user: u, password: !env PASSWORD}\nb: !ref a.user\n", "yaml"), environ=ENVIRON
    )
    assert found == {"a": Secret({"user": "u", "password": "hunter2"}), "b": Secret("u")}


@pytest.mark.parametrize(
    "written",
    [
        "!int [!ref s]",
        "!json [!ref s]",
        "!uuid [!ref s]",
        "!ref [!ref s]",
        "!value [x, !ref s]",
        "!var [!ref s]",
        "!include [!ref s]",
        "!if [!ref s, 1]",
        "!profile [!ref s]",
        "!merge [!ref s]",
        "!template [!ref s, 1]",
        "!tagged [!ref s]",
        "!import [!ref s]",
        "!keyring [broken, !ref s]",
        "!path ['~hunter2', !ref s]",
        "{? !ref s : 1}",
        "!inst [!ref s]",
        "!file {x: !ref s}",
        "!literal [!ref s]",
    ],
)
def test_no_error_shows_a_secret(written: str) -> None:
    """Neither text nor details of an error hold the value of a secret, and nothing it was caused by is shown."""
    with pytest.raises(DefinitionError) as caught:
        config.read(config.text(f"a: {written}\ns: !secret:env PASSWORD\n", "yaml"), environ=ENVIRON)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        assert "hunter2" not in repr(getattr(error, "problems", ""))
        error = error.__cause__


def test_a_secret_is_no_key() -> None:
    """Keys are shown wherever a value is; a secret in the place of one is refused."""
    assert "a secret cannot be a key" in wrong("a: {? !secret hunter2 : 1}")


def test_the_file_of_a_secret_is_read_beside_the_settings(tmp_path: Path) -> None:
    """The end of the last line is left out, and nothing else; a file that is not there is nothing."""
    (tmp_path / "one").write_bytes(b" hunter2 \r\n")
    (tmp_path / "two").write_bytes(b"a\nb\n\n")
    (tmp_path / "bad").write_bytes(b"\xff")
    text = "a: [!secret:file one, !file two, !file three, !file:path two, !file {x}]".replace(", !file {x}", "")
    source = config.text(text, "yaml", folder=tmp_path)
    assert config.read(source)["a"] == [Secret(" hunter2 "), "a\nb\n", None, "a\nb\n"]
    with pytest.raises(BadTag, match="cannot be read: it is not text in UTF-8"):
        config.read(config.text("a: !file bad", "yaml", folder=tmp_path))
    with pytest.raises(BadTag, match="cannot be read: Is a directory"):
        config.read(config.text("a: !file .", "yaml", folder=tmp_path))
    with pytest.raises(BadTag, match="is larger than 3 characters"):
        config.read({"a": tags.file(str(tmp_path / "two"))}, limits=config.Limits(size=3))


def test_a_keyring_that_cannot_be_asked_is_an_error() -> None:
    """A password that is not there is nothing; a keyring that is locked says so."""
    assert read("a: !keyring [db, nobody]") is None
    assert read("a: !keyring {service: db, user: app}") == Secret("hunter2")
    assert "!keyring: the keyring cannot be asked: the keyring is locked." in wrong("a: !keyring [broken, x]")


# --- Paths, folders, literals, the rest -------------------------------------------------------------------------------


def test_a_path_knows_the_home_and_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home of the user; `folder` is where the file is, so that `path` can start there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "app.yaml").write_text("a: !path '~/x'\nb: !path [!folder , data]\nc: !folder\n")
    assert config.read(tmp_path / "app.yaml") == {"a": tmp_path / "x", "b": tmp_path / "data", "c": tmp_path}
    assert "NUL" in wrong('a: !path "x\\0"')


def test_required_alone_is_a_mark_and_else_the_value() -> None:
    """In data it is an error; in a system it waits for an override; in front of a value it is the value."""
    assert read("a: !required:env PORT") == "8080"
    assert read("a: !required 5") == 5
    assert "a value is required here, and there is none" in wrong("a: !required")
    assert "a value is required here, and there is none" in wrong("a: !required:env NO")
    given = config.text("g: {a: !required }", "yaml")
    assert config.load(given) == System({"g": {"a": required}})
    assert config.read(given, {"g": {"a": 1}}) == {"g": {"a": 1}}


def test_objects_of_modules_are_for_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`import` and `build` import nothing while a file is read, and are refused in data."""
    (tmp_path / "bomb_of_tags.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    for written in ("!import bomb_of_tags:x", "!build {target: 'bomb_of_tags:x'}"):
        assert "objects of modules are imported when a system is built" in wrong(f"a: {written}")


def test_everything_wrong_is_told_at_once() -> None:
    """Each problem has its place, and one that is met twice is told once."""
    text = "a: !int x\nb: [!ref c.d, !nope 1, {k: !join 5}]\nc: {e: 1}\nd: !ref a\n"
    with pytest.raises(DefinitionError) as caught:
        config.read(config.text(text, "yaml"))
    assert [str(problem.site) for problem in caught.value.problems] == [
        "<text>:1:4",
        "<text>:2:5",
        "<text>:2:15",
        "<text>:2:28",
    ]


def test_a_file_that_is_no_text_of_its_format_has_a_place() -> None:
    """What the reader refuses is a `BadFile` with file, line and column."""
    with pytest.raises(BadFile, match="<text>:1:"):
        config.read(config.text("a: [", "yaml"))
