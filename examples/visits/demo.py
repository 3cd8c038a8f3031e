"""Start the visits service for real, send it the visits of `visits.jsonl`, and show what happens.

`python examples/visits/demo.py` stays until Ctrl-C. With `--once` it ends by itself, with the exit status 0 if every
visit was processed exactly once.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from mainspring import Event, Live, MainspringError, RunError, State, System, interrupt  # noqa: E402
from visits.store import Summary, Visits  # noqa: E402
from visits.system import make_system  # noqa: E402

SENDERS = 4
PATIENCE = 60.0


class Trouble(Exception):
    """The demonstration did not work out; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
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

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, asked_to_end)
    checked = False
    try:
        with data_folder(options.data) as folder:
            system = define(folder, choose_port(options.port, options.once))
            print(f"\nThe parts of the system, and what each needs:\n\n{indented(system.graph())}", flush=True)
            with system.started(observers=[show_stop]) as live:
                print(f"\nWhat started when:\n\n{indented(live.report)}\n", flush=True)
                try:
                    send_and_check(live)
                    checked = True
                    if not options.once:
                        print(f"\nLook at {live['web.server'].url}\nCtrl-C stops everything.", flush=True)
                        threading.Event().wait()
                finally:
                    print("\nWhat stops, in order:\n", flush=True)
    except KeyboardInterrupt:
        return 0 if checked else 130
    except (Trouble, MainspringError) as error:
        print(f"\n{error.message if isinstance(error, RunError) else error}", file=sys.stderr)
        return 1
    return 0


def asked_to_end(number: int, frame: FrameType | None) -> None:
    """Take a request to end, or a closed terminal, for Ctrl-C."""
    if not interrupt(KeyboardInterrupt(), frame):
        raise KeyboardInterrupt


def define(folder: Path, port: int) -> System:
    """Define the service as it is, but with its data in a folder of its own and its events in a file there."""
    folder.mkdir(parents=True, exist_ok=True)
    events = folder / "events.jsonl"
    print(f"Data and events are in {folder}", flush=True)
    return make_system(os.environ).override({"env.data": folder, "env.port": port, "env.events": str(events)})


def send_and_check(live: Live) -> None:
    """Send all visits of the data file and wait until the worker has processed them.

    Raises:
        Trouble: a visit was not accepted, or was not processed exactly once.
    """
    visits = [line for line in (HERE / "visits.jsonl").read_text(encoding="utf-8").splitlines() if line]
    began = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        shares = [visits[first::SENDERS] for first in range(SENDERS)]
        accepted = [number for share in senders.map(lambda share: send(live, share), shares) for number in share]
    took = time.monotonic() - began
    print(f"{len(accepted)} visits were accepted in {took:.1f} s, {len(accepted) / took:.0f} a second", flush=True)

    summary = wait_for_worker(live.get("db.visits", Visits), accepted)
    if (summary.stored, summary.processed_once) != (len(visits), len(visits)):
        raise Trouble(
            f"Of {len(visits)} visits {summary.stored} were stored, {summary.processed_once} processed once, "
            f"{summary.processed_more_than_once} more than once and {summary.waiting} not at all."
        )
    print(f"All {len(visits)} were processed exactly once; they came from {summary.countries} countries", flush=True)


def send(live: Live, visits: Sequence[str]) -> list[int]:
    """Post visits over one connection, one after another, and return the numbers they were given."""
    address = urlsplit(live["web.server"].url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
    numbers = []
    for visit in visits:
        connection.request("POST", "/visits", visit.encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 201:
            raise Trouble(f"The visit {visit} was answered with {answer.status}: {body.decode(errors='replace')}")
        numbers.append(int(json.loads(body)["id"]))
    connection.close()
    return numbers


def wait_for_worker(store: Visits, accepted: Sequence[int]) -> Summary:
    """Wait until none of the accepted visits is waiting, or patience is at an end."""
    end = time.monotonic() + PATIENCE
    while (summary := store.summary(accepted)).waiting and time.monotonic() < end:
        time.sleep(0.1)
    return summary


def show_stop(event: Event) -> None:
    """Print each component that stops, as it does; an observer of the live system."""
    if event.new in (State.STOPPED, State.FAILED, State.ABANDONED):
        print(f"  {event.id!s:<14} {event.new}, took {1000 * (event.took or 0):.0f} ms", flush=True)


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
        print("Port 8080 is taken, so the page is on another one.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
