"""The HX711 as its pins show it, after its data sheet (Avia Semiconductor, "Serial interface", "Reset and power-down").

DOUT low: a conversion is ready. Each rising edge of PD_SCK shifts a bit out, most significant first; the 25th pulse
raises DOUT again, and 25, 26 or 27 pulses choose channel A gain 128, channel B gain 32 or channel A gain 64 for the
next conversion. PD_SCK high for 60 µs powers the chip down; when it falls the chip starts anew with channel A gain 128.
Settling takes four conversions after either. Where the data sheet is silent the model is unkind: the first words of
those conversions are wrong, not withheld, and a word that was not clocked to its end stays so until the chip is reset.
Channel B is wired to channel A's cell, so a gain can be told by its counts.
"""

from __future__ import annotations

from typing import Protocol

from drivers.sim.wire import Conversion, ScaleFault, Wire

POWER_DOWN_NS = 60_000
WORD_BITS = 24
SETTLING_CONVERSIONS = 4
LOOK_NS = 10_000
"""The analogue side is looked at this often: every bit would double the cost of a word."""
GAIN_OF_PULSES = {25: 128, 26: 32, 27: 64}


class ConversionSource(Protocol):
    """Where the chip's analogue side gets its conversions and faults from."""

    @property
    def period_ns(self) -> int:
        """Time from one conversion to the next."""
        ...

    def conversion(self, now_ns: int) -> Conversion:
        """The latest conversion at channel A, gain 128; `seq` 0 before the first."""
        ...

    def fault(self, seq: int) -> ScaleFault:
        """What is wrong with conversion `seq`."""
        ...


class WireSource:
    """The live demo's: conversions come from the world's process over the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @property
    def period_ns(self) -> int:
        return round(1e9 / self._wire.samples_per_second)

    def conversion(self, now_ns: int) -> Conversion:  # noqa: ARG002 - the world's process decides when
        return self._wire.conversion()

    def fault(self, seq: int) -> ScaleFault:
        return self._wire.scale_fault(seq)


class Hx711Chip:
    """The chip's digital side. Call `set_sck` on each change of PD_SCK, `dout` for DOUT's level, with rising times."""

    def __init__(self, source: ConversionSource) -> None:
        self._source = source
        self._sck = False
        self._sck_high_ns = 0
        self._gain = 128
        self._next_gain = 128
        self._pulses = 0
        self._word = 0
        self._word_fault = ScaleFault.NONE
        self._last_rise_ns = 0
        self._looked_ns = -LOOK_NS
        self._seen = (Conversion(0, 0, 0), ScaleFault.NONE)
        self._done_seq = 0
        self._settled_seq = 0
        self._settled_ns = 0
        self._plugged = True
        self.power_downs = 0
        """How often the clock was high for so long that the chip powered down."""
        self.words = 0
        """Words clocked to their end."""

    def set_sck(self, level: bool, now_ns: int) -> None:
        """PD_SCK is driven to `level`."""
        if level == self._sck:
            return
        conversion, fault = self._look(now_ns)
        if level:
            self._sck = True
            self._sck_high_ns = now_ns
            if fault in (ScaleFault.NONE, *_WORD_FAULTS):
                self._rise(conversion, fault, now_ns)
        else:
            self._sck = False
            if now_ns - self._sck_high_ns >= POWER_DOWN_NS:
                self.power_downs += 1
                self._start_anew(conversion.seq, now_ns)

    def dout(self, now_ns: int) -> int:
        """DOUT's level."""
        conversion, fault = self._look(now_ns)
        if fault is ScaleFault.STUCK_LOW:
            return 0
        powered_down = self._sck and now_ns - self._sck_high_ns >= POWER_DOWN_NS
        if powered_down or fault in (ScaleFault.UNPLUGGED, ScaleFault.STUCK_HIGH, ScaleFault.GAP):
            return 1
        if self._pulses == 0:
            return 0 if conversion.seq > self._done_seq else 1
        if self._pulses <= WORD_BITS:
            return (self._word >> (WORD_BITS - self._pulses)) & 1
        return 0 if self._word_fault in (ScaleFault.DESYNC, ScaleFault.GARBLED) else 1

    def _look(self, now_ns: int) -> tuple[Conversion, ScaleFault]:
        """The latest conversion and what is wrong with it."""
        if 0 <= now_ns - self._looked_ns < LOOK_NS:
            return self._seen
        self._looked_ns = now_ns
        conversion = self._source.conversion(now_ns)
        fault = self._source.fault(conversion.seq)
        self._seen = conversion, fault
        plugged = fault is not ScaleFault.UNPLUGGED
        if (plugged and not self._plugged) or conversion.seq < self._done_seq:
            self._start_anew(conversion.seq, now_ns)  # plugged in again, or soldered into a new world
        self._plugged = plugged
        if self._pulses > WORD_BITS and conversion.seq > self._done_seq and not self._sck:
            self._pulses = 0
            if self._next_gain != self._gain:
                self._gain = self._next_gain
                self._unsettle(self._done_seq, self._last_rise_ns)
        return conversion, fault

    def _start_anew(self, seq: int, now_ns: int) -> None:
        self._gain = self._next_gain = 128
        self._pulses = 0
        self._done_seq = seq
        self._unsettle(seq, now_ns)

    def _unsettle(self, seq: int, now_ns: int) -> None:
        self._settled_seq = seq + SETTLING_CONVERSIONS
        self._settled_ns = now_ns + SETTLING_CONVERSIONS * self._source.period_ns

    def _rise(self, conversion: Conversion, fault: ScaleFault, now_ns: int) -> None:
        if self._pulses == 0:
            if conversion.seq <= self._done_seq:
                return  # nothing to shift out
            settling = conversion.seq < self._settled_seq and now_ns < self._settled_ns
            self._word_fault = fault
            self._word = self._convert(conversion.counts, fault, settling=settling)
        self._pulses += 1
        self._last_rise_ns = now_ns
        if self._pulses == WORD_BITS + 1:
            self.words += 1
            self._done_seq = conversion.seq
        self._next_gain = GAIN_OF_PULSES.get(self._pulses, self._next_gain)

    def _convert(self, counts: int, fault: ScaleFault, *, settling: bool) -> int:
        counts = counts * self._gain // 128
        if settling:
            counts = counts // 2 + 500_000  # the filter still holds what was before
        if fault is ScaleFault.SATURATED_HIGH:
            counts = 0x7FFFFF
        elif fault is ScaleFault.SATURATED_LOW:
            counts = -0x800000
        elif fault is ScaleFault.SPIKE:
            counts ^= 1 << 20
        elif fault is ScaleFault.GARBLED:
            counts ^= 0x155555
        elif fault is ScaleFault.DESYNC:
            counts >>= 1
        return counts & 0xFFFFFF


_WORD_FAULTS = (
    ScaleFault.SATURATED_HIGH,
    ScaleFault.SATURATED_LOW,
    ScaleFault.SPIKE,
    ScaleFault.GARBLED,
    ScaleFault.DESYNC,
)
