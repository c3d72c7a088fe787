"""Row 17's camera guess, things the camera was taught, and what shows a thing that went out after a long search."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.enrolled import own_class
from cart.core.observations import Look
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

APPLES = item(60, None, None, unit="kg", plu="4012", price_minor=299, vision_class="apple")
PEARS = item(61, None, None, unit="kg", plu="4013", price_minor=329, vision_class="pear")
SIX_PEARS = item(62, 900.0, 15.0, vision_class="pear")
OURS = item(63, 300.4, 2.0, vision_class=own_class("S63"))
THEIRS = item(64, 300.0, 2.0, vision_class="jam")
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, APPLES, PEARS, SIX_PEARS, OURS, THEIRS))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def look(shopper: Shopper, scores: dict[str, float], direction: str = "in", *, age_s: float = 0.05) -> None:
    frame_ns = shopper.t_ns - round(age_s * 1e9)
    shopper.tell(Look(t_ns=shopper.t_ns, frame_t_ns=frame_ns, direction=direction, scores=scores))  # type: ignore[arg-type]


def guesses(shopper: Shopper) -> list[str]:
    return shopper.session.view().guesses


def test_row_17_loose_goods_held_up_to_the_camera_are_offered_first(shopper: Shopper) -> None:
    assert guesses(shopper) == []
    look(shopper, {"pear": 0.7, "apple": 0.2, "none": 0.05}, "unknown")
    assert guesses(shopper) == ["S61", "S60"]  # and not the six pears in a tray, which have a code


def test_row_17_what_was_shown_long_ago_or_went_out_is_no_guess(shopper: Shopper) -> None:
    look(shopper, {"pear": 0.9}, "out")
    assert guesses(shopper) == []
    look(shopper, {"pear": 0.9}, "unknown")
    assert guesses(shopper.wait(9.5)) == ["S61"]
    assert guesses(shopper.wait(1.0)) == []


def test_row_17_put_in_first_and_picked_then_from_the_cameras_guess(shopper: Shopper) -> None:
    shopper.put(412.0, wait_s=1.0)
    look(shopper, {"apple": 0.8, "pear": 0.1})
    assert guesses(shopper)[0] == "S60"
    shopper.touch("produce", sku="S60")
    shopper.wait(1.0)
    assert shopper.lines == {"S60": (1, "confirmed")}
    assert guesses(shopper) == []  # it is explained: the next that is picked is another thing


def test_row_9_a_product_that_the_camera_was_taught_is_told_from_one_it_was_trained_on(shopper: Shopper) -> None:
    shopper.scan(64).put(300.2, wait_s=0.6)
    for _ in range(2):
        look(shopper, {own_class("S63"): 0.96, "jam": 0.0005})
        shopper.wait(0.7)
    assert shopper.open == [("wrong_item", "hint")]
    assert [c.choice for c in shopper.question("wrong_item").candidates] == ["S63"]


def test_row_9_and_the_other_way_round(shopper: Shopper) -> None:
    shopper.scan(63).put(300.2, wait_s=0.6)
    for _ in range(2):
        look(shopper, {"jam": 0.96, own_class("S63"): 0.0005})
        shopper.wait(0.7)
    assert [c.choice for c in shopper.question("wrong_item").candidates] == ["S64"]


def test_row_9_never_accuses_and_holds_nobody_up(shopper: Shopper) -> None:
    shopper.scan(64).put(300.2, wait_s=0.6)
    for _ in range(2):
        look(shopper, {own_class("S63"): 0.96, "jam": 0.0005})
        shopper.wait(0.7)
    shopper.wait(30.0)
    assert shopper.open == [("wrong_item", "question")]
    shopper.answer("wrong_item", "insist")
    assert shopper.open == []
    assert shopper.session.view().can_checkout


def test_row_9_what_lies_in_the_basket_already_is_the_neighbour_that_was_seen(shopper: Shopper) -> None:
    shopper.scan(63).put(300.4)
    shopper.scan(64).put(300.2, wait_s=0.6)
    for _ in range(2):
        look(shopper, {own_class("S63"): 0.96, "jam": 0.0005})
        shopper.wait(0.7)
    assert shopper.open == []


def test_row_9_an_error_of_the_classifier_is_not_made_likelier_by_being_repeated(shopper: Shopper) -> None:
    shopper.scan(64).put(300.2, wait_s=0.6)
    for _ in range(5):
        look(shopper, {own_class("S63"): 0.95, "jam": 0.02})
        shopper.wait(0.3)
    assert shopper.open == []


def test_row_9_the_same_frame_told_twice_is_one_look(shopper: Shopper) -> None:
    shopper.scan(64).put(300.2, wait_s=0.6)
    for age_s in (0.05, 0.05):
        look(shopper, {own_class("S63"): 0.96, "jam": 0.0005}, age_s=age_s)
    assert shopper.open == []


def test_row_11_who_searched_long_before_taking_is_seen_taking_it_all_the_same(shopper: Shopper) -> None:
    shopper.scan(63).put(300.0).scan(64).put(301.5)
    shopper.wait(9.0).take(301.2, wait_s=0.6)
    assert [kind for kind, _ in shopper.open] == ["which_removed"]
    look(shopper, {"jam": 0.97}, "out", age_s=8.5)  # the last frame before the hand reached in
    assert shopper.lines == {"S63": (1, "confirmed")}
    assert shopper.open == []


def test_row_11_a_frame_from_long_before_shows_another_thing(shopper: Shopper) -> None:
    shopper.scan(63).put(300.0).scan(64).put(301.5)
    shopper.wait(20.0).take(301.2, wait_s=0.6)
    look(shopper, {"jam": 0.97}, "out", age_s=18.0)
    assert ("which_removed", "hint") in shopper.open
