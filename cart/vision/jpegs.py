"""Camera frames as JPEG: made for a recording, and opened from one without trust in what it holds."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from cart.vision.small_frames import Image

BYTES_MAX: Final = 200_000
"""A frame of 640 × 480 at quality 85 has some 60 kB; more is refused on both ways, so that a message stays bounded."""
READ_BYTES_MAX: Final = 16 << 20
SIDE_PX_MIN, SIDE_PX_MAX = 32, 4096
"""Sides of a frame that is worth a look and still fits a small cart's memory (50 MB)."""
QUALITIES: Final = (85, 70, 50)
HALVINGS_MAX: Final = 2

_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"
_PLAIN_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def as_jpeg(image: Image) -> bytes | None:
    """The frame (height × width × 3, BGR) in at most BYTES_MAX, halved where quality alone does not do it; None where
    that does not either."""
    for _ in range(HALVINGS_MAX + 1):
        for quality in QUALITIES:
            done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if done and data.size <= BYTES_MAX:
                return data.tobytes()
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return None


def from_jpeg(data: bytes) -> Image | None:
    """Height × width × 3, BGR; None for what is no JPEG, cut short, or of a size no camera over a basket has."""
    size = _size(data)
    # A decoder fills up what is missing with grey, which would look like a thing in the basket.
    if size is None or not data.rstrip(b"\0").endswith(_END):
        return None
    if not all(SIDE_PX_MIN <= side <= SIDE_PX_MAX for side in size):
        return None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if image is None else image.astype(np.uint8, copy=False)


def _size(data: bytes) -> tuple[int, int] | None:
    """(height, width) from the frame header (ITU-T T.81, B.2.2), read before anything of that size is unpacked."""
    if not data.startswith(_BEGIN) or len(data) > READ_BYTES_MAX:
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _PLAIN_MARKERS or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME_MARKERS:
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
