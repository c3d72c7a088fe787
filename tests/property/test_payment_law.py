"""The law of payment: whatever the wire loses, doubles, delays or reorders, and whenever the cart dies, one capture."""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cart.core.effects import CancelPayment, Effect, QueryPayment, Record, RequestPayment
from cart.core.ledger import AttemptChanged, LedgerEvent, SecurityNoted, TripStarted
from cart.core.observations import PaymentAnswer
from cart.core.payment import AttemptStillOpen, Payments

AMOUNT = 1234
HASH = "ab" * 32
SELDOM = st.sampled_from([False, False, False, True])
SELDOM_DIES = st.sampled_from([None, None, None, 0, 1, 2])


class OneRow(msgspec.Struct):
    """The till's ledger row of one attempt, as the protocol promises it; knows nothing of the cart's code."""

    status: str
    captured: bool = False


class PaymentLaw(RuleBasedStateMachine):
    """A cart, a till that keeps its promises, and a wire that keeps none."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self.trip = TripStarted(trip_id="T", catalog_version=1, language="en")
        self.ledger: list[LedgerEvent] = [self.trip]
        self.payments = Payments("cart-1")
        self.payments.apply(0, self.trip)
        self.to_till: list[Effect] = []
        self.to_cart: list[PaymentAnswer] = []
        self.rows: dict[str, OneRow] = {}
        self.attempts = 0
        self.paid_says_cart = 0

    def carry_out(self, effects: list[Effect], *, die_after: int | None = None) -> None:
        """Commit and send in order; a cart that dies in between has done only the first `die_after`."""
        for effect in effects if die_after is None else effects[:die_after]:
            if isinstance(effect, Record):
                self.ledger.append(effect.event)
                paid = isinstance(effect.event, AttemptChanged) and effect.event.state == "approved"
                self.paid_says_cart += int(paid)
            else:
                self.to_till.append(effect)
        if die_after is not None:
            self.restart()

    @rule(die_after=SELDOM_DIES)
    def pay(self, die_after: int | None) -> None:
        try:
            effects = self.payments.open(self.now_ns, f"T.{self.attempts + 1}", "T", AMOUNT, "EUR", HASH, "wallet")
        except AttemptStillOpen:
            return
        self.attempts += 1
        self.carry_out(effects, die_after=die_after)

    @rule()
    def cancel(self) -> None:
        self.carry_out(self.payments.cancel(self.now_ns))

    @rule()
    def hand_to_a_till(self) -> None:
        self.carry_out(self.payments.hand_to_till(self.now_ns))

    @rule(die_after=SELDOM_DIES)
    def wait_for_the_next_deadline(self, die_after: int | None) -> None:
        due_ns = self.payments.next_deadline_ns
        if due_ns is not None:
            self.now_ns = max(self.now_ns, due_ns)
            self.carry_out(self.payments.tick(self.now_ns), die_after=die_after)

    @rule()
    def restart(self) -> None:
        self.payments = Payments("cart-1")
        for event in self.ledger:
            self.payments.apply(0, event)

    @precondition(lambda self: self.to_till)
    @rule(pick=st.integers(0, 99), keep=SELDOM, approve=st.booleans())
    def deliver_to_till(self, pick: int, keep: bool, approve: bool) -> None:
        index = pick % len(self.to_till)
        effect = self.to_till[index] if keep else self.to_till.pop(index)
        if isinstance(effect, RequestPayment):
            row = self.rows.setdefault(effect.attempt_id, OneRow("pending"))
            if row.status == "pending" and approve:
                row.status, row.captured = "approved", True
            self.reply(effect.attempt_id)
        elif isinstance(effect, QueryPayment):
            self.rows.setdefault(effect.attempt_id, OneRow("not_found"))
            self.reply(effect.attempt_id)
        elif isinstance(effect, CancelPayment):
            row = self.rows.setdefault(effect.attempt_id, OneRow("cancelled"))
            if row.status == "approved":
                row.status, row.captured = "voided", False
            elif row.status == "pending":
                row.status = "cancelled"
            self.reply(effect.attempt_id)

    @precondition(lambda self: "pending" in [row.status for row in self.rows.values()])
    @rule(approved=st.booleans())
    def the_acquirer_settles(self, approved: bool) -> None:
        attempt_id = next(key for key, row in self.rows.items() if row.status == "pending")
        self.rows[attempt_id] = OneRow("approved" if approved else "declined", captured=approved)
        self.reply(attempt_id)

    def reply(self, attempt_id: str) -> None:
        self.to_cart.append(
            msgspec.convert(
                {
                    "t_ns": 0,
                    "observed": "payment_answer",
                    "attempt_id": attempt_id,
                    "cart_id": "cart-1",
                    "status": self.rows[attempt_id].status,
                    "amount_minor": AMOUNT,
                    "currency": "EUR",
                    "basket_hash": HASH,
                },
                PaymentAnswer,
            )
        )

    @precondition(lambda self: self.to_cart)
    @rule(pick=st.integers(0, 99), keep=SELDOM, die_after=SELDOM_DIES)
    def deliver_to_cart(self, pick: int, keep: bool, die_after: int | None) -> None:
        index = pick % len(self.to_cart)
        answer = self.to_cart[index] if keep else self.to_cart.pop(index)
        self.carry_out(self.payments.answer(self.now_ns, answer), die_after=die_after)

    @precondition(lambda self: self.rows)
    @rule(field=st.sampled_from(["cart_id", "currency", "basket_hash"]))
    def forge_an_approval(self, field: str) -> None:
        attempt_id = next(iter(self.rows))
        forged = msgspec.structs.replace(
            PaymentAnswer(
                t_ns=0, attempt_id=attempt_id, cart_id="cart-1", status="approved",
                amount_minor=AMOUNT, currency="EUR", basket_hash=HASH,
            ),
            **{field: "forged"},
        )  # fmt: skip
        before = self.payments.current
        effects = self.payments.answer(self.now_ns, forged)
        assert all(isinstance(effect, Record) and isinstance(effect.event, SecurityNoted) for effect in effects)
        assert self.payments.current == before
        self.carry_out(effects)

    @invariant()
    def at_most_one_capture(self) -> None:
        assert sum(row.captured for row in self.rows.values()) <= 1

    @invariant()
    def paid_only_by_the_tills_approval(self) -> None:
        says = [a.attempt_id for a in [self.payments.current] if a is not None and a.state == "approved"]
        assert all(self.rows[attempt_id].captured for attempt_id in says)
        assert self.paid_says_cart <= 1

    @invariant()
    def the_fold_of_the_ledger_is_the_state(self) -> None:
        folded = Payments("cart-1")
        for event in self.ledger:
            folded.apply(0, event)
        assert folded.current == self.payments.current


PaymentLaw.TestCase.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
TestPaymentLaw = PaymentLaw.TestCase
