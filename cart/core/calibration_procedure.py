"""A calibration that a technician cannot get wrong.

The procedure is pure: it asks for one load after another, takes the counts read under each and either accepts them or
refuses with the reason and what to do. Nothing changes until `finish`, and the old calibrations stay in the history.
On a platform of four cells the corners come first, since their trims decide what every other load counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from cart.core.calibration import (
    Calibration,
    CalibrationHistory,
    CalibrationRefused,
    CheckResult,
    Reading,
    permissible_error_g,
    read,
)
from cart.core.calibration_corners import fit_trims
from cart.core.weighing.cells import CORNERS, combined

NOISE_MAX_G = 5.0
"""Real rigs show 0.3–3 g; more is a loose wire, wind or a hand."""
SPAN_MIN_SHARE = 0.1
"""Of the capacity: a smaller span multiplies its own errors too much at full load."""
SPAN_MIN_COUNTS = 2000
ZERO_MOVED_SHARE = 0.01
"""Of the capacity: zero never wanders so far, so something lies there, or the cell is another one."""

StepKind = Literal["zero", "span", "check", "corner", "repeat", "zero_again"]
CHECKED: tuple[StepKind, ...] = ("check", "corner", "repeat")


class Ask(msgspec.Struct, frozen=True):
    """What the technician is to do next. `load_g` is what shall lie on the platform."""

    step: StepKind
    load_g: float
    text: str
    position: str = ""


class CalibrationProcedure:
    """Walks through zero, span, check weights, corners if wanted, the span once more and the empty platform again.

    `next` says what to do; `take` gives the counts read then; `finish` returns the new calibration. A refused step can
    simply be repeated; where the empty platform was read wrongly, `next` is that again.
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
        cells: bool = False,
        new_cell: bool = False,
    ) -> None:
        """`cells`: four of them, each with its converter. `new_cell`: what the old calibration says of zero is void.

        Raises CalibrationRefused for loads from which nothing could be learned.
        """
        _check_plan(capacity_g, span_g, check_g, corner_g, interval_e_g)
        self.history = history or CalibrationHistory()
        self._capacity_g = capacity_g
        self._e_g = interval_e_g
        self._span_g = span_g
        self._cells = cells
        self._asks = _plan(span_g, check_g, span_g if cells and corner_g is None else corner_g, corners_first=cells)
        self._span_at = next(at for at, ask in enumerate(self._asks) if ask.step == "span")
        self._readings: list[Reading] = []
        self._trims: tuple[float, ...] = ()
        known = self.history.current
        self._known = known if known is not None and known.made_at and not new_cell else None

    @property
    def next(self) -> Ask | None:
        """What to do next; None when all was read and `finish` may be called."""
        return self._asks[len(self._readings)] if len(self._readings) < len(self._asks) else None

    def take(self, counts: Sequence[int], cells: Sequence[Sequence[int]] = ()) -> Reading:
        """Accept the counts read under the load asked for; raises `CalibrationRefused` and changes nothing then.

        `cells`: with four cells, the four's own counts for each of `counts`.
        """
        ask = self.next
        if ask is None:
            raise CalibrationRefused("all loads were read; finish the calibration")
        reading = self._read(counts, cells)
        match ask.step:
            case "zero":
                self._check_empty(reading)
            case "span":
                self._check_span(reading)
            case "corner" if self._cells:
                self._take_corner(reading)
            case "zero_again":
                self._check_empty_again(reading)
            case _:
                self._check_weight(ask, reading)
        self._readings.append(reading)
        return reading

    def finish(self, *, made_at: str, made_by: str, celsius: float | None = None) -> Calibration:
        """The new calibration; raises `CalibrationRefused` while a load is still asked for."""
        ask = self.next
        if ask is not None:
            raise CalibrationRefused(f"not finished: {ask.text}")
        per_gram = self._per_gram()
        again, empty = self._readings[-2:]
        thermal = self.history.current
        return Calibration(
            counts_per_gram=per_gram,
            tare_counts=round(self._counts(empty)),
            event=self.history.events + 1,
            span_g=self._span_g,
            noise_g=max(r.noise_counts for r in self._readings) / abs(per_gram),
            checks=tuple(
                self._result(a, r) for a, r in zip(self._asks, self._readings, strict=True) if a.step in CHECKED
            ),
            repeatability_g=abs(self._counts(again) - self._counts(self._readings[self._span_at])) / abs(per_gram),
            made_at=made_at,
            made_by=made_by,
            celsius=celsius,
            cell_trims=self._trims,
            cell_tare_counts=tuple(round(c) for c in empty.cells),
            zero_g_per_kelvin=thermal.zero_g_per_kelvin if thermal else 0.0,
            span_per_kelvin=thermal.span_per_kelvin if thermal else 0.0,
            reference_celsius=round(celsius, 2)
            if celsius is not None
            else thermal.reference_celsius
            if thermal
            else 20.0,
            compensated_celsius=thermal.compensated_celsius if thermal else (),
        )

    def _read(self, counts: Sequence[int], cells: Sequence[Sequence[int]]) -> Reading:
        if not self._cells:
            return read(counts)
        means = []
        for corner, column in zip(CORNERS, zip(*cells, strict=True), strict=True):
            try:
                means.append(read(column).mean_counts)
            except CalibrationRefused as refused:
                raise CalibrationRefused(f"{corner} cell: {refused}") from None
        return msgspec.structs.replace(read(counts), cells=tuple(means))

    def _counts(self, reading: Reading) -> float:
        return combined(reading.cells, self._trims) if reading.cells else reading.mean_counts

    def _per_gram(self) -> float:
        return self._gained(self._readings[self._span_at]) / self._span_g

    def _gained(self, reading: Reading) -> float:
        return self._counts(reading) - self._counts(self._readings[0])

    def _result(self, ask: Ask, reading: Reading) -> CheckResult:
        error_g = self._gained(reading) / self._per_gram() - ask.load_g
        return CheckResult(ask.load_g, error_g, permissible_error_g(ask.load_g, self._e_g), self._e_g, ask.position)

    def _check_empty(self, reading: Reading) -> None:
        """Where an earlier calibration knows it, nothing lies on the platform."""
        if self._known is None:
            return
        there_g = (self._counts_by_known(reading) - self._known.tare_counts) / self._known.counts_per_gram
        if abs(there_g) > ZERO_MOVED_SHARE * self._capacity_g:
            raise CalibrationRefused(
                f"by the calibration in force {there_g:+.0f} g lie on it; take everything out and try again, or, if a "
                "cell or converter was changed, begin again with --new-cell"
            )

    def _counts_by_known(self, reading: Reading) -> float:
        trims = self._known.cell_trims if self._known else ()
        return combined(reading.cells, trims) if reading.cells else reading.mean_counts

    def _check_span(self, span: Reading) -> None:
        zero = self._readings[0]
        change = self._gained(span)
        noise = math.hypot(span.noise_counts, zero.noise_counts)
        if abs(change) < SPAN_MIN_COUNTS or abs(change) < 100 * noise:
            raise CalibrationRefused(
                f"{self._span_g:g} g changes the reading by only {change:.0f} counts (noise {noise:.0f}); is the "
                "weight on the platform, and the cell wired to channel A?"
            )
        if change < 0:
            raise CalibrationRefused(
                "the reading falls under load; swap the cell's two signal wires (A+ and A−), or take off what was "
                "still on at the first reading, and begin anew after Ctrl-C"
            )
        per_gram = change / self._span_g
        _check_steady(span, per_gram, self._e_g)
        try:
            _check_steady(zero, per_gram, self._e_g)
        except CalibrationRefused as refused:
            self._readings.clear()
            self._trims = ()
            raise CalibrationRefused(f"the empty platform was not at rest ({refused}); we begin again there") from None
        if self._cells:
            self._check_middle(per_gram)

    def _check_middle(self, per_gram: float) -> None:
        """The corners' weight, weighed by the middle's span: else one corner was read wrongly, and trimmed to that."""
        for ask, reading in zip(self._asks, self._readings, strict=False):
            off_g = self._gained(reading) / per_gram - ask.load_g
            if ask.step == "corner" and abs(off_g) > permissible_error_g(ask.load_g, self._e_g):
                self._readings.clear()
                self._trims = ()
                raise CalibrationRefused(
                    f"the corners and the middle differ by {off_g:+.1f} g at {ask.load_g:g} g: was it the same weight "
                    "everywhere, and nobody leaning? We begin again with the empty platform"
                )

    def _take_corner(self, reading: Reading) -> None:
        """Noise is judged by what this weight itself makes of the counts; the last corner gives the trims."""
        zero = self._readings[0]
        change = sum(reading.cells) - sum(zero.cells)
        if abs(change) < SPAN_MIN_COUNTS:
            raise CalibrationRefused(f"the weight changes the reading by only {change / 4:.0f} counts; is it on?")
        _check_steady(reading, change / 4 / self._asks[1].load_g, self._e_g)
        if len(self._readings) == len(CORNERS):
            try:
                self._trims = fit_trims(zero.cells, [one.cells for one in (*self._readings[1:], reading)])
            except CalibrationRefused:
                del self._readings[1:]
                raise

    def _check_weight(self, ask: Ask, reading: Reading) -> None:
        _check_steady(reading, self._per_gram(), self._e_g)
        result = self._result(ask, reading)
        if result.passed:
            return
        before = self._asks[len(self._readings) - 1]
        here_g = ask.load_g + result.error_g
        if before.load_g != ask.load_g and abs(here_g - before.load_g) <= permissible_error_g(before.load_g, self._e_g):
            raise CalibrationRefused(
                f"it still reads {here_g:.1f} g; replace the {before.load_g:g} g by {ask.load_g:g} g and try again"
            )
        where = f" {ask.position}" if ask.position else ""
        raise CalibrationRefused(
            f"{ask.load_g:g} g{where} is off by {result.error_g:+.1f} g ({result.error_e:+.1f} e), permitted "
            f"{result.permitted_g:g} g; see that it is that weight alone and nobody leans on the cart, then try again"
        )

    def _check_empty_again(self, reading: Reading) -> None:
        off_g = self._gained(reading) / self._per_gram()
        if abs(off_g) > self._e_g:
            raise CalibrationRefused(
                f"the empty platform reads {off_g:+.1f} g after loading; take everything off, see that nothing "
                "binds, and start again if it stays"
            )


def _check_plan(
    capacity_g: float, span_g: float, check_g: Sequence[float], corner_g: float | None, interval_e_g: float
) -> None:
    if interval_e_g <= 0:
        raise CalibrationRefused("the scale interval e must be above 0 g; set policy.verification_interval_e_g")
    if not capacity_g * SPAN_MIN_SHARE <= span_g <= capacity_g:
        grams = (
            f"; weights are in grams: {span_g:g} kg is --span {1000 * span_g:g}" if span_g <= capacity_g / 1000 else ""
        )
        raise CalibrationRefused(
            f"a span weight of {span_g:g} g is not between {SPAN_MIN_SHARE:.0%} and 100 % of {capacity_g:g} g; "
            f"use a heavier or lighter one{grams}"
        )
    for load_g in (*check_g, *(() if corner_g is None else (corner_g,))):
        if not 0 < load_g <= capacity_g:
            raise CalibrationRefused(f"check weights must be above 0 and at most {capacity_g:g} g, not {load_g:g} g")
        if load_g < 20 * interval_e_g:
            grams = f"; {load_g:g} kg is {1000 * load_g:g}" if load_g <= capacity_g / 1000 else ""
            raise CalibrationRefused(
                f"{load_g:g} g is below the minimum load of {20 * interval_e_g:g} g and checks nothing; weights are in "
                f"grams{grams}"
            )
    if span_g in check_g:
        raise CalibrationRefused(
            f"checking with the span's own {span_g:g} g says nothing of what lies between; use another weight"
        )
    if len(set(check_g)) < len(check_g):
        raise CalibrationRefused("the same check weight is named twice; use different ones")


def _plan(span_g: float, check_g: Sequence[float], corner_g: float | None, *, corners_first: bool) -> tuple[Ask, ...]:
    corners = (
        [Ask("corner", corner_g, f"put {corner_g:g} g {at}", at) for at in CORNERS] if corner_g is not None else []
    )
    asks = [Ask("zero", 0.0, "take everything out of the basket and keep hands off")]
    asks += corners if corners_first else []
    asks.append(Ask("span", span_g, f"put {span_g:g} g in the middle"))
    asks += [Ask("check", g, f"replace it by {g:g} g in the middle") for g in check_g]
    asks += [] if corners_first else corners
    asks.append(Ask("repeat", span_g, f"put {span_g:g} g in the middle once more"))
    asks.append(Ask("zero_again", 0.0, "take everything out again"))
    return tuple(asks)


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
