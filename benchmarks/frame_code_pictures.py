"""Made-up hard photographs of barcodes, from a seed, each with the truth about what is on it.

A label is drawn at eight pixels a module, laid on printed packaging, bent round a cylinder, tilted, and seen by a poor
lens: defocus, motion, few pixels a module, glare, fingers, noise, JPEG. Lengths of blur are in modules, since what can
be read depends on blur and sampling per module, not on the picture's size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from cart.core.rcn_layouts import check_digit

Image = npt.NDArray[np.uint8]
Weighted = tuple[tuple[Any, float], ...]

RETAIL = ("EAN-13", "EAN-8", "UPC-A", "UPC-E")
KINDS = (*RETAIL, "GS1-128", "DataBar", "ITF-14", "Digital Link", "GS1 DataMatrix")
NONE = ("no code", "damaged")
_SHARES = {
    "EAN-13": 30, "UPC-A": 20, "EAN-8": 8, "UPC-E": 8, "GS1-128": 4, "DataBar": 4, "ITF-14": 4, "Digital Link": 5,
    "GS1 DataMatrix": 5, "no code": 8, "damaged": 4,
}  # fmt: skip
_PIXELS_A_MODULE = 8
_INKS = (((0, 0, 0), 12), ((90, 30, 20), 2), ((30, 60, 20), 1), ((40, 40, 70), 1), ((60, 60, 60), 2))
_PAPERS = (((255, 255, 255), 12), ((200, 235, 250), 2), ((150, 200, 240), 1), ((190, 190, 190), 2), ((80, 170, 230), 1))
"""Blue, green, red, with how often; red ink is left out, since red light makes it paper."""


@dataclasses.dataclass(frozen=True)
class Family:
    """How hard a family's pictures are: sizes and kinds with how often, pixels a module as three ranges with how often,
    the scales of blur and motion in modules (of a gamma distribution of shape 2), and the shares of pictures that are
    moved, slanted, glared upon, covered, of low contrast, noisy at three levels, packed at four qualities."""

    kinds: Weighted
    sizes: Weighted
    modules_px: Weighted
    blur: float
    motion: float
    moved: float
    slanted: float
    glared: float
    covered: float
    pale: float
    noises: tuple[float, float, float]
    qualities: tuple[float, float, float, float]
    cut: float = 0.0
    """Share of codes that lie partly outside the picture."""


HARD = Family(
    kinds=tuple(_SHARES.items()),
    sizes=(((480, 640), 5), ((600, 800), 3), ((768, 1024), 2)),
    modules_px=(((0.9, 1.6), 0.2), ((1.4, 2.6), 0.45), ((2.2, 5.0), 0.35)),
    blur=0.55,
    motion=0.6,
    moved=0.25,
    slanted=0.35,
    glared=0.15,
    covered=0.08,
    pale=0.25,
    noises=(0.5, 0.35, 0.15),
    qualities=(0.35, 0.35, 0.2, 0.1),
)
PHONE = Family(
    kinds=(("EAN-13", 45), ("UPC-A", 40), ("EAN-8", 5), ("UPC-E", 7), ("no code", 3)),
    sizes=(((300, 300), 2), ((360, 480), 2), ((480, 640), 3), ((768, 1024), 2), ((960, 1280), 1)),
    modules_px=(((1.4, 2.2), 0.2), ((2.0, 3.5), 0.45), ((3.0, 7.0), 0.35)),
    blur=0.27,
    motion=0.5,
    moved=0.1,
    slanted=0.25,
    glared=0.12,
    covered=0.03,
    pale=0.15,
    noises=(0.6, 0.3, 0.1),
    qualities=(0.4, 0.4, 0.15, 0.05),
)
"""What people photograph to have it read: larger in the picture and less spoilt, though often out of focus."""
SPOILT = Family(
    kinds=(("EAN-13", 25), ("UPC-A", 20), ("EAN-8", 10), ("UPC-E", 10), ("damaged", 20), ("no code", 15)),
    sizes=(((300, 300), 2), ((360, 480), 3), ((480, 640), 3)),
    modules_px=(((0.7, 1.2), 0.3), ((1.0, 1.8), 0.4), ((1.6, 3.0), 0.3)),
    blur=0.8,
    motion=0.9,
    moved=0.4,
    slanted=0.5,
    glared=0.4,
    covered=0.3,
    pale=0.4,
    noises=(0.2, 0.4, 0.4),
    qualities=(0.1, 0.3, 0.3, 0.3),
    cut=0.3,
)
"""At the edge of what can be read and beyond it: what counts is that nothing is read that is not there."""
FAMILIES = {"hard": HARD, "phone": PHONE, "spoilt": SPOILT}


@dataclasses.dataclass(frozen=True)
class Picture:
    """`gtins` are the 14-digit numbers that may be read off the picture: none where no code can be."""

    kind: str
    image: Image
    gtins: frozenset[str]


def _pick(rng: np.random.Generator, weighted: Weighted) -> Any:
    weights = np.array([weight for _, weight in weighted], dtype=float)
    return weighted[int(rng.choice(len(weighted), p=weights / weights.sum()))][0]


def picture(seed: int, number: int, kind: str | None = None, *, family: Family = HARD) -> Picture:
    """The `number`-th picture of a seed and family; alike on every machine with the same OpenCV and zxing-cpp."""
    rng = np.random.default_rng([seed, number])
    chosen = kind or _pick(rng, family.kinds)
    height, width = _pick(rng, family.sizes)
    page = _packaging(rng, height, width)
    gtins: set[str] = set()
    blur_modules, module_px = 0.0, 2.5
    if chosen == "no code":
        _barcode_like(rng, page)
    else:
        symbols = 2 if rng.random() < 0.06 and chosen in RETAIL else 1
        for place in range(symbols):
            drawn = "EAN-13" if chosen == "damaged" else chosen
            label, gtin = _label(rng, drawn)
            if chosen == "damaged":
                label = _without_parts(rng, label)
            else:
                gtins.add(gtin)
            wanted = _module_px(rng, family)
            wanted = max(wanted, 2.0) if chosen in KINDS[-2:] else wanted
            module_px = _lay(rng, page, label, wanted, family, at=(place + 0.5) / symbols, of=symbols)
    matrix = chosen in {"Digital Link", "GS1 DataMatrix"}
    blur_modules = float(rng.gamma(2.0, family.blur)) * (0.6 if matrix else 1.0)
    return Picture(chosen, _seen(rng, page, blur_modules * module_px, module_px, family), frozenset(gtins))


def _digits(rng: np.random.Generator, count: int) -> str:
    return "".join(str(digit) for digit in rng.integers(0, 10, count))


def _code(rng: np.random.Generator, kind: str) -> tuple[Any, str]:
    """A code of a kind and its GTIN-14."""
    formats, make = zxingcpp.BarcodeFormat, zxingcpp.create_barcode
    if kind in RETAIL:
        printed, gtin = _retail_number(rng, kind)
        drawn = {"EAN-8": formats.EAN8, "UPC-E": formats.UPCE}.get(kind, formats.EAN13)
        return make(printed, drawn), gtin
    body = str(rng.integers(1, 9)) + _digits(rng, 12)
    body = body if kind == "ITF-14" else "0" + body[:12]
    gtin = body + check_digit(body)
    link = f"https://id.example.com/01/{gtin}" + (f"/10/L{_digits(rng, 3)}" if rng.random() < 0.5 else "")
    dated = f"[01]{gtin}[17]{rng.integers(24, 30)}0{rng.integers(1, 10)}15[10]L{_digits(rng, 4)}"
    short = rng.random() < 0.6
    makers: dict[str, Callable[[], Any]] = {
        "GS1-128": lambda: make(f"[01]{gtin}", formats.Code128, gs1=True),
        "DataBar": lambda: make(f"01{gtin}", formats.DataBarOmni) if short else make(dated, formats.DataBarExp),
        "ITF-14": lambda: make(gtin, formats.ITF14),
        "Digital Link": lambda: make(link, formats.QRCode),
        "GS1 DataMatrix": lambda: make(dated, formats.DataMatrix, gs1=True),
    }
    return makers[kind](), gtin


def _retail_number(rng: np.random.Generator, kind: str) -> tuple[str, str]:
    """What a code of a kind says, and its GTIN-14."""
    if kind == "UPC-E":
        six = _digits(rng, 4) + str(rng.integers(1, 10)) + str(rng.integers(5, 10))
        body = f"0{six[:5]}0000{six[5]}"
        return f"0{six}{check_digit(body)}", f"00{body}{check_digit(body)}"
    if kind == "EAN-8":
        body = str(rng.integers(3, 10)) + _digits(rng, 6)
    elif kind == "UPC-A":
        body = "0" + _digits(rng, 11)
    else:
        body = str(rng.integers(1, 10)) + _digits(rng, 11)
    printed = body + check_digit(body)
    return printed, printed.zfill(14)


def _label(rng: np.random.Generator, kind: str) -> tuple[Image, str]:
    """A code in ink on paper at eight pixels a module, with its quiet zones and some paper around."""
    code, gtin = _code(rng, kind)
    grey = np.array(zxingcpp.write_barcode_to_image(code, scale=_PIXELS_A_MODULE, add_hrt=kind in RETAIL))
    if grey.shape[0] < grey.shape[1]:
        # Bars are cut low on small packs, and stand tall on others.
        keep = float(rng.uniform(0.45, 1.0))
        grey = grey[int(grey.shape[0] * (1 - keep)) :]
    edge = _PIXELS_A_MODULE * int(rng.integers(1, 8))
    grey = cv2.copyMakeBorder(grey, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(255,))
    if rng.random() < 0.5:
        # Bar gain: ink spreads or is scraped, up to a fifth of a module.
        size = 2 * int(rng.integers(0, 2)) + 1
        grey = (cv2.erode if rng.random() < 0.7 else cv2.dilate)(grey, np.ones((1, size), np.uint8))
    ink, paper = np.array(_pick(rng, _INKS)), np.array(_pick(rng, _PAPERS))
    if rng.random() < 0.03:
        ink, paper = paper, ink
    share = grey[..., None].astype(np.float32) / 255
    return (share * paper + (1 - share) * ink).astype(np.uint8), gtin


def _without_parts(rng: np.random.Generator, label: Image) -> Image:
    """A code that nobody may read: a third of its width is painted over from top to bottom."""
    label = label.copy()
    width = label.shape[1]
    begin = int(rng.uniform(0.2, 0.5) * width)
    label[:, begin : begin + width // 3] = rng.integers(0, 256, 3)
    return label


def _packaging(rng: np.random.Generator, height: int, width: int) -> Image:
    """Printed cardboard: colour fields, words, lines, and a coarse grain."""
    page = np.full((height, width, 3), rng.integers(60, 240, 3), np.uint8)
    for _ in range(int(rng.integers(3, 12))):
        corner = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        colour = tuple(int(part) for part in rng.integers(0, 256, 3))
        match int(rng.integers(0, 4)):
            case 0:
                other = (int(rng.integers(0, width)), int(rng.integers(0, height)))
                cv2.rectangle(page, corner, other, colour, -1)
            case 1:
                cv2.circle(page, corner, int(rng.integers(10, 160)), colour, -1, cv2.LINE_AA)
            case 2:
                for row in range(int(rng.integers(1, 8))):
                    words = " ".join("".join(chr(97 + int(c)) for c in rng.integers(0, 26, 6)) for _ in range(6))
                    cv2.putText(page, words, (corner[0], corner[1] + 14 * row), 0, 0.4, colour, 1, cv2.LINE_AA)
            case _:
                cv2.line(
                    page, corner, (int(rng.integers(0, width)), int(rng.integers(0, height))), colour, 3, cv2.LINE_AA
                )
    grain = cv2.resize(rng.normal(0, 1, (height // 8, width // 8)).astype(np.float32), (width, height))
    return np.clip(page + 6 * grain[..., None], 0, 255).astype(np.uint8)


def _barcode_like(rng: np.random.Generator, page: Image) -> None:
    """Stripes of random widths, gratings, grids, tables: what looks like bars and says nothing."""
    height, width = page.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        tall, wide = int(rng.integers(60, height // 2)), int(rng.integers(100, width // 2))
        widths = rng.integers(1, 5, wide) * int(rng.integers(1, 4))
        match int(rng.integers(0, 4)):
            case 0:
                row = np.repeat(np.arange(wide) % 2, widths)[:wide]
                patch = np.repeat(row[None], tall, 0)
            case 1:
                patch = np.repeat((np.arange(wide) // int(rng.integers(2, 6)) % 2)[None], tall, 0)
            case 2:
                step = int(rng.integers(3, 12))
                patch = ((np.arange(wide)[None] % step) > 0) & ((np.arange(tall)[:, None] % step) > 0)
            case _:
                cell = int(rng.integers(3, 8))
                noise = rng.integers(0, 2, (tall // cell + 1, wide // cell + 1))
                patch = np.kron(noise, np.ones((cell, cell), int))[:tall, :wide]
        y, x = int(rng.integers(0, height - tall)), int(rng.integers(0, width - wide))
        low, high = np.sort(rng.integers(0, 256, 2))
        page[y : y + tall, x : x + wide] = np.where(patch > 0, max(high, 120), low)[..., None]


def _module_px(rng: np.random.Generator, family: Family) -> float:
    ranges = [rng.uniform(*ends) for ends, _ in family.modules_px]
    return float(rng.choice(ranges, p=[share for _, share in family.modules_px]))


def _lay(
    rng: np.random.Generator, page: Image, label: Image, wanted: float, family: Family, *, at: float, of: int
) -> float:
    """Lay a label on the page at `wanted` pixels a module or what fits into its `of`-th part of the page, bent, turned,
    tilted and perhaps cut off; returns the pixels a module then has."""
    height, width = page.shape[:2]
    tall, wide = label.shape[:2]
    modules = wide / _PIXELS_A_MODULE
    module_px = min(wanted, 0.9 * min(width / of, height * 1.4) / modules)
    scale = module_px / _PIXELS_A_MODULE
    if rng.random() < 0.4:
        label = _bent(label, float(rng.uniform(0.2, 1.1)), along=bool(rng.random() < 0.6))
        tall, wide = label.shape[:2]
    turn = float(
        rng.choice(
            [rng.normal(0, 6), rng.choice([0, 90, 180, 270]) + rng.normal(0, 8), rng.uniform(0, 360)],
            p=[0.55, 0.2, 0.25],
        )
    )
    corners = np.array([[-wide, -tall], [wide, -tall], [wide, tall], [-wide, tall]], float) * scale / 2
    corners *= 1 + rng.normal(0, 0.05, (4, 2))
    if rng.random() < family.slanted:
        axis = int(rng.integers(0, 2))
        slant = float(rng.uniform(0.55, 0.95))
        corners[:, axis] *= slant
        corners *= (1 + (1 - slant) * 0.35 * np.sign(corners[:, axis]))[:, None]
    radians = np.deg2rad(turn)
    corners = corners @ np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    centre = np.array([width * at, height / 2])
    spare = np.maximum(0, np.array([width / of, height]) / 2 - np.abs(corners).max(0))
    corners += centre + rng.uniform(-1, 1, 2) * spare
    if family.cut and rng.random() < family.cut:
        # Out over an edge, by a tenth to two fifths of itself.
        axis, outside = int(rng.integers(0, 2)), float(rng.uniform(0.1, 0.4)) * float(np.ptp(corners, axis=0).max())
        corners[:, axis] -= corners[:, axis].min() + min(outside, 0.9 * float(np.ptp(corners[:, axis])))
    source = np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    # The label is drawn four times as fine and averaged: a pixel sees its whole area.
    left, top = (int(edge) for edge in np.maximum(np.floor(corners.min(0)) - 1, 0))
    right, bottom = (int(edge) for edge in np.minimum(np.ceil(corners.max(0)) + 2, (width, height)))
    fine = np.diag([4.0, 4.0, 1.0]) @ np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix
    size = (right - left, bottom - top)
    drawn, cover = (
        cv2.resize(
            cv2.warpPerspective(part, fine, (4 * size[0], 4 * size[1]), flags=cv2.INTER_LINEAR),
            size,
            interpolation=cv2.INTER_AREA,
        )
        for part in (label, np.full((tall, wide), 255, np.uint8))
    )
    share = cover[..., None].astype(np.float32) / 255
    # The warped label is black outside itself, and so is weighted already.
    place = page[top:bottom, left:right]
    place[:] = (place * (1 - share) + drawn).clip(0, 255).astype(np.uint8)
    return module_px


def _bent(label: Image, angle: float, *, along: bool) -> Image:
    """The label round a cylinder that shows ± `angle` rad of it; `along`: the bars stand along the axis."""
    tall, wide = label.shape[:2]
    size = wide if along else tall
    seen = np.linspace(-np.sin(angle), np.sin(angle), size)
    lookup = ((np.arcsin(seen) / angle + 1) / 2 * (size - 1)).astype(np.float32)
    x, y = np.meshgrid(np.arange(wide, dtype=np.float32), np.arange(tall, dtype=np.float32))
    x, y = (np.broadcast_to(lookup, (tall, wide)), y) if along else (x, np.broadcast_to(lookup[:, None], (tall, wide)))
    return np.asarray(cv2.remap(label, np.ascontiguousarray(x), np.ascontiguousarray(y), cv2.INTER_LINEAR), np.uint8)


def _seen(rng: np.random.Generator, page: Image, blur_px: float, module_px: float, family: Family) -> Image:
    """What a poor camera makes of the page."""
    height, width = page.shape[:2]
    seen = page.astype(np.float32)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    seen *= (1 + float(rng.normal(0, 0.25)) * x + float(rng.normal(0, 0.25)) * y).clip(0.2, 1.6)[..., None]
    if rng.random() < family.glared:
        spot = np.exp(
            -(((x - rng.uniform(-1, 1)) / rng.uniform(0.05, 0.4)) ** 2)
            - ((y - rng.uniform(-1, 1)) / rng.uniform(0.05, 0.4)) ** 2
        )
        seen += (float(rng.uniform(60, 300)) * spot)[..., None]
    if rng.random() < family.covered:
        tip = (int(rng.uniform(0.1, 0.9) * width), int(rng.choice([0.05, 0.95]) * height))
        cv2.ellipse(
            seen,
            tip,
            (int(rng.uniform(20, 60)), int(rng.uniform(60, 200))),
            float(rng.uniform(-30, 30)),
            0,
            360,
            (110, 140, 200),
            -1,
            cv2.LINE_AA,
        )
    seen = _blurred(rng, seen, blur_px, module_px, family)
    contrast = float(rng.choice([1.0, rng.uniform(0.15, 0.6)], p=[1 - family.pale, family.pale]))
    seen = (seen - 128) * contrast + 128 + float(rng.normal(0, 20))
    seen += rng.normal(0, float(rng.choice([1.5, 4, 9], p=family.noises)), seen.shape).astype(np.float32)
    image = seen.clip(0, 255).astype(np.uint8)
    quality = int(rng.choice([92, 75, 50, 30], p=family.qualities))
    done, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def _blurred(rng: np.random.Generator, seen: Any, blur_px: float, module_px: float, family: Family) -> Any:
    """Defocus is a disk of `blur_px` across with soft rim; motion is a line any way."""
    if blur_px > 0.3:
        size = 2 * int(np.ceil(blur_px / 2)) + 3
        axis = (np.arange(size * 5) - (size * 5 - 1) / 2) / 5
        disk = ((axis[None] ** 2 + axis[:, None] ** 2) <= (blur_px / 2) ** 2).astype(np.float32)
        kernel = cv2.resize(disk, (size, size), interpolation=cv2.INTER_AREA)
        seen = cv2.filter2D(seen, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    seen = cv2.GaussianBlur(seen, (0, 0), 0.45)
    if rng.random() < family.moved:
        length = float(rng.gamma(2, family.motion)) * module_px
        size = 2 * int(np.ceil(length / 2)) + 1
        kernel = np.zeros((size, size), np.float32)
        way = float(rng.uniform(0, np.pi))
        for step in np.linspace(-length / 2, length / 2, 8 * size):
            u, v = size // 2 + step * np.cos(way), size // 2 + step * np.sin(way)
            i, j = int(v), int(u)
            for dv, du in ((0, 0), (0, 1), (1, 0), (1, 1)):
                if i + dv < size and j + du < size:
                    kernel[i + dv, j + du] += abs(1 - dv - (v - i)) * abs(1 - du - (u - j))
        seen = cv2.filter2D(seen, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return seen
