"""Errors of the devices, each a name a technician can act on. None of them is ever turned into a reading."""

from __future__ import annotations

from typing import ClassVar


class DriverError(Exception):
    """Base. The text is one line: what is wrong and what to do next. `fault` names it in messages and files."""

    fault: ClassVar[str] = "fault"


class DeviceMissing(DriverError):
    """Nothing there: not plugged in, no such port, no such module."""

    fault = "missing"


class DeviceLost(DriverError):
    """Was there and went away; open it again by its stable name."""

    fault = "lost"


class NotReady(DriverError):
    """The device did not answer before its deadline."""

    fault = "not_ready"


class Stale(NotReady):
    """The newest answer is older than it may be, or has not changed where it must."""

    fault = "stale"


class Garbled(DriverError):
    """An answer came and cannot be trusted; it was thrown away and counted."""

    fault = "garbled"


class OutOfSync(Garbled):
    """The converter and the reader disagree on how many clocks a word has."""

    fault = "desync"


class StuckLow(Garbled):
    """The converter's data line is low when the chip must hold it high."""

    fault = "stuck_low"


class OverlongClock(Garbled):
    """The clock was high for so long (60 µs) that the converter powered down in mid-word."""

    fault = "overlong_clock"


class LateWord(Garbled):
    """A word took so long to fetch that the next conversion may have fallen into it."""

    fault = "late"


class Saturated(DriverError):
    """The converter's input is out of its range: overload, or a load cell's wire is off."""

    fault = "saturated"


class CellSilent(NotReady):
    """One of four cells: its converter does not answer."""

    fault = "cell_dead"


class CellStuckLow(StuckLow):
    """One of four cells: its converter's data line is stuck."""

    fault = "cell_dead"


class CellSaturated(Saturated):
    """One of four cells: a wire of it is off, or all the load is on it."""

    fault = "cell_dead"
