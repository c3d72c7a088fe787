"""Where the cart must not be too sure: prices of shared steps, a touch of pay in motion, a start without history."""

from __future__ import annotations

import pytest

from cart.core.ledger import AttemptOpened, ItemConfirmed, StaffActed
from cart.core.observations import PowerReturned, StaffCommand
from tests.unit.shopper import Shopper, revived


@pytest.fixture
def shopper() -> Shopper:
    return Shopper().started()


def _three_and_bananas(shopper: Shopper) -> Shopper:
    shopper.scan(1).scan(2).scan(12)
    shopper.touch("produce", sku="S9")
    return shopper.put(1034.0 + 250.0 + 330.0 + 570.0)


def test_produce_in_one_step_with_scanned_things_is_not_priced_at_the_whole_weight(shopper: Shopper) -> None:
    _three_and_bananas(shopper)
    assert shopper.line(9).state == "pending"
    assert shopper.question("wrong_weight").line == shopper.line(9).line
    shopper.wait(11.0)
    assert shopper.open[0] == ("wrong_weight", "question")


def test_produce_taken_out_and_put_in_alone_settles_all_four(shopper: Shopper) -> None:
    _three_and_bananas(shopper).wait(11.0)
    shopper.take(570.0).wait(1.0).put(570.0)
    assert [state for _, state in shopper.lines.values()] == ["confirmed"] * 4
    assert shopper.line(9).weight_g == pytest.approx(570.0, abs=2.0)
    assert shopper.open == []


def test_produce_alone_after_being_asked_is_believed(shopper: Shopper) -> None:
    shopper.scan(2)
    shopper.touch("produce", sku="S9")
    shopper.put(900.0).wait(11.0)
    assert shopper.open[0] == ("wrong_weight", "question")
    shopper.take(900.0).put(900.0)
    assert shopper.line(9).weight_g == pytest.approx(900.0, abs=1.0)


def test_the_other_things_own_step_shows_that_produce_went_in_alone(shopper: Shopper) -> None:
    shopper.scan(2)
    shopper.touch("produce", sku="S9")
    shopper.put(700.0).put(250.0)
    assert shopper.lines == {"S2": (1, "confirmed"), "S9": (1, "confirmed")}
    assert shopper.line(9).weight_g == pytest.approx(700.0, abs=1.0)
    assert shopper.open == []


def test_produce_with_nothing_else_waiting_is_priced_at_once(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.put(2221.0)
    assert shopper.line(9).weight_g == pytest.approx(2221.0, abs=1.0)
    assert shopper.open == []


def _at_checkout_still_moving(shopper: Shopper) -> Shopper:
    shopper.scan(3).put(500.3)
    shopper.touch("checkout")
    for _ in range(12):
        shopper.mass_g += 40.0
        shopper.wait(0.05)
        shopper.mass_g -= 40.0
        shopper.wait(0.05)
    assert shopper.view.checkout_waits_for == ["settling"]
    return shopper


def test_pay_touched_while_settling_starts_when_still(shopper: Shopper) -> None:
    _at_checkout_still_moving(shopper).touch("pay", method="card")
    assert shopper.events(AttemptOpened) == []
    assert shopper.view.pay_when_still == "card"
    shopper.wait(2.0)
    assert len(shopper.events(AttemptOpened)) == 1
    assert shopper.phase() == "paying"
    assert shopper.view.pay_when_still is None


def test_a_cancel_takes_the_wish_to_pay_back(shopper: Shopper) -> None:
    _at_checkout_still_moving(shopper).touch("pay", method="card")
    shopper.touch("cancel")
    shopper.wait(2.0)
    shopper.touch("checkout")
    shopper.wait(2.0)
    assert shopper.events(AttemptOpened) == []


def test_a_basket_change_takes_the_wish_to_pay_back(shopper: Shopper) -> None:
    _at_checkout_still_moving(shopper).touch("pay", method="card")
    shopper.put(250.0, wait_s=3.0)
    assert shopper.events(AttemptOpened) == []
    assert shopper.phase() == "shopping"


def _swing(shopper: Shopper, seconds: float) -> Shopper:
    for _ in range(round(seconds / 0.1)):
        shopper.mass_g += 40.0
        shopper.wait(0.05)
        shopper.mass_g -= 40.0
        shopper.wait(0.05)
    return shopper


def test_a_basket_that_swings_for_ten_seconds_takes_no_wish_to_pay_back(shopper: Shopper) -> None:
    _at_checkout_still_moving(shopper).touch("pay", method="card")
    _swing(shopper, 10.0)
    assert shopper.view.pay_when_still == "card"
    assert shopper.view.checkout_waits_for == ["settling"]
    shopper.wait(3.0)
    assert len(shopper.events(AttemptOpened)) == 1


def test_the_wish_to_pay_is_forgotten_after_twenty_seconds_and_the_screen_says_what_is_waited_for(
    shopper: Shopper,
) -> None:
    _at_checkout_still_moving(shopper).touch("pay", method="card")
    _swing(shopper, 21.0)
    assert shopper.view.pay_when_still is None
    assert shopper.view.checkout_waits_for == ["settling"]
    shopper.wait(3.0)
    assert shopper.events(AttemptOpened) == []
    assert shopper.phase() == "checkout"


def test_a_restart_forgets_the_wish_to_pay(shopper: Shopper) -> None:
    _at_checkout_still_moving(shopper).touch("pay", method="card")
    shopper.session = revived(shopper, shopper.records())
    shopper.tell(PowerReturned(t_ns=shopper.t_ns, off_s=5.0))
    shopper.wait(3.0)
    assert shopper.events(AttemptOpened) == []


def _booted(load_g: float) -> Shopper:
    shopper = Shopper()
    shopper.tell(PowerReturned(t_ns=0, off_s=None))
    shopper._draw()
    shopper.mass_g = load_g
    return shopper.wait(1.5)


def test_goods_in_the_cart_before_its_first_boot_are_seen() -> None:
    shopper = _booted(1034.0)
    assert shopper.open == [("unscanned_item", "hint")]
    shopper.scan(1)
    assert shopper.lines == {"S1": (1, "confirmed")}
    assert shopper.open == []


@pytest.mark.parametrize("drift_g", [-45.0, -12.0, 12.0, 45.0])
def test_a_zero_that_has_drifted_asks_nothing_at_first_boot(drift_g: float) -> None:
    shopper = _booted(drift_g)
    assert shopper.phase() == "idle"
    shopper.touch("start")
    shopper.scan(2).put(250.2)
    assert shopper.lines == {"S2": (1, "confirmed")}
    assert shopper.open == []


def test_without_word_of_a_boot_the_first_rest_is_empty() -> None:
    shopper = Shopper()
    shopper.mass_g = 1034.0
    shopper.wait(1.5)
    assert shopper.open == []


def _staff(shopper: Shopper, action: str, command_id: str, intervention: int | None = None) -> None:
    shopper.tell(
        StaffCommand(t_ns=shopper.t_ns, command_id=command_id, action=action, intervention=intervention)  # type: ignore[arg-type]
    )


def test_one_age_check_is_one_involvement_however_often_it_is_sent(shopper: Shopper) -> None:
    shopper.scan(8).put(700.0)
    for command_id in ("c1", "c1", "c2", "c3"):
        _staff(shopper, "age_ok", command_id)
    _staff(shopper, "resolve", "c4", intervention=77)
    shopper.pay().till("approved")
    receipt = shopper.view.receipt
    assert receipt is not None
    assert receipt.staff_interventions == 1


def test_a_late_copy_of_a_command_does_nothing_after_a_restart(shopper: Shopper) -> None:
    shopper.scan(3).put(500.3)
    _staff(shopper, "lock", "c1")
    _staff(shopper, "release", "c2")
    shopper.session = revived(shopper, shopper.records())
    shopper.tell(PowerReturned(t_ns=shopper.t_ns, off_s=5.0))
    _staff(shopper, "lock", "c1")
    assert shopper.view.locked is False
    assert [e.command_id for e in shopper.events(StaffActed)] == ["c1", "c2"]


def test_staff_cannot_sell_produce_without_a_weight(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.wait(26.0)
    _staff(shopper, "resolve", "c1", intervention=shopper.question("not_placed").id)
    assert shopper.line(9).state == "pending"
    shopper.put(600.0)
    assert shopper.line(9).weight_g == pytest.approx(600.0, abs=1.0)


def test_produce_picked_later_takes_no_weight_that_was_there_before(shopper: Shopper) -> None:
    shopper.scan(2).put(250.2).put(250.4)
    assert shopper.open == [("extra_unit", "hint")]
    shopper.touch("produce", sku="S9")
    shopper.put(620.0)
    assert shopper.line(9).weight_g == pytest.approx(620.0, abs=1.0)
    assert [kind for kind, _ in shopper.open] == ["extra_unit"]


def test_an_exact_thing_just_scanned_is_not_half_of_another(shopper: Shopper) -> None:
    shopper.scan(12).put(60.0)
    assert [kind for kind, _ in shopper.open] == ["wrong_weight"]
    shopper.scan(2).put(250.0)
    assert shopper.lines["S2"] == (1, "confirmed")


def test_what_the_scale_says_of_produce_is_what_is_priced(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.put(600.0)
    assert [e.weight_g for e in shopper.events(ItemConfirmed)] == [pytest.approx(600.0, abs=0.5)]
    assert shopper.view.total_minor == 119


def test_another_step_does_not_become_the_produce_while_one_is_in_doubt(shopper: Shopper) -> None:
    shopper.scan(2)
    shopper.touch("produce", sku="S9")
    shopper.put(543.0 + 250.0)
    assert [kind for kind, _ in shopper.open] == ["wrong_weight"]
    shopper.put(119.0)
    assert shopper.line(9).state == "pending"


def test_produce_is_not_priced_by_a_thing_of_a_wrong_catalogue_weight(shopper: Shopper) -> None:
    shopper.scan(3).put(137.0).wait(2.0)
    assert [kind for kind, _ in shopper.open] == ["wrong_weight"]
    shopper.touch("produce", sku="S9")
    assert shopper.line(9).state == "pending"
    shopper.put(450.0)
    assert shopper.line(9).weight_g == pytest.approx(450.0, abs=1.0)


def test_staff_can_let_produce_go_that_was_to_be_weighed_anew(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    for command_id in ("c1", "c2"):
        shopper.wait(16.0)
        _staff(shopper, "resolve", command_id, intervention=shopper.question("not_placed").id)
    assert shopper.line(9).state == "confirmed"
    assert shopper.line(9).proof == "staff"
    assert shopper.view.total_minor == 0
