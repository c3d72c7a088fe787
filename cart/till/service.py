"""The till put together: one connection to the broker, the desks behind it, and what the staff's page may do."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cart.core.catalog import Catalog
from cart.core.problem import Problem
from cart.sync import messages
from cart.sync.connection import Broker, Connection, Inbound
from cart.sync.messages import CommandMessage, LedgerAckMessage, LedgerReturnMessage, PaymentResultMessage
from cart.sync.signatures import COMMAND_LIFE_MS, Signs, as_signed, next_counter, sign_catalogue
from cart.sync.topics import Address, Channel, address, catalogue_topic, everything_up, parse
from cart.till.board import Board
from cart.till.catalog_desk import CatalogDesk
from cart.till.ledger import TillLedger, TillProblem
from cart.till.ledger_desk import LedgerDesk
from cart.till.payment_desk import PaymentDesk
from cart.till.provider import Provider

log = logging.getLogger(__name__)


class Till:
    """One store's till. Start it in a running loop."""

    def __init__(
        self,
        broker: Broker,
        store_id: str,
        folder: Path,
        provider: Provider,
        *,
        catalog: Catalog | None = None,
        currency: str = "EUR",
        signer: Signs | None = None,
        sealed_catalog: bytes | None = None,
    ) -> None:
        """`folder` holds `till.sqlite`. With a `signer` carts hear nothing unsigned; `sealed_catalog` is published as
        it is, with the signature that it bears. Raises TillProblem, TopicProblem.
        """
        address(store_id, "any")
        self.store_id = store_id
        self.broker = broker
        self._signer = signer
        self._counter = 0
        self.currency = catalog.currency if catalog is not None else currency
        self.provider = provider
        self.ledger = TillLedger(folder)
        self.changed = asyncio.Condition()
        self.revision = 0
        self.board = Board(self._board_changed)
        self.payments = PaymentDesk(self.ledger, provider, self._say_payment, currency=self.currency)
        self.ledgers = LedgerDesk(self.ledger, self._say_ack, self._say_return)
        self._receipts_sent = 0
        self._connection = Connection(
            broker,
            f"till-{store_id}-{secrets.token_hex(3)}",
            subscriptions=[everything_up(store_id)],
            on_message=self._receive,
            on_link=self._link_changed,
        )
        if sealed_catalog is not None:
            self._connection.set_retained(catalogue_topic(store_id), sealed_catalog)
        self.catalogue: CatalogDesk | None = None
        if catalog is not None:
            publish = None if sealed_catalog is not None else self.publish_catalog
            self.catalogue = CatalogDesk(self.ledger, catalog, publish)
            self.catalogue.learn()

    @property
    def linked(self) -> bool:
        """True while connected to the broker."""
        return self._connection.linked

    def start(self) -> None:
        """Connect, and take up what the last run left open."""
        self._connection.start()
        self.payments.recover()
        if self.catalogue is not None:
            self.catalogue.start()

    async def stop(self) -> None:
        """Hang up; what is open stays open in the ledger."""
        if self.catalogue is not None:
            self.catalogue.stop()
        await self._connection.stop()
        self.ledgers.flush()
        await self.payments.close()
        await self.provider.close()
        self.ledger.close()

    def publish_catalog(self, catalog: Catalog) -> None:
        """Make it the store's current catalogue, retained; signed where this till can."""
        body = msgspec.json.encode(catalog)
        if self._signer is not None:
            body = sign_catalogue(self._signer, self.store_id, body, issued_ms=_now_ms(), expires_ms=0)
        self._connection.set_retained(catalogue_topic(self.store_id), body)

    def command(self, cart_id: str, action: str, **details: Any) -> CommandMessage:
        """Send a decision of staff to a cart that is there. Raises TillProblem where it isn't, or can't be sent."""
        if not self.board.online(cart_id):
            raise TillProblem(f"{cart_id} is not connected; go there, or wait until it is back")
        now_ms = _now_ms()
        self._counter = next_counter(self._counter, now_ms)
        try:
            command = msgspec.convert(
                {
                    "cart_id": cart_id, "command_id": secrets.token_hex(8), "action": action, "counter": self._counter,
                    "issued_ms": now_ms, "expires_ms": now_ms + COMMAND_LIFE_MS, **details,
                },
                CommandMessage,
            )  # fmt: skip
        except msgspec.ValidationError as error:
            raise TillProblem(f"no such decision ({error}); reload the page") from None
        if not self._say(cart_id, "down/command", command):
            raise TillProblem("the broker is not reachable; check it, then decide again")
        if action in {"lock", "release"}:
            self.board.locked(cart_id, action == "lock")
        return command

    def _say_payment(self, result: PaymentResultMessage) -> bool:
        self._board_changed()
        return self._say(result.cart_id, "down/payment/result", result)

    def _say_ack(self, ack: LedgerAckMessage) -> bool:
        return self._say(ack.cart_id, "down/ledger/ack", ack)

    def _say_return(self, rows: LedgerReturnMessage) -> bool:
        return self._say(rows.cart_id, "down/ledger/return", rows)

    def _say(self, cart_id: str, channel: Channel, message: msgspec.Struct) -> bool:
        signed = as_signed(self._signer, self.store_id, message)
        return self._connection.publish(Address(self.store_id, cart_id).topic(channel), messages.encode(signed))

    def _receive(self, inbound: Inbound) -> None:
        """Handle, then acknowledge: a till that dies in between has not received it."""
        found = parse(inbound.topic)
        if found is not None and found[0].store_id == self.store_id:
            try:
                self._handle(found[0], found[1], inbound)
            except Problem as problem:
                log.warning("from %s, %s: %s", ascii(found[0].cart_id), found[1], ascii(str(problem)))
        inbound.acknowledge()

    def _handle(self, sender: Address, channel: Channel, inbound: Inbound) -> None:
        if not inbound.payload:
            return  # a retained topic was cleared
        kind = _KINDS.get(channel)
        if kind is None:
            return
        message = messages.decode(inbound.payload, kind)
        if message.cart_id != sender.cart_id:
            self.ledger.note(sender.cart_id, "spoke_for_another_cart", message.cart_id[:64])
            raise messages.BadMessage(f"speaks for {message.cart_id!r}; ignored")
        self._handlers()[channel](message)
        if isinstance(message, messages.StatusMessage):
            self.ledgers.born(message, stale=inbound.retained)

    def _handlers(self) -> dict[Channel, Callable[[Any], None]]:
        return {
            "up/status": self.board.status,
            "up/total": self.board.total,
            "up/health": self.board.health,
            "up/help": self.board.help,
            "up/ledger": self.ledgers.receive,
            "up/ledger/ask": self.ledgers.asked,
            "up/payment/request": self.payments.request,
            "up/payment/query": self.payments.query,
            "up/payment/cancel": self.payments.cancel,
            "up/receipt": self._receipt,
        }

    def _receipt(self, message: messages.ReceiptMessage) -> None:
        # The simulated till has no mail server: it counts, and forgets the address.
        self._receipts_sent += 1
        log.info("a receipt of %s would go out by mail", message.cart_id)

    def _link_changed(self, up: bool, why: str) -> None:
        log.info("linked to the broker, MQTT %s" if up else "the link to the broker is lost: %s",
                 self._connection.protocol if up else why)  # fmt: skip
        self._board_changed()

    def _board_changed(self) -> None:
        self.revision += 1
        task = asyncio.get_running_loop().create_task(self._wake())
        _WAKES.add(task)
        task.add_done_callback(_WAKES.discard)

    async def _wake(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


_WAKES: set[asyncio.Task[None]] = set()
"""Wakes on their way; the loop itself keeps only weak references to tasks."""

_KINDS: dict[Channel, type[messages.Message]] = {
    "up/status": messages.StatusMessage,
    "up/total": messages.TotalMessage,
    "up/health": messages.HealthMessage,
    "up/help": messages.HelpMessage,
    "up/ledger": messages.LedgerMessage,
    "up/ledger/ask": messages.LedgerAskMessage,
    "up/payment/request": messages.PaymentRequestMessage,
    "up/payment/query": messages.PaymentQueryMessage,
    "up/payment/cancel": messages.PaymentCancelMessage,
    "up/receipt": messages.ReceiptMessage,
}
