"""What a net that was never trained on the photos gives: softmax regression on the pooled features of an ImageNet net.

The backbone is a .tflite file, cut behind its last pooling, so that its ImageNet classes play no part.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.vision_data import DataError, Photo, read_picture
from drivers.classifier import prepare, softmax

Floats = npt.NDArray[np.floating[Any]]

POOLINGS = (1, 40)
"""AVERAGE_POOL_2D and MEAN among TensorFlow Lite's builtin operators (schema.fbs)."""
DECAYS = (1e-4, 1e-3, 1e-2)
"""Candidates for the weight decay; a fifth of the training photos, held back, chooses."""
STEPS = 300
RATE = 0.02


class Backbone:
    """Pooled features of a net in a .tflite file, which takes RGB as bytes, or as float32 −1…1."""

    def __init__(self, path: Path) -> None:
        """Raises DataError where the file is no such net, or the interpreter that can cut it is not installed."""
        try:
            from ai_edge_litert import schema_py_generated as schema
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise DataError(
                "--backbone needs ai-edge-litert; install it with: pip install 'smart-cart[vision]'"
            ) from None
        try:
            self._interpreter = Interpreter(model_content=_cut(schema, path.read_bytes()), num_threads=1)
            self._interpreter.allocate_tensors()
        except (OSError, ValueError, RuntimeError, IndexError, struct.error, TypeError) as error:
            raise DataError(f"{path} is no .tflite net with a pooling ({error}); give another --backbone") from None
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    def features(self, photos: Sequence[Photo]) -> Floats:
        """[photos, features]."""
        return np.stack([self._of(read_picture(photo.path)) for photo in photos])

    def _of(self, picture: npt.NDArray[np.uint8]) -> Floats:
        _, height, width, _ = self._input["shape"]
        prepared = prepare(picture, int(height), int(width))
        given: npt.NDArray[Any] = prepared / np.float32(127.5) - np.float32(1.0)
        if self._input["dtype"] == np.uint8:
            given = prepared.astype(np.uint8)
        self._interpreter.set_tensor(self._input["index"], given[np.newaxis])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output["index"]), np.float64).ravel()


def _cut(schema: Any, content: bytes) -> bytes:
    """The net with its last pooling for its only output; `TFL3` is the format's mark. Raises what flatbuffers does."""
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    pooled = [operator.outputs[0] for operator in graph.operators if codes[operator.opcodeIndex] in POOLINGS]
    graph.outputs = np.array([pooled[-1]], np.int32)
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def regressed(train: Floats, labels: npt.NDArray[np.intp], test: Floats, classes: int, *, seed: int = 0) -> Floats:
    """Probabilities [test photos, classes] of a softmax regression fitted on `train`."""
    mean, spread = train.mean(axis=0), train.std(axis=0) + 1e-6
    train, test = (train - mean) / spread, (test - mean) / spread
    order = np.random.default_rng(seed).permutation(len(train))
    held, kept = order[: len(order) // 5], order[len(order) // 5 :]

    def right(decay: float) -> int:
        guessed = _fitted(train[kept], labels[kept], classes, decay)(train[held]).argmax(axis=1)
        return int((guessed == labels[held]).sum())

    return softmax(_fitted(train, labels, classes, max(DECAYS, key=right))(test))


class _Linear:
    def __init__(self, weights: Floats, bias: Floats) -> None:
        self._weights, self._bias = weights, bias

    def __call__(self, rows: Floats) -> Floats:
        return rows @ self._weights + self._bias


def _fitted(rows: Floats, labels: npt.NDArray[np.intp], classes: int, decay: float) -> _Linear:
    """Full-batch Adam (Kingma and Ba 2015) on cross-entropy + decay/2 · ‖weights‖²; its rate falls to 0."""
    wanted = np.eye(classes, dtype=np.float32)[labels]
    weights = np.zeros((rows.shape[1] + 1, classes), np.float32)
    rows = np.hstack([rows, np.ones((len(rows), 1))]).astype(np.float32)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS + 1):
        slope = rows.T @ (softmax(rows @ weights) - wanted) / len(rows)
        slope[:-1] += decay * weights[:-1]
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        stride = RATE * (1 - step / STEPS) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        weights -= stride * first / (1 - 0.9**step)
    return _Linear(weights[:-1], weights[-1])
