"""The running total: what each line costs, what it saves, what of it is tax.

All money is integer minor units. A line's price is its goods less its savings plus its deposit, and the total is the
sum of the lines' prices plus such taxes as prices do not contain; nothing is computed a second way. How amounts are
rounded: core/rounding.py. Which offer prices which unit: core/offers.py.

Coupons on the whole basket come off last, by id, percentages before amounts, off what the goods then cost, deposits
excepted, and are shared among the lines in proportion. Lines priced by a label (`code_price_minor`) keep the label's
price: no offer but a coupon on the whole basket touches them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

import msgspec

from cart.core.catalog import Catalog, CatalogIndex, Item
from cart.core.offers import Kind, Saving, best_savings
from cart.core.promotions import Coupon, MemberPrice, Promotion
from cart.core.receipt import ReceiptTax
from cart.core.rounding import half_up, percentage, share, weighed_price, whole_grams


class PricingLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the basket as pricing sees it.

    `unit_price_minor` was pinned when the line was opened. `weight_g` is the settled net weight of the whole line
    (grams), None while a line sold by weight waits for the scale: it then costs nothing yet. `code_price_minor` is
    the price of one unit where its code carries it, and wins over everything else.
    """

    line_id: int
    sku: str
    units: int
    unit: Literal["each", "kg"] = "each"
    unit_price_minor: int
    weight_g: float | None = None
    code_price_minor: int | None = None


class PricedLine(msgspec.Struct, frozen=True, kw_only=True):
    """`price_minor` is what the line costs: after savings, deposit included. `promotions`: ids of the offers in it."""

    price_minor: int
    savings_minor: int
    deposit_minor: int
    promotions: tuple[str, ...] = ()


class PricedBasket(msgspec.Struct, frozen=True, kw_only=True):
    """`total_minor` is the sum of the lines' prices and `added_tax_minor`, taxes that prices do not contain (usually
    0).

    `tax_minor` is all tax in the total. `promotions` has what each promotion saved, by id.
    """

    lines: dict[int, PricedLine]
    total_minor: int
    savings_minor: int
    tax_minor: int
    added_tax_minor: int
    taxes: tuple[ReceiptTax, ...]
    promotions: dict[str, int]


class _Goods:
    """One line while it is being priced."""

    def __init__(self, line: PricingLine, item: Item | None) -> None:
        self.line = line
        self.item = item
        self.labelled = line.code_price_minor is not None
        self.grams = whole_grams(line.weight_g or 0.0) if line.unit == "kg" else None
        if line.code_price_minor is not None:
            self.full_minor = line.code_price_minor * line.units
        elif self.grams is not None:
            self.full_minor = weighed_price(line.unit_price_minor, self.grams)
        else:
            self.full_minor = line.unit_price_minor * line.units
        self.deposit_minor = item.deposit_minor * line.units if item is not None else 0
        self.savings: list[Saving] = []

    @property
    def net_minor(self) -> int:
        return self.full_minor - sum(saving.minor for saving in self.savings)

    def priced(self) -> PricedLine:
        savings_minor = self.full_minor - self.net_minor
        return PricedLine(
            price_minor=self.net_minor + self.deposit_minor,
            savings_minor=savings_minor,
            deposit_minor=self.deposit_minor,
            promotions=tuple(sorted({saving.promotion_id for saving in self.savings if saving.minor})),
        )


def price_basket(
    lines: Sequence[PricingLine],
    catalog: CatalogIndex | Catalog,
    *,
    coupons: Collection[str] = frozenset(),
    member: bool = False,
) -> PricedBasket:
    """Price a whole basket. `coupons` are ids or codes of the coupons entered; `member`: member prices apply.

    Give the index where this is called often: from a bare catalogue an index is built each time. A product that left
    the catalogue keeps its line's price, without deposit and without tax.
    """
    index = catalog if isinstance(catalog, CatalogIndex) else CatalogIndex(catalog)
    goods = [_Goods(line, index.by_sku.get(line.sku)) for line in sorted(lines, key=lambda line: line.line_id)]
    full_minor = sum(one.full_minor for one in goods)
    entered = _entered_coupons(index, coupons, full_minor)
    _apply_offers(goods, _applicable(index, entered, member))
    _apply_basket_coupons(goods, [coupon for coupon in entered if coupon.on_basket])
    taxes = _taxes(goods, index.catalog)
    priced = {one.line.line_id: one.priced() for one in goods}
    added_tax_minor = sum(tax.tax_minor for tax in taxes if not tax.included)
    by_promotion: dict[str, int] = {}
    for one in goods:
        for saving in one.savings:
            by_promotion[saving.promotion_id] = by_promotion.get(saving.promotion_id, 0) + saving.minor
    return PricedBasket(
        lines=priced,
        total_minor=sum(line.price_minor for line in priced.values()) + added_tax_minor,
        savings_minor=sum(line.savings_minor for line in priced.values()),
        tax_minor=sum(tax.tax_minor for tax in taxes),
        added_tax_minor=added_tax_minor,
        taxes=taxes,
        promotions={name: minor for name, minor in sorted(by_promotion.items()) if minor},
    )


def _entered_coupons(index: CatalogIndex, coupons: Collection[str], full_minor: int) -> list[Coupon]:
    """The coupons entered whose threshold the goods reach before any saving, so that no offer can disqualify a
    coupon.
    """
    return [
        coupon
        for coupon in index.coupons
        if (coupon.id in coupons or coupon.code in coupons) and full_minor >= coupon.min_total_minor
    ]


def _applicable(index: CatalogIndex, entered: Iterable[Coupon], member: bool) -> Callable[[str], tuple[Promotion, ...]]:
    chosen = {coupon.id for coupon in entered}

    def promotions(sku: str) -> tuple[Promotion, ...]:
        return tuple(
            promotion
            for promotion in index.promotions_of(sku)
            if not (isinstance(promotion, Coupon) and promotion.id not in chosen)
            and not (isinstance(promotion, MemberPrice) and not member)
        )

    return promotions


def _apply_offers(goods: Sequence[_Goods], applicable: Callable[[str], tuple[Promotion, ...]]) -> None:
    """Lines of one product at one price are alike; each weighed line stands alone."""
    alike: dict[tuple[str, int, int], list[_Goods]] = {}
    for one in goods:
        if one.labelled or one.full_minor == 0:
            continue
        line = one.line
        alone = line.line_id if one.grams is not None else -1
        alike.setdefault((line.sku, line.unit_price_minor, alone), []).append(one)
    ordered = [alike[key] for key in sorted(alike)]
    kinds = [
        Kind(
            sku=group[0].line.sku,
            price_minor=group[0].full_minor if group[0].grams is not None else group[0].line.unit_price_minor,
            units=1 if group[0].grams is not None else sum(one.line.units for one in group),
            weight_g=group[0].grams,
            promotions=applicable(group[0].line.sku),
        )
        for group in ordered
    ]
    for group, savings in zip(ordered, best_savings(kinds), strict=True):
        given = 0
        for one in group:
            count = 1 if one.grams is not None else one.line.units
            one.savings += savings[given : given + count]
            given += count


def _apply_basket_coupons(goods: Sequence[_Goods], coupons: Iterable[Coupon]) -> None:
    for coupon in sorted(coupons, key=lambda coupon: (coupon.rate_bp is None, coupon.id)):
        net = [one.net_minor for one in goods]
        if coupon.rate_bp is not None:
            off_minor = percentage(sum(net), coupon.rate_bp)
        else:
            off_minor = min(coupon.amount_minor or 0, sum(net))
        for one, minor in zip(goods, share(off_minor, net), strict=True):
            if minor:
                one.savings.append(Saving(minor, coupon.id))


def _taxes(goods: Iterable[_Goods], catalog: Catalog) -> tuple[ReceiptTax, ...]:
    """One entry a tax, by its name; deposits count where the catalogue says that they are taxed."""
    sums: dict[str, int] = {}
    for one in goods:
        if one.item is None or one.item.tax not in catalog.taxes:
            continue
        taxed = one.net_minor + (one.deposit_minor if catalog.deposit_taxed else 0)
        sums[one.item.tax] = sums.get(one.item.tax, 0) + taxed
    taxes: list[ReceiptTax] = []
    for name, minor in sorted(sums.items()):
        tax = catalog.taxes[name]
        if tax.included:
            tax_minor = half_up(minor * tax.rate_bp, 10_000 + tax.rate_bp)
        else:
            tax_minor = percentage(minor, tax.rate_bp)
        gross_minor = minor if tax.included else minor + tax_minor
        taxes.append(
            ReceiptTax(
                tax=name, rate_bp=tax.rate_bp, included=tax.included, gross_minor=gross_minor, tax_minor=tax_minor
            )
        )
    return tuple(taxes)
