"""What is read from JSON, and where each mistake is said to be."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring import BadFile, Site
from mainspring.config._form import Entries, Form, Items, Limits, Scalar
from mainspring.config._json import read


def form(text: str, **limits: int) -> Form:
    """What is read."""
    return read(text, "app.json", Limits(**limits))


def data(form: Form) -> Any:
    """The data in a form."""
    if isinstance(form, Scalar):
        return form.value
    if isinstance(form, Items):
        return [data(item) for item in form.items]
    assert isinstance(form, Entries)
    return {data(key): data(value) for key, value in form.pairs}


def refused(text: str, **limits: int) -> tuple[str, Site, str]:
    """What an error says: what is wrong, where, and what to do."""
    with pytest.raises(BadFile) as caught:
        form(text, **limits)
    (problem,) = caught.value.problems
    assert problem.site is not None
    return problem.what, problem.site, problem.hint


def places(form: Form) -> Any:
    """Line and column of a form and of all in it."""
    assert form.site is not None
    here = form.site[1:]
    if isinstance(form, Items):
        return here, [places(item) for item in form.items]
    if isinstance(form, Entries):
        return here, [(places(key), places(value)) for key, value in form.pairs]
    return here


# --- Values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "null",
        " true\n",
        "false",
        "0",
        "-0",
        "-12",
        "12345678901234567890",
        "0.5",
        "-1.25e+3",
        "1E2",
        "1e999",
        '""',
        '"a \\" \\\\ \\/ \\b\\f\\n\\r\\t \\u00e9 \\ud83d\\ude00 b"',
        '"\x7f \u2028 é 😀"',
        "[]",
        "{}",
        "[[], {}, [[1]]]",
        '{"a": {"b": [1, {"c": null}]}, "": 0}',
        '\r\n{\t"a"\r:\n1 ,"b\\n" : [ 1 , 2 ] } ',
    ],
)
def test_a_text_means_what_the_json_module_says(text: str) -> None:
    """Valid JSON gives the data that `json.loads` gives, of the same types."""
    assert repr(data(form(text))) == repr(json.loads(text))


def test_a_byte_order_mark_is_passed_over() -> None:
    """A byte order mark at the beginning is no part of the text, nor of the first line's columns."""
    assert places(form("\ufeff[1]")) == ((1, 1), [(1, 2)])
    assert refused("\ufeff[1,]")[1] == Site("app.json", 1, 3)


def test_every_key_and_value_has_its_place() -> None:
    """A form knows file, line and column, both counted from 1; a line ends at any of the three line breaks."""
    found = form('{"a": 1,\n  "b\\t": [true,\r\n "x",\r-1], "c":\n{}}')
    assert places(found) == (
        (1, 1),
        [((1, 2), (1, 7)), ((2, 3), ((2, 10), [(2, 11), (3, 2), (4, 1)])), ((4, 6), ((5, 1), []))],
    )
    assert found.site == Site("app.json", 1, 1)


# --- Mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "what", "hint"),
    [
        ("", 1, 1, "The file is empty", "{}"),
        ("\n  ", 2, 3, "The file is empty", "{}"),
        ("[1,\n2,\n]", 2, 2, "comma stands before a closing ]", "out"),
        ('{"a": 1,}', 1, 8, "comma stands before a closing }", "out"),
        ("[1,,2]", 1, 4, "A value is expected, and there is ','", ""),
        ("[,]", 1, 2, "A value is expected", ""),
        ('{"a" 1}', 1, 6, "A colon is expected between a key and its value, and there is '1'", ""),
        ('{"a\\t" 1}', 1, 8, "A colon is expected", ""),
        ('{"a":}', 1, 6, "A value is expected, and there is '}'", ""),
        ("[1 2]", 1, 4, "A comma or ] is expected after a value, and there is '2'", ""),
        ('{"a": 1 "b": 2}', 1, 9, "A comma or } is expected", ""),
        ('["a": 1]', 1, 5, "A colon stands in a list", "braces"),
        ("{'a': 1}", 1, 2, "single quotation marks", '"key"'),
        ("['a']", 1, 2, "single quotation marks", '"text"'),
        ("{a: 1}", 1, 2, "The key a has no quotation marks", 'Write "a"'),
        ("{1: 1}", 1, 2, "A key in quotation marks is expected", ""),
        ("[NaN]", 1, 2, "NaN is no value of JSON", "null"),
        ("-Infinity", 1, 1, "-Infinity is no value of JSON", "null"),
        ("True", 1, 1, "True is no value", "Write true."),
        ("[None]", 1, 2, "None is no value", "Write null."),
        ("[yes]", 1, 2, "yes is no value", 'Write "yes".'),
        ("[01]", 1, 2, "01 is no number", "no 0 in front"),
        ("-01", 1, 1, "-01 is no number", "no 0 in front"),
        ("[1.]", 1, 2, "1. is no number", "both sides"),
        ("[.5]", 1, 2, ".5 is no number", "both sides"),
        ("+1", 1, 1, "+1 is no number", "no +"),
        ("0x1F", 1, 1, "0x1F is no number", ""),
        ("[1e]", 1, 2, "1e is no number", ""),
        ("// c\n1", 1, 1, "comment", "YAML"),
        ("[1, /* c */ 2]", 1, 5, "comment", "YAML"),
        ("[1 # c\n]", 1, 4, "comment", "YAML"),
        ("1 2", 1, 3, "The end of the file is expected", ""),
        ("{}\n]", 2, 1, "nothing is open", "out"),
        ("],", 1, 1, "A value is expected", ""),
        ("\n [1", 2, 4, "the [ of line 2, column 2 is not closed", "missing"),
        ('{"a": [1}', 1, 9, "A } stands where ] is expected, for the [ of line 1, column 7", "Write ]"),
        ('{"a": 1]', 1, 8, "A ] stands where } is expected", "Write }"),
        ('{"a', 1, 2, "no closing quotation mark", ""),
        ('["a\nb"]', 1, 4, "A line break stands in a text", "\\n"),
        ('["a\tb"]', 1, 4, "A tab stands in a text", "\\t"),
        ('["\x00"]', 1, 3, "U+0000 stands in a text", "\\u0000"),
        ('["a\\x"]', 1, 4, "A backslash stands before what is no escape", "two"),
        ('["\\u12"]', 1, 3, "A backslash", "two"),
        ('["\\ud800 "]', 1, 2, "\\ud800, which is one half", "halves"),
        ('["\ud800"]', 1, 3, "U+D800 stands here, which is one half", "halves"),
        ("[\x00]", 1, 2, "there is the character U+0000", ""),
        ('{"a": 1,\n "b": 2,\n "a": 3}', 3, 2, "The key 'a' is repeated, first in line 1", "Keep one"),
        ('{"a": 1, "\\u0061": 3}', 1, 10, "The key 'a' is repeated", "Keep one"),
        ("[" + "9" * 5000 + "]", 1, 2, "An integer of 5,000 digits", "quotation marks"),
    ],
)
def test_a_mistake_has_a_place_and_a_hint(text: str, line: int, column: int, what: str, hint: str) -> None:
    """Everything wrong is a `BadFile` that says what is wrong, where, and what to do."""
    found = refused(text)
    assert what in found[0]
    assert found[1] == Site("app.json", line, column)
    assert hint in found[2]


# --- Limits ---------------------------------------------------------------------------------------------------------


def test_depth_has_a_limit() -> None:
    """As many containers in one another as the limit allows are read, one more is refused, where it opens."""
    assert data(form("[[[]]]", depth=3)) == [[[]]]
    what, site, _ = refused('[{"a":[]}]', depth=2)
    assert "more than 2 levels" in what
    assert site.column == 7


def test_the_number_of_values_has_a_limit() -> None:
    """Keys, values and containers count."""
    assert data(form('{"a": [1, 2]}', items=5)) == {"a": [1, 2]}
    what, site, _ = refused('{"a": [1, 2]}', items=4)
    assert "more than 4 values" in what
    assert site.column == 11


def test_depth_beyond_the_recursion_of_python_can_be_allowed() -> None:
    """Nothing here recurses, so a limit may be as high as one likes."""
    found = form("[" * 50_000 + "]" * 50_000, depth=50_000)
    for _ in range(49_999):
        assert isinstance(found, Items)
        (found,) = found.items


# --- Beside the json module -------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(values, st.booleans(), st.sampled_from([None, 0, 2]))
def test_what_the_json_module_writes_is_read_back(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Whatever data, with or without escapes and line breaks."""
    assert data(form(json.dumps(value, ensure_ascii=ascii_only, indent=indent))) == value


def strictly(text: str) -> Any:
    """What `json.loads` says, made as strict as we are where that is documented."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) < len(found):
            raise ValueError("repeated")
        return dict(found)

    def constant(name: str) -> Any:
        raise ValueError(name)

    found = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=pairs, parse_constant=constant)
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text) or not _whole(found):
        raise ValueError("half a character")
    return found


def _whole(value: Any) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, list):
        return all(map(_whole, value))
    return all(_whole(key) and _whole(item) for key, item in value.items()) if isinstance(value, dict) else True


pieces = st.sampled_from(
    [*'[]{}:,"\\ \n-+.01eE', "true", "null", "NaN", "\\n", "\\ud800", '"a"', "\ufeff", "\t", "'", "/", "\x00"]
)


@given(values, st.lists(st.tuples(st.floats(0, 1), pieces, st.integers(0, 2)), max_size=3))
def test_mutated_texts_are_taken_and_refused_as_the_json_module_does(
    value: Any, changes: list[tuple[float, str, int]]
) -> None:
    """Apart from the documented differences, the two agree on what is JSON."""
    text = json.dumps(value)
    for where, piece, dropped in changes:
        at = math.floor(where * len(text))
        text = text[:at] + piece + text[at + dropped :]
    try:
        expected = strictly(text)
    except ValueError:
        refused(text)
    else:
        assert repr(data(form(text))) == repr(expected)
