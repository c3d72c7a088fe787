"""The catalogue as the core knows it: frozen values, checked before they get here."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Tax(msgspec.Struct, frozen=True, kw_only=True):
    """`rate_bp` in basis points (1350 is 13.5 %); `included` prices contain it."""

    rate_bp: int
    included: bool = True


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One product. `gtins` are 14 digits; an item of unit `kg` is priced by weight, `price_minor` a kilogram."""

    sku: str
    name: str
    gtins: tuple[str, ...] = ()
    plu: str | None = None
    unit: Literal["each", "kg"] = "each"
    price_minor: int
    weight_g: float | None = None
    weight_sd_g: float | None = None
    tax: str = "A"
    department: str = ""
    age_min: int = 0
    deposit_minor: int = 0
    vision_class: str | None = None
    names: dict[str, str] = {}


class BlockedLot(msgspec.Struct, frozen=True, kw_only=True):
    gtin: str
    lot: str


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """A store's whole range at one version."""

    version: int
    currency: str
    locale: str
    taxes: dict[str, Tax]
    items: tuple[Item, ...]
    promotions: tuple[dict[str, Any], ...] = ()
    blocked_lots: tuple[BlockedLot, ...] = ()
