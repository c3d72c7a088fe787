"""Bounds, baselines and ranges of the simulated trips."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.bench.trips.baselines import fixed_tolerance, scan_only
from cart.bench.trips.figures import rate
from cart.bench.trips.ranges import KINDS, TWIN_WITHIN_G, CatalogKind, Product, make_range
from cart.bench.trips.things import Entry
from cart.bench.wilson import wilson
from cart.core.catalog import Item


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [(0, 10, 0.0, 0.27754), (10, 10, 0.72246, 1.0), (81, 263, 0.2553, 0.3662), (0, 0, 0.0, 1.0)],
)
def test_wilson_bounds_are_those_of_the_literature(hits: int, tries: int, low: float, high: float) -> None:
    """81 of 263: Newcombe 1998, Stat. Med. 17:857, method 3."""
    assert wilson(hits, tries) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 2000).flatmap(lambda tries: st.tuples(st.integers(0, 3 * tries), st.just(tries))))
def test_a_rate_lies_between_its_bounds(pair: tuple[int, int]) -> None:
    hits, tries = pair
    figure = rate(hits, tries, 100)
    assert figure["low"] - 1e-3 <= figure["rate"] <= figure["high"] + 1e-3


def product(sku: str, weight_g: float | None) -> Product:
    item = Item(sku=sku, name=sku, price_minor=100, weight_g=weight_g, weight_sd_g=1.0)
    return Product(item=item, mean_g=weight_g or 300.0, sd_g=1.0)


PRODUCTS = {"A": product("A", 300.0), "B": product("B", 500.0), "C": product("C", None)}


def entry(
    kind: str, *things: tuple[str, float], t: int = 0, why: str = "", prompted: bool = False, cheat: str = ""
) -> Entry:
    skus, weights = tuple(sku for sku, _ in things), tuple(g for _, g in things)
    return Entry(t, kind, skus, weights, prompted, why, cheat)  # type: ignore[arg-type]  # one of DiaryKind's


A, B, C = ("A", 301.0), ("B", 499.0), ("C", 250.0)


def test_a_fixed_tolerance_takes_what_fits_the_last_scan() -> None:
    outcome = fixed_tolerance([entry("scan", A), entry("put", A), entry("scan", C), entry("put", C)], PRODUCTS, [])
    assert (outcome.questions, outcome.charged) == (0, {"A": 1, "C": 1})


def test_a_fixed_tolerance_asks_about_two_at_once_and_accuses() -> None:
    outcome = fixed_tolerance([entry("scan", A), entry("scan", B), entry("put", A, B)], PRODUCTS, [])
    assert (outcome.questions, outcome.accused, outcome.staff) == (1, 1, 0)
    assert outcome.charged == {"A": 1, "B": 1}


def test_a_fixed_tolerance_calls_staff_where_a_right_thing_does_not_fit() -> None:
    outcome = fixed_tolerance([entry("scan", A), entry("put", ("A", 420.0))], PRODUCTS, [])
    assert (outcome.questions, outcome.staff, outcome.charged) == (1, 1, {"A": 1})


def test_a_fixed_tolerance_asks_about_every_removal() -> None:
    diary = [entry("scan", A), entry("put", A), entry("take_for_good", A)]
    outcome = fixed_tolerance(diary, PRODUCTS, [])
    assert (outcome.questions, outcome.charged) == (1, {})


def test_a_fixed_tolerance_notices_the_swap_that_does_not_fit() -> None:
    diary = [entry("scan", A, t=5, cheat="swapped"), entry("put", B, t=6, cheat="swapped")]
    assert fixed_tolerance(diary, PRODUCTS, [(0, 3), (4, 8)]).noticed == 0b10


def test_a_swap_within_the_tolerance_passes_unnoticed() -> None:
    diary = [entry("scan", A, t=5, cheat="swapped"), entry("put", ("B", 312.0), t=6, cheat="swapped")]
    outcome = fixed_tolerance(diary, PRODUCTS, [(4, 8)])
    assert (outcome.noticed, outcome.charged) == (0, {"A": 1})


def test_scanning_alone_charges_what_was_scanned_without_a_prompt() -> None:
    diary = [entry("scan", A), entry("put", A), entry("put", B), entry("scan", B, prompted=True)]
    assert scan_only(diary, 1).charged == {"A": 1}


def test_scanning_alone_forgets_some_removals() -> None:
    diary = [entry("scan", A), entry("put", A), entry("take_for_good", A)]
    kept = sum(bool(scan_only(diary, seed).charged) for seed in range(1000))
    assert 20 <= kept <= 90


@pytest.mark.parametrize("kind", KINDS)
def test_a_range_is_made_again_from_its_seed(kind: CatalogKind) -> None:
    first = make_range(kind, 5)
    assert first == make_range(kind, 5)
    assert first != make_range(kind, 6)
    assert len({item.gtins for item in first.catalog.items}) == len(first.catalog.items)


def test_half_of_the_twins_range_has_a_twin() -> None:
    for seed in range(5):
        means = sorted(p.mean_g for p in make_range("twins", seed).products if p.item.unit == "each")
        twins = sum(
            any(abs(g - other) <= TWIN_WITHIN_G for other in means[max(0, i - 1) : i] + means[i + 1 : i + 2])
            for i, g in enumerate(means)
        )
        assert twins >= 0.5 * len(means)


def test_a_fifth_of_the_unknown_range_is_badly_catalogued() -> None:
    products = [p for seed in range(5) for p in make_range("unknown", seed).products]
    share = sum(p.badly_catalogued for p in products) / len(products)
    assert 0.14 <= share <= 0.24
    assert any(p.item.weight_g is None and p.item.unit == "each" for p in products)
    assert any(p.item.weight_g is not None and p.badly_catalogued for p in products)
