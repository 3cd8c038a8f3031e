"""Several sources as one: mappings are merged deeply, anything else is replaced, and tags say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mainspring import BadTag, UnknownReference, config
from mainspring.config import tags


def layers(*texts: str, **options: Any) -> Any:
    """What texts of YAML say together."""
    return config.read(*(config.text(text, "yaml", name=f"{n}.yaml") for n, text in enumerate(texts)), **options)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("a: 1", "a: 2"), {"a": 2}),
        (("a: {x: 1, y: {z: 2}}", "a: {y: {w: 3}}"), {"a": {"x": 1, "y": {"z": 2, "w": 3}}}),
        (("a: {x: 1}", "a: {y: 2}", "a: {x: 3}"), {"a": {"x": 3, "y": 2}}),
        (("a: [1, 2]", "a: [3]"), {"a": [3]}),
        (("a: {x: 1}", "a: 5"), {"a": 5}),
        (("a: 5", "a: {x: 1}"), {"a": {"x": 1}}),
        (("a: {x: 1}", "a: null"), {"a": {"x": 1}}),
        (("a: {x: 1}", "a:"), {"a": {"x": 1}}),
        (("a: 5", "a: null"), {"a": None}),
        (("a: [1]", "a: null"), {"a": None}),
        (("a: {x: 1}", "a: null", "a: {y: 2}"), {"a": {"x": 1, "y": 2}}),
        (("a: {x: 1}", "a: !env NO"), {"a": None}),
        (("a: {x: 1}", "a: 5", "a: {y: 2}"), {"a": {"y": 2}}),
        (("a: {x: 1}", "a: {}"), {"a": {"x": 1}}),
        (("a: 1", ""), {"a": 1}),
        (("", "a: 1"), {"a": 1}),
        (("a: 1", "# only a comment\n", "b: 2"), {"a": 1, "b": 2}),
        (("a: 1", "{}"), {"a": 1}),
        (("", ""), {}),
        (("[1]", "[2]"), [2]),
    ],
)
def test_later_layers_win_and_mappings_are_merged_deeply(given: tuple[str, ...], expected: Any) -> None:
    """A value replaces what is below it; a file or a section in which nothing is written changes nothing of a mapping."""
    assert layers(*given, environ={}) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("a: {x: 1}", "a: !replace {y: 2}"), {"y": 2}),
        (("a: {x: 1}", "a: !replace {y: 2}", "a: {z: 3}"), {"y": 2, "z": 3}),
        (("a: {x: 1}", "a: {y: 2}", "a: !replace {z: 3}"), {"z": 3}),
        (("a: {x: {y: 1, z: 2}}", "a: {x: !replace {w: 3}}"), {"x": {"w": 3}}),
        (("a: !replace {x: 1}", "a: {y: 2}"), {"x": 1, "y": 2}),
        (("a: [1]", "a: !append [2]"), [1, 2]),
        (("a: [1]", "a: !prepend [2]"), [2, 1]),
        (("a: [1]", "a: !append [2]", "a: !append [3]"), [1, 2, 3]),
        (("a: [1]", "a: !append [2]", "a: !prepend [3]"), [3, 1, 2]),
        (("a: [1]", "a: !append [2]", "a: [3]"), [3]),
        (("a: [1]", "a: [2]", "a: !append [3]"), [2, 3]),
        (("a: [1]", "a: null", "a: !append [3]"), [3]),
        (("a: [1]", "a: !remove ", "a: !append [3]"), [3]),
        (("b: 1", "a: !append [3]"), [3]),
        (("a: [1]", "a: !profile {default: !append [2]}"), [1, 2]),
        (("a: [1]", "a: !if [true, !append [2], [3]]"), [1, 2]),
        (("a: {x: [1]}", "a: {x: !append [2]}"), {"x": [1, 2]}),
        (("a: {x: 1, y: 2}", "a: {x: !remove }"), {"y": 2}),
        (("a: {x: {z: 1}, y: 2}", "a: {x: !remove }", "a: {x: {w: 3}}"), {"x": {"w": 3}, "y": 2}),
        (("a: {x: 1}", "a: {x: !when [false, 2]}"), {}),
        (("a: {x: 1}", "a: !when [false, 2]", "a: {y: 2}"), {"y": 2}),
    ],
)
def test_tags_say_what_becomes_of_what_is_below(given: tuple[str, ...], expected: Any) -> None:
    """`replace`, `append`, `prepend` and `remove`, in two layers and in three."""
    assert layers(*given)["a"] == expected


def test_what_is_removed_is_no_entry() -> None:
    """At the top too; and a reference to it is one to nothing."""
    assert layers("a: 1\nb: 2\n", "a: !remove") == {"b": 2}
    with pytest.raises(UnknownReference, match="there is no a"):
        layers("a: 1\nb: !ref a\n", "a: !remove")


def test_sets_and_lists_of_other_formats_are_appended_to() -> None:
    """What results is of the kind of what is below."""
    base = config.text("{:a #{1 2} :b (1)}", "edn")
    assert config.read(base, config.text("a: !append [3, 1]\nb: !append [2]\n", "yaml")) == {
        "a": {1, 2, 3},
        "b": [1, 2],
    }


def test_what_is_no_list_cannot_be_appended_to() -> None:
    """The error says what is there, and where the tag is."""
    with pytest.raises(BadTag) as caught:
        layers("a: {x: 1}", "\na: !append [1]")
    assert "a: There is no list below to append to, but a mapping." in str(caught.value)
    assert "at: 1.yaml:2:4" in str(caught.value)


def test_layers_may_be_of_different_formats(tmp_path: Path) -> None:
    """And of Python: what is merged is what they say."""
    (tmp_path / "a.yaml").write_text("db: {port: 1, host: a}\n")
    (tmp_path / "b.toml").write_text("[db]\nport = 2\n")
    (tmp_path / "c.edn").write_text("{:db {:name #join [#ref db.host #ref db.port]}}")
    (tmp_path / "d.json").write_text('{"db": {"$merge": [{"size": 3}, {"user": "u"}]}}')
    found = config.read(
        tmp_path / "a.yaml", tmp_path / "b.toml", tmp_path / "c.edn", tmp_path / "d.json", {"db": {"host": "z"}}
    )
    assert found == {"db": {"port": 2, "host": "z", "name": "z2", "size": 3, "user": "u"}}


def test_references_see_all_layers() -> None:
    """One that is written below leads to what is on top."""
    assert layers("a: !ref b.x\nb: {x: 1, y: 1}\n", "b: {x: 2}\nc: !ref b\n") == {
        "a": 2,
        "b": {"x": 2, "y": 1},
        "c": {"x": 2, "y": 1},
    }
    assert layers("a: {x: !local_ref y, y: 1}", "a: {y: 2}") == {"a": {"x": 2, "y": 2}}


def test_what_is_covered_is_never_worked_out() -> None:
    """A value that a later layer replaces may be anything."""
    assert layers("a: !include nothing.yaml\nb: {x: !template '${NO}', y: 1}\n", "a: 1\nb: {x: 2}\n") == {
        "a": 1,
        "b": {"x": 2, "y": 1},
    }


def test_mappings_that_tags_make_are_merged() -> None:
    """It is no matter how a mapping came about."""
    assert layers("a: !profile {default: {x: 1}}", "a: {y: 2}") == {"a": {"x": 1, "y": 2}}
    assert layers('a: !json \'{"x": {"z": 1}}\'', "a: {x: {y: 2}}") == {"a": {"x": {"z": 1, "y": 2}}}
    assert layers("a: {x: 1}", "a: !prop p", props={"p": {"y": 2}}) == {"a": {"x": 1, "y": 2}}
    assert layers("a: {x: 1}", "a: !merge [{y: 2}, !ref b]\nb: {z: 3}\n")["a"] == {"x": 1, "y": 2, "z": 3}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[!ref b, {y: 2}]", {"x": {"p": 1}, "y": 2}),
        ("[{y: 2}, !ref b]", {"x": {"p": 1}, "y": 2}),
        ("[!ref b, {x: {q: 2}}]", {"x": {"p": 1, "q": 2}}),
        ("[!ref b, {x: !replace {q: 2}}]", {"x": {"q": 2}}),
        ("[!ref b, {x: !remove }]", {}),
        ("[!ref b, !ref b]", {"x": {"p": 1}}),
        ("[!ref b, null, !when [false, {z: 1}], {}]", {"x": {"p": 1}}),
        ("[!ref c, {x: {q: 2}}]", {"x": {"p": 1, "q": 2}}),
        ("[]", {}),
        ("[{x: [1]}, {x: !append [2]}]", {"x": [1, 2]}),
        ("[!ref {path: no, optional: true}, {x: 1}]", {"x": 1}),
    ],
)
def test_merge_follows_the_rules_of_layers(written: str, expected: Any) -> None:
    """References to mappings are mappings; nothing is passed over."""
    assert layers(f"a: !merge {written}\nb: {{x: {{p: 1}}}}\nc: !ref b\n")["a"] == expected


def test_merge_does_not_change_what_it_merges() -> None:
    """The mappings themselves stay as they are."""
    assert layers("a: !merge [!ref b, {x: {q: 2}}]\nb: {x: {p: 1}}\n")["b"] == {"x": {"p": 1}}


def test_keys_that_are_no_text_are_merged_by_value() -> None:
    """A number is not the text of it."""
    assert layers("a: {1: x, '1': y}", "a: {1: z}") == {"a": {1: "z", "1": "y"}}


def test_single_values_are_laid_on_top() -> None:
    """`with_values` is what `--set` does; the settings they are laid on stay as they were."""
    base = config.Settings(config.text("a: {x: 1, y: [1]}", "yaml"))
    over = base.with_values({"a.x": 2, "a.y": tags.append([2]), "b.c": 3})
    assert over.data() == {"a": {"x": 2, "y": [1, 2]}, "b": {"c": 3}}
    assert base.data() == {"a": {"x": 1, "y": [1]}}


def test_nothing_at_all_is_an_empty_mapping() -> None:
    """No source, no settings."""
    assert config.read() == {}
