"""Where the camera's model is: `[camera] model`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

SHIPPED: Final = "auto"


def model_folder(setting: str) -> Path | None:
    """The folder that `[camera] model` means: `auto` the one shipped with the program, empty none (None), else a path.

    The shipped one lies beside the package in a checkout, below `share` where pip installed it. Whether it holds a
    model is for drivers/classifier.py to say.
    """
    if not setting:
        return None
    if setting != SHIPPED:
        return Path(setting)
    checkout = Path(__file__).parents[1] / "models"
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "smart-cart" / "models"
