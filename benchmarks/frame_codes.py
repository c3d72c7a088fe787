"""Barcodes in hard photographs: `python -m benchmarks.frame_codes [--json] [--quick] [--seed S] [--pictures N]
[--first K] [--cpu-minutes M] [--cart-alone] [--family hard|phone|spoilt] [--from FOLDER]`.

Counts right, nothing and wrong by kind, for the cart's reader and for zxing-cpp's defaults on the same pictures, and
the pictures that zxing-cpp reads rightly and the cart doesn't. Pictures are simulated from a seed in three families
(`frame_code_pictures.py`), or a folder's: the digits on each are its file's name (what follows a `-` or `_` tells files
of one code apart), or stand beside it in labels.csv (`file,gtin`, empty where there is none). A picture is right where
every number read is on it and at least one was, wrong where any read is not on it. One JSON object comes last.

Thousands of pictures are counted in pieces: `--first` is the number of a family's first picture, `--cpu-minutes` ends a
piece early, and `next` in what is printed is where the next one begins. Each wrong one is named by its number.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zxingcpp

from benchmarks.frame_code_pictures import FAMILIES, RETAIL, Image, Picture, picture
from cart.bench.wilson import wilson
from cart.core.barcodes import BarcodeError, read_barcode
from drivers.frame_codes import read_picture, read_still_codes

SEED = 20261122
PICTURES, QUICK = 100, 15
"""Of each family: some minutes on one core, and half a minute."""
_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def cart_reads(image: Image) -> set[str]:
    """The GTINs the cart's reader believes."""
    return _gtins((code.text, code.symbology) for code in read_still_codes(image))


def baseline_reads(image: Image) -> set[str]:
    """The GTINs of zxing-cpp as it comes."""
    found = zxingcpp.read_barcodes(image, text_mode=zxingcpp.TextMode.Plain)
    return _gtins((code.text, code.symbology_identifier) for code in found)


Reader = Callable[[Image], set[str]]
READERS: dict[str, Reader] = {"cart": cart_reads, "zxing": baseline_reads}


def _gtins(codes: Iterator[tuple[str, str]]) -> set[str]:
    numbers: set[str] = set()
    for text, symbology in codes:
        try:
            gtin = read_barcode(text, symbology).gtin
        except BarcodeError:
            continue
        if gtin is not None:
            numbers.add(gtin)
    return numbers


def photographs(folder: Path) -> Iterator[Picture]:
    """The pictures of a folder with their labels; one without a label is left out and named on standard error."""
    labels: dict[str, str] = {}
    if (folder / "labels.csv").is_file():
        with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
            labels = {row["file"]: row["gtin"] for row in csv.DictReader(file)}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _ENDINGS:
            continue
        label = labels.get(path.name, re.split(r"[-_ ]", path.stem)[0])
        if label and not label.isdecimal():
            print(f"{path.name}: no label; add it to labels.csv", file=sys.stderr)
            continue
        gtins = {read_barcode(label).gtin or ""} if label else set()
        yield Picture("photo" if label else "no code", read_picture(path), frozenset(gtins))


def measure(
    pictures: Iterator[tuple[int, Picture]], readers: Mapping[str, Reader] = READERS, cpu_s: float = float("inf")
) -> dict[str, Any]:
    """Counts by reader and kind, ms a picture, and how many pictures the cart lost that zxing-cpp had, of numbered
    pictures and until so much CPU time is spent.
    """
    ends, last, wrong = time.process_time() + cpu_s, -1, []
    counts: dict[str, dict[str, dict[str, int]]] = {
        name: defaultdict(lambda: {"pictures": 0, "right": 0, "nothing": 0, "wrong": 0}) for name in readers
    }
    taken: dict[str, list[float]] = {name: [] for name in readers}
    lost = 0
    for last, one in pictures:
        outcomes = {}
        for name, reader in readers.items():
            begin = time.process_time()
            found = reader(one.image)
            taken[name].append(1000 * (time.process_time() - begin))
            outcomes[name] = "nothing" if not found else "right" if found <= one.gtins else "wrong"
            counts[name][one.kind][outcomes[name]] += 1
            counts[name][one.kind]["pictures"] += 1
        lost += outcomes.get("zxing") == "right" and outcomes["cart"] != "right"
        wrong += [last] if outcomes["cart"] == "wrong" else []
        if time.process_time() > ends:
            break
    summaries = {name: _summary(counts[name], taken[name]) for name in readers}
    return {**summaries, "lost": lost, "wrong": wrong, "next": last + 1}


def _summary(kinds: dict[str, dict[str, int]], taken: list[float]) -> dict[str, Any]:
    total = {key: sum(kind[key] for kind in kinds.values()) for key in ("pictures", "right", "nothing", "wrong")}
    retail = {key: sum(kinds[kind][key] for kind in RETAIL if kind in kinds) for key in total}
    return {
        "all": total,
        "retail": retail,
        "wrong_share_upper_95": wilson(total["wrong"], total["pictures"])[1],
        "ms_median": float(np.median(taken)) if taken else None,
        "ms_p95": float(np.percentile(taken, 95)) if taken else None,
        "ms_max": max(taken, default=None),
        "kinds": {kind: kinds[kind] for kind in sorted(kinds)},
    }


def main() -> int:
    """Measure and print; 2 for a folder that is none."""
    parser = argparse.ArgumentParser(description="Count barcodes read rightly, wrongly and not at all")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} pictures of each family")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--pictures", type=int, help=f"of each family; {PICTURES} if not given")
    parser.add_argument("--first", type=int, default=0, help="number of the first picture of a family")
    parser.add_argument("--cpu-minutes", type=float, default=float("inf"), help="of each family, at most")
    parser.add_argument("--cart-alone", action="store_true", help="leave out zxing-cpp's defaults")
    parser.add_argument("--family", choices=sorted(FAMILIES), help="only this one")
    parser.add_argument("--from", dest="folder", type=Path, help="labelled photographs instead of simulated ones")
    arguments = parser.parse_args()
    if arguments.folder is not None and not arguments.folder.is_dir():
        print(f"{arguments.folder} is no folder; give one with pictures", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    found: dict[str, Any] = {"seed": arguments.seed}
    readers = {"cart": cart_reads} if arguments.cart_alone else READERS
    if arguments.folder is not None:
        photos = measure(enumerate(photographs(arguments.folder)), readers, 60 * arguments.cpu_minutes)
        found = {"folder": arguments.folder.name, "photos": photos}
    else:
        count = arguments.pictures or (QUICK if arguments.quick else PICTURES)
        numbers = range(arguments.first, arguments.first + count)
        for name in [arguments.family] if arguments.family else FAMILIES:
            drawn = ((number, picture(arguments.seed, number, family=FAMILIES[name])) for number in numbers)
            found[name] = measure(drawn, readers, 60 * arguments.cpu_minutes)
    if not arguments.json:
        for family, figures in found.items():
            if isinstance(figures, dict):
                _tell(family, figures)
    print(json.dumps(found))
    return 0


def _tell(family: str, figures: dict[str, Any]) -> None:
    for name in [name for name in READERS if name in figures]:
        one = figures[name]
        print(f"{family}, {name}: {one['all']}, retail {one['retail']}, {one['ms_median']:.0f} ms a picture (CPU)")
        for kind, counts in one["kinds"].items():
            print(f"  {kind:15} {counts}")
    print(f"{family}: read by zxing alone: {figures['lost']}; wrong: {figures['wrong']}; next: {figures['next']}")


if __name__ == "__main__":
    raise SystemExit(main())
