"""A simulated acquirer: captures nobody's money, and can be as unhelpful as a real one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, get_args

from cart.till.provider import Charge, Outcome

Mode = Literal["approve", "decline", "silent", "twice", "late", "wrong_amount"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""`silent`: no capture and no answer. `twice`: one capture, the answer twice. `late`: captured at once, said so only
after `late_s`. `wrong_amount`: captured rightly, the first answer names another amount.
"""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS tender (
    key TEXT PRIMARY KEY, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, reference TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('approved', 'declined', 'cancelled', 'voided'))
) STRICT
"""


class SimulatedAcquirer:
    """Keeps its own record (`captures()`), apart from the till's, so that a test can count what was really captured."""

    def __init__(
        self,
        folder: Path,
        mode: Mode = "approve",
        *,
        late_s: float = 45.0,
        on_charge: Callable[[Charge], None] | None = None,
    ) -> None:
        self.mode: Mode = mode
        self.late_s = late_s
        self._on_charge = on_charge
        self._silent: dict[str, asyncio.Event] = {}
        self._late: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._records = sqlite3.connect(folder / "acquirer.sqlite", isolation_level=None)
        self._records.execute("PRAGMA journal_mode = WAL")
        self._records.execute("PRAGMA synchronous = FULL")
        self._records.execute(_SCHEMA)

    def set_mode(self, mode: Mode) -> None:
        """Change how it behaves from now on; silent ones are taken up again in the new mode."""
        self.mode = mode
        if mode != "silent":
            for event in self._silent.values():
                event.set()

    def captures(self) -> dict[str, int]:
        """key → minor units, of all that is captured and not given back."""
        found = self._records.execute("SELECT key, amount_minor FROM tender WHERE status = 'approved'")
        return {str(key): int(amount) for key, amount in found.fetchall()}

    async def charge(self, charge: Charge) -> Outcome:
        """Capture once a key, in the way of the mode."""
        if self._on_charge is not None:
            self._on_charge(charge)
        while self.mode == "silent" and self._find(charge.key) is None:
            await self._silent.setdefault(charge.key, asyncio.Event()).wait()
            self._silent.pop(charge.key, None)
        mode = self.mode
        known = self._find(charge.key)
        if known is None:
            known = self._record(charge, "declined" if mode == "decline" else "approved")
        if mode == "late" and known.status == "approved":
            self._late.add(charge.key)
            await asyncio.sleep(self.late_s)
            self._late.discard(charge.key)
        return Outcome(
            status=known.status,
            reference=known.reference,
            reason=known.reason,
            repeat=2 if mode == "twice" else 1,
            said_amount_minor=charge.amount_minor + 1 if mode == "wrong_amount" else None,
        )

    async def lookup(self, key: str) -> Outcome:
        """Its record; `pending` while it keeps an answer back."""
        if key in self._silent or key in self._late:
            return Outcome(status="pending")
        return self._find(key) or Outcome(status="never_seen")

    async def withdraw(self, key: str) -> Outcome:
        """Cancel what isn't captured, give back what is; an answer that is on its way can't be stopped."""
        if key in self._late:
            return Outcome(status="pending", reason="in flight")
        known = self._find(key)
        if known is None:
            self._records.execute("INSERT INTO tender VALUES (?, 0, '', '', 'cancelled')", (key,))
            if key in self._silent:
                self._silent[key].set()
            return Outcome(status="cancelled")
        if known.status == "approved":
            self._records.execute("UPDATE tender SET status = 'voided' WHERE key = ?", (key,))
            return Outcome(status="voided", reference=known.reference)
        return known

    async def close(self) -> None:
        """Close the record."""
        self._records.close()

    def _find(self, key: str) -> Outcome | None:
        row = self._records.execute("SELECT status, reference FROM tender WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return Outcome(status=row[0], reference=row[1], reason="refused by the bank" if row[0] == "declined" else "")

    def _record(self, charge: Charge, status: Literal["approved", "declined"]) -> Outcome:
        number = self._records.execute("SELECT count(*) FROM tender").fetchone()[0] + 1
        self._records.execute(
            "INSERT INTO tender VALUES (?, ?, ?, ?, ?)",
            (charge.key, charge.amount_minor, charge.currency, f"SIM-{number:06d}", status),
        )
        return self._find(charge.key) or Outcome(status="never_seen")
