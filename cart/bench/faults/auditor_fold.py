"""What a ledger's rows add up to, by the documented formats alone: a part of the auditor, standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

ENDED: Final = frozenset({"approved", "declined", "cancelled", "voided"})
"""States of an attempt from which no money can come any more, or has come."""

BENEFITS: Final = "ebt"


@dataclass
class Trip:
    """One trip as its events tell it."""

    lines: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    """Line → units, price of one, sku."""
    phase: str = "idle"
    receipts: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    sold: dict[str, int] = field(default_factory=dict)
    """Attempt → what it paid of the receipt."""

    @property
    def total(self) -> int:
        return sum(units * price for units, price, _ in self.lines.values())


@dataclass
class Attempt:
    trip: str
    amount: int
    opened_at: int
    """The row that opened it."""
    taken: int
    method: str = ""
    partial: bool = False
    state: str = "opened"
    refunded: bool = False
    """Approved, then given back by staff: what was sold stays sold."""
    shown: bool = False
    """It was given back while the receipt was on the screen: the trip had not ended."""


class Fold:
    """Trips and attempts after each row."""

    def __init__(self, prices: dict[str, int], benefits: frozenset[str]) -> None:
        self.prices = prices
        self.benefits = benefits
        self.trips: dict[str, Trip] = {}
        self.attempts: dict[str, Attempt] = {}
        self.after: dict[int, tuple[str, str, int]] = {0: ("", "idle", 0)}
        """Row → trip, phase and total."""
        self.wrong: list[str] = []
        self._trip = ""
        self._now = Trip()

    def row(self, seq: int, event: dict[str, Any]) -> None:
        """The next one."""
        kind = event["kind"]
        if kind == "trip_started":
            self._trip = event["trip_id"]
            self._now = self.trips[self._trip] = Trip()
        elif kind == "phase_changed":
            self._phase(seq, event)
        elif kind == "item_added":
            self._added(seq, event)
        elif kind == "item_removed":
            units, price, sku = self._now.lines.pop(event["line_id"])
            if units > event["units"]:
                self._now.lines[event["line_id"]] = (units - event["units"], price, sku)
        elif kind == "attempt_opened":
            self._opened(seq, event)
        elif kind == "attempt_changed":
            self._changed(seq, event)
        elif kind == "receipt_issued":
            self._receipt(seq, event["receipt"])
        self.after[seq] = (self._trip, self._now.phase, self._now.total)

    def _held(self) -> dict[str, Attempt]:
        """Attempts of the trip that hold money."""
        return {one: self.attempts[one] for one in self._now.attempts if self.attempts[one].state == "approved"}

    def _phase(self, seq: int, event: dict[str, Any]) -> None:
        self._now.phase = event["phase"]
        if event["phase"] == "idle":
            self._trip, self._now = "", Trip()
        elif event["phase"] == "paid" and self._now.total > 0:
            paid = [attempt.taken for attempt in self._held().values()]
            if not paid or sum(paid) != self._now.total:
                self.wrong.append(f"row {seq}: paid, with approved attempts of {paid} for {self._now.total}")

    def _added(self, seq: int, event: dict[str, Any]) -> None:
        sku, price = event["sku"], event["unit_price_minor"]
        if price != self.prices.get(sku):
            self.wrong.append(f"row {seq}: {sku} at {price}")
        if self._now.phase in ("paying", "paid"):
            self.wrong.append(f"row {seq}: the basket changed while {self._now.phase}")
        units = self._now.lines.get(event["line_id"], (0, 0, ""))[0]
        self._now.lines[event["line_id"]] = (units + event["units"], price, sku)

    def _opened(self, seq: int, event: dict[str, Any]) -> None:
        attempt_id, amount = event["attempt_id"], event["amount_minor"]
        before = [one for one in self._now.attempts if self.attempts[one].state not in ENDED]
        if before:
            self.wrong.append(f"row {seq}: an attempt more while {before}")
        if attempt_id in self.attempts:
            self.wrong.append(f"row {seq}: attempt {attempt_id} a second time")
        basket, method = event.get("basket_minor", 0), event.get("method", "")
        held = self._held()
        rest = self._now.total - sum(one.taken for one in held.values())
        if held and not basket:
            self.wrong.append(f"row {seq}: an attempt more while paid")
        if basket not in (0, self._now.total) or amount > rest or (amount != rest and method != BENEFITS):
            self.wrong.append(f"row {seq}: an attempt of {amount} for {rest} of a basket of {self._now.total}")
        if method == BENEFITS and amount > self._benefits_left(held):
            self.wrong.append(f"row {seq}: {amount} of benefits, which may pay {self._benefits_left(held)}")
        self._now.attempts.append(attempt_id)
        self.attempts[attempt_id] = Attempt(
            self._trip, amount, seq, amount, method=method, partial=event.get("partial", False)
        )

    def _benefits_left(self, held: dict[str, Attempt]) -> int:
        goods = sum(units * price for units, price, sku in self._now.lines.values() if sku in self.benefits)
        return goods - sum(one.taken for one in held.values() if one.method == BENEFITS)

    def _changed(self, seq: int, event: dict[str, Any]) -> None:
        attempt = self.attempts[event["attempt_id"]]
        attempt.refunded |= attempt.state == "approved" and event["state"] == "voided"
        attempt.shown |= attempt.refunded and attempt.trip == self._trip
        attempt.state = event["state"]
        took = event.get("amount_minor", 0) or attempt.taken
        if event["state"] == "approved" and took != attempt.taken:
            if not attempt.partial or took > attempt.amount:
                self.wrong.append(f"row {seq}: {took} approved of {attempt.amount}")
            attempt.taken = took

    def _receipt(self, seq: int, receipt: dict[str, Any]) -> None:
        if receipt["total_minor"] != self._now.total:
            self.wrong.append(f"row {seq}: a receipt of {receipt['total_minor']} for a basket of {self._now.total}")
        if sum(line["price_minor"] for line in receipt["lines"]) != receipt["total_minor"]:
            self.wrong.append(f"row {seq}: the receipt's lines don't add up")
        tenders = {one["attempt_id"]: one["amount_minor"] for one in receipt.get("tenders", [])}
        self._now.sold = {one: attempt.taken for one, attempt in self._held().items()}
        if tenders != self._now.sold:
            self.wrong.append(f"row {seq}: the receipt's tenders are {tenders}, what was approved {self._now.sold}")
        self._now.receipts.append(receipt)
