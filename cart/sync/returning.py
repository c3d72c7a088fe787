"""Takes back from the store what the cart's ledger has lost: a card exchanged for an older one, a journal restored.

Pages are asked for one after the other. A row is believed when its hash is right and follows from the row before; the
last one must be the row that the store has acknowledged under its signature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cart.core.chain import LedgerRow, row_hash
from cart.sync.messages import LedgerAckMessage, LedgerReturnMessage, ledger_row

ROWS_MAX: Final = 20_000
"""As many as a restart folds. A cart that has lost more is a matter for staff."""


class Returning:
    """One cart's lost rows on their way. `ask(after_seq)` asks for the page after that row, and may fail."""

    def __init__(self, cart_id: str, ask: Callable[[int], object]) -> None:
        self._cart_id = cart_id
        self._ask = ask
        self._rows: list[LedgerRow] = []
        self._ack: LedgerAckMessage | None = None
        self._after: tuple[int, str] = (0, "")

    def begin(self, first_seq: int, hash_before: str, ack: LedgerAckMessage) -> None:
        """Ask, or ask again, for what the store holds from `first_seq` on."""
        if self._ack is None or self._ack.chain != ack.chain or self._after != (first_seq - 1, hash_before):
            self._rows, self._after = [], (first_seq - 1, hash_before)
        self._ack = ack
        self._ask(self._last[0])

    def take(self, page: LedgerReturnMessage) -> list[LedgerRow]:
        """All rows up to the acknowledged one once they are here, none before. What doesn't follow is dropped."""
        ack = self._ack
        if ack is None or page.chain != ack.chain:
            return []
        took = False
        for message in page.rows:
            row = ledger_row(message)
            seq, before = self._last
            follows = (row.seq, row.prev) == (seq + 1, before)
            if follows and row_hash(self._cart_id, page.chain, row) == row.hash and len(self._rows) < ROWS_MAX:
                self._rows.append(row)
                took = True
        if took and self._last == (ack.seq, ack.hash):
            return self._rows
        if took and self._last[0] < ack.seq:
            self._ask(self._last[0])
        return []

    @property
    def _last(self) -> tuple[int, str]:
        """Number and hash of the last row that is here."""
        return (self._rows[-1].seq, self._rows[-1].hash) if self._rows else self._after
