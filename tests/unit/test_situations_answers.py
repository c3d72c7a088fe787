"""Every question has an answer that ends it: what the shopper says is enough, within the store's limits."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.ledger import WeightLearned
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


def test_beyond_the_stores_limits_it_is_for_staff_to_say_that_all_is_scanned() -> None:
    shopper = Shopper(RANGE, Policy(word_total_max_minor=100)).started()
    _with_a_badly_catalogued_one(shopper)
    shopper.answer("extra_unit", "all_scanned")
    assert shopper.open == [("extra_unit", "staff")]


def test_nothing_is_taken_for_scanned_that_went_in_alone(shopper: Shopper) -> None:
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
