"""A bag of the shopper's own, declared before it goes in, while another that nobody was told of lies there already.

Who declares a bag that lies in the basket unexplained means that one. If right afterwards something else goes in though
nothing was scanned, the declaration was for this: people touch the key first. The other bag is then asked about.
"""

from __future__ import annotations

from typing import Final

from cart.core.ledger import OwnThing, StepExplained
from cart.core.reconciliation import Explanation
from cart.core.session.desk import Desk

_FOLLOWS_NS: Final = 8_000_000_000
"""From the touch to the bag's own movement."""
_SAME_G: Final = 0.5


def bag_came_after(desk: Desk, asked: Explanation) -> bool:
    """Take what would be asked about as unscanned for the declared bag; whether it was."""
    step = desk.state.open_steps.get(asked.step_ids[-1])
    if asked.open_kind != "unscanned_item" or step is None or step.delta_g > desk.policy.own_bag_max_g:
        return False
    for thing in desk.state.basket.things.values():
        follows = thing.declared and thing.in_basket and 0 <= step.began_ns - thing.since_ns <= _FOLLOWS_NS
        if not follows or desk.state.last_item_ns > thing.since_ns:
            continue
        for before in desk.state.recent_steps:
            if before.seen_ns < thing.since_ns and abs(before.delta_g - thing.weight_g) < _SAME_G:
                desk.emit(
                    StepExplained(
                        step_ids=(before.step_id,), won="revised: the declared bag came after it", margin=0.0,
                        considered=(), open_g=before.delta_g,
                    )
                )  # fmt: skip
                desk.emit(StepExplained(step_ids=(step.step_id,), won="the declared bag", margin=0.0, considered=()))
                desk.emit(
                    OwnThing(
                        thing_id=thing.thing_id, weight_g=round(step.delta_g, 2), in_basket=True, declared=True,
                        step_ids=(step.step_id,), sigma_g=step.sigma_g,
                    )
                )  # fmt: skip
                return True
    return False
