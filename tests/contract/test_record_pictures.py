"""Recording with pictures: real control socket, real camera's process; pictures only in maintenance, and no longer."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cart.bench.basket_scene import HEIGHT, WIDTH, BasketScene
from cart.commands import record as record_command
from cart.control_client import ControlClient, ControlError
from cart.core.observations import AnyObservation, PartChanged
from cart.daemon.clock import SessionClock
from cart.daemon.control import ControlServer
from cart.daemon.parts import CameraPart
from cart.recordings import RecordingError, open_recording
from cart.recordings.format import CAMERA, CameraMessage
from cart.vision.jpegs import BYTES_MAX, from_jpeg
from drivers.sim.wire import FrameWire
from tests.unit.simulated_world import CATALOG, config_text


class FilmedCart:
    """The daemon's camera part and control socket on a loop of their own, over a drawn basket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.phase = "maintenance"
        self.heard: list[AnyObservation] = []
        self.wire = FrameWire.create(folder / "frames", width_max=WIDTH, height_max=HEIGHT)
        self.config = folder / "cart.toml"
        camera = f'[camera]\nsource = "sim:{self.wire.path}"\nmodel = ""\nframes_per_second = 10\n'
        self.config.write_text(config_text(folder) + camera)
        self._scene = BasketScene(3)
        self._stop = threading.Event()
        self._world = threading.Thread(target=self._expose)
        self._world.start()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._run(self._start())

    def _expose(self) -> None:
        while not self._stop.wait(0.1):
            self.wire.show(self._scene.picture(time.monotonic()).tobytes(), WIDTH, HEIGHT)

    async def _start(self) -> None:
        clock = SessionClock(last_event_ns=None, off_s=None)
        self.camera = CameraPart("cart.daemon.camera_process", str(self.config), self.heard.append, clock)
        self.server = ControlServer(
            self.folder / "control.sock", self._status, lambda: CATALOG, phase=lambda: self.phase, camera=self.camera
        )
        await self.server.start()
        self._child = asyncio.create_task(self.camera.child.run())

    def _status(self) -> dict[str, Any]:
        return {"trip": {"phase": self.phase}}

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def leave_maintenance(self) -> None:
        self.phase = "idle"
        self._loop.call_soon_threadsafe(self.server.phase_changed, "idle")

    def arguments(self) -> list[str]:
        """Of the camera's process, as the system has them."""
        pid = self.camera.child.pid
        try:
            return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except OSError:
            return []

    def faults(self) -> list[tuple[bool, str]]:
        return [(one.ok, one.fault) for one in self.heard if isinstance(one, PartChanged)]

    def until(self, test: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not test():
            assert time.monotonic() < deadline, (self.faults(), self.arguments())
            time.sleep(0.05)

    def close(self) -> None:
        self._run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._stop.set()
        self._world.join()
        self.wire.close()

    async def _leave(self) -> None:
        await self.server.stop()
        self._child.cancel()
        await asyncio.gather(self._child, return_exceptions=True)
        await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def cart() -> Iterator[FilmedCart]:
    with tempfile.TemporaryDirectory() as short:
        one = FilmedCart(Path(short))
        try:
            one.until(lambda: one.camera.state == "ok")
            yield one
        finally:
            one.close()


def recorded(cart: FilmedCart, name: str, seconds: float) -> tuple[Path, int]:
    out = cart.folder / name
    return out, record_command.run(out, config_path=cart.config, seconds=seconds, frames=True)


def test_pictures_of_a_cart_in_maintenance_are_recorded_and_then_stop(cart: FilmedCart) -> None:
    assert "--record-pictures" not in cart.arguments()
    began_ns = time.time_ns()
    out, status = recorded(cart, "a.mcap", 6.0)
    assert status == 0
    frames = [message for message in open_recording(out).messages() if isinstance(message.body, CameraMessage)]
    assert len(frames) >= 10
    for message in frames:
        body = message.body
        assert isinstance(body, CameraMessage)
        assert len(body.data) <= BYTES_MAX
        image = from_jpeg(body.data)
        assert image is not None
        assert image.shape == (HEIGHT, WIDTH, 3)
        assert body.timestamp.sec * 10**9 + body.timestamp.nsec == message.t_ns
        assert began_ns - 10**9 < message.t_ns < time.time_ns()
    assert (False, "recorded") in cart.faults()
    # The process that could tell pictures is gone with the recording, and nothing of that was a loss.
    cart.until(lambda: bool(cart.arguments()) and "--record-pictures" not in cart.arguments())
    cart.until(lambda: cart.camera.state == "ok")
    in_order, _ = cart.faults()[-1]  # on a busy host its first picture may be missed for a moment
    assert in_order
    assert (False, "process_lost") not in cart.faults()


def test_the_recording_ends_with_the_maintenance(cart: FilmedCart) -> None:
    ended: list[int] = []
    recorder = threading.Thread(target=lambda: ended.append(recorded(cart, "b.mcap", 60.0)[1]))
    recorder.start()
    cart.until(lambda: "--record-pictures" in cart.arguments())
    with pytest.raises(ControlError, match="another recording with pictures"):
        list(ControlClient(cart.folder).observe(seconds=5, pictures=True))
    cart.leave_maintenance()
    recorder.join(timeout=20)
    cart.phase = "maintenance"
    assert len(ended) == 1
    cart.until(lambda: bool(cart.arguments()) and "--record-pictures" not in cart.arguments())


def test_who_leaves_without_a_word_stops_it_too(cart: FilmedCart) -> None:
    watching = ControlClient(cart.folder).observe(pictures=True)
    assert any(one is not None and one.topic == CAMERA for one in watching)
    watching.close()  # type: ignore[attr-defined]
    cart.until(lambda: bool(cart.arguments()) and "--record-pictures" not in cart.arguments())


def test_other_recorders_get_no_pictures_and_another_phase_is_refused(cart: FilmedCart) -> None:
    plain: list[str] = []
    listener = threading.Thread(
        target=lambda: plain.extend(
            one.topic for one in ControlClient(cart.folder).observe(seconds=6.0) if one is not None
        )
    )
    listener.start()
    watching = ControlClient(cart.folder).observe(seconds=5.0, pictures=True)
    assert any(one is not None and one.topic == CAMERA for one in watching)
    watching.close()  # type: ignore[attr-defined]
    listener.join()
    assert CAMERA not in plain
    cart.phase = "shopping"
    try:
        with pytest.raises(ControlError, match="in maintenance only"):
            list(ControlClient(cart.folder).observe(seconds=2.0, pictures=True))
        with pytest.raises(RecordingError, match="in maintenance only"):
            recorded(cart, "c.mcap", 1.0)
        assert not (cart.folder / "c.mcap").exists()
        assert "--record-pictures" not in cart.arguments()
    finally:
        cart.phase = "maintenance"
