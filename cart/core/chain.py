"""The ledger's hash chain: how a row's hash is made, and how a run of rows is checked. Cart, store and audit share it.

`hash` is the SHA-256 (64 hex digits) of these ten fields as UTF-8, joined by one line feed each, none at the end:

    cart-ledger-1, cart id, chain id, seq, boot id, wall_ms, t_ns, trip id, prev, body

`body` is the event as compact JSON on one line, byte for byte as stored and as sent; `prev` is the hash of the row with
the number before, or 64 zeros for row 1. No other field can hold a line feed, so the joining is unambiguous, and
`printf … | sha256sum` verifies a row by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from cart.core.ledger import LedgerEvent
from cart.core.problem import Problem

GENESIS: Final = "0" * 64
"""`prev` of a chain's first row."""

_DECODER: Final = msgspec.json.Decoder(LedgerEvent)


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One committed event in its envelope. `t_ns` is the monotonic clock of that boot; `wall_ms` is for people only."""

    seq: int
    boot: str
    wall_ms: int
    t_ns: int
    trip_id: str
    """Empty outside a trip."""
    body: str
    prev: str
    hash: str

    def event(self) -> LedgerEvent:
        """Raises ChainProblem for a body that is no event of this release."""
        try:
            event: LedgerEvent = _DECODER.decode(self.body)
        except msgspec.MsgspecError as error:
            raise ChainProblem(
                f"ledger row {self.seq} is not an event that this release knows ({error}); "
                "install the release that wrote it, or one after it"
            ) from None
        return event


class ChainProblem(Problem):
    """A row that can't be read or doesn't fit; says which."""


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for rows `first_seq`…`last_seq`, deleted by age. `prev` is the hash before the first of them."""

    trip_id: str
    first_seq: int
    last_seq: int
    prev: str
    first_hash: str
    last_hash: str
    deleted_wall_ms: int
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """What a signature covers: the tombstone as compact JSON without its signature."""
        return msgspec.json.encode(msgspec.structs.replace(self, signature=""))


class ChainReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. `broken_at` is the first number that doesn't fit, `why` says so in words."""

    ok: bool
    rows: int
    deleted: int
    head_seq: int
    head_hash: str
    broken_at: int | None = None
    why: str = ""


def row_hash(cart_id: str, chain: str, row: LedgerRow) -> str:
    """The hash that this row ought to have."""
    fields = (
        "cart-ledger-1",
        cart_id,
        chain,
        str(row.seq),
        row.boot,
        str(row.wall_ms),
        str(row.t_ns),
        row.trip_id,
        row.prev,
        row.body,
    )
    return hashlib.sha256("\n".join(fields).encode()).hexdigest()


def check_chain(
    cart_id: str,
    chain: str,
    rows: Iterable[LedgerRow],
    tombstones: Iterable[Tombstone] = (),
    *,
    after_seq: int = 0,
    after_hash: str = GENESIS,
) -> ChainReport:
    """Walk rows in order of number from just after `after_seq`; gaps must be covered by tombstones that fit."""
    gone = {stone.first_seq: stone for stone in tombstones}
    seq, head, count, deleted = after_seq, after_hash, 0, 0

    def report(broken_at: int | None = None, why: str = "") -> ChainReport:
        return ChainReport(
            ok=broken_at is None,
            rows=count,
            deleted=deleted,
            head_seq=seq,
            head_hash=head,
            broken_at=broken_at,
            why=why,
        )

    def skip_deleted() -> bool:
        """Step over the tombstones that follow; False where one doesn't fit."""
        nonlocal seq, head, deleted
        while (stone := gone.get(seq + 1)) is not None:
            if stone.prev != head or stone.last_seq < stone.first_seq:
                return False
            deleted += stone.last_seq - stone.first_seq + 1
            seq, head = stone.last_seq, stone.last_hash
        return True

    for row in rows:
        if not skip_deleted():
            return report(seq + 1, f"the tombstone of row {seq + 1} doesn't fit the row before it")
        if row.seq != seq + 1:
            return report(seq + 1, f"row {seq + 1} is missing; the next one is {row.seq}")
        if row.prev != head:
            return report(row.seq, f"row {row.seq} doesn't follow from row {seq}")
        if row_hash(cart_id, chain, row) != row.hash:
            return report(row.seq, f"row {row.seq} was changed after it was written")
        seq, head, count = row.seq, row.hash, count + 1
    if not skip_deleted():
        return report(seq + 1, f"the tombstone of row {seq + 1} doesn't fit the row before it")
    return report()
