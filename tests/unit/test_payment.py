"""Payment attempts: each row of the transition table that money hangs on, and the faults 1–7 of the cart's own side."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from cart.core.effects import CancelPayment, Effect, QueryPayment, Record, RequestPayment
from cart.core.frozen_basket import HashedLine, basket_hash, code_check, code_of_trip, till_code
from cart.core.ledger import AttemptChanged, AttemptOpened, LedgerEvent, SecurityNoted, TripStarted
from cart.core.observations import PaymentAnswer
from cart.core.payment import TERMINAL, TRANSITIONS, AttemptStillOpen, Payments
from cart.core.settings import Policy

S = 1_000_000_000
HASH = basket_hash("T", "EUR", 500, [HashedLine(1, "0001", 2, None, 500)])
QUERY = QueryPayment("T.1", 500, "EUR", HASH)
WITHDRAWAL = CancelPayment("T.1", 500, "EUR", HASH)
Status = Literal["pending", "approved", "declined", "cancelled", "voided", "not_found"]


def answer(status: Status, attempt_id: str = "T.1", *, cart_id: str = "cart-1", **changes: object) -> PaymentAnswer:
    fields: dict[str, object] = {"amount_minor": 500, "currency": "EUR", "basket_hash": HASH} | changes
    return PaymentAnswer(t_ns=0, attempt_id=attempt_id, cart_id=cart_id, status=status, **fields)  # type: ignore[arg-type]


def opened() -> tuple[Payments, list[Effect]]:
    payments = Payments("cart-1", Policy(payment_timeout_s=30, payment_query_s=5, cancel_grace_s=10))
    return payments, payments.open(0, "T.1", "T", 500, "EUR", HASH, "wallet")


def records(effects: list[Effect]) -> list[LedgerEvent]:
    return [effect.event for effect in effects if isinstance(effect, Record)]


def state(payments: Payments) -> str:
    assert payments.current is not None
    return payments.current.state


def restarted(events: list[LedgerEvent]) -> Payments:
    payments = Payments("cart-1")
    payments.apply(0, TripStarted(trip_id="T", catalog_version=1, language="en"))
    for event in events:
        payments.apply(0, event)
    return payments


def test_the_id_is_recorded_before_the_request_and_the_sending_after_it() -> None:
    _, effects = opened()
    assert [type(effect) for effect in effects] == [Record, RequestPayment, Record]
    assert isinstance(records(effects)[0], AttemptOpened)
    assert effects[1] == RequestPayment("T.1", "T", 500, "EUR", HASH, "wallet")


def test_a_matching_approval_pays_once() -> None:
    payments, _ = opened()
    assert [type(event) for event in records(payments.answer(S, answer("approved", reference="R1")))] == [
        AttemptChanged
    ]
    assert state(payments) == "approved"
    assert payments.answer(2 * S, answer("approved", reference="R1")) == []
    assert payments.next_deadline_ns is None


@pytest.mark.parametrize(
    "wrong",
    [
        answer("approved", cart_id="cart-2"),
        answer("approved", amount_minor=499),
        answer("approved", currency="USD"),
        answer("approved", basket_hash="0" * 64),
        answer("approved", "T.2"),
    ],
    ids=["cart", "amount", "currency", "basket", "attempt"],
)
def test_an_answer_to_another_question_changes_nothing_and_is_noted_once(wrong: PaymentAnswer) -> None:
    payments, _ = opened()
    noted = records(payments.answer(S, wrong))
    assert [type(event) for event in noted] == [SecurityNoted]
    assert state(payments) == "pending"
    assert payments.answer(S, wrong) == []


def test_a_flood_of_wrong_answers_is_noted_a_bounded_number_of_times() -> None:
    payments, _ = opened()
    noted = [payments.answer(S, answer("approved", f"X.{n}")) for n in range(500)]
    assert sum(len(effects) for effects in noted) == 64


def test_silence_makes_the_attempt_unknown_and_unknown_is_only_queried_ever_more_slowly() -> None:
    payments, _ = opened()
    assert payments.next_deadline_ns == 30 * S
    assert payments.tick(30 * S - 1) == []
    first = payments.tick(30 * S)
    assert state(payments) == "unknown"
    assert first[-1] == QUERY
    gaps = []
    for _ in range(12):
        due = payments.next_deadline_ns
        assert due is not None
        assert payments.tick(due) == [QUERY]
        following = payments.next_deadline_ns
        assert following is not None
        gaps.append((following - due) // S)
    assert gaps[:5] == [5, 10, 20, 40, 60]
    assert max(gaps) == 60


def test_no_new_attempt_while_the_old_one_is_open_or_has_paid() -> None:
    payments, _ = opened()
    payments.tick(30 * S)
    with pytest.raises(AttemptStillOpen):
        payments.open(31 * S, "T.2", "T", 500, "EUR", HASH, "wallet")
    payments.answer(32 * S, answer("approved"))
    with pytest.raises(AttemptStillOpen):
        payments.open(33 * S, "T.2", "T", 500, "EUR", HASH, "wallet")
    assert payments.open(34 * S, "U.1", "U", 500, "EUR", HASH, "wallet")


def test_a_query_for_what_never_arrived_ends_the_attempt_unpaid() -> None:
    payments, _ = opened()
    payments.tick(30 * S)
    payments.answer(31 * S, answer("not_found"))
    assert payments.current is not None
    assert (payments.current.state, payments.current.reason) == ("cancelled", "never_arrived")
    assert payments.open(32 * S, "T.2", "T", 500, "EUR", HASH, "wallet")


def test_an_approval_that_crosses_the_withdrawal_is_voided_and_said_so() -> None:
    payments, _ = opened()
    assert payments.cancel(S)[-1] == WITHDRAWAL
    crossed = payments.answer(2 * S, answer("approved", reference="R1"))
    assert crossed[-1] == WITHDRAWAL
    assert state(payments) == "cancelling"
    assert payments.answer(2 * S, answer("approved", reference="R1")) == []
    said = records(payments.answer(3 * S, answer("voided")))
    assert said == [AttemptChanged(attempt_id="T.1", state="voided", amount_minor=500, reason="late_approval")]


def test_an_approval_after_the_cancellation_is_withdrawn_again_and_blocks_a_new_attempt() -> None:
    payments, _ = opened()
    payments.cancel(S)
    payments.answer(2 * S, answer("cancelled"))
    free = [payments.can_open]
    assert payments.answer(3 * S, answer("approved"))[-1] == WITHDRAWAL
    free.append(payments.can_open)
    payments.answer(4 * S, answer("voided"))
    assert [*free, payments.can_open] == [True, False, True]


def test_a_withdrawal_is_repeated_until_the_till_has_spoken() -> None:
    payments, _ = opened()
    payments.cancel(0)
    assert payments.cancel(0) == []
    assert payments.tick(10 * S) == [WITHDRAWAL]
    assert payments.answer(11 * S, answer("pending")) == []
    assert payments.tick(20 * S) == [WITHDRAWAL]


def test_handed_to_a_till_it_waits_for_the_till_and_cannot_be_withdrawn_here() -> None:
    payments, _ = opened()
    handed = payments.hand_to_till(S)
    assert handed[-1] == RequestPayment("T.1", "T", 500, "EUR", HASH, "till")
    assert payments.current is not None
    assert payments.current.code == till_code("T.1", 500, "EUR")
    assert payments.cancel(2 * S) == []
    assert payments.tick(6 * S) == [RequestPayment("T.1", "T", 500, "EUR", HASH, "till")]
    payments.answer(7 * S, answer("approved"))
    assert state(payments) == "approved"
    assert payments.current.code is None


def test_after_a_restart_what_may_not_have_been_sent_is_sent_with_the_same_id() -> None:
    _, effects = opened()
    back = restarted(records(effects)[:1])
    assert back.next_deadline_ns == 0
    assert back.tick(7 * S)[0] == RequestPayment("T.1", "T", 500, "EUR", HASH, "wallet")
    assert back.next_deadline_ns == 37 * S


def test_after_a_restart_an_attempt_for_the_till_shows_its_code_whatever_came_between() -> None:
    payments = Payments("cart-1")
    effects = payments.open(0, "T.1", "T", 500, "EUR", HASH, "till")
    for kept in (1, 2):
        back = restarted(records(effects)[:kept])
        again = back.tick(1)
        assert state(back) == "handed_to_till"
        assert back.current is not None
        assert back.current.code is not None
        assert [effect.method for effect in again if isinstance(effect, RequestPayment)] == ["till"]


def test_after_a_restart_what_was_sent_is_queried_not_sent() -> None:
    _, effects = opened()
    back = restarted(records(effects))
    taken_up = back.tick(7 * S)
    assert taken_up[-1] == QUERY
    assert not [effect for effect in taken_up if isinstance(effect, RequestPayment)]
    assert state(back) == "unknown"


def test_after_a_restart_a_withdrawal_goes_on_and_an_ended_attempt_rests() -> None:
    payments, effects = opened()
    cancelling = effects + payments.cancel(S)
    assert restarted(records(cancelling)).tick(0) == [WITHDRAWAL]
    ended = cancelling + payments.answer(2 * S, answer("cancelled"))
    assert restarted(records(ended)).next_deadline_ns is None


def test_folding_what_the_object_itself_recorded_changes_nothing() -> None:
    payments, effects = opened()
    before = (payments.current, payments.next_deadline_ns)
    for event in records(effects):
        payments.apply(0, event)
    assert (payments.current, payments.next_deadline_ns) == before


def test_an_amount_of_nothing_is_no_attempt() -> None:
    with pytest.raises(ValueError, match="nothing to pay"):
        Payments("cart-1").open(0, "T.1", "T", 0, "EUR", HASH, "wallet")


def test_the_table_is_closed_and_money_ends_it() -> None:
    assert {after for row in TRANSITIONS.values() for after in row.values()} <= set(TRANSITIONS)
    assert set(TRANSITIONS["approved"].values()) == {"approved", "voided", "cancelling"}
    assert all(
        row.get("approved") != "approved" for name, row in TRANSITIONS.items() if name in TERMINAL - {"approved"}
    )


def test_the_basket_hash_names_content_not_order() -> None:
    lines = [HashedLine(1, "0001", 2, None, 298), HashedLine(2, "4011", 1, 512.3, 76)]
    assert basket_hash("T", "EUR", 374, lines) == basket_hash("T", "EUR", 374, lines[::-1])
    assert basket_hash("T", "EUR", 374, lines) != basket_hash("T", "EUR", 375, lines)
    assert basket_hash("T", "EUR", 374, lines) != basket_hash("T", "EUR", 374, lines[:1])


def test_a_till_code_can_be_read_out_and_checks_itself_and_the_amount() -> None:
    code = till_code("T.1", 500, "EUR")
    name, check = code.split("-")
    assert len(name) == 6
    assert code_check(name, 500, "EUR") == check
    assert code_check(name, 501, "EUR") != check
    assert not set(code) & set("ILOU")


def test_the_codes_of_one_trip_are_known_by_their_beginning_and_differ_by_number() -> None:
    codes = [till_code(f"T.{number}", 500, "EUR") for number in range(1, 33)]
    assert len(set(codes)) == 32
    assert {code_of_trip(code) for code in codes} == {codes[0][:5]}
    assert code_of_trip(till_code("S.1", 500, "EUR")) != codes[0][:5]
    assert till_code("T.1", 501, "EUR")[:6] == codes[0][:6]


def test_the_page_about_payment_shows_this_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "payment.md").read_text(encoding="utf-8").splitlines()
    names = next(line for line in page if line.startswith("| state |")).strip("| ").split(" | ")[1:]
    for state_, row in TRANSITIONS.items():
        shown = next(line for line in page if line.startswith(f"| **{state_}** |")).strip("| ").split(" | ")[1:]
        full = {"·": state_, "handed": "handed_to_till"}
        said = {name: full.get(cell, cell) for name, cell in zip(names, shown, strict=True) if cell != "–"}
        assert said == row
