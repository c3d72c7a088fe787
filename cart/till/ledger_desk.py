"""Keeps the carts' ledgers: checks each row against the chain, commits it, and only then says so to the cart.

How far a chain is held is remembered between rows. Where another till may have kept some, what doesn't follow is judged
by the database, not by that memory, and rows are kept only if they follow what is there when they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from cart.core.chain import LedgerRow, row_hash
from cart.sync.messages import (
    RETURNED_MAX,
    RETURNED_MAX_BYTES,
    LedgerAckMessage,
    LedgerAskMessage,
    LedgerMessage,
    LedgerReturnMessage,
    StatusMessage,
    ledger_message,
    ledger_row,
)
from cart.till.ledger import FAILURES, HeadMoved, TillLedger

log = logging.getLogger(__name__)

GATHER_S: Final = 0.02
"""Rows that arrive within this time share one commit and one acknowledgement."""

ROWS_MAX: Final = 500
"""Rows gathered before they are committed without waiting; more than all carts of a store send in that time."""


class LedgerDesk:
    """For one event loop. `acknowledge` and `give_back` publish and may fail: the cart sends, or asks, again."""

    def __init__(
        self,
        ledger: TillLedger,
        acknowledge: Callable[[LedgerAckMessage], object],
        give_back: Callable[[LedgerReturnMessage], object] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._acknowledge = acknowledge
        self._give_back = give_back
        self._heads: dict[tuple[str, str], tuple[int, str]] = {}
        self._fresh: dict[tuple[str, str], list[LedgerRow]] = {}
        self._missing: dict[tuple[str, str], int] = {}
        self._heard: set[tuple[str, str]] = set()
        self._gaps: set[tuple[str, str]] = set()
        """Chains that go on here with a later row: the carts hold no older ones, and this store has lost them."""
        self._cut_back: dict[str, str] = {}
        """Cart → the boot, by the name of its questions, that was last noted to have lost rows."""
        self._timer: asyncio.TimerHandle | None = None

    def receive(self, message: LedgerMessage) -> None:
        """One row of a cart. Raises nothing: what doesn't fit is noted and not acknowledged."""
        key = (message.cart_id, message.chain)
        row = ledger_row(message)
        head_seq, head_hash = self._head_before(key, row)
        if row_hash(message.cart_id, message.chain, row) != row.hash:
            self._ledger.note(message.cart_id, "ledger_hash_wrong", f"row {row.seq}")
            return
        self._heard.add(key)
        if row.seq <= head_seq:
            self._check_known(key, row)
        elif row.seq > head_seq + 1:
            self._missing[key] = head_seq + 1
        elif row.prev != head_hash:
            self._ledger.note(message.cart_id, "ledger_forked", f"row {row.seq} doesn't follow the one held")
            return
        else:
            self._fresh.setdefault(key, []).append(row)
            self._heads[key] = (row.seq, row.hash)
            self._missing.pop(key, None)
        if sum(len(rows) for rows in self._fresh.values()) >= ROWS_MAX:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self.flush)

    def born(self, status: StatusMessage) -> None:
        """A cart is there: tell it how far the store holds its chain, if that isn't where the cart stands.

        The cart judges itself whether it lacks rows: a status may be older than those that followed it, as the
        broker's retained copy is, and what a till hears late of which another one has kept the rows meanwhile.
        """
        key = (status.cart_id, status.chain)
        seq, head_hash = self._head(key)
        if status.online and status.chain and (seq, head_hash) != (status.head_seq, status.head_hash):
            self._heard.add(key)
            self.flush()

    def asked(self, message: LedgerAskMessage) -> None:
        """Say how far the store holds a chain, and give rows back where the cart has lost them."""
        self.flush()
        if self._ledger.database.shared:
            self._heads.pop((message.cart_id, message.chain), None)
        seq, head_hash = self._head((message.cart_id, message.chain))
        if seq + 1 < message.oldest_seq:
            seq, head_hash = self._leave_out(message, seq + 1)
        self._acknowledge(
            LedgerAckMessage(cart_id=message.cart_id, chain=message.chain, seq=seq, hash=head_hash, asked=message.asked)
        )
        if message.after_seq is None:
            return
        rows: list[LedgerMessage] = []
        size = 0
        first = message.after_seq + 1
        for row in self._ledger.cart_rows(message.cart_id, message.chain, first, first + RETURNED_MAX - 1):
            if size >= RETURNED_MAX_BYTES:
                break
            rows.append(ledger_message(message.cart_id, message.chain, row))
            size += len(row.body)
        if rows:
            self._note_cut_back(message, seq)
            self._give_back(LedgerReturnMessage(cart_id=message.cart_id, chain=message.chain, rows=rows))

    def _note_cut_back(self, asked: LedgerAskMessage, held_seq: int) -> None:
        """Only a cart whose ledger was cut back asks for its rows; noted once a boot, not at each page."""
        if self._cut_back.get(asked.cart_id) != asked.asked:
            self._cut_back[asked.cart_id] = asked.asked
            detail = f"the cart asks for the rows after {asked.after_seq}, the store holds {held_seq}"
            self._ledger.note(asked.cart_id, "chain_cut_back", detail)

    def _leave_out(self, asked: LedgerAskMessage, first_seq: int) -> tuple[int, str]:
        """Rows that the cart has no more, and this store has lost: staff is told, and the chain goes on after them."""
        key = (asked.cart_id, asked.chain)
        if key not in self._gaps:
            self._gaps.add(key)
            self._ledger.note(asked.cart_id, "rows_lost", f"{first_seq} to {asked.oldest_seq - 1} are held nowhere")
        self._heads[key] = (asked.oldest_seq - 1, asked.oldest_prev)
        return self._heads[key]

    def flush(self) -> None:
        """Commit what came, then acknowledge it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        fresh, self._fresh = self._fresh, {}
        heard, self._heard = self._heard, set()
        missing, self._missing = self._missing, {}
        for (cart_id, chain), rows in fresh.items():
            try:
                self._ledger.keep_rows(cart_id, chain, rows, after_gap=(cart_id, chain) in self._gaps)
            except HeadMoved:
                self._heads.pop((cart_id, chain))  # what another till has kept is acknowledged, the rest sent again
            except FAILURES:
                log.exception("the ledger of %s could not be kept; the cart sends it again", cart_id)
                self._heads.pop((cart_id, chain))
                heard.discard((cart_id, chain))
        for cart_id, chain in heard:
            seq, head_hash = self._head((cart_id, chain))
            self._acknowledge(
                LedgerAckMessage(
                    cart_id=cart_id, chain=chain, seq=seq, hash=head_hash, resend_from=missing.get((cart_id, chain))
                )
            )

    def _check_known(self, key: tuple[str, str], row: LedgerRow) -> None:
        held = self._ledger.cart_row(*key, row.seq)
        pending = next((fresh for fresh in self._fresh.get(key, []) if fresh.seq == row.seq), None)
        if held is None and pending is None:
            return
        if msgspec.structs.asdict(held or row)["hash"] != row.hash:
            self._ledger.note(key[0], "ledger_rewritten", f"row {row.seq} came with another content than before")

    def _head_before(self, key: tuple[str, str], row: LedgerRow) -> tuple[int, str]:
        """The head that a row is judged by; read anew where it doesn't follow the one remembered."""
        head = self._head(key)
        if self._ledger.database.shared and (row.seq - 1, row.prev) != head and key not in self._fresh:
            del self._heads[key]
            head = self._head(key)
        return head

    def forget(self) -> None:
        """Other tills have had carts that are this one's now: read again how far their chains are held."""
        self.flush()
        self._heads.clear()

    def _head(self, key: tuple[str, str]) -> tuple[int, str]:
        if key not in self._heads:
            self._heads[key] = self._ledger.cart_head(*key)
        return self._heads[key]
