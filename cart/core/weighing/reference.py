"""The weight that steps have accounted for, and how fast drift and creep may carry it along."""

from __future__ import annotations

import math

DRIFT_G_PER_S = 0.1
"""The fastest the reference follows under load: 50 g in half an hour, with the slope of a sine."""
DRIFT_GAP_G = 1.2
CREEP_SHARE = 0.0006
CREEP_S = 40.0
"""OIML R 60 class C: 0.05 % of the load within 30 min; nearly all of it within the first minutes."""
CREEP_MAX_G = 30.0
AGREED_G, AGREED_SDS = 0.3, 2.0
"""How near the level at rest is to the reference where nothing is left for drift to explain."""


class Reference:
    """`g` with `variance` (g²): what a step is the difference to. It can never follow fast enough to eat an item."""

    def __init__(self, level_g: float, variance: float) -> None:
        self.g = level_g
        self.variance = variance
        self.drift_g = 0.0
        """What was followed as drift since the start, never priced."""
        self.refine_left_s = 0.0
        """How much longer the level itself is still being measured."""
        self._agreed_ns = 0  # since then what drift did was not followed
        self._creep_allowed_g = 0.0

    def unfollowed_s(self, t_ns: int) -> float:
        """For how long drift may have gone on without being followed: hands kept the basket from rest."""
        return (t_ns - self._agreed_ns) * 1e-9

    def account(self, t_ns: int, level_g: float, variance: float | None = None) -> None:
        """A step told of everything up to `level_g`; `variance`, g²: how well that is known, else as well as before."""
        self.g = level_g
        self._agreed_ns = t_ns
        if variance is not None:
            self.variance = variance

    def touched(self, t_ns: int, level_g: float, level_sd_g: float, drift_sd_g: float) -> None:
        """Hands came and went and left `level_g`: follow as far as drift can have gone meanwhile.

        What was only estimated (while rolling) is measured now; what was measured may only drift.
        """
        unsure = self.variance / (self.variance + level_sd_g**2 + drift_sd_g**2 + 1e-9)
        most = DRIFT_G_PER_S * self.unfollowed_s(t_ns) + 3.0 * unsure * math.sqrt(self.variance)
        moved_g = max(-most, min(most, max(0.5, unsure) * (level_g - self.g)))
        self.g += moved_g
        self.variance *= 1.0 - unsure
        # Drift is followed once: touch after touch, vibration that looks like rest would carry it along.
        self._agreed_ns = min(t_ns, self._agreed_ns + round(1e9 * abs(moved_g) / DRIFT_G_PER_S))

    def loaded(self, delta_g: float) -> None:
        """A load came or went: the cell may creep by so much."""
        self._creep_allowed_g = min(CREEP_MAX_G, self._creep_allowed_g + CREEP_SHARE * abs(delta_g))

    def follow(self, t_ns: int, local_g: float, local_sd_g: float, sigma_g: float, period_s: float) -> None:
        """One sample at rest at `local_g`: follow freely while it is still being measured, then as drift can go."""
        gap = local_g - self.g
        if self.refine_left_s > 0:
            self.refine_left_s -= period_s
            most = 0.5 * sigma_g
        elif abs(gap) > DRIFT_GAP_G + 3.0 * local_sd_g:
            # Drift never gets this far ahead of being followed: something is being added.
            most = 0.0
        else:
            self._creep_allowed_g *= 1 - period_s / CREEP_S
            most = (DRIFT_G_PER_S + self._creep_allowed_g / CREEP_S) * period_s
            self.drift_g += max(-most, min(most, gap))
        self.g += max(-most, min(most, gap))
        self.variance = local_sd_g**2
        if abs(local_g - self.g) < AGREED_G + AGREED_SDS * local_sd_g:
            self._agreed_ns = t_ns
