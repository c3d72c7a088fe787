"""The interval that every rate of a trial is given with (Wilson 1927, J. Am. Stat. Assoc. 22:209)."""

from __future__ import annotations

import math

Z95 = 1.959964
"""Standard deviations of a normal distribution that hold 95 % of it, either side."""


def wilson(hits: float, tries: float) -> tuple[float, float]:
    """95 % interval of a proportion; (0, 1) without tries."""
    if tries <= 0:
        return 0.0, 1.0
    share, z2 = hits / tries, Z95 * Z95
    centre = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = Z95 / (1 + z2 / tries) * math.sqrt(max(0.0, share * (1 - share)) / tries + z2 / (4 * tries * tries))
    return max(0.0, centre - half), min(1.0, centre + half)
