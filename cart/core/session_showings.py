"""The camera as a second scanner: what it reads beside the first one, and when one showing is one unit.

A thing on its way into the basket passes the lens with its code up, whether it was scanned or not. So the camera's
reading counts as a scan only where nothing else can be meant: held up over a basket at rest, and not of a product that
waits to be put in. And a thing that both have read within seconds was shown once.
"""

from __future__ import annotations

from typing import Final

from cart.core.catalog import Item
from cart.core.observations import Scan
from cart.core.session_desk import Desk

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
