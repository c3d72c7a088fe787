"""A shopper's body: hands, eyes and patience. What to do is decided in `acts`, `answers`, `cheats` and `checkout`.

Everything is synchronous in virtual time: while a hand moves, the cart's samples go by. Between acts the shopper
glances at the screen; what is read there is answered after a reading delay.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from cart.bench.trips.auditor import Auditor
from cart.bench.trips.eye import Eye
from cart.bench.trips.people import Habits, Span
from cart.bench.trips.ranges import Product, Range
from cart.bench.trips.rig import SECOND_NS, Rig
from cart.bench.trips.things import Thing, World
from cart.core.view import InterventionView, LineView

GLANCE_S = 0.25
AGAIN_S = 7.0
"""A question that is still there this long after it was answered is answered again."""
FORGOTTEN_S = 90.0
SETTLE_MAX = 4
"""Answers in a row before a person goes on regardless."""
LOAD_MAX_G = 24_000.0
"""Nobody here fills the basket beyond its capacity of 30 kg."""

CONFIRMING = frozenset({"add", "insist", "under_basket", "in_basket"})
"""Answers by which a shopper says of a line that it is right."""
DENYING = frozenset({"which_removed", "not_placed"})
"""Questions whose candidates are what is not in the basket."""

Answering = Callable[["Shopper", InterventionView, int], None]


class Shopper:
    """One person with one cart. `respond` answers one intervention at its n-th attempt."""

    def __init__(
        self,
        rig: Rig,
        world: World,
        auditor: Auditor,
        goods: Range,
        habits: Habits,
        *,
        seed: int,
        respond: Answering,
        eye: Eye,
    ) -> None:
        self._eye = eye
        self.rig, self.world, self.auditor, self.goods, self.habits = rig, world, auditor, goods, habits
        self.rng = random.Random(f"shopper {seed}")
        self.prompted = False
        """True while the shopper does what the cart asked for."""
        self.cheat = ""
        """What kind of cheating is going on right now."""
        self.lies = False
        """Says of unscanned things that they are the shopper's own."""
        self.answered = 0
        """Touches that answered a question."""
        self.staff_visits = 0
        """Times that staff came for something that the law doesn't reserve for them."""
        self.notes: list[tuple[int, str]] = []
        self._respond = respond
        self._seen: dict[int, tuple[int, int]] = {}
        self._attempts: dict[tuple[str, str | None], tuple[int, int]] = {}
        self._newest: dict[int, Thing | None] = {}
        """Intervention → what had gone in last when it came up."""
        self._busy = False

    # -- time ----------------------------------------------------------------------------------------------------

    def draw(self, span: Span) -> float:
        return self.rng.uniform(*span)

    def chance(self, odds: float) -> bool:
        return self.rng.random() < odds

    def hold(self, span: Span) -> None:
        """Let time pass with busy hands and no eye for the screen."""
        self.rig.wait(self.draw(span))

    def pause(self, seconds: float) -> None:
        """Let time pass, glancing at the screen and answering it."""
        end_ns = self.rig.now_ns + round(seconds * SECOND_NS)
        while self.rig.now_ns < end_ns:
            self.rig.pass_until(min(end_ns, self.rig.now_ns + round(GLANCE_S * SECOND_NS)))
            if not self._busy:
                self.glance()

    def glance(self) -> None:
        """Notice what the screen asks, and answer what has been read by now."""
        now_ns = self.rig.now_ns
        for asked in self.rig.view.interventions:
            stage = {"hint": 0, "question": 1, "staff": 2}[asked.stage]
            seen = self._seen.get(asked.id)
            if seen is None:
                self._newest[asked.id] = self.world.inside[-1] if self.world.inside else None
            if seen is None or seen[0] < stage:
                if stage == 0 and not self.chance(self.habits.notices_hint):
                    due_ns = now_ns + 10**15
                else:
                    due_ns = now_ns + round(self.draw(self.habits.read_s) * SECOND_NS)
                self._seen[asked.id] = (stage, due_ns if seen is None or stage else min(due_ns, seen[1]))
            elif seen[1] <= now_ns:
                self.answer_now(asked)
                self.settle()
                return

    def settle(self) -> None:
        """Stay with what the screen plainly asks until it is settled or staff has been."""
        for _ in range(SETTLE_MAX):
            asked = next((i for i in self.rig.view.interventions if i.stage == "question"), None)
            if asked is None or self._busy:
                return
            self.pause(self.draw(self.habits.read_s))
            if any(i.id == asked.id for i in self.rig.view.interventions):
                self.answer_now(asked)

    def answer_now(self, asked: InterventionView) -> None:
        """Answer one intervention, whatever its stage."""
        attempt = self._count(asked)
        was_busy, was_prompted = self._busy, self.prompted
        self._busy = self.prompted = True
        self.say(f"answers {asked.kind} ({asked.stage}) for the {attempt + 1}. time")
        self._respond(self, asked, attempt)
        if asked.stage != "hint":
            # Nobody shops on while the cart beeps: see whether that was it.
            self.pause(self.draw((1.5, 3.0)))
        self._busy, self.prompted = was_busy, was_prompted
        self._seen[asked.id] = (2, self.rig.now_ns + round(AGAIN_S * SECOND_NS))

    def _count(self, asked: InterventionView) -> int:
        """How often this was answered before. To a person the same complaint is the same, whatever its number."""
        about = (asked.kind, asked.sku)
        before, at_ns = self._attempts.get(about, (0, 0))
        if self.rig.now_ns - at_ns > FORGOTTEN_S * SECOND_NS:
            before = 0
        if asked.stage != "hint":
            self._attempts[about] = (before + 1, self.rig.now_ns)
        return before

    def say(self, what: str) -> None:
        self.notes.append((self.rig.now_ns, what))

    # -- hands ---------------------------------------------------------------------------------------------------

    def scan(self, thing: Thing, why: str = "") -> None:
        """Show a thing's code to the scanner."""
        if thing.product is None or not thing.product.item.gtins:
            return
        self.say(f"scans {thing.name} {why}".rstrip())
        self.note("scan", [thing], why)
        thing.scanned = True
        self.rig.scan(thing.product.item.gtins[0][1:])

    def scan_again(self, thing: Thing) -> None:
        """Show a code once more because the screen asks for it: no further unit is meant."""
        if thing.product is not None and thing.product.item.gtins:
            self.say(f"scans {thing.name} once more, as asked")
            self.rig.scan(thing.product.item.gtins[0][1:])

    def put(self, *things: Thing, why: str = "") -> None:
        """Put things in with one movement."""
        self.say(f"puts in {', '.join(t.name for t in things)} {why}".rstrip())
        mass_g = sum(thing.weight_g for thing in things)
        if self.chance(self.habits.while_putting):
            self.disturb(soon=True)
        rest_ns = self.rig.platform.put(self.rig.now_ns, mass_g)
        self.world.inside.extend(things)
        self.note("put", things, why)
        for thing in things:
            self.auditor.came(thing.number, thing.sku, thing.weight_g)
            if thing in self.world.away:
                self.world.away.remove(thing)
        self.rig.sees(self._eye.looks(rest_ns, things, "in"))
        self.rig.pass_until(rest_ns)

    def take(self, *things: Thing, why: str = "", for_good: bool = False) -> None:
        """Take things out with one movement."""
        self.say(f"takes out {', '.join(t.name for t in things)} {why}".rstrip())
        rest_ns = self.rig.platform.take(self.rig.now_ns, sum(thing.weight_g for thing in things))
        self.note("take_for_good" if for_good else "take", things, why)
        for thing in things:
            thing.gone_ns = self.rig.now_ns
            self.world.inside.remove(thing)
            self.auditor.went(thing.number)
            if for_good and thing.scanned:
                self.world.away.append(thing)
        self.rig.sees(self._eye.looks(rest_ns, things, "out"))
        self.rig.pass_until(rest_ns)

    def put_under(self, thing: Thing) -> None:
        """Push a bulky thing onto the rack below the basket, which nobody weighs."""
        self.say(f"puts {thing.name} under the basket")
        self.world.under.append(thing)
        self.note("under", [thing], "bulky")
        self.auditor.came(thing.number, thing.sku, thing.weight_g)
        self.hold((2.0, 4.0))

    def note(self, kind: str, things: list[Thing] | tuple[Thing, ...], why: str) -> None:
        self.world.note(self.rig.now_ns, kind, things, why, prompted=self.prompted, cheat=self.cheat)  # type: ignore[arg-type]

    def disturb(self, *, soon: bool = False) -> None:
        """Something that changes nothing: `soon` within the next moment, while the hands do something else."""
        kinds = self.habits.disturbances
        what = self.rng.choices(list(kinds), list(kinds.values()))[0]
        platform, rng = self.rig.platform, self.rng
        at_ns = self.rig.now_ns + (round(rng.uniform(0.0, 0.8) * SECOND_NS) if soon else 0)
        self.say(f"{what}{' meanwhile' if soon else ''}")
        if what == "roll":
            rest_ns = platform.roll(at_ns, rng.uniform(1.0, 5.0), rng.uniform(0.4, 1.3))
        elif what == "bump":
            rest_ns = platform.bump(at_ns, rng.uniform(1000.0, 6000.0))
        elif what == "lean":
            rest_ns = platform.lean(at_ns, rng.uniform(300.0, 5000.0), rng.uniform(0.5, 5.0))
        elif what == "rummage":
            rest_ns = platform.rummage(at_ns, rng.uniform(0.8, 4.0), rng.uniform(60.0, 500.0))
            self.rig.sees(self._eye.looks(rest_ns, tuple(self.world.inside[-1:]), "moved"))
        else:
            self._slope()
            return
        if not soon:
            self.rig.pass_until(rest_ns)

    def _slope(self) -> None:
        """Park on a ramp for a while, and come back."""
        self.rig.platform.tilt(self.rng.uniform(1.0, 5.0))
        self.hold((3.0, 10.0))
        self.rig.platform.tilt(0.0)
        self.hold((1.0, 2.0))

    def touch(self, action: str, **fields: object) -> None:
        self.say(f"touches {action} {fields or ''}".rstrip())
        self.rig.touch(action, **fields)

    def tap(self, asked: InterventionView, choice: str) -> None:
        """Answer a question by one of its choices. Only what adds or keeps a unit confirms that it is to be paid."""
        self.answered += 1
        if choice in CONFIRMING and asked.sku is not None:
            self.auditor.said(asked.sku)
        elif any(candidate.choice == choice for candidate in asked.candidates) and asked.kind not in DENYING:
            self.auditor.said(choice)
        self.touch("answer", intervention=asked.id, choice=choice)

    # -- memory and eyes -----------------------------------------------------------------------------------------

    def pick(self, *, by_weight: bool = False) -> Thing:
        """Take something from the shelf that still goes into the basket."""
        for _ in range(50):
            product = self.rng.choice(self.goods.products)
            if (product.item.unit == "kg") == by_weight and product.mean_g + self.load_g < LOAD_MAX_G:
                break
        return self.another(product)

    def another(self, product: Product) -> Thing:
        return self.world.thing(product, product.unit(self.rng))

    @property
    def load_g(self) -> float:
        return sum(thing.weight_g for thing in self.world.inside)

    def line_of(self, sku: str | None) -> LineView | None:
        """The newest line of a product on the screen."""
        return next((line for line in reversed(self.rig.view.lines) if line.sku == sku), None)

    def newest_at(self, intervention: int) -> Thing | None:
        """What had gone in last when a question came up."""
        return self._newest.get(intervention)

    def shown(self, sku: str | None) -> int:
        """How many of a product the screen shows."""
        return sum(line.units for line in self.rig.view.lines if line.sku == sku)
