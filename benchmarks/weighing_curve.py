"""What sooner would cost: latency against false steps, by the evidence asked and by what a scan may stand for.

`python -m benchmarks.weighing_curve`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.weighing import Score, scored, weigh, weigh_foretold
from benchmarks.weighing_signals import handling, steps
from cart.core.weighing import odds

FIRST_SEED = 1_400_000
EVIDENCE = (3.0, 4.5, 6.0, 7.0, 8.5)
FORETOLD_MAX = (8.0, 7.0, 6.0, 5.0, 4.0)


def _row(evidence: float, plain: Score, foretold: Score, quiet: Score) -> tuple[float, float, float, float]:
    one, other = plain.report(), foretold.report()
    sooner, scanned = one["latency_p50_ms"] or 0.0, other["latency_p50_ms"] or 0.0
    wrong = quiet.false / quiet.hours
    print(
        f"  {evidence:4.1f}  unscanned p50 {sooner:4.0f} p99 {one['latency_p99_ms'] or 0:5.0f} ms, "
        f"scanned p50 {scanned:4.0f} p99 {other['latency_p99_ms'] or 0:5.0f} ms, false at steps {plain.false}, "
        f"in handling {wrong:.1f}/h"
    )
    return evidence, sooner, scanned, wrong


def _scanned(most: float, foretold: Score) -> None:
    told = foretold.report()
    print(
        f"  {most:4.1f}  scanned p50 {told['latency_p50_ms'] or 0:4.0f} p99 {told['latency_p99_ms'] or 0:5.0f} ms, "
        f"of {told['steps']} steps {foretold.missed} missed, {foretold.false} false"
    )


def _draw(rows: Sequence[tuple[float, float, float, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 4))
    false = [row[3] for row in rows]
    axis.plot([row[1] for row in rows], false, "o-", label="not scanned")
    axis.plot([row[2] for row in rows], false, "s-", label="scanned before")
    for row in rows:
        axis.annotate(f"{row[0]:g}", (row[1], row[3]), textcoords="offset points", xytext=(4, 4), fontsize=8)
    axis.set_xlabel("last touch to step, median, ms")
    axis.set_ylabel("false steps an hour of handling")
    axis.set_xlim(left=0)
    axis.grid(visible=True, alpha=0.3)
    axis.legend()
    axis.set_title("Weighing at 80 samples/s, by the evidence asked", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and draw; exit status 0 always."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weighing_curve", description=__doc__)
    parser.add_argument("--png", type=Path, help="draw the curve here (needs the extra `plots`)")
    parser.add_argument("--seeds", type=int, default=10, help="step signals (40 steps each)")
    parser.add_argument("--hours", type=float, default=2.0, help="hours of handling")
    parser.add_argument("--scanned", action="store_true", help="only what a scan may stand for")
    given = parser.parse_args(arguments)
    stepping = [steps(FIRST_SEED + seed, 80.0, 40) for seed in range(given.seeds)]
    kept, kept_most = odds.EVIDENCE, odds.FORETOLD_MAX
    rows = []
    try:
        if not given.scanned:
            touched = [
                handling(FIRST_SEED + 1000 + seed, 80.0, 900.0) for seed in range(max(1, round(4 * given.hours)))
            ]
            for evidence in EVIDENCE:
                odds.EVIDENCE = evidence
                rows.append(
                    _row(evidence, scored(weigh, stepping), scored(weigh_foretold, stepping), scored(weigh, touched))
                )
            odds.EVIDENCE = kept
        print("by the evidence that a scan stands for at most:")
        for most in FORETOLD_MAX:
            odds.FORETOLD_MAX = most
            _scanned(most, scored(weigh_foretold, stepping))
    finally:
        odds.EVIDENCE, odds.FORETOLD_MAX = kept, kept_most
    if given.png is not None and rows:
        _draw(rows, given.png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
