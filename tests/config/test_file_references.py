"""References within what is read: to values at a path, through one another, and in loops."""

from __future__ import annotations

from typing import Any

import pytest

from mainspring import BadTag, CycleError, DefinitionError, UnknownReference, config
from mainspring.config import tags
from mainspring.config._tags import REGISTRY


def read(text: str, format: str = "yaml", **options: Any) -> Any:
    """What a text says."""
    return config.read(config.text(text, format), **options)


def wrong(text: str, format: str = "yaml", **options: Any) -> DefinitionError:
    """What is wrong with a text."""
    with pytest.raises(DefinitionError) as caught:
        read(text, format, **options)
    return caught.value


DATA = "b: {c: [10, {d: deep}], 'x.y': quoted, 5: five, true: yes, null: no, 2.5: half}\nkey: c\n'g/n': {v: 1}\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("!ref b.c.0", 10),
        ("!ref b.c.-1.d", "deep"),
        ("!ref [b, c, 1, d]", "deep"),
        ("!ref [b, c, '1', d]", "deep"),
        ("!ref {path: [b, c, 0]}", 10),
        ("!ref {path: b.c.0, optional: true}", 10),
        ("!ref 'b.\"x.y\"'", "quoted"),
        ("!ref [b, x.y]", "quoted"),
        ("!ref b.5", "five"),
        ("!ref [b, 5]", "five"),
        ("!ref b.true", "yes"),
        ("!ref b.null", "no"),
        ("!ref [b, '2.5']", "half"),
        ("!ref [b, !ref key, 0]", 10),
        ("!ref [b, !join [c], !int '0']", 10),
        ("!ref:join [b, '.c', '.0']", 10),
        ("!ref [!ref key2, c, 0]", 10),
        ("!ref b/5", "five"),
        ("!ref g/n", {"v": 1}),
        ("!ref [g/n, v]", 1),
        ("!value b.c.0", 10),
        ("!value {path: b.nothing, optional: true}", None),
        ("!ref {path: nothing, optional: true}", None),
        ("!ref {path: b.c.7, optional: yes}", None),
    ],
)
def test_a_reference_leads_to_a_value(written: str, expected: Any) -> None:
    """By names, positions, keys that are no text, keywords; the path may be worked out by tags."""
    given = f"a: {written}\nkey2: b\n{DATA}"
    assert read(given)["a"] == expected


def test_references_of_edn() -> None:
    """Vectors of keywords, as Aero has them, and qualified keywords, as Integrant has them."""
    text = "{:a #ref [:b :c 0] :b {:c [1]} :d #ig/ref :e/f :e/f {:g 2} :h #ref [:e/f :g]}"
    assert read(text, "edn") == {"a": 1, "b": {"c": [1]}, "d": {"g": 2}, "e/f": {"g": 2}, "h": 2}


def test_references_stand_anywhere() -> None:
    """In lists, sets, keys and the arguments of tags; a mapping that is referred to comes with all that is in it."""
    text = "{:v {:k #{#ref v2 2} :l [#ref v2] #ref v2 3} :v2 1 :w #join [#ref v2 #ref v.l.0] :x #ref v}"
    v = {"k": {1, 2}, "l": [1], 1: 3}
    assert read(text, "edn") == {"v": v, "v2": 1, "w": "11", "x": v}


def test_references_lead_through_references() -> None:
    """To one, and through one in the middle of a path."""
    assert read("a: !ref b\nb: !ref c\nc: 1\n") == {"a": 1, "b": 1, "c": 1}
    assert read("a: !ref b.x.0\nb: !ref c\nc: {x: !ref d}\nd: [7]\n")["a"] == 7
    assert read("a: !ref b.x\nb: !profile {default: !merge [!ref c, {y: 2}]}\nc: {x: 1}\n")["a"] == 1


def test_what_is_referred_to_twice_is_not_shared() -> None:
    """Each reference gets data of its own, so that changing one changes no other."""
    found = read("a: !ref c\nb: !ref c\nc: [1]\n")
    found["a"].append(2)
    assert found == {"a": [1, 2], "b": [1], "c": [1]}


def test_a_local_reference_starts_in_its_own_group() -> None:
    """The first key of its place is put before its path."""
    assert read("g: {x: !local_ref y, y: 1, z: [{w: !local_ref y}]}\ny: 2\n") == {
        "g": {"x": 1, "y": 1, "z": [{"w": 1}]},
        "y": 2,
    }
    assert read('{"g": {"x": {"$local_ref": ["y", 0]}, "y": [1]}}', "json")["g"]["x"] == 1


def test_the_functions_of_python_take_parts() -> None:
    """Several parts are a path of parts; one is a path that is taken apart."""
    given = {"b": {"c": [{"d.e": 1}]}, "a": tags.ref("b", "c", 0, "d.e"), "f": tags.ref("b.c.0")}
    assert config.read(given) == {"b": {"c": [{"d.e": 1}]}, "a": 1, "f": {"d.e": 1}}
    assert config.read({"a": tags.ref("x", "y", optional=True), "b": tags.value("x", optional=True)}) == {
        "a": None,
        "b": None,
    }


def test_a_value_is_not_a_reference_of_the_system() -> None:
    """`value` puts into a system what is written; `ref` puts a reference."""
    from mainspring import System, ref

    given = config.text("env: {a: 1, b: !value env.a, c: !ref env.a}", "yaml")
    assert config.load(given) == System({"env": {"a": 1, "b": 1, "c": ref("env.a")}})


def test_references_reach_into_objects_of_python() -> None:
    """By item and by attribute; not into what begins with an underscore, nor into text."""

    class Settings:
        port = 80
        hosts = ("x", "y")
        _hidden = 1

    assert config.read({"a": tags.ref("b.port"), "c": tags.ref("b.hosts.1"), "b": Settings()})["c"] == "y"
    for path in ("b._hidden", "b.__class__", "b.nothing", "t.0", "t.upper"):
        with pytest.raises(UnknownReference):
            config.read({"a": tags.ref(path), "b": Settings(), "t": "text"})


# --- To nothing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said", "hint"),
    [
        ("!ref nothing", "refers to nothing, and there is no nothing.", "There is: a, b, key, g/n."),
        ("!ref kye", "refers to kye, and there is no kye.", "Did you mean key?"),
        ("!ref b.d", "refers to b.d, and b has no d.", ""),
        ("!ref b.c.2", "refers to b.c.2, and b.c has no 2.", "There is: 0, 1."),
        ("!ref b.c.-3", "refers to b.c.-3, and b.c has no -3.", ""),
        ("!ref b.c.--1", "refers to b.c.--1, and b.c has no --1.", ""),
        ("!ref b.c.\u0661", "refers to b.c.\u0661, and b.c has no \u0661.", ""),
        ("!ref b.c.1.d.e", "refers to b.c.1.d.e, and b.c.1.d has no e.", ""),
        ("!value b.d", "refers to b.d, and b has no d.", ""),
        ("!ref [b, 6]", "refers to b.6, and b has no 6.", ""),
    ],
)
def test_a_reference_to_nothing_is_an_error_with_near_names(written: str, said: str, hint: str) -> None:
    """How far the path leads, what is there, and where the reference is written."""
    error = wrong(f"a: {written}\n{DATA}")
    assert isinstance(error, UnknownReference)
    assert f"a: {said}" in str(error)
    assert hint in str(error)
    assert "<text>:1:" in str(error)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("!ref 5", "a: !ref: a path is needed, and this is 5"),
        ("!ref", "a: !ref: a path is needed, and this is nothing"),
        ("!ref ''", "the path '' cannot be read: it is empty"),
        ("!ref a..b", "the path 'a..b' cannot be read: it has an empty part"),
        ("!ref 'a.\"b'", "cannot be read: a quotation mark is not closed"),
        ("!ref []", "a: !ref: it has no path"),
        ("!ref [b, null]", "a part of a path is text or a number, and this is nothing"),
        ("!ref [b, true]", "a part of a path is text or a number, and this is True"),
        ("!ref [b, [c]]", "a part of a path is text or a number, and this is a list"),
        ("!ref {optional: true}", "it has no path"),
        ("!ref {path: b, optinal: true}", "Did you mean optional?"),
        ("!tagged slow", "components with a tag are known when the system is built"),
    ],
)
def test_a_path_that_is_none_is_an_error(written: str, said: str) -> None:
    """What is needed, and what there is."""
    error = wrong(f"a: {written}\nb: 1\n")
    assert isinstance(error, BadTag)
    assert said in str(error)
    assert "<text>:1:" in str(error)


def test_a_reference_to_nothing_is_a_warning_on_request() -> None:
    """The value is `None`, and the warning says path and place, as Aero does."""
    with pytest.warns(UserWarning, match=r"^a refers to b.x, and b has no x. It is None, <text>:1:4.$"):
        assert read("a: !ref b.x\nb: {}\n", missing_refs="warn") == {"a": None, "b": {}}
    with pytest.raises(ValueError, match=r"missing_refs must be error or warn, not 'ignore'"):
        read("a: 1", missing_refs="ignore")


def test_all_references_to_nothing_are_told() -> None:
    """However many there are; near names for the first hundred."""
    error = wrong("".join(f"a{n}: !ref b{n}\n" for n in range(300)))
    assert len(error.problems) == 300
    assert error.problems[0].hint
    assert not error.problems[299].hint


# --- Loops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a: !ref a", ("a",)),
        ("a: !ref b\nb: !ref a", ("a", "b")),
        ("a: !ref b\nb: !ref c\nc: !ref b", ("b", "c")),
        ("a: !join [x, !ref b]\nb: !str [!ref a]", ("a", "b")),
        ("a: {x: !ref a}", ("a", "a.x")),
        ("a: {x: !value a}", ("a.x",)),
        ("a: {x: !ref b.y}\nb: {y: !ref a.x}", ("a.x", "b.y")),
        ("a: !ref a.b", ("a",)),
        ("a: !ref b.x\nb: !ref c.y\nc: {y: !ref a}", ("a", "b", "c.y")),
        ("a: !local_ref b", ("a",)),
        ("a: [!merge [!ref a.0, {x: 1}]]", ("a.0",)),
        ("a: !include [!ref a]", None),
        ("a: !or [!ref b]\nb: !if [!ref a, 1]", None),
        ("a: !profile {default: !ref b}\nb: !ref a", None),
        ("? !ref a\n: 1\n", None),
        ("a: {x: !merge [!ref a, {x: {y: 1}}]}", None),
        ("{:a #{#ref a}}", None),
    ],
)
def test_a_loop_is_an_error_that_draws_it(text: str, names: tuple[str, ...] | None) -> None:
    """Each link has its name and its place, and a loop is told once."""
    error = wrong(text, "edn" if text.startswith("{:") else "yaml")
    assert isinstance(error, CycleError)
    assert "refers to itself" in str(error)
    assert "(again)" in str(error)
    if names is not None:
        assert len(error.problems) == 1
        assert set(error.problems[0].details["cycle"]) == set(names)


def test_a_loop_is_drawn_with_places_in_the_plain_form_too() -> None:
    """File, line and column of each link."""
    text = str(wrong('{"a": {"$ref": "b"},\n "b": {"$ref": "a"}}', "json"))
    assert "┌─> a  !ref, <text>:1:7" in text
    assert "│   b  !ref, <text>:2:7" in text
    assert "└── a  (again)" in text


def test_loops_that_have_nothing_in_common_are_told_each() -> None:
    """Two loops, two problems; what leads into one is no third."""
    error = wrong("a: !ref b\nb: !ref a\nc: !ref d\nd: !ref c\ne: !ref a\n")
    assert [sorted(problem.details["cycle"]) for problem in error.problems] == [["a", "b"], ["c", "d"]]


def test_a_group_may_refer_to_what_is_around_without_a_loop() -> None:
    """A part may refer to another part of the same mapping."""
    assert read("a: {x: !ref a.y, y: !ref a.z.0, z: [1]}\n") == {"a": {"x": 1, "y": 1, "z": [1]}}


def test_each_value_is_worked_out_once() -> None:
    """However many references lead to it."""
    calls: list[Any] = []

    def count(value: Any) -> Any:
        calls.append(value)
        return value

    config.tag("references.count")(count)
    try:
        text = (
            "a: !references.count {x: 1}\nb: [!ref a, !ref a.x, !value a, !or [!ref a]]\nc: !merge [!ref a, {y: 2}]\n"
        )
        one = config.Settings(config.text(text, "yaml"))
        assert one.data()["c"] == {"x": 1, "y": 2}
        assert one.data() == one.data()
        assert calls == [{"x": 1}]
    finally:
        del REGISTRY["references.count"]
