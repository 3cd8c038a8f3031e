"""A system as a process: what it says, which signals it minds, and with what status it ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from pathlib import Path

import pytest
from command_line import Start, default_signals

from mainspring import Component, Event, StateError, System, ref
from mainspring.runner import run

APP = """\
import asyncio, ctypes, json, multiprocessing, os, pathlib, signal, subprocess, sys, threading
from mainspring import Component, System, component, ref

@component
def part(*needs, name):
    print("opens", name)
    yield name
    print("closes", name)

@component
def waits(*needs, name):
    print("begins", name)
    threading.Event().wait()

def raises(*needs):
    raise ConnectionError("no route to host")

def refuses(instance):
    raise OSError("cannot let go")

def hangs(instance):
    print("hangs")
    threading.Event().wait()  # in stop

def deaf(instance):
    lock = ctypes.create_string_buffer(128)
    c = ctypes.CDLL(None)
    c.pthread_mutex_init(lock, None)
    c.pthread_mutex_lock(lock)
    def hangs():
        go.wait()
        print("hangs")
    go = threading.Event()
    threading.Thread(target=hangs, daemon=True).start()
    # From here on the other thread has its turn only when this one is in the library of C.
    sys.setswitchinterval(1000)
    go.set()
    c.pthread_mutex_lock(lock)

def system(**more):
    pool = part(name="pool")
    return System({"db": {"pool": pool}, "web": {"server": part(ref("db.pool"), name="server")}, "more": more})

def object_(*needs):
    return object()

good = system()
failing = system(bad=Component(raises))
failing_twice = System({"a": {"x": Component(object_, stop=refuses), "y": Component(raises, config={"needs": [ref("a.x")]})}})
refusing = system(bad=Component(object_, stop=refuses))
hanging = system(bad=Component(object_, stop=hangs))
unhearing = system(bad=Component(object_, stop=deaf))
waiting = system(bad=waits(name="bad"))
waiting_and_refusing = System(
    {"a": {"x": Component(object_, stop=refuses), "y": waits(ref("a.x"), name="y")}})
"""
RUN = ("-m", "mainspring", "run")


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> Path:
    """The module of systems; a test may add to it."""
    file = tmp_path / "app.py"
    file.write_text(APP)
    return file


def add(app: Path, text: str) -> None:
    """Add to the module."""
    app.write_text(app.read_text() + text)


def line(text: str) -> int:
    """The number of the line of the module that contains a text."""
    return next(n for n, line in enumerate(APP.splitlines(), 1) if text in line)


def without_times(text: str) -> list[str]:
    """The lines of a text, with every time as T."""
    return [re.sub(r"\d[\d.]* (µs|ms|s)\b", "T", line.rstrip()) for line in text.splitlines()]


# --- a good life ------------------------------------------------------------------------------------------------------


def test_ctrl_c_stops_everything_in_order(start: Start) -> None:
    """In a terminal each component is announced as it comes up and as it stops; Ctrl-C ends it all with 0."""
    process = start(*RUN, "app:good", terminal=True)
    process.see("Ctrl-C stops.")
    process.press(b"\x03")
    assert process.end() == 0
    assert without_times(process.text) == [
        "Starting 2 components",
        "opens pool",
        "  db.pool     up in T",
        "opens server",
        "  web.server  up in T",
        "All up in T. Ctrl-C stops.",
        "^C",
        "Ctrl-C: stopping, within T",
        "closes server",
        "  web.server  stopped in T",
        "closes pool",
        "  db.pool     stopped in T",
        "All stopped in T.",
    ]


@pytest.mark.parametrize("late", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_after_the_end_changes_nothing(start: Start, app: Path, late: int) -> None:
    """What comes when everything is stopped, and the interpreter still ends, does not change the exit status."""
    leave = app.parent / "leave"
    os.mkfifo(leave)
    add(app, f"import atexit\natexit.register(lambda: (print('leaving', flush=True), open({str(leave)!r}).read()))\n")
    process = start(*RUN, "app:good")
    process.see("Ctrl-C stops.")
    process.send(signal.SIGTERM)
    process.see("leaving")
    process.send(late)
    leave.write_text("now")
    assert process.end() == 0


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_stops_everything(start: Start, number: int, name: str) -> None:
    """SIGINT and SIGTERM from outside do what Ctrl-C does; without a terminal, too."""
    process = start(*RUN, "app:good")
    process.see("All up")
    assert process.end(number) == 0
    assert f"{name}: stopping" in process.text
    assert process.text.index("closes server") < process.text.index("closes pool") < process.text.index("All stopped")


def test_a_component_can_ask_for_the_end(start: Start, app: Path) -> None:
    """A signal that a thread of the process sends to it counts like one from outside."""
    add(
        app,
        """
def quits(*needs):
    threading.Thread(target=signal.raise_signal, args=[signal.SIGTERM]).start()
quitting = system(bad=Component(quits))
""",
    )
    assert start(*RUN, "app:quitting").end() == 0


def test_the_same_signal_twice_in_one_moment_is_one_request(start: Start) -> None:
    """Some programs signal a process and its group: what comes before the stop has begun is no second signal."""
    process = start(
        "-c",
        "import os; from mainspring.runner._progress import Progress; from mainspring.runner._watch import Watch\n"
        "watch = Watch(Progress(), print, 30)\n"
        "os.write(watch._write, bytes([15, 15]))\n"
        "watch.start()\n"
        "print(watch.settled.wait(10))\n"
        "os.write(watch._write, bytes([15]))\n"
        "watch._thread.join(10)\n",
    )
    assert process.end() == 143
    assert process.text == "True\nSIGTERM again: ending at once.\n"


# --- a start that does not succeed ------------------------------------------------------------------------------------


def test_a_failed_start_ends_with_1(start: Start) -> None:
    """What had been started is stopped again, and the error is shown with the user's own lines only."""
    process = start(*RUN, "app:failing")
    assert process.end() == 1
    assert "closes server" in process.text
    assert "closes pool" in process.text
    at = process.text.index("The start failed after")
    head, _, rest = process.text[at:].partition("\n\n")
    assert head.endswith("What had been started was stopped again.")
    assert without_times(rest) == [
        f"more.bad failed in start, defined at app.py:{line('failing =')}:",
        "  Traceback (most recent call last):",
        f'    File "app.py", line {line("raise ConnectionError")}, in raises',
        '      raise ConnectionError("no route to host")',
        "  ConnectionError: no route to host",
    ]


def test_a_roll_back_that_fails_too_is_shown_and_ends_with_1(start: Start) -> None:
    """Of a start that failed and a stop that failed after it, both are shown; the start came first."""
    process = start(*RUN, "app:failing_twice")
    assert process.end() == 1
    assert (
        process.text.index("no route to host") < process.text.index("a.x failed in stop") < process.text.index("let go")
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_a_signal_during_the_start_interrupts_and_rolls_back(start: Start, terminal: bool) -> None:
    """A start that waits is interrupted at once; what had been started is stopped; the status is 0."""
    process = start(*RUN, "app:waiting", terminal=terminal)
    process.see("begins bad")
    if terminal:
        process.press(b"\x03")
    else:
        process.send(signal.SIGTERM)
    assert process.end() == 0
    assert "more.bad    given up after" in process.text
    assert process.text.index("closes server") < process.text.index("closes pool")
    assert "Traceback" not in process.text


def test_an_interruption_that_becomes_another_error_is_still_an_interruption(start: Start, app: Path) -> None:
    """A handler that turns the interruption into an error of its own was interrupted all the same: 0, not 1."""
    add(
        app,
        """
def turns(*needs):
    try:
        print("begins bad")
        threading.Event().wait()
    except KeyboardInterrupt:
        raise RuntimeError("could not connect")
turning = system(bad=Component(turns))
""",
    )
    process = start(*RUN, "app:turning")
    process.see("begins bad")
    assert process.end(signal.SIGTERM) == 0
    assert "more.bad    given up after" in process.text
    assert "closes pool" in process.text


def test_a_signal_that_another_thread_gets_interrupts_the_start(start: Start, app: Path) -> None:
    """A main thread that waits for a lock is woken even where the kernel gave the signal to another thread."""
    add(
        app,
        """
def waits_masked(*needs):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    print("begins bad")
    threading.Event().wait()
masked = system(bad=Component(waits_masked))
""",
    )
    process = start(*RUN, "app:masked", "--grace", "10")
    process.see("begins bad")
    assert process.end(signal.SIGTERM) == 0
    assert "given up" in process.text


def test_a_swallowed_interruption_stops_the_system_once_it_is_up(start: Start, app: Path) -> None:
    """A handler that takes the interruption for its own delays the stop, and does not lose it."""
    add(
        app,
        """
def swallows(*needs):
    try:
        print("begins bad")
        threading.Event().wait()
    except BaseException:
        pass
swallowing = system(bad=Component(swallows))
""",
    )
    process = start(*RUN, "app:swallowing")
    process.see("begins bad")
    assert process.end(signal.SIGTERM) == 0
    assert "more.bad    up" in process.text
    assert "All up" not in process.text
    assert "closes pool" in process.text


def test_an_interrupted_start_whose_roll_back_fails_ends_with_3(start: Start) -> None:
    """Stopped when asked to, but not well."""
    process = start(*RUN, "app:waiting_and_refusing")
    process.see("begins y")
    assert process.end(signal.SIGTERM) == 3
    assert "a.x failed in stop" in process.text
    assert "OSError: cannot let go" in process.text


def test_a_signal_during_a_roll_back_does_not_interrupt_it(start: Start, app: Path) -> None:
    """The stop handlers of a failed start are left in peace, and the start's failure stays the reason."""
    add(
        app,
        """
go = threading.Lock()
def slow_stop(instance):
    go.acquire()
    signal.signal(signal.SIGUSR1, lambda *_: go.release())
    print("begins to stop")
    go.acquire()
    print("came to its end")
rolling = System(
    {"a": {"x": Component(object_, stop=slow_stop), "y": Component(raises, config={"needs": [ref("a.x")]})}})
""",
    )
    process = start(*RUN, "app:rolling")
    process.see("begins to stop")
    process.send(signal.SIGTERM)
    process.send(signal.SIGUSR1)
    assert process.end() == 1
    assert "came to its end" in process.text
    assert "no route to host" in process.text


def test_a_definition_with_problems_ends_with_2(start: Start, app: Path) -> None:
    """Nothing is started, and every problem is shown."""
    add(app, '\nbroken = system(a=part(ref("db.pol"), name="a"), b=part(ref("bd.pool"), name="b"))\n')
    process = start(*RUN, "app:broken")
    assert process.end() == 2
    assert "Did you mean db.pool?" in process.text
    assert "2 problems in the definition" in process.text
    assert "opens" not in process.text


@pytest.mark.parametrize("status", ["0", "7", '"no configuration"'])
def test_sys_exit_in_a_start_is_a_failed_start(start: Start, app: Path, status: str) -> None:
    """A component that ends the interpreter has failed to start, whatever status it has in mind; the others are stopped."""
    add(app, f"\nleaving = system(bad=Component(lambda: sys.exit({status})))\n")
    process = start(*RUN, "app:leaving")
    assert process.end() == 1
    assert process.text.index("closes pool") < process.text.index("The start failed")
    assert f"SystemExit: {status.strip(chr(34))}" in process.text


# --- a stop that does not succeed -------------------------------------------------------------------------------------


def test_a_failing_stop_ends_with_3(start: Start) -> None:
    """The others are stopped all the same, and the error is shown with the user's own lines only."""
    process = start(*RUN, "app:refusing")
    process.see("All up")
    assert process.end(signal.SIGTERM) == 3
    assert "closes pool" in process.text
    assert "more.bad    failed to stop after" in process.text
    at = process.text.index("more.bad failed in stop")
    assert without_times(process.text[at:]) == [
        f"more.bad failed in stop, defined at app.py:{line('refusing =')}:",
        "  Traceback (most recent call last):",
        f'    File "app.py", line {line("raise OSError")}, in refuses',
        '      raise OSError("cannot let go")',
        "  OSError: cannot let go",
    ]


def test_an_abandoned_stop_ends_with_3_and_shows_where_it_hangs(start: Start, app: Path) -> None:
    """A stop that is given up on is shown with the user's part of its stack."""
    add(app, '\nabandoned = system(bad=Component(object_, stop=hangs, deadlines={"stop": 0.05}))\n')
    process = start(*RUN, "app:abandoned")
    process.see("All up")
    assert process.end(signal.SIGTERM) == 3
    assert "more.bad    abandoned after" in process.text
    shown = process.text[process.text.index("more.bad was abandoned in stop") :]
    assert f'File "app.py", line {line("threading.Event().wait()  # in stop")}, in hangs' in shown
    assert f"{os.sep}mainspring{os.sep}" not in shown
    assert "closes pool" in process.text


@pytest.mark.parametrize("name", ["hanging", "unhearing"])
def test_the_grace_period_ends_a_stop_that_hangs(start: Start, name: str) -> None:
    """When it is over the process says what is stopping, for how long and where, and ends with 3 - even one stuck in C."""
    process = start(*RUN, f"app:{name}", "--grace", "0.2")
    process.see("All up")
    assert process.end(signal.SIGTERM) == 3
    assert "The grace period of 0.2 s is over." in process.text
    assert "more.bad has been stopping for" in process.text
    shown = process.text[process.text.index("It is here:") :]
    assert f"in {'hangs' if name == 'hanging' else 'deaf'}\n" in shown
    assert f"{os.sep}mainspring{os.sep}" not in shown
    assert "Not stopped: more.bad, web.server, db.pool." in shown


def test_the_grace_period_shows_where_a_component_with_a_thread_of_its_own_hangs(start: Start, app: Path) -> None:
    """A component with a deadline longer than the grace period hangs in another thread, and that one is shown."""
    add(app, '\nthreaded = system(bad=Component(object_, stop=hangs, deadlines={"stop": 60}))\n')
    process = start(*RUN, "app:threaded", "--grace", "0.2")
    process.see("All up")
    assert process.end(signal.SIGTERM) == 3
    assert f'File "app.py", line {line("threading.Event().wait()  # in stop")}, in hangs' in process.text


def test_the_grace_period_ends_a_start_that_cannot_be_interrupted(start: Start, app: Path) -> None:
    """A start that is stuck in C does not hear the interruption; the grace period counts for it, too."""
    add(app, "\nstuck = system(bad=Component(lambda: deaf(None)))\n")
    process = start(*RUN, "app:stuck", "--grace", "0.2")
    process.see("hangs")
    assert process.end(signal.SIGTERM) == 3
    assert "more.bad has been starting for" in process.text


def test_the_grace_period_ends_a_roll_back_that_hangs(start: Start, app: Path) -> None:
    """Nobody asked for a stop, but a failed start is not to hang for ever in stopping what it had started."""
    add(
        app,
        '\nrolling = System({"a": {"x": Component(object_, stop=hangs), '
        '"y": Component(raises, config={"needs": [ref("a.x")]})}})\n',
    )
    process = start(*RUN, "app:rolling", "--grace", "0.2")
    assert process.end() == 3
    assert "a.x has been stopping for" in process.text


@pytest.mark.parametrize("name", ["hanging", "unhearing"])
def test_a_second_ctrl_c_ends_at_once(start: Start, name: str) -> None:
    """It does not wait for the stop that hangs, not even for one stuck in C; the status says which signal it was."""
    process = start(*RUN, f"app:{name}", terminal=True)
    process.see("Ctrl-C stops.")
    process.press(b"\x03")
    process.see("hangs")
    process.press(b"\x03")
    assert process.end() == 130
    assert "Ctrl-C again: ending at once. Not stopped: more.bad, web.server, db.pool." in process.text
    assert "closes" not in process.text


def test_a_second_signal_of_another_kind_ends_at_once_too(start: Start) -> None:
    """The status is 128 and the number of the second signal."""
    process = start(*RUN, "app:hanging")
    process.see("All up")
    process.send(signal.SIGINT)
    process.see("hangs")
    assert process.end(signal.SIGTERM) == 143


def test_a_hang_up_while_stopping_is_no_second_signal(start: Start) -> None:
    """Some supervisors send SIGHUP after SIGTERM: the stop goes on, here until the grace period is over."""
    process = start(*RUN, "app:hanging", "--grace", "0.3")
    process.see("All up")
    process.send(signal.SIGTERM)
    process.see("hangs")
    assert process.end(signal.SIGHUP) == 3


def test_a_thread_that_is_left_over_does_not_keep_the_process(start: Start, app: Path) -> None:
    """When everything is stopped and a thread runs on, the grace period ends that: the thread is named and shown."""
    add(
        app,
        """
def leaves(*needs):
    threading.Thread(target=threading.Event().wait, name="poller").start()
leaving = system(bad=Component(leaves))
""",
    )
    process = start(*RUN, "app:leaving", "--grace", "0.2")
    process.see("All up")
    assert process.end(signal.SIGTERM) == 3
    assert "All stopped" in process.text
    assert "The thread poller is here:" in process.text


# --- SIGHUP -----------------------------------------------------------------------------------------------------------


def test_sighup_restarts(start: Start) -> None:
    """Everything is stopped and started again, as often as asked, in the same process."""
    process = start(*RUN, "app:good")
    process.see("All up")
    for _ in range(2):
        process.send(signal.SIGHUP)
        seen = process.see("All up")
        said = [line for line in without_times(seen) if line.startswith(("SIGHUP", "opens", "closes"))]
        assert said == ["SIGHUP: restarting", "closes server", "closes pool", "opens pool", "opens server"]
    assert process.end(signal.SIGTERM) == 0


def test_sighup_during_the_start_waits(start: Start, app: Path) -> None:
    """The start is not disturbed; the restart comes after it."""
    add(
        app,
        """
first = [True]
def goes_on(*needs):
    if first.pop() if first else False:
        go = threading.Lock()
        go.acquire()
        signal.signal(signal.SIGUSR1, lambda *_: go.release())
        print("begins")
        go.acquire()
starting = system(bad=Component(goes_on))
""",
    )
    process = start(*RUN, "app:starting")
    process.see("begins")
    process.send(signal.SIGHUP)
    process.send(signal.SIGUSR1)
    assert "restarting" not in process.see("All up")
    assert "SIGHUP: restarting" in process.see("All up")
    assert process.end(signal.SIGTERM) == 0


def test_sighup_calls_a_function_again(start: Start, app: Path, tmp_path: Path) -> None:
    """What a function returns at the restart is what runs after it; overrides are made again."""
    add(
        app,
        """
def make():
    return System({"env": {"name": "?", "sign": "?"}, "app": {"it": Component(
        lambda name, sign: print("it is", name, sign), config={"name": ref("env.name"), "sign": ref("env.sign")})}}
    ).override({"env.name": pathlib.Path("name.txt").read_text()})
""",
    )
    (tmp_path / "name.txt").write_text("Anna")
    process = start(*RUN, "app:make", "--set", "env.sign=!")
    process.see("it is Anna !")
    process.see("All up")
    (tmp_path / "name.txt").write_text("Berta")
    process.send(signal.SIGHUP)
    process.see("it is Berta !")
    process.see("All up")
    assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    "trouble", ['raise ValueError("no configuration")', 'return system(a=part(ref("db.pol"), name="a"))']
)
def test_a_system_that_cannot_be_made_again_runs_on(start: Start, app: Path, tmp_path: Path, trouble: str) -> None:
    """Where the function fails at a restart, or gives a system with problems, nothing is stopped."""
    add(
        app,
        f"""
def make():
    if pathlib.Path("trouble").exists():
        {trouble}
    return good
""",
    )
    process = start(*RUN, "app:make")
    process.see("All up")
    (tmp_path / "trouble").touch()
    process.send(signal.SIGHUP)
    seen = process.see("Everything runs on as it was.")
    assert "no configuration" in seen or "Did you mean db.pool?" in seen
    assert "closes" not in seen
    assert process.end(signal.SIGTERM) == 0
    assert "closes pool" in process.text


def test_a_restart_whose_start_fails_ends_with_1(start: Start, app: Path) -> None:
    """Nothing runs any more then, so the process ends, as after any failed start."""
    add(
        app,
        """
times = []
def once(*needs):
    times.append(1)
    if len(times) > 1:
        raises()
breaking = system(bad=Component(once))
""",
    )
    process = start(*RUN, "app:breaking")
    process.see("All up")
    assert process.end(signal.SIGHUP) == 1
    assert "more.bad failed in start" in process.text
    assert process.text.count("closes pool") == 2


def test_a_restart_whose_stop_fails_goes_on(start: Start, app: Path) -> None:
    """The failure is shown, and everything is started again."""
    add(
        app,
        """
times = []
def once(instance):
    times.append(1)
    if len(times) == 1:
        refuses(instance)
stumbling = system(bad=Component(object_, stop=once))
""",
    )
    process = start(*RUN, "app:stumbling")
    process.see("All up")
    process.send(signal.SIGHUP)
    assert "OSError: cannot let go" in process.see("All up")
    assert process.end(signal.SIGTERM) == 0


def test_a_restart_that_abandons_a_stop_ends_with_3(start: Start, app: Path) -> None:
    """What hangs may still hold its port: it is not started a second time in the same process."""
    add(app, '\nabandoned = system(bad=Component(object_, stop=hangs, deadlines={"stop": 0.05}))\n')
    process = start(*RUN, "app:abandoned")
    process.see("All up")
    assert process.end(signal.SIGHUP) == 3
    assert "Not started again, because of what was abandoned: more.bad." in process.text


def test_a_signal_in_the_stop_half_of_a_restart_ends_there(start: Start, app: Path) -> None:
    """The stop handlers are left in peace, and nothing is started again."""
    add(
        app,
        """
go = threading.Lock()
def slow_stop(instance):
    go.acquire()
    signal.signal(signal.SIGUSR1, lambda *_: go.release())
    print("begins to stop")
    go.acquire()
    print("came to its end")
slow = system(bad=Component(object_, stop=slow_stop))
""",
    )
    process = start(*RUN, "app:slow")
    process.see("All up")
    process.send(signal.SIGHUP)
    process.see("begins to stop")
    process.send(signal.SIGTERM)
    process.send(signal.SIGUSR1)
    assert process.end() == 0
    assert "came to its end" in process.text
    assert "SIGTERM: not started again." in process.text
    assert process.text.count("opens pool") == 1


def test_a_signal_in_the_start_half_of_a_restart_rolls_back(start: Start, app: Path) -> None:
    """As during a first start."""
    add(
        app,
        """
times = []
def second(*needs):
    times.append(1)
    if len(times) > 1:
        print("begins")
        threading.Event().wait()
slow = system(bad=Component(second))
""",
    )
    process = start(*RUN, "app:slow")
    process.see("All up")
    process.send(signal.SIGHUP)
    process.see("begins")
    assert process.end(signal.SIGTERM) == 0
    assert process.text.count("closes pool") == 2
    assert "given up" in process.text


def test_a_start_after_a_restart_may_take_longer_than_the_grace_period(start: Start, app: Path) -> None:
    """The grace period is for stopping, and ends when everything is stopped."""
    add(
        app,
        """
times = []
def takes_its_time(*needs):
    times.append(1)
    if len(times) > 1:
        threading.Event().wait(0.4)
slow = system(bad=Component(takes_its_time))
""",
    )
    process = start(*RUN, "app:slow", "--grace", "0.1")
    process.see("All up")
    process.send(signal.SIGHUP)
    process.see("All up")
    assert process.end(signal.SIGTERM) == 0


def test_nohup_is_respected() -> None:
    """A process that was told to ignore SIGHUP goes on ignoring it."""
    during: list[object] = []
    system = System({"a": {"look": Component(lambda: during.append(signal.getsignal(signal.SIGHUP))), "end": ends()}})
    with default_signals():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert run(system, report=lambda text: None) == 0
    assert during == [signal.SIG_IGN]


def test_closing_the_terminal_stops(start: Start, app: Path, tmp_path: Path) -> None:
    """The SIGHUP of a terminal that is gone asks for a stop, because nobody would know of the process any more.

    It may come several times: it is no second signal to end at once.
    """
    add(
        app,
        """
def lasts(instance):
    signal.raise_signal(signal.SIGHUP)
    subprocess.run([sys.executable, "-c", ""])
    pathlib.Path("stopped").touch()
lasting = System({"a": {"b": Component(object_, stop=lasts)}})
""",
    )
    process = start(*RUN, "app:lasting", terminal=True)
    process.see("Ctrl-C stops.")
    process.hang_up()
    assert process.end() == 0
    assert (tmp_path / "stopped").exists()


# --- neighbours -------------------------------------------------------------------------------------------------------


def test_forked_processes_have_their_own_signals(start: Start, app: Path) -> None:
    """A child that is forked off can be terminated, and its signal is not taken for one of ours."""
    add(
        app,
        """
def fork(*needs):
    child = multiprocessing.get_context("fork").Process(target=threading.Event().wait)
    child.start()
    yield child
    child.terminate()
    child.join()
    print("the child ended with", child.exitcode)
forking = system(bad=Component(fork))
""",
    )
    process = start(*RUN, "app:forking", terminal=True)
    process.see("Ctrl-C stops.")
    process.send(signal.SIGTERM)
    assert process.end() == 0
    assert "the child ended with -15" in process.text


def test_a_component_that_used_asyncio_does_not_make_it_deaf(start: Start, app: Path) -> None:
    """asyncio takes the wake-up file for itself; afterwards a second Ctrl-C works even where Python's handlers cannot run."""
    add(
        app,
        """
async def listen():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
def uses_asyncio(*needs):
    asyncio.run(listen())
using = system(first=Component(uses_asyncio, stop=deaf))
""",
    )
    process = start(*RUN, "app:using", terminal=True)
    process.see("Ctrl-C stops.")
    process.press(b"\x03")
    process.see("hangs")
    process.press(b"\x03")
    assert process.end() == 130


def test_a_component_that_used_asyncio_does_not_make_the_start_deaf(start: Start, app: Path) -> None:
    """During the start, too: the first signal counts, and the second one is heard in a roll-back that is stuck in C."""
    add(
        app,
        """
async def listen():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
def uses_asyncio(*needs):
    asyncio.run(listen())
using = System({"a": {"x": Component(uses_asyncio, stop=deaf), "y": waits(ref("a.x"), name="y")}})
""",
    )
    process = start(*RUN, "app:using", terminal=True)
    process.see("begins y")
    process.press(b"\x03")
    process.see("hangs")
    process.press(b"\x03")
    assert process.end() == 130


# --- the function run -------------------------------------------------------------------------------------------------


def ends() -> Component[None]:
    """A component that asks for a stop while it starts."""
    return Component(lambda: signal.raise_signal(signal.SIGTERM))


def test_run_puts_the_handlers_back() -> None:
    """Afterwards the process's signals are handled as before, and the wake-up file is what it was."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGURG)
    during: list[object] = []
    system = System({"a": {"look": Component(lambda: during.extend(map(signal.getsignal, numbers))), "end": ends()}})
    with default_signals():
        before = [signal.getsignal(number) for number in numbers]
        assert run(system, report=lambda text: None) == 0
        after = [signal.getsignal(number) for number in numbers]
    assert not set(map(repr, before)) & set(map(repr, during))
    assert after == before
    assert signal.set_wakeup_fd(-1) == -1


def test_run_tells_observers_and_reports_and_takes_a_selection() -> None:
    """Observers get every change of state of what was selected; the report gets what there is to say."""
    events: list[Event] = []
    said: list[str] = []
    system = System({"a": {"x": Component(dict), "end": ends(), "y": Component(dict, config={"x": ref("a.x")})}})
    assert run(system, select=iter(["a.x", "a.end"]), observers=[events.append], report=said.append) == 0
    assert [(str(event.id), str(event.new)) for event in events] == [
        ("a.x", "starting"),
        ("a.x", "running"),
        ("a.end", "starting"),
        ("a.end", "failed"),
        ("a.x", "stopping"),
        ("a.x", "stopped"),
    ]
    assert said[0] == "Starting 2 components"
    assert "a.x    up in" in said[1]


def test_a_report_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; what is to be stopped is stopped, and an infinite grace period is one."""
    stopped: list[object] = []

    def report(text: str) -> None:
        raise RuntimeError("no paper")

    system = System({"a": {"x": Component(object, stop=stopped.append), "end": ends()}})
    assert run(system, report=report, grace=float("inf")) == 0
    assert len(stopped) == 1
    assert "no paper" in caplog.text


def test_run_takes_a_function_and_says_when_it_fails() -> None:
    """A function that cannot give a system ends with 2, and its error is shown with the user's lines only."""
    said: list[str] = []

    def make() -> System:
        raise ValueError("no configuration")

    assert run(make, report=said.append) == 2
    assert "in make" in said[0]
    assert said[0].endswith("ValueError: no configuration")
    assert "_run.py" not in said[0]


def test_a_signal_while_the_function_runs_starts_nothing() -> None:
    """The function is interrupted, and the process ends with 0."""
    said: list[str] = []

    def make() -> System:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("was not interrupted")

    assert run(make, report=said.append) == 0
    assert said == ["SIGTERM: nothing was started."]


def test_a_slow_handler_is_reported_with_its_place() -> None:
    """A start that does not return is spoken of while it runs, with the line where it is."""
    spoken = threading.Event()
    said: list[str] = []

    def report(text: str) -> None:
        said.append(text)
        if "has been starting for" in text:
            spoken.set()

    def waits_to_be_noticed() -> None:
        assert spoken.wait(10)

    system = System({"a": {"slow": Component(waits_to_be_noticed), "end": ends()}})
    assert run(system, slow=0.02, report=report) == 0
    notice = next(text for text in said if "has been starting for" in text)
    assert notice.startswith("a.slow has been starting for")
    assert "in waits_to_be_noticed" in notice
    assert "_run.py" not in notice


def test_run_belongs_into_the_main_thread() -> None:
    """Elsewhere it refuses, with a sentence that says what to do instead."""

    async def main() -> None:
        with pytest.raises(StateError, match=r"main thread only.*System\.started"):
            await asyncio.to_thread(run, System({}))

    asyncio.run(main())


def test_run_refuses_a_grace_period_that_is_none() -> None:
    """Seconds are not negative, nor something that is no number."""
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="numbers of seconds"):
            run(System({}), grace=wrong)
