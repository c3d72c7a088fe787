"""When the last touch was, what hovers, and what a hand may be like."""

from __future__ import annotations

import math
import random

import pytest

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.core.settings import ScaleSettings
from cart.core.weighing import Weigher, WeightStep
from cart.core.weighing.detector import StepDetector
from cart.core.weighing.evidence import look
from cart.core.weighing.last_touch import HOVER_SAMPLES, hovered, rest_began
from cart.core.weighing.ringing import RingModel

S = 1_000_000_000
PERIOD_S = 1 / 80


def test_rest_is_dated_back_to_where_the_band_is_left() -> None:
    samples = [0.0] * 5 + [300.0, 900.0] + [500.0, 501.0, 499.5, 500.5]
    assert rest_began(samples, 500.0, band_g=4.0, growth=1.0, most_g=100.0, longest=50) == 6
    assert rest_began(samples, 500.0, band_g=4.0, growth=1.0, most_g=100.0, longest=2) == 8
    # Ringing was louder before: a band that grows takes it in, up to its bound.
    ringing = [900.0, 530.0, 480.0, 510.0, 497.0, 500.0]
    assert rest_began(ringing, 500.0, band_g=4.0, growth=1.0, most_g=100.0, longest=50) == 3
    assert rest_began(ringing, 500.0, band_g=4.0, growth=2.0, most_g=100.0, longest=50) == 0


@pytest.mark.parametrize(
    ("before_g", "hovers"), [(1020.0, True), (980.0, True), (1001.0, False), (1400.0, False), (500.0, False)]
)
def test_who_lets_go_was_pressing_or_lifting_just_before(before_g: float, hovers: bool) -> None:
    before = [before_g] * HOVER_SAMPLES[0]
    assert bool(hovered(before, 1000.0, delta_g=1000.0, sigma_g=1.0, ring_g=0.0)) is hovers
    assert not hovered(before[1:], 1000.0, delta_g=1000.0, sigma_g=1.0, ring_g=0.0)
    assert not hovered(before, 1000.0, delta_g=1000.0, sigma_g=1.0, ring_g=60.0)


def test_how_long_a_hand_hovered_ends_where_it_came_from_afar() -> None:
    lengths = [
        hovered([700.0] * 9 + [1020.0] * n, 1000.0, delta_g=1000.0, sigma_g=1.0, ring_g=0.0) for n in (5, 6, 13, 39, 60)
    ]
    assert lengths == [0, 6, 12, 24, 40]
    # Half a second ago a free oscillation would have been much louder than it is now.
    assert hovered([1020.0] * 40, 1000.0, delta_g=100.0, sigma_g=1.0, ring_g=9.0) == HOVER_SAMPLES[0]


def test_evidence_grows_with_time_and_force_and_is_against_what_wanders() -> None:
    rng = random.Random(4)
    still = [rng.gauss(0.0, 1.0) for _ in range(32)]
    told = {force_g: look(still, 1.0, 12_500).evidence(force_g) for force_g in (20.0, 150.0, 1000.0)}
    assert told[20.0] < told[150.0] < told[1000.0]
    assert look(still[:8], 1.0, 12_500).evidence(150.0) < told[150.0]
    wandering = [x + 0.2 * (i - 16) for i, x in enumerate(still)]
    assert look(wandering, 1.0, 12_500).evidence(150.0) < 0.0
    # No force is too great for the sum of likelihoods.
    assert look(still, 1.0, 12_500).evidence(5e6) > told[1000.0]


def test_a_free_oscillation_must_lose_half_of_what_was_learned() -> None:
    ring = RingModel()
    assert ring.keep_at_most(PERIOD_S) == 1.0
    turn, keep = 2 * math.pi * 12.0 * PERIOD_S, 0.94
    ring.learn([200.0 * keep**i * math.cos(turn * i) for i in range(24)], 0.01, 2000.0, PERIOD_S)
    assert ring.keep_at_most(PERIOD_S) == pytest.approx(math.sqrt(keep), abs=0.002)


@pytest.mark.parametrize("force_g", [700.0, 2500.0, 7000.0])
def test_a_steady_lean_is_no_step_however_often_it_is_looked_at(force_g: float) -> None:
    settings = ScaleSettings(counts_per_gram=21.5, tare_counts=84_213)
    physics = Physics(glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0, noise_g=0.5)
    for seed in range(3):
        world = Platform(settings, seed, physics)
        world.preload(3000.0)
        world.lean(2 * S, force_g, 6.0)
        weigher = Weigher(settings)
        events = [event for t_ns, counts in world.conversions(0, 10 * S) for event in weigher.feed(t_ns, counts)]
        assert events == []


def test_a_hand_that_came_while_words_were_lost_is_no_step() -> None:
    rng, detector = random.Random(1), StepDetector(None, 0.0)
    told: list[WeightStep | None] = []
    # A hand that holds 25 g for 0.35 s, and lets go; then a mass that stays.
    for level_g, many in ((1000.0, 120), (1025.0, 28), (1000.0, 80), (1400.0, 80)):
        for _ in range(many):
            told.append(detector.feed(len(told) * S // 80, rng.gauss(level_g, 0.9), PERIOD_S))
        if len(told) == 120:
            detector.restart(0.5)
    (step,) = [one for one in told if one is not None]
    assert step.delta_g == pytest.approx(400.0, abs=2.0)
    assert detector.state == "rest"
