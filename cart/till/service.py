"""The till put together: one connection to the broker, the desks behind it, and what the staff's page may do.

Several tills of one store share a database. All of them hear what the carts say of themselves, so that every page
shows every cart. Ledger rows go to the till that has the cart: they must be kept in order. What asks for an answer goes
to one of them, as the broker shares it out (MQTT 5), or to the till that has the cart where it doesn't.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from cart.core.catalog import Catalog
from cart.core.problem import Problem
from cart.sync import messages
from cart.sync.connection import Broker, Connection, Inbound
from cart.sync.messages import CommandMessage, LedgerAckMessage, LedgerReturnMessage, PaymentResultMessage
from cart.sync.signatures import COMMAND_LIFE_MS, Signs, as_signed, sign_catalogue
from cart.sync.topics import Address, Channel, address, catalogue_topic, every_carts, everything_up, parse
from cart.till.board import Board
from cart.till.broker_log import BrokerLog
from cart.till.catalog_desk import CatalogDesk
from cart.till.database import Database
from cart.till.ledger import FAILURES, AttemptRow, TillLedger, TillProblem
from cart.till.ledger_desk import LedgerDesk
from cart.till.members import BEAT_S, Members
from cart.till.payment_desk import PaymentDesk
from cart.till.provider import Provider
from cart.till.refund_desk import RefundDesk
from cart.till.watch import Watch

log = logging.getLogger(__name__)

EVERY_TILLS: Final[tuple[Channel, ...]] = (
    "up/status", "up/total", "up/health", "up/help", "up/ledger", "up/ledger/ask", "up/payment/request",
)  # fmt: skip
"""What each of several tills hears; requests for payment, so that none is lost with the till that was to answer it."""

ONE_TILLS: Final[tuple[Channel, ...]] = ("up/payment/request", "up/payment/query", "up/payment/cancel", "up/receipt")
"""What one of several tills answers."""

IN_ORDER: Final[frozenset[Channel]] = frozenset({"up/ledger", "up/ledger/ask"})
"""What the till that has the cart deals with, shared subscriptions or not."""


class Till:
    """One store's till, or one of several. Start it in a running loop."""

    def __init__(
        self,
        broker: Broker,
        store_id: str,
        store: Path | Database,
        provider: Provider,
        *,
        catalog: Catalog | None = None,
        currency: str = "EUR",
        signer: Signs | None = None,
        sealed_catalog: bytes | None = None,
        broker_log: Path | None = None,
    ) -> None:
        """`store` is a folder for `till.sqlite`, or a database. With a `signer` carts hear nothing unsigned;
        `sealed_catalog` is published as it is, with the signature that it bears. `broker_log` is read for what the
        broker refuses. Raises TillProblem, TopicProblem.
        """
        address(store_id, "any")
        self.store_id = store_id
        self.broker = broker
        self._signer = signer
        self.currency = catalog.currency if catalog is not None else currency
        self.provider = provider
        self.ledger = TillLedger(store)
        self._shared = self.ledger.database.shared
        self.members = Members(self.ledger.database)
        self.changed = asyncio.Condition()
        self.revision = 0
        self.board = Board(self._board_changed)
        self.payments = PaymentDesk(
            self.ledger, provider, self._say_payment, currency=self.currency, members=self.members
        )
        self.refunds = RefundDesk(self.ledger, provider, self.payments.say_again, self.members)
        self.ledgers = LedgerDesk(self.ledger, self._say_ack, self._say_return)
        self._watch = Watch(time.monotonic)
        self._beats: asyncio.TimerHandle | None = None
        self._taking_up: asyncio.TimerHandle | None = None
        self._seen_change_ms = 0
        self._receipts_sent = 0
        self._connection = Connection(
            broker,
            f"till-{store_id}-{secrets.token_hex(3)}",
            subscriptions=[every_carts(store_id, channel) for channel in EVERY_TILLS]
            if self._shared
            else [everything_up(store_id)],
            on_message=self._receive,
            on_link=self._link_changed,
            group=f"tills-{self.ledger.secret_number('group'):x}" if self._shared else "",
            shared=[every_carts(store_id, channel) for channel in ONE_TILLS] if self._shared else [],
        )
        self._broker_log = None if broker_log is None else BrokerLog(broker_log, self.ledger.note, time.monotonic)
        self._following: asyncio.Task[None] | None = None
        self._sealed = sealed_catalog
        self.catalogue: CatalogDesk | None = None
        if catalog is not None:
            publish = None if sealed_catalog is not None else self.publish_catalog
            self.catalogue = CatalogDesk(self.ledger, catalog, publish)
        self._publish()

    @property
    def linked(self) -> bool:
        """True while connected to the broker."""
        return self._connection.linked

    @property
    def shares(self) -> bool:
        """True where the broker parts the carts' questions among the tills."""
        return self._connection.shares

    def start(self) -> None:
        """Connect, and take up what the last run left open."""
        try:
            self.members.beat()
        except FAILURES as error:
            log.warning("the store's database: %s", error)
        self._connection.start()
        self._take_up()
        if self.catalogue is not None:
            self.catalogue.start()
        if self._broker_log is not None:
            self._following = asyncio.get_running_loop().create_task(self._broker_log.run())
        if self._shared:
            self._publish()
            self._beat_again()

    async def stop(self) -> None:
        """Hang up; what is open stays open in the ledger."""
        for timer in (self._beats, self._taking_up):
            if timer is not None:
                timer.cancel()
        if self.catalogue is not None:
            self.catalogue.stop()
        if self._following is not None:
            self._following.cancel()
        await self._connection.stop()
        self.ledgers.flush()
        await self.payments.close()
        await self.refunds.close()
        try:
            self.members.leave()
        except FAILURES as error:
            log.warning("the other tills wait until this one's time is up: %s", error)
        await self.provider.close()
        self.ledger.close()

    def publish_catalog(self, catalog: Catalog) -> None:
        """Make it the store's current catalogue, retained; signed where this till can. Of several tills one does it."""
        if not self.members.leads:
            return
        body = msgspec.json.encode(catalog)
        if self._signer is not None:
            body = sign_catalogue(self._signer, self.store_id, body, issued_ms=_now_ms(), expires_ms=0)
        self._connection.set_retained(catalogue_topic(self.store_id), body)

    def command(self, cart_id: str, action: str, **details: Any) -> CommandMessage:
        """Send a decision of staff to a cart that is there. Raises TillProblem where it isn't, or can't be sent."""
        if not self.board.online(cart_id):
            raise TillProblem(f"{cart_id} is not connected; go there, or wait until it is back")
        now_ms = _now_ms()
        try:
            command = msgspec.convert(
                {
                    "cart_id": cart_id, "command_id": secrets.token_hex(8), "action": action,
                    "counter": self.ledger.next_count("command", now_ms),
                    "issued_ms": now_ms, "expires_ms": now_ms + COMMAND_LIFE_MS, **details,
                },
                CommandMessage,
            )  # fmt: skip
        except msgspec.ValidationError as error:
            raise TillProblem(f"no such decision ({error}); reload the page") from None
        if not self._say(cart_id, "down/command", command):
            raise TillProblem("the broker is not reachable; check it, then decide again")
        return command

    def give_back(self, attempt_id: str, reason: str, amount_minor: int | None, refund_id: str = "") -> AttemptRow:
        """Staff gives back what an attempt paid, all that is left of it, or a part. Raises TillProblem."""
        row = self.ledger.attempt(attempt_id)
        untouched = row is None or row.refunded_minor == 0
        if untouched and (amount_minor is None or (row is not None and amount_minor == row.taken_minor)):
            return self.payments.refund(attempt_id, reason)
        if row is None:
            raise TillProblem("nothing is held for this attempt; look at its state on the staff's page")
        left_minor = row.taken_minor - row.refunded_minor
        self.refunds.give_back(attempt_id, left_minor if amount_minor is None else amount_minor, reason, refund_id)
        return self.ledger.attempt(attempt_id) or row

    def _publish(self) -> None:
        """Put the catalogue out, and learn what carts know of weights; only the leader's is heard."""
        if self._sealed is not None and self.members.leads:
            self._connection.set_retained(catalogue_topic(self.store_id), self._sealed)
        if self.catalogue is not None:
            self.catalogue.learn(anew=True)

    def _take_up(self) -> None:
        """What the last run left open; a database that fails just now is asked again."""
        try:
            self.payments.recover()
            self.refunds.take_over()
        except FAILURES as error:
            log.warning("the store's database: %s; what was left open is taken up as soon as it can be", error)
            self._taking_up = asyncio.get_running_loop().call_later(BEAT_S, self._take_up)

    def _beat_again(self) -> None:
        self._beats = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _beat(self) -> None:
        """Once a second, of several tills: who is there, and what of the dead is to be gone on with."""
        try:
            led = self.members.leads
            if self.members.beat():
                log.info("%d tills are at work; this one %s", len(self.members.alive),
                         "leads" if self.members.leads else "follows")  # fmt: skip
                self.ledgers.forget()
            if led != self.members.leads:
                self._connection.forget_retained(catalogue_topic(self.store_id))
                self._publish()
            if self.members.leads:
                self.payments.take_over()
                self.refunds.take_over()
                self._take_up_unanswered()
            changed_ms = self.ledger.last_change_ms()
            if changed_ms != self._seen_change_ms:
                self._seen_change_ms = changed_ms
                self._board_changed()
        except FAILURES as error:
            log.warning("the store's database: %s", error)
        self._beat_again()

    def _take_up_unanswered(self) -> None:
        """Requests that a till died with before it wrote a row."""
        for asked in self._watch.due():
            if self.ledger.attempt(asked.attempt_id) is None:
                log.info("attempt %s was asked for and not answered; taken over", ascii(asked.attempt_id))
                self._from_cart(asked.cart_id, "up/payment/request", asked)
            self._watch.done([asked.attempt_id])

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
                _refused(found[0].cart_id, found[1], problem)
            except FAILURES as error:
                log.warning("from %s, %s: the store's database: %s; the cart asks again", ascii(found[0].cart_id),
                            found[1], error)  # fmt: skip
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
        if self._shared and isinstance(message, messages.PaymentRequestMessage):
            self._watch.hear(message)
        if self._is_ours(sender.cart_id, channel, inbound):
            self._handlers()[channel](message)
        if isinstance(message, messages.StatusMessage) and self.members.has(message.cart_id):
            self.ledgers.born(message)
            if message.online:
                self.payments.say_given_back(message.cart_id)

    def _is_ours(self, cart_id: str, channel: Channel, inbound: Inbound) -> bool:
        """True where this till deals with a message, False where another one of the store does."""
        if not self._shared:
            return True
        if channel in IN_ORDER or (channel in ONE_TILLS and not self._connection.shares):
            return self.members.has(cart_id)
        return channel not in ONE_TILLS or inbound.shared

    def _from_cart(self, cart_id: str, channel: Channel, message: messages.Message) -> None:
        try:
            self._handlers()[channel](message)
        except Problem as problem:
            _refused(cart_id, channel, problem)

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


def _refused(cart_id: str, channel: Channel, problem: Problem) -> None:
    log.warning("from %s, %s: %s", ascii(cart_id), channel, ascii(str(problem)))


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
