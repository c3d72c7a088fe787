"""The classifier: what a picture of one thing in the basket shows, as calibrated probabilities, and an embedding of it.

Two interpreters run the same file behind one interface: `ai-edge-litert` and its predecessor `tflite-runtime`, which
has no wheels after Python 3.11. `auto` takes the newer where both are there: on 8-bit nets it is 12 to 27 times as
fast on x86-64 (`python -m benchmarks.vision` measures both on the shipped net).
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from drivers.errors import Garbled
from drivers.model_folder import NONE, Manifest, ModelRefused, NoneFeature, read_model

__all__ = ["NONE", "RUNTIMES", "Classification", "Classifier", "ModelRefused", "available_runtimes", "prepare"]

RUNTIMES: Final = ("ai_edge_litert", "tflite_runtime")
"""Modules with an interpreter, in the order in which `auto` tries them."""
INSTALL: Final = "'pip install tflite-runtime' (up to Python 3.11) or 'pip install ai-edge-litert'"


@dataclasses.dataclass(frozen=True)
class Classification:
    """What one picture shows.

    `scores`: calibrated probability by fine class, and of `none` (none of these); they sum to 1. `coarse`: the same
    summed by group. `embedding`: float32, of length 1; the larger the cosine of two, the likelier they are one product.
    `nearness`: its length as the net gave it, by which nets tell how near the closest class they know is (a cosine).
    """

    scores: dict[str, float]
    coarse: dict[str, float]
    embedding: npt.NDArray[np.float32]
    nearness: float


class Classifier:
    """One loaded net. One thread at a time may use it."""

    def __init__(self, folder: Path, *, runtime: str = "auto", threads: int = 1) -> None:
        """Read and check `folder`, and run the net once. Raises ModelRefused.

        `manifest` is what stands beside the net, `runtime` the interpreter that runs it.
        """
        self.manifest, content = read_model(folder)
        self.runtime = _chosen(runtime)
        self._interpreter = _interpreter(self.runtime, content, threads, folder / self.manifest.file)
        self._input, self._logits, self._embedding = _tensors(self._interpreter, self.manifest, folder)
        try:
            self.classify(np.full((8, 8, 3), 128, np.uint8))
        except (RuntimeError, ValueError, Garbled) as error:
            raise ModelRefused(
                f"{folder / self.manifest.file} does not run ({_line(error)}): train or convert it again"
            ) from None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the fine classes, in the net's order."""
        return self.manifest.labels

    @property
    def digest(self) -> str:
        """SHA-256 of the net that runs, in hexadecimal."""
        return self.manifest.sha256.lower()

    def classify(self, image_bgr: npt.NDArray[np.uint8]) -> Classification:
        """`image_bgr`: height × width × 3 bytes, as OpenCV gives them, filled by the thing. Raises Garbled where the
        net's answer is not a finite number."""
        logits, raw = self.run(prepare(image_bgr, self.manifest.input.height, self.manifest.input.width))
        return classification(self.manifest, logits, raw)

    def run(self, prepared: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The bare net: height × width × 3 RGB 0…255 to logits and embedding as they come, one row each."""
        self._interpreter.set_tensor(self._input, prepared[np.newaxis])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._logits)[0], self._interpreter.get_tensor(self._embedding)[0]


def classification(manifest: Manifest, logits: npt.NDArray[np.float32], raw: npt.NDArray[np.float32]) -> Classification:
    """What a net's bare answer means by its manifest. Raises Garbled where it is not a finite number."""
    norm = float(np.linalg.norm(raw))
    if not (np.isfinite(logits).all() and np.isfinite(norm) and norm > 0):
        raise Garbled("the classifier's answer is no finite number: check the memory, restart the cart")
    scaled = logits.astype(np.float64) / manifest.temperature
    likely = softmax(scaled)
    features = none_features(scaled, likely, norm)
    x = manifest.none.offset + sum(weight * features[name] for name, weight in manifest.none.weights.items())
    p_none = float(np.exp(-np.logaddexp(0.0, -x)))
    shares = (1.0 - p_none) * likely
    coarse: dict[str, float] = {}
    for group, share in zip(manifest.coarse, shares.tolist(), strict=True):
        coarse[group] = coarse.get(group, 0.0) + share
    scores = dict(zip(manifest.labels, shares.tolist(), strict=True))
    return Classification(scores | {NONE: p_none}, coarse | {NONE: p_none}, (raw / norm).astype(np.float32), norm)


def prepare(image_bgr: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.float32]:
    """A picture as nets take it: squashed whole to `height` × `width`, RGB, float32 0…255. Training does the same.

    Averaged over areas where it shrinks, as anything else aliases; linear where either side grows.
    """
    if image_bgr.dtype != np.uint8 or image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or not image_bgr.size:
        raise ValueError(f"a picture is height × width × 3 bytes, not {image_bgr.shape} of {image_bgr.dtype}")
    shrinks = image_bgr.shape[0] >= height and image_bgr.shape[1] >= width
    squashed = cv2.resize(image_bgr, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.ascontiguousarray(squashed[:, :, ::-1], dtype=np.float32)


def softmax(scaled: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities along the last axis, of logits that are already divided by the temperature."""
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def none_features(
    scaled: npt.NDArray[np.float64], likely: npt.NDArray[np.float64], norm: float
) -> dict[NoneFeature, float]:
    """What a manifest may score "none of these" by.

    `energy` is log Σ exp (Liu et al., "Energy-based out-of-distribution detection", 2020), `entropy` in nats, `margin`
    the two largest logits' difference, `norm` the embedding's length before it is made 1.
    """
    top = np.sort(scaled)[-2:]
    return {
        "energy": float(np.logaddexp.reduce(scaled)),
        "max_logit": float(top[-1]),
        "max_probability": float(likely.max()),
        "entropy": float(-(likely * np.log(np.maximum(likely, 1e-300))).sum()),
        "margin": float(top[-1] - top[0]),
        "norm": norm,
    }


def available_runtimes() -> tuple[str, ...]:
    """Those of RUNTIMES that import here."""
    return tuple(name for name in RUNTIMES if _imported(name) is not None)


def _imported(name: str) -> Any:
    """The interpreter class of a runtime, None where it does not import."""
    try:
        return importlib.import_module(f"{name}.interpreter").Interpreter
    except (ImportError, AttributeError, OSError):  # wheels for another NumPy fail in any of these ways
        return None


def _chosen(runtime: str) -> str:
    if runtime != "auto" and runtime not in RUNTIMES:
        raise ModelRefused(f"there is no interpreter {runtime!r}: choose auto, {' or '.join(RUNTIMES)}")
    for name in RUNTIMES if runtime == "auto" else (runtime,):
        if _imported(name) is not None:
            return name
    missing = "neither ai_edge_litert nor tflite_runtime is" if runtime == "auto" else f"{runtime} is not"
    raise ModelRefused(f"{missing} installed here to run the classifier: {INSTALL}")


def _interpreter(runtime: str, content: bytes, threads: int, path: Path) -> Any:
    try:
        interpreter = _imported(runtime)(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelRefused(f"{path} is no net that {runtime} can run ({_line(error)}): convert it again") from None
    return interpreter


def _tensors(interpreter: Any, manifest: Manifest, folder: Path) -> tuple[int, int, int]:
    """Indices of input, logits and embedding, each of the manifest's shape and of float32.

    Converters order outputs as they like: by name where the file tells it, else by a shape that only one has.
    """
    path = folder / manifest.file
    names = _output_names(interpreter)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    wanted = (1, manifest.input.height, manifest.input.width, 3)
    if len(inputs) != 1 or not _fits(inputs[0], wanted):
        told = [f"{_shape(detail)} {np.dtype(detail['dtype'])}" for detail in inputs]
        raise ModelRefused(f"{path} takes {', '.join(told)} where its manifest says {wanted} float32: {_RETRAIN}")
    found: list[int] = []
    for name, shape in (("logits", manifest.outputs.logits), ("embedding", manifest.outputs.embedding)):
        fitting = [detail for detail in outputs if _fits(detail, shape)]
        named = [detail for detail in fitting if name in names[int(detail["index"])]]
        chosen = named if len(named) == 1 else fitting
        if len(chosen) != 1:
            raise ModelRefused(f"{path} has {len(chosen)} outputs that could be its {name} {shape}: {_RETRAIN}")
        found.append(int(chosen[0]["index"]))
    if found[0] == found[1]:
        raise ModelRefused(f"{path} has one output for logits and embedding: {_RETRAIN}")
    return int(inputs[0]["index"]), found[0], found[1]


def _output_names(interpreter: Any) -> dict[int, set[str]]:
    """What each output is called: parts of its tensor's name (`net/logits:0`), and its name in a signature."""
    names = {int(detail["index"]): set(re.split("[:/]", detail["name"])) for detail in interpreter.get_output_details()}
    for key in interpreter.get_signature_list():
        for name, detail in interpreter.get_signature_runner(key).get_output_details().items():
            names.setdefault(int(detail["index"]), set()).add(name)
    return names


_RETRAIN: Final = "write the manifest again with models/publish.py"


def _fits(detail: Any, shape: tuple[int, ...]) -> bool:
    return _shape(detail) == shape and np.dtype(detail["dtype"]) == np.float32


def _shape(detail: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in detail["shape"])


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
