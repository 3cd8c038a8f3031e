"""One system, written in EDN, YAML, TOML, JSON and Python: the same in each of its profiles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "files"))

import events_app
from events_app import Part

from mainspring import System, UnknownProfile, config, ref
from mainspring.config import tags

FILES = Path(__file__).parent / "files"
PROFILES = ("dev", "docker", "prod")
FORMATS = ("edn", "yaml", "toml", "json", "python")
ENVIRON = {"HARBOUR_PORT": "8282", "STORE_HOST": "db.example", "STORE_PASSWORD": "7", "TIDES_BASE_URL": "http://tides"}

IN_PYTHON = {
    "events": {
        "log": {
            "component": events_app.publish,
            "config": {
                "publisher": tags.profile(
                    {
                        "dev": {"kind": "stdout-json", "indent?": True},
                        "docker": {
                            "kind": "several",
                            "publishers": [
                                {"kind": "stdout-json", "indent?": False},
                                {"kind": "collector", "url": "http://collector:4318/"},
                            ],
                        },
                        "prod": {"kind": "stdout-json", "indent?": False},
                    }
                )
            },
        }
    },
    "http": {
        "server": {
            "component": "events_app:http_server",
            "config": {
                "handler": tags.ref("http.router"),
                "port": tags.int_(tags.or_(tags.env("HARBOUR_PORT"), 8181)),
                "join": False,
            },
        },
        "router": {
            "component": "events_app:router",
            "config": {
                "persistence": tags.ref("store", "relational-store"),
                "data_provider": tags.ref("services/data-provider"),
            },
        },
    },
    "store": {
        "relational-store": {
            "component": "events_app:relational_store",
            "config": {
                "host": tags.or_(tags.env("STORE_HOST"), "localhost"),
                "port": tags.or_(tags.env("STORE_PORT"), 5433),
                "username": tags.or_(tags.env("STORE_USERNAME"), "harbour"),
                "password": tags.or_(tags.env("STORE_PASSWORD"), "moored"),
            },
        }
    },
    "services": {
        "data-provider": {
            "component": "events_app:data_provider",
            "config": {
                "tides_base_url": tags.or_(tags.env("TIDES_BASE_URL"), "http://localhost:9001"),
                "weather_api_uri": tags.or_(tags.env("WEATHER_API_URI"), "http://localhost:9002"),
                "ebb_report_uri": "/report/ebb",
                "flood_report_uri": "/api/v1/report/flood",
                "swell_report_uri": "/api/v2/swell",
            },
        }
    },
}


def source(format: str) -> Any:
    """What is to be read."""
    return IN_PYTHON if format == "python" else FILES / f"events.{format}"


def load(format: str, profile: str, environ: dict[str, str] = {}) -> System:  # noqa: B006
    """The system as one of the formats says it."""
    return config.load(source(format), profile=profile, environ=environ)


def in_order(system: System) -> dict[str, dict[str, Any]]:
    """The groups of a system, sorted, because the order as written is part of a system."""
    return {group: dict(sorted(nodes.items())) for group, nodes in sorted(system.groups.items())}


def written_in_python(profile: str, environ: dict[str, str]) -> System:
    """The system as one writes it without any file."""
    publishers: dict[str, dict[str, Any]] = {
        "dev": {"kind": "stdout-json", "indent?": True},
        "docker": {
            "kind": "several",
            "publishers": [
                {"kind": "stdout-json", "indent?": False},
                {"kind": "collector", "url": "http://collector:4318/"},
            ],
        },
        "prod": {"kind": "stdout-json", "indent?": False},
    }
    return System(
        {
            "events": {"log": events_app.publish(publisher=publishers[profile])},
            "http": {
                "server": events_app.http_server(
                    handler=ref("http.router"), port=int(environ.get("HARBOUR_PORT", 8181)), join=False
                ),
                "router": events_app.router(
                    persistence=ref("store", "relational-store"), data_provider=ref("services", "data-provider")
                ),
            },
            "store": {
                "relational-store": events_app.relational_store(
                    host=environ.get("STORE_HOST", "localhost"),
                    port=environ.get("STORE_PORT", 5433),
                    username=environ.get("STORE_USERNAME", "harbour"),
                    password=environ.get("STORE_PASSWORD", "moored"),
                )
            },
            "services": {
                "data-provider": events_app.data_provider(
                    tides_base_url=environ.get("TIDES_BASE_URL", "http://localhost:9001"),
                    weather_api_uri=environ.get("WEATHER_API_URI", "http://localhost:9002"),
                    ebb_report_uri="/report/ebb",
                    flood_report_uri="/api/v1/report/flood",
                    swell_report_uri="/api/v2/swell",
                )
            },
        }
    )


@pytest.mark.parametrize("environ", [{}, ENVIRON], ids=["bare", "set"])
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_says_the_system_that_is_written_in_python(
    format: str, profile: str, environ: dict[str, str]
) -> None:
    """In each profile, with environment variables and without."""
    assert in_order(load(format, profile, environ)) == in_order(written_in_python(profile, environ))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("format", FORMATS)
def test_a_system_that_is_written_in_the_same_order_is_equal(format: str, profile: str) -> None:
    """As a whole: nothing but the order of groups and names may differ between the formats."""
    python = written_in_python(profile, {})
    made = load(format, profile)
    order = {group: {name: python.groups[group][name] for name in nodes} for group, nodes in made.groups.items()}
    assert made == System(order)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("format", FORMATS)
def test_the_system_starts_and_stops_in_every_profile(format: str, profile: str) -> None:
    """Each component gets what the file says, in the order of the references."""
    events_app.said.clear()
    system = load(format, profile, {"HARBOUR_PORT": "8282"})
    assert system.check() == []
    with system.started() as live:
        server = live["http.server"]
        assert isinstance(server, Part)
        assert (server.given["port"], server.given["join"]) == (8282, False)
        assert server.given["handler"] is live["http.router"]
        assert server.given["handler"].given == {
            "persistence": live.get("store.relational-store", Part),
            "data_provider": live.get("services.data-provider", Part),
        }
        assert live["store"]["relational-store"].given["port"] == 5433
        assert live["services"]["data-provider"].given["swell_report_uri"] == "/api/v2/swell"
        publisher = live["events.log"].given["publisher"]
        assert publisher["kind"] == {"dev": "stdout-json", "docker": "several", "prod": "stdout-json"}[profile]
        started = list(events_app.said)
    names = [text.removeprefix("start ") for text in started]
    assert sorted(names) == ["log", "provider", "router", "server", "store"]
    assert max(names.index("store"), names.index("provider")) < names.index("router") < names.index("server")
    assert events_app.said[5:] == [f"stop {name}" for name in reversed(names)]


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_knows_its_profiles(format: str) -> None:
    """Those that the tag names; another one is an error that lists them."""
    assert sorted(config.Settings(source(format)).known_profiles) == sorted(PROFILES)
    with pytest.raises(UnknownProfile, match="prod") as caught:
        config.load(source(format), profile="prd")
    (problem,) = caught.value.problems
    assert problem.hint.startswith("Did you mean prod?")


@pytest.mark.parametrize("format", [one for one in FORMATS if one != "python"])
def test_each_value_has_its_line_and_column(format: str) -> None:
    """In the file of each format, at the value itself."""
    file = FILES / f"events.{format}"
    system = config.load(file, profile="docker", environ={})
    origin = config.explain(system)["services.data-provider.config.swell_report_uri"].origin
    lines = file.read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "/api/v2/swell" in text)
    text = lines[line - 1]
    column = text.index("/api/v2/swell") + (1 if format == "yaml" else 0)
    assert origin.site is not None
    assert (Path(origin.site.file).name, origin.site.line, origin.site.column) == (file.name, line, column)
    assert origin.kind == "file"


@pytest.mark.parametrize("format", [one for one in FORMATS if one != "python"])
def test_a_variable_that_is_no_number_is_told_with_its_place(format: str) -> None:
    """With the component, the argument, the variable, and file, line and column."""
    with pytest.raises(Exception, match="HARBOUR_PORT") as caught:
        load(format, "dev", {"HARBOUR_PORT": "eighty"})
    (problem,) = caught.value.problems  # type: ignore[attr-defined]
    assert (str(problem.id), problem.path) == ("http.server", ("config", "port"))
    lines = (FILES / f"events.{format}").read_text().splitlines()
    assert "HARBOUR_PORT" in lines[problem.site.line - 1]
    assert problem.site.column > 1
