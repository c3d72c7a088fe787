"""A scanner that reads one thing twice does so while it is in the hand: which units may be one."""

from __future__ import annotations

from cart.core.basket import Line, PlacedGroup

_DOUBLED_NS = 4_000_000_000


def read_twice(line: Line) -> bool:
    """Whether two units wait whose scans are so near that a scanner may have read one thing twice."""
    times_ns = [p.since_ns for p in line.pending if p.entry == "scan"]
    return line.pending_units == len(times_ns) == 2 and times_ns[1] - times_ns[0] <= _DOUBLED_NS


def repeated_ns(line: Line) -> int | None:
    """When the line's first unit went in, if its only pending one may be no further unit: scanned right after the
    first, and before that went in.
    """
    if line.pending_units != 1 or line.pending[0].entry != "scan":
        return None
    scanned_ns = line.pending[0].since_ns
    first = next((g for g in line.placed if 0 <= scanned_ns - g.scanned_ns <= _DOUBLED_NS and g.scanned_ns), None)
    return first.since_ns if first is not None and first.since_ns >= scanned_ns else None


def both_in_on_one(line: Line) -> bool:
    """Whether both of two units have gone in, on scans so near that a scanner may have read one thing twice."""
    scans_ns = sorted(group.origin.scanned_ns for group in line.placed)
    return line.units == len(scans_ns) == 2 and scans_ns[1] - scans_ns[0] <= _DOUBLED_NS


def is_second(line: Line, group: PlacedGroup) -> bool:
    """Whether a group is the second of two units, scanned right after the first, which went in before."""
    return line.units == 2 and any(
        0 < group.scanned_ns - one.scanned_ns <= _DOUBLED_NS and one.rested_ns < group.rested_ns for one in line.placed
    )
