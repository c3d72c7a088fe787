"""Time for simulated chips: wholly virtual in tests, virtual within a word in the live demo."""

from __future__ import annotations

import time

CALL_NS = 1_000
"""What one simulated GPIO call takes; RPi.GPIO on a Pi 4 needs about this long."""


class VirtualClock:
    """Starts at `start_ns`; moves by GPIO calls, sleeps and nothing else, so a test runs the same on any machine."""

    def __init__(self, start_ns: int = 1_000_000_000, *, call_ns: int = CALL_NS) -> None:
        self.time_ns = start_ns
        self.call_ns = call_ns

    def now_ns(self) -> int:
        return self.time_ns

    def pulse_ns(self) -> int:
        return self.time_ns

    def sleep(self, seconds: float) -> None:
        """Moves the time; waits for nothing."""
        self.time_ns += max(0, round(seconds * 1e9))

    def called(self) -> None:
        """A GPIO call was made."""
        self.time_ns += self.call_ns


class LiveClock:
    """For a simulated chip in wall time.

    Pulses are timed by the number of GPIO calls between them: a busy host that preempts the process in mid-pulse is
    not a fault of the simulated cart. Sleeping is real, and the chip sees it.
    """

    def __init__(self, *, call_ns: int = CALL_NS) -> None:
        self.call_ns = call_ns
        self._pulse_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def pulse_ns(self) -> int:
        return self._pulse_ns

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)
            self._pulse_ns = max(self._pulse_ns + round(seconds * 1e9), time.monotonic_ns())

    def called(self) -> None:
        """A GPIO call was made."""
        self._pulse_ns += self.call_ns
