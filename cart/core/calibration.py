"""Counts to grams: what a calibration is, what was read for it, and how exact it must be.

A calibration is a value that is never changed; the old ones stay in the history, and each change is counted. How one
is made: `calibration_procedure`. What is permitted are the errors of OIML R 76-1:2006 for class III: 3.5.1, table 6, on
initial verification (twice that in service, 3.5.2).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

from cart.core.problem import Problem
from cart.core.settings import ScaleSettings

SAMPLES_MIN = 16
RAIL_COUNTS = 8_388_607
RAIL_SHARE = 0.98
HISTORY_MAX = 50
"""Kept calibrations; one a month is four years."""


class CalibrationRefused(Problem):
    """What was read cannot be right; the text says why and what to do. The procedure stands where it stood."""


class Reading(msgspec.Struct, frozen=True):
    """Counts under one steady load: robust mean, noise (1 σ of a sample), trend from first to last third.

    `cells` are the four cells' own means where each has its converter.
    """

    mean_counts: float
    noise_counts: float
    trend_counts: float
    samples: int
    outliers: int
    cells: tuple[float, ...] = ()


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

    celsius: float | None = None
    """The scale's temperature then, where it has a thermometer."""
    cell_trims: tuple[float, ...] = ()
    cell_tare_counts: tuple[int, ...] = ()
    zero_g_per_kelvin: float = 0.0
    span_per_kelvin: float = 0.0
    reference_celsius: float = 20.0
    compensated_celsius: tuple[float, ...] = ()

    def grams(self, counts: float) -> float:
        """Gross weight in g of a converter's reading."""
        return (counts - self.tare_counts) / self.counts_per_gram

    @property
    def keys(self) -> dict[str, object]:
        """What of it stands in the table [scale], by key."""
        return {key: getattr(self, key) for key in CALIBRATED}

    def as_stored(self) -> Calibration:
        """With the digits that cart.toml keeps, so that file and history agree to the last one."""
        digits = {"zero_g_per_kelvin": 5, "span_per_kelvin": 9, "reference_celsius": 2}
        rounded = {key: round(getattr(self, key), n) for key, n in digits.items()}
        compensated = tuple(round(t, 2) for t in self.compensated_celsius)
        return msgspec.structs.replace(
            self, counts_per_gram=round(self.counts_per_gram, 6), compensated_celsius=compensated, **rounded
        )

    def is_of(self, settings: ScaleSettings) -> bool:
        """Whether these settings are this calibration's."""
        return all(getattr(settings, key) == value for key, value in self.keys.items())

    @classmethod
    def found(cls, settings: ScaleSettings, *, event: int, made_by: str) -> Calibration:
        """The calibration that stands in `settings`, of which nothing else is known."""
        keys = {key: getattr(settings, key) for key in CALIBRATED}
        return cls(event=event, span_g=0.0, noise_g=0.0, made_by=made_by, **keys)


CALIBRATED = (
    "counts_per_gram", "tare_counts", "cell_trims", "cell_tare_counts", "zero_g_per_kelvin", "span_per_kelvin",
    "reference_celsius", "compensated_celsius",
)  # fmt: skip
"""The keys of [scale] that a calibration decides."""


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


def permissible_error_g(load_g: float, e_g: float) -> float:
    """Maximum permissible error of class III on initial verification (OIML R 76-1, 3.5.1, table 6)."""
    m = abs(load_g) / e_g
    intervals = 0.5 if m <= 500 else 1.0 if m <= 2000 else 1.5
    return intervals * e_g
