"""The hardware of one cart, by its own configuration: `CART_HIL=/etc/cart/cart.toml pytest -m hil tests/hil`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cart.config import Config, load_config


@pytest.fixture(scope="session")
def cart() -> Config:
    """The cart's configuration; without one there is no hardware to test."""
    path = os.environ.get("CART_HIL")
    if not path:
        pytest.skip("no hardware: set CART_HIL to the cart's cart.toml (docs/hil.md)")
    return load_config(Path(path))
