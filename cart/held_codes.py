"""A code that the camera read is a stranger's input like any other: the scanner's allow-list holds for it too."""

from __future__ import annotations

from cart.core.observations import Scan, ScanRefused
from drivers.scanner_framing import CODE_BYTES_MAX, may_hold, shown_safely


def held_code(t_ns: int, text: str, symbology: str) -> Scan | ScanRefused:
    """What the session hears of a code held up to the lens; `symbology` is its AIM identifier, or empty."""
    known = symbology or None
    if len(text.encode()) > CODE_BYTES_MAX or not text.strip():
        return ScanRefused(t_ns=t_ns, reason="too_long" if text.strip() else "empty")
    if not may_hold(text, known):
        return ScanRefused(t_ns=t_ns, reason="characters", shown=shown_safely(text.encode()))
    return Scan(t_ns=t_ns, text=text, symbology=known, source="camera")
