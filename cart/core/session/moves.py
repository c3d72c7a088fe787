"""What an explanation's moves write into the ledger: confirmed, removed and returned units, own things."""

from __future__ import annotations

import math

from cart.core.basket import Line, PlacedGroup, RemovedUnits
from cart.core.interventions import Open
from cart.core.ledger import ItemAdded, ItemConfirmed, ItemRemoved, ItemReopened, OwnThing, Proof
from cart.core.reconciliation import Explanation, Move
from cart.core.session.desk import Desk
from cart.core.session.learning import learn

_SECOND_CODE_NS = 20_000_000_000
_LEANT_NS = 8_000_000_000
"""Nobody leans on a cart for longer with a weight that stays the same."""


def make_moves(desk: Desk, won: Explanation, *, told: bool = False) -> None:
    """Write what an explanation's moves did, each with its share of the weight."""
    total_variance = won.variance_g2
    spread = sum(m.variance_g2 for m in won.moves)
    # What comes back leaves the list of what is gone: the last of it first, or the others' places would move.
    for move in sorted(won.moves, key=lambda m: -m.key if m.kind == "return" else 0):
        part = move.variance_g2 / spread if spread > 0.0 else 1.0 / len(won.moves)
        weight_g = move.mean_g + part * won.residual_g
        if len(won.moves) == 1:
            sigma_g = math.sqrt(max(0.01, total_variance - move.variance_g2))
        else:
            sigma_g = math.sqrt(max(0.01, move.variance_g2 * (1.0 - move.variance_g2 / max(total_variance, 1e-9))))
        _make_move(desk, move, weight_g, sigma_g, won.step_ids, told=told, alone=len(won.moves) == 1)


def _make_move(
    desk: Desk, move: Move, weight_g: float, sigma_g: float, step_ids: tuple[int, ...], *, told: bool, alone: bool
) -> None:
    weight_g, sigma_g = round(weight_g, 2), round(sigma_g, 3)
    match move.kind:
        case "place" | "light":
            readable = _unread_before(desk, move) if move.kind == "place" else []
            sku = desk.state.basket.lines[move.key].sku
            proof: Proof = "shopper" if move.word else "weighed"
            confirm(desk, move.key, move.units, weight_g, proof, step_ids, sigma_g)
            if alone:
                learn(desk, sku, move.units, weight_g, proof)
            for open_ in readable:
                desk.clear(open_, how="scan", reason="another code of it was read")
        case "take" if not told and _leant_on(desk, move, step_ids):
            # It rose and fell again by what may be a hand's weight, and the thing may lie under the basket.
            desk.emit(
                ItemReopened(
                    line_id=move.key, sku=move.sku, units=move.units, weight_g=-weight_g, reason="leant_on"
                )
            )  # fmt: skip
        case "take":
            desk.emit(
                ItemRemoved(
                    line_id=move.key, sku=move.sku, units=move.units, weight_g=-weight_g, reason="taken_out",
                    step_ids=step_ids, told=told,
                )
            )  # fmt: skip
        case "return":
            put_back(desk, desk.state.basket.removed[move.key], weight_g, sigma_g, step_ids)
        case "own_in" | "own_out" | "own_declared":
            thing = desk.state.basket.things[move.key]
            desk.emit(
                OwnThing(
                    thing_id=move.key,
                    weight_g=abs(weight_g) if move.kind == "own_declared" else thing.weight_g,
                    in_basket=move.kind != "own_out",
                    declared=thing.declared,
                    step_ids=step_ids,
                    sigma_g=sigma_g if move.kind == "own_declared" else thing.sigma_g,
                )
            )


def _leant_on(desk: Desk, move: Move, step_ids: tuple[int, ...]) -> bool:
    """Whether a bulky thing went in and out again so soon that it may have been someone leaning on the basket."""
    item = desk.item(move.sku)
    if item is None or (item.weight_g or 0.0) < desk.policy.bulky_item_g:
        return False
    began_ns = min((s.began_ns for s in desk.state.recent_steps if s.step_id in step_ids), default=0)
    placed = desk.state.basket.lines[move.key].placed
    return any(
        group.proof == "weighed"
        and not group.returned
        and group.units == move.units
        and 0 <= began_ns - group.rested_ns <= _LEANT_NS
        for group in placed
    )


def _unread_before(desk: Desk, move: Move) -> list[Open]:
    """Unknown codes scanned just before what is now put in: its other code, or the basket would weigh more."""
    line = desk.state.basket.lines[move.key]
    scanned_ns = max((p.since_ns for p in line.pending), default=0)
    return [o for o in desk.open_of("unknown_barcode") if 0 <= scanned_ns - o.raised_ns <= _SECOND_CODE_NS]


def confirm(
    desk: Desk,
    line_id: int,
    units: int,
    weight_g: float | None,
    proof: Proof,
    step_ids: tuple[int, ...] = (),
    sigma_g: float | None = None,
) -> None:
    """Units of a line are in the basket, by this proof."""
    line = desk.state.basket.lines[line_id]
    desk.emit(
        ItemConfirmed(
            line_id=line_id, sku=line.sku, units=units, weight_g=weight_g, proof=proof, step_ids=step_ids,
            sigma_g=sigma_g,
        )
    )  # fmt: skip


def put_back(desk: Desk, gone: RemovedUnits, weight_g: float, sigma_g: float, step_ids: tuple[int, ...]) -> None:
    """Units that were taken out are in again, and weigh so much by these steps."""
    line = gone.line
    desk.emit(
        ItemAdded(
            line_id=line.line_id,
            sku=line.sku,
            name=line.name,
            units=gone.units,
            unit=line.unit,
            unit_price_minor=line.unit_price_minor,
            gtin=line.gtin,
            entry="returned",
            expected_g=line.expected_g,
            code_price_minor=line.code_price_minor,
        )
    )
    confirm(desk, line.line_id, gone.units, weight_g, "weighed", step_ids, sigma_g)


def undo_removal(desk: Desk, gone: RemovedUnits) -> None:
    """Units that were taken for removed have lain there all the while, as they went in."""
    put_back(desk, gone, gone.weight_g, gone.sigma_g, gone.was.step_ids if gone.was is not None else ())


def undo_put_back(desk: Desk, line: Line, group: PlacedGroup) -> None:
    """A group that was taken for a put-back is out as it was before."""
    desk.emit(
        ItemRemoved(
            line_id=line.line_id, sku=line.sku, units=group.units, weight_g=group.weight_g, reason="revised",
            step_ids=group.step_ids, sigma_g=group.sigma_g,
        )
    )  # fmt: skip
