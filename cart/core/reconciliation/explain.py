"""The search: which set of moves explains which open steps best, and whether that is good enough to act on.

Every subset of up to `GROUP_MAX` open steps is weighed against every set of moves whose weight lies near its sum. An
explanation's score is its log prior plus the log density of the residual. Leaving a step open has a score too (an
unknown thing, the wrong thing, one unit too many), and what an explanation gains over leaving its steps open decides.

Goods sold by weight cost what the scale gives them, so a step that they may have shared is settled only where that is
unlikely; otherwise the shopper is asked to put them in alone.

Bound: at most 25 subsets; per subset 320 placements and 4 entries an inside group, for 5 of them 2 × 200 pairs and 64
placements beside each of 8 things of unknown weight, all found by bisection. Of each subset the 12 likeliest are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from msgspec.structs import replace

from cart.core.reconciliation import priors
from cart.core.reconciliation.explanation import SWAPPED, WEIGHT_DIFFERS, Decision, Explanation
from cart.core.reconciliation.lifted import lifted_and_back, lifted_meanwhile
from cart.core.reconciliation.moves import Move, MoveSet
from cart.core.reconciliation.search import (
    Group,
    Search,
    grouped,
    look_for,
)
from cart.core.reconciliation.shared import not_alone, shared
from cart.core.reconciliation.together import best_together
from cart.core.reconciliation.window import TOUCHED_LATE_NS, Step, Waiting, Window, as_of, passed_over


def explain(window: Window) -> Decision:
    """Decide about the window's open steps. Pure; bounded as the module says."""
    steps = window.steps[-priors.STEPS_MAX :]
    searches = _searches(window, steps)
    asked: dict[int, Explanation] = {}
    open_all: dict[int, list[Explanation]] = {}
    open_scores: dict[int, float] = {}
    for step in steps:
        ranked = sorted((heard(e, step) for e in _left_open(searches[step.step_id], step)), key=lambda e: -e.score)
        open_all[step.step_id], open_scores[step.step_id] = ranked, ranked[0].score
        asked[step.step_id] = ranked[0]
    asking = dict(open_scores)
    candidates: list[tuple[float, Explanation]] = []
    rivals: dict[int, tuple[Explanation, ...]] = {}
    by_steps: dict[tuple[int, ...], list[Explanation]] = {}
    known_alone: set[int] = set()
    """Steps that something of known weight explains: no part of a thing of unknown weight that came in pieces."""
    for size in range(1, min(priors.GROUP_MAX, len(steps)) + 1):
        for members in combinations(steps, size):
            ids = tuple(s.step_id for s in members)
            found = _found(searches, members, open_scores, ranged=known_alone.isdisjoint(ids))
            open_score = sum(open_scores[i] for i in ids)
            if size == 1 and any(not e.takes and e.ranged is None and e.score - open_score > 0.0 for e in found):
                known_alone.add(members[0].step_id)
            candidates += [(e.score - open_score, e) for e in found[:8]]
            by_steps[ids] = found
            if size == 1:
                rivals[members[0].step_id] = tuple(found)
                swaps = [e for e in found if e.takes and any(m.kind == "place" for m in e.moves)]
                if swaps and log_sum([e.score for e in swaps]) - open_score > priors.SWAP_ASKED:
                    asked[members[0].step_id] = _which_swapped(swaps[0], members[0])
                    asking[members[0].step_id] = swaps[0].score
    candidates.sort(key=lambda c: -c[0])
    whole = None
    if len(steps) > 1:
        asking = {step_id: max(score, _taken(rivals[step_id])) for step_id, score in asking.items()}
        whole = best_together(window, steps, by_steps, asking)
    best, margin = _choose(candidates, window, asked, whole)
    considered = [e for _, e in candidates[:4]]
    for step in steps[-2:]:
        considered += open_all[step.step_id][:2]
    if best is None:
        margin = _open_margin(candidates, asked)
        for step in steps:
            known = open_all[step.step_id]
            if asked[step.step_id] is known[0] and step.delta_g > 0.0:
                asked[step.step_id] = _most_telling(
                    searches[step.step_id], step, known, window.now_ns, _asked_elsewhere(asked, step)
                )
    return Decision(best, margin, tuple(considered[:6]), asked, rivals)


def _found(
    searches: dict[int, Search], steps: tuple[Step, ...], open_scores: dict[int, float], *, ranged: bool
) -> list[Explanation]:
    """What explains some steps completely, the likeliest first."""
    group = grouped(steps)
    if _may_be_one(steps):
        look_for(searches[steps[0].step_id], group, ranged=ranged)
    if len(steps) == 2:
        lifted_meanwhile(searches[steps[1].step_id], group, open_scores[steps[0].step_id])
        lifted_and_back(searches[steps[0].step_id], group, _left_open)
    return group.ranked()


def _may_be_one(steps: tuple[Step, ...]) -> bool:
    """Whether steps may be one movement: who sets a thing down in two goes moves nothing else between, and what takes
    back a part of the step before goes on with no other.
    """
    ids = {step.step_id for step in steps}
    if all(step.delta_g > 0.0 for step in steps) and len(ids) <= steps[-1].step_id - steps[0].step_id:
        return False
    return len(steps) == 1 or all(step.step_id - 1 in ids for step in steps[1:] if step.hasty)


def _searches(window: Window, steps: Sequence[Step]) -> dict[int, Search]:
    """Step id → what may have been done by then. Steps between the same scans share what there is to find."""
    found: dict[int, Search] = {}
    last: Search | None = None
    for step in reversed(steps):
        seen = as_of(window, step)
        last = Search(seen, like=last)
        found[step.step_id] = last
    return found


def _taken(found: tuple[Explanation, ...]) -> float:
    """Log score of a step being a removal, whichever it was: to be asked about, and for all that no riddle."""
    takes = [e.score for e in found if e.takes and all(m.kind == "take" for m in e.moves)]
    return log_sum(takes) + priors.WHICH_TAKEN if takes else -math.inf


def log_sum(scores: list[float]) -> float:
    """Natural log of the sum of what these are logs of: several that would be asked by one question count together."""
    most = max(scores)
    return most + math.log(sum(math.exp(score - most) for score in scores))


def _which_swapped(swapped: Explanation, step: Step) -> Explanation:
    """A swap may explain the step, among others: what was taken out is the question that tells."""
    text = "something was swapped for what was scanned"
    placed = next(m.key for m in swapped.moves if m.kind == "place")
    return Explanation(
        (step.step_id,), text, swapped.score, open_kind="which_removed", open_g=step.delta_g, line_id=placed,
        reason=SWAPPED,
    )  # fmt: skip


def _choose(
    candidates: list[tuple[float, Explanation]],
    window: Window,
    asked: dict[int, Explanation],
    whole: tuple[Explanation, ...] | None,
) -> tuple[Explanation | None, float]:
    """The first good enough explanation that is part of the best whole (None: there is one step only), and its margin;
    an ambiguous removal stops the search for its steps, and so does a thing of unknown weight that may not have gone in
    alone: then `asked` says so.
    """
    doubtful: set[int] = set()
    too_close: list[Explanation] = []
    for gain, explanation in candidates:
        if gain < window.gain_min:
            break
        if explanation.z > priors.Z_RETURNED and any(m.kind in ("return", "take", "lift") for m in explanation.moves):
            continue
        of_best = whole is None or any(e is explanation or _told_by_it(explanation, e) for e in whole)
        clear = doubtful.isdisjoint(explanation.step_ids) or any(_told_by_it(explanation, e) for e in too_close)
        if not clear or not of_best:
            continue
        rivals = [
            g
            for g, e in candidates
            if e.effect != explanation.effect
            and set(e.step_ids) & set(explanation.step_ids)
            and not _told_by_it(explanation, e)
        ]
        rival = max(rivals, default=-math.inf)
        margin = min(gain - rival, gain)
        needs = explanation.needs(window.gain_min)
        swapped = _swapped_elsewhere(explanation, candidates, window)
        if gain < needs or (explanation.takes and gain - rival < window.margin) or gain - swapped < window.margin:
            doubtful.update(explanation.step_ids)
            too_close.append(explanation)
            if explanation.ranged is not None and len(explanation.step_ids) == 1:
                asked[explanation.step_ids[-1]] = not_alone(explanation, window)
            continue
        ranged = explanation.ranged
        margin_shared = window.margin + priors.MARGIN_PRICED * (ranged is not None and ranged.priced)
        close = [e for g, e in candidates if abs(gain - g) < margin_shared and e is not explanation]
        if shared(explanation, close, window):
            doubtful.update(explanation.step_ids)
            alone = not_alone(explanation, window)
            asked[alone.step_ids[-1]] = alone
            continue
        return explanation, margin if math.isfinite(margin) else gain
    return None, 0.0


def _told_by_it(left: Explanation, other: Explanation) -> bool:
    """Whether another explanation says as well what one that leaves something to ask about does: that a thing was
    lifted out with these steps, and is back.
    """
    return left.open_kind is not None and left.lifts and other.lifts and set(left.step_ids) == set(other.step_ids)


def _swapped_elsewhere(explanation: Explanation, candidates: list[tuple[float, Explanation]], window: Window) -> float:
    """The most that is gained by a story of another step in which the same unit went in as something was taken out."""
    units = {w.line_id: w.units for w in window.waiting}
    own = {m.key for m in explanation.moves if m.kind == "place" and m.units == units.get(m.key)}
    return max(
        (
            gain
            for gain, e in candidates
            if e.takes
            and set(explanation.step_ids).isdisjoint(e.step_ids)
            and any(m.kind == "place" and m.key in own for m in e.moves)
        ),
        default=-math.inf,
    )


def _open_margin(candidates: list[tuple[float, Explanation]], asked: dict[int, Explanation]) -> float:
    if not candidates or not asked:
        return 0.0
    return max(0.0, -candidates[0][0])


def log_wrong(step: Step, waiting: Waiting) -> float:
    """Log density per gram of a step that doesn't weigh like what was scanned for it: what the camera saw speaks for
    that thing all the same, and the shopper's answer against another.
    """
    seen, denied = step.seen.get(waiting.sku, 0.0), priors.DENIED * ("unscanned_item" in step.denied)
    weight_g = max(3.0, abs(step.delta_g))
    return priors.log_wrong_density(weight_g, waiting.mean_g, waiting.units, same=seen, other=denied)


def heard(explanation: Explanation, step: Step) -> Explanation:
    """An explanation that leaves a step open, as likely as the shopper's answer lets it be."""
    if explanation.open_kind not in step.denied:
        return explanation
    return replace(explanation, score=explanation.score + priors.DENIED)


def _left_open(search: Search, step: Step) -> Iterator[Explanation]:
    """What the step may be if nothing explains it: to be asked about, never settled."""
    window = search.window
    ids = (step.step_id,)
    weight_g = max(3.0, abs(step.delta_g))
    unknown = -math.log(weight_g * priors.UNKNOWN_LOG_SPAN)
    if step.delta_g < 0.0:
        score = priors.UNKNOWN_OUT - math.log(max(abs(step.delta_g), abs(window.gross_g), 10.0))
        yield Explanation(ids, "something was taken out", score, open_kind="which_removed", open_g=step.delta_g)
        yield from _shown(window, step)
        return
    yield Explanation(
        ids,
        "something unscanned was put in",
        priors.UNKNOWN_IN + unknown + passed_over(window, step),
        open_kind="unscanned_item",
        open_g=step.delta_g,
    )
    for waiting in window.waiting[: priors.PENDING_LINES_MAX]:
        if waiting.step_id not in (None, step.step_id):
            continue
        late_s = (step.began_ns - max(waiting.since_ns, waiting.awaited_ns)) / 1e9
        score = priors.WRONG_WEIGHT + waiting.rank * priors.PLACE_RANK + log_wrong(step, waiting)
        if not -priors.SCANNED_AFTER_S <= late_s <= priors.WRONG_WEIGHT_WITHIN_S:
            score += 2.0 * priors.PLACE_OTHER_TOO
        reason = "below_minimum" if waiting.mean_g is None and step.delta_g < waiting.low_g else WEIGHT_DIFFERS
        label = f"something else than the scanned {waiting.name} was put in"
        yield Explanation(
            ids, label, score, open_kind="wrong_weight", open_g=step.delta_g, line_id=waiting.line_id, reason=reason
        )
    yield from extra_units(search, grouped((step,)))


def _asked_elsewhere(asked: dict[int, Explanation], step: Step) -> set[int]:
    """Lines that are asked about, or believed to have gone in, with an earlier step."""
    earlier = [e for i, e in asked.items() if i < step.step_id and e.reason == WEIGHT_DIFFERS]
    return {e.line_id or 0 for e in earlier} | {m.key for e in earlier for m in e.moves}


def _most_telling(
    search: Search, step: Step, known: list[Explanation], now_ns: int, elsewhere: set[int]
) -> Explanation:
    """What to ask about a step: the likeliest, better so that nothing that was in the hand with it is left out."""
    fresh = [
        w
        for w in search.window.waiting
        if -TOUCHED_LATE_NS / 1e9 <= _late_s(w, step) <= priors.FRESH_S
        and not (w.units == 1 and w.mean_g is not None and w.line_id in elsewhere)
    ]
    found = [*known, *(_wrong_beside(search, step, fresh) if len(fresh) > 1 else ())]
    best: Explanation = max(found, key=lambda e: e.score + _accounted(fresh, e, now_ns))
    return best


def _late_s(waiting: Waiting, step: Step) -> float:
    return (step.began_ns - max(waiting.since_ns, waiting.awaited_ns)) / 1e9


def _wrong_beside(search: Search, step: Step, fresh: list[Waiting]) -> Iterator[Explanation]:
    """Of several things scanned just before that went in at once one weighs other than the catalogue says."""
    window = search.window
    for waiting in fresh:
        if waiting.mean_g is None or waiting.by_weight or waiting.step_id not in (None, step.step_id):
            continue
        prior = priors.WRONG_WEIGHT + waiting.rank * priors.PLACE_RANK + priors.PLACE_OTHER_TOO
        found: tuple[float, MoveSet, float] | None = None
        for known in search.beside[: priors.BESIDE_WRONG_MAX]:
            rest_g = step.delta_g - known.mean_g
            if rest_g < max(3.0, window.light_g) or any(m.key == waiting.line_id for m in known.moves):
                continue
            score = prior + known.log_prior + priors.log_wrong_density(rest_g, waiting.mean_g, waiting.units)
            if found is None or score > found[0]:
                found = (score, known, rest_g)
        if found is not None:
            score, known, rest_g = found
            label = f"{known.label} and something else than the scanned {waiting.name}"
            yield Explanation(
                (step.step_id,), label, score, known.moves, variance_g2=step.variance_g2 + known.variance_g2,
                open_kind="wrong_weight", open_g=rest_g, line_id=waiting.line_id, reason=WEIGHT_DIFFERS,
            )  # fmt: skip


def _accounted(fresh: list[Waiting], explanation: Explanation, now_ns: int) -> float:
    """How much better (natural log) it is to ask so, for what was scanned just before: it went in as well, the more
    surely the longer nothing else shows of it.
    """
    lines = {m.key for m in explanation.moves} | {explanation.line_id}
    waited = ((now_ns - max(w.since_ns, w.awaited_ns)) / 1e9 for w in fresh if w.line_id in lines)
    return -sum(map(priors.log_left, waited))


def _shown(window: Window, step: Step) -> Iterator[Explanation]:
    """What is plainly asked for, taken out from among what it had gone in with: it comes back, and that tells."""
    for loose in window.waiting:
        if loose.by_weight and loose.asked_alone_ns is not None and loose.asked_alone_ns <= step.began_ns:
            fit = priors.log_picked_density(-step.delta_g, priors.PICKED_TYPICAL_G, loose.low_g, loose.high_g)
            text = f"{loose.name} was taken out to be put in alone, as asked"
            yield Explanation(
                (step.step_id,), text, priors.TAKEN_AS_ASKED + fit, open_kind="which_removed", open_g=step.delta_g
            )
    for waiting in window.waiting:
        if not waiting.asked or waiting.by_weight:
            continue
        fit = -math.inf
        if waiting.mean_g is None or waiting.tentative:
            fit = priors.log_unknown_density(-step.delta_g, waiting.low_g, waiting.high_g)
        if waiting.mean_g is not None:
            off_g, variance_g2 = -step.delta_g - waiting.mean_g, step.variance_g2 + waiting.sd_g**2
            fit = max(fit, priors.log_normal_density(off_g, variance_g2))
        text = f"the scanned {waiting.name} was taken out from among other things"
        yield Explanation((step.step_id,), text, priors.SHOWN + fit, open_kind="which_removed", open_g=step.delta_g)


def extra_units(search: Search, group: Group) -> Iterator[Explanation]:
    """More units than scans: with units that were scanned, or after them."""
    window, target_g, variance_g2 = search.window, group.target_g, group.variance_g2
    pending = {w.line_id for w in window.waiting}
    for rank, (line_id, (mean_g, sd_g)) in enumerate(window.unit_means_g.items()):
        if window.scanned_ns.get(line_id, 0) > group.steps[-1].rest_ns + TOUCHED_LATE_NS:
            continue  # nobody puts in one too many of what has not been scanned yet
        sku, name = window.names[line_id]
        over = passed_over(window, group.steps[0], line_id)
        for extra in (1, 2):
            extra_g, extra_variance = extra * mean_g, extra * sd_g * sd_g
            if extra_g <= 0.0:
                continue
            move = Move("place", line_id, sku, name, extra, extra_g, extra_variance)
            more = MoveSet((move,), extra_g, extra_variance, 0.0)
            for placed in search.near_in(target_g - extra_g, variance_g2 + extra_variance):
                with_it = any(m.key == line_id for m in placed.moves)
                # Units that were scanned go in first: one too many comes with them, or after them.
                if any(m.kind != "place" for m in placed.moves) or with_it != (line_id in pending):
                    continue
                prior = placed.log_prior + extra * priors.EXTRA_UNIT + rank * priors.PLACE_RANK + over
                found = group.fitted(placed, more, prior)
                if found is None:
                    continue
                open_g = target_g - placed.mean_g - found.residual_g * _share(placed, more)
                label = (f"{placed.label} and " if placed.moves else "") + f"{extra} × {name} too many"
                yield Explanation(
                    group.ids, label, found.score, placed.moves, found.z,
                    target_g - open_g - placed.mean_g, found.variance_g2,
                    open_kind="extra_unit", open_g=open_g, line_id=line_id,
                )  # fmt: skip


def _share(placed: MoveSet, more: MoveSet) -> float:
    """The part of a residual that belongs to the placed ones."""
    both = placed.variance_g2 + more.variance_g2
    return placed.variance_g2 / both if placed.moves and both > 0.0 else 0.0
