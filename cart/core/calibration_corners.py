"""The corner check of a platform on four cells: how much each cell's counts weigh, so that a weight weighs the same
wherever it lies. The digital form of the trimming resistors in a junction box.
"""

from __future__ import annotations

from collections.abc import Sequence

from cart.core.calibration import CalibrationRefused
from cart.core.linear import least_squares
from cart.core.weighing.cells import CORNERS

TRIM_MIN, TRIM_MAX = 0.8, 1.25
"""Cells of one make differ by a few percent in sensitivity, and so do converters: beyond this something is wrong."""
NEAR_ONE = 0.007
"""Cells differ by 3 %, and a corner is read to 0.02 %: so much less is a trim near 1 wanted than equal corners. A stiff
plate shares between its diagonals alike wherever the weight lies, so its corners leave one of four trims open."""
OWN_SHARE_MIN = 0.3
"""Of a weight in its corner a cell bears half and more; less is another corner, or a foot in the air."""


def fit_trims(zero: Sequence[float], corners: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Each cell's factor, their mean 1. `zero` are the four cells' counts of the empty platform, `corners` their counts
    under one and the same weight on each corner in turn. Raises CalibrationRefused.
    """
    gained = [[under - empty for under, empty in zip(counts, zero, strict=True)] for counts in corners]
    for corner, row in enumerate(gained):
        total = sum(row)
        if row[corner] < 0 and abs(row[corner]) == max(map(abs, row)):
            raise CalibrationRefused(
                f"the {CORNERS[corner]} cell's reading falls under load; swap its two signal wires (A+ and A−) and "
                "start again"
            )
        heaviest = max(range(len(row)), key=row.__getitem__)
        if heaviest != corner:
            raise CalibrationRefused(
                f"with the weight {CORNERS[corner]} the {CORNERS[heaviest]} cell bears most; put it where it was asked "
                "for, or put the pins of [scale] in the right order, and start again"
            )
        if row[corner] < OWN_SHARE_MIN * total:
            raise CalibrationRefused(
                f"with the weight {CORNERS[corner]} its cell bears {row[corner] / total:.0%} of it; put it right over "
                "the cell, see that all four feet stand, and start again"
            )
    whole = sum(map(sum, gained)) / len(gained)
    rows = [[value / whole for value in row] for row in gained]
    near_one = [[NEAR_ONE * (at == own) for at in range(len(rows))] for own in range(len(rows))]
    found = least_squares([*rows, *near_one], [1.0] * len(rows) + [NEAR_ONE] * len(rows))
    mean = sum(found) / len(found)
    trims = tuple(round(factor / mean, 6) for factor in found)
    worst = max(range(len(trims)), key=lambda at: abs(trims[at] - 1.0))
    if not TRIM_MIN <= trims[worst] <= TRIM_MAX:
        raise CalibrationRefused(
            f"the {CORNERS[worst]} cell needs a trim of {trims[worst]:.2f}; was the same weight on every corner? "
            "If so, change that cell or its converter"
        )
    return trims
