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
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal

from cart.core.reconciliation import priors
from cart.core.reconciliation.moves import Move, MoveSet, in_sets, out_sets
from cart.core.reconciliation.window import Step, Window

OpenKind = Literal["unscanned_item", "extra_unit", "wrong_weight", "which_removed"]

NOT_ALONE = "not_alone"
"""Why a `wrong_weight` is raised about a thing that may have gone in together with others, its own weight unknown."""
_NOTHING = MoveSet((), 0.0, 0.0, 0.0)
_KEPT = 12
_TWO_PI = 2.0 * math.pi
_Z2_MAX = priors.Z_MAX**2


@dataclass(frozen=True, slots=True)
class Explanation:
    """One explanation of `step_ids`. With `open_kind` something is left to ask about: `open_g`, over `line_id`."""

    step_ids: tuple[int, ...]
    text: str
    """Plain words where the moves don't say it; those of moves are put together only when somebody asks."""
    score: float
    moves: tuple[Move, ...] = ()
    z: float = 0.0
    residual_g: float = 0.0
    variance_g2: float = 0.0
    absorbed_g: float = 0.0
    open_kind: OpenKind | None = None
    open_g: float = 0.0
    line_id: int | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        return self.text or " and ".join(m.label for m in self.moves) or "put in and taken out again"

    @property
    def effect(self) -> frozenset[tuple[str, str, int]]:
        return frozenset((m.kind, m.sku or str(m.key), m.units) for m in self.moves)

    @property
    def ranged(self) -> Move | None:
        """What is put in of which only a range is known."""
        return next((m for m in self.moves if m.ranged), None)

    @property
    def takes(self) -> bool:
        return any(m.kind in ("take", "own_out") for m in self.moves)

    def needs(self, gain_min: float) -> float:
        """What it must gain over leaving its steps open, to be settled unasked."""
        if not self.takes:
            return gain_min
        return gain_min + (priors.SWAPPED if any(m.kind == "place" for m in self.moves) else priors.TAKEN)


@dataclass(frozen=True, slots=True)
class Decision:
    """`best` explains its steps and may be acted on; None: every step stays open, as `asked` says of each."""

    best: Explanation | None
    margin: float
    considered: tuple[Explanation, ...]
    asked: dict[int, Explanation]
    rivals: dict[int, tuple[Explanation, ...]]
    """Step id → explanations of it alone, likeliest first, for the question's candidates."""


class _Search:
    """The sorted move sets of one window."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.known_in, self.ranged_in = in_sets(window)
        self.out, self.everything = out_sets(window)
        likely = sorted(
            (s for s in self.known_in if s.moves and s.moves[0].kind == "place"), key=lambda s: -s.log_prior
        )
        self.beside = likely[: priors.BESIDE_MAX] if self.ranged_in else []
        self._in_means = [s.mean_g for s in self.known_in]
        self._out_means = [s.mean_g for s in self.out]
        self._in_sd = math.sqrt(max((s.variance_g2 for s in self.known_in), default=0.0))
        self._out_sd = math.sqrt(max((s.variance_g2 for s in self.out), default=0.0))

    def near_in(self, mean_g: float, variance_g2: float) -> Sequence[MoveSet]:
        reach_g = priors.Z_MAX * math.sqrt(variance_g2 + self._in_sd**2 + (priors.SPAN_SD * mean_g) ** 2)
        return self.known_in[
            bisect_left(self._in_means, mean_g - reach_g) : bisect_right(self._in_means, mean_g + reach_g)
        ]

    def near_out(self, mean_g: float, variance_g2: float) -> Sequence[MoveSet]:
        reach_g = priors.Z_MAX * math.sqrt(variance_g2 + self._out_sd**2 + (priors.SPAN_SD * mean_g) ** 2)
        return self.out[
            bisect_left(self._out_means, mean_g - reach_g) : bisect_right(self._out_means, mean_g + reach_g)
        ]


def explain(window: Window) -> Decision:
    """Decide about the window's open steps. Pure; bounded as the module says."""
    search = _Search(window)
    steps = window.steps[-priors.STEPS_MAX :]
    asked: dict[int, Explanation] = {}
    open_all: dict[int, list[Explanation]] = {}
    for step in steps:
        open_all[step.step_id] = sorted(_left_open(search, step), key=lambda e: -e.score)
        asked[step.step_id] = open_all[step.step_id][0]
    candidates: list[tuple[float, Explanation]] = []
    rivals: dict[int, tuple[Explanation, ...]] = {}
    known_alone: set[int] = set()
    """Steps that something of known weight explains: no part of a thing of unknown weight that came in pieces."""
    for size in range(1, min(priors.GROUP_MAX, len(steps)) + 1):
        for members in combinations(steps, size):
            group = _grouped(members)
            _look_for(search, group, ranged=known_alone.isdisjoint(group.ids))
            found = group.ranked()
            open_score = sum(asked[s.step_id].score for s in members)
            if size == 1 and any(not e.takes and e.ranged is None and e.score - open_score > 0.0 for e in found):
                known_alone.add(members[0].step_id)
            candidates += [(e.score - open_score, e) for e in found[:8]]
            if size == 1:
                rivals[members[0].step_id] = tuple(found)
    candidates.sort(key=lambda c: -c[0])
    best, margin = _choose(candidates, window, asked)
    considered = [e for _, e in candidates[:4]]
    for step in steps[-2:]:
        considered += open_all[step.step_id][:2]
    if best is None:
        margin = _open_margin(candidates, asked)
    return Decision(best, margin, tuple(considered[:6]), asked, rivals)


def _choose(
    candidates: list[tuple[float, Explanation]], window: Window, asked: dict[int, Explanation]
) -> tuple[Explanation | None, float]:
    """The first good enough explanation, and its margin; an ambiguous removal stops the search for its steps, and so
    does a thing of unknown weight that may not have gone in alone: then `asked` says so.
    """
    doubtful: set[int] = set()
    for gain, explanation in candidates:
        if gain < window.gain_min:
            break
        if explanation.z > priors.Z_RETURNED and any(m.kind == "return" for m in explanation.moves):
            continue
        if doubtful.intersection(explanation.step_ids):
            continue
        rivals = [
            (g, e)
            for g, e in candidates
            if e.effect != explanation.effect and set(e.step_ids) & set(explanation.step_ids)
        ]
        rival = max((g for g, _ in rivals), default=-math.inf)
        margin = min(gain - rival, gain)
        if explanation.takes and (gain - rival < priors.MARGIN_TAKEN or gain < explanation.needs(window.gain_min)):
            doubtful.update(explanation.step_ids)
            continue
        if _shared(explanation, [e for g, e in rivals if gain - g < priors.MARGIN_SHARED], window):
            doubtful.update(explanation.step_ids)
            asked[explanation.step_ids[-1]] = _not_alone(explanation, window)
            continue
        return explanation, margin if math.isfinite(margin) else gain
    return None, 0.0


def _shared(explanation: Explanation, rivals: list[Explanation], window: Window) -> bool:
    """True where a thing of unknown weight may have gone in with others or not, and that matters or may still show."""
    ranged = explanation.ranged
    if ranged is None or ranged.kind != "place":
        return False
    together = len(explanation.moves) > 1
    doubted = together or any(e.moves and all(m.kind == "place" for m in e.moves) for e in rivals)
    if not doubted:
        return False
    rest_ns = max(s.rest_ns for s in window.steps if s.step_id in explanation.step_ids)
    return ranged.priced or window.now_ns - rest_ns < priors.SHOWS_WITHIN_S * 1e9


def _not_alone(explanation: Explanation, window: Window) -> Explanation:
    ranged = explanation.ranged
    last = explanation.step_ids[-1]
    open_g = next(s.delta_g for s in window.steps if s.step_id == last)
    return Explanation(
        (last,), f"{ranged.name if ranged else ''} may not have gone in alone", explanation.score,
        open_kind="wrong_weight", open_g=open_g, line_id=ranged.key if ranged else None, reason=NOT_ALONE,
    )  # fmt: skip


def _open_margin(candidates: list[tuple[float, Explanation]], asked: dict[int, Explanation]) -> float:
    if not candidates or not asked:
        return 0.0
    return max(0.0, -candidates[0][0])


@dataclass(slots=True)
class _Group:
    """Steps taken together, and the likeliest explanations of them so far."""

    steps: tuple[Step, ...]
    ids: tuple[int, ...]
    target_g: float
    variance_g2: float
    found: list[Explanation] = field(default_factory=list)
    floor: float = -math.inf
    """What a further one must score to be kept."""

    def keep(self, explanation: Explanation) -> None:
        self.found.append(explanation)
        if len(self.found) >= 2 * _KEPT:
            self.found = self.ranked()
            self.floor = self.found[-1].score

    def ranked(self) -> list[Explanation]:
        return sorted(self.found, key=lambda e: -e.score)[:_KEPT]

    def fit(self, first: MoveSet, second: MoveSet, log_prior: float) -> None:
        """Keep the explanation by two sets of moves together, if the weights fit."""
        found = self.fitted(first, second, log_prior)
        if found is not None:
            self.keep(found)

    def fitted(self, first: MoveSet, second: MoveSet, log_prior: float) -> Explanation | None:
        """The same, not kept; None also where it is too unlikely to matter."""
        span_g = priors.SPAN_SD * (abs(first.mean_g) + abs(second.mean_g))
        variance_g2 = self.variance_g2 + first.variance_g2 + second.variance_g2 + span_g * span_g
        residual_g = self.target_g - first.mean_g - second.mean_g
        z2 = residual_g * residual_g / variance_g2
        if z2 > _Z2_MAX:
            return None
        score = log_prior - 0.5 * (z2 + math.log(_TWO_PI * variance_g2))
        if score < self.floor:
            return None
        moves = first.moves + second.moves
        return Explanation(self.ids, "", score, moves, math.sqrt(z2), residual_g, variance_g2)


def _grouped(steps: tuple[Step, ...]) -> _Group:
    variance_g2 = sum(s.variance_g2 for s in steps) + priors.MODEL_VARIANCE_G2
    return _Group(steps, tuple(s.step_id for s in steps), sum(s.delta_g for s in steps), variance_g2)


def _look_for(search: _Search, group: _Group, *, ranged: bool) -> None:
    """Find what explains the group completely."""
    target_g, variance_g2 = group.target_g, group.variance_g2
    alone = len(group.steps) == 1
    movements = (len(group.steps) - 1) * priors.ANOTHER_MOVEMENT
    for known in search.near_in(target_g, variance_g2):
        if known.moves or not alone:
            cancel = 0.0 if known.moves else priors.CANCEL
            group.fit(known, _NOTHING, known.log_prior + cancel + movements)
    for unknown in search.ranged_in if alone or ranged else ():
        _fit_ranged(group, unknown, _NOTHING, movements)
        if alone:
            for known in search.beside:
                _fit_ranged(group, unknown, known, movements)
    for out in search.near_out(target_g, variance_g2):
        group.fit(out, _NOTHING, out.log_prior + movements)
    for everything in search.everything:
        group.fit(everything, _NOTHING, everything.log_prior + movements)
    if alone:
        # Two movements are two steps, each with its own explanation; within one they can only be told by the net.
        _pairs_out(search, group)
        _swaps(search, group)
    for found in (*_nothing_moved(search.window, group.steps), *_part_back_out(group.steps)):
        group.keep(found)


def _fit_ranged(group: _Group, ranged: MoveSet, known: MoveSet, log_prior: float) -> None:
    """A thing of which only a range is known, alone or together with things of known weight."""
    if ranged.range_g is None or (known.moves and ranged.moves[0].kind != "place"):
        return
    rest_g = group.target_g - known.mean_g
    if rest_g <= 0.0 or any(m.key == ranged.moves[0].key for m in known.moves):
        return
    by_weight = ranged.typical_g is not None
    density = (
        priors.log_picked_density(rest_g, ranged.typical_g or 0.0, *ranged.range_g)
        if by_weight
        else priors.log_unknown_density(rest_g, *ranged.range_g)
    )
    if not math.isfinite(density):
        return
    together = ranged.beside + known.log_prior if known.moves else 0.0
    score = ranged.log_prior + together + log_prior + density
    if score < group.floor:
        return
    moves = ranged.moves
    if known.moves:
        # The thing has what the others leave of the weight, no better known than they are.
        rest = replace(ranged.moves[0], mean_g=rest_g, variance_g2=known.variance_g2)
        moves = (*known.moves, rest)
        group.keep(Explanation(group.ids, "", score, moves, 0.0, 0.0, group.variance_g2 + known.variance_g2))
        return
    group.keep(Explanation(group.ids, "", score, moves, 0.0, rest_g, group.variance_g2))


def _pairs_out(search: _Search, group: _Group) -> None:
    """Two things taken out in one movement."""
    target_g = group.target_g
    if target_g >= 0.0:
        return
    seen = 0
    for first in search.out:
        if first.mean_g < target_g:
            continue
        if first.mean_g > target_g / 2.0:
            break  # the lighter of a pair is met as the partner of the heavier
        for second in search.near_out(target_g - first.mean_g, group.variance_g2):
            if seen >= priors.PAIRS_MAX:
                return
            if second.moves[0].key == first.moves[0].key:
                continue
            if (second.mean_g, second.moves[0].key) < (first.mean_g, first.moves[0].key):
                continue
            seen += 1
            group.fit(first, second, first.log_prior + priors.TAKE_PAIR + min(0.0, second.log_prior - priors.TAKE))


def _swaps(search: _Search, group: _Group) -> None:
    """One thing out and another in between two rests."""
    seen = 0
    for known in search.known_in:
        if len(known.moves) != 1 or known.moves[0].kind == "light":
            continue
        for out in search.near_out(group.target_g - known.mean_g, group.variance_g2 + known.variance_g2):
            if seen >= priors.PAIRS_MAX:
                return
            if out.moves[0].sku == known.moves[0].sku:
                continue
            seen += 1
            group.fit(known, out, known.log_prior + out.log_prior + priors.SWAP)


def _nothing_moved(window: Window, group: tuple[Step, ...]) -> Iterator[Explanation]:
    """Too little to be a thing, or the load seen on a slope."""
    if len(group) != 1:
        return
    step = group[0]
    ids = (step.step_id,)
    variance_g2 = step.variance_g2 + priors.MODEL_VARIANCE_G2
    if abs(step.delta_g) < window.light_g:
        score = priors.NOISE - math.log(2.0 * window.light_g)
        yield Explanation(ids, "less than the scale can see", score, variance_g2=variance_g2)
    elif abs(step.delta_g) < priors.Z_MAX * math.sqrt(step.variance_g2):
        score = priors.NOISE + priors.log_normal_density(step.delta_g, variance_g2)
        yield Explanation(ids, "nothing: within what the scale is sure of", score, variance_g2=variance_g2)
    slope_max_g = priors.SLOPE_FRACTION * max(0.0, window.gross_g)
    after_g = window.slope_g + step.delta_g
    if slope_max_g > window.light_g and -slope_max_g <= after_g <= 2.0 + 0.05 * slope_max_g:
        leveled = abs(after_g) < 2.0 + 2.0 * math.sqrt(step.variance_g2) and window.slope_g < -window.light_g
        score = priors.SLOPE - math.log(slope_max_g) if not leveled else priors.NOISE - math.log(4.0)
        yield Explanation(ids, "the cart stands on a slope", score, absorbed_g=step.delta_g, variance_g2=variance_g2)


def _part_back_out(group: tuple[Step, ...]) -> Iterator[Explanation]:
    """A part of what had gone in unscanned comes out again; the rest stays to be asked about."""
    if len(group) != 2:
        return
    first, second = group
    rest_g = first.delta_g + second.delta_g
    if first.delta_g <= 0.0 or second.delta_g >= 0.0 or rest_g <= 0.0:
        return
    unknown = -math.log(first.delta_g * priors.UNKNOWN_LOG_SPAN)
    score = priors.UNKNOWN_IN + unknown + priors.PART_OUT - math.log(first.delta_g)
    yield Explanation(
        (second.step_id, first.step_id), "a part of what was unscanned was taken out again", score,
        open_kind="unscanned_item", open_g=rest_g, variance_g2=first.variance_g2 + second.variance_g2,
    )  # fmt: skip


def _left_open(search: _Search, step: Step) -> Iterator[Explanation]:
    """What the step may be if nothing explains it: to be asked about, never settled."""
    window = search.window
    ids = (step.step_id,)
    weight_g = max(3.0, abs(step.delta_g))
    unknown = -math.log(weight_g * priors.UNKNOWN_LOG_SPAN)
    if step.delta_g < 0.0:
        score = priors.UNKNOWN_OUT - math.log(max(abs(step.delta_g), abs(window.gross_g), 10.0))
        yield Explanation(ids, "something was taken out", score, open_kind="which_removed", open_g=step.delta_g)
        return
    yield Explanation(
        ids,
        "something unscanned was put in",
        priors.UNKNOWN_IN + unknown,
        open_kind="unscanned_item",
        open_g=step.delta_g,
    )
    for rank, waiting in enumerate(window.waiting[: priors.PENDING_LINES_MAX]):
        late_s = (step.began_ns - waiting.since_ns) / 1e9
        score = priors.WRONG_WEIGHT + rank * priors.PLACE_RANK + unknown
        if not -1.0 <= late_s <= priors.WRONG_WEIGHT_WITHIN_S:
            score += 2.0 * priors.PLACE_OTHER_TOO
        reason = "below_minimum" if waiting.mean_g is None and step.delta_g < waiting.low_g else "weight_differs"
        label = f"something else than the scanned {waiting.name} was put in"
        yield Explanation(
            ids, label, score, open_kind="wrong_weight", open_g=step.delta_g, line_id=waiting.line_id, reason=reason
        )
    yield from _extra_units(search, _grouped((step,)))


def _extra_units(search: _Search, group: _Group) -> Iterator[Explanation]:
    """More units than scans: with units that were scanned, or after them."""
    window, target_g, variance_g2 = search.window, group.target_g, group.variance_g2
    pending = {w.line_id for w in window.waiting}
    for rank, (line_id, (mean_g, sd_g)) in enumerate(window.unit_means_g.items()):
        sku, name = window.names[line_id]
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
                prior = placed.log_prior + extra * priors.EXTRA_UNIT + rank * priors.PLACE_RANK
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
