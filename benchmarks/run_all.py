"""Runs every benchmark and writes the table into docs/benchmarks.md: `python -m benchmarks.run_all` (`make bench`)."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BENCHMARKS = (
    "weighing",
    "scale_reader",
    "catalog",
    "latency",
    "footprint",
    "decision",
    "camera",
    "frame_codes",
    "trips",
    "faults",
)
"""Modules of this folder; each takes --json and prints one object last."""
ON_PHOTOS = ("vision", "enrolment")
"""Need a folder of photos, which the project does not bring: run with --photos DATA_FOLDER SPLIT."""
LONG = ("classes", "confused")
"""Tables of one row a class, which the benchmark itself prints."""
DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEADING = "## `python -m benchmarks."
TIME_MAX_S = 1800


def run(name: str, extra: list[str]) -> tuple[dict[str, Any] | None, str]:
    """The benchmark's JSON object, or None and why not."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", "--json", *extra],
            capture_output=True,
            text=True,
            timeout=TIME_MAX_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"ran longer than {TIME_MAX_S} s"
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    try:
        found = json.loads(lines[-1]) if done.returncode == 0 and lines else None
    except json.JSONDecodeError:
        found = None
    error = (done.stderr.strip().splitlines() or ["printed no JSON object"])[-1]
    return (found, "") if isinstance(found, dict) else (None, error)


def flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Nested figures as (dotted name, text) rows."""
    if isinstance(value, dict):
        return [
            row
            for key, inner in value.items()
            if key not in LONG or not isinstance(inner, dict | list)
            for row in flat(f"{prefix}.{key}" if prefix else str(key), inner)
        ]
    if isinstance(value, float):
        return [(prefix, f"{value:.4g}")]
    return [(prefix, str(value))]


def tables(document: str) -> dict[str, str]:
    """Each benchmark's part of a document that was written before, heading and all, by the module's name."""
    parts = document.split(HEADING)[1:]
    return {part.split(" ", 1)[0]: HEADING + part.strip() + "\n" for part in parts}


def table(name: str, figures: dict[str, Any] | None, why: str) -> str:
    """What stands in the document of a run just now."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    told = f"Failed: {why}" if figures is None else "| figure | value |\n|---|---|"
    rows = [] if figures is None else [f"| {key} | {text} |" for key, text in flat("", figures)]
    return "\n".join([f"{HEADING}{name} --json`\n\n{day}, {machine()}.\n", told, *rows, ""])


def main() -> int:
    """Run them all, or some and keep the others' tables; 1 when one failed."""
    parser = argparse.ArgumentParser(description="Run every benchmark and write docs/benchmarks.md")
    parser.add_argument("--only", nargs="*", default=list(BENCHMARKS), choices=BENCHMARKS)
    parser.add_argument("--photos", nargs=2, metavar=("DATA_FOLDER", "SPLIT"), help="for vision and enrolment")
    arguments = parser.parse_args()
    found = tables(DOCUMENT.read_text(encoding="utf-8")) if DOCUMENT.exists() else {}
    failed = False
    for name in (*arguments.only, *(ON_PHOTOS if arguments.photos is not None else ())):
        print(f"{name} …", flush=True)
        figures, why = run(name, arguments.photos if name in ON_PHOTOS else [])
        if figures is None:
            failed = True
            print(f"{name}: {why}", file=sys.stderr)
        found[name] = table(name, figures, why)
    names = (*BENCHMARKS, *ON_PHOTOS)
    never = [name for name in names if name not in found]
    parts = ["# Benchmarks\n", "Printed by `make bench`; a table a command, each with its day and machine.\n"]
    if never:
        parts.append(f"Not run yet: {', '.join(never)} ({', '.join(ON_PHOTOS)} need `--photos DATA_FOLDER SPLIT`).\n")
    DOCUMENT.write_text("\n".join([*parts, *(found[name] for name in names if name in found)]), encoding="utf-8")
    print(f"wrote {DOCUMENT}")
    return int(failed)


def machine() -> str:
    """The machine in words: processor and Python."""
    model = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        rows = info.read_text().splitlines()
        model = next((row.split(":", 1)[1].strip() for row in rows if row.startswith("model name")), "")
    return f"{model or platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    raise SystemExit(main())
