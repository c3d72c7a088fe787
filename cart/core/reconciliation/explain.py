"""The search: which set of moves explains which open steps best, and whether that is good enough to act on.

Every subset of up to `GROUP_MAX` open steps is weighed against every set of moves whose weight lies near its sum. An
explanation's score is its log prior plus the log density of the residual. Leaving a step open has a score too (an
unknown thing, the wrong thing, one unit too many), and what an explanation gains over leaving its steps open decides.

Bound: at most 25 subsets; per subset 512 placements and 4 entries an inside group, for 5 of them 2 × 200 pairs, all
found by bisection.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from cart.core.reconciliation import priors
from cart.core.reconciliation.moves import Move, MoveSet, in_sets, out_sets
from cart.core.reconciliation.window import Step, Window

OpenKind = Literal["unscanned_item", "extra_unit", "wrong_weight", "which_removed"]


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
    def takes(self) -> bool:
        return any(m.kind in ("take", "own_out") for m in self.moves)

    @property
    def gain_min(self) -> float:
        """What it must gain over leaving its steps open, to be settled unasked."""
        if not self.takes:
            return priors.GAIN_MIN
        return priors.GAIN_SWAPPED if any(m.kind == "place" for m in self.moves) else priors.GAIN_TAKEN


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
    for size in range(1, min(priors.GROUP_MAX, len(steps)) + 1):
        for group in combinations(steps, size):
            open_score = sum(asked[s.step_id].score for s in group)
            found = sorted(_explanations(search, group), key=lambda e: -e.score)
            candidates += [(e.score - open_score, e) for e in found[:8]]
            if size == 1:
                rivals[group[0].step_id] = tuple(found[:12])
    candidates.sort(key=lambda c: -c[0])
    best, margin = _choose(candidates)
    considered = [e for _, e in candidates[:4]]
    for step in steps[-2:]:
        considered += open_all[step.step_id][:2]
    if best is None:
        margin = _open_margin(candidates, asked)
    return Decision(best, margin, tuple(considered[:6]), asked, rivals)


def _choose(candidates: list[tuple[float, Explanation]]) -> tuple[Explanation | None, float]:
    """The first good enough explanation, and its margin; an ambiguous removal stops the search for its steps."""
    doubtful: set[int] = set()
    for gain, explanation in candidates:
        if gain < priors.GAIN_MIN:
            break
        if explanation.z > priors.Z_RETURNED and any(m.kind == "return" for m in explanation.moves):
            continue
        if doubtful.intersection(explanation.step_ids):
            continue
        rival = max(
            (
                g
                for g, e in candidates
                if e.effect != explanation.effect and set(e.step_ids) & set(explanation.step_ids)
            ),
            default=-math.inf,
        )
        margin = min(gain - rival, gain)
        if explanation.takes and (gain - rival < priors.MARGIN_TAKEN or gain < explanation.gain_min):
            doubtful.update(explanation.step_ids)
            continue
        return explanation, margin if math.isfinite(margin) else gain
    return None, 0.0


def _open_margin(candidates: list[tuple[float, Explanation]], asked: dict[int, Explanation]) -> float:
    if not candidates or not asked:
        return 0.0
    return max(0.0, -candidates[0][0])


def _fit(group: tuple[Step, ...], sets: tuple[MoveSet, ...], log_prior: float) -> Explanation | None:
    """The explanation of a group of steps by some move sets together, or None where the weights don't fit."""
    target_g = sum(s.delta_g for s in group)
    mean_g = sum(s.mean_g for s in sets)
    moved_g = sum(abs(s.mean_g) for s in sets)
    variance_g2 = sum(s.variance_g2 for s in group) + priors.MODEL_VARIANCE_G2
    variance_g2 += sum(s.variance_g2 for s in sets) + (priors.SPAN_SD * moved_g) ** 2
    residual_g = target_g - mean_g
    z = abs(residual_g) / math.sqrt(variance_g2)
    if z > priors.Z_MAX:
        return None
    score = log_prior + priors.log_normal_density(residual_g, variance_g2)
    moves = tuple(m for s in sets for m in s.moves)
    ids = tuple(s.step_id for s in group)
    return Explanation(ids, "", score, moves, z, residual_g, variance_g2)


def _explanations(search: _Search, group: tuple[Step, ...]) -> Iterator[Explanation]:
    """What explains the group completely."""
    target_g = sum(s.delta_g for s in group)
    variance_g2 = sum(s.variance_g2 for s in group) + priors.MODEL_VARIANCE_G2
    movements = (len(group) - 1) * priors.ANOTHER_MOVEMENT
    for known in search.near_in(target_g, variance_g2):
        if known.moves or len(group) > 1:
            cancel = 0.0 if known.moves else priors.CANCEL
            found = _fit(group, (known,), known.log_prior + cancel + movements)
            if found is not None:
                yield found
    for ranged in search.ranged_in:
        found = _fit_ranged(group, ranged, movements)
        if found is not None:
            yield found
    for out in search.near_out(target_g, variance_g2):
        found = _fit(group, (out,), out.log_prior + movements)
        if found is not None:
            yield found
    for everything in search.everything:
        found = _fit(group, (everything,), everything.log_prior + movements)
        if found is not None:
            yield found
    if len(group) == 1:
        # Two movements are two steps, each with its own explanation; within one they can only be told by the net.
        yield from _pairs_out(search, group, target_g, variance_g2, movements)
        yield from _swaps(search, group, target_g, variance_g2, movements)
    yield from _nothing_moved(search.window, group)
    yield from _part_back_out(group)


def _fit_ranged(group: tuple[Step, ...], ranged: MoveSet, log_prior: float) -> Explanation | None:
    if ranged.range_g is None:
        return None
    target_g = sum(s.delta_g for s in group)
    density = priors.log_unknown_density(target_g, *ranged.range_g) if target_g > 0.0 else -math.inf
    if not math.isfinite(density):
        return None
    score = ranged.log_prior + log_prior + density
    ids = tuple(s.step_id for s in group)
    variance_g2 = sum(s.variance_g2 for s in group) + priors.MODEL_VARIANCE_G2
    return Explanation(ids, "", score, ranged.moves, 0.0, target_g, variance_g2)


def _pairs_out(
    search: _Search, group: tuple[Step, ...], target_g: float, variance_g2: float, log_prior: float
) -> Iterator[Explanation]:
    """Two things taken out in one movement."""
    if target_g >= 0.0:
        return
    seen = 0
    for first in search.out:
        if first.mean_g < target_g:
            continue
        if first.mean_g > target_g / 2.0:
            break  # the lighter of a pair is met as the partner of the heavier
        for second in search.near_out(target_g - first.mean_g, variance_g2):
            if seen >= priors.PAIRS_MAX:
                return
            if second.moves[0].key == first.moves[0].key:
                continue
            if (second.mean_g, second.moves[0].key) < (first.mean_g, first.moves[0].key):
                continue
            seen += 1
            both = first.log_prior + priors.TAKE_PAIR + min(0.0, second.log_prior - priors.TAKE)
            found = _fit(group, (first, second), both + log_prior)
            if found is not None:
                yield found


def _swaps(
    search: _Search, group: tuple[Step, ...], target_g: float, variance_g2: float, log_prior: float
) -> Iterator[Explanation]:
    """One thing out and another in between two rests."""
    seen = 0
    for known in search.known_in:
        if len(known.moves) != 1 or known.moves[0].kind == "light":
            continue
        for out in search.near_out(target_g - known.mean_g, variance_g2 + known.variance_g2):
            if seen >= priors.PAIRS_MAX:
                return
            if out.moves[0].sku == known.moves[0].sku:
                continue
            seen += 1
            found = _fit(group, (known, out), known.log_prior + out.log_prior + priors.SWAP + log_prior)
            if found is not None:
                yield found


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
    yield from _extra_units(search, step)


def _extra_units(search: _Search, step: Step) -> Iterator[Explanation]:
    """More units than scans: with units that were scanned, or after them."""
    window = search.window
    variance_g2 = step.variance_g2 + priors.MODEL_VARIANCE_G2
    pending = {w.line_id for w in window.waiting}
    for rank, (line_id, (mean_g, sd_g)) in enumerate(window.unit_means_g.items()):
        sku, name = window.names[line_id]
        for extra in (1, 2):
            extra_g, extra_variance = extra * mean_g, extra * sd_g * sd_g
            if extra_g <= 0.0:
                continue
            move = Move("place", line_id, sku, name, extra, extra_g, extra_variance)
            more = MoveSet((move,), extra_g, extra_variance, 0.0)
            for placed in search.near_in(step.delta_g - extra_g, variance_g2 + extra_variance):
                with_it = any(m.key == line_id for m in placed.moves)
                # Units that were scanned go in first: one too many comes with them, or after them.
                if any(m.kind != "place" for m in placed.moves) or with_it != (line_id in pending):
                    continue
                prior = placed.log_prior + extra * priors.EXTRA_UNIT + rank * priors.PLACE_RANK
                found = _fit((step,), (placed, more), prior)
                if found is None:
                    continue
                open_g = step.delta_g - placed.mean_g - found.residual_g * _share(placed, more)
                label = (f"{placed.label} and " if placed.moves else "") + f"{extra} × {name} too many"
                yield Explanation(
                    (step.step_id,), label, found.score, placed.moves, found.z,
                    step.delta_g - open_g - placed.mean_g, found.variance_g2,
                    open_kind="extra_unit", open_g=open_g, line_id=line_id,
                )  # fmt: skip


def _share(placed: MoveSet, more: MoveSet) -> float:
    """The part of a residual that belongs to the placed ones."""
    both = placed.variance_g2 + more.variance_g2
    return placed.variance_g2 / both if placed.moves and both > 0.0 else 0.0
