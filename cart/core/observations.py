"""Everything the core can be told.

Each observation carries `t_ns`, the shell's monotonic clock (recording time in replay).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cart.core.catalog import Catalog

Part = Literal["scale", "scanner", "camera", "network", "battery", "power", "processor", "journal", "payment"]
"""A part of the cart that can be missing, broken or lying."""

TouchAction = Literal[
    "start",
    "language",
    "quantity",
    "produce",
    "remove",
    "own_bag",
    "answer",
    "help",
    "coupon",
    "checkout",
    "pay",
    "cancel",
    "receipt",
]


class Observation(msgspec.Struct, frozen=True, kw_only=True, tag_field="observed"):
    """Base of all observations; `t_ns` never runs backwards within one session object."""

    t_ns: int


class ScaleSample(Observation, frozen=True, kw_only=True, tag="scale_sample"):
    """One conversion of the load-cell converter, `t_ns` the moment it was ready; counts are −8388608…8388607.

    `cells`: on a platform of four cells with a converter each, their own counts, of which `counts` is the trimmed mean.
    """

    counts: int
    cells: tuple[int, ...] = ()


class Temperature(Observation, frozen=True, kw_only=True, tag="temperature"):
    """How warm the scale is, by the thermometer that its compensation was fitted with."""

    celsius: float


class PartChanged(Observation, frozen=True, kw_only=True, tag="part_changed"):
    """A driver lost its part, got it back, or reports one `fault` of it (for example `not_ready`, `desync`)."""

    part: Part
    ok: bool
    fault: str = "missing"
    detail: str = ""


class Scan(Observation, frozen=True, kw_only=True, tag="scan"):
    """One framed and allow-listed scan: the code's text without prefix, suffix or AIM identifier.

    `symbology` is the AIM identifier with its bracket (`]E0`, ISO/IEC 15424), or None when the scanner sends none.
    `source` is what read it: the scanner, or the camera, to which the code was held up.
    """

    text: str
    symbology: str | None = None
    source: Literal["scanner", "camera"] = "scanner"


class ScanRefused(Observation, frozen=True, kw_only=True, tag="scan_refused"):
    """The framing threw bytes away: over-long, control characters, not text. `shown` is an escaped excerpt."""

    reason: str
    shown: str = ""


class Touch(Observation, frozen=True, kw_only=True, tag="touch"):
    """What the shopper did on the screen. Only the fields of that action are set."""

    action: TouchAction
    line: int | None = None
    units: int | None = None
    sku: str | None = None
    intervention: int | None = None
    choice: str | None = None
    code: str | None = None
    method: str | None = None
    language: str | None = None
    to: str | None = None


class Look(Observation, frozen=True, kw_only=True, tag="look"):
    """What the camera process saw in one change of the basket; class scores only, never pixels."""

    frame_t_ns: int
    direction: Literal["in", "out", "moved", "unknown"]
    scores: dict[str, float]


class StaffCommand(Observation, frozen=True, kw_only=True, tag="staff_command"):
    """A member of staff, at the till or on the cart, decided something; `role` is a role or rotating pseudonym."""

    command_id: str
    action: Literal[
        "age_ok", "age_refused", "resolve", "void_line", "void_trip", "lock", "release", "maintenance", "training"
    ]
    intervention: int | None = None
    line: int | None = None
    choice: str | None = None
    role: str = "staff"
    reason: str = ""


class CatalogArrived(Observation, frozen=True, kw_only=True, tag="catalog_arrived"):
    """A checked catalogue; an open trip keeps the prices its lines were added at."""

    catalog: Catalog


class TripIdDrawn(Observation, frozen=True, kw_only=True, tag="trip_id_drawn"):
    """A fresh random id, answering the effect `DrawTripId`."""

    trip_id: str


class PaymentAnswer(Observation, frozen=True, kw_only=True, tag="payment_answer"):
    """The till's word on an attempt. Believed only if every field matches what was asked; a smaller amount, only where
    the attempt allows it. `refunded_minor`: what staff has given back of it so far.
    """

    attempt_id: str
    cart_id: str
    status: Literal["pending", "approved", "declined", "cancelled", "voided", "not_found"]
    amount_minor: int
    currency: str
    basket_hash: str
    reference: str = ""
    reason: str = ""
    refunded_minor: int = 0


class PowerReturned(Observation, frozen=True, kw_only=True, tag="power_returned"):
    """First observation after a restart. `off_s`: how long the power may have been off, None when no clock can say."""

    off_s: float | None


class DayTold(Observation, frozen=True, kw_only=True, tag="day_told"):
    """The store's calendar day, ISO 8601 (`2026-11-22`), at boot and at midnight: expiry dates are judged by it.

    Without it the cart judges none: an old day would block what may be sold.
    """

    day: str


class SecuritySeen(Observation, frozen=True, kw_only=True, tag="security_seen"):
    """The shell refused what no honest store or part sends; noted in the ledger, without effect on the trip."""

    what: str
    detail: str = ""


class Tick(Observation, frozen=True, kw_only=True, tag="tick"):
    """Time has passed; sent when `Session.next_deadline_ns` is due."""


AnyObservation = (
    ScaleSample
    | Temperature
    | PartChanged
    | Scan
    | ScanRefused
    | Touch
    | Look
    | StaffCommand
    | CatalogArrived
    | TripIdDrawn
    | PaymentAnswer
    | PowerReturned
    | DayTold
    | SecuritySeen
    | Tick
)
