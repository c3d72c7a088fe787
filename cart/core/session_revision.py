"""Revisions: what a step was taken for may turn out otherwise when a scanned thing is never seen to go in.

Before a line is asked about as `not_placed`, the steps since its scan are looked at once more: its units may have gone
in together with something so heavy that they were lost in its spread, or may be what was taken for a put-back.
"""

from __future__ import annotations

import math

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import Hypothesis, ItemConfirmed, ItemRemoved, ItemReopened, StepExplained
from cart.core.session_desk import Desk
from cart.core.session_weight import confirm
from cart.core.session_window import log_fit, unit_weight

_TOGETHER_NS = 8_000_000_000
"""Two things scanned and put in with one movement rest this soon after the first scan; a thing that was scanned and
left on the shelf has no such step."""
_Z_TOGETHER = 2.5
_LOST_LOG = -2.0
"""How much worse (natural log) the step may be explained with the lost thing in it: people put two in at once a
tenth of the time, and leave a scanned thing out once in a hundred."""
_INSTEAD_Z = 3.0
_INSTEAD_NS = 20_000_000_000
"""A step this long before the scan may have been the scanned thing."""
_LONG_AWAY_NS = 20_000_000_000
"""A put-back after longer is rarer than another thing of that weight, put in and then scanned."""

Seen = list[tuple[Line, PlacedGroup]]


def before_asking(desk: Desk, line: Line) -> bool:
    """Try to find a pending line's units among what is in the basket already; whether they were found."""
    return _scanned_again(desk, line) or _went_in_with(desk, line) or instead_of_return(desk, line, sure=False)


def instead_of_return(desk: Desk, line: Line, *, sure: bool = True) -> bool:
    """What was taken for a put-back is the scanned thing. `sure`: at once, only where a put-back was unlikely."""
    mean_g, sd_g = unit_weight(desk, line)
    if mean_g is None or line.pending_units != 1:
        return False
    scanned_ns = line.pending[-1].since_ns
    for other in reversed(desk.state.basket.lines.values()):
        for group in other.placed:
            age_ns = scanned_ns - group.since_ns
            if not group.returned or group.weight_g is None or other.sku == line.sku or not 0 <= age_ns <= _INSTEAD_NS:
                continue
            residual_g = group.weight_g - mean_g
            if (sure and group.away_ns < _LONG_AWAY_NS) or abs(residual_g) > _INSTEAD_Z * math.hypot(sd_g, 1.0):
                continue
            _replace(desk, line, other, group)
            return True
    return False


def _replace(desk: Desk, line: Line, other: Line, group: PlacedGroup) -> None:
    ids, weight_g, sigma_g, units = group.step_ids, group.weight_g, group.sigma_g, group.units
    desk.emit(
        StepExplained(
            step_ids=ids,
            won=f"revised: put in {line.name}, not put back {other.name}",
            margin=0.0,
            considered=(Hypothesis(f"put in: {line.name}", 0.0), Hypothesis(f"put back: {other.name}", 0.0)),
        )
    )
    desk.emit(
        ItemRemoved(
            line_id=other.line_id, sku=other.sku, units=units, weight_g=weight_g, reason="revised", step_ids=ids
        )
    )
    confirm(desk, line.line_id, 1, weight_g, "weighed", ids, sigma_g)


def _scanned_again(desk: Desk, line: Line) -> bool:
    """The thing was put back and then scanned, though nobody had to: no further unit."""
    if line.pending_units != 1:
        return False
    since_ns = line.pending[0].since_ns
    if any(g.returned and 0 <= since_ns - g.since_ns <= _INSTEAD_NS for g in line.placed):
        desk.emit(ItemRemoved(line_id=line.line_id, sku=line.sku, units=1, weight_g=None, reason="not_placed"))
        return True
    return False


def _went_in_with(desk: Desk, line: Line) -> bool:
    mean_g, sd_g = unit_weight(desk, line)
    if mean_g is None:
        return False
    units = line.pending_units
    since_ns = max(p.since_ns for p in line.pending)
    best: tuple[float, Seen, float] | None = None
    for seen in _steps_since(desk, line, since_ns).values():
        sums = _sums(desk, seen)
        if sums is None:
            continue
        residual_g, variance_g2 = sums
        with_it = residual_g - units * mean_g
        both_g2 = variance_g2 + units * sd_g * sd_g
        gain = log_fit(with_it, both_g2) - log_fit(residual_g, variance_g2)
        if abs(with_it) <= _Z_TOGETHER * math.sqrt(both_g2) and gain >= _LOST_LOG and (best is None or gain > best[0]):
            best = (gain, seen, with_it)
    if best is None:
        return False
    _share_out(desk, line, *best)
    return True


def _steps_since(desk: Desk, line: Line, since_ns: int) -> dict[tuple[int, ...], Seen]:
    """What was weighed into the basket soon after the scan, by the steps that showed it."""
    found: dict[tuple[int, ...], Seen] = {}
    for other in desk.state.basket.lines.values():
        for group in other.placed:
            soon = 0 <= group.since_ns - since_ns <= _TOGETHER_NS
            if soon and other is not line and group.proof == "weighed" and group.weight_g is not None:
                found.setdefault(group.step_ids, []).append((other, group))
    return found


def _sums(desk: Desk, seen: Seen) -> tuple[float, float] | None:
    """What the things of a step weigh beyond their means, and its variance."""
    residual_g, variance_g2 = 0.0, 1.0
    for other, group in seen:
        mean_g, sd_g = unit_weight(desk, other)
        item = desk.item(other.sku)
        if mean_g is None or item is None or item.weight_g is None:
            return None
        residual_g += (group.weight_g or 0.0) - group.units * mean_g
        variance_g2 += group.units * sd_g * sd_g
    return residual_g, variance_g2


def _share_out(desk: Desk, line: Line, gain: float, seen: Seen, with_it: float) -> None:
    """Write the revision: every thing of the step gets its share of the step's weight anew."""
    ids = seen[0][1].step_ids
    names = " and ".join(other.name for other, _ in seen)
    desk.emit(
        StepExplained(
            step_ids=ids,
            won=f"revised: put in {names} and {line.name}",
            margin=round(gain - _LOST_LOG, 2),
            considered=(
                Hypothesis(f"put in: {names} and {line.name}", round(gain, 2)),
                Hypothesis(f"put in: {names}; {line.name} never", round(_LOST_LOG, 2)),
            ),
        )
    )
    mean_g, sd_g = unit_weight(desk, line)
    units = line.pending_units
    parts = [(other, group.units, *unit_weight(desk, other)) for other, group in seen]
    variance_g2 = 1.0 + units * sd_g * sd_g + sum(count * sd * sd for _, count, _, sd in parts)
    for other, group in seen:
        desk.emit(
            ItemReopened(
                line_id=other.line_id, sku=other.sku, units=group.units, weight_g=group.weight_g, reason="revised"
            )
        )
    for other, count, mean, sd in [*parts, (line, units, mean_g, sd_g)]:
        own_g2 = count * sd * sd
        weight_g = count * (mean or 0.0) + with_it * own_g2 / variance_g2
        sigma_g = math.sqrt(own_g2 * (1.0 - own_g2 / variance_g2) + 0.25)
        desk.emit(
            ItemConfirmed(
                line_id=other.line_id,
                sku=other.sku,
                units=count,
                weight_g=round(weight_g, 2),
                proof="weighed",
                step_ids=ids,
                sigma_g=round(sigma_g, 3),
            )
        )
