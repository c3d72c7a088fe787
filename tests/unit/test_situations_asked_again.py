"""One thing shown twice is one unit: scanned again as the screen asks, read twice, lifted out and put in again."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.ledger import WeightLearned
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

UNKNOWN = item(30, None, None)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, UNKNOWN))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def test_scanning_it_again_as_asked_is_no_second_unit(shopper: Shopper) -> None:
    shopper.scan(3).put(620.0).wait(11.0)
    assert shopper.open == [("wrong_weight", "question")]
    shopper.scan(3)
    assert shopper.lines == {"S3": (1, "confirmed")}
    assert shopper.line(3).proof == "shopper"
    assert shopper.open == []


def test_taken_out_scanned_again_and_put_in_is_one_unit(shopper: Shopper) -> None:
    shopper.scan(3).put(620.0).wait(11.0)
    shopper.take(620.0).scan(3).put(620.0).wait(20.0)
    assert shopper.lines == {"S3": (1, "confirmed")}
    assert shopper.open == []


def test_scanned_again_but_far_from_its_weight_stays_asked_about(shopper: Shopper) -> None:
    shopper.scan(3).put(4100.0).wait(12.0).scan(3)
    assert shopper.lines == {"S3": (1, "pending")}
    assert [stage for _, stage in shopper.open] == ["question"]


def test_a_second_unit_scanned_before_anything_is_asked_is_a_unit(shopper: Shopper) -> None:
    shopper.scan(3).put(620.0).scan(3)
    assert shopper.line(3).units == 2


def test_the_next_things_scan_is_no_answer_to_a_question_just_raised(shopper: Shopper) -> None:
    shopper.put(312.0).wait(9.3)
    assert shopper.open == [("unscanned_item", "question")]
    shopper.scan(3)
    assert shopper.lines == {"S3": (1, "pending")}
    shopper.put(500.0)
    assert shopper.line(3).weight_g == pytest.approx(500.0, abs=1.0)


def test_of_unknown_weight_scanned_thrice_the_first_rest_is_one_unit(shopper: Shopper) -> None:
    shopper.scan(30).wait(1.0).scan(30).wait(1.0).scan(30).wait(1.0).put(27.6).wait(11.0)
    assert (shopper.line(30).units, shopper.line(30).placed) == (3, 1)
    shopper.put(27.4).put(27.7).wait(2.0)
    assert (shopper.line(30).units, shopper.line(30).placed) == (3, 3)
    assert shopper.open == []


def test_of_unknown_weight_read_twice_is_not_charged_twice_unasked(shopper: Shopper) -> None:
    shopper.scan(30).wait(1.0).scan(30).wait(1.0).put(194.0).wait(30.0)
    assert ("not_placed", "question") in shopper.open
    assert (shopper.line(30).units, shopper.line(30).placed) == (2, 1)


def test_several_of_unknown_weight_at_once_teach_no_weight(shopper: Shopper) -> None:
    shopper.scan(30)
    shopper.touch("quantity", line=shopper.line(30).line, units=3)
    shopper.put(90.0).wait(12.0)
    assert shopper.line(30).placed == 3
    assert shopper.events(WeightLearned)[-1].samples_g == ()


def test_read_twice_then_another_of_that_weight_is_the_other(shopper: Shopper) -> None:
    shopper.scan(2).wait(0.8).scan(2).put(250.5).scan(5).put(250.9).wait(2.0)
    assert shopper.lines == {"S2": (2, "pending"), "S5": (1, "confirmed")}


def test_lifted_out_and_put_in_again_at_its_question_it_is_there(shopper: Shopper) -> None:
    shopper.scan(30).put(700.0).wait(3.0).scan(4)
    shopper.wait(30.0)
    assert shopper.open == [("not_placed", "question")]
    shopper.take(139.0).put(139.0).wait(1.0)
    assert shopper.lines == {"S4": (1, "confirmed"), "S30": (1, "confirmed")}
    assert shopper.line(30).weight_g == pytest.approx(561.0, abs=1.0)
    assert shopper.open == []


def test_who_insists_on_loose_goods_does_not_pay_for_what_may_lie_with_them(shopper: Shopper) -> None:
    shopper.scan(4)
    shopper.touch("produce", sku="S9")
    shopper.put(700.0).wait(12.0)
    shopper.touch("answer", intervention=shopper.question("wrong_weight").id, choice="insist")
    assert shopper.line(9).weight_g is None
    assert ("wrong_weight", "staff") in shopper.open


def test_loose_goods_scanned_again_as_asked_are_no_further_ones(shopper: Shopper) -> None:
    shopper.scan(4)
    shopper.touch("produce", sku="S9")
    shopper.put(700.0).wait(11.0)
    shopper.take(561.0).wait(1.0)
    shopper.scan_text("4011").put(561.0).wait(1.0)
    assert [line.sku for line in shopper.view.lines].count("S9") <= 1


def test_two_movements_that_fit_nothing_are_not_two_things_by_their_sum(shopper: Shopper) -> None:
    shopper.scan(4).wait(0.8).scan(4).put(139.2).wait(4.0)
    shopper.scan(12).wait(0.5).put(235.4).put(233.6).wait(2.0)
    assert shopper.line(4).placed == 1
    assert shopper.line(12).placed == 0


def test_produce_asked_about_is_not_priced_because_something_was_taken_out(shopper: Shopper) -> None:
    shopper.scan(8).wait(0.5)
    shopper.touch("produce", sku="S9")
    shopper.put(700.0 + 610.0).wait(4.0)
    shopper.scan(12).put(330.0).wait(9.0)
    shopper.take(610.0).wait(1.0)
    assert shopper.line(9).weight_g is None
    shopper.put(610.0).wait(1.0)
    assert shopper.line(9).weight_g == pytest.approx(610.0, abs=2.0)
    assert shopper.line(8).state == "confirmed"


def test_row_03_a_second_unit_left_on_the_shelf_is_not_found_in_what_had_rested_before_its_scan(
    shopper: Shopper,
) -> None:
    """Of unknown weight, it would fit with the first one, whatever that weighs."""
    shopper.scan(4).wait(0.5).scan(30).wait(0.5).put(139.0 + 231.0).wait(3.0)
    shopper.scan(30).wait(3.0).scan(3).wait(0.5).put(500.0).wait(10.0)
    assert shopper.line(4).placed == 1
    shopper.wait(5.0)
    assert (shopper.line(30).units, shopper.line(30).placed) == (2, 1)


def test_row_13_what_is_lifted_out_to_be_shown_as_another_thing_goes_in_is_no_further_unit(shopper: Shopper) -> None:
    """4 had gone in just before something unscanned; asked about that, it comes out as 3 goes in, and is scanned."""
    for number, weight_g in ((1, 1034.0), (2, 250.0), (5, 252.5), (12, 330.0)) * 8:
        shopper.scan(number).put(weight_g).wait(2.0)
    shopper.scan(4).put(139.0).wait(2.0).put(88.0).wait(12.0)
    assert shopper.open == [("unscanned_item", "question")]
    shopper.scan(3).put(500.0 - 139.0).scan(4).wait(1.0).put(139.0).wait(2.0)
    assert {sku: shopper.lines[sku] for sku in ("S3", "S4")} == {"S3": (1, "confirmed"), "S4": (1, "confirmed")}
    assert shopper.open == [("unscanned_item", "question")]


@pytest.mark.parametrize(("number", "weight_g"), [(2, 250.0), (1, 1034.0)])
def test_row_08_what_is_asked_about_is_lifted_out_just_as_another_thing_goes_in(
    shopper: Shopper, number: int, weight_g: float
) -> None:
    """3 weighs 620 g; something lighter goes in as it comes out, or something heavier."""
    shopper.scan(12).put(330.0).wait(2.0).scan(3).put(620.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S3"
    shopper.scan(number).put(weight_g - 620.0).wait(1.0)
    assert shopper.lines[f"S{number}"] == (1, "confirmed")
    assert shopper.lines["S3"] == (1, "pending")
    shopper.scan(3).put(620.0).wait(2.0)
    assert shopper.lines == {"S12": (1, "confirmed"), f"S{number}": (1, "confirmed"), "S3": (1, "confirmed")}
    assert shopper.line(3).weight_g == pytest.approx(620.0, abs=1.0)
    assert shopper.open == []


def test_row_08_what_was_lifted_out_meanwhile_and_is_back_tells_what_had_gone_in(shopper: Shopper) -> None:
    """Asked about 3, of 620 g, the shopper looks at 12 as 2 goes in; 12 and 5 differ in weight by nearly as much."""
    shopper.scan(5).put(252.5).wait(2.0).scan(3).put(620.0).wait(1.0).scan(12).put(330.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S3"
    shopper.scan(2).put(250.0 - 330.0).wait(1.0).put(330.0).wait(2.0)
    assert {sku: units for sku, (units, _) in shopper.lines.items()} == {"S5": 1, "S3": 1, "S12": 1, "S2": 1}
    assert shopper.lines["S2"] == (1, "confirmed")
    assert [kind for kind, _ in shopper.open] == ["wrong_weight"]


def test_row_26_a_thing_of_unknown_weight_goes_in_as_what_is_asked_about_is_lifted_out(shopper: Shopper) -> None:
    """3 weighs 420 g; 30 weighs nobody knows what."""
    shopper.scan(12).put(330.0).wait(2.0).scan(3).put(420.0).wait(12.0)
    shopper.scan(30).put(280.0 - 420.0).wait(1.0).put(420.0).wait(2.0)
    assert shopper.lines == {"S12": (1, "confirmed"), "S3": (1, "pending"), "S30": (1, "confirmed")}
    assert shopper.line(30).weight_g == pytest.approx(280.0, abs=1.0)
    assert shopper.open == [("wrong_weight", "question")]


def test_row_03_dropping_what_was_missed_leaves_what_was_scanned_since(shopper: Shopper) -> None:
    shopper.scan(3).put(500.0).wait(2.0).scan(3).wait(27.0)
    assert shopper.open == [("not_placed", "question")]
    shopper.scan(3).answer("not_placed", "remove").put(500.0).wait(2.0)
    assert shopper.lines == {"S3": (2, "confirmed")}
    assert shopper.open == []
