"""How zero and span follow the temperature: fitted from a log of an undisturbed platform, or refused with reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from cart.core.calibration import CalibrationRefused
from cart.core.linear import least_squares
from cart.core.weighing.thermal import Smoothed

READINGS_MIN = 30
SPAN_MIN_K = 5.0
"""Zero drifts by some 4 g/K: over 5 K that is 20 g beside a wander of some grams that has other causes."""
TURN_SHARE = 1 / 3
"""Of the span the temperature must have gone back: what drifts with time looks like warming until it does."""
BLOCKS = 4
"""Each quarter of the log is foretold from the other three."""
GAIN_MIN = 0.7
"""What may be left of the error in those: a fit that helps less is as likely to harm on the next day."""
ZERO_MAX_G_PER_K, SPAN_MAX_PER_K = 50.0, 1e-3
"""Ten times the worst cells; more is no temperature effect."""


class WarmReading(msgspec.Struct, frozen=True):
    """One reading of an undisturbed platform with `load_g` on it: the scale's mean counts over a few seconds."""

    t_s: float
    celsius: float
    counts: float
    load_g: float = 0.0


class ThermalFit(msgspec.Struct, frozen=True):
    """What was found. `rms_*_g` are errors of quarters of the log that the rest foretold, without and with it."""

    tare_counts: int
    """Of the empty platform at the reference temperature."""
    zero_g_per_kelvin: float
    span_per_kelvin: float
    low_celsius: float
    high_celsius: float
    rms_without_g: float
    rms_with_g: float
    readings: int


def fit_thermal(readings: Sequence[WarmReading], *, counts_per_gram: float, reference_celsius: float) -> ThermalFit:
    """Zero per kelvin, and span per kelvin where some of the log was taken with a load on.

    `readings` in order of time. Raises CalibrationRefused with what is missing in the log.
    """
    if len(readings) < READINGS_MIN:
        raise CalibrationRefused(f"{len(readings)} readings; log on until there are at least {READINGS_MIN}")
    thermometer = Smoothed()
    warm = [thermometer.tell(reading.t_s, reading.celsius) for reading in readings]
    _check_course(warm)
    loads = sorted({reading.load_g for reading in readings})
    if loads[0] != 0.0:
        raise CalibrationRefused("all readings were taken with a load on; log the empty basket, too")
    for load_g in loads[1:]:
        few = [t for t, reading in zip(warm, readings, strict=True) if reading.load_g in {0.0, load_g}]
        own = [t for t, reading in zip(warm, readings, strict=True) if reading.load_g == load_g]
        if len(own) < READINGS_MIN or max(own) - min(own) < SPAN_MIN_K:
            raise CalibrationRefused(
                f"with {load_g:g} g on it the log has {len(own)} readings over {max(own) - min(own):.1f} K of "
                f"{max(few) - min(few):.1f} K; log on with that load for at least {SPAN_MIN_K:g} K"
            )
    grams = [reading.counts / counts_per_gram - reading.load_g for reading in readings]
    rows = [_row(t - reference_celsius, reading.load_g, loads) for t, reading in zip(warm, readings, strict=True)]
    plain = [row[: len(loads)] for row in rows]
    found = least_squares(rows, grams)
    zero, span = found[len(loads)], (found[len(loads) + 1] if len(loads) > 1 else 0.0)
    without, left = _foretold_rms(plain, grams), _foretold_rms(rows, grams)
    if abs(zero) > ZERO_MAX_G_PER_K or abs(span) > SPAN_MAX_PER_K:
        raise CalibrationRefused(
            f"{zero:+.1f} g a kelvin, {span:+.1e} of the load a kelvin: no cell does that; was the basket touched? "
            "delete the log and begin again"
        )
    if left > GAIN_MIN * without:
        raise CalibrationRefused(
            f"the temperature explains too little: {without:.2f} g of error without it, {left:.2f} g with it; put the "
            "thermometer nearer to the cells, log on, or leave the scale as it is"
        )
    return ThermalFit(
        tare_counts=round(found[0] * counts_per_gram),
        zero_g_per_kelvin=zero,
        span_per_kelvin=span,
        low_celsius=min(warm),
        high_celsius=max(warm),
        rms_without_g=without,
        rms_with_g=left,
        readings=len(readings),
    )


def _check_course(warm: Sequence[float]) -> None:
    span = max(warm) - min(warm)
    if span < SPAN_MIN_K:
        raise CalibrationRefused(
            f"the temperature changed by {span:.1f} K; log on until the cart has been {SPAN_MIN_K:g} K warmer or colder"
        )
    lowest, highest = warm[0], warm[0]
    rise = fall = 0.0
    for celsius in warm:
        lowest, highest = min(lowest, celsius), max(highest, celsius)
        rise, fall = max(rise, celsius - lowest), max(fall, highest - celsius)
    if min(rise, fall) < TURN_SHARE * span:
        way = "warmer" if rise > fall else "colder"
        raise CalibrationRefused(
            f"it only got {way}, by {span:.1f} K, and what drifts with time looks the same; log on until "
            f"{TURN_SHARE * span:.1f} K of it have gone back"
        )


def _row(kelvin: float, load_g: float, loads: Sequence[float]) -> list[float]:
    """A zero of its own for each load, zero per kelvin, and span per kelvin where there are loads."""
    own = [float(load_g == one) for one in loads]
    return [*own, kelvin, kelvin * load_g] if len(loads) > 1 else [*own, kelvin]


def _foretold_rms(rows: Sequence[Sequence[float]], grams: Sequence[float]) -> float:
    """rms error of each quarter as the other three foretell it."""
    squares = 0.0
    for block in range(BLOCKS):
        first, end = block * len(rows) // BLOCKS, (block + 1) * len(rows) // BLOCKS
        others = [*rows[:first], *rows[end:]]
        try:
            found = least_squares(others, [*grams[:first], *grams[end:]])
        except ZeroDivisionError:
            raise CalibrationRefused(
                "a load was on for less than a quarter of the log only; log each load by turns, an hour at a time"
            ) from None
        squares += sum(
            (value - sum(a * b for a, b in zip(row, found, strict=True))) ** 2
            for row, value in zip(rows[first:end], grams[first:end], strict=True)
        )
    return math.sqrt(squares / len(rows))
