"""A hunt for planted secrets in everything that Mainspring prints, logs, draws or raises."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import SecretStr

from mainspring import (
    Component,
    Context,
    MainspringError,
    RunError,
    Secret,
    System,
    component,
    config,
    plugins,
    ref,
    run,
    wrappers,
)

PLANTED = "hunter2-tr0ub4dor"
URL = f"postgresql://user:{PLANTED}@db.example/app"


@component
def pool(dsn: str, size: int = 3) -> Iterator[str]:
    """A pool."""
    assert PLANTED in dsn
    yield "pool"


@component
def client(token: SecretStr, key: Annotated[str, Secret] = "") -> str:
    """A client, whose parameters say what is secret."""
    assert token.get_secret_value() == PLANTED
    assert key == PLANTED
    return "client"


@component
def broken(dsn: str, ctx: Context = Context.here) -> Iterator[str]:
    """Says what it should not, at its start and at its stop."""
    ctx.meta["dsn"] = "seen"
    yield "broken"
    raise ConnectionError(f"cannot leave {dsn!r}, password {PLANTED}")


@component
def failing(dsn: str) -> str:
    """Says what it should not."""
    raise ConnectionError(f"cannot reach {dsn!r}, password {PLANTED}")


def number(dsn: int) -> int:
    """Wants a number."""
    return dsn


def telling(token: str) -> Any:
    """A module that says what it should not."""
    raise RuntimeError(f"token {token}")


HERE = __name__
SAID = f"""
env:
  url: !secret:env DATABASE_URL
  made: !template ["x{{}}y", !secret:env TOKEN]
  joined: !join [a, !value env.url]
  file: !secret:file token.txt
  data: !secret {{user: me, password: !env TOKEN}}
db:
  pool: {{component: "{HERE}:pool", config: {{dsn: !ref env.url}}}}
  client: {{component: "{HERE}:client", config: {{token: !env TOKEN, key: !env TOKEN}}}}
"""


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A folder with a secret in a file, and the environment."""
    (tmp_path / "token.txt").write_text(PLANTED + "\n")
    monkeypatch.chdir(tmp_path)
    return {"DATABASE_URL": URL, "TOKEN": PLANTED}


def text(said: str) -> Any:
    """A source of YAML."""
    return config.text(said, "yaml", name="system.yaml")


def hide(*shown: object) -> None:
    """Nothing of what is shown has the secret in it, whichever way it is spelled; and there is something to be seen."""
    for one in shown:
        for said in (str(one), repr(one)):
            assert said
            assert PLANTED not in said, said


def everything_about(error: BaseException) -> str:
    """An error with its causes, notes and groups, as a traceback shows it."""
    return "".join(traceback.format_exception(error))


# --- What is read -----------------------------------------------------------------------------------------------------


def test_what_is_read_is_shown_masked(environ: dict[str, str]) -> None:
    """Data, systems, descriptions, drawings, plans, origins and schemas have no secret in them."""
    settings = config.Settings(text(SAID), environ=environ)
    system = settings.system()
    explained = config.explain(system)
    hide(settings, system, system.describe(), system.graph(), system.plan(), explained)
    # What only an annotation says is secret is known once the component was imported: data that is read runs no code.
    hide(settings.data()["env"], *(value for value in settings.explain() if value.path[0] == "env"))
    hide(system.graph().mermaid(), system.graph().dot(), system.explain_plugins(), system.origins)
    hide(json.dumps(system.describe().as_dict()), json.dumps(explained.as_dict()), json.dumps(system.graph().as_dict()))
    hide(json.dumps(config.json_schema(system)))
    for id in system:
        hide(system.describe()[id], system[id])
    assert explained["env.url"].shown == "***"
    assert "***" in str(system.describe())


def test_differences_are_shown_masked(environ: dict[str, str]) -> None:
    """Two systems with other secrets differ, and so do their origins, but no secret is shown."""
    one = config.Settings(text(SAID), environ=environ)
    other = config.Settings(text(SAID), environ={**environ, "DATABASE_URL": f"{URL}-2"})
    old, new = config.explain(one.system()), config.explain(other.system())
    hide(one.system().diff(other.system()), old.diff(new))
    assert "env.url" in old.diff(new)
    assert "env.url" in str(one.system().diff(other.system()))


def test_a_live_system_shows_no_secrets(environ: dict[str, str]) -> None:
    """Descriptions and reports of what runs have no secret in them."""
    system = config.load(text(SAID), environ=environ)
    with system.started() as live:
        hide(live, live.describe(), live.report, json.dumps(live.describe().as_dict()))
        assert live["db.client"] == "client"


OVER = {
    "a tag": ("a: !secret:env TOKEN", "plain", True),
    "a tag behind others": ("a: !profile {default: !required:secret:env TOKEN}", "plain", True),
    "a mapping that is secret": ("a: !secret {b: !env TOKEN}", {"b": "plain"}, True),
    "nothing": ("a: !secret:env TOKEN", None, False),
    "a mapping with a secret in it": ("a: !profile {default: {b: !secret:env TOKEN, c: 1}}", {"c": 2}, False),
}


@pytest.mark.parametrize(("said", "over", "is_secret"), OVER.values(), ids=OVER)
def test_what_is_laid_over_a_secret_is_one(environ: dict[str, str], said: str, over: Any, is_secret: bool) -> None:
    """A layer that gives a secret another value keeps it secret, though it does not say so itself."""
    value = config.read(text(said), {"a": over}, environ=environ)["a"]
    assert isinstance(value, Secret) is is_secret
    if is_secret:
        assert value.reveal() == over


def test_what_is_laid_over_a_secret_of_python_is_one() -> None:
    """The same for settings over a system that is written in Python."""
    system = config.load({"env": {"key": "plain", "x": 2}}, system=System({"env": {"key": Secret(PLANTED), "x": 1}}))
    assert system["env.key"] == Secret("plain")
    assert "plain" not in str(config.explain(system))
    assert config.explain(system)["env.x"].shown == "2"


# --- What is raised ---------------------------------------------------------------------------------------------------


WRONG: dict[str, str] = {
    "a number": "a: !int:secret:env TOKEN",
    "a number of a list": "a: !int [!secret:env TOKEN]",
    "true or false": "a: !if [!secret:env TOKEN, 1, 2]",
    "JSON": "a: !json:secret:env TOKEN",
    "a text to be parsed": "a: !parse {text: !secret:env TOKEN, as: toml}",
    "an address": "a: !uuid:secret:env TOKEN",
    "a date": "a: !inst:secret:env TOKEN",
    "a path into it": "b: !secret:env TOKEN\na: !value b.c",
    "a mapping to be merged": "a: !merge [!secret:env TOKEN]",
    "a list": "a: !join:secret:env TOKEN",
    "a name of a variable": "a: !var:secret:env TOKEN",
    "a file to be included": "a: !include:secret:env TOKEN",
    "a tag that raises": "a: !hidden-secrets-test:secret:env TOKEN",
    "a lazy tag that raises": "a: !hidden-secrets-lazy-test:secret:env TOKEN",
    "a profile": "a: !profile:secret:env TOKEN",
    "a template": 'a: !template ["{} {}", !secret:env TOKEN]',
    "a deferred value": "a: !hidden-secrets-deferred-test:secret:env TOKEN",
    "a key": "? !secret {b: !env TOKEN}\n: 1",
}


@config.tag("hidden-secrets-test")
def _(value: str) -> str:
    raise ValueError(f"nothing can be made of {value}")


@config.tag("hidden-secrets-lazy-test", lazy=True)
def _(node: config.Node) -> str:
    raise ValueError(f"nothing can be made of {node.value()}")


@config.tag("hidden-secrets-deferred-test")
def _(value: str) -> Any:
    def make() -> str:
        raise ValueError(f"nothing can be made of {value}")

    return config.deferred(make)


@pytest.mark.parametrize("said", WRONG.values(), ids=WRONG)
def test_mistakes_with_secrets_in_them_are_told_without(environ: dict[str, str], said: str) -> None:
    """What a tag can make nothing of is told with its place, and without the secret."""
    with pytest.raises(MainspringError) as caught:
        config.read(text(said), environ=environ)
    hide(everything_about(caught.value))
    assert "system.yaml" in str(caught.value)


def test_a_value_that_does_not_fit_is_told_without_the_secret(environ: dict[str, str]) -> None:
    """A secret that is not what a parameter asks for, directly and by a reference, is told as a secret."""
    said = f"""
    env: {{url: !secret:env DATABASE_URL}}
    a: {{one: {{component: "{HERE}:number", config: {{dsn: !ref env.url}}}}}}
    b: {{one: {{component: "{HERE}:number", config: {{dsn: !secret:env TOKEN}}}}}}
    """
    with pytest.raises(MainspringError) as caught:
        config.load(text(said), environ=environ)
    hide(everything_about(caught.value))
    assert str(caught.value).count("a secret") >= 2


def test_a_module_that_tells_secrets_is_quoted_without(environ: dict[str, str]) -> None:
    """What the function of a module raises is quoted without the secrets that it was given."""
    with pytest.raises(MainspringError) as caught:
        config.load(
            text(f'm: {{x: {{module: "{HERE}:telling", config: {{token: !secret:env TOKEN}}}}}}'), environ=environ
        )
    hide(everything_about(caught.value))


def test_conflicts_of_modules_show_no_secrets(environ: dict[str, str], tmp_path: Path) -> None:
    """Two modules that say different secrets are told apart without showing them."""
    (tmp_path / "m.yaml").write_text("env: {key: !var key}\n")
    said = "m: {x: {module: m.yaml, config: {key: !secret:env TOKEN}}, y: {module: m.yaml, config: {key: other}}}"
    with pytest.raises(MainspringError) as caught:
        config.load(text(said), environ=environ)
    hide(everything_about(caught.value))


# --- What is passed on ------------------------------------------------------------------------------------------------


def of(function: Any) -> System:
    """A system of a component that tells its secret."""
    return System({"env": {"url": Secret(URL)}, "a": {"b": function(dsn=ref("env.url"))}}, name="hunt")


@pytest.mark.parametrize("progress", ["lines", "json", "tree"])
@pytest.mark.parametrize("function", [failing, broken], ids=["start", "stop"])
def test_the_runner_scrubs_what_components_raise(function: Any, progress: Any) -> None:
    """The exceptions of components are printed without the secrets of the system, also their passwords."""
    said: list[str] = []

    def stop(event: Any) -> None:
        if event.new == "running":
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)

    status = run(of(function), report=said.append, progress=progress, observers=[stop])
    assert status in (1, 3)
    hide("\n".join(said))
    assert "ConnectionError" in "\n".join(said)


def test_logged_scrubs_what_components_raise(caplog: pytest.LogCaptureFixture) -> None:
    """The wrapper `logged` logs exceptions without the secrets of the component."""
    with caplog.at_level(logging.DEBUG, "mainspring"), pytest.raises(RunError) as caught:
        of(failing).wrap(wrappers.logged()).start()
    hide(caplog.text)
    assert PLANTED not in str(caught.value)
    assert "ConnectionError" in caplog.text


def test_text_of_others_can_be_scrubbed() -> None:
    """`System.scrubbed` masks secrets however they are spelled, and the passwords of URLs that are secrets."""
    odd = "p@ss w'rd/\\"
    system = System(
        {"env": {"a": Secret(URL), "b": Secret(odd), "c": SecretStr("pydantic-secret"), "d": Secret("abc")}}
    )
    from urllib.parse import quote

    for said in (URL, PLANTED, odd, repr(odd), json.dumps(odd), quote(odd, safe=""), "pydantic-secret"):
        assert system.scrubbed(f"<{said}>").strip("<>\"'") == "***", said
    assert (
        system.scrubbed("abc is too short to be told from other text") == "abc is too short to be told from other text"
    )


def test_schemas_tell_no_secrets(environ: dict[str, str]) -> None:
    """The plugin `schemas` tells what is wrong without the secret."""
    system = System({"env": {"url": Secret(URL)}, "a": {"b": Component(number, config={"dsn": ref("env.url")})}})
    with pytest.raises(RunError) as caught:
        system.with_plugins(plugins.schemas(annotations=True)).start()
    hide(everything_about(caught.value))


# --- The command line -------------------------------------------------------------------------------------------------


COMMANDS: list[list[str]] = [
    ["check", "system.yaml"],
    ["config", "system.yaml"],
    ["config", "system.yaml", "--json"],
    ["config", "system.yaml", "--expanded"],
    ["config", "system.yaml", "--set", "env.joined=x"],
    ["describe", "system.yaml"],
    ["describe", "system.yaml", "--json"],
    ["graph", "system.yaml", "--format", "json"],
    ["graph", "system.yaml", "--format", "dot"],
    ["plan", "system.yaml"],
    ["schema", "system.yaml"],
    ["plugins", "system.yaml"],
    ["check", "system.yaml", "--set", "db.pool.config.size=many"],
    ["run", "system.yaml", "--settings", "failing.yaml"],
    ["run", "system.yaml", "--settings", "failing.yaml", "--progress", "json"],
    ["check", "system.yaml", "--settings", "wrong.yaml"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_shows_a_secret(environ: dict[str, str], tmp_path: Path, command: list[str]) -> None:
    """No command prints a secret, whatever goes wrong."""
    (tmp_path / "system.yaml").write_text(SAID.replace(HERE, "parts"))
    (tmp_path / "failing.yaml").write_text('z: {z: {component: "parts:failing", config: {dsn: !ref env.url}}}\n')
    (tmp_path / "wrong.yaml").write_text(
        'z: {z: {component: "parts:number", config: {dsn: !ref env.url}}}\ny: !int:secret:env TOKEN\n'
    )
    (tmp_path / "parts.py").write_text(Path(__file__).read_text().replace("import pytest\n", "").split("HERE = ")[0])
    env: dict[str, str] = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environ}
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", *command],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    hide(done.stdout + done.stderr)
    assert "Traceback" not in done.stderr or "ConnectionError" in done.stderr, done.stderr


def test_the_hunt_finds_what_is_there() -> None:
    """The hunt is no matter of course: what is shown bare is found."""
    check: Callable[..., None] = hide
    with pytest.raises(AssertionError):
        check({"token": PLANTED})
