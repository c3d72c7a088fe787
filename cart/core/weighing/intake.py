"""From the converter's words to believable grams: rate, glitches, and the faults that show in single words.

A single word far from both its neighbours is a disturbed bit clock, because the converter's own filter spreads any
real force over four words. Such a word is held back until the next one tells, which delays only the first word of a
large change, never the quiet after it.
"""

from __future__ import annotations

from cart.core.settings import ScaleSettings
from cart.core.weighing.events import ScaleFaultKind

COUNTS_MAX = 8_388_607
COUNTS_MIN = -8_388_608
JUMP_MAX_G = 1500.0
"""A change between two words that is always held back, however lively the basket."""
CODE_JUMP_G = 25.0
RAIL_S = 0.2
STUCK_S = 1.0
STUCK_WORDS = 24
"""Noise spreads true readings over several codes; two dozen equal ones in a row do not happen by chance."""
DESYNC_GLITCHES = 6
DESYNC_S = 10.0
SLOW_SHARE = 0.7
RATE_WINDOW_S = 5.0
RATE_GAP_S = 0.9

_CODES = frozenset({0, -1} | {(1 << n) - 1 for n in range(10, 24)} | {-(1 << n) for n in range(10, 24)})
"""What shifted or missing bit clocks leave behind: all ones from some bit on, or nothing."""


class Intake:
    """Judges words one by one. `accepted` of `feed` are (t_ns, gross grams), oldest first; at most two."""

    def __init__(self, settings: ScaleSettings) -> None:
        self.period_s = 1.0 / settings.samples_per_second
        self.sigma_g = 1.0
        """Noise of a sample at rest; the detector keeps it current."""
        self.glitches = 0
        self.wrong: ScaleFaultKind | None = None
        """What makes the words unusable now, if anything."""
        self.raised: list[tuple[ScaleFaultKind, bool, str]] = []
        """Faults raised (True) or passed (False) since the caller last emptied it."""
        self._settings = settings
        self._gram = 1.0 / settings.counts_per_gram
        self._last_t_ns: int | None = None
        self._last_counts: int | None = None
        self._same = 1
        self._same_since_ns = 0
        self._rail = 0
        self._rail_since_ns = 0
        self._good = 0
        self._held: tuple[int, float, bool] | None = None
        self._g: float | None = None
        self._g_before = 0.0
        self._recent_glitch_ns: list[int] = []
        self._words = 0
        self._rate_since_ns = 0
        self._rate_words = 0
        self._slow = False

    def feed(self, t_ns: int, counts: int) -> list[tuple[int, float]]:
        """Take one word; returns what can be believed now."""
        self._clock(t_ns)
        last = self._last_counts
        self._last_counts = counts
        if counts >= COUNTS_MAX or counts <= COUNTS_MIN:
            return self._on_rail(t_ns, counts)
        self._rail = 0
        if counts == last:
            self._same += 1
            if self._stuck(t_ns):
                return []
        else:
            self._same = 1
            self._same_since_ns = t_ns
        if self.wrong is not None and not self._mended():
            return []
        return self._judge(t_ns, counts, last)

    def _judge(self, t_ns: int, counts: int, last: int | None) -> list[tuple[int, float]]:
        g = (counts - self._settings.tare_counts) * self._gram
        before = self._g
        if before is None:
            self._g = self._g_before = g
            return [(t_ns, g)]
        accepted: list[tuple[int, float]] = []
        if self._held is not None:
            held_ns, held_g, code = self._held
            self._held = None
            away = abs(held_g - before)
            back = code or abs(g - before) < 0.5 * away
            if back and abs(g - held_g) > 0.5 * away:
                calm = abs(before - self._g_before) < 0.5 * away
                self._glitched(held_ns, by_clock=code or (away > JUMP_MAX_G and calm))
            else:
                accepted.append((held_ns, held_g))
                self._g_before, self._g, before = before, held_g, held_g
        jump = abs(g - before)
        quiet_limit = CODE_JUMP_G + 10.0 * self.sigma_g
        if jump > quiet_limit:
            code = counts in _CODES or (last is not None and self._echo(counts, last))
            if code or jump > JUMP_MAX_G or jump > max(quiet_limit, 4.0 * abs(before - self._g_before)):
                self._held = (t_ns, g, code)
                return accepted
        self._g_before, self._g = before, g
        accepted.append((t_ns, g))
        return accepted

    def _echo(self, counts: int, last: int) -> bool:
        """The last word with its sign flipped or one bit clock too many."""
        near = 8.0 * self.sigma_g * self._settings.counts_per_gram + 2
        return abs(counts + last) < near or abs(counts - 2 * last) < 2 * near

    def _glitched(self, t_ns: int, *, by_clock: bool) -> None:
        """A word that is left out. A basket that rolls throws single words of tens of grams, and one that rings after a
        heavy drop turns within one: no fault of the clock, which would jump out of a signal that moves less.
        """
        self.glitches += 1
        if not by_clock:
            return
        recent = [t for t in self._recent_glitch_ns if t_ns - t < DESYNC_S * 1e9]
        recent.append(t_ns)
        self._recent_glitch_ns = recent[-DESYNC_GLITCHES:]
        if len(recent) >= DESYNC_GLITCHES and self.wrong is None:
            self._raise("desync", f"{len(recent)} wrong words in {DESYNC_S:.0f} s")
            self._recent_glitch_ns = []

    def _on_rail(self, t_ns: int, counts: int) -> list[tuple[int, float]]:
        if self._rail == 0:
            self._rail_since_ns = t_ns
        self._rail += 1
        self._good = 0
        if self._rail >= 3 and t_ns - self._rail_since_ns >= RAIL_S * 1e9 and self.wrong is None:
            # A load can only push the reading up; the lower rail is an open bridge.
            kind: ScaleFaultKind = "saturated" if counts > 0 else "disconnected"
            self._raise(kind, f"reading {counts}")
        elif self._rail <= 2:
            self.glitches += 1
        return []

    def _stuck(self, t_ns: int) -> bool:
        """The same word for too long, where noise would have spread it over codes."""
        spread = self.sigma_g * self._settings.counts_per_gram
        words = STUCK_WORDS if spread > 1.0 else 20 * STUCK_WORDS
        if self._same >= words and t_ns - self._same_since_ns >= STUCK_S * 1e9 and self.wrong is None:
            self._raise("stuck", f"{self._same} times {self._last_counts}")
        return self.wrong == "stuck"

    def _raise(self, kind: ScaleFaultKind, detail: str) -> None:
        self.wrong = kind
        self._good = 0
        self._held = None
        self._g = None
        self.raised.append((kind, True, detail))

    def _mended(self) -> bool:
        self._good += 1
        if self._good * self.period_s < 0.4 or self._good < 4:
            return False
        if self.wrong is not None:
            self.raised.append((self.wrong, False, "readings are believable again"))
        self.wrong = None
        return True

    def _clock(self, t_ns: int) -> None:
        """Follow the true period (data sheet: the internal oscillator is good to several percent)."""
        last = self._last_t_ns
        self._last_t_ns = t_ns
        if last is None:
            self._rate_since_ns = t_ns
            return
        dt_s = (t_ns - last) * 1e-9
        self._words += 1
        if dt_s < 2.5 * self.period_s or self._words < 10:
            self.period_s += (dt_s - self.period_s) * max(0.02, 1.0 / (self._words + 4))
        if dt_s > RATE_GAP_S:
            # Silence is a fault of its own; it says nothing of the clock.
            self._rate_since_ns = t_ns
            self._rate_words = 0
            return
        self._rate_words += 1
        span_s = (t_ns - self._rate_since_ns) * 1e-9
        if span_s >= RATE_WINDOW_S:
            rate = self._rate_words / span_s
            wanted = self._settings.samples_per_second
            slow = rate < (SLOW_SHARE + (0.1 if self._slow else 0.0)) * wanted
            if slow != self._slow:
                self._slow = slow
                self.raised.append(("slow", slow, f"{rate:.1f} of {wanted:g} samples a second"))
            self._rate_since_ns = t_ns
            self._rate_words = 0
