"""What the camera adds (rows 4, 9, 11 and 17), and what it may not do."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart.core.ledger import InterventionRaised, ItemRemoved, WeightLearned
from cart.core.observations import Look
from cart.core.reconciliation import priors, sight
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

APPLE = item(40, 300.0, 2.0, vision_class="apple")
PEAR = item(41, 300.6, 2.0, vision_class="pear")
MELON = item(42, 1500.0, 20.0, vision_class="melon")
LOOSE_APPLES = item(43, None, None, unit="kg", plu="4012", price_minor=299, vision_class="apple")
JAR = item(44, None, None, vision_class="jar")
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, APPLE, PEAR, MELON, LOOSE_APPLES, JAR))

PLAINLY_PEAR = {"pear": 0.97, "apple": 0.0005, "melon": 0.001}
PLAINLY_APPLE = {"apple": 0.97, "pear": 0.001}


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def look(shopper: Shopper, scores: dict[str, float], direction: str = "in", *, age_s: float = 0.05) -> None:
    shopper.wait(0.2)
    frame_ns = shopper.t_ns - round(age_s * 1e9)
    shopper.tell(Look(t_ns=shopper.t_ns, frame_t_ns=frame_ns, direction=direction, scores=scores))  # type: ignore[arg-type]


def kinds(shopper: Shopper) -> list[str]:
    return [e.intervention for e in shopper.events(InterventionRaised)]


def test_row_4_what_the_camera_saw_is_named_first_even_half_a_second_late(shopper: Shopper) -> None:
    shopper.put(300.2, wait_s=1.0)
    assert shopper.question("unscanned_item").candidates == []
    look(shopper, {"pear": 0.7, "apple": 0.25, "melon": 0.02})
    assert [c.choice for c in shopper.question("unscanned_item").candidates] == ["S41", "S40", "S43"]


def test_row_4_an_old_look_or_one_at_something_taken_out_names_nothing(shopper: Shopper) -> None:
    look(shopper, PLAINLY_PEAR)
    shopper.wait(4.0).put(300.2, wait_s=1.0)
    look(shopper, PLAINLY_PEAR, "out")
    look(shopper, PLAINLY_PEAR, "moved")
    assert shopper.question("unscanned_item").candidates == []


def test_row_9_the_same_weight_but_plainly_another_look_asks_for_a_scan(shopper: Shopper) -> None:
    shopper.scan(40).put(300.2, wait_s=0.6)
    look(shopper, PLAINLY_PEAR)
    assert shopper.open == []
    look(shopper, PLAINLY_PEAR)
    assert shopper.open == [("wrong_item", "hint")]
    shopper.scan(41)
    assert shopper.lines == {"S41": (1, "confirmed")}
    assert shopper.open == []


def test_row_9_naming_it_on_the_screen_is_as_good(shopper: Shopper) -> None:
    shopper.scan(40).put(300.2, wait_s=0.6)
    look(shopper, PLAINLY_PEAR)
    look(shopper, PLAINLY_PEAR)
    shopper.answer("wrong_item", "S41")
    assert shopper.lines == {"S41": (1, "confirmed")}


def test_row_9_who_insists_is_believed_and_nobody_is_called(shopper: Shopper) -> None:
    shopper.scan(40).put(300.2, wait_s=0.6)
    look(shopper, PLAINLY_PEAR)
    look(shopper, PLAINLY_PEAR)
    shopper.answer("wrong_item", "insist")
    look(shopper, PLAINLY_PEAR)
    assert shopper.open == []
    assert shopper.lines == {"S40": (1, "confirmed")}


def test_row_9_what_may_weigh_anything_was_scanned_all_the_same_and_waits_again(shopper: Shopper) -> None:
    shopper.scan(44).put(300.2, wait_s=0.6)  # a light jar is in the basket, too, that the scale has not seen
    look(shopper, PLAINLY_PEAR)
    look(shopper, PLAINLY_PEAR)
    assert shopper.open == [("wrong_item", "hint")]
    shopper.scan(41)
    assert shopper.lines == {"S41": (1, "confirmed"), "S44": (1, "pending")}
    assert [e.samples_g for e in shopper.events(WeightLearned)][-1] == ()  # the pear's weight is not the jar's


def test_row_9_scanning_the_same_again_at_the_question_is_no_further_unit(shopper: Shopper) -> None:
    shopper.scan(40).put(300.2, wait_s=0.6)
    look(shopper, PLAINLY_PEAR)
    look(shopper, PLAINLY_PEAR)
    shopper.wait(10.5).scan(40)
    assert shopper.open == []
    assert shopper.lines == {"S40": (1, "confirmed")}


def test_row_9_taking_it_out_settles_it(shopper: Shopper) -> None:
    shopper.scan(40).put(300.2, wait_s=0.6)
    look(shopper, PLAINLY_PEAR)
    look(shopper, PLAINLY_PEAR)
    shopper.take(300.2)
    assert shopper.open == []
    assert shopper.lines == {}


@pytest.mark.parametrize(
    "scores",
    [
        {"melon": 0.97, "apple": 0.001},  # a melon weighs five times as much
        {"pear": 0.6, "apple": 0.3},
        {"none": 0.99, "apple": 0.001},
    ],
)
def test_row_9_looks_that_tell_nothing_ask_nothing(shopper: Shopper, scores: dict[str, float]) -> None:
    shopper.scan(40).put(300.2, wait_s=0.6)
    for _ in range(4):
        look(shopper, scores)
    assert shopper.open == []


def test_row_9_looks_that_disagree_ask_nothing(shopper: Shopper) -> None:
    shopper.scan(40).put(300.2, wait_s=0.6)
    look(shopper, PLAINLY_PEAR)
    look(shopper, {"melon": 0.97, "apple": 0.001})
    assert shopper.open == []


def test_row_11_of_two_that_nearly_weigh_alike_the_look_tells_which_went(shopper: Shopper) -> None:
    shopper.scan(40).put(300.0).scan(41).put(301.5)
    shopper.take(301.2, wait_s=0.6)
    assert kinds(shopper) == ["which_removed"]
    look(shopper, PLAINLY_PEAR, "out")
    assert shopper.lines == {"S40": (1, "confirmed")}
    assert shopper.open == []


def test_row_11_a_look_alone_names_nothing(shopper: Shopper) -> None:
    shopper.scan(40).put(300.0).scan(41).put(300.0)
    shopper.take(300.0, wait_s=0.6)
    look(shopper, PLAINLY_PEAR, "out")
    assert shopper.open == [("which_removed", "hint")]
    assert shopper.events(ItemRemoved) == []


@given(st.floats(0.0, 1.0))
def test_a_look_weighs_less_than_any_margin(score: float) -> None:
    assert 0.0 <= sight.bonus(score) <= sight.BONUS_MAX
    assert priors.margin(20.0, 1.0) > sight.BONUS_MAX
    assert priors.margin(2.0, 1.0) > sight.BONUS_MAX


@given(st.dictionaries(st.sampled_from(["apple", "pear", "melon", "none"]), st.floats(0.0, 1.0), max_size=4))
def test_one_look_never_outweighs_how_rarely_things_are_mixed_up(scores: dict[str, float]) -> None:
    _, against = sight.log_other([scores], "apple")
    assert against <= math.log(1.0 / sight.ELSEWHERE) + 1e-9
    assert against < -sight.MIXED_UP


def test_row_09_a_scan_at_the_hint_shows_the_thing_again_and_buys_no_second_one(shopper: Shopper) -> None:
    shopper.scan(40).put(300.2, wait_s=0.6)
    look(shopper, PLAINLY_PEAR)
    look(shopper, PLAINLY_PEAR)
    assert shopper.open == [("wrong_item", "hint")]
    shopper.scan(40)
    assert shopper.lines == {"S40": (1, "confirmed")}
    assert shopper.open == []
