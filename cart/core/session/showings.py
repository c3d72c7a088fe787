"""When one showing is one unit: what the camera reads beside the scanner, and what is shown that was scanned before.

A thing on its way into the basket passes the lens with its code up, whether it was scanned or not. So the camera's
reading counts as a scan only where nothing else can be meant: held up over a basket at rest, and not of a product that
waits to be put in. And a thing that both have read within seconds was shown once.

Asked to scan what was put in unscanned, people who have scanned everything lift out something that weighs so much and
scan that. What lies there by that name, at that weight, is it, and no further unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cart.core.basket import Line, PlacedGroup
from cart.core.catalog import Item
from cart.core.ledger import ItemRemoved, StepExplained
from cart.core.observations import Scan
from cart.core.session.alone import weighed_like
from cart.core.session.desk import Desk
from cart.core.session.weight import reconcile
from cart.core.session.word import IN_HAND_NS

SAME_SHOWING_NS: Final = 3_000_000_000
"""From the camera's reading to the scanner's of the same thing in the same hand."""


def is_no_new_unit(desk: Desk, item: Item, seen: Scan) -> bool:
    """Whether this reading tells nothing new of the basket. Remembers the camera's last one."""
    waiting = any(line.sku == item.sku and line.pending for line in desk.state.basket.lines.values())
    if seen.source == "camera":
        if waiting or not desk.live.stable:
            return True
        desk.shown_to_camera = (item.sku, seen.t_ns)
        return False
    shown, desk.shown_to_camera = desk.shown_to_camera, None
    return waiting and shown is not None and shown[0] == item.sku and seen.t_ns - shown[1] < SAME_SHOWING_NS


def is_known_unit(desk: Desk, item: Item) -> bool:
    """Whether what was lifted out at a question about something unscanned, or about another thing, and is scanned, lay
    there as settled: then that unit has gone out, and the question stays. Who shows such a unit twice means another
    one.
    """
    state = desk.state
    shown = state.shown[-1] if state.shown else None
    out = state.recent_steps[-1] if state.recent_steps else None
    if shown is None or not shown.came or out is None or out.delta_g >= 0.0:
        return False
    about = state.basket.lines.get(shown.line_id or 0)
    if about is not None and about.sku == item.sku:
        return False  # what the question named
    if desk.t_ns - out.rest_ns > IN_HAND_NS or state.last_item_ns > shown.t_ns:
        return False
    # What else rose and fell beside the movement that was asked about may have been a disturbance.
    beside_g = shown.weight_g - sum(open_g for _, open_g in shown.came[1:])
    for weight_g, came in ((shown.weight_g, shown.came), (beside_g, shown.came[:1])):
        for line, group in _units(desk, item, weight_g):
            _went_out(desk, line, group, weight_g, came)
            return True
    return False


def _units(desk: Desk, item: Item, weight_g: float) -> Iterator[tuple[Line, PlacedGroup]]:
    """Single units of a product that weighed what came out, none of which waits or was shown so before."""
    for line in desk.state.basket.lines.values():
        for group in line.placed if line.sku == item.sku and not line.pending else ():
            if group.units == 1 and not group.returned and weighed_like(group, weight_g):
                yield line, group


def _went_out(desk: Desk, line: Line, group: PlacedGroup, weight_g: float, came: tuple[tuple[int, float], ...]) -> None:
    """The unit is out, and the movements that it was taken to have come with are unexplained as before."""
    for step_id, open_g in came:
        desk.emit(
            StepExplained(
                step_ids=(step_id,), won=f"revised: {line.name} was taken out, that had been scanned", margin=0.0,
                considered=(), open_g=round(open_g, 3),
            )
        )  # fmt: skip
    desk.emit(
        ItemRemoved(
            line_id=line.line_id, sku=line.sku, units=1, weight_g=round(weight_g, 2), reason="taken_out",
            step_ids=(desk.state.last_step_id,), sigma_g=group.sigma_g,
        )
    )  # fmt: skip
    reconcile(desk)
