"""What is lifted out to be shown at a plain question, just as another thing goes in: two things move, one step is seen.

Either it is the very thing that is asked about: then that movement and this one weigh together what else went in. Or it
is anything that lay there: once it is back, both movements do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec.structs import replace

from cart.core.reconciliation import priors
from cart.core.reconciliation.moves import Move, MoveSet
from cart.core.reconciliation.search import Group, Search


def lifted_meanwhile(search: Search, group: Group, about_score: float) -> None:
    """What is asked about is out, and something that was scanned is in. `search` is of the second step; `about_score`:
    the log score of what is asked about, which had gone in all the same.
    """
    about, step = group.steps
    if about.delta_g > 0.0 and about.asked_ns is not None and about.asked_ns <= step.began_ns:
        _placed_meanwhile(search, group, step.step_id, about_score, out_g=about.delta_g)


def lifted_and_back(search: Search, group: Group) -> None:
    """Something was lifted out as what was scanned went in, and is back. `search` is of the first step."""
    step, back = group.steps
    if step.asked_of_ns is None or back.delta_g <= 0.0 or back.began_ns - step.rest_ns > priors.LIFTED_S * 1e9:
        return
    again = [
        priors.log_normal_density(back.delta_g - weight_g, back.variance_g2 + variance_g2)
        for weight_g, variance_g2 in _may_be_lifted(search, group)
    ]
    if again:
        _placed_meanwhile(search, group, step.step_id, max(again) - math.log(len(again)))


def _may_be_lifted(search: Search, group: Group) -> Iterator[tuple[float, float]]:
    """Weights and variances, g and g², of single things: what is asked about, and what had gone in lately."""
    step = group.steps[0]
    for other in search.window.steps:
        if other.asked_ns is not None and other.asked_ns <= step.began_ns and other.delta_g > 0.0:
            yield other.delta_g, other.variance_g2
    since_ns = (step.asked_of_ns or 0) - priors.SHOWN_BEFORE_S * 1e9
    for inside in search.window.inside:
        if inside.units == 1 and not inside.unseen and inside.rested_ns >= since_ns:
            yield inside.total_g, inside.total_variance_g2


def _placed_meanwhile(search: Search, group: Group, step_id: int, log_prior: float, *, out_g: float = 0.0) -> None:
    meanwhile = Group(group.steps[-1:], group.ids, group.target_g, group.variance_g2, later_ns=group.later_ns)
    lift = Move("lift", step_id, "", "", 1, 0.0, 0.0)
    shown = MoveSet((lift,), 0.0, 0.0, priors.LIFTED_MEANWHILE)
    for known in search.near_in(group.target_g, group.variance_g2):
        if known.moves and all(m.kind == "place" for m in known.moves):
            meanwhile.fit(known, shown, known.log_prior + shown.log_prior + log_prior)
    for found in meanwhile.found:
        group.keep(replace(found, out_g=out_g))
