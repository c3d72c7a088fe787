"""A store with the shipped broker configuration: authority, carts and tills made by `cart provision`."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cart.commands import provision
from cart.provision.identity import Identity
from cart.sync.connection import Broker
from tests.conftest import free_port

STORE = "store-1"
PATIENCE_S = 5.0


class Store:
    """An authority, a broker of the shipped configuration, two carts and a till, all made by `cart provision`."""

    def __init__(self, folder: Path, executable: str, tills: tuple[str, ...] = ("till-1",)) -> None:
        self.folder, self.executable = folder, executable
        self.ca, self.broker_files = folder / "ca", folder / "broker"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        provision.authority(STORE, self.ca)
        provision.broker(["127.0.0.1", "localhost"], self.broker_files, list(tills), self.ca)
        for till in tills:
            provision.till(till, folder / till, self.ca)
        for cart in ("cart-A", "cart-B"):
            self.enrol(cart)
        conf = self.broker_files / "mosquitto.conf"
        self.log = folder / "broker.log"
        # Only port and log are the test's: everything else is as shipped.
        shipped = conf.read_text().replace("listener 8883", f"listener {self.port} 127.0.0.1")
        shipped = shipped.replace("#log_", "log_").replace("/var/log/mosquitto/cart.log", str(self.log))
        conf.write_text(shipped + "log_dest stderr\n")
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

    def till(self, name: str = "till-1") -> Caught:
        return self.client(*self.till_files(name))

    def till_files(self, name: str) -> tuple[Path, Path]:
        """Certificate and key."""
        return self.folder / name / f"{name}.pem", self.folder / name / f"{name}.key"

    def table(self, certificate: Path, key: Path) -> Broker:
        """The table [broker] of whom these are."""
        return Broker(
            host="127.0.0.1", port=self.port, ca_file=str(self.ca / "ca.pem"), cert_file=str(certificate),
            key_file=str(key), keepalive_s=5,
        )  # fmt: skip


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


def cart_topic(cart: str, rest: str) -> str:
    return f"store/{STORE}/cart/{cart}/{rest}"
