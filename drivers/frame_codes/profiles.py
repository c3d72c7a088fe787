"""Grey profiles across a strip of bars: rows averaged in bands along the bars, brought to 0 (light) … 1 (dark)."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import numpy.typing as npt

from drivers.frame_codes.localise import Grey, Strip, upright

Floats = npt.NDArray[np.float64]

MARGIN = 0.22
"""Of the strip's width on each side: 21 modules of an EAN-13, its quiet zones and an edge found ten modules late."""
_BANDS_MAX = 8
_BAND_PX = 3
_WIDTHS = (300, 700)
"""Profiles are drawn this many pixels wide across the strip: below, interpolation loses narrow bars; above is only
work (700 is 7 pixels a module of an EAN-13)."""
_CANDIDATES = 3
_PAIRS = 5
_EDGES_MIN = 14
"""Changes between light and dark of the shortest code, UPC-E, are 34; blur and glare hide more than half at worst."""


@dataclasses.dataclass(frozen=True, eq=False)
class Profiles:
    """`rows[i]` is the profile of band i, top to bottom; the bars run from about `begin` to `end` pixels for one of
    the pairs `extents`, likeliest first."""

    rows: Floats
    extents: tuple[tuple[float, float], ...]


def profiles(grey: Grey, strip: Strip) -> Profiles | None:
    """The strip's profiles, or None where nothing like bars runs through its middle."""
    width = 2 * strip.half_width
    stretch = float(np.clip(width, *_WIDTHS)) / width
    if stretch < 0.7:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.4 / stretch), np.uint8)
    patch = bands(grey, strip, stretch)
    count = len(patch)
    rows = np.array([_even(band) for band in patch])
    inner = slice(int(rows.shape[1] * MARGIN / (1 + 2 * MARGIN)), int(rows.shape[1] * (1 + MARGIN) / (1 + 2 * MARGIN)))
    if _changes(rows[count // 2, inner]) < _EDGES_MIN:
        return None
    return Profiles(rows, _extents(rows.mean(0), inner))


def bands(grey: Grey, strip: Strip, stretch: float) -> Floats:
    """Grey along the strip and its margins, [bands, pixels], at `stretch` pixels a pixel, its bars set upright."""
    patch = _parallel(_parallel(upright(grey, strip, margin=MARGIN, stretch=stretch)))
    tall = patch.shape[0]
    keep = patch[int(0.08 * tall) : max(int(0.92 * tall), int(0.08 * tall) + 1)].astype(np.float64)
    count = int(np.clip(keep.shape[0] / stretch / _BAND_PX, 1, _BANDS_MAX))
    return np.array([band.mean(0) for band in np.array_split(keep, count)])


def _even(profile: Floats) -> Floats:
    """Light taken out: 0 at the paper around, 1 at the ink around, each followed over a seventh of the width."""
    reach = max(5, len(profile) // 7) | 1
    line = profile[None].astype(np.float32)
    kernel = np.ones((1, reach), np.uint8)
    paper = cv2.blur(cv2.dilate(line, kernel), (reach, 1))[0].astype(np.float64)
    ink = cv2.blur(cv2.erode(line, kernel), (reach, 1))[0].astype(np.float64)
    least = max(4.0, 0.25 * float(np.percentile(paper - ink, 80)))
    return np.asarray((paper - profile) / np.maximum(paper - ink, least))


def _changes(profile: Floats) -> int:
    """How often a profile turns by a tenth of its contrast or more."""
    turns, rising, extreme = 0, True, float(profile[0])
    for value in profile:
        if (value - extreme) * (1 if rising else -1) > 0:
            extreme = float(value)
        elif abs(value - extreme) > 0.1:
            turns, rising, extreme = turns + 1, not rising, float(value)
    return turns


def _parallel(patch: Grey) -> Grey:
    """Bars that lean, or fan out as perspective makes them, set upright: their slope is taken in each third (from the
    structure tensor) and rows are shifted by a slope linear in x."""
    soft = cv2.GaussianBlur(patch, (0, 0), 1.0).astype(np.float32)
    dx, dy = cv2.Scharr(soft, cv2.CV_32F, 1, 0), cv2.Scharr(soft, cv2.CV_32F, 0, 1)
    wide = patch.shape[1]
    begin, length = wide * MARGIN / (1 + 2 * MARGIN), wide / (1 + 2 * MARGIN)
    middles, leans = [], []
    for third in range(3):
        part = np.s_[:, int(begin + third * length / 3) : int(begin + (third + 1) * length / 3)]
        along = float((dx[part] ** 2).sum())
        middles.append(begin + (third + 0.5) * length / 3)
        leans.append(-float((dx[part] * dy[part]).sum()) / (along + 1.0))
    slope, level = np.polyfit(middles, np.clip(leans, -0.4, 0.4), 1)
    x, y = np.meshgrid(np.arange(wide, dtype=np.float32), np.arange(patch.shape[0], dtype=np.float32))
    x = x + (y - patch.shape[0] / 2) * (np.float32(level) + np.float32(slope) * x)
    return np.asarray(
        cv2.remap(patch, x.astype(np.float32), y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _extents(profile: Floats, inner: slice) -> tuple[tuple[float, float], ...]:
    """Where the bars may begin and end: quiet zones are light for longer than any space within the code."""
    dark = profile > 0.4
    edges = np.flatnonzero(np.diff(dark.astype(np.int8)))
    rises, falls = edges[~dark[edges]], edges[dark[edges]]
    length = inner.stop - inner.start
    middle = (inner.start + inner.stop) / 2
    begins = _after_quiet(rises[rises < middle - 0.12 * length], falls, length)
    mirrored_falls, mirrored_rises = (len(profile) - 2 - part[::-1] for part in (falls, rises))
    beyond = len(profile) - 2 - (middle + 0.12 * length)
    ends = _after_quiet(mirrored_falls[mirrored_falls < beyond], mirrored_rises, length)
    pairs = [(light + other, begin, len(profile) - 1 - end) for light, begin in begins for other, end in ends]
    pairs.sort(reverse=True)
    return tuple((begin, end) for _, begin, end in pairs[:_PAIRS]) or ((float(inner.start), float(inner.stop)),)


def _after_quiet(rises: npt.NDArray[np.intp], falls: npt.NDArray[np.intp], length: int) -> list[tuple[float, float]]:
    """(length of the light before, place) of the places where dark begins after the longest light. A light longer than
    a tenth of the code counts no more for being longer."""
    quiet: list[tuple[float, float]] = []
    for rise in rises:
        before = falls[falls < rise]
        light = float(rise - before[-1]) if before.size else float(length)
        quiet.append((min(light, length / 10), float(rise) + 0.5))
    return sorted(quiet, reverse=True)[:_CANDIDATES]
