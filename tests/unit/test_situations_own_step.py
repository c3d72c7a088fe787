"""What a movement was is told by what had been scanned for it, and by its own weight: nothing later tips the scales."""

from __future__ import annotations

import pytest

from cart.core.catalog import Catalog, Tax
from cart.core.ledger import InterventionCleared, ItemConfirmed, ItemRemoved, StepExplained
from tests.unit.shopper import ITEMS, Shopper, item

CATALOG = Catalog(
    version=1,
    currency="EUR",
    locale="en_IE",
    taxes={"A": Tax(rate_bp=1350)},
    items=(
        *ITEMS,
        item(20, 717.0, 10.0),
        item(21, 532.0, 5.0),
        item(22, 175.0, 1.5),
        item(23, 4.6, 0.2),
        item(24, 9.8, None),
        item(25, 2333.0, 26.0),
        item(26, 7.2, 0.5),
        item(27, 8.6, 0.4),
        item(28, 6008.0, 30.0),
        item(29, 5.4, 0.3),
        item(30, 5.5, 0.3),
        item(31, 5.3, 0.3),
        item(32, 6.5, 0.3),
        item(36, 154.0, 1.5),
        item(37, 2212.0, 20.0),
        item(38, 105.0, 1.5),
        item(35, 1783.0, 20.0),
        item(33, 751.0, 9.0),
        item(34, 1512.0, 9.0),
        item(39, 50.0, 0.5),
        item(40, 50.2, 0.5),
    ),
)
"""20 weighs like 21 and 22 together, within its spread; 23 is too light to be seen, two of them are not."""


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(CATALOG).started()


def test_row_17_what_is_shown_comes_out_of_the_goods_it_had_gone_in_with(shopper: Shopper) -> None:
    shopper.scan(4)
    shopper.touch("produce", sku="S9")
    shopper.wait(2.0).put(570.0 + 139.0).wait(11.0)
    assert shopper.open == [("wrong_weight", "question")]
    shopper.touch("remove", line=shopper.line(4).line)
    assert shopper.line(9).weight_g == pytest.approx(709.0, abs=1.5)
    shopper.scan(4).wait(26.0)
    assert shopper.open == [("not_placed", "question")]
    shopper.take(139.0).put(139.0).wait(1.0)
    assert shopper.line(9).weight_g == pytest.approx(570.0, abs=1.5)
    assert shopper.lines == {"S4": (1, "confirmed"), "S9": (1, "confirmed")}


def test_row_12_a_put_back_after_more_than_a_minute_is_asked_about(shopper: Shopper) -> None:
    shopper.scan(2).put(250.2).wait(2.0).take(250.2).wait(70.0).put(250.2)
    assert shopper.open == [("unscanned_item", "hint")]
    shopper.scan(2).wait(0.5)
    assert shopper.open == []
    assert shopper.lines == {"S2": (1, "confirmed")}


def test_row_32_a_hand_that_leans_on_the_basket_is_not_the_thing_under_it(shopper: Shopper) -> None:
    shopper.scan(10).wait(5.0).put(5950.0, wait_s=3.0).take(5950.0).wait(1.0)
    assert shopper.lines == {"S10": (1, "pending")}
    shopper.wait(25.0)
    assert shopper.open == [("not_placed", "question")]
    shopper.answer("not_placed", "under_basket")
    assert shopper.lines == {"S10": (1, "confirmed")}


def test_row_10_what_is_taken_out_at_once_goes_where_it_does_not_fit_under_the_basket(shopper: Shopper) -> None:
    shopper.scan(1).wait(2.0).put(1034.0, wait_s=3.0).take(1034.0).wait(1.0)
    assert shopper.lines == {}


def test_row_04_what_lay_in_the_cart_before_the_trip_is_asked_about() -> None:
    shopper = Shopper(CATALOG)
    shopper.wait(1.0).put(17.0).wait(5.0)
    assert shopper.phase() == "idle"
    shopper.scan(1).put(1034.0).wait(1.0)
    assert ("unscanned_item", "hint") in shopper.open


def test_row_04_what_is_taken_out_of_an_idle_cart_again_is_nothing() -> None:
    shopper = Shopper(CATALOG)
    shopper.wait(1.0).put(17.0).wait(5.0).take(17.0).wait(2.0)
    shopper.scan(1).put(1034.0).wait(1.0)
    assert shopper.open == []


def test_row_16_a_hand_that_rests_on_the_thing_is_part_of_its_movement(shopper: Shopper) -> None:
    """717 g was scanned too, and a thing of 176 g lies there: both fit the two halves of what was one movement."""
    shopper.scan(22).wait(1.0).put(176.0).wait(3.0)
    shopper.scan(21).wait(0.5).scan(20).wait(1.0)
    shopper.put(708.7, wait_s=0.5).take(176.3).wait(1.0)
    assert shopper.lines == {"S22": (1, "confirmed"), "S21": (1, "confirmed"), "S20": (1, "pending")}
    assert shopper.events(ItemRemoved) == []


def test_row_16_what_a_heavy_load_gives_back_at_once_is_nothing_taken_out(shopper: Shopper) -> None:
    shopper.scan(27).wait(1.0).put(8.7).wait(3.0)
    shopper.scan(25).wait(1.0).put(2341.0, wait_s=0.5).take(8.7).wait(1.0)
    assert shopper.lines == {"S27": (1, "confirmed"), "S25": (1, "confirmed")}
    assert shopper.events(ItemRemoved) == []


def test_row_04_a_light_thing_put_in_seconds_after_a_heavy_one_is_not_the_cells_creep(shopper: Shopper) -> None:
    shopper.scan(25).wait(1.0).put(2341.0, wait_s=4.0).put(5.6).wait(3.0)
    assert shopper.open == [("unscanned_item", "hint")]


def test_row_10_a_light_thing_taken_out_seconds_after_a_heavy_one_is_not_the_cells_creep(shopper: Shopper) -> None:
    shopper.scan(27).wait(1.0).put(8.7).wait(3.0)
    shopper.scan(25).wait(1.0).put(2341.0, wait_s=4.0).take(8.7).wait(1.0)
    assert shopper.lines == {"S25": (1, "confirmed")}


def test_row_25_two_light_things_seen_together(shopper: Shopper) -> None:
    shopper.scan(23).wait(1.5).scan(23).wait(1.5).put(9.2).wait(1.0)
    assert shopper.open == []
    assert shopper.lines == {"S23": (2, "confirmed")}
    seen_g = [event.weight_g for event in shopper.events(ItemConfirmed) if event.units == 0]
    assert seen_g == [pytest.approx(4.6, abs=0.5)] * 2


def test_row_08_of_two_units_the_one_in_the_hand_is_not_in_the_basket(shopper: Shopper) -> None:
    """A hand rested on both as they went in; with one of them out what is left weighs like two, within their spread."""
    shopper.scan(24).wait(1.0).scan(24).wait(1.0).put(25.0).wait(11.0)
    assert shopper.open == [("wrong_weight", "question")]
    shopper.take(9.3).wait(1.0)
    assert (shopper.line(24).units, shopper.line(24).placed) == (2, 0)
    shopper.scan(24).wait(1.0).put(9.9).wait(1.0)
    assert shopper.line(24).units == 2


def test_row_17_being_asked_about_one_thing_of_unknown_weight_is_no_evidence_against_another(shopper: Shopper) -> None:
    shopper.scan(3).wait(0.8).scan(4).wait(0.8)
    shopper.touch("produce", sku="S9")
    shopper.wait(0.8).scan(7).wait(0.8).put(500.0 + 139.0 + 570.0 + 1161.0).wait(20.0)
    assert {state for _, state in shopper.lines.values()} == {"pending"}
    assert [kind for kind, _ in shopper.open] == ["wrong_weight"]


def test_row_17_goods_that_are_shown_have_been_weighed(shopper: Shopper) -> None:
    """They had gone in with a thing of unknown weight, and were picked on the screen afterwards."""
    shopper.scan(7).wait(1.0).put(1161.0 + 570.0).wait(2.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(26.0)
    assert shopper.open == [("not_placed", "question")]
    shopper.take(570.0).put(570.0).wait(1.0)
    assert shopper.open == []
    assert shopper.line(9).weight_g == pytest.approx(570.0, abs=1.5)
    assert shopper.line(7).weight_g == pytest.approx(1161.0, abs=1.5)


def test_an_answer_is_on_record_whatever_it_does(shopper: Shopper) -> None:
    shopper.put(300.0).wait(11.0).answer("unscanned_item", "mine")
    shopper.scan(1).wait(27.0).answer("not_placed", "remove")
    answers = [(event.intervention, event.answer) for event in shopper.events(InterventionCleared)]
    assert answers == [("unscanned_item", "mine"), ("not_placed", "remove")]


def test_row_03_what_is_plainly_asked_for_is_not_found_in_the_spread_of_a_heavy_thing(shopper: Shopper) -> None:
    shopper.scan(26).wait(10.0).scan(25).wait(1.0).put(2333.0).wait(15.5)
    assert shopper.open == [("not_placed", "question")]
    shopper.scan(3).wait(27.0)
    assert shopper.open == [("not_placed", "question")] * 2
    assert shopper.lines["S26"] == (1, "pending")


def test_row_31_a_slope_that_never_ends_is_asked_about_before_payment(shopper: Shopper) -> None:
    """A thing was taken out, another put in: the difference is what a slope may take."""
    shopper.scan(10).put(6020.0).wait(2.0).scan(10).put(5990.0).wait(2.0).scan(4).put(139.0).wait(2.0)
    shopper.take(37.0).wait(35.0)
    assert shopper.open == []
    shopper.touch("checkout")
    assert (shopper.phase(), shopper.open) == ("shopping", [("which_removed", "question")])
    shopper.answer("which_removed", "none_of_these")
    shopper.touch("checkout")
    assert (shopper.phase(), shopper.open) == ("checkout", [])


def test_row_31_who_pays_stands_level_however_lately_a_slope_was_believed(shopper: Shopper) -> None:
    """A thing was switched for a lighter one just before the checkout, and the difference is what a slope may take."""
    shopper.scan(10).put(6020.0).wait(2.0).scan(10).put(5990.0).wait(2.0).scan(4).put(139.0).wait(2.0)
    shopper.take(37.0).wait(3.0)
    assert shopper.open == []
    shopper.touch("checkout")
    assert (shopper.phase(), shopper.open) == ("shopping", [("which_removed", "question")])


def test_row_31_a_slope_that_ended_is_asked_of_nobody(shopper: Shopper) -> None:
    shopper.scan(10).put(6020.0).wait(2.0).scan(10).put(5990.0).wait(2.0)
    shopper.take(37.0).wait(15.0).put(37.0).wait(35.0)
    shopper.touch("checkout")
    assert (shopper.phase(), shopper.open) == ("checkout", [])


def test_row_31_what_a_slope_hides_goes_out_with_the_load(shopper: Shopper) -> None:
    shopper.scan(1).put(1034.0).wait(2.0).take(6.0).wait(3.0).take(1034.0).wait(3.0)
    assert (shopper.lines, shopper.open) == ({}, [])
    shopper.scan(10).put(6020.0).wait(3.0).put(8.0).wait(1.0)
    assert shopper.open == [("unscanned_item", "hint")]


def test_row_12_no_put_back_is_a_part_of_a_movement(shopper: Shopper) -> None:
    """Two of a kind for one scan; a minute before, a thing of their weight was taken out."""
    shopper.scan(10).put(6010.0).wait(12.0).take(6010.0).wait(10.0)
    shopper.scan(28).wait(1.0).put(6005.0 + 6010.0).wait(1.0)
    assert ("extra_unit", "hint") in shopper.open
    assert "S10" not in shopper.lines


def test_row_17_a_late_scan_of_unknown_weight_is_no_answer_to_another_question(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.wait(2.0).put(98.8).wait(12.0)
    assert shopper.question("wrong_weight").reason == "below_minimum"
    shopper.scan(7).wait(2.0)
    assert shopper.lines == {"S9": (1, "pending"), "S7": (1, "pending")}
    shopper.put(1202.0).wait(1.0)
    assert shopper.lines == {"S9": (1, "pending"), "S7": (1, "confirmed")}


def test_row_32_one_thing_under_the_basket_whose_code_was_read_twice_is_one(shopper: Shopper) -> None:
    shopper.scan(10).wait(1.0).scan(10).wait(27.0)
    shopper.answer("not_placed", "under_basket")
    assert (shopper.line(10).units, shopper.line(10).placed) == (2, 1)
    shopper.wait(16.0)
    assert [kind for kind, _ in shopper.open] == ["not_placed"]
    shopper.answer("not_placed", "remove")
    assert (shopper.line(10).units, shopper.line(10).placed) == (1, 1)


def test_row_11_a_removal_that_is_asked_about_is_no_half_of_a_put_back(shopper: Shopper) -> None:
    """Four light things fit what went out; then a thing that was just scanned goes in, and weighs nearly as much."""
    for number in (29, 30, 31, 26):
        shopper.scan(number).wait(1.0).put(5.4).wait(2.0)
    shopper.take(5.2).wait(3.0)
    assert shopper.open == [("which_removed", "hint")]
    shopper.scan(32).wait(2.0).put(6.4).wait(1.0)
    assert shopper.open == [("which_removed", "hint")]
    assert shopper.lines["S32"] == (1, "confirmed")


def test_row_05_what_is_asked_about_as_two_units_may_be_the_thing_that_is_scanned_next(shopper: Shopper) -> None:
    shopper.scan(33).wait(4.0).put(1511.0).wait(1.0)
    assert shopper.open == [("extra_unit", "hint")]
    shopper.scan(34).wait(1.0)
    assert shopper.lines == {"S33": (1, "pending"), "S34": (1, "confirmed")}
    assert shopper.line(34).weight_g == pytest.approx(1511.0, abs=1.0)
    assert ("extra_unit", "hint") not in shopper.open


def test_row_25_a_light_thing_that_nobody_saw_go_in_is_seen_going_out(shopper: Shopper) -> None:
    shopper.scan(1).put(1034.0).wait(2.0)
    shopper.scan(23).wait(1.0).scan(35).wait(1.0).put(1782.7 + 4.6).wait(8.0)
    assert shopper.lines["S23"] == (1, "confirmed")
    shopper.take(5.3).wait(1.0)
    assert "S23" not in shopper.lines
    assert shopper.open == []


def test_row_31_a_slope_that_began_while_paying_and_ends_after_it_is_nothing_unpaid(shopper: Shopper) -> None:
    shopper.scan(10).put(6020.0).wait(2.0).scan(10).put(5990.0).wait(2.0)
    shopper.pay().take(35.0)
    shopper.till("approved")
    assert shopper.phase() == "paid"
    shopper.put(35.0)
    assert shopper.open == []
    shopper.put(35.0)
    assert shopper.open == [("unpaid_item", "question")]


def test_row_13_a_swap_that_the_scale_saw_in_two_goes_is_one_movement(shopper: Shopper) -> None:
    """2,210 g out and 105 g in; between the two the hand rested, and what fell then weighs as another thing does."""
    shopper.scan(36).put(154.0).wait(2.0).scan(37).put(2210.9).wait(2.0).scan(1).put(1034.0).wait(2.0)
    shopper.scan(38).wait(1.0)
    shopper.take(1950.1, wait_s=0.5).take(154.4 + 1.3).wait(1.0)
    assert "S36" in shopper.lines
    assert shopper.lines.get("S38") == (1, "confirmed")
    assert "S37" not in shopper.lines


def test_row_17_what_is_plainly_asked_for_may_come_out_of_another_step(shopper: Shopper) -> None:
    """Two things of unknown weight: it is hinted that either step may be the one, and asked about the first."""
    shopper.touch("produce", sku="S9")
    shopper.wait(0.6).scan(7).wait(1.5).put(1647.3, wait_s=1.0).put(163.3).wait(11.0)
    assert ("wrong_weight", "question") in shopper.open
    asked = next(i for i in shopper.view.interventions if i.stage == "question")
    assert asked.sku == "S7"
    shopper.take(163.3).wait(1.0).put(163.3).wait(1.0)
    assert shopper.line(7).weight_g == pytest.approx(163.3, abs=1.0)
    assert shopper.line(9).weight_g == pytest.approx(1647.3, abs=1.0)


def test_row_12_what_goes_in_for_what_was_just_scanned_is_no_put_back(shopper: Shopper) -> None:
    """A thing was taken out for good; another of its weight goes in where a third was scanned."""
    shopper.scan(20).put(717.0).wait(5.0).take(717.0).wait(10.0)
    shopper.scan(12).wait(2.0).put(714.9).wait(1.0)
    assert shopper.open == [("wrong_weight", "hint")]
    assert shopper.lines == {"S12": (1, "pending")}


def test_row_26_of_three_things_scanned_and_put_in_in_turn_the_last_may_weigh_anything(shopper: Shopper) -> None:
    """None of them was passed by, so that no second thoughts are needed."""
    shopper.scan(38).wait(1.0).scan(22).wait(1.0).scan(7).wait(2.5)
    shopper.put(105.2).put(175.2).put(12.7).wait(1.0)
    assert shopper.open == []
    assert [e.won for e in shopper.events(StepExplained)] == [f"put in: Item {number}" for number in (38, 22, 7)]


def test_row_11_what_comes_out_within_a_second_is_one_of_all_that_weigh_so_much() -> None:
    """Not surely what went in last: which one it was is a removal's question."""
    alike = Catalog(
        version=1,
        currency="EUR",
        locale="en_IE",
        taxes={"A": Tax(rate_bp=1350)},
        items=(*ITEMS, item(56, 104.0), item(57, 104.0)),
    )
    shopper = Shopper(alike).started()
    shopper.scan(1).put(1034.0).scan(56).put(104.2).scan(57).put(104.6, wait_s=0.4).take(104.2)
    assert shopper.open == [("which_removed", "hint")]
    shopper.scan(56).wait(1.0)
    assert shopper.open == []
    assert shopper.lines == {"S1": (1, "confirmed"), "S57": (1, "confirmed")}


def test_row_10_of_two_things_put_in_one_that_is_lifted_out_at_once_is_taken_out(shopper: Shopper) -> None:
    shopper.scan(22).wait(0.8).scan(38).put(175.2 + 105.1, wait_s=0.4).take(105.1)
    shopper.scan(38).wait(1.0)
    assert shopper.open == []
    assert shopper.lines == {"S22": (1, "confirmed")}


def test_row_25_two_light_things_pressed_down_by_the_hand_are_no_put_back(shopper: Shopper) -> None:
    """They weigh for an instant what was taken out half a minute before."""
    shopper.scan(38).put(105.0).wait(2.0).take(105.0).wait(3.0)
    shopper.scan(23).wait(0.8).scan(23).wait(1.0).put(105.0, wait_s=0.5).take(105.0 - 9.2).wait(2.0)
    assert shopper.lines == {"S23": (2, "confirmed")}
    assert shopper.open == []


def test_row_31_what_the_shopper_has_not_taken_out_is_not_taken_out_at_checkout(shopper: Shopper) -> None:
    """The scale has lost what either of two things weighs, and "None of these" leaves a slope of it."""
    shopper.scan(10).put(6020.0).wait(2.0).scan(10).put(5990.0).wait(2.0)
    shopper.scan(39).put(50.0).wait(2.0).scan(40).put(50.2).wait(4.0).take(50.1).wait(2.0)
    shopper.answer("which_removed", "none_of_these")
    shopper.wait(5.0).touch("checkout")
    assert {"S39": (1, "confirmed"), "S40": (1, "confirmed")}.items() <= shopper.lines.items()
    assert (shopper.phase(), shopper.open) == ("checkout", [])
