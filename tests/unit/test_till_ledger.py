"""The till's ledger desk: a cart's rows are checked, committed, and only then acknowledged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from cart.core.chain import GENESIS, LedgerRow, row_hash
from cart.core.ledger import GrossNoted
from cart.sync.messages import (
    LedgerAckMessage,
    StatusMessage,
    ledger_message,
)
from cart.till.ledger import TillLedger
from cart.till.ledger_desk import LedgerDesk


def chain(count: int, cart_id: str = "cart-1") -> list[LedgerRow]:
    rows: list[LedgerRow] = []
    for seq in range(1, count + 1):
        row = LedgerRow(
            seq=seq, boot="b", wall_ms=0, t_ns=seq, trip_id="", prev=rows[-1].hash if rows else GENESIS, hash="",
            body=msgspec.json.encode(GrossNoted(gross_g=float(seq), sigma_g=1.0)).decode(),
        )  # fmt: skip
        rows.append(msgspec.structs.replace(row, hash=row_hash(cart_id, "c0", row)))
    return rows


def receive(folder: Path, rows: list[LedgerRow]) -> tuple[list[LedgerAckMessage], list[str], int]:
    """Feed rows to a ledger desk; answers its acknowledgements, security notes, and how far it holds the chain."""
    acks: list[LedgerAckMessage] = []

    async def run() -> tuple[list[str], int]:
        ledger = TillLedger(folder)
        desk = LedgerDesk(ledger, acks.append)
        for row in rows:
            desk.receive(ledger_message("cart-1", "c0", row))
        desk.flush()
        held = ledger.cart_head("cart-1", "c0")[0]
        notes = [note.what for note in ledger.notes()]
        ledger.close()
        return notes, held

    notes, held = asyncio.run(run())
    return acks, notes, held


def test_rows_are_committed_then_acknowledged_together(tmp_path: Path) -> None:
    rows = chain(5)
    acks, notes, held = receive(tmp_path, rows)
    assert [(ack.seq, ack.hash, ack.resend_from) for ack in acks] == [(5, rows[-1].hash, None)]
    assert (notes, held) == ([], 5)


def test_a_gap_is_asked_for_and_repeats_are_harmless(tmp_path: Path) -> None:
    rows = chain(5)
    acks, notes, held = receive(tmp_path, [rows[0], rows[0], rows[3], rows[0]])
    assert [(ack.seq, ack.resend_from) for ack in acks] == [(1, 2)]
    assert (notes, held) == ([], 1)


def test_a_row_that_was_changed_or_forked_is_noted_and_not_acknowledged(tmp_path: Path) -> None:
    good = chain(2)
    changed = msgspec.structs.replace(good[1], body=good[1].body.replace("2.0", "9.0"))
    acks, notes, held = receive(tmp_path, [good[0], changed])
    assert [ack.seq for ack in acks] == [1]
    assert (notes, held) == (["ledger_hash_wrong"], 1)
    fork = msgspec.structs.replace(good[1], prev="0" * 64)
    fork = msgspec.structs.replace(fork, hash=row_hash("cart-1", "c0", fork))
    assert receive(tmp_path, [fork])[1:] == (["ledger_forked", "ledger_hash_wrong"], 1)


@pytest.mark.parametrize(("boot", "notes"), [("b", []), ("another", ["chain_cut_back"])])
def test_a_birth_heard_after_that_boots_rows_accuses_nobody(tmp_path: Path, boot: str, notes: list[str]) -> None:
    """Found by the simulation with two tills: another one has kept the rows meanwhile."""
    rows = chain(5)
    receive(tmp_path, rows)

    async def run() -> list[str]:
        ledger = TillLedger(tmp_path)
        acks: list[LedgerAckMessage] = []
        desk = LedgerDesk(ledger, acks.append)
        born = StatusMessage(
            cart_id="cart-1", online=True, reason="started", boot=boot, chain="c0", head_seq=2, head_hash=rows[1].hash
        )
        desk.born(born, stale=False)
        assert [ack.seq for ack in acks] == [5]
        found = [note.what for note in ledger.notes()]
        ledger.close()
        return found

    assert asyncio.run(run()) == notes
