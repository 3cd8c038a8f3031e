"""Every example in the README and in the documentation does what the page says."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import keyring.core
import pytest
from docs_runner import ROOT, Page, Wrong, blocks, same_output
from keyring.backends.null import Keyring as NoKeyring

import mainspring
from mainspring import config
from mainspring.config._tags import known_tags

GENERATED = {ROOT / "docs" / "reference" / "errors.md"}  # has tests of its own
KNOWN = {"python", "pycon", "text", "toml", "yaml", "json", "clojure", "console", "sh"}
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts and page not in GENERATED),
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_page(page: Path, tmp_path: Path) -> None:
    """What a page's examples print, raise and leave behind is what the page says."""
    Page(page, tmp_path).run()


@each_page
def test_languages(page: Path) -> None:
    """Every block is of a kind that is run, or is marked as one that is not."""
    assert {block.language for block in blocks(page) if not block.language.startswith("{")} <= KNOWN


@each_page
def test_names(page: Path) -> None:
    """Whatever a page calls by a name of `mainspring` exists."""
    for name in re.findall(r"(?<!tool\.)\bmainspring\.(\w+)", page.read_text()):
        assert hasattr(mainspring, name) or importlib.import_module(f"mainspring.{name}"), name


@each_page
def test_links(page: Path) -> None:
    """Links to other files of the project lead somewhere."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"`[^`]*`", "", page.read_text())):
        if "://" not in target:
            file = (page.parent / target).resolve()
            assert file.exists() or file in GENERATED, target


# --- The table of tags -------------------------------------------------------------------------------------------------

TAGS = ROOT / "docs" / "reference" / "tags.md"
ROWS = [
    list(re.findall(r"`([^`]+)`", line))
    for line in TAGS.read_text().splitlines()
    if line.startswith("| ") and "`tags." in line
]
# Without those of other tests and examples.
BUILT_IN = {name: one for name, one in known_tags().items() if one.function.__module__.startswith("mainspring.")}
AROUND = {"mainspring": {"profiles": ["prod"]}, "env": {"port": 8000, "hosts": ["a", "b"]}}


class OneKey(NoKeyring):
    """A keyring that has something for everybody."""

    def get_password(self, service: str, username: str) -> str:
        """What there is for a service and a user."""
        return f"of {username} at {service}"


def said_by(source: object, folder: Path) -> list[object]:
    """What a source says of x.y, in a system and as plain data; or what is wrong with it."""
    given: Any = {
        "environ": {"PORT": "8000", "DATA": "data", "PASSWORD": "hunter2"},
        "props": {"region": "eu"},
        "bind": {"size": 3},
        "profile": "prod",
        "hostname": "web1",
        "user": "ann",
        "resolver": config.root(folder),
    }
    found: list[object] = []
    for read in (lambda *sources: config.load(*sources, values="as written", **given), config.read):
        try:
            found.append(read(AROUND, source, **(given if read is config.read else {})))
        except mainspring.DefinitionError as error:
            found.append([problem.what for problem in error.problems])
    return found


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_tags_are_the_same_in_every_format(row: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The four spellings in a row of the page of tags mean the same, and something."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", OneKey())
    (tmp_path / "other.yaml").write_text("a: 1")
    (tmp_path / "secret.txt").write_text("hunter2")
    yaml, edn, plain, python = row
    in_toml = re.sub(r'("[$\w]+"): ', r"\1 = ", plain)
    sources = [
        config.text(f"x: {{y: {yaml} }}", "yaml", folder=tmp_path),
        config.text(f"{{:x {{:y {edn}}}}}", "edn", folder=tmp_path),
        config.text(f'{{"x": {{"y": {plain}}}}}', "json", folder=tmp_path),
        config.text(f"x.y = {in_toml}", "toml", folder=tmp_path),
        config.text(f'{{"x": {{"y": {plain}}}}}', "yaml", folder=tmp_path),
    ]
    first, *others = [said_by(source, tmp_path) for source in sources if "null" not in plain or source.format != "toml"]
    assert not all(isinstance(one, list) for one in first), "it is an error, in a system and as data"
    for other in others:
        assert other == first
    if row[0].split()[0] not in ("!folder", "!file"):  # what is written in Python is in no folder
        assert said_by({"x": {"y": eval(python, {"tags": config.tags})}}, tmp_path) == first


def test_every_tag_has_its_row() -> None:
    """The page of tags has all that there are, other names too."""
    assert {function.name for function in BUILT_IN.values()} <= {re.split("[ :]", row[0][1:])[0] for row in ROWS}
    assert set(BUILT_IN) <= set(re.findall(r"[\w/-]+", TAGS.read_text()))


# --- The tests above can fail -----------------------------------------------------------------------------------------


def run(text: str, tmp_path: Path) -> int:
    """Run a page with this text."""
    page = tmp_path / "page.md"
    page.write_text(text)
    return Page(page, tmp_path).run()


WRONG = {
    "output": "```python\nprint(1)\n```\n\n```text\n2\n```\n",
    "output of nothing": "```text\n2\n```\n",
    "session": "```pycon\n>>> 1 + 1\n3\n```\n",
    "error that does not come": "```pycon\n>>> 1 + 1\nTraceback (most recent call last):\nValueError\n```\n",
    "command": "```console\n$ echo one\ntwo\n```\n",
    "second command": "```console\n$ echo one\none\n$ echo two\nthree\n```\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_wrong_pages(text: str, tmp_path: Path) -> None:
    """A page that says something else than what happens is found out."""
    with pytest.raises(Wrong):
        run(text, tmp_path)


def test_code_that_raises(tmp_path: Path) -> None:
    """An error in an example comes out, with the page's own line."""
    with pytest.raises(ZeroDivisionError) as caught:
        run("\n\n```python\nx = 0\n1 / x\n```\n", tmp_path)
    assert caught.traceback[-1].lineno + 1 == 5


def test_tests_on_a_page_are_run(tmp_path: Path) -> None:
    """A test function that an example defines is called."""
    with pytest.raises(AssertionError):
        run("```python\ndef test_it() -> None:\n    assert False\n```\n", tmp_path)


def test_files(tmp_path: Path) -> None:
    """A block with a file name can be imported and continued by later ones."""
    text = """
```python
# part.py
x = 1
```

```python
# part.py, continued
y = x + 1
```

```console
$ python -c "import part; print(part.y)"
2
```
"""
    assert run(text, tmp_path) == 3


def test_settings_files(tmp_path: Path) -> None:
    """A block of a file format is saved under the name in its first line; in JSON, which has no comments, without that line."""
    text = """
```yaml
# conf/a.yaml
a: 1
```

```clojure
;; b.edn
{:b 2}
```

```json
// c.json
{"c": 3}
```

```toml
# d.toml
d = 4
```

```yaml
not: saved
```
"""
    assert run(text, tmp_path) == 4
    assert (tmp_path / "conf" / "a.yaml").read_text() == "# conf/a.yaml\na: 1\n"
    assert (tmp_path / "b.edn").read_text() == ";; b.edn\n{:b 2}\n"
    assert (tmp_path / "c.json").read_text() == '{"c": 3}\n'
    assert {file.name for file in tmp_path.iterdir()} == {"conf", "b.edn", "c.json", "d.toml", "page.md"}


def test_interruptions(tmp_path: Path) -> None:
    """A line ^C in a shell session interrupts the command when it has said what stands before."""
    text = """
```python
# waits.py
import threading

if __name__ == "__main__":
    try:
        print("ready")
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped")
```

```console
$ python waits.py
ready
^C
stopped
```
"""
    assert run(text, tmp_path) == 2


@pytest.mark.parametrize(
    ("wanted", "got", "same"),
    [
        ("took 3 µs", "took 41.2 ms", True),
        ("at 07:12:33, took 3 µs", "at 23:59:01, took 41.2 ms", True),
        ("at 07:12:33, took 3 µs", "at 33 s, took 3 µs", False),
        ("at: app.py:3", "at: other/app.py:7", True),
        ("at: app.yaml:3:1", "at: app.yaml:4:1", False),
        ("<X at 0x7f0000000000>", "<X at 0x7fffffffff00>", True),
        ("a ... z", "a b c z", True),
        ("took 3 µs", "takes 3 µs", False),
        ("3 components", "4 components", False),
        ("one\ntwo", "one", False),
    ],
)
def test_what_counts(wanted: str, got: str, same: bool) -> None:
    """Times, addresses and places of definitions are not compared; everything else is."""
    assert same_output(wanted, got) is same
