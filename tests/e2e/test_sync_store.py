"""The cart's payments, link and journal against the real till and a real mosquitto, with the faults they have."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart.config import BrokerTable, CartTable, Config, ScaleTable, StoreTable
from cart.core.effects import RequestPayment
from cart.core.observations import CatalogArrived, PaymentAnswer, StaffCommand
from cart.core.payment import Payments
from cart.daemon.clock import SessionClock
from cart.daemon.store_part import StorePart
from cart.journal import Journal
from cart.sync.connection import Broker, Connection
from cart.sync.messages import PaymentResultMessage
from cart.sync.topics import address
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from tests.conftest import BrokerProcess, free_port
from tests.e2e.small_cart import CATALOG, HASH, SmallCart, at_store, make_till, play, until, until_empty, with_till

pytestmark = [pytest.mark.e2e, pytest.mark.broker]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_catalogue_ledger_and_payment_in_both_versions(broker: BrokerProcess, tmp_path: Path, protocol: str) -> None:
    async def scene(till: Till) -> None:
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

    at_store(broker, tmp_path, scene)


@pytest.mark.parametrize(
    ("mode", "ends", "captures"),
    [("twice", "approved", {"T.1": 500}), ("wrong_amount", "approved", {"T.1": 500}), ("decline", "declined", {})],
)
def test_what_an_acquirer_says_wrongly_or_twice(
    broker: BrokerProcess, tmp_path: Path, mode: Any, ends: str, captures: dict[str, int]
) -> None:
    async def scene(till: Till) -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            await cart.begin_to_pay()
            await until(lambda: cart.state == ends)
            rows = await cart.journal.read_trip("T")
            bodies = [row.body for row in rows]
            assert sum('"state":"approved"' in body for body in bodies) == int(ends == "approved")
            assert any("security_noted" in body for body in bodies) is (mode == "wrong_amount")
            assert isinstance(till.provider, SimulatedAcquirer)
            assert till.provider.captures() == captures

    at_store(broker, tmp_path, scene, mode=mode)


def test_silence_is_queried_and_a_withdrawal_frees_the_shopper(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene(till: Till) -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            await cart.begin_to_pay()
            await until(lambda: cart.state == "unknown")
            await cart.carry_out(cart.payments.cancel(time.monotonic_ns()))
            await until(lambda: cart.state == "cancelled")
            assert isinstance(till.provider, SimulatedAcquirer)
            assert till.provider.captures() == {}
            till.provider.set_mode("approve")
            await cart.pay("T.2")
            await until(lambda: cart.state == "approved")
            assert till.provider.captures() == {"T.2": 500}

    at_store(broker, tmp_path, scene, mode="silent")


def test_a_late_approval_of_a_withdrawn_attempt_is_given_back(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene(till: Till) -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            await cart.begin_to_pay()
            await asyncio.sleep(0.2)
            await cart.carry_out(cart.payments.cancel(time.monotonic_ns()))
            assert cart.state == "cancelling"
            await until(lambda: cart.state == "voided")
            assert isinstance(till.provider, SimulatedAcquirer)
            assert till.provider.captures() == {}

    at_store(broker, tmp_path, scene, mode="late", late_s=1.0)


def test_a_refund_made_while_the_cart_was_away_is_told_when_it_is_back(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene(till: Till) -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            await cart.begin_to_pay()
            await until(lambda: cart.state == "approved")
        till.give_back("T.1", "milk was sour", None)
        await until(lambda: [row.status for row in till.ledger.recent()] == ["voided"])
        async with SmallCart(tmp_path / "cart", broker) as cart:
            assert cart.state == "approved"
            await until(lambda: cart.state == "voided")

    at_store(broker, tmp_path, scene)


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
    async def scene(till: Till) -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            await cart.start_trip()
            # Payments that nobody ticks: a query while it is written would have the till refuse the id for ever.
            opened, *_never_carried_out = Payments("cart-1").open(0, "T.1", "T", 500, "EUR", HASH, "wallet")
            await cart.carry_out([opened])
        async with SmallCart(tmp_path / "cart", broker) as back:
            await until(lambda: back.state == "approved")
        assert isinstance(till.provider, SimulatedAcquirer)
        assert till.provider.captures() == {"T.1": 500}

    at_store(broker, tmp_path, scene)


def test_a_request_delivered_ten_times_is_one_row_one_charge_and_ten_equal_replies(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    charged: list[object] = []

    async def scene(till: Till) -> None:
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

    at_store(broker, tmp_path, scene, on_charge=charged.append)


def approvals(cart: SmallCart) -> list[dict[str, object]]:
    said = [msgspec.structs.asdict(heard) for heard in cart.heard if isinstance(heard, PaymentAnswer)]
    return [{**answer, "t_ns": 0} for answer in said if answer["status"] == "approved"]


def test_the_version_that_a_broker_spoke_is_tried_first_the_next_time(broker: BrokerProcess, tmp_path: Path) -> None:
    config = Config(
        cart=CartTable(id="cart-1"), store=StoreTable(id="store-1"),
        scale=ScaleTable(counts_per_gram=1.0, tare_counts=0), broker=BrokerTable(host="127.0.0.1", port=broker.port),
    )  # fmt: skip

    async def boot() -> str:
        async def committed() -> None:
            return None

        journal = Journal(tmp_path / "cart", cart_id="cart-1")
        await journal.open()
        part = StorePart(
            config, journal, SessionClock(), boot_id="b", decide=lambda _: None, committed=committed,
            on_catalog=lambda _: None, on_returned=lambda _: None, health=lambda: ({}, {}),
        )  # fmt: skip
        running = asyncio.create_task(part.run())
        await until(lambda: part.linked)
        spoken = part.protocol
        end = time.monotonic() + 5.0
        while await journal.about("mqtt_spoken") != spoken and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await journal.note_about("mqtt_spoken", "3.1.1")  # as if this broker knew nothing later
        await journal.close()
        return spoken

    async def scene() -> None:
        till = make_till(tmp_path / "till", broker)

        async def twice() -> None:
            assert [await boot(), await boot()] == ["5", "3.1.1"]

        await with_till(till, twice)

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
