"""Sets of moves that hands can make between two rests, each with its weight and its prior."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import combinations
from operator import itemgetter
from typing import Literal

import msgspec

from cart.core.reconciliation import priors
from cart.core.reconciliation.window import TOUCHED_LATE_NS, Inside, Own, Waiting, Window

MoveKind = Literal["place", "return", "own_in", "own_declared", "light", "take", "own_out", "lift"]


class Move(msgspec.Struct, frozen=True, gc=False):
    """`key` is a line's id, a thing's id, for a return the index in `Basket.removed`, for a lift the step's id: what is
    lifted out to be shown changes nothing. What goes out is negative.
    """

    kind: MoveKind
    key: int
    sku: str
    name: str
    units: int
    mean_g: float
    variance_g2: float
    ranged: bool = False
    """Only a range is known of its weight."""
    priced: bool = False
    """Sold by weight: what the scale gives it is what it costs."""
    word: bool = False
    """Weighs other than the catalogue says; the shopper stands by it."""
    since_ns: int = 0
    """When it was scanned or picked; 0 where its log prior says all about its time."""
    unsure: bool = False
    """A unit that was perhaps never meant: its code may have been read twice."""

    @property
    def label(self) -> str:
        words = {
            "place": "put in",
            "return": "put back",
            "own_in": "own thing put back",
            "own_declared": "the declared bag",
            "light": "light item seen",
            "take": "taken out",
            "own_out": "own thing taken out",
            "lift": "something lifted out meanwhile",
        }[self.kind]
        count = f"{self.units} × " if self.units > 1 else ""
        return f"{words}: {count}{self.name}" if self.name else words


class MoveSet(msgspec.Struct, frozen=True, gc=False):
    """Moves made at once. With `range_g` one of them, the last, weighs anything within it, evenly in the logarithm."""

    moves: tuple[Move, ...]
    mean_g: float
    variance_g2: float
    log_prior: float
    range_g: tuple[float, float] | None = None
    typical_g: float | None = None
    """Of loose goods: what people mostly pick."""
    since_ns: int = 0
    """When it was scanned or picked; of what is taken out, when it had come to rest."""
    asked_alone_ns: int | None = None
    """From then on it goes in alone, as asked."""
    step_id: int | None = None
    """The open step that it is believed to be part of."""

    @property
    def label(self) -> str:
        return " and ".join(m.label for m in self.moves)

    @property
    def effect(self) -> frozenset[tuple[str, str, int]]:
        """What it does to the basket, by product: two sets of the same effect need no telling apart."""
        return frozenset((m.kind, m.sku or str(m.key), m.units) for m in self.moves)


def units_variance(units: int, sd_g: float) -> float:
    """Variance in g² of the sum of `units` of one product, a tenth of the spread shared by its batch."""
    return sd_g * sd_g * (units + 0.1 * units * (units - 1))


def _place(waiting: Waiting, units: int) -> Move:
    mean_g = 0.0 if waiting.mean_g is None else waiting.mean_g
    variance_g2 = units_variance(units, waiting.sd_g)
    return Move(
        "place", waiting.line_id, waiting.sku, waiting.name, units, units * mean_g, variance_g2,
        since_ns=_since(waiting), unsure=waiting.repeated,
    )  # fmt: skip


def _since(waiting: Waiting) -> int:
    return waiting.since_ns if waiting.log_prior is None else 0


def _placed_alike(waiting: Waiting) -> Iterator[tuple[Move, float]]:
    """Units of one line that go in together, and how much rarer (natural log) that is than one of them alone."""
    for units in range(1, waiting.units + 1):
        yield _place(waiting, units), (units - 1) * priors.PLACE_SAME_TOO
    for other in waiting.otherwise:
        odds = priors.PLACE_OTHERWISE + (
            priors.errs_by(other.mean_g, waiting.mean_g or other.mean_g)
            if other.word and not waiting.tentative
            else 0.0
        )
        for units in range(1, waiting.units + 1):
            variance_g2 = units_variance(units, other.sd_g)
            move = Move(
                "place", waiting.line_id, waiting.sku, waiting.name, units, units * other.mean_g, variance_g2,
                word=other.word, since_ns=_since(waiting), unsure=waiting.repeated,
            )  # fmt: skip
            yield move, odds + (units - 1) * priors.PLACE_SAME_TOO


def _turn(window: Window, waiting: Waiting, rank: int) -> float:
    """Log prior of a waiting thing being the next to go in."""
    if waiting.log_prior is not None:
        return waiting.log_prior
    if waiting.out_ns > window.now_ns and waiting.units == 1:
        return priors.PLACE_OUT_SINCE
    if waiting.in_hand and waiting.awaited_ns <= window.now_ns + TOUCHED_LATE_NS:
        return priors.PLACE_IN_HAND
    if waiting.step_id is not None:
        return priors.PLACE_BELIEVED
    if waiting.asked:
        return priors.PLACE_ASKED
    return rank * priors.PLACE_RANK + _late(window, waiting) + waiting.doubled * priors.PLACE_DOUBLED


def _late(window: Window, waiting: Waiting) -> float:
    """How much less likely (natural log) a thing goes in that has waited long, or was passed by another."""
    stale = window.now_ns - waiting.since_ns > priors.STALE_S * 1e9
    passed = waiting.passed_ns is not None and waiting.passed_ns < window.began_ns
    return min(stale * priors.PLACE_STALE, passed * priors.PLACE_PASSED)


Turns = tuple[tuple[Waiting, float, float], ...]
"""Waiting things with the log priors of going in first, and of going in with another: without their rank."""


def turns(window: Window) -> Turns:
    """What `placements` depends on: windows of the same turns have the same placements."""
    # Of several scanned things the first to go in is any of them; together is what costs.
    return tuple(
        (
            msgspec.structs.replace(waiting, rank=0),
            priors.PLACE + _turn(window, waiting, waiting.rank),
            priors.PLACE + priors.PLACE_OTHER_TOO + _turn(window, waiting, 0),
        )
        for waiting in window.waiting[: priors.PENDING_LINES_MAX]
        if waiting.mean_g is not None
    )


def placements(of: Turns) -> list[MoveSet]:
    """Every combination of waiting units of known weight, the likeliest first, the empty one included; bounded."""
    sets = [MoveSet((), 0.0, 0.0, 0.0)]
    for waiting, first, further in of:
        more: list[MoveSet] = []
        for move, odds in _placed_alike(waiting):
            for known in sets:
                if len(known.moves) >= priors.HANDFUL:
                    continue
                if len(sets) + len(more) >= priors.IN_SETS_MAX:
                    break
                more.append(
                    MoveSet(
                        (*known.moves, move),
                        known.mean_g + move.mean_g,
                        known.variance_g2 + move.variance_g2,
                        known.log_prior + odds + (further if known.moves else first),
                    )
                )
        sets += more
    return sets


def _ranged(window: Window) -> list[MoveSet]:
    """Waiting things of which only a range is known: produce, a declared bag, items without catalogue weight."""
    sets = []
    for waiting in window.waiting[: priors.PENDING_LINES_MAX]:
        if waiting.mean_g is not None and (waiting.repeated or not waiting.tentative):
            continue  # a unit that was perhaps never meant weighs at least what the first one does
        # Which step it is believed to be part of counts where its weight is looked for.
        turn = _turn(window, msgspec.structs.replace(waiting, step_id=None), waiting.rank)
        log_prior = priors.PLACE + turn + waiting.tentative * priors.PLACE_RELEARNED
        typical_g = priors.PICKED_TYPICAL_G if waiting.by_weight else None
        for units in sorted({1, waiting.units if waiting.at_once else 1}):
            move = Move(
                "place", waiting.line_id, waiting.sku, waiting.name, units, 0.0, 0.0, True, waiting.by_weight,
                since_ns=_since(waiting),
            )  # fmt: skip
            # Several whose number was set on the screen go in by one or two at a time; the more, the rarer all at once.
            at_once = math.log(1.0 / units) if waiting.at_once else 0.0
            range_g = (waiting.low_g * units, waiting.high_g * units)
            sets.append(
                MoveSet(
                    (move,),
                    0.0,
                    0.0,
                    log_prior + at_once,
                    range_g,
                    typical_g,
                    waiting.since_ns,
                    waiting.asked_alone_ns if waiting.awaited_ns >= (waiting.asked_alone_ns or 0) else None,
                    waiting.step_id,
                )
            )
    for own in window.own:
        if own.awaited:
            move = Move("own_declared", own.thing_id, "", "", 1, 0.0, 0.0, True)
            sets.append(MoveSet((move,), 0.0, 0.0, priors.OWN_DECLARED, (20.0, own.high_g)))
    return sets


def _returns(window: Window) -> list[MoveSet]:
    sets = []
    lately = [g for g in window.gone if (window.now_ns - g.at_ns) / 1e9 <= priors.RETURN_MAX_S]
    together = [tuple(g for g in lately if g.at_ns == at_ns) for at_ns in {g.at_ns for g in lately}]
    for back in [*((gone,) for gone in lately), *(went for went in together if len(went) > 1)]:
        age_s = max(0.0, (window.now_ns - back[0].at_ns) / 1e9)
        log_prior = priors.log_returned(age_s)
        log_prior += sum(gone.odd + (priors.RETURN_TOLD if gone.told else 0.0) for gone in back)
        moves = tuple(Move("return", g.index, g.sku, g.name, g.units, g.weight_g, g.variance_g2) for g in back)
        sets.append(MoveSet(moves, sum(m.mean_g for m in moves), sum(m.variance_g2 for m in moves), log_prior))
    for own in window.own:
        if not own.in_basket and not own.awaited:
            move = Move("own_in", own.thing_id, "", "", 1, own.weight_g, own.variance_g2)
            sets.append(MoveSet((move,), own.weight_g, own.variance_g2, priors.OWN_IN))
    return sets + _lights(window)


def _lights(window: Window) -> list[MoveSet]:
    """Light things that were accepted by their scan and are seen all the same, one of them or a few scanned of late."""
    since_ns = window.now_ns - round(priors.LIGHT_WITHIN_S * 1e9)
    unseen = [inside for inside in window.inside if inside.unseen and inside.since_ns >= since_ns][: priors.HANDFUL]
    sets = []
    for seen in (more for count in range(1, len(unseen) + 1) for more in combinations(unseen, count)):
        moves = tuple(
            Move("light", i.line_id, i.sku, i.name, 0, i.total_g, i.total_variance_g2) for i in seen
        )  # fmt: skip
        turn = min(priors.log_timing((window.now_ns - i.since_ns) / 1e9) for i in seen)
        log_prior = priors.LIGHT_SEEN + turn + (len(seen) - 1) * priors.PLACE_SAME_TOO
        sets.append(MoveSet(moves, sum(m.mean_g for m in moves), sum(m.variance_g2 for m in moves), log_prior))
    return sets


def in_sets(window: Window, placed: list[MoveSet]) -> tuple[list[MoveSet], list[MoveSet]]:
    """What may have gone in: sets of known weight sorted by it, `placed` among them, and sets of which only a range is
    known.
    """
    return sorted([*placed, *_returns(window)], key=lambda s: s.mean_g), _ranged(window)


def takes(inside: Inside) -> list[Move]:
    """What one movement may take of units that went in together: one, two, three, or all of them."""
    return [_take(inside, units) for units in _taken_units(inside)]


def _taken_units(inside: Inside) -> Sequence[int]:
    if inside.units == 1:
        return (1,)
    return sorted({*range(1, min(inside.units, priors.TAKEN_UNITS_MAX) + 1), inside.units})


def _take(inside: Inside, units: int) -> Move:
    mean_g, variance_g2 = _taken_weight(inside, units)
    return Move("take", inside.line_id, inside.sku, inside.name, units, mean_g, variance_g2)


def _taken_weight(inside: Inside, units: int) -> tuple[float, float]:
    """Mean, negative, and variance in g² of what is taken."""
    share = units / inside.units
    own_g2 = units_variance(units, 1.0) * inside.unit_variance_g2 * (1.0 - share)
    return -share * inside.total_g, own_g2 + share * share * inside.total_variance_g2


class OutSets:
    """What one movement may have taken out, heaviest first. Of each only its weight is reckoned beforehand; the set
    itself is made when something near that weight is looked for, so a large basket costs little.
    """

    def __init__(self, window: Window) -> None:
        self._inside = window.inside
        self._all_g = sum(-inside.total_g for inside in window.inside)
        self._all_g2 = sum(inside.total_variance_g2 for inside in window.inside)
        self._units = max(1, sum(inside.units for inside in window.inside))
        found: list[tuple[float, float, Inside | Own, int]] = []
        for inside in window.inside:
            if inside.units == 1 and not inside.unseen:
                found.append((-inside.total_g, inside.total_variance_g2, inside, 1))
            elif not inside.unseen:
                found += [(*_taken_weight(inside, units), inside, units) for units in _taken_units(inside)]
        found += [(-own.weight_g, own.variance_g2, own, 1) for own in window.own if own.in_basket]
        found.sort(key=itemgetter(0))
        self._found = found
        self._made: dict[int, MoveSet] = {}
        self.means_g = [mean_g for mean_g, *_ in found]
        self.sd_max_g = math.sqrt(max((variance_g2 for _, variance_g2, *_ in found), default=0.0))

    def __getitem__(self, index: int) -> MoveSet:
        made = self._made.get(index)
        if made is None:
            made = self._made[index] = self._make(*self._found[index])
        return made

    def near(self, mean_g: float, variance_g2: float) -> range:
        """Indices of those that may weigh `mean_g` (negative) ± its spread."""
        reach_g = priors.Z_MAX * math.sqrt(variance_g2 + self.sd_max_g**2 + (priors.SPAN_SD * mean_g) ** 2)
        return range(bisect_left(self.means_g, mean_g - reach_g), bisect_right(self.means_g, mean_g + reach_g))

    def between(self, low_g: float, high_g: float) -> range:
        """Indices of those of at least `low_g` and at most `high_g`, both negative."""
        return range(bisect_left(self.means_g, low_g), bisect_right(self.means_g, high_g))

    def _make(self, mean_g: float, variance_g2: float, what: Inside | Own, units: int) -> MoveSet:
        if isinstance(what, Own):
            move = Move("own_out", what.thing_id, "", "", 1, mean_g, variance_g2)
            return MoveSet((move,), mean_g, variance_g2, priors.OWN_OUT)
        move = Move("take", what.line_id, what.sku, what.name, units, mean_g, variance_g2)
        # Any of the units may be the one; after it the others of its line come along easily.
        log_prior = priors.TAKE + math.log(what.units / self._units) + (units > 1) * priors.TAKE_MORE
        return MoveSet((move,), mean_g, variance_g2, log_prior, since_ns=what.rested_ns)

    def everything(self, target_g: float, variance_g2: float) -> MoveSet | None:
        """All of the basket taken out at once, where it is more than two things and may weigh so much."""
        inside, mean_g, all_g2 = self._inside, self._all_g, self._all_g2
        reach_g = priors.Z_MAX * math.sqrt(variance_g2 + all_g2 + (priors.SPAN_SD * mean_g) ** 2)
        if len(inside) < 3 or abs(target_g - mean_g) > reach_g:
            return None
        return MoveSet(tuple(_take(i, i.units) for i in inside), mean_g, all_g2, priors.EVERYTHING)
