"""How well the weight speaks for a unit's being there: what a line that is charged has behind it.

Reconciliation asks which explanation of a movement is the likeliest. What is paid for has to stand on its own, too: a
unit that went in with a thing of unknown weight, or with one whose spread is wider than it is heavy, is believed only
because it was scanned. So each unit's odds are taken against the same movement without it, by the same densities and
priors; what stays below `priors.CHARGED` is asked about once, before it is paid for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from cart.core.reconciliation import priors
from cart.core.reconciliation.explain import log_sum
from cart.core.reconciliation.moves import units_variance


class Part(msgspec.Struct, frozen=True, gc=False):
    """Units of one line among what is believed to have gone in with a movement."""

    units: int
    mean_g: float | None
    """Of one unit; None where nothing is known of it, or only what this movement showed."""
    sd_g: float
    late_s: float
    """From its scan to the movement; negative: scanned afterwards."""
    loose: bool = False
    """Picked goods, sold by weight."""
    doubled: bool = False
    """Its code may have been read twice."""
    passed: bool = False
    """Something that was scanned after it has gone in before it."""


def support(parts: Sequence[Part], delta_g: float, variance_g2: float) -> list[float]:
    """For each part the natural log of the odds that all its units are there rather than one fewer.

    `delta_g` ± `variance_g2` is what the movement weighed, all parts together.
    """
    together = _density(parts, delta_g, variance_g2)
    return [
        together - _without(parts, index, delta_g, variance_g2) - _left(part, alone=len(parts) == 1)
        for index, part in enumerate(parts)
    ]


def support_returned(weight_g: float, variance_g2: float, away_s: float) -> float:
    """The same for a put-back that nobody scanned, against something unscanned of that weight."""
    back = priors.log_returned(away_s) + priors.log_normal_density(0.0, variance_g2)
    return back - priors.UNKNOWN_IN - _unknown(weight_g)


def _without(parts: Sequence[Part], index: int, delta_g: float, variance_g2: float) -> float:
    """Log density of the movement with one unit fewer of a part; something unscanned, where nothing else is left."""
    part = parts[index]
    fewer = [msgspec.structs.replace(part, units=part.units - 1)] if part.units > 1 else []
    others = [*parts[:index], *fewer, *parts[index + 1 :]]
    return _density(others, delta_g, variance_g2) if others else priors.UNKNOWN_IN + _unknown(delta_g)


def _left(part: Part, *, alone: bool) -> float:
    """Log odds of scanning a unit and leaving it out rather than putting it in with the movement."""
    left = priors.LEFT_OUT * (priors.DOUBLED_LEFT if part.doubled else 1.0)
    put = priors.log_timing(part.late_s) + part.doubled * priors.PLACE_DOUBLED + part.passed * priors.PLACE_PASSED
    if part.units > 1:
        put += priors.PLACE_SAME_TOO
    elif not alone:
        put += priors.PLACE_OTHER_TOO
    return left - put


def _density(parts: Sequence[Part], delta_g: float, variance_g2: float) -> float:
    """Log density of what so many parts weigh together: as they should, or one of them as the catalogue doesn't say."""
    mean_g = sum(part.units * (part.mean_g or 0.0) for part in parts)
    unknown = [part for part in parts if part.mean_g is None]
    if unknown:
        rest_g = max(delta_g - mean_g, math.ulp(0.0))
        if any(part.loose for part in unknown):
            return priors.log_picked_density(rest_g, priors.PICKED_TYPICAL_G, 1.0, 15000.0)
        return _unknown(rest_g)
    spread_g2 = sum(units_variance(part.units, part.sd_g) for part in parts)
    span_g = priors.SPAN_SD * delta_g
    as_it_should = priors.log_normal_density(
        delta_g - mean_g, variance_g2 + priors.MODEL_VARIANCE_G2 + spread_g2 + span_g * span_g
    )
    return log_sum([as_it_should, *(_errs(part, mean_g, delta_g) for part in parts)])


def _errs(part: Part, mean_g: float, delta_g: float) -> float:
    own_g = part.units * (part.mean_g or 0.0)
    shown_g = delta_g - mean_g + own_g
    if own_g <= 0.0 or shown_g <= 0.0:
        return -math.inf
    return priors.WRONG_WEIGHT + priors.log_errs_density(shown_g, own_g)


def _unknown(weight_g: float) -> float:
    return priors.log_unknown_density(min(15000.0, max(3.0, weight_g)))
