"""Clearance stickers: a price on a code of its own, over or beside the code that the product always had.

Both codes get scanned, by accident or to be sure, and one thing goes in. The sticker's price wins: the unit that the
other code opened leaves its line. Was it a second unit after all, it is known as put back when it goes in.
"""

from __future__ import annotations

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import ItemConfirmed, ItemRemoved, StepExplained
from cart.core.session.desk import Desk
from cart.core.session.units import unit_weight

_BOTH_SCANNED_NS = 20_000_000_000
"""Two codes of one thing are scanned within the time that a hand holds it."""


def prefer_stickers(desk: Desk) -> None:
    """Where a sticker and the product's own code were scanned for one thing, keep the sticker's line."""
    for sticker in [li for li in desk.state.basket.lines.values() if _is_sticker(li)]:
        if desk.t_ns - sticker.opened_ns > 2 * _BOTH_SCANNED_NS:
            continue
        for plain in list(desk.state.basket.lines.values()):
            if _is_plain(plain, sticker) and _settled(desk, sticker, plain):
                break


def surplus_beside_sticker(desk: Desk, line: Line) -> bool:
    """A product's own code scanned after its sticker's thing was in: no further unit. Whether it was dropped."""
    for sticker in desk.state.basket.lines.values():
        since_ns = max((p.since_ns for p in line.pending), default=0)
        near = abs(since_ns - sticker.opened_ns) <= _BOTH_SCANNED_NS
        if _is_sticker(sticker) and sticker.placed and near and _is_plain(line, sticker) and line.pending_units == 1:
            _drop(desk, line, None)
            return True
    return False


def _is_sticker(line: Line) -> bool:
    return line.unit == "each" and line.code_price_minor is not None


def _is_plain(line: Line, sticker: Line) -> bool:
    return (
        line.sku == sticker.sku
        and line.unit == "each"
        and line.code_price_minor is None
        and line.unit_price_minor > (sticker.code_price_minor or 0)
    )


def _settled(desk: Desk, sticker: Line, plain: Line) -> bool:
    """Settle one pair if one of the two is in the basket and the other is not."""
    near = [p for p in plain.pending if abs(p.since_ns - sticker.opened_ns) <= _BOTH_SCANNED_NS]
    if sticker.placed and near:
        if near[-1].since_ns >= sticker.placed[-1].rested_ns:
            return False  # scanned afterwards: perhaps a second unit, that waits to be put in
        _drop(desk, plain, None)
        return True
    if not sticker.pending or plain.pending:
        return False
    for group in reversed(plain.placed):
        recent = abs(group.rested_ns - sticker.opened_ns) <= _BOTH_SCANNED_NS
        if recent and group.units == 1 and not desk.state.open_steps:
            _drop(desk, plain, group)
            desk.emit(
                ItemConfirmed(
                    line_id=sticker.line_id, sku=sticker.sku, units=1, weight_g=group.weight_g, proof=group.proof,
                    step_ids=group.step_ids, sigma_g=group.sigma_g,
                )
            )  # fmt: skip
            return True
    return False


def _drop(desk: Desk, plain: Line, group: PlacedGroup | None) -> None:
    """Take one unit off the line of the product's own code, remembered so that a second unit can still come."""
    mean_g, sd_g = unit_weight(desk, plain)
    ids = group.step_ids if group is not None else ()
    if ids:
        desk.emit(
            StepExplained(
                step_ids=ids, won=f"revised: {plain.name} bears a clearance sticker", margin=99.0, considered=()
            )
        )  # fmt: skip
    weight_g = mean_g if group is None or group.weight_g is None else group.weight_g
    desk.emit(
        ItemRemoved(
            line_id=plain.line_id, sku=plain.sku, units=1, weight_g=weight_g, reason="other_code", step_ids=ids,
            sigma_g=round(max(sd_g, 1.0), 3),
        )
    )  # fmt: skip
