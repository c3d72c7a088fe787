"""How the learning rate and the size of the photos change over a run."""

from __future__ import annotations

import math
from collections.abc import Sequence


def rate_at(progress: float, warmup: float) -> float:
    """The share of the peak learning rate at `progress` 0…1: a line up until `warmup`, half a cosine to 1 %."""
    if progress < warmup:
        return progress / warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (min(progress, 1.0) - warmup) / (1 - warmup)))


def size_at(progress: float, sizes: Sequence[tuple[float, int]]) -> int:
    """Height and width, px, of the photos at `progress` 0…1 of a run."""
    done = 0.0
    for share, size in sizes:
        done += share
        if progress < done:
            return size
    return sizes[-1][1]
