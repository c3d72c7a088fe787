"""A thing that is shown and was never seen to go in: with what else it had gone in, that weighs less by it."""

from __future__ import annotations

import math

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import ItemConfirmed, StepExplained
from cart.core.reconciliation import priors
from cart.core.session.alone import FITS_SIGMAS, SPREAD_G, weighs_like
from cart.core.session.desk import Desk
from cart.core.session.learning import learn_anew
from cart.core.session.moves import confirm
from cart.core.session.otherwise import word_allowed
from cart.core.session.shares import reopen
from cart.core.session.state import OpenStep
from cart.core.session.units import minimum_g, tentative, unit_weight

HID_NS = 20_000_000_000
"""It went in with another thing at most this long before its scan."""
_HOST_LEAST = -6.0
"""Natural log: less likely, nobody knows where the weight of what was shown has gone."""
_TOGETHER_NS = 15_000_000_000
"""Things scanned within this time before a movement may have gone in with it."""


def fits(desk: Desk, line: Line, weight_g: float) -> bool:
    if line.unit == "kg" and line.expected_g is None:
        return weight_g >= minimum_g(desk)
    if unit_weight(desk, line)[0] is None or tentative(desk, line):
        return True
    return weighs_like(desk, line, weight_g) or word_allowed(desk, line, weight_g)


def host_of(desk: Desk, line: Line, weight_g: float) -> tuple[Line, PlacedGroup] | None:
    """The group that what was shown is likeliest to have gone in with, if it is not much worse explained without it."""
    since_ns = line.pending[0].since_ns - HID_NS
    groups = (
        (_with_it(desk, line, other, group, weight_g), other, group)
        for other in desk.state.basket.lines.values()
        for group in other.placed
        if group.proof == "weighed"
        and not group.returned
        and group.rested_ns >= since_ns
        and group.weight_g is not None
        and group.step_ids
    )
    odds, other, group = max(groups, key=lambda found: found[0], default=(-math.inf, line, None))
    return (other, group) if group is not None and odds >= _HOST_LEAST else None


def _with_it(desk: Desk, line: Line, other: Line, group: PlacedGroup, weight_g: float) -> float:
    """Log odds of a group having gone in with a unit of the line, that weighs so much, rather than without it."""
    whole_g = group.weight_g or 0.0
    left_g = whole_g - weight_g
    late_s = (group.rested_ns - line.pending[0].since_ns) / 1e9
    mean_g, sd_g = unit_weight(desk, other)
    if other.unit == "kg":
        if not _price_may_change(desk, line, other, group, left_g):
            return -math.inf
        fits = picked(left_g) - picked(whole_g) - priors.MARGIN_PRICED
    elif mean_g is None or other is line or tentative(desk, other):
        several = mean_g is not None and other is line and left_g > 2.0 * weight_g * group.units
        if several or left_g < weight_g * 0.5 * group.units:
            return -math.inf
        fits = priors.log_unknown_density(max(3.0, left_g)) - priors.log_unknown_density(max(3.0, whole_g))
    else:
        variance_g2 = group.units * sd_g * sd_g + SPREAD_G**2
        fits = priors.log_normal_density(left_g - group.units * mean_g, variance_g2)
        fits -= priors.log_normal_density(whole_g - group.units * mean_g, variance_g2)
    return fits + priors.log_timing(late_s)


def picked(weight_g: float) -> float:
    return priors.log_picked_density(weight_g, priors.PICKED_TYPICAL_G, 1.0, 15000.0)


def _price_may_change(desk: Desk, line: Line, loose: Line, group: PlacedGroup, left_g: float) -> bool:
    """Whether loose goods may have been weighed with another thing: not as asked, with nothing else, and not long after
    that was scanned.
    """
    as_asked = desk.state.asked_alone.get(loose.line_id, group.rested_ns) < group.rested_ns
    long_before = line.pending[0].since_ns < group.rested_ns - _TOGETHER_NS
    alone = sum(group.step_ids == g.step_ids for li in desk.state.basket.lines.values() for g in li.placed) == 1
    return loose.expected_g is None and alone and left_g >= minimum_g(desk) and not as_asked and not long_before


def swapped_in_unseen(desk: Desk, line: Line, weight_g: float) -> OpenStep | None:
    """The movement, of nothing as it seemed, by which what was shown went in as a thing of its weight went out."""
    state = desk.state
    told = {i for li in state.basket.lines.values() for group in li.placed for i in group.step_ids}
    groups = [g for li in state.basket.lines.values() if li is not line for g in li.placed if g.weight_g is not None]
    for step in reversed(state.recent_steps):
        about = abs(step.began_ns - line.pending[0].since_ns) <= HID_NS
        if not about or step.step_id in told or step.step_id in state.open_steps:
            continue
        if abs(step.delta_g) < desk.policy.light_item_g and any(
            abs((group.weight_g or 0.0) / group.units - weight_g + step.delta_g) <= FITS_SIGMAS * SPREAD_G
            for group in groups
        ):
            return step
    return None


def believe_swapped(desk: Desk, line: Line, weight_g: float, step: OpenStep) -> None:
    """It went in with that step; what went out for it has to be found."""
    slope = desk.state.slope_step
    absorbed_g = step.delta_g if slope is not None and slope.step_id == step.step_id else 0.0
    desk.emit(
        StepExplained(
            step_ids=(step.step_id,), won=f"revised: {line.name} went in for another thing, as the shopper shows",
            margin=99.0, considered=(), open_g=round(step.delta_g - weight_g, 3), absorbed_g=-absorbed_g,
        )
    )  # fmt: skip
    confirm(desk, line.line_id, 1, round(weight_g, 2), "shopper", (step.step_id,), 1.0)


def believe_lost(desk: Desk, line: Line, weight_g: float, host: tuple[Line, PlacedGroup] | None) -> None:
    name = f"with {host[0].name}" if host is not None else "unseen"
    desk.emit(
        StepExplained(
            step_ids=host[1].step_ids if host is not None else (desk.state.last_step_id,),
            won=f"revised: {line.name} had gone in {name}, as the shopper shows", margin=99.0, considered=(),
        )
    )  # fmt: skip
    if host is None:
        confirm(desk, line.line_id, 1, None, "shopper")
        return
    other, group = host
    ids, units, sigma_g = group.step_ids, group.units, group.sigma_g
    left_g = (group.weight_g or 0.0) - weight_g
    reopen(desk, [(other, group)])
    desk.emit(
        ItemConfirmed(
            line_id=other.line_id, sku=other.sku, units=units, weight_g=round(left_g, 2), proof="weighed",
            step_ids=ids, sigma_g=sigma_g,
        )
    )  # fmt: skip
    learn_anew(desk, other.sku, (left_g + weight_g) / units, left_g / units)
    confirm(desk, line.line_id, 1, round(weight_g, 2), "shopper", ids, 1.0)
