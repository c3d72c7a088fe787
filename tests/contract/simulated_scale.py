"""Rigs of the scale's contract: the chip model in virtual time, and the kernel's folder of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from drivers.hx711 import Gain, PinReader
from drivers.hx711_iio import Hx711Iio
from drivers.protocols import GpioApi
from drivers.sim.clock import VirtualClock
from drivers.sim.gpio import SimGpio
from drivers.sim.sysfs import SimIioDevice
from drivers.sim.wire import Conversion, ScaleFault, Wire
from tests.contract.scale_readers import Rig

DOUT, SCK = 5, 6
START_NS = 1_000_000_000


class VirtualSource:
    """Conversions at an exact rate in virtual time, kept in a wire so that faults work as they do live."""

    def __init__(self, wire: Wire, samples_per_second: float) -> None:
        self.wire = wire
        self.period_ns = round(1e9 / samples_per_second)
        self.counts_of: Callable[[int], int] = lambda _: 1000

    def conversion(self, now_ns: int) -> Conversion:
        """Makes what has become due; a chip in a gap makes none."""
        due = (now_ns - START_NS) // self.period_ns
        latest = self.wire.seq
        for seq in range(latest + 1, due + 1):
            self.wire.convert(self.counts_of(seq), START_NS + seq * self.period_ns)
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
