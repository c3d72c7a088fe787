"""What a loud free decay tells by itself, and what it lets the weighing know."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from cart.bench.physics import Physics
from cart.bench.platform import Platform, Style
from cart.core.settings import ScaleSettings
from cart.core.weighing import Foretold, Weigher, WeightStep
from cart.core.weighing.ringing import heard

PERIOD_S = 1 / 80
S = 1_000_000_000


def decay(rng: random.Random, hz: float, damping: float, level_g: float, size_g: float, n: int = 14) -> list[float]:
    turn, phase = 2 * math.pi * hz, rng.uniform(0, 2 * math.pi)
    times = [i * PERIOD_S for i in range(n)]
    return [
        level_g + size_g * math.exp(-damping * turn * t) * math.cos(turn * t + phase) + rng.gauss(0.0, 1.0)
        for t in times
    ]


@pytest.mark.parametrize("hz", [7.0, 11.0, 16.0])
@pytest.mark.parametrize("damping", [0.04, 0.1])
def test_a_free_decay_tells_frequency_damping_and_level(hz: float, damping: float) -> None:
    rng = random.Random(5)
    for _ in range(20):
        told = heard(decay(rng, hz, damping, 2500.0, 200.0), 1.0, PERIOD_S)
        assert told is not None
        turn, keep, level_g = told
        assert turn == pytest.approx(2 * math.pi * hz * PERIOD_S, rel=0.04)
        assert keep == pytest.approx(math.exp(-damping * 2 * math.pi * hz * PERIOD_S), abs=0.03)
        assert level_g == pytest.approx(2500.0, abs=8.0)


def test_a_hand_that_comes_or_goes_tells_nothing() -> None:
    rng = random.Random(6)
    for _ in range(20):
        pushed = [v + (300.0 if i > 7 else 0.0) for i, v in enumerate(decay(rng, 11.0, 0.06, 2500.0, 200.0))]
        assert heard(pushed, 1.0, PERIOD_S) is None
    assert heard([40.0 * i for i in range(14)], 1.0, PERIOD_S) is None


def test_a_heavy_item_is_known_while_it_still_rings() -> None:
    settings = ScaleSettings(counts_per_gram=21.5, tare_counts=84_213)
    physics = Physics(glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0, damping=0.04)
    for seed in range(6):
        world = Platform(settings, seed, physics)
        world.preload(3000.0)
        rest_ns = world.put(3 * S, 2500.0, press_g=900.0, style="press")
        weigher = Weigher(settings)
        events = [event for t_ns, counts in world.conversions(0, 6 * S) for event in weigher.feed(t_ns, counts)]
        (step,) = [event for event in events if isinstance(event, WeightStep)]
        assert step.delta_g == pytest.approx(2500.0, abs=4 * step.sigma_g)
        # At 14 Hz and 4 % it takes a second to ring below a gram.
        assert step.decided_ns - rest_ns < 0.5 * S


def test_rest_once_told_stays_while_a_heavy_item_still_rings() -> None:
    settings = ScaleSettings(counts_per_gram=21.5, tare_counts=84_213)
    physics = Physics(glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0, damping=0.04)
    for seed in range(6):
        world = Platform(settings, seed, physics)
        world.put(3 * S, 2000.0, press_g=900.0, style="press")
        weigher = Weigher(settings)
        told: list[bool] = []
        for t_ns, counts in world.conversions(0, 7 * S):
            stepped = any(isinstance(event, WeightStep) for event in weigher.feed(t_ns, counts))
            if stepped or told:
                told.append(weigher.live.stable)
        assert len(told) > 100
        assert all(told)


def test_a_platform_that_was_heard_before_is_weighed_sooner() -> None:
    settings = ScaleSettings(counts_per_gram=21.5, tare_counts=84_213)
    physics = Physics(glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0)

    def waited_s(seed: int, *, heard: bool) -> float:
        world = Platform(settings, seed, physics)
        if heard:
            world.put(3 * S, 700.0, press_g=900.0, style="press")
        rest_ns = world.put(7 * S, 600.0, press_g=900.0, style="press")
        weigher = Weigher(settings)
        weigher.expect([Foretold(700.0, 12.0), Foretold(600.0, 12.0)])
        events = [event for t_ns, counts in world.conversions(0, 10 * S) for event in weigher.feed(t_ns, counts)]
        step = [event for event in events if isinstance(event, WeightStep)][-1]
        assert step.delta_g == pytest.approx(600.0, abs=4 * step.sigma_g)
        return (step.decided_ns - rest_ns) / S

    heard, unheard = ([waited_s(seed, heard=heard) for seed in range(12)] for heard in (True, False))
    assert statistics.median(heard) < 0.9 * statistics.median(unheard)


@pytest.mark.parametrize(
    ("style", "seed"), [("drop", 22), ("drop", 25), ("press", 22), ("press", 37), ("plain", 14), ("plain", 37)]
)
def test_a_touch_that_still_shows_in_what_rings_moves_no_level(style: Style, seed: int) -> None:
    settings = ScaleSettings(counts_per_gram=21.5, tare_counts=84_213)
    physics = Physics.varied(seed, glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0, noise_g=1.0)
    world = Platform(settings, seed, physics)
    world.preload(4000.0)
    world.put(3 * S, 400.0, style="press")
    world.put(6 * S, 4500.0, style=style)
    weigher = Weigher(settings)
    weigher.expect([Foretold(400.0, 8.0), Foretold(4500.0, 90.0)])
    events = [event for t_ns, counts in world.conversions(0, 9 * S) for event in weigher.feed(t_ns, counts)]
    _, step = [event for event in events if isinstance(event, WeightStep)]
    assert step.delta_g == pytest.approx(4500.0, abs=3 * step.sigma_g)


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 6, 10])
def test_a_light_thing_is_found_while_a_heavy_one_still_rings(seed: int) -> None:
    settings = ScaleSettings(counts_per_gram=21.5, tare_counts=84_213)
    physics = Physics.varied(seed, glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0, noise_g=1.0)
    world = Platform(settings, seed, physics)
    world.preload(12_000.0)
    world.put(3 * S, 400.0, style="press")
    world.put(6 * S, 4500.0, style="drop")
    world.put(round(7.5 * S), 5.5, press_g=30.0, style="press")
    weigher = Weigher(settings)
    weigher.expect([Foretold(400.0, 8.0), Foretold(4500.0, 90.0)])
    events = [event for t_ns, counts in world.conversions(0, 11 * S) for event in weigher.feed(t_ns, counts)]
    _, heavy, light = [event for event in events if isinstance(event, WeightStep)]
    assert heavy.delta_g + light.delta_g == pytest.approx(4505.5, abs=2.0)
