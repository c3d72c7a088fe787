"""What a store knows of its products' weights after some days: other people's trips teach it.

Each of these trips is on a cart of its own, honest or not. What the carts' ledgers tell of weights is merged as the
till does it (`cart.till.weights`), so the catalogue that goes out holds nothing that a store would not have heard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from cart.bench.trips import running
from cart.bench.trips.ranges import CatalogKind, Range
from cart.core.chain import LedgerRow
from cart.core.ledger import LedgerEvent
from cart.till.weights import Evidence, merge_all, with_learned

FROM: Final = 1_000_000
"""Their numbers begin here: none of them is among the trips that are measured."""
_DAY_MS: Final = 86_400_000


class Taught(msgspec.Struct, frozen=True, kw_only=True):
    """A range as the store believes it after `trips` trips. `bad_before` and `bad_after` count badly catalogued
    products, `spoilt` those that were right before.
    """

    goods: Range
    trips: int
    bad_before: int
    bad_after: int
    spoilt: int


def teach(kind: CatalogKind, seed: int, trips: int, *, jobs: int) -> Taught:
    """The range of this kind and seed after so many trips."""
    lessons = [(FROM + n, seed, kind) for n in range(trips)]
    return believed(running.goods_of(kind, seed), running.spread(_lesson, lessons, jobs=jobs))


def believed(goods: Range, told: Iterable[Iterable[LedgerRow]]) -> Taught:
    """A range after what some carts have told, each its rows in their order."""
    evidence = Evidence()
    carts = 0
    for carts, rows in enumerate(told, start=1):
        for row in rows:
            evidence.take(f"cart-{carts}", "", row)
    catalog = with_learned(goods.catalog, merge_all(goods.catalog, evidence))
    items = {item.sku: item for item in catalog.items}
    products = tuple(msgspec.structs.replace(p, item=items[p.item.sku]) for p in goods.products)
    both = list(zip(goods.products, products, strict=True))
    return Taught(
        goods=Range(kind=goods.kind, catalog=catalog, products=products),
        trips=carts,
        bad_before=sum(p.badly_catalogued for p in goods.products),
        bad_after=sum(p.badly_catalogued for p in products),
        spoilt=sum(after.badly_catalogued and not before.badly_catalogued for before, after in both),
    )


def _lesson(work: tuple[int, int, CatalogKind]) -> list[LedgerRow]:
    """What the ledger of one trip holds, as its cart would send it."""
    number, seed, kind = work
    rows: list[LedgerRow] = []

    def hear(t_ns: int, event: LedgerEvent) -> None:
        wall_ms = (number - FROM) * _DAY_MS + t_ns // 1_000_000
        body = msgspec.json.encode(event).decode()
        row = LedgerRow(
            seq=len(rows), boot="", wall_ms=wall_ms, t_ns=t_ns, trip_id=f"{number}", body=body, prev="", hash=""
        )
        rows.append(row)

    running.run_trip(number, seed, kind, hear=hear)
    return rows
