"""What `system.yaml` says in each profile, what the environment and other layers change in it, and what is wrong in them."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from visits_helpers import EXAMPLE, Client, StartProcess, quiet_port, until

from mainspring import DefinitionError, Secret, System, config
from visits.events import Publisher
from visits.system import make_system

WITHOUT: Mapping[str, str] = {}


def constants(system: System) -> dict[str, Any]:
    """The constants of the service."""
    return {name: system[f"env.{name}"] for name in system.groups["env"]}


def said(profile: str = "dev", **environ: str) -> str:
    """What is wrong with the service in an environment."""
    with pytest.raises(DefinitionError) as caught:
        make_system(profile=profile, environ=environ).plan("start")
    return str(caught.value)


def test_without_variables_the_service_is_that_of_development() -> None:
    """Nobody has to set anything: it listens on this machine only, and keeps its data in the current folder."""
    system = make_system(environ=WITHOUT)
    assert constants(system) == {
        "host": "127.0.0.1",
        "port": 8080,
        "worker": True,
        "events": "-",
        "data": Path("visits-data"),
        "database_url": None,
    }
    assert system == make_system(profile="dev", environ=WITHOUT)
    assert system.name == "visits"


def test_variables_of_the_environment_say_what_is_different() -> None:
    """Each variable changes one constant, into a value of the right kind."""
    environ = {
        "VISITS_HOST": "::1",
        "VISITS_PORT": "0",
        "VISITS_WORKER": "no",
        "VISITS_EVENTS": "events.log",
        "VISITS_DATA": "/srv/visits",
        "DATABASE_URL": "postgresql://db/visits",
    }
    for profile in ("dev", "test", "prod"):
        assert constants(make_system(profile=profile, environ=environ)) == {
            "host": "::1",
            "port": 0,
            "worker": False,
            "events": "events.log",
            "data": Path("/srv/visits"),
            "database_url": Secret("postgresql://db/visits"),
        }


def test_a_layer_on_top_wins_over_the_environment(tmp_path: Path) -> None:
    """What a file of one's own says counts, and everything else stays as it is."""
    (tmp_path / "local.yaml").write_text("env: {port: 9090}\ndb: {pool: {config: {max_size: 7}}}\n")
    system = make_system(tmp_path / "local.yaml", {"env": {"worker": False}}, environ={"VISITS_PORT": "1"})
    assert constants(system) == {**constants(make_system(environ=WITHOUT)), "port": 9090, "worker": False}
    assert system["db.pool"].config["max_size"] == 7
    assert system["db.pool"].config["database"] == make_system(environ=WITHOUT)["db.pool"].config["database"]


def test_the_profiles_differ_in_what_each_is_for() -> None:
    """`mainspring config --diff` shows what production and tests have of their own, and where that is written."""

    def differences(profile: str) -> list[str]:
        environ = {"DATABASE_URL": "postgresql://u:hunter2@db/visits"}
        dev, other = (config.explain(make_system(profile=one, environ=environ)) for one in ("dev", profile))
        text = dev.diff(other)
        assert "hunter2" not in text
        assert "system.yaml:" in text
        return [" ".join(line.split()[1:5]) for line in text.splitlines()]

    assert differences("prod") == ["events.log.config.style text -> json", "db.pool.config.max_size 4 -> 20"]
    assert differences("test") == [
        "env.port 8080 -> 0",
        "env.data visits-data -> null",
        "events.log.config.style text -> json",
        "geo.worker.config.idle 0.2 -> 0.02",
    ]


def test_production_needs_the_address_of_a_database() -> None:
    """Without it the service of production does not start; neither does any with an address that is empty."""
    assert "env.database_url: is required" in said("prod")
    assert "system.yaml:" in said("prod")
    for profile in ("dev", "test", "prod"):
        assert "env.database_url: is a secret, and text of 1 or more characters" in said(profile, DATABASE_URL="")


@pytest.mark.parametrize("port", ["", "http", "-1", "65536", "8080.5"])
def test_a_port_that_is_none_is_told_with_its_place(port: str) -> None:
    """The error says which constant, where it is written, and which variable it comes from."""
    text = said(VISITS_PORT=port)
    assert "env.port" in text
    assert repr(port).strip("'") in text
    assert "system.yaml:" in text
    assert "environment variable VISITS_PORT" in text


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Wrong variables and wrong settings are one error, and none of them shows a secret."""
    (tmp_path / "local.yaml").write_text("events: {log: {config: {style: jsn}}}\ndb: {visits: {confg: {}}}\n")
    environ = {"VISITS_PORT": "99999", "DATABASE_URL": "postgresql://u:hunter2@db/visits"}
    with pytest.raises(DefinitionError) as caught:
        make_system(tmp_path / "local.yaml", environ=environ)
    text = str(caught.value)
    for part in ("is 99999, and 65535 or less is expected", "Did you mean json?", "has no slot 'confg'"):
        assert part in text
    assert "hunter2" not in text


def test_a_worker_is_there_or_not_and_nothing_else() -> None:
    """Whether this process looks countries up is yes or no."""
    assert "environment variable VISITS_WORKER" in said(VISITS_WORKER="perhaps")


def test_the_database_of_a_test_is_gone_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the profile test the service makes its own PostgreSQL in a temporary folder, and leaves nothing there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    system = make_system({"events": {"log": Publisher(StringIO()).log}}, profile="test", environ=WITHOUT)
    with system.started("db.server") as live:
        [folder] = tmp_path.glob("visits-*")
        with psycopg.connect(live["db.server"].dsn) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert (folder / "pgdata" / "PG_VERSION").exists()
    assert list(tmp_path.glob("visits-*")) == []


def test_the_event_log_of_development_is_for_people(start_process: StartProcess, database_url: str) -> None:
    """By the name of the file, or of the service, it runs in the profile dev, with events that are read without a tool."""
    for target in ("system.yaml", "visits"):
        process = start_process(
            ["-m", "mainspring", "run", target, "-C", str(EXAMPLE)],
            {"DATABASE_URL": database_url},
        )
        line = process.line("web server started")
        assert "{" not in line
        assert Client(line[line.index("http://") :].strip()).visit("/") > 0
        assert process.end(signal.SIGTERM) == 0


def test_an_exception_in_the_log_of_development_shows_no_variables() -> None:
    """A traceback in a log for people is that of Python: no local variables, such as the address of the database."""
    out = StringIO()
    publisher = Publisher(out, style="text")
    publisher.start()
    password = "".join(("hunt", "er2"))
    try:
        raise LookupError(f"no room for {len(password)}")
    except LookupError:
        publisher.log.exception("it happened", visit=1)
    publisher.stop()
    assert "visit=1" in out.getvalue()
    assert "LookupError: no room for 7" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_a_changed_file_counts_from_the_next_sighup_on(
    start_process: StartProcess, database_url: str, tmp_path: Path
) -> None:
    """SIGHUP reads the files again: the service comes back on the port that they say now."""
    first, second = quiet_port(), quiet_port()
    local = tmp_path / "local.yaml"
    local.write_text(f"env: {{port: {first}}}\n")
    command = ["-m", "mainspring", "run", "prod", "-C", str(EXAMPLE), "--settings", str(local)]
    process = start_process(command, {"DATABASE_URL": database_url})
    process.client().visit("/before")
    local.write_text(f"env: {{port: {second}}}\n")
    process.popen.send_signal(signal.SIGHUP)
    until(lambda: f"127.0.0.1:{second}" in process.text, "the other port")
    visits = Client(f"http://127.0.0.1:{second}/").visits()
    assert [visit["path"] for visit in visits] == ["/before"]
    assert process.end(signal.SIGTERM) == 0


def test_settings_can_be_checked_and_shown_without_a_database() -> None:
    """`check` and `config` start nothing, and find every name that the folder of the service has."""
    for command, part in (
        ("check", "8 components and 6 constants are fine, in the profile "),
        ("config", "visits.database:pool"),
    ):
        for target in ("system.yaml", "visits", "test"):
            done = subprocess.run(
                [sys.executable, "-m", "mainspring", command, target, "-C", str(EXAMPLE)],
                capture_output=True,
                text=True,
                env={"PATH": "/usr/bin:/bin"},
            )
            assert (done.returncode, done.stderr) == (0, ""), target
            assert part in done.stdout
    assert not (EXAMPLE / "visits-data").exists()


def test_the_readme_shows_what_the_commands_print() -> None:
    """Each command of the README that is shown with its output prints that, up to the dots where it is cut off."""
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^    \$ (.+)\n((?:    [^$\n].*\n|\n(?=    [^$]))+)", text, re.MULTILINE)
    assert len(examples) == 3
    for line, shown in examples:
        variables, command = line.partition("mainspring ")[::2]
        done = subprocess.run(
            [sys.executable, "-m", "mainspring", *shlex.split(command)],
            capture_output=True,
            text=True,
            cwd=EXAMPLE,
            env={"PATH": "/usr/bin:/bin", **dict(each.split("=") for each in shlex.split(variables))},
        )
        expected = textwrap.dedent(shown).strip()
        if expected.endswith("\n..."):
            assert done.stdout.startswith(expected[:-3])
        else:
            assert done.stdout.strip() == expected
