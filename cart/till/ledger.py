"""The till's database: one row an attempt for ever, and the carts' ledgers as acknowledged. Synchronous; commits are on
disk when a method returns (WAL, `synchronous=FULL`, one connection).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from cart.core.chain import GENESIS, LedgerRow
from cart.core.frozen_basket import code_of_trip, till_code
from cart.core.problem import Problem
from cart.migrate import migrate
from cart.sync.messages import PaymentQueryMessage, PaymentRequestMessage

RowStatus = Literal["pending", "at_till", "approved", "declined", "cancelled", "voided", "not_found"]
OPEN: Final = ("pending", "at_till")

TRIP_KNOWN_MS: Final = 7 * 86_400_000
"""How far back a code is compared with other trips' money. No trip lasts a week; with 15,000 trips in it, one code in
2,000 meets the name of another."""

_ATTEMPT: Final = (
    "attempt_id, cart_id, trip_id, amount_minor, currency, basket_hash, method, code, status, withdrawn, reference, "
    "reason, opened_wall_ms, changed_wall_ms"
)
_ABOUT_WEIGHTS: Final = """substr(body, 1, 13) IN ('{"kind":"item', '{"kind":"own_', '{"kind":"weig')"""
"""As the index `weight_row` has it."""
_CART_ROW: Final = "seq, boot, wall_ms, t_ns, trip_id, body, prev, hash"


class TillProblem(Problem):
    """Something at the till that a person must put right."""


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt. `withdrawn`: it was taken back; a capture, early or late, is given back. `pending` with the method
    `till`: on its way into the hands of a person, and taken back at the provider first.
    """

    attempt_id: str
    cart_id: str
    trip_id: str
    amount_minor: int
    currency: str
    basket_hash: str
    method: str
    code: str
    status: RowStatus
    withdrawn: bool = False
    reference: str = ""
    reason: str = ""
    opened_wall_ms: int = 0
    changed_wall_ms: int = 0

    @property
    def chargeable(self) -> bool:
        """True while the provider may capture, and its approval counts."""
        return self.status == "pending" and not self.withdrawn and self.method != "till"


class PaidCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was paid by hand; `attempt_id` once its attempt was heard of."""

    code: str
    amount_minor: int
    reference: str
    paid_wall_ms: int
    attempt_id: str | None


class SecurityNote(msgspec.Struct, frozen=True, kw_only=True):
    """Something that no honest cart sends."""

    wall_ms: int
    cart_id: str
    what: str
    detail: str


class TillLedger:
    """All of the till's SQL."""

    def __init__(self, folder: Path, *, wall_ms: Callable[[], int] | None = None) -> None:
        """Opens or creates `till.sqlite`. Raises TillProblem where that can't be."""
        self._wall_ms = wall_ms or (lambda: time.time_ns() // 1_000_000)
        path = folder / "till.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0.3, check_same_thread=False)
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            migrate(self._connection, "cart.till")
        except (sqlite3.Error, OSError) as error:
            raise TillProblem(
                f"{path}: cannot be opened ({error}); check the folder's permissions, and that no other till uses it"
            ) from None

    def close(self) -> None:
        self._connection.close()

    def attempt(self, attempt_id: str) -> AttemptRow | None:
        return next(iter(self._attempts("attempt_id = ?", attempt_id)), None)

    def attempt_of_code(self, code: str) -> AttemptRow | None:
        return next(iter(self._attempts("code = ? ORDER BY opened_wall_ms DESC", code)), None)

    def unsettled(self) -> list[AttemptRow]:
        """What a restart must take up: asked for and unanswered, or withdrawn and not yet given back."""
        return self._attempts("status = 'pending' OR (status = 'approved' AND withdrawn = 1)")

    def recent(self, limit: int = 100) -> list[AttemptRow]:
        """The latest attempts, newest first."""
        return self._attempts("1 = 1 ORDER BY opened_wall_ms DESC LIMIT ?", limit)

    def open_attempt(
        self,
        asked: PaymentRequestMessage | PaymentQueryMessage,
        status: RowStatus,
        *,
        reference: str = "",
        reason: str = "",
        paid_code: str | None = None,
    ) -> AttemptRow:
        """Write the attempt's one row; a second writer gets the first one's row, and has written nothing.

        `paid_code`: what a person paid for it before; its method is then `till`.
        """
        code = till_code(asked.attempt_id, asked.amount_minor, asked.currency)
        request = asked if isinstance(asked, PaymentRequestMessage) else None
        method = "till" if paid_code is not None else request.method if request else ""
        now = self._wall_ms()
        with _Transaction(self._connection):
            self._connection.execute(
                f"INSERT INTO attempt ({_ATTEMPT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?) "  # noqa: S608
                "ON CONFLICT (attempt_id) DO NOTHING",
                (
                    asked.attempt_id, asked.cart_id, request.trip_id if request else "", asked.amount_minor,
                    asked.currency, asked.basket_hash, method, code, status, reference, reason, now, now,
                ),
            )  # fmt: skip
            if paid_code is not None:
                self._connection.execute(
                    "UPDATE paid_code SET attempt_id = ? WHERE code = ?", (asked.attempt_id, paid_code)
                )
        row = self.attempt(asked.attempt_id)
        if row is None:
            raise TillProblem(f"attempt {asked.attempt_id} was not written; check the disk")
        return row

    def change(
        self,
        attempt_id: str,
        before: Sequence[RowStatus],
        after: RowStatus,
        *,
        reference: str = "",
        reason: str = "",
    ) -> AttemptRow | None:
        """Move an attempt on, if it is in one of the states `before`; answers its row as it then is."""
        marks = ", ".join("?" * len(before))
        self._connection.execute(
            f"UPDATE attempt SET status = ?, reference = coalesce(nullif(?, ''), reference), reason = ?, "  # noqa: S608
            f"changed_wall_ms = ? WHERE attempt_id = ? AND status IN ({marks})",
            (after, reference, reason, self._wall_ms(), attempt_id, *before),
        )
        return self.attempt(attempt_id)

    def withdraw(self, attempt_id: str, reason: str = "") -> None:
        """The attempt is taken back, by staff where there is a reason; on disk before the provider is told."""
        self._connection.execute(
            "UPDATE attempt SET withdrawn = 1, reason = coalesce(nullif(?, ''), reason) WHERE attempt_id = ?",
            (reason, attempt_id),
        )

    def hand_over(self, attempt_id: str) -> None:
        """A person takes the money instead; on disk before the provider is told. What was withdrawn stays so."""
        self._connection.execute(
            "UPDATE attempt SET method = 'till' WHERE attempt_id = ? AND status = 'pending' AND withdrawn = 0",
            (attempt_id,),
        )

    def paid_code(self, code: str) -> PaidCode | None:
        found = self._connection.execute(
            "SELECT code, amount_minor, reference, paid_wall_ms, attempt_id FROM paid_code WHERE code = ?", (code,)
        ).fetchone()
        return (
            None
            if found is None
            else msgspec.convert(dict(zip(PaidCode.__struct_fields__, found, strict=True)), PaidCode)
        )

    def held_for_code(self, code: str) -> str | None:
        """What keeps a person from paying this code, in a few words: money that is held or may come for its trip, or an
        attempt of the same number on other terms. None where nothing does.
        """
        trip, since_ms = code_of_trip(code), self._wall_ms() - TRIP_KNOWN_MS
        found = self._connection.execute(
            "SELECT attempt_id, status, amount_minor FROM attempt WHERE code BETWEEN ? AND ? AND code <> ? "
            "AND (substr(code, 1, 6) = ? OR status IN ('pending', 'at_till', 'approved')) AND opened_wall_ms > ? "
            "LIMIT 1",
            (trip, f"{trip}~", code, code[:6], since_ms),
        ).fetchone()
        return _held(found) or self._code_paid(code)

    def held_for_trip(self, trip_id: str, attempt_id: str) -> str | None:
        """What keeps an attempt that is new here from being charged: money of another one of its trip that is held or
        may come, or was taken by hand for a code of this trip. None where nothing does.
        """
        code = till_code(attempt_id, 0, "")
        trip = code_of_trip(code)
        found = self._connection.execute(
            "SELECT attempt_id, status, amount_minor FROM attempt WHERE code BETWEEN ? AND ? AND trip_id = ? "
            "AND attempt_id <> ? AND status IN ('pending', 'at_till', 'approved') LIMIT 1",
            (trip, f"{trip}~", trip_id, attempt_id),
        ).fetchone()
        return _held(found) or self._code_paid(code)

    def _code_paid(self, code: str) -> str | None:
        """Another code of the same trip that was paid by hand, and whose attempt has never been heard of."""
        trip = code_of_trip(code)
        found = self._connection.execute(
            "SELECT code, 'paid', amount_minor FROM paid_code "
            "WHERE code BETWEEN ? AND ? AND code <> ? AND attempt_id IS NULL AND paid_wall_ms > ? LIMIT 1",
            (trip, f"{trip}~", code, self._wall_ms() - TRIP_KNOWN_MS),
        ).fetchone()
        return _held(found)

    def pay_code(self, code: str, amount_minor: int, row: AttemptRow | None = None) -> AttemptRow | None:
        """A person paid this code at the till; once, and in one commit with the approval of `row`, which waits for it.

        Raises TillProblem where it was paid before, or `row` no longer waits; nothing is written then.
        """
        reference, now = f"TILL-{code}", self._wall_ms()
        attempt_id = None if row is None else row.attempt_id
        try:
            with _Transaction(self._connection):
                self._connection.execute(
                    "INSERT INTO paid_code VALUES (?, ?, ?, ?, ?)", (code, amount_minor, reference, now, attempt_id)
                )
                booked = self._connection.execute(
                    "UPDATE attempt SET status = 'approved', reference = ?, reason = '', changed_wall_ms = ? "
                    "WHERE attempt_id = ? AND status = 'at_till'",
                    (reference, now, attempt_id),
                ).rowcount
                if row is not None and booked != 1:
                    raise TillProblem("the attempt is gone; take no money, and look at the cart's screen")
        except sqlite3.IntegrityError:
            raise TillProblem(f"code {code} has been paid already; don't take money for it again") from None
        return None if row is None else self.attempt(row.attempt_id)

    def book_paid_codes(self) -> list[AttemptRow]:
        """Approve what still waits for a person though its code is paid; answers those rows.

        `pay_code` leaves none; a till that wrote the payment and the approval in two commits did, if it died between.
        """
        waiting = self._attempts(
            "status = 'at_till' AND code IN "
            "(SELECT code FROM paid_code WHERE paid_code.amount_minor = attempt.amount_minor)"
        )
        if not waiting:
            return []
        with _Transaction(self._connection):
            for row in waiting:
                self._connection.execute(
                    "UPDATE paid_code SET attempt_id = ? WHERE code = ?", (row.attempt_id, row.code)
                )
                self._connection.execute(
                    "UPDATE attempt SET status = 'approved', changed_wall_ms = ?, "
                    "reference = (SELECT reference FROM paid_code WHERE code = ?) WHERE attempt_id = ?",
                    (self._wall_ms(), row.code, row.attempt_id),
                )
        return [booked for row in waiting if (booked := self.attempt(row.attempt_id)) is not None]

    def cart_head(self, cart_id: str, chain: str) -> tuple[int, str]:
        """How far the store holds a cart's chain: number and hash of the last row."""
        found = self._connection.execute(
            "SELECT seq, hash FROM cart_row WHERE cart_id = ? AND chain = ? ORDER BY seq DESC LIMIT 1", (cart_id, chain)
        ).fetchone()
        return (int(found[0]), str(found[1])) if found else (0, GENESIS)

    def cart_row(self, cart_id: str, chain: str, seq: int) -> LedgerRow | None:
        return next(iter(self.cart_rows(cart_id, chain, seq, seq)), None)

    def cart_rows(self, cart_id: str, chain: str, first_seq: int, last_seq: int) -> list[LedgerRow]:
        found = self._connection.execute(
            f"SELECT {_CART_ROW} FROM cart_row WHERE cart_id = ? AND chain = ? AND seq BETWEEN ? AND ? ORDER BY seq",  # noqa: S608
            (cart_id, chain, first_seq, last_seq),
        )
        return [
            msgspec.convert(dict(zip(LedgerRow.__struct_fields__, row, strict=True)), LedgerRow)
            for row in found.fetchall()
        ]

    def keep_rows(self, cart_id: str, chain: str, rows: Sequence[LedgerRow]) -> None:
        """Commit rows that were checked."""
        with _Transaction(self._connection):
            self._connection.executemany(
                f"INSERT INTO cart_row (cart_id, chain, {_CART_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                [(cart_id, chain, *msgspec.structs.astuple(row)) for row in rows],
            )

    def rows_about_weights(self, heads: Mapping[tuple[str, str], int]) -> Iterator[tuple[str, str, LedgerRow]]:
        """(cart, chain, row) of what says something of weights, each chain in order, after the rows `heads` names."""
        chains = self._connection.execute(
            f"SELECT DISTINCT cart_id, chain FROM cart_row INDEXED BY weight_row WHERE {_ABOUT_WEIGHTS}"  # noqa: S608
        ).fetchall()
        for cart_id, chain in chains:
            found = self._connection.execute(
                f"SELECT {_CART_ROW} FROM cart_row INDEXED BY weight_row WHERE cart_id = ? AND chain = ? AND seq > ? "  # noqa: S608
                f"AND {_ABOUT_WEIGHTS} ORDER BY seq",
                (cart_id, chain, heads.get((cart_id, chain), 0)),
            )
            for row in found:
                fields = dict(zip(LedgerRow.__struct_fields__, row, strict=True))
                yield cart_id, chain, msgspec.convert(fields, LedgerRow)

    def number_of(self, content: str, least: int) -> int:
        """The version under which this content goes out: that of last time if it is the same, else a greater one."""
        last = self._connection.execute(
            "SELECT version, content FROM published ORDER BY version DESC LIMIT 1"
        ).fetchone()
        if last is not None and last[1] == content and last[0] >= least:
            return int(last[0])
        version = least if last is None else max(least, last[0] + 1)
        self._connection.execute("INSERT INTO published VALUES (?, ?, ?)", (version, content, self._wall_ms()))
        return version

    def note(self, cart_id: str, what: str, detail: str) -> None:
        """A security note; the oldest beyond 10,000 go, so that a flood can't fill the disk."""
        self._connection.execute(
            "INSERT INTO security_note (wall_ms, cart_id, what, detail) VALUES (?, ?, ?, ?)",
            (self._wall_ms(), cart_id, what, detail[:200]),
        )
        self._connection.execute("DELETE FROM security_note WHERE id <= (SELECT max(id) FROM security_note) - 10000")

    def notes(self, limit: int = 20) -> list[SecurityNote]:
        """The latest, newest first."""
        found = self._connection.execute(
            "SELECT wall_ms, cart_id, what, detail FROM security_note ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [
            SecurityNote(wall_ms=wall_ms, cart_id=cart_id, what=what, detail=detail)
            for wall_ms, cart_id, what, detail in found.fetchall()
        ]

    def _attempts(self, where: str, *parameters: Any) -> list[AttemptRow]:
        found = self._connection.execute(f"SELECT {_ATTEMPT} FROM attempt WHERE {where}", parameters)  # noqa: S608
        names = AttemptRow.__struct_fields__
        return [
            msgspec.convert(dict(zip(names, row, strict=True)), AttemptRow, strict=False) for row in found.fetchall()
        ]


def _held(found: tuple[str, str, int] | None) -> str | None:
    return None if found is None else f"{found[0]} ({found[1]}, {found[2] / 100:.2f})"


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK on the way out of an error, that of the COMMIT included."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:  # SQLite has rolled back by itself after some errors
                self._connection.execute("ROLLBACK")
