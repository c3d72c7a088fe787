"""What any payment provider must do for the till. The key is the attempt id, the provider's idempotency key.

A provider may forget its keys after a day; the till's ledger doesn't, and asks a provider only about attempts that have
no end yet.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One tender. No card number: the provider knows the shopper by wallet or reader."""

    key: str
    amount_minor: int
    currency: str
    method: str
    cart_id: str = ""
    partial: bool = False
    """Less may be captured, where the shopper has no more."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's word. `captured_minor`: what was captured, where that is not all that was asked for. `repeat` and
    `said_amount_minor` are faults of the answer that a simulated one can show.
    """

    status: Literal["approved", "declined", "pending", "cancelled", "voided", "never_seen", "refunded"]
    reference: str = ""
    reason: str = ""
    captured_minor: int | None = None
    go_on: bool = False
    """Pending, and nothing more comes of it unless it is charged again under the same key."""
    repeat: int = 1
    said_amount_minor: int | None = None


class Provider(Protocol):
    """Each method may be called again with the same key and must then not act twice."""

    async def charge(self, charge: Charge) -> Outcome:
        """Capture the amount, or don't; may take as long as a person takes at a reader."""
        ...

    async def lookup(self, key: str) -> Outcome:
        """What became of a key; never acts."""
        ...

    async def withdraw(self, key: str) -> Outcome:
        """Stop or give back: `cancelled`, `voided`, or `pending` where it can't be said yet.

        After one of the first two the key is captured never again, nor by a charge that arrives later.
        """
        ...

    async def refund(self, key: str, refund_id: str, amount_minor: int) -> Outcome:
        """Give back a part of what was captured, once a `refund_id`: `refunded`, `declined`, or `pending` where nobody
        can say yet.
        """
        ...

    async def close(self) -> None:
        """Let go of files and sockets."""
        ...
