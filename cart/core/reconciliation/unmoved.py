"""Steps by which nothing comes or goes on the bill: noise, a slope, a part of what is still unexplained coming out
again, and what had gone in unseen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cart.core.reconciliation import priors
from cart.core.reconciliation.explanation import Explanation
from cart.core.reconciliation.window import Step, Window, passed_over


def unmoved(window: Window, group: tuple[Step, ...]) -> Iterator[Explanation]:
    """What may explain such steps with nothing on the bill moved."""
    yield from _nothing_moved(window, group)
    yield from _part_back_out(window, group)
    yield from _unseen_out(window, group)


def _nothing_moved(window: Window, group: tuple[Step, ...]) -> Iterator[Explanation]:
    """Too little to be a thing, or the load seen on a slope."""
    if len(group) != 1:
        return
    step = group[0]
    ids = (step.step_id,)
    variance_g2 = step.variance_g2 + priors.MODEL_VARIANCE_G2
    if abs(step.delta_g) < window.light_g:
        surely = -step.delta_g >= max(priors.SURELY_G, priors.SURELY_SIGMAS * math.sqrt(step.variance_g2))
        score = (priors.NOISE_OUT if surely else priors.NOISE) - math.log(2.0 * window.light_g)
        # A loss that is certain, and yet nothing's, is the load on a slope: it comes back when the cart stands level.
        absorbed_g = step.delta_g if surely else 0.0
        yield Explanation(ids, "less than the scale can see", score, variance_g2=variance_g2, absorbed_g=absorbed_g)
    elif abs(step.delta_g) < priors.Z_MAX * math.sqrt(step.variance_g2):
        score = priors.NOISE + priors.log_normal_density(step.delta_g, variance_g2)
        yield Explanation(ids, "nothing: within what the scale is sure of", score, variance_g2=variance_g2)
    slope_max_g = priors.SLOPE_FRACTION * max(0.0, window.gross_g)
    after_g = window.slope_g + step.delta_g
    if not step.level and slope_max_g > window.light_g and -slope_max_g <= after_g <= 2.0 + 0.05 * slope_max_g:
        leveled = abs(after_g) < 2.0 + 2.0 * math.sqrt(step.variance_g2) and window.slope_g <= -priors.SURELY_G
        score = priors.SLOPE - math.log(slope_max_g) if not leveled else priors.NOISE - math.log(4.0)
        score += priors.TAKE_HASTY * step.hasty
        if passed_over(window, step) < 0.0 and not leveled:
            return  # who has just scanned a thing puts it in next, or something for it, and does not wheel away
        yield Explanation(ids, "the cart stands on a slope", score, absorbed_g=step.delta_g, variance_g2=variance_g2)


def _unseen_out(window: Window, group: tuple[Step, ...]) -> Iterator[Explanation]:
    """What was scanned, and not seen going in, is taken out again: it waits as before. Second thoughts know no such
    thing: what was seen waits there, too.
    """
    step = group[0]
    if len(group) != 1 or not -priors.UNSEEN_MAX_G <= step.delta_g < 0.0:
        return
    variance_g2 = step.variance_g2 + priors.MODEL_VARIANCE_G2
    for waiting in window.waiting:
        anew = waiting.log_prior is not None
        if waiting.mean_g is None or waiting.by_weight or anew or waiting.since_ns > step.began_ns:
            continue
        off_g, spread_g2 = step.delta_g + waiting.mean_g, variance_g2 + waiting.sd_g**2
        if off_g * off_g <= priors.Z_MAX**2 * spread_g2:
            score = priors.TAKE + priors.WENT_IN_UNSEEN + priors.log_normal_density(off_g, spread_g2)
            text = f"{waiting.name} was taken out, that had gone in unseen"
            yield Explanation((step.step_id,), text, score, variance_g2=spread_g2)


def _part_back_out(window: Window, group: tuple[Step, ...]) -> Iterator[Explanation]:
    """A part of what had gone in unscanned comes out again; the rest stays to be asked about."""
    if len(group) != 2:
        return
    first, second = group
    rest_g = first.delta_g + second.delta_g
    if first.delta_g <= 0.0 or second.delta_g >= 0.0 or rest_g <= 0.0:
        return
    unknown = -math.log(first.delta_g * priors.UNKNOWN_LOG_SPAN)
    part = priors.PART_OUT - math.log(first.delta_g)
    if first.asked_ns is not None and first.asked_ns <= second.began_ns:
        for waiting in window.waiting:
            if waiting.step_id == first.step_id and waiting.mean_g is not None:
                off_g, variance_g2 = -second.delta_g - waiting.mean_g, second.variance_g2 + waiting.sd_g**2
                fits = priors.log_normal_density(off_g, variance_g2)
                errs = priors.WRONG_WEIGHT + priors.log_wrong_density(-second.delta_g, waiting.mean_g)
                part = max(part, priors.PART_SHOWN + max(fits, errs))
    if first.step_id in second.asked_steps and second.asked_units > 1:
        # Of several units of one badly catalogued product some are lifted out.
        for units in range(1, second.asked_units):
            out_g = units * first.delta_g / second.asked_units
            apart_g2 = first.variance_g2 + second.variance_g2 + (priors.UNITS_APART * out_g) ** 2
            part = max(part, priors.PART_SHOWN + priors.log_normal_density(second.delta_g + out_g, apart_g2))
    score = priors.UNKNOWN_IN + unknown + part
    yield Explanation(
        (second.step_id, first.step_id), "a part of what was unscanned was taken out again", score,
        open_kind="unscanned_item", open_g=rest_g, variance_g2=first.variance_g2 + second.variance_g2,
    )  # fmt: skip
