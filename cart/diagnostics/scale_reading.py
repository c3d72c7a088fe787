"""A few seconds of the converter, or of four, as calibrating and checking need them."""

from __future__ import annotations

import time

import msgspec

from drivers.errors import DriverError, NotReady
from drivers.protocols import ScaleReader

BAD_READS_MAX = 20
SETTLING = 4


class Readings(msgspec.Struct, frozen=True):
    """The counts read, and with four cells the four's own for each of them."""

    counts: list[int]
    cells: list[tuple[int, ...]]


def collect(reader: ScaleReader, seconds: float) -> Readings:
    """Counts of the next `seconds`. Raises the driver's error when the converter can't be read."""
    counts: list[int] = []
    cells: list[tuple[int, ...]] = []
    bad = 0
    # What the converter has ready is older than the load; its filter needs four conversions to forget.
    for _ in range(SETTLING):
        reader.read()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            reading = reader.read()
        except NotReady:
            raise
        except DriverError:
            bad += 1
            if bad > BAD_READS_MAX:
                raise
        else:
            counts.append(reading.counts)
            if reading.cells:
                cells.append(reading.cells)
    return Readings(counts, cells)
