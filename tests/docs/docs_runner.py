"""Runs the examples of a Markdown page as its reader would: in the order as written, in one directory.

`python`    is run. A first line `# name.py` saves it under that name as well; `# name.py, continued` adds to that file.
`pycon`     is run as a session at the prompt, and its output compared.
`text`      is the output of the `python` block before it.
`toml`, `yaml`, `clojure` and `json`  are saved under the name in their first line: `# pyproject.toml`, `;; system.edn`, or
            `// system.json`, which is not part of the file. Those without a name are not.
`console`   lines after `$` are run by a shell and their output compared; a line `^C` is an interruption from the keyboard.

What is different in each run is not compared: times, addresses in memory, and where in Python a definition was written.
Places in files of settings are. The port 8080 is exchanged for one that is free.
"""

from __future__ import annotations

import doctest
import inspect
import io
import linecache
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import IO, NamedTuple

from mainspring._named import isolated
from mainspring.config._tags import REGISTRY

ROOT = Path(__file__).parents[2]
SECONDS = 30  # that a command may take

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^\n`]*)$")
_FILE = re.compile(r"# (?P<name>[\w/]+\.py)(?P<more>, continued)?\n")
_SAVED = {  # languages of files that are not Python: the line with the name, and whether it is part of the file
    "toml": (re.compile(r"# (?P<name>[\w/.-]+\.toml)\n"), True),
    "yaml": (re.compile(r"# (?P<name>[\w/.-]+\.yaml)\n"), True),
    "clojure": (re.compile(r";; (?P<name>[\w/.-]+\.edn)\n"), True),  # no highlighter knows EDN by its own name
    "json": (re.compile(r"// (?P<name>[\w/.-]+\.json)\n"), False),  # JSON has no comments
}
_DIFFERENT = [
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "<clock>"),
    (re.compile(r"\b\d+(\.\d+)? ?(µs|ms|s)\b"), "<time>"),
    (re.compile(r"0x[0-9a-f]{6,}"), "<address>"),
    (re.compile(r"(\bat:? +)[^\s:]+\.(?:py|md):\d+"), r"\1<site>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<host and port>"),
]


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line on which the text begins."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    port = str(_free_port())
    found: list[Block] = []
    inside: re.Match[str] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if inside is None:
            if fence:
                inside, lines, begin = fence, [], number + 1
        elif fence and fence["ticks"] == inside["ticks"] and not fence["language"]:
            text = "".join(f"{line[len(inside['indent']) :]}\n" for line in lines).replace("8080", port)
            found.append(Block(inside["language"].strip(), text, begin))
            inside = None
        else:
            lines.append(line)
    assert inside is None, f"{page}: a block is not closed"
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def same_output(wanted: str, got: str) -> bool:
    """Whether two outputs are the same, but for what is different in each run; `...` stands for anything."""
    return doctest.OutputChecker().check_output(_plain(wanted), _plain(got), doctest.ELLIPSIS)


def _plain(text: str) -> str:
    for pattern, stands_for in _DIFFERENT:
        text = pattern.sub(stands_for, text)
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").split("\n"))


class Wrong(AssertionError):
    """An example does not do what the page says."""

    def __init__(self, page: Path, block: Block, what: str) -> None:
        super().__init__(f"{os.path.relpath(page, ROOT)}:{block.line}: {what}")


class _Checker(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        # Doctest itself shows nothing for <BLANKLINE> in our normal form, so this is done before.
        return same_output(want.replace("<BLANKLINE>", ""), got)


class Page:
    """One page on its way through its examples."""

    def __init__(self, path: Path, directory: Path) -> None:
        self.path, self.directory = path, directory
        self.module = ModuleType("example")
        self.output: str | None = None

    def run(self) -> int:
        """Run everything; the number of blocks that were."""
        with isolated(), self._here():
            count = sum(self._run_block(block) for block in blocks(self.path))
            for name, value in list(vars(self.module).items()):
                if name.startswith("test_") and not inspect.signature(value).parameters:
                    value()
        return count

    @contextmanager
    def _here(self) -> Iterator[None]:
        before, known, tags = Path.cwd(), set(sys.modules), dict(REGISTRY)
        os.chdir(self.directory)
        sys.path.insert(0, str(self.directory))
        sys.modules["example"] = self.module
        try:
            yield
        finally:
            os.chdir(before)
            sys.path.remove(str(self.directory))
            REGISTRY.clear()
            REGISTRY.update(tags)
            for name in set(sys.modules) - known:
                file = getattr(sys.modules[name], "__file__", None)
                if name == "example" or (file and Path(file).is_relative_to(self.directory)):
                    del sys.modules[name]

    def _run_block(self, block: Block) -> bool:
        if block.language == "text":
            if self.output is None:
                raise Wrong(self.path, block, "this output comes after nothing that was run")
            if not same_output(block.text, self.output):
                raise Wrong(self.path, block, f"the page says\n{block.text}\nbut the output is\n{self.output}")
            self.output = None
            return False
        self.output = None
        if block.language == "python":
            self._python(block)
        elif block.language == "pycon":
            self._session(block)
        elif block.language == "console":
            self._console(block)
        else:
            return self._save(block)
        return True

    def _save(self, block: Block) -> bool:
        if block.language not in _SAVED:
            return False
        name_line, is_part = _SAVED[block.language]
        file = name_line.match(block.text)
        if file is None:
            return False
        saved = self.directory / file["name"]
        saved.parent.mkdir(parents=True, exist_ok=True)
        saved.write_text(block.text if is_part else block.text[file.end() :])
        return True

    def _python(self, block: Block) -> None:
        name, first = str(self.path), block.line
        file = _FILE.match(block.text)
        if file:
            saved = self.directory / file["name"]
            before = saved.read_text() if file["more"] else ""
            text = block.text[file.end() :].lstrip("\n") if file["more"] else block.text
            before += "\n\n" if file["more"] else ""
            saved.parent.mkdir(exist_ok=True)
            saved.write_text(before + text)
            name, first = str(saved), before.count("\n") + 1
        else:
            text = block.text
        code = compile("\n" * (first - 1) + text, name, "exec")
        linecache.checkcache(name)
        with redirect_stdout(io.StringIO()) as output:
            exec(code, vars(self.module))
        self.output = output.getvalue()

    def _session(self, block: Block) -> None:
        globs = vars(self.module)
        test = doctest.DocTestParser().get_doctest(block.text, globs, self.path.name, str(self.path), block.line - 1)
        test.globs = globs  # get_doctest makes a copy, and later blocks are to see what this one defines
        report = io.StringIO()
        runner = doctest.DocTestRunner(checker=_Checker(), optionflags=doctest.ELLIPSIS)
        if runner.run(test, out=report.write, clear_globs=False).failed:
            raise Wrong(self.path, block, report.getvalue())

    def _console(self, block: Block) -> None:
        for part in re.split(r"^(?=\$ )", block.text, flags=re.MULTILINE):
            if not part.strip():
                continue
            command, _, wanted = part.removeprefix("$ ").partition("\n")
            got = self._shell(block, command, wanted)
            if not same_output(wanted, got):
                raise Wrong(self.path, block, f"$ {command}\nis said to give\n{wanted}\nbut gives\n{got}")

    def _shell(self, block: Block, command: str, wanted: str) -> str:
        paths = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}" if "^C" in wanted else command],
            cwd=self.directory,
            env={**os.environ, "PATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # Whoever runs the tests in the background may have had it ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        watchdog = threading.Timer(SECONDS, process.kill)
        watchdog.start()
        assert process.stdout is not None
        try:
            with process.stdout:
                got = ""
                *parts, _ = re.split(r"^\^C\n", wanted, flags=re.MULTILINE)
                for part in parts:
                    got += self._read_lines(process.stdout, part.count("\n"))
                    process.send_signal(signal.SIGINT)
                    got += "^C\n"
                got += process.stdout.read()
            process.wait()
        finally:
            watchdog.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        return got

    def _read_lines(self, stream: IO[str], count: int) -> str:
        return "".join(stream.readline() for _ in range(count))
