"""Makes the few kB of net that tests run in place of the shipped one: `python make_stand_in_net.py stand_in.tflite`.

Needs TensorFlow 2.19, which the project does not depend on; so the file is kept beside this script. The net knows four
colours by their means (logits) and remembers where each colour is in a picture (embedding: mean colours of the four
quarters, centred).
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
SPREAD = 40.0
"""Of a colour's channels, about its class's: logits are minus half the squared distance over this squared."""


def answers(picture: Any) -> dict[str, Any]:
    """[1, 16, 16, 3] RGB 0…255 to logits [1, 4] and embedding [1, 12]."""
    quarters = tf.nn.avg_pool2d(picture, SIZE // 2, SIZE // 2, "VALID")
    mean = tf.reduce_mean(quarters, axis=[1, 2])
    logits = tf.matmul(mean, COLOURS.T / SPREAD**2) - (COLOURS**2).sum(1) / (2 * SPREAD**2)
    return {"logits": logits, "embedding": tf.reshape((quarters - 127.0) / 128.0, [1, 12])}


def main() -> None:
    """Convert and write."""
    taken = tf.TensorSpec([1, SIZE, SIZE, 3], tf.float32, name="picture")
    function = tf.function(answers, input_signature=[taken]).get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    Path(sys.argv[1]).write_bytes(content)
    sys.stdout.write(f"{sys.argv[1]}: {len(content)} bytes, knows {', '.join(LABELS)}\n")


if __name__ == "__main__":
    main()
