"""The camera's own process: a native crash or a ten-second stall in OpenCV must not take the trip along.

Frames stay in this process. What leaves it is whether the camera sees, and how fast. Usage:
python -m cart.daemon.camera_process CONFIG
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from cart.config import CameraTable, load_config
from cart.daemon.child_messages import DeviceState
from cart.daemon.line_writer import LineWriter, ignore_stop_signals
from drivers.camera import Camera
from drivers.errors import DriverError, NotReady, Stale

STUCK_S = 5.0
"""OpenCV stalls for about ten seconds on a camera that has gone: leaving and starting anew is quicker."""


def watch(camera: Camera, table: CameraTable, writer: LineWriter) -> None:
    """Take the newest frame again and again, until OpenCV is stuck."""
    said: str | None = None
    frames, last_seq, counted_ns, rate = 0, 0, time.monotonic_ns(), 0.0
    while time.monotonic_ns() - camera.progress_ns < STUCK_S * 1e9:
        now_ns = time.monotonic_ns()
        try:
            frame = camera.newest()
        except DriverError as error:
            waiting = isinstance(error, NotReady) and not isinstance(error, Stale)
            if said != error.fault and not waiting:
                said = error.fault
                writer.say(DeviceState(now_ns, ok=False, fault=error.fault, detail=str(error)))
        else:
            if said != "":
                said = ""
                writer.say(DeviceState(now_ns, ok=True))
            frames += frame.seq != last_seq
            last_seq = frame.seq
        if now_ns - counted_ns >= 1e9:
            rate = frames * 1e9 / (now_ns - counted_ns)
            frames, counted_ns = 0, now_ns
        writer.alive({"frames_per_second": rate})
        time.sleep(min(0.2, 1 / table.frames_per_second))


def main() -> None:
    """Watch until OpenCV is stuck or the daemon is gone; the daemon starts this again."""
    table = load_config(Path(sys.argv[1])).camera
    ignore_stop_signals()
    writer = LineWriter(sys.stdout.buffer)
    camera = Camera(table.source, frames_per_second=table.frames_per_second, frame_age_max_s=table.frame_age_max_s)
    status = 1
    try:
        watch(camera, table, writer)
    except BrokenPipeError:
        status = 0
    # A thread stuck in OpenCV would keep an orderly exit waiting.
    os._exit(status)


if __name__ == "__main__":
    main()
