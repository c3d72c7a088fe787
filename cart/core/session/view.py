"""The screen's view of the trip, made from the state and the live weight."""

from __future__ import annotations

from cart.core.basket import Line
from cart.core.interventions import Open
from cart.core.pricing import PricedBasket
from cart.core.session.desk import Desk
from cart.core.session.looks import guesses
from cart.core.session.payment import ebt_minor, methods, online, pay_waits_for, rest_minor
from cart.core.session.phases import waits_for
from cart.core.view import (
    CandidateView,
    InterventionView,
    LineView,
    NoticeView,
    PaymentView,
    ProduceView,
    TenderView,
    TripView,
    WeightView,
)


def trip_view(desk: Desk, revision: int) -> TripView:
    """One value for the page. Linear in lines and open interventions; prices are kept between changes."""
    state, catalog = desk.state, desk.index.catalog
    priced = desk.priced()
    waiting = pay_waits_for(desk) if state.phase == "checkout" else waits_for(desk)
    return TripView(
        revision=revision,
        phase=state.phase,
        trip_id=state.trip_id,
        training=desk.training,
        online=online(desk),
        locked=state.locked,
        currency=catalog.currency,
        locale=catalog.locale,
        language=state.language,
        languages=list(desk.languages),
        lines=[_line(desk, line, priced) for line in state.basket.lines.values()],
        units=state.basket.units,
        total_minor=priced.total_minor,
        savings_minor=priced.savings_minor,
        tax_minor=priced.tax_minor,
        interventions=[_intervention(desk, open_) for open_ in state.interventions.values()],
        weight=WeightView(net_g=_net_g(desk), stable=desk.live.stable, over_capacity=desk.over_capacity),
        produce=_produce(desk, priced),
        own_bag_waiting=state.basket.waiting_thing is not None,
        notices=[NoticeView(part=part, fault=fault) for part, fault in state.faults],
        payment=_payment(desk),
        receipt=state.receipt,
        can_checkout=state.phase == "shopping" and not waiting,
        checkout_waits_for=waiting,
        methods=methods(desk),
        pay_when_still=desk.wish.method if desk.wish is not None else None,
        ebt_minor=max(0, ebt_minor(desk)),
        guesses=guesses(desk) if state.phase in ("idle", "shopping", "checkout") else [],
    )


def _net_g(desk: Desk) -> float | None:
    """What lies in the basket beyond what is explained: the change since the last rest, and what is open of it."""
    if desk.live.gross_g is None:
        return None
    return round(desk.live.gross_g - (desk.state.gross_g or 0.0) + desk.state.net_open_g, 1)


def _line(desk: Desk, line: Line, priced: PricedBasket) -> LineView:
    item = desk.item(line.sku)
    price = priced.lines[line.line_id]
    return LineView(
        line=line.line_id,
        sku=line.sku,
        name=line.name,
        names=item.names if item is not None else {},
        units=line.units,
        placed=line.placed_units,
        unit=line.unit,
        unit_price_minor=line.unit_price_minor,
        weight_g=desk.priced_g(line) if line.unit == "kg" else line.weight_g,
        price_minor=price.price_minor,
        savings_minor=price.savings_minor,
        deposit_minor=price.deposit_minor,
        state=line.state,
        proof=line.proof,
    )


def _intervention(desk: Desk, open_: Open) -> InterventionView:
    event = open_.event
    item = desk.item(event.sku) if event.sku is not None else None
    candidates = []
    for sku in event.candidates:
        found = desk.item(sku)
        if found is not None:
            candidates.append(
                CandidateView(choice=sku, sku=sku, name=found.name, names=found.names, price_minor=found.price_minor)
            )
    return InterventionView(
        id=event.id,
        kind=event.intervention,
        stage=event.stage,
        sku=event.sku,
        line=event.line_id,
        name=item.name if item is not None else None,
        candidates=candidates,
        choices=list(event.choices),
        delta_g=event.delta_g,
        reason=event.reason,
    )


def _produce(desk: Desk, priced: PricedBasket) -> ProduceView | None:
    """The produce that waits on the scale; or just got its weight, until the next thing happens."""
    for line in reversed(desk.state.basket.lines.values()):
        if line.unit != "kg" or line.expected_g is not None:
            continue
        settled = not line.pending and any(g.since_ns == desk.state.last_item_ns for g in line.placed)
        if not line.pending and not settled:
            continue
        return ProduceView(
            line=line.line_id,
            sku=line.sku,
            name=line.name,
            unit_price_minor=line.unit_price_minor,
            net_g=desk.priced_g(line) if settled else _net_g(desk),
            stable=desk.live.stable,
            price_minor=priced.lines[line.line_id].price_minor if settled else None,
        )
    return None


def _payment(desk: Desk) -> PaymentView | None:
    attempt = desk.payments.current
    if attempt is None or attempt.trip_id != desk.state.trip_id or desk.state.trip_id is None:
        return None
    return PaymentView(
        attempt_id=attempt.attempt_id,
        state=attempt.state,
        amount_minor=attempt.amount_minor,
        reason=attempt.reason,
        code=attempt.code,
        method=attempt.method,
        paid=[
            TenderView(method=one.method, amount_minor=one.taken_minor)
            for one in desk.payments.tenders(desk.state.trip_id)
        ],
        rest_minor=rest_minor(desk),
        giving_back=desk.payments.giving_back,
    )
