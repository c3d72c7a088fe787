"""The `RPi.GPIO` API over simulated wires: the HX711 chips on their pins, levels in the wire's file on all others.

Behaves as the library does where the cart or the `hx711` package could notice: a channel must be set up before use, an
input follows its pull resistor when nothing drives it, edges are refused as on kernels ≥ 6.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from drivers.sim.clock import LiveClock, VirtualClock
from drivers.sim.hx711_chip import ConversionSource, Hx711Chip, WireSource
from drivers.sim.wire import PINS, Wire


class SimGpio:
    """One process's view of the pins. Several may share a wire; each simulates the chip only if it drives its clock."""

    # the library's own values
    BOARD, BCM = 10, 11
    OUT, IN = 0, 1
    LOW, HIGH = 0, 1
    PUD_OFF, PUD_DOWN, PUD_UP = 20, 21, 22
    RISING, FALLING, BOTH = 31, 32, 33
    VERSION = "0.7.1"

    def __init__(
        self,
        wire: Wire,
        *,
        clock: VirtualClock | LiveClock | None = None,
        source: ConversionSource | None = None,
        others: Sequence[tuple[Wire, ConversionSource]] = (),
    ) -> None:
        """`others`: further converters and what they convert, where each of four cells has its own."""
        self.clock = LiveClock() if clock is None else clock
        self.chip = Hx711Chip(WireSource(wire) if source is None else source)
        self._wire = wire
        soldered = [(wire, self.chip), *((one, Hx711Chip(converts)) for one, converts in others)]
        self._by_dout = {one.dout_pin: chip for one, chip in soldered}
        self._by_sck = {one.sck_pin: chip for one, chip in soldered}
        self._mode: int | None = None
        self._directions: dict[int, int] = {}
        self._pulls: dict[int, int] = {}

    def setmode(self, mode: int) -> None:
        """Only BCM numbers: the simulated board has no header."""
        if mode != self.BCM:
            raise ValueError("An invalid mode was passed to setmode(): the simulated pins have BCM numbers only")
        self._mode = mode

    def getmode(self) -> int | None:
        return self._mode

    def setwarnings(self, on: bool) -> None:
        """Nothing warns here."""

    def setup(
        self, channel: int | Sequence[int], direction: int, pull_up_down: int = PUD_OFF, initial: int = -1
    ) -> None:
        """Raises RuntimeError before setmode and ValueError on a bad channel, as the library does."""
        if self._mode is None:
            raise RuntimeError("Please set pin numbering mode using GPIO.setmode(GPIO.BOARD) or GPIO.setmode(GPIO.BCM)")
        if direction not in (self.IN, self.OUT):
            raise ValueError("An invalid direction was passed to setup()")
        for pin in [channel] if isinstance(channel, int) else channel:
            if not 0 <= pin < PINS:
                raise ValueError("The channel sent is invalid on a Raspberry Pi")
            self._directions[pin] = direction
            self._pulls[pin] = pull_up_down
            if direction == self.OUT:
                self.output(pin, max(initial, 0))

    def output(self, channel: int | Sequence[int], level: int | bool | Sequence[int]) -> None:
        """Raises RuntimeError for a channel that is not an output."""
        pins = [channel] if isinstance(channel, int) else list(channel)
        levels = [level] * len(pins) if isinstance(level, int) else list(level)
        for pin, one in zip(pins, levels, strict=True):
            if self._directions.get(pin) != self.OUT:
                raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
            self.clock.called()
            if (chip := self._by_sck.get(pin)) is not None:
                chip.set_sck(bool(one), self.clock.pulse_ns())
            else:
                self._wire.set_pin(pin, bool(one))

    def input(self, channel: int) -> int:
        """Raises RuntimeError for a channel that was not set up."""
        if channel not in self._directions:
            raise RuntimeError("You must setup() the GPIO channel first")
        self.clock.called()
        if (chip := self._by_dout.get(channel)) is not None:
            return chip.dout(self.clock.pulse_ns())
        level = self._wire.pin(channel)
        if level is None:
            return int(self._pulls[channel] == self.PUD_UP)
        return int(level)

    def cleanup(self, channel: int | Sequence[int] | None = None) -> None:
        """Let go of these channels, or of all this process set up."""
        if channel is None:
            channel = list(self._directions)
        for pin in [channel] if isinstance(channel, int) else channel:
            if self._directions.pop(pin, self.IN) == self.OUT and pin not in self._by_sck:
                self._wire.set_pin(pin, None)

    def gpio_function(self, channel: int) -> int:
        return self._directions.get(channel, self.IN)

    def add_event_detect(self, *_: object, **__: object) -> NoReturn:
        """Refused, so that nobody comes to depend on edges."""
        raise RuntimeError("Failed to add edge detection")

    wait_for_edge = add_event_detect
