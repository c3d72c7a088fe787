"""The law of several tenders: whatever the wire does and whenever the cart dies, they never add up to more than the
basket costs, and the basket is paid only when they add up to it.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from cart.core.effects import CancelPayment, Effect, QueryPayment, Record, RequestPayment
from cart.core.ledger import LedgerEvent, TripStarted
from cart.core.observations import PaymentAnswer
from cart.core.payment import AttemptStillOpen, Payments

BASKET = 1000
HASH = "ab" * 32
STEPS = 400
ACTS = {"pay": 4, "cancel": 1, "give_back": 1, "wait": 2, "restart": 1, "till": 8, "cart": 8, "next_trip": 1}
"""What happens next, and how often."""


class Row(msgspec.Struct):
    """The till's row of one tender, as the protocol promises it."""

    status: str
    asked: int
    captured: int = 0


class Walk:
    """A cart that pays in parts, a till that keeps its promises, and a wire that keeps none."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ns = 0
        self.ledger: list[LedgerEvent] = []
        self.payments = Payments("cart-1")
        self.to_till: list[Effect] = []
        self.to_cart: list[PaymentAnswer] = []
        self.rows: dict[str, Row] = {}
        self.seen: set[str] = set()
        """What came about on the way."""
        self.trips = 0
        self.trip = ""
        self.next_trip()

    def next_trip(self) -> None:
        """Another basket, once this one is paid or nothing is held of it."""
        if self.payments.can_open and self.trips and self.held() in {0, BASKET}:
            self.seen.add(f"paid by {len(self.payments.tenders(self.trip))}")
        elif self.trips:
            return
        self.trips += 1
        self.trip, self.attempts = f"T{self.trips}", 0
        started = TripStarted(trip_id=self.trip, catalog_version=1, language="en")
        self.ledger.append(started)
        self.payments.apply(0, started)

    def held(self) -> int:
        return self.payments.held_minor(self.trip)

    def step(self) -> None:
        act = self.rng.choices(list(ACTS), list(ACTS.values()))[0]
        getattr(self, act)()
        self.never_more_than_the_basket_costs()
        self.what_the_cart_holds_for_paid_is_captured_to_the_cent()
        self.the_fold_of_the_ledger_is_the_state()

    def seldom(self) -> bool:
        return self.rng.random() < 0.2

    def carry_out(self, effects: list[Effect]) -> None:
        """Commit and send in order; a cart that dies in between has done only the first few."""
        die_after = self.rng.randrange(3) if self.seldom() else None
        for effect in effects if die_after is None else effects[:die_after]:
            if isinstance(effect, Record):
                self.ledger.append(effect.event)
            else:
                self.to_till.append(effect)
        if die_after is not None:
            self.restart()

    def pay(self) -> None:
        """A part, the rest, or (wrongly, beside others) too much or all of it at once."""
        rest = BASKET - self.held()
        wrong, partial = self.seldom() and self.seldom(), self.rng.random() < 0.5
        amount = self.rng.choice([rest, max(1, rest // 3), self.rng.randint(1, max(1, rest))]) if not wrong else BASKET
        basket = 0 if wrong and self.seldom() else BASKET
        try:
            effects = self.payments.open(
                self.now_ns, f"{self.trip}.{self.attempts + 1}", self.trip, max(1, amount), "EUR", HASH, "ebt",
                basket_minor=basket, partial=partial and basket > 0,
            )  # fmt: skip
        except AttemptStillOpen:
            return
        self.attempts += 1
        self.carry_out(effects)

    def cancel(self) -> None:
        self.carry_out(self.payments.cancel(self.now_ns))

    def give_back(self) -> None:
        if self.payments.can_open and 0 < self.held() < BASKET:
            self.seen.add("given back")
            self.carry_out(self.payments.give_back(self.now_ns))

    def wait(self) -> None:
        due_ns = self.payments.next_deadline_ns
        if due_ns is not None:
            self.now_ns = max(self.now_ns, due_ns)
            self.carry_out(self.payments.tick(self.now_ns))

    def restart(self) -> None:
        self.payments = Payments("cart-1")
        for event in self.ledger:
            self.payments.apply(0, event)

    def till(self) -> None:
        """Something of what was sent arrives, perhaps not for the last time."""
        if not self.to_till:
            return
        index = self.rng.randrange(len(self.to_till))
        effect: Any = self.to_till[index] if self.seldom() else self.to_till.pop(index)
        approved = self.rng.choice([0, BASKET, BASKET, self.rng.randint(1, BASKET)])
        if isinstance(effect, RequestPayment):
            row = self.rows.setdefault(effect.attempt_id, Row("pending", effect.amount_minor))
            if row.status == "pending" and approved:
                row.captured = min(approved, row.asked) if effect.partial else row.asked
                row.status = "approved"
        elif isinstance(effect, QueryPayment):
            self.rows.setdefault(effect.attempt_id, Row("not_found", effect.amount_minor))
        elif isinstance(effect, CancelPayment):
            row = self.rows.setdefault(effect.attempt_id, Row("cancelled", effect.amount_minor))
            row.status = {"approved": "voided", "pending": "cancelled"}.get(row.status, row.status)
        self.reply(effect.attempt_id)

    def reply(self, attempt_id: str) -> None:
        row = self.rows[attempt_id]
        fields = {
            "t_ns": 0, "observed": "payment_answer", "attempt_id": attempt_id, "cart_id": "cart-1",
            "status": row.status, "amount_minor": row.captured or row.asked, "currency": "EUR", "basket_hash": HASH,
        }  # fmt: skip
        self.to_cart.append(msgspec.convert(fields, PaymentAnswer))

    def cart(self) -> None:
        if not self.to_cart:
            return
        index = self.rng.randrange(len(self.to_cart))
        answer = self.to_cart[index] if self.seldom() else self.to_cart.pop(index)
        self.carry_out(self.payments.answer(self.now_ns, answer))
        held = self.payments.tenders(self.trip)
        self.seen |= {"less approved"} if any(one.captured_minor for one in held) else set()

    def never_more_than_the_basket_costs(self) -> None:
        approved = [(key, row.captured) for key, row in self.rows.items() if row.status == "approved"]
        assert sum(captured for key, captured in approved if key.startswith(f"{self.trip}.")) <= BASKET
        assert self.held() <= BASKET

    def what_the_cart_holds_for_paid_is_captured_to_the_cent(self) -> None:
        for tender in self.payments.tenders(self.trip):
            row = self.rows[tender.attempt_id]
            assert (row.status, row.captured) == ("approved", tender.taken_minor)

    def the_fold_of_the_ledger_is_the_state(self) -> None:
        folded = Payments("cart-1")
        for event in self.ledger:
            folded.apply(0, event)
        assert folded.current == self.payments.current
        assert folded.tenders(self.trip) == self.payments.tenders(self.trip)
        assert folded.giving_back == self.payments.giving_back


SEEN: set[str] = set()


@pytest.mark.parametrize("seed", range(30))
def test_the_law_of_several_tenders(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
    SEEN.update(walk.seen)


def test_the_walks_came_by_what_the_law_is_about() -> None:
    for seed in range(30, 36):
        walk = Walk(seed)
        for _ in range(STEPS):
            walk.step()
        SEEN.update(walk.seen)
    assert {"less approved", "given back", "paid by 1", "paid by 2", "paid by 3"} <= SEEN
