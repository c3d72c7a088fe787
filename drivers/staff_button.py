"""The staff-call button: polled (edges fail on kernels ≥ 6.6), debounced, pulled up and pressed to ground."""

from __future__ import annotations

from typing import Final, Literal

from drivers.protocols import GpioApi

DEBOUNCE_NS: Final = 30_000_000
"""Cheap push buttons bounce for 5–20 ms."""


class StaffButton:
    """Call `poll` every 10–50 ms. A press shorter than two polls may go unseen."""

    def __init__(self, gpio: GpioApi, pin: int, *, debounce_ns: int = DEBOUNCE_NS) -> None:
        """`pin` is a BCM number."""
        self._gpio = gpio
        self._pin = pin
        self._debounce_ns = debounce_ns
        self._level = False
        self._since_ns = 0
        self._closed = False
        self.pressed = False
        """The settled state."""
        gpio.setup(pin, gpio.IN, pull_up_down=gpio.PUD_UP)

    def poll(self, t_ns: int) -> Literal["pressed", "released"] | None:
        """Look at the pin at `t_ns`; the change that has just lasted for the debounce time, if one has."""
        level = self._gpio.input(self._pin) == 0
        if level != self._level:
            self._level, self._since_ns = level, t_ns
        if level == self.pressed or t_ns - self._since_ns < self._debounce_ns:
            return None
        self.pressed = level
        return "pressed" if level else "released"

    def close(self) -> None:
        """Let go of the pin; twice does no harm."""
        if not self._closed:
            self._closed = True
            self._gpio.cleanup([self._pin])
