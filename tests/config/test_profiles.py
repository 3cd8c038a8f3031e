"""Profiles: who chooses one, what there are, and what is said of one that there is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mainspring import BadFile, UnknownProfile, config
from mainspring.config import tags

CASES = config.text("a: !profile {dev: 1, test: 2, prod: 3, default: 0}", "yaml")


def chosen(*sources: Any, **options: Any) -> tuple[str, ...]:
    """The profiles in use."""
    options.setdefault("environ", {})
    return config.Settings(*sources, **options).profiles


def test_code_comes_before_the_environment_and_that_before_the_files() -> None:
    """`profile=`, then MAINSPRING_PROFILE, then `mainspring.profile`; without any, none."""
    about = {"mainspring": {"profile": "test"}}
    environ = {"MAINSPRING_PROFILE": "prod"}
    assert chosen(CASES, about, profile="dev", environ=environ) == ("dev",)
    assert chosen(CASES, about, environ=environ) == ("prod",)
    assert chosen(CASES, about) == ("test",)
    assert chosen(CASES) == ()
    assert chosen(CASES, environ={"MAINSPRING_PROFILE": ""}) == ()
    assert chosen(CASES, environ={"MAINSPRING_PROFILE": " , "}) == ()


def test_several_profiles_are_given_as_a_list_or_with_commas() -> None:
    """In code, in the environment and in the files."""
    assert chosen(CASES, profile=["dev", "test"]) == ("dev", "test")
    assert chosen(CASES, profile="dev, test") == ("dev", "test")
    assert chosen(CASES, environ={"MAINSPRING_PROFILE": "test,dev"}) == ("test", "dev")
    assert chosen(CASES, {"mainspring": {"profile": ["dev", "prod"]}}) == ("dev", "prod")
    assert chosen(CASES, {"mainspring": {"profile": "dev, prod"}}) == ("dev", "prod")


def test_the_profile_of_the_files_may_be_worked_out() -> None:
    """From a variable, for example; a later layer has the last word."""
    first = config.text("mainspring: {profile: !or [!env STAGE, dev]}", "yaml")
    assert chosen(CASES, first, environ={"STAGE": "prod"}) == ("prod",)
    assert chosen(CASES, first) == ("dev",)
    assert chosen(CASES, first, {"mainspring": {"profile": "test"}}) == ("test",)


def test_the_section_about_the_system_is_no_data() -> None:
    """`mainspring` is left out of what is read."""
    assert config.read(CASES, {"mainspring": {"profile": "dev"}}, environ={}) == {"a": 1}


def test_an_unknown_profile_is_an_error_that_lists_those_there_are() -> None:
    """With near names, in the order as written; and it says who chose it."""
    with pytest.raises(UnknownProfile) as caught:
        config.Settings(CASES, profile="prdo", environ={})
    error = caught.value
    assert "There is no profile prdo. There is: dev, test, prod." in str(error)
    assert "Did you mean prod?" in str(error)
    assert error.problems[0].details == {"profile": "prdo", "candidates": ("dev", "test", "prod")}
    with pytest.raises(UnknownProfile, match="MAINSPRING_PROFILE"):
        config.Settings(CASES, environ={"MAINSPRING_PROFILE": "x"})
    with pytest.raises(UnknownProfile, match=r"There is no profile x, which mainspring.profile says. There is"):
        config.Settings(CASES, {"mainspring": {"profile": "x"}}, environ={})
    with pytest.raises(UnknownProfile, match="The files speak of no profile"):
        config.Settings({"a": 1}, profile="dev")
    with pytest.raises(UnknownProfile):
        config.Settings(CASES, profile=["dev", "x"])


def test_default_is_a_profile_that_there_always_is() -> None:
    """It chooses what would be taken anyway."""
    assert config.read(CASES, profile="default") == {"a": 0}


@pytest.mark.parametrize(
    "source",
    [
        config.text("{:a #profile {#{:x :y} 1 [:z p] 2 q 4 :default 3}}", "edn"),
        config.text('{"a": {"$profile": {"x,y": 1, "z , p, q": 2}}}', "json"),
        config.text("a: [{b: !int:profile {'x,y': 1}}, !or [!profile {[z, p]: 1, q: !env X}]]", "yaml"),
        config.text("a: !profile {x: !profile {y: 1, z: !profile {p: 1, q: 2}}}", "yaml"),
        {"a": tags.profile({("x", "y"): 1, frozenset({"z"}): 2, "p": 3, "q": 4})},
    ],
)
def test_those_that_a_tag_names_are_those_there_are(source: Any) -> None:
    """Wherever it stands, and however its keys are written."""
    settings = config.Settings(source)
    assert set(settings.known_profiles) == {"x", "y", "z", "p", "q"}
    assert settings.with_profile("q", "x").profiles == ("q", "x")


def test_those_that_are_listed_are_all_there_are() -> None:
    """With `mainspring.profiles`, a tag adds none."""
    cases = {"a": tags.profile({"dev": 1, "prod": 3, "default": 0})}
    listed = {"mainspring": {"profiles": ["dev", "prod", "empty"]}}
    settings = config.Settings(cases, listed)
    assert settings.known_profiles == ("dev", "prod", "empty")
    assert settings.with_profile("empty").data() == {"a": 0}
    with pytest.raises(UnknownProfile, match=r"There is: dev, prod, empty."):
        config.Settings(CASES, listed, profile="test")
    assert config.Settings(CASES, {"mainspring": {"profiles": "dev, prod"}}).known_profiles == ("dev", "prod")


@pytest.mark.parametrize("about", [{"profile": 5}, {"profiles": {"dev": 1}}, {"profile": [1]}, {"profiles": [["dev"]]}])
def test_names_of_profiles_are_text(about: Any) -> None:
    """Anything else in that place is an error."""
    with pytest.raises(BadFile, match="names of profiles are needed"):
        config.Settings(CASES, {"mainspring": about})


def test_other_profiles_are_other_settings() -> None:
    """The settings themselves do not change."""
    settings = config.Settings(CASES, profile="dev")
    assert settings.with_profile("prod").data() == {"a": 3}
    assert settings.data() == {"a": 1}
    with pytest.raises(UnknownProfile):
        settings.with_profile("nothing")


def test_profiles_of_covered_values_count(tmp_path: Path) -> None:
    """A later layer that covers a `profile` does not make its names unknown."""
    (tmp_path / "base.yaml").write_text("a: !profile {dev: 1, prod: 2}\n")
    assert config.read(tmp_path / "base.yaml", {"a": 5}, profile="prod") == {"a": 5}


def test_the_profile_of_the_machine_is_that_of_the_environment_given() -> None:
    """`environ=` is the whole environment: that of the process is not looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAINSPRING_PROFILE", "prod")
        assert config.Settings(CASES).profiles == ("prod",)
        assert config.Settings(CASES, environ={}).profiles == ()


def test_an_included_file_that_is_chosen_by_name_needs_its_profiles_listed(tmp_path: Path) -> None:
    """What a computed name leads to is not known beforehand, and the error says what to do."""
    (tmp_path / "b.yaml").write_text("!profile {dev: 1}")
    (tmp_path / "a.yaml").write_text("a: !include:join [b, .yaml]\n")
    with pytest.raises(UnknownProfile, match="List it under profiles in the section mainspring"):
        config.Settings(tmp_path / "a.yaml", profile="dev")
    assert config.read(tmp_path / "a.yaml", {"mainspring": {"profiles": ["dev"]}}, profile="dev") == {"a": 1}
