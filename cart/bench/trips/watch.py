"""What the cart asked during one trip, and whether the truth gave it reason to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from cart.bench.trips.things import World
from cart.core.ledger import (
    InterventionChanged,
    InterventionCleared,
    InterventionRaised,
    LedgerEvent,
    PhaseChanged,
    ReceiptIssued,
    WeightStepSeen,
)
from cart.core.receipt import Receipt

Cause = Literal["shopper", "catalogue", "beside", "store", "cart"]
"""Why something is asked. `shopper`: something is in the basket that the cart was not told of, or the other way round;
`catalogue`: what is asked about weighs other than the catalogue says, or it says nothing; `beside`: another thing put
in lately does; `store`: an unknown code, a limit, the law; `cart`: none of these, so only the cart's own doubt."""
CAUSES: tuple[Cause, ...] = get_args(Cause)
_STORE = frozenset({"age_check", "unknown_barcode", "sale_blocked", "light_limit", "over_capacity"})
ACCUSING = frozenset({"unscanned_item", "extra_unit", "wrong_weight", "wrong_item", "unpaid_item", "basket_changed"})
"""Kinds that say: something is in your basket that you haven't told us of."""
LAW = frozenset({"age_check"})
"""What the law reserves for staff."""
RECENTLY_NS = 20_000_000_000
"""A reason for asking that lies no longer back than this is one: the hint came before the question."""


@dataclass(slots=True)
class Asked:
    """One intervention's life."""

    id: int
    kind: str
    raised_ns: int
    stages: list[str]
    line_id: int | None
    step_ids: tuple[int, ...]
    sku: str | None
    cause: Cause
    cleared_ns: int | None = None
    how: str = ""
    answer: str = ""

    @property
    def question(self) -> bool:
        return "question" in self.stages or self.staff

    @property
    def staff(self) -> bool:
        return "staff" in self.stages


@dataclass(slots=True)
class Watch:
    """Listens to the ledger of one trip."""

    world: World
    asked: dict[int, Asked] = field(default_factory=dict)
    moved_ns: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Weight step → when it began and came to rest."""
    receipt: Receipt | None = None
    phase: str = "idle"
    wrong_ns: int = -(10**18)
    """When something was last in the basket that the cart had not been told of."""
    trace: list[tuple[int, LedgerEvent]] | None = None
    also: Callable[[int, LedgerEvent], None] | None = None
    """Who else listens."""

    def heard(self, t_ns: int, event: LedgerEvent) -> None:
        if self.trace is not None:
            self.trace.append((t_ns, event))
        if self.also is not None:
            self.also(t_ns, event)
        match event:
            case InterventionRaised():
                cause = self._cause(t_ns, event)
                self.asked[event.id] = Asked(
                    event.id, event.intervention, t_ns, [event.stage], event.line_id, event.step_ids, event.sku, cause
                )
            case InterventionChanged():
                asked = self.asked[event.id]
                asked.stages.append(event.stage)
                if asked.cause in ("cart", "catalogue", "beside"):
                    asked.cause = self._cause(t_ns, event)
            case InterventionCleared():
                asked = self.asked[event.id]
                asked.cleared_ns, asked.how, asked.answer = t_ns, event.how, event.answer
            case WeightStepSeen():
                self.moved_ns[event.step_id] = (event.began_ns, event.rest_ns)
            case ReceiptIssued():
                self.receipt = event.receipt
            case PhaseChanged():
                self.phase = event.phase
            case _:
                pass

    def _cause(self, t_ns: int, event: InterventionRaised | InterventionChanged) -> Cause:
        world = self.world
        if world.wrong:
            self.wrong_ns = t_ns
        if event.intervention in _STORE:
            return "store"
        named = (*event.candidates, *([event.sku] if event.sku is not None else []))
        untaken = any(world.told[sku] > world.units(sku) for sku in named)
        if event.intervention == "not_placed" and untaken:
            return "shopper"
        if event.intervention != "which_removed" and t_ns - self.wrong_ns <= RECENTLY_NS:
            return "shopper"
        if any(world.badly_catalogued(sku) for sku in named):
            return "catalogue"
        return "beside" if world.badly_catalogued_lately else "cart"
