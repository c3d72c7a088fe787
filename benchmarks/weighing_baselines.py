"""What the weighing is compared with: two detectors as hobby code writes them, and an oracle that is the floor."""

from __future__ import annotations

import abc
import math
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from benchmarks.weighing_signals import SECOND, Signal, Truth
from cart.bench.physics import SETTLING_CONVERSIONS

STEP_MIN_G = 3.0


class Found(msgspec.Struct, frozen=True):
    """A step as a detector reports it."""

    decided_ns: int
    delta_g: float
    sigma_g: float = 1.0


class Detector(Protocol):
    """Grams in, steps out."""

    def run(self, samples: Sequence[tuple[int, float]]) -> list[Found]:
        """All steps in `samples` (ns, g), each decided from samples up to then."""
        ...


class Smoothed(msgspec.Struct, frozen=True):
    """A filter over the last `length` samples; a step once `window` of its values in a row lie within `band_g`, away
    from the last stable value."""

    window: int
    band_g: float
    length: int = 10

    @abc.abstractmethod
    def middle(self, last: Sequence[float]) -> float:
        """What the filter makes of the last samples, g."""

    def run(self, samples: Sequence[tuple[int, float]]) -> list[Found]:
        """All steps."""
        return _stable_changes(self._smoothed(samples), self.window, self.band_g)

    def _smoothed(self, samples: Sequence[tuple[int, float]]) -> Iterator[tuple[int, float]]:
        last: deque[float] = deque(maxlen=self.length)
        for t_ns, g in samples:
            last.append(g)
            if len(last) == self.length:
                yield t_ns, self.middle(last)


class MovingAverage(Smoothed, frozen=True):
    """Mean of ten samples."""

    def middle(self, last: Sequence[float]) -> float:
        return sum(last) / len(last)


class MedianFilter(Smoothed, frozen=True):
    """Median of fifteen samples."""

    length: int = 15

    def middle(self, last: Sequence[float]) -> float:
        return statistics.median(last)


def _stable_changes(smoothed: Iterator[tuple[int, float]], window: int, band_g: float) -> list[Found]:
    recent: deque[float] = deque(maxlen=window)
    stable: float | None = None
    found = []
    for t_ns, g in smoothed:
        recent.append(g)
        if len(recent) < window or max(recent) - min(recent) > band_g:
            continue
        if stable is None:
            stable = g
        elif abs(g - stable) >= STEP_MIN_G:
            found.append(Found(t_ns, g - stable))
            stable = g
        else:
            # Followed freely, as hobby code does: this is how slowly added items get lost.
            stable += 0.02 * (g - stable)
    return found


MOVING_AVERAGES = tuple(MovingAverage(w, b) for w in (4, 8, 16, 32) for b in (1.5, 3.0, 6.0))
MEDIANS = tuple(MedianFilter(w, b) for w in (4, 8, 16, 32) for b in (1.5, 3.0, 6.0))


def oracle_latency_s(signal: Signal, truth: Truth) -> float:
    """From last touch until the oracle registers: the first sample with σ ≤ max(1 g, 0.1 %).

    It knows resonance, damping, noise and the moment of release, and fits level and oscillation to all settled samples
    since. No detector can be expected to do better with the same samples.
    """
    physics, rate = signal.physics, signal.settings.samples_per_second * (1 + signal.physics.crystal_error)
    load_g = max(0.0, truth.load_g + truth.delta_g)
    hz = physics.resonance_hz * math.sqrt(physics.platform_g / (physics.platform_g + load_g))
    target_g = max(1.0, 0.001 * abs(truth.delta_g))
    settled_ns = truth.rest_ns + round(SETTLING_CONVERSIONS / rate * SECOND)
    first = next((i for i, (t_ns, _) in enumerate(signal.samples) if t_ns >= settled_ns), len(signal.samples))
    for n in range(1, 200):
        if physics.noise_g * _level_norm(n, 2 * math.pi * hz / rate, physics.damping, rate < 40) <= target_g:
            last = min(first + n - 1, len(signal.samples) - 1)
            return (signal.samples[last][0] - truth.rest_ns) / SECOND
    return math.inf


def _level_norm(n: int, turn: float, damping: float, plain: bool) -> float:
    """σ of the fitted level for noise of 1, from n samples of level and oscillation (level alone where `plain`)."""
    if plain:
        return 1 / math.sqrt(n)
    if n < 3:
        return math.inf
    own = [1.0] * n
    basis: list[list[float]] = []
    for wave in (math.cos, math.sin):
        column = [math.exp(-damping * turn * i) * wave(turn * i) for i in range(n)]
        for unit in basis:
            part = sum(a * b for a, b in zip(column, unit, strict=True))
            column = [a - part * b for a, b in zip(column, unit, strict=True)]
        norm = math.sqrt(sum(v * v for v in column))
        basis.append([v / norm for v in column])
    for unit in basis:
        part = sum(a * b for a, b in zip(own, unit, strict=True))
        own = [a - part * b for a, b in zip(own, unit, strict=True)]
    return 1 / math.sqrt(max(1e-12, sum(v * v for v in own)))
