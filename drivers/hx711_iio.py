"""The kernel's `hx711` IIO driver (drivers/iio/adc/hx711.c) through sysfs, as a reader of the HX711.

The kernel clocks with interrupts off, so no pulse is over-long. What it can't do: it does not look at DOUT after the
gain pulses, so it can't tell a line stuck low from a true 0, nor a lost clock; it waits with msleep(10), which sleeps
10–20 ms, so it loses some of the chip's 80 samples/s; and a word's time is when the kernel returned it, up to 20 ms
after it was ready.
Its words are offset binary: 0x800000 is 0.
"""

from __future__ import annotations

from pathlib import Path

from drivers.bounded_reader import BoundedReader
from drivers.clock import WALL, Clock
from drivers.errors import DeviceMissing, Garbled, NotReady, Saturated, StuckLow
from drivers.hx711 import (
    BAD_WORDS_MAX,
    SATURATED_HIGH,
    SATURATED_LOW,
    SETTLING_CONVERSIONS,
    Gain,
)
from drivers.protocols import Reading

OFFSET = 0x800000
ZEROS_MAX = 3
"""As many exact zeros in a row are taken for a line stuck low: noise of 10 counts makes that one in 10⁵."""


class Hx711Iio(BoundedReader):
    """A reading's `t_ns` is when the kernel returned the word: up to 20 ms after the conversion was ready.

    The rate is not measured: the kernel's polling, not the chip, sets it.
    """

    def __init__(
        self, device: Path | str, *, gain: Gain = 128, samples_per_second: float = 80.0, clock: Clock = WALL
    ) -> None:
        """`device` is the folder /sys/bus/iio/devices/iio:deviceN. Raises DeviceMissing when it is no HX711."""
        super().__init__(clock)
        self._folder = Path(device)
        self._nominal_ns = round(1e9 / samples_per_second)
        self._read_ns = 0
        self._settled_ns = 0
        self._bad_words = 0
        self._zeros = 0
        self.gain = gain
        name = self._text("name")
        if name != "hx711":
            raise DeviceMissing(
                f"{self._folder} is not the kernel's HX711 driver (name: {name or 'none'}): load it with "
                "dtoverlay=hx711 in /boot/firmware/config.txt and set [scale] iio_device"
            )
        self._file = self._folder / ("in_voltage1_raw" if gain == 32 else "in_voltage0_raw")
        self._choose_gain()

    def _text(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return ""

    def _choose_gain(self) -> None:
        """The kernel's driver takes a scale (mV a count) for a gain; 128 is what it starts with and the smallest."""
        scales = sorted(self._text("in_voltage0_scale_available").split(), key=float)
        if self.gain == 32 or (self.gain == 128 and not scales):
            return
        if len(scales) != 2:
            raise DeviceMissing(f"{self._folder} offers no scales for gain {self.gain}; use gain = 128")
        try:
            (self._folder / "in_voltage_scale").write_text(scales[0] if self.gain == 128 else scales[1])
        except OSError as error:
            raise DeviceMissing(
                f"{self._folder}/in_voltage_scale cannot be written ({error.strerror}): "
                "add the cart's user to group iio"
            ) from None
        self.reset()

    def _read(self, deadline_ns: int) -> Reading:
        """A true 0 is held back until its successor shows that the line is not stuck low."""
        held: Reading | None = None
        while True:
            # the kernel paces a real chip; a folder of files would be read a thousand times over
            self._clock.sleep((self._read_ns + self._nominal_ns - self._clock.now_ns()) / 1e9)
            try:
                counts = self._word()
                self._read_ns = t_ns = self._clock.now_ns()
                if t_ns < self._settled_ns:
                    self._statistics.discarded += 1
                elif counts:
                    self._check(counts)
                    self._bad_words = self._zeros = 0
                    self._statistics.read += 1
                    return held or Reading(t_ns, counts)
                else:
                    held = held or Reading(t_ns, counts)
                    self._take_zero()
            except (Garbled, Saturated, NotReady):
                self._read_ns = self._clock.now_ns()
                self._bad_words += 1
                if self._bad_words == BAD_WORDS_MAX or self._read_ns >= deadline_ns:
                    raise
            if self._clock.now_ns() >= deadline_ns:
                raise NotReady("the kernel's HX711 driver gave no word to trust; read again")

    def _take_zero(self) -> None:
        """A true 0 waits for its successor; a run of them is a stuck line."""
        self._zeros += 1
        if self._zeros >= ZEROS_MAX:
            self._statistics.stuck_low += 1
            raise StuckLow("the kernel reads nothing but 0: look for a short from DOUT to ground")

    def _check(self, counts: int) -> None:
        if counts == SATURATED_HIGH:
            self._statistics.saturated += 1
            raise Saturated("the load cell reads over the converter's range: take load off, or check its four wires")
        if counts == SATURATED_LOW:
            self._statistics.saturated += 1
            raise Saturated("the load cell reads under the converter's range: check its four wires and their order")

    def _word(self) -> int:
        """Signed counts. Raises NotReady, DeviceMissing or Garbled."""
        try:
            text = self._file.read_text(encoding="ascii")
        except FileNotFoundError:
            raise DeviceMissing(f"{self._file} is gone: is the kernel's HX711 driver still loaded?") from None
        except (OSError, UnicodeDecodeError) as error:
            self._statistics.not_ready += 1
            raise NotReady(
                f"the kernel gets no word from the HX711 ({error}): check its plug, power and wires"
            ) from None
        try:
            word = int(text)
        except ValueError:
            word = -1
        if not 0 <= word <= 0xFFFFFF:
            self._statistics.garbled += 1
            raise Garbled(f"{self._file} says {text[:20]!r}, which is no 24-bit word: is it the HX711's?")
        return word - OFFSET

    def reset(self) -> None:
        """The kernel resets the chip by itself when it is silent; here the next words are thrown away until settled."""
        self._statistics.resets += 1
        self._settled_ns = self._clock.now_ns() + SETTLING_CONVERSIONS * self._nominal_ns

    def close(self) -> None:
        """Nothing is held open."""
