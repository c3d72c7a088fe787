"""Two things move and one step is seen: what is lifted out as another goes in, or rests for a moment in between."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.ledger import ItemRemoved
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

MORE = (
    item(30, None, None),
    item(31, 10.2, 0.2),
    item(32, 190.0, 2.0),
    item(33, 432.0, 3.0),
    item(34, 4.9, 0.4),
    item(60, None, None, unit="kg", plu="4060", price_minor=299),
)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, *MORE))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def test_row_01_something_unscanned_goes_in_as_a_thing_is_lifted_out_to_be_shown(shopper: Shopper) -> None:
    """3 is asked for; the shopper lifts out 12 as something unscanned of 190 g goes in, and puts it back."""
    shopper.scan(1).put(1034.0).wait(2.0).scan(12).put(330.0).wait(2.0).scan(3).wait(27.0)
    assert shopper.open == [("not_placed", "question")]
    shopper.put(190.0 - 330.0).wait(1.0).put(330.0).wait(2.0)
    assert {sku: shopper.lines[sku] for sku in ("S1", "S12")} == {"S1": (1, "confirmed"), "S12": (1, "confirmed")}
    assert "unscanned_item" in {kind for kind, _ in shopper.open}
    assert "which_removed" not in {kind for kind, _ in shopper.open}
    shopper.scan(32)
    assert shopper.line(32).weight_g == pytest.approx(190.0, abs=1.0)


def test_row_08_of_several_units_that_the_catalogue_has_wrong_one_is_lifted_out(shopper: Shopper) -> None:
    """Two of 3, of 540 g instead of 500 g: asked about both, the shopper takes out one, scans it and puts it back."""
    shopper.scan(10).put(6000.0).wait(2.0).scan(3).wait(0.6).scan(3).put(1081.0).wait(11.0)
    assert shopper.question("wrong_weight").sku == "S3"
    shopper.take(541.0).wait(1.0)
    assert "which_removed" not in {kind for kind, _ in shopper.open}
    shopper.scan(3).put(541.0).wait(2.0)
    assert shopper.lines == {"S10": (1, "confirmed"), "S3": (2, "confirmed")}
    assert shopper.open == []


def test_row_08_units_differ_and_what_one_of_them_weighs_leaves_no_unscanned_thing_of_another(shopper: Shopper) -> None:
    shopper.scan(1).put(1034.0).wait(2.0).scan(3).wait(0.6).scan(3).put(598.0 + 560.0).wait(11.0)
    shopper.take(560.0).wait(1.0).scan(3).put(560.0).wait(8.0)
    assert shopper.open == [("wrong_weight", "question")]
    shopper.answer("wrong_weight", "insist")
    assert shopper.lines == {"S1": (1, "confirmed"), "S3": (2, "confirmed")}
    assert shopper.open == []


def test_row_06_what_had_gone_in_unseen_and_is_looked_at_was_not_taken_by_a_slope(shopper: Shopper) -> None:
    """31 of 10 g went in while the cart rolled. It is taken out, and put in: nothing else has gone when all is paid."""
    for _ in range(3):
        shopper.scan(10).put(6000.0).wait(2.0)
    shopper.scan(31).wait(12.0)
    shopper.take(10.2).wait(3.0).put(10.2).wait(40.0)
    shopper.touch("checkout")
    assert shopper.lines == {"S10": (3, "confirmed"), "S31": (1, "confirmed")}
    assert shopper.open == []


def test_row_13_what_was_scanned_only_later_was_not_taken_out_before(shopper: Shopper) -> None:
    """Something of 10 g is lost to a slope; sachets of 5 g each are scanned after that."""
    for _ in range(3):
        shopper.scan(10).put(6000.0).wait(2.0)
    shopper.wait(3.0).take(10.1).wait(15.0).scan(34).wait(1.0)
    shopper.touch("quantity", line=shopper.line(34).line, units=3)
    shopper.wait(40.0)
    shopper.touch("checkout")
    assert shopper.line(34).units == 3


def test_row_03_a_hand_that_presses_and_lets_go_at_once_puts_nothing_in(shopper: Shopper) -> None:
    """3 was left on the shelf; for a moment the hand weighs as much."""
    for number, weight_g in ((1, 1034.0), (2, 250.0), (33, 432.0), (12, 330.0)) * 5:
        shopper.scan(number).put(weight_g).wait(2.0)
    shopper.scan(3).wait(5.0).put(500.0, wait_s=0.5).take(499.9).wait(2.0)
    assert "S3" not in shopper.lines
    assert not any(kind == "which_removed" for kind, _ in shopper.open)


def test_row_11_a_hand_that_rummages_takes_nothing_out(shopper: Shopper) -> None:
    """Four weights with hardly a pause, the first like that of 33: at the end nothing has changed."""
    shopper.scan(1).put(1034.0).wait(2.0).scan(33).put(432.0).wait(6.0)
    shopper.take(432.0, wait_s=0.6).put(740.0, wait_s=0.6).take(253.0, wait_s=0.6).take(55.0).wait(2.0)
    assert shopper.lines == {"S1": (1, "confirmed"), "S33": (1, "confirmed")}
    assert shopper.open == []


def test_row_12_three_things_taken_out_and_put_back_one_by_one_are_no_rummaging(shopper: Shopper) -> None:
    shopper.scan(1).put(1034.0).wait(2.0).scan(33).put(432.0).wait(6.0)
    shopper.take(432.0).wait(2.0).put(432.0).wait(2.0).take(1034.0).wait(2.0)
    assert [e.sku for e in shopper.events(ItemRemoved)] == ["S33", "S1"]


def test_row_13_a_thing_as_heavy_as_another_goes_in_for_it_and_is_shown(shopper: Shopper) -> None:
    """5 is swapped for 2, of 2.5 g less: too little to be seen. Asked for 2, the shopper shows it."""
    shopper.scan(1).put(1034.0).wait(2.0).scan(5).put(252.5).wait(30.0)
    shopper.scan(2).wait(1.0).take(2.6).wait(27.0)
    assert ("not_placed", "question") in shopper.open
    shopper.take(250.0).wait(1.0).put(250.0).wait(2.0)
    assert shopper.lines["S2"] == (1, "confirmed")
    assert shopper.lines == {"S1": (1, "confirmed"), "S2": (1, "confirmed")}


def test_row_03_a_heavy_thing_does_not_go_in_unseen_because_another_is_looked_at(shopper: Shopper) -> None:
    """A code of unknown weight was read twice; while its second unit is asked for 2, or 5, goes out and in."""
    shopper.scan(2).put(250.5).wait(2.0).scan(5).put(252.0).wait(2.0)
    shopper.scan(30).wait(0.9).scan(30).put(340.0).wait(35.0)
    assert ("not_placed", "question") in shopper.open
    shopper.take(251.5).wait(2.0).put(251.5).wait(2.0)
    assert (shopper.line(30).units, shopper.line(30).placed) == (2, 1)


def test_row_17_a_thing_that_went_in_with_loose_goods_and_is_looked_at_is_not_theirs(shopper: Shopper) -> None:
    """9 is asked for alone; 2 goes out and in, and weighs as it should."""
    shopper.scan(12).wait(1.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0).scan(2).put(330.0 + 760.0 + 250.0).wait(11.0)
    assert shopper.question("wrong_weight").sku == "S9"
    shopper.take(250.0).wait(1.0).put(250.0).wait(2.0)
    assert shopper.line(9).state == "pending"
    shopper.take(760.0).wait(1.0).put(760.0).wait(2.0)
    assert shopper.line(9).weight_g == pytest.approx(760.0, abs=1.0)


def test_row_17_a_badly_catalogued_thing_that_is_looked_at_is_no_loose_goods_put_in_alone(shopper: Shopper) -> None:
    """9 is asked for alone; 3 had its own movement since, at another weight, and is taken out and put back."""
    shopper.scan(12).wait(1.0).scan(2).wait(1.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0).put(330.0 + 760.0 + 250.0).wait(2.0).scan(3).put(620.0).wait(9.0)
    assert ("wrong_weight", "question") in shopper.open
    shopper.take(620.0).wait(1.5).put(620.0).wait(2.0)
    assert shopper.line(9).state == "pending"


def test_row_17_loose_goods_are_not_a_thing_of_another_name_because_a_third_of_its_weight_is_looked_at(
    shopper: Shopper,
) -> None:
    """30, of unknown weight, weighs within 4 g of 33; asked for loose goods alone, the shopper looks at 33."""
    shopper.scan(33).put(432.0).wait(2.0).scan(30).put(435.0).wait(2.0).scan(12).wait(1.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0).put(330.0 + 1180.0).wait(11.0)
    assert shopper.question("wrong_weight").sku == "S9"
    shopper.take(432.0).wait(6.0).put(432.0).wait(2.0)
    assert shopper.line(9).state == "pending"
    assert shopper.line(30).weight_g == pytest.approx(435.0, abs=1.0)


def test_row_08_what_was_lifted_out_by_a_movement_of_its_own_was_not_in_the_one_before(shopper: Shopper) -> None:
    """Loose goods go in while it is asked about 3; only then 3 is lifted out and put in: they keep their price."""
    shopper.scan(12).put(330.0).wait(2.0).scan(3).put(620.0).wait(9.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(2.0).put(488.0).wait(2.5).take(620.0).wait(1.0).scan(3).put(620.0).wait(1.0)
    assert shopper.line(3).weight_g == pytest.approx(620.0, abs=1.0)
    assert shopper.line(9).weight_g == pytest.approx(488.0, abs=1.0)
    assert shopper.open == []


def test_row_08_a_badly_catalogued_thing_goes_in_as_another_is_lifted_out_to_be_shown(shopper: Shopper) -> None:
    """Asked about 2, of 300 g, the shopper lifts it out as 3, of 620 g, goes in; 30, of unknown weight, had before."""
    shopper.scan(2).put(300.0).wait(8.0).scan(30).wait(0.3).put(348.0).wait(0.5).scan(3).wait(0.5)
    assert ("wrong_weight", "question") in shopper.open
    shopper.put(620.0 - 300.0).wait(0.5).put(300.0).wait(2.0)
    assert shopper.line(30).weight_g == pytest.approx(348.0, abs=1.0)
    assert {i.sku for i in shopper.view.interventions if i.kind == "wrong_weight"} == {"S2", "S3"}
    assert {kind for kind, _ in shopper.open} == {"wrong_weight"}


def test_row_17_of_two_loose_goods_the_one_that_is_asked_for_alone_is_taken_out(shopper: Shopper) -> None:
    """60 is asked for alone, of a movement of 300 g; it lies there at 1,143 g, of which 9 is asked about."""
    shopper.touch("produce", sku="S9")
    shopper.wait(1.3).scan(5).wait(0.6)
    shopper.touch("produce", sku="S60")
    shopper.wait(1.0).put(301.0, wait_s=1.2).put(252.5, wait_s=0.8).put(1143.0).wait(12.0)
    alone = next(i for i in shopper.view.interventions if i.reason == "not_alone")
    assert (alone.sku, alone.stage) == ("S60", "question")
    shopper.take(1143.0).wait(1.0).put(1143.0).wait(2.0)
    assert shopper.line(60).weight_g == pytest.approx(1143.0, abs=1.0)


def test_row_17_what_was_missed_before_is_not_among_goods_that_went_in_since(shopper: Shopper) -> None:
    """30 is asked for; loose goods go in, and then 30 is lifted out, from where it lay all the while, and put back."""
    shopper.scan(1).put(1034.0).wait(2.0).scan(12).put(330.0).wait(2.0).scan(30).wait(19.0)
    assert shopper.open == [("not_placed", "hint")]
    shopper.touch("produce", sku="S9")
    shopper.wait(2.0).put(596.0).wait(8.0).take(308.0).wait(1.0).put(308.0).wait(2.0)
    assert shopper.lines["S30"] == (1, "pending")


def test_row_13_who_scans_what_was_taken_out_tells_it_of_a_movement_that_is_still_asked_about(shopper: Shopper) -> None:
    """3 went in with loose goods and 12; asked what was taken out, the shopper scans 3: that buys no second one."""
    shopper.scan(3).wait(1.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0).scan(12).put(500.0 + 760.0 + 330.0).wait(4.0).take(500.0).wait(2.0)
    assert ("which_removed", "hint") in shopper.open
    shopper.scan(3)
    assert shopper.lines["S3"] == (1, "pending")
    assert "which_removed" not in {kind for kind, _ in shopper.open}
    shopper.wait(6.0).take(760.0).wait(1.0).put(760.0).wait(16.0)
    assert shopper.line(9).weight_g == pytest.approx(760.0, abs=1.0)
    shopper.answer("not_placed", "remove")
    assert shopper.lines == {"S9": (1, "confirmed"), "S12": (1, "confirmed")}
    assert shopper.open == []


def test_row_13_who_scans_what_was_swapped_tells_it_though_the_weights_are_somewhat_off(shopper: Shopper) -> None:
    """2 weighs 250 g and was weighed as 254 g; it is taken out as 31, of 10 g, goes in."""
    for number, weight_g in ((1, 1034.0), (10, 6000.0), (2, 254.0), (33, 432.0)):
        shopper.scan(number).put(weight_g).wait(2.0)
    shopper.scan(31).wait(1.0).take(250.0 - 10.2).wait(2.0)
    assert ("which_removed", "hint") in shopper.open
    shopper.scan(2)
    assert shopper.lines == dict.fromkeys(("S1", "S10", "S33", "S31"), (1, "confirmed"))
    assert shopper.open == []


def test_row_12_a_put_back_that_goes_on_within_a_second_was_a_part_of_something_else(shopper: Shopper) -> None:
    """12 was taken out. Something unscanned of 480 g is let down, and for a moment weighs what 12 does."""
    shopper.scan(1).put(1034.0).wait(2.0).scan(12).put(330.0).wait(4.0).take(330.0).wait(9.0)
    shopper.put(330.0, wait_s=0.5).put(150.0).wait(2.0)
    assert shopper.lines == {"S1": (1, "confirmed")}
    shopper.scan(30)
    assert shopper.line(30).weight_g == pytest.approx(480.0, abs=1.0)


def test_row_12_a_put_back_and_what_was_scanned_right_after_it_are_two_things(shopper: Shopper) -> None:
    shopper.scan(1).put(1034.0).wait(2.0).scan(12).put(330.0).wait(4.0).take(330.0).wait(9.0)
    shopper.scan(32).put(330.0, wait_s=0.5).put(190.0).wait(2.0)
    assert shopper.lines == dict.fromkeys(("S1", "S12", "S32"), (1, "confirmed"))
