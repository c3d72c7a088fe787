"""The session's clock: monotonic inside, continued across a restart, never the wall clock.

The kernel's monotonic clock starts anew at boot, and a ledger's times come from the boot before. So the session's time
goes on from the last recorded event, plus the time the power was off where the wall clock can say that.
"""

from __future__ import annotations

import time

NS_PER_S = 1_000_000_000


class SessionClock:
    """Adds a fixed offset to `time.monotonic_ns`, so that session time never runs backwards over a restart."""

    def __init__(self, *, last_event_ns: int | None = None, off_s: float | None = None) -> None:
        """`last_event_ns`: session time of the last restored event. `off_s`: seconds without power, None if unknown."""
        self._offset_ns = 0
        if last_event_ns is not None:
            off_ns = int((off_s or 0.0) * NS_PER_S)
            self._offset_ns = last_event_ns + off_ns + 1 - time.monotonic_ns()

    def now_ns(self) -> int:
        """Session time now, in ns."""
        return time.monotonic_ns() + self._offset_ns

    def from_monotonic(self, monotonic_ns: int) -> int:
        """Session time of a moment that another process stamped with the same machine's monotonic clock."""
        return monotonic_ns + self._offset_ns


def seconds_without_power(last_wall_ms: int | None, now_wall_ms: int) -> float | None:
    """How long the power may have been off, None when the wall clock can't say.

    A Pi without a clock chip comes up in the past; a negative gap therefore means unknown, not zero.
    """
    if last_wall_ms is None or now_wall_ms < last_wall_ms:
        return None
    return (now_wall_ms - last_wall_ms) / 1000
