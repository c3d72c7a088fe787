"""Products the net was never trained on: a prototype from a few pictures, and how far a new picture is that product.

A prototype is the mean direction of its pictures' embeddings (Snell, Swersky, Zemel 2017, "Prototypical networks for
few-shot learning"). How much the cosine to it says was measured on classes held out of training and stands in the
model's manifest: at even odds, log-odds = offset + slope · cosine. What looks like a prototype may look even more like
a class that the net knows; so it counts, too, how much nearer the prototype is than the closest of those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from cart.core.enrolled import EnrolledClass, EnrolledTable
from cart.core.problem import Problem

Embedding = npt.NDArray[np.float32]

PICTURES_MIN: Final = 3
PICTURES_MAX: Final = 10
"""Fewer show one side of it; more than ten add little (`python -m benchmarks.enrolment` prints what each gives)."""
STRANGER_LOG_ODDS: Final = -2.0
"""A picture seven to one against being the product that the others show was taken of something else."""
SAME_PICTURE: Final = 0.9999
"""Cosine of two pictures that are one file, or one file saved twice."""
TAKEN_FOR_MIN: Final = 0.9
"""Mean probability of one class of the net over the pictures, from which on they may well show that class. Nets are
sure of look-alikes they never saw: from 0.5 on, 71 % of new products were refused, from 0.9 on 25 % (16 classes left
out of training), and whoever knows better adds --even-so."""
EXP_MAX: Final = 50.0
"""Log-odds beyond are certainty, and a float holds them."""
NONE: Final = "none"


class Line(Protocol):
    """offset + slope · x."""

    @property
    def offset(self) -> float: ...
    @property
    def slope(self) -> float: ...


class Calibration(Protocol):
    """The part of a model's manifest that enrolment needs (drivers.model_folder.Verification)."""

    @property
    def threshold(self) -> float: ...
    @property
    def offset(self) -> float: ...
    @property
    def slope(self) -> float: ...
    @property
    def margin(self) -> Line | None: ...


class EnrolmentProblem(Problem):
    """Pictures that no product can be enrolled from; one line says which and what to do."""


class Likeness(NamedTuple):
    """How alike a picture and an enrolled product are: `cosine`, and at even odds the `log_odds` of being it."""

    cosine: float
    log_odds: float


class Prototypes:
    """The enrolled classes of one net, ready to compare with."""

    def __init__(self, table: EnrolledTable, calibration: Calibration) -> None:
        self.names = tuple(table.classes)
        self._matrix = np.stack([direction(one) for one in table.classes.values()]) if self.names else np.empty((0, 0))
        self._calibration = calibration

    def likeness(self, embedding: Embedding) -> dict[str, Likeness]:
        """By class. Raises ValueError where the prototypes are of another length than the embedding."""
        if not self.names:
            return {}
        offset, slope = self._calibration.offset, self._calibration.slope
        cosines = (self._matrix @ embedding).tolist()
        return {
            name: Likeness(cosine, offset + slope * cosine) for name, cosine in zip(self.names, cosines, strict=True)
        }

    def merged(self, scores: Mapping[str, float], embedding: Embedding, nearness: float) -> dict[str, float]:
        """A classification's `scores` with the enrolled classes among them; they still sum to 1.

        An enrolled product has two rivals. Against the net's classes its evidence is how much nearer its prototype is
        than the closest of them (`nearness`), and before the look it is as likely as any one of them. Against something
        that nobody knows its evidence is its own cosine, at even odds. Being neither takes both.
        """
        likeness = self.likeness(embedding)
        if not likeness:
            return dict(scores)
        prior = math.log(max(1, len(scores) - 1))
        odds = {}
        for name, found in likeness.items():
            against_known = self._against_known(found, nearness) - prior
            odds[name] = 1.0 / (math.exp(min(EXP_MAX, -against_known)) + math.exp(min(EXP_MAX, -found.log_odds)))
        total = 1.0 + sum(odds.values())
        return {name: weight / total for name, weight in (*scores.items(), *odds.items())}

    def _against_known(self, found: Likeness, nearness: float) -> float:
        margin = self._calibration.margin
        if margin is None:
            return found.log_odds
        return margin.offset + margin.slope * (found.cosine - nearness)

    def verified(self, name: str, embedding: Embedding) -> bool:
        """Whether a picture is of the enrolled product `name`, at the manifest's threshold."""
        return self.likeness(embedding)[name].cosine >= self._calibration.threshold


def direction(enrolled: EnrolledClass) -> npt.NDArray[np.float32]:
    """A prototype as a vector of length 1."""
    signed = np.frombuffer(enrolled.prototype, np.int8).astype(np.float32)
    return np.asarray(signed / np.linalg.norm(signed), np.float32)


def enrol(embeddings: Sequence[Embedding]) -> EnrolledClass:
    """The prototype of a product's pictures, rounded to a byte a number (that turns it by under a degree)."""
    mean = np.mean(np.stack(embeddings), axis=0)
    scaled = np.round(mean * (127.0 / np.abs(mean).max())).astype(np.int8)
    return EnrolledClass(prototype=scaled.tobytes(), pictures=len(embeddings))


def check_pictures(names: Sequence[str], embeddings: Sequence[Embedding], calibration: Calibration) -> None:
    """Do these pictures show one product? `names` are what a person knows them by. Raises EnrolmentProblem."""
    if not PICTURES_MIN <= len(names) <= PICTURES_MAX:
        raise EnrolmentProblem(
            f"{len(names)} pictures: give {PICTURES_MIN} to {PICTURES_MAX}, each from another side or in another light"
        )
    for place, embedding in enumerate(embeddings):
        for earlier in range(place):
            if float(embedding @ embeddings[earlier]) > SAME_PICTURE:
                raise EnrolmentProblem(
                    f"{names[place]} is the same picture as {names[earlier]}: take another, from another side"
                )
    odds = [
        _log_odds(embedding, [*embeddings[:place], *embeddings[place + 1 :]], calibration)
        for place, embedding in enumerate(embeddings)
    ]
    worst = int(np.argmin(odds))
    if odds[worst] < STRANGER_LOG_ODDS:
        raise EnrolmentProblem(
            f"{names[worst]} does not look like the other pictures: leave it out, or take it again with the product "
            "filling the picture"
        )


def check_new(
    scores: Sequence[Mapping[str, float]], embeddings: Sequence[Embedding], others: Prototypes, sku: str
) -> None:
    """Is this a product of its own? Raises EnrolmentProblem where the net or another enrolment already names it.

    `scores` are the net's, one mapping a picture.
    """
    means = {name: sum(one[name] for one in scores) / len(scores) for name in scores[0] if name != NONE}
    known = max(means, key=lambda name: means[name])
    if means[known] >= TAKEN_FOR_MIN:
        raise EnrolmentProblem(
            f"these pictures show {known}, which the net knows: give {sku} the vision_class {known!r}, or add "
            "--even-so to enrol it as a product of its own"
        )
    centre = direction(enrol(embeddings))
    for name in others.names:
        if others.verified(name, centre):
            raise EnrolmentProblem(
                f"these pictures look like {name}, which is enrolled: check that they show {sku}, or add --even-so"
            )


def _log_odds(embedding: Embedding, others: Sequence[Embedding], calibration: Calibration) -> float:
    return calibration.offset + calibration.slope * float(embedding @ direction(enrol(others)))
