"""The cart's end of the link: what it says as methods, what it hears as observations.

    link = StoreLink(broker, "cart-1", "store-1", on_message=…, on_link=…)
    link.start(); link.set_total(view, seq); link.request_payment(effect); …; await link.stop()

Nothing that is heard is believed by its topic alone: payloads are decoded strictly and must name this cart. A payload
that isn't what its topic says is logged, escaped, on one line, and ignored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from cart.core.catalog_reading import CatalogError, read_catalog_json
from cart.core.chain import GENESIS, LedgerRow
from cart.core.effects import CancelPayment, QueryPayment, RequestPayment, SendReceipt
from cart.core.observations import CatalogArrived, PaymentAnswer, StaffCommand
from cart.core.view import TripView
from cart.sync import messages
from cart.sync.connection import Broker, Connection, Inbound, Will
from cart.sync.messages import (
    BadMessage,
    CommandMessage,
    HealthMessage,
    LedgerAckMessage,
    LedgerAskMessage,
    LedgerReturnMessage,
    PaymentResultMessage,
    ReceiptMessage,
    StatusMessage,
)
from cart.sync.signatures import Trust, Untrusted
from cart.sync.topics import Channel, address, catalogue_topic, parse

log = logging.getLogger(__name__)

Heard = PaymentAnswer | StaffCommand | CatalogArrived
OnMessage = Callable[[Heard], Awaitable[None]]
"""Awaited in the loop, one message at a time in order; when it returns, the message counts as received (PUBACK)."""

WAITING_MAX: Final = 200
"""Messages between link and core. The core takes them as they come; a store sends a cart a few a minute."""


class BrokerSettings(Protocol):
    """The table [broker] as configured; any object with these attributes."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def others(self) -> tuple[str, ...]: ...
    @property
    def protocol(self) -> Any: ...
    @property
    def ca_file(self) -> str: ...
    @property
    def cert_file(self) -> str: ...
    @property
    def key_file(self) -> str: ...
    @property
    def keepalive_s(self) -> int: ...


class ChainHead(Protocol):
    """The journal's last committed row."""

    @property
    def chain(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def hash(self) -> str: ...


class StoreLink:
    """One cart's link to its store. All methods are for the loop that called `start`."""

    def __init__(
        self,
        broker: BrokerSettings,
        cart_id: str,
        store_id: str,
        on_message: OnMessage,
        on_link: Callable[[bool], None],
        *,
        on_ack: Callable[[LedgerAckMessage], None] | None = None,
        on_return: Callable[[LedgerReturnMessage], None] | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
        trust: Trust | None = None,
        on_security: Callable[[str, str], None] | None = None,
    ) -> None:
        """Raises TopicProblem for ids that can't stand in a topic. `on_ack` hears acknowledgements of the ledger,
        `on_return` rows that the store gives back, `on_security(what, detail)` what was refused because no honest
        store sends it.
        """
        self.cart_id = cart_id
        self._address = address(store_id, cart_id)
        self._catalogue_topic = catalogue_topic(store_id)
        self._on_message = on_message
        self._on_link = on_link
        self._on_ack = on_ack
        self._on_return = on_return
        self._now_ns = now_ns
        self._trust = trust or Trust(store_id)
        self._on_security = on_security
        self._catalogue = b""
        self._reader: asyncio.Task[None] | None = None
        self._waiting: asyncio.Queue[Inbound] = asyncio.Queue(WAITING_MAX)
        self._head: Callable[[], ChainHead] | None = None
        self._status = StatusMessage(cart_id=cart_id, online=True, reason="started")
        death = StatusMessage(cart_id=cart_id, online=False, reason="lost")
        self._connection = Connection(
            Broker(
                host=broker.host, port=broker.port, others=broker.others, protocol=broker.protocol,
                ca_file=broker.ca_file, cert_file=broker.cert_file, key_file=broker.key_file,
                keepalive_s=broker.keepalive_s,
            ),
            f"cart-{store_id}-{cart_id}",
            subscriptions=[self._address.everything_down, self._catalogue_topic],
            on_message=self._enqueue,
            on_link=self._link_changed,
            will=Will(self._address.topic("up/status"), messages.encode(death)),
        )  # fmt: skip

    @property
    def linked(self) -> bool:
        """True while connected and subscribed."""
        return self._connection.linked

    @property
    def protocol(self) -> str:
        """MQTT version spoken: `5` or `3.1.1`."""
        return self._connection.protocol

    def prefer(self, protocol: str) -> None:
        """Try this version of MQTT first; before `start`."""
        self._connection.prefer(protocol)

    def start(self) -> None:
        """Begin to connect; `on_link(True)` says when it is up."""
        self._reader = asyncio.get_running_loop().create_task(self._read())
        self._connection.start()

    async def stop(self) -> None:
        """Say that the cart was stopped on purpose, and hang up."""
        gone = msgspec.structs.replace(self._status, online=False, reason="stopped")
        self._retain("up/status", gone)
        await self._connection.stop()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    def set_status(self, *, boot: str, head: Callable[[], ChainHead], catalog_version: int | None = None) -> None:
        """The birth: who is up, and how far its ledger goes; `head` is asked anew at every connection."""
        self._head = head
        self._status = msgspec.structs.replace(self._status, boot=boot, catalog_version=catalog_version)
        self._say_status()

    def set_total(self, view: TripView, seq: int) -> None:
        """The basket, as of ledger row `seq`; only for what is committed."""
        self._retain("up/total", messages.total_message(self.cart_id, view, seq))

    def set_help(self, view: TripView) -> None:
        """What waits for staff."""
        self._retain("up/help", messages.help_message(self.cart_id, view))

    def set_health(self, parts: Mapping[str, str], figures: Mapping[str, float] | None = None) -> None:
        """Part → `ok` or its fault."""
        self._retain("up/health", HealthMessage(cart_id=self.cart_id, parts=dict(parts), figures=dict(figures or {})))

    def request_payment(self, effect: RequestPayment) -> bool:
        """False where nothing went out; the attempt's own timeout deals with it."""
        return self._publish("up/payment/request", messages.payment_request(self.cart_id, effect))

    def query_payment(self, effect: QueryPayment) -> bool:
        return self._publish("up/payment/query", messages.payment_query(self.cart_id, effect))

    def cancel_payment(self, effect: CancelPayment) -> bool:
        return self._publish("up/payment/cancel", messages.payment_cancel(self.cart_id, effect))

    def send_receipt(self, effect: SendReceipt) -> bool:
        """Once, or not at all: the address is kept nowhere. False: ask the shopper again."""
        return self._publish("up/receipt", ReceiptMessage(cart_id=self.cart_id, to=effect.to, receipt=effect.receipt))

    def send_ledger(self, chain: str, row: LedgerRow) -> bool:
        """One row; only the store's acknowledgement says that it arrived."""
        return self._publish("up/ledger", messages.ledger_message(self.cart_id, chain, row))

    def ask_ledger(
        self, chain: str, asked: str, after_seq: int | None = None, *, oldest: tuple[int, str] = (1, GENESIS)
    ) -> bool:
        """Ask how far the store holds a chain; with `after_seq` for the rows after that one, too.

        `oldest`: the number of the oldest row that the cart holds, and the hash before it.
        """
        question = LedgerAskMessage(
            cart_id=self.cart_id, chain=chain, asked=asked, after_seq=after_seq, oldest_seq=oldest[0],
            oldest_prev=oldest[1],
        )  # fmt: skip
        return self._publish("up/ledger/ask", question)

    def _publish(self, channel: Channel, message: msgspec.Struct) -> bool:
        return self._connection.publish(self._address.topic(channel), messages.encode(message))

    def _retain(self, channel: Channel, message: msgspec.Struct) -> None:
        self._connection.set_retained(self._address.topic(channel), messages.encode(message))

    def _link_changed(self, up: bool, why: str) -> None:
        if up:
            log.info("linked to the store, MQTT %s", self.protocol)
            self._say_status()
            if self._status.reason == "started":
                self._status = msgspec.structs.replace(self._status, reason="back")
        else:
            log.warning("the link to the store is lost: %s", why)
        self._on_link(up)

    def _enqueue(self, inbound: Inbound) -> None:
        try:
            self._waiting.put_nowait(inbound)
        except asyncio.QueueFull:
            log.warning("too many messages from the store; one on %r dropped", inbound.topic)
            inbound.acknowledge()

    async def _read(self) -> None:
        while True:
            inbound = await self._waiting.get()
            heard: Heard | None = None
            try:
                heard = self._understand(inbound)
                if heard is not None:
                    await self._on_message(heard)
            except (BadMessage, CatalogError) as problem:
                log.warning("from the store, on %s: %s", ascii(inbound.topic), ascii(str(problem)))
                if isinstance(problem, Untrusted) and self._on_security is not None:
                    self._on_security(problem.what, str(problem))
            except asyncio.CancelledError:
                raise
            except Exception:
                # A query brings the answer again. It is acknowledged all the same: see `Connection`.
                log.exception("a message of the store could not be handled")
                if isinstance(heard, StaffCommand):
                    self._trust.memory.forget(heard.command_id)
            inbound.acknowledge()

    def _understand(self, inbound: Inbound) -> Heard | None:
        if inbound.topic == self._catalogue_topic:
            return self._catalogue_arrived(inbound.payload)
        found = parse(inbound.topic)
        if found is None or found[0] != self._address:
            raise BadMessage("no topic of this protocol; ignored")
        channel = found[1]
        if channel == "down/payment/result":
            result = messages.decode(inbound.payload, PaymentResultMessage)
            self._trust.message(result, "payment_result")
            return messages.payment_answer(self._now_ns(), result)
        if channel == "down/command":
            return self._commanded(inbound)
        if channel == "down/ledger/ack" and self._on_ack is not None:
            ack = messages.decode(inbound.payload, LedgerAckMessage)
            self._must_be_ours(ack.cart_id)
            self._trust.message(ack, "ledger_ack")
            self._on_ack(ack)
        if channel == "down/ledger/return" and self._on_return is not None:
            returned = messages.decode(inbound.payload, LedgerReturnMessage)
            self._must_be_ours(returned.cart_id)
            self._on_return(returned)
        return None

    def _commanded(self, inbound: Inbound) -> StaffCommand | None:
        """A command is carried out once: never from a broker's memory, and not again after a restart."""
        if inbound.retained:
            raise Untrusted("command_retained", "a retained command could act twice; ignored")
        command = messages.decode(inbound.payload, CommandMessage)
        self._must_be_ours(command.cart_id)
        if not self._trust.command(command):
            log.info("command %s came again; it was carried out before", ascii(command.command_id))
            return None
        return messages.staff_command(self._now_ns(), command)

    def _say_status(self) -> None:
        if self._head is not None:
            head = self._head()
            self._status = msgspec.structs.replace(
                self._status, chain=head.chain, head_seq=head.seq, head_hash=head.hash
            )
        self._retain("up/status", self._status)

    def _must_be_ours(self, cart_id: str) -> None:
        if cart_id != self.cart_id:
            raise Untrusted("message_for_another_cart", f"a message for {cart_id!r} on this cart's topic; ignored")

    def _catalogue_arrived(self, payload: bytes) -> CatalogArrived | None:
        if payload == self._catalogue or not payload:
            return None  # the broker's retained copy again, at a reconnection
        if len(payload) > messages.CATALOGUE_MAX_BYTES:
            raise BadMessage(f"a catalogue of {len(payload)} bytes; ignored")
        catalog = read_catalog_json(self._trust.catalogue(payload), "the store's catalogue")
        self._catalogue = payload
        return CatalogArrived(t_ns=self._now_ns(), catalog=catalog)
