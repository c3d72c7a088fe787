"""Which readings are believed: a wrong product costs a shopper more than a second look does.

Template readings are judged by how much of the picture they explain; readings of zxing-cpp by how many independent
views give the same. The thresholds were set on simulated pictures of some seeds and hold on others
(`python -m benchmarks.frame_codes`).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from drivers.frame_codes.bars import BarReading
from drivers.frame_codes.scanning import MATRIX, FrameCode

_BLUR = (0.75, 0.9, 1.1, 1.3)
_EXPLAINED = {
    "EAN-13": (0.88, 0.89, 0.93, 0.95),
    "EAN-8": (0.90, 0.91, 0.95, 0.96),
    "UPC-E": (0.93, 0.94, 0.96, 0.97),
}
"""Share of the profile's variance that a word must explain, by the blur fitted with it (modules). Stripes and letters
fitted with the best word reach 0.85 at little blur and 0.92 at much, UPC-E most: the smoother and shorter a model, the
more it can be bent to."""
_WORST = 0.70
_MARGIN = {"EAN-13": 8.0, "EAN-8": 12.0, "UPC-E": 16.0}
"""Natural-log odds against all other words together; short codes have fewer bars to go wrong in unseen."""
_SUPPORTED = {"EAN-13": 0.80, "EAN-8": 0.88, "UPC-E": 0.93}
"""Share explained that suffices where zxing-cpp, by other means, reads the same."""
_VOTES = {8: 4, 12: 3, 13: 3, 14: 3}
"""Views that must agree, by the number's length, where templates say nothing."""
_VOTES_ELSE = 2
_RIVALRY = 4
"""A word with a rival in the same place needs so many times its votes."""


def certain(bars: BarReading) -> bool:
    """True where a template reading stands by itself."""
    return (
        bars.explained >= float(np.interp(bars.sigma, _BLUR, _EXPLAINED[bars.symbology]))
        and bars.worst >= _WORST
        and bars.margin >= _MARGIN[bars.symbology]
        and bars.agreeing >= min(3, bars.bands)
        and 2 * bars.agreeing >= bars.bands
        and (bars.halves or bars.bands == 1)
        and bars.rivals < bars.margin
    )


@dataclasses.dataclass
class Candidate:
    """One code in one place: who read it."""

    code: FrameCode
    views: set[int] = dataclasses.field(default_factory=set)
    bars: list[BarReading] = dataclasses.field(default_factory=list)

    def sure(self) -> bool:
        """True where nothing more is needed, rivals aside."""
        if self.code.symbology in MATRIX or any(certain(bars) for bars in self.bars):
            return True
        return bool(self.views) and any(
            bars.explained >= _SUPPORTED[bars.symbology] and bars.margin > 2 for bars in self.bars
        )

    def voted(self) -> bool:
        """True where enough views agree."""
        needed = _VOTES.get(len(self.code.text), _VOTES_ELSE) if self.code.text.isdecimal() else _VOTES_ELSE
        return len(self.views) >= needed


def believed(candidates: list[Candidate]) -> list[FrameCode]:
    """The codes to report, each place having one at most."""
    kept: list[FrameCode] = []
    for one in candidates:
        rivals = [other for other in candidates if other is not one and _same_place(one.code, other.code)]
        if one.sure():
            # Two sure readings of one bar code cannot both be right, and nobody can say which is.
            good = not any(other.sure() and other.code.text != one.code.text for other in rivals)
        else:
            good = one.voted() and not any(
                other.sure() or _RIVALRY * len(other.views) > len(one.views)
                for other in rivals
                if other.views or other.sure()
            )
        if good:
            kept.append(one.code)
    return kept


def _same_place(one: FrameCode, other: FrameCode) -> bool:
    """True where the centre of either lies within the other's circle."""
    (x1, y1, r1), (x2, y2, r2) = _circle(one), _circle(other)
    return float((x1 - x2) ** 2 + (y1 - y2) ** 2) < max(r1, r2) ** 2


def _circle(code: FrameCode) -> tuple[float, float, float]:
    x, y = (sum(corner[axis] for corner in code.quad) / len(code.quad) for axis in (0, 1))
    return x, y, max(((cx - x) ** 2 + (cy - y) ** 2) ** 0.5 for cx, cy in code.quad)
