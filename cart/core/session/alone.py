"""Loose goods, and what else has a weight that nobody knows, put in alone as asked: what they weigh then is theirs.

In whichever movement they had come; where none can have held them, whoever shows a thing twice at the same question
means it, and so does staff who weighs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from cart.core.basket import Line, PlacedGroup
from cart.core.interventions import Open
from cart.core.ledger import InterventionKind, StepExplained
from cart.core.reconciliation.explanation import NOT_ALONE, WEIGHT_DIFFERS
from cart.core.session.desk import Desk, Held
from cart.core.session.moves import confirm
from cart.core.session.otherwise import LEFT_G, SAME_G
from cart.core.session.state import OpenStep
from cart.core.session.units import minimum_g, tentative, unit_weight

FITS_SIGMAS = 4.0
SPREAD_G = 1.0
"""σ of a step and of the scale's span together."""
_WEIGHED_NS = 30_000_000_000
"""Staff who have weighed a thing say so within this time."""


def put_in_alone(desk: Desk, steps: list[OpenStep], weight_g: float) -> bool:
    """Loose goods that are plainly asked to be put in alone were taken out and put in by themselves, whatever else went
    in with them at first: that is the answer. The rest of that movement stays to be explained.
    """
    for open_, line in _asked_alone(desk, steps[0]):
        spread_g = FITS_SIGMAS * math.hypot(steps[0].sigma_g, SPREAD_G)
        about = [i for i in open_.event.step_ids[-1:] if i in desk.state.open_steps]
        others = [i for i in reversed(desk.state.open_steps) if i not in about]
        came_out = (desk.state.open_steps[i] for i in (*about, *others))
        step = next((step for step in came_out if step.delta_g - weight_g >= -spread_g), None)
        if step is None:
            step = next((s for s in desk.state.recent_steps if s.step_id in about and _same(s, weight_g)), None)
        if step is None:
            if nothing_else(desk, weight_g) and shown_before(desk, open_, steps, weight_g):
                believe_alone(desk, line, steps[1])
                return True
            continue
        rest_g = step.delta_g - weight_g
        desk.emit(
            StepExplained(
                step_ids=(step.step_id,), won=f"revised: {line.name} was among it, and went in alone", margin=99.0,
                considered=(), open_g=round(rest_g, 3) if rest_g > spread_g else None,
            )
        )  # fmt: skip
        confirm(desk, line.line_id, 1, round(steps[1].delta_g, 2), "weighed", (steps[1].step_id,), steps[1].sigma_g)
        return True
    return False


def _asked_alone(desk: Desk, out: OpenStep) -> Iterator[tuple[Open, Line]]:
    """Things that are plainly asked to be put in alone, their weight unknown, where nothing else that waits or is asked
    about weighs like what was taken out; loose goods only where that may be priced.
    """
    waiting = (line for line in desk.state.basket.lines.values() if line.pending)
    if any(weighs_like(desk, line, -out.delta_g) for line in waiting):
        return
    for open_, line in plainly_asked(desk, out.began_ns, "wrong_weight"):
        unknown = unit_weight(desk, line)[0] is None or tentative(desk, line)
        told = -out.delta_g >= minimum_g(desk) if line.unit == "kg" else unknown and line.pending_units == 1
        if told and open_.event.reason == NOT_ALONE:
            yield open_, line


def taken_to_go_alone(desk: Desk, steps: list[OpenStep]) -> None:
    """Note that loose goods are in the hand, as asked; what another thing was asked about for is none."""
    if steps and steps[-1].delta_g < 0.0 and not _anothers(desk, {step.step_id for step in steps}):
        for _, line in _asked_alone(desk, steps[-1]):
            desk.in_hand = Held(line.line_id, desk.t_ns)


def _anothers(desk: Desk, step_ids: set[int]) -> bool:
    """Whether one of the steps is asked about as a thing that weighs other than the catalogue says."""
    about = (o.event for o in desk.open_of("wrong_weight") if not step_ids.isdisjoint(o.event.step_ids))
    lines = (desk.state.basket.lines.get(event.line_id or 0) for event in about if event.reason == WEIGHT_DIFFERS)
    return any(line is not None and line.unit != "kg" and unit_weight(desk, line)[0] is not None for line in lines)


def shown_before(desk: Desk, open_: Open, steps: list[OpenStep], weight_g: float) -> bool:
    """Whether something of that weight was taken out and put in again at the same question before: whoever is asked
    about a thing and shows it twice means that one.
    """
    recent = [s for s in desk.state.recent_steps if open_.stage_ns <= s.began_ns and s.step_id < steps[0].step_id]
    return any(_same(after, weight_g) and abs(out.delta_g + after.delta_g) <= SAME_G for out, after in pairwise(recent))


def believe_alone(desk: Desk, line: Line, step: OpenStep) -> None:
    """It weighs what it was shown to weigh, in whichever movement it had come."""
    desk.emit(
        StepExplained(
            step_ids=(step.step_id,), won=f"{line.name}, as the shopper has shown twice", margin=99.0, considered=()
        )
    )  # fmt: skip
    confirm(desk, line.line_id, 1, round(step.delta_g, 2), "shopper", (step.step_id,), step.sigma_g)


def _weighed_alone(desk: Desk) -> OpenStep | None:
    """The step by which something came back that had been taken out just before: staff's weighing of it alone."""
    last = [s for s in desk.state.recent_steps if desk.t_ns - s.rest_ns < _WEIGHED_NS][-2:]
    if len(last) < 2 or last[0].delta_g >= 0.0 or last[1].delta_g < minimum_g(desk):
        return None
    return last[1] if abs(last[0].delta_g + last[1].delta_g) <= SAME_G else None


def nothing_else(desk: Desk, weight_g: float) -> bool:
    """Whether what was shown is enough to be priced, and nothing that lies in the basket by itself weighs so much."""
    inside = (group for line in desk.state.basket.lines.values() for group in line.placed if group.weight_g)
    units_g = ((group.weight_g or 0.0) / group.units for group in inside)
    return weight_g >= minimum_g(desk) and all(abs(g - weight_g) > FITS_SIGMAS * SPREAD_G for g in units_g)


def _same(step: OpenStep, weight_g: float) -> bool:
    """Whether all of a step, in whatever else it is believed to have gone in, weighs like what was shown."""
    return abs(step.delta_g - weight_g) <= FITS_SIGMAS * math.hypot(step.sigma_g, SPREAD_G)


def plainly_asked(desk: Desk, by_ns: int, *kinds: InterventionKind) -> Iterator[tuple[Open, Line]]:
    """Waiting lines that a question of these kinds was about when something moved, `by_ns`."""
    for open_ in desk.open_of(*kinds):
        line = desk.state.basket.lines.get(open_.event.line_id or 0)
        if line is not None and line.pending and open_.stage == "question" and open_.stage_ns <= by_ns:
            yield open_, line


def weighed_like(group: PlacedGroup, weight_g: float) -> bool:
    """Whether what went in as a group may be what is weighed now."""
    spread_g = FITS_SIGMAS * math.hypot(group.sigma_g, SPREAD_G)
    return group.weight_g is not None and abs(group.weight_g - weight_g) <= spread_g


def weighs_like(desk: Desk, line: Line, weight_g: float) -> bool:
    mean_g, sd_g = unit_weight(desk, line)
    known = mean_g is not None and not tentative(desk, line)
    return known and abs(weight_g - (mean_g or 0.0)) <= FITS_SIGMAS * math.hypot(sd_g, SPREAD_G)


def accept_produce(desk: Desk, line: Line, open_: Open) -> None:
    """Staff says that it is there. Sold by weight it still needs one: what staff has just weighed alone; else what the
    scale has and can't explain, less what else waits and is there by the same word. Where that weighs nobody knows
    what, the goods have to be weighed alone.
    """
    steps = desk.state.open_steps
    alone = _weighed_alone(desk)
    same = (g for li in desk.state.basket.lines.values() if li.sku == line.sku for g in li.placed)
    new = alone is not None and not any(alone.step_id in g.step_ids for g in same)  # no other pick of its kind again
    if alone is not None and new and alone.step_id not in steps and line.pending_units == 1:
        _weighed(desk, line, open_, alone)
        return
    ids = tuple(i for i in open_.event.step_ids if i in steps) or tuple(steps)
    rested_ns = max((steps[i].rest_ns for i in ids), default=0)
    others = [
        li for li in desk.state.basket.lines.values()
        if li is not line and li.pending and li.pending[0].since_ns <= rested_ns
    ]  # fmt: skip
    others_g = [unit_weight(desk, li)[0] for li in others]
    net_g = sum(steps[i].delta_g for i in ids)
    rest_g = net_g - sum(li.pending_units * (g or 0.0) for li, g in zip(others, others_g, strict=True))
    if rest_g >= minimum_g(desk) and None not in others_g:
        desk.emit(StepExplained(step_ids=ids, won=f"{line.name}, accepted by staff", margin=99.0, considered=()))
        for li, unit_g in zip(others, others_g, strict=True):
            confirm(desk, li.line_id, li.pending_units, round(li.pending_units * (unit_g or 0.0), 2), "staff", ids, 1.0)
        confirm(desk, line.line_id, line.pending_units, round(rest_g, 2), "staff", ids, 1.0)
    elif line.line_id in desk.state.asked_alone:
        # Weighing it anew has been tried: staff lets it go, without a weight and so without a price.
        confirm(desk, line.line_id, line.pending_units, None, "staff")


def _weighed(desk: Desk, line: Line, open_: Open, alone: OpenStep) -> None:
    """Staff has weighed it alone; what else is in the movement that is asked about stays to be explained."""
    steps = desk.state.open_steps
    ids = tuple(i for i in open_.event.step_ids if i in steps)
    rest_g = sum(steps[i].delta_g for i in ids) - alone.delta_g
    if ids:
        desk.emit(
            StepExplained(
                step_ids=ids, won=f"{line.name}, weighed by staff", margin=99.0, considered=(),
                open_g=round(rest_g, 3) if rest_g > LEFT_G else None,
            )
        )  # fmt: skip
    confirm(desk, line.line_id, 1, round(alone.delta_g, 2), "staff", (alone.step_id,), alone.sigma_g)
