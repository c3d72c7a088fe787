"""A cell that hums or whose zero wanders all the time: what goes in is a step all the same, and rest stays rest."""

from __future__ import annotations

import math
import random

import pytest

from cart.core.weighing import WeightStep
from cart.core.weighing.detector import StepDetector
from cart.core.weighing.evidence import look
from cart.core.weighing.noise import HUM_LOOKS, Noise, hum_samples

S = 1_000_000_000


def told(hum_g: float, hz: float, seed: int, rate: float, put_g: float) -> list[WeightStep]:
    """Half a minute at rest, then `put_g` in and out again every five seconds, six times, by a hand that presses."""
    rng, detector = random.Random(seed), StepDetector(None, 0.0)
    steps = []
    for i in range(round(60 * rate)):
        t_s = i / rate
        beat_s = (t_s - 30.0) % 10.0
        inside = t_s > 30.0 and 0.0 < beat_s < 5.0
        pressed = t_s > 30.0 and (beat_s < 0.3 or 5.0 < beat_s < 5.3)
        gross_g = (put_g if inside else 0.0) + (300.0 * math.sin(20.0 * t_s) if pressed else 0.0)
        gross_g += hum_g * math.sin(2 * math.pi * hz * t_s) + rng.gauss(0.0, 0.9)
        steps.append(detector.feed(round(t_s * S), gross_g, 1 / rate))
    return [step for step in steps if step is not None]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("hum_g", "hz"), [(1.2, 0.5), (0.8, 1.1), (1.5, 2.7), (1.5, 7.0)])
@pytest.mark.parametrize("rate", [80.0, 10.0])
def test_what_goes_in_beside_a_hum_is_a_step(hum_g: float, hz: float, rate: float, seed: int) -> None:
    steps = told(hum_g, hz, seed, rate, 40.0)
    assert [round(step.delta_g / 40.0) for step in steps] == [1, -1, 1, -1, 1, -1]
    assert max(abs(abs(step.delta_g) - 40.0) for step in steps) < 4.0 * hum_g
    assert max(abs(abs(step.delta_g) - 40.0) / step.sigma_g for step in steps) < 4.5
    assert max((step.decided_ns / S - 30.0) % 5.0 for step in steps) < 2.6


def heard_slow_g2(hum_g: float) -> float:
    rng, noise = random.Random(7), Noise()
    n = hum_samples(1 / 80)
    samples: list[float] = []
    for look_at in range(3, 3 + 4 * HUM_LOOKS):
        samples = [
            hum_g * math.sin(2 * math.pi * 1.25 * i / 80) + rng.gauss(0.0, 1.0)
            for i in range(look_at * n, look_at * n + n)
        ]
        noise.hear_hum(samples, look_at * n, 1 / 80)
    return noise.slow_g2


def test_white_noise_is_no_hum_and_a_hum_makes_a_mean_unsure_by_its_size() -> None:
    assert heard_slow_g2(0.0) == 0.0
    # A quarter of its amplitude squared, less what white noise shows at its loudest frequency.
    assert heard_slow_g2(1.0) == pytest.approx(0.25, abs=0.06)


def test_a_window_may_hold_the_cells_own_hum_and_no_more() -> None:
    humming = [1.5 * math.sin(2 * math.pi * 1.25 * i / 80) + 0.5 * (-1) ** i for i in range(64)]
    assert not look(humming, 1.0, 12_500).quiet
    known = look(humming, 1.0, 12_500, 0.4)
    assert known.quiet
    assert not look([3.0 * x for x in humming], 1.0, 12_500, 0.4).quiet
    # What may be the cell's own is no evidence for a hand; nor is it as good evidence against one.
    still = [0.5 * (-1) ** i for i in range(64)]
    assert look(humming, 1.0, 12_500).evidence(100.0) < known.evidence(100.0)
    assert look(still, 1.0, 12_500, 0.4).evidence(100.0) < look(still, 1.0, 12_500).evidence(100.0)
