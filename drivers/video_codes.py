"""Barcodes in one frame of a video, read by zxing-cpp: quickly, and without belief; see who asks for agreement.

Stills that must be read at any price are another matter: drivers/frame_codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import zxingcpp

SIDE_PX_MAX = 640
"""A side of what is searched, pixels; the time grows with the area."""
_FORMATS: Any = (
    zxingcpp.BarcodeFormat.EAN13,
    zxingcpp.BarcodeFormat.EAN8,
    zxingcpp.BarcodeFormat.UPCA,
    zxingcpp.BarcodeFormat.UPCE,
    zxingcpp.BarcodeFormat.DataBar,
    zxingcpp.BarcodeFormat.DataMatrix,
    zxingcpp.BarcodeFormat.QRCode,
)
"""What stands on goods in a shop. Not Code 128 and ITF: on packages those are carton and logistics numbers."""


def read_codes(image: npt.NDArray[np.uint8]) -> list[tuple[str, str]]:
    """(text, AIM symbology identifier) of each code found in height × width × 3 bytes, BGR; control characters as they
    stand in the code."""
    part = image[:SIDE_PX_MAX, :SIDE_PX_MAX]
    grey = np.ascontiguousarray(part[..., 1])
    found = zxingcpp.read_barcodes(
        grey, formats=_FORMATS, try_downscale=False, try_invert=False, text_mode=zxingcpp.TextMode.Plain
    )
    return [(code.text, code.symbology_identifier) for code in found if code.valid and not _is_half(code)]


def _is_half(code: Any) -> bool:
    """Whether a UPC-E is of number system 1, which GS1 does not give, and as which the left half of an EAN-13 reads."""
    text = str(code.text)
    return code.format == zxingcpp.BarcodeFormat.UPCE and text[len(text) == 13 :].startswith("1")
