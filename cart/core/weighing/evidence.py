"""Is the last stretch of samples a mass at rest, and how sure is that?

Under rest a window is a constant, a decaying platform oscillation and white noise. Under a hand it also wanders: a
held force drifts by some percent within a few tenths of a second and trembles at 8–12 Hz. The log likelihood ratio of
the two is summed over the window's slow modes and its scatter, so that a kilogram's hand is told from a kilogram's
mass within a few samples and a light touch only after it would have had to wander.
"""

from __future__ import annotations

import math
from functools import lru_cache
from operator import mul

import msgspec

HAND_WANDER = 0.02
"""Slow wander of a held force relative to it, a low estimate (2–5 %: Slifkin & Newell 1999)."""
HAND_WANDER_MIN_G = 1.6
HAND_TREMOR = 0.002
"""Tremor relative to the force, rms, a low estimate."""
TREMOR_MOST = 0.015
"""Tremor relative to the force, amplitude, a high estimate."""
TREMOR_LIGHT_G = 100.0
RING_BIAS = 0.015
"""Error of the level relative to the oscillation that was taken off it."""
RING_CREDIT = 3.0
RING_CREDIT_MOST = 6.0
HAND_S = 0.3
"""Correlation time of the wander."""
HAND_HZ = 4.5
"""Wander is below this."""
MODES_MAX = 8
RINGING_SAMPLES = 20
"""An oscillation fitted to fewer samples would also fit a tremor."""

RATE_ERROR = 0.03
"""How wrong the learned frequency (rad a sample) and decay (a sample) may be together."""

Vector = tuple[float, ...]


class Modes(msgspec.Struct, frozen=True):
    """Slow modes of a window (cosines, unit norm) and the variance that a wander of unit size has along each."""

    shapes: tuple[Vector, ...]
    variances: tuple[float, ...]


class Window(msgspec.Struct, frozen=True):
    """What a window says. `level_g` ± `level_sd_g` is the settled weight if it is at rest."""

    level_g: float
    level_sd_g: float
    scatter: float
    """Sum of squares left after level, oscillation and slow modes, in units of the noise variance."""
    freedom: int
    slow: list[float]
    """Amplitudes of the slow modes in units of the noise."""
    variances: tuple[float, ...]
    rings: bool
    ring_g: float = 0.0
    """Amplitude of the oscillation."""
    strange: float = 0.0
    """How far the oscillation is from a free decay at the platform's own frequency, in units of the noise."""

    @property
    def quiet(self) -> bool:
        """Consistent with rest: scatter within 2.6 standard deviations of its χ² distribution, no slow mode."""
        limit = self.freedom + 2.6 * math.sqrt(2 * self.freedom) + 1.0
        return self.strange < 3.0 and self.scatter < limit and max(self.slow) < 3.3 and min(self.slow) > -3.3

    def evidence(self, force_g: float, sigma_g: float) -> float:
        """Log likelihood ratio of rest against a hand that holds `force_g`."""
        wander = (max(HAND_WANDER_MIN_G, HAND_WANDER * force_g) / sigma_g) ** 2
        total = 0.0
        for value, unit in zip(self.slow, self.variances, strict=True):
            variance = wander * unit
            total += math.log1p(variance) - value * value * variance / (1 + variance)
        if self.rings:
            # A faint oscillation may be the hand's tremor; one larger than that is the platform's, and a hand on it
            # would have damped it.
            tremor_g = TREMOR_MOST * math.hypot(force_g, TREMOR_LIGHT_G) + sigma_g
            return 0.5 * total + min(RING_CREDIT_MOST, max(0.0, RING_CREDIT * (self.ring_g / tremor_g - 1.0)))
        tremor = (HAND_TREMOR * force_g / sigma_g) ** 2
        return 0.5 * (total + self.freedom * math.log1p(tremor) - self.scatter * tremor / (1 + tremor))


@lru_cache(maxsize=128)
def modes(n: int, period_us: int) -> Modes:
    """The slow modes of n samples, `period_us` apart."""
    span_s = n * period_us * 1e-6
    count = max(1, min(MODES_MAX, n - 2, max(2, int(2 * HAND_HZ * span_s))))
    shapes = tuple(_unit([math.cos(math.pi * k * (i + 0.5) / n) for i in range(n)]) for k in range(1, count + 1))
    kernel = [math.exp(-0.5 * (lag * period_us * 1e-6 / HAND_S) ** 2) for lag in range(n)]
    variances = tuple(
        sum(shape[i] * sum(kernel[abs(i - j)] * shape[j] for j in range(n)) for i in range(n)) for shape in shapes
    )
    return Modes(shapes, variances)


def _unit(values: list[float]) -> Vector:
    norm = math.sqrt(sum(map(mul, values, values)))
    return tuple(v / norm for v in values)


class _Ringing(msgspec.Struct, frozen=True):
    swings: tuple[Vector, ...]
    """Orthonormal oscillation and its change with frequency and decay, free of the constant."""
    slow: tuple[Vector, ...]
    """Slow modes, free of constant and oscillation."""
    growth: float
    """How much larger the change with frequency and decay is than the oscillation, by norm."""
    level: Vector
    """Least-squares weights of the constant beside the oscillation."""
    level_norm: float


@lru_cache(maxsize=128)
def _ringing(n: int, period_us: int, turn_milli: int, keep_milli: int) -> _Ringing:
    """Regressors for an oscillation of `turn` rad that keeps `keep` of itself a sample, both in thousandths."""
    turn, keep = turn_milli / 1000, keep_milli / 1000
    wave = [[keep**i * math.cos(turn * i) for i in range(n)], [keep**i * math.sin(turn * i) for i in range(n)]]
    # To first order, a wrong frequency or decay adds the same oscillation growing in proportion to time.
    wave += [[i * v for i, v in enumerate(column)] for column in wave]
    ones = [1.0] * n
    basis: list[Vector] = [_unit(ones)]
    norms: list[float] = []
    for column in [*wave, *map(list, modes(n, period_us).shapes)]:
        left = _without(column, basis)
        norms.append(math.sqrt(sum(map(mul, left, left))))
        basis.append(_unit(left))
    growth = math.hypot(norms[2], norms[3]) / math.hypot(norms[0], norms[1])
    # The constant's own part that no oscillation can imitate gives its least-squares weights.
    swings: list[Vector] = []
    for column in wave:
        swings.append(_unit(_without(column, swings)))
    own = _without(ones, swings)
    norm2 = sum(map(mul, own, own))
    return _Ringing(tuple(basis[1:5]), tuple(basis[5:]), growth, tuple(v / norm2 for v in own), math.sqrt(1 / norm2))


def _without(column: list[float], basis: list[Vector]) -> list[float]:
    left = column
    for unit in basis:
        part = sum(map(mul, left, unit))
        left = [v - part * u for v, u in zip(left, unit, strict=True)]
    return left


def look(samples: list[float], sigma_g: float, period_us: int) -> Window:
    """Judge `samples` (g, oldest first, at least 3) as a constant in white noise of `sigma_g`."""
    n = len(samples)
    shape = modes(n, period_us)
    mean = sum(samples) / n
    inverse = 1 / sigma_g
    left = [(v - mean) * inverse for v in samples]
    slow = [sum(map(mul, left, s)) for s in shape.shapes]
    scatter = sum(map(mul, left, left)) - sum(map(mul, slow, slow))
    freedom = max(1, n - 1 - len(slow))
    return Window(mean, sigma_g / math.sqrt(n), max(0.0, scatter), freedom, slow, shape.variances, False)


def look_ringing(samples: list[float], sigma_g: float, period_us: int, turn: float, keep: float) -> Window:
    """Judge `samples` as a constant and an oscillation of `turn` rad a sample that keeps `keep` of itself a sample."""
    n = len(samples)
    # Coarse steps keep the number of different regressors small; the fit forgives them.
    ringing = _ringing(n, period_us, round(turn * 20) * 50, round(keep * 50) * 20)
    mean = sum(samples) / n
    inverse = 1 / sigma_g
    left = [(v - mean) * inverse for v in samples]
    swings = [sum(map(mul, left, s)) for s in ringing.swings]
    slow = [sum(map(mul, left, s)) for s in ringing.slow]
    scatter = sum(map(mul, left, left)) - sum(map(mul, swings, swings)) - sum(map(mul, slow, slow))
    level = mean + sigma_g * sum(map(mul, left, ringing.level))
    freedom = max(1, n - 5 - len(slow))
    variances = modes(n, period_us).variances
    ring_g = sigma_g * math.hypot(swings[0], swings[1]) * math.sqrt(2 / n)
    off = math.hypot(swings[2], swings[3]) - RATE_ERROR * ringing.growth * math.hypot(swings[0], swings[1])
    level_sd_g = math.hypot(sigma_g * ringing.level_norm, RING_BIAS * ring_g)
    return Window(level, level_sd_g, max(0.0, scatter), freedom, slow, variances, True, ring_g, off)


def shaking(samples: list[float], size: int) -> tuple[float, float, float, bool]:
    """Mean, standard deviation of the means of blocks of `size`, rms within them (all in g), and whether it goes on.

    Ringing dies away over the blocks; rolling does not.
    """
    blocks = [samples[i : i + size] for i in range(0, len(samples), size)]
    means = [sum(block) / len(block) for block in blocks]
    mean = sum(means) / len(means)
    between = sum((m - mean) ** 2 for m in means) / (len(means) - 1)
    within = [sum((v - m) ** 2 for v in block) / len(block) for block, m in zip(blocks, means, strict=True)]
    half = len(within) // 2
    lasting = sum(within[half:]) > 0.4 * sum(within[:half])
    return mean, math.sqrt(between), math.sqrt(sum(within) / len(within)), lasting
