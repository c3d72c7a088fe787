"""One payment attempt: what the ledger tells of it, what is asked of the till, and which amounts are answers."""

from __future__ import annotations

import msgspec

from cart.core.effects import CancelPayment, QueryPayment, RequestPayment
from cart.core.frozen_basket import hand_reference, till_code
from cart.core.ledger import AttemptState
from cart.core.observations import PaymentAnswer
from cart.core.payment_table import TERMINAL, TILL_METHOD


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as the ledger tells it. `reason` and `reference` are the till's latest.

    `basket_minor`: what the basket costs of which this pays a part; 0: the amount is all of it. `captured_minor`: what
    was approved, where that is less than was asked for. `refunded_minor`: what staff gave back of it.
    """

    attempt_id: str
    trip_id: str
    amount_minor: int
    currency: str
    basket_hash: str
    method: str
    state: AttemptState = "opened"
    reference: str = ""
    reason: str = ""
    basket_minor: int = 0
    partial: bool = False
    captured_minor: int = 0
    refunded_minor: int = 0

    @property
    def taken_minor(self) -> int:
        """What it pays, or would."""
        return self.captured_minor or self.amount_minor

    @property
    def terminal(self) -> bool:
        """True once nothing more can come of it but a late, wrong approval."""
        return self.state in TERMINAL

    @property
    def by_hand(self) -> bool:
        """True where people at a till took the money: only they can give it back. An attempt that was handed to them
        may have been paid by its card after all.
        """
        return self.reference == hand_reference(till_code(self.attempt_id, self.amount_minor, self.currency))

    @property
    def code(self) -> str | None:
        """The code to finish at a till, while it is handed over."""
        if self.state != "handed_to_till":
            return None
        return till_code(self.attempt_id, self.amount_minor, self.currency)


def request(attempt: Attempt) -> RequestPayment:
    """Ask for it, or for a person at a till to take it."""
    return RequestPayment(
        attempt_id=attempt.attempt_id,
        trip_id=attempt.trip_id,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        basket_hash=attempt.basket_hash,
        method=TILL_METHOD if attempt.state == "handed_to_till" else attempt.method,
        basket_minor=attempt.basket_minor,
        partial=attempt.partial,
    )


def amount_fits(attempt: Attempt, answer: PaymentAnswer) -> bool:
    """As asked for; less only where less was allowed, and not another amount than was approved before."""
    if attempt.state == "approved" or attempt.captured_minor:
        return answer.amount_minor in {attempt.taken_minor, attempt.amount_minor if answer.status != "approved" else 0}
    return answer.amount_minor == attempt.amount_minor or (
        attempt.partial and 0 < answer.amount_minor < attempt.amount_minor and answer.status in {"approved", "voided"}
    )


def query(attempt: Attempt) -> QueryPayment:
    """Ask what became of it."""
    return QueryPayment(attempt.attempt_id, attempt.amount_minor, attempt.currency, attempt.basket_hash)


def withdrawal(attempt: Attempt) -> CancelPayment:
    """Take it back."""
    return CancelPayment(attempt.attempt_id, attempt.amount_minor, attempt.currency, attempt.basket_hash)
