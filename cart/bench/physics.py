"""Constants of the simulated load cell, and what follows: how a platform swings, what a converter averages."""

from __future__ import annotations

import math
import random

import msgspec

from cart.bench.gestures import STEP_S

SETTLING_CONVERSIONS = 4
HAND_DAMPING_NS_M = 30.0
"""Viscosity of an arm's end point, 10–40 N·s/m (Tsuji et al. 1995, Biol. Cybern. 72:475): little to a platform."""

RELEASE_S = (0.04, 0.10)
"""How long a hand takes to let go: muscles of the hand relax by half within 50–80 ms."""


class Physics(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's constants. Defaults are one believable cart; `varied` draws another."""

    noise_g: float = 1.0
    """White noise of a conversion, rms."""
    resonance_hz: float = 16.0
    """With the basket empty; falls as 1/sqrt(platform mass + load)."""
    platform_g: float = 9000.0
    damping: float = 0.05
    """Damping ratio with no hand on the platform."""
    creep: float = 0.0003
    """Share of a load that shows only slowly (OIML R 60 class C allows 0.05 % in 30 min)."""
    creep_s: float = 25.0
    wander_g: float = 50.0
    """Span of the slow wander of zero in half an hour."""
    drift_g_per_k: float = 4.0
    span_per_k: float = 2e-5
    tremor: float = 0.03
    """Relative slow wander of a held human force, rms."""
    filter_order: int = 1
    """1: plain average over four conversions; 3: bell-shaped (sinc³-like) over the same time."""
    glitches_per_hour: float = 6.0
    gaps_per_hour: float = 6.0
    crystal_error: float = 0.0
    """Relative error of the converter's clock; the HX711's own oscillator is good to several percent."""
    jitter_s: float = 0.0002

    @classmethod
    def varied(cls, seed: int, **fixed: float) -> Physics:
        """Constants drawn from the ranges seen on real rigs; `fixed` holds some of them.

        Under 0–25 kg the platform rings at 7–20 Hz, as carts and shop scales do, and damps by 4–12 % of critical
        (bolted steel 2–7 %, what lies loose in a basket adds to it). Recorded carts: 13–17 Hz empty with 12.6–14 kg of
        platform, 6 % of critical (up to 11 %), noise 0.55–1.3 g.
        """
        rng = random.Random(seed)
        drawn = cls(
            noise_g=math.exp(rng.uniform(math.log(0.3), math.log(3.0))),
            resonance_hz=rng.uniform(12.0, 20.0),
            platform_g=rng.uniform(9000.0, 16000.0),
            damping=rng.uniform(0.04, 0.12),
            creep=rng.uniform(0.0001, 0.0005),
            creep_s=rng.uniform(10.0, 60.0),
            wander_g=rng.uniform(5.0, 50.0),
            drift_g_per_k=rng.uniform(-6.0, 6.0),
            tremor=rng.uniform(0.02, 0.05),
            filter_order=rng.choice((1, 3)),
            crystal_error=rng.uniform(-0.03, 0.03),
        )
        return msgspec.structs.replace(drawn, **fixed)


def oscillator(hz: float, damping: float) -> tuple[float, float, float, float]:
    """Transition of (displacement − target, velocity/ω) over one grid step, ζ < 1."""
    omega = 2 * math.pi * hz
    damped = omega * math.sqrt(1 - damping**2)
    decay = math.exp(-damping * omega * STEP_S)
    s, c = math.sin(damped * STEP_S), math.cos(damped * STEP_S)
    r = omega / damped
    return decay * (c + damping * r * s), decay * r * s, -decay * r * s, decay * (c - damping * r * s)


def kernel(samples_per_second: float, order: int) -> list[float]:
    """Weights of the converter's filter on the grid: a box over four conversions, or `order` boxes as long."""
    span = max(order, round(SETTLING_CONVERSIONS / samples_per_second / STEP_S))
    box = [1.0] * (span // order + (order > 1))
    weights = box
    for _ in range(order - 1):
        wider = [0.0] * (len(weights) + len(box) - 1)
        for i, k in enumerate(weights):
            for j in range(len(box)):
                wider[i + j] += k
        weights = wider
    total = sum(weights)
    return [k / total for k in weights]
