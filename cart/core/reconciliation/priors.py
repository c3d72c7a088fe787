"""How often people do each thing, as natural logarithms, and the bounds of the search.

The numbers are round on purpose: they order what is likely and are fitted to no recording. Only differences matter.
"""

from __future__ import annotations

import math

STEPS_MAX = 5
"""Open steps that are considered together; 25 subsets of up to 3. Older open steps wait for the shopper's answer."""
GROUP_MAX = 3
"""An item rests in at most this many movements."""
PENDING_LINES_MAX = 8
"""Lines waiting to be put in that are combined: more than a person carries between shelf and cart."""
IN_SETS_MAX = 512
"""Combinations of waiting units."""
TAKEN_UNITS_MAX = 3
"""Units of one line taken out in one movement, short of all that went in together."""
PAIRS_MAX = 200
"""Pairs of things taken out, or one out and one in, that fit a step."""

Z_MAX = 4.0
"""A weight this many σ off isn't the item: honest items are further off once in 16,000."""
GAIN_MIN = -1.0
"""An honest explanation may be this much worse than accusing: accusing is dear, and a hint is asked early anyway."""
GAIN_TAKEN = 1.0
Z_RETURNED = 3.0
"""A unit that was weighed before comes back at that weight, or it is another thing of nearly the same."""
GAIN_SWAPPED = 3.0
"""Units taken out, or swapped for scanned ones, are settled only if that is this much likelier than anything unknown:
of many lines some always fits a net weight."""
MARGIN_TAKEN = 3.0
"""Natural log by which one removal must beat every other before its line goes unasked: 20 to 1."""

PLACE = -0.1
PLACE_RANK = -0.4
"""Each waiting line that was scanned later makes an earlier one less likely to come next."""
PLACE_STALE = -2.0
STALE_S = 15.0
"""A scanned thing that has waited this long may have been left on the shelf."""
PLACE_OTHER_TOO = -1.0
PLACE_SAME_TOO = -0.5
TAKE = -3.0
TAKE_MORE = -1.5
TAKE_PAIR = -2.5
EVERYTHING = -5.0
RETURN = -2.0
RETURN_PER_S = -1.0 / 15.0
"""Who looks at a thing and puts it back does so within seconds."""
RETURN_LATE = -3.0
"""No put-back is less likely than this for its age: within minutes it still beats an unscanned thing of that weight."""
RETURN_TOLD = -2.0
"""Who says that a thing was taken out means to leave it."""
OWN_OUT = -4.0
OWN_IN = -2.0
OWN_DECLARED = -0.3
CANCEL = -1.0
SWAP = -2.0
NOISE = -2.0
SLOPE = -6.0
ANOTHER_MOVEMENT = -1.0
UNKNOWN_IN = -4.0
WRONG_WEIGHT = -3.0
WRONG_WEIGHT_WITHIN_S = 20.0
"""A thing put in this soon after a scan is taken for the scanned one."""
EXTRA_UNIT = -4.0
UNKNOWN_OUT = -4.5
LIGHT_SEEN = -2.0
PART_OUT = -3.0

SLOPE_FRACTION = 0.006
"""Share of the load a slope can hide: 1 − cos 5° is 0.4 %, 6° is 0.55 %."""

UNKNOWN_LOG_SPAN = math.log(15000.0 / 3.0)
"""Unknown things weigh between 3 g and 15 kg, evenly in the logarithm."""
MODEL_VARIANCE_G2 = 0.4**2
"""What step σ leaves out, g²: zero moving between two rests."""
SPAN_SD = 0.0005
"""Span error of a calibrated scale, share of the weight moved."""


def log_unknown_density(weight_g: float, low_g: float = 3.0, high_g: float = 15000.0) -> float:
    """Log density per gram of a thing of which only the range is known; −inf outside it."""
    if not low_g <= weight_g <= high_g:
        return -math.inf
    return -math.log(weight_g * math.log(high_g / low_g))


def log_normal_density(residual_g: float, variance_g2: float) -> float:
    """Log density per gram of a normal distribution at `residual_g` from its mean."""
    return -0.5 * (residual_g * residual_g / variance_g2 + math.log(2.0 * math.pi * variance_g2))
