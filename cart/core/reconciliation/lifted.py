"""What is lifted out to be looked at just as another thing goes in: two things move, and one step is seen.

At a plain question it is the very thing that is asked about: then that movement and this one weigh together what else
went in. Or it is anything that lay there: once it is back, both movements do, and if nothing scanned weighs so much,
that is what has to be asked about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from cart.core.reconciliation import priors
from cart.core.reconciliation.explanation import Explanation
from cart.core.reconciliation.moves import Move, MoveSet
from cart.core.reconciliation.search import Group, Search
from cart.core.reconciliation.window import Step


def lifted_meanwhile(search: Search, group: Group, about_score: float) -> None:
    """What is asked about is out, and something that was scanned is in. `search` is of the second step; `about_score`:
    the log score of what is asked about, which had gone in all the same.
    """
    about, step = group.steps
    if about.delta_g > 0.0 and about.step_id in step.asked_steps:
        _placed_meanwhile(search, group, step, priors.LIFTED_MEANWHILE + about_score, out_g=about.delta_g)


LeftOpen = Callable[[Search, Step], Iterator[Explanation]]
"""What a step may be if nothing explains it."""


def lifted_and_back(search: Search, group: Group, left_open: LeftOpen) -> None:
    """Something was lifted out as another thing went in, and is back. `search` is of the first step."""
    step, back = group.steps
    away_s = (back.began_ns - step.rest_ns) / 1e9
    if back.delta_g <= 0.0 or away_s > priors.LIFTED_S or back.step_id != step.step_id + 1:
        return
    again = [
        out.log_prior + priors.SWAP + priors.log_returned(away_s) + _same(back, -out.mean_g, out.variance_g2)
        for out in search.near_out(-back.delta_g, back.variance_g2)
        if out.moves[0].units == 1
    ]
    shown = [_same(back, *thing) for thing in _may_be_shown(search, step)]
    again += [odds + priors.LIFTED_MEANWHILE - math.log(len(shown)) for odds in shown]
    if again:
        _placed_meanwhile(search, group, step, max(again))
        _left_meanwhile(search, group, max(again), left_open)


def _left_meanwhile(search: Search, group: Group, log_prior: float, left_open: LeftOpen) -> None:
    """What went in meanwhile stays to be asked about, at what both movements weigh together."""
    step, back = group.steps
    if group.target_g < search.window.light_g:
        return
    lift = _lift(step)
    for left in left_open(search, replace(step, delta_g=group.target_g, variance_g2=group.variance_g2)):
        ids = (back.step_id, step.step_id)
        group.keep(replace(left, step_ids=ids, score=left.score + log_prior, moves=(*left.moves, lift)))


def _lift(step: Step) -> Move:
    """What is lifted out with a step and put back: it moves nothing on the bill."""
    return Move("lift", step.step_id, "", "", 1, 0.0, 0.0)


def _same(back: Step, weight_g: float, variance_g2: float) -> float:
    """Log density per gram of what comes back, if it is a thing of this weight."""
    return priors.log_normal_density(back.delta_g - weight_g, back.variance_g2 + variance_g2)


def _may_be_shown(search: Search, step: Step) -> Iterator[tuple[float, float]]:
    """Weights, g, and their variances, g², of single things that are lifted out at a plain question: what is asked
    about, and what had gone in lately.
    """
    for other in search.window.steps:
        if other.step_id in step.asked_steps and other.delta_g > 0.0:
            yield other.delta_g, other.variance_g2
            if step.asked_units > 1:
                unit_g = other.delta_g / step.asked_units
                yield unit_g, other.variance_g2 + (priors.UNITS_APART * unit_g) ** 2
    for waiting in search.window.waiting:
        if waiting.mean_g is not None and waiting.step_id is not None and waiting.step_id in step.asked_steps:
            yield waiting.mean_g, waiting.sd_g**2
    since_ns = step.shown_since_ns
    for inside in search.window.inside if math.isfinite(since_ns) else ():
        if inside.units == 1 and not inside.unseen and inside.rested_ns >= since_ns:
            yield inside.total_g, inside.total_variance_g2


def _placed_meanwhile(search: Search, group: Group, step: Step, log_prior: float, *, out_g: float = 0.0) -> None:
    """What may have gone in with `step`, if both together weigh like it."""
    meanwhile = Group((step,), group.ids, group.target_g, group.variance_g2, later_ns=group.later_ns)
    lift = _lift(step)
    for known in search.near_in(group.target_g, group.variance_g2):
        if known.moves and all(m.kind == "place" for m in known.moves):
            meanwhile.fit(known, MoveSet((lift,), 0.0, 0.0, 0.0), known.log_prior + log_prior)
    for unknown in search.ranged_in:
        move, target_g, variance_g2 = unknown.moves[0], group.target_g, group.variance_g2
        if unknown.range_g is None or move.kind != "place" or move.priced or move.units > 1:
            continue
        score = unknown.log_prior + log_prior + priors.log_unknown_density(target_g, *unknown.range_g)
        score += meanwhile.scanned_late(unknown.moves) + meanwhile.seen(unknown.moves)
        if score > meanwhile.floor:
            moves = (replace(move, mean_g=target_g, variance_g2=variance_g2, ranged=False), lift)
            meanwhile.keep(Explanation(group.ids, "", score, moves, variance_g2=2.0 * variance_g2))
    for found in meanwhile.found:
        group.keep(replace(found, out_g=out_g))
