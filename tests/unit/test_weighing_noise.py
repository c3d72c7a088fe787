"""A converter that gets noisier within a trip: rest is found again, and steps with it."""

import math
import random

import pytest

from cart.core.settings import ScaleSettings
from cart.core.weighing import Weigher, WeighingEvent, WeightStep
from cart.core.weighing.detector import StepDetector
from cart.core.weighing.noise import white_noise

SETTINGS = ScaleSettings(counts_per_gram=20.0, tare_counts=0, samples_per_second=80.0)


def steps_of(noise_before_g: float, noise_after_g: float, seed: int) -> list[WeightStep]:
    """500 g go on at 20 s; the noise changes at 8 s."""
    rng, weigher = random.Random(seed), Weigher(SETTINGS)
    told: list[WeighingEvent] = []
    for i in range(80 * 25):
        noise_g = noise_before_g if i < 8 * 80 else noise_after_g
        load_g = 500.0 if i >= 20 * 80 else 0.0
        told += weigher.feed(round(i * 12.5e6), round(20.0 * (load_g + rng.gauss(0.0, noise_g))))
    return [event for event in told if isinstance(event, WeightStep)]


@pytest.mark.parametrize(("before_g", "after_g"), [(0.15, 1.0), (0.3, 3.0), (1.0, 3.0)])
def test_a_step_is_found_after_the_noise_grew(before_g: float, after_g: float) -> None:
    found = [step for seed in range(4) for step in steps_of(before_g, after_g, seed)]
    assert len(found) == 4
    assert max(abs(step.delta_g - 500.0) for step in found) < 3.0 * max(step.sigma_g for step in found)


def test_white_noise_is_told_from_ringing_and_from_a_hand() -> None:
    rng = random.Random(3)
    white = [rng.gauss(0.0, 2.0) for _ in range(120)]
    ringing = [10.0 * math.sin(2 * math.pi * 12.0 * i / 80.0) + x for i, x in enumerate(white)]
    hand = [sum(white[:i]) for i in range(120)]
    sloping = [0.3 * i + x for i, x in enumerate(white)]
    assert white_noise(white) == pytest.approx(2.0, rel=0.25)
    assert white_noise(ringing) is None
    assert white_noise(hand) is None
    assert white_noise(sloping) is None


@pytest.mark.parametrize("rate", [10.0, 80.0])
def test_first_samples_that_are_quieter_than_the_cell_keep_no_rest_away(rate: float) -> None:
    rng, detector, period_s = random.Random(3), StepDetector(None, 0.0), 1 / rate
    resting, told = 0, []
    for i in range(round(30 * rate)):
        # A draw as lucky as that comes in one start of a few hundred.
        sd_g = 0.25 if i < max(8, round(0.3 * rate)) else 1.0
        step = detector.feed(round(i * period_s * 1e9), rng.gauss(500.0 if i < 20 * rate else 519.0, sd_g), period_s)
        resting += detector.state == "rest" and i < 20 * rate
        told += [step] if step is not None else []
    assert resting > 0.8 * 20 * rate
    (only,) = told
    assert only.delta_g == pytest.approx(19.0, abs=2.0)


def test_vibration_that_passed_for_noise_is_forgotten_once_it_is_quiet() -> None:
    """A long roll at 10 samples a second looks as white as noise; a second's quiet after it doesn't."""
    rng, detector = random.Random(3), StepDetector(None, 0.0)
    told: list[tuple[int, WeightStep]] = []
    number = 0
    for level_g, sigma_g, many in ((860.0, 0.25, 60), (860.0, 7.0, 160), (860.0, 0.25, 60), (1080.0, 0.25, 30)):
        for _ in range(many):
            step = detector.feed(number * 100_000_000, rng.gauss(level_g, sigma_g), 0.1)
            told += [(number, step)] if step is not None else []
            number += 1
    ((at, step),) = told
    assert step.delta_g == pytest.approx(220.0, abs=1.0)
    assert at < 280 + 20
