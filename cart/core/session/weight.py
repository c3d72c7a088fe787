"""From settled weight steps to confirmed lines: asks `reconciliation` what happened and writes what follows from it."""

from __future__ import annotations

import math

from cart.core.interventions import Open
from cart.core.ledger import Hypothesis, StepExplained, WeightStepSeen
from cart.core.reconciliation import Decision, Explanation
from cart.core.reconciliation.explanation import NOT_ALONE, SWAPPED
from cart.core.session.alone import taken_to_go_alone
from cart.core.session.bags import bag_came_after
from cart.core.session.check import is_settled
from cart.core.session.counts import counted_anew, counted_with_open
from cart.core.session.desk import Desk
from cart.core.session.looks import candidates as seen_candidates
from cart.core.session.moves import make_moves
from cart.core.session.other_name import shown_as_another
from cart.core.session.revision import price_waits_again, second_thoughts
from cart.core.session.shown import goods_lifted_alone, lifted_to_show, shown_in_place
from cart.core.session.stickers import prefer_stickers
from cart.core.session.window import decide, hasty
from cart.core.weighing.events import WeightStep

_ROUNDS_MAX = 8
"""Decisions in a row after one observation: each explains at least one open step, and five are looked at."""
_WEAK = 4.0
_SLOPE_LEAST_G = 10.0
"""Less than two of the lightest things that the scale can see is asked of nobody who pays."""
_CANDIDATES_MAX = 6
_CANDIDATE_SCORE = 7.0
"""A line this much (natural log) less likely than the likeliest is no candidate."""


def see_step(desk: Desk, step: WeightStep) -> int:
    """Enter a settled step in the ledger; its id. What it means is decided by `reconcile`."""
    step_id = desk.state.last_step_id + 1
    desk.emit(
        WeightStepSeen(
            step_id=step_id,
            delta_g=step.delta_g,
            sigma_g=step.sigma_g,
            began_ns=step.began_ns,
            rest_ns=step.rest_ns,
            gross_g=step.gross_g,
            place=step.place,
        )
    )
    return step_id


def reconcile(desk: Desk) -> None:
    """Explain what can be explained, ask about the rest, and take back questions that have answered themselves."""
    if desk.state.phase not in ("shopping", "checkout") or desk.live.over_capacity:
        return
    _explain_open(desk)
    prefer_stickers(desk)
    if tidy(desk) and any(_unasked(desk, step_id) for step_id in desk.state.open_steps):
        _explain_open(desk)  # what was asked of one thing has to be asked of another, or of none


def _explain_open(desk: Desk) -> None:
    for _ in range(_ROUNDS_MAX):
        if not desk.state.open_steps:
            break
        if lifted_to_show(desk) or goods_lifted_alone(desk):
            continue
        decision = decide(desk)
        if decision.best is not None:
            if not (_weak(desk, decision.best, decision) and second_thoughts(desk, but_by=_gain(decision))):
                _settle(desk, decision.best, decision)
            continue
        unasked = any(_unasked(desk, step_id) for step_id in decision.asked)
        if unasked and (counted_with_open(desk) or second_thoughts(desk)):
            continue
        partial = next((e for e in decision.asked.values() if _in_part(e) and _unasked(desk, e.step_ids[-1])), None)
        if partial is not None:
            _settle(desk, partial, decision)
            _ask(desk, partial, decision)
            continue
        if any(bag_came_after(desk, e) for e in decision.asked.values() if _unasked(desk, e.step_ids[-1])):
            continue
        answered = [_scanned_since(desk, explanation) for explanation in decision.asked.values()]
        if any(answered):
            continue  # a scan is new evidence: second thoughts come before the question
        for explanation in decision.asked.values():
            if _unasked(desk, explanation.step_ids[-1]):
                _ask(desk, explanation, decision)
        break


def ask_better(desk: Desk, open_: Open) -> Open | None:
    """Before a hint is asked plainly: ask about what is likelier by now to be badly catalogued of what went in at once;
    the question.
    """
    decision = decide(desk)
    explanation = decision.asked.get(open_.event.step_ids[-1]) if open_.event.step_ids else None
    if explanation is None or explanation.open_kind != "wrong_weight" or not explanation.moves:
        return open_
    if (open_.kind, open_.event.line_id) == ("wrong_weight", explanation.line_id):
        return open_
    desk.clear(open_)
    _ask(desk, explanation, decision)
    return next((o for o in desk.state.interventions.values() if explanation.step_ids[-1] in o.event.step_ids), None)


def _in_part(explanation: Explanation) -> bool:
    """Whether it is told which scanned things went in, and only what is left is asked about. Which of several things is
    badly catalogued is not told before it is shown.
    """
    return bool(explanation.moves) and explanation.open_kind != "wrong_weight"


def _weak(desk: Desk, best: Explanation, decision: Decision) -> bool:
    """Nothing moved, they say, and it is unlikely: what was believed of the step before may be the error. Or something
    was taken out that soon after the step before.
    """
    if len(best.step_ids) > 1:
        return False
    return hasty(desk, desk.state.open_steps[best.step_ids[0]]) or (not best.moves and decision.margin < _WEAK)


def _gain(decision: Decision) -> float:
    """What an explanation with moves gains over asking: second thoughts have to gain more."""
    best = decision.best
    return best.score - decision.asked[best.step_ids[0]].score if best is not None and best.moves else 0.0


def _scanned_since(desk: Desk, explanation: Explanation) -> bool:
    """Take back the hint of something unscanned where a scan since then was meant for it, and doesn't fit."""
    for open_ in desk.open_of("unscanned_item"):
        meant = explanation.open_kind == "wrong_weight" and explanation.step_ids[-1] in open_.event.step_ids
        if open_.stage == "hint" and meant:
            desk.clear(open_)
            return True
    return False


def tidy(desk: Desk) -> bool:
    """Close questions about steps and lines that are settled now; whether there were any."""
    closed = False
    for open_ in list(desk.state.interventions.values()):
        event = open_.event
        line = desk.state.basket.lines.get(event.line_id) if event.line_id is not None else None
        about_line = event.line_id is not None and (line is None or not line.pending)
        about_steps = bool(event.step_ids) and not any(i in desk.state.open_steps for i in event.step_ids)
        match open_.kind:
            case "not_placed":
                done = about_line or is_settled(desk, open_)
                done = done or (line is not None and counted_anew(desk, line) and not line.pending)
            case "wrong_item":
                groups = line.placed if line is not None else []
                done = not any(set(event.step_ids) & set(group.step_ids) for group in groups)
            case "wrong_weight":
                done = about_line or about_steps
            case "which_removed":
                done = about_steps or (event.reason != SWAPPED and _came_in(desk, open_))
            case "unscanned_item" | "extra_unit" | "basket_changed" | "unpaid_item":
                done = about_steps
            case "age_check":
                done = not _needs_age_check(desk)
            case "sale_blocked":
                done = event.line_id is not None and line is None
            case _:
                done = False
        if done:
            desk.clear(open_)
            closed = True
    return closed


def _came_in(desk: Desk, open_: Open) -> bool:
    """Whether what was taken for a removal was something put in, as another thing was lifted out and is back."""
    steps = [desk.state.open_steps[i] for i in open_.event.step_ids if i in desk.state.open_steps]
    return bool(steps) and all(step.delta_g > 0.0 for step in steps)


def _needs_age_check(desk: Desk) -> bool:
    return required_age(desk) > desk.state.age_ok


def required_age(desk: Desk) -> int:
    """The greatest least age of what is in the basket, 0 for none."""
    items = (desk.item(line.sku) for line in desk.state.basket.lines.values())
    return max((i.age_min for i in items if i is not None), default=0)


def _unasked(desk: Desk, step_id: int) -> bool:
    return not any(step_id in o.event.step_ids for o in desk.state.interventions.values())


def _considered(decision: Decision, won: Explanation) -> tuple[Hypothesis, ...]:
    found = [won, *(e for e in decision.considered if e is not won)]
    return tuple(Hypothesis(e.label, round(e.score, 2)) for e in found[:6])


def _settle(desk: Desk, won: Explanation, decision: Decision) -> None:
    asks = won.open_kind is not None
    steps = [desk.state.open_steps[i] for i in sorted(won.step_ids) if i in desk.state.open_steps]
    desk.emit(
        StepExplained(
            step_ids=won.step_ids,
            won=won.label,
            margin=round(decision.margin, 2) if math.isfinite(decision.margin) else 99.0,
            considered=_considered(decision, won),
            open_g=won.open_g if asks else None,
            absorbed_g=won.absorbed_g,
            out_g=won.out_g,
        )
    )
    make_moves(desk, won)
    cancelled = not won.moves and not asks
    if cancelled or won.lifts:
        shown_in_place(desk, steps, meanwhile=won.lifts)
    if cancelled:
        taken_to_go_alone(desk, steps)
    shown_as_another(desk, won)
    price_waits_again(desk, won)


def level_again(desk: Desk) -> None:
    """Who pays stands level: what a slope was believed to have taken, and has not come back, is looked at anew; but not
    what the shopper has been asked about, and has not taken out.
    """
    state, step = desk.state, desk.state.slope_step
    if step is None or state.slope_g > -_SLOPE_LEAST_G or state.answers.get(step.step_id) == "none_of_these":
        return
    desk.emit(
        StepExplained(
            step_ids=(step.step_id,), won="revised: what the slope had taken has not come back", margin=0.0,
            considered=(), open_g=round(state.slope_g, 3), absorbed_g=-state.slope_g,
        )
    )  # fmt: skip
    reconcile(desk)


def settle_told(desk: Desk, told: Explanation, how: str) -> None:
    """Settle a step by what a person said of it."""
    desk.emit(StepExplained(step_ids=told.step_ids, won=f"{told.label} ({how})", margin=99.0, considered=()))
    make_moves(desk, told, told=True)


def _ask(desk: Desk, explanation: Explanation, decision: Decision) -> None:
    """Raise the question that goes with an open step."""
    kind = explanation.open_kind
    if kind is None or _another_alone(desk, explanation):
        return
    step_id = explanation.step_ids[-1]
    line = desk.state.basket.lines.get(explanation.line_id) if explanation.line_id is not None else None
    candidates: tuple[str, ...] = ()
    if kind == "which_removed":
        candidates = removal_candidates(decision.rivals.get(step_id, ()))
    elif kind == "unscanned_item":
        candidates = seen_candidates(desk, desk.state.open_steps[step_id], _CANDIDATES_MAX)
    if not _in_part(explanation):
        desk.emit(
            StepExplained(
                step_ids=explanation.step_ids,
                won=explanation.label,
                margin=round(decision.margin, 2) if math.isfinite(decision.margin) else 99.0,
                considered=_considered(decision, explanation),
                open_g=desk.state.open_steps[step_id].delta_g if explanation.moves else explanation.open_g,
            )
        )
    for open_ in desk.open_of("not_placed") if kind == "wrong_weight" else ():
        if line is not None and open_.event.line_id == line.line_id:
            desk.clear(open_)  # one cause, one question
    desk.raise_(
        kind,
        sku=line.sku if line is not None else None,
        line_id=line.line_id if line is not None else None,
        candidates=candidates,
        delta_g=round(explanation.open_g, 1),
        reason=explanation.reason,
        step_ids=(step_id,),
    )


def _another_alone(desk: Desk, explanation: Explanation) -> bool:
    """Of several loose goods one is asked to be put in alone: who obeys two such questions at once answers neither."""
    return explanation.reason == NOT_ALONE and any(
        o.event.reason == NOT_ALONE and o.event.line_id != explanation.line_id for o in desk.open_of("wrong_weight")
    )


def removal_candidates(rivals: tuple[Explanation, ...]) -> tuple[str, ...]:
    """Products of which one was taken out, likeliest first."""
    takes = [e for e in rivals if e.takes]
    if not takes:
        return ()
    best = takes[0].score
    skus = [m.sku for e in takes if e.score > best - _CANDIDATE_SCORE for m in e.moves if m.kind == "take"]
    return tuple(dict.fromkeys(skus))[:_CANDIDATES_MAX]


def settle_by(desk: Desk, open_: Open, won: str, margin: float = 99.0) -> tuple[float, tuple[int, ...]]:
    """Write that a person settled an open question's steps; their sum in grams and their ids."""
    ids = tuple(i for i in open_.event.step_ids if i in desk.state.open_steps)
    delta_g = sum(desk.state.open_steps[i].delta_g for i in ids)
    if ids:
        desk.emit(StepExplained(step_ids=ids, won=won, margin=margin, considered=()))
    return delta_g, ids
