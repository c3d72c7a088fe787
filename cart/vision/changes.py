"""Where two pictures of the basket differ by things, not by light: a mask, and the regions in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from cart.vision.small_frames import HEIGHT, WIDTH, Field, Mask, SmallFrame, difference

LIGHT_MIN: Final = 0.22
"""A change of light by a quarter: less is what lamps, shadows' edges and moiré of the mesh do."""
COLOUR_MIN: Final = 0.13
"""In log chromaticity; an orange on a grey floor has 1.5, two kinds of apple on each other 0.2."""
NOISE_FACTOR: Final = 5.0
"""Five standard deviations of the sensor's own noise, measured on this camera."""
AREA_MIN: Final = 40
"""Pixels of the small frame, 10 cm²: a sachet, a plum."""
SHADOW_ALIKE: Final = 0.55
"""Where the fine detail before and after correlates so well, the same things lie in another light."""

FULL: Final = 248
NEAR_FULL: Final = 140
AGREEMENT_MIN: Final = 0.15
BETTER: Final = 0.8
SHIFT_MIN: Final = 0.4
SHIFT_MAX: Final = 6.0
"""Small pixels, 3 cm: a mount that gave by more has to be looked at, not reckoned away."""

_WINDOW: Final = cv2.createHanningWindow((WIDTH, HEIGHT), cv2.CV_32F)
_OPEN: Final = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
_CLOSE: Final = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
_NEAR: Final = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


@dataclasses.dataclass(frozen=True)
class Region:
    """One connected change: its mask (HEIGHT × WIDTH), its bounding box in small pixels, its area in them."""

    mask: Mask
    left: int
    top: int
    width: int
    height: int
    area: int

    @property
    def crossing(self) -> int:
        """Over how many pixels it crosses the picture's edge, at the side where it does most."""
        edges = (self.mask[0], self.mask[-1], self.mask[:, 0], self.mask[:, -1])
        return max(int(np.count_nonzero(edge)) for edge in edges)


def changed(before: SmallFrame, after: SmallFrame, noise: float, *, fit: bool = True) -> Mask:
    """255 where they differ. `noise` is the standard deviation of log light between two pictures of the same."""
    light, colour = difference(before, after, fit=fit)
    # Near black the logarithm makes much of little; the thresholds grow as the noise does there.
    dark = np.minimum(before.light, after.light)
    louder = np.clip(np.exp(4.0 - dark), 1.0, 4.0)
    over_light = np.abs(light) > np.maximum(LIGHT_MIN, NOISE_FACTOR * noise) * louder
    over_colour = colour > np.maximum(COLOUR_MIN, 1.5 * NOISE_FACTOR * noise) * louder
    over = (over_light | over_colour) & ~_blinded(before, after)
    mask = over.astype(np.uint8) * np.uint8(255)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _OPEN).astype(np.uint8, copy=False)
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _CLOSE).astype(np.uint8, copy=False)


def steadied(basket: SmallFrame, frame: SmallFrame) -> SmallFrame:
    """The frame shifted onto the basket's picture, where all of it is a little beside: wheels and kerbs shake the
    camera. By the phase of the cross-spectrum (Kuglin & Hines 1975); an arm in the picture costs it little."""
    # Copies: OpenCV multiplies the window into pictures whose size suits its Fourier transform.
    (x, y), agreement = cv2.phaseCorrelate(basket.light.copy(), frame.light.copy(), _WINDOW)
    if agreement < AGREEMENT_MIN or not SHIFT_MIN < max(abs(x), abs(y)) < SHIFT_MAX:
        return frame
    matrix = np.array([[1, 0, -x], [0, 1, -y]], np.float64)
    moved = cv2.warpAffine(frame.image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    steady = SmallFrame(frame.t_ns, moved.astype(np.uint8, copy=False))
    return steady if _unlike(basket, steady) < BETTER * _unlike(basket, frame) else frame


def _unlike(basket: SmallFrame, frame: SmallFrame) -> float:
    """Median difference of log light; what an arm covers is less than half and does not count."""
    apart = (frame.light - basket.light)[::2, ::2]
    return float(np.median(np.abs(apart - np.median(apart))))


def _blinded(before: SmallFrame, after: SmallFrame) -> npt.NDArray[np.bool_]:
    """Where the sensor was at its limit in one picture and near it in the other: neither light nor colour is known."""
    one, other = before.brightest, after.brightest
    blinded: npt.NDArray[np.bool_] = (np.maximum(one, other) >= FULL) & (np.minimum(one, other) >= NEAR_FULL)
    return blinded


def noise_of(before: SmallFrame, after: SmallFrame) -> float:
    """The standard deviation of log light between two pictures of a basket at rest, from its median (Rousseeuw & Croux
    1993: σ = 1.4826 times the median deviation), so that what did move doesn't count."""
    apart = after.light[::2, ::2] - before.light[::2, ::2]
    return float(1.4826 * np.median(np.abs(apart - np.median(apart))))


def regions(mask: Mask) -> list[Region]:
    """The connected changes, largest first; what lies within two pixels of each other is one thing."""
    near = cv2.dilate(mask, _NEAR)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    found = []
    for label in range(1, count):
        left, top, width, height = (int(value) for value in boxes[label][:4])
        part = np.zeros_like(mask)
        window = np.s_[top : top + height, left : left + width]
        part[window] = np.where(labels[window] == label, mask[window], 0)
        area = int(np.count_nonzero(part[window]))
        if area >= AREA_MIN:
            x, y, w, h = cv2.boundingRect(part)
            found.append(Region(part, x, y, w, h, area))
    return sorted(found, key=lambda region: -region.area)


def together(parts: Sequence[Region]) -> Region:
    """Several changes as one."""
    mask = np.maximum.reduce([part.mask for part in parts])
    x, y, w, h = cv2.boundingRect(mask)
    return Region(mask, x, y, w, h, sum(part.area for part in parts))


def only_light(before: SmallFrame, after: SmallFrame, region: Region) -> bool:
    """Whether a region is the same things in another light: its fine detail stayed and its colours did too."""
    rows, columns = slice(region.top, region.top + region.height), slice(region.left, region.left + region.width)
    inside = region.mask[rows, columns] > 0
    one, other = _detail(before.light)[rows, columns][inside], _detail(after.light)[rows, columns][inside]
    spread = float(one.std() * other.std())
    alike = float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread > 1e-6 else 0.0
    _, colour = difference(before, after)
    return alike > SHADOW_ALIKE and float(np.median(colour[rows, columns][inside])) < COLOUR_MIN


def _detail(light: Field) -> Field:
    return (light - cv2.blur(light, (7, 7))).astype(np.float32, copy=False)
