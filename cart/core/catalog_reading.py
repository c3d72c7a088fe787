"""Read a catalogue file, and say of everything that is wrong with it which row and which field.

Reading is strict about content and lenient about form: GTINs of 8, 12 or 13 digits become 14, a file may carry
columns that are not ours. One wrong row refuses the whole file, as a shop with half a range sells the other half for
nothing.

msgspec stops at the first error and does not say where it was. So the file is decoded in one go first (100,000 items
in well under a second), and only if that fails row by row, to name the rows.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from cart.core.barcodes import BarcodeError, gtin_14
from cart.core.catalog import BlockedLot, Catalog, Currency, Item, Tax, Version
from cart.core.catalog_checks import CatalogError, ReadCatalog, Report, checked
from cart.core.enrolled import EnrolledTable
from cart.core.problem import UNREADABLE_JSON
from cart.core.promotions import Promotion
from cart.core.rcn_layouts import RcnLayout

BYTES_MAX = 256 * 1024 * 1024
"""100,000 items are about 30 MB; a larger file by mistake must not fill a cart's memory."""


__all__ = ["CatalogError", "read_catalog_csv", "read_catalog_json"]


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """The file with its lists still undecoded."""

    version: Version
    currency: Currency
    locale: str
    taxes: dict[str, Tax]
    items: list[msgspec.Raw]
    promotions: list[msgspec.Raw] = []
    blocked_lots: list[msgspec.Raw] = []
    rcn_layouts: list[msgspec.Raw] | None = None
    deposit_taxed: bool = False
    enrolled: EnrolledTable | None = None


class _LooseItem(Item, frozen=True, kw_only=True):
    """An item as files may have it: GTINs of any length, not yet checked."""

    gtins: tuple[str, ...] = ()


class _LooseLot(BlockedLot, frozen=True, kw_only=True):
    gtin: str


def read_catalog_json(data: bytes | str, source: str) -> Catalog:
    """Read `catalog.json`. `source` names the file in errors. Raises CatalogError."""
    raw = (data.encode() if isinstance(data, str) else data).removeprefix(b"\xef\xbb\xbf")
    if len(raw) > BYTES_MAX:
        raise CatalogError(f"{source}: over {BYTES_MAX // 2**20} MB; is this a catalogue? give the right file")
    report = Report(source)
    try:
        try:
            catalog = msgspec.json.decode(raw, type=Catalog)
        except msgspec.ValidationError:
            return checked(_decode_by_rows(raw, report), report)  # what follows the wrong field may be no JSON at all
        return checked(ReadCatalog(catalog, "items", range(1, len(catalog.items) + 1)), report)
    except UNREADABLE_JSON as error:
        raise CatalogError(_not_json(raw, source, str(error))) from None


def read_catalog_csv(
    data: bytes | str,
    source: str,
    *,
    base: Catalog | None = None,
    currency: str = "EUR",
    locale: str = "en_IE",
    taxes: Mapping[str, Tax] | None = None,
) -> Catalog:
    """Read items from CSV with the item's fields as column names; comma, semicolon or tab (then also decimal commas),
    UTF-8 with or without a mark.

    `gtins` holds several numbers parted by spaces or `|`; names in languages stand in columns `names.de` and so on.
    What a table of items cannot say (version, currency, locale, taxes, promotions, blocked lots) comes from `base`,
    its version raised by one; without a base from the arguments, and each tax code in use must be among `taxes`.
    Raises CatalogError.
    """
    report = Report(source)
    rows: list[int] = []
    items: list[Item] = []
    if re.fullmatch("[A-Z]{3}", currency) is None:
        report.add("the file", None, "", "currency", _WANTED["currency"])
    for row, values in _csv_rows(_as_text(data, source), source, report):
        item = _csv_item(values, row, report)
        if item is not None:
            rows.append(row)
            items.append(item)
    if not items and not report.count:
        raise CatalogError(f"{source}: holds no items; export the table again, with its rows")
    if base is None:
        catalog = Catalog(version=1, currency=currency, locale=locale, taxes=dict(taxes or {}), items=tuple(items))
    else:
        catalog = msgspec.structs.replace(base, version=base.version + 1, items=tuple(items))
    return checked(ReadCatalog(catalog, "line", rows), report)


def _decode_by_rows(raw: bytes, report: Report) -> ReadCatalog:
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except msgspec.ValidationError as error:
        field, what = _field_and_fault(str(error))
        report.add("the file", None, "", field, what)
        report.raise_if_any()
        raise
    rows: list[int] = []
    items: list[Item] = []
    for row, loose in _decoded(head.items, "items", _LooseItem, report):
        item = _with_14_digits(loose, "items", row, report)
        if item is not None:
            rows.append(row)
            items.append(item)
    lots: list[BlockedLot] = []
    for row, lot in _decoded(head.blocked_lots, "blocked_lots", _LooseLot, report):
        try:
            lots.append(BlockedLot(gtin=gtin_14(lot.gtin), lot=lot.lot))
        except BarcodeError as error:
            report.add("blocked_lots", row, lot.gtin, "gtin", str(error).partition(";")[0])
    layouts = None
    if head.rcn_layouts is not None:
        layouts = tuple(layout for _, layout in _decoded(head.rcn_layouts, "rcn_layouts", RcnLayout, report))
    catalog = Catalog(
        version=head.version,
        currency=head.currency,
        locale=head.locale,
        taxes=head.taxes,
        items=tuple(items),
        promotions=tuple(promotion for _, promotion in _decoded(head.promotions, "promotions", Promotion, report)),
        blocked_lots=tuple(lots),
        rcn_layouts=layouts,
        deposit_taxed=head.deposit_taxed,
        enrolled=head.enrolled,
    )
    return ReadCatalog(catalog, "items", rows)


def _decoded(raws: Iterable[msgspec.Raw], where: str, kind: Any, report: Report) -> Iterator[tuple[int, Any]]:
    """(row, value) of each that decodes; the others go into the report."""
    decoder = msgspec.json.Decoder(kind)
    for row, raw in enumerate(raws, start=1):
        try:
            value = decoder.decode(raw)
        except msgspec.ValidationError as error:
            field, what = _field_and_fault(str(error))
            report.add(where, row, _name_of(raw), field, what)
        else:
            yield row, value


def _with_14_digits(loose: _LooseItem, where: str, row: int, report: Report) -> Item | None:
    try:
        gtins = tuple(gtin_14(gtin) for gtin in loose.gtins)
    except BarcodeError as error:
        report.add(where, row, loose.sku, "gtins", str(error).partition(";")[0])
        return None
    fields = {name: getattr(loose, name) for name in _FIELDS}
    return Item(**(fields | {"gtins": gtins}))


def _name_of(raw: msgspec.Raw) -> str:
    """The SKU or id of a row that did not decode, as far as it has one."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    name = value.get("sku", value.get("id", value.get("gtin", "")))
    return name[:64] if isinstance(name, str) else ""


_WANTED = {
    "currency": "expected three capital letters such as EUR",
    "plu": "expected 1 to 5 digits without a leading zero",
    "unit": "expected each or kg",
}


def _field_and_fault(error: str) -> tuple[str, str]:
    """msgspec's text as (field, what is wrong): "Expected `int`, got `str` - at `$.price_minor`"."""
    missing = re.fullmatch(r"Object missing required field `([^`]+)`(?: - at `\$?\.?([^`]*)`)?", error)
    if missing:
        return missing[1], "is missing"
    what, _, path = error.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if "matching regex" in what or "enum value" in what:
        what = _WANTED.get(field, what)
    return field, what[:1].lower() + what[1:]


def _not_json(raw: bytes, source: str, error: str) -> str:
    if not raw.strip():
        return f"{source}: the file is empty; export the catalogue again"
    if raw.lstrip()[:1] == b"{" and not raw.rstrip().endswith(b"}"):
        return f"{source}: the file is cut off after {len(raw)} bytes; copy or export it again, whole"
    return f"{source}: not JSON ({error}); correct it there, or import CSV with a name that ends in .csv"


def _as_text(data: bytes | str, source: str) -> str:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    if len(data) > BYTES_MAX:
        raise CatalogError(f"{source}: over {BYTES_MAX // 2**20} MB; is this a catalogue? give the right file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogError(
            f"{source}: byte {error.start} is not UTF-8; save the table as CSV UTF-8 and import it again"
        ) from None


_FIELDS = tuple(field.name for field in msgspec.structs.fields(Item))
_COLUMNS = tuple(name for name in _FIELDS if name != "learned")
"""A table of items is what the store types; what carts learned is no column."""
_DECIMALS = frozenset({"weight_g", "weight_sd_g"})


def _csv_rows(text: str, source: str, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, values by column) of each row that has any value."""
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        absent = [name for name in ("sku", "name", "price_minor") if name not in columns]
        if absent:
            wanted = ", ".join(_COLUMNS)
            raise CatalogError(
                f"{source}: the first line lacks the column {absent[0]}; the columns are {wanted}, names.de …"
            )
        twice = [name for name in _COLUMNS if columns.count(name) > 1]
        if twice:
            raise CatalogError(f"{source}: the first line has the column {twice[0]} twice; take one of them out")
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(columns):
                what = f"has {len(values)} values where the first line has {len(columns)} columns"
                report.add("line", reader.line_num, values[0], "", what)
                continue
            record = dict(zip(columns, (value.strip() for value in values), strict=True))
            if delimiter != ",":
                # Such tables come from countries that write decimals with a comma.
                for name in _DECIMALS & record.keys():
                    record[name] = re.sub(r"^([0-9]+),([0-9]+)$", r"\1.\2", record[name])
            yield reader.line_num, record
    except csv.Error as error:
        raise CatalogError(f"{source}: line {reader.line_num}: {error}; is the file whole? export it again") from None


def _csv_item(values: Mapping[str, str], row: int, report: Report) -> Item | None:
    """One CSV row as an item; None where it could not be, which `report` then says."""
    sku = values["sku"]
    record: dict[str, Any] = {name: value for name, value in values.items() if name in _COLUMNS and value != ""}
    record["names"] = {name[6:]: value for name, value in values.items() if name.startswith("names.") and value}
    record["gtins"] = record.get("gtins", "").replace("|", " ").split()
    for gtin in record["gtins"]:
        if re.fullmatch(r"[0-9]+[.,][0-9]+[eE]\+?[0-9]+", gtin):
            what = f"{gtin} was rounded by a spreadsheet; format that column as text and enter the number again"
            report.add("line", row, sku, "gtins", what)
            return None
    try:
        # strict=False: every value of a CSV file is text, which msgspec turns into the field's type or refuses.
        loose = msgspec.convert(record, _LooseItem, strict=False)
    except msgspec.ValidationError as error:
        field, what = _field_and_fault(str(error))
        given = f" (it holds {values[field][:40]!r})" if values.get(field) else ""
        report.add("line", row, sku, field, what + given)
        return None
    return _with_14_digits(loose, "line", row, report)
