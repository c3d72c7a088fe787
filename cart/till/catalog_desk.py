"""Publishes the store's catalogue with what its carts have learned of weights, as a newer version when that changes."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from cart.core.catalog import Catalog
from cart.till.ledger import FAILURES, TillLedger
from cart.till.weights import Evidence, Merged, merge_all, typed_weight, with_learned

log = logging.getLogger(__name__)

LEARN_EVERY_S: Final = 600.0
"""A catalogue of 100,000 items is 30 MB to each cart; what changes in a few minutes can wait for the others."""


class WeightRow(msgspec.Struct, frozen=True, kw_only=True):
    """One product on the staff's page: what was typed, what units weigh, and whether carts are told so."""

    sku: str
    name: str
    typed_g: float | None
    weight_g: float
    sd_g: float
    units: int
    carts: int
    vouched: int
    agreed: bool
    wrong: bool
    published: bool


class CatalogDesk:
    """For one event loop. `publish` sets the retained catalogue; None: one signed elsewhere goes out as it is."""

    def __init__(self, ledger: TillLedger, catalog: Catalog, publish: Callable[[Catalog], None] | None) -> None:
        """`catalog` is the store's own; nothing goes out before `learn`."""
        self.current = catalog
        self._ledger = ledger
        self._typed = catalog
        self._publish = publish
        self._evidence = Evidence()
        self.merged: dict[str, Merged] = {}
        """What carts say, by product, as last read."""
        self._out = False
        self._timer: asyncio.TimerHandle | None = None

    def learn(self, *, anew: bool = False) -> None:
        """Read what carts have sent since, merge it, and publish if that changes anything, or `anew` in any case."""
        try:
            for cart_id, chain, row in self._ledger.rows_about_weights(self._evidence.heads):
                self._evidence.take(cart_id, chain, row)
            self.merged = merge_all(self._typed, self._evidence)
            if self._publish is None:
                return
            catalog = with_learned(self._typed, self.merged)
            # Carts that have the typed one take nothing of the same number.
            least = catalog.version + (catalog != self._typed)
            version = self._ledger.number_of(_content(catalog), least)
        except FAILURES:
            log.exception("what the carts have learned could not be read; the catalogue stays as it is")
            catalog, version = self.current, self.current.version
        if self._publish is not None and (anew or not self._out or version != self.current.version):
            self._out = True
            self.current = msgspec.structs.replace(catalog, version=version)
            self._publish(self.current)

    def start(self) -> None:
        """Learn again every ten minutes; needs a running loop."""
        self._timer = asyncio.get_running_loop().call_later(LEARN_EVERY_S, self._again)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def weights(self) -> list[WeightRow]:
        """What carts have learned: plainly wrong catalogue weights first, then what units disagree about."""
        published = {item.sku: item for item in self.current.items}
        rows = []
        for item in self._typed.items:
            merged = self.merged.get(item.sku)
            typed_g, typed_sd_g = typed_weight(item)
            if merged is None or not (merged.wrong or not merged.agreed or typed_g is None or typed_sd_g is None):
                continue
            rows.append(
                WeightRow(
                    sku=item.sku, name=item.name, typed_g=typed_g, weight_g=merged.weight_g, sd_g=merged.sd_g,
                    units=merged.units, carts=merged.carts, vouched=merged.vouched, agreed=merged.agreed,
                    wrong=merged.wrong, published=published[item.sku].learned is not None,
                )
            )  # fmt: skip
        return sorted(rows, key=lambda row: (not row.wrong, row.agreed, row.sku))

    def _again(self) -> None:
        before = self.current.version
        self.learn()
        if self.current.version != before:
            log.info("catalogue %d goes out with what carts have learned", self.current.version)
        self.start()


def _content(catalog: Catalog) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(catalog, version=0))).hexdigest()
