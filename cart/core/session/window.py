"""What reconciliation may look at, read off the trip: open steps, waiting units, what is inside, what has gone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from cart.core.basket import Line, PlacedGroup
from cart.core.interventions import Open
from cart.core.ledger import InterventionKind
from cart.core.reconciliation import (
    Decision,
    Gone,
    Inside,
    Own,
    Step,
    Waiting,
    Window,
    explain,
    priors,
    sight,
)
from cart.core.session.desk import Desk
from cart.core.session.extra import one_too_many
from cart.core.session.looks import seen_products
from cart.core.session.otherwise import SHOWN_SD_G, WORD_SIGMAS, otherwise
from cart.core.session.read_twice import repeated_ns
from cart.core.session.state import OpenStep
from cart.core.session.units import is_light, minimum_g, tentative, unit_weight

_GONE_MAX_S = 300.0
"""Second thoughts about steps of so long ago may still tell a put-back from another thing."""
_LEAST_G = 2.0
"""The lightest thing of unknown weight that a step is taken for, rather than for nothing."""
_IN_HAND_NS = 15_000_000_000
"""What was shown to the scanner, as asked, goes in again within this time."""
_ASKED_ALONE_NS = 60_000_000_000
_ABOUT_A_STEP: Final[tuple[InterventionKind, ...]] = ("wrong_weight", "unscanned_item", "extra_unit")
"""Questions about what was put in."""
_DENIES: Final[dict[str, tuple[str, ...]]] = {
    "all_scanned": ("unscanned_item", "extra_unit"),
    "none_of_these": ("which_removed", "take"),
}
"""What each answer rules out of the movement that it is about."""


def decide(desk: Desk) -> Decision:
    """What the open steps are, as far as can be told at this moment; kept until ledger or clock moves."""
    key = (desk.state.revision, desk.t_ns)
    if desk.decided is None or desk.decided[0] != key:
        desk.decided = (key, explain(window(desk)))
    return desk.decided[1]


def window(desk: Desk) -> Window:
    """The window at this moment. Linear in the basket's lines."""
    steps = tuple(as_step(desk, s) for s in desk.state.open_steps.values())
    went_in = _went_in(desk)
    waiting = [_waiting(desk, line, went_in) for line in desk.state.basket.lines.values() if line.pending]
    waiting.sort(key=lambda w: -w.since_ns)
    inside = tuple(seen for line in desk.state.basket.lines.values() for seen in inside_of(desk, line))
    own = tuple(
        Own(t.thing_id, t.weight_g, t.sigma_g**2, t.in_basket, t.waiting, desk.policy.own_bag_max_g)
        for t in desk.state.basket.things.values()
    )
    return _window(desk, steps, tuple(waiting), inside, _gone(desk), own)


def _window(
    desk: Desk,
    steps: tuple[Step, ...],
    waiting: tuple[Waiting, ...],
    inside: tuple[Inside, ...],
    gone: tuple[Gone, ...],
    own: tuple[Own, ...],
) -> Window:
    """These, with what a window tells of the cart and the store besides."""
    means, names = one_too_many(desk)
    return Window(
        steps=steps,
        waiting=waiting,
        inside=inside,
        gone=gone,
        own=own,
        gross_g=desk.state.gross_g or 0.0,
        slope_g=desk.state.slope_g,
        light_g=desk.policy.light_item_g,
        now_ns=desk.t_ns,
        gain_min=priors.gain_min(desk.policy.accuse_cost, desk.policy.miss_cost),
        margin=priors.margin(desk.policy.accuse_cost, desk.policy.miss_cost),
        unit_means_g=means,
        names=names,
        scanned_ns={line_id: desk.state.basket.lines[line_id].opened_ns for line_id in means},
    )


def as_step(desk: Desk, step: OpenStep) -> Step:
    """A step for reconciliation, with what the camera saw of it."""
    seen = {sku: sight.bonus(score) for sku, score in seen_products(desk, step).items()}
    asked = [o.stage_ns for o in _plain(desk) if _about(o, step)]
    return Step(
        step.step_id, step.delta_g, step.sigma_g**2, step.began_ns, step.rest_ns, min(asked, default=None),
        next((s.began_ns for s in desk.state.recent_steps if s.delta_g > 0.0 and s.began_ns > step.rest_ns), None),
        seen, _is_remainder(desk, step), _level(desk, step), hasty(desk, step), _lifted(desk, step),
        _denied(desk, step), step.asked_of_ns if _may_show(desk, step) else None, step.asked_steps,
        _asked_units(desk, step), step.hinted_ns,
    )  # fmt: skip


def _asked_units(desk: Desk, step: OpenStep) -> int:
    """How many units wait of a line that was plainly asked about by then."""
    lines = (desk.state.basket.lines.get(line_id) for line_id in step.asked_for)
    return max((line.pending_units for line in lines if line is not None), default=1)


def _may_show(desk: Desk, step: OpenStep) -> bool:
    """Whether what was lifted out at a question may have been so with this step: it is soon, and none was shown yet."""
    soon = desk.t_ns - step.rest_ns <= priors.LIFTED_S * 1e9
    return soon and (not step.asked_steps or not desk.state.open_steps.keys().isdisjoint(step.asked_steps))


def _denied(desk: Desk, step: OpenStep) -> tuple[str, ...]:
    """What the shopper's answer rules out of a step, the one in hand or the last one."""
    open_, choice = _answered(desk)
    said = choice if open_ is not None and _about(open_, step) else desk.state.answers.get(step.step_id, "")
    return _DENIES.get(said, ())


def _told_in(desk: Desk, line: Line) -> bool:
    """Whether the answer in hand says that what waits of a line is in the basket."""
    open_, choice = _answered(desk)
    return open_ is not None and choice == "in_basket" and open_.event.line_id == line.line_id


def _answered(desk: Desk) -> tuple[Open | None, str]:
    """The question that is being answered, and how; None: no answer is in hand."""
    id_, choice = desk.answering if desk.answering is not None else (0, "")
    return desk.state.interventions.get(id_), choice


def _level(desk: Desk, step: OpenStep) -> bool:
    """Whether no slope explains it any more: it is too long ago, or was believed and reopened before payment."""
    slope = desk.state.slope_step
    reopened = slope is not None and slope.step_id == step.step_id
    return reopened or desk.t_ns - step.rest_ns > priors.SLOPE_S * 1e9


def _is_remainder(desk: Desk, step: OpenStep) -> bool:
    whole = next((s for s in desk.state.recent_steps if s.step_id == step.step_id), None)
    return whole is not None and whole.delta_g != step.delta_g


def hasty(desk: Desk, step: OpenStep) -> bool:
    """Whether a step takes back a part of the movement before at once, or goes on with it: see `Step.hasty`."""
    before = next((s for s in desk.state.recent_steps if s.step_id == step.step_id - 1), None)
    if before is None or (abs(step.delta_g) >= abs(before.delta_g) and max(step.delta_g, before.delta_g) > 0.0):
        return False
    all_out = abs(step.delta_g + before.delta_g) <= priors.Z_RETURNED * math.hypot(step.sigma_g, before.sigma_g)
    if all_out or _is_remainder(desk, step):
        return False  # a hand that pressed on the basket; or it has been looked at together with that one
    settles = abs(step.delta_g) < priors.SETTLING_FRACTION * before.delta_g
    if step.delta_g > 0.0 and not settles:
        return False  # a second thing goes in as soon as that
    if not settles and step.rest_ns - step.began_ns > priors.HASTY_S * 1e9:
        return False  # the cart rolled on, or a hand had time for more
    creeps = abs(step.delta_g) < priors.CREEP_FRACTION * before.delta_g
    if step.began_ns - before.rest_ns >= (priors.CREEP_S if creeps else priors.HASTY_S) * 1e9:
        return False
    # What is plainly asked about is lifted out to be shown, however soon.
    steps = desk.state.open_steps.values()
    return not any(_about(o, other) and _back_out(other, step) for o in _plain(desk) for other in steps)


def _lifted(desk: Desk, step: OpenStep) -> frozenset[int]:
    """See `Step.lifted`: such a thing went in again right after, or waits and something had gone out right before."""
    if not step.asked_for:
        return frozenset()
    before = desk.state.open_steps.get(step.step_id - 1)
    after = right_after(desk, step)
    lines = ((line_id, desk.state.basket.lines.get(line_id)) for line_id in step.asked_for)
    return frozenset(
        line_id
        for line_id, line in lines
        if line is not None
        and (
            (line.pending and before is not None and before.delta_g < 0.0)
            or any(after.intersection(group.step_ids) for group in line.placed)
        )
    )


def right_after(desk: Desk, step: OpenStep) -> set[int]:
    """Ids of the steps by which what had been lifted out at this one may have gone in again."""
    return {s.step_id for s in desk.state.recent_steps if 0 <= s.began_ns - step.rest_ns <= priors.LIFTED_S * 1e9}


def _plain(desk: Desk) -> list[Open]:
    """Plain questions about what was put in."""
    return [o for o in desk.open_of(*_ABOUT_A_STEP) if o.stage == "question"]


def _back_out(step: OpenStep, out: OpenStep) -> bool:
    """Whether as much went out as had gone in."""
    return abs(step.delta_g + out.delta_g) <= WORD_SIGMAS * math.hypot(step.sigma_g, out.sigma_g, SHOWN_SD_G)


def _about(open_: Open, step: OpenStep) -> bool:
    return step.step_id in open_.event.step_ids


def _waiting(desk: Desk, line: Line, went_in: Mapping[int, tuple[int, int]]) -> Waiting:
    mean_g, sd_g = unit_weight(desk, line)
    low_g, high_g = (minimum_g(desk), desk.scale.capacity_g) if line.unit == "kg" else (_LEAST_G, 15000.0)
    since_ns = max((p.since_ns for p in line.pending), default=0)
    asked_ns = desk.state.asked_alone.get(line.line_id)
    if asked_ns is not None and desk.t_ns - asked_ns > _ASKED_ALONE_NS:
        asked_ns = None
    by_weight = line.unit == "kg"
    again_ns = repeated_ns(line)
    held = desk.in_hand
    in_hand = held is not None and held.line_id == line.line_id and desk.t_ns - held.t_ns < _IN_HAND_NS
    return Waiting(
        line.line_id, line.sku, line.name, line.pending_units, mean_g, sd_g, since_ns, low_g, high_g, by_weight,
        asked_ns, tentative(desk, line), otherwise(desk, line, mean_g, sd_g),
        _passed_ns(desk, line, went_in, since_ns), 0, _out_ns(desk, line),
        None if in_hand else _believed_in(desk, line), awaited_ns(desk, line),
        sum(p.units for p in line.pending if p.entry != "quantity") <= 1, again_ns is not None,
        again_ns is not None and any(li.opened_ns > again_ns for li in desk.state.basket.lines.values()),
        any(o.event.line_id == line.line_id and o.stage == "question" for o in desk.open_of("not_placed")),
        in_hand, _told_in(desk, line),
    )  # fmt: skip


def _went_in(desk: Desk) -> dict[int, tuple[int, int]]:
    """Recent steps by which something went in → its line and when it was scanned; line 0 while nobody knows it."""
    found = {s.step_id: (0, 0) for s in desk.state.open_steps.values() if s.delta_g > 0.0}
    for line in desk.state.basket.lines.values():
        for group in line.placed:
            found.update(dict.fromkeys(group.step_ids, (line.line_id, group.scanned_ns)))
    return found


def _passed_ns(desk: Desk, line: Line, went_in: Mapping[int, tuple[int, int]], since_ns: int) -> int | None:
    """When something else first went in after a scan, out of its turn; for a code read twice its first unit, too.

    Who scans three things and puts them in in that order has left none of them on the shelf.
    """
    twice = repeated_ns(line) is not None

    def passes(step_id: int) -> bool:
        if step_id not in went_in:
            return False
        line_id, scanned_ns = went_in[step_id]
        return twice if line_id == line.line_id else line_id == 0 or scanned_ns > since_ns

    later = (s for s in desk.state.recent_steps if s.began_ns > since_ns)
    return next((s.began_ns for s in later if passes(s.step_id)), None)


def _out_ns(desk: Desk, line: Line) -> int:
    """When the line's thing was last taken out although it was asked about."""
    return max((s.t_ns for s in desk.state.shown if s.line_id == line.line_id and not s.too_many), default=0)


def _believed_in(desk: Desk, line: Line) -> int | None:
    """The open step that the line's only unit is believed to be in. None where several things of unknown weight wait:
    each may be in any step, and being asked about is no evidence.
    """
    if line.pending_units > 1:
        return None
    for open_ in desk.open_of("wrong_weight"):
        if open_.event.line_id == line.line_id and open_.event.step_ids[-1] in desk.state.open_steps:
            pending = (li for li in desk.state.basket.lines.values() if li.pending)
            unknown = sum(unit_weight(desk, li)[0] is None for li in pending)
            return None if unknown > 1 else open_.event.step_ids[-1]
    return None


def window_anew(desk: Desk, groups: list[tuple[Line, PlacedGroup]], steps: tuple[Step, ...]) -> Window:
    """The window as if these groups had not been settled: their units wait again, put-backs are gone again. Of what
    lies in the basket only what the scale has not seen yet is in it.
    """
    basket, went_in = desk.state.basket, _went_in(desk)
    units: dict[int, int] = {}
    scanned_ns: dict[int, int] = {}
    for line, group in groups:
        if not group.returned:
            units[line.line_id] = units.get(line.line_id, 0) + group.units
            scanned_ns[line.line_id] = max(scanned_ns.get(line.line_id, 0), group.scanned_ns)
    waiting = [
        _waiting_anew(desk, line, units.get(line.line_id, 0), scanned_ns.get(line.line_id, 0), went_in)
        for line in basket.lines.values()
        if line.pending or line.line_id in units
    ]
    back = [
        Gone(
            -1 - index, line.line_id, line.sku, line.name, group.units, group.weight_g or 0.0, group.sigma_g**2,
            group.since_ns - group.away_ns,
        )
        for index, (line, group) in enumerate(groups)
        if group.returned
    ]  # fmt: skip
    unseen = tuple(i for line in basket.lines.values() for i in inside_of(desk, line) if i.unseen)
    return _window(desk, steps, tuple(waiting), unseen, (*_gone(desk), *back), ())


def _waiting_anew(
    desk: Desk, line: Line, units: int, scanned_ns: int, went_in: Mapping[int, tuple[int, int]]
) -> Waiting:
    """The line with so many of its placed units waiting again, the last of which was scanned then."""
    waiting = _waiting(desk, line, went_in)
    since_ns = max(waiting.since_ns, scanned_ns)
    passed_ns = _passed_ns(desk, line, went_in, since_ns)
    waiting = replace(waiting, units=line.pending_units + units, since_ns=since_ns, passed_ns=passed_ns)
    if units and tentative(desk, line) and not waiting.repeated:
        # What was learned from these very units is no evidence about them; but a code read twice is of one weight.
        waiting = replace(waiting, mean_g=None, tentative=False)
    if units and waiting.mean_g is None:
        waiting = replace(waiting, at_once=waiting.units == 1 or any(p.entry == "quantity" for p in line.pending))
    return waiting


def awaited_ns(desk: Desk, line: Line) -> int:
    """Since when a line's units are waited for: their first scan, or when what was asked about was taken out again."""
    taken_ns = [s.t_ns for s in desk.state.shown if s.line_id in (None, line.line_id) and not s.too_many]
    taken_ns += [desk.in_hand.t_ns] if desk.in_hand is not None and desk.in_hand.line_id == line.line_id else []
    return max([min((p.since_ns for p in line.pending), default=0), *taken_ns])


def inside_of(desk: Desk, line: Line) -> list[Inside]:
    """A line's units in the basket, as they went in together."""
    if not line.placed:
        return []
    mean_g, sd_g = unit_weight(desk, line)
    return [seen for group in line.placed if (seen := _inside(desk, line, group, mean_g, sd_g)) is not None]


def _inside(desk: Desk, line: Line, group: PlacedGroup, mean_g: float | None, sd_g: float) -> Inside | None:
    if group.weight_g is None:
        if mean_g is None:
            return None
        item = desk.item(line.sku)
        light = item is not None and is_light(desk, item, line.expected_g)
        total_g, variance_g2 = group.units * mean_g, group.units * max(sd_g, 1.0) ** 2
        return Inside(
            line.line_id, line.sku, line.name, group.units, total_g, variance_g2, sd_g**2, group.since_ns, light
        )
    unit_sd_g = sd_g if mean_g is not None else 0.2 * group.weight_g / group.units
    return Inside(
        line.line_id, line.sku, line.name, group.units, group.weight_g, group.sigma_g**2, unit_sd_g**2, group.since_ns,
        rested_ns=group.rested_ns,
    )  # fmt: skip


def _gone(desk: Desk) -> tuple[Gone, ...]:
    return tuple(
        Gone(
            index, g.line.line_id, g.line.sku, g.line.name, g.units, g.weight_g, g.sigma_g**2, g.at_ns, g.told,
            _odd(desk, g.line, g.weight_g / max(1, g.units)),
        )
        for index, g in enumerate(desk.state.basket.removed)
        if desk.t_ns - g.at_ns < _GONE_MAX_S * 1e9
    )  # fmt: skip


def _odd(desk: Desk, line: Line, unit_g: float) -> float:
    """Log likelihood of a unit's weight being its product's, at most 0; what people stood by is its product's, too."""
    mean_g, sd_g = unit_weight(desk, line)
    if mean_g is None:
        return 0.0
    learned = desk.state.learned.get(line.sku)
    known = [(mean_g, sd_g), *([(learned.weight_g, learned.sd_g)] if learned is not None else [])]
    off2 = min((unit_g - g) ** 2 / (sd * sd + SHOWN_SD_G**2) for g, sd in known)
    return -0.5 * min(WORD_SIGMAS**2, off2)
