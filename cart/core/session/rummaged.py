"""A hand that rummages seems to take out one thing after another; one that pauses, to have moved a lighter one."""

from __future__ import annotations

import math
from typing import Final

from cart.core.ledger import StepExplained
from cart.core.reconciliation import priors
from cart.core.session.alone import weighed_like
from cart.core.session.desk import Desk
from cart.core.session.lost_in import fits
from cart.core.session.moves import undo_put_back, undo_removal
from cart.core.session.otherwise import SAME_G
from cart.core.session.revision import INTACT_G
from cart.core.session.state import OpenStep, TripState
from cart.core.session.window import hasty

_STEPS_MAX: Final = 6
_STEPS_MIN: Final = 3
"""Two steps that cancel are a thing that is looked at and put back."""


def nothing_after_all(desk: Desk) -> bool:
    """Take back what was believed of steps in a row with hardly a pause, once the basket weighs what it did before
    them: three weights that add up to nothing are one hand's, and no things that were taken out and put in. Only where
    nothing was scanned meanwhile, and nothing scanned is believed to have gone in with them. Whether it was so.
    """
    state = desk.state
    run = _back_where_it_was(_in_a_row(state.recent_steps))
    if not run:
        return False
    began_ns, ids = run[0].began_ns, {s.step_id for s in run}
    slope = state.slope_step
    if _scanned_since(desk, began_ns) or (slope is not None and slope.step_id in ids):
        return False
    placed = (g for line in state.basket.lines.values() for g in line.placed if not g.returned)
    if any(ids.intersection(group.step_ids) for group in placed):
        return False
    for gone in [g for g in state.basket.removed if g.at_ns >= run[0].rest_ns and not g.told]:
        undo_removal(desk, gone)
    won = "nothing came or went: a hand was in the basket"
    desk.emit(StepExplained(step_ids=tuple(sorted(ids)), won=won, margin=99.0, considered=()))
    return True


def _in_a_row(recent: list[OpenStep]) -> list[OpenStep]:
    """The newest steps that came without a pause, in order."""
    run = recent[-1:]
    for step in reversed(recent[-_STEPS_MAX:-1]):
        if step.step_id != run[0].step_id - 1 or run[0].began_ns - step.rest_ns >= priors.HASTY_S * 1e9:
            break
        run.insert(0, step)
    return run


def _back_where_it_was(run: list[OpenStep]) -> list[OpenStep]:
    """The longest end of it that adds up to nothing; empty: none does."""
    for first in range(len(run) - _STEPS_MIN + 1):
        end = run[first:]
        sigma_g = math.hypot(*(s.sigma_g for s in end))
        if abs(sum(s.delta_g for s in end)) <= min(SAME_G, priors.Z_RETURNED * sigma_g):
            return end
    return []


def _scanned_since(desk: Desk, since_ns: int) -> bool:
    lines = desk.state.basket.lines.values()
    scans = (p.since_ns for line in lines for p in line.pending)
    placed = (g.scanned_ns for line in lines for g in line.placed)
    return any(at_ns >= since_ns for at_ns in (*scans, *placed))


def removal_went_on(desk: Desk) -> None:
    """What was taken for a removal goes on within a second: the hand had not let go of anything, and lifts out another
    thing that weighs as much as both.
    """
    state = desk.state
    step, before = _last_two(state)
    gone = state.basket.removed[-1] if state.basket.removed else None
    if before is None or gone is None or gone.told or before.step_id in state.open_steps or not hasty(desk, step):
        return
    same = gone.at_ns >= before.rest_ns and abs(gone.weight_g + before.delta_g) < INTACT_G
    out_g = -before.delta_g - step.delta_g
    if not same or step.delta_g >= 0.0 or not _lies_there(desk, out_g):
        return
    undo_removal(desk, gone)
    _one_movement(desk, before, step)


def put_back_went_on(desk: Desk) -> None:
    """What was taken for a put-back goes on within a second, and nothing that waits weighs what came on top: a hand had
    held back a part of one thing's weight. Nobody scanned it, so it is asked about as a whole.
    """
    step, before = _last_two(desk.state)
    if before is None or step.delta_g <= 0.0 or step.began_ns - before.rest_ns >= priors.HASTY_S * 1e9:
        return
    lines = list(desk.state.basket.lines.values())
    if any(line.pending and (fits(desk, line, step.delta_g) or line.unit == "kg") for line in lines):
        return
    for line in lines:
        for group in line.placed:
            if group.returned and group.step_ids == (before.step_id,) and group.weight_g is not None:
                undo_put_back(desk, line, group)
                _one_movement(desk, before, step)
                return


def _last_two(state: TripState) -> tuple[OpenStep, OpenStep | None]:
    """The step that has just come, as far as it is open, and the one before."""
    step = next(reversed(state.open_steps.values()))
    return step, next((s for s in state.recent_steps if s.step_id == step.step_id - 1), None)


def _lies_there(desk: Desk, weight_g: float) -> bool:
    """Whether a single thing in the basket, or one that is asked about, weighs so much."""
    groups = (g for line in desk.state.basket.lines.values() for g in line.placed if g.units == 1)
    opened = (s.delta_g for s in desk.state.open_steps.values())
    return any(weighed_like(g, weight_g) for g in groups) or any(abs(g - weight_g) <= SAME_G for g in opened)


def _one_movement(desk: Desk, before: OpenStep, step: OpenStep) -> None:
    """Both steps are open as one, that is looked at anew."""
    desk.emit(
        StepExplained(
            step_ids=(before.step_id, step.step_id), won="looked at anew: it went on within a second", margin=0.0,
            considered=(), open_g=round(before.delta_g + step.delta_g, 3),
        )
    )  # fmt: skip
