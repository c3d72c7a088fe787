"""`cart barcode`: what a code says, typed, scanned, or on a picture."""

from __future__ import annotations

import itertools
import os
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
from cart.core.problem import Problem
from cart.receipt_text import money
from drivers.errors import DriverError

QUICK_S = 1.0
"""The running cart is asked for its catalogue, but a technician does not wait for one that hangs."""


def run(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]…",
            help="As a scanner sends it, its AIM identifier in front if known (]E0…), or as printed: (01)…(17)…",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="FILE", help="Read the codes on a picture; may be given again and again."),
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(help="Look products up in this catalog.json.", show_default="the running cart's, else the demo's"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a code, each on its own line.")] = False,
) -> int:
    """Say what a barcode's text means, or the codes on a picture: number, weight or price in it, batch and dates, and
    the product. Exit status 1 if any is no product code, or a picture shows none that can be believed; 2 where a file
    is no picture."""
    if not texts and not images:
        raise Problem("nothing to read; give a code's text, or a picture with --image FILE")
    index = _index(catalog)
    # Read off a scanner's port, a code still has the scanner's suffix on it.
    readings = [_Reading(text.rstrip("\r\n\t"), None, None) for text in texts or []]
    status = 0
    for reading in itertools.chain(readings, (found for image in images or [] for found in _on_picture(image, index))):
        failed = _tell(reading, index, as_json=as_json)
        status = max(status, 2 if reading.refused else int(failed))
    return status


class _Reading(msgspec.Struct, frozen=True):
    """A text to look up, its AIM identifier where known and the picture it came from; or what went wrong there."""

    text: str
    symbology: str | None
    file: str | None
    error: str | None = None
    refused: bool = False
    """The file is no picture at all."""


def _on_picture(path: Path, index: CatalogIndex) -> list[_Reading]:
    """The product codes on a picture; other codes (a QR code with an advert) count only where no product code is."""
    # OpenCV takes a third of a second to load, and who gives a text needs none of it.
    # OpenBLAS would wake a thread a core for each of thousands of small products, and take longer.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from drivers.frame_codes import read_picture, read_still_codes

    name = str(path)
    try:
        found = [_Reading(code.text, code.symbology, name) for code in read_still_codes(read_picture(path))]
    except DriverError as error:
        return [_Reading("", None, name, str(error), refused=True)]
    if not found:
        return [_Reading("", None, name, "no code that can be believed; take the picture closer, sharp and level")]
    return [reading for reading in found if _is_product(reading, index)] or found


def _is_product(reading: _Reading, index: CatalogIndex) -> bool:
    try:
        index.read(reading.text, reading.symbology)
    except BarcodeError:
        return False
    return True


def _tell(reading: _Reading, index: CatalogIndex, *, as_json: bool) -> bool:
    """Print one reading; True where it is no product code."""
    shown = reading.file if reading.file is not None else ascii(reading.text)
    place: dict[str, Any] = {} if reading.file is None else {"file": reading.file}
    error, code = reading.error, None
    try:
        code = index.read(reading.text, reading.symbology) if error is None else None
    except BarcodeError as refused:
        error = str(refused)
    if code is None:
        sentence = f"{shown}: {(error or '').removeprefix(f'{shown} ')}"
        typer.echo(msgspec.json.encode({"error": error} | place).decode() if as_json else sentence)
        return True
    item = index.find(code)
    sentence = ("" if reading.file is None else f"{reading.file}: ") + _sentence(code, item, index)
    typer.echo(msgspec.json.encode(_record(code, item) | place).decode() if as_json else sentence)
    return False


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
