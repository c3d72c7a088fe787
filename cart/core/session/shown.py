"""A scanned thing that was never seen to go in, lifted out and put in again to show that it is there.

Asked about a thing as `not_placed`, who has it in the basket takes it out and puts it in again. That alone changes no
weight, so it reads as "put in and taken out again" for ever. While the plain question is open it is the answer: the
unit is in, by the shopper's word, and the step in which it had been lost gives its weight back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import StepExplained
from cart.core.reconciliation import priors
from cart.core.reconciliation.explanation import NOT_ALONE
from cart.core.session.alone import (
    FITS_SIGMAS,
    SPREAD_G,
    believe_alone,
    nothing_else,
    plainly_asked,
    put_in_alone,
    shown_before,
    weighs_like,
)
from cart.core.session.desk import Desk, Held
from cart.core.session.lost_in import (
    HID_NS,
    believe_lost,
    believe_swapped,
    fits,
    host_of,
    picked,
    swapped_in_unseen,
)
from cart.core.session.moves import confirm
from cart.core.session.other_name import found_as_another
from cart.core.session.shares import reopen
from cart.core.session.state import OpenStep
from cart.core.session.units import minimum_g, unit_weight
from cart.core.session.window import right_after


def shown_in_place(desk: Desk, steps: list[OpenStep], *, meanwhile: bool = False) -> None:
    """Take an out-and-in-again for the answer to a plain `not_placed`, if what moved may weigh like its line. What was
    lifted out as another thing went in, `meanwhile`, weighs what it does coming back.
    """
    if len(steps) != 2 or steps[1].delta_g <= 0.0 or (steps[0].delta_g >= 0.0 and not meanwhile):
        return
    weight_g = steps[1].delta_g if meanwhile else (steps[1].delta_g - steps[0].delta_g) / 2.0
    if put_in_alone(desk, steps, weight_g):
        return
    for open_, line in plainly_asked(desk, steps[1].began_ns, "not_placed"):
        if not fits(desk, line, weight_g):
            continue
        if _is_in(desk, line, weight_g):
            return
        if line.unit == "kg" and nothing_else(desk, weight_g) and shown_before(desk, open_, steps, weight_g):
            believe_alone(desk, line, steps[1])
            return
    _shown_right(desk, steps, weight_g)


def _is_in(desk: Desk, line: Line, weight_g: float) -> bool:
    """Believe that a unit of a waiting line, which weighs so much, lay in the basket; whether that can be."""
    if line.unit == "kg" and not nothing_else(desk, weight_g):
        return False
    if _out_of_open_step(desk, line, weight_g):
        return True
    host = host_of(desk, line, weight_g)
    if line.unit == "kg" and host is None:
        return False  # a price needs a weight, and the weight has to come from somewhere, or to be shown twice
    if host is None and weight_g > priors.UNSEEN_MAX_G:
        return _went_in_for_another(desk, line, weight_g)
    believe_lost(desk, line, weight_g, host)
    return True


def _went_in_for_another(desk: Desk, line: Line, weight_g: float) -> bool:
    """So heavy a thing does not go in unseen: another went out for it, or it lies there by that one's name."""
    step = swapped_in_unseen(desk, line, weight_g)
    if step is not None:
        believe_swapped(desk, line, weight_g, step)
        return True
    return found_as_another(desk, line, weight_g, desk.state.recent_steps[-1].began_ns)


def _out_of_open_step(desk: Desk, line: Line, weight_g: float) -> bool:
    """Take what is shown for a part of a movement that is still unexplained; the rest of it stays to be explained. Who
    had put it in since it was missed would not show it.
    """
    since_ns = line.pending[0].since_ns - HID_NS
    missed_ns = [o.raised_ns for o in desk.open_of("not_placed") if o.event.line_id == line.line_id]
    for step in reversed(desk.state.open_steps.values()):
        rest_g = step.delta_g - weight_g
        spread_g = FITS_SIGMAS * math.hypot(step.sigma_g, SPREAD_G)
        if step.delta_g <= 0.0 or step.began_ns < since_ns or rest_g < -spread_g:
            continue
        if any(at_ns < step.began_ns for at_ns in missed_ns):
            continue
        desk.emit(
            StepExplained(
                step_ids=(step.step_id,), won=f"revised: {line.name} was among it, as the shopper shows", margin=99.0,
                considered=(), open_g=round(rest_g, 3) if rest_g > spread_g else None,
            )
        )  # fmt: skip
        confirm(desk, line.line_id, 1, round(weight_g, 2), "shopper", (step.step_id,), 1.0)
        return True
    return False


def goods_lifted_alone(desk: Desk) -> bool:
    """Loose goods that are plainly asked to be put in alone come out, and weigh what their movement did together with
    the thing that went in right after it: that one had been lifted out meanwhile, and lay there before. Whether it was
    so.
    """
    steps = desk.state.open_steps
    out = next(reversed(steps.values()), None)
    if out is None or out.delta_g >= 0.0:
        return False
    for open_, loose in plainly_asked(desk, out.began_ns, "wrong_weight"):
        about = steps.get(open_.event.step_ids[-1])
        if loose.unit != "kg" or open_.event.reason != NOT_ALONE or about is None or about is out:
            continue
        spread_g = FITS_SIGMAS * math.hypot(about.sigma_g, out.sigma_g, SPREAD_G)
        for line, group in _lifted_in(desk, about):
            weight_g = group.weight_g or 0.0
            if abs(about.delta_g + weight_g + out.delta_g) > spread_g:
                continue
            desk.emit(
                StepExplained(
                    step_ids=(about.step_id, *group.step_ids, out.step_id), margin=99.0, considered=(),
                    won=f"{loose.name} was taken out to be put in alone; {line.name} had been lifted out as it went in",
                )
            )  # fmt: skip
            desk.clear(open_)
            desk.in_hand = Held(loose.line_id, desk.t_ns)
            reopen(desk, [(line, group)])
            if not found_as_another(desk, line, weight_g, about.began_ns):
                _is_in(desk, line, weight_g)
            return True
    return False


def _lifted_in(desk: Desk, step: OpenStep) -> Iterator[tuple[Line, PlacedGroup]]:
    """Single units that were plainly asked for as a step came, and went in right after it."""
    after = right_after(desk, step)
    for line_id in step.asked_for:
        line = desk.state.basket.lines.get(line_id)
        for group in line.placed if line is not None else ():
            if line is not None and group.units == 1 and group.weight_g is not None and after & set(group.step_ids):
                yield line, group


def lifted_to_show(desk: Desk) -> bool:
    """At a plain `wrong_weight` the scanned thing is lifted out, and weighs as it should: what else moved with it then
    has to be explained. Whether it was so. What another line's unit weighs by chance does not matter: who is asked
    about a thing takes out that one.
    """
    steps = list(desk.state.open_steps.values())
    out = steps[-1] if len(steps) > 1 else None
    if out is None or out.delta_g >= 0.0:
        return False
    for open_, line in plainly_asked(desk, out.began_ns, "wrong_weight"):
        about = desk.state.open_steps.get(open_.event.step_ids[-1])
        if line.unit == "kg" or about is None or about is out:
            continue
        if not weighs_like(desk, line, -out.delta_g):
            continue
        step = max((about, *steps[:-1]), key=lambda step: _came_out_of(desk, line, step, out))
        rest_g = step.delta_g + out.delta_g
        if abs(rest_g) <= FITS_SIGMAS * math.hypot(step.sigma_g, out.sigma_g, SPREAD_G):
            continue
        desk.emit(
            StepExplained(
                step_ids=(out.step_id, step.step_id), won=f"taken out to be shown: {line.name}", margin=99.0,
                considered=(), open_g=round(rest_g, 3),
            )
        )  # fmt: skip
        desk.clear(open_)
        return True
    return False


def _came_out_of(desk: Desk, line: Line, step: OpenStep, out: OpenStep) -> float:
    """Log odds of the line's thing having gone in with a step, by its time and by what else waits for what is left."""
    rest_g = step.delta_g + out.delta_g
    spread_g = math.hypot(step.sigma_g, out.sigma_g, SPREAD_G)
    if step.delta_g <= 0.0:
        return -math.inf
    if rest_g < -FITS_SIGMAS * spread_g:
        return _taken_for_it(desk, rest_g, spread_g) + _timing(line, step)
    left = [priors.UNKNOWN_IN + priors.log_unknown_density(max(3.0, rest_g))]
    for other in desk.state.basket.lines.values():
        if other is not line and other.pending:
            mean_g, sd_g = unit_weight(desk, other)
            fits = picked(rest_g) if other.unit == "kg" and rest_g >= minimum_g(desk) else -math.inf
            if mean_g is not None:
                fits = priors.log_normal_density(rest_g - mean_g, sd_g * sd_g + SPREAD_G**2)
            left.append(fits + _timing(other, step))
    return max(left) + _timing(line, step)


def _taken_for_it(desk: Desk, rest_g: float, spread_g: float) -> float:
    """Log odds of something that lay there having been taken out as the thing went in."""
    fits = []
    for line in desk.state.basket.lines.values():
        for group in line.placed:
            if group.weight_g is not None and group.units > 0:
                apart_g = unit_weight(desk, line)[1] if group.units > 1 else 0.0  # its own among those of its group
                unit_g, sigma_g = group.weight_g / group.units, group.sigma_g / group.units
                fits.append(priors.log_normal_density(rest_g + unit_g, spread_g**2 + sigma_g**2 + apart_g**2))
    return priors.TAKE + priors.SWAP - math.log(len(fits)) + max(fits) if fits else -math.inf


def _timing(line: Line, step: OpenStep) -> float:
    return priors.log_timing((step.began_ns - line.pending[0].since_ns) / 1e9)


def _shown_right(desk: Desk, steps: list[OpenStep], weight_g: float) -> None:
    """Asked why a movement weighed other than the scanned thing, the shopper shows that thing, and it weighs as it
    should: then it is in, and the rest of that movement is something else, put in with it or taken out for it.
    """
    for open_, line in plainly_asked(desk, steps[1].began_ns, "wrong_weight"):
        step = desk.state.open_steps.get(open_.event.step_ids[-1])
        if line.unit == "kg" or step is None:
            continue
        rest_g = step.delta_g - weight_g
        if not weighs_like(desk, line, weight_g) or abs(rest_g) <= FITS_SIGMAS * math.hypot(step.sigma_g, SPREAD_G):
            continue
        desk.emit(
            StepExplained(
                step_ids=(step.step_id,), won=f"revised: {line.name} was one of several things, as the shopper shows",
                margin=99.0, considered=(), open_g=round(rest_g, 3),
            )
        )  # fmt: skip
        confirm(desk, line.line_id, 1, round(weight_g, 2), "weighed", (steps[1].step_id,), steps[1].sigma_g)
        desk.clear(open_)
        return
    for _, line in plainly_asked(desk, steps[1].began_ns, "wrong_weight"):
        if found_as_another(desk, line, weight_g, steps[0].began_ns):
            return
