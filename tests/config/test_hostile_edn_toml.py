"""Whatever is in a file of EDN or TOML: it is read, or refused with a place, and soon."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainspring import BadFile
from mainspring.config import _edn, _toml
from mainspring.config._form import Entries, Form, Items, Limits, Scalar, Tag

READERS = {"edn": _edn.read, "toml": _toml.read}
Reader = Callable[[str, str, Limits], Form]

EDN = """; the settings
#:app{:name "mail\\n\\u00e9" :port #long #or [#env PORT 8080]
 :ratio 1/2 :exact 1.50M :big 12N :inf ##-Inf :char \\newline :of #{1 2.5e3 "x"} ; sets
 #_ #_ :old (1 2) :db/url #profile {:dev nil, :prod #env "URL", :default true} sym/bol [a b]}
"""
TOML = """# the settings
title = "mail\\n\\u00e9" # name
"a b".'c' = 1_000
[db.pool]
config = { size = 10, dsn = {"$ref" = "env.url"}, names = ["a", 'b',] } # one
when = 1979-05-27 07:32:00Z
[[hosts]]
text = \"\"\"
[x]
"\"\"\"
list = [ 1, # ]
  [2.5, inf], 0xFF ]
[[hosts]]
[hosts.more]
raw = '''a = '''
"""
SAMPLES = {"edn": EDN, "toml": TOML}


def check(reader: Reader, text: str, limits: Limits = Limits()) -> Form | None:  # noqa: B008
    """Read a text; every form has a place within it, and so has what is wrong with it."""
    lines = text.removeprefix("\ufeff").split("\n")

    def within(site: Any) -> None:
        assert site is not None
        assert 1 <= site.line <= len(lines)
        assert 1 <= site.column <= len(lines[site.line - 1]) + 1

    try:
        form = reader(text, "a", limits)
    except BadFile as error:
        for problem in error.problems:
            within(problem.site)
        str(error).encode()
        return None
    open_: list[Any] = [form]
    while open_:
        each = open_.pop()
        within(each.site)
        if isinstance(each, Scalar):
            str(each.value).encode()
        elif isinstance(each, Tag):
            open_.append(each.form)
        elif isinstance(each, Items):
            open_ += each.items
        else:
            assert isinstance(each, Entries)
            for pair in each.pairs:
                open_ += pair
    return form


@pytest.mark.parametrize("format", READERS)
def test_the_samples_are_read(format: str) -> None:
    """What is mutated below is well-formed before."""
    assert check(READERS[format], SAMPLES[format]) is not None


# --- Any text at all --------------------------------------------------------------------------------------------------

PIECES = {
    "edn": [
        *"{}[]()\"\\#:;,/^'@`~+-.0129eENM_ \n\r\tab\x00\u00e9\ud800\U0001f600",
        *("#_", "#{", "##", "#:a{", "#::", "#?(", "nil", "1/", "0x", "\\u00", "\\ud83d", "#a ", ":a ", "1e9", "##NaN"),
    ],
    "toml": [
        *"[]{}\"'\\#=.,:+-_0129eTZ \n\r\tab\x00\u00e9\ud800\U0001f600",
        *(
            '"""',
            "'''",
            "a = ",
            "a.b = ",
            "[a]\n",
            "[[a]]\n",
            "[a.b]\n",
            "{a = 1}",
            "1979-05-27",
            " 07:32",
            "0x",
            "inf",
            "\r\n",
        ),
    ],
}


def texts(format: str) -> st.SearchStrategy[str]:
    """Texts of the pieces of a format, and any others."""
    return st.lists(st.sampled_from(PIECES[format]), max_size=30).map("".join) | st.text(st.characters(), max_size=20)


@st.composite
def mutated(draw: st.DrawFn, format: str) -> str:
    """The sample of a format, with a few places of it replaced, removed, doubled or cut off."""
    text = SAMPLES[format]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        new = draw(st.sampled_from(PIECES[format]) | st.just(text[start:end] * 2) | st.just(""))
        text = text[:start] + new + (text[end:] if draw(st.integers(0, 9)) else "")
    return text


@given(texts("edn") | mutated("edn"))
@example("\ufeff\ufeff")
@example("#:a\n\n")
def test_no_text_breaks_the_reader_of_edn(text: str) -> None:
    """It is read, or it is a `BadFile` with a place within the text."""
    check(_edn.read, text)


@given(texts("toml") | mutated("toml"))
@example("a = 1\na = 2")
@example("\r")
def test_no_text_breaks_the_reader_of_toml(text: str) -> None:
    """It is read, or it is a `BadFile` with a place within the text."""
    check(_toml.read, text)


@given(texts("toml") | mutated("toml"))
def test_the_reader_of_toml_takes_what_the_standard_library_takes(text: str) -> None:
    """Apart from what is no Unicode, and from a mark at the start."""
    expected = None
    with contextlib.suppress(tomllib.TOMLDecodeError):
        expected = tomllib.loads(text)
    if any("\ud800" <= char <= "\udfff" for char in text) or text.startswith("\ufeff"):
        return
    assert (check(_toml.read, text) is not None) == (expected is not None)


@given(texts("toml") | mutated("toml"))
def test_the_scan_of_toml_finds_all_that_there_is(text: str) -> None:
    """For a text that is TOML no place is missing, and none is of something else: keys and lengths agree."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    text = text.replace("\r\n", "\n")
    scan = _toml._Scan(text, _toml._Places(text, "a"), Limits())
    scan.run()

    def agree(value: Any, spot: _toml._Spot) -> None:
        if isinstance(value, dict):
            assert spot.names is not None
            assert value.keys() == spot.names.keys()
            for name, each in value.items():
                agree(each, spot.names[name])
        elif isinstance(value, list):
            assert spot.items is not None
            assert len(value) == len(spot.items)
            for each, inner in zip(value, spot.items, strict=True):
                agree(each, inner)

    agree(data, scan.root)


# --- Much of one thing ------------------------------------------------------------------------------------------------

MUCH = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * MUCH,
        "[" * MUCH + "]" * MUCH,
        "{:a " * MUCH,
        "#{" * MUCH,
        "#a " * MUCH,
        "#:a{:b " * MUCH,
        "#_ " * MUCH + "1 " * MUCH,
        "]" * MUCH,
    ],
)
def test_edn_of_any_depth_is_refused_for_its_depth_or_its_brackets(text: str) -> None:
    """With the limits as they are, and with much higher ones: no depth is a matter of Python's stack."""
    assert check(_edn.read, text) is None
    with contextlib.suppress(BadFile):
        _edn.read(text, "a", Limits(depth=10 * MUCH))


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * MUCH,
        "a = " + "[" * MUCH + "]" * MUCH,
        "a = " + "{a = " * MUCH,
        "a = " + "{a = " * MUCH + "1" + "}" * MUCH,
        "a = " + "[{a = " * MUCH,
        ".".join("a" * MUCH) + " = 1",
        "[" + ".".join("a" * MUCH) + "]",
        "[[" + " . ".join(["'a'"] * MUCH) + "]]",
        "[" * MUCH,
        "a = {" + ".".join("a" * MUCH) + " = 1}",
        "[a]\n" * 10 + "[[" + ".".join("a" * 90) + "]]\n" * 2,
    ],
)
def test_toml_of_any_depth_is_refused_for_its_depth(text: str) -> None:
    """The parser of the standard library would follow some of it into the end of its stack, or for hours."""
    assert check(_toml.read, text) is None


def test_where_the_parser_of_toml_cannot_follow_it_says_so() -> None:
    """With higher limits the depth that it follows is the last one."""
    with pytest.raises(BadFile, match="more deeply than Python's own reader"):
        _toml.read("a = " + "[" * MUCH + "]" * MUCH, "a", Limits(depth=10 * MUCH))


@pytest.mark.parametrize("format", READERS)
@pytest.mark.parametrize(
    "piece",
    [
        *" ,;\"'\\#:/.+-0a[]{}()^=_\n\r\t\x00\u00e9",
        '\\"',
        '""',
        "''",
        "#_",
        "##",
        "#:",
        "\\u",
        "1e",
        "a=",
        "a.",
        "0_",
        "# \n",
        "::",
    ],
)
def test_a_long_run_of_one_thing_takes_no_longer_than_it_is(format: str, piece: str) -> None:
    """Alone, in a text, after a name and in a map: it would never end if all of it were looked at again for each of it."""
    for before, after in [
        ("", ""),
        ('"', ""),
        ('"', '"'),
        ("a", ""),
        ("{:a ", "}"),
        (":", " x"),
        ("a = ", ""),
        ("a = [", "]"),
        ("#", ""),
    ]:
        check(READERS[format], before + piece * (MUCH // 2) + after)


@pytest.mark.parametrize(
    "text",
    [
        "9" * 1_000_000,
        "-" + "9" * 1_000_000 + "N",
        "1/" + "9" * 1_000_000,
        "1e" + "9" * 1_000_000,
        "1e" + "9" * 1_000_000 + "M",
        "9" * 1_000_000 + "M",
        "1." + "9" * 1_000_000 + "M",
        "0." + "9" * 1_000_000,
        '"' + "\\u00e9" * MUCH + '"',
        ":" + "a" * 1_000_000,
        "#" + "a" * 1_000_000 + " 1",
        "[" + "1 " * MUCH + "]",
        "{" + "".join(f":a{n} 1 " for n in range(MUCH)) + "}",
    ],
)
def test_long_tokens_of_edn_are_read_or_refused(text: str) -> None:
    """Numbers of any length, names and texts."""
    check(_edn.read, text)


@pytest.mark.parametrize(
    "value",
    [
        "9" * 1_000_000,
        "0x" + "f" * 1_000_000,
        "1e" + "9" * 1_000_000,
        "0." + "9" * 1_000_000,
        '"' + "\\u00e9" * MUCH + '"',
    ],
)
def test_long_tokens_of_toml_are_read_or_refused(value: str) -> None:
    """Numbers of any length, and texts; nothing is read that could not be written again."""
    check(_toml.read, f"a = {value}")
    check(_toml.read, f"a = [1, {value}]")


@pytest.mark.parametrize("format", READERS)
def test_more_values_than_are_allowed_are_refused(format: str) -> None:
    """Before anything is made of them."""
    text = {"edn": "[" + "1 " * 1000 + "]", "toml": "a = [" + "1," * 1000 + "]"}[format]
    assert check(READERS[format], text, Limits(items=500)) is None
