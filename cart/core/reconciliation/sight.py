"""What the camera adds to an explanation: a bounded bonus, never a decision.

A look is one frame's class scores, calibrated: a score is the probability of the class. It may be of another thing, or
stale, so its weight is bounded; what the camera does not see, or sees as something else, costs an explanation nothing.
So looks choose between things that weigh alike, and no look turns an explanation by weight into an accusation. Only
`log_other` weighs against what was believed, for the one question that the camera may raise by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

ELSEWHERE = 0.03
"""How often a look is of something else than what moved: a hand, a neighbour."""
SAYS_NOTHING = 0.1
"""A score that speaks neither for a class nor against it: there are ten of a kind."""
BONUS_MAX = 2.0
"""Below every margin by which one thing must beat another (`priors.margin`): a look alone decides nothing."""
MIXED_UP = -5.3
"""Log prior of something else of the same weight having been put in: one in two hundred."""


def bonus(score: float) -> float:
    """What a class's score adds to the log likelihood of a thing of that class, 0 to `BONUS_MAX`."""
    return min(BONUS_MAX, max(0.0, math.log((score + ELSEWHERE) / (SAYS_NOTHING + ELSEWHERE))))


def log_other(looks: Sequence[Mapping[str, float]], believed: str) -> tuple[str, float]:
    """The likeliest other class of several looks at one thing, and its log likelihood ratio against the believed one;
    "" and 0 where they don't agree on it.

    Another frame may show something else by a chance of its own (`ELSEWHERE`), but a classifier that errs about a thing
    errs about it in the next frame, too: so its scores are averaged and not multiplied.
    """
    others = {max((n for n in scores if n != believed), key=lambda n: (scores[n], n), default="") for scores in looks}
    other = others.pop() if len(others) == 1 else ""
    score = sum(scores.get(other, 0.0) for scores in looks)
    all_elsewhere = ELSEWHERE ** len(looks)
    mine = all_elsewhere * score + (1.0 - all_elsewhere) * sum(scores.get(believed, 0.0) for scores in looks)
    return other, math.log(score / mine) if score > 0.0 and mine > 0.0 else 0.0
