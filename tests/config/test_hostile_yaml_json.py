"""Whatever text the readers of YAML and JSON are given, they give a form or a `BadFile`, soon."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring import BadFile
from mainspring.config import _json, _yaml
from mainspring.config._form import Entries, Form, Items, Limits, Scalar, Tag

Reader = Callable[[str, str, Limits], Form]
READERS: dict[str, Reader] = {
    "json": _json.read,
    "yaml-C": _yaml.read,
    "yaml-pure": partial(_yaml.read, pure=True),
}
YAML = ["yaml-C", "yaml-pure"]
SMALL = Limits(depth=20, items=500)

SAMPLES = [
    "a: &a {x: 1, y: [2, !env X]}\nb: {<<: *a, x: 3}\nc:\n  <<: [*a, *a]\n  'd': |-\n    text\n\n    more\n",
    "%YAML 1.2\n---\n!x:y &a\n- 'a b'\n- \"\\x41\\u00e9\\n \\\n  b\"\n- ? [k, *b ]\n  : >2+\n    z\n...\n",
    "- !!set {a, b}\n- !!binary aGVs\n- !!int '1'\n- ? a\n- &b\n- *b\n- [a: 1, ? b : 2, -1, 0x1F, .inf, ~]\n",
    '{"a": [1, -2.5e3, true, null, "x\\n\\u00e9"], "b": {"c": {}}, "d": []}\n',
]
PIECES = (
    *"abé😀01~:-?[]{}!&*'\"\\#%@`|>=,. \t\n\r\0\x85\ufeff\ud800\ufffe",
    *("!x ", "!!str ", "!!set ", "!!binary ", "!<", "&a ", "*a ", "<<: ", ": ", "- ", "? ", "\n  ", "\r\n", "\n---\n"),
    *(
        "\n...\n",
        "%YAML 1.2\n",
        "%TAG ! x\n",
        "|2-\n",
        ">+\n",
        " # c\n",
        "\\ud800",
        "\\U00110000",
        "\\UFFFFFFFF",
        "%41",
        "!a%C3",
    ),
    *("null", "NaN", "1e999", "0o8", "9" * 5000),
)


def error_of(reader: Reader, text: str, limits: Limits) -> BadFile | Form:
    """What is read, or the error."""
    try:
        return reader(text, "app", limits)
    except BadFile as error:
        return error


def outcome(reader: Reader, text: str, limits: Limits = SMALL) -> Form | None:
    """What is read; None where it is refused, with a place that is in the text or at its end."""
    found = error_of(reader, text, limits)
    if not isinstance(found, BadFile):
        return found
    (problem,) = found.problems
    assert problem.site is not None
    assert problem.site.file == "app"
    assert 1 <= problem.site.line <= 1 + text.count("\n") + text.count("\r")
    assert 1 <= problem.site.column <= len(text) + 1
    assert str(found)
    return None


def said(reader: Reader, text: str) -> str:
    """What the error says that the usual limits lead to; nothing where there is none."""
    found = error_of(reader, text, Limits())
    return str(found) if isinstance(found, BadFile) else ""


def shown(form: Form) -> object:
    """A form with all the places in it, to be compared."""
    if isinstance(form, Scalar):
        return form.site, repr(form.value)
    if isinstance(form, Items):
        return form.site, form.kind, [shown(item) for item in form.items]
    if isinstance(form, Tag):
        return form.site, form.name, shown(form.form)
    assert isinstance(form, Entries)
    return form.site, [(shown(key), shown(value)) for key, value in form.pairs]


def hostile(text: str) -> None:
    """Neither reader does anything but read or refuse, and the two parsers of YAML do not read different things."""
    outcome(READERS["json"], text)
    quick, pure = (outcome(READERS[name], text) for name in YAML)
    if pure is not None:  # the other way round there are texts that only the parser in C takes
        assert quick is not None
        assert shown(quick) == shown(pure)


changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(PIECES), st.integers(0, 3)), max_size=4)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Text of any characters, halves of characters included."""
    for reader in READERS.values():
        outcome(reader, text)


@given(st.lists(st.sampled_from(PIECES), max_size=15).map("".join))
def test_any_syntax_is_read_or_refused(text: str) -> None:
    """Whatever the two formats are made of, in any order."""
    for reader in READERS.values():
        outcome(reader, text)


@given(st.sampled_from(SAMPLES), changes)
def test_changed_files_are_read_or_refused(text: str, changes: list[tuple[float, str, int]]) -> None:
    """Valid files with a few things put in and left out; where both parsers of YAML read them, they read the same."""
    for where, piece, dropped in changes:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + dropped :]
    hostile(text)


@given(
    st.sampled_from(SAMPLES), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)
)
def test_changed_bytes_are_read_or_refused(text: str, changes: list[tuple[float, int]]) -> None:
    """Valid files with bytes changed, decoded in the most forgiving way."""
    content = bytearray(text.encode())
    for where, byte in changes:
        content[int(where * len(content))] = byte
    hostile(content.decode("utf-8", "surrogateescape"))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before} '] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("name", YAML)
@pytest.mark.parametrize(
    ("text", "what"),
    [
        (BOMB, "more than 1,000,000 values"),
        ("".join(f"{at}: &a{at} [{f'*a{at - 1} ' if at else '1'}]\n" for at in range(200)), "more than 100 levels"),
        (
            "".join(f"{at}: &a{at} {{<<: {f'*a{at - 1} ' if at else '{}'}, x{at}: 1}}\n" for at in range(2000)),
            "more than 100 levels",
        ),
        ("[" * 100_000, "more than 100 levels"),
        ("[\n" * 100_000, "more than 100 levels"),
        ("{a: " * 100_000, "more than 100 levels"),
        ("- " * 100_000, "more than 100 levels"),
        ("? " * 100_000, "more than 100 levels"),
        ("".join(f"{' ' * at}a:\n" for at in range(500)), "more than 100 levels"),
        ("!" + ":".join("a" * 100_000) + " x", "more than 100 levels"),
        ("[" + "1, " * 100_000 + "]", ""),
        ("a: " + "x " * 100_000, ""),
        ("a: '" + "x\n" * 10_000 + "'", ""),
        ("a: '" + "x " * 100_000, "has no end"),
        ('"' + "\\\\" * 50_000 + '"', ""),
        ("a:" + " " * 100_000 + "b", ""),
        ("a:" + "\n" * 50_000 + " b", ""),
        ("#" * 100_000, ""),
        ("&" + "a" * 100_000 + " x", ""),
        ("!" + "a" * 100_000 + " x", ""),
        ("9" * 100_000, "100,000 digits"),
        ("1." + "9" * 100_000 + "e", ""),
        ("0x" + "f" * 100_000, "100,002 digits"),
        ("a: &a {x: 1}\nb:\n  <<: [" + "*a , " * 10_000 + "]\n", ""),
        ("- &a x\n" * 5_000, ""),
        ("".join(f"- &a{at} x\n" for at in range(5_000)) + "- *b\n", "refers to nothing"),
    ],
)
def test_bombs_and_giants_are_read_or_refused_soon(name: str, text: str, what: str) -> None:
    """Aliases that multiply, nesting without end, single tokens of great length: no crash, and no long wait."""
    found = said(READERS[name], text)
    assert bool(found) is bool(what)
    assert what in found


@pytest.mark.parametrize("name", YAML)
def test_keys_that_hold_keys_are_counted_each_time(name: str) -> None:
    """A key that is a container is compared with its neighbours: what it holds counts again for every mapping around it."""
    text = "? " * 15 + "[" + "x, " * 100 + "]"
    assert outcome(READERS[name], text, Limits(items=2000)) is not None
    assert outcome(READERS[name], text, Limits(items=1000)) is None


@pytest.mark.parametrize("name", YAML)
def test_keys_too_deep_for_a_comparison_are_refused(name: str) -> None:
    """Where the limits allow more than Python's recursion does, a container nested that deep may still be no key."""
    text = "? " + "[" * 1500 + "]" * 1500
    with pytest.raises(BadFile, match="too deeply to be compared"):
        READERS[name](text + "\n? b", "app", Limits(depth=2000))
    assert outcome(READERS[name], "- " + "[" * 1500 + "]" * 1500, Limits(depth=2000)) is not None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 100_000, "more than 100 levels"),
        ('{"a":' * 100_000, "more than 100 levels"),
        ("[" + "1," * 600_000 + "1]", ""),
        ("[" + "1," * 1_000_000 + "1]", "more than 1,000,000 values"),
        ('"' + "x" * 1_000_000 + '"', ""),
        ('"' + "x" * 1_000_000, "no closing quotation mark"),
        ('"' + "\\n" * 500_000 + '"', ""),
        ('"' + "\\n" * 500_000, "no closing quotation mark"),
        ("9" * 1_000_000, "1,000,000 digits"),
        ("0." + "9" * 1_000_000, ""),
        ("0." + "9" * 1_000_000 + ".", "no number"),
        ("-" * 1_000_000, "A value is expected"),
        (" " * 1_000_000 + "1", ""),
        (" " * 1_000_000, "empty"),
        ("[1" + " " * 1_000_000, "not closed"),
        ("," * 1_000_000, "A value is expected"),
        ("\n" * 1_000_000 + "]", "A value is expected"),
        ("x" * 1_000_000, "no value of JSON"),
    ],
)
def test_giants_of_json_are_read_or_refused_soon(text: str, what: str) -> None:
    """Nesting without end and single tokens of great length: no crash, and no long wait."""
    found = said(_json.read, text)
    assert bool(found) is bool(what)
    assert what in found
    assert len(found) < 500
