"""When one showing is one unit: what the camera reads beside the scanner, and what is shown that was scanned before.

A thing on its way into the basket passes the lens with its code up, whether it was scanned or not. So the camera's
reading counts as a scan only where nothing else can be meant: held up over a basket at rest, and not of a product that
waits to be put in. And a thing that both have read within seconds was shown once.

Asked to scan what was put in unscanned, people who have scanned everything lift out something that weighs so much and
scan that. What lies there by that name, at that weight, is it, and no further unit.
"""

from __future__ import annotations

import math
from typing import Final

from cart.core.basket import Line, PlacedGroup
from cart.core.catalog import Item
from cart.core.ledger import ItemRemoved, StepExplained
from cart.core.observations import Scan
from cart.core.session_desk import Desk
from cart.core.session_state import Shown
from cart.core.session_weight import reconcile

SAME_SHOWING_NS: Final = 3_000_000_000
"""From the camera's reading to the scanner's of the same thing in the same hand."""
_IN_HAND_NS: Final = 30_000_000_000
"""What was taken out at a question is scanned within this time."""
_SAME_SIGMAS: Final = 4.0
_WEIGHINGS_G: Final = 1.0
"""σ between two weighings of one thing."""


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
    """Whether what was lifted out at a question about something unscanned, and is scanned, lay there as settled: then
    that unit has gone out, and the question stays. Who shows such a unit twice means another one.
    """
    state = desk.state
    shown = state.shown[-1] if state.shown else None
    if shown is None or shown.line_id is not None or shown.step_id is None or shown.step_id in state.open_steps:
        return False
    out = state.recent_steps[-1] if state.recent_steps else None
    late = out is None or out.delta_g >= 0.0 or desk.t_ns - out.rest_ns > _IN_HAND_NS
    if late or state.last_item_ns > shown.t_ns:
        return False
    found = next((both for both in _units(desk, item, shown) if not both[1].returned), None)
    if found is None:
        return False
    line, group = found
    desk.emit(
        StepExplained(
            step_ids=(shown.step_id,), won=f"revised: {line.name} was taken out, that had been scanned", margin=0.0,
            considered=(), open_g=round(shown.open_g, 3),
        )
    )  # fmt: skip
    desk.emit(
        ItemRemoved(
            line_id=line.line_id, sku=line.sku, units=1, weight_g=round(shown.weight_g, 2), reason="taken_out",
            step_ids=(state.last_step_id,), sigma_g=group.sigma_g,
        )
    )  # fmt: skip
    reconcile(desk)
    return True


def _units(desk: Desk, item: Item, shown: Shown) -> list[tuple[Line, PlacedGroup]]:
    """Single units of a product that weighed what came out, none of which waits."""
    return [
        (line, group)
        for line in desk.state.basket.lines.values()
        if line.sku == item.sku and not line.pending
        for group in line.placed
        if group.units == 1
        and group.weight_g is not None
        and abs(group.weight_g - shown.weight_g) <= _SAME_SIGMAS * math.hypot(group.sigma_g, _WEIGHINGS_G)
    ]
