"""How much evidence a step needs, by what happened before it and by what the scans foretell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

EVIDENCE = 7.0
"""Log likelihood ratio of rest against a hand at which a step is registered, if nothing else is known."""
EVIDENCE_SLOW = 4.5
"""The same below RATE_MIN: the converter spans 0.4 s there, and a touch must outlast it to look like rest."""
LEAN_SLOW, LEAN_G = 3.0, 500.0
"""How much more of it what a body may press with needs, and from where: it leans for many of such samples."""
EVIDENCE_MIN = -0.5
RELEASED = 1.5
"""How much less is asked where more than the item was carried just before: a hand pressed, and let go."""
LIFTED = 1.5
"""How much less is asked of a loss: hands rest on things and press, and seldom hold one up by a part of its weight."""
LOOKS = 1.2
"""How much more is asked with the logarithm of the time since rest: who looks often sees rare things."""
AGITATED = 1.0
"""How much more is asked for each recent touch that changed nothing, up to two."""
AGITATED_S = 8.0
TOUCH_S = 0.28
"""A light touch does not last: the odds that it is still there fall as exp(−(t/0.28 s)²); noise hides its ends. Hands
that move things about hold one force for 0.45 s at most (95 % of those recorded)."""
LIGHT_G, LIGHT_SLOW_G = 200.0, 100.0
"""What counts as one: half of that at this force. Below RATE_MIN a lean may be as light as that for long."""
FORETOLD_IN, FORETOLD_OUT = 12.0, 2.5
"""How much likelier a change is one that was foretold than a touch where each would do. Who scanned puts in."""
FORETOLD_MAX = 6.0
"""The most that this stands for: a hand on the item, or on another, may hold just what is expected, and a step that is
none costs a basket where 20 ms cost nobody anything (`benchmarks.weighing_curve` has the trade)."""
FORETOLD_MANY = 32
FORETOLD_AGITATED = 0.5
"""What remains of that for each recent touch: hands that stay in the basket hold many weights, sooner or later one of
those foretold."""
FORETOLD_BUSY_S = 3.0
"""The same where it went on for long: letting a thing down takes a second or two, rummaging goes on."""
FORETOLD_SDS = 2.5
"""Further off than this it may as well be the item with a hand still on it."""
HAND_DECADES = math.log(1000.0)
"""A hand's force may be anything from 5 g to 5 kg, each factor as likely as another."""


class Foretold(msgspec.Struct, frozen=True):
    """A change of the gross weight that would be no surprise: what was scanned may go in, what is inside may go out."""

    delta_g: float
    sd_g: float


class Odds:
    """Keeps what the threshold depends on. Constant memory."""

    def __init__(self) -> None:
        self.foretold: Sequence[Foretold] = ()
        self._touches_ns = [-(10**18)] * 2

    def touched(self, t_ns: int) -> None:
        """Something touched the basket and changed nothing."""
        self._touches_ns = [self._touches_ns[-1], t_ns]

    def asked(
        self, t_ns: int, delta_g: float, sd_g: float, *, sigma_g: float, quiet_s: float, busy_s: float,
        released: bool, slow: bool, more: float = 0.0,
    ) -> float:  # fmt: skip
        """The evidence to ask for a change of `delta_g` ± `sd_g`.

        It has been quiet for `quiet_s` after `busy_s` of movement; `sigma_g` is the noise of a sample, the cell's hum
        with it. `released`: the platform carried clearly more just before. `slow`: too few samples a second to see an
        oscillation. `more`: what else speaks for a hand.
        """
        light = 1.0 / (1.0 + ((delta_g / LIGHT_SLOW_G) ** 4 if slow else (delta_g / LIGHT_G) ** 2))
        touch_s = TOUCH_S * (0.9 + 0.1 * min(3.0, sigma_g))
        asked = EVIDENCE
        if slow:
            asked = EVIDENCE_SLOW + LEAN_SLOW / (1.0 + (LEAN_G / delta_g) ** 2)
        asked -= light * (quiet_s / touch_s) ** 2
        asked += LOOKS * math.log1p(max(0.0, busy_s))
        if released:
            asked -= RELEASED
        if delta_g < 0.0 and not slow:
            asked -= LIFTED
        touches = sum(t_ns - t < AGITATED_S * 1e9 for t in self._touches_ns)
        asked += AGITATED * touches
        if self.foretold:
            share: float = FORETOLD_AGITATED**touches / (1.0 + (busy_s / FORETOLD_BUSY_S) ** 2)
            asked -= share * self.gain(delta_g, sd_g)
        return max(EVIDENCE_MIN, asked + more)

    def gain(self, delta_g: float, sd_g: float) -> float:
        """Log of how much likelier `delta_g` ± `sd_g` is for what was foretold than for a hand's force, at least 0.

        A hand that presses does not know the weight; a scanned item does.
        """
        alike = [f for f in self.foretold if (f.delta_g > 0) == (delta_g > 0)]
        if not alike:
            return 0.0
        density = 0.0
        for one in alike:
            variance = one.sd_g * one.sd_g + sd_g * sd_g
            off = delta_g - one.delta_g
            if off * off > FORETOLD_SDS**2 * variance:
                continue
            density += math.exp(-0.5 * off * off / variance) / math.sqrt(2 * math.pi * variance)
        odds = (FORETOLD_IN if delta_g > 0 else FORETOLD_OUT) * density / len(alike) * abs(delta_g) * HAND_DECADES
        return min(FORETOLD_MAX, math.log(odds)) if odds > 1.0 else 0.0
