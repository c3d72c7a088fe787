"""People who cheat the store, each act with what it claims and by how many σ the scale can tell it from that.

σ is that of one claim: the spread the catalogue gives the claimed unit (the cart's prior where it gives none) and the
scale's own. Acts below 3 σ are counted apart: nothing that only weighs can notice them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from cart.bench.trips.acts import pick_produce
from cart.bench.trips.shopper import LOAD_MAX_G, Shopper
from cart.bench.trips.things import Thing
from cart.core.settings import Policy

CheatKind = Literal[
    "unscanned", "swapped", "extra_unit", "hidden_with", "switched", "wrong_removal", "renamed_produce", "same_weight"
]
CHEATS: tuple[CheatKind, ...] = get_args(CheatKind)
SCALE_SIGMA_G = 1.0
SPAN_ERROR = 0.0005
"""Of a calibrated scale, as a share of what moves: half of what OIML R 76-1 permits of 5 kg at verification, 1 e."""
RESTS_S = 3.0
"""From one movement to the next, the basket comes to rest."""
PAIRS_TRIED = 50
CHEAPER = 0.7
"""Nobody cheats for a few cents: what is scanned costs at most so much of what is put in."""
VISIBLE_G = 5.0
"""Below this nothing is claimed to be weighed at all (`Policy.light_item_g`)."""


@dataclass(slots=True)
class Cheating:
    """One act. Filled in while it happens."""

    kind: CheatKind
    done: bool = False
    sigmas: float = 0.0
    began_ns: int = 0
    ended_ns: int = 0
    sku: str = ""
    """What was scanned or named for it, if anything."""
    thing: Thing | None = None
    """What is in the basket unpaid for."""
    noticed: bool = False
    denied: bool = False
    """The cart named it, and the shopper said that it was theirs."""


def cheat(s: Shopper, act: Cheating) -> None:
    """Do it. An act that finds nothing to work with (`done` false) is not counted."""
    act.began_ns = s.rig.now_ns
    s.cheat = act.kind
    s.say(f"CHEATS: {act.kind}")
    _ACTS[act.kind](s, act)
    s.cheat = ""
    act.ended_ns = s.rig.now_ns
    if act.done:
        s.say(f"cheated {act.kind} at {act.sigmas:.1f} σ")


def _sd_g(thing: Thing) -> tuple[float | None, float]:
    """What the catalogue claims of a unit: mean (None: nothing) and sd, with the cart's prior where it has none."""
    item = thing.product.item if thing.product is not None else None
    if item is None or item.weight_g is None:
        return None, 0.0
    policy = Policy()
    prior_g = max(policy.prior_weight_sd_min_g, policy.prior_weight_sd_fraction * item.weight_g)
    return item.weight_g, prior_g if item.weight_sd_g is None else item.weight_sd_g


def _apart(true_g: float, mean_g: float | None, sd_g: float) -> float:
    """σ between what lies there and what is claimed; 0 where nothing is claimed."""
    if mean_g is None:
        return 0.0
    return abs(true_g - mean_g) / math.hypot(sd_g, SCALE_SIGMA_G)


def _claimed(thing: Thing, scanned: Thing) -> float:
    """σ between what lies there and what was scanned for it. Where the catalogue errs about that, the cart may have
    learned what it truly weighs, and then goes by that.
    """
    truly = scanned.product
    by_catalogue = _apart(thing.weight_g, *_sd_g(scanned))
    return by_catalogue if truly is None else min(by_catalogue, _apart(thing.weight_g, truly.mean_g, truly.sd_g))


def _hidden_sigmas(weight_g: float, sd_g: float = 0.0) -> float:
    return weight_g / math.hypot(sd_g, SCALE_SIGMA_G) if weight_g >= VISIBLE_G else 0.0


def _in_and_out_g(weight_g: float) -> float:
    """1 σ in grams of a thing's weight coming out against its weight going in."""
    return math.sqrt(2.0) * math.hypot(SCALE_SIGMA_G, SPAN_ERROR * weight_g)


def _unscanned(s: Shopper, act: Cheating) -> None:
    thing = s.pick()
    thing.cheat, act.thing = act.kind, thing
    s.put(thing)
    act.done, act.sigmas = True, _hidden_sigmas(thing.weight_g)


def _swapped(s: Shopper, act: Cheating) -> None:
    """Scan the cheap one, put in the dear one."""
    pair = sorted((s.pick() for _ in range(6)), key=_price)
    cheap, dear = pair[0], pair[-1]
    s.scan(cheap)
    cheap_g, _ = _sd_g(cheap)
    s.hold(s.habits.scan_to_put_s)
    dear.cheat, act.thing = act.kind, dear
    s.put(dear)
    light = cheap_g is not None and cheap_g < VISIBLE_G
    act.sku = cheap.sku or ""
    act.done = _price(dear) > _price(cheap)
    act.sigmas = _claimed(dear, cheap)
    if light or dear.weight_g < VISIBLE_G:
        act.sigmas = min(act.sigmas, _hidden_sigmas(dear.weight_g))


def _extra_unit(s: Shopper, act: Cheating) -> None:
    first = s.pick()
    if first.product is None:
        return
    second = s.another(first.product)
    mean_g, sd_g = _sd_g(first)
    s.scan(first)
    s.hold(s.habits.scan_to_put_s)
    second.cheat, act.thing = act.kind, second
    if s.chance(0.5):
        s.put(first, second)
        act.sigmas = _apart(first.weight_g + second.weight_g, mean_g, sd_g)
    else:
        s.put(first)
        s.hold((0.7, 3.0))
        s.put(second)
        act.sigmas = _hidden_sigmas(second.weight_g)
    act.sku, act.done = first.sku or "", True
    if second.weight_g < VISIBLE_G:
        act.sigmas = 0.0


def _hidden_with(s: Shopper, act: Cheating) -> None:
    """Something small and unscanned goes in together with something scanned."""
    scanned, small = sorted((s.pick(), s.pick()), key=lambda t: -t.weight_g)
    mean_g, sd_g = _sd_g(scanned)
    s.scan(scanned)
    s.hold(s.habits.scan_to_put_s)
    small.cheat, act.thing = act.kind, small
    s.put(scanned, small)
    act.sku, act.done = scanned.sku or "", True
    act.sigmas = _apart(scanned.weight_g + small.weight_g, mean_g, sd_g)
    if small.weight_g < VISIBLE_G or scanned.weight_g < VISIBLE_G:
        act.sigmas = 0.0


def _switched(s: Shopper, act: Cheating) -> None:
    """Something paid for is taken out, something dearer and unscanned goes in, in one go or after another."""
    there = [t for t in s.world.inside if t.product is not None and t.scanned and t.weight_g >= VISIBLE_G]
    if not there:
        return
    old = min(there, key=_price)
    new = max((s.pick() for _ in range(6)), key=_price)
    if _price(new) <= _price(old):
        return
    new.cheat, act.thing = act.kind, new
    gap_s = s.rng.choice((0.05, 0.5, 3.0))
    s.take(old, why="to switch it", for_good=True)
    s.hold((gap_s, gap_s + 0.1))
    s.put(new)
    old.scanned = False
    # The new thing may be taken for the old one; in one go with that one going out it also shows only beside it.
    sigma_g = _in_and_out_g(old.weight_g)
    alone = _hidden_sigmas(new.weight_g) / (1.0 if gap_s >= RESTS_S else sigma_g)
    act.done, act.sigmas = True, min(alone, _hidden_sigmas(abs(new.weight_g - old.weight_g)) / sigma_g)


def _wrong_removal(s: Shopper, act: Cheating) -> None:
    """A cheap thing is taken out, and a dear one named when the cart asks; the dear one stays."""
    there = [t for t in s.world.inside if t.product is not None and t.scanned and t.weight_g >= VISIBLE_G]
    if len(there) < 2:
        return
    cheap, dear = min(there, key=_price), max(there, key=_price)
    if cheap.sku == dear.sku or _price(cheap) >= _price(dear):
        return
    dear.cheat, act.thing = act.kind, dear
    s.take(cheap, why="and will name another")
    s.hold((1.0, 2.5))
    s.scan(dear, "as if that had been taken out")
    s.hold((1.0, 2.0))
    act.sku, act.done = dear.sku or "", True
    act.sigmas = _hidden_sigmas(abs(cheap.weight_g - dear.weight_g)) / _in_and_out_g(dear.weight_g)


def _renamed_produce(s: Shopper, act: Cheating) -> None:
    """Dear produce named as cheap produce: no weight can tell, only a camera."""
    pair = sorted((s.pick(by_weight=True) for _ in range(4)), key=_price)
    cheap, dear = pair[0], pair[-1]
    if cheap.product is None or cheap.product.item.unit != "kg" or _price(cheap) >= _price(dear):
        return
    pick_produce(s, cheap)
    s.hold((1.0, 3.0))
    dear.cheat, act.thing = act.kind, dear
    dear.scanned = True
    s.put(dear)
    act.sku, act.done = cheap.sku or "", True


def _same_weight(s: Shopper, act: Cheating) -> None:
    """Scan the cheap one, put in a dear one that weighs as much: only its looks tell."""
    pieces = [p for p in s.goods.products if p.item.unit == "each" and p.mean_g >= VISIBLE_G and p.item.weight_g]
    for _ in range(PAIRS_TRIED):
        dear = s.rng.choice(pieces)
        alike = [p for p in pieces if abs(p.mean_g - dear.mean_g) <= max(SCALE_SIGMA_G, p.sd_g)]
        cheap = min(alike, key=lambda p: p.item.price_minor)
        if cheap.item.price_minor <= CHEAPER * dear.item.price_minor and dear.mean_g + s.load_g < LOAD_MAX_G:
            break
    else:
        return
    scanned, thing = s.another(cheap), s.another(dear)
    s.scan(scanned)
    s.hold(s.habits.scan_to_put_s)
    thing.cheat, act.thing = act.kind, thing
    s.put(thing)
    act.sku, act.done, act.sigmas = scanned.sku or "", True, _claimed(thing, scanned)


def _price(thing: Thing) -> int:
    return thing.product.item.price_minor if thing.product is not None else 0


_ACTS = {
    "unscanned": _unscanned,
    "swapped": _swapped,
    "extra_unit": _extra_unit,
    "hidden_with": _hidden_with,
    "switched": _switched,
    "wrong_removal": _wrong_removal,
    "renamed_produce": _renamed_produce,
    "same_weight": _same_weight,
}
