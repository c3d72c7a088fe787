"""What the shopper does on the screen, and what the scale's word does in each phase."""

from __future__ import annotations

from collections.abc import Callable

from cart.core.effects import SendReceipt
from cart.core.ledger import GrossNoted, ItemRemoved, LanguageChosen, OwnThing
from cart.core.observations import Touch
from cart.core.session.answers import answer
from cart.core.session.desk import Desk
from cart.core.session.payment import frozen_step, paid_step, pay, settle_steps, take_back, unloaded
from cart.core.session.phases import EMPTY_G, back_to_shopping, checkout, end_trip, go, start_trip
from cart.core.session.rummaged import nothing_after_all, put_back_went_on, removal_went_on
from cart.core.session.scans import add, enter_coupon, removable_units, set_quantity, told_meanwhile
from cart.core.session.weight import level_again, reconcile, tidy

_NOTE_EVERY_NS = 30_000_000_000
_NOTE_CHANGE_G = 2.0
_START_G = 20.0
"""Something this heavy put into an idle cart starts a trip: a cart with goods in it is not idle."""


def touch(desk: Desk, seen: Touch) -> None:
    """One touch. What makes no sense in this phase changes nothing."""
    desk.cause = "shopper"
    state = desk.state
    if (state.locked or desk.journal_down) and seen.action not in ("help", "language"):
        return
    act = _ACTS.get(seen.action)
    if act is not None:
        act(desk, seen)
    elif state.phase in ("idle", "shopping", "checkout"):
        _change_basket(desk, seen)


def _start(desk: Desk, _: Touch) -> None:
    if desk.state.phase == "paid" and desk.scale_fault is not None:
        end_trip(desk, "next shopper")
    if desk.state.phase == "idle":
        start_trip(desk, "start")
        reconcile(desk)


def _language(desk: Desk, seen: Touch) -> None:
    if seen.language in desk.languages and seen.language is not None:
        desk.emit(LanguageChosen(language=seen.language))


def _help(desk: Desk, _: Touch) -> None:
    if not desk.open_of("help"):
        desk.raise_("help")


def _answer(desk: Desk, seen: Touch) -> None:
    open_ = desk.state.interventions.get(seen.intervention or 0)
    if open_ is not None and seen.choice is not None:
        answer(desk, open_, seen.choice)


def _receipt(desk: Desk, seen: Touch) -> None:
    if desk.state.receipt is not None and seen.to:
        desk.effects.append(SendReceipt(seen.to, desk.state.receipt))


def _pay(desk: Desk, seen: Touch) -> None:
    pay(desk, seen.method or "card")


def _checkout(desk: Desk, _: Touch) -> None:
    if desk.state.phase == "shopping":
        level_again(desk)
    checkout(desk)


def _cancel(desk: Desk, _: Touch) -> None:
    state = desk.state
    desk.wish = None
    if state.phase == "checkout":
        go(desk, "shopping", "shopper")
    elif state.phase == "paying":
        take_back(desk)
    elif state.phase == "shopping" and not state.basket.lines and abs(state.gross_g or 0.0) < EMPTY_G:
        end_trip(desk, "empty")


_ACTS: dict[str, Callable[[Desk, Touch], None]] = {
    "start": _start,
    "language": _language,
    "help": _help,
    "answer": _answer,
    "receipt": _receipt,
    "pay": _pay,
    "checkout": _checkout,
    "cancel": _cancel,
}


def _change_basket(desk: Desk, seen: Touch) -> None:
    """Touches that shop: they start a trip from idle and lead back from checkout."""
    if desk.state.phase == "idle":
        start_trip(desk, seen.action)
    line = desk.state.basket.lines.get(seen.line or 0)
    match seen.action:
        case "quantity":
            if line is not None and seen.units is not None:
                set_quantity(desk, line, seen.units)
        case "produce":
            item = desk.item(seen.sku or "")
            if item is not None:
                add(desk, item, units=1, entry="produce")
        case "remove":
            if line is not None and removable_units(line):
                back_to_shopping(desk, "shopper")
                units = removable_units(line)
                desk.emit(ItemRemoved(line_id=line.line_id, sku=line.sku, units=units, weight_g=None, reason="shopper"))
                tidy(desk)
                reconcile(desk)
        case "own_bag":
            _own_bag(desk)
        case "coupon":
            enter_coupon(desk, seen.code or "")
        case _:
            pass


def _own_bag(desk: Desk) -> None:
    """Declare a bag, or take the declaration back. What was put in unexplained may have been the bag."""
    waiting = desk.state.basket.waiting_thing
    thing_id = waiting.thing_id if waiting is not None else desk.state.last_thing_id + 1
    back_to_shopping(desk, "own bag")
    desk.emit(OwnThing(thing_id=thing_id, weight_g=0.0, in_basket=False, declared=waiting is None))
    reconcile(desk)


def after_step(desk: Desk) -> None:
    """What the newest weight step means in this phase."""
    state = desk.state
    step_id = state.last_step_id
    step = state.open_steps[step_id]
    match state.phase:
        case "shopping":
            removal_went_on(desk)
            put_back_went_on(desk)
            if not nothing_after_all(desk):
                told_meanwhile(desk, step_id)
            reconcile(desk)
        case "checkout":
            reconcile(desk)
            if any(line.pending for line in state.basket.lines.values()) or state.open_steps:
                back_to_shopping(desk, "basket changed")
        case "paying":
            frozen_step(desk, step_id)
        case "paid":
            paid_step(desk, step_id)
            unloaded(desk)
        case "idle":
            _idle_step(desk, step_id, step.delta_g)
        case "maintenance":
            settle_steps(desk, (step_id,), "in maintenance")


def _idle_step(desk: Desk, step_id: int, delta_g: float) -> None:
    # What weighs less starts no trip, but is asked about in the one that begins.
    if delta_g >= _START_G:
        start_trip(desk, "put_in")
        reconcile(desk)
    elif abs(desk.state.gross_g or 0.0) < EMPTY_G:
        settle_steps(desk, tuple(desk.state.open_steps), "the basket is empty")
    elif delta_g < EMPTY_G:
        settle_steps(desk, (step_id,), "no trip")


def watch_weight(desk: Desk) -> None:
    """After each word of the weigher: capacity, and the gross weight that a power cut must not lose."""
    live, state = desk.live, desk.state
    open_ = desk.open_of("over_capacity") if state.interventions or live.over_capacity else []
    if live.over_capacity and not open_ and state.phase in ("shopping", "checkout", "paying"):
        desk.raise_("over_capacity")
        desk.sound("attention")
    elif open_ and not live.over_capacity and live.gross_g is not None:
        for over in open_:
            desk.clear(over)
        reconcile(desk)
    if not live.stable or live.gross_g is None:
        return
    changed_g = abs(live.gross_g - state.gross_g) if state.gross_g is not None else _NOTE_CHANGE_G
    if state.gross_g is None or (changed_g >= _NOTE_CHANGE_G and desk.t_ns - state.gross_noted_ns > _NOTE_EVERY_NS):
        desk.emit(GrossNoted(gross_g=round(live.gross_g, 2), sigma_g=round(live.sigma_g, 3)))
