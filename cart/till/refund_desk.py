"""Gives back a part of what was paid: written down first, then asked of the provider until it has said that it did.

The refund's id is the provider's idempotency key too: asked twice, by one till or two, it is given back once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final

from cart.till.ledger import FAILURES, RefundRow, TillLedger
from cart.till.members import Members
from cart.till.payment_desk import GIVE_BACK_AGAIN_S, why_refunded
from cart.till.provider import Provider

log = logging.getLogger(__name__)

ID_MAX: Final = 64


class RefundDesk:
    """For one event loop. `say` tells the cart what an attempt's row says."""

    def __init__(self, ledger: TillLedger, provider: Provider, say: Callable[[str], None], members: Members) -> None:
        self._ledger = ledger
        self._provider = provider
        self._say = say
        self._members = members
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def give_back(self, attempt_id: str, amount_minor: int, reason: str, refund_id: str = "") -> RefundRow:
        """A part of what an attempt paid. The same `refund_id` again is the same refund; without one it is a new one.

        Raises TillProblem where nothing is held, not so much is left, or no reason is given.
        """
        chosen = refund_id[:ID_MAX] or secrets.token_hex(8)
        refund = self._ledger.ask_refund(
            chosen, attempt_id, amount_minor, why_refunded(reason), worker=self._members.me
        )
        self._go_on(refund)
        return self._ledger.refund(chosen) or refund

    def take_over(self) -> None:
        """Those that nobody alive goes on with."""
        for refund in self._ledger.open_refunds():
            if refund.worker not in self._members.alive and self._ledger.take_refund_over(refund, self._members.me):
                self._go_on(refund)

    async def close(self) -> None:
        """Stop asking; what is open stays open in the ledger."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _go_on(self, refund: RefundRow) -> None:
        if refund.status != "asked":
            self._say(refund.attempt_id)
        elif refund.refund_id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._ask(refund))
            self._tasks[refund.refund_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(refund.refund_id, None))

    async def _ask(self, refund: RefundRow) -> None:
        """Until it is known, at most four times a minute."""
        while True:
            try:
                found = await self._provider.refund(refund.attempt_id, refund.refund_id, refund.amount_minor)
                if found.status in {"refunded", "declined"}:
                    self._ledger.end_refund(refund, "done" if found.status == "refunded" else "refused")
                    self._say(refund.attempt_id)
                    return
            except asyncio.CancelledError:
                raise
            except FAILURES:
                log.exception("refund %s could not be booked; it is asked again", refund.refund_id)
            except Exception as error:  # noqa: BLE001  # whatever a provider's library raises: nobody knows yet
                log.error("refund %s: the provider failed (%s); it is asked again", refund.refund_id, error)  # noqa: TRY400
            await asyncio.sleep(GIVE_BACK_AGAIN_S)
