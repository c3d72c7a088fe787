"""Prices, offers, deposits and taxes by example; the laws are in tests/property/test_pricing_laws.py."""

from __future__ import annotations

import pytest

from cart.catalog_file import demo_catalog
from cart.core.catalog import Catalog, CatalogIndex, Item, Tax
from cart.core.offers import MAX_COMPETING
from cart.core.pricing import PricedBasket, PricingLine, price_basket
from cart.core.promotions import AmountOff, Bundle, Coupon, MemberPrice, MultiBuy, Percent, Promotion
from cart.core.rounding import half_up, share, weighed_price, whole_grams

PRICES = {"milk": 149, "bread": 229, "choc": 165, "nuts": 175, "wine": 1199}


def catalog(*promotions: Promotion, tax: Tax | None = None, deposit_taxed: bool = False) -> CatalogIndex:
    items = [Item(sku=sku, name=sku, price_minor=price, department="food") for sku, price in PRICES.items()]
    items.append(Item(sku="cola", name="cola", price_minor=110, deposit_minor=15, department="drinks"))
    items.append(Item(sku="apples", name="apples", price_minor=299, unit="kg", department="produce"))
    return CatalogIndex(
        Catalog(
            version=1,
            currency="EUR",
            locale="en_IE",
            taxes={"A": tax or Tax(rate_bp=2300)},
            items=tuple(items),
            promotions=promotions,
            deposit_taxed=deposit_taxed,
        )
    )


def buy(index: CatalogIndex, *bought: str, coupons: frozenset[str] = frozenset(), member: bool = False) -> PricedBasket:
    """One line a distinct name; a name may repeat."""
    lines = [
        PricingLine(line_id=number, sku=sku, units=bought.count(sku), unit_price_minor=index.by_sku[sku].price_minor)
        for number, sku in enumerate(dict.fromkeys(bought), start=1)
    ]
    return price_basket(lines, index, coupons=coupons, member=member)


def weighed(grams: float | None, price_minor: int = 299, line_id: int = 1) -> PricingLine:
    return PricingLine(line_id=line_id, sku="apples", units=1, unit="kg", unit_price_minor=price_minor, weight_g=grams)


@pytest.mark.parametrize(
    ("grams", "price_minor", "expected"),
    [
        (1000.0, 299, 299),
        (500.0, 299, 150),
        (512.4, 299, 153),
        (512.5, 299, 153),
        (None, 299, 0),
        (-3.0, 299, 0),
        (5.0, 100, 1),
    ],
)
def test_weighed_goods_are_priced_by_whole_grams_halves_up(
    grams: float | None, price_minor: int, expected: int
) -> None:
    assert price_basket([weighed(grams, price_minor)], catalog()).total_minor == expected


def test_the_weight_is_rounded_first_so_that_the_receipt_can_be_worked_out_again() -> None:
    # 500.4 g at 9.99: shown as 500 g, so 5.00 (4.995 up), not 5.00 from 4.998996.
    assert whole_grams(500.4) == 500
    assert weighed_price(999, 500) == 500
    assert half_up(1, 2) == 1


def test_deposits_are_in_the_line_and_outside_tax_and_savings() -> None:
    basket = buy(catalog(Percent(id="p", skus=("cola",), rate_bp=5000)), "cola", "cola")
    line = basket.lines[1]
    assert (line.price_minor, line.savings_minor, line.deposit_minor) == (2 * 55 + 2 * 15, 2 * 55, 2 * 15)
    assert [(tax.gross_minor, tax.tax_minor) for tax in basket.taxes] == [(110, 21)]


def test_deposits_are_taxed_where_the_catalogue_says_so() -> None:
    basket = buy(catalog(deposit_taxed=True), "cola")
    assert basket.taxes[0].gross_minor == 125


def test_taxes_that_prices_do_not_contain_are_added() -> None:
    basket = buy(catalog(tax=Tax(rate_bp=825, included=False)), "milk", "bread")
    assert (basket.added_tax_minor, basket.total_minor) == (31, 149 + 229 + 31)
    assert (basket.taxes[0].gross_minor, basket.taxes[0].tax_minor) == (409, 31)


def test_the_price_on_a_label_wins_and_no_offer_touches_it() -> None:
    index = catalog(Percent(id="p", skus=("bread",), rate_bp=5000))
    line = PricingLine(line_id=1, sku="bread", units=2, unit_price_minor=229, code_price_minor=99)
    basket = price_basket([line], index)
    assert (basket.total_minor, basket.savings_minor) == (198, 0)


def test_a_multi_buy_at_a_price_and_the_units_left_over() -> None:
    index = catalog(MultiBuy(id="m", skus=("choc", "nuts"), take=3, price_minor=400))
    basket = buy(index, "choc", "choc", "choc", "nuts")
    # The dearest three go together: nuts and two bars of chocolate.
    assert basket.total_minor == 400 + 165
    assert basket.promotions == {"m": 2 * 165 + 175 - 400}


def test_three_for_two_gives_the_cheapest_of_each_three_dearest_first() -> None:
    index = catalog(MultiBuy(id="m", skus=("choc", "wine", "milk"), take=3, pay=2))
    basket = buy(index, "wine", "wine", "choc", "choc", "milk", "milk")
    assert basket.savings_minor == 165 + 149


def test_a_multi_buy_is_bounded_by_max_times() -> None:
    index = catalog(MultiBuy(id="m", skus=("choc",), take=2, price_minor=200, max_times=1))
    assert buy(index, *["choc"] * 4).savings_minor == 130


def test_a_bundle_takes_one_of_each_group() -> None:
    index = catalog(Bundle(id="b", groups=(("milk", "wine"), ("bread",)), price_minor=300))
    basket = buy(index, "milk", "bread", "bread")
    assert basket.savings_minor == 149 + 229 - 300
    assert basket.lines[1].savings_minor + basket.lines[2].savings_minor == 78


def test_a_multi_buy_that_would_cost_more_is_not_applied() -> None:
    index = catalog(MultiBuy(id="m", skus=("choc",), take=2, price_minor=400))
    assert buy(index, "choc", "choc").savings_minor == 0


def test_offers_do_not_stack_and_the_best_one_prices_a_unit() -> None:
    index = catalog(
        Percent(id="ten", skus=("choc",), rate_bp=1000),
        AmountOff(id="amount", skus=("choc",), amount_minor=40),
        MemberPrice(id="member", skus=("choc",), price_minor=120),
    )
    assert buy(index, "choc").promotions == {"amount": 40}
    assert buy(index, "choc", member=True).promotions == {"member": 45}


def test_a_unit_with_a_better_offer_of_its_own_stays_out_of_a_group() -> None:
    index = catalog(
        MultiBuy(id="m", departments=("food",), take=2, pay=1),
        Percent(id="half", skus=("wine",), rate_bp=5000),
    )
    basket = buy(index, "wine", "milk", "bread")
    assert basket.promotions == {"half": 600, "m": 149}


def test_competing_group_offers_are_tried_in_every_order() -> None:
    # By id alone the multi-buy (saves 149) would eat the milk that the bundle needs (saves 228).
    index = catalog(
        MultiBuy(id="a", skus=("milk",), take=2, pay=1),
        Bundle(id="b", groups=(("milk",), ("bread",)), price_minor=150),
    )
    assert buy(index, "milk", "milk", "bread").promotions == {"b": 228}


def test_a_coupon_on_a_product_goes_to_one_unit_and_needs_its_code() -> None:
    index = catalog(Coupon(id="c", code="BEANS", skus=("choc",), amount_minor=100))
    assert buy(index, "choc", "choc").savings_minor == 0
    assert buy(index, "choc", "choc", coupons=frozenset({"BEANS"})).savings_minor == 100
    assert buy(index, "choc", "choc", coupons=frozenset({"c"})).savings_minor == 100


def test_a_coupon_prefers_the_unit_that_has_no_offer_yet() -> None:
    index = catalog(
        Percent(id="wine", skus=("wine",), rate_bp=5000),
        Coupon(id="c", code="X", departments=("food",), amount_minor=100),
    )
    assert buy(index, "wine", "milk", coupons=frozenset({"X"})).promotions == {"c": 100, "wine": 600}


def test_a_coupon_on_the_basket_is_shared_among_the_lines_and_counts_before_savings() -> None:
    index = catalog(
        Percent(id="half", skus=("wine",), rate_bp=5000),
        Coupon(id="c", code="FIVE", amount_minor=500, min_total_minor=1348),
    )
    basket = buy(index, "wine", "milk", coupons=frozenset({"FIVE"}))
    assert basket.total_minor == 599 + 149 - 500
    assert basket.lines[1].savings_minor == 600 + 400
    assert buy(index, "wine", coupons=frozenset({"FIVE"})).promotions == {"half": 600}


def test_coupons_never_pay_out() -> None:
    index = catalog(Coupon(id="c", code="FIVE", amount_minor=500))
    basket = buy(index, "cola", coupons=frozenset({"FIVE"}))
    assert (basket.total_minor, basket.savings_minor) == (15, 110)


def test_offers_by_the_kilogram() -> None:
    index = catalog(AmountOff(id="a", skus=("apples",), amount_minor=100))
    assert price_basket([weighed(500.0)], index).savings_minor == 50
    member = catalog(MemberPrice(id="m", skus=("apples",), price_minor=199))
    assert price_basket([weighed(500.0)], member, member=True).total_minor == 150 - 50


def test_a_weighed_line_is_no_unit_of_a_multi_buy() -> None:
    index = catalog(MultiBuy(id="m", skus=("apples",), take=2, pay=1))
    assert price_basket([weighed(500.0), weighed(500.0, line_id=2)], index).savings_minor == 0


def test_a_product_that_left_the_catalogue_keeps_its_price() -> None:
    line = PricingLine(line_id=1, sku="gone", units=2, unit_price_minor=100)
    basket = price_basket([line], catalog())
    assert (basket.total_minor, basket.taxes) == (200, ())


def test_the_price_pinned_when_the_line_was_opened_holds() -> None:
    line = PricingLine(line_id=1, sku="milk", units=1, unit_price_minor=99)
    assert price_basket([line], catalog()).total_minor == 99


def test_more_competing_offers_than_are_searched_still_price() -> None:
    offers = [MultiBuy(id=f"m{number}", skus=("choc",), take=2, pay=1) for number in range(MAX_COMPETING + 3)]
    assert buy(catalog(*offers), *["choc"] * 6).savings_minor == 3 * 165


def test_shares_are_exact_and_go_to_the_largest_remainders() -> None:
    assert share(100, [1, 1, 1]) == [34, 33, 33]
    assert share(10, [0, 3, 7]) == [0, 3, 7]
    assert share(5, [0, 0]) == [5, 0]
    assert share(0, []) == []


def test_the_demo_store_has_every_kind_of_offer_working() -> None:
    index = CatalogIndex(demo_catalog())
    names = {item.name: item.sku for item in index.catalog.items}
    bought = [
        *[names["Vanilla yoghurt 150 g"], names["Strawberry yoghurt 150 g"]] * 2,
        *[names["Milk chocolate 100 g"]] * 3,
        names["Ground coffee 250 g"],
        names["Coffee beans 500 g"],
        names["Spaghetti 500 g"],
        names["Green pesto 190 g"],
        names["Soda bread 400 g"],
        names["Olive oil 500 ml"],
    ]
    basket = buy(index, *bought, coupons=frozenset({"WELCOME5", "BEANS150"}), member=True)
    assert basket.promotions == {
        "yoghurt-4-for-2.50": 4 * 79 - 250,
        "chocolate-3-for-2": 165,
        "coffee-20": 110 + 200,
        "pasta-night": 119 + 279 - 300,
        "bread-30-cent": 30,
        "oil-member": 150,
    }
    assert buy(index, *bought * 2, coupons=frozenset({"WELCOME5"})).promotions["welcome"] == 500
