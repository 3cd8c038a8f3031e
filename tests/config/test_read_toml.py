"""The reader of TOML: the values of the standard library, with the places where they are written."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring import BadFile, Site
from mainspring.config._form import Entries, Form, Items, Limits, Scalar
from mainspring.config._toml import read


def toml(text: str, **limits: int) -> Form:
    """A text that is read as the file a.toml."""
    return read(text, "a.toml", Limits(**limits))


def plain(form: Form) -> Any:
    """A form as data of Python."""
    if isinstance(form, Scalar):
        return form.value
    if isinstance(form, Items):
        return [plain(item) for item in form.items]
    assert isinstance(form, Entries)
    return {plain(key): plain(value) for key, value in form.pairs}


def at(form: Form) -> str:
    """Line and column of a form."""
    assert form.site is not None
    assert form.site.file == "a.toml"
    return f"{form.site.line}:{form.site.column}"


def places(form: Form, path: str = "") -> dict[str, tuple[str, str]]:
    """For each path of keys and indices the places of key and value."""
    found = {}
    for key, value in form.pairs if isinstance(form, Entries) else ():
        assert isinstance(key, Scalar)
        found[f"{path}{key.value}"] = (at(key), at(value))
        found |= places(value, f"{path}{key.value}.")
    for index, item in enumerate(form.items if isinstance(form, Items) else ()):
        found[f"{path}{index}"] = (at(item), at(item))
        found |= places(item, f"{path}{index}.")
    return found


def refused(text: str, **limits: int) -> tuple[str, str, str]:
    """What is wrong with a text: where, what, and what to do."""
    with pytest.raises(BadFile) as caught:
        toml(text, **limits)
    (problem,) = caught.value.problems
    assert isinstance(problem.site, Site)
    assert problem.site.file == "a.toml"
    return f"{problem.site.line}:{problem.site.column}", problem.what, problem.hint


# --- Values -----------------------------------------------------------------------------------------------------------


def test_values_are_those_of_the_standard_library() -> None:
    """Numbers, text, truth values, dates and times come as `tomllib` reads them."""
    text = """
int = 1_000
hex = 0xFF
float = 1.5
infinite = -inf
on = true
text = 'C:\\x'
day = 1979-05-27
hour = 07:32:00
when = 1979-05-27 07:32:00-01:00
list = [1, [2], {x = 3}]
"""
    assert plain(toml(text)) == {
        "int": 1000,
        "hex": 255,
        "float": 1.5,
        "infinite": float("-inf"),
        "on": True,
        "text": "C:\\x",
        "day": date(1979, 5, 27),
        "hour": time(7, 32),
        "when": datetime(1979, 5, 27, 7, 32, tzinfo=timezone(timedelta(hours=-1))),
        "list": [1, [2], {"x": 3}],
    }


def test_an_empty_text_is_an_empty_table() -> None:
    """TOML has no nothing: a file without keys is a table without entries."""
    form = toml("")
    assert (plain(form), at(form)) == ({}, "1:1")
    assert plain(toml("# nothing\n")) == {}


def test_a_byte_order_mark_and_ends_of_lines_of_windows_count_for_nothing() -> None:
    """A mark at the start is no part of the text, and CR LF ends one line."""
    assert places(toml("\ufeffa = 1\r\nb = 2\r\n")) == {"a": ("1:1", "1:5"), "b": ("2:1", "2:5")}


# --- Places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\n  b=2 # c", {"a": ("1:1", "1:5"), "b": ("2:3", "2:5")}),
        ("# one\n\n[t]\na = 'x'", {"t": ("3:2", "3:1"), "t.a": ("4:1", "4:5")}),
        ("[a.b]\nc = 1", {"a": ("1:2", "1:2"), "a.b": ("1:4", "1:1"), "a.b.c": ("2:1", "2:5")}),
        ("[a.b]\n[a]\nc = 1", {"a": ("1:2", "2:1"), "a.b": ("1:4", "1:1"), "a.c": ("3:1", "3:5")}),
        ("a.b.c = 1\na.d = 2", {"a": ("1:1", "1:1"), "a.b": ("1:3", "1:3"), "a.b.c": ("1:5", "1:9"), "a.d": ("2:3", "2:7")}),
        (
            "[[a]]\nx = 1\n[[a]]\ny = 2\n[a.t]\nz = 3",
            {
                "a": ("1:3", "1:1"), "a.0": ("1:1", "1:1"), "a.0.x": ("2:1", "2:5"), "a.1": ("3:1", "3:1"),
                "a.1.y": ("4:1", "4:5"), "a.1.t": ("5:4", "5:1"), "a.1.t.z": ("6:1", "6:5"),
            },
        ),
        (
            "a = [ # c\n  1, [2,\n  3 ],\n]\nb = 1",
            {
                "a": ("1:1", "1:5"), "a.0": ("2:3", "2:3"), "a.1": ("2:6", "2:6"), "a.1.0": ("2:7", "2:7"),
                "a.1.1": ("3:3", "3:3"), "b": ("5:1", "5:5"),
            },
        ),
        (
            "a = {b = 1, c.d = {}, e = [{f = 2}]}",
            {
                "a": ("1:1", "1:5"), "a.b": ("1:6", "1:10"), "a.c": ("1:13", "1:13"), "a.c.d": ("1:15", "1:19"),
                "a.e": ("1:23", "1:27"), "a.e.0": ("1:28", "1:28"), "a.e.0.f": ("1:29", "1:33"),
            },
        ),
        ('"a b" = 1\n\'c.d\' = 2\n"\\u0065" = 3', {"a b": ("1:1", "1:9"), "c.d": ("2:1", "2:9"), "e": ("3:1", "3:12")}),
        ('a = """\n[x]\nb = 1\n"""""\nc = 2', {"a": ("1:1", "1:5"), "c": ("5:1", "5:5")}),
        ("a = '''\n# ''\n'''\nc = 2", {"a": ("1:1", "1:5"), "c": ("4:1", "4:5")}),
        ('a = "# [x]\\" ]"\nb = 2', {"a": ("1:1", "1:5"), "b": ("2:1", "2:5")}),
        ("a = 1979-05-27 07:32:00 # x\nb = 2", {"a": ("1:1", "1:5"), "b": ("2:1", "2:5")}),
    ],
)  # fmt: skip
def test_keys_and_values_have_the_place_where_they_are_written(text: str, expected: dict[str, tuple[str, str]]) -> None:
    """A table is where its header is, one without a header where its name is first written."""
    assert places(toml(text)) == expected


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a = 1\nb = 2\na = 3", "3:1", "The key 'a' is repeated, first in line 1."),
        ("a = 1\n'a' = 3\n", "2:1", "The key 'a' is repeated, first in line 1."),
        ("[db]\n[x]\n[db]\n", "3:2", "The key 'db' is repeated, first in line 1."),
        ("[db.pool]\n[db.pool]", "2:5", "The key 'db.pool' is repeated, first in line 1."),
        ("a = 1\n[a]", "2:2", "The key 'a' is repeated, first in line 1."),
        ("a = 1\n[[a]]", "2:3", "The key 'a' is repeated, first in line 1."),
        ("a = []\n[[a]]", "2:3", "The key 'a' is repeated, first in line 1."),
        ("[[a]]\n[a]", "2:2", "The key 'a' is repeated, first in line 1."),
        ("a = 1\na.b = 2", "2:1", "The key 'a' is repeated, first in line 1."),
        ("a = 1\n[a.b]", "2:2", "The key 'a' is repeated, first in line 1."),
        ("[x]\na.b = 1\n[x.a]", "3:4", "The key 'x.a' is repeated, first in line 2."),
        ("a = {b = 1, b = 2}", "1:13", "The key 'b' is repeated, first in line 1."),
        ("a = [\n{b = {c = 1, c = 2}, b = 1}]", "2:14", "The key 'c' is repeated, first in line 2."),
        ("a = {b = 1}\na.c = 2", "2:8", "'a' cannot be given here"),
        ("a = {b = 1}\n[a.c]", "2:5", "'a.c' cannot be given here"),
        ("[a.b]\n[a]\nb.c = 1", "3:8", "'a.b' cannot be given here"),
    ],
)
def test_a_key_that_is_given_twice_is_named(text: str, place: str, what: str) -> None:
    """Whichever way it is given twice; with the line where it stands first, as far as that is known."""
    where, said, hint = refused(text)
    assert where == place
    assert what in said
    assert hint


@pytest.mark.parametrize(
    ("text", "place", "what", "hint"),
    [
        ("a = 1\nb = yes\n", "2:5", "invalid value", "quotation marks"),
        ("a = null", "1:5", "invalid value", "there is no null"),
        ("a = [1,\n2", "2:2", "unclosed array", "comma"),
        ("a = {b = 1", "1:11", "unclosed inline table", "comma"),
        ("a", "1:2", "expected '=' after a key", "= and a value"),
        ("= 1", "1:1", "invalid statement", "= and a value"),
        ("a = 1 b = 2", "1:7", "expected newline", "line of its own"),
        ('a = "x', "1:7", "unterminated string", ""),
        ("a = 'x\n'", "1:7", "found invalid character", ""),
        ('a = "C:\\Users"', "1:10", "hex value", ""),
        ('a = "\\d"', "1:8", "unescaped '\\' in a string", "written twice"),
        ("[a", "1:3", "expected ']'", ""),
        ("a = 1\n\x00", "2:1", "invalid statement", ""),
        ("a = '\ud800'", "1:6", "half of a surrogate pair", ""),
        ("a = 1\nb = " + "9" * 5000, "2:5", "A whole number has too many digits", "text"),
        ("a = 1\nb = [0x" + "9" * 5000 + "]", "2:6", "A whole number has too many digits", "text"),
        ("a = " + "1" * 700 + "\nb = " + "2" * 4301, "2:5", "A whole number has too many digits", "text"),
    ],
)
def test_what_is_no_toml_is_refused_at_its_place(text: str, place: str, what: str, hint: str) -> None:
    """The error says what the standard library says, where it says it, and what to do."""
    where, said, do = refused(text)
    assert what in said
    assert where == place
    assert hint in do


def test_the_place_of_an_error_does_not_depend_on_the_ends_of_lines() -> None:
    """CR LF counts as one end of a line, as in an editor."""
    assert refused("a = 1\r\nb = 2\r\nb = 3\r\n")[0] == "3:1"
    assert refused("\ufeffa = 1\r\n = 2")[0] == "2:2"


def test_depth_and_number_of_values_are_limited() -> None:
    """Tables count as depth whichever way they are written; values and keys are counted."""
    assert plain(toml("a = [{b = 1}]", depth=3)) == {"a": [{"b": 1}]}
    deep = "It is nested more than 2 levels deep."
    assert refused("a = [{b = 1}]", depth=2)[:2] == ("1:6", deep)
    assert refused("x = 1\n[a.b]", depth=2)[:2] == ("2:1", deep)
    assert refused("x = 1\na.b.c = 1", depth=2)[:2] == ("2:1", deep)
    assert refused("[[a]]", depth=2)[:2] == ("1:1", deep)
    assert refused("a = {b = {}}", depth=2)[:2] == ("1:10", deep)
    assert plain(toml("a = [1, 2]", items=5)) == {"a": [1, 2]}
    assert refused("a = [1, 2]", items=4)[1] == "It has more than 4 values."


# --- Written and read -------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), max_size=5
)
SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.dates(), st.datetimes(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
TABLES = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=4),
    lambda inner: st.dictionaries(NAMES, inner | VALUES, max_size=3),
    max_leaves=6,
)


class Writer:
    """Data as TOML, with notes of where it put each key and each value.

    Parameters:
        choose: draws one of several ways to write something.
    """

    def __init__(self, choose: Any) -> None:
        self.choose, self.text = choose, ""
        self.keys: dict[tuple[Any, ...], str] = {}
        self.values: dict[tuple[Any, ...], str] = {}

    def here(self) -> str:
        """The place that comes next."""
        return f"{self.text.count(chr(10)) + 1}:{len(self.text) - self.text.rfind(chr(10))}"

    def quoted(self, text: str) -> str:
        """A text between quotation marks of one kind or the other."""
        if "'" not in text and text.isprintable() and self.choose(["'", '"']) == "'":
            return f"'{text}'"
        special = {'"': '\\"', "\\": "\\\\"}
        return '"' + "".join(special.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'

    def name(self, name: str) -> str:
        """A key, in quotation marks where it needs them."""
        return (
            name if name and name.isascii() and name.replace("-", "").replace("_", "").isalnum() else self.quoted(name)
        )

    def value(self, value: Any, path: tuple[Any, ...]) -> None:
        """Write a value in one line, or an array in several."""
        self.values[path] = self.here()
        if isinstance(value, dict):
            self.text += "{"
            for index, (name, each) in enumerate(value.items()):
                self.text += ", " if index else ""
                self.keys[(*path, name)] = self.here()
                self.text += f"{self.name(name)} = "
                self.value(each, (*path, name))
            self.text += "}"
        elif isinstance(value, list):
            self.text += "["
            for index, each in enumerate(value):
                self.text += self.choose(["", " ", "\n  ", " # ], }\n"])
                self.value(each, (*path, index))
                self.text += self.choose([",", " ,"])
            self.text += "]"
        elif isinstance(value, str):
            long = (
                "\n" in value and self.choose([True, False]) and value.isascii() and value.replace("\n", "").isalnum()
            )
            self.text += f'"""\n{value}"""' if long else self.quoted(value)
        elif isinstance(value, bool):
            self.text += str(value).lower()
        elif isinstance(value, datetime):
            self.text += value.isoformat(self.choose(["T", " "]))
        else:
            self.text += value.isoformat() if isinstance(value, date) else str(value)

    def table(self, table: dict[str, Any], path: tuple[str, ...] = ()) -> None:
        """Write the entries of a table, then the tables in it with headers of their own."""
        later = []
        for name, value in table.items():
            if isinstance(value, dict) and self.choose([True, False]):
                later.append(name)
                continue
            self.keys[(*path, name)] = self.here()
            self.text += f"{self.name(name)} = "
            self.value(value, (*path, name))
            self.text += self.choose(["\n", " # c = 1\n", "\n\n", "\n \t"])
        for name in later:
            inner = (*path, name)
            self.values[inner] = self.here()
            self.text += "[" + "".join(f"{self.name(part)} . " for part in path)
            self.keys[inner] = self.here()
            self.text += f"{self.name(name)}]\n"
            self.table(table[name], inner)


@given(TABLES, st.data())
def test_every_key_and_value_is_found_where_it_was_written(table: dict[str, Any], data: st.DataObject) -> None:
    """However it is written: with headers or inline, quoted or bare, in one line or several."""
    writer = Writer(lambda ways: data.draw(st.sampled_from(ways)))
    writer.table(table)
    form = toml(writer.text)
    assert plain(form) == tomllib.loads(writer.text)
    keys: dict[tuple[Any, ...], str] = {}
    values: dict[tuple[Any, ...], str] = {}

    def look(form: Form, path: tuple[Any, ...]) -> None:
        if path:
            values[path] = at(form)
        for key, value in form.pairs if isinstance(form, Entries) else ():
            assert isinstance(key, Scalar)
            keys[(*path, key.value)] = at(key)
            look(value, (*path, key.value))
        for index, item in enumerate(form.items if isinstance(form, Items) else ()):
            look(item, (*path, index))

    look(form, ())
    assert keys == writer.keys
    assert values == writer.values
