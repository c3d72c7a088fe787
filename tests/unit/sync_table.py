"""A [broker] table and an inbound message, for tests of the link without a broker."""

from __future__ import annotations

from cart.config import BrokerTable
from cart.sync.connection import Inbound

TABLE = BrokerTable(host="127.0.0.1", port=1)


def inbound(topic: str, payload: bytes, *, retained: bool = False) -> Inbound:
    return Inbound(topic, payload, retained, lambda: None)
