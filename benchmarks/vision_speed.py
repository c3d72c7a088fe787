"""What one classification costs on one core: `python -m benchmarks.vision_speed MODEL_FOLDER RUNTIME PHOTO…`.

A process of its own for each interpreter, started by `benchmarks.vision`, so that memory is that of one alone. Prints
one JSON object, with the scores too, by which the interpreters are compared.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.vision_data import read_picture
from drivers.classifier import Classifier

ROUNDS = 5
"""Each photo is classified so often; the first round only warms up."""


def memory_mb(field: str) -> float:
    """A field of proc(5)'s status, such as VmRSS, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Time the net over photos that are decoded beforehand; the crop of a frame needs no decoding either."""
    folder, runtime, photos = Path(sys.argv[1]), sys.argv[2], [Path(name) for name in sys.argv[3:]]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    pictures = [read_picture(path) for path in photos]
    before_mb = memory_mb("VmRSS")
    began = time.perf_counter()
    classifier = Classifier(folder, runtime=runtime, threads=1)
    load_ms = 1e3 * (time.perf_counter() - began)
    wall, cpu = [], []
    for number in range(ROUNDS):
        for picture in pictures:
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            classifier.classify(picture)
            if number:
                cpu.append(1e3 * (time.thread_time() - cpu_s))
                wall.append(1e3 * (time.perf_counter() - wall_s))
    figures = {
        "ms_p50": round(float(np.percentile(wall, 50)), 2),
        "ms_p99": round(float(np.percentile(wall, 99)), 2),
        "cpu_ms_p50": round(float(np.percentile(cpu, 50)), 2),
        "load_ms": round(load_ms, 1),
        "rss_mb": round(memory_mb("VmRSS"), 1),
        "rss_of_the_classifier_mb": round(memory_mb("VmRSS") - before_mb, 1),
        "frames": len(wall),
        "scores": [list(classifier.classify(picture).scores.values()) for picture in pictures],
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
