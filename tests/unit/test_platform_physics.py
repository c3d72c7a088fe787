"""The bench's load cell behaves like one: same seed same counts, filter, resonance, creep, gaps."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest

from cart.bench.physics import Physics
from cart.bench.platform import COUNTS_MAX, Platform
from cart.core.settings import ScaleSettings

S = 1_000_000_000
SCALE = ScaleSettings(counts_per_gram=10.0, tare_counts=1000, samples_per_second=80)
CLEAN = Physics(noise_g=0.0, glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=0.0, creep=0.0, jitter_s=0.0)


def grams(world: Platform, start_s: float, end_s: float) -> list[float]:
    return [(c - 1000) / 10 for _, c in world.conversions(round(start_s * S), round(end_s * S))]


def test_same_seed_same_counts() -> None:
    runs = []
    for _ in range(2):
        world = Platform(SCALE, 5)
        world.put(S, 200.0)
        world.roll(3 * S, 2.0)
        runs.append(list(world.conversions(0, 6 * S)))
    assert runs[0] == runs[1]


def test_the_load_is_read_after_everything_has_settled() -> None:
    world = Platform(SCALE, 1, CLEAN)
    rest_ns = world.put(S, 350.0)
    assert 0 < rest_ns - S < 3 * S
    world.take(6 * S, 100.0)
    read = grams(world, 0, 12)
    assert read[0] == 0.0
    assert read[5 * 80] == pytest.approx(350.0, abs=0.2)
    assert read[-1] == pytest.approx(250.0, abs=0.2)
    assert world.load_g == pytest.approx(250.0)


def test_the_filter_takes_four_conversions() -> None:
    world = Platform(SCALE, 1, CLEAN)
    world.put(S, 100.0, style="drop")
    read = grams(world, 0, 1.2)
    moving = [i for i, g in enumerate(read) if abs(g) > 0.05]
    assert moving[0] in {80, 81}


def test_a_free_platform_rings_at_its_resonance_and_slower_when_loaded() -> None:
    counts = []
    for load in (0.0, 27_000.0):
        world = Platform(SCALE, 2, CLEAN)
        world.preload(load)
        world.bump(S, 3000.0)
        ring = [g - load for g in grams(world, 1.2, 2.2)]
        counts.append(sum(a * b < 0 for a, b in itertools.pairwise(ring)) / 2)
    assert counts[0] == pytest.approx(16.0, abs=1.5)
    assert counts[1] == pytest.approx(8.0, abs=1.5)


def test_creep_and_slope_and_glitch() -> None:
    world = Platform(
        SCALE, 3, Physics(noise_g=0.0, glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=0.0, creep=0.0005)
    )
    world.put(S, 10_000.0)
    read = grams(world, 0, 120)
    assert read[-1] - read[6 * 80] == pytest.approx(5.0, abs=1.5)
    tilted = Platform(SCALE, 4, CLEAN)
    tilted.preload(15_000.0)
    tilted.tilt(5.0)
    assert grams(tilted, 0, 10)[-1] == pytest.approx(15_000 * math.cos(math.radians(5.0)), abs=0.5)
    tilted.glitch(11 * S, "zero")
    assert -100.0 in grams(tilted, 10, 12)
    tilted.break_cell("saturated")
    assert tilted.counts_at(13 * S) == COUNTS_MAX


def test_noise_and_gaps_are_as_set() -> None:
    world = Platform(SCALE, 6, Physics(noise_g=2.0, glitches_per_hour=0.0, gaps_per_hour=600.0, wander_g=0.0))
    samples = list(world.conversions(0, 60 * S))
    assert statistics.stdev(c for _, c in samples) / 10 == pytest.approx(2.0, rel=0.1)
    waits = [(b - a) / S for (a, _), (b, _) in itertools.pairwise(samples)]
    gaps = [w for w in waits if w > 0.1]
    assert 3 <= len(gaps) <= 25
    assert all(0.3 <= g <= 0.75 for g in gaps)
