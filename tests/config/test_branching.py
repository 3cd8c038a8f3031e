"""Tags that choose: profile, hostname, user, or, if, when. What is not chosen is never worked out."""

from __future__ import annotations

from typing import Any

import pytest

from mainspring import BadTag, DefinitionError, UnknownReference, config
from mainspring.config import tags

ENVIRON = {"PORT": "8080", "EMPTY": "", "ON": "true", "OFF": "no"}


def read(text: str, format: str = "yaml", **options: Any) -> Any:
    """What `a` is in a text."""
    options.setdefault("environ", ENVIRON)
    return config.read(config.text(text, format), **options)["a"]


def wrong(text: str, format: str = "yaml", **options: Any) -> str:
    """What is said about a text."""
    with pytest.raises(DefinitionError) as caught:
        read(text, format, **options)
    return str(caught.value)


# --- profile ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("edn", "{:a #profile {#{:dev :test} 1 :prod 2}}"),
        ("edn", "{:a #profile {[:dev :test] 1 :prod 2}}"),
        ("yaml", "a: !profile {[dev, test]: 1, prod: 2}"),
        ("yaml", "a: !profile {'dev, test': 1, prod: 2}"),
        ("yaml", "a: !profile\n  ? !!set {dev, test}\n  : 1\n  prod: 2\n"),
        ("json", '{"a": {"$profile": {"dev,test": 1, "prod": 2}}}'),
        ("toml", 'a = {"$profile" = {"dev , test" = 1, prod = 2}}'),
    ],
)
def test_one_entry_stands_for_several_profiles(format: str, text: str) -> None:
    """A set or list of names is a key; where there are none, names with commas are."""
    assert read(text, format, profile="dev") == 1
    assert read(text, format, profile="test") == 1
    assert read(text, format, profile="prod") == 2


def test_python_has_tuples_and_frozen_sets_for_keys() -> None:
    """In code, a key of several names is a tuple or a frozen set."""
    for key in (("dev", "test"), frozenset({"dev", "test"})):
        assert config.read({"a": tags.profile({key: 1, "prod": 2})}, profile="test") == {"a": 1}


def test_profiles_are_tried_in_order() -> None:
    """The first profile that has an entry counts, not the first entry; after all of them, the default."""
    text = "a: !profile {default: 0, dev: 1, local: 2}\nb: !profile {x: 1, default: 3}\nc: !profile {dev: 4}"
    assert read(text, profile=["local", "dev"]) == 2
    assert read(text, profile=["dev", "local"]) == 1
    assert read(text, profile="x, dev") == 1
    assert config.read(config.text(text, "yaml"), profile=("local", "dev"))["b"] == 3


def test_a_default_may_share_its_entry() -> None:
    """`default` stands among other names as well as alone."""
    assert read("a: !profile {prod: 1, 'dev, default': 2}") == 2
    assert read("{:a #profile {:prod 1 #{:dev :default} 2}}", "edn") == 2


def test_numbers_and_truth_values_are_names_as_they_are_spelled() -> None:
    """A key that YAML reads as a number or a truth value is the name that is written."""
    assert read("a: !profile {2: x, true: y}", profile="2") == "x"
    assert read("a: !profile {2: x, true: y}", profile="true") == "y"


def test_a_profile_without_an_entry_is_an_error_that_lists_those_there_are() -> None:
    """Which profile was looked for, what there is, and what to do."""
    told = wrong("a: !profile {dev: 1, 'test, prod': 2}\nb: !profile {x: 1, default: 1}", profile="x")
    assert "a: !profile: there is nothing for the profile x, and no default. There is: dev, prod, test." in told
    assert "<text>:1:4" in told
    assert "nothing for the profile y or x" in wrong("a: !profile {z: 1}\nb: !profile {x: 1, y: 1}", profile="y,x")


def test_no_profile_and_no_default_is_an_error() -> None:
    """Where nothing was chosen, only a default can be taken."""
    assert read("a: !profile {dev: 1, default: 2}") == 2
    told = wrong("a: !profile {dev: 1}")
    assert "no profile was chosen, and no default. There is: dev." in told
    assert "MAINSPRING_PROFILE" in told
    assert "There is: nothing." in wrong("a: !profile {}")
    assert "a mapping is needed here, and this is 5" in wrong("a: !profile 5")


def test_a_profile_may_choose_mappings_and_tags() -> None:
    """What is chosen may hold tags, and other profiles; a reference leads into it."""
    text = "a: !profile {dev: {x: !env PORT, y: !profile {dev: [1]}}, prod: !ref nothing}\nb: !ref a.y.0\n"
    assert config.read(config.text(text, "yaml"), profile="dev", environ=ENVIRON) == {
        "a": {"x": "8080", "y": [1]},
        "b": 1,
    }


def test_the_cases_may_be_written_elsewhere() -> None:
    """`!profile` in front of a reference takes the mapping that it leads to."""
    assert read("a: !profile:ref cases\ncases: {dev: 1, prod: 2}\nc: !profile {dev: 1}", profile="dev") == 1


# --- hostname, user ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["hostname", "user"])
def test_a_machine_or_a_user_is_chosen_by_name(tag: str) -> None:
    """Names, sets of names, a default; an error that lists them."""
    text = f"a: !{tag} {{[alpha, beta]: 1, gamma: 2, default: 3}}"
    assert [read(text, **{tag: name}) for name in ("alpha", "beta", "gamma", "delta")] == [1, 1, 2, 3]
    assert read(f"{{:a #{tag} {{#{{alpha beta}} 1}}}}", "edn", **{tag: "beta"}) == 1
    told = wrong(f"a: !{tag} {{alpha: 1}}", **{tag: "delta"})
    assert f"a: !{tag}: there is nothing for the {'machine' if tag == 'hostname' else 'user'} delta" in told
    assert "There is: alpha." in told


def test_the_operating_system_is_asked_for_the_machine_and_the_user() -> None:
    """Without options, the names are those of this machine and this user."""
    import getpass
    import socket

    given = {"a": tags.hostname({socket.gethostname(): 1}), "b": tags.user({getpass.getuser(): 2})}
    assert config.read(given) == {"a": 1, "b": 2}


# --- or ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[!env NO, !env PORT, 1]", "8080"),
        ("[null, 1]", 1),
        ("[false, 1]", False),
        ("[0, 1]", 0),
        ("['', 1]", ""),
        ("[!env EMPTY, 1]", ""),
        ("[[], 1]", []),
        ("[{}, 1]", {}),
        ("[!env NO, !int:env NO]", None),
        ("[]", None),
        ("[!or [!env NO], !or [null, 2]]", 2),
        ("[!ref n, 3]", 3),
        ("[!ref {path: no.where, optional: true}, 3]", 3),
        ("[!when [false, 1], 3]", 3),
        ("[!include {file: nothing.yaml, optional: true}, 3]", 3),
        ("[!ref m, 3]", {"x": 1}),
    ],
)
def test_or_takes_the_first_that_is_not_nothing(written: str, expected: Any) -> None:
    """Only `None` is passed over: false, zero and an empty text are values."""
    found = read(f"a: !or {written}\nn: null\nm: {{x: 1}}\n")
    assert found == expected
    assert type(found) is type(expected)


def test_or_does_not_hide_a_reference_to_nothing() -> None:
    """A misspelled reference is an error; on request it is a warning and nothing."""
    text = "a: !or [!ref db.prot, 1]\ndb: {port: 2}\n"
    with pytest.raises(UnknownReference, match=r"refers to db.prot, and db has no prot"):
        read(text)
    with pytest.warns(UserWarning, match=r"refers to db.prot, and db has no prot. It is None, <text>:1:9"):
        assert read(text, missing_refs="warn") == 1


# --- if, when ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("!if [true, 1, 2]", 1),
        ("!if [!env ON, 1, 2]", 1),
        ("!if [!env OFF, 1, 2]", 2),
        ("!if [!env NO, 1, 2]", 2),
        ("!if [0, 1]", None),
        ("!if {if: 1, then: x, else: y}", "x"),
        ("!if {else: y, then: x, if: false}", "y"),
        ("!if {if: false, then: x}", None),
        ("!if [!ref flag, !ref b, 2]", 5),
    ],
)
def test_if_takes_one_of_two(written: str, expected: Any) -> None:
    """A condition is true or false in any of its spellings; nothing is false."""
    assert read(f"a: {written}\nb: 5\nflag: 'yes'\n") == expected


def test_when_leaves_out_entries_and_items() -> None:
    """Where the condition does not hold, there is no entry, no item, no member of a set."""
    text = "{:a {:x #when [false 1] :y #when [true 2] :l [1 #when [false 2] 3] :d {:e #when [#env NO 1]}}}"
    assert read(text, "edn") == {"y": 2, "l": [1, 3], "d": {}}
    assert read("{:a #{1 #when [false 2]}}", "edn") == {1}
    assert read("a: {x: !when {when: false, then: 1}, y: !if [true, !when [false, 1]]}") == {}


def test_what_was_left_out_cannot_be_referred_to() -> None:
    """A reference to it is one to nothing, and it is not among what there is."""
    with pytest.raises(UnknownReference) as caught:
        read("a: !ref b.x\nb: {x: !when [false, 1], y: 2}\n")
    assert "There is: y." in str(caught.value)
    assert read("a: !ref {path: b.x, optional: true}\nb: {x: !when [false, 1]}\n") is None


def test_a_file_that_is_left_out_is_nothing() -> None:
    """A `when` at the top gives nothing at all."""
    assert config.read(config.text("!when [false, 1]", "yaml")) is None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("!if [maybe, 1]", "a.0: !if: a condition is true or false, and this is 'maybe'."),
        ("!if [[1], 1]", "a.0: !if: a condition is true or false, and this is a list."),
        ("!if [true]", "a: !if: it takes a condition, a value, and perhaps another value; here are 1."),
        ("!if {then: 1}", "a: !if: it has no if."),
        ("!if {if: 1, them: 1}", "a: !if: it has the part 'them', which !if does not know."),
        ("!when [true]", "a: !when: it takes a condition and a value; here are 1."),
        ("!when {when: true}", "a: !when: it has no then."),
    ],
)
def test_a_condition_that_is_none_is_an_error(written: str, said: str) -> None:
    """What is wrong, and where."""
    assert said in wrong(f"a: {written}\n")


# --- What is not chosen -----------------------------------------------------------------------------------------------

BROKEN = (
    "!template '${NO}'",
    "!include nothing.yaml",
    "!nope 1",
    "!ref no.where",
    "!int x",
    "!branching.boom 1",
    "!var no",
)


@config.tag("branching.boom")
def boom(given: Any) -> Any:
    """Fail."""
    raise RuntimeError("it was worked out")


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize(
    "written",
    [
        "!profile {{dev: 1, prod: {0}}}",
        "!profile {{dev: 1, prod: [{0}], default: {{x: {0}}}}}",
        "!hostname {{alpha: 1, default: {0}}}",
        "!user {{ada: 1, default: {0}}}",
        "!or [!env NO, 1, {0}]",
        "!if [true, 1, {0}]",
        "!if {{if: false, then: {0}, else: 1}}",
        "!or [!when [false, {0}], 1]",
    ],
)
def test_what_is_not_chosen_is_never_worked_out(written: str, broken: str) -> None:
    """It may be anything at all: it is not looked at."""
    text = f"a: {written.format(broken)}\np: !profile {{dev: 1}}\n"
    assert read(text, profile="dev", hostname="alpha", user="ada") == 1


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_chosen_is_worked_out(broken: str) -> None:
    """The same, chosen, is an error with its place."""
    assert "<text>:1:" in wrong(f"a: !or [null, {broken}]")


def test_a_reference_into_one_branch_works_out_that_one_only() -> None:
    """A reference reaches into a mapping without working out what stands beside."""
    with pytest.raises(BadTag) as caught:
        read("a: !ref b.x.y\nb: {x: {y: 1, z: !nope 1}}\n")
    assert len(caught.value.problems) == 1
    assert read("a: !or [!ref b.x.y, 2]\nb: !profile {dev: {x: {y: 1}}, prod: !nope 1}\n", profile="dev") == 1
