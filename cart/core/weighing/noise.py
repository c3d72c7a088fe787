"""How noisy a cell is: of what it says first, and of what it says while nothing comes to rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from operator import mul

from cart.core.weighing.regressors import cosine
from cart.core.weighing.ringing import is_slow

SIGMA_MIN_G, SIGMA_MAX_G = 0.1, 12.0
FIRST_SIGMA_G, FIRST_COUNTS = 1.0, 4.0
"""Noise of a sample before any was heard, and how many samples' worth that belief is: rigs have 0.3–3 g. Few samples
alone may show a third of their noise, and what is thought to be that quiet never comes to rest."""
NOISE_S, NOISE_SLOW_S, NOISIER = 1.5, 12.0, 1.4
"""For how long noise must be white, and how much louder than learned, to be believed while nothing is at rest. Below
40 samples a second the vibration of rolling looks white, too, but it does not last."""
QUIET_SAMPLES, QUIETER = 20, 4.0
"""So many samples scatter by so much less than the noise they have once in 10⁸ times (χ²)."""
HUM_S, HUM_SAMPLES, HUM_SHAPES = 0.8, 16, 24
"""How long a stretch at rest is searched for what wanders by itself (hum, a zero that flickers), and at how many
frequencies: up to 15 Hz at 80/s."""
HUM_LOOKS, HUM_FROM, HUM_MAX = 16, 2.0, 40.0
"""Of how many such stretches it is the mean; what white noise alone shows at its loudest frequency; and the most of it,
in units of the noise's variance, that is taken for the cell's own."""
WHITE_RATIO = 0.75
"""Von Neumann's ratio, halved: 1 for white noise ± 1/√n, 0.4 for a platform's 12 Hz at 80/s, less for a hand."""


class Noise:
    """`sigma_g`: noise of one sample at rest, as learned so far.

    `slow_g2`, g²: by how much the mean of a stretch at rest is less sure than white noise leaves it, as the cell hums
    or its zero wanders.
    """

    def __init__(self) -> None:
        self.sigma_g = FIRST_SIGMA_G
        self.slow_g2 = 0.0
        self._seen = 0
        self._powers = [1.0] * HUM_SHAPES

    def begin(self, count: int, variance_g2: float) -> None:
        """The first `count` samples that were quiet showed `variance_g2`, g²."""
        self.sigma_g = max(SIGMA_MIN_G, first_noise(count, variance_g2))

    def at_rest(self, off_g: float) -> None:
        """A sample long at rest was `off_g` from the level."""
        known = self.sigma_g * self.sigma_g
        self._seen = min(256, self._seen + 1)
        variance = known + (min(off_g * off_g, 9 * known) - known) / max(40, self._seen)
        self.sigma_g = min(SIGMA_MAX_G, max(SIGMA_MIN_G, math.sqrt(variance)))

    def hear_hum(self, samples: Sequence[float], at_rest: int, period_s: float) -> None:
        """Search the newest of `samples`, `at_rest` of them at rest, for what wanders even where nothing touches.

        A line or 1/f noise has power in proportion to the length that is looked at; what is told is per sample of it.
        """
        n = hum_samples(period_s)
        if at_rest < 3 * n or at_rest % n:
            return
        mean = sum(samples[-n:]) / n
        left = [(v - mean) / self.sigma_g for v in samples[-n:]]
        count = min(HUM_SHAPES, n - 2)
        for k in range(count):
            power = 2 / n * sum(map(mul, left, cosine(n, k + 1))) ** 2
            self._powers[k] += (min(power, HUM_MAX) - self._powers[k]) / HUM_LOOKS
        self.slow_g2 = max(0.0, max(self._powers[:count]) - HUM_FROM) * self.sigma_g**2 / n

    def hear(self, samples: Sequence[float], since: int, period_s: float) -> None:
        """A cable or a supply may get noisier within a trip: learned only at rest, that would never be rest again.

        `since`: how many of `samples` nothing has come to rest.
        """
        n = max(32, round((NOISE_SLOW_S if is_slow(period_s) else NOISE_S) / period_s))
        if since >= n and len(samples) >= n:
            sigma = white_noise(samples[-n:])
            if sigma is not None and NOISIER * self.sigma_g < sigma < SIGMA_MAX_G:
                self.sigma_g = sigma
                self._seen = 0

    def hear_quiet(self, samples: Sequence[float]) -> None:
        """What passed for noise was vibration: it is over, and nothing would come to rest against so much of it."""
        if len(samples) >= QUIET_SAMPLES:
            sigma = quieter(samples[-QUIET_SAMPLES:], self.sigma_g)
            if sigma is not None and sigma < self.sigma_g:
                self.sigma_g = sigma
                self._seen = 0


def hum_samples(period_s: float) -> int:
    """How many samples a stretch that is searched for hum has."""
    return max(HUM_SAMPLES, round(HUM_S / period_s))


def successive(samples: Sequence[float]) -> float:
    """Variance, g², from successive differences, which see noise but neither slope nor level.

    Von Neumann 1941, Ann. Math. Stat. 12:367.
    """
    return sum((b - a) ** 2 for a, b in pairwise(samples)) / (2 * (len(samples) - 1))


def first_noise(count: int, variance_g2: float) -> float:
    """Standard deviation, g, to believe in after the first `count` samples showed `variance_g2`."""
    return math.sqrt((count * variance_g2 + FIRST_COUNTS * FIRST_SIGMA_G**2) / (count + FIRST_COUNTS))


def white_noise(samples: Sequence[float]) -> float | None:
    """Standard deviation, g, of at least 32 samples that scatter about one level as converter noise does, else None.

    Successive differences of white noise have twice its variance (von Neumann 1941, Ann. Math. Stat. 12:367); those of
    a hand's force or of a ringing platform have less. Both halves must have the same level and scatter.
    """
    half = len(samples) // 2
    first, last = samples[:half], samples[half:]
    means = [sum(part) / len(part) for part in (first, last)]
    variances = [
        sum((x - mean) ** 2 for x in part) / (len(part) - 1) for part, mean in zip((first, last), means, strict=True)
    ]
    variance = 0.5 * sum(variances)
    alike = max(variances) < 2.0 * min(variances) and abs(means[1] - means[0]) < 3.0 * math.sqrt(2 * variance / half)
    return math.sqrt(variance) if alike and successive(samples) > WHITE_RATIO * variance else None


def quieter(samples: Sequence[float], sigma_g: float) -> float | None:
    """Standard deviation, g, to believe in if these `QUIET_SAMPLES` are plainly quieter than `sigma_g`, else None.

    Whatever else moves them only adds: long rolling may pass for noise, but nothing passes for quiet.
    """
    mean = sum(samples) / len(samples)
    variance = sum((x - mean) ** 2 for x in samples) / (len(samples) - 1)
    return first_noise(len(samples), variance) if variance * QUIETER * QUIETER < sigma_g * sigma_g else None
