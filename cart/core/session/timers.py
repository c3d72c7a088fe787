"""What time alone does: hints become questions, waiting units are asked about, forgotten trips end."""

from __future__ import annotations

from collections.abc import Iterator

from cart.core.interventions import OPEN_MAX
from cart.core.ledger import Phase
from cart.core.session.answers import void_trip
from cart.core.session.desk import Desk
from cart.core.session.payment import follow, give_back_left, unloaded
from cart.core.session.phases import emptied, end_trip, not_placed_choices, waits_its_turn
from cart.core.session.revision import before_asking, second_thoughts
from cart.core.session.weight import ask_better, reconcile
from cart.core.session.window import awaited_ns

_MOVING_S = 20.0
"""Longer than that a basket that never rests keeps nobody from being asked."""
_ASKING: frozenset[Phase] = frozenset({"shopping", "checkout"})


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def next_due_ns(desk: Desk) -> int | None:
    """The earliest timer of the trip itself, without payment and weighing."""
    return min((due for due, _ in _timers(desk)), default=None)


def _timers(desk: Desk) -> Iterator[tuple[int, tuple[str, int]]]:
    """Every running timer: when it is due, and what it is about."""
    state, policy = desk.state, desk.policy
    if state.phase not in _ASKING:
        return
    for open_ in state.interventions.values():
        if open_.stage == "hint" and not waits_its_turn(desk, open_):
            yield open_.stage_ns + _ns(policy.hint_s), ("hint", open_.id)
    # Beyond the bound nothing more is asked; the questions that are open hold checkout anyway.
    if desk.scale_fault is None and len(state.interventions) < OPEN_MAX:
        # A basket in motion may be taking the thing in right now, or be leant on: nothing is missing until it rests.
        patience_s = policy.not_placed_s + (0.0 if desk.live.stable else _MOVING_S)
        named = {o.event.line_id for o in desk.open_of("not_placed", "wrong_weight")}
        doubted = any(s.delta_g > 0.0 for s in state.open_steps.values())  # it may be what is asked about already
        for line in state.basket.lines.values():
            if line.pending and line.line_id not in named and not doubted:
                yield awaited_ns(desk, line) + _ns(patience_s), ("not_placed", line.line_id)
    bare = not state.basket.lines and not state.interventions and not state.open_steps
    if bare and (emptied(desk) or desk.scale_fault is not None):
        yield state.last_act_ns + _ns(policy.empty_idle_s), ("empty", 0)
    yield state.last_act_ns + _ns(policy.abandon_s), ("abandon", 0)


def run_due(desk: Desk) -> None:
    """Do what is due at this observation's time."""
    desk.cause = "basket"
    for due_ns, (what, about) in sorted(_timers(desk)):
        if due_ns > desk.t_ns:
            break
        _run(desk, what, about)
    payment_ns = desk.payments.next_deadline_ns
    if payment_ns is not None and payment_ns <= desk.t_ns:
        desk.carry(desk.payments.tick(desk.t_ns))
        follow(desk)
    give_back_left(desk)
    unloaded(desk)


def _run(desk: Desk, what: str, about: int) -> None:
    if what == "hint":
        open_ = desk.state.interventions.get(about)
        if open_ is not None and open_.event.step_ids:
            reconcile(desk)  # what might have shown has not by now
            if second_thoughts(desk):
                reconcile(desk)
            open_ = desk.state.interventions.get(about)
            open_ = ask_better(desk, open_) if open_ is not None else None
        if open_ is not None and not waits_its_turn(desk, open_):
            desk.restage(open_, "question")
            desk.sound("attention")
    elif what == "not_placed":
        line = desk.state.basket.lines.get(about)
        if line is not None and not before_asking(desk, line):
            desk.raise_("not_placed", sku=line.sku, line_id=line.line_id, choices=not_placed_choices(desk, line))
    elif what == "empty":
        end_trip(desk, "empty")
    elif what == "abandon":
        void_trip(desk, "abandoned")
