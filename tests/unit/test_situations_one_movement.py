"""What belongs to one movement of a hand, and what does not: by the time between, by its weight, by what lay there."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.ledger import ItemConfirmed, ItemRemoved
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

SUGAR = item(40, 505.0, 3.0)
SOUP, PASTA = item(41, 291.0, 1.5), item(42, 155.0, 1.0)
BEANS = item(43, 153.4, 1.0)
RICE = item(44, 206.0, 2.0)
FLOUR = item(45, 339.0, 1.0)
JUICE = item(46, 784.0, 2.0)
GUM = item(47, 11.0, 0.3)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, SUGAR, SOUP, PASTA, BEANS, RICE, FLOUR, JUICE, GUM))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def test_row_12_what_goes_out_and_what_comes_in_is_one_thing_only_if_it_lay_there(shopper: Shopper) -> None:
    """3 is taken out as 42 goes in, and then 41 goes in twice, which weighs what the two differ by."""
    shopper.scan(40).put(505.0).wait(2.0).scan(3).put(445.0 + 55.0).wait(2.0)
    shopper.scan(42)
    shopper.mass_g += 155.0 - 445.0
    shopper.wait(2.5)
    shopper.scan(41).wait(0.8).scan(41).put(291.2).wait(1.0).put(291.0).wait(2.0)
    assert shopper.lines["S41"] == (2, "confirmed")


def test_row_01_a_thing_does_not_rest_in_two_movements_with_another_between(shopper: Shopper) -> None:
    """Something of 166 g, and a thing that is looked at and put back, weigh together what 40 does."""
    shopper.scan(45).put(339.0).wait(3.0)
    shopper.scan(40).put(166.0 + 5.5, wait_s=1.0)
    shopper.take(339.0, wait_s=0.8).put(339.0).wait(2.0)
    assert [event.sku for event in shopper.events(ItemConfirmed) if len(event.step_ids) > 1] == []
    assert shopper.lines == {"S45": (1, "confirmed"), "S40": (1, "pending")}


def test_row_04_what_rested_for_an_instant_at_anothers_weight_is_what_is_scanned_next(shopper: Shopper) -> None:
    """44 was scanned and left on the shelf; a hand that leans on 43 makes it weigh like that at first."""
    shopper.scan(44).wait(2.0)
    shopper.put(206.0, wait_s=0.5).take(52.6, wait_s=3.0)
    shopper.scan(43).wait(1.0)
    assert shopper.lines["S43"] == (1, "confirmed")
    assert shopper.lines["S44"] == (1, "pending")


def test_row_03_what_weighed_like_two_for_an_instant_is_one_whose_code_was_read_twice(shopper: Shopper) -> None:
    """A hand presses one 42 with just what a second one weighs, and lets go."""
    shopper.scan(42).wait(0.8).scan(42).wait(1.0)
    shopper.put(309.0, wait_s=0.5).take(154.5, wait_s=3.0)
    assert shopper.lines["S42"] == (2, "pending")
    assert shopper.line(42).placed == 1


def test_row_11_what_weighed_like_another_thing_for_an_instant_has_not_taken_that_out(shopper: Shopper) -> None:
    """45 weighs 600 g and is lifted out at its question; the hand holds it for a moment where 40 seems to be gone."""
    shopper.scan(40).put(505.0).wait(2.0).scan(41).put(291.0).wait(2.0)
    shopper.scan(45).put(600.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S45"
    shopper.take(505.0, wait_s=0.5).take(95.0, wait_s=1.5).put(600.0).wait(1.0)
    assert shopper.lines == {"S40": (1, "confirmed"), "S41": (1, "confirmed"), "S45": (1, "confirmed")}
    assert [event.sku for event in shopper.events(ItemRemoved)] == ["S40"]
    assert shopper.open == []


def test_row_16_what_a_cell_gives_late_after_a_heavy_load_is_no_thing(shopper: Shopper) -> None:
    shopper.scan(1).wait(1.0).scan(10).put(5970.0, wait_s=0.8).put(9.0).wait(3.0)
    assert shopper.lines["S10"] == (1, "confirmed")
    assert shopper.line(10).weight_g == pytest.approx(5979.0, abs=1.0)
    assert [kind for kind, _ in shopper.open if kind != "not_placed"] == []


def test_row_31_what_follows_a_scan_is_the_scanned_thing_or_a_swap_and_no_slope(shopper: Shopper) -> None:
    """44 is badly catalogued and goes in for 45, which is heavier by 20 g."""
    shopper.scan(10).put(6000.0).wait(2.0).scan(45).put(339.0).wait(3.0)
    shopper.scan(44).wait(0.5).put(319.0 - 339.0).wait(2.0)
    assert [kind for kind, _ in shopper.open] == ["which_removed"]


def test_row_13_what_may_have_been_swapped_in_before_is_not_settled_by_what_fits_it_badly(shopper: Shopper) -> None:
    """4 is taken out as 3 goes in; before anybody is asked, something unscanned goes in that is 10 g heavier than 3."""
    shopper.scan(4).put(139.0).wait(2.0)
    shopper.scan(3).wait(0.5).put(500.0 - 139.0).wait(4.0)
    shopper.put(510.0).wait(1.0)
    assert shopper.line(3).state == "pending"


def test_row_13_what_is_looked_at_as_another_thing_goes_in_and_is_back_has_not_gone(shopper: Shopper) -> None:
    """1 is looked at while 2 goes in; 46 weighs just what is missing then."""
    for number, weight_g in ((46, 784.0), (1, 1034.0), *((12, 330.0), (5, 252.5), (3, 500.0)) * 6):
        shopper.scan(number).put(weight_g).wait(2.0)
    shopper.scan(2).put(250.0 - 1034.0).wait(2.0).put(1034.0).wait(2.0).scan(4).put(139.0).wait(2.0)
    assert {sku for sku, (_, status) in shopper.lines.items() if status == "confirmed"} == shopper.lines.keys()
    assert {"S46", "S1", "S2", "S4"} <= shopper.lines.keys()
    assert shopper.open == []


def test_row_10_a_removal_that_pauses_for_an_instant_at_anothers_weight_takes_out_one_thing(shopper: Shopper) -> None:
    """On its way out 3 weighs for an instant what 4 does, and goes on by more than that."""
    shopper.scan(4).put(139.0).wait(2.0).scan(3).put(500.0).wait(4.0)
    shopper.take(139.0, wait_s=0.5).take(361.0).wait(2.0)
    assert shopper.lines == {"S4": (1, "confirmed")}
    assert shopper.open == []


def test_row_31_a_slope_right_after_a_removal_takes_nothing_more_out(shopper: Shopper) -> None:
    """1 is taken out and the cart tilts at once; what is missing then weighs nearly like 47."""
    shopper.scan(47).put(11.0).wait(2.0).scan(10).put(6000.0).wait(2.0).scan(1).put(1034.0).wait(4.0)
    shopper.take(1034.0, wait_s=0.5).take(10.5).wait(7.0).put(10.5).wait(2.0)
    assert shopper.lines == {"S47": (1, "confirmed"), "S10": (1, "confirmed")}
    assert shopper.open == []
