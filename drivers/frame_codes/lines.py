"""Linear codes of any kind read by zxing-cpp from a strip's averaged lines: averaging along the bars takes noise out,
sharpening along a line narrows what blur has widened, and neither is possible in a picture of leaning bars.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import zxingcpp

from drivers.frame_codes.localise import Grey, Strip
from drivers.frame_codes.profiles import bands
from drivers.frame_codes.scanning import RETAIL, scan

_WIDTH = 900
"""Pixels across the strip, its margins aside: five a module of the longest code in common use."""
_STRETCH = (0.7, 4.0)
_SHARP = (0.5, 2.5)
"""Two, as they see the same lines: what wants three views' word (`trust`) must have been read otherwise as well."""
_BLUR_PX = 1.2
"""Of the picture: what is sharpened against."""
_ROWS = 6
_LEAST = 2
"""Bands that must say the same, where there are so many."""


def read_lines(grey: Grey, strip: Strip) -> Iterator[list[tuple[str, str]]]:
    """For each sharpening the one (text, AIM identifier) that its bands give, if none of them gives another. EAN and
    UPC are left to the templates, which say how sure they are."""
    stretch = float(np.clip(_WIDTH / (2 * strip.half_width), *_STRETCH))
    lines = bands(grey, strip, stretch)
    soft = np.array([cv2.GaussianBlur(line[None], (0, 0), _BLUR_PX * stretch)[0] for line in lines])
    for strength in _SHARP:
        found: list[tuple[str, str]] = []
        for line in np.clip(lines + strength * (lines - soft), 0, 255).astype(np.uint8):
            view = np.repeat(line[None], _ROWS, 0)
            found += [(code.text, code.symbology) for code in scan(view, binarizer=zxingcpp.Binarizer.GlobalHistogram)]
        agreed = len(set(found)) == 1 and len(found) >= min(_LEAST, len(lines)) and found[0][1] not in RETAIL
        yield found[:1] if agreed else []
