"""A still picture read with patience: zxing-cpp first, then bars by templates, then other views, until something is
certain or nothing is left to try. The work is bounded by counts, not by a clock, so that a picture reads alike on any
machine."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from drivers.frame_codes.bars import BarReading, read_bars
from drivers.frame_codes.contrast import best_shown, brightness, red_light
from drivers.frame_codes.lines import read_lines
from drivers.frame_codes.localise import SMALL, Strip, around, strips, upright
from drivers.frame_codes.scanning import RETAIL, FrameCode, Image, preparations, scan
from drivers.frame_codes.trust import Candidate, believed, certain

WORKING_MAX = 1600
"""Longest side of the picture that zxing-cpp sees again and again: a code that fills a fifth of it has three pixels a
module."""
_STRIPS = 4
_PLAIN = 0.85
"""Share explained by bars dark on light above which bars light on dark are not tried."""
_AIM = {"EAN-13": "]E0", "EAN-8": "]E4", "UPC-E": "]E0"}


def read_still_codes(image: Image) -> list[FrameCode]:
    """The product codes that can be believed in a still picture, grey or BGR of any size; none rather than a doubtful
    one."""
    return _Search(image).run()


class _Search:
    """Where codes are is sought in the picture at working size; what bars say is read at full size."""

    def __init__(self, image: Image) -> None:
        self._image, self._grey, self._red = image, brightness(image), red_light(image)
        self._finer = max(1.0, max(image.shape[:2]) / WORKING_MAX)
        self._candidates: list[Candidate] = []
        self._views = 0

    def run(self) -> list[FrameCode]:
        """What can be believed, after all looks that are needed."""
        # As it comes, at its full size, the picture shows zxing-cpp what nothing done to it can add.
        self._look(scan(self._image))
        small = self._grey
        if self._finer > 1:
            small = np.asarray(
                cv2.resize(small, None, fx=1 / self._finer, fy=1 / self._finer, interpolation=cv2.INTER_AREA), np.uint8
            )
            self._look(scan(small), self._finer)
        self._check()
        places = [strip.resized(self._finer) for strip in strips(small, _STRIPS)]
        self._read(places)
        if not self._candidates and self._finer > 1:
            finer = strips(self._grey, _STRIPS, SMALL)
            self._read(finer)
            places = [strip for pair in itertools.zip_longest(finer, places) for strip in pair if strip is not None]
        if self._done():
            return believed(self._candidates)
        for view, scale, binarizer in preparations(small):
            self._look(scan(view, binarizer=binarizer), self._finer / scale)
        if self._red is not None:
            self._look(scan(self._red))
        self._check()
        for strip in places[:2]:
            if not self._settled(strip):
                self._upright(strip)
        for strip in places[:_STRIPS]:
            if not self._settled(strip):
                self._lines(strip)
        return believed(self._candidates)

    def _read(self, places: list[Strip]) -> None:
        for strip in places:
            if not self._settled(strip):
                self._bars(strip)

    def _check(self) -> None:
        """Templates where zxing-cpp read a code, and only there."""
        for one in list(self._candidates):
            if one.code.symbology in RETAIL and not (one.bars or one.sure()):
                self._bars(around(one.code.quad))

    def _look(self, codes: list[FrameCode], finer: float = 1.0) -> None:
        """Count one more view, and the codes read in it, one pixel of which makes `finer` of the picture's."""
        self._views += 1
        for code in codes:
            self._candidate(code if finer == 1 else _resized(code, finer)).views.add(self._views)

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
        if found is None or (found.explained < _PLAIN and not certain(found)):
            negative = read_bars(cv2.bitwise_not(grey).astype(np.uint8), strip)
            found = negative if negative is not None and certain(negative) else found
        if found is None:
            return
        code = _code(found, strip)
        known = any(one.code.text == code.text for one in self._candidates)
        if certain(found) or known:
            self._candidate(code).bars.append(found)

    def _upright(self, strip: Strip) -> None:
        """The strip turned level, at two sizes, plain and sharpened: for what zxing-cpp loses by tilt."""
        largest = WORKING_MAX / (2 * strip.half_width)
        for stretch in sorted({min(1.0, largest), min(2.0, largest)}):
            patch = upright(self._grey, strip, margin=0.15, stretch=stretch)
            sharp = cv2.addWeighted(patch, 2.6, cv2.GaussianBlur(patch, (0, 0), 2.2 * max(1.0, stretch)), -1.6, 0)
            for view in (patch, np.asarray(sharp, np.uint8)):
                self._look([FrameCode(code.text, code.symbology, _quad(strip)) for code in scan(view)])

    def _lines(self, strip: Strip) -> None:
        for found in read_lines(self._grey, strip):
            self._look([FrameCode(text, symbology, _quad(strip)) for text, symbology in found])


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
