"""The catalogue as the core knows it: frozen values, checked before they get here (core/catalog_reading.py).

`CatalogIndex` answers look-ups in constant time and is built once for each catalogue.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from cart.core.barcodes import ScannedCode, read_barcode
from cart.core.enrolled import EnrolledTable
from cart.core.promotions import Coupon, Minor, Promotion, departments_of, skus_of
from cart.core.rcn_layouts import RcnLayout, layouts_for

Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Version = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A catalogue's number, which grows; as large as every reader of JSON can hold."""
Gtin14 = Annotated[str, msgspec.Meta(pattern="^[0-9]{14}$")]


class Tax(msgspec.Struct, frozen=True, kw_only=True):
    """`rate_bp` in basis points (1350 is 13.5 %); `included` prices contain it."""

    rate_bp: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    included: bool = True


class LearnedWeight(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where an item's weight comes from when carts learned it: `units` weighed on `carts`, `vouched` of them by people.

    `typed_g` ± `typed_sd_g` is what the store's own data says; `wrong`: plainly not what units weigh.
    """

    units: Annotated[int, msgspec.Meta(ge=1)]
    carts: Annotated[int, msgspec.Meta(ge=1)]
    vouched: int = 0
    typed_g: float | None = None
    typed_sd_g: float | None = None
    wrong: bool = False


# gc=False: an item holds no cycles, and 100,000 tracked objects would make the collector's pauses felt on a Pi.
class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One product. `gtins` are 14 digits; an item of unit `kg` is priced by weight, `price_minor` a kilogram."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    gtins: tuple[Gtin14, ...] = ()
    plu: Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,4}$")] | None = None
    unit: Literal["each", "kg"] = "each"
    price_minor: Minor
    weight_g: Annotated[float, msgspec.Meta(gt=0, le=100_000)] | None = None
    weight_sd_g: Annotated[float, msgspec.Meta(ge=0, le=100_000)] | None = None
    tax: str = "A"
    department: str = ""
    age_min: Annotated[int, msgspec.Meta(ge=0, le=99)] = 0
    deposit_minor: Minor = 0
    ebt: bool = False
    """May be paid for with food benefits (in the USA: SNAP's EBT card)."""
    vision_class: str | None = None
    names: dict[str, str] = {}
    learned: LearnedWeight | None = None
    """Set where `weight_g` and `weight_sd_g` are what carts learned, not what the store typed."""

    def name_in(self, language: str) -> str:
        """The name in a language, the plain name where there is none."""
        return self.names.get(language, self.name)


class BlockedLot(msgspec.Struct, frozen=True, kw_only=True):
    gtin: Gtin14
    lot: str


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """A store's whole range at one version.

    `rcn_layouts` say which of the store's own numbers carry a weight or a price; null: the national table of the
    locale's country, if there is one. `deposit_taxed`: deposits are taxed like the goods (as in Germany); false:
    outside taxes (as in Ireland). `enrolled`: products that the store taught the camera (`cart catalog enrol`).
    """

    version: Version
    currency: Currency
    locale: str
    taxes: dict[str, Tax]
    items: tuple[Item, ...]
    promotions: tuple[Promotion, ...] = ()
    blocked_lots: tuple[BlockedLot, ...] = ()
    rcn_layouts: tuple[RcnLayout, ...] | None = None
    deposit_taxed: bool = False
    enrolled: EnrolledTable | None = None


# ISO 4217 currencies whose minor unit is not a hundredth, as far as shops use them.
_MINOR_DIGITS = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)


def minor_digits(currency: str) -> int:
    """How many decimals the currency's minor unit has (ISO 4217)."""
    return _MINOR_DIGITS.get(currency, 2)


class CatalogIndex:
    """A catalogue with constant-time look-ups.

    `by_sku`, `by_gtin` (14 digits) and `by_plu` (no leading zero) map to items; `catalog` is the value itself.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.by_sku: dict[str, Item] = {}
        self.by_gtin: dict[str, Item] = {}
        self.by_plu: dict[str, Item] = {}
        for item in catalog.items:
            self.by_sku[item.sku] = item
            for gtin in item.gtins:
                self.by_gtin[gtin] = item
            if item.plu is not None:
                self.by_plu[item.plu] = item
        self._blocked = frozenset((lot.gtin, lot.lot) for lot in catalog.blocked_lots)
        self.coupons = tuple(promotion for promotion in catalog.promotions if isinstance(promotion, Coupon))
        self._coupons_by_code = {coupon.code.casefold(): coupon for coupon in self.coupons}
        self._minor_digits = minor_digits(catalog.currency)
        if catalog.rcn_layouts is not None:
            self.layouts = catalog.rcn_layouts
        else:
            self.layouts = layouts_for(catalog.locale.replace("-", "_").rpartition("_")[2])
        self._promotions_by_sku: dict[str, list[Promotion]] = {}
        self._promotions_by_department: dict[str, list[Promotion]] = {}
        for promotion in sorted(catalog.promotions, key=lambda promotion: promotion.id):
            for sku in dict.fromkeys(skus_of(promotion)):
                self._promotions_by_sku.setdefault(sku, []).append(promotion)
            for department in dict.fromkeys(departments_of(promotion)):
                self._promotions_by_department.setdefault(department, []).append(promotion)

    def read(self, text: str, symbology: str | None = None) -> ScannedCode:
        """Read a scan by this store's own number layouts. Raises BarcodeError.

        A number that the catalogue lists as it stands is that product, and nothing inside it is read as weight or
        price.
        """
        plain = read_barcode(text, symbology, minor_digits=self._minor_digits)
        if plain.kind != "rcn" or plain.gtin in self.by_gtin:
            return plain
        return read_barcode(text, symbology, layouts=self.layouts, minor_digits=self._minor_digits)

    def find(self, code: ScannedCode) -> Item | None:
        """The product a code names: by its GTIN, by the other numbers it may stand for, by its produce number."""
        for gtin in (code.gtin, *code.other_gtins):
            if gtin is not None and (item := self.by_gtin.get(gtin)) is not None:
                return item
        for plu in (code.plu, code.item and code.item.lstrip("0")):
            if plu and (item := self.by_plu.get(plu)) is not None:
                return item
        return None

    def blocked(self, code: ScannedCode) -> bool:
        """True where the code names a recalled lot."""
        return code.gtin is not None and code.lot is not None and (code.gtin, code.lot) in self._blocked

    def coupon(self, code: str) -> Coupon | None:
        """The coupon a shopper entered, letters' case aside."""
        return self._coupons_by_code.get(code.strip().casefold())

    def promotions_of(self, sku: str) -> list[Promotion]:
        """The promotions that mean a product, by id."""
        item = self.by_sku.get(sku)
        named = self._promotions_by_sku.get(sku, [])
        wide = self._promotions_by_department.get(item.department, []) if item is not None else []
        if not wide:
            return named
        return sorted({promotion.id: promotion for promotion in (*named, *wide)}.values(), key=lambda found: found.id)
