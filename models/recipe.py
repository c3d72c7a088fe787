"""What a run of training is: its recipe, the photos it is shown and kept from, and what of a net it changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import net as nets
from models import photos as ph
from models.net import Parameters


@dataclass(frozen=True)
class Recipe:
    """All that decides a run.

    `sizes` are (share of the run, px) in order. The first `frozen` blocks are not trained; what comes out of them is
    computed once for each view of a photo, and `passes` epochs are drawn from the newest `kept` views of every photo
    before there are new ones. `seed` decides all but the views, which `views_seed` decides. `begin_with` is the folder
    of a finished run to go on from, instead of the published weights. `fold` keeps one of `folds` parts of the training
    photos back, and `unseen_classes` all photos of so many classes.
    """

    scale: str = "lite1"
    epochs: int = 48
    seed: int = 1
    views_seed: int = 1
    batch: int = 48
    rate: float = 6e-4
    head_rate: float = 2e-3
    decay: float = 0.03
    frozen: int = 7
    passes: int = 2
    kept: int = 5
    depth_rate: float = 0.9
    drop: float = 0.1
    dropout: float = 0.2
    averaging: float = 0.995
    coarse_loss: float = 0.3
    sizes: tuple[tuple[float, int], ...] = ((0.35, 176), (0.35, 192), (0.3, 208))
    with_val: bool = False
    fold: int | None = None
    folds: int = 6
    unseen_classes: int = 0
    warmup: float = 0.04
    begin_with: str = ""


OF_ONE_RUN = ("seed", "with_val", "fold", "unseen_classes", "begin_with")
"""What runs that are trained side by side may differ in."""


def split(folder: Path, recipe: Recipe, classes: ph.Classes) -> tuple[list[ph.Photo], list[ph.Photo]]:
    """The photos trained on, and those kept back to be looked at: val, the fold's, and all of the classes left out."""
    train, val = ph.read_split(folder, "train"), ph.read_split(folder, "val")
    back: list[ph.Photo] = []
    if recipe.with_val:
        train += val
    else:
        back += val
    if recipe.fold is not None:
        held = ph.in_fold(train, recipe.fold, recipe.folds)
        back += [photo for photo, out in zip(train, held, strict=True) if out]
        train = [photo for photo, out in zip(train, held, strict=True) if not out]
    gone = set(unseen(recipe, classes))
    back += [photo for photo in train if photo.fine in gone]
    train = [photo for photo in train if photo.fine not in gone]
    train += [ph.Photo(folder / picture, fine) for fine, picture in enumerate(classes.iconic) if fine not in gone]
    return train, back


def unseen(recipe: Recipe, classes: ph.Classes) -> list[int]:
    """The fine classes a run leaves out, spread evenly over the list, so over fruit, cartons and vegetables."""
    count = recipe.unseen_classes
    return [int((place + 0.5) * len(classes.fine) / count) for place in range(count)]


def learns(name: str, frozen: int) -> bool:
    """Whether a parameter is trained: not the stem's, the first `frozen` blocks', nor what batch norm measured on
    ImageNet.
    """
    return name.rsplit(".", 1)[-1] in {*nets.LEARNT, "bias"} and not early(name, frozen)


def early(name: str, frozen: int) -> bool:
    """Whether a parameter is the stem's or one of the first `frozen` blocks'."""
    place = name.split(".")
    return place[0] == "stem" or (place[0] == "blocks" and int(place[1]) < frozen)


def parameter_groups(parameters: Parameters, depth: int, recipe: Recipe) -> list[dict[str, Any]]:
    """Smaller rates for earlier blocks; no decay of gains and offsets."""
    groups: list[dict[str, Any]] = []
    for name, parameter in parameters.items():
        if not learns(name, recipe.frozen):
            continue
        place = int(name.split(".")[1]) if name.startswith("blocks.") else depth
        rate = recipe.head_rate if name.startswith("classify") else recipe.rate * recipe.depth_rate ** (depth - place)
        groups.append(
            {
                "params": [parameter],
                "lr": rate,
                "peak": rate,
                "weight_decay": recipe.decay if parameter.ndim > 1 else 0.0,
            }
        )
    return groups
