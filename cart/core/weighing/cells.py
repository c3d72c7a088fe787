"""Four cells, one a corner: their sum, where on the platform a change came down, and a cell that is dead.

Statics of a plate on four corners: a load's moment is shared as its force is, so the mean of the corners' places,
weighted with what each cell gained, is the place of what was put down, however stiff the plate is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from cart.core.settings import ScaleSettings

CORNERS = ("front left", "front right", "rear left", "rear right")
"""The order of the cells everywhere, as seen by whoever pushes the cart."""
CORNER_XY = ((-1.0, 1.0), (1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))
"""Their places: x to the right, y to the front."""
KEPT = 32
"""Samples of all cells remembered: 0.4 s at 80/s, more than a step takes to be decided after it settled."""
AFTER_MAX, AFTER_MIN, SETTLING = 16, 3, 4
FOLLOW_S = 30.0
"""How slowly a cell's level at rest follows creep and drift."""
FOLLOW_LIMIT_G = 10.0
"""A wrong word moves a level by no more than it would from here."""
PLACE_SD_MAX = 0.3
PLACE_MAX = 1.6
"""Of half the distance between cells: further out nothing can lie, so several things must have moved at once."""
STUCK_S, STUCK_WORDS, STUCK_WORDS_QUIET = 1.0, 24, 480
"""As for one cell (`intake`): noise spreads true readings over several codes."""
IDLE_STEPS, IDLE_G, IDLE_SHARE = 8, 8000.0, 0.01
"""So many steps of so much weight in all, and a cell has borne less than this share of a quarter of it: it bears
nothing. Of what lies anywhere but in the opposite corner each cell bears more."""


class Place(msgspec.Struct, frozen=True):
    """Where a change came down: x to the right, y to the front, ±1 at the cells, with 1 σ of either."""

    x: float
    y: float
    sd: float


class Counted(Protocol):
    """A reading of the converter, or of four."""

    @property
    def counts(self) -> int: ...
    @property
    def cells(self) -> tuple[int, ...]: ...


def combined(cells: Sequence[float], trims: Sequence[float]) -> float:
    """The scale's counts of four cells' counts: their mean, each times its trim (none: 1)."""
    trimmed = sum(c * f for c, f in zip(cells, trims, strict=True)) if trims else sum(cells)
    return trimmed / len(cells)


def scale_counts(reading: Counted, settings: ScaleSettings) -> int:
    """What a reading counts for the scale: with four cells their trimmed mean, else as it is."""
    return round(combined(reading.cells, settings.cell_trims)) if reading.cells else reading.counts


class CellWatch:
    """Looks at the four cells of a platform, sample by sample; constant memory."""

    def __init__(self, settings: ScaleSettings) -> None:
        per_cell = 1.0 / (len(CORNERS) * settings.counts_per_gram)
        self._grams = tuple(per_cell * trim for trim in settings.cell_trims or (1.0,) * len(CORNERS))
        self._kept: deque[tuple[int, Sequence[int]]] = deque(maxlen=KEPT)
        self._base: list[float] | None = None
        self._rests = 0
        self._variance = 0.25
        self._same = [1] * len(CORNERS)
        self._same_since_ns = [0] * len(CORNERS)
        self._borne_g = [0.0] * len(CORNERS)
        self._steps = 0
        self._idle = ""

    def feed(self, t_ns: int, cells: Sequence[int], period_s: float, *, at_rest: bool) -> str:
        """Take one sample of all cells. Which cell is dead and how that shows, empty while none is."""
        last = self._kept[-1][1] if self._kept else ()
        self._kept.append((t_ns, cells))
        stuck = self._stuck(t_ns, cells, last)
        if stuck or self._idle:
            return stuck or self._idle
        if at_rest:
            self._follow(cells, period_s)
        return ""

    def place(self, rest_ns: int) -> Place | None:
        """Where the step that came to rest at `rest_ns` came down; None where the cells cannot say. Once a step."""
        base = self._base
        settled = [cells for t_ns, cells in self._kept if t_ns >= rest_ns][SETTLING:]
        few = settled[-AFTER_MAX:] if len(settled) >= AFTER_MIN else [cells for _, cells in self._kept][-AFTER_MIN:]
        levels = [
            gram * sum(column) / len(few) for gram, column in zip(self._grams, zip(*few, strict=True), strict=True)
        ]
        self._base = levels
        self._rests = len(few)
        if base is None:
            return None
        gained = [after - before for after, before in zip(levels, base, strict=True)]
        self._note_borne(gained)
        total = sum(gained)
        sd = 2.0 * math.sqrt(self._variance * (1.0 / len(few) + 0.02)) / max(abs(total), 1e-9)
        if sd > PLACE_SD_MAX:
            return None
        x, y = (sum(g * at[axis] for g, at in zip(gained, CORNER_XY, strict=True)) / total for axis in (0, 1))
        if max(abs(x), abs(y)) > PLACE_MAX:
            return None
        return Place(round(x, 3), round(y, 3), round(sd * math.sqrt(1.0 + max(x * x, y * y)), 3))

    def looked_at(self) -> None:
        """A technician looked: what the cells have borne is counted anew."""
        self._idle = ""
        self._steps = 0
        self._borne_g = [0.0] * len(CORNERS)

    def _follow(self, cells: Sequence[int], period_s: float) -> None:
        if self._base is None:
            self._base = [gram * c for gram, c in zip(self._grams, cells, strict=True)]
        self._rests += 1
        share = max(period_s / FOLLOW_S, 1.0 / self._rests)
        for at, (gram, counts) in enumerate(zip(self._grams, cells, strict=True)):
            off_g = max(-FOLLOW_LIMIT_G, min(FOLLOW_LIMIT_G, gram * counts - self._base[at]))
            self._base[at] += share * off_g
            if self._rests > KEPT:
                self._variance += 0.01 * (min(off_g * off_g, 9 * self._variance) - self._variance)

    def _stuck(self, t_ns: int, cells: Sequence[int], last: Sequence[int]) -> str:
        for at, counts in enumerate(cells):
            if not last or counts != last[at]:
                self._same[at] = 1
                self._same_since_ns[at] = t_ns
                continue
            self._same[at] += 1
            spread = math.sqrt(self._variance) / abs(self._grams[at])
            words = STUCK_WORDS if spread > 1.0 else STUCK_WORDS_QUIET
            if self._same[at] >= words and t_ns - self._same_since_ns[at] >= STUCK_S * 1e9:
                return f"{CORNERS[at]} cell: {self._same[at]} times {counts}"
        return ""

    def _note_borne(self, gained: Sequence[float]) -> None:
        self._steps += 1
        for at, gained_g in enumerate(gained):
            self._borne_g[at] += abs(gained_g)
        total_g = sum(self._borne_g)
        if self._steps < IDLE_STEPS or total_g < IDLE_G:
            return
        for at, borne_g in enumerate(self._borne_g):
            if borne_g < IDLE_SHARE * total_g / len(CORNERS):
                self._idle = f"{CORNERS[at]} cell: bore {borne_g:.0f} g of {total_g:.0f} g in {self._steps} steps"
