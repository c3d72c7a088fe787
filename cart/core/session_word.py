"""The shopper's word about a thing that weighs other than its product should: said on the screen, or by scanning it.

The screen's own words are "scan it again": whoever obeys means the unit that is asked about, and no further one. So a
scan of a product that waits, while a plain question may be about it and nothing has come in since, adds nothing.
"""

from __future__ import annotations

import math
from typing import Final

from cart.core.barcodes import ScannedCode
from cart.core.basket import Line
from cart.core.catalog import Item
from cart.core.interventions import Open
from cart.core.reconciliation.explanation import NOT_ALONE
from cart.core.session_desk import Desk
from cart.core.session_learning import learn
from cart.core.session_moves import confirm
from cart.core.session_weight import reconcile, settle_by, tidy
from cart.core.session_window import minimum_g, unit_weight, word_allowed

_IN_HAND_NS: Final = 30_000_000_000
"""What was taken out at a question is scanned again, and put in again, within this time."""


def believe(desk: Desk, open_: Open, line: Line) -> bool:
    """Settle a question's steps as the line's waiting units, if the store's limits allow it; whether it was."""
    steps = desk.state.open_steps
    weight_g = sum(steps[i].delta_g for i in open_.event.step_ids if i in steps)
    units = _units(desk, line, weight_g)
    if not line.pending or not _believable(desk, line, open_, weight_g, units):
        return False
    delta_g, ids = settle_by(desk, open_, f"{line.name}, as the shopper says")
    confirm(desk, line.line_id, units, round(delta_g, 2), "shopper", ids, 1.0)
    learn(desk, line.sku, units, delta_g, "shopper")
    return True


def _units(desk: Desk, line: Line, weight_g: float) -> int:
    """How many of the waiting units went in at once: as many as make each weigh nearest to what the catalogue says."""
    mean_g, _ = unit_weight(desk, line)
    if mean_g is None or line.unit == "kg" or weight_g <= 0.0 or mean_g <= 0.0:
        return 1
    counts = range(1, max(1, line.pending_units) + 1)
    return min(counts, key=lambda units: abs(math.log(weight_g / (units * mean_g))))


def _believable(desk: Desk, line: Line, open_: Open, weight_g: float, units: int) -> bool:
    if line.unit == "kg":
        # It went in alone, says the shopper, who pays for all of the weight: not where other things still wait.
        others = any(
            li is not line and p.since_ns <= open_.raised_ns
            for li in desk.state.basket.lines.values()
            for p in li.pending
        )
        return open_.event.reason == NOT_ALONE and weight_g >= minimum_g(desk) and not others
    return word_allowed(desk, line, weight_g / units, units)


def is_scanned_again(desk: Desk, item: Item, code: ScannedCode) -> bool:
    """Whether a scan shows once more what is asked about, and is no further unit. Does what follows from it."""
    if code.weight_g is not None or code.price_minor is not None:
        return False
    line = next((li for li in desk.state.basket.lines.values() if li.sku == item.sku and li.pending), None)
    if line is None or line.expected_g is not None:
        return False
    scanned_ns = max(p.since_ns for p in line.pending)
    for open_ in desk.open_of("wrong_weight", "unscanned_item"):
        if open_.stage == "question" and open_.event.line_id in (None, line.line_id) and scanned_ns < open_.stage_ns:
            _take_in_hand(desk, line)
            if line.unit != "kg":
                believe(desk, open_, line)
                tidy(desk)
                reconcile(desk)
            return True
    again = any(
        shown.line_id in (None, line.line_id)
        and scanned_ns < shown.t_ns
        and max(desk.state.last_item_ns, scanned_ns) <= shown.t_ns
        and desk.t_ns - shown.t_ns < _IN_HAND_NS
        for shown in desk.state.shown
    )
    if again:
        _take_in_hand(desk, line)
    return again


def _take_in_hand(desk: Desk, line: Line) -> None:
    """What was taken out and is scanned is in the hand. An observation and no decision: a restart forgets it."""
    last = desk.state.recent_steps[-1] if desk.state.recent_steps else None
    if last is not None and last.delta_g < 0.0:
        desk.in_hand = (line.line_id, desk.t_ns)
