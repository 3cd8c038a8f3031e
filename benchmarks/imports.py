"""Import time: a fresh interpreter that imports Mainspring against the same interpreter that does not.

Twice: with -I -S (no `site` module, no environment: as bare as an interpreter gets) and with -I alone (as it usually
starts; `site` has then loaded a little of what Mainspring needs). In both, both sides put the package's folder on the
path, so that the import statement is the only difference. What is timed is the whole process, from outside.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import clock

STARTS: dict[str, tuple[str, ...]] = {"bare": ("-I", "-S"), "usual": ("-I",)}
NAMES = "import sys; print(*sorted(sys.modules))"


def command(flags: tuple[str, ...], code: str) -> list[str]:
    spec = importlib.util.find_spec("mainspring")
    if spec is None or spec.origin is None:
        raise SystemExit("mainspring is not installed")
    folder = str(Path(spec.origin).resolve().parent.parent)
    return [sys.executable, *flags, "-c", f"import sys; sys.path.append({folder!r})\n{code}"]


def milliseconds(flags: tuple[str, ...], code: str) -> float:
    whole = command(flags, code)
    begun = clock()
    subprocess.run(whole, check=True)
    return (clock() - begun) * 1e3


def modules(code: str) -> set[str]:
    done = subprocess.run(command(("-I", "-S"), f"{code}\n{NAMES}"), check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def run(repetitions: int = 20) -> dict[str, Any]:
    """Milliseconds, all four commands interleaved; the best and the median of `repetitions`."""
    milliseconds(("-I", "-S"), "import mainspring")  # writes the bytecode, if it was not there
    found: dict[str, Any] = {"repetitions": repetitions}
    taken: dict[tuple[str, str], list[float]] = {}
    for _ in range(repetitions):
        for name, flags in STARTS.items():
            for code in ("pass", "import mainspring"):
                taken.setdefault((name, code), []).append(milliseconds(flags, code))
    for name in STARTS:
        bare, ours = taken[name, "pass"], taken[name, "import mainspring"]
        found[name] = {
            "bare_ms": min(bare),
            "import_ms": min(ours),
            "over_ms": min(ours) - min(bare),
            "over_median_ms": statistics.median(ours) - statistics.median(bare),
        }
    loaded = modules("import mainspring") - modules("pass")
    found["modules"] = len(loaded)
    found["own_modules"] = len([name for name in loaded if name.partition(".")[0] == "mainspring"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=20)
    print(json.dumps(run(parser.parse_args().repetitions)))


if __name__ == "__main__":
    main()
