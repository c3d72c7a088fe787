"""A cart without its daemon: journal, payments, outbox and link, wired as the daemon wires them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Self

from cart.config import BrokerTable
from cart.core.catalog import Catalog, Item, Tax
from cart.core.effects import CancelPayment, Effect, QueryPayment, Record, RequestPayment
from cart.core.ledger import TripStarted
from cart.core.observations import CatalogArrived, PaymentAnswer, StaffCommand
from cart.core.payment import Payments
from cart.core.settings import Policy
from cart.journal import Journal
from cart.sync.connection import Broker
from cart.sync.link import StoreLink
from cart.sync.outbox import OutboxSender
from cart.sync.signatures import Trust
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from tests.conftest import BrokerProcess

HASH = "ab" * 32
CATALOG = Catalog(
    version=7,
    currency="EUR",
    locale="en_IE",
    taxes={"A": Tax(rate_bp=1350)},
    items=(Item(sku="0001", name="Milk", gtins=("05011001234566",), price_minor=149),),
)


class SmallCart:
    """Journal, payments, outbox and link wired as the daemon wires them, without the rest of it."""

    def __init__(
        self,
        folder: Path,
        broker: BrokerProcess | Broker,
        cart_id: str = "cart-1",
        protocol: str = "auto",
        trust: Trust | None = None,
        policy: Policy | None = None,
        *,
        asks: bool = False,
        wall_ms: int | None = None,
    ) -> None:
        """`asks`: nothing is sent before the store has said what it holds. `wall_ms`: a clock that stands."""
        table: Any = broker
        if isinstance(broker, BrokerProcess):
            table = BrokerTable(host="127.0.0.1", port=broker.port, protocol=protocol, keepalive_s=5)  # type: ignore[arg-type]
        self.heard: list[object] = []
        self._trip_id = "T"
        self.journal = Journal(folder, cart_id=cart_id, wall_ms=None if wall_ms is None else lambda: wall_ms)
        hasty = Policy(payment_timeout_s=0.6, payment_query_s=0.2, cancel_grace_s=0.2)
        self.payments = Payments(cart_id, policy or hasty)
        self.sender = OutboxSender(self.journal, self._send_row, ask=self._ask if asks else None)
        self.link = StoreLink(
            table, cart_id, "store-1", self._hear, self.sender.link_changed, on_ack=self.sender.acknowledged,
            trust=trust,
        )  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        opened = await self.journal.open()
        for t_ns, event in opened.events:
            self.payments.apply(t_ns, event)
        self.link.set_status(boot="b", head=lambda: self.journal.head)
        self.link.start()
        self._tasks = [asyncio.create_task(self.sender.run()), asyncio.create_task(self._tick())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.link.stop()
        await self.journal.close()

    async def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Record):
                await self.journal.append([effect])
                self.sender.committed()
            elif isinstance(effect, RequestPayment):
                self.link.request_payment(effect)
            elif isinstance(effect, QueryPayment):
                self.link.query_payment(effect)
            elif isinstance(effect, CancelPayment):
                self.link.cancel_payment(effect)

    async def pay(self, attempt_id: str = "T.1", amount_minor: int = 500) -> None:
        await self.carry_out(
            self.payments.open(time.monotonic_ns(), attempt_id, self._trip_id, amount_minor, "EUR", HASH, "wallet")
        )

    async def start_trip(self, trip_id: str = "T") -> None:
        self._trip_id = trip_id
        started = TripStarted(trip_id=trip_id, catalog_version=7, language="en")
        self.payments.apply(0, started)
        await self.carry_out([Record(0, started)])

    async def begin_to_pay(self) -> None:
        """A trip, and its first attempt on its way to the till."""
        await until(lambda: self.link.linked)
        await self.start_trip()
        await self.pay()

    @property
    def state(self) -> str:
        return self.payments.current.state if self.payments.current is not None else "none"

    def _ask(self, nonce: str) -> bool:
        return self.link.ask_ledger(self.journal.head.chain, nonce, oldest=self.journal.oldest)

    def _send_row(self, row: Any) -> bool:
        return self.link.send_ledger(self.journal.head.chain, row)

    async def _hear(self, heard: PaymentAnswer | StaffCommand | CatalogArrived) -> None:
        self.heard.append(heard)
        if isinstance(heard, PaymentAnswer):
            await self.carry_out(self.payments.answer(time.monotonic_ns(), heard))

    async def _tick(self) -> None:
        while True:
            due = self.payments.next_deadline_ns
            if due is not None and due <= time.monotonic_ns() and self.link.linked:
                await self.carry_out(self.payments.tick(time.monotonic_ns()))
            await asyncio.sleep(0.02)


def make_till(folder: Path, broker: BrokerProcess, **acquirer: Any) -> Till:
    provider = SimulatedAcquirer(folder, **acquirer)
    return Till(Broker(host="127.0.0.1", port=broker.port), "store-1", folder, provider, catalog=CATALOG)


async def until(true: Callable[[], bool], timeout_s: float = 8.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come to that in time"
        await asyncio.sleep(0.01)


async def until_empty(journal: Journal, timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while await journal.waiting() > 0:
        assert time.monotonic() < end, f"{await journal.waiting()} rows never acknowledged"
        await asyncio.sleep(0.02)


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 40.0))


async def with_till(till: Till, scene: Callable[[], Awaitable[None]]) -> None:
    till.start()
    try:
        await until(lambda: till.linked)
        await scene()
    finally:
        await till.stop()


def at_store(broker: BrokerProcess, folder: Path, scene: Callable[[Till], Awaitable[None]], **acquirer: Any) -> None:
    """Play a scene beside a till that is linked."""

    async def whole() -> None:
        till = make_till(folder / "till", broker, **acquirer)
        await with_till(till, lambda: scene(till))

    play(whole())
