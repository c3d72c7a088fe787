"""Things that went in with one movement: what each has of the step's weight, and sharing it out anew."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import Hypothesis, ItemConfirmed, ItemReopened, StepExplained
from cart.core.session_desk import Desk
from cart.core.session_window import log_fit, unit_weight

Seen = list[tuple[Line, PlacedGroup]]

_STEP_VARIANCE_G2 = 1.0
"""σ of a step and of the scale's span together: the group keeps only its own."""
_LEFT_OUT_NS = 30_000_000_000
_LEFT_OUT_LOG = -4.0
"""How much worse (natural log) a step may be explained without a unit if that saves one too many: that one's prior."""
_LEFT_OUT_Z = 3.0


def together(desk: Desk) -> Iterator[tuple[tuple[int, ...], Seen]]:
    """Weighed groups by the steps that showed them, oldest line first."""
    found: dict[tuple[int, ...], Seen] = {}
    for line in desk.state.basket.lines.values():
        for group in line.placed:
            if group.proof == "weighed" and group.weight_g is not None and group.step_ids:
                found.setdefault(group.step_ids, []).append((line, group))
    yield from found.items()


def beyond_means(desk: Desk, seen: Seen, total_g: float) -> tuple[float, float] | None:
    """What these things would weigh beyond their means if they made up `total_g`, and its variance in g²; None where
    the weight of one is not known beforehand.
    """
    residual_g, variance_g2 = total_g, _STEP_VARIANCE_G2
    for line, group in seen:
        mean_g, sd_g = unit_weight(desk, line)
        item = desk.item(line.sku)
        if mean_g is None or item is None or item.weight_g is None:
            return None
        residual_g -= group.units * mean_g
        variance_g2 += group.units * sd_g * sd_g
    return residual_g, variance_g2


def share_out(desk: Desk, parts: list[tuple[Line, int]], residual_g: float, ids: tuple[int, ...]) -> None:
    """Confirm each part by its mean and its share of the residual. The parts must be pending."""
    spreads = [(line, units, *unit_weight(desk, line)) for line, units in parts]
    variance_g2 = _STEP_VARIANCE_G2 + sum(units * sd * sd for _, units, _, sd in spreads)
    for line, units, mean_g, sd_g in spreads:
        own_g2 = units * sd_g * sd_g
        alone = len(spreads) == 1
        weight_g = units * (mean_g or 0.0) + residual_g * (1.0 if alone else own_g2 / variance_g2)
        sigma_g = 0.8 if alone else math.sqrt(own_g2 * (1.0 - own_g2 / variance_g2) + 0.25)
        desk.emit(
            ItemConfirmed(
                line_id=line.line_id,
                sku=line.sku,
                units=units,
                weight_g=round(weight_g, 2),
                proof="weighed",
                step_ids=ids,
                sigma_g=round(sigma_g, 3),
            )
        )


def reopen(desk: Desk, seen: Seen) -> None:
    """Make groups pending again, so that their step can be shared out anew."""
    for line, group in seen:
        desk.emit(
            ItemReopened(
                line_id=line.line_id, sku=line.sku, units=group.units, weight_g=group.weight_g, reason="revised"
            )
        )


def left_out(desk: Desk, line: Line) -> bool:
    """Take a line's unit out of a step that it was believed to share, where the others explain that step about as
    well; it then waits for its own step. Whether one was found.
    """
    for ids, seen in together(desk):
        own = [(other, group) for other, group in seen if other is line]
        others = [(other, group) for other, group in seen if other is not line]
        if len(own) != 1 or not others or desk.t_ns - own[0][1].since_ns > _LEFT_OUT_NS:
            continue
        total_g = sum(group.weight_g or 0.0 for _, group in seen)
        with_it, without = beyond_means(desk, seen, total_g), beyond_means(desk, others, total_g)
        if with_it is None or without is None or abs(without[0]) > _LEFT_OUT_Z * math.sqrt(without[1]):
            continue
        loss = log_fit(*without) - log_fit(*with_it)
        if loss < _LEFT_OUT_LOG:
            continue
        names = " and ".join(other.name for other, _ in others)
        desk.emit(
            StepExplained(
                step_ids=ids,
                won=f"revised: put in {names}, without {line.name}",
                margin=round(loss - _LEFT_OUT_LOG, 2),
                considered=(
                    Hypothesis(f"put in: {names}", round(loss, 2)),
                    Hypothesis(f"put in: {names} and {line.name}, and later one too many", _LEFT_OUT_LOG),
                ),
            )
        )
        parts = [(other, group.units) for other, group in others]
        reopen(desk, seen)
        share_out(desk, parts, without[0], ids)
        return True
    return False
