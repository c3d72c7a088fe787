"""The receipt: what was paid for, and how each line came about."""

from __future__ import annotations

from typing import Literal

import msgspec


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    name: str
    units: int
    unit: Literal["each", "kg"]
    unit_price_minor: int
    weight_g: float | None
    price_minor: int
    savings_minor: int
    deposit_minor: int
    tax: str
    proof: Literal["weighed", "scanned_only", "shopper", "staff"]


class ReceiptTax(msgspec.Struct, frozen=True, kw_only=True):
    """One tax rate: `gross_minor` at that rate, of which `tax_minor` is tax."""

    tax: str
    rate_bp: int
    included: bool
    gross_minor: int
    tax_minor: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """`remote_reviewers` is always 0 on this cart, and printed, because that is the point."""

    trip_id: str
    attempt_id: str
    store_id: str
    cart_id: str
    currency: str
    locale: str
    language: str
    lines: list[ReceiptLine]
    savings_minor: int
    total_minor: int
    taxes: list[ReceiptTax]
    method: str
    reference: str
    staff_interventions: int
    remote_reviewers: int = 0
    training: bool = False
