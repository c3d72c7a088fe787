"""What is physically in the basket, and the shelf it came from. True weights live here and nowhere on the cart."""

from __future__ import annotations

import random
import zlib
from typing import Literal

import msgspec
from biip.checksums import gs1_price_weight_check_digit

from cart.bench.verbs import PutIn, TakeOut, VerbError
from cart.core.catalog import Catalog, CatalogIndex, Item
from cart.core.rcn_layouts import RcnLayout, check_digit

# A basket holds no more than this; what was taken out is remembered as long, so that it can come back.
THINGS_MAX = 300
# Catalogues round their mean weights; a unit that has no spread given varies by this fraction.
UNKNOWN_SD_FRACTION = 0.02
# No unit is lighter than its wrapper.
LIGHTEST_FRACTION = 0.5


class Thing(msgspec.Struct, kw_only=True):
    """One physical thing. `sku` is None for what the shopper brought along."""

    thing: int
    sku: str | None
    label: str
    weight_g: float
    where: Literal["basket", "out"] = "basket"


class Basket:
    """Things in the basket and things taken out of it, by number."""

    def __init__(self, catalog: Catalog, seed: int) -> None:
        self._items = {item.sku: item for item in catalog.items}
        self._random = random.Random(seed)
        self._layouts = CatalogIndex(catalog).layouts
        self._things: dict[int, Thing] = {}
        self._next = 1
        self._labelled_g: dict[str, float] = {}
        """Weighed and labelled at a counter, in hand: the next of that sku put in is this piece."""

    @property
    def inside(self) -> list[Thing]:
        return [thing for thing in self._things.values() if thing.where == "basket"]

    @property
    def outside(self) -> list[Thing]:
        return [thing for thing in self._things.values() if thing.where == "out"]

    def item(self, sku: str) -> Item:
        """The catalogue's item. Raises VerbError when the shelf has none of that sku."""
        if sku not in self._items:
            raise VerbError(f"the shelf has no sku {sku!r}; GET /shelf lists them")
        return self._items[sku]

    def put(self, verb: PutIn) -> list[Thing]:
        """The things that go in. Raises VerbError when they cannot."""
        if verb.thing is not None:
            thing = self._named(verb.thing, self.outside, "was taken out")
            thing.where = "basket"
            return [thing]
        if len(self.inside) + verb.units > THINGS_MAX:
            raise VerbError(f"the basket holds {THINGS_MAX} things; take something out first")
        return [self._make(verb) for _ in range(verb.units)]

    def take(self, verb: TakeOut) -> list[Thing]:
        """The things that come out. Raises VerbError when they are not in the basket."""
        if verb.thing is not None:
            taken = [self._named(verb.thing, self.inside, "is in the basket")]
        else:
            fitting = [thing for thing in self.inside if thing.sku == verb.sku]
            if len(fitting) < verb.units:
                raise VerbError(f"the basket holds {len(fitting)} of sku {verb.sku!r}, not {verb.units}")
            taken = fitting[-verb.units :]
        for thing in taken:
            thing.where = "out"
            # The newest taken out is the likeliest to come back: keep that order, and forget the oldest.
            self._things[thing.thing] = self._things.pop(thing.thing)
        for forgotten in self.outside[:-THINGS_MAX]:
            del self._things[forgotten.thing]
        return taken

    def _make(self, verb: PutIn) -> Thing:
        item = None if verb.sku is None else self.item(verb.sku)
        if verb.weight_g is not None:
            weight_g = verb.weight_g
        elif item is not None:
            weight_g = self._labelled_g.pop(item.sku, 0.0) or self._draw_g(item)
        else:
            raise VerbError("put_in: name what goes in with sku, weight_g or thing")
        label = verb.label or (item.name if item is not None else "own thing")
        thing = Thing(thing=self._next, sku=verb.sku, label=label, weight_g=round(weight_g, 2))
        self._things[self._next] = thing
        self._next += 1
        return thing

    def _draw_g(self, item: Item) -> float:
        """One unit's true weight: normal about the catalogue's mean with its spread."""
        if item.unit == "kg":
            return self._random.uniform(250.0, 900.0)
        mean_g = item.weight_g
        if mean_g is None:
            # Real, though the catalogue doesn't know it: the same for each unit of this product.
            mean_g = 100.0 + zlib.crc32(item.sku.encode()) % 500
        sd_g = mean_g * UNKNOWN_SD_FRACTION if item.weight_sd_g is None else item.weight_sd_g
        return max(mean_g * LIGHTEST_FRACTION, self._random.gauss(mean_g, sd_g))

    def code_of(self, sku: str) -> str:
        """The number in a product's barcode, 14 digits. One that carries a measure is labelled for a piece drawn now.

        Raises VerbError when the product has none.
        """
        item = self.item(sku)
        if not item.gtins:
            raise VerbError(f"{item.name} has no barcode; pick it on the screen by name or PLU {item.plu or '-'}")
        gtin = item.gtins[0]
        for layout in self._layouts:
            if gtin[1:].startswith(layout.pattern[: layout.pattern.index("I")]):
                weight_g = self._labelled_g.setdefault(sku, round(self._draw_g(item), 0))
                return label_code(gtin, layout, weight_g, item.price_minor)
        return gtin

    def _named(self, name: int | str, among: list[Thing], state: str) -> Thing:
        for thing in reversed(among):
            if name in (thing.thing, thing.label):
                return thing
        raise VerbError(f"no thing {name!r} {state}; GET /world lists them")


def label_code(gtin: str, layout: RcnLayout, weight_g: float, price_minor_per_kg: int) -> str:
    """A counter's label: the number's value digits filled with weight or price, its check digits made right."""
    if layout.measure == "weight":
        value = round(weight_g * 10.0 ** (layout.decimals - 3))
    else:
        value = round(weight_g * price_minor_per_kg / 1000)
    digits = str(value).zfill(layout.pattern.count("V"))
    value_check = str(gs1_price_weight_check_digit(digits)) if "C" in layout.pattern else ""
    values = iter(digits)
    filled = ""
    for letter, digit in zip(layout.pattern[:-1], gtin[1:-1], strict=True):
        filled += next(values) if letter == "V" else value_check if letter == "C" else digit
    return f"0{filled}{check_digit(filled)}"


def scan_text(gtin: str) -> tuple[str, str]:
    """A GTIN of 14 digits as a scanner sends it: text and AIM symbology identifier (ISO/IEC 15424)."""
    if gtin.startswith("000000"):
        return gtin[6:], "]E4"
    if gtin.startswith("0"):
        return gtin[1:], "]E0"
    return gtin, "]I1"


def guessed_aim(text: str) -> str:
    """The symbology a text most likely comes in: EAN by its length, GS1 DataMatrix by its brackets, else Code 128."""
    if text.isdigit() and len(text) in (8, 13):
        return "]E4" if len(text) == 8 else "]E0"
    if text.isdigit() and len(text) == 12:
        return "]E0"
    if text.startswith(("(01)", "01")) and len(text) > 16:
        return "]d2"
    return "]C0"
