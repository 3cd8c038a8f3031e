"""Where each value is from: every kind of origin, as text, as data, compared between profiles, and after changes in Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "files"))

import modules_app
import parts_app as parts

from mainspring import Plugin, Secret, System, component, config, ref
from mainspring.config import Provenance, tags

FILES = Path(__file__).parent / "files"


def settings(
    *texts: str, environ: dict[str, str] | None = None, folder: Any = FILES, **options: Any
) -> config.Settings:
    """Settings of texts, as the files a.yaml, b.yaml and so on."""
    sources = [
        config.text(dedent(text), "yaml", name=f"{name}.yaml", folder=folder)
        for name, text in zip("abc", texts, strict=False)
    ]
    return config.Settings(*sources, environ=environ or {}, **options)


def explained(*texts: str, **options: Any) -> Provenance:
    """Where the values of a system are from."""
    return config.explain(settings(*texts, **options).system(values="as written"), expand=True)


def said(found: Provenance) -> dict[str, str]:
    """Value and origin by path."""
    return {".".join(map(str, value.path)): f"{value.shown} | {value.origin}" for value in found}


def one(text: str, **options: Any) -> str:
    """The origin of the constant env.a, which settings and system agree about."""
    text = f"env: {{b: 1, a: {text}}}"
    in_settings = settings(text, **options).explain()["env.a"]
    in_system = explained(text, **options)["env.a"]
    assert in_settings == in_system
    return f"{in_system.shown} | {in_system.origin}"


# --- Kinds of origins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3", "3 | a.yaml:1:16"),
        ("text", "text | a.yaml:1:16"),
        ("null", "null | a.yaml:1:16"),
        ("true", "true | a.yaml:1:16"),
        ('""', "'' | a.yaml:1:16"),
        ('" a"', "' a' | a.yaml:1:16"),
        ('"a\\nb"', "'a\\\\nb' | a.yaml:1:16"),
        ("!env PORT", "80 | environment variable PORT, a.yaml:1:16"),
        ("!int [!env PORT]", "80 | environment variable PORT, a.yaml:1:22"),
        ("!or [!env NONE, 81]", "81 | a.yaml:1:32"),
        ("!or [!env NONE, !env PORT]", "80 | environment variable PORT, a.yaml:1:32"),
        ("!env NONE", "null | environment variable NONE, a.yaml:1:16"),
        ("!prop p", "7 | property p, a.yaml:1:16"),
        ("!var v", "8 | bound v, a.yaml:1:16"),
        ("!join [a, !env PORT]", "a80 | !join, a.yaml:1:16"),
        ("!secret x", "*** | a.yaml:1:16"),
        ("!secret [!env PORT]", "*** | environment variable PORT, a.yaml:1:25"),
        ("!profile {dev: 1, default: 2}", "1 | a.yaml:1:31"),
        ("!ref env.b", "ref env.b | a.yaml:1:16"),
        ("!tagged x", "tagged x | a.yaml:1:16"),
        ("[1, 2]", "[1, 2] | a.yaml:1:16"),
        ("[]", "[] | a.yaml:1:16"),
        ("{}", "{} | a.yaml:1:16"),
        ("[1, !secret x]", "[1, ***] | a.yaml:1:16"),
        ("!required ", "required | a.yaml:1:16"),
    ],
)
def test_every_kind_of_value_has_its_origin(text: str, shown: str) -> None:
    """A place in a file; and what else it is from."""
    options: dict[str, Any] = {"environ": {"PORT": "80"}, "props": {"p": 7}, "bind": {"v": 8}}
    profiles: dict[str, Any] = {"profile": "dev"} if "profile" in text else {}
    assert one(text, **options, **profiles).replace("\\n", "\\\\n") == shown


def test_lists_with_mappings_are_taken_apart() -> None:
    """And those of which the items are not all from the same: each value has an origin of its own."""
    found = said(explained("env: {a: [1, {b: !env PORT, c: []}], d: [1, !env PORT]}", environ={"PORT": "80"}))
    assert found == {
        "env.a.0": "1 | a.yaml:1:11",
        "env.a.1.b": "80 | environment variable PORT, a.yaml:1:18",
        "env.a.1.c": "[] | a.yaml:1:32",
        "env.d.0": "1 | a.yaml:1:42",
        "env.d.1": "80 | environment variable PORT, a.yaml:1:45",
    }


def test_text_of_a_file(tmp_path: Path) -> None:
    """Such as a secret that is mounted."""
    (tmp_path / "key").write_text("hunter2\n")
    found = said(explained("env: {a: !secret [!file key], b: !file none}", folder=tmp_path))
    assert found == {
        "env.a": f"*** | text of {tmp_path / 'key'}, a.yaml:1:19",
        "env.b": f"null | text of {tmp_path / 'none'}, a.yaml:1:34",
    }


@pytest.fixture
def in_keyring() -> Iterator[None]:
    """A keyring that is in memory only, with one secret in it."""
    keyring = pytest.importorskip("keyring")
    backend = pytest.importorskip("keyring.backend")

    class InMemory(backend.KeyringBackend):  # type: ignore[misc,name-defined]
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            """The secret, for one user of one service."""
            return "hunter2" if (service, username) == ("shop", "anna") else None

        def set_password(self, service: str, username: str, password: str) -> None:
            """Nothing can be put in."""

        def delete_password(self, service: str, username: str) -> None:
            """Nothing can be taken out."""

    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("in_keyring")
def test_a_secret_of_the_keyring() -> None:
    """By service and user, and never shown."""
    system = settings("env: {a: !keyring [shop, anna], b: !keyring [shop, otto]}").system()
    assert system["env.a"] == Secret("hunter2")
    assert said(config.explain(system)) == {
        "env.a": "*** | keyring shop, anna, a.yaml:1:10",
        "env.b": "null | keyring shop, otto, a.yaml:1:36",
    }


def test_the_places_of_layers_and_of_included_files(tmp_path: Path) -> None:
    """Each value has that of the file that it is in."""
    (tmp_path / "more.yaml").write_text("b: 2\n")
    found = said(explained("env: {a: 1, c: !include more.yaml}", "env: {a: 3, c: {d: 4}}", folder=tmp_path))
    place = found.pop("env.c.b").partition(" | ")[2]
    assert place.endswith("more.yaml:1:4")
    assert found == {"env.a": "3 | b.yaml:1:10", "env.c.d": "4 | b.yaml:1:20"}


def test_values_of_the_command_line_and_of_python() -> None:
    """As a layer on top, and as a source."""
    changed = settings("env: {a: 1, b: 2}").with_values({"env.a": 3}).with_values({"env.b": 4}, origin="test")
    assert said(config.explain(changed.system())) == {
        "env.a": "3 | command line --set env.a",
        "env.b": "4 | test env.b",
    }
    found = said(config.Settings({"env": {"a": 1, "b": tags.env("PORT")}}, environ={"PORT": "80"}).explain())
    assert found == {"env.a": "1 | python", "env.b": "80 | environment variable PORT"}


def test_defaults_have_the_line_of_the_function() -> None:
    """Of functions and of classes; what is given has its own place."""
    found = said(
        explained("db: {pool: {component: parts_app:pool, config: {dsn: a}}, s: {component: parts_app:Server}}")
    )
    lines = (FILES / "parts_app.py").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "def pool" in text) - 1
    assert found["db.pool"] == "parts_app:pool | a.yaml:1:24"
    assert found["db.pool.config.dsn"] == "a | a.yaml:1:54"
    kind, _, place = found["db.pool.config.max_size"].partition(" | ")[2].partition(", ")
    assert (kind, place.rpartition("/")[2]) == ("default", f"parts_app.py:{line}")
    assert found["db.s"] == "parts_app:Server | a.yaml:1:74"
    assert found["db.s.config.port"].startswith("0 | default")


def test_slots_are_values_too() -> None:
    """With their places."""
    found = said(
        explained("x: {y: {component: parts_app:function, tags: [a], enabled: false, status: parts_app:look}}")
    )
    assert {path: text for path, text in found.items() if path not in ("x.y", "x.y.config.size")} == {
        "x.y.tags": "[a] | a.yaml:1:46",
        "x.y.enabled": "false | a.yaml:1:60",
        "x.y.status": "parts_app:look | a.yaml:1:75",
    }


def test_what_a_base_gives_is_from_the_base() -> None:
    """With the place where the base is written."""
    text = "mainspring: {base: {config: {max_size: 4}}}\ndb: {pool: {component: parts_app:pool, config: {dsn: a}}}"
    assert said(explained(text))["db.pool.config.max_size"] == "4 | base, a.yaml:1:40"
    system = System({"db": {"pool": parts.pool(dsn="a")}}, base={"config": {"max_size": 4}})
    assert said(config.explain(system))["db.pool.config.max_size"] == "4 | base"


def test_what_a_plugin_gives_is_from_the_plugin() -> None:
    """A constant that it adds, and an argument that it changes."""
    text = "mainspring: {plugins: [parts_app:doc]}\nenv: {a: 1}"
    assert said(explained(text)) == {"env.a": "1 | a.yaml:2:10", "plugged.in": "true | plugin doc"}
    system = settings("db: {pool: {component: parts_app:pool, config: {dsn: a}}}").system()
    sizes = Plugin("sizes", merges={"db": {"pool": {"config": {"max_size": 7}}}})
    found = said(config.explain(system.with_plugins(sizes)))
    assert found["db.pool.config.max_size"] == "7 | plugin sizes"
    assert found["db.pool.config.dsn"] == "a | a.yaml:1:54"


def test_what_a_module_gives_is_from_the_module() -> None:
    """Where it is a function; where it is a file, from there. Not expanded, its settings are shown."""
    text = "m: {n: {module: modules_app:pinned, config: {port: !env PORT}}}\nenv: {deep: {k: 1}}"
    made = settings(text, environ={"PORT": "80"}).system()
    assert said(config.explain(made, expand=True)) == {
        "env.port": "80 | module m.n",
        "env.hosts": "[a, b] | module m.n",
        "env.deep.n": "1 | module m.n",
        "env.deep.k": "1 | a.yaml:2:17",
    }
    closed = said(config.explain(made))
    assert closed["m.n.module"] == "modules_app:pinned | a.yaml:1:17"
    assert closed["m.n.config.port"] == "80 | environment variable PORT, a.yaml:1:52"
    assert "env.port" not in closed
    text = "m: {n: {module: database.yaml, config: {dsn: a, size: 1, migrations: false}}}"
    found = said(config.explain(settings(text).system(), expand=True))
    assert found["db.pool.config.dsn"] == "a | a.yaml:1:46"
    assert found["db.pool"].partition(" | ")[2].endswith("database.yaml:4:16")


def test_a_subsystem_is_said_with_its_imports() -> None:
    """Each with its place; and with what is inside, but for what is given from outside."""
    found = said(explained("shops: {one: {subsystem: parts_app:inner, imports: {env.currency: USD}}}"))
    inside = {path: found.pop(path) for path in list(found) if path.startswith("shops.one.prices")}
    assert found == {"shops.one": "shop | a.yaml:1:26", "shops.one.imports.env.currency": "USD | a.yaml:1:67"}
    assert [text.partition(" | ")[0] for text in inside.values()] == ["parts_app:anything", "ref env.currency"]


def test_what_is_inside_of_a_subsystem_in_a_file_has_its_places() -> None:
    """Values of a subsystem that a file says have their places in it."""
    text = "a: {s: {subsystem: {env: {port: !or [!env PORT, 1], key: !secret x123}, b: {c: !ref env.port}}}}"
    found = said(explained(text))
    assert found["a.s.env.port"] == "1 | a.yaml:1:49"
    assert found["a.s.env.key"].startswith("*** | ")
    assert found["a.s.b.c"] == "ref env.port | a.yaml:1:80"


def test_a_system_without_files() -> None:
    """Everything is from Python; components with the line where they are written."""
    system = System({"env": {"a": 1, "b": {"c": Secret("x")}}, "db": {"pool": parts.pool(dsn=ref("env.a"))}})
    found = said(config.explain(system))
    assert (found["env.a"], found["env.b.c"]) == ("1 | python", "*** | python")
    origin = config.explain(system)["db.pool.config.dsn"].origin
    assert origin.site is not None
    assert (origin.kind, Path(origin.site.file).name) == ("python", Path(__file__).name)


def test_settings_over_a_system_written_in_python() -> None:
    """What the file says is from there, the rest from Python."""
    system = System({"env": {"a": 1, "b": {"c": 2, "d": 3}}, "db": {"pool": parts.pool(dsn="x", hosts=["y"])}})
    found = config.explain(settings("env: {b: {c: 4}}\ndb: {pool: {config: {dsn: z}}}").over(system).system())
    texts = said(found)
    assert (texts["env.a"], texts["env.b.c"], texts["env.b.d"]) == ("1 | python", "4 | a.yaml:1:14", "3 | python")
    assert texts["db.pool.config.dsn"] == "z | a.yaml:2:27"
    assert found["db.pool.config.hosts"].origin.kind == "python"
    assert found["db.pool"].shown == "parts_app:pool"
    assert found["db.pool"].origin.kind == "python"


# --- Changes in Python ------------------------------------------------------------------------------------------------


def test_what_was_overridden_since_is_from_python_and_the_rest_from_where_it_was() -> None:
    """Value by value, in constants and in components."""
    text = """
        env: {a: 1, b: {c: 2, d: [1, 2]}, e: {f: 1}}
        db: {pool: {component: parts_app:pool, config: {dsn: a, max_size: 3}, tags: [x], doc: Pool.}}
    """
    before = settings(text).system()
    changed = before.override({
        "env.b.c": 9, "env.e": {"g": 1}, "db.pool.config.dsn": "b", "db.pool.config.hosts": ["h"], "db.pool.tags": ["y"],
    })  # fmt: skip
    found = said(config.explain(changed))
    default = found.pop("db.pool")
    assert default.startswith("parts_app:pool | a.yaml:3:24")
    assert found == {
        "env.a": "1 | a.yaml:2:10",
        "env.b.c": "9 | python",
        "env.b.d": "[1, 2] | a.yaml:2:26",
        "env.e.g": "1 | python",
        "db.pool.config.dsn": "b | python",
        "db.pool.config.max_size": "3 | a.yaml:3:67",
        "db.pool.config.hosts": "[h] | python",
        "db.pool.tags": "[y] | python",
        "db.pool.doc": "Pool. | a.yaml:3:87",
    }
    assert said(config.explain(before))["env.b.c"] == "2 | a.yaml:2:20"


def test_a_component_that_was_exchanged_since_is_from_python() -> None:
    """By another one, or by a value."""
    before = settings(
        "db: {pool: {component: parts_app:pool, config: {dsn: a}}, b: {component: parts_app:pool}}"
    ).system()
    found = config.explain(before.override({"db.pool": component(parts.function)(size=1), "db.b": "fake"}))
    assert found["db.pool"].shown == "parts_app:function"
    assert found["db.pool"].origin.kind == "python"
    assert found["db.pool.config.size"].origin.kind == "python"
    assert str(found["db.b"].origin) == "python"


def test_what_was_added_since_is_from_python() -> None:
    """And merges keep the places."""
    before = settings("env: {a: 1}").system()
    found = said(config.explain(before.add({"env.b": 2}).merge(System({"x": {"y": 1}}))))
    assert found == {"env.a": "1 | a.yaml:1:10", "env.b": "2 | python", "x.y": "1 | python"}


# --- As text and as data ----------------------------------------------------------------------------------------------

TEXT = """
    env:
      port: !int [!env PORT]
      hosts: [a, b]
      key: !secret [!env KEY]
      "a.b": {c: 1}
      size: !profile {dev: 1, prod: 2}
    prod: !when [!profile {prod: true, default: false}, {only: 1}]
"""
ENVIRON = {"PORT": "80", "KEY": "hunter2"}


def test_as_text_it_is_a_tree() -> None:
    """Groups and mappings once, values beside them; no secret."""
    assert str(settings(TEXT, environ=ENVIRON, profile="dev").explain()) == dedent("""\
        env
          port   80      environment variable PORT, a.yaml:3:15
          hosts  [a, b]  a.yaml:4:10
          key    ***     environment variable KEY, a.yaml:5:17
          "a.b"
            c    1       a.yaml:6:14
          size   1       a.yaml:7:24""")


def test_as_data_it_is_by_path() -> None:
    """Value, origin and place."""
    found = settings(TEXT, environ=ENVIRON, profile="dev").explain()
    assert found.profiles == ("dev",)
    data = found.as_dict()
    assert data["env.port"] == {"value": "80", "origin": "environment variable", "what": "PORT", "place": "a.yaml:3:15"}
    assert data["env.key"]["value"] == "***"
    assert list(data) == ["env.port", "env.hosts", "env.key", 'env."a.b".c', "env.size"]
    assert len(found) == 5


def test_a_value_is_looked_up_by_path() -> None:
    """As paths are written everywhere, or by its number."""
    found = settings(TEXT, environ=ENVIRON, profile="dev").explain()
    assert found['env."a.b".c'].shown == "1"
    assert found[0] is found["env.port"]
    assert [value.shown for value in found[:2]] == ["80", "[a, b]"]
    with pytest.raises(LookupError):
        found["env.prot"]


def test_profiles_are_compared() -> None:
    """What is another value, what is only in one."""
    said = settings(TEXT, environ=ENVIRON, profile="dev")
    assert said.explain().diff(said.with_profile("prod").explain()) == dedent("""\
        ~  env.size   1 -> 2  (a.yaml:7:24 -> a.yaml:7:33)
        +  prod.only  1       (a.yaml:8:60)""")
    assert said.with_profile("prod").explain().diff(said.explain()).splitlines()[1].startswith("-  prod.only")
    assert said.explain().diff(said.explain()) == ""


def test_two_secrets_are_compared_without_being_shown() -> None:
    """That they differ is said; that they do not, too, by saying nothing."""
    text = "env: {a: !secret [!profile {dev: hunter2, prod: hunter3}], b: !secret [!profile {dev: same, prod: same}]}"
    said = settings(text, profile="dev")
    found = said.explain().diff(said.with_profile("prod").explain())
    assert found.startswith("~  env.a")
    assert len(found.splitlines()) == 1
    assert "hunter" not in found


def test_no_secret_is_shown_anywhere() -> None:
    """As a constant, in an argument, in a list, in what is built, in a default, in an import."""
    text = """
        env: {a: !secret hunter2, b: [!secret hunter2, {c: !secret hunter2}], d: !join [x, !secret hunter2]}
        db: {p: {component: parts_app:anything, config: {a: !secret hunter2, b: [!secret hunter2],
             c: !build {target: parts_app:Point, args: [!secret hunter2]}}}}
        shops: {one: {subsystem: parts_app:inner, imports: {env.currency: !secret hunter2}}}
        m: {n: {module: modules_app:with_kwargs, config: {k: !secret hunter2}}}
    """
    said = settings(text)
    system = said.system(values="as written")
    for found in (
        said.explain(),
        said.explain(expand=False),
        config.explain(system),
        config.explain(system, expand=True),
    ):
        assert "hunter2" not in str(found)
        assert "hunter2" not in repr(list(found))
        assert "hunter2" not in str(found.as_dict())
        assert found["env.a"].shown == "***"
    changed = system.override({"env.a": Secret("hunter2"), "db.p.config.a": Secret("hunter2")})
    assert "hunter2" not in str(config.explain(changed))


def test_long_values_are_cut_off_in_the_tree_only() -> None:
    """As data they are whole."""
    found = settings(f"env: {{a: {'x' * 200}}}").explain()
    assert "x" * 100 not in str(found)
    assert found["env.a"].shown == "x" * 200


def test_an_empty_system_has_no_values() -> None:
    """As text nothing."""
    assert str(config.explain(System({}))) == ""
    assert len(settings("").explain()) == 0


def test_what_is_said_of_the_system_as_a_whole_is_not_among_the_values() -> None:
    """It is about the system, not in it."""
    assert said(settings("mainspring: {name: x}\n$schema: s.json\nenv: {a: 1}").explain()) == {
        "env.a": "1 | a.yaml:3:10"
    }


def test_modules_that_are_not_there_cannot_be_expanded() -> None:
    """With what is near."""
    made = settings("m: {n: {module: modules_app:pinned}}").system()
    assert modules_app.pinned()["env"]["port"] == 80
    with pytest.raises(Exception, match=r"There is no module m\.x to be expanded"):
        config.explain(made, expand=["m.x"])
