"""The real programs on simulated machines: the daemon's own composition without devices, the till's own service.

Replaced are threads, sockets, clocks and the provider's network; nothing that decides.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from cart.bench.faults.broker import SimulatedConnection
from cart.bench.faults.machine import Boot, FailingSqlite
from cart.config import (
    BrokerTable,
    CartTable,
    Config,
    GpioTable,
    JournalTable,
    PowerTable,
    ScaleTable,
    ScannerTable,
    StoreTable,
)
from cart.core.catalog import Catalog, Item, Tax
from cart.core.observations import PartChanged
from cart.core.view import TripView
from cart.daemon import clock as daemon_clock
from cart.daemon import composition, store_part
from cart.daemon.composition import Daemon
from cart.journal import Journal, Opened, ledger_file
from cart.journal import journal as journal_module
from cart.sync import link, outbox
from cart.sync.connection import Broker
from cart.sync.outbox import OutboxSender
from cart.till import database as till_database
from cart.till import ledger as till_ledger
from cart.till import members, service
from cart.till.database import Database
from cart.till.provider import Provider
from cart.till.service import Till

STORE: Final = "store-1"
CART: Final = "cart-1"

CLOCKED: Final[list[ModuleType]] = [composition, daemon_clock, journal_module, outbox, till_ledger, members, service]
"""Modules whose `time` and `secrets` are replaced."""

T = TypeVar("T")

PRICES: Final = {"milk": 149, "bread": 289, "apples": 99, "soap": 415, "cheese": 777}
"""sku → minor units; the auditor is given the same table."""


BENEFITS: Final = frozenset({"milk", "bread", "apples"})
"""What a benefits card may pay."""


def code_of(sku: str) -> str:
    """An EAN-13 of the range for internal use, check digit included."""
    body = f"20000000000{list(PRICES).index(sku)}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return body + str(-weighted % 10)


def catalog() -> Catalog:
    """A small store without offers, so that a sum is a sum."""
    return Catalog(
        version=1,
        currency="EUR",
        locale="en_IE",
        taxes={"A": Tax(rate_bp=1350)},
        items=tuple(
            Item(sku=sku, name=sku.title(), gtins=("0" + code_of(sku),), price_minor=price, ebt=sku in BENEFITS)
            for sku, price in PRICES.items()
        ),
    )


def config(folder: Path) -> Config:
    """A cart whose devices are all missing; its scale's absence is what the store's policy allows for."""
    nowhere = str(folder / "none")
    return Config(
        cart=CartTable(id=CART),
        store=StoreTable(id=STORE, languages=("en",)),
        scale=ScaleTable(counts_per_gram=20.0, tare_counts=0),
        gpio=GpioTable(module=f"sim:{nowhere}"),
        scanner=ScannerTable(port=nowhere),
        power=PowerTable(sysfs=nowhere),
        broker=BrokerTable(host="simulated"),
        journal=JournalTable(folder=str(folder)),
    )


class InlineJournal(Journal):
    """The journal without its thread: one job after the other, each taking a moment, each a step to die at."""

    def __init__(self, boot: Boot, **options: Any) -> None:
        super().__init__(boot.disk.folder, **options)
        self._boot = boot
        self._thread = threading.Thread()  # never started: the jobs run in the loop
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        self._file.close()

    async def _call(self, function: Callable[[], T]) -> T:
        async with self._turn:
            await self._boot.pause(self._boot.rng.uniform(0.001, 0.02))
            if self._boot.step("before a journal job"):
                await self._boot.stop_here()
            result = function()
            if self._boot.step("after a journal job"):
                await self._boot.stop_here()
        await self._boot.pause(self._boot.rng.uniform(0.0, 0.005))
        return result


class Witness:
    """What was promised to somebody while it ran: the auditor looks whether it held."""

    def __init__(self) -> None:
        self.committed: list[tuple[str, int, str]] = []
        """Chain, number and hash of each head that the cart took for committed."""
        self.paid_shown: dict[str, int] = {}
        """Trip → total, of each trip that the screen showed as paid."""
        self.refunded_shown: dict[str, int] = {}
        """Trip → what its receipt on the screen said was refunded."""

    def rows_on_disk(self) -> int:
        """How far the ledger is known to be on disk."""
        return self.committed[-1][1] if self.committed else 0


class SimulatedDaemon(Daemon):
    """`cart run` less screen server, control socket and devices."""

    def __init__(self, boot: Boot, witness: Witness, *, up: Callable[[SimulatedDaemon], None]) -> None:
        """`up` is told when touches and scans may come."""
        folder = boot.disk.folder
        super().__init__(config(folder), folder / "cart.toml")
        self._boot = boot
        self._witness = witness
        self._up = up

    async def live(self) -> bool:
        """Until the power goes; True where it is to be started anew on rows that the store returned."""
        self.journal = InlineJournal(self._boot, cart_id=CART, boot_id=self._boot_id)
        opened: Opened = await self.journal.open()
        self._witness.committed.append((opened.head.chain, opened.head.seq, opened.head.hash))
        await self.come_up(opened)
        self.core.submit(PartChanged(t_ns=self.clock.now_ns(), part="scale", ok=False))
        self._up(self)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self.core.run()), tasks.create_task(self.store.run())]
            await self._stopping.wait()
            await self.core.drain()
            for task in running:
                task.cancel()
        await self.take_back()
        await self.journal.close()
        return True

    def _viewed(self, view: TripView) -> None:
        super()._viewed(view)
        if self._boot.alive and view.phase == "paid" and view.trip_id is not None:
            self._witness.paid_shown[view.trip_id] = view.total_minor
            if view.receipt is not None and view.receipt.refunded_minor:
                self._witness.refunded_shown[view.trip_id] = view.receipt.refunded_minor

    def _committed(self, view: TripView | None) -> None:
        if self._boot.alive:
            head = self.journal.head
            self._witness.committed.append((head.chain, head.seq, head.hash))
        super()._committed(view)


async def run_till(boot: Boot, provider: Provider, up: Callable[[Till], None], rows: Database | None = None) -> None:
    """`cart till` less its page; `up` is told the till. `rows`: the database that it shares with another one."""
    boot.step("starting")
    store = boot.disk.folder if rows is None else rows
    till = Till(Broker(host="simulated"), STORE, store, provider, catalog=catalog())
    up(till)
    till.start()
    await asyncio.get_running_loop().create_future()


def replacements(time: ModuleType) -> list[tuple[ModuleType, str, Any]]:
    """Module, name and stand-in of everything else that reaches out of the simulation."""
    sqlite = FailingSqlite()
    return [
        (ledger_file, "sqlite3", sqlite),
        (till_database, "sqlite3", sqlite),
        (link, "Connection", SimulatedConnection),
        (service, "Connection", SimulatedConnection),
        (composition, "freeze_what_stays", lambda: None),
        (store_part, "OutboxSender", partial(OutboxSender, clock_s=time.monotonic)),
    ]
