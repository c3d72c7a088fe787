"""Carts teach the store: what is in the catalogue after their trips."""

from __future__ import annotations

import msgspec

from cart.bench.trips.ranges import Product, make_range
from cart.bench.trips.teaching import believed
from cart.core.chain import LedgerRow
from cart.core.ledger import ItemConfirmed, LedgerEvent, WeightLearned

GOODS = make_range("unknown", 5, 60)
MISSING = next(p for p in GOODS.products if p.item.unit == "each" and p.item.weight_g is None)
WRONG = next(p for p in GOODS.products if p.badly_catalogued and p.item.weight_g is not None)
RIGHT = next(p for p in GOODS.products if p.item.weight_sd_g is not None and not p.badly_catalogued)


def _rows(events: list[LedgerEvent]) -> list[LedgerRow]:
    return [
        LedgerRow(
            seq=seq, boot="", wall_ms=seq, t_ns=seq, trip_id="t", body=msgspec.json.encode(event).decode(), prev="",
            hash="",
        )
        for seq, event in enumerate(events)
    ]  # fmt: skip


def _weighed(product: Product, step_id: int, weight_g: float) -> LedgerEvent:
    sku = product.item.sku
    return ItemConfirmed(line_id=step_id, sku=sku, units=1, weight_g=weight_g, proof="weighed", step_ids=(step_id,))


def _learned(product: Product) -> LedgerEvent:
    return WeightLearned(
        sku=product.item.sku, weight_g=product.mean_g, sd_g=1.0, samples_g=(product.mean_g, product.mean_g), vouched=0,
        catalog_g=product.item.weight_g, catalog_version=1, wrong=False,
    )  # fmt: skip


def test_what_several_carts_tell_rights_the_catalogue_and_one_cheat_spoils_nothing() -> None:
    carts = [_rows([_learned(MISSING), _learned(WRONG), _weighed(RIGHT, 1, RIGHT.mean_g)]) for _ in range(4)]
    carts.append(_rows([_weighed(RIGHT, 1, 3.0 * RIGHT.mean_g)]))
    taught = believed(GOODS, carts)
    assert taught.trips == 5
    assert taught.bad_after == taught.bad_before - 2
    assert taught.spoilt == 0
    known = {p.item.sku: p for p in taught.goods.products}
    assert not known[MISSING.item.sku].badly_catalogued
    assert not known[WRONG.item.sku].badly_catalogued
    assert taught.goods.catalog.items == tuple(p.item for p in taught.goods.products)


def test_one_cart_alone_teaches_nobody() -> None:
    taught = believed(GOODS, [_rows([_learned(MISSING), _learned(WRONG)])])
    assert taught.bad_after == taught.bad_before
