"""What the screen shows: one value, made from the session after each observation."""

from __future__ import annotations

from typing import Literal

import msgspec

from cart.core.ledger import AttemptState, InterventionKind, Phase, Proof, Stage
from cart.core.receipt import Receipt


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    line: int
    sku: str
    name: str
    names: dict[str, str]
    units: int
    placed: int
    """How many of `units` are known to be in the basket."""
    unit: Literal["each", "kg"]
    unit_price_minor: int
    weight_g: float | None
    price_minor: int
    """The line's total after savings, deposit included."""
    savings_minor: int
    deposit_minor: int
    state: Literal["pending", "confirmed"]
    proof: Proof | None
    saving: bool = False
    """True until the journal has committed all that was decided about the line."""


class InterventionView(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    kind: InterventionKind
    stage: Stage
    sku: str | None
    line: int | None
    name: str | None
    candidates: list[CandidateView]
    choices: list[str]
    delta_g: float | None
    reason: str


class CandidateView(msgspec.Struct, frozen=True, kw_only=True):
    choice: str
    """What to send back as `answer{intervention, choice}`."""
    sku: str
    name: str
    names: dict[str, str]
    price_minor: int


class WeightView(msgspec.Struct, frozen=True, kw_only=True):
    net_g: float | None
    """Gross less tare and what is explained; None while the scale can't say."""
    stable: bool
    over_capacity: bool


class ProduceView(msgspec.Struct, frozen=True, kw_only=True):
    """Produce was picked and waits on the scale: `net_g` is live, `price_minor` appears when it has settled."""

    line: int
    sku: str
    name: str
    unit_price_minor: int
    net_g: float | None
    stable: bool
    price_minor: int | None


class NoticeView(msgspec.Struct, frozen=True, kw_only=True):
    """One line for the shopper about something lost: part and fault; the page has the words."""

    part: str
    fault: str


class TenderView(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    amount_minor: int


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    attempt_id: str
    state: AttemptState
    amount_minor: int
    reason: str = ""
    code: str | None = None
    """The code to finish at a till (`handed_to_till`)."""
    method: str = ""
    paid: list[TenderView] = []
    """What is paid of this basket already."""
    rest_minor: int = 0
    """What is left to pay, where a part is paid: choose how, or `cancel` to have that part back."""
    giving_back: bool = False


class TripView(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /api/v1/trip`. `revision` grows with every change, so that a page can drop what is older."""

    revision: int
    phase: Phase
    trip_id: str | None
    training: bool
    online: bool
    locked: bool
    currency: str
    locale: str
    language: str
    languages: list[str]
    lines: list[LineView]
    units: int
    total_minor: int
    savings_minor: int
    tax_minor: int
    interventions: list[InterventionView]
    weight: WeightView
    produce: ProduceView | None
    own_bag_waiting: bool
    notices: list[NoticeView]
    payment: PaymentView | None
    receipt: Receipt | None
    can_checkout: bool
    checkout_waits_for: list[str]
    methods: list[str]
    pay_when_still: str | None = None
    """The method that was touched while the basket still moved: it is asked as soon as the basket rests."""
    ebt_minor: int = 0
    """What a food benefits card may pay of this basket yet."""
    guesses: list[str] = []
    """Loose goods (SKUs) that the camera takes what it was shown of late for, likeliest first: what its picker offers
    first."""
