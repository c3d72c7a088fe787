"""The cart's pins from outside: a finger on the staff button, eyes on the light, an ear on the buzzer."""

from __future__ import annotations

import time

from cart.config import GpioTable
from drivers.sim.wire import Wire

# The buzzer's beeps are far shorter than a page's polling; one stays visible for this long.
HEARD_S = 1.5


class Pins:
    """`watch` is called once a conversion (12.5 ms), so that a short beep is heard."""

    def __init__(self, wire: Wire, table: GpioTable) -> None:
        self._wire = wire
        self._table = table
        self._pressed_until = 0.0
        self._pressed = False
        self._heard_at = float("-inf")
        self._beeps = 0
        self._was_on = False

    def press(self, until: float) -> None:
        """Hold the staff button until then (monotonic seconds). It shorts its pin to ground."""
        self._pressed_until = until

    def watch(self, t_ns: int) -> None:
        """Drive the button and listen to the buzzer at `t_ns`."""
        now = t_ns / 1e9
        pressed = now < self._pressed_until
        if pressed != self._pressed:
            self._pressed = pressed
            self._wire.set_pin(self._table.staff_button_pin, False if pressed else None)
        on = self._wire.pin(self._table.buzzer_pin) is True
        if on:
            self._heard_at = now
            self._beeps += not self._was_on
        self._was_on = on

    def let_go(self) -> None:
        """Without power no output is driven."""
        table = self._table
        for pin in (table.light_red_pin, table.light_green_pin, table.buzzer_pin, table.reader_enable_pin):
            self._wire.set_pin(pin, None)

    def state(self) -> dict[str, object]:
        """`light` as a person sees it: red and green together are amber."""
        table = self._table
        red = self._wire.pin(table.light_red_pin) is True
        green = self._wire.pin(table.light_green_pin) is True
        lights = {(False, False): "off", (False, True): "green", (True, False): "red", (True, True): "amber"}
        return {
            "light": lights[red, green],
            "buzzer": time.monotonic() - self._heard_at < HEARD_S,
            "beeps": self._beeps,
            "staff_button": self._pressed,
            "card_reader": self._wire.pin(table.reader_enable_pin) is True,
        }
