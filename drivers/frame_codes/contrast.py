"""The grey picture that shows a strip's bars best: brightness or red light."""

from __future__ import annotations

import cv2
import numpy as np

from drivers.frame_codes.localise import Grey, Strip, upright
from drivers.frame_codes.scanning import Image

_RED_GAIN = 1.3
"""Red must show so many times the contrast of brightness: JPEG keeps colour at half the resolution."""
_COLUMNS = 160


def brightness(image: Image) -> Grey:
    """Grey as zxing-cpp and people see it."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8) if image.ndim == 3 else image


def red_light(image: Image) -> Grey | None:
    """What a laser scanner would see, for which barcodes are printed: red and orange paper is white, blue and green ink
    black. None for a picture without colour."""
    if image.ndim != 3 or float(np.abs(image[::4, ::4, 2].astype(np.int16) - image[::4, ::4, 1]).mean()) < 2:
        return None
    return np.ascontiguousarray(image[:, :, 2])


def best_shown(grey: Grey, red: Grey | None, strip: Strip) -> Grey:
    """Whichever of two pictures has more contrast across the strip."""
    if red is None or _spread(red, strip) < _RED_GAIN * _spread(grey, strip):
        return grey
    return red


def _spread(grey: Grey, strip: Strip) -> float:
    low, high = np.percentile(_line(grey, strip), (10, 90))
    return float(high - low)


def _line(grey: Grey, strip: Strip) -> Grey:
    thin = Strip(strip.centre, strip.across, strip.half_width, min(strip.half_height, 2.0), 0.0)
    stretch = min(1.0, max(_COLUMNS / (2 * strip.half_width), 0.5))
    return np.asarray(upright(grey, thin, margin=0.0, stretch=stretch).mean(0), np.uint8)
