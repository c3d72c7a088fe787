"""The till's record: payment attempts, the carts' ledgers, what was published, and what was not right."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from cart.till.attempts import AttemptRow, PaidCode, RowStatus
from cart.till.cart_rows import CartRows, HeadMoved
from cart.till.database import FAILURES, Database, SqliteDatabase, TillProblem
from cart.till.refunds import RefundRow, Refunds

__all__ = [
    "FAILURES",
    "AttemptRow",
    "HeadMoved",
    "PaidCode",
    "RefundRow",
    "RowStatus",
    "SecurityNote",
    "TillLedger",
    "TillProblem",
]


class SecurityNote(msgspec.Struct, frozen=True, kw_only=True):
    """Something that no honest cart sends."""

    wall_ms: int
    cart_id: str
    what: str
    detail: str


class TillLedger(Refunds, CartRows):
    """All of the till's SQL."""

    def __init__(self, store: Path | Database, *, wall_ms: Callable[[], int] | None = None) -> None:
        """A folder gets or has a `till.sqlite`. Raises TillProblem where it can't be opened."""
        self.database: Database = SqliteDatabase(store / "till.sqlite") if isinstance(store, Path) else store
        self._wall_ms = wall_ms or (lambda: time.time_ns() // 1_000_000)

    def close(self) -> None:
        self.database.close()

    def number_of(self, content: str, least: int) -> int:
        """The version under which this content goes out: that of last time if it is the same, else a greater one."""
        with self.database.transaction("published"):
            last = self.database.read("SELECT version, content FROM published ORDER BY version DESC LIMIT 1")
            if last and last[0][1] == content and last[0][0] >= least:
                return int(last[0][0])
            version = max(least, last[0][0] + 1) if last else least
            self.database.write("INSERT INTO published VALUES (?, ?, ?)", (version, content, self._wall_ms()))
            return version

    def next_count(self, name: str, least: int) -> int:
        """A number that only grows, across restarts, tills and clocks that are set back; at least `least`."""
        found = self.database.read(
            "INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = "
            "CASE WHEN excluded.value > counter.value THEN excluded.value ELSE counter.value + 1 END RETURNING value",
            (name, least),
        )
        return int(found[0][0])

    def secret_number(self, name: str) -> int:
        """A number drawn once that only those know who read this database. The tills' group bears it: a broker's access
        list keeps nobody from joining a group of shared subscriptions, and whoever is in it swallows what he gets.
        """
        self.database.write(
            "INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
            (name, secrets.randbits(62)),
        )
        return int(self.database.read("SELECT value FROM counter WHERE name = ?", (name,))[0][0])

    def note(self, cart_id: str, what: str, detail: str) -> None:
        """A security note; the oldest beyond 10,000 go, so that a flood can't fill the disk."""
        self.database.write(
            "INSERT INTO security_note (wall_ms, cart_id, what, detail) VALUES (?, ?, ?, ?)",
            (self._wall_ms(), cart_id, what, detail[:200]),
        )
        self.database.write("DELETE FROM security_note WHERE id <= (SELECT max(id) FROM security_note) - 10000")

    def notes(self, limit: int = 20) -> list[SecurityNote]:
        """The latest, newest first."""
        found = self.database.read(
            "SELECT wall_ms, cart_id, what, detail FROM security_note ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [
            SecurityNote(wall_ms=wall_ms, cart_id=cart_id, what=what, detail=detail)
            for wall_ms, cart_id, what, detail in found
        ]
