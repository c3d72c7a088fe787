"""Time as the drivers see it, so that simulated chips can bring their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a driver gets time from and how it waits."""

    def now_ns(self) -> int:
        """Stamp for readings: the machine's monotonic clock (simulated: the test's)."""
        ...

    def pulse_ns(self) -> int:
        """For the width of pulses; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; 0 or less returns at once."""
        ...


class WallClock:
    """The machine's own clock."""

    now_ns = staticmethod(time.monotonic_ns)
    pulse_ns = staticmethod(time.perf_counter_ns)

    def sleep(self, seconds: float) -> None:
        """Wait; 0 or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)


WALL = WallClock()
