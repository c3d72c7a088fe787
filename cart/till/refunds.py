"""The till's rows of parts that staff gave back: one a refund id, for ever."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cart.till.attempts import NOBODY, Attempts
from cart.till.database import TillProblem
from cart.till.rows import as_row

RefundStatus = Literal["asked", "done", "refused"]


class RefundRow(msgspec.Struct, frozen=True, kw_only=True):
    """A part that staff gives back: `asked` until the provider has said that it did."""

    refund_id: str
    attempt_id: str
    amount_minor: int
    reason: str
    status: RefundStatus
    worker: str
    wall_ms: int


class Refunds(Attempts):
    """The table `refund`, beside those of the attempts."""

    def ask_refund(
        self, refund_id: str, attempt_id: str, amount_minor: int, reason: str, *, worker: str = NOBODY
    ) -> RefundRow:
        """Write down that a part is to be given back, before anybody is told. The same id again is the same refund.

        Raises TillProblem where nothing is held, or not so much is left of it.
        """
        with self.trip(attempt_id):
            known = self.refund(refund_id)
            if known is not None:
                return known
            row = self.attempt(attempt_id)
            if row is None or row.status != "approved" or row.withdrawn:
                raise TillProblem("nothing is held for this attempt; look at its state on the staff's page")
            asked = self.database.read(
                "SELECT CAST(coalesce(sum(amount_minor), 0) AS BIGINT) FROM refund "
                "WHERE attempt_id = ? AND status <> 'refused'",
                (attempt_id,),
            )
            left_minor = row.taken_minor - int(asked[0][0])
            if not 0 < amount_minor <= left_minor:
                raise TillProblem(
                    f"no more than {left_minor / 100:.2f} of this attempt can be given back; say how much"
                )
            status = "done" if row.method == "till" else "asked"  # what was taken by hand is given back by hand
            self.database.write(
                "INSERT INTO refund VALUES (?, ?, ?, ?, ?, ?, ?)",
                (refund_id, attempt_id, amount_minor, reason, status, worker, self._wall_ms()),
            )
            self._touch(attempt_id, reason if status == "done" else "")
        made = self.refund(refund_id)
        if made is None:
            raise TillProblem("the refund was not written; check the disk")
        return made

    def refund(self, refund_id: str) -> RefundRow | None:
        return next(iter(self._refunds("refund_id = ?", refund_id)), None)

    def open_refunds(self) -> list[RefundRow]:
        """Those that no provider has confirmed yet."""
        return self._refunds("status = 'asked'")

    def take_refund_over(self, refund: RefundRow, worker: str) -> bool:
        """Take a refund in hand from whoever had it; False where another till was quicker."""
        sql = "UPDATE refund SET worker = ? WHERE refund_id = ? AND worker = ? AND status = 'asked'"
        return self.database.write(sql, (worker, refund.refund_id, refund.worker)) == 1

    def end_refund(self, refund: RefundRow, status: RefundStatus) -> None:
        """What came of it."""
        with self.trip(refund.attempt_id):
            self.database.write(
                "UPDATE refund SET status = ? WHERE refund_id = ? AND status = 'asked'", (status, refund.refund_id)
            )
            self._touch(refund.attempt_id, refund.reason if status == "done" else "")

    def _touch(self, attempt_id: str, reason: str) -> None:
        self.database.write(
            "UPDATE attempt SET changed_wall_ms = ?, reason = coalesce(nullif(?, ''), reason) WHERE attempt_id = ?",
            (self._wall_ms(), reason, attempt_id),
        )

    def _refunds(self, where: str, *parameters: Any) -> list[RefundRow]:
        names = ", ".join(RefundRow.__struct_fields__)
        sql = f"SELECT {names} FROM refund WHERE {where} ORDER BY wall_ms"  # noqa: S608
        return [as_row(RefundRow, row) for row in self.database.read(sql, parameters)]
