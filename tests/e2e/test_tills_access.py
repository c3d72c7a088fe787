"""Tills with certificates under the shipped access list, against a real mosquitto: what they may, and nobody else."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cart.bench.broker import find_mosquitto
from cart.commands import provision
from cart.core.settings import Policy
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from tests.e2e.provisioned_store import STORE, Store, cart_topic
from tests.e2e.small_cart import CATALOG, SmallCart, until, until_empty, with_till
from tests.e2e.till_processes import Tills
from tests.postgres_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.broker]

PATIENT = Policy(payment_timeout_s=25.0, payment_query_s=1.0, cancel_grace_s=1.0)
"""Shorter than a real cart's 30 s, and longer than a take-over."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    executable = find_mosquitto()
    if executable is None:
        pytest.skip("needs mosquitto; install the package mosquitto (apt install mosquitto)")
    made = Store(tmp_path_factory.mktemp("store"), executable, ("till-1", "till-2"))
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("name", ["till-1", "till-2"])
def test_a_till_hears_every_cart_and_speaks_to_each_and_is_none_of_them(store: Store, name: str) -> None:
    cart, till = store.cart("cart-A"), store.till(name)
    till.listen(f"store/{STORE}/cart/+/up/#")
    till.listen(f"$share/some-tills/store/{STORE}/cart/+/up/payment/query")
    cart.listen(cart_topic("cart-A", "down/#"))
    till.say(cart_topic("cart-A", "up/total"), b"forged")
    till.say(cart_topic("cart-A", "down/command"))
    cart.say(cart_topic("cart-A", "up/payment/query"))
    cart.wait(lambda: cart_topic("cart-A", "down/command") in cart.heard)
    till.wait(lambda: cart_topic("cart-A", "up/payment/query") in till.heard)
    assert cart_topic("cart-A", "up/total") not in till.heard
    till.listen("$SYS/#")
    till.listen("store/store-2/#")
    till.say("store/store-2/cart/cart-A/down/command")
    for client in (till, cart):
        client.close()
    assert {topic.split("/")[1] for topic in till.heard} == {STORE}


def test_tills_under_the_access_list_share_the_work_and_a_cart_in_their_midst_swallows_nothing(
    store: Store, tmp_path: Path, postgres: Cluster
) -> None:
    tills = Tills(tmp_path, f"127.0.0.1:{store.port}", postgres.url(f"t{secrets.token_hex(6)}"))
    identity = store.identity("cart-A")
    thief = store.cart("cart-B")
    for channel in ("payment/request", "payment/query", "payment/cancel"):
        thief.listen(f"$share/tills/store/{STORE}/cart/+/up/{channel}")

    async def scene() -> None:
        for name in ("till-1", "till-2"):
            cert, key = store.till_files(name)
            tills.start("--ca", str(store.ca / "ca.pem"), "--cert", str(cert), "--key", str(key))
        await until(lambda: all(tills.state(n)["linked"] and tills.state(n)["tills"] == 2 for n in (0, 1)), 60.0)
        table = store.table(identity.certificate, identity.key)
        async with SmallCart(tmp_path / "cart", table, "cart-A", policy=PATIENT) as cart:
            await until(lambda: cart.link.linked, 20.0)
            for number in range(1, 7):
                await cart.start_trip(f"T{number}")
                await cart.pay(f"T{number}.1")
                await until(lambda: cart.state == "approved", 20.0)
                if number == 3:
                    tills.processes[0].kill()
            await until_empty(cart.journal, 30.0)
        assert len(tills.acquirer.captures()) == 6
        assert tills.database.read("SELECT count(*) FROM attempt WHERE status = 'approved'") == [(6,)]

    try:
        asyncio.run(asyncio.wait_for(scene(), 150.0))
        assert thief.heard == {}
    finally:
        tills.stop()
        thief.close()


def test_what_the_broker_refuses_is_a_note_on_the_tills_page(store: Store, tmp_path: Path) -> None:
    """Cart A as B; a certificate that was revoked."""
    store.enrol("cart-R")
    identity = store.identity("cart-R")

    async def scene() -> None:
        provider = SimulatedAcquirer(tmp_path / "till")
        till = Till(
            store.table(*store.till_files("till-1")), STORE, tmp_path / "till", provider, catalog=CATALOG,
            broker_log=store.log,
        )  # fmt: skip

        async def watch() -> None:
            await asyncio.to_thread(as_another, store)
            await until(lambda: len(till.ledger.notes()) >= 1)
            provision.revoke("cart-R", store.ca)
            shutil.copy(store.ca / "crl.pem", store.broker_files / "crl.pem")
            store.stop()
            store.start()
            revoked = await asyncio.to_thread(store.client, identity.certificate, identity.key)
            assert not revoked.up
            revoked.close()
            await until(lambda: len(till.ledger.notes()) >= 2)
            notes = [(note.cart_id, note.what, note.detail) for note in reversed(till.ledger.notes())]
            assert notes[0] == ("cart-A", "broker_refused_publish", cart_topic("cart-B", "up/total"))
            assert notes[1][:2] == ("", "broker_refused_certificate")
            assert notes[1][2].startswith("certificate verify failed")

        await with_till(till, watch)

    asyncio.run(asyncio.wait_for(scene(), 60.0))


def as_another(store: Store) -> None:
    cart = store.cart("cart-A")
    cart.say(cart_topic("cart-B", "up/total"))
    cart.close()
