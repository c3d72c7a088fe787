"""Units of a product that nobody knows the weight of, counted anew once one of them has shown it.

What went in first may have been two at once, believed to be one. Where a unit would be asked for as not put in, each
group of its line is counted in units of the lightest, if all of them come out whole and no more than were scanned.
"""

from __future__ import annotations

from typing import Final

from cart.core.basket import Line
from cart.core.ledger import StepExplained
from cart.core.session_desk import Desk
from cart.core.session_learning import learn_anew
from cart.core.session_moves import confirm
from cart.core.session_shares import reopen

_SIGMAS: Final = 3.0


def counted_anew(desk: Desk, line: Line) -> bool:
    """Find a line's waiting units of unknown weight in the groups that went in before; whether some were there."""
    if len(line.placed) < 2 or not _of_unknown_weight(desk, line):
        return False
    counts = _counts(desk, line)
    found = line.placed_units < sum(counts) <= line.units
    if found:
        _recount(desk, line, counts)
    return found


def _of_unknown_weight(desk: Desk, line: Line) -> bool:
    item = desk.item(line.sku)
    return item is not None and item.unit == "each" and item.weight_g is None and line.expected_g is None


def _counts(desk: Desk, line: Line) -> list[int]:
    """How many units each group is, empty where that can't be told."""
    if any(group.weight_g is None or group.proof == "staff" for group in line.placed):
        return []
    unit_g = min((group.weight_g or 0.0) / group.units for group in line.placed)
    sd_g = max(desk.policy.prior_weight_sd_min_g, desk.policy.prior_weight_sd_fraction * unit_g)
    counts = []
    for group in line.placed:
        units = max(group.units, round((group.weight_g or 0.0) / unit_g))
        # The lightest unit is no better known than the others.
        if abs((group.weight_g or 0.0) - units * unit_g) > _SIGMAS * sd_g * (units + units * units) ** 0.5:
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
        learn_anew(desk, line.sku, (weight_g or 0.0) / was, (weight_g or 0.0) / units)
