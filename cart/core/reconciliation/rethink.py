"""Second thoughts: steps that were explained one by one, explained anew together.

What a step was taken for may turn out otherwise by what is scanned or put in later: two things exchanged, one lost in
the spread of another, a put-back that was something new. Where something would have to be asked, the last few steps,
settled or open, and everything that was scanned for them are looked at as a whole: each step gets its likely
explanations as if all units were at hand, and a beam over the steps in their order finds the sets of explanations that
use no unit twice. A step left open and a scanned unit that never went in have their odds too.

Bound: `STEPS` steps, each with at most `CHOICES` explanations of it alone, as many of it with the one after, and as
many of something lifted out with it and back with that; `BEAM` sets are kept.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from msgspec.structs import replace

from cart.core.reconciliation import priors
from cart.core.reconciliation.explain import extra_units, heard, log_wrong
from cart.core.reconciliation.explanation import NOT_ALONE, Explanation
from cart.core.reconciliation.lifted import lifted_and_back
from cart.core.reconciliation.moves import Move
from cart.core.reconciliation.search import Group, Search, grouped, look_for
from cart.core.reconciliation.window import Step, Waiting, Window

STEPS = 6
"""Steps looked at together: three things in hand, each put in, taken out and put in again."""
CHOICES = 6
BEAM = 32
_SEEN_SIGMAS = 3.0
_SAME_PRICE_G = 4.0
"""Weights of one priced thing that differ by less cost the same, within the scale's permissible error."""
_AT_ONCE_NS = 1_500_000_000
"""A hand that lets go and swings back is seen as two steps; nobody takes a thing out again that soon."""
_APART_NS = 15_000_000_000
"""Two movements of one thing follow each other within this time."""

Used = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What some steps were taken for: what went in with them."""

    step_ids: tuple[int, ...]
    used: Used
    """Kind of move, its key, and units, in order."""


@dataclass(frozen=True, slots=True)
class Again:
    """The better explanations, one for each step or two, and by how much they beat those believed so far."""

    explanations: tuple[Explanation, ...]
    gain: float
    rival: Explanation | None
    margin: float


@dataclass(frozen=True, slots=True)
class _Whole:
    score: float
    explanations: tuple[Explanation, ...]
    used: dict[tuple[str, int], int]
    steps: frozenset[int]


def rethink(window: Window, scans_ns: dict[int, tuple[int, ...]], settled: tuple[Settled, ...]) -> Again | None:
    """The best explanations of all the window's steps together; None where those so far are as good as any.

    The window's `waiting` holds every unit that was scanned for these steps, `settled` what was believed of which of
    them; the others are open. `scans_ns`: line id → times of its scans.
    """
    steps = window.steps[-STEPS:]
    known = {i: own.used for own in settled for i in own.step_ids}
    choices = {step.step_id: _choices(window, scans_ns, steps, index, known) for index, step in enumerate(steps)}
    units = {("place", w.line_id): w.units for w in window.waiting}
    believed = _believed(steps, choices, settled, units)
    if believed is None:
        return None
    wholes = [_Whole(0.0, (), {}, frozenset())]
    for step in steps:
        wholes = _extended(wholes, step, choices[step.step_id], units)
    ranked = sorted((_with_left_out(w, window) for w in wholes if not _lost(w, window)), key=lambda w: -w.score)
    before = _with_left_out(believed, window)
    best = ranked[0] if ranked else before
    less = _trouble(best, window) < _trouble(before, window)
    newly = {key for key, _ in _priced(best)} - {key for key, _ in _priced(before)}
    needed = priors.REVISED_MARGIN + priors.PRICED * (bool(newly) and less)
    near = [w for w in ranked if best.score - w.score < needed and _bill(w) != _bill(best)]
    if near:
        best = _with_left_out(_agreed(best, near, believed, choices, units), window)
    if _trouble(best, window) > _trouble(before, window) or _bill(best) == _bill(before):
        return None
    repriced = _priced(best) != _priced(before) and _trouble(best, window) == _trouble(before, window)
    gain = best.score - before.score
    if gain < (priors.REPRICED if repriced else priors.REVISED):
        return None
    return Again(best.explanations, gain, None, needed if near else _margin(ranked, best, gain))


def _margin(ranked: list[_Whole], best: _Whole, gain: float) -> float:
    """By how much the best whole beats every other bill."""
    bill = _bill(best)
    return best.score - max((w.score for w in ranked if _bill(w) != bill), default=best.score - gain)


def _agreed(
    best: _Whole,
    near: list[_Whole],
    believed: _Whole,
    choices: dict[int, list[Explanation]],
    units: dict[tuple[str, int], int],
) -> _Whole:
    """The best whole without what it would revise and others nearly as likely see otherwise: that stays open."""
    sure = {_told(e) for e in best.explanations}.intersection(*({_told(e) for e in w.explanations} for w in near))
    sure |= {_told(e) for e in believed.explanations}
    whole = _Whole(0.0, (), {}, frozenset())
    for explanation in best.explanations:
        if explanation.open_kind is not None or _told(explanation) in sure:
            whole = _joined(whole, explanation)
    for step_id in sorted(best.steps - whole.steps):
        opened = [e for e in choices[step_id] if e.open_kind is not None and _at_hand(whole, e, units)]
        whole = _joined(whole, max(opened, key=lambda e: e.score))
    return whole


def _told(explanation: Explanation) -> tuple[tuple[int, ...], str, Used]:
    """What an explanation says, whatever its score."""
    return explanation.step_ids, explanation.open_kind or "", used_by(explanation)


def _lost(whole: _Whole, window: Window) -> bool:
    """Whether what is plainly asked for would be found, lost in another thing's spread: no weight tells that it is in,
    and the shopper is about to.
    """
    asked = {w.line_id: w.units for w in window.waiting if w.asked and not w.told_in}
    return any(
        move.key in asked
        and whole.used["place", move.key] == asked[move.key]
        and explanation.open_kind is None
        and len(explanation.moves) > 1
        and move.mean_g < _SEEN_SIGMAS * math.sqrt(max(0.0, explanation.variance_g2 - move.variance_g2))
        for explanation in (whole.explanations if asked else ())
        for move in explanation.moves
        if move.kind == "place"
    )


def _choices(
    window: Window, scans_ns: dict[int, tuple[int, ...]], steps: tuple[Step, ...], index: int, known: dict[int, Used]
) -> list[Explanation]:
    """What a step may be, alone or with the one after it; always one that leaves it open."""
    step = steps[index]
    # What was scanned nearest to the step comes first: of many lines only so many are combined.
    timed = (_timed(w, step, scans_ns.get(w.line_id, (w.since_ns,)), _before(step, known)) for w in window.waiting)
    waiting = tuple(sorted(timed, key=lambda w: -(w.log_prior or 0.0)))
    gone = tuple(g for g in window.gone if g.at_ns <= step.began_ns)
    search = Search(replace(window, waiting=waiting, gone=gone, now_ns=step.rest_ns))
    found: list[Explanation] = []
    alone = grouped((step,))
    look_for(search, alone, ranged=True)
    ranked = alone.ranked()
    found += [e for e in ranked if _settles(e)][:CHOICES]
    found += [_unpriced(e) for e in ranked if _shares_price(e) and not e.takes][:CHOICES]
    after = steps[index + 1] if index + 1 < len(steps) else None
    if after is not None and after.began_ns - step.rest_ns < _APART_NS and _one_movement(step, after, known):
        both = grouped((step, after))
        look_for(search, both, ranged=after.delta_g < 0.0)
        used = known.get(step.step_id, ()) if after.delta_g < 0.0 else ()
        found += [e for e in both.ranked() if _settles(e) and not _fewer(e, used, hasty=after.hasty)][:CHOICES]
    if after is not None:
        found += _lifted(search, grouped((step, after)), waiting)[:CHOICES]
    extra = sorted(extra_units(search, alone), key=lambda e: -e.score)[:CHOICES] if step.delta_g > 0.0 else []
    settles = index > 0 and abs(step.delta_g) < priors.SETTLING_FRACTION * steps[index - 1].delta_g
    opened = [*extra, *_left_open(step, waiting, hasty=step.hasty and not settles)]
    return [*found, *(heard(e, step) for e in opened)]


def _lifted(search: Search, both: Group, waiting: tuple[Waiting, ...]) -> list[Explanation]:
    """Something went in with the first of two steps as another thing was lifted out, that is back with the second."""
    lifted_and_back(search, both, lambda _, step: iter(_left_open(step, waiting, hasty=False)))
    return both.ranked()


def _settles(explanation: Explanation) -> bool:
    """What may be settled in hindsight. Nothing takes its price from a step that it shared."""
    return not explanation.takes and explanation.open_kind is None and not _shares_price(explanation)


def _shares_price(explanation: Explanation) -> bool:
    return len(explanation.moves) > 1 and any(m.priced for m in explanation.moves)


def _unpriced(explanation: Explanation) -> Explanation:
    """The same, left open: it accounts for all that is in it, but what each weighs has to be shown."""
    ranged = explanation.ranged
    return replace(explanation, open_kind="wrong_weight", line_id=ranged.key if ranged else None, reason=NOT_ALONE)


def _fewer(explanation: Explanation, used: Used, *, hasty: bool) -> bool:
    """Whether it is what was settled without some of the units: those came out then, and which did is a removal's
    question, with all that lies in the basket to choose from. But of several units of one product the hand may have
    pressed a single one with another's weight.
    """
    units = {(kind, key): count for kind, key, count in used}
    left = {(m.kind, m.key): m.units for m in explanation.moves}
    if hasty and left.keys() == units.keys():
        return False
    return bool(units) and left != units and all(count <= units.get(key, -1) for key, count in left.items())


def _one_movement(step: Step, after: Step, known: dict[int, Used]) -> bool:
    """Whether two steps may be of one thing. What was settled and taken out later is a removal, not a doubt; who sets
    a thing down in two goes moves nothing else between, and what goes on with the step before goes on with no other.
    """
    if after.step_id != step.step_id + 1 and (after.hasty or (step.delta_g > 0.0 and after.delta_g > 0.0)):
        return False
    at_once = after.hasty or after.began_ns - step.rest_ns < _AT_ONCE_NS
    return at_once or after.delta_g > 0.0 or (step.step_id in known) == (after.step_id in known)


def _before(step: Step, known: dict[int, Used]) -> Counter[int]:
    """Line id → its units that earlier steps were taken for."""
    others = (used for step_id, used in known.items() if step_id < step.step_id)
    found: Counter[int] = Counter()
    for used in others:
        found.update({key: units for kind, key, units in used if kind == "place"})
    return found


def _timed(waiting: Waiting, step: Step, scans_ns: tuple[int, ...], before: Counter[int]) -> Waiting:
    odds = max(
        priors.SCANNED_AS_ASKED
        if waiting.mean_g is not None and step.heeded_by(at_ns)
        else priors.log_timing((step.began_ns - at_ns) / 1e9)
        for at_ns in scans_ns
    )
    odds += priors.PLACE_DOUBLED if waiting.doubled and waiting.units == 1 else 0.0
    if waiting.passed_ns is not None and waiting.passed_ns < step.began_ns:
        odds += priors.PLACE_PASSED
    elif waiting.mean_g is None and not waiting.by_weight and step.began_ns - max(scans_ns) > priors.STALE_S * 1e9:
        odds += priors.PLACE_STALE  # what may weigh anything fits every step
    if waiting.out_ns > step.rest_ns:
        odds += priors.PLACE_OUT_SINCE if waiting.units == 1 else 0.0
        waiting = replace(waiting, units=max(1, waiting.units - 1))
    if before[waiting.line_id] >= waiting.units:
        waiting = replace(waiting, awaited_ns=step.rest_ns + 1)  # no step passes over what went in before it
    return replace(waiting, log_prior=odds, since_ns=min(scans_ns), asked_alone_ns=None, step_id=None)


def _left_open(step: Step, waiting: tuple[Waiting, ...], *, hasty: bool) -> list[Explanation]:
    """Nothing scanned explains the step: something unscanned, or something else than what was scanned."""
    ids, weight_g = (step.step_id,), max(3.0, abs(step.delta_g))
    unknown = -math.log(weight_g * priors.UNKNOWN_LOG_SPAN)
    if step.delta_g < 0.0:
        taken = priors.UNKNOWN_OUT + unknown + priors.TAKE_HASTY * hasty
        return [Explanation(ids, "something was taken out", taken, open_kind="which_removed")]
    found = [Explanation(ids, "something unscanned", priors.UNKNOWN_IN + unknown, open_kind="unscanned_item")]
    for line, units in ((one, units) for one in waiting for units in {1, one.units if one.mean_g else 1}):
        together = replace(line, units=1, mean_g=units * line.mean_g if line.mean_g else None)
        score = priors.WRONG_WEIGHT + log_wrong(step, together) + (line.log_prior or 0.0)
        score += (units - 1) * priors.PLACE_SAME_TOO
        moves = (Move("place", line.line_id, line.sku, line.name, units, 0.0, 0.0),)
        text = f"something else than the scanned {line.name}"
        found.append(Explanation(ids, text, score, moves, open_kind="wrong_weight", line_id=line.line_id))
    return found


def used_by(explanation: Explanation) -> Used:
    """Kind, key and units of each move, in order."""
    return tuple(sorted((m.kind, m.key, m.units) for m in explanation.moves))


def _believed(
    steps: tuple[Step, ...],
    choices: dict[int, list[Explanation]],
    settled: tuple[Settled, ...],
    units: dict[tuple[str, int], int],
) -> _Whole | None:
    """What was believed so far, as one of the wholes; None where its explanation isn't among the likely ones."""
    whole = _Whole(0.0, (), {}, frozenset())
    for own in settled:
        of_first = choices[min(own.step_ids)]
        explanation = next((e for e in of_first if e.open_kind is None and _same(e, own)), None)
        if explanation is None:
            return None
        whole = _joined(whole, explanation)
    for step in steps:
        if step.step_id not in whole.steps:
            opened = [e for e in choices[step.step_id] if e.open_kind is not None and _at_hand(whole, e, units)]
            whole = _joined(whole, max(opened, key=lambda e: e.score))
    return whole


def _at_hand(whole: _Whole, explanation: Explanation, units: dict[tuple[str, int], int]) -> bool:
    """Whether no unit is used twice."""
    return all(whole.used.get((m.kind, m.key), 0) + m.units <= units.get((m.kind, m.key), 1) for m in explanation.moves)


def _same(explanation: Explanation, own: Settled) -> bool:
    return set(explanation.step_ids) == set(own.step_ids) and used_by(explanation) == own.used


def _joined(whole: _Whole, explanation: Explanation) -> _Whole:
    used = dict(whole.used)
    for move in explanation.moves:
        used[move.kind, move.key] = used.get((move.kind, move.key), 0) + move.units
    explanations = (*whole.explanations, explanation)
    return _Whole(whole.score + explanation.score, explanations, used, whole.steps.union(explanation.step_ids))


def _extended(
    wholes: list[_Whole], step: Step, choices: list[Explanation], units: dict[tuple[str, int], int]
) -> list[_Whole]:
    """Each whole with each choice that uses no unit twice; the likeliest of them."""
    longer = [
        (whole.score + explanation.score, whole, explanation)
        for whole in wholes
        if step.step_id not in whole.steps
        for explanation in choices
        if all(whole.used.get((m.kind, m.key), 0) + m.units <= units.get((m.kind, m.key), 1) for m in explanation.moves)
    ]
    longer.sort(key=lambda found: -found[0])
    kept = [_joined(whole, explanation) for _, whole, explanation in longer[:BEAM]]
    kept += [whole for whole in wholes if step.step_id in whole.steps]
    kept.sort(key=lambda w: -w.score)
    return kept[:BEAM]


def _with_left_out(whole: _Whole, window: Window) -> _Whole:
    """The same with the odds of what was scanned and never went in."""
    score = whole.score
    for waiting in window.waiting:
        left = waiting.units - whole.used.get(("place", waiting.line_id), 0)
        if left > 0:
            since_ns = max(waiting.since_ns, waiting.awaited_ns)
            odds = priors.log_left((window.now_ns - since_ns) / 1e9) + priors.DENIED * waiting.told_in
            score += odds * ((priors.DOUBLED_LEFT if waiting.doubled else 1.0) + priors.LEFT_MORE * (left - 1))
        elif waiting.doubled and waiting.units > 1:
            score += priors.PLACE_DOUBLED  # one of them was perhaps never meant
    return _Whole(score, whole.explanations, whole.used, whole.steps)


def _trouble(whole: _Whole, window: Window) -> int:
    """How much would have to be asked."""
    opened = sum(e.open_kind is not None for e in whole.explanations)
    left = sum(w.units > whole.used.get(("place", w.line_id), 0) for w in window.waiting)
    return 2 * opened + left


def _priced(whole: _Whole) -> frozenset[tuple[object, ...]]:
    """What takes its price from which steps."""
    return frozenset(
        (move.key, explanation.step_ids)
        for explanation in whole.explanations
        for move in explanation.moves
        if move.priced and explanation.open_kind is None
    )


def _bill(whole: _Whole) -> frozenset[tuple[object, ...]]:
    """What is charged: units by line, weights of what is priced by them, and what stays open."""
    bill: Counter[tuple[object, ...]] = Counter()
    for explanation in whole.explanations:
        if explanation.open_kind is not None:
            bill["open", explanation.step_ids] += 1
            continue
        for move in explanation.moves:
            priced_g = round((explanation.residual_g + move.mean_g) / _SAME_PRICE_G) if move.priced else 0
            bill[move.kind, move.key, priced_g] += move.units
    return frozenset((*key, count) for key, count in bill.items())
