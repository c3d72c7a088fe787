"""The camera over the basket, through OpenCV's VideoCapture: the newest frame or none, never an old one.

OpenCV keeps a queue of frames and stalls for some ten seconds when a camera vanishes. So a thread takes frames as fast
as they come and keeps the last; who asks is refused what is too old; and the whole runs in a process of its own that
the cart can kill (`progress_ns` says when the thread last got anywhere).
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from drivers.errors import DeviceLost, DeviceMissing, NotReady, Stale
from drivers.opencv_log import set_log_level
from drivers.protocols import Capture

SIMULATED: Final = "sim:"
REOPEN_S: Final = 1.0
GRABS_FAILED_MAX: Final = 3
"""A USB camera skips a frame now and then; three times in a row it is gone, and is opened anew."""
SLACK: Final = 0.25
"""A frame up to a quarter of an interval early is taken, and one so late keeps the beat: else a camera that makes just
as many frames as are wanted would lose every other one to the jitter between two clocks."""
FROZEN_S: Final = 3.0
"""A real sensor has noise: frames that are alike to the last bit for this long come from a hung camera."""
FIRST_FRAME_S: Final = 5.0
"""A USB camera sends its first picture within a second or two; who has sent none for so long sends none."""


@dataclasses.dataclass(frozen=True)
class CameraFrame:
    """`t_ns` is when the frame was grabbed from the driver, a few ms to one frame's time after its exposure; `image` is
    height × width × 3 bytes in the order blue, green, red."""

    seq: int
    t_ns: int
    image: npt.NDArray[np.uint8]


class Beat:
    """Which of a camera's frames are wanted, when it makes more of them than that."""

    def __init__(self, frames_per_second: float) -> None:
        self._interval_ns = int(1e9 / frames_per_second)
        self._slack_ns = int(self._interval_ns * SLACK)
        self._next_ns = 0

    def takes(self, t_ns: int) -> bool:
        """Whether a frame of this moment is wanted; moments go on."""
        if t_ns < self._next_ns - self._slack_ns:
            return False
        on_time = t_ns < self._next_ns + self._slack_ns
        self._next_ns = (self._next_ns if on_time else t_ns) + self._interval_ns
        return True


def open_capture(source: str, frames_per_second: float) -> Capture:
    """`source` is `sim:FILE`, a video file, a device such as /dev/video0, or its number. Never raises; see isOpened."""
    if source.startswith(SIMULATED):
        from drivers.sim.frames import SimCapture

        return SimCapture(source.removeprefix(SIMULATED))
    import cv2

    # OpenCV says each failure on standard error, once a second here; the cart says it once, in its own words
    set_log_level(0)
    if not (source.isdigit() or source.startswith("/dev/")):
        return cv2.VideoCapture(source)
    device: Any = int(source) if source.isdigit() else source
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    capture.set(cv2.CAP_PROP_FPS, frames_per_second)
    return capture


class Camera:
    """Grabs from construction to `close`; `newest` gives the last frame while it is fresh."""

    def __init__(
        self,
        source: str,
        *,
        frames_per_second: float = 5.0,
        frame_age_max_s: float = 1.0,
        frozen_s: float | None = None,
        reopen_s: float = REOPEN_S,
        opener: Callable[[str, float], Capture] = open_capture,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`frozen_s`: refuse frames that have been alike for so long; by default FROZEN_S for cameras, real and
        simulated, and never for files, which may hold drawings. 0 is never, too."""
        self.source = source
        is_device = source.isdigit() or source.startswith("/dev/")
        is_camera = is_device or source.startswith(SIMULATED)
        self._frozen_ns = int((FROZEN_S * is_camera if frozen_s is None else frozen_s) * 1e9)
        self._is_file = not is_device and not source.startswith(SIMULATED)
        self._frames_per_second = frames_per_second
        self._age_max_ns = int(frame_age_max_s * 1e9)
        self._reopen_s = reopen_s
        self._opener = opener
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._frame: CameraFrame | None = None
        self._seq = 0
        self._digest = b""
        self._changed_ns = 0
        self._problem: DeviceMissing | DeviceLost | None = None
        self._progress_ns = self._begun_ns = now_ns()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def progress_ns(self) -> int:
        """When the thread last came back from OpenCV; a watchdog kills the process when that is too long ago."""
        return self._progress_ns

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def newest(self) -> CameraFrame:
        """The newest frame. Raises DeviceMissing, DeviceLost, NotReady before the first frame, Stale on an old or
        frozen one, and where the first doesn't come (a camera whose pictures cannot be decoded)."""
        now_ns = self._now_ns()
        with self._lock:
            frame, problem, changed_ns = self._frame, self._problem, self._changed_ns
        if problem is not None:
            raise type(problem)(str(problem))  # a fresh one: an exception raised again and again grows its traceback
        if frame is None and now_ns - self._begun_ns > FIRST_FRAME_S * 1e9:
            raise Stale(f"the camera {self.source} sends nothing that is a picture: replug it, or try another")
        if frame is None:
            raise NotReady(f"no frame from the camera {self.source} yet; ask again")
        age_ns = now_ns - frame.t_ns
        if age_ns > self._age_max_ns:
            raise Stale(f"the camera's newest frame is {age_ns / 1e9:.1f} s old: check its plug")
        if self._frozen_ns and frame.t_ns - changed_ns >= self._frozen_ns:
            raise Stale(
                f"the camera's picture has not changed by a bit for {(frame.t_ns - changed_ns) / 1e9:.0f} s: replug it"
            )
        return frame

    def _run(self) -> None:
        while not self._closing.is_set():
            capture = self._opener(self.source, self._frames_per_second)
            self._progress_ns = self._now_ns()
            try:
                if capture.isOpened():
                    self._grab_until_lost(capture)
                elif not isinstance(self._problem, DeviceLost):
                    self._say(DeviceMissing(f"no camera at {self.source}: plug it in, or correct [camera] source"))
            finally:
                capture.release()
            self._closing.wait(self._reopen_s)

    def _grab_until_lost(self, capture: Capture) -> None:
        failed = 0
        beat = Beat(self._frames_per_second)
        while not self._closing.is_set():
            grabbed = capture.grab()
            self._progress_ns = t_ns = self._now_ns()
            if not grabbed:
                failed += 1
                if self._is_file and failed == 1:
                    return  # the end; the file is played again
                if failed >= GRABS_FAILED_MAX:
                    self._say(
                        DeviceLost(f"the camera {self.source} gives no frames: check its plug; it is opened again")
                    )
                    return
                continue
            failed = 0
            if self._is_file:
                self._closing.wait(1 / self._frames_per_second)  # a file would be over in no time
            elif not beat.takes(t_ns):
                continue  # grabbing keeps the driver's queue empty; only what is wanted is decoded
            decoded, image = capture.retrieve()
            if decoded:
                self._keep(image, t_ns)

    def _keep(self, image: npt.NDArray[np.uint8], t_ns: int) -> None:
        digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() if self._frozen_ns else b""
        with self._lock:
            self._problem = None
            self._seq += 1
            self._frame = CameraFrame(self._seq, t_ns, image)
            if digest != self._digest or not self._frozen_ns:
                self._digest, self._changed_ns = digest, t_ns

    def _say(self, problem: DeviceMissing | DeviceLost) -> None:
        with self._lock:
            self._problem = problem
            self._frame = None

    def close(self) -> None:
        """Ends the thread within one grab; twice does no harm."""
        self._closing.set()
        self._thread.join(timeout=2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
