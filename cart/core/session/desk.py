"""The desk that the session's rooms share: the trip's state, what it is decided by, and the effects so far.

Every change goes through `emit`, which records an event and folds it at once, so that state and ledger can't differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from cart.core.basket import Line
from cart.core.catalog import Catalog, CatalogIndex, Item
from cart.core.effects import Effect, Indicate, Record
from cart.core.interventions import OPEN_MAX, TABLE, Open, changed, cleared
from cart.core.ledger import (
    FaultRaised,
    InterventionKind,
    InterventionRaised,
    LedgerEvent,
    Phase,
    PhaseChanged,
    Stage,
)
from cart.core.observations import Look
from cart.core.payment import Payments
from cart.core.pricing import PricedBasket, PricingLine, price_basket
from cart.core.reconciliation import Decision
from cart.core.rounding import in_intervals
from cart.core.session.state import TripState
from cart.core.settings import Policy, ScaleSettings
from cart.core.weighing.events import LiveWeight

_LOOKS_KEPT = 16
"""Looks of the last few movements: three a movement, newest kept."""

Cause = Literal["basket", "scan", "shopper", "staff", "void"]

_NO_WEIGHT = LiveWeight(gross_g=None, sigma_g=0.0, stable=False, over_capacity=False)


@dataclass(frozen=True, slots=True)
class PayWish:
    """Pay was touched while the basket still moved. No attempt yet, and so in no ledger: a restart forgets it."""

    method: str
    basket_revision: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Held:
    """A thing of a line in the shopper's hand; `weight_g`: what it had weighed where it lay, if that is known."""

    line_id: int
    t_ns: int
    weight_g: float | None = None


class Desk:
    """`t_ns` and `cause` are those of the observation in hand; `live` is the weigher's latest word."""

    def __init__(
        self,
        *,
        cart_id: str,
        store_id: str,
        catalog: Catalog,
        scale: ScaleSettings,
        policy: Policy,
        languages: Sequence[str],
        training: bool,
    ) -> None:
        self.cart_id, self.store_id = cart_id, store_id
        self.scale, self.policy, self.languages = scale, policy, tuple(languages)
        self.always_training = training
        self.index = CatalogIndex(catalog)
        self._by_class: dict[str, list[str]] | None = None
        self.state = TripState(language=self.languages[0] if self.languages else "en")
        self.payments = Payments(cart_id, policy)
        self.effects: list[Effect] = []
        self.t_ns = 0
        self.cause: Cause = "basket"
        self.live = _NO_WEIGHT
        self.spare_trip_id: str | None = None
        self.today: date | None = None
        self.looks: deque[Look] = deque(maxlen=_LOOKS_KEPT)
        self.looked_otherwise = 0
        """The last step of which the camera has asked; nobody is asked twice."""
        self.in_hand: Held | None = None
        """The thing that was last shown to the scanner while it was out, as asked."""
        self.answering: tuple[int, str] | None = None
        """The question that is being answered, and the answer: it is cleared by what follows from that."""
        self.shown_to_camera: tuple[str, int] | None = None
        """Product and time of the last code that the camera read."""
        self._priced: tuple[int, PricedBasket] | None = None
        self.catalog_revision = 0
        self.refused_notes = 0
        self.wish: PayWish | None = None
        self.decided: tuple[tuple[int, int], Decision] | None = None
        self.fruitless: tuple[int, int] | None = None
        """Time and revision at which second thoughts led to nothing."""
        self.buzzer: Literal["none", "ok", "attention"] = "none"
        self._shown_light: Literal["off", "green", "amber", "red"] = "off"

    def emit(self, event: LedgerEvent) -> None:
        """Record one decision and fold it."""
        self.effects.append(Record(self.t_ns, event))
        self.state.apply(self.t_ns, event)
        self.payments.apply(self.t_ns, event)

    def carry(self, effects: Iterable[Effect]) -> None:
        """Pass on what `Payments` decided; it has folded its own records already."""
        for effect in effects:
            self.effects.append(effect)
            if isinstance(effect, Record):
                self.state.apply(effect.t_ns, effect.event)

    def sound(self, buzzer: Literal["ok", "attention"]) -> None:
        """Sound the buzzer with this observation's effects."""
        self.buzzer = buzzer

    def indicate(self) -> None:
        """Show the trip's state by the light, if it or the buzzer has something new to say."""
        light = self._light()
        if light != self._shown_light or self.buzzer != "none":
            self.effects.append(Indicate(light, self.buzzer))
        self._shown_light, self.buzzer = light, "none"

    def _light(self) -> Literal["off", "green", "amber", "red"]:
        state = self.state
        if state.phase in ("idle", "maintenance"):
            return "off"
        if state.locked or any(o.stage != "hint" and o.kind != "age_check" for o in state.interventions.values()):
            return "red"
        pending = any(line.pending for line in state.basket.lines.values())
        return "amber" if pending or state.interventions else "green"

    def item(self, sku: str) -> Item | None:
        return self.index.by_sku.get(sku)

    def new_catalog(self, catalog: Catalog) -> None:
        """Look products up in this catalogue from now on; open lines keep their prices."""
        self.index = CatalogIndex(catalog)
        self._by_class = None
        self.catalog_revision += 1

    def skus_of_class(self, vision_class: str) -> list[str]:
        """Products that the camera knows by this class."""
        if self._by_class is None:
            self._by_class = {}
            for item in self.index.catalog.items:
                if item.vision_class is not None:
                    self._by_class.setdefault(item.vision_class, []).append(item.sku)
        return self._by_class.get(vision_class, [])

    def change_phase(self, phase: Phase, reason: str) -> None:
        if self.state.phase != phase:
            self.emit(PhaseChanged(phase=phase, reason=reason))

    def raise_(
        self,
        kind: InterventionKind,
        *,
        stage: Stage | None = None,
        sku: str | None = None,
        line_id: int | None = None,
        candidates: tuple[str, ...] = (),
        choices: tuple[str, ...] | None = None,
        delta_g: float | None = None,
        reason: str = "",
        step_ids: tuple[int, ...] = (),
    ) -> None:
        """Ask something, unless too much is asked already: then the oldest questions hold checkout anyway."""
        if len(self.state.interventions) >= OPEN_MAX:
            return
        row = TABLE[kind]
        self.emit(
            InterventionRaised(
                id=self.state.last_intervention_id + 1,
                intervention=kind,
                stage=row.first if stage is None else stage,
                sku=sku,
                line_id=line_id,
                candidates=candidates,
                choices=row.choices if choices is None else choices,
                delta_g=delta_g,
                reason=reason,
                step_ids=step_ids,
            )
        )

    def clear(
        self, open_: Open, *, answer: str = "", role: str = "", reason: str = "", how: Cause | None = None
    ) -> None:
        said = self.answering[1] if self.answering is not None and self.answering[0] == open_.id else ""
        self.emit(cleared(open_, self.cause if how is None else how, answer=answer or said, role=role, reason=reason))

    def restage(self, open_: Open, stage: Stage, reason: str | None = None) -> None:
        if open_.stage != stage:
            self.emit(changed(open_, stage=stage, reason=reason))

    def open_of(self, *kinds: InterventionKind) -> list[Open]:
        return [o for o in self.state.interventions.values() if o.kind in kinds]

    @property
    def scale_fault(self) -> FaultRaised | None:
        """What keeps the scale from weighing at all; being over capacity is no such thing."""
        return next(
            (f for (part, fault), f in self.state.faults.items() if part == "scale" and fault != "over_capacity"), None
        )

    @property
    def journal_down(self) -> bool:
        """True while nothing can be recorded: scans and touches are refused, no line may exist that isn't on disk."""
        return any(part == "journal" for part, _ in self.state.faults)

    @property
    def over_capacity(self) -> bool:
        return self.live.over_capacity or bool(self.open_of("over_capacity"))

    @property
    def training(self) -> bool:
        return self.state.training or self.always_training

    def priced(self) -> PricedBasket:
        """The basket's prices; kept until the ledger or the catalogue moves."""
        key = self.state.basket_revision * 1_000_003 + self.catalog_revision
        if self._priced is None or self._priced[0] != key:
            self._priced = (key, price_basket(self.pricing_lines(), self.index, coupons=frozenset(self.state.coupons)))
        return self._priced[1]

    def priced_g(self, line: Line) -> float | None:
        """The net weight that a line sold by weight costs by: its code's, or the scale's as it is shown."""
        weight_g = line.priced_g
        interval_g = self.policy.price_interval_g
        if weight_g is None or interval_g == 1 or line.unit != "kg" or line.expected_g is not None:
            return weight_g  # whole grams are made where the price is
        return in_intervals(weight_g, interval_g)

    def pricing_lines(self) -> list[PricingLine]:
        """The basket as pricing sees it, in the order of its lines."""
        return [
            PricingLine(
                line_id=line.line_id,
                sku=line.sku,
                units=line.units,
                unit=line.unit,
                unit_price_minor=line.unit_price_minor,
                weight_g=self.priced_g(line),
                code_price_minor=line.code_price_minor,
            )
            for line in self.state.basket.lines.values()
        ]
