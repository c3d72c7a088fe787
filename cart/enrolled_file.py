"""Enrolled products on a cart: the part of the catalogue that the camera's process needs, as a small file of its own.

The daemon writes it when a catalogue arrives, so that the camera's process never reads 100,000 items.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from cart.core.enrolled import EnrolledTable
from cart.core.problem import Problem

FILE: Final = "enrolled.json"
BYTES_MAX: Final = 32 << 20
"""Some 10,000 products; a cart's camera compares with each at every look."""


class EnrolledFileProblem(Problem):
    """The file cannot be read or written; one line says what to do."""


def save_enrolled(table: EnrolledTable | None, folder: Path) -> bool:
    """Write the table so that a reader sees the old or the new; None and an empty one take the file away.

    Whether anything changed. Raises EnrolledFileProblem.
    """
    path = folder / FILE
    try:
        before = path.read_bytes() if path.exists() else None
        if table is None or not table.classes:
            path.unlink(missing_ok=True)
            return before is not None
        content = msgspec.json.encode(table)
        if content == before:
            return False
        beside = path.with_name(f".{FILE}.new")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise EnrolledFileProblem(f"{path}: cannot be written ({error.strerror}); check the folder") from None
    return True


def load_enrolled(folder: Path) -> EnrolledTable | None:
    """The table, None where there is none. Raises EnrolledFileProblem where it is damaged."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(BYTES_MAX), type=EnrolledTable)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise EnrolledFileProblem(
            f"{path}: cannot be read ({error}); remove it, the next catalogue writes it again"
        ) from None
