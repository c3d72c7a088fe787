"""spec.md's situations, one test a row: what a shopper does, and what must come of it (rows 1–15)."""

from __future__ import annotations

import pytest

from cart.core.ledger import InterventionRaised, ItemConfirmed, ItemRemoved, OwnThing, StepExplained, WeightStepSeen
from cart.core.settings import Policy
from tests.unit.shopper import Shopper


@pytest.fixture
def shopper() -> Shopper:
    return Shopper().started()


def test_row_01_scan_then_put_in(shopper: Shopper) -> None:
    shopper.scan(1)
    assert shopper.lines == {"S1": (1, "pending")}
    shopper.put(1030.0)
    assert shopper.lines == {"S1": (1, "confirmed")}
    assert shopper.open == []
    assert shopper.line(1).proof == "weighed"
    assert shopper.line(1).weight_g == pytest.approx(1030.0, abs=1.0)


def test_row_02_put_in_then_scan(shopper: Shopper) -> None:
    shopper.put(1030.0)
    assert shopper.open == [("unscanned_item", "hint")]
    shopper.scan(1)
    assert shopper.lines == {"S1": (1, "confirmed")}
    assert shopper.open == []


def test_row_03_scan_never_put_in(shopper: Shopper) -> None:
    shopper.scan(2).wait(14.0)
    assert shopper.open == []
    shopper.wait(1.2)
    assert shopper.open == [("not_placed", "hint")]
    shopper.wait(10.0)
    assert shopper.open == [("not_placed", "question")]
    shopper.answer("not_placed", "remove")
    assert shopper.open == []
    assert shopper.lines == {}


def test_row_03_put_in_late_clears_it(shopper: Shopper) -> None:
    shopper.scan(2).wait(16.0)
    shopper.put(250.5)
    assert shopper.open == []
    assert shopper.lines == {"S2": (1, "confirmed")}


def test_row_04_put_in_not_scanned(shopper: Shopper) -> None:
    shopper.put(500.0, wait_s=1.0)
    assert shopper.open == [("unscanned_item", "hint")]
    shopper.wait(10.2)
    assert shopper.open == [("unscanned_item", "question")]
    assert "unscanned_item" in shopper.view.checkout_waits_for
    shopper.take(500.0)
    assert shopper.open == []


@pytest.mark.parametrize("together", [True, False])
def test_row_05_one_scan_two_units(shopper: Shopper, *, together: bool) -> None:
    shopper.scan(2)
    if together:
        shopper.put(500.6)
    else:
        shopper.put(250.2).put(250.4)
    assert shopper.open == [("extra_unit", "hint")]
    assert shopper.lines == {"S2": (1, "confirmed")}
    shopper.answer("extra_unit", "add")
    assert shopper.lines == {"S2": (2, "confirmed")}
    assert shopper.open == []
    assert shopper.line(2).proof == "shopper"


def test_row_05_taken_out_again(shopper: Shopper) -> None:
    shopper.scan(2).put(500.6).take(250.0)
    assert shopper.open == []
    assert shopper.lines == {"S2": (1, "confirmed")}


def test_row_05_scanning_the_second_answers(shopper: Shopper) -> None:
    shopper.scan(2).put(500.6).scan(2)
    assert shopper.open == []
    assert shopper.lines == {"S2": (2, "confirmed")}


def test_row_06_two_scans_both_put_in_at_once(shopper: Shopper) -> None:
    shopper.scan(1).scan(4).put(1034.0 + 139.5)
    assert shopper.lines == {"S1": (1, "confirmed"), "S4": (1, "confirmed")}
    assert shopper.open == []


def test_row_06_the_same_twice_at_once(shopper: Shopper) -> None:
    shopper.scan(2, times=2).put(501.5)
    assert shopper.lines == {"S2": (2, "confirmed")}
    assert shopper.open == []


@pytest.mark.parametrize("batches", [[3], [1, 1, 1], [2, 1]])
def test_row_07_quantity_on_the_screen(shopper: Shopper, batches: list[int]) -> None:
    shopper.scan(4)
    shopper.touch("quantity", line=shopper.line(4).line, units=3)
    assert shopper.line(4).units == 3
    placed = 0
    for units in batches:
        shopper.put(139.2 * units)
        placed += units
        assert shopper.line(4).placed == placed
    assert shopper.lines == {"S4": (3, "confirmed")}
    assert shopper.open == []


def test_row_08_wrong_weight(shopper: Shopper) -> None:
    shopper.scan(4).put(250.0)
    assert shopper.open == [("wrong_weight", "hint")]
    assert shopper.lines == {"S4": (1, "pending")}
    shopper.wait(11.0)
    assert shopper.open == [("wrong_weight", "question")]


def test_row_08_the_right_thing_instead(shopper: Shopper) -> None:
    shopper.scan(4).put(250.0).take(250.0)
    assert shopper.open == []
    shopper.put(139.3)
    assert shopper.lines == {"S4": (1, "confirmed")}


def test_row_08_it_was_another_product(shopper: Shopper) -> None:
    shopper.scan(4).put(500.0).scan(3)
    assert shopper.lines == {"S4": (1, "pending"), "S3": (1, "confirmed")}
    assert shopper.open == []


def test_row_10_taken_out_one_line_fits(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0).scan(2).put(250.0).take(1030.0)
    assert shopper.lines == {"S2": (1, "confirmed")}
    assert shopper.open == []
    assert [e.sku for e in shopper.events(ItemRemoved)] == ["S1"]


def test_row_10_one_of_two_units_that_went_in_together(shopper: Shopper) -> None:
    shopper.scan(2, times=2).put(501.5).take(250.9)
    assert shopper.lines == {"S2": (1, "confirmed")}
    assert shopper.line(2).placed == 1
    assert shopper.line(2).weight_g == pytest.approx(250.6, abs=1.0)
    shopper.take(250.6)
    assert shopper.lines == {}
    assert shopper.open == []


def _two_alike(shopper: Shopper) -> Shopper:
    """2 and 5 in the basket, as alike as the scale can tell."""
    return shopper.scan(2).put(251.2).scan(5).put(251.4)


def test_row_11_taken_out_several_fit(shopper: Shopper) -> None:
    _two_alike(shopper).take(251.3)
    assert shopper.open == [("which_removed", "hint")]
    assert {c.sku for c in shopper.question("which_removed").candidates} == {"S2", "S5"}
    shopper.scan(5)
    assert shopper.lines == {"S2": (1, "confirmed")}
    assert shopper.open == []


def test_row_11_answered_on_the_screen(shopper: Shopper) -> None:
    _two_alike(shopper).take(251.3).wait(10.5)
    assert shopper.open == [("which_removed", "question")]
    shopper.answer("which_removed", "S2")
    assert shopper.lines == {"S5": (1, "confirmed")}
    assert shopper.open == []


def test_row_11_a_scan_after_a_settled_removal_adds_no_line(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0).scan(2).put(250.0).take(1030.0)
    shopper.scan(1)
    assert shopper.lines == {"S2": (1, "confirmed")}
    assert shopper.open == []


def test_row_12_taken_out_and_put_back(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0).scan(2).put(250.0)
    shopper.take(250.0).wait(5.0)
    assert shopper.lines == {"S1": (1, "confirmed")}
    shopper.put(250.0)
    assert shopper.lines == {"S1": (1, "confirmed"), "S2": (1, "confirmed")}
    assert shopper.events(InterventionRaised) == []


def test_row_12_a_hint_clears_itself(shopper: Shopper) -> None:
    _two_alike(shopper).take(251.3).put(251.3)
    assert shopper.lines == {"S2": (1, "confirmed"), "S5": (1, "confirmed")}
    assert shopper.open == []


def test_row_13_swap_is_explained_or_asked(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0).scan(3).put(500.0)
    shopper.scan(2)
    shopper.put(250.0 - 500.0)
    explained = shopper.lines == {"S1": (1, "confirmed"), "S2": (1, "confirmed")} and shopper.open == []
    assert explained or shopper.open != []


def test_row_13_swap_for_something_unscanned_is_never_absorbed(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0).scan(3).put(500.0)
    shopper.put(-500.0 + 777.0)
    assert shopper.open == [("unscanned_item", "hint")]
    shopper.touch("checkout")
    assert shopper.phase() == "shopping"


def test_row_14_declared_bag_is_tare(shopper: Shopper) -> None:
    shopper.touch("own_bag")
    waiting = [shopper.view.own_bag_waiting]
    shopper.put(180.0)
    waiting.append(shopper.view.own_bag_waiting)
    assert waiting == [True, False]
    shopper.take(180.0).put(180.0)
    assert shopper.events(InterventionRaised) == []
    assert shopper.view.weight.net_g == pytest.approx(0.0, abs=1.0)
    assert [e.in_basket for e in shopper.events(OwnThing)] == [False, True, False, True]


def test_row_14_a_bag_heavier_than_any_bag_is_asked_about(shopper: Shopper) -> None:
    shopper.touch("own_bag")
    shopper.put(2500.0)
    assert shopper.open == [("unscanned_item", "hint")]


def test_row_15_undeclared_bag_is_mine(shopper: Shopper) -> None:
    shopper.put(600.0)
    assert "mine" in shopper.question("unscanned_item").choices
    shopper.answer("unscanned_item", "mine")
    assert shopper.open == []
    shopper.take(600.0).put(600.0)
    assert shopper.open == []
    assert shopper.lines == {}


def test_row_15_policy_may_want_staff() -> None:
    shopper = Shopper(policy=Policy(own_thing_needs_staff=True)).started()
    shopper.put(600.0).answer("unscanned_item", "mine")
    assert shopper.open == [("unscanned_item", "staff")]


def test_each_step_is_explained_with_what_was_considered(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0).put(500.0).scan(3)
    steps = {e.step_id for e in shopper.events(WeightStepSeen)}
    explained = {i for e in shopper.events(StepExplained) for i in e.step_ids}
    assert steps == explained
    assert all(e.considered for e in shopper.events(StepExplained))


def test_an_item_in_two_movements(shopper: Shopper) -> None:
    shopper.scan(1).put(600.0).put(432.0)
    assert shopper.lines == {"S1": (1, "confirmed")}
    assert shopper.open == []
    assert shopper.events(ItemConfirmed)[0].step_ids == (1, 2)


def test_two_items_at_once_one_scanned_after(shopper: Shopper) -> None:
    shopper.scan(1).put(1034.0 + 500.0)
    assert shopper.lines["S1"] == (1, "pending")
    shopper.scan(3)
    assert shopper.lines == {"S1": (1, "confirmed"), "S3": (1, "confirmed")}
    assert shopper.open == []
