"""The second head: what of the pooled features tells products apart, also products never trained on. NumPy only.

It is fitted to the trained net's features in one go. Its direction is the embedding by which a product is enrolled or
recognised; how near that is to the closest class trained on says whether the photo shows one of them at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def projection(
    features: Floats, fine: NDArray[np.integer[Any]], size: int, *, shrinkage: float = 0.1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fits weight [size, D] and bias [size] to features [N, D] of classes `fine` [N].

    The features are centred, and scaled so that photos of one class differ alike in every direction (the whitening of
    linear discriminant analysis, Fisher 1936); of those directions, the `size` in which all photos differ most are
    kept. `shrinkage` draws the covariance within classes towards a round one, as there are few photos for its D² terms.
    """
    wide = features.astype(np.float64)
    labels, place = np.unique(fine, return_inverse=True)
    means = np.stack([wide[place == number].mean(0) for number in range(len(labels))])
    within = wide - means[place]
    covariance = within.T @ within / len(wide)
    round_one = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * round_one)
    whitening = vectors / np.sqrt(values)
    centre = wide.mean(0)
    whitened = (wide - centre) @ whitening
    _, directions = np.linalg.eigh(whitened.T @ whitened)
    weight = (whitening @ directions[:, ::-1][:, :size]).T
    # The scale is free, as embeddings are brought to length 1: one that suits int8 and float32.
    weight /= np.abs(weight).max()
    return weight.astype(np.float32), (-weight @ centre).astype(np.float32)


def normalised(features: Floats) -> NDArray[np.float64]:
    """Rows [N, E] brought to length 1."""
    wide = features.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


def prototypes(embedded: Floats, fine: NDArray[np.integer[Any]], classes: int) -> NDArray[np.float64]:
    """The mean direction [classes, E] of each class's embeddings [N, E]; zeros for a class without any."""
    found = np.zeros((classes, embedded.shape[1]))
    np.add.at(found, fine, normalised(embedded))
    return normalised(found)


@dataclass(frozen=True)
class Head:
    """`weight` [E, D] and `bias` [E] of the projection, `prototypes` [classes, E], and what their cosines add to the
    logits: `share` times the cosine.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    share: float

    def embedded(self, features: Floats) -> NDArray[np.float64]:
        """Embeddings [N, E] of length 1 of pooled features [N, D]."""
        return normalised(features @ self.weight.T + self.bias)

    def answers(self, logits: Floats, features: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The net's final logits [N, classes], and the nearness [N] to the closest class, at least `NEARNESS_MIN`."""
        cosines = self.embedded(features) @ self.prototypes.T.astype(np.float64)
        return logits + self.share * cosines, np.maximum(cosines.max(1), NEARNESS_MIN)


NEARNESS_MIN = 0.01
"""The embedding's length is its nearness, and a length of nothing would have no direction."""


def fitted(features: Floats, fine: NDArray[np.integer[Any]], classes: int, *, size: int, share: float) -> Head:
    """The head for features [N, D] of photos trained on, of classes `fine` [N]."""
    weight, bias = projection(features, fine, size)
    directions = prototypes(features @ weight.T + bias, fine, classes)
    return Head(weight, bias, directions.astype(np.float32), share)
