"""A trip's brain: `Session.handle(observation)` decides, writes what it decided, and says what the shell has to do.

The theory. The ledger is the only memory. An observation is turned into ledger events, each folded as it is written, so
the state after a restart (`restore`) is the state before it; only the live weight is measured anew. Time enters with
observations: timers that are due are run before the observation that shows that they are, so a recording that is cut
short decides the same things up to the cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from cart.core.catalog import Catalog
from cart.core.effects import Effect
from cart.core.ledger import FaultCleared, FaultRaised, LedgerEvent, Resumed, SecurityNoted
from cart.core.observations import (
    AnyObservation,
    CatalogArrived,
    DayTold,
    Look,
    PartChanged,
    PaymentAnswer,
    PowerReturned,
    ScaleSample,
    Scan,
    ScanRefused,
    SecuritySeen,
    StaffCommand,
    Temperature,
    Touch,
    TripIdDrawn,
)
from cart.core.session import (
    answers,
    payment,
    scans,
    sights,
    timers,
    touches,
    weight,
)
from cart.core.session.desk import Desk
from cart.core.session.foretold import foretold
from cart.core.session.view import trip_view
from cart.core.settings import Policy, ScaleSettings
from cart.core.view import TripView
from cart.core.weighing import ScaleFault, Weigher, WeighingEvent, WeightStep

_WANDER_G_PER_S = 0.01
_WANDER_MAX_G = 40.0
"""1 σ of what zero may have wandered while the power was off: 50 g in half an hour is the worst seen on real rigs."""
_UNKNOWN_OFF_S = 3600.0
"""A power cut that no clock can tell: as long as a shopper comes back to a dead cart."""

_BOOT_LOAD_G = 50.0
"""The weigher's range of setting zero by itself (`weighing.zero.INITIAL_G`): what temperature and creep leave."""
_BOOT_SIGMA_G = 12.0
"""1 σ of zero at a start without history: 50 g is the worst seen."""


_LATCHED = frozenset({"cell_dead"})
"""What a driver reports and a technician must look at, also where it mends itself."""


class Session:
    """One cart's trips, one after the other. Pure: no clock, no I/O; equal observations give equal effects."""

    def __init__(
        self,
        *,
        cart_id: str,
        store_id: str,
        catalog: Catalog,
        scale: ScaleSettings,
        policy: Policy,
        languages: Sequence[str],
        training: bool = False,
    ) -> None:
        self._desk = Desk(
            cart_id=cart_id,
            store_id=store_id,
            catalog=catalog,
            scale=scale,
            policy=policy,
            languages=languages,
            training=training,
        )
        self._scale = scale
        self._weigher: Weigher | None = None
        self._celsius: float | None = None
        self._bad_parts: dict[str, str] = {}
        """Parts that are not well, and their faults, as their drivers said last."""
        self._revision = 0
        self._next_catalog: Catalog | None = None
        self._due: tuple[tuple[int, bool], int | None] | None = None
        self._foretold_at = -1
        """Revision of the trip at which the weighing was told what to expect."""
        self._boots_blind = False
        """True from a start of which no earlier weight is known to its first rest."""

    def restore(
        self, events: Iterable[tuple[int, LedgerEvent]], earlier: Iterable[tuple[int, LedgerEvent]] = ()
    ) -> None:
        """Fold what the journal holds of the open trip, before the first observation. Infers nothing.

        `earlier`: the payments of the trips before, so that a late answer about one is known for what it is.
        """
        for t_ns, event in earlier:
            self._desk.payments.apply(t_ns, event)
        for t_ns, event in events:
            self._desk.state.apply(t_ns, event)
            self._desk.payments.apply(t_ns, event)
        self._due = None

    def handle(self, obs: AnyObservation) -> list[Effect]:
        """Decide. Effects are in order: records first committed, then whatever follows them. Never raises."""
        desk = self._desk
        desk.t_ns = obs.t_ns
        desk.effects = []
        if isinstance(obs, PowerReturned):
            self._power_returned(obs)
            return self._finish()
        due_ns = self._trip_due_ns
        if due_ns is not None and due_ns <= obs.t_ns:
            timers.run_due(desk)
        if isinstance(obs, ScaleSample):
            self._weigh(self._weighing.feed(obs.t_ns, obs.counts, obs.cells))
        elif isinstance(obs, Temperature):
            self._celsius = obs.celsius
            if self._weigher is not None:
                self._weigher.warm(obs.t_ns, obs.celsius)
        else:
            weigher_due = self._weigher.next_deadline_ns if self._weigher is not None else None
            if weigher_due is not None and weigher_due <= obs.t_ns:
                self._weigh(self._weighing.tick(obs.t_ns))
            self._dispatch(obs)
        return self._finish()

    @property
    def next_deadline_ns(self) -> int | None:
        """When a `Tick` is due; None while nothing waits for time."""
        due = [self._trip_due_ns, self._weigher.next_deadline_ns if self._weigher is not None else None]
        return min((d for d in due if d is not None), default=None)

    @property
    def pay_waits(self) -> bool:
        """True while a touched payment waits for the basket to come to rest."""
        return self._desk.wish is not None

    def view(self) -> TripView:
        """What the screen shows now."""
        return trip_view(self._desk, self._revision)

    def _finish(self) -> list[Effect]:
        if self._desk.wish is not None:
            payment.grant_wish(self._desk)
        if self._desk.effects or self._desk.buzzer != "none":
            self._desk.indicate()
        self._foretell()
        effects, self._desk.effects = self._desk.effects, []
        if effects:
            self._revision += 1
        if self._next_catalog is not None and self._desk.state.phase not in ("paying", "paid"):
            self._desk.new_catalog(self._next_catalog)
            self._next_catalog = None
            self._revision += 1
        return effects

    def _foretell(self) -> None:
        """Tell the weighing what would be no surprise, whenever the ledger has moved."""
        revision = self._desk.state.revision
        if self._weigher is not None and revision != self._foretold_at:
            self._foretold_at = revision
            self._weigher.expect(foretold(self._desk))

    @property
    def _trip_due_ns(self) -> int | None:
        """The next timer of trip or payment; kept until the ledger moves."""
        desk = self._desk
        key = (desk.state.revision, desk.live.stable)
        if self._due is None or self._due[0] != key:
            trip_ns = timers.next_due_ns(desk)
            unloaded_ns = payment.unloaded_due_ns(desk)
            left_ns = payment.left_half_paid_ns(desk)
            self._due = (key, min((d for d in (trip_ns, unloaded_ns, left_ns) if d is not None), default=None))
        wish_ns = desk.wish.until_ns if desk.wish is not None else None
        due = (self._due[1], desk.payments.next_deadline_ns, wish_ns)
        return min((d for d in due if d is not None), default=None)

    @property
    def _weighing(self) -> Weigher:
        return self._weigher or self._start_weighing(0.0)

    def _start_weighing(self, off_s: float) -> Weigher:
        state = self._desk.state
        wander_g = min(_WANDER_MAX_G, _WANDER_G_PER_S * off_s)
        sigma_g = (state.gross_sigma_g**2 + wander_g**2) ** 0.5
        self._weigher = Weigher(self._scale, reference_g=state.gross_g, reference_sigma_g=sigma_g)
        self._foretold_at = -1
        if self._celsius is not None:
            self._weigher.warm(self._desk.t_ns, self._celsius)
        return self._weigher

    def _power_returned(self, obs: PowerReturned) -> None:
        if self._desk.state.last_ns or self._desk.state.revision:
            self._desk.emit(Resumed(off_s=obs.off_s))
        self._boots_blind = self._desk.state.gross_g is None
        self._start_weighing(_UNKNOWN_OFF_S if obs.off_s is None else obs.off_s)

    def _weigh(self, events: Sequence[WeighingEvent]) -> None:
        desk = self._desk
        desk.live = self._weighing.live
        desk.cause = "basket"
        for event in events:
            if isinstance(event, WeightStep):
                weight.see_step(desk, event)
                touches.after_step(desk)
            elif isinstance(event, ScaleFault) and event.fault != "over_capacity":
                self._fault("scale", event.raised, event.fault, event.detail, latched=event.latched)
        if self._boots_blind and desk.live.stable and desk.live.gross_g is not None:
            self._boots_blind = False
            self._see_load_at_boot(desk.live.gross_g)
        touches.watch_weight(desk)

    def _see_load_at_boot(self, gross_g: float) -> None:
        """What lies in the basket at a start without history was put in before it: the calibration knows zero. What
        zero itself wanders is forgiven: the weigher sets it anew within its range, and so much is no goods.
        """
        desk = self._desk
        if gross_g > _BOOT_LOAD_G:
            now_ns = desk.t_ns
            step = WeightStep(gross_g, _BOOT_SIGMA_G, now_ns, now_ns, now_ns, gross_g)
            weight.see_step(desk, step)
            touches.after_step(desk)

    def _fault(self, part: str, raised: bool, fault: str, detail: str, *, latched: bool = False) -> None:
        known = self._desk.state.faults
        key = (part, fault)
        if raised and key not in known:
            self._desk.emit(FaultRaised(part=part, fault=fault, detail=detail, latched=latched))  # type: ignore[arg-type]
        elif not raised and key in known:
            self._desk.emit(FaultCleared(part=part, fault=fault))  # type: ignore[arg-type]

    def _dispatch(self, obs: AnyObservation) -> None:
        desk = self._desk
        match obs:
            case Scan():
                scans.scan(desk, obs)
            case ScanRefused():
                scans.refused(desk, obs)
            case Touch():
                touches.touch(desk, obs)
            case StaffCommand():
                answers.staff(desk, obs)
                self._technician_looks(obs)
            case PaymentAnswer():
                payment.answered(desk, obs)
            case PartChanged():
                self._part_changed(obs)
            case Look():
                sights.see(desk, obs)
            case CatalogArrived():
                self._next_catalog = obs.catalog
            case TripIdDrawn():
                desk.spare_trip_id = obs.trip_id
            case DayTold():
                desk.today = date.fromisoformat(obs.day)
            case SecuritySeen():
                desk.emit(SecurityNoted(what=obs.what, detail=obs.detail[:200]))
            case _:
                pass

    def _part_changed(self, obs: PartChanged) -> None:
        if not obs.ok:
            self._bad_parts[obs.part] = obs.fault
            self._fault(obs.part, True, obs.fault, obs.detail, latched=obs.fault in _LATCHED)
            return
        self._bad_parts.pop(obs.part, None)
        for part, fault in [key for key, raised in self._desk.state.faults.items() if not raised.latched]:
            if part == obs.part:
                self._fault(part, False, fault, "")

    def _technician_looks(self, command: StaffCommand) -> None:
        """Where maintenance has begun, latched faults that no longer stand are cleared."""
        if command.action != "maintenance" or self._desk.state.phase != "maintenance":
            return
        self._weigh(self._weighing.acknowledge(self._desk.t_ns))
        standing = self._weighing.faults
        for (part, fault), raised in list(self._desk.state.faults.items()):
            if raised.latched and self._bad_parts.get(part) != fault and fault not in standing:
                self._fault(part, False, fault, "")
