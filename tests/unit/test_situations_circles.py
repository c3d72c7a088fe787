"""Questions that end, and units that nobody meant: what is lifted out at a plain question tells what it is."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.reconciliation import priors
from cart.core.settings import Policy
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

UNKNOWN = item(30, None, None)
NEARLY_BULKY = item(31, 2980.0, 30.0)
HEAVY = item(32, 4000.0, 40.0)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, UNKNOWN, NEARLY_BULKY, HEAVY))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def test_a_swap_that_may_have_been_of_either_of_two_asks_which(shopper: Shopper) -> None:
    shopper.scan(2).put(251.2).wait(3.0).scan(5).put(251.3).wait(3.0)
    shopper.scan(1).put(1034.0 - 251.2)
    asked = shopper.question("which_removed")
    assert {c.sku for c in asked.candidates} == {"S2", "S5"}


def test_a_code_read_twice_takes_nothing_that_fits_it_badly(shopper: Shopper) -> None:
    shopper.scan(2).wait(0.8).scan(2).put(250.2).wait(2.0)
    shopper.put(257.2)
    assert (shopper.line(2).units, shopper.line(2).placed) == (2, 1)


def test_a_code_read_twice_and_two_that_fit_are_two(shopper: Shopper) -> None:
    shopper.scan(2).wait(0.8).scan(2).put(250.2).wait(1.0).put(249.1)
    assert (shopper.line(2).units, shopper.line(2).placed) == (2, 2)


def test_loose_goods_keep_their_price_when_the_next_thing_goes_in_unscanned(shopper: Shopper) -> None:
    shopper.put(744.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(8.0).put(500.0)
    assert shopper.line(9).weight_g == pytest.approx(744.0, abs=1.0)
    shopper.scan(3)
    assert shopper.lines == {"S9": (1, "confirmed"), "S3": (1, "confirmed")}


def test_what_took_anothers_name_is_the_thing_that_is_shown(shopper: Shopper) -> None:
    """A second unit scanned by mistake was believed to be the first thing put in; asked about that one, it is shown."""
    shopper.scan(2).wait(6.0).scan(2).put(250.2).wait(2.0).put(255.6).wait(3.0).scan(5).wait(26.0)
    assert ("not_placed", "question") in shopper.open
    shopper.take(255.6).put(255.6).wait(1.0)
    assert shopper.line(5).placed == 1
    assert sum(line.placed for line in shopper.view.lines) == 2


def test_at_its_question_the_thing_is_lifted_out_from_what_went_in_with_it(shopper: Shopper) -> None:
    """Another thing in the same movement was badly catalogued; the one that is asked about weighs as it should."""
    shopper.scan(4).wait(1.0).scan(3).put(500.0 + 265.0).wait(11.0)
    assert shopper.question("wrong_weight").sku == "S3"
    shopper.take(500.2).put(500.1).wait(1.0)
    assert shopper.lines["S3"] == (1, "confirmed")
    assert shopper.line(3).proof == "weighed"
    assert shopper.lines["S4"] == (1, "pending")


def test_two_of_a_badly_catalogued_product_at_once_are_two_by_the_shoppers_word(shopper: Shopper) -> None:
    shopper.scan(3).wait(1.0).scan(3).put(2 * 640.0).wait(11.0)
    shopper.touch("answer", intervention=shopper.question("wrong_weight").id, choice="insist")
    assert (shopper.line(3).units, shopper.line(3).placed, shopper.line(3).proof) == (2, 2, "shopper")
    assert shopper.open == []


def test_what_is_scanned_next_is_not_what_was_asked_about(shopper: Shopper) -> None:
    """An own bag is asked about; the next thing is scanned meanwhile, and goes in right afterwards."""
    shopper.put(226.0).wait(11.0)
    assert shopper.open == [("unscanned_item", "question")]
    shopper.wait(2.0).scan(4).wait(1.2).put(139.1)
    assert shopper.lines == {"S4": (1, "confirmed")}
    assert shopper.line(4).weight_g == pytest.approx(139.0, abs=1.0)
    assert shopper.open == [("unscanned_item", "question")]


def test_movements_that_nothing_explains_do_not_add_up_to_a_removal(shopper: Shopper) -> None:
    shopper.scan(8).put(700.0).wait(2.0).scan(2).put(250.0).wait(2.0)
    shopper.put(1800.0).wait(8.0).take(2062.0).wait(8.0).put(12.0).wait(2.0)
    assert shopper.line(2).placed == 1
    assert shopper.line(8).placed == 1


def test_a_put_back_with_a_removal_is_not_charged_unasked(shopper: Shopper) -> None:
    shopper.put(282.0).wait(1.0)
    shopper.touch("answer", intervention=shopper.question("unscanned_item").id, choice="mine")
    shopper.scan(1).put(1034.0).wait(2.0).take(1034.0).wait(40.0)
    shopper.put(1034.0 - 282.0)
    assert "S1" not in shopper.lines
    assert shopper.question("unscanned_item").delta_g == pytest.approx(752.0, abs=1.0)


def test_a_slope_too_slight_to_be_asked_about_comes_back_unasked(shopper: Shopper) -> None:
    for _ in range(3):
        shopper.scan(32).put(4000.0).wait(2.0)
    shopper.take(4.6).wait(8.0).put(5.6).wait(2.0)
    assert shopper.open == []


def test_what_may_weigh_as_much_as_bulky_things_may_lie_under_the_basket(shopper: Shopper) -> None:
    shopper.scan(31).wait(26.0)
    asked = shopper.question("not_placed")
    assert "under_basket" in asked.choices
    shopper.touch("answer", intervention=asked.id, choice="under_basket")
    assert shopper.lines == {"S31": (1, "confirmed")}


def test_two_of_unknown_weight_put_in_at_once_are_two_when_one_is_shown(shopper: Shopper) -> None:
    shopper.scan(30).wait(1.0).scan(30).put(249.2 + 248.3).wait(26.0)
    assert ("not_placed", "question") in shopper.open
    shopper.take(248.3).put(248.3).wait(1.0)
    assert (shopper.line(30).units, shopper.line(30).placed) == (2, 2)
    assert shopper.open == []


def test_a_bag_declared_for_the_next_movement_is_that_one(shopper: Shopper) -> None:
    shopper.put(538.0).wait(2.0)
    shopper.touch("own_bag")
    shopper.wait(2.5).put(113.0).wait(1.0)
    assert shopper.question("unscanned_item").delta_g == pytest.approx(538.0, abs=1.0)
    shopper.touch("answer", intervention=shopper.question("unscanned_item").id, choice="mine")
    assert shopper.open == []


@pytest.mark.parametrize("costs", [(20.0, 1.0), (60.0, 1.0), (5.0, 1.0)])
def test_margins_follow_the_costs_of_the_policy(costs: tuple[float, float]) -> None:
    accuse, miss = costs
    assert priors.gain_min(accuse, miss) <= priors.gain_min(accuse, 2.0 * miss)
    assert priors.margin(accuse, miss) >= priors.margin(accuse, 2.0 * miss)


def test_a_store_that_minds_a_wrong_bill_more_asks_which_of_two_was_taken() -> None:
    asked = []
    for accuse_cost in (3.0, 2000.0):
        shopper = Shopper(RANGE, Policy(accuse_cost=accuse_cost)).started()
        shopper.scan(2).put(249.0).wait(2.0).scan(5).put(250.6).wait(2.0)
        shopper.take(249.0)
        asked.append(("which_removed", "hint") in shopper.open)
    assert asked == [False, True]


def test_two_of_unknown_weight_are_shown_beside_loose_goods_that_keep_their_price(shopper: Shopper) -> None:
    shopper.scan(30).wait(1.0).scan(30).put(318.5 + 314.0).wait(3.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(2.0).put(442.2).wait(26.0)
    assert ("not_placed", "question") in shopper.open
    shopper.take(314.0).put(314.0).wait(1.0)
    assert shopper.line(9).weight_g == pytest.approx(442.2, abs=1.0)
    assert (shopper.line(30).units, shopper.line(30).placed) == (2, 2)


def test_what_lies_there_under_a_name_of_no_known_weight_is_what_is_shown(shopper: Shopper) -> None:
    """A thing of unknown weight was scanned and left on the shelf; the next, badly catalogued, took its name."""
    shopper.scan(30).wait(3.0).put(331.5).wait(2.0).scan(3).wait(27.0)
    assert ("not_placed", "question") in shopper.open
    shopper.take(331.5).put(331.5).wait(1.0)
    assert shopper.lines == {"S30": (1, "pending"), "S3": (1, "confirmed")}
    assert shopper.line(3).proof == "shopper"


def test_a_hand_that_swings_back_does_not_price_loose_goods(shopper: Shopper) -> None:
    for _ in range(3):
        shopper.scan(32).put(4000.0).wait(2.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0).put(161.4, wait_s=0.45).take(35.7).wait(15.0)
    assert shopper.line(9).weight_g == pytest.approx(125.7, abs=1.5)


def test_what_is_shown_weighs_right_so_something_else_was_taken_out_for_it(shopper: Shopper) -> None:
    """A swap was taken for a wrong weight; the scanned thing is lifted out, and weighs as the catalogue says."""
    for number, mass_g in ((2, 250.4), (3, 500.3), (4, 138.8), (8, 701.0), (12, 331.0)):
        shopper.scan(number).put(mass_g).wait(1.0)
    shopper.scan(1).put(1034.0 - 500.3).wait(1.0)
    asked = shopper.question("which_removed")
    shopper.touch("answer", intervention=asked.id, choice="none_of_these")
    shopper.wait(2.0).take(1034.0).put(1034.0).wait(12.0)
    assert shopper.lines["S1"] == (1, "confirmed")
    assert shopper.line(1).proof == "weighed"
    assert "S3" not in shopper.lines


def test_of_two_loose_goods_one_is_asked_to_be_put_in_alone(shopper: Shopper) -> None:
    loose = msgspec.structs.replace(RANGE, items=(*RANGE.items, item(40, None, None, unit="kg", plu="4012")))
    buyer = Shopper(loose).started()
    buyer.touch("produce", sku="S9")
    buyer.touch("produce", sku="S40")
    buyer.put(1237.0).put(399.5).wait(12.0)
    assert [kind for kind, _ in buyer.open].count("wrong_weight") == 1
    shown_g = 399.5 if buyer.question("wrong_weight").delta_g == pytest.approx(399.5, abs=1.0) else 1237.0
    buyer.take(shown_g).put(shown_g).wait(2.0)
    assert {line.state for line in buyer.view.lines} == {"confirmed"}
    assert sorted(line.weight_g or 0.0 for line in buyer.view.lines) == pytest.approx([399.5, 1237.0], abs=1.0)


def test_what_is_picked_after_it_went_in_is_what_went_in_last(shopper: Shopper) -> None:
    shopper.put(374.0).wait(1.0).put(167.0).wait(0.5)
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0)
    assert shopper.line(9).weight_g in (None, pytest.approx(167.0, abs=1.0))


def test_who_lifts_out_what_is_asked_about_lifts_out_that_and_no_other_of_its_weight(shopper: Shopper) -> None:
    """A swap was taken for a wrong weight, and by chance another thing inside weighs just as the scanned one does."""
    twin = item(50, 1034.2, 8.0)
    buyer = Shopper(msgspec.structs.replace(RANGE, items=(*RANGE.items, twin))).started()
    for number, mass_g in ((50, 1034.2), (2, 250.4), (3, 500.3), (4, 138.8), (8, 701.0), (12, 331.0)):
        buyer.scan(number).put(mass_g).wait(1.0)
    buyer.scan(1).put(1034.0 - 500.3).wait(1.0)
    buyer.touch("answer", intervention=buyer.question("which_removed").id, choice="none_of_these")
    assert buyer.question("wrong_weight").sku == "S1"
    buyer.wait(2.0).take(1034.0).wait(1.0).scan(1).put(1034.0).wait(12.0)
    assert buyer.lines["S1"] == (1, "confirmed")
    assert buyer.lines["S50"] == (1, "confirmed")
    assert "S3" not in buyer.lines


def test_loose_goods_shown_to_the_scanner_in_the_hand_are_what_goes_in(shopper: Shopper) -> None:
    loose = item(41, None, None, unit="kg", plu="4013")
    buyer = Shopper(msgspec.structs.replace(RANGE, items=(*RANGE.items, loose))).started()
    buyer.scan(4).wait(1.0)
    buyer.touch("produce", sku="S41")
    buyer.put(241.5).wait(12.0)
    assert buyer.question("wrong_weight").sku == "S41"
    buyer.take(241.5).wait(1.0).scan(41).put(241.5).wait(2.0)
    assert buyer.line(41).weight_g == pytest.approx(241.5, abs=1.0)
    assert buyer.line(4).state == "pending"


def test_a_look_at_a_thing_while_another_of_its_weight_is_asked_for_changes_nothing(shopper: Shopper) -> None:
    shopper.scan(2).wait(26.0)
    assert ("not_placed", "question") in shopper.open
    shopper.scan(5).put(251.4).wait(3.0)
    assert shopper.lines["S5"] == (1, "confirmed")
    shopper.take(251.4).wait(3.0).put(251.4).wait(1.0)
    assert shopper.lines == {"S2": (1, "pending"), "S5": (1, "confirmed")}


def test_at_checkout_one_thing_is_asked_and_shows_where_the_others_are(shopper: Shopper) -> None:
    shopper.scan(12).wait(0.6)
    shopper.touch("produce", sku="S9")
    shopper.scan(4).wait(0.6).put(822.0 + 331.0 + 139.0).wait(3.0)
    shopper.touch("checkout")
    assert shopper.open == [("wrong_weight", "question")]
    shopper.wait(2.0).take(822.0).put(822.0).wait(2.0)
    assert {line.state for line in shopper.view.lines} == {"confirmed"}
    assert shopper.line(9).weight_g == pytest.approx(822.0, abs=1.0)


def test_two_in_and_one_out_between_two_rests_is_asked_about(shopper: Shopper) -> None:
    shopper.scan(3).put(500.2).wait(2.0).scan(8).put(701.0).wait(2.0)
    shopper.scan(4).wait(0.8).scan(12).put(139.0 + 331.0 - 500.2).wait(1.0)
    assert ("which_removed", "hint") in shopper.open
    assert [c.sku for c in shopper.question("which_removed").candidates] == ["S3"]


def test_obeying_settles_the_price_of_loose_goods_however_much_went_in_with_them(shopper: Shopper) -> None:
    loose = item(42, None, None, unit="kg", plu="4014")
    buyer = Shopper(msgspec.structs.replace(RANGE, items=(*RANGE.items, loose))).started()
    buyer.touch("produce", sku="S9")
    buyer.scan(1).wait(0.5).scan(3).wait(0.5)
    buyer.touch("produce", sku="S42")
    buyer.put(540.0 + 1036.0 + 501.0 + 901.0).wait(12.0)
    asked = buyer.question("wrong_weight").sku
    weight_g = {"S9": 540.0, "S42": 901.0}[asked or ""]
    buyer.take(weight_g).wait(1.0).put(weight_g).wait(2.0)
    own = next(line for line in buyer.view.lines if line.sku == asked)
    assert (own.state, own.proof) == ("confirmed", "weighed")
    assert own.weight_g == pytest.approx(weight_g, abs=1.0)


def test_naming_a_light_thing_takes_no_other_off_the_bill_that_makes_up_the_weight(shopper: Shopper) -> None:
    """Two things weigh what was taken out; so do the thing that is named and another, by chance."""
    alike = (item(60, 469.0, 2.0), item(61, 469.4, 2.0))
    buyer = Shopper(msgspec.structs.replace(RANGE, items=(*RANGE.items, *alike))).started()
    for number, mass_g in ((60, 469.0), (61, 469.3), (12, 330.0), (4, 139.1)):
        buyer.scan(number).put(mass_g).wait(1.0)
    buyer.take(469.1).wait(1.0)
    assert ("which_removed", "hint") in buyer.open
    buyer.scan(4).wait(1.0)
    assert buyer.line(12).placed == 1
