"""Steps while the cart rolls: a change of the mean under vibration."""

from __future__ import annotations

import math

import msgspec

from cart.core.weighing.ringing import is_slow

BLOCK_S = 0.2
BLOCKS = 8
STEP_G = 25.0
UNLIKE_HAND_SHAKE, UNLIKE_HAND_DRIFT = 0.12, 0.003
"""A hand's mean wanders by percents of its force; its tremor is slight beside that."""


class Shaken(msgspec.Struct, frozen=True):
    """The mean under vibration changed by `delta_g`; blocks of rolling had means `drift_sd_g` apart."""

    level_g: float
    delta_g: float
    drift_sd_g: float
    samples: int

    @property
    def variance(self) -> float:
        """Of the mean, g². Blocks of rolling are not independent: about every second counts."""
        return 2 * self.drift_sd_g**2 / BLOCKS


class Rolling:
    """Tells a change where the vibration is fast and its mean stands still. Keeps the last mean it looked at."""

    def __init__(self) -> None:
        self._level_g = math.inf

    def change(
        self, samples: list[float], since: int, reference_g: float, sigma_g: float, period_s: float
    ) -> Shaken | None:
        """A change from `reference_g` in the newest of `samples`, `since` of them of this movement, if any."""
        size = round(BLOCK_S / period_s)
        if since < size * BLOCKS or is_slow(period_s):
            return None
        level, drift_sd, shake, lasting = shaking(samples[-size * BLOCKS :], size)
        before, self._level_g = self._level_g, level
        delta = level - reference_g
        unlike_hand = shake > UNLIKE_HAND_SHAKE * abs(delta) or drift_sd < UNLIKE_HAND_DRIFT * abs(delta)
        fast = shake > max(4.0 * drift_sd, 4.0 * sigma_g) and unlike_hand
        steady = abs(level - before) < drift_sd and abs(delta) > max(STEP_G, 8.0 * drift_sd)
        return Shaken(level, delta, drift_sd, size * BLOCKS) if lasting and fast and steady else None


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
