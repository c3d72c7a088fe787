"""A still picture read with patience: zxing-cpp first, then bars by templates, then other views, until something is
certain or nothing is left to try. The work is bounded by counts, not by a clock, so that a picture reads alike on any
machine."""

from __future__ import annotations

import cv2
import numpy as np

from drivers.frame_codes.bars import BarReading, read_bars
from drivers.frame_codes.contrast import best_shown, brightness, light_on_dark, red_light
from drivers.frame_codes.localise import Strip, around, strips, upright
from drivers.frame_codes.scanning import RETAIL, FrameCode, Image, preparations, scan
from drivers.frame_codes.trust import Candidate, believed, certain

WORKING_MAX = 1600
"""Longest side worked at: a code that fills a fifth of it has three pixels a module."""
_STRIPS = 4
_AIM = {"EAN-13": "]E0", "EAN-8": "]E4", "UPC-E": "]E0"}


def read_still_codes(image: Image) -> list[FrameCode]:
    """The product codes that can be believed in a still picture, grey or BGR of any size; none rather than a doubtful
    one."""
    scale = min(1.0, WORKING_MAX / max(image.shape[:2]))
    small = (
        np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        if scale < 1
        else image
    )
    search = _Search(small)
    # As it comes, at its full size, the picture shows zxing-cpp what nothing done to it can add.
    search.look([_resized(code, scale) for code in scan(image)])
    if scale < 1:
        search.look(scan(small))
    return [_resized(code, 1 / scale) for code in search.run()]


class _Search:
    def __init__(self, image: Image) -> None:
        self._grey, self._red = brightness(image), red_light(image)
        self._candidates: list[Candidate] = []
        self._views = 0

    def run(self) -> list[FrameCode]:
        """What can be believed, after all looks that are needed."""
        for one in list(self._candidates):
            if one.code.symbology in RETAIL and not one.sure():
                self._bars(around(one.code.quad))
        places = strips(self._grey, _STRIPS)
        for strip in places:
            if not self._settled(strip):
                self._bars(strip)
        if self._done():
            return believed(self._candidates)
        for view, scale, binarizer in preparations(self._grey):
            self.look([_resized(code, 1 / scale) for code in scan(view, binarizer=binarizer)])
        if self._red is not None:
            self.look(scan(self._red))
        for strip in places[:2]:
            if not self._settled(strip):
                self._upright(strip)
        return believed(self._candidates)

    def look(self, codes: list[FrameCode]) -> None:
        """Count one more view, and the codes read in it."""
        self._views += 1
        for code in codes:
            self._candidate(code).views.add(self._views)

    def _candidate(self, code: FrameCode) -> Candidate:
        for known in self._candidates:
            if (known.code.text, known.code.symbology) == (code.text, code.symbology):
                return known
        self._candidates.append(Candidate(code))
        return self._candidates[-1]

    def _settled(self, strip: Strip) -> bool:
        """True where a sure code, or one that is no EAN or UPC, lies in the strip."""
        inside = [one for one in self._candidates if strip.near(*_centre(one.code))]
        return any(one.sure() or one.code.symbology not in RETAIL for one in inside)

    def _done(self) -> bool:
        return bool(self._candidates) and all(one.sure() for one in self._candidates)

    def _bars(self, strip: Strip) -> None:
        grey = best_shown(self._grey, self._red, strip)
        found = read_bars(grey, strip)
        if (found is None or not certain(found)) and light_on_dark(grey, strip):
            found = read_bars(cv2.bitwise_not(grey).astype(np.uint8), strip) or found
        if found is None:
            return
        code = _code(found, strip)
        known = any(one.code.text == code.text for one in self._candidates)
        if certain(found) or known:
            self._candidate(code).bars.append(found)

    def _upright(self, strip: Strip) -> None:
        """The strip turned level, at two sizes, plain and sharpened: for what zxing-cpp loses by tilt."""
        for stretch in (1.0, 2.0):
            if strip.half_width * stretch > WORKING_MAX / 2:
                continue
            patch = upright(self._grey, strip, margin=0.15, stretch=stretch)
            sharp = cv2.addWeighted(patch, 2.6, cv2.GaussianBlur(patch, (0, 0), 2.2 * stretch), -1.6, 0)
            for view in (patch, np.asarray(sharp, np.uint8)):
                self.look([FrameCode(code.text, code.symbology, _quad(strip)) for code in scan(view)])


def _code(found: BarReading, strip: Strip) -> FrameCode:
    text = found.text[1:] if found.symbology == "EAN-13" and found.text[0] == "0" else found.text
    return FrameCode(text, _AIM[found.symbology], _quad(strip))


def _quad(strip: Strip) -> tuple[tuple[float, float], ...]:
    (x, y), (ux, uy) = strip.centre, strip.across
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return tuple(
        (
            x + a * strip.half_width * ux - b * strip.half_height * uy,
            y + a * strip.half_width * uy + b * strip.half_height * ux,
        )
        for a, b in corners
    )


def _centre(code: FrameCode) -> tuple[float, float]:
    x, y = (sum(corner[axis] for corner in code.quad) / len(code.quad) for axis in (0, 1))
    return x, y


def _resized(code: FrameCode, factor: float) -> FrameCode:
    return FrameCode(code.text, code.symbology, tuple((x * factor, y * factor) for x, y in code.quad))
