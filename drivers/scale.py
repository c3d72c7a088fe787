"""Opens the load-cell converter by the backend's name."""

from __future__ import annotations

from typing import Literal, Protocol

from drivers.gpio import load_gpio
from drivers.hx711 import Gain
from drivers.protocols import ScaleReader


class ScaleWiring(Protocol):
    """How the converter is reached: the wiring part of the table [scale] in cart.toml."""

    @property
    def backend(self) -> Literal["gpio", "hx711", "iio"]: ...
    @property
    def dout_pin(self) -> int: ...
    @property
    def sck_pin(self) -> int: ...
    @property
    def gain(self) -> Gain: ...
    @property
    def iio_device(self) -> str: ...
    @property
    def samples_per_second(self) -> float: ...


def open_scale_reader(gpio_module: str, wiring: ScaleWiring) -> ScaleReader:
    """A reader that is also a context manager. Raises DeviceMissing with what to install, plug in or correct."""
    if wiring.backend == "iio":
        from drivers.hx711_iio import Hx711Iio

        return Hx711Iio(wiring.iio_device, gain=wiring.gain, samples_per_second=wiring.samples_per_second)
    gpio = load_gpio(gpio_module)
    if wiring.backend == "hx711":
        from drivers.hx711_package import Hx711Package as Reader
    else:
        from drivers.hx711_gpio import Hx711Gpio as Reader  # type: ignore[assignment]
    return Reader(
        gpio,
        dout_pin=wiring.dout_pin,
        sck_pin=wiring.sck_pin,
        gain=wiring.gain,
        samples_per_second=wiring.samples_per_second,
    )
