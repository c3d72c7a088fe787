"""Simulated stores in trouble, one a seed: `python -m benchmarks.faults --seeds 10000`; `--seed 4711` replays one.

Cart, link, broker, till and provider on a virtual clock (cart/bench/faults); an auditor that shares no code with them
looks at what is left. Prints every failing seed with what the auditor found; ends with 1 where there is one.
`--resume FILE` keeps in FILE what was played, and goes on from there when it is called again.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from cart.bench.faults.mutations import MUTATIONS, Mutation
from cart.bench.faults.world import Outcome, play
from cart.core.problem import Problem

SEEDS = 200
"""As many as a test run can afford; a release plays 10,000."""
SHOWN_MAX = 20
"""Failing seeds that are shown in full."""
KEPT_EVERY: Final = 100
"""Seeds between two writes of `--resume`: some ten seconds' work to do again."""


class Tally(msgspec.Struct):
    """What the seeds played so far came to; `first` and `mutation` say which they are."""

    first: int = 0
    mutation: str = ""
    played: int = 0
    cpu_s: float = 0.0
    """Processor time of all processes."""
    virtual_s: float = 0.0
    failing: list[int] = []
    figures: dict[str, int] = {}
    faults: dict[str, int] = {}

    def add(self, outcome: Outcome) -> None:
        """One seed more, the next in order."""
        self.played += 1
        self.virtual_s += outcome.virtual_s
        self.figures = dict(Counter(self.figures) + Counter(dataclasses.asdict(outcome.figures)))
        self.faults = dict(Counter(self.faults) + Counter(outcome.faults))
        if outcome.findings:
            self.failing.append(outcome.seed)


class OtherSeeds(Problem):
    """The file that was to be resumed holds something else."""


def play_all(seeds: Iterable[int], jobs: int, mutation: Mutation | None) -> Iterator[Outcome]:
    """Outcomes in order of seed."""
    if jobs <= 1:
        yield from (play(seed, mutation=mutation) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs, initializer=_settle_down) as pool:
        yield from pool.map(_play, ((seed, mutation) for seed in seeds), chunksize=10)


def _play(asked: tuple[int, Mutation | None]) -> Outcome:
    return play(asked[0], mutation=asked[1])


def _settle_down() -> None:
    """Modules stay: the collector's round after each seed need not look at them."""
    gc.collect()
    gc.freeze()


def resumed(file: Path | None, first: int, mutation: Mutation | None) -> Tally:
    """What was played before, nothing where there is no file. Raises OtherSeeds."""
    fresh = Tally(first=first, mutation=mutation or "")
    if file is None or not file.exists():
        return fresh
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Tally)
    except (msgspec.DecodeError, OSError) as error:
        raise OtherSeeds(f"{file}: not what an earlier run kept ({error}); name another file") from None
    if (found.first, found.mutation) != (fresh.first, fresh.mutation):
        raise OtherSeeds(f"{file}: holds seeds from {found.first} {found.mutation or 'without mutation'}; name another")
    return found


def measure(
    seeds: range, jobs: int, mutation: Mutation | None, *, quiet: bool, resume: Path | None = None
) -> dict[str, Any]:
    """Play them all and add up. Raises OtherSeeds where `resume` is another run's."""
    began_s = time.perf_counter()
    tally = resumed(resume, seeds.start, mutation)
    before_s = tally.cpu_s
    for outcome in play_all(seeds[tally.played :], jobs, mutation):
        tally.add(outcome)
        if outcome.findings and not quiet and len(tally.failing) <= SHOWN_MAX:
            show(outcome)
        if resume is not None and (tally.played % KEPT_EVERY == 0 or tally.played == len(seeds)):
            tally.cpu_s = before_s + cpu_s()
            keep(tally, resume)
    return {
        "seeds": tally.played,
        "first_seed": seeds.start,
        "failing": len(tally.failing),
        "failing_seeds": tally.failing[:SHOWN_MAX],
        "seconds": round(time.perf_counter() - began_s, 1),
        "cpu_s": round(before_s + cpu_s(), 1),
        "virtual_hours": round(tally.virtual_s / 3600, 1),
        "checked": tally.figures,
        "faults": dict(sorted(tally.faults.items())),
    }


def cpu_s() -> float:
    """Processor time of this process and of those it has waited for, in seconds."""
    return sum(os.times()[:4])


def keep(tally: Tally, file: Path) -> None:
    """Write it whole, or leave what was there."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_bytes(msgspec.json.encode(tally))
    fresh.replace(file)


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
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep in FILE what was played, and go on from it")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    arguments = parser.parse_args()
    _settle_down()
    if arguments.seed is not None:
        result = replay(arguments.seed, arguments.mutation, arguments.keep)
    else:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        try:
            result = measure(seeds, arguments.jobs, arguments.mutation, quiet=arguments.json, resume=arguments.resume)
        except OtherSeeds as problem:
            print(problem, file=sys.stderr)
            return 2
    print(json.dumps(result))
    return int(result["failing"] > 0 and not arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
