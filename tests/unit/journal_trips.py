"""A trip's records, and a journal to put them into."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from cart.core.effects import Record
from cart.core.ledger import (
    ItemAdded,
    PhaseChanged,
    TripStarted,
)
from cart.journal import Journal

T = TypeVar("T")


def trip(trip_id: str, items: int = 3) -> list[Record]:
    return [
        Record(1, TripStarted(trip_id=trip_id, catalog_version=1, language="en")),
        Record(1, PhaseChanged(phase="shopping", reason="start")),
        *[
            Record(n, ItemAdded(line_id=n, sku="0001", name="Milk “1 l”", units=1, unit="each", unit_price_minor=149))
            for n in range(2, items + 2)
        ],
    ]


def end() -> list[Record]:
    return [Record(99, PhaseChanged(phase="idle", reason="emptied"))]


def with_journal(
    folder: Path, use: Callable[[Journal], Awaitable[T]], *, wall_ms: int = 1_000, cart_id: str = "cart-1"
) -> T:
    async def run() -> T:
        journal = Journal(folder, cart_id=cart_id, boot_id="boot", wall_ms=lambda: wall_ms)
        await journal.open()
        try:
            return await use(journal)
        finally:
            await journal.close()

    return asyncio.run(run())
