"""The search for the likeliest explanation, on windows given by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cart.core.reconciliation import (
    Gone,
    Inside,
    Own,
    Settled,
    Step,
    Waiting,
    Window,
    explain,
    priors,
    rethink,
)

SECOND = 1_000_000_000


def step(delta_g: float, *, step_id: int = 1, at_s: float = 10.0, sd_g: float = 0.5) -> Step:
    at_ns = round(at_s * SECOND)
    return Step(step_id, delta_g, sd_g * sd_g, at_ns, at_ns)


def waiting(
    line: int, mean_g: float | None, sd_g: float = 1.0, *, units: int = 1, at_s: float = 8.0, **more: Any
) -> Waiting:
    return Waiting(line, f"S{line}", f"item {line}", units, mean_g, sd_g, round(at_s * SECOND), **more)


def inside(line: int, total_g: float, *, units: int = 1, sd_g: float = 2.0, sigma_g: float = 0.5) -> Inside:
    return Inside(line, f"S{line}", f"item {line}", units, total_g, sigma_g**2, sd_g**2, SECOND)


def window(*steps: Step, **more: object) -> Window:
    return Window(**{"steps": steps, "now_ns": steps[-1].rest_ns + SECOND, **more})  # type: ignore[arg-type]


def won(given_window: Window) -> list[tuple[str, int, int]]:
    """What the best explanation moves: kind, line or thing, units; empty where nothing is settled."""
    best = explain(given_window).best
    return [] if best is None else sorted((m.kind, m.key, m.units) for m in best.moves)


def test_the_waiting_item_that_fits_is_put_in() -> None:
    seen = window(step(139.4), waiting=(waiting(1, 139.0), waiting(2, 250.0)))
    assert won(seen) == [("place", 1, 1)]


def test_a_weight_four_sigma_off_is_another_thing() -> None:
    fits = window(step(139.0 + 3.0), waiting=(waiting(1, 139.0, 1.0),))
    misses = window(step(139.0 + 5.5), waiting=(waiting(1, 139.0, 1.0),))
    assert won(fits) == [("place", 1, 1)]
    assert won(misses) == []
    assert explain(misses).asked[1].open_kind == "wrong_weight"


def test_long_after_the_scan_it_is_something_unscanned() -> None:
    seen = window(step(500.0, at_s=60.0), waiting=(waiting(1, 139.0),))
    assert explain(seen).asked[1].open_kind == "unscanned_item"


def test_without_anything_waiting_it_is_unscanned() -> None:
    assert explain(window(step(500.0))).asked[1].open_kind == "unscanned_item"


def test_one_too_many_of_a_scanned_item() -> None:
    seen = window(
        step(278.3), waiting=(waiting(1, 139.0),), unit_means_g={1: (139.0, 1.0)}, names={1: ("S1", "item 1")}
    )
    asked = explain(seen).asked[1]
    assert asked.open_kind == "extra_unit"
    assert [(m.kind, m.units) for m in asked.moves] == [("place", 1)]
    assert asked.open_g == pytest.approx(139.1, abs=0.5)


def test_several_waiting_lines_and_units_at_once() -> None:
    seen = window(step(139.0 * 2 + 250.0), waiting=(waiting(1, 139.0, units=3), waiting(2, 250.0)))
    assert won(seen) == [("place", 1, 2), ("place", 2, 1)]


def test_one_item_in_two_movements() -> None:
    seen = window(step(80.0), step(59.3, step_id=2, at_s=11.0), waiting=(waiting(1, 139.0),))
    best = explain(seen).best
    assert best is not None
    assert best.step_ids == (1, 2)


def test_in_and_out_again_is_nothing() -> None:
    best = explain(window(step(500.0), step(-500.4, step_id=2, at_s=14.0))).best
    assert best is not None
    assert best.moves == ()
    assert best.step_ids == (1, 2)


def test_one_line_fits_a_removal() -> None:
    seen = window(step(-250.3), inside=(inside(1, 139.0), inside(2, 250.0)), gross_g=139.0)
    assert won(seen) == [("take", 2, 1)]


def test_two_lines_that_fit_are_asked_about_likeliest_first() -> None:
    seen = window(step(-250.4), inside=(inside(1, 251.4), inside(2, 250.2)), gross_g=250.0)
    decision = explain(seen)
    assert decision.best is None
    assert decision.asked[1].open_kind == "which_removed"
    assert [e.moves[0].sku for e in decision.rivals[1][:2]] == ["S2", "S1"]


def test_two_lines_of_the_same_product_need_no_telling_apart() -> None:
    twins = (inside(1, 250.0), Inside(2, "S1", "item 1", 1, 250.3, 0.25, 4.0, SECOND))
    best = explain(window(step(-250.2), inside=twins, gross_g=250.0)).best
    assert best is not None
    assert best.moves[0].sku == "S1"


def test_the_measured_weight_tells_units_apart_that_the_catalogue_cannot() -> None:
    seen = window(step(-252.9), inside=(inside(1, 249.0, sd_g=5.0), inside(2, 253.0, sd_g=5.0)), gross_g=249.0)
    assert won(seen) == [("take", 2, 1)]


def test_one_of_two_that_went_in_together() -> None:
    seen = window(step(-252.0), inside=(inside(1, 500.0, units=2, sd_g=2.0), inside(2, 900.0)), gross_g=1148.0)
    assert won(seen) == [("take", 1, 1)]


def test_two_things_out_at_once() -> None:
    seen = window(step(-389.2), inside=(inside(1, 139.0), inside(2, 250.0), inside(3, 700.0)), gross_g=700.0)
    assert won(seen) == [("take", 1, 1), ("take", 2, 1)]


def test_everything_out_at_once() -> None:
    lines = tuple(inside(n, 100.0 + 37.0 * n) for n in range(1, 7))
    seen = window(step(-sum(i.total_g for i in lines)), inside=lines, gross_g=0.0)
    assert len(won(seen)) == 6


def test_what_was_taken_out_comes_back() -> None:
    gone = Gone(0, 1, "S1", "item 1", 1, 250.0, 0.25, 7 * SECOND)
    assert won(window(step(250.2), gone=(gone,))) == [("return", 0, 1)]


def test_a_put_back_is_likelier_than_one_too_many() -> None:
    gone = Gone(0, 1, "S1", "item 1", 1, 121.8, 0.5, 3 * SECOND)
    seen = window(
        step(121.7), gone=(gone,), inside=(inside(1, 121.2),), unit_means_g={1: (121.5, 0.5)}, names={1: ("S1", "")}
    )
    assert won(seen) == [("return", 0, 1)]


def test_a_put_back_at_another_weight_is_another_thing() -> None:
    gone = Gone(0, 1, "S1", "item 1", 1, 250.0, 0.25, -50 * SECOND)
    assert won(window(step(253.1), gone=(gone,))) == []
    assert won(window(step(250.4), gone=(gone,))) == [("return", 0, 1)]


def test_of_two_that_may_come_back_the_last_one_does() -> None:
    early = Gone(0, 1, "S1", "item 1", 1, 250.0, 0.25, 1 * SECOND)
    late = Gone(1, 2, "S2", "item 2", 1, 250.2, 0.25, 38 * SECOND)
    assert won(window(step(250.1, at_s=40.0), gone=(early, late))) == [("return", 1, 1)]


def test_a_scan_since_then_wins_over_a_put_back() -> None:
    gone = Gone(0, 1, "S1", "item 1", 1, 250.0, 0.25, 7 * SECOND)
    seen = window(step(250.2), gone=(gone,), waiting=(waiting(2, 251.0, 2.0),))
    assert won(seen) == [("place", 2, 1)]


def test_own_things_go_and_come() -> None:
    inside_bag = Own(1, 400.0, 1.0, in_basket=True)
    outside_bag = Own(1, 400.0, 1.0, in_basket=False)
    assert won(window(step(-400.5), own=(inside_bag,), inside=(inside(1, 139.0),), gross_g=139.0)) == [
        ("own_out", 1, 1)
    ]
    assert won(window(step(400.5), own=(outside_bag,))) == [("own_in", 1, 1)]


def test_a_swap_in_a_small_basket_is_explained() -> None:
    seen = window(step(250.0 - 139.0), waiting=(waiting(2, 250.0),), inside=(inside(1, 139.0),), gross_g=250.0)
    assert won(seen) == [("place", 2, 1), ("take", 1, 1)]


def test_a_net_weight_that_some_line_of_many_fits_is_asked_about() -> None:
    lines = tuple(inside(n, 60.0 + 23.7 * n) for n in range(1, 40))
    seen = window(step(250.0 - lines[3].total_g), waiting=(waiting(99, 250.0),), inside=lines, gross_g=9000.0)
    assert won(seen) == []


def test_too_little_to_be_a_thing() -> None:
    best = explain(window(step(2.5))).best
    assert best is not None
    assert best.moves == ()


def test_a_slope_is_limited_by_the_load() -> None:
    heavy = explain(window(step(-50.0), gross_g=14950.0)).best
    light = explain(window(step(-50.0), gross_g=2000.0)).best
    assert heavy is not None
    assert heavy.absorbed_g == -50.0
    assert light is None


def test_within_an_uncertain_step_nothing_moved() -> None:
    best = explain(window(step(12.0, sd_g=10.0), gross_g=500.0)).best
    assert best is not None
    assert best.moves == ()


def test_produce_takes_any_weight_above_its_least() -> None:
    pear = waiting(1, None, low_g=100.0, high_g=30000.0)
    assert won(window(step(612.0), waiting=(pear,))) == [("place", 1, 1)]
    light = explain(window(step(60.0), waiting=(pear,)))
    assert light.best is None
    assert light.asked[1].reason == "below_minimum"


def test_produce_that_was_taken_out_later_is_no_step_before() -> None:
    """It was asked about, and came out of another step: so this one is what was picked after it."""
    more: dict[str, Any] = {"low_g": 100.0, "high_g": 30000.0, "by_weight": True}
    apples, pears = waiting(1, None, at_s=8.0, **more), waiting(2, None, at_s=14.0, **more)
    asked = waiting(1, None, at_s=8.0, **more, out_ns=20 * SECOND)
    likeliest = [
        explain(window(step(840.0), now_ns=21 * SECOND, waiting=(pears, first))).considered[0].moves[0].key
        for first in (apples, asked)
    ]
    assert likeliest == [1, 2]


@pytest.mark.parametrize(("later", "asked"), [({}, False), ({"passed_ns": 15 * SECOND}, True)])
def test_what_may_weigh_anything_and_was_passed_by_is_asked_about(later: dict[str, int], asked: bool) -> None:
    """Scanned, then left on the shelf: the next thing that goes in unscanned is not simply taken for it."""
    seen = window(step(725.5, at_s=26.0), waiting=(waiting(1, None, at_s=8.0, **later),))
    assert (explain(seen).best is None) is asked


def test_nothing_goes_in_by_what_was_taken_out_however_little_is_known_of_its_weight() -> None:
    """A product that showed 38 g and 332 g may weigh 186 ± 93 g, but never less than nothing."""
    shown = waiting(1, 185.6, 93.1, tentative=True)
    seen = window(step(-19.1), waiting=(shown,), gross_g=2000.0)
    assert not any(m.kind == "place" for e in explain(seen).considered for m in e.moves)


def test_what_is_left_is_not_what_was_asked_to_be_put_in_alone() -> None:
    """It waits for its own question; what is taken out meanwhile, for good, is another thing."""
    asked = waiting(1, None, at_s=8.0, asked_alone_ns=30 * SECOND, awaited_ns=8 * SECOND, step_id=1)
    steps = (step(350.0, at_s=10.0), step(-145.2, step_id=2, at_s=35.0))
    seen = window(*steps, waiting=(asked,), inside=(inside(2, 144.9), inside(3, 2559.0)), gross_g=6000.0)
    assert won(seen) == [("take", 2, 1)]


def test_what_is_scanned_later_makes_no_explanation_of_a_step_likelier() -> None:
    more: dict[str, Any] = {"low_g": 100.0, "high_g": 30000.0, "by_weight": True}
    pears, jam = waiting(1, None, at_s=7.0, **more), waiting(2, 139.0, at_s=8.0)
    later = tuple(waiting(line, 300.0 * line, at_s=13.0 + line) for line in (5, 4, 3))

    def scores(*scanned: Waiting) -> dict[tuple[int, ...], float]:
        found = explain(window(step(709.0), now_ns=20 * SECOND, waiting=scanned)).considered
        return {tuple(sorted(m.key for m in e.moves)): e.score for e in found if e.moves}

    alone, together = scores(jam, pears), scores(*later, jam, pears)
    assert together[1,] == pytest.approx(alone[1,])
    assert together[1, 2] == pytest.approx(alone[1, 2])


def test_row_13_what_went_out_first_and_what_came_in_then_are_two_things() -> None:
    swapped, scanned = waiting(1, 134.3, 2.7, at_s=8.0), waiting(2, 203.5, at_s=14.0)
    out, came = step(-71.1, at_s=10.0), step(203.5, step_id=2, at_s=16.0)
    lying = (inside(3, 205.4), inside(4, 73.5), inside(5, 500.0), inside(6, 206.0))
    best = explain(window(out, came, waiting=(scanned, swapped), inside=lying, gross_g=985.0)).best
    assert best is not None
    assert (best.step_ids, [m.key for m in best.moves]) == ((2,), [2])


def test_row_10_what_went_in_later_was_not_taken_out() -> None:
    out, first = step(-345.0, at_s=10.0), inside(1, 500.0)
    later = Inside(2, "S2", "item 2", 1, 345.0, 0.25, 4.0, 20 * SECOND, rested_ns=20 * SECOND)
    earlier = Inside(2, "S2", "item 2", 1, 345.0, 0.25, 4.0, 20 * SECOND, rested_ns=5 * SECOND)
    assert won(window(out, inside=(first, earlier), now_ns=30 * SECOND)) == [("take", 2, 1)]
    assert won(window(out, inside=(first, later), now_ns=30 * SECOND)) == []


WEIGHTS = st.floats(5.0, 6000.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(WEIGHTS, st.integers(1, 99)), max_size=9),
    st.lists(WEIGHTS, max_size=60),
    st.lists(st.floats(-6000.0, 6000.0), min_size=1, max_size=8),
)
def test_any_window_is_decided_within_its_bounds(
    pending: list[tuple[float, int]], placed: list[float], deltas: list[float]
) -> None:
    steps = tuple(step(d, step_id=i + 1, at_s=10.0 + i) for i, d in enumerate(deltas))
    seen = window(
        *steps,
        waiting=tuple(waiting(100 + i, g, units=u) for i, (g, u) in enumerate(pending)),
        inside=tuple(inside(i, g) for i, g in enumerate(placed)),
        gross_g=sum(placed),
        unit_means_g={100 + i: (g, 1.0) for i, (g, _) in enumerate(pending[:3])},
        names={100 + i: (f"S{100 + i}", "") for i in range(len(pending[:3]))},
    )
    decision = explain(seen)
    assert set(decision.asked) == {s.step_id for s in steps[-priors.STEPS_MAX :]}
    if decision.best is not None:
        assert decision.best.z <= priors.Z_MAX
        assert len(decision.best.step_ids) <= priors.GROUP_MAX
        assert all(m.units <= 99 for m in decision.best.moves)


@settings(max_examples=40, deadline=None)
@given(st.lists(WEIGHTS, min_size=2, max_size=12, unique=True), st.data())
def test_the_order_of_lines_changes_nothing(weights: list[float], data: st.DataObject) -> None:
    lines = [inside(n, g) for n, g in enumerate(weights)]
    shuffled = data.draw(st.permutations(lines))
    delta_g = -data.draw(st.sampled_from(weights))
    first = won(window(step(delta_g), inside=tuple(lines), gross_g=sum(weights)))
    second = won(window(step(delta_g), inside=tuple(shuffled), gross_g=sum(weights)))
    assert first == second


def test_a_code_read_twice_is_no_second_unit_instead_of_a_put_back() -> None:
    """Second thoughts have all units at hand: the one that was perhaps never meant costs its odds there, too."""
    gone = Gone(-1, 9, "S9", "item 9", 1, 678.0, 2.0, 8 * SECOND)
    steps = (step(683.0, at_s=10.0, sd_g=1.5), step(677.0, step_id=2, at_s=17.0, sd_g=1.5))
    read_twice = waiting(6, 680.0, 6.0, units=2, at_s=13.6, doubled=True)
    later = Window(steps=steps, waiting=(read_twice,), gone=(gone,), now_ns=30 * SECOND)
    believed = (Settled((1,), (("return", -1, 1),)), Settled((2,), (("place", 6, 1),)))
    assert rethink(later, {6: (13 * SECOND, round(13.6 * SECOND))}, believed) is None


def test_what_is_asked_about_already_is_not_asked_about_with_a_unit_too_many() -> None:
    """Two went in at once and one of them is off; what goes in later has nothing to do with the other."""
    later = Window(
        steps=(step(1748.5, at_s=5.8), step(432.0, step_id=3, at_s=12.8)),
        waiting=(waiting(195, 366.2, 3.7, at_s=4.9, step_id=1), waiting(84, 1190.0, 4.0, at_s=2.9)),
        inside=(inside(190, 434.2),),
        unit_means_g={190: (434.2, 2.0)},
        names={190: ("S190", "item 190")},
        scanned_ns={190: round(8.6 * SECOND)},
        gross_g=2614.0,
        now_ns=round(23.2 * SECOND),
    )
    asked = explain(later).asked
    assert (asked[1].open_kind, asked[1].line_id) == ("wrong_weight", 195)
    assert (asked[3].open_kind, asked[3].line_id) == ("extra_unit", 190)


def test_loose_goods_take_no_price_from_two_movements_with_a_pause_between() -> None:
    """The first was below what may be priced; the camera saw the goods with it."""
    pears = waiting(9, None, 0.0, at_s=4.0, low_g=100.0, by_weight=True, step_id=1)
    first = replace(step(86.0, at_s=8.0), seen={"S9": 2.0})
    found = explain(window(first, step(316.0, step_id=2, at_s=13.1), waiting=(pears,))).considered
    assert not [e for e in found if len(e.step_ids) == 2 and e.moves]
