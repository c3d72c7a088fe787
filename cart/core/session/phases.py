"""The trip's phases and gates: what starts and ends a trip, and what checkout waits for."""

from __future__ import annotations

from cart.core.basket import Line
from cart.core.catalog import Item
from cart.core.effects import DrawTripId
from cart.core.interventions import TABLE, Open
from cart.core.ledger import ItemConfirmed, Phase, StepExplained, TripStarted
from cart.core.reconciliation.explanation import NOT_ALONE
from cart.core.session.check import ask_doubted
from cart.core.session.desk import Desk
from cart.core.session.revision import before_asking

TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    "idle": frozenset({"shopping", "maintenance"}),
    "shopping": frozenset({"checkout", "idle"}),
    "checkout": frozenset({"shopping", "paying", "paid", "idle"}),
    "paying": frozenset({"checkout", "paid"}),
    "paid": frozenset({"idle"}),
    "maintenance": frozenset({"idle"}),
}
"""phase → phases that may follow. `checkout → paid` is a basket that costs nothing; a training trip starts at idle."""

_ODD_SIGMAS = 3.0
EMPTY_G = 10.0
"""A platform within this many grams of zero may be empty."""
_DRIFT_G_PER_S = 0.03
_CREEP = 0.001
"""A cell creeps back for minutes by up to a thousandth of a load that was just taken off it."""
_DRIFT_MAX_G = 30.0
"""Zero wanders 50 g in half an hour on real rigs: 0.03 g/s, and no more is forgiven than a light item or two."""


def go(desk: Desk, phase: Phase, reason: str) -> bool:
    """Change the phase if the table allows it; whether it did."""
    if phase not in TRANSITIONS[desk.state.phase]:
        return False
    desk.change_phase(phase, reason)
    return True


def start_trip(desk: Desk, reason: str, *, training: bool = False) -> None:
    """A trip from idle. Its id was drawn by the shell; without one a name from the clock keeps the shopper going."""
    state = desk.state
    trip_id = desk.spare_trip_id or f"{desk.cart_id}.{desk.t_ns}"
    desk.spare_trip_id = None
    desk.emit(
        TripStarted(
            trip_id=trip_id,
            catalog_version=desk.index.catalog.version,
            language=state.language,
            training=training or desk.always_training,
        )
    )
    go(desk, "shopping", reason)
    desk.effects.append(DrawTripId())


def back_to_shopping(desk: Desk, reason: str) -> None:
    """A shopper who changes the basket at checkout is shopping again."""
    if desk.state.phase == "checkout":
        go(desk, "shopping", reason)


def end_trip(desk: Desk, reason: str) -> None:
    """To idle. What is still in the basket then is carried over as unexplained weight for the next trip."""
    state = desk.state
    left_g = state.gross_g or 0.0
    last_step_id = state.last_step_id
    if not go(desk, "idle", reason):
        return
    if reason not in ("empty", "unloaded") and left_g > EMPTY_G and last_step_id:
        desk.emit(
            StepExplained(
                step_ids=(last_step_id,), won="left in the basket by the trip before", margin=0.0, considered=(),
                open_g=left_g,
            )
        )  # fmt: skip


def waits_for(desk: Desk) -> list[str]:
    """What keeps a trip from checkout, by plain names; empty: nothing."""
    state = desk.state
    reasons = [o.kind for o in state.interventions.values() if TABLE[o.kind].blocks_checkout]
    found: list[str] = [*dict.fromkeys(reasons)]
    if not state.basket.lines:
        found.append("empty_basket")
    if desk.live.over_capacity and "over_capacity" not in found:
        found.append("over_capacity")
    pending = [line for line in state.basket.lines.values() if line.pending]
    if any(desk.scale_fault is None or needs_scale(line) for line in pending):
        found.append("pending_items")
    if state.open_steps and not found:
        found.append("unexplained_weight")
    return found


def needs_scale(line: Line) -> bool:
    """True for produce: without a weight it has no price."""
    return line.unit == "kg" and line.expected_g is None


def checkout(desk: Desk) -> None:
    """The shopper wants to pay. What still waits is asked plainly now instead of hinted at."""
    state = desk.state
    if state.phase != "shopping":
        return
    for line in [li for li in state.basket.lines.values() if li.pending and desk.scale_fault is None]:
        before_asking(desk, line)
    waiting = waits_for(desk)
    if not waiting and desk.scale_fault is not None:
        _accept_unweighed(desk)
    if not waiting and ask_doubted(desk):
        desk.sound("attention")
        return
    if not waiting:
        go(desk, "checkout", "shopper")
        desk.sound("ok")
        return
    for open_ in list(state.interventions.values()):
        if open_.stage == "hint" and not waits_its_turn(desk, open_):
            desk.restage(open_, "question")
    named = {o.event.line_id for o in desk.open_of("not_placed", "wrong_weight")}
    alone = any(o.event.reason == NOT_ALONE for o in desk.open_of("wrong_weight"))
    if desk.scale_fault is None and not alone:  # one thing after the other: it may show where the others are
        for line in state.basket.lines.values():
            if line.pending and line.line_id not in named:
                desk.raise_(
                    "not_placed",
                    stage="question",
                    sku=line.sku,
                    line_id=line.line_id,
                    choices=not_placed_choices(desk, line),
                )
    desk.sound("attention")


def waits_its_turn(desk: Desk, open_: Open) -> bool:
    """Of several units of one badly catalogued product one is asked about: its answer mostly tells of the others."""
    if open_.kind != "wrong_weight" or open_.stage != "hint":
        return False
    others = desk.state.interventions.values()
    return any(
        o.event.line_id == open_.event.line_id and o.stage != "hint" and o.kind == "wrong_weight" for o in others
    )


def not_placed_choices(desk: Desk, line: Line) -> tuple[str, ...]:
    """Dropping the line, or saying that it is in there; for what is heavy enough to lie under the basket, saying that.
    Goods without a weight of their own have no price: nobody's word gives them one.
    """
    item = desk.item(line.sku)
    choices = TABLE["not_placed"].choices
    if needs_scale(line):
        return tuple(choice for choice in choices if choice != "in_basket")
    if item is not None and item.unit == "each" and _may_weigh_g(desk, item) >= desk.policy.bulky_item_g:
        return ("under_basket", *choices)
    return choices


def _may_weigh_g(desk: Desk, item: Item) -> float:
    """The most that a unit weighs which is no odd one."""
    weight_g = item.weight_g or 0.0
    sd_g = desk.policy.prior_weight_sd_fraction * weight_g if item.weight_sd_g is None else item.weight_sd_g
    return weight_g + _ODD_SIGMAS * sd_g


def _accept_unweighed(desk: Desk) -> None:
    """The scale is gone: what was scanned is believed by its scan, and the receipt says so. Produce can't be."""
    for line in list(desk.state.basket.lines.values()):
        if line.pending:
            desk.emit(
                ItemConfirmed(
                    line_id=line.line_id, sku=line.sku, units=line.pending_units, weight_g=None, proof="scanned_only"
                )
            )


def emptied(desk: Desk) -> bool:
    """True where the platform bears nothing: within its zero and what zero may have wandered since the trip began."""
    gross_g = desk.live.gross_g if desk.live.stable else desk.state.gross_g
    if gross_g is None:
        return False
    age_s = max(0.0, (desk.t_ns - desk.state.started_ns) / 1e9)
    creep_g = _CREEP * -desk.state.unloaded_g
    return abs(gross_g) <= EMPTY_G + min(_DRIFT_MAX_G, _DRIFT_G_PER_S * age_s + creep_g)
