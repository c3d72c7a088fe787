"""Every topic of the protocol, in one table. A cart writes only below `up/`, reads only `down/` and the catalogue."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from cart.core.problem import Problem

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
"""Ids of stores and carts: no slash, no wildcard, no control character."""

Channel = Literal[
    "up/status",
    "up/total",
    "up/health",
    "up/ledger",
    "up/ledger/ask",
    "up/help",
    "up/payment/request",
    "up/payment/query",
    "up/payment/cancel",
    "up/receipt",
    "down/ledger/ack",
    "down/ledger/return",
    "down/payment/result",
    "down/command",
]

RETAINED: Final[frozenset[Channel]] = frozenset({"up/status", "up/total", "up/health", "up/help"})
"""The latest value is the whole truth; set again at every connection, as a broker may have forgotten."""

CHANNELS: Final[tuple[Channel, ...]] = (
    "up/status", "up/total", "up/health", "up/ledger", "up/ledger/ask", "up/help", "up/payment/request",
    "up/payment/query", "up/payment/cancel", "up/receipt", "down/ledger/ack", "down/ledger/return",
    "down/payment/result", "down/command",
)  # fmt: skip


class TopicProblem(Problem):
    """An id that can't stand in a topic."""


class Address(msgspec.Struct, frozen=True):
    """A cart's place in a store's topics."""

    store_id: str
    cart_id: str

    def topic(self, channel: Channel) -> str:
        """`store/{store}/cart/{cart}/{channel}`."""
        return f"store/{self.store_id}/cart/{self.cart_id}/{channel}"

    @property
    def everything_down(self) -> str:
        """What a cart subscribes to, beside the catalogue."""
        return f"store/{self.store_id}/cart/{self.cart_id}/down/#"


def address(store_id: str, cart_id: str) -> Address:
    """Raises TopicProblem where an id could reach another topic."""
    for name, value in (("store", store_id), ("cart", cart_id)):
        if not _ID.fullmatch(value):
            raise TopicProblem(
                f"[{name}] id {value[:40]!r}: up to 63 letters, digits, '.', '_' and '-' are allowed; rename it"
            )
    return Address(store_id, cart_id)


def catalogue_topic(store_id: str) -> str:
    """Where the store's current catalogue is retained."""
    return f"store/{store_id}/catalogue/current"


def everything_up(store_id: str) -> str:
    """What a till subscribes to."""
    return f"store/{store_id}/cart/+/up/#"


def every_carts(store_id: str, channel: Channel) -> str:
    """One channel of all carts, for one of several tills."""
    return f"store/{store_id}/cart/+/{channel}"


def parse(topic: str) -> tuple[Address, Channel] | None:
    """Which cart and which channel a topic names; None for any that is not in the table."""
    parts = topic.split("/", 4)
    if len(parts) != 5 or parts[0] != "store" or parts[2] != "cart":
        return None
    _, store_id, _, cart_id, rest = parts
    channel = next((known for known in CHANNELS if known == rest), None)
    if channel is None or not _ID.fullmatch(store_id) or not _ID.fullmatch(cart_id):
        return None
    return Address(store_id, cart_id), channel
