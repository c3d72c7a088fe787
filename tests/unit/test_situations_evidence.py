"""What an honest answer rules out, what is shown twice, what may be in one movement: evidence for the best story."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.observations import Look, StaffCommand
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

UNKNOWN = item(70, None, None)
PEARS = item(71, None, None, unit="kg", plu="4409", price_minor=366)
JUICE = item(72, 283.0, 4.2)
SOUP = item(73, 140.0, 1.5)
SOAP = item(74, 700.0, 2.0, vision_class="soap")
SACHET = item(75, 2.7, 0.2, vision_class="sachet")
JAM = item(76, 4.2, 0.2, vision_class="jam")
RANGE = msgspec.structs.replace(
    CATALOG, items=(*ITEMS, UNKNOWN, PEARS, JUICE, SOUP, SOAP, SACHET, JAM, item(77, 921.0, 6.0), item(78, 66.0, 1.0))
)


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def test_row_13_everything_is_scanned_leaves_the_swap_of_what_looks_like_one_too_many(shopper: Shopper) -> None:
    """279 g go in and 140 g out in one go: that weighs like another 140 g, until the shopper says otherwise."""
    for number, mass_g in ((1, 1034.0), (2, 250.2), (3, 500.1), (12, 330.5), (77, 921.0), (78, 66.0)):
        shopper.scan(number).put(mass_g)
    shopper.scan(73).put(141.0).wait(3.0).scan(72).wait(2.5).put(279.3 - 140.0).wait(12.0)
    asked = next(i for i in shopper.view.interventions if i.stage == "question")
    assert (asked.kind, asked.sku) == ("extra_unit", "S73")
    shopper.answer("extra_unit", "all_scanned")
    assert shopper.open == []
    assert "S73" not in shopper.lines
    assert shopper.lines["S72"] == (1, "confirmed")


def test_row_13_none_of_these_asks_about_what_is_likeliest_to_weigh_otherwise(shopper: Shopper) -> None:
    """Of two things that went in at once the heavy one is badly catalogued, and something seemed to have gone out."""
    for number, mass_g in ((4, 139.2), (3, 500.1), (2, 250.2)):
        shopper.scan(number).put(mass_g)
    shopper.scan(77).wait(1.5).scan(78).wait(1.5).put(921.0 + 66.0 - 139.2).wait(1.0)
    shopper.answer("which_removed", "none_of_these")
    assert shopper.question("wrong_weight").sku == "S77"


def test_row_26_two_things_of_unknown_weight_in_one_movement_are_both_in(shopper: Shopper) -> None:
    shopper.scan(4).wait(1.0).scan(7).wait(1.0).scan(70).wait(1.0).put(139.1 + 420.0 + 655.0).wait(20.0)
    assert shopper.lines == {"S4": (1, "confirmed"), "S7": (1, "confirmed"), "S70": (1, "confirmed")}
    assert shopper.open == []


def test_row_17_of_two_things_of_unknown_weight_one_is_asked_for_alone_and_tells_of_both(shopper: Shopper) -> None:
    shopper.scan(70).wait(1.0).touch("produce", sku="S71")
    shopper.wait(1.0).put(2065.0 + 314.4).wait(11.0)
    asked = next(i for i in shopper.view.interventions if i.stage == "question")
    assert (asked.sku, asked.reason) == ("S70", "not_alone")
    shopper.take(2065.0).wait(1.0).put(2065.0).wait(2.0)
    assert shopper.line(70).weight_g == pytest.approx(2065.0, abs=2.0)
    assert shopper.line(71).weight_g == pytest.approx(314.4, abs=2.0)
    assert shopper.open == []


def _lost_in_another(shopper: Shopper) -> None:
    """Loose goods are in the basket, and their weight is another thing's by staff's word."""
    shopper.scan(12).wait(1.0).put(720.0).wait(11.0)
    shopper.answer("wrong_weight", "insist")
    _staff(shopper, "resolve", "seen", shopper.question("wrong_weight").id)
    shopper.touch("produce", sku="S71")
    shopper.wait(26.0)
    assert shopper.open == [("not_placed", "question")]


def _staff(shopper: Shopper, action: str, command_id: str, intervention: int | None = None) -> None:
    shopper.tell(
        StaffCommand(
            t_ns=shopper.t_ns, command_id=command_id, action=action, role="staff", reason="seen",  # type: ignore[arg-type]
            intervention=intervention,
        )
    )  # fmt: skip


def test_row_17_loose_goods_that_are_asked_for_and_shown_twice_weigh_what_was_shown(shopper: Shopper) -> None:
    _lost_in_another(shopper)
    shopper.take(451.0).wait(1.0).put(451.0).wait(3.0)
    assert shopper.line(71).state == "pending"
    shopper.take(451.0).wait(1.0).put(451.0).wait(3.0)
    assert shopper.line(71).weight_g == pytest.approx(451.0, abs=1.0)
    assert shopper.open == []


def test_row_17_loose_goods_that_staff_has_weighed_alone_cost_what_they_weigh(shopper: Shopper) -> None:
    _lost_in_another(shopper)
    shopper.take(451.0).wait(1.0).put(451.0).wait(3.0)
    _staff(shopper, "resolve", "weighed", shopper.question("not_placed").id)
    assert shopper.line(71).weight_g == pytest.approx(451.0, abs=1.0)
    assert shopper.open == []


def test_row_12_what_went_in_before_a_put_back_was_not_passed_over_by_it(shopper: Shopper) -> None:
    """A thing is looked at and put back; another that weighs nearly so is scanned later and left on the shelf."""
    shopper.scan(2).put(249.9).wait(20.0).scan(4).put(139.1, wait_s=1.0)
    shopper.take(249.9).wait(1.5).put(249.9).wait(9.5)
    shopper.scan(5).wait(16.0)
    assert shopper.lines["S2"] == (1, "confirmed")
    assert shopper.open == [("not_placed", "hint")]


def test_row_08_a_look_at_what_is_badly_catalogued_speaks_for_no_swap(shopper: Shopper) -> None:
    """What the camera sees of the scanned thing tells nothing of what it weighs."""
    for number, mass_g in ((4, 139.2), (3, 500.1), (2, 250.2)):
        shopper.scan(number).put(mass_g)
    shopper.scan(74).wait(6.0).put(700.0 - 139.2).wait(0.5)
    before = [(i.kind, i.stage) for i in shopper.view.interventions]
    look = Look(t_ns=shopper.t_ns, frame_t_ns=shopper.t_ns - 50_000_000, direction="in", scores={"soap": 0.95})
    shopper.tell(look)
    shopper.wait(1.0)
    assert shopper.open == before
    assert shopper.lines["S4"] == (1, "confirmed")


def test_row_25_a_light_thing_keeps_its_scan_when_what_was_seen_of_it_was_another(shopper: Shopper) -> None:
    shopper.scan(75).wait(3.0).put(4.2, wait_s=0.6)
    for _ in range(2):
        shopper.wait(0.1)
        shopper.tell(
            Look(t_ns=shopper.t_ns, frame_t_ns=shopper.t_ns - 50_000_000, direction="in", scores={"jam": 0.97})
        )
    assert shopper.open == [("wrong_item", "hint")]
    shopper.scan(76)
    assert shopper.lines == {"S75": (1, "confirmed"), "S76": (1, "confirmed")}


def test_row_08_a_unit_too_many_that_is_dropped_leaves_the_others_waiting(shopper: Shopper) -> None:
    shopper.scan(12).wait(0.6).scan(12).wait(0.6).put(2 * 415.0).wait(12.0)
    assert shopper.open == [("wrong_weight", "question")]
    shopper.answer("wrong_weight", "remove")
    assert shopper.lines == {"S12": (1, "pending")}


def test_row_08_what_is_plainly_asked_about_is_lifted_out_however_soon_after_another_thing(shopper: Shopper) -> None:
    """Half a second after loose goods went in: they keep their weight, and the thing waits in the hand."""
    shopper.scan(12).wait(1.0).put(415.0).wait(12.0)
    assert shopper.open == [("wrong_weight", "question")]
    shopper.touch("produce", sku="S71")
    shopper.wait(1.0).put(570.0, wait_s=0.6).take(415.0).wait(1.0)
    assert shopper.line(71).weight_g == pytest.approx(570.0, abs=1.0)
    shopper.put(415.0).wait(1.0)
    assert shopper.line(12).weight_g == pytest.approx(415.0, abs=1.0)
    assert shopper.open == []
