"""zxing-cpp over one image: product codes only, in the form that the core reads."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

Image = npt.NDArray[np.uint8]
Quad = tuple[tuple[float, float], ...]

_F = zxingcpp.BarcodeFormat
RETAIL = frozenset({"]E0", "]E4"})
MATRIX = frozenset({"]Q1", "]Q3", "]d1", "]d2"})
"""With error correction and, for what they hold, far too many bits to be made up by noise."""
_FORMATS: Any = (_F.EAN13, _F.EAN8, _F.UPCA, _F.UPCE, _F.DataBar, _F.Code128, _F.ITF14, _F.QRCode, _F.DataMatrix)
"""What product codes come in; Code 39, Codabar and the rest are other people's codes, and cost misreadings."""


@dataclasses.dataclass(frozen=True)
class FrameCode:
    """A code seen in an image: `text` as a scanner would send it, `symbology` its AIM identifier (`]E0`), `quad` its
    four corners in pixels, x right and y down."""

    text: str
    symbology: str
    quad: Quad


def scan(image: Image, *, binarizer: Any = zxingcpp.Binarizer.LocalAverage) -> list[FrameCode]:
    """The codes zxing-cpp finds in one image, grey or BGR."""
    found = zxingcpp.read_barcodes(
        image,
        formats=_FORMATS,
        binarizer=binarizer,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return [code for code in (_code(one) for one in found if one.valid) if not _is_half(code)]


def _is_half(code: FrameCode) -> bool:
    """Whether this UPC-E is the left half of an EAN-13: of number system 1, which GS1 does not give (`symbols`)."""
    return (code.symbology, len(code.text), code.text[:1]) == ("]E0", 8, "1")


def _code(found: Any) -> FrameCode:
    place = found.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    quad = tuple((float(corner.x), float(corner.y)) for corner in corners)
    text, symbology = str(found.text), str(found.symbology_identifier)
    if found.format == _F.UPCE and len(text) == 13:
        text = upc_e(text) or text
    elif symbology == "]E0" and len(text) == 13 and text[0] == "0":
        text = text[1:]
    return FrameCode(text, symbology, quad)


def upc_e(gtin_13: str) -> str | None:
    """The eight digits of UPC-E for a GTIN-12 written as 13 digits, None where it cannot be shortened (GS1 General
    Specifications, 5.2.2.4.2)."""
    system, maker, item, check = gtin_13[1], gtin_13[2:7], gtin_13[7:12], gtin_13[12]
    if maker[2:] in {"000", "100", "200"} and item[:2] == "00":
        short = maker[:2] + item[2:] + maker[2]
    elif maker[3:] == "00" and item[:3] == "000":
        short = maker[:3] + item[3:] + "3"
    elif maker[4] == "0" and item[:4] == "0000":
        short = maker[:4] + item[4] + "4"
    elif item[:4] == "0000" and item[4] >= "5":
        short = maker + item[4]
    else:
        return None
    return system + short + check


def preparations(grey: Image) -> list[tuple[Image, float, Any]]:
    """Other views of a picture for another look: (image, how many of its pixels make one of the picture's, binarizer).

    Each gets what the others lose: a soft one noise, a sharp one blur, a large one small modules, a small one grain.
    """
    kinds = zxingcpp.Binarizer
    soft = cv2.GaussianBlur(grey, (0, 0), 1.2)
    sharp = cv2.addWeighted(grey, 2.6, cv2.GaussianBlur(grey, (0, 0), 2.2), -1.6, 0)
    even = cv2.createCLAHE(3.0, (8, 8)).apply(soft)
    views = [(soft, 1.0, kinds.LocalAverage), (sharp, 1.0, kinds.GlobalHistogram), (even, 1.0, kinds.LocalAverage)]
    if max(grey.shape) <= _DOUBLED_MAX:
        double = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        crisp = cv2.addWeighted(double, 3.0, cv2.GaussianBlur(double, (0, 0), 3.0), -2.0, 0)
        views += [(double, 2.0, kinds.LocalAverage), (crisp, 2.0, kinds.LocalAverage)]
    return [(np.asarray(view, np.uint8), scale, kind) for view, scale, kind in views]


_DOUBLED_MAX = 1300
"""Beyond, doubling costs more time than small codes in large pictures are worth."""
