"""Systems from files: what is left alone, what is hidden, and what is told, in corners that were wrong once."""

from __future__ import annotations

import copy
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Any

import pytest

from mainspring import BadComponent, Component, DefinitionError, Id, Problem, Secret, System, component, config, ref
from mainspring.config import tags

sys.path.insert(0, str(Path(__file__).parent / "files"))

PLANTED = "hunter2xx"


@component
def login(password: Annotated[str, Secret] = "d3fault", port: int = 1) -> Any:
    """Has a secret parameter."""
    return port


@component
def texts(port: str = "80") -> Any:
    """Asks for text."""
    return port


@component
def web(port: int = 80, ports: list[int] | None = None, my_arg: Any = None) -> Any:
    """Asks for several things."""
    return port


def pinned() -> Any:
    """A module."""
    return {"db": {"x": {"k": {"l": 1}}}}


def other() -> Any:
    """A module that says something else."""
    return {"db": {"x": {"k": {"l": 2}}}}


def ready() -> Any:
    """A module that gives a component function."""
    return {"db": {"pool": {"component": web, "config": {"port": 3}}}}


def ready_as_well() -> Any:
    """A module that gives the same one."""
    return {"db": {"pool": {"component": web, "config": {"my_arg": 1}}}}


def whole() -> Any:
    """A module that says something of the system."""
    return {"mainspring": {"name": "x"}}


def load(*layers: str, system: System | None = None, **options: Any) -> System:
    """The system of several layers in YAML, the files a.yaml, b.yaml and so on; `HERE` stands for this module."""
    sources = [
        config.text(text.replace("HERE", __name__), "yaml", name=f"{'abc'[n]}.yaml") for n, text in enumerate(layers)
    ]
    return config.load(*sources, system=system, environ=options.pop("environ", {"PW": PLANTED}), **options)


def problem(*layers: str, **options: Any) -> Problem:
    """The one thing that is wrong."""
    with pytest.raises(DefinitionError) as caught:
        load(*layers, **options).check()
    (found,) = caught.value.problems
    return found


def told(system: System) -> dict[str, str]:
    """The values of a system with their origins, by path."""
    return {path: f"{one['value']} | {one['origin']}" for path, one in config.explain(system).as_dict().items()}


# --- A system written in Python below --------------------------------------------------------------------------------


def test_what_settings_do_not_speak_of_stays_the_same_object() -> None:
    """Whatever its keys and its type, and whatever its group is called."""
    groups: dict[str, dict[str, Any]] = {
        "env": {
            "port": 2,
            "log": {"module": "app", "level": 1},
            "set": frozenset({1}),
            "tag": OrderedDict({"$env": "PW"}),
        },
        "$x": {"a": 1},
        "a/b": {"c": 1},
        "mainspring": {"z": 1},
        "web": {"server": Component(web, config={"port": 1, "my_arg": OrderedDict({"$env": "PW"})})},
    }
    below = System(groups)
    made = load("env: {port: 1}\nweb: {server: {config: {port: 5}}}", system=below)
    assert made == below.override({"env.port": 1, "web.server.config.port": 5})
    assert type(made.groups["env"]["tag"]) is type(below.groups["env"]["tag"])
    assert type(made["web.server"].config["my_arg"]) is type(below["web.server"].config["my_arg"])


def test_a_constant_below_stays_one_where_it_is_changed() -> None:
    """A key `module` or `component` in it says nothing."""
    below = System({"env": {"log": {"module": "app", "component": "os:getcwd", "level": 1}}})
    made = load("env: {log: {level: 2, module: other}}", system=below)
    assert made.groups == {"env": {"log": {"module": "other", "component": "os:getcwd", "level": 2}}}


class Clock:
    """Tells the time."""


class FakeClock:
    """Does not, and is no `Clock`."""


def tick(clock: Clock, port: int = 1) -> Any:
    """Asks for an object."""
    return port


BELOW = System(
    {
        "a": {
            "fake": Component(tick, config={"clock": FakeClock(), "port": ref("env.port")}),
            "text": Component(tick, config={"clock": FakeClock(), "port": "3"}),
        },
        "env": {"port": 1},
    }
)


def test_components_that_settings_do_not_speak_of_are_not_checked() -> None:
    """Nor converted; but arguments that come from a constant that is set are."""
    made = load("env: {port: '2'}", system=BELOW)
    assert made["a.text"] is BELOW["a.text"]
    with made.started() as live:
        assert (live["a.fake"], live["a.text"]) == (2, "3")
    found = problem("env: {port: many}", system=BELOW)
    assert (found.id, found.what[:14]) == (Id("env", "port"), "is 'many', and")


def test_a_component_that_settings_speak_of_is_checked_as_a_whole() -> None:
    """Also what is written in Python of it."""
    found = problem("a: {text: {config: {port: 5}}}", system=BELOW)
    assert (found.id, found.path) == (Id("a", "text"), ("config", "clock"))


@pytest.mark.parametrize("text", ["a: {text: !remove }", "env: {port: !remove }"])
def test_settings_take_nothing_away(text: str) -> None:
    """Of the system below; the mistake says so."""
    found = problem(text, system=BELOW)
    assert "settings take nothing of that away" in found.what
    assert found.site is not None


def test_a_group_is_not_taken_away_either() -> None:
    """Each component in it is told."""
    with pytest.raises(DefinitionError) as caught:
        load("a: !remove ", system=BELOW)
    assert [str(one.id) for one in caught.value.problems] == ["a.fake", "a.text"]


# --- The base --------------------------------------------------------------------------------------------------------

BASE = "mainspring: {base: {config: {password: !env PW, port: '80'}}}\n"


def test_the_config_of_the_base_is_converted_and_hidden() -> None:
    """By what the components ask for that take it."""
    made = load(BASE + "a: {b: {component: 'HERE:login'}}")
    assert PLANTED not in str(made.describe()) + str(config.explain(made))
    assert told(made)["a.b.config.port"] == "80 | base"
    with made.started() as live:
        assert live["a.b"] == 80


def test_each_component_gets_what_it_asks_for_of_the_base() -> None:
    """A number one, a text the other."""
    made = load(BASE + "a: {b: {component: 'HERE:login'}, c: {component: 'HERE:texts'}}")
    with made.started() as live:
        assert (live["a.b"], live["a.c"]) == (80, "80")
    assert told(made)["a.b.config.port"] == told(made)["a.c.config.port"] == "80 | base"


def test_references_in_the_base_are_converted_at_the_start() -> None:
    """And what a component says itself counts."""
    text = "env: {p: '81'}\nmainspring: {base: {config: {port: !ref env.p}}}\n"
    made = load(text + "a: {b: {component: 'HERE:login'}, c: {component: 'HERE:login', config: {port: 3}}}")
    with made.started() as live:
        assert (live["a.b"], live["a.c"]) == (81, 3)


def test_what_does_not_fit_in_the_base_is_told_once() -> None:
    """At its place, with those that need it."""
    found = problem(
        "mainspring: {base: {config: {port: many}}}\na: {b: {component: 'HERE:login'}, c: {component: 'HERE:web'}}"
    )
    assert str(found.site) == "a.yaml:1:36"
    assert "a.b, config.port; a.c, config.port need it" in found.what


# --- Secrets ---------------------------------------------------------------------------------------------------------


def test_the_default_of_a_secret_parameter_is_not_shown() -> None:
    """By `explain`, as nothing is that an annotation calls secret."""
    made = load("a: {b: {component: 'HERE:login'}}")
    assert told(made)["a.b.config.password"] == "*** | default"


@pytest.mark.parametrize("value", ["!ref env.pw", "!env PW"])
def test_what_a_subsystem_takes_for_a_secret_is_one_outside(value: str) -> None:
    """The constant that it is imported from, or the import itself."""
    inner = "{env: {p: !required }, a: {b: {component: 'HERE:login', config: {password: !ref env.p}}}}"
    made = load(f"env: {{pw: !env PW}}\ns: {{x: {{subsystem: {inner}, imports: {{env.p: {value}}}}}}}")
    if value == "!env PW":
        made = load(f"s: {{x: {{subsystem: {inner}, imports: {{env.p: {value}}}}}}}")
    assert PLANTED not in str(made.describe()) + str(config.explain(made))


def test_copies_of_a_secret_are_not_shown() -> None:
    """Where an annotation says that the original is one."""
    text = "e: {pw: !env PW, j: !join [x, !value e.pw], v: !value e.pw}\n"
    text += "a: {b: {component: 'HERE:login', config: {password: !ref e.pw}}"
    made = load(text + "}")
    assert PLANTED not in str(config.explain(made)) + str(config.explain(made).as_dict())
    found = problem(text + ", c: {component: 'HERE:web', config: {port: !env PW}}}")
    assert PLANTED not in str(found)


def test_a_secret_of_one_component_is_not_shown_in_what_is_wrong_with_another() -> None:
    """Where both get it from the same variable."""
    text = "a: {b: {component: 'HERE:login', config: {password: !env PW}}, c: {component: 'HERE:web', config: {port: !env PW}}}"
    assert "is '***', and a whole number" in problem(text).what


def test_a_secret_under_a_misspelt_name_is_hidden() -> None:
    """Where the component has a parameter that is one."""
    made = load("a: {b: {component: 'HERE:login', config: {pasword: !env PW}}}")
    assert PLANTED not in str(config.explain(made)) + "".join(map(str, made.check()))


def test_a_secret_of_pydantic_fits_a_parameter_that_asks_for_text() -> None:
    """It gets the text."""
    from pydantic import SecretStr

    said = {"e": {"s": SecretStr(PLANTED)}, "a": {"b": {"component": texts, "config": {"port": tags.ref("e.s")}}}}
    made = config.load(said)
    assert PLANTED not in str(made.describe()) + str(config.explain(made))
    with made.started() as live:
        assert live["a.b"] == PLANTED


# --- Arguments and slots ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("doc", ["!secret xyzxyz", "5", "[a]"])
def test_a_doc_is_text(doc: str) -> None:
    """Anything else is told when the system is built."""
    found = problem(f"a: {{b: {{component: 'HERE:web', doc: {doc}}}}}")
    assert (found.error, found.path) == (BadComponent, ("doc",))
    assert "not text" in found.what


@pytest.mark.parametrize("slot", ["post: {start: }", "pre: {start: !env NOPE}", "handlers: {ping: }"])
def test_an_empty_handler_says_nothing(slot: str) -> None:
    """As an empty group does."""
    made = load(f"a: {{b: {{component: 'HERE:web', {slot}}}}}")
    assert made["a.b"] == web()


def test_a_handler_that_is_nothing_in_python_is_told() -> None:
    """It cannot be called."""
    handlers: Any = {"start": None}
    with pytest.raises(BadComponent, match="cannot be called"):
        Component(dict, pre=handlers)


def test_an_argument_has_one_name_in_all_layers() -> None:
    """However it is spelled: the topmost counts, mappings are merged, and it is taken away."""
    entry = "a: {b: {component: 'HERE:web', config: {my-arg: {x: 1}}}}"
    layers = [f"a: {{b: {{config: {{{said}}}}}}}" for said in ("my_arg: {y: 2}", "my-arg: 3", "my_arg: !remove ")]
    assert load(entry, layers[0])["a.b"].config == {"my_arg": {"x": 1, "y": 2}}
    assert load(entry, layers[0], layers[1])["a.b"].config == {"my_arg": 3}
    assert load(entry, layers[2])["a.b"].config == {}
    assert told(load(entry, layers[0]))["a.b.config.my_arg.y"] == "2 | file"


def test_another_component_over_the_config_of_the_one_below_is_told() -> None:
    """With the place where it is said, and what to do."""
    (found,) = load("a: {b: {component: 'HERE:web', config: {my_arg: 1}}}", "a: {b: {component: 'HERE:texts'}}").check()
    assert "Another component is said at b.yaml:1:20" in found.hint
    assert "!replace" in found.hint


def test_a_component_is_where_it_is_named() -> None:
    """Also where a layer sets an argument of it; of one in Python, where the package was asked for it."""
    made = load("a: {b: {component: 'HERE:web'}}", "a: {b: {config: {port: 3}}}")
    assert str(made["a.b"].site) == "a.yaml:1:8"
    assert config.load({"a": {"b": {"component": web}}})["a.b"].site.file == __file__


@pytest.mark.parametrize(
    ("slots", "said", "hint"),
    [
        ("retry: {time: 3}", "A retry has no time.", "Did you mean times?"),
        ("retry: {on: ConectionError}", "Python has no error ConectionError.", "ConnectionError"),
        ("enabled: no", "enabled is 'no', which is text", "Write true or false"),
    ],
)
def test_slots_that_do_not_fit_are_told_in_words_of_files(slots: str, said: str, hint: str) -> None:
    """With what is near."""
    found = problem(f"a: {{b: {{component: 'HERE:web', {slots}}}}}")
    assert said in found.what
    assert hint in found.hint


def test_a_file_where_a_module_is_needed_is_told() -> None:
    """With what to write."""
    assert "Write app:web: a module, not its file." in problem("a: {b: {component: 'app.py:web'}}").hint


def test_all_options_of_the_system_are_told_at_once() -> None:
    """Each with its place."""
    with pytest.raises(DefinitionError) as caught:
        load("mainspring: {nme: y, deadlines: x, workers: z}")
    assert [str(one.site) for one in caught.value.problems] == ["a.yaml:1:19", "a.yaml:1:33", "a.yaml:1:45"]


def test_an_optional_reference_to_what_is_left_out_is_nothing() -> None:
    """As it is where the file is read as data."""
    text = "a: {b: !when [false, {component: 'HERE:web'}], "
    text += "c: {component: 'HERE:web', config: {my_arg: !ref {path: a.b, optional: true}}}}"
    assert load(text)["a.c"] == web(my_arg=None)


def test_a_group_that_is_left_out_is_not_there() -> None:
    """Not even empty."""
    assert load("a: !when [false, {b: 1}]\nc: {d: 1}").groups == {"c": {"d": 1}}


def test_a_long_chain_of_constants_is_followed() -> None:
    """As long as one likes."""
    chain = "".join(f"  a{i}: !ref env.a{i - 1}\n" for i in range(1, 10_000))
    made = load(f"env:\n  a0: '1'\n{chain}x: {{y: {{component: 'HERE:web', config: {{port: !ref env.a9999}}}}}}")
    with made.started() as live:
        assert live["x.y"] == 1


# --- Modules ---------------------------------------------------------------------------------------------------------

TWO = "m: {a: {module: 'HERE:pinned'}, b: {module: 'HERE:other'}}\n"


@pytest.mark.parametrize("text", ["db: {x: }", "db: {x: null}"])
def test_an_empty_entry_decides_nothing_between_modules(text: str) -> None:
    """It says nothing about a mapping."""
    assert "said by two modules" in problem(TWO + text).what


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("db: {x: {k: {l: !remove }}}", {"db": {"x": {"k": {}}}}),
        ("db: {x: !remove }", {}),
        ("db: {x: !replace {q: 1}}", {"db": {"x": {"q": 1}}}),
        ("db: {x: !env NOPE}", {"db": {"x": None}}),
    ],
)
def test_what_is_taken_away_or_replaced_decides_between_modules(text: str, groups: Any) -> None:
    """As any other value does."""
    assert load(TWO + text).groups == groups


def test_modules_that_give_the_same_object_do_not_conflict() -> None:
    """A component function, for example."""
    made = load("m: {a: {module: 'HERE:ready'}, b: {module: 'HERE:ready_as_well'}}")
    assert made["db.pool"] == web(port=3, my_arg=1)


def test_a_module_says_nothing_of_the_system_as_a_whole() -> None:
    """Where it does, that is told, with its place."""
    found = problem("m: {a: {module: 'HERE:whole'}}")
    assert "The module has a section mainspring" in found.what
    assert found.site is not None


# --- Where values are from -------------------------------------------------------------------------------------------


def test_items_of_a_list_that_are_not_all_from_the_same_are_told_one_by_one() -> None:
    """Those that are, as one."""
    made = load("e: {l: [!env A, !env B, 3], m: [1, 2]}", environ={"A": "1", "B": "2"})
    assert told(made) == {
        "e.l.0": "1 | environment variable",
        "e.l.1": "2 | environment variable",
        "e.l.2": "3 | file",
        "e.m": "[1, 2] | file",
    }


def test_explaining_more_values_than_are_allowed_is_refused() -> None:
    """Constants that hold each other twice are more than anybody can read."""
    lines = "".join(f"  a{i}: {{l: !value g.a{i - 1}, r: !value g.a{i - 1}}}\n" for i in range(1, 30))
    settings = config.Settings(config.text(f"g:\n  a0: {{x: 1}}\n{lines}", "yaml"), limits=config.Limits(items=1000))
    with pytest.raises(DefinitionError, match="more than 1,000 values"):
        settings.explain()


def test_a_system_from_files_can_be_copied() -> None:
    """And pickled, without what was read."""
    made = load("env: {p: 1}")
    assert copy.deepcopy(made) == made
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert config.settings_of(again) is None


# --- JSON Schema -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        {"a": {"b": {"config": {"my-arg": 1, "port?": 3}}}},
        {"$schema": "x.json", "a": {"b": {"config": {"port": 3}}}},
        {"mainspring": {"values": "check"}},
    ],
)
def test_the_schema_takes_what_is_fine(data: Any) -> None:
    """Other spellings of arguments, the key that names it, and every key of the section."""
    from jsonschema import Draft202012Validator

    schema = config.json_schema(System({"a": {"b": web()}}), yaml=False)
    assert list(Draft202012Validator(schema).iter_errors(data)) == []
