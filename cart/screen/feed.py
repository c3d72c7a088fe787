"""The newest view, for any number of readers: no queue, so a slow reader can't make it grow or show an old view.

Used from one asyncio loop only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from cart.core.catalog import Catalog
from cart.core.view import TripView

# A kiosk has one page; a technician and a test may watch too. More is a mistake or an attack, and costs memory.
READERS_MAX = 8
# At most 30 views a second to a reader: a display shows no more, and a basket being weighed changes at 80.
VIEW_INTERVAL_S = 1 / 30
# The page calls the link lost after three of these, so well within ten seconds.
HEARTBEAT_S = 2.0


class ProduceItem(msgspec.Struct, frozen=True, kw_only=True):
    """Loose produce for the picker; `price_minor` is a kilogram's."""

    sku: str
    name: str
    names: dict[str, str]
    plu: str | None
    price_minor: int


class ProduceList(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /api/v1/catalog/produce`: everything that is sold by weight and picked by name or PLU."""

    version: int
    currency: str
    items: list[ProduceItem]


class ViewFeed:
    """Holds the newest `TripView` and wakes whoever waits for it."""

    def __init__(self, *, readers_max: int = READERS_MAX, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.heartbeat_s = heartbeat_s
        self.readers = 0
        self._readers_max = readers_max
        self._view: TripView | None = None
        self._encoded: bytes | None = None
        self._version = 0
        self._changed = asyncio.Event()
        self._closed = False
        self._encoder = msgspec.json.Encoder()
        self._produce = self._encoder.encode(ProduceList(version=0, currency="", items=[]))

    def publish(self, view: TripView) -> None:
        """Make `view` the newest one. Encoding waits until somebody reads, so a cart without a screen pays nothing."""
        self._view = view
        self._encoded = None
        self._version += 1
        self._wake()

    def publish_catalog(self, catalog: Catalog) -> None:
        """Make the produce picker offer this catalogue's items of unit `kg`."""
        items = [
            ProduceItem(sku=item.sku, name=item.name, names=item.names, plu=item.plu, price_minor=item.price_minor)
            for item in catalog.items
            if item.unit == "kg"
        ]
        items.sort(key=lambda item: item.name.casefold())
        self._produce = self._encoder.encode(
            ProduceList(version=catalog.version, currency=catalog.currency, items=items)
        )

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()

    @property
    def view_json(self) -> bytes | None:
        """The newest view, or None before the first one."""
        if self._encoded is None and self._view is not None:
            self._encoded = self._encoder.encode(self._view)
        return self._encoded

    @property
    def produce_json(self) -> bytes:
        return self._produce

    @property
    def full(self) -> bool:
        return self.readers >= self._readers_max

    async def follow(self) -> AsyncGenerator[bytes | None, None]:
        """The current view at once, then the newest on each change, none that is superseded; None is a heartbeat."""
        self.readers += 1
        try:
            seen = 0
            while not self._closed:
                changed = self._changed
                if self._version != seen:
                    seen = self._version
                    yield self.view_json
                    await asyncio.sleep(VIEW_INTERVAL_S)
                    continue
                try:
                    async with asyncio.timeout(self.heartbeat_s):
                        await changed.wait()
                except TimeoutError:
                    yield None
        finally:
            self.readers -= 1
