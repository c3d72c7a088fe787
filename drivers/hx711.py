"""What all readers of an HX711 over pins share: waiting for a conversion, settling, and what to do about bad words.

From the data sheet (Avia Semiconductor): DOUT falls when a conversion is ready; 24 bits, two's complement, most
significant first; 25, 26 or 27 clocks choose channel A gain 128, channel B gain 32 or channel A gain 64 for the next
conversion, and DOUT is high after each of these; a clock high for 60 µs powers the chip down; it settles in 400 ms at
10 and 50 ms at 80 samples/s after power-up, reset or a change of gain, which is four conversions.
"""

from __future__ import annotations

import abc
from typing import Literal

from drivers.bounded_reader import BoundedReader
from drivers.clock import Clock
from drivers.errors import (
    DriverError,
    Garbled,
    LateWord,
    NotReady,
    OutOfSync,
    OverlongClock,
    Saturated,
    StuckLow,
)
from drivers.gpio import clock_of
from drivers.protocols import GpioApi, Reading

Gain = Literal[32, 64, 128]
WORD_BITS = 24
GAIN_PULSES: dict[int, int] = {128: 1, 32: 2, 64: 3}
SATURATED_HIGH, SATURATED_LOW = 0x7FFFFF, -0x800000
OVERLONG_NS = 60_000
POWER_DOWN_S = 0.01
"""Far beyond 60 µs: after shorter resets the first words are unsteady (so says the kernel's hx711.c)."""
SETTLING_CONVERSIONS = 4
BAD_WORDS_MAX = 3
"""One word can be a disturbance on the wires; three in a row are a fault."""
TRAILING_ONES = 0xFFFF
"""A chip that vanishes in mid-word leaves ones. So a word that ends in 16 of them, once in 14 minutes by chance at
80 samples/s, is believed only when the next conversion shows that the chip is still there."""

_COUNTED = {
    OverlongClock: "overlong",
    OutOfSync: "desync",
    StuckLow: "stuck_low",
    LateWord: "late",
    Garbled: "garbled",
    Saturated: "saturated",
}


def to_counts(word: int) -> int:
    """A 24-bit word in two's complement as a signed number."""
    return word - 0x1000000 if word & 0x800000 else word


class PinReader(BoundedReader):
    """A reader of the HX711 over two pins; backends say how one word is clocked.

    A reading's `t_ns` is when DOUT was first seen low. It is polled, so that is up to a 25th of a conversion after it
    fell (0.5 ms at 80 samples/s, 4 ms at 10), and up to half a conversion after a gap. A reader that is called late
    gets the chip's latest conversion, stamped when it was looked at.
    """

    def __init__(
        self,
        gpio: GpioApi,
        *,
        dout_pin: int,
        sck_pin: int,
        gain: Gain = 128,
        samples_per_second: float = 80.0,
        clock: Clock | None = None,
    ) -> None:
        """`samples_per_second` is how the chip's RATE pin is tied: 10 or 80. Pins are BCM numbers."""
        super().__init__(clock_of(gpio) if clock is None else clock)
        self.gain = gain
        self._gpio = gpio
        self._dout, self._sck = dout_pin, sck_pin
        self._nominal_ns = round(1e9 / samples_per_second)
        self._period_ns = float(self._nominal_ns)
        self._ready_ns = 0
        self._seen_ns: int | None = None
        self._settled_ns = 0
        self._discard = 0
        self._bad_words = 0
        self._powered = False
        self._closed = False

    @property
    def clock(self) -> Clock:
        """What its times are on."""
        return self._clock

    @property
    def period_ns(self) -> float:
        """From one conversion to the next, as measured."""
        return self._period_ns

    @property
    def ready(self) -> bool:
        """Whether a conversion waits to be fetched now; `read(0.0)` then fetches one word and waits for nothing."""
        return not self._gpio.input(self._dout)

    def figures(self) -> dict[str, float]:
        """Statistics, and the measured rate in samples/s."""
        return {**super().figures(), "samples_per_second": 1e9 / self._period_ns}

    def _read(self, deadline_ns: int) -> Reading:
        if not self._powered:
            raise NotReady("the scale's converter is powered down; call power_up() first")
        reason: DriverError | None = None
        while True:
            try:
                t_ns = self._wait_ready(deadline_ns)
            except NotReady as error:
                self._statistics.not_ready += 1
                self._unsettle()  # whatever comes back was powered up anew, with gain 128
                raise (reason or error) from None
            try:
                counts = self._word(t_ns)
            except (Garbled, Saturated) as error:
                reason = error
                self._take_bad(error)
                if self._bad_words == BAD_WORDS_MAX or self._clock.now_ns() >= deadline_ns:
                    raise
                continue
            if counts is None:
                if self._clock.now_ns() >= deadline_ns:
                    raise reason or NotReady("the scale's converter is still settling; read again")
                continue
            self._bad_words = 0
            self._statistics.read += 1
            return Reading(t_ns, counts)

    def _word(self, t_ns: int) -> int | None:
        """One word's counts, None if it must be thrown away. Raises Garbled or Saturated."""
        start_ns = self._clock.pulse_ns()
        counts = self._shift()
        if self._clock.pulse_ns() - start_ns > self._nominal_ns // 2:
            raise LateWord("fetching a word took half a conversion; give the scale's process real-time priority")
        if self._discard or t_ns < self._settled_ns:
            self._discard = max(0, self._discard - 1)
            self._statistics.discarded += 1
            return None
        if counts == SATURATED_HIGH:
            raise Saturated("the load cell reads over the converter's range: take load off, or check its four wires")
        if counts == SATURATED_LOW:
            raise Saturated("the load cell reads under the converter's range: check its four wires and their order")
        if counts & TRAILING_ONES == TRAILING_ONES and not self._still_there():
            self._statistics.garbled += 1
            return None
        return counts

    def _take_bad(self, error: Garbled | Saturated) -> None:
        name = _COUNTED[type(error)]
        setattr(self._statistics, name, getattr(self._statistics, name) + 1)
        self._bad_words += 1
        if not isinstance(error, Saturated):
            self.reset()  # the one state of the chip that is known

    def _wait_ready(self, deadline_ns: int) -> int:
        """When DOUT was seen low. Sleeps through the time in which nothing can come. Raises NotReady."""
        clock, gpio, dout = self._clock, self._gpio, self._dout
        now_ns = clock.now_ns()
        if self._seen_ns is not None and now_ns - self._seen_ns < self._nominal_ns // 2:
            ready_ns, self._seen_ns = self._seen_ns, None
            return ready_ns
        self._seen_ns = None
        earliest_ns = self._ready_ns + int(0.9 * self._period_ns)
        if now_ns < earliest_ns:
            clock.sleep((earliest_ns - now_ns) / 1e9)
        poll_s = self._nominal_ns / 25e9
        patience_ns = max(now_ns, self._ready_ns) + 2 * self._nominal_ns
        while gpio.input(dout):
            now_ns = clock.now_ns()
            if now_ns >= deadline_ns:
                raise NotReady(
                    "the scale's converter is silent, its data line stays high: check its plug, power and DOUT's wire"
                )
            # after two periods nobody needs half a millisecond: a converter that is gone must not cost a core
            clock.sleep(poll_s if now_ns < patience_ns else self._nominal_ns / 2e9)
        ready_ns = clock.now_ns()
        self._note_interval(ready_ns - self._ready_ns)
        self._ready_ns = ready_ns
        return ready_ns

    def _note_interval(self, interval_ns: int) -> None:
        if 0.7 * self._nominal_ns < interval_ns < 1.3 * self._nominal_ns:
            # chips run up to a fifth off their nominal rate, but steadily
            self._period_ns += (interval_ns - self._period_ns) / 16
        elif self._statistics.read and interval_ns >= 1.5 * self._period_ns and not self._discard:
            self._statistics.missed += round(interval_ns / self._period_ns) - 1

    def _still_there(self) -> bool:
        ready_ns = self._ready_ns
        try:
            self._seen_ns = self._wait_ready(ready_ns + SETTLING_CONVERSIONS * self._nominal_ns)
        except NotReady:
            return False
        return True

    def _unsettle(self) -> None:
        self._seen_ns = None
        self._discard = 1  # the word after a power-up has gain 128, and its clocks choose ours
        self._settled_ns = self._clock.now_ns() + SETTLING_CONVERSIONS * self._nominal_ns

    def power_down(self) -> None:
        """The chip sleeps (under 1 µA) until `power_up`."""
        self._gpio.output(self._sck, 0)
        self._gpio.output(self._sck, 1)
        self._clock.sleep(POWER_DOWN_S)
        self._powered = False

    def power_up(self) -> None:
        """Wakes the chip; words are thrown away until it has settled."""
        self._gpio.output(self._sck, 0)
        self._powered = True
        self._unsettle()

    def reset(self) -> None:
        """Power-cycle the chip; the words that follow are thrown away until it has settled."""
        self._statistics.resets += 1
        self.power_down()
        self.power_up()

    def close(self) -> None:
        """Let go of both pins; twice does no harm."""
        if not self._closed:
            self._closed = True
            self._powered = False
            self._gpio.cleanup([self._dout, self._sck])

    @abc.abstractmethod
    def _shift(self) -> int:
        """Clock one word out and choose the next one's gain: signed counts. Raises Garbled or a kind of it."""
