"""The Grocery Store data set's photos: its lists, the held-out parts, and the distortions photos are trained with.
NumPy and OpenCV only.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Generator = np.random.Generator

STORED = 320
"""Height and width, px, at which decoded photos are kept in memory; the data set's are 348 on the short side."""


@dataclass(frozen=True)
class Classes:
    """Names by class number: `fine[i]` belongs to `coarse[coarse_of[i]]`; `iconic[i]` is its studio picture, relative
    to the data folder.
    """

    fine: tuple[str, ...]
    coarse: tuple[str, ...]
    coarse_of: tuple[int, ...]
    iconic: tuple[str, ...]


@dataclass(frozen=True)
class Photo:
    path: Path
    fine: int


def read_classes(folder: Path) -> Classes:
    """Reads `classes.csv`. Raises OSError, KeyError or ValueError where it is not there or not in that layout."""
    with (folder / "classes.csv").open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["Class ID (int)"]))
    coarse = {int(row["Coarse Class ID (int)"]): row["Coarse Class Name (str)"] for row in rows}
    return Classes(
        tuple(row["Class Name (str)"] for row in rows),
        tuple(coarse[number] for number in sorted(coarse)),
        tuple(int(row["Coarse Class ID (int)"]) for row in rows),
        tuple(row["Iconic Image Path (str)"].lstrip("/") for row in rows),
    )


def read_split(folder: Path, split: str) -> list[Photo]:
    """Reads `<split>.txt`, lines of "path, fine, coarse"."""
    found = []
    for line in (folder / f"{split}.txt").read_text(encoding="utf-8").splitlines():
        path, fine, _ = line.split(", ")
        found.append(Photo(folder / path, int(fine)))
    return found


def in_fold(photos: Sequence[Photo], fold: int, folds: int) -> NDArray[np.bool_]:
    """Which photos [N] belong to one fold: of every class a run of neighbours in file order.

    The photos of a class are numbered as they were taken, so neighbours show the same shelf on the same day. A fold of
    neighbours tells how the net does on a shelf it has not seen; one drawn at random would not.
    """
    chosen = np.zeros(len(photos), bool)
    fine = np.array([photo.fine for photo in photos])
    names = [photo.path.name for photo in photos]
    for label in np.unique(fine):
        places = sorted(np.flatnonzero(fine == label), key=lambda place: names[place])
        first, last = len(places) * fold // folds, len(places) * (fold + 1) // folds
        chosen[places[first:last]] = True
    return chosen


def load(path: Path, size: int) -> Image:
    """One photo as RGB [size, size, 3], the whole of it squashed to the square. Raises OSError where it can't be
    decoded.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise OSError(f"{path} is no picture OpenCV can read; is the data set complete?")
    shrinks = min(image.shape[:2]) >= size
    squashed = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.ascontiguousarray(squashed[:, :, ::-1]).astype(np.uint8)


def epoch_order(fine: NDArray[np.int64], rng: Generator, *, balance: float = 0.5) -> NDArray[np.int64]:
    """Which photos an epoch shows, [N] places in random order, as many as there are.

    A photo of a class with n photos is shown in proportion to n^-balance: 0 shows each once, 1 every class alike.
    Systematic sampling: each photo is shown its expected number of times, rounded up or down by chance.
    """
    counts = np.bincount(fine)
    weight = counts[fine].astype(np.float64) ** -balance
    edges = np.cumsum(weight / weight.sum() * len(fine))
    ticks = np.arange(len(fine)) + rng.random()
    drawn = np.minimum(np.searchsorted(edges, ticks), len(fine) - 1)
    rng.shuffle(drawn)
    return drawn.astype(np.int64)


def distort(image: Image, size: int, rng: Generator) -> Image:
    """A view of a photo [*, *, 3] as another camera might have had it, [size, size, 3].

    Part of it (0.35 to 1 of the area), turned, mirrored, under other light, sometimes blurred or noisy. Hue changes
    only as lamps change it: colour tells apples apart.
    """
    view = _crop(image, size, rng)
    if rng.random() < 0.15:
        view = np.asarray(cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 1.6)), np.uint8)
    return _relight(view, rng)


def _crop(image: Image, size: int, rng: Generator) -> Image:
    high, wide = image.shape[:2]
    area, ratio = rng.uniform(0.35, 1.0), math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    part_wide, part_high = min(math.sqrt(area * ratio), 1.0) * wide, min(math.sqrt(area / ratio), 1.0) * high
    centre = (rng.uniform(part_wide / 2, wide - part_wide / 2), rng.uniform(part_high / 2, high - part_high / 2))
    turn = rng.uniform(-25, 25) if rng.random() < 0.5 else 0.0
    turn += 90 * int(rng.integers(4)) if rng.random() < 0.15 else 0.0
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    across, down = part_wide / size, part_high / size
    # From a pixel of the view to the place in the photo, which is what WARP_INVERSE_MAP wants.
    matrix = np.array([[cos * across * mirror, -sin * down, 0.0], [sin * across * mirror, cos * down, 0.0]])
    matrix[:, 2] = np.array(centre) - matrix[:, :2] @ np.array([size / 2, size / 2])
    warped = cv2.warpAffine(
        image, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, np.uint8)


def _relight(view: Image, rng: Generator) -> Image:
    """Another lamp, in three of five views that of another shop: warmer or colder, and much darker. Saturation,
    contrast, brightness and white balance are one matrix [3, 4] that every pixel goes through; then some are shaded
    from a side, some lighter or darker in the middle tones, some noisy.
    """
    elsewhere = rng.random() < 0.6
    saturation, contrast = rng.uniform(0.7, 1.3), rng.uniform(0.75, 1.25)
    brightness = math.exp(rng.uniform(-0.75, 0.35)) if elsewhere else rng.uniform(0.7, 1.3)
    warmth = float(np.clip(rng.normal(0, 0.13), -0.3, 0.3)) if elsewhere else 0.0
    white = brightness * rng.uniform(0.92, 1.08, 3) * np.exp([warmth, 0.0, -warmth])
    colours = white[:, None] * contrast * (saturation * np.eye(3) + (1 - saturation) / 3)
    offsets = white * (1 - contrast) * float(np.mean(cv2.mean(view)[:3]))
    light = cv2.transform(view.astype(np.float32), np.hstack([colours, offsets[:, None]]).astype(np.float32))
    if rng.random() < 0.3:
        light = light * _shade(len(view), rng)[:, :, None]
    if rng.random() < 0.3:
        light = 255 * np.power(np.clip(light, 0, 255) / 255, np.float32(math.exp(rng.uniform(-0.35, 0.35))))
    if rng.random() < 0.15:
        light = light + rng.standard_normal(light.shape, np.float32) * np.float32(rng.uniform(2, 10))
    return np.clip(light, 0, 255).astype(np.uint8)


def _shade(size: int, rng: Generator) -> NDArray[np.float32]:
    """How much light [size, size] a picture gets that is lit from one side."""
    side, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.7)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    slope = math.cos(side) * ramp[None, :] + math.sin(side) * ramp[:, None]
    return np.clip(1 - depth * (0.5 * slope + 0.3), 0.15, 1.4).astype(np.float32)


def soft_targets(
    fine: NDArray[np.int64], coarse_of: Sequence[int], *, siblings: float = 0.04, others: float = 0.04
) -> NDArray[np.float32]:
    """Targets [N, classes]: 1 less `siblings`, spread over the classes of the same coarse class, less `others`, spread
    over all.
    """
    classes = len(coarse_of)
    coarse = np.asarray(coarse_of)
    near = (coarse[:, None] == coarse[None, :]).astype(np.float32)
    table = (
        (1 - siblings - others) * np.eye(classes, dtype=np.float32)
        + siblings * near / near.sum(1, keepdims=True)
        + others / classes
    )
    return np.asarray(table[fine], np.float32)
