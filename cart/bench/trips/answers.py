"""How people answer what the cart asks: honestly, by what they remember of their own hands.

A person who did nothing wrong and is asked all the same takes the thing out and puts it in again, and then calls staff.
A cheat who is asked complies or lies, as drawn for each; both are here, because the screen is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from cart.bench.trips.rig import SECOND_NS
from cart.bench.trips.shopper import Shopper
from cart.bench.trips.showing import show
from cart.bench.trips.staff import by_weight, call_staff, staff_comes
from cart.bench.trips.things import Thing
from cart.core.view import InterventionView

TRIES_MAX = 2
"""Puzzled this often, a person calls staff."""
ASKS_FOR_A_SCAN = frozenset({"unscanned_item", "wrong_weight", "wrong_item"})
"""The screen's own words are "scan the item you put in" and "scan it again"."""
NOT_ALONE = "not_alone"
"""The reason for which the screen says "please put it in on its own"."""
NOT_SEEN = "not_seen"
"""The reason for which it asks before paying whether some things are in the basket."""
TOO_LIGHT = "below_minimum"
"""The reason for which it says "it is too light to be weighed here"."""
OBEYS = 0.5
"""How often people who have scanned it scan it again because the screen says so."""
REMEMBERS_S = 60.0
"""Asked what was taken out, a person thinks of what left the basket in the last minute."""
NEAR = 0.15
"""A shopper recognises the weight on the screen as that of their own thing if it is so near."""
TAPS = 0.65
"""How often a removal is told on the screen rather than by scanning."""


def respond(s: Shopper, asked: InterventionView, attempt: int) -> None:
    """Answer one intervention, for the n-th time."""
    if asked.stage == "staff":
        staff_comes(s)
        return
    answer = _ANSWERS.get(asked.kind)
    if answer is None or not answer(s, asked, attempt):
        _puzzled(s, asked, attempt)


def _admitted(s: Shopper, asked: InterventionView) -> list[Thing]:
    """What the shopper knows to be unscanned and will own up to: of what they hide, only what the question is about."""
    return [thing for thing in s.world.unscanned if not thing.cheat or _caught(s, asked, thing)]


def _caught(s: Shopper, asked: InterventionView, thing: Thing) -> bool:
    off_g = math.inf if asked.delta_g is None else abs(abs(asked.delta_g) - thing.weight_g)
    offered = any(candidate.choice == thing.sku for candidate in asked.candidates)
    return s.newest_at(asked.id) is thing or offered or off_g <= NEAR * thing.weight_g


def _unscanned(s: Shopper, asked: InterventionView, attempt: int) -> bool:
    unscanned = _admitted(s, asked)
    owns = s.world.undeclared
    if s.lies and unscanned and "mine" in asked.choices:
        s.tap(asked, "mine")
        unscanned[0].scanned = True
        return True
    own = _meant_own(s, asked, owns, unscanned)
    if own is not None and "mine" in asked.choices:
        s.tap(asked, "mine")
        own.scanned = True
        return True
    if unscanned:
        offered = {candidate.choice for candidate in asked.candidates}
        for thing in unscanned:
            if thing.sku in offered and s.chance(TAPS):
                _pick(s, asked, thing)
                offered.clear()  # one tap answers it
            else:
                show(s, thing)
        return True
    missing = _missing_on_screen(s)
    if missing is not None and not missing.cheat:
        s.say(f"sees that {missing.name} is missing on the screen")
        show(s, missing)
        return True
    return attempt > 0 and _stand_by(s, asked, "all_scanned")


def _pick(s: Shopper, asked: InterventionView, thing: Thing) -> None:
    """It is among the camera's guesses on the screen: a tap instead of a scan."""
    s.tap(asked, thing.sku or "")
    s.note("scan", [thing], "picked among the guesses")
    thing.scanned = True
    s.hold((0.6, 1.2))


def _meant_own(s: Shopper, asked: InterventionView, owns: list[Thing], unscanned: list[Thing]) -> Thing | None:
    """The shopper's own thing that the question is about: it had gone in when the question came up, or weighs so."""
    for own in owns:
        newest = s.newest_at(asked.id) is own
        off_g = math.inf if asked.delta_g is None else abs(own.weight_g - asked.delta_g)
        if all(off_g < abs(t.weight_g - (asked.delta_g or 0.0)) for t in unscanned) and (
            newest or off_g <= NEAR * own.weight_g
        ):
            return own
    return None


def _missing_on_screen(s: Shopper) -> Thing | None:
    """Of the last things put in, one that the screen does not list often enough."""
    for thing in [t for t in reversed(s.world.inside) if t.product is not None][:4]:
        if s.world.units(thing.sku) > s.shown(thing.sku):
            return thing
    return None


def _extra(s: Shopper, asked: InterventionView, attempt: int) -> bool:
    same = [t for t in s.world.unscanned if t.sku == asked.sku]
    if same and s.chance(0.7) and "add" in asked.choices:
        s.tap(asked, "add")
        for thing in same[:1]:
            thing.scanned = True
            s.note("scan", [thing], "added")
        return True
    return _unscanned(s, asked, attempt)


def _wrong_weight(s: Shopper, asked: InterventionView, attempt: int) -> bool:
    if asked.reason == NOT_ALONE and not s.lies:
        return _alone(s, asked, attempt)
    if asked.reason == TOO_LIGHT and _leave(s, asked):
        return True
    unscanned = _admitted(s, asked)
    if unscanned:
        for thing in unscanned:
            s.take(thing, why="it is another than scanned")
            s.hold((0.5, 1.5))
            s.scan(thing, "rightly")
            s.hold((0.5, 1.5))
            s.put(thing)
            s.hold((0.8, 1.5))
        _drop_surplus(s, asked.sku)
        return True
    if _drop_surplus(s, asked.sku):
        return True
    if attempt == 0:
        return False
    return _stand_by(s, asked, "insist")


def _leave(s: Shopper, asked: InterventionView) -> bool:
    """Told that their loose goods are too light to be weighed here, people leave them; whether they had any."""
    thing = by_weight(s, asked)
    if thing is None or asked.stage == "hint":
        return False
    s.answered += 1
    s.take(thing, why="too light to be sold here", for_good=True)
    s.hold((0.8, 2.0))
    _drop_surplus(s, asked.sku)
    return True


def _alone(s: Shopper, asked: InterventionView, attempt: int) -> bool:
    """Asked to put loose goods in on their own, people do; nobody says of a handful that it was one thing."""
    thing = next((t for t in reversed(s.world.inside) if t.sku == asked.sku), None)
    if thing is None or asked.stage == "hint":
        return False
    if attempt >= TRIES_MAX:
        call_staff(s, "it has gone in alone by now")
        return True
    s.answered += 1
    s.take(thing, why="to put it in on its own")
    s.hold((1.2, 3.0))
    s.put(thing, why="on its own, as asked")
    s.hold((1.5, 3.0))
    return True


def _stand_by(s: Shopper, asked: InterventionView, choice: str) -> bool:
    """Say that it is right as it is; whether that was an answer. Staff comes only if the cart calls them."""
    if choice not in asked.choices:
        return False
    s.tap(asked, choice)
    s.hold((0.5, 1.0))
    if any(i.id == asked.id and i.stage == "staff" for i in s.rig.view.interventions):
        staff_comes(s)
    return True


def _wrong_item(s: Shopper, asked: InterventionView, attempt: int) -> bool:
    """Asked to scan what was put in: who has scanned it scans it again, and stands by it if asked once more."""
    if _admitted(s, asked) or attempt > 0:
        return _wrong_weight(s, asked, attempt)
    thing = next((t for t in reversed(s.world.inside) if t.sku == asked.sku), None)
    if thing is None:
        return False
    s.answered += 1
    s.scan_again(thing)
    return True


def _drop_surplus(s: Shopper, sku: str | None) -> bool:
    """Drop what stands on the screen and nobody holds; whether there was any."""
    line = s.line_of(sku)
    if line is None or s.shown(sku) <= s.world.units(sku) or line.units - line.placed <= 0:
        return False
    about = next((i for i in s.rig.view.interventions if i.line == line.line and "remove" in i.choices), None)
    if about is not None:
        s.tap(about, "remove")
    else:
        s.touch("remove", line=line.line)
    s.note("removed_on_screen", [], sku or "")
    return True


def _not_placed(s: Shopper, asked: InterventionView, attempt: int) -> bool:
    if asked.reason == NOT_SEEN:
        return _last_look(s, asked)
    sku = asked.sku
    line = s.line_of(sku)
    missing = line is not None and line.placed < s.world.units(sku)
    if missing and "under_basket" in asked.choices and any(t.sku == sku for t in s.world.under):
        s.tap(asked, "under_basket")
        return True
    return _drop_surplus(s, sku) or (attempt > 0 and _stand_by(s, asked, "in_basket"))


def _last_look(s: Shopper, asked: InterventionView) -> bool:
    """Asked before paying whether some things are in the basket, people look, and say which is not."""
    for sku in [candidate.choice for candidate in asked.candidates]:
        if s.shown(sku) > s.world.units(sku):
            s.tap(asked, sku)
            s.note("removed_on_screen", [], sku)
            return True
    s.tap(asked, "in_basket")
    return True


def _which_removed(s: Shopper, asked: InterventionView, attempt: int) -> bool:
    offered = {candidate.choice for candidate in asked.candidates}
    since_ns = s.rig.now_ns - round(REMEMBERS_S * SECOND_NS)
    for thing in [t for t in reversed(s.world.away) if t.gone_ns >= since_ns]:
        if thing.sku in offered and s.chance(TAPS):
            s.tap(asked, thing.sku or "")
        elif attempt == 0 or thing.sku in offered:
            s.scan(thing, "that was taken out")
            s.answered += 1
        else:
            _stand_by(s, asked, "none_of_these")
        s.world.away.remove(thing)
        return True
    return asked.stage != "hint" and _stand_by(s, asked, "none_of_these")


def _put_back(s: Shopper, asked: InterventionView, _attempt: int) -> bool:
    s.tap(asked, "put_back")
    return True


def _changed_while_paying(s: Shopper, _asked: InterventionView, _attempt: int) -> bool:
    if s.world.unscanned:
        s.take(s.world.unscanned[0], why="not while paying")
        return True
    return False


def _over(s: Shopper, _asked: InterventionView, _attempt: int) -> bool:
    if not s.world.inside:
        return False
    s.take(s.world.inside[-1], why="too much", for_good=True)
    return True


_ANSWERS: dict[str, Callable[[Shopper, InterventionView, int], bool]] = {
    "unscanned_item": _unscanned,
    "extra_unit": _extra,
    "wrong_weight": _wrong_weight,
    "wrong_item": _wrong_item,
    "not_placed": _not_placed,
    "which_removed": _which_removed,
    "unknown_barcode": _put_back,
    "sale_blocked": _put_back,
    "basket_changed": _changed_while_paying,
    "unpaid_item": _changed_while_paying,
    "over_capacity": _over,
}


def _puzzled(s: Shopper, asked: InterventionView, attempt: int) -> None:
    """It makes no sense to the shopper: leave a hint alone, at a question try the thing again, then get help."""
    if asked.stage == "hint":
        return
    if attempt >= TRIES_MAX:
        call_staff(s, f"{asked.kind} makes no sense")
        return
    thing = _meant(s, asked)
    if thing is None:
        s.pause(3.0)
        return
    s.say(f"is puzzled by {asked.kind}")
    s.take(thing, why="to try again")
    s.hold((1.2, 3.0))
    if asked.kind in ASKS_FOR_A_SCAN and asked.reason != NOT_ALONE and s.chance(OBEYS):
        s.scan_again(thing)
        s.hold((0.6, 1.5))
    s.put(thing, why="again")
    s.hold((1.5, 3.0))


def _meant(s: Shopper, asked: InterventionView) -> Thing | None:
    """What the question is taken to be about: the product it names, else what went in just before it came up."""
    named = [t for t in s.world.inside if asked.sku is not None and t.sku == asked.sku]
    if named:
        return named[-1]
    newest = s.newest_at(asked.id)
    if newest in s.world.inside:
        return newest
    return s.world.inside[-1] if s.world.inside else None
