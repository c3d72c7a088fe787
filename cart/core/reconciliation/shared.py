"""Whether a thing of unknown weight may have shared its step with others: then no weight of it can be told."""

from __future__ import annotations

from cart.core.reconciliation import priors
from cart.core.reconciliation.explanation import NOT_ALONE, Explanation
from cart.core.reconciliation.moves import Move
from cart.core.reconciliation.window import TOUCHED_LATE_NS, Window


def shared(explanation: Explanation, rivals: list[Explanation], window: Window) -> bool:
    """True where a thing of unknown weight may have gone in with others or not, or as another was lifted out, and that
    matters or may still show.
    """
    ranged = explanation.ranged
    if ranged is None or ranged.kind != "place":
        return False
    together = len(explanation.moves) > 1
    if not together and _obeys(ranged, explanation, window):
        return False
    ids, keys = set(explanation.step_ids), [m.key for m in explanation.moves]
    # Of two picks of the same goods either may have gone in, and both.
    others = [e for e in rivals if ids & set(e.step_ids)]
    others = [e for e in others if e.effect != explanation.effect or [m.key for m in e.moves] != keys]
    doubted = together or any(e.moves and all(m.kind == "place" for m in e.moves) for e in others)
    if not doubted and not (
        ranged.priced
        and (
            _elsewhere(ranged, ids, rivals, window)
            or _anothers(ranged, ids, window)
            or any(s.lifted - {ranged.key} for s in window.steps if s.step_id in ids)
            or _lessened(explanation, window)
        )
    ):
        return False
    rest_ns = max(s.rest_ns for s in window.steps if s.step_id in explanation.step_ids)
    priced = ranged.priced or any(e.ranged is not None and e.ranged.priced for e in others)
    return priced or window.now_ns - rest_ns < priors.SHOWS_WITHIN_S * 1e9


def _obeys(ranged: Move, explanation: Explanation, window: Window) -> bool:
    """True where it was asked for alone, taken out, and is now put in: the answer settles the question."""
    began_ns = min(s.began_ns for s in window.steps if s.step_id in explanation.step_ids)
    return any(
        w.line_id == ranged.key and w.asked_alone_ns is not None and w.asked_alone_ns <= w.awaited_ns <= began_ns
        for w in window.waiting
    )


def _anothers(ranged: Move, ids: set[int], window: Window) -> bool:
    """True where a step came before it was picked, and something that was scanned before that still waits."""
    picked_ns = next((w.since_ns for w in window.waiting if w.line_id == ranged.key), 0)
    began_ns = min(s.began_ns for s in window.steps if s.step_id in ids)
    scanned = any(w.line_id != ranged.key and w.since_ns <= began_ns + TOUCHED_LATE_NS for w in window.waiting)
    return scanned and began_ns < picked_ns - TOUCHED_LATE_NS


def _elsewhere(ranged: Move, ids: set[int], rivals: list[Explanation], window: Window) -> bool:
    """True where another step since it was picked may as well be this thing."""
    picked_ns = next((w.since_ns for w in window.waiting if w.line_id == ranged.key), 0)
    since = {s.step_id for s in window.steps if s.began_ns >= picked_ns - TOUCHED_LATE_NS}
    return any(
        e.ranged is not None and e.ranged.key == ranged.key and ids.isdisjoint(e.step_ids) and since & set(e.step_ids)
        for e in rivals
    )


def _lessened(explanation: Explanation, window: Window) -> bool:
    """True where something unexplained was taken out since, and may have gone in with it."""
    own = [s for s in window.steps if s.step_id in explanation.step_ids]
    rest_ns, weight_g = max(s.rest_ns for s in own), sum(s.delta_g for s in own)
    return any(s.began_ns > rest_ns and -weight_g < s.delta_g < 0.0 for s in window.steps)


def not_alone(explanation: Explanation, window: Window) -> Explanation:
    """The question about it."""
    ranged = explanation.ranged
    open_g, last = max((s.delta_g, s.step_id) for s in window.steps if s.step_id in explanation.step_ids)
    return Explanation(
        (last,), f"{ranged.name if ranged else ''} may not have gone in alone", explanation.score,
        open_kind="wrong_weight", open_g=open_g, line_id=ranged.key if ranged else None, reason=NOT_ALONE,
    )  # fmt: skip
