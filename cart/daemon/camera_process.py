"""The camera's own process: a native crash or a ten-second stall in OpenCV must not take the trip along.

Frames stay in here. What leaves, as short lines of text: whether the camera sees and how fast, the class scores of what
changed in the basket, barcodes held up to it. Before the first frame the process gives up the means to do otherwise
(cart.daemon.confinement). Usage: python -m cart.daemon.camera_process CONFIG [--record-pictures]

Only with that flag, which the daemon gives for a recording made in maintenance, each frame leaves too, as JPEG, on the
same way.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from cart.config import CameraTable, load_config
from cart.daemon.child_messages import RECORD_PICTURES, CodeSeen, DeviceState, ModelState, PictureTaken, Seen
from cart.daemon.confinement import confine
from cart.daemon.line_writer import LineWriter, ignore_stop_signals
from cart.daemon.program_pages import release_program_pages
from cart.model_location import model_folder
from cart.vision.jpegs import as_jpeg
from cart.vision.pipeline import Classify, FramePipeline, Outcome, ReadCodes
from drivers.camera import Camera, CameraFrame
from drivers.errors import DriverError, NotReady, Stale

STUCK_S = 5.0
"""OpenCV stalls for about ten seconds on a camera that has gone: leaving and starting anew is quicker."""
POLLS_A_FRAME = 4
"""A frame waits a quarter of a frame's time at most; each poll costs some 20 µs."""
NO_MODEL = ModelState(0, ok=False, detail="none: the cart goes by weight and scans; name a folder in camera.model")

LoadModel = Callable[[CameraTable], tuple[Classify | None, ModelState]]


def load_model(table: CameraTable, taught_in: Path | None = None) -> tuple[Classify | None, ModelState]:
    """The configured classifier, or none and why; a cart without one goes on. `taught_in`: where enrolled products are
    kept (cart/enrolled_file.py)."""
    folder = model_folder(table.model)
    if folder is None:
        return None, NO_MODEL
    from drivers.classifier import Classifier

    try:
        classifier = Classifier(folder)
    except DriverError as error:
        return None, ModelState(0, ok=False, detail=str(error))
    told = f"{len(classifier.labels)} classes, {classifier.runtime}, {classifier.digest[:12]}"
    if taught_in is None:
        return lambda crop: classifier.classify(crop).scores, ModelState(0, ok=True, detail=told)
    from cart.daemon.camera_model import TaughtClassifier

    return TaughtClassifier(classifier, taught_in), ModelState(0, ok=True, detail=told)


class CameraWatch:
    """Takes the newest frame again and again and says what comes of it."""

    def __init__(
        self, camera: Camera, table: CameraTable, writer: LineWriter, pipeline: FramePipeline, *, pictures: bool
    ) -> None:
        """`pictures`: tell each frame too."""
        self._pictures = pictures
        self._camera = camera
        self._pause_s = 1 / (POLLS_A_FRAME * table.frames_per_second)
        self._writer = writer
        self._pipeline = pipeline
        self._said: str | None = None
        self._last_seq = 0
        self._frames = 0
        self._busy_ns = 0

    def run(self) -> None:
        """Until OpenCV is stuck."""
        counted_ns = time.monotonic_ns()
        figures: dict[str, float] = {"frames_per_second": 0.0}
        while time.monotonic_ns() - self._camera.progress_ns < STUCK_S * 1e9:
            now_ns = time.monotonic_ns()
            try:
                frame = self._camera.newest()
            except DriverError as error:
                waiting = isinstance(error, NotReady) and not isinstance(error, Stale)
                if not waiting:
                    self._state(now_ns, error.fault, str(error))
            else:
                self._take(frame)
            passed_ns = now_ns - counted_ns
            if passed_ns >= 1e9:
                rate, frame_ms = self._frames * 1e9 / passed_ns, self._busy_ns / 1e6 / max(1, self._frames)
                figures = {"frames_per_second": rate, "frame_ms": frame_ms, "looks": float(self._pipeline.looks)}
                self._frames, self._busy_ns, counted_ns = 0, 0, now_ns
            self._writer.alive(figures)
            time.sleep(self._pause_s)

    def _take(self, frame: CameraFrame) -> None:
        if frame.seq == self._last_seq:
            return
        self._last_seq = frame.seq
        if self._pictures and (jpeg := as_jpeg(frame.image)) is not None:
            self._writer.say(PictureTaken(frame.t_ns, jpeg))
        began_ns = time.monotonic_ns()
        try:
            outcome = self._pipeline.frame(frame.image, frame.t_ns)
        except DriverError as error:
            # The classifier's answer was no answer. Frames go on.
            self._writer.say(ModelState(time.monotonic_ns(), ok=False, detail=str(error)))
            self._pipeline.classify = None
            return
        self._frames += 1
        self._busy_ns += time.monotonic_ns() - began_ns
        self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        now_ns = time.monotonic_ns()
        self._state(now_ns, outcome.sight.why, outcome.sight.detail)
        if outcome.look is not None:
            look = outcome.look
            self._writer.say(Seen(now_ns, look.frame_t_ns, look.direction, look.scores))
        for code in outcome.codes:
            self._writer.say(CodeSeen(now_ns, code.text, code.symbology))

    def _state(self, t_ns: int, fault: str, detail: str) -> None:
        """Say what holds when it differs from what was said; no fault is well."""
        if self._said != fault:
            self._said = fault
            self._writer.say(DeviceState(t_ns, ok=not fault, fault=fault, detail=detail))


def code_reader(table: CameraTable) -> ReadCodes:
    """What reads barcodes in frames; nothing, for a cart that takes no codes from its camera."""
    if not table.codes:
        return lambda _image: ()
    from drivers.video_codes import read_codes

    return read_codes


def run(table: CameraTable, load: LoadModel = load_model, *, pictures: bool = False) -> int:
    """Watch until OpenCV is stuck or the daemon is gone; with `pictures`, tell each frame too. The exit status."""
    ignore_stop_signals()
    cv2.setNumThreads(1)  # small pictures: threads would only wake other cores
    writer = LineWriter(sys.stdout.buffer)
    try:
        for left in confine():
            sys.stderr.write(f"the camera's process could not be confined: {left}\n")
        classify, told = load(table)
        writer.say(ModelState(time.monotonic_ns(), ok=told.ok, detail=told.detail))
        pipeline = FramePipeline(classify, code_reader(table))
        release_program_pages()  # the camera's thread is not there yet
        camera = Camera(table.source, frames_per_second=table.frames_per_second, frame_age_max_s=table.frame_age_max_s)
        CameraWatch(camera, table, writer, pipeline, pictures=pictures).run()
    except BrokenPipeError:
        return 0
    return 1


def main() -> None:
    """The daemon starts this again when it ends."""
    config = load_config(Path(sys.argv[1]))
    load = functools.partial(load_model, taught_in=Path(config.journal.folder))
    status = run(config.camera, load, pictures=RECORD_PICTURES in sys.argv[2:])
    # A thread stuck in OpenCV would keep an orderly exit waiting.
    os._exit(status)


if __name__ == "__main__":
    main()
