"""What a recipe gives by several seeds: `python models/seeds.py DATA_FOLDER runs/a runs/b runs/c`.

Prints, of val's photos, which none of the runs was trained on: each run's figures, their mean and standard deviation,
and what becomes of them together: the mean of their probabilities (an ensemble, as dear as the runs are many) and the
mean of their weights, which is one net again and what `publish.py` ships.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# So that the file also runs by its path, from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models import measures
from models import photos as ph
from models.examine import Run, head_of, read_run, souped


def on_val(run: Run) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Final logits [N, classes] and classes [N] of val's photos. Raises ValueError for a run that was trained on it."""
    part = run.known.where(run.known.in_val())
    if not len(part.fine):
        raise ValueError("a run that was trained on val has no figures: give runs without with_val")
    return head_of(run).answers(part.logits, part.features)[0], part.fine


def figures(logits: NDArray[np.float64], fine: NDArray[np.int64], coarse_of: Sequence[int]) -> dict[str, float]:
    """Accuracy as fractions, and at the temperature that suits the photos best the cross entropy, nats, and the
    calibration error.
    """
    likely = measures.softmax(logits, measures.fitted_temperature(logits, fine))
    return {
        **measures.accuracy(logits, fine, coarse_of),
        "cross_entropy_nats": float(-np.log(likely[np.arange(len(fine)), fine] + 1e-12).mean()),
        "ece": measures.calibration_error(likely, fine),
    }


def ensemble(every: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Logarithms of the mean of the probabilities that several nets' logits [N, classes] stand for."""
    return np.asarray(np.log(np.mean([measures.softmax(logits) for logits in every], axis=0) + 1e-12))


def spread(every: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over the runs, of each figure; the deviation is that of a sample."""
    table = {name: [one[name] for one in every] for name in every[0]}
    return {
        "mean": {name: float(np.mean(values)) for name, values in table.items()},
        "standard deviation": {name: float(np.std(values, ddof=1)) for name, values in table.items()},
    }


def report(data: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """The figures of runs [2 or more], each and together."""
    coarse_of = ph.read_classes(data).coarse_of
    found = [on_val(read_run(data, folder)) for folder in folders]
    together, fine = on_val(read_run(data, souped(folders)))
    if any(not np.array_equal(fine, other) for _, other in found):
        raise ValueError("the runs left different classes out: compare runs of one recipe")
    each = [figures(logits, fine, coarse_of) for logits, _ in found]
    return {
        "photos": len(fine),
        "runs": {folder.name: one for folder, one in zip(folders, each, strict=True)},
        **spread(each),
        "mean of probabilities": figures(ensemble([logits for logits, _ in found]), fine, coarse_of),
        "mean of weights": figures(together, fine, coarse_of),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of two runs or more, by one recipe, not of val")
    given = parser.parse_args()
    if len(given.runs) < 2:
        parser.error("one run has no spread: give two or more")
    torch.set_num_threads(1)
    try:
        json.dump(report(given.data, given.runs), sys.stdout, indent=1)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
