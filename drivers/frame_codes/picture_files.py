"""Picture files, of any kind that OpenCV reads, as 8-bit images; what is none is refused with one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from drivers.errors import DriverError
from drivers.frame_codes.scanning import Image
from drivers.opencv_log import set_log_level

BYTES_MAX = 100_000_000
"""Of the file: uncompressed 12 MP in 16 bits is 72 MB."""
_SIDE_MIN = 16
_BIG_BYTES = 20_000_000
"""Of a compressed file: beyond, it holds fifty megapixels and more, and half the size is decoded to spare memory. A
telephone's twelve take 3 to 8 MB, and small codes on them need every pixel."""


class PictureRefused(DriverError):
    """A file that is no picture, or none that can be read."""

    fault: ClassVar[str] = "picture"


def read_picture(path: Path) -> Image:
    """Height × width × 3 bytes (blue, green, red), turned as its EXIF orientation says, transparency laid on white.
    Raises PictureRefused."""
    try:
        if not path.is_file():
            raise PictureRefused(f"{path} is no file; give the path of a picture")
        if path.stat().st_size > BYTES_MAX:
            raise PictureRefused(f"{path} is larger than {BYTES_MAX // 1_000_000} MB; give a smaller picture")
        packed = np.fromfile(path, np.uint8)
    except OSError as error:
        raise PictureRefused(
            f"{path} cannot be read: {error.strerror or error}; check the path and its rights"
        ) from None
    before = set_log_level(0)
    try:
        # REDUCED decodes JPEG at half size without ever holding the whole.
        mode = cv2.IMREAD_REDUCED_COLOR_2 if packed.size > _BIG_BYTES else cv2.IMREAD_COLOR
        image = cv2.imdecode(packed, mode) if packed.size else None
        if image is not None and packed.size <= _BIG_BYTES and packed[:4].tobytes() == b"\x89PNG":
            image = _on_white(cv2.imdecode(packed, cv2.IMREAD_UNCHANGED), image)
    except cv2.error:
        image = None
    finally:
        set_log_level(before)
    if image is None:
        raise PictureRefused(f"{path} is no picture that can be read (JPEG, PNG, WebP, TIFF, BMP); save it anew")
    if min(image.shape[:2]) < _SIDE_MIN:
        raise PictureRefused(
            f"{path} is {image.shape[1]} × {image.shape[0]} pixels, too small for a code; take it closer"
        )
    return np.asarray(image, np.uint8)


def _on_white(full: Any, image: Any) -> Any:
    """Colour and transparency in 8 or 16 bits laid on white; `image` where there is no transparency."""
    if full is None or full.ndim != 3 or full.shape[2] != 4 or full.shape[:2] != image.shape[:2]:
        return image
    largest = float(np.iinfo(full.dtype).max)
    share = full[..., 3:].astype(np.float32) / largest
    return np.asarray(full[..., :3].astype(np.float32) / largest * 255 * share + 255 * (1 - share), np.uint8)
