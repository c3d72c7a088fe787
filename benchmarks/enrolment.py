"""Products that the camera learns from a few pictures: `python -m benchmarks.enrolment DATA_FOLDER SPLIT [--json]`.

Classes are enrolled from 3, 5 and 10 pictures of the split --from, and looked for in the photos of SPLIT: how well the
cosine tells a product from all others (ROC area, equal error rate, rates at the manifest's threshold), how often an
enrolled product is named rightly among all classes, and what the checks of `cart catalog enrol` refuse.

Classes of the data that the model was not trained on are enrolled as they are. The shipped model was trained on all of
them: then a tenth of the classes at a time is struck from its answers and from what is near, and `seen_in_training`
says that its embedding knew them, so that the figures flatter it. --backbone FILE measures beside it an ImageNet net
that saw none of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.run_all import machine
from benchmarks.vision import MODELS, progress
from benchmarks.vision_baselines import Backbone
from benchmarks.vision_data import DataError, Photo, read_picture, read_split
from benchmarks.vision_figures import share
from cart.core.enrolled import EnrolledTable
from cart.core.problem import Problem
from cart.vision.enrolment import EnrolmentProblem, Prototypes, check_new, check_pictures, direction, enrol
from drivers.classifier import NONE, Classification, Classifier, classification, prepare
from drivers.errors import DriverError
from drivers.model_folder import Manifest
from models.embedding import NEARNESS_MIN
from models.measures import auroc

Floats = npt.NDArray[np.float64]

PICTURES = (3, 5, 10)
SEEDS = 5
FOLDS = 10


class Answers(NamedTuple):
    """A net's bare answers on photos: logits and embedding, a row each."""

    photos: Sequence[Photo]
    logits: npt.NDArray[np.float32]
    raw: npt.NDArray[Any]


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Rows brought to length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float64)


def answers(classifier: Classifier, photos: Sequence[Photo]) -> Answers:
    """Every photo through the net once."""
    size = classifier.manifest.input
    rows = [
        classifier.run(prepare(read_picture(photo.path), size.height, size.width))
        for photo in progress(photos, "photos through the net")
    ]
    return Answers(photos, np.stack([logits for logits, _ in rows]), np.stack([raw for _, raw in rows]))


def draws(photos: Sequence[Photo], classes: Sequence[str], count: int) -> Iterator[dict[str, list[int]]]:
    """SEEDS times `count` photos of each class, or of a smaller class all; numbers into `photos`."""
    own = {name: [n for n, photo in enumerate(photos) if photo.fine == name] for name in classes}
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        yield {
            name: [int(n) for n in rng.choice(numbers, min(count, len(numbers)), replace=False)]
            for name, numbers in own.items()
        }


def told_apart(train: Answers, test: Answers, classes: Sequence[str], count: int) -> dict[str, Floats]:
    """Cosines of photos with prototypes: of the `same` product, another, and a `sibling`, another of the same group."""
    found: dict[str, list[Floats]] = {"same": [], "other": [], "sibling": []}
    fine = np.array([photo.fine for photo in test.photos])
    coarse = np.array([photo.coarse for photo in test.photos])
    groups = {photo.fine: photo.coarse for photo in train.photos}
    taught, asked = unit(train.raw), unit(test.raw)
    for drawn in draws(train.photos, classes, count):
        for name, numbers in drawn.items():
            prototype = direction(enrol([row.astype(np.float32) for row in taught[numbers]]))
            cosines = asked @ prototype.astype(np.float64)
            found["same"].append(cosines[fine == name])
            found["other"].append(cosines[fine != name])
            found["sibling"].append(cosines[(fine != name) & (coarse == groups[name])])
    return {kind: np.concatenate(parts) for kind, parts in found.items()}


def roc(cosines: dict[str, Floats]) -> dict[str, float]:
    """Area under the ROC, against all others and against siblings alone, and the equal error rate."""
    same, other = np.sort(cosines["same"]), np.sort(cosines["other"])
    figures = {"auroc": round(auroc(same, other), 4)}
    if len(cosines["sibling"]):
        figures["auroc_siblings"] = round(auroc(same, cosines["sibling"]), 4)
    at = np.unique(np.concatenate([same, other]))
    rejected = np.searchsorted(same, at, "left") / len(same)
    accepted = 1 - np.searchsorted(other, at, "left") / len(other)
    crossing = int(np.argmin(np.abs(rejected - accepted)))
    figures["equal_error_rate"] = round(float(rejected[crossing] + accepted[crossing]) / 2, 4)
    figures["equal_error_threshold"] = round(float(at[crossing]), 4)
    return figures


def at_threshold(cosines: dict[str, Floats], threshold: float) -> dict[str, float]:
    """Rates of the shipped threshold."""
    return {
        "threshold": threshold,
        "accepted_same": round(float((cosines["same"] >= threshold).mean()), 4),
        "accepted_other": round(float((cosines["other"] >= threshold).mean()), 4),
    }


def without(manifest: Manifest, names: Sequence[str]) -> tuple[Manifest, npt.NDArray[np.bool_]]:
    """A manifest that lacks some classes, and which logits are left."""
    kept = np.array([label not in names for label in manifest.labels])
    pairs = [
        pair for pair, stays in zip(zip(manifest.labels, manifest.coarse, strict=True), kept, strict=True) if stays
    ]
    labels, coarse = zip(*pairs, strict=True)
    return msgspec.structs.replace(manifest, labels=labels, coarse=coarse), kept


def class_means(photos: Answers, labels: Sequence[str]) -> dict[str, Floats]:
    """The mean direction of each of these classes' embeddings."""
    fine, directions = np.array([photo.fine for photo in photos.photos]), unit(photos.raw)
    found = {label: directions[fine == label] for label in labels}
    return {label: unit(rows.mean(0, keepdims=True))[0] for label, rows in found.items() if len(rows)}


def struck(manifest: Manifest, some: Answers, names: Sequence[str], means: dict[str, Floats]) -> list[Classification]:
    """What a net without some of its classes would say: neither their logits nor the nearness to them, which is the
    embedding's length where the manifest weighs enrolled products against it.
    """
    reduced, kept = without(manifest, names)
    raw, closest = some.raw, [means[label] for label in reduced.labels if label in means]
    if not kept.all() and manifest.verification.margin is not None and closest:
        directions = unit(raw)
        raw = directions * np.maximum((directions @ np.stack(closest).T).max(1, keepdims=True), NEARNESS_MIN)
    return [classification(reduced, logits[kept], one) for logits, one in zip(some.logits, raw, strict=True)]


def named(
    manifest: Manifest, train: Answers, test: Answers, folds: Sequence[Sequence[str]], count: int
) -> dict[str, Any]:
    """With each fold enrolled: are its products named rightly, the others still, and what do the checks refuse?"""
    tally = Tally()
    means = class_means(train, manifest.labels)
    for fold in folds:
        seen, taught = (struck(manifest, some, fold, means) for some in (test, train))
        for drawn in draws(train.photos, fold, count):
            pictures = {name: [taught[n] for n in numbers] for name, numbers in drawn.items()}
            tally.looks(manifest, pictures, seen, test.photos)
            tally.checks(manifest, pictures)
    return tally.figures()


class Tally:
    """Counts of `named`."""

    def __init__(self) -> None:
        self._counts: dict[str, list[bool]] = {}

    def _count(self, what: str, *, right: bool) -> None:
        self._counts.setdefault(what, []).append(right)

    def looks(
        self,
        manifest: Manifest,
        pictures: dict[str, list[Classification]],
        seen: Sequence[Classification],
        photos: Sequence[Photo],
    ) -> None:
        """Each photo, with all these products enrolled."""
        table = {name: enrol([one.embedding for one in own]) for name, own in pictures.items()}
        known = Prototypes(EnrolledTable(model="0" * 64, classes=table), manifest.verification)
        for one, photo in zip(seen, photos, strict=True):
            merged = known.merged(one.scores, one.embedding, one.nearness)
            best = max((name for name in merged if name != NONE), key=lambda name: merged[name])
            if photo.fine in table:
                self._count("enrolled_named", right=best == photo.fine)
                self._count("enrolled_called_none", right=max(merged, key=lambda name: merged[name]) == NONE)
            else:
                before = max((name for name in one.scores if name != NONE), key=lambda name: one.scores[name])
                self._count("others_named_before", right=before == photo.fine)
                self._count("others_named", right=best == photo.fine)

    def checks(self, manifest: Manifest, pictures: dict[str, list[Classification]]) -> None:
        """What enrolment refuses: honest pictures, pictures with a stranger among them, a product that looks known."""
        names = list(pictures)
        none = Prototypes(EnrolledTable(model="0" * 64, classes={}), manifest.verification)
        for place, name in enumerate(names):
            own = [one.embedding for one in pictures[name]]
            stranger = pictures[names[(place + 1) % len(names)]][0].embedding
            paths = [str(n) for n in range(len(own))]
            self._count("honest_refused", right=refused(check_pictures, paths, own, manifest.verification))
            if len(names) > 1:
                mixed = [*own[:-1], stranger]
                self._count("stranger_refused", right=refused(check_pictures, paths, mixed, manifest.verification))
            scores = [one.scores for one in pictures[name]]
            self._count("taken_for_a_known_class", right=refused(check_new, scores, own, none, name))

    def figures(self) -> dict[str, Any]:
        """Shares, by what was counted."""
        return {what: share(sum(found), len(found)) for what, found in self._counts.items()}


def refused(check: Callable[..., None], *given: Any) -> bool:
    """Whether one of enrolment's checks refuses."""
    try:
        check(*given)
    except EnrolmentProblem:
        return True
    return False


def enrollable(photos: Sequence[Photo], asked: Sequence[Photo], classes: set[str]) -> list[str]:
    """Of these classes those with enough pictures to enrol from, and any to ask about."""
    counts = Counter(photo.fine for photo in photos)
    return sorted({photo.fine for photo in asked if photo.fine in classes and counts[photo.fine] >= PICTURES[0]})


def measure(classifier: Classifier, given: Sequence[Photo], asked: Sequence[Photo]) -> dict[str, Any]:
    """All figures of one model."""
    manifest = classifier.manifest
    strange = enrollable(given, asked, {photo.fine for photo in asked} - set(manifest.labels))
    classes = strange or enrollable(given, asked, set(manifest.labels))
    if not classes:
        raise DataError(f"no class has {PICTURES[0]} pictures to enrol from and one to ask about; give larger splits")
    folds = [strange] if strange else [classes[start::FOLDS] for start in range(min(FOLDS, len(classes) // 2))]
    train = answers(classifier, [photo for photo in given if photo.fine in {*classes, *manifest.labels}])
    test = answers(classifier, asked)
    by_pictures = {}
    for count in PICTURES:
        cosines = told_apart(train, test, classes, count)
        by_pictures[str(count)] = (
            roc(cosines)
            | at_threshold(cosines, manifest.verification.threshold)
            | named(manifest, train, test, folds, count)
        )
    return {
        "seen_in_training": not strange,
        "classes": len(classes),
        "photos": len(asked),
        "by_pictures": by_pictures,
        "embedding": manifest.outputs.embedding[1],
    }


def frozen(backbone: Path, given: Sequence[Photo], asked: Sequence[Photo], classes: Sequence[str]) -> dict[str, Any]:
    """The same ROC with the pooled features of an ImageNet net, which saw none of these classes."""
    net = Backbone(backbone)
    photos = [photo for photo in given if photo.fine in classes]
    nothing = np.empty((0, 0), np.float32)
    train = Answers(photos, nothing, net.features(list(progress(photos, f"photos through {backbone.name}"))))
    test = Answers(asked, nothing, net.features(asked))
    return {str(count): roc(told_apart(train, test, classes, count)) for count in PICTURES}


def show(figures: dict[str, Any]) -> None:
    """The figures as text."""
    print(f"{figures['classes']} classes enrolled, asked about in {figures['photos']} photos; {figures['machine']}")
    if figures["seen_in_training"]:
        print("the model was trained on these classes: its embedding knew them, and these figures flatter it")
    for count, row in figures["by_pictures"].items():
        print(f"\n{count} pictures each")
        for name, value in row.items():
            told = (
                f"{value['rate']:.2%}  ({value['low']:.2%} … {value['high']:.2%})" if isinstance(value, dict) else value
            )
            print(f"  {name:28} {told}")
    for name, rows in figures["baselines"].items():
        for count, row in rows.items():
            print(f"baseline {name}, {count} pictures: {row}")


def arguments_given() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER", help="laid out as for benchmarks.vision")
    parser.add_argument("split", metavar="SPLIT", help="whose photos are asked about")
    parser.add_argument("--from", dest="given", default="train", metavar="SPLIT", help="whose photos are enrolled from")
    parser.add_argument("--json", action="store_true", help="one JSON object and nothing else")
    parser.add_argument("--model", type=Path, default=MODELS, help="another model folder than the shipped one")
    parser.add_argument("--backbone", type=Path, action="append", default=[], help="an ImageNet net (.tflite)")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one call. Raises DataError and ModelRefused."""
    asked = read_split(arguments.data, arguments.split)
    given = read_split(arguments.data, arguments.given)
    figures = measure(Classifier(arguments.model), given, asked)
    classes = enrollable(given, asked, {photo.fine for photo in asked})
    return figures | {
        "baselines": {path.stem: frozen(path, given, asked, classes) for path in arguments.backbone},
        "machine": machine(),
    }


def main() -> int:
    """Print the figures; 2 with one line where the data or the model cannot be used."""
    arguments = arguments_given()
    try:
        figures = run(arguments)
    except (Problem, DriverError) as error:
        print(error, file=sys.stderr)
        return 2
    if not arguments.json:
        show(figures)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
