"""A rest's conversions reckoned together obey the same laws as one by one."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, pstdev

import pytest

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.bench.trips.cell import Cell
from cart.core.settings import ScaleSettings

SCALE = ScaleSettings(counts_per_gram=20.0, tare_counts=80_000)
CLEAN = Physics(noise_g=0.0, wander_g=0.0, glitches_per_hour=0.0, gaps_per_hour=0.0, jitter_s=0.0)
SECOND_NS = 1_000_000_000


def grams(counts: int) -> float:
    return (counts - SCALE.tare_counts) / SCALE.counts_per_gram


def test_without_chance_it_says_what_the_platform_says_one_by_one() -> None:
    cell, platform = Cell(SCALE, 7, CLEAN), Platform(SCALE, 7, CLEAN)
    for hands in (cell.platform, platform):
        hands.put(SECOND_NS, 800.0)
        hands.drop(6 * SECOND_NS, 150.0)
        hands.take(12 * SECOND_NS, 300.0)
        hands.bump(20 * SECOND_NS)
    together = [pair for k in range(1, 101) for pair in cell.until(k * SECOND_NS // 4)]
    single = list(platform.conversions(0, 25 * SECOND_NS))
    assert [t_ns for t_ns, _ in together][: len(single)] == pytest.approx([t_ns for t_ns, _ in single], abs=1)
    apart = [abs(a[1] - b[1]) for a, b in zip(together[: len(single)], single, strict=True)]
    assert max(apart) <= 1
    assert grams(together[-1][1]) == pytest.approx(650.0, abs=0.5)


def test_its_noise_gaps_and_glitches_are_those_of_the_physics() -> None:
    physics = Physics(noise_g=0.8, wander_g=0.0, glitches_per_hour=60.0, gaps_per_hour=120.0)
    read = list(Cell(SCALE, 3, physics).until(1800 * SECOND_NS))
    times = [t_ns for t_ns, _ in read]
    apart = [(b - a) * 1e-9 for a, b in pairwise(times)]
    gaps = [s for s in apart if s > 0.2]
    assert all(s > 0 for s in apart)
    assert 35 <= len(gaps) <= 90
    assert all(0.3 <= s <= 0.72 for s in gaps)
    values = [grams(counts) for _, counts in read]
    spoilt = [g for g in values if abs(g) > 10.0]
    assert 10 <= len(spoilt) <= 60
    good = [g for g in values if abs(g) <= 10.0]
    assert abs(fmean(good)) < 0.05
    assert pstdev(good) == pytest.approx(0.8, rel=0.03)


def test_the_same_seed_says_the_same_however_it_is_asked() -> None:
    physics = Physics.varied(5)
    whole = list(Cell(SCALE, 5, physics).until(60 * SECOND_NS))
    cell = Cell(SCALE, 5, physics)
    pieces = [pair for k in range(1, 601) for pair in cell.until(k * SECOND_NS // 10)]
    assert whole == pieces
