"""The basket: the fold of the ledger's item and own-thing events.

A line holds units in two states. `pending` units were scanned or picked and wait for the basket; `placed` ones are in
it, kept in groups as the scale saw them, because two units put in together are known by their sum and not one by one.
Nothing here infers; `cart.core.reconciliation` reads it and the session writes it through events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cart.core.ledger import ItemAdded, ItemConfirmed, ItemRemoved, ItemReopened, OwnThing, Proof

REMOVED_KEPT = 12
"""Removed units remembered for a put-back: more than a person can hold, few enough to weigh each against each step."""

_PROOF_ORDER: tuple[Proof, ...] = ("weighed", "scanned_only", "shopper", "staff")
_UNKNOWN_SIGMA_G = 1.0


@dataclass(slots=True)
class PendingUnits:
    """`units` added by one event. `expected_g` is the weight of one where its code carries it."""

    units: int
    since_ns: int
    entry: str
    expected_g: float | None = None
    away_ns: int = 0
    """Put back: for how long the units had been out."""
    was: PlacedGroup | None = None
    """Put back: the group that they had been in."""


@dataclass(slots=True)
class PlacedGroup:
    """`units` that went in together. `weight_g` is their sum ± `sigma_g`; None: accepted without being weighed."""

    units: int
    weight_g: float | None
    sigma_g: float
    proof: Proof
    since_ns: int
    step_ids: tuple[int, ...] = ()
    returned: bool = False
    """Taken for a put-back, without a scan."""
    away_ns: int = 0
    scanned_ns: int = 0
    """When its units were scanned or picked, before they went in."""
    rested_ns: int = 0
    """When its movement came to rest; `since_ns` is when that was explained, which may be much later."""
    was: PlacedGroup | None = None
    """Put back: the group that its units had been before they were taken out."""

    @property
    def origin(self) -> PlacedGroup:
        """As what its units had gone in at first, when they were scanned."""
        return self if self.was is None else self.was.origin


@dataclass(slots=True)
class Line:
    """One product at one pinned price. `expected_g` and `code_price_minor` come from a variable-measure code."""

    line_id: int
    sku: str
    name: str
    unit: Literal["each", "kg"]
    unit_price_minor: int
    gtin: str | None
    expected_g: float | None
    code_price_minor: int | None
    opened_ns: int
    pending: list[PendingUnits] = field(default_factory=list)
    placed: list[PlacedGroup] = field(default_factory=list)

    @property
    def pending_units(self) -> int:
        return sum(p.units for p in self.pending)

    @property
    def placed_units(self) -> int:
        return sum(g.units for g in self.placed)

    @property
    def units(self) -> int:
        return self.pending_units + self.placed_units

    @property
    def weight_g(self) -> float | None:
        """What the scale said of the placed units in grams; None while nothing of the line was weighed."""
        known = [g.weight_g for g in self.placed if g.weight_g is not None]
        return sum(known) if known else None

    @property
    def priced_g(self) -> float | None:
        """The net weight in grams that a line sold by weight costs by: its code's, else the scale's."""
        return self.weight_g if self.expected_g is None else self.expected_g * self.units

    @property
    def state(self) -> Literal["pending", "confirmed"]:
        return "pending" if self.pending else "confirmed"

    @property
    def proof(self) -> Proof | None:
        """The weakest proof among the placed units; None while nothing is placed."""
        if not self.placed:
            return None
        return max((g.proof for g in self.placed), key=_PROOF_ORDER.index)


@dataclass(slots=True)
class RemovedUnits:
    """Units that were taken out a while ago, with what the scale said of them, so that they can come back."""

    line: Line
    units: int
    weight_g: float
    sigma_g: float
    at_ns: int
    told: bool = False
    """A person said so: it is less likely to come back."""
    was: PlacedGroup | None = None
    """The group that they were in, where they were all of it."""


@dataclass(slots=True)
class Thing:
    """A bag or coat of the shopper's own. Weight 0, declared and not in the basket: the cart waits for it."""

    thing_id: int
    weight_g: float
    sigma_g: float
    in_basket: bool
    declared: bool
    since_ns: int

    @property
    def waiting(self) -> bool:
        return self.declared and not self.in_basket and self.weight_g == 0.0


def bare(line: Line) -> Line:
    """The line's identity and price without its units."""
    return Line(
        line_id=line.line_id,
        sku=line.sku,
        name=line.name,
        unit=line.unit,
        unit_price_minor=line.unit_price_minor,
        gtin=line.gtin,
        expected_g=line.expected_g,
        code_price_minor=line.code_price_minor,
        opened_ns=line.opened_ns,
    )


@dataclass(slots=True)
class Basket:
    """Lines in the order they were opened, the shopper's own things, and what was recently taken out."""

    lines: dict[int, Line] = field(default_factory=dict)
    things: dict[int, Thing] = field(default_factory=dict)
    removed: list[RemovedUnits] = field(default_factory=list)

    def added(self, t_ns: int, event: ItemAdded) -> None:
        line = self.lines.get(event.line_id)
        if line is None:
            line = Line(
                line_id=event.line_id,
                sku=event.sku,
                name=event.name,
                unit=event.unit,
                unit_price_minor=event.unit_price_minor,
                gtin=event.gtin,
                expected_g=event.expected_g,
                code_price_minor=event.code_price_minor,
                opened_ns=t_ns,
            )
            self.lines[event.line_id] = line
        gone = self._forget_removed(event.line_id, event.units) if event.entry == "returned" else None
        away_ns, was = (0, None) if gone is None else (t_ns - gone.at_ns, gone.was)
        line.pending.append(PendingUnits(event.units, t_ns, event.entry, event.expected_g, away_ns, was))

    def confirmed(self, t_ns: int, event: ItemConfirmed, rested_ns: int) -> None:
        line = self.lines.get(event.line_id)
        if line is None:
            return
        sigma_g = _UNKNOWN_SIGMA_G if event.sigma_g is None else event.sigma_g
        if event.units == 0:
            for group in line.placed:
                if group.weight_g is None:
                    group.weight_g, group.sigma_g, group.step_ids = event.weight_g, sigma_g, event.step_ids
                    return
            return
        back = next((p for p in line.pending if p.entry == "returned"), None)
        if back is not None:
            line.pending.remove(back)
        scanned_ns = line.pending[0].since_ns if line.pending and back is None else t_ns
        if back is None:
            self._take_pending(line, event.units)
        line.placed.append(
            PlacedGroup(
                event.units,
                event.weight_g,
                sigma_g,
                event.proof,
                t_ns,
                event.step_ids,
                returned=back is not None,
                away_ns=0 if back is None else back.away_ns,
                scanned_ns=scanned_ns,
                rested_ns=rested_ns,
                was=None if back is None else back.was,
            )
        )

    def reopened(self, t_ns: int, event: ItemReopened) -> None:
        line = self.lines.get(event.line_id)
        if line is None:
            return
        _, scanned_ns, whole = self._take_placed(line, event.units, event.weight_g)
        if whole is not None:
            scanned_ns = whole.origin.scanned_ns  # before it was taken out and came back
        line.pending.insert(0, PendingUnits(event.units, scanned_ns or t_ns, "scan", line.expected_g))

    def taken(self, t_ns: int, event: ItemRemoved) -> None:
        line = self.lines.get(event.line_id)
        if line is None:
            return
        left = event.units
        sigma_g, was = _UNKNOWN_SIGMA_G, None
        if event.weight_g is None or event.reason == "other_code":
            left = self._take_pending(line, left)
        if left:
            sigma_g, _, was = self._take_placed(line, left, event.weight_g)
        sigma_g = sigma_g if event.sigma_g is None else event.sigma_g
        if event.weight_g is not None and event.reason in ("taken_out", "revised", "other_code"):
            self.removed.append(RemovedUnits(bare(line), event.units, event.weight_g, sigma_g, t_ns, event.told, was))
            del self.removed[:-REMOVED_KEPT]
        if line.units == 0:
            del self.lines[line.line_id]

    def own_thing(self, t_ns: int, event: OwnThing) -> None:
        if not event.declared and not event.in_basket and event.weight_g == 0.0:
            self.things.pop(event.thing_id, None)
            return
        self.things[event.thing_id] = Thing(
            event.thing_id, event.weight_g, event.sigma_g, event.in_basket, event.declared, t_ns
        )

    def rebase(self, shift_ns: int) -> None:
        """Move every time by `shift_ns`: the clock started anew after a power cut."""
        for line in self.lines.values():
            line.opened_ns += shift_ns
            for pending in line.pending:
                pending.since_ns += shift_ns
            for group in line.placed:
                _move(group, shift_ns)
        for removed in self.removed:
            removed.at_ns += shift_ns
            _move(removed.was, shift_ns)
        for thing in self.things.values():
            thing.since_ns += shift_ns

    @property
    def units(self) -> int:
        return sum(line.units for line in self.lines.values())

    @property
    def placed_g(self) -> float:
        """What the basket's explained content weighs in grams: goods as weighed, and own things."""
        goods = sum(line.weight_g or 0.0 for line in self.lines.values())
        return goods + sum(t.weight_g for t in self.things.values() if t.in_basket)

    @property
    def waiting_thing(self) -> Thing | None:
        return next((t for t in self.things.values() if t.waiting), None)

    @staticmethod
    def _take_pending(line: Line, units: int) -> int:
        """Oldest first; the units that were not pending."""
        while units and line.pending:
            first = line.pending[0]
            took = min(units, first.units)
            first.units -= took
            units -= took
            if first.units == 0:
                line.pending.pop(0)
        return units

    @staticmethod
    def _take_placed(line: Line, units: int, weight_g: float | None) -> tuple[float, int, PlacedGroup | None]:
        """Take units from the groups whose units weigh most like `weight_g`; the 1 σ of what was taken in grams, when
        it had been scanned, and the group, where it was all of one.
        """

        def distance(group: PlacedGroup) -> float:
            if weight_g is None or group.weight_g is None:
                return 0.0 if weight_g is group.weight_g else 1e9
            return abs(group.weight_g / group.units - weight_g / units_asked)

        units_asked, left_g, sigma_g, scanned_ns = units, weight_g, _UNKNOWN_SIGMA_G, 0
        whole: PlacedGroup | None = None
        for group in sorted(line.placed, key=distance):
            if units == 0:
                break
            took = min(units, group.units)
            sigma_g, scanned_ns = group.sigma_g, group.scanned_ns
            if took == group.units:
                whole = group if took == units_asked else None
                left_g = None if left_g is None else left_g - (group.weight_g or 0.0)
                line.placed.remove(group)
            else:
                _shrink(group, took, left_g)
            units -= took
        return sigma_g, scanned_ns, whole

    def _forget_removed(self, line_id: int, units: int) -> RemovedUnits | None:
        """The units that come back, as they had been taken out."""
        for index in range(len(self.removed) - 1, -1, -1):
            if self.removed[index].line.line_id == line_id and self.removed[index].units == units:
                return self.removed.pop(index)
        return None


def _move(group: PlacedGroup | None, shift_ns: int) -> None:
    if group is not None:
        group.since_ns += shift_ns
        group.scanned_ns += shift_ns
        group.rested_ns += shift_ns
        _move(group.was, shift_ns)


def _shrink(group: PlacedGroup, took: int, weight_g: float | None) -> None:
    if group.weight_g is not None:
        share_g = group.weight_g * took / group.units
        group.weight_g = max(0.0, group.weight_g - (share_g if weight_g is None else weight_g))
    group.units -= took
