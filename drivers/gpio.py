"""Where the pins come from: `RPi.GPIO` (on a Pi 5 the drop-in `rpi-lgpio`), or the simulated wires of the demo."""

from __future__ import annotations

import importlib
from typing import Any, cast

from drivers.clock import WALL, Clock
from drivers.errors import DeviceMissing
from drivers.protocols import GpioApi

SIMULATED = "sim:"


def load_gpio(module: str) -> GpioApi:
    """The GPIO object named by `module`, in BCM numbering and without warnings.

    `RPi.GPIO` or another module with its API; `sim:FILE` the pins simulated on that wire. Raises DeviceMissing with
    what to install or do.
    """
    gpio = _load_simulated(module.removeprefix(SIMULATED)) if module.startswith(SIMULATED) else _load_library(module)
    gpio.setwarnings(False)
    try:
        gpio.setmode(gpio.BCM)
    except (ValueError, RuntimeError) as error:
        raise DeviceMissing(f"{module}: {error}; use BCM pin numbers everywhere in this process") from None
    return gpio


def clock_of(gpio: GpioApi) -> Clock:
    """The clock that goes with these pins: the machine's, or a simulated chip's own."""
    return cast("Clock", getattr(gpio, "clock", WALL))


def _load_simulated(path: str) -> GpioApi:
    from drivers.sim.cells import attach_others
    from drivers.sim.gpio import SimGpio
    from drivers.sim.hx711_chip import WireSource
    from drivers.sim.wire import Wire

    others = [(wire, WireSource(wire)) for wire in attach_others(path)]
    return cast("GpioApi", SimGpio(Wire.attach(path), others=others))


def _load_library(module: str) -> GpioApi:
    try:
        loaded: Any = importlib.import_module(module)
    except ImportError:
        raise DeviceMissing(
            f"no Python module {module}: on a Raspberry Pi up to 4 run 'pip install smart-cart[pi]', on a Pi 5 "
            "'pip install smart-cart[pi5]'; without hardware set [gpio] module = \"sim:FILE\" or run 'cart demo'"
        ) from None
    except (RuntimeError, OSError) as error:
        # both libraries raise RuntimeError off a Pi, and without access to the pins' device file
        raise DeviceMissing(
            f"{module} finds no Raspberry Pi pins ({error}): run this on a Pi, as a user of group gpio; without "
            "hardware set [gpio] module = \"sim:FILE\" or run 'cart demo'"
        ) from None
    return cast("GpioApi", loaded)
