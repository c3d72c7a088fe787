"""What follows from a look of the camera: open steps weighed anew, better candidates, and the one question of its own.

Two things of one weight that look different are told apart by nothing else (row 9 of the situations). The camera's
evidence against what was believed, over all looks at that movement, has to outweigh how rarely people put in something
else of the same weight and what a false question costs; a single look never does.
"""

from __future__ import annotations

import math

from cart.core.barcodes import ScannedCode
from cart.core.basket import Line, PlacedGroup
from cart.core.catalog import Item
from cart.core.interventions import Open, changed
from cart.core.ledger import ItemAdded, ItemRemoved, StepExplained
from cart.core.observations import Look
from cart.core.reconciliation import priors, sight
from cart.core.session.desk import Desk
from cart.core.session.learning import unlearn
from cart.core.session.looks import candidates, looks_at
from cart.core.session.moves import confirm
from cart.core.session.shares import reopen
from cart.core.session.units import is_light
from cart.core.session.weight import reconcile, tidy

_FITS_SIGMAS = 4.0
_CANDIDATES_MAX = 6


def see(desk: Desk, look: Look) -> None:
    """One look. Looks are evidence and no memory: a restart forgets them."""
    desk.looks.append(look)
    desk.cause = "basket"
    if desk.state.phase not in ("shopping", "checkout"):
        return
    if desk.state.open_steps:
        reconcile(desk)
        _better_candidates(desk)
    _looks_otherwise(desk)


def _better_candidates(desk: Desk) -> None:
    """A look comes half a second after its step, and the hint with it: name what the camera saw."""
    for open_ in desk.open_of("unscanned_item"):
        step = desk.state.open_steps.get(open_.event.step_ids[-1]) if open_.event.step_ids else None
        found = candidates(desk, step, _CANDIDATES_MAX) if step is not None else ()
        if found and found != open_.event.candidates:
            desk.emit(changed(open_, candidates=found))


def _looks_otherwise(desk: Desk) -> None:
    """Ask to scan what was put in, where it weighs right and plainly looks like another product of that weight."""
    step = desk.state.recent_steps[-1] if desk.state.recent_steps else None
    if step is None or step.step_id in desk.state.open_steps or step.step_id == desk.looked_otherwise:
        return
    placed = _placed_alone(desk, step.step_id)
    item = desk.item(placed[0].sku) if placed is not None else None
    if placed is None or item is None or item.vision_class is None:
        return
    # The same frame told twice is one look.
    looks = {look.frame_t_ns: look.scores for look in looks_at(desk, step)}
    other, against = sight.log_other(tuple(looks.values()), item.vision_class)
    accusing_from = priors.gain_min(desk.policy.accuse_cost, desk.policy.miss_cost)
    if len(looks) < 2 or -sight.MIXED_UP - against >= accusing_from:
        return
    line, group = placed
    weight_g = (group.weight_g or 0.0) / group.units
    like = [sku for sku in desk.skus_of_class(other) if _weighs(desk, desk.item(sku), line, weight_g)]
    # What lies beside it is seen by mistake more often than anything is mixed up.
    beside = any(li.placed and li.sku in desk.skus_of_class(other) for li in desk.state.basket.lines.values())
    if like and not beside and not desk.open_of("wrong_item"):
        desk.looked_otherwise = step.step_id
        desk.raise_(
            "wrong_item", sku=line.sku, line_id=line.line_id, candidates=tuple(like[:_CANDIDATES_MAX]),
            delta_g=round(step.delta_g, 1), reason="looks_otherwise", step_ids=(step.step_id,),
        )  # fmt: skip


def _placed_alone(desk: Desk, step_id: int) -> tuple[Line, PlacedGroup] | None:
    """The one unit that went in with a step, by its scan."""
    found = [
        (line, group)
        for line in desk.state.basket.lines.values()
        for group in line.placed
        if step_id in group.step_ids and group.weight_g is not None
    ]
    if len(found) != 1 or found[0][1].units != 1 or found[0][1].returned:
        return None
    return found[0]


def _weighs(desk: Desk, item: Item | None, line: Line, weight_g: float) -> bool:
    """Whether a product may weigh so much: then only its looks tell it from the line's."""
    if item is None or item.sku == line.sku or item.unit != line.unit:
        return False
    if item.unit == "kg" or item.weight_g is None:
        return True
    prior_g = max(desk.policy.prior_weight_sd_min_g, desk.policy.prior_weight_sd_fraction * item.weight_g)
    sd_g = prior_g if item.weight_sd_g is None else item.weight_sd_g
    return abs(item.weight_g - weight_g) <= _FITS_SIGMAS * math.hypot(sd_g, 1.0)


def tells_other(desk: Desk, item: Item, code: ScannedCode | None = None) -> bool:
    """A scan that answers `wrong_item`: the thing is this product, or it is the one that was scanned before."""
    for open_ in desk.open_of("wrong_item"):
        # Hinted at, it is mostly shown again; who puts in a further unit of it instead is asked about that.
        in_hand = open_.stage == "question" or open_.event.step_ids[-1] == desk.state.last_step_id
        if item.sku == open_.event.sku and in_hand:
            desk.clear(open_, how="scan", reason="scanned again")
            return True
        # Who has not been asked plainly goes on shopping: only what the camera named is meant for it.
        meant = open_.stage == "question" or item.sku in open_.event.candidates
        if meant and is_other(desk, open_, item, code):
            return True
    return False


def is_other(desk: Desk, open_: Open, item: Item, code: ScannedCode | None = None) -> bool:
    """Take the unit that looks otherwise for this product, if it may weigh so much; whether it was."""
    placed = _placed_alone(desk, open_.event.step_ids[-1])
    if placed is None or (code is not None and (code.weight_g or code.price_minor)):
        return False
    line, group = placed
    weight_g, sigma_g, ids = group.weight_g or 0.0, group.sigma_g, group.step_ids
    if line.line_id != open_.event.line_id or not _weighs(desk, item, line, weight_g):
        return False
    desk.emit(
        StepExplained(
            step_ids=ids, won=f"revised: put in {item.name}, not {line.name}", margin=99.0, considered=()
        )
    )  # fmt: skip
    scanned = desk.item(line.sku)
    light = scanned is not None and is_light(desk, scanned, line.expected_g)
    if light or (scanned is not None and scanned.weight_g is None and line.unit == "each"):
        reopen(desk, [(line, group)])  # no weight had spoken for it in that movement, and its scan still does
        if light:
            confirm(desk, line.line_id, 1, None, "scanned_only")
    else:
        desk.emit(
            ItemRemoved(line_id=line.line_id, sku=line.sku, units=1, weight_g=weight_g, reason="revised", step_ids=ids)
        )
    unlearn(desk, line.sku, 1, weight_g)
    line_id = desk.state.last_line_id + 1
    desk.emit(
        ItemAdded(
            line_id=line_id, sku=item.sku, name=item.name, units=1, unit=item.unit, unit_price_minor=item.price_minor,
            gtin=code.gtin if code is not None else None, entry="scan",
        )
    )  # fmt: skip
    confirm(desk, line_id, 1, weight_g, "weighed", ids, sigma_g)
    tidy(desk)
    return True
