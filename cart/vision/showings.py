"""Barcodes in frames: believed when frames agree, told once a showing.

A reader that looks for bars in noise finds some whose check digit fits, now and then. The same wrong number twice
within a second is another matter. And a code that stays in the picture is one thing shown once, however many frames it
is in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

AGREEING_FRAMES: Final = 2
AGREE_NS: Final = 1_000_000_000
FORGET_NS: Final = 3_000_000_000
"""A code that was not read for so long has gone; shown again it is a new showing. Longer than a thing that is turned
about in a hand hides its code."""
CODES_MAX: Final = 16
"""Codes remembered at a time: more than a picture can show; what is oldest is forgotten first."""


@dataclasses.dataclass
class _Seen:
    first_ns: int
    last_ns: int
    frames: int
    told: bool = False


@dataclasses.dataclass(frozen=True)
class Code:
    """A barcode's text and its AIM symbology identifier (`]E0`, ISO/IEC 15424)."""

    text: str
    symbology: str


class Showings:
    """Give it what was read in each frame, also nothing; it answers the codes that are now believed, each once."""

    def __init__(self) -> None:
        self._seen: dict[Code, _Seen] = {}

    def read(self, codes: Iterable[Code], t_ns: int) -> list[Code]:
        """`codes` of one frame taken at `t_ns`."""
        self._seen = {code: seen for code, seen in self._seen.items() if t_ns - seen.last_ns < FORGET_NS}
        believed = []
        for code in dict.fromkeys(codes):
            seen = self._seen.pop(code, None)
            if seen is None or (not seen.told and t_ns - seen.first_ns > AGREE_NS):
                seen = _Seen(t_ns, t_ns, 0)
            # Put in again at the end: the order is by when a code was last read.
            self._seen[code] = seen
            seen.last_ns = t_ns
            seen.frames += 1
            if not seen.told and seen.frames >= AGREEING_FRAMES:
                seen.told = True
                believed.append(code)
        while len(self._seen) > CODES_MAX:
            del self._seen[next(iter(self._seen))]
        return believed
