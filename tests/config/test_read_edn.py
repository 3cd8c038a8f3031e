"""The reader of EDN: what each notation becomes, where it says it is, and what it refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring import BadFile, Site
from mainspring.config._edn import read
from mainspring.config._form import Entries, Form, Items, Limits, Scalar, Tag


def edn(text: str, **limits: int) -> Form:
    """A text that is read as the file a.edn."""
    return read(text, "a.edn", Limits(**limits))


def plain(form: Form) -> Any:
    """A form as data of Python: a list, a set as a tuple that begins with "set", a list of pairs for a map, and so for a tag."""
    if isinstance(form, Scalar):
        return form.value
    if isinstance(form, Items):
        return [plain(item) for item in form.items] if form.kind == "list" else (form.kind, *map(plain, form.items))
    if isinstance(form, Tag):
        return ("tag", form.name, plain(form.form))
    assert isinstance(form, Entries)
    return {key if isinstance(key := plain(each), str) else repr(each): plain(value) for each, value in form.pairs}


def refused(text: str, **limits: int) -> tuple[str, str, str]:
    """What is wrong with a text: where, what, and what to do."""
    with pytest.raises(BadFile) as caught:
        edn(text, **limits)
    (problem,) = caught.value.problems
    assert isinstance(problem.site, Site)
    assert problem.site.file == "a.edn"
    return f"{problem.site.line}:{problem.site.column}", problem.what, problem.hint


# --- Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nil", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-0", 0),
        ("+5", 5),
        ("-12", -12),
        ("7N", 7),
        ("-7N", -7),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("1.5", 1.5),
        ("-1.5e3", -1500.0),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("+2.0", 2.0),
        ("1.50M", Decimal("1.50")),
        ("3M", Decimal(3)),
        ("1e2M", Decimal("1e2")),
        ("1/2", Fraction(1, 2)),
        ("-6/4", Fraction(-3, 2)),
        ("##Inf", math.inf),
        ("##-Inf", -math.inf),
        ('""', ""),
        ('"a b"', "a b"),
        ('"line\nbreak"', "line\nbreak"),
        (r'"\t\r\n\\\"\b\f"', '\t\r\n\\"\b\f'),
        (r'"\u00e9\u20AC"', "\u00e9\u20ac"),
        (r'"\101\0"', "A\0"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        ('"; no comment, #_ no discard"', "; no comment, #_ no discard"),
        (r"\a", "a"),
        (r"\newline", "\n"),
        (r"\return", "\r"),
        (r"\space", " "),
        (r"\tab", "\t"),
        (r"\u0041", "A"),
        (r"\u", "u"),
        (r"\;", ";"),
        (r"\"", '"'),
        (r"\\", "\\"),
        (":a", "a"),
        (":a/b", "a/b"),
        (":a.b/c-d?", "a.b/c-d?"),
        (":404", "404"),
        ("sym", "sym"),
        ("app.db/pool", "app.db/pool"),
        ("a#b'c", "a#b'c"),
        ("a:b", "a:b"),
        ("nilly", "nilly"),
        ("-", "-"),
        ("->x", "->x"),
        ("/", "/"),
        ("\u00e9t\u00e9", "\u00e9t\u00e9"),
    ],
)
def test_each_scalar_of_edn_has_one_value_and_one_type(text: str, value: Any) -> None:
    """A scalar is read as the value of Python that is nearest to it; keywords and symbols are text."""
    form = edn(text)
    assert isinstance(form, Scalar)
    assert (type(form.value), form.value) == (type(value), value)


def test_nan_is_no_number() -> None:
    """`##NaN` is the float that does not equal itself."""
    form = edn("##NaN")
    assert isinstance(form, Scalar)
    assert math.isnan(form.value)


def test_lists_and_vectors_are_lists_and_sets_are_sets() -> None:
    """A list and a vector are the same; a set says that it is one."""
    assert plain(edn("[1 (2 3) #{4 5} [] () #{}]")) == [1, [2, 3], ("set", 4, 5), [], [], ("set",)]


def test_a_map_keeps_its_order_and_takes_any_form_as_key() -> None:
    """Keys may be numbers, containers and tagged forms."""
    form = edn('{:b 1 "a" 2 3 4 [5 6] 7 #env X 8}')
    assert repr(form) == "{'b': 1, 'a': 2, 3: 4, [5, 6]: 7, !env 'X': 8}"


def test_commas_are_blanks_and_comments_end_with_their_line() -> None:
    """Commas separate no more than blanks do; a semicolon begins a comment, also at the very end."""
    assert plain(edn("; first\n{:a,1,,:b 2} ; last")) == {"a": 1, "b": 2}
    assert plain(edn("[1;2\r\n3]")) == [1, 3]


def test_forms_need_no_blank_where_they_cannot_be_mistaken() -> None:
    """Brackets and quotation marks end a name."""
    assert plain(edn('{:a"b":c[1]d(2)}')) == {"a": "b", "c": [1], "d": [2]}


def test_a_text_without_a_value_is_nothing() -> None:
    """An empty file, and one of comments and discards, says nil."""
    assert plain(edn("")) is None
    assert plain(edn(" ; nothing\n#_ x")) is None


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """A mark at the start neither is read nor counts as a column."""
    form = edn("\ufeff[1]")
    assert (plain(form), form.site) == ([1], Site("a.edn", 1, 1))


# --- Tags, discards, namespaces ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("#env PORT", ("tag", "env", "PORT")),
        ("#ig/ref :db/pool", ("tag", "ig/ref", "db/pool")),
        ("#long #or [#env A 8080]", ("tag", "long", ("tag", "or", [("tag", "env", "A"), 8080]))),
        ("#profile{:dev 1}", ("tag", "profile", {"dev": 1})),
        ('#env"A"', ("tag", "env", "A")),
        ('#inst "1985-04-12T23:20:50.52Z"', ("tag", "inst", "1985-04-12T23:20:50.52Z")),
        ('#uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"', ("tag", "uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6")),
        ("#a #_ b c", ("tag", "a", "c")),
        ("#my.app/Person {}", ("tag", "my.app/Person", {})),
    ],
)
def test_a_tag_keeps_its_name_and_what_it_stands_before(text: str, value: Any) -> None:
    """The reader gives no tag a meaning."""
    assert plain(edn(text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1 #_ 2 3]", [1, 3]),
        ("[#_2]", []),
        ("[#_ #_ 1 2 3]", [3]),
        ("[#_ #a #b 1 3]", [3]),
        ("{#_ :a :b #_ #_ 1 2 3}", {"b": 3}),
        ("#_ {:x [1 2]} 4 #_ 5", 4),
        ("#{1 #_1 2}", ("set", 1, 2)),
    ],
)
def test_a_discard_takes_the_next_form_away(text: str, value: Any) -> None:
    """Discards may be stacked: each takes one form."""
    assert plain(edn(text)) == value


def test_what_is_discarded_must_be_edn_all_the_same() -> None:
    """A discard is no comment."""
    assert refused("[#_ {:a} 1]")[0] == "1:6"


def test_a_namespace_before_a_map_goes_before_its_names() -> None:
    """Keywords and symbols get it, those with one of their own do not, `_/` takes it away; nothing within is touched."""
    form = edn('#:app{:a :v b 2 :_/c 3 :other/d 4 "e" 5 6 7 nil 8 #t :f 9 :g {:h #_ :i :j}}')
    assert repr(form) == (
        "{'app/a': 'v', 'app/b': 2, 'c': 3, 'other/d': 4, 'e': 5, 6: 7, None: 8, !t 'f': 9, 'app/g': {'h': 'j'}}"
    )
    assert plain(edn("#:app\n {:a 1}")) == {"app/a": 1}
    assert refused("#:app{:a 1 :app/a 2}")[:2] == ("1:12", "The key 'app/a' is repeated, first in line 1.")


# --- Places -----------------------------------------------------------------------------------------------------------


def test_every_form_knows_line_and_column() -> None:
    """Scalars, containers and tags are where their first character is, whatever stands before them."""
    form = edn('; settings\n{:db #prod/only {:url "x\ny" ,:n\t2}\n :l [1\r\n  #{:s}]}')
    seen = []

    def look(form: Form) -> None:
        assert form.site is not None
        seen.append((type(form).__name__, form.site.line, form.site.column))
        if isinstance(form, Tag):
            look(form.form)
        for child in form.items if isinstance(form, Items) else ():
            look(child)
        for pair in form.pairs if isinstance(form, Entries) else ():
            look(pair[0])
            look(pair[1])

    look(form)
    assert seen == [
        ("Entries", 2, 1), ("Scalar", 2, 2), ("Tag", 2, 6), ("Entries", 2, 17), ("Scalar", 2, 18), ("Scalar", 2, 23),
        ("Scalar", 3, 5), ("Scalar", 3, 8), ("Scalar", 4, 2), ("Items", 4, 5), ("Scalar", 4, 6), ("Items", 5, 3),
        ("Scalar", 5, 5),
    ]  # fmt: skip


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "what", "hint"),
    [
        ("[1\n 2", "1:1", "The bracket [ is never closed", "Add ]"),
        ("{:a [1 2}", "1:9", "} does not close [, which is open since line 1, column 5", "with ]"),
        ("(1]", "1:3", "] does not close (", "with )"),
        ("#:a{:b 1]", "1:9", "] does not close {", "with }"),
        ("#{1", "1:1", "The bracket #{ is never closed", "Add }"),
        ("[1]]", "1:4", "something after the value", "one map"),
        (")", "1:1", ") closes nothing", "Remove it"),
        ("{:a 1\n :b}", "2:2", "has no value: the map that begins in line 1", "Give it one"),
        ('{:a 1\n "a" 2}', "2:2", "The key 'a' is repeated, first in line 1", "Keep one"),
        ("{[1] 1 (1) 2}", "1:8", "The key [1] is repeated", "Keep one"),
        ("#{1 2\n 1}", "2:2", "The item 1 of a set is repeated, first in line 1", "Keep one"),
        ("1 2", "1:3", "something after the value", "one map"),
        ("{:a 1}\n{:b 2}", "2:1", "something after the value", "one map"),
        ("[#env]", "1:2", "Nothing follows the tag #env", "before a value"),
        ("#env", "1:1", "Nothing follows the tag #env", "before a value"),
        ("[1 #_]", "1:4", "Nothing follows #_", "before a value"),
        ("#_", "1:1", "Nothing follows #_", "before a value"),
        ("#_ #_ 1", "1:1", "Nothing follows #_", "before a value"),
        ('[1 "a\nb]', "1:4", "The text that begins here is never closed", 'Add "'),
        ('"a\n b\\q"', "2:3", "The escape \\q is none of EDN", "\\uXXXX"),
        ('"\\u12"', "1:2", "is not followed by four hexadecimal digits", "\\uXXXX"),
        ('"\\ud800 "', "1:1", "half of a surrogate pair", "both halves"),
        ("\\ud800", "1:1", "\\ud800 is half of a surrogate pair", "the character itself"),
        ("\\nonsense", "1:1", "no character of the name 'nonsense'", "\\newline"),
        ("[\\ a]", "1:2", "followed by no character", "\\space"),
        ("\n\ud800", "2:1", "half of a surrogate pair", ""),
        ("::a", "1:1", "'::a' asks for the namespace of the program", ":app/name"),
        ("{::a/b 1}", "1:2", "'::a/b' asks for the namespace of the program", ":app/name"),
        ("#::x{:a 1}", "1:1", "asks for the namespace of the program", ":app/name"),
        ("#::{:a 1}", "1:1", "asks for the namespace of the program", ":app/name"),
        ("#:a/b{:a 1}", "1:1", "'a/b' is no namespace for a map", "without a slash"),
        ("#:a 1", "1:1", "No map follows #:a", "#:app{...}"),
        ("010", "1:1", "'010' is no number of EDN", "zeros in front"),
        ("0xFF", "1:1", "'0xFF' is no number of EDN", "decimal"),
        ("2r101", "1:1", "'2r101' is no number of EDN", "decimal"),
        ("1_000", "1:1", "'1_000' is no number", "quotation marks"),
        ("8080a", "1:1", "'8080a' is no number", "quotation marks"),
        ("1.", "1:1", "'1.' is no number", ""),
        ("-.5", "1:1", "'-.5' is no number", "0.5"),
        (".5", "1:1", "'.5' is no number", "0.5"),
        ("1.5N", "1:1", "'1.5N' is no number", ""),
        ("[1/0]", "1:2", "'1/0' divides by zero", ""),
        ("1e999999999M", "1:1", "'1e999999999M' is too large or too small", "4,300"),
        ("1e99999999999999999999M", "1:1", "too large or too small", "4,300"),
        ("{:n " + "9" * 5000 + "}", "1:5", "A number of 5,000 digits is too long", "text"),
        ("##Infinity", "1:1", "no '##Infinity'", "##Inf"),
        (":", "1:1", "A colon stands alone", ":port"),
        ("{port: 1}", "1:2", "'port:' ends with a colon", ":port"),
        ("a/b/c", "1:1", "a slash stands once", ""),
        (":a/", "1:1", "a slash stands once", ""),
        (":/", "1:1", "a slash stands once", ""),
        ("a\u2192b", "1:1", "'\u2192' cannot be part of one", "quotation marks"),
        (":'a", "1:1", "cannot begin with", "quotation marks"),
        ("#a/b/c 1", "1:1", "no name of a tag", "#env PORT"),
        ("# env X", "1:1", "'#' begins nothing", "#env PORT"),
        ("#1 X", "1:1", "'#1' begins nothing", "#env PORT"),
    ],
)
def test_what_is_no_edn_is_refused_at_its_place(text: str, place: str, what: str, hint: str) -> None:
    """The error says where, what and what to do."""
    where, said, do = refused(text)
    assert where == place
    assert what in said
    assert hint in do


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("[^:private x]", "1:2", "Metadata, ^..., belongs to programs in Clojure"),
        ("#^{:a 1} x", "1:1", "Metadata"),
        ("#(inc %)", "1:1", "A function"),
        ('[#"a+"]', "1:2", "A regular expression"),
        ("#'a", "1:1", "A var"),
        ("#?(:clj 1)", "1:1", "A reader conditional"),
        ("#?@(:clj [1])", "1:1", "A reader conditional"),
        ("#=(+ 1 2)", "1:1", "Evaluation at read time"),
        ("#!/bin/sh", "1:1", "A line that begins with #!"),
        ("#<Object>", "1:1", "An object"),
        ("[@a]", "1:2", "A dereference"),
        ("'a", "1:1", "A quote"),
        ("`a", "1:1", "A syntax quote"),
        ("{:a ~b}", "1:5", "An unquote"),
        ("me@example.org", "1:3", "A dereference"),
    ],
)
def test_what_only_programs_in_clojure_have_is_named(text: str, place: str, what: str) -> None:
    """Clojure reads more than EDN: the error says what it would have been, and what to write."""
    where, said, hint = refused(text)
    assert where == place
    assert what in said
    assert said.endswith("belongs to programs in Clojure: EDN has none.")
    assert hint


def test_depth_and_number_of_values_are_limited() -> None:
    """Containers, tags and discards count as depth; values and keys are counted, discarded ones too."""
    assert plain(edn("[[1]]", depth=2)) == [[1]]
    assert refused("[[[1]]]", depth=2)[:2] == ("1:3", "It is nested more than 2 levels deep.")
    assert refused("#a #b #c 1", depth=2)[0] == "1:7"
    assert refused("#:a{:b #:c{:d {}}}", depth=2)[0] == "1:15"
    assert plain(edn("{:a [1]}", items=4)) == {"a": [1]}
    assert refused("{:a [1]}", items=3)[:2] == ("1:6", "It has more than 3 values.")
    assert refused("[#_1 2]", items=2)[1] == "It has more than 2 values."


# --- Written and read -------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-zA-Z*!?<>=][a-zA-Z0-9.*+!?$%&=<>_'#-]{0,6}(/[a-z][a-z0-9-]{0,4})?", fullmatch=True).filter(
    lambda name: name not in ("nil", "true", "false")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS, st.fractions(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
)  # fmt: skip
FORMS = st.recursive(
    SCALARS.map(lambda value: ("scalar", value)) | NAMES.map(lambda name: ("name", name)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: ("list", items)),
        st.dictionaries(TEXTS, inner, max_size=4).map(lambda pairs: ("map", pairs)),
        st.tuples(NAMES.filter(lambda name: name[0].isalpha()), inner).map(lambda pair: ("tag", pair)),
    ),
    max_leaves=20,
)
BLANKS = st.sampled_from([" ", ", ", "\n", " ; comment\n", " #_ x ", " #_ #_ [1] {:a 2} "])


def written(tree: Any, blank: Callable[[], str]) -> str:
    """A tree as EDN, with any of the blanks between the forms."""
    kind, value = tree
    if kind == "name":
        return f":{value}" if blank() != " " else str(value)
    if kind == "list":
        opener, closer = ("[", "]") if blank() != ", " else ("(", ")")
        return opener + "".join(blank() + written(item, blank) for item in value) + blank() + closer
    if kind == "map":
        pairs = (json.dumps(key) + blank() + written(each, blank) + blank() for key, each in value.items())
        return "{" + "".join(pairs) + "}"
    if kind == "tag":
        return f"#{value[0]}{blank()}{written(value[1], blank)}"
    if value is None or isinstance(value, bool):
        return "nil" if value is None else str(value).lower()
    if isinstance(value, str):
        return str(json.dumps(value, ensure_ascii=blank() == " "))
    if isinstance(value, float):
        return f"##{str(value).capitalize()}" if value == math.inf else "##-Inf" if value == -math.inf else repr(value)
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    return f"{value}M" if isinstance(value, Decimal) else f"{value}"


def meant(tree: Any) -> Any:
    """What a tree is as data."""
    kind, value = tree
    if kind == "list":
        return [meant(item) for item in value]
    if kind == "map":
        return {key: meant(each) for key, each in value.items()}
    return ("tag", value[0], meant(value[1])) if kind == "tag" else value


def typed(value: Any) -> Any:
    """Data with the types of its scalars."""
    if isinstance(value, list | tuple):
        return [typed(item) for item in value]
    return {key: typed(each) for key, each in value.items()} if isinstance(value, dict) else (type(value), value)


@given(FORMS, st.data())
def test_what_is_written_as_edn_is_read_as_it_was(tree: Any, data: st.DataObject) -> None:
    """Whatever blanks, comments and discards stand between the forms."""
    text = written(tree, lambda: data.draw(BLANKS))
    assert typed(plain(edn(text))) == typed(meant(tree))


@given(st.lists(st.tuples(NAMES, BLANKS), max_size=8, unique_by=lambda pair: pair[0]))
def test_a_place_is_where_the_text_has_the_form(pairs: list[tuple[str, str]]) -> None:
    """The line and the column of each key lead to the key."""
    text = "{" + "".join(f":{name}{blank}1 " for name, blank in pairs) + "}"
    form = edn(text)
    assert isinstance(form, Entries)
    assert [key.value for key, _ in form.pairs if isinstance(key, Scalar)] == [name for name, _ in pairs]
    for key, value in form.pairs:
        assert isinstance(key, Scalar)
        assert key.site is not None
        assert value.site is not None
        assert text.split("\n")[key.site.line - 1][key.site.column - 1 :].startswith(f":{key.value}")
        assert text.split("\n")[value.site.line - 1][value.site.column - 1] == "1"
