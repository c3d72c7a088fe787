"""The trip as the fold of its ledger: `TripState.apply` is the only place that changes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cart.core.basket import Basket
from cart.core.interventions import Open
from cart.core.ledger import (
    AgeChecked,
    AttemptChanged,
    AttemptOpened,
    CouponEntered,
    FaultCleared,
    FaultRaised,
    GrossNoted,
    InterventionChanged,
    InterventionCleared,
    InterventionRaised,
    ItemAdded,
    ItemConfirmed,
    ItemRemoved,
    ItemReopened,
    LanguageChosen,
    LedgerEvent,
    OwnThing,
    Phase,
    PhaseChanged,
    ReceiptIssued,
    Resumed,
    StaffActed,
    StepExplained,
    TripStarted,
    WeightLearned,
    WeightStepSeen,
)
from cart.core.observations import Part
from cart.core.receipt import Receipt
from cart.core.reconciliation.explanation import NOT_ALONE

_COMMANDS_KEPT = 64
"""Staff commands that a repeated message is told by; the store repeats one for minutes, not hours."""

_RECENT_STEPS = 24
"""Steps of the last minutes: some may be explained anew together, or have weighed more than they were taken for."""
_SHOWN_MAX = 8
"""Things that were asked about and came out again: a shopper sorts out one or two at a time."""
_FOR_A_THING = ("not_placed", "wrong_weight")
"""Questions at which people take out the thing that they name."""
_TO_BE_SHOWN = (*_FOR_A_THING, "unscanned_item", "extra_unit")
"""Questions at which people take out something to show it."""
_LEARNED_MAX = 2_000
"""Products of which a cart remembers what it learned, the last ones: a few months until the catalogue has it."""


@dataclass(slots=True)
class OpenStep:
    """What is still unexplained of a settled weight step: `delta_g` ± `sigma_g` grams."""

    step_id: int
    delta_g: float
    sigma_g: float
    began_ns: int
    rest_ns: int
    seen_ns: int
    asked_for: tuple[int, ...] = ()
    """Lines that it was plainly asked about by then: one may have been lifted out to be looked at, meanwhile."""
    asked_of_ns: int | None = None
    """When what was plainly asked by then about things put in, or missed, had come up first; None: nothing was."""
    asked_steps: tuple[int, ...] = ()
    """The movements that this was about."""
    hinted_ns: int | None = None
    """Since when the shopper is asked to scan what it is."""


@dataclass(slots=True)
class Shown:
    """A thing that was plainly asked about and then taken out again. `line_id` None: the question named no line."""

    line_id: int | None
    weight_g: float
    t_ns: int
    came: tuple[tuple[int, float], ...] = ()
    """The movements that it was taken to have come with, what was asked about first: step and open grams."""
    too_many: bool = False
    """A unit beyond those that were scanned: of these none is out."""


@dataclass(slots=True)
class TripState:
    """One trip. A new trip starts from a fresh one; ids of steps, lines and interventions count on through it."""

    phase: Phase = "idle"
    trip_id: str | None = None
    training: bool = False
    language: str = ""
    locked: bool = False
    basket: Basket = field(default_factory=Basket)
    interventions: dict[int, Open] = field(default_factory=dict)
    open_steps: dict[int, OpenStep] = field(default_factory=dict)
    coupons: set[str] = field(default_factory=set)
    age_ok: int = 0
    age_refused: bool = False
    faults: dict[tuple[Part, str], FaultRaised] = field(default_factory=dict)
    gross_g: float | None = None
    gross_sigma_g: float = 0.0
    gross_noted_ns: int = 0
    slope_g: float = 0.0
    slope_step: OpenStep | None = None
    """The last step that was taken for the load on a slope, or for less than the scale can see."""
    light_allowed: int = 0
    """How often staff has let more light items go in by their scan."""
    attempts: int = 0
    receipt: Receipt | None = None
    staff_involved: int = 0
    last_line_id: int = 0
    last_step_id: int = 0
    last_intervention_id: int = 0
    last_thing_id: int = 0
    last_act_ns: int = 0
    last_item_ns: int = 0
    last_ns: int = 0
    started_ns: int = 0
    unloaded_g: float = 0.0
    """What has come out since the trip was paid, at most 0."""
    revision: int = 0
    basket_revision: int = 0
    """Grows with everything that can change a price."""
    command_ids: list[str] = field(default_factory=list)
    learned: dict[str, WeightLearned] = field(default_factory=dict)
    """Product → what its units weigh. Outlives the trip: it is the cart's, not the shopper's."""
    asked_alone: dict[int, int] = field(default_factory=dict)
    """Line → when its things were asked to be put in alone, by the cart or by staff who looked at them."""

    recent_steps: list[OpenStep] = field(default_factory=list)
    """The last steps as the scale gave them, explained or not."""
    shown: list[Shown] = field(default_factory=list)
    """What was asked about and came out again, newest last."""
    answers: dict[int, str] = field(default_factory=dict)
    """Recent step → what the shopper last answered about it: it stays evidence when the step is looked at anew."""

    @property
    def net_open_g(self) -> float:
        return sum(s.delta_g for s in self.open_steps.values())

    def apply(self, t_ns: int, event: LedgerEvent) -> None:
        """Fold one event. Never raises on an event that a session wrote."""
        before_ns, self.last_ns = self.last_ns, t_ns
        self.revision += 1
        match event:
            case ItemAdded() | ItemConfirmed() | ItemReopened() | ItemRemoved() | OwnThing():
                self._apply_basket(t_ns, event)
            case WeightStepSeen() | StepExplained() | GrossNoted():
                self._apply_weight(t_ns, event)
            case Resumed():
                self.rebase(t_ns - before_ns)
            case InterventionRaised() | InterventionChanged() | InterventionCleared():
                self._apply_intervention(t_ns, event)
            case TripStarted():
                self._start(event)
                self.last_act_ns = self.started_ns = t_ns
            case PhaseChanged():
                self._change_phase(event)
                self.last_act_ns = t_ns
            case LanguageChosen():
                self.language = event.language
            case FaultRaised():
                self.faults[event.part, event.fault] = event
            case FaultCleared():
                self.faults.pop((event.part, event.fault), None)
            case AttemptOpened():
                self.attempts += 1
            case _:
                self._apply_rest(event)

    def _apply_rest(self, event: LedgerEvent) -> None:
        match event:
            case CouponEntered():
                if event.accepted:
                    self.coupons.add(event.promotion_id or event.code)
                    self.basket_revision += 1
            case AgeChecked():
                self.age_ok = max(self.age_ok, event.min_age) if event.ok else self.age_ok
                self.age_refused = self.age_refused or not event.ok
            case StaffActed():
                self.staff_involved += event.changed
                self.command_ids.append(event.command_id)
                del self.command_ids[:-_COMMANDS_KEPT]
                if event.action in ("lock", "release"):
                    self.locked = event.action == "lock"
            case ReceiptIssued():
                self.receipt = event.receipt
            case WeightLearned():
                self.learned.pop(event.sku, None)
                if event.samples_g:
                    self.learned[event.sku] = event
                while len(self.learned) > _LEARNED_MAX:
                    self.learned.pop(next(iter(self.learned)))
            case AttemptChanged(state="voided" | "approved") if self.receipt is not None:
                back_minor = event.amount_minor if event.state == "voided" else event.refunded_minor
                self.receipt = self.receipt.refunded(event.attempt_id, back_minor)
            case AttemptChanged() | _:
                pass  # the attempt itself is folded by Payments

    def _apply_basket(self, t_ns: int, event: LedgerEvent) -> None:
        self.last_act_ns = self.last_item_ns = t_ns
        self.basket_revision += 1
        match event:
            case ItemAdded():
                self.basket.added(t_ns, event)
                self.last_line_id = max(self.last_line_id, event.line_id)
            case ItemConfirmed():
                rested_ns = max((s.rest_ns for s in self.recent_steps if s.step_id in event.step_ids), default=t_ns)
                self.basket.confirmed(t_ns, event, rested_ns)
            case ItemReopened():
                self.basket.reopened(t_ns, event)
            case ItemRemoved():
                self.basket.taken(t_ns, event)
            case OwnThing():
                self.basket.own_thing(t_ns, event)
                self.last_thing_id = max(self.last_thing_id, event.thing_id)
            case _:
                pass

    def _apply_weight(self, t_ns: int, event: LedgerEvent) -> None:
        match event:
            case WeightStepSeen():
                self.last_act_ns = t_ns
                self.last_step_id = event.step_id
                if self.phase == "paid":
                    self.unloaded_g += min(0.0, event.delta_g)
                if event.delta_g < 0.0 < event.gross_g - event.delta_g:
                    # What a slope hides is a share of the load, and goes out with it.
                    self.slope_g *= max(0.0, event.gross_g) / (event.gross_g - event.delta_g)
                self.gross_g, self.gross_noted_ns = event.gross_g, t_ns
                self.gross_sigma_g = event.sigma_g
                asked = self._plainly_asked(event.rest_ns)
                step = OpenStep(
                    event.step_id, event.delta_g, event.sigma_g, event.began_ns, event.rest_ns, t_ns,
                    tuple(o.event.line_id for o in asked if o.kind in _FOR_A_THING and o.event.line_id is not None),
                    min((o.raised_ns for o in asked), default=None), tuple(i for o in asked for i in o.event.step_ids),
                )  # fmt: skip
                self.open_steps[event.step_id] = step
                self.recent_steps.append(replace(step))
                del self.recent_steps[:-_RECENT_STEPS]
                self.answers.pop(event.step_id - _RECENT_STEPS, None)
            case StepExplained():
                self._explain(event)
            case GrossNoted():
                self.gross_g, self.gross_sigma_g, self.gross_noted_ns = event.gross_g, event.sigma_g, t_ns
            case _:
                pass

    def _plainly_asked(self, by_ns: int) -> list[Open]:
        """Questions at which people take out something to show it, asked by then."""
        plain = (o for o in self.interventions.values() if o.stage == "question" and o.stage_ns <= by_ns)
        return [o for o in plain if o.kind in _TO_BE_SHOWN]

    def _explain(self, event: StepExplained) -> None:
        self.slope_g += event.absorbed_g
        last_id = event.step_ids[-1] if event.step_ids else 0
        if event.absorbed_g < 0.0 and last_id in self.open_steps:
            self.slope_step = replace(self.open_steps[last_id])
        if not event.step_ids:
            self.last_item_ns = self.last_ns  # a removal told by scanning it is told once
            if self.basket.removed:
                self.basket.removed[-1].told = True
        self._note_shown(event)
        if event.open_g is None or not event.step_ids:
            for step_id in event.step_ids:
                self.open_steps.pop(step_id, None)
            return
        for step_id in event.step_ids[:-1]:
            self.open_steps.pop(step_id, None)
        last = self.open_steps.get(last_id)
        known = (*self.recent_steps, *([self.slope_step] if self.slope_step is not None else []))
        seen = next((s for s in known if s.step_id == last_id), None)
        if last is None and seen is not None:
            self.open_steps[last_id] = replace(seen, delta_g=event.open_g)
        elif last is None:
            self.open_steps[last_id] = OpenStep(last_id, event.open_g, 1.0, self.last_ns, self.last_ns, self.last_ns)
        elif last is not None:
            last.delta_g = event.open_g

    def _note_shown(self, event: StepExplained) -> None:
        """Remember what came out again after a plain question about it: all of an open step, or a part of one."""
        steps = [self.open_steps[i] for i in event.step_ids if i in self.open_steps]
        out_g = event.out_g or -sum(s.delta_g for s in steps if s.delta_g < 0.0)
        if out_g <= 0.0:
            return
        out_id = max((s.step_id for s in steps if s.delta_g < 0.0), default=0)
        # What went in after that is back, and nothing is out.
        came = {s.step_id: s.delta_g for s in steps if s.delta_g > 0.0 and (event.out_g or s.step_id < out_id)}
        about = [o for o in self.interventions.values() if o.stage == "question"]
        asked = next((o for o in about if came.keys() & set(o.event.step_ids)), None)
        if came and (asked is None or self._of_goods(asked)):
            # Asked to put it in alone, who lifts out another unexplained thing tells which one it is.
            asked = next((o for o in about if o.event.reason == NOT_ALONE), asked)
        if asked is not None:
            about_ids = asked.event.step_ids
            first = sorted(came.items(), key=lambda both: both[0] not in about_ids)
            too_many = asked.kind == "extra_unit"
            self.shown.append(Shown(asked.event.line_id, out_g, self.last_ns, tuple(first), too_many))
            del self.shown[:-_SHOWN_MAX]

    def _of_goods(self, asked: Open) -> bool:
        """Whether a question is about loose goods, that any weight fits."""
        line = self.basket.lines.get(asked.event.line_id or 0)
        return line is not None and line.unit == "kg" and asked.event.reason != NOT_ALONE

    def _apply_intervention(self, t_ns: int, event: LedgerEvent) -> None:
        match event:
            case InterventionRaised():
                self.interventions[event.id] = Open(event, t_ns, t_ns)
                if event.intervention == "unscanned_item":
                    self._hint(t_ns, event.step_ids)
                self.last_intervention_id = max(self.last_intervention_id, event.id)
            case InterventionChanged():
                open_ = self.interventions.get(event.id)
                if open_ is not None:
                    if event.reason == NOT_ALONE and event.line_id is not None:
                        self.asked_alone[event.line_id] = t_ns
                    open_.stage_ns = open_.stage_ns if open_.stage == event.stage else t_ns
                    open_.event = event
            case InterventionCleared():
                closed = self.interventions.pop(event.id, None)
                if closed is not None and event.how == "shopper":
                    self.answers |= dict.fromkeys(closed.event.step_ids, event.answer)
                self.light_allowed += event.intervention == "light_limit" and event.how == "staff"
                if closed is not None and event.how == "staff" and closed.event.line_id is not None:
                    self.asked_alone[closed.event.line_id] = t_ns
            case _:
                pass

    def _hint(self, t_ns: int, step_ids: tuple[int, ...]) -> None:
        for step in (*self.open_steps.values(), *self.recent_steps):
            if step.step_id in step_ids and step.hinted_ns is None:
                step.hinted_ns = t_ns

    def _start(self, event: TripStarted) -> None:
        """A fresh trip on the same platform: what is still unexplained there stays, goods and questions don't."""
        self.trip_id, self.language, self.training = event.trip_id, event.language, event.training
        self.basket = Basket()
        self.basket_revision += 1
        self.interventions = {}
        self.coupons = set()
        self.age_ok, self.age_refused = 0, False
        self.attempts, self.staff_involved = 0, 0
        self.asked_alone = {}
        self.shown = []
        self.light_allowed = 0
        self.receipt = None

    def _change_phase(self, event: PhaseChanged) -> None:
        self.phase = event.phase
        self.unloaded_g = 0.0
        if event.phase == "idle":
            self.trip_id = None
            self.basket = Basket()
            self.basket_revision += 1
            self.interventions = {}
            self.open_steps = {}
            self.recent_steps, self.answers = [], {}
            self.coupons = set()
            self.receipt = None
            self.slope_g, self.slope_step = 0.0, None
            self.training = False

    def rebase(self, shift_ns: int) -> None:
        """Move all times by `shift_ns`."""
        self.basket.rebase(shift_ns)
        for open_ in self.interventions.values():
            open_.raised_ns += shift_ns
            open_.stage_ns += shift_ns
        slope = [self.slope_step] if self.slope_step is not None else []
        for step in (*self.open_steps.values(), *self.recent_steps, *slope):
            step.began_ns += shift_ns
            step.rest_ns += shift_ns
            step.seen_ns += shift_ns
            step.asked_of_ns = None if step.asked_of_ns is None else step.asked_of_ns + shift_ns
            step.hinted_ns = None if step.hinted_ns is None else step.hinted_ns + shift_ns
        self.gross_noted_ns += shift_ns
        self.last_act_ns += shift_ns
        self.started_ns += shift_ns
        self.last_item_ns += shift_ns
        for shown in self.shown:
            shown.t_ns += shift_ns
        self.asked_alone = {line_id: at_ns + shift_ns for line_id, at_ns in self.asked_alone.items()}
