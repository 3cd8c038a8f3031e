"""Files that include others: where they are looked for, what they see, what happens where there is none, and loops."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from mainspring import BadFile, CycleError, DefinitionError, config
from mainspring.config import tags


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    """Write files; a double underscore is a slash, and the last single one the dot."""
    for name, text in files.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def wrong(*sources: Any, **options: Any) -> DefinitionError:
    """What is wrong with what is read."""
    with pytest.raises(DefinitionError) as caught:
        config.read(*sources, **options)
    return caught.value


# --- Where a file is looked for ---------------------------------------------------------------------------------------


def test_a_file_is_looked_for_beside_the_one_that_includes_it(folder: Path) -> None:
    """In folders within folders, each file starts from its own."""
    write(
        folder,
        conf__app_yaml="a: !include sub/b.json",
        conf__sub__b_json='{"c": {"$include": "../c.edn"}}',
        conf__c_edn="[1 2]",
    )
    assert config.read("conf/app.yaml") == {"a": {"c": [1, 2]}}
    assert config.read(folder / "conf" / "app.yaml") == {"a": {"c": [1, 2]}}


def test_a_file_is_looked_for_in_the_current_folder_next(folder: Path) -> None:
    """The resolver that is used if none is given finds it there too; the one named relative does not."""
    write(folder, conf__app_yaml="a: !include b.yaml", b_yaml="here")
    assert config.read("conf/app.yaml") == {"a": "here"}
    assert "The file b.yaml is included, and there is none in conf." in str(wrong("conf/app.yaml", resolver="relative"))
    write(folder, conf__b_yaml="beside")
    assert config.read("conf/app.yaml") == {"a": "beside"}


def test_an_absolute_path_is_taken_as_it_is(folder: Path) -> None:
    """And `~` is the home of the user."""
    write(folder, x__b_yaml="there")
    assert config.read({"a": tags.include(str(folder / "x" / "b.yaml"))}) == {"a": "there"}


def test_the_name_of_a_file_may_be_worked_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By any tags."""
    write(folder, dev_yaml="1", app_yaml="a: !include:join [!env STAGE, .yaml]\nb: !include [!ref c]\nc: dev.yaml\n")
    monkeypatch.setenv("HOME", str(folder))
    assert config.read("app.yaml", environ={"STAGE": "dev"}) == {"a": 1, "b": 1, "c": "dev.yaml"}
    assert config.read({"a": tags.include("~/dev.yaml")}) == {"a": 1}


def test_a_package_is_searched_and_never_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`package:file`, the part `package`, and the resolver: a package that fails when it is imported is no matter."""
    write(folder, bombs__inner__conf__a_yaml="x: !include b.yaml", bombs__inner__conf__b_yaml="2")
    (folder / "bombs" / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "bombs" / "inner" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(folder)
    assert config.read({"a": tags.include("bombs.inner:conf/a.yaml")}) == {"a": {"x": 2}}
    assert config.read({"a": tags.include("conf/a.yaml", package="bombs.inner")}) == {"a": {"x": 2}}
    with_resolver = config.Settings({"a": tags.include("conf/b.yaml")}, resolver=config.package("bombs.inner"))
    assert with_resolver.data() == {"a": 2}
    assert "there is none in the package bombs" in str(wrong({"a": tags.include("z.yaml", package="bombs")}))
    assert "there is none" in str(wrong({"a": tags.include("no_such_package:z.yaml")}))
    assert "is not in the package bombs" in str(wrong({"a": tags.include("bombs:../x.yaml")}))
    assert "is not in the package bombs" in str(wrong({"a": tags.include("bombs:/etc/x.yaml")}))
    assert "cannot be the name of a package" in str(wrong({"a": tags.include("x.yaml", package="../bombs")}))


def test_a_package_in_a_zip_file_is_searched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in a zip file is read as it is in a folder."""
    with zipfile.ZipFile(folder / "z.zip", "w") as file:
        file.writestr("zipped_settings/__init__.py", "raise SystemExit")
        file.writestr("zipped_settings/a.yaml", "x: 1")
    monkeypatch.syspath_prepend(str(folder / "z.zip"))
    assert config.read({"a": tags.include("zipped_settings:a.yaml")}) == {"a": {"x": 1}}


def test_a_root_lets_nothing_escape(folder: Path) -> None:
    """Below one folder, and nowhere else: not by dots, not by an absolute path, not by a link."""
    write(folder, conf__sub__a_yaml="!include b.yaml", conf__b_yaml="1", outside_yaml="secret")
    (folder / "conf" / "link.yaml").symlink_to(folder / "outside.yaml")
    inside = config.root(folder / "conf")
    assert config.read({"a": tags.include("sub/a.yaml")}, resolver=inside) == {"a": 1}
    for name in ("../outside.yaml", str(folder / "outside.yaml"), "link.yaml", "sub/../../outside.yaml"):
        error = wrong({"a": tags.include(name)}, resolver=inside)
        assert "is not below" in str(error)
        assert "secret" not in str(error)
    assert "there is none" in str(wrong({"a": tags.include("c.yaml")}, resolver=inside))


def test_a_mapping_finds_sources_of_any_kind(folder: Path) -> None:
    """By name: texts, paths, data."""
    write(folder, b_toml="x = 1")
    resolver = {"a": config.text("[1]", "json"), "b": folder / "b.toml", "c": {"y": tags.include("a")}}
    given = {name: tags.include(name) for name in resolver}
    assert config.read(given, resolver=resolver) == {"a": [1], "b": {"x": 1}, "c": {"y": [1]}}
    assert "there is none" in str(wrong({"a": tags.include("d")}, resolver=resolver))


def test_a_function_finds_sources(folder: Path) -> None:
    """It gets what is written, and the folder of the including file."""
    asked = []

    def resolver(name: str, folder: str) -> Any:
        asked.append((name, folder))
        return config.text(f"{name}!", "yaml") if name != "no" else None

    write(folder, conf__a_yaml="a: !include hello")
    assert config.read("conf/a.yaml", resolver=resolver) == {"a": "hello!"}
    assert set(asked) == {("hello", "conf")}
    assert "there is none" in str(wrong({"a": tags.include("no")}, resolver=resolver))


def test_a_resolver_that_fails_is_an_error_with_a_place(folder: Path) -> None:
    """So is one that gives what cannot be read."""

    def failing(name: str, folder: str) -> Any:
        raise RuntimeError("no network")

    write(folder, a_yaml="a: !include x")
    said = "Looking for the file x raised RuntimeError: no network.\n   at: a.yaml:1:4"
    assert said in str(wrong("a.yaml", resolver=failing))
    assert "5 cannot be read" in str(wrong("a.yaml", resolver=lambda name, folder: 5))


def test_a_resolver_that_there_is_not_is_an_error() -> None:
    """With near names, or with what can be given."""
    with pytest.raises(TypeError, match="Did you mean relative"):
        config.read({}, resolver="relativ")
    with pytest.raises(TypeError, match="is no resolver"):
        config.read({}, resolver=5)  # type: ignore[arg-type]


# --- What there is not ------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_an_error_with_its_place(folder: Path) -> None:
    """What was looked for, from where, and where it is asked for."""
    write(folder, conf__a_yaml="x:\n  - !include b.yaml\n")
    error = wrong("conf/a.yaml")
    assert isinstance(error, BadFile)
    assert "x.0: The file b.yaml is included, and there is none in conf." in str(error)
    assert "at: conf/a.yaml:2:5" in str(error)
    assert "!include {file: b.yaml, optional: true}" in str(error)


def test_a_file_that_is_not_there_is_a_marker_on_request(folder: Path) -> None:
    """As Aero has it: a mapping with the name."""
    write(folder, a_yaml="a: !include b.yaml\nb: !ref a.missing-include\n")
    assert config.read("a.yaml", missing_includes="marker") == {"a": {"missing-include": "b.yaml"}, "b": "b.yaml"}
    with pytest.raises(ValueError, match="missing_includes must be error or marker, not 'none'"):
        config.read("a.yaml", missing_includes="none")  # type: ignore[arg-type]


def test_a_file_may_be_optional(folder: Path) -> None:
    """Then it is nothing where it is not there, and itself where it is; `merge` and `or` go on without it."""
    write(folder, a_yaml="a: !include {file: b.yaml, optional: true}\nc: !merge [{x: 1}, !ref a]\nd: !or [!ref a, 2]\n")
    assert config.read("a.yaml") == {"a": None, "c": {"x": 1}, "d": 2}
    write(folder, b_yaml="y: 3")
    assert config.read("a.yaml") == {"a": {"y": 3}, "c": {"x": 1, "y": 3}, "d": {"y": 3}}
    assert config.read({"a": tags.include("no.yaml", optional=True)}) == {"a": None}


def test_an_included_file_that_cannot_be_read_is_an_error_with_its_own_place(folder: Path) -> None:
    """What is wrong in a file is said with a place in it; what is wrong with its name, with that of the tag."""
    write(folder, a_yaml="a: !include b.json\n", b_json='{"x":\n tru}')
    assert "at: b.json:2:" in str(wrong("a.yaml"))
    (folder / "b.json").write_bytes(b"\n\xff")
    assert "It is not text in UTF-8." in str(wrong("a.yaml"))
    write(
        folder,
        c_yaml="a: !include x.ini\nb: !include [x, y]\nc: !include {fil: x}\nd: !include {optional: true}\n",
        x_ini="",
    )
    problems = [str(problem) for problem in wrong("c.yaml").problems]
    assert "Its name ends in .ini, which says no format." in problems[0]
    assert "b: !include: the path of a file is needed, as text, and this is a list." in problems[1]
    assert "it has the part 'fil', which !include does not know" in problems[2]
    assert "it has no file" in problems[3]


@pytest.mark.parametrize("name", ["x\0.yaml", "x" * 5000 + ".yaml", "~nobody-at-all/x.yaml", "a:b:c", ":x", "..", "/"])
def test_an_odd_name_is_no_file(folder: Path, name: str) -> None:
    """Whatever is asked for, there is an answer."""
    assert isinstance(wrong({"a": tags.include(name)}), DefinitionError)


# --- What they see ----------------------------------------------------------------------------------------------------


def test_references_of_an_included_file_lead_into_it_first_and_then_out(folder: Path) -> None:
    """Its own names come first, those of the file that includes it next, and so on outwards."""
    write(
        folder,
        a_yaml="name: outer\nport: 1\nb: !include b.yaml\nc: !ref b.own\n",
        b_yaml="name: inner\nown: !ref name\nup: !ref port\nd: !include d.json\n",
        d_json='{"near": {"$ref": "name"}, "far": {"$ref": "port"}, "whole": {"$ref": "b.name"}}',
    )
    found = config.read("a.yaml")
    assert found["b"]["own"] == "inner"
    assert found["b"]["up"] == 1
    assert found["b"]["d"] == {"near": "inner", "far": 1, "whole": "inner"}
    assert found["c"] == "inner"
    assert "there is no nothing" in str(
        wrong({"x": tags.include("e.yaml")}, resolver={"e.yaml": {"y": tags.ref("nothing")}})
    )


def test_an_included_file_has_profiles_variables_and_places_of_its_own(folder: Path) -> None:
    """Everything of the reading is the same in it; what is wrong in it has its place."""
    write(folder, a_yaml="a: {b: !include b.yaml}", b_yaml="x: !profile {dev: !env PORT}\ny: !var v\n")
    assert config.read("a.yaml", profile="dev", environ={"PORT": "1"}, bind={"v": 2}) == {
        "a": {"b": {"x": "1", "y": 2}}
    }
    error = wrong("a.yaml", profile="dev")
    assert "a.b.y: !var: the variable v is not bound." in str(error)
    assert "at: b.yaml:2:4" in str(error)


def test_an_included_file_is_merged_and_laid_over(folder: Path) -> None:
    """It is as if it were written there; also at the top."""
    write(
        folder,
        a_yaml="!merge [!include b.yaml, {x: {z: 2}}]",
        b_yaml="x: {y: 1}\nl: !ref x.y\n",
        c_yaml="!include b.yaml",
    )
    assert config.read("a.yaml") == {"x": {"y": 1, "z": 2}, "l": 1}
    assert config.read("c.yaml", {"x": {"y": 3}})["x"] == {"y": 3}
    assert config.read({"g": {"x": {"w": 1}}}, {"g": tags.include("b.yaml")}) == {"g": {"x": {"w": 1, "y": 1}, "l": 1}}


def test_an_included_file_may_be_of_another_format(folder: Path) -> None:
    """Each by its suffix."""
    write(
        folder,
        a_toml='a = {"$include" = "b.edn"}',
        b_edn='{:b #include "c.json"}',
        c_json='{"c": {"$include": "d.yml"}}',
        d_yml="d: 1",
    )
    assert config.read("a.toml") == {"a": {"b": {"c": {"d": 1}}}}


def test_a_system_is_made_of_included_files(folder: Path) -> None:
    """Groups, and parts of them."""
    from mainspring import System, ref

    write(
        folder,
        a_yaml="env: !include env.toml\ng: {x: !ref env.port, y: !include y.json}",
        env_toml="port = 1",
        y_json="[1]",
    )
    assert config.load("a.yaml") == System({"env": {"port": 1}, "g": {"x": ref("env.port"), "y": [1]}})


# --- Loops, and the same file twice -----------------------------------------------------------------------------------


def test_a_file_that_includes_itself_is_an_error_that_draws_the_loop(folder: Path) -> None:
    """Directly, over others, by another spelling of its name, and by a link."""
    write(
        folder,
        a_yaml="x: !include s/b.yaml\n",
        s__b_yaml="y: !include ../s/../c.json\n",
        c_json='{"z": {"$include": "a.yaml"}}',
    )
    error = wrong("a.yaml")
    assert isinstance(error, CycleError)
    assert "   a.yaml includes s/b.yaml\n" in str(error)
    assert "includes a.yaml" in str(error)
    assert "at: " in str(error)
    assert error.problems[0].details["cycle"][0] == "a.yaml"
    write(folder, self_yaml="!include self.yaml")
    assert isinstance(wrong("self.yaml"), CycleError)
    (folder / "link.yaml").symlink_to(folder / "l.yaml")
    write(folder, l_yaml="a: !include link.yaml")
    assert isinstance(wrong("l.yaml"), CycleError)


def test_a_loop_of_texts_is_found_too() -> None:
    """Where a resolver gives texts, their names tell them apart."""
    resolver = {"a": config.text("x: !include b", "yaml"), "b": config.text("y: !include a", "yaml")}
    assert isinstance(wrong({"t": tags.include("a")}, resolver=resolver), CycleError)


def test_the_same_file_twice_is_no_loop(folder: Path) -> None:
    """Side by side, at different depths, and from different files, it is read once."""
    write(
        folder,
        a_yaml="a: !include c.yaml\nb: [!include c.yaml]\nd: !include d.yaml\n",
        d_yaml="!include c.yaml",
        c_yaml="x: !ref y\ny: 1\n",
    )
    each = {"x": 1, "y": 1}
    assert config.read("a.yaml") == {"a": each, "b": [each], "d": each}
    found = config.read("a.yaml")
    found["a"]["x"] = 2
    assert found["d"] == each


def test_a_loop_in_a_branch_that_is_not_taken_is_none(folder: Path) -> None:
    """What is not chosen is not read."""
    write(folder, a_yaml="a: !profile {dev: 1, prod: !include a.yaml}\n")
    assert config.read("a.yaml", profile="dev") == {"a": 1}
    assert isinstance(wrong("a.yaml", profile="prod"), CycleError)


def test_included_files_count_for_profiles(folder: Path) -> None:
    """Those that an included file names are profiles that there are, however it is included."""
    write(
        folder,
        a_yaml="a: !include b.yaml\nc: !include {file: c.yaml, optional: true}\nd: !include [d.json]\n",
        b_yaml="!profile {dev: 1, default: 0}",
        c_yaml="!profile {test: 1, default: 0}",
        d_json='{"$profile": {"prod": 1, "default": 0}}',
    )
    settings = config.Settings("a.yaml")
    assert set(settings.known_profiles) == {"dev", "test", "prod"}
    assert settings.with_profile("prod").data() == {"a": 0, "c": 0, "d": 1}
