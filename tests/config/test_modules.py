"""Modules: one entry that becomes several components; what is written wins, and what two of them say differently is an error."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "files"))

import modules_app as app

from mainspring import (
    BadComponent,
    BadFile,
    BadTag,
    CycleError,
    DefinitionError,
    MergeConflict,
    Problem,
    System,
    config,
    ref,
)
from mainspring.config import tags

FILES = Path(__file__).parent / "files"


def settings(*texts: str, environ: dict[str, str] | None = None, **options: Any) -> config.Settings:
    """Settings of texts, as the files a.yaml, b.yaml and so on, beside the other fixtures."""
    sources = [
        config.text(dedent(text), "yaml", name=f"{name}.yaml", folder=FILES)
        for name, text in zip("abc", texts, strict=False)
    ]
    return config.Settings(*sources, environ=environ or {}, **options)


def load(*texts: str, **options: Any) -> System:
    """The system that texts say."""
    return settings(*texts, **options).system()


def problem(*texts: str, error: type[DefinitionError] = DefinitionError, **options: Any) -> Problem:
    """The one thing that is wrong."""
    with pytest.raises(error) as caught:
        load(*texts, **options)
    (found,) = caught.value.problems
    return found


def at(found: Problem) -> str:
    """The place of a problem, and what it is of."""
    assert found.site is not None
    return f"{found.site} {found.id or ''} {'.'.join(map(str, found.path))}".strip()


DATABASE = "modules: {database: {module: modules_app:database, config: {dsn: 'pg:', size: 3}}}"
WHOLE = System(
    {
        "db": {"pool": app.pool(dsn="pg:", size=3), "migrations": app.migrations(pool=ref("db.pool"))},
        "env": {"database": {"kind": "pg", "size": 3}},
    }
)


# --- What they become -------------------------------------------------------------------------------------------------


def test_a_function_gives_groups() -> None:
    """The entry itself is gone, and what it gave is there as if it were written."""
    assert load(DATABASE) == WHOLE
    with load(DATABASE).started() as live:
        assert live["db.migrations"] == "migrations in pg:, 3"


def test_a_module_may_stand_in_any_group() -> None:
    """Also in the one that it adds to."""
    made = load("db: {all: {module: modules_app:database, config: {dsn: 'pg:', size: 3}}, own: 1}")
    assert set(made.groups["db"]) == {"pool", "migrations", "own"}
    assert made["db.pool"] == WHOLE["db.pool"]


def test_the_settings_of_a_module_are_its_arguments() -> None:
    """Worked out; names may have hyphens and a question mark."""
    app.calls.clear()
    text = """
        m:
          n:
            module: modules_app:database
            config: {dsn: !env DSN, size: !int [!env SIZE], with-migrations?: false}
    """
    assert set(load(text, environ={"DSN": "x:", "SIZE": "7"}).groups["db"]) == {"pool"}
    assert app.calls == [{"dsn": "x:", "size": 7, "with_migrations": False}]


@pytest.mark.parametrize("said", ["", ", config: ", ", config: {}", ", config: {dsn: !when [false, x]}"])
def test_a_module_without_settings_is_called_without_arguments(said: str) -> None:
    """Its defaults count."""
    app.calls.clear()
    load(f"m: {{n: {{module: modules_app:database{said}}}}}")
    assert app.calls == [{"dsn": "sqlite:", "size": 5, "with_migrations": True}]


def test_a_setting_that_refers_to_a_constant_is_passed_on_as_a_reference() -> None:
    """A module puts it where it belongs."""
    made = load("env: {size: 3}\nm: {n: {module: modules_app:with_kwargs, config: {a: !ref env.size}}}")
    assert made.groups["env"] == {"size": 3, "given": {"a": ref("env.size")}}


def test_a_function_may_give_tags() -> None:
    """They are worked out as in a file."""
    made = load("m: {n: {module: modules_app:gives_tags}}", environ={"PORT": "81"})
    assert made.groups["env"] == {"port": 81, "again": ref("env.port")}


def test_a_module_in_python_is_a_function_too() -> None:
    """Where the settings are a mapping."""
    made = config.load({"m": {"n": {"module": app.pinned, "config": {"port": tags.int_("8")}}}})
    assert made["env.port"] == 8


def test_a_file_is_a_module_whose_settings_are_variables() -> None:
    """Found beside the file that names it."""
    text = "m: {n: {module: database.yaml, config: {dsn: 'pg:', size: !int [!env SIZE], migrations: true}}}"
    made = load(text, environ={"SIZE": "3"})
    assert made == WHOLE.select("db")
    text = text.replace("true", "false")
    assert set(load(text, environ={}).groups["db"]) == {"pool"}
    assert load(text)["db.pool"].config["size"] == 5


def test_a_variable_that_a_module_is_not_given_is_an_error_with_both_places() -> None:
    """In the file of the module, with what is bound."""
    found = problem("m: {n: {module: database.yaml, config: {dsn: a, migratoins: true, size: 1}}}", error=BadTag)
    assert "the variable migrations is not bound" in found.what
    assert found.hint.startswith("Did you mean migratoins?")
    assert found.site is not None
    assert (Path(found.site.file).name, found.site.line) == ("database.yaml", 9)


def test_variables_of_the_whole_reading_are_known_in_a_module() -> None:
    """Those of the module count for more."""
    made = load("m: {n: {module: database.yaml, config: {dsn: a}}}", bind={"dsn": "b", "size": 9, "migrations": False})
    assert made["db.pool"].config == {"dsn": "a", "size": 9}


def test_modules_bring_modules(tmp_path: Path) -> None:
    """As deep as they like, of functions and of files."""
    assert load("m: {n: {module: modules_app:nested}}").groups == {
        "env": {"port": 81, "hosts": ["a", "b"], "deep": {"n": 1}, "nested": True}
    }
    (tmp_path / "outer.yaml").write_text("m: {inner: {module: inner.yaml, config: {n: !var n}}}\n")
    (tmp_path / "inner.yaml").write_text("env: {n: !var n}\n")
    (tmp_path / "a.yaml").write_text("m: {outer: {module: outer.yaml, config: {n: 3}}}\n")
    assert config.load(tmp_path / "a.yaml") == System({"env": {"n": 3}})


def test_the_groups_that_are_written_come_first() -> None:
    """In the order as written; those that only modules bring come after them."""
    made = load("web: {a: 1}\nm: {n: {module: modules_app:database}}\nenv: {b: 2}")
    assert list(made.groups) == ["web", "env", "db"]


# --- What is written wins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("env: {port: 90}", "env.port", 90),
        ("env: {deep: {n: 2}}", "env.deep", {"n": 2}),
        ("env: {deep: {k: 2}}", "env.deep", {"n": 1, "k": 2}),
        ("env: {deep: !replace {k: 2}}", "env.deep", {"k": 2}),
        ("env: {hosts: [c]}", "env.hosts", ["c"]),
        ("env: {hosts: !append [c]}", "env.hosts", ["a", "b", "c"]),
        ("env: {port: null}", "env.port", None),
    ],
)
def test_what_is_written_wins_at_any_depth(text: str, path: str, value: Any) -> None:
    """By the rules of layers: the modules are below."""
    made = load(f"{text}\nm: {{n: {{module: modules_app:pinned}}}}")
    assert made[path] == value


def test_what_is_written_of_a_component_of_a_module_wins() -> None:
    """One argument, a slot, the component itself."""
    made = load(DATABASE + "\ndb: {pool: {config: {size: 9}, tags: [big]}}")
    assert made["db.pool"] == app.pool(dsn="pg:", size=9).replace(tags=["big"])
    made = load(DATABASE + "\ndb: {pool: {component: 'builtins:dict', config: !replace {a: 1}}}")
    assert made["db.pool"].config == {"a": 1}
    made = load(DATABASE + "\ndb: {pool: !replace {component: 'builtins:dict'}}")
    assert made["db.pool"].config == {}
    made = load(DATABASE + "\ndb: {pool: a fake}")
    assert made["db.pool"] == "a fake"


def test_what_is_written_of_a_component_that_a_module_gives_ready_made_wins() -> None:
    """One that is an object of Python already."""
    made = load(DATABASE + "\ndb: {migrations: {config: {folder: other}}}")
    assert made["db.migrations"] == app.migrations(pool=ref("db.pool"), folder="other")


def test_a_layer_sets_the_settings_of_a_module() -> None:
    """They are merged before it is called."""
    made = load(DATABASE, "modules: {database: {config: {size: 9}}}")
    assert made["db.pool"] == app.pool(dsn="pg:", size=9)
    assert made["env.database.size"] == 9


def test_a_layer_sets_a_value_that_a_module_brings() -> None:
    """What is written in any layer wins over what modules say."""
    made = load(DATABASE, "db: {pool: {config: {size: 8}}}")
    assert made["db.pool"].config["size"] == 8
    assert made["env.database.size"] == 3


def test_a_module_in_a_lower_layer_may_be_removed() -> None:
    """As any other entry."""
    assert load(DATABASE + "\nenv: {a: 1}", "modules: {database: !remove }") == System({"env": {"a": 1}})


def test_modules_over_a_system_written_in_python() -> None:
    """What the system has is what is written, and wins; the rest is added."""
    system = System({"env": {"port": 1}})
    made = settings("m: {n: {module: modules_app:pinned}}").over(system).system()
    assert made.groups["env"]["port"] == 1
    assert made.groups["env"]["hosts"] == ["a", "b"]
    assert "m" not in made.groups


# --- Two that say the same, or not ------------------------------------------------------------------------------------


def two(one: str = "", other: str = "", written: str = "") -> str:
    """Two modules that speak of the same constants."""
    return (
        f"m:\n  one: {{module: modules_app:pinned, config: {{{one}}}}}\n"
        f"  two: {{module: modules_app:other{other and f', config: {{{other}}}'}}}\n{written}"
    )


def test_what_two_modules_say_alike_is_no_conflict() -> None:
    """Constants, mappings key by key, and components."""
    assert load(two()).groups == {"env": {"port": 80, "hosts": ["a", "b"], "deep": {"n": 1, "m": 2}, "other": True}}
    twice = "m: {a: {module: modules_app:database}, b: {module: modules_app:database}}"
    assert set(load(twice).groups["db"]) == {"pool", "migrations"}
    tagged = "m: {a: {module: modules_app:gives_tags}, b: {module: modules_app:gives_tags}}"
    assert load(tagged).groups["env"]["port"] == 80


def test_what_two_modules_say_differently_is_an_error() -> None:
    """It names both, with what each says, and its place."""
    found = problem(two(one="port: 81"), error=MergeConflict)
    assert found.what == "env.port is said by two modules, and differently: m.one says 81; m.two says 80."
    assert found.hint == "Write env.port yourself: what is written wins."
    assert at(found) == "a.yaml:3:8 env.port"


def test_all_conflicts_are_told_at_once() -> None:
    """Deep ones too."""
    with pytest.raises(MergeConflict) as caught:
        load(two(one="port: 81", other="n: 2"))
    assert [p.what.partition(" is said")[0] for p in caught.value.problems] == ["env.port", "env.deep.n"]


@pytest.mark.parametrize("written", ["env: {port: 3}", "env: {port: null}"])
def test_what_is_written_decides_a_conflict(written: str) -> None:
    """Then it does not matter what the modules say."""
    load(two(one="port: 81", written=written))


def test_a_conflict_of_a_component_and_a_constant() -> None:
    """And of arguments of one component."""
    text = """
        m:
          one: {module: modules_app:database, config: {size: 1, dsn: a}}
          two: {module: modules_app:database, config: {size: 2, dsn: a}}
    """
    with pytest.raises(MergeConflict) as caught:
        load(text)
    assert [p.what.partition(" is said")[0] for p in caught.value.problems] == [
        "db.pool.config.size",
        "env.database.size",
    ]
    load(dedent(text) + "\ndb: {pool: {config: {size: 3}}}\nenv: {database: {size: 3}}")


def test_a_secret_is_not_in_the_text_of_a_conflict() -> None:
    """It is said that there are two."""
    text = """
        m:
          one: {module: modules_app:with_kwargs, config: {key: !secret hunter2}}
          two: {module: modules_app:with_kwargs, config: {key: !secret hunter3}}
    """
    found = problem(text, error=MergeConflict)
    assert "hunter" not in str(found)


def test_true_and_one_are_a_conflict() -> None:
    """Values are compared as they are everywhere."""
    text = "m: {a: {module: modules_app:with_kwargs, config: {v: 1}}, b: {module: modules_app:with_kwargs, config: {v: true}}}"
    assert "env.given.v" in problem(text, error=MergeConflict).what


# --- Which are expanded -----------------------------------------------------------------------------------------------


def test_chosen_modules_are_expanded() -> None:
    """What is shown of the others are their settings."""
    said = settings(two(one="port: 80"))
    assert [value.path for value in said.explain(expand=False)] == [
        ("m", "one", "module"),
        ("m", "one", "config", "port"),
        ("m", "two", "module"),
    ]
    shown = {value.path for value in said.explain(expand=["m.one"])}
    assert ("env", "port") in shown
    assert ("m", "two", "module") in shown
    assert ("env", "other") not in shown
    assert {value.path for value in said.explain(expand="m.two")} >= {("env", "other"), ("m", "one", "config", "port")}


def test_an_unknown_module_is_told_with_what_is_near() -> None:
    """Of those that there are."""
    with pytest.raises(BadComponent) as caught:
        settings(two()).explain(expand=["m.on"])
    (found,) = caught.value.problems
    assert found.what == "There is no module m.on to be expanded."
    assert found.hint.startswith("Did you mean m.one")


def test_modules_that_a_chosen_module_brings_are_expanded_with_it() -> None:
    """It is one thing."""
    said = settings("m: {n: {module: modules_app:nested}, o: {module: modules_app:other}}")
    shown = {value.path for value in said.explain(expand=["m.n"])}
    assert ("env", "port") in shown
    assert ("modules", "inner", "module") not in shown
    assert ("m", "o", "module") in shown


# --- Mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("module: no_such:thing", "a.yaml:3:13 m.n module", "There is no module no_such"),
        ("module: modules_app:databse", "a.yaml:3:13 m.n module", "Did you mean database?"),
        ("module: nothing.yaml", "a.yaml:3:13 m.n module", "There is no file nothing.yaml for the module"),
        ("module: modules_app:not_callable", "a.yaml:3:13 m.n module", "A module is a function or a file, and this is an int"),
        ("module: 3", "a.yaml:3:13 m.n module", "an int stands where"),
        ("module: modules_app:database\nconfg: {a: 1}", "a.yaml:4:12 m.n confg", "Did you mean config?"),
        ("module: modules_app:database\ntags: [a]", "a.yaml:4:11 m.n tags", "A module has no key 'tags'"),
        ("module: modules_app:database\nconfig: [1]", "a.yaml:4:13 m.n config", "The config of a module is a list"),
        ("module: modules_app:database\nconfig: {siez: 1}", "a.yaml:4:20 m.n config.siez", "Did you mean size?"),
        ("module: modules_app:database\nconfig: {size: !int x}", "a.yaml:4:20 m.n config.size", "not a whole number"),
        ("module: modules_app:database\nconfig: {size: 1, 'size?': 2}", "a.yaml:4:32 m.n config.size?", "given twice"),
        ("module: modules_app:raises\nconfig: {key: a}", "a.yaml:3:5 m.n", "raised RuntimeError: cannot do anything with a."),
        ("module: modules_app:gives_nothing", "a.yaml:3:5 m.n", "The module gave nothing"),
        ("module: modules_app:gives_list", "a.yaml:3:5 m.n", "The module gave a list"),
        ("module: modules_app:gives_bad_groups", "a.yaml:3:5", "The group db is 3"),
        ("module: modules_app:endless", "a.yaml:3:5", "Modules bring modules"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place(text: str, place: str, what: str) -> None:
    """In the file that names the module."""
    found = problem("m:\n  n:\n    " + text.replace("\n", "\n    "))
    assert what in str(found)
    assert at(found).startswith(place)


def test_what_is_wrong_in_what_a_module_gave_has_the_place_of_the_module() -> None:
    """Because what a function gives has no place of its own."""
    with pytest.raises(DefinitionError) as caught:
        load("a: {b: 1}\nm:\n  n: {module: modules_app:gives_unknown}")
    assert [at(p) for p in caught.value.problems] == ["a.yaml:3:6 db.pool component", "a.yaml:3:6 db.more confg"]


def test_a_reference_to_nothing_in_what_a_module_gave_has_the_place_of_the_module() -> None:
    """It is found by check."""
    made = load("m: {n: {module: modules_app:with_kwargs, config: {a: !ref no.thing}}}")
    (found,) = made.check()
    assert found.site is not None
    assert found.site.file == "a.yaml"


def test_an_error_raised_in_a_module_is_the_cause() -> None:
    """With what it says, without any secret."""
    with pytest.raises(BadComponent) as caught:
        load("m: {n: {module: modules_app:raises, config: {key: a}}}")
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(BadComponent) as caught:
        load("m: {n: {module: modules_app:raises, config: {key: !secret hunter2}}}")
    assert "with ***" in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_module_that_brings_itself_is_expanded_once() -> None:
    """Under the same name it is the same one."""
    assert load("modules: {self: {module: modules_app:itself}}") == System({"env": {"a": 1}})


def test_settings_that_a_module_needs_are_told() -> None:
    """All of them, with those that it does not take."""
    with pytest.raises(BadComponent) as caught:
        config.load({"m": {"n": {"module": lambda a, b, *, c=1: {}, "config": {"d": 1, "b": 2}}}})
    assert [p.what for p in caught.value.problems] == ["The module takes no d.", "The module needs a."]


def test_files_that_are_modules_of_each_other_are_a_loop(tmp_path: Path) -> None:
    """It is drawn."""
    (tmp_path / "a.yaml").write_text("m: {b: {module: b.yaml}}\n")
    (tmp_path / "b.yaml").write_text("m: {c: {module: a.yaml}}\n")
    with pytest.raises(CycleError, match="includes itself"):
        config.load(tmp_path / "a.yaml")


def test_a_file_that_is_broken_is_told_with_its_own_place(tmp_path: Path) -> None:
    """In the file of the module."""
    (tmp_path / "a.yaml").write_text("m: {b: {module: b.yaml}}\n")
    (tmp_path / "b.yaml").write_text("env: {a: 1\n")
    with pytest.raises(BadFile) as caught:
        config.load(tmp_path / "a.yaml")
    assert "b.yaml" in str(caught.value)


def test_settings_are_explained_without_calling_any_module() -> None:
    """Reading imports nothing, so that what is explained is what is written."""
    app.calls.clear()
    assert [value.shown for value in settings(DATABASE).explain(expand=False)] == ["modules_app:database", "pg:", "3"]
    assert config.read(config.text(DATABASE, "yaml"))["modules"]["database"]["config"] == {"dsn": "pg:", "size": 3}
    assert app.calls == []
