"""Photos with their classes, from a folder in the layout of the Grocery Store data set (Klasson et al. 2019).

`SPLIT.txt` has a line `path, fine id, coarse id` for each photo, and `classes.csv` the names of both. Where there is no
SPLIT.txt the folder SPLIT is walked, and a photo's class is the folder it lies in.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cart.core.problem import Problem

CLASSES_FILE = "classes.csv"
ENDINGS = {".jpg", ".jpeg", ".png"}
LAYOUT = "a folder with classes.csv and SPLIT.txt (lines 'path, fine id, coarse id') or SPLIT/…/ClassName/photo.jpg"


class DataError(Problem):
    """One line: what of the data cannot be used, and what to give instead."""


class Photo(NamedTuple):
    """One photo; `coarse` is empty where nothing names its group."""

    path: Path
    fine: str
    coarse: str


class ClassNames(NamedTuple):
    """What classes.csv says: fine and coarse names by fine id, coarse name by fine name."""

    by_id: dict[int, str]
    coarse_of: dict[str, str]


def read_split(folder: Path, split: str) -> list[Photo]:
    """All photos of a split. `folder` may be the one above `dataset`. Raises DataError."""
    root = _root(folder, split)
    names = _classes(root)
    listing = root / f"{split}.txt"
    photos = list(_listed(root, listing, names)) if listing.is_file() else list(_walked(root / split, names))
    if not photos:
        raise DataError(f"{root}: the split {split!r} holds no photo; give {LAYOUT}")
    absent = [photo.path for photo in photos if not photo.path.is_file()]
    if absent:
        raise DataError(
            f"{absent[0]} and so {len(absent)} of {len(photos)} photos of {split!r} are not there; copy the split whole"
        )
    return photos


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """Height × width × 3 bytes, blue first. Raises DataError where it is no picture."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"{path} cannot be read as a picture; replace or remove it, in its list too")
    return np.asarray(picture, np.uint8)


def _root(folder: Path, split: str) -> Path:
    for root in (folder, folder / "dataset"):
        if (root / f"{split}.txt").is_file() or (root / split).is_dir():
            return root
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give {LAYOUT}")
    splits = {path.stem for root in (folder, folder / "dataset") for path in root.glob("*.txt")}
    there = f"it has {', '.join(sorted(splits))}" if splits else f"give {LAYOUT}"
    raise DataError(f"{folder} has no split {split!r}; {there}")


def _classes(root: Path) -> ClassNames:
    path = root / CLASSES_FILE
    if not path.is_file():
        return ClassNames({}, {})
    names = ClassNames({}, {})
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            next(rows, None)
            for name, number, coarse, *_ in rows:
                names.by_id[int(number)] = name.strip()
                names.coarse_of[name.strip()] = coarse.strip()
    except (ValueError, OSError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read ({error}); its columns are class name, class id, coarse class name …"
        ) from None
    return names


def _listed(root: Path, listing: Path, names: ClassNames) -> Iterator[Photo]:
    for row, line in enumerate(listing.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.rsplit(",", 2)]
        if len(parts) != 3 or not parts[1].lstrip("-").isdecimal():
            raise DataError(f"{listing} line {row} is {line[:60]!r}; lines are 'path, fine id, coarse id'")
        path = root / parts[0]
        if not names.by_id:
            yield Photo(path, path.parent.name, "")
            continue
        fine = names.by_id.get(int(parts[1]))
        if fine is None:
            raise DataError(f"{listing} line {row} has class {parts[1]}, which {CLASSES_FILE} lacks; add it there")
        yield Photo(path, fine, names.coarse_of[fine])


def _walked(folder: Path, names: ClassNames) -> Iterator[Photo]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in ENDINGS or path.parent == folder:
            continue
        fine = path.parent.name
        if names.coarse_of and fine not in names.coarse_of:
            raise DataError(f"{path} lies in the folder {fine!r}, which is no class of {CLASSES_FILE}; add or move it")
        yield Photo(path, fine, names.coarse_of.get(fine, ""))
