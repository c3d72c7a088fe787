"""Mixing the photos of a batch with one another: CutMix and mixup."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def mixed(
    x: Tensor, targets: Tensor, rng: np.random.Generator, *, pasted: float = 0.4, blended: float = 0.25
) -> tuple[Tensor, Tensor]:
    """Mixes a batch [N, C, S, S] with itself: with chance `pasted` a rectangle of each comes from another (CutMix, Yun
    et al. 2019), with chance `blended` they are averaged (mixup, Zhang et al. 2018); `targets` [N, classes] follow by
    area or weight.

    Done to what the untrained part of the net gives, not to the photos: for that part's sake they need not be computed
    anew.
    """
    choice = rng.random()
    if choice >= pasted + blended:
        return x, targets
    other = torch.from_numpy(rng.permutation(len(x)))
    if choice < pasted:
        top, bottom, left, right = _rectangle(x.shape[2], rng)
        x = x.clone(memory_format=torch.preserve_format)
        x[:, :, top:bottom, left:right] = x[other, :, top:bottom, left:right]
        kept = 1 - (right - left) * (bottom - top) / x.shape[2] ** 2
    else:
        kept = float(rng.beta(0.4, 0.4))
        x = kept * x + (1 - kept) * x[other]
    return x, kept * targets + (1 - kept) * targets[other]


def _rectangle(size: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a square of any area, cut off where it leaves the picture."""
    side = math.sqrt(1 - rng.beta(1.0, 1.0)) * size
    down, across = rng.uniform(0, size, 2)
    top, bottom, left, right = (
        int(np.clip(round(centre + way * side / 2), 0, size)) for centre in (down, across) for way in (-1, 1)
    )
    return top, bottom, left, right
