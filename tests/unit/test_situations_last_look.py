"""Before payment: a unit that nothing but its scan speaks for is asked about once, with all others of its kind."""

from __future__ import annotations

import math

import msgspec
import pytest

from cart.core.ledger import InterventionRaised, ItemConfirmed, ReceiptIssued
from cart.core.observations import StaffCommand
from cart.core.reconciliation import Part, priors, support, support_returned
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

SACHET, CRATE = item(50, 12.0, 0.5), item(51, 2000.0, None)
BADLY = item(52, 230.0, 1.0)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, SACHET, CRATE, BADLY))
HEAVY_G = 1800.0


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def _one_left_on_the_shelf(shopper: Shopper) -> Shopper:
    """4 is scanned and left; 7, of which nobody knows the weight, goes in, and is taken for both."""
    shopper.scan(4).wait(6.0).scan(7).put(HEAVY_G).wait(30.0)
    shopper.touch("checkout")
    return shopper


def _named(shopper: Shopper) -> list[str]:
    return [candidate.choice for candidate in shopper.question("not_placed").candidates]


def test_row_03_a_thing_left_on_the_shelf_is_not_charged_with_one_of_unknown_weight(shopper: Shopper) -> None:
    _one_left_on_the_shelf(shopper)
    assert shopper.question("not_placed").reason == "not_seen"
    assert _named(shopper) == ["S4"]
    assert shopper.phase() == "shopping"
    shopper.answer("not_placed", "S4")
    assert shopper.lines == {"S7": (1, "confirmed")}
    assert shopper.line(7).weight_g == pytest.approx(HEAVY_G, abs=1.0)
    assert shopper.phase() == "checkout"


def test_row_03_what_is_in_the_basket_after_all_is_confirmed_by_the_shopper(shopper: Shopper) -> None:
    _one_left_on_the_shelf(shopper).answer("not_placed", "in_basket")
    assert shopper.phase() == "checkout"
    shopper.touch("pay", method="card")
    shopper.till("approved")
    (receipt,) = [event.receipt for event in shopper.events(ReceiptIssued)]
    assert {line.sku: line.proof for line in receipt.lines} == {"S4": "shopper", "S7": "weighed"}


def test_who_has_looked_once_is_not_asked_again(shopper: Shopper) -> None:
    _one_left_on_the_shelf(shopper).answer("not_placed", "in_basket")
    shopper.touch("cancel")
    shopper.scan(3).put(500.3)
    shopper.touch("checkout")
    assert shopper.open == []
    assert shopper.phase() == "checkout"


def test_an_armful_of_known_weights_is_not_asked_about(shopper: Shopper) -> None:
    shopper.scan(1).wait(1.0).scan(3).wait(1.0).scan(4).wait(1.0).put(1034.0 + 500.0 + 139.0)
    shopper.touch("checkout")
    assert shopper.events(InterventionRaised) == []
    assert shopper.phase() == "checkout"


def test_what_would_be_lost_in_the_spread_of_another_is_asked_about(shopper: Shopper) -> None:
    shopper.scan(50).wait(6.0).scan(51).put(1990.0).wait(30.0)
    assert shopper.lines == {"S50": (1, "confirmed"), "S51": (1, "confirmed")}
    shopper.touch("checkout")
    assert _named(shopper) == ["S50"]


def test_a_code_read_twice_is_not_charged_with_a_badly_catalogued_thing(shopper: Shopper) -> None:
    """52 weighs what the catalogue says of it and 4 together."""
    shopper.scan(4).wait(0.8).scan(4).put(139.0).wait(10.0)
    shopper.scan(52).put(230.0 + 139.0).wait(20.0)
    assert shopper.lines == {"S4": (2, "confirmed"), "S52": (1, "confirmed")}
    shopper.touch("checkout")
    assert _named(shopper) == ["S4"]
    shopper.answer("not_placed", "S4")
    assert shopper.lines == {"S4": (1, "confirmed"), "S52": (1, "confirmed")}
    assert shopper.line(52).weight_g == pytest.approx(369.0, abs=1.0)


def test_several_doubts_are_one_question(shopper: Shopper) -> None:
    shopper.scan(50).wait(6.0).scan(51).put(1990.0).wait(30.0)
    _one_left_on_the_shelf(shopper)
    assert sorted(_named(shopper)) == ["S4", "S50"]
    shopper.answer("not_placed", "S4")
    assert _named(shopper) == ["S50"]
    assert shopper.phase() == "shopping"
    shopper.answer("not_placed", "in_basket")
    assert shopper.phase() == "checkout"
    assert [e.intervention for e in shopper.events(InterventionRaised)].count("not_placed") == 1


def test_a_thing_that_is_looked_at_keeps_no_wrong_name_unasked(shopper: Shopper) -> None:
    """The code of 2 was read twice, and something that nobody scanned weighs nearly like it."""
    shopper.scan(2).wait(0.8).scan(2).put(250.0).wait(9.0).put(255.5).wait(2.0)
    assert shopper.lines["S2"] == (2, "confirmed")
    shopper.take(255.5).wait(2.0).put(255.5).wait(2.0)
    assert shopper.lines["S2"] == (2, "confirmed")
    shopper.touch("checkout")
    assert _named(shopper) == ["S2"]


def test_a_thing_that_was_lifted_out_by_itself_has_shown_that_it_is_there(shopper: Shopper) -> None:
    shopper.scan(50).wait(6.0).scan(51).put(1990.0).wait(30.0)
    shopper.take(12.0).wait(2.0).put(12.0).wait(2.0)
    shopper.touch("checkout")
    assert shopper.phase() == "checkout"


def test_staff_who_look_into_the_basket_answer_for_all(shopper: Shopper) -> None:
    _one_left_on_the_shelf(shopper)
    asked = shopper.question("not_placed").id
    shopper.tell(StaffCommand(t_ns=shopper.t_ns, command_id="c1", action="resolve", role="staff", intervention=asked))
    assert shopper.open == []
    shopper.touch("checkout")
    assert shopper.phase() == "checkout"


def test_the_question_goes_when_the_whole_movement_is_taken_out(shopper: Shopper) -> None:
    _one_left_on_the_shelf(shopper).take(HEAVY_G)
    assert ("not_placed", "question") not in shopper.open


def test_the_proof_is_the_only_thing_that_the_answer_changes(shopper: Shopper) -> None:
    _one_left_on_the_shelf(shopper)
    before = shopper.view.total_minor, [line.weight_g for line in shopper.view.lines]
    shopper.answer("not_placed", "in_basket")
    assert (shopper.view.total_minor, [line.weight_g for line in shopper.view.lines]) == before
    assert shopper.events(ItemConfirmed)[-1].proof == "shopper"


KNOWN, UNKNOWN = Part(1, 139.0, 1.4, 2.0), Part(1, None, 0.0, 1.0)


def test_a_weight_that_is_missing_without_it_speaks_for_a_unit() -> None:
    both = [KNOWN, Part(1, 500.0, 3.0, 2.0)]
    assert min(support(both, 639.5, 1.0)) > priors.CHARGED
    assert support(both, 501.0, 1.0)[0] < priors.CHARGED


def test_beside_a_thing_of_unknown_weight_only_its_scan_speaks_for_a_unit() -> None:
    fresh, late = (support([msgspec.structs.replace(KNOWN, late_s=s), UNKNOWN], 900.0, 1.0)[0] for s in (2.0, 18.0))
    assert late < priors.CHARGED
    assert fresh - late == pytest.approx(priors.log_timing(2.0) - priors.log_timing(18.0))


def test_what_was_passed_by_a_later_scan_was_rather_left_on_the_shelf() -> None:
    passed = msgspec.structs.replace(KNOWN, passed=True)
    both = [support([part, UNKNOWN], 900.0, 1.0)[0] for part in (KNOWN, passed)]
    assert both[0] - both[1] == pytest.approx(-priors.PLACE_PASSED)


def test_three_units_scanned_one_after_the_other_are_not_one_read_twice(shopper: Shopper) -> None:
    shopper.scan(2).wait(0.8).scan(2).wait(0.8).scan(2).put(250.0).put(253.0).put(246.0)
    shopper.touch("checkout")
    assert shopper.phase() == "checkout"


def test_a_thing_of_unknown_weight_alone_is_what_came_in() -> None:
    assert support([UNKNOWN], 900.0, 1.0)[0] > priors.CHARGED


def test_of_several_of_unknown_weight_no_weight_tells_how_many() -> None:
    several = msgspec.structs.replace(UNKNOWN, units=3)
    assert support([several], 900.0, 1.0)[0] < support([UNKNOWN], 900.0, 1.0)[0] - 3.0


def test_the_longer_it_was_away_the_less_speaks_for_a_put_back() -> None:
    assert support_returned(300.0, 1.0, 2.0) - support_returned(300.0, 1.0, 47.0) == pytest.approx(3.0)
    assert support_returned(300.0, 1.0, 2.0) > priors.CHARGED
    assert math.isfinite(support_returned(0.0, 1.0, 2.0))
