"""A simulated acquirer: captures nobody's money, and can be as unhelpful as a real one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, get_args

from cart.till.database import Database, SqliteDatabase
from cart.till.provider import Charge, Outcome

Mode = Literal["approve", "decline", "silent", "twice", "late", "wrong_amount", "partial"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""`silent`: no capture and no answer. `twice`: one capture, the answer twice. `late`: captured at once, said so only
after `late_s`. `wrong_amount`: captured rightly, the first answer names another amount. `partial`: half of it is
captured, where the request allows that.
"""

EBT: Final = "ebt"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS tender (
    key TEXT PRIMARY KEY, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, reference TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('approved', 'declined', 'cancelled', 'voided'))
) STRICT
"""
_REFUNDS: Final = """
CREATE TABLE IF NOT EXISTS tender_refund (
    key TEXT NOT NULL, refund_id TEXT NOT NULL, amount_minor INTEGER NOT NULL, PRIMARY KEY (key, refund_id)
) STRICT
"""


class SimulatedAcquirer:
    """Keeps its own record (`captures()`), apart from the till's, so that a test can count what was really captured."""

    def __init__(
        self,
        store: Path | Database,
        mode: Mode = "approve",
        *,
        late_s: float = 45.0,
        ebt_minor: int | None = None,
        on_charge: Callable[[Charge], None] | None = None,
    ) -> None:
        """A folder gets or has an `acquirer.sqlite`; tills that share a database share the one in it.

        `ebt_minor`: what is on every benefits card; None: enough.
        """
        self.mode: Mode = mode
        self.late_s = late_s
        self._ebt_minor = ebt_minor
        self._on_charge = on_charge
        self._silent: dict[str, asyncio.Event] = {}
        self._late: set[str] = set()
        self._records = store if not isinstance(store, Path) else _own_file(store)

    def set_mode(self, mode: Mode) -> None:
        """Change how it behaves from now on; silent ones are taken up again in the new mode."""
        self.mode = mode
        if mode != "silent":
            for event in self._silent.values():
                event.set()

    def captures(self) -> dict[str, int]:
        """key → minor units, of all that is captured and not given back."""
        found = self._records.read(
            "SELECT key, amount_minor - (SELECT coalesce(sum(tender_refund.amount_minor), 0) FROM tender_refund "
            "WHERE tender_refund.key = tender.key) FROM tender WHERE status = 'approved'"
        )
        return {str(key): int(amount) for key, amount in found}

    async def charge(self, charge: Charge) -> Outcome:
        """Capture once a key, in the way of the mode."""
        if self._on_charge is not None:
            self._on_charge(charge)
        while self.mode == "silent" and self._find(charge.key) is None:
            await self._silent.setdefault(charge.key, asyncio.Event()).wait()
            self._silent.pop(charge.key, None)
        mode = self.mode
        known = self._find(charge.key) or self._record(charge, self._would_take_minor(charge))
        if mode == "late" and known.status == "approved":
            self._late.add(charge.key)
            await asyncio.sleep(self.late_s)
            self._late.discard(charge.key)
        return Outcome(
            status=known.status,
            reference=known.reference,
            reason=known.reason,
            captured_minor=known.captured_minor,
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
        self._records.write(
            "INSERT INTO tender VALUES (?, 0, '', '', 'cancelled') ON CONFLICT (key) DO NOTHING", (key,)
        )
        self._records.write("UPDATE tender SET status = 'voided' WHERE key = ? AND status = 'approved'", (key,))
        if key in self._silent:
            self._silent[key].set()
        return self._find(key) or Outcome(status="pending")

    async def refund(self, key: str, refund_id: str, amount_minor: int) -> Outcome:
        """Give back a part, once a refund."""
        with self._records.transaction(f"tender {key}"):
            done = self._records.read("SELECT 1 FROM tender_refund WHERE key = ? AND refund_id = ?", (key, refund_id))
            if not done and amount_minor > self.captures().get(key, 0):
                return Outcome(status="declined", reason="more than is held")
            if not done:
                self._records.write("INSERT INTO tender_refund VALUES (?, ?, ?)", (key, refund_id, amount_minor))
        return Outcome(status="refunded")

    async def close(self) -> None:
        """Close the record."""
        self._records.close()

    def _would_take_minor(self, charge: Charge) -> int:
        """What it captures; 0: it declines."""
        if self.mode == "decline":
            return 0
        has_minor = charge.amount_minor
        if charge.method == EBT and self._ebt_minor is not None:
            spent = self._records.read("SELECT coalesce(sum(amount_minor), 0) FROM tender WHERE status = 'approved'")
            has_minor = max(0, min(has_minor, self._ebt_minor - int(spent[0][0])))
        if self.mode == "partial" and charge.partial:
            has_minor = min(has_minor, charge.amount_minor // 2)
        return has_minor if charge.partial or has_minor == charge.amount_minor else 0

    def _find(self, key: str) -> Outcome | None:
        found = self._records.read("SELECT status, reference, amount_minor FROM tender WHERE key = ?", (key,))
        return next((_outcome(*row) for row in found), None)

    def _record(self, charge: Charge, taken_minor: int) -> Outcome:
        status = "approved" if taken_minor else "declined"
        number = self._records.read("SELECT count(*) FROM tender")[0][0] + 1
        self._records.write(
            "INSERT INTO tender VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            (charge.key, taken_minor or charge.amount_minor, charge.currency, f"SIM-{number:06d}", status),
        )
        return self._find(charge.key) or Outcome(status="never_seen")


def _own_file(folder: Path) -> Database:
    # Opened by this module's own sqlite3: the bank's disk is not the till's.
    database = SqliteDatabase(folder / "acquirer.sqlite", schema=_SCHEMA, exclusive=False, connect=sqlite3.connect)
    database.write(_REFUNDS)
    return database


def _outcome(
    status: Literal["approved", "declined", "cancelled", "voided"], reference: str, amount_minor: int
) -> Outcome:
    return Outcome(
        status=status,
        reference=reference,
        reason="refused by the bank" if status == "declined" else "",
        captured_minor=amount_minor if status == "approved" else None,
    )
