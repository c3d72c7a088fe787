"""Payment attempts: a shopper is charged once, for the frozen basket, or not at all.

The theory. The cart makes the attempt's id and commits it before it asks for money. From then on only the till's own
word ends the attempt. No answer in time makes it `unknown`, and an unknown attempt is only ever queried (or withdrawn);
it is never sent again and never replaced: a new attempt needs a terminal answer to the old one. The till keeps the
same promise from its side: one ledger row an attempt id, and a query or a withdrawal of an id that it has never seen
makes it refuse that id for ever (`not_found`, `cancelled`), so that a request that is still on its way charges nobody.

        open          sent                    approved
    ( ) ────► opened ────► pending ──────────────────────────► approved ■
                 │           │  │ ╲  declined
                 │   timeout │  │  ╲─────────────────────────► declined ■
                 │           ▼  │ cancel          cancelled
                 └──────► unknown ──────► cancelling ────────► cancelled ■ ──┐ late approval:
                             │ ▲ query      ▲      ╲ voided                   │ withdraw again
                             └─┘            │       ╲────────► voided ■       │
                                            └─────────────────────────────────┘
                 opened, pending or unknown ─ hand_to_till ─► handed_to_till ─ the till's answer ─► ■
                 approved ─ voided, when staff gave the money back ─► voided ■
                 approved ─ give_back, a part of the basket that the shopper takes back ─► cancelling

A basket may be paid in parts, one attempt after the other, each of which names the whole: its hash and what it costs.
The parts that are approved never add up to more, and only when they add up to all of it is the basket paid.

A word of the till is believed only if attempt, cart, amount, currency and basket hash are those that were asked for. A
smaller amount is believed only of an attempt that was asked for as `partial`, and then stays what it is.
Times are nanoseconds of the shell's monotonic clock. Nothing here reads a clock, draws a number or touches a wire.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cart.core.effects import Effect, Record
from cart.core.frozen_basket import HashedLine, basket_hash, till_code
from cart.core.ledger import AttemptChanged, AttemptOpened, AttemptState, LedgerEvent, SecurityNoted, TripStarted
from cart.core.observations import PaymentAnswer
from cart.core.payment_attempt import Attempt, amount_fits, query, request, withdrawal
from cart.core.payment_table import TERMINAL, TILL_METHOD, TRANSITIONS
from cart.core.problem import Problem
from cart.core.settings import Policy

__all__ = [
    "TERMINAL",
    "TILL_METHOD",
    "TRANSITIONS",
    "Attempt",
    "AttemptStillOpen",
    "HashedLine",
    "Payments",
    "basket_hash",
    "till_code",
]

QUERY_INTERVAL_MAX_S: Final = 60.0
"""An unknown attempt is asked after for as long as it takes, at most once a minute: 50 carts ask less than once a
second when the till is back."""

ATTEMPTS_KEPT_MAX: Final = 32
"""Attempts of the past that late answers are still matched with; a trip has one or two."""

SECURITY_NOTES_MAX: Final = 64
"""Unmatched answers journalled a trip, so that a flood of forged ones can't fill the card."""


GIVEN_BACK: Final = "given_back"
"""Why a tender that was approved is taken back: the shopper doesn't pay the rest."""


class AttemptStillOpen(Problem):
    """A new attempt was asked for while an earlier one has no final answer, or has paid already."""


class Payments:
    """All attempts of a trip. Methods return effects in order; state changes with the records that they return.

    `apply` folds the ledger and may be given the same event twice. After a fold, `next_deadline_ns` is due at once and
    the first `tick` takes up what was open: an attempt that was committed but perhaps never sent is sent again with its
    own id, one that was sent is queried, one that was being withdrawn is withdrawn again.
    """

    def __init__(self, cart_id: str, policy: Policy | None = None) -> None:
        self._cart_id = cart_id
        self._policy = policy or Policy()
        self._attempts: dict[str, Attempt] = {}
        self._due_ns: dict[str, int] = {}
        self._tries: dict[str, int] = {}
        self._resume: set[str] = set()
        self._trip_id = ""
        self._noted: set[tuple[str, str]] = set()

    @property
    def current(self) -> Attempt | None:
        """The latest attempt, open or not; None before the trip's first."""
        return next(reversed(self._attempts.values()), None)

    @property
    def can_open(self) -> bool:
        """True when every earlier attempt has ended."""
        return all(attempt.terminal for attempt in self._attempts.values())

    @property
    def next_deadline_ns(self) -> int | None:
        """When `tick` has something to do; None while it has not. 0 after a fold that left an attempt open."""
        if self._resume:
            return 0
        return min(self._due_ns.values(), default=None)

    def tenders(self, trip_id: str) -> list[Attempt]:
        """What has been paid for a trip and is held, in order."""
        return [made for made in self._attempts.values() if made.state == "approved" and made.trip_id == trip_id]

    def held_minor(self, trip_id: str) -> int:
        """The sum of them."""
        return sum(made.taken_minor for made in self.tenders(trip_id))

    def open(
        self,
        t_ns: int,
        attempt_id: str,
        trip_id: str,
        amount_minor: int,
        currency: str,
        basket_hash: str,
        method: str,
        *,
        basket_minor: int = 0,
        partial: bool = False,
    ) -> list[Effect]:
        """Ask for the amount of a frozen basket, or for a part of the `basket_minor` that it costs.

        Raises AttemptStillOpen where an attempt has no final answer, or what is held leaves no room for so much, and
        ValueError for an amount of 0 or less.
        """
        if amount_minor <= 0:
            raise ValueError(f"an attempt of {amount_minor} minor units; nothing to pay is not an attempt")
        if trip_id != self._trip_id:
            self._begin_trip(trip_id)
        held = self.tenders(trip_id)
        same = all((one.basket_minor, one.basket_hash) == (basket_minor, basket_hash) for one in held)
        room = not held or (same and self.held_minor(trip_id) + amount_minor <= basket_minor)
        if not self.can_open or not room or attempt_id in self._attempts:
            raise AttemptStillOpen("the earlier payment has no final answer yet; wait for it, or withdraw it first")
        opened = AttemptOpened(
            attempt_id=attempt_id,
            amount_minor=amount_minor,
            currency=currency,
            basket_hash=basket_hash,
            method=method,
            basket_minor=basket_minor,
            partial=partial,
        )
        self._fold_opened(opened)
        return [Record(t_ns, opened), *self._send(t_ns, self._attempts[attempt_id])]

    def answer(self, t_ns: int, answer: PaymentAnswer) -> list[Effect]:
        """What a word of the till changes: nothing if it was heard before; a security note if it doesn't match."""
        attempt = self._attempts.get(answer.attempt_id)
        wrong = self._mismatch(attempt, answer)
        if attempt is None or wrong:
            return self._note(t_ns, "payment_answer_mismatch", f"{wrong} of a {answer.status} for {answer.attempt_id}")
        after = TRANSITIONS[attempt.state].get(answer.status)
        if after is None:
            return self._note(
                t_ns, "payment_answer_contradicts", f"{answer.status} after {attempt.state}: {attempt.attempt_id}"
            )
        if answer.status == "approved" and after == "cancelling":
            return self._void_late(t_ns, attempt, answer)
        if after == attempt.state == "approved":
            return self._refunded(t_ns, attempt, answer)
        if after == attempt.state:
            return []
        if answer.status == "approved":
            attempt = self._captured(attempt, answer.amount_minor)
        reason = answer.reason or ("never_arrived" if answer.status == "not_found" else "")
        if answer.status == "voided" and attempt.reason in {"late_approval", GIVEN_BACK}:
            reason = attempt.reason
        return self._change(t_ns, attempt, after, reason=reason, reference=answer.reference)

    def cancel(self, t_ns: int) -> list[Effect]:
        """Withdraw the current attempt; nothing where it has ended, or only a till can end it (`handed_to_till`)."""
        attempt = self.current
        if attempt is None or "cancel" not in TRANSITIONS[attempt.state]:
            return []
        effects = self._change(t_ns, attempt, "cancelling", reason="withdrawn")
        return [*effects, withdrawal(attempt)]

    def give_back(self, t_ns: int) -> list[Effect]:
        """Take back what is held of a basket that is not paid yet. What people at a till took, they give back: whether
        they have is asked, as the word of it may be lost.
        """
        effects: list[Effect] = []
        for attempt in self.tenders(self._trip_id):
            if attempt.by_hand:
                effects.append(query(attempt))
            elif attempt.basket_minor:
                effects += self._change(t_ns, attempt, "cancelling", reason=GIVEN_BACK)
                effects.append(withdrawal(attempt))
        return effects

    @property
    def giving_back(self) -> bool:
        """True while the till has not said that all of it was."""
        return any(made.reason == GIVEN_BACK and not made.terminal for made in self._attempts.values())

    def hand_to_till(self, t_ns: int) -> list[Effect]:
        """Turn the current attempt into a code to finish at a till; it then waits for the till's answer."""
        attempt = self.current
        if attempt is None or "hand_to_till" not in TRANSITIONS[attempt.state]:
            return []
        return self._hand_over(t_ns, attempt)

    def tick(self, t_ns: int) -> list[Effect]:
        """Whatever is due at `t_ns`: timeouts, queries, withdrawals repeated, and taking up again after a restart."""
        effects: list[Effect] = []
        for attempt_id in [*self._resume]:
            effects += self._take_up(t_ns, self._attempts[attempt_id])
        self._resume.clear()
        for attempt_id in [due for due, due_ns in self._due_ns.items() if due_ns <= t_ns]:
            effects += self._overdue(t_ns, self._attempts[attempt_id])
        return effects

    def apply(self, t_ns: int, event: LedgerEvent) -> None:  # noqa: ARG002  # the fold's signature; t_ns is another boot's
        """Fold one event of the ledger; events of other kinds, and those already folded, change nothing."""
        if isinstance(event, TripStarted):
            self._begin_trip(event.trip_id)
        elif isinstance(event, AttemptOpened) and event.attempt_id not in self._attempts:
            self._fold_opened(event)
            self._resume.add(event.attempt_id)
        elif isinstance(event, AttemptChanged) and event.attempt_id in self._attempts:
            before = self._attempts[event.attempt_id]
            self._fold_changed(before, event)
            if before.state != event.state and not self._attempts[event.attempt_id].terminal:
                self._resume.add(event.attempt_id)
            elif event.state in TERMINAL:
                self._resume.discard(event.attempt_id)

    def _begin_trip(self, trip_id: str) -> None:
        if trip_id != self._trip_id:
            self._trip_id = trip_id
            self._noted.clear()

    def _fold_opened(self, event: AttemptOpened) -> None:
        self._attempts[event.attempt_id] = Attempt(
            attempt_id=event.attempt_id,
            trip_id=self._trip_id,
            amount_minor=event.amount_minor,
            currency=event.currency,
            basket_hash=event.basket_hash,
            method=event.method,
            basket_minor=event.basket_minor,
            partial=event.partial,
        )
        held = {attempt.attempt_id for attempt in self.tenders(self._trip_id)}
        ended = [one.attempt_id for one in self._attempts.values() if one.terminal and one.attempt_id not in held]
        for attempt_id in ended[: max(0, len(self._attempts) - ATTEMPTS_KEPT_MAX)]:
            del self._attempts[attempt_id]

    def _fold_changed(self, attempt: Attempt, event: AttemptChanged) -> None:
        less = event.state == "approved" and 0 < event.amount_minor < attempt.amount_minor
        self._attempts[attempt.attempt_id] = msgspec.structs.replace(
            attempt,
            state=event.state,
            reason=event.reason,
            reference=event.reference or attempt.reference,
            captured_minor=event.amount_minor if less else attempt.captured_minor,
            refunded_minor=max(event.refunded_minor, attempt.refunded_minor),
        )

    def _mismatch(self, attempt: Attempt | None, answer: PaymentAnswer) -> str:
        """The first field that is not as asked for, "" where all are."""
        if attempt is None:
            return "unknown attempt"
        asked = (
            ("cart", answer.cart_id == self._cart_id),
            ("amount", amount_fits(attempt, answer)),
            ("currency", answer.currency == attempt.currency),
            ("basket", answer.basket_hash == attempt.basket_hash),
        )
        return next((f"wrong {name}" for name, same in asked if not same), "")

    def _note(self, t_ns: int, what: str, detail: str) -> list[Effect]:
        if (what, detail) in self._noted or len(self._noted) >= SECURITY_NOTES_MAX:
            return []
        self._noted.add((what, detail))
        return [Record(t_ns, SecurityNoted(what=what, detail=detail[:200]))]

    def _captured(self, attempt: Attempt, amount_minor: int) -> Attempt:
        less = amount_minor < attempt.amount_minor
        return msgspec.structs.replace(attempt, captured_minor=amount_minor) if less else attempt

    def _refunded(self, t_ns: int, attempt: Attempt, answer: PaymentAnswer) -> list[Effect]:
        """Staff has given a part back; what was told before, or is more than was taken, is no news."""
        if not attempt.refunded_minor < answer.refunded_minor <= attempt.taken_minor:
            return []
        return self._change(
            t_ns, attempt, "approved", reason=answer.reason, reference=answer.reference,
            refunded_minor=answer.refunded_minor,
        )  # fmt: skip

    def _change(
        self,
        t_ns: int,
        attempt: Attempt,
        state: AttemptState,
        *,
        reason: str,
        reference: str = "",
        refunded_minor: int = 0,
    ) -> list[Effect]:
        changed = AttemptChanged(
            attempt_id=attempt.attempt_id,
            state=state,
            amount_minor=attempt.taken_minor,
            reference=reference,
            reason=reason,
            refunded_minor=refunded_minor,
        )
        self._fold_changed(attempt, changed)
        self._resume.discard(attempt.attempt_id)
        self._tries[attempt.attempt_id] = 0
        if state in TERMINAL:
            self._due_ns.pop(attempt.attempt_id, None)
            self._tries.pop(attempt.attempt_id, None)
        else:
            self._due_ns[attempt.attempt_id] = t_ns + _ns(self._patience_s(state))
        return [Record(t_ns, changed)]

    def _patience_s(self, state: AttemptState) -> float:
        if state in {"opened", "pending"}:
            return self._policy.payment_timeout_s
        return self._policy.cancel_grace_s if state == "cancelling" else self._policy.payment_query_s

    def _send(self, t_ns: int, attempt: Attempt) -> list[Effect]:
        """The request, then the record that it went out: a cart that dies between the two sends the same id again."""
        return [request(attempt), *self._change(t_ns, attempt, "pending", reason="sent")]

    def _hand_over(self, t_ns: int, attempt: Attempt) -> list[Effect]:
        effects = self._change(t_ns, attempt, "handed_to_till", reason="handed_over")
        return [*effects, request(self._attempts[attempt.attempt_id])]

    def _void_late(self, t_ns: int, attempt: Attempt, answer: PaymentAnswer) -> list[Effect]:
        if attempt.state == "cancelling" and attempt.reason in {"late_approval", GIVEN_BACK}:
            return []
        effects = self._change(t_ns, attempt, "cancelling", reason="late_approval", reference=answer.reference)
        return [*effects, withdrawal(attempt)]

    def _take_up(self, t_ns: int, attempt: Attempt) -> list[Effect]:
        if attempt.terminal:
            return []
        if attempt.method == TILL_METHOD and attempt.state in {"opened", "pending"}:
            # Killed between opening and handing over: only its code lets anybody end it.
            return self._hand_over(t_ns, attempt)
        if attempt.state == "opened":
            return self._send(t_ns, attempt)
        if attempt.state == "pending":
            return self._ask(t_ns, attempt, "restarted")
        return self._repeat(t_ns, attempt)

    def _overdue(self, t_ns: int, attempt: Attempt) -> list[Effect]:
        if attempt.state in {"opened", "pending"}:
            return self._ask(t_ns, attempt, "no_answer")
        return self._repeat(t_ns, attempt)

    def _ask(self, t_ns: int, attempt: Attempt, reason: str) -> list[Effect]:
        return [*self._change(t_ns, attempt, "unknown", reason=reason), query(attempt)]

    def _repeat(self, t_ns: int, attempt: Attempt) -> list[Effect]:
        """Say the state's one message again, and wait twice as long as the last time, up to a minute."""
        tries = self._tries.get(attempt.attempt_id, 0)
        self._tries[attempt.attempt_id] = tries + 1
        wait_s = min(QUERY_INTERVAL_MAX_S, self._patience_s(attempt.state) * 2.0 ** min(tries, 10))
        self._due_ns[attempt.attempt_id] = t_ns + _ns(wait_s)
        if attempt.state == "cancelling":
            return [withdrawal(attempt)]
        if attempt.state == "handed_to_till":
            return [request(attempt)]
        return [query(attempt)]


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
