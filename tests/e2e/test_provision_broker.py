"""The shipped access list against a real mosquitto: cart A is nobody but A, and the revoked are nobody."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cart.bench.broker import find_mosquitto
from cart.commands import provision
from cart.provision.identity import Identity
from cart.sync.keys import new_signing_key, read_public_keys
from cart.sync.signatures import Trust
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from tests.e2e.provisioned_store import PATIENCE_S, STORE, Caught, Store, cart_topic
from tests.e2e.small_cart import CATALOG, SmallCart, play, until, until_empty, with_till

pytestmark = [pytest.mark.e2e, pytest.mark.broker]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    executable = find_mosquitto()
    if executable is None:
        pytest.skip("needs mosquitto; install the package mosquitto (apt install mosquitto)")
    made = Store(tmp_path_factory.mktemp("store"), executable)
    made.start()
    yield made
    made.stop()


def test_cart_a_can_neither_read_nor_write_b(store: Store) -> None:
    till, a, b = store.till(), store.cart("cart-A"), store.cart("cart-B")
    till.listen(f"store/{STORE}/cart/+/up/#")
    a.listen("#")
    a.listen(cart_topic("cart-B", "#"))
    a.listen("$SYS/#")
    b.listen(cart_topic("cart-B", "down/#"))

    a.say(cart_topic("cart-B", "up/total"), b"forged")
    a.say(cart_topic("cart-B", "down/payment/result"), b"forged")
    a.say(cart_topic("cart-A", "down/payment/result"), b"forged")
    a.say(cart_topic("cart-A", "up/total"), b"own")
    b.say(cart_topic("cart-B", "up/status"), b"b", retain=True)
    till.say(cart_topic("cart-B", "down/command"), b"for b")
    till.say(cart_topic("cart-A", "down/command"), b"for a")
    a.wait(lambda: a.heard)
    b.wait(lambda: b.heard)
    till.wait(lambda: len(till.heard) == 2)

    assert till.heard == {cart_topic("cart-A", "up/total"): b"own", cart_topic("cart-B", "up/status"): b"b"}
    assert a.heard == {cart_topic("cart-A", "down/command"): b"for a"}
    assert b.heard == {cart_topic("cart-B", "down/command"): b"for b"}
    for client in (till, a, b):
        client.close()


def test_the_catalogue_is_the_tills_to_write_and_every_carts_to_read(store: Store) -> None:
    till, a, b = store.till(), store.cart("cart-A"), store.cart("cart-B")
    topic = f"store/{STORE}/catalogue/current"
    a.say(topic, b"cheap", retain=True)
    till.say(topic, b"true", retain=True)
    a.say(topic, b"cheap", retain=True)
    b.listen(topic)
    b.wait(lambda: b.heard)
    assert b.heard == {topic: b"true"}
    till.say(topic, b"", retain=True)
    for client in (till, a, b):
        client.close()


def test_a_cart_that_takes_anothers_client_id_pushes_nobody_off(store: Store) -> None:
    b = store.cart("cart-B", client_id=f"cart-{STORE}-cart-B")
    a = store.cart("cart-A", client_id=f"cart-{STORE}-cart-B")
    b.listen(cart_topic("cart-B", "down/#"))
    assert (a.up, b.up, b.down) == (True, True, False)
    a.close()
    b.close()


def test_a_stranger_is_refused_with_no_certificate_or_one_of_another_authority(store: Store) -> None:
    provision.authority(STORE, store.folder / "other")
    forged = store.enrol("cart-X", store.folder / "other") / "etc" / "cart"
    strangers = [
        store.client(forged / "cart.pem", forged / "cart.key"),
        Caught(store.port, str(store.ca / "ca.pem"), "", "", "any"),
    ]
    assert [stranger.up for stranger in strangers] == [False, False]
    # And the cart for its part doesn't speak to a broker of another authority.
    deceived = ssl.create_default_context(cafile=str(forged / "store-ca.pem"))
    with socket.create_connection(("127.0.0.1", store.port), 2.0) as wire, pytest.raises(ssl.SSLCertVerificationError):
        deceived.wrap_socket(wire, server_hostname="127.0.0.1")


def test_the_plain_port_is_closed_and_the_tls_port_speaks_no_plain_mqtt(store: Store) -> None:
    conf = (store.broker_files / "mosquitto.conf").read_text()
    assert [line.split()[0] for line in conf.splitlines() if line.startswith(("listener", "port"))] == ["listener"]
    with socket.create_connection(("127.0.0.1", store.port), 2.0) as plain:
        plain.settimeout(PATIENCE_S)
        plain.sendall(bytes.fromhex("100d00044d5154540402003c000161"))  # CONNECT of MQTT 3.1.1
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = plain.recv(64)
    assert not answer.startswith(b"\x20"), "a CONNACK came without TLS"


def test_a_revoked_certificate_is_refused_and_the_rotated_key_is_not(store: Store) -> None:
    root = store.enrol("cart-R")
    identity = Identity(root)
    old = root / "old"
    old.mkdir()
    shutil.copy(identity.certificate, old)
    shutil.copy(identity.key, old)
    before = store.client(old / "cart.pem", old / "cart.key")
    provision.rotate(root)
    provision.sign(identity.request, root / "renewed.pem", store.ca, renew=True)
    provision.enrol(root / "renewed.pem", store.ca / "ca.pem", root)
    provision.revoke("cart-R", store.ca, keep=identity.certificate)
    shutil.copy(store.ca / "crl.pem", store.broker_files / "crl.pem")
    store.stop()
    store.start()
    after = [store.client(old / "cart.pem", old / "cart.key"), store.client(identity.certificate, identity.key)]
    assert before.up
    assert [client.up for client in after] == [False, True]
    for client in (before, *after):
        client.close()


def test_a_new_revocation_list_refuses_new_connections_at_sighup_and_ends_the_old_one_at_a_restart(
    store: Store,
) -> None:
    """Why `cart provision revoke` asks for a restart."""
    root = store.enrol("cart-S")
    identity = Identity(root)
    connected = store.client(identity.certificate, identity.key)
    provision.revoke("cart-S", store.ca)
    shutil.copy(store.ca / "crl.pem", store.broker_files / "crl.pem")
    assert store.process is not None
    store.process.send_signal(signal.SIGHUP)
    ends = time.monotonic() + PATIENCE_S
    while "Reloading config" not in (store.folder / "mosquitto.log").read_text() and time.monotonic() < ends:
        time.sleep(0.02)
    another = store.client(identity.certificate, identity.key, client_id="another")
    connected.say("store/store-1/cart/cart-S/up/health")
    assert (connected.up, connected.down, another.up) == (True, False, False)
    store.stop()
    store.start()
    restarted = store.client(identity.certificate, identity.key)
    assert (connected.down, restarted.up) == (True, False)
    for client in (connected, another, restarted):
        client.close()


def test_cart_and_till_over_mutual_tls_with_signatures(store: Store, tmp_path: Path) -> None:
    key = new_signing_key()
    public = tmp_path / "store.pub"
    public.write_bytes(key.public_pem())
    identity = store.identity("cart-A")

    async def scene() -> None:
        provider = SimulatedAcquirer(tmp_path / "till")
        till = Till(
            store.table(*store.till_files("till-1")), STORE, tmp_path / "till", provider,
            catalog=CATALOG, signer=key,
        )  # fmt: skip

        async def shop() -> None:
            trust = Trust(STORE, read_public_keys(public))
            table = store.table(identity.certificate, identity.key)
            async with SmallCart(tmp_path / "cart", table, "cart-A", trust=trust) as cart:
                await cart.start_trip()
                await until(lambda: cart.link.linked)
                await cart.pay()
                await until(lambda: cart.state == "approved")
                await until_empty(cart.journal)
                await until(lambda: till.board.online("cart-A"))
                till.command("cart-A", "lock")
                await until(lambda: len({type(heard).__name__ for heard in cart.heard}) == 3)
                assert provider.captures() == {"T.1": 500}

        await with_till(till, shop)

    play(scene())
