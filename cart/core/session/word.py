"""The shopper's word about a thing that weighs other than its product should: said on the screen, or by scanning it.

The screen's own words are "scan it again": whoever obeys means the unit that is asked about, and no further one. So a
scan of a product that waits, while a plain question may be about it and nothing has come in since, adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from cart.core.barcodes import ScannedCode
from cart.core.basket import Line, PlacedGroup
from cart.core.catalog import Item
from cart.core.interventions import Open
from cart.core.ledger import StepExplained
from cart.core.reconciliation import Move, priors
from cart.core.reconciliation.explanation import NOT_ALONE
from cart.core.session.desk import Desk, Held
from cart.core.session.learning import learn
from cart.core.session.moves import confirm
from cart.core.session.otherwise import LEFT_G, SAME_G, last_shown, word_allowed
from cart.core.session.read_twice import repeated_ns
from cart.core.session.revision import second_thoughts
from cart.core.session.shares import reopen
from cart.core.session.units import minimum_g, unit_weight
from cart.core.session.weight import reconcile, settle_by, settle_told, tidy
from cart.core.session.window import decide

IN_HAND_NS: Final = 30_000_000_000
"""What was taken out at a question is scanned again, and put in again, within this time."""
_UNITS_SIGMAS: Final = 3.0
_ELSE_MOVED: Final = 0.25
"""So much of its weight may be something else's that moved when it was taken out; with more it was another movement."""


def heeded(desk: Desk, open_: Open) -> bool:
    """Look anew at the movement that a question is about, and at those near it, without what the answer in hand rules
    out: what is likeliest then, and plainly so, is believed. Whether that settled it.
    """
    ids = [i for i in open_.event.step_ids if i in desk.state.open_steps]
    if not ids:
        return False
    desk.fruitless = None
    if second_thoughts(desk) and desk.state.open_steps.keys().isdisjoint(ids):
        return True
    decision = decide(desk)
    asked, found = decision.asked.get(ids[-1]), decision.rivals.get(ids[-1], ())
    if asked is None or not found or found[0].score < asked.score:
        return False
    if open_.kind == "which_removed" and found[0].takes:
        return False  # the very thing that is denied: nobody knows better
    rival = max((e.score for e in found if e.effect != found[0].effect), default=-math.inf)
    if found[0].score - rival < priors.REVISED_MARGIN:
        return False
    settle_told(desk, found[0], "as the shopper's answer leaves it")
    return True


def misfit(desk: Desk, open_: Open) -> Line | None:
    """The waiting line that a question's movement is likeliest to hold at another weight, after the answer in hand."""
    asked = decide(desk).asked.get(open_.event.step_ids[-1]) if open_.event.step_ids else None
    about = asked.line_id if asked is not None and asked.open_kind == "wrong_weight" else None
    return desk.state.basket.lines.get(about or 0)


def believe(desk: Desk, open_: Open, line: Line) -> bool:
    """Settle a question's steps as the line's waiting units, if the store's limits allow it; whether it was."""
    steps = desk.state.open_steps
    beside = _beside(desk, open_, line)
    weight_g = sum(steps[i].delta_g for i in open_.event.step_ids if i in steps) - sum(m.mean_g for m in beside)
    units = _units(desk, open_, line, weight_g)
    if not line.pending or not _believable(desk, line, open_, weight_g, units):
        return False
    shown_g = _shown_g(desk, line, weight_g) if units == 1 and not beside else None
    if shown_g is not None:
        ids = tuple(i for i in open_.event.step_ids if i in steps)
        won = f"{line.name} was among it, at the weight that the shopper has shown"
        desk.emit(StepExplained(step_ids=ids, won=won, margin=99.0, considered=(), open_g=round(weight_g - shown_g, 3)))
        confirm(desk, line.line_id, 1, round(shown_g, 2), "shopper", ids, 1.0)
        return True
    _, ids = settle_by(desk, open_, f"{line.name}, as the shopper says")
    for move in beside:
        confirm(desk, move.key, move.units, round(move.mean_g, 2), "weighed", ids, round(move.variance_g2**0.5, 3))
    confirm(desk, line.line_id, units, round(weight_g, 2), "shopper", ids, 1.0)
    learn(desk, line.sku, units, weight_g, "shopper")
    return True


def _shown_g(desk: Desk, line: Line, weight_g: float) -> float | None:
    """What the line's thing weighed when it was shown at its question, where what went in later weighs more than that
    by another thing. What was shown may be another unit, and units differ.
    """
    shown = last_shown(desk, line)
    if shown is None:
        return None
    apart_g = _UNITS_SIGMAS * priors.UNITS_APART * shown.weight_g if line.units > 1 else 0.0
    return shown.weight_g if weight_g - shown.weight_g > max(LEFT_G, apart_g) else None


def _beside(desk: Desk, open_: Open, line: Line) -> tuple[Move, ...]:
    """What is believed to have gone in with the thing that is asked about."""
    asked = decide(desk).asked.get(open_.event.step_ids[-1]) if open_.event.step_ids else None
    same = asked is not None and asked.open_kind == "wrong_weight" and asked.line_id == line.line_id
    return asked.moves if asked is not None and same else ()


def _units(desk: Desk, open_: Open, line: Line, weight_g: float) -> int:
    """How many of the waiting units went in at once: as many as make each weigh nearest to what the catalogue says."""
    mean_g, _ = unit_weight(desk, line)
    if mean_g is None or line.unit == "kg" or weight_g <= 0.0 or mean_g <= 0.0:
        return 1
    # What else is asked about of this line is a unit of it, too, or more.
    others = {o.id for o in desk.open_of("wrong_weight") if o.event.line_id == line.line_id and o is not open_}
    counts = range(1, max(1, line.pending_units - len(others)) + 1)
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


def believe_all_scanned(desk: Desk, open_: Open) -> bool:
    """Whether something weighs other than the catalogue says, where the shopper has scanned everything: what waits, or
    what went in with the weight that is asked about. The likeliest such thing takes it, within the store's limits.
    """
    steps = desk.state.open_steps
    ids = [i for i in open_.event.step_ids if i in steps]
    rest_g = sum(steps[i].delta_g for i in ids)
    found = max(_takers(desk, ids, rest_g), key=lambda taker: taker[0], default=None) if rest_g > 0.0 else None
    if found is None:
        return False
    _, line, group = found
    delta_g, own = settle_by(desk, open_, f"{line.name} weighs so much, as the shopper says")
    units, weight_g = 1, delta_g
    if group is not None:
        units, weight_g, own = group.units, delta_g + (group.weight_g or 0.0), (*group.step_ids, *own)
        reopen(desk, [(line, group)])
    confirm(desk, line.line_id, units, round(weight_g, 2), "shopper", own, 1.0)
    learn(desk, line.sku, units, weight_g, "shopper")
    return True


def _takers(desk: Desk, ids: list[int], rest_g: float) -> Iterator[tuple[float, Line, PlacedGroup | None]]:
    """Lines that may weigh so much, with their log likelihoods: by a unit that waits, or by a group of placed ones."""
    short = {*ids, *_short_steps(desk, rest_g)}
    for line in desk.state.basket.lines.values():
        mean_g, _ = unit_weight(desk, line)
        if line.unit == "kg" and line.expected_g is None and _own_step(desk, line, ids):
            yield priors.log_picked_density(rest_g, priors.PICKED_TYPICAL_G, minimum_g(desk), 15000.0), line, None
        if line.unit == "kg" or line.expected_g is not None:
            continue
        # Whoever has scanned everything may have scanned one thing twice, and says nothing of it.
        if line.pending and repeated_ns(line) is None and _may_weigh(desk, line, rest_g, 1):
            yield _log_errs(rest_g, mean_g), line, None
        for group in line.placed:
            if group.weight_g is None or short.isdisjoint(group.step_ids):
                continue
            unit_g = (group.weight_g + rest_g) / group.units
            if _may_weigh(desk, line, unit_g, group.units):
                yield _log_errs(unit_g, mean_g) - math.log(group.units), line, group


def _own_step(desk: Desk, line: Line, ids: list[int]) -> bool:
    """Whether loose goods that wait were picked about when the only step of a question came, and that step is whole."""
    whole = next((s for s in desk.state.recent_steps if ids == [s.step_id]), None)
    if whole is None or not line.pending or whole.delta_g != desk.state.open_steps[whole.step_id].delta_g:
        return False
    late_s = (whole.began_ns - line.pending[0].since_ns) / 1e9
    return whole.delta_g >= minimum_g(desk) and abs(late_s) <= priors.SCANNED_AFTER_S


def _log_errs(weight_g: float, mean_g: float | None) -> float:
    return priors.log_unknown_density(weight_g) if mean_g is None else priors.log_errs_density(weight_g, mean_g)


def _may_weigh(desk: Desk, line: Line, unit_g: float, units: int) -> bool:
    return unit_weight(desk, line)[0] is None or word_allowed(desk, line, unit_g, units)


def _short_steps(desk: Desk, rest_g: float) -> Iterator[int]:
    """Recent steps of which so much is in no line: what went in with them weighs more than it is believed to."""
    placed = [g for line in desk.state.basket.lines.values() for g in line.placed if g.weight_g is not None]
    for step in desk.state.recent_steps:
        seen_g = sum(g.weight_g or 0.0 for g in placed if step.step_id in g.step_ids)
        if seen_g > 0.0 and abs(step.delta_g - seen_g - rest_g) <= SAME_G:
            yield step.step_id


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
            _answer_by_scan(desk, open_, line)
            return True
    again = any(
        shown.line_id in (None, line.line_id)
        and scanned_ns < shown.t_ns
        and max(desk.state.last_item_ns, scanned_ns) <= shown.t_ns
        and desk.t_ns - shown.t_ns < IN_HAND_NS
        for shown in desk.state.shown
    )
    if again:
        _take_in_hand(desk, line)
    return again


def _answer_by_scan(desk: Desk, open_: Open, line: Line) -> None:
    """The thing that is asked about is scanned where it lies: it is what the question's movement weighed. Scanned in
    the hand it is in no movement so far, but in the next.
    """
    if _take_in_hand(desk, line):
        cleared = _is_out(desk, open_, line)
        if not cleared and open_.event.line_id == line.line_id and line.pending_units == 1:
            desk.clear(open_)
    elif line.unit != "kg":
        believe(desk, open_, line)
    tidy(desk)
    reconcile(desk)


def _is_out(desk: Desk, open_: Open, line: Line) -> bool:
    """What is in the hand is believed when it goes in. Its step and the one that took it out have cancelled, but for
    what had gone in with it, or went out with it; whether that was so.
    """
    steps = desk.state.open_steps
    last_id = desk.state.last_step_id
    ids = tuple(i for i in open_.event.step_ids if i in steps)
    if last_id not in steps or not ids or last_id in ids or open_.event.line_id != line.line_id:
        return False
    rest_g = steps[last_id].delta_g + sum(steps[i].delta_g for i in ids)
    weight_g = sum(steps[i].delta_g for i in ids)
    if abs(rest_g) > _ELSE_MOVED * weight_g:
        return False
    desk.in_hand = Held(line.line_id, desk.t_ns, weight_g)
    desk.emit(
        StepExplained(
            step_ids=(last_id, *ids) if rest_g > 0.0 else (*ids, last_id),
            won=f"taken out to be scanned: {line.name}", margin=99.0, considered=(),
            open_g=round(rest_g, 3) if abs(rest_g) > SAME_G else None,
        )
    )  # fmt: skip
    desk.clear(open_)
    return True


def _take_in_hand(desk: Desk, line: Line) -> bool:
    """What was taken out and is scanned is in the hand. An observation and no decision: a restart forgets it."""
    last = desk.state.recent_steps[-1] if desk.state.recent_steps else None
    if last is None or last.delta_g >= 0.0 or desk.t_ns - last.rest_ns > IN_HAND_NS:
        return False
    desk.in_hand = Held(line.line_id, desk.t_ns, -last.delta_g)
    return True
