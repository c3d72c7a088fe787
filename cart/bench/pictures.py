"""Pictures of products as they lie in a basket: drawn by kind and colour, or photographs from a folder.

Drawn ones are the same on every machine and need no data: a shape and a colour by what the product is, a texture and a
label from its name, a real barcode where it has one. They are made to be told apart by eye and to move like things, not
to train or judge a classifier with.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from cart.bench.product_kinds import Kind, Shape, kind_of
from cart.core.problem import Problem

Picture = npt.NDArray[np.uint8]

PHOTO_SUFFIXES: Final = {".jpg", ".jpeg", ".png"}
PHOTO_PIXELS_MAX: Final = 150
"""A photograph's longer side in the basket: the size of a litre carton."""


_Key = tuple[str, str, str, float]


class Sprite(NamedTuple):
    """A product cut out: `bgr` height × width × 3, `alpha` height × width with 255 where it covers."""

    bgr: Picture
    alpha: Picture


class ProductPictures:
    """Sprites by product, each made once. With a folder, its photographs first."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` holds photographs: CLASS/*.jpg by vision class, or SKU.jpg. Raises Problem where it has none."""
        self._made: dict[_Key, Sprite] = {}
        self._photos: dict[str, list[Path]] = {}
        if folder is not None:
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in PHOTO_SUFFIXES:
                    self._photos.setdefault(path.stem, []).append(path)
                    self._photos.setdefault(path.parent.name, []).append(path)
            if not self._photos:
                raise Problem(f"{folder}: no photographs there; name a folder with CLASS/*.jpg, or SKU.jpg files")

    def sprite(
        self,
        *,
        vision_class: str | None,
        label: str,
        sku: str = "",
        code: str = "",
        number: int = 0,
        scale: float = 1.0,
    ) -> Sprite:
        """The product's picture; `code` is drawn on packages as a barcode; `number` chooses among photographs; `scale`
        is how much nearer to the lens than the basket's floor it is."""
        paths = self._photos.get(sku) or self._photos.get(vision_class or "") or []
        if paths:
            path = paths[number % len(paths)]
            return self._cached(("photo", str(path), "", scale), lambda: _photo(path, scale))
        kind = kind_of(vision_class, label)
        return self._cached((vision_class or "", label, code, scale), lambda: draw(kind, label, code, scale))

    def _cached(self, key: _Key, make: Callable[[], Sprite]) -> Sprite:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def _photo(path: Path, nearer: float) -> Sprite:
    """A photograph as a thing: its middle, with rounded and softened edges."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise Problem(f"{path}: not a picture that OpenCV reads; take it out of the folder")
    scale = PHOTO_PIXELS_MAX * nearer / max(image.shape[:2])
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    alpha = np.zeros(small.shape[:2], np.uint8)
    cv2.ellipse(alpha, (size[0] // 2, size[1] // 2), (size[0] // 2 - 2, size[1] // 2 - 2), 0, 0, 360, (255.0,), -1)
    return Sprite(small.astype(np.uint8), cv2.GaussianBlur(alpha, (5, 5), 0).astype(np.uint8))


def draw(kind: Kind, label: str, code: str = "", scale: float = 1.0) -> Sprite:
    """Draw a product of `kind`; its texture and label come from its name, the same every time."""
    over = 2 if scale <= 1 else 1
    size = (round(kind.width * scale), round(kind.height * scale))
    width, height = size[0] * over, size[1] * over
    rng = np.random.default_rng(zlib.crc32(label.encode()))
    mask = np.zeros((height, width), np.uint8)
    for outline in _outlines(kind.shape, rng):
        points = np.stack([(outline[:, 0] + 1) / 2 * (width - 1), (outline[:, 1] + 1) / 2 * (height - 1)], axis=1)
        cv2.fillPoly(mask, [points.round().astype(np.int32)], (255.0,))
    colour = np.empty((height, width, 3), np.float32)
    colour[:] = kind.colour
    _PAINTERS.get(kind.shape, _paint_fruit)(colour, kind, rng)
    flat = kind.shape in {"carton", "box", "bag"}
    light = _relief(mask, flatness=0.16 if flat else 0.75)
    if kind.shape in {"can", "bottle"}:
        light = _cylinder(width)[None, :] * (0.75 + 0.25 * light)
    shaded = colour * light[..., None] + (38.0 * np.clip(light - 1.12, 0, 1) * 8)[..., None]
    if code and kind.shape in {"carton", "box", "bag", "can", "bottle"}:
        _paste_code(shaded, code)
    bgr = cv2.resize(np.clip(shaded, 0, 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    return Sprite(bgr.astype(np.uint8), cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.uint8))


def _ellipse(x: float = 0.0, y: float = 0.0, rx: float = 0.96, ry: float = 0.96) -> npt.NDArray[np.float64]:
    turn = np.linspace(0, 2 * np.pi, 73)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1)


def _outlines(  # noqa: C901, PLR0911 - a table of shapes
    shape: Shape, rng: np.random.Generator
) -> list[npt.NDArray[np.float64]]:
    """Closed outlines in a square from −1 to 1."""
    turn = np.linspace(0, 2 * np.pi, 97)
    down = np.sin(turn)
    if shape == "pear":
        return [np.stack([np.cos(turn) * (0.62 + 0.32 * down), 0.96 * down], axis=1)]
    if shape == "lemon":
        return [
            np.stack(
                [0.95 * np.cos(turn) * np.abs(np.cos(turn)) ** 0.15, 0.97 * down * (1 - 0.1 * np.cos(turn) ** 2)],
                axis=1,
            )
        ]
    if shape == "banana":
        bend = np.linspace(0.12 * np.pi, 0.88 * np.pi, 40)
        outer = np.stack([1.0 * np.cos(bend), 1.75 * np.sin(bend) - 0.85], axis=1)
        inner = np.stack([0.98 * np.cos(bend), 0.85 * np.sin(bend) - 0.62], axis=1)[::-1]
        return [np.concatenate([outer, inner])]
    if shape == "long":
        return [
            np.stack(
                [
                    np.cos(turn) * np.where(down > 0, 0.95 - 0.5 * down**3, 0.95),
                    0.98 * np.sign(down) * np.abs(down) ** 0.6,
                ],
                axis=1,
            )
        ]
    if shape == "lumpy":
        radius = 0.82 + 0.13 * np.cos(2 * turn + rng.uniform(0, 6)) * np.cos(3 * turn + rng.uniform(0, 6))
        return [np.stack([radius * np.cos(turn), radius * down], axis=1)]
    if shape == "pepper":
        radius = 0.86 + 0.08 * np.cos(4 * turn)
        return [np.stack([radius * np.cos(turn), radius * down * 0.95 + 0.05], axis=1), _ellipse(0, -0.85, 0.1, 0.14)]
    if shape == "vine":
        places = [(-0.6, 0.35), (-0.18, -0.35), (0.22, 0.4), (0.62, -0.3)]
        stalk = np.array([[-0.9, -0.1], [0.9, -0.05], [0.9, 0.08], [-0.9, 0.05]])
        return [stalk, *(_ellipse(x, y, 0.36, 0.58) for x, y in places)]
    if shape == "pineapple":
        leaves = [
            np.array([[0.0, -0.2], [lean, -0.98], [lean * 0.4 + 0.2, -0.2]]) for lean in (-0.7, -0.35, 0.0, 0.35, 0.7)
        ]
        return [*leaves, _ellipse(0, 0.3, 0.9, 0.68)]
    if shape == "bottle":
        return [
            np.array(
                [
                    [-0.3, -1],
                    [0.3, -1],
                    [0.34, -0.62],
                    [0.92, -0.35],
                    [0.96, 0.98],
                    [-0.96, 0.98],
                    [-0.92, -0.35],
                    [-0.34, -0.62],
                ]
            )
        ]
    if shape == "can":
        return [
            np.array(
                [
                    [-0.8, -0.98],
                    [0.8, -0.98],
                    [0.97, -0.88],
                    [0.97, 0.88],
                    [0.8, 0.98],
                    [-0.8, 0.98],
                    [-0.97, 0.88],
                    [-0.97, -0.88],
                ]
            )
        ]
    if shape == "bag":
        edge = np.linspace(-0.97, 0.97, 19)
        top = np.stack([edge, -0.97 + 0.05 * (np.arange(19) % 2)], axis=1)
        bottom = np.stack([edge[::-1], 0.97 - 0.05 * (np.arange(19) % 2)], axis=1)
        return [np.concatenate([top, [[0.9, 0.0]], bottom, [[-0.9, 0.0]]])]
    if shape in {"carton", "box"}:
        return [np.array([[-0.97, -0.98], [0.97, -0.98], [0.97, 0.98], [-0.97, 0.98]])]
    return [_ellipse()]


def _relief(mask: Picture, *, flatness: float) -> npt.NDArray[np.float32]:
    """Brightness of the shape as if blown up from its outline, lit from the upper left; about 1."""
    deep = cv2.distanceTransform(mask, cv2.DIST_L2, 3).astype(np.float32)
    reach = max(1.0, float(deep.max()) * (1.0 if flatness > 0.5 else 0.22))
    part = np.clip(deep / reach, 0, 1)
    high = cv2.GaussianBlur(np.sqrt(1 - (1 - part) ** 2) * reach, (0, 0), 2.0)
    slope_x, slope_y = cv2.Sobel(high, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(high, cv2.CV_32F, 0, 1, scale=0.125)
    across = flatness * 0.9
    lit = (1.0 + across * (slope_x + slope_y) * 0.6) / np.sqrt(1 + across**2 * (slope_x**2 + slope_y**2))
    light: npt.NDArray[np.float32] = np.clip(0.28 + 0.86 * lit, 0.2, 1.35).astype(np.float32)
    return light


def _cylinder(width: int) -> npt.NDArray[np.float32]:
    across = np.linspace(-1, 1, width, dtype=np.float32)
    light: npt.NDArray[np.float32] = 0.62 + 0.5 * np.exp(-(((across + 0.35) / 0.45) ** 2)) - 0.18 * np.abs(across) ** 3
    return light.astype(np.float32)


def _paint_fruit(colour: npt.NDArray[np.float32], kind: Kind, rng: np.random.Generator) -> None:
    """Blotches, specks, and a stem's dimple; a second colour where fruit is two-coloured."""
    height, width = colour.shape[:2]
    blotch = cv2.resize(rng.normal(0, 1, (6, 6)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    if kind.second != Kind("round", (0, 0, 0), 0, 0).second and kind.shape == "round":
        mix = np.clip(0.35 + 0.35 * blotch, 0, 1)[..., None]
        colour[:] = colour * (1 - mix) + np.array(kind.second, np.float32) * mix
    colour *= (1 + 0.06 * blotch)[..., None]
    colour *= (1 + 0.05 * rng.normal(0, 1, (height, width)).astype(np.float32))[..., None]
    if kind.shape in {"round", "pepper", "pear"}:
        at = (width // 2, int(height * (0.14 if kind.shape != "round" else 0.34)))
        dimple = np.zeros((height, width), np.float32)
        cv2.circle(dimple, at, max(3, width // 9), (1.0,), -1)
        colour *= (1 - 0.45 * cv2.GaussianBlur(dimple, (0, 0), width / 14))[..., None]
        cv2.line(colour, at, (at[0] + width // 16, at[1] - height // 8), (40, 70, 90), max(2, width // 24), cv2.LINE_AA)


def _paint_banana(colour: npt.NDArray[np.float32], kind: Kind, rng: np.random.Generator) -> None:
    height, width = colour.shape[:2]
    for x in (0.03, 0.97):
        cv2.circle(colour, (int(width * x), int(height * 0.12)), width // 16, kind.second, -1)
    for bend in (0.45, 0.6):
        cv2.ellipse(
            colour,
            (width // 2, int(height * 0.1)),
            (int(width * 0.46), int(height * (bend + 0.15))),
            0,
            15,
            165,
            (55, 180, 215),
            2,
        )
    for x, y in rng.uniform(0.1, 0.9, (14, 2)):
        cv2.circle(colour, (int(width * x), int(height * y)), 2, (45, 110, 140), -1)


def _paint_long(colour: npt.NDArray[np.float32], kind: Kind, rng: np.random.Generator) -> None:
    height, width = colour.shape[:2]
    for y in rng.uniform(0.08, 0.95, 16):
        cv2.line(
            colour, (0, int(height * y)), (width, int(height * y) + 3), tuple(0.86 * part for part in kind.colour), 2
        )
    colour[: int(height * 0.07)] = kind.second


def _paint_vine(colour: npt.NDArray[np.float32], kind: Kind, rng: np.random.Generator) -> None:
    _paint_fruit(colour, kind, rng)
    height, width = colour.shape[:2]
    cv2.line(colour, (0, height // 2), (width, height // 2), kind.second, max(4, height // 18))
    for x, y in ((0.2, 0.67), (0.41, 0.32), (0.61, 0.7), (0.81, 0.35)):
        centre = (int(width * x), int(height * y))
        for turn in np.linspace(0, 2 * np.pi, 6)[:-1]:
            tip = (int(centre[0] + 0.06 * width * np.cos(turn)), int(centre[1] + 0.1 * height * np.sin(turn)))
            cv2.line(colour, centre, tip, kind.second, 4)


def _paint_pineapple(colour: npt.NDArray[np.float32], kind: Kind, rng: np.random.Generator) -> None:
    height, width = colour.shape[:2]
    step = width // 6
    for at in range(-height, width + height, step):
        cv2.line(colour, (at, 0), (at + height, height), (40, 85, 120), 3)
        cv2.line(colour, (at, 0), (at - height, height), (40, 85, 120), 3)
    colour[: int(height * 0.34)] = kind.second
    colour[: int(height * 0.34)] *= (1 + 0.1 * rng.normal(0, 1, (1, width, 1))).astype(np.float32)


def _paint_cup(colour: npt.NDArray[np.float32], kind: Kind, rng: np.random.Generator) -> None:
    height, width = colour.shape[:2]
    cv2.circle(colour, (width // 2, height // 2), int(width * 0.43), kind.second, -1, cv2.LINE_AA)
    cv2.circle(
        colour, (width // 2, height // 2), int(width * 0.40), tuple(0.5 * part + 110 for part in kind.second), -1
    )
    cv2.ellipse(
        colour, (width // 2, int(height * 0.42)), (int(width * 0.3), int(height * 0.13)), 0, 0, 360, kind.colour, -1
    )
    for _ in range(5):
        x, y = rng.integers(width // 4, 3 * width // 4), rng.integers(height // 2, int(height * 0.75))
        cv2.circle(colour, (int(x), int(y)), width // 16, kind.second, -1)


def _paint_package(colour: npt.NDArray[np.float32], kind: Kind, rng: np.random.Generator) -> None:
    """A band of the second colour, lines of writing, and for a carton its fold."""
    height, width = colour.shape[:2]
    top = int(height * rng.uniform(0.12, 0.2))
    band = int(height * rng.uniform(0.16, 0.26))
    colour[top : top + band] = kind.second
    ink = tuple(255.0 - part if sum(kind.second) > 380 else 245.0 for part in kind.second)
    row = top + band // 4
    for line in range(2):
        x = int(width * 0.12)
        while x < width * rng.uniform(0.7, 0.9):
            word = int(width * rng.uniform(0.06, 0.2))
            cv2.rectangle(colour, (x, row), (min(x + word, int(width * 0.9)), row + band // 6), ink, -1)
            x += word + width // 16
        row += band // 3 + line
    cv2.circle(
        colour,
        (int(width * rng.uniform(0.3, 0.7)), top + band + int(height * 0.14)),
        int(min(width, height) * 0.16),
        tuple(0.6 * a + 0.4 * b for a, b in zip(kind.second, kind.colour, strict=True)),
        -1,
    )
    if kind.shape == "carton":
        cv2.line(
            colour, (0, int(height * 0.09)), (width, int(height * 0.09)), tuple(0.7 * part for part in kind.colour), 4
        )


_PAINTERS: Final[dict[Shape, Callable[[npt.NDArray[np.float32], Kind, np.random.Generator], None]]] = {
    "banana": _paint_banana,
    "long": _paint_long,
    "vine": _paint_vine,
    "pineapple": _paint_pineapple,
    "cup": _paint_cup,
    "carton": _paint_package,
    "box": _paint_package,
    "bag": _paint_package,
    "can": _paint_package,
    "bottle": _paint_package,
}


def _paste_code(shaded: npt.NDArray[np.float32], code: str) -> None:
    """An EAN barcode near the foot of the package, as wide as it allows."""
    height, width = shaded.shape[:2]
    barcode = code_picture(code)
    if barcode is None:
        return
    scale = width * 0.86 / barcode.shape[1]
    size = (int(barcode.shape[1] * scale), int(height * 0.24))
    stretched = cv2.resize(barcode, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    x, y = (width - size[0]) // 2, height - size[1] - int(height * 0.06)
    shaded[y : y + size[1], x : x + size[0]] = stretched[..., None] * np.float32(0.92)


def code_picture(gtin: str) -> Picture | None:
    """A GTIN's bars, one pixel a module with quiet zones, white 255; None for a number that no EAN code has."""
    text = gtin.removeprefix("0") if len(gtin) == 14 and gtin.startswith("0") else gtin
    if len(text) != 13:
        return None
    try:
        made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.EAN13)
    except ValueError:
        return None
    bars = np.array(zxingcpp.write_barcode_to_image(made, scale=1, add_quiet_zones=True), np.uint8)
    return np.repeat(bars[bars.shape[0] // 2][None, :], 24, axis=0)
