"""The till's ledger desk: a cart's rows are checked, committed, and only then acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from cart.core.chain import GENESIS, LedgerRow, row_hash
from cart.core.ledger import GrossNoted
from cart.sync.messages import LedgerAckMessage, LedgerAskMessage, StatusMessage, ledger_message
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


def at_desk(folder: Path, tell: Callable[[LedgerDesk], None]) -> tuple[list[int], list[str]]:
    """Tell a desk that holds five rows something; how far it then acknowledges, and what it notes."""
    receive(folder, chain(5))

    async def run() -> tuple[list[int], list[str]]:
        ledger = TillLedger(folder)
        acks: list[LedgerAckMessage] = []
        tell(LedgerDesk(ledger, acks.append))
        notes = [note.what for note in ledger.notes()]
        ledger.close()
        return [ack.seq for ack in acks], notes

    return asyncio.run(run())


def test_a_birth_that_is_older_than_the_rows_held_accuses_nobody(tmp_path: Path) -> None:
    """Found by the simulation: one of two tills hears late of a boot that wrote nothing, the other has kept the next
    one's rows meanwhile.
    """
    born = StatusMessage(
        cart_id="cart-1", online=True, reason="started", boot="wrote nothing", chain="c0", head_seq=2,
        head_hash=chain(2)[1].hash,
    )  # fmt: skip
    assert at_desk(tmp_path, lambda desk: desk.born(born)) == ([5], [])


def test_a_cart_that_asks_for_rows_has_lost_them_and_is_noted_once_a_boot(tmp_path: Path) -> None:
    def ask(desk: LedgerDesk) -> None:
        for boot, after_seq in (("n1", None), ("n1", 2), ("n1", 4), ("n2", 5), ("n3", 2)):
            desk.asked(LedgerAskMessage(cart_id="cart-1", chain="c0", asked=boot, after_seq=after_seq))

    assert at_desk(tmp_path, ask) == ([5] * 5, ["chain_cut_back"] * 2)
