"""The receipt: what was paid for, and how each line came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from cart.core.catalog import Catalog, CatalogIndex
from cart.core.rounding import whole_grams

if TYPE_CHECKING:
    from cart.core.pricing import PricedBasket, PricingLine


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


class ReceiptTender(msgspec.Struct, frozen=True, kw_only=True):
    """One payment of several, or the only one."""

    attempt_id: str
    method: str
    amount_minor: int
    reference: str
    refunded_minor: int = 0


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
    refunded_minor: int = 0
    """What staff gave back since."""
    tenders: list[ReceiptTender] = []
    """What it was paid with; together the total. `attempt_id`, `method` and `reference` are those of the last."""

    def refunded(self, attempt_id: str, refunded_minor: int) -> Receipt:
        """The receipt after staff gave back so much of one tender; the same where it was none of this receipt's."""
        if not self.tenders and attempt_id == self.attempt_id:  # of before there were several
            return msgspec.structs.replace(self, refunded_minor=refunded_minor)
        tenders = [
            msgspec.structs.replace(one, refunded_minor=refunded_minor) if one.attempt_id == attempt_id else one
            for one in self.tenders
        ]
        given_minor = sum(one.refunded_minor for one in tenders)
        return msgspec.structs.replace(self, tenders=tenders, refunded_minor=given_minor)


class SoldLine(NamedTuple):
    """A line that was paid for: what pricing knew of it, its plain name, and how it came to be believed."""

    line: PricingLine
    name: str
    proof: Literal["weighed", "scanned_only", "shopper", "staff"]


def make_receipt(
    sold: Sequence[SoldLine],
    basket: PricedBasket,
    catalog: CatalogIndex | Catalog,
    *,
    trip_id: str,
    attempt_id: str,
    store_id: str,
    cart_id: str,
    language: str,
    method: str,
    reference: str,
    staff_interventions: int,
    training: bool = False,
    tenders: Sequence[ReceiptTender] = (),
) -> Receipt:
    """The receipt of a priced basket, lines in the order of `sold`, names in `language` where the catalogue has them.

    `reference` is the acquirer's, `staff_interventions` how often a person was involved in this trip. Raises KeyError
    where `basket` was not priced from the same lines.
    """
    index = catalog if isinstance(catalog, CatalogIndex) else CatalogIndex(catalog)
    lines: list[ReceiptLine] = []
    for line, name, proof in sold:
        item = index.by_sku.get(line.sku)
        priced = basket.lines[line.line_id]
        lines.append(
            ReceiptLine(
                sku=line.sku,
                name=item.names.get(language, name) if item is not None else name,
                units=line.units,
                unit=line.unit,
                unit_price_minor=line.unit_price_minor,
                weight_g=None if line.weight_g is None else float(whole_grams(line.weight_g)),
                price_minor=priced.price_minor,
                savings_minor=priced.savings_minor,
                deposit_minor=priced.deposit_minor,
                tax=item.tax if item is not None else "",
                proof=proof,
            )
        )
    return Receipt(
        trip_id=trip_id,
        attempt_id=attempt_id,
        store_id=store_id,
        cart_id=cart_id,
        currency=index.catalog.currency,
        locale=index.catalog.locale,
        language=language,
        lines=lines,
        savings_minor=basket.savings_minor,
        total_minor=basket.total_minor,
        taxes=list(basket.taxes),
        method=method,
        reference=reference,
        staff_interventions=staff_interventions,
        training=training,
        tenders=list(tenders),
    )
