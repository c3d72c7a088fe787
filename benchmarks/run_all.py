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


def main() -> int:
    """Run them all; 1 when one failed."""
    parser = argparse.ArgumentParser(description="Run every benchmark and write docs/benchmarks.md")
    parser.add_argument("--only", nargs="*", default=list(BENCHMARKS), choices=BENCHMARKS)
    parser.add_argument("--photos", nargs=2, metavar=("DATA_FOLDER", "SPLIT"), help="for vision and enrolment")
    arguments = parser.parse_args()
    parts = [
        "# Benchmarks\n",
        f"Printed by `make bench` on {time.strftime('%Y-%m-%d', time.gmtime())}, {machine()}; a table a command.\n",
    ]
    left_out = [name for name in BENCHMARKS if name not in arguments.only]
    if left_out:
        parts.append(f"Not run this time: {', '.join(left_out)}.\n")
    if arguments.photos is None:
        parts.append(f"Left out: {', '.join(ON_PHOTOS)}, which need `--photos DATA_FOLDER SPLIT`.\n")
    failed = False
    for name in (*arguments.only, *(ON_PHOTOS if arguments.photos is not None else ())):
        print(f"{name} …", flush=True)
        figures, why = run(name, arguments.photos if name in ON_PHOTOS else [])
        parts.append(f"## `python -m benchmarks.{name} --json`\n")
        if figures is None:
            failed = True
            print(f"{name}: {why}", file=sys.stderr)
            parts.append(f"Failed: {why}\n")
            continue
        parts.append("| figure | value |\n|---|---|")
        parts.extend(f"| {key} | {text} |" for key, text in flat("", figures))
        parts.append("")
    DOCUMENT.write_text("\n".join(parts), encoding="utf-8")
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
