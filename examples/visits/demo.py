"""Start the visits service for real, send it the visits of `visits.jsonl`, and show what happens.

`python examples/visits/demo.py` stays until Ctrl-C. With `--once` it ends by itself, with the exit status 0 if every
visit was processed exactly once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import sys
import tempfile
import textwrap
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from mainspring import Event, Live, MainspringError, RunError, State, System  # noqa: E402
from visits.store import Summary, Visits  # noqa: E402
from visits.system import make_system  # noqa: E402

SENDERS = 4
PATIENCE = 60.0


class Trouble(Exception):
    """The demonstration did not work out; the message says why."""


async def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration.

    Parameters:
        arguments: the command line without the program; by default that of this process.

    Returns:
        the exit status: 0 if all went well, 1 if not, 130 if it was interrupted before the visits were processed.
    """
    parser = argparse.ArgumentParser(description="Start the visits service, send it visits and show what happens.")
    parser.add_argument("--once", action="store_true", help="end after checking that all were processed exactly once")
    parser.add_argument("--data", type=Path, help="keep the database in this folder (default: a temporary one)")
    parser.add_argument("--port", type=int, help="the port of the page (default: 8080 if it is free; 0: any free one)")
    options = parser.parse_args(arguments)

    # A request to end, or a closed terminal, is the same as Ctrl-C.
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)

    checked = False
    try:
        with data_folder(options.data) as folder:
            system = define(folder, choose_port(options.port, options.once))
            say(f"\nThe components of the system, and what each needs:\n\n{indented(system.graph())}")
            async with system.started(observers=[show_stop]) as live:
                say(f"\nWhat started when:\n\n{indented(live.report)}\n")
                try:
                    await send_and_check(live)
                    checked = True
                    if not options.once:
                        say(f"\nLook at {live['web.server'].url}\nCtrl-C stops everything.")
                        await asyncio.Event().wait()
                finally:
                    say("\nWhat stops, in order:\n")
    except asyncio.CancelledError:
        return 0 if checked else 130
    except (Trouble, MainspringError) as error:
        print(f"\n{error.message if isinstance(error, RunError) else error}", file=sys.stderr)
        return 1
    return 0


def define(folder: Path, port: int) -> System:
    """Define the service as `system.yaml` says it, but with its data in a folder of its own and its events in a file there."""
    folder.mkdir(parents=True, exist_ok=True)
    say(f"Data and events are in {folder}")
    own = {"data": folder, "port": port, "events": str(folder / "events.log"), "worker": True}
    return make_system({"env": own}, profile="dev")


async def send_and_check(live: Live) -> None:
    """Send all visits of the data file and wait until the worker has processed them.

    Raises:
        Trouble: a visit was not accepted, or was not processed exactly once.
    """
    visits = [line for line in (HERE / "visits.jsonl").read_text(encoding="utf-8").splitlines() if line]
    url: str = live["web.server"].url
    began = time.monotonic()
    try:
        async with asyncio.TaskGroup() as senders:
            shares = [senders.create_task(send(url, visits[first::SENDERS])) for first in range(SENDERS)]
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    accepted = [number for share in shares for number in share.result()]
    took = time.monotonic() - began
    say(f"{len(accepted)} visits were accepted in {took:.1f} s, {len(accepted) / took:.0f} a second")

    summary = await wait_for_worker(live.get("db.visits", Visits), accepted)
    if (summary.stored, summary.processed_once) != (len(visits), len(visits)):
        raise Trouble(
            f"Of {len(visits)} visits {summary.stored} were stored, {summary.processed_once} processed once, "
            f"{summary.processed_more_than_once} more than once and {summary.waiting} not at all."
        )
    say(f"All {len(visits)} were processed exactly once; they came from {summary.countries} countries")


async def send(url: str, visits: Sequence[str]) -> list[int]:
    """Post visits over one connection, one after another, and return the numbers they were given."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    numbers = []
    try:
        for visit in visits:
            body = visit.encode()
            head = f"POST /visits HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines if line)
            answer = await reader.readexactly(int(headers["content-length"]))
            status = first.split()[1]
            if status != "201":
                raise Trouble(f"The visit {visit} was answered with {status}: {answer.decode(errors='replace')}")
            numbers.append(int(json.loads(answer)["id"]))
    finally:
        writer.close()
    return numbers


async def wait_for_worker(store: Visits, accepted: Sequence[int]) -> Summary:
    """Wait until none of the accepted visits is waiting, or patience is at an end."""
    end = time.monotonic() + PATIENCE
    while (summary := await store.summary(accepted)).waiting and time.monotonic() < end:
        await asyncio.sleep(0.1)
    return summary


def show_stop(event: Event) -> None:
    """Print each component that stops, as it does; an observer of the live system."""
    if event.new in (State.STOPPED, State.FAILED, State.ABANDONED):
        say(f"  {event.id!s:<14} {event.new}, took {1000 * (event.took or 0):.0f} ms")


def say(text: str) -> None:
    """Print something at once, into a pipe too."""
    print(text, flush=True)


def indented(shown: object) -> str:
    """Give a text of several lines, a little to the right."""
    return textwrap.indent(str(shown), "  ")


@contextmanager
def data_folder(given: Path | None) -> Generator[Path]:
    """Give the folder that was asked for, or one that is gone at the end."""
    if given is not None:
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="visits-") as folder:
        yield Path(folder)


def choose_port(wanted: int | None, once: bool) -> int:
    """Choose the port of the page: the usual one if nothing speaks against it."""
    if wanted is not None:
        return wanted
    if once:
        return 0
    try:
        with socket.create_server(("127.0.0.1", 8080)):
            return 8080
    except OSError:
        say("Port 8080 is taken, so the page is on another one.")
        return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
