"""The camera's classifier: is its model whole, does it run here, how fast?"""

from __future__ import annotations

import time

from cart.diagnostics.check import Bench, Check, Figure, two_halves
from cart.model_location import model_folder

ROUNDS = 20
SLOW_MS = 50.0
"""A quarter of the time between two frames at 5 frames/s: from there on looks come late and the processor is busy."""


def check_model(bench: Bench) -> Check:
    """Load it as the camera's process does, and classify a picture of noise some times."""
    table = bench.config.camera
    folder = model_folder(table.model)
    if folder is None or not table.source:
        return Check(
            part="model",
            verdict="absent",
            summary="none configured; the camera names nothing" if table.source else "no camera to look through",
            todo="set camera.model to auto for the shipped one" if table.source else "",
        )
    # numpy and OpenCV are worth a quarter of a second to whoever checks another part
    import numpy as np

    from drivers.classifier import Classifier
    from drivers.errors import DriverError

    try:
        classifier = Classifier(folder)
    except DriverError as error:
        what, todo = two_halves(str(error))
        return Check(part="model", verdict="fail", summary=f"{what}; the cart goes on without looks", todo=todo)
    picture = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        classifier.classify(picture)
        times.append(1e3 * (time.perf_counter() - began))
    ms = sorted(times)[ROUNDS // 2]
    figures: dict[str, Figure] = {
        "folder": str(folder),
        "sha256": classifier.digest,
        "interpreter": classifier.runtime,
        "classes": len(classifier.labels),
        "ms_a_picture": round(ms, 1),
    }
    summary = f"{len(classifier.labels)} classes, {ms:.0f} ms a picture with {classifier.runtime}"
    if ms > SLOW_MS:
        return Check(
            part="model",
            verdict="warn",
            summary=summary,
            todo="see 'cart diag power' for throttling; 'pip install smart-cart[vision]' brings the faster interpreter",
            figures=figures,
        )
    return Check(part="model", verdict="ok", summary=summary, figures=figures)
