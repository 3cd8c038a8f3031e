"""Whatever is written, working it out ends: with data or a `DefinitionError`, soon, and without showing a secret."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring import BadFile, DefinitionError, Secret, config
from mainspring.config import tags
from mainspring.config._tags import ALIASES, REGISTRY

SECRET = "hunter2-is-secret"
ENVIRON = {"A": "1", "B": "true", "S": SECRET, "E": "", "L": "[1, {}]", "MAINSPRING_PROFILE": ""}
SMALL = config.Limits(size=2_000, depth=20, items=2_000)
NAMES = sorted(
    name for name, tag in REGISTRY.items() if tag.function.__module__.startswith("mainspring.config")
) + sorted(ALIASES)


@config.tag("hostile.echo")
def _echo(value: Any) -> Any:
    """Give what it gets."""
    return value


@config.tag("hostile.raise")
def _raise(value: Any) -> Any:
    """Raise with what it gets in the text."""
    raise ValueError(f"{value} {value!r}")


@config.tag("hostile.pass", lazy=True)
def _pass(node: config.Node) -> Any:
    """Give what is written."""
    return node


@config.tag("hostile.later")
def _later(value: Any) -> Any:
    """Give it later."""
    return config.deferred(lambda: value)


OWN = ["hostile.echo", "hostile.raise", "hostile.pass", "hostile.later"]

# --- Bombs ------------------------------------------------------------------------------------------------------------


def refused(source: Any, **options: Any) -> str:
    """What is said about a source that is refused; one problem, however large it is."""
    with pytest.raises(BadFile) as caught:
        config.read(source, **options)
    assert len(caught.value.problems) <= 3
    return str(caught.value)


def levels(count: int, line: str, last: str) -> config.Text:
    """A text of many keys, each made of the next."""
    text = "".join(f"a{n}: {line.replace('NEXT', f'a{n + 1}')}\n" for n in range(count)) + f"a{count}: {last}\n"
    return config.text(text, "yaml")


FEW = config.Limits(items=20_000)


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ("[!ref NEXT, !ref NEXT]", "x"),
        ("{x: !ref NEXT, y: !ref NEXT}", "x"),
        ("[!value NEXT, !value NEXT]", "[x]"),
        ("!merge [{x: !ref NEXT}, {y: !ref NEXT}]", "{x: 1}"),
        ("[!or [!ref NEXT], !if [true, !ref NEXT]]", "x"),
        ("[!hostile.echo [!ref NEXT], !hostile.echo [!ref NEXT]]", "x"),
    ],
)
def test_references_cannot_make_more_than_anybody_can_hold(line: str, last: str) -> None:
    """Two references a line, sixty lines: values are counted, not trusted."""
    told = refused(levels(60, line, last), limits=FEW)
    assert "more than 20,000 values" in told or "levels deep" in told or "nested too deeply" in told or "times" in told


@pytest.mark.parametrize("line", ["!join [!ref NEXT, !ref NEXT]", "!template ['{}{}', !ref NEXT, !ref NEXT]"])
def test_texts_cannot_grow_without_end(line: str) -> None:
    """Each twice as long as the next."""
    assert "larger than 100,000 characters" in refused(levels(40, line, "x"), limits=config.Limits(size=100_000))


def test_many_large_texts_are_counted_together() -> None:
    """None of them is too large alone."""
    text = f"x: '{'x' * 5_000}'\na:\n" + "- !join [!ref x, y]\n" * 1_000
    assert "make more than 100,000 characters of text" in refused(
        config.text(text, "yaml"), limits=config.Limits(size=50_000)
    )


def test_merging_the_same_again_and_again_is_no_bomb() -> None:
    """A mapping merged with itself sixty times over is that mapping."""
    assert config.read(levels(40, "!merge [!ref NEXT, !ref NEXT]", "{x: 1}"))["a0"] == {"x": 1}


def test_includes_cannot_multiply_without_end(tmp_path: Path) -> None:
    """Ten of the next, eight times; each file is read once."""
    for n in range(8):
        (tmp_path / f"{n}.yaml").write_text("".join(f"x{m}: !include {n + 1}.yaml\n" for m in range(10)))
    (tmp_path / "8.yaml").write_text("a: 1")
    assert "values" in refused(tmp_path / "0.yaml")


def test_includes_cannot_nest_without_end(tmp_path: Path) -> None:
    """A chain of a thousand files is too deep, in mappings and without."""
    for line, suffix in (("x: !include {}", "map"), ("!include {}", "bare"), ("- !str [!include {}]", "tag")):
        for n in range(1000):
            (tmp_path / f"{suffix}{n}.yaml").write_text(line.format(f"{suffix}{n + 1}.yaml"))
        (tmp_path / f"{suffix}1000.yaml").write_text("1")
        told = refused(tmp_path / f"{suffix}0.yaml")
        assert "levels deep" in told or "times" in told or "too deeply" in told


def test_a_long_chain_of_references_is_followed() -> None:
    """Ten thousand links, each followed once."""
    found = config.read(levels(10_000, "!ref NEXT", "5"))
    assert found["a0"] == found["a9999"] == 5
    backwards = "a0: 5\n" + "".join(f"a{n + 1}: !ref a{n}\n" for n in range(10_000))
    assert config.read(config.text(backwards, "yaml"))["a10000"] == 5


def test_a_long_loop_of_references_is_told_once() -> None:
    """Three thousand links, one problem."""
    with pytest.raises(DefinitionError) as caught:
        config.read(levels(3_000, "!ref NEXT", "!ref a0"))
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "line",
    ["!str [!ref NEXT]", "!or [!ref NEXT]", "[!ref NEXT]", "{x: !ref NEXT}", "!value NEXT", "!merge [!ref NEXT]"],
)
def test_a_long_chain_of_tags_is_refused(line: str) -> None:
    """A thousand tags, each of which needs the next: one problem, or the value."""
    told = refused(levels(1_000, line, "{x: 1}" if "merge" in line else "5"))
    assert "times" in told or "levels deep" in told or "too deeply" in told


def test_what_is_nested_as_deeply_as_allowed_is_read() -> None:
    """Lists, mappings and tags to the limit of the readers; and references to such."""
    deep = "[" * 90 + "1" + "]" * 90
    found = config.read(config.text(f"a: {deep}\nb: [!ref a]\n", "yaml"))
    assert found["b"] == [found["a"]]
    tagged = '{"$str": ' * 45 + "1" + "}" * 45
    assert config.read(config.text(f'{{"a": {tagged}}}', "json")) == {"a": "1"}


def test_many_references_to_nothing_are_told_soon() -> None:
    """Looking for near names of each among all would take for ever."""
    with pytest.raises(DefinitionError) as caught:
        config.read(config.text("".join(f"a{n}: !ref b{n}\n" for n in range(5_000)), "yaml"))
    assert len(caught.value.problems) == 5_000


def test_many_numbers_as_keys_are_found_soon() -> None:
    """A path has text where the mapping has numbers; that is no search each time."""
    text = (
        "m: {"
        + ", ".join(f"{n}: {n}" for n in range(5_000))
        + "}\n"
        + "".join(f"a{n}: !ref m.{n}\n" for n in range(5_000))
    )
    assert config.read(config.text(text, "yaml"))["a4999"] == 4999


# --- Anything at all --------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "c", "d", "default", "prod", "file", "path", "then", "x.y", "g/n", 0, 1, True, None])
TEXTS = st.sampled_from(
    [
        *(
            "",
            "a",
            "b",
            "a.b",
            "b.a.0",
            "c.-1",
            "a..b",
            '"',
            "g/n",
            "A",
            "S",
            "E",
            "NO",
            "L",
            "1",
            "-1.5",
            "true",
            "text",
        ),
        *(
            "${A}",
            "${S}",
            "${NO:-x}",
            "${",
            "$$",
            "{}",
            "{} %s",
            "[1, {}]",
            "{x: !env S}",
            ":k",
            "~",
            "~x/y",
            "\0",
            "/",
        ),
        *(
            "it.yaml",
            "no.yaml",
            "..",
            "json:x.yaml",
            "2026-11-21",
            "json",
            "edn",
            "math:pi",
            "9" * 30,
            "é\ud800",
            SECRET,
        ),
    ]
)
LEAVES = (
    TEXTS
    | st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats()
    | st.sampled_from([b"x", 10**16, -(10**400), float("nan"), Secret(SECRET), Secret({"k": [SECRET]})])
    | st.builds(lambda value: config.deferred(lambda: value), TEXTS)
)
PATHS = st.lists(st.sampled_from(["a", "b", "c", 0, 1, "x"]), min_size=1, max_size=3)


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Random trees of forms with random tags, right and wrong."""

    def bigger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return (
            st.lists(inner, max_size=4)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(KEYS, inner, max_size=4)
            | st.builds(tags.make, st.sampled_from([*NAMES, *OWN, "nope", ""]), inner)
            | st.builds(lambda name, value: {f"${name}": value}, st.sampled_from(NAMES), inner)
            | st.builds(lambda path: tags.ref(*path), PATHS)
            | st.builds(lambda path: tags.value(*path), PATHS)
            | st.lists(
                st.dictionaries(KEYS, inner, max_size=2) | PATHS.map(lambda path: tags.ref(*path)), max_size=3
            ).map(lambda mappings: tags.merge(*mappings))
            | st.lists(inner, max_size=3).map(lambda values: tags.or_(*values))
            | st.tuples(st.booleans() | inner, inner, inner).map(lambda parts: tags.if_(*parts))
            | st.tuples(st.booleans(), inner).map(lambda parts: tags.when(*parts))
            | st.builds(
                lambda cases, value: tags.profile({**cases, "default": value}),
                st.dictionaries(KEYS, inner, max_size=2),
                inner,
            )
            | st.lists(inner, max_size=3).map(lambda values: tags.join(*values))
            | st.lists(inner, max_size=2).map(tags.append)
            | st.builds(lambda value: tags.secret(value), inner)
            | st.builds(
                lambda names, value: tags.make(names[0], tags.make(names[1], value)),
                st.tuples(*[st.sampled_from(NAMES)] * 2),
                inner,
            )
            | st.builds(lambda key, value: Pairs([(key, value), ("b", 1)]), inner, inner)
        )

    return st.recursive(leaves, bigger, max_leaves=25)


class Pairs(Mapping[Any, Any]):
    """A mapping whose keys may be anything."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs

    def __getitem__(self, key: Any) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Any:
        return (key for key, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def items(self) -> Any:
        """The pairs."""
        return self.pairs

    def __repr__(self) -> str:
        return f"Pairs({self.pairs})"


TREES = st.dictionaries(st.sampled_from(["a", "b", "c", "x", "mainspring"]), trees(LEAVES), max_size=4)
INCLUDED = {"it.yaml": config.text("a: !ref b\nb: !ref c\nc: [!include it.yaml, !env S]\n", "yaml")}


def outcome(*sources: Any, **options: Any) -> Any:
    """The data that is read, or the error, which shows no secret."""
    known: dict[str, Any] = {
        "environ": ENVIRON,
        "limits": SMALL,
        "resolver": INCLUDED,
        "hostname": "a",
        "user": "b",
        "props": {"a": {"b": 1}, "S": Secret(SECRET)},
        "bind": {"a": [1, Secret(SECRET)]},
    }
    given: Any = {**known, **options}
    try:
        return config.read(*sources, **given)
    except DefinitionError as error:
        return error


def without(data: Any, mark: str) -> bool:
    """Whether a tree of data was written without a text in it anywhere but in secrets."""
    return mark not in repr(data)


@given(TREES)
def test_any_tree_of_tags_ends_with_data_or_an_error_of_ours(tree: Any) -> None:
    """Whatever is wrong with it, and the same each time."""
    first = outcome(tree)
    again = outcome(tree)
    assert type(first) is type(again)
    if isinstance(first, DefinitionError):
        assert str(first).encode("utf-8", "surrogatepass")
        assert str(first) == str(again)


@given(st.lists(TREES, min_size=1, max_size=3), st.sampled_from(["error", "marker"]))
def test_any_layers_end_with_data_or_an_error_of_ours(layers: list[Any], missing: str) -> None:
    """Several of them on top of one another."""
    outcome(*layers, missing_includes=missing)


@given(TREES)
def test_a_planted_secret_is_never_shown(tree: Any) -> None:
    """Where the secret is written nowhere in plain, it is in no error and in nothing that is read."""
    if without(tree, SECRET):
        secrets = {**tree, "s": tags.secret(tags.env("S"))}
        found = outcome(secrets, config.text("t: !ref s\n", "yaml"), environ={"A": "1", "S": SECRET}, props={}, bind={})
        if isinstance(found, DefinitionError):
            assert SECRET not in str(found)
            assert SECRET not in repr(found.problems)


@given(TREES)
def test_any_system_of_tags_ends_with_a_system_or_an_error_of_ours(tree: Any) -> None:
    """Where components and references stand for themselves; what they import is of the standard library."""
    with contextlib.suppress(DefinitionError):
        config.load(tree, environ=ENVIRON, limits=SMALL, resolver=INCLUDED, hostname="a", user="b")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["", "a", "b.0", "A", "S", "it.yaml", "${A}", "[1]", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["a", "b", "$$x", "$a", *(f"${name}" for name in NAMES if name not in ("parse", "read-edn"))]
            ),
            inner,
            max_size=2,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, max_size=3))
def test_any_file_is_the_same_as_the_data_in_it(data: Any) -> None:
    """What JSON says is what the same data says in Python; only places differ, and what `parse` reads if it is not told."""
    read, same = outcome(config.text(json.dumps(data), "json")), outcome(config.tags.make("hostile.pass", data))
    if isinstance(read, DefinitionError):
        assert isinstance(same, DefinitionError)
        assert {problem.error for problem in read.problems} == {problem.error for problem in same.problems}
    else:
        assert repr(read) == repr(same)
