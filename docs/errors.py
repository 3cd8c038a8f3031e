"""The errors page: every error that Mainspring raises, by a short program that gives it, and the text that it gives.

`python docs/errors.py` writes docs/reference/errors.md; so does every build of the documentation.
"""

from __future__ import annotations

import inspect
import logging
import os
import re
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent, indent
from types import ModuleType
from typing import NamedTuple

import mainspring
import mainspring.plugins
from mainspring._named import isolated
from mainspring.config._tags import REGISTRY

PAGE = Path(__file__).parent / "reference" / "errors.md"


class Example(NamedTuple):
    """A program that raises one error, and what there is to say about it.

    Parameters:
        name: the class of the error.
        about: when it happens, and what to do.
        program: what raises it.
        leaf: whether the error is inside the group that is raised, rather than raised itself.
        without: a library that is taken for not installed, and the modules of Mainspring that use it.
        others: other ways to get it.
        files: the files beside the program, by name. Those that end in .py can be imported.
        inputs: texts, one of which the program reads as `TEXT`. Each gives the error.
    """

    name: str
    about: str
    program: str
    leaf: bool = False
    without: tuple[str, ...] = ()
    others: tuple[Example, ...] = ()
    files: Mapping[str, str] = {}
    inputs: tuple[str, ...] = ()


def _example(
    name: str,
    about: str,
    program: str,
    *others: tuple[str, str] | Example,
    leaf: bool = False,
    without: tuple[str, ...] = (),
    files: Mapping[str, str] | None = None,
) -> Example:
    made = (other if isinstance(other, Example) else _example(name, *other) for other in others)
    texts = {file: _named(file, dedent(text).strip()) for file, text in (files or {}).items()}
    return Example(name, " ".join(about.split()), dedent(program).strip() + "\n", leaf, without, tuple(made), texts)


def _named(file: str, text: str) -> str:
    """A file with its name in the first line, where it may have comments."""
    sign = {".txt": "", ".edn": ";; "}.get(Path(file).suffix, "# ")
    return f"{sign}{file}\n{text}\n" if sign else text


def _file(
    name: str,
    about: str,
    text: str,
    *others: tuple[str, str] | Example,
    call: str = 'config.load("app.yaml")',
    leaf: bool = False,
    without: tuple[str, ...] = (),
    **files: str,
) -> Example:
    """An example in the file app.yaml; further files are given by name, with an underscore for the dot."""
    program = f"from mainspring import config\n\n{call}"
    given = {"app.yaml": text, **{other.replace("_", "."): inside for other, inside in files.items()}}
    return _example(name, about, program, *others, leaf=leaf, without=without, files=given)


def _inputs(format: str, about: str, *texts: str) -> Example:
    """Texts in a format that are refused."""
    program = f'from mainspring import config\n\nconfig.read(config.text(TEXT, "{format}", name="app.{format}"))\n'
    return Example("BadFile", " ".join(about.split()), program, inputs=texts)


SHOP = """
from typing import Literal

def server(port: int, hosts: list[str], level: Literal["debug", "info", "warning"], token: str): ...
"""

SERVER = """
from mainspring import System, component

@component
def server(port: int = 80): ...

system = System({"env": {"port": 8080, "http": {"port": 8080}}, "web": {"server": server()}})
"""


DEFINITION = [
    _example(
        "DefinitionError",
        """All problems of a definition are found before anything starts, and come out together. Where they are of
        several kinds, the error is a plain `DefinitionError`; where they are of one kind, it is that kind, as in the
        sections below. `error.problems` holds them as data, and `system.check()` gives the same list without raising.""",
        """
        from mainspring import System, component, ref, required

        @component
        def pool(dsn: str):
            yield object()

        @component
        def server(db, port: int):
            yield object()

        System({
            "db": {"pool": pool(dsn=required)},
            "web": {"server": server(db=ref("db.pol"), port=8080)},
        }).start()
        """,
    ),
    _example(
        "BadId",
        """A component id is a group and a name: `db.pool`. A name with a dot or a space in it is put in quotation
        marks, `ref('db."my.pool"')`, or the names are given one by one, `ref("db", "my.pool")`.""",
        """
        from mainspring import ref

        ref("db..pool")
        """,
    ),
    _example(
        "UnknownReference",
        "A reference to a group, a component or a place in a constant that does not exist.",
        """
        from mainspring import System, component, ref

        @component
        def server(port: int):
            yield object()

        System({
            "env": {"http": {"port": 8080}},
            "web": {"server": server(port=ref("env.http.prot"))},
        }).start()
        """,
        (
            "So is a reference to a tag that no component carries:",
            """
            from mainspring import System, component, tagged

            @component(tags=["page"])
            def page(path: str):
                yield path

            @component
            def site(pages):
                yield list(pages.values())

            System({"web": {"home": page(path="/"), "site": site(pages=tagged("pages"))}}).start()
            """,
        ),
        _file(
            "UnknownReference",
            "In a [file](../how-to/files.md), the place is file, line and column:",
            """
            env: {port: 8080}
            web:
              server: {component: "shop:server", config: {port: !ref env.prot}}
            """,
            call='config.load("app.yaml").start()',
            shop_py="""
            def server(port: int): ...
            """,
        ),
        _file(
            "UnknownReference",
            "And where a file is read as data, a reference leads to another part of it:",
            """
            port: 8080
            url: !join ["http://localhost:", !ref prot]
            """,
            call='config.read("app.yaml")',
        ),
    ),
    _example(
        "AmbiguousReference",
        """A reference to the one component with a tag, and several carry it. Where all are meant, `tagged` gives all of them.""",
        """
        from mainspring import System, component, one_tagged

        @component(tags=["clock"])
        def clock(zone: str):
            yield zone

        @component
        def watch(clock):
            yield clock

        System({
            "app": {
                "here": clock(zone="Europe/Berlin"),
                "there": clock(zone="America/New_York"),
                "watch": watch(clock=one_tagged("clock")),
            },
        }).start()
        """,
    ),
    _example(
        "ReferenceToOff",
        """The component is there, but `enabled` switches it off, and the reference does not say that it can do
        without.""",
        """
        from mainspring import System, component, ref

        @component(enabled=False)
        def cache():
            yield {}

        @component
        def server(cache):
            yield object()

        System({
            "db": {"cache": cache()},
            "web": {"server": server(cache=ref("db.cache"))},
        }).start()
        """,
        (
            "Where a flag in the settings has switched it off, the error says which:",
            """
            from mainspring import System, component, ref

            @component(enabled=ref("env.features.cache"))
            def cache():
                yield {}

            @component
            def server(cache):
                yield object()

            System({
                "env": {"features": {"cache": False}},
                "web": {"cache": cache(), "server": server(cache=ref("web.cache"))},
            }).start()
            """,
        ),
    ),
    _example(
        "CycleError",
        "Components that need each other in a circle: there is no order in which they could be started.",
        """
        from mainspring import System, component, ref

        @component
        def page(needs):
            yield object()

        System({
            "app": {"orders": page(needs=ref("app.mails")), "mails": page(needs=[ref("web.pages")])},
            "web": {"pages": page(needs=ref("app.orders"))},
        }).start()
        """,
        _file(
            "CycleError",
            "In a file, values that stand for each other:",
            """
            host: !ref server.host
            server: {host: !ref url}
            url: !join ["http://", !ref host]
            """,
            call='config.read("app.yaml")',
        ),
        _file(
            "CycleError",
            "Files that include each other:",
            """
            env: !include env.yaml
            """,
            call='config.read("app.yaml")',
            env_yaml="common: !include app.yaml",
        ),
        _file(
            "CycleError",
            "A system that is a subsystem of itself:",
            """
            app:
              again: {subsystem: app.yaml}
            """,
        ),
        _file(
            "CycleError",
            "Settings for a system that is made of them:",
            """
            mainspring: {system: "shop:make"}
            """,
            shop_py="""
            from mainspring import config

            def make():
                return config.load("app.yaml")
            """,
        ),
        _file(
            "CycleError",
            "Modules that bring modules without an end:",
            """
            app:
              shop: {module: "shop:shop", config: {n: 1}}
            """,
            shop_py="""
            def shop(n):
                return {"app": {f"shop{n}": {"module": "shop:shop", "config": {"n": n + 1}}}}
            """,
        ),
    ),
    _example(
        "BadArguments",
        """The arguments do not fit the function that the component was made from. The error comes where the component
        function is called, as it would for the function itself. It is a `TypeError` too.""",
        """
        from mainspring import component

        @component
        def pool(dsn: str, *, max_size: int = 10):
            yield object()

        pool(dsn="postgresql://localhost", maxsize=4)
        """,
    ),
    _example(
        "RequiredMissing",
        "`required` stands for a value that is to be given later, by an override. It was not.",
        """
        from mainspring import System, component, required

        @component
        def pool(dsn: str):
            yield object()

        System({"db": {"pool": pool(dsn=required)}}).start()
        """,
        (
            "It may stand for a constant or a component too. The error says who needs it:",
            """
            from mainspring import System, component, ref, required

            @component
            def server(db, port: int):
                yield object()

            System({
                "env": {"port": required},
                "db": {"pool": required},
                "web": {"server": server(db=ref("db.pool"), port=ref("env.port"))},
            }).start()
            """,
        ),
        _file(
            "RequiredMissing",
            "In a file, a value that has to come from elsewhere, and does not:",
            """
            env:
              url: !required:env DATABASE_URL
            """,
            call='config.load("app.yaml").start()',
        ),
    ),
    _example(
        "BadComponent",
        """The slots of a component do not fit together, or it has a handler for a signal that is not in the system's
        table, or it stands in the system without having been called. It is a `TypeError` too.""",
        """
        from mainspring import System, component

        @component
        def pool():
            yield object()

        @pool.on("relaod")
        def _(pool): ...

        System({"db": {"pool": pool()}}).start()
        """,
        (
            """A component that is [kept in a cache](../how-to/caching.md) may only need what is kept there too, or is constant;
            anything else would be stopped while it goes on.""",
            """
            from mainspring import System, component, ref

            @component
            def tunnel(host: str):
                yield object()

            @component(cached=True)
            def database(tunnel):
                yield object()

            System({"db": {"tunnel": tunnel(host="db1"), "main": database(tunnel=ref("db.tunnel"))}}).start()
            """,
        ),
        (
            "And two that are kept under one key have to be the same:",
            """
            from mainspring import System, component

            @component(cached="database")
            def database(version: int):
                yield object()

            System({"db": {"main": database(version=17), "old": database(version=16)}}).start()
            """,
        ),
        (
            "A base has the slots of a component, less those that make it what it is:",
            """
            from mainspring import System

            System({}, base={"stop": print})
            """,
        ),
        (
            "A system in a system is a component, when `subsystem` has made one of it:",
            """
            from mainspring import System

            billing = System({"env": {"currency": "EUR"}})
            System({"app": {"billing": billing}})
            """,
        ),
        _file(
            "BadComponent",
            """In a file, `component` names what Python can import when the system is built. All that is wrong with all of them is
            told together.""",
            """
            db:
              pool: {component: "shop.db:pool"}
              cache: {component: "shop:cahce"}
              path: {component: shop.cache}
              broken: {component: "broken:pool"}
              number: {component: "shop:NUMBER"}
              list: {component: [shop, pool]}
            """,
            shop_py="""
            NUMBER = 1

            def cache(): ...
            """,
            broken_py="""
            raise OSError("no network")
            """,
        ),
        _file(
            "BadComponent",
            "What has slots of a component is one, and says which:",
            """
            db:
              cache: {component: "shop:cache"}
              cahce: {config: {size: 100}}
            """,
            shop_py="""
            def cache(size: int = 10): ...
            """,
        ),
        _file(
            "BadComponent",
            "An entry is one thing:",
            """
            db:
              cache: {component: "shop:cache", module: "shop:cache"}
            """,
        ),
        _file(
            "BadComponent",
            "The slots of components and subsystems:",
            """
            db:
              config: {component: "shop:cache", config: [100]}
              slot: {component: "shop:cache", size: 100}
              near: {component: "shop:cache", confg: {size: 100}}
              enter: {component: "shop:entered", enter: true}
              handlers: {component: "shop:cache", handlers: "shop:cache"}
              retry: {component: "shop:cache", retry: {tries: 3}}
              on: {component: "shop:cache", retry: {on: ConectionError}}
              off: {component: "shop:cache", enabled: no}
              sub: {subsystem: "shop:system", config: {size: 100}}
              sub_number: {subsystem: 100}
              sub_name: {subsystem: "shop:sistem"}
            """,
            shop_py="""
            from mainspring import System, component

            def cache(size: int = 10): ...

            @component(enter=True)
            def entered(): ...

            system = System({})
            """,
        ),
        _file(
            "BadComponent",
            "A base has slots as well, and is a mapping of them:",
            """
            mainspring: {base: {dedlines: 5}}
            """,
        ),
        _file("BadComponent", "So it is no number:", "mainspring: {base: 5}"),
        _file(
            "BadComponent",
            "A module has its settings under `config`:",
            """
            app:
              shop: {module: "shop:shop", size: 3}
            """,
        ),
        _file(
            "BadComponent",
            "They are the arguments of its function:",
            """
            app:
              shop: {module: "shop:shop", config: {siez: 3}}
            """,
            shop_py="""
            def shop(size):
                return {"env": {"size": size}}
            """,
        ),
        _file(
            "BadComponent",
            "And a mapping:",
            """
            app:
              shop: {module: "shop:shop", config: 3}
            """,
        ),
        _file(
            "BadComponent",
            "What it gives are groups, and nothing about the system as a whole:",
            """
            app:
              shop: {module: "shop:shop"}
            """,
            shop_py="""
            def shop():
                return {"mainspring": {"name": "shop"}, "env": {"size": 3}}
            """,
        ),
        _file(
            "BadComponent",
            "It is a function or a file:",
            """
            app:
              shop: {module: "shop:SHOP"}
            """,
            shop_py="SHOP = {}",
        ),
        _file(
            "BadComponent",
            "That gives groups:",
            """
            app:
              shop: {module: "shop:shop"}
            """,
            shop_py="""
            def shop():
                return ["db", "web"]
            """,
        ),
        _file(
            "BadComponent",
            "And does not raise:",
            """
            app:
              shop: {module: "shop:shop"}
            """,
            shop_py="""
            def shop():
                raise LookupError("no shop")
            """,
        ),
        _file(
            "BadComponent",
            "Where only some modules are to be expanded, these have to be there:",
            """
            env: {port: 8080}
            """,
            call='config.Settings("app.yaml").system(expand=["app.shop"])',
        ),
    ),
    _example(
        "BadOverride",
        """An override replaces what is there, so its path must exist: a typing error in a test would otherwise leave
        the real thing running.""",
        """
        from mainspring import System

        System({"env": {"port": 8080}}).override({"env.prt": 0})
        """,
        (
            "What is added must not exist:",
            """
            from mainspring import System

            System({"env": {"port": 8080}}).add({"env.port": 0})
            """,
        ),
        (
            "A function that is to make the new value of the old one has to be able to:",
            """
            from mainspring import System, adjust

            System({"env": {"port": "8080"}}).override({"env.port": adjust(lambda port: port + 1)})
            """,
        ),
        (
            "The imports of a subsystem are overrides of the system inside:",
            """
            from mainspring import System, ref, required, subsystem

            billing = System({"env": {"currency": required}})
            subsystem(billing, {"env.curency": ref("env.currency")})
            """,
        ),
        _file(
            "BadOverride",
            """Settings in files, for a system that is written in Python, are settings of something that is there. What is new is
            a component, or stands behind `!replace`:""",
            """
            mainspring: {system: "shop:system"}
            env:
              prt: 9090
              http: {prot: 8080}
            web:
              server: [9090]
            """,
            shop_py=SERVER,
        ),
        _file(
            "BadOverride",
            "They take nothing away:",
            """
            mainspring: {system: "shop:system"}
            env:
              port: !remove
            """,
            shop_py=SERVER,
        ),
        (
            "A position in a list, where a single value is set:",
            """
            from mainspring import config

            settings = config.Settings({"env": {"hosts": ["web1", "web2"]}})
            settings.with_values({"env.hosts.2": "web3"}).data()
            """,
        ),
        _file(
            "BadComponent",
            "For a component, they are written where they are in a file that has it:",
            """
            mainspring: {system: "shop:system"}
            web:
              server: {port: 9090}
            """,
            shop_py=SERVER,
        ),
    ),
    _example(
        "BadPlugin",
        """A plugin does not fit the system: it names a parameter that a component does not have, or appends to what is no list;
        or its function raised, or gave no system. It says which plugin that is, and where.""",
        """
        from mainspring import Plugin, System, component

        @component
        def pool(dsn: str, size: int = 10):
            yield object()

        sizes = Plugin("sizes", defaults={"db": {"pool": {"config": {"max_size": 3}}}})
        System({"db": {"pool": pool(dsn="sqlite:")}}).with_plugins(sizes)
        """,
        (
            "Each plugin is applied once:",
            """
            from mainspring import Plugin, System

            tracing = Plugin("tracing", defaults={"env": {"trace": True}})
            System({"env": {}}, plugins=[tracing]).with_plugins(tracing)
            """,
        ),
    ),
    _example(
        "MergeConflict",
        "Both of two systems that are merged define the same id, and differently, and no winner is stated.",
        """
        from mainspring import System

        System({"env": {"port": 8080}}).merge(System({"env": {"port": 8081}}))
        """,
        (
            "The same goes for their options, their signals and their bases:",
            """
            from mainspring import System

            web = System({}, workers=4, base={"deadlines": {"stop": 5}})
            jobs = System({}, workers=8, base={"deadlines": {"stop": 60}})
            web.merge(jobs)
            """,
        ),
        _file(
            "MergeConflict",
            "Two modules of a file say something differently, and the file itself does not decide:",
            """
            app:
              shop: {module: "shop:shop", config: {port: 8080}}
              blog: {module: "shop:shop", config: {port: 9090}}
            """,
            shop_py="""
            def shop(port):
                return {"env": {"port": port}}
            """,
        ),
    ),
]

FILES = [
    _file(
        "BadFile",
        """A file is not there, is not of its format, or does not say what it has to say. Of one that is not of its
        format the first mistake is told, with its place.""",
        """
        env:
          port: 8080
          host: localhost
          port: 9090
        """,
        _file(
            "BadFile",
            "A file that is not there, beside one that is:",
            "env: {port: 8080}",
            call='config.load("ap.yaml")',
        ),
        _file(
            "BadFile",
            "In a folder that is not there:",
            "env: {port: 8080}",
            call='config.load("conf/app.yaml")',
        ),
        (
            "A folder is no file:",
            """
            import os

            from mainspring import config

            os.mkdir("app.yaml")
            config.read("app.yaml")
            """,
        ),
        (
            "A name that says no format:",
            """
            from mainspring import config

            config.load("app.cfg")
            """,
        ),
        (
            "And one that has no ending:",
            """
            from mainspring import config

            config.load("settings")
            """,
        ),
        (
            "A format that there is not:",
            """
            from mainspring import config

            config.text("port = 8080", "ini")
            """,
        ),
        (
            "Bytes that are not UTF-8:",
            """
            from mainspring import config

            config.text(b"greeting: gr\\xfc\\xdfe", "yaml", name="app.yaml")
            """,
        ),
        (
            "A stream that has no name:",
            """
            import io

            from mainspring import config

            config.read(io.StringIO("port: 8080"))
            """,
        ),
        (
            "Data of Python that has no end:",
            """
            from mainspring import config

            data = {"port": 8080}
            data["self"] = data
            config.read(data)
            """,
        ),
        (
            "A container of OmegaConf that refers to nothing:",
            """
            from omegaconf import OmegaConf

            from mainspring import config

            config.read(OmegaConf.create({"url": "http://${host}"}))
            """,
        ),
        (
            """What is nested too deeply, has too many values (those that an alias repeats are counted each time), or is too
            large, is refused before it costs anything. `Limits` says how much is allowed:""",
            """
            from mainspring import config

            bomb = "a: &a [x, x, x]\\nb: &b [*a, *a, *a]\\nc: [*b, *b, *b]"
            config.read(config.text(bomb, "yaml", name="app.yaml"), limits=config.Limits(items=30))
            """,
        ),
        (
            "The same for what references repeat:",
            """
            from mainspring import config

            data = {"a": ["x"] * 10, "b": [config.tags.ref("a")] * 10, "c": [config.tags.ref("b")] * 10}
            config.read(data, limits=config.Limits(items=100))
            """,
        ),
        (
            "Too large:",
            """
            from mainspring import config

            config.read(config.text("port: 8080", "yaml", name="app.yaml"), limits=config.Limits(size=5))
            """,
        ),
        (
            "The same for the text that tags make:",
            """
            from mainspring import config

            row = config.tags.join(*["0123456789"] * 10)
            config.read({f"row{n}": row for n in range(10)}, limits=config.Limits(size=200))
            """,
        ),
        (
            "Nested too deeply:",
            """
            from mainspring import config

            config.read(config.text("ports: [[[8080]]]", "yaml", name="app.yaml"), limits=config.Limits(depth=3))
            """,
        ),
        (
            "What stands for what stands for something else, without an end in sight:",
            """
            from mainspring import config

            data = {"v0": 1} | {f"v{n}": config.tags.value(f"v{n - 1}") for n in range(1, 200)}
            config.read({"last": config.tags.value("v199"), **data})
            """,
        ),
        (
            "And references that lead to references:",
            """
            from mainspring import config

            data = {"v0": 1} | {f"v{n}": [config.tags.ref(f"v{n - 1}")] for n in range(1, 200)}
            config.read({"last": config.tags.ref("v199"), **data})
            """,
        ),
        _file(
            "BadFile",
            "Two keys that are the same when they are worked out:",
            """
            ? !join [po, rt]
            : 8080
            port: 9090
            """,
            call='config.read("app.yaml")',
        ),
        _file(
            "BadFile",
            "An included file that is not there:",
            """
            env: !include env.yaml
            """,
        ),
        _file(
            "BadFile",
            "One that a package does not have:",
            """
            env: !include {package: json, file: env.yaml}
            """,
        ),
        _file(
            "BadFile",
            "One that is not in the package:",
            """
            env: !include {package: json, file: ../secrets.yaml}
            """,
        ),
        _file(
            "BadFile",
            "What cannot be a package:",
            """
            env: !include {package: my-app, file: env.yaml}
            """,
        ),
        _file(
            "BadFile",
            "A mistake in an included file is told where that says it:",
            """
            env: !include env.yaml
            """,
            env_yaml="port: [8080",
        ),
        _file(
            "BadFile",
            "A list where groups are needed:",
            """
            - {component: "shop:pool"}
            """,
        ),
        _file(
            "BadFile",
            "A number where a name is needed for a group:",
            """
            8080: {host: localhost}
            """,
        ),
        _file(
            "BadFile",
            "A group is written whole, or name by name with a slash; not in both ways:",
            """
            env: {port: 8080}
            env/host: localhost
            """,
        ),
        _file(
            "BadFile",
            """A group is a mapping of names, and what is said about the system as a whole has keys of its own:""",
            """
            mainspring: {nmae: shop, name: 3, values: keep}
            env: 8080
            web:
              8080: localhost
            """,
        ),
        _file(
            "BadFile",
            "The section about the system is no mapping:",
            """
            mainspring: shop
            """,
        ),
        _file(
            "BadFile",
            "An option of the system that does not fit:",
            """
            mainspring: {workers: many}
            """,
        ),
        _file(
            "BadFile",
            "Signals of your own have the columns of a `Signal`:",
            """
            mainspring: {signals: [{name: reload, directoin: dependencies}]}
            """,
        ),
        _file(
            "BadFile",
            "A system below the settings that there is not:",
            """
            mainspring: {system: "shop:sistem"}
            """,
            shop_py="""
            from mainspring import System

            system = System({})
            """,
        ),
        _file(
            "BadFile",
            "An argument that is written twice, in two spellings:",
            """
            db:
              pool: {component: "collections:UserDict", config: {max-size: 1, max_size: 2}}
            """,
        ),
        _file(
            "BadFile",
            "The file of a subsystem that is not there:",
            """
            app:
              billing: {subsystem: billing.yaml}
            """,
        ),
        _file(
            "BadFile",
            "The same for a module:",
            """
            app:
              billing: {module: billing.yaml}
            """,
        ),
        _file(
            "BadFile",
            "Profiles are names:",
            """
            mainspring: {profiles: 3}
            """,
        ),
        _file(
            "BadFile",
            "In code as well:",
            "env: {port: 8080}",
            call='config.load("app.yaml", profile=3)',
        ),
        _file(
            "BadFile",
            "A path with dots at the top would be a group of that name:",
            """
            db.pool: {config: {size: 9}}
            """,
        ),
        (
            "A function that looks for included files, and fails:",
            """
            from mainspring import config

            config.read({"env": config.tags.include("env.yaml")}, resolver=lambda name, folder: {}[name])
            """,
        ),
        (
            "The tag `include` only reaches what its resolver allows:",
            """
            from mainspring import config

            config.read({"env": config.tags.include("../secrets.yaml")}, resolver=config.root("/srv/shop"))
            """,
        ),
        _inputs(
            "json",
            "What is no JSON. Each line of these is a file of its own, with what is said of it.",
            "",
            '{"port": 8080,}',
            '["a", ]',
            "{'port': 8080}",
            "{port: 8080}",
            '{"port" 8080}',
            '{"port": 8080, 1}',
            "{\"host\": 'localhost'}",
            '{"ratio": NaN}',
            '{"port": 08080}',
            '{"port": True}',
            '{"port": ?}',
            '{"ports": [1, 2}',
            '["port": 8080]',
            '{"port": 8080 "host": "a"}',
            '{"ports": [8080 9090]}',
            '{"port": 8080]',
            '{"port": \x07}',
            '{"port": 8080}}',
            '{"port": 8080} {}',
            '{"port": 8080',
            '{"host": "localhost}',
            '{"host": "a\tb"}',
            '{"path": "C:\\data"}',
            '{"port": 8080, "port": 9090}',
            '{"name": "\\ud83d"}',
            '{"name": "\ud83d"}',
            '{"port": 8080 // that of the server\n}',
            '{"number": ' + "9" * 5000 + "}",
            "[" * 200,
        ),
        _inputs(
            "yaml",
            "What is no YAML:",
            "port: 8080: 9090",
            "ports: - 8080",
            "env:\n\tport: 8080",
            "host: @localhost",
            "port: 8080\nhost",
            "env:\n  port: 8080\n - host",
            "port: !int !env PORT",
            "env:\n  port: 8080\n host: localhost",
            "ports: [8080, 9090",
            'ports: ["8080" !int 9090]',
            "env: {port: 8080]",
            'host: "localhost',
            'path: "C:\\data"',
            "port: !a!b 8080",
            "port: 8080\n--- \nport: 9090",
            "{env: {port: 8080}}\nweb: {}",
            "port: ]",
            "port: 8080\nhost: localhost\nport: 9090",
            "glob: *.py",
            "name: 'it's'",
            "[8080:, 9090]",
            "[?port]",
            "text: |\nnot indented",
            "|\nnot indented",
            "port: *",
            "port: &a:b 8080",
            "port: !!!str 8080",
            "port: !!python/object:os.system 8080",
            "port: !int::env PORT",
            "port: !int[env] PORT",
            'port: !int"8080"',
            "port: !!int many",
            "ports: !!map [8080]",
            "hosts: !!set {a: 1}",
            "port: *prot",
            "list: &all [*all]",
            "env:\n  <<: 8080",
            "%TAG ! !x\n---\nport: 8080",
            "%YAML 1.1\n---\nport: 8080",
            "name: \x07",
            "name: \ud83d",
            'name: "\\ud83d"',
            "number: " + "9" * 5000,
            "[" * 200,
            "a: &a [" + "x, " * 1000 + "]\n" + "b: &b [" + "*a, " * 1000 + "]\nc: [*b, *b]",
        ),
        _inputs(
            "toml",
            "What is no TOML:",
            "port = 8080\nport = 9090",
            "[db]\nsize = 1\n[db]",
            "db = {size = 1}\ndb.host = 2",
            "port 8080",
            "host = localhost",
            "ports = [8080 9090]",
            "db = {size = 1",
            'path = "C:\\data"',
            "port = 8080 host = 1",
            "= 8080",
            "[db",
            "db = { , }",
            "name = '\ud83d'",
            "number = " + "9" * 5000,
            "ports = " + "[" * 150 + "]" * 150,
        ),
        _inputs(
            "edn",
            "What is no EDN:",
            "{:port 8080} {:port 9090}",
            "{:port 8080 :port 9090}",
            "{:ports #{8080 8080}}",
            "{:port}",
            "{:port 8080",
            "{:ports [8080)}",
            "{:port 8080}}",
            '{:host "localhost}',
            "{:ratio ##Infinity}",
            "{port: 8080}",
            "{:ratio .5}",
            "{:'port 8080}",
            "{: 8080}",
            "{:mail a@b}",
            "{:id a/b/c}",
            "{:id /a}",
            "{::port 8080}",
            "{:port 0x1F90}",
            "{:port 8080a}",
            "{:ratio 1/0}",
            "{:number " + "9" * 5000 + "}",
            "{:number 1E999999M}",
            "{:letter \\ud83d}",
            "{:letter \\tabulator}",
            '{:path "C:\\data"}',
            '{:name "\\u12"}',
            '{:name "\\ud83d"}',
            '{:name "\ud83d"}',
            "{:letter \\",
            "{:port #env}",
            "{:port #env: PORT}",
            "{:port #_}",
            "#::{:port 8080}",
            "#:app/env{:port 8080}",
            "#:app [8080]",
            "{:handler #(inc %)}",
            '{:pattern #"[a-z]+"}',
            "{:handler #'shop/pool}",
            "{:port #?(:clj 8080)}",
            "{:port #=(+ 1 2)}",
            "{:port #^:long 8080}",
            "#!/usr/bin/env bb",
            "{:pool #<Pool 1>}",
            "{:port ^:long 8080}",
            "{:port @port}",
            "{:path '(a b)}",
            "{:path `(a b)}",
            "{:path ~home}",
            "{:port #%}",
            "{:port )",
            "}",
            "{:port +@}",
            "{:port \u00a7}",
            "{10000000000000000 :a}",
            "[" * 200,
        ),
    ),
    _file(
        "BadTag",
        """A tag cannot make anything of what it is put in front of, or there is no such tag. All that is wrong in all files is
        told together. A value that comes from somewhere else says so.""",
        """
        env:
          port: !int:env PORT
          size: !itn 3
        """,
        (
            """Text from outside is no different:""",
            """
            from mainspring import config

            config.read({"port": config.tags.int_(config.tags.env("PORT"))}, environ={"PORT": "80a"})
            """,
        ),
        _file(
            "BadTag",
            "The tags that look something up, and those that choose:",
            """
            env: !env 8080
            open: !template "postgresql://${HOST/shop"
            unset: !template "postgresql://${DB_HOST}/shop"
            count: !template ["{}:{}", localhost]
            empty: !template ["http://{}", null]
            list: !template ["http://{}", [a, b]]
            prop: !prop {name: 1}
            var: !var prot
            no_name: !var {optional: true}
            profile: !profile {prod: 20, dev: 3}
            hostname: !hostname {web2: 8080}
            user: !user {root: /var/lib}
            if: !if [perhaps, 1, 2]
            few: !if [true]
            no_then: !if {if: true, else: 2}
            part: !if {if: true, them: 1}
            when: !when [true]
            no_when: !when {then: 1}
            or: !or 8080
            entries: !profile 8080
            """,
            call='config.read("app.yaml", hostname="web1", user="ada", bind={"port": 8080})',
        ),
        _file(
            "BadTag",
            "A profile that was chosen, for which there is nothing:",
            """
            mainspring: {profiles: [dev, test, prod]}
            env:
              size: !profile {prod: 20, dev: 3}
            """,
            call='config.load("app.yaml", profile="test")',
        ),
        _file(
            "BadTag",
            "The tags that convert, and that read text:",
            """
            int: !int 80a
            more: !int [8080, 9090]
            float: !float many
            bool: !bool perhaps
            keyword: !keyword ""
            inst: !inst yesterday
            uuid: !uuid "17"
            path: !path [null, shop]
            no_path: !path []
            empty_path: !path ""
            nul: !path "a\\0b"
            nobody: !path "~nobody-at-all/shop"
            join: !join [a, null]
            json: !json "{"
            as_number: !json 8080
            parse: !parse "[!env PORT]"
            parse_of: !parse {as: json}
            literal: !literal {port: !env PORT}
            """,
            call='config.read("app.yaml")',
        ),
        _file(
            "BadTag",
            "The tags that put together, refer, and fetch:",
            """
            merge: !merge [{a: 1}, 8080]
            append: !append 8080
            include: !include 8080
            no_file: !include {optional: true}
            ref: !ref 8080
            parts: !ref [env, null]
            none: !ref []
            odd: !ref "env..port"
            no_path: !ref {optional: true}
            tagged: !tagged slow
            value: !value {optional: true}
            build: !build {args: [1]}
            secret: !secret [1, !int x]
            file: !file [a, b]
            empty_file: !file ""
            keyring: !keyring [shop]
            no_user: !keyring {service: shop}
            """,
            call='config.read("app.yaml")',
        ),
        _file(
            "BadTag",
            "A secret cannot be part of what is shown, such as a path:",
            """
            mainspring: {profiles: [dev, prod]}
            env:
              hosts: {hunter2: localhost}
              host: !ref [env, hosts, !secret hunter2]
              size: !profile {prd: 20, default: 3}
            """,
        ),
        _file(
            "BadTag",
            "Which profile to take cannot depend on the profile:",
            """
            mainspring: {profile: !profile {prod: prod, default: dev}}
            """,
        ),
        _file(
            "BadTag",
            "What means something in a system only, where data is read:",
            """
            port: !required null
            pool: !import "shop:pool"
            """,
            call='config.read("app.yaml")',
        ),
        _file(
            "BadTag",
            "The plain form of a tag stands alone:",
            """
            {"port": {"$env": "PORT", "default": 8080}}
            """,
            call='config.read("app.yaml")',
        ),
        (
            "A layer that appends to what is no list:",
            """
            from mainspring import config

            config.read({"hosts": "localhost"}, {"hosts": config.tags.append(["web1"])})
            """,
        ),
        (
            "Items of a set, and keys, that cannot be any:",
            """
            from mainspring import config

            said = config.text("{:hosts #{{:name 1}} :ports {{:a 1} 8080} :keys {#secret hunter2 1}}", "edn", name="app.edn")
            config.read(said)
            """,
        ),
        (
            "Where only some tags may be used, another one:",
            """
            from mainspring import config

            config.read({"password": config.tags.file("/etc/passwd")}, tags=["env", "profile"])
            """,
        ),
        (
            "A tag of your own that raises:",
            """
            from mainspring import config

            @config.tag("port-of")
            def _(name: str) -> int:
                return {"http": 80}[name]

            config.read({"port": config.tags.make("port-of", "https")})
            """,
        ),
        (
            "A deferred value that cannot be made:",
            """
            from mainspring import config

            def connect():
                raise OSError("no network")

            config.read({"later": config.deferred(connect)})
            """,
        ),
        _file(
            "BadTag",
            "Text files that cannot be read, are too long, or are not UTF-8:",
            """
            password: !secret:file "."
            key: !secret:file key.txt
            name: !file name.txt
            """,
            call='config.read("app.yaml", limits=config.Limits(size=100))',
            key_txt="0123456789abcdef" * 7,
            name_txt="Gr\udcfc\udcdfe",
        ),
    ),
    _file(
        "BadValue",
        """A value does not fit the annotation of the argument that it is for, or the schema of the component. What can be
        converted is: the text `"8080"` fits where a whole number is needed. Secrets are not shown.""",
        """
        env:
          port: 80a
          token: !secret abc
        web:
          server:
            component: "shop:server"
            config: {port: !ref env.port, hosts: localhost, level: warn, token: !ref env.token}
        """,
        _file(
            "BadValue",
            "Where values are only checked, they have to be what is asked for already:",
            """
            mainspring: {values: check}
            web:
              server:
                component: "shop:server"
                config: {port: "8080", hosts: [localhost], level: info, token: 3}
            """,
            shop_py=SHOP,
        ),
        _file(
            "BadValue",
            "Models are looked into, and keys that there are not, or are missing, are told:",
            """
            web:
              server:
                component: "shop:server"
                config: {limits: {clients: -1, tiem: 5}}
            """,
            shop_py="""
            from pydantic import BaseModel, ConfigDict, PositiveInt

            class Limits(BaseModel):
                model_config = ConfigDict(extra="forbid")
                clients: PositiveInt
                time: float = 30
                rate: float

            def server(limits: Limits): ...
            """,
        ),
        _file(
            "BadValue",
            "A schema of the component says more than the annotations:",
            """
            web:
              server:
                component: "shop:server"
                schema: "shop:checked"
                config: {first: 9000, last: 8000}
            """,
            shop_py="""
            def server(first: int, last: int): ...

            def checked(config):
                if config["first"] > config["last"]:
                    raise ValueError("the first port is behind the last one")
            """,
        ),
        _file(
            "BadValue",
            """What a reference leads to is converted again at each start, for it may have been overridden. Where it does not
            fit any more, that is a leaf of a `StartError`:""",
            """
            env: {port: "8080"}
            web:
              server: {component: "shop:server", config: {port: !ref env.port}}
            """,
            call='config.load("app.yaml").override({"env.port": "many"}).start()',
            leaf=True,
            shop_py="""
            def server(port: int): ...
            """,
        ),
        _file(
            "BadValue",
            "In a list, its place in it is told:",
            """
            env: {port: "8080"}
            web:
              server: {component: "shop:server", config: {ports: [!ref env.port]}}
            """,
            call='config.load("app.yaml").override({"env.port": "many"}).start()',
            leaf=True,
            shop_py="""
            def server(ports: list[int]): ...
            """,
        ),
        shop_py=SHOP,
    ),
    _file(
        "UnknownProfile",
        """No file speaks of the profile, which may come from the command line, the environment, the code or the files. It is a
        `LookupError` too.""",
        """
        mainspring: {profiles: [dev, test, prod]}
        env: {size: !profile {prod: 20, default: 3}}
        """,
        (
            "Where no profile is listed, those are known which a tag `profile` names:",
            """
            from mainspring import config

            said = config.text("size: !profile {prod: 20, default: 3}", "yaml", name="app.yaml")
            config.read(said, environ={"MAINSPRING_PROFILE": "test"})
            """,
        ),
        (
            "Where there is none at all:",
            """
            from mainspring import config

            config.read(config.text("size: 3", "yaml", name="app.yaml"), profile="prod")
            """,
        ),
        call='config.load("app.yaml", profile="prdo")',
    ),
]

RUN = [
    _example(
        "StartError",
        """A start failed. What this request had started was stopped again, in order; see
        [at the REPL](../how-to/repl.md) for how to keep it. The leaves of the group are your own exceptions, so
        `except* OSError` works. `error.failures` holds the same as data, `error.live` the system as it is.""",
        """
        from mainspring import System, component, local_ref

        @component
        def database():
            yield object()

        @component
        def server(db):
            raise OSError("port 8080 is in use")
            yield

        System({"app": {"db": database(), "web": server(db=local_ref("db"))}}).start()
        """,
        _example(
            "SchemaError",
            """The plugin [`schemas`](../how-to/plugins.md) checks configs and instances. What does not fit is a leaf with all
            problems of the component, a {class}`mainspring.plugins.SchemaError`:""",
            """
            from mainspring import System, component
            from mainspring.plugins import schemas

            @component(schema={"port": int, "hosts": list})
            def server(port, hosts):
                yield object()

            System({"web": {"server": server(port="8080", hosts=None)}}, plugins=[schemas()]).start()
            """,
            leaf=True,
        ),
    ),
    _example(
        "StopError",
        "A stop failed. All other components were stopped all the same.",
        """
        from mainspring import System, component

        @component
        def file():
            yield object()
            raise OSError("no space left on device")

        live = System({"app": {"file": file()}}).start()
        live.stop()
        """,
    ),
    _example(
        "SignalError",
        "A handler of another signal failed: suspend, resume, status, or one of your own.",
        """
        from mainspring import System, component

        @component
        def pool():
            yield object()

        @pool.status
        def _(pool):
            raise TimeoutError("the database does not answer")

        with System({"db": {"pool": pool()}}).started() as live:
            live.status()
        """,
    ),
    _example(
        "BrokenReference",
        """A reference into an instance leads nowhere. What an instance has inside is known only when it is there, so this
        is found when the component that refers to it is to be started, and is a leaf of a `StartError`.""",
        """
        from mainspring import System, component, ref

        @component
        def settings():
            return {"port": 8080}

        @component
        def server(port):
            return port

        System({"app": {"settings": settings(), "server": server(port=ref("app.settings.prt"))}}).start()
        """,
        leaf=True,
    ),
    _example(
        "DeadlineExceeded",
        """A handler took longer than its deadline. It comes as a leaf of one of the errors above, and it is a
        `TimeoutError` too. A note shows where the handler hangs; see
        [deadlines](../how-to/deadlines.md).""",
        """
        import threading

        from mainspring import System, component

        answer = threading.Event()

        @component(deadlines={"start": 0.1})
        def server():
            answer.wait()  # for what does not come
            yield object()

        System({"web": {"server": server()}}).start()
        """,
        leaf=True,
    ),
    _example(
        "Interrupted",
        """Another thread asked for a stop during a start or a restart. That is given up, what it had started is stopped
        again, and it says so with this error, a leaf of a `StartError`.""",
        """
        import threading

        from mainspring import Component, System, local_ref

        def first():
            stopping = threading.Thread(target=live.stop)
            stopping.start()
            stopping.join(0.5)  # it cannot end before this start does

        def second(first): ...

        system = System({"app": {
            "first": Component(first),
            "second": Component(second, config={"first": local_ref("first")}),
        }})
        live = system.start([])  # nothing yet
        live.start()
        """,
        leaf=True,
    ),
    _example(
        "CrashError",
        """A component broke by itself while the system was running, and was not to be kept: a background function raised, a
        task in a task group that a component holds open did, or `ctx.crash(error)` was called. The system, or what needs the
        component, has been stopped. It comes out of the block around the system, and of `live.join()`.""",
        """
        from mainspring import Context, System, background

        @background
        def worker(ctx: Context = Context.here):
            ctx.stopping.wait(0.1)
            raise RuntimeError("the queue is gone")

        with System({"app": {"worker": worker()}}).started(observers=[lambda event: None]) as live:
            live.join()
        """,
    ),
]

USE = [
    _example(
        "StateError",
        """The request makes no sense now: it was made from a handler of the same system, or in a state that does not
        allow it.""",
        """
        from mainspring import System, component

        @component
        def worker():
            yield object()

        @worker.suspend
        def _(worker): ...

        with System({"app": {"worker": worker()}}).started() as live:
            live.suspend()
            live.start()
        """,
        (
            """Two systems that use one [instance cache](../how-to/caching.md) have to mean the same by a key. What is kept is not
            exchanged behind the back of those that use it.""",
            """
            from mainspring import InstanceCache, System, component

            @component(cached="database")
            def database(version: int):
                yield object()

            cache = InstanceCache()
            System({"db": {"main": database(version=17)}}).start(cache=cache)
            System({"db": {"main": database(version=16)}}).start(cache=cache)
            """,
        ),
    ),
    _example(
        "UnknownSignal",
        "The signal table has no such row. It is a `LookupError` too.",
        """
        from mainspring import System

        System({}).plan("strat")
        """,
    ),
    _example(
        "UnknownComponent",
        """An id, a group or a selection names nothing in the system, or a component that is switched off. It is a
        `LookupError` too.""",
        """
        from mainspring import System

        with System({"env": {"port": 8080}}).started() as live:
            live["env.prot"]
        """,
        (
            "A pattern or a tag that selects nothing is one, too:",
            """
            from mainspring import System, component

            @component(tags=["slow"])
            def worker():
                yield object()

            System({"jobs": {"worker": worker()}}).select(["job.*", "tag:slwo"])
            """,
        ),
    ),
    _example(
        "UnknownSystem",
        """No system has this name: it is not listed in pyproject.toml, and no module that is imported registers it; or what is
        named has no such attribute, or is no system. It is a `LookupError` too.""",
        """
        from mainspring import System, named_system

        @named_system
        def shop():
            return System({"env": {"port": 8080}})

        System.named("shpo")
        """,
    ),
    _example(
        "UnknownPlugin",
        "No plugin of this name is installed. It is a `LookupError` too.",
        """
        from mainspring import System

        System({}, plugins=["timng"])
        """,
    ),
    _example(
        "NotStarted",
        "The component exists, and has no instance now. It is a `LookupError` too.",
        """
        from mainspring import System, component

        @component
        def pool():
            yield object()

        live = System({"db": {"pool": pool()}}).start()
        live.stop()
        live["db.pool"]
        """,
    ),
    _example(
        "WrongType",
        "The instance is not of the type that `live.get` was asked for. It is a `TypeError` too.",
        """
        from mainspring import System

        with System({"env": {"port": 8080}}).started() as live:
            live.get("env.port", str)
        """,
    ),
    _example(
        "MissingExtra",
        """Something of Mainspring is used that needs a library that is not installed: async components without AnyIO, for
        example. It is an `ImportError` too.""",
        """
        from mainspring import System, component

        @component
        async def client():
            yield object()

        System({"app": {"client": client()}}).start()
        """,
        _file(
            "MissingExtra",
            "YAML is read with the extra `config`, which checks what is in files of all formats, too:",
            """
            env: {port: 8080}
            """,
            without=("ruamel.yaml", "ruamel.yaml.cyaml"),
        ),
        _example(
            "MissingExtra",
            "Without pydantic, files can be read as data; or as systems, with `values: as written`.",
            """
            from mainspring import config

            config.load({"env": {"port": 8080}})
            """,
            without=("pydantic",),
        ),
        _file(
            "MissingExtra",
            "The tag `keyring` has an extra of its own:",
            """
            password: !keyring [shop, ada]
            """,
            call='config.read("app.yaml")',
            without=("keyring",),
        ),
        without=("anyio", "mainspring._engine.worlds", "mainspring._engine.tasks", "mainspring._engine.aio"),
    ),
]

EXAMPLES = {example.name: example for example in (*DEFINITION, *FILES, *RUN, *USE)}

# Bases of the others, and what is part of the public names for features that are not there yet.
NEVER_RAISED_THEMSELVES = {"MainspringError", "RunError"}
NOT_YET_RAISED = {"UpdateError"}


class Outcome(NamedTuple):
    """What came of running an example.

    Parameters:
        raised: what came out of the program.
        shown: the error that the example is about: `raised`, or a leaf of it.
    """

    raised: BaseException
    shown: BaseException


def run(example: Example) -> Outcome:
    """Run an example to the error it is about.

    Raises:
        LookupError: no such error came.
    """
    kind = getattr(mainspring if hasattr(mainspring, example.name) else mainspring.plugins, example.name)
    module = ModuleType("example")
    code = compile(example.program, "app.py", "exec")
    vars(module)["TEXT"] = "".join(example.inputs)
    before = set(threading.enumerate())
    raised: BaseException | None = None
    hidden = _hidden(*example.without) if example.without else nullcontext()
    log = logging.getLogger("mainspring")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what hangs on purpose is spoken of there
    try:
        with hidden, isolated(), _elsewhere(example.files):
            exec(code, vars(module))
    except Exception as error:
        raised = error
    finally:
        log.setLevel(level)
    for value in vars(module).values():
        if isinstance(value, threading.Event):
            value.set()  # so that what hangs on purpose does not hang for ever
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    if raised is not None:
        candidates = _leaves(raised) if example.leaf else [raised]
        for candidate in candidates:
            if type(candidate) is kind:
                return Outcome(raised, candidate)
    raise LookupError(f"the example of {example.name} gave {raised!r}")


def each(example: Example) -> list[Example]:
    """An example and the other ways to its error, each with one input."""
    return [
        one._replace(inputs=given)
        for one in (example, *example.others)
        for given in (*((text,) for text in one.inputs), *(() if one.inputs else ((),)))
    ]


@contextmanager
def _elsewhere(files: Mapping[str, str]) -> Generator[None, None, None]:
    """A directory in which there is nothing but these files, nor above it, and no environment variables."""
    before, variables, tags = Path.cwd(), dict(os.environ), dict(REGISTRY)
    with TemporaryDirectory() as directory:
        os.chdir(directory)
        os.environ.clear()
        for name, text in files.items():
            Path(name).write_bytes(text.encode(errors="surrogateescape"))
        try:
            with _modules(name for name in files if name.endswith(".py")):
                yield
        except mainspring.UnknownSystem as error:
            # It says where it has looked.
            raise type(error)(str(error).replace(os.path.realpath(directory), "/srv/shop")) from None
        finally:
            REGISTRY.clear()
            REGISTRY.update(tags)
            os.environ.clear()
            os.environ.update(variables)
            os.chdir(before)


@contextmanager
def _modules(names: Iterable[str]) -> Generator[None, None, None]:
    """Files as modules that can be imported; their places are named as they are written on the page."""

    class Finder(MetaPathFinder, Loader):
        def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
            return ModuleSpec(fullname, self) if f"{fullname}.py" in known else None

        def exec_module(self, module: ModuleType) -> None:
            file = module.__file__ = f"{module.__name__}.py"
            exec(compile(Path(file).read_text(), file, "exec"), vars(module))

    known = set(names)
    finder = Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in known:
            sys.modules.pop(name.removesuffix(".py"), None)


@contextmanager
def _hidden(library: str, *users: str) -> Generator[None, None, None]:
    """A library as if it were not installed, for modules of ours that are imported anew."""
    kept = {name: sys.modules.pop(name, None) for name in (library, *users)}
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name, module in kept.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def text_of(error: BaseException) -> str:
    """What is shown of an error: its class and its text, and for a group its leaves with their notes."""
    shown = f"{type(error).__module__.removesuffix('builtins')}.{type(error).__qualname__}".lstrip(".")
    lines = [f"{shown}: {error}"]
    for leaf in _leaves(error) if isinstance(error, BaseExceptionGroup) else ():
        lines += [f"  {line}" for line in text_of(leaf).splitlines()]
        lines += [f"    {line}" for note in getattr(leaf, "__notes__", ()) for line in note.splitlines() if _ours(note)]
    return "\n".join(lines)


def _ours(note: str) -> bool:
    # The stack of a handler that hangs names files of the machine on which the page was made.
    return not re.search(r'File "/', note)


def _section(example: Example) -> str:
    shown = "\n".join(f"{one.about}\n\n{_program(one)}" for one in (example, *example.others))
    return f"(error-{example.name})=\n### {example.name}\n\n{shown}"


def _program(example: Example) -> str:
    if example.inputs:
        shown = "\n\n".join(f"{_visible(one.inputs[0])}\n{_said(one)}" for one in each(example._replace(others=())))
        return f"```text\n{shown}\n```\n"
    files = "".join(
        f"```{_language(name)}\n{_printable(text.rstrip())}\n```\n\n" for name, text in example.files.items()
    )
    return f"{files}```python\n{example.program}```\n\n```text\n{text_of(run(example).raised)}\n```\n"


def _said(example: Example) -> str:
    return indent(str(run(example).shown), "      ")


def _visible(text: str) -> str:
    """An input as it can be printed: characters that cannot be seen by their numbers, and long ones by their beginnings."""
    return _printable(text if len(text) <= 80 else f"{text[:30]}... ({len(text):,} characters)")


def _printable(text: str) -> str:
    return "".join(char if char == "\n" or char.isprintable() else f"<U+{ord(char):04X}>" for char in text)


def _language(name: str) -> str:
    suffix = Path(name).suffix[1:]
    return {"py": "python", "edn": "clojure", "txt": "text"}.get(suffix, suffix)


def page() -> str:
    """The whole page."""
    parts = [
        """\
        # Errors

        Every error that Mainspring raises in its own name, with a short program that gives it and the text that it
        gives. This page is made by running the programs. All of them are `MainspringError`s.
        """,
        """\
        ## Errors of a definition

        Nothing was started. Each problem says what is wrong, where it stands, and what to do. The same is there as data,
        in `error.problems`: see {class}`mainspring.Problem`.
        """,
        *map(_section, DEFINITION),
        """\
        ## Errors of files

        What is written in a [file](../how-to/files.md) cannot be read, or cannot be worked out. These are errors of a definition
        too: nothing was started, all problems come out together, and each names its file, line and column.
        """,
        *map(_section, FILES),
        """\
        ## Errors of a run

        A request was carried out, and handlers failed. These are exception groups; the base of all is
        {class}`mainspring.RunError`.
        """,
        *map(_section, RUN),
        """\
        ## Errors of use

        Something was asked for that is not there.
        """,
        *map(_section, USE),
        f"""\
        ## Names that are there already

        For what later versions will do, never raised by this one: {_listed(NOT_YET_RAISED)}.
        """,
    ]
    return "\n".join(dedent(part) if part.startswith("        ") else part for part in parts)


def _listed(names: set[str]) -> str:
    first, *others = sorted(names)
    return f"`{first}`" + "".join(f" and `{name}`" for name in others)


def public_errors() -> set[str]:
    """The names of all public error classes."""
    return {
        name
        for name in mainspring.__all__
        if inspect.isclass(kind := getattr(mainspring, name)) and issubclass(kind, mainspring.MainspringError)
    }


def write() -> None:
    """Write the page, if it is not there as it should be."""
    text = page()
    PAGE.parent.mkdir(exist_ok=True)
    if not PAGE.exists() or PAGE.read_text() != text:
        PAGE.write_text(text)


if __name__ == "__main__":
    write()
