"""A model folder for tests: the stand-in net (tests/data/make_stand_in_net.py) and a manifest that fits it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NET = Path(__file__).parent / "data" / "stand_in.tflite"
COLOURS_RGB = {"Red": (200, 40, 40), "Green": (40, 200, 40), "Blue": (40, 40, 200), "Grey": (128, 128, 128)}
GROUPS = {"Red": "Coloured", "Green": "Coloured", "Blue": "Coloured", "Grey": "Plain"}
TEMPERATURE = 2.0


def stand_in_manifest(**changes: Any) -> dict[str, Any]:
    """manifest.json as a value, with some of its fields changed."""
    content = NET.read_bytes()
    return {
        "format": 1,
        "file": "stand_in.tflite",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "input": {"height": 16, "width": 16, "channels": "RGB", "dtype": "float32", "range": [0, 255]},
        "outputs": {"logits": [1, 4], "embedding": [1, 12]},
        "labels": list(COLOURS_RGB),
        "coarse": [GROUPS[label] for label in COLOURS_RGB],
        "temperature": TEMPERATURE,
        "none": {"offset": 1.0, "weights": {"margin": -1.0}},
        "verification": {
            "threshold": 0.9,
            "offset": -36.0,
            "slope": 40.0,
            "margin": {"offset": 0.0, "slope": 30.0},
        },
        "quantisation": "none",
        "data": {"name": "four colours", "licence": "Apache-2.0", "url": ""},
    } | changes


def write_stand_in(folder: Path, **changes: Any) -> Path:
    """A whole model folder; `changes` are fields of its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stand_in.tflite").write_bytes(NET.read_bytes())
    (folder / "manifest.json").write_text(json.dumps(stand_in_manifest(**changes)), encoding="utf-8")
    return folder


def picture_of(
    rgb: tuple[int, int, int], *, size: tuple[int, int] = (48, 64), noise: float = 0.0, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """A picture of one colour, height × width × 3 as OpenCV has it (blue first), with Gaussian noise."""
    flat = np.broadcast_to(np.array(rgb[::-1], np.float64), (*size, 3))
    noisy = flat + np.random.default_rng(seed).normal(0.0, noise, flat.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)
