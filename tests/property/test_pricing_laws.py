"""Laws of pricing that hold for every basket and every set of promotions."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from cart.core.catalog import Catalog, Item, Tax
from cart.core.pricing import PricedBasket, PricingLine, price_basket
from cart.core.promotions import AmountOff, Bundle, Coupon, MemberPrice, MultiBuy, Percent, Promotion

SKUS = ("a", "b", "c", "d", "kilo")
EACH = SKUS[:4]
UNIT_OFFERS_MAX = 3
GROUP_OFFERS_MAX = 4
"""Within what core/offers.py searches completely; beyond it the laws of savings are not promised."""

some_skus = st.lists(st.sampled_from(SKUS), min_size=1, max_size=4, unique=True).map(tuple)
money = st.integers(0, 1200)
times = st.none() | st.integers(1, 3)

unit_offers = st.one_of(
    st.builds(Percent, id=st.just(""), skus=some_skus, rate_bp=st.integers(1, 10_000)),
    st.builds(AmountOff, id=st.just(""), skus=some_skus, amount_minor=st.integers(1, 600)),
    st.builds(MemberPrice, id=st.just(""), skus=some_skus, price_minor=money),
)
group_offers = st.one_of(
    st.builds(MultiBuy, id=st.just(""), skus=some_skus, take=st.integers(2, 4), price_minor=money, max_times=times),
    st.builds(MultiBuy, id=st.just(""), skus=some_skus, take=st.just(3), pay=st.integers(0, 2), max_times=times),
    st.builds(Bundle, id=st.just(""), groups=st.tuples(some_skus, some_skus), price_minor=money, max_times=times),
    st.builds(
        Coupon,
        id=st.just(""),
        code=st.just("x"),
        skus=some_skus,
        amount_minor=st.integers(1, 600),
        max_times=st.integers(1, 3),
    ),
    st.builds(Coupon, id=st.just(""), code=st.just("x"), skus=some_skus, rate_bp=st.integers(1, 10_000)),
)
basket_coupons = st.one_of(
    st.builds(Coupon, id=st.just(""), code=st.just("x"), amount_minor=st.integers(1, 3000), min_total_minor=money),
    st.builds(Coupon, id=st.just(""), code=st.just("x"), rate_bp=st.integers(1, 10_000), min_total_minor=money),
)


def _with_ids(promotions: list[Promotion], names: list[str]) -> tuple[Promotion, ...]:
    named: list[Promotion] = []
    for promotion, name in zip(promotions, names, strict=True):
        fields = {field: getattr(promotion, field) for field in promotion.__struct_fields__}
        named.append(
            type(promotion)(**(fields | {"id": name} | ({"code": name} if isinstance(promotion, Coupon) else {})))
        )
    return tuple(named)


@st.composite
def promotion_sets(draw: st.DrawFn) -> tuple[Promotion, ...]:
    promotions = [
        *draw(st.lists(unit_offers, max_size=UNIT_OFFERS_MAX)),
        *draw(st.lists(group_offers, max_size=GROUP_OFFERS_MAX)),
        *draw(st.lists(basket_coupons, max_size=2)),
    ]
    names = draw(st.permutations([f"p{number}" for number in range(len(promotions))]))
    return _with_ids(promotions, names)


@st.composite
def baskets(draw: st.DrawFn) -> list[PricingLine]:
    lines: list[PricingLine] = []
    for line_id in range(1, draw(st.integers(0, 6)) + 1):
        sku = draw(st.sampled_from(SKUS))
        weighed = sku == "kilo"
        lines.append(
            PricingLine(
                line_id=line_id,
                sku=sku,
                units=1 if weighed else draw(st.integers(1, 5)),
                unit="kg" if weighed else "each",
                unit_price_minor=draw(st.sampled_from([0, 79, 149, 499])),
                weight_g=draw(st.none() | st.floats(0, 4000)) if weighed else None,
                code_price_minor=draw(st.sampled_from([None, None, None, 333])),
            )
        )
    return lines


def catalog_of(promotions: tuple[Promotion, ...], *, included: bool = True, deposit_taxed: bool = False) -> Catalog:
    items = [
        Item(
            sku=sku,
            name=sku,
            price_minor=1,
            unit="kg" if sku == "kilo" else "each",
            tax="low" if sku in {"a", "kilo"} else "high",
            deposit_minor=15 if sku == "b" else 0,
        )
        for sku in SKUS
    ]
    return Catalog(
        version=1,
        currency="EUR",
        locale="en_IE",
        taxes={"low": Tax(rate_bp=0, included=included), "high": Tax(rate_bp=2300, included=included)},
        items=tuple(items),
        promotions=promotions,
        deposit_taxed=deposit_taxed,
    )


def price(lines: list[PricingLine], promotions: tuple[Promotion, ...], *, included: bool = True) -> PricedBasket:
    codes = {promotion.code for promotion in promotions if isinstance(promotion, Coupon)}
    return price_basket(lines, catalog_of(promotions, included=included), coupons=codes, member=True)


@given(baskets(), promotion_sets(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_total_is_the_sum_of_the_lines_and_the_taxes_that_prices_do_not_contain(
    lines: list[PricingLine], promotions: tuple[Promotion, ...], included: bool
) -> None:
    basket = price(lines, promotions, included=included)
    added = sum(tax.tax_minor for tax in basket.taxes if not tax.included)
    assert basket.total_minor == sum(line.price_minor for line in basket.lines.values()) + added
    assert basket.added_tax_minor == added
    assert basket.tax_minor == sum(tax.tax_minor for tax in basket.taxes)


@given(baskets(), promotion_sets())
@settings(max_examples=150, deadline=None)
def test_savings_are_never_negative_never_more_than_the_goods_and_each_has_its_promotion(
    lines: list[PricingLine], promotions: tuple[Promotion, ...]
) -> None:
    basket = price(lines, promotions)
    without = price(lines, ())
    assert set(basket.lines) == {line.line_id for line in lines}
    for line_id, line in basket.lines.items():
        full = without.lines[line_id]
        assert 0 <= line.savings_minor <= full.price_minor - full.deposit_minor
        assert line.price_minor == full.price_minor - line.savings_minor
        assert line.deposit_minor == full.deposit_minor
    assert basket.savings_minor == sum(line.savings_minor for line in basket.lines.values())
    assert basket.savings_minor == sum(basket.promotions.values())
    assert set(basket.promotions) == {name for line in basket.lines.values() for name in line.promotions}


@given(baskets(), promotion_sets(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_neither_the_order_of_lines_nor_that_of_promotions_matters(
    lines: list[PricingLine], promotions: tuple[Promotion, ...], random: Random
) -> None:
    shuffled_lines, shuffled_promotions = list(lines), list(promotions)
    random.shuffle(shuffled_lines)
    random.shuffle(shuffled_promotions)
    assert price(shuffled_lines, tuple(shuffled_promotions)) == price(lines, promotions)


@given(baskets(), promotion_sets(), st.data())
@settings(max_examples=400, deadline=None)
def test_adding_a_promotion_never_raises_the_total(
    lines: list[PricingLine], promotions: tuple[Promotion, ...], data: st.DataObject
) -> None:
    if not promotions:
        return
    added = data.draw(st.sampled_from(promotions))
    before = tuple(promotion for promotion in promotions if promotion is not added)
    assert price(lines, promotions).total_minor <= price(lines, before).total_minor


@given(baskets(), promotion_sets())
@settings(max_examples=100, deadline=None)
def test_one_product_on_two_lines_costs_what_it_costs_on_one(
    lines: list[PricingLine], promotions: tuple[Promotion, ...]
) -> None:
    split: list[PricingLine] = []
    for line in lines:
        for _ in range(line.units):
            fields = {field: getattr(line, field) for field in line.__struct_fields__}
            split.append(PricingLine(**(fields | {"line_id": len(split) + 1, "units": 1})))
    assert price(split, promotions).total_minor == price(lines, promotions).total_minor


@given(baskets(), promotion_sets(), st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_taxes_cover_every_taxed_amount_once(
    lines: list[PricingLine], promotions: tuple[Promotion, ...], included: bool, deposit_taxed: bool
) -> None:
    catalog = catalog_of(promotions, included=included, deposit_taxed=deposit_taxed)
    basket = price_basket(lines, catalog)
    goods = sum(line.price_minor - line.deposit_minor for line in basket.lines.values())
    deposits = sum(line.deposit_minor for line in basket.lines.values())
    net = sum(tax.gross_minor - tax.tax_minor for tax in basket.taxes)
    gross = sum(tax.gross_minor for tax in basket.taxes)
    taxed = goods + deposits * deposit_taxed
    assert (gross, net)[not included] == taxed
    assert gross - net == basket.tax_minor
    for tax in basket.taxes:
        # Half a minor unit at most from the exact tax on the amount before tax.
        assert abs(tax.tax_minor * (10_000 + tax.rate_bp) - tax.gross_minor * tax.rate_bp) * 2 <= 10_000 + tax.rate_bp
