"""Bytes of a barcode scanner in, codes out. No I/O, no clock: time comes in as an argument.

A code is `prefix`, then optionally an AIM identifier (`]`, code character, modifier: ISO/IEC 15424), then its text,
then `suffix`. Only printable ASCII is let through, and the group separator GS (0x1D) where GS1 element strings need it
(GS1 General Specifications 7.8.3): a barcode is a stranger's input, and must never reach a terminal, a database or a
topic as anything but text.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final, Literal

CODE_BYTES_MAX: Final = 512
"""The longest code in the field, a GS1 DataMatrix's element string, has 3 kB in theory and under 200 in retail; a
digital link may have some more. Beyond that it is noise or malice."""
IDLE_NS: Final = 200_000_000
"""A scanner sends a code in one go, within 50 ms at 9,600 baud; what hangs about for longer was cut off."""
SHOWN_MAX: Final = 40
GROUP_SEPARATOR: Final = 0x1D
GS1_IDENTIFIERS: Final = frozenset({"]C1", "]e0", "]e1", "]e2", "]d2", "]Q3", "]J1"})
"""GS1-128, GS1 DataBar and composites, GS1 DataMatrix, GS1 QR code, GS1 DotCode: what may hold element strings."""
_ALLOWED: Final = frozenset({*range(0x20, 0x7F), GROUP_SEPARATOR})
_AIM: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")

Reason = Literal["too_long", "characters", "empty", "cut_off", "no_prefix"]


@dataclasses.dataclass(frozen=True)
class Framing:
    """What the scanner puts around a code; `aim_ids`: it sends AIM identifiers.

    Raises ValueError on a suffix that could stand inside a code.
    """

    prefix: str = ""
    suffix: str = "\r"
    aim_ids: bool = True

    def __post_init__(self) -> None:
        if all(byte in _ALLOWED for byte in self.suffix.encode()):
            raise ValueError("a scanner's suffix needs a control character, such as a carriage return (\\r)")


@dataclasses.dataclass(frozen=True)
class Frame:
    """One code: its text without prefix, suffix and identifier; `symbology` is the identifier (`]E0`…) or None."""

    text: str
    symbology: str | None = None


@dataclasses.dataclass(frozen=True)
class Refused:
    """Bytes that were thrown away; `shown` is an escaped excerpt of them, safe to log."""

    reason: Reason
    shown: str


class ScannerFramer:
    """Give it the bytes as they come, cut anywhere; it holds at most twice CODE_BYTES_MAX of them."""

    def __init__(self, framing: Framing = Framing(), *, bytes_max: int = CODE_BYTES_MAX) -> None:
        self._prefix, self._suffix = framing.prefix.encode(), framing.suffix.encode()
        self._aim_ids = framing.aim_ids
        self._bytes_max = bytes_max
        self._partial = bytearray()
        self._partial_ns = 0
        self._skipping = False
        self._after_cut = False

    @property
    def next_deadline_ns(self) -> int | None:
        """When `tick` would drop what has come in so far; None when nothing has."""
        return self._partial_ns + IDLE_NS if self._partial or self._skipping else None

    def feed(self, data: bytes, t_ns: int | None = None) -> list[Frame | Refused]:
        """Takes bytes that came in at `t_ns`; returns what they complete, in order. No time: nothing is too old."""
        done = [] if t_ns is None else self.tick(t_ns)
        if data and t_ns is not None:
            self._partial_ns = t_ns
        # at most one suffix behind the bound is searched again, so a flood costs time in proportion to its length
        for start in range(0, len(data), self._bytes_max):
            self._partial += data[start : start + self._bytes_max]
            self._take_whole(done)
            self._bound(done)
        return done

    def tick(self, t_ns: int) -> list[Frame | Refused]:
        """Time has come to `t_ns`: drops a code that was left unfinished for IDLE_NS."""
        deadline_ns = self.next_deadline_ns
        return [] if deadline_ns is None or t_ns < deadline_ns else self.drop()

    def drop(self) -> list[Frame | Refused]:
        """The scanner was unplugged: whatever is half there is not a code."""
        refused: list[Frame | Refused] = []
        unfinished = bool(self._partial.strip(b"\r\n"))  # the \n of a \r\n is not the beginning of a code
        if unfinished and not self._skipping:
            refused.append(Refused("cut_off", shown_safely(self._partial)))
        self._after_cut = self._after_cut or self._skipping or unfinished
        self._partial.clear()
        self._skipping = False
        return refused

    def _take_whole(self, done: list[Frame | Refused]) -> None:
        *codes, rest = self._partial.split(self._suffix)
        for code in codes:
            if self._skipping:
                self._skipping = False  # the tail of one that was already refused
            elif code.strip(b"\r\n"):
                done.append(self._code(bytes(code)))
            # else nothing between two ends: scanners that send \r\n where \r is set, and noise
        self._partial = bytearray(rest)

    def _bound(self, done: list[Frame | Refused]) -> None:
        if len(self._partial) <= self._bytes_max:
            return
        if not self._skipping:
            done.append(Refused("too_long", shown_safely(self._partial)))
            self._skipping = True
        del self._partial[: -len(self._suffix)]  # a suffix may be cut in two

    def _code(self, code: bytes) -> Frame | Refused:
        after_cut, self._after_cut = self._after_cut, False
        body = code.lstrip(b"\r\n")
        text = body.removeprefix(self._prefix).decode("latin-1")
        symbology = text[:3] if self._aim_ids and _AIM.match(text) else None
        text = text[3:] if symbology else text
        reason: Reason | None = None
        if len(code) > self._bytes_max:
            reason = "too_long"
        elif not body.startswith(self._prefix):
            reason = "no_prefix"
        elif not may_hold(text, symbology):
            reason = "characters"
        elif self._aim_ids and after_cut and symbology is None:
            reason = "cut_off"  # the rest of the code whose beginning was dropped: no ghost item
        elif not text.strip():
            reason = "empty"
        return Frame(text, symbology) if reason is None else Refused(reason, shown_safely(code))


def may_hold(text: str, symbology: str | None) -> bool:
    """Whether a code of that symbology may hold these characters; GS only where element strings can be. Whatever reads
    codes, the scanner or the camera, lets through only these."""
    if symbology is not None and symbology not in GS1_IDENTIFIERS and chr(GROUP_SEPARATOR) in text:
        return False
    return all(ord(character) in _ALLOWED for character in text)


def shown_safely(data: bytes | bytearray) -> str:
    """The first bytes, with everything but printable ASCII escaped."""
    shown = bytes(data[:SHOWN_MAX]).decode("latin-1").encode("unicode_escape").decode("ascii")
    return shown + "…" if len(data) > SHOWN_MAX else shown
