"""A thing that is shown and lies in the basket by another's name."""

from __future__ import annotations

import math

from cart.core.basket import Line, PlacedGroup
from cart.core.ledger import OwnThing, StepExplained
from cart.core.reconciliation import Explanation
from cart.core.session.alone import FITS_SIGMAS, SPREAD_G, plainly_asked, weighed_like, weighs_like
from cart.core.session.desk import Desk
from cart.core.session.learning import learn, unlearn
from cart.core.session.lost_in import HID_NS, fits, host_of
from cart.core.session.moves import confirm
from cart.core.session.otherwise import last_shown
from cart.core.session.read_twice import both_in_on_one
from cart.core.session.shares import reopen
from cart.core.session.units import minimum_g, unit_weight

_HARDLY_SIGMAS = 1.5


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
        if found_as_another(desk, line, back.weight_g or 0.0, back.rested_ns, back=back):
            return


def _shown_as_own(desk: Desk, won: Explanation) -> None:
    thing = desk.state.basket.things[won.moves[0].key]
    step = next((s for s in desk.state.recent_steps if s.step_id in won.step_ids), None)
    if step is None or thing.declared:
        return
    for _, line in plainly_asked(desk, step.began_ns, "not_placed"):
        if fits(desk, line, step.delta_g):
            desk.emit(OwnThing(thing_id=thing.thing_id, weight_g=0.0, in_basket=False, declared=False))
            desk.emit(
                StepExplained(
                    step_ids=won.step_ids, won=f"revised: it was {line.name}, as the shopper shows", margin=99.0,
                    considered=(),
                )
            )  # fmt: skip
            confirm(desk, line.line_id, 1, round(step.delta_g, 2), "shopper", won.step_ids, step.sigma_g)
            return


def found_as_another(desk: Desk, line: Line, weight_g: float, t_ns: int, *, back: PlacedGroup | None = None) -> bool:
    """Take what the shopper shows for the waiting thing that was asked about, if it lies there by a name that nothing
    speaks for: that one's own weight is unknown, or other, it was taken for a put-back just when this was scanned, or
    its code was perhaps read twice; or whatever its name, if no other movement about its scan can hide this, and it
    weighs so, or that one hardly does. Its unit then waits again. `back`: loose goods are only what was seen to come
    back; what weighs like them is another thing. Whether it was so.
    """
    if not line.pending or not fits(desk, line, weight_g):
        return False
    known = weighs_like(desk, line, weight_g)
    nowhere_else = host_of(desk, line, weight_g) is None
    hosts = [
        (abs(group.weight_g - weight_g), host, group)
        for host in desk.state.basket.lines.values()
        for group in host.placed
        if host is not line
        and (back is None or line.unit != "kg" or group is back)
        and (host.unit != "kg" or (_doubtful(desk, host, group, line) and _weighs_otherwise(desk, line, weight_g)))
        and group.units == 1
        and group.proof != "staff"
        and group.weight_g is not None
        and weighed_like(group, weight_g)
        and (
            not weighs_like(desk, host, group.weight_g)
            or _taken_for_put_back(group, line, t_ns)
            or (
                _about_its_scan(group.origin, line)
                and ((nowhere_else and (known or _hardly_its_own(desk, host, group))) or both_in_on_one(host))
            )
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


def _hardly_its_own(desk: Desk, host: Line, group: PlacedGroup) -> bool:
    """Whether a unit weighs a bit much or little for what it is believed to be."""
    mean_g, sd_g = unit_weight(desk, host)
    return mean_g is not None and abs((group.weight_g or 0.0) - mean_g) > _HARDLY_SIGMAS * math.hypot(sd_g, SPREAD_G)


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
    return abs(group.rested_ns - line.pending[0].since_ns) <= HID_NS


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
