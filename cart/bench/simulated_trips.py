"""Seeded recordings of simulated trips, with their truth: `python -m cart.bench.simulated_trips FOLDER --seed 1`.

A plan of acts (scans, hands, disturbances) is drawn first, then played on `cart.bench.physics.Platform` and written as
a recording. The same seed gives the same bytes. Catalogue, weights, timing and the rig's constants all come from the
seed; nothing in the cart may know this file, and nothing here knows how the cart decides.
"""

from __future__ import annotations

import heapq
import math
import random
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.core.catalog import Catalog, Item, Tax
from cart.core.settings import ScaleSettings
from cart.recordings import RecordingWriter, TruthEvent
from cart.recordings.format import TRUTH

Kind = Literal["honest", "unscanned", "extra", "swapped", "handling"]
CHEATS: tuple[Kind, ...] = ("unscanned", "extra", "swapped")

START_NS = 1_750_000_000_000_000_000
SECOND_NS = 1_000_000_000
DEMONSTRATION_PREFIX = "952"
"""GS1's prefix for demonstrations and examples: no real product can have these numbers."""
CLEAR_G = 12.0
"""A cheat differs in weight by at least this, and by 6 % : far over 3 σ of scale and product together."""
TAIL_S = 12.0
"""After the last act: long enough for a hint to become a question."""


class _Act(msgspec.Struct, frozen=True, order=True):
    """Something written into the recording at its time, besides the scale."""

    t_ns: int
    order: int
    data: bytes | None
    event: TruthEvent | None


def made_up_catalog(rng: random.Random, items: int = 60) -> Catalog:
    """Products of 9 g to 3 kg; several share almost the same weight, as in real stores."""
    made: list[Item] = []
    for number in range(items):
        near = rng.choice(made) if made and rng.random() < 0.2 else None
        if near is not None and near.weight_g is not None:
            weight_g = max(9.0, near.weight_g + rng.gauss(0.0, 4.0))
        else:
            weight_g = math.exp(rng.uniform(math.log(12.0), math.log(3000.0)))
        digits = f"{DEMONSTRATION_PREFIX}{rng.randrange(10**6):06d}{number:03d}"
        made.append(
            Item(
                sku=f"P{number:03d}",
                name=f"Product {number}",
                gtins=(f"0{digits}{check_digit(digits)}",),
                price_minor=rng.randrange(49, 2500),
                weight_g=round(weight_g, 1),
                weight_sd_g=round(max(0.4, weight_g * rng.choice((0.002, 0.005, 0.01))), 2),
            )
        )
    return Catalog(
        version=1, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=1350)}, items=tuple(made), promotions=()
    )


def check_digit(digits: str) -> int:
    """GS1 General Specifications 7.9.1: weights 3 and 1 from the right."""
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits)))
    return -total % 10


class Shopper:
    """Draws the acts of one trip and lets a platform feel them. Times are ns; `now_ns` is when the hands are free."""

    def __init__(self, rng: random.Random, platform: Platform, catalog: Catalog) -> None:
        self.rng = rng
        self.platform = platform
        self.catalog = catalog
        self.acts: list[_Act] = []
        self.inside: list[tuple[Item, float]] = []
        self.now_ns = START_NS + round(rng.uniform(2.5, 4.0) * SECOND_NS)
        self._fresh = rng.sample(catalog.items, len(catalog.items))

    def wait(self, low_s: float, high_s: float) -> None:
        self.now_ns += round(self.rng.uniform(low_s, high_s) * SECOND_NS)

    def pick(self) -> tuple[Item, float]:
        """A product not yet touched, and what this one unit really weighs."""
        item = self._fresh.pop()
        return item, self.weigh(item)

    def weigh(self, item: Item) -> float:
        return max(3.0, self.rng.gauss(item.weight_g or 0.0, item.weight_sd_g or 0.0))

    def scan(self, item: Item) -> None:
        """The scanner's bytes, now and then cut in two by the line."""
        data = f"]E0{item.gtins[0][1:]}\r".encode()
        cut = self.rng.randrange(1, len(data)) if self.rng.random() < 0.4 else len(data)
        for index, part in enumerate((data[:cut], data[cut:])):
            if part:
                self._note(self.now_ns + index * 4_000_000, data=part)

    def put_in(self, *things: tuple[Item, float]) -> None:
        """Put things in with one movement; each becomes an event of the truth."""
        rest_ns = self.platform.put(self.now_ns, math.fsum(weight_g for _, weight_g in things))
        for item, weight_g in things:
            self.inside.append((item, weight_g))
            self._happened("put_in", rest_ns, item.sku, weight_g)
        self.now_ns = rest_ns

    def take_out(self, thing: tuple[Item, float]) -> None:
        self.inside.remove(thing)
        rest_ns = self.platform.take(self.now_ns, thing[1])
        self._happened("taken_out", rest_ns, thing[0].sku, -thing[1])
        self.now_ns = rest_ns

    def disturb(self, *, longest_s: float = 4.0) -> None:
        """Something that is no change of the basket: a bump, rolling, leaning, hands moving things about."""
        rng, platform = self.rng, self.platform
        what = rng.choice(("bump", "roll", "lean", "rummage"))
        for_s = rng.uniform(0.8, longest_s)
        if what == "bump":
            rest_ns = platform.bump(self.now_ns, rng.uniform(1000.0, 6000.0))
        elif what == "roll":
            rest_ns = platform.roll(self.now_ns, for_s, rng.uniform(0.5, 1.5))
        elif what == "lean":
            rest_ns = platform.lean(self.now_ns, rng.uniform(500.0, 6000.0), for_s)
        else:
            rest_ns = platform.rummage(self.now_ns, for_s, rng.uniform(100.0, 600.0))
        self._happened("moved" if what == "rummage" else "disturbance", rest_ns, None, None)
        self.now_ns = rest_ns

    def shop(self) -> None:
        """One honest act of shopping, drawn by how often people do it."""
        honest = {
            self.scan_and_put: 55,
            self.put_and_scan: 12,
            self.two_at_once: 10,
            self.two_of_a_kind: 10,
            self.look_and_put_back: 8,
            self.change_of_mind: 5,
        }
        self.rng.choices(list(honest), list(honest.values()))[0]()

    def scan_and_put(self) -> None:
        thing = self.pick()
        self.scan(thing[0])
        self.wait(0.6, 5.0)
        self.put_in(thing)

    def put_and_scan(self) -> None:
        thing = self.pick()
        self.put_in(thing)
        self.wait(0.5, 5.0)
        self.scan(thing[0])

    def two_at_once(self) -> None:
        """Two products scanned, both put in with one movement or right after one another."""
        first, second = self.pick(), self.pick()
        self.scan(first[0])
        self.wait(0.7, 2.0)
        self.scan(second[0])
        self.wait(0.6, 3.0)
        if self.rng.random() < 0.5:
            self.put_in(first, second)
        else:
            self.put_in(first)
            self.wait(0.8, 2.5)
            self.put_in(second)

    def two_of_a_kind(self) -> None:
        item, weight_g = self.pick()
        for _ in range(2):
            self.scan(item)
            self.wait(0.7, 1.5)
        self.put_in((item, weight_g), (item, self.weigh(item)))

    def look_and_put_back(self) -> None:
        if not self.inside:
            self.scan_and_put()
            self.wait(2.0, 4.0)
        thing = self.rng.choice(self.inside)
        self.take_out(thing)
        self.wait(2.0, 6.0)
        self.put_in(thing)

    def change_of_mind(self) -> None:
        """Take something out for good; where another line weighs much the same, answer by scanning it."""
        if not self.inside:
            self.scan_and_put()
            self.wait(2.0, 4.0)
        thing = self.rng.choice(self.inside)
        self.take_out(thing)
        alike = [
            item
            for item, weight_g in self.inside
            if item.sku != thing[0].sku and abs(weight_g - thing[1]) < 3 * CLEAR_G
        ]
        if alike:
            self.wait(1.5, 4.0)
            self.scan(thing[0])

    def cheat(self, kind: Kind) -> None:
        """One act that cheats the store, by a weight that can be told."""
        thing = self.pick()
        while thing[1] < 2 * CLEAR_G:
            thing = self.pick()
        if kind == "unscanned":
            self.put_in(thing)
        elif kind == "extra":
            self.scan(thing[0])
            self.wait(0.6, 3.0)
            self.put_in(thing, (thing[0], self.weigh(thing[0])))
        else:
            cheap = self.pick()
            while abs(cheap[1] - thing[1]) < max(CLEAR_G, 0.06 * max(cheap[1], thing[1])):
                cheap = self.pick()
            self.scan(cheap[0])
            self.wait(0.6, 3.0)
            self.put_in(thing)

    def basket(self) -> list[dict[str, object]]:
        """What is really inside, as `truth.json` has it."""
        units: dict[str, int] = {}
        for item, _ in self.inside:
            units[item.sku] = units.get(item.sku, 0) + 1
        return [{"sku": sku, "units": count, "weight_g": None} for sku, count in sorted(units.items())]

    def _happened(
        self,
        what: Literal["put_in", "taken_out", "moved", "disturbance"],
        rest_ns: int,
        sku: str | None,
        g: float | None,
    ) -> None:
        event = TruthEvent(
            event=what,
            rest_ns=rest_ns,
            sku=sku,
            units=0 if sku is None else 1,
            weight_g=None if g is None else round(g, 2),
        )
        self._note(rest_ns, event=event)

    def _note(self, t_ns: int, *, data: bytes | None = None, event: TruthEvent | None = None) -> None:
        heapq.heappush(self.acts, _Act(t_ns, len(self.acts) + (1 << 20 if event else 0), data, event))


def write_trip(
    path: Path,
    *,
    seed: int,
    kind: Kind = "honest",
    acts: int = 8,
    samples_per_second: float = 80.0,
    physics: Physics | None = None,
    replace: bool = False,
) -> None:
    """One recording at `path`. `acts` are acts of shopping (for `handling`: minutes of handling after three items).

    Raises RecordingError when the file can't be written.
    """
    rng = random.Random(seed)
    catalog = made_up_catalog(rng)
    settings = ScaleSettings(
        counts_per_gram=round(rng.uniform(8.0, 60.0), 1),
        tare_counts=rng.randrange(20_000, 250_000),
        samples_per_second=samples_per_second,
    )
    platform = Platform(settings, rng.randrange(1 << 32), physics or Physics.varied(rng.randrange(1 << 32)))
    shopper = Shopper(rng, platform, catalog)
    end_ns = _live(shopper, kind, acts)
    with RecordingWriter(
        path,
        config_toml=config_toml(settings),
        catalog_json=msgspec.json.encode(catalog),
        cart_id="cart-1",
        made_by="cart.bench.simulated_trips",
        flush_s=60.0,
        replace=replace,
    ) as writer:
        for t_ns, counts in platform.conversions(START_NS, end_ns):
            while shopper.acts and shopper.acts[0].t_ns <= t_ns:
                act = heapq.heappop(shopper.acts)
                if act.data is not None:
                    writer.scanner(act.t_ns, act.data)
                elif act.event is not None:
                    writer.write(TRUTH, act.t_ns, act.event)
            writer.scale(t_ns, counts)
        writer.close(truth={"basket": shopper.basket(), "honest": kind not in CHEATS, "name": kind, "seed": seed})


def _live(shopper: Shopper, kind: Kind, acts: int) -> int:
    """Plan the trip; returns when the recording ends."""
    rng = shopper.rng
    if kind == "handling":
        for _ in range(3):
            shopper.scan_and_put()
            shopper.wait(2.0, 4.0)
        until_ns = shopper.now_ns + acts * 60 * SECOND_NS
        while shopper.now_ns < until_ns:
            shopper.disturb(longest_s=8.0)
            shopper.wait(1.0, 8.0)
    else:
        for _ in range(acts):
            shopper.shop()
            shopper.wait(1.5, 5.0)
            if rng.random() < 0.35:
                shopper.disturb()
                shopper.wait(1.0, 3.0)
        if kind in CHEATS:
            shopper.cheat(kind)
    return shopper.now_ns + round(TAIL_S * SECOND_NS)


def config_toml(settings: ScaleSettings) -> str:
    """The attachment cart.toml."""
    return (
        '[cart]\nid = "cart-1"\n[store]\nid = "store-1"\ncurrency = "EUR"\nlocale = "en_IE"\n'
        f"[scale]\ncounts_per_gram = {settings.counts_per_gram}\ntare_counts = {settings.tare_counts}\n"
        f"capacity_g = {settings.capacity_g}\nsamples_per_second = {settings.samples_per_second}\n"
        '[scanner]\nprefix = ""\nsuffix = "\\r"\naim_ids = true\n'
    )


def main(
    folder: Annotated[Path, typer.Argument(help="Where the recordings go.")],
    seed: Annotated[int, typer.Option(help="The same seed makes the same recordings.")] = 1,
    trips: Annotated[int, typer.Option(min=1, help="How many; every fourth one cheats.")] = 8,
    acts: Annotated[int, typer.Option(min=1, help="Acts of shopping in one trip.")] = 8,
    samples_per_second: Annotated[float, typer.Option(help="10 or 80.")] = 80.0,
    handling: Annotated[int, typer.Option(help="Also this many minutes of handling, in one more file.")] = 0,
) -> None:
    """Write recordings of simulated trips."""
    folder.mkdir(parents=True, exist_ok=True)
    plan: list[tuple[Kind, int]] = [
        (CHEATS[number // 4 % len(CHEATS)] if number % 4 == 3 else "honest", acts) for number in range(trips)
    ]
    if handling:
        plan.append(("handling", handling))
    for number, (kind, length) in enumerate(plan):
        path = folder / f"{kind}-{seed}-{number:03d}.mcap"
        write_trip(
            path,
            seed=seed * 1000 + number,
            kind=kind,
            acts=length,
            samples_per_second=samples_per_second,
            replace=True,
        )
        typer.echo(str(path))


if __name__ == "__main__":
    typer.run(main)
