"""Counts to grams: a calibration a technician cannot get wrong, and the rules of legal weighing beside it.

The procedure is pure: it asks for one load after another, takes the counts read under each and either accepts them or
refuses with the reason and what to do. Nothing changes until `finish`, and the old calibrations stay in the history.

Legal-scale rules are those of OIML R 76-1:2006 for class III (NIST Handbook 44, 2.20, agrees): verification scale
interval e, minimum load 20 e (table 3), maximum permissible errors (table 6), stability before registering.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

from cart.core.problem import Problem
from cart.core.settings import ScaleSettings
from cart.core.weighing.events import LiveWeight

SAMPLES_MIN = 16
NOISE_MAX_G = 5.0
"""Real rigs show 0.3–3 g; more is a loose wire, wind or a hand."""
NOISE_MAX_SPAN_SHARE = 0.002
SPAN_MIN_SHARE = 0.1
"""Of the capacity: a smaller span multiplies its own errors too much at full load."""
SPAN_MIN_COUNTS = 2000
RAIL_COUNTS = 8_388_607
RAIL_SHARE = 0.98
HISTORY_MAX = 50
"""Kept calibrations; one a month is four years."""

StepKind = Literal["zero", "span", "check", "corner", "repeat", "zero_again"]


class CalibrationRefused(Problem):
    """What was read cannot be right; the text says why and what to do. The procedure stands where it stood."""


class Reading(msgspec.Struct, frozen=True):
    """Counts under one steady load: robust mean, noise (1 σ of a sample), trend from first to last third."""

    mean_counts: float
    noise_counts: float
    trend_counts: float
    samples: int
    outliers: int


class CheckResult(msgspec.Struct, frozen=True):
    """One check weight as a test certificate states it: error, in g and in e, against what is permitted."""

    load_g: float
    error_g: float
    permitted_g: float
    interval_e_g: float
    position: str = ""

    @property
    def error_e(self) -> float:
        """The error in verification scale intervals."""
        return self.error_g / self.interval_e_g

    @property
    def passed(self) -> bool:
        """Within the maximum permissible error."""
        return abs(self.error_g) <= self.permitted_g


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """One finished calibration, a value that is never changed. `event` counts calibrations of this scale."""

    counts_per_gram: float
    tare_counts: int
    event: int
    span_g: float
    noise_g: float
    checks: tuple[CheckResult, ...] = ()
    repeatability_g: float | None = None
    made_at: str = ""
    made_by: str = ""

    def grams(self, counts: float) -> float:
        """Gross weight in g of a converter's reading."""
        return (counts - self.tare_counts) / self.counts_per_gram

    def applied_to(self, settings: ScaleSettings) -> ScaleSettings:
        """`settings` with this calibration in it."""
        return msgspec.structs.replace(settings, counts_per_gram=self.counts_per_gram, tare_counts=self.tare_counts)


class CalibrationHistory(msgspec.Struct, frozen=True):
    """All calibrations of one scale that are kept, oldest first. `events` never goes back, even when old ones go."""

    kept: tuple[Calibration, ...] = ()
    events: int = 0

    @property
    def current(self) -> Calibration | None:
        """The calibration in force."""
        return self.kept[-1] if self.kept else None

    def with_new(self, calibration: Calibration) -> CalibrationHistory:
        """The history with one more; raises `CalibrationRefused` where its event number does not follow."""
        if calibration.event != self.events + 1:
            raise CalibrationRefused(
                f"calibration event {calibration.event} does not follow {self.events}; start the calibration again"
            )
        return CalibrationHistory((*self.kept, calibration)[-HISTORY_MAX:], calibration.event)


class Ask(msgspec.Struct, frozen=True):
    """What the technician is to do next. `load_g` is what shall lie on the platform."""

    step: StepKind
    load_g: float
    text: str
    position: str = ""


def read(counts: Sequence[int]) -> Reading:
    """Summarise counts under one load; single wrong words are left out. Raises `CalibrationRefused`."""
    if len(counts) < SAMPLES_MIN:
        raise CalibrationRefused(f"only {len(counts)} samples; wait until at least {SAMPLES_MIN} have come in")
    if len(set(counts)) == 1:
        raise CalibrationRefused("the converter repeats one value; check its clock and data wires, then try again")
    if abs(statistics.median(counts)) >= RAIL_SHARE * RAIL_COUNTS:
        raise CalibrationRefused("the converter is at its limit; check the load cell's four wires, then try again")
    middle = statistics.median(counts)
    spread = 1.4826 * statistics.median(abs(c - middle) for c in counts)
    good = [c for c in counts if abs(c - middle) <= 6 * spread + 2]
    if len(good) < 0.8 * len(counts):
        raise CalibrationRefused(
            f"{len(counts) - len(good)} of {len(counts)} samples are far off; keep hands off and check the wiring"
        )
    third = max(1, len(good) // 3)
    # Successive differences see noise but not a slow settling (von Neumann 1941).
    pairs = zip(good[1:], good[:-1], strict=True)
    noise = math.sqrt(sum((b - a) ** 2 for b, a in pairs) / (2 * (len(good) - 1)))
    return Reading(
        mean_counts=statistics.fmean(good),
        noise_counts=noise,
        trend_counts=statistics.fmean(good[-third:]) - statistics.fmean(good[:third]),
        samples=len(good),
        outliers=len(counts) - len(good),
    )


class CalibrationProcedure:
    """Walks through zero, span, check weights, corners if wanted, the span once more and the empty platform again.

    `next` says what to do; `take` gives the counts read then; `finish` returns the new calibration. A refused step can
    simply be repeated.
    """

    def __init__(
        self,
        *,
        capacity_g: float,
        span_g: float,
        check_g: Sequence[float] = (),
        corner_g: float | None = None,
        interval_e_g: float = 5.0,
        history: CalibrationHistory | None = None,
    ) -> None:
        if interval_e_g <= 0:
            raise CalibrationRefused("the scale interval e must be above 0 g")
        if not capacity_g * SPAN_MIN_SHARE <= span_g <= capacity_g:
            raise CalibrationRefused(
                f"a span weight of {span_g:g} g is not between {SPAN_MIN_SHARE:.0%} and 100 % of {capacity_g:g} g; "
                "use a heavier or lighter one"
            )
        if any(not 0 < g <= capacity_g for g in (*check_g, *(() if corner_g is None else (corner_g,)))):
            raise CalibrationRefused(f"check weights must be above 0 and at most {capacity_g:g} g")
        self.history = history or CalibrationHistory()
        self._e_g = interval_e_g
        self._span_g = span_g
        self._asks = _plan(span_g, check_g, corner_g)
        self._readings: list[Reading] = []

    @property
    def next(self) -> Ask | None:
        """What to do next; None when all was read and `finish` may be called."""
        return self._asks[len(self._readings)] if len(self._readings) < len(self._asks) else None

    def take(self, counts: Sequence[int]) -> Reading:
        """Accept the counts read under the load asked for; raises `CalibrationRefused` and changes nothing then."""
        ask = self.next
        if ask is None:
            raise CalibrationRefused("all loads were read; finish the calibration")
        reading = read(counts)
        if ask.step == "zero":
            # No scale yet: noise can only be judged against the span, below.
            self._readings.append(reading)
            return reading
        zero = self._readings[0]
        if ask.step == "span":
            _check_span(zero, reading, self._span_g)
        per_gram = self._per_gram(reading if ask.step == "span" else None)
        _check_steady(reading, per_gram, self._e_g)
        if ask.step in {"check", "corner", "repeat"}:
            result = self._result(ask, reading)
            if not result.passed:
                raise CalibrationRefused(
                    f"{ask.load_g:g} g {ask.position} is off by {result.error_g:+.1f} g ({result.error_e:+.1f} e), "
                    f"permitted {result.permitted_g:g} g; check weight and platform, then try again"
                )
        elif ask.step == "zero_again":
            off_g = (reading.mean_counts - zero.mean_counts) / per_gram
            if abs(off_g) > self._e_g:
                raise CalibrationRefused(
                    f"the empty platform reads {off_g:+.1f} g after loading; take everything off, see that nothing "
                    "binds, and start again if it stays"
                )
        self._readings.append(reading)
        return reading

    def finish(self, *, made_at: str, made_by: str) -> Calibration:
        """The new calibration; raises `CalibrationRefused` while a load is still asked for."""
        ask = self.next
        if ask is not None:
            raise CalibrationRefused(f"not finished: {ask.text}")
        per_gram = self._per_gram(None)
        again, empty = self._readings[-2:]
        return Calibration(
            counts_per_gram=per_gram,
            tare_counts=round(empty.mean_counts),
            event=self.history.events + 1,
            span_g=self._span_g,
            noise_g=max(r.noise_counts for r in self._readings) / abs(per_gram),
            checks=tuple(
                self._result(a, r)
                for a, r in zip(self._asks, self._readings, strict=True)
                if a.step in {"check", "corner", "repeat"}
            ),
            repeatability_g=abs(again.mean_counts - self._readings[1].mean_counts) / abs(per_gram),
            made_at=made_at,
            made_by=made_by,
        )

    def _per_gram(self, span: Reading | None) -> float:
        reading = self._readings[1] if span is None else span
        return (reading.mean_counts - self._readings[0].mean_counts) / self._span_g

    def _result(self, ask: Ask, reading: Reading) -> CheckResult:
        grams = (reading.mean_counts - self._readings[0].mean_counts) / self._per_gram(None)
        permitted = permissible_error_g(ask.load_g, self._e_g)
        return CheckResult(ask.load_g, grams - ask.load_g, permitted, self._e_g, ask.position)


def _plan(span_g: float, check_g: Sequence[float], corner_g: float | None) -> tuple[Ask, ...]:
    asks = [
        Ask("zero", 0.0, "take everything out of the basket and keep hands off"),
        Ask("span", span_g, f"put {span_g:g} g in the middle"),
    ]
    asks += [Ask("check", g, f"replace it by {g:g} g in the middle") for g in check_g]
    if corner_g is not None:
        corners = ("front left", "front right", "rear left", "rear right")
        asks += [Ask("corner", corner_g, f"put {corner_g:g} g {where}", where) for where in corners]
    asks.append(Ask("repeat", span_g, f"put {span_g:g} g in the middle once more"))
    asks.append(Ask("zero_again", 0.0, "take everything out again"))
    return tuple(asks)


def _check_span(zero: Reading, span: Reading, span_g: float) -> None:
    change = span.mean_counts - zero.mean_counts
    noise = math.hypot(span.noise_counts, zero.noise_counts)
    if abs(change) < SPAN_MIN_COUNTS or abs(change) < 100 * noise:
        raise CalibrationRefused(
            f"{span_g:g} g changes the reading by only {change:.0f} counts (noise {noise:.0f}); is the weight on the "
            "platform, and the cell wired to channel A?"
        )
    if change < 0:
        raise CalibrationRefused(
            "the reading falls under load; swap the cell's two signal wires (A+ and A−) and start again"
        )


def _check_steady(reading: Reading, per_gram: float, e_g: float) -> None:
    noise_g = reading.noise_counts / abs(per_gram)
    if noise_g > NOISE_MAX_G:
        raise CalibrationRefused(
            f"noise of {noise_g:.1f} g a sample, at most {NOISE_MAX_G:g}; keep the cart still, out of the wind, and "
            "check the cell's plug"
        )
    trend_g = abs(reading.trend_counts / per_gram)
    if trend_g > 0.5 * e_g + 3 * noise_g / math.sqrt(max(1, reading.samples // 3)):
        raise CalibrationRefused(f"still moving by {trend_g:.1f} g; wait until it has settled, then try again")


def permissible_error_g(load_g: float, e_g: float, *, in_service: bool = False) -> float:
    """Maximum permissible error of class III (OIML R 76-1, table 6 and 3.5.2): twice as much in service."""
    m = abs(load_g) / e_g
    intervals = 0.5 if m <= 500 else 1.0 if m <= 2000 else 1.5
    return intervals * e_g * (2 if in_service else 1)


def minimum_load_g(e_g: float) -> float:
    """No price below this: 20 e in class III (OIML R 76-1, table 3)."""
    return 20 * e_g


def in_intervals_g(gross_g: float, e_g: float) -> float:
    """A weight rounded to the scale interval, halves away from zero."""
    return math.copysign(math.floor(abs(gross_g) / e_g + 0.5) * e_g, gross_g)


def why_not_registered(live: LiveWeight, net_g: float, e_g: float) -> str | None:
    """Why a price must not be made from this net weight now, in one line; None where it may."""
    if live.gross_g is None:
        return "the scale gives no weight"
    if live.over_capacity:
        return "over the scale's capacity"
    if not live.stable:
        return "the weight is not at rest"
    if net_g < 0:
        return "the net weight is below zero"
    if net_g < minimum_load_g(e_g):
        return f"below the minimum load of {minimum_load_g(e_g):g} g"
    return None


def tare_refused(live: LiveWeight) -> str | None:
    """Why the scale must not be set to zero or tared now; None where it may (OIML R 76-1, 4.5.4 and 4.6.4)."""
    if live.gross_g is None:
        return "the scale gives no weight"
    return None if live.stable and not live.over_capacity else "the weight is not at rest"


def drift_per_kelvin(readings: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope of an empty platform's (temperature in °C, gross in g); raises `CalibrationRefused`."""
    if len(readings) < 5 or max(t for t, _ in readings) - min(t for t, _ in readings) < 5.0:
        raise CalibrationRefused("needs at least five readings over 5 °C; let the cart warm up or cool down more")
    return statistics.linear_regression([t for t, _ in readings], [g for _, g in readings]).slope
