"""Revisions: what a step was taken for may turn out otherwise when a scanned thing is never seen to go in.

Before a line is asked about as `not_placed`, the steps since its scan are looked at once more: its units may have gone
in together with something so heavy that they were lost in its spread, or may be what was taken for a put-back.
"""

from __future__ import annotations

import math
from collections import Counter

from msgspec.structs import replace

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import Hypothesis, ItemRemoved, Proof, StepExplained
from cart.core.reconciliation import Again, Explanation, Gone, Move, Settled, Window, priors, rethink, used_by
from cart.core.reconciliation.explanation import NOT_ALONE
from cart.core.reconciliation.rethink import STEPS, Used
from cart.core.session.counts import counted_anew
from cart.core.session.desk import Desk
from cart.core.session.learning import unlearn
from cart.core.session.moves import confirm, make_moves, undo_put_back
from cart.core.session.otherwise import SAME_G, within_word, word_allowed
from cart.core.session.shares import Seen, reopen, together
from cart.core.session.shown import shown_in_place
from cart.core.session.state import OpenStep
from cart.core.session.stickers import surplus_beside_sticker
from cart.core.session.units import unit_weight
from cart.core.session.window import as_step, window_anew

INTACT_G = 0.5
"""What went in with a step is all there while its weights add up to the step's, rounding apart."""
_INSTEAD_Z = 3.0
INSTEAD_NS = 20_000_000_000
"""A step this long before the scan may have been the scanned thing."""


def before_asking(desk: Desk, line: Line) -> bool:
    """Try to find a pending line's units among what is in the basket already; whether they were found."""
    if surplus_beside_sticker(desk, line):
        return True
    if _scanned_again(desk, line) or (counted_anew(desk, line) and not line.pending):
        return True
    second_thoughts(desk)
    return not line.pending


def second_thoughts(desk: Desk, *, but_by: float = 0.0) -> bool:
    """Explain the last few steps anew together, if that leaves less to ask and gains more (natural log) than what is
    at hand; whether it did.
    """
    if desk.live.over_capacity or desk.fruitless == _moment(desk):
        return False
    if _thought_anew(desk, but_by):
        return True
    if but_by <= 0.0:
        desk.fruitless = _moment(desk)
    return False


def part_waits_again(desk: Desk, line: Line) -> None:
    """Something else is scanned while it is asked about one unit too many, and may weigh as much as all that went in:
    the movement may have been that thing alone, so what was believed of a part of it waits again.
    """
    steps = {s.step_id: s for s in desk.state.recent_steps}
    for open_ in desk.open_of("extra_unit"):
        step_id = open_.event.step_ids[-1]
        part = [
            (line, group)
            for line in desk.state.basket.lines.values()
            for group in line.placed
            if group.step_ids == (step_id,) and group.proof == "weighed"
        ]
        whole = step_id in steps and step_id in desk.state.open_steps and part and line.sku != open_.event.sku
        if not whole or desk.t_ns - open_.raised_ns > INSTEAD_NS or not _may_weigh(desk, line, steps[step_id]):
            continue
        desk.emit(
            StepExplained(
                step_ids=(step_id,), won="looked at anew: something else was scanned", margin=0.0, considered=(),
                open_g=round(steps[step_id].delta_g, 3),
            )
        )  # fmt: skip
        _reopen(desk, part)
        desk.clear(open_)


def price_waits_again(desk: Desk, won: Explanation) -> None:
    """What was plainly asked for goes in, and loose goods have just got their price from a movement in which it may
    have been lifted out: then nobody knows what they weigh.
    """
    placed = {move.key for move in won.moves if move.kind == "place"}
    began_ns = min((s.began_ns for s in desk.state.recent_steps if s.step_id in won.step_ids), default=0)
    steps = [
        s
        for s in desk.state.recent_steps
        if 0 <= began_ns - s.rest_ns <= priors.LIFTED_S * 1e9 and placed & set(s.asked_for)
    ]
    for step in steps:
        priced = [both for ids, seen in together(desk) if ids == (step.step_id,) for both in seen]
        if [line.unit for line, _ in priced] != ["kg"] or _as_asked(desk, priced[0][0], step.began_ns):
            continue
        if _lifted_since(desk, step, won):
            continue
        desk.emit(
            StepExplained(
                step_ids=(step.step_id,), won="looked at anew: what was asked for was perhaps lifted out in it",
                margin=0.0, considered=(), open_g=round(step.delta_g, 3),
            )
        )  # fmt: skip
        _reopen(desk, priced)


def _lifted_since(desk: Desk, step: OpenStep, won: Explanation) -> bool:
    """Whether what goes in now was lifted out by a movement of its own, after that step."""
    back_g = sum(s.delta_g for s in desk.state.recent_steps if s.step_id in won.step_ids)
    between = (s for s in desk.state.recent_steps if step.step_id < s.step_id < min(won.step_ids))
    return any(abs(s.delta_g + back_g) <= SAME_G for s in between)


def _may_weigh(desk: Desk, line: Line, step: OpenStep) -> bool:
    mean_g, sd_g = unit_weight(desk, line)
    return mean_g is None or abs(step.delta_g - mean_g) <= priors.Z_MAX * math.hypot(sd_g, step.sigma_g, 1.0)


def _reopen(desk: Desk, seen: Seen) -> None:
    """Things wait again that were perhaps not what went in, and nothing has been learned of them."""
    for line, group in seen:
        units, weight_g = group.units, group.weight_g
        reopen(desk, [(line, group)])
        unlearn(desk, line.sku, units, weight_g)


def _moment(desk: Desk) -> tuple[int, int]:
    """Time and revision, but for hints that something was not put in: of many lines each asks for second thoughts, and
    being asked about changes nothing of what they are.
    """
    hints = sum(o.stage == "hint" for o in desk.open_of("not_placed"))
    return desk.t_ns, desk.state.revision - hints


def _thought_anew(desk: Desk, but_by: float) -> bool:
    believed = _revisable(desk)
    open_ = desk.state.open_steps
    ids = {i for step_ids, _ in believed for i in step_ids} | set(open_)
    steps = tuple(
        as_step(desk, s) for s in (open_.get(r.step_id, r) for r in desk.state.recent_steps) if s.step_id in ids
    )[-STEPS:]
    kept = {s.step_id for s in steps}
    believed = [(step_ids, seen) for step_ids, seen in believed if kept.issuperset(step_ids)]
    covered = {i for step_ids, _ in believed for i in step_ids} | set(open_)
    steps = tuple(s for s in steps if s.step_id in covered)
    groups = [both for _, seen in believed for both in seen]
    if not steps or not (groups or len(steps) > 1):
        return False
    anew = window_anew(desk, groups, steps)
    settled = tuple(Settled(step_ids, _used(seen, groups)) for step_ids, seen in believed)
    found = rethink(anew, _scans(desk, groups), settled)
    if found is None or found.gain < but_by or _forestalls(desk, found) or _prices_what_is_asked(desk, found, anew):
        return False
    revision = desk.state.revision
    _carry_out(desk, found, believed, settled, anew)
    return desk.state.revision != revision


def _forestalls(desk: Desk, found: Again) -> bool:
    """Whether a movement would be settled without the loose goods that are plainly asked to be put in alone: whoever
    obeys is about to show what they weigh in it.
    """
    about = [o.event for o in desk.open_of("wrong_weight") if o.event.reason == NOT_ALONE and o.stage == "question"]
    return any(
        explanation.open_kind is None
        and set(event.step_ids) & set(explanation.step_ids)
        and all(move.key != event.line_id for move in explanation.moves)
        for event in about
        for explanation in found.explanations
    )


def _prices_what_is_asked(desk: Desk, found: Again, anew: Window) -> bool:
    """Whether loose goods would get a price while it is asked what they weigh alone, or which step was theirs alone, or
    while another thing that had been scanned by then would not have gone in at all: it may be in the same step. Or from
    one in which another thing may have been lifted out.
    """
    about = [o.event for o in desk.open_of("wrong_weight") if o.event.reason == NOT_ALONE]
    asked = {i for event in about for i in event.step_ids}
    lines = {event.line_id for event in about}
    settled = [e for e in found.explanations if e.open_kind is None]
    priced = [e for e in settled if e.ranged is not None and e.ranged.priced]
    left = Counter({w.line_id: w.units for w in anew.waiting})
    for move in (m for e in found.explanations for m in e.moves if m.kind == "place"):
        left[move.key] -= move.units
    for explanation in priced:
        if lines.intersection(m.key for m in explanation.moves if m.priced):
            return True
        own = [s for s in anew.steps if s.step_id in explanation.step_ids]
        rest_ns = max(s.rest_ns for s in own)
        if any(s.lifted for s in own) or any(left[w.line_id] > 0 and w.since_ns <= rest_ns for w in anew.waiting):
            return True
    return any(asked.intersection(e.step_ids) for e in priced)


def _revisable(desk: Desk) -> list[tuple[tuple[int, ...], Seen]]:
    """What the last steps were taken for, where all of it still lies in the basket as it went in."""
    recent = {s.step_id: s for s in desk.state.recent_steps}
    shown = {step_id for s in desk.state.shown for step_id, _ in s.came}  # what is out of a step tells what is left
    found = []
    for ids, seen in together(desk):
        whole = shown.isdisjoint(ids) and all(i in recent and i not in desk.state.open_steps for i in ids)
        whole = whole and not any(_as_asked(desk, line, recent[ids[0]].began_ns) for line, _ in seen)
        seen_g = sum(group.weight_g or 0.0 for _, group in seen)
        if whole and abs(seen_g - sum(recent[i].delta_g for i in ids)) < INTACT_G:
            found.append((ids, seen))
    return found


def _as_asked(desk: Desk, line: Line, began_ns: int) -> bool:
    """It was put in by itself because the cart had asked for that: no doubt about it any more."""
    asked_ns = desk.state.asked_alone.get(line.line_id)
    return asked_ns is not None and asked_ns <= began_ns


def _used(seen: Seen, groups: Seen) -> Used:
    used = []
    for line, group in seen:
        back = next(n for n, (_, other) in enumerate(groups) if other is group)
        used.append(("return", -1 - back, group.units) if group.returned else ("place", line.line_id, group.units))
    return tuple(sorted(used))


def _scans(desk: Desk, groups: Seen) -> dict[int, tuple[int, ...]]:
    """Line id → when its units were scanned."""
    found: dict[int, tuple[int, ...]] = {}
    for line in desk.state.basket.lines.values():
        found[line.line_id] = tuple(p.since_ns for p in line.pending)
    for line, group in groups:
        found[line.line_id] += (group.scanned_ns,)
    return {line_id: scans for line_id, scans in found.items() if scans}


def _carry_out(
    desk: Desk, found: Again, believed: list[tuple[tuple[int, ...], Seen]], settled: tuple[Settled, ...], anew: Window
) -> None:
    """Undo what was believed of the steps that turn out otherwise, and write what they are believed to be now."""
    kept = {(frozenset(e.step_ids), used_by(e)) for e in found.explanations if e.open_kind is None}
    same: set[int] = set()
    for own, (ids, seen) in zip(settled, believed, strict=True):
        if (frozenset(ids), own.used) in kept:
            same.update(ids)
            continue
        _reopen(desk, [(line, group) for line, group in seen if not group.returned])
        for line, group in seen:
            if group.returned:
                undo_put_back(desk, line, group)
    for explanation in found.explanations:
        was_open = all(i in desk.state.open_steps for i in explanation.step_ids)
        if same.issuperset(explanation.step_ids) or (explanation.open_kind is not None and was_open):
            continue
        _believe(desk, explanation, found, anew)


def _believe(desk: Desk, explanation: Explanation, found: Again, anew: Window) -> None:
    ids = explanation.step_ids
    opened = explanation.open_kind is not None
    considered = (
        Hypothesis(explanation.label, round(found.gain, 2)),
        Hypothesis("as believed before", 0.0),
        Hypothesis("otherwise", round(found.gain - found.margin, 2)),
    )
    open_g = sum(s.delta_g for s in anew.steps if s.step_id in ids)
    desk.emit(
        StepExplained(
            step_ids=ids, won=f"revised: {explanation.label}", margin=round(found.margin, 2), considered=considered,
            open_g=round(open_g, 3) if opened else None, absorbed_g=explanation.absorbed_g,
        )
    )  # fmt: skip
    if not opened:
        gone = {g.index: g for g in anew.gone}
        moves = [_as_removed(desk, m, gone[m.key]) if m.kind == "return" else m for m in explanation.moves]
        make_moves(desk, replace(explanation, moves=tuple(moves)))
        if not moves:
            shown_in_place(desk, [s for s in desk.state.recent_steps if s.step_id in ids])


def _as_removed(desk: Desk, move: Move, gone: Gone) -> Move:
    """The move with its index among what is removed now."""
    for index, removed in enumerate(desk.state.basket.removed):
        if removed.line.line_id == gone.line_id and removed.units == gone.units:
            return replace(move, key=index)
    return move


def instead_of_return(desk: Desk, line: Line, *, said: bool = False) -> bool:
    """What was taken for a put-back is the scanned thing. At once only where a put-back was less likely and the weight
    is right; `said`, if the shopper says that it is in the basket, within the limits of that word.
    """
    mean_g, sd_g = unit_weight(desk, line)
    if (mean_g is None and not said) or line.pending_units != 1 or line.unit == "kg":
        return False
    scanned_ns = line.pending[-1].since_ns
    for other in reversed(desk.state.basket.lines.values()):
        for group in other.placed:
            age_ns = scanned_ns - group.rested_ns
            if not group.returned or group.weight_g is None or other.sku == line.sku or not 0 <= age_ns <= INSTEAD_NS:
                continue
            fits = mean_g is None or abs(group.weight_g - mean_g) <= _INSTEAD_Z * math.hypot(sd_g, 1.0)
            if said:
                like_it = mean_g is not None and within_word(desk, mean_g, group.weight_g)
                fits = fits or (like_it and word_allowed(desk, line, group.weight_g))
            elif not _likelier(group, mean_g or 0.0, sd_g, age_ns / 1e9):
                continue
            if fits:
                _replace(desk, line, other, group, "shopper" if said else "weighed")
                return True
    return False


def _likelier(back: PlacedGroup, mean_g: float, sd_g: float, late_s: float) -> bool:
    """Whether a thing of this weight, scanned so long after, went in rather than what was believed to be put back."""
    weight_g = back.weight_g or 0.0
    was_g = back.was.weight_g if back.was is not None and back.was.weight_g is not None else weight_g
    variance_g2 = priors.MODEL_VARIANCE_G2 + back.sigma_g**2
    placed = priors.log_timing(-late_s) + priors.log_normal_density(weight_g - mean_g, variance_g2 + sd_g**2)
    put_back = priors.log_returned(back.away_ns / 1e9) + priors.log_normal_density(weight_g - was_g, 2.0 * variance_g2)
    return placed - put_back > priors.REVISED


def _replace(desk: Desk, line: Line, other: Line, group: PlacedGroup, proof: Proof) -> None:
    ids, weight_g, sigma_g, units = group.step_ids, group.weight_g, group.sigma_g, group.units
    desk.emit(
        StepExplained(
            step_ids=ids,
            won=f"revised: put in {line.name}, not put back {other.name}",
            margin=0.0,
            considered=(Hypothesis(f"put in: {line.name}", 0.0), Hypothesis(f"put back: {other.name}", 0.0)),
        )
    )
    desk.emit(
        ItemRemoved(
            line_id=other.line_id, sku=other.sku, units=units, weight_g=weight_g, reason="revised", step_ids=ids
        )
    )
    confirm(desk, line.line_id, 1, weight_g, proof, ids, sigma_g)


def _scanned_again(desk: Desk, line: Line) -> bool:
    """The thing was put back and then scanned, though nobody had to: no further unit."""
    if line.pending_units != 1:
        return False
    since_ns = line.pending[0].since_ns
    if any(g.returned and 0 <= since_ns - g.rested_ns <= INSTEAD_NS for g in line.placed):
        desk.emit(ItemRemoved(line_id=line.line_id, sku=line.sku, units=1, weight_g=None, reason="not_placed"))
        return True
    return False
