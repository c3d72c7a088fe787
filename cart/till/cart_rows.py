"""The carts' ledgers as the store acknowledged them, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from cart.core.chain import GENESIS, LedgerRow
from cart.till.rows import Rows

_ABOUT_WEIGHTS: Final = """substr(body, 1, 13) IN ('{"kind":"item', '{"kind":"own_', '{"kind":"weig')"""
"""As the index `weight_row` has it."""
_CART_ROW: Final = "seq, boot, wall_ms, t_ns, trip_id, body, prev, hash"


class HeadMoved(Exception):
    """Another till has kept rows of this chain since its head was read."""


class CartRows(Rows):
    """The table `cart_row`."""

    def cart_head(self, cart_id: str, chain: str) -> tuple[int, str]:
        """How far the store holds a cart's chain: number and hash of the last row."""
        found = self.database.read(
            "SELECT seq, hash FROM cart_row WHERE cart_id = ? AND chain = ? ORDER BY seq DESC LIMIT 1", (cart_id, chain)
        )
        return (int(found[0][0]), str(found[0][1])) if found else (0, GENESIS)

    def cart_row(self, cart_id: str, chain: str, seq: int) -> LedgerRow | None:
        return next(iter(self.cart_rows(cart_id, chain, seq, seq)), None)

    def cart_rows(self, cart_id: str, chain: str, first_seq: int, last_seq: int) -> list[LedgerRow]:
        found = self.database.read(
            f"SELECT {_CART_ROW} FROM cart_row WHERE cart_id = ? AND chain = ? AND seq BETWEEN ? AND ? ORDER BY seq",  # noqa: S608
            (cart_id, chain, first_seq, last_seq),
        )
        return [_row(row) for row in found]

    def keep_rows(self, cart_id: str, chain: str, rows: Sequence[LedgerRow], *, after_gap: bool = False) -> None:
        """Commit rows that were checked and follow the head. Raises HeadMoved where they no longer do.

        `after_gap`: rows between the head and these are held nowhere.
        """
        if not rows:
            return
        with self.database.transaction(f"chain {cart_id} {chain}"):
            head = self.cart_head(cart_id, chain)
            if head != (rows[0].seq - 1, rows[0].prev) and not (after_gap and head[0] + 1 < rows[0].seq):
                raise HeadMoved(f"{cart_id}: row {rows[0].seq} no longer follows row {head[0]}")
            self.database.write_many(
                f"INSERT INTO cart_row (cart_id, chain, {_CART_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                [(cart_id, chain, *msgspec.structs.astuple(row)) for row in rows],
            )

    def rows_about_weights(self, heads: Mapping[tuple[str, str], int]) -> Iterator[tuple[str, str, LedgerRow]]:
        """(cart, chain, row) of what says something of weights, each chain in order, after the rows `heads` names."""
        table = f"cart_row {self.database.by_index('weight_row')}"
        chains = self.database.read(f"SELECT DISTINCT cart_id, chain FROM {table} WHERE {_ABOUT_WEIGHTS}")  # noqa: S608
        for cart_id, chain in chains:
            found = self.database.read(
                f"SELECT {_CART_ROW} FROM {table} WHERE cart_id = ? AND chain = ? AND seq > ? "  # noqa: S608
                f"AND {_ABOUT_WEIGHTS} ORDER BY seq",
                (cart_id, chain, heads.get((cart_id, chain), 0)),
            )
            for row in found:
                yield cart_id, chain, _row(row)


def _row(row: Sequence[Any]) -> LedgerRow:
    return msgspec.convert(dict(zip(LedgerRow.__struct_fields__, row, strict=True)), LedgerRow)
