"""Simulated stores in trouble, one a seed: `python -m benchmarks.faults --seeds 10000`; `--seed 4711` replays one.

Cart, link, broker, till and provider on a virtual clock (cart/bench/faults); an auditor that shares no code with them
looks at what is left. Prints every failing seed with what the auditor found; ends with 1 where there is one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from cart.bench.faults.mutations import MUTATIONS, Mutation
from cart.bench.faults.world import Outcome, play

SEEDS = 200
"""As many as a test run can afford; a release plays 10,000."""
SHOWN_MAX = 20
"""Failing seeds that are shown in full."""


def play_all(seeds: Iterable[int], jobs: int, mutation: Mutation | None) -> Iterator[Outcome]:
    """Outcomes in order of seed."""
    if jobs <= 1:
        yield from (play(seed, mutation=mutation) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_play, ((seed, mutation) for seed in seeds), chunksize=10)


def _play(asked: tuple[int, Mutation | None]) -> Outcome:
    return play(asked[0], mutation=asked[1])


def measure(seeds: range, jobs: int, mutation: Mutation | None, *, quiet: bool) -> dict[str, Any]:
    """Play them all and add up."""
    began_s = time.perf_counter()
    figures: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    failing: list[int] = []
    virtual_s = 0.0
    for outcome in play_all(seeds, jobs, mutation):
        figures.update(dataclasses.asdict(outcome.figures))
        faults.update(outcome.faults)
        virtual_s += outcome.virtual_s
        if outcome.findings:
            failing.append(outcome.seed)
            if not quiet and len(failing) <= SHOWN_MAX:
                show(outcome)
    took_s = time.perf_counter() - began_s
    return {
        "seeds": len(seeds),
        "first_seed": seeds.start,
        "failing": len(failing),
        "failing_seeds": failing[:SHOWN_MAX],
        "seconds": round(took_s, 1),
        "seeds_a_second": round(len(seeds) / took_s, 1),
        "virtual_hours": round(virtual_s / 3600, 1),
        "checked": dict(figures),
        "faults": dict(sorted(faults.items())),
    }


def show(outcome: Outcome) -> None:
    """One run in words, on stderr."""
    print(f"seed {outcome.seed}: {len(outcome.findings) or 'no'} findings; faults {outcome.kinds}", file=sys.stderr)
    for finding in outcome.findings:
        print(f"    {finding}", file=sys.stderr)
    print(f"    replay: python -m benchmarks.faults --seed {outcome.seed}", file=sys.stderr)


def replay(seed: int, mutation: Mutation | None, keep: Path | None) -> dict[str, Any]:
    """One seed, with what happened in it."""
    if keep is not None:
        keep.mkdir(parents=True)
    outcome = play(seed, mutation=mutation, keep=keep)
    show(outcome)
    return {
        "seed": seed,
        "findings": outcome.findings,
        "failing": int(bool(outcome.findings)),
        "virtual_s": round(outcome.virtual_s, 1),
        "checked": dataclasses.asdict(outcome.figures),
        "faults": outcome.faults,
        "digest": outcome.digest,
    }


def main() -> int:
    """0 where the auditor had nothing to say."""
    parser = argparse.ArgumentParser(description="Simulated stores in trouble, one a seed")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one")
    parser.add_argument("--keep", type=Path, help="with --seed: a new folder to leave the databases in")
    parser.add_argument("--mutation", choices=MUTATIONS, help="with a bug put in on purpose")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        result = replay(arguments.seed, arguments.mutation, arguments.keep)
    else:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        result = measure(seeds, arguments.jobs, arguments.mutation, quiet=arguments.json)
    print(json.dumps(result))
    return int(result["failing"] > 0 and not arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
