"""Deleting what is old: whole trips and idle stretches, leaving a tombstone with first and last hash for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from cart.core.chain import LedgerRow, Tombstone
from cart.journal.ledger_file import LedgerFile

DAY_MS: Final = 86_400_000
ROWS_MAX: Final = 50_000
"""Rows deleted in one go, about a month of trips; the rest goes the next time."""


class Pruned(msgspec.Struct, frozen=True):
    """`rows` deleted under `tombstones`; `why_not` says why nothing was, where that is worth saying."""

    rows: int
    tombstones: int
    why_not: str = ""


def prune(file: LedgerFile, keep_days: int, now_ms: int, sign: Callable[[bytes], str] | None) -> Pruned:
    """Delete from the oldest on, up to the first row that is young, unacknowledged or of the open trip.

    A wall clock that is far ahead of the newest row is not believed: it may have jumped, and what is deleted is gone.
    """
    newest = file.ask("SELECT wall_ms FROM ledger ORDER BY seq DESC LIMIT 1")
    if not newest:
        return Pruned(0, 0)
    if now_ms - int(newest[0][0]) > keep_days * DAY_MS:
        return Pruned(0, 0, "the clock is more than the kept days ahead of the newest row; nothing is deleted by it")
    old = _old_rows(file, now_ms - keep_days * DAY_MS)
    stones = [_tombstone(run, now_ms, sign) for run in _runs(old)]
    statements: list[tuple[str, Sequence[Any]]] = []
    for stone in stones:
        statements.append(
            (
                "INSERT INTO tombstone VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    stone.first_seq, stone.last_seq, stone.trip_id, stone.prev, stone.first_hash, stone.last_hash,
                    stone.deleted_wall_ms, stone.signature,
                ),
            )
        )  # fmt: skip
        statements.append(("DELETE FROM ledger WHERE seq BETWEEN ? AND ?", (stone.first_seq, stone.last_seq)))
    if statements:
        file.write(statements)
        file.learn_oldest()
    return Pruned(len(old), len(stones))


def _old_rows(file: LedgerFile, before_ms: int) -> list[LedgerRow]:
    """The ledger's oldest rows, whole trips only, that may go."""
    limits = file.ask(
        "SELECT min(seq) FROM (SELECT seq FROM outbox UNION ALL SELECT seq FROM ledger WHERE wall_ms >= ? "
        "UNION ALL SELECT seq FROM ledger WHERE trip_id = ? AND trip_id <> '' UNION ALL SELECT max(seq) FROM ledger)",
        before_ms,
        file.trip_id,
    )
    rows = file.rows("seq < ?", limits[0][0], limit=ROWS_MAX)
    if not rows:
        return []
    following = file.rows("seq > ?", rows[-1].seq, limit=1)
    if following and following[0].trip_id and following[0].trip_id == rows[-1].trip_id:
        rows = [row for row in rows if row.trip_id != rows[-1].trip_id]
    return rows


def _runs(rows: list[LedgerRow]) -> Iterator[list[LedgerRow]]:
    for _, run in groupby(rows, key=lambda row: row.trip_id):
        yield list(run)


def _tombstone(run: list[LedgerRow], now_ms: int, sign: Callable[[bytes], str] | None) -> Tombstone:
    stone = Tombstone(
        trip_id=run[0].trip_id, first_seq=run[0].seq, last_seq=run[-1].seq, prev=run[0].prev, first_hash=run[0].hash,
        last_hash=run[-1].hash, deleted_wall_ms=now_ms,
    )  # fmt: skip
    return msgspec.structs.replace(stone, signature=sign(stone.signed_bytes())) if sign is not None else stone
