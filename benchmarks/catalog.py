"""Catalogue, codes and prices at full size: `python -m benchmarks.catalog [--json]`.

100,000 items are read beside `json.loads` of the same bytes, looked up beside a plain dict, and 200-line baskets
priced with and without offers. One JSON object comes last; times are medians of several runs unless the name says
otherwise.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cart.core.barcodes import read_barcode
from cart.core.catalog import Catalog, CatalogIndex, Item, Tax
from cart.core.catalog_reading import read_catalog_json
from cart.core.pricing import PricingLine, price_basket
from cart.core.promotions import Bundle, MultiBuy, Percent, Promotion
from cart.core.rcn_layouts import check_digit

ITEMS = 100_000
LINES = 200
SEED = 20261122


def made_up_catalog(count: int) -> Catalog:
    """Items with 13-digit numbers of the company-internal range, five offers a department of a hundred."""
    rng = random.Random(SEED)
    items: list[Item] = []
    for number in range(count):
        digits = f"04{number:010d}"
        items.append(
            Item(
                sku=f"{number:06d}",
                name=f"Product {number}, 500 g",
                gtins=(f"0{digits}{check_digit(digits)}",),
                price_minor=rng.randrange(49, 2000),
                weight_g=round(rng.uniform(20, 3000), 1),
                weight_sd_g=2.0,
                tax=rng.choice("AB"),
                department=f"d{number % 100}",
                names={"de": f"Ware {number}, 500 g"},
            )
        )
    taxes = {"A": Tax(rate_bp=0), "B": Tax(rate_bp=2300)}
    promotions = tuple(_offers(rng))
    return Catalog(version=1, currency="EUR", locale="en_IE", taxes=taxes, items=tuple(items), promotions=promotions)


def _offers(rng: random.Random) -> list[Promotion]:
    offers: list[Promotion] = []
    for number in range(100):
        skus = tuple(f"{number + 100 * rng.randrange(20):06d}" for _ in range(4))
        offers += [
            MultiBuy(id=f"m{number}", departments=(f"d{number}",), take=3, pay=2),
            Percent(id=f"p{number}", skus=skus, rate_bp=2000),
            Bundle(id=f"b{number}", groups=(skus[:2], skus[2:]), price_minor=300),
        ]
    return offers


def seconds(work: Callable[[], Any], runs: int = 5) -> float:
    """The median of `runs` runs."""
    taken: list[float] = []
    for _ in range(runs):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def resident_mb() -> float:
    """Resident memory of this process (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def basket(index: CatalogIndex, rng: random.Random, lines: int) -> list[PricingLine]:
    """Distinct products out of 2,000, so that offers meet."""
    return [
        PricingLine(line_id=number, sku=sku, units=rng.randrange(1, 4), unit_price_minor=index.by_sku[sku].price_minor)
        for number, sku in enumerate((f"{one:06d}" for one in rng.sample(range(2000), lines)), start=1)
    ]


def pricing(index: CatalogIndex) -> dict[str, float]:
    """Milliseconds for baskets of LINES lines, with offers and, as the baseline, without any."""
    rng = random.Random(SEED)
    plain = CatalogIndex(msgspec.structs.replace(index.catalog, promotions=()))
    with_offers: list[float] = []
    without: list[float] = []
    for _ in range(40):
        lines = basket(index, rng, LINES)
        with_offers.append(seconds(lambda lines=lines: price_basket(lines, index), 1) * 1000)  # type: ignore[misc]
        without.append(seconds(lambda lines=lines: price_basket(lines, plain), 1) * 1000)  # type: ignore[misc]
    return {
        "basket_lines": LINES,
        "price_ms_median": statistics.median(with_offers),
        "price_ms_max": max(with_offers),
        "price_without_offers_ms_median": statistics.median(without),
        "price_ratio": statistics.median(with_offers) / statistics.median(without),
    }


def measure(count: int) -> dict[str, Any]:
    raw = msgspec.json.encode(made_up_catalog(count))
    gc.collect()
    before_mb = resident_mb()
    index = CatalogIndex(read_catalog_json(raw, "benchmark"))
    held_mb = resident_mb() - before_mb
    read_s = seconds(lambda: read_catalog_json(raw, "benchmark"))
    baseline_s = seconds(lambda: json.loads(raw))
    texts = [item.gtins[0][1:] for item in random.Random(SEED).sample(index.catalog.items, 2000)]
    plain = dict(index.by_gtin)
    read_code_s = seconds(lambda: [index.read(text) for text in texts])
    codes = [read_barcode(text) for text in texts]
    find_s = seconds(lambda: [index.find(code) for code in codes])
    dict_s = seconds(lambda: [plain.get(code.gtin or "") for code in codes])
    return {
        "items": count,
        "file_mb": len(raw) / 1e6,
        "read_s": read_s,
        "json_loads_s": baseline_s,
        "read_ratio": read_s / baseline_s,
        "index_s": seconds(lambda: CatalogIndex(index.catalog)),
        "memory_mb": held_mb,
        "read_code_us": read_code_s / len(texts) * 1e6,
        "find_us": find_s / len(texts) * 1e6,
        "find_ratio_to_dict": find_s / dict_s,
    } | pricing(index)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument("--items", type=int, default=ITEMS)
    arguments = parser.parse_args()
    result = measure(arguments.items)
    if not arguments.json:
        for name, value in result.items():
            print(f"{name:32} {value:.4g}")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
