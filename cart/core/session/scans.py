"""What a scan, a picked product or a changed quantity does to the basket."""

from __future__ import annotations

import math

from cart.core.barcodes import BarcodeError, ScannedCode, expiry_date
from cart.core.basket import Line
from cart.core.catalog import Item
from cart.core.interventions import Open
from cart.core.ledger import CouponEntered, ItemAdded, ItemRemoved, SecurityNoted, StepExplained
from cart.core.observations import Scan, ScanRefused
from cart.core.reconciliation import Explanation, priors
from cart.core.reconciliation.moves import Move, takes
from cart.core.session.alone import weighs_like
from cart.core.session.desk import Desk, Held
from cart.core.session.moves import confirm
from cart.core.session.phases import back_to_shopping, start_trip
from cart.core.session.revision import instead_of_return, part_waits_again, second_thoughts
from cart.core.session.showings import is_known_unit, is_no_new_unit
from cart.core.session.sights import tells_other
from cart.core.session.units import is_light, unit_weight
from cart.core.session.weight import reconcile, required_age, settle_told, tidy
from cart.core.session.window import decide, hasty, inside_of
from cart.core.session.word import is_scanned_again

UNITS_MAX = 99
LINES_MAX = 500
"""Lines of one trip: ten times a large weekly shop; a scanner stuck on one code must not fill the ledger."""
COUPONS_MAX = 20
"""Coupons entered in one trip; more is someone guessing codes."""
_REFUSED_NOTES_MAX = 64
TOLD_G = 2.0
TOLD_FRACTION = 0.001
TOLD_SIGMAS = 5.0
_TOLD_WITH = 3.0
"""Natural log: twenty to one."""
_JUST_REMOVED_S = 20.0
"""A scan this soon after a removal, with nothing put in since, says what was removed."""
_REMEMBERED_S = 60.0
"""Asked what was taken out, people think of what left the basket in the last minute."""


def scan(desk: Desk, seen: Scan) -> None:
    """One scan. While paying or paid it is declined: the basket is frozen."""
    state = desk.state
    desk.cause = "scan"
    if state.locked or desk.journal_down or state.phase in ("paying", "paid", "maintenance"):
        desk.sound("attention")
        return
    if state.phase == "idle":
        start_trip(desk, "scan")
    try:
        code = desk.index.read(seen.text, seen.symbology)
    except BarcodeError as error:
        if not _is_coupon(desk, seen.text):
            _unknown(desk, "unreadable", str(error))
        return
    item = desk.index.find(code)
    if item is None:
        if not _is_coupon(desk, seen.text):
            _unknown(desk, "not_in_catalogue", code.gtin or code.plu or "")
        return
    if is_no_new_unit(desk, item, seen):
        return
    blocked = _blocked(desk, code)
    if blocked:
        back_to_shopping(desk, "scan")
        desk.raise_("sale_blocked", sku=item.sku, reason=blocked)
        desk.sound("attention")
        return
    told = tells_other(desk, item, code) or _tells_removal(desk, item) or is_known_unit(desk, item)
    if told or is_scanned_again(desk, item, code):
        desk.sound("ok")
        return
    add(desk, item, units=1, entry="scan", code=code)


def refused(desk: Desk, seen: ScanRefused) -> None:
    """Bytes that no product code has: noted, without effect on the trip."""
    if desk.refused_notes < _REFUSED_NOTES_MAX:
        desk.refused_notes += 1
        desk.emit(SecurityNoted(what="scan_refused", detail=f"{seen.reason}: {seen.shown}"[:200]))


def enter_coupon(desk: Desk, code: str) -> None:
    """A coupon's code, typed or scanned: in the total at once, or noted as refused."""
    if not code or len(desk.state.coupons) >= COUPONS_MAX:
        return
    found = desk.index.coupon(code)
    desk.emit(
        CouponEntered(code=code[:64], accepted=found is not None, promotion_id=found.id if found is not None else None)
    )


def _is_coupon(desk: Desk, text: str) -> bool:
    """What names no product may be a paper coupon of this store."""
    if desk.index.coupon(text) is None:
        return False
    back_to_shopping(desk, "scan")
    enter_coupon(desk, text)
    desk.sound("ok")
    return True


def _unknown(desk: Desk, reason: str, what: str) -> None:
    back_to_shopping(desk, "scan")
    desk.sound("attention")
    if not any(o.event.reason.startswith(reason) for o in desk.open_of("unknown_barcode")):
        desk.raise_("unknown_barcode", reason=f"{reason}: {what}"[:200] if what else reason)


def _blocked(desk: Desk, code: ScannedCode) -> str:
    """Why this very unit may not be sold, or nothing."""
    if desk.index.blocked(code):
        return "recalled"
    if desk.today is not None:
        last_day = expiry_date(code, desk.today)
        if last_day is not None and last_day < desk.today:
            return "expired"
    return ""


def add(desk: Desk, item: Item, *, units: int, entry: str, code: ScannedCode | None = None) -> int | None:
    """Add units of a product as pending and see what the scale already knows of them; the line's id, None if full."""
    back_to_shopping(desk, "scan")
    weight_g = code.weight_g if code is not None else None
    price_minor = code.price_minor if code is not None else None
    if item.unit == "kg" and weight_g is None and price_minor is not None and item.price_minor > 0:
        weight_g = 1000.0 * price_minor / item.price_minor
    line = _line_for(desk, item, weight_g, price_minor)
    if (line is None and len(desk.state.basket.lines) >= LINES_MAX) or (line and line.units + units > UNITS_MAX):
        desk.sound("attention")
        return None
    line_id = desk.state.last_line_id + 1 if line is None else line.line_id
    desk.emit(
        ItemAdded(
            line_id=line_id,
            sku=item.sku,
            name=item.name,
            units=units,
            unit=item.unit,
            unit_price_minor=item.price_minor if line is None else line.unit_price_minor,
            gtin=code.gtin if code is not None else None,
            entry=entry,  # type: ignore[arg-type]  # one of ItemAdded's, given by this package only
            expected_g=weight_g,
            code_price_minor=price_minor,
        )
    )
    desk.sound("ok")
    if required_age(desk) > desk.state.age_ok and not desk.open_of("age_check"):
        desk.raise_("age_check", sku=item.sku, line_id=line_id, reason=str(required_age(desk)))
    if is_light(desk, item, weight_g):
        _accept_light(desk, line_id, units)
    else:
        part_waits_again(desk, desk.state.basket.lines[line_id])
    reconcile(desk)
    added = desk.state.basket.lines.get(line_id)
    open_ = added is not None and added.pending and not instead_of_return(desk, added)
    if open_ and any(hasty(desk, step) for step in desk.state.open_steps.values()):
        second_thoughts(desk)  # it may be what rested in two movements, of which the first was taken for another
    return line_id


def _line_for(desk: Desk, item: Item, weight_g: float | None, price_minor: int | None) -> Line | None:
    """The open line that a further unit joins: the same product at the same price, not weighed by itself."""
    if item.unit == "kg" or weight_g is not None or price_minor is not None:
        return None
    for line in reversed(desk.state.basket.lines.values()):
        same = line.sku == item.sku and line.unit_price_minor == item.price_minor
        if same and line.code_price_minor is None and line.expected_g is None:
            return line
    return None


def _accept_light(desk: Desk, line_id: int, units: int) -> None:
    """What the scale can't see is believed by its scan, up to the store's limit."""
    confirm(desk, line_id, units, None, "scanned_only")
    light = 0
    for line in desk.state.basket.lines.values():
        item = desk.item(line.sku)
        if item is not None and is_light(desk, item, line.expected_g):
            light += sum(g.units for g in line.placed if g.weight_g is None)
    if light > desk.policy.light_items_max * (1 + desk.state.light_allowed) and not desk.open_of("light_limit"):
        line = desk.state.basket.lines[line_id]
        desk.raise_("light_limit", sku=line.sku, line_id=line_id, reason=str(desk.policy.light_items_max))


def _tells_removal(desk: Desk, item: Item) -> bool:
    """True where the scan answers what was taken out: an open `which_removed`, or a removal settled just now."""
    for open_ in desk.open_of("which_removed"):
        # Where something else fits far better, another unit is being bought.
        named = not open_.event.candidates or item.sku in open_.event.candidates
        if named and answer_removed(desk, open_, item.sku, "told by scanning it"):
            return True
        if _waited_in_open_step(desk, open_, item):
            return True
    gone = desk.state.basket.removed
    if desk.open_of("which_removed") and _went_lately(desk, item.sku):
        return True  # asked what was taken out, people show what they remember
    if not gone or desk.t_ns - gone[-1].at_ns > _JUST_REMOVED_S * 1e9 or desk.state.last_item_ns > gone[-1].at_ns:
        return False
    if gone[-1].line.sku == item.sku:
        desk.emit(
            StepExplained(step_ids=(), won=f"taken out: {item.name}, told by scanning it", margin=99.0, considered=())
        )
        return True
    return False


def _waited_in_open_step(desk: Desk, open_: Open, item: Item) -> bool:
    """What was taken out is scanned, and waits: it had gone in with a movement that is still asked about, and is in the
    hand, if not on a shelf. Whether it was so.
    """
    steps = desk.state.open_steps
    out = next((steps[i] for i in open_.event.step_ids if i in steps and steps[i].delta_g < 0.0), None)
    lines = desk.state.basket.lines.values()
    line = next((li for li in lines if li.sku == item.sku and li.pending and li.unit != "kg"), None)
    if out is None or line is None or not weighs_like(desk, line, -out.delta_g):
        return False
    since_ns = line.pending[0].since_ns
    held = (s for s in steps.values() if s.delta_g > -out.delta_g and since_ns <= s.began_ns < out.began_ns)
    host = max(held, key=lambda s: s.step_id, default=None)
    if host is None:
        return False
    desk.emit(
        StepExplained(
            step_ids=(out.step_id, host.step_id), won=f"taken out: {line.name}, told by scanning it", margin=99.0,
            considered=(), open_g=round(host.delta_g + out.delta_g, 3),
        )
    )  # fmt: skip
    desk.in_hand = Held(line.line_id, desk.t_ns, -out.delta_g)
    tidy(desk)
    reconcile(desk)
    return True


def _went_lately(desk: Desk, sku: str) -> bool:
    """Whether such a thing was taken out within the time that people think of, and none has been scanned since."""
    line = next((li for li in desk.state.basket.lines.values() if li.sku == sku), None)
    if line is not None and line.pending:
        return False
    since_ns = desk.t_ns - round(_REMEMBERED_S * 1e9)
    return any(g.line.sku == sku and g.at_ns >= since_ns and not g.told for g in desk.state.basket.removed)


def answer_removed(desk: Desk, open_: Open, sku: str, how: str) -> bool:
    """Settle a `which_removed` by a product, if need be with another open movement that it was part of; False where
    none of it in the basket fits.
    """
    steps = desk.state.open_steps
    about = tuple(i for i in open_.event.step_ids if i in steps)
    beside = ((*about, i) for i in reversed(steps) if i not in about)
    for ids in (about, *beside) if about else ():
        if _told(desk, ids, sku, how):
            tidy(desk)
            reconcile(desk)
            return True
    return False


def _told(desk: Desk, ids: tuple[int, ...], sku: str, how: str) -> bool:
    delta_g = sum(desk.state.open_steps[i].delta_g for i in ids)
    alone = len(ids) == 1
    whole = (_explanation_with(desk, ids, sku) or _swapped_in(desk, ids, sku, delta_g)) if alone else None
    if whole is not None:
        settle_told(desk, whole, how)
        return True
    move = _take_like(desk, sku, delta_g) if delta_g < 0.0 else None
    if move is None:
        return False
    desk.emit(StepExplained(step_ids=ids, won=f"{move.label} ({how})", margin=99.0, considered=()))
    desk.emit(
        ItemRemoved(
            line_id=move.key, sku=sku, units=move.units, weight_g=-delta_g, reason="taken_out", step_ids=ids, told=True
        )
    )
    return True


def told_meanwhile(desk: Desk, step_id: int) -> None:
    """A scan between a removal and the rest after it told what was taken out: its unit is no further one."""
    step = desk.state.open_steps[step_id]
    if step.delta_g >= 0.0:
        return
    for line in list(desk.state.basket.lines.values()):
        if not line.placed or not any(p.entry == "scan" and p.since_ns >= step.began_ns for p in line.pending):
            continue
        taken = _explanation_with(desk, (step_id,), line.sku)
        if taken is not None:
            desk.emit(ItemRemoved(line_id=line.line_id, sku=line.sku, units=1, weight_g=None, reason="revised"))
            settle_told(desk, taken, "told by scanning it")
            return


def _explanation_with(desk: Desk, ids: tuple[int, ...], sku: str) -> Explanation | None:
    """The likeliest explanation of a step in which this product was taken out. What nobody named may have gone with it,
    if that is about as likely as anything: with some other line most things weigh as much as what was taken.
    """
    takes = [e for e in decide(desk).rivals.get(ids[-1], ()) if e.takes]
    for explanation in takes:
        skus = [m.sku for m in explanation.moves if m.kind in ("take", "own_out")]
        likely = explanation.score > takes[0].score - _TOLD_WITH
        if sku in skus and (len(set(skus)) == 1 or likely):
            return explanation
    return None


def _swapped_in(desk: Desk, ids: tuple[int, ...], sku: str, delta_g: float) -> Explanation | None:
    """A unit of this product taken out as the one thing went in that had been scanned just before: that has what the
    unit weighs more than the step, if it weighs so, or nobody knows what. As a person says that it is this product, the
    weights may be further off than the scale alone would believe.
    """
    seen = (inside for li in desk.state.basket.lines.values() if li.sku == sku for inside in inside_of(desk, li))
    taken = next((takes(inside)[0] for inside in seen if not inside.unseen), None)
    began_ns = min(desk.state.open_steps[i].began_ns for i in ids)
    waiting = [
        line
        for line in desk.state.basket.lines.values()
        if any(0 <= began_ns - p.since_ns <= priors.FRESH_S * 1e9 for p in line.pending)
    ]
    if taken is None or len(waiting) != 1 or waiting[0].unit == "kg" or waiting[0].pending_units != 1:
        return None
    line, rest_g = waiting[0], delta_g - taken.mean_g
    mean_g, sd_g = unit_weight(desk, line)
    off_g = 0.0 if mean_g is None else abs(rest_g - mean_g)
    allowed_g = TOLD_G + TOLD_FRACTION * abs(taken.mean_g) + TOLD_SIGMAS * math.hypot(sd_g, taken.variance_g2**0.5)
    if line.sku == sku or off_g > allowed_g or rest_g < desk.policy.light_item_g:
        return None
    placed = Move("place", line.line_id, line.sku, line.name, 1, rest_g, taken.variance_g2)
    return Explanation(ids, "", 0.0, (placed, taken), variance_g2=2.0 * taken.variance_g2)


def _take_like(desk: Desk, sku: str, delta_g: float) -> Move | None:
    """The units of a product whose removal is nearest to a step. A person says that it is this product, so its weight
    may be further off than the scale alone would believe; and where it lay at another thing's weight, it has its own.
    """
    best: tuple[float, Move] | None = None
    lines = [line for line in desk.state.basket.lines.values() if line.sku == sku]
    seen = [inside for line in lines for inside in inside_of(desk, line) if not inside.unseen]
    moves = [move for inside in seen for move in takes(inside)]
    for move in sorted([*moves, *(_as_catalogued(desk, line) for line in lines if moves)], key=lambda m: m.mean_g):
        off_g = abs(delta_g - move.mean_g)
        allowed_g = TOLD_G + TOLD_FRACTION * abs(move.mean_g) + TOLD_SIGMAS * math.sqrt(move.variance_g2)
        if off_g <= allowed_g and (best is None or off_g < best[0]):
            best = (off_g, move)
    return None if best is None else best[1]


def _as_catalogued(desk: Desk, line: Line) -> Move:
    """One unit taken out, at the weight that the catalogue gives it; weightless where it gives none."""
    item = desk.item(line.sku)
    mean_g = item.weight_g if item is not None and item.unit == "each" else None
    sd_g = item.weight_sd_g if item is not None else None
    return Move("take", line.line_id, line.sku, line.name, 1, -(mean_g or 0.0), (sd_g or 0.0) ** 2)


def set_quantity(desk: Desk, line: Line, units: int) -> None:
    """The shopper says how many: more are pending, fewer are taken from the pending ones only."""
    if line.unit == "kg" or not 0 <= units <= UNITS_MAX:
        return
    item = desk.item(line.sku)
    if units > line.units and item is not None:
        back_to_shopping(desk, "quantity")
        more = units - line.units
        desk.emit(
            ItemAdded(
                line_id=line.line_id,
                sku=line.sku,
                name=line.name,
                units=more,
                unit=line.unit,
                unit_price_minor=line.unit_price_minor,
                gtin=line.gtin,
                entry="quantity",
                expected_g=line.expected_g,
                code_price_minor=line.code_price_minor,
            )
        )
        if is_light(desk, item, line.expected_g):
            _accept_light(desk, line.line_id, more)
    elif units < line.units:
        fewer = min(line.units - units, removable_units(line))
        if fewer == 0:
            return
        desk.emit(ItemRemoved(line_id=line.line_id, sku=line.sku, units=fewer, weight_g=None, reason="shopper"))
    tidy(desk)
    reconcile(desk)


def removable_units(line: Line) -> int:
    """Units that the screen may drop: those that the scale doesn't hold in the basket."""
    return line.pending_units + sum(g.units for g in line.placed if g.weight_g is None)
