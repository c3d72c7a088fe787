"""A scanned thing that was never seen to go in, lifted out and put in again to show that it is there.

Asked about a thing as `not_placed`, who has it in the basket takes it out and puts it in again. That alone changes no
weight, so it reads as "put in and taken out again" for ever. While the plain question is open it is the answer: the
unit is in, by the shopper's word, and the step in which it had been lost gives its weight back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import ItemConfirmed, OwnThing, StepExplained
from cart.core.reconciliation import Explanation, priors
from cart.core.reconciliation.explanation import NOT_ALONE
from cart.core.session_alone import (
    FITS_SIGMAS,
    SPREAD_G,
    believe_alone,
    nothing_else,
    plainly_asked,
    put_in_alone,
    shown_before,
    weighs_like,
)
from cart.core.session_desk import Desk, Held
from cart.core.session_learning import learn, learn_anew, unlearn
from cart.core.session_moves import confirm
from cart.core.session_otherwise import last_shown, word_allowed
from cart.core.session_shares import reopen
from cart.core.session_state import OpenStep
from cart.core.session_units import minimum_g, tentative, unit_weight
from cart.core.session_window import LIFTED_NS

_HID_NS = 20_000_000_000
"""It went in with another thing at most this long before its scan."""

_DOUBLED_NS = 4_000_000_000
"""A scanner that reads one thing twice does so while it is in the hand."""
_HOST_LEAST = -6.0
"""Natural log: less likely, nobody knows where the weight of what was shown has gone."""
_TOGETHER_NS = 15_000_000_000
"""Things scanned within this time before a movement may have gone in with it."""


def shown_in_place(desk: Desk, steps: list[OpenStep]) -> None:
    """Take an out-and-in-again for the answer to a plain `not_placed`, if what moved may weigh like its line."""
    if len(steps) != 2 or steps[0].delta_g >= 0.0 or steps[1].delta_g <= 0.0:
        return
    weight_g = (steps[1].delta_g - steps[0].delta_g) / 2.0
    if put_in_alone(desk, steps, weight_g):
        return
    for open_, line in plainly_asked(desk, steps[1].began_ns, "not_placed"):
        if not _fits(desk, line, weight_g):
            continue
        if _is_in(desk, line, weight_g):
            return
        if line.unit == "kg" and nothing_else(desk, weight_g) and shown_before(desk, open_, steps, weight_g):
            believe_alone(desk, line, steps[1])
            return
    _shown_right(desk, steps, weight_g)


def _is_in(desk: Desk, line: Line, weight_g: float) -> bool:
    """Believe that a unit of a waiting line, which weighs so much, lay in the basket; whether that can be."""
    if line.unit == "kg" and not nothing_else(desk, weight_g):
        return False
    if _out_of_open_step(desk, line, weight_g):
        return True
    host = _host(desk, line, weight_g)
    if line.unit == "kg" and host is None:
        return False  # a price needs a weight, and the weight has to come from somewhere, or to be shown twice
    _believe(desk, line, weight_g, host)
    return True


def _out_of_open_step(desk: Desk, line: Line, weight_g: float) -> bool:
    """Take what is shown for a part of a movement that is still unexplained; the rest of it stays to be explained."""
    since_ns = line.pending[0].since_ns - _HID_NS
    for step in reversed(desk.state.open_steps.values()):
        rest_g = step.delta_g - weight_g
        spread_g = FITS_SIGMAS * math.hypot(step.sigma_g, SPREAD_G)
        if step.delta_g <= 0.0 or step.began_ns < since_ns or rest_g < -spread_g:
            continue
        desk.emit(
            StepExplained(
                step_ids=(step.step_id,), won=f"revised: {line.name} was among it, as the shopper shows", margin=99.0,
                considered=(), open_g=round(rest_g, 3) if rest_g > spread_g else None,
            )
        )  # fmt: skip
        confirm(desk, line.line_id, 1, round(weight_g, 2), "shopper", (step.step_id,), 1.0)
        return True
    return False


def goods_lifted_alone(desk: Desk) -> bool:
    """Loose goods that are plainly asked to be put in alone come out, and weigh what their movement did together with
    the thing that went in right after it: that one had been lifted out meanwhile, and lay there before. Whether it was
    so.
    """
    steps = desk.state.open_steps
    out = next(reversed(steps.values()), None)
    if out is None or out.delta_g >= 0.0:
        return False
    for open_, loose in plainly_asked(desk, out.began_ns, "wrong_weight"):
        about = steps.get(open_.event.step_ids[-1])
        if loose.unit != "kg" or open_.event.reason != NOT_ALONE or about is None or about is out:
            continue
        spread_g = FITS_SIGMAS * math.hypot(about.sigma_g, out.sigma_g, SPREAD_G)
        for line, group in _lifted_in(desk, about):
            weight_g = group.weight_g or 0.0
            if abs(about.delta_g + weight_g + out.delta_g) > spread_g:
                continue
            desk.emit(
                StepExplained(
                    step_ids=(about.step_id, *group.step_ids, out.step_id), margin=99.0, considered=(),
                    won=f"{loose.name} was taken out to be put in alone; {line.name} had been lifted out as it went in",
                )
            )  # fmt: skip
            desk.clear(open_)
            desk.in_hand = Held(loose.line_id, desk.t_ns)
            reopen(desk, [(line, group)])
            if not found_as_another(desk, line, weight_g, about.began_ns):
                _is_in(desk, line, weight_g)
            return True
    return False


def _lifted_in(desk: Desk, step: OpenStep) -> Iterator[tuple[Line, PlacedGroup]]:
    """Single units that were plainly asked for as a step came, and went in right after it."""
    after = {s.step_id for s in desk.state.recent_steps if 0 <= s.began_ns - step.rest_ns <= LIFTED_NS}
    for line_id in step.asked_for:
        line = desk.state.basket.lines.get(line_id)
        for group in line.placed if line is not None else ():
            if line is not None and group.units == 1 and group.weight_g is not None and after & set(group.step_ids):
                yield line, group


def lifted_to_show(desk: Desk) -> bool:
    """At a plain `wrong_weight` the scanned thing is lifted out, and weighs as it should: what else moved with it then
    has to be explained. Whether it was so. What another line's unit weighs by chance does not matter: who is asked
    about a thing takes out that one.
    """
    steps = list(desk.state.open_steps.values())
    out = steps[-1] if len(steps) > 1 else None
    if out is None or out.delta_g >= 0.0:
        return False
    for open_, line in plainly_asked(desk, out.began_ns, "wrong_weight"):
        about = desk.state.open_steps.get(open_.event.step_ids[-1])
        if line.unit == "kg" or about is None or about is out:
            continue
        if not weighs_like(desk, line, -out.delta_g):
            continue
        step = max((about, *steps[:-1]), key=lambda step: _came_out_of(desk, line, step, out))
        rest_g = step.delta_g + out.delta_g
        if abs(rest_g) <= FITS_SIGMAS * math.hypot(step.sigma_g, out.sigma_g, SPREAD_G):
            continue
        desk.emit(
            StepExplained(
                step_ids=(out.step_id, step.step_id), won=f"taken out to be shown: {line.name}", margin=99.0,
                considered=(), open_g=round(rest_g, 3),
            )
        )  # fmt: skip
        desk.clear(open_)
        return True
    return False


def _came_out_of(desk: Desk, line: Line, step: OpenStep, out: OpenStep) -> float:
    """Log odds of the line's thing having gone in with a step, by its time and by what else waits for what is left."""
    rest_g = step.delta_g + out.delta_g
    spread_g = math.hypot(step.sigma_g, out.sigma_g, SPREAD_G)
    if step.delta_g <= 0.0:
        return -math.inf
    if rest_g < -FITS_SIGMAS * spread_g:
        return _taken_for_it(desk, rest_g, spread_g) + _timing(line, step)
    left = [priors.UNKNOWN_IN + priors.log_unknown_density(max(3.0, rest_g))]
    for other in desk.state.basket.lines.values():
        if other is not line and other.pending:
            mean_g, sd_g = unit_weight(desk, other)
            fits = _picked(rest_g) if other.unit == "kg" and rest_g >= minimum_g(desk) else -math.inf
            if mean_g is not None:
                fits = priors.log_normal_density(rest_g - mean_g, sd_g * sd_g + SPREAD_G**2)
            left.append(fits + _timing(other, step))
    return max(left) + _timing(line, step)


def _taken_for_it(desk: Desk, rest_g: float, spread_g: float) -> float:
    """Log odds of something that lay there having been taken out as the thing went in."""
    fits = []
    for line in desk.state.basket.lines.values():
        for group in line.placed:
            if group.weight_g is not None and group.units > 0:
                apart_g = unit_weight(desk, line)[1] if group.units > 1 else 0.0  # its own among those of its group
                unit_g, sigma_g = group.weight_g / group.units, group.sigma_g / group.units
                fits.append(priors.log_normal_density(rest_g + unit_g, spread_g**2 + sigma_g**2 + apart_g**2))
    return priors.TAKE + priors.SWAP - math.log(len(fits)) + max(fits) if fits else -math.inf


def _timing(line: Line, step: OpenStep) -> float:
    return priors.log_timing((step.began_ns - line.pending[0].since_ns) / 1e9)


def _shown_right(desk: Desk, steps: list[OpenStep], weight_g: float) -> None:
    """Asked why a movement weighed other than the scanned thing, the shopper shows that thing, and it weighs as it
    should: then it is in, and the rest of that movement is something else, put in with it or taken out for it.
    """
    for open_, line in plainly_asked(desk, steps[1].began_ns, "wrong_weight"):
        step = desk.state.open_steps.get(open_.event.step_ids[-1])
        if line.unit == "kg" or step is None:
            continue
        rest_g = step.delta_g - weight_g
        if not weighs_like(desk, line, weight_g) or abs(rest_g) <= FITS_SIGMAS * math.hypot(step.sigma_g, SPREAD_G):
            continue
        desk.emit(
            StepExplained(
                step_ids=(step.step_id,), won=f"revised: {line.name} was one of several things, as the shopper shows",
                margin=99.0, considered=(), open_g=round(rest_g, 3),
            )
        )  # fmt: skip
        confirm(desk, line.line_id, 1, round(weight_g, 2), "weighed", (steps[1].step_id,), steps[1].sigma_g)
        desk.clear(open_)
        return
    for _, line in plainly_asked(desk, steps[1].began_ns, "wrong_weight"):
        if found_as_another(desk, line, weight_g, steps[0].began_ns):
            return


def shown_as_another(desk: Desk, won: Explanation) -> None:
    """What was taken out and comes back at a plain question about a thing is that thing, by whatever name it was
    believed to lie there, or as none of the store's goods.
    """
    if len(won.moves) != 1 or won.moves[0].kind not in ("return", "own_in"):
        return
    if won.moves[0].kind == "own_in":
        _shown_as_own(desk, won)
        return
    groups = [g for line in desk.state.basket.lines.values() for g in line.placed]
    back = next((g for g in groups if g.returned and g.step_ids == won.step_ids and g.weight_g is not None), None)
    if back is None:
        return
    for _, line in plainly_asked(desk, back.since_ns - back.away_ns, "not_placed", "wrong_weight"):
        if found_as_another(desk, line, back.weight_g or 0.0, back.rested_ns):
            return


def _shown_as_own(desk: Desk, won: Explanation) -> None:
    thing = desk.state.basket.things[won.moves[0].key]
    step = next((s for s in desk.state.recent_steps if s.step_id in won.step_ids), None)
    if step is None or thing.declared:
        return
    for _, line in plainly_asked(desk, step.began_ns, "not_placed"):
        if _fits(desk, line, step.delta_g):
            desk.emit(OwnThing(thing_id=thing.thing_id, weight_g=0.0, in_basket=False, declared=False))
            desk.emit(
                StepExplained(
                    step_ids=won.step_ids, won=f"revised: it was {line.name}, as the shopper shows", margin=99.0,
                    considered=(),
                )
            )  # fmt: skip
            confirm(desk, line.line_id, 1, round(step.delta_g, 2), "shopper", won.step_ids, step.sigma_g)
            return


def found_as_another(desk: Desk, line: Line, weight_g: float, t_ns: int) -> bool:
    """Take what the shopper shows for the waiting thing that was asked about, if it lies there by a name that nothing
    speaks for: that one's own weight is unknown, or other, it was taken for a put-back just when this was scanned, or
    its code was perhaps read twice; or whatever its name, if this weighs so and can be hidden in no other movement
    about its scan. Its unit then waits again. Whether it was so.
    """
    if not line.pending or not _fits(desk, line, weight_g):
        return False
    nowhere_else = weighs_like(desk, line, weight_g) and _host(desk, line, weight_g) is None
    hosts = [
        (abs(group.weight_g - weight_g), host, group)
        for host in desk.state.basket.lines.values()
        for group in host.placed
        if host is not line
        and (host.unit != "kg" or (_doubtful(desk, host, group, line) and _weighs_otherwise(desk, line, weight_g)))
        and group.units == 1
        and group.proof != "staff"
        and group.weight_g is not None
        and abs(group.weight_g - weight_g) <= FITS_SIGMAS * math.hypot(group.sigma_g, SPREAD_G)
        and (
            not weighs_like(desk, host, group.weight_g)
            or _taken_for_put_back(group, line, t_ns)
            or (_about_its_scan(group.origin, line) and (nowhere_else or _read_twice(host)))
        )
    ]
    if not hosts:
        return False
    _, host, group = min(hosts, key=lambda found: found[0])
    _exchange(desk, line, host, group)
    return True


def _doubtful(desk: Desk, loose: Line, group: PlacedGroup, line: Line) -> bool:
    """Whether loose goods may be the line's thing: no other pick of its kind is, nor what went in alone as asked."""
    asked_ns = desk.state.asked_alone.get(loose.line_id)
    return loose.sku != line.sku and (asked_ns is None or asked_ns > group.rested_ns)


def _weighs_otherwise(desk: Desk, line: Line, weight_g: float) -> bool:
    """Whether it is asked about a line in a movement of another weight than was shown: loose goods that lie there at
    what was shown may have gone in with that movement.
    """
    about = [i for o in desk.open_of("wrong_weight") if o.event.line_id == line.line_id for i in o.event.step_ids]
    steps = [desk.state.open_steps[i] for i in about if i in desk.state.open_steps]
    spread_g = FITS_SIGMAS * SPREAD_G
    return any(s.delta_g >= minimum_g(desk) and abs(s.delta_g - weight_g) > spread_g for s in steps)


def _taken_for_put_back(group: PlacedGroup | None, line: Line, t_ns: int) -> bool:
    """Whether a thing was believed to come back, before it was shown, about when a unit of the line was scanned."""
    if group is None:
        return False
    back = group.returned and group.rested_ns < t_ns and _about_its_scan(group, line)
    return back or _taken_for_put_back(group.was, line, t_ns)


def _about_its_scan(group: PlacedGroup, line: Line) -> bool:
    return abs(group.rested_ns - line.pending[0].since_ns) <= _HID_NS


def _read_twice(line: Line) -> bool:
    """Whether both of two units went in on scans so near that a scanner may have read one thing twice."""
    scans_ns = sorted(group.origin.scanned_ns for group in line.placed)
    return line.units == len(scans_ns) == 2 and scans_ns[1] - scans_ns[0] <= _DOUBLED_NS


def shown_elsewhere(desk: Desk, line: Line) -> bool:
    """The same for what a thing of this line weighed when it was last shown at a question."""
    shown = last_shown(desk, line)
    return shown is not None and found_as_another(desk, line, shown.weight_g, shown.t_ns)


def _exchange(desk: Desk, line: Line, host: Line, group: PlacedGroup) -> None:
    ids, weight_g, sigma_g = group.step_ids, group.weight_g or 0.0, group.sigma_g
    desk.emit(
        StepExplained(
            step_ids=ids, won=f"revised: it was {line.name} and not {host.name}, as the shopper shows", margin=99.0,
            considered=(),
        )
    )  # fmt: skip
    reopen(desk, [(host, group)])
    unlearn(desk, host.sku, 1, weight_g)
    confirm(desk, line.line_id, 1, weight_g, "shopper", ids, sigma_g)
    learn(desk, line.sku, 1, weight_g, "shopper")


def _fits(desk: Desk, line: Line, weight_g: float) -> bool:
    mean_g, sd_g = unit_weight(desk, line)
    if line.unit == "kg" and line.expected_g is None:
        return weight_g >= minimum_g(desk)
    if mean_g is None or tentative(desk, line):
        return True
    near = abs(weight_g - mean_g) <= FITS_SIGMAS * math.hypot(sd_g, SPREAD_G)
    return near or word_allowed(desk, line, weight_g)


def _host(desk: Desk, line: Line, weight_g: float) -> tuple[Line, PlacedGroup] | None:
    """The group that what was shown is likeliest to have gone in with, if it is not much worse explained without it."""
    since_ns = line.pending[0].since_ns - _HID_NS
    groups = (
        (_with_it(desk, line, other, group, weight_g), other, group)
        for other in desk.state.basket.lines.values()
        for group in other.placed
        if group.proof == "weighed"
        and not group.returned
        and group.rested_ns >= since_ns
        and group.weight_g is not None
        and group.step_ids
    )
    odds, other, group = max(groups, key=lambda found: found[0], default=(-math.inf, line, None))
    return (other, group) if group is not None and odds >= _HOST_LEAST else None


def _with_it(desk: Desk, line: Line, other: Line, group: PlacedGroup, weight_g: float) -> float:
    """Log odds of a group having gone in with a unit of the line, that weighs so much, rather than without it."""
    whole_g = group.weight_g or 0.0
    left_g = whole_g - weight_g
    late_s = (group.rested_ns - line.pending[0].since_ns) / 1e9
    mean_g, sd_g = unit_weight(desk, other)
    if other.unit == "kg":
        if not _price_may_change(desk, line, other, group, left_g):
            return -math.inf
        fits = _picked(left_g) - _picked(whole_g) - priors.MARGIN_PRICED
    elif mean_g is None or other is line or tentative(desk, other):
        several = mean_g is not None and other is line and left_g > 2.0 * weight_g * group.units
        if several or left_g < weight_g * 0.5 * group.units:
            return -math.inf
        fits = priors.log_unknown_density(max(3.0, left_g)) - priors.log_unknown_density(max(3.0, whole_g))
    else:
        variance_g2 = group.units * sd_g * sd_g + SPREAD_G**2
        fits = priors.log_normal_density(left_g - group.units * mean_g, variance_g2)
        fits -= priors.log_normal_density(whole_g - group.units * mean_g, variance_g2)
    return fits + priors.log_timing(late_s)


def _picked(weight_g: float) -> float:
    return priors.log_picked_density(weight_g, priors.PICKED_TYPICAL_G, 1.0, 15000.0)


def _price_may_change(desk: Desk, line: Line, loose: Line, group: PlacedGroup, left_g: float) -> bool:
    """Whether loose goods may have been weighed with another thing: not as asked, with nothing else, and not long after
    that was scanned.
    """
    as_asked = desk.state.asked_alone.get(loose.line_id, group.rested_ns) < group.rested_ns
    long_before = line.pending[0].since_ns < group.rested_ns - _TOGETHER_NS
    alone = sum(group.step_ids == g.step_ids for li in desk.state.basket.lines.values() for g in li.placed) == 1
    return loose.expected_g is None and alone and left_g >= minimum_g(desk) and not as_asked and not long_before


def _believe(desk: Desk, line: Line, weight_g: float, host: tuple[Line, PlacedGroup] | None) -> None:
    name = f"with {host[0].name}" if host is not None else "unseen"
    desk.emit(
        StepExplained(
            step_ids=host[1].step_ids if host is not None else (desk.state.last_step_id,),
            won=f"revised: {line.name} had gone in {name}, as the shopper shows", margin=99.0, considered=(),
        )
    )  # fmt: skip
    if host is None:
        confirm(desk, line.line_id, 1, None, "shopper")
        return
    other, group = host
    ids, units, sigma_g = group.step_ids, group.units, group.sigma_g
    left_g = (group.weight_g or 0.0) - weight_g
    reopen(desk, [(other, group)])
    desk.emit(
        ItemConfirmed(
            line_id=other.line_id, sku=other.sku, units=units, weight_g=round(left_g, 2), proof="weighed",
            step_ids=ids, sigma_g=sigma_g,
        )
    )  # fmt: skip
    learn_anew(desk, other.sku, (left_g + weight_g) / units, left_g / units)
    confirm(desk, line.line_id, 1, round(weight_g, 2), "shopper", ids, 1.0)
