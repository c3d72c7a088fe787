"""How much OpenCV says on standard error; the function has moved between its releases."""

from __future__ import annotations

import importlib
from typing import Any


def set_log_level(level: int) -> int:
    """Set it (0 silent, 6 all) and return what it was. 4.14 has it in `cv2.utils.logging`, 4.11 in `cv2`."""
    where: Any = importlib.import_module("cv2")
    if not hasattr(where, "setLogLevel"):
        where = importlib.import_module("cv2.utils.logging")
    before = int(where.getLogLevel())
    where.setLogLevel(level)
    return before
