"""What may explain a group of steps completely: sets of moves whose weights lie near theirs, found by bisection."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from msgspec.structs import replace

from cart.core.reconciliation import priors
from cart.core.reconciliation.explanation import Explanation
from cart.core.reconciliation.moves import Move, MoveSet, OutSets, in_sets, placements, takes, turns
from cart.core.reconciliation.unmoved import unmoved
from cart.core.reconciliation.window import TOUCHED_LATE_NS, Step, Window, passed_over, scanned_just_before

_NOTHING = MoveSet((), 0.0, 0.0, 0.0)
_KEPT = 12
_TWO_PI = 2.0 * math.pi
_Z2_MAX = priors.Z_MAX**2


class Search:
    """The sorted move sets of one window; what a search `like` it, of another time, has found too is shared."""

    def __init__(self, window: Window, *, like: Search | None = None) -> None:
        self.window, self.turns = window, turns(window)
        alike = like is not None and like.turns == self.turns
        self.placed: list[MoveSet] = like.placed if like is not None and alike else placements(self.turns)
        self.known_in, self.ranged_in = in_sets(window, self.placed)
        alike = like is not None and len(like.window.inside) == len(window.inside)
        self.out: OutSets = like.out if like is not None and alike else OutSets(window)
        self._beside: list[MoveSet] | None = None
        self._in_means = [s.mean_g for s in self.known_in]
        self._in_sd = math.sqrt(max((s.variance_g2 for s in self.known_in), default=0.0))

    @property
    def beside(self) -> list[MoveSet]:
        """Placements that another thing may have gone in with, the likeliest first."""
        if self._beside is None:
            placed = (s for s in self.known_in if s.moves and s.moves[0].kind == "place")
            self._beside = sorted(placed, key=lambda s: -s.log_prior)[: priors.BESIDE_MAX]
        return self._beside

    def near_in(self, mean_g: float, variance_g2: float) -> Sequence[MoveSet]:
        reach_g = priors.Z_MAX * math.sqrt(variance_g2 + self._in_sd**2 + (priors.SPAN_SD * mean_g) ** 2)
        return self.known_in[
            bisect_left(self._in_means, mean_g - reach_g) : bisect_right(self._in_means, mean_g + reach_g)
        ]

    def near_out(self, mean_g: float, variance_g2: float) -> Iterator[MoveSet]:
        return map(self.out.__getitem__, self.out.near(mean_g, variance_g2))


@dataclass(slots=True)
class Group:
    """Steps taken together, and the likeliest explanations of them so far."""

    steps: tuple[Step, ...]
    ids: tuple[int, ...]
    target_g: float
    variance_g2: float
    found: list[Explanation] = field(default_factory=list)
    later_ns: int | None = None
    """When the next thing went in."""
    fresh: frozenset[int] = frozenset()
    """Lines scanned just before that still wait."""
    floor: float = -math.inf
    """What a further one must score to be kept."""

    @property
    def odd_out(self) -> float:
        """Log odds against a removal with these steps, by how soon they came after the movement before, and by what the
        shopper says.
        """
        denied = any("take" in step.denied for step in self.steps)
        return priors.TAKE_HASTY * self.steps[0].hasty + priors.DENIED * denied

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

    def scanned_late(self, moves: tuple[Move, ...]) -> float:
        """Log prior of things that were put in first and scanned later: unscanned, as far as anybody knew by then."""
        began_ns = self.steps[0].began_ns
        late, afterwards = 0.0, False
        for move in moves:
            if move.since_ns > began_ns:
                if not move.ranged and any(step.heeded_by(move.since_ns) for step in self.steps):
                    late += priors.SCANNED_AS_ASKED
                    continue
                late += priors.log_timing((began_ns - move.since_ns) / 1e9)
                late += priors.NOT_THE_LAST * (self.later_ns is not None and move.since_ns > self.later_ns)
                afterwards = afterwards or move.since_ns > began_ns + TOUCHED_LATE_NS
        if afterwards and self.fresh - {move.key for move in moves}:
            late += priors.PASSED_OVER
        return late

    def seen(self, moves: tuple[Move, ...]) -> float:
        """What the camera adds: one look is of one of the things."""
        most = 0.0
        for step in self.steps:
            for move in moves if step.seen else ():
                most = max(most, step.seen.get(move.sku, 0.0))
        return most

    def fitted(self, first: MoveSet, second: MoveSet, log_prior: float) -> Explanation | None:
        """The same, not kept; None also where it is too unlikely to matter."""
        span_g = priors.SPAN_SD * (abs(first.mean_g) + abs(second.mean_g))
        variance_g2 = self.variance_g2 + first.variance_g2 + second.variance_g2 + span_g * span_g
        residual_g = self.target_g - first.mean_g - second.mean_g
        z2 = residual_g * residual_g / variance_g2
        if z2 > _Z2_MAX:
            return None
        moves = first.moves + second.moves
        score = log_prior + self.scanned_late(moves) + self.seen(moves) - 0.5 * (z2 + math.log(_TWO_PI * variance_g2))
        if score < self.floor or _weightless(moves, residual_g):
            return None
        return Explanation(self.ids, "", score, moves, math.sqrt(z2), residual_g, variance_g2)


def _weightless(moves: tuple[Move, ...], residual_g: float) -> bool:
    """Whether one of the moves would be left with no weight, or with that of the other direction: where a product has
    shown several weights, its spread reaches below nothing.
    """
    spread_g2 = sum(m.variance_g2 for m in moves)
    return spread_g2 > 0.0 and any(m.mean_g * (m.mean_g + residual_g * m.variance_g2 / spread_g2) < 0.0 for m in moves)


def grouped(steps: tuple[Step, ...]) -> Group:
    variance_g2 = sum(s.variance_g2 for s in steps) + priors.MODEL_VARIANCE_G2
    ids, target_g = tuple(s.step_id for s in steps), sum(s.delta_g for s in steps)
    return Group(steps, ids, target_g, variance_g2, later_ns=steps[-1].later_ns)


def look_for(search: Search, group: Group, *, ranged: bool) -> None:
    """Find what explains the group completely."""
    target_g, variance_g2 = group.target_g, group.variance_g2
    group.fresh = scanned_just_before(search.window, group.steps[0])
    alone = len(group.steps) == 1
    # Each further movement has a weight of its own: any share of the whole, and that has a density too.
    shares_g = sorted(abs(s.delta_g) for s in group.steps)
    again = (len(group.steps) - 1) * (priors.ANOTHER_MOVEMENT - math.log(max(10.0, shares_g[-1])))
    if len(group.steps) == 2 and group.steps[1].hasty:
        settling_g = priors.SETTLING_FRACTION * group.steps[0].delta_g
        again = priors.ANOTHER_MOVEMENT + priors.log_part_density(*shares_g)
        soon = group.steps[1].began_ns - group.steps[0].rest_ns < priors.HASTY_S * 1e9
        if shares_g[0] < settling_g and soon:
            again = -math.log(settling_g)  # after a heavy load some of it always comes late
    again += priors.TAKE_HASTY * (group.steps[0].hasty and not alone)  # it was rather a part of the movement before
    paused = again + sum(_pause(*both) for both in pairwise(group.steps))
    taken = _taken_as_asked(search.window, group)
    movements = again if taken else paused
    _known_in(search, group, movements, again)
    for unknown in search.ranged_in if alone or (ranged and len(group.steps) == 2) else ():
        anothers = any(
            w.step_id in group.ids and w.line_id != unknown.moves[0].key for w in search.window.waiting if w.step_id
        )
        others = len(search.window.waiting) > 1 or group.steps[0].began_ns < unknown.since_ns - TOUCHED_LATE_NS
        twice = not alone and not _overshot(group.steps)
        if twice and unknown.moves[0].priced and (others or _pause(*group.steps) < 0.0):
            continue  # which of the movements were its own can't be told
        # What is asked about one thing is not taken for another of any weight without more ado.
        odds = anothers * priors.PLACE_BELIEVED
        # What was taken out as asked is not what is left.
        odds += paused if unknown.moves[0].key in taken else movements
        _fit_ranged(group, unknown, _NOTHING, odds + twice * priors.RANGED_TWICE)
        for known in search.beside if alone or _overshot(group.steps) else ():
            _fit_ranged(group, unknown, known, odds)
    if alone:
        _two_ranged(search, group)
    # Steps that nothing explains add up to some line's weight easily: a removal is one movement, or two at once.
    at_once = alone or (len(group.steps) == 2 and _pause(*group.steps) > priors.PAUSE_LONG)
    for out in search.near_out(target_g, variance_g2) if at_once else ():
        group.fit(out, _NOTHING, out.log_prior + movements + group.odd_out)
    everything = search.out.everything(target_g, variance_g2)
    if everything is not None:
        group.fit(everything, _NOTHING, everything.log_prior + movements)
    if alone or (len(group.steps) == 2 and group.steps[1].hasty):
        # Two movements are two steps, each with its own explanation; within one they can only be told by the net.
        _pairs_out(search, group, movements + group.odd_out)
        _swaps(search, group, movements + group.odd_out)
    if alone:
        _lights_out(search.window, group)
    for found in unmoved(search.window, group.steps):
        group.keep(found)


def _known_in(search: Search, group: Group, movements: float, again: float) -> None:
    """What has gone in, of known weight. Several things put in with several movements go in one after the other, and
    each movement then fits some of them: their sum alone tells nothing.
    """
    last, cancel = group.steps[-1], priors.CANCEL + again
    if last.delta_g > 0.0:
        cancel += passed_over(search.window, last)
    one_by_one = len(group.steps) > 1 and all(s.delta_g >= 0.0 for s in group.steps)
    in_one_go = _in_one_go(group.steps)
    if len(group.steps) > 1:
        _cancelled(search, group, cancel)
    if len(group.steps) > 2 and not in_one_go:
        return  # three movements with pauses between weigh together like anything, and are no one thing
    scanned = passed_over(search.window, group.steps[0]) < 0.0
    whole = in_one_go and not any(s.remainder for s in group.steps)
    movements += priors.DIPPED * (group.steps[0].delta_g < 0.0 < group.target_g)
    for known in search.near_in(group.target_g, group.variance_g2):
        if not whole and any(m.kind in ("return", "light") for m in known.moves):
            continue  # nobody scanned it for these steps, and some difference of weights is like anything
        if scanned and any(m.kind == "return" for m in known.moves):
            # What was just scanned goes in next, or something in its stead: no put-back, unless it weighs just so.
            back = group.fitted(known, _NOTHING, known.log_prior + movements + priors.PASSED_OVER)
            if back is not None and back.z <= priors.Z_JUST_SO:
                group.keep(back)
            continue
        if not in_one_go and known.moves and group.steps[0].delta_g < 0.0:
            continue  # something went out first, and what came in then has a step of its own
        if known.moves and not (one_by_one and sum(m.units for m in known.moves) > 1):
            group.fit(known, _NOTHING, known.log_prior + movements)


def _cancelled(search: Search, group: Group, log_prior: float) -> None:
    """Nothing is in or gone after all. What comes back has just been weighed, and weighs the same; what goes out first
    lay in the basket.
    """
    first = group.steps[0]
    if first.delta_g < 0.0 and search.out.means_g and not _lay_there(search, first):
        log_prior += priors.UNKNOWN_OUT
    found = group.fitted(_NOTHING, _NOTHING, log_prior)
    if found is not None and found.z <= priors.Z_RETURNED:
        group.keep(found)


def _lay_there(search: Search, step: Step) -> bool:
    """Whether anything in the basket weighs what was taken out, or may: scanned before, and not seen going in."""
    alone = grouped((step,))
    near = (alone.fitted(out, _NOTHING, 0.0) for out in search.near_out(step.delta_g, step.variance_g2))
    return any(found is not None and found.z <= priors.Z_RETURNED for found in near) or any(
        waiting.mean_g is None
        or abs(step.delta_g + waiting.mean_g) <= priors.Z_MAX * math.sqrt(step.variance_g2 + waiting.sd_g**2)
        for waiting in search.window.waiting
        if waiting.since_ns <= step.rest_ns
    )


def _in_one_go(steps: tuple[Step, ...]) -> bool:
    """Whether a hand may have held the same thing all the while."""
    return all(_pause(*both) == 0.0 for both in pairwise(steps))


def _taken_as_asked(window: Window, group: Group) -> set[int]:
    """Lines of which the last movement may take out what was asked to be put in alone: however long that took."""
    last = group.steps[-1]
    if last.delta_g >= 0.0 or len(group.steps) == 1:
        return set()
    asked = ((w.line_id, w.asked_alone_ns) for w in window.waiting)
    return {line_id for line_id, at_ns in asked if at_ns is not None and at_ns <= last.began_ns}


def _pause(step: Step, after: Step) -> float:
    """Log prior of the time between two movements of one thing."""
    pause_s = 0.0 if after.hasty else (after.began_ns - step.rest_ns) / 1e9
    return next((odds for until_s, odds in priors.PAUSES if pause_s <= until_s), priors.PAUSE_LONG)


def _overshot(steps: tuple[Step, ...]) -> bool:
    """Whether a second step takes back a part of the first at once: one movement, that the scale saw in two."""
    if len(steps) != 2 or _pause(*steps) < 0.0:
        return False
    first, second = steps
    return second.delta_g < 0.0 < first.delta_g + second.delta_g


def _fit_ranged(group: Group, ranged: MoveSet, known: MoveSet, log_prior: float) -> None:
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
    asked_ns = ranged.asked_alone_ns
    as_asked = asked_ns is not None and group.steps[0].began_ns >= asked_ns
    if ranged.step_id is not None and ranged.step_id not in group.ids:
        log_prior += priors.PLACE_BELIEVED
        as_asked = False
    together = priors.PLACE_AS_ASKED if as_asked else 0.0
    if known.moves:
        together = known.log_prior + (priors.PLACE_THOUGH_ASKED if as_asked else priors.PLACE_OTHER_TOO)
    score = ranged.log_prior + together + log_prior + density
    score += group.scanned_late(known.moves) + group.scanned_late(ranged.moves)
    score += group.seen(known.moves + ranged.moves)
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


def _two_ranged(search: Search, group: Group) -> None:
    """Two things of unknown weight in one movement, with others or without: neither can be told from the other."""
    step = group.steps[0]
    single = [r for r in search.ranged_in if r.moves[0].kind == "place" and r.moves[0].units == 1]
    # What is asked for alone, or is asked about in another movement, is not in this one with others.
    may = [r for r in single if r.step_id in (None, step.step_id) and (r.asked_alone_ns or math.inf) > step.began_ns]
    for one, other in combinations(may[: priors.TWO_MAX], 2):
        both = sorted((one.moves[0], other.moves[0]), key=lambda m: not m.priced)
        if one.moves[0].key == other.moves[0].key:
            continue
        late = group.scanned_late(one.moves) + group.scanned_late(other.moves)
        prior = one.log_prior + other.log_prior + priors.PLACE_OTHER_TOO + late
        for known in (_NOTHING, *search.beside[: priors.BESIDE_TWO_MAX]):
            rest_g = group.target_g - known.mean_g
            if any(m.key in (both[0].key, both[1].key) for m in known.moves):
                continue
            density = priors.log_two_density(rest_g, loose=both[0].priced)
            score = prior + density
            if known.moves:
                score += known.log_prior + priors.PLACE_OTHER_TOO + group.scanned_late(known.moves)
            if not math.isfinite(density) or score < group.floor:
                continue
            half_g2 = rest_g * rest_g / 12.0
            halves = tuple(replace(m, mean_g=rest_g / 2.0, variance_g2=half_g2) for m in both)
            variance_g2 = group.variance_g2 + known.variance_g2 + half_g2
            group.keep(Explanation(group.ids, "", score, (*known.moves, *halves), variance_g2=variance_g2))


def _pairs_out(search: Search, group: Group, movements: float) -> None:
    """Two things taken out in one movement."""
    target_g = group.target_g
    if target_g >= 0.0:
        return
    seen = 0
    out = search.out
    for index in out.between(target_g, target_g / 2.0):  # the lighter is met as the partner of the heavier
        for partner in out.near(target_g - out.means_g[index], group.variance_g2):
            if seen >= priors.PAIRS_MAX:
                return
            first, second = out[index], out[partner]
            if second.moves[0].key == first.moves[0].key:
                continue
            if (second.mean_g, second.moves[0].key) < (first.mean_g, first.moves[0].key):
                continue
            seen += 1
            together = first.log_prior + priors.TAKE_PAIR + min(0.0, second.log_prior - priors.TAKE)
            group.fit(first, second, together + movements)


def _lights_out(window: Window, group: Group) -> None:
    """A light thing that the scale has not seen going in, and sees going out; scanned by then."""
    units = sum(i.units for i in window.inside)
    for inside in window.inside if -priors.LIGHTS_MAX * window.light_g < group.target_g < 0.0 else ():
        for move in takes(inside) if inside.unseen and inside.since_ns <= window.now_ns else ():
            log_prior = priors.TAKE + math.log(inside.units / units) + group.odd_out
            group.fit(MoveSet((move,), move.mean_g, move.variance_g2, 0.0), _NOTHING, log_prior)


def _swaps(search: Search, group: Group, movements: float) -> None:
    """One thing out and another in between two rests."""
    shown_since_ns = group.steps[0].shown_since_ns
    asked = math.isfinite(shown_since_ns)
    lately = sum(i.units for i in search.window.inside if i.rested_ns >= shown_since_ns) if asked else 0
    shown = priors.LIFTED_MEANWHILE + priors.LIFTED_OTHER - math.log(max(1, lately))
    seen = 0
    for known in search.known_in:
        if not 1 <= len(known.moves) <= 2 or known.moves[0].kind == "light":
            continue
        for out in search.near_out(group.target_g - known.mean_g, group.variance_g2 + known.variance_g2):
            if seen >= priors.PAIRS_MAX:
                return
            if any(out.moves[0].sku == move.sku for move in known.moves):
                continue
            seen += 1
            swapped = out.log_prior + priors.SWAP
            if out.since_ns >= shown_since_ns and out.moves[0].units == 1:
                swapped = max(swapped, shown)
            group.fit(known, out, known.log_prior + swapped + movements)
