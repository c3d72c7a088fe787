"""Forces that hands, wheels and kerbs put on a platform, as generators of grams on a fixed time grid.

Human force is never as quiet as a mass. Held force wanders slowly (below 3 Hz, 2–5 % of the force, and not below some
2 g for a light touch) and carries physiological tremor at 8–12 Hz (Slifkin & Newell 1999, J. Exp. Psychol. 25:837;
Jones, Hamilton & Wolpert 2002, J. Neurophysiol. 88:1533). Every hand here does both: nothing that leans is a mass.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

STEP_S = 1 / 320
"""Grid of the analogue world: 16 points in a cycle of the stiffest platform (20 Hz)."""

LIGHT_TOUCH_G = 30.0
"""Below this the wander of a hand no longer shrinks with its force (0.6–1.5 g rms: Jones et al. find some 10 mN)."""

POKE_HOLD_S = (0.03, 0.45)
"""How long a hand that moves things about holds one force. Recorded handling: median 0.15 s, 95 % below 0.45 s."""

Segment = tuple[float, float, float]
"""(target force in g, seconds to get there, seconds to hold it there)."""


class Tremor:
    """Relative wander of a held force: a slow drift (Ornstein–Uhlenbeck) and a tremor at 8–12 Hz.

    With `sway` a body's weight is behind it, which moves over the feet at 0.1–1 Hz by some percent of the force
    (Winter 1995, Gait & Posture 3:193).
    """

    def __init__(self, rng: random.Random, fraction: float, *, sway: bool = False) -> None:
        self._gauss = rng.gauss
        self._sway = rng.uniform(0.03, 0.10) if sway else 0.0
        self._sway_keep = math.exp(-STEP_S / rng.uniform(0.7, 2.0)) if sway else 0.0
        self._swayed = 0.0
        self._slow_s = rng.uniform(0.15, 0.6)
        self._keep = math.exp(-STEP_S / self._slow_s)
        self._kick = fraction * math.sqrt(1 - self._keep**2)
        self._slow = rng.gauss(0.0, fraction)
        self._smooth = self._slow
        turn = 2 * math.pi * rng.uniform(8.0, 12.0) * STEP_S
        self._phase = rng.uniform(0.0, 2 * math.pi)
        self._turn = turn
        self._fast = 0.3 * fraction

    def next(self) -> float:
        """The relative deviation at the next grid point."""
        self._slow = self._keep * self._slow + self._kick * self._gauss(0.0, 1.0)
        # Muscle is a low-pass filter of about 3 Hz: the drift has no corners.
        self._smooth += 0.06 * (self._slow - self._smooth)
        self._phase += self._turn
        if self._sway:
            kick = self._sway * math.sqrt(1 - self._sway_keep**2)
            self._swayed = self._sway_keep * self._swayed + kick * self._gauss(0.0, 1.0)
        return self._smooth + self._swayed + self._fast * math.sin(self._phase)


def held(rng: random.Random, segments: Sequence[Segment], *, fraction: float, sway: bool = False) -> Iterator[float]:
    """Force through `segments`, each approached along half a cosine and held with a hand's (or body's) wander."""
    tremor = Tremor(rng, fraction, sway=sway)
    here = 0.0
    for target_g, ramp_s, hold_s in segments:
        ramp = max(1, round(ramp_s / STEP_S))
        for i in range(1, ramp + 1):
            base = here + (target_g - here) * 0.5 * (1 - math.cos(math.pi * i / ramp))
            yield base + _lively(base) * tremor.next()
        for _ in range(round(hold_s / STEP_S)):
            yield target_g + _lively(target_g) * tremor.next()
        here = target_g


def _lively(force_g: float) -> float:
    """The force that a hand's relative wander applies to; nothing while the hand is away."""
    size = abs(force_g)
    return math.hypot(size, LIGHT_TOUCH_G) * size / (size + 5.0)


def release(from_g: float, to_g: float, release_s: float) -> Iterator[float]:
    """The hand lets go: along half a cosine from one force to another; the last point is the last touch."""
    n = max(1, round(release_s / STEP_S))
    for i in range(1, n + 1):
        yield from_g + (to_g - from_g) * 0.5 * (1 - math.cos(math.pi * i / n))


def placing(
    rng: random.Random, mass_g: float, segments: Sequence[Segment], release_s: float, *, fraction: float
) -> Iterator[float]:
    """An item put down by a hand; each segment's force is what the platform carries of item and hand together."""
    last = segments[-1][0]
    hand = held(rng, segments, fraction=fraction)
    force = 0.0
    for force in hand:
        yield force
    yield from release(force if segments else last, mass_g, release_s)


def impact(rng: random.Random, peak_g: float, width_s: float) -> Iterator[float]:
    """Half a sine of force with a little asymmetry: a kerb, a dropped item's landing."""
    n = max(2, round(width_s / STEP_S))
    skew = rng.uniform(0.8, 1.25)
    for i in range(n):
        yield peak_g * math.sin(math.pi * ((i + 0.5) / n) ** skew)


def rolling(rng: random.Random, duration_s: float, rms_g: float) -> Iterator[float]:
    """Floor noise through tyres: band-limited (about 2–25 Hz) with joints in the floor every second or so."""
    n = round(duration_s / STEP_S)
    gauss = rng.gauss
    fast = slow = 0.0
    joint = 0.0
    next_joint = rng.expovariate(1.0)
    fade = max(1, round(0.15 / STEP_S))
    scale = rms_g * 2.6  # gain of the two filters below at unit variance in
    for i in range(n):
        white = gauss(0.0, 1.0)
        fast += 0.35 * (white - fast)
        slow += 0.04 * (fast - slow)
        next_joint -= STEP_S
        if next_joint < 0:
            joint = rng.uniform(-3.0, 3.0)
            next_joint = rng.expovariate(1.0)
        envelope = min(1.0, i / fade, (n - i) / fade)
        yield scale * envelope * (fast - slow + 0.3 * joint)
        joint *= 0.85


def poking(rng: random.Random, duration_s: float, force_g: float, *, fraction: float) -> Iterator[float]:
    """Hands in the basket: pushes and lifts of varying force, some with a rest between them; ends with nothing held."""
    left = duration_s
    while left > 0:
        size = force_g * math.exp(rng.gauss(0.0, 0.8))
        sign = 1.0 if rng.random() < 0.6 else -1.0
        segments: list[Segment] = [(sign * size, rng.uniform(0.04, 0.2), rng.uniform(*POKE_HOLD_S))]
        if rng.random() < 0.4:
            segments.append((sign * size * rng.uniform(-0.6, 1.8), rng.uniform(0.04, 0.15), rng.uniform(*POKE_HOLD_S)))
        segments.append((0.0, rng.uniform(0.03, 0.2), 0.0))
        for force in held(rng, segments, fraction=fraction):
            yield force
            left -= STEP_S
        pause = rng.uniform(0.0, 0.6)
        for _ in range(round(pause / STEP_S)):
            yield 0.0
            left -= STEP_S
