"""Laws of the session that no sequence of observations may break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cart.core.effects import Record
from cart.core.ledger import AttemptOpened, ReceiptIssued
from cart.core.observations import PartChanged, PowerReturned, StaffCommand, Tick
from cart.core.session import Session
from tests.unit.shopper import Shopper, revived

NUMBERS = st.integers(1, 12)
MASSES = st.sampled_from([3.0, 60.0, 139.3, 250.2, 251.4, 330.0, 500.4, 612.0, 1030.0, 6020.0, 31000.0])
KINDS = st.sampled_from(["not_placed", "unscanned_item", "extra_unit", "wrong_weight", "which_removed", "help"])
SAID = ["remove", "mine", "add", "insist", "none_of_these", "all_scanned", "in_basket", "under_basket"]
CHOICES = st.sampled_from([*SAID, "put_back", "cancel", "S1", "S2", "S5"])
TOUCHES = st.sampled_from(["start", "own_bag", "help", "checkout", "cancel", "language", "coupon", "receipt"])
STAFF = st.sampled_from(
    ["age_ok", "age_refused", "resolve", "void_line", "void_trip", "lock", "release", "maintenance", "training"]
)
PARTS = st.sampled_from(["scale", "network", "journal", "battery"])
ANSWERS = st.sampled_from(["pending", "approved", "declined", "cancelled", "voided", "not_found"])

ACTS = st.one_of(
    st.tuples(st.just("scan"), NUMBERS),
    st.tuples(st.just("scan"), NUMBERS),
    st.tuples(st.just("put"), MASSES),
    st.tuples(st.just("put"), MASSES),
    st.tuples(st.just("take"), MASSES),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 5.0, 16.0])),
    st.tuples(st.just("tick"), st.sampled_from([0.5, 30.0, 2000.0])),
    st.tuples(st.just("touch"), TOUCHES),
    st.tuples(st.just("produce"), st.sampled_from(["S9", "S1", "none"])),
    st.tuples(st.just("quantity"), st.tuples(st.integers(0, 6), st.integers(-1, 120))),
    st.tuples(st.just("remove"), st.integers(0, 6)),
    st.tuples(st.just("answer"), st.tuples(st.integers(0, 9), CHOICES)),
    st.tuples(st.just("staff"), st.tuples(STAFF, st.integers(0, 9))),
    st.tuples(st.just("part"), st.tuples(PARTS, st.booleans())),
    st.tuples(st.just("text"), st.sampled_from(["", "x" * 300, "4011", "(01)05011001234566(10)BAD", "\x00", "12345"])),
    st.tuples(st.just("pay"), st.sampled_from(["card", "till", "wallet", "nonsense"])),
    st.tuples(st.just("till"), ANSWERS),
)
TRIPS = st.lists(ACTS, min_size=1, max_size=25)


def _staff(shopper: Shopper, action: Any, number: int) -> None:
    t_ns = shopper.t_ns
    shopper.tell(StaffCommand(t_ns=t_ns, command_id=f"{t_ns}", action=action, intervention=number, line=number))


def _till(shopper: Shopper, status: str) -> None:
    if shopper.events(AttemptOpened):
        shopper.till(status)


VERBS: dict[str, Callable[[Shopper, Any], object]] = {
    "scan": lambda shopper, number: shopper.scan(number),
    "put": lambda shopper, mass_g: shopper.put(mass_g, wait_s=0.8),
    "take": lambda shopper, mass_g: shopper.take(min(mass_g, shopper.mass_g), wait_s=0.8),
    "wait": lambda shopper, seconds: shopper.wait(seconds),
    "tick": lambda shopper, seconds: shopper.tick(seconds),
    "touch": lambda shopper, action: shopper.touch(action, language="de", code="NONE", to="a@b"),
    "produce": lambda shopper, sku: shopper.touch("produce", sku=sku),
    "quantity": lambda shopper, what: shopper.touch("quantity", line=what[0], units=what[1]),
    "remove": lambda shopper, line: shopper.touch("remove", line=line),
    "answer": lambda shopper, what: shopper.touch("answer", intervention=what[0], choice=what[1]),
    "staff": lambda shopper, what: _staff(shopper, *what),
    "part": lambda shopper, what: shopper.tell(PartChanged(t_ns=shopper.t_ns, part=what[0], ok=what[1])),
    "text": lambda shopper, text: shopper.scan_text(text),
    "pay": lambda shopper, method: shopper.pay(method),
    "till": _till,
}


def act(shopper: Shopper, verb: str, what: Any) -> None:
    VERBS[verb](shopper, what)


def played(acts: list[tuple[str, Any]]) -> Shopper:
    shopper = Shopper().started()
    for verb, what in acts:
        act(shopper, verb, what)
    return shopper


def shown(session: Session) -> dict[str, Any]:
    """The view without what is measured anew after a restart."""
    view = msgspec.to_builtins(session.view())
    for live in ("revision", "weight", "produce", "can_checkout", "checkout_waits_for"):
        view.pop(live)
    return dict(view)


slow = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(TRIPS)
def test_restored_state_is_the_live_state(acts: list[tuple[str, Any]]) -> None:
    shopper = played(acts)
    again = revived(shopper, shopper.records())
    assert shown(again) == shown(shopper.session)
    assert again._desk.state == shopper.session._desk.state


@slow
@given(TRIPS)
def test_money_is_conserved_and_questions_are_bounded(acts: list[tuple[str, Any]]) -> None:
    shopper = Shopper().started()
    for verb, what in acts:
        act(shopper, verb, what)
        view = shopper.view
        assert view.total_minor == sum(line.price_minor for line in view.lines)
        assert view.savings_minor == sum(line.savings_minor for line in view.lines)
        assert all(0 <= line.placed <= line.units for line in view.lines)
        assert all(line.units > 0 for line in view.lines)
        shopper.tell(Tick(t_ns=shopper.t_ns))
        due_ns = shopper.session.next_deadline_ns
        assert due_ns is None or due_ns > shopper.t_ns  # a deadline that stays due would spin the daemon
        assert len(view.interventions) <= 32
        assert len({i.id for i in view.interventions}) == len(view.interventions)


@slow
@given(TRIPS, st.integers(0, 25))
def test_what_comes_later_changes_nothing_earlier(acts: list[tuple[str, Any]], cut: int) -> None:
    whole = played(acts).records()
    part = played(acts[:cut]).records()
    assert whole[: len(part)] == part


@slow
@given(TRIPS)
def test_each_receipt_is_of_an_approved_attempt_and_its_amount(acts: list[tuple[str, Any]]) -> None:
    shopper = played(acts)
    amounts = {e.attempt_id: e.amount_minor for e in shopper.events(AttemptOpened)}
    for issued in shopper.events(ReceiptIssued):
        if issued.receipt.attempt_id:
            assert issued.receipt.total_minor == amounts[issued.receipt.attempt_id]
        else:
            assert issued.receipt.total_minor == 0
    paid = [e.receipt.trip_id for e in shopper.events(ReceiptIssued)]
    assert len(paid) == len(set(paid))


@slow
@given(TRIPS, st.sampled_from([None, 0.5, 30.0, 7200.0]), TRIPS)
def test_a_power_cut_anywhere_leaves_a_session_that_goes_on(
    before: list[tuple[str, Any]], off_s: float | None, after: list[tuple[str, Any]]
) -> None:
    shopper = played(before)
    later = Shopper(session=revived(shopper, shopper.records()), t_ns=1_000_000)
    later.mass_g = shopper.mass_g
    lines = shopper.view.lines
    later.tell(PowerReturned(t_ns=later.t_ns, off_s=off_s))
    assert later.view.lines == lines
    later.effects = [*shopper.effects, *later.effects]
    for verb, what in after:
        act(later, verb, what)
    again = revived(later, [e for e in later.effects if isinstance(e, Record)])
    assert again._desk.state == later.session._desk.state
