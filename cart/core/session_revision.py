"""Revisions: what a step was taken for may turn out otherwise when a scanned thing is never seen to go in.

Before a line is asked about as `not_placed`, the steps since its scan are looked at once more: its units may have gone
in together with something so heavy that they were lost in its spread, or may be what was taken for a put-back.
"""

from __future__ import annotations

import math

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import Hypothesis, ItemRemoved, StepExplained
from cart.core.session_desk import Desk
from cart.core.session_shares import Seen, beyond_means, reopen, share_out, together
from cart.core.session_stickers import surplus_beside_sticker
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


def before_asking(desk: Desk, line: Line) -> bool:
    """Try to find a pending line's units among what is in the basket already; whether they were found."""
    if surplus_beside_sticker(desk, line):
        return True
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
    """The units went in with something in whose spread they were lost."""
    mean_g, sd_g = unit_weight(desk, line)
    if mean_g is None:
        return False
    units = line.pending_units
    since_ns = max(p.since_ns for p in line.pending)
    best: tuple[float, tuple[int, ...], Seen, float] | None = None
    for ids, seen in together(desk):
        soon = all(0 <= g.since_ns - since_ns <= _TOGETHER_NS and other is not line for other, g in seen)
        sums = beyond_means(desk, seen, sum(g.weight_g or 0.0 for _, g in seen)) if soon else None
        if sums is None:
            continue
        with_it, both_g2 = sums[0] - units * mean_g, sums[1] + units * sd_g * sd_g
        gain = log_fit(with_it, both_g2) - log_fit(*sums)
        if abs(with_it) <= _Z_TOGETHER * math.sqrt(both_g2) and gain >= _LOST_LOG and (best is None or gain > best[0]):
            best = (gain, ids, seen, with_it)
    if best is None:
        return False
    gain, ids, seen, with_it = best
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
    parts = [(other, group.units) for other, group in seen]
    reopen(desk, seen)
    share_out(desk, [*parts, (line, units)], with_it, ids)
    return True
