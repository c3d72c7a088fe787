"""500 carts on one broker: `python -m benchmarks.fleet`; `--broker nats`: on a cluster of three, one node killed.

Carts are the real link, outbox and flow control (cart/sync) with a ledger in memory; the store is a real `cart till`
with SQLite. Every cart writes a ledger row and a new total every few seconds. Measured: how long a total takes from
cart to a subscriber at the store, whether each cart's rows were all acknowledged and its last total arrived, processor
time. Carts know every node's address, and begin with one of them by their name; those of a killed node go to another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.fleet_brokers import Brokers, mosquitto, nats_cluster
from cart.bench.faults.programs import catalog
from cart.config import BrokerTable
from cart.core.chain import GENESIS, LedgerRow, row_hash
from cart.core.session import Session
from cart.core.settings import Policy, ScaleSettings
from cart.sync.connection import Broker, Connection, Inbound
from cart.sync.link import StoreLink
from cart.sync.messages import LedgerAckMessage, TotalMessage
from cart.sync.outbox import OutboxSender

STORE = "store-1"
CHAIN = "fleet"
WORKERS = 4
"""Processes that the carts share: one would be the bottleneck itself."""
PERIOD_S = 4.0
"""A busy shopper: a scan every few seconds."""
SETTLE_MAX_S = 120.0


class Taken(NamedTuple):
    """What the ledger in memory makes of an acknowledgement."""

    cut_back: bool = False
    foreign: bool = False


class Ledger:
    """A cart's ledger, as far as the outbox needs it."""

    def __init__(self, cart_id: str) -> None:
        self.cart_id = cart_id
        self.rows: list[LedgerRow] = []
        self.acknowledged = 0
        self.oldest = (1, GENESIS)

    def write(self) -> None:
        """One row more, of the usual size."""
        body = '{"kind":"gross_noted","gross_g":1234.5,"sigma_g":0.4,"note":"' + "x" * 160 + '"}'
        before = self.rows[-1].hash if self.rows else GENESIS
        row = LedgerRow(
            seq=len(self.rows) + 1, boot="b", wall_ms=0, t_ns=0, trip_id="T", body=body, prev=before, hash=""
        )
        self.rows.append(msgspec.structs.replace(row, hash=row_hash(self.cart_id, CHAIN, row)))

    async def unacknowledged(self, after_seq: int, limit: int) -> list[LedgerRow]:
        first = max(after_seq, self.acknowledged)
        return self.rows[first : first + limit]

    async def acknowledge(self, chain: str, seq: int, row_hash: str) -> Taken:  # noqa: ARG002  # the protocol's names
        self.acknowledged = max(self.acknowledged, seq)
        return Taken()

    async def owe_again(self, first_seq: int) -> int:  # noqa: ARG002  # this store loses nothing
        return 0


class Cart:
    """One cart's side of the store."""

    def __init__(self, number: int, ports: list[int]) -> None:
        self.cart_id = f"cart-{number}"
        self.ledger = Ledger(self.cart_id)
        self.told = ""
        self._outbox = OutboxSender(
            self.ledger, lambda row: self._link.send_ledger(CHAIN, row),
            ask=lambda nonce: self._link.ask_ledger(CHAIN, nonce),
        )  # fmt: skip
        self._link = StoreLink(
            BrokerTable(host="127.0.0.1", port=ports[0], others=tuple(f"127.0.0.1:{port}" for port in ports[1:])),
            self.cart_id, STORE, self._hear, self._outbox.link_changed, on_ack=self._acked,
        )  # fmt: skip
        session = Session(
            cart_id=self.cart_id, store_id=STORE, catalog=catalog(), policy=Policy(), languages=["en"],
            scale=ScaleSettings(counts_per_gram=1.0, tare_counts=0),
        )  # fmt: skip
        self._view = session.view()

    async def live(self, until_s: float) -> None:
        """Write and tell until then; then until all of it is acknowledged."""
        self._link.start()
        sending = asyncio.create_task(self._outbox.run())
        await asyncio.sleep(random.uniform(0.0, PERIOD_S))
        while time.monotonic() < until_s:
            self.ledger.write()
            self._outbox.committed()
            self.told = str(time.monotonic_ns())
            self._link.set_total(msgspec.structs.replace(self._view, trip_id=self.told), len(self.ledger.rows))
            await asyncio.sleep(PERIOD_S * random.uniform(0.7, 1.3))
        give_up_s = time.monotonic() + SETTLE_MAX_S
        while self.ledger.acknowledged < len(self.ledger.rows) and time.monotonic() < give_up_s:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        await asyncio.sleep(2.0)
        sending.cancel()
        await self._link.stop()

    async def _hear(self, _: object) -> None:
        """Catalogue; nothing to do."""

    def _acked(self, ack: LedgerAckMessage) -> None:
        self._outbox.acknowledged(ack)


async def work(first: int, count: int, ports: list[int], seconds: float) -> None:
    """One process's carts; says what became of them as JSON."""
    began_s = time.process_time()
    carts = [Cart(number, ports) for number in range(first, first + count)]
    until_s = time.monotonic() + seconds
    await asyncio.gather(*(cart.live(until_s) for cart in carts))
    said = [[cart.cart_id, len(cart.ledger.rows), cart.ledger.acknowledged, cart.told] for cart in carts]
    print(json.dumps({"carts": said, "cpu_s": time.process_time() - began_s}))


class Store:
    """The subscriber at the store: when each total came, and the last of each cart."""

    def __init__(self, port: int) -> None:
        self.latencies_ms: list[float] = []
        self.last: dict[str, str] = {}
        self.connection = Connection(
            Broker(host="127.0.0.1", port=port), "fleet-store", subscriptions=[f"store/{STORE}/cart/+/up/total"],
            on_message=self._hear, on_link=lambda _up, _why: None,
        )  # fmt: skip

    def _hear(self, inbound: Inbound) -> None:
        now_ns = time.monotonic_ns()
        total = msgspec.json.decode(inbound.payload, type=TotalMessage)
        told = total.trip_id or ""
        if told and self.last.get(total.cart_id) != told and not inbound.retained:
            self.latencies_ms.append((now_ns - int(told)) / 1e6)
        self.last[total.cart_id] = max(told, self.last.get(total.cart_id, ""))
        inbound.acknowledge()


async def measure(brokers: Brokers, folder: Path, carts: int, seconds: float, *, kill: bool) -> dict[str, Any]:
    """Start everything, let it run, add up."""
    (folder / "catalog.json").write_bytes(msgspec.json.encode(catalog()))
    till = subprocess.Popen(  # noqa: ASYNC220  # started once, before anything is measured
        [
            sys.executable, "-m", "cart", "till", "--broker", f"127.0.0.1:{brokers.ports[0]}", "--store", STORE,
            "--catalog", str(folder / "catalog.json"), "--data", str(folder / "till"), "--port", "0",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    store = Store(brokers.ports[0])
    store.connection.start()
    await asyncio.sleep(3.0)
    share = carts // WORKERS
    command = [sys.executable, "-m", "benchmarks.fleet", "--seconds", str(seconds)]
    command += ["--ports", *map(str, brokers.ports), "--worker"]
    workers = [
        await asyncio.create_subprocess_exec(
            *command, str(one * share), str(share), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for one in range(WORKERS)
    ]
    if kill:
        await asyncio.sleep(seconds / 2)
        brokers.kill_node()
        await asyncio.sleep(10.0)
        brokers.start_node()
    said = [json.loads((await worker.communicate())[0].splitlines()[-1]) for worker in workers]
    await store.connection.stop()
    till.terminate()
    await asyncio.to_thread(till.wait)
    return _figures(said, store, brokers.cpu_s())


def _figures(said: list[dict[str, Any]], store: Store, broker_cpu_s: float) -> dict[str, Any]:
    carts = [cart for worker in said for cart in worker["carts"]]
    latencies = sorted(store.latencies_ms)
    written = sum(rows for _, rows, _, _ in carts)
    return {
        "carts": len(carts),
        "totals_heard": len(latencies),
        "total_p50_ms": round(statistics.median(latencies), 1) if latencies else None,
        "total_p99_ms": round(latencies[int(len(latencies) * 0.99)], 1) if latencies else None,
        "total_max_ms": round(latencies[-1], 1) if latencies else None,
        "rows_written": written,
        "rows_unacknowledged": written - sum(acknowledged for _, _, acknowledged, _ in carts),
        "last_totals_missing": sum(store.last.get(cart_id, "") != told for cart_id, _, _, told in carts),
        "broker_cpu_s": round(broker_cpu_s, 1),
        "carts_cpu_s": round(sum(worker["cpu_s"] for worker in said), 1),
    }


def main() -> int:
    """0 where nothing was lost; a broker that is not installed is said, and left out."""
    parser = argparse.ArgumentParser(description="A fleet of carts on one broker")
    parser.add_argument("--broker", choices=["mosquitto", "nats"], default="mosquitto")
    parser.add_argument("--carts", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ports", nargs="+", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        first, count = arguments.worker
        asyncio.run(work(first, count, arguments.ports, arguments.seconds))
        return 0
    with tempfile.TemporaryDirectory(prefix="fleet-") as root:
        folder = Path(root)
        brokers = mosquitto(folder) if arguments.broker == "mosquitto" else nats_cluster(folder)
        if brokers is None:
            print(json.dumps({"broker": arguments.broker, "left_out": f"{arguments.broker} is not installed"}))
            return 0
        try:
            brokers.start()
            kill = arguments.broker == "nats"
            found = asyncio.run(measure(brokers, folder, arguments.carts, arguments.seconds, kill=kill))
        finally:
            brokers.stop()
    result = {"broker": brokers.name, "nodes": len(brokers.ports), "seconds": arguments.seconds, **found}
    print(json.dumps(result))
    return int((result["rows_unacknowledged"] or result["last_totals_missing"]) > 0 and not arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
