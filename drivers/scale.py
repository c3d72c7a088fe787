"""Opens the load-cell converter by the backend's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from drivers.errors import DeviceMissing
from drivers.four_cells import FourCells
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
    @property
    def cell_pins(self) -> Sequence[tuple[int, int]]:
        """(DOUT, SCK) of each of four cells in the order of `four_cells.CORNERS`; empty: one summed channel."""
        ...


def open_scale_reader(gpio_module: str, wiring: ScaleWiring) -> ScaleReader:
    """A reader that is also a context manager. Raises DeviceMissing with what to install, plug in or correct."""
    if wiring.backend == "iio":
        if wiring.cell_pins:
            raise DeviceMissing(
                'the kernel\'s driver reads one converter: set [scale] backend = "gpio" for four cells, or take '
                "cell_dout_pins and cell_sck_pins out"
            )
        from drivers.hx711_iio import Hx711Iio

        return Hx711Iio(wiring.iio_device, gain=wiring.gain, samples_per_second=wiring.samples_per_second)
    gpio = load_gpio(gpio_module)
    if wiring.backend == "hx711":
        from drivers.hx711_package import Hx711Package as Reader
    else:
        from drivers.hx711_gpio import Hx711Gpio as Reader  # type: ignore[assignment]
    readers = []
    for dout_pin, sck_pin in wiring.cell_pins or [(wiring.dout_pin, wiring.sck_pin)]:
        try:
            readers.append(
                Reader(
                    gpio,
                    dout_pin=dout_pin,
                    sck_pin=sck_pin,
                    gain=wiring.gain,
                    samples_per_second=wiring.samples_per_second,
                )
            )
        except BaseException:
            for opened in readers:
                opened.close()
            raise
    return FourCells(readers) if wiring.cell_pins else readers[0]
