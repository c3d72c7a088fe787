"""A till's payment desk with its acquirer, for tests that have no broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cart.core.frozen_basket import till_code
from cart.sync.messages import (
    PaymentCancelMessage,
    PaymentQueryMessage,
    PaymentRequestMessage,
    PaymentResultMessage,
)
from cart.till.ledger import TillLedger
from cart.till.payment_desk import PaymentDesk
from cart.till.simulated import Mode, SimulatedAcquirer

HASH = "ab" * 32
TERMS: dict[str, Any] = {"cart_id": "cart-1", "amount_minor": 500, "currency": "EUR", "basket_hash": HASH}
CODE = till_code("T.1", 500, "EUR")


def request(attempt_id: str = "T.1", method: str = "wallet", **changes: Any) -> PaymentRequestMessage:
    return PaymentRequestMessage(**({"attempt_id": attempt_id, "trip_id": "T", "method": method} | TERMS | changes))


class Counter:
    """A desk with its acquirer, and what it said to the carts."""

    def __init__(self, folder: Path, mode: Mode = "approve", late_s: float = 0.05) -> None:
        self.said: list[PaymentResultMessage] = []
        self.charges: list[object] = []
        self.acquirer = SimulatedAcquirer(folder, mode, late_s=late_s, on_charge=self.charges.append)
        self.ledger = TillLedger(folder)
        self.desk = PaymentDesk(self.ledger, self.acquirer, self.said.append, currency="EUR")

    def query(self, attempt_id: str = "T.1") -> None:
        self.desk.query(PaymentQueryMessage(attempt_id=attempt_id, **TERMS))

    def cancel(self, attempt_id: str = "T.1") -> None:
        self.desk.cancel(PaymentCancelMessage(attempt_id=attempt_id, **TERMS))

    def statuses(self) -> list[str]:
        return [result.status for result in self.said]

    async def close(self) -> None:
        await self.desk.close()
        await self.acquirer.close()
        self.ledger.close()


def at_counter(folder: Path, scene: Callable[[Counter], Awaitable[None]], mode: Mode = "approve") -> None:
    async def run() -> None:
        counter = Counter(folder, mode)
        try:
            await scene(counter)
        finally:
            await counter.close()

    asyncio.run(run())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
