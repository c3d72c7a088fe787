"""How often people do each thing, as natural logarithms, and the bounds of the search.

The numbers are round on purpose: they order what is likely and are fitted to no recording. Only differences matter.
"""

from __future__ import annotations

import math

from cart.core.reconciliation import sight

STEPS_MAX = 5
"""Open steps that are considered together; 25 subsets of up to 3. Older open steps wait for the shopper's answer."""
GROUP_MAX = 3
"""An item rests in at most this many movements."""
PENDING_LINES_MAX = 8
"""Lines waiting to be put in that are combined: more than a person carries between shelf and cart."""
HANDFUL = 4
"""Different scanned things that go in with one movement."""
IN_SETS_MAX = 320
"""Combinations of waiting units: every handful of eight lines is 163, the rest is for several units of a line."""
TAKEN_UNITS_MAX = 3
"""Units of one line taken out in one movement, short of all that went in together."""
PAIRS_MAX = 200
"""Pairs of things taken out, or one out and one in, that fit a step."""

Z_MAX = 4.0
"""A weight this many σ off isn't the item: honest items are further off once in 16,000."""
HINT = 2.0
"""An accusation begins as a quiet hint that the basket or a scan can answer: that much less (natural log) it costs."""
TAKEN = 2.0
ANY_WEIGHT = 0.0
PRICED = 2.0
"""A thing takes its price from a step only if no accusation explains the step better."""
WHICH_TAKEN = -1.5
"""A removal that fits some lines is asked about rather than believed to be half of a put-back; one that fits one line
by far is settled.
"""
SWAPPED = 4.0
"""Units taken out, or swapped for scanned ones, are settled only if that is this much likelier still: of many lines
some always fits a net weight.
"""
SWAP_ASKED = 0.0
"""Swaps that are together likelier than what would be asked, but none by enough, are asked about themselves."""
OVERCHARGED = 2.0
"""A unit that was perhaps never meant (its code read twice) is settled only if that is this much likelier than asking:
what it would charge wrongly costs as much as an accusation, the hint e² times less.
"""
Z_JUST_SO = 2.0
Z_RETURNED = 3.0
"""A unit that was weighed before goes and comes back at that weight, or it is another thing of nearly the same."""
MARGIN_PRICED = 2.0
"""So much more than `margin` for what takes its price from the step: an error there costs the shopper money."""
SHOWS_WITHIN_S = 10.0
"""Who scanned two things and put in one puts in the other within this time, and shows which was which."""
BESIDE_MAX = 64
"""Placements that a thing of unknown weight is weighed together with."""
BESIDE_TWO_MAX = 16
TWO_MAX = 4
"""Placements that two things of unknown weight are weighed together with, and such things of which any two are."""
BESIDE_WRONG_MAX = 16
"""Placements that a badly catalogued thing is asked about with."""

PLACE = -0.1
PLACE_RANK = -0.4
"""Each waiting line that was scanned later makes an earlier one less likely to come next."""
PLACE_PASSED = -3.0
"""Something else has gone in since its scan: it was left on the shelf or scanned twice, where anything newer fits."""
PLACE_ASKED = -2.0
"""Who is plainly asked for it puts it in or shows it, however long ago it was scanned: as likely as a put-back."""
PLACE_IN_HAND = 3.0
"""What goes in after it was scanned as asked is that thing, twenty to one."""
PLACE_DOUBLED = -4.0
"""A unit whose scan was a repeat as likely as not: it goes in only where nothing else fits."""
DOUBLED_LEFT = 0.3
"""So much of the log odds of leaving a scanned thing out remains for such a unit."""
LEFT_MORE = 0.5
"""So much of them comes on top for each further unit of a line: who leaves one leaves all."""
PLACE_OUT_SINCE = -9.0
"""A thing that was taken out later, and had been asked about: it was part of another step, or another thing was."""
PLACE_STALE = -2.0
STALE_S = 15.0
"""A scanned thing that has waited this long may have been left on the shelf."""
PLACE_OTHER_TOO = -1.0
PLACE_SAME_TOO = -0.5
PLACE_OTHERWISE = -1.5
"""At the weight that the catalogue doesn't give it, and that it showed before."""
PLACE_RELEARNED = -2.5
"""A unit of another weight than the first ones of a product that the catalogue knows no weight of."""
PLACE_THOUGH_ASKED = -5.0
PLACE_AS_ASKED = 4.0
"""Going in with others, or by itself, once the shopper has been asked to put the thing in alone."""
TAKE = -3.0
TAKE_MORE = -1.5
HASTY_S = 1.0
TAKE_HASTY = -6.0
"""Nobody lets go of a thing, waits until the basket rests and lifts out another, all within a second; or wheels the
cart onto a slope.
"""
SETTLING_FRACTION = 0.005
"""Of a heavy load so much may come late: what still rang, or a hand that stayed on it for a moment."""
CREEP_FRACTION = 0.001
CREEP_S = 5.0
"""And a cell creeps for seconds by as little of it: OIML R 60 allows class C3 0.025 % in half an hour, and a cheap cell
creeps several times as much.
"""
TAKE_PAIR = -2.5
EVERYTHING = -5.0
RETURN = -2.0
RETURN_PER_S = -1.0 / 15.0
"""Who looks at a thing and puts it back does so within seconds."""
RETURN_MAX_S = 60.0
"""Who has held a thing for a minute has mostly put it on a shelf, and a put-back charges what nobody has scanned since:
later it is asked about like any unscanned thing.
"""
RETURN_TOLD = -2.0
"""Who says that a thing was taken out means to leave it."""
OWN_OUT = -4.0
OWN_IN = -2.0
OWN_DECLARED = -0.3
CANCEL = -1.0
SWAP = -2.0
LIFTED_MEANWHILE = -2.5
LIFTED_OTHER = -0.5
LIFTED_S = 10.0
"""What was lifted out to be shown is back within this time, or was taken out for good."""
SHOWN_BEFORE_S = 20.0
"""Who is plainly asked lifts out to show it what is asked about, sooner than what went in about when that came up: one
time in a dozen just as another thing goes in.
"""
NOISE = -2.0
NOISE_OUT = -7.0
SURELY_G = 3.0
SURELY_SIGMAS = 5.0
"""A loss that the scale is so sure of is rarely nothing: a light thing has gone."""
SLOPE = -6.0
ANOTHER_MOVEMENT = -1.0
PAUSES = ((2.0, 0.0), (6.0, -4.0))
PAUSE_LONG = -5.0
"""Seconds between two movements of one thing, natural log: who sets a thing down in two goes does so at once."""
DIPPED = -4.0
"""What goes in weighs less than nothing first: something that lay there was rather lifted out meanwhile."""
_PART_LEAST_G = 3.0
RANGED_TWICE = -3.0
"""A thing of unknown weight rests once; two rests are two things, or one may as well be."""
UNKNOWN_IN = -4.0
WRONG_WEIGHT = -3.0
WRONG_WEIGHT_WITHIN_S = 20.0
SCANNED_AFTER_S = 8.0
"""A thing put in this soon after a scan, or before it, is taken for the scanned one."""
EXTRA_UNIT = -4.0
UNKNOWN_OUT = -4.5
LEFT_OUT = -4.5
"""Scanned and left on the shelf, or scanned twice."""
PASSED_OVER = -3.0
"""What is put in is nothing scanned, though something just scanned waits."""
FRESH_S = 10.0
DENIED = -3.0
"""What an honest answer rules out is so all the same one time in twenty: people err, and some lie."""
PLACE_BELIEVED = -4.0
"""A thing that is believed to be in the basket already, as part of what is asked about."""
REPRICED = 2.0
"""The same where a price that was told would change, and no less be asked."""
REVISED = 1.5
REVISED_MARGIN = 1.5
"""Natural log by which other explanations of several steps must beat those believed so far, and each other."""
LIGHT_SEEN = -2.0
LIGHTS_MAX = 3.0
"""Light things that are looked for in a removal weigh together at most so many times the lightest that can be seen."""
LIGHT_WITHIN_S = 20.0
"""Light things go in this soon after their scan, a few of them with one movement: then the scale sees them."""
PART_OUT = -3.0
PART_SHOWN = -0.5
"""Who is plainly asked about a thing takes it out to see, though more had gone in with it."""
UNITS_APART = 0.03
"""1 σ of units of one product, share of their weight, where nobody knows it."""
SHOWN = -7.5
"""Of what fits nothing singly: taken out to show what is plainly asked for, and lies there under another name."""
WENT_IN_UNSEEN = -4.5
UNSEEN_MAX_G = 50.0
"""A scanned thing so light goes in unseen now and then, while the cart rolls or a hand leans on it."""

CHARGED = 5.0
"""Natural log: a unit whose odds of being there are below a hundred and fifty to one is asked about before it is paid
for: no more than its scan makes likely by itself (`LEFT_OUT`, at the best moment). It costs a touch, and one wrong
charge what many touches do.
"""

TAKEN_AS_ASKED = -0.5
"""Who is plainly asked to put loose goods in alone takes them out next."""

SLOPE_S = 30.0
"""Who pays stands level: a slope that took something so long ago has ended, or there was none."""
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


def log_two_density(sum_g: float, *, loose: bool) -> float:
    """Log density per gram of what two such things weigh together; `loose`: one is of loose goods, and what people pick
    of them is averaged over twelve weights of the other, evenly in the logarithm. Of two that lie evenly there it is
    2 ln((s − l) / l) / (s L²), with the least weight l and the range's logarithm L.
    """
    if loose:
        rests_g = [sum_g - weight_g for weight_g in _TWELFTHS_G if sum_g - weight_g >= 1.0]
        found = [math.exp(log_picked_density(rest_g, PICKED_TYPICAL_G, 1.0, 15000.0)) for rest_g in rests_g]
        return math.log(sum(found) / len(_TWELFTHS_G)) if sum(found) > 0.0 else -math.inf
    if not 6.0 < sum_g <= 15000.0:
        return -math.inf
    return math.log(2.0 * math.log((sum_g - 3.0) / 3.0) / (sum_g * UNKNOWN_LOG_SPAN**2))


_TWELFTHS_G = tuple(3.0 * math.exp(UNKNOWN_LOG_SPAN * (n + 0.5) / 12.0) for n in range(12))


def log_wrong_density(
    weight_g: float, mean_g: float | None, units: int = 1, *, same: float = 0.0, other: float = 0.0
) -> float:
    """Log density per gram of what was put in for a scanned thing that it doesn't weigh like: half are that thing, or
    all its units, and the catalogue errs, by another pack size mostly; half are anything. `same` and `other`: what
    besides the weight speaks for the one and for the other (natural log).
    """
    anything = log_unknown_density(max(3.0, min(weight_g, 15000.0))) + other
    if mean_g is None or weight_g <= 0.0 or mean_g <= 0.0:
        return anything
    errs = max(log_errs_density(weight_g, n * mean_g) for n in {1, units}) + same
    return math.log(0.5 * math.exp(errs) + 0.5 * math.exp(anything))


def log_errs_density(weight_g: float, mean_g: float) -> float:
    """Log density per gram of what a thing weighs of which the catalogue says a wrong weight, `mean_g`."""
    return errs_by(weight_g, mean_g) - math.log(_WRONG_SPREAD * math.sqrt(2.0 * math.pi) * weight_g)


def errs_by(weight_g: float, mean_g: float) -> float:
    """How much rarer (natural log) so great an error of the catalogue is than a slight one."""
    off = math.log(weight_g / mean_g) / _WRONG_SPREAD
    return -0.5 * off * off


_WRONG_SPREAD = 0.35
"""1 σ of the logarithm of a wrong catalogue weight over the right one."""
PICKED_TYPICAL_G = 450.0
_PICKED_SPREAD = 0.8
_PICKED_OTHERWISE = 0.1


def log_part_density(part_g: float, whole_g: float) -> float:
    """Log density per gram of one of two movements of a thing: any share of the whole, small ones the likelier."""
    part_g, whole_g = max(part_g, _PART_LEAST_G), max(whole_g, 10.0)
    return max(-math.log(whole_g), -math.log(part_g * math.log(whole_g / _PART_LEAST_G)))


def log_timing(late_s: float) -> float:
    """Log prior of a thing that went in so many seconds after its scan; negative: it was put in first."""
    for until_s, odds in _TIMING:
        if late_s <= until_s:
            return odds
    return _TIMING_LATE


_TIMING = ((-15.0, -5.0), (-7.0, -3.5), (-1.0, -2.0), (3.0, 0.8), (10.0, -0.3), (20.0, -1.5))
_TIMING_LATE = -2.5
"""Most go in within ten seconds of their scan, half of them within three, when nobody is back with the next thing yet;
a tenth are put in first. Seconds and natural logarithms.
"""


SCANNED_AS_ASKED = -1.0
READ_S, HEEDED_S = 1.5, 20.0
"""Asked to scan what was put in, people read that, and do so within this time or scan the next thing. Unknown weights
are excepted: they fit whatever is asked about.
"""
NOT_THE_LAST = -2.5
"""What is scanned after it went in is what went in last."""


def log_returned(away_s: float) -> float:
    """Log prior of what was taken out so many seconds ago being put back."""
    return RETURN + RETURN_PER_S * away_s


def log_left(age_s: float) -> float:
    """Log prior of a thing that was scanned so many seconds ago and has not gone in."""
    return LEFT_OUT * min(1.0, max(0.1, age_s / 20.0))


def gain_min(accuse_cost: float, miss_cost: float) -> float:
    """What an honest explanation must gain over accusing to be believed: with odds p : q for it, believing costs
    q × `miss_cost` and asking p × `accuse_cost`, so it is believed from ln(miss / accuse) on; a hint costs less.
    """
    return math.log(miss_cost / accuse_cost) + HINT


def margin(accuse_cost: float, miss_cost: float) -> float:
    """By how much one removal must beat every other before its line goes unasked, and a thing of unknown weight that
    went in alone the same together with others: the odds at which an error costs what the question costs. No look of
    the camera is worth as much.
    """
    return max(sight.BONUS_MAX + 0.5, math.log(accuse_cost / miss_cost))


def log_picked_density(weight_g: float, typical_g: float, low_g: float, high_g: float) -> float:
    """Log density per gram of what a person picks of loose goods: log-normal around `typical_g`, with a tenth left for
    any weight between the least and the greatest that can be priced; −inf outside them.
    """
    if not low_g <= weight_g <= high_g:
        return -math.inf
    off = math.log(weight_g / typical_g) / _PICKED_SPREAD
    picked = math.exp(-0.5 * off * off) / (_PICKED_SPREAD * math.sqrt(2.0 * math.pi))
    return math.log(((1.0 - _PICKED_OTHERWISE) * picked + _PICKED_OTHERWISE / math.log(high_g / low_g)) / weight_g)


def log_normal_density(residual_g: float, variance_g2: float) -> float:
    """Log density per gram of a normal distribution at `residual_g` from its mean."""
    return -0.5 * (residual_g * residual_g / variance_g2 + math.log(2.0 * math.pi * variance_g2))
