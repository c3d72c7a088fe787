"""Explanations that later evidence turns round, up to payment."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.effects import Indicate
from cart.core.ledger import InterventionRaised, ItemRemoved, ItemReopened, StepExplained
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

HEAVY = item(20, 2340.0, 23.0)
SACHET = item(21, 23.0, 0.5)
OTHER = item(22, 500.8, 3.0)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, HEAVY, SACHET, OTHER))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def revisions(shopper: Shopper) -> list[str]:
    return [e.won for e in shopper.events(StepExplained) if e.won.startswith("revised")]


def test_a_light_thing_lost_in_a_heavy_ones_spread_is_found_before_asking(shopper: Shopper) -> None:
    shopper.scan(21).wait(1.0).scan(20).wait(1.0).put(23.0 + 2333.0)
    shopper.wait(16.0)
    assert shopper.lines == {"S21": (1, "confirmed"), "S20": (1, "confirmed")}
    assert shopper.events(InterventionRaised) == []
    shopper.take(23.0)
    assert shopper.lines == {"S20": (1, "confirmed")}


def test_a_light_thing_left_on_the_shelf_long_before_is_asked_about(shopper: Shopper) -> None:
    shopper.scan(21).wait(10.0).scan(20).wait(1.0).put(2333.0).wait(5.0)
    assert shopper.open == [("not_placed", "hint")]


def test_a_light_thing_believed_in_is_taken_back_out_when_its_own_step_comes(shopper: Shopper) -> None:
    shopper.scan(20).wait(1.0).scan(21).wait(1.0).put(2390.0)
    assert shopper.lines == {"S20": (1, "confirmed"), "S21": (1, "confirmed")}
    shopper.put(23.1).wait(1.0)
    assert shopper.lines == {"S20": (1, "confirmed"), "S21": (1, "confirmed")}
    assert shopper.events(InterventionRaised) == []
    assert shopper.line(21).weight_g == pytest.approx(23.1, abs=0.5)
    assert shopper.line(20).weight_g == pytest.approx(2390.0, abs=1.0)
    assert revisions(shopper) == ["revised: put in: Item 20", "revised: put in: Item 21"]


def test_what_was_taken_for_a_put_back_was_another_thing(shopper: Shopper) -> None:
    shopper.scan(3).put(500.3).take(500.3).wait(40.0)
    shopper.put(500.6)
    assert shopper.lines == {"S3": (1, "confirmed")}
    shopper.wait(2.0).scan(22)
    assert shopper.lines == {"S22": (1, "confirmed")}
    assert shopper.open == []
    assert len(revisions(shopper)) == 1


def test_a_put_back_thing_scanned_again_is_no_second_unit(shopper: Shopper) -> None:
    shopper.scan(3).put(500.3).take(500.3).put(500.3).scan(3).wait(16.0)
    assert shopper.lines == {"S3": (1, "confirmed")}
    assert shopper.open == []


def test_a_scan_before_the_basket_rests_tells_the_removal(shopper: Shopper) -> None:
    shopper.scan(2).put(251.2).scan(5).put(251.4)
    shopper.take(251.3, wait_s=0.05).scan(5).wait(2.0)
    assert shopper.lines == {"S2": (1, "confirmed")}
    assert shopper.open == []
    assert [e.told for e in shopper.events(ItemRemoved)][-1] is True


def test_a_second_code_that_can_be_read_settles_the_first(shopper: Shopper) -> None:
    shopper.scan(999).wait(1.0).scan(3).put(500.3)
    assert shopper.lines == {"S3": (1, "confirmed")}
    assert shopper.open == []


def test_two_things_out_at_once_and_one_scanned(shopper: Shopper) -> None:
    shopper.scan(2).put(251.2).scan(5).put(251.4).scan(3).put(500.0)
    shopper.take(500.0 + 251.3)
    assert [kind for kind, _ in shopper.open] == ["which_removed"]
    shopper.scan(5)
    assert shopper.lines == {"S2": (1, "confirmed")}
    assert shopper.open == []


def test_a_revision_reopens_and_confirms_anew(shopper: Shopper) -> None:
    shopper.scan(21).wait(1.0).scan(20).wait(1.0).put(23.0 + 2333.0).wait(16.0)
    assert [e.sku for e in shopper.events(ItemReopened)] == ["S20"]
    assert shopper.view.total_minor == (100 + 20) + (100 + 21)


def test_the_light_shows_what_the_trip_waits_for(shopper: Shopper) -> None:
    shopper.scan(3).put(500.3)
    shopper.scan(999)
    lights = [e.light for e in shopper.effects if isinstance(e, Indicate)]
    assert lights == ["green", "amber", "green", "red"]


def test_many_forgotten_scans_ask_a_bounded_number_of_questions(shopper: Shopper) -> None:
    many = msgspec.structs.replace(CATALOG, items=tuple(item(100 + n, 50.0 + 13.7 * n) for n in range(60)))
    shopper = Shopper(many).started()
    for number in range(100, 160):
        shopper.scan(number)
    shopper.wait(20.0)
    assert len(shopper.open) == 32
    records = len(shopper.records())
    shopper.wait(5.0)
    assert len(shopper.records()) == records
    assert shopper.session.next_deadline_ns is not None
    assert shopper.session.next_deadline_ns > shopper.t_ns


FIRST = item(23, 600.0, 12.0)
SECOND = item(24, 636.0, 5.0)
WRONG = item(30, 400.0, 4.0)
MORE = msgspec.structs.replace(RANGE, items=(*RANGE.items, FIRST, SECOND, WRONG))


@pytest.fixture
def buyer() -> Shopper:
    return Shopper(MORE).started()


def test_row_17_produce_that_weighs_like_two_others_is_priced_by_its_own_step(buyer: Shopper) -> None:
    buyer.touch("produce", sku="S9")
    buyer.scan(3).scan(2).put(750.4, wait_s=0.8).put(500.2, wait_s=0.8).put(250.1, wait_s=0.8)
    buyer.wait(12.0)
    assert buyer.lines == {"S9": (1, "confirmed"), "S3": (1, "confirmed"), "S2": (1, "confirmed")}
    assert buyer.line(9).weight_g == pytest.approx(750.4, abs=1.0)
    assert buyer.open == []


def test_two_scans_put_in_in_exchanged_order_are_exchanged_again(buyer: Shopper) -> None:
    buyer.scan(23).wait(1.0).put(636.0)
    assert buyer.lines == {"S23": (1, "confirmed")}
    buyer.scan(24).wait(1.0).put(600.0)
    assert buyer.lines == {"S23": (1, "confirmed"), "S24": (1, "confirmed")}
    assert buyer.open == []
    assert buyer.line(24).weight_g == pytest.approx(636.0, abs=1.0)


def test_a_scan_that_is_followed_by_its_own_step_gives_back_the_step_it_took(buyer: Shopper) -> None:
    buyer.scan(30).put(500.3).wait(5.0)
    assert buyer.open == [("wrong_weight", "hint")]
    buyer.scan(3).wait(1.0).put(500.4)
    assert buyer.line(3).state == "confirmed"
    assert buyer.line(30).state == "pending"
    assert buyer.open == [("wrong_weight", "hint")]


@pytest.mark.parametrize("movements", [(1, 1, 1, 1), (4,)])
def test_row_07_several_of_a_product_of_unknown_weight(buyer: Shopper, movements: tuple[int, ...]) -> None:
    buyer.scan(7)
    buyer.touch("quantity", line=buyer.line(7).line, units=4)
    for count in movements:
        buyer.put(count * 194.0)
    buyer.wait(17.0)
    assert (buyer.line(7).units, buyer.line(7).placed) == (4, 4)
    assert buyer.open == []


def test_row_17_no_second_thought_prices_produce_out_of_a_shared_step(buyer: Shopper) -> None:
    buyer.touch("produce", sku="S9")
    buyer.scan(1).wait(1.0).put(1034.0 + 415.0, wait_s=1.0)
    buyer.scan(3).wait(1.0).put(500.2).wait(20.0)
    assert buyer.line(9).state == "pending"
    assert ("wrong_weight", "question") in buyer.open


def test_a_thing_scanned_twice_takes_no_other_things_step(buyer: Shopper) -> None:
    buyer.scan(2, times=2).put(250.3).wait(5.0)
    buyer.scan(5).wait(1.0).put(250.6)
    assert buyer.line(5).state == "confirmed"
    assert (buyer.line(2).units, buyer.line(2).placed) == (2, 1)


def test_a_light_thing_that_was_seen_going_in_is_seen_going_out(buyer: Shopper) -> None:
    buyer.scan(6).put(4.4).wait(2.0).take(4.3)
    assert "S6" not in buyer.lines
    assert buyer.open == []


def test_a_removal_that_is_asked_about_is_no_part_of_what_goes_in_later(buyer: Shopper) -> None:
    buyer.scan(2).put(250.0).scan(5).put(250.6)
    buyer.take(250.3).wait(16.0)
    assert buyer.open == [("which_removed", "question")]
    buyer.scan(1).wait(1.0).put(1034.0)
    assert buyer.line(1).weight_g == pytest.approx(1034.0, abs=1.0)
    assert buyer.open == [("which_removed", "question")]


def test_row_13_a_swap_that_one_rest_shows_is_asked_about_as_a_removal(buyer: Shopper) -> None:
    for number, mass_g in ((1, 1034.0), (2, 250.2), (4, 139.2), (12, 330.5), (24, 636.0), (8, 700.0)):
        buyer.scan(number).put(mass_g)
    buyer.scan(3).wait(1.0).put(500.1 - 139.2)
    asked = buyer.question("which_removed")
    assert "S4" in [c.choice for c in asked.candidates]
    buyer.answer("which_removed", "S4")
    assert "S4" not in buyer.lines
    assert buyer.line(3).state == "confirmed"


def test_row_15_a_bag_put_in_before_produce_is_picked_is_not_the_produce(buyer: Shopper) -> None:
    buyer.put(330.0, wait_s=1.0)
    buyer.touch("produce", sku="S9")
    buyer.wait(1.5).put(612.0)
    assert buyer.line(9).weight_g == pytest.approx(612.0, abs=1.0)
    assert buyer.open == [("unscanned_item", "hint")]
    buyer.answer("unscanned_item", "mine")
    assert buyer.open == []


def test_row_12_what_weighed_just_so_going_out_and_in_is_no_other_thing_that_is_scanned_later(shopper: Shopper) -> None:
    """2 is put back after half a minute; 5, scanned a while later, weighs nearly as much."""
    shopper.scan(2).put(247.0).wait(2.0).take(247.0).wait(25.0).put(247.0).wait(12.0)
    shopper.scan(5).put(252.5).wait(2.0)
    assert shopper.lines == {"S2": (1, "confirmed"), "S5": (1, "confirmed")}
    assert shopper.open == []
