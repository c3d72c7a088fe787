"""What the store's carts have learned of weights, merged: a pure function of their rows, whichever cart spoke first.

A cart tells each placement (`item_confirmed`) and, of products whose catalogue weight is missing or was denied by
people, what it has learned (`weight_learned`). A unit counts if it was weighed alone. Of each cart the newest units
count, all of them for no more than `CART_VOTES`: neither one wrong placement nor one cart with a bad scale decides. The
merged weight is the weighted median, its spread 1.4826 × the weighted median absolute deviation (Hampel 1974, J. Am.
Stat. Assoc. 69:383), blended with the carts' prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from cart.core.catalog import Catalog, Item, LearnedWeight
from cart.core.chain import LedgerRow
from cart.core.ledger import ItemConfirmed, ItemRemoved, ItemReopened, OwnThing, WeightLearned
from cart.core.settings import Policy

CART_UNITS: Final = 9
"""Units remembered of one product on one cart: as many as a cart itself remembers."""
CART_VOTES: Final = 3.0
CARTS_MAX: Final = 9
"""So many carts' word counts, the newest: a pack of a new size is known after five of them."""
VOTES_MIN: Final = 5.0
CARTS_MIN: Final = 2
"""Before that what was learned stays on the cart that learned it."""
AGREED: Final = 2 / 3
"""Share of votes that must lie within `OFF_SIGMAS` of the median; else units of one code differ, and people look."""
SPREAD_MAX: Final = 0.25
"""Units that spread more than that, 1 σ over the mean, are not of one weight, or things too light to be seen: what was
weighed for them was something else.
"""
OFF_SIGMAS: Final = 4.0
PRIOR_UNITS: Final = 3.0
SD_MIN_G: Final = 0.25
_MAD_TO_SIGMA: Final = 1.4826

ROW_KINDS: Final = ("item_confirmed", "item_removed", "item_reopened", "own_thing", "weight_learned")
"""Kinds of rows that say something of weights."""


class Unit(NamedTuple):
    """One unit weighed alone, the newer the greater; `vouched`: a person stood by it."""

    wall_ms: int
    seq: int
    number: int
    weight_g: float
    vouched: bool


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """What carts say of one product: `units` weighed on `carts`, `votes` of them after each cart's cap.

    `agreed`: most of them are alike; `wrong`: they are, and not as the catalogue says (`catalog_g`).
    """

    sku: str
    weight_g: float
    sd_g: float
    units: int
    carts: int
    votes: float
    vouched: int
    agreed: bool
    catalog_g: float | None
    wrong: bool

    @property
    def enough(self) -> bool:
        """Whether it may speak for all carts."""
        return self.agreed and self.votes >= VOTES_MIN and self.carts >= CARTS_MIN


@dataclass(slots=True)
class _Trip:
    """The trip a cart's rows are about: confirmations, and what shares their weight steps or takes them back."""

    trip_id: str = ""
    weighed: list[tuple[int, ItemConfirmed]] = field(default_factory=list)
    used: dict[int, int] = field(default_factory=dict)
    reopened: set[int] = field(default_factory=set)

    def alone(self) -> Iterable[tuple[int, ItemConfirmed]]:
        """Confirmations whose steps were about nothing else."""
        for wall_ms, event in self.weighed:
            if event.line_id not in self.reopened and all(self.used[step] == 1 for step in event.step_ids):
                yield wall_ms, event


class Evidence:
    """Takes each cart's rows in the order of its chain; carts in any order give the same answer."""

    def __init__(self) -> None:
        self._trips: dict[tuple[str, str], _Trip] = {}
        self._units: dict[tuple[str, str], list[Unit]] = {}
        self._learned: dict[tuple[str, str], tuple[int, int, WeightLearned]] = {}
        self.heads: dict[tuple[str, str], int] = {}
        """(cart, chain) → the last row taken."""

    def take(self, cart_id: str, chain: str, row: LedgerRow) -> None:
        """One row. What is not about weights changes nothing."""
        key = (cart_id, chain)
        self.heads[key] = row.seq
        trip = self._trips.setdefault(key, _Trip())
        if trip.trip_id != row.trip_id:
            self._close(cart_id, trip)
            trip = self._trips[key] = _Trip(row.trip_id)
        try:
            event = msgspec.json.decode(row.body, type=_Told)
        except msgspec.MsgspecError:
            return  # of another kind, or of a later release
        match event:
            case WeightLearned():
                known = self._learned.get((event.sku, cart_id))
                if known is None or known[:2] < (row.wall_ms, row.seq):
                    self._learned[event.sku, cart_id] = (row.wall_ms, row.seq, event)
                return
            case ItemReopened():
                trip.reopened.add(event.line_id)
                return
            case ItemConfirmed():
                if event.weight_g is not None and event.weight_g > 0.0 and event.units > 0 and event.step_ids:
                    trip.weighed.append((row.wall_ms, event))
        for step_id in event.step_ids:
            trip.used[step_id] = trip.used.get(step_id, 0) + 1

    def products(self) -> dict[str, dict[str, list[Unit]]]:
        """Product → cart → its newest units. What a cart has learned stands for its placements of that product."""
        found: dict[str, dict[str, list[Unit]]] = {}
        for (sku, cart_id), units in self._units.items():
            found.setdefault(sku, {})[cart_id] = list(units)
        for (cart_id, _), trip in self._trips.items():
            for sku, unit in _units(trip):
                found.setdefault(sku, {}).setdefault(cart_id, []).append(unit)
        for (sku, cart_id), (wall_ms, seq, learned) in self._learned.items():
            if not learned.samples_g:
                continue  # forgotten again: the placement was another thing's
            first_vouched = len(learned.samples_g) - learned.vouched
            found.setdefault(sku, {})[cart_id] = [
                Unit(wall_ms, seq, number, weight_g, number >= first_vouched)
                for number, weight_g in enumerate(learned.samples_g)
                if weight_g > 0.0
            ]
        return {sku: {cart: _newest(units) for cart, units in carts.items()} for sku, carts in found.items()}

    def _close(self, cart_id: str, trip: _Trip) -> None:
        for sku, unit in _units(trip):
            self._units[sku, cart_id] = _newest([*self._units.get((sku, cart_id), []), unit])


def _units(trip: _Trip) -> Iterable[tuple[str, Unit]]:
    for number, (wall_ms, event) in enumerate(trip.alone()):
        for _ in range(event.units):
            unit_g = (event.weight_g or 0.0) / event.units
            yield event.sku, Unit(wall_ms, event.step_ids[-1], number, unit_g, event.proof in ("staff", "shopper"))


def _newest(units: Sequence[Unit]) -> list[Unit]:
    return sorted(units, reverse=True)[:CART_UNITS]


def merge(item: Item, carts: Mapping[str, Sequence[Unit]]) -> Merged | None:
    """What `carts` say of one product; None where none of them has weighed it, or it is sold by weight."""
    heard = sorted((units for units in carts.values() if units), key=max, reverse=True)[:CARTS_MAX]
    if not heard or item.unit != "each":
        return None
    votes = sorted((unit.weight_g, min(CART_VOTES, len(units)) / len(units)) for units in heard for unit in units)
    total = sum(vote for _, vote in votes)
    middle_g = _weighted_median(votes)
    prior_g = _prior_g(middle_g)
    seen_g = _MAD_TO_SIGMA * _weighted_median(sorted((abs(g - middle_g), vote) for g, vote in votes))
    sd_g = max(SD_MIN_G, ((PRIOR_UNITS * prior_g**2 + total * seen_g**2) / (PRIOR_UNITS + total)) ** 0.5)
    near = sum(vote for g, vote in votes if abs(g - middle_g) <= OFF_SIGMAS * max(sd_g, prior_g))
    typed = typed_weight(item)
    believed_g = _prior_g(typed[0]) if typed[0] is not None and typed[1] is None else typed[1] or SD_MIN_G
    agreed = near >= AGREED * total and sd_g <= SPREAD_MAX * middle_g
    apart = typed[0] is not None and abs(middle_g - typed[0]) > OFF_SIGMAS * max(believed_g, SD_MIN_G)
    return Merged(
        sku=item.sku,
        weight_g=round(middle_g, 2),
        sd_g=round(sd_g, 3),
        units=sum(len(units) for units in heard),
        carts=len(heard),
        votes=round(total, 6),
        vouched=sum(unit.vouched for units in heard for unit in units),
        agreed=agreed,
        catalog_g=typed[0],
        wrong=apart and agreed and total >= VOTES_MIN and len(heard) >= CARTS_MIN,
    )


def merge_all(catalog: Catalog, evidence: Evidence) -> dict[str, Merged]:
    """By product; those of which nothing was weighed, or that the catalogue doesn't know, are left out."""
    products = evidence.products()
    merged = (merge(item, products[item.sku]) for item in catalog.items if item.sku in products)
    return {one.sku: one for one in merged if one is not None}


def with_learned(catalog: Catalog, merged: Mapping[str, Merged]) -> Catalog:
    """The catalogue with learned weights where the typed one is missing, without spread, or plainly wrong.

    Each such item keeps what was typed in `learned`. What is no longer borne out goes back to what was typed.
    """
    items = tuple(_item_with(item, merged.get(item.sku)) for item in catalog.items)
    return msgspec.structs.replace(catalog, items=items)


def typed_weight(item: Item) -> tuple[float | None, float | None]:
    """Weight and spread in grams as the store typed them, whatever was learned since."""
    if item.learned is None:
        return item.weight_g, item.weight_sd_g
    return item.learned.typed_g, item.learned.typed_sd_g


def _item_with(item: Item, merged: Merged | None) -> Item:
    typed_g, typed_sd_g = typed_weight(item)
    if merged is None and item.learned is not None:
        return item  # a till without its ledger must not forget what it once knew
    unknown = typed_g is None or typed_sd_g is None
    if merged is None or not merged.enough or not (unknown or merged.wrong):
        return msgspec.structs.replace(item, weight_g=typed_g, weight_sd_g=typed_sd_g, learned=None)
    learned = LearnedWeight(
        units=merged.units,
        carts=merged.carts,
        vouched=merged.vouched,
        typed_g=typed_g,
        typed_sd_g=typed_sd_g,
        wrong=merged.wrong,
    )
    return msgspec.structs.replace(item, weight_g=merged.weight_g, weight_sd_g=merged.sd_g, learned=learned)


def _weighted_median(votes: Sequence[tuple[float, float]]) -> float:
    """Of (value, weight) in order of values; the middle of two where they share the weight evenly."""
    half = sum(weight for _, weight in votes) / 2.0
    so_far = 0.0
    for number, (value, weight) in enumerate(votes):
        so_far += weight
        if abs(so_far - half) < 1e-9:
            return (value + votes[number + 1][0]) / 2.0
        if so_far > half:
            return value
    return votes[-1][0]


def _prior_g(mean_g: float) -> float:
    policy = Policy()
    return max(policy.prior_weight_sd_min_g, policy.prior_weight_sd_fraction * mean_g)


_Told = ItemConfirmed | ItemRemoved | ItemReopened | OwnThing | WeightLearned
