"""What the cart's question about a thing that looks otherwise costs and catches, on photos whose class is known.

Each photo is taken to have been scanned as its own class, and as each of the others; the rule is the cart's own, for
two looks with one photo's scores. Whether two products weigh alike is left out: as if all did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.vision_figures import Floats, Ints, share
from cart.core.reconciliation import priors, sight
from cart.core.settings import Policy
from cart.vision.pipeline import SCORE_MIN, SCORES_MAX

LOOKS = 2


def mixed_up(labels: Sequence[str], groups: Sequence[str], scores: Floats, truth: Ints) -> dict[str, Any]:
    """How often it asks: of photos scanned as what they show; of those scanned as another class, or as a sister of
    the same group, where it also names the right one.

    `scores` [photos, classes + none], `labels` of those columns, `groups` [classes].
    """
    policy = Policy()
    least = -sight.MIXED_UP - priors.gain_min(policy.accuse_cost, policy.miss_cost)
    asked: dict[str, list[bool]] = {"as_it_is": [], "as_another": [], "as_a_sister": []}
    for row, own in zip(scores, truth.tolist(), strict=True):
        best = np.argsort(-row)[:SCORES_MAX].tolist()
        told = {labels[place]: float(row[place]) for place in best if row[place] >= SCORE_MIN}
        for place, believed in enumerate(labels[:-1]):
            other, against = sight.log_other([told] * LOOKS, believed)
            asks = against > least and other in labels[:-1]
            if place == own:
                asked["as_it_is"].append(asks)
                continue
            asked["as_another"].append(asks and other == labels[own])
            if groups[place] == groups[own]:
                asked["as_a_sister"].append(asks and other == labels[own])
    return {name: share(sum(found), len(found)) for name, found in asked.items() if found}
