"""Units of a product that nobody knows the weight of, counted anew once one of them has shown it.

What went in first may have been two at once, believed to be one. Where a unit would be asked for as not put in, each
group of its line is counted in units of the lightest, if all of them come out whole and no more than were scanned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cart.core.basket import Line
from cart.core.ledger import StepExplained
from cart.core.session.desk import Desk
from cart.core.session.learning import learn, learn_anew
from cart.core.session.moves import confirm
from cart.core.session.shares import reopen

_SIGMAS: Final = 3.0
_SEVERAL: Final = 3
"""Of two movements any two weights are near a whole number of the lighter one often enough."""


def counted_anew(desk: Desk, line: Line) -> bool:
    """Find a line's waiting units of unknown weight in the groups that went in before; whether some were there."""
    if len(line.placed) < 2 or not _of_unknown_weight(desk, line):
        return False
    counts = _counts(desk, line)
    found = line.placed_units < sum(counts) <= line.units
    if found:
        _recount(desk, line, counts)
    return found


def counted_with_open(desk: Desk) -> bool:
    """Find that several movements, open ones among them, were all units of one product: each weighs a whole number of
    the lightest, and together they are as many as were scanned. Whether it was so.
    """
    for line in list(desk.state.basket.lines.values()):
        if not line.placed or line.units < _SEVERAL or not _of_unknown_weight(desk, line):
            continue
        since_ns = max(g.scanned_ns for g in line.placed)
        steps = [s for s in desk.state.open_steps.values() if s.delta_g > 0.0 and s.began_ns >= since_ns]
        counts = _counts(desk, line, [s.delta_g for s in steps], least=1) if steps else []
        if counts and sum(counts) == line.units:
            placed = len(line.placed)
            _recount(desk, line, counts[:placed])
            for step, units in zip(steps, counts[placed:], strict=True):
                won = f"put in: {units} × {line.name}, by what one of them weighs"
                desk.emit(StepExplained(step_ids=(step.step_id,), won=won, margin=99.0, considered=()))
                confirm(desk, line.line_id, units, round(step.delta_g, 2), "weighed", (step.step_id,), step.sigma_g)
                learn(desk, line.sku, units, step.delta_g, "weighed")
            return True
    return False


def _of_unknown_weight(desk: Desk, line: Line) -> bool:
    item = desk.item(line.sku)
    return item is not None and item.unit == "each" and item.weight_g is None and line.expected_g is None


def _counts(desk: Desk, line: Line, more_g: Sequence[float] = (), *, least: int = 0) -> list[int]:
    """How many units each group is, and each further weight, empty where that can't be told. No group is fewer than
    `least`, or, where that is 0, than it was taken for.
    """
    if any(group.weight_g is None or group.proof == "staff" for group in line.placed):
        return []
    seen = [(group.weight_g or 0.0, least or group.units) for group in line.placed]
    seen += [(weight_g, 1) for weight_g in more_g]
    unit_g = min(weight_g / units for weight_g, units in seen)
    sd_g = max(desk.policy.prior_weight_sd_min_g, desk.policy.prior_weight_sd_fraction * unit_g)
    counts = []
    for weight_g, fewest in seen:
        units = max(fewest, round(weight_g / unit_g))
        # The lightest unit is no better known than the others.
        if abs(weight_g - units * unit_g) > _SIGMAS * sd_g * (units + units * units) ** 0.5:
            return []
        counts.append(units)
    return counts


def _recount(desk: Desk, line: Line, counts: list[int]) -> None:
    for group, units in zip(list(line.placed), counts, strict=True):
        was = group.units
        if units == was:
            continue
        desk.emit(
            StepExplained(
                step_ids=group.step_ids, won=f"revised: {units} × {line.name}, by what one of them weighs", margin=99.0,
                considered=(),
            )
        )  # fmt: skip
        weight_g, proof, ids, sigma_g = group.weight_g, group.proof, group.step_ids, group.sigma_g
        reopen(desk, [(line, group)])
        confirm(desk, line.line_id, units, weight_g, proof, ids, sigma_g)
        if units == 1:
            learn(desk, line.sku, 1, weight_g or 0.0, proof)
        else:
            learn_anew(desk, line.sku, (weight_g or 0.0) / was, (weight_g or 0.0) / units)
