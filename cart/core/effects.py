"""Everything the core can ask of the shell, in order: records are committed before any later effect is carried out."""

from __future__ import annotations

from typing import Literal

import msgspec

from cart.core.ledger import LedgerEvent
from cart.core.receipt import Receipt


class Record(msgspec.Struct, frozen=True):
    """Append to the journal. State is the fold of these; `t_ns` is when it was decided."""

    t_ns: int
    event: LedgerEvent


class RequestPayment(msgspec.Struct, frozen=True):
    """Send (or send again, same id) an attempt that a committed `attempt_opened` already names."""

    attempt_id: str
    trip_id: str
    amount_minor: int
    currency: str
    basket_hash: str
    method: str
    basket_minor: int = 0
    """What the whole basket costs, where this is one of several tenders."""
    partial: bool = False
    """A smaller approval is taken, too."""


class QueryPayment(msgspec.Struct, frozen=True):
    """Ask what became of an attempt; never starts one. The till refuses for ever an id that it has not seen."""

    attempt_id: str
    amount_minor: int = 0
    currency: str = ""
    basket_hash: str = ""


class CancelPayment(msgspec.Struct, frozen=True):
    """Withdraw an attempt; a late approval is then voided by the till."""

    attempt_id: str
    amount_minor: int = 0
    currency: str = ""
    basket_hash: str = ""


class SendReceipt(msgspec.Struct, frozen=True):
    """Send the receipt to an address once. Never journalled, recorded or queued."""

    to: str
    receipt: Receipt


class Indicate(msgspec.Struct, frozen=True):
    """Light and buzzer of the cart."""

    light: Literal["off", "green", "amber", "red"]
    buzzer: Literal["none", "ok", "attention"] = "none"


class DrawTripId(msgspec.Struct, frozen=True):
    """The session used up its trip id; answer with `TripIdDrawn`."""


Effect = Record | RequestPayment | QueryPayment | CancelPayment | SendReceipt | Indicate | DrawTripId
