"""Every question has an answer that ends it: what the shopper says is enough, within the store's limits."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.ledger import WeightLearned
from cart.core.session.otherwise import word_allowed
from cart.core.settings import Policy
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

WRONG = item(30, 431.4, 0.9)
LIGHT = item(31, 40.8, 0.2)
UNKNOWN = item(32, None, None)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, WRONG, LIGHT, UNKNOWN))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def test_what_the_shopper_says_is_in_the_basket_is_paid_for(shopper: Shopper) -> None:
    shopper.scan(2).wait(26.0)
    shopper.answer("not_placed", "in_basket")
    assert shopper.lines == {"S2": (1, "confirmed")}
    assert shopper.line(2).proof == "shopper"
    assert shopper.open == []


def test_loose_goods_have_no_price_by_the_shoppers_word(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.wait(26.0)
    assert shopper.question("not_placed").choices == ["remove"]


def _with_a_badly_catalogued_one(shopper: Shopper) -> None:
    """One thing weighs 40.8 g more than the catalogue says, which is just what the other one weighs."""
    shopper.scan(30).wait(1.0).scan(31).put(471.9, 40.8).wait(12.0)


def test_where_all_is_scanned_the_catalogue_errs_about_what_went_in_with_it(shopper: Shopper) -> None:
    _with_a_badly_catalogued_one(shopper)
    assert shopper.open == [("extra_unit", "question")]
    shopper.answer("extra_unit", "all_scanned")
    assert shopper.open == []
    assert shopper.line(30).weight_g == pytest.approx(471.9, abs=1.0)
    assert shopper.line(30).proof == "shopper"
    assert (shopper.line(31).units, shopper.line(31).proof) == (1, "weighed")
    assert shopper.events(WeightLearned)[-1].sku == "S30"


@pytest.mark.parametrize(("needs_staff", "left"), [(True, [("extra_unit", "staff")]), (False, [])])
def test_beyond_the_stores_limits_it_is_taken_for_none_of_its_goods_or_staff_comes(
    needs_staff: bool, left: list[tuple[str, str]]
) -> None:
    shopper = Shopper(RANGE, Policy(word_total_max_minor=100, own_thing_needs_staff=needs_staff)).started()
    _with_a_badly_catalogued_one(shopper)
    shopper.answer("extra_unit", "all_scanned")
    assert shopper.open == left
    assert shopper.line(30).weight_g == pytest.approx(431.4, abs=1.0)


def test_nothing_is_taken_for_scanned_that_went_in_alone() -> None:
    shopper = Shopper(RANGE, Policy(own_thing_needs_staff=True)).started()
    shopper.scan(2).put(250.0).wait(3.0).put(80.0).wait(12.0)
    shopper.answer("unscanned_item", "all_scanned")
    assert shopper.open == [("unscanned_item", "staff")]
    assert shopper.line(2).weight_g == pytest.approx(250.0, abs=1.0)


def test_who_says_that_nothing_of_the_list_was_taken_out_pays_for_all_of_it(shopper: Shopper) -> None:
    shopper.scan(2).put(249.0).wait(2.0).scan(5).put(250.6).wait(2.0).take(131.0).wait(12.0)
    shopper.answer("which_removed", "none_of_these")
    assert shopper.open == []
    assert shopper.lines == {"S2": (1, "confirmed"), "S5": (1, "confirmed")}
    shopper.put(131.0).wait(1.0)
    assert shopper.open == [("unscanned_item", "hint")]


def test_what_weighs_as_a_believed_thing_did_is_that_thing_put_back(shopper: Shopper) -> None:
    shopper.scan(30).put(471.9).answer("wrong_weight", "insist")
    shopper.wait(3.0).scan(8).put(700.0).wait(2.0).take(471.9).wait(3.0).scan(4).wait(1.0).put(471.7).wait(1.0)
    assert shopper.lines["S30"] == (1, "confirmed")
    assert shopper.lines["S4"] == (1, "pending")


def test_two_at_once_of_unknown_weight_are_two_once_one_has_shown_its_weight(shopper: Shopper) -> None:
    shopper.scan(32).wait(1.0).scan(32).put(520.0, 521.0).wait(4.0).scan(32).put(518.0).wait(16.0)
    assert (shopper.line(32).units, shopper.line(32).placed) == (3, 3)
    assert shopper.events(WeightLearned)[-1].weight_g == pytest.approx(519.0, abs=2.0)
    assert shopper.open == []


def test_of_unknown_weight_no_more_are_counted_than_were_scanned(shopper: Shopper) -> None:
    shopper.scan(32).put(520.0, 521.0).wait(4.0).scan(32).put(518.0).wait(20.0)
    assert (shopper.line(32).units, shopper.line(32).placed) == (2, 2)


@pytest.mark.parametrize("lifted_g", [471.9, 500.0])
def test_of_two_at_once_either_may_be_badly_catalogued_and_is_shown(shopper: Shopper, lifted_g: float) -> None:
    """Weight alone can't tell which of the two; whichever is lifted out tells it of both."""
    shopper.scan(3).wait(1.0).scan(30).put(500.0, 471.9).wait(12.0)
    assert shopper.open == [("wrong_weight", "question")]
    assert {line.state for line in shopper.view.lines} == {"pending"}
    shopper.take(lifted_g).wait(1.0).put(lifted_g).wait(1.0)
    if shopper.open:
        shopper.answer("wrong_weight", "insist")
    assert shopper.lines == {"S3": (1, "confirmed"), "S30": (1, "confirmed")}
    assert shopper.line(3).weight_g == pytest.approx(500.0, abs=1.0)
    assert shopper.line(30).weight_g == pytest.approx(471.9, abs=1.0)
    assert shopper.open == []


def test_who_insists_on_one_of_two_at_once_has_put_in_the_other_as_well(shopper: Shopper) -> None:
    shopper.scan(12).wait(1.0).scan(1).put(330.0, 1300.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S1"
    shopper.answer("wrong_weight", "insist")
    assert shopper.lines == {"S12": (1, "confirmed"), "S1": (1, "confirmed")}
    assert (shopper.line(12).proof, shopper.line(1).proof) == ("weighed", "shopper")
    assert shopper.line(1).weight_g == pytest.approx(1300.0, abs=1.0)
    assert shopper.open == []


def test_what_is_scanned_in_the_hand_at_its_question_is_not_in_the_basket_yet(shopper: Shopper) -> None:
    """Lifted out while something else moved, so that the step is not all its own: it goes in once, not twice."""
    shopper.scan(30).put(471.9).wait(12.0)
    shopper.take(450.0).wait(2.0).scan(30).wait(1.0).put(471.9).wait(2.0)
    assert (shopper.line(30).units, shopper.line(30).placed) == (1, 1)
    assert shopper.line(30).weight_g == pytest.approx(471.9, abs=1.0)
    assert shopper.open == [("unscanned_item", "hint")]
    assert shopper.question("unscanned_item").delta_g == pytest.approx(21.9, abs=1.0)


def test_a_code_read_twice_of_unknown_weight_is_one_unit_until_another_weighs_like_it(shopper: Shopper) -> None:
    shopper.scan(32).wait(0.8).scan(32).put(134.9).wait(5.0).put(306.0).wait(2.0)
    assert (shopper.line(32).units, shopper.line(32).placed) == (2, 1)
    assert [kind for kind, _ in shopper.open] != []
    shopper.put(135.6).wait(2.0)
    assert shopper.line(32).placed == 2


def test_what_was_learned_of_a_group_goes_with_it_when_a_part_of_it_is_shown(shopper: Shopper) -> None:
    shopper.scan(32).wait(1.0).scan(32).put(249.2 + 248.3).wait(26.0)
    assert shopper.events(WeightLearned)[-1].weight_g == pytest.approx(497.5, abs=1.0)
    shopper.take(248.3).put(248.3).wait(1.0)
    assert (shopper.line(32).units, shopper.line(32).placed) == (2, 2)
    assert shopper.events(WeightLearned)[-1].weight_g == pytest.approx(249.2, abs=1.0)


def test_loose_goods_are_not_priced_by_another_thing_that_is_looked_at(shopper: Shopper) -> None:
    shopper.scan(3).put(500.0).wait(3.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(26.0).take(500.0).wait(2.0).put(500.0).wait(2.0)
    assert shopper.line(9).state == "pending"


def test_several_units_of_a_badly_catalogued_product_are_asked_about_once(shopper: Shopper) -> None:
    shopper.scan(30).wait(0.6).scan(30).wait(0.6).scan(30).put(471.9).put(472.3).put(471.5).wait(14.0)
    assert [stage for _, stage in shopper.open] == ["question", "hint", "hint"]
    shopper.answer("wrong_weight", "insist")
    assert shopper.lines == {"S30": (3, "confirmed")}
    assert shopper.open == []


@pytest.mark.parametrize(("limit_minor", "allowed"), [(5000, True), (100, False)])
def test_of_a_product_without_a_weight_the_shoppers_word_stands_against_what_was_learned(
    limit_minor: int, allowed: bool
) -> None:
    """The first unit was another thing, five times as heavy: the catalogue says nothing, so no word is against it."""
    shopper = Shopper(RANGE, Policy(word_total_max_minor=limit_minor)).started()
    shopper.scan(32).put(1891.0).scan(30).put(431.0)
    desk = shopper.session._desk
    unknown, known = desk.state.basket.lines.values()
    assert word_allowed(desk, unknown, 387.0) is allowed
    assert not word_allowed(desk, known, 1000.0)


def test_row_5_one_too_many_stays_in_question_whatever_is_scanned_next(shopper: Shopper) -> None:
    shopper.scan(4).wait(1.0).put(139.2).wait(2.0).put(138.8).wait(5.0)
    assert shopper.question("extra_unit").sku == "S4"
    shopper.scan(32).wait(0.8).scan(1).wait(0.8).scan(2).wait(1.0)
    assert shopper.question("extra_unit").sku == "S4"
    assert shopper.lines["S32"] == (1, "pending")
