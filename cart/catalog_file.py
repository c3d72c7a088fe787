"""Catalogues as files: read by their ending, written whole or not at all."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import msgspec

from cart.core.catalog import Catalog
from cart.core.catalog_reading import CatalogError, read_catalog_json
from cart.core.problem import UNREADABLE_JSON
from cart.replaced_file import replace_file


def read_file(path: Path) -> bytes:
    """The file's bytes. Raises CatalogError with one line where it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CatalogError(f"{path}: no such file; give the path of a catalogue") from None
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


class _Envelope(msgspec.Struct, frozen=True):
    """What of a signed catalogue is needed to look into it."""

    signature: str
    catalogue: msgspec.Raw


def load_catalog(path: Path) -> Catalog:
    """Read and check a `catalog.json`, also a signed one, whoever signed it. Raises CatalogError."""
    data = read_file(path)
    try:
        return read_catalog_json(data, str(path))
    except CatalogError:
        try:
            signed = msgspec.json.decode(data, type=_Envelope)
        except UNREADABLE_JSON:
            signed = None
        if signed is None:
            raise
    return read_catalog_json(bytes(signed.catalogue), str(path))


def demo_catalog_json() -> bytes:
    """The demo store's `catalog.json`, as it ships with the package."""
    return resources.files("cart").joinpath("demo_catalog", "catalog.json").read_bytes()


def demo_catalog() -> Catalog:
    """The demo store's catalogue."""
    return read_catalog_json(demo_catalog_json(), "the demo catalogue")


def save_catalog(catalog: Catalog, path: Path) -> None:
    """Write `catalog.json` so that a reader sees the old file or the new one. Raises CatalogError."""
    data = msgspec.json.format(msgspec.json.encode(catalog), indent=1) + b"\n"
    try:
        replace_file(path, data)
    except OSError as error:
        raise CatalogError(f"{path}: cannot be written ({error.strerror}); choose another --out") from None
