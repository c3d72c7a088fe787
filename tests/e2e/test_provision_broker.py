"""The shipped access list against a real mosquitto: cart A is nobody but A, and the revoked are nobody."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cart.bench.broker import find_mosquitto
from cart.commands import provision
from cart.provision.identity import Identity
from cart.sync.connection import Broker
from cart.sync.keys import new_signing_key, read_public_keys
from cart.sync.signatures import Trust
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from tests.conftest import free_port
from tests.e2e.small_cart import CATALOG, SmallCart, play, until, until_empty, with_till

pytestmark = [pytest.mark.e2e, pytest.mark.broker]

STORE = "store-1"
PATIENCE_S = 5.0


class Store:
    """An authority, a broker of the shipped configuration, two carts and a till, all made by `cart provision`."""

    def __init__(self, folder: Path, executable: str) -> None:
        self.folder, self.executable = folder, executable
        self.ca, self.broker_files = folder / "ca", folder / "broker"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        provision.authority(STORE, self.ca)
        provision.broker(["127.0.0.1", "localhost"], self.broker_files, ["till-1"], self.ca)
        provision.till("till-1", folder / "till-1", self.ca)
        for cart in ("cart-A", "cart-B"):
            self.enrol(cart)
        conf = self.broker_files / "mosquitto.conf"
        # Only port and log are the test's: everything else is as shipped.
        conf.write_text(conf.read_text().replace("listener 8883", f"listener {self.port} 127.0.0.1"))
        if os.geteuid() == 0:
            conf.write_text("user root\n" + conf.read_text())

    def enrol(self, cart: str, ca: Path | None = None) -> Path:
        root = self.folder / f"{cart}-of-{(ca or self.ca).name}"
        provision.cart(cart, STORE, root)
        provision.sign(Identity(root).request, root / "signed.pem", ca or self.ca)
        provision.enrol(root / "signed.pem", (ca or self.ca) / "ca.pem", root)
        return root

    def identity(self, cart: str) -> Identity:
        return Identity(self.folder / f"{cart}-of-ca")

    def start(self) -> None:
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.executable, "-c", str(self.broker_files / "mosquitto.conf")], stdout=log, stderr=log
            )
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            time.sleep(0.02)
        raise AssertionError((self.folder / "mosquitto.log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self, cert: Path, key: Path, ca: Path | None = None, *, client_id: str = "any") -> Caught:
        return Caught(self.port, str(ca or self.ca / "ca.pem"), str(cert), str(key), client_id)

    def cart(self, cart: str, *, client_id: str = "any") -> Caught:
        identity = self.identity(cart)
        return self.client(identity.certificate, identity.key, client_id=client_id)

    def till(self) -> Caught:
        return self.client(self.folder / "till-1" / "till-1.pem", self.folder / "till-1" / "till-1.key")


class Caught:
    """A client that writes what it likes and keeps what it hears."""

    def __init__(self, port: int, ca: str, cert: str, key: str, client_id: str) -> None:
        self.heard: dict[str, bytes] = {}
        self.up = self.subscribed = self.down = False
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )  # fmt: skip
        self.client.tls_set(ca_certs=ca, certfile=cert or None, keyfile=key or None)
        self.client.on_connect = lambda *_: setattr(self, "up", not _[3].is_failure)
        self.client.on_disconnect = lambda *_: setattr(self, "down", True)
        self.client.on_subscribe = lambda *_: setattr(self, "subscribed", True)
        self.client.on_message = lambda *_: self.heard.__setitem__(_[2].topic, _[2].payload)
        self.client.connect("127.0.0.1", port, 30)
        self.client.loop_start()
        self.wait(lambda: self.up or self.down)

    def wait(self, true: Callable[[], object]) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < ends, "it did not come to that"
            time.sleep(0.005)

    def listen(self, topic: str) -> None:
        self.subscribed = False
        self.client.subscribe(topic, 1)
        self.wait(lambda: self.subscribed)

    def say(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    executable = find_mosquitto()
    if executable is None:
        pytest.skip("needs mosquitto; install the package mosquitto (apt install mosquitto)")
    made = Store(tmp_path_factory.mktemp("store"), executable)
    made.start()
    yield made
    made.stop()


def cart_topic(cart: str, rest: str) -> str:
    return f"store/{STORE}/cart/{cart}/{rest}"


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
    identity, till_files = store.identity("cart-A"), store.folder / "till-1"

    def broker(cert: Path, secret: Path) -> Broker:
        return Broker(
            host="127.0.0.1", port=store.port, ca_file=str(store.ca / "ca.pem"), cert_file=str(cert),
            key_file=str(secret), keepalive_s=5,
        )  # fmt: skip

    async def scene() -> None:
        provider = SimulatedAcquirer(tmp_path / "till")
        till = Till(
            broker(till_files / "till-1.pem", till_files / "till-1.key"), STORE, tmp_path / "till", provider,
            catalog=CATALOG, signer=key,
        )  # fmt: skip

        async def shop() -> None:
            trust = Trust(STORE, read_public_keys(public))
            table = broker(identity.certificate, identity.key)
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
