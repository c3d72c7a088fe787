"""The cart's journal, outbox and link against the real till and a real mosquitto, with the faults they have."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest

from cart.config import BrokerTable
from cart.core.catalog import Catalog, Item, Tax
from cart.core.effects import CancelPayment, Effect, QueryPayment, Record, RequestPayment
from cart.core.ledger import GrossNoted, TripStarted
from cart.core.observations import CatalogArrived, PaymentAnswer, StaffCommand
from cart.core.payment import Payments
from cart.core.settings import Policy
from cart.journal import Journal
from cart.sync.connection import Broker, Connection
from cart.sync.link import StoreLink
from cart.sync.messages import PaymentResultMessage
from cart.sync.outbox import OutboxSender
from cart.sync.topics import address
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from tests.conftest import BrokerProcess, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.broker]

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

    def __init__(self, folder: Path, broker: BrokerProcess, cart_id: str = "cart-1", protocol: str = "auto") -> None:
        table = BrokerTable(host="127.0.0.1", port=broker.port, protocol=protocol, keepalive_s=5)  # type: ignore[arg-type]
        self.heard: list[object] = []
        self.journal = Journal(folder, cart_id=cart_id)
        self.payments = Payments(cart_id, Policy(payment_timeout_s=0.6, payment_query_s=0.2, cancel_grace_s=0.2))
        self.sender = OutboxSender(self.journal, self._send_row)
        self.link = StoreLink(
            table, cart_id, "store-1", self._hear, self.sender.link_changed, on_ack=self.sender.acknowledged
        )
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
            self.payments.open(time.monotonic_ns(), attempt_id, "T", amount_minor, "EUR", HASH, "wallet")
        )

    async def start_trip(self) -> None:
        started = TripStarted(trip_id="T", catalog_version=7, language="en")
        self.payments.apply(0, started)
        await self.carry_out([Record(0, started)])

    @property
    def state(self) -> str:
        return self.payments.current.state if self.payments.current is not None else "none"

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


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_catalogue_ledger_and_payment_in_both_versions(broker: BrokerProcess, tmp_path: Path, protocol: str) -> None:
    till_folder = tmp_path / "till"

    async def scene() -> None:
        till = make_till(till_folder, broker)

        async def shop() -> None:
            async with SmallCart(tmp_path / "cart", broker, protocol=protocol) as cart:
                await until(lambda: any(isinstance(heard, CatalogArrived) for heard in cart.heard))
                arrived = [heard.catalog for heard in cart.heard if isinstance(heard, CatalogArrived)]
                assert arrived == [CATALOG]
                assert cart.link.protocol == protocol
                await cart.start_trip()
                await cart.pay()
                await until(lambda: cart.state == "approved")
                await until_empty(cart.journal)
                assert till.ledger.cart_head("cart-1", cart.journal.head.chain)[0] == cart.journal.head.seq
                assert isinstance(till.provider, SimulatedAcquirer)
                assert till.provider.captures() == {"T.1": 500}

        await with_till(till, shop)

    play(scene())


def test_a_killed_broker_loses_nothing_and_everything_goes_in_order(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene() -> None:
        till = make_till(tmp_path / "till", broker)

        async def shop() -> None:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await until(lambda: cart.link.linked)
                for n in range(120):
                    await cart.journal.append([Record(n, GrossNoted(gross_g=float(n), sigma_g=1.0))])
                    cart.sender.committed()
                    if n in {30, 80}:
                        await asyncio.to_thread(broker.kill)
                    if n in {60, 110}:
                        await asyncio.to_thread(broker.start)
                await until_empty(cart.journal, 20.0)
                chain = cart.journal.head.chain
                held = till.ledger.cart_rows("cart-1", chain, 1, 10_000)
                assert [row.seq for row in held] == list(range(1, 121))
                assert held[-1].hash == cart.journal.head.hash
                assert till.ledger.notes() == []

        await with_till(till, shop)

    play(scene())


def test_rows_committed_with_no_broker_are_sent_by_the_next_run(broker: BrokerProcess, tmp_path: Path) -> None:
    broker.kill()

    async def scene() -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            for n in range(50):
                await cart.journal.append([Record(n, GrossNoted(gross_g=float(n), sigma_g=1.0))])
            assert not cart.link.linked
        broker.start()
        till = make_till(tmp_path / "till", broker)

        async def back() -> None:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await until_empty(cart.journal)
                assert till.ledger.cart_head("cart-1", cart.journal.head.chain) == (50, cart.journal.head.hash)

        await with_till(till, back)

    play(scene())


@pytest.mark.parametrize(
    ("mode", "ends"), [("twice", "approved"), ("wrong_amount", "approved"), ("decline", "declined")]
)
def test_what_an_acquirer_says_wrongly_or_twice(broker: BrokerProcess, tmp_path: Path, mode: Any, ends: str) -> None:
    async def scene() -> None:
        till = make_till(tmp_path / "till", broker, mode=mode)

        async def shop() -> None:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await until(lambda: cart.link.linked)
                await cart.start_trip()
                await cart.pay()
                await until(lambda: cart.state == ends)
                rows = await cart.journal.read_trip("T")
                bodies = [row.body for row in rows]
                assert sum('"state":"approved"' in body for body in bodies) == int(ends == "approved")
                assert any("security_noted" in body for body in bodies) is (mode == "wrong_amount")
                assert isinstance(till.provider, SimulatedAcquirer)
                assert till.provider.captures() == ({"T.1": 500} if ends == "approved" else {})

        await with_till(till, shop)

    play(scene())


def test_silence_is_queried_and_a_withdrawal_frees_the_shopper(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene() -> None:
        till = make_till(tmp_path / "till", broker, mode="silent")

        async def shop() -> None:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await until(lambda: cart.link.linked)
                await cart.start_trip()
                await cart.pay()
                await until(lambda: cart.state == "unknown")
                await cart.carry_out(cart.payments.cancel(time.monotonic_ns()))
                await until(lambda: cart.state == "cancelled")
                assert isinstance(till.provider, SimulatedAcquirer)
                assert till.provider.captures() == {}
                till.provider.set_mode("approve")
                await cart.pay("T.2")
                await until(lambda: cart.state == "approved")
                assert till.provider.captures() == {"T.2": 500}

        await with_till(till, shop)

    play(scene())


def test_a_late_approval_of_a_withdrawn_attempt_is_given_back(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene() -> None:
        till = make_till(tmp_path / "till", broker, mode="late", late_s=1.0)

        async def shop() -> None:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await until(lambda: cart.link.linked)
                await cart.start_trip()
                await cart.pay()
                await asyncio.sleep(0.2)
                await cart.carry_out(cart.payments.cancel(time.monotonic_ns()))
                assert cart.state == "cancelling"
                await until(lambda: cart.state == "voided")
                assert isinstance(till.provider, SimulatedAcquirer)
                assert till.provider.captures() == {}

        await with_till(till, shop)

    play(scene())


def test_a_forged_reply_and_garbage_on_its_topics_do_not_move_the_cart(broker: BrokerProcess, tmp_path: Path) -> None:
    forged = PaymentResultMessage(
        cart_id="cart-1", attempt_id="T.1", status="approved", amount_minor=499, currency="EUR", basket_hash=HASH
    )
    topic = address("store-1", "cart-1")
    payloads = [
        (topic.topic("down/payment/result"), msgspec.json.encode(forged)),
        (topic.topic("down/payment/result"), b"\x00\xff not json"),
        (topic.topic("down/command"), b'{"cart_id":"cart-2","command_id":"c","action":"void_trip"}'),
        (topic.topic("down/command"), b'{"cart_id":"cart-1","command_id":"c","action":"open_the_gate"}'),
        (topic.topic("down/ledger/ack"), b"[" * 10_000),
        ("store/store-1/catalogue/current", b'{"version": 1'),
    ]

    async def scene() -> None:
        links: list[bool] = []
        rogue = Connection(
            Broker(host="127.0.0.1", port=broker.port), "rogue", subscriptions=[], on_message=lambda _: None,
            on_link=lambda up, _: links.append(up),
        )  # fmt: skip
        async with SmallCart(tmp_path / "cart", broker) as cart:
            rogue.start()
            await until(lambda: cart.link.linked and links == [True])
            await cart.start_trip()
            await cart.pay()
            assert [rogue.publish(where, what) for where, what in payloads] == [True] * len(payloads)
            lock = b'{"cart_id":"cart-1","command_id":"c9","action":"lock"}'
            assert rogue.publish(topic.topic("down/command"), lock)
            await until(lambda: any(isinstance(heard, StaffCommand) for heard in cart.heard))
            commands = [heard for heard in cart.heard if isinstance(heard, StaffCommand)]
            assert [command.action for command in commands] == ["lock"]
            assert cart.state in {"pending", "unknown"}
            assert any("security_noted" in row.body for row in await cart.journal.read_trip("T"))
        await rogue.stop()

    play(scene())


def test_a_cart_that_died_between_commit_and_sending_sends_the_same_id(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene() -> None:
        till = make_till(tmp_path / "till", broker)

        async def shop() -> None:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await cart.start_trip()
                opened, *_never_carried_out = cart.payments.open(0, "T.1", "T", 500, "EUR", HASH, "wallet")
                await cart.carry_out([opened])
                cart.payments = Payments("cart-1")
            async with SmallCart(tmp_path / "cart", broker) as back:
                await until(lambda: back.state == "approved")
            assert isinstance(till.provider, SimulatedAcquirer)
            assert till.provider.captures() == {"T.1": 500}

        await with_till(till, shop)

    play(scene())


def test_a_request_delivered_ten_times_is_one_row_one_charge_and_ten_equal_replies(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    charged: list[object] = []

    async def scene() -> None:
        till = make_till(tmp_path / "till", broker, on_charge=charged.append)

        async def shop() -> None:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await until(lambda: cart.link.linked)
                request = RequestPayment("T.1", "T", 500, "EUR", HASH, "wallet")
                for _ in range(10):
                    cart.link.request_payment(request)
                    await asyncio.sleep(0.01)
                await until(lambda: len(approvals(cart)) >= 8)
                assert len(charged) == 1
                assert len(set(map(str, approvals(cart)))) == 1
                assert len(till.ledger.recent()) == 1

        await with_till(till, shop)

    play(scene())


def approvals(cart: SmallCart) -> list[dict[str, object]]:
    said = [msgspec.structs.asdict(heard) for heard in cart.heard if isinstance(heard, PaymentAnswer)]
    return [{**answer, "t_ns": 0} for answer in said if answer["status"] == "approved"]


def test_a_ledger_cut_back_to_an_earlier_head_is_found_at_the_first_contact(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    async def scene() -> None:
        till = make_till(tmp_path / "till", broker)

        async def shop() -> None:
            folder = tmp_path / "cart"
            async with SmallCart(folder, broker) as cart:
                await cart.start_trip()
            earlier = shutil.copytree(folder, tmp_path / "earlier")
            async with SmallCart(folder, broker) as cart:
                await cart.carry_out([Record(1, GrossNoted(gross_g=1.0, sigma_g=1.0))])
                await until_empty(cart.journal)
            async with SmallCart(earlier, broker) as cart:
                await until(lambda: "cut back" in cart.journal.locked)
            assert [note.what for note in till.ledger.notes()] == ["chain_cut_back"]

        await with_till(till, shop)

    play(scene())


def test_mosquitto_sub_sees_birth_total_and_death(broker: BrokerProcess, tmp_path: Path) -> None:
    """What anyone with mosquitto_sub sees: the cart's retained status, before and after its process is gone."""
    program = (
        "import asyncio, sys\n"
        "from cart.config import BrokerTable\n"
        "from cart.sync.link import StoreLink\n"
        "async def live():\n"
        "    async def hear(_): pass\n"
        "    link = StoreLink(BrokerTable(host='127.0.0.1', port=int(sys.argv[1])), 'cart-1', 'store-1', hear, print)\n"
        "    link.start()\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(live())\n"
    )
    status = address("store-1", "cart-1").topic("up/status")
    watch = ["mosquitto_sub", "-p", str(broker.port), "-t", status, "-C", "1", "-W", "10"]
    cart = subprocess.Popen([sys.executable, "-c", program, str(broker.port)], stdout=subprocess.DEVNULL)
    try:
        born = msgspec.json.decode(subprocess.run(watch, capture_output=True, check=True).stdout)
        assert (born["online"], born["cart_id"]) == (True, "cart-1")
    finally:
        cart.kill()
        cart.wait()
    died = msgspec.json.decode(subprocess.run(watch, capture_output=True, check=True).stdout)
    assert (died["online"], died["reason"]) == (False, "lost")


def test_the_till_killed_after_the_capture_says_approved_when_it_is_back(broker: BrokerProcess, tmp_path: Path) -> None:
    """The real `cart till` process, SIGKILLed between the acquirer's capture and its answer."""
    folder = tmp_path / "till"
    program = "import typer; from cart.commands.till import run; typer.run(run)"
    command = [
        sys.executable, "-c", program, "--broker", broker.address, "--data", str(folder), "--mode", "late",
        "--late-s", "30", "--port", str(free_port()),
    ]  # fmt: skip

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    async def scene() -> None:
        process = start()
        try:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await until(lambda: cart.link.linked)
                await until((folder / "till.sqlite").exists, 20.0)
                await asyncio.sleep(0.5)
                await cart.start_trip()
                await cart.pay()
                acquirer = SimulatedAcquirer(folder)
                await until(lambda: acquirer.captures() == {"T.1": 500})
                assert cart.state in {"pending", "unknown"}
                process.kill()
                process.wait()
                process = start()
                await until(lambda: cart.state == "approved", 20.0)
                await until_empty(cart.journal, 20.0)
                assert acquirer.captures() == {"T.1": 500}
                await acquirer.close()
        finally:
            process.kill()
            process.wait()

    play(scene())
