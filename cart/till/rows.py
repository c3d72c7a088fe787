"""What all tables of the till share: the database, the clock in their rows, and how a row becomes a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from cart.till.database import Database

S = TypeVar("S", bound=msgspec.Struct)


class Rows:
    """Base of the till's tables."""

    database: Database
    _wall_ms: Callable[[], int]


def as_row(kind: type[S], row: Sequence[Any]) -> S:
    """Columns in the order of a struct's fields."""
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind, strict=False)
