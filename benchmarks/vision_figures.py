"""Figures of a classifier on photos whose class is known: arrays [photos, classes] of probabilities, truth [photos]."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cart.bench.wilson import wilson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

PAIRS = 10


def share(right: int, of: int) -> dict[str, Any]:
    """A rate with its 95 % Wilson bounds."""
    low, high = wilson(right, of)
    return {"right": right, "of": of, "rate": round(right / of, 4), "low": round(low, 4), "high": round(high, 4)}


def top_five(scores: Floats, truth: Ints) -> npt.NDArray[np.bool_]:
    """Whether the true class is among the five likeliest; ties count against."""
    own = scores[np.arange(len(truth)), truth]
    found: npt.NDArray[np.bool_] = (scores >= own[:, np.newaxis]).sum(axis=1) <= 5
    return found


def per_class(labels: Sequence[str], guessed: Ints, truth: Ints, confidence: Floats) -> dict[str, dict[str, Any]]:
    """Each class that has photos: how many, how many right, recall, precision (null: never guessed), mean confidence of
    the first guess, and what it was taken for most."""
    rows: dict[str, dict[str, Any]] = {}
    for number in np.unique(truth):
        own = truth == number
        named = guessed == number
        right = int((own & named).sum())
        wrong = Counter(labels[other] for other in guessed[own & ~named])
        rows[labels[number]] = {
            "n": int(own.sum()),
            "right": right,
            "recall": round(right / int(own.sum()), 4),
            "precision": round(right / int(named.sum()), 4) if named.any() else None,
            "confidence": round(float(confidence[own].mean()), 4),
            "taken_for": wrong.most_common(1)[0][0] if wrong else "",
        }
    return rows


def worst_pairs(labels: Sequence[str], guessed: Ints, truth: Ints) -> list[dict[str, Any]]:
    """The PAIRS pairs of classes most often taken for each other, either way round."""
    pairs: dict[tuple[str, str], Counter[str]] = {}
    for own, named in zip(truth, guessed, strict=True):
        if own != named:
            first, second = sorted((labels[own], labels[named]))
            pairs.setdefault((first, second), Counter())[labels[own]] += 1
    ordered = sorted(pairs.items(), key=lambda pair: (-pair[1].total(), pair[0]))[:PAIRS]
    counts = Counter(labels[own] for own in truth)
    return [
        {
            "first": first,
            "second": second,
            "first_as_second": found[first],
            "second_as_first": found[second],
            "photos": counts[first] + counts[second],
        }
        for (first, second), found in ordered
    ]
