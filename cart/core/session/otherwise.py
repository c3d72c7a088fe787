"""What a unit may weigh although the catalogue says otherwise, and the store's limits of a shopper's word for it."""

from __future__ import annotations

from cart.core.basket import Line
from cart.core.reconciliation import Otherwise
from cart.core.session.desk import Desk
from cart.core.session.state import Shown
from cart.core.session.units import trusted, unit_weight

SHOWN_SD_G = 1.0
"""Two settled weights of one thing."""
_SHOWN_NS = 120_000_000_000
"""Who takes a thing out to see what is wrong puts it in again within this time."""
_OTHERWISE_MAX = 2
_READ_NS = 1_500_000_000
"""A question is read before it is answered: a scan sooner than this is of the next thing."""
_NOT_NEXT_NS = 8_000_000_000
"""And so is one that something is put in after within this time. Only then it was the answer: of two things taken at
random half weigh within a factor of two of each other, and hardly one in a hundred is wrongly catalogued.
"""
SAME_G = 3.0
"""Two weighings of one thing, each with what the scale leaves unsure."""
LEFT_G = 10.0
"""What is left over is asked about from twice the lightest thing on that the scale can see."""
WORD_SIGMAS = 4.0


def otherwise(desk: Desk, line: Line, mean_g: float | None, sd_g: float) -> tuple[Otherwise, ...]:
    """What one unit may weigh although the catalogue says otherwise: as others of it did, or as the shopper insists."""
    if mean_g is None or line.unit == "kg":
        return ()
    learned = desk.state.learned.get(line.sku)
    found = []
    if learned is not None and learned.catalog_g is not None and line.expected_g is None and not trusted(learned):
        found.append(Otherwise(learned.weight_g, learned.sd_g, word=False))
    scanned_ns = max((p.since_ns for p in line.pending), default=0)
    for open_ in desk.open_of("unscanned_item"):
        step = desk.state.open_steps.get(open_.event.step_ids[-1]) if open_.stage == "question" else None
        answers = scanned_ns - open_.stage_ns >= _READ_NS and desk.t_ns - scanned_ns >= _NOT_NEXT_NS
        answers = answers and not _shops_on(desk, line, open_.stage_ns)
        if step is not None and answers and word_allowed(desk, line, step.delta_g):
            found.append(Otherwise(step.delta_g, SHOWN_SD_G, word=True))  # asked to scan it, the shopper scanned this
    held = desk.in_hand
    held_g = held.weight_g if held is not None and held.line_id == line.line_id else None
    if held_g is not None and word_allowed(desk, line, held_g):
        found.append(Otherwise(held_g, SHOWN_SD_G, word=True))
    for shown in reversed(desk.state.shown):
        # Where something else went in meanwhile, the movement that was asked about tells what it weighs.
        asked_g = [open_g for _, open_g in shown.came[:1] if abs(open_g - shown.weight_g) > SAME_G]
        for weight_g in (shown.weight_g, *(asked_g if shown.line_id == line.line_id else ())):
            recent = desk.t_ns - shown.t_ns < _SHOWN_NS and abs(weight_g - mean_g) > 2.0 * sd_g
            recent = recent and all(abs(weight_g - known.mean_g) > SAME_G for known in found)
            if recent and _meant(desk, line, shown, scanned_ns) and word_allowed(desk, line, weight_g):
                found.append(Otherwise(weight_g, SHOWN_SD_G, word=True))
    return tuple(found[:_OTHERWISE_MAX])


def last_shown(desk: Desk, line: Line) -> Shown | None:
    """The last thing of a line that was lifted out at a question about it, of late."""
    since_ns = desk.t_ns - _SHOWN_NS
    return next((s for s in reversed(desk.state.shown) if s.line_id == line.line_id and s.t_ns >= since_ns), None)


def _meant(desk: Desk, line: Line, shown: Shown, scanned_ns: int) -> bool:
    """Whether what was shown may be this line's: it was asked about, or no other line is any more and this one was
    scanned in the hand, or nothing went in for some time after its scan.
    """
    if shown.line_id == line.line_id:
        return True
    asked = desk.state.basket.lines.get(shown.line_id or 0)
    if (asked is not None and asked.pending) or _went_in_so(desk, shown):
        return False
    before = next((s for s in reversed(desk.state.recent_steps) if s.rest_ns <= scanned_ns), None)
    in_hand = before is not None and before.delta_g < 0.0
    return in_hand or desk.t_ns - scanned_ns >= _NOT_NEXT_NS


def _went_in_so(desk: Desk, shown: Shown) -> bool:
    """Whether what was shown went in under the name that it was asked about by, and lies there or was taken out."""
    basket = desk.state.basket
    line = basket.lines.get(shown.line_id or 0)
    weights_g = [g.weight_g for g in line.placed if g.weight_g is not None] if line is not None else []
    weights_g += [gone.weight_g for gone in basket.removed if gone.line.line_id == shown.line_id]
    return any(abs(weight_g - shown.weight_g) <= SAME_G for weight_g in weights_g)


def _shops_on(desk: Desk, line: Line, asked_ns: int) -> bool:
    """Whether something else was scanned or picked since a question: then no scan is plainly its answer."""
    return any(
        other is not line and any(p.since_ns >= asked_ns for p in other.pending)
        for other in desk.state.basket.lines.values()
    )


def word_allowed(desk: Desk, line: Line, weight_g: float, units: int = 1) -> bool:
    """Whether the shopper's word is enough for units of this line to weigh so much each: within the store's limits."""
    mean_g, _ = unit_weight(desk, line)
    item, limit_minor = desk.item(line.sku), desk.policy.word_total_max_minor
    if item is None or mean_g is None or line.unit == "kg":
        return False
    # Where the catalogue says nothing, what was learned may be another thing's: nothing stands against a word.
    claimed = item.weight_g is not None or line.expected_g is not None
    if claimed and not within_word(desk, mean_g, weight_g):
        return False
    return _at_word_minor(desk) + units * line.unit_price_minor <= limit_minor


def within_word(desk: Desk, mean_g: float, weight_g: float) -> bool:
    """Whether a thing of `mean_g` may weigh so much by the shopper's word: within the store's factor."""
    factor = desk.policy.word_weight_factor
    return mean_g / factor <= weight_g <= mean_g * factor


def _at_word_minor(desk: Desk) -> int:
    """What the things of this trip cost that went in at the shopper's word, against the catalogue's weight."""
    total_minor = 0
    for line in desk.state.basket.lines.values():
        item = desk.item(line.sku)
        for group in line.placed:
            if group.proof == "shopper" and group.weight_g is not None and item is not None and item.weight_g:
                sd_g = max(desk.policy.prior_weight_sd_min_g, item.weight_sd_g or 0.0)
                if abs(group.weight_g / group.units - item.weight_g) > WORD_SIGMAS * sd_g:
                    total_minor += group.units * line.unit_price_minor
    return total_minor
