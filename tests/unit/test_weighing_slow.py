"""Ten samples a second: what goes in while the cart rolls is found soon, and noise hides a faint touch for longer."""

from __future__ import annotations

import math
import random

import pytest

from cart.core.weighing import WeightStep
from cart.core.weighing.detector import StepDetector

S = 1_000_000_000
PERIOD_S = 0.1


@pytest.mark.parametrize("seed", range(6))
def test_what_was_put_in_while_the_cart_rolled_is_found_soon_after_it_stops(seed: int) -> None:
    rng, detector, swung_g = random.Random(seed), StepDetector(None, 0.0), 0.0
    steps: list[WeightStep | None] = []
    for i in range(160):
        swung_g = 0.7 * swung_g + rng.gauss(0.0, 6.0)
        rolling = 50 < i < 130
        gross_g = (670.0 if i > 60 else 0.0) + (swung_g + 5.0 if rolling else 0.0) + rng.gauss(0.0, 1.0)
        steps.append(detector.feed(round(i * PERIOD_S * S), gross_g, PERIOD_S))
    (step,) = [one for one in steps if one is not None]
    assert step.delta_g == pytest.approx(670.0, abs=2.0)
    assert 13.0 < step.decided_ns / S < 14.8


@pytest.mark.parametrize(("noise_g", "least", "most"), [(0.8, 31, 40), (2.0, 0, 4)])
def test_a_few_grams_for_a_second_are_a_step_only_where_noise_would_not_hide_a_touch(
    noise_g: float, least: int, most: int
) -> None:
    told = 0
    for seed in range(20):
        rng, detector = random.Random(seed), StepDetector(None, 0.0)
        for i in range(140):
            pressed_g = 300.0 * math.sin(i) if 100 < i < 106 else 0.0
            gross_g = pressed_g + (6.0 if 106 <= i < 121 else 0.0) + rng.gauss(0.0, noise_g)
            told += detector.feed(round(i * PERIOD_S * S), gross_g, PERIOD_S) is not None
    assert least <= told <= most
