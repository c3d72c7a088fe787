"""The cart's light, its buzzer, and the card reader's enable line: levels on three kinds of pins."""

from __future__ import annotations

from typing import Final, Literal

from drivers.protocols import GpioApi

Light = Literal["off", "green", "amber", "red"]
_LEVELS: Final[dict[Light, tuple[int, int]]] = {"off": (0, 0), "green": (0, 1), "amber": (1, 1), "red": (1, 0)}
"""Red pin, green pin; both together look amber."""

# How long the buzzer sounds and pauses, in ms: one short beep, or three long ones.
PATTERNS_MS: Final[dict[str, tuple[int, ...]]] = {"ok": (60,), "attention": (200, 150, 200, 150, 200)}


class Indicators:
    """Owns the pins; off, silent and card reader disabled after construction and after `close`."""

    def __init__(
        self, gpio: GpioApi, *, light_red_pin: int, light_green_pin: int, buzzer_pin: int, reader_enable_pin: int
    ) -> None:
        """BCM numbers. All pins are active high."""
        self._gpio = gpio
        self._red, self._green = light_red_pin, light_green_pin
        self._buzzer, self._enable = buzzer_pin, reader_enable_pin
        self._pattern_ms: tuple[int, ...] = ()
        self._edge_ns = 0
        self._closed = False
        for pin in (self._red, self._green, self._buzzer, self._enable):
            gpio.setup(pin, gpio.OUT, initial=0)

    def light(self, light: Light) -> None:
        """Show one colour."""
        red, green = _LEVELS[light]
        self._gpio.output(self._red, red)
        self._gpio.output(self._green, green)

    def enable_reader(self, enabled: bool) -> None:
        """The card reader may take a card only while its enable line is high."""
        self._gpio.output(self._enable, int(enabled))

    def buzz(self, pattern: Literal["none", "ok", "attention"], t_ns: int) -> None:
        """Begin a pattern at `t_ns`, instead of the one under way; call `tick` at `next_deadline_ns`."""
        self._pattern_ms = PATTERNS_MS.get(pattern, ())
        self._edge_ns = t_ns
        self._gpio.output(self._buzzer, int(bool(self._pattern_ms)))
        if self._pattern_ms:
            self._edge_ns += self._pattern_ms[0] * 1_000_000

    @property
    def next_deadline_ns(self) -> int | None:
        """When the buzzer's level changes next; None while silent."""
        return self._edge_ns if self._pattern_ms else None

    def tick(self, t_ns: int) -> None:
        """Time has come to `t_ns`."""
        while self._pattern_ms and t_ns >= self._edge_ns:
            self._pattern_ms = self._pattern_ms[1:]
            sounding = len(self._pattern_ms) % 2 == 1  # patterns begin and end with sound
            self._gpio.output(self._buzzer, int(sounding))
            if self._pattern_ms:
                self._edge_ns += self._pattern_ms[0] * 1_000_000

    def close(self) -> None:
        """All off, then let go of the pins; twice does no harm."""
        if self._closed:
            return
        self._closed = True
        pins = [self._red, self._green, self._buzzer, self._enable]
        for pin in pins:
            self._gpio.output(pin, 0)
        self._gpio.cleanup(pins)
