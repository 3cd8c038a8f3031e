"""Settings from files for a system written in Python: what they reach, what they leave alone, and what they refuse."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "files"))

import parts_app as parts

from mainspring import (
    BadOverride,
    Component,
    CycleError,
    DefinitionError,
    Problem,
    Secret,
    Signal,
    System,
    build,
    component,
    config,
    opaque,
    ref,
    required,
    subsystem,
)
from mainspring.config import tags

SYSTEM = System(
    {
        "env": {
            "dsn": "sqlite:",
            "http": {"port": 80, "hosts": ["a", "b"]},
            "empty": {},
            "key": Secret("hunter2"),
            "pair": (1, 2),
            "alias": ref("env.dsn"),
        },
        "db": {
            "pool": parts.pool(dsn=ref("env.dsn"), hosts=["x"]).replace(
                tags=["store"], pre={"start": {"one": parts.before, "two": parts.after}}
            ),
            "ready": parts.ready,
        },
        "web": {
            "server": component(parts.Server)(port=ref("env.http.port"), handler={"a": {"b": 1, "c": ref("env.dsn")}})
        },
        "shops": {"one": subsystem(parts.inner), "two": subsystem(parts.inner, {"env.currency": "GBP"})},
    },
    name="shop",
    workers=2,
    signals=[Signal("ping")],
    deadlines={"start": 3},
)


def over(text: str, system: System = SYSTEM, **options: Any) -> System:
    """The system with settings over it, of the file a.yaml."""
    source = config.text(dedent(text), "yaml", name="a.yaml")
    return config.load(source, system=system, environ={}, **options)


def problems(text: str, system: System = SYSTEM) -> list[Problem]:
    """What is wrong with settings."""
    with pytest.raises(DefinitionError) as caught:
        over(text, system)
    return list(caught.value.problems)


def problem(text: str, system: System = SYSTEM) -> Problem:
    """The one thing that is wrong with settings."""
    (found,) = problems(text, system)
    return found


def place(found: Problem) -> str:
    """Line and column, and what is wrong where."""
    assert found.site is not None
    assert found.site.file == "a.yaml"
    return f"{found.site.line}:{found.site.column} {found.id} {'.'.join(map(str, found.path))}".strip()


# --- What they reach --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("env: {dsn: b}", {"env.dsn": "b"}),
        ("env: {http: {port: 0}}", {"env.http.port": 0}),
        ("env: {http: {hosts: [c]}}", {"env.http.hosts": ["c"]}),
        ("env: {http: {hosts: !append [c]}}", {"env.http.hosts": ["a", "b", "c"]}),
        ("env: {http: {hosts: !prepend [c]}}", {"env.http.hosts": ["c", "a", "b"]}),
        ("env: {http: !replace {other: 1}}", {"env.http": {"other": 1}}),
        ("env: {empty: {a: 1}}", {"env.empty": {"a": 1}}),
        ("env: {alias: 3}", {"env.alias": 3}),
        ("env: {alias: !ref env.http}", {"env.alias": ref("env.http")}),
        ("env: {key: !secret other}", {"env.key": Secret("other")}),
        ("env: {dsn: null}", {"env.dsn": None}),
        ("env: {dsn: {a: 1}}", {"env.dsn": {"a": 1}}),
        ("env: {http: 3}", {"env.http": 3}),
        ("env/dsn: b", {"env.dsn": "b"}),
        ("db: {pool: {config: {max_size: 3}}}", {"db.pool.config.max_size": 3}),
        ("db: {pool: {config: {max-size: 3}}}", {"db.pool.config.max_size": 3}),
        ("db: {pool: {config: {dsn: b}}}", {"db.pool.config.dsn": "b"}),
        ("db: {pool: {config: {hosts: !append [y]}}}", {"db.pool.config.hosts": ["x", "y"]}),
        ("db: {pool: {config: !replace {dsn: z}}}", {"db.pool.config": {"dsn": "z"}}),
        ("web: {server: {config: {handler: {a: {b: 2}}}}}", {"web.server.config.handler.a.b": 2}),
        ("web: {server: {config: {handler: {a: !replace {b: 2}}}}}", {"web.server.config.handler.a": {"b": 2}}),
        ("db: {pool: {tags: [big]}}", {"db.pool.tags": ["big"]}),
        ("db: {pool: {enabled: false}}", {"db.pool.enabled": False}),
        ("db: {pool: {enabled: !ref env.dsn}}", {"db.pool.enabled": ref("env.dsn")}),
        ("db: {pool: {deadlines: 3, retry: 2, doc: Other.}}",
         {"db.pool.deadlines": 3, "db.pool.retry": 2, "db.pool.doc": "Other."}),
        ("db: {pool: {status: parts_app:look}}", {"db.pool.status": parts.look}),
        ("db: {pool: {pre: {start: {one: parts_app:after}}}}", {"db.pool.pre.start.one": parts.after}),
        ("db: {ready: {config: {b: {c: 3}}}}", {"db.ready.config.b.c": 3}),
        ("db: {pool: {component: builtins:dict, config: !replace {a: 1}}}", {"db.pool": Component(dict, config={"a": 1})}),
        ("db: {pool: !replace {component: builtins:dict}}", {"db.pool": Component(dict)}),
        ("shops: {one: {tags: [a]}}", {"shops.one.tags": ["a"]}),
        ("shops: {two: {imports: {env.currency: USD}}}", {"shops.two.imports.env.currency": "USD"}),
        ("shops: {two: {imports: {env: {currency: !ref env.dsn}}}}", {"shops.two.imports.env.currency": ref("env.dsn")}),
        ("", {}),
        ("env:\ndb:\nmainspring:", {}),
        ("db: {pool: {}}", {}),
        ("db: {pool: a fake}", {"db.pool": "a fake"}),
        ("db: {pool: !ref db.ready}", {"db.pool": ref("db.ready")}),
        ("db: {pool: {config: {}}}", {}),
    ],
)  # fmt: skip
def test_settings_are_what_an_override_is(text: str, changes: dict[str, Any]) -> None:
    """Deep into constants, configs and slots; what is not named stays."""
    if "{pool: {component" in text or "{pool: !replace {component" in text:
        expected = SYSTEM.override(changes)
        assert over(text)["db.pool"].config == expected["db.pool"].config
        assert over(text)["db.pool"] == expected["db.pool"].replace(
            doc=over(text)["db.pool"].doc, tags=over(text)["db.pool"].tags, pre=over(text)["db.pool"].pre
        )
        return
    assert over(text, values="as written") == SYSTEM.override(changes)


def test_a_handler_that_is_added_stands_beside_those_that_there_are() -> None:
    """Of a signal, and before and after one."""
    pre = "{start: {three: parts_app:before}, stop: parts_app:after}"
    made = over(f"db: {{pool: {{handlers: {{ping: parts_app:reload}}, pre: {pre}}}}}")
    pool = made["db.pool"]
    assert set(pool.handlers) == {"status", "ping"}
    assert list(pool.pre["start"]) == ["one", "two", "three"]
    assert list(pool.pre["stop"].values()) == [parts.after]


def test_what_is_not_named_is_the_same_object() -> None:
    """Components are not made anew, so that handlers with a state in them stay."""
    made = over("env: {dsn: b}\ndb: {pool: {config: {max_size: 3}}}")
    assert made["web.server"] is SYSTEM["web.server"]
    assert made["db.ready"] is SYSTEM["db.ready"]
    assert made["shops.one"] is SYSTEM["shops.one"]
    assert made["db.pool"] is not SYSTEM["db.pool"]
    assert made.groups["db"].keys() == SYSTEM.groups["db"].keys()


def test_settings_that_say_the_same_give_an_equal_system() -> None:
    """Whatever the files are."""
    assert over("env: {dsn: 'sqlite:', http: {port: 80}}\ndb: {pool: {config: {hosts: [x]}}}") == SYSTEM


def test_what_the_system_is_as_a_whole_stays() -> None:
    """Its name, signals, workers, deadlines."""
    made = over("env: {dsn: b}")
    assert (made.name, "ping" in made.signals) == ("shop", True)
    assert made == SYSTEM.override({"env.dsn": "b"})


def test_the_section_about_the_system_counts_over_what_it_is() -> None:
    """Name, workers, deadlines, signals; a base and plugins are added."""
    text = """
        mainspring: {name: other, workers: 4, signals: [pong], base: {tags: [all]}, plugins: [parts_app:doc]}
        env: {dsn: b}
    """
    made = over(text)
    assert made.name == "other"
    assert {"ping", "pong"} <= set(made.signals)
    assert made["plugged.in"] is True
    expected = SYSTEM.override({"env.dsn": "b"}).merge(
        System({}, name="other", workers=4, signals=[Signal("pong")]), winner="right"
    )
    assert made == expected.with_base({"tags": ["all"]}).with_plugins(parts.doc)


def test_a_component_and_a_group_may_be_added() -> None:
    """Where the file says what they are."""
    text = """
        db: {more: {component: parts_app:pool, config: {dsn: !ref env.dsn}}}
        jobs: {server: {component: parts_app:function, config: {size: 3}}, inner: {subsystem: parts_app:inner}}
    """
    made = over(text)
    assert made == SYSTEM.add(
        {
            "db.more": parts.pool(dsn=ref("env.dsn")),
            "jobs": {"server": component(parts.function)(size=3), "inner": subsystem(parts.inner)},
        }
    )


def test_a_component_may_take_the_place_of_a_constant() -> None:
    """With the settings of the constant gone."""
    assert isinstance(over("env: {dsn: {component: parts_app:function}}")["env.dsn"], Component)


def test_references_of_the_settings_see_the_system_below() -> None:
    """Values that are asked for while the file is read, too."""
    made = over("env: {dsn: !join [!ref env.dsn2, x], dsn2: a}", SYSTEM.add({"env.dsn2": "y"}))
    assert made["env.dsn"] == "ax"
    made = over("env: {dsn: !template ['{}:{}', host, !ref env.http.port]}")
    assert made["env.dsn"] == "host:80"


def test_what_is_required_below_may_be_given() -> None:
    """And where it is not, that is told by check."""
    system = System({"env": {"dsn": required, "other": 1}})
    assert over("env: {dsn: a}", system)["env.dsn"] == "a"
    (found,) = over("env: {other: 2}", system).check()
    assert found.hint == "Write it in a file that is laid on top, or give it on the command line: --set env.dsn=..."


def test_keys_with_a_dollar_in_the_system_below_are_no_tags() -> None:
    """They are data of Python."""
    system = System({"env": {"a": {"$env": "HOME"}, "b": {"$x": 1, "y": {"$$z": 2}}, "c": 3}})
    assert over("env: {c: 4, b: {y: {$$$z: 3}}}", system) == system.override({"env.c": 4, ("env", "b", "y", "$$z"): 3})


def test_values_of_every_kind_below_stay_as_they_are() -> None:
    """Where they are in a mapping that settings are laid over, too."""
    others = {"tuple": (1, [2]), "set": {1, 2}, "bytes": b"a", "type": dict, "built": build(parts.Point, ref("env.x")),
              "opaque": opaque([ref("a.b")]), "secret": Secret("s"), "none": None, "ref": ref("env.x"), 3: 4}  # fmt: skip
    system = System({"env": {"all": {**others, "n": 1}, "x": 1}, "c": {"d": component(parts.anything)(a=others, n=1)}})
    made = over("env: {all: {n: 2}}\nc: {d: {config: {n: 2}}}", system)
    assert made == system.override({"env.all.n": 2, "c.d.config.n": 2})


def test_profiles_choose_among_settings() -> None:
    """As in a file that says a system."""
    text = "env: {dsn: !profile {dev: a, prod: b}}"
    assert [over(text, profile=one)["env.dsn"] for one in ("dev", "prod")] == ["a", "b"]


def test_a_file_may_name_the_system_that_it_is_for(tmp_path: Path) -> None:
    """Under mainspring.system, by its name or its place."""
    file = tmp_path / "a.yaml"
    file.write_text("mainspring: {system: parts_app:inner}\nenv: {currency: USD}\n")
    assert config.load(file) == parts.inner.override({"env.currency": "USD"})
    with config.load(file).started() as live:
        assert live["prices.list"] == {"in": "USD"}


def test_settings_that_are_for_themselves_are_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a name, and over another file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("mainspring: {system: b.yaml}\n")
    (tmp_path / "b.yaml").write_text("mainspring: {system: a.yaml}\n")
    with pytest.raises(CycleError) as caught:
        config.load("a.yaml")
    assert len(caught.value.problems) == 1


def test_settings_may_be_for_a_system_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the places of both are known."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text("env: {a: 1, b: 2}\n")
    (tmp_path / "local.yaml").write_text("mainspring: {system: base.yaml}\nenv: {b: 3}\n")
    made = config.load("local.yaml")
    assert made == System({"env": {"a": 1, "b": 3}})
    found = config.explain(made)
    assert [str(value.origin) for value in found] == ["base.yaml:1:10", "local.yaml:2:10"]


def test_the_base_may_have_come_from_files_itself() -> None:
    """Then the places of both are known."""
    base = config.load(
        config.text(
            "env: {a: 1, b: {c: 2}}\nx: {y: {component: builtins:dict, config: {k: !ref no.one}}}",
            "yaml",
            name="b.yaml",
        )
    )
    made = over("env: {b: {c: 3}}", base)
    assert made.groups["env"] == {"a": 1, "b": {"c": 3}}
    found = config.explain(made)
    assert str(found["env.a"].origin) == "b.yaml:1:10"
    assert str(found["env.b.c"].origin) == "a.yaml:1:14"
    assert [str(p.site) for p in made.check()] == ["b.yaml:2:47"]


def test_settings_of_python_objects_count_as_settings() -> None:
    """A mapping, with tags; several layers, the later ones on top."""
    made = config.load(
        {"env": {"dsn": tags.env("DSN"), "http": {"port": 1}}},
        {"env": {"http": {"port": 2}}},
        system=SYSTEM,
        environ={"DSN": "x"},
    )
    assert made == SYSTEM.override({"env.dsn": "x", "env.http.port": 2})


def test_settings_over_a_system_by_its_place() -> None:
    """As `System.named` takes it."""
    made = config.load({"env": {"currency": "USD"}}, system="parts_app:inner")
    assert made == parts.inner.override({"env.currency": "USD"})


def test_an_entry_of_the_system_may_be_removed() -> None:
    """Where the file says so, an argument falls back to its default."""
    made = over("db: {pool: {config: {hosts: !remove }}}")
    assert "hosts" not in made["db.pool"].config


# --- What they refuse -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("env: {dns: b}", "1:12 env.dns", "Did you mean env.dsn or env.alias?"),
        ("evn: {dsn: b}", "1:12 evn.dsn", "Did you mean env.dsn?"),
        ("env: {http: {prot: 1}}", "1:20 env.http prot", "Did you mean port?"),
        ("env: {http: {prot: 1}}", "1:20 env.http prot", "!replace"),
        (
            "env:\n  http:\n    hosts: [c]\n    more: {a: 1}",
            "4:11 env.http more",
            "a key that the constant does not have",
        ),
        ("db: {pol: {config: {max_size: 3}}}", "1:11 db.pol", "Did you mean db.pool?"),
        ("db: {pool: {config: {maxsize: 3}}}", "1:31 db.pool config.maxsize", "Did you mean max_size?"),
        ("db: {pool: {confg: {max_size: 3}}}", "1:20 db.pool confg", "Did you mean config?"),
        ("db: {pool: {max_size: 3}}", "1:23 db.pool max_size", "write it under config"),
        ("db: {pool: [1]}", "1:12 db.pool", "component"),
        ("db: 3", "1:5 None db", "The group db is 3"),
        ("db: {pool: {status: parts_app:lok}}", "1:21 db.pool status", "Did you mean look?"),
        ("db: {pool: {thread: mine}}", "1:21 db.pool thread", "thread is 'mine'"),
        ("jobs: {a: {b: 1}}", "1:11 jobs.a", "A component is added with component:"),
        ("shops: {one: {config: {a: 1}}}", "1:23 shops.one config", "config"),
        ("shops: {one: {imports: {env.curency: USD}}}", "1:38 shops.one imports.env.curency", "env.currency"),
        ("db: {pool: {config: {dsn: !int x}}}", "1:27 db.pool config.dsn", "is not a whole number"),
    ],
)
def test_what_reaches_nothing_is_refused_with_its_place(text: str, where: str, what: str) -> None:
    """A setting of nothing is a mistake in spelling, and said with what is near."""
    try:
        found = problem(text)
    except pytest.fail.Exception:
        (found,) = over(text).check()
    assert what in str(found)
    assert place(found) == where


def test_all_that_reaches_nothing_is_told_at_once() -> None:
    """Each with its place."""
    text = "env: {dns: b, http: {prot: 1, hots: 2}}\ndb: {pol: 3, pool: {confg: 1}}"
    assert [place(found) for found in problems(text)] == [
        "1:12 env.dns",
        "1:28 env.http prot",
        "1:37 env.http hots",
        "2:11 db.pol",
        "2:28 db.pool confg",
    ]
    assert {found.error for found in problems(text)[:4]} == {BadOverride}


def test_a_setting_of_a_subsystem_goes_through_its_imports() -> None:
    """What is inside of it is set by them."""
    made = over("shops: {one: {imports: {env.currency: USD}}}")
    assert made == SYSTEM.override({"shops.one": subsystem(parts.inner, {"env.currency": "USD"})})


def test_two_layers_of_settings_reach_one_component() -> None:
    """The later one wins, argument by argument."""
    made = config.load(
        config.text("db: {pool: {config: {max_size: 3, dsn: a}}}", "yaml"),
        config.text("db: {pool: {config: {max-size: 4}}}", "yaml"),
        system=SYSTEM,
    )
    assert made == SYSTEM.override({"db.pool.config.max_size": 4, "db.pool.config.dsn": "a"})


def test_later_layers_change_what_earlier_ones_added() -> None:
    """A component that a file adds is there for the next file."""
    made = config.load(
        config.text("jobs: {one: {component: parts_app:function, config: {size: 3}, tags: [a]}}", "yaml"),
        config.text("jobs: {one: {config: {size: 4}}}", "yaml"),
        system=SYSTEM,
    )
    assert made["jobs.one"] == component(parts.function)(size=4).replace(tags=["a"])
