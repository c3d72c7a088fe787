"""The ledger's vocabulary: every decision of a trip, as append-only events. A trip is the fold of them.

A revision never edits: it is a later event (`item_reopened`, `item_removed`, `step_explained` again) that supersedes.
Restart and upgrade replay these and never infer anew. Wall time, sequence number and hash are the journal's envelope.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cart.core.observations import Part
from cart.core.receipt import Receipt
from cart.core.weighing.cells import Place

Phase = Literal["idle", "shopping", "checkout", "paying", "paid", "maintenance"]
Stage = Literal["hint", "question", "staff"]
InterventionKind = Literal[
    "not_placed",
    "unscanned_item",
    "extra_unit",
    "wrong_weight",
    "wrong_item",
    "which_removed",
    "unknown_barcode",
    "sale_blocked",
    "age_check",
    "over_capacity",
    "basket_changed",
    "unpaid_item",
    "light_limit",
    "help",
]
Proof = Literal["weighed", "scanned_only", "shopper", "staff"]
"""How a unit came to be believed: scanned and weighed, scanned only, confirmed by the shopper, by staff."""


class LedgerEventBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all ledger events; the tag is the event's public name."""


class TripStarted(LedgerEventBase, frozen=True, kw_only=True, tag="trip_started"):
    trip_id: str
    catalog_version: int
    language: str
    training: bool = False


class PhaseChanged(LedgerEventBase, frozen=True, kw_only=True, tag="phase_changed"):
    phase: Phase
    reason: str


class LanguageChosen(LedgerEventBase, frozen=True, kw_only=True, tag="language_chosen"):
    language: str


class ItemAdded(LedgerEventBase, frozen=True, kw_only=True, tag="item_added"):
    """`units` more of a line, pending. A new `line_id` opens a line and pins its price for the trip."""

    line_id: int
    sku: str
    name: str
    units: int
    unit: Literal["each", "kg"]
    unit_price_minor: int
    gtin: str | None = None
    entry: Literal["scan", "quantity", "produce", "extra_unit", "returned", "staff"] = "scan"
    expected_g: float | None = None
    """Net weight in grams where a variable-measure code carries it; the catalogue's mean otherwise applies."""
    code_price_minor: int | None = None
    """Price of the unit where the code carries it."""


class ItemConfirmed(LedgerEventBase, frozen=True, kw_only=True, tag="item_confirmed"):
    """`units` of a line are in the basket. `weight_g` is what the scale said of them (None: nothing was weighed)."""

    line_id: int
    sku: str
    units: int
    weight_g: float | None
    proof: Proof
    step_ids: tuple[int, ...] = ()
    sigma_g: float | None = None
    """1 σ of `weight_g` as the scale knew it. With `units` 0 the event only says what accepted units weigh."""


class ItemReopened(LedgerEventBase, frozen=True, kw_only=True, tag="item_reopened"):
    """A revision: `units` confirmed earlier are pending again."""

    line_id: int
    sku: str
    units: int
    weight_g: float | None
    reason: str


class ItemRemoved(LedgerEventBase, frozen=True, kw_only=True, tag="item_removed"):
    """`units` leave the line, pending ones first unless `weight_g` says that placed ones were taken out."""

    line_id: int
    sku: str
    units: int
    weight_g: float | None
    reason: Literal["taken_out", "shopper", "not_placed", "staff", "voided", "revised", "other_code"]
    """`other_code`: another code of the same thing was scanned, a clearance sticker's. Pending units go first, and
    what leaves may come back as a unit of its own, of `weight_g` ± `sigma_g`.
    """
    step_ids: tuple[int, ...] = ()
    told: bool = False
    """A person said that these were taken out, by scanning them or on the screen."""
    sigma_g: float | None = None


class WeightLearned(LedgerEventBase, frozen=True, kw_only=True, tag="weight_learned"):
    """What units of a product weigh, from the last ones weighed alone: `weight_g` ± `sd_g` (1 σ) of one unit.

    For the store to merge with what other carts learned: `samples_g` are the units themselves, oldest first, `vouched`
    how many of them staff had looked at, `catalog_g` and `catalog_version` what was believed before. Without samples:
    what had been learned was another thing's, and is forgotten.
    """

    sku: str
    weight_g: float
    sd_g: float
    samples_g: tuple[float, ...]
    vouched: int = 0
    catalog_g: float | None = None
    catalog_version: int = 0
    wrong: bool = False
    """The catalogue's weight is plainly wrong."""


class OwnThing(LedgerEventBase, frozen=True, kw_only=True, tag="own_thing"):
    """A bag or coat of the shopper's own: tare. Taken out and put back it keeps its id."""

    thing_id: int
    weight_g: float
    in_basket: bool
    declared: bool
    step_ids: tuple[int, ...] = ()
    sigma_g: float = 0.0
    """Declared, not in the basket and of weight 0: the cart waits for it. Neither declared nor in: forgotten."""


class Hypothesis(msgspec.Struct, frozen=True):
    """One explanation that was considered: a plain-words label and its log-likelihood score (higher is likelier)."""

    label: str
    score: float


class WeightStepSeen(LedgerEventBase, frozen=True, kw_only=True, tag="weight_step"):
    """A settled change of the gross weight; emitted once, never revised."""

    step_id: int
    delta_g: float
    sigma_g: float
    began_ns: int
    rest_ns: int
    gross_g: float
    place: Place | None = None
    """Where on the platform, where four cells could say: x to the right, y to the front, ±1 at the cells."""


class StepExplained(LedgerEventBase, frozen=True, kw_only=True, tag="step_explained"):
    """What the cart made of some steps: what was considered, what won and by which margin (natural log)."""

    step_ids: tuple[int, ...]
    won: str
    margin: float
    considered: tuple[Hypothesis, ...]
    open_g: float | None = None
    """What of these steps is still unexplained, carried on under the last id; None: all of it is explained."""
    absorbed_g: float = 0.0
    """What was put down to the ground's slope, and comes back when the cart stands level again."""
    out_g: float = 0.0
    """What was lifted out of the first of these steps, to be shown as something else went in, and is still out."""


class InterventionRaised(LedgerEventBase, frozen=True, kw_only=True, tag="intervention_raised"):
    """Something the cart can't settle alone. `choices` are the answers the screen may offer, in order."""

    id: int
    intervention: InterventionKind
    stage: Stage
    sku: str | None = None
    line_id: int | None = None
    candidates: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    delta_g: float | None = None
    reason: str = ""
    step_ids: tuple[int, ...] = ()


class InterventionChanged(LedgerEventBase, frozen=True, kw_only=True, tag="intervention_changed"):
    """A change of stage or of candidates."""

    id: int
    intervention: InterventionKind
    stage: Stage
    sku: str | None = None
    line_id: int | None = None
    candidates: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    delta_g: float | None = None
    reason: str = ""
    step_ids: tuple[int, ...] = ()


class InterventionCleared(LedgerEventBase, frozen=True, kw_only=True, tag="intervention_cleared"):
    id: int
    intervention: InterventionKind
    stage: Stage
    how: Literal["basket", "scan", "shopper", "staff", "void"]
    answer: str = ""
    role: str = ""
    reason: str = ""


class FaultRaised(LedgerEventBase, frozen=True, kw_only=True, tag="fault_raised"):
    part: Part
    fault: str
    detail: str = ""
    latched: bool = False


class FaultCleared(LedgerEventBase, frozen=True, kw_only=True, tag="fault_cleared"):
    part: Part
    fault: str


class GrossNoted(LedgerEventBase, frozen=True, kw_only=True, tag="gross_noted"):
    """The last settled gross weight, so that what changed while the power was off can be reconciled."""

    gross_g: float
    sigma_g: float


class Resumed(LedgerEventBase, frozen=True, kw_only=True, tag="resumed"):
    """The cart came back after a power cut of `off_s`. Its clock began anew, so all times before are moved up to now:
    on a dark screen nobody could have answered, and no timer ran.
    """

    off_s: float | None


class CouponEntered(LedgerEventBase, frozen=True, kw_only=True, tag="coupon_entered"):
    code: str
    accepted: bool
    promotion_id: str | None = None


class AgeChecked(LedgerEventBase, frozen=True, kw_only=True, tag="age_checked"):
    min_age: int
    ok: bool
    role: str
    reason: str = ""


class StaffActed(LedgerEventBase, frozen=True, kw_only=True, tag="staff_acted"):
    command_id: str
    action: str
    role: str
    reason: str
    changed: bool = True
    """False: there was nothing for it to do, so nobody was involved in anything."""


AttemptState = Literal[
    "opened", "pending", "approved", "declined", "cancelling", "cancelled", "unknown", "voided", "handed_to_till"
]


class AttemptOpened(LedgerEventBase, frozen=True, kw_only=True, tag="attempt_opened"):
    """The id is on disk before it is sent; `basket_hash` freezes what is paid for. `basket_minor`: what that costs,
    where this attempt pays a part; 0: the amount is all of it. `partial`: less may be approved.
    """

    attempt_id: str
    amount_minor: int
    currency: str
    basket_hash: str
    method: str
    basket_minor: int = 0
    partial: bool = False


class AttemptChanged(LedgerEventBase, frozen=True, kw_only=True, tag="attempt_changed"):
    """`amount_minor`: once approved, what that was for. `refunded_minor`: what staff has given back of it."""

    attempt_id: str
    state: AttemptState
    amount_minor: int = 0
    reference: str = ""
    reason: str = ""
    refunded_minor: int = 0


class SecurityNoted(LedgerEventBase, frozen=True, kw_only=True, tag="security_noted"):
    """Something that no honest part sends: a reply for another cart or amount, an injected scan."""

    what: str
    detail: str


class ReceiptIssued(LedgerEventBase, frozen=True, kw_only=True, tag="receipt_issued"):
    receipt: Receipt


LedgerEvent = (
    TripStarted
    | PhaseChanged
    | LanguageChosen
    | ItemAdded
    | ItemConfirmed
    | ItemReopened
    | ItemRemoved
    | OwnThing
    | WeightLearned
    | WeightStepSeen
    | StepExplained
    | InterventionRaised
    | InterventionChanged
    | InterventionCleared
    | FaultRaised
    | FaultCleared
    | GrossNoted
    | Resumed
    | CouponEntered
    | AgeChecked
    | StaffActed
    | AttemptOpened
    | AttemptChanged
    | SecurityNoted
    | ReceiptIssued
)
