"""Staff who are called: they come after a while, look into the basket, and put right what the screen has wrong."""

from __future__ import annotations

from cart.bench.trips.shopper import Shopper
from cart.bench.trips.showing import show
from cart.bench.trips.things import Thing
from cart.bench.trips.watch import LAW
from cart.core.view import InterventionView


def call_staff(s: Shopper, why: str) -> None:
    """Press the help key and wait."""
    s.say(f"calls staff: {why}")
    if not any(i.kind == "help" for i in s.rig.view.interventions):
        s.touch("help")
    staff_comes(s)


def staff_comes(s: Shopper) -> None:
    """Staff arrives after a while, looks into the basket, and puts right what the screen has wrong."""
    s.hold((20.0, 60.0))
    kinds = {i.kind for i in s.rig.view.interventions if i.stage == "staff"}
    s.staff_visits += bool(kinds - LAW) or not kinds
    s.say(f"staff has come for {', '.join(sorted(kinds)) or 'nothing'}")
    for asked in list(s.rig.view.interventions):
        if any(i.id == asked.id for i in s.rig.view.interventions):
            _staff_settles(s, asked)
    for sku in dict.fromkeys(line.sku for line in s.rig.view.lines):
        line = s.line_of(sku)
        if line is not None and s.shown(sku) > s.world.units(sku):
            if s.world.units(sku) == 0:
                s.rig.staff("void_line", line=line.line)
            else:
                s.touch("quantity", line=line.line, units=line.units - 1)
    for thing in list(s.world.inside):
        if thing.product is not None and s.shown(thing.sku) < s.world.units(thing.sku):
            show(s, thing)
    s.hold((1.0, 2.0))
    for asked in list(s.rig.view.interventions):
        if asked.kind == "help":
            s.rig.staff("resolve", intervention=asked.id, choice="accept", reason="done")


def by_weight(s: Shopper, asked: InterventionView) -> Thing | None:
    """The loose goods that a question is about."""
    about = (t for t in reversed(s.world.inside) if t.sku == asked.sku and t.product is not None)
    return next((t for t in about if t.product is not None and t.product.item.unit == "kg"), None)


def _weigh_anew(s: Shopper, asked: InterventionView) -> None:
    """Goods without a weight have no price: staff lift them out and put them in alone, and only then accept."""
    thing = by_weight(s, asked)
    if thing is not None:
        s.take(thing, why="by staff, to weigh it alone")
        s.hold((2.0, 3.0))
        s.put(thing, why="by staff, alone")
        s.hold((2.0, 3.0))
    if any(i.id == asked.id for i in s.rig.view.interventions):
        s.rig.staff("resolve", intervention=asked.id, choice="accept", reason="weighed anew")


def _staff_settles(s: Shopper, asked: InterventionView) -> None:
    here = s.world.units(asked.sku)
    if asked.kind == "age_check":
        s.rig.staff("age_ok", reason="passport")
    elif asked.kind == "help":
        return
    elif asked.kind == "which_removed":
        away = next((t.sku for t in s.world.away if any(c.choice == t.sku for c in asked.candidates)), None)
        s.rig.staff("resolve", intervention=asked.id, choice=away or "accept", reason="seen")
    elif asked.kind in ("not_placed", "wrong_weight") and s.shown(asked.sku) > here:
        s.rig.staff("resolve", intervention=asked.id, choice="remove", reason="not there")
    elif asked.kind in ("not_placed", "wrong_weight") and by_weight(s, asked) is not None:
        _weigh_anew(s, asked)
    elif asked.kind == "extra_unit" and s.shown(asked.sku) < here:
        s.rig.staff("resolve", intervention=asked.id, choice="add", reason="seen")
        for thing in s.world.unscanned:
            thing.scanned = thing.scanned or thing.sku == asked.sku
    elif asked.kind == "unscanned_item" and s.world.unscanned:
        for thing in s.world.unscanned:
            show(s, thing)
    else:
        s.rig.staff("resolve", intervention=asked.id, choice="accept", reason="seen")
        for thing in s.world.undeclared:
            thing.scanned = True
