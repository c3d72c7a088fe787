"""The daemon's side of trust: a command acts once across restarts and trips, and what is refused is in the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart.config import BrokerTable, CartTable, Config, ScaleTable, StoreTable
from cart.core.catalog import Catalog, Tax
from cart.core.effects import Record
from cart.core.ledger import StaffActed
from cart.core.observations import AnyObservation, CatalogArrived, PaymentAnswer, SecuritySeen, StaffCommand
from cart.daemon.clock import SessionClock
from cart.daemon.store_part import SECURITY_NOTES_MAX, StorePart
from cart.journal import Journal
from cart.sync.keys import KeyProblem, new_signing_key
from cart.sync.messages import CommandMessage, PaymentResultMessage, encode
from cart.sync.signatures import sign_catalogue, sign_message
from tests.unit.sync_table import inbound

KEY = new_signing_key()
DOWN, CURRENT = "store/store-1/cart/cart-1/down/command", "store/store-1/catalogue/current"


class Boot:
    """One boot of a cart's store part over a journal that outlives it; nothing listens at its broker's port."""

    def __init__(self, folder: Path, *, signed: bool = True) -> None:
        self.told: list[AnyObservation] = []
        public = folder / "store.pub"
        public.write_bytes(KEY.public_pem())
        self.journal = Journal(folder, cart_id="cart-1")
        self.part = StorePart(
            Config(
                cart=CartTable(id="cart-1"),
                store=StoreTable(id="store-1", public_key_file=str(public) if signed else ""),
                scale=ScaleTable(counts_per_gram=1.0, tare_counts=0, capacity_g=30000, samples_per_second=80),
                broker=BrokerTable(host="127.0.0.1", port=1),
            ),
            self.journal,
            SessionClock(last_event_ns=None, off_s=None),
            boot_id="b",
            decide=self.told.append,
            committed=self._commit,
            on_catalog=lambda _: None,
            on_returned=lambda _: None,
            health=lambda: ({}, {}),
        )

    async def hear(self, *arrived: tuple[str, bytes]) -> None:
        """Boot, receive, be cut off."""
        await self.journal.open()
        running = asyncio.create_task(self.part.run())
        link: Any = self.part._link
        while link._reader is None:  # noqa: ASYNC110  # the link has no event for it
            await asyncio.sleep(0.005)
        for topic, payload in arrived:
            link._enqueue(inbound(topic, payload))
        await asyncio.sleep(0.15)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await self.journal.close()

    async def _commit(self) -> None:
        last = self.told[-1]
        if isinstance(last, StaffCommand):
            acted = StaffActed(command_id=last.command_id, action=last.action, role=last.role, reason=last.reason)
            await self.journal.append([Record(1, acted)])

    @property
    def commands(self) -> list[str]:
        return [seen.command_id for seen in self.told if isinstance(seen, StaffCommand)]

    @property
    def security(self) -> list[str]:
        return [seen.what for seen in self.told if isinstance(seen, SecuritySeen)]


def command(number: int) -> tuple[str, bytes]:
    now_ms = time.time_ns() // 1_000_000
    made = CommandMessage(
        cart_id="cart-1", command_id=f"c{number}", action="lock", counter=number, issued_ms=now_ms,
        expires_ms=now_ms + 60_000,
    )  # fmt: skip
    return DOWN, encode(sign_message(KEY, "store-1", made))


def catalogue(version: int, *, signed: bool = True) -> tuple[str, bytes]:
    made = Catalog(version=version, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=0)}, items=())
    body = msgspec.json.encode(made)
    return CURRENT, sign_catalogue(KEY, "store-1", body, issued_ms=1, expires_ms=0) if signed else body


def result(attempt_id: str, **changes: Any) -> tuple[str, bytes]:
    made = PaymentResultMessage(
        cart_id="cart-1", attempt_id=attempt_id, status="approved", amount_minor=500, currency="EUR",
        basket_hash="ab" * 32, **changes,
    )  # fmt: skip
    return "store/store-1/cart/cart-1/down/payment/result", encode(sign_message(KEY, "store-1", made))


@pytest.mark.parametrize("signed", [True, False])
def test_a_command_acts_once_even_across_a_restart(tmp_path: Path, *, signed: bool) -> None:
    first, later = command(1), command(2)
    before, after = Boot(tmp_path, signed=signed), Boot(tmp_path, signed=signed)
    asyncio.run(before.hear(first, first, later))
    asyncio.run(after.hear(first, later))
    assert before.commands == ["c1", "c2"]
    assert after.commands == []


def test_a_command_withheld_over_a_restart_does_not_overtake_a_later_one(tmp_path: Path) -> None:
    withheld, later = command(1), command(2)
    asyncio.run(Boot(tmp_path).hear(later))
    after = Boot(tmp_path)
    asyncio.run(after.hear(withheld))
    assert (after.commands, after.security) == ([], ["command_replayed"])


def test_an_unsigned_or_older_catalogue_is_refused_and_the_old_one_runs_on(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    asyncio.run(boot.hear(catalogue(5), catalogue(6, signed=False), catalogue(4), catalogue(5)))
    assert [seen.catalog.version for seen in boot.told if isinstance(seen, CatalogArrived)] == [5]
    assert boot.security == ["catalogue_unsigned", "catalogue_older"]
    assert boot.part.catalog_version == 5


def test_a_refund_told_before_the_store_has_seen_this_boots_ledger_is_believed_once_it_has(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    first, last = (result("T.1", refunded_minor=minor) for minor in (100, 200))
    asyncio.run(boot.hear(first, last))
    assert [seen for seen in boot.told if isinstance(seen, PaymentAnswer)] == []
    boot.part._ledger_checked()
    told = [seen for seen in boot.told if isinstance(seen, PaymentAnswer)]
    assert [(seen.attempt_id, seen.refunded_minor) for seen in told] == [("T.1", 200)]
    boot.part._ledger_checked()
    assert [seen for seen in boot.told if isinstance(seen, PaymentAnswer)] == told


def test_a_flood_of_refused_messages_does_not_fill_the_ledger(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    for _ in range(SECURITY_NOTES_MAX + 50):
        boot.part._security("command_unsigned", "x")
    assert len(boot.security) == SECURITY_NOTES_MAX


def test_a_key_file_that_is_not_there_stops_the_start_with_one_line(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    store = msgspec.structs.replace(boot.part._config.store, public_key_file=str(tmp_path / "missing.pub"))
    config = msgspec.structs.replace(boot.part._config, store=store)
    with pytest.raises(KeyProblem, match="cannot be read"):
        StorePart(
            config, boot.journal, SessionClock(), boot_id="b", decide=boot.told.append, committed=boot._commit,
            on_catalog=lambda _: None, on_returned=lambda _: None, health=lambda: ({}, {}),
        )  # fmt: skip
