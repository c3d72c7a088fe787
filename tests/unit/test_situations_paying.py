"""spec.md's rows 28–30 and its section 3: gates, paying, unloading, staff, power cuts."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.effects import QueryPayment, RequestPayment
from cart.core.frozen_basket import till_code
from cart.core.ledger import AttemptOpened, CouponEntered, PhaseChanged, ReceiptIssued, SecurityNoted, TripStarted
from cart.core.observations import PartChanged, PowerReturned, StaffCommand
from cart.core.promotions import Coupon
from cart.core.settings import Policy
from tests.unit.shopper import CATALOG, Shopper, revived


@pytest.fixture
def shopper() -> Shopper:
    return Shopper().started().scan(1).put(1030.0)


def staff(shopper: Shopper, action: str, **fields: object) -> None:
    command_id = f"c{shopper.t_ns}.{action}"
    shopper.tell(StaffCommand(t_ns=shopper.t_ns, command_id=command_id, action=action, **fields))  # type: ignore[arg-type]


def test_row_28_approved(shopper: Shopper) -> None:
    shopper.pay().till("approved")
    assert shopper.phase() == "paid"
    receipts = shopper.events(ReceiptIssued)
    assert [r.receipt.total_minor for r in receipts] == [101]
    assert receipts[0].receipt.lines[0].proof == "weighed"
    assert receipts[0].receipt.remote_reviewers == 0


def test_row_28_declined_then_another_attempt(shopper: Shopper) -> None:
    shopper.pay().till("declined")
    assert shopper.phase() == "checkout"
    shopper.touch("pay", method="wallet")
    assert [e.attempt_id for e in shopper.events(AttemptOpened)] == ["trip1.1", "trip1.2"]
    shopper.till("approved")
    assert shopper.phase() == "paid"


def test_row_28_no_answer_is_asked_after_never_sent_again(shopper: Shopper) -> None:
    shopper.pay().wait(40.0)
    assert shopper.phase() == "paying"
    assert any(isinstance(e, QueryPayment) for e in shopper.effects)
    assert sum(isinstance(e, RequestPayment) for e in shopper.effects) == 1
    shopper.till("approved")
    assert shopper.phase() == "paid"


def test_row_28_answered_twice(shopper: Shopper) -> None:
    shopper.pay().till("approved")
    shopper.till("approved")
    assert len(shopper.events(ReceiptIssued)) == 1


def test_row_28_another_amount_is_a_security_event(shopper: Shopper) -> None:
    shopper.pay().till("approved", amount_minor=1)
    assert shopper.phase() == "paying"
    assert len(shopper.events(SecurityNoted)) == 1


def test_row_28_late_approval_of_a_withdrawn_attempt(shopper: Shopper) -> None:
    shopper.pay()
    shopper.touch("cancel")
    shopper.till("cancelled")
    assert shopper.phase() == "checkout"
    shopper.till("approved")
    assert shopper.phase() == "checkout"
    assert shopper.events(ReceiptIssued) == []


def test_row_29_scans_are_declined_while_paying(shopper: Shopper) -> None:
    shopper.pay().scan(2)
    assert shopper.lines == {"S1": (1, "confirmed")}
    shopper.till("approved")
    assert shopper.phase() == "paid"


def test_row_29_a_weight_change_is_basket_changed(shopper: Shopper) -> None:
    shopper.pay().put(500.0)
    assert shopper.open == [("basket_changed", "question")]
    shopper.take(500.0)
    assert shopper.open == []


def test_row_29_withdrawn_after_a_change_the_thing_is_asked_about(shopper: Shopper) -> None:
    shopper.pay().put(500.0)
    shopper.touch("cancel")
    shopper.till("cancelled")
    assert shopper.phase() == "shopping"
    assert shopper.open == [("unscanned_item", "hint")]


def test_row_29_an_approval_pays_only_the_frozen_basket(shopper: Shopper) -> None:
    shopper.pay().put(500.0).till("approved")
    assert shopper.phase() == "paid"
    assert shopper.open == [("unpaid_item", "question")]
    assert shopper.events(ReceiptIssued)[0].receipt.total_minor == 101


def test_row_30_a_code_for_a_till_is_never_paid_by_itself(shopper: Shopper) -> None:
    shopper.pay("till")
    payment = shopper.view.payment
    assert payment is not None
    assert payment.state == "handed_to_till"
    assert payment.code is not None
    shopper.wait(60.0)
    shopper.touch("cancel")
    assert shopper.phase() == "paying"
    shopper.till("approved")
    assert shopper.phase() == "paid"


def test_checkout_waits_for_open_questions(shopper: Shopper) -> None:
    shopper.put(500.0)
    shopper.touch("checkout")
    assert shopper.phase() == "shopping"
    assert shopper.open == [("unscanned_item", "question")]
    shopper.scan(3)
    shopper.touch("checkout")
    assert shopper.phase() == "checkout"


def test_checkout_asks_about_what_was_never_put_in(shopper: Shopper) -> None:
    shopper.scan(2)
    shopper.touch("checkout")
    assert shopper.phase() == "shopping"
    assert shopper.open == [("not_placed", "question")]


def test_checkout_to_shopping_on_cancel_and_on_a_scan(shopper: Shopper) -> None:
    shopper.touch("checkout")
    shopper.touch("cancel")
    assert shopper.phase() == "shopping"
    shopper.touch("checkout")
    shopper.scan(2)
    assert shopper.phase() == "shopping"
    assert shopper.lines["S2"] == (1, "pending")


def test_something_put_in_at_checkout_leads_back(shopper: Shopper) -> None:
    shopper.touch("checkout")
    shopper.put(500.0)
    assert shopper.phase() == "shopping"
    assert shopper.open == [("unscanned_item", "hint")]


def test_unloading_then_idle(shopper: Shopper) -> None:
    shopper.scan(2).put(250.0).pay().till("approved")
    shopper.take(1030.0).wait(5.0)
    assert shopper.phase() == "paid"
    assert shopper.open == []
    shopper.take(250.0).wait(5.0)
    assert shopper.phase() == "idle"
    shopper.scan(3)
    assert [e.trip_id for e in shopper.events(TripStarted)] == ["trip1", "trip2"]


def test_put_in_after_paying_is_unpaid(shopper: Shopper) -> None:
    shopper.pay().till("approved")
    shopper.put(500.0)
    assert shopper.open == [("unpaid_item", "question")]
    shopper.take(500.0)
    assert shopper.open == []


def test_row_23_a_coupon_is_in_the_total_at_once() -> None:
    coupon = Coupon(id="c1", code="SAVE10", amount_minor=10)
    shopper = Shopper(msgspec.structs.replace(CATALOG, promotions=(coupon,))).started().scan(1)
    shopper.touch("coupon", code="nonsense")
    assert shopper.view.total_minor == 101
    shopper.touch("coupon", code="save10")
    assert shopper.view.total_minor == 91
    assert shopper.view.savings_minor == 10
    assert [e.accepted for e in shopper.events(CouponEntered)] == [False, True]


@pytest.mark.parametrize("code", ["9912345000120", "SAVE10"])
def test_row_23_a_scanned_coupon_is_entered_as_if_typed(code: str) -> None:
    coupon = Coupon(id="c1", code=code, amount_minor=10)
    shopper = Shopper(msgspec.structs.replace(CATALOG, promotions=(coupon,))).started().scan(1)
    shopper.scan_text(code)
    assert (shopper.view.total_minor, shopper.view.savings_minor) == (91, 10)
    shopper.scan_text(code)
    assert (shopper.view.total_minor, shopper.open) == (91, [])
    shopper.scan_text("9912345000137")
    assert [kind for kind, _ in shopper.open] == ["unknown_barcode"]


def test_a_first_scan_starts_a_trip() -> None:
    shopper = Shopper().wait(1.0)
    assert shopper.phase() == "idle"
    shopper.scan(1)
    assert shopper.phase() == "shopping"
    assert shopper.lines == {"S1": (1, "pending")}


def test_an_empty_trip_ends_and_an_abandoned_one_too() -> None:
    shopper = Shopper(policy=Policy(abandon_s=60.0, empty_idle_s=20.0)).started().wait(21.0)
    assert shopper.phase() == "idle"
    shopper.scan(1).put(1030.0).tick(61.0)
    assert shopper.phase() == "idle"
    assert [e.reason for e in shopper.events(PhaseChanged)][-1] == "abandoned"
    shopper.touch("start")
    assert shopper.open == [("unscanned_item", "hint")]


def test_staff_voids_a_trip_and_a_line(shopper: Shopper) -> None:
    shopper.scan(2).put(250.0)
    staff(shopper, "void_line", line=shopper.line(2).line)
    assert shopper.lines == {"S1": (1, "confirmed")}
    shopper.take(250.0)
    assert shopper.open == []
    staff(shopper, "void_trip")
    assert shopper.phase() == "idle"


def test_a_locked_cart_takes_no_scans(shopper: Shopper) -> None:
    staff(shopper, "lock")
    shopper.scan(2)
    assert shopper.view.locked
    assert shopper.lines == {"S1": (1, "confirmed")}
    staff(shopper, "release")
    shopper.scan(2)
    assert shopper.lines["S2"] == (1, "pending")


def test_a_repeated_staff_command_counts_once(shopper: Shopper) -> None:
    command = StaffCommand(t_ns=shopper.t_ns, command_id="x", action="lock")
    assert shopper.tell(command) != []
    assert shopper.tell(command) == []


def test_training_in_maintenance_cannot_pay() -> None:
    shopper = Shopper().wait(1.0)
    staff(shopper, "maintenance")
    assert shopper.phase() == "maintenance"
    shopper.put(2000.0).take(2000.0)
    staff(shopper, "training")
    assert shopper.phase() == "shopping"
    shopper.scan(1).put(1030.0).pay()
    assert shopper.view.training
    assert shopper.phase() == "checkout"


def test_staff_accepts_a_wrong_weight(shopper: Shopper) -> None:
    shopper.scan(4).put(350.0).answer("wrong_weight", "insist")
    open_ = shopper.question("wrong_weight")
    assert open_.stage == "staff"
    staff(shopper, "resolve", intervention=open_.id, choice="accept", role="floor", reason="catalogue is wrong")
    assert shopper.open == []
    assert shopper.line(4).proof == "staff"


def test_a_change_while_the_power_was_off_is_reconciled(shopper: Shopper) -> None:
    shopper.scan(2).put(250.0)
    later = Shopper(session=revived(shopper, shopper.records()), t_ns=5_000_000)
    later.mass_g = shopper.mass_g - 250.0
    later.tell(PowerReturned(t_ns=later.t_ns, off_s=30.0))
    later.wait(2.0)
    assert later.lines == {"S1": (1, "confirmed")}
    assert later.open == []


def test_nothing_changed_while_the_power_was_off(shopper: Shopper) -> None:
    shopper.scan(2).wait(5.0)
    later = Shopper(session=revived(shopper, shopper.records()), t_ns=5_000_000)
    later.mass_g = shopper.mass_g
    later.tell(PowerReturned(t_ns=later.t_ns, off_s=2.0))
    later.wait(1.0)
    assert later.view.lines == shopper.view.lines
    assert later.view.total_minor == shopper.view.total_minor
    assert later.open == []
    later.wait(8.0)
    assert later.open == []
    later.wait(6.5)  # 15 s after the scan, up to the last thing noted before the cut
    assert later.open == [("not_placed", "hint")]


def test_zero_may_wander_while_the_power_is_off(shopper: Shopper) -> None:
    later = Shopper(session=revived(shopper, shopper.records()), t_ns=5_000_000)
    later.mass_g = shopper.mass_g + 25.0
    later.tell(PowerReturned(t_ns=later.t_ns, off_s=3600.0))
    later.wait(2.0)
    assert later.lines == {"S1": (1, "confirmed")}
    assert later.open == []


def test_the_same_change_within_a_second_is_a_thing(shopper: Shopper) -> None:
    later = Shopper(session=revived(shopper, shopper.records()), t_ns=5_000_000)
    later.mass_g = shopper.mass_g + 25.0
    later.tell(PowerReturned(t_ns=later.t_ns, off_s=1.0))
    later.wait(2.0)
    assert later.open == [("unscanned_item", "hint")]


def test_a_restart_while_paying_asks_after_the_same_attempt(shopper: Shopper) -> None:
    shopper.pay()
    later = Shopper(session=revived(shopper, shopper.records()), t_ns=5_000_000)
    later.mass_g = shopper.mass_g
    later.tell(PowerReturned(t_ns=later.t_ns, off_s=None))
    later.wait(1.0)
    assert later.phase() == "paying"
    assert [e.attempt_id for e in later.effects if isinstance(e, QueryPayment)] == ["trip1.1"]
    assert not any(isinstance(e, RequestPayment) for e in later.effects)


def test_what_staff_gave_back_stands_on_the_receipt(shopper: Shopper) -> None:
    shopper.pay().till("approved")
    paid = shopper.view.receipt
    assert paid is not None
    assert paid.refunded_minor == 0
    shopper.till("voided")
    after = shopper.view.receipt
    assert after is not None
    assert (shopper.phase(), after.refunded_minor, after.total_minor) == ("paid", paid.total_minor, paid.total_minor)
    shopper.till("approved")
    assert shopper.events(SecurityNoted) == []
    later = Shopper(session=revived(shopper, shopper.records()), t_ns=shopper.t_ns)
    assert later.view.receipt == after


def test_row_30_a_cart_that_restarts_without_a_network_lets_people_pay_by_a_code_alone(shopper: Shopper) -> None:
    shopper.touch("checkout")
    later = Shopper(session=revived(shopper, shopper.records()), t_ns=shopper.t_ns)
    later.tell(PartChanged(t_ns=later.t_ns, part="network", ok=False, fault="offline"))
    later.put(shopper.mass_g)
    assert later.view.methods == ["till"]
    later.touch("pay", method="card")
    assert later.events(AttemptOpened) == []
    later.touch("pay", method="till")
    payment = later.view.payment
    assert payment is not None
    assert (payment.state, payment.amount_minor) == ("handed_to_till", 101)
    assert payment.code == till_code("trip1.1", 101, "EUR")
    later.till("approved")
    assert later.view.phase == "paid"
