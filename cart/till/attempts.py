"""The till's rows of payment: one an attempt id for ever, and codes paid by hand.

Several tills may work on one row. Each change is one statement that names the states it starts from, so that of two
tills one changes the row and the other learns that it didn't; what is looked at first lies in `trip`, one till a trip.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal

import msgspec

from cart.core.frozen_basket import code_of_trip, hand_reference, till_code
from cart.sync.messages import PaymentQueryMessage, PaymentRequestMessage
from cart.till.database import AlreadyThere, TillProblem
from cart.till.rows import Rows, as_row

RowStatus = Literal["pending", "at_till", "approved", "declined", "cancelled", "voided", "not_found"]

TRIP_KNOWN_MS: Final = 7 * 86_400_000
"""How far back a code is compared with other trips' money. No trip lasts a week; with 15,000 trips in it, one code in
2,000 meets the name of another."""

REMINDED_MAX: Final = 16
"""Attempts of a cart that it is told of again: half of those that it keeps to match answers with."""

REFUNDED: Final = "refunded by staff: "
"""What the reason of a refund begins with."""

NOBODY: Final = ""
"""The worker of a row that no till has in hand: the cart's next question is what goes on with it."""

_ATTEMPT: Final = (
    "attempt_id, cart_id, trip_id, amount_minor, currency, basket_hash, method, code, status, withdrawn, reference, "
    "reason, opened_wall_ms, changed_wall_ms, worker, basket_minor, partial, captured_minor"
)
_HOLDS: Final = "status IN ('pending', 'at_till', 'approved')"
_UNSETTLED: Final = "(status = 'pending' OR (status = 'approved' AND withdrawn = 1))"


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt. `withdrawn`: it was taken back; a capture, early or late, is given back. `pending` with the method
    `till`: on its way into the hands of a person, and taken back at the provider first. `worker`: the till that has it
    in hand. `basket_minor`: what the whole basket costs, 0 where the amount is all of it.
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
    worker: str = NOBODY
    basket_minor: int = 0
    partial: bool = False
    captured_minor: int = 0
    refunded_minor: int = 0
    """What staff gave back of it so far."""

    @property
    def chargeable(self) -> bool:
        """True while the provider may capture, and its approval counts."""
        return self.status == "pending" and not self.withdrawn and self.method != "till"

    @property
    def withdrawing(self) -> bool:
        """True while the provider has not answered that what was taken back is."""
        return self.withdrawn and self.status in {"pending", "approved"}

    @property
    def goes_back(self) -> bool:
        """True while money is held that was taken back; not paid any more, whatever the status says."""
        return self.withdrawn and self.status == "approved"

    @property
    def by_staff(self) -> bool:
        """True where staff has given it back."""
        return self.reason.startswith(REFUNDED)

    @property
    def taken_minor(self) -> int:
        """What was captured of it, or would be."""
        return self.captured_minor or self.amount_minor

    def leaves_room(self, asked: PaymentRequestMessage) -> bool:
        """True where this tender paid a part of the very basket of which another request now asks for a part."""
        return (
            self.status == "approved"
            and not self.withdrawn
            and 0 < asked.basket_minor == self.basket_minor
            and self.basket_hash == asked.basket_hash
        )


class InTheWay(msgspec.Struct, frozen=True):
    """Money of a trip that keeps another attempt from being charged. `goes_back`: staff is giving it back just now."""

    what: str
    goes_back: bool = False


class PaidCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was paid by hand; `attempt_id` once its attempt was heard of."""

    code: str
    amount_minor: int
    reference: str
    paid_wall_ms: int
    attempt_id: str | None


class Attempts(Rows):
    """The tables `attempt` and `paid_code`."""

    def trip(self, attempt_id: str) -> AbstractContextManager[None]:
        """One till at a time for all money of a trip, named by one of its attempts."""
        return self.trip_of_code(till_code(attempt_id, 0, ""))

    def trip_of_code(self, code: str) -> AbstractContextManager[None]:
        """The same, named by one of its codes."""
        return self.database.transaction(f"trip {code_of_trip(code)}")

    def attempt(self, attempt_id: str) -> AttemptRow | None:
        return next(iter(self._attempts("attempt_id = ?", attempt_id)), None)

    def attempt_of_code(self, code: str) -> AttemptRow | None:
        return next(iter(self._attempts("code = ? ORDER BY opened_wall_ms DESC", code)), None)

    def unsettled(self) -> list[AttemptRow]:
        """What a restart must take up: asked for and unanswered, or withdrawn and not yet given back."""
        return self._attempts(_UNSETTLED)

    def orphans(self, alive: Collection[str]) -> list[AttemptRow]:
        """What a till had in hand that is not among those alive."""
        marks = ", ".join("?" * len(alive))
        return self._attempts(f"{_UNSETTLED} AND worker <> '' AND worker NOT IN ({marks})", *alive)

    def take_over(self, row: AttemptRow, worker: str) -> bool:
        """Take a row in hand from whoever had it; False where another till was quicker."""
        sql = f"UPDATE attempt SET worker = ? WHERE attempt_id = ? AND worker = ? AND {_UNSETTLED}"  # noqa: S608
        return self.database.write(sql, (worker, row.attempt_id, row.worker)) == 1

    def let_go(self, attempt_id: str, worker: str) -> None:
        """The work on it failed: the cart's next question goes on with it, whichever till hears that."""
        self.database.write(
            "UPDATE attempt SET worker = '' "
            "WHERE attempt_id = ? AND worker = ? AND status = 'pending' AND withdrawn = 0",
            (attempt_id, worker),
        )

    def recent(self, limit: int = 100) -> list[AttemptRow]:
        """The latest attempts, newest first."""
        return self._attempts("1 = 1 ORDER BY opened_wall_ms DESC LIMIT ?", limit)

    def given_back_by_staff(self, cart_id: str) -> list[AttemptRow]:
        """Of a cart's latest attempts those of which staff has given back all or a part, oldest first."""
        found = self._attempts(
            "attempt_id IN (SELECT attempt_id FROM attempt WHERE cart_id = ? AND opened_wall_ms > ? "
            "ORDER BY opened_wall_ms DESC LIMIT ?) ORDER BY opened_wall_ms",
            cart_id, self._wall_ms() - TRIP_KNOWN_MS, REMINDED_MAX,
        )  # fmt: skip
        return [row for row in found if row.refunded_minor or (row.status == "voided" and row.by_staff)]

    def last_change_ms(self) -> int:
        """When any attempt last changed; 0 where there is none."""
        return int(self.database.read("SELECT coalesce(max(changed_wall_ms), 0) FROM attempt")[0][0])

    def open_attempt(
        self,
        asked: PaymentRequestMessage | PaymentQueryMessage,
        status: RowStatus,
        *,
        reference: str = "",
        reason: str = "",
        paid_code: str | None = None,
        worker: str = NOBODY,
    ) -> AttemptRow:
        """Write the attempt's one row; a second writer gets the first one's row, and has written nothing.

        `paid_code`: what a person paid for it before; its method is then `till`.
        """
        code = till_code(asked.attempt_id, asked.amount_minor, asked.currency)
        request = asked if isinstance(asked, PaymentRequestMessage) else None
        method = "till" if paid_code is not None else request.method if request else ""
        now = self._wall_ms()
        with self.trip_of_code(code):
            self.database.write(
                f"INSERT INTO attempt ({_ATTEMPT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, 0) "  # noqa: S608
                "ON CONFLICT (attempt_id) DO NOTHING",
                (
                    asked.attempt_id, asked.cart_id, request.trip_id if request else "", asked.amount_minor,
                    asked.currency, asked.basket_hash, method, code, status, reference, reason, now, now, worker,
                    request.basket_minor if request else 0, int(request.partial) if request else 0,
                ),
            )  # fmt: skip
            if paid_code is not None:
                self.database.write("UPDATE paid_code SET attempt_id = ? WHERE code = ?", (asked.attempt_id, paid_code))
        row = self.attempt(asked.attempt_id)
        if row is None:
            raise TillProblem(f"attempt {asked.attempt_id} was not written; check the disk")
        return row

    def settle(self, row: AttemptRow, after: RowStatus, *, reference: str, reason: str, captured_minor: int) -> bool:
        """Write the provider's word down, unless somebody has asked it to stop meanwhile; whether it was written."""
        less = captured_minor if captured_minor < row.amount_minor else 0
        changed = self.database.write(
            "UPDATE attempt SET status = ?, reference = coalesce(nullif(?, ''), reference), reason = ?, "
            "captured_minor = ?, changed_wall_ms = ? "
            "WHERE attempt_id = ? AND status = 'pending' AND withdrawn = 0 AND method <> 'till'",
            (after, reference, reason, less, self._wall_ms(), row.attempt_id),
        )
        return changed == 1

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
        self.database.write(
            f"UPDATE attempt SET status = ?, reference = coalesce(nullif(?, ''), reference), reason = ?, "  # noqa: S608
            f"changed_wall_ms = ? WHERE attempt_id = ? AND status IN ({marks})",
            (after, reference, reason, self._wall_ms(), attempt_id, *before),
        )
        return self.attempt(attempt_id)

    def withdraw(self, attempt_id: str, reason: str = "", *, worker: str = NOBODY) -> bool:
        """The attempt is taken back, by staff where there is a reason; on disk before the provider is told.

        False where that is no more to be done: it has ended, a person has it, or it was taken back before.
        """
        changed = self.database.write(
            "UPDATE attempt SET withdrawn = 1, reason = coalesce(nullif(?, ''), reason), worker = ?, "
            "changed_wall_ms = ? WHERE attempt_id = ? AND withdrawn = 0 AND method <> 'till' "
            "AND status IN ('pending', 'approved')",
            (reason, worker, self._wall_ms(), attempt_id),
        )
        return changed == 1

    def hand_over(self, attempt_id: str) -> None:
        """A person takes the money instead; on disk before the provider is told. What was withdrawn stays so."""
        self.database.write(
            "UPDATE attempt SET method = 'till' WHERE attempt_id = ? AND status = 'pending' AND withdrawn = 0",
            (attempt_id,),
        )

    def paid_code(self, code: str) -> PaidCode | None:
        found = self.database.read(
            "SELECT code, amount_minor, reference, paid_wall_ms, attempt_id FROM paid_code WHERE code = ?", (code,)
        )
        return next((as_row(PaidCode, row) for row in found), None)

    def held_for_code(self, code: str, amount_minor: int) -> str | None:
        """What keeps a person from paying this code, in a few words: money that is held or may come for its trip, or an
        attempt of the same number on other terms. None where nothing does, or what is held is a part of the same
        basket and this amount the rest of it.
        """
        trip, since_ms = code_of_trip(code), self._wall_ms() - TRIP_KNOWN_MS
        others = self._attempts(
            f"code BETWEEN ? AND ? AND code <> ? AND (substr(code, 1, 6) = ? OR {_HOLDS}) AND opened_wall_ms > ?",
            trip, f"{trip}~", code, code[:6], since_ms,
        )  # fmt: skip
        parts = [other for other in others if other.basket_minor and other.status == "approved" and not other.withdrawn]
        rest_minor = parts[0].basket_minor - sum(part.taken_minor for part in parts) if parts else 0
        held = [] if parts == others and rest_minor == amount_minor else others
        return next((_held(other) for other in held), None) or self._code_paid(code)

    def held_for_trip(self, asked: PaymentRequestMessage) -> InTheWay | None:
        """What keeps an attempt that is new here from being charged: money of another one of its trip that is held or
        may come, or was taken by hand for a code of this trip. None where nothing does, or what is held are parts of
        the same frozen basket that leave room for this one.
        """
        code = till_code(asked.attempt_id, 0, "")
        trip = code_of_trip(code)
        others = self._attempts(
            f"code BETWEEN ? AND ? AND trip_id = ? AND attempt_id <> ? AND {_HOLDS}",
            trip, f"{trip}~", asked.trip_id, asked.attempt_id,
        )  # fmt: skip
        in_the_way = [other for other in others if not other.leaves_room(asked)]
        taken_minor = sum(other.taken_minor for other in others)
        if not in_the_way and others and taken_minor + asked.amount_minor > asked.basket_minor:
            in_the_way = others
        if in_the_way:
            return InTheWay(_held(in_the_way[0]), all(other.goes_back for other in in_the_way))
        paid = self._code_paid(code)
        return None if paid is None else InTheWay(paid)

    def _code_paid(self, code: str) -> str | None:
        """Another code of the same trip that was paid by hand, and whose attempt has never been heard of."""
        trip = code_of_trip(code)
        found = self.database.read(
            "SELECT code, amount_minor FROM paid_code "
            "WHERE code BETWEEN ? AND ? AND code <> ? AND attempt_id IS NULL AND paid_wall_ms > ? LIMIT 1",
            (trip, f"{trip}~", code, self._wall_ms() - TRIP_KNOWN_MS),
        )
        return next((f"{paid} (paid, {amount_minor / 100:.2f})" for paid, amount_minor in found), None)

    def pay_code(self, code: str, amount_minor: int, row: AttemptRow | None = None) -> AttemptRow | None:
        """A person paid this code at the till; once, and in one commit with the approval of `row`, which waits for it.

        Raises TillProblem where it was paid before, or `row` no longer waits; nothing is written then.
        """
        reference, now = hand_reference(code), self._wall_ms()
        attempt_id = None if row is None else row.attempt_id
        try:
            with self.trip_of_code(code):
                self.database.write(
                    "INSERT INTO paid_code VALUES (?, ?, ?, ?, ?)", (code, amount_minor, reference, now, attempt_id)
                )
                booked = self.database.write(
                    "UPDATE attempt SET status = 'approved', reference = ?, reason = '', changed_wall_ms = ? "
                    "WHERE attempt_id = ? AND status = 'at_till'",
                    (reference, now, attempt_id),
                )
                if row is not None and booked != 1:
                    raise TillProblem("the attempt is gone; take no money, and look at the cart's screen")
        except AlreadyThere:
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
        with self.database.transaction("codes"):
            for row in waiting:
                self.database.write("UPDATE paid_code SET attempt_id = ? WHERE code = ?", (row.attempt_id, row.code))
                self.database.write(
                    "UPDATE attempt SET status = 'approved', changed_wall_ms = ?, "
                    "reference = (SELECT reference FROM paid_code WHERE code = ?) "
                    "WHERE attempt_id = ? AND status = 'at_till'",
                    (self._wall_ms(), row.code, row.attempt_id),
                )
        return [booked for row in waiting if (booked := self.attempt(row.attempt_id)) is not None]

    def _attempts(self, where: str, *parameters: Any) -> list[AttemptRow]:
        refunded = (
            "(SELECT CAST(coalesce(sum(refund.amount_minor), 0) AS BIGINT) FROM refund "
            "WHERE refund.attempt_id = attempt.attempt_id AND refund.status = 'done')"
        )
        found = self.database.read(f"SELECT {_ATTEMPT}, {refunded} FROM attempt WHERE {where}", parameters)  # noqa: S608
        return [as_row(AttemptRow, row) for row in found]


def _held(row: AttemptRow) -> str:
    return f"{row.attempt_id} ({row.status}, {row.taken_minor / 100:.2f})"
