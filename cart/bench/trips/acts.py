"""What honest people do at the shelf, their mistakes included. Each act starts and ends with free hands."""

from __future__ import annotations

from collections.abc import Callable

from cart.bench.trips.ranges import Product
from cart.bench.trips.shopper import Shopper
from cart.bench.trips.things import Thing

VISIBLE_G = 5.0
UNDER_G = 3000.0
"""From this weight on people think of the rack under the basket."""


def scan_and_put(s: Shopper) -> None:
    thing = s.pick()
    s.scan(thing)
    s.hold(s.habits.scan_to_put_s)
    _stow(s, thing)


def put_and_scan(s: Shopper) -> None:
    thing = s.pick()
    s.put(thing)
    s.hold((0.6, 6.0))
    if not thing.scanned:
        s.scan(thing)


def two_scanned(s: Shopper) -> None:
    """Two different things scanned, both put in with one movement or one after the other."""
    first, second = s.pick(), s.pick()
    s.scan(first)
    s.hold((0.8, 2.5))
    s.scan(second)
    s.hold(s.habits.scan_to_put_s)
    if s.chance(s.habits.at_once):
        s.put(first, second)
        return
    pair = [first, second]
    s.rng.shuffle(pair)
    s.put(pair[0])
    s.hold((0.7, 2.5))
    s.put(pair[1])


def many_at_once(s: Shopper) -> None:
    """An armful: three or four things scanned or picked, then all of them put in together or quickly one by one."""
    things = [s.pick(by_weight=s.chance(0.15)) for _ in range(s.rng.choice((3, 3, 4)))]
    for thing in things:
        if _of(thing).item.unit == "kg":
            pick_produce(s, thing)
        else:
            s.scan(thing)
        s.hold((0.5, 1.5))
    if s.chance(s.habits.at_once):
        s.put(*things)
        return
    for thing in things:
        s.put(thing)
        s.hold((0.3, 1.2))


def same_twice(s: Shopper) -> None:
    """Two or three of a kind, each scanned."""
    first = s.pick()
    things = [first, *(s.another(_of(first)) for _ in range(s.rng.choice((1, 1, 2))))]
    for thing in things:
        s.scan(thing)
        s.hold((0.6, 1.5))
    if s.chance(s.habits.at_once) and len(things) == 2:
        s.put(*things)
        return
    for thing in things:
        s.put(thing)
        s.hold((0.6, 2.0))


def times_n(s: Shopper) -> None:
    """One scan, ×N on the screen, then all of them, one by one or two at a time."""
    first = s.pick()
    if first.weight_g > 2000.0:
        scan_and_put(s)
        return
    things = [first, *(s.another(_of(first)) for _ in range(s.rng.randint(1, 5)))]
    s.scan(first)
    s.hold((1.0, 2.5))
    line = s.line_of(first.sku)
    if line is not None:
        s.touch("quantity", line=line.line, units=line.units + len(things) - 1)
        for thing in things[1:]:
            thing.scanned = True
            s.note("scan", [thing], "times n")
    s.hold((0.6, 2.0))
    while things:
        count = 2 if len(things) > 1 and s.chance(s.habits.at_once) else 1
        s.put(*things[:count])
        del things[:count]
        s.hold((0.6, 1.8))


def produce(s: Shopper) -> None:
    """Loose goods: picked on the screen and put in, sometimes the other way round."""
    thing = s.pick(by_weight=True)
    if _of(thing).item.unit != "kg":
        scan_and_put(s)
        return
    if s.chance(0.2):
        s.put(thing)
        s.hold((1.0, 5.0))
        pick_produce(s, thing)
        return
    pick_produce(s, thing)
    s.hold((1.0, 6.0))
    s.put(thing)
    s.hold((0.5, 1.0))


def pick_produce(s: Shopper, thing: Thing) -> None:
    s.note("scan", [thing], "produce")
    thing.scanned = True
    s.touch("produce", sku=thing.sku)


def look_and_put_back(s: Shopper) -> None:
    """Take something out, read its label, put it back."""
    thing = _any_inside(s)
    if thing is None:
        scan_and_put(s)
        return
    s.take(thing, why="to look at it")
    s.hold((0.8, 6.0) if s.chance(0.8) else (8.0, 25.0))
    s.put(thing, why="back")


def change_of_mind(s: Shopper) -> None:
    """Take something out for good; it stays in hand for a moment, then on some shelf."""
    thing = _any_inside(s)
    if thing is None:
        scan_and_put(s)
        return
    s.take(thing, why="for good", for_good=True)
    s.hold((1.0, 4.0))


def swap(s: Shopper) -> None:
    """Something better instead: the new thing scanned, the old one out, at nearly the same time."""
    old = _any_inside(s)
    if old is None:
        scan_and_put(s)
        return
    new = s.pick()
    s.scan(new)
    s.hold((0.8, 2.0))
    s.take(old, why="for good, swapped", for_good=True)
    s.hold((0.05, 1.0))
    s.put(new)


def late_put(s: Shopper) -> None:
    """Scanned, then somebody rings up: it goes in after the cart has asked for it, or has been about to."""
    thing = s.pick()
    s.scan(thing)
    s.hold((12.0, 24.0))
    _stow(s, thing)


def forgotten_scan(s: Shopper) -> None:
    s.put(_visible(s), why="and forgets to scan it")


def one_scan_two_units(s: Shopper) -> None:
    """Two of a kind, one scan: thought that once was enough."""
    first = _visible(s)
    second = s.another(_of(first))
    s.scan(first)
    s.hold(s.habits.scan_to_put_s)
    if s.chance(s.habits.at_once):
        s.put(first, second, why="two for one scan")
        return
    s.put(first)
    s.hold((0.7, 3.0))
    s.put(second, why="unscanned second unit")


def scanned_twice(s: Shopper) -> None:
    """The scanner beeped twice for one thing."""
    thing = _visible(s)
    s.scan(thing)
    s.hold((0.7, 1.5))
    s.scan(thing, "again by mistake")
    s.hold(s.habits.scan_to_put_s)
    _stow(s, thing)


def left_on_shelf(s: Shopper) -> None:
    s.scan(_visible(s), "and leaves it on the shelf")


def muddled(s: Shopper) -> None:
    """Two things in hand: the one scanned isn't the one that goes in first; both are scanned in the end."""
    first, second = s.pick(), s.pick()
    s.scan(first)
    s.hold((0.8, 2.5))
    s.put(second, why="though the other was scanned")
    s.hold((1.5, 5.0))
    if not second.scanned:
        s.scan(second)
    s.hold((0.6, 2.0))
    s.put(first)


def wrong_flavour(s: Shopper) -> None:
    """Scanned one flavour, put in another, of a weight that can be told from what the catalogue says and from what is
    true: what weighs the same only a camera tells; of what has no catalogue weight, or too little, nothing does.
    """
    for _ in range(40):
        scanned, thing = s.pick(), s.pick()
        claimed_g = _of(scanned).item.weight_g
        if claimed_g is None or min(claimed_g, scanned.weight_g) < VISIBLE_G:
            continue
        spread_g = max(_of(scanned).sd_g, 0.03 * scanned.weight_g, 2.0) + _of(thing).sd_g
        off_g = min(abs(thing.weight_g - scanned.weight_g), abs(thing.weight_g - claimed_g))
        if off_g > 4.0 * spread_g and thing.weight_g > 15.0:
            break
    else:
        return
    s.scan(scanned, "of the wrong flavour")
    s.hold(s.habits.scan_to_put_s)
    s.put(thing, why="unscanned other flavour")


def unknown_code(s: Shopper) -> None:
    """A thing that the store doesn't know; the shopper leaves it."""
    s.say("scans an unknown code")
    s.rig.scan("9520000000006")
    s.hold((1.0, 2.0))


HONEST: dict[str, Callable[[Shopper], None]] = {
    act.__name__: act
    for act in (
        scan_and_put, put_and_scan, two_scanned, many_at_once, same_twice, times_n, produce, look_and_put_back,
        change_of_mind, swap, late_put, forgotten_scan, one_scan_two_units, scanned_twice, left_on_shelf, muddled,
        wrong_flavour, unknown_code,
    )
}  # fmt: skip


def _stow(s: Shopper, thing: Thing) -> None:
    """Into the basket, or under it."""
    if thing.weight_g >= UNDER_G and s.chance(0.3):
        s.put_under(thing)
    else:
        s.put(thing)


def _visible(s: Shopper) -> Thing:
    """Something that a scale can see: with less, nothing that weighs can tell one unit from two or none."""
    for _ in range(20):
        thing = s.pick()
        if thing.weight_g >= VISIBLE_G and (_of(thing).item.weight_g or VISIBLE_G) >= VISIBLE_G:
            break
    return thing


def _any_inside(s: Shopper) -> Thing | None:
    """Something scanned, the newest the likelier."""
    there = [t for t in s.world.inside if t.product is not None and t.scanned and t.weight_g >= 5.0]
    return s.rng.choice(there[-4:] if s.chance(0.5) else there) if there else None


def _of(thing: Thing) -> Product:
    if thing.product is None:
        raise ValueError("own things are never shopped for")
    return thing.product
