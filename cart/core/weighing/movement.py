"""One movement of the basket, from leaving rest until rest is believed again, and when it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cart.core.weighing.evidence import Window
from cart.core.weighing.last_touch import HOVER_SAMPLES, hovered
from cart.core.weighing.odds import Odds
from cart.core.weighing.ringing import is_slow

SETTLING = 4
"""Conversions until the converter's output has settled (HX711 data sheet)."""
SURE_S = 0.11
"""The shortest that is believed where much evidence is asked: that no hand stands still is known no sooner."""
FAINT_SLOW_G, FAINT_SLOW_S = 8.0, 0.95
"""Below RATE_MIN slow rolling looks like a few grams for this long."""
FAINT_NOISY = 2.5
"""Noise of more than 1 g hides it for longer by that factor, up to this one; what was foretold is excepted."""
HIDDEN_SHARE = 0.015
"""What of the change an oscillation may be for a short window that it was fitted to not to hide a hand."""
HIDDEN_ASKED = 3.0
"""Where it may hide one: the most evidence that may be asked."""
AGREED_SDS = 0.7
"""How far apart the levels of two windows in a row may be, in standard deviations; they share all but one sample.
Where the end of a touch is still in the first, an oscillation fits it as well, but not at the same level."""
HOVERED = 3.0
"""How much more is asked where a hand hovered just before: one release in twenty is as gentle as that. As much again
for each factor of e that it hovered longer."""
LOUD_MORE = 1.5
"""How much more evidence is asked with the logarithm of the noise that its fast movement adds."""


class Movement:
    """What was seen since `left_ns`, when the samples left rest; it may have begun at `began_ns` already."""

    def __init__(self, began_ns: int, left_ns: int, highest_g: float) -> None:
        self.began_ns = began_ns
        self.left_ns = left_ns
        self.since = 0
        """Samples of it."""
        self.run = 0
        """For how many of the newest it has been quiet."""
        self.highest_g = highest_g
        self.unseen = False
        """Rest was left only because words were lost: while all since then is quiet, nothing has touched the basket."""
        self._told: tuple[int, float] = (-2, 0.0)  # at which sample a level was believable last, and which

    def believed(
        self, samples: Sequence[float], t_ns: int, period_s: float, seen: Window, delta_g: float, sd_g: float, *,
        sigma_g: float, odds: Odds, heard: bool, loud: bool,
    ) -> bool:  # fmt: skip
        """Whether the window `seen` at the end of `samples` is evidence enough that no hand holds `delta_g` ± `sd_g`.

        `sigma_g`: noise of a sample at rest; `heard`: the oscillation told its own frequency; `loud`: it drowns all
        else.
        """
        slow = is_slow(period_s)
        hover = self._hover(samples, seen, delta_g, sigma_g)
        if slow:
            # Six samples are half a second already, and rolling hovers about any weight for many more.
            hover = min(hover, HOVER_SAMPLES[0])
        asked = self._asked(t_ns, period_s, seen, delta_g, sd_g, sigma_g=sigma_g, odds=odds, heard=heard, hover=hover)
        hidden = seen.hides and seen.ring_g > HIDDEN_SHARE * abs(delta_g)
        if hidden and asked > HIDDEN_ASKED:
            return False
        quiet_s = self.run * period_s
        if asked > HIDDEN_ASKED and quiet_s < SURE_S:
            return False
        if slow and abs(delta_g) < FAINT_SLOW_G:
            noisy = 1.0 if odds.gain(delta_g, sd_g) > 0.0 else min(FAINT_NOISY, max(1.0, sigma_g))
            if quiet_s < FAINT_SLOW_S * noisy:
                return False
        told = seen.evidence(abs(delta_g)) - LOUD_MORE * math.log(seen.noise_g / sigma_g)
        twice = (hidden or loud) and asked <= HIDDEN_ASKED
        return told >= asked and (not twice or self._again(seen))

    def _again(self, seen: Window) -> bool:
        """Whether the window one sample before was believable as well, at the same level."""
        (since, level_g), self._told = self._told, (self.since, seen.level_g)
        return since == self.since - 1 and abs(seen.level_g - level_g) <= AGREED_SDS * seen.level_sd_g

    def _hover(self, samples: Sequence[float], seen: Window, delta_g: float, sigma_g: float) -> int:
        """For how many samples a hand hovered before the quiet ones."""
        longest = min(HOVER_SAMPLES[-1], self.since - self.run - SETTLING)
        first = len(samples) - self.run - SETTLING
        before = samples[max(0, first - longest) : max(0, first)] if longest > 0 else ()
        return hovered(before, seen.level_g, delta_g=delta_g, sigma_g=sigma_g, ring_g=seen.ring_g)

    def _asked(
        self, t_ns: int, period_s: float, seen: Window, delta_g: float, sd_g: float, *,
        sigma_g: float, odds: Odds, heard: bool, hover: int,
    ) -> float:  # fmt: skip
        pressed_g = self.highest_g - seen.level_g
        # What rings loudly overshoots by itself.
        released = delta_g > 0 and not heard and pressed_g > max(4.0, 4.0 * sigma_g, 0.05 * delta_g) + 2.0 * seen.ring_g
        slow = is_slow(period_s)
        # The first sample has seen four periods. Below RATE_MIN that is no evidence: vibration looks quiet there.
        quiet_s = (self.run + (0 if slow else SETTLING - 1)) * period_s
        busy_s = (t_ns - self.left_ns) * 1e-9 - quiet_s
        more = HOVERED * (1 + math.log(hover / HOVER_SAMPLES[0])) if hover else 0.0
        return odds.asked(
            t_ns,
            delta_g,
            sd_g,
            sigma_g=sigma_g * math.sqrt(1 + seen.slow),
            quiet_s=quiet_s,
            busy_s=busy_s,
            released=released,
            slow=slow,
            more=more,
        )
