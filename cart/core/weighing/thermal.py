"""The scale's zero and span follow its temperature; so much of it as was measured is taken out again.

What is taken out depends on the thermometer alone, never on the weight, so no item is eaten by it however slowly it is
added; and it moves so slowly that a lying thermometer makes no step.
"""

from __future__ import annotations

import math

from cart.core.settings import ScaleSettings

SMOOTH_S = 300.0
"""Time constant put on the thermometer: a processor jumps within seconds, a cell's body follows within minutes."""
SLEW_G_PER_S = 0.03
"""A third of what drift is followed at under load (`reference.DRIFT_G_PER_S`), so it is never taken for a change."""


WAIT_S = 3.0
"""A fitted scale's first samples are not believed before its thermometer was heard: at a restart the weight is held
against the one before, and what warming adds would be a step. A thermometer that stays silent is not waited for."""


class Smoothed:
    """A thermometer's readings, first order low pass. `celsius` is None before the first."""

    def __init__(self) -> None:
        self.celsius: float | None = None
        self._last_s = 0.0

    def tell(self, t_s: float, celsius: float) -> float:
        """Take one reading; returns the smoothed temperature."""
        before = self.celsius
        share = 1.0 if before is None else 1.0 - math.exp(-max(0.0, t_s - self._last_s) / SMOOTH_S)
        self._last_s = t_s
        self.celsius = celsius if before is None else before + share * (celsius - before)
        return self.celsius


class Compensation:
    """Takes the temperature's influence out of gross weights. Without a fit, or without a thermometer, does nothing."""

    def __init__(self, settings: ScaleSettings) -> None:
        self._zero, self._span = settings.zero_g_per_kelvin, settings.span_per_kelvin
        self._reference = settings.reference_celsius
        self._range = settings.compensated_celsius
        self._thermometer = Smoothed()
        self._wanted_k: float | None = None
        self._applied_k: float | None = None
        self._last_ns: int | None = None
        self._first_ns: int | None = None
        worst = abs(self._zero) + abs(self._span) * settings.capacity_g
        self._slew_k_per_s = SLEW_G_PER_S / worst if worst else 0.0

    @property
    def active(self) -> bool:
        """Whether anything is taken out."""
        return self._slew_k_per_s > 0.0 and self._wanted_k is not None

    @property
    def zero_g(self) -> float:
        """What is taken out of an empty basket's weight now."""
        return self._zero * (self._applied_k or 0.0)

    def tell(self, t_ns: int, celsius: float) -> None:
        """The thermometer says so at `t_ns`. Beyond what the fit has seen, the nearest of what it has seen counts."""
        smooth = self._thermometer.tell(t_ns * 1e-9, celsius)
        if self._range:
            smooth = max(self._range[0], min(self._range[-1], smooth))
        self._wanted_k = smooth - self._reference

    def waits(self, t_ns: int) -> bool:
        """Whether a sample of `t_ns` comes before the temperature that it needs."""
        if self._wanted_k is not None or not self._slew_k_per_s:
            return False
        first_ns = self._first_ns = t_ns if self._first_ns is None else self._first_ns
        return t_ns - first_ns < WAIT_S * 1e9

    def corrected(self, t_ns: int, gross_g: float) -> float:
        """`gross_g` as it would be at the reference temperature."""
        wanted_k = self._wanted_k
        if wanted_k is None or not self._slew_k_per_s:
            self._last_ns = t_ns
            return gross_g
        if self._applied_k is None:
            # Known before anything was weighed: there is nothing yet to which this could be a change.
            self._applied_k = wanted_k if self._last_ns is None else 0.0
        most = self._slew_k_per_s * (t_ns - (t_ns if self._last_ns is None else self._last_ns)) * 1e-9
        self._last_ns = t_ns
        self._applied_k += max(-most, min(most, wanted_k - self._applied_k))
        return (gross_g - self._zero * self._applied_k) / (1.0 + self._span * self._applied_k)
