"""Reading: what a review found wrong, as statements of what is right."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from mainspring import BadFile, BadOverride, BadTag, CycleError, Secret, System, UnknownProfile, component, config, ref
from mainspring._text import secret_texts
from mainspring.config import tags, text


def loaded(content: str, format: str = "yaml", **options: Any) -> System:
    """The system that a text says."""
    return config.load(text(content, format), **options)


def wrong(*sources: Any, **options: Any) -> str:
    """What is said about sources that cannot be read as data."""
    with pytest.raises((BadFile, BadTag, CycleError)) as caught:
        config.read(*sources, **options)
    return str(caught.value)


@component
def server(*, port: Any = 1, hosts: Any = ()) -> Any:
    """A component that gives what it is given."""
    return port, hosts


# --- Groups ---


@pytest.mark.parametrize(
    ("content", "format", "groups"),
    [
        ("#merge [{:db/pool {:a 1}} {:db/pool {:b 2}}]", "edn", {"db": {"pool": {"a": 1, "b": 2}}}),
        ("""!json '{"db/pool": 1}'""", "yaml", {"db": {"pool": 1}}),
        ("""!json '{"db/pool": {"a": [1]}, "db/url": "x"}'""", "yaml", {"db": {"pool": {"a": [1]}, "url": "x"}}),
        ('{"$merge": [{"a/b": 1}, {"a/c": 2}]}', "json", {"a": {"b": 1, "c": 2}}),
    ],
)
def test_a_key_with_a_slash_means_the_same_where_a_tag_made_it(content: str, format: str, groups: Any) -> None:
    """What `merge`, `json` and other tags give at the top are groups as well."""
    assert loaded(content, format).groups == groups


def test_a_mistake_under_a_key_with_a_slash_has_its_path() -> None:
    """The group and the name, as if one stood in the other."""
    with pytest.raises(BadTag) as caught:
        loaded("db/pool: {size: !int many}")
    assert str(caught.value).startswith("db.pool, size: !int: 'many' is not a whole number.")


def test_a_dotted_key_is_no_group() -> None:
    """`db.pool:` at the top would be a group of that name, and is meant as a path."""
    with pytest.raises(BadFile, match="Write db/pool, or one mapping in the other"):
        loaded("db.pool: {config: {size: 9}}")
    assert loaded("{:env.http/host 1}", "edn").groups == {"env.http": {"host": 1}}


# --- A system below ---


def test_what_settings_do_not_speak_of_stays_the_same_object() -> None:
    """Whatever it is, and whatever its keys look like."""
    there = {
        "port": 1,
        "set": frozenset({1}),
        "odd": OrderedDict({"$env": "HOME"}),
        "log": {"module": "app", "level": 1},
    }
    below = System({"env": there, "$env": {"a/b": {"$ref": "x"}}, "mainspring": {"name": 5}})
    made = loaded("env: {port: 2}", system=below)
    assert made["env.port"] == 2
    assert made["env.odd"] is there["odd"]
    assert [type(one) for one in made.groups["env"].values()] == [type(one) for one in below.groups["env"].values()]
    assert made.groups["$env"]["a/b"] == {"$ref": "x"}
    assert made.groups["mainspring"] == {"name": 5}
    assert loaded("{}", system=below) == below


def test_a_constant_that_settings_change_stays_data() -> None:
    """A key `component` in it names no component, also where another key is set."""
    below = System({"env": {"log": {"component": "os:getcwd", "level": 1, "o": {"$env": "HOME"}}}})
    made = loaded("env: {log: {level: 2}}", system=below)
    assert made["env.log"] == {"component": "os:getcwd", "level": 2, "o": {"$env": "HOME"}}


def test_the_other_arguments_of_a_component_stay_the_same_objects() -> None:
    """One argument is set, and no other is looked at."""
    hosts = OrderedDict({"$env": "HOME"})
    below = System({"env": {"x": 1}, "web": {"server": server(port=ref("env.x"), hosts=hosts)}})
    made = loaded("web: {server: {config: {port: 9}}}", system=below)
    assert made["web.server"].config["hosts"] is below["web.server"].config["hosts"]
    with made.started() as live:
        assert live["web.server"] == (9, {"$env": "HOME"})


def test_literal_data_is_no_component() -> None:
    """A constant may have a key `component` where `!literal` says that it is data."""
    assert loaded("env: {log: !literal {component: 'os:getcwd'}}")["env.log"] == {"component": "os:getcwd"}


def test_arguments_in_two_spellings_are_one_in_all_layers() -> None:
    """The topmost counts, mappings are merged, and one can be removed."""
    base = "web: {server: {component: 'builtins:dict', config: {my-arg: 1, my_map: {x: 1}, other-one: 1}}}"
    middle = "web: {server: {config: {my_arg: 2, my-map: {y: 2}}}}"
    top = "web: {server: {config: {my-arg: 3, other_one: !remove }}}"
    made = config.load(*(text(one, "yaml") for one in (base, middle, top)))
    with made.started() as live:
        assert live["web.server"] == {"my_arg": 3, "my_map": {"x": 1, "y": 2}}


# --- Deferred values, many uses, threads ---


def test_deferred_values_are_made_in_what_is_built() -> None:
    """A handler gets the value, also as a part of an object that is built at each start."""
    made = tags.build("builtins:dict", {"k": config.deferred(lambda: 5)})
    system = config.load({"a": {"b": {"component": dict, "config": {"x": made}}}}, values="as written")
    with system.started() as live:
        assert live["a.b"] == {"x": {"k": 5}}


def test_settings_may_be_used_any_number_of_times() -> None:
    """The limits are those of one use."""
    settings = config.Settings(text("a: {b: [1, 2, 3], c: {d: 1}}", "yaml"), limits=config.Limits(items=20))
    for _ in range(100):
        assert settings.data() == {"a": {"b": [1, 2, 3], "c": {"d": 1}}}
        assert settings.system().groups == settings.data()


def test_threads_may_share_settings() -> None:
    """One after the other works out what is written, and nobody sees a loop that is none."""
    together = threading.Event()

    @config.tag("mended_slow")
    def _(value: str) -> str:
        together.wait(0.05)  # long enough for another thread to come
        return value

    settings = config.Settings(text("a: {b: !join [!mended_slow x, !mended_slow y], c: !value a.b}", "yaml"))
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(settings.data())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"a": {"b": "xy", "c": "xy"}}] * 4


def test_a_file_whose_values_refer_to_each_other_ten_thousand_times_is_read() -> None:
    """A chain is as long as it is, and no stack ends it."""
    chain = "a0: 1\n" + "".join(f"a{i}: !ref a{i - 1}\n" for i in range(1, 10_000))
    assert config.read(text(chain, "yaml"))["a9999"] == 1


# --- Single values on top ---


def test_single_values_are_data_and_stand_in_place_of_what_is_there() -> None:
    """No tag, no merge; null is a value."""
    base = config.Settings(text("a: {x: {k: 1}, y: {k: 1}, z: 1, $$w: 0}", "yaml"))
    over = base.with_values({"a.x": {"$env": "HOME"}, "a.y": None, "a.z": {}, "a.$w": 9})
    assert over.data() == {"a": {"x": {"$env": "HOME"}, "y": None, "z": {}, "$w": 9}}


def test_a_single_value_may_stand_in_a_list() -> None:
    """A part of its path is a position; whatever depends on the list sees the change."""
    base = config.Settings(text("env: {hosts: [a, b, {c: 1}], url: !value env.hosts.1, r: !ref env.hosts}", "yaml"))
    assert base.with_values({"env.hosts.1": "x"}).data()["env"]["url"] == "x"
    assert base.with_values({"env.hosts.-1.c": 2}).data()["env"]["hosts"] == ["a", "b", {"c": 2}]
    assert base.with_values({"env.hosts.0": 1, "env.hosts.1": 2}).data()["env"]["hosts"] == [1, 2, {"c": 1}]
    over = base.with_values({"env.r.0": 1}).data()["env"]
    assert (over["r"], over["hosts"]) == ([1, "b", {"c": 1}], ["a", "b", {"c": 1}])
    with pytest.raises(BadOverride, match="sets the item 7 of a list that has 3"):
        base.with_values({"env.hosts.7": 1}).data()


def test_a_single_value_finds_keys_that_are_no_text() -> None:
    """As they are spelled in a path."""
    settings = config.Settings(text("a: {2: x, true: y}", "yaml"))
    assert settings.with_values({"a.2": 5, "a.true": 6}).data() == {"a": {2: 5, True: 6}}


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ("a: {p: !ref b.pw}\nb: {pw: !secret hunter2}", "yaml"),
        ('{"a": {"p": {"$secret": {"$or": [{"$env": "NO"}, "hunter2"]}}}}', "json"),
        ('{"a": {"p": {"$ref": "b.pw"}}, "b": {"pw": {"$secret": "hunter2"}}}', "json"),
    ],
)
def test_what_is_laid_over_a_secret_is_one(content: str, format: str) -> None:
    """However the secret is written, and also where a reference to it stands."""
    for over in (text("a: {p: plain}", "yaml"), {"a": {"p": "plain"}}):
        assert config.read(text(content, format), over)["a"]["p"] == Secret("plain")
    assert config.Settings(text(content, format)).with_values({"a.p": "plain"}).data()["a"]["p"] == Secret("plain")


# --- Profiles ---


@pytest.mark.parametrize(
    "content",
    [
        "!merge [{mainspring: {profile: dev}}, {a: !profile {dev: 1, prod: 2}}]",
        "mainspring: !include m.yaml\na: !profile {dev: 1, prod: 2}",
        "mainspring: {profile: !or [!env NO_SUCH, dev]}\na: !profile {dev: 1, prod: 2}",
        "mainspring: !value about\nabout: {profile: dev}\na: !profile {dev: 1, prod: 2}",
    ],
)
def test_the_profile_of_a_file_is_seen_however_it_is_written(content: str) -> None:
    """Included, merged, referred to: wherever it can be known without a profile."""
    files = {"m.yaml": text("profile: dev\n", "yaml")}
    settings = config.Settings(text(content, "yaml"), environ={}, resolver=files)
    assert settings.profiles == ("dev",)
    assert settings.data()["a"] == 1


def test_a_profile_that_depends_on_the_profile_is_none() -> None:
    """A section that only a profile brings says nothing of profiles; and a name that depends on one is a mistake."""
    content = "mainspring: !profile {prod: {profile: dev}, default: {profile: prod}}\na: !profile {dev: 1, default: 2}"
    assert config.Settings(text(content, "yaml"), environ={}).profiles == ()
    said = wrong(text("mainspring: {profile: !profile {default: dev}}", "yaml"), environ={})
    assert "which profile to take cannot depend on the profile" in said


def test_mistakes_about_profiles_have_a_place() -> None:
    """Line and column, and no secret."""
    said = wrong(text("mainspring:\n  profile: 1", "yaml", name="a.yaml"), environ={})
    assert "mainspring.profile: 1 stands here, and names of profiles are needed." in said
    assert "a.yaml:2:12" in said
    said = wrong(text("mainspring: {profiles: [!secret:env X]}", "yaml", name="a.yaml"), environ={"X": "hunter2xx"})
    assert "hunter2" not in said
    assert "a.yaml:1:24" in said
    with pytest.raises(UnknownProfile) as caught:
        config.Settings(text("mainspring: {profile: x}", "yaml", name="a.yaml"), environ={})
    assert "a.yaml:1:23" in str(caught.value)
    assert "do: List it" in str(caught.value)


def test_a_misspelt_profile_is_a_mistake_where_profiles_are_listed() -> None:
    """Otherwise the default would be taken in its place, without a word."""
    content = "mainspring: {profiles: [dev, prod], profile: dev}\na: !profile {prd: 1, default: 2}"
    said = wrong(text(content, "yaml"), environ={})
    assert "there is no profile prd among those that mainspring.profiles lists" in said
    assert "Did you mean prod?" in said
    several = "mainspring: {profiles: [dev, prod]}\na: !profile {[dev, prod]: 1, default: 2}"
    assert config.read(text(several, "yaml"), profile="prod", environ={}) == {"a": 1}


IN = text("mainspring: {profile: dev, profiles: [dev, prod]}\nx: {y: !profile {dev: 1, prod: 2}}", "yaml")
OUT = "z: {w: !profile {dev: 1, prod: 2, default: 0}}\na: {b: {subsystem: in.yaml}}"


@pytest.mark.parametrize(
    ("options", "inner"),
    [
        ({"profile": "prod"}, 2),
        ({"environ": {"MAINSPRING_PROFILE": "prod"}}, 2),
        ({"profile": ["prod", "dev"]}, 2),
        ({"profile": ["test", "prod"]}, 2),
        ({}, 1),
        ({"profile": "test"}, 1),
    ],
)
def test_a_subsystem_is_read_in_the_profile_of_the_system_around_it(options: Any, inner: int) -> None:
    """What it says itself is its default, where nobody chose a profile that it knows."""
    options.setdefault("environ", {})
    outer = text(f"mainspring: {{profiles: [dev, prod, test]}}\n{OUT}", "yaml")
    assert inside(config.load(outer, resolver={"in.yaml": IN}, **options)) == inner


@pytest.mark.parametrize("options", [{"profile": "dev", "environ": {}}, {"environ": {"MAINSPRING_PROFILE": "dev"}}])
def test_a_subsystem_need_not_speak_of_the_profile(options: Any) -> None:
    """The file around it does."""
    made = config.load(text(OUT, "yaml"), resolver={"in.yaml": text("x: {y: 7}", "yaml")}, **options)
    assert inside(made) == 7
    assert made["z.w"] == 1


@pytest.mark.parametrize("kind", ["subsystem", "module"])
def test_the_profiles_of_subsystems_and_modules_are_known(kind: str) -> None:
    """As those of included files."""
    files = {"f.yaml": text("x: {y: !profile {dev: 1, default: 2}}", "yaml")}
    settings = config.Settings(text(f"a: {{b: {{{kind}: f.yaml}}}}", "yaml"), resolver=files, profile="dev")
    assert settings.known_profiles == ("dev",)
    made = settings.system()
    assert (inside(made) if kind == "subsystem" else made["x.y"]) == 1


def inside(system: System) -> Any:
    """What is x.y in the subsystem a.b."""
    with system.started() as live:
        return live["a.b"]["x.y"]


# --- Secrets ---


@pytest.mark.parametrize(
    "tag",
    [
        "!ref [a, !secret:env PW]", "!ref:secret:env PW", "!local_ref:secret:env PW", "!tagged:secret:env PW",
        "!one_tagged {tag: x, path: [!secret:env PW]}", "!value [a, !secret:env PW]", "!include:secret:env PW",
        "!import:secret:env PW", "!build {target: !secret:env PW}",
    ],
)  # fmt: skip
def test_a_secret_is_no_part_of_what_is_shown(tag: str) -> None:
    """Paths, tags of components, names of files and of objects are shown everywhere."""
    with pytest.raises(BadTag) as caught:
        loaded(f"a: {{b: 1, c: {tag}}}", environ={"PW": "hunter2xx"})
    assert "a secret cannot be part of it" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (Path("/hunter2/zz"), "/hunter2/zz"),
        (PurePosixPath("/hunter2"), "/hunter2"),
        (Decimal("12345.678"), "12345.678"),
        (UUID(int=7), str(UUID(int=7))),
        (bytearray(b"hunter2"), "hunter2"),
    ],
)
def test_secrets_of_any_kind_are_known_by_their_text(secret: Any, said: str) -> None:
    """So that no exception that is passed on has them in it."""
    assert said in secret_texts(Secret(secret))


def test_a_secret_that_cannot_be_written_stands_in_no_text() -> None:
    """An object that fails to say what it is, is no reason to fail."""

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError

    assert secret_texts(Secret(Mute())) == set()


# --- Sources ---


class Named(io.BytesIO):
    """A stream of bytes that has a name."""

    name = "n.yaml"


class Slow(io.RawIOBase):
    """A stream that gives a byte at a time."""

    def __init__(self, content: bytes) -> None:
        self._rest = list(content)

    def read(self, size: int = -1) -> bytes:
        """The next byte, however many are asked for."""
        return bytes([self._rest.pop(0)]) if self._rest else b""


def test_a_stream_is_read_in_full_or_refused() -> None:
    """Its bytes are no characters, and it gives no more at once than it likes."""
    content = ("a: " + "é" * 90).encode()
    small = config.Limits(size=100)
    assert config.read(Named(content), limits=small) == {"a": "é" * 90}
    assert config.read(text(Slow(content), "yaml")) == {"a": "é" * 90}  # type: ignore[arg-type]
    for much in (("a: " + "é" * 200).encode(), b"a" * 101, b"a" * 1000):
        assert "It is larger than 100 characters." in wrong(Named(much), limits=small)
        assert "It is larger than 100 characters." in wrong(text(io.BytesIO(much), "yaml"), limits=small)


def test_a_stream_that_was_too_large_can_be_read_with_more_room() -> None:
    """What `text` gives is read when the limits are known, and as often as one likes."""
    source = text(io.StringIO("a: " + "x" * 500), "yaml")
    assert "larger" in wrong(source, limits=config.Limits(size=10))
    assert config.read(source) == config.read(source) == {"a": "x" * 500}


def test_an_open_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    """As the path of it is; so is one that is closed already."""
    (tmp_path / "bad.yaml").write_bytes(b"a: \xff")
    with open(tmp_path / "bad.yaml", encoding="utf-8") as file:
        assert "It is not text in UTF-8." in wrong(file)
    with open(tmp_path / "bad.yaml", encoding="utf-8") as file:
        assert "It is not text in UTF-8." in wrong(text(file, "yaml"))
    assert "It cannot be read: I/O operation on closed file" in wrong(file)


def test_the_schema_of_an_included_file_is_nothing_that_it_says() -> None:
    """`$schema` is for editors, wherever the file ends up."""
    files = {"b.json": text('{"$schema": "x", "k": 1}', "json"), "c.json": text('{"$schema": "x"}', "json")}
    outer = text('{"$schema": "y", "a": {"$include": "b.json"}, "c": {"$include": "c.json"}}', "json")
    assert config.read(outer, resolver=files) == {"a": {"k": 1}, "c": {}}
    assert config.load(outer, resolver=files).groups == {"a": {"k": 1}, "c": {}}


@pytest.mark.parametrize("name", ["a\0b.json", "~a\0b.json", "\ud800.json"])
def test_a_name_that_no_file_can_have_is_that_of_none(name: str, tmp_path: Path) -> None:
    """Whichever resolver looks for it, and whatever asks."""
    for resolver in (config.root(tmp_path), config.relative, config.package("mainspring"), config.adaptive):
        assert resolver(name, ".") is None
        for entry in ({"module": name}, {"subsystem": name}):
            with pytest.raises(BadFile, match="There is no file"):
                config.load({"a": {"b": entry}}, resolver=resolver)
        assert "there is none" in wrong({"a": tags.include(name)}, resolver=resolver)


def test_a_resolver_that_raises_is_a_mistake_with_a_place() -> None:
    """For everything that is looked for."""
    nothing: Mapping[str, Any] = {}
    for entry in ("module: b.yaml", "subsystem: b.yaml", "x: !include b.yaml"):
        with pytest.raises(BadFile, match=r"Looking for the file b\.yaml raised KeyError: 'b\.yaml'"):
            loaded(f"a: {{b: {{{entry}}}}}", resolver=lambda name, folder: nothing[name])
    with pytest.raises(UnknownProfile, match="There is no profile x"):
        loaded("a: !include b.yaml", resolver=lambda name, folder: nothing[name], profile="x")


def test_a_file_of_a_package_is_found_by_the_resolver_or_not_at_all(tmp_path: Path) -> None:
    """What keeps files below a folder keeps out those of packages."""
    asked: list[str] = []
    named = tags.make("include", {"file": "c.yaml", "package": "app"})
    assert "there is none in the package app" in wrong({"a": named}, resolver=config.root(tmp_path))
    wrong({"a": named}, resolver=lambda name, folder: asked.append(name))
    assert asked == ["app:c.yaml"]
    found = {"app:c.yaml": text("k: 1", "yaml")}
    assert config.read({"a": named}, resolver=found) == {"a": {"k": 1}}


def test_containers_of_omegaconf_mean_the_same_inside_of_a_mapping() -> None:
    """Plain data; what is missing is required, and what cannot be worked out is a mistake."""
    omega = pytest.importorskip("omegaconf").OmegaConf
    assert config.read({"e": omega.create({"h": [1, {"x": "${e}"}], "e": 2})}) == {"e": {"h": [1, {"x": 2}], "e": 2}}
    assert "a value is required" in wrong({"e": omega.create({"h": "???"})})
    assert "cannot be worked out" in wrong({"e": omega.create({"h": "${nope}"})})


def test_data_of_settings_objects_has_no_tags() -> None:
    """It may come from an environment variable: a key with a dollar is a key."""
    pydantic = pytest.importorskip("pydantic")
    omega = pytest.importorskip("omegaconf").OmegaConf
    model = pydantic.create_model("Model", raw=(dict[str, str], {"$file": "/etc/hostname"}))
    assert config.read(model()) == {"raw": {"$file": "/etc/hostname"}}
    assert config.read(omega.create({"raw": {"$file": "x"}})) == {"raw": {"$file": "x"}}


def test_many_variables_that_are_not_bound_are_told_soon() -> None:
    """Near names are looked for a hundred times, and not for all of them."""
    content = "".join(f"a{i}: !var name{i}\n" for i in range(2_000))
    said = wrong(text(content, "yaml"), bind={f"nane{i}": i for i in range(2_000)})
    assert said.count("is not bound") == 2_000
    assert said.count("Did you mean") == 100


# --- Tags ---


def test_a_path_of_nothing_is_a_mistake() -> None:
    """As an empty text is."""
    assert "text is needed for a path" in wrong(text("a: !path []", "yaml"))


def test_what_python_writes_has_python_as_its_origin() -> None:
    """Also where it is a tag."""
    values = config.explain(config.load({"a": {"b": tags.secret("x"), "c": 1, "d": tags.join("x", "y")}}))
    assert {value.origin.kind for value in values} == {"python"}


def test_the_loop_of_a_value_around_itself_shows_the_reference() -> None:
    """With its tag and its place, drawn straight."""
    said = wrong(text("a: {b: !ref a}", "yaml", name="a.yaml"))
    lines = [line for line in said.splitlines() if "─" in line or "│" in line]
    assert [line.split() for line in lines] == [
        ["┌─>", "a"],
        ["│", "a.b", "!ref,", "a.yaml:1:8"],
        ["└──", "a", "(again)"],
    ]
    assert len({len(line) - len(line.lstrip()) for line in lines}) == 1


def test_the_loop_of_a_key_shows_its_tag() -> None:
    """It is part of the mapping that it needs."""
    assert "a  !value, a.yaml:1:7" in wrong(text("a: {? !value a.k : 1, k: zz}", "yaml", name="a.yaml"))


def test_sets_in_sets_without_end_are_refused() -> None:
    """Also where the limits allow them."""
    said = wrong(text("#{" * 2000 + "}" * 2000, "edn"), limits=config.Limits(depth=100_000))
    assert "nested too deeply" in said


def test_a_variable_of_a_module_is_written_under_its_config() -> None:
    """So says what is to be done."""
    files = {"m.yaml": text("db: {x: !var dsn}", "yaml")}
    with pytest.raises(BadTag, match=r"Write it under config of parts\.a\."):
        loaded("parts: {a: {module: m.yaml}}", resolver=files)


# --- YAML ---


def test_a_key_may_have_no_value_in_braces() -> None:
    """The colon before a comma or a brace is that of the key."""
    assert config.read(text("{dsn:, pw: 1, 'x':, 'http://y:': 2, a:b:}", "yaml")) == {
        "dsn": None, "pw": 1, "x": None, "http://y:": 2, "a:b": None
    }  # fmt: skip
    for content in ("[a:, b]", "{x: a:, y: 1}"):
        assert "Something is missing after the colon: a:." in wrong(text(content, "yaml"))


@pytest.mark.parametrize("content", ["[?foo]", "{?x: 1}", "- [a, ?b]"])
def test_text_that_begins_with_a_question_mark_is_quoted_in_brackets(content: str) -> None:
    """To the parsers it is the sign of a key."""
    assert "Put the text in quotation marks." in wrong(text(content, "yaml"))
    assert config.read(text("a: ?foo\nb: [a?b, '?c']\n? k\n: v\n", "yaml"))["b"] == ["a?b", "?c"]


@pytest.mark.parametrize("number", ["0x" + "f" * 4000, "0o" + "7" * 6000])
def test_a_number_that_python_cannot_write_is_refused(number: str) -> None:
    """It reads as many hexadecimal and octal digits as there are."""
    assert "is longer than Python converts" in wrong(text(f"a: {{b: {number}}}", "yaml"))


def test_unquoted_patterns_and_apostrophes_are_told_of_quotation_marks() -> None:
    """What is meant is text."""
    assert "Put the text in quotation marks." in wrong(text("glob: *.py", "yaml"))
    assert "single quotation marks, one of them is written twice" in wrong(text("a: 'it's'", "yaml"))
