"""A camera on the simulated wire, with the part of `cv2.VideoCapture` that the cart uses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from drivers.errors import DeviceMissing
from drivers.sim.wire import Frame, FrameWire

STALL_S: Final = 0.5
"""How long `grab` waits for a new frame. A real driver may stall for ten seconds; half of one shows the same."""
POLL_S: Final = 0.02


class SimCapture:
    """Frames from a FrameWire; each is given once. A wire that is not there is a camera that is not there."""

    def __init__(self, path: Path | str) -> None:
        self._seq = 0
        self._frame: Frame | None = None
        self._wire: FrameWire | None = None
        try:
            self._wire = FrameWire.attach(path)
        except DeviceMissing:
            return
        if not self._wire.plugged:
            self.release()

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self._wire is not None

    def grab(self) -> bool:
        """Waits for a frame that was not given yet; False when none comes, or the camera was unplugged."""
        deadline = time.monotonic() + STALL_S
        while self._wire is not None and self._wire.plugged:
            if self._wire.seq != self._seq:
                self._frame = self._wire.frame()
                if self._frame is not None:
                    self._seq = self._frame.seq
                    return True
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        return False

    def retrieve(self) -> tuple[bool, Any]:
        """The grabbed frame as height × width × 3 bytes: blue, green, red."""
        if self._frame is None:
            return False, None
        shape = (self._frame.height, self._frame.width, 3)
        return True, np.frombuffer(self._frame.pixels, dtype=np.uint8).reshape(shape)

    def set(self, prop: int, value: float) -> bool:  # noqa: ARG002 - nothing to set on a wire
        return False

    def release(self) -> None:
        """Let go of the wire; twice does no harm."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
