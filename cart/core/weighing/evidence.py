"""Is the last stretch of samples a mass at rest, and how sure is that?

Under rest a window is a constant, a decaying platform oscillation and white noise. Under a hand it also wanders: a
held force drifts by some percent within a few tenths of a second and trembles at 8–12 Hz. The log likelihood ratio of
the two is summed over the window's slope, its bend and its scatter, so that a kilogram's hand is told from a kilogram's
mass within a few samples and a light touch only after it would have had to wander.
"""

from __future__ import annotations

import math
from functools import lru_cache
from operator import mul

import msgspec

HAND_WANDER = 0.02
"""Slow wander of a held force relative to it, a low estimate (2–5 %: Slifkin & Newell 1999)."""
HAND_WANDER_MIN_G = 0.6
HAND_TREMOR = 0.004
"""Tremor relative to the force, rms, a low estimate."""
HAND_S = 0.35
"""Correlation time of the wander."""

Vector = tuple[float, ...]


class Window(msgspec.Struct, frozen=True):
    """What a window says. `level_g` ± `level_sd_g` is the settled weight if it is at rest."""

    level_g: float
    level_sd_g: float
    scatter: float
    """Sum of squares left after level, oscillation, slope and bend, in units of the noise variance."""
    freedom: int
    slope: float
    """Slope and bend along unit-norm regressors, in units of the noise."""
    bend: float
    rings: bool

    @property
    def quiet(self) -> bool:
        """Consistent with rest: scatter within 2.6 standard deviations of its χ² distribution, no slope or bend."""
        limit = self.freedom + 2.6 * math.sqrt(2 * self.freedom) + 1.0
        return self.scatter < limit and abs(self.slope) < 3.2 and abs(self.bend) < 3.4

    def evidence(self, n: int, period_s: float, force_g: float, sigma_g: float) -> float:
        """Log likelihood ratio of rest against a hand that holds `force_g`."""
        wander = max(HAND_WANDER_MIN_G, HAND_WANDER * force_g) / sigma_g
        span = n * period_s / HAND_S
        slope_sd = min(span * math.sqrt(n / 12), 0.7 * math.sqrt(n)) * wander
        bend_sd = min(0.87 * span * span * math.sqrt(n / 180), 0.5 * math.sqrt(n)) * wander
        total = 0.0
        for value, sd in ((self.slope, slope_sd), (self.bend, bend_sd)):
            share = sd * sd / (1 + sd * sd)
            total += 0.5 * (math.log1p(sd * sd) - value * value * share)
        tremor = (HAND_TREMOR * force_g / sigma_g) ** 2
        share = tremor / (1 + tremor)
        return total + 0.5 * (self.freedom * math.log1p(tremor) - self.scatter * share)


@lru_cache(maxsize=256)
def _trend(n: int) -> tuple[Vector, Vector]:
    """Orthonormal slope and bend over n samples."""
    mid = (n - 1) / 2
    line = [i - mid for i in range(n)]
    bow = [v * v for v in line]
    mean = sum(bow) / n
    bow = [v - mean for v in bow]
    return _unit(line), _unit(bow)


def _unit(values: list[float]) -> Vector:
    norm = math.sqrt(sum(map(mul, values, values)))
    return tuple(v / norm for v in values)


class _Ringing(msgspec.Struct, frozen=True):
    basis: tuple[Vector, Vector, Vector, Vector]
    """Orthonormal: oscillation (two), slope, bend; all without the constant."""
    level: Vector
    """Least-squares weights of the constant beside the oscillation."""
    level_norm: float


@lru_cache(maxsize=256)
def _ringing(n: int, turn_milli: int, decay_milli: int) -> _Ringing:
    """Regressors for an oscillation of `turn` rad and a decay of `decay` a sample, both in thousandths."""
    turn, keep = turn_milli / 1000, decay_milli / 1000
    columns = [
        [keep**i * math.cos(turn * i) for i in range(n)],
        [keep**i * math.sin(turn * i) for i in range(n)],
        list(_trend(n)[0]),
        list(_trend(n)[1]),
    ]
    ones = [1.0] * n
    basis: list[Vector] = []
    for column in columns:
        left = _without(column, [_unit(ones), *basis])
        basis.append(_unit(left))
    # The constant's own part that no oscillation can imitate gives its least-squares weights.
    swings: list[Vector] = []
    for column in columns[:2]:
        swings.append(_unit(_without(column, swings)))
    own = _without(ones, swings)
    norm2 = sum(map(mul, own, own))
    level = tuple(v / norm2 for v in own)
    return _Ringing((basis[0], basis[1], basis[2], basis[3]), level, math.sqrt(1 / norm2))


def _without(column: list[float], basis: list[Vector]) -> list[float]:
    left = column
    for unit in basis:
        part = sum(map(mul, left, unit))
        left = [v - part * u for v, u in zip(left, unit, strict=True)]
    return left


def look(samples: list[float], sigma_g: float) -> Window:
    """Judge `samples` (g, oldest first, at least 3) as a constant in white noise of `sigma_g`."""
    n = len(samples)
    line, bow = _trend(n)
    mean = sum(samples) / n
    left = [v - mean for v in samples]
    slope = sum(map(mul, left, line))
    bend = sum(map(mul, left, bow)) if n > 3 else 0.0
    inverse = 1 / sigma_g
    scatter = (sum(map(mul, left, left)) - slope * slope - bend * bend) * inverse * inverse
    return Window(
        mean, sigma_g / math.sqrt(n), max(0.0, scatter), max(1, n - 3), slope * inverse, bend * inverse, False
    )


def look_ringing(samples: list[float], sigma_g: float, turn: float, keep: float) -> Window:
    """Judge `samples` as a constant and an oscillation of `turn` rad a sample that keeps `keep` of itself a sample."""
    n = len(samples)
    ringing = _ringing(n, round(turn * 50) * 20, round(keep * 100) * 10)
    mean = sum(samples) / n
    left = [v - mean for v in samples]
    swing_a, swing_b, line, bow = ringing.basis
    a, b = sum(map(mul, left, swing_a)), sum(map(mul, left, swing_b))
    slope, bend = sum(map(mul, left, line)), sum(map(mul, left, bow))
    inverse = 1 / sigma_g
    scatter = (sum(map(mul, left, left)) - a * a - b * b - slope * slope - bend * bend) * inverse * inverse
    level = mean + sum(map(mul, left, ringing.level))
    return Window(
        level,
        sigma_g * ringing.level_norm,
        max(0.0, scatter),
        max(1, n - 5),
        slope * inverse,
        bend * inverse,
        True,
    )
