"""A recording's frames, seen as the cart would have seen them: the same pipeline and classifier, in recording time.

Imported only where a recording has frames, as OpenCV and the classifier cost a second and 100 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2

from cart.config import CameraTable
from cart.core.enrolled import EnrolledTable
from cart.core.observations import AnyObservation, Look, PartChanged
from cart.held_codes import held_code
from cart.model_location import model_folder
from cart.recordings.format import Body, LookMessage, PartMessage, ScanMessage
from cart.vision.jpegs import from_jpeg
from cart.vision.pipeline import Classify, FramePipeline, ReadCodes
from cart.vision.small_frames import Image
from drivers.camera import Beat
from drivers.errors import DriverError
from drivers.video_codes import read_codes

SIGHT_FAULTS: Final = frozenset({"dark", "covered", "dirty"})
"""What the pipeline says of its own frames; other faults are of plug and process, and no frame tells of them."""


class RecordedCamera:
    """Give it the recording's frames in order of time. `warnings` says, once it is over, what could not be used."""

    def __init__(self, classify: Classify | None, *, why_none: str = "", codes: ReadCodes = read_codes) -> None:
        """`why_none`: one line, where there is no classifier."""
        cv2.setNumThreads(1)  # as in the camera's process
        self._pipeline = FramePipeline(classify, codes)
        self._beat = Beat(CameraTable().frames_per_second)
        self._why_none = why_none
        self._fault: str | None = None
        self._broken = 0
        self.frames = 0
        """Looked at so far, broken ones too."""

    def tells(self, body: Body) -> bool:
        """Whether frames tell what this message does: then the message is left out."""
        if isinstance(body, LookMessage):
            return self._pipeline.classify is not None
        if isinstance(body, ScanMessage):
            return body.source == "camera"
        return isinstance(body, PartMessage) and body.part == "camera" and body.fault in SIGHT_FAULTS

    @property
    def warnings(self) -> list[str]:
        """One line each."""
        said = [self._why_none] if self._why_none else []
        if self._broken:
            said.append(f"{self._broken} of {self.frames} camera frames are no whole JPEG and were left out")
        return said

    def frame(self, data: bytes, t_ns: int) -> Iterator[AnyObservation]:
        """What the session hears of the JPEG taken at `t_ns` of the recording's clock."""
        if not self._beat.takes(t_ns):
            return
        self.frames += 1
        image = from_jpeg(data)
        if image is None:
            self._broken += 1
            return
        try:
            seen = self._pipeline.frame(image, t_ns)
        except DriverError as error:
            # As on a cart: the classifier's answer was no answer, and frames go on without it.
            self._why_none = str(error)
            self._pipeline.classify = None
            return
        if seen.sight.why != self._fault:
            self._fault = seen.sight.why
            yield PartChanged(t_ns=t_ns, part="camera", ok=not self._fault, fault=self._fault, detail=seen.sight.detail)
        if seen.look is not None:
            look = seen.look
            yield Look(t_ns=t_ns, frame_t_ns=look.frame_t_ns, direction=look.direction, scores=look.scores)
        for code in seen.codes:
            yield held_code(t_ns, code.text, code.symbology)


def recorded_camera(model: str, enrolled: EnrolledTable | None) -> RecordedCamera:
    """With the classifier that a cart configured with `[camera] model` would run, or without one and why.

    `enrolled`: what the recording's store had taught its carts.
    """
    folder = model_folder(model)
    if folder is None:
        return RecordedCamera(None)
    try:
        return RecordedCamera(_classify(folder, enrolled))
    except DriverError as error:
        return RecordedCamera(None, why_none=f"the frames are replayed without a classifier: {error}")


def _classify(folder: Path, enrolled: EnrolledTable | None) -> Classify:
    from cart.daemon.camera_model import prototypes_of
    from drivers.classifier import Classifier

    classifier = Classifier(folder)
    prototypes = prototypes_of(classifier, enrolled)

    def classify(crop: Image) -> dict[str, float]:
        found = classifier.classify(crop)
        return prototypes.merged(found.scores, found.embedding, found.nearness)

    return classify
