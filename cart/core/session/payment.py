"""Paying and what follows: the frozen basket, the till's answers, the receipt, unloading."""

from __future__ import annotations

import math

from cart.core.frozen_basket import HashedLine, basket_hash
from cart.core.ledger import ReceiptIssued, StepExplained
from cart.core.observations import PaymentAnswer
from cart.core.payment import TILL_METHOD
from cart.core.receipt import ReceiptTender, SoldLine, make_receipt
from cart.core.session.desk import Cause, Desk, PayWish
from cart.core.session.phases import emptied, end_trip, go, waits_for
from cart.core.session.weight import reconcile, required_age, settle_by, tidy

EBT_METHOD = "ebt"
"""A food benefits card: pays what the catalogue says it may, or less; the rest is another tender's."""

PAID_AT_TILL = "paid_at_till"
"""Why staff is called: the shopper wants a part back that was paid by hand."""

_WISH_NS = 20_000_000_000
"""Who has touched pay waits this long for the basket to rest, and the screen says so all the while. As long as a basket
that never rests keeps anybody from being asked (`timers`); whoever is still there then touches it again."""
_UNLOAD_SIGMAS = 4.0
_UNLOAD_G = 2.0
_UNLOADED_QUIET_S = 3.0
_NOTHING_TO_UNLOAD_S = 60.0
"""A basket of things too light to see: the receipt stays this long."""
_BLIND_IDLE_S = 300.0
"""Without a scale nobody sees the basket emptied."""


def methods(desk: Desk) -> list[str]:
    """How this cart lets people pay now: not at all in training; only by the code for a till while the network is
    gone, or the store hasn't yet seen this boot's ledger. That may have been cut back and paid already; the till knows.
    """
    if desk.training:
        return []
    if not online(desk):
        return [TILL_METHOD]
    others = ["wallet", "card", TILL_METHOD]
    return [EBT_METHOD, *others] if ebt_minor(desk) > 0 else others


def ebt_minor(desk: Desk) -> int:
    """What a benefits card may pay yet: the goods of the lines that the catalogue allows, less what such cards have
    paid of them. Deposits, and goods on which a tax is added, are the other tender's.
    """
    if desk.state.trip_id is None:
        return 0
    priced = desk.priced()
    allowed = [line.line_id for line in desk.state.basket.lines.values() if _takes_benefits(desk, line.sku)]
    goods_minor = sum(priced.lines[i].price_minor - priced.lines[i].deposit_minor for i in allowed)
    tenders = desk.payments.tenders(desk.state.trip_id)
    return goods_minor - sum(one.taken_minor for one in tenders if one.method == EBT_METHOD)


def _takes_benefits(desk: Desk, sku: str) -> bool:
    """Not goods on which a tax is added: of what benefits pay none may be taken (7 CFR 272.1(b)), and here it would."""
    item = desk.item(sku)
    if item is None or not item.ebt:
        return False
    tax = desk.index.catalog.taxes.get(item.tax)
    return tax is None or tax.included or tax.rate_bp == 0


def rest_minor(desk: Desk) -> int:
    """What is left to pay of a basket of which a part is paid; 0 where none is, or all of it."""
    held = desk.payments.tenders(desk.state.trip_id or "")
    if desk.state.phase != "paying" or not held or desk.payments.giving_back:
        return 0
    return max(0, held[0].basket_minor - sum(one.taken_minor for one in held))


def online(desk: Desk) -> bool:
    return not any(part in ("network", "payment") for part, _ in desk.state.faults)


def pay_waits_for(desk: Desk) -> list[str]:
    """What keeps checkout from asking for money."""
    waiting = waits_for(desk)
    if required_age(desk) > desk.state.age_ok:
        waiting.append("age_check")
    if any(part == "journal" for part, _ in desk.state.faults):
        waiting.append("journal")
    if desk.scale_fault is None and desk.live.gross_g is not None and not desk.live.stable:
        waiting.append("settling")
    return waiting


def frozen_hash(desk: Desk) -> str:
    """The hash of the basket as it is now."""
    priced = desk.priced()
    lines = [
        HashedLine(line.line_id, line.sku, line.units, line.weight_g, priced.lines[line.line_id].price_minor)
        for line in desk.state.basket.lines.values()
    ]
    currency = desk.index.catalog.currency
    return basket_hash(desk.state.trip_id or "", currency, priced.total_minor, lines)


def pay(desk: Desk, method: str) -> None:
    """Ask for the money, or for the rest of it, or turn an attempt that gets no answer into a code for a till."""
    state = desk.state
    if state.phase == "paying":
        if rest_minor(desk) > 0 and desk.payments.can_open:
            _pay_rest(desk, method)
        elif method == TILL_METHOD:
            desk.carry(desk.payments.hand_to_till(desk.t_ns))
        return
    waiting = pay_waits_for(desk)
    if state.phase == "checkout" and method in methods(desk) and waiting == ["settling"]:
        desk.wish = PayWish(method, state.basket_revision, desk.t_ns + _WISH_NS)
        return
    if state.phase != "checkout" or method not in methods(desk) or waiting:
        desk.sound("attention")
        return
    desk.wish = None
    total_minor = desk.priced().total_minor
    if total_minor <= 0:
        _paid(desk, "", "none", "")
        return
    if not desk.payments.can_open or state.trip_id is None:
        return
    go(desk, "paying", method)
    if method == EBT_METHOD:
        _ask(desk, method, min(ebt_minor(desk), total_minor), frozen_hash(desk), basket_minor=total_minor)
    else:
        _ask(desk, method, total_minor, frozen_hash(desk))


def _pay_rest(desk: Desk, method: str) -> None:
    """Another tender for the basket as it was frozen for the first one."""
    waiting = desk.open_of("basket_changed") or any(part == "journal" for part, _ in desk.state.faults)
    if method not in methods(desk) or waiting:
        desk.sound("attention")
        return
    first = desk.payments.tenders(desk.state.trip_id or "")[0]
    amount_minor = rest_minor(desk)
    if method == EBT_METHOD:
        amount_minor = min(amount_minor, ebt_minor(desk))
    _ask(desk, method, amount_minor, first.basket_hash, basket_minor=first.basket_minor)


def _ask(desk: Desk, method: str, amount_minor: int, frozen: str, *, basket_minor: int = 0) -> None:
    trip_id = desk.state.trip_id or ""
    desk.carry(
        desk.payments.open(
            desk.t_ns, f"{trip_id}.{desk.state.attempts + 1}", trip_id, amount_minor, desk.index.catalog.currency,
            frozen, method, basket_minor=basket_minor, partial=method == EBT_METHOD,
        )
    )  # fmt: skip
    if method == TILL_METHOD:
        desk.carry(desk.payments.hand_to_till(desk.t_ns))


def take_back(desk: Desk) -> None:
    """The shopper withdraws what is being asked for; where nothing is, what a part of the basket was paid with."""
    attempt = desk.payments.current
    if attempt is not None and not attempt.terminal:
        desk.carry(desk.payments.cancel(desk.t_ns))
    else:
        _give_back(desk)


def _give_back(desk: Desk) -> None:
    """What paid a part of the basket goes back; staff is called for what people at a till took of it."""
    desk.carry(desk.payments.give_back(desk.t_ns))
    by_hand = any(one.by_hand for one in desk.payments.tenders(desk.state.trip_id or ""))
    if by_hand and not desk.open_of("help"):
        desk.raise_("help", reason=PAID_AT_TILL)


def _call_no_more(desk: Desk, how: Cause) -> None:
    """What staff was called for has been given back, or the rest was paid after all."""
    for open_ in desk.open_of("help"):
        if open_.event.reason == PAID_AT_TILL:
            desk.clear(open_, how=how, reason="payment ended")


def grant_wish(desk: Desk) -> None:
    """Start the payment that was touched while the basket still moved, or forget it: at most once, for this basket."""
    wish = desk.wish
    if wish is None:
        return
    state = desk.state
    waiting = pay_waits_for(desk)
    if state.phase != "checkout" or state.basket_revision != wish.basket_revision or state.locked or desk.journal_down:
        desk.wish = None
    elif not waiting:
        pay(desk, wish.method)
    elif waiting != ["settling"] or desk.t_ns >= wish.until_ns:
        desk.wish = None
        desk.sound("attention")


def answered(desk: Desk, answer: PaymentAnswer) -> None:
    """A word of the till; only a matching approval makes the trip paid."""
    desk.carry(desk.payments.answer(desk.t_ns, answer))
    follow(desk)


def follow(desk: Desk) -> None:
    """Bring the trip's phase after its attempt."""
    attempt = desk.payments.current
    if attempt is None or desk.state.phase != "paying" or attempt.trip_id != desk.state.trip_id:
        return
    held = desk.payments.tenders(attempt.trip_id)
    if held and sum(one.taken_minor for one in held) >= (held[0].basket_minor or held[0].amount_minor):
        _paid(desk, held[-1].attempt_id, held[-1].method, held[-1].reference)
    elif attempt.terminal and not held and not desk.payments.giving_back:
        _reopen(desk, attempt.reason or attempt.state)


def _reopen(desk: Desk, reason: str) -> None:
    go(desk, "checkout", reason)
    _call_no_more(desk, "staff")
    desk.cause = "basket"
    for open_ in desk.open_of("basket_changed"):
        desk.clear(open_, reason="payment ended")
    if desk.state.open_steps:
        go(desk, "shopping", "basket changed while paying")
    reconcile(desk)


def _paid(desk: Desk, attempt_id: str, method: str, reference: str) -> None:
    state = desk.state
    sold = [
        SoldLine(pricing, line.name, line.proof or "scanned_only")
        for pricing, line in zip(desk.pricing_lines(), state.basket.lines.values(), strict=True)
    ]
    receipt = make_receipt(
        sold,
        desk.priced(),
        desk.index,
        trip_id=state.trip_id or "",
        attempt_id=attempt_id,
        store_id=desk.store_id,
        cart_id=desk.cart_id,
        language=state.language,
        method=method,
        reference=reference,
        staff_interventions=state.staff_involved,
        training=desk.training,
        tenders=[
            ReceiptTender(
                attempt_id=one.attempt_id, method=one.method, amount_minor=one.taken_minor, reference=one.reference,
                refunded_minor=one.refunded_minor,
            )
            for one in desk.payments.tenders(state.trip_id or "")
        ],
    )  # fmt: skip
    go(desk, "paid", "approved")
    _call_no_more(desk, "shopper")
    desk.emit(ReceiptIssued(receipt=receipt))
    desk.sound("ok")
    put_in = [s for s in state.open_steps.values() if s.delta_g > 0.0]
    for open_ in desk.open_of("basket_changed"):
        desk.clear(open_, how="basket", reason="paid")
    for step in put_in:
        desk.raise_("unpaid_item", delta_g=round(step.delta_g, 1), step_ids=(step.step_id,))


def frozen_step(desk: Desk, step_id: int) -> None:
    """A weight step while paying: only the frozen basket is paid for, so it must be undone, or paying withdrawn."""
    desk.cause = "basket"
    steps = desk.state.open_steps
    open_ = desk.open_of("basket_changed")
    if open_ and _even(desk):
        desk.emit(
            StepExplained(step_ids=tuple(steps), won="what changed while paying was undone", margin=99.0, considered=())
        )
        tidy(desk)
        return
    desk.raise_("basket_changed", delta_g=round(steps[step_id].delta_g, 1), step_ids=(step_id,))
    desk.sound("attention")


def _even(desk: Desk) -> bool:
    """True where the open steps add up to nothing."""
    steps = desk.state.open_steps.values()
    sigma_g = math.sqrt(sum(s.sigma_g**2 for s in steps))
    return abs(desk.state.net_open_g) < _UNLOAD_G + _UNLOAD_SIGMAS * sigma_g


def paid_step(desk: Desk, step_id: int) -> None:
    """After paying: out is unloading, in is unpaid, unless the unpaid thing itself comes out again."""
    desk.cause = "basket"
    step = desk.state.open_steps[step_id]
    if step.delta_g > 0.0:
        if len(desk.state.open_steps) > 1 and _even(desk):
            settle_steps(desk, tuple(desk.state.open_steps), "what changed while paying was undone")
            tidy(desk)
        elif step.delta_g >= desk.policy.light_item_g:
            desk.raise_("unpaid_item", delta_g=round(step.delta_g, 1), step_ids=(step_id,))
            desk.sound("attention")
        else:
            settle_steps(desk, (step_id,), "less than the scale can see")
        return
    for other in list(desk.state.open_steps.values()):
        sigma_g = math.hypot(step.sigma_g, other.sigma_g)
        if other.delta_g > 0.0 and abs(step.delta_g + other.delta_g) < _UNLOAD_G + _UNLOAD_SIGMAS * sigma_g:
            settle_steps(desk, (other.step_id, step_id), "what was put in after paying was taken out again")
            tidy(desk)
            return
    settle_steps(desk, (step_id,), "unloading")


def settle_steps(desk: Desk, ids: tuple[int, ...], won: str) -> None:
    desk.emit(StepExplained(step_ids=ids, won=won, margin=99.0, considered=()))


def left_half_paid_ns(desk: Desk) -> int | None:
    """When a shopper who paid a part and did no more is taken to have left; None where it isn't so, or where all of it
    is for staff to give back, who are called.
    """
    if rest_minor(desk) == 0 or not desk.payments.can_open:
        return None
    tenders = desk.payments.tenders(desk.state.trip_id or "")
    if desk.open_of("help") and all(one.by_hand for one in tenders):
        return None
    return desk.state.last_act_ns + int(desk.policy.abandon_s * 1e9)


def give_back_left(desk: Desk) -> None:
    """What a shopper paid who left before paying the rest goes back to the card."""
    due_ns = left_half_paid_ns(desk)
    if due_ns is not None and due_ns <= desk.t_ns:
        _give_back(desk)
        follow(desk)


def unloaded(desk: Desk) -> None:
    """Back to idle once the basket is empty after paying, and the receipt could be read."""
    due_ns = unloaded_due_ns(desk)
    if due_ns is None or desk.t_ns < due_ns:
        return
    for open_ in desk.open_of("unpaid_item"):
        settle_by(desk, open_, "the basket is empty")
        desk.clear(open_, how="basket")
    end_trip(desk, "unloaded")


def unloaded_due_ns(desk: Desk) -> int | None:
    """When a paid trip ends if nothing else happens; None while something is still in the basket."""
    state = desk.state
    if state.phase != "paid":
        return None
    if desk.scale_fault is not None:
        return state.last_act_ns + int(_BLIND_IDLE_S * 1e9)
    if not desk.live.stable or not emptied(desk):
        return None
    quiet_s = _UNLOADED_QUIET_S if state.unloaded_g < 0.0 else _NOTHING_TO_UNLOAD_S
    return state.last_act_ns + int(quiet_s * 1e9)
