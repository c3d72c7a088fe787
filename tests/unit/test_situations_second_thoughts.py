"""What shows later: counts, exchanges and weights that turn out otherwise once more has gone in, or is asked."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.ledger import InterventionRaised, ItemAdded, WeightLearned
from cart.core.observations import Look, StaffCommand
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

PEARS = item(60, None, None, unit="kg", plu="4409", price_minor=366, vision_class="pear")
SOAP = item(61, 204.0, 1.0, vision_class="soap")
RANGE = msgspec.structs.replace(
    CATALOG,
    items=(
        *ITEMS,
        PEARS,
        SOAP,
        item(62, 222.0, 2.0),
        item(63, 37.0, 0.4),
        item(64, 270.0, 2.0),
        item(65, 1010.0, 1.0),
        item(66, 1011.0, 1.0),
    ),
)


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def _asked(shopper: Shopper) -> list[str]:
    return [event.intervention for event in shopper.events(InterventionRaised) if event.stage == "question"]


def test_row_07_six_of_unknown_weight_put_in_as_one_four_and_one(shopper: Shopper) -> None:
    shopper.scan(7).touch("quantity", line=shopper.line(7).line, units=6)
    shopper.put(175.0).put(4 * 175.2).put(175.1).wait(12.0)
    assert shopper.lines == {"S7": (6, "confirmed")}
    assert shopper.open == []
    assert shopper.events(WeightLearned)[-1].weight_g == pytest.approx(175.0, abs=1.0)


def test_row_08_three_of_a_badly_catalogued_product_one_by_one_are_three(shopper: Shopper) -> None:
    """Each weighs so much more than the catalogue says that it might be two."""
    shopper.scan(62).wait(0.5).scan(62).wait(5.0).scan(62)
    shopper.put(359.0).put(343.0).put(360.5).wait(11.0)
    while shopper.open:
        shopper.answer("wrong_weight", "insist")
    assert shopper.lines == {"S62": (3, "confirmed")}


def test_row_05_one_too_many_is_still_asked_about_while_other_things_are_scanned(shopper: Shopper) -> None:
    shopper.scan(12).wait(1.0).put(660.0).wait(2.0)
    raised = shopper.question("extra_unit").id
    shopper.scan(4).wait(0.5).scan(11)
    assert shopper.question("extra_unit").id == raised


def test_row_26_a_placement_that_turns_out_otherwise_teaches_nothing(shopper: Shopper) -> None:
    """Asked about as two of 12, what went in is 8, that is scanned next."""
    shopper.scan(12).wait(1.0).put(699.0).wait(2.0)
    assert shopper.question("extra_unit").sku == "S12"
    assert len(shopper.events(WeightLearned)) == 1
    shopper.scan(8).wait(2.0)
    assert shopper.lines == {"S12": (1, "pending"), "S8": (1, "confirmed")}
    assert shopper.events(WeightLearned)[-1].samples_g == ()


def test_row_04_everything_is_scanned_says_nothing_of_a_code_that_was_read_twice(shopper: Shopper) -> None:
    shopper.scan(2).wait(0.8).scan(2).put(250.0).wait(17.0)
    shopper.scan(12).wait(0.5).scan(12).put(330.0).put(330.0).put(330.0).wait(13.0)
    shopper.answer("extra_unit", "all_scanned")
    assert shopper.line(2).placed == 1


def test_row_12_two_things_taken_out_with_one_movement_come_back_with_one(shopper: Shopper) -> None:
    shopper.scan(3).put(500.0).scan(4).put(139.0).wait(3.0)
    shopper.take(639.0).wait(4.0)
    assert shopper.lines == {}
    shopper.put(639.0)
    assert shopper.lines == {"S3": (1, "confirmed"), "S4": (1, "confirmed")}
    assert _asked(shopper) == []


@pytest.mark.parametrize(("asked_s", "stage"), [(11.0, "question"), (2.0, "hint")])
def test_row_11_what_was_taken_out_a_minute_ago_is_shown_when_asked_and_not_bought(
    shopper: Shopper, asked_s: float, stage: str
) -> None:
    shopper.scan(1).put(1034.0).scan(3).put(500.0).scan(4).put(139.0).wait(2.0)
    shopper.take(500.0).wait(30.0)
    shopper.take(77.0).wait(asked_s)
    assert shopper.question("which_removed").stage == stage
    added = len(shopper.events(ItemAdded))
    shopper.scan(3)
    assert len(shopper.events(ItemAdded)) == added


def test_row_13_who_shows_what_was_swapped_for_a_thing_of_unknown_weight_buys_no_second_one(shopper: Shopper) -> None:
    shopper.scan(1).put(1034.0).scan(62).put(222.0).wait(3.0)
    shopper.scan(7).wait(0.5).put(125.0 - 222.0).wait(2.0)
    assert shopper.open == [("which_removed", "hint")]
    shopper.scan(62)
    assert shopper.lines == {"S1": (1, "confirmed"), "S7": (1, "confirmed")}
    assert shopper.line(7).weight_g == pytest.approx(125.0, abs=2.0)
    assert shopper.open == []


def test_row_13_what_is_named_went_out_as_the_thing_went_in_that_was_lifted_out_since(shopper: Shopper) -> None:
    """3 weighs 350 g, whatever the catalogue says, and went in for 4."""
    shopper.scan(10).put(6000.0).scan(4).put(139.0).wait(3.0)
    shopper.scan(3).wait(0.5).put(350.0 - 139.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S3"
    shopper.take(350.0).wait(1.5).scan(3).put(348.8).wait(12.0)
    asked = next(view for view in shopper.view.interventions if view.reason == "swapped")
    shopper.touch("answer", intervention=asked.id, choice="S4")
    assert shopper.lines == {"S10": (1, "confirmed"), "S3": (1, "confirmed")}
    assert shopper.open == []


def test_row_11_what_fits_far_worse_than_what_is_listed_is_scanned_to_be_bought(shopper: Shopper) -> None:
    shopper.scan(1).put(1034.0).scan(65).put(1010.0).scan(66).put(1011.0).wait(2.0)
    shopper.take(1010.5).wait(2.0)
    assert shopper.open == [("which_removed", "hint")]
    shopper.scan(1).put(1034.0).wait(1.0)
    assert shopper.lines["S1"] == (2, "confirmed")
    assert shopper.open == [("which_removed", "hint")]


def test_row_05_a_code_read_twice_is_not_what_went_in_before_it_while_what_was_scanned_for_that_waits(
    shopper: Shopper,
) -> None:
    """7 and 62 went in at once; then 2 is scanned twice, and two of it would weigh about as much."""
    shopper.scan(7).wait(0.8).scan(62).wait(0.8).put(222.0 + 271.0).wait(5.0)
    shopper.scan(2).wait(0.8).scan(2).wait(0.5)
    assert shopper.line(2).placed == 0


def test_row_03_what_was_left_behind_long_before_is_not_what_was_put_in_just_before_its_scan(shopper: Shopper) -> None:
    """2 and 5 are twins; 2 was scanned, and then 3 scanned and put in."""
    shopper.scan(2).wait(2.0).scan(3).put(500.0).wait(22.0)
    shopper.put(251.5).wait(2.0).scan(5).wait(17.0)
    assert shopper.lines == {"S2": (1, "pending"), "S3": (1, "confirmed"), "S5": (1, "confirmed")}


def test_row_17_goods_that_were_picked_for_an_unscanned_thing_get_their_price_from_their_own_step(
    shopper: Shopper,
) -> None:
    """The camera sees them go in half a second after the step that made the hint."""
    shopper.put(204.3).wait(3.0)
    shopper.touch("produce", sku="S60")
    assert shopper.line(60).weight_g == pytest.approx(204.3, abs=1.0)
    shopper.wait(11.0).put(304.8, wait_s=1.0)
    shopper.tell(Look(t_ns=shopper.t_ns, frame_t_ns=shopper.t_ns - 50_000_000, direction="in", scores={"pear": 0.97}))
    shopper.wait(12.0)
    assert shopper.line(60).weight_g == pytest.approx(304.8, abs=1.0)
    assert shopper.question("unscanned_item").delta_g == pytest.approx(204.3, abs=1.0)


def test_row_06_what_all_good_stories_share_is_believed_and_only_the_rest_is_asked(shopper: Shopper) -> None:
    """Of four things put in one by one the two loose ones can't be told apart; the others can."""
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0).scan(4).wait(0.5).scan(12).wait(0.5)
    shopper.touch("produce", sku="S60")
    shopper.wait(0.8).put(470.0, wait_s=1.0).put(139.0, wait_s=1.0).put(326.0, wait_s=1.0).put(570.0).wait(2.0)
    assert shopper.line(4).weight_g == pytest.approx(139.0, abs=0.5)
    assert shopper.line(12).weight_g == pytest.approx(326.0, abs=0.5)
    assert {shopper.line(9).state, shopper.line(60).state} == {"pending"}


def test_row_16_a_hand_that_weighs_like_a_second_unit_is_no_second_unit(shopper: Shopper) -> None:
    """A code was read twice, and a hand rests on the one thing with its weight; what it takes off is no slope."""
    for _ in range(8):
        shopper.scan(1).put(1034.0)
    shopper.scan(63).wait(0.8).scan(63).wait(0.6).put(73.6, wait_s=0.65).take(36.8)
    assert shopper.line(63).placed == 1
    assert shopper.line(63).weight_g == pytest.approx(36.8, abs=0.5)


def test_row_13_a_swap_while_what_is_asked_about_is_lifted_out_is_told_by_its_own_time(shopper: Shopper) -> None:
    shopper.scan(12).put(330.0).scan(1).put(1034.0).wait(2.0)
    shopper.scan(62).put(359.0).wait(7.0).scan(2).wait(4.0)
    assert shopper.question("wrong_weight").sku == "S62"
    shopper.take(330.0 - 250.0 + 359.0).wait(1.0).scan(62).wait(0.5).put(359.0)
    assert shopper.lines == {"S1": (1, "confirmed"), "S62": (1, "confirmed"), "S2": (1, "confirmed")}
    assert shopper.open == []


def test_row_08_a_thing_is_vouched_for_at_the_weight_that_it_was_shown_at(shopper: Shopper) -> None:
    """It comes back with a second thing, and its scan says nothing of that."""
    shopper.scan(62).put(359.0).wait(11.0).take(359.0).wait(2.0)
    shopper.put(359.0 + 77.0).wait(12.0).scan(62).wait(2.0)
    assert shopper.lines == {"S62": (1, "confirmed")}
    assert shopper.line(62).weight_g == pytest.approx(359.0, abs=1.0)
    assert shopper.question("unscanned_item").delta_g == pytest.approx(77.0, abs=1.0)


def test_row_17_loose_goods_lifted_out_as_asked_were_among_what_went_in_with_a_thing_of_unknown_weight(
    shopper: Shopper,
) -> None:
    shopper.scan(7).wait(0.5).scan(12).wait(0.5)
    shopper.touch("produce", sku="S9")
    shopper.wait(0.5).scan(1).wait(0.5).put(195.0 + 327.0 + 994.0 + 1034.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S9"
    shopper.take(994.0).wait(0.5).put(994.0).wait(1.0)
    assert shopper.line(9).weight_g == pytest.approx(994.0, abs=1.0)


def test_row_08_what_was_lifted_out_to_be_shown_is_not_what_stayed_in(shopper: Shopper) -> None:
    """Of three that went in at once 64 weighs what 5 does; 5 is asked about and lifted out."""
    shopper.scan(64).wait(0.5).scan(5).wait(0.5).scan(3).wait(0.5).put(252.5 + 252.0 + 500.0).wait(13.0)
    assert shopper.question("wrong_weight").sku == "S5"
    shopper.take(252.5).wait(1.5)
    assert shopper.line(5).state == "pending"


def test_row_26_a_weight_that_was_shown_of_one_thing_is_not_another_ones(shopper: Shopper) -> None:
    """62 was asked about, shown, and is in at that weight; 2 is left on the shelf, and 62 is looked at once more."""
    shopper.scan(62).put(359.0).wait(11.0).take(359.0).wait(1.0).put(359.0).wait(5.0)
    assert shopper.line(62).placed == 1
    shopper.scan(2).wait(6.0).take(359.0).wait(1.0).put(359.0).wait(20.0)
    assert shopper.line(62).placed == 1
    assert shopper.line(2).placed == 0


def test_row_03_a_light_thing_is_found_with_a_heavy_one_however_many_went_in_since(shopper: Shopper) -> None:
    shopper.scan(63).scan(10).put(6037.0)
    for armful in ((1, 1034.0), (3, 500.0), (4, 139.0)), ((2, 250.0), (5, 252.5), (12, 330.0)), (
        (62, 222.0), (64, 270.0), (61, 204.0),
    ):  # fmt: skip
        for number, _ in armful:
            shopper.scan(number)
        shopper.put(sum(weight_g for _, weight_g in armful))
    assert shopper.line(63).state == "pending"
    shopper.wait(12.0)
    assert shopper.line(63).state == "confirmed"
    assert shopper.open == []


def test_row_17_staff_who_accept_loose_goods_price_nothing_else_with_them(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.wait(0.5).scan(3).wait(0.5).scan(62).wait(0.5).put(816.0 + 500.0 + 222.0).wait(12.0)
    asked = shopper.question("wrong_weight")
    assert asked.sku == "S9"
    shopper.tell(
        StaffCommand(t_ns=shopper.t_ns, command_id="c1", action="resolve", role="staff", intervention=asked.id)
    )
    assert shopper.line(9).weight_g == pytest.approx(816.0, abs=3.0)
    assert shopper.lines == {"S9": (1, "confirmed"), "S3": (1, "confirmed"), "S62": (1, "confirmed")}


def test_row_17_what_is_shown_went_in_with_the_heavy_thing_just_then_and_not_with_loose_goods_before(
    shopper: Shopper,
) -> None:
    shopper.touch("produce", sku="S9")
    shopper.put(593.5).wait(12.0)
    shopper.scan(10).wait(1.0).scan(4).wait(0.5).put(5930.0 + 139.0)
    shopper.touch("checkout")
    assert shopper.question("not_placed").sku == "S4"
    shopper.take(139.0).wait(1.0).put(139.0).wait(1.0)
    assert shopper.line(9).weight_g == pytest.approx(593.5, abs=1.0)
    assert shopper.line(10).weight_g == pytest.approx(5930.0, abs=2.0)


def test_row_04_everything_is_scanned_means_the_loose_goods_that_were_picked_after_they_went_in(
    shopper: Shopper,
) -> None:
    """They weigh like a second unit of 2."""
    shopper.scan(2).put(250.0).wait(2.0).put(250.5).wait(6.0)
    assert shopper.question("extra_unit").sku == "S2"
    shopper.touch("produce", sku="S9")
    shopper.wait(12.0)
    assert shopper.question("extra_unit").stage == "question"
    shopper.answer("extra_unit", "all_scanned")
    assert shopper.line(9).weight_g == pytest.approx(250.5, abs=1.0)
    assert shopper.line(2).units == 1


def test_row_17_goods_that_went_in_with_another_thing_are_no_other_goods_picked_later(shopper: Shopper) -> None:
    """3 and loose goods went in as one; the next goods went in before they were picked."""
    shopper.scan(3).wait(0.6)
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0).put(500.0 + 388.0).wait(4.0).put(590.0).wait(2.0)
    shopper.touch("produce", sku="S60")
    shopper.wait(13.0)
    assert [(asked.sku, asked.delta_g) for asked in shopper.view.interventions] == [("S9", 888.0)]
    assert shopper.line(60).weight_g == pytest.approx(590.0, abs=1.0)
    shopper.take(388.0).wait(1.5).put(388.0).wait(2.0)
    assert shopper.line(9).weight_g == pytest.approx(388.0, abs=1.0)
    assert shopper.line(3).weight_g == pytest.approx(500.0, abs=1.0)


def test_row_17_goods_of_which_something_was_taken_out_since_get_no_price(shopper: Shopper) -> None:
    """It had gone in with them, and is scanned in the hand."""
    shopper.scan(3).wait(0.6)
    shopper.touch("produce", sku="S9")
    shopper.wait(1.0).put(500.0 + 388.0).wait(13.0)
    shopper.take(500.0).wait(1.5).scan(3).wait(0.5).put(500.0).wait(2.0)
    assert shopper.line(3).weight_g == pytest.approx(500.0, abs=1.0)
    assert shopper.line(9).weight_g != pytest.approx(888.0, abs=1.0)


def test_row_07_two_of_five_of_unknown_weight_leave_three_in_the_hand(shopper: Shopper) -> None:
    """Taken for all five at first, they are fewer as soon as another goes in: who has just scanned has left nothing."""
    shopper.scan(3).put(500.0).scan(7).wait(1.0)
    shopper.touch("quantity", line=shopper.line(7).line, units=5)
    shopper.wait(1.0).put(145.5, wait_s=1.0).put(72.7, wait_s=1.0)
    assert shopper.open == []
    assert shopper.line(7).placed < 5
    shopper.put(73.4, wait_s=1.0).put(72.9).wait(12.0)
    assert shopper.lines["S7"] == (5, "confirmed")


def test_row_17_a_late_scan_gives_loose_goods_their_own_price_back(shopper: Shopper) -> None:
    """Loose goods are picked after they went in, and lose that step to what goes in next, which is scanned later."""
    shopper.put(158.8).wait(0.5)
    shopper.touch("produce", sku="S60")
    shopper.wait(4.0).put(204.2).wait(2.5)
    shopper.scan(61).wait(1.0)
    assert shopper.line(60).weight_g == pytest.approx(158.8, abs=1.0)
    assert shopper.line(61).weight_g == pytest.approx(204.2, abs=1.0)
    assert shopper.open == []


def test_row_17_loose_goods_that_are_lifted_out_as_asked_are_no_other_thing_of_their_weight(shopper: Shopper) -> None:
    """They went in with a badly catalogued thing, so that nothing tells what is left; 2 is one of many things."""
    shopper.scan(2).put(250.0)
    for number, weight_g in [(1, 1034.0), (4, 139.0), (3, 500.0)] * 7:
        shopper.scan(number).put(weight_g)
    shopper.touch("produce", sku="S9")
    shopper.wait(0.5).scan(62).wait(0.5).put(250.4 + 300.0).wait(12.0)
    assert shopper.question("wrong_weight").sku == "S9"
    shopper.take(250.4).wait(1.0)
    assert shopper.lines["S2"] == (1, "confirmed")
    shopper.put(250.4).wait(1.0)
    assert shopper.line(9).weight_g == pytest.approx(250.4, abs=1.0)
    assert shopper.lines["S2"] == (1, "confirmed")


def test_row_17_what_went_in_with_loose_goods_does_not_take_their_weight_in_hindsight(shopper: Shopper) -> None:
    """Of 7 nobody knows the weight, so all three may be in the movement as well as the two that are no loose goods."""
    shopper.scan(7).wait(0.8).scan(10).wait(0.8)
    shopper.touch("produce", sku="S9")
    shopper.wait(0.5).put(446.0 + 6146.0 + 810.0).wait(5.0).scan(4).put(139.0).wait(8.0)
    assert shopper.lines["S7"] == (1, "pending")
    assert shopper.question("wrong_weight").sku == "S9"


def test_row_16_a_hand_that_swings_back_belongs_to_the_movement_before(shopper: Shopper) -> None:
    """It weighed like 1 for a moment, and takes nothing out of loose goods that went in with that before."""
    shopper.scan(3).wait(0.5)
    shopper.touch("produce", sku="S9")
    shopper.wait(0.5).scan(1).wait(0.5).put(500.0 + 270.0 + 1034.0).wait(2.0)
    assert shopper.question("wrong_weight").sku == "S9"
    shopper.scan(62).wait(1.0).scan(4).wait(1.0).put(222.0 + 139.0 + 673.0, wait_s=0.65).take(673.0)
    assert shopper.line(9).state == "pending"
    assert (shopper.line(62).state, shopper.line(4).state) == ("confirmed", "confirmed")
