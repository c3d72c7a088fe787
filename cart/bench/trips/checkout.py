"""From the first touch to the empty cart: arriving, own bags, shopping, paying, unloading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from cart.bench.trips.acts import HONEST
from cart.bench.trips.auditor import Billed, Verdict
from cart.bench.trips.cheats import Cheating, cheat
from cart.bench.trips.people import ACTS
from cart.bench.trips.shopper import Shopper
from cart.bench.trips.staff import call_staff, staff_comes
from cart.bench.trips.things import Entry
from cart.bench.trips.watch import Watch

FULL_G = 22_000.0
"""Enough for one trip."""
ROUNDS_MAX = 10
"""Touches of the checkout key before a person calls staff; twice that, and they give up."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The verdict on a trip's payment, None where it was never paid; what was in the cart then, units by product."""

    verdict: Verdict | None
    goods: Counter[str]
    diary: list[Entry]
    """What was done up to then."""


def go_shopping(s: Shopper, watch: Watch, *, items: int, cheats: list[Cheating], script: Sequence[str] = ()) -> Ending:
    """One whole trip of so many items, or of the acts of `script`."""
    s.pause(s.rng.uniform(1.5, 3.0))
    if s.chance(0.7):
        s.touch("start")
    _bring_bags(s)
    if script:
        for name in script:
            _act(s, HONEST[name])
    else:
        _shop(s, items, cheats)
    paid = _check_out(s, watch) and _pay(s, watch)
    goods = Counter(thing.sku or "" for thing in s.world.goods)
    diary = list(s.world.diary)
    if not paid:
        return Ending(None, goods, diary)
    verdict = _judge(s, watch)
    _unload(s)
    return Ending(verdict, goods, diary)


def _shop(s: Shopper, items: int, cheats: list[Cheating]) -> None:
    """Acts as they come, the cheats among them."""
    weights = {**ACTS, **s.habits.acts}
    due = sorted((s.rng.randrange(max(1, items)), n) for n in range(len(cheats)))
    done = 0
    while (count := len(s.world.goods)) < items and done < 3 * items and s.load_g < FULL_G:
        done += 1
        if due and count >= due[0][0]:
            act = cheats[due.pop(0)[1]]
            _act(s, partial(cheat, act=act))
        else:
            _act(s, HONEST[s.rng.choices(list(weights), list(weights.values()))[0]])
    for _, number in due:
        _act(s, partial(cheat, act=cheats[number]))


def _act(s: Shopper, act: Callable[[Shopper], None]) -> None:
    """One act, and the way to the next."""
    act(s)
    s.pause(s.draw(s.habits.pace_s))
    if s.chance(s.habits.disturbed):
        s.disturb()
        s.pause(s.draw((0.5, 2.0)))


def _bring_bags(s: Shopper) -> None:
    low, high = s.habits.bags
    for _ in range(s.rng.randint(int(low), int(high))):
        bag = s.world.thing(None, s.rng.uniform(25.0, 600.0))
        if s.chance(s.habits.declares):
            s.touch("own_bag")
            bag.scanned = True
            s.note("declared_own", [bag], "")
            s.hold((0.8, 4.0))
        s.put(bag)
        s.pause(s.draw((1.5, 4.0)))


def _check_out(s: Shopper, watch: Watch) -> bool:
    """Touch checkout and answer what it waits for; whether payment can be asked for."""
    for tried in range(2 * ROUNDS_MAX):
        s.touch("checkout")
        s.pause(s.draw(s.habits.read_s))
        if watch.phase == "checkout" and not _waits(s):
            return True
        if not s.world.goods and not s.rig.view.lines:
            return False
        asked = s.rig.view.interventions
        if tried == ROUNDS_MAX:
            call_staff(s, f"checkout waits for {', '.join(s.rig.view.checkout_waits_for)}")
        elif asked:
            s.answer_now(asked[0])
        s.pause(s.draw((2.0, 4.0)))
    s.say("gives up")
    return False


def _waits(s: Shopper) -> bool:
    """Only staff can let the shopper go on; everything else that pay waits for passes by itself."""
    if "age_check" in s.rig.view.checkout_waits_for:
        staff_comes(s)
    return bool(set(s.rig.view.checkout_waits_for) - {"settling"})


def _pay(s: Shopper, watch: Watch) -> bool:
    s.rig.declines = int(s.chance(0.03))
    for _ in range(ROUNDS_MAX):
        if watch.phase == "shopping" and not _check_out(s, watch):
            return False
        s.touch("pay", method=s.rng.choice(("wallet", "card")))
        if s.chance(0.05):
            s.disturb(soon=True)
        s.hold((3.5, 5.0))
        if watch.receipt is not None:
            return True
        s.pause(s.draw(s.habits.read_s))
    s.say("can't pay")
    return False


def _judge(s: Shopper, watch: Watch) -> Verdict:
    receipt = watch.receipt
    if receipt is None:
        raise ValueError("nothing was paid")
    for line in receipt.lines:
        if line.proof in ("shopper", "staff"):
            s.auditor.said(line.sku)
    billed = [
        Billed(
            line.sku, line.units, line.price_minor, line.deposit_minor, line.savings_minor,
            line.unit_price_minor * line.units if line.unit == "each" else None,
        )
        for line in receipt.lines
    ]  # fmt: skip
    return s.auditor.judge(billed, receipt.total_minor)


def _unload(s: Shopper) -> None:
    """Take everything out in a few armfuls; the cart must find itself empty."""
    s.hold((1.0, 3.0))
    while s.world.inside:
        s.take(*s.world.inside[: s.rng.randint(1, 6)], why="unloading")
        s.hold((0.5, 2.0))
    s.hold((6.0, 8.0))
