"""The classifier on photos it was not trained on: `python -m benchmarks.vision DATA_FOLDER SPLIT [--json]`.

DATA_FOLDER is laid out as the Grocery Store data set. Prints accuracy with 95 % Wilson bounds, calibration error, a
table by class, the pairs of classes taken for each other, and what a picture costs on one core with each interpreter.
Baselines, where asked for: softmax regression on frozen features of ImageNet nets (--backbone FILE, once each), fitted
on the photos of --baselines-from SPLIT.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.run_all import machine
from benchmarks.vision_baselines import Backbone, regressed
from benchmarks.vision_data import DataError, Photo, read_picture, read_split
from benchmarks.vision_figures import per_class, share, top_five, worst_pairs
from benchmarks.vision_mixed_up import mixed_up
from cart.core.problem import Problem
from drivers.classifier import NONE, Classifier, available_runtimes
from drivers.errors import DriverError
from models.measures import auroc, confidence_error

MODELS = Path(__file__).parents[1] / "models"
TIMED_PHOTOS = 40
SPEED_WAIT_S = 600
TARGETS = {"fine": 0.92, "coarse": 0.94, "top5": 0.99, "ece": 0.03, "ms": 20.0}
PUBLISHED = {
    "DenseNet-169 fine-tuned, test split": {"fine": 0.8604, "coarse": 0.9199},
    "logistic regression on frozen MobileNetV1 features, test split": {"fine": 0.709, "coarse": 0.823},
}


class Seen:
    """A model's answers on photos: `scores` [photos, classes + none], `coarse` names of the likeliest group."""

    def __init__(self, classifier: Classifier, photos: Sequence[Photo]) -> None:
        rows, self.coarse = [], []
        for photo in progress(photos, "photos classified"):
            found = classifier.classify(read_picture(photo.path))
            rows.append([found.scores[label] for label in (*classifier.labels, NONE)])
            groups = {name: score for name, score in found.coarse.items() if name != NONE}
            self.coarse.append(max(groups, key=lambda name: groups[name]))
        self.scores = np.array(rows)


def progress(photos: Sequence[Photo], what: str) -> Iterator[Photo]:
    """The photos, with how far it is on standard error, where somebody looks."""
    for number, photo in enumerate(photos, start=1):
        yield photo
        if sys.stderr.isatty() and (number % 20 == 0 or number == len(photos)):
            print(f"\r{number} of {len(photos)} {what}", end="" if number < len(photos) else "\n", file=sys.stderr)


def measure(classifier: Classifier, photos: Sequence[Photo]) -> dict[str, Any]:
    """Everything about accuracy. Photos of classes that the model has not are counted apart."""
    known = [photo for photo in photos if photo.fine in classifier.labels]
    strange = [photo for photo in photos if photo.fine not in classifier.labels]
    if not known:
        raise DataError(
            f"the model knows none of these classes ({photos[0].fine} …); give photos of what it was made for"
        )
    seen = Seen(classifier, known)
    fine, none = seen.scores[:, :-1], seen.scores[:, -1]
    numbers = {label: number for number, label in enumerate(classifier.labels)}
    truth = np.array([numbers[photo.fine] for photo in known])
    guessed, confidence = fine.argmax(axis=1), fine.max(axis=1)
    right = guessed == truth
    groups = dict(zip(classifier.labels, classifier.manifest.coarse, strict=True))
    right_coarse = [
        coarse == (photo.coarse or groups[photo.fine]) for coarse, photo in zip(seen.coarse, known, strict=True)
    ]
    five = top_five(fine, truth)
    figures = {
        "fine": float(right.mean()),
        "coarse": float(np.mean(right_coarse)),
        "top5": float(five.mean()),
        "ece": round(confidence_error(confidence, right), 6),
        "ece_if_of_a_known_class": round(confidence_error(confidence / np.maximum(1 - none, 1e-12), right), 6),
        "n": len(known),
        "bounds": {
            "fine": share(int(right.sum()), len(known)),
            "coarse": share(sum(right_coarse), len(known)),
            "top5": share(int(five.sum()), len(known)),
        },
        "called_none_of_these": share(int((none > confidence).sum()), len(known)),
        "asked_whether_it_is_what_was_scanned": mixed_up(
            (*classifier.labels, NONE), classifier.manifest.coarse, seen.scores, truth
        ),
        "classes": per_class(classifier.labels, guessed, truth, confidence),
        "confused": worst_pairs(classifier.labels, guessed, truth),
    }
    if strange:
        p_none = Seen(classifier, strange).scores[:, -1]
        figures["strangers"] = {
            "classes": len({photo.fine for photo in strange}),
            "n": len(strange),
            "auroc": auroc(p_none, none),
            "called_none_of_these": share(int((p_none > 0.5).sum()), len(strange)),
        }
    return figures


def speed(folder: Path, photos: Sequence[Photo]) -> dict[str, Any]:
    """Time and memory of each interpreter here, in a process of its own, and how far their answers differ."""
    spread = [photos[number] for number in np.linspace(0, len(photos) - 1, TIMED_PHOTOS).astype(int)]
    found: dict[str, Any] = {}
    answers: list[npt.NDArray[np.float64]] = []
    for runtime in available_runtimes():
        command = [sys.executable, "-m", "benchmarks.vision_speed", str(folder), runtime]
        done = subprocess.run(
            [*command, *(str(photo.path) for photo in spread)],
            capture_output=True,
            text=True,
            timeout=SPEED_WAIT_S,
            check=False,
        )
        if done.returncode:
            raise DataError(f"{runtime} broke while it was timed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        told = json.loads(done.stdout)
        answers.append(np.array(told.pop("scores")))
        found[runtime] = told
    if len(answers) == 2:
        found["largest_difference_of_a_score"] = float(np.abs(answers[0] - answers[1]).max())
        found["same_first_guess"] = share(int((answers[0].argmax(1) == answers[1].argmax(1)).sum()), len(spread))
    return found


def baseline(backbone: Path, train: Sequence[Photo], test: Sequence[Photo]) -> dict[str, Any]:
    """Softmax regression on one backbone's frozen features: the same figures, of the same photos."""
    net = Backbone(backbone)
    labels = sorted({photo.fine for photo in train})
    numbers = {label: number for number, label in enumerate(labels)}
    groups = {photo.fine: photo.coarse for photo in train}
    test = [photo for photo in test if photo.fine in numbers]
    truth = np.array([numbers[photo.fine] for photo in test])
    scores = regressed(
        net.features(list(progress(train, f"photos through {backbone.name}"))),
        np.array([numbers[photo.fine] for photo in train]),
        net.features(test),
        len(labels),
    )
    right = scores.argmax(axis=1) == truth
    coarse_names = sorted(set(groups.values()))
    member = np.array([[groups[label] == name for name in coarse_names] for label in labels], float)
    coarse = (scores @ member).argmax(axis=1) == (member[truth]).argmax(axis=1)
    return {
        "fine": float(right.mean()),
        "coarse": float(coarse.mean()),
        "top5": float(top_five(scores, truth).mean()),
        "ece": confidence_error(scores.max(axis=1), right),
        "n": len(test),
        "bounds": {"fine": share(int(right.sum()), len(test)), "coarse": share(int(coarse.sum()), len(test))},
    }


def show(figures: dict[str, Any]) -> None:
    """The figures as tables."""
    bounds = figures["bounds"]
    print(f"{figures['n']} photos, {figures['model']['runtime']}, {figures['machine']}")
    for name in ("fine", "coarse", "top5"):
        row, target = bounds[name], TARGETS[name]
        print(f"{name:8} {row['rate']:7.2%}  (95 %: {row['low']:.2%} … {row['high']:.2%}; wanted {target:.0%})")
    print(f"{'ece':8} {figures['ece']:7.4f}  (wanted at most {TARGETS['ece']})")
    print(f"called none of these though known: {figures['called_none_of_these']['rate']:.2%}")
    for name, row in figures["asked_whether_it_is_what_was_scanned"].items():
        rate = f"{row['rate']:.2%} ({row['low']:.2%} … {row['high']:.2%})"
        print(f"asked whether it is what was scanned, {name.replace('_', ' ')}: {rate}")
    for name, row in figures["baselines"].items():
        print(f"baseline {name}: fine {row['fine']:.2%}, coarse {row['coarse']:.2%}")
    if not figures["baselines"]:
        print("baselines left out: they need --baselines-from TRAIN_SPLIT and --backbone FILE")
    for name, row in PUBLISHED.items():
        print(f"published {name}: fine {row['fine']:.2%}, coarse {row['coarse']:.2%}")
    for name, row in figures["speed"].items():
        if name in available_runtimes():
            times = (
                f"{row['ms_p50']:.1f} ms a picture (p99 {row['ms_p99']:.1f}; CPU {row['cpu_ms_p50']:.1f}; wanted 20)"
            )
            own = row["rss_of_the_classifier_mb"]
            print(f"{name:15} {times}, {row['rss_mb']:.0f} MB, of which the classifier {own:.0f}")
    print("\nclass                              n  right  recall  precision  confidence  taken most for")
    for name, row in figures["classes"].items():
        precision = "–" if row["precision"] is None else f"{row['precision']:.2f}"
        print(
            f"{name:32} {row['n']:4} {row['right']:5} {row['recall']:8.2f} {precision:>9} {row['confidence']:11.2f}"
            f"    {row['taken_for']}"
        )
    print("\nmost taken for each other")
    for row in figures["confused"]:
        print(
            f"{row['first']} as {row['second']} {row['first_as_second']}, the other way {row['second_as_first']}, "
            f"of {row['photos']} photos"
        )


def arguments_given() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER", help="with classes.csv and SPLIT.txt")
    parser.add_argument("split", metavar="SPLIT", help="train, val, test or any other that the folder has")
    parser.add_argument("--json", action="store_true", help="one JSON object and nothing else")
    parser.add_argument("--model", type=Path, default=MODELS, help="another model folder than the shipped one")
    parser.add_argument("--runtime", default="auto", help="auto, ai_edge_litert or tflite_runtime")
    parser.add_argument("--baselines-from", metavar="SPLIT", help="the split that baselines are fitted on")
    parser.add_argument("--backbone", type=Path, action="append", default=[], help="an ImageNet net (.tflite)")
    arguments = parser.parse_args()
    if bool(arguments.backbone) != bool(arguments.baselines_from):
        parser.error("baselines need both --baselines-from SPLIT and --backbone FILE")
    return arguments


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one call. Raises DataError and ModelRefused."""
    photos = read_split(arguments.data, arguments.split)
    classifier = Classifier(arguments.model, runtime=arguments.runtime)
    figures = measure(classifier, photos)
    train = read_split(arguments.data, arguments.baselines_from) if arguments.backbone else []
    return figures | {
        "baselines": {path.stem: baseline(path, train, photos) for path in arguments.backbone},
        "published": PUBLISHED,
        "targets": TARGETS,
        "speed": speed(arguments.model, photos),
        "model": {
            "sha256": classifier.digest,
            "runtime": classifier.runtime,
            "classes": len(classifier.labels),
            "mb": round((arguments.model / classifier.manifest.file).stat().st_size / 1e6, 3),
        },
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
