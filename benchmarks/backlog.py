"""Fifty carts come back at once after a day offline, over 10 Mbit/s: `python -m benchmarks.backlog`.

The real outbox (cart/sync/outbox.py) of each cart, on a virtual clock; the wire is one queue of 10 Mbit/s that all of
them share with their live totals. Printed: how long until the store holds every row, what was sent twice, and how long
live totals took meanwhile; beside it the same without flow control.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest.mock import patch

from benchmarks.fleet import CHAIN, Ledger
from cart.bench.faults.virtual_time import VirtualLoop
from cart.core.chain import GENESIS, LedgerRow
from cart.sync import outbox
from cart.sync.messages import LedgerAckMessage, encode, ledger_message
from cart.sync.outbox import OutboxSender

CARTS = 50
ROWS = 2400
"""A cart's day: 40 trips of 60 rows."""
WIRE_BYTES_PER_S = 10e6 / 8
OVERHEAD_BYTES = 60
"""Of MQTT, TLS and TCP for one message."""
WAY_S = 0.01
LIVE_EVERY_S = 4.0
LIVE_BYTES = 2_000
"""A total of a dozen lines."""
FREE = {"WINDOW_ROWS": 10**9, "BURST_BYTES": 1e12, "RATE_BYTES_PER_S": 1e12}
"""No flow control."""


class Wire:
    """One queue up; what has waited its turn arrives a moment later."""

    def __init__(self) -> None:
        self.bytes = 0
        self._free_s = 0.0

    def arrives_s(self, size: int) -> float:
        """When something handed over now will be there."""
        self.bytes += size
        now_s = asyncio.get_running_loop().time()
        self._free_s = max(self._free_s, now_s) + size / WIRE_BYTES_PER_S
        return self._free_s + WAY_S


class Cart:
    """A cart with a day's rows, and the store's side of it."""

    def __init__(self, number: int, rows: int, wire: Wire) -> None:
        self.ledger = Ledger(f"cart-{number}")
        for _ in range(rows):
            self.ledger.write()
        self.held = 0
        self.sent = 0
        self.live_s: list[float] = []
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self.sender = OutboxSender(self.ledger, self._send, clock_s=self._loop.time)
        self._acking = False

    async def live(self) -> None:
        """A total every few seconds, from a moment of its own on."""
        await asyncio.sleep(LIVE_EVERY_S * int(self.ledger.cart_id.rpartition("-")[2]) / CARTS)
        while True:
            begun_s, due_s = self._loop.time(), self._wire.arrives_s(LIVE_BYTES)
            self._loop.call_at(due_s, lambda begun_s=begun_s: self.live_s.append(self._loop.time() - begun_s))  # type: ignore[misc]
            await asyncio.sleep(LIVE_EVERY_S)

    def _send(self, row: LedgerRow) -> bool:
        self.sent += 1
        size = len(encode(ledger_message(self.ledger.cart_id, CHAIN, row))) + OVERHEAD_BYTES
        self._loop.call_at(self._wire.arrives_s(size), self._at_store, row)
        return True

    @property
    def _head_hash(self) -> str:
        return self.ledger.rows[self.held - 1].hash if self.held else GENESIS

    def _at_store(self, row: LedgerRow) -> None:
        """Rows are kept where they follow, and acknowledged together after 20 ms, as the till does."""
        if row.seq == self.held + 1:
            assert row.prev == self._head_hash
            self.held = row.seq
        if not self._acking:
            self._acking = True
            self._loop.call_later(0.02 + WAY_S, self._acknowledge)

    def _acknowledge(self) -> None:
        self._acking = False
        cart_id, head = self.ledger.cart_id, self._head_hash
        self.sender.acknowledged(LedgerAckMessage(cart_id=cart_id, chain=CHAIN, seq=self.held, hash=head))


class Figures(NamedTuple):
    """Of one run; times in seconds."""

    rows: int
    rows_held: int
    sent_twice: int
    drained_s: float
    used_mbit_s: float
    live_p50_s: float
    live_max_s: float


async def _come_back(carts: int, rows: int) -> Figures:
    wire = Wire()
    fleet = [Cart(number, rows, wire) for number in range(carts)]
    tasks = [asyncio.ensure_future(work) for cart in fleet for work in (cart.sender.run(), cart.live())]
    for cart in fleet:
        cart.sender.link_changed(True)
    while any(cart.ledger.acknowledged < rows for cart in fleet):  # noqa: ASYNC110  # on a virtual clock
        await asyncio.sleep(0.1)
    drained_s = asyncio.get_running_loop().time()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    live = sorted(took_s for cart in fleet for took_s in cart.live_s)
    return Figures(
        rows=carts * rows, rows_held=sum(cart.held for cart in fleet),
        sent_twice=sum(cart.sent for cart in fleet) - carts * rows,
        drained_s=drained_s, used_mbit_s=wire.bytes * 8 / drained_s / 1e6,
        live_p50_s=live[len(live) // 2], live_max_s=live[-1],
    )  # fmt: skip


def come_back(carts: int = CARTS, rows: int = ROWS, *, paced: bool = True) -> Figures:
    """All carts at one moment; `paced` False: without window, burst and rate."""
    with ExitStack() as stack:
        for name, value in ({} if paced else FREE).items():
            stack.enter_context(patch.object(outbox, name, value))
        return stack.enter_context(asyncio.Runner(loop_factory=VirtualLoop)).run(_come_back(carts, rows))


def main() -> int:
    """0 where everything arrived once."""
    parser = argparse.ArgumentParser(description="Fifty carts come back after a day offline")
    parser.add_argument("--rows", type=int, default=ROWS, help="of each cart")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    arguments = parser.parse_args()
    runs = {"paced": come_back(rows=arguments.rows), "not_paced": come_back(rows=arguments.rows, paced=False)}
    result: dict[str, Any] = {
        name: {what: round(value, 3) for what, value in figures._asdict().items()} for name, figures in runs.items()
    }
    print(json.dumps({"carts": CARTS, **result}))
    return int(runs["paced"].rows_held < runs["paced"].rows and not arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
