"""From single trips to rates with their bounds.

A rate is given with its 95 % Wilson interval, and the unfavourable bound is what may be claimed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from cart.bench.trips.cheats import CHEATS, CheatKind
from cart.bench.trips.people import GROUPS
from cart.bench.trips.running import CARTS, TripFigures
from cart.bench.trips.watch import CAUSES
from cart.bench.wilson import Z95, wilson

TELLABLE_SIGMAS = 3.0
FAILURES_MAX = 40
LOOKS_ONLY: tuple[CheatKind, ...] = ("same_weight", "renamed_produce", "swapped")
"""Acts that only a camera can notice where the weights do not differ."""


def _poisson(hits: float, tries: float) -> tuple[float, float]:
    """Where there may be several in one: normal interval of a count."""
    half = Z95 * math.sqrt(hits)
    return max(0.0, hits - half) / tries, (hits + half) / tries


def rate(hits: float, tries: float, scale: float = 1.0) -> dict[str, float]:
    """A share times `scale` (100: per cent) with its bounds."""
    low, high = wilson(hits, tries) if hits <= tries else _poisson(hits, tries)
    return {
        "rate": round(scale * hits / tries, 4) if tries else 0.0,
        "low": round(scale * low, 4),
        "high": round(scale * high, 4),
        "hits": hits,
        "of": tries,
    }


def summary(trips: Sequence[TripFigures]) -> dict[str, Any]:
    """Everything that `cart bench trips` reports."""
    honest = [t for t in trips if t.honest]
    kinds = [t.kind for t in trips]
    return {
        "trips": len(trips),
        "honest": len(honest),
        "items": sum(t.items for t in trips),
        "carts": {name: _of_cart(name, trips, honest) for name in CARTS},
        "groups": {group: _of_part([t for t in honest if t.group == group]) for group in GROUPS},
        "catalogues": {kind: _of_part([t for t in honest if t.kind == kind]) for kind in dict.fromkeys(kinds)},
        "questions_by_kind": _counted(honest, lambda t: {kind: sum(why.values()) for kind, why in t.asked.items()}),
        "questions_without_cause": _counted(honest, lambda t: t.unfounded),
        "questions_by_cause": _counted(honest, _by_cause),
        "questions_per_100_items_by_kind_and_cause": _by_kind_and_cause(honest),
        "staff_by_kind": _counted(honest, lambda t: t.staff_kinds),
        "staff_by_law_per_1000_trips": rate(sum(t.law > 0 for t in honest), len(honest), 1000),
        "answered_per_100_items": round(_per(100, sum(t.answered for t in honest), sum(t.items for t in honest)), 3),
        "auditor_found": _counted(honest, lambda t: t.wrong),
        "overcharged_unconfirmed": sum(bool(t.unconfirmed) for t in honest),
        "overcharged_unconfirmed_per_1000_trips": rate(sum(bool(t.unconfirmed) for t in honest), len(honest), 1000),
        "cheats_denied": sum(c.denied for t in trips for c in t.cheats),
        "never_paid": sum(not t.paid for t in trips),
        "not_idle_again": sum(t.paid and not t.idle_again for t in trips),
        "failures": [
            {"trip": t.number, "kind": t.kind, "group": t.group, "problems": t.problems}
            for t in honest
            if not t.carts["cart"].exact
        ][:FAILURES_MAX],
        "missed_cheats": [
            {"trip": t.number, "kind": t.kind, "cheat": c.kind, "sigmas": c.sigmas}
            for t in trips
            for c in t.cheats
            if c.sigmas > TELLABLE_SIGMAS and not c.noticed["cart"]
        ][:FAILURES_MAX],
        "virtual_hours": round(sum(t.virtual_s for t in trips) / 3600, 2),
        "samples": sum(t.samples for t in trips),
        "cpu_s": round(sum(t.cpu_s for t in trips), 1),
    }


def _by_cause(trip: TripFigures) -> dict[str, int]:
    total: Counter[str] = Counter()
    for why in trip.asked.values():
        total.update(why)
    return dict(total)


def _by_kind_and_cause(trips: Sequence[TripFigures]) -> dict[str, dict[str, float]]:
    """Kind of question → why it was asked → per 100 items; the commonest kind first."""
    items = sum(t.items for t in trips)
    kinds = _counted(trips, lambda t: {kind: sum(why.values()) for kind, why in t.asked.items()})
    return {
        kind: {
            cause: round(_per(100, sum(t.asked.get(kind, {}).get(cause, 0) for t in trips), items), 3)
            for cause in CAUSES
        }
        for kind in kinds
    }


def operating_point(accuse_cost: float, trips: Sequence[TripFigures]) -> dict[str, float]:
    """One point between accusing and missing: what a cost of accusing brings."""
    whole = summary(trips)["carts"]["cart"]
    return {
        "accuse_cost": accuse_cost,
        "false_accusations_per_1000_trips": whole["false_accusations_per_1000_trips"]["rate"],
        "questions_per_100_items": whole["questions_per_100_items"]["rate"],
        "exact_percent": whole["exact_percent"]["rate"],
        "cheats_noticed_percent": whole["cheats_noticed_percent"]["all over 3 sigma"]["rate"],
        "below_3_sigma_noticed_percent": whole["cheats_noticed_percent"]["below 3 sigma"]["rate"],
        "lost_per_10000_with_cheats": whole["lost_per_10000_with_cheats"],
        "overcharged_per_10000": whole["overcharged_per_10000"],
    }


def _of_cart(name: str, trips: Sequence[TripFigures], honest: Sequence[TripFigures]) -> dict[str, Any]:
    mine = [t.carts[name] for t in honest]
    items = sum(t.items for t in honest)
    return {
        "exact_percent": rate(sum(c.exact for c in mine), len(mine), 100),
        "questions_per_100_items": rate(sum(c.questions for c in mine), items, 100),
        "staff_per_1000_trips": rate(sum(c.staff for c in mine), len(mine), 1000),
        "false_accusations_per_1000_trips": rate(sum(c.accused > 0 for c in mine), len(mine), 1000),
        "lost_per_10000": _money(honest, lambda t: t.carts[name].lost_minor),
        "overcharged_per_10000": _money(honest, lambda t: t.carts[name].overcharged_minor),
        "lost_per_10000_with_cheats": _money(trips, lambda t: t.carts[name].lost_minor),
        "cheats_noticed_percent": _noticed(name, trips),
    }


def _noticed(name: str, trips: Sequence[TripFigures]) -> dict[str, Any]:
    acts = [c for t in trips for c in t.cheats]
    tellable = [c for c in acts if c.sigmas > TELLABLE_SIGMAS]
    below = [c for c in acts if c.sigmas <= TELLABLE_SIGMAS]
    found: dict[str, Any] = {"all over 3 sigma": rate(sum(c.noticed[name] for c in tellable), len(tellable), 100)}
    for kind in CHEATS:
        of_kind = [c for c in tellable if c.kind == kind]
        if of_kind:
            found[kind] = rate(sum(c.noticed[name] for c in of_kind), len(of_kind), 100)
    found["below 3 sigma"] = rate(sum(c.noticed[name] for c in below), len(below), 100)
    for kind in LOOKS_ONLY:
        of_kind = [c for c in below if c.kind == kind]
        if of_kind:
            found[f"{kind}, below 3 sigma"] = rate(sum(c.noticed[name] for c in of_kind), len(of_kind), 100)
    return found


def _of_part(trips: Sequence[TripFigures]) -> dict[str, Any]:
    """This cart's figures of some of the honest trips."""
    items = sum(t.items for t in trips)
    mine = [t.carts["cart"] for t in trips]
    return {
        "trips": len(trips),
        "exact_percent": rate(sum(c.exact for c in mine), len(mine), 100),
        "questions_per_100_items": rate(sum(c.questions for c in mine), items, 100),
        "staff_per_1000_trips": rate(sum(c.staff for c in mine), len(mine), 1000),
        "false_accusations_per_1000_trips": rate(sum(c.accused > 0 for c in mine), len(mine), 1000),
        "lost_per_10000": _money(trips, lambda t: t.carts["cart"].lost_minor),
        "overcharged_per_10000": _money(trips, lambda t: t.carts["cart"].overcharged_minor),
    }


def _money(trips: Sequence[TripFigures], of: Callable[[TripFigures], int]) -> float:
    """Per 10,000 of currency of what was in the carts."""
    return round(_per(10_000, sum(of(t) for t in trips), sum(t.value_minor for t in trips)), 3)


def _per(scale: float, part: float, whole: float) -> float:
    return scale * part / whole if whole else 0.0


def _counted(trips: Sequence[TripFigures], of: Callable[[TripFigures], dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for trip in trips:
        total.update(of(trip))
    return dict(total.most_common())
