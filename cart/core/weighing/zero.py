"""Zero tracking as scales do it: near zero only, at rest only, no faster than half a scale interval a second."""

from __future__ import annotations

INTERVAL_G = 1.0
"""Scale interval d of the live weight."""
NEAR_ZERO_G = 3.0
RATE = 0.5
"""Intervals a second (OIML R 76-1, 4.5.7)."""
INITIAL_G = 50.0
"""Initial zero setting: what temperature and creep can leave on an empty basket; far below 20 % of the capacity."""


class ZeroTracking:
    """`offset_g` is what an empty basket reads."""

    def __init__(self, *, set_initially: bool) -> None:
        self.offset_g = 0.0
        self._unset = set_initially

    def follow(self, level_g: float, sigma_g: float, period_s: float) -> None:
        """One sample at rest: `level_g` is the settled level, `sigma_g` the noise of a sample."""
        if self._unset:
            self._unset = False
            if abs(level_g) <= INITIAL_G:
                self.offset_g = level_g
            return
        off_g = level_g - self.offset_g
        if abs(off_g) <= NEAR_ZERO_G + 0.2 * sigma_g:
            most = RATE * INTERVAL_G * period_s
            self.offset_g += max(-most, min(most, off_g))
