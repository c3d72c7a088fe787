"""What really is: things, what lies in the basket, and a diary of what was done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cart.bench.trips.ranges import Product

LATELY = 4
DiaryKind = Literal["scan", "put", "take", "take_for_good", "under", "removed_on_screen", "declared_own"]


@dataclass(eq=False, slots=True)
class Thing:
    """One unit, or one bag of produce, or with no product a thing of the shopper's own."""

    number: int
    product: Product | None
    weight_g: float
    gone_ns: int = 0
    """When it was last taken out."""
    scanned: bool = False
    """It has been scanned, picked or declared, and the shopper knows so."""
    cheat: str = ""

    @property
    def sku(self) -> str | None:
        return None if self.product is None else self.product.item.sku

    @property
    def name(self) -> str:
        return "own thing" if self.product is None else f"{self.product.item.sku} {self.weight_g:.1f} g"


@dataclass(frozen=True, slots=True)
class Entry:
    """`prompted`: done because the cart asked; a cart that doesn't ask would not have seen it."""

    t_ns: int
    kind: DiaryKind
    skus: tuple[str | None, ...]
    weights_g: tuple[float, ...]
    prompted: bool
    why: str
    cheat: str = ""


@dataclass(slots=True)
class World:
    """The truth of one trip."""

    inside: list[Thing] = field(default_factory=list)
    under: list[Thing] = field(default_factory=list)
    away: list[Thing] = field(default_factory=list)
    """Taken out for good, newest last; nobody has asked about them yet."""
    diary: list[Entry] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    """Units the cart has been told of and not been told to drop, by product."""
    made: int = 0

    def thing(self, product: Product | None, weight_g: float) -> Thing:
        self.made += 1
        return Thing(self.made, product, weight_g)

    @property
    def goods(self) -> list[Thing]:
        return [thing for thing in (*self.inside, *self.under) if thing.product is not None]

    def units(self, sku: str | None) -> int:
        """Units of a product in and under the cart."""
        return sum(thing.sku == sku for thing in (*self.inside, *self.under))

    @property
    def unscanned(self) -> list[Thing]:
        """Goods inside that nobody has scanned, newest first."""
        return [t for t in reversed(self.inside) if not t.scanned and t.product is not None]

    @property
    def undeclared(self) -> list[Thing]:
        return [t for t in self.inside if not t.scanned and t.product is None]

    @property
    def wrong(self) -> bool:
        """Something is in the basket that the shopper has not told the cart of."""
        return any(not t.scanned for t in self.inside)

    def badly_catalogued(self, sku: str) -> bool:
        """A unit of this product in the basket is not what the catalogue says of it, or it says nothing."""
        return any(t.sku == sku and t.product is not None and t.product.badly_catalogued for t in self.inside)

    @property
    def badly_catalogued_lately(self) -> bool:
        """The same of any of the last few things that went in."""
        return any(t.product is not None and t.product.badly_catalogued for t in self.inside[-LATELY:])

    def note(
        self, t_ns: int, kind: DiaryKind, things: Iterable[Thing], why: str, *, prompted: bool, cheat: str = ""
    ) -> None:
        listed = list(things)
        skus = [t.sku for t in listed if t.sku is not None]
        if kind == "scan":
            self.told.update(skus)
        elif kind == "take_for_good":
            self.told.subtract(t.sku for t in listed if t.sku is not None and t.scanned)
        elif kind == "removed_on_screen":
            self.told.subtract([why])
        self.diary.append(
            Entry(t_ns, kind, tuple(t.sku for t in listed), tuple(t.weight_g for t in listed), prompted, why, cheat)
        )
