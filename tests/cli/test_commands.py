"""The commands on systems of a module in the current folder, each run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from command_line import PATIENCE, Start, mainspring

from mainspring.cli import main

APP = '''\
"""A shop."""
import pathlib
from mainspring import Component, Live, Secret, Signal, System, component, ref, required

@component
def pool(dsn, *, size=3):
    """Connections."""
    yield dsn

@component
def server(pool, port, folder=None):
    yield port

@server.on("reload")
def _(port): ...

groups = {
    "env": {
        "dsn": Secret("postgres://anna:hunter2@db/shop"), "name": "dev", "port": 8080, "debug": False,
        "folder": pathlib.Path("data"), "hosts": ["a", "b"], "url": None, "deep": {"text": "x", "number": 1.5},
    },
    "db": {"pool": pool(dsn=ref("env.dsn"), size=5)},
    "web": {"server": server(ref("db.pool"), port=ref("env.port"), folder=ref("env.folder"))},
    "admin": {"server": server(ref("db.pool"), port=0).replace(enabled=ref("env.debug"))},
}
system = System(groups, signals=[Signal("reload", "dependencies first")], name="shop")
broken = system.override({"web.server.config.port": ref("env.prot"), "db.pool.config.dsn": required})

def make():
    return system

class Shops:
    main = system
'''


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> Path:
    """The module, in the folder where the commands are run."""
    file = tmp_path / "app.py"
    file.write_text(APP)
    return file


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_counts_what_is_fine(tmp_path: Path) -> None:
    """One line, and the status 0."""
    done = mainspring(tmp_path, "check", "app:system")
    assert (done.status, done.err) == (0, "")
    assert done.out == "3 components and 8 constants are fine; 1 of the components switched off.\n"


def test_check_lists_every_problem(tmp_path: Path) -> None:
    """Each has a number, its kind, its place in the definition and in the file, and what to do; the status is 2."""
    done = mainspring(tmp_path, "check", "app:broken")
    line = next(n for n, text in enumerate(APP.splitlines(), 1) if '"web": {' in text)
    assert done.status == 2
    assert done.out.startswith("app:broken has 2 problems:\n\n1. [RequiredMissing] db.pool, config.dsn: is required")
    assert (
        "\n\n2. [UnknownReference] web.server, config.port: refers to env.prot, and the group env has no prot.\n"
        f"      at: app.py:{line}\n"
        "      do: Did you mean env.port?\n"
    ) in done.out


def test_check_lists_the_problems_that_python_finds_first(tmp_path: Path) -> None:
    """What is an error while the module is imported is shown like the others."""
    (tmp_path / "other.py").write_text("from app import pool\nsystem = pool(dns='x')\n")
    done = mainspring(tmp_path, "check", "other:system")
    assert done.status == 2
    assert done.out.startswith("other:system has 1 problem:\n\n1. [BadArguments] pool(...) is called without dsn")
    assert "at: other.py:2" in done.out
    assert "did you mean dsn?" in done.out


def test_check_looks_at_the_selected_part_only(tmp_path: Path) -> None:
    """Problems elsewhere do not matter, and the counts are of what is selected and what it needs."""
    done = mainspring(tmp_path, "check", "app:broken", "--select", "env", "--set", "env.debug=true")
    assert (done.status, done.out) == (0, "0 components and 8 constants are fine.\n")


# --- plan, graph, describe --------------------------------------------------------------------------------------------


def test_plan_prints_the_steps_of_a_start(tmp_path: Path) -> None:
    """As `str(system.plan())` does."""
    done = mainspring(tmp_path, "plan", "app:system")
    assert (done.status, done.err) == (0, "")
    assert [line.split()[:3] for line in done.out.splitlines()[1:]] == [
        ["1.", "start", "db.pool"],
        ["2.", "start", "web.server"],
    ]


def test_plan_shows_what_may_run_together(tmp_path: Path) -> None:
    """Where several components may: those that can begin at first, those that can begin next, and so on."""
    done = mainspring(tmp_path, "plan", "app:system", "--set", "env.debug=true")
    assert done.out.split("\n\n")[1] == (
        "What may run together, as far as threads and limits allow:\n  1. db.pool\n  2. web.server, admin.server\n"
    )
    assert "together" not in mainspring(tmp_path, "plan", "app:system").out


def test_plan_takes_a_signal_and_a_selection(tmp_path: Path) -> None:
    """Of any signal in the table; a selection draws in what it needs, or what needs it."""
    done = mainspring(tmp_path, "plan", "app:system", "--signal", "stop", "--select", "db")
    assert done.out.splitlines()[1].split()[1:3] == ["stop", "web.server"]
    done = mainspring(tmp_path, "plan", "app:system", "--signal", "reload")
    assert "1. reload web.server" in done.out


@pytest.mark.parametrize(
    ("format", "begins"),
    [("text", "env.dsn "), ("mermaid", "flowchart TD\n"), ("dot", "digraph system {\n"), ("json", "{\n")],
)
def test_graph_prints_every_format(tmp_path: Path, format: str, begins: str) -> None:
    """Text is what is printed where nothing is said."""
    done = mainspring(tmp_path, "graph", "app:system", "--format", format)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(begins)
    assert not done.out.endswith("\n\n")
    if format == "text":
        assert mainspring(tmp_path, "graph", "app:system").out == done.out
    if format == "json":
        nodes = {node["id"]: node for node in json.loads(done.out)["nodes"]}
        assert set(nodes["web.server"]["needs"]) == {"db.pool", "env.port", "env.folder"}


def test_graph_takes_a_selection(tmp_path: Path) -> None:
    """It shows what is selected and what that needs."""
    done = mainspring(tmp_path, "graph", "app:system", "--select", "db.pool", "--format", "json")
    assert {node["id"] for node in json.loads(done.out)["nodes"] if node["kind"] != "off"} >= {"env.dsn", "db.pool"}
    assert "web.server" not in done.out


def test_describe_masks_secrets(tmp_path: Path) -> None:
    """Everything is described, and nothing secret is in it."""
    done = mainspring(tmp_path, "describe", "app:system")
    assert (done.status, done.err) == (0, "")
    assert "env.dsn  (constant)" in done.out
    assert "db.pool  (component)\n  doc         Connections." in done.out
    assert "admin.server  (off: env.debug is False)" in done.out
    assert "hunter2" not in done.out


def test_describe_takes_ids_and_groups_and_prints_json(tmp_path: Path) -> None:
    """Those that are asked for, in that order, each once; as JSON where it is wanted."""
    done = mainspring(tmp_path, "describe", "app:system", "web.server", "db", "db.pool", "--json")
    data = json.loads(done.out)
    assert list(data) == ["web.server", "db.pool"]
    assert data["db.pool"]["needs"] == ["env.dsn"]
    shown = mainspring(tmp_path, "describe", "app:system", "db.pool").out
    assert shown.count("\n\n") == 0
    assert shown.startswith("db.pool  (component)\n")


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (["tag:store"], ["db.pool"]),
        (["*.server"], ["web.server"]),
        (["w*"], ["web.server"]),
        (["tag:store", "web", "db.*"], ["db.pool", "web.server"]),
        (["admin"], ["admin.server"]),
    ],
)
def test_describe_takes_every_kind_of_selection(tmp_path: Path, asked: list[str], shown: list[str]) -> None:
    """Tags and patterns name what is on, as everywhere; an id or a group is shown also where it is off."""
    (tmp_path / "other.py").write_text(
        "from app import system\ntagged = system.override({'db.pool': system['db.pool'].replace(tags=['store'])})\n"
    )
    done = mainspring(tmp_path, "describe", "other:tagged", *asked, "--json")
    assert (done.status, done.err) == (0, "")
    assert list(json.loads(done.out)) == shown


def test_describe_of_a_tag_that_there_is_not(tmp_path: Path) -> None:
    """Like any name that there is not."""
    done = mainspring(tmp_path, "describe", "app:system", "tag:stroe")
    assert (done.status, done.out) == (2, "")
    assert "tag:stroe" in done.err


def test_plugins_prints_what_each_of_them_changed(tmp_path: Path) -> None:
    """As `str(system.explain_plugins())` does, or as JSON."""
    (tmp_path / "other.py").write_text(
        "from app import system\n"
        "from mainspring import Plugin\n"
        "full = system.with_plugins(Plugin('quiet', defaults={'env': {'level': 'error', 'port': 1}}))\n"
    )
    done = mainspring(tmp_path, "plugins", "other:full")
    assert (done.status, done.err) == (0, "")
    assert done.out == "quiet\n  + env.level: 'error'\n"
    assert mainspring(tmp_path, "plugins", "other:full", "--json").out.startswith(("{", "["))
    assert mainspring(tmp_path, "plugins", "app:system").out == "no plugins\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["describe", "app:system", "db.pol"], "There is no db.pol. Did you mean db.pool?\n"),
        (
            ["describe", "app:system", "env.deep.text"],
            "env.deep.text is part of a constant. A component or a constant is known by two names, group.name.\n",
        ),
        (["plan", "app:system", "--signal", "relaod"], "There is no signal 'relaod'. Did you mean reload?\n"),
        (["plan", "app:system", "--select", "db,wbe"], "There is no wbe. Did you mean web?\n"),
        (["run", "app:system", "--select", "db.pol"], "There is no db.pol. Did you mean db.pool?\n"),
        (
            ["graph", "app:system", "--select", "wbe.server"],
            "There is no wbe.server. Did you mean web.server or admin.server?\n",
        ),
    ],
)
def test_an_unknown_name_is_an_error_with_near_misses(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """The status is 2, and the sentence goes to standard error."""
    done = mainspring(tmp_path, *arguments)
    assert (done.status, done.out, done.err) == (2, "", sentence)


@pytest.mark.parametrize("command", ["plan", "graph", "run"])
def test_a_definition_with_problems_is_an_error_of_every_command(tmp_path: Path, command: str) -> None:
    """All problems are named, on standard error, with the status 2."""
    done = mainspring(tmp_path, command, "app:broken")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("2 problems in the definition:\n")
    assert "Traceback" not in done.err


# --- --set and --select -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "id", "shown"),
    [
        ("env.port=9090", "env.port", "value 9090"),
        ("env.debug=true", "env.debug", "value True"),
        ("env.name=123", "env.name", "value '123'"),
        ("env.name=a=b", "env.name", "value 'a=b'"),
        ("env.name=", "env.name", "value ''"),
        ("env.url=http://x/?a=1", "env.url", "value 'http://x/?a=1'"),
        ("env.url=null", "env.url", "value None"),
        ("env.url=NaN", "env.url", "value 'NaN'"),
        ('env.hosts=["c"]', "env.hosts", "value ['c']"),
        ("env.hosts.1=7", "env.hosts", "value ['a', '7']"),
        ("env.deep.text=7", "env.deep", "value text='7', number=1.5"),
        ("env.deep.number=7", "env.deep", "value text='x', number=7"),
        ("env.folder=/srv/shop", "env.folder", "value PosixPath('/srv/shop')"),
        ("env.dsn=sqlite://", "env.dsn", "value Secret('***')"),
        ("db.pool.config.size=7", "db.pool", "config dsn=ref('env.dsn'), size=7"),
        ("db.pool.config.dsn=sqlite://", "db.pool", "config dsn='sqlite://', size=5"),
        ("web.server.enabled=false", "web.server", "web.server (off: enabled is False)"),
    ],
)
def test_set_exchanges_a_value_for_one_of_its_kind(tmp_path: Path, setting: str, id: str, shown: str) -> None:
    """JSON where it is JSON, text where text stands or nothing else fits, a path for a path; a secret stays one."""
    done = mainspring(tmp_path, "describe", "app:system", id, "--set", setting)
    assert done.err == ""
    assert shown in [" ".join(line.split()) for line in done.out.splitlines()]


def test_set_can_be_given_several_times(tmp_path: Path) -> None:
    """All of them count, and so do selections."""
    done = mainspring(
        tmp_path, "describe", "app:system", "--set", "env.port=1", "--set", "env.name=x", "--select", "env.port,env.name",
        "--select", "env.url",
    )  # fmt: skip
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "value 1" in lines
    assert "value 'x'" in lines
    assert "env.url" in done.out
    assert "env.hosts" not in done.out


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("env.port", "--set env.port has no value. Write --set path=value, for example --set env.port=8080"),
        ("env.prot=1", "The override env.prot names env.prot, which does not exist.\n   do: Did you mean env.port?"),
        (
            "env.debug=no",
            "--set env.debug=no: what stands there is true or false, so give it as JSON, for example true",
        ),
        ("env.port=http", "--set env.port=http: what stands there is a number, so give it as JSON, for example 8080"),
        (
            "env.hosts=a,b",
            '--set env.hosts=a,b: what stands there is a list, so give it as JSON, for example ["a", "b"]',
        ),
    ],
)
def test_set_refuses_what_cannot_be_meant(tmp_path: Path, setting: str, sentence: str) -> None:
    """A path that names nothing, a missing value, text where a number stands: a sentence, and the status 2."""
    done = mainspring(tmp_path, "run", "app:system", "--set", setting)
    assert (done.status, done.out, done.err) == (2, "", sentence + "\n")


def test_set_keeps_a_secret_out_of_its_errors(tmp_path: Path) -> None:
    """What stands in a secret is not told when a value does not fit."""
    (tmp_path / "other.py").write_text(
        "from mainspring import Secret, System\nsystem = System({'env': {'pin': Secret(4711)}})\n"
    )
    done = mainspring(tmp_path, "check", "other:system", "--set", "env.pin=x")
    assert done.status == 2
    assert "4711" not in done.err


# --- where the system is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["app:make", "app:Shops.main"])
def test_the_system_may_come_from_a_function_or_a_dotted_attribute(tmp_path: Path, target: str) -> None:
    """A function without required arguments is called; dots lead into objects."""
    assert mainspring(tmp_path, "check", target).status == 0


def test_another_directory(tmp_path: Path) -> None:
    """With -C the command is run as if it had been run there; there may be none."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert mainspring(elsewhere, "check", "app:system", "-C", "..").status == 0
    done = mainspring(elsewhere, "check", "app:system", "--directory", "nowhere")
    assert (done.status, done.err) == (2, "-C nowhere: No such file or directory.\n")


# --- the program itself -----------------------------------------------------------------------------------------------


def test_the_program_and_the_module_are_the_same() -> None:
    """`mainspring` is installed as a program, and `python -m mainspring` calls itself so."""
    (script,) = metadata.entry_points(group="console_scripts", name="mainspring")
    assert script.load() is main
    done = mainspring(Path.cwd(), "--help")
    assert done.status == 0
    assert done.out.startswith("usage: python -m mainspring [-h] [--version] COMMAND ...")
    assert mainspring(Path.cwd(), "--version").out == f"mainspring {metadata.version('mainspring')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["rnu", "app:system"],
        ["run"],
        ["run", "app:system", "--grace", "-1"],
        ["run", "app:system", "--grace", "soon"],
    ],
)
def test_bad_usage_ends_with_2(tmp_path: Path, arguments: list[str]) -> None:
    """The usage is shown, and nothing else happens."""
    done = mainspring(tmp_path, *arguments)
    assert done.status == 2
    assert done.err.startswith("usage: python -m mainspring")


def test_main_returns_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Called as a function it gives the status back, even for bad usage, and leaves the import path as it was."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "only_here.py").write_text("from mainspring import System\nsystem = System({'a': {'b': 1}})\n")
    before = list(sys.path)
    assert main(["check", "only_here:system"]) == 0
    assert capsys.readouterr().out == "0 components and 1 constant are fine.\n"
    assert main(["check"]) == 2
    assert sys.path == before


@pytest.mark.parametrize("command", ["describe", "plan"])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, command: str) -> None:
    """As with `| head`: silence, and the status that a shell expects."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", command, "app:system"],
        cwd=tmp_path,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_terminal_that_knows_ascii_only_is_no_error(tmp_path: Path) -> None:
    """What it cannot show is spelled out."""
    (tmp_path / "other.py").write_text("from mainspring import System\nsystem = System({'a': {'b': 'Zürich'}})\n")
    done = mainspring(tmp_path, "describe", "other:system", environ={"PYTHONIOENCODING": "ascii"})
    assert done.status == 0
    assert "Z\\xfcrich" in done.out


def test_ctrl_c_while_a_module_is_imported_is_silent(start: Start, app: Path) -> None:
    """The status says what happened."""
    app.write_text("print('importing')\nwhile True:\n    pass\n")
    for command, status in (("check", 130), ("run", 0)):
        process = start("-m", "mainspring", command, "app:system", terminal=True)
        process.see("importing")
        process.press(b"\x03")
        assert process.end() == status
        assert "Traceback" not in process.text


def test_describe_what_is_inside_of_a_subsystem_that_is_switched_off(tmp_path: Path) -> None:
    """There is nothing to describe, and the reason is said; spelled in another way, an id is the same."""
    (tmp_path / "other.py").write_text(
        "from mainspring import Component, System, subsystem\n"
        "inner = System({'d': {'p': Component(dict)}})\n"
        "system = System({'app': {'b': subsystem(inner), 'off': subsystem(inner, enabled=False)}})\n"
    )
    done = mainspring(tmp_path, "describe", "other:system", "app.off.d.p")
    assert (done.status, done.out) == (2, "")
    assert "app.off is switched off" in done.err
    done = mainspring(tmp_path, "describe", "other:system", 'app."b".d.p', "--json")
    assert list(json.loads(done.out)) == ["app.b.d.p"]
    assert mainspring(tmp_path, "check", "other:system").out.startswith("3 components and 0 constants are fine; 1 of")
