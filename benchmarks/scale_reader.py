"""What reading the load-cell converter costs: `python -m benchmarks.scale_reader [--json] [--seconds S]`.

A process plays the world at 80 conversions/s on the simulated wire; this one reads them with each backend over the
chip model and measures its own CPU time. The chip model's part is measured beside it: on a cart, pins take its place.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import cast

from drivers.gpio import load_gpio
from drivers.hx711 import PinReader
from drivers.hx711_gpio import Hx711Gpio
from drivers.hx711_package import Hx711Package
from drivers.protocols import GpioApi
from drivers.sim.clock import VirtualClock
from drivers.sim.gpio import SimGpio
from drivers.sim.wire import Wire

RATE = 80.0
CALLS_A_WORD = 25 * 3
"""Clock up, clock down, look at DOUT, 25 times."""


def play_world(path: str, stop: Event) -> None:
    """80 conversions/s, on time on average, until told to stop."""
    with Wire.attach(path) as wire:
        next_s = time.monotonic()
        while not stop.is_set():
            wire.convert(84213)
            next_s += 1 / RATE
            time.sleep(max(0.0, next_s - time.monotonic()))


def measure(kind: type[PinReader], path: str, seconds: float) -> dict[str, float]:
    """One backend's cost on the live wire."""
    with kind(load_gpio(f"sim:{path}"), dout_pin=5, sck_pin=6) as reader:
        for _ in range(20):
            reader.read(timeout_s=5)
        lags_us = []
        wall, cpu, samples = time.monotonic(), time.process_time(), 0
        while time.monotonic() - wall < seconds:
            reading = reader.read(timeout_s=5)
            lags_us.append((time.monotonic_ns() - reading.t_ns) / 1e3)
            samples += 1
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        statistics = reader.statistics
    return {
        "samples_per_second": samples / wall,
        "cpu_percent_of_one_core": 100 * cpu / wall,
        "cpu_us_a_sample": 1e6 * cpu / samples,
        "handed_over_us_p50": sorted(lags_us)[len(lags_us) // 2],
        "bad_words": statistics.overlong
        + statistics.desync
        + statistics.stuck_low
        + statistics.late
        + statistics.garbled,
        "missed": statistics.missed,
    }


def chip_model_us(folder: Path) -> float:
    """CPU time that the chip model itself takes for one word's pin calls, in µs."""
    with Wire.create(folder / "idle") as wire:
        gpio = SimGpio(wire, clock=VirtualClock())
        gpio.setmode(gpio.BCM)
        gpio.setup(6, gpio.OUT)
        gpio.setup(5, gpio.IN)
        words = 200
        start = time.process_time()
        for word in range(words):
            wire.convert(word)
            for _ in range(CALLS_A_WORD // 3):
                gpio.output(6, 1)
                gpio.output(6, 0)
                cast("GpioApi", gpio).input(5)
        return 1e6 * (time.process_time() - start) / words


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with tempfile.TemporaryDirectory() as folder, Wire.create(Path(folder) / "wire", samples_per_second=RATE) as wire:
        world = context.Process(target=play_world, args=(str(wire.path), stop))
        world.start()
        try:
            found: dict[str, dict[str, float] | float] = {
                "ours": measure(Hx711Gpio, str(wire.path), arguments.seconds),
                "hx711_package": measure(Hx711Package, str(wire.path), arguments.seconds),
            }
        finally:
            stop.set()
            world.join(timeout=5)
        found["chip_model_us_a_word"] = chip_model_us(Path(folder))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(name, figures)


if __name__ == "__main__":
    main()
