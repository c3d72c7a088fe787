"""What is really on the wire is what the document says: every message of a trip, caught by a bystander, validated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from cart.core.effects import SendReceipt
from cart.core.receipt import Receipt
from cart.core.view import InterventionView, LineView, TripView, WeightView
from cart.sync.connection import Broker, Connection, Inbound
from cart.sync.describe import schema_of
from cart.sync.topics import CHANNELS, parse
from tests.conftest import BrokerProcess
from tests.e2e.small_cart import SmallCart, make_till, play, until, until_empty, with_till

pytestmark = [pytest.mark.e2e, pytest.mark.broker]

VIEW = TripView(
    revision=1, phase="shopping", trip_id="T", training=False, online=True, locked=False, currency="EUR",
    locale="en_IE", language="en", languages=["en"], units=1, total_minor=149, savings_minor=0, tax_minor=18,
    lines=[
        LineView(
            line=1, sku="0001", name="Milk", names={}, units=1, placed=1, unit="each", unit_price_minor=149,
            weight_g=1031.0, price_minor=149, savings_minor=0, deposit_minor=0, state="confirmed", proof="weighed",
        )
    ],
    interventions=[
        InterventionView(
            id=1, kind="age_check", stage="staff", sku="0002", line=2, name="Wine", candidates=[], choices=[],
            delta_g=None, reason="",
        )
    ],
    weight=WeightView(net_g=1031.0, stable=True, over_capacity=False), produce=None, own_bag_waiting=False,
    notices=[], payment=None, receipt=None, can_checkout=True, checkout_waits_for=[], methods=["wallet"],
)  # fmt: skip
RECEIPT = Receipt(
    trip_id="T", attempt_id="T.1", store_id="store-1", cart_id="cart-1", currency="EUR", locale="en_IE", language="en",
    lines=[], savings_minor=0, total_minor=500, taxes=[], method="wallet", reference="SIM-1", staff_interventions=0,
)  # fmt: skip


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_every_message_of_a_trip_fits_its_schema(broker: BrokerProcess, tmp_path: Path, protocol: Any) -> None:
    caught: list[Inbound] = []

    async def scene() -> None:
        links: list[bool] = []

        def catch(inbound: Inbound) -> None:
            caught.append(inbound)
            inbound.acknowledge()

        bystander = Connection(
            Broker(host="127.0.0.1", port=broker.port, protocol=protocol), "bystander", subscriptions=["store/#"],
            on_message=catch,
            on_link=lambda up, _: links.append(up),
        )  # fmt: skip
        bystander.start()
        await until(lambda: links == [True])
        till = make_till(tmp_path / "till", broker, mode="late", late_s=1.0)

        async def shop() -> None:
            async with SmallCart(tmp_path / "cart", broker, protocol=protocol) as cart:
                await until(lambda: cart.link.linked)
                cart.link.set_total(VIEW, 1)
                cart.link.set_help(VIEW)
                cart.link.set_health({"scale": "ok", "camera": "missing"}, {"battery_percent": 81.0})
                await cart.start_trip()
                await cart.pay()
                await until(lambda: cart.state == "unknown")
                await cart.carry_out(cart.payments.cancel(0))
                await until(lambda: cart.state == "voided")
                assert cart.link.send_receipt(SendReceipt("ann@example.org", RECEIPT))
                await until(lambda: till.board.online("cart-1"))
                till.command("cart-1", "lock", reason="to look at it")
                await until_empty(cart.journal)
                cart.link.ask_ledger(cart.journal.head.chain, "ab", 0)
                await until(lambda: {channel for channel, _ in by_channel(caught)} == set(CHANNELS))

        await with_till(till, shop)
        await bystander.stop()

    play(scene())
    schemas = {channel: schema_of(channel) for channel in CHANNELS}
    for channel, payload in by_channel(caught):
        jsonschema.validate(payload, schemas[channel])
    everything = b"".join(inbound.payload for inbound in caught if not inbound.topic.endswith("/up/receipt"))
    assert b"ann@example.org" not in everything


def by_channel(caught: list[Inbound]) -> list[tuple[Any, Any]]:
    """Channel and decoded payload of what was caught; the catalogue is not a channel of a cart."""
    found = [(parse(inbound.topic), inbound.payload) for inbound in caught]
    return [(place[1], msgspec.json.decode(payload)) for place, payload in found if place is not None]
