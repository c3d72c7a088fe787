"""Simulated shoppers through the real session, beside two other carts: `python -m benchmarks.trips --json`.

The same figures as `cart bench trips`, flat enough for the table of all benchmarks. Targets: ≥ 99.5 % of honest baskets
exact, < 5 questions per 100 items, < 5 staff calls per 1,000 trips, ≥ 99 % of cheats over 3 σ noticed, no overcharged
basket paid without the shopper having confirmed the line; each by its 95 % Wilson bound.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from cart.bench.trips.figures import summary
from cart.bench.trips.ranges import KINDS
from cart.bench.trips.running import TripFigures, run_trips
from cart.bench.trips.table import table

BOUNDS = {
    "exact_percent": "low",
    "questions_per_100_items": "high",
    "staff_per_1000_trips": "high",
    "false_accusations_per_1000_trips": "high",
}


def flat(trips: Sequence[TripFigures]) -> dict[str, Any]:
    """Rates with the bound that may be claimed, by cart, by kind of catalogue and by group."""
    whole = summary(trips)
    carts = {
        name: {
            **_bounded(cart),
            "cheats_noticed_percent": _one(cart["cheats_noticed_percent"]["all over 3 sigma"], "low"),
            "lost_per_10000": cart["lost_per_10000"],
            "overcharged_per_10000": cart["overcharged_per_10000"],
            "lost_per_10000_with_cheats": cart["lost_per_10000_with_cheats"],
        }
        for name, cart in whole["carts"].items()
    }
    return {
        "trips": whole["trips"],
        "honest": whole["honest"],
        "items": whole["items"],
        **carts,
        "catalogues": {kind: _bounded(figures) for kind, figures in whole["catalogues"].items()},
        "groups": {group: _bounded(figures) for group, figures in whole["groups"].items()},
        "staff_by_law_per_1000_trips": _one(whole["staff_by_law_per_1000_trips"], "high"),
        "overcharged_unconfirmed": whole["overcharged_unconfirmed"],
        "overcharged_unconfirmed_per_1000_trips": _one(whole["overcharged_unconfirmed_per_1000_trips"], "high"),
        "auditor_found": whole["auditor_found"],
        "cheats_denied": whole["cheats_denied"],
        "never_paid": whole["never_paid"],
        "questions_by_cause": whole["questions_by_cause"],
        "cpu_s": whole["cpu_s"],
    }


def _bounded(figures: dict[str, Any]) -> dict[str, str]:
    return {key: _one(figures[key], bound) for key, bound in BOUNDS.items()}


def _one(figure: dict[str, float], bound: str) -> str:
    return f"{figure['rate']:.2f} ({'≥' if bound == 'low' else '≤'} {figure[bound]:.2f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit status 0 always, the figures speak."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trips", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--trips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, choices=(1, 2))
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    trips = list(run_trips(given.trips, given.seed, KINDS, jobs=given.jobs))
    for line in table(summary(trips)):
        print(line)
    if given.json:
        result = {"seed": given.seed, **flat(trips), "wall_s": round(time.perf_counter() - began, 1)}
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
