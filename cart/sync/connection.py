"""One MQTT connection that comes back by itself. Both sides of the store use it; it knows no topic and no payload.

A fresh paho client for each connection, always a clean session: nothing that paho or a broker keeps in memory is relied
on, so nothing can come out of it twice. MQTT 5 first; a broker that refuses it, or hangs up on it, is asked again in
3.1.1. paho's own thread reads and writes; its callbacks only hand over to the loop and never raise: an exception there
ends that thread while `is_connected()` stays true.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from cart.sync.subscribing import Subscriptions, came_by_share

log = logging.getLogger(__name__)

BACKOFF_MIN_S: Final = 0.25
BACKOFF_MAX_S: Final = 30.0
"""With jitter of half its length: 500 carts whose broker restarts come back over half a minute, not at once."""

INFLIGHT_MAX: Final = 20
"""Publications that the broker has not acknowledged, within paho. Set before connecting; later it has no effect."""

UNSENT_MAX: Final = 200
"""Publications accepted before `publish` says no; a stalled link must not fill the memory."""

INBOUND_MAX: Final = 1000
"""Messages waiting for the loop; what comes beyond is dropped and counted."""

ANSWER_TIMEOUT_S: Final = 10.0
"""For CONNACK and SUBACK; a broker that takes longer is as good as gone."""

Protocol = Literal["auto", "5", "3.1.1"]


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is and what proves who we are. The fields of the table [broker]; files, never keys."""

    host: str
    port: int = 1883
    others: tuple[str, ...] = ()
    """Further nodes of the same cluster, HOST or HOST:PORT."""
    protocol: Protocol = "auto"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: int = 15

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every node."""
        return [(self.host, self.port), *(_address(node, self.port) for node in self.others)]


def _address(node: str, usual_port: int) -> tuple[str, int]:
    """`broker-2`, `broker-2:8883`, `[2001:db8::1]:8883`."""
    host, colon, port = node.rpartition(":")
    named = bool(colon) and port.isdigit() and (":" not in host or host.startswith("["))
    return (host.strip("[]"), int(port)) if named else (node.strip("[]"), usual_port)


class Inbound(msgspec.Struct, frozen=True):
    """One message. Call `acknowledge` when what follows from it is safe, or it can't be dealt with; paho sends PUBACK
    only then.
    """

    topic: str
    payload: bytes
    retained: bool
    acknowledge: Callable[[], None]
    shared: bool = False
    """The one copy that the group got, which is this connection's to deal with."""


class Will(msgspec.Struct, frozen=True):
    """What the broker publishes, retained, when this connection dies."""

    topic: str
    payload: bytes


class _Line:
    """What one connection's callbacks find out."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.subscribed = threading.Event()
        self.closed = threading.Event()
        self.refused = ""


class Connection:
    """Start it in a running loop; `on_message` and `on_link(up, why)` are called in that loop."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        subscriptions: Sequence[str],
        on_message: Callable[[Inbound], None],
        on_link: Callable[[bool, str], None],
        will: Will | None = None,
        group: str = "",
        shared: Sequence[str] = (),
    ) -> None:
        """`group` and `shared`: topics that this connection shares with others, as `Subscriptions` says."""
        self._broker = broker
        self._client_id = client_id
        self._addresses = broker.addresses
        # By its name, so that carts spread over a cluster's nodes.
        self._at = zlib.crc32(client_id.encode()) % len(self._addresses)
        self._subscriptions = Subscriptions(client_id, subscriptions, group=group, shared=shared)
        self._on_message = on_message
        self._on_link = on_link
        self._will = will
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._client: paho.Client | None = None
        self._v5 = broker.protocol != "3.1.1"
        self._lock = threading.Lock()
        self._unsent = 0
        self._inbound = 0
        self._retained: dict[str, bytes] = {}
        self._unsaid: set[str] = set()
        self.linked = False
        self._said_down = False
        self.dropped = 0

    @property
    def shares(self) -> bool:
        """True where the broker parts what a group shares."""
        return self._subscriptions.shares

    @property
    def address(self) -> str:
        """The node that is spoken to, or tried next: HOST:PORT."""
        return "{}:{}".format(*self._addresses[self._at])

    @property
    def protocol(self) -> str:
        """The protocol version spoken, or tried next."""
        return "5" if self._v5 else "3.1.1"

    def prefer(self, protocol: str) -> None:
        """Try this version first, where the configuration leaves the choice: what this broker spoke the last time."""
        if self._broker.protocol == "auto" and protocol:
            self._v5 = protocol != "3.1.1"

    def start(self) -> None:
        """Begin to connect, for ever."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{self._client_id}", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Say goodbye to the broker (it publishes no will then) and end; at most a few seconds."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        for _ in range(20):  # up to 1 s for what was just published
            if not self.linked or self._unsent == 0:
                break
            await asyncio.sleep(0.05)
        self._stop.set()
        client = self._client
        if client is not None:
            client.disconnect()
        await asyncio.to_thread(thread.join, ANSWER_TIMEOUT_S)
        self.linked = False

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send once, QoS 1. False: not linked, or too much waits; nothing is kept then, the caller sends it again."""
        return self._send(topic, payload, retain=False)

    def set_retained(self, topic: str, payload: bytes) -> None:
        """Make this the topic's retained value, now or at the next connection, and again at each one after."""
        if self._retained.get(topic) != payload or not self.linked:
            self._retained[topic] = payload
            self._unsaid.add(topic)
            self._say_retained()

    def forget_retained(self, topic: str) -> None:
        """Say it no more at later connections; what the broker has stays."""
        self._retained.pop(topic, None)
        self._unsaid.discard(topic)

    def _send(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        client = self._client
        with self._lock:
            if client is None or not self.linked or self._unsent >= UNSENT_MAX:
                return False
            self._unsent += 1
        info = client.publish(topic, payload, qos=1, retain=retain)
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return True
        with self._lock:
            self._unsent -= 1
        return False

    def _run(self) -> None:
        pause_s, untried = BACKOFF_MIN_S, len(self._addresses)
        while not self._stop.is_set():
            was_up, why = self._one_connection()
            self._loop_call(self._link_is_down, f"{self.address}: {why}")
            if was_up:
                pause_s, untried = BACKOFF_MIN_S, len(self._addresses)
            self._at = (self._at + 1) % len(self._addresses)
            untried -= 1
            # Jitter needs no secrecy; it spreads carts that lost the same broker at the same moment.
            jitter = random.uniform(0.5, 1.0)  # noqa: S311
            if untried > 0:
                self._stop.wait(BACKOFF_MIN_S * jitter)  # another node may well be there
                continue
            self._stop.wait(pause_s * jitter)
            pause_s, untried = min(BACKOFF_MAX_S, pause_s * 2.0), len(self._addresses)

    def _one_connection(self) -> tuple[bool, str]:
        """Connect, serve until it is lost. Answers whether it came up, and why it ended."""
        line = _Line()
        try:
            client = self._make_client(line)
            client.connect(*self._addresses[self._at], self._broker.keepalive_s)
        except (OSError, ValueError, OverflowError, ssl.SSLError) as error:
            return False, str(error)
        client.loop_start()
        try:
            up = self._wait(line.answered, line) and not line.refused
            if not up and self._broker.protocol == "auto" and not self._stop.is_set():
                self._v5 = not self._v5
            up = up and self._wait(line.subscribed, line) and not line.refused
            if up:
                self._client = client
            if up and not self._stop.is_set():  # looked at after the client is known to `stop`, which sets it before
                self._loop_call(self._link_is_up, client)
                line.closed.wait()
            return up, line.refused or "the connection was lost"
        finally:
            self._client = None
            client.disconnect()
            client.loop_stop()

    def _wait(self, event: threading.Event, line: _Line) -> bool:
        """True when the event came; False when the line closed, we stop, or the broker took too long."""
        for _ in range(int(ANSWER_TIMEOUT_S / 0.05)):
            if event.wait(0.05):
                return True
            if line.closed.is_set() or self._stop.is_set():
                return False
        return False

    def _make_client(self, line: _Line) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if self._v5 else True,
            protocol=MQTTProtocolVersion.MQTTv5 if self._v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_inflight_messages_set(INFLIGHT_MAX)
        if self._broker.ca_file or self._broker.cert_file:
            client.tls_set(
                ca_certs=self._broker.ca_file or None,
                certfile=self._broker.cert_file or None,
                keyfile=self._broker.key_file or None,
            )
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        self._set_callbacks(client, line)
        return client

    def _set_callbacks(self, client: paho.Client, line: _Line) -> None:
        def on_connect(connected: paho.Client, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
            if reason.is_failure:
                line.refused = f"the broker refused: {reason}"
            else:
                self._subscriptions.ask(connected, properties, v5=self._v5)
                if self._subscriptions.answered:
                    line.subscribed.set()
            line.answered.set()

        def on_subscribe(connected: paho.Client, _data: Any, mid: int, reasons: Any, _properties: Any) -> None:
            line.refused = self._subscriptions.take(connected, mid, reasons, v5=self._v5) or line.refused
            if self._subscriptions.answered:
                line.subscribed.set()

        def on_disconnect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            line.refused = line.refused or f"the connection was lost: {reason}"
            line.closed.set()

        def on_publish(_client: Any, _data: Any, _mid: int, _reason: Any, _properties: Any) -> None:
            with self._lock:
                self._unsent = max(0, self._unsent - 1)
            if self._unsaid:
                self._loop_call(lambda _: self._say_retained(), None)

        def on_socket_open(_client: Any, _data: Any, opened: Any) -> None:
            # Without it a broker that answers in two segments costs 44 ms a message (measured on NATS).
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        client.on_connect = on_connect
        client.on_subscribe = on_subscribe
        client.on_disconnect = on_disconnect
        client.on_publish = on_publish
        client.on_socket_open = on_socket_open
        client.on_message = self._receive

    def _receive(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        """In paho's thread: hand over, never raise."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        with self._lock:
            full = self._inbound >= INBOUND_MAX
            self._inbound += 0 if full else 1
            self.dropped += 1 if full else 0
        mid, qos = message.mid, message.qos
        if full:
            _acknowledge(client, mid, qos)  # its sender repeats what matters; its place in the broker's window is freed
            return
        inbound = Inbound(
            topic,
            bytes(message.payload),
            message.retain,
            lambda: _acknowledge(client, mid, qos),
            came_by_share(message),
        )
        self._loop_call(self._deliver, inbound)

    def _deliver(self, inbound: Inbound) -> None:
        with self._lock:
            self._inbound -= 1
        try:
            self._on_message(inbound)
        except Exception:
            log.exception("a message on %r could not be handled; it is ignored", inbound.topic)
            # In a clean session it would never come again, only keep its place among the few that a broker has
            # unanswered at a client (mosquitto: 20): after so many failures nothing would come at all.
            inbound.acknowledge()

    def _link_is_up(self, client: paho.Client) -> None:
        if self._client is not client:
            return
        with self._lock:
            self._unsent = 0
            self.linked = True
            self._said_down = False
        self._unsaid = set(self._retained)
        self._on_link(True, "")  # first: it may set what has become stale
        self._say_retained()

    def _say_retained(self) -> None:
        """Publish the latest of each topic that the broker doesn't have yet, as far as there is room."""
        for topic in sorted(self._unsaid):
            if self._send(topic, self._retained[topic], retain=True):
                self._unsaid.discard(topic)

    def _link_is_down(self, why: str) -> None:
        was_up, self.linked = self.linked, False
        if was_up:
            self._on_link(False, why)
        elif not self._said_down:
            log.warning("no broker answers (%s); it is tried again", why)
        self._said_down = True

    def _loop_call(self, function: Callable[[Any], None], value: Any) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(function, value)


def _acknowledge(client: paho.Client, mid: int, qos: int) -> None:
    """PUBACK; harmless when that connection is gone, the sender then sends again."""
    with contextlib.suppress(OSError, ValueError):
        client.ack(mid, qos)
