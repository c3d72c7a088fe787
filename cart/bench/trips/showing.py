"""How people let the cart know of a thing that lies in the basket already: under the scanner, or picked by name."""

from __future__ import annotations

from cart.bench.trips.shopper import Shopper
from cart.bench.trips.things import Thing

LIFTS = 0.35
"""How often a thing is lifted out to scan it; else the scanner reaches into the basket."""


def show(s: Shopper, thing: Thing) -> None:
    """Let the cart know of a thing that lies inside already."""
    if thing.product is not None and thing.product.item.unit == "kg":
        s.note("scan", [thing], "produce")
        thing.scanned = True
        s.touch("produce", sku=thing.sku)
        s.hold((0.5, 1.0))
        return
    if s.chance(LIFTS):
        s.take(thing, why="to scan it")
        s.hold((0.5, 1.5))
        s.scan(thing, "in hand")
        s.hold((0.4, 1.5))
        s.put(thing)
    else:
        s.scan(thing, "in the basket")
    s.hold((0.6, 1.2))
