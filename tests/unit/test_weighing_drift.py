"""Drift that hands kept from being followed is owed, and owed once; what only looks like rest carries nothing along."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from cart.core.weighing import WeightStep
from cart.core.weighing.detector import StepDetector
from cart.core.weighing.reference import DRIFT_G_PER_S, Reference

S = 1_000_000_000


def steps(
    level_g: Callable[[float], float], seconds: float, rate: float, noise_g: float, seed: int
) -> list[WeightStep]:
    rng = random.Random(seed)
    detector = StepDetector(None, 0.0)
    told = [
        detector.feed(round(i / rate * S), level_g(i / rate) + rng.gauss(0.0, noise_g), 1 / rate)
        for i in range(round(seconds * rate))
    ]
    return [step for step in told if step is not None]


@pytest.mark.parametrize("seed", range(6))
def test_rolling_that_looks_like_rest_for_a_moment_carries_nothing_along(seed: int) -> None:
    def rolled_g(t_s: float) -> float:
        beat_s = t_s % 1.2
        swung_g = 18.0 if beat_s < 0.3 else -12.0 if beat_s < 0.6 else -3.2
        return 1000.0 + (swung_g if 5.0 < t_s < 15.0 else 0.0)

    assert steps(rolled_g, 22.0, 10.0, 0.8, seed) == []


def test_drift_under_hands_is_followed_when_they_are_gone() -> None:
    reference = Reference(1000.0, 0.01)
    reference.account(0, 1000.0)
    for second in (10, 20, 30):
        level_g = 1000.0 + 0.9 * DRIFT_G_PER_S * second
        for _ in range(4):
            reference.touched(second * S, level_g, 0.1, 0.1)
        assert reference.g == pytest.approx(level_g, abs=0.15)


def test_touch_after_touch_follows_no_further_than_drift_goes() -> None:
    reference = Reference(1000.0, 0.01)
    reference.account(0, 1000.0)
    for touch in range(40):
        reference.touched(10 * S + touch * S // 10, 1004.0, 0.1, 0.1)
    gone_g = DRIFT_G_PER_S * reference.unfollowed_s(14 * S)
    assert reference.g - 1000.0 + gone_g < DRIFT_G_PER_S * 14.0 + 1.0
