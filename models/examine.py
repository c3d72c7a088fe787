"""How good a run is on photos it did not see: `python models/examine.py DATA_FOLDER runs/a`, or the mean of several.

Prints accuracy and calibration on the known classes' photos that the run kept back and, where it left classes out, how
well it tells their photos from known ones ("none of these") and how well it enrols and recognises them (verification).
The net's answers are kept in `runs/a/answers.npz`, as they take minutes to compute.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

# So that the file also runs by its path, from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models import measures
from models import photos as ph
from models.embedding import Head, fitted, normalised
from models.net import Parameters, build
from models.recipe import Recipe, split, unseen
from models.train import EVALUATED_PX, predict

EMBEDDING_SIZE, PROTOTYPE_SHARE = 256, 8.0
"""Of the second head; `README.md` says what other choices gave."""


ENROLLED = (3, 5, 10)
"""Pictures that a product is enrolled from."""


@dataclass(frozen=True)
class Answers:
    """What a net says of photos: their `paths` [N], `fine` classes [N], `logits` [N, classes], `features` [N, 1280]."""

    paths: NDArray[np.str_]
    fine: NDArray[np.int64]
    logits: NDArray[np.float32]
    features: NDArray[np.float32]

    def where(self, chosen: NDArray[np.bool_]) -> Answers:
        return Answers(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def in_val(self) -> NDArray[np.bool_]:
        """Which photos [N] are val's, so from other days and shops than those trained on."""
        return np.array(["/val/" in path for path in self.paths], bool)


@dataclass(frozen=True)
class Run:
    """A finished run: the photos it was `shown`, those `known` and kept back, and those of classes it never saw."""

    shown: Answers
    known: Answers
    strange: Answers
    seen_classes: NDArray[np.bool_]


def restored(checkpoints: Sequence[Path]) -> tuple[Recipe, Parameters]:
    """The mean of the averaged parameters of `last.pt` files (a soup, Wortsman et al. 2022), and the first's recipe.
    Raises ValueError where they were not shown the same photos.
    """
    saved = [torch.load(path, weights_only=True) for path in checkpoints]
    if len({tuple(one["recipe"][key] for key in ("with_val", "fold", "folds", "unseen_classes")) for one in saved}) > 1:
        told = ", ".join(str(path.parent) for path in checkpoints)
        raise ValueError(f"{told} were not shown the same photos: their mean has no photos kept back")
    recipe = saved[0]["recipe"] | {"sizes": tuple(tuple(part) for part in saved[0]["recipe"]["sizes"])}
    mean = {name: sum(one["average"][name].detach() for one in saved) / len(saved) for name in saved[0]["average"]}
    return Recipe(**recipe), mean


def souped(folders: Sequence[Path]) -> Path:
    """The folder of the run that is the mean of others; that of the only one where there is but one."""
    if len(folders) == 1:
        return folders[0]
    recipe, parameters = restored([folder / "last.pt" for folder in folders])
    together = folders[0].with_name("+".join(folder.name for folder in folders))
    together.mkdir(exist_ok=True)
    kept = together / "last.pt"
    if not kept.exists() or kept.stat().st_mtime < max((folder / "last.pt").stat().st_mtime for folder in folders):
        torch.save({"average": parameters, "recipe": asdict(recipe), "epoch": 0}, kept)
    return together


def read_run(data: Path, folder: Path) -> Run:
    """The answers of a run's net, from `answers.npz` or, where that is missing or older than the net, from the net."""
    checkpoint, kept = folder / "last.pt", folder / "answers.npz"
    recipe, parameters = restored([checkpoint])
    classes = ph.read_classes(data)
    shown, back = split(data, recipe, classes)
    if not kept.exists() or kept.stat().st_mtime < checkpoint.stat().st_mtime:
        paths = [photo.path for photo in (*shown, *back)]
        logits, features = predict(build(recipe.scale), parameters, paths, EVALUATED_PX)
        np.savez(kept, logits=logits, features=features)
    found = np.load(kept)
    photos = np.array([str(photo.path) for photo in (*shown, *back)])
    every = Answers(photos, np.array([photo.fine for photo in (*shown, *back)]), found["logits"], found["features"])
    gone = unseen(recipe, classes)
    seen = ~np.isin(np.arange(len(classes.fine)), gone)
    every = replace(every, logits=np.where(seen, every.logits, np.float32(-1e4)))
    first, strange = np.arange(len(photos)) < len(shown), np.isin(every.fine, gone)
    return Run(every.where(first), every.where(~first & ~strange), every.where(strange), seen)


def head_of(run: Run) -> Head:
    """The second head fitted to the photos a run was shown."""
    return fitted(run.shown.features, run.shown.fine, len(run.seen_classes), size=EMBEDDING_SIZE, share=PROTOTYPE_SHARE)


def none_kinds(run: Run) -> tuple[Answers, Answers]:
    """Known and strange photos to tell apart: val's alone where it has both. A stranger from a shop that was trained on
    lies nearer to what was seen there than one from another shop does, so it is not compared with those.
    """
    kinds = tuple(kind.where(kind.in_val()) for kind in (run.known, run.strange))
    return (kinds[0], kinds[1]) if all(len(kind.fine) for kind in kinds) else (run.known, run.strange)


def none_inputs(head: Head, answers: Answers, temperature: float) -> NDArray[np.float64]:
    """What "none of these" is scored by [N, 2]: the greatest probability, and the nearness to the closest class."""
    logits, nearness = head.answers(answers.logits, answers.features)
    return np.stack([measures.softmax(logits, temperature).max(1), nearness], 1)


def none_auroc(head: Head, known: Answers, strange: Answers, temperature: float) -> dict[str, float]:
    """How well `strange` photos are told from `known` ones by each of `none_inputs`, and by both."""
    told, odd_ones = (none_inputs(head, answers, temperature) for answers in (known, strange))
    both, odd = np.concatenate([told, odd_ones]), np.arange(len(told) + len(odd_ones)) >= len(told)
    rule = measures.logistic(both, odd, prior=0.5)
    score = both @ rule[1:] + rule[0]
    return {
        "probability": measures.auroc(-odd_ones[:, 0], -told[:, 0]),
        "nearness": measures.auroc(-odd_ones[:, 1], -told[:, 1]),
        "both": measures.auroc(score[odd], score[~odd]),
    }


def enrolment(
    strange: Answers, embedded: NDArray[np.float64], pictures: int, *, across: bool = False
) -> dict[str, object]:
    """Enrols each class from `pictures` of the first half of its photos and recognises those of its second half; or
    `across` shops, from its photos in train, those in val.

    Neighbours in file order were taken one after the other, so that the halves differ at least a little. `genuine` are
    the cosines of a photo and its own class's mean picture, `impostor` those of it and the other classes'. `means` are
    the enrolled directions, `tested` the places of the photos recognised.
    """
    labels = np.unique(strange.fine)
    means, tested, truth = [], [], []
    for label in labels:
        places = np.flatnonzero(strange.fine == label)
        places = places[np.argsort(strange.paths[places])]
        val = strange.in_val()[places]
        first, second = (places[~val], places[val]) if across else np.array_split(places, 2)
        chosen = first[np.linspace(0, len(first) - 1, pictures).astype(int)]
        means.append(embedded[chosen].mean(0))
        tested.append(second)
        truth += [label] * len(second)
    cosines = embedded[np.concatenate(tested)] @ normalised(np.stack(means)).T
    own = np.array(truth)[:, None] == labels[None, :]
    right = float(own[np.arange(len(own)), cosines.argmax(1)].mean())
    together = {"means": normalised(np.stack(means)), "tested": np.concatenate(tested)}
    return {"right": right, "cosines": cosines, "own": own, **together}


def report(run: Run, coarse_of: Sequence[int]) -> dict[str, object]:
    """The figures of a run, as fractions."""
    head = head_of(run)
    figures: dict[str, object] = {}
    parts = {"val": run.known.in_val()}
    parts["fold"] = ~parts["val"]
    for name, chosen in parts.items():
        if not chosen.any():
            continue
        part = run.known.where(chosen)
        final, _ = head.answers(part.logits, part.features)
        temperature = measures.fitted_temperature(final, part.fine)
        likely = measures.softmax(final, temperature)
        figures[name] = {
            "photos": len(part.fine),
            "first head alone": measures.accuracy(part.logits, part.fine, coarse_of),
            **measures.accuracy(final, part.fine, coarse_of),
            "temperature": temperature,
            "confidence": float(likely.max(1).mean()),
            "ece": measures.calibration_error(likely, part.fine),
            "ece by chance": measures.chance_error(likely.max(1)),
        }
    if len(run.strange.fine):
        figures["strangers"] = _strangers(run, head)
    return figures


def _strangers(run: Run, head: Head) -> dict[str, object]:
    final, _ = head.answers(run.known.logits, run.known.features)
    temperature = measures.fitted_temperature(final, run.known.fine)
    known, strange = none_kinds(run)
    auroc = {
        "val's alone": none_auroc(head, known, strange, temperature),
        "all": none_auroc(head, run.known, run.strange, temperature),
    }
    embedded = head.embedded(run.strange.features)
    enrolled = {pictures: verified(enrolment(run.strange, embedded, pictures)) for pictures in ENROLLED}
    found = {"auroc": auroc, "enrolled": enrolled}
    if run.strange.in_val().any():
        across = {pictures: enrolment(run.strange, embedded, pictures, across=True) for pictures in ENROLLED}
        found["enrolled in train, recognised in val"] = {pictures: verified(one) for pictures, one in across.items()}
    photos = {"photos": len(run.strange.fine), "photos of val": int(run.strange.in_val().sum())}
    return {"classes": int((~run.seen_classes).sum()), **photos, **found}


def verified(found: dict[str, object]) -> dict[str, float]:
    """The figures of an `enrolment`."""
    cosines, own = np.asarray(found["cosines"]), np.asarray(found["own"], bool)
    threshold = float(np.quantile(cosines[~own], 0.99))
    return {
        "named right among the new": float(np.asarray(found["right"])),
        "auroc": measures.auroc(cosines[own], cosines[~own]),
        "accepted at 1 % false": float((cosines[own] > threshold).mean()),
        "threshold": threshold,
    }


def failures(run: Run, names: Sequence[str], across: int = 9, tile: int = 120) -> NDArray[np.uint8]:
    """A sheet of val's photos that the run names wrongly, each with its class and below what it was taken for."""
    part = run.known.where(run.known.in_val())
    guessed = head_of(run).answers(part.logits, part.features)[0].argmax(1)
    tiles = []
    for place in np.flatnonzero(guessed != part.fine):
        picture = np.full((tile + 24, tile, 3), 255, np.uint8)
        picture[:tile] = ph.load(Path(part.paths[place]), tile)[:, :, ::-1]
        for line, label in enumerate((part.fine[place], guessed[place])):
            at = (2, tile + 10 + 11 * line)
            cv2.putText(
                picture, names[label][:24], at, cv2.FONT_HERSHEY_SIMPLEX, 0.29, (0, 0, 160 * line), 1, cv2.LINE_AA
            )
        tiles.append(picture)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % across)
    return np.vstack([np.hstack(tiles[start : start + across]) for start in range(0, len(tiles), across)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs; of several, the mean of their weights")
    parser.add_argument("--failures", type=Path, help="write a sheet of val's photos that are named wrongly (.jpg)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    run, classes = read_run(given.data, souped(given.runs)), ph.read_classes(given.data)
    json.dump(report(run, classes.coarse_of), sys.stdout, indent=1)
    if given.failures:
        cv2.imwrite(str(given.failures), failures(run, classes.fine), [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
