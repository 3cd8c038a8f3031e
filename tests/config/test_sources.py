"""What can be read: files by suffix, texts, streams, resources of packages, data, settings objects; and what cannot."""

from __future__ import annotations

import importlib.resources
import io
import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from mainspring import BadFile, BadTag, Component, DefinitionError, Secret, System, config, ref

SAME = {
    "yaml": "db: {port: 1, hosts: [a, b], on: true, size: 1.5, none: null}\n",
    "json": '{"db": {"port": 1, "hosts": ["a", "b"], "on": true, "size": 1.5, "none": null}}',
    "toml": '[db]\nport = 1\nhosts = ["a", "b"]\non = true\nsize = 1.5\nnone = {"$env" = "NO"}\n',
    "edn": '{:db {:port 1 :hosts ["a" b] :on true :size 1.5 :none nil}}',
}
DATA = {"db": {"port": 1, "hosts": ["a", "b"], "on": True, "size": 1.5, "none": None}}


def wrong(*sources: Any, **options: Any) -> str:
    """What is said about what is read."""
    with pytest.raises(DefinitionError) as caught:
        config.read(*sources, **options)
    return str(caught.value)


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "format"), [("yaml", "yaml"), ("yml", "yaml"), ("JSON", "json"), ("toml", "toml"), ("edn", "edn")]
)
def test_the_format_is_chosen_by_the_suffix(tmp_path: Path, suffix: str, format: str) -> None:
    """The same in each format is the same data."""
    path = tmp_path / f"app.{suffix}"
    path.write_text(SAME[format])
    assert config.read(path, environ={}) == DATA
    assert config.read(str(path), environ={}) == DATA


@pytest.mark.parametrize("format", SAME)
def test_a_text_is_read_as_a_file_is(format: str) -> None:
    """With a name of its format, or its suffix; as text, bytes, or a stream of either; with a mark of byte order or without."""
    text = SAME[format]
    for content in (
        text,
        text.encode(),
        io.StringIO(text),
        io.BytesIO(text.encode()),
        "\ufeff" + text,
        b"\xef\xbb\xbf" + text.encode(),
    ):
        assert config.read(config.text(content, format), environ={}) == DATA
        if isinstance(content, io.IOBase):
            content.seek(0)
    assert config.read(config.text(text, f".{format.upper()}"), environ={}) == DATA


def test_a_mark_of_byte_order_does_not_move_places(tmp_path: Path) -> None:
    """Nor is it part of the first key."""
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1, "a": 2}')
    assert ":1:10" in wrong(tmp_path / "a.json")
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: !int x\n")
    assert ":1:4" in wrong(tmp_path / "a.yaml")


def test_an_open_file_is_read(tmp_path: Path) -> None:
    """By its name; what it includes is looked for beside it."""
    (tmp_path / "a.yaml").write_text("x: !include b.json\n")
    (tmp_path / "b.json").write_text("[1]")
    with open(tmp_path / "a.yaml") as text, open(tmp_path / "a.yaml", "rb") as binary:
        assert config.read(text) == config.read(binary) == {"x": [1]}


def test_a_stream_without_a_name_says_no_format() -> None:
    """The error says how to give one."""
    assert 'Write config.text(stream, "yaml").' in wrong(io.StringIO("a: 1"))


def test_a_resource_of_a_package_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `importlib.resources` finds is a source."""
    (tmp_path / "resources_of_sources").mkdir()
    (tmp_path / "resources_of_sources" / "__init__.py").write_text("")
    (tmp_path / "resources_of_sources" / "a.yaml").write_text("a: 1")
    monkeypatch.syspath_prepend(tmp_path)
    assert config.read(importlib.resources.files("resources_of_sources") / "a.yaml") == {"a": 1}


def test_a_text_has_a_name_and_a_folder(tmp_path: Path) -> None:
    """For its errors, and for what it includes."""
    (tmp_path / "b.yaml").write_text("1")
    source = config.text("a: !include b.yaml\nb: !int x\n", "yaml", name="built in", folder=tmp_path)
    assert "at: built in:2:4" in wrong(source)
    assert config.read(source, {"b": 1}) == {"a": 1, "b": 1}


# --- What cannot be read ----------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_an_error_with_near_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the same folder that could be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "system.yaml").write_text("")
    (tmp_path / "system.txt").write_text("")
    told = wrong("sytem.yaml")
    assert "There is no such file.\n   at: sytem.yaml\n   do: Did you mean system.yaml?" in told
    assert "There is no folder conf." in wrong("conf/system.yaml")


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    """A folder, a name that cannot be one, a suffix that there is not."""
    (tmp_path / "a.yaml").mkdir()
    assert "It cannot be read: Is a directory." in wrong(tmp_path / "a.yaml")
    assert "It cannot be read" in wrong("a\0.yaml")
    assert "Its name ends in .ini, which says no format." in wrong("a.ini")
    assert "Its name has no ending, which says no format." in wrong("a")
    assert "The endings are: .yaml, .yml, .json, .toml, .edn." in wrong("a")
    assert "There is no format jsn." in wrong_text("{}", "jsn")
    assert "Did you mean json?" in wrong_text("{}", "jsn")


def wrong_text(content: Any, format: str) -> str:
    """What is said about a text."""
    with pytest.raises(BadFile) as caught:
        config.text(content, format)
    return str(caught.value)


def test_bytes_that_are_no_text_are_an_error_with_a_line(tmp_path: Path) -> None:
    """In a file, in bytes, in a stream."""
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: \xff\n")
    assert "It is not text in UTF-8." in wrong(tmp_path / "a.yaml")
    assert "a.yaml:2\n" in wrong(tmp_path / "a.yaml")
    assert "<text>:2" in wrong_text(b"\n\xff", "yaml")
    assert "<text>:1" in wrong(config.text(io.BytesIO(b"\xff\xfea\0"), "yaml"))


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """By characters, by depth, by the number of its values."""
    (tmp_path / "a.json").write_text(json.dumps([1] * 100))
    assert "It is larger than 50 characters." in wrong(tmp_path / "a.json", limits=config.Limits(size=50))
    assert "It is larger than 5 characters." in wrong(config.text("[1, 2, 3]", "json"), limits=config.Limits(size=5))
    assert "It has more than 20 values." in wrong(tmp_path / "a.json", limits=config.Limits(items=20))
    assert "nested more than 3 levels deep" in wrong(config.text("[[[[1]]]]", "json"), limits=config.Limits(depth=3))


@pytest.mark.parametrize("source", [5, None, object(), ["a.yaml"], b"a.yaml"])
def test_anything_else_is_a_wrong_argument(source: Any) -> None:
    """The error says what can be given."""
    with pytest.raises((TypeError, DefinitionError)):
        config.read(source)


def test_an_option_that_there_is_not_is_a_wrong_argument() -> None:
    """With near names."""
    with pytest.raises(TypeError, match=r"there is no option 'profil'. Did you mean profile"):
        config.read({}, profil="dev")  # type: ignore[call-arg]


def test_data_that_contains_itself_is_refused() -> None:
    """As is data that is nested without end."""
    endless: dict[str, Any] = {}
    endless["a"] = endless
    assert "nested too deeply, or contains itself" in wrong(endless)
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert "nested too deeply, or contains itself" in wrong({"a": deep})
    assert "nested too deeply, or contains itself" in wrong(config.tags.make("literal", {"a": 1}), {"a": deep})


def test_data_of_python_is_copied() -> None:
    """What is read can be changed without changing what it was read from, and the other way round."""
    data = {"a": {"x": [1]}}
    settings = config.Settings(data)
    data["a"]["x"].append(2)
    found = settings.data()
    found["a"]["x"].append(3)
    assert settings.data() == {"a": {"x": [1]}}


# --- Settings objects -------------------------------------------------------------------------------------------------


class Database(BaseModel):
    """A model in a model."""

    host: str = "localhost"
    password: SecretStr = SecretStr("hunter2")


class AppSettings(BaseSettings):
    """Settings as pydantic-settings reads them."""

    model_config = SettingsConfigDict(env_prefix="SOURCES_TEST_")
    port: int = 80
    hosts: list[str] = ["a", "b"]
    database: Database = Database()


def test_settings_of_pydantic_are_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models in models are mappings, secrets are secrets, and layers go below and above."""
    monkeypatch.setenv("SOURCES_TEST_PORT", "9000")
    found = config.read(
        {"port": 1, "more": 2}, AppSettings(), config.text("url: !join [!ref database.host, ':', !ref port]", "yaml")
    )
    password = found["database"].pop("password")
    assert isinstance(password, Secret)
    assert password.reveal() == SecretStr("hunter2")
    assert found == {
        "port": 9000,
        "more": 2,
        "hosts": ["a", "b"],
        "database": {"host": "localhost"},
        "url": "localhost:9000",
    }
    assert "hunter2" not in repr(found)
    assert config.read(AppSettings(), {"database": {"host": "z"}})["database"]["host"] == "z"


def test_what_is_made_of_a_secret_of_pydantic_is_a_secret() -> None:
    """Tags work with the value, and no error shows it."""
    both = Database(), config.text("a: !join [x, !ref password]\nb: !str:ref password\n", "yaml")
    found = config.read(*both)
    assert found["password"].reveal() == SecretStr("hunter2")
    assert found["a"] == Secret("xhunter2")
    assert found["b"] == Secret("hunter2")
    told = wrong(
        *both, {"c": config.tags.var(config.tags.ref("password")), "d": config.tags.int_(config.tags.ref("password"))}
    )
    assert "the variable *** is not bound" in told
    assert "hunter2" not in told


def test_containers_of_omegaconf_are_a_source() -> None:
    """Their interpolations are worked out; what is missing in them is required."""
    conf = OmegaConf.create({"db": {"host": "a", "url": "${db.host}:1", "list": [1, "${db.host}"]}, "port": "???"})
    over = config.text("port: 80\nb: !ref db.url\n", "yaml")
    assert config.read(conf, over) == {"db": {"host": "a", "url": "a:1", "list": [1, "a"]}, "port": 80, "b": "a:1"}
    with pytest.raises(BadTag, match=r"port: .*a value is required here"):
        config.read(conf)
    assert config.read(OmegaConf.create([1, {"a": 2}])) == [1, {"a": 2}]
    assert "cannot be worked out" in wrong(OmegaConf.create({"a": "${nothing}"}))


def settings_as_constants() -> list[Any]:
    """The same settings as an object of pydantic-settings and as a container of OmegaConf."""
    return [AppSettings(), OmegaConf.create({"port": 80, "hosts": ["a", "b"], "database": {"host": "localhost"}})]


@pytest.mark.parametrize("settings", settings_as_constants(), ids=["pydantic", "omegaconf"])
def test_settings_objects_are_constants_of_a_system(settings: Any) -> None:
    """References lead into them, by attribute and by item, at any depth."""

    def start(**given: Any) -> dict[str, Any]:
        return given

    use: Component[Any] = Component(
        start=start,
        config={
            "port": ref("env.settings.port"),
            "host": ref("env.settings.database.host"),
            "second": ref("env.settings.hosts.1")
            if not isinstance(settings, BaseModel)
            else ref("env", "settings", "hosts", 1),
            "whole": ref("env.settings"),
        },
    )
    with System({"env": {"settings": settings}, "app": {"use": use}}).started() as live:
        assert live["app.use"] == {"port": 80, "host": "localhost", "second": "b", "whole": settings}


@pytest.mark.parametrize("settings", settings_as_constants(), ids=["pydantic", "omegaconf"])
def test_settings_objects_are_values_of_a_source(settings: Any) -> None:
    """Within a mapping of Python, a file refers into them."""
    found = config.read(
        {"env": {"settings": settings}},
        config.text("a: [!ref env.settings.port, !ref env.settings.database.host]", "yaml"),
    )
    assert found["a"] == [80, "localhost"]
    assert found["env"]["settings"] == settings
