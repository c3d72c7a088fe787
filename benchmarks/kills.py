"""SIGKILL of daemon, broker and till around every journal write of a scripted trip: `python -m benchmarks.kills`.

Real processes, a real SQLite file, a real mosquitto (cart/bench/faults/kills.py). The writes are counted first, by a
trip on which nobody dies; then each of the three is killed before and after each write. `--every 7` plays each seventh
point, `--only till-after-5` that one, with its files left in `--keep FOLDER`. Prints each trip with findings; ends with
1 where there is one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from cart.bench.broker import find_mosquitto
from cart.bench.faults.dies_at import Victim, When
from cart.bench.faults.kills import Figure, every_point, play


def measure(mosquitto: str, root: Path, every: int, only: list[str], *, keep: bool, jobs: int = 1) -> dict[str, Any]:
    """Play them, `jobs` at a time, and add up."""
    began_s = time.monotonic()
    count = play(root / "count", mosquitto, victim="daemon", when="before", write=0)
    writes = count.writes
    trips: list[Figure] = []
    points = [*every_point(writes)][::every]
    chosen = [point for point in points if not only or name_of(*point) in only]
    with ProcessPoolExecutor(jobs) as pool:
        for trip in pool.map(partial(play_point, mosquitto, root, keep=keep), chosen):
            trips.append(trip)
            if trip.findings:
                print(f"{name_of(trip.victim, trip.when, trip.write)}: {trip.findings}", file=sys.stderr, flush=True)
    failing = [trip for trip in (count, *trips) if trip.findings]
    struck = Counter(trip.victim for trip in trips if trip.struck)
    return {
        "journal_writes": writes,
        "trips": len(trips) + 1,
        "killed": dict(struck),
        "not_reached": sum(not trip.struck for trip in trips),
        "failing": len(failing),
        "failing_points": [name_of(trip.victim, trip.when, trip.write) for trip in failing],
        "seconds": round(time.monotonic() - began_s, 1),
    }


def play_point(mosquitto: str, root: Path, point: tuple[Victim, When, int], *, keep: bool) -> Figure:
    """One trip in a folder of its own below `root`."""
    victim, when, write = point
    folder = root / name_of(*point)
    trip = play(folder, mosquitto, victim=victim, when=when, write=write)
    if not keep:
        shutil.rmtree(folder)
    return trip


def name_of(victim: Victim, when: When, write: int) -> str:
    """As `--only` wants it."""
    return f"{victim}-{when}-{write}"


def main() -> int:
    """0 where nothing was lost and nothing doubled."""
    parser = argparse.ArgumentParser(description="SIGKILL at every journal write of a scripted trip")
    parser.add_argument("--every", type=int, default=1, help="play each n-th point only")
    parser.add_argument("--only", action="append", default=[], metavar="POINT", help="play this one, as till-after-5")
    parser.add_argument("--jobs", type=int, default=1, help="trips at a time; they wait more than they work")
    parser.add_argument("--keep", type=Path, help="a new folder to leave logs and databases in")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    arguments = parser.parse_args()
    mosquitto = find_mosquitto()
    if mosquitto is None:
        print("needs mosquitto; install the package mosquitto (apt install mosquitto)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="kills-") as root:
        folder = arguments.keep or Path(root)
        result = measure(
            mosquitto, folder, arguments.every, arguments.only, keep=arguments.keep is not None, jobs=arguments.jobs
        )
    print(json.dumps(result))
    return int(result["failing"] > 0 and not arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
