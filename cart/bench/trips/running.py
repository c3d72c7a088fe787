"""Runs trips: each from its own seed, two at a time at most, in processes of their own."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import msgspec

from cart.bench.trips.answers import respond
from cart.bench.trips.auditor import Auditor, Tag, Verdict
from cart.bench.trips.baselines import Outcome, fixed_tolerance, scan_only
from cart.bench.trips.cheats import CHEATS, Cheating, CheatKind
from cart.bench.trips.checkout import Ending, go_shopping
from cart.bench.trips.eye import Camera, Eye
from cart.bench.trips.people import HABITS, SHARES, Group
from cart.bench.trips.ranges import CatalogKind, Product, Range, make_range
from cart.bench.trips.rig import Rig
from cart.bench.trips.shopper import Shopper
from cart.bench.trips.things import World
from cart.bench.trips.watch import ACCUSING, LAW, Asked, Watch
from cart.core.ledger import LedgerEvent
from cart.core.promotions import MultiBuy, Percent
from cart.core.settings import Policy

CHEATING_SHARE = 0.3
LIARS = 0.3
ITEMS = (5, 60)
JOBS_MAX = 2
CARTS = ("cart", "scan_only", "fixed_tolerance")
NO_QUESTION = LAW | {"help"}
"""What the law asks, and what the shopper asks of staff: counted with the staff calls."""
BEFORE_NS = 300_000_000
AFTER_NS = 1_000_000_000
NAMED_WITHIN_NS = 60_000_000_000
"""A question belongs to a cheat if its step was under way during the act (it may have begun with the cart's rolling
before), or if it names what was scanned for it soon after.
"""


class CheatFigures(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    sigmas: float
    noticed: dict[str, bool]
    """By cart."""
    denied: bool
    """This cart named it, and the shopper said that it was theirs."""


class CartFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One cart's trip. Money in minor units."""

    exact: bool
    questions: int
    staff: int
    accused: int
    lost_minor: int
    overcharged_minor: int


class TripFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted of one trip, on this cart and on the others."""

    number: int
    kind: CatalogKind
    group: Group
    honest: bool
    items: int
    paid: bool
    idle_again: bool
    value_minor: int
    carts: dict[str, CartFigures]
    cheats: list[CheatFigures]
    asked: dict[str, dict[str, int]]
    """Kind of intervention → why (`watch.Cause`) → how often it became a question."""
    unfounded: dict[str, int]
    """The accusing ones, where the shopper had told the cart of everything in the basket."""
    answered: int
    staff_kinds: dict[str, int]
    law: int
    """Staff calls that the law requires."""
    unconfirmed: list[str]
    problems: list[str]
    wrong: dict[str, int]
    """What the auditor found, by kind and cause."""
    samples: int
    virtual_s: float
    cpu_s: float


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A trip's figures with its story: what the shopper did and what the cart wrote, by time."""

    figures: TripFigures
    story: list[tuple[int, str]]


_TAUGHT: dict[CatalogKind, Range] = {}
"""Ranges with what carts have learned of them (`teaching`), in each process that runs trips."""


@lru_cache(maxsize=8)
def _range(kind: CatalogKind, seed: int) -> Range:
    return make_range(kind, seed)


def goods_of(kind: CatalogKind, seed: int) -> Range:
    """The range that trips of this kind and seed shop in, as the store believes it."""
    return _TAUGHT.get(kind) or _range(kind, seed)


def run_trip(
    number: int,
    seed: int,
    kind: CatalogKind,
    *,
    policy: Policy | None = None,
    trace: bool = False,
    script: Sequence[str] = (),
    camera: Camera = "on",
    cheating: Sequence[CheatKind] = (),
    hear: Callable[[int, LedgerEvent], None] | None = None,
) -> Told:
    """One trip; the same number, seed, kind and camera make the same trip against the same cart.

    With a `script` the acts are these, by an honest shopper of no special group. With `cheating` the shopper cheats in
    these ways, in this trip as in every other. `hear` gets each ledger event with its time, in ns.
    """
    began = time.process_time()
    trip_seed = seed * 1_000_003 + number
    rng = random.Random(f"trip {trip_seed}")
    goods = goods_of(kind, seed)
    group = "ordinary" if script else rng.choices(list(SHARES), list(SHARES.values()))[0]
    honest = bool(script) or (rng.random() >= CHEATING_SHARE and not cheating)
    items = rng.randint(*ITEMS)
    drawn = [rng.choice(CHEATS) for _ in range(rng.randint(1, 3))] if not (honest or cheating) else cheating
    cheats = [] if honest else [Cheating(kind) for kind in drawn]
    world = World()
    watch = Watch(world, trace=[] if trace else None, also=hear)
    auditor = Auditor(_tags(goods))
    rig = Rig(goods.catalog, trip_seed, policy=policy, heard=watch.heard, captured=auditor.captured)
    shopper = Shopper(
        rig, world, auditor, goods, HABITS[group], seed=trip_seed, respond=respond, eye=Eye(goods, trip_seed, camera)
    )
    shopper.lies = not honest and rng.random() < LIARS
    ending = go_shopping(shopper, watch, items=items, cheats=cheats, script=script)
    for act in cheats:
        act.noticed = _noticed(act, watch) or _came_to_nothing(act, ending)
    told = _Told(number, kind, group, honest, trip_seed, goods, shopper, watch, ending, [a for a in cheats if a.done])
    figures = msgspec.structs.replace(told.figures(), cpu_s=time.process_time() - began)
    return Told(figures=figures, story=_story(shopper, watch) if trace else [])


def _tags(goods: Range) -> dict[str, Tag]:
    """What is written on the shelves."""
    off: dict[str, int] = {}
    several: dict[str, tuple[int, int]] = {}
    for offer in goods.catalog.promotions:
        if isinstance(offer, Percent):
            off[offer.skus[0]] = offer.rate_bp
        elif isinstance(offer, MultiBuy):
            several[offer.skus[0]] = (offer.take, offer.price_minor or 0)
    return {
        item.sku: Tag(
            item.price_minor, item.unit == "kg", item.deposit_minor, off.get(item.sku, 0),
            *several.get(item.sku, (0, 0)),
        )
        for item in (product.item for product in goods.products)
    }  # fmt: skip


def _noticed(act: Cheating, watch: Watch) -> bool:
    """The cart asked about this act, or its hint alone made the shopper put it right, or deny it."""
    for asked in watch.asked.values():
        steps = [watch.moved_ns[step_id] for step_id in asked.step_ids if step_id in watch.moved_ns]
        meant = any(act.began_ns <= rest_ns and began_ns <= act.ended_ns + AFTER_NS for began_ns, rest_ns in steps)
        named = asked.sku == act.sku and 0 <= asked.raised_ns - act.began_ns <= NAMED_WITHIN_NS
        righted = act.thing is not None and act.thing.scanned and act.kind not in ("renamed_produce", "wrong_removal")
        act.denied = act.denied or ((meant or named) and asked.answer == "mine")
        if (meant or named) and (asked.question or righted or act.denied):
            return True
    return False


def _came_to_nothing(act: Cheating, ending: Ending) -> bool:
    """The thing it was about is not in the basket any more, or is paid for: the scale was believed, not the cheat."""
    verdict, thing = ending.verdict, act.thing
    return verdict is not None and thing is not None and thing.sku not in verdict.lost and act.sigmas > 0.0


@dataclass(frozen=True, slots=True)
class _Told:
    """A trip that is over, to be put into figures."""

    number: int
    kind: CatalogKind
    group: Group
    honest: bool
    seed: int
    goods: Range
    shopper: Shopper
    watch: Watch
    ending: Ending
    cheats: list[Cheating]

    def figures(self) -> TripFigures:
        shopper, watch, verdict = self.shopper, self.watch, self.ending.verdict
        diary = self.ending.diary
        products = {product.item.sku: product for product in self.goods.products}
        spans = [(act.began_ns, act.ended_ns) for act in self.cheats]
        others = {
            "scan_only": scan_only(diary, self.seed),
            "fixed_tolerance": fixed_tolerance(diary, products, spans),
        }
        noticed = {name: [bool(out.noticed >> n & 1) for n in range(len(spans))] for name, out in others.items()}
        noticed["cart"] = [act.noticed for act in self.cheats]
        asked = list(watch.asked.values())
        law = sum(a.kind == "age_check" for a in asked)
        return TripFigures(
            number=self.number,
            kind=self.kind,
            group=self.group,
            honest=self.honest,
            items=self.ending.goods.total(),
            paid=verdict is not None,
            idle_again=watch.phase == "idle",
            value_minor=sum(units * _price(products[sku]) for sku, units in self.ending.goods.items()),
            carts={
                "cart": self._cart(verdict, asked),
                **{name: self._other(out, products) for name, out in others.items()},
            },
            cheats=[
                CheatFigures(
                    kind=act.kind,
                    sigmas=round(act.sigmas, 2),
                    noticed={name: noticed[name][n] for name in CARTS},
                    denied=act.denied,
                )
                for n, act in enumerate(self.cheats)
            ],
            asked=_by_kind_and_cause(asked),
            unfounded=dict(
                Counter(a.kind for a in asked if a.question and a.kind in ACCUSING and a.cause != "shopper")
            ),
            answered=shopper.answered,
            staff_kinds=dict(Counter(a.kind for a in asked if a.staff and a.kind not in LAW)),
            law=law,
            unconfirmed=[] if verdict is None else verdict.unconfirmed,
            problems=["never paid"] if verdict is None else verdict.problems,
            wrong=self._wrong(verdict, products),
            samples=shopper.rig.samples,
            virtual_s=round(shopper.rig.now_s, 1),
            cpu_s=0.0,
        )

    def _cart(self, verdict: Verdict | None, asked: list[Asked]) -> CartFigures:
        return CartFigures(
            exact=verdict is not None and verdict.exact,
            questions=sum(a.question and a.kind not in NO_QUESTION for a in asked),
            staff=self.shopper.staff_visits,
            accused=sum(a.question and a.kind in ACCUSING and a.cause != "shopper" for a in asked),
            lost_minor=0 if verdict is None else verdict.lost_minor,
            overcharged_minor=0 if verdict is None else verdict.overcharged_minor,
        )

    def _wrong(self, verdict: Verdict | None, products: dict[str, Product]) -> dict[str, int]:
        """Kinds of errors with whose doing they are: the shopper's, who never told the cart, the catalogue's, or the
        cart's own.
        """
        world, found = self.shopper.world, Counter[str]()
        for sku, way in ({} if verdict is None else verdict.wrong).items():
            told = not sku or world.told[sku] == self.ending.goods[sku]
            badly = told and bool(sku) and products[sku].badly_catalogued
            found[f"{way} ({'shopper' if not told else 'catalogue' if badly else 'cart'})"] += 1
        return dict(found)

    def _other(self, outcome: Outcome, products: dict[str, Product]) -> CartFigures:
        """Goods sold by weight cost here what they are worth: only units differ."""
        lost = over = 0
        for sku in {*self.ending.goods, *outcome.charged}:
            surplus = outcome.charged.get(sku, 0) - self.ending.goods[sku]
            over += max(0, surplus) * _price(products[sku])
            lost += max(0, -surplus) * _price(products[sku])
        return CartFigures(
            exact=not lost and not over,
            questions=outcome.questions,
            staff=outcome.staff,
            accused=outcome.accused,
            lost_minor=lost,
            overcharged_minor=over,
        )


def _by_kind_and_cause(asked: list[Asked]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for one in asked:
        if one.question and one.kind not in NO_QUESTION:
            causes = found.setdefault(one.kind, {})
            causes[one.cause] = causes.get(one.cause, 0) + 1
    return found


def _price(product: Product) -> int:
    """A unit's price; of produce, that of what people pick."""
    item = product.item
    return item.deposit_minor + (
        round(item.price_minor * product.mean_g / 1000) if item.unit == "kg" else item.price_minor
    )


def _story(shopper: Shopper, watch: Watch) -> list[tuple[int, str]]:
    lines = [(t_ns, f"   {what}") for t_ns, what in shopper.notes]
    lines += [(t_ns, f"      | {_plain(event)}") for t_ns, event in watch.trace or ()]
    return sorted(lines, key=lambda line: line[0])


def _plain(event: LedgerEvent) -> str:
    fields = {k: v for k, v in msgspec.to_builtins(event).items() if v not in (None, "", [], ()) and k != "receipt"}
    kind = fields.pop("kind")
    return f"{kind} {' '.join(f'{key}={value}' for key, value in fields.items())}"


W = TypeVar("W")
R = TypeVar("R")
_Work = tuple[int, int, CatalogKind, Policy | None, tuple[str, ...], Camera, tuple[CheatKind, ...]]


def run_trips(
    trips: int,
    seed: int,
    kinds: Sequence[CatalogKind],
    *,
    jobs: int = JOBS_MAX,
    policy: Policy | None = None,
    script: tuple[str, ...] = (),
    camera: Camera = "on",
    cheating: tuple[CheatKind, ...] = (),
    taught: Sequence[Range] = (),
) -> Iterator[TripFigures]:
    """Trips 0…, their kinds in turn; in the order of their numbers whatever the jobs. `taught`: ranges as the store
    believes them by now, instead of those of their kind as they were typed.
    """
    work: list[_Work] = [(n, seed, kinds[n % len(kinds)], policy, script, camera, cheating) for n in range(trips)]
    yield from spread(_one, work, jobs=jobs, taught=taught)


def spread(task: Callable[[W], R], work: Sequence[W], *, jobs: int, taught: Sequence[Range] = ()) -> Iterator[R]:
    """Do the task on each piece of work, in so many processes; in the order of the work."""
    if jobs <= 1:
        _learn(taught)
        yield from map(task, work)
        _TAUGHT.clear()
        return
    processes = min(jobs, JOBS_MAX)
    with multiprocessing.get_context("spawn").Pool(processes, initializer=_learn, initargs=(taught,)) as pool:
        yield from pool.imap(task, work, chunksize=4)


def _learn(taught: Sequence[Range]) -> None:
    _TAUGHT.update({goods.kind: goods for goods in taught})


def _one(work: _Work) -> TripFigures:
    number, seed, kind, policy, script, camera, cheating = work
    return run_trip(number, seed, kind, policy=policy, script=script, camera=camera, cheating=cheating).figures
