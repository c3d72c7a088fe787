"""What can't be dealt with takes no place in the broker's window for good: mosquitto has twenty messages a client."""

from __future__ import annotations

from pathlib import Path

import pytest

from cart.sync.connection import Broker, Connection, Inbound
from cart.sync.messages import PaymentResultMessage, encode
from cart.sync.topics import address
from tests.conftest import BrokerProcess
from tests.e2e.small_cart import HASH, SmallCart, play, until

pytestmark = [pytest.mark.e2e, pytest.mark.broker]

MANY = 60


def teller(broker: BrokerProcess) -> Connection:
    where = Broker(host="127.0.0.1", port=broker.port)
    return Connection(where, "teller", subscriptions=[], on_message=lambda _: None, on_link=lambda _up, _why: None)


async def tell(said: Connection, topic: str, payloads: list[bytes]) -> None:
    for payload in payloads:
        await until(lambda payload=payload: said.publish(topic, payload))  # type: ignore[misc]


def test_who_fails_at_many_messages_hears_the_next_one(broker: BrokerProcess) -> None:
    heard: list[bytes] = []

    def fails(inbound: Inbound) -> None:
        heard.append(inbound.payload)
        if inbound.payload != b"fine":
            raise ValueError(inbound.payload)
        inbound.acknowledge()

    async def scene() -> None:
        where = Broker(host="127.0.0.1", port=broker.port)
        hearer = Connection(where, "hearer", subscriptions=["a"], on_message=fails, on_link=lambda _up, _why: None)
        said = teller(broker)
        for one in (hearer, said):
            one.start()
        await until(lambda: hearer.linked and said.linked)
        await tell(said, "a", [b"bad"] * MANY + [b"fine"])
        await until(lambda: heard.count(b"fine") == 1)
        assert heard.count(b"bad") == MANY
        for one in (hearer, said):
            await one.stop()

    play(scene())


def test_a_cart_that_could_not_take_many_answers_in_takes_the_next_one(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene() -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            heard: list[object] = []
            may_fail = [True]

            async def hear(what: object) -> None:
                heard.append(what)
                if may_fail[0]:
                    raise ValueError(what)

            cart.link._on_message = hear
            said = teller(broker)
            said.start()
            await until(lambda: cart.link.linked and said.linked)
            result = PaymentResultMessage(
                cart_id="cart-1", attempt_id="T.1", status="pending", amount_minor=5, currency="EUR", basket_hash=HASH
            )
            topic = address("store-1", "cart-1").topic("down/payment/result")
            await tell(said, topic, [encode(result)] * MANY)
            await until(lambda: len(heard) == MANY)
            may_fail[0] = False
            await tell(said, topic, [encode(result)])
            await until(lambda: len(heard) == MANY + 1)
            await said.stop()

    play(scene())
