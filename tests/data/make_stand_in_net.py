"""Makes the few kB of net that tests run in place of the shipped one: `python make_stand_in_net.py stand_in.tflite`.

Needs TensorFlow 2.19, which the project does not depend on; so the file is kept beside this script. The net knows four
colours by their means (logits) and remembers where each colour is in a picture (embedding: mean colours of the four
quarters, centred; its length is the cosine to the nearest of the four).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

SIZE = 16
LABELS = ("Red", "Green", "Blue", "Grey")
COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]], np.float32)
CENTRE = np.float32(127.0)
SPREAD = 40.0
"""Of a colour's channels, about its class's: logits are minus half the squared distance over this squared."""


def answers(picture: Any) -> dict[str, Any]:
    """[1, 16, 16, 3] RGB 0…255 to logits [1, 4] and embedding [1, 12]."""
    quarters = tf.nn.avg_pool2d(picture, SIZE // 2, SIZE // 2, "VALID")
    mean = tf.reduce_mean(quarters, axis=[1, 2])
    logits = tf.matmul(mean, COLOURS.T / SPREAD**2) - (COLOURS**2).sum(1) / (2 * SPREAD**2)
    direction = tf.math.l2_normalize(tf.reshape(quarters - CENTRE, [1, 12]), axis=1)
    known = np.tile(COLOURS - CENTRE, (1, 4))
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    nearness = tf.maximum(tf.reduce_max(tf.matmul(direction, known.T), axis=1, keepdims=True), 0.01)
    return {"logits": logits, "embedding": direction * nearness}


def main() -> None:
    """Convert and write."""
    taken = tf.TensorSpec([1, SIZE, SIZE, 3], tf.float32, name="picture")
    function = tf.function(answers, input_signature=[taken]).get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    Path(sys.argv[1]).write_bytes(content)
    sys.stdout.write(f"{sys.argv[1]}: {len(content)} bytes, knows {', '.join(LABELS)}\n")


if __name__ == "__main__":
    main()
