"""Recordings with pictures: their frames are looked at as on a cart, and what is wrong with them stops nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.bench.basket_scene import BasketScene
from cart.bench.pictures import ProductPictures, Sprite
from cart.commands import replay as replay_command
from cart.core.observations import AnyObservation, Look, PartChanged, Scan
from cart.recorded_camera import RecordedCamera, recorded_camera
from cart.recordings import open_recording
from cart.recordings.format import (
    CAMERA,
    LOOK,
    SCAN,
    CameraMessage,
    LookMessage,
    ScanMessage,
    Timestamp,
)
from cart.recordings.reading import RecordedMessage, Recording
from cart.replay import _Run, camera_with, replay_file
from cart.vision.jpegs import BYTES_MAX, as_jpeg, from_jpeg
from tests.replay.making import MILK, MILK_SCAN, at, quiet_scale, scan, write
from tests.stand_in_model import write_stand_in

PICTURES = ProductPictures()
PUT_S, TAKE_S, SHOW_S, ENDS_S = 3.0, 7.0, 11.0, 16.0
FRAMES_PER_SECOND = 5


def orange() -> Sprite:
    return PICTURES.sprite(vision_class="Orange", label="Oranges")


def stand_in(crop: Any) -> dict[str, float]:
    """Tells oranges by their colour."""
    hue, strength, _ = cv2.split(cv2.cvtColor(crop, cv2.COLOR_BGR2HSV))
    share = float(((hue > 8) & (hue < 25) & (strength > 150)).mean())
    return {"Orange": share, "none": 1 - share}


def filmed(frames_per_second: int = FRAMES_PER_SECOND, until_s: float = ENDS_S) -> list[RecordedMessage]:
    """An orange put in, taken out, then milk held up to the lens."""
    scene = BasketScene(5)
    told = set()
    messages = []
    for number in range(round(until_s * frames_per_second)):
        t_s = number / frames_per_second
        if t_s >= PUT_S and "put" not in told:
            told.add("put")
            scene.put(t_s, [(1, orange())], 1.0)
        if t_s >= TAKE_S and "take" not in told:
            told.add("take")
            scene.take(t_s, [1], 1.0)
        if t_s >= SHOW_S and "show" not in told:
            told.add("show")
            shown = PICTURES.sprite(vision_class=None, label="Milk", sku="milk", code=MILK.gtins[0], scale=3.0)
            scene.show(t_s, shown, 3.0)
        data = as_jpeg(scene.picture(t_s))
        assert data is not None
        messages.append(frame(t_s, data))
    return messages


def frame(t_s: float, data: bytes) -> RecordedMessage:
    t_ns = at(t_s)
    return RecordedMessage(CAMERA, t_ns, CameraMessage(Timestamp(t_ns // 10**9, t_ns % 10**9), data))


@pytest.fixture(scope="module")
def frames() -> list[RecordedMessage]:
    return filmed()


class Heard:
    """A decider that only listens."""

    next_deadline_ns = None

    def __init__(self) -> None:
        self.observations: list[AnyObservation] = []

    def handle(self, obs: AnyObservation) -> list[Any]:
        self.observations.append(obs)
        return []

    def view(self) -> Any:
        raise NotImplementedError


def heard(path: Path, camera: RecordedCamera) -> list[Look | Scan | PartChanged]:
    """What the session is told of the camera."""
    listener = Heard()
    run = _Run(Recording(path), listener, lambda _: camera)
    for message in run.recording.messages():
        run._hear(message)
    return [one for one in listener.observations if isinstance(one, Look | Scan | PartChanged)]


def test_frames_become_looks_and_scans_at_their_own_time(tmp_path: Path, frames: list[RecordedMessage]) -> None:
    path = write(tmp_path / "a.mcap", [*quiet_scale(ENDS_S), *frames])
    told = heard(path, RecordedCamera(stand_in))
    looks = [one for one in told if isinstance(one, Look)]
    ways = [look.direction for look in looks]
    assert ways[:3] == ["in", "in", "out"]  # what came in is looked at twice
    assert min(look.scores["Orange"] for look in looks[:3]) > 0.25
    times = {message.t_ns for message in frames}
    assert {look.t_ns for look in looks} | {look.frame_t_ns for look in looks} <= times
    assert at(PUT_S) < looks[0].frame_t_ns <= looks[0].t_ns < at(TAKE_S) < looks[2].t_ns < at(SHOW_S)
    scans = [one for one in told if isinstance(one, Scan)]
    assert [(one.text, one.source) for one in scans] == [(MILK.gtins[0][1:], "camera")]
    assert not [one for one in told if isinstance(one, PartChanged) and not one.ok]


def test_the_basket_fills_by_the_code_that_was_held_up(tmp_path: Path, frames: list[RecordedMessage]) -> None:
    path = write(tmp_path / "a.mcap", [*quiet_scale(ENDS_S), *frames])
    report = replay_file(path, camera=camera_with("")).report
    assert [line.sku for line in report.basket] == ["milk"]
    assert report.warnings == []


def test_it_is_the_same_each_time_and_a_cut_changes_nothing_before_it(
    tmp_path: Path, frames: list[RecordedMessage]
) -> None:
    # Looks of a cart's own stand before the first frame: a cut must not turn one into the other.
    early = [RecordedMessage(LOOK, at(0.01), LookMessage(at(0.0), {"Orange": 0.9}, "in"))]
    late = [message for message in frames if message.t_ns > at(1.0)]
    path = write(tmp_path / "a.mcap", [*quiet_scale(ENDS_S), *early, *late])
    whole = heard(path, RecordedCamera(stand_in))
    assert heard(path, RecordedCamera(stand_in)) == whole
    assert isinstance(whole[0], Look)
    for cut_s in (0.5, 5.3, 12.6):
        short = write(tmp_path / f"cut-{cut_s}.mcap", up_to(path, at(cut_s)))
        assert heard(short, RecordedCamera(stand_in)) == [one for one in whole if one.t_ns <= at(cut_s)]


def up_to(path: Path, t_ns: int) -> Iterable[RecordedMessage]:
    return [message for message in open_recording(path).messages() if message.t_ns <= t_ns]


def test_frames_win_over_what_was_recorded_of_them(tmp_path: Path, frames: list[RecordedMessage]) -> None:
    recorded = [
        RecordedMessage(LOOK, at(6.0), LookMessage(at(5.9), {"Carrots": 0.9}, "in")),
        RecordedMessage(SCAN, at(6.0), ScanMessage("09520000000028")),
    ]
    path = write(tmp_path / "both.mcap", [*quiet_scale(ENDS_S), *frames, *recorded])
    told = heard(path, RecordedCamera(stand_in))
    assert not [one for one in told if isinstance(one, Look) and "Carrots" in one.scores]
    assert [one.text for one in told if isinstance(one, Scan)] == [MILK.gtins[0][1:]]
    # Without a classifier nothing comes of frames that a look could be replaced by.
    told = heard(path, RecordedCamera(None))
    assert [set(one.scores) for one in told if isinstance(one, Look)] == [{"Carrots"}]


def test_a_faster_camera_is_looked_at_as_often_as_a_cart_s(tmp_path: Path) -> None:
    path = write(tmp_path / "fast.mcap", filmed(15, 8.0))
    camera = RecordedCamera(stand_in, codes=lambda _: [])
    told = [one for one in heard(path, camera) if isinstance(one, Look)]
    assert [one.direction for one in told][:1] == ["in"]
    assert abs(camera.frames - 8 * FRAMES_PER_SECOND) <= 2


def test_broken_frames_are_left_out_and_counted(
    tmp_path: Path, frames: list[RecordedMessage], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = []
    for number, message in enumerate(frames):
        assert isinstance(message.body, CameraMessage)
        data = message.body.data
        damaged = {0: data[: len(data) // 2], 1: b"", 2: b"\xff\xd8\xff\xd9", 3: b"GIF89a"}.get(number % 8, data)
        broken.append(frame((message.t_ns - at(0)) / 1e9, damaged))
    path = write(tmp_path / "broken.mcap", [*quiet_scale(ENDS_S), *broken])
    assert replay_command.run([path], as_json=True, model="") == 0
    told = capsys.readouterr()
    assert "40 of 80 camera frames are no whole JPEG" in told.err
    assert told.err.count("\n") == 1
    assert replay_command.run([path], as_json=True, model=str(tmp_path / "nowhere")) == 0
    told = capsys.readouterr()
    assert "without a classifier" in told.err
    assert told.err.count("\n") == 2


def test_a_whole_model_is_run_on_frames_and_a_damaged_one_is_refused(
    tmp_path: Path, frames: list[RecordedMessage]
) -> None:
    path = write(tmp_path / "a.mcap", frames)
    folder = write_stand_in(tmp_path / "model")
    camera = recorded_camera(str(folder), None)
    looks = [one for one in heard(path, camera) if isinstance(one, Look)]
    assert camera.warnings == []
    assert set(looks[0].scores) <= {"Red", "Green", "Blue", "Grey", "none"}
    (folder / "stand_in.tflite").write_bytes(b"short")
    camera = recorded_camera(str(folder), None)
    assert not [one for one in heard(path, camera) if isinstance(one, Look)]
    assert len(camera.warnings) == 1
    assert str(folder) in camera.warnings[0]


def test_a_smeared_lens_on_the_pictures_is_a_fault_on_the_record(tmp_path: Path) -> None:
    scene = BasketScene(6)
    scene.lay(1, orange())
    messages = []
    for number in range(60):
        scene.lens = "covered" if 20 <= number < 40 else "clear"
        messages.append(frame(number / 5, as_jpeg(scene.picture(number / 5)) or b""))
    report = replay_file(write(tmp_path / "a.mcap", messages), camera=camera_with("")).report
    faults = [(event["kind"], event["fault"]) for event in report.events if event.get("part") == "camera"]
    assert faults == [("fault_raised", "covered"), ("fault_cleared", "covered")]


LOADED = """
import sys
from pathlib import Path
from cart.replay import replay_file
replay_file(Path(sys.argv[1]))
print(sorted({"cv2", "numpy", "zxingcpp", "tflite_runtime", "ai_edge_litert"} & set(sys.modules)))
"""


def test_without_frames_nothing_of_the_camera_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap", [*quiet_scale(1.0), scan(0.5, MILK_SCAN)])
    done = subprocess.run([sys.executable, "-c", LOADED, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 5000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_frame_or_none(noise: bytes, at_byte: int, cut: int) -> None:
    whole = as_jpeg(np.full((48, 64, 3), 90, np.uint8)) or b""
    for data in (noise, whole[:at_byte] + noise + whole[at_byte:], b"\xff\xd8" + noise + b"\xff\xd9"):
        image = from_jpeg(data)
        assert image is None or image.dtype == np.uint8
    assert from_jpeg(whole[:cut]) is None or cut >= len(whole)


def test_a_frame_as_large_as_a_house_is_not_unpacked() -> None:
    whole = as_jpeg(np.full((48, 64, 3), 90, np.uint8)) or b""
    header = whole.index(b"\xff\xc0")
    for height, width in ((60000, 60000), (4097, 64), (8, 64), (0, 0)):
        size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        assert from_jpeg(whole[: header + 5] + size + whole[header + 9 :]) is None
    assert from_jpeg(whole) is not None


def test_a_frame_that_noise_makes_large_is_written_smaller() -> None:
    for height, width in ((480, 640), (2000, 2000)):
        data = as_jpeg(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8))
        assert data is not None
        assert len(data) <= BYTES_MAX
        image = from_jpeg(data)
        assert image is not None
        assert image.shape[0] * width == image.shape[1] * height
