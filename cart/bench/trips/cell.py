"""A platform's conversions in virtual time, a rest at a time: as `Platform.conversions`, for whoever can wait for many.

Times, noise, wander and glitches come in batches, since they depend on nothing that hands do. While the platform is
still its words are reckoned together; while it moves, one by one. Same laws as one by one, other random numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from cart.bench.physics import Physics
from cart.bench.platform import GlitchKind, Platform
from cart.core.settings import ScaleSettings

BATCH = 4096
"""51 s at 80 samples/s: the batch's own cost is lost in it, and a trip throws little away at its end."""
GAP_S = (0.3, 0.7)
_GLITCHES: tuple[GlitchKind, ...] = ("spike", "spike", "max", "zero", "sign", "shifted")


class Cell:
    """One cart's `platform` and its converter. Times are ns from 0 on."""

    def __init__(self, settings: ScaleSettings, seed: int, physics: Physics) -> None:
        self.platform = Platform(settings, seed, msgspec.structs.replace(physics, glitches_per_hour=0.0))
        self._physics = physics
        self._rng = np.random.default_rng(seed)
        self._period_ns = 1e9 / (settings.samples_per_second * (1 + physics.crystal_error))
        self._ideal_ns = 0.0
        self._next = 0
        self._draw()

    @property
    def next_ns(self) -> int:
        """When the next conversion will be ready."""
        return self._listed[self._next]

    def until(self, end_ns: int) -> Iterator[tuple[int, int]]:
        """(time, counts) of each conversion up to `end_ns`. Hands may act before and after, not meanwhile."""
        while self.next_ns <= end_ns:
            first = self._next
            still = bisect_right(self._listed, min(end_ns, self.platform.still_until_ns), first)
            if still > first + 1:
                self._next = still
                times = self._listed[first:still]
                counts = self.platform.still_counts(self._times[first:still], self._zero_g[first:still])
            else:
                self._next += 1
                times = [self._listed[first]]
                counts = [self.platform.counts_at(times[0])]
            if self._next == len(self._listed):
                self._draw()
            yield from zip(times, counts, strict=True)

    def _draw(self) -> None:
        """The next batch: clock with jitter and gaps, noise and wander of zero, glitches."""
        rng, physics, period_ns = self._rng, self._physics, self._period_ns
        gaps = rng.random(BATCH) < physics.gaps_per_hour * period_ns / 3.6e12
        steps_ns = period_ns + gaps * rng.uniform(*GAP_S, BATCH) * 1e9
        ideal_ns = self._ideal_ns + np.concatenate(([0.0], np.cumsum(steps_ns)))
        self._ideal_ns = float(ideal_ns[-1])
        jitter_ns = np.clip(rng.normal(0.0, physics.jitter_s * 1e9, BATCH), -0.4 * period_ns, 0.4 * period_ns)
        self._times: NDArray[np.int64] = np.maximum(0, np.rint(ideal_ns[:-1] + jitter_ns)).astype(np.int64)
        self._listed: list[int] = self._times.tolist()
        self._zero_g = self.platform.wander_g(self._times) + rng.normal(0.0, physics.noise_g, BATCH)
        for spoilt in np.flatnonzero(rng.random(BATCH) < physics.glitches_per_hour * period_ns / 3.6e12).tolist():
            self.platform.glitch(self._listed[spoilt], _GLITCHES[int(rng.integers(len(_GLITCHES)))])
        self._next = 0
