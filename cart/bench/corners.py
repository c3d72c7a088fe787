"""A platform on four cells: what lies where decides what each of them bears.

Statics of a stiff plate on four equal springs: a force F at (x, y), in half distances between the cells, presses the
cell at (a, b) = (±1, ±1) with F/4 · (1 + a·x + b·y). Each cell has a sensitivity, a zero and a noise of its own. What
moves the platform beyond what lies on it, a hand or its ringing, acts where the last hand was.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import msgspec

from cart.bench.physics import Physics
from cart.bench.platform import COUNTS_MAX, COUNTS_MIN, Platform, Style
from cart.core.settings import ScaleSettings

CORNER_XY = ((-1.0, 1.0), (1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))
"""Front left, front right, rear left, rear right: x to the right, y to the front."""
EXACT = 200.0
"""Counts a gram of the platform underneath: fine, and 40 kg before its converter clips."""
REACH = 0.7
"""Things lie within this, of half the distance between cells: they have a size, and the basket has walls."""
Place = tuple[float, float]


class CornerPlatform(Platform):
    """As `Platform`, with `cells_at` beside `counts_at`; hands may say where. `settings` are the trimmed mean's."""

    def __init__(
        self,
        settings: ScaleSettings,
        seed: int,
        physics: Physics | None = None,
        *,
        gains: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    ) -> None:
        """`gains`: each cell's sensitivity against the nominal one."""
        wanted = physics or Physics()
        exact = msgspec.structs.replace(settings, counts_per_gram=EXACT, tare_counts=0)
        still = msgspec.structs.replace(wanted, noise_g=0.0, wander_g=0.0, drift_g_per_k=0.0, glitches_per_hour=0.0)
        super().__init__(exact, seed, still)
        self._whole = settings
        self._wanted = wanted
        self._gains = tuple(gains)
        self._own = random.Random(seed ^ 0x4C)
        self._moment = [0.0, 0.0]  # of what lies there, in grams times half distances
        self._lying_g = 0.0
        self._hand: Place = (0.0, 0.0)
        self._coming: list[tuple[int, float, Place]] = []  # when, how much, where
        self._sway = [self._own.uniform(0.0, 2 * math.pi) for _ in CORNER_XY]

    def put(
        self,
        t_ns: int,
        mass_g: float,
        *,
        press_g: float | None = None,
        style: Style | None = None,
        at: Place | None = None,
    ) -> int:
        """As `Platform.put`, at a place, or anywhere in the basket."""
        rest_ns = super().put(t_ns, mass_g, press_g=press_g, style=style)
        return self._act(rest_ns, mass_g, at or (self._own.uniform(-REACH, REACH), self._own.uniform(-REACH, REACH)))

    def take(self, t_ns: int, mass_g: float, *, at: Place | None = None) -> int:
        """As `Platform.take`, from a place, or from where the load's centre is."""
        middle = (self._moment[0] / self._lying_g, self._moment[1] / self._lying_g) if self._lying_g else (0.0, 0.0)
        return self._act(super().take(t_ns, mass_g), -mass_g, at or middle)

    def cells_at(self, t_ns: int) -> tuple[int, ...]:
        """Advance to `t_ns` and return the four cells' conversions that are ready then."""
        gross_g = super().counts_at(t_ns) / EXACT
        for due in [one for one in self._coming if one[0] <= t_ns]:
            self._coming.remove(due)
            _, mass_g, (x, y) = due
            self._lying_g += mass_g
            self._moment[0] += mass_g * x
            self._moment[1] += mass_g * y
        acting_g = gross_g - self._lying_g
        x_g = self._moment[0] + acting_g * self._hand[0]
        y_g = self._moment[1] + acting_g * self._hand[1]
        cells = []
        for at, (a, b) in enumerate(CORNER_XY):
            borne_g = (gross_g + a * x_g + b * y_g) / 4 + self._zero_g(at, t_ns)
            # The mean of four must have the counts a gram, and the noise, of the whole.
            counts = self._whole.tare_counts + 4 * self._whole.counts_per_gram * self._gains[at] * (
                borne_g + self._own.gauss(0.0, self._wanted.noise_g / 2)
            )
            cells.append(max(COUNTS_MIN, min(COUNTS_MAX, round(counts))))
        return tuple(cells)

    def _zero_g(self, at: int, t_ns: int) -> float:
        """A cell's own zero: its share of the temperature's drift, and a wander of its own."""
        phase = self._sway[at]
        wander = self._wanted.wander_g / 4 * (math.sin(2e-9 * math.pi * t_ns / 5400.0 + phase) - math.sin(phase))
        return self._wanted.drift_g_per_k * self._kelvin / 4 + wander

    def _act(self, rest_ns: int, mass_g: float, place: Place) -> int:
        self._hand = place
        self._coming.append((rest_ns, mass_g, place))
        return rest_ns
