"""A broker and its wires: harsher than MQTT over TCP, never kinder.

A message may be lost after its PUBACK (a broker killed right after it), come twice or ten times, late, or in another
order. Only the retained topics of one connection keep their order and are not lost while it stands, because nothing
repeats them before the next connection: there TCP's own promises are needed, and taken.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from paho.mqtt.client import topic_matches_sub

from cart.bench.faults.virtual_time import MACHINE
from cart.sync.connection import BACKOFF_MAX_S, BACKOFF_MIN_S, UNSENT_MAX, Connection, Inbound, Will

if TYPE_CHECKING:
    from cart.bench.faults.machine import Boot

HALF_OPEN_MAX_S: Final = 22.0
"""A peer that is silent for one and a half keepalive intervals of 15 s is taken for gone (MQTT 5, 3.1.2.10)."""


_matches = functools.cache(topic_matches_sub)
"""A run has a few topics and thousands of messages."""


class LinkChances(msgspec.Struct):
    """Chances a message, 0…1, and times in seconds; changed while a run goes on."""

    lose: float = 0.0
    repeat: float = 0.0
    forge: float = 0.0
    """A payment result arrives a second time with another amount, cart, currency or basket."""
    delay_s: float = 0.02
    straggle: float = 0.0
    """A message that takes up to a minute."""
    broker_dies_on_publish: float = 0.0


class Sent(msgspec.Struct, frozen=True):
    """One publication as its sender handed it to its link."""

    at_s: float
    sender: str
    topic: str
    payload: bytes
    on_disk: int
    """The cart's ledger rows known to be on disk at that moment."""


class Line:
    """One connection as the broker sees it."""

    def __init__(self, client: SimulatedConnection, boot: Boot) -> None:
        self.client = client
        self.boot = boot
        self.open = True
        self.closed = asyncio.Event()
        self.up_due_s = 0.0
        self.down_due_s = 0.0
        """When the latest retained value is through; nothing sent after it overtakes it, as in one TCP stream."""


class SimulatedBroker:
    """All lines of one store. Its own memory is gone when it dies."""

    def __init__(self, rng: random.Random, chances: LinkChances) -> None:
        self.chances = chances
        self.up = True
        self.trace: list[Sent] = []
        self.hits: dict[str, int] = {}
        self.baskets: dict[str, int] = {}
        """Attempt → what its request said that the whole basket costs."""
        self.rows_on_disk: Callable[[], int] = lambda: 0
        self.on_puback: Callable[[Boot, str, bytes], None] | None = None
        self._rng = rng
        self._lines: list[Line] = []
        self._retained: dict[str, bytes] = {}
        self._cut_off: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def retained(self) -> dict[str, bytes]:
        """Topic → latest retained payload."""
        return self._retained

    def connect(self, client: SimulatedConnection, boot: Boot) -> Line | None:
        """None while it can't be reached."""
        if not self.up or boot.name in self._cut_off or not boot.alive:
            return None
        for before in [line for line in self._lines if line.client.client_id == client.client_id]:
            self.hang_up(before)  # a client id has one connection, the latest (MQTT 5, 3.1.4-3)
        line = Line(client, boot)
        self._lines.append(line)
        for topic, payload in list(self._retained.items()):
            if client.wants(topic):
                self._hand_over(line, topic, payload, retained=True)
        return line

    def hang_up(self, line: Line, *, politely: bool = False) -> None:
        """Close a connection; without a goodbye its will is published."""
        if not line.open:
            return
        line.open = False
        self._lines.remove(line)
        line.closed.set()
        if line.client.last_will is not None and not politely and self.up:
            self._route(line.client.last_will.topic, line.client.last_will.payload, retain=True)

    def die(self, pause_s: float) -> None:
        """SIGKILL: everything in memory is gone, retained values too; back after a pause."""
        if not self.up:
            return
        self._hit("broker_killed")
        self.up = False
        self._retained.clear()
        for line in list(self._lines):
            self.hang_up(line)
        self._later(pause_s, self._come_back)

    def cut_off(self, boot: Boot, pause_s: float) -> None:
        """A partition: for a while the two believe that they are connected, and nothing gets through."""
        self._hit("partition")
        self._cut_off.add(boot.name)
        lines = [line for line in self._lines if line.boot is boot]
        for line in lines:
            self._later(min(pause_s, HALF_OPEN_MAX_S), lambda line=line: self.hang_up(line))  # type: ignore[misc]
        self._later(pause_s, lambda: self._cut_off.discard(boot.name))

    def lose_machine(self, boot: Boot) -> None:
        """Its power is gone: the broker finds out when nothing more comes."""
        for line in [line for line in self._lines if line.boot is boot]:
            self._later(self._rng.uniform(0.0, HALF_OPEN_MAX_S), lambda line=line: self.hang_up(line))  # type: ignore[misc]

    def publish(self, line: Line, topic: str, payload: bytes, *, retain: bool) -> None:
        """From a client: on its way. PUBACK comes when the broker has it, whatever becomes of it then."""
        loop = asyncio.get_running_loop()
        self.trace.append(Sent(loop.time(), line.boot.name, topic, payload, self.rows_on_disk()))
        if topic.endswith("up/payment/request"):
            asked: dict[str, Any] = msgspec.json.decode(payload)
            self.baskets[asked["attempt_id"]] = asked["basket_minor"]
        if line.boot.name in self._cut_off:
            return
        if self._chance(self.chances.broker_dies_on_publish):
            self._later(self._rng.uniform(0.0, 0.05), lambda: self.die(self._rng.uniform(0.5, 8.0)))
        if retain:
            line.up_due_s = loop.time() + self._after(line.up_due_s)
            self._later(line.up_due_s - loop.time(), lambda: self._arrive(line, topic, payload, retain=True, acks=True))
            return
        lost = self._chance(self.chances.lose, "lost")
        for copy in range(self._copies()):
            self._later(
                self._after(line.up_due_s),
                lambda copy=copy: self._arrive(line, topic, payload, retain=False, acks=copy == 0, lost=lost),  # type: ignore[misc]
            )

    def _arrive(self, line: Line, topic: str, payload: bytes, *, retain: bool, acks: bool, lost: bool = False) -> None:
        if not line.open or line.boot.name in self._cut_off:
            return
        if acks:
            line.client.puback()
            if self.on_puback is not None and line.boot.alive:
                self.on_puback(line.boot, topic, payload)
        if not lost:
            self._route(topic, payload, retain=retain)

    def _route(self, topic: str, payload: bytes, *, retain: bool) -> None:
        if retain:
            self._retained[topic] = payload
        for line in list(self._lines):
            if line.client.wants(topic):
                for _ in range(1 if retain else self._copies()):
                    self._hand_over(line, topic, payload, retained=False)
                if topic.endswith("down/payment/result") and self._chance(self.chances.forge, "forged"):
                    self._hand_over(line, topic, self._forged(payload), retained=False)

    def _hand_over(self, line: Line, topic: str, payload: bytes, *, retained: bool) -> None:
        loop = asyncio.get_running_loop()
        ordered = retained or topic.endswith(("/status", "/total", "/help", "/health", "/current"))
        if not ordered and self._chance(self.chances.lose, "lost"):
            return
        due_s = loop.time() + self._after(line.down_due_s)
        if ordered:
            line.down_due_s = due_s
        self._later(due_s - loop.time(), lambda: self._deliver(line, topic, payload, retained=retained))

    def _deliver(self, line: Line, topic: str, payload: bytes, *, retained: bool) -> None:
        if line.open and line.boot.name not in self._cut_off and line.boot.alive:
            line.boot.context.run(line.client.hear, Inbound(topic, payload, retained, lambda: None))

    def _forged(self, payload: bytes) -> bytes:
        fields: dict[str, Any] = msgspec.json.decode(payload)
        what = self._rng.choice(["amount_minor", "cart_id", "currency", "basket_hash"])
        wrong = {"amount_minor": fields["amount_minor"] + 1, "cart_id": "cart-2", "currency": "USD"}
        return msgspec.json.encode({**fields, "status": "approved", what: wrong.get(what, "f" * 64)})

    def _copies(self) -> int:
        return self._rng.choice([2, 2, 3, 10]) if self._chance(self.chances.repeat, "repeated") else 1

    def _delay_s(self) -> float:
        if self._chance(self.chances.straggle, "straggled"):
            return self._rng.uniform(1.0, 60.0)
        return self._rng.uniform(0.001, max(0.001, self.chances.delay_s))

    def _after(self, due_s: float) -> float:
        """A delay that ends after that moment."""
        return max(self._delay_s(), due_s - asyncio.get_running_loop().time() + self._rng.uniform(1e-6, 1e-3))

    def _chance(self, chance: float, what: str = "") -> bool:
        if chance <= 0.0 or self._rng.random() >= chance:
            return False
        self._hit(what)
        return True

    def _hit(self, what: str) -> None:
        if what:
            self.hits[what] = self.hits.get(what, 0) + 1

    def _come_back(self) -> None:
        self.up = True

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(max(0.0, seconds), act)


class SimulatedConnection(Connection):
    """The real connection's memory of retained values and its room, over a simulated line instead of paho's."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._boot = cast("Boot", MACHINE.get())
        self._line: Line | None = None
        self._connecting: asyncio.Task[None] | None = None

    @property
    def client_id(self) -> str:
        return self._client_id

    @property
    def last_will(self) -> Will | None:
        return self._will

    def wants(self, topic: str) -> bool:
        """True where a subscription matches."""
        return any(_matches(wanted, topic) for wanted in (*self._subscriptions.own, *self._subscriptions.shared))

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connecting = self._loop.create_task(self._keep_connected())

    async def stop(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._line is not None and self._boot.alive:
            self._boot.broker.hang_up(self._line, politely=True)
        self.linked = False

    def puback(self) -> None:
        """The broker has one publication more."""
        self._unsent = max(0, self._unsent - 1)
        if self._unsaid and self._boot.alive:
            self._boot.context.run(self._say_retained)

    def hear(self, inbound: Inbound) -> None:
        """What the broker delivers."""
        if self._boot.step("heard"):
            return
        self._inbound += 1
        self._deliver(inbound)

    async def _keep_connected(self) -> None:
        pause_s = BACKOFF_MIN_S
        while True:
            await self._boot.pause(self._boot.rng.uniform(0.02, 0.2))
            line = self._boot.broker.connect(self, self._boot)
            if line is not None:
                self._line = line
                self._client = cast("Any", line)
                self._link_is_up(cast("Any", line))
                await line.closed.wait()
                await self._boot.pause(0.0)
                self._line = self._client = None
                self._link_is_down("the line was lost")
                pause_s = BACKOFF_MIN_S
            await self._boot.pause(pause_s * self._boot.rng.uniform(0.5, 1.0))
            pause_s = min(BACKOFF_MAX_S, pause_s * 2.0)

    def _send(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        line = self._line
        if line is None or not self.linked or self._unsent >= UNSENT_MAX or not self._boot.alive:
            return False
        if not line.open:
            return True  # the loss is not noticed yet: into the void
        if self._boot.step("publishing"):
            return False
        self._unsent += 1
        self._boot.broker.publish(line, topic, payload, retain=retain)
        self._boot.step("published")
        return True
