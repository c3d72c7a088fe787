"""Which tills of a store are at work, who of them leads, and whose cart is whose.

A till writes once a second, by the database's clock, that it is there. Who has not for `LEASE_MS` is dead: its work is
taken over. A till that was only asleep may wake and go on; that costs nothing but work done twice, as whatever it does
is one statement on a row, or a provider's answer under the attempt's key. The leader is who came first; of the tills
that partition carts the one with the highest hash of both names has a cart (rendezvous hashing: Thaler and Ravishankar
1998, IEEE/ACM Trans. Networking 6:1), so that a till which comes or goes moves only its own carts.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from typing import Final

from cart.till.database import Database

BEAT_S: Final = 1.0
LEASE_MS: Final = 4_000
"""Three beats may be lost. A cart gives an attempt 30 s before it asks, so a take-over comes before that."""


class Members:
    """One till among those of its database. With a database of its own it is alone, always, and asks nobody."""

    def __init__(self, database: Database) -> None:
        self.me = f"till-{secrets.token_hex(6)}"
        """Drawn anew at each start: what the last run had in hand is nobody's now."""
        self._database = database
        self.alive: frozenset[str] = frozenset({self.me})
        self.leads = not database.shared

    def beat(self) -> bool:
        """Say that this till is there and look who else is; True where that changed. Raises as the database does."""
        if not self._database.shared:
            return False
        with self._database.transaction("members"):
            now_ms = self._database.now_ms() or 0
            self._database.write(
                "INSERT INTO member (name, since_ms, seen_ms) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET seen_ms = excluded.seen_ms",
                (self.me, now_ms, now_ms),
            )
            self._database.write("DELETE FROM member WHERE seen_ms < ?", (now_ms - LEASE_MS,))
            found = self._database.read("SELECT name FROM member ORDER BY since_ms, name")
        before = (self.alive, self.leads)
        self.alive = frozenset(str(name) for (name,) in found)
        self.leads = found[0][0] == self.me
        return before != (self.alive, self.leads)

    def leave(self) -> None:
        """Gone on purpose: the others need not wait for the lease to end."""
        if self._database.shared:
            self._database.write("DELETE FROM member WHERE name = ?", (self.me,))

    def has(self, cart_id: str) -> bool:
        """True where a cart is this till's, among tills that partition the carts."""
        return owner(cart_id, self.alive) == self.me

    def elsewhere(self, worker: str) -> bool:
        """True where another till that is alive has a row in hand."""
        return worker not in {"", self.me} and worker in self.alive


def owner(cart_id: str, tills: Collection[str]) -> str:
    """Whose a cart is: the same answer wherever it is asked of the same tills, in whatever order."""
    return max(tills, key=lambda till: hashlib.sha256(f"{till}|{cart_id}".encode()).digest())
