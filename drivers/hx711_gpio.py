"""The default reader of the HX711, over the `RPi.GPIO` API.

Linux may take the processor away in mid-pulse, and 60 µs of high clock power the chip down. So each pulse is timed; a
word with an over-long one is thrown away, the chip is reset, and what follows is thrown away until it has settled.

Cost: about 5 wake-ups a conversion and one word of 25–27 pulses; measured by `python -m benchmarks.scale_reader`.
"""

from __future__ import annotations

from drivers.clock import Clock
from drivers.errors import OutOfSync, OverlongClock, StuckLow
from drivers.hx711 import GAIN_PULSES, OVERLONG_NS, WORD_BITS, Gain, PinReader, to_counts
from drivers.protocols import GpioApi


class Hx711Gpio(PinReader):
    """Our own reader. A reading's `t_ns` is when DOUT was first seen low (see `PinReader`)."""

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
        """Claims the pins and resets the chip; it settles during the first reads."""
        super().__init__(
            gpio, dout_pin=dout_pin, sck_pin=sck_pin, gain=gain, samples_per_second=samples_per_second, clock=clock
        )
        self._gain_pulses = GAIN_PULSES[gain]
        gpio.setup(sck_pin, gpio.OUT, initial=0)
        # pulled up, so that an unplugged converter is "not ready" and not a word of noise
        gpio.setup(dout_pin, gpio.IN, pull_up_down=gpio.PUD_UP)
        self.reset()

    def set_gain(self, gain: Gain) -> None:
        """Takes effect after the next word; words are thrown away until the chip has settled."""
        self._gain_pulses = GAIN_PULSES[gain]
        self.gain = gain
        self._unsettle()

    def _shift(self) -> int:
        output, level, pulse_ns = self._gpio.output, self._gpio.input, self._clock.pulse_ns
        sck, dout = self._sck, self._dout
        word = longest_ns = 0
        for _ in range(WORD_BITS + self._gain_pulses):
            start_ns = pulse_ns()
            output(sck, 1)
            output(sck, 0)
            width_ns = pulse_ns() - start_ns
            if width_ns > longest_ns:  # noqa: PLR1730 - max() would take as long as the pulse
                longest_ns = width_ns
            word = word << 1 | level(dout)
        after = (1 << self._gain_pulses) - 1
        if longest_ns >= OVERLONG_NS:
            raise OverlongClock(
                f"the scale's clock was high for {longest_ns // 1000} µs: give its process real-time priority"
            )
        if word == 0:
            raise StuckLow("the scale's data line is stuck low: look for a short from DOUT to ground")
        if word & after != after:
            raise OutOfSync(
                "the scale's converter is out of step with its clock: check SCK's wire, keep both wires short"
            )
        return to_counts(word >> self._gain_pulses)
