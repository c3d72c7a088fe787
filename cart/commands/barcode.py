"""`cart barcode`: what a code says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cart.catalog_file import demo_catalog, load_catalog
from cart.config import JournalTable
from cart.control_client import ControlClient, ControlError, NotRunning
from cart.core.barcodes import BarcodeError, ScannedCode
from cart.core.catalog import CatalogIndex, Item, minor_digits
from cart.core.catalog_reading import read_catalog_json
from cart.receipt_text import money

QUICK_S = 1.0
"""The running cart is asked for its catalogue, but a technician does not wait for one that hangs."""


def run(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT…",
            help="As a scanner sends it, its AIM identifier in front if known (]E0…), or as printed: (01)…(17)…",
            show_default=False,
        ),
    ],
    catalog: Annotated[
        Path | None,
        typer.Option(help="Look products up in this catalog.json.", show_default="the running cart's, else the demo's"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a code, each on its own line.")] = False,
) -> int:
    """Say what a barcode's text means: number, weight or price in it, batch and dates, and the product. Exit status 1
    if any is no product code."""
    index = _index(catalog)
    status = 0
    for text in texts:
        try:
            code = index.read(text)
        except BarcodeError as error:
            status = 1
            typer.echo(msgspec.json.encode({"error": str(error)}).decode() if as_json else f"{text!a}: {error}")
            continue
        item = index.find(code)
        typer.echo(msgspec.json.encode(_record(code, item)).decode() if as_json else _sentence(code, item, index))
    return status


def _index(path: Path | None) -> CatalogIndex:
    """The catalogue named, else that of the cart running on this machine, else the demo's."""
    if path is not None:
        return CatalogIndex(load_catalog(path))
    try:
        running = ControlClient(Path(JournalTable().folder), timeout_s=QUICK_S).catalog()
    except (NotRunning, ControlError):
        running = None
    return CatalogIndex(
        demo_catalog() if running is None else read_catalog_json(running, "the running cart's catalogue")
    )


def _record(code: ScannedCode, item: Item | None) -> dict[str, Any]:
    """What interfaces rely on, and what a code carries beyond that only where it does."""
    record: dict[str, Any] = {
        "symbology": code.symbology,
        "gtin": code.gtin,
        "elements": code.elements,
        "sku": item.sku if item is not None else None,
    }
    carried = {"plu": code.plu, "weight_g": code.weight_g, "price_minor": code.price_minor}
    return record | {name: value for name, value in carried.items() if value is not None}


def _sentence(code: ScannedCode, item: Item | None, index: CatalogIndex) -> str:
    parts = [code.symbology or "code"]
    if code.gtin is not None:
        parts.append(f"GTIN {code.gtin}")
    if code.plu is not None:
        parts.append(f"PLU {code.plu}")
    if code.weight_g is not None:
        parts.append(f"{code.weight_g:g} g")
    if code.price_minor is not None:
        catalog = index.catalog
        parts.append(money(code.price_minor, catalog.currency, catalog.locale, minor_digits(catalog.currency)))
    parts += [f"({ai}) {value}" for ai, value in code.elements.items()]
    if index.blocked(code):
        parts.append("this lot is blocked")
    parts.append(f"{item.sku} {item.name}" if item is not None else "not in the catalogue")
    return ", ".join(parts)
