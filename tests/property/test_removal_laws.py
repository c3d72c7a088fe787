"""What may have been taken out is found by its weight: nothing that fits is left out, and each set weighs its share."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from cart.core.reconciliation import Inside, Own, Step, Window, priors
from cart.core.reconciliation.moves import OutSets, takes

SECOND = 1_000_000_000
weights = st.floats(1.0, 5000.0)
spreads = st.floats(0.01, 400.0)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    groups = draw(st.lists(st.tuples(weights, spreads, spreads, st.integers(1, 6), st.booleans()), max_size=12))
    inside = tuple(
        Inside(number, f"S{number}", f"item {number}", units, units * unit_g, total_g2, unit_g2, SECOND, unseen)
        for number, (unit_g, total_g2, unit_g2, units, unseen) in enumerate(groups)
    )
    bags = draw(st.lists(st.tuples(weights, spreads, st.booleans()), max_size=3))
    own = tuple(Own(number, weight_g, g2, there) for number, (weight_g, g2, there) in enumerate(bags))
    return Window(steps=(Step(1, -100.0, 1.0, 0, SECOND),), inside=inside, own=own)


@settings(deadline=None)
@given(windows())
def test_each_group_and_own_thing_may_go_out_once(window: Window) -> None:
    out = OutSets(window)
    made = [out[index] for index in range(len(out.means_g))]
    expected = [("take", m.key, m.units, m.mean_g) for i in window.inside if not i.unseen for m in takes(i)]
    expected += [("own_out", own.thing_id, 1, -own.weight_g) for own in window.own if own.in_basket]
    assert sorted((m.kind, m.key, m.units, m.mean_g) for s in made for m in s.moves) == sorted(expected)
    assert [s.mean_g for s in made] == out.means_g == sorted(out.means_g)


@settings(deadline=None)
@given(windows(), st.floats(-1.0, 1.0), spreads)
def test_nothing_that_fits_is_left_out(window: Window, off: float, variance_g2: float) -> None:
    out = OutSets(window)
    for index, at_g in enumerate(out.means_g):
        reach_g = priors.Z_MAX * math.sqrt(variance_g2 + out[index].variance_g2)
        assert index in out.near(at_g + 0.999 * off * reach_g, variance_g2)


@settings(deadline=None)
@given(windows())
def test_the_whole_basket_goes_out_at_its_own_weight_only(window: Window) -> None:
    out = OutSets(window)
    all_g = -sum(inside.total_g for inside in window.inside)
    whole = out.everything(all_g, 1.0)
    assert (whole is not None) is (len(window.inside) > 2)
    if whole is not None:
        assert [m.units for m in whole.moves] == [inside.units for inside in window.inside]
        assert whole.mean_g == sum(m.mean_g for m in whole.moves)
    assert (
        out.everything(all_g - 1000.0 - 40.0 * math.sqrt(1.0 + sum(i.total_variance_g2 for i in window.inside)), 1.0)
        is None
    )
