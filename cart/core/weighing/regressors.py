"""What a window of samples is taken apart into: level, oscillation, and the shapes along which a hand shows.

Built only as far as asked: most windows are refused by their scatter, long before what a hand would do matters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property, lru_cache
from operator import mul

HAND_S = 0.3
"""Correlation time of a held force's wander."""
FILTER = 4
"""Conversions over which the converter averages."""
MODES_MAX, MODES_EXACT = 10, 6
SWALLOWED = 0.04
"""What an oscillation swallows whole leaves nothing but rounding."""

Vector = tuple[float, ...]


class Regressors:
    """For `n` samples and an oscillation of `turn` rad that keeps `keep` of itself a sample; turn 0: none.

    All vectors are of unit norm and orthogonal to one another and to the constant. `changing`: the oscillation's change
    with frequency and decay is taken off as well. At most `modes` shapes.
    """

    def __init__(self, n: int, period_us: int, turn: float, keep: float, *, changing: bool, modes: int) -> None:
        self._n, self._period_us, self._modes = n, period_us, modes
        wave: list[list[float]] = []
        if turn:
            kept = [keep**i for i in range(n)]
            wave = [[k * f(turn * i) for i, k in enumerate(kept)] for f in (math.cos, math.sin)]
            # To first order, a wrong frequency or decay adds the same oscillation growing in proportion to time.
            wave += [[i * v for i, v in enumerate(column)] for column in wave]
        self._wave = wave if changing else wave[:2]
        basis: list[Vector] = [_unit([1.0] * n)]
        norms: list[float] = []
        for column in wave:
            left = _without(column, basis)
            norms.append(math.sqrt(sum(map(mul, left, left))))
            basis.append(_unit(left))
        del basis[1 + len(self._wave) :]
        self._basis = tuple(basis)
        self.swings: tuple[Vector, ...] = self._basis[1:]
        """Oscillation (two), and if asked for its change with frequency and decay (two); none where nothing rings."""
        self.growth = math.hypot(norms[2], norms[3]) / math.hypot(norms[0], norms[1]) if wave else 0.0
        """How much larger the change with frequency and decay is than the oscillation, by norm."""

    @cached_property
    def shapes(self) -> tuple[Vector, ...]:
        """Cosines, slow ones first."""
        n = self._n
        count = max(1, min(self._modes, n - 2 - len(self._wave)))
        basis = list(self._basis)
        for column in _cosines(n):
            left = _without(column, basis)
            if sum(map(mul, left, left)) > SWALLOWED * n:
                basis.append(_unit(left))
            if len(basis) - len(self._basis) == count:
                break
        return tuple(basis[len(self._basis) :])

    @cached_property
    def variances(self) -> tuple[float, ...]:
        """What a hand's wander of unit variance has along each shape."""
        kernel = _kernel(self._n, self._period_us)
        return tuple(_power(shape, kernel) for shape in self.shapes)

    @cached_property
    def rest(self) -> float:
        """The same for each dimension that is left."""
        n = self._n
        spare = n - len(self._basis) - len(self.shapes)
        # Beside a loud oscillation only what is slow tells a hand: no hand wanders faster than a platform rings.
        if spare <= 0 or self._modes < MODES_MAX:
            return 0.0
        kernel = _kernel(n, self._period_us)
        powers = [*(_power(vector, kernel) for vector in self._basis), *self.variances]
        return max(0.0, n * kernel[0] - sum(powers)) / spare

    @cached_property
    def level(self) -> tuple[Vector, float]:
        """Least-squares weights of the constant beside the oscillation; its standard deviation for noise of 1."""
        swings: list[Vector] = []
        for column in self._wave:
            swings.append(_unit(_without(column, swings)))
        own = _without([1.0] * self._n, swings)
        norm2 = sum(map(mul, own, own))
        return tuple(v / norm2 for v in own), math.sqrt(1 / norm2)


@lru_cache(maxsize=512)
def regressors(
    n: int, period_us: int, turn_milli: int, keep_milli: int, *, changing: bool, modes: int = MODES_MAX
) -> Regressors:
    """Kept for the next window like it; `turn` and `keep` in thousandths, so that there is one."""
    return Regressors(n, period_us, turn_milli / 1000, keep_milli / 1000, changing=changing, modes=modes)


@lru_cache(maxsize=128)
def _kernel(n: int, period_us: int) -> Vector:
    """Covariance of a hand's unit wander at lags of 0…n−1 samples, behind the converter's average."""

    def at(lag: int) -> float:
        shared = range(1 - FILTER, FILTER)
        waits = ((FILTER - abs(j), abs(lag + j) * period_us * 1e-6 / HAND_S) for j in shared)
        return sum(weight * math.exp(-wait) for weight, wait in waits) / FILTER**2

    return tuple(at(lag) for lag in range(n))


def _cosines(n: int) -> Iterator[Vector]:
    return (cosine(n, k) for k in range(1, n))


@lru_cache(maxsize=2048)
def cosine(n: int, k: int) -> Vector:
    """The `k`th cosine over `n` samples, `k` half turns; its sum of squares is n/2."""
    return tuple(math.cos(math.pi * k * (i + 0.5) / n) for i in range(n))


def _power(shape: Vector, kernel: Vector) -> float:
    """Variance along `shape` of a stationary process."""
    n = len(shape)
    across = sum(kernel[lag] * sum(map(mul, shape, shape[lag:])) for lag in range(1, n))
    return float(kernel[0] + 2 * across)


def _unit(values: Vector | list[float]) -> Vector:
    norm = math.sqrt(sum(map(mul, values, values)))
    return tuple(v / norm for v in values)


def _without(column: Vector | list[float], basis: list[Vector]) -> Vector | list[float]:
    left = column
    for unit in basis:
        part = sum(map(mul, left, unit))
        left = [v - part * u for v, u in zip(left, unit, strict=True)]
    return left
