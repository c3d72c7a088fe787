"""The scale's own process: reads the converter and prints one line a conversion, with real-time priority where allowed.

The bit clock must never wait for anyone else's Python: a high of more than 60 µs powers the HX711 down (data sheet,
"reset and power-down"). So nothing but the reader runs here. Usage: python -m cart.daemon.scale_process CONFIG
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from cart.config import Config, load_config
from cart.core.weighing.cells import scale_counts
from cart.daemon.child_messages import Conversion, DeviceState
from cart.daemon.line_writer import LineWriter, ignore_stop_signals
from drivers.errors import DeviceLost, DeviceMissing, DriverError
from drivers.scale import open_scale_reader

READ_TIMEOUT_S = 0.9
"""A lost cell must be a fault within a second; real streams have gaps of 0.7 s."""
REOPEN_S = 1.0
"""A cell that is not there is looked for once a second: quick enough for a plug, no load on the machine."""
PRIORITY = 50
"""In the middle of SCHED_FIFO's 1–99, above ordinary work and below the kernel's own threads."""


def take_real_time_priority() -> bool:
    """True if the kernel gave SCHED_FIFO (needs CAP_SYS_NICE, which cart.service grants)."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except (OSError, AttributeError):
        return False
    return True


def read_until_lost(config: Config, writer: LineWriter, real_time: bool) -> None:
    """Open the converter and read it until it is lost. Raises DriverError on opening or on loss."""
    said = None
    with open_scale_reader(config.gpio.module, config.scale) as reader:
        while True:
            try:
                reading = reader.read(READ_TIMEOUT_S)
            except (DeviceLost, DeviceMissing):
                raise
            except DriverError as error:
                if said != error.fault:
                    said = error.fault
                    writer.say(DeviceState(time.monotonic_ns(), ok=False, fault=error.fault, detail=str(error)))
            else:
                if said != "":
                    said = ""
                    writer.say(DeviceState(time.monotonic_ns(), ok=True))
                writer.say(Conversion(reading.t_ns, scale_counts(reading, config.scale), reading.cells))
            writer.alive({**reader.figures(), "real_time": float(real_time)})


def main() -> None:
    """Read for ever; the daemon starts this again when it ends."""
    config = load_config(Path(sys.argv[1]))
    ignore_stop_signals()
    writer = LineWriter(sys.stdout.buffer)
    real_time = take_real_time_priority()
    try:
        while True:
            try:
                read_until_lost(config, writer, real_time)
            except DriverError as error:
                writer.say(DeviceState(time.monotonic_ns(), ok=False, fault=error.fault, detail=str(error)))
                wait_until = time.monotonic() + REOPEN_S
                while time.monotonic() < wait_until:
                    writer.alive({})
                    time.sleep(0.2)
    except BrokenPipeError:
        # The daemon is gone or is stopping; standard output is closed, so leave without flushing it again.
        os._exit(0)


if __name__ == "__main__":
    main()
