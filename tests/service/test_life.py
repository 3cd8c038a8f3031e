"""Health, status, trouble on the way, and the end."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from broken_service import BROKEN_WORKER, broken_countries
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from visits_helpers import PATIENCE, Client, Service, StartService, half_a_request, until

from mainspring import CrashError, DeadlineExceeded, Event, Id, StartError, State, StopError, component, config, ref
from mainspring.plugins import schemas
from visits.events import Publisher
from visits.geo import Country, FindCountry
from visits.system import make_system


class Gate:
    """A look-up that waits at a gate."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, ip: str) -> Country:
        """Tell that somebody is here, and let nobody pass before the gate is open."""
        self.entered.set()
        assert self.open.wait(PATIENCE)
        return Country("XX", "Nowhere")


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate, open at the end so that a failing test can stop its worker."""
    gate = Gate()
    yield gate
    gate.open.set()


@component
def gated(gate: Gate) -> FindCountry:
    """Use a gate as the look-up."""
    return gate


def counts(database_url: str) -> list[int]:
    """Read how often each visit was processed, past the service."""
    with psycopg.connect(database_url) as connection:
        return [times for (times,) in connection.execute("select times_processed from visits order by id")]


def test_health_is_well_while_database_and_worker_are(service: Service) -> None:
    """Health is answered with 200 and the status of the parts."""
    answer = service.client.get("/health")
    assert answer.status == 200
    assert answer.data["well"] is True
    assert answer.data["database"] == {"answers": True}
    assert answer.data["worker"]["working"] is True
    assert answer.data["pool"]["size"] >= 1


def test_health_is_not_well_without_the_worker(environ: dict[str, str]) -> None:
    """Where the service is to go on without its worker, health is 503 when that broke, and pages are still served."""
    live = (
        make_system(profile="test", environ=environ).override({**BROKEN_WORKER, "geo.worker.on_crash": "keep"}).start()
    )
    client = Client(live["web.server"].url)
    client.visit("/")
    until(lambda: live.state("geo.worker") == "failed", "the worker to break")
    answer = client.get("/health")
    assert (answer.status, answer.data["well"]) == (503, False)
    assert client.get("/").status == 200
    live.stop()


def test_health_is_well_where_there_is_to_be_no_worker(start_service: StartService) -> None:
    """With the worker switched off neither it nor the list of countries is started, and health does not ask for it."""
    service = start_service({"env.worker": False})
    answer = service.client.get("/health")
    assert (answer.status, answer.data["well"]) == (200, True)
    assert "worker" not in answer.data
    assert {service.live.state(id) for id in ("geo.worker", "geo.countries")} == {"defined"}


def test_a_worker_that_breaks_stops_the_service(environ: dict[str, str], database_url: str) -> None:
    """Without its worker the whole service stops, the error says why, and the visit waits for the next start."""
    live = make_system(profile="test", environ=environ).override(BROKEN_WORKER).start()
    Client(live["web.server"].url).visit("/")
    with pytest.raises(CrashError) as caught:
        live.join(PATIENCE)
    assert [str(failure.id) for failure in caught.value.failures] == ["geo.worker"]
    assert caught.group_contains(RuntimeError, match="the log is broken")
    assert {live.state(id) for id in ("web.server", "db.pool", "events.log")} == {"stopped"}
    assert counts(database_url) == [0]


def test_a_web_server_that_breaks_stops_the_service(environ: dict[str, str]) -> None:
    """A web server that ends without being told to is a crash: everything is stopped, and the error says why."""
    live = make_system(profile="test", environ=environ).start()
    live["web.server"]._server.limit_max_requests = 0
    with pytest.raises(CrashError) as caught:
        live.join(PATIENCE)
    assert caught.group_contains(RuntimeError, match="the web server has ended by itself")
    assert {live.state(id) for id in ("geo.worker", "db.pool", "events.log")} == {"stopped"}


def test_a_request_that_never_ends_is_given_up(start_service: StartService, database_url: str) -> None:
    """A visit that is still coming in when the grace of the web server is over is not stored, and the stop goes on."""
    service = start_service({"web.server.config.grace": 1})
    connection, _ = half_a_request(service.client)
    with connection:
        service.live.stop()
        assert service.live.state("web.server") == "stopped"
        assert not connection.recv(4096).startswith(b"HTTP/1.1 2")
    assert counts(database_url) == []


def test_the_service_runs_in_an_event_loop_that_is_there(environ: dict[str, str]) -> None:
    """In an async program the service uses the program's own event loop, which can use its parts too."""

    async def program() -> None:
        async with make_system(profile="test", environ=environ).started() as live:
            await live["db.visits"].add("/", "9.9.9.9")
            answer = await asyncio.to_thread(Client(live["web.server"].url).processed)
            assert [visit["times_processed"] for visit in answer] == [1]
            assert (await live.astatus())[Id("web", "server")]["serving"]
        assert live.state("web.server") == "stopped"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(program())


def test_a_database_that_comes_late_is_waited_for(environ: dict[str, str], postgres: str) -> None:
    """The pool is started again until there is the database, and observers are told why."""
    name = f"late_{os.getpid()}"
    errors: list[BaseException | None] = []

    def create(event: Event) -> None:
        if event.error is not None:
            errors.append(event.error)
            admin.execute(f'create database "{name}"'.encode())

    with psycopg.connect(postgres, autocommit=True) as admin:
        system = make_system(profile="test", environ={**environ, "DATABASE_URL": make_conninfo(postgres, dbname=name)})
        with system.started(observers=[create]) as live:
            assert live.report["db.pool"].attempts == 2
            Client(live["web.server"].url).visit("/")
        admin.execute(f'drop database "{name}"'.encode())
    [error] = errors
    assert f'database "{name}" does not exist' in str(error)


def test_a_database_that_has_gone_is_answered_with_503(service: Service, database_url: str) -> None:
    """Without its database the service refuses visits, says so in health, and goes on as soon as it is back."""
    service.client.visit("/before")
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("alter table visits rename to gone")
        answer = service.client.post({"path": "/", "ip": "9.9.9.9"})
        assert (answer.status, answer.data["error"]) == (503, "the database does not answer; try again later")
        assert service.client.get("/").status == 503
        admin.execute("alter table gone rename to visits")
    service.client.visit("/after")
    assert [visit["path"] for visit in service.client.processed()] == ["/before", "/after"]


def test_every_component_gets_what_its_annotations_ask_for(environ: dict[str, str]) -> None:
    """A type checker cannot look behind references; a plugin can, when the service starts."""
    make_system(profile="test", environ=environ).with_plugins(schemas(annotations=True)).start().stop()
    wrong = make_system(profile="test", environ=environ).override({"web.app.config.visits": ref("geo.worker")})
    with pytest.raises(StartError, match=r"web\.app does not fit its schema"):
        wrong.with_plugins(schemas(annotations=True)).start()


def test_every_component_reports_its_status(service: Service) -> None:
    """Each part of the service, constants aside, has something to say."""
    service.client.visit("/")
    service.client.processed()
    status = {str(id): said for id, said in service.live.status().items() if id.group != "env"}
    assert set(status) == {
        "events.log",
        "db.server",
        "db.pool",
        "db.visits",
        "geo.countries",
        "geo.worker",
        "web.app",
        "web.server",
    }
    assert all(isinstance(said, dict) and said for said in status.values())
    assert status["geo.worker"] == {"working": True, "processed": 1, "errors": 0, "last_error": None}
    assert status["db.visits"]["processed_once"] == 1
    assert status["web.server"]["url"] == service.client.url


def test_the_worker_finishes_its_visit_before_it_stops(
    start_service: StartService, gate: Gate, database_url: str
) -> None:
    """A stop waits for the visit under way, which is then processed; the next one is left for later."""
    service = start_service({"geo.countries": gated(gate=gate)})
    service.client.visit("/first")
    service.client.visit("/second")
    assert gate.entered.wait(PATIENCE)
    stop = threading.Thread(target=service.live.stop)
    stop.start()
    until(lambda: service.live.state("geo.worker") == "stopping", "the stop to reach the worker")
    assert stop.is_alive()
    assert counts(database_url) == [0, 0]
    gate.open.set()
    stop.join(PATIENCE)
    assert not stop.is_alive()
    assert counts(database_url) == [1, 0]


def test_a_look_up_that_hangs_does_not_hold_up_the_stop(
    start_service: StartService, gate: Gate, database_url: str
) -> None:
    """Past its deadline the worker is cancelled, the stop says so and goes on, and the visit waits for the next start."""
    service = start_service({"geo.countries": gated(gate=gate), "geo.worker.deadlines": {"stop": 0.2}})
    service.client.visit("/")
    assert gate.entered.wait(PATIENCE)
    with pytest.raises(StopError) as caught:
        service.live.stop()
    assert [str(failure.id) for failure in caught.value.failures] == ["geo.worker"]
    assert caught.group_contains(DeadlineExceeded)
    assert {service.live.state(id) for id in ("web.server", "db.pool", "events.log")} == {"stopped"}
    assert counts(database_url) == [0]


def test_a_lost_connection_costs_nothing_but_another_try(
    start_service: StartService, gate: Gate, postgres: str, database_url: str
) -> None:
    """When the connection breaks in the middle of a visit, the worker tells, tries again and processes it once."""
    service = start_service({"geo.countries": gated(gate=gate), "geo.worker.config.pause": 0.01})
    service.client.visit("/")
    assert gate.entered.wait(PATIENCE)
    name = conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [name])
    gate.open.set()
    [visit] = service.client.processed()
    assert visit["times_processed"] == 1
    status = service.live["geo.worker"].status()
    assert status["working"]
    assert status["errors"] >= 1
    assert "AdminShutdown" in status["last_error"] or "OperationalError" in status["last_error"]


def test_a_pause_after_an_error_does_not_hold_up_the_stop(start_service: StartService) -> None:
    """A worker that waits an hour before its next try stops at once when it is told to."""
    service = start_service({"geo.countries": broken_countries(), "geo.worker.config.pause": 3600})
    service.client.visit("/")
    worker = service.live["geo.worker"]
    until(lambda: worker.errors, "the error")
    assert worker.status()["last_error"] == "RuntimeError: no map"
    stop = threading.Thread(target=service.live.stop)
    stop.start()
    stop.join(PATIENCE)
    assert not stop.is_alive()


def test_the_event_log_holds_every_event_when_the_service_has_stopped(service: Service, tmp_path: Path) -> None:
    """Nothing that was logged is lost at stop, and each line is JSON with time and level."""
    numbers = [service.client.visit(f"/{number}") for number in range(50)]
    service.client.processed()
    service.live.stop()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [event["visit"] for event in events if event["event"] == "visit stored"] == numbers
    assert [event["event"] for event in events[-2:]] == ["web server stopped", "worker stopped"]
    assert all(event["level"] == "info" and event["timestamp"] for event in events)


def test_the_event_log_ends_when_the_last_event_is_written() -> None:
    """A stop waits for a slow terminal or disk until everything logged before is written."""
    gate = threading.Event()
    lines: list[str] = []

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            assert gate.wait(PATIENCE)
            lines.append(text)
            return len(text)

    publisher = Publisher(Slow())
    publisher.start()
    for number in range(3):
        publisher.log.info("event", number=number)
    stop = threading.Thread(target=publisher.stop)
    stop.start()
    stop.join(0.2)
    assert stop.is_alive()
    gate.set()
    stop.join(PATIENCE)
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2]
    assert publisher.status() == {"published": 3, "waiting": 0, "dropped": 0}


def test_an_event_that_finds_no_room_is_dropped_and_counted() -> None:
    """Logging never waits: when the queue is full, events are counted as dropped."""
    publisher = Publisher(io.StringIO(), room=2)
    for _ in range(5):
        publisher.log.info("event")
    assert publisher.status() == {"published": 0, "waiting": 2, "dropped": 3}


def test_a_stopped_service_leaves_no_thread_and_no_open_port(start_service: StartService) -> None:
    """After the stop nobody listens, and the threads are gone, that of the event loop too."""
    before = set(threading.enumerate())
    service = start_service()
    service.client.visit("/")
    service.client.processed()
    address = urlsplit(service.client.url)
    service.live.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE)
    until(lambda: set(threading.enumerate()) <= before, "the threads to end")


def test_a_restart_keeps_the_visits(service: Service) -> None:
    """After a restart the visits from before are there, and new ones are processed."""
    service.client.visit("/before")
    service.client.processed()
    service.live.restart()
    client = type(service.client)(service.live["web.server"].url)
    client.visit("/after")
    assert {visit["path"]: visit["times_processed"] for visit in client.processed()} == {"/before": 1, "/after": 1}


def test_a_taken_port_is_told_and_nothing_stays_running(start_service: StartService) -> None:
    """When the port is taken the start fails with that reason, and what had started is stopped."""
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ExceptionGroup) as caught:
        start_service({"env.port": other.getsockname()[1]})
    assert caught.group_contains(OSError, match="Address already in use")
    until(lambda: set(threading.enumerate()) <= before, "the threads to end")


def test_the_parts_stop_in_the_reverse_order(service: Service) -> None:
    """First nobody comes in any more, then the worker ends, then the database, and at last the event log."""
    stopped: list[str] = []
    service.live.observe(lambda event: stopped.append(str(event.id)) if event.new == State.STOPPED else None)
    service.live.stop()
    # The list of countries is needed by the worker only; after that it may stop at any time.
    assert stopped.index("geo.countries") > stopped.index("geo.worker")
    stopped.remove("geo.countries")
    assert stopped == ["web.server", "web.app", "geo.worker", "db.visits", "db.pool", "db.server", "events.log"]


def test_the_password_of_the_database_is_shown_nowhere(database_url: str, tmp_path: Path) -> None:
    """Neither settings nor descriptions, reports, status, health or events contain the password of `DATABASE_URL`."""
    environ = {
        "DATABASE_URL": make_conninfo(database_url, password="hunter2"),
        "VISITS_EVENTS": str(tmp_path / "events.jsonl"),
    }
    system = make_system(profile="test", environ=environ)
    with system.started() as live:
        health = Client(live["web.server"].url).get("/health").text
        shown = [system.describe(), live.describe(), live.report, live.status(), live["db.server"], health]
    shown.append(config.explain(system))
    shown.append((tmp_path / "events.jsonl").read_text(encoding="utf-8"))
    assert "hunter2" not in " ".join(f"{thing} {thing!r}" for thing in shown)
