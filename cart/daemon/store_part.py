"""The daemon's side of the store: the link, the outbox, and what arrives, handed to the core in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from cart.config import Config
from cart.core.catalog import Catalog
from cart.core.chain import LedgerRow
from cart.core.effects import CancelPayment, Effect, QueryPayment, RequestPayment, SendReceipt
from cart.core.observations import (
    AnyObservation,
    CatalogArrived,
    PartChanged,
    PaymentAnswer,
    SecuritySeen,
    StaffCommand,
)
from cart.core.view import TripView
from cart.daemon.clock import SessionClock
from cart.journal import Journal, JournalProblem
from cart.sync.link import Heard, StoreLink
from cart.sync.messages import LedgerAckMessage, LedgerReturnMessage
from cart.sync.outbox import OutboxSender
from cart.sync.returning import Returning
from cart.sync.signatures import COMMANDS_KEPT, CommandMemory, Trust, Verifies

log = logging.getLogger(__name__)

HEALTH_S = 30.0
"""How often figures are told: 500 carts are then 17 messages a second."""
HEALTH_LOOK_S = 1.0
"""A part that is lost or back is told within a second."""
SECURITY_NOTES_MAX = 100
"""Security events put into the ledger each boot; a flood beyond goes to the log alone and can't fill the card."""
EARLY_MAX = 32
"""Attempts of which the till spoke before it had seen this boot's ledger; as many as are kept to match answers with."""
SPOKEN = "mqtt_spoken"
"""Where the journal keeps which version of MQTT the broker spoke."""
COUNTERS = "command_counters"
"""Where the journal keeps, by key, the highest command counter carried out."""


class StorePart:
    """Speaks to the store where one is configured, and says so plainly where none is."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        clock: SessionClock,
        *,
        boot_id: str,
        decide: Callable[[AnyObservation], object],
        committed: Callable[[], Awaitable[None]],
        on_catalog: Callable[[Catalog], None],
        on_returned: Callable[[list[LedgerRow]], None],
        health: Callable[[], tuple[dict[str, str], dict[str, float]]],
    ) -> None:
        """`decide` hands one observation to the core at once, `committed` waits until what came of it is on disk.

        `on_returned` is given the rows that this ledger has lost, all that the store holds.
        """
        self.catalog_version: int | None = None
        self.waiting_rows = 0
        """Ledger rows that the store has not acknowledged, as of a second ago."""
        self._config = config
        self._journal = journal
        self._boot_id = boot_id
        self._clock = clock
        self._decide = decide
        self._wait_committed = committed
        self._on_catalog = on_catalog
        self._on_returned = on_returned
        self._answered = asyncio.Event()
        self._checked = False
        """True once the store has said that its copy of the ledger is this one, or a beginning of it. Before that no
        total, row or payment answer passes: a ledger that was cut back must not go on. The network counts as gone till
        then, so that people can pay by a code alone: whether a trip was paid before, the till knows."""
        self._early: dict[str, PaymentAnswer] = {}
        """The till's last word about each attempt until then."""
        self._health = health
        self._last_total: object = None
        self._last_help: object = None
        self._link: StoreLink | None = None
        self._security_notes = 0
        if config.broker.host:
            self._trust = Trust(config.store.id, _public_keys(config.store.public_key_file))
            self._link = StoreLink(
                config.broker,
                config.cart.id,
                config.store.id,
                self._heard,
                self._link_changed,
                on_ack=self._acknowledged,
                on_return=self._returned,
                now_ns=clock.now_ns,
                trust=self._trust,
                on_security=self._security,
            )
        self._outbox = OutboxSender(
            journal,
            lambda row: self._link is not None and self._link.send_ledger(journal.head.chain, row),
            ask=lambda nonce: (
                self._link is not None and self._link.ask_ledger(journal.head.chain, nonce, oldest=journal.oldest)
            ),
            on_checked=self._ledger_checked,
            on_cut_back=self._cut_back,
        )
        self._returning = Returning(config.cart.id, self._ask_for_rows)

    @property
    def linked(self) -> bool:
        return self._link is not None and self._link.linked

    @property
    def protocol(self) -> str:
        return self._link.protocol if self._link is not None else ""

    async def run(self) -> None:
        """Until cancelled; hangs up on the way out."""
        if self._link is None:
            self._decide(PartChanged(t_ns=self._clock.now_ns(), part="network", ok=False, fault="no_store"))
            return
        self._decide(PartChanged(t_ns=self._clock.now_ns(), part="network", ok=False, fault="offline"))
        self._set_status()
        await self._remember_commands()
        # A broker that knows only 3.1.1 may hang on version 5 for ten seconds, at every start.
        spoken = await self._journal.about(SPOKEN)
        self._link.prefer(spoken)
        self._link.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._outbox.run(), name="outbox")
                tasks.create_task(self._remember_protocol(spoken), name="protocol")
                tasks.create_task(self._tell_health(), name="health")
        finally:
            await self._link.stop()

    def carry_out(self, effect: Effect) -> None:
        """Payments and receipts. What can't go out now is the attempt's own timeout's business."""
        if self._link is None:
            return
        if isinstance(effect, RequestPayment):
            self._link.request_payment(effect)
        elif isinstance(effect, QueryPayment):
            self._link.query_payment(effect)
        elif isinstance(effect, CancelPayment):
            self._link.cancel_payment(effect)
        elif isinstance(effect, SendReceipt) and not self._link.send_receipt(effect):
            log.warning("a receipt could not be sent: no link; the shopper has to ask again")

    def committed(self, view: TripView | None) -> None:
        """Records are on disk: the outbox has work, and the total may be told if all that it shows is on disk."""
        self._outbox.committed()
        if self._link is None or view is None or not self._checked:
            return
        total = (view.trip_id, view.phase, view.units, view.total_minor, view.savings_minor, view.lines)
        if total != self._last_total:
            self._last_total = total
            self._link.set_total(view, self._journal.head.seq)
        calls = [asked for asked in view.interventions if asked.stage == "staff"]
        if calls != self._last_help:
            self._last_help = calls
            self._link.set_help(view)

    async def _heard(self, heard: Heard) -> None:
        if isinstance(heard, CatalogArrived):
            await self._catalog_arrived(heard)
            return
        if isinstance(heard, PaymentAnswer) and not self._checked:
            self._early.pop(heard.attempt_id, None)
            self._early[heard.attempt_id] = heard
            while len(self._early) > EARLY_MAX:
                del self._early[next(iter(self._early))]
            return
        self._decide(heard)
        # Only then is the message received: a payment result must outlive a power cut.
        await self._wait_committed()
        if isinstance(heard, StaffCommand) and self._trust.memory.counters:
            await self._journal.note_about(COUNTERS, msgspec.json.encode(self._trust.memory.counters).decode())

    async def _catalog_arrived(self, heard: CatalogArrived) -> None:
        catalog = heard.catalog
        if self.catalog_version is not None and catalog.version <= self.catalog_version:
            if catalog.version < self.catalog_version:
                log.warning("catalogue %d is older than %d; refused", catalog.version, self.catalog_version)
                self._security("catalogue_older", f"version {catalog.version} after {self.catalog_version}; refused")
            return
        if catalog.currency != self._config.store.currency:
            log.warning("a catalogue in %s on a cart in %s; refused", catalog.currency, self._config.store.currency)
            return
        await self._journal.store_catalog(catalog)
        self.catalog_version = catalog.version
        self._decide(heard)
        self._on_catalog(catalog)
        self._set_status()

    async def _remember_commands(self) -> None:
        """What was carried out before this boot, so that nothing that comes again is carried out twice."""
        ids, newest_ms = await self._journal.commands(COMMANDS_KEPT)
        noted = await self._journal.about(COUNTERS)
        counters = msgspec.json.decode(noted, type=dict[str, int]) if noted else {}
        self._trust.memory = CommandMemory(ids, counters, newest_ms)

    async def _remember_protocol(self, spoken: str) -> None:
        """Note once a boot which version of MQTT the store has answered in, where it isn't the one noted."""
        await self._answered.wait()
        if self.protocol != spoken:
            with contextlib.suppress(JournalProblem):
                await self._journal.note_about(SPOKEN, self.protocol)

    def _security(self, what: str, detail: str) -> None:
        self._security_notes += 1
        if self._security_notes <= SECURITY_NOTES_MAX:
            self._decide(SecuritySeen(t_ns=self._clock.now_ns(), what=what, detail=detail))

    def _link_changed(self, up: bool) -> None:
        self._outbox.link_changed(up)
        if self._checked or not up:
            self._decide(PartChanged(t_ns=self._clock.now_ns(), part="network", ok=up, fault="" if up else "offline"))

    def _acknowledged(self, ack: LedgerAckMessage) -> None:
        self._outbox.acknowledged(ack)

    def _ledger_checked(self) -> None:
        self._checked = True
        self._answered.set()
        if self.linked:
            # Its record brings the total after it.
            self._decide(PartChanged(t_ns=self._clock.now_ns(), part="network", ok=True))
        early, self._early = self._early, {}
        for answer in early.values():
            self._decide(msgspec.structs.replace(answer, t_ns=self._clock.now_ns()))

    def _ask_for_rows(self, after_seq: int) -> None:
        if self._link is not None:
            self._link.ask_ledger(self._journal.head.chain, self._outbox.nonce, after_seq)

    def _returned(self, page: LedgerReturnMessage) -> None:
        rows = self._returning.take(page)
        if rows:
            log.warning("the store gives back rows %d to %d of the ledger", rows[0].seq, rows[-1].seq)
            self._on_returned(rows)

    async def _cut_back(self, ack: LedgerAckMessage) -> None:
        if not self._checked and not await self._journal.about("locked"):
            self._returning.begin(*await self._journal.doubtful_from(), ack)
            return
        # While it runs no honest store says so; or taking rows back was tried, and is a matter for staff.
        self._decide(
            PartChanged(
                t_ns=self._clock.now_ns(),
                part="payment",
                ok=False,
                fault="ledger_cut_back",
                detail=self._journal.locked,
            )
        )

    def _set_status(self) -> None:
        if self._link is not None:
            self._link.set_status(
                boot=self._boot_id, head=lambda: self._journal.head, catalog_version=self.catalog_version
            )

    async def _tell_health(self) -> None:
        told: dict[str, str] | None = None
        due_s = 0.0
        while self._link is not None:
            parts, figures = self._health()
            if parts != told or time.monotonic() >= due_s:
                told, due_s = parts, time.monotonic() + HEALTH_S
                self._link.set_health(parts, figures)
            with contextlib.suppress(JournalProblem):
                self.waiting_rows = await self._journal.waiting()
            await asyncio.sleep(HEALTH_LOOK_S)


def _public_keys(file: str) -> Verifies | None:
    """The store's keys, None where none is configured. Raises KeyProblem."""
    if not file:
        return None
    from cart.sync.keys import read_public_keys  # 7 MB and 35 ms that a cart without signatures does without

    return read_public_keys(Path(file))
