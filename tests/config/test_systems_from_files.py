"""Systems from files: everything that a definition can say, each mistake with its place, and nothing imported before."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent / "files"))

import parts_app as parts

from mainspring import (
    BadComponent,
    BadFile,
    BadTag,
    Component,
    CycleError,
    DefinitionError,
    Problem,
    Retry,
    Secret,
    Signal,
    System,
    UnknownReference,
    UnknownSystem,
    build,
    component,
    config,
    local_ref,
    one_tagged,
    ref,
    required,
    subsystem,
    tagged,
)
from mainspring.config import tags


def load(text: str, format: str = "yaml", **options: Any) -> System:
    """The system that a text says, as the file a.yaml."""
    source = config.text(dedent(text), format, name=f"a.{format}")
    return config.load(source, environ=options.pop("environ", {}), **options)


def one(text: str, **options: Any) -> Any:
    """The component or constant x.y of a text, which may refer to a few constants and components beside it."""
    return load(
        AROUND + "x:\n  y:\n" + dedent(text).strip("\n").replace("\n", "\n    ").join(["    ", "\n"]), **options
    )


AROUND = """\
env: {dsn: "sqlite:", http: {port: 80, hosts: [a, b]}, debug: false}
db:
  pool: {component: "parts_app:pool", config: {dsn: !ref env.dsn}, tags: [store]}
"""


def around(made: Any) -> System:
    """The same in Python, with something at x.y."""
    return System(
        {
            "env": {"dsn": "sqlite:", "http": {"port": 80, "hosts": ["a", "b"]}, "debug": False},
            "db": {"pool": parts.pool(dsn=ref("env.dsn")).replace(tags=["store"])},
            "x": {"y": made},
        }
    )


def problems(text: str, error: type[DefinitionError] = DefinitionError, **options: Any) -> list[Problem]:
    """What is wrong with a text."""
    with pytest.raises(error) as caught:
        load(text, **options)
    return list(caught.value.problems)


def problem(text: str, error: type[DefinitionError] = DefinitionError, **options: Any) -> Problem:
    """The one thing that is wrong with a text."""
    (found,) = problems(text, error, **options)
    return found


def at(found: Problem) -> str:
    """The place of a problem: line and column in the file a.yaml, of what, and where in it."""
    assert found.site is not None
    assert found.site.file == "a.yaml"
    where = f"{found.id or ''} {'.'.join(map(str, found.path))}".strip()
    return f"{found.site.line}:{found.site.column} {where}".strip()


# --- Components of every kind -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("component: parts_app:pool\nconfig: {dsn: a}", parts.pool(dsn="a")),
        ("component: parts_app:pool\nconfig: {dsn: a, max_size: 3}", parts.pool(dsn="a", max_size=3)),
        ("component: parts_app:pool\nconfig: {dsn: a, max-size: 3}", parts.pool(dsn="a", max_size=3)),
        ("component: parts_app:feed\nconfig: {host: h}", parts.feed(host="h")),
        ("component: parts_app:generator", component(parts.generator)()),
        ("component: parts_app:generator\nconfig:", component(parts.generator)()),
        ("component: parts_app:function\nconfig: {size: 2}", component(parts.function)(size=2)),
        (
            "component: parts_app:function\nstop: parts_app:close\nconfig: {size: 2}",
            component(parts.function, stop=parts.close)(size=2),
        ),
        ("component: parts_app:entered\nenter: true\nconfig: {name: n}", component(parts.entered, enter=True)(name="n")),
        ("component: builtins:dict\nconfig: {a: 1}", Component(dict, config={"a": 1})),
        ("component: parts_app:ready", parts.ready),
        ("component: parts_app:ready\nconfig: {a: 2}", parts.ready.replace(config={"a": 2, "b": {"c": 2}})),
        ("component: parts_app:ready\nstatus: parts_app:look", parts.ready.replace(status=parts.look)),
        ("component: parts_app:ready\ntags: [other]", parts.ready.replace(tags=["other"])),
        ("component: !import parts_app:pool\nconfig: {dsn: a}", parts.pool(dsn="a")),
        ("component: parts_app:anything\nconfig: {hosts: [a, b], n: {m: null}, t: !!set {a: , b: }}",
         component(parts.anything)(hosts=["a", "b"], n={"m": None}, t={"a", "b"})),
    ],
)  # fmt: skip
def test_a_component_is_the_one_written_in_python(text: str, made: Any) -> None:
    """Component functions, bare functions, classes, context managers, definitions."""
    assert one(text) == around(made)


def test_a_class_is_started_and_stopped() -> None:
    """Keys with hyphens and question marks are arguments with underscores and without."""
    parts.said.clear()
    system = one('component: parts_app:Server\nconfig: {port: 80, "is-open?": true, handler: !ref db.pool}')
    with system.started() as live:
        server = live.get("x.y", parts.Server)
        assert (server.port, server.is_open) == (80, True)
        assert server.handler is live["db.pool"]
    assert parts.said == ["server up 80", "server down 80"]


def test_a_component_that_is_named_twice_is_imported_once() -> None:
    """Two components of one function are equal, and two of one file are the same kind."""
    system = load("a:\n  b: {component: parts_app:function}\n  c: {component: parts_app:function}\n")
    assert system["a.b"] == system["a.c"]
    assert load("a: {b: {component: parts_app:Server}}") == load("a: {b: {component: parts_app:Server}}")


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("status: parts_app:look", {"status": parts.look}),
        ("suspend: parts_app:close\nresume: parts_app:look", {"suspend": parts.close, "resume": parts.look}),
        ("status: parts_app:Handlers.look", {"status": parts.look}),
        ("status: !import parts_app:look", {"status": parts.look}),
        ("handlers: {reload: parts_app:reload}", {"handlers": {"reload": parts.reload}}),
        ("handlers: {reload: parts_app:reload, status: parts_app:look}",
         {"handlers": {"reload": parts.reload}, "status": parts.look}),
        ("pre: {start: parts_app:before}", {"pre": {"start": parts.before}}),
        ("pre: {start: [parts_app:before, parts_app:after]}", {"pre": {"start": [parts.before, parts.after]}}),
        ("post: {stop: {one: parts_app:before, two: parts_app:after}}",
         {"post": {"stop": {"one": parts.before, "two": parts.after}}}),
        ("resolve: parts_app:doubled", {"resolve": parts.doubled}),
        ("doc: Makes connections.", {"doc": "Makes connections."}),
        ("tags: [slow, big]", {"tags": ["slow", "big"]}),
        ("tags: !!set {slow: , big: }", {"tags": ["slow", "big"]}),
        ("enabled: false", {"enabled": False}),
        ("enabled: !ref env.debug", {"enabled": ref("env.debug")}),
        ("deadlines: 3", {"deadlines": 3}),
        ("deadlines: {start: 2.5, '*': 3}", {"deadlines": {"start": 2.5, "*": 3}}),
        ("retry: 5", {"retry": 5}),
        ("retry: {times: 5, wait: 0.5, factor: 3}", {"retry": Retry(5, wait=0.5, factor=3)}),
        ("retry: {times: 5, on: ConnectionError}", {"retry": Retry(5, on=ConnectionError)}),
        ("retry: {on: [OSError, subprocess:TimeoutExpired]}",
         {"retry": Retry(on=(OSError, __import__("subprocess").TimeoutExpired))}),
        ("thread: worker", {"thread": "worker"}),
        ("on_crash: dependents", {"on_crash": "dependents"}),
        ("schema: parts_app:fits", {"schema": parts.fits}),
        ("instance_schema: parts_app:Point", {"instance_schema": parts.Point}),
        ("cached: true", {"cached": True}),
        ("cached: key", {"cached": "key"}),
        ("tags: [a]\nstatus:\nretry: null", {"tags": ["a"]}),
        ("tags: !when [false, [a]]", {}),
    ],
)  # fmt: skip
def test_every_slot_is_the_one_written_in_python(text: str, slots: dict[str, Any]) -> None:
    """Handlers by the text of an import, numbers and texts as they are."""
    made = one(f"component: parts_app:function\n{text}", values="as written")
    assert made == around(component(parts.function)().replace(**slots))


def test_handlers_of_a_component_function_stay() -> None:
    """What the file adds is beside those that are attached in Python."""
    system = one("component: parts_app:pool\nconfig: {dsn: a}\nhandlers: {reload: parts_app:reload}\n")
    assert set(system["x.y"].handlers) == {"status", "reload"}


def test_a_handler_of_the_file_replaces_the_one_in_python() -> None:
    """Of the same signal."""
    system = one("component: parts_app:pool\nconfig: {dsn: a}\nstatus: parts_app:look\n")
    assert system["x.y"].handlers == {"status": parts.look}


# --- References -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("!ref db.pool", ref("db.pool")),
        ("!ref [db, pool]", ref("db", "pool")),
        ("!ref db/pool", ref("db.pool")),
        ("!ref env.http.hosts.0", ref("env.http.hosts.0")),
        ("!ref [env, http, hosts, 0]", ref("env", "http", "hosts", 0)),
        ("!ref env", ref("env")),
        ("!ref {path: db.pool, optional: true}", ref("db.pool", optional=True)),
        ("!local_ref z", local_ref("z")),
        ("!local-ref {path: z, optional: true}", local_ref("z", optional=True)),
        ("!tagged store", tagged("store")),
        ("!tagged {tag: none, optional: true}", tagged("none", optional=True)),
        ("!one_tagged store", one_tagged("store")),
        ("!one_tagged {tag: store, path: dsn}", one_tagged("store", "dsn")),
        ("!one_tagged {tag: none, optional: true}", one_tagged("none", optional=True)),
        ("!ig/ref db/pool", ref("db.pool")),
        ("!ig/refset store", tagged("store")),
        ("[!ref db.pool, {deep: !ref env.dsn}]", [ref("db.pool"), {"deep": ref("env.dsn")}]),
        ("!required ", required),
        ("!build {target: parts_app:Point, args: [!ref env.http.port], kwargs: {y: 2}}",
         build(parts.Point, ref("env.http.port"), y=2)),
        ("!build {target: parts_app:Point, args: [!build {target: builtins:list}]}", build(parts.Point, build(list))),
        ("!import parts_app:Server", parts.Server),
        ("!import math:pi", __import__("math").pi),
        ("!value env.http.port", 80),
        ("!value env.http", {"port": 80, "hosts": ["a", "b"]}),
    ],
)  # fmt: skip
def test_every_reference_is_the_one_written_in_python(text: str, made: Any) -> None:
    """Into components, constants, groups; optional; in the same group; by tag; and what is built of them."""
    text = f"component: parts_app:anything\nconfig: {{a: {text}}}"
    expected = around(component(parts.anything)(a=made))
    assert one(text, values="as written")["x.y"] == expected["x.y"]


def test_references_are_resolved_at_start() -> None:
    """Deep ones, whole groups, those by tag, and what is built."""
    text = """
        component: parts_app:anything
        config:
          pool: !ref db.pool
          port: !ref env.http.port
          first: !ref [env, http, hosts, 0]
          group: !ref db
          stores: !tagged store
          store: !one_tagged {tag: store, path: dsn}
          point: !build {target: parts_app:Point, args: [!ref env.http.port], kwargs: {y: !ref env.dsn}}
          none: !ref {path: off.one, optional: true}
    """
    off = 'off:\n  one: {component: "builtins:dict", enabled: !ref env.debug}\n'
    system = load(off + AROUND + "x:\n  y:\n" + dedent(text).strip("\n").replace("\n", "\n    ").join(["    ", "\n"]))
    with system.started() as live:
        given, pool = live["x.y"], live["db.pool"]
        assert given["pool"] is pool
        assert (given["port"], given["first"], given["store"], given["none"]) == (80, "a", "sqlite:", None)
        assert given["group"]["pool"] is pool
        assert list(given["stores"].values()) == [pool]
        assert given["point"] == parts.Point(80, "sqlite:")


def test_a_constant_may_refer_and_be_an_alias() -> None:
    """A constant that is a reference alone, and one with references in it."""
    system = load(AROUND + "x: {port: !ref env.http.port, all: [!ref env.dsn, 1]}")
    assert system.groups["x"] == {"port": ref("env.http.port"), "all": [ref("env.dsn"), 1]}
    with system.started() as live:
        assert live["x"] == {"port": 80, "all": ["sqlite:", 1]}


def test_a_component_may_be_a_constant_in_another_group() -> None:
    """An alias of a component."""
    system = load(AROUND + "x: {main: !ref db.pool}")
    with system.started() as live:
        assert live["x.main"] is live["db.pool"]


def test_objects_of_python_are_constants() -> None:
    """Imported when the system is built."""
    assert load("x: {pi: !import math:pi, server: !import parts_app:Server}").groups["x"]["server"] is parts.Server


def test_a_ready_component_may_be_imported_as_it_is() -> None:
    """As a whole entry."""
    assert load("x: {y: !import parts_app:ready}")["x.y"] is parts.ready


def test_groups_may_be_written_flat() -> None:
    """A key group/name, as Integrant has it."""
    nested = load("db: {a: 1, b: 2}\nenv: {c: 3}")
    assert load("db/a: 1\ndb/b: 2\nenv/c: 3") == nested
    assert load("{:db/a 1 :db/b 2 :env/c 3}", "edn") == nested
    found = problem("db/a: 1\ndb: {b: 2}", BadFile)
    assert "twice" in found.what
    assert at(found) == "2:5"


def test_groups_of_two_layers_may_be_written_in_both_ways() -> None:
    """One file nested, the other flat."""
    made = config.load(config.text("db: {a: 1, b: 1}", "yaml"), config.text("db/b: 2", "yaml"))
    assert made.groups == {"db": {"a": 1, "b": 2}}


def test_empty_sections_say_nothing() -> None:
    """A group without anything, and a file without anything."""
    assert load("") == System({})
    assert load("db:\nenv: {a: 1}") == System({"env": {"a": 1}})
    assert load("mainspring:\nenv: {a: 1}") == System({"env": {"a": 1}})
    assert load("$schema: system.schema.json\nenv: {a: 1}") == System({"env": {"a": 1}})


def test_an_entry_that_does_not_hold_is_not_there() -> None:
    """A component, a constant, a whole group, an argument."""
    text = """
        env: {a: 1, b: !when [false, 2]}
        off: !when [false, {a: 1}]
        db:
          pool: !when [false, {component: "no.such:thing"}]
          other: {component: "builtins:dict", config: {a: !when [false, 1], b: 2}}
    """
    made = load(text)
    assert {group: list(nodes) for group, nodes in made.groups.items() if nodes} == {"env": ["a"], "db": ["other"]}
    assert made["db.other"].config == {"b": 2}


# --- Subsystems -------------------------------------------------------------------------------------------------------


def test_a_subsystem_is_the_one_written_in_python() -> None:
    """By the module, and with imports and slots."""
    text = """
        env: {euro: EUR}
        shops:
          one:
            subsystem: parts_app:inner
            imports: {env.currency: !ref env.euro}
            tags: [shop]
            doc: The first.
            enabled: true
          two: {subsystem: "parts_app:make_inner"}
    """
    made = subsystem(parts.inner, {"env.currency": ref("env.euro")}, tags=["shop"], doc="The first.", enabled=True)
    assert load(text) == System({"env": {"euro": "EUR"}, "shops": {"one": made, "two": subsystem(parts.inner)}})
    with load(text).started() as live:
        assert live["shops.one.prices.list"] == {"in": "EUR"}


def test_a_subsystem_is_a_file_beside_this_one(tmp_path: Path) -> None:
    """With the same profile, and references from outside into it."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "shop.yaml").write_text(
        "env: {currency: !profile {dev: USD, default: EUR}}\n"
        'prices: {list: {component: "parts_app:anything", config: {in: !ref env.currency}}}\n'
    )
    (tmp_path / "a.yaml").write_text(
        "mainspring: {profiles: [dev, prod]}\n"
        "shops: {one: {subsystem: sub/shop.yaml}, two: {subsystem: sub/shop.yaml, imports: {env: {currency: GBP}}}}\n"
        'x: {y: {component: "parts_app:anything", config: {a: !ref shops.one.prices.list}}}\n'
    )
    inner = System(
        {"env": {"currency": "USD"}, "prices": {"list": component(parts.anything)(**{"in": ref("env.currency")})}}
    )
    made = config.load(tmp_path / "a.yaml", profile="dev")
    assert made.groups["shops"] == {"one": subsystem(inner), "two": subsystem(inner, {"env.currency": "GBP"})}
    with config.load(tmp_path / "a.yaml", profile="prod").started() as live:
        assert live["x.y"] == {"a": {"in": "EUR"}}


def test_a_subsystem_is_groups_in_the_same_file() -> None:
    """With everything that a file may say."""
    text = """
        env: {euro: EUR}
        shops:
          one:
            subsystem:
              mainspring: {name: shop}
              env: {currency: !required , size: !int "3"}
              prices: {list: {component: parts_app:anything, config: {in: !ref env.currency, size: !ref env.size}}}
            imports: {env.currency: !ref env.euro}
    """
    inner = System(
        {
            "env": {"currency": required, "size": 3},
            "prices": {"list": component(parts.anything)(**{"in": ref("env.currency"), "size": ref("env.size")})},
        },
        name="shop",
    )
    made = load(text)
    assert made == System(
        {"env": {"euro": "EUR"}, "shops": {"one": subsystem(inner, {"env.currency": ref("env.euro")})}}
    )


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("shops: {a: {subsystem: parts_app:iner}}", "1:24 shops.a subsystem", "inner"),
        ("shops: {a: {subsystem: no.yaml}}", "1:24 shops.a subsystem", "There is no file no.yaml"),
        ("shops: {a: {subsystem: 3}}", "1:24 shops.a subsystem", "A subsystem is a file"),
        ("shops: {a: {subsystem: parts_app:inner, config: {b: 1}}}", "1:49 shops.a config", "no slot 'config'"),
        ("shops: {a: {subsystem: parts_app:inner, imports: {env.curency: 1}}}", "1:64 shops.a imports.env.curency",
         "Did you mean env.currency?"),
        ("shops:\n  a:\n    subsystem:\n      db: {p: {component: no_such:thing}}", "4:27 shops.a db.p.component",
         "There is no module no_such"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_subsystem_has_its_place(text: str, place: str, what: str) -> None:
    """Where it is written."""
    found = problem(text)
    assert what in str(found)
    assert at(found) == place


def test_a_file_that_is_a_subsystem_of_itself_is_a_loop(tmp_path: Path) -> None:
    """It is an error, not an end of the interpreter."""
    (tmp_path / "a.yaml").write_text("x: {y: {subsystem: a.yaml}}\n")
    with pytest.raises(DefinitionError, match="itself"):
        config.load(tmp_path / "a.yaml")


# --- The system as a whole --------------------------------------------------------------------------------------------


def test_everything_that_a_system_is_given_can_be_written() -> None:
    """Name, deadlines, limits, workers, signals, base and plugins."""
    text = """
        mainspring:
          name: shop
          deadlines: {start: 5}
          limits: {x: 2}
          workers: 2
          signals: [ping, {name: reload, direction: dependents first, states: [running, suspended]}]
          base:
            pre: {start: {announce: parts_app:before}}
            config: {size: 7}
            tags: [all]
            retry: {times: 2}
          plugins: [parts_app:doc, parts_app:timed]
        x: {y: {component: parts_app:function}, z: {component: parts_app:Server}}
    """
    made = System(
        {"x": {"y": component(parts.function)(), "z": component(parts.Server)()}},
        name="shop",
        deadlines={"start": 5},
        limits={"x": 2},
        workers=2,
        signals=[Signal("ping"), Signal("reload", "dependents first", states=("running", "suspended"))],
        base={"pre": {"start": {"announce": parts.before}}, "config": {"size": 7}, "tags": ["all"], "retry": Retry(2)},
        plugins=[parts.doc, parts.timed],
    )
    loaded = load(text)
    assert loaded["plugged.in"] is True
    assert loaded.name == "shop"
    without = made.groups["x"]["z"]
    assert loaded.groups["x"]["y"] == made.groups["x"]["y"]
    assert type(without) is type(loaded.groups["x"]["z"])
    assert loaded.signals == made.signals
    with loaded.started("x.y") as live:
        assert live["x.y"] == [7]


def test_a_system_with_options_is_equal_to_the_one_in_python() -> None:
    """Without plugins that wrap handlers, which are functions."""
    text = """
        mainspring: {name: shop, deadlines: 5, limits: 3, workers: 1, signals: [ping], base: {tags: [all]}}
        env: {a: 1}
    """
    made = System(
        {"env": {"a": 1}},
        name="shop",
        deadlines=5,
        limits=3,
        workers=1,
        signals=[Signal("ping")],
        base={"tags": ["all"]},
    )
    assert load(text) == made


def test_the_system_as_a_whole_may_depend_on_the_profile() -> None:
    """Tags work under `mainspring`, too."""
    text = "mainspring: {workers: !profile {dev: 0, prod: 4}, name: !or [!env NAME, shop]}\nenv: {a: 1}"
    assert load(text, profile="prod") == System({"env": {"a": 1}}, workers=4, name="shop")
    assert load(text, profile="dev", environ={"NAME": "x"}) == System({"env": {"a": 1}}, name="x")


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("mainspring: {plugin: [a]}", "1:22", "Did you mean plugins?"),
        ("mainspring: [a]", "1:13", "a mapping is needed"),
        ("mainspring: {workers: many}", "1:23", "workers"),
        ("mainspring: {deadlines: soon}", "1:25", "'soon' is given as a deadline"),
        ("mainspring: {signals: [{name: a, direction: up}]}", "1:24", "direction"),
        ("mainspring: {signals: [{nmae: a}]}", "1:24", "Did you mean name?"),
        ("mainspring: {signals: 3}", "1:23 mainspring.signals", "a signal is its name or a mapping"),
        ("mainspring: {plugins: [parts_app:nothing]}", "1:24", "parts_app has no nothing"),
        ("mainspring: {plugins: parts_app:doc, name: [1]}", "1:44", "mainspring.name is a list"),
        ("mainspring: {plugins: no-such-plugin}", "1:23", "no-such-plugin"),
        ("mainspring: {base: {confg: {}}}", "1:28", "Did you mean config?"),
        ("mainspring: {base: 3}", "1:", "a mapping of slots is needed"),
        ("mainspring: {base: {status: parts_app:nothing}}", "1:29", "parts_app has no nothing"),
        ("mainspring: {values: strict}", "1:22", '"convert", "check" or "as written"'),
        ("mainspring: {system: parts_app:nothing}", "1:22", "parts_app:nothing"),
        ("mainspring: {limits: {start: 0}}", "1:22", "limits"),
        ("mainspring: {system: parts_app:not_callable}", "1:22", "not_callable"),
    ],
)
def test_what_is_wrong_with_the_system_as_a_whole_has_its_place(text: str, place: str, what: str) -> None:
    """In the section `mainspring`."""
    found = problem(text + "\nenv: {a: 1}")
    assert what in str(found)
    assert at(found).startswith(place)


# --- Mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        # where something is
        ("component: no_such.module:pool", "3:16 x.y component", "There is no module no_such, which no_such.module:pool"),
        ("component: parts_app:pol", "3:16 x.y component", "parts_app has no pol"),
        ("component: parts_app:pol", "3:16 x.y component", "Did you mean pool?"),
        ("component: parts_app:Server.strat", "3:16 x.y component", "parts_app.Server has no strat"),
        ("component: parts_app.inner:pool", "3:16 x.y component", "There is no module parts_app.inner"),
        ("component: parts_app", "3:16 x.y component", "parts_app does not say where something is"),
        ("component: 'parts app:pool'", "3:16 x.y component", "does not say where something is"),
        ("component: 'parts_app:'", "3:16 x.y component", "does not say where something is"),
        ("component: 3", "3:16 x.y component", "an int stands where package.module:name is needed"),
        ("component: ", "3:5 x.y component", "nothing stands where package.module:name is needed"),
        ("component: {a: 1}", "3:16 x.y component", "a dict stands where"),
        ("component: parts_app:not_callable", "3:", "an int, which cannot be called"),
        # slots
        ("component: parts_app:function\nconfg: {a: 1}", "4:12 x.y confg", "Did you mean config?"),
        ("component: parts_app:function\nstart: parts_app:close", "4:12 x.y start", "no slot 'start'"),
        ("component: parts_app:function\nsize: 3", "4:11 x.y size", "write it under config, as config: {size: ...}"),
        ("component: parts_app:pool\nmax-size: 3\nconfig: {dsn: a}", "4:15 x.y max-size", "write it under config"),
        ("component: parts_app:Server\nport: 3", "4:11 x.y port", "write it under config"),
        ("component: parts_app:function\nconfig: [1]", "4:13 x.y config", "The config is a list"),
        ("component: parts_app:function\nconfig: 3", "4:13 x.y config", "The config is 3, not a mapping"),
        ("component: parts_app:function\nstatus: 3", "4:13 x.y status", "status"),
        ("component: parts_app:function\nstatus: [parts_app:look]", "4:13 x.y status", "status"),
        ("component: parts_app:function\nstatus: look", "4:13 x.y status", "look does not say where something is"),
        ("component: parts_app:function\nstatus: parts_app:lok", "4:13 x.y status", "Did you mean look?"),
        ("component: parts_app:function\nhandlers: parts_app:look", "4:15 x.y handlers", "A mapping of signals to handlers"),
        ("component: parts_app:function\nhandlers: {reload: parts_app:relod}", "4:24 x.y handlers.reload",
         "Did you mean reload or ready?"),
        ("component: parts_app:function\npre: [parts_app:before]", "4:10 x.y pre", "A mapping of signals to handlers"),
        ("component: parts_app:function\npre: {start: [parts_app:before, no_such:x]}", "4:37 x.y pre.start.1", "no_such"),
        ("component: parts_app:function\npost: {stop: {a: parts_app:befor}}", "4:22 x.y post.stop.a", "before?"),
        ("component: parts_app:function\nresolve: 3", "4:14 x.y resolve", "resolve"),
        ("component: parts_app:function\ntags: slow", "4:11 x.y tags", "tags"),
        ("component: parts_app:function\nenabled: maybe", "4:14 x.y enabled", "enabled"),
        ("component: parts_app:function\nthread: mine", "4:13 x.y thread", "thread"),
        ("component: parts_app:function\non_crash: cry", "4:15 x.y on_crash", "on_crash"),
        ("component: parts_app:function\nretry: {tmes: 3}", "4:19 x.y retry.tmes", "times"),
        ("component: parts_app:function\nretry: {times: 0}", "4:12 x.y retry", "times is 0"),
        ("component: parts_app:function\nretry: {on: NoError}", "4:12 x.y retry", "NoError"),
        ("component: parts_app:function\nretry: often", "4:12 x.y retry", "times is 'often'"),
        ("component: parts_app:function\ndeadlines: soon", "4:16 x.y deadlines", "'soon' is given as a deadline"),
        ("component: parts_app:function\ncached: 3", "4:13 x.y cached", "cached is 3"),
        ("component: parts_app:pool\nenter: true\nconfig: {dsn: a}", "3:", "Leave enter away"),
        ("component: parts_app:entered\nenter: true\nstop: parts_app:close\nconfig: {name: a}", "3:", "stop beside it"),
        # arguments
        ("component: parts_app:pool\nconfig: {dsn: a, max_size: 3, max-size: 4}", "4:45 x.y config.max-size", "given twice"),
        ("component: parts_app:pool\nconfig: {dsn: !ref env..x}", "4:19 x.y config.dsn", "env..x"),
        # values
        ("component: parts_app:pool\nconfig: {dsn: !int x}", "4:19 x.y config.dsn", "is not a whole number"),
        ("component: parts_app:pool\nconfig: {dsn: !import parts_app:pol}", "4:19 x.y config.dsn", "pool?"),
        ("component: parts_app:pool\nconfig: {dsn: !build {target: parts_app:Pont}}", "4:35 x.y config.dsn.target", "Point?"),
        ("component: parts_app:pool\nconfig: {dsn: !build {target: parts_app:Point, args: [1], kwargs: {z: 1}}}",
         "4:19 x.y config.dsn", "'z'"),
        ("component: parts_app:pool\nmodule: m:n", "3:5 x.y", "component and module at once"),
        ("component: parts_app:pool\nsubsystem: m:n", "3:5 x.y", "component and subsystem at once"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place(text: str, place: str, what: str) -> None:
    """File, line and column of the value that is wrong, and the id and path of it."""
    text = "x:\n  y:\n    " + text.replace("\n", "\n    ")
    found = problem(text)
    assert what in str(found)
    assert at(found).startswith(place)
    if not place.endswith(":"):
        assert at(found).split()[1:2] == ["x.y"]


def test_all_mistakes_are_told_at_once() -> None:
    """Of all components, those in files and those of the definition, each with its place."""
    text = """
        env: {port: !int eighty, other: 1}
        db:
          pool: {component: parts_app:pol, config: {dsn: !ref env.dsn}}
          ready: {component: parts_app:pool}
          more: {component: parts_app:pool, config: {dsn: !ref env.othr, max_size: !bool maybe}}
        web:
          server: {component: "parts_app:Server", config: {handler: !ref db.pool, port: !ref env.port}}
          again: {component: parts_app:Server, config: {handler: !ref web.agin}, statsu: a:b}
        list: [1]
    """
    found = problems(text)
    places = [f"{p.site.line}:{p.site.column} {p.error.__name__} {p.id or '-'}" for p in found if p.site]
    assert len(places) == len(found)
    assert sorted(places) == sorted(
        [
            "2:13 BadTag env.port",
            "4:21 BadComponent db.pool",
            "5:10 BadArguments db.ready",
            "6:76 BadTag db.more",
            "9:58 UnknownReference web.again",
            "9:82 BadComponent web.again",
            "10:7 BadFile -",
        ]
    )
    assert "group list is a list" in next(p.what for p in found if p.error is BadFile)


def test_arguments_that_are_missing_or_unknown_are_found_by_check() -> None:
    """Because the one may still come, by an override or a base."""
    text = "a:\n  b: {component: parts_app:pool, config: {dns: a}}\n"
    assert [(p.what.partition(",")[0], at(p)) for p in load(text).check()] == [
        ("pool needs dsn", "2:42 a.b config.dsn"),
        ("pool does not take dns.", "2:48 a.b config.dns"),
    ]


def test_an_unknown_reference_between_components_has_the_place_of_the_value() -> None:
    """It is found by System.check, which knows the place in the file."""
    text = """
        env: {port: 80}
        db:
          pool:
            component: "parts_app:pool"
            config:
              dsn: a
              hosts: [x, !ref env.prot]
        x: {y: [1, {z: !ref db.pol}], late: !ref nothing.there}
    """
    system = load(text, values="as written")
    found = system.check()
    assert [(p.error, at(p)) for p in found] == [
        (UnknownReference, "8:18 db.pool config.hosts.1"),
        (UnknownReference, "9:16 x.y 1.z"),
        (UnknownReference, "9:37 x.late"),
    ]
    assert found[0].hint == "Did you mean env.port?"
    with pytest.raises(UnknownReference, match=r"a\.yaml:8:18"):
        system.start()


def test_a_cycle_between_components_has_the_place_of_a_reference() -> None:
    """It is found by System.check."""
    text = """
        a:
          b: {component: "parts_app:anything", config: {c: !ref a.c}}
          c: {component: "parts_app:anything", config: {b: !ref a.b}}
    """
    (found,) = load(text, values="as written").check()
    assert found.error is CycleError
    assert found.site is not None
    assert found.site.file == "a.yaml"
    assert found.site.line in (3, 4)


def test_a_missing_value_has_its_place() -> None:
    """One that is marked as required."""
    (found,) = load("a: {b: {component: 'builtins:dict', config: {c: !required }}, d: !required }").check()[:1]
    assert at(found) == "1:49 a.b config.c"


def test_a_place_is_forgotten_where_python_exchanged_the_value() -> None:
    """Then it is nowhere in the file any more."""
    system = load(
        "a: {b: {component: 'builtins:dict', config: {c: 1}}, d: {component: 'builtins:dict', config: {c: !ref x.y}}}"
    )
    changed = system.override({"a.b.config.c": ref("x.y")})
    sites = {str(p.id): p.site for p in changed.check()}
    assert sites["a.d"] is not None
    assert sites["a.d"].file == "a.yaml"
    assert sites["a.b"] is None or sites["a.b"].column == 0 or sites["a.b"].file != "a.yaml" or sites["a.b"].line == 1


def test_what_refers_to_something_broken_is_not_told_as_broken() -> None:
    """One mistake is one problem."""
    text = "a:\n  b: {component: no_such:x}\n  c: {component: 'builtins:dict', config: {b: !ref a.b, d: !ref a.b.deep}}"
    assert [str(p.id) for p in problems(text)] == ["a.b"]


def test_names_that_are_no_text_are_refused() -> None:
    """Of groups, and of what is in them."""
    assert "Write it in quotation marks" in problem("1: {a: 1}", BadFile).hint
    assert "Write it in quotation marks" in problem("a: {1: 2}", BadFile).hint
    assert "name of" in problem('"": {a: 1}', BadFile).what
    assert "name of" in problem('a: {"": 1}', BadFile).what


@pytest.mark.parametrize("text", ["[1]", "text", "3", "!ref a.b", "true"])
def test_a_file_that_is_no_mapping_is_no_system(text: str) -> None:
    """Whatever else it is."""
    problem(text)


def test_a_module_that_raises_is_told_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raised is the cause."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "raises_on_import.py").write_text("raise RuntimeError('no license')\n")
    (tmp_path / "imports_nothing.py").write_text("import not_there_at_all\n")
    with pytest.raises(BadComponent) as caught:
        load("a: {b: {component: raises_on_import:x}}")
    (found,) = caught.value.problems
    assert found.what == "Importing the module of raises_on_import:x raised RuntimeError: no license."
    assert at(found) == "1:20 a.b component"
    found = problem("a: {b: {component: imports_nothing:x}}")
    assert "ModuleNotFoundError: No module named 'not_there_at_all'" in found.what


def test_a_module_that_ends_the_interpreter_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not end ours."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "leaves_on_import.py").write_text("raise SystemExit(3)\n")
    assert "SystemExit" in problem("a: {b: {component: leaves_on_import:x}}").what


# --- Nothing is imported by reading -----------------------------------------------------------------------------------


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with modules that leave a trace when they are imported."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("traced_pool", "traced_handler", "traced_off", "traced_point"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / name)!r} + '.imported', 'w').close()\ndef thing(*a, **k): return k\n"
        )
    (tmp_path / "a.yaml").write_text(
        "mainspring: {profiles: [dev, prod], plugins: [], name: x}\n"
        "db:\n"
        "  pool:\n"
        "    component: traced_pool:thing\n"
        "    status: !profile {dev: traced_handler:thing, default: null}\n"
        "    config: {a: !profile {prod: !build {target: traced_point:thing}, default: 1}}\n"
        "  other: !profile {prod: {component: traced_off:thing}, default: 3}\n"
    )
    yield tmp_path
    for name in list(sys.modules):
        if name.startswith("traced_"):
            del sys.modules[name]


def imported(folder: Path) -> set[str]:
    """The modules that were imported."""
    return {file.stem for file in folder.glob("*.imported")}


def test_reading_imports_nothing(traced: Path) -> None:
    """Neither as data, nor to explain it."""
    settings = config.Settings(traced / "a.yaml", profile="dev")
    assert settings.data()["db"]["pool"]["component"] == "traced_pool:thing"
    assert str(settings.explain())
    assert config.read(traced / "a.yaml", profile="dev")["db"]["other"] == 3
    assert settings.known_profiles == ("dev", "prod")
    assert imported(traced) == set()


def test_building_imports_what_is_named_in_the_branch_that_is_taken(traced: Path) -> None:
    """And nothing of the others."""
    config.load(traced / "a.yaml", profile="dev")
    assert imported(traced) == {"traced_pool", "traced_handler"}
    config.load(traced / "a.yaml", profile="prod")
    assert imported(traced) == {"traced_pool", "traced_handler", "traced_point", "traced_off"}


def test_building_starts_nothing() -> None:
    """Nor does checking."""
    parts.said.clear()
    system = load("a: {b: {component: parts_app:Server}}")
    assert system.check() == []
    assert parts.said == []


def test_a_profile_that_is_chosen_twice_reads_the_file_once(traced: Path) -> None:
    """Settings with another profile, of the same sources."""
    settings = config.Settings(traced / "a.yaml", profile="dev")
    (traced / "a.yaml").unlink()
    assert settings.with_profile("prod").system()["db.other"] == Component(sys.modules["traced_off"].thing)


# --- Secrets ----------------------------------------------------------------------------------------------------------


def test_a_secret_in_a_constant_and_in_a_config_is_one_of_the_core() -> None:
    """Equal to the one in Python, and given to the component as it is."""
    text = (
        "env: {key: !secret [!env KEY]}\ndb: {p: {component: 'builtins:dict', config: {k: !ref env.key, s: !secret x}}}"
    )
    system = load(text, environ={"KEY": "hunter2"})
    made = System(
        {
            "env": {"key": Secret("hunter2")},
            "db": {"p": component(dict)(k=ref("env.key"), s=Secret("x"))},
        }
    )
    assert system == made
    with system.started() as live:
        assert live["db.p"]["k"] == "hunter2" or live["db.p"]["k"] == Secret("hunter2")
    assert "hunter2" not in str(system.describe())


def test_a_secret_is_in_no_error_of_a_module_that_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken out of texts that are passed on."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tells_secrets.py").write_text("raise RuntimeError('the key is hunter2!')\n")
    text = "env: {key: !secret hunter2}\na: {b: {component: tells_secrets:x}}"
    assert "the key is ***!" in problem(text).what


def test_the_tag_of_an_unknown_name_is_told_with_its_place() -> None:
    """In a component and in a constant."""
    found = problem("a: {b: {component: 'builtins:dict', config: {c: !itn 3}}}", BadTag)
    assert at(found) == "1:49 a.b config.c"
    assert "Did you mean int?" in found.hint


def test_a_named_system_that_is_not_there() -> None:
    """In code, where a name is given."""
    with pytest.raises(UnknownSystem):
        config.load(config.text("env: {a: 1}", "yaml"), system="no_such_module:system")


# --- Whatever is written ----------------------------------------------------------------------------------------------

KEYS = ("component", "subsystem", "module", "config", "imports", "tags", "stop", "status", "handlers", "pre", "retry", "on",
        "enter", "enabled", "deadlines", "schema", "cached", "start", "a", "dsn", "", "$ref", "x.y", 1, None)  # fmt: skip
VALUES = ("parts_app:pool", "parts_app:inner", "parts_app:Server", "parts_app:ready", "parts_app:not_callable", "parts_app:no",
          "os:path", "builtins:dict", "builtins:int", "a.yaml", "x.y", "", ":", "$", 0, 1.5, True, None, b"a",
          ref("a.b"), Secret("s"), tags.ref("a.b"), tags.value("a"), tags.when(False, 1), tags.required(), tags.env("NO"),
          tags.import_("os:path"), tags.build("os:path"), tags.build("parts_app:Point", 1), tags.remove(), parts.ready,
          parts.pool, parts.inner, dict, print)  # fmt: skip

written = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)
entries = st.dictionaries(st.sampled_from(KEYS), written, max_size=4)
parts_of = st.fixed_dictionaries(
    {"component": st.sampled_from(("parts_app:pool", "parts_app:Server", "parts_app:anything", "parts_app:ready"))},
    optional={key: written for key in KEYS if isinstance(key, str) and key not in ("component", "$ref")},
)
groups = st.dictionaries(
    st.sampled_from(("a", "mainspring", "x/y", "z")),
    st.dictionaries(st.sampled_from("abc"), entries | written | parts_of, max_size=3),
)
about = st.dictionaries(
    st.sampled_from(("name", "base", "plugins", "deadlines", "limits", "workers", "signals", "system", "values")),
    written,
)


@given(said=groups, whole=about | st.none(), over=st.booleans())
@settings(max_examples=300)
def test_whatever_is_written_is_a_system_or_a_definition_error(said: Any, whole: Any, over: bool) -> None:
    """Nothing else comes out of reading, building, checking and explaining it."""
    source: Any = {**said, "mainspring": whole} if whole is not None else said
    problems_found: tuple[Problem, ...] | None = None
    try:
        system = config.load(source, environ={}, system=SYSTEM_BELOW if over else None)
        system.check()
        str(config.explain(system))
    except DefinitionError as error:
        problems_found = error.problems
        str(error)
    assert problems_found is None or problems_found


SYSTEM_BELOW = System({"a": {"b": 1, "c": parts.pool(dsn="x")}, "z": {"a": subsystem(parts.inner), "b": {"x": [1]}}})
