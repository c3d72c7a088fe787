"""The camera's real process on the simulated wire: what it says, and that nothing else can leave it."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import cv2
import msgspec
import numpy as np
import pytest

from cart.bench.basket_scene import HEIGHT, WIDTH, BasketScene, Lens
from cart.bench.pictures import ProductPictures, Sprite
from cart.config import CameraTable
from cart.daemon import camera_process
from cart.daemon.child_messages import Alive, AnyChildMessage, ChildMessage, CodeSeen, DeviceState, ModelState, Seen
from cart.daemon.supervisor import ENVIRONMENT, LINE_MAX_BYTES
from drivers.sim.wire import FrameWire

T = TypeVar("T", bound=ChildMessage)
ORANGE_CODE = "0420001504619"
# The stand-in tells two products by their colour, as a net would by all of it.
CHILD = """
import sys
import cv2
from cart.config import CameraTable
from cart.daemon import camera_process
from cart.daemon.child_messages import ModelState

def stand_in(crop):
    hue, strength, _ = cv2.split(cv2.cvtColor(crop, cv2.COLOR_BGR2HSV))
    orange = float(((hue > 8) & (hue < 25) & (strength > 150)).mean())
    return {"Orange": orange, "none": 1 - orange, **{f"class-{n}": 0.0002 for n in range(80)}}

table = CameraTable(source="sim:" + sys.argv[1], frames_per_second=10)
sys.exit(camera_process.run(table, lambda table: (stand_in, ModelState(0, ok=True, detail="stand-in"))))
"""
PICTURES = ProductPictures()


def orange() -> Sprite:
    return PICTURES.sprite(vision_class="Orange", label="Oranges")


class Watched:
    """A scene in real time on a wire, and the process that watches it."""

    def __init__(self, folder: Path) -> None:
        self.scene = BasketScene(3)
        self.wire = FrameWire.create(folder / "frames", width_max=WIDTH, height_max=HEIGHT)
        self.messages: list[AnyChildMessage] = []
        self.lines: list[bytes] = []
        self._stop = threading.Event()
        self._world = threading.Thread(target=self._expose)
        self._world.start()
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(self.wire.path)], stdout=subprocess.PIPE, env=os.environ | ENVIRONMENT
        )
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()

    def _expose(self) -> None:
        while not self._stop.wait(0.1):
            self.wire.show(self.scene.picture(time.monotonic()).tobytes(), WIDTH, HEIGHT)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        decoder = msgspec.json.Decoder(AnyChildMessage)
        for line in self.process.stdout:
            self.lines.append(line)
            self.messages.append(decoder.decode(line))

    def heard(self, kind: type[T]) -> list[T]:
        return [message for message in self.messages if isinstance(message, kind)]

    def until(self, test: Callable[[], bool], seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while not test():
            assert time.monotonic() < deadline, self.messages[-5:]
            time.sleep(0.05)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._stop.set()
        self._world.join()
        self.wire.close()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    one = Watched(tmp_path_factory.mktemp("camera"))
    try:
        one.until(lambda: any(state.ok for state in one.heard(DeviceState)))
        time.sleep(1.0)  # the bare basket is learned
        yield one
    finally:
        one.close()


def test_a_thing_put_in_is_looked_at_and_one_taken_out_too(watched: Watched) -> None:
    assert watched.heard(ModelState) == [ModelState(watched.heard(ModelState)[0].t_ns, ok=True, detail="stand-in")]
    began_ns = time.monotonic_ns()
    watched.scene.put(time.monotonic(), [(1, orange())], 1.0)
    # What came in is looked at twice.
    watched.until(lambda: len(watched.heard(Seen)) == 2)
    look, again = watched.heard(Seen)
    assert look.direction == again.direction == "in"
    assert 0.7e9 <= again.frame_t_ns - look.frame_t_ns < 2e9
    assert began_ns < look.frame_t_ns <= look.t_ns
    assert look.scores["Orange"] > 0.25
    assert len(look.scores) <= 12
    watched.scene.take(time.monotonic(), [1], 1.0)
    watched.until(lambda: len(watched.heard(Seen)) == 3)
    look = watched.heard(Seen)[2]
    assert look.direction == "out"
    assert look.scores["Orange"] > 0.25


def test_a_code_held_up_is_told_once(watched: Watched) -> None:
    sprite = PICTURES.sprite(vision_class=None, label="Rice", sku="r", code="0" + ORANGE_CODE, scale=3.0)
    watched.scene.show(time.monotonic(), sprite, 3.0)
    watched.until(lambda: bool(watched.heard(CodeSeen)))
    time.sleep(3.5)
    codes = watched.heard(CodeSeen)
    assert [(code.text, code.symbology) for code in codes] == [(ORANGE_CODE, "]E0")]


@pytest.mark.parametrize(
    ("lens", "to_do"),
    [("dark", "switch on a light"), ("dirty", "clean the lens"), ("covered", "take off what covers")],
)
def test_a_lens_that_sees_nothing_is_a_fault_that_clears_itself(watched: Watched, lens: Lens, to_do: str) -> None:
    looks = len(watched.heard(Seen))
    watched.scene.lens = lens
    watched.until(lambda: watched.heard(DeviceState)[-1].fault == lens)
    assert to_do in watched.heard(DeviceState)[-1].detail
    watched.scene.lens = "clear"
    watched.until(lambda: watched.heard(DeviceState)[-1].ok)
    assert len(watched.heard(Seen)) == looks


def test_a_camera_that_vanishes_or_hangs_is_told_and_comes_back(watched: Watched) -> None:
    looks = len(watched.heard(Seen))
    watched.wire.plugged = False
    watched.until(lambda: watched.heard(DeviceState)[-1].fault == "lost")
    watched.wire.plugged = True
    watched.until(lambda: watched.heard(DeviceState)[-1].ok)
    watched.scene.lens = "frozen"
    watched.until(lambda: watched.heard(DeviceState)[-1].fault == "stale")
    watched.scene.lens = "clear"
    watched.until(lambda: watched.heard(DeviceState)[-1].ok)
    assert len(watched.heard(Seen)) == looks


def test_all_that_the_process_writes_are_these_short_lines(watched: Watched) -> None:
    """Runs last: by now frames were watched, classified and searched for codes."""
    proc = Path(f"/proc/{watched.process.pid}")
    watched.process.send_signal(19)  # SIGSTOP: what it wrote and what was read are then the same
    time.sleep(0.5)
    counters = dict(line.split(": ") for line in (proc / "io").read_text().splitlines())
    said = sum(len(line) for line in watched.lines)
    written = int(counters["wchar"])
    opened = [str(fd.readlink()) for fd in (proc / "fd").iterdir()]
    modes = {
        str((proc / "fd" / info.name).readlink()): int(info.read_text().split("flags:")[1].split()[0], 8)
        for info in (proc / "fdinfo").iterdir()
    }
    limits = (proc / "limits").read_text()
    seccomp = [(task / "status").read_text().split("Seccomp:")[1].split()[0] for task in (proc / "task").iterdir()]
    watched.process.send_signal(18)
    assert written == said, "the process wrote what the daemon never got"
    # The kernel notes in a file's inode that it was read for the first time: a page or two, far less than a picture.
    assert int(counters["write_bytes"]) <= 4 * mmap.PAGESIZE
    assert not [name for name in opened if name.startswith("socket:")]
    # The simulated camera itself is a file that is mapped; standard error is whatever the test runner's is.
    mine = {str(watched.wire.path), str(Path("/proc/self/fd/2").readlink())}
    to_files = {name for name, flags in modes.items() if flags & os.O_ACCMODE and Path(name).is_file()}
    assert to_files <= mine
    assert "Max file size             0                    0" in limits
    assert set(seccomp) == {"2"}
    assert max(len(line) for line in watched.lines) < 2000 < LINE_MAX_BYTES
    kinds = {type(message) for message in watched.messages}
    assert kinds <= {Alive, DeviceState, ModelState, Seen, CodeSeen}
    for line in watched.lines:
        assert_no_pixels(json.loads(line))


def assert_no_pixels(value: Any) -> None:
    """Numbers and short words in flat tables: nowhere a list, nowhere a long text."""
    assert not isinstance(value, list)
    if isinstance(value, dict):
        assert len(value) <= 12
        for inner in value.values():
            assert_no_pixels(inner)
    if isinstance(value, str):
        assert len(value) < 200


CONFINED = """
import socket, subprocess, sys
from pathlib import Path
from cart.daemon.confinement import confine
assert confine() == [], confine()
import cv2, numpy as np
refused = []
for attempt in (
    lambda: socket.socket(),
    lambda: subprocess.run(["true"]),
    lambda: Path(sys.argv[1], "a").write_bytes(b"frame"),
    lambda: cv2.imwrite(sys.argv[1] + "/b.png", np.full((99, 99, 3), 9, np.uint8)) or 1 / 0,
):
    try:
        attempt()
    except (OSError, ZeroDivisionError) as error:
        refused.append(type(error).__name__)
print(len(refused), sum(path.stat().st_size for path in Path(sys.argv[1]).iterdir()))
"""


def test_a_confined_process_can_write_no_file_and_open_no_socket(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, str(tmp_path)], capture_output=True, text=True, check=False, timeout=30
    )
    # OpenCV believes that it wrote; not one byte came to rest all the same.
    assert done.stdout.split()[1] == "0", done.stderr
    assert int(done.stdout.split()[0]) >= 3


def test_a_cart_without_a_whole_model_goes_on_and_says_why(tmp_path: Path) -> None:
    classify, told = camera_process.load_model(CameraTable(model=str(tmp_path)))
    assert classify is None
    assert not told.ok
    assert str(tmp_path) in told.detail
    classify, told = camera_process.load_model(CameraTable(model=""))
    assert classify is None
    assert "camera.model" in told.detail


def test_pictures_are_the_same_each_time_and_differ_by_product() -> None:
    again = ProductPictures().sprite(vision_class="Orange", label="Oranges")
    assert np.array_equal(orange().bgr, again.bgr)
    assert orange().bgr.shape != PICTURES.sprite(vision_class="Banana", label="Bananas").bgr.shape
    hue = cv2.cvtColor(orange().bgr, cv2.COLOR_BGR2HSV)[..., 0][orange().alpha > 200]
    assert 8 < np.median(hue) < 25
