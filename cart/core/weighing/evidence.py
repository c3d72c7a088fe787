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

from cart.core.weighing.regressors import MODES_EXACT, MODES_MAX, Regressors, regressors
from cart.core.weighing.ringing import TIMING_S

HAND_WANDERS = (0.02, 0.03, 0.04, 0.05)
"""Wander of a held force relative to it, rms: hands differ, each of these is as likely as another."""
LIGHT_HAND_G = 30.0
"""Below this the wander of a hand no longer shrinks with its force (0.6–1.5 g rms: Jones et al. 2002)."""
RINGING_SAMPLES = 8
"""The fewest that tell a level from an oscillation, at 80/s most of a cycle of a platform."""
UNKNOWN_ERROR = 0.09
"""How wrong the nearest of what a platform may do that was never heard before may be, relatively."""
UNKNOWN_HZ = (5.5, 20.0)
UNKNOWN_DAMPING = 0.07
FAINT_CHANGE = 1.5
"""An oscillation whose change with a wrong frequency stays below this, in units of the noise, is fitted without."""
CHANGING_SAMPLES = 10
"""The fewest at which a strong oscillation, whose change is fitted too, leaves enough to see a hand by."""
ALONG_MAX = 3.4
STRANGE = 3.0
"""Where an oscillation is no free decay of the platform: one in ninety is further off than this."""
HOPELESS = 13.0
"""Sum of squares a sample beyond which no window can be quiet, whatever it is made of."""
RING_BIAS, RING_BIAS_EXACT = 0.004, 0.002
"""Error of the level relative to the oscillation that was taken off it, as predicted and as it told itself."""


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
    slow: float = 0.0
    """Variance of the cell's own slow wander along each shape, in units of the noise's."""
    strange: float = 0.0
    """How far the oscillation is from a free decay at the platform's own frequency, in standard deviations."""

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
        fits = self.strange < STRANGE and self.scatter < limit
        most = ALONG_MAX * math.sqrt(1 + self.slow)
        return fits and max(self.along) < most and min(self.along) > -most

    def evidence(self, force_g: float) -> float:
        """Log likelihood ratio of rest against a hand that holds `force_g`, whichever of `HAND_WANDERS` it has."""
        force2 = (LIGHT_HAND_G * LIGHT_HAND_G + force_g * force_g) / (self.noise_g * self.noise_g)
        likelihoods = [math.exp(-self._against(wander * wander * force2)) for wander in HAND_WANDERS]
        return -math.log(sum(likelihoods) / len(likelihoods))

    def _against(self, wander: float) -> float:
        """The same against a wander of this variance, in units of the noise's; no further than exp can take."""
        total = 0.0
        own = 1 / (1 + self.slow)
        for value, unit in zip(self.along, self.regressors.variances, strict=True):
            variance = wander * unit * own
            total += math.log1p(variance) - own * value * value * variance / (1 + variance)
        variance = wander * self.regressors.rest
        total += self.freedom * math.log1p(variance) - self.scatter * variance / (1 + variance)
        return max(-500.0, min(500.0, 0.5 * total))


def look(samples: list[float], sigma_g: float, period_us: int, slow_g2: float = 0.0) -> Window:
    """Judge `samples` (g, oldest first, at least 4) as a constant in white noise of `sigma_g` and slow wander.

    `slow_g2`, g²: the variance that the wander has along a shape, by sample of the window (`Noise.slow_g2`).
    """
    n = len(samples)
    basis = regressors(n, period_us, 0, 0, changing=False)
    mean = sum(samples) / n
    inverse = 1 / sigma_g
    left = [(v - mean) * inverse for v in samples]
    total = sum(map(mul, left, left))
    if total > HOPELESS * n:
        return Window(mean, sigma_g, total, n, [ALONG_MAX], basis, noise_g=sigma_g)
    along = [sum(map(mul, left, s)) for s in basis.shapes]
    scatter = total - sum(map(mul, along, along))
    freedom = n - 1 - len(along)
    sd_g = sigma_g / math.sqrt(n)
    slow = slow_g2 * n * inverse * inverse
    return Window(mean, sd_g, max(0.0, scatter), freedom, along, basis, noise_g=sigma_g, slow=slow)


def look_ringing(
    samples: list[float], sigma_g: float, period_us: int, turn: float, keep: float, rate_error: float, *,
    exactly: bool = False, slow_g2: float = 0.0,
) -> Window:  # fmt: skip
    """Judge `samples` as a constant and an oscillation of `turn` rad a sample that keeps `keep` of itself a sample.

    `rate_error`: how wrong both may be, relatively. `exactly` takes them as they are, for an oscillation so loud that
    rounding them would show. `slow_g2` as for `look`.
    """
    n = len(samples)
    # Coarse steps keep the number of different regressors small; the fit forgives them.
    turn_step, keep_step, modes = (4, 4, MODES_EXACT) if exactly else (20, 10, MODES_MAX)
    turn_milli, keep_milli = round(turn * 1000 / turn_step) * turn_step, round(keep * 1000 / keep_step) * keep_step
    basis = regressors(n, period_us, turn_milli, keep_milli, changing=exactly, modes=modes)
    mean = sum(samples) / n
    left = [v - mean for v in samples]
    swings = [sum(map(mul, left, s)) for s in basis.swings[:2]]
    swing_g = math.hypot(swings[0], swings[1])
    noise_g = math.sqrt(sigma_g * sigma_g + (swing_g * turn * TIMING_S * 1e6 / period_us) ** 2 / n)
    total = sum(map(mul, left, left)) - swing_g * swing_g
    strange = 0.0
    may_change_g = rate_error * basis.growth * swing_g
    change_sd_g = math.sqrt(noise_g * noise_g + 0.5 * may_change_g**2)
    if not exactly and total - (STRANGE * change_sd_g) ** 2 > HOPELESS * n * noise_g * noise_g:
        # No change that would not be strange leaves a quiet window: most are refused here, at half the cost.
        return Window(mean, noise_g, total, n, [ALONG_MAX], basis, noise_g=noise_g)
    # A faint oscillation cannot be wrong by more than noise: fewer unknowns, a better level.
    if exactly or may_change_g > FAINT_CHANGE * noise_g:
        basis = regressors(n, period_us, turn_milli, keep_milli, changing=True, modes=modes)
        swings += [sum(map(mul, left, s)) for s in basis.swings[2:]]
        change_g = math.hypot(swings[2], swings[3])
        strange = change_g / change_sd_g
        total -= change_g * change_g
    total /= noise_g * noise_g
    if total > HOPELESS * n:
        return Window(mean, noise_g, total, n, [ALONG_MAX], basis, noise_g=noise_g)
    inverse = 1 / noise_g
    along = [inverse * sum(map(mul, left, s)) for s in basis.shapes]
    scatter = total - sum(map(mul, along, along))
    ring_g = swing_g * math.sqrt(2 / n)
    freedom = n - 1 - len(swings) - len(along)
    slow = slow_g2 * n / (noise_g * noise_g)
    seen = Window(mean, noise_g, max(0.0, scatter), freedom, along, basis, ring_g, noise_g, slow, strange)
    if not seen.quiet:
        return seen
    weights, norm = basis.level
    level_g = mean + sum(map(mul, left, weights))
    bias_g = (RING_BIAS_EXACT if exactly else RING_BIAS) * ring_g
    return msgspec.structs.replace(seen, level_g=level_g, level_sd_g=math.hypot(noise_g * norm, bias_g))


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
