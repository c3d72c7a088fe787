"""The daemon's footprint, idle: CPU and memory (PSS) of all its processes, camera at 5 frames/s, scale at 80 samples/s.

`python -m benchmarks.footprint [--json] [--seconds 30]`. Baseline: a bare Python interpreter's PSS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.run_all import machine
from cart.bench.live_stack import started_stack

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """`pid` and everything below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += children(int(child))
    return found


def cpu_s(pid: int) -> float:
    """User and system time of one process, seconds (proc(5), stat fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def pss_mb(pid: int) -> float:
    """Proportional set size, MB (proc(5), smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def name_of(pid: int) -> str:
    """Which of the daemon's processes it is."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return next((name for name in ("scale_process", "camera_process") if name in command), "daemon")


def baseline_pss_mb() -> float:
    """A Python interpreter that does nothing."""
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as bare:
        assert bare.stdout is not None
        bare.stdout.readline()
        size = pss_mb(bare.pid)
        bare.communicate(b"\n")
    return size


def measure(seconds: float) -> dict[str, Any]:
    """Start the whole stack, let it settle, and look at the daemon's processes for `seconds`."""
    with tempfile.TemporaryDirectory() as folder, started_stack(Path(folder)) as stack:
        time.sleep(5.0)
        pids = children(stack.daemon_pid())
        before = {pid: cpu_s(pid) for pid in pids}
        started = time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - started
        parts = {
            name_of(pid): {
                "cpu_percent_of_a_core": round(100 * (cpu_s(pid) - before[pid]) / took_s, 2),
                "pss_mb": round(pss_mb(pid), 1),
            }
            for pid in pids
        }
    total_pss = sum(part["pss_mb"] for part in parts.values())
    bare = baseline_pss_mb()
    return {
        "machine": machine(),
        "seconds": round(took_s, 1),
        "processes": parts,
        "cpu_percent_of_a_core": round(sum(part["cpu_percent_of_a_core"] for part in parts.values()), 2),
        "cpu_target_percent": 10.0,
        "pss_mb": round(total_pss, 1),
        "pss_target_mb": 200.0,
        "baseline_bare_python_pss_mb": round(bare, 1),
        "pss_ratio_to_baseline": round(total_pss / bare, 2),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    figures = measure(arguments.seconds)
    if not arguments.json:
        for name, part in figures["processes"].items():
            print(f"{name:16} {part['cpu_percent_of_a_core']:6.2f} % of a core {part['pss_mb']:7.1f} MB PSS")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
