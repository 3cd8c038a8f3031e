"""What is read from YAML, by either parser, and where each mistake is said to be."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mainspring import BadFile, Site
from mainspring.config import _yaml
from mainspring.config._form import Entries, Form, Items, Limits, Scalar, Tag

some = settings(max_examples=max(1, settings().max_examples // 2))  # half of what the profile says: one parser is slow


@pytest.fixture(params=[False, True], ids=["C", "pure"])
def pure(request: pytest.FixtureRequest) -> bool:
    """Which parser reads."""
    found: bool = request.param
    return found


def read(text: str, pure: bool, **limits: int) -> Form:
    """What is read."""
    return _yaml.read(text, "app.yaml", Limits(**limits), pure=pure)


def refused(text: str, pure: bool, **limits: int) -> tuple[str, Site, str]:
    """What an error says: what is wrong, where, and what to do."""
    with pytest.raises(BadFile) as caught:
        read(text, pure, **limits)
    (problem,) = caught.value.problems
    assert problem.site is not None
    return problem.what, problem.site, problem.hint


def data(form: Form) -> Any:
    """The data in a form: a tag is a tuple of its name and what is behind it."""
    if isinstance(form, Scalar):
        return form.value
    if isinstance(form, Items):
        found = [data(item) for item in form.items]
        return set(found) if form.kind == "set" else found
    if isinstance(form, Tag):
        return form.name, data(form.form)
    assert isinstance(form, Entries)
    return {data(key): data(value) for key, value in form.pairs}


def places(form: Form) -> Any:
    """Line and column of a form and of all in it."""
    assert form.site is not None
    here = form.site[1:]
    if isinstance(form, Items):
        return here, [places(item) for item in form.items]
    if isinstance(form, Entries):
        return here, [(places(key), places(value)) for key, value in form.pairs]
    if isinstance(form, Tag):
        return here, places(form.form)
    return here


def the_value(text: str, pure: bool) -> Form:
    """What `a` is in a mapping with that one key."""
    form = read(text, pure)
    assert isinstance(form, Entries)
    return {data(key): value for key, value in form.pairs}["a"]


def test_both_parsers_are_there() -> None:
    """The parser in C is installed here, so that what these tests say of it is true."""
    assert _yaml._quick("a: 1") is not None


# --- Values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *((text, text) for text in ("yes", "no", "on", "off", "Yes", "y", "n", "tRUE", "nULL", "None")),
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-0x1F", "-0x1F"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-1.5e-3", -0.0015),
        ("1e3", 1000.0),
        ("1e", "1e"),
        (".", "."),
        ("1.2.3", "1.2.3"),
        (".inf", math.inf),
        ("+.INF", math.inf),
        ("-.Inf", -math.inf),
        ("inf", "inf"),
        ("nan", "nan"),
        ("\u0661", "\u0661"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
        ('"\\x41\\u00e9\\U0001F600\\n\\0"', "Aé😀\n\0"),
        ("'it''s'", "it's"),
        ("a b", "a b"),
        ("|\n  1\n  2", "1\n2"),
        (">-\n  1\n  2\n", "1 2"),
        ("<<", "<<"),
        ("! 12", "12"),
        ("!", ""),
        ("app.db:pool", "app.db:pool"),
    ],
)
def test_plain_text_stands_for_values_by_the_core_schema(pure: bool, written: str, value: Any) -> None:
    """Null, booleans, integers and floats as YAML 1.2 has them; everything else is text, as is all in quotation marks."""
    for text in (f"a: {written}", f"a:\n  {written}" if "\n" not in written else f"a: {written}"):
        found = the_value(text, pure)
        assert isinstance(found, Scalar)
        assert (type(found.value), found.value) == (type(value), value)


def test_not_a_number_is_a_float(pure: bool) -> None:
    """`.nan` in its three spellings."""
    assert all(math.isnan(value) for value in data(read("[.nan, .NaN, .NAN]", pure)))


def test_flow_style_takes_colons_inside_of_text(pure: bool) -> None:
    """Only a colon with a blank behind it ends a key, as YAML 1.2 has it, also in the parser that knows YAML 1.1."""
    text = "{component: app.db:pool, url: http://x:80/, 'q':1, \"r\":[], k: [!ref :db/pool, :x]}"
    assert data(read(text, pure)) == {
        "component": "app.db:pool",
        "url": "http://x:80/",
        "q": 1,
        "r": [],
        "k": [("ref", ":db/pool"), ":x"],
    }


@pytest.mark.parametrize("text", ["[!ref :db/pool]", "[!ref\n  :db/pool]", "[! :db/pool]"])
def test_a_colon_begins_text_behind_a_tag(pure: bool, text: str) -> None:
    """Where no blank follows it, it is no colon of a key."""
    assert data(read(text, pure)) in ([("ref", ":db/pool")], [":db/pool"])


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "---", "\ufeff", "--- # c\n..."])
def test_a_file_without_a_value_is_nothing(pure: bool, text: str) -> None:
    """An empty file, one of comments, one document that is empty."""
    found = read(text, pure)
    assert isinstance(found, Scalar)
    assert found.value is None
    assert found.site == Site("app.yaml", 1, 1)


def test_keys_may_be_anything(pure: bool) -> None:
    """Containers and tagged values are keys, too; keys of different types are different keys."""
    found = read("? [a, b]\n: 1\n? {c: d}\n: 2\n!env X: 3\n1: a\n1.0: b\ntrue: c\n'1': d\n[a]: 4", pure)
    assert isinstance(found, Entries)
    assert [repr(key) for key, _ in found.pairs] == [
        *("['a', 'b']", "{'c': 'd'}", "!env 'X'", "1", "1.0", "True", "'1'", "['a']")
    ]


@pytest.mark.parametrize(
    ("text", "first", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3", 1, 3, 1),
        ("{a: 1,\n 'a': 2}", 1, 2, 2),
        ("1: x\n0x1: x", 1, 2, 1),
        (".nan: 1\n.NaN: 2", 1, 2, 1),
        ("? [a, {b: c}]\n: 1\n? [a, {b: c}]\n: 2", 1, 3, 3),
        ("x: &k [1]\n? *k\n: 1\n? [1]\n: 2", 1, 4, 3),
        ("!!set {a, b, a}", 1, 1, 14),
        ("!env A: 1\n!env A: 2", 1, 2, 1),
    ],
)
def test_a_repeated_key_is_an_error(pure: bool, text: str, first: int, line: int, column: int) -> None:
    """However it is spelt, and containers as well."""
    what, site, _ = refused(text, pure)
    assert "is repeated" in what
    assert f"first in line {first}" in what or "[1]" in what
    assert site == Site("app.yaml", line, column)


# --- Tags -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("!env PORT", ("env", "PORT")),
        ("!env", ("env", None)),
        ("!env # nothing", ("env", None)),
        ("!env ''", ("env", "")),
        ("!or none", ("or", "none")),
        ("!int 8080", ("int", 8080)),
        ("!int '8080'", ("int", "8080")),
        ("!str |-\n  8080", ("str", "8080")),
        ("!or [!env PORT, 8080]", ("or", [("env", "PORT"), 8080])),
        ("!profile {prod: 20, default: 3}", ("profile", {"prod": 20, "default": 3})),
        ("!int [!or [!env PORT, 8080]]", ("int", [("or", [("env", "PORT"), 8080])])),
        ("!int:env PORT", ("int", ("env", "PORT"))),
        ("!a:b:c [1]", ("a", ("b", ("c", [1])))),
        ("!ig/ref db.pool", ("ig/ref", "db.pool")),
        ("!caf%C3%A9 x", ("café", "x")),
        ("!<!env> PORT", ("env", "PORT")),
        ("! [1]", [1]),
        ("! {b: 1}", {"b": 1}),
        ("! '12'", "12"),
    ],
)
def test_a_tag_is_kept_as_a_form(pure: bool, written: str, value: Any) -> None:
    """`!name` is a Tag, with colons several; what is behind it is read as if there were none. `!` alone makes text."""
    assert data(the_value(f"a: {written}", pure)) == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("!!str 12", "12"),
        ("!!str", ""),
        ("!!str null", "null"),
        ("!!int '12'", 12),
        ("!!int 0x1F", 31),
        ("!!float 3", 3.0),
        ("!!float .inf", math.inf),
        ("!!bool 'true'", True),
        ("!!null ''", None),
        ("!!null ~", None),
        ("!!seq [1]", [1]),
        ("!!map {b: 1}", {"b": 1}),
        ("!!set {x, y}", {"x", "y"}),
        ("!!set\n  ? x\n  ? y", {"x", "y"}),
        ("!!binary aGVs\n  bG8=", b"hello"),
        ("!<tag:yaml.org,2002:str> 1", "1"),
    ],
)
def test_standard_tags_do_what_they_say(pure: bool, written: str, value: Any) -> None:
    """The nine tags of data make data."""
    found = data(the_value(f"a: {written}", pure))
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("!!int x", "!!int can make nothing of 'x'"),
        ("!!int 1.5", "!!int can make nothing of '1.5'"),
        ("!!int true", "!!int can make nothing of 'true'"),
        ("!!int", "!!int can make nothing of ''"),
        ("!!float x", "!!float can make nothing"),
        ("!!float " + "9" * 400, "!!float can make nothing"),
        ("!!bool yes", "!!bool can make nothing"),
        ("!!null x", "!!null can make nothing"),
        ("!!binary a", "!!binary can make nothing"),
        ("!!binary é", "!!binary can make nothing"),
        ("!!seq {b: 1}", "!!seq can make nothing of a mapping"),
        ("!!map [1]", "!!map can make nothing of a list"),
        ("!!seq x", "!!seq can make nothing of 'x'"),
        ("!!str [1]", "!!str can make nothing of a list"),
        ("!!set [1]", "!!set can make nothing of a list"),
        ("!!omap [b: 1]", "!!omap is not allowed"),
        ("!!timestamp 2020-01-01", "!!timestamp is not allowed"),
        ("!!python/object/apply:os.system [x]", "!!python/object/apply:os.system is not allowed"),
        ("!<tag:example.org,2000:x> y", "!<tag:example.org,2000:x> is not allowed"),
        ("!<x> y", "!<x> is not allowed"),
        ("!!!str y", "three !"),
        ("!a%21b y", "is not allowed"),
        ("!e!x y", "second !"),
        ("!a: y", "The tag !a: has an empty part"),
        ("!a::b y", "The tag !a::b has an empty part"),
        ("!:a y", "The tag !:a has an empty part"),
    ],
)
def test_what_a_tag_cannot_be_is_an_error(pure: bool, written: str, named: str) -> None:
    """A bad value, a tag that is not for data, a malformed one: the error names it and stands at its place."""
    what, site, hint = refused(f"a: {written}", pure)
    assert named in what
    assert site == Site("app.yaml", 1, 4)
    assert hint
    if "not allowed" in what:
        assert "runs no code" in hint


def test_a_set_has_no_values(pure: bool) -> None:
    """`!!set` on a mapping that has a value is an error at the value."""
    what, site, _ = refused("!!set {a, b: 1}", pure)
    assert "In a !!set the key 'b' has a value" in what
    assert site == Site("app.yaml", 1, 14)


def test_a_comma_belongs_to_no_tag(pure: bool) -> None:
    """`[!env, x]` is not read as a tag "env,"."""
    what, site, hint = refused("[!env, x]", pure)
    assert "has a , in it" in what
    assert "blank" in hint
    assert site == Site("app.yaml", 1, 2)


# --- Anchors, aliases, merge keys -----------------------------------------------------------------------------------


def test_an_alias_is_the_same_form(pure: bool) -> None:
    """Containers, values, tags and keys are shared, not copied."""
    form = read(ALIASES, pure)
    assert isinstance(form, Entries)
    found = {data(key): value for key, value in form.pairs}
    assert found["a"] is found["b"]
    assert found["d"] is found["e"]
    assert found["f"] is found["g"]
    assert data(found["f"]) is None
    assert data(found["h"]) == {"c": "c"}


ALIASES = "a: &x [1]\nb: *x\n&k c: *k\nd: &t !env X\ne: *t\nf: &n\ng: *n\nh: {*k : *k }"


def test_the_latest_anchor_counts(pure: bool) -> None:
    """A name may be given again; what begins later is the later one, even inside of the other."""
    assert data(read("[&a 1, *a , &a 2, *a ]", pure)) == [1, 1, 2, 2]
    assert data(read("[&a [&a 1, *a ], *a ]", pure)) == [[1, 1], 1]


@pytest.mark.parametrize(
    ("text", "column", "named"),
    [
        ("*x", 1, "*x refers to nothing"),
        ("[*x , &x 1]", 2, "*x refers to nothing"),
        ("[&one 1, *oen ]", 10, "*oen refers to nothing"),
        ("&x [1, [*x ]]", 9, "*x stands inside of what it refers to"),
        ("&x {a: *x }", 8, "*x stands inside of what it refers to"),
        ("&x {*x : 1}", 5, "*x stands inside of what it refers to"),
        ("&x: 1", 1, "The name after &"),
        ("[&x 1, {*x: 1}]", 9, "The name after *"),
    ],
)
def test_an_alias_needs_an_anchor_that_is_complete(pure: bool, text: str, column: int, named: str) -> None:
    """To nothing, to something around it, or with a colon stuck to the name: an error at the alias."""
    what, site, hint = refused(text, pure)
    assert named in what
    assert site == Site("app.yaml", 1, column)
    assert "one" in hint if "oen" in text else hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{<<: {x: 1, y: 2}, x: 3}", [("y", 2), ("x", 3)]),
        ("{x: 3, <<: {x: 1, y: 2}}", [("x", 3), ("y", 2)]),
        ("{<<: [{x: 1}, {x: 2, z: 3}], q: 1}", [("x", 1), ("z", 3), ("q", 1)]),
        ("{<<: [], q: 1}", [("q", 1)]),
        ("{<<: {<<: {x: 1}, y: 2}}", [("x", 1), ("y", 2)]),
        ("{'<<': 1}", [("<<", 1)]),
        ("{!!str <<: 1}", [("<<", 1)]),
        ("{!env <<: 1}", [(("env", "<<"), 1)]),
    ],
)
def test_a_merge_key_brings_in_entries(pure: bool, text: str, value: Any) -> None:
    """Own keys win, then the earlier mapping; merged entries stand where the key stood. Only plain `<<` is one."""
    form = read(text, pure)
    assert isinstance(form, Entries)
    assert [(data(key), data(item)) for key, item in form.pairs] == value


def test_a_merge_key_takes_aliases_and_keeps_their_forms(pure: bool) -> None:
    """What is merged keeps its place."""
    form = read("a: &a {x: 1}\nb: &b {x: 2, y: 3}\nl: &l [*a , *b ]\nc: {<<: [*b , *a ]}\nd:\n  <<: *l\n  z: 4", pure)
    assert isinstance(form, Entries)
    first, _, _, third, fourth = (value for _, value in form.pairs)
    assert data(third) == {"x": 2, "y": 3}
    assert data(fourth) == {"x": 1, "y": 3, "z": 4}
    assert isinstance(first, Entries)
    assert isinstance(fourth, Entries)
    assert fourth.pairs[0] == first.pairs[0]
    assert fourth.pairs[1][0].site == Site("app.yaml", 2, 14)


@pytest.mark.parametrize(
    ("text", "column"),
    [("<<: 1", 5), ("<<: [{}, 1]", 10), ("<<: !include x", 5), ("<<: [[{}]]", 6), ("<<:", 1), ("<<: !!set {a}", 5)],
)
def test_only_mappings_can_be_merged(pure: bool, text: str, column: int) -> None:
    """Anything else is an error that tells of `!merge`."""
    what, site, hint = refused(text, pure)
    assert "no mapping" in what
    assert "!merge" in hint
    assert site == Site("app.yaml", 1, column)


def test_one_mapping_has_one_merge_key(pure: bool) -> None:
    """A second `<<` is a repeated key."""
    assert "'<<' is repeated" in refused("{<<: {}, <<: {}}", pure)[0]


# --- Documents and characters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("a: 1\n---\nb: 1", 2, "second document"),
        ("a\n...\nb", 3, "second document"),
        ("---\n---", 2, "second document"),
        ("%TAG !e! tag:x,\n---\n!e!x y", 1, "%TAG"),
        ("# c\n%FOO x\n---\na", 2, "%FOO"),
        ("%YAML 1.1\n---\na", 1, "YAML 1.1"),
    ],
)
def test_a_file_is_one_document_without_directives(pure: bool, text: str, line: int, named: str) -> None:
    """More documents, directives other than %YAML and other versions are errors at their lines."""
    what, site, _ = refused(text, pure)
    assert named in what
    assert site == Site("app.yaml", line, 1)


def test_the_version_read_may_be_said(pure: bool) -> None:
    """%YAML 1.2 and the marks of a document around it are fine."""
    assert data(read("%YAML 1.2\n---\na: 1\n...\n", pure)) == {"a": 1}


@pytest.mark.parametrize(
    ("char", "hint"),
    [
        ("\0", "\\u0000"),
        ("\x07", "\\u0007"),
        ("\x7f", "\\u007f"),
        ("\x85", "\\u0085"),
        ("\u2028", "\\u2028"),
        ("\ufeff", "byte order mark"),
        ("\ud800", "half"),
        ("\ufffe", "\\ufffe"),
    ],
)
def test_odd_characters_are_errors(pure: bool, char: str, hint: str) -> None:
    """What YAML does not print, and what the parsers take for different things, has to be written as an escape."""
    what, site, do = refused(f"\ufeffa: 1\r\nbé: 'x{char}'", pure)
    assert f"U+{ord(char):04X}" in what
    assert hint in do
    assert site == Site("app.yaml", 2, 7)


def test_escapes_of_half_characters_are_errors(pure: bool) -> None:
    """There is no text that could not be printed later."""
    what, site, _ = refused('a: "\\ud83d\\ude00"', pure)
    assert site == Site("app.yaml", 1, 4 if "half" in what else 5)


def test_integers_beyond_what_python_converts_are_errors(pure: bool) -> None:
    """Thousands of digits, with and without a tag, are no crash."""
    for text in ("9" * 5000, "!!int " + "9" * 5000, "!x " + "9" * 5000):
        assert "5,000 digits" in refused(text, pure)[0]


# --- Places -----------------------------------------------------------------------------------------------------------


def test_every_form_has_its_place(pure: bool) -> None:
    """Keys, values, items, containers; a tagged value has the place of its tag, and what is not written that of its key."""
    text = "a: 1\nbé:\r\n  - x\n  - !t\n    c: {d: 'e', f}\ng: !int:env X\nh:\n? [i]\n: |\n  j\n"
    assert places(read(text, pure)) == (
        (1, 1),
        [
            ((1, 1), (1, 4)),
            (
                (2, 1),
                ((3, 3), [(3, 5), ((4, 5), ((4, 5), [((5, 5), ((5, 8), [((5, 9), (5, 12)), ((5, 17), (5, 17))]))]))]),
            ),
            ((6, 1), ((6, 4), ((6, 4), (6, 4)))),
            ((7, 1), (7, 1)),
            (((8, 3), [(8, 4)]), (9, 3)),
        ],
    )


@pytest.mark.parametrize("written", ["!t &x [1]", "!<!t> &x [1]", "&x !t [1]", "!t &x b", "&x !t b", "&x # c\n   !t b"])
def test_a_tag_beside_an_anchor_has_its_own_place(pure: bool, written: str) -> None:
    """Whichever of the two is first."""
    found = the_value(f"a: {written}", pure)
    line, column = (2, 4) if "\n" in written else (1, 4 + written.index("!"))
    assert isinstance(found, Tag)
    assert found.site == found.form.site == Site("app.yaml", line, column)


# --- Mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "what", "hint"),
    [
        ("a: !int !env PORT", 1, 9, "behind another tag", "!int:env PORT"),
        ("[!int !env PORT]", 1, 7, "behind another tag", "!int:env PORT"),
        ("a: b: c", 1, 5, "colon with a blank", "quotation marks"),
        ("a: 1\n b: 2", 2, 3, "colon with a blank", "indentation"),
        ("a:\n\tb: 1", 2, 1, "A tab", "blanks"),
        ("a: @x", 1, 4, "begin with @", "quotation marks"),
        ("a: `x", 1, 4, "begin with `", "quotation marks"),
        ("a: %x", 1, 4, "begin with %", "quotation marks"),
        ("a: 1\nb\n", 2, 1, "that has no colon", "key: value"),
        ("- a\nb: 1", 2, 1, "no part of the mapping or list that begins in line 1", "same column"),
        ("a:\n  - b\n - c", 3, 2, "no part", "same column"),
        ("a: - b", 1, 4, "A list item", "line of its own"),
        ("a:\n  [1, 2\n", 3, 1, "opened in line 2, column 3", "]"),
        ("{a: 1", 1, 6, "opened in line 1, column 1", "}"),
        ("[1}", 1, 3, "A comma or ] is expected", ""),
        ("b: ]", 1, 4, "A value is expected", ""),
        ("a: 'x", 1, 4, "has no end", ""),
        ('a: "\\q"', 1, 6, "no escape \\q", "single quotation marks"),
        ('"\\UFFFFFFFF"', 1, 1, "no YAML that can be read", ""),
        ("'a' b", 1, 5, "more text follows", "quotation marks"),
        ("a: |x\n  b", 1, 5, "found 'x'", ""),
        ("a: *", 1, 5, "alias", ""),
        ("|\nx", 1, 1, "not indented", "Indent"),
        ("a: |#c\n  x", 1, 5, "found '#'", ""),
        ("%YAML 2.0\n---\na", 1, 1, "version", ""),
    ],
)
def test_a_mistake_has_a_place_and_a_hint(pure: bool, text: str, line: int, column: int, what: str, hint: str) -> None:
    """Both parsers give the same error, in words that say what to do."""
    found = refused(text, pure)
    assert what in found[0]
    assert found[1] == Site("app.yaml", line, column)
    assert hint in found[2]


# --- Limits -----------------------------------------------------------------------------------------------------------


def test_depth_has_a_limit(pure: bool) -> None:
    """Containers and tags count, also those that an alias brings in."""
    assert data(read("[{a: [1]}]", pure, depth=3)) == [{"a": [1]}]
    assert refused("[{a: [1]}]", pure, depth=2)[1] == Site("app.yaml", 1, 6)
    assert "more than 2 levels" in refused("[!a:b x]", pure, depth=2)[0]
    assert data(read("[!a:b x]", pure, depth=3)) == [("a", ("b", "x"))]
    assert "more than 2 levels" in refused("!a:b [x]", pure, depth=2)[0]
    text = "- &a [[1]]\n- [*a ]"
    assert data(read(text, pure, depth=4)) == [[[1]], [[[1]]]]
    assert refused(text, pure, depth=3)[1] == Site("app.yaml", 2, 4)
    assert refused("- &a !t x\n- [*a ]", pure, depth=2)[1] == Site("app.yaml", 2, 4)
    assert refused("- &a [&b [1]]\n- &c [*b ]\n- [[*c ]]", pure, depth=4)[1] == Site("app.yaml", 3, 5)


def test_the_number_of_values_has_a_limit(pure: bool) -> None:
    """Keys, values, tags and containers count, and what an alias repeats counts again."""
    assert data(read("{a: [!t 1, 2]}", pure, items=6)) == {"a": [("t", 1), 2]}
    assert "more than 5 values" in refused("{a: [!t 1, 2]}", pure, items=5)[0]
    assert refused("[[[]]]", pure, items=2)[1] == Site("app.yaml", 1, 3)
    assert data(read("[&a [1, 2], *a ]", pure, items=7)) == [[1, 2], [1, 2]]
    assert refused("[&a [1, 2], *a ]", pure, items=6)[1] == Site("app.yaml", 1, 13)


# --- Beside ruamel's own loader -----------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff"))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
keys = texts | st.integers() | st.booleans()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4).filter(lambda found: len({type(key) for key in found}) < 2)
    ),
    max_leaves=12,
)


@some
@given(values, st.booleans(), st.booleans())
def test_what_ruamel_writes_is_read_back(value: Any, flow: bool, narrow: bool) -> None:
    """Data that ruamel.yaml writes, in block and in flow style, both parsers read as its own safe loader does."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    yaml.allow_unicode = True
    yaml.width = 20 if narrow else 1000
    stream = io.StringIO()
    yaml.dump(value, stream)
    text = stream.getvalue()
    expected = repr(YAML(typ="safe", pure=True).load(text))
    assert repr(data(read(text, False))) == expected
    assert repr(data(read(text, True))) == expected
    assert places(read(text, False)) == places(read(text, True))


# --- Without the library ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", ["ruamel.yaml", "ruamel.yaml.cyaml"])
def test_a_missing_library_says_what_to_install(hidden: str) -> None:
    """Without ruamel.yaml there is a `MissingExtra`; without the parser in C the other one reads."""
    program = f"""
import sys
sys.modules[{hidden!r}] = None
from mainspring import MissingExtra
from mainspring.config._form import Limits
from mainspring.config._yaml import read
try:
    print(read("a: 1", "app.yaml", Limits()))
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    if hidden == "ruamel.yaml":
        assert done.stdout.startswith("Reading YAML needs the extra 'config'.")
    else:
        assert done.stdout == "{'a': 1}\n"
