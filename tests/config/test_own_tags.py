"""Tags of one's own: eager, lazy, branching, deferred; and what they raise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mainspring import BadTag, CycleError, DefinitionError, Problem, Secret, config
from mainspring.config import tags
from mainspring.config._tags import REGISTRY


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What a test makes a tag is none for the next."""
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def read(text: str, **options: Any) -> Any:
    """What a text of YAML says."""
    return config.read(config.text(text, "yaml"), **options)


def wrong(text: str, **options: Any) -> DefinitionError:
    """What is wrong with a text of YAML."""
    with pytest.raises(DefinitionError) as caught:
        read(text, **options)
    return caught.value


# --- Names ------------------------------------------------------------------------------------------------------------


def test_a_function_becomes_a_tag_and_stays_a_function() -> None:
    """With a name, or with its own."""

    @config.tag("own/shout")
    def shout(text: str) -> str:
        return text.upper()

    @config.tag
    def whisper(text: str) -> str:
        return text.lower()

    assert shout("x") == "X"
    assert read("a: !own/shout x\nb: !whisper [!own/shout y]\n".replace("[!own/shout y]", "Y")) == {"a": "X", "b": "y"}
    assert config.read(config.text('{:a #own/shout "x"}', "edn")) == {"a": "X"}
    assert config.read({"a": tags.make("whisper", "X")}) == {"a": "x"}
    assert config.read(config.text('{"a": {"$own/shout": "x"}}', "json")) == {"a": "X"}


@pytest.mark.parametrize("name", ["", "1a", "a b", "-a", "a:b", "a\n", "!a", "$a", "_a", "a,b"])
def test_a_name_that_cannot_be_one_is_an_error(name: str) -> None:
    """It begins with a letter, and has no spaces in it."""
    with pytest.raises(ValueError, match="cannot be the name of a tag"):
        config.tag(name)(lambda value: value)


@pytest.mark.parametrize("name", ["env", "ref", "long", "ig/ref"])
def test_a_tag_of_ours_cannot_be_made_anew(name: str) -> None:
    """Neither by its name nor by that of an alias."""
    with pytest.raises(ValueError, match=f"there is a tag {name} already"):
        config.tag(name)(lambda value: value)


def test_two_tags_of_one_name_are_an_error() -> None:
    """Unless it is the same function of a module that was loaded again."""

    def make(value: int) -> Any:
        def function(given: Any) -> Any:
            return value

        return function

    def other(given: Any) -> Any:
        return given

    config.tag("own.twice")(make(1))
    config.tag("own.twice")(make(2))
    assert read("a: !own.twice x") == {"a": 2}
    with pytest.raises(ValueError, match=r"there is a tag own.twice already. Choose another name"):
        config.tag("own.twice")(other)


def test_a_tag_with_hyphens_is_one_with_underscores() -> None:
    """EDN writes `#my-tag` for a function `my_tag`."""

    @config.tag
    def my_tag(value: Any) -> Any:
        return [value]

    assert config.read(config.text("{:a #my-tag 1 :b #my_tag 2}", "edn")) == {"a": [1], "b": [2]}


# --- What it gets and gives -------------------------------------------------------------------------------------------


def test_an_eager_tag_gets_the_value() -> None:
    """Worked out in full: tags, references, mappings."""
    seen = []

    @config.tag("own.see")
    def _(value: Any) -> Any:
        seen.append(value)

    assert (
        read("a: !own.see {x: !env PORT, y: [!ref b], z: !secret s}\nb: {c: 1}\n", environ={"PORT": "1"})["a"] is None
    )
    assert seen == [{"x": "1", "y": [{"c": 1}], "z": "s"}]


@pytest.mark.parametrize("given", [{"x": [1, {"y": 2}]}, [1, [2]], (1, 2), {1, 2}, None, "text", 1.5, b"x", {}, []])
def test_a_tag_may_give_any_data(given: Any) -> None:
    """It is data, of the same kind."""
    config.tag("own.give")(lambda _: given)
    found = read("a: !own.give")["a"]
    assert found == given
    assert type(found) is type(given)


def test_what_a_tag_gives_is_not_shared() -> None:
    """A mapping that is given each time is not changed by who reads it."""
    data = {"x": [1]}
    config.tag("own.same")(lambda _: data)
    read("a: !own.same")["a"]["x"].append(2)
    assert data == {"x": [1]}


def test_keys_with_a_dollar_in_what_a_tag_gives_are_keys() -> None:
    """Data is never read as tags."""
    config.tag("own.dollar")(lambda _: {"$env": "PASSWORD"})
    assert read("a: !own.dollar\nb: !ref a\nc: !merge [!ref a, {x: 1}]\n", environ={"PASSWORD": "hunter2"}) == {
        "a": {"$env": "PASSWORD"},
        "b": {"$env": "PASSWORD"},
        "c": {"$env": "PASSWORD", "x": 1},
    }


def test_a_tag_may_give_tags() -> None:
    """Made by the functions of `config.tags`, alone or within data; they refer to the file that the tag is in."""

    @config.tag("own.service")
    def _(name: str) -> Any:
        return {"name": name, "port": tags.int_(tags.env(f"{name}_PORT")), "host": tags.ref("host")}

    @config.tag("own.variable")
    def _(name: str) -> Any:
        return tags.or_(tags.env(name), "none")

    found = read(
        "a: !own.service WEB\nb: !own.variable WEB_PORT\nc: !own.variable X\nhost: h\n", environ={"WEB_PORT": "80"}
    )
    assert found == {"a": {"name": "WEB", "port": 80, "host": "h"}, "b": "80", "c": "none", "host": "h"}


def test_an_object_is_given_as_it_is() -> None:
    """What is no data is not looked into."""
    thing = object()
    config.tag("own.thing")(lambda _: thing)
    assert read("a: [!own.thing x]")["a"][0] is thing


# --- Lazy tags --------------------------------------------------------------------------------------------------------


def test_a_lazy_tag_branches() -> None:
    """It gets what is written, and what it does not return is never worked out."""

    @config.tag("own.pick", lazy=True)
    def _(node: config.Node) -> Any:
        wanted = node.environ["PICK"]
        return next(one for key, one in node.entries() if key == wanted)

    @config.tag("own.first", lazy=True)
    def _(node: config.Node) -> Any:
        return node.items()[0]

    environ = {"PICK": "b"}
    text = "x: !own.pick {a: !include no.yaml, b: {y: !env PICK}}\nz: !own.first [!ref x.y, !nope 1]\n"
    assert read(text, environ=environ) == {"x": {"y": "b"}, "z": "b"}


def test_a_node_tells_about_itself() -> None:
    """Its place in the tree and in the file, the profiles, the environment, what it is."""
    told = []

    @config.tag("own.look", lazy=True)
    def _(node: config.Node) -> Any:
        told.append((node.path, str(node.site), node.profiles, node.environ["X"], node.is_mapping, node.is_list))
        return node.value()

    assert read("a:\n- !own.look {x: !profile {dev: 1}}\n", profile="dev", environ={"X": "x"}) == {"a": [{"x": 1}]}
    assert told == [(("a", 0), "<text>:2:3", ("dev",), "x", True, False)]


def test_a_lazy_tag_says_what_is_wrong() -> None:
    """`wrong` makes an error with the name of the tag and the place."""

    @config.tag("own.even", lazy=True)
    def _(node: config.Node) -> Any:
        value = node.value()
        if value % 2:
            raise node.wrong(f"{value} is odd", "Take the next.", value=value)
        return value

    error = wrong("a: !own.even 3\nb: !own.even 2\nc: !own.even [1]\n".replace("[1]", "5"))
    first, second = error.problems
    assert str(first) == "a: !own.even: 3 is odd.\n   at: <text>:1:4\n   do: Take the next."
    assert first.details == {"tag": "own.even", "value": 3}
    assert second.path == ("c",)


def test_a_lazy_tag_that_asks_for_a_mapping_says_so() -> None:
    """`entries` and `items` of what is neither are errors with the place."""
    config.tag("own.entries", lazy=True)(lambda node: len(node.entries()))
    config.tag("own.items", lazy=True)(lambda node: len(node.items()))
    assert read("a: !own.entries {x: 1}\nb: !own.items [1, 2]\nc: !own.entries:ref d\nd: {y: 1, z: 2}\n")["c"] == 2
    assert "a: !own.entries: a mapping is needed here, and this is a list." in str(wrong("a: !own.entries [1]"))
    assert "a: !own.items: a list is needed here, and this is a mapping." in str(wrong("a: !own.items {x: 1}"))


def test_a_lazy_tag_that_gives_itself_back_is_transparent() -> None:
    """What it stands in front of is as if it were not there: merged, referred to."""
    config.tag("own.pass", lazy=True)(lambda node: node)
    base = config.text("a: !own.pass {x: !own.pass 1, y: 2}\nb: !ref a.x\n", "yaml")
    assert config.read(base, {"a": {"y": 3}}) == {"a": {"x": 1, "y": 3}, "b": 1}


def test_a_lazy_tag_may_ask_for_what_is_around_it() -> None:
    """If that comes back to it, it is a loop."""
    config.tag("own.loop", lazy=True)(lambda node: node.value())
    error = wrong("a: !own.loop [!ref b]\nb: {c: !own.loop:ref a}\n")
    assert isinstance(error, CycleError)
    assert "!own.loop" in str(error)


# --- Deferred values --------------------------------------------------------------------------------------------------


def test_a_deferred_value_is_made_last_and_once() -> None:
    """When all else has been read; what refers to it and needs no value gets the same."""
    order: list[str] = []

    def make() -> object:
        order.append("made")
        return object()

    config.tag("own.later")(lambda _: config.deferred(make))
    config.tag("own.now")(lambda value: order.append("read"))
    found = read("a: !own.later x\nb: [!ref a]\nc: !own.now x\nd: {e: !ref a}\n")
    assert order == ["read", "made"]
    assert found["a"] is found["b"][0] is found["d"]["e"]


def test_a_deferred_value_that_is_left_out_is_never_made() -> None:
    """By a layer on top, by a branch, by `when`, by an error elsewhere."""

    def make() -> Any:
        raise AssertionError

    data = {
        "a": config.deferred(make),
        "b": tags.when(False, config.deferred(make)),
        "c": tags.or_(1, config.deferred(make)),
    }
    assert config.read(data, {"a": 1}) == {"a": 1, "c": 1}
    with pytest.raises(BadTag, match="There is no tag"):
        config.read({"a": config.deferred(make), "b": tags.make("nope")})


def test_deferred_values_may_stand_in_lists_sets_and_mappings() -> None:
    """Also within what a tag gives."""
    one = config.deferred(lambda: 1)
    config.tag("own.within")(lambda _: {"x": [one]})
    found = config.read({"a": [one], "b": {one, 2}, "c": {"d": (one,)}, "e": tags.make("own.within")})
    assert found == {"a": [1], "b": {1, 2}, "c": {"d": (1,)}, "e": {"x": [1]}}


def test_a_tag_that_needs_a_deferred_value_has_it_made() -> None:
    """It cannot wait for the end."""
    assert config.read({"a": tags.join("x", tags.ref("b")), "b": config.deferred(lambda: 1)}) == {"a": "x1", "b": 1}


def test_a_deferred_value_that_fails_is_an_error_with_its_place() -> None:
    """All of them are told, and secrets are not."""

    def fail(value: Any) -> Any:
        def make() -> Any:
            raise OSError(f"no {value}")

        return config.deferred(make)

    config.tag("own.fail")(fail)
    error = wrong("a: !own.fail x\nb: [!own.fail [!secret hunter2]]\n")
    assert [str(problem.site) for problem in error.problems] == ["<text>:1:4", "<text>:2:5"]
    assert "a: A deferred value raised OSError: no x." in str(error)
    assert "hunter2" not in str(error)


# --- What is raised ---------------------------------------------------------------------------------------------------


def test_what_a_tag_raises_is_an_error_with_its_place() -> None:
    """The exception is the cause; one without a text is told by its class; a definition error stays itself."""

    @config.tag("own.raise")
    def _(what: str) -> Any:
        if what == "ours":
            raise BadTag([Problem(BadTag, "it is ours")])
        raise {"key": KeyError("k"), "empty": ValueError(), "assert": AssertionError("no")}[what]

    error = wrong("a: !own.raise key\n")
    assert str(error) == "a: !own.raise raised KeyError: 'k'.\n   at: <text>:1:4"
    assert isinstance(error.__cause__, KeyError)
    assert "a: !own.raise raised ValueError." in str(wrong("a: !own.raise empty\n"))
    assert "it is ours" in str(wrong("a: !own.raise ours\n"))
    many = wrong("a: !own.raise key\nb: !own.raise assert\nc: !own.raise empty\n")
    assert len(many.problems) == 3


@pytest.mark.parametrize("secret", ["hunter2", "two\nlines", 'it\'s "quoted"', "tab\tand\\slash", "\u00fcml\u00e4ut"])
@pytest.mark.parametrize("how", ["plain", "repr"])
def test_a_secret_in_what_a_tag_raises_is_not_shown(secret: str, how: str) -> None:
    """By its value, and as it is quoted; the exception itself is not chained, because it holds the secret."""

    @config.tag("own.leak")
    def _(value: str) -> Any:
        raise ValueError(f"cannot use {value if how == 'plain' else repr(value)} here")

    error = wrong(
        "a: !own.leak [!ref s]\ns: !secret:env S\n".replace("[!ref s]", "").replace("own.leak ", "own.leak:ref s"),
        environ={"S": secret},
    )
    assert "own.leak raised ValueError: cannot use" in str(error)
    assert secret not in str(error)
    assert repr(secret)[1:-1] not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize(
    "made",
    [
        lambda s: s + "!",
        lambda s: {"x": s},
        lambda s: [s],
        lambda s: tags.join(s, "!"),
        lambda s: {"x": tags.str_(s)},
        lambda s: Secret(s),
        lambda s: config.deferred(lambda: s),
        lambda s: config.deferred(lambda: Secret(s)),
    ],
)
def test_what_a_tag_makes_of_a_secret_is_one(made: Any) -> None:
    """Whatever it gives, and whenever."""
    config.tag("own.made")(made)
    found = read("a: !own.made:secret hunter2\n")["a"]
    assert isinstance(found, Secret)
    assert "hunter2" not in repr(found)


def test_an_interrupt_is_not_caught() -> None:
    """What stops the program stops the reading."""

    @config.tag("own.interrupt")
    def _(value: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read("a: !own.interrupt x")


def test_data_that_contains_itself_is_an_error() -> None:
    """A tag may give what never ends."""
    data: list[Any] = []
    data.append(data)
    config.tag("own.endless")(lambda _: data)
    assert "levels deep" in str(wrong("a: !own.endless x"))
