"""The camera: newest frame or none, over the simulated wire and a video file through OpenCV."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers.camera import Camera, CameraFrame
from drivers.errors import DeviceLost, DeviceMissing, DriverError, NotReady, Stale
from drivers.sim import frames as sim_frames
from drivers.sim.frames import SimCapture
from drivers.sim.wire import FrameWire

SIZE = (32, 24)


def picture(shade: int) -> bytes:
    return bytes([shade]) * (SIZE[0] * SIZE[1] * 3)


AGE_MAX_NS = 200_000_000


def wait_until(test: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


def refusal(camera: Camera) -> type[DriverError] | None:
    """What `newest` raises now, None if it gives a frame."""
    try:
        camera.newest()
    except DriverError as error:
        return type(error)
    return None


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FrameWire]:
    monkeypatch.setattr(sim_frames, "STALL_S", 0.05)
    with FrameWire.create(tmp_path / "frames", width_max=SIZE[0], height_max=SIZE[1]) as one:
        yield one


@pytest.fixture
def camera(wire: FrameWire) -> Iterator[Camera]:
    one = Camera(
        f"sim:{wire.path}", frames_per_second=200, frame_age_max_s=AGE_MAX_NS / 1e9, frozen_s=0.3, reopen_s=0.02
    )
    yield one
    one.close()
    assert not one.alive


def show(wire: FrameWire, shade: int) -> None:
    wire.show(picture(shade), *SIZE)


def test_no_frame_yet_is_not_ready(camera: Camera) -> None:
    with pytest.raises((NotReady, DeviceLost), match="frame"):
        camera.newest()


def test_the_newest_frame_wins(wire: FrameWire, camera: Camera) -> None:
    for shade in range(1, 6):
        show(wire, shade)
        time.sleep(0.01)

    def is_last() -> bool:
        return refusal(camera) is None and int(camera.newest().image[0, 0, 0]) == 5

    wait_until(is_last)
    frame = camera.newest()
    assert frame.image.shape == (SIZE[1], SIZE[0], 3)
    assert frame.image.dtype == np.uint8
    assert 0 <= time.monotonic_ns() - frame.t_ns < 200_000_000


def test_a_stalled_camera_is_never_an_old_frame(wire: FrameWire, camera: Camera) -> None:
    show(wire, 1)
    wait_until(lambda: refusal(camera) is None)
    stalled_ns = time.monotonic_ns()

    def lost() -> bool:
        told = refusal(camera)
        assert told is not None or time.monotonic_ns() - stalled_ns < 4 * AGE_MAX_NS
        return told is DeviceLost

    wait_until(lost)
    show(wire, 2)
    wait_until(lambda: refusal(camera) is None)


def test_a_frozen_picture_is_refused(wire: FrameWire, camera: Camera) -> None:
    def hang(_: int = 0) -> bool:
        show(wire, 7)
        return refusal(camera) is Stale

    wait_until(hang)
    with pytest.raises(Stale, match=r"same|changed"):
        camera.newest()
    show(wire, 8)
    wait_until(lambda: refusal(camera) is None)


def test_unplugged_is_lost_and_plugged_is_back(wire: FrameWire, camera: Camera) -> None:
    show(wire, 1)
    wait_until(lambda: refusal(camera) is None)
    wire.plugged = False
    wait_until(lambda: refusal(camera) is DeviceLost)
    wire.plugged = True
    show(wire, 2)
    wait_until(lambda: refusal(camera) is None)
    assert int(camera.newest().image[0, 0, 0]) == 2


def test_a_camera_that_was_never_there_is_missing(tmp_path: Path) -> None:
    for source in (f"sim:{tmp_path / 'nothing'}", "/dev/video-nothing", str(tmp_path / "nothing.avi")):
        with Camera(source, reopen_s=0.05) as camera:
            wait_until(lambda camera=camera: refusal(camera) is DeviceMissing)  # type: ignore[misc]
            with pytest.raises(DeviceMissing, match=r"\[camera\] source"):
                camera.newest()


def test_a_video_file_plays_through_opencv_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "basket.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE)
    for shade in range(0, 250, 50):
        writer.write(np.full((SIZE[1], SIZE[0], 3), shade, np.uint8))
    writer.release()
    seen: dict[int, int] = {}
    with Camera(str(file), frames_per_second=100, reopen_s=0.01) as camera:

        def enough() -> bool:
            if refusal(camera) is None:
                frame = camera.newest()
                seen[frame.seq] = round(float(frame.image.mean()) / 50) * 50
            return len(seen) >= 8 and max(seen) > 10

        wait_until(enough)
    assert set(seen.values()) == {0, 50, 100, 150, 200}


class CountingCapture:
    """Thirty frames a second from a driver, in no time; counts what was decoded."""

    def __init__(self) -> None:
        self.grabbed = itertools.count()
        self.decoded = 0

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def grab(self) -> bool:
        time.sleep(0.002)
        return next(self.grabbed) >= 0

    def retrieve(self) -> tuple[bool, Any]:
        self.decoded += 1
        return True, np.zeros((2, 2, 3), np.uint8)

    def set(self, _prop: int, _value: float) -> bool:
        return True

    def release(self) -> None:
        pass


def test_every_frame_is_taken_but_only_the_wanted_are_decoded() -> None:
    capture = CountingCapture()
    with Camera("0", frames_per_second=20, opener=lambda _source, _rate: capture) as camera:
        wait_until(lambda: capture.decoded >= 4)
        assert isinstance(camera.newest(), CameraFrame)
        assert time.monotonic_ns() - camera.progress_ns < 1_000_000_000
    assert next(capture.grabbed) >= 5 * capture.decoded


def test_the_simulated_capture_gives_each_frame_once(wire: FrameWire) -> None:
    capture = SimCapture(wire.path)
    assert capture.isOpened()
    assert capture.retrieve() == (False, None)
    show(wire, 3)
    assert capture.grab()
    assert not capture.grab()
    capture.release()
    capture.release()
    assert not capture.isOpened()
    assert not capture.grab()


def test_a_driver_stuck_in_a_grab_is_never_an_old_frame() -> None:
    capture = CountingCapture()
    stuck = threading.Event()
    grab = capture.grab

    def grab_or_hang() -> bool:
        stuck.wait(1.0 if capture.decoded else 0)
        return grab()

    capture.grab = grab_or_hang  # type: ignore[method-assign]
    with Camera("0", frame_age_max_s=0.1, opener=lambda _source, _rate: capture) as camera:
        wait_until(lambda: refusal(camera) is None)
        wait_until(lambda: refusal(camera) is Stale, 0.9)
        with pytest.raises(Stale, match="old"):
            camera.newest()
        assert time.monotonic_ns() - camera.progress_ns >= 90_000_000
        stuck.set()


def test_a_camera_that_never_sends_a_picture_is_told_after_seconds() -> None:
    class Undecodable(CountingCapture):
        def retrieve(self) -> tuple[bool, Any]:
            return False, None

    at_ns = [0]
    with Camera("0", opener=lambda _source, _rate: Undecodable(), now_ns=lambda: at_ns[0]) as camera:
        at_ns[0] = 4_900_000_000
        assert refusal(camera) is NotReady
        at_ns[0] = 5_100_000_000
        assert refusal(camera) is Stale
        with pytest.raises(Stale, match="nothing that is a picture: replug it"):
            camera.newest()
