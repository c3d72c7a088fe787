"""All open steps at once: which explanations of single steps or groups go together best.

The likeliest explanation of some steps may be a worse story of all of them: a lift-out and put-back explains two steps
very well, and leaves a third unexplained that the same things would have told. So what is acted on has to be part of
the best whole: each step explained once or left open, no unit used twice.

Bound: five steps, `PER_GROUP` explanations of each of 25 groups, `BEAM` wholes kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cart.core.reconciliation.explanation import Explanation
from cart.core.reconciliation.window import Step, Window

PER_GROUP = 4
BEAM = 12

Used = dict[tuple[str, int], int]
_Whole = tuple[float, tuple[Explanation, ...], Used, frozenset[int]]


def best_together(
    window: Window,
    steps: Sequence[Step],
    found: Mapping[tuple[int, ...], list[Explanation]],
    open_scores: Mapping[int, float],
) -> tuple[Explanation, ...]:
    """The explanations of the best whole. `found`: step ids → explanations, likeliest first; `open_scores`: step id →
    log score of leaving it open. What must gain more than others to be settled unasked counts that much less.
    """
    units: Used = {("place", w.line_id): w.units for w in window.waiting}
    for inside in window.inside:
        units["take", inside.line_id] = units.get(("take", inside.line_id), 0) + inside.units
    wholes: list[_Whole] = [(0.0, (), {}, frozenset())]
    for step in steps:
        # Earlier steps are done: a group is met at its first step.
        groups = [ids for ids in found if ids[0] == step.step_id]
        longer: list[_Whole] = []
        for whole in wholes:
            score, chosen, used, covered = whole
            if step.step_id in covered:
                longer.append(whole)
                continue
            longer.append((score + open_scores[step.step_id] + window.gain_min, chosen, used, covered))
            for ids in groups:
                if covered.intersection(ids):
                    continue
                for explanation in found[ids][:PER_GROUP]:
                    more = _with(used, explanation, units)
                    if more is not None:
                        worth = explanation.score - explanation.needs(window.gain_min) + window.gain_min
                        worth += window.gain_min * (explanation.open_kind is not None)
                        longer.append((score + worth, (*chosen, explanation), more, covered.union(ids)))
        longer.sort(key=lambda whole: -whole[0])
        wholes = longer[:BEAM]
    return wholes[0][1]


def _with(used: Used, explanation: Explanation, units: Used) -> Used | None:
    """What is used with this explanation, too; None where a unit would be used twice."""
    more = dict(used)
    for move in explanation.moves:
        key = (move.kind, move.key)
        more[key] = more.get(key, 0) + max(1, move.units)
        if more[key] > units.get(key, 1):
            return None
    return more
