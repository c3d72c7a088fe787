"""Where bars may be: patches whose gradients all run one way (structure tensor), turned to set the bars upright."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_SECTORS = 12
"""Of 15°, each seen with its neighbours' halves: a tilted or bent code's bars fan out by some degrees."""
LARGE = (320, 640)
"""Longest sides looked at first: large codes have gaps between bars that only a small picture closes."""
SMALL = (1280, 2560)
"""Longest sides for what is small in a large picture: the bars of a code a tenth as wide show at no smaller one."""


@dataclasses.dataclass(frozen=True)
class Strip:
    """A rectangle across bars: centre, unit vector across the bars, half lengths across and along, in pixels."""

    centre: tuple[float, float]
    across: tuple[float, float]
    half_width: float
    half_height: float
    weight: float

    def resized(self, factor: float) -> Strip:
        """The strip in the same picture, `factor` times as large."""
        x, y = self.centre
        half_width, half_height = self.half_width * factor, self.half_height * factor
        return Strip((x * factor, y * factor), self.across, half_width, half_height, self.weight)

    def near(self, x: float, y: float) -> bool:
        """True where a point lies within the strip or a quarter of its size beside it."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        u, v = dx * self.across[0] + dy * self.across[1], dy * self.across[0] - dx * self.across[1]
        return abs(u) < 1.25 * self.half_width and abs(v) < 1.25 * self.half_height + 0.1 * self.half_width


def strips(grey: Grey, count: int, sizes: Sequence[int] = LARGE) -> list[Strip]:
    """The `count` most bar-like places, best first, those of one place and direction merged, of a picture looked at
    with its longest side brought to each of `sizes`, never enlarged."""
    found: list[Strip] = []
    longest = max(grey.shape)
    for size in sorted({min(size, longest) for size in sizes}):
        scale = size / longest
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        found += [strip.resized(1 / scale) for strip in _strips(np.asarray(small, np.uint8))]
    found.sort(key=lambda strip: -strip.weight)
    kept: list[Strip] = []
    for strip in found:
        if not any(_same(strip, other) for other in kept):
            kept.append(strip)
    return kept[:count]


def _same(one: Strip, other: Strip) -> bool:
    parallel = abs(one.across[0] * other.across[0] + one.across[1] * other.across[1]) > 0.98
    size = 0.7 < one.half_width / other.half_width < 1.4
    distance = np.hypot(one.centre[0] - other.centre[0], one.centre[1] - other.centre[1])
    return bool(parallel and size and distance < 0.3 * other.half_width)


def _strips(grey: Grey) -> list[Strip]:
    soft = cv2.GaussianBlur(grey, (0, 0), 0.8).astype(np.float32)
    dx, dy = cv2.Scharr(soft, cv2.CV_32F, 1, 0), cv2.Scharr(soft, cv2.CV_32F, 0, 1)
    window = (13, 13)
    xx, yy, xy = (cv2.boxFilter(part, -1, window) for part in (dx * dx, dy * dy, dx * dy))
    energy = xx + yy
    coherence = np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (energy + 1e-3)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    # Sensor noise of some 4 levels gives an energy of about this after the smoothing above.
    strong = energy > max(400.0, 0.05 * float(np.percentile(energy, 97)))
    mask = strong & (coherence > 0.55)
    found: list[Strip] = []
    for sector in range(_SECTORS):
        middle = np.pi * sector / _SECTORS
        turned = np.abs((angle - middle + np.pi / 2) % np.pi - np.pi / 2) < np.pi / _SECTORS
        chosen = (mask & turned).astype(np.uint8)
        if int(chosen.sum()) < 80:
            continue
        chosen = np.asarray(cv2.morphologyEx(chosen, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)), np.uint8)
        chosen = np.asarray(cv2.morphologyEx(chosen, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)), np.uint8)
        number, labels, stats, _ = cv2.connectedComponentsWithStats(chosen)
        for label in sorted(range(1, number), key=lambda index: -int(stats[index, cv2.CC_STAT_AREA]))[:6]:
            if stats[label, cv2.CC_STAT_AREA] >= 150:
                x, y, wide, tall = (int(value) for value in stats[label, :4])
                box = np.s_[y : y + tall, x : x + wide]
                inside = labels[box] == label
                strip = _strip(inside, (x, y), xx[box][inside], yy[box][inside], xy[box][inside])
                if strip is not None:
                    found.append(strip)
    return found


def _strip(inside: npt.NDArray[np.bool_], corner: tuple[int, int], xx: Floats, yy: Floats, xy: Floats) -> Strip | None:
    way = 0.5 * float(np.arctan2(2 * xy.sum(), (xx - yy).sum()))
    ux, uy = float(np.cos(way)), float(np.sin(way))
    rows, columns = np.nonzero(inside)
    x, y = columns + corner[0], rows + corner[1]
    u, v = x * ux + y * uy, y * ux - x * uy
    # Percentiles leave out the few pixels of a neighbour that the closing joined on.
    low, high = (float(value) for value in np.percentile(u, (0.5, 99.5)))
    below, above = (float(value) for value in np.percentile(v, (2, 98)))
    half_width, half_height = (high - low) / 2, (above - below) / 2
    if half_width < 15 or half_height < 3:
        return None
    mid_u, mid_v = (low + high) / 2, (below + above) / 2
    fill = len(u) / (4 * half_width * half_height + 1)
    weight = float((xx + yy).sum()) ** 0.5 * min(fill, 1.0) * half_width**0.5
    return Strip((mid_u * ux - mid_v * uy, mid_u * uy + mid_v * ux), (ux, uy), half_width, half_height, weight)


def around(quad: Sequence[tuple[float, float]]) -> Strip:
    """The strip of a code read already; readers of lines tell its width well, and its height from few lines."""
    corners = np.array(quad)
    across = (corners[1] + corners[2] - corners[0] - corners[3]) / 2
    along = (corners[2] + corners[3] - corners[0] - corners[1]) / 2
    width = max(float(np.hypot(*across)), 1.0)
    ux, uy = (float(part) for part in across / width)
    height = abs(float(along[1] * ux - along[0] * uy))
    x, y = (float(part) for part in corners.mean(0))
    return Strip((x, y), (ux, uy), width / 2, max(height / 2, _LINES_SHARE * width), 0.0)


_LINES_SHARE = 0.05
"""Of the width, on each side of the line read: lower than any print of bars that is not cut."""


def upright(grey: Grey, strip: Strip, *, margin: float, stretch: float = 1.0) -> Grey:
    """The strip with its bars upright and `margin` of its width more on either side; `stretch` pixels a pixel."""
    wide = max(8, round(2 * strip.half_width * (1 + 2 * margin) * stretch))
    tall = max(4, round(2 * strip.half_height * stretch))
    ux, uy = strip.across
    # From patch to picture: the patch's middle is the strip's centre, its x axis runs across the bars.
    step = 1 / stretch
    matrix = np.array(
        [
            [ux * step, -uy * step, strip.centre[0] - step * (ux * (wide - 1) - uy * (tall - 1)) / 2],
            [uy * step, ux * step, strip.centre[1] - step * (uy * (wide - 1) + ux * (tall - 1)) / 2],
        ]
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(grey, matrix, (wide, tall), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
