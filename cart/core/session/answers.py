"""What the answers to questions do, from the shopper on the screen or from staff."""

from __future__ import annotations

from typing import Final, Literal

from cart.core.interventions import Open
from cart.core.ledger import AgeChecked, ItemAdded, ItemRemoved, OwnThing, Proof, StaffActed
from cart.core.observations import StaffCommand
from cart.core.reconciliation.explanation import SWAPPED
from cart.core.session.alone import accept_produce
from cart.core.session.check import NOT_SEEN, all_there, not_there
from cart.core.session.desk import Desk
from cart.core.session.learning import learn
from cart.core.session.moves import confirm
from cart.core.session.other_name import shown_elsewhere
from cart.core.session.phases import checkout, end_trip, go, needs_scale, start_trip
from cart.core.session.read_twice import read_twice
from cart.core.session.revision import instead_of_return, second_thoughts
from cart.core.session.scans import add, answer_removed, removable_units
from cart.core.session.sights import is_other
from cart.core.session.weight import reconcile, required_age, settle_by, tidy
from cart.core.session.word import believe, believe_all_scanned, heeded, misfit

_NOT_LISTED: Final = "taken out, and nothing of the list, as the shopper says"


def answer(desk: Desk, open_: Open, choice: str) -> None:
    """The shopper's answer. A choice that the question doesn't offer changes nothing."""
    event = open_.event
    offered = choice in event.choices or choice in event.candidates
    if not offered or (open_.stage == "staff" and open_.kind != "help"):
        return
    desk.answering, desk.decided = (open_.id, choice), None
    _act_on(desk, open_, choice)
    tidy(desk)
    desk.answering, desk.decided = None, None
    reconcile(desk)


def _act_on(desk: Desk, open_: Open, choice: str) -> None:
    match open_.kind, choice:
        case "not_placed", _ if open_.event.reason == NOT_SEEN:
            _looked(desk, open_, choice)
        case (("not_placed" | "wrong_weight"), "remove"):
            _drop_pending(desk, open_)
        case "not_placed", "under_basket":
            _under_basket(desk, open_)
        case "unscanned_item", "mine":
            _mine(desk, open_)
        case "extra_unit", "add":
            _add_extra(desk, open_, "shopper")
        case _, ("insist" | "none_of_these" | "in_basket" | "all_scanned"):
            _stand_by(desk, open_, choice)
        case (("unscanned_item" | "wrong_item"), sku):
            _picked(desk, open_, sku)
        case "which_removed", sku:
            answer_removed(desk, open_, sku, "said on the screen")
        case (("unknown_barcode" | "sale_blocked"), "put_back"):
            desk.clear(open_, answer=choice)
        case "help", "cancel":
            desk.clear(open_, answer=choice)
        case _:
            pass


def _looked(desk: Desk, open_: Open, choice: str) -> None:
    """What the last look before paying was about; with the last answer the way to the checkout goes on."""
    if choice == "in_basket":
        all_there(desk, open_)
    else:
        not_there(desk, open_, choice)
    if open_.id not in desk.state.interventions:
        checkout(desk)


def _drop_pending(desk: Desk, open_: Open) -> None:
    line = desk.state.basket.lines.get(open_.event.line_id or 0)
    if line is not None and removable_units(line):
        reason: Literal["not_placed", "shopper"] = "not_placed" if open_.kind == "not_placed" else "shopper"
        # A movement that weighs otherwise is one unit's, or several others': the rest is asked about again. What was
        # scanned once the question stood there is about to go in.
        asked_about = sum(p.units for p in line.pending if p.since_ns < open_.stage_ns) or line.pending_units
        units = asked_about or removable_units(line) if open_.kind == "not_placed" else 1
        desk.emit(ItemRemoved(line_id=line.line_id, sku=line.sku, units=units, weight_g=None, reason=reason))


def _stand_by(desk: Desk, open_: Open, choice: str) -> None:
    """The shopper says that the cart is wrong."""
    match open_.kind:
        case "wrong_weight":
            _insist(desk, open_)
        case "wrong_item":
            desk.clear(open_, answer=choice)  # a camera alone accuses nobody
        case "not_placed":
            _in_basket(desk, open_)
        case "which_removed" if open_.event.reason == SWAPPED:
            _not_swapped(desk, open_)
        case "which_removed":
            if not heeded(desk, open_):
                settle_by(desk, open_, _NOT_LISTED)
        case _:
            _all_scanned(desk, open_)


def _all_scanned(desk: Desk, open_: Open) -> None:
    """Then something weighs other than the catalogue says; or what lies there is none of the store's goods, and that is
    the shopper's word as for a thing of their own.
    """
    if heeded(desk, open_) or believe_all_scanned(desk, open_):
        return
    if desk.policy.own_thing_needs_staff:
        desk.restage(open_, "staff", "all_scanned")
    else:
        _own(desk, open_, "nothing unscanned, as the shopper says")


def _insist(desk: Desk, open_: Open) -> None:
    """The shopper stands by what was scanned: believed within the store's limits, or if it was shown and lies there by
    another's name; else staff looks.
    """
    line = desk.state.basket.lines.get(open_.event.line_id or 0)
    if line is None or not (believe(desk, open_, line) or shown_elsewhere(desk, line)):
        desk.restage(open_, "staff", "insist")


def _not_swapped(desk: Desk, open_: Open) -> None:
    """Nothing was taken out: then what went in isn't what was scanned, or doesn't weigh like it."""
    event = open_.event
    line = desk.state.basket.lines.get(event.line_id or 0)
    if (event.delta_g or 0.0) < 0.0:
        settle_by(desk, open_, _NOT_LISTED)
        return
    if heeded(desk, open_):
        return
    other = misfit(desk, open_)
    line = other if other is not None else line
    desk.clear(open_, answer="none_of_these")
    if line is not None and line.pending:
        desk.raise_(
            "wrong_weight", stage="question", sku=line.sku, line_id=line.line_id, delta_g=event.delta_g,
            reason="weight_differs", step_ids=event.step_ids,
        )  # fmt: skip


def _mine(desk: Desk, open_: Open) -> None:
    """The shopper's own thing, if store policy takes a shopper's word for it."""
    if desk.policy.own_thing_needs_staff:
        desk.restage(open_, "staff", "own_thing")
    else:
        _own(desk, open_, "the shopper's own thing, said on the screen")


def _under_basket(desk: Desk, open_: Open) -> None:
    """A bulky item below the basket: scanned as such, up to the store's limit, then staff."""
    line = desk.state.basket.lines.get(open_.event.line_id or 0)
    if line is None or not line.pending:
        return
    bulky = 0
    for other in desk.state.basket.lines.values():
        item = desk.item(other.sku)
        if item is not None and (item.weight_g or 0.0) >= desk.policy.bulky_item_g:
            bulky += sum(g.units for g in other.placed if g.weight_g is None)
    # A code read twice may be one thing: a second one is asked about again.
    units = 1 if read_twice(line) else line.pending_units
    if bulky + units > desk.policy.bulky_items_max:
        desk.restage(open_, "staff", "bulky_limit")
        return
    confirm(desk, line.line_id, units, None, "scanned_only")


def _in_basket(desk: Desk, open_: Open) -> None:
    """It is in there, though the scale never saw it by itself: who says so pays for it, and for no less than before."""
    line = desk.state.basket.lines.get(open_.event.line_id or 0)
    if line is None or not line.pending or needs_scale(line) or instead_of_return(desk, line, said=True):
        return
    desk.fruitless = None
    if not second_thoughts(desk) or line.pending:
        confirm(desk, line.line_id, line.pending_units, None, "shopper")


def _own(desk: Desk, open_: Open, won: str) -> None:
    delta_g, ids = settle_by(desk, open_, won)
    if ids:
        desk.emit(
            OwnThing(
                thing_id=desk.state.last_thing_id + 1, weight_g=round(delta_g, 2), in_basket=True, declared=False,
                step_ids=ids, sigma_g=1.0,
            )
        )  # fmt: skip


def _picked(desk: Desk, open_: Open, sku: str) -> None:
    """One of the camera's guesses: added like a picked product, and the open weight then confirms it or not; or taken
    for what lies there already.
    """
    item = desk.item(sku)
    if item is None or sku not in open_.event.candidates:
        return
    if open_.kind == "wrong_item":
        is_other(desk, open_, item)
    else:
        add(desk, item, units=1, entry="produce")


def _add_extra(desk: Desk, open_: Open, proof: Proof) -> None:
    """The units too many become units of the line, by the shopper's word and the weight."""
    line = desk.state.basket.lines.get(open_.event.line_id or 0)
    item = desk.item(line.sku) if line is not None else None
    if line is None or item is None:
        return
    weighed = [g for g in line.placed if g.weight_g]
    unit_g = sum(g.weight_g or 0.0 for g in weighed) / max(1, sum(g.units for g in weighed)) or item.weight_g or 0.0
    delta_g, ids = settle_by(desk, open_, f"further units of {line.name}")
    if not ids:
        return
    units = max(1, round(delta_g / unit_g)) if unit_g > 0.0 else 1
    desk.emit(
        ItemAdded(
            line_id=line.line_id, sku=line.sku, name=line.name, units=units, unit=line.unit,
            unit_price_minor=line.unit_price_minor, gtin=line.gtin, entry="extra_unit", expected_g=line.expected_g,
            code_price_minor=line.code_price_minor,
        )
    )  # fmt: skip
    confirm(desk, line.line_id, units, round(delta_g, 2), proof, ids, 1.0)


def staff(desk: Desk, command: StaffCommand) -> None:
    """A staff command. A repeated one (same id) changes nothing."""
    if command.command_id in desk.state.command_ids:
        return
    desk.cause = "staff"
    desk.emit(
        StaffActed(
            command_id=command.command_id, action=command.action, role=command.role, reason=command.reason,
            changed=_has_work(desk, command),
        )
    )  # fmt: skip
    match command.action:
        case "age_ok" | "age_refused":
            _age(desk, command)
        case "resolve":
            open_ = desk.state.interventions.get(command.intervention or 0)
            if open_ is not None:
                _resolve(desk, open_, command)
        case "void_line":
            _void_line(desk, command.line or 0)
        case "void_trip":
            void_trip(desk, "voided")
        case "maintenance" | "training" | "release":
            _maintenance(desk, command)
        case "lock":
            pass  # the event itself locks
    tidy(desk)
    reconcile(desk)


def _has_work(desk: Desk, command: StaffCommand) -> bool:
    """Whether there is something for the command to decide: only then was a person involved in the trip."""
    state = desk.state
    match command.action:
        case "age_ok" | "age_refused":
            return required_age(desk) > (state.age_ok if command.action == "age_ok" else 0)
        case "resolve":
            return command.intervention in state.interventions
        case "void_line" | "void_trip":
            there = command.action == "void_trip" or command.line in state.basket.lines
            return there and state.phase in ("shopping", "checkout")
        case "lock" | "release":
            return state.locked != (command.action == "lock")
        case _:
            return state.phase in ("idle", "maintenance")


def _maintenance(desk: Desk, command: StaffCommand) -> None:
    match command.action:
        case "maintenance":
            if not go(desk, "maintenance", command.reason or "staff"):
                _leave_maintenance(desk)
        case "training":
            if desk.state.phase == "maintenance":
                _leave_maintenance(desk)
            if desk.state.phase == "idle":
                start_trip(desk, "training", training=True)
        case _:
            _leave_maintenance(desk)


def _leave_maintenance(desk: Desk) -> None:
    if desk.state.phase == "maintenance":
        go(desk, "idle", "staff")


def _age(desk: Desk, command: StaffCommand) -> None:
    needed = required_age(desk)
    ok = command.action == "age_ok"
    desk.emit(AgeChecked(min_age=needed, ok=ok, role=command.role, reason=command.reason))
    for open_ in desk.open_of("age_check"):
        desk.clear(open_, answer=command.action, role=command.role, reason=command.reason)
    if ok:
        return
    for line in list(desk.state.basket.lines.values()):
        item = desk.item(line.sku)
        if item is not None and item.age_min > desk.state.age_ok:
            desk.raise_("sale_blocked", sku=line.sku, line_id=line.line_id, choices=(), reason="age_refused")


def _resolve(desk: Desk, open_: Open, command: StaffCommand) -> None:
    """Staff decides: takes what is there for right (`accept`, the default), or has the line dropped (`remove`)."""
    event, choice = open_.event, command.choice or "accept"
    line = desk.state.basket.lines.get(event.line_id or 0)
    if choice == "remove" and line is not None:
        _drop_pending(desk, open_)
    elif event.reason == NOT_SEEN:
        all_there(desk, open_)
    elif open_.kind in ("wrong_weight", "not_placed") and line is not None and line.pending and needs_scale(line):
        accept_produce(desk, line, open_)
    elif open_.kind == "wrong_weight" and line is not None and line.pending:
        delta_g, ids = settle_by(desk, open_, f"{line.name}, accepted by staff")
        confirm(desk, line.line_id, 1, round(delta_g, 2) if ids else None, "staff", ids, 1.0)
        learn(desk, line.sku, 1, delta_g if ids else 0.0, "staff")
    elif open_.kind == "not_placed" and line is not None and line.pending:
        confirm(desk, line.line_id, line.pending_units, None, "staff")
    elif open_.kind == "extra_unit" and choice == "add":
        _add_extra(desk, open_, "staff")
    elif open_.kind == "which_removed" and choice in event.candidates:
        answer_removed(desk, open_, choice, "said by staff")
    elif open_.kind == "which_removed":
        settle_by(desk, open_, "taken out, accepted by staff")
    elif open_.kind in ("unscanned_item", "extra_unit", "basket_changed", "unpaid_item"):
        _own(desk, open_, "accepted by staff")
    still = desk.state.interventions.get(open_.id)
    if still is not None:
        desk.clear(still, answer=choice, role=command.role, reason=command.reason)


def _void_line(desk: Desk, line_id: int) -> None:
    """Take a line off the bill. What of it lies in the basket is no longer goods: it may be taken out unasked."""
    line = desk.state.basket.lines.get(line_id)
    if line is None or desk.state.phase in ("paying", "paid"):
        return
    weight_g, sku = line.weight_g, line.sku
    desk.emit(ItemRemoved(line_id=line_id, sku=sku, units=line.units, weight_g=None, reason="staff"))
    if weight_g:
        desk.emit(
            OwnThing(
                thing_id=desk.state.last_thing_id + 1, weight_g=weight_g, in_basket=True, declared=False, sigma_g=1.0
            )
        )


def void_trip(desk: Desk, reason: str) -> None:
    """Void every line and end the trip; not while money is asked for."""
    if desk.state.phase not in ("shopping", "checkout"):
        return
    for line in list(desk.state.basket.lines.values()):
        desk.emit(ItemRemoved(line_id=line.line_id, sku=line.sku, units=line.units, weight_g=None, reason="voided"))
    for open_ in list(desk.state.interventions.values()):
        desk.clear(open_, how="void", reason=reason)
    end_trip(desk, reason)
