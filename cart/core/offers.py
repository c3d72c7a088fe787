"""Which offer prices which unit: the plan that leaves the shopper with the lowest total.

The rule. A unit is priced by at most one offer; offers do not stack. *Unit offers* (percent, amount off, member
price) act on every unit alone, and a unit always has the best of those that mean it. *Group offers* (multi-buy,
bundle, a coupon on a product) use up the units they group, and a group stands only where it saves more than its
units' own unit offers would. Group offers that compete for the same units are tried in every order, with and without
regard to each unit offer, and the plan that saves most wins.

So adding a promotion never raises a total: every plan that was there before is still there, and worth no less. That
holds as far as all orders are tried, which is bounded: among offers that compete for the same units in one basket,
orders of the first MAX_PREFIX are tried for at most MAX_COMPETING offers (the rest follow by id), and subsets of at
most MAX_UNIT_OFFERS unit offers. Real baskets have one or two.

Ties go to the plan found first; everything is walked by id, so the order of lines never matters. A coupon on the
whole basket is not an offer in this sense: it comes off afterwards (core/pricing.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from cart.core.promotions import AmountOff, Bundle, Coupon, MemberPrice, MultiBuy, Percent, Promotion
from cart.core.rounding import percentage, share, weighed_price

MAX_PREFIX = 4
MAX_COMPETING = 6
"""6 + 30 + 120 + 360 orders at the worst, some 10 ms; five offers on one product in one basket is a mistake already."""
MAX_UNIT_OFFERS = 3

GroupOffer = MultiBuy | Bundle | Coupon


class Kind(NamedTuple):
    """Units that are all alike to an offer: `units` of one product at one price, or one weighed line (1 unit).

    `price_minor` is of one unit, or of the whole weighed line; `weight_g` is set for the latter.
    """

    sku: str
    price_minor: int
    units: int
    weight_g: int | None
    promotions: tuple[Promotion, ...]


class Saving(NamedTuple):
    """What an offer takes off one unit."""

    minor: int
    promotion_id: str


class Group(NamedTuple):
    """Units (indices of kinds) that one group offer uses up, and what it takes off them together."""

    offer: GroupOffer
    kinds: tuple[int, ...]
    saving_minor: int


def best_savings(kinds: Sequence[Kind]) -> list[list[Saving]]:
    """For each kind the savings of its units, the largest first; units without one are left out."""
    own = [_unit_savings(kind) for kind in kinds]
    best_own = [_best(savings) for savings in own]
    groups: list[Group] = []
    for offers in _competing(kinds):
        groups += _plan_of_part(kinds, own, best_own, offers)
    result: list[list[Saving]] = [[] for _ in kinds]
    for group in groups:
        prices = [kinds[index].price_minor for index in group.kinds]
        for index, minor in zip(group.kinds, share(group.saving_minor, prices), strict=True):
            result[index].append(Saving(minor, group.offer.id))
    for index, kind in enumerate(kinds):
        best = best_own[index]
        if best is not None:
            result[index] += [best] * (kind.units - len(result[index]))
        result[index].sort(key=lambda saving: (-saving.minor, saving.promotion_id))
    return result


def _unit_savings(kind: Kind) -> dict[str, int]:
    """What each unit offer takes off one unit, by promotion id."""
    savings: dict[str, int] = {}
    for promotion in kind.promotions:
        match promotion:
            case Percent(rate_bp=rate_bp):
                minor = percentage(kind.price_minor, rate_bp)
            case AmountOff(amount_minor=amount):
                minor = min(_for_weight(amount, kind), kind.price_minor)
            case MemberPrice(price_minor=price):
                minor = kind.price_minor - _for_weight(price, kind)
            case _:
                continue
        if minor > 0:
            savings[promotion.id] = minor
    return savings


def _for_weight(minor: int, kind: Kind) -> int:
    return minor if kind.weight_g is None else weighed_price(minor, kind.weight_g)


def _best(savings: Mapping[str, int]) -> Saving | None:
    return min((Saving(minor, name) for name, minor in savings.items()), key=lambda s: (-s.minor, s[1]), default=None)


def _competing(kinds: Sequence[Kind]) -> Iterator[dict[str, tuple[GroupOffer, list[int]]]]:
    """Group offers with the kinds they mean, parted so that different parts share no kind."""
    meant: dict[str, tuple[GroupOffer, list[int]]] = {}
    for index, kind in enumerate(kinds):
        for promotion in kind.promotions:
            weighed = kind.weight_g is not None and not isinstance(promotion, Coupon)
            if isinstance(promotion, GroupOffer) and not weighed:
                meant.setdefault(promotion.id, (promotion, []))[1].append(index)
    waiting = {name: found for name, found in sorted(meant.items()) if _can_form(kinds, *found)}
    while waiting:
        name = next(iter(waiting))
        part = {name: waiting.pop(name)}
        reach = set(part[name][1])
        while linked := [other for other, (_, means) in waiting.items() if not reach.isdisjoint(means)]:
            for other in linked:
                part[other] = waiting.pop(other)
                reach.update(part[other][1])
        yield dict(sorted(part.items()))


def _can_form(kinds: Sequence[Kind], offer: GroupOffer, means: Sequence[int]) -> bool:
    """False where even all the units it means make no group: most offers in most baskets."""
    match offer:
        case MultiBuy(take=take):
            return sum(kinds[index].units for index in means) >= take
        case Bundle(groups=groups):
            skus = {kinds[index].sku for index in means}
            return all(not skus.isdisjoint(group) for group in groups)
    return True


def _plan_of_part(
    kinds: Sequence[Kind],
    own: Sequence[Mapping[str, int]],
    best_own: Sequence[Saving | None],
    offers: Mapping[str, tuple[GroupOffer, list[int]]],
) -> list[Group]:
    """The best plan for offers that compete among themselves, found with only the kinds that they mean at hand."""
    reach = sorted({index for _, means in offers.values() for index in means})
    place = {index: local for local, index in enumerate(reach)}
    groups = _best_plan(
        [kinds[index] for index in reach],
        [own[index] for index in reach],
        [best_own[index] for index in reach],
        {name: (offer, [place[index] for index in means]) for name, (offer, means) in offers.items()},
    )
    return [group._replace(kinds=tuple(reach[local] for local in group.kinds)) for group in groups]


def _best_plan(
    kinds: Sequence[Kind],
    own: Sequence[Mapping[str, int]],
    best_own: Sequence[Saving | None],
    offers: Mapping[str, tuple[GroupOffer, list[int]]],
) -> list[Group]:
    """The groups of the plan that saves most beyond the unit offers."""
    floor = [best.minor if best is not None else 0 for best in best_own]
    best_gain, best_groups = 0, list[Group]()
    for regarded in _regards(own):
        for groups in _plans(kinds, regarded, offers):
            kept = [group for group in groups if group.saving_minor > sum(floor[index] for index in group.kinds)]
            gain = sum(group.saving_minor - sum(floor[index] for index in group.kinds) for group in kept)
            if gain > best_gain:
                best_gain, best_groups = gain, kept
    return best_groups


def _regards(own: Sequence[Mapping[str, int]]) -> Iterator[list[int]]:
    """For each subset of the unit offers: what a unit of each kind saves by these alone, without repeats."""
    names = sorted({name for savings in own for name in savings})
    if len(names) <= MAX_UNIT_OFFERS:
        subsets: Iterable[tuple[str, ...]] = (
            chosen for size in range(len(names) + 1) for chosen in combinations(names, size)
        )
    else:
        subsets = ((), tuple(names))
    seen: set[tuple[int, ...]] = set()
    for chosen in subsets:
        regarded = [max((savings.get(name, 0) for name in chosen), default=0) for savings in own]
        if (key := tuple(regarded)) not in seen:
            seen.add(key)
            yield regarded


def _plans(
    kinds: Sequence[Kind], regarded: Sequence[int], offers: Mapping[str, tuple[GroupOffer, list[int]]]
) -> Iterator[list[Group]]:
    """The groups formed by each order of the offers, depth first, so that orders with the same beginning share its
    work.
    """
    leading = list(offers)[:MAX_COMPETING]

    def walk(groups: list[Group], left: list[int], used: tuple[str, ...]) -> Iterator[list[Group]]:
        waiting = [name for name in leading if name not in used]
        if not waiting or len(used) == MAX_PREFIX:
            for name in offers:
                if name not in used:
                    groups = groups + _form(kinds, regarded, offers[name], left)
            yield groups
            return
        for name in waiting:
            # Neighbours in an order that share no kind may swap without effect: only one of the two orders is walked.
            if used and name < used[-1] and set(offers[name][1]).isdisjoint(offers[used[-1]][1]):
                continue
            rest = list(left)
            formed = _form(kinds, regarded, offers[name], rest)
            yield from walk(groups + formed, rest, (*used, name))

    yield from walk([], [kind.units for kind in kinds], ())


def _form(
    kinds: Sequence[Kind], regarded: Sequence[int], offer: tuple[GroupOffer, list[int]], left: list[int]
) -> list[Group]:
    """Form what groups an offer can out of the units `left` (by kind), and take them from it."""
    promotion, means = offer
    match promotion:
        case MultiBuy():
            groups = _form_multi_buy(kinds, regarded, promotion, means, left)
        case Bundle():
            groups = _form_bundle(kinds, regarded, promotion, means, left)
        case Coupon():
            groups = _form_coupon(kinds, regarded, promotion, means, left)
    return groups


def _form_multi_buy(
    kinds: Sequence[Kind], regarded: Sequence[int], offer: MultiBuy, means: Sequence[int], left: list[int]
) -> list[Group]:
    """Dearest units together, as that saves most; a unit that has a better offer of its own is passed over."""
    own = regarded if offer.price_minor is not None else [0] * len(kinds)
    ordered = sorted(
        means, key=lambda index: (own[index] - kinds[index].price_minor, regarded[index], kinds[index].sku)
    )
    units = (index for index in ordered for _ in range(left[index]))
    groups: list[Group] = []
    window: list[int] = []
    while offer.max_times is None or len(groups) < offer.max_times:
        while len(window) < offer.take and (index := next(units, None)) is not None:
            window.append(index)
        if len(window) < offer.take:
            break
        saving = _multi_buy_saving(offer, [kinds[index].price_minor for index in window])
        if saving > sum(regarded[index] for index in window):
            groups.append(Group(offer, tuple(window), saving))
            window = []
            continue
        passed_over = max(window, key=lambda index: regarded[index])
        if regarded[passed_over] == 0:
            break
        window.remove(passed_over)
    _take(groups, left)
    return groups


def _multi_buy_saving(offer: MultiBuy, prices: Sequence[int]) -> int:
    if offer.price_minor is not None:
        return sum(prices) - offer.price_minor
    free = offer.take - (offer.pay or 0)
    return sum(sorted(prices)[:free])


def _form_bundle(
    kinds: Sequence[Kind], regarded: Sequence[int], offer: Bundle, means: Sequence[int], left: list[int]
) -> list[Group]:
    """Out of each group the unit that gains most, as long as the set still saves."""
    by_sku: dict[str, list[int]] = {}
    for index in means:
        by_sku.setdefault(kinds[index].sku, []).append(index)
    choices = [[index for sku in dict.fromkeys(skus) for index in by_sku.get(sku, ())] for skus in offer.groups]
    rest = list(left)
    groups: list[Group] = []
    while offer.max_times is None or len(groups) < offer.max_times:
        chosen: list[int] = []
        for options in choices:
            there = [index for index in options if rest[index] > 0]
            if not there:
                break
            dearest = max(there, key=lambda index: (kinds[index].price_minor - regarded[index], -index))
            rest[dearest] -= 1
            chosen.append(dearest)
        if len(chosen) < len(choices):
            break
        saving = sum(kinds[index].price_minor for index in chosen) - offer.price_minor
        if saving <= sum(regarded[index] for index in chosen):
            break
        groups.append(Group(offer, tuple(chosen), saving))
    _take(groups, left)
    return groups


def _form_coupon(
    kinds: Sequence[Kind], regarded: Sequence[int], offer: Coupon, means: Sequence[int], left: list[int]
) -> list[Group]:
    """The units on which the coupon gains most beyond their own offers, one group a unit."""
    gains: list[tuple[int, int, int]] = []
    for index in means:
        price = kinds[index].price_minor
        if offer.amount_minor is not None:
            saving = min(offer.amount_minor, price)
        else:
            saving = percentage(price, offer.rate_bp or 0)
        if saving > regarded[index]:
            gains += [(saving - regarded[index], saving, index)] * min(left[index], offer.max_times)
    gains.sort(key=lambda gain: (-gain[0], -gain[1], gain[2]))
    groups = [Group(offer, (index,), saving) for _, saving, index in gains[: offer.max_times]]
    _take(groups, left)
    return groups


def _take(groups: Iterable[Group], left: list[int]) -> None:
    for group in groups:
        for index in group.kinds:
            left[index] -= 1
