"""Things that went in with one movement, and making them wait again."""

from __future__ import annotations

from collections.abc import Iterator

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import ItemReopened
from cart.core.session.desk import Desk

Seen = list[tuple[Line, PlacedGroup]]


def together(desk: Desk) -> Iterator[tuple[tuple[int, ...], Seen]]:
    """Weighed groups by the steps that showed them, oldest line first."""
    found: dict[tuple[int, ...], Seen] = {}
    for line in desk.state.basket.lines.values():
        for group in line.placed:
            if group.proof == "weighed" and group.weight_g is not None and group.step_ids:
                found.setdefault(group.step_ids, []).append((line, group))
    yield from found.items()


def reopen(desk: Desk, seen: Seen) -> None:
    """Make groups pending again, so that their step can be shared out anew."""
    for line, group in seen:
        desk.emit(
            ItemReopened(
                line_id=line.line_id, sku=line.sku, units=group.units, weight_g=group.weight_g, reason="revised"
            )
        )
