"""The analogue world of a cart's load cell, stepped in any time base: a platform, what is on it, a converter.

A damped platform (second order, resonance falling with load) carries forces from `cart.bench.gestures`; the cell adds
creep, temperature and noise; the converter averages over four of its periods (HX711 data sheet: output settles in four
conversions, 50 ms at 80/s and 400 ms at 10/s) and clips at 24 bits. Same seed, same calls: same counts.

Nothing here knows how the cart weighs, and nothing of the cart's core may import it.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator
from itertools import islice
from operator import mul
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cart.bench import gestures
from cart.bench.gestures import STEP_S, Segment
from cart.bench.physics import HAND_DAMPING_NS_M, RELEASE_S, Physics, kernel, oscillator
from cart.core.settings import ScaleSettings

STEP_NS = round(STEP_S * 1e9)
COUNTS_MIN, COUNTS_MAX = -8_388_608, 8_388_607
GlitchKind = Literal["spike", "max", "zero", "sign", "shifted"]
CellFault = Literal["disconnected", "saturated", "stuck"]
_Timed = tuple[Iterator[float], float]
"""Forces on the grid, and how many seconds they last."""
Style = Literal["press", "lower", "drop", "plain"]


class Platform:
    """One load cell under one basket. Times are ns on the caller's clock and never run backwards.

    Every action takes the time it starts and returns the time of its last touch (`rest_ns`). Actions may overlap and
    be scheduled ahead; one in the past starts now. `counts_at` advances the world to a conversion and reads it.
    """

    def __init__(self, settings: ScaleSettings, seed: int, physics: Physics | None = None) -> None:
        self.settings = settings
        self.physics = physics or Physics()
        self.load_g = 0.0
        """What lies in the basket when nothing moves."""
        self._rng = random.Random(seed)
        self._started = False
        self._now_ns = self._read_ns = self._last_touch_ns = 0
        self._due: list[tuple[int, int, Iterator[float], float]] = []  # start, order, forces, mass gained at their end
        self._active: list[tuple[Iterator[float], float]] = []
        self._order = 0
        self._x = 0.0  # displacement, in grams of static force
        self._v = 0.0  # velocity divided by the resonance's angular frequency
        self._cosine = self._tilt_to = 1.0
        self._kernel = kernel(settings.samples_per_second, self.physics.filter_order)
        self._window = deque([0.0] * (len(self._kernel) + 1), maxlen=len(self._kernel) + 1)
        self._still = len(self._window)  # grid points since anything last moved
        self._creep_g = 0.0
        self._kelvin = self._kelvin_to = 0.0
        self._kelvin_s = 600.0
        periods = ((5400.0, 0.75), (1500.0, 0.2), (420.0, 0.05))  # seconds, share
        self._waves = [(2 * math.pi / s, self._rng.uniform(0, 2 * math.pi), share) for s, share in periods]
        self._wave_zero = sum(share * math.sin(phase) for _, phase, share in self._waves)
        self._glitches: list[tuple[int, GlitchKind]] = []
        self._fault: CellFault | None = None
        self._last_counts = settings.tare_counts
        self._stiffen()

    # -- the world's hands ---------------------------------------------------------------------------------------

    def put(self, t_ns: int, mass_g: float, *, press_g: float | None = None, style: Style | None = None) -> int:
        """Put an item in: a hand approaches, presses up to kilograms, lets go. Returns the moment of last touch."""
        rng = self._rng
        press = rng.uniform(0.05, 0.6) * mass_g + rng.expovariate(1 / 60.0) if press_g is None else press_g
        chosen = style or rng.choices(("press", "lower", "drop", "plain"), (6, 2, 1, 1))[0]
        segments: list[Segment]
        release_s = rng.uniform(*RELEASE_S)
        if chosen == "press":
            segments = [(mass_g + press, rng.uniform(0.05, 0.2), rng.uniform(0.05, 0.35))]
            if rng.random() < 0.35:
                segments.append(
                    (mass_g + press * rng.uniform(0.3, 1.5), rng.uniform(0.04, 0.12), rng.uniform(0.03, 0.2))
                )
        elif chosen == "lower":
            segments = [(mass_g * rng.uniform(0.5, 0.95), rng.uniform(0.1, 0.4), rng.uniform(0.0, 0.15))]
        elif chosen == "plain":
            segments = [(mass_g, rng.uniform(0.03, 0.15), 0.0)]
        else:
            return self.drop(t_ns, mass_g)
        force = gestures.placing(rng, mass_g, segments, release_s, fraction=self.physics.tremor)
        return self._schedule(t_ns, list(force), mass_g)

    def preload(self, mass_g: float) -> None:
        """Begin with this in the basket, long at rest; only before the first conversion."""
        self.load_g = self._x = mass_g
        self._creep_g = self.physics.creep * mass_g
        self._window.extend([mass_g] * len(self._window))
        self._stiffen()

    def drop(self, t_ns: int, mass_g: float) -> int:
        """Let fall from a few centimetres: a pulse of several times the weight, which then simply lies there."""
        rng = self._rng
        pulse = gestures.impact(rng, mass_g * rng.uniform(1.0, 4.0), rng.uniform(0.015, 0.04))
        return self._schedule(t_ns, [mass_g + g for g in pulse], mass_g)

    def take(self, t_ns: int, mass_g: float) -> int:
        """Take an item out: a hand presses or pulls, lifts. Returns the moment the item leaves the platform."""
        rng = self._rng
        segments: list[Segment] = []
        if rng.random() < 0.6:
            grip = rng.uniform(-0.4, 0.8) * mass_g + rng.gauss(0.0, 60.0)
            segments.append((grip, rng.uniform(0.05, 0.2), rng.uniform(0.02, 0.3)))
        if rng.random() < 0.4:
            segments.append((-mass_g * rng.uniform(0.3, 0.9), rng.uniform(0.05, 0.2), rng.uniform(0.02, 0.2)))
        segments = segments or [(0.0, STEP_S, 0.0)]
        force = gestures.placing(rng, -mass_g, segments, rng.uniform(RELEASE_S[0], 0.25), fraction=self.physics.tremor)
        return self._schedule(t_ns, list(force), -mass_g)

    def move(self, t_ns: int, mass_g: float | None = None, *, duration_s: float = 1.2) -> int:
        """Move things about inside: lifts and presses with a hand in contact, nothing gained or lost."""
        size = max(30.0, 0.3 * self.load_g) if mass_g is None else mass_g
        return self.rummage(t_ns, duration_s, size)

    def rummage(self, t_ns: int, duration_s: float, force_g: float = 400.0) -> int:
        """Search the basket with both hands, or a child's hands in it."""
        return self._schedule(
            t_ns, list(gestures.poking(self._rng, duration_s, force_g, fraction=self.physics.tremor)), 0.0
        )

    def lean(self, t_ns: int, force_g: float, duration_s: float) -> int:
        """Lean on the rim for `duration_s`, as steadily as a person can."""
        rng = self._rng
        ramp = min(rng.uniform(0.1, 0.5), duration_s / 2)
        segments = [(force_g, ramp, max(0.0, duration_s - ramp)), (0.0, rng.uniform(0.04, 0.3), 0.0)]
        length_s = sum(ramp_s + hold_s for _, ramp_s, hold_s in segments)
        return self._schedule(
            t_ns, (gestures.held(rng, segments, fraction=self.physics.tremor, sway=True), length_s), 0.0
        )

    def bump(self, t_ns: int, force_g: float = 4000.0) -> int:
        """Hit a kerb: one short pulse, then the platform rings by itself."""
        width = self._rng.uniform(0.015, 0.05)
        sign = self._rng.choice((-1.0, 1.0))
        return self._schedule(t_ns, list(gestures.impact(self._rng, sign * force_g, width)), 0.0)

    def roll(self, t_ns: int, duration_s: float, intensity: float = 1.0) -> int:
        """Push the cart along: vibration of about `intensity` × 0.4 % of what the cell carries (dead load included)."""
        rms = intensity * (15.0 + 0.004 * (self.physics.platform_g * 0.3 + self.load_g))
        return self._schedule(t_ns, (gestures.rolling(self._rng, duration_s, rms), duration_s), 0.0)

    def glitch(self, t_ns: int, kind: GlitchKind = "spike") -> None:
        """Spoil the first conversion at or after `t_ns`."""
        heapq.heappush(self._glitches, (t_ns, kind))

    def temperature(self, change_k: float, over_s: float = 600.0) -> None:
        """The cart goes somewhere warmer or colder; the cell follows with time constant `over_s`."""
        self._kelvin_to += change_k
        self._kelvin_s = over_s

    def tilt(self, degrees: float) -> None:
        """Park on a slope: the cell sees the cosine of what it carries, reached within about half a second."""
        self._tilt_to = math.cos(math.radians(degrees))
        self._still = 0

    def break_cell(self, fault: CellFault | None) -> None:
        """Disconnect, saturate or freeze the cell; None mends it."""
        self._fault = fault

    @property
    def quiet(self) -> bool:
        """Nothing touches the platform and nothing is planned."""
        return not self._active and not self._due

    @property
    def still_until_ns(self) -> int:
        """Until then nothing moves and nothing is spoilt, as far as planned; now while something does."""
        moves = self._active or self._still < len(self._window) or not self._started
        if moves or self._fault is not None or self._kelvin != self._kelvin_to:
            return self._now_ns
        return min(self._due[0][0] if self._due else 1 << 62, self._glitches[0][0] if self._glitches else 1 << 62) - 1

    @property
    def last_touch_ns(self) -> int:
        """When the last of all actions so far ends."""
        return self._last_touch_ns

    # -- the converter -------------------------------------------------------------------------------------------

    def counts_at(self, t_ns: int) -> int:
        """Advance to `t_ns` and return the conversion that is ready then, −8388608…8388607."""
        if not self._started:
            self._started, self._now_ns, self._read_ns = True, t_ns, t_ns
        dt_s = self._advance(t_ns)
        physics = self.physics
        seen = self._window[-1] if self._still >= len(self._window) else self._filtered(t_ns)
        self._creep_g += (physics.creep * self.load_g - self._creep_g) * min(1.0, dt_s / physics.creep_s)
        self._kelvin += (self._kelvin_to - self._kelvin) * min(1.0, dt_s / self._kelvin_s)
        gross = (
            seen * (1 + physics.span_per_k * self._kelvin)
            + self._creep_g
            + physics.drift_g_per_k * self._kelvin
            + self._wander(t_ns / 1e9)
            + self._rng.gauss(0.0, physics.noise_g)
        )
        settings = self.settings
        counts = round(settings.tare_counts + gross * settings.counts_per_gram)
        if self._glitches and self._glitches[0][0] <= t_ns:
            counts = self._spoil(heapq.heappop(self._glitches)[1], counts)
        elif physics.glitches_per_hour and self._rng.random() < physics.glitches_per_hour * min(dt_s, 1.0) / 3600:
            counts = self._spoil(self._rng.choice(("spike", "spike", "max", "zero", "sign", "shifted")), counts)
        if self._fault is not None:
            counts = self._broken()
        self._last_counts = max(COUNTS_MIN, min(COUNTS_MAX, counts))
        return self._last_counts

    def still_counts(self, t_ns: NDArray[np.int64], zero_g: NDArray[np.float64]) -> list[int]:
        """`counts_at` for all of these times at once, none of them after `still_until_ns`.

        `zero_g` is noise and wander of zero at these times, which the caller has drawn; nothing here is random, and
        glitches are the caller's too.
        """
        physics, settings = self.physics, self.settings
        target_g = physics.creep * self.load_g
        left = np.exp((self._read_ns - t_ns) / (1e9 * physics.creep_s))
        creep_g = target_g + (self._creep_g - target_g) * left
        seen_g = self._window[-1] * (1 + physics.span_per_k * self._kelvin) + physics.drift_g_per_k * self._kelvin
        words = np.rint(settings.tare_counts + (seen_g + creep_g + zero_g) * settings.counts_per_gram)
        counts: list[int] = np.clip(words, COUNTS_MIN, COUNTS_MAX).astype(np.int64).tolist()
        self._creep_g, self._last_counts = float(creep_g[-1]), counts[-1]
        self._read_ns = int(t_ns[-1])
        self._now_ns += max(0, -((self._now_ns - self._read_ns) // STEP_NS)) * STEP_NS
        return counts

    def conversions(self, start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
        """(time, counts) of the converter's own clock from `start_ns` to `end_ns`, with jitter and gaps."""
        rng = self._rng
        physics = self.physics
        period_ns = 1e9 / (self.settings.samples_per_second * (1 + physics.crystal_error))
        gap_odds = physics.gaps_per_hour * period_ns / 3.6e12
        ideal = float(start_ns)
        last = start_ns - 1
        while ideal < end_ns:
            t_ns = max(last + 1, round(ideal + rng.gauss(0.0, physics.jitter_s) * 1e9))
            yield t_ns, self.counts_at(t_ns)
            last = t_ns
            ideal += period_ns
            if gap_odds and rng.random() < gap_odds:
                ideal += rng.uniform(0.3, 0.7) * 1e9

    def _filtered(self, t_ns: int) -> float:
        """The converter's average up to `t_ns`, between the last grid point before it and the first after."""
        newest = sum(map(mul, self._kernel, islice(self._window, 1, None)))
        before = sum(map(mul, self._kernel, self._window))
        late = (self._now_ns - t_ns) / STEP_NS
        return float(newest + late * (before - newest))

    # -- inside --------------------------------------------------------------------------------------------------

    def _schedule(self, t_ns: int, force: list[float] | _Timed, mass_g: float) -> int:
        start_ns = max(t_ns, self._now_ns)
        self._order += 1
        points: Iterator[float]
        points, length_s = (iter(force), len(force) * STEP_S) if isinstance(force, list) else force
        heapq.heappush(self._due, (start_ns, self._order, points, mass_g))
        self._last_touch_ns = max(self._last_touch_ns, start_ns + round(length_s * 1e9))
        return start_ns + round(length_s * 1e9)

    def _advance(self, t_ns: int) -> float:
        """Step the platform past `t_ns`; returns the seconds since the last call. A still platform costs nothing."""
        steps = max(0, -((self._now_ns - t_ns) // STEP_NS))
        idle = self._still >= len(self._window) and not self._active
        due = self._due and self._due[0][0] <= self._now_ns + steps * STEP_NS
        if not idle and not self._active and not due and self._cosine == self._tilt_to:
            self._ring_down(steps)
        elif not idle or (self._due and self._due[0][0] <= t_ns):
            for _ in range(steps):
                self._now_ns += STEP_NS
                self._step()
        else:
            self._now_ns += steps * STEP_NS
        dt_s = (t_ns - self._read_ns) / 1e9
        self._read_ns = t_ns
        return dt_s

    def _step(self) -> None:
        due = self._due
        while due and due[0][0] <= self._now_ns:
            _, _, points, mass_g = heapq.heappop(due)
            self._active.append((points, mass_g))
        extra_g = 0.0
        ended = []
        for act in self._active:
            force_g = next(act[0], None)
            if force_g is None:
                ended.append(act)
            else:
                extra_g += force_g
        for act in ended:
            self._active.remove(act)
            self.load_g += act[1]
        if ended:
            self._stiffen()
        if self._cosine != self._tilt_to:
            gap = self._tilt_to - self._cosine
            self._cosine = self._tilt_to if abs(gap) < 1e-7 else self._cosine + 0.02 * gap
        target = self.load_g * self._cosine + extra_g
        # Exact solution of the damped oscillator over one grid step of constant force.
        a, b, c, d = self._matrix_held if self._active else self._matrix_free
        gap, v = self._x - target, self._v
        self._x = target + a * gap + b * v
        self._v = c * gap + d * v
        if self._active or abs(self._x - target) + abs(self._v) > 1e-3:
            self._still = 0
        else:
            self._x, self._v = target, 0.0
            self._still += 1
        self._window.append(self._x)

    def _ring_down(self, steps: int) -> None:
        """`_step` while nothing touches the platform."""
        a, b, c, d = self._matrix_free
        target, x, v = self.load_g * self._cosine, self._x, self._v
        for _ in range(steps):
            self._now_ns += STEP_NS
            gap = x - target
            x = target + a * gap + b * v
            v = c * gap + d * v
            if abs(x - target) + abs(v) > 1e-3:
                self._still = 0
            else:
                x, v = target, 0.0
                self._still += 1
            self._window.append(x)
        self._x, self._v = x, v

    def _stiffen(self) -> None:
        physics = self.physics
        hz = physics.resonance_hz * math.sqrt(physics.platform_g / (physics.platform_g + max(0.0, self.load_g)))
        self._matrix_free = oscillator(hz, physics.damping)
        carried_kg = (physics.platform_g + max(0.0, self.load_g)) / 1000
        by_hand = HAND_DAMPING_NS_M / (2 * carried_kg * 2 * math.pi * hz)
        self._matrix_held = oscillator(hz, min(0.5, physics.damping + by_hand))

    def wander_g(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far zero has wandered at these times."""
        seen = np.full(len(t_ns), -self._wave_zero)
        for omega, phase, share in self._waves:
            seen += share * np.sin(omega * 1e-9 * t_ns + phase)
        return self.physics.wander_g * seen

    def _wander(self, t_s: float) -> float:
        return self.physics.wander_g * (sum(s * math.sin(w * t_s + p) for w, p, s in self._waves) - self._wave_zero)

    def _spoil(self, kind: GlitchKind, counts: int) -> int:
        """A disturbed bit clock: a wrong word, once."""
        if kind == "spike":
            size_g = self._rng.uniform(5_000.0, 80_000.0) * self._rng.choice((-1.0, 1.0))
            return counts + round(size_g * self.settings.counts_per_gram)
        if kind == "max":
            # One bit clock too many or too few shifts ones in: 2^n − 1.
            return int((1 << self._rng.choice((23, 23, 22, 20, 16))) - 1)
        return {"zero": 0, "sign": -counts, "shifted": (counts << 1) | 1}[kind]

    def _broken(self) -> int:
        if self._fault == "stuck":
            return self._last_counts
        # An open bridge drifts to a rail; an overdriven input sits on it.
        return COUNTS_MAX if self._fault == "saturated" else COUNTS_MIN
