"""Laws of weighing: nothing is revised, nothing knows the future, everything ends up accounted for."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.core.settings import ScaleSettings
from cart.core.weighing import Weigher, WeighingEvent, WeightStep

S = 1_000_000_000
SCALE = ScaleSettings(counts_per_gram=21.5, tare_counts=-8_599, samples_per_second=80)


def trip(seed: int, masses: list[float]) -> list[tuple[int, int]]:
    world = Platform(SCALE, seed, Physics.varied(seed, noise_g=0.8, wander_g=2.0))
    t_ns = 2 * S
    for mass_g in masses:
        t_ns = world.put(t_ns, mass_g) + 3 * S
    return list(world.conversions(0, t_ns))


def weigh(samples: list[tuple[int, int]]) -> list[WeighingEvent]:
    weigher = Weigher(SCALE)
    return [event for t_ns, counts in samples for event in weigher.feed(t_ns, counts)]


masses = st.lists(st.floats(20.0, 4000.0), min_size=1, max_size=3)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), masses)
def test_all_that_was_put_in_is_accounted_for(seed: int, put: list[float]) -> None:
    found = [e.delta_g for e in weigh(trip(seed, put)) if isinstance(e, WeightStep)]
    assert abs(sum(found) - sum(put)) < 4.0 + 0.001 * sum(put)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), masses, st.floats(0.1, 0.9))
def test_cutting_a_recording_short_changes_nothing_before_the_cut(seed: int, put: list[float], share: float) -> None:
    samples = trip(seed, put)
    cut = samples[: int(share * len(samples))]
    whole = weigh(samples)
    assert weigh(cut) == whole[: len(weigh(cut))]
    assert all(e.decided_ns in {t for t, _ in samples} for e in whole if isinstance(e, WeightStep))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2 * S), st.integers(-8_388_608, 8_388_607)), max_size=400))
def test_any_words_at_any_times_are_survived(words: list[tuple[int, int]]) -> None:
    weigher = Weigher(SCALE)
    t_ns = 0
    for wait_ns, counts in words:
        t_ns += wait_ns
        weigher.feed(t_ns, counts)
        weigher.tick(t_ns)
        live = weigher.live
        assert (live.gross_g is None) <= (not live.stable)


def test_memory_stays_flat() -> None:
    samples = trip(1, [200.0, 50.0])
    span = samples[-1][0] + S // 80
    weigher = Weigher(SCALE)
    held = []
    tracemalloc.start()
    for lap in range(12):
        for t_ns, counts in samples:
            weigher.feed(lap * span + t_ns, counts)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] < held[5] + 20_000
