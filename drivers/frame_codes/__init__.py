"""Barcodes in still pictures, read with patience and believed with care. A camera's frames, read in passing, are
`drivers/video_codes`."""

from __future__ import annotations

from drivers.frame_codes.picture_files import PictureRefused, read_picture
from drivers.frame_codes.scanning import FrameCode
from drivers.frame_codes.stills import read_still_codes

__all__ = ["FrameCode", "PictureRefused", "read_picture", "read_still_codes"]
