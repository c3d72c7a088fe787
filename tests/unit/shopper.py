"""A shopper's hands and a clock for tests of the core: real weighing of clean counts, no threads, no wall time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from cart.core.catalog import BlockedLot, Catalog, Item, Tax
from cart.core.effects import DrawTripId, Effect, Record
from cart.core.ledger import LedgerEvent
from cart.core.observations import AnyObservation, PaymentAnswer, ScaleSample, Scan, Tick, Touch, TripIdDrawn
from cart.core.session import Session
from cart.core.settings import Policy, ScaleSettings
from cart.core.view import InterventionView, LineView, TripView

SAMPLE_NS = 12_500_000
SCALE = ScaleSettings(counts_per_gram=21.5, tare_counts=84213, capacity_g=30000.0, samples_per_second=80.0)

E = TypeVar("E", bound=LedgerEvent)


def gtin(number: int) -> str:
    """A GTIN-14 of the range for internal use, check digit included."""
    body = f"0020{number:09d}"
    odd = sum(int(d) for d in body[0::2])
    even = sum(int(d) for d in body[1::2])
    return body + str(-(odd * 3 + even) % 10)


def item(number: int, weight_g: float | None, sd_g: float | None = 1.0, **more: object) -> Item:
    """An item `S<number>` of a made-up GTIN."""
    fields: dict[str, object] = {
        "sku": f"S{number}",
        "name": f"Item {number}",
        "gtins": (gtin(number),),
        "price_minor": 100 + number,
        "weight_g": weight_g,
        "weight_sd_g": sd_g,
    }
    return Item(**{**fields, **more})  # type: ignore[arg-type]


ITEMS = (
    item(1, 1034.0, 8.0),
    item(2, 250.0, 2.0),
    item(3, 500.0, 3.0),
    item(4, 139.0, 1.4),
    item(5, 252.5, 2.0),
    item(6, 3.0, 0.3),
    item(7, None, None),
    item(8, 700.0, 5.0, age_min=18),
    item(9, None, None, unit="kg", plu="4011", price_minor=199),
    item(10, 6000.0, 60.0),
    item(11, 120.0, 1.0, gtins=("05011001234566",)),
    item(12, 330.0, None),
)
"""2 and 5 weigh nearly the same; 6 is too light to see; 7 has no weight; 9 is produce; 10 is bulky; 12 no spread."""

CATALOG = Catalog(
    version=1,
    currency="EUR",
    locale="en_IE",
    taxes={"A": Tax(rate_bp=1350)},
    items=ITEMS,
    blocked_lots=(BlockedLot(gtin="05011001234566", lot="BAD"),),
)


class Shopper:
    """Drives one session: hands put masses on the platform, time passes in samples."""

    def __init__(
        self, catalog: Catalog = CATALOG, policy: Policy | None = None, *, session: Session | None = None, t_ns: int = 0
    ) -> None:
        self.policy = policy or Policy()
        self.catalog = catalog
        self.t_ns = t_ns
        self.mass_g = 0.0
        self.effects: list[Effect] = []
        self.trips = 0
        self.session = session or self.new_session()

    def new_session(self) -> Session:
        return Session(
            cart_id="cart-1",
            store_id="store-1",
            catalog=self.catalog,
            scale=SCALE,
            policy=self.policy,
            languages=["en", "de"],
        )

    def tell(self, observation: AnyObservation) -> list[Effect]:
        effects = self.session.handle(observation)
        self.effects += effects
        if any(isinstance(e, DrawTripId) for e in effects):
            self._draw()
        return effects

    def _draw(self) -> None:
        self.trips += 1
        self.session.handle(TripIdDrawn(t_ns=self.t_ns, trip_id=f"trip{self.trips}"))

    def wait(self, seconds: float) -> Shopper:
        """Samples of a platform at rest; noise of ±0.2 g that no real converter lacks."""
        for _ in range(round(seconds * 80)):
            self.t_ns += SAMPLE_NS
            step = self.t_ns // SAMPLE_NS
            noise = (step * 2654435761 >> 7) % 9 - 4
            counts = round(SCALE.tare_counts + SCALE.counts_per_gram * self.mass_g) + noise
            self.tell(ScaleSample(t_ns=self.t_ns, counts=counts))
        return self

    def put(self, *masses_g: float, wait_s: float = 1.5) -> Shopper:
        self.mass_g += sum(masses_g)
        return self.wait(wait_s)

    def take(self, *masses_g: float, wait_s: float = 1.5) -> Shopper:
        self.mass_g -= sum(masses_g)
        return self.wait(wait_s)

    def scan(self, number: int, times: int = 1) -> Shopper:
        for _ in range(times):
            self.t_ns += 200_000_000
            self.tell(Scan(t_ns=self.t_ns, text=gtin(number)[1:], symbology="]E0"))
        return self

    def scan_text(self, text: str, symbology: str | None = None) -> Shopper:
        self.tell(Scan(t_ns=self.t_ns, text=text, symbology=symbology))
        return self

    def touch(self, action: str, **fields: object) -> list[Effect]:
        return self.tell(Touch(t_ns=self.t_ns, action=action, **fields))  # type: ignore[arg-type]

    def tick(self, seconds: float) -> Shopper:
        """Time passes without samples."""
        self.t_ns += round(seconds * 1e9)
        self.tell(Tick(t_ns=self.t_ns))
        return self

    def started(self) -> Shopper:
        """An empty cart at rest, its trip begun."""
        self._draw()
        self.wait(1.0)
        self.touch("start")
        return self

    def till(self, status: str, *, amount_minor: int | None = None, cart_id: str = "cart-1") -> list[Effect]:
        """The till's word on the current attempt."""
        opened = [r.event for r in self.records() if r.event.__class__.__name__ == "AttemptOpened"][-1]
        return self.tell(
            PaymentAnswer(
                t_ns=self.t_ns,
                attempt_id=opened.attempt_id,  # type: ignore[union-attr]
                cart_id=cart_id,
                status=status,  # type: ignore[arg-type]
                amount_minor=opened.amount_minor if amount_minor is None else amount_minor,  # type: ignore[union-attr]
                currency=opened.currency,  # type: ignore[union-attr]
                basket_hash=opened.basket_hash,  # type: ignore[union-attr]
                reference="R1",
            )
        )

    def pay(self, method: str = "card") -> Shopper:
        self.touch("checkout")
        self.touch("pay", method=method)
        return self

    def records(self) -> list[Record]:
        return [e for e in self.effects if isinstance(e, Record)]

    def events(self, kind: type[E]) -> list[E]:
        return [r.event for r in self.records() if isinstance(r.event, kind)]

    @property
    def view(self) -> TripView:
        return self.session.view()

    def phase(self) -> str:
        return self.session.view().phase

    def line(self, number: int) -> LineView:
        return next(line for line in self.view.lines if line.sku == f"S{number}")

    @property
    def lines(self) -> dict[str, tuple[int, str]]:
        """sku → units and state."""
        return {line.sku: (line.units, line.state) for line in self.view.lines}

    @property
    def open(self) -> list[tuple[str, str]]:
        return [(i.kind, i.stage) for i in self.view.interventions]

    def question(self, kind: str) -> InterventionView:
        return next(i for i in self.view.interventions if i.kind == kind)

    def answer(self, kind: str, choice: str) -> Shopper:
        self.touch("answer", intervention=self.question(kind).id, choice=choice)
        return self


def revived(shopper: Shopper, records: Sequence[Record]) -> Session:
    """A new session that was told these records, as after a restart."""
    session = shopper.new_session()
    session.restore((r.t_ns, r.event) for r in records)
    return session
