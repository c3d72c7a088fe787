"""What makes a catalogue unusable, and what a store would want to know of one that can be used all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cart.core.catalog import Catalog
from cart.core.enrolled import enrolled_faults
from cart.core.problem import Problem, harmless
from cart.core.promotions import Coupon, departments_of, promotion_faults, skus_of
from cart.core.rcn_layouts import check_digit, layout_fault, overlapping

PROBLEMS_MAX = 50
"""A file of the wrong kind is wrong in every row; fifty show what is wrong, and the count says how often."""


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What a receipt, a log or a terminal would act on; a no-break space is fine."""


class RowProblem(NamedTuple):
    """One thing wrong. `where`: `items`, `promotions` …; `row` counts from 1, in a CSV file it is the line number."""

    where: str
    row: int | None
    sku: str
    field: str
    what: str

    def __str__(self) -> str:
        row = "" if self.row is None else f" {self.row}" if self.where == "line" else f" row {self.row}"
        name = f" ({self.sku})" if self.sku else ""
        field = f", {self.field}" if self.field else ""
        return harmless(f"{self.where}{row}{name}{field}: {self.what}")


class CatalogError(Problem):
    """A catalogue that cannot be used. `problems`: up to PROBLEMS_MAX of what is wrong; `count`: how many there are."""

    def __init__(self, message: str, problems: tuple[RowProblem, ...] = (), count: int = 0) -> None:
        super().__init__(message)
        self.problems = problems
        self.count = count


class ReadCatalog(NamedTuple):
    """A catalogue and the row each of its items was read from."""

    catalog: Catalog
    where: str
    rows: Sequence[int]


class Report:
    """Problems as they are found; keeps the first PROBLEMS_MAX and counts the rest."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[RowProblem] = []
        self.count = 0

    def add(self, where: str, row: int | None, sku: str, field: str, what: str) -> None:
        self.count += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(RowProblem(where, row, sku, field, what))

    def raise_if_any(self) -> None:
        if not self.count:
            return
        more = f" and {self.count - 1} more" if self.count > 1 else ""
        raise CatalogError(
            f"{self.source}: {self.problems[0]}{more}; correct the file and import it again",
            tuple(self.problems),
            self.count,
        )


def checked(read: ReadCatalog, report: Report) -> Catalog:
    """The catalogue once everything that types cannot say has been checked. Raises CatalogError."""
    catalog = read.catalog
    if re.fullmatch(r"[a-z]{2,3}([_-][A-Z]{2})?", catalog.locale) is None:
        report.add("the file", None, "", "locale", f"{catalog.locale!r} is no locale such as en_IE")
    _check_items(read, report)
    _check_promotions(catalog, report)
    for row, lot in enumerate(catalog.blocked_lots, start=1):
        if check_digit(lot.gtin[:-1]) != lot.gtin[-1:]:
            report.add("blocked_lots", row, lot.gtin, "gtin", "its check digit is wrong")
    layouts = catalog.rcn_layouts or ()
    for row, layout in enumerate(layouts, start=1):
        fault = layout_fault(layout)
        if fault is not None:
            report.add("rcn_layouts", row, "", "pattern", fault)
    for first, second in overlapping(layouts):
        report.add("rcn_layouts", None, "", "pattern", f"{first} and {second} claim the same numbers")
    for name, what in enrolled_faults(catalog.enrolled) if catalog.enrolled is not None else ():
        report.add("enrolled", None, name, "prototype", what)
    report.raise_if_any()
    return catalog


def _check_items(read: ReadCatalog, report: Report) -> None:
    """Duplicates, check digits, taxes. Plain loops: 100,000 items pass here at each start of the cart."""
    where, taxes = read.where, read.catalog.taxes
    skus: set[str] = set()
    gtins: dict[str, str] = {}
    plus: dict[str, str] = {}
    for row, item in zip(read.rows, read.catalog.items, strict=True):
        sku = item.sku
        for field, text in (("sku", sku), ("name", item.name), *(("names", name) for name in item.names.values())):
            if _CONTROL.search(text):
                report.add(where, row, sku, field, "holds an end of line or another control character; take it out")
        if sku in skus:
            report.add(where, row, sku, "sku", "another item has this sku too")
        skus.add(sku)
        for gtin in item.gtins:
            if check_digit(gtin[:-1]) != gtin[-1]:
                report.add(where, row, sku, "gtins", f"{gtin} ends in a wrong check digit")
            if gtin in gtins:
                report.add(where, row, sku, "gtins", f"{gtin} belongs to {gtins[gtin]} already")
            gtins[gtin] = sku
        if item.plu is not None:
            if item.plu in plus:
                report.add(where, row, sku, "plu", f"{item.plu} belongs to {plus[item.plu]} already")
            plus[item.plu] = sku
        if item.tax not in taxes:
            known = ", ".join(taxes) or "none"
            report.add(where, row, sku, "tax", f"{item.tax!r} is not among the taxes ({known})")


def _check_promotions(catalog: Catalog, report: Report) -> None:
    ids: set[str] = set()
    codes: set[str] = set()
    for row, promotion in enumerate(catalog.promotions, start=1):
        for field, what in promotion_faults(promotion):
            report.add("promotions", row, promotion.id, field, what)
        if promotion.id in ids:
            report.add("promotions", row, promotion.id, "id", "another promotion has this id too")
        ids.add(promotion.id)
        if isinstance(promotion, Coupon):
            if promotion.code.casefold() in codes:
                report.add("promotions", row, promotion.id, "code", "another coupon has this code too")
            codes.add(promotion.code.casefold())


def catalog_warnings(catalog: Catalog) -> Iterator[RowProblem]:
    """What a store would want to know of a catalogue that can be used all the same."""
    skus = {item.sku for item in catalog.items}
    departments = {item.department for item in catalog.items}
    for row, item in enumerate(catalog.items, start=1):
        if item.unit == "each" and item.weight_g is None:
            yield RowProblem("items", row, item.sku, "weight_g", "unknown: it is believed by its scan until learned")
        if item.learned is not None and item.learned.wrong:
            seen = f"{item.learned.units} units on {item.learned.carts} carts weigh {item.weight_g:g} g"
            yield RowProblem("items", row, item.sku, "weight_g", f"{item.learned.typed_g:g} g was typed, but {seen}")
        if item.unit == "each" and not item.gtins and item.plu is None:
            yield RowProblem("items", row, item.sku, "gtins", "none, and no plu: it can only be picked by name")
        if item.unit == "kg" and item.deposit_minor:
            yield RowProblem(
                "items", row, item.sku, "deposit_minor", "a deposit on goods sold by weight counts once a line"
            )
    for row, promotion in enumerate(catalog.promotions, start=1):
        absent = [sku for sku in skus_of(promotion) if sku not in skus]
        if absent:
            yield RowProblem("promotions", row, promotion.id, "skus", f"not in the catalogue: {', '.join(absent[:5])}")
        unknown = [name for name in departments_of(promotion) if name not in departments]
        if unknown:
            what = f"no item is in department {', '.join(unknown[:5])}"
            yield RowProblem("promotions", row, promotion.id, "departments", what)
    named = {item.vision_class for item in catalog.items}
    for name in catalog.enrolled.classes if catalog.enrolled is not None else ():
        if name not in named:
            yield RowProblem(
                "enrolled", None, name, "", "no item has this vision_class: the camera names nothing by it"
            )
