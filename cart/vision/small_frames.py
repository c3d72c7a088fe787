"""A frame made small and put into numbers that lamps change little: what the search for changes works on.

Light that gets stronger multiplies every pixel, so in logarithms it adds, and adds the same to blue, green and red:
differences of logarithms (log chromaticity: Finlayson & Hordley 2001, J. Opt. Soc. Am. A 18:253) hardly feel it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8]
"""height × width, 255 where it holds."""
Field = npt.NDArray[np.float32]

WIDTH: Final = 160
HEIGHT: Final = 120
"""A basket of 80 × 50 cm is then seen at half a centimetre a pixel: a plum is 8 pixels wide, and noise of the sensor is
averaged over 16 of its pixels."""
OFFSET: Final = 10.0
"""Added before the logarithm: near black, noise is all there is, and must not become colour."""
_LOGARITHMS: Final = np.log(np.arange(256, dtype=np.float32) + np.float32(OFFSET))
_BLOCKS: Final = (10, 8)
_FIT_ROUNDS: Final = 4
_FIT_SCALE: Final = 0.12


class SmallFrame:
    """`image` is HEIGHT × WIDTH × 3 bytes. The logarithms are taken when they are first asked for: most frames of a
    cart's day show a basket at rest, and nobody asks."""

    def __init__(self, t_ns: int, image: Image) -> None:
        self.t_ns = t_ns
        self.image = image

    @cached_property
    def _logs(self) -> Field:
        return cv2.LUT(self.image, _LOGARITHMS).astype(np.float32, copy=False)

    @cached_property
    def brightest(self) -> Image:
        """The strongest of each pixel's three channels."""
        blue, green, red = cv2.split(self.image)
        return cv2.max(cv2.max(blue, green), red).astype(np.uint8, copy=False)

    @cached_property
    def light(self) -> Field:
        """Log luminance."""
        logs = self._logs
        light: Field = 0.114 * logs[..., 0] + 0.587 * logs[..., 1] + 0.299 * logs[..., 2]
        return light

    @cached_property
    def chroma(self) -> Field:
        """log(blue/green) and log(red/green)."""
        logs = self._logs
        chroma: Field = logs[..., (0, 2)] - logs[..., 1:2]
        return chroma


def small_frame(image: Image, t_ns: int) -> SmallFrame:
    """From a camera's frame of any size (height × width × 3, blue green red)."""
    little: Image = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return SmallFrame(t_ns, little)


def difference(before: SmallFrame, after: SmallFrame, *, fit: bool = True) -> tuple[Field, Field]:
    """How the two differ beyond a change of lamps: (signed log light, size of the change of colour), HEIGHT × WIDTH.

    A lamp's change is taken out as a smooth surface for light, fitted so that things which came or went don't pull it
    (`fit`; otherwise one number for all), and as one number a channel for colour: white balance.
    """
    light = after.light - before.light
    light = light - (_lamp_change(light) if fit else np.float32(np.median(light[::2, ::2])))
    chroma = after.chroma - before.chroma
    chroma = chroma - np.median(chroma[::2, ::2], axis=(0, 1))
    return light, np.sqrt((chroma**2).sum(axis=2))


def _surface(columns: int, rows: int) -> Field:
    """The terms 1, x, y, x², xy, y² over a grid, a row a cell."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j].astype(np.float32)
    terms: Field = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6).astype(np.float32)
    return terms


_COARSE: Final = _surface(*_BLOCKS)
_LITTLE: Final = 0.05 * np.eye(6, dtype=np.float32)
"""Keeps terms small that the agreeing blocks say nothing about."""
_FINE: Final = _surface(WIDTH, HEIGHT)


def _lamp_change(light: Field) -> Field:
    """A quadratic surface through the blocks' medians, weighing down blocks that don't agree (Cauchy's weights)."""
    columns, rows = _BLOCKS
    blocks = light.reshape(rows, HEIGHT // rows, columns, WIDTH // columns).transpose(0, 2, 1, 3)
    levels = np.median(blocks.reshape(rows * columns, -1)[:, ::3], axis=1).astype(np.float32)
    weights = 1 / (1 + ((levels - np.median(levels)) / _FIT_SCALE) ** 2)
    terms = np.zeros(6, np.float32)
    for _ in range(_FIT_ROUNDS):
        weighted = _COARSE * weights[:, None]
        normal = weighted.T @ _COARSE + _LITTLE
        terms = cv2.solve(normal, weighted.T @ levels[:, None], flags=cv2.DECOMP_CHOLESKY)[1].ravel().astype(np.float32)
        weights = 1 / (1 + ((levels - _COARSE @ terms) / _FIT_SCALE) ** 2)
    surface: Field = (_FINE @ terms).reshape(HEIGHT, WIDTH)
    return surface
