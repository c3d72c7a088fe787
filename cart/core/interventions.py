"""What the cart asks, of whom, and when: one table row an intervention kind.

An intervention starts at the stage of its row. A `hint` becomes a `question` after `Policy.hint_s`; a question becomes
`staff` only by an answer that asks for it, because what a shopper leaves open is no crime, and checkout waits for it
anyway. What the law reserves for staff starts there.
"""

from __future__ import annotations

from dataclasses import dataclass

from cart.core.ledger import InterventionChanged, InterventionCleared, InterventionKind, InterventionRaised, Stage

OPEN_MAX = 32
"""Open interventions at once: each open weight step has at most one, and open steps are bounded below this."""


@dataclass(frozen=True, slots=True)
class Row:
    """`choices` are offered in this order, after any candidates. `by_basket`: the basket or a scan can settle it."""

    first: Stage
    choices: tuple[str, ...]
    by_basket: bool
    blocks_checkout: bool = True


TABLE: dict[InterventionKind, Row] = {
    "not_placed": Row("hint", ("remove", "in_basket"), by_basket=True),
    "unscanned_item": Row("hint", ("mine", "all_scanned"), by_basket=True),
    "extra_unit": Row("hint", ("add", "all_scanned"), by_basket=True),
    "wrong_weight": Row("hint", ("remove", "insist"), by_basket=True),
    "wrong_item": Row("hint", ("insist",), by_basket=True),
    "which_removed": Row("hint", ("none_of_these",), by_basket=True),
    "unknown_barcode": Row("question", ("put_back",), by_basket=False),
    "sale_blocked": Row("question", ("put_back",), by_basket=False),
    # Payment waits for it, not the way to checkout: staff may come while the shopper reads the total.
    "age_check": Row("staff", (), by_basket=False, blocks_checkout=False),
    "over_capacity": Row("question", (), by_basket=True),
    "basket_changed": Row("question", (), by_basket=True),
    "unpaid_item": Row("question", (), by_basket=True),
    "light_limit": Row("staff", (), by_basket=False),
    "help": Row("staff", ("cancel",), by_basket=False, blocks_checkout=False),
}
"""Every question of the basket has an answer that ends it. `in_basket` and `none_of_these` leave the bill as it is, so
the shopper's word is enough; `insist` and `all_scanned` are believed within the store's limits, else they call staff:
taking them at their word without any would be a way to leave without paying.
"""


@dataclass(slots=True)
class Open:
    """An open intervention, folded from its events. `stage_ns` is when it got its stage."""

    event: InterventionRaised | InterventionChanged
    raised_ns: int
    stage_ns: int

    @property
    def id(self) -> int:
        return self.event.id

    @property
    def kind(self) -> InterventionKind:
        return self.event.intervention

    @property
    def stage(self) -> Stage:
        return self.event.stage


def changed(
    open_: Open,
    *,
    stage: Stage | None = None,
    candidates: tuple[str, ...] | None = None,
    choices: tuple[str, ...] | None = None,
    reason: str | None = None,
) -> InterventionChanged:
    """The event that gives an open intervention another stage, other candidates or choices."""
    was = open_.event
    return InterventionChanged(
        id=was.id,
        intervention=was.intervention,
        stage=was.stage if stage is None else stage,
        sku=was.sku,
        line_id=was.line_id,
        candidates=was.candidates if candidates is None else candidates,
        choices=was.choices if choices is None else choices,
        delta_g=was.delta_g,
        reason=was.reason if reason is None else reason,
        step_ids=was.step_ids,
    )


def cleared(open_: Open, how: str, *, answer: str = "", role: str = "", reason: str = "") -> InterventionCleared:
    """The event that closes it; `how` is one of basket, scan, shopper, staff, void."""
    if how not in ("basket", "scan", "shopper", "staff", "void"):
        raise ValueError(f"an intervention can't be cleared by {how!r}")
    return InterventionCleared(
        id=open_.id,
        intervention=open_.kind,
        stage=open_.stage,
        how=how,  # type: ignore[arg-type]  # checked above
        answer=answer,
        role=role,
        reason=reason,
    )
