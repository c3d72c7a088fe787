"""The weighing chain of one load cell: words of the converter in, settled weight steps and named faults out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cart.core.settings import ScaleSettings
from cart.core.weighing.cells import CellWatch
from cart.core.weighing.detector import StepDetector
from cart.core.weighing.events import LiveWeight, ScaleFault, ScaleFaultKind, WeighingEvent, WeightStep
from cart.core.weighing.intake import Intake
from cart.core.weighing.odds import FORETOLD_MANY, Foretold
from cart.core.weighing.thermal import Compensation
from cart.core.weighing.zero import ZeroTracking

SILENT_S = 1.0
"""Gaps of 0.7 s are normal on a busy host; a second without a word is not."""
OVER_S = 0.4
UNDER_S = 2.0
UNDER_G = -100.0
"""Below zero by more than zero tracking and slope explain: the basket is off its cell, or hangs on something."""
LATCHED: frozenset[ScaleFaultKind] = frozenset({"stuck", "desync", "cell_dead"})
NO_WEIGHT: frozenset[ScaleFaultKind] = frozenset(
    {"no_samples", "saturated", "stuck", "disconnected", "desync", "cell_dead"}
)
"""While one of these is there, no weight is told."""
BLIND_DRIFT_G_PER_S = 0.03


class Weigher:
    """One scale. Times are ns on the caller's clock and never run backwards; constant memory.

    `reference_g` is the gross weight last accounted for before a power cut, with its uncertainty: the first rest that
    differs from it is a step. Without it the first rest is the baseline and no step.
    """

    def __init__(
        self, settings: ScaleSettings, *, reference_g: float | None = None, reference_sigma_g: float = 0.0
    ) -> None:
        self._settings = settings
        self._intake = Intake(settings)
        self._detector = StepDetector(reference_g, reference_sigma_g)
        self._zero = ZeroTracking(set_initially=reference_g is None)
        self._heat = Compensation(settings)
        self._cells = CellWatch(settings)
        self._dead_cell = ""
        self._faults: dict[ScaleFaultKind, bool] = {}
        self._last_ns: int | None = None
        self._lost_ns: int | None = None
        self._over_since_ns: int | None = None
        self._under_since_ns: int | None = None

    @property
    def next_deadline_ns(self) -> int | None:
        """When `tick` is due if no sample comes first."""
        if self._last_ns is None or "no_samples" in self._faults:
            return None
        return self._last_ns + round(SILENT_S * 1e9)

    @property
    def faults(self) -> frozenset[ScaleFaultKind]:
        """Faults that stand now."""
        return frozenset(self._faults)

    @property
    def drift_g(self) -> float:
        """How far the reference has followed drift and creep; for diagnosis, never priced."""
        return self._detector.reference.drift_g

    @property
    def compensated_g(self) -> float:
        """What the temperature adds to an empty basket, and is taken out of each weight; for diagnosis."""
        return self._heat.zero_g

    @property
    def noise_g(self) -> float:
        """Noise of one sample at rest, rms, as learned."""
        return self._detector.noise.sigma_g

    @property
    def rate(self) -> float:
        """Measured samples a second."""
        return 1.0 / self._intake.period_s

    @property
    def glitches(self) -> int:
        """Words thrown away since the start."""
        return self._intake.glitches

    def feed(self, t_ns: int, counts: int, cells: Sequence[int] = ()) -> Sequence[WeighingEvent]:
        """Take one conversion, ready at `t_ns`; returns what it decided. `cells`: those of which `counts` is made."""
        events: list[WeighingEvent] = []
        self._last_ns = t_ns
        if "no_samples" in self._faults:
            self._clear(events, t_ns, "no_samples", "samples are back")
        intake = self._intake
        intake.sigma_g = self._detector.noise.sigma_g
        accepted = intake.feed(t_ns, counts) if not self._heat.waits(t_ns) else []
        if intake.raised:
            self._take_faults(events, t_ns)
        if cells:
            self._dead_cell = self._cells.feed(t_ns, cells, intake.period_s, at_rest=self._detector.state == "rest")
            if self._dead_cell:
                self._lose(events, t_ns, "cell_dead", self._dead_cell)
                return events
        for sample_ns, measured_g in accepted:
            gross_g = self._heat.corrected(sample_ns, measured_g)
            if self._lost_ns is not None:
                self._detector.restart(0.5 + BLIND_DRIFT_G_PER_S * (t_ns - self._lost_ns) * 1e-9)
                self._lost_ns = None
            step = self._detector.feed(sample_ns, gross_g, intake.period_s)
            if step is not None:
                decided = step if sample_ns == t_ns else _decided_at(step, t_ns)
                if cells:
                    decided = msgspec.structs.replace(decided, place=self._cells.place(step.rest_ns))
                events.append(_with_gross(decided, self._zero.offset_g))
            self._watch_load(events, t_ns, gross_g)
        if accepted and self._detector.state == "rest":
            self._zero.follow(self._detector.local_g, self._detector.noise.sigma_g, intake.period_s)
        return events

    def warm(self, t_ns: int, celsius: float) -> None:
        """The scale is so warm: what that does to its zero and span is taken out, where it was measured."""
        self._heat.tell(t_ns, celsius)

    def expect(self, changes: Sequence[Foretold]) -> None:
        """Say what would be no surprise next, the likeliest first: such a step is believed on less evidence.

        It stands until called again. What is weighed is not pulled towards it.
        """
        self._detector.odds.foretold = changes[:FORETOLD_MANY]

    def tick(self, t_ns: int) -> Sequence[WeighingEvent]:
        """Time has passed without a sample."""
        events: list[WeighingEvent] = []
        due_ns = self.next_deadline_ns
        if due_ns is not None and t_ns >= due_ns:
            self._lose(events, t_ns, "no_samples", f"none for {(t_ns - (self._last_ns or t_ns)) / 1e9:.1f} s")
        return events

    def acknowledge(self, t_ns: int) -> Sequence[WeighingEvent]:
        """A technician looked: latched faults that no longer stand are cleared."""
        events: list[WeighingEvent] = []
        self._cells.looked_at()
        self._dead_cell = ""
        for kind in [k for k, latched in self._faults.items() if latched and self._intake.wrong != k]:
            self._clear(events, t_ns, kind, "acknowledged")
        return events

    @property
    def live(self) -> LiveWeight:
        """The weight now; gross is None while faulty or before the first rest."""
        detector = self._detector
        over = "over_capacity" in self._faults
        if detector.state == "starting" or self._intake.wrong or self._dead_cell or "no_samples" in self._faults:
            return LiveWeight(None, 0.0, False, over)
        if detector.state == "rest":
            stable = not over and "under_load" not in self._faults
            return LiveWeight(detector.local_g - self._zero.offset_g, detector.local_sd_g, stable, over)
        mean_g, spread_g = detector.glance()
        return LiveWeight(mean_g - self._zero.offset_g, spread_g, False, over)

    def _watch_load(self, events: list[WeighingEvent], t_ns: int, gross_g: float) -> None:
        gross_g -= self._zero.offset_g
        capacity_g = self._settings.capacity_g
        if gross_g > capacity_g:
            since = self._over_since_ns = self._over_since_ns or t_ns
            if t_ns - since >= OVER_S * 1e9:
                self._add(events, t_ns, "over_capacity", f"{gross_g / 1000:.1f} kg on {capacity_g / 1000:.0f} kg")
        elif gross_g < 0.998 * capacity_g:
            self._over_since_ns = None
            self._clear(events, t_ns, "over_capacity", "relieved")
        if gross_g < UNDER_G:
            since = self._under_since_ns = self._under_since_ns or t_ns
            if t_ns - since >= UNDER_S * 1e9:
                self._add(events, t_ns, "under_load", f"{gross_g:.0f} g")
        elif gross_g > 0.5 * UNDER_G:
            self._under_since_ns = None
            self._clear(events, t_ns, "under_load", "back on its cell")

    def _take_faults(self, events: list[WeighingEvent], t_ns: int) -> None:
        raised, self._intake.raised = self._intake.raised, []
        for kind, wrong, detail in raised:
            if not wrong:
                if not self._faults.get(kind, False):
                    self._clear(events, t_ns, kind, detail)
            elif kind in NO_WEIGHT:
                self._lose(events, t_ns, kind, detail)
            else:
                self._add(events, t_ns, kind, detail)

    def _lose(self, events: list[WeighingEvent], t_ns: int, kind: ScaleFaultKind, detail: str) -> None:
        self._lost_ns = t_ns if self._lost_ns is None else self._lost_ns
        self._over_since_ns = self._under_since_ns = None
        self._add(events, t_ns, kind, detail)

    def _add(self, events: list[WeighingEvent], t_ns: int, kind: ScaleFaultKind, detail: str) -> None:
        if kind not in self._faults:
            self._faults[kind] = kind in LATCHED
            events.append(ScaleFault(t_ns, kind, True, kind in LATCHED, detail))

    def _clear(self, events: list[WeighingEvent], t_ns: int, kind: ScaleFaultKind, detail: str) -> None:
        if kind in self._faults:
            latched = self._faults.pop(kind)
            events.append(ScaleFault(t_ns, kind, False, latched, detail))


def _decided_at(step: WeightStep, t_ns: int) -> WeightStep:
    """A sample that was held back is only known with the next one."""
    return msgspec.structs.replace(step, decided_ns=t_ns)


def _with_gross(step: WeightStep, zero_g: float) -> WeightStep:
    return msgspec.structs.replace(step, gross_g=step.gross_g - zero_g)
