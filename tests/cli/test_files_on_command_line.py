"""The commands on systems from files, and with settings from files, each run as a user runs it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from command_line import Result, Start, mainspring

APP = """\
import pathlib
from mainspring import Component, Secret, System, component, ref

@component
def pool(dsn: str, *, size: int = 10, hosts: list[str] | None = None, key: Secret | None = None):
    yield f"pool of {size} at {dsn}"

@component
def server(pool: str, port: int, folder: pathlib.Path = pathlib.Path("www")):
    print(f"serving {port} from {pool}", flush=True)
    yield port
    print(f"closed {port}", flush=True)

def database(size: int = 3, dsn: str = "module:"):
    return {"db": {"pool": {"component": "app:pool", "config": {"dsn": dsn, "size": size}}}}

system = System({
    "env": {"dsn": "python:", "port": 8080, "http": {"hosts": ["a", "b"]}},
    "db": {"pool": pool(dsn=ref("env.dsn"))},
    "web": {"server": server(pool=ref("db.pool"), port=ref("env.port"))},
}, name="shop")
"""

SYSTEM = """\
mainspring:
  name: shop
  profiles: [dev, prod]
env:
  dsn: !profile {dev: "sqlite:", prod: "postgres:"}
  port: !int [!or [!env PORT, 8080]]
  key: !secret [!or [!env KEY, hunter2]]
  hosts: [a, b]
  debug: !profile {dev: true, default: false}
db:
  pool:
    component: app:pool
    config: {dsn: !ref env.dsn, size: !profile {prod: 20, default: 3}, hosts: !ref env.hosts, key: !ref env.key}
web:
  server:
    component: app:server
    config: {pool: !ref db.pool, port: !ref env.port}
  debug:
    component: builtins:dict
    enabled: !ref env.debug
"""

MODULES = """\
modules:
  database: {module: "app:database", config: {size: 5}}
web:
  server: {component: "app:server", config: {pool: !ref db.pool, port: 80}}
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module, a system in a file, one with a module, and settings, in the folder where the commands are run."""
    for variable in ("PORT", "KEY", "MAINSPRING_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "system.yaml").write_text(SYSTEM)
    (tmp_path / "modules.yaml").write_text(MODULES)
    (tmp_path / "local.yaml").write_text("env: {port: 9090}\n")
    return tmp_path


def values(done: Result) -> dict[str, str]:
    """The values that `mainspring config --json` printed, by path."""
    assert done.status == 0, done.err
    return {path: value["value"] for path, value in json.loads(done.out).items()}


def config(folder: Path, *arguments: str, environ: dict[str, str] | None = None) -> dict[str, str]:
    """The values of a system, as text, by path."""
    return values(mainspring(folder, "config", *arguments, "--json", environ=environ))


# --- Each command on a file -------------------------------------------------------------------------------------------


def test_check_reads_and_builds_a_file(tmp_path: Path) -> None:
    """And counts what is fine, names the profile, and points at constants that nothing refers to."""
    done = mainspring(tmp_path, "check", "system.yaml", "--profile", "prod")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        "3 components and 5 constants are fine; 1 of the components switched off, in the profile prod.",
        "Nothing refers to env.debug, at system.yaml:9:40.",
    ]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["plan"], "2. start web.server  after db.pool and env.port, which it needs"),
        (["graph"], "web.server            <- db.pool, env.port"),
        (["describe", "db.pool"], "config      dsn=ref('env.dsn'), size=20"),
        (["plugins"], ""),
        (["config"], "port 8080 system.yaml:6:31"),
        (["schema"], '"web"'),
    ],
)
def test_every_command_takes_a_file(tmp_path: Path, command: list[str], expected: str) -> None:
    """As it takes the place of a system in Python."""
    done = mainspring(tmp_path, command[0], "system.yaml", *command[1:], "--profile", "prod")
    assert (done.status, done.err) == (0, "")
    assert " ".join(expected.split()) in " ".join(done.out.split())


def test_describe_says_the_place_in_the_file(tmp_path: Path) -> None:
    """Where the component is written."""
    done = mainspring(tmp_path, "describe", "system.yaml", "db.pool", "--profile", "dev")
    assert "system.yaml:12" in done.out


def test_a_file_elsewhere_finds_the_modules_beside_it(tmp_path: Path) -> None:
    """And those in the current folder."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "parts.py").write_text("def thing(): return 1\n")
    (tmp_path / "conf" / "a.yaml").write_text(
        "a: {b: {component: parts:thing}, c: {component: app:pool, config: {dsn: a}}}\n"
    )
    done = mainspring(tmp_path, "check", "conf/a.yaml")
    assert (done.status, done.out) == (0, "2 components and 0 constants are fine.\n")


@pytest.mark.parametrize("suffix", ["json", "toml", "edn"])
def test_the_other_formats_are_targets_too(tmp_path: Path, suffix: str) -> None:
    """By the end of the name."""
    text = {
        "json": '{"db": {"pool": {"component": "app:pool", "config": {"dsn": {"$env": "DSN"}}}}}',
        "toml": '[db.pool]\ncomponent = "app:pool"\nconfig = {dsn = {"$env" = "DSN"}}\n',
        "edn": '{:db {:pool {:component "app:pool" :config {:dsn #env DSN}}}}',
    }[suffix]
    (tmp_path / f"a.{suffix}").write_text(text)
    assert config(tmp_path, f"a.{suffix}", environ={"DSN": "x"})["db.pool.config.dsn"] == "x"


def test_run_starts_what_a_file_says(start: Start) -> None:
    """With the profile of the command line, and --set on top."""
    process = start("-m", "mainspring", "run", "system.yaml", "--profile", "prod", "--set", "db.pool.config.size=7")
    process.see("serving 8080 from pool of 7 at postgres:")
    process.see("All up")
    assert process.end(signal.SIGTERM) == 0
    assert "closed 8080" in process.text
    assert "hunter2" not in process.text


def test_sighup_reads_the_file_again(start: Start, files: Path) -> None:
    """What has changed in it counts; where it is broken, everything runs on as it was."""
    process = start("-m", "mainspring", "run", "system.yaml", "--settings", "local.yaml", "--profile", "dev")
    process.see("serving 9090")
    process.see("All up")
    (files / "local.yaml").write_text("env: {port: 9191}\n")
    process.send(signal.SIGHUP)
    process.see("closed 9090")
    process.see("serving 9191")
    process.see("All up")
    (files / "local.yaml").write_text("env: {port: !int none}\n")
    process.send(signal.SIGHUP)
    process.see("local.yaml:1:")
    assert process.end(signal.SIGTERM) == 0
    assert process.text.count("closed 9191") == 1


# --- Profiles ---------------------------------------------------------------------------------------------------------


def test_the_profile_is_chosen_by_option_and_by_variable(tmp_path: Path) -> None:
    """The option counts for more."""
    assert config(tmp_path, "system.yaml", "--profile", "prod")["env.dsn"] == "postgres:"
    assert config(tmp_path, "system.yaml", environ={"MAINSPRING_PROFILE": "prod"})["env.dsn"] == "postgres:"
    both = config(tmp_path, "system.yaml", "--profile", "dev", environ={"MAINSPRING_PROFILE": "prod"})
    assert both["env.dsn"] == "sqlite:"


def test_several_profiles_are_tried_in_order(tmp_path: Path) -> None:
    """The first that a tag knows counts."""
    found = config(tmp_path, "system.yaml", "--profile", "prod,dev")
    assert (found["env.dsn"], found["env.debug"]) == ("postgres:", "true")


@pytest.mark.parametrize("command", ["check", "config", "run", "plan"])
def test_an_unknown_profile_is_bad_usage(tmp_path: Path, command: str) -> None:
    """The status is 2, and those there are are listed."""
    done = mainspring(tmp_path, command, "system.yaml", "--profile", "prdo")
    assert done.status == 2
    said = done.out + done.err
    assert "There is no profile prdo" in said
    assert "There is: dev, prod." in said
    assert "Traceback" not in said


def test_no_profile_where_one_is_needed_is_told_with_the_places(tmp_path: Path) -> None:
    """Of each value that depends on it."""
    done = mainspring(tmp_path, "check", "system.yaml")
    assert done.status == 2
    assert "no profile was chosen" in done.out + done.err
    assert "system.yaml:5:" in done.out + done.err
    assert "--profile" in done.out + done.err


def test_a_profile_of_a_system_without_files_is_bad_usage(tmp_path: Path) -> None:
    """It would have no effect."""
    done = mainspring(tmp_path, "check", "app:system", "--profile", "dev")
    assert done.status == 2
    assert "--profile dev: app:system is made of no file, and has no profiles." in done.out + done.err


def test_a_function_that_reads_files_sees_the_profile(tmp_path: Path) -> None:
    """Of the command line, through the environment."""
    (tmp_path / "main.py").write_text(
        "from mainspring import config\ndef make():\n    return config.load('system.yaml')\n"
    )
    assert config(tmp_path, "main:make", "--profile", "prod")["env.dsn"] == "postgres:"


def test_profiles_are_compared(tmp_path: Path) -> None:
    """Only what differs is said, with the places."""
    done = mainspring(tmp_path, "config", "system.yaml", "--diff", "dev", "prod")
    assert done.status == 0
    rows = [" ".join(line.partition("(")[0].split()) for line in done.out.splitlines()]
    assert rows == [
        "~ env.dsn sqlite: -> postgres:",
        "~ env.debug true -> false",
        "~ db.pool.config.size 3 -> 20",
    ]
    same = mainspring(tmp_path, "config", "system.yaml", "--diff", "dev", "dev")
    assert same.out == "The profiles dev and dev do not differ.\n"
    both = json.loads(mainspring(tmp_path, "config", "system.yaml", "--diff", "dev", "prod", "--json").out)
    assert both["prod"]["env.dsn"]["value"] == "postgres:"
    done = mainspring(tmp_path, "config", "system.yaml", "--diff", "dev", "prod", "--profile", "dev")
    assert (done.status, "--diff names two profiles" in done.err) == (2, True)


# --- Settings and --set -----------------------------------------------------------------------------------------------


def test_settings_are_laid_over_a_system_in_python(tmp_path: Path) -> None:
    """And over one in a file; of several the later ones are on top."""
    found = config(tmp_path, "app:system", "--settings", "local.yaml")
    assert (found["env.port"], found["env.dsn"]) == ("9090", "python:")
    assert config(tmp_path, "system.yaml", "--settings", "local.yaml", "--profile", "dev")["env.port"] == "9090"
    (tmp_path / "more.toml").write_text("[env]\nport = 9191\n")
    found = config(tmp_path, "app:system", "--settings", "local.yaml", "--settings", "more.toml")
    assert found["env.port"] == "9191"


@pytest.mark.parametrize("target", ["app:system", "system.yaml"])
def test_the_origin_of_a_value_of_the_command_line(tmp_path: Path, target: str) -> None:
    """It is said that it is from there."""
    extra = ["--profile", "dev"] if target == "system.yaml" else ["--settings", "local.yaml"]
    done = mainspring(tmp_path, "config", target, *extra, "--set", "env.port=1")
    assert "port 1 command line --set env.port" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("env.port=1", "env.port", "1"),
        ("env.dsn=1", "env.dsn", "1"),
        ("env.dsn=", "env.dsn", "''"),
        ("env.debug=false", "env.debug", "false"),
        ('env.hosts=["c"]', "env.hosts", "[c]"),
        ("env.hosts.1=c", "env.hosts.1", "c"),
        ("db.pool.config.hosts.1=c", "db.pool.config.hosts.1", "c"),
        ("db.pool.config.size=1", "db.pool.config.size", "1"),
        ("db.pool.config.dsn=x", "db.pool.config.dsn", "x"),
        ("web.server.config.folder=other", "web.server.config.folder", "other"),
        ("env.key=other", "env.key", "***"),
        ("web.server.enabled=false", "web.server.enabled", "false"),
        ('web.debug={"a": 1}', "web.debug.a", "1"),
        ("db.pool=a fake", "db.pool", "a fake"),
        ('db.pool.tags=["big"]', "db.pool.tags", "[big]"),
        ("web.debug.enabled=false", "web.debug.enabled", "false"),
    ],
)
def test_set_exchanges_a_value_of_a_file(tmp_path: Path, setting: str, path: str, value: str) -> None:
    """By the kind of what stands there; secrets stay secret."""
    assert config(tmp_path, "system.yaml", "--profile", "dev", "--set", setting)[path] == value


SET = """\
env:
  pin: !secret 1234
  hosts: [a, b]
  opts: {a: 1, "$$d": 3}
  url: !join ["http://", !value env.hosts.1]
  broken: !int many
  unset: !env NOPE
web:
  "the server": {component: "app:thing", config: {port: !ref env.unset, ports: [1, 2], opts: !ref env.opts}}
  keys: {component: "app:keys", config: {pin: 4321}}
"""
THINGS = """
from typing import Annotated

def thing(port: int, ports: list[int], opts: dict[str, int] | None = None, name: str = "x"): return port
def keys(pin: Annotated[int, Secret], other: int = 3): return pin
"""
MENDED = ["--set", "env.broken=1", "--set", "env.unset=80"]


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("env.hosts.1=c", "env.url", "http://c"),
        ("env.opts=null", "env.opts", "null"),
        ("env.opts.$d=9", "env.opts.$d", "9"),
        ('env.opts={"$env": 1}', "env.opts.$env", "1"),
        ('web."the server".config.ports.0=7', 'web."the server".config.ports.0', "7"),
        ('web."the server".config.opts=null', 'web."the server".config.opts', "null"),
        ('web."the server".config.opts.a=5', 'web."the server".config.opts.a', "5"),
        ('web."the server".config.opts.a=5', 'web."the server".config.opts.$d', "3"),
        ('web."the server".config.name=123', 'web."the server".config.name', "123"),
        ('web."the server".enabled=false', 'web."the server".enabled', "false"),
        ("web.keys.config.pin=5", "web.keys.config.pin", "***"),
        ("web.keys=null", "web.keys", "null"),
    ],
)
def test_what_is_set_counts_before_anything_is_worked_out(tmp_path: Path, setting: str, path: str, value: str) -> None:
    """So it puts right what is wrong in the file; it is data, reaches into lists, and null stands in the place of anything."""
    (tmp_path / "app.py").write_text(APP + THINGS)
    (tmp_path / "a.yaml").write_text(SET)
    done = mainspring(tmp_path, "config", "a.yaml", *MENDED, "--set", setting, "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found[path]["value"] == value
    if path == setting.partition("=")[0]:
        assert found[path]["origin"] == "command line"


@pytest.mark.parametrize("path", ["env.pin", "web.keys.config.pin"])
def test_a_secret_that_does_not_fit_is_not_shown(tmp_path: Path, path: str) -> None:
    """Where it is given on the command line for a number."""
    (tmp_path / "app.py").write_text(APP + THINGS)
    (tmp_path / "a.yaml").write_text(SET)
    done = mainspring(tmp_path, "config", "a.yaml", *MENDED, "--set", f"{path}=pl4nted")
    assert done.status == 2
    assert f"--set {path}=***: what stands there is a number" in done.err
    assert "pl4nted" not in done.out + done.err


def test_what_is_set_over_a_reference_to_a_secret_is_one(tmp_path: Path) -> None:
    """It is in the place of it."""
    (tmp_path / "app.py").write_text(APP + THINGS)
    (tmp_path / "a.yaml").write_text(
        "env: {pw: !secret x1234}\na: {b: {component: 'builtins:dict', config: {c: !ref env.pw}}}\n"
    )
    done = mainspring(tmp_path, "config", "a.yaml", "--set", "a.b.config.c=pl4nted")
    assert (done.status, "pl4nted" in done.out) == (0, False)


def test_a_tag_of_a_module_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    """The module may define it."""
    (tmp_path / "pyproject.toml").write_text('[tool.mainspring]\nmodules = ["no_such_tags"]\n')
    (tmp_path / "a.yaml").write_text("env: {a: !duration 5}\n")
    done = mainspring(tmp_path, "check", "a.yaml")
    assert done.status == 2
    assert "There is no tag duration" in done.out + done.err
    assert "It may be defined in no_such_tags, which pyproject.toml lists" in " ".join((done.out + done.err).split())


def test_what_is_set_is_seen_by_what_refers_to_it(tmp_path: Path) -> None:
    """Also where that is worked out while the file is read."""
    (tmp_path / "a.yaml").write_text(
        "env: {host: a, port: 80, url: !template ['{}:{}', !ref env.host, !ref env.port]}\n"
    )
    assert config(tmp_path, "a.yaml", "--set", "env.host=b", "--set", "env.port=81")["env.url"] == "b:81"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("env.prot=1", "env.port"),
        ("evn.port=1", "env.port"),
        ("db.pool.config.siez=1", "size"),
        ("db.pool.confg.size=1", "Did you mean config?"),
        ("db.pool.confg.size=1", "at: --set db.pool.confg.size"),
        ("env.port=many", "what stands there is a number"),
        ("env.hosts=c", "what stands there is a list"),
        ("env.hosts.7=c", "7"),
        ("env.port", "has no value"),
        ("=1", "--set"),
        ("env..port=1", "empty part"),
    ],
)
def test_a_setting_of_nothing_is_told_with_what_is_near(tmp_path: Path, setting: str, said: str) -> None:
    """The status is 2."""
    done = mainspring(tmp_path, "check", "system.yaml", "--profile", "dev", "--set", setting)
    assert done.status == 2
    assert said in done.out + done.err
    assert "Traceback" not in done.err


def test_settings_of_modules_are_set(tmp_path: Path) -> None:
    """Those that are written, and those that have a default; values that modules bring, too."""
    assert config(tmp_path, "modules.yaml", "--expanded")["db.pool.config.size"] == "5"
    found = config(tmp_path, "modules.yaml", "--set", "modules.database.config.size=8", "--expanded")
    assert found["db.pool.config.size"] == "8"
    found = config(tmp_path, "modules.yaml", "--set", "modules.database.config.dsn=x", "--expanded")
    assert found["db.pool.config.dsn"] == "x"
    found = config(tmp_path, "modules.yaml", "--set", "db.pool.config.size=9", "--expanded")
    assert found["db.pool.config.size"] == "9"
    (tmp_path / "more.yaml").write_text("modules: {database: {config: {size: 6}}}\n")
    found = config(tmp_path, "modules.yaml", "--settings", "more.yaml", "--expanded")
    assert found["db.pool.config.size"] == "6"
    done = mainspring(tmp_path, "check", "modules.yaml", "--set", "modules.database.config.siez=8")
    assert (done.status, "size" in done.out + done.err) == (2, True)


def test_modules_are_shown_closed_and_expanded(tmp_path: Path) -> None:
    """All, or some; an unknown one is told."""
    closed = config(tmp_path, "modules.yaml")
    assert (closed["modules.database.module"], "db.pool" in closed) == ("app:database", False)
    opened = config(tmp_path, "modules.yaml", "--expanded", "modules.database")
    assert (opened["db.pool"], "modules.database.module" in opened) == ("app:pool", False)
    done = mainspring(tmp_path, "config", "modules.yaml", "--expanded", "modules.databse")
    assert (done.status, "Did you mean modules.database?" in done.err) == (2, True)


# --- Names in pyproject.toml ------------------------------------------------------------------------------------------


def test_a_listed_system_may_be_a_file_with_a_profile(tmp_path: Path) -> None:
    """And with settings; an option or the variable counts for more."""
    (tmp_path / "pyproject.toml").write_text(
        "[tool.mainspring.systems]\n"
        'dev = { target = "system.yaml", profile = "dev", settings = ["local.yaml"], doc = "Here." }\n'
        'py = { target = "app:system", settings = "local.yaml" }\n'
    )
    found = config(tmp_path, "dev")
    assert (found["env.dsn"], found["env.port"]) == ("sqlite:", "9090")
    assert config(tmp_path, "dev", "--profile", "prod")["env.dsn"] == "postgres:"
    assert config(tmp_path, "dev", "--set", "env.port=1")["env.port"] == "1"
    assert config(tmp_path, "py")["env.port"] == "9090"
    done = mainspring(tmp_path, "list")
    assert done.status == 0
    assert "dev  system.yaml  Here." in " ".join(done.out.split("\n")[0].split()).replace(" ", "  ", 2)


# --- What cannot be read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sytsem.yaml"], "Did you mean system.yaml"),
        (["no/system.yaml"], "There is no folder no"),
        (["app:system", "--settings", "locl.yaml"], "Did you mean local.yaml"),
        (["app:system", "--settings", "app.py"], "says no format"),
        (["broken.yaml"], "broken.yaml:3:"),
        (["broken.json"], "broken.json:1:"),
        (["typo.yaml"], "typo.yaml:1:20"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Without a traceback, and with status 2."""
    (tmp_path / "broken.yaml").write_text("env:\n  a: [1\nb: 2\n")
    (tmp_path / "broken.json").write_text('{"a": {"b" 1}}')
    (tmp_path / "typo.yaml").write_text("a: {b: {component: app:pol}}\n")
    done = mainspring(tmp_path, "check", *arguments)
    assert done.status == 2
    assert said in done.out + done.err
    assert "Traceback" not in done.out + done.err


def test_check_tells_all_problems_with_their_places(tmp_path: Path) -> None:
    """Of the file and of the definition, in the order of the file."""
    (tmp_path / "a.yaml").write_text(
        "env: {port: !int many}\n"
        "db: {pool: {component: app:pool, config: {dns: x}}}\n"
        "web: {server: {component: app:server, config: {pool: !ref db.pol, port: [1]}}}\n"
    )
    done = mainspring(tmp_path, "check", "a.yaml")
    assert done.status == 2
    assert done.out.startswith("a.yaml has 5 problems:")
    places = [line.strip() for line in done.out.splitlines() if line.strip().startswith("at: a.yaml")]
    assert [place.split(":")[2] for place in places] == ["1", "2", "2", "3", "3"]


# --- Secrets ----------------------------------------------------------------------------------------------------------

PLANTED = "pl4nted-s3cret"


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["plan"],
        ["graph", "--format", "json"],
        ["describe"],
        ["describe", "--json"],
        ["config"],
        ["config", "--json"],
        ["config", "--diff", "dev", "prod"],
        ["plugins"],
        ["schema"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("broken", ["", "x: {y: {component: tells:thing, config: {a: !secret [!env KEY]}}}\n"])
def test_no_planted_secret_is_in_the_output_of_any_command(tmp_path: Path, arguments: list[str], broken: str) -> None:
    """Nor in their errors, where a module raises with it in its text."""
    (tmp_path / "tells.py").write_text("import os\nraise RuntimeError('the key is ' + os.environ['KEY'])\n")
    (tmp_path / "system.yaml").write_text(SYSTEM + broken)
    extra = [] if "--diff" in arguments else ["--profile", "dev"]
    done = mainspring(tmp_path, arguments[0], "system.yaml", *arguments[1:], *extra, environ={"KEY": PLANTED})
    assert done.status == (2 if broken else 0)
    assert PLANTED not in done.out + done.err


@pytest.mark.parametrize("progress", ["lines", "json"])
@pytest.mark.parametrize("where", ["start", "stop"])
def test_no_planted_secret_is_in_what_a_run_says(start: Start, files: Path, progress: str, where: str) -> None:
    """Where a handler raises with it in its text, while it starts or while it stops."""
    (files / "tells.py").write_text(
        "def thing(key):\n"
        + ("    raise RuntimeError(f'no such key {key}')\n    yield\n" if where == "start" else "")
        + ("    yield 1\n    raise RuntimeError(f'no such key {key}')\n" if where == "stop" else "")
    )
    (files / "a.yaml").write_text(
        "env: {key: !secret [!env KEY]}\n"
        "x: {y: {component: tells:thing, config: {key: !build {target: app:reveal, args: [!ref env.key]}}}}\n"
    )
    (files / "app.py").write_text(APP + "\ndef reveal(key): return key.reveal() if isinstance(key, Secret) else key\n")
    process = start("-c", f"import os, runpy, sys; os.environ['KEY'] = {PLANTED!r}; sys.argv = ['mainspring', 'run', 'a.yaml', "
                    f"'--progress', {progress!r}]; runpy.run_module('mainspring', run_name='__main__')")  # fmt: skip
    if where == "stop":
        process.see("x.y")
        process.see("up")
        status = process.end(signal.SIGTERM)
    else:
        status = process.end()
    assert status == (1 if where == "start" else 3)
    assert "no such key" in process.text
    assert PLANTED not in process.text
