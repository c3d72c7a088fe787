"""How good a classifier is: accuracy, calibration, and how well a score tells two kinds apart. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities [N, classes] of logits [N, classes] divided by `temperature`."""
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def accuracy(logits: Floats, fine: Labels, coarse_of: Sequence[int]) -> dict[str, float]:
    """The share of photos [N] whose best class is right, whose best class has the right coarse class, whose class is
    among the best five.
    """
    best = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    coarse = np.asarray(coarse_of)
    return {
        "fine": float((best[:, 0] == fine).mean()),
        "coarse": float((coarse[best[:, 0]] == coarse[fine]).mean()),
        "top5": float((best == fine[:, None]).any(1).mean()),
    }


def calibration_error(probabilities: Floats, fine: Labels) -> float:
    """Expected calibration error of the likeliest class: see `confidence_error`."""
    return confidence_error(probabilities.max(1), probabilities.argmax(1) == fine)


def confidence_error(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy over bins of equal width, weighted by
    their photos (Guo et al. 2017).
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(float(right[place == b].mean() - confidence[place == b].mean())) * float((place == b).mean())
        for b in np.unique(place)
    ]
    return float(sum(gaps))


def chance_error(confidence: Floats, draws: int = 1000) -> dict[str, float]:
    """What `confidence_error` comes to by chance alone where every confidence [N] is just right: its mean, and what it
    exceeds once in twenty times.
    """
    rng = np.random.default_rng(0)
    errors = [confidence_error(confidence, rng.random(len(confidence)) < confidence) for _ in range(draws)]
    return {"mean": float(np.mean(errors)), "exceeded once in twenty": float(np.quantile(errors, 0.95))}


def fitted_temperature(logits: Floats, fine: Labels) -> float:
    """The temperature, 0.2 to 5, at which the photos' classes are likeliest; the grid's step is 1 %."""
    candidates = np.exp(np.arange(np.log(0.2), np.log(5.0), 0.01))
    rows = np.arange(len(fine))
    losses = [-np.log(softmax(logits, float(t))[rows, fine] + 1e-12).mean() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def auroc(positive: Floats, negative: Floats) -> float:
    """The chance that a positive [P] scores above a negative [N], ties counted half: the area under the ROC curve (Mann
    and Whitney 1947).
    """
    scores = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    wins = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(wins / (len(positive) * len(negative)))


def logistic(
    inputs: Floats, positive: NDArray[np.bool_], *, prior: float, penalty: float = 1e-4
) -> NDArray[np.float64]:
    """Weights [1 + F], offset first, of logistic regression on `inputs` [N, F], as if a share `prior` were positive.

    Each kind counts in all as much as its prior says, however many of it there are. Newton's method, 50 steps.
    """
    design = np.hstack([np.ones((len(inputs), 1)), inputs.astype(np.float64)])
    importance = np.where(positive, prior / positive.sum(), (1 - prior) / (~positive).sum())
    weights = np.zeros(design.shape[1])
    ridge = penalty * np.diag([0.0] + [1.0] * inputs.shape[1])
    for _ in range(50):
        likely = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (importance * (likely - positive)) + ridge @ weights
        curve = (design * (importance * likely * (1 - likely))[:, None]).T @ design + ridge
        weights -= np.linalg.solve(curve + 1e-9 * np.eye(len(curve)), slope)
    return weights
