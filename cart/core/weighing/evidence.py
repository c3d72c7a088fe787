"""Is the last stretch of samples a mass at rest, and how sure is that?

Under rest a window is a constant, a decaying platform oscillation and white noise. Under a hand it wanders as well: a
held force is an Ornstein–Uhlenbeck process of some percent of itself (2–5 %: Slifkin & Newell 1999, J. Exp. Psychol.
25:837), seen through the converter's filter. Both are Gaussian, so the log likelihood ratio of the two is a sum over
the window's cosines, free of constant and oscillation. It grows by itself as fast as the hand could have shown itself:
a kilogram's hand is told from a kilogram's mass within a few samples, a light touch only after it had to wander.
"""

from __future__ import annotations

import math
from functools import lru_cache
from operator import mul

import msgspec

from cart.core.weighing.ringing import TIMING_S

HAND_WANDER = 0.02
"""Wander of a held force relative to it, rms, a low estimate."""
HAND_WANDER_MIN_G = 0.6
HAND_S = 0.3
"""Correlation time of the wander."""
FILTER = 4
"""Conversions over which the converter averages."""
MODES_MAX, MODES_EXACT = 10, 6
RINGING_SAMPLES = 10
"""The fewest that tell a level from an oscillation, at 80/s about a cycle of a platform."""
UNKNOWN_ERROR = 0.09
UNKNOWN_HZ = (5.5, 20.0)
UNKNOWN_DAMPING = 0.07
FAINT_CHANGE = 1.5
"""An oscillation whose change with a wrong frequency stays below this, in units of the noise, is fitted without."""
UNKNOWN_SAMPLES = 14
"""What a platform may do that was never heard before, and how many samples it takes to hear it."""
CHANGING_SAMPLES = 14
"""The fewest at which a strong oscillation, whose change is fitted too, leaves enough to see a hand by."""
ALONG_MAX = 3.4
HOPELESS = 13.0
"""Sum of squares a sample beyond which no window can be quiet, whatever it is made of."""
RING_BIAS = 0.004
"""Error of the level relative to the oscillation that was taken off it."""

Vector = tuple[float, ...]


class Regressors(msgspec.Struct, frozen=True):
    """What n samples are taken apart into; all of unit norm and orthogonal to one another and to the constant."""

    swings: tuple[Vector, ...]
    """Oscillation (two), and if asked for its change with frequency and decay (two); none where nothing rings."""
    shapes: tuple[Vector, ...]
    """Cosines, slow ones first."""
    variances: tuple[float, ...]
    """What a hand's wander of unit variance has along each shape."""
    rest: float
    """The same for each dimension that is left."""
    growth: float = 0.0
    """How much larger the change with frequency and decay is than the oscillation, by norm."""
    level: Vector = ()
    """Least-squares weights of the constant beside the oscillation."""
    level_norm: float = 0.0


class Window(msgspec.Struct, frozen=True):
    """What a window says. `level_g` ± `level_sd_g` is the settled weight if it is at rest."""

    level_g: float
    level_sd_g: float
    scatter: float
    """Sum of squares left after level, oscillation and shapes, in units of the noise variance."""
    freedom: int
    along: list[float]
    """Amplitudes along the shapes in units of the noise."""
    regressors: Regressors
    ring_g: float = 0.0
    """Amplitude of the oscillation."""
    noise_g: float = 1.0
    """Noise of a sample here: what moves fast is noisier, as samples are not quite evenly spaced."""
    strange: float = 0.0
    """How far the oscillation is from a free decay at the platform's own frequency, in units of the noise."""

    @property
    def rings(self) -> bool:
        """An oscillation was taken off."""
        return bool(self.regressors.swings)

    @property
    def hides(self) -> bool:
        """Too much was fitted to too few samples for a hand to be seen."""
        return len(self.regressors.swings) > 2 and len(self.along) + self.freedom + 5 < CHANGING_SAMPLES

    @property
    def quiet(self) -> bool:
        """Consistent with rest: scatter within 2.6 standard deviations of its χ² distribution, no shape stands out."""
        limit = self.freedom + 2.6 * math.sqrt(2 * self.freedom) + 1.0
        return (
            self.strange < 3.0 and self.scatter < limit and max(self.along) < ALONG_MAX and min(self.along) > -ALONG_MAX
        )

    def evidence(self, force_g: float) -> float:
        """Log likelihood ratio of rest against a hand that holds `force_g`."""
        wander = (HAND_WANDER_MIN_G**2 + (HAND_WANDER * force_g) ** 2) / (self.noise_g * self.noise_g)
        total = 0.0
        for value, unit in zip(self.along, self.regressors.variances, strict=True):
            variance = wander * unit
            total += math.log1p(variance) - value * value * variance / (1 + variance)
        variance = wander * self.regressors.rest
        total += self.freedom * math.log1p(variance) - self.scatter * variance / (1 + variance)
        return 0.5 * total


@lru_cache(maxsize=128)
def _kernel(n: int, period_us: int) -> Vector:
    """Covariance of a hand's unit wander at lags of 0…n−1 samples, behind the converter's average."""

    def at(lag: int) -> float:
        shared = range(1 - FILTER, FILTER)
        waits = ((FILTER - abs(j), abs(lag + j) * period_us * 1e-6 / HAND_S) for j in shared)
        return sum(weight * math.exp(-wait) for weight, wait in waits) / FILTER**2

    return tuple(at(lag) for lag in range(n))


@lru_cache(maxsize=512)
def _regressors(
    n: int, period_us: int, turn_milli: int, keep_milli: int, *, changing: bool, modes: int = MODES_MAX
) -> Regressors:
    """For an oscillation of `turn` rad that keeps `keep` of itself a sample, both in thousandths; turn 0: none."""
    turn, keep = turn_milli / 1000, keep_milli / 1000
    ones = [1.0] * n
    wave: list[list[float]] = []
    if turn_milli:
        wave = [[keep**i * math.cos(turn * i) for i in range(n)], [keep**i * math.sin(turn * i) for i in range(n)]]
        # To first order, a wrong frequency or decay adds the same oscillation growing in proportion to time.
        wave += [[i * v for i, v in enumerate(column)] for column in wave]
    used = wave if changing else wave[:2]
    count = max(1, min(modes, n - 2 - len(used)))
    cosines = [[math.cos(math.pi * k * (i + 0.5) / n) for i in range(n)] for k in range(1, n)]
    basis: list[Vector] = [_unit(ones)]
    norms: list[float] = []
    for column in wave:
        left = _without(column, basis)
        norms.append(math.sqrt(sum(map(mul, left, left))))
        basis.append(_unit(left))
    taken = 1 + len(used)
    del basis[taken:]
    for column in cosines:
        left = _without(column, basis)
        # What an oscillation swallows whole leaves nothing but rounding.
        if sum(map(mul, left, left)) > 0.04 * n:
            basis.append(_unit(left))
        if len(basis) - taken == count:
            break
    kernel = _kernel(n, period_us)
    powers = [_power(shape, kernel) for shape in basis]
    spare = n - len(basis)
    # Beside a loud oscillation only what is slow tells a hand: no hand wanders faster than a platform rings.
    rest = max(0.0, n * kernel[0] - sum(powers)) / spare if spare > 0 and modes == MODES_MAX else 0.0
    shapes, variances = tuple(basis[taken:]), tuple(powers[taken:])
    if not wave:
        return Regressors((), shapes, variances, rest)
    growth = math.hypot(norms[2], norms[3]) / math.hypot(norms[0], norms[1])
    weights, norm = _constant(ones, used)
    return Regressors(tuple(basis[1:taken]), shapes, variances, rest, growth, weights, norm)


def _power(shape: Vector, kernel: Vector) -> float:
    """Variance along `shape` of a stationary process."""
    n = len(shape)
    across = sum(kernel[lag] * sum(map(mul, shape, shape[lag:])) for lag in range(1, n))
    return float(kernel[0] + 2 * across)


def _constant(ones: list[float], wave: list[list[float]]) -> tuple[Vector, float]:
    """Least-squares weights of the constant beside `wave`, and its standard deviation for noise of 1."""
    swings: list[Vector] = []
    for column in wave:
        swings.append(_unit(_without(column, swings)))
    own = _without(ones, swings)
    norm2 = sum(map(mul, own, own))
    return tuple(v / norm2 for v in own), math.sqrt(1 / norm2)


def _unit(values: list[float]) -> Vector:
    norm = math.sqrt(sum(map(mul, values, values)))
    return tuple(v / norm for v in values)


def _without(column: list[float], basis: list[Vector]) -> list[float]:
    left = column
    for unit in basis:
        part = sum(map(mul, left, unit))
        left = [v - part * u for v, u in zip(left, unit, strict=True)]
    return left


def look(samples: list[float], sigma_g: float, period_us: int) -> Window:
    """Judge `samples` (g, oldest first, at least 4) as a constant in white noise of `sigma_g`."""
    n = len(samples)
    regressors = _regressors(n, period_us, 0, 0, changing=False)
    mean = sum(samples) / n
    inverse = 1 / sigma_g
    left = [(v - mean) * inverse for v in samples]
    total = sum(map(mul, left, left))
    if total > HOPELESS * n:
        return Window(mean, sigma_g, total, n, [ALONG_MAX], regressors, noise_g=sigma_g)
    along = [sum(map(mul, left, s)) for s in regressors.shapes]
    scatter = total - sum(map(mul, along, along))
    freedom = n - 1 - len(along)
    sd_g = sigma_g / math.sqrt(n)
    return Window(mean, sd_g, max(0.0, scatter), freedom, along, regressors, noise_g=sigma_g)


def look_ringing(
    samples: list[float], sigma_g: float, period_us: int, turn: float, keep: float, rate_error: float, *,
    exactly: bool = False,
) -> Window:  # fmt: skip
    """Judge `samples` as a constant and an oscillation of `turn` rad a sample that keeps `keep` of itself a sample.

    `rate_error`: how wrong both may be, relatively. `exactly` takes them as they are, for an oscillation so loud that
    rounding them would show.
    """
    n = len(samples)
    # Coarse steps keep the number of different regressors small; the fit forgives them.
    turn_step, keep_step, modes = (4, 4, MODES_EXACT) if exactly else (20, 10, MODES_MAX)
    turn_milli, keep_milli = round(turn * 1000 / turn_step) * turn_step, round(keep * 1000 / keep_step) * keep_step
    regressors = _regressors(n, period_us, turn_milli, keep_milli, changing=exactly, modes=modes)
    mean = sum(samples) / n
    left = [v - mean for v in samples]
    swings = [sum(map(mul, left, s)) for s in regressors.swings[:2]]
    swing_g = math.hypot(swings[0], swings[1])
    noise_g = math.sqrt(sigma_g * sigma_g + (swing_g * turn * TIMING_S * 1e6 / period_us) ** 2 / n)
    total = sum(map(mul, left, left)) - swing_g * swing_g
    strange = 0.0
    may_change_g = rate_error * regressors.growth * swing_g
    # A faint oscillation cannot be wrong by more than noise: fewer unknowns, a better level.
    if exactly or may_change_g > FAINT_CHANGE * noise_g:
        regressors = _regressors(n, period_us, turn_milli, keep_milli, changing=True, modes=modes)
        swings += [sum(map(mul, left, s)) for s in regressors.swings[2:]]
        change_g = math.hypot(swings[2], swings[3])
        strange = (change_g - may_change_g) / noise_g
        total -= change_g * change_g
    total /= noise_g * noise_g
    if total > HOPELESS * n:
        return Window(mean, noise_g, total, n, [ALONG_MAX], regressors, noise_g=noise_g)
    inverse = 1 / noise_g
    along = [inverse * sum(map(mul, left, s)) for s in regressors.shapes]
    scatter = total - sum(map(mul, along, along))
    level = mean + sum(map(mul, left, regressors.level))
    ring_g = swing_g * math.sqrt(2 / n)
    level_sd_g = math.hypot(noise_g * regressors.level_norm, RING_BIAS * ring_g)
    freedom = n - 1 - len(swings) - len(along)
    return Window(level, level_sd_g, max(0.0, scatter), freedom, along, regressors, ring_g, noise_g, strange)


def find_ringing(samples: list[float], sigma_g: float, period_us: int) -> tuple[float, float] | None:
    """The (turn, keep) of a platform never heard before that explains `samples` best, or None if none does."""
    best: tuple[float, float] | None = None
    least = math.inf
    for turn, keep in _candidates(period_us):
        seen = look_ringing(samples, sigma_g, period_us, turn, keep, UNKNOWN_ERROR)
        total: float = seen.scatter + sum(map(mul, seen.along, seen.along))
        if seen.quiet and total < least:
            best, least = (turn, keep), total
    return best


@lru_cache(maxsize=8)
def _candidates(period_us: int) -> tuple[tuple[float, float], ...]:
    """Oscillations that platforms may have, near enough to one another that each forgives half the gap."""
    hz = [UNKNOWN_HZ[0] * 1.15**k for k in range(1 + int(math.log(UNKNOWN_HZ[1] / UNKNOWN_HZ[0]) / math.log(1.15)))]
    turns = [2 * math.pi * f * period_us * 1e-6 for f in hz]
    return tuple((turn, math.exp(-UNKNOWN_DAMPING * turn)) for turn in turns)


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
