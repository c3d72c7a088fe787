"""Answers payment: one row an attempt, committed before the provider is asked, and the row's word ever after.

Whatever is delivered twice, late, out of order or to two tills gets the same reply; only the first request for an id
reaches the provider. An id that is queried or withdrawn before it was requested is refused for ever, so that the
request, when it comes after all, charges nobody.

A row says `approved` only while the money is held. The provider's approval counts while nobody has asked it to stop;
before it is asked, the row says so on disk (`withdrawn`, or the method `till`), and from then on only its answer to the
withdrawal does. Money taken by hand and the approval it stands for are one commit.

A row names the till that has it in hand. Where that till is dead, the leader takes the row over; where it lives, the
others only say what the row says, stop it if the cart wants that, and leave the rest to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from cart.core.card_numbers import redact_text
from cart.core.frozen_basket import till_code
from cart.sync.messages import (
    PaymentCancelMessage,
    PaymentQueryMessage,
    PaymentRequestMessage,
    PaymentResultMessage,
)
from cart.till.attempts import REFUNDED
from cart.till.code_desk import CodeDesk
from cart.till.ledger import FAILURES, AttemptRow, TillLedger, TillProblem
from cart.till.members import Members
from cart.till.provider import Charge, Outcome, Provider

log = logging.getLogger(__name__)

TASKS_MAX: Final = 500
"""Attempts at the provider at once: one a cart, for the largest store. The cart's query ends what is beyond it."""

GIVE_BACK_AGAIN_S: Final = 15.0
"""A provider that could not be reached is asked again to give money back, at most four times a minute an attempt."""

OTHER_AMOUNT: Final = "captured for another amount"

REASON_MAX: Final = 200

Asked = PaymentRequestMessage | PaymentQueryMessage


class PaymentDesk:
    """For one event loop. `say` publishes a result and may fail: the cart asks again."""

    def __init__(
        self,
        ledger: TillLedger,
        provider: Provider,
        say: Callable[[PaymentResultMessage], object],
        *,
        currency: str,
        members: Members | None = None,
    ) -> None:
        """`members`: the tills of this ledger; without them this one is alone."""
        self._ledger = ledger
        self._provider = provider
        self._say_to_cart = say
        self.codes = CodeDesk(ledger, self._say, currency=currency)
        self._members = members or Members(ledger.database)
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        """What is being done about an attempt."""
        self._again: dict[str, asyncio.TimerHandle] = {}
        """Money that is still to be given back, and when that is tried next."""

    def recover(self) -> None:
        """After a start: take up what the last run left between asking and knowing, unless another till may have it."""
        try:
            for row in self._ledger.book_paid_codes():
                self._say(row)
        except FAILURES:
            log.exception("codes that were paid could not be booked; done at each cart's next request")
        if self._members.alive == {self._members.me}:
            self._take_over(self._ledger.unsettled())

    def take_over(self) -> None:
        """What tills had in hand that are dead now."""
        self._take_over(self._ledger.orphans(self._members.alive))

    def _take_over(self, rows: list[AttemptRow]) -> None:
        for row in rows:
            if self._ledger.take_over(row, self._members.me):
                self._work(row.attempt_id, "charge", self._resume(row.attempt_id))
                self._give_back_later(row.attempt_id)

    async def close(self) -> None:
        """Stop asking; the rows stay as they are and are taken up at the next start."""
        for timer in self._again.values():
            timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def request(self, asked: PaymentRequestMessage) -> None:
        """Charge once for this id, or say what came of it."""
        row = self._known(asked)
        if row is None:
            self._begin(asked)
        elif asked.method == "till" and row.status == "pending":
            self._work(row.attempt_id, "hand", self._hand_over(row.attempt_id))
        elif row.status == "pending" and not self._members.elsewhere(row.worker):
            self._say(row)
            self._ledger.take_over(row, self._members.me)
            self._work(row.attempt_id, "charge", self._resume(row.attempt_id))
        else:
            self._say(row)

    def query(self, asked: PaymentQueryMessage) -> None:
        """Say what came of an id; look at the provider where that isn't known. Never starts a charge."""
        row = self._known(asked)
        if row is None:
            row = self._paid_by_code(asked) or self._ledger.open_attempt(asked, "not_found")
        if row.status == "pending" or row.goes_back:
            self._work(row.attempt_id, "look", self._look(row.attempt_id))
        else:
            self._say(row)

    def cancel(self, asked: PaymentCancelMessage) -> None:
        """Take an attempt back; whatever is or will be captured is given back."""
        row = self._known(asked)
        if row is None:
            row = self._paid_by_code(asked) or self._ledger.open_attempt(asked, "cancelled", reason="withdrawn")
        if row.method == "till" or row.status not in {"pending", "approved"}:
            self._say(row)  # what was paid by hand, or ended without money, is not the cart's to take back
        else:
            self._write_withdrawn(row.attempt_id)
            self._work(row.attempt_id, "withdraw", self._stop(row.attempt_id))

    def refund(self, attempt_id: str, reason: str) -> AttemptRow:
        """Staff gives back what was paid, all of it: by the provider, or by hand what was taken by hand.

        Raises TillProblem where nothing is held, or no reason is given. The cart, and its receipt, are told.
        """
        row = self._ledger.attempt(attempt_id)
        if row is None or row.status != "approved" or row.withdrawn:
            raise TillProblem("nothing is held for this attempt; look at its state on this page")
        said = why_refunded(reason)
        if row.method == "till":
            after = self._ledger.change(attempt_id, ["approved"], "voided", reason=said)
            if after is None or after.status != "voided":
                raise TillProblem("the attempt is gone; reload the page")
            self._say(after)
            return after
        if not self._write_withdrawn(attempt_id, said):
            raise TillProblem("nothing is held for this attempt; look at its state on this page")
        self._work(attempt_id, "withdraw", self._withdraw(attempt_id))
        return self._ledger.attempt(attempt_id) or row

    def say_given_back(self, cart_id: str) -> None:
        """Tell a cart that is there again what staff has given back of late: it may have been away, or died before it
        had written that down. What it knows changes nothing there.
        """
        for row in self._ledger.given_back_by_staff(cart_id):
            self._say(row)

    def say_again(self, attempt_id: str, *, said_amount_minor: int | None = None) -> None:
        """Tell the cart what the row says."""
        row = self._ledger.attempt(attempt_id)
        if row is not None:
            self._say(row, said_amount_minor=said_amount_minor)

    def _begin(self, asked: PaymentRequestMessage) -> None:
        """One till a trip at a time: what is held for it is looked at and the row written in one go."""
        at_till = asked.method == "till"
        with self._ledger.trip(asked.attempt_id):
            row = self._paid_by_code(asked)
            held = None if row is not None else self._ledger.held_for_trip(asked)
            if held is not None and held.goes_back:
                row = self._ledger.open_attempt(asked, "cancelled", reason="a part was given back just now; ask again")
            elif held is not None:
                # Only a cart that has forgotten an attempt asks for another while that one's money is held or may come.
                self._ledger.note(asked.cart_id, "trip_paid_before", f"{asked.attempt_id}, beside {held.what}")
                row = self._ledger.open_attempt(asked, "cancelled", reason="paid before; staff knows")
            elif row is None:
                worker = self._members.me
                row = self._ledger.open_attempt(asked, "at_till" if at_till else "pending", worker=worker)
        self._must_match(row, asked)
        self._say(row)
        if row.status == "pending" and row.worker == self._members.me:
            self._work(row.attempt_id, "charge", self._charge(row.attempt_id))

    def _paid_by_code(self, asked: Asked) -> AttemptRow | None:
        """The row of an attempt that was paid by its code before the till heard of it."""
        code = till_code(asked.attempt_id, asked.amount_minor, asked.currency)
        paid = self._ledger.paid_code(code)
        if paid is None or paid.amount_minor != asked.amount_minor:
            return None
        return self._ledger.open_attempt(asked, "approved", reference=paid.reference, paid_code=code)

    def _known(self, asked: Asked) -> AttemptRow | None:
        """The attempt's row; raises TillProblem, and notes it, where the same id comes with other terms."""
        row = self._ledger.attempt(asked.attempt_id)
        if row is not None and row.status == "at_till" and self._ledger.book_paid_codes():
            row = self._ledger.attempt(asked.attempt_id)
        if row is not None:
            self._must_match(row, asked)
        return row

    def _must_match(self, row: AttemptRow, asked: Asked) -> None:
        if (row.cart_id, row.amount_minor, row.currency, row.basket_hash) != (
            asked.cart_id, asked.amount_minor, asked.currency, asked.basket_hash,
        ):  # fmt: skip
            self._ledger.note(asked.cart_id, "attempt_terms_differ", asked.attempt_id)
            raise TillProblem(f"{asked.cart_id} asks for attempt {asked.attempt_id} on other terms; ignored")

    async def _charge(self, attempt_id: str) -> None:
        row = self._ledger.attempt(attempt_id)
        if row is None or not row.chargeable:
            await self._stop(attempt_id)
            return
        charge = Charge(
            key=row.attempt_id, amount_minor=row.amount_minor, currency=row.currency, method=row.method,
            cart_id=row.cart_id, partial=row.partial,
        )  # fmt: skip
        await self._settle(attempt_id, await self._provider.charge(charge))

    async def _resume(self, attempt_id: str) -> None:
        """A row that nobody works on: ask what became of it first; charge only what the provider never saw."""
        row = self._ledger.attempt(attempt_id)
        if row is None or not row.chargeable:
            await self._stop(attempt_id)
            return
        found = await self._provider.lookup(attempt_id)
        if found.status == "never_seen" or found.go_on:
            await self._charge(attempt_id)
        else:
            await self._settle(attempt_id, found)

    async def _look(self, attempt_id: str) -> None:
        """Ask what became of it; a charge that failed before the provider saw it is taken back: the cart goes on."""
        found = await self._provider.lookup(attempt_id)
        row = self._ledger.attempt(attempt_id)
        at_work = (attempt_id, "charge") in self._tasks or (row is not None and self._members.elsewhere(row.worker))
        if found.status == "never_seen" and not at_work and row is not None and row.chargeable:
            # The question may still be on its way: only a withdrawal keeps the provider from acting on it.
            if self._write_withdrawn(attempt_id):
                await self._withdraw(attempt_id, reason="never_arrived")
            else:
                await self._stop(attempt_id)
        elif found.go_on and not at_work and row is not None and self._ledger.take_over(row, self._members.me):
            self._work(attempt_id, "charge", self._charge(attempt_id))
            self._say(row)
        else:
            await self._settle(attempt_id, found)

    async def _hand_over(self, attempt_id: str) -> None:
        """The cart gave up on the provider: stop it there, and wait for a person, unless it was captured already."""
        row = self._ledger.attempt(attempt_id)
        if row is not None and row.chargeable:
            found = await self._provider.lookup(attempt_id)
            if found.status == "approved":
                await self._settle(attempt_id, found)
                return
            self._ledger.hand_over(attempt_id)
        await self._stop(attempt_id)

    async def _stop(self, attempt_id: str) -> None:
        """Carry on with a withdrawal or a handing over, as often as it takes; says the row where there is none."""
        row = self._ledger.attempt(attempt_id)
        if row is not None and row.withdrawing:
            await self._withdraw(attempt_id)
            return
        if row is not None and row.status == "pending" and row.method == "till":
            found = await self._provider.withdraw(attempt_id)
            if found.status in {"cancelled", "voided", "declined"}:
                self._ledger.change(attempt_id, ["pending"], "at_till")
        self.say_again(attempt_id)

    async def _withdraw(self, attempt_id: str, *, reason: str = "withdrawn") -> None:
        found = await self._provider.withdraw(attempt_id)
        if found.status in {"cancelled", "voided", "declined"}:
            row = self._ledger.attempt(attempt_id)
            if row is not None and row.reason.startswith((REFUNDED, OTHER_AMOUNT)):
                reason = row.reason
            elif found.status == "voided":
                reason = "late_approval"
            self._ledger.change(attempt_id, ["pending", "approved"], found.status, reason=reason)
        self.say_again(attempt_id)

    async def _settle(self, attempt_id: str, found: Outcome) -> None:
        """Write the provider's word down, then tell the cart; what was taken back meanwhile is stopped there again."""
        row = self._ledger.attempt(attempt_id)
        if row is None or not row.chargeable:
            await self._stop(attempt_id)
            return
        if found.status not in {"approved", "declined", "cancelled", "voided"}:
            self._say(row)
            return
        captured_minor = row.amount_minor if found.captured_minor is None else found.captured_minor
        allowed = captured_minor == row.amount_minor or (row.partial and 0 < captured_minor < row.amount_minor)
        if found.status == "approved" and not allowed:
            self._write_withdrawn(attempt_id, OTHER_AMOUNT)
            await self._withdraw(attempt_id)
            return
        # A provider's words are not ours: what looks like a card number is not kept, and not sent on.
        reason, _ = redact_text(found.reason)
        written = self._ledger.settle(
            row,
            found.status,
            reference=found.reference,
            reason=reason,
            captured_minor=captured_minor,
        )
        if not written:
            await self._stop(attempt_id)
            return
        for _ in range(found.repeat):
            self.say_again(attempt_id, said_amount_minor=found.said_amount_minor)

    def _say(self, row: AttemptRow, *, said_amount_minor: int | None = None) -> None:
        self._say_to_cart(
            PaymentResultMessage(
                cart_id=row.cart_id,
                attempt_id=row.attempt_id,
                status="pending" if row.status == "at_till" else row.status,
                amount_minor=row.taken_minor if said_amount_minor is None else said_amount_minor,
                currency=row.currency,
                basket_hash=row.basket_hash,
                reference=row.reference,
                reason=row.reason,
                refunded_minor=row.refunded_minor,
            )
        )

    def _work(self, attempt_id: str, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Run one piece of work of a kind at a time for an attempt."""
        key = (attempt_id, what)
        if key in self._tasks or len(self._tasks) >= TASKS_MAX:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._finished(key, done))

    def _write_withdrawn(self, attempt_id: str, reason: str = "") -> bool:
        """Before the provider is told; which then is told until it answers, also where no cart asks any more."""
        written = self._ledger.withdraw(attempt_id, reason, worker=self._members.me)
        if written:
            self._give_back_later(attempt_id)
        return written

    def _give_back_later(self, attempt_id: str) -> None:
        if attempt_id not in self._again:
            loop = asyncio.get_running_loop()
            self._again[attempt_id] = loop.call_later(GIVE_BACK_AGAIN_S, self._give_back, attempt_id)

    def _give_back(self, attempt_id: str) -> None:
        self._again.pop(attempt_id, None)
        try:
            row = self._ledger.attempt(attempt_id)
        except FAILURES:
            self._give_back_later(attempt_id)
            return
        if row is not None and row.withdrawing:
            self._give_back_later(attempt_id)
            self._work(attempt_id, "withdraw", self._withdraw(attempt_id))

    def _finished(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            log.error(
                "attempt %s: the provider failed (%s); it is looked up at the cart's next query",
                key[0], task.exception(),
            )  # fmt: skip
            with contextlib.suppress(*FAILURES):
                self._ledger.let_go(key[0], self._members.me)


def why_refunded(reason: str) -> str:
    """What the ledgers keep of a reason for giving money back. Raises TillProblem where there is none."""
    said, _ = redact_text(" ".join(reason.split()))
    if not said:
        raise TillProblem("say why the money is given back; the ledger keeps the reason")
    return f"{REFUNDED}{said}"[:REASON_MAX]
