"""Made-up store ranges: what the catalogue says of each product, and what its units really weigh.

Four kinds. `ordinary` follows a supermarket: weights around a can's, some neighbours within a few grams, produce by
weight, a few light, bulky, age-restricted and badly catalogued things. `twins`: half the products have another within
2 g. `mixed`: a third below 20 g and a third above 1.5 kg. `unknown`: a fifth have no catalogue weight or a wrong one.
"""

from __future__ import annotations

import math
import random
from typing import Literal, get_args

import msgspec

from cart.bench.simulated_trips import DEMONSTRATION_PREFIX, check_digit
from cart.core.catalog import Catalog, Item, Tax
from cart.core.promotions import MultiBuy, Percent, Promotion

CatalogKind = Literal["ordinary", "twins", "mixed", "unknown"]
KINDS: tuple[CatalogKind, ...] = get_args(CatalogKind)
SIZE = 300
TWIN_WITHIN_G = 2.0
PERCENT_SHARE, MULTI_BUY_SHARE = 0.06, 0.06
"""Of a range so much is on offer, one way or the other."""
SEEN_SHARE = 0.4
"""Of what is not sold by weight so much has a class that a camera knows."""
SIBLINGS = 4
"""Kinds of one family: the Grocery Store data set has 81 kinds in 43 families, its juices and milks four to nine."""
SAME_LOOKS = 0.1
"""How often a product looks as another one does: the same thing in two sizes."""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """`mean_g` ± `sd_g` is what units really weigh; `item` what the store believes."""

    item: Item
    mean_g: float
    sd_g: float

    @property
    def badly_catalogued(self) -> bool:
        """The catalogue's weight is missing, or off by more than any unit is."""
        weight_g = self.item.weight_g
        if self.item.unit == "kg":
            return False
        return weight_g is None or abs(weight_g - self.mean_g) > 4.0 * self.sd_g + 0.5

    def unit(self, rng: random.Random) -> float:
        """The weight of one unit; for produce, of what a person picks."""
        if self.item.unit == "kg":
            return min(3000.0, max(60.0, rng.lognormvariate(math.log(self.mean_g), 0.5)))
        return max(0.5, rng.gauss(self.mean_g, self.sd_g))


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """A store's products, and the catalogue that the cart is given."""

    kind: CatalogKind
    catalog: Catalog
    products: tuple[Product, ...]


def make_range(kind: CatalogKind, seed: int, size: int = SIZE) -> Range:
    """The same kind, seed and size make the same range."""
    rng = random.Random(f"range {kind} {seed}")
    means = _means(kind, rng, size)
    products = _looked_at(
        [_product(kind, rng, number, mean_g) for number, mean_g in enumerate(means)], random.Random(f"looks {seed}")
    )
    catalog = Catalog(
        version=1,
        currency="EUR",
        locale="en_IE",
        taxes={"A": Tax(rate_bp=1350), "Z": Tax(rate_bp=0)},
        items=tuple(product.item for product in products),
        promotions=_offers(products, random.Random(f"offers {seed}")),
    )
    return Range(kind=kind, catalog=catalog, products=products)


def _offers(products: tuple[Product, ...], rng: random.Random) -> tuple[Promotion, ...]:
    """Some per cent off a few products, several of one for a price on others; never two offers on one product."""
    found: list[Promotion] = []
    for product in products:
        item, chance = product.item, rng.random()
        if chance < PERCENT_SHARE:
            rate_bp = rng.choice((1000, 1500, 2000, 3000))
            found.append(Percent(id=f"off {item.sku}", skus=(item.sku,), rate_bp=rate_bp))
        elif chance < PERCENT_SHARE + MULTI_BUY_SHARE and item.unit == "each":
            take = rng.choice((2, 3))
            price_minor = round(item.price_minor * take * rng.uniform(0.7, 0.9))
            found.append(MultiBuy(id=f"more {item.sku}", skus=(item.sku,), take=take, price_minor=price_minor))
    return tuple(found)


def _looked_at(products: list[Product], rng: random.Random) -> tuple[Product, ...]:
    """Give all produce and some of the rest a class of looks, `family/kind`; siblings are of one family."""
    classes: list[str] = []
    known = []
    for product in products:
        vision_class = None
        if product.item.unit == "kg" or rng.random() < SEEN_SHARE:
            if classes and rng.random() < SAME_LOOKS:
                vision_class = rng.choice(classes)
            else:
                vision_class = f"family {len(classes) // SIBLINGS}/kind {len(classes) % SIBLINGS}"
                classes.append(vision_class)
        known.append(
            msgspec.structs.replace(product, item=msgspec.structs.replace(product.item, vision_class=vision_class))
        )
    return tuple(known)


def _means(kind: CatalogKind, rng: random.Random, size: int) -> list[float]:
    means: list[float] = []
    while len(means) < size:
        mean_g = _mean(kind, rng)
        means.append(mean_g)
        if kind == "twins" and len(means) < size and rng.random() < 1 / 3:
            # Of three products two are a pair: that is half the range once pairs that happen anyway are counted.
            means.append(max(1.0, mean_g + rng.uniform(-TWIN_WITHIN_G, TWIN_WITHIN_G)))
    return means


def _mean(kind: CatalogKind, rng: random.Random) -> float:
    """Grams of a product, log-normal around a can of 300 g."""
    if kind == "mixed":
        third = rng.random()
        if third < 1 / 3:
            return math.exp(rng.uniform(math.log(1.5), math.log(20.0)))
        if third < 2 / 3:
            return math.exp(rng.uniform(math.log(1500.0), math.log(6500.0)))
    if rng.random() < 0.015:
        return rng.uniform(1.0, 4.9)
    if rng.random() < 0.01:
        return rng.uniform(3500.0, 7500.0)
    return min(3000.0, max(8.0, rng.lognormvariate(math.log(300.0), 0.9)))


def _product(kind: CatalogKind, rng: random.Random, number: int, mean_g: float) -> Product:
    sd_g = max(0.15, mean_g * rng.choice((0.002, 0.005, 0.01, 0.015)))
    produce = kind != "mixed" and rng.random() < 0.06
    badly = 0.2 if kind == "unknown" else 0.02
    weight_g: float | None = round(mean_g, 1)
    weight_sd_g: float | None = round(sd_g, 2)
    if produce:
        mean_g, weight_g, weight_sd_g = rng.uniform(250.0, 900.0), None, None
    elif rng.random() < badly:
        # Half are missing, half are wrong by more than any spread: another pack size, a typing error.
        wrong_g = mean_g * math.exp(rng.choice((-1, 1)) * rng.uniform(math.log(1.08), math.log(1.6)))
        weight_g = None if rng.random() < 0.5 else round(max(1.0, wrong_g), 1)
        weight_sd_g = None if weight_g is None else weight_sd_g
    elif rng.random() < 0.1:
        weight_sd_g = None
    digits = f"{DEMONSTRATION_PREFIX}{number:06d}{rng.randrange(1000):03d}"
    item = Item(
        sku=f"P{number:03d}",
        name=f"Product {number}",
        gtins=(f"0{digits}{check_digit(digits)}",),
        plu=str(4000 + number) if produce else None,
        unit="kg" if produce else "each",
        price_minor=rng.randrange(99, 900) if produce else max(29, round(rng.lognormvariate(math.log(260), 0.8))),
        weight_g=weight_g,
        weight_sd_g=weight_sd_g,
        tax=rng.choice(("A", "Z")),
        age_min=18 if not produce and rng.random() < 0.01 else 0,
        deposit_minor=25 if not produce and rng.random() < 0.05 else 0,
    )
    return Product(item=item, mean_g=mean_g, sd_g=sd_g)
