"""Weighing: steps out of a simulated load cell's words, and the faults by name."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import pytest

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.core.settings import ScaleSettings
from cart.core.weighing import ScaleFault, Weigher, WeighingEvent, WeightStep

S = 1_000_000_000
PLAIN = Physics(glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0)


def settings(rate: float = 80.0) -> ScaleSettings:
    return ScaleSettings(counts_per_gram=21.5, tare_counts=84_213, samples_per_second=rate)


def feed(weigher: Weigher, samples: Iterable[tuple[int, int]]) -> list[WeighingEvent]:
    return [event for t_ns, counts in samples for event in weigher.feed(t_ns, counts)]


def steps(events: Iterable[WeighingEvent]) -> list[WeightStep]:
    return [event for event in events if isinstance(event, WeightStep)]


def faults(events: Iterable[WeighingEvent]) -> list[tuple[str, bool]]:
    return [(event.fault, event.raised) for event in events if isinstance(event, ScaleFault)]


@pytest.mark.parametrize("rate", [80.0, 10.0])
def test_items_put_in_and_taken_out_are_one_step_each(rate: float) -> None:
    world = Platform(settings(rate), 3, PLAIN)
    wanted = [(300.0, 3), (20.0, 7), (1500.0, 11), (-300.0, 15), (8.0, 19)]
    rests = [world.put(t * S, g) if g > 0 else world.take(t * S, -g) for g, t in wanted]
    weigher = Weigher(settings(rate))
    found = steps(feed(weigher, world.conversions(0, 23 * S)))
    assert [s.delta_g for s in found] == [pytest.approx(g, abs=2.5) for g, _ in wanted]
    for step, rest_ns in zip(found, rests, strict=True):
        assert step.began_ns <= step.rest_ns <= step.decided_ns
        assert abs(step.rest_ns - rest_ns) < (0.3 + 2 / rate) * S
        assert 0 < step.decided_ns - rest_ns < 2.5 * S
        assert abs(step.delta_g) > 4 * step.sigma_g
    assert found[-1].gross_g == pytest.approx(1528.0, abs=4.0)
    assert weigher.live.stable
    assert weigher.live.gross_g == pytest.approx(1528.0, abs=4.0)


def test_what_passes_is_no_step() -> None:
    world = Platform(settings(), 5, PLAIN)
    world.preload(4000.0)
    world.lean(3 * S, 1500.0, 4.0)
    world.bump(9 * S, 4000.0)
    world.roll(12 * S, 6.0)
    world.rummage(21 * S, 5.0, 900.0)
    world.lean(29 * S, -2500.0, 6.0)
    world.move(38 * S, 1200.0)
    events = feed(weigher := Weigher(settings()), world.conversions(0, 45 * S))
    assert events == []
    assert weigher.live.gross_g == pytest.approx(4000.0, abs=6.0)


def test_wrong_words_are_thrown_away() -> None:
    world = Platform(settings(), 6, PLAIN)
    for i, kind in enumerate(("spike", "max", "zero", "sign", "shifted")):
        world.glitch((3 + i * 3) * S, kind)  # type: ignore[arg-type]
    world.put(20 * S, 100.0)
    weigher = Weigher(settings())
    events = feed(weigher, world.conversions(0, 23 * S))
    assert [s.delta_g for s in steps(events)] == [pytest.approx(100.0, abs=2.0)]
    assert faults(events) == []
    assert weigher.glitches == 5


def test_the_first_rest_is_the_baseline_unless_a_reference_is_known() -> None:
    world = Platform(settings(), 7, PLAIN)
    world.preload(700.0)
    samples = list(world.conversions(0, 3 * S))
    assert feed(Weigher(settings()), samples) == []
    same = Weigher(settings(), reference_g=700.0, reference_sigma_g=1.0)
    assert feed(same, samples) == []
    changed = steps(feed(Weigher(settings(), reference_g=400.0, reference_sigma_g=2.0), samples))
    assert [s.delta_g for s in changed] == [pytest.approx(300.0, abs=3.0)]
    assert changed[0].sigma_g >= 2.0
    unsure = Weigher(settings(), reference_g=690.0, reference_sigma_g=20.0)
    assert feed(unsure, samples) == []


def test_no_weight_before_the_first_rest_and_none_while_faulty() -> None:
    world = Platform(settings(), 8, PLAIN)
    weigher = Weigher(settings())
    assert weigher.live.gross_g is None
    feed(weigher, world.conversions(0, 2 * S))
    assert weigher.live.gross_g == pytest.approx(0.0, abs=1.0)
    world.break_cell("saturated")
    events = feed(weigher, world.conversions(2 * S, 3 * S))
    assert faults(events) == [("saturated", True)]
    assert weigher.live.gross_g is None


@pytest.mark.parametrize(("kind", "latched"), [("disconnected", False), ("saturated", False), ("stuck", True)])
def test_a_broken_cell_is_named_within_a_second_or_so_and_weight_is_found_again(kind: str, latched: bool) -> None:
    world = Platform(settings(), 9, PLAIN)
    weigher = Weigher(settings())
    feed(weigher, world.conversions(0, 3 * S))
    world.break_cell(kind)  # type: ignore[arg-type]
    raised = [e for e in feed(weigher, world.conversions(3 * S, 6 * S)) if isinstance(e, ScaleFault)]
    assert [(e.fault, e.raised, e.latched) for e in raised] == [(kind, True, latched)]
    assert raised[0].t_ns < 4.1 * S
    world.put(6 * S, 250.0)
    world.break_cell(None)
    events = feed(weigher, world.conversions(6 * S, 10 * S))
    assert [s.delta_g for s in steps(events)] == [pytest.approx(250.0, abs=4.0)]
    assert (kind in weigher.faults) is latched
    assert [e.raised for e in weigher.acknowledge(10 * S) if isinstance(e, ScaleFault)] == [False] * latched
    assert weigher.faults == frozenset()


def test_silence_is_a_fault_after_a_second_and_a_change_meanwhile_is_a_step() -> None:
    world = Platform(settings(), 10, PLAIN)
    weigher = Weigher(settings())
    feed(weigher, world.conversions(0, 3 * S))
    due = weigher.next_deadline_ns
    assert due is not None
    assert weigher.tick(due - 1) == []
    assert faults(weigher.tick(due)) == [("no_samples", True)]
    assert weigher.next_deadline_ns is None
    world.put(5 * S, 90.0)
    for t_ns in range(3 * S, 8 * S, S // 80):
        world.counts_at(t_ns)
    events = feed(weigher, world.conversions(8 * S, 11 * S))
    assert faults(events) == [("no_samples", False)]
    assert [s.delta_g for s in steps(events)] == [pytest.approx(90.0, abs=3.0)]


def test_many_wrong_words_mean_the_clock_is_out_of_step() -> None:
    world = Platform(settings(), 11, PLAIN)
    for i in range(8):
        world.glitch((3 + i) * S, "spike")
    weigher = Weigher(settings())
    assert faults(feed(weigher, world.conversions(0, 12 * S))) == [("desync", True)]


def test_words_thrown_by_a_rolling_basket_are_no_fault_of_the_clock() -> None:
    world = Platform(settings(), 11, PLAIN)
    world.put(1 * S, 2200.0)
    weigher = Weigher(settings())
    events = feed(weigher, world.conversions(0, 3 * S))
    words = list(world.conversions(3 * S, 12 * S))
    for index in range(20, len(words), 60):
        t_ns, counts = words[index]
        words[index] = (t_ns, counts + round(40.0 * settings().counts_per_gram))
    events += feed(weigher, words)
    assert faults(events) == []


def test_a_slow_stream_is_named_and_weighed_all_the_same() -> None:
    world = Platform(settings(40.0), 12, PLAIN)
    weigher = Weigher(settings(80.0))
    world.put(8 * S, 400.0)
    events = feed(weigher, world.conversions(0, 12 * S))
    assert faults(events) == [("slow", True)]
    assert [s.delta_g for s in steps(events)] == [pytest.approx(400.0, abs=2.0)]
    assert weigher.rate == pytest.approx(40.0, rel=0.05)


def test_over_capacity_and_off_the_cell() -> None:
    world = Platform(settings(), 13, PLAIN)
    weigher = Weigher(settings())
    world.put(2 * S, 31_000.0, style="plain")
    assert faults(feed(weigher, world.conversions(0, 6 * S))) == [("over_capacity", True)]
    assert weigher.live.over_capacity
    assert not weigher.live.stable
    world.take(6 * S, 31_000.0)
    assert faults(feed(weigher, world.conversions(6 * S, 10 * S))) == [("over_capacity", False)]
    world.put(10 * S, -400.0, style="plain")
    assert faults(feed(weigher, world.conversions(10 * S, 15 * S))) == [("under_load", True)]


def test_something_poured_in_slowly_is_not_eaten_by_drift() -> None:
    rng = random.Random(1)
    samples = []
    for i in range(80 * 60):
        poured = min(60.0, max(0.0, (i / 80 - 5.0) * 2.0))
        samples.append((i * S // 80, round(84_213 + 21.5 * (1000.0 + poured + rng.gauss(0.0, 1.0)))))
    assert sum(s.delta_g for s in steps(feed(Weigher(settings()), samples))) == pytest.approx(60.0, abs=4.0)


def test_warming_is_no_step_and_is_kept_apart_as_drift() -> None:
    rng = random.Random(2)
    samples = [
        (i * S // 80, round(84_213 + 21.5 * (3000.0 + 0.028 * i / 80 + rng.gauss(0.0, 1.0)))) for i in range(80 * 300)
    ]
    weigher = Weigher(settings())
    assert feed(weigher, samples) == []
    assert weigher.drift_g == pytest.approx(0.028 * 300, abs=1.5)


@pytest.mark.parametrize(("hz", "twelfths"), [(8.0, 1), (8.0, 7), (10.0, 0), (13.0, 3)])
def test_ringing_after_a_heavy_drop_is_no_fault_of_the_clock(hz: float, twelfths: int) -> None:
    """6 kg dropped in make the platform swing by three times that; each turn of it is one word far from both others."""
    rng = random.Random(5)

    def force_g(t_s: float) -> float:
        if t_s < 3.0:
            return 12_000.0
        turned = 2 * math.pi * hz * (t_s - 3.0)
        return 18_350.0 + 22_000.0 * math.exp(-0.04 * turned) * math.cos(turned + twelfths * math.pi / 6)

    samples = []
    for i in range(80 * 8):
        averaged_g = sum(force_g(i / 80 - k / 320) for k in range(16)) / 16  # over four conversions
        samples.append((i * S // 80, round(84_213 + 21.5 * (averaged_g + rng.gauss(0.0, 1.0)))))
    told = feed(Weigher(settings()), samples)
    assert faults(told) == []
    assert [step.delta_g for step in steps(told)] == [pytest.approx(6350.0, abs=10.0)]
