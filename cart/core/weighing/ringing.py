"""How the platform rings: learned from free decays, predicted for any load.

A platform is a spring with the mass of tray and load on it, so 1/f² is a straight line over load.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from operator import mul

LOWEST_HZ = 4.0
HIGHEST_HZ = 25.0
DAMPING_MIN = 0.015
DAMPING_MAX = 0.15
"""A platform that damps more has a hand on it, or none of the trouble."""
FORGET = 0.9
"""Weight that remains of older observations when a new one comes in: about ten count."""
TRAY_PRIOR_G = 9000.0
UNEXPLAINED = 0.05
"""A free decay predicts itself; what leaves more of its energy unexplained was driven by something."""
DECAY_SAMPLES = 16
SURPRISE = 0.12
"""An observation of 1/f² further than this from the line counts a tenth: it may be a tremor."""
LOUD = 30.0
"""Mean square of a decay worth learning from, in units of the noise."""
RATE_ERROR, RATE_ERROR_MIN = 0.03, 0.008
"""How wrong a predicted frequency is, relatively, before and at best after the platform has been heard often."""
HEARD_SAMPLES = 10
"""The fewest in which an oscillation tells its own frequency and decay."""
HEARD_SIGMAS = 40.0
"""How far such an oscillation swings from crest to trough, in units of the noise; noise biases a fainter one."""
HEARD_ERROR, HEARD_AGAIN = 0.012, 0.05
"""How wrong what it tells may be, relatively, and how far two tellings in a row may differ."""
LEAST_DECAY = 0.5
"""The share of the learned decay that a loud oscillation must show to be free."""
HEARD_LEFT = 3.0
"""What linear prediction may leave unexplained, mean square, in units of what noise leaves."""
TIMING_S = 0.0003
"""How far conversions are from evenly spaced (a clock's wander, a late read): noise where the weight is moving fast."""
RATE_MIN = 40.0
"""Below this many samples a second the converter's filter has swallowed the oscillation."""


def is_slow(period_s: float) -> bool:
    """Whether samples come too seldom, below RATE_MIN, to show an oscillation."""
    return period_s * RATE_MIN > 1


class RingModel:
    """Oscillation of the platform, `turn` radians and `keep` of its amplitude a sample; None until one was seen."""

    def __init__(self) -> None:
        self.rate_error = RATE_ERROR
        """1 σ of the predicted frequency, relative to it: as wrong as the last predictions were."""
        self._keep_a_second = 0.0
        self._seen = 0
        self._w = self._wx = self._wy = self._wxx = self._wxy = 0.0

    def at(self, load_g: float, period_s: float) -> tuple[float, float] | None:
        """Predicted (turn, keep) under `load_g`."""
        if self._seen == 0 or is_slow(period_s):
            return None
        inverse = self._line(max(0.0, load_g))
        if inverse <= 0:
            return None
        hz = min(HIGHEST_HZ, max(LOWEST_HZ, inverse**-0.5))
        return 2 * math.pi * hz * period_s, math.exp(-self._keep_a_second * period_s)

    def keep_at_most(self, period_s: float) -> float:
        """What a free oscillation keeps of itself in a sample at most: hands only ever add damping."""
        return math.exp(-LEAST_DECAY * self._keep_a_second * period_s)

    def learn(self, decay: Sequence[float], sigma_g: float, load_g: float, period_s: float) -> None:
        """Fit a free decay (deviations from the settled level, g, clearly above noise) by linear prediction."""
        if len(decay) < DECAY_SAMPLES or is_slow(period_s):
            return
        now, one, two = decay[2:], decay[1:-1], decay[:-2]
        # Noise adds its variance to the squares, which would pass for faster decay.
        noise = len(now) * sigma_g * sigma_g
        r11 = sum(v * v for v in one) - noise
        r22 = sum(v * v for v in two) - noise
        r12 = sum(a * b for a, b in zip(one, two, strict=True))
        r01 = sum(a * b for a, b in zip(now, one, strict=True))
        r02 = sum(a * b for a, b in zip(now, two, strict=True))
        determinant = r11 * r22 - r12 * r12
        if determinant <= 1e-9 * r11 * r22:
            return
        a1 = (r01 * r22 - r02 * r12) / determinant
        a2 = (r02 * r11 - r01 * r12) / determinant
        if not -1.0 < a2 < -0.6:
            return
        left = sum((x - a1 * y - a2 * z) ** 2 for x, y, z in zip(now, one, two, strict=True))
        if left > UNEXPLAINED * sum(v * v for v in now) + 3 * noise:
            return
        keep = math.sqrt(-a2)
        cosine = a1 / (2 * keep)
        if not -1.0 < cosine < 1.0:
            return
        hz = math.acos(cosine) / (2 * math.pi * period_s)
        decay_a_second = -math.log(keep) / period_s
        damping = decay_a_second / (2 * math.pi * hz)
        if LOWEST_HZ <= hz <= HIGHEST_HZ and DAMPING_MIN <= damping <= DAMPING_MAX:
            self._observe(max(0.0, load_g), hz, decay_a_second)

    def _observe(self, load_g: float, hz: float, decay_a_second: float) -> None:
        x, y = load_g / TRAY_PRIOR_G, hz**-2
        if self._seen == 0:
            # As if a tray of TRAY_PRIOR_G had been seen at another load as well, with little weight.
            base = y / (1 + x)
            for other in (0.0, 2.0):
                self._add(0.1, other, base * (1 + other))
        self._w, self._wx, self._wy, self._wxx, self._wxy = (
            FORGET * v for v in (self._w, self._wx, self._wy, self._wxx, self._wxy)
        )
        expected = self._line(load_g) if self._seen >= 3 else y
        if self._seen >= 2:
            # 1/f² is off by twice as much as f. Another load is another frequency: the line must hold there too.
            off = min(3 * RATE_ERROR, 0.5 * abs(y / self._line(load_g) - 1))
            self.rate_error = max(RATE_ERROR_MIN, math.sqrt(0.75 * self.rate_error**2 + 0.25 * off * off))
        self._add(1.0 if abs(y / expected - 1) < SURPRISE else 0.1, x, y)
        # Hands only ever add damping, so less counts for more.
        share = 1.0 if self._seen == 0 else (0.3 if decay_a_second < self._keep_a_second else 0.1)
        self._keep_a_second += share * (decay_a_second - self._keep_a_second)
        self._seen += 1

    def _add(self, weight: float, x: float, y: float) -> None:
        self._w += weight
        self._wx += weight * x
        self._wy += weight * y
        self._wxx += weight * x * x
        self._wxy += weight * x * y

    def _line(self, load_g: float) -> float:
        spread = self._w * self._wxx - self._wx**2
        mean_x, mean_y = self._wx / self._w, self._wy / self._w
        # Little spread in load says little about the slope: lean on a tray of the usual mass.
        usual = mean_y / (1 + mean_x)
        prior = 0.02 * self._w**2
        slope = ((self._w * self._wxy - self._wx * self._wy) + prior * usual) / (spread + prior)
        return mean_y + slope * (load_g / TRAY_PRIOR_G - mean_x)


def heard(samples: Sequence[float], sigma_g: float, period_s: float) -> tuple[float, float, float] | None:
    """(turn, keep, level) that a loud free decay tells by itself; None where `samples` are none.

    Linear prediction of the differences, which know no level: d[i] = 2·keep·cos(turn)·d[i−1] − keep²·d[i−2].
    """
    now = [b - a for a, b in itertools.pairwise(samples)]
    d0, d1, d2 = now[2:], now[1:-1], now[:-2]
    # White noise of the samples has twice its variance in their differences, and minus it between neighbours.
    noise = len(d0) * sigma_g * sigma_g
    r11, r22 = sum(map(mul, d1, d1)) - 2 * noise, sum(map(mul, d2, d2)) - 2 * noise
    r12, r01, r02 = sum(map(mul, d1, d2)) + noise, sum(map(mul, d0, d1)) + noise, sum(map(mul, d0, d2))
    determinant = r11 * r22 - r12 * r12
    if determinant <= 1e-9 * r11 * r22:
        return None
    a1, a2 = (r01 * r22 - r02 * r12) / determinant, (r02 * r11 - r01 * r12) / determinant
    if not -1.0 < a2 < -0.6:
        return None
    left = sum((x - a1 * y - a2 * z) ** 2 for x, y, z in zip(d0, d1, d2, strict=True))
    # White noise of the samples, differenced and predicted from.
    expected = 1 + (1 + a1) ** 2 + (a2 - a1) ** 2 + a2 * a2
    if left > HEARD_LEFT * expected * (noise + r11 * (TIMING_S / period_s) ** 2):
        return None
    keep = math.sqrt(-a2)
    cosine = a1 / (2 * keep)
    if not -1.0 < cosine < 1.0:
        return None
    rest = 1 - a1 - a2
    level = sum(z - a1 * y - a2 * x for x, y, z in zip(samples, samples[1:], samples[2:], strict=False))
    return math.acos(cosine), keep, level / (rest * (len(samples) - 2))


def free_decay(
    samples: Sequence[float], level_g: float, sigma_g: float, longest_half: int, settling: int
) -> list[float]:
    """The stretch of `samples` that swings about `level_g` with nothing touching it; empty where it does not stand out.

    Going back from the newest, it ends where the signal stays on one side longer than half a slow oscillation.
    """
    off = [v - level_g for v in samples]
    side, run, start = 0, 0, 0
    for i in range(len(off) - 1, -1, -1):
        here = (off[i] > 2 * sigma_g) - (off[i] < -2 * sigma_g)
        run = run + 1 if here != 0 and here == side else (1 if here != 0 else 0)
        side = here
        if run > longest_half:
            start = i + run + settling
            break
    off = off[start:]
    end = len(off)
    while end > 0 and abs(off[end - 1]) < 3 * sigma_g:
        end -= 1
    off = off[:end]
    loud = len(off) >= DECAY_SAMPLES and sum(v * v for v in off) > LOUD * len(off) * sigma_g * sigma_g
    return off if loud else []
