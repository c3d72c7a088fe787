"""Sequential change-point detection: believable samples in, settled weight steps out.

Three levels are kept apart. `_local` is where the samples are now; `reference_g` is the weight that has been accounted
for by steps, and may follow the local level only as slowly as drift and creep can go, so that it can never eat an item;
a step is the difference of the two once the basket is at rest again.
"""

from __future__ import annotations

import math
from typing import Literal

from cart.core.weighing import evidence
from cart.core.weighing.events import WeightStep
from cart.core.weighing.evidence import RINGING_SAMPLES, UNKNOWN_ERROR, Window, look
from cart.core.weighing.last_touch import rest_began
from cart.core.weighing.movement import FAINT_SLOW_S, SETTLING, Movement
from cart.core.weighing.noise import SIGMA_MAX_G, SIGMA_MIN_G, Noise, successive
from cart.core.weighing.odds import Odds
from cart.core.weighing.reference import Reference
from cart.core.weighing.ringing import (
    HEARD_AGAIN,
    HEARD_ERROR,
    HEARD_SAMPLES,
    HEARD_SIGMAS,
    RingModel,
    free_decay,
    heard,
    is_slow,
)
from cart.core.weighing.rolling import Rolling

STEP_MIN_G = 2.5
STEP_MIN_SIGMAS = 4.5
DRIFT_SD_G_PER_S = 0.03
UNSURE_G = 0.8
"""How unsure the level that a step left is thought, 1 σ, at most: 5 g put in right after are a step of their own."""
QUIET_S = 0.065
"""The shortest stretch that can be called quiet."""
RINGING_QUIET_S = 0.35
"""A change smaller than the oscillation that hides it wants several cycles."""
DRIFT_AWAY_G_PER_S = 0.1
"""What drift may add to the smallest step for each second that it was not followed, up to as much again."""
BACK_S = 0.15
"""How long it is quiet where nothing changed before that is rest, if samples are many."""
UNKNOWN_DECAY_PER_S = 4.0
QUIET_MAX_S, QUIET_MAX_SLOW_S = 1.0, 3.0
"""The longest stretch that is looked at. Where samples are few and noisy, less would never be evidence enough."""
LOUD_SHARE = 0.1
"""What of an oscillation's span a change must exceed to be looked for before that has died away."""
BASELINE_S, BASELINE_MIN, REFINE_S = 0.3, 20, 0.6
POURED_S, POURED_SLOW_S = 1.0, 3.0
"""How long it must be at rest for what was poured in; below RATE_MIN slow rolling looks like rest for a second."""
BLINK_S = 0.1
"""Words lost for no longer than this are no reason to doubt the rest: nothing comes and is still within it."""
KEPT = 256
"""Samples remembered: 3.2 s at 80/s."""

State = Literal["starting", "rest", "moving"]


class StepDetector:
    """Finds the steps in a stream of believable samples. Constant memory."""

    def __init__(self, reference_g: float | None, reference_sigma_g: float) -> None:
        self.state: State = "starting"
        self.noise = Noise()
        self.reference = Reference(0.0 if reference_g is None else reference_g, reference_sigma_g**2)
        self.local_g = self.reference.g
        self.local_sd_g = 0.0
        self.rest_since_ns: int | None = None
        self.ring = RingModel()
        self.odds = Odds()
        self._rolling = Rolling()
        self._has_reference = reference_g is not None
        self._xs: list[float] = []
        self._ts: list[int] = []
        self._n_rest = 0
        self._move = Movement(0, 0, 0.0)
        self._guess: tuple[float, float] | None = None  # oscillation of a platform not yet learned
        self._heard: tuple[float, float] | None = None  # oscillation so loud that it tells its own frequency
        self._ringing_g = 0.0
        self._keep = 1.0
        self._last_ns = 0

    def restart(self, sigma_growth_g: float) -> None:
        """Samples were lost or not to be believed: look for rest anew and hold it against the old reference."""
        self._has_reference = self._has_reference or self.state != "starting"
        self.reference.variance += sigma_growth_g**2
        if self.state != "starting":
            # Hands may have come meanwhile: rest is believed on evidence, as after any movement.
            self.state = "moving"
            self.rest_since_ns = None
            self._move = Movement(self._last_ns, self._last_ns, -math.inf)
        self._xs.clear()
        self._ts.clear()

    def feed(self, t_ns: int, gross_g: float, period_s: float) -> WeightStep | None:
        """Take one sample; returns the step it decided, if any."""
        xs, ts = self._xs, self._ts
        gap_s = (t_ns - self._last_ns) * 1e-9 if ts else period_s
        lost = gap_s > 2.5 * period_s
        self._last_ns = t_ns
        xs.append(gross_g)
        ts.append(t_ns)
        if len(xs) >= 2 * KEPT:
            del xs[:KEPT], ts[:KEPT]
        if self.state == "rest":
            if lost and gap_s > BLINK_S:
                self._leave(t_ns, period_s)
                self._move.unseen = True
                return None
            return self._at_rest(t_ns, gross_g, period_s)
        if self.state == "moving":
            if lost:
                self._move.run = 0
                self._move.since = 0
            return self._moving(t_ns, period_s)
        return self._starting(t_ns, period_s)

    def glance(self) -> tuple[float, float]:
        """Mean and spread of the last few samples, for a live display while nothing is settled."""
        few = self._xs[-4:] or [self.local_g]
        mean = sum(few) / len(few)
        return mean, max(abs(v - mean) for v in few) + self.noise.sigma_g

    # -- starting ------------------------------------------------------------------------------------------------

    def _starting(self, t_ns: int, period_s: float) -> WeightStep | None:
        n = max(BASELINE_MIN, round(BASELINE_S / period_s))
        if len(self._xs) < n:
            return None
        window = self._xs[-n:]
        diff2 = successive(window)
        seen = look(window, max(SIGMA_MIN_G, math.sqrt(diff2)), _us(period_s))
        if diff2 > SIGMA_MAX_G**2 or not seen.quiet:
            return None
        self.noise.begin(n, diff2)
        step = None
        if self._has_reference:
            delta = seen.level_g - self.reference.g
            sd = math.sqrt(seen.level_sd_g**2 + self.reference.variance)
            if abs(delta) > max(STEP_MIN_G, STEP_MIN_SIGMAS * sd):
                start = self._ts[-n]
                step = WeightStep(delta, sd, start, start, t_ns, seen.level_g)
        self._has_reference = True
        self.reference.account(t_ns, seen.level_g, seen.level_sd_g**2)
        self._settle(t_ns, seen.level_g, seen.level_sd_g, n, 0.0)
        return step

    # -- at rest -------------------------------------------------------------------------------------------------

    def _at_rest(self, t_ns: int, x: float, period_s: float) -> WeightStep | None:
        if self._n_rest % 4 == 0:
            self.noise.hear_quiet(self._xs)
        sigma = self.noise.sigma_g
        off = x - self.local_g
        ringing_g = self._ringing_g = self._ringing_g * self._keep
        if abs(off) > self._band_g(ringing_g):
            self._leave(t_ns, period_s)
            return None
        if ringing_g > sigma:
            # The level was fitted beside the oscillation; a mean would be worse until that has died away.
            return None
        few = max(3, min(8, round(0.1 / period_s)))
        xs = self._xs
        if (
            abs(sum(xs[-few:]) / few - self.local_g) > 4.2 * sigma / math.sqrt(few) + 0.2 + ringing_g
            and self._n_rest >= few
        ):
            self._leave(t_ns, period_s)
            return None
        self._n_rest += 1
        long = max(16, round(1.2 / period_s))
        self.local_g += off / min(self._n_rest, long)
        self.local_sd_g = sigma / math.sqrt(min(self._n_rest, long))
        if self._n_rest > max(16, round(0.8 / period_s)):
            # What still rings just after a step is not noise.
            self.noise.at_rest(off)
            self.noise.hear_hum(self._xs, self._n_rest, period_s)
        self.reference.follow(t_ns, self.local_g, self.local_sd_g, self.noise.sigma_g, period_s)
        if self._n_rest == round(0.4 / period_s):
            self._learn_ringing(period_s, self.local_g)
        return self._poured(t_ns, period_s)

    def _poured(self, t_ns: int, period_s: float) -> WeightStep | None:
        """Something added too slowly to disturb the rest shows as a gap no drift can explain."""
        delta = self.local_g - self.reference.g
        rest_s = POURED_SLOW_S if is_slow(period_s) else POURED_S
        sd = math.sqrt(self.local_sd_g**2 + self.reference.variance)
        if (
            abs(delta) < max(0.5 + self._smallest_g(t_ns), STEP_MIN_SIGMAS * 1.4 * sd)
            or self._n_rest < rest_s / period_s
        ):
            return None
        half = max(4, round(0.4 * rest_s / period_s))
        late = sum(self._xs[-half:]) / half
        if abs(late - self.local_g) > 3.0 * self.noise.sigma_g / math.sqrt(half) + 0.1:
            return None
        step = WeightStep(delta, math.hypot(sd, 0.5), self._ts[-half], t_ns, t_ns, self.local_g)
        self.reference.account(t_ns, self.local_g)
        return step

    def _leave(self, t_ns: int, period_s: float) -> None:
        self.state = "moving"
        self.rest_since_ns = None
        self._move = Movement(self._ts[-2] - round(0.5e9 * period_s), t_ns, self._xs[-1])

    # -- moving --------------------------------------------------------------------------------------------------

    def _moving(self, t_ns: int, period_s: float) -> WeightStep | None:
        self._move.since += 1
        if self._move.since % 4 == 0:
            self.noise.hear_quiet(self._xs)
        if self._move.since % 32 == 0:
            self.noise.hear(self._xs, self._move.since, period_s)
        self._move.highest_g = max(self._move.highest_g, self._xs[-1])
        least = max(4, round(QUIET_S / period_s))
        xs = self._xs
        few = xs[-8:]
        if not is_slow(period_s) and max(few) - min(few) > HEARD_SIGMAS * self.noise.sigma_g:
            return self._moving_loudly(t_ns, period_s)
        ringing = self.ring.at(sum(few) / len(few), period_s)
        known = ringing is not None
        ringing = ringing or self._guess
        most = min(self._move.since, round((QUIET_MAX_SLOW_S if is_slow(period_s) else QUIET_MAX_S) / period_s))
        n = min(self._move.run + 1, most)
        while n > least:
            # Longer windows in coarser lengths, so that few sets of regressors are needed.
            n = n - n % (2 if n <= 16 else 4 if n <= 32 else 8)
            seen = self._look(n, _us(period_s), ringing)
            if seen.quiet:
                self._move.run = max(n, min(self._move.run + 1, most))
                return self._weigh(t_ns, period_s, seen, n)
            self._move.run = n = max(RINGING_SAMPLES, round(0.75 * n)) if n > RINGING_SAMPLES else least
        step = self._while_rolling(t_ns, period_s)
        if step is not None:
            return step
        self._move.run = 0
        for n in (RINGING_SAMPLES, least) if known else (least,):
            if n <= most:
                seen = self._look(n, _us(period_s), ringing)
                if seen.quiet:
                    self._move.run = n
                    return self._weigh(t_ns, period_s, seen, n)
        if not known:
            self._guess = None
            if self._move.since % 2 and most >= RINGING_SAMPLES and not is_slow(period_s):
                self._guess = evidence.find_ringing(xs[-RINGING_SAMPLES:], self.noise.sigma_g, _us(period_s))
                self._move.run = RINGING_SAMPLES if self._guess else 0
        return None

    def _moving_loudly(self, t_ns: int, period_s: float) -> WeightStep | None:
        """Rest is no question but in a free decay, and that tells its own frequency and damping."""
        step = self._while_rolling(t_ns, period_s) or self._as_predicted(t_ns, period_s)
        if step is not None:
            return step
        before, self._heard = self._heard, None
        known = self.ring.at(self.glance()[0], period_s) if self.ring.rate_error < HEARD_AGAIN else None
        most = min(self._move.since, round(QUIET_MAX_S / period_s))
        n = max(HEARD_SAMPLES, min(self._move.run + 1, most))
        while n <= most:
            n -= n % 2
            samples = self._xs[-n:]
            told = heard(samples, self.noise.sigma_g, period_s)
            if told is not None:
                turn, keep, level_g = told
                if keep > self.ring.keep_at_most(period_s):
                    # It does not die away: a hand's tremor drives it.
                    break
                if abs(level_g - self.reference.g) < STEP_MIN_G + LOUD_SHARE * (max(samples) - min(samples)):
                    # It rings about where it was: that can wait until it is still.
                    break
                self._heard = turn, keep
                # Rolling sounds like a decay for a moment, but not of one frequency.
                if any(one is not None and abs(one[0] / turn - 1) < HEARD_AGAIN for one in (before, known)):
                    seen = evidence.look_ringing(
                        samples, self.noise.sigma_g, _us(period_s), turn, keep, HEARD_ERROR, exactly=True
                    )
                    if seen.quiet:
                        self._move.run = max(n, min(self._move.run + 1, most))
                        return self._weigh(t_ns, period_s, seen, n, keep, loud=True)
            if n == HEARD_SAMPLES:
                break
            n = max(HEARD_SAMPLES, round(0.75 * n))
        self._move.run = 0
        return None

    def _as_predicted(self, t_ns: int, period_s: float) -> WeightStep | None:
        """A platform whose oscillation is known needs fewer samples than it takes to hear one."""
        n = RINGING_SAMPLES
        ringing = self.ring.at(self.glance()[0], period_s)
        if ringing is None or self._move.since < n:
            return None
        seen = evidence.look_ringing(self._xs[-n:], self.noise.sigma_g, _us(period_s), *ringing, self.ring.rate_error)
        if not seen.quiet:
            return None
        run, self._move.run = self._move.run, n
        step = self._weigh(t_ns, period_s, seen, n, loud=True)
        if step is None:
            self._move.run = run
        return step

    def _while_rolling(self, t_ns: int, period_s: float) -> WeightStep | None:
        """Looked at now and then: how the platform rings, and a change of the mean under vibration."""
        if self._move.since % 16 or self._move.since * period_s <= 0.4:
            return None
        self._learn_ringing(period_s, sum(self._xs[-32:]) / 32)
        told = self._rolling.change(self._xs, self._move.since, self.reference.g, self.noise.sigma_g, period_s)
        if told is None:
            return None
        began_ns = t_ns - round(1e9 * period_s * told.samples)
        sigma = math.sqrt(told.variance + self.reference.variance + 1.0)
        self.reference.account(t_ns, told.level_g, 4.0 * told.variance + 4.0)
        return WeightStep(told.delta_g, sigma, min(self._move.began_ns, began_ns), began_ns, t_ns, told.level_g)

    def _look(self, n: int, period_us: int, ringing: tuple[float, float] | None) -> Window:
        samples = self._xs[-n:]
        seen = look(samples, self.noise.sigma_g, period_us, self.noise.slow_g2)
        if ringing is not None and n >= RINGING_SAMPLES and not seen.quiet:
            error = UNKNOWN_ERROR if ringing is self._guess else self.ring.rate_error
            return evidence.look_ringing(
                samples, self.noise.sigma_g, period_us, *ringing, error, slow_g2=self.noise.slow_g2
            )
        return seen

    def _weigh(
        self, t_ns: int, period_s: float, seen: Window, n: int, keep: float | None = None, *, loud: bool = False
    ) -> WeightStep | None:
        """The basket looks quiet: back where it was, or a step if a hand can be ruled out. `keep`: as it was heard."""
        drift = DRIFT_SD_G_PER_S * (t_ns - self._move.left_ns) * 1e-9
        delta = seen.level_g - self.reference.g
        variance = seen.level_sd_g**2 + self.reference.variance + drift * drift + self.noise.slow_g2
        quiet_s = self._move.run * period_s
        if abs(delta) < max(self._smallest_g(t_ns), STEP_MIN_SIGMAS * math.sqrt(variance)):
            if quiet_s >= (FAINT_SLOW_S if is_slow(period_s) else BACK_S):
                if not (self._move.unseen and self._as_still_as_rest(seen)):
                    self.odds.touched(t_ns)
                self.reference.touched(t_ns, seen.level_g, seen.level_sd_g, drift)
                self._settle(t_ns, seen.level_g, seen.level_sd_g, n, 0.0)
                self._ring_on(seen, n, period_s, keep)
            return None
        if seen.level_sd_g > max(1.0, 0.001 * abs(delta)):
            return None
        if seen.rings and abs(delta) < STEP_MIN_G + 0.2 * seen.ring_g and quiet_s < RINGING_QUIET_S:
            return None
        believed = self._move.believed(
            self._xs, t_ns, period_s, seen, delta, variance**0.5,
            sigma_g=self.noise.sigma_g, odds=self.odds, heard=keep is not None, loud=loud,
        )  # fmt: skip
        if not believed:
            return None
        # Real noise is not quite white: before and after, a mean is worse than σ/√n by a quarter of a sample's.
        unlike_white = 0.06 + (0.35 * self.noise.sigma_g) ** 2
        sigma = math.sqrt(variance + unlike_white + (3e-4 * delta) ** 2)
        rest_ns = self._rest_began(seen, delta, period_s)
        step = WeightStep(delta, sigma, self._move.began_ns, max(self._move.began_ns, rest_ns), t_ns, seen.level_g)
        # What is left over when it is measured longer is no step of its own.
        self.reference.account(t_ns, seen.level_g, min(UNSURE_G**2, seen.level_sd_g**2 + unlike_white))
        self.reference.loaded(delta)
        self._settle(t_ns, seen.level_g, seen.level_sd_g, n, REFINE_S)
        self._ring_on(seen, n, period_s, keep)
        return step

    def _as_still_as_rest(self, seen: Window) -> bool:
        """Whether nothing since rest was left would have been a reason to leave it."""
        most = min(KEPT, self._move.since + 1)
        band_g = self._band_g(seen.ring_g)
        return all(abs(v - seen.level_g) <= band_g for v in self._xs[-most:])

    def _band_g(self, ringing_g: float) -> float:
        """How far a sample at rest may be from its level."""
        return 4.5 * self.noise.sigma_g + 0.4 + 1.5 * ringing_g

    def _smallest_g(self, t_ns: int) -> float:
        """The smallest change that is a step: what was not followed may be drift."""
        return STEP_MIN_G + min(STEP_MIN_G, DRIFT_AWAY_G_PER_S * self.reference.unfollowed_s(t_ns))

    def _ring_on(self, seen: Window, n: int, period_s: float, keep: float | None) -> None:
        """What still rings, and how fast that dies away: rest is not left for it."""
        if keep is None and seen.rings:
            ringing = self.ring.at(seen.level_g, period_s) or self._guess
            keep = ringing[1] if ringing is not None else None
        if keep is not None:
            self._keep = keep
            # `ring_g` is its size in the middle of the window.
            self._ringing_g = seen.ring_g * keep ** (n / 2)

    def _rest_began(self, seen: Window, delta_g: float, period_s: float) -> int:
        """When the last touch was: back to where the signal leaves the band that noise and free ringing explain."""
        ringing = self.ring.at(seen.level_g, period_s)
        i = rest_began(
            self._xs,
            seen.level_g,
            band_g=4.0 * self.noise.sigma_g + 1.5 * seen.ring_g,
            growth=1 / ringing[1] if ringing else 1.0 + UNKNOWN_DECAY_PER_S * period_s,
            most_g=0.2 * abs(delta_g),
            longest=min(KEPT, self._move.since),
        )
        return self._ts[i] - round(0.5 * SETTLING * period_s * 1e9)

    def _settle(self, t_ns: int, level_g: float, level_sd_g: float, n: int, refine_s: float) -> None:
        self.state = "rest"
        self.rest_since_ns = t_ns
        self._ringing_g = 0.0
        self.local_g = level_g
        self.local_sd_g = level_sd_g
        self._n_rest = n
        self.reference.refine_left_s = refine_s

    def _learn_ringing(self, period_s: float, level_g: float) -> None:
        if is_slow(period_s):
            return
        half = round(0.1 / period_s) + 1
        decay = free_decay(self._xs[-round(1.2 / period_s) :], level_g, self.noise.sigma_g, half, SETTLING)
        if decay:
            self.ring.learn(decay, self.noise.sigma_g, level_g, period_s)


def _us(period_s: float) -> int:
    """The period rounded to 2 %, so that regressors are reused while the clock wanders."""
    return round(50 * period_s) * 20_000 if period_s > 1 else int(1e6 * period_s / 250) * 250
