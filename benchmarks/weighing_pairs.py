"""Why two things put in 0.4 s apart come as one step: `python -m benchmarks.weighing_pairs`.

Looks at the first of two dropped things with the times of both known: over all samples from when the converter has
settled until the second may land, the level beside a free decay of unknown frequency and damping, how well it is
known, and how much evidence there is that no hand holds it. What the cart finds without knowing the times is in
`python -m benchmarks.weighing`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Sequence

import msgspec

from benchmarks.weighing_signals import SECOND, Signal, Truth, pairs
from cart.core.weighing.evidence import look_ringing
from cart.core.weighing.movement import LOUD_MORE, SETTLING
from cart.core.weighing.odds import EVIDENCE
from cart.core.weighing.ringing import heard

HELD_OUT = 903_000
RATE = 80.0
SIGMA_G = 1.0
FALL_NS = 40_000_000
"""How long before its last touch a dropped thing may land."""
BEFORE_NS = (1_200_000_000, 200_000_000)
RATE_ERROR = 0.012


class Between(msgspec.Struct, frozen=True):
    """The first of two things, g: error of its level, 1 σ of it, the oscillation, and evidence that it is no hand."""

    error_g: float
    sd_g: float
    ring_g: float
    evidence: float


def between(signal: Signal, first: Truth, second: Truth) -> Between | None:
    """What all samples between `first` and `second` tell of the first; None where they are no free decay."""
    settings = signal.settings
    grams = [(t_ns, (counts - settings.tare_counts) / settings.counts_per_gram) for t_ns, counts in signal.samples]
    period_ns = round(SECOND / RATE)
    begin_ns, end_ns = first.rest_ns + SETTLING * period_ns, second.rest_ns - FALL_NS
    window = [g for t_ns, g in grams if begin_ns <= t_ns <= end_ns]
    before = [g for t_ns, g in grams if first.rest_ns - BEFORE_NS[0] < t_ns < first.rest_ns - BEFORE_NS[1]]
    told = heard(window, SIGMA_G, 1 / RATE)
    if told is None:
        return None
    seen = look_ringing(window, SIGMA_G, period_ns // 1000, told[0], told[1], RATE_ERROR, exactly=True)
    if not seen.quiet:
        return None
    return Between(
        seen.level_g - statistics.fmean(before) - first.delta_g,
        seen.level_sd_g,
        seen.ring_g,
        seen.evidence(first.delta_g) - LOUD_MORE * math.log(seen.noise_g / SIGMA_G),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit status 0 always, the figures speak."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weighing_pairs", description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="signals of ten pairs each")
    parser.add_argument("--first-seed", type=int, default=HELD_OUT, help="where the seeds begin")
    given = parser.parse_args(arguments)
    found: list[Between] = []
    count = 0
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        signal = pairs(seed, RATE, 10)
        # Each pair is followed by both being taken out at once.
        for first, second, _ in zip(*(signal.truths[k::3] for k in range(3)), strict=True):
            count += 1
            told = between(signal, first, second)
            if told is not None:
                found.append(told)
    print(f"{len(found)} of {count} first things ring freely until the second may land")
    for name, unit in (("error_g", "g"), ("sd_g", "g"), ("ring_g", "g"), ("evidence", f"of {EVIDENCE:g} asked")):
        values = sorted(abs(v) if name == "error_g" else v for v in (getattr(one, name) for one in found))
        low, middle, high = (values[round(share * (len(values) - 1))] for share in (0.05, 0.5, 0.95))
        print(f"  {name:10}{low:8.2f}{middle:8.2f}{high:8.2f} {unit} (5 %, median, 95 %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
