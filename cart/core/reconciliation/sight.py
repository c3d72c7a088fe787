"""What the camera adds to an explanation: a bounded bonus, never a decision.

A look is one frame's class scores, calibrated: a score is the probability of the class. It may be of another thing, or
stale, so its weight is bounded; what the camera does not see, or sees as something else, costs an explanation nothing.
So looks choose between things that weigh alike, and no look turns an explanation by weight into an accusation. Only
`log_other` weighs against what was believed, for the one question that the camera may raise by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

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


def log_other(scores: Mapping[str, float], believed: str) -> tuple[str, float]:
    """The likeliest other class, and its log likelihood ratio against the believed one; at most ln(1 / `ELSEWHERE`)."""
    other = max((name for name in scores if name != believed), key=lambda name: (scores[name], name), default="")
    score = scores.get(other, 0.0)
    mine = ELSEWHERE * score + (1.0 - ELSEWHERE) * scores.get(believed, 0.0)
    return other, math.log(score / mine) if score > 0.0 and mine > 0.0 else 0.0
