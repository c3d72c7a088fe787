"""EAN and UPC read from a strip of bars by templates, band by band, with what is needed to judge the reading."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from drivers.frame_codes.localise import Grey, Strip
from drivers.frame_codes.profiles import Profiles, profiles
from drivers.frame_codes.symbols import SYMBOLS
from drivers.frame_codes.template_decoder import Fit, Opening, follow, joined, openings, search

Floats = npt.NDArray[np.float64]

_TRIED = 2
_GOOD = 0.93
"""Share explained above which no other symbology or direction needs trying."""
_HOPELESS = 0.5


@dataclasses.dataclass(frozen=True)
class BarReading:
    """What a strip's bands say together. `margin` is the natural-log odds of `text` from all bands at once, `agreeing`
    of `bands` say the same alone, `rivals` is the greatest margin of a band that says something else, `explained` and
    `worst` are medians over the agreeing bands, `halves` whether odd and even bands agree."""

    symbology: str
    text: str
    margin: float
    agreeing: int
    bands: int
    rivals: float
    explained: float
    worst: float
    halves: bool
    sigma: float
    module_px: float


def read_bars(grey: Grey, strip: Strip) -> BarReading | None:
    """The likeliest EAN-13, EAN-8 or UPC-E in a strip, right or wrong: `trust` says whether to believe it."""
    found = profiles(grey, strip)
    if found is None:
        return None
    first = _first_fit(found)
    if first is None or first[0].explained < _HOPELESS:
        return None
    return _over_bands(found, *first)


def _first_fit(found: Profiles) -> tuple[Fit, bool] | None:
    """The best fit to the middle bands, and whether it reads from right to left."""
    count = len(found.rows)
    base = found.rows[count // 3 : max(count // 3 + 1, count - count // 3)].mean(0)
    tried: list[tuple[Opening, Floats, bool]] = []
    for turned in (False, True):
        profile = base[::-1] if turned else base
        last = len(base) - 1
        extents = [(last - end, last - begin) for begin, end in found.extents] if turned else found.extents
        tried += [(openings(symbol, profile, extents), profile, turned) for symbol in SYMBOLS]
    tried.sort(key=lambda trial: trial[0].lack)
    best: tuple[Fit, bool] | None = None
    for opening, profile, turned in tried[:_TRIED]:
        fit = search(opening, profile)
        if best is None or fit.explained > best[0].explained:
            best = fit, turned
        if fit.explained > _GOOD:
            break
    return best


def _over_bands(found: Profiles, first: Fit, turned: bool) -> BarReading:
    """Follow the first fit from the middle band up and down, and put the bands together."""
    rows = found.rows[:, ::-1] if turned else found.rows
    middle = len(rows) // 2
    fits: dict[int, Fit] = {}
    for way in (range(middle, len(rows)), range(middle - 1, -1, -1)):
        near = first
        for band in way:
            fits[band] = follow(first.symbol, rows[band], near)
            if fits[band].explained > near.explained - 0.1:
                near = fits[band]
    ordered = [fits[band] for band in range(len(rows))]
    top = max(fit.explained for fit in ordered)
    sound = [fit for fit in ordered if fit.explained > max(0.5, top - 0.2)] or [first]
    text, margin = joined(sound)
    own = [fit for fit in sound if fit.text == text]
    halves = len(sound) > 1 and joined(sound[::2])[0] == joined(sound[1::2])[0] == text
    rivals = max((fit.margin for fit in ordered if fit.text != text), default=0.0)
    return BarReading(
        symbology=first.symbol.name,
        text=text,
        margin=margin,
        agreeing=len(own),
        bands=len(rows),
        rivals=rivals,
        explained=float(np.median([fit.explained for fit in own or sound])),
        worst=float(np.median([fit.worst for fit in own or sound])),
        halves=halves,
        sigma=first.blur.sigma,
        module_px=first.module_px,
    )
