"""The HTTP interface: Starlette says what is answered, uvicorn serves it in the event loop of the system."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import psycopg
import uvicorn
from anyio import CancelScope, create_task_group
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mainspring import component

from .database import Pool, pool_status
from .events import Log
from .page import render
from .store import Visits
from .worker import Worker

Port = Annotated[int, Field(ge=0, le=65535)]

LONGEST_BODY = 8192
LONGEST_PATH = 2000
MOST_VISITS = 1000

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class BadRequest(Exception):
    """A request that cannot be answered; the message is for whoever sent it."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@component
def make_app(db: Pool, visits: Visits, worker: Worker | None, log: Log) -> Starlette:
    """Web application. What the handlers need is in this function's arguments: there are no globals.

    Parameters:
        db: the connection pool, asked by `/health`.
        visits: where the visits are.
        worker: the background worker, asked by `/health`; `None` where this process has none.
        log: where to tell what happens.

    Returns:
        an ASGI application.
    """

    async def post_visit(request: Request) -> Response:
        path, ip = parse_visit(await _body(request))
        number = await visits.add(path, ip)
        log.info("visit stored", visit=number, path=path)
        return JSONResponse({"id": number}, status_code=201)

    async def get_page(request: Request) -> Response:
        page = render(await visits.summary(), await visits.latest(), await visits.by_country())
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def get_visits(request: Request) -> Response:
        limit = request.query_params.get("limit", "50")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MOST_VISITS):
            raise BadRequest(f"limit should be a number from 1 to {MOST_VISITS}")
        latest = await visits.latest(int(limit))
        return JSONResponse([{**asdict(visit), "seen_at": visit.seen_at.isoformat()} for visit in latest])

    async def get_countries(request: Request) -> Response:
        return JSONResponse([asdict(count) for count in await visits.by_country()])

    async def get_summary(request: Request) -> Response:
        return JSONResponse(asdict(await visits.summary()))

    async def get_health(request: Request) -> Response:
        parts: dict[str, dict[str, Any]] = {"pool": pool_status(db)}
        if worker is not None:
            parts["worker"] = worker.status()
        try:
            async with db.connection() as connection:
                await connection.execute("select 1")
            parts["database"] = {"answers": True}
        except psycopg.Error as error:
            parts["database"] = {"answers": False, "error": str(error)}
        well = bool(parts["database"]["answers"] and (worker is None or worker.working))
        return JSONResponse({"well": well, **parts}, status_code=200 if well else 503)

    async def bad_request(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=error.status if isinstance(error, BadRequest) else 400)

    async def database_error(request: Request, error: Exception) -> Response:
        log.error("database error", path=request.url.path, error=f"{type(error).__name__}: {error}")
        return JSONResponse({"error": "the database does not answer; try again later"}, status_code=503)

    return Starlette(
        routes=[
            Route("/", get_page),
            Route("/visits", post_visit, methods=["POST"]),
            Route("/api/visits", get_visits),
            Route("/api/countries", get_countries),
            Route("/api/summary", get_summary),
            Route("/health", get_health),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        exception_handlers={BadRequest: bad_request, psycopg.Error: database_error},
    )


@make_app.status
def _(app: Starlette) -> dict[str, int]:
    return {"routes": len(app.routes)}


def parse_visit(body: bytes) -> tuple[str, str]:
    """Read a visit out of a request.

    Parameters:
        body: JSON with `path` and `ip`.

    Returns:
        the path, and the address as PostgreSQL understands it.

    Raises:
        BadRequest: it is not a visit; the message says why.

    Example:
        >>> parse_visit(b'{"path": "/", "ip": "::ffff:9.9.9.9"}')
        ('/', '9.9.9.9')
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON", 400) from None
    if not (isinstance(data, dict) and isinstance(data.get("path"), str) and isinstance(data.get("ip"), str)):
        raise BadRequest('the body should be an object with the texts "path" and "ip"')
    path, ip = data["path"], data["ip"]
    if not path.startswith("/") or len(path) > LONGEST_PATH or not path.isprintable():
        raise BadRequest(f"path should start with a slash, be printable and not longer than {LONGEST_PATH} characters")
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise BadRequest("ip should be an IPv4 or IPv6 address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise BadRequest("ip should not name a network interface")
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
    return path, str(address)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise BadRequest(f"the body should not be longer than {LONGEST_BODY} bytes", 413)
    return body


class _Uvicorn(uvicorn.Server):
    """A uvicorn server that leaves the signals of the process alone, and nothing behind."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.serving = False

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.serving = True
        self.ready.set()

    async def serve_until_told(self, listener: socket.socket) -> None:
        # Shielded, because it ends soon enough when it is told to, and only then closes all that it has opened.
        with CancelScope(shield=True):
            try:
                await self.serve(sockets=[listener])
            finally:
                self.serving = False
                for connection in list(self.server_state.connections):
                    connection.transport.abort()
                if self.server_state.tasks:
                    # Requests that took longer than the grace have been cancelled; they still use what stops next.
                    await asyncio.wait(self.server_state.tasks)
        if not self.should_exit:
            raise RuntimeError("the web server has ended by itself")


@dataclass(frozen=True)
class Serving:
    """A web server at work.

    Parameters:
        url: its address, with the port it really has.
    """

    url: str
    _server: _Uvicorn = field(repr=False)

    def status(self) -> dict[str, Any]:
        """Tell whether it serves, where, and how much it has done."""
        state = self._server.server_state
        return {
            "serving": self._server.serving,
            "url": self.url,
            "requests": state.total_requests,
            "connections": len(state.connections),
        }


@component(deadlines={"start": 10, "stop": 20})
async def server(
    app: Starlette, log: Log, *, host: str = "127.0.0.1", port: Port = 8080, grace: float = 10.0
) -> AsyncIterator[Serving]:
    """Web server, in a task of its own. If that breaks while others use it, so does this component.

    Parameters:
        app: what to serve.
        log: where to tell what happens.
        host: the address to listen on.
        port: the port to listen on; 0 takes any free one.
        grace: seconds that requests under way have to end at stop.

    Returns:
        the server at work, with its `url`.

    Raises:
        OSError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=128) as listener:
        # Handed down to each connection. asyncio only sets it where it made the socket itself, and without it an answer
        # over a connection that is kept open waits 40 ms for its second part.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serving = _Uvicorn(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=round(grace),
            )
        )
        name = f"[{host}]" if family == socket.AF_INET6 else host
        url = f"http://{name}:{listener.getsockname()[1]}/"
        async with create_task_group() as tasks:
            tasks.start_soon(serving.serve_until_told, listener)
            try:
                await serving.ready.wait()
                log.info("web server started", url=url)
                yield Serving(url, serving)
            finally:
                serving.should_exit = True
        log.info("web server stopped", requests=serving.server_state.total_requests)
