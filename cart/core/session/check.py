"""The last look before paying: units that nothing but their scan speaks for are asked about, all of them at once.

One question names them. "It's in the basket" confirms all that are left of the list, a tap on a name takes that unit
off the bill. Who has answered is not asked again about the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from cart.core.basket import Line, PlacedGroup
from cart.core.interventions import Open, changed
from cart.core.ledger import ItemRemoved
from cart.core.reconciliation import Part, priors, support, support_returned
from cart.core.session.desk import Desk
from cart.core.session.learning import learn_anew
from cart.core.session.moves import confirm
from cart.core.session.read_twice import is_second
from cart.core.session.revision import INSTEAD_NS
from cart.core.session.shares import Seen, reopen, together
from cart.core.session.units import tentative, unit_weight

NOT_SEEN: Final = "not_seen"
"""Why a `not_placed` is raised about things that are believed to be in the basket."""
_NAMED_MAX: Final = 6
"""So many names fit the screen; the least certain ones are asked about."""
_STEP_G2: Final = 1.0


def doubted(desk: Desk) -> list[tuple[Line, PlacedGroup]]:
    """Groups of which a unit is charged for though little speaks for its being there, the least certain first."""
    found: list[tuple[float, Line, PlacedGroup]] = []
    passed = _passed(desk)
    for _, seen in together(desk):
        odds = _odds(desk, seen, passed)
        for sure, (line, group) in zip(odds, seen, strict=True):
            if group.returned:
                back = _returned(desk, line, group, passed)
                found.append((back if len(seen) == 1 else min(sure, back), line, group))
            elif line.unit != "kg":
                found.append((sure, line, group))
    found.sort(key=lambda one: one[0])
    doubts = [(line, group) for sure, line, group in found if sure < priors.CHARGED]
    # What was scanned right after a put-back, and was not seen going in since, may be what was put back.
    scanned_ns = [group.origin.scanned_ns for _, group in doubts]
    doubts += [
        (line, group)
        for sure, line, group in found
        if sure >= priors.CHARGED
        and group.returned
        and any(0 <= at_ns - group.rested_ns <= INSTEAD_NS for at_ns in scanned_ns)
    ]
    return doubts[:_NAMED_MAX]


def ask_doubted(desk: Desk) -> bool:
    """Ask about them in one question, unless that is asked already; whether there is something to answer."""
    if any(open_.event.reason == NOT_SEEN for open_ in desk.open_of("not_placed")):
        return True
    skus = tuple(dict.fromkeys(line.sku for line, _ in doubted(desk)))
    if skus:
        desk.raise_("not_placed", stage="question", candidates=skus, choices=("in_basket",), reason=NOT_SEEN)
    return bool(skus)


def all_there(desk: Desk, open_: Open) -> None:
    """Everything that is still on the list is in the basket, says the shopper."""
    for line, group in _named(desk, open_):
        units, weight_g, ids, sigma_g = group.units, group.weight_g, group.step_ids, group.sigma_g
        reopen(desk, [(line, group)])
        confirm(desk, line.line_id, units, weight_g, "shopper", ids, sigma_g)
    desk.clear(open_)


def not_there(desk: Desk, open_: Open, sku: str) -> None:
    """A unit of this product was never put in, says the shopper: it leaves the bill, the movement was the others'."""
    for line, group in _named(desk, open_):
        if line.sku == sku:
            _take_off(desk, line, group)
            break
    left = tuple(name for name in open_.event.candidates if name != sku)
    if left:
        desk.emit(changed(open_, candidates=left))
    else:
        desk.clear(open_)


def is_settled(desk: Desk, open_: Open) -> bool:
    """Whether such a question has nothing to ask about any more: what it named was taken out, or scanned again."""
    return open_.event.reason == NOT_SEEN and not any(True for _ in _named(desk, open_))


def _named(desk: Desk, open_: Open) -> Iterator[tuple[Line, PlacedGroup]]:
    yield from [(line, group) for line, group in doubted(desk) if line.sku in open_.event.candidates]


def _take_off(desk: Desk, line: Line, group: PlacedGroup) -> None:
    units, weight_g, ids, sigma_g = group.units, group.weight_g or 0.0, group.step_ids, group.sigma_g
    others = [
        (other, one)
        for other in desk.state.basket.lines.values()
        for one in other.placed
        if one is not group and one.step_ids == ids and one.weight_g is not None
    ]
    reopen(desk, [(line, group)])
    desk.emit(ItemRemoved(line_id=line.line_id, sku=line.sku, units=1, weight_g=None, reason="not_placed"))
    if units > 1:
        confirm(desk, line.line_id, units - 1, weight_g, "weighed", ids, sigma_g)
        learn_anew(desk, line.sku, weight_g / units, weight_g / (units - 1))
    elif others:
        _give(desk, *max(others, key=lambda both: _spread(desk, *both)), weight_g)


def _give(desk: Desk, line: Line, group: PlacedGroup, more_g: float) -> None:
    """What was taken for the other's weight is this one's."""
    units, weight_g, ids, sigma_g, proof = (
        group.units, (group.weight_g or 0.0) + more_g, group.step_ids, group.sigma_g, group.proof
    )  # fmt: skip
    reopen(desk, [(line, group)])
    confirm(desk, line.line_id, units, round(weight_g, 2), proof, ids, sigma_g)


def _spread(desk: Desk, line: Line, group: PlacedGroup) -> float:
    mean_g, sd_g = unit_weight(desk, line)
    return group.units * (sd_g if mean_g is not None else 1e6)


def _odds(desk: Desk, seen: Seen, passed: set[int]) -> list[float]:
    parts = [_part(desk, line, group, passed=id(group) in passed) for line, group in seen]
    return support(parts, sum(group.weight_g or 0.0 for _, group in seen), _STEP_G2)


def _returned(desk: Desk, line: Line, group: PlacedGroup, passed: set[int]) -> float:
    """What speaks for a put-back, and for what it had gone in as by itself: a thing that is looked at keeps a wrong
    name. What had gone in with others has shown by its removal that it is there.
    """
    back = support_returned(group.weight_g or 0.0, group.sigma_g**2 + _STEP_G2, group.away_ns / 1e9)
    first = group.origin
    if first is group or first.proof != "weighed" or line.unit == "kg":
        return back
    return min(back, _odds(desk, [(line, first)], passed)[0])


def _part(desk: Desk, line: Line, group: PlacedGroup, *, passed: bool) -> Part:
    mean_g, sd_g = unit_weight(desk, line)
    if tentative(desk, line):
        mean_g = None  # what was learned of it is what this movement showed
    late_s = (group.rested_ns - group.scanned_ns) / 1e9
    return Part(group.units, mean_g, sd_g, late_s, line.unit == "kg", is_second(line, group), passed)


def _passed(desk: Desk) -> set[int]:
    """Steps' groups, by their identity, before which something went in that was scanned after them."""
    groups = [(one, line.line_id) for line in desk.state.basket.lines.values() for one in line.placed]
    groups.sort(key=lambda both: both[0].rested_ns)
    found: set[int] = set()
    latest: dict[int, int] = {}  # when each line's units that rest by then were scanned last: two lines are enough
    for _, at_once in groupby(groups, key=lambda both: both[0].rested_ns):
        moved = list(at_once)
        found |= {
            id(group)
            for group, line_id in moved
            if any(other != line_id and at_ns > group.scanned_ns for other, at_ns in latest.items())
        }
        for group, line_id in moved:
            if not group.returned:
                latest[line_id] = max(latest.get(line_id, 0), group.scanned_ns)
        latest = dict(sorted(latest.items(), key=lambda both: -both[1])[:2])
    return found
