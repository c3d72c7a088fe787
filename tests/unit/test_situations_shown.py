"""What people show at a plain question tells more than what the cart believed: which unit it is, and what it weighs."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.ledger import OwnThing
from cart.core.observations import StaffCommand
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

UNKNOWN = item(30, None, None)
BADLY = item(34, 330.0, 2.0)
PEARS = item(36, None, None, unit="kg", plu="4012", price_minor=299)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, UNKNOWN, BADLY, PEARS))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def test_row_04_what_was_scanned_before_and_is_scanned_again_as_asked_is_no_further_unit(shopper: Shopper) -> None:
    """What went in unscanned weighs nearly like 3."""
    shopper.put(501.5).wait(1.0).scan(3).put(500.0).wait(12.0)
    assert shopper.open == [("unscanned_item", "question")]
    shopper.take(500.0).wait(1.0).scan(3)
    assert shopper.lines == {}
    shopper.put(500.0).wait(1.0)
    assert shopper.lines == {"S3": (1, "confirmed")}
    assert [kind for kind, _ in shopper.open] == ["unscanned_item"]


def test_row_08_what_is_scanned_at_a_question_about_another_thing_is_no_further_unit(shopper: Shopper) -> None:
    """3 is looked at and put back, which a bump hid half of; the question takes it for what went in for 1."""
    shopper.scan(3).put(500.0).wait(2.0).scan(1).wait(6.0)
    shopper.take(470.0).wait(2.0).answer("which_removed", "none_of_these").put(500.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S1"
    shopper.take(500.0).wait(1.0).scan(3).put(500.0).wait(1.0)
    assert shopper.lines == {"S3": (1, "confirmed"), "S1": (1, "pending")}


def test_row_05_who_shows_a_unit_a_second_time_means_a_further_one(shopper: Shopper) -> None:
    shopper.put(501.5).wait(1.0).scan(3).put(500.0).wait(12.0)
    shopper.take(500.0).wait(1.0).scan(3).put(500.0).wait(12.0)
    shopper.take(500.0).wait(1.0).scan(3).put(500.0).wait(1.0)
    assert shopper.lines["S3"][0] == 2


def test_row_08_what_is_scanned_in_the_hand_is_in_no_movement_before(shopper: Shopper) -> None:
    """Three units of a badly catalogued product: one of them is out while another's movement is asked about."""
    shopper.scan(3).wait(0.8).scan(3).wait(0.8).scan(3).put(781.0).wait(0.5).put(779.0).wait(0.5).put(782.0).wait(9.0)
    assert ("wrong_weight", "question") in shopper.open
    shopper.take(782.0).wait(1.0).scan(3)
    assert shopper.line(3).placed <= 2
    shopper.put(782.0).wait(2.0)
    assert (shopper.line(3).units, shopper.line(3).placed) == (3, 3)
    assert shopper.line(3).weight_g == pytest.approx(781.0 + 779.0 + 782.0, abs=5.0)


def test_row_08_a_thing_that_took_anothers_name_is_the_one_that_is_shown(shopper: Shopper) -> None:
    """34 weighs 480 g; what went in for it was taken for 30, of which nobody knows the weight."""
    shopper.scan(34).wait(1.0).put(720.0).wait(2.0).scan(30).wait(1.0).put(480.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S34"
    shopper.take(480.0).wait(1.0).put(480.0).wait(2.0)
    assert shopper.lines == {"S34": (1, "confirmed"), "S30": (1, "confirmed")}
    assert shopper.line(34).weight_g == pytest.approx(480.0, abs=1.0)
    assert shopper.line(30).weight_g == pytest.approx(720.0, abs=1.0)
    assert shopper.open == []


def test_row_05_what_is_shown_is_no_second_unit_of_what_was_read_twice(shopper: Shopper) -> None:
    """5 weighs nearly like 2 and goes in before its scan; a light thing may have gone in with 10, but not 5."""
    shopper.scan(2).wait(0.8).scan(2).put(250.0).wait(6.0).put(252.0).wait(2.0)
    shopper.scan(5).scan(10).put(6000.0).wait(27.0)
    assert shopper.lines == {"S2": (2, "confirmed"), "S5": (1, "pending"), "S10": (1, "confirmed")}
    shopper.take(252.0).wait(1.5).put(252.0).wait(2.0)
    assert shopper.lines == {"S2": (2, "pending"), "S5": (1, "confirmed"), "S10": (1, "confirmed")}
    assert shopper.line(2).placed == 1


def test_row_03_what_is_shown_went_in_for_its_twin_that_was_left_on_the_shelf(shopper: Shopper) -> None:
    shopper.scan(2).wait(4.0).put(251.5).wait(1.0).scan(5).wait(27.0)
    assert shopper.lines == {"S2": (1, "confirmed"), "S5": (1, "pending")}
    shopper.take(251.5).wait(1.5).put(251.5).wait(2.0)
    assert shopper.lines == {"S2": (1, "pending"), "S5": (1, "confirmed")}


def test_row_11_a_thing_that_lay_there_at_anothers_weight_goes_at_its_own(shopper: Shopper) -> None:
    """What went in for 2 weighed 399 g, and the shopper stood by it; taken out is 2 itself."""
    shopper.scan(2).put(399.0).wait(11.0).answer("wrong_weight", "insist")
    assert shopper.line(2).weight_g == pytest.approx(399.0, abs=1.0)
    shopper.scan(10).put(6000.0).wait(30.0)
    shopper.take(250.2).wait(11.0)
    assert ("which_removed", "question") in shopper.open
    shopper.scan(2)
    assert shopper.lines == {"S10": (1, "confirmed")}
    assert shopper.open == []


def test_row_12_what_nobody_scanned_is_no_put_back_once_the_shopper_says_what_it_is(shopper: Shopper) -> None:
    """34 is badly catalogued and goes in first; 2 was taken out for good, and weighs what 34 does."""
    shopper.scan(2).put(250.0).wait(2.0).take(250.0).wait(6.0)
    shopper.put(250.8).wait(2.0)
    assert shopper.lines == {"S2": (1, "confirmed")}
    shopper.scan(34).wait(27.0)
    assert ("not_placed", "question") in shopper.open
    shopper.answer("not_placed", "in_basket")
    assert shopper.lines == {"S34": (1, "confirmed")}
    assert shopper.line(34).proof == "shopper"


def test_row_12_a_put_back_is_no_thing_that_has_shown_another_weight(shopper: Shopper) -> None:
    """7 is light, though the catalogue does not say so: of two one has shown it, the other is lost in what follows."""
    shopper.scan(2).put(250.0).wait(2.0).take(250.0).wait(4.0).put(250.0).wait(3.0)
    shopper.scan(7).wait(1.3).scan(7).wait(1.5).put(5.6).wait(2.0)
    shopper.scan(4).wait(1.0).put(139.0).wait(27.0)
    shopper.answer("not_placed", "in_basket")
    assert shopper.lines == {"S2": (1, "confirmed"), "S7": (2, "confirmed"), "S4": (1, "confirmed")}


def test_row_12_what_comes_back_with_a_thing_of_unknown_weight_is_asked_about_before_paying(shopper: Shopper) -> None:
    """4 was swapped for 30; lifted out and put back by itself, 30 weighs what both were believed to."""
    shopper.scan(4).put(139.0).wait(2.0).scan(3).put(500.0).wait(2.0).scan(30).wait(0.5)
    shopper.put(921.2 - 139.0).wait(6.0)
    shopper.take(921.2).wait(3.0).put(921.2).wait(3.0)
    shopper.touch("checkout")
    named = [candidate.choice for view in shopper.view.interventions for candidate in view.candidates]
    assert named == ["S4"]
    shopper.answer("not_placed", "S4")
    assert shopper.lines == {"S3": (1, "confirmed"), "S30": (1, "confirmed")}


def test_row_08_what_is_shown_while_another_thing_goes_in_weighs_what_its_own_movement_did(shopper: Shopper) -> None:
    shopper.scan(34).wait(1.0).put(480.0).wait(11.0)
    assert shopper.question("wrong_weight").sku == "S34"
    shopper.scan(4).wait(0.5).put(139.0 - 480.0).wait(1.0)
    shopper.scan(34).put(480.0).wait(2.0)
    assert shopper.lines == {"S34": (1, "confirmed"), "S4": (1, "confirmed")}
    assert shopper.line(34).weight_g == pytest.approx(480.0, abs=1.0)
    assert shopper.open == []


def test_row_13_what_is_shown_had_gone_in_as_another_thing_was_taken_out_for_it(shopper: Shopper) -> None:
    """34 went in for 4; something unscanned went in later, and is heavy enough to have been 34 and more."""
    shopper.scan(4).put(139.0).wait(2.0).scan(2).put(250.0).wait(2.0)
    shopper.scan(34).wait(0.5).put(330.0 - 139.0).wait(4.0).put(420.0).wait(9.0)
    for _ in range(2):
        if ("wrong_weight", "question") in shopper.open:
            shopper.take(330.0).wait(1.0).put(330.0).wait(2.0)
    assert "S4" not in shopper.lines
    assert shopper.lines["S34"] == (1, "confirmed")


def test_row_13_what_was_taken_out_for_it_may_have_gone_in_with_another_of_its_kind(shopper: Shopper) -> None:
    shopper.scan(4).wait(1.0).scan(4).put(278.0).wait(2.0).scan(2).put(250.0).wait(2.0)
    shopper.scan(34).wait(0.5).put(330.0 - 139.0).wait(4.0).put(420.0).wait(9.0)
    for _ in range(2):
        if ("wrong_weight", "question") in shopper.open:
            shopper.take(330.0).wait(1.0).put(330.0).wait(2.0)
    assert shopper.lines["S4"] == (1, "confirmed")
    assert shopper.lines["S34"] == (1, "confirmed")


def test_row_17_loose_goods_put_in_alone_came_out_of_whichever_movement_they_were_in(shopper: Shopper) -> None:
    """Asked about one movement, and too heavy for it; two of them had gone in with a later one."""
    shopper.touch("produce", sku="S9")
    shopper.touch("produce", sku="S36")
    shopper.wait(0.5).put(521.0).wait(1.0).put(584.0 + 651.0).wait(12.0)
    asked = next(view for view in shopper.view.interventions if view.stage == "question" and view.reason == "not_alone")
    shopper.take(584.0).wait(1.5).put(584.0).wait(2.0)
    line = next(line for line in shopper.view.lines if line.sku == asked.sku)
    assert line.weight_g == pytest.approx(584.0, abs=1.0)


def test_row_17_of_two_picks_of_the_same_goods_neither_is_priced_by_what_may_be_both(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.wait(0.7)
    shopper.touch("produce", sku="S9")
    shopper.wait(0.5).put(689.0 + 681.0).wait(2.0)
    assert [line.weight_g for line in shopper.view.lines] == [None, None]
    assert [view.reason for view in shopper.view.interventions] == ["not_alone"]


def test_row_17_goods_that_went_in_as_another_thing_was_lifted_out_are_put_in_alone(shopper: Shopper) -> None:
    """2 and 5 are twins: 5 went in for 2, and is asked for. It is lifted out while loose goods go in."""
    shopper.scan(2).wait(4.0).put(251.5).wait(1.0).scan(5).wait(24.0)
    shopper.touch("produce", sku="S9")
    shopper.wait(2.0).put(977.0 - 251.5, wait_s=2.0)
    shopper.put(251.5, wait_s=2.0)
    assert shopper.line(9).weight_g is None
    shopper.wait(10.0)
    assert [view.sku for view in shopper.view.interventions if view.reason == "not_alone"] == ["S9"]
    shopper.take(977.0).wait(2.0).put(977.0).wait(2.0)
    assert shopper.line(9).weight_g == pytest.approx(977.0, abs=1.0)


def test_row_17_goods_that_were_taken_for_none_of_the_stores_are_the_ones_that_are_shown(shopper: Shopper) -> None:
    """They went in before they were picked, and all that was known to be scanned had been scanned."""
    shopper.put(492.0).wait(12.0).answer("unscanned_item", "all_scanned")
    shopper.touch("produce", sku="S9")
    shopper.wait(26.0)
    assert ("not_placed", "question") in shopper.open
    shopper.take(492.0).wait(1.5).put(492.0).wait(2.0)
    assert shopper.line(9).weight_g == pytest.approx(492.0, abs=1.0)
    assert not shopper.events(OwnThing)[-1].in_basket


def test_row_17_goods_that_are_shown_are_no_second_pick_of_their_kind(shopper: Shopper) -> None:
    """Both went in with 3; the one that has been weighed alone is shown when the other is asked for."""
    shopper.scan(3).wait(0.6)
    shopper.touch("produce", sku="S9")
    shopper.wait(0.7)
    shopper.touch("produce", sku="S9")
    shopper.wait(0.5).put(500.0 + 755.0 + 714.0).wait(12.0)
    shopper.take(755.0).wait(1.5).put(755.0).wait(13.0)
    assert _weights_g(shopper, "S9") == [0.0, pytest.approx(755.0, abs=1.0)]
    shopper.take(755.0).wait(1.5).put(755.0).wait(2.0)
    assert _weights_g(shopper, "S9") == [0.0, pytest.approx(755.0, abs=1.0)]
    asked = next(view for view in shopper.view.interventions if view.reason == "not_alone")
    shopper.take(755.0).wait(1.5).put(755.0).wait(2.0)
    shopper.tell(
        StaffCommand(t_ns=shopper.t_ns, command_id="c1", action="resolve", role="staff", intervention=asked.id)
    )
    assert _weights_g(shopper, "S9") == [pytest.approx(714.0, abs=3.0), pytest.approx(755.0, abs=1.0)]


def _weights_g(shopper: Shopper, sku: str) -> list[float]:
    return sorted(line.weight_g or 0.0 for line in shopper.view.lines if line.sku == sku)
