"""Rigs of the scale's contract: the chip model in virtual time, and the kernel's folder of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from drivers.four_cells import FourCells
from drivers.hx711 import Gain, PinReader
from drivers.hx711_gpio import Hx711Gpio
from drivers.hx711_iio import Hx711Iio
from drivers.protocols import GpioApi
from drivers.sim.cells import create_wires
from drivers.sim.clock import VirtualClock
from drivers.sim.gpio import SimGpio
from drivers.sim.sysfs import SimIioDevice
from drivers.sim.wire import Conversion, ScaleFault, Wire
from tests.contract.scale_readers import Rig

DOUT, SCK = 5, 6
START_NS = 1_000_000_000


class VirtualSource:
    """Conversions at an exact rate in virtual time, kept in a wire so that faults work as they do live."""

    def __init__(self, wire: Wire, samples_per_second: float, *, late_ns: int = 0) -> None:
        self.wire = wire
        self._start_ns = START_NS + late_ns
        self.period_ns = round(1e9 / samples_per_second)
        self.counts_of: Callable[[int], int] = lambda _: 1000

    def conversion(self, now_ns: int) -> Conversion:
        """Makes what has become due; a chip in a gap makes none."""
        due = (now_ns - self._start_ns) // self.period_ns
        latest = self.wire.seq
        for seq in range(latest + 1, due + 1):
            self.wire.convert(self.counts_of(seq), self._start_ns + seq * self.period_ns)
        return self.wire.conversion()

    def fault(self, seq: int) -> ScaleFault:
        return self.wire.scale_fault(seq)


class ChipRig(Rig):
    """The chip model behind the RPi.GPIO API."""

    def __init__(
        self,
        folder: Path,
        kind: type[PinReader],
        *,
        gain: Gain = 128,
        samples_per_second: float = 80.0,
        call_ns: int = 1000,
    ) -> None:
        self.wire = Wire.create(folder / "wire", dout_pin=DOUT, sck_pin=SCK, samples_per_second=samples_per_second)
        self.clock = VirtualClock(START_NS, call_ns=call_ns)
        self.source = VirtualSource(self.wire, samples_per_second)
        self.gpio = SimGpio(self.wire, clock=self.clock, source=self.source)
        self.gpio.setmode(self.gpio.BCM)
        self.period_ns = self.source.period_ns
        self.pins: PinReader = kind(
            cast("GpioApi", self.gpio), dout_pin=DOUT, sck_pin=SCK, gain=gain, samples_per_second=samples_per_second
        )
        self.reader = self.pins

    @property
    def now_ns(self) -> int:
        return self.clock.time_ns

    def put(self, counts: int) -> None:
        self.source.counts_of = lambda _: counts

    def break_wires(self, fault: ScaleFault, *, words: int | None = None) -> None:
        self.source.conversion(self.clock.time_ns)
        self.wire.set_scale_fault(fault, words=words)


PINS = ((5, 6), (13, 12), (19, 16), (26, 20))
"""(DOUT, SCK) of the four corners."""


class FourRig(Rig):
    """Four chip models, one a corner, behind the RPi.GPIO API. Only the cells in `breakable` are broken by a fault.

    `late_ns` is how much later than the first each cell converts; `periods_ns` their own periods.
    """

    def __init__(
        self,
        folder: Path,
        kind: type[PinReader] = Hx711Gpio,
        *,
        breakable: Sequence[int] = (0, 1, 2, 3),
        periods_ns: Sequence[int] = (12_500_000,) * 4,
        late_ns: Sequence[int] = (0,) * 4,
    ) -> None:
        self.wires = create_wires(folder / "wire", PINS, samples_per_second=80.0)
        self.clock = VirtualClock(START_NS)
        self.sources = [
            VirtualSource(wire, 1e9 / period_ns, late_ns=late)
            for wire, period_ns, late in zip(self.wires, periods_ns, late_ns, strict=True)
        ]
        others = list(zip(self.wires[1:], self.sources[1:], strict=True))
        self.gpio = SimGpio(self.wires[0], clock=self.clock, source=self.sources[0], others=others)
        self.gpio.setmode(self.gpio.BCM)
        self.period_ns = max(periods_ns)
        self.breakable = breakable
        self.reader: FourCells = FourCells(
            [kind(cast("GpioApi", self.gpio), dout_pin=dout, sck_pin=sck) for dout, sck in PINS]
        )

    @property
    def now_ns(self) -> int:
        return self.clock.time_ns

    def put(self, counts: int) -> None:
        for source in self.sources:
            source.counts_of = lambda _: counts

    def break_wires(self, fault: ScaleFault, *, words: int | None = None) -> None:
        for at in self.breakable:
            self.sources[at].conversion(self.clock.time_ns)
            self.wires[at].set_scale_fault(fault, words=words)


class IioRig(Rig):
    """The kernel's folder; files change as virtual time passes, and reading one takes as long as the kernel would."""

    def __init__(self, folder: Path, *, gain: Gain = 128) -> None:
        self.device = SimIioDevice(folder / "iio:device0")
        self.period_ns = 12_500_000
        self.clock = KernelClock(self)
        self.fault = ScaleFault.NONE
        self.counts = 1000
        self.device.convert(self.counts)
        self.iio = Hx711Iio(self.device.folder, gain=gain, clock=self.clock)
        self.reader = self.iio

    @property
    def now_ns(self) -> int:
        return self.clock.time_ns

    def put(self, counts: int) -> None:
        self.counts = counts
        self.show()

    def break_wires(self, fault: ScaleFault, *, words: int | None = None) -> None:
        assert words is None
        self.fault = fault
        self.show()

    def show(self) -> None:
        """What the kernel would answer now."""
        match self.fault:
            case ScaleFault.NONE:
                self.device.convert(self.counts)
            case ScaleFault.SATURATED_HIGH:
                self.device.convert(0x7FFFFF)
            case ScaleFault.SATURATED_LOW:
                self.device.convert(-0x800000)
            case ScaleFault.STUCK_LOW:
                self.device.convert(0)
            case _:
                self.device.silence()


class KernelClock(VirtualClock):
    """Virtual time in which a sleep ends with the conversion the kernel would have waited for."""

    def __init__(self, rig: IioRig) -> None:
        super().__init__(START_NS)
        self._rig = rig

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        period_ns = self._rig.period_ns
        self.time_ns += -(self.time_ns - START_NS) % period_ns
